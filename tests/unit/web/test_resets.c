/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /resets: what minutes add up to, by which words, in which span, and what is refused.
 */
#include "journal_fixture.h"

static struct fixture f;
static struct journal_fixture jf;

static void setup(void)
{
	struct event event;
	int i;

	fixture_default(&f);
	journal_default(&jf, &f);
	/* Three more of the unit, of peers that had finished; one refused SYN. */
	event = journal_reset(&jf, 120);
	event.socket.flags |= EVENT_PEER_FINISHED;
	for (i = 0; i < 3; i++)
		journal_put(&jf, event);
	event.socket.flags = EVENT_PASSIVE;
	event.socket.holder = 0;
	event.socket.cookie = 0;
	event.socket.known = 0;
	event.socket.reason = RESET_REASON_NO_SOCKET_SYN;
	journal_put(&jf, event);
}

static void teardown(void)
{
	journal_end(&jf);
	fixture_done(&f);
}

START_TEST(by_unit_and_reason)
{
	json_t *json = fixture_get_json(&f, resets_route, "since=-1h");

	ck_json_int(json, "snapshot.id", 42);
	ck_json_int(json, "total.count", 7);
	ck_json_int(json, "total.sent", 6);
	ck_json_int(json, "total.received", 1);
	ck_json_int(json, "total.unread_bytes", 4 * 31);
	ck_json_int(json, "total.idle", 1);
	ck_json_int(json, "ungrouped", 0);
	ck_json_text(json, "oldest", "2025-11-23T03:00:00.000Z");
	ck_json_text(json, "resets.0.key.unit", "web.service");
	ck_json_text(json, "resets.0.key.reason", "tcp-abort-on-close");
	ck_json_int(json, "resets.0.count", 4);
	ck_json_int(json, "resets.0.sent", 4);
	ck_json_int(json, "resets.0.received", 0);
	ck_json_int(json, "resets.0.unread_bytes", 4 * 31);
	ck_json_int(json, "resets.0.peer_open", 1);
	ck_assert(json_real_value(fixture_at(json, "resets.0.peer_open_ratio")) == 0.25);
	ck_json_int(json, "resets.0.idle", 0);
	ck_json_int(json, "returned", (int)json_array_size(fixture_at(json, "resets")));
	ck_json_null(json, "next");
	json_decref(json);
}
END_TEST

static const struct {
	const char *query;
	int count;
} spans[] = {
	{ "", 6 }, /* -15m: all but the one 16 minutes ago */
	{ "since=-1h", 7 },
	{ "since=-3m", 4 },
	{ "since=-1h&until=-8m", 2 },
	{ "since=2025-11-23T03:50:00Z&until=2025-11-23T03:50:00Z", 1 },
	{ "since=-1h&kind=reset-sent", 6 },
	{ "since=-1h&kind=reset-received", 1 },
	{ "since=-1h&unit=web", 4 },
	{ "since=-1h&unit=web.service", 4 },
	{ "since=-1h&unit=we", 0 },
	{ "since=-1h&reason=no-socket-syn", 1 },
	{ "since=-1h&reason=no-socket-syn&reason=no-socket", 2 },
	{ "since=-1h&local.port=443&reason=tcp-abort-on-close", 4 },
	{ "since=-1h&netns=1", 0 },
};

/* What nobody watched in the minutes that were asked for, and what was lost: neither is a reset. */
START_TEST(gaps)
{
	json_t *json;

	journal_note(jf.journal, FIXTURE_WALL - 120 * NSEC_PER_SEC, MINUTE_UNSEEN, 60000);
	journal_note(jf.journal, FIXTURE_WALL - 1200 * NSEC_PER_SEC, MINUTE_UNSEEN, 1000);
	journal_note(jf.journal, FIXTURE_WALL - 120 * NSEC_PER_SEC, MINUTE_LOST, 12);
	json = fixture_get_json(&f, resets_route, "since=-1h&unit=web");
	ck_json_int(json, "unseen_seconds", 61);
	ck_json_int(json, "lost_events", 12);
	ck_json_int(json, "total.count", 4);
	json_decref(json);
	json = fixture_get_json(&f, resets_route, "since=-10m");
	ck_json_int(json, "unseen_seconds", 60);
	json_decref(json);
}
END_TEST

