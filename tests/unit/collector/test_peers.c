/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Both ends of a connection find each other, and where it is not sure which one it is, none does.
 */
#include <string.h>
#include <sys/socket.h>

#include "../harness.h"
#include "collector/peers.h"
#include "model/macro.h"

#define TEARDOWN TCPDIAG_FIN_WAIT2

static struct peers peers;

static void teardown(void)
{
	peers_done(&peers);
}

/* 10.0.0.@from:@from_port > 10.0.0.@to:@to_port */
static struct record end(uint8_t state, int from, uint16_t from_port, int to, uint16_t to_port)
{
	struct record record = { .peer = RECORD_NONE };

	record.sk.state = state;
	record.sk.family = AF_INET;
	record.sk.netns = 1;
	record.sk.local_port = from_port;
	record.sk.remote_port = to_port;
	memset(record.sk.local + 10, 0xff, 2);
	memset(record.sk.remote + 10, 0xff, 2);
	record.sk.local[12] = record.sk.remote[12] = 10;
	record.sk.local[15] = (uint8_t)from;
	record.sk.remote[15] = (uint8_t)to;
	return record;
}

/* As a poll does it. */
static void match(struct record *records, uint32_t count)
{
	uint32_t i;

	peers_begin(&peers);
	for (i = 0; i < count; i++)
		if (TCPDIAG_STATES_TEARDOWN & TCPDIAG_STATE_BIT(records[i].sk.state))
			ck_assert_int_eq(peers_want(&peers, records, i), 0);
	ck_assert_int_eq(peers_index(&peers, records), 0);
	for (i = 0; i < count; i++) {
		records[i].peer = RECORD_NONE;
		if (peers_maybe(&peers, &records[i].sk))
			peers_meet(&peers, records, i);
	}
	peers_settle(&peers, records);
}

START_TEST(test_pairs)
{
	struct record records[] = {
		end(TCPDIAG_ESTABLISHED, 1, 1000, 2, 80), /* 0: of 4 */
		end(TCPDIAG_ESTABLISHED, 1, 1001, 2, 80), /* none is in teardown */
		end(TCPDIAG_ESTABLISHED, 2, 80, 1, 1001),
		end(TEARDOWN, 1, 1002, 9, 80), /* the other end is elsewhere */
		end(TCPDIAG_CLOSE_WAIT, 2, 80, 1, 1000),
		end(TCPDIAG_CLOSE_WAIT, 2, 80, 1, 1003), /* 5 and 6: both are */
		end(TEARDOWN, 1, 1003, 2, 80),
		end(TCPDIAG_LISTEN, 2, 80, 0, 0),
	};

	records[4].sk.mapped = true;
	records[4].sk.family = AF_INET6;
	match(records, ARRAY_SIZE(records));
	ck_assert_uint_eq(records[0].peer, 4);
	ck_assert_uint_eq(records[4].peer, 0);
	ck_assert_uint_eq(records[1].peer, RECORD_NONE);
	ck_assert_uint_eq(records[2].peer, RECORD_NONE);
	ck_assert_uint_eq(records[3].peer, RECORD_NONE);
	ck_assert_uint_eq(records[5].peer, 6);
	ck_assert_uint_eq(records[6].peer, 5);
	ck_assert_uint_eq(records[7].peer, RECORD_NONE);

	/* The next poll begins anew. */
	records[4].sk.state = TCPDIAG_ESTABLISHED;
	match(records, ARRAY_SIZE(records));
	ck_assert_uint_eq(records[0].peer, RECORD_NONE);
	ck_assert_uint_eq(records[4].peer, RECORD_NONE);
	ck_assert_uint_eq(records[5].peer, 6);
}
END_TEST

/* What shares the numbers and is not the other end. */
START_TEST(test_no_pair)
{
	struct record records[] = {
		end(TEARDOWN, 1, 1000, 2, 80),
		end(TCPDIAG_ESTABLISHED, 2, 80, 1, 1000), /* another namespace */
		end(TCPDIAG_ESTABLISHED, 2, 80, 1, 1000), /* the MPTCP socket above it */
		end(TCPDIAG_CLOSE, 2, 80, 1, 1000), /* dead */
		end(TCPDIAG_NEW_SYN_RECV, 2, 80, 1, 1000), /* a request */
		end(TCPDIAG_ESTABLISHED, 3, 80, 1, 1000),
		end(TEARDOWN, 5, 7000, 5, 7000), /* connected to itself */
	};
	size_t i;

	records[1].sk.netns = 2;
	records[2].sk.mptcp = true;
	records[4].sk.kind = TCPDIAG_KIND_REQUEST;
	match(records, ARRAY_SIZE(records));
	for (i = 0; i < ARRAY_SIZE(records); i++)
		ck_assert_uint_eq(records[i].peer, RECORD_NONE);
}
END_TEST

