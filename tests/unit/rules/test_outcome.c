/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The oracle by itself: one row for each cell of the table of close(), exit and shutdown(), then every
 * combination of its inputs, for what must hold in all of them. What the kernel really does is tested
 * by tests/conformance.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <tcpdiag/outcome.h>

#include "../harness.h"

#define ALL_KNOWN \
	(TCPDIAG_KNOWS_SHUTDOWN | TCPDIAG_KNOWS_INFO | TCPDIAG_KNOWS_NOTSENT | \
	 TCPDIAG_KNOWS_SND_WND | TCPDIAG_KNOWS_SKMEM | TCPDIAG_KNOWS_LINGER | \
	 TCPDIAG_KNOWS_LINGER2 | TCPDIAG_KNOWS_REPAIR | TCPDIAG_KNOWS_USER_TIMEOUT | \
	 TCPDIAG_KNOWS_ERROR | TCPDIAG_KNOWS_SIBLINGS | TCPDIAG_KNOWS_FALLBACK)
#define NEVER (-1)

static const struct tcpdiag_environment host = {
	.known = TCPDIAG_ENV_FIN_TIMEOUT | TCPDIAG_ENV_ORPHAN_RETRIES | TCPDIAG_ENV_RTO_MAX |
		 TCPDIAG_ENV_ORPHANS | TCPDIAG_ENV_TIMEWAITS | TCPDIAG_ENV_MEMORY |
		 TCPDIAG_ENV_MIGRATE | TCPDIAG_ENV_SYNACK_RETRIES | TCPDIAG_ENV_FASTCLOSE |
		 TCPDIAG_ENV_DEFERRED_FIN,
	.mptcp_fastclose = true,
	.deferred_fin = true,
	.tcp_fin_timeout = 60,
	.tcp_rto_max_ms = 120000,
	.tcp_synack_retries = 5,
	.tcp_max_orphans = 131072,
	.tcp_max_tw_buckets = 131072,
	.tcp_mem = { 100, 200, 300 },
};

static struct tcpdiag_socket held(enum tcpdiag_state state)
{
	return (struct tcpdiag_socket){
		.state = (uint8_t)state,
		.attachment = TCPDIAG_HELD,
		.family = AF_INET,
		.inode = 7,
		.known = ALL_KNOWN,
		.rto_us = 204000,
		.snd_wnd = 65535,
	};
}

struct cell {
	const char *name;
	enum tcpdiag_state state;
	enum tcpdiag_operation op;
	uint32_t rqueue, wqueue, notsent;
	int linger; /* seconds, NEVER: off */
	enum tcpdiag_rule rule;
	enum tcpdiag_segment segment;
	enum tcpdiag_state next;
	int error;
	const char *counter;
};

#define CLOSE TCPDIAG_OP_CLOSE
#define EXIT TCPDIAG_OP_EXIT
#define RD TCPDIAG_OP_SHUTDOWN_READ
#define WR TCPDIAG_OP_SHUTDOWN_WRITE
#define RDWR TCPDIAG_OP_SHUTDOWN_BOTH
#define S(state) TCPDIAG_##state
#define R(rule) TCPDIAG_RULE_##rule
#define NONE TCPDIAG_SEGMENT_NONE
#define FIN TCPDIAG_SEGMENT_FIN
#define RST TCPDIAG_SEGMENT_RST

