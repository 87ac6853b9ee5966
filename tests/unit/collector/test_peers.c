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

	peers_begin(&peers, true);
	for (i = 0; i < count; i++)
		if (TCPDIAG_STATES_TEARDOWN & TCPDIAG_STATE_BIT(records[i].sk.state))
			ck_assert_int_eq(peers_want(&peers, records, i), 0);
	ck_assert_int_eq(peers_index(&peers), 0);
	for (i = 0; i < count; i++) {
		peers_clear(&records[i]);
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
		end(TCPDIAG_ESTABLISHED, 2, 80, 1, 1000), /* from another address */
		end(TCPDIAG_ESTABLISHED, 2, 80, 1, 1000), /* the MPTCP socket above it */
		end(TCPDIAG_CLOSE, 2, 80, 1, 1000), /* dead */
		end(TCPDIAG_NEW_SYN_RECV, 2, 80, 1, 1000), /* a request */
		end(TCPDIAG_ESTABLISHED, 3, 80, 1, 1000),
		end(TEARDOWN, 5, 7000, 5, 7000), /* connected to itself */
	};
	size_t i;

	records[1].sk.local[15] = 7;
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

/* ---- across namespaces ---- */

static struct record in(uint32_t netns, struct record record)
{
	record.sk.netns = netns;
	return record;
}

/* 127.0.0.1 > 127.0.0.1, or ::1 */
static struct record loopback(uint32_t netns, uint8_t state, uint16_t from_port, uint16_t to_port,
			      bool six)
{
	struct record record = end(state, 1, from_port, 1, to_port);
	uint8_t *ends[] = { record.sk.local, record.sk.remote };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		memset(ends[i] + 10, six ? 0 : 0xff, 2);
		ends[i][12] = six ? 0 : 127;
	}
	return in(netns, record);
}

/* A veth pair, v4-mapped or not: whoever is in which namespace. */
START_TEST(test_across)
{
	struct record records[] = {
		in(7, end(TEARDOWN, 1, 1000, 2, 80)),
		in(8, end(TCPDIAG_CLOSE_WAIT, 2, 80, 1, 1000)),
		in(9, end(TCPDIAG_ESTABLISHED, 1, 1001, 2, 80)),
		in(7, end(TCPDIAG_LAST_ACK, 2, 80, 1, 1001)),
		in(7, end(TCPDIAG_TIME_WAIT, 1, 1002, 2, 80)),
		in(8, end(TCPDIAG_LAST_ACK, 2, 80, 1, 1002)),
	};
	uint32_t i;

	records[1].sk.mapped = true;
	records[1].sk.family = AF_INET6;
	records[4].sk.kind = TCPDIAG_KIND_TIMEWAIT;
	match(records, ARRAY_SIZE(records));
	for (i = 0; i < ARRAY_SIZE(records); i++) {
		ck_assert_uint_eq(records[i].peer, i ^ 1);
		ck_assert_int_eq(records[i].peer_unknown, PEER_UNKNOWN_NONE);
	}
}
END_TEST

/* Each namespace has its own loopback, and an address reaches itself without leaving. */
START_TEST(test_loopback)
{
	struct record records[] = {
		loopback(1, TEARDOWN, 1000, 80, false),
		loopback(1, TCPDIAG_CLOSE_WAIT, 80, 1000, false),
		loopback(2, TEARDOWN, 1000, 80, false),
		loopback(2, TCPDIAG_CLOSE_WAIT, 80, 1000, false),
		loopback(1, TEARDOWN, 1000, 80, true),
		loopback(1, TCPDIAG_CLOSE_WAIT, 80, 1000, true),
		in(1, end(TEARDOWN, 4, 1000, 4, 80)),
		in(1, end(TCPDIAG_CLOSE_WAIT, 4, 80, 4, 1000)),
		in(2, end(TEARDOWN, 4, 1000, 4, 80)),
		in(2, end(TCPDIAG_CLOSE_WAIT, 4, 80, 4, 1000)),
		loopback(3, TEARDOWN, 1000, 80, false), /* those of the others are not its own */
		in(3, end(TEARDOWN, 4, 1000, 4, 80)),
	};
	uint32_t i;

	match(records, ARRAY_SIZE(records));
	for (i = 0; i < 10; i++)
		ck_assert_uint_eq(records[i].peer, i ^ 1);
	for (; i < ARRAY_SIZE(records); i++) {
		ck_assert_uint_eq(records[i].peer, RECORD_NONE);
		ck_assert_int_eq(records[i].peer_unknown, PEER_NOT_FOUND);
	}
}
END_TEST

