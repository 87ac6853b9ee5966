/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The oracle's front: which operations exist for which socket, and who decides.
 *
 * What a reader does not know is assumed to be at its default here; outcome_variants.c tries the other
 * values.
 */
#include <errno.h>
#include <string.h>

#include "rules/outcome.h"

/* Its last close() is under way: it lingers, or is just about to begin. */
static bool is_closing(const struct tcpdiag_socket *sk)
{
	return tcpdiag_unheld_reason(sk) == TCPDIAG_UNHELD_CLOSING;
}

/* Orphans and minisockets have no descriptor that an operation could come through. */
static bool can_operate(const struct tcpdiag_socket *sk, enum tcpdiag_operation op)
{
	if (sk->kind != TCPDIAG_KIND_FULL || sk->attachment == TCPDIAG_ORPHAN)
		return false;
	switch (op) {
	case TCPDIAG_OP_LISTENER_CLOSE:
		return sk->attachment == TCPDIAG_UNACCEPTED;
	case TCPDIAG_OP_EXIT:
		return sk->attachment != TCPDIAG_UNHELD;
	case TCPDIAG_OP_SHUTDOWN_READ:
	case TCPDIAG_OP_SHUTDOWN_WRITE:
	case TCPDIAG_OP_SHUTDOWN_BOTH:
		return !is_closing(sk);
	default:
		return true;
	}
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

struct tcpdiag_result outcome_gone(const struct tcpdiag_socket *sk, enum tcpdiag_rule rule,
				   enum tcpdiag_segment segment, const char *counter)
{
	struct tcpdiag_result result = outcome_nothing(sk, rule);

	result.segment = (uint8_t)segment;
	result.state = TCPDIAG_CLOSE;
	result.counter = counter;
	outcome_discard_all(&result, sk);
	return result;
}

/* The queues of a subflow are empty, its data waits in the MPTCP socket: it decides nothing. */
struct tcpdiag_result outcome_decide(const struct tcpdiag_socket *sk, enum tcpdiag_operation op,
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
		return outcome_listener_close(sk, env, assume);
	if (how[op])
		return outcome_shutdown(sk, how[op], assume);
	return outcome_close(sk, op == TCPDIAG_OP_EXIT, env, assume);
}

struct assumption outcome_known(const struct tcpdiag_socket *sk,
				const struct tcpdiag_environment *env)
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
	if (sk->known & TCPDIAG_KNOWS_USER_TIMEOUT)
		assume.user_timeout_ms = sk->user_timeout_ms;
	if (sk->known & TCPDIAG_KNOWS_FALLBACK)
		assume.fallback = sk->mptcp_fallback;
	/* inet_csk_listen_stop() asks for another listener only with the sysctl. */
	if (env->known & TCPDIAG_ENV_MIGRATE && env->tcp_migrate_req &&
	    sk->known & TCPDIAG_KNOWS_SIBLINGS)
		assume.sibling = sk->siblings > 0;
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
	assume = outcome_known(sk, env);
	*ret = outcome_decide(sk, op, env, &assume);
	return 0;
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
	if (op == TCPDIAG_OP_CLOSE)
		outcome_hold(ret, sk);
	if (sk->mptcp_subflow) {
		ret->certain = false;
		ret->unknown = TCPDIAG_INPUT_MPTCP;
		return 0;
	}
	outcome_try_variants(ret, sk, op, env);
	return 0;
}
