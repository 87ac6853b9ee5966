/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every combination of the oracle's inputs, enumerated: each gives an answer, and what the kernel's order of tests
 * demands of all of them holds. Which answer is the right one is said by test_outcome.c and by
 * tests/conformance; here nothing may contradict itself.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <tcpdiag/outcome.h>

#include "../harness.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define OPTIONS \
	(TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_LINGER2 | TCPDIAG_KNOWS_REPAIR | \
	 TCPDIAG_KNOWS_USER_TIMEOUT)
#define ROW \
	(TCPDIAG_KNOWS_SHUTDOWN | TCPDIAG_KNOWS_INFO | TCPDIAG_KNOWS_NOTSENT | \
	 TCPDIAG_KNOWS_SND_WND | TCPDIAG_KNOWS_SKMEM | TCPDIAG_KNOWS_ERROR | \
	 TCPDIAG_KNOWS_SIBLINGS | TCPDIAG_KNOWS_FALLBACK)

#define OFF INT64_MIN /* of linger */

static const int64_t lingers[] = { OFF, 0, 1000, TCPDIAG_LINGER_FOREVER };
static const int64_t linger2s[] = { -1, 0, 20000, 61000, 120000 };
static const uint32_t user_timeouts[] = { 0, 5000 };

/* Receive queues: nothing, one byte (the FIN where one has come), more. */
static const uint32_t receive[] = { 0, 1, 2, 1000, UINT32_MAX };

/* Send queues and the peer's window. */
static const struct sending {
	uint32_t wqueue, notsent, unacked, snd_wnd;
	uint8_t timer, backoff, retransmits;
} sending[] = {
	{ .snd_wnd = 65535 },
	{ .wqueue = 1, .unacked = 1, .snd_wnd = 65535, .timer = TCPDIAG_TIMER_RETRANSMIT },
	{ .wqueue = 9000,
	  .notsent = 4000,
	  .unacked = 4,
	  .snd_wnd = 5000,
	  .timer = TCPDIAG_TIMER_RETRANSMIT,
	  .backoff = 3,
	  .retransmits = 3 },
	{ .wqueue = 5, .notsent = 5, .timer = TCPDIAG_TIMER_PROBE, .backoff = 2 },
	{ .snd_wnd = 0 },
};

#define EVERYTHING \
	(TCPDIAG_ENV_FIN_TIMEOUT | TCPDIAG_ENV_ORPHAN_RETRIES | TCPDIAG_ENV_RTO_MAX | \
	 TCPDIAG_ENV_ORPHANS | TCPDIAG_ENV_TIMEWAITS | TCPDIAG_ENV_MEMORY | TCPDIAG_ENV_MIGRATE | \
	 TCPDIAG_ENV_SYNACK_RETRIES | TCPDIAG_ENV_FASTCLOSE | TCPDIAG_ENV_DEFERRED_FIN)

#define QUIET \
	.known = EVERYTHING, .tcp_fin_timeout = 60, .tcp_rto_max_ms = 120000, \
	.tcp_synack_retries = 5, .tcp_max_orphans = 1000, .tcp_max_tw_buckets = 1000, \
	.tcp_mem = { 100, 200, 300 }, .mptcp_fastclose = true, .deferred_fin = true

static const struct tcpdiag_environment hosts[] = {
	{ QUIET },
	{ QUIET, .orphans = 300, .tcp_orphan_retries = 1 }, /* a quarter and more */
	{ QUIET, .orphans = 600, .timewaits = 1000 }, /* a half, and no room for minisockets */
	{ QUIET, .orphans = 1001 },
	{ QUIET, .memory_pages = 301, .tcp_migrate_req = true },
	{ .known = 0 },
};

static struct tcpdiag_socket socket_in(enum tcpdiag_state state)
{
	return (struct tcpdiag_socket){
		.state = (uint8_t)state,
		.attachment = TCPDIAG_HELD,
		.family = AF_INET,
		.inode = 7,
		.known = ROW | OPTIONS,
		.rto_us = 204000,
		.wmem_queued = 5000,
	};
}

static void set_queues(struct tcpdiag_socket *sk, uint32_t rqueue, const struct sending *queue)
{
	sk->rqueue = rqueue;
	sk->wqueue = queue->wqueue;
	sk->notsent_bytes = queue->notsent;
	sk->unacked = queue->unacked;
	sk->snd_wnd = queue->snd_wnd;
	sk->timer = queue->timer;
	sk->backoff = queue->backoff;
	sk->retransmits = queue->retransmits;
}

