/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /events as a list and in groups: members, filters, pages, times, gaps, and what is refused.
 */
#include "journal_fixture.h"

static struct fixture f;
static struct journal_fixture jf;

static void setup(void)
{
	fixture_default(&f);
	journal_default(&jf, &f);
}

static void teardown(void)
{
	journal_end(&jf);
	fixture_done(&f);
}

START_TEST(members)
{
	json_t *json = fixture_get_json(&f, events_route, "kind=reset-sent&kind=finding-raised");

	ck_assert_str_eq(json_object_iter_key(json_object_iter(json)), "snapshot");
	ck_json_int(json, "matched", 3);
	ck_json_int(json, "returned", 3);
	ck_json_null(json, "next");
	ck_json_null(json, "gap");
	ck_json_int(json, "newest", 6);
	ck_json_text(json, "oldest", "2025-11-23T03:00:00.000Z");
	ck_json_text(json, "source.state", "off");
	ck_json_int(json, "events.0.id", 1);
	ck_json_text(json, "events.0.time", "2025-11-23T03:44:00.000Z");
	ck_json_text(json, "events.0.kind", "reset-sent");
	ck_json_text(json, "events.0.socket.id", "4026531840-1f");
	ck_json_text(json, "events.0.socket.flow", "10.0.0.1:443 > 192.0.2.7:50000");
	ck_json_text(json, "events.0.socket.remote.address", "192.0.2.7");
	ck_json_int(json, "events.0.socket.netns", FIXTURE_NETNS);
	ck_json_text(json, "events.0.socket.direction", "inbound");
	ck_json_text(json, "events.0.state", "established");
	ck_json_text(json, "events.0.reason", "tcp-abort-on-close");
	ck_assert(json_is_false(fixture_at(json, "events.0.derived")));
	ck_json_text(json, "events.0.actor", "close");
	ck_json_int(json, "events.0.holder.pid", 100);
	ck_json_text(json, "events.0.holder.unit", "web.service");
	ck_json_null(json, "events.0.holder.container");
	ck_json_null(json, "events.0.creator");
	ck_json_text(json, "events.0.unit", "web.service");
	ck_json_int(json, "events.0.unread_bytes", 31);
	ck_json_int(json, "events.0.bytes_received", 1031);
	ck_assert(json_number_value(fixture_at(json, "events.0.idle_seconds")) == 1.5);
	ck_assert(json_is_false(fixture_at(json, "events.0.linger.on")));
	ck_json_null(json, "events.0.linger_before");
	ck_json_null(json, "events.0.closed_seconds_ago");
	ck_json_text(json, "events.0.predicted.operation", "close");
	ck_json_text(json, "events.0.predicted.segment", "rst");
	ck_assert(json_is_true(fixture_at(json, "events.0.predicted.certain")));
	ck_json_text(json, "events.0.steps.0.to", "closed");
	ck_json_null(json, "events.0.finding");
	/* A sentence that names who, and what was lost. */
	ck_assert_ptr_nonnull(strstr(json_string_value(fixture_at(json, "events.0.cause")), "web"));
	ck_assert_ptr_nonnull(strstr(json_string_value(fixture_at(json, "events.0.cause")), "31"));
	ck_json_null(json, "events.2.cause");
	/* Of a segment without a socket: what it was. */
	ck_json_null(json, "events.1.socket.id");
	ck_json_null(json, "events.1.state");
	ck_json_null(json, "events.1.peer_finished");
	ck_json_null(json, "events.1.unread_bytes");
	ck_json_null(json, "events.1.linger");
	ck_json_text(json, "events.1.segment_flags.0", "psh");
	ck_json_text(json, "events.1.segment_flags.1", "ack");
	ck_json_int(json, "events.1.payload_bytes", 512);
	ck_assert(json_is_true(fixture_at(json, "events.1.derived")));
	/* Of a finding: the same members. */
	ck_assert_uint_eq(json_object_size(fixture_at(json, "events.2")),
			  json_object_size(fixture_at(json, "events.0")));
	ck_json_null(json, "events.2.socket");
	ck_json_null(json, "events.2.derived");
	ck_json_text(json, "events.2.unit", "tool.service");
	ck_json_text(json, "events.2.finding.id", "f-1f");
	ck_json_text(json, "events.2.finding.rule", "close-wait-leak");
	ck_json_text(json, "events.2.finding.summary", "tool leaks");
	json_decref(json);
	json = fixture_get_json(&f, events_route, "kind=timed-out&kind=reset-received");
	ck_json_text(json, "events.0.related", "7-2a");
	ck_json_int(json, "events.0.creator.pid", 200);
	ck_json_text(json, "events.0.creator.container", "3f9c0a112233");
	ck_json_text(json, "events.0.creator.container_name", "payments/api-7d9f-x2/envoy");
	ck_json_text(json, "events.1.linger.seconds", "forever");
	ck_assert(json_is_false(fixture_at(json, "events.1.linger_before")));
	ck_json_int(json, "events.1.orphan_seconds", 12);
	ck_json_int(json, "events.1.closed_seconds_ago", 12);
	json_decref(json);
}
END_TEST

