/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The audit: what agrees, what does not, and what nobody can decide.
 */
#include <netinet/in.h>
#include <string.h>

#include "../harness.h"
#include "collector/audit.h"
#include "model/macro.h"
#include "model/reset_reason.h"

static struct tcpdiag_environment calm(void)
{
	return (struct tcpdiag_environment){
		.known = TCPDIAG_ENV_FIN_TIMEOUT | TCPDIAG_ENV_ORPHANS | TCPDIAG_ENV_TIMEWAITS |
			 TCPDIAG_ENV_MEMORY | TCPDIAG_ENV_MIGRATE | TCPDIAG_ENV_DEFERRED_FIN,
		.tcp_fin_timeout = 60,
		.tcp_max_orphans = 1000,
		.tcp_max_tw_buckets = 1000,
		.tcp_mem = { 100, 200, 300 },
		.deferred_fin = true,
	};
}

static struct autopsy_operation quiet(uint8_t operation, uint8_t before, uint8_t segment,
				      uint8_t after, uint8_t reason)
{
	return (struct autopsy_operation){
		.sk = {
			.state = before,
			.kind = TCPDIAG_KIND_FULL,
			.family = AF_INET,
			.local_port = 443,
			.remote_port = 50000,
			.known = TCPDIAG_KNOWS_SHUTDOWN | TCPDIAG_KNOWS_LINGER |
				 TCPDIAG_KNOWS_LINGER2 | TCPDIAG_KNOWS_REPAIR |
				 TCPDIAG_KNOWS_OFO | TCPDIAG_KNOWS_NOTSENT | TCPDIAG_KNOWS_BYTES |
				 TCPDIAG_KNOWS_USER_TIMEOUT | TCPDIAG_KNOWS_ERROR |
				 TCPDIAG_KNOWS_SUBFLOW,
		},
		.operation = operation,
		.segment = segment,
		.state = after,
		.reason = reason,
		.complete = true,
	};
}

static struct audit_verdict check(const struct autopsy_operation *operation,
				  const struct tcpdiag_environment *env)
{
	struct audit_verdict verdict;

	memset(&verdict, 0xff, sizeof(verdict));
	audit_check(operation, env, &verdict);
	return verdict;
}

