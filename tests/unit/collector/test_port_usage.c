/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which destinations use up the ephemeral ports: who has them, and which can be had again.
 */
#include <stdlib.h>
#include <string.h>

#include "../harness.h"
#include "collector/port_usage.h"
#include "model/macro.h"

#define NETNS 7U
#define OTHER 9U
#define FIRST 40000U

static const uint16_t range[2] = { FIRST, FIRST + 99 };
static struct port_usage usage;
static struct record records[512];
static uint32_t rows[ARRAY_SIZE(records)], count;
static struct tcpdiag_environment env;

static void setup(void)
{
	memset(&usage, 0, sizeof(usage));
	memset(records, 0, sizeof(records));
	count = 0;
	env = (struct tcpdiag_environment){};
}

static void teardown(void)
{
	port_usage_done(&usage);
}

/* Sockets of one process from 10.0.0.1 to 10.0.1.@remote:443. */
static struct record *add(uint32_t netns, uint8_t remote, uint32_t sockets, uint8_t state,
			  uint32_t row)
{
	static const uint8_t mapped[16] = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1 };
	uint32_t i;

	ck_assert_uint_le(count + sockets, ARRAY_SIZE(records));
	for (i = 0; i < sockets; i++) {
		struct record *record = &records[count];

		record->direction = DIRECTION_OUTBOUND;
		record->sk.netns = netns;
		record->sk.state = state;
		record->sk.local_port = (uint16_t)(FIRST + count % 100);
		record->sk.remote_port = 443;
		memcpy(record->sk.local, mapped, 16);
		memcpy(record->sk.remote, mapped, 16);
		record->sk.remote[14] = 1;
		record->sk.remote[15] = remote;
		rows[count++] = row;
	}
	return &records[count - sockets];
}

/* A sweep over all of them. */
static bool walk(uint32_t reserved)
{
	uint32_t i;

	port_usage_begin(&usage);
	port_usage_space(&usage, NETNS, range, reserved, &env);
	port_usage_space(&usage, OTHER, range, 0, &env);
	for (i = 0; i < count; i++)
		port_usage_add(&usage, &records[i]);
	port_usage_ratio(&usage);
	if (!port_usage_choose(&usage))
		return false;
	for (i = 0; i < count; i++)
		port_usage_look(&usage, &records[i], rows[i]);
	return true;
}

START_TEST(test_chosen)
{
	add(NETNS, 1, 32, TCPDIAG_ESTABLISHED, RECORD_NONE);
	ck_assert(!walk(0));
	ck_assert(usage.counted);
	add(NETNS, 2, 33, TCPDIAG_ESTABLISHED, RECORD_NONE);
	add(OTHER, 1, 60, TCPDIAG_ESTABLISHED, RECORD_NONE);
	ck_assert(walk(0));
	ck_assert_uint_eq(usage.pair_count, 2);
	/* The fullest first. */
	ck_assert_uint_eq(usage.pairs[0].netns, OTHER);
	ck_assert_uint_eq(usage.pairs[0].used, 60);
	ck_assert_uint_eq(usage.pairs[1].netns, NETNS);
	ck_assert_uint_eq(usage.pairs[1].used, 33);
	ck_assert_uint_eq(usage.pairs[1].remote[15], 2);
	ck_assert_uint_eq(usage.pairs[1].remote_port, 443);
	ck_assert_mem_eq(usage.pairs[1].local, records[0].sk.local, 16);
}
END_TEST

/* What is reserved is no part of the range. */
START_TEST(test_reserved)
{
	add(NETNS, 1, 20, TCPDIAG_ESTABLISHED, RECORD_NONE);
	add(OTHER, 1, 34, TCPDIAG_ESTABLISHED, RECORD_NONE);
	ck_assert(walk(50));
	ck_assert_uint_eq(usage.pair_count, 2);
	/* 40 % of what is left. */
	ck_assert_uint_eq(usage.pairs[0].netns, NETNS);
	ck_assert_uint_eq(usage.pairs[0].reserved, 50);
	ck_assert_uint_eq(usage.pairs[1].reserved, 0);
	ck_assert_double_eq(port_usage_ratio(&usage), 0.4);
	/* More are used than can be given: somebody asks for them by number. */
	ck_assert(walk(90));
	ck_assert_double_eq(port_usage_ratio(&usage), 1);
	/* Nothing can be given at all. */
	ck_assert(walk(100));
	ck_assert_uint_eq(usage.pair_count, 1);
	ck_assert_uint_eq(usage.pairs[0].netns, OTHER);
}
END_TEST