static const struct cell cells[] = {
	{ "closed", S(CLOSE), CLOSE, 0, 0, 0, NEVER, R(CLOSE_NOTHING), NONE, S(CLOSE), 0, NULL },
	{ "closed linger0", S(CLOSE), CLOSE, 0, 0, 0, 0, R(CLOSE_NOTHING), NONE, S(CLOSE), 0,
	  NULL },
	{ "closed rd", S(CLOSE), RD, 0, 0, 0, NEVER, R(SHUTDOWN_NOT_CONNECTED), NONE, S(CLOSE),
	  ENOTCONN, NULL },
	{ "bound", S(BOUND_INACTIVE), EXIT, 0, 0, 0, NEVER, R(CLOSE_NOTHING), NONE, S(CLOSE), 0,
	  NULL },
	{ "bound wr", S(BOUND_INACTIVE), WR, 0, 0, 0, NEVER, R(SHUTDOWN_NOT_CONNECTED), NONE,
	  S(BOUND_INACTIVE), ENOTCONN, NULL },
	{ "listen", S(LISTEN), CLOSE, 3, 128, 0, 0, R(CLOSE_LISTENER), NONE, S(CLOSE), 0, NULL },
	{ "listen rd", S(LISTEN), RD, 3, 128, 0, NEVER, R(SHUTDOWN_LISTENER), NONE,
	  S(BOUND_INACTIVE), 0, NULL },
	{ "listen wr", S(LISTEN), WR, 3, 128, 0, NEVER, R(SHUTDOWN_LISTENER_WRITE), NONE, S(LISTEN),
	  0, NULL },
	{ "syn-sent", S(SYN_SENT), CLOSE, 0, 1, 0, NEVER, R(CLOSE_SYN_SENT), NONE, S(CLOSE), 0,
	  NULL },
	{ "syn-sent linger0", S(SYN_SENT), CLOSE, 0, 1, 0, 0, R(CLOSE_LINGER_ZERO_SILENT), NONE,
	  S(CLOSE), 0, "TCPAbortOnData" },
	{ "syn-sent wr", S(SYN_SENT), WR, 0, 1, 0, NEVER, R(SHUTDOWN_SYN_SENT), NONE, S(CLOSE), 0,
	  NULL },
	{ "syn-recv", S(SYN_RECV), CLOSE, 0, 1, 0, NEVER, R(CLOSE_FIN), FIN, S(FIN_WAIT1), 0,
	  NULL },
	{ "syn-recv tfo data", S(SYN_RECV), CLOSE, 5, 1, 0, NEVER, R(CLOSE_UNREAD), RST, S(CLOSE),
	  0, "TCPAbortOnClose" },
	{ "syn-recv wr", S(SYN_RECV), WR, 0, 1, 0, NEVER, R(SHUTDOWN_DEFERRED), FIN, S(SYN_RECV), 0,
	  NULL },
	{ "established", S(ESTABLISHED), CLOSE, 0, 0, 0, NEVER, R(CLOSE_FIN), FIN, S(FIN_WAIT1), 0,
	  NULL },
	{ "established unread", S(ESTABLISHED), CLOSE, 1, 0, 0, NEVER, R(CLOSE_UNREAD), RST,
	  S(CLOSE), 0, "TCPAbortOnClose" },
	{ "unread beats linger0", S(ESTABLISHED), CLOSE, 1, 0, 0, 0, R(CLOSE_UNREAD), RST, S(CLOSE),
	  0, "TCPAbortOnClose" },
	{ "established linger0", S(ESTABLISHED), CLOSE, 0, 0, 0, 0, R(CLOSE_LINGER_ZERO), RST,
	  S(CLOSE), 0, "TCPAbortOnData" },
	{ "exit linger0", S(ESTABLISHED), EXIT, 0, 0, 0, 0, R(CLOSE_LINGER_ZERO), RST, S(CLOSE), 0,
	  "TCPAbortOnData" },
	{ "established rd", S(ESTABLISHED), RD, 9, 0, 0, NEVER, R(SHUTDOWN_READ), NONE,
	  S(ESTABLISHED), 0, NULL },
	{ "established rdwr", S(ESTABLISHED), RDWR, 9, 0, 0, NEVER, R(SHUTDOWN_WRITE), FIN,
	  S(FIN_WAIT1), 0, NULL },
	{ "fin-wait-1", S(FIN_WAIT1), CLOSE, 0, 1, 0, NEVER, R(CLOSE_FIN_SENT), NONE, S(FIN_WAIT1),
	  0, NULL },
	{ "fin-wait-1 unread", S(FIN_WAIT1), CLOSE, 1, 1, 0, NEVER, R(CLOSE_UNREAD), RST, S(CLOSE),
	  0, "TCPAbortOnClose" },
	{ "fin-wait-1 rd", S(FIN_WAIT1), RD, 0, 1, 0, NEVER, R(SHUTDOWN_LATE_DATA), NONE,
	  S(FIN_WAIT1), 0, NULL },
	{ "fin-wait-1 wr", S(FIN_WAIT1), WR, 0, 1, 0, NEVER, R(SHUTDOWN_NOTHING), NONE,
	  S(FIN_WAIT1), 0, NULL },
	{ "fin-wait-2", S(FIN_WAIT2), CLOSE, 0, 0, 0, NEVER, R(CLOSE_FIN_WAIT2), NONE, S(FIN_WAIT2),
	  0, NULL },
	{ "fin-wait-2 linger0", S(FIN_WAIT2), CLOSE, 0, 0, 0, 0, R(CLOSE_LINGER_ZERO), RST,
	  S(CLOSE), 0, "TCPAbortOnData" },
	{ "fin-wait-2 rdwr", S(FIN_WAIT2), RDWR, 0, 0, 0, NEVER, R(SHUTDOWN_LATE_DATA), NONE,
	  S(FIN_WAIT2), 0, NULL },
	{ "closing", S(CLOSING), CLOSE, 1, 1, 0, NEVER, R(CLOSE_FIN_SENT), NONE, S(CLOSING), 0,
	  NULL },
	{ "closing linger0", S(CLOSING), CLOSE, 1, 1, 0, 0, R(CLOSE_LINGER_ZERO_SILENT), NONE,
	  S(CLOSE), 0, "TCPAbortOnData" },
	{ "closing linger0 unsent", S(CLOSING), CLOSE, 1, 9, 5, 0, R(CLOSE_LINGER_ZERO), RST,
	  S(CLOSE), 0, "TCPAbortOnData" },
	{ "closing unread", S(CLOSING), CLOSE, 2, 1, 0, NEVER, R(CLOSE_UNREAD), RST, S(CLOSE), 0,
	  "TCPAbortOnClose" },
	{ "close-wait eof unread", S(CLOSE_WAIT), CLOSE, 1, 0, 0, NEVER, R(CLOSE_FIN), FIN,
	  S(LAST_ACK), 0, NULL },
	{ "close-wait unread", S(CLOSE_WAIT), CLOSE, 2, 0, 0, NEVER, R(CLOSE_UNREAD), RST, S(CLOSE),
	  0, "TCPAbortOnClose" },
	{ "close-wait rd", S(CLOSE_WAIT), RD, 0, 0, 0, NEVER, R(SHUTDOWN_NOTHING), NONE,
	  S(CLOSE_WAIT), 0, NULL },
	{ "close-wait wr", S(CLOSE_WAIT), WR, 5, 0, 0, NEVER, R(SHUTDOWN_WRITE), FIN, S(LAST_ACK),
	  0, NULL },
	{ "last-ack", S(LAST_ACK), CLOSE, 1, 1, 0, NEVER, R(CLOSE_FIN_SENT), NONE, S(LAST_ACK), 0,
	  NULL },
	{ "last-ack linger0 unsent", S(LAST_ACK), CLOSE, 1, 3, 3, 0, R(CLOSE_LINGER_ZERO), RST,
	  S(CLOSE), 0, "TCPAbortOnData" },
};