/* What the kernel does, for each operation. */
static const struct {
	uint8_t operation, before, unread, segment, after, reason;
	int linger; /* seconds; -1: off */
	uint8_t result;
} cases[] = {
#define NONE TCPDIAG_SEGMENT_NONE
#define FIN TCPDIAG_SEGMENT_FIN
#define RST TCPDIAG_SEGMENT_RST
#define S(state) TCPDIAG_##state
	{ TCPDIAG_OP_CLOSE, S(ESTABLISHED), 0, FIN, S(FIN_WAIT1), 0, -1, AUDIT_AGREED },
	{ TCPDIAG_OP_EXIT, S(ESTABLISHED), 0, FIN, S(FIN_WAIT1), 0, 5, AUDIT_AGREED },
	{ TCPDIAG_OP_CLOSE, S(CLOSE_WAIT), 0, FIN, S(LAST_ACK), 0, -1, AUDIT_AGREED },
	{ TCPDIAG_OP_CLOSE, S(FIN_WAIT1), 0, NONE, S(FIN_WAIT1), 0, -1, AUDIT_AGREED },
	{ TCPDIAG_OP_CLOSE, S(FIN_WAIT2), 0, NONE, S(FIN_WAIT2), 0, -1, AUDIT_AGREED },
	{ TCPDIAG_OP_CLOSE, S(FIN_WAIT2), 0, NONE, S(CLOSE), 0, -1, AUDIT_AGREED },
	{ TCPDIAG_OP_CLOSE, S(SYN_SENT), 0, NONE, S(CLOSE), 0, -1, AUDIT_AGREED },
	{ TCPDIAG_OP_CLOSE, S(LISTEN), 0, NONE, S(CLOSE), 0, -1, AUDIT_AGREED },
	{ TCPDIAG_OP_SHUTDOWN_READ, S(LISTEN), 0, NONE, S(CLOSE), 0, -1, AUDIT_AGREED },
	{ TCPDIAG_OP_SHUTDOWN_WRITE, S(ESTABLISHED), 9, FIN, S(FIN_WAIT1), 0, -1, AUDIT_AGREED },
	{ TCPDIAG_OP_SHUTDOWN_BOTH, S(CLOSE_WAIT), 0, FIN, S(LAST_ACK), 0, -1, AUDIT_AGREED },
	{ TCPDIAG_OP_CLOSE, S(ESTABLISHED), 5, RST, S(CLOSE), RESET_REASON_ABORT_ON_CLOSE, -1,
	  AUDIT_AGREED },
	{ TCPDIAG_OP_CLOSE, S(ESTABLISHED), 5, RST, S(CLOSE), RESET_REASON_NONE, -1, AUDIT_AGREED },
	{ TCPDIAG_OP_CLOSE, S(ESTABLISHED), 5, RST, S(CLOSE), RESET_REASON_NOT_SPECIFIED, -1,
	  AUDIT_AGREED },
	{ TCPDIAG_OP_EXIT, S(ESTABLISHED), 0, RST, S(CLOSE), RESET_REASON_STATE, 0, AUDIT_AGREED },
	{ TCPDIAG_OP_LISTENER_CLOSE, S(ESTABLISHED), 3, RST, S(CLOSE), RESET_REASON_STATE, -1,
	  AUDIT_AGREED },
	/* A limit was reached, or was not any more, since it was read. */
	{ TCPDIAG_OP_CLOSE, S(ESTABLISHED), 0, RST, S(CLOSE), RESET_REASON_ABORT_ON_MEMORY, -1,
	  AUDIT_UNDECIDED },
	{ TCPDIAG_OP_LISTENER_CLOSE, S(ESTABLISHED), 0, NONE, S(ESTABLISHED), 0, -1,
	  AUDIT_UNDECIDED },
	/* Rules broken on purpose: an input, the operation or what came of it is another one. */
	{ TCPDIAG_OP_CLOSE, S(ESTABLISHED), 0, RST, S(CLOSE), RESET_REASON_ABORT_ON_CLOSE, -1,
	  AUDIT_DISAGREED },
	{ TCPDIAG_OP_CLOSE, S(ESTABLISHED), 5, FIN, S(FIN_WAIT1), 0, -1, AUDIT_DISAGREED },
	{ TCPDIAG_OP_CLOSE, S(ESTABLISHED), 0, FIN, S(FIN_WAIT1), 0, 0, AUDIT_DISAGREED },
	{ TCPDIAG_OP_SHUTDOWN_READ, S(ESTABLISHED), 0, FIN, S(FIN_WAIT1), 0, -1, AUDIT_DISAGREED },
	{ TCPDIAG_OP_CLOSE, S(ESTABLISHED), 5, RST, S(CLOSE), RESET_REASON_STATE, -1,
	  AUDIT_DISAGREED },
	{ TCPDIAG_OP_CLOSE, S(ESTABLISHED), 5, RST, S(CLOSE), RESET_REASON_DISCONNECT_WITH_DATA, -1,
	  AUDIT_DISAGREED },
	{ TCPDIAG_OP_CLOSE, S(ESTABLISHED), 0, FIN, S(LAST_ACK), 0, -1, AUDIT_DISAGREED },
	{ TCPDIAG_OP_CLOSE, S(ESTABLISHED), 0, NONE, S(CLOSE), 0, -1, AUDIT_DISAGREED },
	{ TCPDIAG_OP_CLOSE, S(FIN_WAIT2), 0, RST, S(CLOSE), RESET_REASON_ABORT_ON_LINGER, -1,
	  AUDIT_DISAGREED },
};

