/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The brake of the events: hours of simulated connections, and the programs themselves.
 */
#include <string.h>

#include "../harness.h"
#include "../kernel/scene.h"
#include "collector/brake.h"
#include "model/macro.h"

#define START (100 * NSEC_PER_SEC)
#define TENTH (NSEC_PER_SEC / 10)

static struct brake brake;
static int64_t now;
static uint64_t rows;

static void setup(void)
{
	now = START;
	rows = 5;
	brake_init(&brake, 1, now);
}

/* Seconds of so many rows each at the full level; the middle one writes 40 %. Return: changes of the level. */
static int run(int seconds, double per_second)
{
	static const double written[EVENT_BRAKE_MAX] = { 1, 0.4, 0 };
	int changes = 0;

	for (int i = 0; i < seconds * 10; i++) {
		rows += (uint64_t)(per_second / 10 * written[brake.level]);
		now += TENTH;
		changes += brake_step(&brake, now, rows);
	}
	return changes;
}

/* Rows a second that take so many per cent of a core at the full level. */
static double rate(double percent)
{
	return percent / 100 * NSEC_PER_SEC / brake.row_ns;
}

START_TEST(calm)
{
	ck_assert(brake.share < 0);
	ck_assert_int_eq(run(3600, rate(0.9)), 0);
	ck_assert_int_eq(brake.level, EVENT_BRAKE_OFF);
	ck_assert(brake.share > 0.0088 && brake.share < 0.0092);
	ck_assert_uint_eq(brake.pulled, 0);
	/* A burst of a second or two is no reason. */
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(run(1, rate(1.5)), 0);
		ck_assert_int_eq(run(20, rate(0.1)), 0);
	}
}
END_TEST

START_TEST(thinned)
{
	run(10, rate(0.1));
	ck_assert_int_eq(run(10, rate(2)), 1);
	ck_assert_int_eq(brake.level, EVENT_BRAKE_ENDS);
	/* It helps: 0.8 %, and it stays, since the whole would be too much. */
	ck_assert_int_eq(run(3600, rate(2)), 0);
	/* Calm: back after half a minute. */
	ck_assert_int_eq(run(29, rate(0.2)), 0);
	ck_assert_int_eq(run(10, rate(0.2)), 1);
	ck_assert_int_eq(brake.level, EVENT_BRAKE_OFF);
	ck_assert_uint_eq(brake.pulled, 1);
}
END_TEST

START_TEST(detached)
{
	int changes;

	ck_assert_int_eq(run(30, rate(5)), 2);
	ck_assert_int_eq(brake.level, EVENT_BRAKE_DETACHED);
	ck_assert_uint_eq(brake.pulled, 2);
	ck_assert(brake.share < 0.001);
	/* It tries again, less and less often. */
	changes = run(3600, rate(5));
	ck_assert_int_ge(changes, 4);
	ck_assert_int_le(changes, 3600 / 60);
	ck_assert_int_eq(brake.relapses, 4);
	/* And finds back when it is over. */
	run(3600, rate(0.01));
	ck_assert_int_eq(brake.level, EVENT_BRAKE_OFF);
	ck_assert_int_eq(brake.relapses, 0);
}
END_TEST

/* A storm that comes again and again: one relapse each, though it takes two steps. */
START_TEST(storms)
{
	for (int i = 0; i < 3; i++) {
		int relapses = brake.relapses;

		ck_assert_int_eq(run(30, rate(5)), 2);
		ck_assert_int_eq(brake.level, EVENT_BRAKE_DETACHED);
		ck_assert_int_eq(brake.relapses, i ? relapses + 1 : 0);
		while (brake.level != EVENT_BRAKE_OFF)
			run(1, rate(0.01));
	}
}
END_TEST

START_TEST(flood)
{
	ck_assert_int_eq(run(2, 10), 0);
	brake.row_ns = 1;
	ck_assert_int_eq(run(2, 1250000), 1);
	ck_assert_int_eq(brake.level, EVENT_BRAKE_ENDS);
	/* 480,000 are left, which is no more than it may be. */
	ck_assert_int_eq(run(60, 1200000), 0);
	ck_assert_int_eq(run(3, 2000000), 1);
	ck_assert_int_eq(brake.level, EVENT_BRAKE_DETACHED);
}
END_TEST