/* Ids of the events that a query gives, in their order. */
static const struct {
	const char *query, *ids;
} queries[] = {
	{ "", "1 2 3 5 6" },
	{ "kind=closed", "4" },
	{ "kind=closed,timed-out", "4 5" },
	{ "kind=closed&kind=timed-out", "4 5" },
	{ "reason=no-socket", "2" },
	{ "reason=tcp-abort-on-close,no-socket", "1 2" },
	{ "actor=peer", "3" },
	{ "unit=web", "1 5" },
	{ "unit=web.service&kind=closed", "4" },
	{ "unit=we", "" },
	{ "unit=tool", "6" },
	{ "unit=tool,web", "1 5 6" },
	{ "pid=100", "1 5" },
	{ "pid=200", "3 6" },
	{ "pid=200&pid=100", "1 3 5 6" },
	{ "pid=200&unit=web", "" },
	{ "comm=web", "1 5" },
	{ "container=3f9c0a112233", "3" },
	{ "container=3f9c", "" },
	{ "container=envoy", "3" },
	{ "container=envo", "" },
	{ "container=api-7d9f-x2", "3" },
	{ "container=payments/api-7d9f-x2", "3" },
	{ "container=payments/api-7d9f-x2/envoy", "3" },
	{ "container=payments", "" },
	{ "container=other,envoy", "3" },
	{ "severity=warning", "6" },
	{ "severity=critical", "" },
	{ "rule=close-wait-leak", "6" },
	{ "finding=f-1f", "6" },
	{ "finding=f-1e", "" },
	{ "rule=close-wait-leak&kind=reset-sent", "" },
	{ "netns=4026531840", "1 2 3 5 6" },
	{ "netns=7", "" },
	{ "state=fin-wait-1", "5" },
	{ "direction=outbound", "3" },
	{ "family=inet6", "" },
	{ "local.port=443", "1 2 5" },
	{ "port=5432", "3" },
	{ "remote=192.0.2.0/24", "1 2 3 5" },
	{ "local=10.0.0.1:40000", "3" },
	{ "uid=0&state=established", "1 3" },
	{ "since=-11m", "2 3 5 6" },
	{ "since=-11m&until=-2m", "2 3" },
	{ "since=2025-11-23T03:50:00Z&until=2025-11-23T03:55:00.000Z", "2" },
	{ "since=2025-11-23T04:50:00%2B01:00&until=2025-11-23T04:55:00+01:00", "2" },
	{ "last=2", "5 6" },
	{ "last=9", "1 2 3 5 6" },
	{ "last=1&kind=reset-sent", "2" },
	{ "limit=2", "1 2" },
	{ "limit=0", "1 2 3 5 6" },
	{ "limit=2&after=2", "3 5" },
	{ "after=5", "6" },
	{ "after=6", "" },
	{ "after=1&last=1", "6" },
};

START_TEST(filters)
{
	json_t *json = fixture_get_json(&f, events_route, queries[_i].query), *event;
	char ids[64] = "";
	size_t i;

	json_array_foreach(fixture_at(json, "events"), i, event)
	{
		size_t len = strlen(ids);

		snprintf(ids + len, sizeof(ids) - len, "%s%lld", i ? " " : "",
			 json_integer_value(json_object_get(event, "id")));
	}
	ck_assert_str_eq(ids, queries[_i].ids);
	ck_assert_int_eq(json_integer_value(fixture_at(json, "returned")), (long)i);
	json_decref(json);
}
END_TEST

START_TEST(pages)
{
	json_t *json = fixture_get_json(&f, events_route, "limit=2");

	ck_json_int(json, "matched", 5);
	ck_json_int(json, "returned", 2);
	ck_json_text(json, "next", "2");
	json_decref(json);
	json = fixture_get_json(&f, events_route, "limit=2&after=2");
	ck_json_text(json, "next", "5");
	json_decref(json);
	json = fixture_get_json(&f, events_route, "limit=2&after=5");
	ck_json_int(json, "matched", 5);
	ck_json_int(json, "returned", 1);
	ck_json_null(json, "next");
	json_decref(json);
}
END_TEST