START_TEST(kernel_against_oracle)
{
	const struct tcpdiag_environment env = calm();
	struct autopsy_operation operation = quiet(cases[_i].operation, cases[_i].before,
						   cases[_i].segment, cases[_i].after,
						   cases[_i].reason);
	struct audit_verdict verdict;

	operation.sk.rqueue = cases[_i].unread;
	operation.sk.linger = cases[_i].linger >= 0;
	operation.sk.sk_lingertime_ms = MAX(cases[_i].linger, 0) * 1000;
	verdict = check(&operation, &env);
	ck_assert_int_eq(verdict.result, cases[_i].result);
	ck_assert(verdict.predicted_known);
	ck_assert_int_eq(verdict.kind != 0, verdict.result == AUDIT_DISAGREED);
}
END_TEST

/* The second reason of tcp_disconnect(). */
START_TEST(disconnect_with_data)
{
	const struct tcpdiag_environment env = calm();
	struct autopsy_operation operation = quiet(TCPDIAG_OP_CLOSE, TCPDIAG_LAST_ACK,
						   TCPDIAG_SEGMENT_RST, TCPDIAG_CLOSE,
						   RESET_REASON_DISCONNECT_WITH_DATA);

	operation.sk.linger = true;
	operation.sk.wqueue = 10;
	operation.sk.notsent_bytes = 10;
	ck_assert_int_eq(check(&operation, &env).result, AUDIT_AGREED);
	/* Everything was sent: nothing would have been said. */
	operation.sk.notsent_bytes = 0;
	ck_assert_int_eq(check(&operation, &env).result, AUDIT_DISAGREED);
}
END_TEST

START_TEST(undecided)
{
	struct tcpdiag_environment env = calm();
	struct autopsy_operation operation = quiet(TCPDIAG_OP_CLOSE, TCPDIAG_ESTABLISHED,
						   TCPDIAG_SEGMENT_FIN, TCPDIAG_FIN_WAIT1, 0);
	struct autopsy_operation changed = operation;

	changed.complete = false;
	ck_assert_int_eq(check(&changed, &env).result, AUDIT_UNDECIDED);
	changed = operation;
	changed.sk.known &= ~(uint32_t)TCPDIAG_KNOWS_LINGER;
	ck_assert_int_eq(check(&changed, &env).result, AUDIT_UNDECIDED);
	/* What cannot change what is compared does not matter. */
	changed = operation;
	changed.sk.known &= ~(uint32_t)TCPDIAG_KNOWS_USER_TIMEOUT;
	ck_assert_int_eq(check(&changed, &env).result, AUDIT_AGREED);
	changed = operation;
	changed.sk.kind = TCPDIAG_KIND_TIMEWAIT;
	ck_assert(!check(&changed, &env).predicted_known);
	/* The limit was exceeded when it was read, and orphans have gone since. */
	env.orphans = 1001;
	ck_assert_int_eq(check(&operation, &env).result, AUDIT_UNDECIDED);
	ck_assert_int_eq(check(&operation, &env).predicted.rule, TCPDIAG_RULE_CLOSE_ORPHAN_LIMIT);
	/* Nothing is known around it: what it does by itself is still right or wrong. */
	memset(&env, 0, sizeof(env));
	ck_assert_int_eq(check(&operation, &env).result, AUDIT_AGREED);
}
END_TEST

static struct audit_verdict check_mptcp(uint8_t operation, uint8_t before, uint8_t segment,
					uint8_t after, uint32_t unread)
{
	const struct tcpdiag_environment env = calm();
	struct autopsy_operation seen = quiet(operation, before, segment, after, 0);

	seen.sk.mptcp = true;
	seen.sk.rqueue = unread;
	seen.sk.known &= ~(uint32_t)(TCPDIAG_KNOWS_BYTES | TCPDIAG_KNOWS_NOTSENT |
				     TCPDIAG_KNOWS_LINGER2 | TCPDIAG_KNOWS_REPAIR |
				     TCPDIAG_KNOWS_OFO | TCPDIAG_KNOWS_USER_TIMEOUT);
	return check(&seen, &env);
}

