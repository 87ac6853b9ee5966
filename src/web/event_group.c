/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GET /events?group=: events counted by one word or two, most first. One walk over the journal; rows are few, so the
 * whole answer is made at once.
 */
#include <errno.h>
#include <stdlib.h>

#include "web/breakdown.h"
#include "web/envelope.h"
#include "web/event_print.h"
#include "web/events.h"
#include "web/recent.h"
#include "web/socket_list.h"

struct group {
	uint64_t count, unread_bytes;
	uint64_t example; /* id of the newest */
	int64_t first_ns, last_ns; /* CLOCK_REALTIME */
};

struct groups {
	struct breakdown breakdown;
	struct event_filter filter;
	struct group *rows; /* owned, by number of the breakdown's rows */
	uint32_t *order; /* owned */
	uint32_t size;
	uint64_t matched, ungrouped;
};

/* NULL where the event is about a finding. */
static const struct event_socket *socket_of(const void *item)
{
	const struct event *event = item;

	return event_is_finding(event) ? NULL : &event->socket;
}

static void kind_value(struct buffer *b, const void *view, const void *item)
{
	(void)view;
	breakdown_text(b, event_kind_name((enum event_kind)((const struct event *)item)->kind));
}

static void actor_value(struct buffer *b, const void *view, const void *item)
{
	(void)view;
	breakdown_text(b, event_actor_name((enum event_actor)((const struct event *)item)->actor));
}

static void reason_value(struct buffer *b, const void *view, const void *item)
{
	const struct event_socket *s = socket_of(item);

	(void)view;
	breakdown_text(b, s ? reset_reason_name((enum reset_reason)s->reason) : NULL);
}

static void state_value(struct buffer *b, const void *view, const void *item)
{
	const struct event_socket *s = socket_of(item);

	(void)view;
	breakdown_text(b, s ? tcpdiag_state_name((enum tcpdiag_state)s->state) : NULL);
}

static void direction_value(struct buffer *b, const void *view, const void *item)
{
	const struct event_socket *s = socket_of(item);

	(void)view;
	breakdown_text(b, s ? direction_name((enum direction)s->direction) : NULL);
}

static void unit_value(struct buffer *b, const void *view, const void *item)
{
	const struct event *event = item;
	struct event_name who = { .number = 0 };

	if (event_is_finding(event)) {
		breakdown_text(b, event->finding.unit);
		return;
	}
	(void)event_who(view, event, &who);
	breakdown_text(b, who.unit);
}

static void comm_value(struct buffer *b, const void *view, const void *item)
{
	const struct event *event = item;
	struct event_name who = { .number = 0 };

	if (event_is_finding(event)) {
		breakdown_text(b, event->finding.comm);
		return;
	}
	(void)event_who(view, event, &who);
	breakdown_text(b, who.comm);
}

static void netns_value(struct buffer *b, const void *view, const void *item)
{
	const struct event *event = item;

	(void)view;
	breakdown_number(b, event_is_finding(event) ? event->finding.netns : event->socket.netns);
}

static void local_port_value(struct buffer *b, const void *view, const void *item)
{
	const struct event_socket *s = socket_of(item);

	(void)view;
	breakdown_number(b, s ? s->local_port : 0);
}

static void remote_address_value(struct buffer *b, const void *view, const void *item)
{
	const struct event_socket *s = socket_of(item);

	(void)view;
	if (!s || !s->remote_port) {
		buffer_literal(b, "null");
		return;
	}
	buffer_char(b, '"');
	buffer_address(b, s->remote, s->family);
	buffer_char(b, '"');
}

static void rule_value(struct buffer *b, const void *view, const void *item)
{
	const struct event *event = item;

	(void)view;
	breakdown_text(b, event_is_finding(event)
				  ? tcpdiag_rule_id((enum tcpdiag_rule)event->finding.rule)
				  : NULL);
}

static void severity_value(struct buffer *b, const void *view, const void *item)
{
	const struct event *event = item;

	(void)view;
	breakdown_text(b, event_is_finding(event)
				  ? severity_name((enum severity)event->finding.severity)
				  : NULL);
}

static const struct breakdown_key keys[] = {
	{ "kind", kind_value },
	{ "reason", reason_value },
	{ "unit", unit_value },
	{ "comm", comm_value },
	{ "actor", actor_value },
	{ "state", state_value },
	{ "direction", direction_value },
	{ "netns", netns_value },
	{ "local.port", local_port_value },
	{ "remote.address", remote_address_value },
	{ "rule", rule_value },
	{ "severity", severity_value },
	{ NULL, NULL },
};

