/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The routes of the tests of the server, and a real, confined web process that has a snapshot.
 *
 * The table of routes is these tests' own: what matters to them is what every route gets, not what one of
 * them says. A program includes this once, in place of the table that the library has.
 */
#pragma once

#include <inttypes.h>
#include <jansson.h>

#include "http.h"
#include "process.h"
#include "web/route.h"

/* ---- routes: they run in the web process, where Check's assertions have no one to tell ---- */

/* Depends on the snapshot and nothing else. */
static int small_route(const struct request *request, struct document **ret,
		       struct problem *problem)
{
	struct buffer b = {};
	int r;

	(void)problem;
	buffer_printf(&b, "{\"id\":%" PRIu64 ",\"argument\":", request->snapshot->header->id);
	buffer_json(&b, request->argument ? request->argument : "");
	buffer_literal(&b, "}\n");
	r = document_from_buffer(&b, 200, "application/json", ret);
	if (r >= 0)
		(*ret)->cacheable = true;
	return r;
}

/* Lines of the snapshot's number, as many as asked for. */
struct lines {
	struct document document;
	const struct snapshot *snapshot;
	uint64_t left;
	bool fails;
};

static int more_lines(struct document *document, struct buffer *b)
{
	struct lines *lines = (struct lines *)document;

	if (lines->fails && b->len == 0 && lines->left < 100000)
		return -EIO;
	while (lines->left && b->len < DOCUMENT_PIECE) {
		buffer_printf(b, "%" PRIu64 " %010" PRIu64 "\n", lines->snapshot->header->id,
			      --lines->left);
	}
	return lines->left > 0;
}

static void free_lines(struct document *document)
{
	free(document);
}

static int lines_route(const struct request *request, struct document **ret,
		       struct problem *problem)
{
	struct lines *lines = calloc(1, sizeof(*lines));

	(void)problem;
	if (!lines)
		return -ENOMEM;
	lines->document = (struct document){ .status = 200,
					     .content_type = "text/plain",
					     .cacheable = true,
					     .more = more_lines,
					     .free = free_lines };
	snprintf(lines->document.link, sizeof(lines->document.link), "</lines>; rel=\"next\"");
	lines->snapshot = request->snapshot;
	lines->left = request->query->count
			      ? strtoull(request->query->parameters[0].value, NULL, 10)
			      : 10;
	lines->fails = request->path[1] == 'f';
	*ret = &lines->document;
	return 0;
}

/* Waits for the snapshot with that number, half a second at most. */
static int waits_route(const struct request *request, struct document **ret,
		       struct problem *problem)
{
	uint64_t wanted = strtoull(request->argument, NULL, 10);
	int64_t until_ns = request->began_ns + NSEC_PER_SEC / 2;
	uint64_t id = request->snapshot->header->id;
	struct buffer b = {};

	(void)problem;
	if (id < wanted && request->until_ns && request->now_ns < until_ns) {
		*request->until_ns = until_ns;
		return -EAGAIN;
	}
	buffer_printf(&b, "{\"id\":%" PRIu64 ",\"argument\":", id);
	buffer_json(&b, request->argument);
	buffer_literal(&b, "}\n");
	return document_from_buffer(&b, id < wanted ? 409 : 200, "application/json", ret);
}

static int statistics_route(const struct request *request, struct document **ret,
			    struct problem *problem)
{
	const struct web_statistics *s = request->statistics;
	struct buffer b = {};

	(void)problem;
	buffer_printf(&b,
		      "{\"ok\":%" PRIu64 ",\"wrong\":%" PRIu64 ",\"connections\":%" PRIu64
		      ",\"now\":%" PRIu32 ",\"bytes\":%" PRIu64 ",\"broken_off\":%" PRIu64
		      ",\"snapshots\":%" PRIu64 ",\"resident\":%" PRIu64 ",\"fds\":%" PRIu32
		      ",\"waiting\":%" PRIu32 ",\"waits\":%" PRIu64 ",\"waits_refused\":%" PRIu64
		      "}\n",
		      s->requests[2], s->requests[4], s->connections, s->connections_now, s->bytes,
		      s->broken_off, s->snapshots, s->resident_bytes, s->open_fds, s->waiting,
		      s->waits, s->waits_refused);
	return document_from_buffer(&b, 200, "application/json", ret);
}

