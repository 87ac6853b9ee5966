/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The last quarter of an hour: /summary.resets, the report's lines, `closed` of units, processes and containers, and
 * the events of one socket.
 */
#include "journal_fixture.h"
#include "web/report.h"

static struct fixture f;
static struct journal_fixture jf;

static void put(struct event event, int times)
{
	while (times--)
		journal_put(&jf, event);
}

static void setup(void)
{
	struct source *source;
	struct process *processes;

	fixture_begin(&f);
	source = fixture_source(&f, SOURCE_EVENTS);
	source->state = SOURCE_OK;
	f.w.header->events.origin = EVENT_ORIGIN_BPF;
	processes = (struct process *)((char *)f.w.header +
				       f.w.header->sections[SECTION_PROCESSES].offset);
	processes[P_WEB].unit_label = processes[P_WEB].unit;
	processes[P_WORKER].unit_label = processes[P_WEB].unit;
	fixture_seal(&f);
	journal_begin(&jf, &f, 64);
}

static void teardown(void)
{
	journal_end(&jf);
	fixture_done(&f);
}

/* The program sets SO_LINGER to 0 just before it closes. */
static struct event surprise(void)
{
	struct event event = journal_reset(&jf, 30);

	event.socket.reason = RESET_REASON_STATE;
	event.socket.known |= EVENT_KNOWS_LINGER | EVENT_KNOWS_LINGER_BEFORE;
	event.socket.flags |= EVENT_LINGER;
	event.socket.linger_ms = 0;
	event.socket.unread_bytes = 0;
	return event;
}

static struct event received(void)
{
	struct event event = journal_event(EVENT_RESET_RECEIVED, 30);

	event.actor = ACTOR_PEER;
	event.socket.holder = jf.tool;
	event.socket.known = EVENT_KNOWS_IDLE;
	event.socket.idle_ms = 350000;
	return event;
}

static struct event refused(void)
{
	struct event event = journal_event(EVENT_RESET_SENT, 30);

	event.actor = ACTOR_KERNEL;
	event.socket.cookie = 0;
	event.socket.flags = EVENT_PASSIVE;
	event.socket.reason = RESET_REASON_NO_SOCKET_SYN;
	return event;
}

static struct event orderly(uint8_t state)
{
	struct event event = journal_event(EVENT_CLOSED, 30);

	event.socket.holder = jf.web;
	event.socket.state = state;
	return event;
}

static void put_all(void)
{
	put(journal_reset(&jf, 1200), 2); /* too long ago */
	put(journal_reset(&jf, 30), 3);
	put(received(), 2);
	put(refused(), 4);
	put(orderly(TCPDIAG_TIME_WAIT), 5);
	put(orderly(TCPDIAG_SYN_SENT), 1);
}

START_TEST(summary)
{
	json_t *json;

	put_all();
	json = fixture_get_json(&f, summary_route, "");
	ck_json_int(json, "resets.seconds", 900);
	ck_json_int(json, "resets.sent", 7);
	ck_json_int(json, "resets.received", 2);
	ck_json_int(json, "resets.refused", 4);
	ck_json_int(json, "resets.idle", 2);
	ck_json_int(json, "resets.unread_bytes", 93);
	ck_json_int(json, "resets.sent_by_reason.tcp-abort-on-close", 3);
	ck_json_int(json, "resets.received_by_state.established", 2);
	json_decref(json);
}
END_TEST

static void note(enum minute_kind kind, int seconds_ago, uint64_t n)
{
	journal_note(jf.journal, FIXTURE_WALL - seconds_ago * NSEC_PER_SEC, kind, n);
}

/* Time in which nobody watched is not covered; in none of it, nothing is said. */
START_TEST(gaps)
{
	struct request like = { .path = "/units/web", .argument = "web" };
	struct problem problem = { 0 };
	json_t *json;
	char *text;

	put_all();
	note(MINUTE_UNSEEN, 3000, 40000);
	note(MINUTE_UNSEEN, 200, 60000);
	note(MINUTE_UNSEEN, 100, 30000);
	note(MINUTE_LOST, 100, 77);
	note(MINUTE_LOST, 3000, 1000);
	json = fixture_get_json(&f, summary_route, "");
	ck_json_int(json, "resets.seconds", 810);
	ck_json_int(json, "resets.lost_events", 77);
	ck_json_int(json, "resets.sent", 7);
	json_decref(json);
	text = fixture_get(&f, unit_route, "", &like, &problem);
	json = json_loads(text, 0, NULL);
	ck_json_int(json, "closed.seconds", 810);
	ck_json_int(json, "closed.lost_events", 77);
	ck_json_int(json, "closed.fin", 5);
	json_decref(json);
	free(text);
	json = fixture_get_json(&f, processes_route, "");
	ck_json_int(json, "processes.0.closed.lost_events", 77);
	ck_assert(json_number_value(fixture_at(json, "processes.0.closed.seconds")) <= 810);
	json_decref(json);
	note(MINUTE_UNSEEN, 50, 900000);
	json = fixture_get_json(&f, summary_route, "");
	ck_json_null(json, "resets");
	json_decref(json);
	text = fixture_get(&f, unit_route, "", &like, &problem);
	json = json_loads(text, 0, NULL);
	ck_json_null(json, "closed");
	ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(json, "closed_note")),
				     "were not watched"));
	json_decref(json);
	free(text);
	/* Nothing in the journal is too large to be taken. */
	note(MINUTE_UNSEEN, 50, UINT64_MAX / 2);
	json = fixture_get_json(&f, summary_route, "");
	ck_json_null(json, "resets");
	json_decref(json);
}
END_TEST