static void set_linger(struct tcpdiag_socket *sk, int64_t linger)
{
	sk->linger = linger != OFF;
	sk->sk_lingertime_ms = sk->linger ? linger : 0;
}

static bool same_result(const struct tcpdiag_result *a, const struct tcpdiag_result *b)
{
	return a->rule == b->rule && a->segment == b->segment && a->state == b->state &&
	       a->error == b->error && a->resets == b->resets && a->blocks_ms == b->blocks_ms &&
	       a->discards_receive == b->discards_receive && a->discards_send == b->discards_send &&
	       a->discards_unsent == b->discards_unsent && a->counter == b->counter &&
	       a->then.attachment == b->then.attachment && a->then.ends_with == b->then.ends_with &&
	       a->then.at_most_ms == b->then.at_most_ms;
}

static bool closes(enum tcpdiag_operation op)
{
	return op == TCPDIAG_OP_CLOSE || op == TCPDIAG_OP_EXIT;
}

/* States in which a socket has a connection that close() must do something about. */
static bool connected(const struct tcpdiag_socket *sk)
{
	return (TCPDIAG_STATE_BIT(sk->state) &
		(TCPDIAG_STATES_TEARDOWN | TCPDIAG_STATE_BIT(TCPDIAG_ESTABLISHED) |
		 TCPDIAG_STATE_BIT(TCPDIAG_SYN_RECV))) != 0;
}

/* ---- what holds of one result; what does not is returned, NULL where all does ---- */

static const char *queues_hold(const struct tcpdiag_socket *sk, const struct tcpdiag_result *result)
{
	if (result->discards_receive > tcpdiag_unread_bytes(sk))
		return "more is thrown away than is unread";
	if (result->discards_send > (uint64_t)tcpdiag_unacked_bytes(sk) + tcpdiag_unsent_bytes(sk))
		return "more is thrown away than is to be sent";
	if (result->discards_unsent > result->discards_send)
		return "unsent is a part of the send queue";
	return NULL;
}

static const char *result_holds(const struct tcpdiag_socket *sk, enum tcpdiag_operation op,
				const struct tcpdiag_result *result)
{
	if (!tcpdiag_rule_info(result->rule) ||
	    tcpdiag_rule_info(result->rule)->kind != TCPDIAG_RULE_KIND_OUTCOME)
		return "a rule of outcomes decides";
	if (!tcpdiag_state_name(result->state) || !tcpdiag_segment_name(result->segment) ||
	    !tcpdiag_end_name(result->then.ends_with))
		return "state, segment and end exist";
	if (result->segment == TCPDIAG_SEGMENT_RST && result->state != TCPDIAG_CLOSE)
		return "a RST ends the connection";
	if (result->segment == TCPDIAG_SEGMENT_RST && result->then.attachment)
		return "a RST leaves nothing";
	if (!result->then.attachment && result->then.at_most_ms)
		return "what is not left has no life";
	if (result->then.at_most_ms < TCPDIAG_NOT_KNOWN || result->blocks_ms < 0)
		return "times are times";
	if (result->blocks_ms && (op != TCPDIAG_OP_CLOSE || result->state == TCPDIAG_FIN_WAIT2))
		return "only close() blocks, and never in FIN-WAIT-2";
	if (!closes(op) && op != TCPDIAG_OP_LISTENER_CLOSE && result->then.attachment)
		return "a shutdown leaves the socket where it is";
	return queues_hold(sk, result);
}

/* ---- what holds of an outcome ---- */

static const char *otherwise_holds(const struct tcpdiag_outcome *outcome,
				   const struct tcpdiag_socket *sk, enum tcpdiag_operation op)
{
	uint8_t i, j;

	if (outcome->certain != !outcome->unknown)
		return "certain means that nothing is unknown";
	if (sk->mptcp_subflow)
		return outcome->certain ? "a subflow is never certain" : NULL;
	if (outcome->certain != !outcome->otherwise_count)
		return "uncertain means that another result is possible";
	for (i = 0; i < outcome->otherwise_count; i++) {
		const char *broken = result_holds(sk, op, &outcome->otherwise[i].result);

		if (broken)
			return broken;
		if (!outcome->otherwise[i].condition)
			return "each other result has its condition";
		if (same_result(&outcome->result, &outcome->otherwise[i].result))
			return "what else can happen differs";
		for (j = 0; j < i; j++)
			if (same_result(&outcome->otherwise[i].result,
					&outcome->otherwise[j].result))
				return "no result twice";
	}
	return NULL;
}

