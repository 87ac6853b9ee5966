/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The routes of sockets: what they take, and which document answers.
 */
#include <errno.h>
#include <string.h>

#include "web/envelope.h"
#include "web/field_parts.h"
#include "web/socket_list.h"
#include "web/sockets.h"

const struct route_parameter sockets_parameters[] = {
	FILTER_PARAMETERS,
	{ "group", FILTER_TEXT,
	  "Count by one field or two, separated by a comma, instead of listing: unit, "
	  "remote.address, state, outcomes.close.rule... Sockets without a value form a group "
	  "whose key is null.",
	  false },
	{ "sort", FILTER_TEXT,
	  "A field to sort by, with - in front for the largest first; what is not known stands "
	  "last. Without it: in the order of cookies.",
	  false },
	{ "detail", "{\"type\":\"string\",\"enum\":[\"full\"]}",
	  "full: all outcomes and what else /sockets/{id} shows.", false },
	{ "fields", FILTER_TEXT,
	  "Only these fields, separated by commas; a dot leads into an object: "
	  "id,remote.address,outcomes.close.segment.",
	  true },
	{ "after", FILTER_TEXT,
	  "`next` of the reply before: go on behind it. A socket that lives from the first page "
	  "to the last stands on exactly one page, whatever comes and goes (with `sort`: as long "
	  "as the value it is sorted by stays the same).",
	  false },
	{ .more = page_parameters },
};

const struct route_parameter socket_parameters[] = {
	{ "fields", FILTER_TEXT, "Only these fields, separated by commas.", true },
	{},
};

int sockets_route(const struct request *request, struct document **ret, struct problem *problem)
{
	struct socket_options options;
	int r;

	r = socket_options_parse(request->query, &options, problem);
	if (r < 0)
		return r;
	if (options.group)
		return group_document(request, &options, ret, problem);
	return socket_list_document(request, &options, ret, problem);
}

void sockets_print_id(struct buffer *b, const struct record *record)
{
	buffer_char(b, '"');
	buffer_u64(b, record->sk.netns);
	buffer_char(b, '-');
	buffer_hex(b, record->sk.cookie);
	buffer_char(b, '"');
}

void sockets_print_row_id(struct buffer *b, const struct snapshot *snapshot, uint32_t row)
{
	if (row < snapshot->record_count)
		sockets_print_id(b, &snapshot->records[row]);
	else
		buffer_literal(b, "null");
}

static const struct record *find_record(const struct snapshot *snapshot, uint32_t netns,
					uint64_t cookie)
{
	uint32_t i;

	for (i = 0; i < snapshot->record_count; i++)
		if (snapshot->records[i].sk.cookie == cookie &&
		    snapshot->records[i].sk.netns == netns)
			return &snapshot->records[i];
	return NULL;
}

static int not_found(const struct request *request, struct problem *problem)
{
	const struct snapshot_header *header = request->snapshot->header;
	int64_t sweep_ns = header->lanes[LANE_SWEEP].last_ns;

	return problem_set(problem, 404, NULL,
			   "no socket %.48s in snapshot %llu, published %.1f s ago; every socket "
			   "was last asked for %.1f s ago",
			   request->argument, (unsigned long long)header->id,
			   (double)(request->now_ns - header->now_ns) / 1e9,
			   (double)(request->now_ns - (sweep_ns ? sweep_ns : header->now_ns)) /
				   1e9);
}

static int socket_plan(const struct request *request, struct plan *ret, struct problem *problem)
{
	struct socket_options options;
	int r;

	r = socket_options_parse(request->query, &options, problem);
	if (r < 0)
		return r;
	return plan_make(FIELD_DETAIL, options.fields, options.field_count, ret, problem);
}

/* @ended: of which @record is, or NULL. */
static int socket_print(const struct request *request, const struct record *record,
			const struct ended *ended, struct buffer *b, struct problem *problem)
{
	struct plan *plan = malloc(sizeof(*plan));
	struct view view;
	int r;

	r = plan ? socket_plan(request, plan, problem) : -ENOMEM;
	if (r >= 0) {
		view_init(&view, request->snapshot);
		view_set(&view, record);
		view.ended = ended;
		view.journal = request->journal;
		buffer_char(b, '{');
		envelope_print(b, request->snapshot, request->now_ns);
		buffer_char(b, ',');
		plan_print(plan, &view, b);
		buffer_literal(b, "}\n");
	}
	free(plan);
	return r;
}

int socket_route(const struct request *request, struct document **ret, struct problem *problem)
{
	const struct ended *ended = NULL;
	struct ended brief; /* one that lived between two polls */
	const struct record *record;
	struct buffer b = {};
	uint64_t cookie;
	uint32_t netns;
	int r;

	if (!request->argument ||
	    socket_id_parse(request->argument, strlen(request->argument), &netns, &cookie) < 0)
		return problem_set(problem, 400, NULL,
				   "'%.64s' is no id of a socket; it is the inode number of its "
				   "namespace, '-', and its cookie in hexadecimal, as in `id`",
				   request->argument ? request->argument : "");
	record = find_record(request->snapshot, netns, cookie);
	if (!record) {
		ended = snapshot_ended(request->snapshot, netns, cookie);
		if (!ended &&
		    socket_from_events(request->journal, request->snapshot, netns, cookie, &brief))
			ended = &brief;
		if (!ended)
			return not_found(request, problem);
		record = &ended->record;
	}
	r = socket_print(request, record, ended, &b, problem);
	if (r < 0) {
		buffer_done(&b);
		return r;
	}
	r = document_from_buffer(&b, 200, "application/json", ret);
	/* Its events come when they come, whatever the snapshot. */
	if (r >= 0)
		(*ret)->cacheable = !request->journal;
	return r;
}

/* @text is overwritten. */
static int document_of(struct request *request, char *text, struct query *query,
		       struct document **ret, struct problem *problem)
{
	int r;

	r = query_parse(text, query, problem);
	if (r < 0)
		return r;
	r = query_check(query, sockets_parameters, problem);
	if (r < 0)
		return r;
	request->query = query;
	return sockets_route(request, ret, problem);
}

int sockets_document(const struct snapshot *snapshot, const char *query, int64_t now_ns,
		     int64_t wall_ns, struct document **ret, struct problem *problem)
{
	struct request request = {
		.path = "/sockets",
		.query_text = query,
		.accept = "",
		.snapshot = snapshot,
		.now_ns = now_ns,
		.wall_ns = wall_ns,
	};
	struct query *parsed = malloc(sizeof(*parsed));
	char *text = strdup(query);
	int r;

	r = text && parsed ? document_of(&request, text, parsed, ret, problem) : -ENOMEM;
	free(text);
	free(parsed);
	return r;
}
