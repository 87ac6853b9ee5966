/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The history of a socket as JSON: from its chain and its record, in order of time, also after its end.
 */
#include "../harness.h"
#include "sockets_fixture.h"

#define S NSEC_PER_SEC
#define SIZE 8U

static struct fixture fixture;

static void add_entries(void)
{
	static const struct history_entry entries[SIZE] = {
		[1] = { .when_ns = NOW_NS - 90 * S,
			.kind = HISTORY_STATE,
			.a = TCPDIAG_SYN_RECV,
			.flags = HISTORY_EXACT },
		[2] = { .when_ns = NOW_NS - 30 * S,
			.kind = HISTORY_HOLDER,
			.name = 1,
			.before = 1 },
		/* Noted when it was left, so it is older than the one before. */
		[3] = { .when_ns = NOW_NS - 80 * S,
			.kind = HISTORY_STATE,
			.a = TCPDIAG_ESTABLISHED,
			.before = 2 },
		[4] = { .when_ns = NOW_NS - 9 * S,
			.kind = HISTORY_RAISED,
			.a = TCPDIAG_RULE_CLOSE_WAIT_LEAK - TCPDIAG_RULE_FINDING_FIRST,
			.before = 3 },
		[5] = { .when_ns = NOW_NS - 8 * S,
			.kind = HISTORY_ATTACHMENT,
			.a = TCPDIAG_HELD,
			.b = TCPDIAG_UNHELD,
			.before = 4 },
		[6] = { .when_ns = NOW_NS - 7 * S, .kind = HISTORY_CLEARED, .a = 255, .before = 5 },
		[7] = { .when_ns = NOW_NS - 6 * S,
			.kind = HISTORY_HOLDER,
			.name = 99,
			.before = 6 },
	};
	struct history_entry *rows;
	struct history_name *names;
	uint32_t i;

	rows = snapshot_section(&fixture.w, SECTION_HISTORY, SIZE, sizeof(*rows));
	ck_assert_ptr_nonnull(rows);
	memcpy(rows, entries, sizeof(entries));
	for (i = 1; i < SIZE; i++) {
		rows[i].cookie = SERVED;
		rows[i].netns = NETNS;
	}
	names = snapshot_section(&fixture.w, SECTION_NAMES, 2, sizeof(*names));
	names[1].number = 1;
	names[1].pid = 77;
	strcpy(names[1].comm, "be\"fore");
	strcpy(names[1].unit, "old.service");
}

static void add_ended(const struct record *like)
{
	struct ended *rows = snapshot_section(&fixture.w, SECTION_ENDED, 2, sizeof(*rows));

	ck_assert_ptr_nonnull(rows);
	rows[1].record = *like;
	rows[1].record.sk.cookie = 0xdead;
	rows[1].record.creator = GONE;
	rows[1].record.seen_ns = NOW_NS - 7 * S;
	rows[1].record.state_since_ns = NOW_NS - 10 * S;
	rows[1].record.history = 0;
	rows[1].record.holders = 0;
	rows[1].gone_ns = NOW_NS - 2 * S;
}

static void setup(void)
{
	struct record *record, like;

	fixture_begin(&fixture);
	record = fixture_add(&fixture, SERVED, TCPDIAG_CLOSE_WAIT, "10.0.0.1", 80, "192.0.2.7",
			     40000);
	record->born_ns = NOW_NS - 100 * S;
	record->history = SIZE - 1;
	like = *record;
	fixture_hold(&fixture, record, NGINX, 7);
	add_entries();
	add_ended(&like);
	fixture_seal(&fixture);
	fixture.w.header->history = (struct history_header){
		.size = SIZE, .next = SIZE, .names_next = 2, .restart_count = 10
	};
	/* Of ten the newest eight are kept; two are in its life. */
	fixture.w.header->history.restarts[0] = (struct restart){ .from_ns = NOW_NS - 201 * S,
								  .to_ns = NOW_NS - 200 * S };
	fixture.w.header->history.restarts[1] = (struct restart){ .from_ns = NOW_NS - 22 * S,
								  .to_ns = NOW_NS - 20 * S };
	fixture.w.header->history.restarts[7] = (struct restart){ .from_ns = NOW_NS - 42 * S,
								  .to_ns = NOW_NS - 40 * S };
	fixture.w.header->lanes[LANE_SWEEP].interval_ns = 5 * S;
}

static void teardown(void)
{
	fixture_done(&fixture);
}

/* GET /sockets/@id. @status: of a problem, 0 for none. */
static json_t *get(const char *id, unsigned int status)
{
	static const struct query none;
	struct request request = {
		.path = "/sockets/{id}",
		.argument = id,
		.query = &none,
		.query_text = "",
		.accept = "",
		.snapshot = &fixture.snapshot,
		.now_ns = NOW_NS + S,
	};
	struct problem problem = {};
	struct document *document = NULL;
	struct buffer b = {};
	json_error_t error;
	json_t *json;
	int r = socket_route(&request, &document, &problem);

	ck_assert_uint_eq(problem.status, status);
	if (r < 0)
		return NULL;
	while (document->more(document, &b) > 0)
		;
	document_free(document);
	buffer_char(&b, '\0');
	json = json_loads(b.data, JSON_REJECT_DUPLICATES, &error);
	ck_assert_msg(json != NULL, "%s: %s", b.data, error.text);
	buffer_done(&b);
	return json;
}

