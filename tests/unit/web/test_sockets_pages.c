/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages over snapshots that change, order, groups, and the other formats.
 */
#include "../harness.h"
#include "sockets_fixture.h"
#include "web/document.h"

static struct fixture machine;

static void setup(void)
{
	fixture_standard(&machine);
}

static void teardown(void)
{
	fixture_done(&machine);
}

/* Cookies from @from on, @step apart; the value is unread_bytes. */
static void add_many(struct fixture *f, uint64_t from, uint64_t step, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		/* Not in the order of cookies: the kernel's is that of a hash. */
		uint64_t cookie = from + step * (i * 7919 % count);
		struct record *record = fixture_add(f, cookie, TCPDIAG_ESTABLISHED, "10.0.0.1", 80,
						    "192.0.2.7", (uint16_t)(1000 + i));

		record->sk.rqueue = (uint32_t)(cookie * 31 % 97);
		record->sk.attachment = TCPDIAG_HELD;
		record->holder = cookie % 2;
		record->holders = 1;
	}
}

static void many(struct fixture *f, uint64_t from, uint64_t step, size_t count)
{
	fixture_begin(f);
	f->holders[0] = (struct holder){ .process = NGINX, .fd = 5 };
	f->holders[1] = (struct holder){ .process = JAVA, .fd = 6 };
	f->holder_count = 2;
	add_many(f, from, step, count);
	fixture_seal(f);
}

/* Walks pages of @limit over @first and, after one page, over @second; counts how often each cookie came. */
static void walk(struct fixture *first, struct fixture *second, const char *query,
		 unsigned int limit, unsigned char *seen, size_t seen_size)
{
	struct fixture *f = first;
	char text[512], after[256] = "";
	size_t i, pages = 0;

	for (;;) {
		json_t *list, *socket;

		snprintf(text, sizeof(text), "%s&fields=cookie&limit=%u%s%s", query, limit,
			 *after ? "&after=" : "", after);
		list = fixture_get(f, text);
		ck_assert_uint_le(json_array_size(at(list, "sockets")), limit);
		ck_assert_uint_eq(json_array_size(at(list, "sockets")),
				  (size_t)json_integer_value(at(list, "returned")));
		ck_assert_uint_eq((size_t)json_integer_value(at(list, "matched")),
				  f->snapshot.record_count);
		json_array_foreach(at(list, "sockets"), i, socket)
		{
			unsigned long cookie = strtoul(text_at(socket, "cookie"), NULL, 16);

			ck_assert_uint_lt(cookie, seen_size);
			seen[cookie]++;
		}
		f = second;
		pages++;
		ck_assert_uint_lt(pages, 1000);
		if (json_is_null(at(list, "next"))) {
			json_decref(list);
			return;
		}
		snprintf(after, sizeof(after), "%s", text_at(list, "next"));
		json_decref(list);
	}
}

static const char *const orders[] = { "",
				      "sort=unread_bytes",
				      "sort=-unread_bytes",
				      "sort=comm",
				      "sort=-unit",
				      "sort=remote.address",
				      "sort=-cookie",
				      "sort=idle_seconds",
				      "sort=-linger.seconds",
				      "sort=outcomes.close.rule",
				      "sort=state_since",
				      "sort=-local.port" };

START_TEST(pages_of_one_snapshot)
{
	unsigned char seen[1000] = {};
	struct fixture f;
	size_t i;

	many(&f, 1, 3, 250);
	walk(&f, &f, orders[_i], 17, seen, sizeof(seen));
	for (i = 0; i < sizeof(seen); i++)
		ck_assert_msg(seen[i] == (i % 3 == 1 && i < 750), "%zu: %u times", i, seen[i]);
	fixture_done(&f);
}
END_TEST

/* Half of the sockets vanish behind the first page, and others come: the rest stand exactly once. */
START_TEST(pages_of_changing_snapshots)
{
	unsigned char seen[1000] = {};
	struct fixture before, after;
	size_t i;

	many(&before, 0, 3, 250); /* 0, 3, 6... */
	many(&after, 0, 2, 375); /* 0, 2, 4... */
	walk(&before, &after, orders[_i], 17, seen, sizeof(seen));
	for (i = 0; i < 750; i += 6)
		ck_assert_msg(seen[i] == 1, "%zu: %u times", i, seen[i]);
	for (i = 0; i < sizeof(seen); i++)
		ck_assert_uint_le(seen[i], 1);
	fixture_done(&before);
	fixture_done(&after);
}
END_TEST

