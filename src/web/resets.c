/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Minutes hold what the rings cannot: a day of resets, whatever number of them. A span covers the minutes that it
 * touches, so a question for the last quarter of an hour is answered with up to a minute more.
 */
#include <errno.h>
#include <string.h>

#include "web/envelope.h"
#include "web/events.h"
#include "web/resets.h"
#include "web/socket_list.h"
#include "web/when.h"

#define MINUTE_NS (60 * NSEC_PER_SEC)
#define SINCE_DEFAULT_NS (15 * MINUTE_NS)
#define GROUP_DEFAULT "unit,reason"

#define REASON_SCHEMA "{\"$ref\":\"#/components/schemas/ResetReason\"}"

const struct route_parameter resets_parameters[] = {
	{ "since", WHEN_SCHEMA,
	  "Not before the minute of this: a time (RFC 3339), or how long ago; -15m where it is not "
	  "given.",
	  false },
	{ "until", WHEN_SCHEMA, "Up to the minute of this, which counts.", false },
	{ "group", FILTER_TEXT,
	  "Count by one word or two, separated by a comma: unit, reason, local.port, netns, state, "
	  "kind, minute. unit,reason where it is not given. Most first, as they are counted now: "
	  "there is no next page, limit=0 shows all.",
	  false },
	{ "kind", "{\"type\":\"string\",\"enum\":[\"reset-sent\",\"reset-received\"]}",
	  "Only sent, or only received.", false },
	{ "unit", FILTER_TEXT, "Only of this systemd unit; nginx means nginx.service.", true },
	{ "reason", REASON_SCHEMA, "Only for this reason.", true },
	{ "netns", FILTER_NUMBER, "Only in this network namespace, by inode number.", true },
	{ "local.port", FILTER_PORT, "Only on this local port.", true },
	{ .more = page_parameters },
};

/* ---- words to count by ---- */

static void unit_value(struct buffer *b, const void *view, const void *item)
{
	const struct minute_row *row = item;
	char label[JOURNAL_LABEL];

	breakdown_text(b, journal_label(view, row->label, label));
}

static void reason_value(struct buffer *b, const void *view, const void *item)
{
	const struct minute_row *row = item;

	(void)view;
	breakdown_text(b, reset_reason_name((enum reset_reason)row->reason));
}

static void port_value(struct buffer *b, const void *view, const void *item)
{
	(void)view;
	breakdown_number(b, ((const struct minute_row *)item)->port);
}

static void netns_value(struct buffer *b, const void *view, const void *item)
{
	(void)view;
	breakdown_number(b, ((const struct minute_row *)item)->netns);
}

static void state_value(struct buffer *b, const void *view, const void *item)
{
	const struct minute_row *row = item;

	(void)view;
	breakdown_text(b, tcpdiag_state_name((enum tcpdiag_state)row->state));
}

static const char *kind_of(const struct minute_row *row)
{
	return event_kind_name(row->kind == MINUTE_RESET_SENT ? EVENT_RESET_SENT
							      : EVENT_RESET_RECEIVED);
}

static void kind_value(struct buffer *b, const void *view, const void *item)
{
	(void)view;
	breakdown_text(b, kind_of(item));
}

static void minute_value(struct buffer *b, const void *view, const void *item)
{
	int64_t ns;

	(void)view;
	if (__builtin_mul_overflow(((const struct minute_row *)item)->minute, MINUTE_NS, &ns))
		ns = 0;
	buffer_time(b, ns);
}

static const struct breakdown_key keys[] = {
	{ "unit", unit_value },	      { "reason", reason_value },
	{ "local.port", port_value }, { "netns", netns_value },
	{ "state", state_value },     { "kind", kind_value },
	{ "minute", minute_value },   { NULL, NULL },
};

/* ---- filters ---- */

struct counting {
	struct resets *resets;
	const struct query *filters;
	int64_t from, to; /* minutes */
	int64_t first; /* minute of the oldest row that there is */
	uint32_t rows; /* of any minute and kind */
};

