/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The oracle's front: which operations exist for which socket, and what the unknown inputs could change.
 *
 * sock_diag tells neither SO_LINGER nor TCP_LINGER2 nor TCP_REPAIR. An unknown one is assumed to be at its
 * default, and then tried with each value that the kernel treats differently; a result that differs
 * makes the outcome uncertain and is listed with its condition.
 */
#include <errno.h>
#include <string.h>

#include "rules/outcome.h"

static bool is_unaccepted(const struct tcpdiag_socket *sk)
{
	return sk->attachment == TCPDIAG_UNACCEPTED;
}

/* Orphans and minisockets have no descriptor that an operation could come through. */
static bool can_operate(const struct tcpdiag_socket *sk, enum tcpdiag_operation op)
{
	if (sk->kind != TCPDIAG_KIND_FULL || sk->attachment == TCPDIAG_ORPHAN)
		return false;
	if (op == TCPDIAG_OP_LISTENER_CLOSE)
		return is_unaccepted(sk);
	if (op == TCPDIAG_OP_EXIT)
		return sk->attachment != TCPDIAG_UNHELD;
	return true;
}

static int check(const struct tcpdiag_socket *sk, enum tcpdiag_operation op)
{
	if ((unsigned int)op >= TCPDIAG_OP_MAX || sk->state <= TCPDIAG_STATE_NONE ||
	    sk->state >= TCPDIAG_STATE_MAX || sk->kind > TCPDIAG_KIND_REQUEST ||
	    sk->attachment >= TCPDIAG_ATTACHMENT_MAX)
		return -EINVAL;
	if (sk->kind == TCPDIAG_KIND_FULL &&
	    (sk->attachment == TCPDIAG_TIMEWAIT || sk->attachment == TCPDIAG_REQUEST))
		return -EINVAL;
	return can_operate(sk, op) ? 0 : -EOPNOTSUPP;
}

struct tcpdiag_result outcome_nothing(const struct tcpdiag_socket *sk, enum tcpdiag_rule rule)
{
	return (struct tcpdiag_result){
		.rule = (uint8_t)rule,
		.state = sk->state,
		.then = { .ends_with = TCPDIAG_ENDS_SILENT },
	};
}

void outcome_discard_all(struct tcpdiag_result *result, const struct tcpdiag_socket *sk)
{
	result->discards_receive = tcpdiag_unread_bytes(sk);
	result->discards_unsent = tcpdiag_unsent_bytes(sk);
	result->discards_send = tcpdiag_unacked_bytes(sk) + result->discards_unsent;
}

/* The queues of a subflow are empty, its data waits in the MPTCP socket: it decides nothing. */
static struct tcpdiag_result decide(const struct tcpdiag_socket *sk, enum tcpdiag_operation op,
				    const struct tcpdiag_environment *env,
				    const struct assumption *assume)
{
	static const unsigned int how[TCPDIAG_OP_MAX] = {
		[TCPDIAG_OP_SHUTDOWN_READ] = TCPDIAG_RCV_SHUTDOWN,
		[TCPDIAG_OP_SHUTDOWN_WRITE] = TCPDIAG_SEND_SHUTDOWN,
		[TCPDIAG_OP_SHUTDOWN_BOTH] = TCPDIAG_RCV_SHUTDOWN | TCPDIAG_SEND_SHUTDOWN,
	};

	if (sk->mptcp_subflow)
		return outcome_nothing(sk, TCPDIAG_RULE_CLOSE_SUBFLOW);
	if (op == TCPDIAG_OP_LISTENER_CLOSE)
		return outcome_listener_close(sk, assume);
	if (how[op])
		return outcome_shutdown(sk, how[op], assume);
	return outcome_close(sk, op == TCPDIAG_OP_EXIT, env, assume);
}

static struct assumption what_is_known(const struct tcpdiag_socket *sk)
{
	struct assumption assume = {};

	if (sk->known & TCPDIAG_KNOWS_LINGER) {
		assume.linger = sk->linger;
		assume.lingertime_ms = sk->sk_lingertime_ms;
	}
	if (sk->known & TCPDIAG_KNOWS_LINGER2)
		assume.linger2_ms = sk->linger2_ms;
	if (sk->known & TCPDIAG_KNOWS_REPAIR)
		assume.repair = sk->repair;
	return assume;
}

int tcpdiag_result(const struct tcpdiag_socket *sk, enum tcpdiag_operation op,
		   const struct tcpdiag_environment *env, struct tcpdiag_result *ret)
{
	struct assumption assume;
	int r;

	r = check(sk, op);
	if (r < 0)
		return r;
	assume = what_is_known(sk);
	*ret = decide(sk, op, env, &assume);
	return 0;
}

/* One value of an unknown input that the kernel treats differently from the default. */
struct variant {
	enum tcpdiag_input input;
	uint32_t known; /* the bit that would settle it */
	const char *condition;
	struct assumption assume;
};

static const struct variant variants[] = {
	{ TCPDIAG_INPUT_LINGER,
	  TCPDIAG_KNOWS_LINGER,
	  "SO_LINGER is on with 0 seconds",
	  { .linger = true } },
	{ TCPDIAG_INPUT_LINGER,
	  TCPDIAG_KNOWS_LINGER,
	  "SO_LINGER is on with more than 0 seconds: at most those",
	  { .linger = true, .lingertime_ms = TCPDIAG_FOREVER } },
	{ TCPDIAG_INPUT_LINGER2,
	  TCPDIAG_KNOWS_LINGER2,
	  "TCP_LINGER2 is negative",
	  { .linger2_ms = -1 } },
	{ TCPDIAG_INPUT_LINGER2,
	  TCPDIAG_KNOWS_LINGER2,
	  "TCP_LINGER2 is set, up to 60 seconds",
	  { .linger2_ms = TCP_TIMEWAIT_LEN_MS } },
	{ TCPDIAG_INPUT_LINGER2,
	  TCPDIAG_KNOWS_LINGER2,
	  "TCP_LINGER2 is above 60 seconds",
	  { .linger2_ms = TCP_FIN_TIMEOUT_MAX_MS } },
	{ TCPDIAG_INPUT_REPAIR, TCPDIAG_KNOWS_REPAIR, "TCP_REPAIR is on", { .repair = true } },
};