START_TEST(spans_and_filters)
{
	json_t *json = fixture_get_json(&f, resets_route, spans[_i].query), *row;
	int sum = 0;
	size_t i;

	ck_json_int(json, "total.count", spans[_i].count);
	json_array_foreach(fixture_at(json, "resets"), i, row)
		sum += (int)json_integer_value(json_object_get(row, "count"));
	ck_assert_int_eq(sum, spans[_i].count);
	if (!spans[_i].count)
		ck_json_null(json, "total.peer_open_ratio");
	json_decref(json);
}
END_TEST

/* By minute: in the order of time, whatever their number. */
START_TEST(by_minute)
{
	json_t *json = fixture_get_json(&f, resets_route, "since=-1h&group=minute");

	ck_json_int(json, "returned", 4);
	ck_json_text(json, "resets.0.key.minute", "2025-11-23T03:44:00.000Z");
	ck_json_int(json, "resets.0.count", 1);
	ck_json_text(json, "resets.3.key.minute", "2025-11-23T03:58:00.000Z");
	ck_json_int(json, "resets.3.count", 4);
	json_decref(json);
	json = fixture_get_json(&f, resets_route, "since=-1h&group=kind,state&limit=1");
	ck_json_int(json, "matched", 3);
	ck_json_int(json, "returned", 1);
	ck_json_text(json, "resets.0.key.kind", "reset-sent");
	ck_json_text(json, "resets.0.key.state", "established");
	json_decref(json);
}
END_TEST

/* More rows than there are places for: the answer does not claim to reach back to the beginning. */
START_TEST(overrun)
{
	struct event event;
	json_t *json;
	int i;

	for (i = 3000; i > 0; i -= 10) {
		event = journal_reset(&jf, i);
		event.socket.local_port = (uint16_t)(1000 + i);
		journal_put(&jf, event);
	}
	json = fixture_get_json(&f, resets_route, "since=-1h&group=minute");
	ck_assert_str_gt(json_string_value(fixture_at(json, "oldest")), "2025-11-23T03:10:");
	ck_assert_str_le(json_string_value(fixture_at(json, "oldest")),
			 json_string_value(fixture_at(json, "resets.1.key.minute")));
	json_decref(json);
}
END_TEST

START_TEST(formats)
{
	struct problem problem = { 0 };
	char *text = fixture_get(&f, resets_route,
				 "since=-1h&format=text&group=reason,unit&limit=1", NULL, &problem);

	ck_assert_str_eq(text, "    Sent Received       Unread Peer-open     Idle  reason  unit\n"
			       "       4        0          124         1        0  "
			       "tcp-abort-on-close  web.service\n");
	free(text);
	text = fixture_get(&f, resets_route,
			   "since=-1h&format=ndjson&group=netns&kind=reset-received", NULL,
			   &problem);
	ck_assert_int_eq(strncmp(text, "{\"key\":{\"netns\":4026531840},\"count\":1,", 38), 0);
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
	free(text);
}
END_TEST

START_TEST(refused)
{
	static const struct {
		const char *query, *parameter;
	} cases[] = {
		{ "since=never", "since" },
		{ "until=-", "until" },
		{ "group=remote", "group" },
		{ "group=unit,reason,netns", "group" },
		{ "group=", "group" },
		{ "kind=closed", "kind" },
		{ "reason=none", "reason" },
		{ "netns=x", "netns" },
		{ "local.port=65536", "local.port" },
		{ "limit=x", "limit" },
		{ "format=xml", "format" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		fixture_refused(&f, resets_route, cases[i].query, 400, cases[i].parameter);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("resets");
	TCase *t = tcase_create("resets");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, by_unit_and_reason);
	tcase_add_test(t, gaps);
	tcase_add_loop_test(t, spans_and_filters, 0, ARRAY_SIZE(spans));
	tcase_add_test(t, by_minute);
	tcase_add_test(t, overrun);
	tcase_add_test(t, formats);
	tcase_add_test(t, refused);
	suite_add_tcase(s, t);
	return s;
}
