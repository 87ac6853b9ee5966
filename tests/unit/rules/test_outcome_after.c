/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What comes after close(): how long an orphan lives and how it ends, by the formulas of net/ipv4/tcp_timer.c,
 * whose branches at the machine's limits no conformance row may reach; who else holds a socket; and where
 * kernels differ.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <tcpdiag/outcome.h>

#include "../harness.h"

#define KNOWN \
	(TCPDIAG_KNOWS_INFO | TCPDIAG_KNOWS_NOTSENT | TCPDIAG_KNOWS_SND_WND | \
	 TCPDIAG_KNOWS_SKMEM | TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_LINGER2 | \
	 TCPDIAG_KNOWS_REPAIR | TCPDIAG_KNOWS_USER_TIMEOUT | TCPDIAG_KNOWS_ERROR)

static const struct tcpdiag_environment host = {
	.known = TCPDIAG_ENV_FIN_TIMEOUT | TCPDIAG_ENV_ORPHAN_RETRIES | TCPDIAG_ENV_RTO_MAX |
		 TCPDIAG_ENV_ORPHANS | TCPDIAG_ENV_TIMEWAITS | TCPDIAG_ENV_MEMORY |
		 TCPDIAG_ENV_MIGRATE | TCPDIAG_ENV_SYNACK_RETRIES | TCPDIAG_ENV_FASTCLOSE |
		 TCPDIAG_ENV_DEFERRED_FIN,
	.tcp_fin_timeout = 60,
	.tcp_rto_max_ms = 120000,
	.tcp_synack_retries = 5,
	.tcp_max_orphans = 1000,
	.tcp_max_tw_buckets = 1000,
	.tcp_mem = { 100, 200, 300 },
	.mptcp_fastclose = true,
	.deferred_fin = true,
};

/* An orphan whose FIN is out, RTO 200 ms, nothing repeated yet. */
static struct tcpdiag_socket orphan(void)
{
	return (struct tcpdiag_socket){
		.state = TCPDIAG_FIN_WAIT1,
		.attachment = TCPDIAG_ORPHAN,
		.family = AF_INET,
		.known = KNOWN,
		.rto_us = 200000,
		.wqueue = 1,
		.unacked = 1,
		.snd_wnd = 65535,
		.timer = TCPDIAG_TIMER_RETRANSMIT,
	};
}

static struct tcpdiag_socket prober(void)
{
	struct tcpdiag_socket sk = orphan();

	sk.snd_wnd = 0;
	sk.unacked = 0;
	sk.timer = TCPDIAG_TIMER_PROBE;
	sk.expires_ms = 200;
	sk.wqueue = 5;
	sk.notsent_bytes = 5;
	return sk;
}

static struct tcpdiag_then fate(const struct tcpdiag_socket *sk,
				const struct tcpdiag_environment *env, enum tcpdiag_rule expected)
{
	struct tcpdiag_then then;
	enum tcpdiag_rule rule;

	ck_assert_int_eq(tcpdiag_fate(sk, env, &then, &rule), 0);
	ck_assert_str_eq(tcpdiag_rule_id(rule), tcpdiag_rule_id(expected));
	return then;
}

/*
 * Retransmissions at R, 3R, 7R... The time since the first one must reach 511 * 200 ms with 8 retries;
 * before the first one a tail loss probe may take an RTO more.
 */
static const struct {
	const char *name;
	uint32_t retries, user_timeout_ms, rto_max_ms;
	uint8_t done; /* retransmissions and backoff */
	bool icmp;
	int64_t at_most_ms;
} lives[] = {
	{ "default", 0, 0, 120000, 0, false, 400 + 204400 },
	{ "one retry: 600 ms", 1, 0, 120000, 0, false, 400 + 1200 },
	{ "three: 3000 ms", 3, 0, 120000, 0, false, 400 + 6000 },
	{ "under way: 4 done, 2.8 s gone", 3, 0, 120000, 4, false, 3200 },
	{ "at the largest RTO none is left", 0, 0, 1000, 0, false, 400 + 400 + 800 + 1000 },
	{ "with some set the largest RTO counts", 5, 0, 1000, 0, false,
	  400 + 400 + 800 + 4 * 1000 },
	{ "an ICMP error spends those", 5, 0, 1000, 0, true, 400 + 400 + 800 + 1000 },
	{ "TCP_USER_TIMEOUT is shorter", 0, 700, 120000, 0, false, 400 + 700 },
	{ "and longer", 1, 60000, 120000, 0, false, 400 + 60000 },
	{ "a day of it", 0, 86400000, 120000, 0, false, 400 + 86400000 },
};