/* The order of tests in __tcp_close(), for what is no MPTCP socket. */
static const char *close_holds(const struct tcpdiag_socket *sk, enum tcpdiag_operation op,
			       const struct tcpdiag_result *result)
{
	bool unread = tcpdiag_unread_bytes(sk) > 0;
	bool waits = sk->linger && sk->sk_lingertime_ms;

	if (!connected(sk))
		return result->segment || result->blocks_ms ? "no connection, no segment" : NULL;
	if (sk->repair)
		return result->segment || result->counter || result->blocks_ms
			       ? "TCP_REPAIR is silent"
			       : NULL;
	if (unread)
		return result->rule != TCPDIAG_RULE_CLOSE_UNREAD ||
				       result->segment != TCPDIAG_SEGMENT_RST || result->blocks_ms
			       ? "unread data make a RST, and nothing else is looked at"
			       : NULL;
	if (sk->linger && !sk->sk_lingertime_ms)
		return result->segment == TCPDIAG_SEGMENT_FIN || result->then.attachment ||
				       result->blocks_ms || !result->counter ||
				       strcmp(result->counter, "TCPAbortOnData") != 0
			       ? "SO_LINGER 0 cuts, and counts"
			       : NULL;
	if (!!result->blocks_ms !=
	    (op == TCPDIAG_OP_CLOSE && waits && sk->state != TCPDIAG_FIN_WAIT2))
		return "SO_LINGER above 0 blocks until the FIN is acknowledged";
	if (result->blocks_ms && result->blocks_ms != sk->sk_lingertime_ms)
		return "it blocks for its time";
	if (result->then.attachment == TCPDIAG_TIMEWAIT && sk->state != TCPDIAG_FIN_WAIT2)
		return "a minisocket follows on FIN-WAIT-2 only";
	if (!result->then.attachment != (result->state == TCPDIAG_CLOSE))
		return "what is not gone is left";
	return NULL;
}

/* Returns what is broken; @ret is the outcome. */
static const char *check_outcome(const struct tcpdiag_socket *sk, enum tcpdiag_operation op,
				 const struct tcpdiag_environment *env, struct tcpdiag_outcome *ret)
{
	struct tcpdiag_result result;
	const char *broken;

	if (tcpdiag_outcome(sk, op, env, ret) || tcpdiag_result(sk, op, env, &result))
		return "there is an answer";
	if (!same_result(&result, &ret->result))
		return "the short answer is the long one's";
	broken = result_holds(sk, op, &ret->result);
	if (!broken)
		broken = otherwise_holds(ret, sk, op);
	if (!broken && closes(op) && !sk->mptcp && !sk->mptcp_subflow &&
	    (sk->known & OPTIONS) == OPTIONS)
		broken = close_holds(sk, op, &ret->result);
	return broken;
}

static void say(const struct tcpdiag_socket *sk, enum tcpdiag_operation op, const char *broken)
{
	ck_abort_msg(
		"%s, %s, rqueue %u, wqueue %u, notsent %u, linger %d %lld, linger2 %lld, repair "
		"%d, known %x: %s",
		tcpdiag_state_name(sk->state), tcpdiag_operation_name(op), sk->rqueue, sk->wqueue,
		sk->notsent_bytes, sk->linger, (long long)sk->sk_lingertime_ms,
		(long long)sk->linger2_ms, sk->repair, sk->known, broken);
}

/* close() and exit() of one socket on each host: the same, but that an exit never lingers. */
static void check_closing(const struct tcpdiag_socket *sk)
{
	struct tcpdiag_outcome close_outcome, exit_outcome;
	const char *broken;
	size_t h;

	for (h = 0; h < SIZE(hosts); h++) {
		broken = check_outcome(sk, TCPDIAG_OP_CLOSE, &hosts[h], &close_outcome);
		if (broken)
			say(sk, TCPDIAG_OP_CLOSE, broken);
		broken = check_outcome(sk, TCPDIAG_OP_EXIT, &hosts[h], &exit_outcome);
		if (broken)
			say(sk, TCPDIAG_OP_EXIT, broken);
		close_outcome.result.blocks_ms = 0;
		if (!same_result(&close_outcome.result, &exit_outcome.result))
			say(sk, TCPDIAG_OP_EXIT, "an exit is a close() that does not linger");
		if (!exit_outcome.certain && hosts[h].known == EVERYTHING &&
		    (sk->known & OPTIONS) == OPTIONS)
			say(sk, TCPDIAG_OP_EXIT, "all is known");
	}
}

