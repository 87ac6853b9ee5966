/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fast lane by events, on sockets that come and go as a random walk has it: after each pass the records in
 * teardown states are those that a dump shows, and none was made.
 */
#include <netinet/tcp.h>
#include <stdlib.h>

#include "../harness.h"
#include "collector/private.h"
#include "kernel/events.h"
#include "live.h"

#define RING (16U << 20) /* what else the machine does comes as well */
#define CONNECTIONS 60
#define ROUNDS 40
#define CAP_MS 200

static struct event_reader *events;
static uint64_t dropped;
static int listening;

static int on_event(const struct socket_event *event, void *context)
{
	(void)context;
	follow_take(collector->follow, event);
	return 0;
}

static void open_events(size_t bytes)
{
	int r = events_open(bytes, 250, &events);

	if (r < 0 && !getenv("TCPDIAG_NO_SKIP"))
		exit(EXIT_SUCCESS);
	ck_assert_int_eq(r, 0);
	dropped = 0;
	follow_gap(collector->follow, clock_ns(CLOCK_MONOTONIC));
}

/* As the lane of the events does. */
static void drain(void)
{
	ck_assert_int_ge(events_drain(events, on_event, NULL), 0);
	if (events_dropped(events) != dropped)
		follow_gap(collector->follow, clock_ns(CLOCK_MONOTONIC));
	dropped = events_dropped(events);
}

/* Others have filled the ring: then there are dumps, and what they find is counted. */
static bool is_disturbed(void)
{
	return events_dropped(events) || follow_stats(collector->follow)->cut;
}

static struct snapshot fast(void)
{
	drain();
	return poll_now(LANE_FAST);
}

/* From here on the fast lane looks up. */
static void begin(void)
{
	listening = listener(PORT, 100);
	settings.bpf = true;
	/* What nothing tells of is looked at again soon enough for a test. */
	settings.interval_ns = 20 * NSEC_PER_MSEC;
	settings.sweep_interval_ns = CAP_MS * NSEC_PER_MSEC;
	collector_configure(collector, &settings);
	open_events(RING);
	if (!collector->bpf || !bpf_reader_has_look_up(collector->bpf))
		exit(EXIT_SUCCESS);
	drain();
	poll_now(LANE_SWEEP);
	fast(); /* finds out what a dump costs */
	fast();
	if (!is_disturbed())
		ck_assert_uint_eq(collector->follow_lane.by_events, 1);
}

static void end(void)
{
	events_free(events);
	close(listening);
}

/* ---- what the kernel says ---- */

static uint32_t dump(struct tcpdiag_socket *ret, uint32_t max)
{
	const struct sock_diag_request request = { .states = TCPDIAG_STATES_TEARDOWN,
						   .protocol = IPPROTO_TCP,
						   .info = true };
	struct sock_diag *diag;
	uint32_t count = 0;

	ck_assert_int_eq(sock_diag_open(collector->self.netns, &diag), 0);
	ck_assert_int_eq(sock_diag_dump(diag, &request), 0);
	while (count < max && sock_diag_next(diag, &ret[count]) == 1)
		count++;
	sock_diag_free(diag);
	return count;
}

static const struct record *by_cookie(const struct snapshot *s, uint64_t cookie)
{
	const struct record *found = NULL;

	for (uint32_t i = 0; i < s->record_count; i++)
		if (s->records[i].sk.cookie == cookie && s->records[i].sk.state != TCPDIAG_CLOSE) {
			ck_assert_ptr_null(found);
			found = &s->records[i];
		}
	return found;
}

static uint32_t count_teardown(const struct snapshot *s)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < s->record_count; i++)
		count += TCPDIAG_STATES_TEARDOWN >> s->records[i].sk.state & 1;
	return count;
}

static bool is_same(const struct record *record, const struct tcpdiag_socket *row)
{
	const struct tcpdiag_socket *sk = &record->sk;

	return sk->state == row->state && sk->kind == row->kind && sk->rqueue == row->rqueue &&
	       sk->wqueue == row->wqueue && sk->inode == row->inode &&
	       sk->sk_shutdown == row->sk_shutdown && sk->timer == row->timer &&
	       (sk->attachment == TCPDIAG_ORPHAN) == (row->attachment == TCPDIAG_ORPHAN) &&
	       (row->kind != TCPDIAG_KIND_FULL || sk->known & TCPDIAG_KNOWS_LINGER);
}

static const char *difference(const struct snapshot *s, const struct tcpdiag_socket *rows,
			      uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct record *record = by_cookie(s, rows[i].cookie);

		if (!record)
			return "one is missing";
		if (!is_same(record, &rows[i]))
			return "one is not the same";
	}
	return count_teardown(s) == count ? NULL : "there are too many";
}

