/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of routes is complete in itself, each path finds its row, and problems are what RFC 9457 says.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "../harness.h"
#include "web/route.h"

START_TEST(table_is_complete)
{
	const struct route *table;
	size_t count, i, k;

	table = route_table(&count);
	ck_assert_uint_gt(count, 0);
	for (i = 0; i < count; i++) {
		const struct route_parameter *p = table[i].parameters;

		ck_assert_int_eq(table[i].path[0], '/');
		ck_assert_ptr_nonnull(table[i].handler);
		ck_assert_uint_gt(strlen(table[i].summary), 10);
		ck_assert_int_eq(table[i].summary[strlen(table[i].summary) - 1], '.');
		for (k = 0; k < i; k++)
			ck_assert_str_ne(table[k].path, table[i].path);
		for (; p && p->name; p++) {
			json_t *schema = json_loads(p->schema, 0, NULL);

			ck_assert_msg(json_is_object(schema), "%s: schema of %s", table[i].path,
				      p->name);
			json_decref(schema);
			ck_assert_uint_gt(strlen(p->text), 10);
		}
		/* Only what says nothing of the host's connections is served on every address. */
		if (table[i].flags & ROUTE_OPEN)
			ck_assert(!strncmp(table[i].path, "/-/", 3) ||
				  !strcmp(table[i].path, "/metrics") ||
				  !strcmp(table[i].path, "/healthz") ||
				  !strcmp(table[i].path, "/readyz"));
	}
}
END_TEST

START_TEST(every_route_is_found)
{
	const struct route *table;
	size_t count, i;

	table = route_table(&count);
	for (i = 0; i < count; i++) {
		const char *argument = "untouched", *hole = strchr(table[i].path, '{');
		char path[128];

		if (hole)
			snprintf(path, sizeof(path), "%.*sx-1", (int)(hole - table[i].path),
				 table[i].path);
		else
			snprintf(path, sizeof(path), "%s", table[i].path);
		ck_assert_ptr_eq(route_find(path, &argument), &table[i]);
		if (hole)
			ck_assert_str_eq(argument, "x-1");
		else
			ck_assert_ptr_null(argument);
		strcat(path, "/y/z");
		ck_assert_ptr_null(route_find(path, &argument));
	}
}
END_TEST

static const char *const nowhere[] = {
	"",	   "/nothing", "/-/",	  "/-/healthy/", "/healthzz",
	"/health", "*",	       "healthz", "//healthz",	 "/HEALTHZ"
};

START_TEST(no_route)
{
	const char *argument;

	ck_assert_ptr_null(route_find(nowhere[_i], &argument));
}
END_TEST

static const struct {
	const char *path, *near;
} misses[] = {
	{ "/-/health", "/-/healthy" }, { "/healthy", "/healthz" },	  { "/redyz", "/readyz" },
	{ "/-/", "/-/ready" },	       { "/completely/else", "openapi" }, { "", "openapi" },
};

START_TEST(near_routes)
{
	struct problem problem = {};

	ck_assert_int_eq(route_not_found(misses[_i].path, &problem), -EINVAL);
	ck_assert_uint_eq(problem.status, 404);
	ck_assert_msg(strstr(problem.detail, misses[_i].near) != NULL, "%s", problem.detail);
}
END_TEST

static json_t *parse(struct document *document)
{
	struct buffer b = {};
	json_t *json;

	ck_assert_int_eq(document->more(document, &b), 0);
	json = json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_ptr_nonnull(json);
	buffer_done(&b);
	document_free(document);
	return json;
}

START_TEST(problems)
{
	struct problem problem = { .title = "left over" };
	struct document *document;
	json_t *json;

	ck_assert_int_eq(problem_set(&problem, 400, "limit", "%s is not a number", "\"x\""),
			 -EINVAL);
	ck_assert_int_eq(problem_document(&problem, &document), 0);
	ck_assert_uint_eq(document->status, 400);
	ck_assert_str_eq(document->content_type, "application/problem+json");
	ck_assert(!document->cacheable);
	json = parse(document);
	ck_assert_str_eq(json_string_value(json_object_get(json, "type")), "about:blank");
	ck_assert_str_eq(json_string_value(json_object_get(json, "title")), "Bad Request");
	ck_assert_int_eq(json_integer_value(json_object_get(json, "status")), 400);
	ck_assert_str_eq(json_string_value(json_object_get(json, "detail")),
			 "\"x\" is not a number");
	ck_assert_str_eq(json_string_value(json_object_get(json, "parameter")), "limit");
	json_decref(json);

	problem_set(&problem, 421, NULL, "%s", "no");
	ck_assert_int_eq(problem_document(&problem, &document), 0);
	json = parse(document);
	ck_assert_str_eq(json_string_value(json_object_get(json, "title")), "Misdirected Request");
	ck_assert_ptr_null(json_object_get(json, "parameter"));
	json_decref(json);
}
END_TEST

