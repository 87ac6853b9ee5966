/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fast lane by events, on sockets that come and go as a random walk has it: after each pass the records in
 * teardown states are those that a dump shows, and none was made.
 */
#include "follow_scene.h"

#define CONNECTIONS 60
#define ROUNDS 40

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
	/* What has missed one dumps for a while. */
	ck_assert(is_disturbed() || repaired || left_alone > ROUNDS);
	ck_assert(is_disturbed() || repaired || collector->follow_lane.dumps == dumps);
	/* The audit finds nothing. */
	drain();
	poll_now(LANE_SWEEP);
	wait_ms(1100);
	fast();
	ck_assert(is_disturbed() || follow_stats(collector->follow)->lost == repaired);
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
	ck_assert(is_disturbed() || follow_stats(collector->follow)->lost <= 1);
	ck_assert(is_disturbed() || !follow_stats(collector->follow)->extra);
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
	tcase_add_test(tcase, test_lost_without_a_word_is_repaired_and_doubted);
	tcase_add_test(tcase, test_a_gap_is_repaired_at_once);
	tcase_add_test(tcase, test_a_ring_that_is_too_small);
	tcase_add_test(tcase, test_without_events_it_dumps);
	suite_add_tcase(suite, tcase);
	return suite;
}