START_TEST(test_life)
{
	struct tcpdiag_environment env = host;
	struct tcpdiag_socket sk = orphan();
	struct tcpdiag_then then;

	env.tcp_orphan_retries = lives[_i].retries;
	env.tcp_rto_max_ms = lives[_i].rto_max_ms;
	sk.user_timeout_ms = lives[_i].user_timeout_ms;
	sk.retransmits = sk.backoff = lives[_i].done;
	sk.rto_us <<= lives[_i].done;
	sk.soft_error = lives[_i].icmp;
	then = fate(&sk, &env, TCPDIAG_RULE_FATE_RETRIES);
	ck_assert_uint_eq(then.ends_with, TCPDIAG_ENDS_SILENT);
	ck_assert_uint_eq(then.unknown, 0);
	/* A day is waited for in steps of the largest RTO: the last may go beyond. */
	ck_assert_msg(then.at_most_ms >= lives[_i].at_most_ms &&
			      then.at_most_ms <=
				      lives[_i].at_most_ms +
					      (lives[_i].user_timeout_ms > 1000000 ? 120000 : 0),
		      "%s: %lld ms", lives[_i].name, (long long)then.at_most_ms);
}
END_TEST

START_TEST(test_window)
{
	struct tcpdiag_environment env = host;
	struct tcpdiag_socket sk = prober();
	struct tcpdiag_then then;

	/* 0.2 s doubled until 120 s are reached: 0.2 * 1023 + 120 s. */
	then = fate(&sk, &env, TCPDIAG_RULE_FATE_ZERO_WINDOW);
	ck_assert_int_eq(then.at_most_ms, 204600 + 120000);
	/* The time since the first probe, never more than without. */
	sk.user_timeout_ms = 5000;
	then = fate(&sk, &env, TCPDIAG_RULE_FATE_ZERO_WINDOW);
	ck_assert_int_eq(then.at_most_ms, 200 + 5000);
	sk.user_timeout_ms = 86400000;
	then = fate(&sk, &env, TCPDIAG_RULE_FATE_ZERO_WINDOW);
	ck_assert_int_eq(then.at_most_ms, 204600 + 120000);
	/* Before 5.11 it was looked at when a probe was due: 0.2 * (2^6 - 1) s. */
	env.known &= ~(uint32_t)TCPDIAG_ENV_MIGRATE;
	sk.user_timeout_ms = 5000;
	then = fate(&sk, &env, TCPDIAG_RULE_FATE_ZERO_WINDOW);
	ck_assert_int_eq(then.at_most_ms, 6200);
	/* It only shortens: not to know it makes no other bound. */
	sk.known &= ~(uint32_t)TCPDIAG_KNOWS_USER_TIMEOUT;
	then = fate(&sk, &env, TCPDIAG_RULE_FATE_ZERO_WINDOW);
	ck_assert_int_eq(then.at_most_ms, 204600 + 120000);
	ck_assert_uint_eq(then.unknown, 0);
}
END_TEST

/* Over the limit: as is, with one penalty, with two. */
static const struct {
	const char *name;
	uint64_t orphans, memory_pages;
	uint32_t idle_ms, wmem_queued;
	bool icmp, data;
	int64_t at_most_ms; /* 0: no limit is met */
} limits[] = {
	{ "below", 500, 0, 0, 0, false, false, 0 },
	{ "all of it", 1001, 0, 0, 0, false, false, 400 },
	{ "a half, after an ICMP error", 501, 0, 0, 0, true, false, 400 },
	{ "a half, idle for more than two largest RTOs", 501, 0, 240001, 0, false, false, 400 },
	{ "a quarter, both", 251, 0, 240001, 0, true, false, 400 },
	{ "a quarter, one of them", 251, 0, 240001, 0, false, false, 0 },
	{ "TCP memory and a queue", 0, 301, 0, 4609, false, false, 400 },
	{ "TCP memory and no queue", 0, 301, 0, 4608, false, false, 0 },
	/* Data that is sent again is sent, a FIN is none: its idle time passes 240 s, but not its life. */
	{ "idle soon, a FIN: 1, 3, 7... firings", 501, 0, 239000, 0, false, false,
	  400 + 400 + 800 },
	{ "idle soon, data", 501, 0, 239000, 0, false, true, 400 + 400 + 800 },
};