_Static_assert(sizeof(variants) / sizeof(variants[0]) <= TCPDIAG_OTHERWISE_MAX,
	       "every variant has a place in the outcome");

static bool same_result(const struct tcpdiag_result *a, const struct tcpdiag_result *b)
{
	return a->rule == b->rule && a->segment == b->segment && a->state == b->state &&
	       a->error == b->error && a->resets == b->resets && a->blocks_ms == b->blocks_ms &&
	       a->discards_receive == b->discards_receive && a->discards_send == b->discards_send &&
	       a->discards_unsent == b->discards_unsent && a->counter == b->counter &&
	       a->then.attachment == b->then.attachment && a->then.ends_with == b->then.ends_with &&
	       a->then.at_most_ms == b->then.at_most_ms;
}

static void add_otherwise(struct tcpdiag_outcome *outcome, enum tcpdiag_input input,
			  const char *condition, const struct tcpdiag_result *result)
{
	uint8_t i;

	if (same_result(result, &outcome->result))
		return;
	outcome->certain = false;
	outcome->unknown |= (uint8_t)input;
	for (i = 0; i < outcome->otherwise_count; i++)
		if (same_result(result, &outcome->otherwise[i].result))
			return;
	if (outcome->otherwise_count < TCPDIAG_OTHERWISE_MAX)
		outcome->otherwise[outcome->otherwise_count++] =
			(struct tcpdiag_otherwise){ .condition = condition, .result = *result };
}

static void try_variants(struct tcpdiag_outcome *outcome, const struct tcpdiag_socket *sk,
			 enum tcpdiag_operation op, const struct tcpdiag_environment *env)
{
	const struct assumption base = what_is_known(sk);
	size_t i;

	for (i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
		const struct variant *variant = &variants[i];
		struct assumption assume = base;
		struct tcpdiag_result result;

		if (sk->known & variant->known)
			continue;
		if (variant->input == TCPDIAG_INPUT_LINGER) {
			assume.linger = variant->assume.linger;
			assume.lingertime_ms = variant->assume.lingertime_ms;
		} else if (variant->input == TCPDIAG_INPUT_LINGER2) {
			assume.linger2_ms = variant->assume.linger2_ms;
		} else {
			assume.repair = variant->assume.repair;
		}
		result = decide(sk, op, env, &assume);
		add_otherwise(outcome, variant->input, variant->condition, &result);
	}
	if (env->known & TCPDIAG_ENV_MIGRATE && env->tcp_migrate_req) {
		struct assumption assume = base;
		struct tcpdiag_result result;

		assume.sibling = true;
		result = decide(sk, op, env, &assume);
		add_otherwise(outcome, TCPDIAG_INPUT_SIBLING,
			      "another listener of the port (SO_REUSEPORT) takes the queue over",
			      &result);
	}
}

int tcpdiag_outcome(const struct tcpdiag_socket *sk, enum tcpdiag_operation op,
		    const struct tcpdiag_environment *env, struct tcpdiag_outcome *ret)
{
	int r;

	r = check(sk, op);
	if (r < 0)
		return r;
	memset(ret, 0, sizeof(*ret));
	r = tcpdiag_result(sk, op, env, &ret->result);
	if (r < 0)
		return r;
	ret->peer_finished = tcpdiag_peer_finished(sk);
	ret->certain = true;
	if (sk->mptcp_subflow) {
		ret->certain = false;
		ret->unknown = TCPDIAG_INPUT_MPTCP;
		return 0;
	}
	try_variants(ret, sk, op, env);
	return 0;
}

const char *tcpdiag_operation_name(enum tcpdiag_operation op)
{
	static const char *const names[TCPDIAG_OP_MAX] = {
		[TCPDIAG_OP_CLOSE] = "close",
		[TCPDIAG_OP_EXIT] = "exit",
		[TCPDIAG_OP_SHUTDOWN_READ] = "shutdown_read",
		[TCPDIAG_OP_SHUTDOWN_WRITE] = "shutdown_write",
		[TCPDIAG_OP_SHUTDOWN_BOTH] = "shutdown_both",
		[TCPDIAG_OP_LISTENER_CLOSE] = "listener_close",
	};

	return (unsigned int)op < TCPDIAG_OP_MAX ? names[op] : NULL;
}

const char *tcpdiag_segment_name(enum tcpdiag_segment segment)
{
	static const char *const names[TCPDIAG_SEGMENT_MAX] = {
		[TCPDIAG_SEGMENT_NONE] = "none",
		[TCPDIAG_SEGMENT_FIN] = "fin",
		[TCPDIAG_SEGMENT_RST] = "rst",
	};

	return (unsigned int)segment < TCPDIAG_SEGMENT_MAX ? names[segment] : NULL;
}

const char *tcpdiag_end_name(enum tcpdiag_end end)
{
	static const char *const names[TCPDIAG_END_MAX] = {
		[TCPDIAG_ENDS_SILENT] = "silent",
		[TCPDIAG_ENDS_FIN] = "fin",
		[TCPDIAG_ENDS_RST] = "rst",
	};

	return (unsigned int)end < TCPDIAG_END_MAX ? names[end] : NULL;
}
