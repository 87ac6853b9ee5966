/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What ending something does: sums over sockets one by one, and the verdict on them.
 */
#include "fixture.h"

#include "web/exit.h"

/* ---- the sums and the verdict ---- */

/* One end: its state, what is unread (FIN included), what is not sent, linger 0. */
struct end {
	uint8_t state;
	uint32_t unread, unsent;
	bool zero;
};

static struct tcpdiag_socket socket_of(struct end end)
{
	return (struct tcpdiag_socket){
		.state = end.state,
		.attachment = TCPDIAG_HELD,
		.known = FIXTURE_ALL_KNOWN,
		.rqueue = end.unread,
		.wqueue = end.unsent,
		.notsent_bytes = end.unsent,
		.snd_wnd = end.unsent ? 0 : 65535,
		.linger = end.zero,
		.rto_us = 204000,
	};
}

static const struct tcpdiag_environment environment = {
	.known = TCPDIAG_ENV_FIN_TIMEOUT | TCPDIAG_ENV_ORPHAN_RETRIES | TCPDIAG_ENV_ORPHANS,
	.tcp_fin_timeout = 60,
	.tcp_max_orphans = 8192,
};

#define EST TCPDIAG_ESTABLISHED

/* The one that is closed first, the other; what both send. Measured on a kernel 6.18. */
static const struct {
	struct end first, second;
	int open, finished, fin, none, unread, unsent, orphans;
} pairs[] = {
	{ { EST }, { EST }, 0, 0, 2, 0, 0, 0, 0 },
	/* A RST leaves nothing to say. */
	{ { EST, 10 }, { EST }, 1, 0, 0, 1, 10, 0, 0 },
	{ { EST, 10 }, { EST, 20 }, 1, 0, 0, 1, 10, 0, 0 },
	{ { EST, .zero = true }, { EST, 20 }, 1, 0, 0, 1, 0, 0, 0 },
	/* The FIN has come before the RST. */
	{ { EST }, { EST, 20 }, 0, 1, 1, 0, 20, 0, 0 },
	{ { EST }, { EST, .zero = true }, 0, 1, 1, 0, 0, 0, 0 },
	/* What the first has not sent stands before its FIN: the second resets it with all that. */
	{ { EST, .unsent = 500 }, { EST, 20 }, 1, 0, 0, 1, 20, 500, 0 },
	/* What the second has not sent goes with the first one's RST. */
	{ { EST, 20 }, { EST, .unsent = 500 }, 1, 0, 0, 1, 20, 500, 0 },
	{ { EST, .unsent = 500 }, { EST }, 0, 0, 2, 0, 0, 0, 2 },
	/* Half closed before. */
	{ { TCPDIAG_FIN_WAIT2 }, { TCPDIAG_CLOSE_WAIT, 1 }, 0, 0, 1, 1, 0, 0, 0 },
	{ { TCPDIAG_CLOSE_WAIT, 1 }, { TCPDIAG_FIN_WAIT2 }, 0, 0, 1, 1, 0, 0, 0 },
	{ { TCPDIAG_CLOSE_WAIT, 1 }, { TCPDIAG_FIN_WAIT2, 7 }, 0, 0, 1, 1, 0, 0, 0 },
	{ { TCPDIAG_FIN_WAIT2, 7 }, { TCPDIAG_CLOSE_WAIT, 1 }, 1, 0, 0, 1, 7, 0, 0 },
	{ { TCPDIAG_FIN_WAIT2 }, { TCPDIAG_CLOSE_WAIT, 8 }, 0, 1, 0, 1, 7, 0, 0 },
};

START_TEST(pair)
{
	struct record a = { .sk = socket_of(pairs[_i].first) };
	struct record b = { .sk = socket_of(pairs[_i].second) };
	const struct exit_end first = { .record = &a }, second = { .record = &b };
	struct exit_sums sums;

	exit_pair(&first, &second, &environment, &sums);
	ck_assert_int_eq(sums.count[EXIT_RST_PEER_OPEN], pairs[_i].open);
	ck_assert_int_eq(sums.count[EXIT_RST_PEER_FINISHED], pairs[_i].finished);
	ck_assert_int_eq(sums.count[EXIT_FIN], pairs[_i].fin);
	ck_assert_int_eq(sums.count[EXIT_NONE], pairs[_i].none);
	ck_assert_int_eq(sums.count[EXIT_UNREAD_BYTES], pairs[_i].unread);
	ck_assert_int_eq(sums.count[EXIT_UNSENT_BYTES], pairs[_i].unsent);
	ck_assert_int_eq(sums.count[EXIT_ORPHANS], pairs[_i].orphans);
	ck_assert_int_eq(sums.count[EXIT_PAIRS], 1);
}
END_TEST