START_TEST(test_limit)
{
	struct tcpdiag_environment env = host;
	struct tcpdiag_socket sk = orphan();
	bool met = limits[_i].at_most_ms > 0;
	struct tcpdiag_then then;

	env.orphans = limits[_i].orphans;
	env.memory_pages = limits[_i].memory_pages;
	sk.last_data_sent_ms = limits[_i].idle_ms;
	sk.wmem_queued = limits[_i].wmem_queued;
	sk.soft_error = limits[_i].icmp;
	if (limits[_i].data) {
		/* Only the tail loss probe's time passes before data is sent again. */
		sk.wqueue = 1001;
		met = false;
	}
	then = fate(&sk, &env, met ? TCPDIAG_RULE_FATE_ORPHAN_LIMIT : TCPDIAG_RULE_FATE_RETRIES);
	ck_assert_msg(then.ends_with == (met ? TCPDIAG_ENDS_RST : TCPDIAG_ENDS_SILENT), "%s",
		      limits[_i].name);
	if (met)
		ck_assert_msg(then.at_most_ms == limits[_i].at_most_ms, "%s: %lld", limits[_i].name,
			      (long long)then.at_most_ms);
}
END_TEST

/* 70,022 orphans of 131,072: one before a closed window that has sent nothing for 241 s. */
START_TEST(test_limit_of_a_prober)
{
	struct tcpdiag_environment env = host;
	struct tcpdiag_socket sk = prober();
	struct tcpdiag_then then;

	env.orphans = 70022;
	env.tcp_max_orphans = 131072;
	sk.last_data_sent_ms = 241000;
	then = fate(&sk, &env, TCPDIAG_RULE_FATE_ORPHAN_LIMIT);
	ck_assert_int_eq(then.at_most_ms, 200);
	ck_assert_uint_eq(then.ends_with, TCPDIAG_ENDS_RST);
	/* Later, when it has been idle for so long: 0.2 * 1023 s are not enough, with 120 s more it is over. */
	sk.last_data_sent_ms = 0;
	fate(&sk, &env, TCPDIAG_RULE_FATE_ZERO_WINDOW);
	sk.last_data_sent_ms = 140000;
	then = fate(&sk, &env, TCPDIAG_RULE_FATE_ORPHAN_LIMIT);
	ck_assert_int_eq(then.at_most_ms, 102200);
}
END_TEST

START_TEST(test_limit_after_close)
{
	struct tcpdiag_environment env = host;
	struct tcpdiag_socket sk = orphan();
	struct tcpdiag_outcome outcome;

	sk.attachment = TCPDIAG_HELD;
	sk.state = TCPDIAG_ESTABLISHED;
	sk.wqueue = sk.unacked = 0;
	sk.soft_error = true;
	env.orphans = 501;
	ck_assert_int_eq(tcpdiag_outcome(&sk, TCPDIAG_OP_CLOSE, &env, &outcome), 0);
	ck_assert_uint_eq(outcome.result.rule, TCPDIAG_RULE_CLOSE_FIN);
	ck_assert_uint_eq(outcome.result.then.ends_with, TCPDIAG_ENDS_RST);
	ck_assert_int_eq(outcome.result.then.at_most_ms, 400);
	ck_assert(outcome.certain);
}
END_TEST