static struct tcpdiag_socket cell_socket(const struct cell *cell)
{
	struct tcpdiag_socket sk = held(cell->state);

	sk.rqueue = cell->rqueue;
	sk.wqueue = cell->wqueue;
	sk.notsent_bytes = cell->notsent;
	sk.linger = cell->linger != NEVER;
	sk.sk_lingertime_ms = cell->linger * 1000LL;
	return sk;
}

START_TEST(test_cell)
{
	const struct cell *cell = &cells[_i];
	struct tcpdiag_socket sk = cell_socket(cell);
	struct tcpdiag_outcome outcome;

	ck_assert_msg(tcpdiag_outcome(&sk, cell->op, &host, &outcome) == 0, "%s", cell->name);
	ck_assert_msg(outcome.result.rule == cell->rule, "%s: rule %s", cell->name,
		      tcpdiag_rule_id(outcome.result.rule));
	ck_assert_msg(outcome.result.segment == cell->segment, "%s: segment %d", cell->name,
		      outcome.result.segment);
	ck_assert_msg(outcome.result.state == cell->next, "%s: state %d", cell->name,
		      outcome.result.state);
	ck_assert_msg(outcome.result.error == cell->error, "%s", cell->name);
	ck_assert_msg((!cell->counter && !outcome.result.counter) ||
			      (cell->counter && outcome.result.counter &&
			       !strcmp(cell->counter, outcome.result.counter)),
		      "%s: counter %s", cell->name,
		      outcome.result.counter ? outcome.result.counter : "none");
	ck_assert_msg(outcome.certain && !outcome.unknown && !outcome.otherwise_count,
		      "%s: everything is known", cell->name);
}
END_TEST

