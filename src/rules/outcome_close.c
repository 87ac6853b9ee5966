/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * close() of the last reference, and exit: the tests of net/ipv4/tcp.c:__tcp_close(), in its order.
 *
 *   listener        inet_csk_listen_stop(): each waiting connection is reset
 *   already closed  nothing
 *   TCP_REPAIR      tcp_disconnect() without a word
 *   unread data     RST (RFC 2525, 2.17); linger is not even looked at
 *   linger 0        tcp_disconnect(): RST where tcp_need_reset(), always TCPAbortOnData
 *   else            tcp_close_state(): FIN; sk_stream_wait_close() lingers, but not in an exit
 *   FIN_WAIT2       linger2 < 0: RST; up to 60 s: a minisocket; above: an orphan with a timer
 *   over a limit    tcp_check_oom(): RST after all
 *
 * The time of SO_LINGER is looked at in one place, sk_stream_wait_close(): it waits in FIN_WAIT1, CLOSING and
 * LAST_ACK, whatever O_NONBLOCK says, until the FIN is acknowledged, the time is over or a signal comes. An exit
 * does not linger (inet_release(): PF_EXITING); an execve() that closes descriptors does. Time that is over
 * cuts nothing: the orphan goes on. MPTCP has its own front (outcome_mptcp.c).
 */
#include "rules/outcome.h"

static bool has_unread(const struct tcpdiag_socket *sk)
{
	return tcpdiag_unread_bytes(sk) > 0;
}

/* Something, data or FIN, has not been sent once: write_seq != snd_nxt. */
static bool has_notsent(const struct tcpdiag_socket *sk)
{
	return sk->known & TCPDIAG_KNOWS_NOTSENT && sk->notsent_bytes > 0;
}

/* net/ipv4/tcp.c:tcp_disconnect(): whether the peer is told. */
static bool disconnect_resets(const struct tcpdiag_socket *sk)
{
	switch (sk->state) {
	case TCPDIAG_ESTABLISHED:
	case TCPDIAG_CLOSE_WAIT:
	case TCPDIAG_FIN_WAIT1:
	case TCPDIAG_FIN_WAIT2:
	case TCPDIAG_SYN_RECV:
		return true;
	case TCPDIAG_CLOSING:
	case TCPDIAG_LAST_ACK:
		return has_notsent(sk);
	default:
		return false;
	}
}

struct tcpdiag_result outcome_listen_stop(const struct tcpdiag_socket *sk, enum tcpdiag_rule rule,
					  const struct assumption *assume)
{
	struct tcpdiag_result result = outcome_nothing(sk, rule);
	/* A child that its peer has reset stays in the count of the queue, yet gets nothing. */
	uint32_t children = sk->known & TCPDIAG_KNOWS_CHILDREN && sk->children < sk->rqueue
				    ? sk->children
				    : sk->rqueue;

	result.state = rule == TCPDIAG_RULE_CLOSE_LISTENER ? TCPDIAG_CLOSE : TCPDIAG_BOUND_INACTIVE;
	if (assume->sibling && children) {
		result.rule = TCPDIAG_RULE_CHILD_MIGRATES;
		result.counter = "TCPMigrateReqSuccess";
	} else {
		result.resets = children;
	}
	return result;
}

struct tcpdiag_result outcome_listener_close(const struct tcpdiag_socket *sk,
					     const struct tcpdiag_environment *env,
					     const struct assumption *assume)
{
	bool fastcloses = sk->mptcp && !assume->fallback && outcome_fastcloses(env, assume);
	struct tcpdiag_result result;

	if (assume->sibling) {
		result = outcome_nothing(sk, TCPDIAG_RULE_CHILD_MIGRATES);
		result.counter = "TCPMigrateReqSuccess";
		result.then.attachment = TCPDIAG_UNACCEPTED;
		result.then.at_most_ms = TCPDIAG_FOREVER;
		return result;
	}
	/* inet_child_forget() calls tcp_disconnect(): no look at the queues, none of the TcpExt counters. */
	if (assume->repair)
		return outcome_gone(sk, TCPDIAG_RULE_CLOSE_REPAIR, TCPDIAG_SEGMENT_NONE, NULL);
	return outcome_gone(sk, TCPDIAG_RULE_CHILD_RESET,
			    disconnect_resets(sk) ? TCPDIAG_SEGMENT_RST : TCPDIAG_SEGMENT_NONE,
			    fastcloses ? "MPFastcloseTx" : NULL);
}

/* The FIN goes out, or is out: an orphan is left that the peer's silence ends. */
static struct tcpdiag_result fin(const struct tcpdiag_socket *sk, enum tcpdiag_state next,
				 const struct tcpdiag_environment *env,
				 const struct assumption *assume)
{
	struct tcpdiag_result result = outcome_nothing(
		sk, next == sk->state ? TCPDIAG_RULE_CLOSE_FIN_SENT : TCPDIAG_RULE_CLOSE_FIN);

	result.segment = next == sk->state ? TCPDIAG_SEGMENT_NONE : TCPDIAG_SEGMENT_FIN;
	result.state = (uint8_t)next;
	result.then.attachment = TCPDIAG_ORPHAN;
	outcome_orphan(sk, env, assume, &result.then);
	return result;
}