/* What is not known is said, and the number stays what it is without. */
START_TEST(test_unknown_fate)
{
	struct tcpdiag_socket sk = orphan();
	struct tcpdiag_then then;

	sk.known &= ~(uint32_t)(TCPDIAG_KNOWS_USER_TIMEOUT | TCPDIAG_KNOWS_LINGER2);
	then = fate(&sk, &host, TCPDIAG_RULE_FATE_RETRIES);
	ck_assert_int_gt(then.at_most_ms, 102200);
	ck_assert_uint_eq(then.unknown, TCPDIAG_INPUT_USER_TIMEOUT | TCPDIAG_INPUT_LINGER2);
	/* After CLOSE-WAIT there is no FIN-WAIT-2. */
	sk.state = TCPDIAG_LAST_ACK;
	then = fate(&sk, &host, TCPDIAG_RULE_FATE_RETRIES);
	ck_assert_uint_eq(then.unknown, TCPDIAG_INPUT_USER_TIMEOUT);
}
END_TEST

/* With a negative TCP_LINGER2 the acknowledgement of the FIN is answered with a RST. */
START_TEST(test_linger2_negative)
{
	static const struct {
		enum tcpdiag_state state;
		enum tcpdiag_end end;
	} rows[] = {
		{ TCPDIAG_ESTABLISHED, TCPDIAG_ENDS_RST },
		{ TCPDIAG_SYN_RECV, TCPDIAG_ENDS_RST },
		{ TCPDIAG_FIN_WAIT1, TCPDIAG_ENDS_RST },
		{ TCPDIAG_CLOSING, TCPDIAG_ENDS_SILENT },
		{ TCPDIAG_CLOSE_WAIT, TCPDIAG_ENDS_SILENT },
		{ TCPDIAG_LAST_ACK, TCPDIAG_ENDS_SILENT },
	};
	struct tcpdiag_socket sk = orphan();
	struct tcpdiag_result result;
	size_t i;

	sk.attachment = TCPDIAG_HELD;
	sk.linger2_ms = -1;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		sk.state = (uint8_t)rows[i].state;
		ck_assert_int_eq(tcpdiag_result(&sk, TCPDIAG_OP_CLOSE, &host, &result), 0);
		ck_assert_uint_eq(result.then.attachment, TCPDIAG_ORPHAN);
		ck_assert_uint_eq(result.then.ends_with, rows[i].end);
	}
}
END_TEST

/* A full orphan in FIN-WAIT-2: the time above 60 s is served again, or tcp_keepalive_timer() resets. */
START_TEST(test_fin_wait2_orphan)
{
	static const struct {
		int64_t linger2_ms, at_most_ms;
		enum tcpdiag_end end;
	} rows[] = {
		{ 62000, 1500 + 2000, TCPDIAG_ENDS_SILENT },
		{ 0, 1500, TCPDIAG_ENDS_RST },
		{ 30000, 1500, TCPDIAG_ENDS_RST },
		{ -1, 1500, TCPDIAG_ENDS_RST },
	};
	struct tcpdiag_socket sk = orphan();
	struct tcpdiag_then then;
	size_t i;

	sk.state = TCPDIAG_FIN_WAIT2;
	sk.expires_ms = 1500;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		sk.linger2_ms = rows[i].linger2_ms;
		then = fate(&sk, &host, TCPDIAG_RULE_FATE_FIN_WAIT2);
		ck_assert_int_eq(then.at_most_ms, rows[i].at_most_ms);
		ck_assert_uint_eq(then.ends_with, rows[i].end);
	}
	sk.known &= ~(uint32_t)TCPDIAG_KNOWS_LINGER2;
	then = fate(&sk, &host, TCPDIAG_RULE_FATE_FIN_WAIT2);
	ck_assert_int_eq(then.at_most_ms, 1500 + 60000);
	ck_assert_uint_eq(then.unknown, TCPDIAG_INPUT_LINGER2);
}
END_TEST

