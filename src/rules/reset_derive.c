/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who calls tcp_send_active_reset() and tcp_v4_send_reset(), and what the socket looks like then.
 *
 *	active, in CLOSE, not yet an orphan	net/ipv4/tcp.c:__tcp_close(): unread data first, then SO_LINGER 0;
 *						tcp_disconnect() of a child that waits in a listener's queue
 *	active, in CLOSE, an orphan		the same function behind sock_orphan(): TCP_LINGER2, then the limits
 *	active, in a live state			net/ipv4/tcp_timer.c, tcp_abort(): the state changes behind the RST
 *	passive					net/ipv4/tcp_ipv4.c:tcp_v4_rcv(): no socket, a minisocket, late data
 */
#include "rules/reset_derive.h"

#include <errno.h>
#include <netinet/tcp.h>

static bool knows(const struct tcpdiag_socket *sk, uint32_t what)
{
	return (sk->known & what) == what;
}

static bool no_fin_wait2(const struct tcpdiag_socket *sk)
{
	return knows(sk, TCPDIAG_KNOWS_LINGER2) && sk->linger2_ms < 0;
}

static bool resets_at_close(const struct tcpdiag_socket *sk)
{
	return knows(sk, TCPDIAG_KNOWS_LINGER) && sk->linger && sk->sk_lingertime_ms == 0;
}

/* Of the orphan: a close() in FIN_WAIT2 sends a RST for one cause only. */
static enum reset_reason of_orphan(const struct reset_facts *facts)
{
	if (facts->before == TCPDIAG_FIN_WAIT2 ||
	    (facts->before == TCPDIAG_STATE_NONE && no_fin_wait2(facts->sk)))
		return RESET_REASON_ABORT_ON_LINGER;
	return RESET_REASON_ABORT_ON_MEMORY;
}

/* tcp_need_reset() is true of all other states whose connection is alive. */
static enum reset_reason of_disconnect(const struct reset_facts *facts)
{
	if (facts->before == TCPDIAG_CLOSING || facts->before == TCPDIAG_LAST_ACK)
		return RESET_REASON_DISCONNECT_WITH_DATA;
	return RESET_REASON_STATE;
}

static enum reset_reason of_dead(const struct reset_facts *facts)
{
	const struct tcpdiag_socket *sk = facts->sk;

	if (facts->orphaned)
		return of_orphan(facts);
	if (!facts->released)
		return of_disconnect(facts);
	/* Of a dead connection the FIN is not counted any more. */
	if (sk->rqueue > 0)
		return RESET_REASON_ABORT_ON_CLOSE;
	/* An option that nobody could read: nothing else is left. */
	return resets_at_close(sk) || !knows(sk, TCPDIAG_KNOWS_LINGER) ? of_disconnect(facts)
								       : RESET_REASON_NOT_SPECIFIED;
}

/* tcp_keepalive_timer() of an orphan in FIN_WAIT2, tcp_out_of_resources(); SOCK_DESTROY, keepalive. */
static enum reset_reason of_live(const struct reset_facts *facts)
{
	const struct tcpdiag_socket *sk = facts->sk;

	if (facts->orphaned)
		return sk->state == TCPDIAG_FIN_WAIT2 ? RESET_REASON_STATE
						      : RESET_REASON_ABORT_ON_MEMORY;
	if (knows(sk, TCPDIAG_KNOWS_ERROR) && sk->sk_err == ECONNABORTED)
		return RESET_REASON_STATE;
	return RESET_REASON_NOT_SPECIFIED;
}

static enum reset_reason of_answer(const struct reset_facts *facts)
{
	const struct tcpdiag_socket *sk = facts->sk;

	if (!sk)
		return (facts->segment_flags & (TH_SYN | TH_ACK)) == TH_SYN
			       ? RESET_REASON_NO_SOCKET_SYN
			       : RESET_REASON_NO_SOCKET;
	if (sk->kind == TCPDIAG_KIND_TIMEWAIT)
		return RESET_REASON_TIMEWAIT_SOCKET;
	if (sk->kind == TCPDIAG_KIND_FULL && sk->state == TCPDIAG_CLOSE &&
	    (facts->payload || no_fin_wait2(sk)))
		return RESET_REASON_ABORT_ON_DATA;
	return RESET_REASON_NOT_SPECIFIED;
}

enum reset_reason reset_derive(const struct reset_facts *facts)
{
	if (facts->passive || !facts->sk)
		return of_answer(facts);
	if (facts->sk->state == TCPDIAG_CLOSE)
		return of_dead(facts);
	return of_live(facts);
}
