/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two walks over the journal: one counts what matches, the other prints it. Nothing is kept between, so a list of
 * any length takes one piece of memory; what the collector overwrites meanwhile is a gap, which is said at the end.
 *
 * Ids ascend over all kinds and over restarts, so `after` is the id of the last event of the page before.
 */
#include <errno.h>
#include <inttypes.h>

#include "web/envelope.h"
#include "web/event_print.h"
#include "web/events.h"
#include "web/media.h"
#include "web/recent.h"
#include "web/select.h"
#include "web/socket_list.h"

#define STREAM_TYPE "text/event-stream"

const struct route_parameter events_parameters[] = {
	{ "group", FILTER_TEXT,
	  "Count by one word or two, separated by a comma, instead of listing: kind, reason, unit, "
	  "comm, actor, state, direction, netns, local.port, remote.address, rule, severity. Most "
	  "first, as they are counted now: there is no next page of these, limit=0 shows all.",
	  false },
	{ "last", "{\"type\":\"integer\",\"minimum\":1}",
	  "Only the last so many that match; without it the first `limit`, and `next` goes on.",
	  false },
	{ "follow", "{\"type\":\"boolean\"}",
	  "true, with format=ndjson: do not end, a line for each event as it comes. With Accept: "
	  "text/event-stream an answer never ends.",
	  false },
	{ "last_event_id", "{\"type\":\"string\"}",
	  "Of a stream: go on behind this id, as the header Last-Event-ID says it.", false },
	{ .more = event_filter_parameters },
};

struct list {
	struct document document; /* first */
	struct journal_view view;
	struct snapshot snapshot;
	struct event_filter filter;
	struct journal_cursor cursor;
	enum list_format format;
	char *fields; /* owned, or NULL */
	struct buffer whole; /* a row before its members are selected */
	uint64_t until; /* id of the last event to look at */
	uint64_t end; /* of the last one of the page */
	uint64_t after; /* 0: from the oldest */
	uint64_t skip; /* that match, before the first of the page */
	uint64_t matched, returned, printed;
	uint64_t next; /* id of the last event of a page that is not the last, else 0 */
	int64_t now_ns;
	bool gap, begun;
};

/* ---- what all answers say ---- */

int events_journal(const struct request *request, struct problem *problem)
{
	if (request->journal)
		return 0;
	return problem_set(problem, 503, NULL,
			   "no journal of events has come from the collector yet: /status says "
			   "more");
}

static const struct source *find_source(const struct snapshot *snapshot)
{
	uint32_t i;

	for (i = 0; snapshot && i < snapshot->source_count; i++)
		if (snapshot->sources[i].id == SOURCE_EVENTS)
			return &snapshot->sources[i];
	return NULL;
}

bool events_are_seen(const struct snapshot *snapshot)
{
	const struct source *source = find_source(snapshot);

	return source && (source->state == SOURCE_OK || source->state == SOURCE_DEGRADED);
}

bool events_tell_ends(const struct snapshot *snapshot)
{
	return events_are_seen(snapshot) && snapshot->header->events.origin == EVENT_ORIGIN_BPF;
}

void events_emit_source(struct emitter *j, const struct snapshot *snapshot)
{
	const struct source *source = find_source(snapshot);

	emit_object(j, "source");
	emit_string(j, "state",
		    source_state_name(source ? (enum source_state)source->state : SOURCE_OFF)
			    ?: "off");
	emit_text(j, "reason", source ? snapshot_text(snapshot, source->reason) : NULL);
	emit_end(j, '}');
}

bool events_gap(const struct journal_view *view, uint32_t rings, uint64_t after)
{
	return after > journal_newest(view) || !journal_reaches(view, rings, after);
}

/* ---- the list ---- */

static struct list *list_of(struct document *document)
{
	return (struct list *)document;
}

/* The next event that matches, up to the newest that there was at the beginning. */
static bool next_match(struct list *list, struct event *ret)
{
	while (journal_next(&list->view, &list->cursor, list->filter.rings, ret) > 0) {
		if (ret->id > list->end)
			return false;
		if (event_filter_match(&list->filter, &list->view, ret))
			return true;
	}
	return false;
}