/* A child of a fast open repeats its SYN,ACK tcp_synack_retries times and once more: 1 + 2 + ... + 64 s. */
START_TEST(test_fast_open)
{
	struct tcpdiag_environment env = host;
	struct tcpdiag_socket sk = orphan();
	struct tcpdiag_result result;

	sk.state = TCPDIAG_SYN_RECV;
	sk.attachment = TCPDIAG_HELD;
	env.tcp_orphan_retries = 1;
	ck_assert_int_eq(tcpdiag_result(&sk, TCPDIAG_OP_CLOSE, &env, &result), 0);
	ck_assert_int_eq(result.then.at_most_ms, 127000);
	env.known &= ~(uint32_t)TCPDIAG_ENV_SYNACK_RETRIES;
	ck_assert_int_eq(tcpdiag_result(&sk, TCPDIAG_OP_CLOSE, &env, &result), 0);
	ck_assert_int_eq(result.then.at_most_ms, TCPDIAG_NOT_KNOWN);
}
END_TEST

/* Who holds it besides; references of which the smaller one of two readings counts. */
static const struct {
	const char *name;
	uint16_t descriptors, processes;
	uint32_t references, steady;
	bool known;
	uint8_t holding;
} holds[] = {
	{ "the last one", 1, 1, 1, 1, true, 0 },
	{ "the last one, read once", 1, 1, 1, 0, true, 0 },
	{ "a forked child", 2, 2, 2, 2, true, TCPDIAG_HOLDING_PROCESS },
	{ "a duplicate", 2, 1, 2, 2, true, TCPDIAG_HOLDING_DUPLICATE },
	{ "both", 3, 2, 3, 3, true, TCPDIAG_HOLDING_PROCESS | TCPDIAG_HOLDING_DUPLICATE },
	{ "a call, seen twice", 1, 1, 2, 2, true, TCPDIAG_HOLDING_CALL },
	{ "a call, seen once", 1, 1, 2, 0, false, 0 },
	{ "a call that was over in between", 1, 1, 2, 1, false, 0 },
	{ "a child and a call", 2, 2, 3, 3, true, TCPDIAG_HOLDING_PROCESS | TCPDIAG_HOLDING_CALL },
	{ "fewer references than descriptors: two times", 2, 2, 1, 1, false, 0 },
	{ "no descriptor was seen", 0, 0, 1, 1, false, 0 },
};

START_TEST(test_holding)
{
	struct tcpdiag_socket sk = orphan();
	struct tcpdiag_outcome outcome;

	sk.attachment = TCPDIAG_HELD;
	sk.known |= TCPDIAG_KNOWS_DESCRIPTORS | TCPDIAG_KNOWS_REFERENCES;
	sk.descriptors = holds[_i].descriptors;
	sk.processes = holds[_i].processes;
	sk.references = holds[_i].references;
	sk.steady_references = holds[_i].steady;
	ck_assert_int_eq(tcpdiag_outcome(&sk, TCPDIAG_OP_CLOSE, &host, &outcome), 0);
	ck_assert_msg(outcome.holding_known == holds[_i].known, "%s", holds[_i].name);
	ck_assert_msg(outcome.holding == holds[_i].holding, "%s: %u", holds[_i].name,
		      outcome.holding);
	/* What an exit ends are all of them. */
	ck_assert_int_eq(tcpdiag_outcome(&sk, TCPDIAG_OP_EXIT, &host, &outcome), 0);
	ck_assert(!outcome.holding_known && !outcome.holding);
}
END_TEST

/* Its last close() lingers: that one may go on blocking, nothing else can be done. */
START_TEST(test_closing)
{
	struct tcpdiag_socket sk = orphan();
	struct tcpdiag_outcome outcome;
	struct tcpdiag_then then;
	enum tcpdiag_rule rule;
	int op;

	sk.attachment = TCPDIAG_UNHELD;
	sk.inode = 7;
	sk.known |= TCPDIAG_KNOWS_REFERENCES;
	sk.linger = true;
	sk.sk_lingertime_ms = 5000;
	ck_assert_int_eq(tcpdiag_outcome(&sk, TCPDIAG_OP_CLOSE, &host, &outcome), 0);
	ck_assert_uint_eq(outcome.result.rule, TCPDIAG_RULE_CLOSE_FIN_SENT);
	ck_assert_int_eq(outcome.result.blocks_ms, 5000);
	ck_assert_uint_eq(outcome.result.then.attachment, TCPDIAG_ORPHAN);
	for (op = TCPDIAG_OP_EXIT; op < TCPDIAG_OP_MAX; op++)
		ck_assert_int_eq(tcpdiag_outcome(&sk, op, &host, &outcome), -EOPNOTSUPP);
	ck_assert_int_eq(tcpdiag_fate(&sk, &host, &then, &rule), -EOPNOTSUPP);
	/* Passed in a message: whoever gets it can do all of that. */
	sk.references = 1;
	ck_assert_int_eq(tcpdiag_outcome(&sk, TCPDIAG_OP_SHUTDOWN_READ, &host, &outcome), 0);
	ck_assert_int_eq(tcpdiag_outcome(&sk, TCPDIAG_OP_EXIT, &host, &outcome), -EOPNOTSUPP);
}
END_TEST

