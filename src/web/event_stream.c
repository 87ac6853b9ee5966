/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GET /events that does not end: server-sent events (WHATWG HTML, 9.2), or one object a line for programs that ship
 * logs. Events stand in the journal; a stream is no more than a place in it, so a thousand events wait for a slow
 * client without costing anything. What was overwritten before it was read is told by an event of kind `gap`.
 *
 * It holds no snapshot: names of namespaces are resolved at the beginning.
 */
#include <errno.h>
#include <string.h>

#include "web/event_print.h"
#include "web/events.h"
#include "web/select.h"
#include "web/socket_list.h"

#define MINUTE_NS (60 * NSEC_PER_SEC)
#define RETRY_MS 2000 /* a browser comes back after so long */

struct events {
	struct document document; /* first */
	struct journal_view view;
	struct event_filter filter;
	struct journal_cursor cursor;
	char *fields; /* owned, or NULL */
	struct buffer whole; /* a row before its members are selected */
	uint64_t told_lost; /* of cursor.lost */
	uint64_t last; /* id of the event that was told last */
	int64_t last_ns; /* its wall time */
	uint64_t limit; /* that may still be told; 0: any number */
	bool sse, begun, gap;
};

static void print_object(struct events *events, struct buffer *b, const struct event *event)
{
	struct emitter j = { .b = events->fields ? &events->whole : b };

	events->whole.len = 0;
	event_json(&j, NULL, &events->view, event);
	if (events->fields)
		select_print(b, events->whole.data, events->whole.len, events->fields);
	if (events->whole.error)
		b->error = events->whole.error;
}

static void print_event(struct events *events, struct buffer *b, const struct event *event)
{
	if (events->sse) {
		buffer_literal(b, "id: ");
		buffer_u64(b, event->id);
		buffer_literal(b, "\nevent: ");
		buffer_text(b, event_kind_name((enum event_kind)event->kind) ?: "event");
		buffer_literal(b, "\ndata: ");
	}
	print_object(events, b, event);
	buffer_text(b, events->sse ? "\n\n" : "\n");
	events->last = event->id;
	events->last_ns = event->wall_ns;
}

/* @lost 0: not known how many. Without an id of its own: whoever comes back begins behind the event before it. */
static void print_gap(struct events *events, struct buffer *b, uint64_t lost)
{
	struct emitter j = { .b = b };

	if (events->sse)
		buffer_literal(b, "event: gap\ndata: ");
	event_gap_json(&j, events->last, events->last_ns, lost);
	buffer_text(b, events->sse ? "\n\n" : "\n");
}

static void print_start(struct events *events, struct buffer *b)
{
	/* An id without an event: whoever is cut off before the first one comes back to this place. */
	if (events->sse)
		buffer_printf(b, "retry: %d\nid: %" PRIu64 "\n\n", RETRY_MS,
			      MIN(events->last, journal_newest(&events->view)));
	if (events->gap)
		print_gap(events, b, 0);
	events->begun = true;
}

static int events_more(struct document *document, struct buffer *b)
{
	struct events *events = (struct events *)document;
	size_t start = b->len, enough = start + DOCUMENT_PIECE / 4;
	struct event event;

	if (!events->begun)
		print_start(events, b);
	while (b->len < enough && !b->error) {
		int r = journal_next(&events->view, &events->cursor, events->filter.rings, &event);

		if (events->cursor.lost > events->told_lost) {
			print_gap(events, b, events->cursor.lost - events->told_lost);
			events->told_lost = events->cursor.lost;
		}
		if (r <= 0)
			break;
		if (!event_filter_match(&events->filter, &events->view, &event))
			continue;
		print_event(events, b, &event);
		if (events->limit && !--events->limit)
			return b->error;
	}
	/* A comment: the client's proxies and the client itself see that it lives. */
	if (document->beat && b->len == start && events->sse)
		buffer_literal(b, ":\n\n");
	document->beat = false;
	return b->error < 0 ? b->error : 1;
}

static void events_free(struct document *document)
{
	struct events *events = (struct events *)document;

	event_filter_done(&events->filter);
	buffer_done(&events->whole);
	free(events->fields);
	free(events);
}

