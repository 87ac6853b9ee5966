/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the autopsy keeps: orphans that live on, what was lost, tables that are full, what polls knew.
 */
#include "autopsy_scene.h"

static const struct piece a_close[] = { STATE(ESTABLISHED, FIN_WAIT1, .flags = R),
					STATE(FIN_WAIT1, CLOSE, .flags = O, .err = ETIMEDOUT,
					      .at_ms = 60000),
					DESTROYED(.at_ms = 60000) };

/* Once, after ten seconds; its end is another story. */
START_TEST(an_orphan_that_lives_on)
{
	take(&a_close[0], false);
	settle(9900);
	ck_assert_uint_eq(told_count, 0);
	settle(10100);
	settle(10200);
	ck_assert_uint_eq(told_count, 1);
	ck_assert_int_eq(told[0].kind, EVENT_ORPHANED);
	ck_assert_int_eq(told[0].actor, ACTOR_CLOSE);
	ck_assert_int_eq(told[0].socket.state, TCPDIAG_FIN_WAIT1);
	ck_assert_uint_eq(told[0].socket.creator, ACTING);
	ck_assert_int_ge(told[0].socket.orphan_ms, 10000);
	take(&a_close[1], false);
	take(&a_close[2], false);
	settle(70000);
	ck_assert_uint_eq(told_count, 2);
	ck_assert_int_eq(told[1].kind, EVENT_TIMED_OUT);
	ck_assert_int_eq(told[1].socket.orphan_ms, 60000);
	ck_assert_uint_eq(autopsy_open(autopsy), 0);
}
END_TEST

/* Of an orphan whose end may be among what was lost nobody says that it lives. */
START_TEST(an_orphan_and_a_loss)
{
	static const struct {
		int lost_at_ms; /* -1: never */
		unsigned int told;
	} losses[] = { { -1, 1 }, { 500, 1 }, { 1500, 0 }, { 10500, 0 }, { 11500, 1 } };
	const int at_ms = losses[_i].lost_at_ms;
	struct piece piece = a_close[0];

	piece.at_ms = 1000;
	if (at_ms >= 0 && at_ms < 1000)
		autopsy_lose(autopsy, BEGIN + at_ms * MS);
	take(&piece, false);
	settle(1100);
	if (at_ms > 1000 && at_ms < 11000)
		autopsy_lose(autopsy, BEGIN + at_ms * MS);
	settle(11200);
	ck_assert_uint_eq(told_count, losses[_i].told);
	if (at_ms > 11000)
		autopsy_lose(autopsy, BEGIN + at_ms * MS);
	settle(20000);
	ck_assert_uint_eq(told_count, losses[_i].told);
	/* Its end is told in any case. */
	piece = a_close[1];
	take(&piece, false);
	piece = a_close[2];
	take(&piece, false);
	settle(70000);
	ck_assert_uint_eq(told_count, losses[_i].told + 1);
	ck_assert_int_eq(told[told_count - 1].kind, EVENT_TIMED_OUT);
}
END_TEST

/* One that has ended in time was none; nor one that is told of already. */
START_TEST(an_orphan_that_has_ended)
{
	struct piece end = STATE(FIN_WAIT1, CLOSE, .flags = O, .err = ETIMEDOUT, .at_ms = 9000);

	take(&a_close[0], false);
	take(&end, false);
	settle(9990);
	ck_assert_uint_eq(told_count, 1);
	settle(30000);
	ck_assert_uint_eq(told_count, 1);
	ck_assert_int_eq(told[0].kind, EVENT_TIMED_OUT);
	/* Two that are orphans at once: each is told of at its time. */
	open_with(64, false);
	for (int i = 0; i < 2; i++) {
		struct piece piece = a_close[0];

		piece.cookie = 100 + (uint64_t)i;
		piece.at_ms = i * 5000;
		take(&piece, false);
	}
	settle(10500);
	ck_assert_uint_eq(told_count, 1);
	ck_assert_uint_eq(told[0].socket.cookie, 100);
	settle(15500);
	ck_assert_uint_eq(told_count, 2);
	ck_assert_uint_eq(told[1].socket.cookie, 101);
}
END_TEST

