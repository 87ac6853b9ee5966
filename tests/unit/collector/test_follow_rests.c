/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What rests in a teardown state: left alone until its turn, or until something happens to it.
 */
#include "follow_scene.h"

static struct record end_in(const struct snapshot *s, int fd, int other)
{
	return *need(s, port_of(fd), port_of(other));
}

static int64_t oldest_look(const struct snapshot *s)
{
	int64_t oldest_ns = INT64_MAX;

	for (uint32_t i = 0; i < s->record_count; i++)
		if (TCPDIAG_STATES_TEARDOWN >> s->records[i].sk.state & 1)
			oldest_ns = MIN(oldest_ns, s->records[i].seen_ns);
	return oldest_ns;
}

/* A FIN-WAIT-2 and a CLOSE-WAIT. */
static void half_close(int pair[2])
{
	connection(listening, pair);
	ck_assert_int_eq(send(pair[0], "0123456789", 10, 0), 10);
	shutdown(pair[0], SHUT_WR);
	wait_ms(60);
}

/* They have been looked at so often that they are left alone. */
static void rest(int pair[2])
{
	half_close(pair);
	long_turns();
	for (int i = 0; i < 4; i++)
		fast();
}

START_TEST(test_left_alone_until_something_happens)
{
	struct record record;
	struct snapshot s;
	int64_t looked_ns;
	char byte;
	int pair[2];

	begin();
	rest(pair);
	s = fast();
	record = end_in(&s, pair[1], pair[0]);
	if (is_disturbed())
		return;
	ck_assert_uint_eq(record.sk.state, TCPDIAG_CLOSE_WAIT);
	ck_assert_uint_gt(record.quiet, 0);
	looked_ns = record.seen_ns;
	ck_assert_int_lt(looked_ns, s.header->now_ns);
	ck_assert_uint_gt(s.header->follow.left_alone, 0);
	ck_assert_int_eq(s.header->follow.left_alone_ns, oldest_look(&s));
	/* Nothing tells of a byte that is read. */
	ck_assert_int_eq(recv(pair[1], &byte, 1, 0), 1);
	s = fast();
	record = end_in(&s, pair[1], pair[0]);
	ck_assert_int_eq(record.seen_ns, looked_ns);
	ck_assert_uint_eq(record.sk.rqueue, 11);
	/* But of a close(): it had unread bytes. */
	close(pair[1]);
	s = fast();
	ck_assert_uint_eq(count_teardown(&s), 0);
	end();
}
END_TEST

START_TEST(test_a_close_of_what_was_shut_down_is_told)
{
	struct record record;
	struct snapshot s;
	uint16_t local;
	int pair[2];

	begin();
	rest(pair);
	local = port_of(pair[0]);
	s = fast();
	record = *need(&s, local, PORT);
	if (is_disturbed())
		return;
	ck_assert_uint_eq(record.sk.state, TCPDIAG_FIN_WAIT2);
	ck_assert_uint_ne(record.sk.inode, 0);
	ck_assert_int_lt(record.seen_ns, s.header->now_ns);
	/* From FIN-WAIT-2 to a minisocket in FIN-WAIT-2. */
	close(pair[0]);
	s = fast();
	record = *need(&s, local, PORT);
	ck_assert_uint_eq(record.sk.state, TCPDIAG_FIN_WAIT2);
	ck_assert_uint_eq(record.sk.kind, TCPDIAG_KIND_TIMEWAIT);
	ck_assert_uint_eq(record.quiet, 0);
	ck_assert_uint_eq(count_teardown(&s), 2);
	end();
}
END_TEST

/* It stays a whole socket in the state that it was in, which nobody holds any more. */
START_TEST(test_a_close_that_keeps_the_state_is_told)
{
	const int seconds = 90; /* above those of TIME-WAIT */
	struct record record;
	struct snapshot s;
	uint16_t local;
	int pair[2];

	begin();
	rest(pair);
	ck_assert_int_eq(setsockopt(pair[0], IPPROTO_TCP, TCP_LINGER2, &seconds, sizeof(seconds)),
			 0);
	local = port_of(pair[0]);
	s = fast();
	record = *need(&s, local, PORT);
	if (is_disturbed())
		return;
	ck_assert_int_lt(record.seen_ns, s.header->now_ns);
	close(pair[0]);
	for (int i = 0; i < 2; i++) {
		s = fast();
		record = *need(&s, local, PORT);
		ck_assert_uint_eq(record.sk.state, TCPDIAG_FIN_WAIT2);
		ck_assert_uint_eq(record.sk.kind, TCPDIAG_KIND_FULL);
		ck_assert_uint_eq(record.sk.inode, 0);
	}
	end();
}
END_TEST