/* Tenths of a second until the level changes; -1: not within @tenths. */
static int changes_after(int tenths, double per_second)
{
	for (int i = 1; i <= tenths; i++) {
		rows += (uint64_t)(per_second / 10);
		now += TENTH;
		if (brake_step(&brake, now, rows))
			return i;
	}
	return -1;
}

/* Each drain looks: what resets as many connections as two cores can is not watched for seconds. */
START_TEST(flood_at_once)
{
	run(10, 100);
	ck_assert_int_eq(changes_after(10, 1e6), 1);
	ck_assert_int_eq(brake.level, EVENT_BRAKE_ENDS);
	/* Ends are all that there is: it helps nothing. */
	ck_assert_int_eq(changes_after(10, 1e6), 2);
	ck_assert_int_eq(brake.level, EVENT_BRAKE_DETACHED);
	ck_assert_uint_eq(brake.pulled, 2);
	/* The usual time of rest, and what it relapses into is not watched for longer. */
	ck_assert_int_ge(changes_after(700, 0), 600);
	ck_assert_int_eq(brake.level, EVENT_BRAKE_ENDS);
	ck_assert_int_eq(changes_after(10, 1e6), 2);
	ck_assert_int_ge(changes_after(1300, 0), 1200);
}
END_TEST

/* Ten times the share is a flood, too; a little less has the patience that it always had. */
START_TEST(flood_by_share)
{
	run(10, rate(0.1));
	ck_assert_int_eq(changes_after(25, rate(9.5)), -1);
	setup();
	brake.row_ns = 400; /* 250,000 rows a second */
	run(10, rate(0.1));
	ck_assert_int_eq(changes_after(10, rate(10.5)), 2);
	ck_assert_int_eq(changes_after(10, rate(10.5)), 2);
	/* Who allows more waits longer: nothing but a core of its own is dear to him. */
	brake_init(&brake, 100, now);
	ck_assert_int_eq(changes_after(600, 1e6), -1);
	/* Who allows less has a flood sooner, but what the ring holds is none: 40,000 rows, after four seconds. */
	brake_init(&brake, 0.01, now);
	ck_assert_int_eq(run(1, 10), 0);
	ck_assert_int_ge(changes_after(25, 10000), 20);
	ck_assert_int_eq(brake.level, EVENT_BRAKE_ENDS);
	ck_assert_int_eq(changes_after(50, 10000), 41);
	ck_assert_int_eq(brake.level, EVENT_BRAKE_DETACHED);
}
END_TEST

/* A deploy: thousands of connections within a tenth of a second or two. The ring holds them. */
START_TEST(burst)
{
	brake.row_ns = 600; /* ten times the share are 170,000 rows a second */
	run(60, 100);
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(changes_after(1, 350000), -1);
		ck_assert_int_eq(changes_after(1, 40000), -1);
		ck_assert_int_eq(run(15, 100), 0);
	}
	ck_assert_int_eq(brake.level, EVENT_BRAKE_OFF);
	/* One that it cannot hold is over when the rest of it is read: the second step does not follow. */
	ck_assert_int_eq(changes_after(1, 900000), 1);
	ck_assert_int_eq(changes_after(1, 400000), -1);
	ck_assert_int_eq(changes_after(20, 1000), -1);
	ck_assert_int_eq(brake.level, EVENT_BRAKE_ENDS);
}
END_TEST

/* Two drains at the same moment, and one that comes late. */
START_TEST(looks)
{
	run(5, 100);
	for (int i = 0; i < 20; i++) {
		/* A drain before a poll, a millisecond after the last: 3,000 rows in it are no rate. */
		rows += 3000;
		now += NSEC_PER_MSEC;
		ck_assert(!brake_step(&brake, now, rows));
		now += TENTH;
		ck_assert(!brake_step(&brake, now, rows));
	}
	/* A second's rows at once: no more a second than before. */
	now += 2 * NSEC_PER_SEC;
	rows += 100000;
	ck_assert(!brake_step(&brake, now, rows));
}
END_TEST

START_TEST(at_the_limit)
{
	/* Around it for hours: hardly a change. */
	int changes = 0;

	for (int i = 0; i < 3600; i++)
		changes += run(4, rate(i % 2 ? 1.15 : 0.9));
	ck_assert_int_le(changes, 1);
}
END_TEST