START_TEST(selected_fields)
{
	struct problem problem = { 0 };
	char *text = fixture_get(&f, events_route,
				 "fields=id,socket.remote.port,finding.rule&format=ndjson&limit=1",
				 NULL, &problem);

	ck_assert_str_eq(text, "{\"id\":1,\"socket\":{\"remote\":{\"port\":50000}},"
			       "\"finding\":null}\n");
	free(text);
}
END_TEST

START_TEST(text_format)
{
	struct problem problem = { 0 };
	char *text = fixture_get(&f, events_route, "format=text", NULL, &problem);

	ck_assert_ptr_nonnull(text);
	ck_assert_ptr_nonnull(strstr(text, "reset-sent       tcp-abort-on-close           31  "
					   "web(100) web.service  10.0.0.1:443 > 192.0.2.7:50000"));
	/* A process names itself as it likes. */
	ck_assert_ptr_null(strchr(text, '\x1b'));
	ck_assert_ptr_nonnull(strstr(text, "to?[31mol(200)"));
	ck_assert_ptr_nonnull(strstr(text, "finding-raised   warning"));
	ck_assert_ptr_nonnull(strstr(text, "tool leaks  [close-wait-leak]"));
	free(text);
}
END_TEST

/* A ring of 16 that took 40 more: what a reader missed is said, and since when all is there. */
START_TEST(overrun)
{
	struct problem problem = { 0 };
	json_t *json;
	char *text;
	int i;

	for (i = 0; i < 40; i++)
		journal_put(&jf, journal_reset(&jf, 9));
	json = fixture_get_json(&f, events_route, "after=3&kind=reset-sent");
	ck_json_int(json, "returned", 16);
	ck_json_int(json, "gap.after", 3);
	ck_json_null(json, "gap.lost");
	ck_json_int(json, "events.0.id", 31);
	ck_json_text(json, "oldest", "2025-11-23T03:59:51.000Z");
	json_decref(json);
	/* Nothing is lost of another ring, nor behind what is there. */
	json = fixture_get_json(&f, events_route, "after=3&kind=timed-out");
	ck_json_null(json, "gap");
	ck_json_text(json, "oldest", "2025-11-23T03:00:00.000Z");
	json_decref(json);
	json = fixture_get_json(&f, events_route, "after=40&kind=reset-sent");
	ck_json_null(json, "gap");
	ck_json_int(json, "returned", 6);
	json_decref(json);
	text = fixture_get(&f, events_route, "after=3&kind=reset-sent&format=ndjson&limit=1", NULL,
			   &problem);
	ck_assert_ptr_nonnull(strstr(text, "{\"id\":3,\"time\":"));
	ck_assert_ptr_nonnull(strstr(text, "\"kind\":\"gap\",\"lost\":null}\n{\"id\":31,"));
	free(text);
}
END_TEST

/* An id that this journal has never given: it began anew, and everything in it is new to whoever asks. */
START_TEST(another_journal)
{
	json_t *json = fixture_get_json(&f, events_route, "after=1000");

	ck_json_int(json, "matched", 5);
	ck_json_int(json, "returned", 5);
	ck_json_int(json, "gap.after", 0);
	json_decref(json);
}
END_TEST

START_TEST(groups)
{
	json_t *json;

	journal_put(&jf, journal_reset(&jf, 9));
	json = fixture_get_json(&f, events_route, "group=unit,reason&kind=reset-sent,timed-out");
	ck_json_int(json, "matched", 4);
	ck_json_int(json, "returned", 3);
	ck_json_int(json, "groups_total", 3);
	ck_json_int(json, "ungrouped", 0);
	ck_json_text(json, "groups.0.key.unit", "web.service");
	ck_json_text(json, "groups.0.key.reason", "tcp-abort-on-close");
	ck_json_int(json, "groups.0.count", 2);
	ck_json_int(json, "groups.0.unread_bytes", 62);
	ck_json_int(json, "groups.0.example", 7);
	ck_json_text(json, "groups.0.first", "2025-11-23T03:44:00.000Z");
	ck_json_text(json, "groups.0.last", "2025-11-23T03:59:51.000Z");
	ck_json_text(json, "groups.1.key.unit", "web.service");
	ck_json_null(json, "groups.1.key.reason");
	ck_json_null(json, "groups.2.key.unit");
	ck_json_null(json, "next");
	json_decref(json);
}
END_TEST