/*
 * A fast pass, then a dump: both show the same, once the kernel has done what it does by timers (an ACK that is delayed
 * moves a socket on 40 ms later). Return: how many sockets.
 */
static uint32_t compared_within(uint32_t tries)
{
	static struct tcpdiag_socket rows[4096];
	const char *what = NULL;

	for (uint32_t i = 0; i < tries; i++) {
		const struct snapshot s = fast();
		uint32_t count = dump(rows, ARRAY_SIZE(rows));

		what = difference(&s, rows, count);
		if (!what)
			return count;
		wait_ms(40);
	}
	ck_abort_msg("%s", what);
}

static uint32_t compared(void)
{
	return compared_within(100);
}

/* From here on nothing that rests is looked at within a test. */
static void long_turns(void)
{
	settings.interval_ns = NSEC_PER_SEC;
	settings.sweep_interval_ns = 60 * NSEC_PER_SEC;
	collector_configure(collector, &settings);
}

/* ---- a random walk ---- */

static int ends[CONNECTIONS][2];
static uint32_t state = 12345;

static uint32_t any(uint32_t below)
{
	state = state * 1664525 + 1013904223;
	return (state >> 16) % below;
}

static void end_of(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void step(void)
{
	static const char bytes[20000];
	int *pair = ends[any(CONNECTIONS)], *fd = &pair[any(2)];
	const struct linger reset = { .l_onoff = 1 };

	switch (any(8)) {
	case 0:
	case 1:
		if (pair[0] >= 0 || pair[1] >= 0)
			break;
		connection(listening, pair);
		break;
	case 2:
		(void)send(*fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case 3:
	case 4:
		shutdown(*fd, SHUT_WR);
		break;
	case 5:
		if (!any(4))
			setsockopt(*fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		break;
	default:
		end_of(fd);
	}
}

static void walk(uint32_t steps)
{
	for (uint32_t i = 0; i < steps; i++)
		step();
	wait_ms(20);
}

static void no_connections(void)
{
	for (int i = 0; i < CONNECTIONS; i++)
		ends[i][0] = ends[i][1] = -1;
}

START_TEST(test_walk_without_a_dump)
{
	uint32_t seen = 0, left_alone = 0;
	uint64_t dumps;

	begin();
	dumps = collector->follow_lane.dumps;
	no_connections();
	for (int i = 0; i < ROUNDS; i++) {
		walk(100);
		seen += compared();
		left_alone += collector->follow_lane.left_alone;
	}
	ck_assert_uint_gt(seen, ROUNDS * 10);
	ck_assert(is_disturbed() || left_alone > ROUNDS);
	ck_assert(is_disturbed() || collector->follow_lane.dumps == dumps);
	/* The audit finds nothing. */
	drain();
	poll_now(LANE_SWEEP);
	wait_ms(1100);
	fast();
	ck_assert(is_disturbed() || !follow_stats(collector->follow)->lost);
	ck_assert(is_disturbed() || !follow_stats(collector->follow)->extra);
	end();
}
END_TEST

/* Only what the kernel tells of: no minisocket that waits for a FIN, and nothing is sent to what is half closed. */
static void told_step(void)
{
	const struct linger reset = { .l_onoff = 1 };
	const int seconds = 90;
	int *pair = ends[any(CONNECTIONS)], *fd = &pair[any(2)];

	switch (any(6)) {
	case 0:
	case 1:
		if (pair[0] >= 0 || pair[1] >= 0)
			break;
		connection(listening, pair);
		for (int i = 0; i < 2; i++)
			setsockopt(pair[i], IPPROTO_TCP, TCP_LINGER2, &seconds, sizeof(seconds));
		break;
	case 2:
	case 3:
		shutdown(*fd, SHUT_WR);
		break;
	case 4:
		if (!any(4))
			setsockopt(*fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		break;
	default:
		end_of(fd);
	}
}

/* No turn comes to the rescue. */
START_TEST(test_walk_by_events_alone)
{
	uint32_t seen = 0, left_alone = 0;

	begin();
	long_turns();
	no_connections();
	for (int i = 0; i < ROUNDS; i++) {
		for (int j = 0; j < 60; j++)
			told_step();
		wait_ms(20);
		seen += compared_within(10);
		left_alone += collector->follow_lane.left_alone;
	}
	ck_assert_uint_gt(seen, ROUNDS * 10);
	ck_assert(is_disturbed() || left_alone > ROUNDS);
	end();
}
END_TEST

START_TEST(test_walk_with_sweeps_and_audits)
{
	begin();
	no_connections();
	for (int i = 0; i < ROUNDS; i++) {
		walk(50);
		if (i % 5 == 2) {
			drain();
			poll_now(LANE_SWEEP);
		}
		if (i % 7 == 3) /* as after half a minute */
			collector->spaces.own->follow.seeded_ns = follow_since(collector->follow);
		walk(20);
		compared();
	}
	wait_ms(1100);
	fast();
	ck_assert(is_disturbed() || !follow_stats(collector->follow)->lost);
	ck_assert(is_disturbed() || !follow_stats(collector->follow)->extra);
	end();
}
END_TEST

/* ---- what rests ---- */

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

/* Sockets whose event nobody has seen. */
static void in_the_dark(void)
{
	events_free(events);
	for (int i = 0; i < 10; i++) {
		connection(listening, ends[i]);
		shutdown(ends[i][0], SHUT_WR);
	}
	wait_ms(30);
	ck_assert_int_eq(events_open(RING, 250, &events), 0);
	dropped = 0;
}

START_TEST(test_lost_without_a_word_is_repaired_and_doubted)
{
	struct snapshot s;

	begin();
	in_the_dark();
	s = fast();
	ck_assert(is_disturbed() || !count_teardown(&s));
	/* The audit. */
	collector->spaces.own->follow.priced_ns = 0;
	ck_assert_uint_eq(compared(), 20);
	wait_ms(1100);
	fast();
	if (is_disturbed())
		return;
	ck_assert_uint_eq(follow_stats(collector->follow)->lost, 20);
	/* What has missed some may miss more: dumps for a while. */
	ck_assert_uint_eq(collector->follow_lane.by_events, 0);
	ck_assert_int_gt(collector->spaces.own->follow.distrust_ns, clock_ns(CLOCK_MONOTONIC));
	end();
}
END_TEST

START_TEST(test_a_gap_is_repaired_at_once)
{
	struct snapshot s;

	begin();
	in_the_dark();
	follow_gap(collector->follow, clock_ns(CLOCK_MONOTONIC));
	s = fast();
	ck_assert_uint_eq(count_teardown(&s), 20);
	ck_assert_uint_eq(collector->follow_lane.by_events, 0);
	ck_assert_uint_eq(compared(), 20);
	ck_assert(is_disturbed() || collector->follow_lane.by_events == 1);
	wait_ms(1100);
	fast();
	if (is_disturbed())
		return;
	ck_assert_uint_eq(follow_stats(collector->follow)->lost, 20);
	ck_assert_int_eq(collector->spaces.own->follow.distrust_ns, 0);
	ck_assert_uint_eq(collector->follow_lane.by_events, 1);
	end();
}
END_TEST

START_TEST(test_a_ring_that_is_too_small)
{
	begin();
	no_connections();
	events_free(events);
	open_events(1);
	poll_now(LANE_SWEEP);
	for (int i = 0; i < 3; i++) {
		uint64_t before = events_dropped(events);

		for (int j = 0; j < 1000 && events_dropped(events) == before; j++)
			for (int k = 0; k < 100; k++)
				step();
		ck_assert_uint_gt(events_dropped(events), before);
		compared();
	}
	ck_assert_uint_ge(follow_stats(collector->follow)->gaps, 3);
	end();
}
END_TEST

START_TEST(test_without_events_it_dumps)
{
	struct snapshot s;

	begin();
	follow_off(collector->follow);
	in_the_dark();
	s = poll_now(LANE_FAST);
	ck_assert_uint_eq(count_teardown(&s), 20);
	ck_assert_uint_eq(collector->follow_lane.by_events, 0);
	end();
}
END_TEST

Suite *suite(void)
{
	TCase *tcase = tcase_create("live");
	Suite *suite = suite_create("follow_pass");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, test_walk_without_a_dump);
	tcase_add_test(tcase, test_walk_by_events_alone);
	tcase_add_test(tcase, test_walk_with_sweeps_and_audits);
	tcase_add_test(tcase, test_left_alone_until_something_happens);
	tcase_add_test(tcase, test_a_close_of_what_was_shut_down_is_told);
	tcase_add_test(tcase, test_a_close_that_keeps_the_state_is_told);
	tcase_add_test(tcase, test_a_close_of_what_the_peer_has_finished_is_told);
	tcase_add_test(tcase, test_what_an_event_told_of_is_looked_at_twice);
	tcase_add_test(tcase, test_settings_of_what_rests_behind_a_dump);
	tcase_add_test(tcase, test_settings_are_no_older_for_the_sweeps_in_between);
	tcase_add_test(tcase, test_settings_are_no_older_for_dumps_that_left_them_alone);
	tcase_add_test(tcase, test_lost_without_a_word_is_repaired_and_doubted);
	tcase_add_test(tcase, test_a_gap_is_repaired_at_once);
	tcase_add_test(tcase, test_a_ring_that_is_too_small);
	tcase_add_test(tcase, test_without_events_it_dumps);
	suite_add_tcase(suite, tcase);
	return suite;
}