START_TEST(all_at_once)
{
	struct fixture f;
	json_t *list, *socket;
	size_t i;
	unsigned char seen[1000] = {};

	many(&f, 1, 1, 900);
	list = fixture_get(&f, "limit=0");
	ck_assert_uint_eq(json_array_size(at(list, "sockets")), 900);
	ck_assert(json_is_null(at(list, "next")));
	json_array_foreach(at(list, "sockets"), i, socket)
		ck_assert_uint_eq(seen[strtoul(text_at(socket, "cookie"), NULL, 16)]++, 0);
	json_decref(list);
	list = fixture_get(&f, "limit=0&after=4026531840-2bc");
	ck_assert_uint_eq(json_array_size(at(list, "sockets")), 200);
	ck_assert_int_eq(json_integer_value(at(list, "returned")), 200);
	ck_assert_int_eq(json_integer_value(at(list, "matched")), 900);
	json_decref(list);
	fixture_done(&f);
}
END_TEST

START_TEST(pieces_are_bounded)
{
	struct problem problem;
	struct document *document;
	struct fixture f;
	struct buffer b = {};
	size_t pieces = 0;
	int r;

	many(&f, 1, 1, 2000);
	ck_assert_int_eq(
		sockets_document(&f.snapshot, "limit=0", NOW_NS, WALL_NS, &document, &problem), 0);
	do {
		b.len = 0;
		r = document->more(document, &b);
		ck_assert_uint_lt(b.len, DOCUMENT_PIECE + 8192);
		pieces++;
	} while (r > 0);
	ck_assert_int_eq(r, 0);
	ck_assert_uint_gt(pieces, 10);
	buffer_done(&b);
	document_free(document);
	fixture_done(&f);
}
END_TEST

START_TEST(limit_is_a_thousand)
{
	struct fixture f;
	json_t *list;

	many(&f, 1, 1, 1500);
	list = fixture_get(&f, "");
	ck_assert_uint_eq(json_array_size(at(list, "sockets")), 1000);
	ck_assert_str_eq(text_at(list, "next"), "4026531840-3e8");
	json_decref(list);
	fixture_done(&f);
}
END_TEST

static void check_link(const char *text, const char *expected)
{
	char copy[256];
	struct query query;
	struct problem problem = {};
	struct document *document;
	struct request request = { .path = "/sockets",
				   .query = &query,
				   .query_text = text,
				   .accept = "",
				   .snapshot = &machine.snapshot,
				   .now_ns = NOW_NS,
				   .wall_ns = WALL_NS };

	snprintf(copy, sizeof(copy), "%s", text);
	ck_assert_int_eq(query_parse(copy, &query, &problem), 0);
	ck_assert_int_eq(sockets_route(&request, &document, &problem), 0);
	ck_assert_str_eq(document->link, expected);
	document_free(document);
}

START_TEST(link_to_the_next_page)
{
	check_link("state=close-wait&limit=1",
		   "</sockets?state=close-wait&limit=1&after=4026531840-12>; rel=\"next\"");
	check_link("limit=1&after=4026531840-12&state=close-wait", "");
	check_link("limit=1&after=4026531840-10&comm=%6aava,<>\"\\&state=established,close-wait",
		   "</sockets?limit=1&comm=%6aava,%3C%3E%22%5C&state=established,close-wait&"
		   "after=4026531840-11>; rel=\"next\"");
	check_link("limit=2&comm=ja%76a&sort=-unread_bytes",
		   "</sockets?limit=2&comm=ja%76a&sort=-unread_bytes&after=4026531840-11_n0>; "
		   "rel=\"next\"");
}
END_TEST

START_TEST(sorted)
{
	json_t *list = fixture_get(&machine, "sort=-unread_bytes&fields=cookie,unread_bytes");

	ck_assert_str_eq(text_at(list, "sockets.0.cookie"), "13");
	ck_assert_str_eq(text_at(list, "sockets.1.cookie"), "12");
	/* What is not known comes last in both directions. */
	ck_assert(json_is_null(at(list, "sockets.12.unread_bytes")));
	json_decref(list);
	list = fixture_get(&machine, "sort=unread_bytes&fields=cookie,unread_bytes&limit=0");
	ck_assert_int_eq(json_integer_value(at(list, "sockets.0.unread_bytes")), 0);
	ck_assert(json_is_null(at(list, "sockets.12.unread_bytes")));
	json_decref(list);
	list = fixture_get(&machine, "sort=comm&fields=comm");
	ck_assert_str_eq(text_at(list, "sockets.1.comm"), "curl");
	ck_assert_str_eq(text_at(list, "sockets.3.comm"), "java");
	json_decref(list);
	list = fixture_get(&machine, "sort=id&fields=cookie&limit=2");
	ck_assert_str_eq(text_at(list, "sockets.0.cookie"), "10");
	ck_assert_str_eq(text_at(list, "next"), "4026531840-11");
	json_decref(list);
}
END_TEST