START_TEST(summary_unknown)
{
	json_t *json;

	fixture_source(&f, SOURCE_EVENTS)->state = SOURCE_FAILED;
	json = fixture_get_json(&f, summary_route, "");
	ck_json_null(json, "resets");
	json_decref(json);
	/* Without BPF it is known that sockets have ended, not how. */
	fixture_source(&f, SOURCE_EVENTS)->state = SOURCE_DEGRADED;
	f.w.header->events.origin = EVENT_ORIGIN_MULTICAST;
	json = fixture_get_json(&f, summary_route, "");
	ck_json_null(json, "resets");
	json_decref(json);
	f.w.header->events.origin = EVENT_ORIGIN_BPF;
	fixture_source(&f, SOURCE_EVENTS)->state = SOURCE_OK;
	f.journal = NULL;
	json = fixture_get_json(&f, summary_route, "");
	ck_json_null(json, "resets");
	json_decref(json);
}
END_TEST

static char *report(void)
{
	struct buffer b = { 0 };

	report_print(&b, &f.snapshot, f.journal, FIXTURE_WALL, 100, NULL);
	ck_assert_int_eq(b.error, 0);
	buffer_char(&b, '\0');
	return b.data;
}

START_TEST(report_lines)
{
	char *text = report();

	/* A calm host without resets has no line of them. */
	ck_assert_ptr_null(strstr(text, "Resets"));
	free(text);
	put_all();
	put(surprise(), 1);
	text = report();
	ck_assert_msg(strstr(text,
			     "\nResets, 15 min    sent 4: unread data 3 (web.service), linger 0 or "
			     "queue of a listener 1\n"),
		      "%s", text);
	ck_assert_ptr_nonnull(strstr(text, "- 93 B lost unread   + 4 refused SYN\n"));
	ck_assert_ptr_nonnull(
		strstr(text, "received 2: established 2 (2 after a minute and more of silence)\n"));
	ck_assert_ptr_null(strstr(text, "at least"));
	free(text);
	note(MINUTE_LOST, 100, 77);
	text = report();
	ck_assert_msg(strstr(text, " at least: 77 events lost unseen\n"), "%s", text);
	free(text);
}
END_TEST

START_TEST(ends_of_a_unit)
{
	struct request like = { .path = "/units/web", .argument = "web" };
	struct problem problem = { 0 };
	json_t *json;
	char *text;

	put_all();
	text = fixture_get(&f, unit_route, "", &like, &problem);
	json = json_loads(text, 0, NULL);
	ck_json_int(json, "closed.fin", 5);
	ck_json_int(json, "closed.none", 1);
	ck_json_int(json, "closed.rst.tcp-abort-on-close", 3);
	ck_json_int(json, "closed.linger_set_late", 0);
	ck_json_int(json, "closed.timed_out", 0);
	ck_json_int(json, "closed.seconds", 900);
	ck_json_null(json, "closed_note");
	json_decref(json);
	free(text);
	text = fixture_get(&f, unit_route, "format=text", &like, &problem);
	ck_assert_ptr_nonnull(strstr(text, "in the last 15 min: FIN 5, RST 3, nothing sent 1, "
					   "timed out 0."));
	free(text);
	json = fixture_get_json(&f, units_route, "");
	ck_json_int(json, "units.0.closed.fin", 5);
	json_decref(json);
}
END_TEST

/* Five of them, and a fifth of all: less is an accident. */
START_TEST(resets_by_itself)
{
	static const struct {
		int late, orderly;
		bool said;
	} cases[] = { { 4, 0, false }, { 5, 0, true }, { 5, 20, true }, { 5, 21, false } };
	struct request like = { .path = "/units/web", .argument = "web" };
	struct problem problem = { 0 };
	const char *note;
	json_t *json;
	char *text;

	put(surprise(), cases[_i].late);
	put(orderly(TCPDIAG_TIME_WAIT), cases[_i].orderly);
	text = fixture_get(&f, unit_route, "", &like, &problem);
	json = json_loads(text, 0, NULL);
	ck_json_int(json, "closed.linger_set_late", cases[_i].late);
	note = json_string_value(json_object_get(json, "closed_note"));
	ck_assert_int_eq(note && strstr(note, "this program resets at close by itself"),
			 cases[_i].said);
	json_decref(json);
	free(text);
}
END_TEST