/* Its FIN is behind bytes that the peer has no room for. */
START_TEST(test_a_close_of_what_the_peer_has_finished_is_told)
{
	static const char bytes[100000];
	struct record record;
	struct snapshot s;
	uint16_t remote;
	int pair[2];

	begin();
	connection(listening, pair);
	while (send(pair[1], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	shutdown(pair[0], SHUT_WR);
	/* The next probe is further away than some passes are. */
	wait_ms(1500);
	remote = port_of(pair[0]);
	long_turns();
	for (int i = 0; i < 6; i++)
		s = fast();
	record = *need(&s, PORT, remote);
	if (is_disturbed())
		return;
	ck_assert_uint_eq(record.sk.state, TCPDIAG_CLOSE_WAIT);
	close(pair[1]);
	for (int i = 0; i < 2; i++) {
		s = fast();
		record = *need(&s, PORT, remote);
		ck_assert_uint_eq(record.sk.state, TCPDIAG_LAST_ACK);
		ck_assert_uint_eq(record.sk.inode, 0);
	}
	end();
}
END_TEST

/* The kernel tells of a change before it makes it: a look in between finds nothing new. */
START_TEST(test_what_an_event_told_of_is_looked_at_twice)
{
	struct socket_event event = { .kind = SOCKET_EVENT_STATE, .has_socket = true };
	struct record record;
	struct snapshot s;
	char byte;
	int pair[2];

	begin();
	rest(pair);
	s = fast();
	record = end_in(&s, pair[1], pair[0]);
	if (is_disturbed())
		return;
	ck_assert_uint_gt(record.quiet, 0);
	event.sk = record.sk;
	event.old_state = record.sk.state;
	event.when_ns = clock_ns(CLOCK_MONOTONIC);
	follow_take(collector->follow, &event);
	s = fast();
	ck_assert_int_gt(end_in(&s, pair[1], pair[0]).seen_ns, event.when_ns);
	ck_assert_uint_eq(end_in(&s, pair[1], pair[0]).sk.rqueue, record.sk.rqueue);
	ck_assert_int_eq(recv(pair[1], &byte, 1, 0), 1);
	s = fast();
	ck_assert_uint_eq(end_in(&s, pair[1], pair[0]).sk.rqueue, record.sk.rqueue - 1);
	end();
}
END_TEST

/* A dump shows it in each pass, and its settings are not read in each. */
START_TEST(test_settings_of_what_rests_behind_a_dump)
{
	const struct linger reset = { .l_onoff = 1 };
	struct record record;
	struct snapshot s;
	int64_t read_ns;
	int pair[2];

	begin();
	rest(pair);
	follow_off(collector->follow);
	for (int i = 0; i < 8; i++)
		s = poll_now(LANE_FAST);
	record = end_in(&s, pair[1], pair[0]);
	read_ns = record.settings_ns;
	ck_assert_int_lt(read_ns, s.header->now_ns);
	ck_assert_int_lt(read_ns, record.seen_ns);
	ck_assert_uint_gt(record.quiet, 4);
	/* What has changed is read at once. */
	setsockopt(pair[1], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	ck_assert_int_eq(send(pair[1], "x", 1, 0), 1);
	wait_ms(20);
	s = poll_now(LANE_FAST);
	record = end_in(&s, pair[1], pair[0]);
	ck_assert_int_eq(record.settings_ns, record.seen_ns);
	ck_assert(record.sk.linger);
	end();
}
END_TEST

/* A pass that begins now and leaves settings alone leaves none that are older then. */
static int64_t bound_ns(void)
{
	const int64_t interval_ns = collector->lanes.passes[PASS_FAST].interval_ns;

	return clock_ns(CLOCK_MONOTONIC) - MAX(CAP_MS * NSEC_PER_MSEC, 3 * interval_ns);
}

START_TEST(test_settings_are_no_older_for_the_sweeps_in_between)
{
	struct snapshot s;
	uint32_t rests = 0;
	int pair[2];

	begin();
	half_close(pair);
	for (int i = 0; i < 50; i++) {
		int64_t bound;

		wait_ms(20);
		drain();
		bound = bound_ns();
		s = poll_now(LANE_SWEEP);
		if (is_disturbed())
			return;
		ck_assert_int_gt(end_in(&s, pair[1], pair[0]).settings_ns, bound);
		rests += end_in(&s, pair[1], pair[0]).settings_ns <
			 end_in(&s, pair[1], pair[0]).seen_ns;
	}
	ck_assert_uint_gt(rests, 0);
	end();
}
END_TEST

START_TEST(test_settings_are_no_older_for_dumps_that_left_them_alone)
{
	uint32_t reads = 0;
	struct snapshot s;
	int pair[2];

	begin();
	half_close(pair);
	for (int i = 0; i < 50; i++) {
		int64_t bound;

		wait_ms(20);
		drain();
		/* As one is that dumps. */
		collector->spaces.own->follow.by_events = false;
		poll_now(LANE_SWEEP);
		bound = bound_ns();
		s = fast();
		if (is_disturbed())
			return;
		if (!collector->spaces.own->follow.reads)
			continue;
		ck_assert_int_gt(end_in(&s, pair[1], pair[0]).settings_ns, bound);
		reads++;
	}
	ck_assert_uint_gt(reads, 25);
	end();
}
END_TEST

Suite *suite(void)
{
	TCase *tcase = tcase_create("tcase");
	Suite *suite = suite_create("follow_rests");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, test_left_alone_until_something_happens);
	tcase_add_test(tcase, test_a_close_of_what_was_shut_down_is_told);
	tcase_add_test(tcase, test_a_close_that_keeps_the_state_is_told);
	tcase_add_test(tcase, test_a_close_of_what_the_peer_has_finished_is_told);
	tcase_add_test(tcase, test_what_an_event_told_of_is_looked_at_twice);
	tcase_add_test(tcase, test_settings_of_what_rests_behind_a_dump);
	tcase_add_test(tcase, test_settings_are_no_older_for_the_sweeps_in_between);
	tcase_add_test(tcase, test_settings_are_no_older_for_dumps_that_left_them_alone);
	suite_add_tcase(suite, tcase);
	return suite;
}