START_TEST(grouped_by_one)
{
	json_t *list = fixture_get(&machine, "group=unit");

	ck_assert_int_eq(json_integer_value(at(list, "matched")), STANDARD_COUNT);
	ck_assert_int_eq(json_integer_value(at(list, "returned")), 4);
	ck_assert_int_eq(json_integer_value(at(list, "ungrouped")), 0);
	ck_assert_str_eq(text_at(list, "groups.0.key.unit"), "nginx.service");
	ck_assert_int_eq(json_integer_value(at(list, "groups.0.count")), 5);
	ck_assert(json_is_null(at(list, "groups.1.key.unit")));
	ck_assert_int_eq(json_integer_value(at(list, "groups.1.count")), 4);
	ck_assert_int_eq(json_integer_value(at(list, "groups.1.unread_bytes")), 100);
	ck_assert_str_eq(text_at(list, "groups.2.key.unit"), "app.service");
	ck_assert_int_eq(json_integer_value(at(list, "groups.2.unread_bytes")), 24);
	ck_assert_int_eq(json_integer_value(at(list, "groups.2.oldest_seconds")), 400);
	ck_assert_str_eq(text_at(list, "groups.2.example"), "4026531840-12");
	json_decref(list);
}
END_TEST

START_TEST(grouped_by_two)
{
	json_t *list = fixture_get(&machine,
				   "group=remote.address,local.port&remote=10.9.8.7&limit=2");

	ck_assert_int_eq(json_integer_value(at(list, "matched")), 3);
	ck_assert_int_eq(json_integer_value(at(list, "returned")), 2);
	ck_assert_int_eq(json_integer_value(at(list, "groups_total")), 3);
	ck_assert_str_eq(
		json_string_value(json_object_get(at(list, "groups.0.key"), "remote.address")),
		"10.9.8.7");
	json_decref(list);
}
END_TEST

static const struct {
	const char *key;
	int groups;
} keys[] = {
	{ "state", 7 },	     { "attachment", 6 },     { "comm", 5 },	       { "pid", 5 },
	{ "container", 2 },  { "container_name", 2 }, { "netns", 2 },	       { "direction", 3 },
	{ "family", 2 },     { "local.port", 6 },     { "mapped", 2 },	       { "closes_with", 4 },
	{ "timer.kind", 3 }, { "local.address", 4 },  { "unread_seconds", 2 },
};

START_TEST(grouped_by_each)
{
	char query[128];
	json_t *list, *group;
	json_int_t sum = 0;
	size_t i;

	snprintf(query, sizeof(query), "group=%s&limit=0", keys[_i].key);
	list = fixture_get(&machine, query);
	json_array_foreach(at(list, "groups"), i, group)
		sum += json_integer_value(at(group, "count"));
	ck_assert_int_eq(sum, STANDARD_COUNT);
	ck_assert_msg((int)json_array_size(at(list, "groups")) == keys[_i].groups, "%s: %zu groups",
		      keys[_i].key, json_array_size(at(list, "groups")));
	json_decref(list);
}
END_TEST

START_TEST(many_groups)
{
	struct fixture f;
	json_t *list;

	many(&f, 1, 1, 3000);
	list = fixture_get(&f, "group=cookie,remote.port&limit=0");
	ck_assert_uint_eq(json_array_size(at(list, "groups")), 3000);
	json_decref(list);
	fixture_done(&f);
}
END_TEST

START_TEST(ndjson)
{
	_cleanup_free_ char *body = fixture_body(&machine, "format=ndjson&limit=5");
	char *line = body, *end;
	size_t lines = 0;

	for (; *line; line = end + 1) {
		json_error_t error;
		json_t *json;

		end = strchr(line, '\n');
		ck_assert_ptr_nonnull(end);
		json = json_loadb(line, (size_t)(end - line), 0, &error);
		ck_assert_ptr_nonnull(json);
		at(json, "outcomes");
		json_decref(json);
		lines++;
	}
	ck_assert_uint_eq(lines, 5);
}
END_TEST

START_TEST(ndjson_of_groups)
{
	_cleanup_free_ char *body = fixture_body(&machine, "format=ndjson&group=state");
	size_t lines = 0;
	const char *p;

	for (p = body; *p; p++)
		lines += *p == '\n';
	ck_assert_uint_eq(lines, 7);
	ck_assert_int_eq(strncmp(body, "{\"key\":{\"state\":", 16), 0);
}
END_TEST