START_TEST(whole_document)
{
	struct document *document;
	struct buffer b = {}, out = {};
	const char *text;

	buffer_text(&b, "hello");
	text = b.data;
	ck_assert_int_eq(document_from_buffer(&b, 200, "text/plain", &document), 0);
	ck_assert_ptr_null(b.data);
	ck_assert_int_eq(document->more(document, &out), 0);
	ck_assert_ptr_eq(out.data, text); /* not copied */
	ck_assert_uint_eq(out.len, 5);
	ck_assert_ptr_null(document_free(document));
	buffer_done(&out);

	buffer_text(&b, "world");
	buffer_text(&out, "hello ");
	ck_assert_int_eq(document_from_buffer(&b, 200, "text/plain", &document), 0);
	ck_assert_int_eq(document->more(document, &out), 0);
	ck_assert_uint_eq(out.len, 11);
	ck_assert_mem_eq(out.data, "hello world", 11);
	document_free(document);
	buffer_done(&out);

	buffer_text(&b, "x");
	ck_assert(!buffer_reserve(&b, SIZE_MAX));
	ck_assert_int_eq(document_from_buffer(&b, 200, "text/plain", &document), -ENOMEM);
	ck_assert_ptr_null(b.data);
	ck_assert_ptr_null(document_free(NULL));
}
END_TEST

static const struct {
	int64_t age_ns; /* of the snapshot; -1: there is none */
	bool replay;
	unsigned int status;
	const char *text;
} readiness[] = {
	{ -1, false, 503, "no snapshot" },
	{ 0, false, 200, "ok" },
	{ 10 * NSEC_PER_SEC, false, 200, "ok" },
	{ 10 * NSEC_PER_SEC + 1500 * NSEC_PER_MSEC, false, 503, "11.5 s old" },
	{ 999 * NSEC_PER_SEC, true, 200, "ok" },
};

START_TEST(ready)
{
	struct snapshot_header header = { .now_ns = 5 * NSEC_PER_SEC };
	struct snapshot snapshot = { .header = &header };
	struct channel_settings settings = { .stale_ns = 10 * NSEC_PER_SEC };
	struct request request = { .settings = &settings };
	struct problem problem = {};
	struct document *document;
	struct buffer b = {};

	header.replay = readiness[_i].replay;
	request.now_ns = header.now_ns + readiness[_i].age_ns;
	request.snapshot = readiness[_i].age_ns < 0 ? NULL : &snapshot;
	ck_assert_int_eq(ready_route(&request, &document, &problem), 0);
	ck_assert_uint_eq(document->status, readiness[_i].status);
	ck_assert_int_eq(document->more(document, &b), 0);
	buffer_char(&b, '\0');
	ck_assert_msg(strstr(b.data, readiness[_i].text) != NULL, "%s", b.data);
	buffer_done(&b);
	document_free(document);

	ck_assert_int_eq(healthy_route(&request, &document, &problem), 0);
	ck_assert_uint_eq(document->status, 200);
	document_free(document);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("route");
	TCase *t = tcase_create("route");

	tcase_add_test(t, table_is_complete);
	tcase_add_test(t, every_route_is_found);
	tcase_add_loop_test(t, no_route, 0, ARRAY_SIZE(nowhere));
	tcase_add_loop_test(t, near_routes, 0, ARRAY_SIZE(misses));
	tcase_add_test(t, problems);
	tcase_add_test(t, whole_document);
	tcase_add_loop_test(t, ready, 0, ARRAY_SIZE(readiness));
	suite_add_tcase(s, t);
	return s;
}