START_TEST(clocks)
{
	run(5, rate(0.5));
	/* A clock that goes back, or programs that were loaded anew, are no flood. */
	now -= 50 * NSEC_PER_SEC;
	ck_assert_int_eq(run(5, rate(0.5)), 0);
	rows = 0;
	ck_assert_int_eq(run(5, rate(0.5)), 0);
	ck_assert_int_eq(brake.level, EVENT_BRAKE_OFF);
	/* A drain that was late is no flood either. */
	now += 100 * NSEC_PER_SEC;
	rows += (uint64_t)(100 * rate(0.5));
	ck_assert(!brake_step(&brake, now, rows));
	/* Nobody brakes. */
	brake_init(&brake, 0, now);
	ck_assert_int_eq(run(60, 1e6), 0);
	ck_assert(brake.share > 0.1);
}
END_TEST

START_TEST(measured)
{
	ck_assert(!brake.measured);
	brake_measured(&brake, NSEC_PER_SEC, 1000 * 450, 1000);
	ck_assert(brake.measured);
	ck_assert(brake.row_ns > 449 && brake.row_ns < 451);
	/* Too few to say anything. */
	brake_measured(&brake, NSEC_PER_SEC, 99 * 4500, 99);
	ck_assert(brake.row_ns < 451);
	brake_measured(&brake, 0, 1000000, 1000);
	ck_assert(brake.row_ns < 451);
	/* Bounded, whatever is read. */
	brake_measured(&brake, NSEC_PER_SEC, UINT64_MAX, 1000);
	ck_assert(brake.row_ns <= 10000);
	brake_measured(&brake, NSEC_PER_SEC, 0, 1000);
	ck_assert(brake.row_ns >= 100);
}
END_TEST

START_TEST(in_words)
{
	ck_assert_ptr_null(brake_says(EVENT_BRAKE_OFF));
	ck_assert_ptr_nonnull(brake_says(EVENT_BRAKE_ENDS));
	ck_assert_ptr_nonnull(brake_says(EVENT_BRAKE_DETACHED));
	ck_assert_ptr_null(brake_says(EVENT_BRAKE_MAX));
}
END_TEST

static int count(const struct socket_event *event, void *context)
{
	(void)event;
	++*(uint64_t *)context;
	return 0;
}

/* Real programs, a simulated clock and a share that anything exceeds. */
START_TEST(programs)
{
	struct event_reader *reader = NULL;
	struct brake_lane lane;
	uint64_t taken = 0;
	int r;

	scene_begin();
	r = events_open(1U << 22, 250, &reader);
	if (r == -EPERM || r == -EOPNOTSUPP)
		scene_skip("no events: BPF or its tracepoints are missing");
	ck_assert_int_eq(r, 0);
	brake_lane_init(&lane, 1e-6, now);
	for (int i = 0; i < 40 && lane.brake.level != EVENT_BRAKE_DETACHED; i++) {
		for (int j = 0; j < 30; j++) {
			struct scene_pair p = scene_pair();

			close(p.client);
			close(p.server);
			close(p.listener);
		}
		ck_assert_int_ge(events_drain(reader, count, &taken), 0);
		now += NSEC_PER_SEC;
		ck_assert_int_ge(
			brake_lane_step(&lane, reader, now, taken + events_dropped(reader)), 0);
		/* The first measurement ends in the second step. */
		ck_assert_int_eq(lane.brake.measured, i >= 1 && !lane.refused);
	}
	ck_assert_int_eq(lane.brake.level, EVENT_BRAKE_DETACHED);
	ck_assert_int_ge(events_drain(reader, count, &taken), 0);
	taken = 0;
	close(scene_pair().client);
	ck_assert_int_eq(events_drain(reader, count, &taken), 0);
	events_free(reader);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("brake");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, calm);
	tcase_add_test(t, thinned);
	tcase_add_test(t, detached);
	tcase_add_test(t, storms);
	tcase_add_test(t, flood);
	tcase_add_test(t, flood_at_once);
	tcase_add_test(t, flood_by_share);
	tcase_add_test(t, burst);
	tcase_add_test(t, looks);
	tcase_add_test(t, at_the_limit);
	tcase_add_test(t, clocks);
	tcase_add_test(t, measured);
	tcase_add_test(t, in_words);
	tcase_add_test(t, programs);
	suite_add_tcase(s, t);
	return s;
}