/* Where the client stopped: @ret_given false where it does not say so. */
static int last_id(const struct request *request, uint64_t *ret, bool *ret_given,
		   struct problem *problem)
{
	const char *after = query_get(request->query, "after");
	const char *last = query_get(request->query, "last_event_id");
	struct parameter parameter = { "Last-Event-ID", request->last_event_id };

	/* What a browser says when it comes back is newer than what the address says. */
	if (!parameter.value || !*parameter.value)
		parameter = (struct parameter){ "last_event_id", last };
	if (!parameter.value || !*parameter.value)
		parameter = (struct parameter){ "after", after };
	*ret_given = parameter.value && *parameter.value;
	return *ret_given ? query_number(&parameter, UINT64_MAX, ret, problem) : 0;
}

static int is_unseen(const struct minute_row *row, void *context)
{
	(void)context;
	return row->kind == MINUTE_UNSEEN && row->count;
}

/* Nobody has watched for a while since that event, to a minute: what happened then is in no ring. */
static bool was_blind(const struct journal_view *view, uint64_t id)
{
	struct journal_cursor cursor;
	struct event event;

	if (!id)
		return false;
	journal_seek(view, id - 1, &cursor);
	if (journal_next(view, &cursor, JOURNAL_RINGS_ALL, &event) <= 0 || event.id != id)
		return false;
	return journal_minutes(view, event.wall_ns / MINUTE_NS, INT64_MAX, is_unseen, NULL);
}

static void begin(struct events *events, bool given, uint64_t id)
{
	uint64_t newest = journal_newest(&events->view);

	/* Where it has stopped is what it wants, however long ago that was. */
	if (given)
		events->filter.since_ns = 0;
	if (!given && events->filter.since_ns)
		id = 0;
	else if (!given)
		id = newest;
	if (given)
		events->gap = events_gap(&events->view, events->filter.rings, id) ||
			      was_blind(&events->view, id);
	else
		events->gap = events->filter.since_ns &&
			      journal_oldest_ns(&events->view, events->filter.rings) >
				      events->filter.since_ns;
	events->last = id;
	/* An id of a journal that is no more: all of this one has come since. */
	if (id > newest)
		id = 0;
	journal_seek(&events->view, id, &events->cursor);
}

static int prepare(struct events *events, const struct request *request, struct problem *problem)
{
	const char *fields = query_get(request->query, "fields");
	const char *limit = query_get(request->query, "limit");
	const struct parameter parameter = { "limit", limit };
	uint64_t id = 0;
	bool given;
	int r;

	r = last_id(request, &id, &given, problem);
	if (r >= 0 && limit)
		r = query_number(&parameter, UINT32_MAX, &events->limit, problem);
	if (r >= 0)
		r = event_filter_compile(request->query, request->snapshot, request->wall_ns,
					 &events->filter, problem);
	if (r < 0)
		return r;
	if (fields) {
		events->fields = strdup(fields);
		if (!events->fields)
			return -ENOMEM;
	}
	events->view = *request->journal;
	events->last_ns = request->wall_ns;
	begin(events, given, id);
	return 0;
}

static int check(const struct request *request, struct problem *problem)
{
	const char *name = query_get(request->query, "until")  ? "until"
			   : query_get(request->query, "last") ? "last"
							       : NULL;

	if (name)
		return problem_set(problem, 400, name, "%s does not go with a stream", name);
	if (request->statistics->streams >= request->settings->max_streams)
		return problem_set(problem, 503, NULL,
				   "%u clients stream events already, as many as "
				   "web.max-streams allows",
				   request->statistics->streams);
	return 0;
}

int event_stream_document(const struct request *request, bool sse, struct document **ret,
			  struct problem *problem)
{
	struct events *events;
	int r;

	r = check(request, problem);
	if (r < 0)
		return r;
	events = calloc(1, sizeof(*events));
	if (!events)
		return -ENOMEM;
	events->document = (struct document){
		.status = 200,
		.content_type = sse ? "text/event-stream" : list_content_type(LIST_NDJSON),
		.live = true,
		.more = events_more,
		.free = events_free,
	};
	events->sse = sse;
	r = prepare(events, request, problem);
	if (r < 0) {
		events_free(&events->document);
		return r;
	}
	*ret = &events->document;
	return 0;
}
