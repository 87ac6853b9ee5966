/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sentences of events: every kind and reason says something, and the ones that people meet say the right thing.
 */
#include <string.h>

#include "../harness.h"
#include "model/record.h"
#include "rules/story.h"

#define SENT(why, ...) \
	{ \
		.kind = EVENT_RESET_SENT, .socket.reason = RESET_REASON_##why, __VA_ARGS__ \
	}

static const struct story_person gunicorn = { "gunicorn", "web.service", 812 };
static const struct story_person curl = { "curl", "", 12 };

static const struct row {
	const char *name;
	struct event event;
	const char *has[3], *lacks;
} rows[] = {
	{ "unread",
	  SENT(ABORT_ON_CLOSE, .actor = ACTOR_EXIT, .socket.known = EVENT_KNOWS_UNREAD,
	       .socket.unread_bytes = 4990),
	  { "curl (pid 12) ended with 4,990 bytes unread", "RST instead of a FIN" },
	  "hardly" },
	{ "unread and unsent, peer open",
	  SENT(ABORT_ON_CLOSE, .actor = ACTOR_CLOSE,
	       .socket.known = EVENT_KNOWS_UNREAD | EVENT_KNOWS_UNSENT, .socket.unread_bytes = 1,
	       .socket.unsent_bytes = 16),
	  { "closed the connection with 1 byte unread", "16 bytes were never sent" } },
	{ "unread, peer finished",
	  SENT(ABORT_ON_CLOSE, .socket.flags = EVENT_PEER_FINISHED),
	  { "hardly hurts anyone" } },
	{ "linger, known before",
	  SENT(STATE, .actor = ACTOR_CLOSE, .socket.flags = EVENT_LINGER | EVENT_LINGER_BEFORE,
	       .socket.known = EVENT_KNOWS_LINGER | EVENT_KNOWS_LINGER_BEFORE),
	  { "SO_LINGER on and 0 seconds" },
	  "just before" },
	{ "linger, a surprise",
	  SENT(STATE, .actor = ACTOR_CLOSE, .socket.flags = EVENT_LINGER,
	       .socket.known = EVENT_KNOWS_LINGER | EVENT_KNOWS_LINGER_BEFORE),
	  { "just before the close", "on purpose" } },
	{ "listener",
	  SENT(STATE, .actor = ACTOR_LISTENER_CLOSE, .socket.local_port = 443),
	  { "gave up listening on port 443", "queue" },
	  "SO_LINGER" },
	{ "SOCK_DESTROY", SENT(STATE, .actor = ACTOR_KERNEL), { "ss -K" }, "SO_LINGER" },
	{ "a keep-alive race, minisocket",
	  { .kind = EVENT_RESET_SENT,
	    .actor = ACTOR_KERNEL,
	    .socket = { .reason = RESET_REASON_TIMEWAIT_SOCKET,
			.closed_ago_ms = 3,
			.payload = 80,
			.known = EVENT_KNOWS_CLOSED_AGO } },
	  { "The peer used a connection that gunicorn (pid 812, web.service) had closed 3 ms "
	    "before",
	    "keep-alive race", "shorter than the peer's" } },
	{ "a keep-alive race, full orphan",
	  { .kind = EVENT_RESET_SENT,
	    .actor = ACTOR_KERNEL,
	    .socket = { .reason = RESET_REASON_ABORT_ON_DATA,
			.closed_ago_ms = 3,
			.payload = 80,
			.known = EVENT_KNOWS_CLOSED_AGO | EVENT_KNOWS_ORPHAN_LIFE } },
	  { "keep-alive race" } },
	{ "a client that has closed early is no race",
	  { .kind = EVENT_RESET_SENT,
	    .actor = ACTOR_KERNEL,
	    .socket = { .reason = RESET_REASON_ABORT_ON_DATA,
			.closed_ago_ms = 3,
			.payload = 80,
			.direction = DIRECTION_OUTBOUND,
			.known = EVENT_KNOWS_CLOSED_AGO | EVENT_KNOWS_ORPHAN_LIFE } },
	  { "80 bytes 3 ms after gunicorn", "nobody could read" },
	  "keep-alive" },
	{ "refused",
	  SENT(NO_SOCKET_SYN, .socket.local_port = 9),
	  { "Nobody listens on port 9 here" } },
	{ "nobody knows it",
	  SENT(NO_SOCKET, .socket.payload = 5),
	  { "in the midst", "nf_conntrack_tcp_be_liberal", "restarted" } },
	{ "another namespace does",
	  SENT(NO_SOCKET, .socket.payload = 5, .socket.related = 77),
	  { "another namespace has one", "nf_conntrack_tcp_be_liberal" },
	  "restarted" },
	{ "its other end does",
	  SENT(NO_SOCKET, .socket.payload = 5, .socket.related = 77,
	       .socket.flags = EVENT_RELATED_PEER),
	  { "comes from one on this machine" },
	  "conntrack" },
	{ "MPTCP, closed",
	  SENT(ABORT_ON_CLOSE, .actor = ACTOR_CLOSE, .socket.flags = EVENT_SUBFLOW),
	  { "closed the connection, an MPTCP one", "all of its TCP connections" },
	  "instead of a FIN" },
	{ "MPTCP, a listener",
	  SENT(ABORT_ON_CLOSE, .actor = ACTOR_LISTENER_CLOSE, .socket.flags = EVENT_SUBFLOW),
	  { "closed the listener in whose queue this MPTCP connection" },
	  "unread" },
	{ "MPTCP, nobody is known",
	  SENT(ABORT_ON_CLOSE, .actor = ACTOR_KERNEL, .socket.flags = EVENT_SUBFLOW),
	  { "The MPTCP connection was given up" },
	  "unread" },
	{ "memory", SENT(ABORT_ON_MEMORY), { "tcp_max_orphans", "tcp_mem" } },
	{ "NAT",
	  { .kind = EVENT_RESET_RECEIVED,
	    .socket = { .state = TCPDIAG_ESTABLISHED,
			.known = EVENT_KNOWS_IDLE,
			.idle_ms = 352000 } },
	  { "Nothing had passed for 352 s", "AWS NAT" } },
	{ "idle for a time that nobody has",
	  { .kind = EVENT_RESET_RECEIVED,
	    .socket = { .state = TCPDIAG_ESTABLISHED,
			.known = EVENT_KNOWS_IDLE,
			.idle_ms = 480000 } },
	  { "Nothing had passed for 480 s" },
	  "typical" },
	{ "not idle",
	  { .kind = EVENT_RESET_RECEIVED,
	    .socket = { .state = TCPDIAG_ESTABLISHED, .known = EVENT_KNOWS_IDLE, .idle_ms = 10 } },
	  { "The peer, or something between" },
	  "Nothing" },
	{ "refused there",
	  { .kind = EVENT_RESET_RECEIVED,
	    .socket = { .state = TCPDIAG_SYN_SENT,
			.remote = { [10] = 0xff, [11] = 0xff, 10, 0, 0, 1 },
			.remote_port = 80 } },
	  { "nobody listens at 10.0.0.1:80" } },
	{ "timed out",
	  { .kind = EVENT_TIMED_OUT,
	    .socket = { .state = TCPDIAG_FIN_WAIT1,
			.orphan_ms = 104000,
			.known = EVENT_KNOWS_ORPHAN_LIFE | EVENT_KNOWS_UNSENT,
			.unacked_bytes = 5 } },
	  { "went on trying for 104 s", "5 bytes were not acknowledged" } },
	{ "orphaned",
	  { .kind = EVENT_ORPHANED,
	    .socket = { .state = TCPDIAG_FIN_WAIT1,
			.orphan_ms = 10000,
			.known = EVENT_KNOWS_ORPHAN_LIFE } },
	  { "closed it 10 s ago", "still tries" } },
	{ "silent loss",
	  { .kind = EVENT_CLOSED,
	    .socket = { .state = TCPDIAG_FIN_WAIT2,
			.unread_bytes = 6,
			.known = EVENT_KNOWS_UNREAD } },
	  { "6 bytes had come that nobody has read" } },
	{ "unseen", { .kind = EVENT_DESTROYED }, { "not seen" } },
};

