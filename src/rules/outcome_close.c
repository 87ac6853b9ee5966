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
 * MPTCP has its own front: net/mptcp/protocol.c:__mptcp_close().
 */
#include "rules/outcome.h"

/* 2 * TCP_SKB_MIN_TRUESIZE (include/net/sock.h), as it is on 64-bit kernels. */
#define SOCK_MIN_SNDBUF 4608

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

/* net/ipv4/tcp.c:tcp_check_oom() with shift 0. */
static bool over_limit(const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env)
{
	if (env->known & TCPDIAG_ENV_ORPHANS && env->orphans > env->tcp_max_orphans)
		return true;
	return env->known & TCPDIAG_ENV_MEMORY && sk->known & TCPDIAG_KNOWS_SKMEM &&
	       sk->wmem_queued > SOCK_MIN_SNDBUF && env->memory_pages > env->tcp_mem[2];
}

static struct tcpdiag_result gone(const struct tcpdiag_socket *sk, enum tcpdiag_rule rule,
				  enum tcpdiag_segment segment, const char *counter)
{
	struct tcpdiag_result result = outcome_nothing(sk, rule);

	result.segment = (uint8_t)segment;
	result.state = TCPDIAG_CLOSE;
	result.counter = counter;
	outcome_discard_all(&result, sk);
	return result;
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
					     const struct assumption *assume)
{
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
		return gone(sk, TCPDIAG_RULE_CLOSE_REPAIR, TCPDIAG_SEGMENT_NONE, NULL);
	return gone(sk, TCPDIAG_RULE_CHILD_RESET,
		    disconnect_resets(sk) ? TCPDIAG_SEGMENT_RST : TCPDIAG_SEGMENT_NONE, NULL);
}

/* The FIN goes out, or is out: an orphan is left that the peer's silence ends. */
static struct tcpdiag_result fin(const struct tcpdiag_socket *sk, enum tcpdiag_state next,
				 const struct tcpdiag_environment *env)
{
	struct tcpdiag_result result = outcome_nothing(
		sk, next == sk->state ? TCPDIAG_RULE_CLOSE_FIN_SENT : TCPDIAG_RULE_CLOSE_FIN);

	result.segment = next == sk->state ? TCPDIAG_SEGMENT_NONE : TCPDIAG_SEGMENT_FIN;
	result.state = (uint8_t)next;
	result.then.attachment = TCPDIAG_ORPHAN;
	result.then.at_most_ms = outcome_orphan_ms(sk, env);
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
		return gone(sk, TCPDIAG_RULE_CLOSE_LINGER2_NEGATIVE, TCPDIAG_SEGMENT_RST,
			    "TCPAbortOnLinger");
	if (fin_time > TCP_TIMEWAIT_LEN_MS) {
		if (over_limit(sk, env))
			return gone(sk, TCPDIAG_RULE_CLOSE_ORPHAN_LIMIT, TCPDIAG_SEGMENT_RST,
				    "TCPAbortOnMemory");
		result.then.attachment = TCPDIAG_ORPHAN;
	} else {
		if (timewaits_full(env))
			return gone(sk, TCPDIAG_RULE_CLOSE_TIME_WAIT_OVERFLOW, TCPDIAG_SEGMENT_NONE,
				    "TCPTimeWaitOverflow");
		result.then.attachment = TCPDIAG_TIMEWAIT;
	}
	result.then.at_most_ms = outcome_fin_wait2_life_ms(fin_time);
	return result;
}