/* A client of its own queue: whoever goes first, one RST or none. */
START_TEST(queued)
{
	struct record a = { .sk = socket_of((struct end){ EST }) }, b = a;
	const struct exit_end client = { .record = &a };
	const struct exit_end child = { .record = &b, .queued = true };
	struct exit_sums sums;

	b.sk.attachment = TCPDIAG_UNACCEPTED;
	exit_pair(&child, &client, &environment, &sums);
	ck_assert_int_eq(sums.count[EXIT_NONE], 1);
	ck_assert_int_eq(sums.count[EXIT_LISTENER_RESETS], 0);
	exit_pair(&client, &child, &environment, &sums);
	ck_assert_int_eq(sums.count[EXIT_FIN], 1);
	ck_assert_int_eq(sums.count[EXIT_LISTENER_RESETS], 0);
	/* The listener counts a child that the client has reset: that one gets nothing. */
	a.sk.linger = true;
	exit_pair(&client, &child, &environment, &sums);
	ck_assert_int_eq(sums.count[EXIT_RST_PEER_OPEN], 1);
	ck_assert_int_eq(sums.count[EXIT_LISTENER_RESETS], -1);
}
END_TEST

/* What is counted, and what becomes of clean, harmless and idle: yes 0, no 1, not known 2. */
static const struct {
	enum exit_count count;
	int clean, harmless, idle;
} verdicts[] = {
	{ EXIT_FIN, 0, 0, 0 },
	{ EXIT_NONE, 0, 0, 0 },
	{ EXIT_SURVIVE, 0, 0, 0 },
	{ EXIT_UNSEEN, 0, 0, 0 },
	{ EXIT_ORPHANS, 0, 0, 0 },
	{ EXIT_RST_PEER_OPEN, 1, 1, 1 },
	{ EXIT_RST_PEER_FINISHED, 1, 0, 0 },
	{ EXIT_LISTENER_RESETS, 1, 1, 1 },
	{ EXIT_UNREAD_BYTES, 1, 0, 0 },
	{ EXIT_UNSENT_BYTES, 1, 1, 1 },
	{ EXIT_UNANSWERED, 0, 0, 1 },
	{ EXIT_DOUBT_INPUT, 2, 2, 2 },
	{ EXIT_DOUBT_HOLDERS, 2, 2, 2 },
	{ EXIT_DOUBT_ORDER, 2, 2, 2 },
	{ EXIT_DOUBT_NAMESPACE, 2, 2, 2 },
	{ EXIT_DOUBT_SOURCE, 2, 2, 2 },
	{ EXIT_DOUBT_ANSWERS, 0, 0, 2 },
};

START_TEST(verdict)
{
	struct exit_sums sums = {};

	sums.count[verdicts[_i].count] = 3;
	ck_assert_int_eq(exit_expected(&sums, EXPECT_NOTHING), EXIT_ANSWER_YES);
	ck_assert_int_eq(exit_expected(&sums, EXPECT_CLEAN), verdicts[_i].clean);
	ck_assert_int_eq(exit_expected(&sums, EXPECT_HARMLESS), verdicts[_i].harmless);
	ck_assert_int_eq(exit_expected(&sums, EXPECT_IDLE), verdicts[_i].idle);
	/* That it is not idle is known, whatever else is not. */
	sums.count[EXIT_UNANSWERED] = 1;
	ck_assert_int_eq(exit_expected(&sums, EXPECT_IDLE), 1);
}
END_TEST