static int grow(struct groups *g)
{
	uint32_t size = g->size ? g->size * 2 : 64;
	struct group *rows = reallocarray(g->rows, size, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	g->rows = rows;
	memset(rows + g->size, 0, (size - g->size) * sizeof(*rows));
	g->size = size;
	return 0;
}

static int add_event(struct groups *g, const struct journal_view *view, const struct event *event)
{
	struct group *group;
	uint32_t row;
	int r;

	g->matched++;
	r = breakdown_row(&g->breakdown, view, event, &row);
	if (r == -ENOSPC) {
		g->ungrouped++;
		return 0;
	}
	if (r >= 0 && row >= g->size)
		r = grow(g);
	if (r < 0)
		return r;
	group = &g->rows[row];
	group->count++;
	if (!event_is_finding(event) && event->socket.known & EVENT_KNOWS_UNREAD)
		group->unread_bytes += event->socket.unread_bytes;
	group->example = event->id;
	if (!group->first_ns)
		group->first_ns = event->wall_ns;
	group->last_ns = event->wall_ns;
	return 0;
}

static int count_all(struct groups *g, const struct journal_view *view)
{
	uint64_t until = journal_newest(view);
	struct journal_cursor cursor;
	struct event event;
	int r = 0;

	journal_seek(view, 0, &cursor);
	while (r >= 0 && journal_next(view, &cursor, g->filter.rings, &event) > 0 &&
	       event.id <= until)
		if (event_filter_match(&g->filter, view, &event))
			r = add_event(g, view, &event);
	return r;
}

static int most_first(const void *a, const void *b, void *context)
{
	const struct groups *g = context;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (g->rows[x].count != g->rows[y].count)
		return g->rows[x].count < g->rows[y].count ? 1 : -1;
	return lexicon_compare(&g->breakdown.rows, x, y);
}

static int sort(struct groups *g)
{
	uint32_t count = g->breakdown.rows.count, i;

	g->order = calloc(count + 1UL, sizeof(*g->order));
	if (!g->order)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		g->order[i] = i;
	qsort_r(g->order, count, sizeof(*g->order), most_first, g);
	return 0;
}

static void print_json(struct buffer *b, const struct groups *g, uint32_t row)
{
	const struct group *group = &g->rows[row];

	buffer_char(b, '{');
	breakdown_print(b, &g->breakdown, row);
	buffer_literal(b, ",\"count\":");
	buffer_u64(b, group->count);
	buffer_literal(b, ",\"unread_bytes\":");
	buffer_u64(b, group->unread_bytes);
	buffer_literal(b, ",\"first\":");
	buffer_time(b, group->first_ns);
	buffer_literal(b, ",\"last\":");
	buffer_time(b, group->last_ns);
	buffer_literal(b, ",\"example\":");
	buffer_u64(b, group->example);
	buffer_char(b, '}');
}

static void print_rows(struct buffer *b, const struct groups *g, enum list_format format,
		       uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count && !b->error; i++) {
		uint32_t row = g->order[i];

		if (format == LIST_JSON && i)
			buffer_literal(b, ",\n");
		if (format == LIST_TEXT) {
			buffer_printf(b, "%8llu %12llu", (unsigned long long)g->rows[row].count,
				      (unsigned long long)g->rows[row].unread_bytes);
			breakdown_print_text(b, &g->breakdown, row);
		} else {
			print_json(b, g, row);
		}
		if (format != LIST_JSON)
			buffer_char(b, '\n');
	}
}

static void print_groups(struct buffer *b, const struct groups *g, const struct request *request,
			 const struct list_options *options)
{
	uint32_t total = g->breakdown.rows.count;
	uint32_t count = options->limit ? MIN(total, options->limit) : total;
	struct emitter j = { .b = b };
	int64_t oldest_ns;

	if (options->format == LIST_TEXT) {
		buffer_printf(b, "%8s %12s", "Count", "Unread");
		breakdown_print_names(b, &g->breakdown);
		buffer_char(b, '\n');
	}
	if (options->format != LIST_JSON) {
		print_rows(b, g, options->format, count);
		return;
	}
	emit_object(&j, NULL);
	envelope_print(b, request->snapshot, request->now_ns);
	j.more = true;
	emit_u64(&j, "matched", g->matched);
	emit_u64(&j, "returned", count);
	emit_u64(&j, "groups_total", total);
	emit_u64(&j, "ungrouped", g->ungrouped);
	events_emit_source(&j, request->snapshot);
	emit_raw(&j, "oldest", "");
	oldest_ns = journal_oldest_ns(request->journal,
				      g->filter.rings ? g->filter.rings : JOURNAL_RINGS_ALL);
	buffer_time(b, oldest_ns);
	recent_gaps_emit(&j, request->journal, MAX(oldest_ns, g->filter.since_ns),
			 g->filter.until_ns);
	emit_array(&j, "groups");
	print_rows(b, g, options->format, count);
	buffer_literal(b, "],\"next\":null}\n");
}

static int check_options(const struct request *request, const struct list_options *options,
			 struct problem *problem)
{
	const char *name = options->after			 ? "after"
			   : options->fields			 ? "fields"
			   : query_get(request->query, "last")	 ? "last"
			   : query_get(request->query, "follow") ? "follow"
								 : NULL;

	if (!name)
		return 0;
	return problem_set(problem, 400, name, "%s does not go with group", name);
}

int event_groups_document(const struct request *request, const struct list_options *options,
			  const char *words, struct document **ret, struct problem *problem)
{
	struct groups *g;
	struct buffer b = {};
	int r;

	r = check_options(request, options, problem);
	if (r < 0)
		return r;
	g = calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	r = breakdown_init(&g->breakdown, keys, words, problem);
	if (r >= 0)
		r = event_filter_compile(request->query, request->snapshot, request->wall_ns,
					 &g->filter, problem);
	if (r >= 0)
		r = count_all(g, request->journal);
	if (r >= 0)
		r = sort(g);
	if (r >= 0) {
		print_groups(&b, g, request, options);
		r = document_from_buffer(&b, 200, list_content_type(options->format), ret);
	}
	event_filter_done(&g->filter);
	breakdown_done(&g->breakdown);
	free(g->order);
	free(g->rows);
	free(g);
	return r;
}