static bool is_unit(const struct journal_view *view, const struct minute_row *row, const char *text)
{
	char label[JOURNAL_LABEL];
	const char *unit = journal_label(view, row->label, label);
	size_t len = strlen(text);

	return !strncmp(unit, text, len) && (!unit[len] || !strcmp(unit + len, ".service"));
}

static bool matches(const struct journal_view *view, const struct minute_row *row,
		    const struct parameter *p)
{
	unsigned long number = strtoul(p->value, NULL, 10);

	if (!strcmp(p->name, "unit"))
		return is_unit(view, row, p->value);
	if (!strcmp(p->name, "reason"))
		return !strcmp(reset_reason_name((enum reset_reason)row->reason) ?: "", p->value);
	if (!strcmp(p->name, "kind"))
		return !strcmp(kind_of(row), p->value);
	return number && number == (strcmp(p->name, "netns") != 0 ? row->port : row->netns);
}

static const char *const filter_names[] = { "unit", "reason", "kind", "netns", "local.port" };

static bool filters_match(const struct journal_view *view, const struct query *query,
			  const struct minute_row *row)
{
	size_t i, f;

	for (f = 0; query && f < ARRAY_SIZE(filter_names); f++) {
		bool given = false, matched = false;

		for (i = 0; i < query->count && !matched; i++) {
			if (strcmp(query->parameters[i].name, filter_names[f]) != 0)
				continue;
			given = true;
			matched = matches(view, row, &query->parameters[i]);
		}
		if (given && !matched)
			return false;
	}
	return true;
}

static int check_filter(const struct parameter *p, struct problem *problem)
{
	uint64_t number;
	int reason;

	if (!strcmp(p->name, "netns"))
		return query_number(p, UINT32_MAX, &number, problem);
	if (!strcmp(p->name, "local.port"))
		return query_number(p, UINT16_MAX, &number, problem);
	if (!strcmp(p->name, "kind") && strcmp(p->value, event_kind_name(EVENT_RESET_SENT)) != 0 &&
	    strcmp(p->value, event_kind_name(EVENT_RESET_RECEIVED)) != 0)
		return problem_set(problem, 400, p->name,
				   "%.64s: reset-sent or reset-received is wanted", p->value);
	if (strcmp(p->name, "reason") != 0)
		return 0;
	for (reason = 1; reason < RESET_REASON_MAX; reason++)
		if (!strcmp(reset_reason_name((enum reset_reason)reason), p->value))
			return 0;
	return problem_set(problem, 400, p->name,
			   "%.64s is no reason of the kernel; ResetReason in /openapi.json lists "
			   "them",
			   p->value);
}

/* ---- counting ---- */

static void add_row(struct reset_sums *sums, const struct minute_row *row)
{
	*(row->kind == MINUTE_RESET_SENT ? &sums->sent : &sums->received) += row->count;
	if (row->kind == MINUTE_RESET_SENT)
		sums->unread_bytes += row->unread_bytes;
	sums->peer_open += row->flags & MINUTE_PEER_OPEN ? row->count : 0;
	sums->idle += row->flags & MINUTE_IDLE ? row->count : 0;
	sums->derived += row->flags & MINUTE_DERIVED ? row->count : 0;
}