/* What is sure is a no, whatever is doubtful besides; what hangs on a doubt is none. */
START_TEST(sure)
{
	struct tcpdiag_socket sk = socket_of((struct end){ EST, 10 });
	struct exit_sums sums = {};

	exit_add(&sums, &sk, DIRECTION_OUTBOUND, &environment);
	sums.count[EXIT_DOUBT_HOLDERS] = 2;
	ck_assert_int_eq(exit_sure(&sums, EXIT_RST_PEER_OPEN), 1);
	ck_assert_int_eq(exit_expected(&sums, EXPECT_CLEAN), EXIT_ANSWER_NO);
	ck_assert_int_eq(exit_expected(&sums, EXPECT_HARMLESS), EXIT_ANSWER_NO);
	ck_assert_int_eq(exit_expected(&sums, EXPECT_IDLE), EXIT_ANSWER_NO);
	exit_unsure(&sums);
	ck_assert_int_eq(exit_sure(&sums, EXIT_RST_PEER_OPEN), 0);
	ck_assert_int_eq(exit_expected(&sums, EXPECT_HARMLESS), EXIT_ANSWER_UNKNOWN);
	/* In repair mode nothing is sent. */
	sums = (struct exit_sums){};
	sk.known &= ~(uint32_t)TCPDIAG_KNOWS_REPAIR;
	exit_add(&sums, &sk, DIRECTION_OUTBOUND, &environment);
	ck_assert_int_eq(sums.count[EXIT_RST_PEER_OPEN], 1);
	ck_assert_int_eq(exit_expected(&sums, EXPECT_CLEAN), EXIT_ANSWER_UNKNOWN);
	/* Another one of which all is known. */
	sk.known = FIXTURE_ALL_KNOWN;
	exit_add(&sums, &sk, DIRECTION_OUTBOUND, &environment);
	ck_assert_int_eq(exit_sure(&sums, EXIT_RST_PEER_OPEN), 1);
	ck_assert_int_eq(exit_expected(&sums, EXPECT_CLEAN), EXIT_ANSWER_NO);
	/* Taken back is as if it had never been there. */
	exit_merge(&sums, &sums, -1);
	ck_assert_int_eq(exit_expected(&sums, EXPECT_CLEAN), EXIT_ANSWER_YES);
}
END_TEST

START_TEST(unanswered)
{
	static const struct {
		uint8_t direction, state;
		uint64_t received, sent;
		uint32_t recv_ms, send_ms;
		int count;
	} rows[] = {
		{ DIRECTION_INBOUND, EST, 10, 10, 5, 100, 1 },
		{ DIRECTION_INBOUND, EST, 10, 10, 100, 5, 0 },
		{ DIRECTION_INBOUND, EST, 10, 0, 100, 100, 1 },
		{ DIRECTION_INBOUND, EST, 0, 10, 5, 100, 0 },
		{ DIRECTION_OUTBOUND, EST, 10, 10, 5, 100, 0 },
		{ DIRECTION_INBOUND, TCPDIAG_CLOSE_WAIT, 1, 0, 5, 5, 0 },
		{ DIRECTION_INBOUND, TCPDIAG_CLOSE_WAIT, 11, 0, 5, 5, 1 },
		{ DIRECTION_INBOUND, TCPDIAG_FIN_WAIT2, 10, 10, 5, 100, 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tcpdiag_socket sk = socket_of((struct end){ rows[i].state });
		struct exit_sums sums = {};

		sk.bytes_received = rows[i].received;
		sk.bytes_sent = rows[i].sent;
		sk.last_data_recv_ms = rows[i].recv_ms;
		sk.last_data_sent_ms = rows[i].send_ms;
		exit_add(&sums, &sk, rows[i].direction, &environment);
		ck_assert_msg(sums.count[EXIT_UNANSWERED] == rows[i].count, "row %zu", i);
		ck_assert_int_eq(sums.count[EXIT_DOUBT_ANSWERS], 0);
		sk.known &= ~(uint32_t)TCPDIAG_KNOWS_INFO;
		exit_add(&sums, &sk, rows[i].direction, &environment);
		ck_assert_int_eq(sums.count[EXIT_DOUBT_ANSWERS],
				 rows[i].direction == DIRECTION_INBOUND &&
					 rows[i].state != TCPDIAG_FIN_WAIT2);
	}
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("exit_sums");
	TCase *sums = tcase_create("sums");

	tcase_add_loop_test(sums, pair, 0, ARRAY_SIZE(pairs));
	tcase_add_test(sums, queued);
	tcase_add_loop_test(sums, verdict, 0, ARRAY_SIZE(verdicts));
	tcase_add_test(sums, sure);
	tcase_add_test(sums, unanswered);
	suite_add_tcase(s, sums);
	return s;
}