/* An end without a story is told where something was lost at any time; and each only once. */
START_TEST(an_end_alone)
{
	take(&(struct piece)DESTROYED(.cookie = 1), false);
	settle(100);
	ck_assert_uint_eq(told_count, 0);
	autopsy_lose(autopsy, BEGIN + 200 * MS);
	take(&(struct piece)DESTROYED(.cookie = 2, .at_ms = 5000), false);
	/* A listener, or one that never was connected. */
	take(&(struct piece)DESTROYED(.cookie = 3, .at_ms = 5000, .no_remote = true), false);
	settle(6000);
	ck_assert_uint_eq(told_count, 1);
	ck_assert_uint_eq(told[0].socket.cookie, 2);
	ck_assert_int_eq(told[0].kind, EVENT_DESTROYED);
	ck_assert_int_eq(told[0].actor, ACTOR_UNKNOWN);
	ck_assert_uint_eq(autopsy_open(autopsy), 0);
}
END_TEST

/* The one that has been quiet longest makes room, and is counted. */
START_TEST(a_full_table)
{
	open_with(16, false);
	for (uint64_t i = 1; i <= 20; i++)
		take(&(struct piece)STATE(ESTABLISHED, CLOSE_WAIT, .cookie = i), false);
	ck_assert_uint_eq(autopsy_open(autopsy), 16);
	ck_assert_uint_eq(autopsy_cut(autopsy), 4);
	/* What is told of it all the same: what its last event says. */
	take(&(struct piece)STATE(CLOSE_WAIT, CLOSE, .cookie = 1, .flags = R | FIN, .rqueue = 3),
	     false);
	take(&(struct piece)SENT(CLOSE, ABORT_ON_CLOSE, .cookie = 1, .flags = R), false);
	settle(1000);
	ck_assert_uint_eq(told_count, 1);
	ck_assert_uint_eq(told[0].socket.unread_bytes, 3);
	ck_assert_uint_eq(told[0].socket.step_count, 1);
}
END_TEST

/* What is ready to be told is told when it has to make room. */
START_TEST(a_full_table_tells)
{
	open_with(16, false);
	for (uint64_t i = 1; i <= 20; i++)
		take(&(struct piece)RECEIVED(ESTABLISHED, .cookie = i), false);
	ck_assert_uint_eq(told_count, 4);
	settle(1000);
	ck_assert_uint_eq(told_count, 20);
	ck_assert_uint_eq(autopsy_cut(autopsy), 0);
}
END_TEST

/* Told, and its process still has it when its story makes room: its end is no second one, whatever was lost. */
START_TEST(a_full_table_tells_once)
{
	static const struct piece ways[][2] = {
		{ RECEIVED(ESTABLISHED), STATE(ESTABLISHED, CLOSE) },
		/* FINs on both sides, and nobody has closed it: told of as it makes room. */
		{ STATE(ESTABLISHED, FIN_WAIT1), STATE(FIN_WAIT2, CLOSE) },
	};
	struct piece piece;

	open_with(16, false);
	take(&(struct piece)STATE(ESTABLISHED, CLOSE_WAIT, .flags = LOST, .cookie = 999), false);
	for (uint64_t i = 1; i <= 50; i++) {
		for (int k = 0; k < 2; k++) {
			piece = ways[_i][k];
			piece.cookie = i;
			take(&piece, false);
		}
		settle(_i ? 0 : (int64_t)i * 100);
		told_count = operated_count = 0;
	}
	/* One that was there all the time made room, too, without an end. */
	ck_assert_uint_eq(autopsy_cut(autopsy), 1);
	for (uint64_t i = 1; i <= 34; i++)
		take(&(struct piece)DESTROYED(.cookie = i, .at_ms = 6000), false);
	settle(10000);
	ck_assert_uint_eq(told_count, 0);
	/* Nobody has told of this one; the next that has ended makes room for it. */
	take(&(struct piece)DESTROYED(.cookie = 999, .at_ms = 6000), false);
	settle(10000);
	ck_assert_int_eq(told_count, 1 + _i);
	ck_assert_uint_eq(told[_i].kind, EVENT_DESTROYED);
	ck_assert_uint_eq(told[_i].socket.cookie, 999);
}
END_TEST