START_TEST(test_siblings)
{
	struct tcpdiag_environment env = host;
	struct tcpdiag_socket sk = orphan();
	struct tcpdiag_outcome outcome;

	sk.attachment = TCPDIAG_UNACCEPTED;
	sk.state = TCPDIAG_ESTABLISHED;
	sk.known |= TCPDIAG_KNOWS_SIBLINGS;
	sk.siblings = 1;
	/* Without the sysctl nothing moves. */
	ck_assert_int_eq(tcpdiag_outcome(&sk, TCPDIAG_OP_LISTENER_CLOSE, &env, &outcome), 0);
	ck_assert_uint_eq(outcome.result.rule, TCPDIAG_RULE_CHILD_RESET);
	ck_assert(outcome.certain);
	env.tcp_migrate_req = true;
	ck_assert_int_eq(tcpdiag_outcome(&sk, TCPDIAG_OP_LISTENER_CLOSE, &env, &outcome), 0);
	ck_assert_uint_eq(outcome.result.rule, TCPDIAG_RULE_CHILD_MIGRATES);
	ck_assert(outcome.certain);
	sk.siblings = 0;
	ck_assert_int_eq(tcpdiag_outcome(&sk, TCPDIAG_OP_LISTENER_CLOSE, &env, &outcome), 0);
	ck_assert_uint_eq(outcome.result.rule, TCPDIAG_RULE_CHILD_RESET);
	ck_assert(outcome.certain);
	sk.known &= ~(uint32_t)TCPDIAG_KNOWS_SIBLINGS;
	ck_assert_int_eq(tcpdiag_outcome(&sk, TCPDIAG_OP_LISTENER_CLOSE, &env, &outcome), 0);
	ck_assert_uint_eq(outcome.unknown, TCPDIAG_INPUT_SIBLING);
}
END_TEST

/* close() of an MPTCP socket, by kernel. */
static const struct {
	const char *name;
	bool told, fastclose; /* the kernel gives itself away */
	bool fallback, unread, zero;
	enum tcpdiag_rule rule;
	uint8_t unknown;
} mptcps[] = {
	{ "5.15 unread", true, false, false, true, false, TCPDIAG_RULE_CLOSE_MPTCP, 0 },
	{ "6.0 or 6.1 unread", false, false, false, true, false, TCPDIAG_RULE_CLOSE_MPTCP_FASTCLOSE,
	  TCPDIAG_INPUT_KERNEL },
	{ "6.6 unread", true, true, false, true, false, TCPDIAG_RULE_CLOSE_MPTCP_FASTCLOSE, 0 },
	{ "6.6 nothing unread", true, true, false, false, false, TCPDIAG_RULE_CLOSE_MPTCP, 0 },
	{ "linger 0", true, true, false, false, true, TCPDIAG_RULE_CLOSE_MPTCP_FASTCLOSE,
	  TCPDIAG_INPUT_KERNEL },
	{ "linger 0, unread", true, true, false, true, true, TCPDIAG_RULE_CLOSE_MPTCP_FASTCLOSE,
	  0 },
	{ "fallback", true, true, true, false, false, TCPDIAG_RULE_CLOSE_MPTCP, 0 },
	{ "fallback, unread", true, true, true, true, false, TCPDIAG_RULE_CLOSE_MPTCP_FALLBACK,
	  TCPDIAG_INPUT_KERNEL },
	{ "fallback, linger 0", true, true, true, false, true, TCPDIAG_RULE_CLOSE_LINGER_ZERO,
	  TCPDIAG_INPUT_KERNEL },
};

