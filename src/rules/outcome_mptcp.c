/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * close() of an MPTCP socket: net/mptcp/protocol.c:__mptcp_close(), in its order.
 *
 *   listener        mptcp_check_listen_stop(): as TCP
 *   unread data     mptcp_do_fastclose(): each subflow is reset with MP_FASTCLOSE; before 6.1 a DATA_FIN
 *   linger 0        the same; before April 2026 (7.1, stable trees) the time was only not waited for
 *   else            DATA_FIN; sk_stream_wait_close() lingers like TCP
 *
 * Where the peer speaks TCP only (fallback) nothing can be said in MPTCP's options. mptcp_do_fastclose() then
 * does nothing since November 2025, and the one subflow is closed as any TCP socket whose data was read: its
 * data waits in the MPTCP socket, so it ends with a FIN, or by its own linger 0 with a RST. Before that it was
 * disconnected, with a RST.
 *
 * Which of these a kernel has can be told of 6.1 only, by its counters.
 *
 * Where all subflows have ended an established socket waits for new ones, for which its timer runs
 * (__mptcp_close_ssk(), mptcp_start_tout_timer(), which nothing else starts in that state): nothing that it does
 * reaches the peer.
 */
#include "rules/outcome.h"

static struct tcpdiag_result orderly(const struct tcpdiag_socket *sk, bool exiting,
				     const struct tcpdiag_environment *env,
				     const struct assumption *assume)
{
	struct tcpdiag_result result = outcome_orderly(sk, exiting, env, assume);

	result.rule = TCPDIAG_RULE_CLOSE_MPTCP;
	/* The lives of its subflows are not in this row. */
	if (result.then.attachment) {
		result.then.at_most_ms = TCPDIAG_NOT_KNOWN;
		result.then.ends_with = TCPDIAG_ENDS_SILENT;
	}
	return result;
}

static bool sends_fin(const struct tcpdiag_socket *sk)
{
	return sk->state == TCPDIAG_ESTABLISHED || sk->state == TCPDIAG_CLOSE_WAIT ||
	       sk->state == TCPDIAG_SYN_RECV;
}

/* Unread data without MPTCP on the wire. */
static struct tcpdiag_result fallback_unread(const struct tcpdiag_socket *sk,
					     const struct assumption *assume)
{
	struct tcpdiag_result result;

	if (assume->older)
		return outcome_gone(sk, TCPDIAG_RULE_CLOSE_MPTCP_FASTCLOSE, TCPDIAG_SEGMENT_RST,
				    NULL);
	result = outcome_nothing(sk, TCPDIAG_RULE_CLOSE_MPTCP_FALLBACK);
	result.state = TCPDIAG_CLOSE;
	result.discards_receive = tcpdiag_unread_bytes(sk);
	result.segment = sends_fin(sk) ? TCPDIAG_SEGMENT_FIN : TCPDIAG_SEGMENT_NONE;
	/* Its subflow, whose times are in another row. */
	result.then.attachment = TCPDIAG_ORPHAN;
	result.then.at_most_ms = TCPDIAG_NOT_KNOWN;
	return result;
}

bool outcome_fastcloses(const struct tcpdiag_environment *env, const struct assumption *assume)
{
	return env->known & TCPDIAG_ENV_FASTCLOSE ? env->mptcp_fastclose : !assume->older;
}

bool outcome_mptcp_severed(const struct tcpdiag_socket *sk)
{
	return sk->mptcp && sk->state == TCPDIAG_ESTABLISHED &&
	       sk->timer == TCPDIAG_TIMER_KEEPALIVE;
}

static struct tcpdiag_result close_connected(const struct tcpdiag_socket *sk, bool exiting,
					     const struct tcpdiag_environment *env,
					     const struct assumption *assume)
{
	bool unread = tcpdiag_unread_bytes(sk) > 0 && !assume->drained;
	bool zero = assume->linger && !assume->lingertime_ms;

	switch (sk->state) {
	case TCPDIAG_LISTEN:
		return outcome_listen_stop(sk, TCPDIAG_RULE_CLOSE_LISTENER, assume);
	case TCPDIAG_CLOSE:
	case TCPDIAG_BOUND_INACTIVE:
	case TCPDIAG_NEW_SYN_RECV:
	case TCPDIAG_TIME_WAIT:
		return outcome_gone(sk, TCPDIAG_RULE_CLOSE_NOTHING, TCPDIAG_SEGMENT_NONE, NULL);
	case TCPDIAG_SYN_SENT:
		if (zero && !assume->older)
			break;
		return outcome_gone(sk, TCPDIAG_RULE_CLOSE_SYN_SENT, TCPDIAG_SEGMENT_NONE, NULL);
	default:
		break;
	}
	if (assume->fallback && zero && !assume->older)
		return outcome_linger_zero(sk);
	if (assume->fallback && unread)
		return fallback_unread(sk, assume);
	if (!assume->fallback &&
	    ((unread && outcome_fastcloses(env, assume)) || (zero && !assume->older)))
		return outcome_gone(sk, TCPDIAG_RULE_CLOSE_MPTCP_FASTCLOSE, TCPDIAG_SEGMENT_RST,
				    "MPFastcloseTx");
	return orderly(sk, exiting, env, assume);
}

struct tcpdiag_result outcome_mptcp_close(const struct tcpdiag_socket *sk, bool exiting,
					  const struct tcpdiag_environment *env,
					  const struct assumption *assume)
{
	struct tcpdiag_result result = close_connected(sk, exiting, env, assume);

	if (outcome_mptcp_severed(sk)) {
		result.segment = TCPDIAG_SEGMENT_NONE;
		result.counter = NULL;
	}
	return result;
}
