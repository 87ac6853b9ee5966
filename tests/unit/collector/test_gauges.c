/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Minutes of simulated seconds: rates, peaks, growth, and silence while nobody can know.
 */
#include <math.h>
#include <string.h>

#include "../harness.h"
#include "collector/gauges.h"
#include "model/macro.h"

#define S NSEC_PER_SEC

static struct gauges gauges;
static struct tcpdiag_environment env;
static struct counters counters;
static int64_t now;

static void setup(void)
{
	memset(&gauges, 0, sizeof(gauges));
	env = (struct tcpdiag_environment){ .known = TCPDIAG_ENV_ORPHANS,
					    .tcp_max_orphans = 10000 };
	counters = (struct counters){ .known = (1U << COUNTER_MAX) - 1 };
	now = 500 * S;
}

static void tick(uint64_t orphans)
{
	now += S;
	env.orphans = orphans;
	counters.value[COUNTER_OUT_RSTS] += 3;
	gauges_add(&gauges, now, &counters, &env);
}

static struct orphans orphans_now(void)
{
	struct orphans orphans;

	gauges_orphans(&gauges, now, &env, &orphans);
	return orphans;
}

START_TEST(test_nothing_yet)
{
	struct orphans o = orphans_now();
	struct counters rates;

	ck_assert(!o.count_known);
	ck_assert(!o.growth_known);
	ck_assert_double_lt(o.seconds_to_limit, 0);
	gauges_rates(&gauges, now, &rates);
	ck_assert_uint_eq(rates.known, 0);
}
END_TEST

START_TEST(test_warm_up)
{
	int i;

	for (i = 0; i < 60; i++) {
		tick(100 + 10 * (uint64_t)i);
		ck_assert(orphans_now().count_known);
		ck_assert(!orphans_now().growth_known);
		ck_assert_double_eq(orphans_now().growth_per_second, 0);
		ck_assert_double_lt(orphans_now().seconds_to_limit, 0);
	}
	tick(700);
	ck_assert(orphans_now().growth_known);
	ck_assert_double_eq_tol(orphans_now().growth_per_second, 10, 0.01);
	ck_assert_double_eq_tol(orphans_now().seconds_to_limit, 930, 1);
}
END_TEST

START_TEST(test_flat)
{
	int i;

	for (i = 0; i < 200; i++)
		tick(1000 + (uint64_t)(i * 7919 % 31));
	ck_assert(orphans_now().growth_known);
	ck_assert_double_eq(orphans_now().growth_per_second, 0);
	ck_assert_double_lt(orphans_now().seconds_to_limit, 0);
}
END_TEST

/* A burst of ten seconds is a peak, and no forecast. */
START_TEST(test_burst)
{
	int i;

	for (i = 0; i < 70; i++)
		tick(50);
	for (i = 0; i < 10; i++)
		tick(6000);
	for (i = 0; i < 50; i++)
		tick(50);
	ck_assert_double_eq(orphans_now().growth_per_second, 0);
	ck_assert_uint_eq(orphans_now().peak, 6000);
	ck_assert_uint_eq(orphans_now().count, 50);
	for (i = 0; i < 72; i++)
		tick(50);
	ck_assert_uint_eq(orphans_now().peak, 50);
}
END_TEST

START_TEST(test_shrinks_and_full)
{
	int i;

	for (i = 0; i < 100; i++)
		tick(9000 - 20 * (uint64_t)i);
	ck_assert_double_eq_tol(orphans_now().growth_per_second, -20, 0.01);
	ck_assert_double_lt(orphans_now().seconds_to_limit, 0);
	setup();
	for (i = 0; i < 100; i++)
		tick(9500 + 10 * (uint64_t)i);
	ck_assert_double_eq(orphans_now().seconds_to_limit, 0);
}
END_TEST

/* A namespace does not see tcp_max_orphans: the number is known all the same, the time to the limit is not. */
START_TEST(test_no_limit)
{
	int i;

	ck_assert(!orphans_now().count_known);
	env.known = 0;
	for (i = 0; i < 100; i++)
		tick(100 + 20 * (uint64_t)i);
	ck_assert(orphans_now().count_known);
	ck_assert_uint_eq(orphans_now().count, 100 + 20 * 99);
	ck_assert_double_eq_tol(orphans_now().growth_per_second, 20, 0.01);
	ck_assert_double_lt(orphans_now().seconds_to_limit, 0);
}
END_TEST

START_TEST(test_rates)
{
	struct counters rates;
	int i;

	tick(0);
	tick(0);
	gauges_rates(&gauges, now, &rates);
	ck_assert_uint_eq(rates.value[COUNTER_OUT_RSTS], 3);
	for (i = 0; i < 200; i++)
		tick(0);
	gauges_rates(&gauges, now, &rates);
	ck_assert_uint_eq(rates.value[COUNTER_OUT_RSTS], 180);
	ck_assert_uint_eq(rates.value[COUNTER_TIMEOUTS], 0);
	/* A counter that was set back is no flood. */
	counters.value[COUNTER_OUT_RSTS] = 0;
	tick(0);
	gauges_rates(&gauges, now, &rates);
	ck_assert_uint_eq(rates.value[COUNTER_OUT_RSTS], 0);
	/* One that this kernel does not have stays unknown. */
	counters.known &= ~(1U << COUNTER_MIGRATE_SUCCESS);
	tick(0);
	gauges_rates(&gauges, now, &rates);
	ck_assert_uint_eq(rates.known & 1U << COUNTER_MIGRATE_SUCCESS, 0);
	ck_assert_uint_ne(rates.known & 1U << COUNTER_OUT_RSTS, 0);
}
END_TEST

/* Ten ticks a second do not make the minute shorter. */
START_TEST(test_fast_ticks)
{
	int i;

	for (i = 0; i < 1300; i++) {
		now += S / 10;
		env.orphans = i < 50 ? 777 : 5;
		gauges_add(&gauges, now, &counters, &env);
	}
	ck_assert_uint_eq(orphans_now().count, 5);
	ck_assert_uint_eq(orphans_now().peak, 5);
	setup();
	for (i = 0; i < 1150; i++) {
		now += S / 10;
		env.orphans = i < 50 ? 777 : 5;
		gauges_add(&gauges, now, &counters, &env);
	}
	ck_assert_uint_eq(orphans_now().peak, 777);
	ck_assert(orphans_now().growth_known);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("gauges");
	TCase *tc = tcase_create("gauges");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_nothing_yet);
	tcase_add_test(tc, test_warm_up);
	tcase_add_test(tc, test_flat);
	tcase_add_test(tc, test_burst);
	tcase_add_test(tc, test_shrinks_and_full);
	tcase_add_test(tc, test_no_limit);
	tcase_add_test(tc, test_rates);
	tcase_add_test(tc, test_fast_ticks);
	suite_add_tcase(s, tc);
	return s;
}