static const char *const columns[] = {
	"State      Recv-Q Send-Q        Local Address:Port          Peer Address:Port   Process\n",
	"LISTEN     3      511    ",
	" 0.0.0.0:80     ",
	" 0.0.0.0:*  ",
	"users:((\"nginx\",pid=100,fd=7),(\"java\",pid=200,fd=8)) timer:(keepalive,1min27sec,0)",
	"CLOSE-WAIT 25     0      ",
	" 10.9.8.7:443 ",
	"creator:((\"curl\",pid=300))",
	"timer:(timewait,30sec,0)",
	"[2001:db8::1]:443 ",
	"[::ffff:10.0.0.1]:443 ",
	"users:((\"a\"b\\c??\",pid=400,fd=13))",
	"close:(rst,",
	" sk:12 ",
};

START_TEST(text)
{
	_cleanup_free_ char *body = fixture_body(&machine, "format=text");
	size_t lines = 0;
	const char *p;

	ck_assert_msg(strstr(body, columns[_i]) != NULL, "no '%s' in\n%s", columns[_i], body);
	for (p = body; *p; p++) {
		lines += *p == '\n';
		ck_assert_msg(*p == '\n' || (unsigned char)*p >= 0x20, "control character");
	}
	ck_assert_uint_eq(lines, 1 + STANDARD_COUNT);
}
END_TEST

START_TEST(text_says_what_is_cut)
{
	_cleanup_free_ char *body = fixture_body(&machine, "format=text&limit=2");

	ck_assert_ptr_nonnull(strstr(body, "\n# 2 of 13 sockets"));
}
END_TEST

START_TEST(text_of_groups)
{
	_cleanup_free_ char *body = fixture_body(&machine, "format=text&group=unit");

	ck_assert_ptr_nonnull(strstr(body, "Oldest  unit\n"));
	ck_assert_ptr_nonnull(strstr(body, "\n       2           24        400  app.service\n"));
}
END_TEST

/* A snapshot that says nonsense gives nonsense, never a crash: the reader checks each index. */
START_TEST(indices_out_of_bounds)
{
	struct record *records;
	struct fixture f;
	json_t *list;

	fixture_standard(&f);
	records = (struct record *)((char *)f.w.header +
				    f.w.header->sections[SECTION_RECORDS].offset);
	records[0].holder = 0xfffffff0;
	records[1].holders = 60000;
	records[2].sk.state = 200;
	records[2].sk.attachment = 200;
	records[2].direction = 200;
	records[2].sk.timer = 200;
	records[3].listener = 0xfffffff0;
	records[4].creator = 0xfffffff0;
	records[5].close_rule = 255;
	records[5].close_segment = 255;
	records[5].findings = 0xffffffff;
	records[6].state_since_ns = INT64_MIN;
	records[6].seen_ns = INT64_MAX;
	records[7].sk.netns = 0;
	list = fixture_get(&f,
			   "detail=full&fields=id,state,attachment,direction,holders,creator,"
			   "findings,listener,state_since,state_seconds,seen_seconds,timer,netns");
	ck_assert_uint_eq(json_array_size(at(list, "sockets")), STANDARD_COUNT);
	json_decref(list);
	free(fixture_body(&f, "format=text&state=established,listening"));
	fixture_done(&f);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("sockets: pages");
	TCase *t = tcase_create("pages");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, pages_of_one_snapshot, 0, ARRAY_SIZE(orders));
	tcase_add_loop_test(t, pages_of_changing_snapshots, 0, ARRAY_SIZE(orders));
	tcase_add_test(t, all_at_once);
	tcase_add_test(t, pieces_are_bounded);
	tcase_add_test(t, limit_is_a_thousand);
	tcase_add_test(t, link_to_the_next_page);
	tcase_add_test(t, sorted);
	tcase_add_test(t, grouped_by_one);
	tcase_add_test(t, grouped_by_two);
	tcase_add_loop_test(t, grouped_by_each, 0, ARRAY_SIZE(keys));
	tcase_add_test(t, many_groups);
	tcase_add_test(t, ndjson);
	tcase_add_test(t, ndjson_of_groups);
	tcase_add_loop_test(t, text, 0, ARRAY_SIZE(columns));
	tcase_add_test(t, text_says_what_is_cut);
	tcase_add_test(t, text_of_groups);
	tcase_add_test(t, indices_out_of_bounds);
	suite_add_tcase(s, t);
	return s;
}