START_TEST(test_mptcp)
{
	struct tcpdiag_environment env = host;
	struct tcpdiag_socket sk = orphan();
	struct tcpdiag_outcome outcome;

	env.known &= mptcps[_i].told ? UINT32_MAX : ~(uint32_t)TCPDIAG_ENV_FASTCLOSE;
	env.mptcp_fastclose = mptcps[_i].fastclose;
	sk.mptcp = true;
	sk.attachment = TCPDIAG_HELD;
	sk.state = TCPDIAG_ESTABLISHED;
	sk.wqueue = sk.unacked = 0;
	sk.known |= TCPDIAG_KNOWS_FALLBACK;
	sk.mptcp_fallback = mptcps[_i].fallback;
	sk.rqueue = mptcps[_i].unread ? 837 : 0;
	sk.linger = mptcps[_i].zero;
	ck_assert_int_eq(tcpdiag_outcome(&sk, TCPDIAG_OP_CLOSE, &env, &outcome), 0);
	ck_assert_msg(outcome.result.rule == mptcps[_i].rule, "%s: %s", mptcps[_i].name,
		      tcpdiag_rule_id(outcome.result.rule));
	ck_assert_msg(outcome.unknown == mptcps[_i].unknown, "%s: %x", mptcps[_i].name,
		      outcome.unknown);
}
END_TEST

/* Half a handshake of MPTCP is reset, where one of TCP is forgotten. */
START_TEST(test_mptcp_syn_sent)
{
	struct tcpdiag_socket sk = orphan();
	struct tcpdiag_outcome outcome;

	sk.mptcp = true;
	sk.attachment = TCPDIAG_HELD;
	sk.state = TCPDIAG_SYN_SENT;
	sk.known |= TCPDIAG_KNOWS_FALLBACK;
	ck_assert_int_eq(tcpdiag_outcome(&sk, TCPDIAG_OP_CLOSE, &host, &outcome), 0);
	ck_assert(outcome.certain && outcome.result.segment == TCPDIAG_SEGMENT_NONE);
	sk.linger = true;
	ck_assert_int_eq(tcpdiag_outcome(&sk, TCPDIAG_OP_CLOSE, &host, &outcome), 0);
	ck_assert_uint_eq(outcome.result.rule, TCPDIAG_RULE_CLOSE_MPTCP_FASTCLOSE);
	ck_assert_uint_eq(outcome.unknown, TCPDIAG_INPUT_KERNEL);
	ck_assert_int_eq(tcpdiag_outcome(&sk, TCPDIAG_OP_SHUTDOWN_READ, &host, &outcome), 0);
	ck_assert_uint_eq(outcome.result.segment, TCPDIAG_SEGMENT_RST);
	ck_assert_uint_eq(outcome.unknown, TCPDIAG_INPUT_KERNEL);
	ck_assert_uint_eq(outcome.otherwise[0].result.rule, TCPDIAG_RULE_SHUTDOWN_SYN_SENT);
}
END_TEST

/* Its receive queue counts memory: what is in it may all have been read, or wait behind a gap. */
START_TEST(test_mptcp_memory)
{
	struct tcpdiag_environment env = host;
	struct tcpdiag_socket sk = orphan();
	struct tcpdiag_outcome outcome;

	sk.mptcp = true;
	sk.attachment = TCPDIAG_HELD;
	sk.state = TCPDIAG_ESTABLISHED;
	sk.known |= TCPDIAG_KNOWS_FALLBACK;
	sk.rqueue = 837;
	sk.mptcp_subflows = 1;
	ck_assert_int_eq(tcpdiag_outcome(&sk, TCPDIAG_OP_CLOSE, &env, &outcome), 0);
	ck_assert_uint_eq(outcome.unknown, TCPDIAG_INPUT_MPTCP);
	sk.mptcp_subflows = 0;
	env.known &= ~(uint32_t)TCPDIAG_ENV_RTO_MAX;
	ck_assert_int_eq(tcpdiag_outcome(&sk, TCPDIAG_OP_CLOSE, &env, &outcome), 0);
	ck_assert_uint_eq(outcome.unknown, TCPDIAG_INPUT_MPTCP);
	sk.rqueue = 0;
	ck_assert_int_eq(tcpdiag_outcome(&sk, TCPDIAG_OP_CLOSE, &env, &outcome), 0);
	ck_assert(outcome.certain);
}
END_TEST