/* A burst on the same ends is one story. */
START_TEST(the_same_again)
{
	struct piece stray = SENT(STATE_NONE, NO_SOCKET, .flags = NS | P, .segment = TH_ACK,
				  .payload = 100);

	for (int i = 0; i < 10; i++)
		take(&stray, false);
	settle(1000);
	ck_assert_uint_eq(told_count, 1);
	ck_assert_uint_eq(again_count, 9);
	stray.at_ms = 11000;
	take(&stray, false);
	settle(12000);
	ck_assert_uint_eq(told_count, 2);
}
END_TEST

/* After a minute nobody asks who closed it. */
START_TEST(closed_long_ago)
{
	static const int when_ms[] = { 59000, 61000 };
	/* The port goes before the end. */
	static const struct piece cut[] = {
		STATE(ESTABLISHED, CLOSE, .flags = R, .linger_zero = true),
		SENT(CLOSE, STATE, .flags = R, .linger_zero = true),
		DESTROYED(.wqueue = 65485, .no_remote = true),
	};
	struct piece stray = SENT(STATE_NONE, NO_SOCKET, .flags = NS | P, .segment = TH_ACK,
				  .at_ms = when_ms[_i]);

	for (size_t i = 0; i < ARRAY_SIZE(cut); i++)
		take(&cut[i], false);
	take(&stray, false);
	settle(70000);
	ck_assert_uint_eq(told_count, 2);
	ck_assert_int_eq(!!(told[1].socket.known & EVENT_KNOWS_CLOSED_AGO), _i == 0);
}
END_TEST

/* What polls knew of it. */
START_TEST(memory)
{
	remembered = (struct autopsy_memory){
		.holder = 3,
		.creator = 4,
		.direction = DIRECTION_INBOUND,
		.linger_known = true,
		.born_ns = BEGIN - 5 * NSEC_PER_SEC,
	};
	polled_cookie = 78;
	take(&(struct piece)RECEIVED(ESTABLISHED), false);
	take(&(struct piece)STATE(ESTABLISHED, CLOSE), false);
	settle(1000);
	ck_assert_uint_eq(told_count, 1);
	ck_assert_uint_eq(told[0].socket.holder, 3);
	ck_assert_uint_eq(told[0].socket.creator, 4);
	ck_assert_int_eq(told[0].socket.direction, DIRECTION_INBOUND);
	ck_assert_int_eq(told[0].socket.age_ms, 5000);
	ck_assert_int_eq(told[0].socket.idle_ms, 12);
	ck_assert(told[0].socket.known & EVENT_KNOWS_LINGER_BEFORE);
	ck_assert(!(told[0].socket.flags & EVENT_LINGER_BEFORE));
	ck_assert_uint_eq(told[0].socket.related, 78);
	ck_assert_uint_eq(told[0].socket.related_netns, 6);
	ck_assert(!(told[0].socket.flags & EVENT_RELATED_PEER));
}
END_TEST

