/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Minutes of simulated polls: which pass runs when, and what gives way when passes become expensive.
 */
#include <string.h>

#include "../harness.h"
#include "collector/lanes.h"
#include "model/macro.h"

#define S NSEC_PER_SEC
#define MS NSEC_PER_MSEC

static struct lanes lanes;

static void setup(void)
{
	memset(&lanes, 0, sizeof(lanes));
	lanes_configure(&lanes, 1 * S, 5 * S, 5, 100 * S, true);
}

/* Runs @seconds of passes that cost so much each; counts them, and the CPU time they took. */
static int64_t run(int seconds, const int64_t cost[PASS_MAX], uint32_t count[PASS_MAX])
{
	int64_t now = 100 * S, end = now + seconds * S, used = 0;

	memset(count, 0, PASS_MAX * sizeof(*count));
	while (now < end) {
		enum pass pass = lanes_due(&lanes, now);

		if (pass == PASS_MAX) {
			int64_t next = lanes_next(&lanes);

			ck_assert_int_gt(next, now);
			now = next;
			continue;
		}
		count[pass]++;
		used += cost[pass];
		lanes_passed(&lanes, pass, now, cost[pass]);
		now += cost[pass];
	}
	return used;
}

START_TEST(test_cheap)
{
	const int64_t cost[PASS_MAX] = { MS / 10, MS, 5 * MS, 20 * MS };
	uint32_t count[PASS_MAX];

	run(60, cost, count);
	ck_assert_uint_eq(count[PASS_SWEEP], 12);
	ck_assert_uint_eq(count[PASS_FAST], 48);
	ck_assert_uint_eq(count[PASS_LISTENERS], 0);
	ck_assert_uint_eq(count[PASS_TICK], 0);
}
END_TEST

/* 100,000 sockets, one percent in teardown: only the sweep stretches. */
START_TEST(test_sweep_gives_way_first)
{
	const int64_t cost[PASS_MAX] = { MS / 10, 5 * MS, 20 * MS, 150 * MS };
	uint32_t count[PASS_MAX];
	int64_t used = run(600, cost, count);

	ck_assert_int_eq(lanes.passes[PASS_FAST].interval_ns, S);
	ck_assert_int_ge(lanes.passes[PASS_SWEEP].interval_ns, 7 * S);
	ck_assert_uint_ge(count[PASS_FAST] + count[PASS_SWEEP], 595);
	ck_assert_int_le(used, 600 * S * 5 / 100);
}
END_TEST

/* A million, all in CLOSE-WAIT: listeners now and then, counters each second, everything else rarely. */
START_TEST(test_all_in_teardown)
{
	const int64_t cost[PASS_MAX] = { MS / 5, 100 * MS, 1600 * MS, 1700 * MS };
	uint32_t count[PASS_MAX];
	int64_t used = run(3600, cost, count);

	ck_assert_int_ge(lanes.passes[PASS_FAST].interval_ns, 53 * S);
	ck_assert_int_ge(lanes.passes[PASS_SWEEP].interval_ns, 84 * S);
	ck_assert_uint_ge(count[PASS_SWEEP], 35);
	ck_assert_uint_ge(count[PASS_FAST], 25);
	ck_assert_uint_ge(count[PASS_LISTENERS], 60);
	/* Each second something reads the counters, the time of a long pass excepted. */
	ck_assert_uint_ge(count[PASS_TICK] + count[PASS_LISTENERS] + count[PASS_FAST] +
				  count[PASS_SWEEP],
			  3400);
	ck_assert_int_le(used, 3600LL * S * 65 / 1000);
}
END_TEST

START_TEST(test_recovers)
{
	const int64_t dear[PASS_MAX] = { MS, MS, 2000 * MS, 2000 * MS };
	const int64_t cheap[PASS_MAX] = { MS, MS, MS, MS };
	uint32_t count[PASS_MAX];
	int i;

	run(300, dear, count);
	ck_assert_int_gt(lanes.passes[PASS_FAST].interval_ns, 30 * S);
	for (i = 0; i < 20; i++)
		lanes_passed(&lanes, PASS_FAST, 1000 * S + i * S, cheap[PASS_FAST]);
	ck_assert_int_eq(lanes.passes[PASS_FAST].interval_ns, S);
}
END_TEST

START_TEST(test_no_burst_after_a_pause)
{
	int passes = 0;

	lanes_passed(&lanes, PASS_SWEEP, 100 * S, MS);
	/* An hour later. */
	while (lanes_due(&lanes, 3700 * S) != PASS_MAX && passes < 100) {
		lanes_passed(&lanes, lanes_due(&lanes, 3700 * S), 3700 * S, MS);
		passes++;
	}
	ck_assert_int_eq(passes, 1);
	ck_assert_int_gt(lanes_next(&lanes), 3700 * S);
	ck_assert_int_le(lanes_next(&lanes), 3701 * S);
}
END_TEST

START_TEST(test_grid)
{
	/* A pass that begins late does not move the ones after it. */
	lanes_passed(&lanes, PASS_FAST, 100 * S + 300 * MS, MS);
	ck_assert_int_eq(lanes.passes[PASS_FAST].next_ns, 101 * S);
}
END_TEST

START_TEST(test_reload)
{
	lanes_passed(&lanes, PASS_SWEEP, 100 * S, MS);
	lanes_configure(&lanes, 200 * MS, 600 * S, 5, 100 * S, false);
	ck_assert_int_le(lanes_next(&lanes), 100 * S + 200 * MS);
	ck_assert_int_eq(lanes.passes[PASS_SWEEP].interval_ns, 600 * S);
	/* What was due in five seconds is not put off. */
	ck_assert_int_eq(lanes.passes[PASS_SWEEP].next_ns, 105 * S);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("lanes");
	TCase *tc = tcase_create("lanes");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_cheap);
	tcase_add_test(tc, test_sweep_gives_way_first);
	tcase_add_test(tc, test_all_in_teardown);
	tcase_add_test(tc, test_recovers);
	tcase_add_test(tc, test_no_burst_after_a_pause);
	tcase_add_test(tc, test_grid);
	tcase_add_test(tc, test_reload);
	suite_add_tcase(s, tc);
	return s;
}