static void check_options(struct tcpdiag_socket *sk)
{
	size_t l, m, t;

	for (l = 0; l < SIZE(lingers); l++)
		for (m = 0; m < SIZE(linger2s); m++)
			for (t = 0; t < SIZE(user_timeouts); t++) {
				set_linger(sk, lingers[l]);
				sk->linger2_ms = linger2s[m];
				sk->user_timeout_ms = user_timeouts[t];
				check_closing(sk);
			}
}

START_TEST(test_everything_known)
{
	struct tcpdiag_socket sk = socket_in(_i);
	size_t r, s;
	int flags;

	for (r = 0; r < SIZE(receive); r++)
		for (s = 0; s < SIZE(sending); s++)
			for (flags = 0; flags < 4; flags++) {
				set_queues(&sk, receive[r], &sending[s]);
				sk.repair = flags & 1;
				sk.soft_error = flags & 2;
				sk.last_data_sent_ms = flags & 2 ? 300000 : 0;
				check_options(&sk);
			}
}
END_TEST

/* Each set of options that are not known, and each operation. */
START_TEST(test_something_unknown)
{
	static const uint32_t bits[] = { TCPDIAG_KNOWS_LINGER, TCPDIAG_KNOWS_LINGER2,
					 TCPDIAG_KNOWS_REPAIR, TCPDIAG_KNOWS_USER_TIMEOUT,
					 TCPDIAG_KNOWS_INFO };
	struct tcpdiag_socket sk = socket_in(_i);
	struct tcpdiag_outcome outcome;
	unsigned int set, op, b;
	size_t r, s, h;

	for (set = 0; set < 1U << SIZE(bits); set++)
		for (r = 0; r < SIZE(receive); r++)
			for (s = 0; s < SIZE(sending); s++) {
				set_queues(&sk, receive[r], &sending[s]);
				sk.known = ROW | OPTIONS;
				for (b = 0; b < SIZE(bits); b++)
					if (set & 1U << b)
						sk.known &= ~bits[b];
				for (h = 0; h < SIZE(hosts); h += 2)
					for (op = 0; op < TCPDIAG_OP_LISTENER_CLOSE; op++) {
						const char *broken =
							check_outcome(&sk, op, &hosts[h], &outcome);

						if (broken)
							say(&sk, op, broken);
					}
			}
}
END_TEST

/* The two directions together are what each does alone; nothing depends on the options. */
START_TEST(test_shutdown)
{
	static const enum tcpdiag_operation ops[] = { TCPDIAG_OP_SHUTDOWN_READ,
						      TCPDIAG_OP_SHUTDOWN_WRITE,
						      TCPDIAG_OP_SHUTDOWN_BOTH };
	struct tcpdiag_socket sk = socket_in(_i);
	struct tcpdiag_outcome outcome[3], lingering;
	size_t l, r, i;

	for (r = 0; r < SIZE(receive) * 4; r++) {
		set_queues(&sk, receive[r / 4], &sending[0]);
		sk.sk_shutdown = r % 4;
		set_linger(&sk, OFF);
		for (i = 0; i < SIZE(ops); i++) {
			const char *broken = check_outcome(&sk, ops[i], &hosts[0], &outcome[i]);

			if (broken)
				say(&sk, ops[i], broken);
			for (l = 0; l < SIZE(lingers); l++) {
				set_linger(&sk, lingers[l]);
				check_outcome(&sk, ops[i], &hosts[0], &lingering);
				ck_assert(same_result(&lingering.result, &outcome[i].result));
			}
			ck_assert(!outcome[i].result.blocks_ms && outcome[i].certain);
			ck_assert_uint_ne(outcome[i].result.segment, TCPDIAG_SEGMENT_RST);
		}
		ck_assert_uint_eq(outcome[2].result.segment, outcome[1].result.segment);
		ck_assert_uint_ne(outcome[0].result.segment, TCPDIAG_SEGMENT_FIN);
		ck_assert_int_eq(outcome[2].result.error, outcome[0].result.error);
		ck_assert_int_eq(outcome[2].result.error, outcome[1].result.error);
	}
}
END_TEST