/* No minisocket to be had: tcp_time_wait() counts it, and the connection vanishes. */
static bool timewaits_full(const struct tcpdiag_environment *env)
{
	return env->known & TCPDIAG_ENV_TIMEWAITS && env->timewaits >= env->tcp_max_tw_buckets;
}

static struct tcpdiag_result fin_wait2(const struct tcpdiag_socket *sk,
				       const struct tcpdiag_environment *env,
				       const struct assumption *assume)
{
	struct tcpdiag_result result = outcome_nothing(sk, TCPDIAG_RULE_CLOSE_FIN_WAIT2);
	int64_t fin_time = outcome_fin_time_ms(sk, env, assume->linger2_ms);

	if (assume->linger2_ms < 0)
		return outcome_gone(sk, TCPDIAG_RULE_CLOSE_LINGER2_NEGATIVE, TCPDIAG_SEGMENT_RST,
				    "TCPAbortOnLinger");
	if (fin_time > TCP_TIMEWAIT_LEN_MS) {
		if (outcome_over_limit(sk, env, 0))
			return outcome_gone(sk, TCPDIAG_RULE_CLOSE_ORPHAN_LIMIT,
					    TCPDIAG_SEGMENT_RST, "TCPAbortOnMemory");
		result.then.attachment = TCPDIAG_ORPHAN;
	} else {
		if (timewaits_full(env))
			return outcome_gone(sk, TCPDIAG_RULE_CLOSE_TIME_WAIT_OVERFLOW,
					    TCPDIAG_SEGMENT_NONE, "TCPTimeWaitOverflow");
		result.then.attachment = TCPDIAG_TIMEWAIT;
	}
	result.then.at_most_ms = outcome_fin_wait2_life_ms(fin_time);
	return result;
}

/* tcp_close_state() and what __tcp_close() does after it. */
struct tcpdiag_result outcome_orderly(const struct tcpdiag_socket *sk, bool exiting,
				      const struct tcpdiag_environment *env,
				      const struct assumption *assume)
{
	struct tcpdiag_result result;

	switch (sk->state) {
	case TCPDIAG_SYN_SENT:
		return outcome_gone(sk, TCPDIAG_RULE_CLOSE_SYN_SENT, TCPDIAG_SEGMENT_NONE, NULL);
	case TCPDIAG_ESTABLISHED:
	case TCPDIAG_SYN_RECV:
		result = fin(sk, TCPDIAG_FIN_WAIT1, env, assume);
		break;
	case TCPDIAG_CLOSE_WAIT:
		result = fin(sk, TCPDIAG_LAST_ACK, env, assume);
		break;
	case TCPDIAG_FIN_WAIT1:
	case TCPDIAG_CLOSING:
	case TCPDIAG_LAST_ACK:
		result = fin(sk, sk->state, env, assume);
		break;
	case TCPDIAG_FIN_WAIT2:
		/* sk_stream_wait_close() has nothing to wait for: no lingering. */
		return fin_wait2(sk, env, assume);
	default:
		return outcome_nothing(sk, TCPDIAG_RULE_CLOSE_NOTHING);
	}
	if (outcome_over_limit(sk, env, 0)) {
		result = outcome_gone(sk, TCPDIAG_RULE_CLOSE_ORPHAN_LIMIT, TCPDIAG_SEGMENT_RST,
				      "TCPAbortOnMemory");
	}
	if (assume->linger && !exiting)
		result.blocks_ms = assume->lingertime_ms;
	return result;
}

struct tcpdiag_result outcome_linger_zero(const struct tcpdiag_socket *sk)
{
	if (disconnect_resets(sk))
		return outcome_gone(sk, TCPDIAG_RULE_CLOSE_LINGER_ZERO, TCPDIAG_SEGMENT_RST,
				    "TCPAbortOnData");
	return outcome_gone(sk, TCPDIAG_RULE_CLOSE_LINGER_ZERO_SILENT, TCPDIAG_SEGMENT_NONE,
			    "TCPAbortOnData");
}

struct tcpdiag_result outcome_close(const struct tcpdiag_socket *sk, bool exiting,
				    const struct tcpdiag_environment *env,
				    const struct assumption *assume)
{
	if (sk->mptcp)
		return outcome_mptcp_close(sk, exiting, env, assume);
	switch (sk->state) {
	case TCPDIAG_LISTEN:
		return outcome_listen_stop(sk, TCPDIAG_RULE_CLOSE_LISTENER, assume);
	case TCPDIAG_CLOSE:
	case TCPDIAG_BOUND_INACTIVE:
	case TCPDIAG_NEW_SYN_RECV: /* a minisocket's state, which no descriptor has */
	case TCPDIAG_TIME_WAIT: /* the program's end of it is CLOSE: the minisocket has taken over */
		return outcome_gone(sk, TCPDIAG_RULE_CLOSE_NOTHING, TCPDIAG_SEGMENT_NONE, NULL);
	default:
		break;
	}
	if (assume->repair)
		return outcome_gone(sk, TCPDIAG_RULE_CLOSE_REPAIR, TCPDIAG_SEGMENT_NONE, NULL);
	if (has_unread(sk))
		return outcome_gone(sk, TCPDIAG_RULE_CLOSE_UNREAD, TCPDIAG_SEGMENT_RST,
				    "TCPAbortOnClose");
	if (assume->linger && !assume->lingertime_ms)
		return outcome_linger_zero(sk);
	return outcome_orderly(sk, exiting, env, assume);
}
