/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * shutdown(): net/ipv4/af_inet.c:inet_shutdown() and net/ipv4/tcp.c:tcp_shutdown().
 *
 * Closing the receive direction is a mark and no segment: data still comes in and can be read. Only in
 * FIN_WAIT1 and FIN_WAIT2, with both directions shut, new data is answered with a RST. Closing the send
 * direction sends the FIN behind what is queued, from ESTABLISHED and CLOSE_WAIT; a half-open handshake keeps it
 * until it is done. A listener obeys only SHUT_RD, which closes it.
 */
#include <errno.h>

#include "rules/outcome.h"

/* tcp_disconnect() of a listener or of an attempt to connect, through inet_shutdown(). */
static struct tcpdiag_result disconnect(const struct tcpdiag_socket *sk, unsigned int how,
					const struct assumption *assume)
{
	struct tcpdiag_result result;

	if (sk->state == TCPDIAG_LISTEN) {
		if (!(how & TCPDIAG_RCV_SHUTDOWN))
			return outcome_nothing(sk, TCPDIAG_RULE_SHUTDOWN_LISTENER_WRITE);
		return outcome_listen_stop(sk, TCPDIAG_RULE_SHUTDOWN_LISTENER, assume);
	}
	/* mptcp_disconnect() ends with mptcp_do_fastclose(), which resets a subflow in any state. */
	if (sk->mptcp && !assume->older)
		return outcome_gone(sk, TCPDIAG_RULE_CLOSE_MPTCP_FASTCLOSE, TCPDIAG_SEGMENT_RST,
				    "MPFastcloseTx");
	result = outcome_nothing(sk, TCPDIAG_RULE_SHUTDOWN_SYN_SENT);
	result.state = TCPDIAG_CLOSE;
	outcome_discard_all(&result, sk);
	return result;
}

static struct tcpdiag_result fin(const struct tcpdiag_socket *sk, enum tcpdiag_state next,
				 enum tcpdiag_rule rule)
{
	struct tcpdiag_result result = outcome_nothing(sk, rule);

	result.segment = outcome_mptcp_severed(sk) ? TCPDIAG_SEGMENT_NONE : TCPDIAG_SEGMENT_FIN;
	result.state = (uint8_t)next;
	return result;
}

/* The FIN is out. Shutting the receive direction as well makes late data fatal. */
static struct tcpdiag_result after_fin(const struct tcpdiag_socket *sk, unsigned int how)
{
	bool shut = sk->known & TCPDIAG_KNOWS_SHUTDOWN && sk->sk_shutdown & TCPDIAG_RCV_SHUTDOWN;

	if (how & TCPDIAG_RCV_SHUTDOWN && !shut && !sk->mptcp)
		return outcome_nothing(sk, TCPDIAG_RULE_SHUTDOWN_LATE_DATA);
	return outcome_nothing(sk, TCPDIAG_RULE_SHUTDOWN_NOTHING);
}

static struct tcpdiag_result not_connected(const struct tcpdiag_socket *sk)
{
	struct tcpdiag_result result = outcome_nothing(sk, TCPDIAG_RULE_SHUTDOWN_NOT_CONNECTED);

	result.error = ENOTCONN;
	return result;
}

struct tcpdiag_result outcome_shutdown(const struct tcpdiag_socket *sk, unsigned int how,
				       const struct assumption *assume)
{
	bool sending = how & TCPDIAG_SEND_SHUTDOWN;
	bool shut = sk->known & TCPDIAG_KNOWS_SHUTDOWN && sk->sk_shutdown & TCPDIAG_RCV_SHUTDOWN;

	switch (sk->state) {
	case TCPDIAG_LISTEN:
	case TCPDIAG_SYN_SENT:
		return disconnect(sk, how, assume);
	case TCPDIAG_ESTABLISHED:
		if (sending)
			return fin(sk, TCPDIAG_FIN_WAIT1, TCPDIAG_RULE_SHUTDOWN_WRITE);
		return outcome_nothing(sk, shut ? TCPDIAG_RULE_SHUTDOWN_NOTHING
						: TCPDIAG_RULE_SHUTDOWN_READ);
	case TCPDIAG_SYN_RECV:
		/* tcp_shutdown() left SYN_RECV out in May 2024 only. */
		if (sending && assume->older)
			return fin(sk, TCPDIAG_FIN_WAIT1, TCPDIAG_RULE_SHUTDOWN_WRITE);
		if (sending)
			return fin(sk, TCPDIAG_SYN_RECV, TCPDIAG_RULE_SHUTDOWN_DEFERRED);
		return outcome_nothing(sk, shut ? TCPDIAG_RULE_SHUTDOWN_NOTHING
						: TCPDIAG_RULE_SHUTDOWN_READ);
	case TCPDIAG_CLOSE_WAIT:
		if (sending)
			return fin(sk, TCPDIAG_LAST_ACK, TCPDIAG_RULE_SHUTDOWN_WRITE);
		/* tcp_fin() has shut the receive direction already. */
		return outcome_nothing(sk, TCPDIAG_RULE_SHUTDOWN_NOTHING);
	case TCPDIAG_FIN_WAIT1:
	case TCPDIAG_FIN_WAIT2:
		return after_fin(sk, how);
	case TCPDIAG_CLOSING:
	case TCPDIAG_LAST_ACK:
		return outcome_nothing(sk, TCPDIAG_RULE_SHUTDOWN_NOTHING);
	default:
		return not_connected(sk);
	}
}