START_TEST(says)
{
	const struct row *row = &rows[_i];
	struct sentence s = {};

	story_cause(&row->event, &curl, &gunicorn, &s);
	for (size_t i = 0; i < ARRAY_SIZE(row->has) && row->has[i]; i++)
		ck_assert_msg(strstr(s.text, row->has[i]), "%s: %s", row->name, s.text);
	if (row->lacks)
		ck_assert_msg(!strstr(s.text, row->lacks), "%s: %s", row->name, s.text);
	ck_assert_uint_lt(s.len, SENTENCE_MAX);
}
END_TEST

/* Whatever the reason, the actor and who is known: one sentence or more, and whole ones. */
START_TEST(every_reason)
{
	const struct story_person nobody = {};
	const struct story_person *people[] = { NULL, &nobody, &curl };

	for (int actor = 0; actor < ACTOR_MAX; actor++) {
		for (size_t who = 0; who < ARRAY_SIZE(people); who++) {
			struct event event = { .kind = EVENT_RESET_SENT, .actor = (uint8_t)actor };
			struct sentence s = {};

			event.socket.reason = (uint8_t)_i;
			event.socket.known = UINT32_MAX;
			story_cause(&event, people[who], people[who], &s);
			ck_assert_msg(s.len > 10 && s.text[s.len - 1] == '.', "%s: %s",
				      reset_reason_name((enum reset_reason)_i), s.text);
			ck_assert_msg(!strstr(s.text, "(null)"), "%s", s.text);
			ck_assert_msg(!strstr(s.text, "  "), "%s", s.text);
		}
	}
}
END_TEST

START_TEST(other_kinds)
{
	struct event event = { .kind = EVENT_FINDING_RAISED };
	struct sentence s = {};

	story_cause(&event, &curl, NULL, &s);
	event.kind = EVENT_KIND_MAX;
	story_cause(&event, &curl, NULL, &s);
	ck_assert_uint_eq(s.len, 0);
}
END_TEST

START_TEST(forgetters)
{
	ck_assert_ptr_null(story_forgetter(0));
	ck_assert_ptr_null(story_forgetter(349999));
	ck_assert_ptr_nonnull(strstr(story_forgetter(350000), "AWS"));
	ck_assert_ptr_nonnull(strstr(story_forgetter(385000), "AWS"));
	ck_assert_ptr_null(story_forgetter(386000));
	ck_assert_ptr_nonnull(strstr(story_forgetter(241000), "Azure"));
	ck_assert_ptr_nonnull(strstr(story_forgetter(600500), "Google"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("stories");
	TCase *tests = tcase_create("sentences");

	tcase_add_loop_test(tests, says, 0, ARRAY_SIZE(rows));
	tcase_add_loop_test(tests, every_reason, 1, RESET_REASON_MAX);
	tcase_add_test(tests, other_kinds);
	tcase_add_test(tests, forgetters);
	suite_add_tcase(s, tests);
	return s;
}