/* tcp_close_state() and what __tcp_close() does after it. */
static struct tcpdiag_result orderly(const struct tcpdiag_socket *sk, bool exiting,
				     const struct tcpdiag_environment *env,
				     const struct assumption *assume)
{
	struct tcpdiag_result result;

	switch (sk->state) {
	case TCPDIAG_SYN_SENT:
		return gone(sk, TCPDIAG_RULE_CLOSE_SYN_SENT, TCPDIAG_SEGMENT_NONE, NULL);
	case TCPDIAG_ESTABLISHED:
	case TCPDIAG_SYN_RECV:
		result = fin(sk, TCPDIAG_FIN_WAIT1, env);
		break;
	case TCPDIAG_CLOSE_WAIT:
		result = fin(sk, TCPDIAG_LAST_ACK, env);
		break;
	case TCPDIAG_FIN_WAIT1:
	case TCPDIAG_CLOSING:
	case TCPDIAG_LAST_ACK:
		result = fin(sk, sk->state, env);
		break;
	case TCPDIAG_FIN_WAIT2:
		/* sk_stream_wait_close() has nothing to wait for: no lingering. */
		return fin_wait2(sk, env, assume);
	default:
		return outcome_nothing(sk, TCPDIAG_RULE_CLOSE_NOTHING);
	}
	if (over_limit(sk, env)) {
		result = gone(sk, TCPDIAG_RULE_CLOSE_ORPHAN_LIMIT, TCPDIAG_SEGMENT_RST,
			      "TCPAbortOnMemory");
	}
	if (assume->linger && !exiting)
		result.blocks_ms = assume->lingertime_ms;
	return result;
}

/* __mptcp_close(): unread data or linger 0 make a fastclose, anything else a DATA_FIN. */
static struct tcpdiag_result mptcp_close(const struct tcpdiag_socket *sk, bool exiting,
					 const struct tcpdiag_environment *env,
					 const struct assumption *assume)
{
	struct tcpdiag_result result;

	if (sk->state == TCPDIAG_LISTEN)
		return outcome_listen_stop(sk, TCPDIAG_RULE_CLOSE_LISTENER, assume);
	if (sk->state == TCPDIAG_CLOSE || sk->state == TCPDIAG_BOUND_INACTIVE ||
	    sk->state == TCPDIAG_SYN_SENT)
		return gone(sk,
			    sk->state == TCPDIAG_SYN_SENT ? TCPDIAG_RULE_CLOSE_SYN_SENT
							  : TCPDIAG_RULE_CLOSE_NOTHING,
			    TCPDIAG_SEGMENT_NONE, NULL);
	if (has_unread(sk) || (assume->linger && !assume->lingertime_ms))
		return gone(sk, TCPDIAG_RULE_CLOSE_MPTCP_FASTCLOSE, TCPDIAG_SEGMENT_RST,
			    "MPFastcloseTx");
	result = orderly(sk, exiting, env, assume);
	result.rule = TCPDIAG_RULE_CLOSE_MPTCP;
	/* The lives of its subflows are not in this row. */
	if (result.then.attachment)
		result.then.at_most_ms = TCPDIAG_NOT_KNOWN;
	return result;
}

struct tcpdiag_result outcome_close(const struct tcpdiag_socket *sk, bool exiting,
				    const struct tcpdiag_environment *env,
				    const struct assumption *assume)
{
	if (sk->mptcp)
		return mptcp_close(sk, exiting, env, assume);
	switch (sk->state) {
	case TCPDIAG_LISTEN:
		return outcome_listen_stop(sk, TCPDIAG_RULE_CLOSE_LISTENER, assume);
	case TCPDIAG_CLOSE:
	case TCPDIAG_BOUND_INACTIVE:
	case TCPDIAG_TIME_WAIT: /* the program's end of it is CLOSE: the minisocket has taken over */
		return gone(sk, TCPDIAG_RULE_CLOSE_NOTHING, TCPDIAG_SEGMENT_NONE, NULL);
	default:
		break;
	}
	if (assume->repair)
		return gone(sk, TCPDIAG_RULE_CLOSE_REPAIR, TCPDIAG_SEGMENT_NONE, NULL);
	if (has_unread(sk))
		return gone(sk, TCPDIAG_RULE_CLOSE_UNREAD, TCPDIAG_SEGMENT_RST, "TCPAbortOnClose");
	if (assume->linger && !assume->lingertime_ms)
		return disconnect_resets(sk) ? gone(sk, TCPDIAG_RULE_CLOSE_LINGER_ZERO,
						    TCPDIAG_SEGMENT_RST, "TCPAbortOnData")
					     : gone(sk, TCPDIAG_RULE_CLOSE_LINGER_ZERO_SILENT,
						    TCPDIAG_SEGMENT_NONE, "TCPAbortOnData");
	return orderly(sk, exiting, env, assume);
}