/* The MPTCP socket is the program's, its subflows are not; what was changed in younger kernels is not decided. */
START_TEST(mptcp)
{
	const struct tcpdiag_environment env = calm();
	struct autopsy_operation subflow;
	struct audit audit = {};

	ck_assert_int_eq(check_mptcp(TCPDIAG_OP_CLOSE, S(ESTABLISHED), FIN, S(FIN_WAIT1), 0).result,
			 AUDIT_AGREED);
	ck_assert_int_eq(check_mptcp(TCPDIAG_OP_EXIT, S(CLOSE_WAIT), FIN, S(LAST_ACK), 0).result,
			 AUDIT_AGREED);
	ck_assert_int_eq(
		check_mptcp(TCPDIAG_OP_SHUTDOWN_WRITE, S(ESTABLISHED), FIN, S(FIN_WAIT1), 7).result,
		AUDIT_AGREED);
	ck_assert_int_eq(check_mptcp(TCPDIAG_OP_CLOSE, S(ESTABLISHED), FIN, S(FIN_WAIT1), 7).result,
			 AUDIT_UNDECIDED);
	ck_assert_int_eq(check_mptcp(TCPDIAG_OP_CLOSE, S(ESTABLISHED), FIN, S(LAST_ACK), 0).result,
			 AUDIT_DISAGREED);
	subflow = quiet(TCPDIAG_OP_CLOSE, S(ESTABLISHED), FIN, S(FIN_WAIT1), 0);
	subflow.sk.mptcp_subflow = true;
	ck_assert_int_eq(check(&subflow, &env).result, AUDIT_NOT_COUNTED);
	ck_assert(!audit_note(&audit, &(struct audit_verdict){ .result = AUDIT_NOT_COUNTED }));
	ck_assert_uint_eq(audit.checks[AUDIT_AGREED] + audit.checks[AUDIT_UNDECIDED], 0);
	subflow = quiet(TCPDIAG_OP_CLOSE, S(LISTEN), NONE, S(CLOSE), 0);
	subflow.sk.mptcp_subflow = true;
	ck_assert_int_eq(check(&subflow, &env).result, AUDIT_AGREED);
	subflow.resets = 1;
	ck_assert_int_eq(check(&subflow, &env).result, AUDIT_DISAGREED);
	subflow.resets = subflow.sk.rqueue = 1;
	ck_assert_int_eq(check(&subflow, &env).result, AUDIT_UNDECIDED);
	subflow = quiet(TCPDIAG_OP_LISTENER_CLOSE, S(ESTABLISHED), RST, S(CLOSE), 0);
	subflow.sk.mptcp_subflow = true;
	ck_assert_int_eq(check(&subflow, &env).result, AUDIT_NOT_COUNTED);
}
END_TEST