static int grow(struct resets *resets)
{
	uint32_t size = resets->size ? resets->size * 2 : 64;
	struct reset_sums *rows = reallocarray(resets->rows, size, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	resets->rows = rows;
	memset(rows + resets->size, 0, (size - resets->size) * sizeof(*rows));
	resets->size = size;
	return 0;
}

static int count_row(const struct minute_row *row, void *context)
{
	struct counting *counting = context;
	struct resets *resets = counting->resets;
	uint32_t at;
	int r;

	if (!counting->rows++)
		counting->first = row->minute;
	if (row->minute < counting->from || row->minute >= counting->to)
		return 0;
	if (recent_gap(&resets->gaps, row))
		return 0;
	if ((row->kind != MINUTE_RESET_SENT && row->kind != MINUTE_RESET_RECEIVED) ||
	    !filters_match(resets->view, counting->filters, row))
		return 0;
	add_row(&resets->total, row);
	if (row->reason == RESET_REASON_NO_SOCKET_SYN)
		resets->refused += row->count;
	if (row->flags & MINUTE_OTHER)
		resets->folded += row->count;
	r = breakdown_row(&resets->breakdown, resets->view, row, &at);
	if (r == -ENOSPC) {
		add_row(&resets->ungrouped, row);
		return 0;
	}
	if (r >= 0 && at >= resets->size)
		r = grow(resets);
	if (r < 0)
		return r;
	add_row(&resets->rows[at], row);
	return 0;
}

static int in_order(const void *a, const void *b, void *context)
{
	const struct resets *resets = context;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	uint64_t many_x = resets->rows[x].sent + resets->rows[x].received;
	uint64_t many_y = resets->rows[y].sent + resets->rows[y].received;

	/* What goes by the clock is read by the clock. */
	if (resets->breakdown.keys[0]->value != minute_value && many_x != many_y)
		return many_x < many_y ? 1 : -1;
	return lexicon_compare(&resets->breakdown.rows, x, y);
}

static int sort(struct resets *resets)
{
	uint32_t count = resets->breakdown.rows.count, i;

	resets->order = calloc(count + 1UL, sizeof(*resets->order));
	if (!resets->order)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		resets->order[i] = i;
	qsort_r(resets->order, count, sizeof(*resets->order), in_order, resets);
	return 0;
}

/* Where all places are taken (but one, that is being written), rows have been overwritten: of that minute, too. */
static int64_t oldest(const struct journal_view *view, const struct counting *counting)
{
	int64_t since_ns = journal_since_ns(view);

	if (counting->rows + 1 < view->minute_places ||
	    counting->first >= INT64_MAX / MINUTE_NS - 1)
		return since_ns;
	return MAX(since_ns, (counting->first + 1) * MINUTE_NS);
}

int resets_count(const struct journal_view *view, const struct reset_query *query,
		 struct resets *ret, struct problem *problem)
{
	struct counting counting = { .resets = ret, .filters = query->filters };
	int r;

	*ret = (struct resets){ .view = view, .since_ns = query->since_ns };
	r = breakdown_init(&ret->breakdown, keys, query->group, problem);
	if (r < 0)
		return r;
	counting.from = query->since_ns / MINUTE_NS;
	counting.to = query->until_ns == INT64_MAX ? INT64_MAX : query->until_ns / MINUTE_NS + 1;
	r = journal_minutes(view, INT64_MIN, INT64_MAX, count_row, &counting);
	if (r < 0)
		return r;
	ret->oldest_ns = oldest(view, &counting);
	return sort(ret);
}

void resets_done(struct resets *resets)
{
	breakdown_done(&resets->breakdown);
	free(resets->rows);
	free(resets->order);
	resets->rows = NULL;
	resets->order = NULL;
}

/* ---- printing ---- */

static void emit_share(struct emitter *j, const char *name, uint64_t part, uint64_t whole)
{
	emit_number_known(j, name, whole, whole ? (double)part / (double)whole : 0);
}

static void emit_sums(struct emitter *j, const struct reset_sums *sums)
{
	uint64_t count = sums->sent + sums->received;

	emit_u64(j, "count", count);
	emit_u64(j, "sent", sums->sent);
	emit_u64(j, "received", sums->received);
	emit_u64(j, "unread_bytes", sums->unread_bytes);
	emit_u64(j, "peer_open", sums->peer_open);
	emit_share(j, "peer_open_ratio", sums->peer_open, count);
	emit_u64(j, "idle", sums->idle);
	emit_share(j, "idle_ratio", sums->idle, count);
	emit_u64(j, "derived", sums->derived);
}

static void print_row(struct buffer *b, const struct resets *resets, uint32_t row,
		      enum list_format format)
{
	struct emitter j = { .b = b, .more = true };
	const struct reset_sums *sums = &resets->rows[row];

	if (format == LIST_TEXT) {
		buffer_printf(b, "%8llu %8llu %12llu %9llu %8llu", (unsigned long long)sums->sent,
			      (unsigned long long)sums->received,
			      (unsigned long long)sums->unread_bytes,
			      (unsigned long long)sums->peer_open, (unsigned long long)sums->idle);
		breakdown_print_text(b, &resets->breakdown, row);
		return;
	}
	buffer_char(b, '{');
	breakdown_print(b, &resets->breakdown, row);
	emit_sums(&j, sums);
	buffer_char(b, '}');
}

static void print_rows(struct buffer *b, const struct resets *resets, enum list_format format,
		       uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count && !b->error; i++) {
		if (format == LIST_JSON && i)
			buffer_literal(b, ",\n");
		print_row(b, resets, resets->order[i], format);
		if (format != LIST_JSON)
			buffer_char(b, '\n');
	}
}