/* Who has it decides what can be done to it, and what cannot be closed has a fate. */
START_TEST(test_kind_and_attachment)
{
	struct tcpdiag_socket sk = socket_in(_i);
	struct tcpdiag_outcome outcome;
	struct tcpdiag_then then;
	enum tcpdiag_rule rule;
	unsigned int n, op;

	for (n = 0; n < (TCPDIAG_KIND_REQUEST + 1) * TCPDIAG_ATTACHMENT_MAX * 2 * 2; n++) {
		bool mini, contradiction, gone;
		int fate;

		sk.kind = n % 3;
		sk.attachment = n / 3 % TCPDIAG_ATTACHMENT_MAX;
		sk.references = n / 3 / TCPDIAG_ATTACHMENT_MAX % 2;
		sk.known = n / 6 / TCPDIAG_ATTACHMENT_MAX ? ROW | TCPDIAG_KNOWS_REFERENCES : ROW;
		mini = sk.kind != TCPDIAG_KIND_FULL;
		contradiction = !mini && (sk.attachment == TCPDIAG_TIMEWAIT ||
					  sk.attachment == TCPDIAG_REQUEST);
		gone = mini || sk.attachment == TCPDIAG_ORPHAN;
		for (op = 0; op < TCPDIAG_OP_MAX; op++) {
			bool closing = tcpdiag_unheld_reason(&sk) == TCPDIAG_UNHELD_CLOSING;
			bool none = gone ||
				    (op == TCPDIAG_OP_LISTENER_CLOSE &&
				     sk.attachment != TCPDIAG_UNACCEPTED) ||
				    (op == TCPDIAG_OP_EXIT && sk.attachment == TCPDIAG_UNHELD) ||
				    (op >= TCPDIAG_OP_SHUTDOWN_READ &&
				     op <= TCPDIAG_OP_SHUTDOWN_BOTH && closing);
			int r = tcpdiag_outcome(&sk, op, &hosts[0], &outcome);

			ck_assert_int_eq(r, contradiction ? -EINVAL : none ? -EOPNOTSUPP : 0);
		}
		fate = tcpdiag_fate(&sk, &hosts[n % SIZE(hosts)], &then, &rule);
		ck_assert_int_eq(fate, gone ? 0 : -EOPNOTSUPP);
		if (gone) {
			ck_assert_int_eq(tcpdiag_rule_info(rule)->kind, TCPDIAG_RULE_KIND_FATE);
			ck_assert_int_ge(then.at_most_ms, TCPDIAG_NOT_KNOWN);
			ck_assert_ptr_nonnull(tcpdiag_end_name(then.ends_with));
		}
	}
}
END_TEST

/* One connection of a queue: its options do not matter when the listener goes. */
START_TEST(test_child)
{
	struct tcpdiag_socket sk = socket_in(_i);
	struct tcpdiag_outcome outcome, first;
	size_t r, l, h;
	const char *broken;

	sk.attachment = TCPDIAG_UNACCEPTED;
	sk.inode = 0;
	for (r = 0; r < SIZE(receive); r++)
		for (h = 0; h < SIZE(hosts); h++) {
			set_queues(&sk, receive[r], &sending[1]);
			set_linger(&sk, OFF);
			broken = check_outcome(&sk, TCPDIAG_OP_LISTENER_CLOSE, &hosts[h], &first);
			if (broken)
				say(&sk, TCPDIAG_OP_LISTENER_CLOSE, broken);
			ck_assert(first.certain && first.result.segment != TCPDIAG_SEGMENT_FIN);
			for (l = 0; l < SIZE(lingers); l++) {
				set_linger(&sk, lingers[l]);
				check_outcome(&sk, TCPDIAG_OP_LISTENER_CLOSE, &hosts[h], &outcome);
				ck_assert(same_result(&outcome.result, &first.result));
			}
		}
}
END_TEST

