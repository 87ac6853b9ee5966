/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which sockets can be the two ends of one connection: addresses and states.
 */
#include <string.h>

#include "../harness.h"
#include "model/ends.h"
#include "model/macro.h"

/* What a connection goes through, as both ends are at each step; no two steps can be mixed up. */
static const struct {
	uint8_t a, b;
	bool possible;
} states[] = {
	{ TCPDIAG_ESTABLISHED, TCPDIAG_ESTABLISHED, true },
	{ TCPDIAG_SYN_SENT, TCPDIAG_ESTABLISHED, true },
	/* One end closes, with every loss of a FIN or its acknowledgement. */
	{ TCPDIAG_FIN_WAIT1, TCPDIAG_ESTABLISHED, true },
	{ TCPDIAG_FIN_WAIT1, TCPDIAG_CLOSE_WAIT, true },
	{ TCPDIAG_FIN_WAIT2, TCPDIAG_CLOSE_WAIT, true },
	{ TCPDIAG_FIN_WAIT1, TCPDIAG_LAST_ACK, true },
	{ TCPDIAG_FIN_WAIT2, TCPDIAG_LAST_ACK, true },
	{ TCPDIAG_TIME_WAIT, TCPDIAG_LAST_ACK, true },
	/* Both at once. */
	{ TCPDIAG_FIN_WAIT1, TCPDIAG_FIN_WAIT1, true },
	{ TCPDIAG_FIN_WAIT1, TCPDIAG_CLOSING, true },
	{ TCPDIAG_FIN_WAIT2, TCPDIAG_CLOSING, true },
	{ TCPDIAG_CLOSING, TCPDIAG_CLOSING, true },
	{ TCPDIAG_TIME_WAIT, TCPDIAG_CLOSING, true },
	{ TCPDIAG_CLOSING, TCPDIAG_LAST_ACK, true },
	/* The acknowledgement of a FIN that has not come. */
	{ TCPDIAG_FIN_WAIT2, TCPDIAG_ESTABLISHED, false },
	{ TCPDIAG_FIN_WAIT2, TCPDIAG_SYN_SENT, false },
	{ TCPDIAG_FIN_WAIT2, TCPDIAG_SYN_RECV, false },
	{ TCPDIAG_FIN_WAIT2, TCPDIAG_FIN_WAIT1, false },
	{ TCPDIAG_FIN_WAIT2, TCPDIAG_FIN_WAIT2, false },
	{ TCPDIAG_FIN_WAIT2, TCPDIAG_TIME_WAIT, false },
	/* A FIN that was not sent. */
	{ TCPDIAG_CLOSE_WAIT, TCPDIAG_ESTABLISHED, false },
	{ TCPDIAG_CLOSE_WAIT, TCPDIAG_SYN_SENT, false },
	{ TCPDIAG_CLOSE_WAIT, TCPDIAG_CLOSE_WAIT, false },
	{ TCPDIAG_CLOSE_WAIT, TCPDIAG_LAST_ACK, false },
	{ TCPDIAG_CLOSE_WAIT, TCPDIAG_CLOSING, false },
	{ TCPDIAG_CLOSE_WAIT, TCPDIAG_TIME_WAIT, false },
	{ TCPDIAG_LAST_ACK, TCPDIAG_ESTABLISHED, false },
	{ TCPDIAG_LAST_ACK, TCPDIAG_LAST_ACK, false },
	{ TCPDIAG_CLOSING, TCPDIAG_ESTABLISHED, false },
	{ TCPDIAG_FIN_WAIT1, TCPDIAG_TIME_WAIT, false },
};

static const struct hash_key key = { { 5, 6 } };

START_TEST(test_states)
{
	struct record a = { .sk.state = states[_i].a, .state_since_ns = 100 * NSEC_PER_SEC };
	struct record b = { .sk.state = states[_i].b, .state_since_ns = 100 * NSEC_PER_SEC };

	a.seen_ns = b.seen_ns = 110 * NSEC_PER_SEC;
	ck_assert_int_eq(ends_possible(&a, &b), states[_i].possible);
	ck_assert_int_eq(ends_possible(&b, &a), states[_i].possible);
	/* Looked at together and only just so: what was read first is not known. */
	a.seen_ns = b.seen_ns = 104 * NSEC_PER_SEC;
	ck_assert(ends_possible(&a, &b));
}
END_TEST