/* Dead, and yet something in it could still be read: close() throws that away without a word. */
START_TEST(test_dead_with_data)
{
	struct tcpdiag_socket sk = held(TCPDIAG_CLOSE);
	struct tcpdiag_result result;

	sk.rqueue = 5;
	ck_assert_int_eq(tcpdiag_result(&sk, CLOSE, &host, &result), 0);
	ck_assert_uint_eq(result.discards_receive, 0); /* never connected */
	sk.remote_port = 443;
	ck_assert_int_eq(tcpdiag_result(&sk, CLOSE, &host, &result), 0);
	ck_assert_int_eq(result.rule, TCPDIAG_RULE_CLOSE_NOTHING);
	ck_assert_uint_eq(result.discards_receive, 5);
	ck_assert_uint_eq(result.discards_send, 0);
	ck_assert_ptr_null(result.counter);
}
END_TEST

/* Its timer runs in ESTABLISHED: all subflows have ended, and nothing reaches the peer. */
START_TEST(test_mptcp_without_subflows)
{
	struct tcpdiag_socket sk = held(TCPDIAG_ESTABLISHED);
	struct tcpdiag_result result;

	sk.mptcp = true;
	sk.rqueue = 837;
	ck_assert_int_eq(tcpdiag_result(&sk, CLOSE, &host, &result), 0);
	ck_assert_int_eq(result.segment, TCPDIAG_SEGMENT_RST);
	sk.timer = TCPDIAG_TIMER_KEEPALIVE;
	ck_assert_int_eq(tcpdiag_result(&sk, CLOSE, &host, &result), 0);
	ck_assert_int_eq(result.segment, TCPDIAG_SEGMENT_NONE);
	ck_assert_int_eq(result.state, TCPDIAG_CLOSE);
	ck_assert_ptr_null(result.counter);
	ck_assert_int_eq(tcpdiag_result(&sk, WR, &host, &result), 0);
	ck_assert_int_eq(result.segment, TCPDIAG_SEGMENT_NONE);
}
END_TEST

START_TEST(test_listener_resets_the_living)
{
	struct tcpdiag_socket sk = held(TCPDIAG_LISTEN);
	struct tcpdiag_environment env = host;
	struct tcpdiag_outcome outcome;

	sk.rqueue = 4;
	ck_assert_int_eq(tcpdiag_outcome(&sk, CLOSE, &env, &outcome), 0);
	ck_assert_uint_eq(outcome.result.resets, 4);
	sk.known |= TCPDIAG_KNOWS_CHILDREN;
	sk.children = 3;
	ck_assert_int_eq(tcpdiag_outcome(&sk, CLOSE, &env, &outcome), 0);
	ck_assert_uint_eq(outcome.result.resets, 3);
	env.tcp_migrate_req = true;
	sk.known &= ~(uint32_t)TCPDIAG_KNOWS_SIBLINGS;
	ck_assert_int_eq(tcpdiag_outcome(&sk, CLOSE, &env, &outcome), 0);
	ck_assert(!outcome.certain);
	ck_assert_uint_eq(outcome.otherwise_count, 1);
	ck_assert_uint_eq(outcome.otherwise[0].result.resets, 0);
}
END_TEST