static void print_resets(struct buffer *b, const struct resets *resets,
			 const struct request *request, const struct list_options *options)
{
	uint32_t all = resets->breakdown.rows.count;
	uint32_t count = options->limit ? MIN(all, options->limit) : all;
	struct emitter j = { .b = b };

	if (options->format == LIST_TEXT) {
		buffer_printf(b, "%8s %8s %12s %9s %8s", "Sent", "Received", "Unread", "Peer-open",
			      "Idle");
		breakdown_print_names(b, &resets->breakdown);
		buffer_char(b, '\n');
	}
	if (options->format != LIST_JSON) {
		print_rows(b, resets, options->format, count);
		return;
	}
	emit_object(&j, NULL);
	envelope_print(b, request->snapshot, request->now_ns);
	j.more = true;
	emit_u64(&j, "matched", all);
	emit_u64(&j, "returned", count);
	events_emit_source(&j, request->snapshot);
	emit_raw(&j, "oldest", "");
	buffer_time(b, resets->oldest_ns);
	emit_raw(&j, "since", "");
	buffer_time(b, resets->since_ns / MINUTE_NS * MINUTE_NS);
	emit_object(&j, "total");
	emit_sums(&j, &resets->total);
	emit_end(&j, '}');
	emit_u64(&j, "ungrouped", resets->ungrouped.sent + resets->ungrouped.received);
	emit_u64(&j, "folded", resets->folded);
	emit_ns(&j, "unseen_seconds", resets->gaps.unseen_ns);
	emit_u64(&j, "lost_events", resets->gaps.lost);
	emit_array(&j, "resets");
	print_rows(b, resets, options->format, count);
	buffer_literal(b, "],\"next\":null}\n");
}

/* ---- the route ---- */

static int parse_time(const struct request *request, const char *name, int64_t otherwise,
		      int64_t *ret, struct problem *problem)
{
	const char *value = query_get(request->query, name);

	*ret = otherwise;
	if (!value || !when_parse(value, strlen(value), request->wall_ns, ret))
		return 0;
	return problem_set(problem, 400, name, "%s cannot be '%.64s'; it is " WHEN_ALLOWED, name,
			   value);
}

static int parse(const struct request *request, struct list_options *options,
		 struct reset_query *ret, struct problem *problem)
{
	size_t i;
	int r;

	r = list_options_parse(request->query, NULL, options, problem);
	for (i = 0; i < request->query->count && r >= 0; i++)
		r = check_filter(&request->query->parameters[i], problem);
	if (r >= 0)
		r = parse_time(request, "since", request->wall_ns - SINCE_DEFAULT_NS,
			       &ret->since_ns, problem);
	if (r >= 0)
		r = parse_time(request, "until", INT64_MAX, &ret->until_ns, problem);
	ret->group = query_get(request->query, "group") ?: GROUP_DEFAULT;
	ret->filters = request->query;
	return r;
}

int resets_route(const struct request *request, struct document **ret, struct problem *problem)
{
	struct list_options options;
	struct reset_query query;
	struct resets resets;
	struct buffer b = {};
	int r;

	r = events_journal(request, problem);
	if (r >= 0)
		r = parse(request, &options, &query, problem);
	if (r < 0)
		return r;
	r = resets_count(request->journal, &query, &resets, problem);
	if (r >= 0) {
		print_resets(&b, &resets, request, &options);
		r = document_from_buffer(&b, 200, list_content_type(options.format), ret);
	}
	resets_done(&resets);
	return r;
}