static struct tcpdiag_socket between(uint8_t from, uint16_t from_port, uint8_t to, uint16_t to_port)
{
	struct tcpdiag_socket sk = { .state = TCPDIAG_ESTABLISHED,
				     .local_port = from_port,
				     .remote_port = to_port };

	sk.local[0] = sk.remote[0] = 0xfd;
	sk.local[15] = from;
	sk.remote[15] = to;
	return sk;
}

START_TEST(test_ends)
{
	struct tcpdiag_socket a = between(1, 1000, 2, 80), b = between(2, 80, 1, 1000), c = a;

	b.netns = 7;
	ck_assert(ends_swapped(&a, &b));
	ck_assert(!ends_same(&a, &b));
	ck_assert(ends_same(&a, &c));
	ck_assert(!ends_swapped(&a, &c));
	ck_assert_uint_eq(ends_hash(&key, &a), ends_hash_swapped(&key, &b));
	ck_assert_uint_eq(ends_hash_swapped(&key, &a), ends_hash(&key, &b));
	ck_assert_uint_ne(ends_hash(&key, &a), ends_hash(&key, &b));
	/* Each of the four numbers counts. */
	c = between(1, 1001, 2, 80);
	ck_assert(!ends_swapped(&c, &b));
	c = between(1, 1000, 2, 81);
	ck_assert(!ends_swapped(&c, &b));
	c = between(3, 1000, 2, 80);
	ck_assert(!ends_swapped(&c, &b));
	c = between(1, 1000, 3, 80);
	ck_assert(!ends_swapped(&c, &b));
}
END_TEST

START_TEST(test_stay)
{
	static const uint8_t loopbacks[][16] = {
		{ [15] = 1 },
		{ [10] = 0xff, [11] = 0xff, 127, 0, 0, 1 },
		{ [10] = 0xff, [11] = 0xff, 127, 3, 4, 5 },
	};
	struct tcpdiag_socket a = between(1, 1000, 2, 80), b;
	size_t i;

	ck_assert(!ends_stay(&a));
	for (i = 0; i < ARRAY_SIZE(loopbacks); i++) {
		a = between(1, 1000, 2, 80);
		memcpy(a.remote, loopbacks[i], 16);
		ck_assert(ends_stay(&a));
		b = between(2, 80, 1, 1000);
		memcpy(b.local, loopbacks[i], 16);
		ck_assert(ends_swapped(&a, &b));
		ck_assert_uint_eq(ends_hash(&key, &a), ends_hash_swapped(&key, &b));
		b.netns = 7;
		ck_assert(!ends_swapped(&a, &b));
		ck_assert_uint_ne(ends_hash(&key, &a), ends_hash_swapped(&key, &b));
	}
	a = between(4, 1000, 4, 80);
	ck_assert(ends_stay(&a));
}
END_TEST

START_TEST(test_known)
{
	struct tcpdiag_socket sk = between(1, 1000, 2, 80);

	ck_assert(ends_known(&sk));
	sk.mptcp = true;
	ck_assert(!ends_known(&sk));
	sk = between(1, 1000, 2, 0);
	ck_assert(!ends_known(&sk));
	sk = between(1, 1000, 2, 80);
	sk.state = TCPDIAG_CLOSE;
	ck_assert(!ends_known(&sk));
	sk.state = 200;
	ck_assert(!ends_known(&sk));
	sk.state = TCPDIAG_NEW_SYN_RECV;
	sk.kind = TCPDIAG_KIND_REQUEST;
	ck_assert(!ends_known(&sk));
	sk.state = TCPDIAG_FIN_WAIT2;
	sk.kind = TCPDIAG_KIND_TIMEWAIT;
	ck_assert(ends_known(&sk));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("ends");
	TCase *tc = tcase_create("ends");

	tcase_add_loop_test(tc, test_states, 0, ARRAY_SIZE(states));
	tcase_add_test(tc, test_ends);
	tcase_add_test(tc, test_stay);
	tcase_add_test(tc, test_known);
	suite_add_tcase(s, tc);
	return s;
}