START_TEST(test_child)
{
	struct tcpdiag_socket sk = held(TCPDIAG_CLOSE_WAIT);
	struct tcpdiag_outcome outcome;

	ck_assert_int_eq(tcpdiag_outcome(&sk, TCPDIAG_OP_LISTENER_CLOSE, &host, &outcome),
			 -EOPNOTSUPP);
	sk.attachment = TCPDIAG_UNACCEPTED;
	sk.inode = 0;
	sk.rqueue = 11;
	ck_assert_int_eq(tcpdiag_outcome(&sk, TCPDIAG_OP_LISTENER_CLOSE, &host, &outcome), 0);
	ck_assert_uint_eq(outcome.result.rule, TCPDIAG_RULE_CHILD_RESET);
	ck_assert_uint_eq(outcome.result.segment, RST);
	ck_assert_uint_eq(outcome.result.discards_receive, 10);
	ck_assert(outcome.peer_finished);
}
END_TEST

/* Lifetimes of FIN_WAIT2 by tcp_fin_timeout: above 60 s cut by 60 s, served twice. */
START_TEST(test_fin_wait2_cliff)
{
	static const struct {
		uint32_t timeout;
		int64_t life_ms;
		enum tcpdiag_attachment left;
	} rows[] = {
		{ 1, 1000, TCPDIAG_TIMEWAIT }, { 60, 60000, TCPDIAG_TIMEWAIT },
		{ 61, 2000, TCPDIAG_ORPHAN },  { 62, 4000, TCPDIAG_ORPHAN },
		{ 90, 60000, TCPDIAG_ORPHAN }, { 120, 120000, TCPDIAG_ORPHAN },
	};
	struct tcpdiag_socket sk = held(TCPDIAG_FIN_WAIT2);
	struct tcpdiag_environment env = host;
	struct tcpdiag_result result;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		env.tcp_fin_timeout = rows[i].timeout;
		ck_assert_int_eq(tcpdiag_result(&sk, CLOSE, &env, &result), 0);
		ck_assert_int_eq(result.then.at_most_ms, rows[i].life_ms);
		ck_assert_uint_eq(result.then.attachment, rows[i].left);
		ck_assert_int_eq(tcpdiag_fin_wait2_ms(&sk, &env), rows[i].life_ms);
	}
	/* Never below 3.5 RTO. */
	env.tcp_fin_timeout = 1;
	sk.rto_us = 2100000;
	ck_assert_int_eq(tcpdiag_fin_wait2_ms(&sk, &env), 7350);
	sk.linger2_ms = -1;
	ck_assert_int_eq(tcpdiag_result(&sk, CLOSE, &env, &result), 0);
	ck_assert_uint_eq(result.rule, TCPDIAG_RULE_CLOSE_LINGER2_NEGATIVE);
}
END_TEST

START_TEST(test_limits_of_the_host)
{
	struct tcpdiag_socket sk = held(TCPDIAG_ESTABLISHED);
	struct tcpdiag_environment env = host;
	struct tcpdiag_result result;

	env.orphans = env.tcp_max_orphans;
	ck_assert_int_eq(tcpdiag_result(&sk, CLOSE, &env, &result), 0);
	ck_assert_uint_eq(result.segment, FIN);
	env.orphans++;
	ck_assert_int_eq(tcpdiag_result(&sk, CLOSE, &env, &result), 0);
	ck_assert_uint_eq(result.rule, TCPDIAG_RULE_CLOSE_ORPHAN_LIMIT);
	ck_assert_str_eq(result.counter, "TCPAbortOnMemory");
	/* A minisocket is no orphan. */
	sk = held(TCPDIAG_FIN_WAIT2);
	ck_assert_int_eq(tcpdiag_result(&sk, CLOSE, &env, &result), 0);
	ck_assert_uint_eq(result.rule, TCPDIAG_RULE_CLOSE_FIN_WAIT2);
	env.timewaits = env.tcp_max_tw_buckets;
	ck_assert_int_eq(tcpdiag_result(&sk, CLOSE, &env, &result), 0);
	ck_assert_uint_eq(result.rule, TCPDIAG_RULE_CLOSE_TIME_WAIT_OVERFLOW);
	/* Memory: only with something queued. */
	env = host;
	env.memory_pages = env.tcp_mem[2] + 1;
	sk = held(TCPDIAG_ESTABLISHED);
	ck_assert_int_eq(tcpdiag_result(&sk, CLOSE, &env, &result), 0);
	ck_assert_uint_eq(result.segment, FIN);
	sk.wmem_queued = 4609;
	ck_assert_int_eq(tcpdiag_result(&sk, CLOSE, &env, &result), 0);
	ck_assert_uint_eq(result.rule, TCPDIAG_RULE_CLOSE_ORPHAN_LIMIT);
}
END_TEST