/* Two that fit: in whichever order they come and whoever is in teardown, neither is the peer. */
START_TEST(test_ambiguous)
{
	static const uint8_t states[][3] = {
		{ TCPDIAG_FIN_WAIT1, TCPDIAG_ESTABLISHED, TCPDIAG_ESTABLISHED },
		{ TCPDIAG_FIN_WAIT1, TCPDIAG_FIN_WAIT1, TCPDIAG_ESTABLISHED },
		{ TCPDIAG_ESTABLISHED, TCPDIAG_FIN_WAIT1, TCPDIAG_FIN_WAIT1 },
		{ TCPDIAG_ESTABLISHED, TCPDIAG_FIN_WAIT1, TCPDIAG_ESTABLISHED },
		{ TCPDIAG_FIN_WAIT1, TCPDIAG_FIN_WAIT1, TCPDIAG_FIN_WAIT1 },
	};
	size_t i, j, turn;

	for (i = 0; i < ARRAY_SIZE(states); i++)
		for (turn = 0; turn < 3; turn++) {
			struct record records[3];
			bool torn;

			records[turn] = in(1, end(states[i][0], 2, 80, 1, 1000));
			records[(turn + 1) % 3] = in(2, end(states[i][1], 1, 1000, 2, 80));
			records[(turn + 2) % 3] = in(3, end(states[i][2], 1, 1000, 2, 80));
			match(records, 3);
			for (j = 0; j < 3; j++) {
				torn = records[j].sk.state == TCPDIAG_FIN_WAIT1;
				ck_assert_msg(records[j].peer == RECORD_NONE, "%zu %zu %zu", i,
					      turn, j);
				ck_assert_int_eq(records[j].peer_unknown,
						 torn ? PEER_SEVERAL : PEER_NOT_LOOKED_FOR);
			}
		}
}
END_TEST

/* Two networks of containers with the same addresses: four sockets, and who belongs to whom is not told. */
START_TEST(test_overlapping)
{
	struct record records[] = {
		in(1, end(TEARDOWN, 1, 1000, 2, 80)),
		in(2, end(TCPDIAG_CLOSE_WAIT, 2, 80, 1, 1000)),
		in(3, end(TEARDOWN, 1, 1000, 2, 80)),
		in(4, end(TCPDIAG_CLOSE_WAIT, 2, 80, 1, 1000)),
		in(3, end(TEARDOWN, 1, 1001, 2, 80)), /* this one alone has its ports */
		in(4, end(TCPDIAG_CLOSE_WAIT, 2, 80, 1, 1001)),
	};
	uint32_t i;

	match(records, ARRAY_SIZE(records));
	for (i = 0; i < 4; i++) {
		ck_assert_uint_eq(records[i].peer, RECORD_NONE);
		ck_assert_int_eq(records[i].peer_unknown, PEER_SEVERAL);
	}
	ck_assert_uint_eq(records[4].peer, 5);
	ck_assert_uint_eq(records[5].peer, 4);
}
END_TEST

/* Of two that have the ends, the one whose state rules it out does not count: after a while only. */
START_TEST(test_impossible)
{
	struct record records[] = {
		in(1, end(TEARDOWN, 1, 1000, 2, 80)),
		in(2, end(TCPDIAG_CLOSE_WAIT, 2, 80, 1, 1000)),
		in(3, end(TCPDIAG_ESTABLISHED, 1, 1000, 2, 80)), /* another pair: both are open */
		in(4, end(TCPDIAG_ESTABLISHED, 2, 80, 1, 1000)),
	};
	uint32_t i;

	for (i = 0; i < ARRAY_SIZE(records); i++) {
		records[i].state_since_ns = 100 * NSEC_PER_SEC;
		records[i].seen_ns = 101 * NSEC_PER_SEC;
	}
	match(records, ARRAY_SIZE(records));
	for (i = 0; i < ARRAY_SIZE(records); i++)
		ck_assert_uint_eq(records[i].peer, RECORD_NONE);
	ck_assert_int_eq(records[0].peer_unknown, PEER_SEVERAL);
	ck_assert_int_eq(records[1].peer_unknown, PEER_SEVERAL);

	for (i = 0; i < ARRAY_SIZE(records); i++)
		records[i].seen_ns = 106 * NSEC_PER_SEC;
	match(records, ARRAY_SIZE(records));
	ck_assert_uint_eq(records[0].peer, 1);
	ck_assert_uint_eq(records[1].peer, 0);
	ck_assert_uint_eq(records[2].peer, RECORD_NONE);
	ck_assert_uint_eq(records[3].peer, RECORD_NONE);
	ck_assert_int_eq(records[2].peer_unknown, PEER_NOT_LOOKED_FOR);

	/* One that an old look has shown, before this one was in its state, may be anything by now. */
	records[3].seen_ns = 99 * NSEC_PER_SEC;
	match(records, ARRAY_SIZE(records));
	ck_assert_uint_eq(records[0].peer, RECORD_NONE);
	ck_assert_int_eq(records[0].peer_unknown, PEER_SEVERAL);
}
END_TEST