/* No more of one namespace than there is room for, and the fullest ones of all. */
START_TEST(test_top)
{
	uint32_t i;

	for (i = 0; i < PORT_TOP + 2; i++)
		add(NETNS, (uint8_t)(i + 1), 33 + (i * 5) % 6, TCPDIAG_ESTABLISHED, RECORD_NONE);
	ck_assert(walk(0));
	ck_assert_uint_eq(usage.pair_count, PORT_TOP);
	for (i = 0; i < PORT_TOP; i++)
		ck_assert_uint_eq(usage.pairs[i].used, 38 - i);
}
END_TEST

static const struct {
	const char *what;
	uint32_t reuse;
	bool known;
	uint8_t local, remote; /* first byte of the address */
	uint32_t expires_ms;
	uint32_t reusable; /* of 40 */
} waits[] = {
	{ "never", 0, true, 10, 10, 30000, 0 },
	{ "not known", 1, false, 10, 10, 30000, 0 },
	{ "for everybody, after a second", 1, true, 10, 10, 59000, 40 },
	{ "not before", 1, true, 10, 10, 59001, 0 },
	{ "on loopback only", 2, true, 10, 10, 30000, 0 },
	{ "both ends on loopback", 2, true, 127, 127, 30000, 40 },
	{ "one of them", 2, true, 10, 127, 30000, 40 },
	{ "the other one", 2, true, 127, 10, 30000, 40 },
	{ "on loopback, not before", 2, true, 127, 127, 59500, 0 },
};

START_TEST(test_reuse)
{
	struct record *first = add(NETNS, 1, 40, TCPDIAG_TIME_WAIT, RECORD_NONE);
	uint32_t i;

	add(NETNS, 1, 5, TCPDIAG_ESTABLISHED, RECORD_NONE);
	for (i = 0; i < count; i++) {
		first[i].sk.local[12] = waits[_i].local;
		first[i].sk.remote[12] = waits[_i].remote;
		first[i].sk.expires_ms = waits[_i].expires_ms;
	}
	env.tcp_tw_reuse = waits[_i].reuse;
	env.known = waits[_i].known ? TCPDIAG_ENV_TW_REUSE : 0;
	ck_assert(walk(0));
	ck_assert_uint_eq(usage.pair_count, 1);
	ck_assert_uint_eq(usage.pairs[0].used, 45);
	ck_assert_uint_eq(usage.pairs[0].time_wait, 40);
	ck_assert_int_eq(usage.pairs[0].reuse_known, waits[_i].known);
	ck_assert_msg(usage.pairs[0].reusable == waits[_i].reusable, "%s: %u", waits[_i].what,
		      usage.pairs[0].reusable);
}
END_TEST

/* IPv6: ::1 is loopback, and an address that begins alike is not. */
START_TEST(test_reuse_ipv6)
{
	struct record *first = add(NETNS, 1, 40, TCPDIAG_TIME_WAIT, RECORD_NONE);
	uint32_t i;

	for (i = 0; i < count; i++) {
		memset(first[i].sk.local, 0, 16);
		first[i].sk.local[15] = 1;
		first[i].sk.expires_ms = 1000;
	}
	env.tcp_tw_reuse = 2;
	env.known = TCPDIAG_ENV_TW_REUSE;
	ck_assert(walk(0));
	ck_assert_uint_eq(usage.pairs[0].reusable, 40);
	for (i = 0; i < count; i++)
		first[i].sk.local[0] = 0xfd;
	ck_assert(walk(0));
	ck_assert_uint_eq(usage.pairs[0].reusable, 0);
}
END_TEST

/* Rows of processes: 0 and 2 are of one unit, 1 of another, 3 of none. */
static struct process processes[] = {
	{ .pid = 10, .start_time = 100, .unit = 5 },
	{ .pid = 11, .start_time = 110, .unit = 6 },
	{ .pid = 12, .start_time = 120, .unit = 5 },
	{ .pid = 13, .start_time = 130 },
};