/* shutdown() in SYN_RECV: both answers where nothing tells how old the kernel is. */
START_TEST(test_deferred_fin)
{
	struct tcpdiag_environment env = host;
	struct tcpdiag_socket sk = orphan();
	struct tcpdiag_outcome outcome;

	sk.attachment = TCPDIAG_HELD;
	sk.state = TCPDIAG_SYN_RECV;
	ck_assert_int_eq(tcpdiag_outcome(&sk, TCPDIAG_OP_SHUTDOWN_WRITE, &env, &outcome), 0);
	ck_assert(outcome.certain && outcome.result.rule == TCPDIAG_RULE_SHUTDOWN_DEFERRED);
	env.known &= ~(uint32_t)TCPDIAG_ENV_DEFERRED_FIN;
	ck_assert_int_eq(tcpdiag_outcome(&sk, TCPDIAG_OP_SHUTDOWN_WRITE, &env, &outcome), 0);
	ck_assert_uint_eq(outcome.result.rule, TCPDIAG_RULE_SHUTDOWN_DEFERRED);
	ck_assert_uint_eq(outcome.unknown, TCPDIAG_INPUT_KERNEL);
	ck_assert_uint_eq(outcome.otherwise_count, 1);
	ck_assert_uint_eq(outcome.otherwise[0].result.state, TCPDIAG_FIN_WAIT1);
	ck_assert_int_eq(tcpdiag_outcome(&sk, TCPDIAG_OP_SHUTDOWN_READ, &env, &outcome), 0);
	ck_assert(outcome.certain);
}
END_TEST

START_TEST(test_names)
{
	unsigned int i;

	for (i = 0; i < TCPDIAG_INPUT_COUNT; i++)
		ck_assert_ptr_nonnull(tcpdiag_input_name(1U << i));
	ck_assert_ptr_null(tcpdiag_input_name(1U << TCPDIAG_INPUT_COUNT));
	ck_assert_ptr_null(tcpdiag_input_name(3));
	ck_assert_str_eq(tcpdiag_input_name(TCPDIAG_INPUT_USER_TIMEOUT), "user_timeout");
	ck_assert_str_eq(tcpdiag_holding_name(TCPDIAG_HOLDING_PROCESS), "process");
	ck_assert_str_eq(tcpdiag_holding_name(TCPDIAG_HOLDING_DUPLICATE), "duplicate");
	ck_assert_str_eq(tcpdiag_holding_name(TCPDIAG_HOLDING_CALL), "call");
	ck_assert_ptr_null(tcpdiag_holding_name(0));
	ck_assert_ptr_null(tcpdiag_holding_name(8));
}
END_TEST

#define LOOP(test, array) tcase_add_loop_test(c, test, 0, sizeof(array) / sizeof((array)[0]))

Suite *suite(void)
{
	Suite *s = suite_create("outcome: after");
	TCase *c = tcase_create("after");

	LOOP(test_life, lives);
	tcase_add_test(c, test_window);
	LOOP(test_limit, limits);
	tcase_add_test(c, test_limit_of_a_prober);
	tcase_add_test(c, test_limit_after_close);
	tcase_add_test(c, test_unknown_fate);
	tcase_add_test(c, test_linger2_negative);
	tcase_add_test(c, test_fin_wait2_orphan);
	tcase_add_test(c, test_fast_open);
	LOOP(test_holding, holds);
	tcase_add_test(c, test_closing);
	tcase_add_test(c, test_siblings);
	LOOP(test_mptcp, mptcps);
	tcase_add_test(c, test_mptcp_syn_sent);
	tcase_add_test(c, test_mptcp_memory);
	tcase_add_test(c, test_deferred_fin);
	tcase_add_test(c, test_names);
	suite_add_tcase(s, c);
	return s;
}