/* Why nobody is there. */
START_TEST(test_why_not)
{
	struct record records[] = {
		end(TEARDOWN, 1, 1000, 2, 80),
		end(TEARDOWN, 1, 1000, 3, 80), /* the address of somebody here */
		end(TCPDIAG_ESTABLISHED, 1, 1001, 2, 80),
		end(TCPDIAG_LISTEN, 3, 80, 0, 0),
		end(TCPDIAG_CLOSE, 1, 1002, 2, 80),
	};

	addresses_add(&peers.addresses, records[3].sk.local, 1);
	match(records, ARRAY_SIZE(records));
	ck_assert_int_eq(records[0].peer_unknown, PEER_NOT_HERE);
	ck_assert_int_eq(records[1].peer_unknown, PEER_NOT_FOUND);
	ck_assert_int_eq(records[2].peer_unknown, PEER_NOT_LOOKED_FOR);
	ck_assert_int_eq(records[3].peer_unknown, PEER_UNKNOWN_NONE);
	ck_assert_int_eq(records[4].peer_unknown, PEER_UNKNOWN_NONE);

	peers_begin(&peers, false);
	ck_assert_int_eq(peers_want(&peers, records, 0), 0);
	ck_assert_int_eq(peers_index(&peers), 0);
	peers_clear(&records[0]);
	peers_settle(&peers, records);
	ck_assert_int_eq(records[0].peer_unknown, PEER_NOT_SEEN);
}
END_TEST

/* ---- own addresses ---- */

static void address(uint8_t ret[static 16], uint32_t number)
{
	memset(ret, 0, 16);
	ret[0] = 0xfd;
	memcpy(ret + 12, &number, sizeof(number));
}

START_TEST(test_addresses)
{
	struct addresses *own = &peers.addresses;
	uint8_t text[16] = {};
	uint32_t i;

	address(text, 1);
	ck_assert(!addresses_has(own, text));
	for (i = 0; i < ADDRESSES_MAX; i++) {
		address(text, i);
		addresses_add(own, text, 10);
		addresses_add(own, text, 10);
	}
	ck_assert_uint_eq(own->count, ADDRESSES_MAX);
	ck_assert(!own->full);
	for (i = 0; i < ADDRESSES_MAX; i++) {
		address(text, i);
		ck_assert(addresses_has(own, text));
	}
	address(text, ADDRESSES_MAX);
	addresses_add(own, text, 11);
	ck_assert(own->full);
	ck_assert(!addresses_has(own, text));

	/* Those that nobody uses any more make room. */
	address(text, 5);
	addresses_add(own, text, 20);
	addresses_expire(own, 15);
	ck_assert_uint_eq(own->count, 1);
	ck_assert(addresses_has(own, text));
	address(text, 6);
	ck_assert(!addresses_has(own, text));
	addresses_add(own, text, 20);
	ck_assert(addresses_has(own, text));

	/* Any address is nobody's. */
	memset(text, 0, 16);
	addresses_add(own, text, 20);
	ck_assert(!addresses_has(own, text));
	memset(text + 10, 0xff, 2);
	addresses_add(own, text, 20);
	ck_assert(!addresses_has(own, text));
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
	tcase_add_test(tc, test_across);
	tcase_add_test(tc, test_loopback);
	tcase_add_test(tc, test_ambiguous);
	tcase_add_test(tc, test_overlapping);
	tcase_add_test(tc, test_impossible);
	tcase_add_test(tc, test_why_not);
	tcase_add_test(tc, test_addresses);
	tcase_add_test(tc, test_many);
	suite_add_tcase(s, tc);
	return s;
}