static void print_head(struct list *list, struct buffer *b)
{
	struct emitter j = { .b = b };
	uint32_t rings = list->filter.rings;
	int64_t oldest_ns;

	if (list->format == LIST_TEXT) {
		buffer_text(b, event_text_heading);
		buffer_char(b, '\n');
	}
	if (list->format != LIST_JSON)
		return;
	emit_object(&j, NULL);
	envelope_print(b, &list->snapshot, list->now_ns);
	j.more = true;
	emit_u64(&j, "matched", list->matched);
	emit_u64(&j, "returned", list->returned);
	events_emit_source(&j, &list->snapshot);
	emit_raw(&j, "oldest", "");
	oldest_ns = journal_oldest_ns(&list->view, rings ? rings : JOURNAL_RINGS_ALL);
	buffer_time(b, oldest_ns);
	recent_gaps_emit(&j, &list->view, MAX(oldest_ns, list->filter.since_ns),
			 list->filter.until_ns);
	emit_array(&j, "events");
}

/* Whoever follows with ndjson has nothing else that could tell of a gap. */
static void print_gap_line(struct list *list, struct buffer *b)
{
	struct emitter j = { .b = b };

	if (!list->gap || list->format != LIST_NDJSON)
		return;
	event_gap_json(&j, list->after, snapshot_wall(&list->snapshot, list->now_ns), 0);
	buffer_char(b, '\n');
}

static void print_row(struct list *list, struct buffer *b, const struct event *event)
{
	struct emitter j = { .b = list->fields ? &list->whole : b };

	if (list->format == LIST_TEXT) {
		event_text(b, &list->view, event);
		buffer_char(b, '\n');
		return;
	}
	if (list->format == LIST_JSON && list->printed)
		buffer_literal(b, ",\n");
	list->whole.len = 0;
	event_json(&j, NULL, &list->view, event);
	if (list->fields)
		select_print(b, list->whole.data, list->whole.len, list->fields);
	if (list->whole.error)
		b->error = list->whole.error;
	if (list->format == LIST_NDJSON)
		buffer_char(b, '\n');
}

static void print_tail(struct list *list, struct buffer *b)
{
	struct emitter j = { .b = b, .more = true };
	uint64_t lost = list->cursor.lost;

	if (list->format != LIST_JSON)
		return;
	buffer_char(b, ']');
	if (list->next) {
		emit_raw(&j, "next", "\"");
		buffer_u64(b, list->next);
		buffer_char(b, '"');
	} else {
		emit_null(&j, "next");
	}
	if (list->gap || lost) {
		emit_object(&j, "gap");
		emit_u64(&j, "after", list->after);
		emit_u64_known(&j, "lost", !list->gap, lost);
		emit_end(&j, '}');
	} else {
		emit_null(&j, "gap");
	}
	emit_u64(&j, "newest", list->until);
	buffer_literal(b, "}\n");
}

static int list_more(struct document *document, struct buffer *b)
{
	struct list *list = list_of(document);
	size_t enough = b->len + DOCUMENT_PIECE;
	struct event event;

	if (!list->begun) {
		print_head(list, b);
		print_gap_line(list, b);
	}
	list->begun = true;
	while (list->printed < list->returned && next_match(list, &event)) {
		if (list->skip) {
			list->skip--;
			continue;
		}
		print_row(list, b, &event);
		list->printed++;
		if (b->len >= enough || b->error)
			return b->error < 0 ? b->error : 1;
	}
	print_tail(list, b);
	return b->error;
}

static void list_free(struct document *document)
{
	struct list *list = list_of(document);

	event_filter_done(&list->filter);
	buffer_done(&list->whole);
	free(list->fields);
	free(list);
}