/* MPTCP sockets and subflows: unread data end without a reset in one case only, and that one is told. */
START_TEST(test_mptcp)
{
	struct tcpdiag_environment env = hosts[0];
	struct tcpdiag_outcome outcome;
	unsigned int n, op;

	for (n = 0; n < SIZE(receive) * SIZE(lingers) * 2 * 3 * 3; n++) {
		struct tcpdiag_socket sk = socket_in(_i);
		unsigned int i = n, fastclose;

		set_queues(&sk, receive[i % SIZE(receive)], &sending[0]);
		i /= SIZE(receive);
		set_linger(&sk, lingers[i % SIZE(lingers)]);
		i /= SIZE(lingers);
		sk.mptcp = i % 2;
		sk.mptcp_subflow = !sk.mptcp;
		i /= 2;
		sk.mptcp_fallback = i % 3 == 1;
		if (i % 3 == 2)
			sk.known &= ~(uint32_t)TCPDIAG_KNOWS_FALLBACK;
		fastclose = i / 3;
		env.known = fastclose == 2 ? EVERYTHING & ~(uint32_t)TCPDIAG_ENV_FASTCLOSE
					   : EVERYTHING;
		env.mptcp_fastclose = fastclose == 1;
		for (op = 0; op < TCPDIAG_OP_LISTENER_CLOSE; op++) {
			const char *broken = check_outcome(&sk, op, &env, &outcome);

			if (broken)
				say(&sk, op, broken);
			if (closes(op) && tcpdiag_unread_bytes(&sk) && fastclose == 1 &&
			    outcome.result.segment == TCPDIAG_SEGMENT_FIN)
				ck_assert_uint_eq(outcome.result.rule,
						  TCPDIAG_RULE_CLOSE_MPTCP_FALLBACK);
		}
	}
}
END_TEST

/* Whether one close() is the last: known only where two counts agree, and then right. */
START_TEST(test_references)
{
	static const uint16_t descriptors[] = { 0, 1, 2, UINT16_MAX };
	unsigned int n;

	for (n = 0; n < 4 * 3 * 4 * 4 * 4 * 2; n++) {
		struct tcpdiag_socket sk = socket_in(TCPDIAG_ESTABLISHED);
		struct tcpdiag_outcome outcome;

		sk.descriptors = descriptors[n % 4];
		sk.processes = n / 4 % 3;
		sk.references = n / 12 % 4;
		sk.steady_references = n / 48 % 4;
		sk.known |= n / 192 % 2 ? TCPDIAG_KNOWS_DESCRIPTORS : 0;
		sk.known |= n / 384 % 2 ? TCPDIAG_KNOWS_REFERENCES : 0;
		sk.attachment = n / 768 ? TCPDIAG_UNHELD : TCPDIAG_HELD;
		ck_assert_int_eq(tcpdiag_outcome(&sk, TCPDIAG_OP_CLOSE, &hosts[0], &outcome), 0);
		ck_assert(!outcome.holding || outcome.holding_known);
		if (!outcome.holding_known)
			continue;
		ck_assert(sk.attachment == TCPDIAG_HELD && sk.known & TCPDIAG_KNOWS_DESCRIPTORS);
		ck_assert_int_eq(!!(outcome.holding & TCPDIAG_HOLDING_PROCESS), sk.processes > 1);
		ck_assert_int_eq(!!(outcome.holding & TCPDIAG_HOLDING_DUPLICATE),
				 sk.descriptors > sk.processes);
		if (outcome.holding & TCPDIAG_HOLDING_CALL)
			ck_assert_uint_gt(sk.steady_references, sk.descriptors);
		if (!outcome.holding)
			ck_assert_uint_eq(sk.references, sk.descriptors);
	}
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("enumeration");
	TCase *c = tcase_create("every combination");

	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, test_everything_known, 1, TCPDIAG_STATE_MAX);
	tcase_add_loop_test(c, test_something_unknown, 1, TCPDIAG_STATE_MAX);
	tcase_add_loop_test(c, test_shutdown, 1, TCPDIAG_STATE_MAX);
	tcase_add_loop_test(c, test_kind_and_attachment, 1, TCPDIAG_STATE_MAX);
	tcase_add_loop_test(c, test_child, 1, TCPDIAG_STATE_MAX);
	tcase_add_loop_test(c, test_mptcp, 1, TCPDIAG_STATE_MAX);
	tcase_add_test(c, test_references);
	suite_add_tcase(s, c);
	return s;
}