START_TEST(test_unknown_is_said)
{
	struct tcpdiag_socket sk = held(TCPDIAG_ESTABLISHED);
	struct tcpdiag_outcome outcome;
	bool resets = false, blocks = false;
	uint8_t i;

	sk.known &= ~(uint32_t)(TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_LINGER2 |
				TCPDIAG_KNOWS_REPAIR);
	ck_assert_int_eq(tcpdiag_outcome(&sk, CLOSE, &host, &outcome), 0);
	ck_assert(!outcome.certain);
	/* A negative TCP_LINGER2 answers the acknowledgement of the FIN with a RST. */
	ck_assert_uint_eq(outcome.unknown,
			  TCPDIAG_INPUT_LINGER | TCPDIAG_INPUT_LINGER2 | TCPDIAG_INPUT_REPAIR);
	for (i = 0; i < outcome.otherwise_count; i++) {
		const struct tcpdiag_result *result = &outcome.otherwise[i].result;

		resets |= result->rule == TCPDIAG_RULE_CLOSE_LINGER_ZERO;
		blocks |= result->blocks_ms == TCPDIAG_FOREVER;
	}
	ck_assert(resets && blocks);
	/* Neither linger nor linger2 matters once data is unread. */
	sk.rqueue = 1;
	ck_assert_int_eq(tcpdiag_outcome(&sk, CLOSE, &host, &outcome), 0);
	ck_assert_uint_eq(outcome.unknown, TCPDIAG_INPUT_REPAIR);
	/* An exit never lingers: only zero counts. */
	sk.rqueue = 0;
	ck_assert_int_eq(tcpdiag_outcome(&sk, EXIT, &host, &outcome), 0);
	for (i = 0; i < outcome.otherwise_count; i++)
		ck_assert_int_eq(outcome.otherwise[i].result.blocks_ms, 0);
	/* shutdown() asks none of them. */
	ck_assert_int_eq(tcpdiag_outcome(&sk, RDWR, &host, &outcome), 0);
	ck_assert(outcome.certain);
}
END_TEST

START_TEST(test_linger_blocks)
{
	struct tcpdiag_socket sk = held(TCPDIAG_ESTABLISHED);
	struct tcpdiag_result result;

	sk.linger = true;
	sk.sk_lingertime_ms = 7000;
	ck_assert_int_eq(tcpdiag_result(&sk, CLOSE, &host, &result), 0);
	ck_assert_int_eq(result.blocks_ms, 7000);
	ck_assert_int_eq(tcpdiag_result(&sk, EXIT, &host, &result), 0);
	ck_assert_int_eq(result.blocks_ms, 0);
	sk.state = TCPDIAG_FIN_WAIT2;
	ck_assert_int_eq(tcpdiag_result(&sk, CLOSE, &host, &result), 0);
	ck_assert_int_eq(result.blocks_ms, 0);
}
END_TEST