/* What a program does with an MPTCP socket is over at once, and no story. */
START_TEST(of_mptcp)
{
	static const struct {
		uint8_t old, state;
		bool released, owned, orphaned;
		int operation; /* -1: none */
		uint8_t segment;
		bool torn;
	} cases[] = {
		{ TCPDIAG_ESTABLISHED, TCPDIAG_FIN_WAIT1, true, true, false, TCPDIAG_OP_CLOSE,
		  TCPDIAG_SEGMENT_FIN, false },
		{ TCPDIAG_CLOSE_WAIT, TCPDIAG_LAST_ACK, false, true, false,
		  TCPDIAG_OP_SHUTDOWN_WRITE, TCPDIAG_SEGMENT_FIN, false },
		{ TCPDIAG_FIN_WAIT2, TCPDIAG_FIN_WAIT2, true, true, false, TCPDIAG_OP_CLOSE,
		  TCPDIAG_SEGMENT_NONE, false },
		/* What its subflows have sent stands in rows of theirs. */
		{ TCPDIAG_ESTABLISHED, TCPDIAG_CLOSE, true, true, false, TCPDIAG_OP_CLOSE,
		  TCPDIAG_SEGMENT_NONE, true },
		/* The peer's doing, the kernel's, and the listener, which is a subflow. */
		{ TCPDIAG_FIN_WAIT1, TCPDIAG_FIN_WAIT2, false, true, false, -1, 0, false },
		{ TCPDIAG_ESTABLISHED, TCPDIAG_FIN_WAIT1, true, false, false, -1, 0, false },
		{ TCPDIAG_FIN_WAIT2, TCPDIAG_CLOSE, true, true, true, -1, 0, false },
		{ TCPDIAG_LISTEN, TCPDIAG_CLOSE, true, true, false, -1, 0, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct socket_event event = {
			.when_ns = BEGIN,
			.kind = SOCKET_EVENT_STATE,
			.old_state = cases[i].old,
			.has_socket = true,
			.released = cases[i].released,
			.owned = cases[i].owned,
			.orphaned = cases[i].orphaned,
			.sk = { .cookie = 7,
				.netns = 5,
				.mptcp = true,
				.state = cases[i].state,
				.sk_shutdown = TCPDIAG_SEND_SHUTDOWN,
				.known = TCPDIAG_KNOWS_SHUTDOWN,
				.rqueue = 3 },
		};

		operated_count = incomplete_count = 0;
		autopsy_take(autopsy, &event, false);
		ck_assert_uint_eq(operated_count, cases[i].operation >= 0);
		if (!operated_count)
			continue;
		ck_assert_int_eq(operations[0].operation, cases[i].operation);
		ck_assert_int_eq(operations[0].sk.state, cases[i].old);
		ck_assert_uint_eq(operations[0].sk.rqueue, 3);
		ck_assert_int_eq(operations[0].state, cases[i].state);
		ck_assert_int_eq(operations[0].segment, cases[i].segment);
		ck_assert_uint_eq(incomplete_count, cases[i].torn);
	}
	settle(1000);
	ck_assert_uint_eq(told_count, 0);
	ck_assert_uint_eq(autopsy_open(autopsy), 0);
}
END_TEST

/* Of what was dropped in between nobody can say what it was. */
START_TEST(not_of_one_piece)
{
	take(&(struct piece)STATE(ESTABLISHED, FIN_WAIT1, .flags = R), false);
	take(&(struct piece)STATE(FIN_WAIT1, FIN_WAIT2, .flags = O | LOST), false);
	settle(100);
	ck_assert_uint_eq(operated_count, 1);
	ck_assert_uint_eq(incomplete_count, 1);
}
END_TEST

/* A clock that cannot be right holds nobody up. */
START_TEST(from_the_future)
{
	take(&(struct piece)RECEIVED(ESTABLISHED, .at_ms = 1000000), false);
	settle(0);
	ck_assert_uint_eq(told_count, 1);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("autopsy_tables");
	TCase *tests = tcase_create("stories");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, an_orphan_that_lives_on);
	tcase_add_loop_test(tests, an_orphan_and_a_loss, 0, 5);
	tcase_add_test(tests, an_orphan_that_has_ended);
	tcase_add_test(tests, an_end_alone);
	tcase_add_test(tests, a_full_table);
	tcase_add_test(tests, a_full_table_tells);
	tcase_add_loop_test(tests, a_full_table_tells_once, 0, 2);
	tcase_add_test(tests, the_same_again);
	tcase_add_loop_test(tests, closed_long_ago, 0, 2);
	tcase_add_test(tests, memory);
	tcase_add_test(tests, of_mptcp);
	tcase_add_test(tests, not_of_one_piece);
	tcase_add_test(tests, from_the_future);
	suite_add_tcase(s, tests);
	return s;
}