START_TEST(ends_of_processes)
{
	json_t *json;

	put_all();
	json = fixture_get_json(&f, processes_route, "");
	ck_json_int(json, "processes.0.pid", 100);
	ck_json_int(json, "processes.0.closed.fin", 5);
	ck_json_int(json, "processes.0.closed.rst.tcp-abort-on-close", 3);
	ck_json_int(json, "processes.1.pid", 101);
	ck_json_int(json, "processes.1.closed.fin", 0);
	json_decref(json);
}
END_TEST

START_TEST(ends_of_containers)
{
	struct event event = journal_event(EVENT_TIMED_OUT, 30);
	struct event_name name = {
		.pid = 200, .start_time = 4202, .comm = "tool", .container = "3f9c0a11"
	};
	json_t *json;

	event.socket.creator = journal_name(jf.journal, &name);
	put(event, 3);
	put(received(), 1); /* not its own doing */
	json = fixture_get_json(&f, containers_route, "");
	ck_json_text(json, "containers.0.name", "3f9c0a11");
	ck_json_int(json, "containers.0.closed.timed_out", 3);
	ck_json_int(json, "containers.0.closed.fin", 0);
	ck_assert_uint_eq(json_object_size(fixture_at(json, "containers.0.closed.rst")), 0);
	json_decref(json);
}
END_TEST

START_TEST(ends_unknown)
{
	json_t *json;

	f.journal = NULL;
	json = fixture_get_json(&f, units_route, "");
	ck_json_null(json, "units.0.closed");
	ck_assert_ptr_nonnull(json_string_value(fixture_at(json, "units.0.closed_note")));
	json_decref(json);
	f.journal = &jf.view;
	fixture_source(&f, SOURCE_EVENTS)->state = SOURCE_OFF;
	json = fixture_get_json(&f, units_route, "");
	ck_json_null(json, "units.0.closed");
	ck_json_text(json, "units.0.closed_note", "no events of the kernel are seen");
	json_decref(json);
}
END_TEST

/* One that lives, one that no poll has seen, one that nobody knows. */
START_TEST(events_of_a_socket)
{
	struct request like = { .path = "/sockets/4026531840-1002", .argument = "4026531840-1002" };
	struct event event = journal_reset(&jf, 30);
	struct problem problem = { 0 };
	json_t *json;
	char *text;

	put(event, 1);
	event.socket.cookie = 0x1002;
	put(event, 2);
	text = fixture_get(&f, socket_route, "", &like, &problem);
	json = json_loads(text, 0, NULL);
	ck_assert_uint_eq(json_array_size(fixture_at(json, "events")), 2);
	ck_json_int(json, "events.1.id", 3);
	ck_json_null(json, "ended");
	json_decref(json);
	free(text);
	like.path = "/sockets/4026531840-1f";
	like.argument = "4026531840-1f";
	text = fixture_get(&f, socket_route, "", &like, &problem);
	ck_assert_msg(text, "%s", problem.detail);
	json = json_loads(text, 0, NULL);
	ck_json_text(json, "id", "4026531840-1f");
	ck_json_text(json, "flow", "10.0.0.1:443 > 192.0.2.7:50000");
	ck_json_text(json, "attachment", "unknown");
	ck_json_text(json, "ended.time", "2025-11-23T03:59:30.000Z");
	ck_json_null(json, "ended.seen");
	ck_json_null(json, "outcomes");
	ck_json_int(json, "events.0.unread_bytes", 31);
	json_decref(json);
	free(text);
	like.argument = "4026531840-2f";
	ck_assert_ptr_null(fixture_get(&f, socket_route, "", &like, &problem));
	ck_assert_uint_eq(problem.status, 404);
	json = fixture_get_json(&f, sockets_route, "detail=full");
	ck_json_null(json, "sockets.0.events");
	json_decref(json);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("recent");
	TCase *t = tcase_create("recent");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, summary);
	tcase_add_test(t, gaps);
	tcase_add_test(t, summary_unknown);
	tcase_add_test(t, report_lines);
	tcase_add_test(t, ends_of_a_unit);
	tcase_add_loop_test(t, resets_by_itself, 0, 4);
	tcase_add_test(t, ends_of_processes);
	tcase_add_test(t, ends_of_containers);
	tcase_add_test(t, ends_unknown);
	tcase_add_test(t, events_of_a_socket);
	suite_add_tcase(s, t);
	return s;
}