START_TEST(test_fate)
{
	struct tcpdiag_socket sk = held(TCPDIAG_FIN_WAIT1);
	struct tcpdiag_environment env = host;
	struct tcpdiag_then then;
	enum tcpdiag_rule rule;

	ck_assert_int_eq(tcpdiag_fate(&sk, &env, &then, &rule), -EOPNOTSUPP);
	sk.attachment = TCPDIAG_ORPHAN;
	sk.inode = 0;
	ck_assert_int_eq(tcpdiag_fate(&sk, &env, &then, &rule), 0);
	ck_assert_uint_eq(rule, TCPDIAG_RULE_FATE_RETRIES);
	/* 8 retries: 104 s after the first retransmission, which comes after one or two RTOs. */
	ck_assert_int_ge(then.at_most_ms, 104040 + 204);
	ck_assert_int_le(then.at_most_ms, 104040 + 3 * 204);
	env.tcp_orphan_retries = 1;
	ck_assert_int_eq(tcpdiag_fate(&sk, &env, &then, &rule), 0);
	ck_assert_int_le(then.at_most_ms, 3000);
	env.tcp_orphan_retries = 0;
	sk.timer = TCPDIAG_TIMER_PROBE;
	sk.rto_us = 200000;
	sk.expires_ms = 200;
	ck_assert_int_eq(tcpdiag_fate(&sk, &env, &then, &rule), 0);
	ck_assert_uint_eq(rule, TCPDIAG_RULE_FATE_ZERO_WINDOW);
	ck_assert_int_eq(then.at_most_ms, 324600);
	sk.kind = TCPDIAG_KIND_TIMEWAIT;
	sk.attachment = TCPDIAG_TIMEWAIT;
	sk.state = TCPDIAG_TIME_WAIT;
	sk.expires_ms = 42000;
	ck_assert_int_eq(tcpdiag_fate(&sk, &env, &then, &rule), 0);
	ck_assert_int_eq(then.at_most_ms, 42000);
	sk.kind = TCPDIAG_KIND_REQUEST;
	sk.attachment = TCPDIAG_REQUEST;
	sk.state = TCPDIAG_NEW_SYN_RECV;
	sk.expires_ms = 1000;
	ck_assert_int_eq(tcpdiag_fate(&sk, &env, &then, &rule), 0);
	ck_assert_int_eq(then.at_most_ms, 63000);
}
END_TEST

/* What must hold whatever the inputs are. Return: what does not, or NULL. */
static const char *violated(const struct tcpdiag_socket *sk, enum tcpdiag_operation op,
			    const struct tcpdiag_environment *env)
{
	struct tcpdiag_outcome outcome;
	const struct tcpdiag_result *result = &outcome.result;
	struct tcpdiag_then then;
	enum tcpdiag_rule rule;
	int r = tcpdiag_outcome(sk, op, env, &outcome);
	bool closes = op == TCPDIAG_OP_CLOSE || op == TCPDIAG_OP_EXIT;
	bool contradiction = sk->kind == TCPDIAG_KIND_FULL && (sk->attachment == TCPDIAG_TIMEWAIT ||
							       sk->attachment == TCPDIAG_REQUEST);

	if (contradiction)
		return r == -EINVAL ? NULL
				    : "a minisocket's attachment of a full socket is refused";
	if (r == -EOPNOTSUPP)
		return op == TCPDIAG_OP_CLOSE && tcpdiag_fate(sk, env, &then, &rule)
			       ? "what cannot be closed has a fate"
			       : NULL;
	if (r)
		return "an answer";
	if (!tcpdiag_rule_info(result->rule) || !tcpdiag_state_name(result->state))
		return "rule and state exist";
	if (outcome.otherwise_count > TCPDIAG_OTHERWISE_MAX || outcome.certain != !outcome.unknown)
		return "certain means that nothing is unknown";
	if (closes && tcpdiag_unread_bytes(sk) && result->segment == TCPDIAG_SEGMENT_FIN)
		return "unread data never leave with a FIN";
	if (result->segment == TCPDIAG_SEGMENT_RST && result->state != TCPDIAG_CLOSE)
		return "a RST ends the connection";
	if (closes && result->then.attachment && result->state == TCPDIAG_CLOSE)
		return "what is gone leaves nothing";
	if (result->blocks_ms && !(op == TCPDIAG_OP_CLOSE && sk->linger))
		return "only close() with linger blocks";
	if (result->discards_unsent > result->discards_send)
		return "unsent is a part of the send queue";
	return NULL;
}

/* Takes one digit off a number that counts combinations. */
static unsigned int digit(unsigned int *number, unsigned int base)
{
	unsigned int value = *number % base;

	*number /= base;
	return value;
}