/* Each word that can be counted by. */
START_TEST(group_words)
{
	static const struct {
		const char *word, *lines;
	} cases[] = {
		{ "kind", "       2           31  reset-sent" },
		{ "actor", "       1           31  close" },
		{ "state", "       2           31  established" },
		{ "direction", "       3           31  inbound" },
		{ "netns", "       5           31  4026531840" },
		{ "local.port", "       3           31  443" },
		{ "remote.address", "       4           31  192.0.2.7" },
		{ "comm", "       2           31  web" },
		{ "rule", "       1            0  close-wait-leak" },
		{ "severity", "       1            0  warning" },
		{ "unit,rule", "       1            0  tool.service  close-wait-leak" },
	};
	struct problem problem = { 0 };
	char query[64], *text;

	snprintf(query, sizeof(query), "format=text&group=%s", cases[_i].word);
	text = fixture_get(&f, events_route, query, NULL, &problem);
	ck_assert_msg(text, "%s", problem.detail);
	ck_assert_msg(strstr(text, cases[_i].lines), "%s", text);
	free(text);
}
END_TEST

/* What nobody watched of the time that is asked for. */
START_TEST(unseen)
{
	static const char *const forms[] = { "", "group=kind" };
	json_t *json = fixture_get_json(&f, events_route, forms[_i]);

	ck_json_int(json, "unseen_seconds", 0);
	ck_json_int(json, "lost_events", 0);
	json_decref(json);
	journal_note(jf.journal, FIXTURE_WALL - 120 * NSEC_PER_SEC, MINUTE_UNSEEN, 60000);
	journal_note(jf.journal, FIXTURE_WALL - 1200 * NSEC_PER_SEC, MINUTE_UNSEEN, 1000);
	journal_note(jf.journal, FIXTURE_WALL - 120 * NSEC_PER_SEC, MINUTE_LOST, 12);
	json = fixture_get_json(&f, events_route, _i ? "group=kind&since=-10m" : "since=-10m");
	ck_json_int(json, "unseen_seconds", 60);
	ck_json_int(json, "lost_events", 12);
	json_decref(json);
	json = fixture_get_json(&f, events_route,
				_i ? "group=kind&since=-1h&until=-10m" : "since=-1h&until=-10m");
	ck_json_int(json, "unseen_seconds", 1);
	ck_json_int(json, "lost_events", 0);
	json_decref(json);
}
END_TEST

/* A gap is a kind of its own, which no ring holds. */
START_TEST(only_gaps)
{
	json_t *json = fixture_get_json(&f, events_route, "kind=gap");

	ck_json_int(json, "matched", 0);
	ck_json_null(json, "gap");
	json_decref(json);
	json = fixture_get_json(&f, events_route, "kind=gap,reset-sent");
	ck_assert_int_gt(json_integer_value(fixture_at(json, "matched")), 0);
	json_decref(json);
}
END_TEST

START_TEST(refused)
{
	static const struct {
		const char *query, *parameter;
	} cases[] = {
		{ "kind=reset", "kind" },
		{ "kind=", "kind" },
		{ "reason=why", "reason" },
		{ "actor=me", "actor" },
		{ "severity=bad", "severity" },
		{ "rule=close-fin", "rule" },
		{ "finding=1f", "finding" },
		{ "finding=f-xyz", "finding" },
		{ "pid=x", "pid" },
		{ "unit=", "unit" },
		{ "state=dead", "state" },
		{ "remote=1.2.3", "remote" },
		{ "since=yesterday", "since" },
		{ "since=15m", "since" },
		{ "until=2026-11-23", "until" },
		{ "after=x", "after" },
		{ "last=0", "last" },
		{ "limit=-1", "limit" },
		{ "fields=nothing", "fields" },
		{ "follow=maybe", "follow" },
		{ "follow=true", "follow" },
		{ "group=flow", "group" },
		{ "group=unit,unit", "group" },
		{ "group=unit,kind,comm", "group" },
		{ "group=unit&after=1", "after" },
		{ "group=unit&last=1", "last" },
	};

	fixture_refused(&f, events_route, cases[_i].query, 400, cases[_i].parameter);
}
END_TEST

START_TEST(no_journal)
{
	f.journal = NULL;
	fixture_refused(&f, events_route, "", 503, "");
	fixture_refused(&f, resets_route, "", 503, "");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("events");
	TCase *t = tcase_create("events");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, members);
	tcase_add_loop_test(t, filters, 0, ARRAY_SIZE(queries));
	tcase_add_test(t, pages);
	tcase_add_test(t, selected_fields);
	tcase_add_test(t, text_format);
	tcase_add_test(t, overrun);
	tcase_add_test(t, another_journal);
	tcase_add_test(t, groups);
	tcase_add_loop_test(t, group_words, 0, 11);
	tcase_add_loop_test(t, unseen, 0, 2);
	tcase_add_test(t, only_gaps);
	tcase_add_loop_test(t, refused, 0, 26);
	tcase_add_test(t, no_journal);
	suite_add_tcase(s, t);
	return s;
}