START_TEST(in_words)
{
	struct tcpdiag_environment env = calm();
	struct autopsy_operation operation = quiet(TCPDIAG_OP_CLOSE, TCPDIAG_CLOSE_WAIT,
						   TCPDIAG_SEGMENT_RST, TCPDIAG_CLOSE,
						   RESET_REASON_STATE);
	struct audit_verdict verdict;
	char line[2048], cut[16];
	int length;

	operation.sk.rqueue = 6;
	operation.sk.netns = 5;
	operation.sk.cookie = 0xabc;
	memcpy(operation.sk.local, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x01", 16);
	memcpy(operation.sk.remote, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x02", 16);
	verdict = check(&operation, &env);
	ck_assert_int_eq(verdict.result, AUDIT_DISAGREED);
	verdict.kind = 0x1f;
	length = audit_describe(&operation, &env, &verdict, line, sizeof(line));
	ck_assert_int_eq(length, (int)strlen(line));
	ck_assert_str_eq(
		line, "close | [10.0.0.1]:443 [10.0.0.2]:50000 in network namespace 5, cookie abc "
		      "| close-wait unread 5 fin-unread 1 unsent 0 unacked 0 shutdown 0 "
		      "linger off linger2-ms 0 repair 0 out-of-order 0 | fin_timeout 60 orphans "
		      "0 of 1000 timewaits 0 of 1000 migrate_req 0 | oracle: close-unread-data "
		      "rst closed | kernel: rst closed tcp-state | row: "
		      "add(\"found/close-wait/close/1f\", \"connect; data 5; fin\", \"close\")");
	operation.sk.known = 0;
	memset(&env, 0, sizeof(env));
	verdict = check(&operation, &env);
	ck_assert_int_eq(verdict.result, AUDIT_UNDECIDED);
	audit_describe(&operation, &env, &verdict, line, sizeof(line));
	ck_assert_ptr_nonnull(strstr(line, "linger ? linger2-ms ? repair ?"));
	ck_assert_ptr_nonnull(strstr(line, "orphans ? of ?"));
	ck_assert_int_eq(audit_describe(&operation, &env, &verdict, cut, sizeof(cut)),
			 (int)strlen(line));
	ck_assert_uint_eq(strlen(cut), sizeof(cut) - 1);
}
END_TEST

/* Words of the scenarios for each state; the suite itself tries such rows. */
static const struct {
	struct autopsy_operation operation;
	const char *row;
} as_rows[] = {
#define SOCKET(at, ...) .sk = { .state = TCPDIAG_##at, .known = ~0U, __VA_ARGS__ }
	{ { SOCKET(ESTABLISHED) }, "\"connect\", \"close\")" },
	{ { SOCKET(ESTABLISHED, .rqueue = 70000, .linger = true, .sk_lingertime_ms = 2000) },
	  "\"connect; linger 2; data 1000\", \"close\")" },
	{ { SOCKET(ESTABLISHED, .wqueue = 7, .notsent_bytes = 4),
	    .operation = TCPDIAG_OP_SHUTDOWN_BOTH },
	  "\"window 3; connect; write 3; write 4\", \"shutdown_both\")" },
	{ { SOCKET(FIN_WAIT1, .wqueue = 1, .out_of_order = true) },
	  "\"connect; shut wr; ahead 4\", \"close\")" },
	{ { SOCKET(FIN_WAIT2, .linger2_ms = -1), .operation = TCPDIAG_OP_EXIT },
	  "\"connect; linger2 -1; shut wr; ack\", \"exit\")" },
	{ { SOCKET(CLOSING, .wqueue = 1, .rqueue = 1) }, "\"connect; shut wr; fin\", \"close\")" },
	{ { SOCKET(LAST_ACK, .wqueue = 1) }, "\"connect; fin; eof; shut wr\", \"close\")" },
	{ { SOCKET(CLOSE_WAIT, .repair = true) }, "\"connect; fin; eof; repair\", \"close\")" },
	{ { SOCKET(SYN_SENT, .wqueue = 1, .family = AF_INET6) },
	  "\"connecting\", \"close\", family='6')" },
	{ { SOCKET(SYN_RECV, .mapped = true, .linger = true,
		   .sk_lingertime_ms = TCPDIAG_LINGER_FOREVER) },
	  "\"crossed; linger forever\", \"close\", family='mapped')" },
	{ { SOCKET(ESTABLISHED, .rqueue = 3), .operation = TCPDIAG_OP_LISTENER_CLOSE },
	  "\"listen; arrive; data 3\", \"listener_close\")" },
	{ { SOCKET(CLOSE_WAIT, .mptcp = true) },
	  "\"pair mptcp; fin; eof\", \"close\", protocol='mptcp')" },
	{ { SOCKET(LISTEN, .rqueue = 3), .children = 2, .gone = 1 },
	  "\"listen; arrive 2; arrive; rst\", \"close\", about='listener', dead=1)" },
};

START_TEST(as_row)
{
	const struct audit_verdict verdict = { .result = AUDIT_DISAGREED };
	const struct tcpdiag_environment env = calm();
	char line[2048], *found;

	audit_describe(&as_rows[_i].operation, &env, &verdict, line, sizeof(line));
	found = strstr(line, " | row: add(\"found/");
	ck_assert_ptr_nonnull(found);
	found = strstr(found, ", ");
	ck_assert_ptr_nonnull(found);
	ck_assert_str_eq(found + 2, as_rows[_i].row);
}
END_TEST

/* Once each, and no more than there is room for. */
START_TEST(kinds)
{
	struct audit_verdict verdict = { .result = AUDIT_DISAGREED };
	struct audit audit = {};
	int logged = 0;

	for (uint32_t i = 0; i < 3 * AUDIT_KINDS; i++) {
		verdict.kind = 1 + i % (AUDIT_KINDS + 7);
		logged += audit_note(&audit, &verdict);
	}
	ck_assert_int_eq(logged, AUDIT_KINDS);
	verdict.result = AUDIT_AGREED;
	ck_assert(!audit_note(&audit, &verdict));
	ck_assert_uint_eq(audit.checks[AUDIT_DISAGREED], 3 * AUDIT_KINDS);
	ck_assert_uint_eq(audit.checks[AUDIT_AGREED], 1);
	ck_assert_uint_eq(audit.checks[AUDIT_UNDECIDED], 0);
}
END_TEST

/* A listener's close: what it does to its queue. */
static const struct {
	uint32_t queue, resets, children, gone;
	bool migrates, torn;
	uint8_t result;
} queues[] = {
	{ 0, 0, 0, 0, false, false, AUDIT_AGREED },
	{ 3, 3, 3, 0, false, false, AUDIT_AGREED },
	{ 3, 2, 2, 1, false, false, AUDIT_AGREED },
	{ 3, 0, 0, 3, false, false, AUDIT_AGREED },
	/* One of which nothing was seen may have been dead. */
	{ 3, 2, 2, 0, false, false, AUDIT_UNDECIDED },
	{ 3, 1, 1, 1, false, false, AUDIT_UNDECIDED },
	/* Another listener took them over: the setting was changed since it was read, or what others there are. */
	{ 3, 0, 0, 0, false, false, AUDIT_UNDECIDED },
	{ 3, 3, 3, 0, true, false, AUDIT_UNDECIDED },
	{ 3, 2, 3, 0, false, true, AUDIT_UNDECIDED },
	/* Who lived got nothing, or who was dead got something. */
	{ 3, 2, 3, 0, false, false, AUDIT_DISAGREED },
	{ 3, 3, 2, 1, false, false, AUDIT_DISAGREED },
	{ 1, 2, 1, 0, false, false, AUDIT_DISAGREED },
	{ 0, 1, 0, 0, false, false, AUDIT_DISAGREED },
};

START_TEST(listener_against_oracle)
{
	static const uint8_t ways[] = { TCPDIAG_OP_CLOSE, TCPDIAG_OP_EXIT, TCPDIAG_OP_SHUTDOWN_READ,
					TCPDIAG_OP_SHUTDOWN_BOTH };
	struct tcpdiag_environment env = calm();

	env.tcp_migrate_req = queues[_i].migrates;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct autopsy_operation operation = quiet(ways[i], TCPDIAG_LISTEN,
							   TCPDIAG_SEGMENT_NONE, TCPDIAG_CLOSE, 0);

		operation.sk.rqueue = queues[_i].queue;
		operation.resets = queues[_i].resets;
		operation.children = queues[_i].children;
		operation.gone = queues[_i].gone;
		operation.complete = !queues[_i].torn;
		ck_assert_int_eq(check(&operation, &env).result, queues[_i].result);
	}
}
END_TEST

#define A_SECOND 3000 /* operations */

/* @admitted: by tenth of the second. */
static uint32_t one_second(struct audit *audit, int64_t begins_ns, uint32_t operations,
			   uint32_t admitted[10])
{
	uint32_t all = 0;

	memset(admitted, 0, 10 * sizeof(*admitted));
	for (uint32_t i = 0; i < operations; i++) {
		bool is = audit_admit(audit, begins_ns + (int64_t)i * NSEC_PER_SEC / operations);

		admitted[i * 10 / operations] += is;
		all += is;
	}
	return all;
}

START_TEST(budget)
{
	struct audit audit = { .per_second = 100 };
	uint32_t tenths[10], all;

	/* What is below it is all checked. */
	ck_assert_uint_eq(one_second(&audit, NSEC_PER_SEC, 100, tenths), 100);
	/* Nobody knew that there would be so many: the first of them. */
	ck_assert_uint_eq(one_second(&audit, 2 * NSEC_PER_SEC, A_SECOND, tenths), 100);
	ck_assert_uint_eq(tenths[0], 100);
	/* Now they stand all over the second. */
	for (int64_t second = 3; second < 6; second++) {
		ck_assert_uint_eq(one_second(&audit, second * NSEC_PER_SEC, A_SECOND, tenths), 100);
		for (int i = 0; i < 10; i++)
			ck_assert_uint_eq(tenths[i], 10);
	}
	ck_assert_uint_eq(audit.skipped, 4 * (A_SECOND - 100));
	/* Twice as many as before are no more checks. */
	ck_assert_uint_eq(one_second(&audit, 6 * NSEC_PER_SEC, 2 * A_SECOND, tenths), 100);
	/* Fewer again: one second of few, then all. */
	all = one_second(&audit, 7 * NSEC_PER_SEC, 90, tenths);
	ck_assert_uint_le(all, 2);
	ck_assert_uint_eq(one_second(&audit, 8 * NSEC_PER_SEC, 90, tenths), 90);
}
END_TEST

/* Two sides of a connection close in turn: neither is always left out. */
START_TEST(both_sides)
{
	const uint32_t operations = 2000;
	struct audit audit = { .per_second = 1000 };
	uint32_t sides[2] = {};

	for (int64_t second = 1; second < 11; second++)
		for (uint32_t i = 0; i < operations; i++)
			sides[i % 2] += audit_admit(&audit,
						    second * NSEC_PER_SEC +
							    (int64_t)i * NSEC_PER_SEC / operations);
	ck_assert_uint_eq(sides[0] + sides[1], 10 * 1000);
	ck_assert_uint_gt(sides[0], 4500);
	ck_assert_uint_gt(sides[1], 4000);
}
END_TEST

/* A clock that goes back gives no more than a new second does; long quiet is no rate. */
START_TEST(clocks)
{
	struct audit audit = { .per_second = 10 };
	uint32_t admitted = 0, tenths[10];

	ck_assert_uint_eq(one_second(&audit, 9 * NSEC_PER_SEC, 1000, tenths), 10);
	for (int i = 0; i < 100; i++)
		admitted += audit_admit(&audit, 5);
	ck_assert_uint_eq(admitted, 10);
	ck_assert_uint_eq(one_second(&audit, 200 * NSEC_PER_SEC, 10, tenths), 10);
	audit.per_second = 0;
	ck_assert(audit_admit(&audit, 5));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("audit");
	TCase *t = tcase_create("all");

	tcase_add_loop_test(t, kernel_against_oracle, 0, ARRAY_SIZE(cases));
	tcase_add_test(t, disconnect_with_data);
	tcase_add_test(t, undecided);
	tcase_add_test(t, mptcp);
	tcase_add_test(t, in_words);
	tcase_add_loop_test(t, as_row, 0, ARRAY_SIZE(as_rows));
	tcase_add_test(t, kinds);
	tcase_add_loop_test(t, listener_against_oracle, 0, ARRAY_SIZE(queues));
	tcase_add_test(t, budget);
	tcase_add_test(t, both_sides);
	tcase_add_test(t, clocks);
	suite_add_tcase(s, t);
	return s;
}