static struct tcpdiag_socket combination(enum tcpdiag_state state, unsigned int *number)
{
	static const uint32_t queues[] = { 0, 1, 2, 1000, UINT32_MAX };
	static const int64_t times[] = { 0, 1000, TCPDIAG_LINGER_FOREVER };
	static const int64_t linger2[] = { -1, 0, 61000 };
	static const uint32_t rtos[] = { 0, 204000, 120000000, UINT32_MAX };
	struct tcpdiag_socket sk = { .state = (uint8_t)state };

	sk.kind = (uint8_t)digit(number, TCPDIAG_KIND_REQUEST + 1);
	sk.attachment = (uint8_t)digit(number, TCPDIAG_ATTACHMENT_MAX);
	sk.rqueue = queues[digit(number, 5)];
	sk.wqueue = queues[digit(number, 5)];
	sk.notsent_bytes = queues[digit(number, 5)];
	sk.linger = digit(number, 2);
	sk.sk_lingertime_ms = times[digit(number, 3)];
	sk.linger2_ms = linger2[digit(number, 3)];
	sk.repair = digit(number, 2);
	sk.mptcp = digit(number, 2);
	sk.mptcp_subflow = digit(number, 2);
	sk.known = digit(number, 2) ? ALL_KNOWN : 0;
	sk.rto_us = rtos[digit(number, 4)];
	sk.timer = digit(number, 2) ? TCPDIAG_TIMER_PROBE : TCPDIAG_TIMER_OFF;
	sk.backoff = (uint8_t)(sk.rto_us % 256);
	return sk;
}

START_TEST(test_every_combination)
{
	struct tcpdiag_environment envs[3] = { host, host, {} };
	unsigned int i, number = 0;

	envs[1].orphans = envs[1].timewaits = 1000000;
	envs[1].tcp_migrate_req = true;
	/* A stride that is prime to every base visits all digits of all places. */
	for (i = 0; !number; i += 13) {
		struct tcpdiag_socket sk;
		unsigned int e, op;
		const char *broken;

		number = i;
		sk = combination(_i, &number);
		for (e = 0; e < 3; e++)
			for (op = 0; op < TCPDIAG_OP_MAX; op++) {
				broken = violated(&sk, op, &envs[e]);
				if (broken)
					ck_abort_msg("combination %u: %s", i, broken);
			}
	}
}
END_TEST

START_TEST(test_nonsense)
{
	struct tcpdiag_socket sk = held(TCPDIAG_ESTABLISHED);
	struct tcpdiag_result result = { .rule = 99 };

	ck_assert_int_eq(tcpdiag_result(&sk, TCPDIAG_OP_MAX, &host, &result), -EINVAL);
	sk.state = 0;
	ck_assert_int_eq(tcpdiag_result(&sk, CLOSE, &host, &result), -EINVAL);
	sk.state = TCPDIAG_STATE_MAX;
	ck_assert_int_eq(tcpdiag_result(&sk, CLOSE, &host, &result), -EINVAL);
	ck_assert_uint_eq(result.rule, 99);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("outcome");
	TCase *cases = tcase_create("cells"), *every = tcase_create("every combination");

	tcase_add_loop_test(cases, test_cell, 0, sizeof(cells) / sizeof(cells[0]));
	tcase_add_test(cases, test_dead_with_data);
	tcase_add_test(cases, test_mptcp_without_subflows);
	tcase_add_test(cases, test_listener_resets_the_living);
	tcase_add_test(cases, test_child);
	tcase_add_test(cases, test_fin_wait2_cliff);
	tcase_add_test(cases, test_limits_of_the_host);
	tcase_add_test(cases, test_unknown_is_said);
	tcase_add_test(cases, test_linger_blocks);
	tcase_add_test(cases, test_fate);
	tcase_add_test(cases, test_nonsense);
	suite_add_tcase(s, cases);
	tcase_set_timeout(every, 120);
	tcase_add_loop_test(every, test_every_combination, 1, TCPDIAG_STATE_MAX);
	suite_add_tcase(s, every);
	return s;
}
