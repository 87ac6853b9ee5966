/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What polls know of a socket that has ended: found in snapshots made by hand, of the age of the index and newer.
 */
#include <stdlib.h>
#include <string.h>

#include "../harness.h"
#include "collector/events_private.h"

#define COUNT 3000U
#define ROOM (COUNT + 200U)

static struct collector *collector;
static struct snapshot_header header;
static struct record records[ROOM];

static struct tcpdiag_socket socket_of(uint32_t number)
{
	return (struct tcpdiag_socket){ .cookie = number / 3 + 1, .netns = 10 + number % 3 };
}

/* Records in the order of their numbers, @shift others before them. */
static void publish(uint32_t shift, uint32_t count)
{
	memset(records, 0, sizeof(records));
	for (uint32_t i = 0; i < count; i++) {
		const bool other = i < shift;

		records[i].sk = socket_of(other ? 100000 + i : i - shift);
		records[i].born_ns = other ? -1 : (int64_t)(i - shift) + 1;
		records[i].holder = records[i].creator = RECORD_NONE;
	}
	header.id++;
	collector->events->newest =
		(struct snapshot){ .header = &header, .records = records, .record_count = count };
}

static void setup(void)
{
	collector = calloc(1, sizeof(*collector));
	ck_assert_ptr_nonnull(collector);
	collector->events = calloc(1, sizeof(*collector->events));
	ck_assert_ptr_nonnull(collector->events);
	collector->events->now_ns = NSEC_PER_SEC;
	header.id = 7;
}

static void teardown(void)
{
	record_index_done(&collector->events->index);
	free(collector->events);
	free(collector);
}

/* How many are found; nobody is taken for another. */
static uint32_t found(void)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < COUNT; i++) {
		const struct tcpdiag_socket sk = socket_of(i);
		struct autopsy_memory memory;

		if (!lane_remember(collector, &sk, &memory))
			continue;
		ck_assert_int_eq(memory.born_ns, (int64_t)i + 1);
		count++;
	}
	return count;
}

START_TEST(of_its_age)
{
	struct tcpdiag_socket sk = socket_of(0);
	struct autopsy_memory memory;

	ck_assert(!lane_remember(collector, &sk, &memory));
	publish(0, COUNT);
	ck_assert_uint_eq(found(), COUNT);
	sk.netns = 13;
	ck_assert(!lane_remember(collector, &sk, &memory));
	sk = socket_of(COUNT);
	ck_assert(!lane_remember(collector, &sk, &memory));
	sk.cookie = 0;
	ck_assert(!lane_remember(collector, &sk, &memory));
}
END_TEST

/* Rows move a little from one snapshot to the next: what stands near is found, what is further away is not guessed. */
START_TEST(newer)
{
	publish(0, COUNT);
	ck_assert_uint_eq(found(), COUNT);
	publish(20, COUNT + 20);
	ck_assert_uint_ge(found(), COUNT * 9 / 10);
	publish(150, COUNT + 150);
	ck_assert_uint_eq(found(), 0);
	/* When it has cost little enough, a new index is made. */
	collector->events->now_ns += 100 * NSEC_PER_SEC;
	ck_assert_uint_eq(found(), COUNT);
}
END_TEST

/* Places of the index lie behind the end of what is left. */
START_TEST(smaller)
{
	publish(0, COUNT);
	ck_assert_uint_eq(found(), COUNT);
	publish(0, 5);
	ck_assert_uint_eq(found(), 5);
	publish(0, 0);
	ck_assert_uint_eq(found(), 0);
	collector->events->now_ns += 100 * NSEC_PER_SEC;
	ck_assert_uint_eq(found(), 0);
	publish(0, COUNT);
	collector->events->now_ns += 100 * NSEC_PER_SEC;
	ck_assert_uint_eq(found(), COUNT);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("record index");
	TCase *tests = tcase_create("index");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, of_its_age);
	tcase_add_test(tests, newer);
	tcase_add_test(tests, smaller);
	suite_add_tcase(s, tests);
	return s;
}