/* The first walk: how many there are, and where the page ends. */
static void count_all(struct list *list, uint64_t limit, uint64_t last)
{
	uint64_t behind = 0, page_end = 0;
	struct event event;

	list->gap = list->after && events_gap(&list->view, list->filter.rings, list->after);
	/* An id of a journal that is no more: all of this one has come since. */
	if (list->after > list->until)
		list->after = 0;
	journal_seek(&list->view, 0, &list->cursor);
	while (next_match(list, &event)) {
		list->matched++;
		if (event.id <= list->after)
			continue;
		behind++;
		if (behind == limit)
			page_end = event.id;
	}
	list->returned = behind;
	if (last && last < behind) {
		list->skip = behind - last;
		list->returned = last;
	} else if (!last && limit && limit < behind) {
		list->returned = limit;
		list->next = page_end;
	}
	/* Where the first of the page are overwritten meanwhile, nothing behind it takes their place. */
	if (list->next)
		list->end = list->next;
	journal_seek(&list->view, list->after, &list->cursor);
}

static void add_link(struct list *list, const struct request *request)
{
	char cursor[24];

	if (!list->next)
		return;
	snprintf(cursor, sizeof(cursor), "%" PRIu64, list->next);
	socket_list_link(&list->document, request, cursor);
}

static int prepare(struct list *list, const struct request *request,
		   const struct list_options *options, uint64_t last, struct problem *problem)
{
	static const struct list_part parts[] = { { 10, UINT64_MAX } };
	int r;

	r = list_cursor_parse(options, parts, ARRAY_SIZE(parts), &list->after, problem);
	if (r >= 0)
		r = event_filter_compile(request->query, request->snapshot, request->wall_ns,
					 &list->filter, problem);
	if (r < 0)
		return r;
	if (options->fields) {
		list->fields = strdup(options->fields);
		if (!list->fields)
			return -ENOMEM;
	}
	list->view = *request->journal;
	list->snapshot = *request->snapshot;
	list->now_ns = request->now_ns;
	list->format = options->format;
	list->until = list->end = journal_newest(&list->view);
	count_all(list, options->limit, last);
	add_link(list, request);
	return 0;
}

static int list_document(const struct request *request, const struct list_options *options,
			 uint64_t last, struct document **ret, struct problem *problem)
{
	struct list *list = calloc(1, sizeof(*list));
	int r;

	if (!list)
		return -ENOMEM;
	list->document = (struct document){ .status = 200,
					    .content_type = list_content_type(options->format),
					    .more = list_more,
					    .free = list_free };
	r = prepare(list, request, options, last, problem);
	if (r < 0) {
		list_free(&list->document);
		return r;
	}
	*ret = &list->document;
	return 0;
}

/* ---- the route ---- */

static int parse_last(const struct query *query, uint64_t *ret, struct problem *problem)
{
	const char *value = query_get(query, "last");
	const struct parameter parameter = { "last", value };
	int r;

	*ret = 0;
	if (!value)
		return 0;
	r = query_number(&parameter, UINT32_MAX, ret, problem);
	if (r >= 0 && !*ret)
		return problem_set(problem, 400, "last", "last cannot be 0");
	return r;
}

/* Return: 1 where the answer is not to end; 0; -EINVAL with @problem. */
static int parse_follow(const struct request *request, const struct list_options *options,
			struct problem *problem)
{
	const char *value = query_get(request->query, "follow");

	if (!value || !strcmp(value, "false"))
		return 0;
	if (strcmp(value, "true") != 0)
		return problem_set(problem, 400, "follow", "%.64s: true or false is wanted", value);
	if (options->format != LIST_NDJSON)
		return problem_set(problem, 400, "follow",
				   "follow goes with format=ndjson; server-sent events come with "
				   "the header Accept: " STREAM_TYPE);
	return 1;
}

int events_route(const struct request *request, struct document **ret, struct problem *problem)
{
	static const struct list_type type = { .word = "events", .schema = "Event" };
	const char *group = query_get(request->query, "group");
	bool sse = media_wants(request->accept, STREAM_TYPE, "application/json");
	struct list_options options;
	uint64_t last;
	int r;

	r = events_journal(request, problem);
	if (r >= 0)
		r = list_options_parse(request->query, &type, &options, problem);
	if (r >= 0)
		r = parse_last(request->query, &last, problem);
	if (r < 0)
		return r;
	r = parse_follow(request, &options, problem);
	if (r < 0)
		return r;
	if (group)
		return event_groups_document(request, &options, group, ret, problem);
	if (r || sse)
		return event_stream_document(request, sse, ret, problem);
	return list_document(request, &options, last, ret, problem);
}