static void expect(json_t *history, size_t line, const char *kind, const char *key,
		   const char *value)
{
	json_t *row = json_array_get(history, line);

	ck_assert_str_eq(text_at(row, "kind"), kind);
	if (key)
		ck_assert_str_eq(text_at(row, key), value);
}

START_TEST(test_lines)
{
	json_t *json = get("4026531840-11", 0), *history = at(json, "history");

	ck_assert(json_is_null(at(json, "ended")));
	ck_assert_uint_eq(json_array_size(history), 10);
	expect(history, 0, "state", "state", "syn-recv");
	ck_assert(json_is_true(at(history, "0.exact")));
	ck_assert_str_eq(text_at(history, "0.time"), "2026-11-22T23:58:30.000Z");
	expect(history, 1, "state", "state", "established");
	ck_assert(json_is_false(at(history, "1.exact")));
	expect(history, 2, "restart", NULL, NULL);
	ck_assert(json_number_value(at(history, "2.unwatched_seconds")) == 2);
	expect(history, 3, "holder", "before.comm", "be\"fore");
	ck_assert_int_eq(json_integer_value(at(history, "3.before.pid")), 77);
	ck_assert_str_eq(text_at(history, "3.before.unit"), "old.service");
	ck_assert(json_is_null(at(history, "3.before.container")));
	expect(history, 4, "restart", NULL, NULL);
	expect(history, 5, "state", "state", "close-wait");
	expect(history, 6, "finding-raised", "finding", "close-wait-leak");
	expect(history, 7, "attachment", "attachment", "unheld");
	ck_assert_str_eq(text_at(history, "7.before"), "held");
	/* A rule of no name and a process that is forgotten. */
	expect(history, 8, "finding-cleared", NULL, NULL);
	expect(history, 9, "holder", NULL, NULL);
	ck_assert(json_is_null(at(history, "9.before")));
	json_decref(json);
}
END_TEST

START_TEST(test_ended)
{
	json_t *json = get("4026531840-dead", 0), *history = at(json, "history");

	ck_assert_str_eq(text_at(json, "id"), "4026531840-dead");
	ck_assert_str_eq(text_at(json, "ended.time"), "2026-11-22T23:59:58.000Z");
	ck_assert_str_eq(text_at(json, "ended.seen"), "2026-11-22T23:59:53.000Z");
	/* The last sweep was 3 s ago, before it was missed. */
	ck_assert(json_is_false(at(json, "ended.certain")));
	ck_assert(json_number_value(at(json, "seen_seconds")) == 7);
	ck_assert(json_number_value(at(json, "state_seconds")) == 3);
	ck_assert(json_is_null(at(json, "outcomes")));
	ck_assert(json_is_null(at(json, "fate")));
	ck_assert(json_is_null(at(json, "peer")));
	ck_assert_uint_eq(json_array_size(at(json, "holders")), 0);
	ck_assert_str_eq(text_at(json, "creator.comm"), "curl");
	ck_assert_str_eq(text_at(json, "unit"), "user@1000.service");
	ck_assert_uint_eq(json_array_size(history), 4);
	expect(history, 0, "restart", NULL, NULL);
	expect(history, 1, "restart", NULL, NULL);
	expect(history, 2, "state", "state", "close-wait");
	expect(history, 3, "ended", NULL, NULL);
	ck_assert(json_is_true(at(history, "3.exact")));
	json_decref(json);

	fixture.w.header->lanes[LANE_SWEEP].last_ns = NOW_NS;
	fixture.w.header->lanes[LANE_SWEEP].interval_ns = S;
	json = get("4026531840-dead", 0);
	ck_assert(json_is_true(at(json, "ended.certain")));
	ck_assert(json_is_false(at(json, "history.3.exact")));
	json_decref(json);
}
END_TEST

START_TEST(test_not_found)
{
	/* A free row has the cookie 0, another namespace another socket; lists know only who lives. */
	ck_assert_ptr_null(get("0-0", 404));
	ck_assert_ptr_null(get("4026532000-dead", 404));
	json_t *list = fixture_get(&fixture, "detail=full");

	ck_assert_int_eq(json_integer_value(at(list, "matched")), 1);
	ck_assert_uint_eq(json_array_size(at(list, "sockets.0.history")), 10);
	json_decref(list);
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("history as JSON");
	TCase *tcase = tcase_create("history");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_lines);
	tcase_add_test(tcase, test_ended);
	tcase_add_test(tcase, test_not_found);
	suite_add_tcase(suite, tcase);
	return suite;
}