static int memory_route(const struct request *request, struct document **ret,
			struct problem *problem)
{
	(void)request;
	(void)ret;
	(void)problem;
	return -ENOMEM;
}

static int large_route(const struct request *request, struct document **ret,
		       struct problem *problem)
{
	struct buffer b = {};
	int i;

	(void)request;
	(void)problem;
	for (i = 0; i < 2000; i++)
		buffer_printf(&b, "metric_%d 1\n", i);
	return document_from_buffer(&b, 200, "text/plain; version=0.0.4; charset=utf-8", ret);
}

static const struct route_parameter lines_parameters[] = {
	{ .name = "count", .schema = "{\"type\":\"integer\"}", .text = "How many lines." },
	{},
};

const struct route *route_table(size_t *ret_count)
{
	static const struct route table[] = {
		{ .path = "/-/healthy", .handler = healthy_route, .flags = ROUTE_OPEN },
		{ .path = "/-/ready", .handler = ready_route, .flags = ROUTE_OPEN },
		{ .path = "/metrics", .handler = large_route, .flags = ROUTE_DATA | ROUTE_OPEN },
		{ .path = "/often",
		  .handler = small_route,
		  .flags = ROUTE_DATA | ROUTE_REUSE,
		  .parameters = lines_parameters },
		{ .path = "/small", .handler = small_route, .flags = ROUTE_DATA },
		{ .path = "/waits/{id}", .handler = waits_route, .flags = ROUTE_DATA },
		{ .path = "/items/{id}", .handler = small_route, .flags = ROUTE_DATA },
		{ .path = "/lines",
		  .handler = lines_route,
		  .flags = ROUTE_DATA,
		  .parameters = lines_parameters },
		{ .path = "/fails",
		  .handler = lines_route,
		  .flags = ROUTE_DATA,
		  .parameters = lines_parameters },
		{ .path = "/memory", .handler = memory_route },
		{ .path = "/statistics", .handler = statistics_route },
	};

	*ret_count = ARRAY_SIZE(table);
	return table;
}

/* ---- asking ---- */

static inline struct answer get(const struct web_process *p, const char *target)
{
	return ask(p, "GET", target, "");
}

static inline int64_t statistic(const struct web_process *p, const char *name)
{
	struct answer answer = get(p, "/statistics");
	json_t *json = json_loads(answer.body.data, 0, NULL);
	int64_t value;

	ck_assert_int_eq(answer.status, 200);
	ck_assert_ptr_nonnull(json_object_get(json, name));
	value = json_integer_value(json_object_get(json, name));
	json_decref(json);
	answer_done(&answer);
	return value;
}

/* A process with a snapshot of number 7 in buffer 0. */
struct scene {
	struct web_process p;
	struct lent first;
};

static inline struct scene scene_new(const struct channel_settings *settings)
{
	struct scene s = { .p = process_new(), .first = process_snapshot(0, 1, 7) };

	if (settings)
		s.p.settings = *settings;
	process_start(&s.p, true);
	process_lend(&s.p, &s.first, true);
	process_ping(&s.p, 2);
	process_expect_ping(&s.p, 2);
	return s;
}

static inline void scene_done(struct scene *s)
{
	process_stop(&s->p);
	lent_done(&s->first);
}

static inline void expect_problem(struct answer *answer, int status, const char *detail,
				  const char *parameter)
{
	json_t *json = json_loads(answer->body.data, JSON_REJECT_DUPLICATES, NULL);
	const char *text = json_string_value(json_object_get(json, "detail"));

	ck_assert_int_eq(answer->status, status);
	ck_assert_str_eq(answer_header(answer, "Content-Type"), "application/problem+json");
	ck_assert_int_eq(json_integer_value(json_object_get(json, "status")), status);
	ck_assert_str_eq(json_string_value(json_object_get(json, "type")), "about:blank");
	ck_assert_ptr_nonnull(json_string_value(json_object_get(json, "title")));
	ck_assert_ptr_nonnull(text);
	ck_assert_msg(strstr(text, detail) != NULL, "%s", text);
	if (parameter)
		ck_assert_str_eq(json_string_value(json_object_get(json, "parameter")), parameter);
	else
		ck_assert_ptr_null(json_object_get(json, "parameter"));
	if (status == 405)
		ck_assert_str_eq(answer_header(answer, "Allow"), "GET, HEAD");
	json_decref(json);
	answer_done(answer);
}
