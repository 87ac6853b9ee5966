/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each row finds its record of the poll before, whatever came, went or moved, and no row counts twice.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../harness.h"
#include "collector/join.h"
#include "model/macro.h"

#define COUNT 1000U

static struct record before[COUNT];
static struct join join;

static void setup(void)
{
	uint32_t i;

	memset(before, 0, sizeof(before));
	for (i = 0; i < COUNT; i++) {
		before[i].sk.cookie = 100 + i;
		before[i].sk.netns = 7;
	}
	memset(&join, 0, sizeof(join));
	ck_assert_int_eq(join_begin(&join, before, COUNT, NULL, 0), 0);
}

static void teardown(void)
{
	join_done(&join);
}

static int row(uint64_t cookie, uint32_t netns, uint32_t *ret_position)
{
	const struct tcpdiag_socket sk = { .cookie = cookie, .netns = netns };

	*ret_position = UINT32_MAX;
	return join_row(&join, &sk, ret_position);
}

static void expect(uint64_t cookie, int result, uint32_t position)
{
	uint32_t found;

	ck_assert_int_eq(row(cookie, 7, &found), result);
	if (result == JOIN_MATCHED)
		ck_assert_uint_eq(found, position);
}

START_TEST(test_same_order)
{
	uint32_t i;

	for (i = 0; i < COUNT; i++)
		expect(100 + i, JOIN_MATCHED, i);
	/* The hint alone has found them. */
	ck_assert(!join.indexed);
	for (i = 0; i < COUNT; i++)
		ck_assert(join_seen(&join, i));
}
END_TEST

START_TEST(test_few_vanished)
{
	uint32_t i;

	for (i = 0; i < COUNT; i += 3)
		expect(100 + i, JOIN_MATCHED, i);
	ck_assert(!join.indexed);
	for (i = 0; i < COUNT; i++)
		ck_assert_int_eq(join_seen(&join, i), i % 3 == 0);
}
END_TEST

START_TEST(test_reversed)
{
	uint32_t i = COUNT;

	while (i-- > 0)
		expect(100 + i, JOIN_MATCHED, i);
}
END_TEST

START_TEST(test_many_vanished_then_order)
{
	uint32_t i;

	for (i = 500; i < COUNT; i++)
		expect(100 + i, JOIN_MATCHED, i);
	ck_assert_uint_eq(join.hint, COUNT);
}
END_TEST

START_TEST(test_new_in_between)
{
	uint32_t i;

	for (i = 0; i < COUNT; i++) {
		expect(100000 + i, JOIN_FRESH, 0);
		expect(100 + i, JOIN_MATCHED, i);
	}
	ck_assert_uint_eq(join.fresh_count, COUNT);
}
END_TEST

START_TEST(test_duplicates)
{
	uint32_t i;

	expect(100, JOIN_MATCHED, 0);
	expect(100, JOIN_DUPLICATE, 0);
	expect(101, JOIN_MATCHED, 1);
	expect(5, JOIN_FRESH, 0);
	expect(5, JOIN_DUPLICATE, 0);
	for (i = 0; i < 2000; i++)
		expect(50000 + i, JOIN_FRESH, 0);
	for (i = 0; i < 2000; i++)
		expect(50000 + i, JOIN_DUPLICATE, 0);
	/* The next dump begins with nothing seen. */
	ck_assert_int_eq(join_begin(&join, before, COUNT, NULL, 0), 0);
	expect(100, JOIN_MATCHED, 0);
	expect(5, JOIN_FRESH, 0);
	expect(50000, JOIN_FRESH, 0);
}
END_TEST

START_TEST(test_netns_is_part_of_the_key)
{
	uint32_t position;

	ck_assert_int_eq(row(100, 8, &position), JOIN_FRESH);
	ck_assert_int_eq(row(100, 7, &position), JOIN_MATCHED);
	ck_assert_int_eq(row(100, 8, &position), JOIN_DUPLICATE);
}
END_TEST

START_TEST(test_no_cookie)
{
	/* Two rows without a cookie are never known to be one. */
	expect(UINT64_MAX, JOIN_FRESH, 0);
	expect(UINT64_MAX, JOIN_FRESH, 0);
	expect(0, JOIN_FRESH, 0);
	expect(0, JOIN_FRESH, 0);
}
END_TEST

START_TEST(test_first_poll)
{
	ck_assert_int_eq(join_begin(&join, NULL, 0, NULL, 0), 0);
	expect(100, JOIN_FRESH, 0);
	expect(100, JOIN_DUPLICATE, 0);
}
END_TEST

/* The fast lane's dump covers a few positions; rows of other positions have just come into its states. */
START_TEST(test_order)
{
	uint32_t order[COUNT / 100], i;

	for (i = 0; i < ARRAY_SIZE(order); i++)
		order[i] = i * 100 + 50;
	ck_assert_int_eq(join_begin(&join, before, COUNT, order, ARRAY_SIZE(order)), 0);
	for (i = 0; i < ARRAY_SIZE(order); i++)
		expect(100 + order[i], JOIN_MATCHED, order[i]);
	ck_assert(!join.indexed);
	expect(100 + 3, JOIN_MATCHED, 3);
	ck_assert(join.indexed);

	/* Found by the index, the hint goes on from there. */
	ck_assert_int_eq(join_begin(&join, before, COUNT, order, ARRAY_SIZE(order)), 0);
	expect(100 + order[7], JOIN_MATCHED, order[7]);
	ck_assert_uint_eq(join.hint, 8);
	expect(100 + 51, JOIN_MATCHED, 51);
	ck_assert_uint_eq(join.hint, 8);
}
END_TEST

/* Nothing is quadratic: 200,000 rows in the worst order, all in the fast lane's states. */
START_TEST(test_large)
{
	const uint32_t count = 200000;
	struct record *records = calloc(count, sizeof(*records));
	uint32_t *order = calloc(count, sizeof(*order)), i, position;
	struct timespec t0, t1;

	ck_assert_ptr_nonnull(records);
	ck_assert_ptr_nonnull(order);
	for (i = 0; i < count; i++) {
		records[i].sk.cookie = i + 1;
		order[i] = i;
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t0);
	ck_assert_int_eq(join_begin(&join, records, count, order, count), 0);
	for (i = 0; i < count; i++) {
		const struct tcpdiag_socket sk = { .cookie = (uint64_t)i * 7919 % count + 1 };

		ck_assert_int_eq(join_row(&join, &sk, &position), JOIN_MATCHED);
		ck_assert_uint_eq(records[position].sk.cookie, sk.cookie);
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t1);
	ck_assert_int_lt(t1.tv_sec - t0.tv_sec, 5);
	ck_assert_uint_le(join.slot_room, count * 4);
	/* And the room is given back after the peak. */
	ck_assert_int_eq(join_begin(&join, before, COUNT, NULL, 0), 0);
	expect(100 + 900, JOIN_MATCHED, 900);
	ck_assert_uint_le(join.slot_room, COUNT * 4);
	free(records);
	free(order);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("join");
	TCase *tc = tcase_create("join");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_same_order);
	tcase_add_test(tc, test_few_vanished);
	tcase_add_test(tc, test_reversed);
	tcase_add_test(tc, test_many_vanished_then_order);
	tcase_add_test(tc, test_new_in_between);
	tcase_add_test(tc, test_duplicates);
	tcase_add_test(tc, test_netns_is_part_of_the_key);
	tcase_add_test(tc, test_no_cookie);
	tcase_add_test(tc, test_first_poll);
	tcase_add_test(tc, test_order);
	tcase_add_test(tc, test_large);
	suite_add_tcase(s, tc);
	return s;
}