/* A subflow is the end; the MPTCP socket with the same ends is not. */
START_TEST(test_mptcp)
{
	struct record records[] = { end(TEARDOWN, 1, 1000, 2, 80), end(TEARDOWN, 1, 1000, 2, 80),
				    end(TCPDIAG_CLOSE_WAIT, 2, 80, 1, 1000),
				    end(TCPDIAG_CLOSE_WAIT, 2, 80, 1, 1000) };

	records[0].sk.mptcp = records[2].sk.mptcp = true;
	records[1].sk.mptcp_subflow = records[3].sk.mptcp_subflow = true;
	match(records, ARRAY_SIZE(records));
	ck_assert_uint_eq(records[0].peer, RECORD_NONE);
	ck_assert_uint_eq(records[1].peer, 3);
	ck_assert_uint_eq(records[2].peer, RECORD_NONE);
	ck_assert_uint_eq(records[3].peer, 1);
}
END_TEST

/* Two that fit: in whichever order they come and whoever is in teardown, neither is the peer. */
START_TEST(test_ambiguous)
{
	static const uint8_t states[][3] = {
		{ TEARDOWN, TCPDIAG_ESTABLISHED, TCPDIAG_ESTABLISHED },
		{ TEARDOWN, TEARDOWN, TCPDIAG_ESTABLISHED },
		{ TCPDIAG_ESTABLISHED, TEARDOWN, TEARDOWN },
		{ TEARDOWN, TEARDOWN, TEARDOWN },
	};
	size_t i, j, turn;

	for (i = 0; i < ARRAY_SIZE(states); i++)
		for (turn = 0; turn < 3; turn++) {
			struct record records[3];

			records[turn] = end(states[i][0], 2, 80, 1, 1000);
			records[(turn + 1) % 3] = end(states[i][1], 1, 1000, 2, 80);
			records[(turn + 2) % 3] = end(states[i][2], 1, 1000, 2, 80);
			match(records, 3);
			for (j = 0; j < 3; j++)
				ck_assert_msg(records[j].peer == RECORD_NONE, "%zu %zu %zu", i,
					      turn, j);
		}
}
END_TEST

/* Many at once: each finds its own. */
START_TEST(test_many)
{
	enum { PAIRS = 20000 };
	struct record *records = calloc((size_t)PAIRS * 2, sizeof(*records));
	uint32_t i, asked = 0;

	ck_assert_ptr_nonnull(records);
	for (i = 0; i < PAIRS; i++) {
		records[i] = end(i % 4 ? TCPDIAG_ESTABLISHED : TCPDIAG_FIN_WAIT1, 1,
				 (uint16_t)(1024 + i), 2, 80);
		records[PAIRS * 2 - 1 - i] = end(TCPDIAG_ESTABLISHED, 2, 80, 1,
						 (uint16_t)(1024 + i));
	}
	match(records, PAIRS * 2);
	for (i = 0; i < PAIRS; i++) {
		uint32_t other = PAIRS * 2 - 1 - i;

		ck_assert_uint_eq(records[i].peer, i % 4 ? RECORD_NONE : other);
		ck_assert_uint_eq(records[other].peer, i % 4 ? RECORD_NONE : i);
	}
	/* And the filter lets few others pass. */
	for (i = 0; i < PAIRS * 2; i++)
		asked += peers_maybe(&peers, &records[i].sk);
	ck_assert_uint_ge(asked, PAIRS / 4);
	ck_assert_uint_lt(asked, PAIRS);
	free(records);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("peers");
	TCase *tc = tcase_create("peers");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, test_pairs);
	tcase_add_test(tc, test_no_pair);
	tcase_add_test(tc, test_mptcp);
	tcase_add_test(tc, test_ambiguous);
	tcase_add_test(tc, test_many);
	suite_add_tcase(s, tc);
	return s;
}