START_TEST(test_who)
{
	/* Somebody else's are of no interest, nor are those of nobody. */
	add(NETNS, 2, 20, TCPDIAG_ESTABLISHED, 3);
	add(NETNS, 1, 12, TCPDIAG_ESTABLISHED, 0);
	add(NETNS, 1, 14, TCPDIAG_ESTABLISHED, 1);
	add(NETNS, 1, 13, TCPDIAG_ESTABLISHED, 2);
	add(NETNS, 1, 15, TCPDIAG_TIME_WAIT, RECORD_NONE);
	ck_assert(walk(0));
	ck_assert_uint_eq(usage.pair_count, 1);
	port_usage_resolve(&usage, processes, ARRAY_SIZE(processes), true);
	ck_assert_uint_eq(usage.pairs[0].process, 1);
	ck_assert_uint_eq(usage.pairs[0].process_used, 14);
	ck_assert_uint_eq(usage.pairs[0].unit_used, 14);

	/* With what its unit has. */
	add(NETNS, 1, 4, TCPDIAG_CLOSE_WAIT, 2);
	ck_assert(walk(0));
	port_usage_resolve(&usage, processes, ARRAY_SIZE(processes), true);
	ck_assert_uint_eq(usage.pairs[0].process, 2);
	ck_assert_uint_eq(usage.pairs[0].process_used, 17);
	ck_assert_uint_eq(usage.pairs[0].unit_used, 29);
}
END_TEST

/* Between two sweeps rows of processes are numbered anew; who has them is known by pid and start. */
START_TEST(test_numbered_anew)
{
	struct process anew[] = { processes[3], processes[2], processes[0] };

	add(NETNS, 1, 40, TCPDIAG_ESTABLISHED, 2);
	add(NETNS, 1, 5, TCPDIAG_ESTABLISHED, 0);
	ck_assert(walk(0));
	port_usage_resolve(&usage, processes, ARRAY_SIZE(processes), true);
	ck_assert_uint_eq(usage.pairs[0].process, 2);
	port_usage_resolve(&usage, anew, ARRAY_SIZE(anew), false);
	ck_assert_uint_eq(usage.pairs[0].process, 1);
	ck_assert_uint_eq(usage.pairs[0].process_used, 40);
	/* Another one with its pid. */
	anew[1].start_time++;
	port_usage_resolve(&usage, anew, ARRAY_SIZE(anew), false);
	ck_assert_uint_eq(usage.pairs[0].process, RECORD_NONE);
	port_usage_resolve(&usage, anew, 0, false);
	ck_assert_uint_eq(usage.pairs[0].process, RECORD_NONE);
	/* A row that there is not is nobody. */
	rows[0] = 77;
	ck_assert(walk(0));
	port_usage_resolve(&usage, processes, 2, true);
	ck_assert_uint_eq(usage.pairs[0].process, 0);
	ck_assert_uint_eq(usage.pairs[0].process_used, 5);
}
END_TEST

/* More processes than are told apart: what they have is counted, and the rest of them has no name. */
START_TEST(test_many)
{
	static struct process many[PORT_SHARES + 20];
	uint32_t i;

	for (i = 0; i < ARRAY_SIZE(many); i++) {
		many[i].pid = (int32_t)i + 1;
		add(NETNS, 1, 1, TCPDIAG_ESTABLISHED, i);
	}
	add(NETNS, 1, 1, TCPDIAG_ESTABLISHED, 5);
	ck_assert(walk(0));
	port_usage_resolve(&usage, many, ARRAY_SIZE(many), true);
	ck_assert_uint_eq(usage.pairs[0].used, PORT_SHARES + 21);
	ck_assert_uint_eq(usage.pairs[0].process, 5);
	ck_assert_uint_eq(usage.pairs[0].process_used, 2);
	ck_assert_uint_eq(usage.pairs[0].unit_used, 0);
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("port-usage");
	TCase *tc = tcase_create("port-usage");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_chosen);
	tcase_add_test(tc, test_reserved);
	tcase_add_test(tc, test_top);
	tcase_add_loop_test(tc, test_reuse, 0, ARRAY_SIZE(waits));
	tcase_add_test(tc, test_reuse_ipv6);
	tcase_add_test(tc, test_who);
	tcase_add_test(tc, test_numbered_anew);
	tcase_add_test(tc, test_many);
	suite_add_tcase(suite, tc);
	return suite;
}
