/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Truth about queues: rqueue is rcv_nxt - copied_seq and wqueue is write_seq - snd_una
 * (net/ipv4/tcp_diag.c:tcp_diag_get_info()), so a FIN or SYN counts as one byte of either.
 */
#include <tcpdiag/socket.h>

/* States in which the peer's FIN has arrived. */
static bool fin_received(uint8_t state)
{
	return state == TCPDIAG_CLOSE_WAIT || state == TCPDIAG_LAST_ACK ||
	       state == TCPDIAG_CLOSING || state == TCPDIAG_TIME_WAIT;
}

/* States in which our own FIN stands at the end of the send queue, or did. */
static bool fin_queued(uint8_t state)
{
	return state == TCPDIAG_FIN_WAIT1 || state == TCPDIAG_CLOSING || state == TCPDIAG_LAST_ACK;
}

static bool has_queues(const struct tcpdiag_socket *sk)
{
	return sk->kind == TCPDIAG_KIND_FULL && sk->state != TCPDIAG_LISTEN &&
	       sk->state != TCPDIAG_CLOSE && sk->state != TCPDIAG_BOUND_INACTIVE;
}

bool tcpdiag_fin_unread(const struct tcpdiag_socket *sk)
{
	return has_queues(sk) && fin_received(sk->state) && sk->rqueue > 0;
}

uint32_t tcpdiag_unread_bytes(const struct tcpdiag_socket *sk)
{
	/* A dead connection: what came before its end can still be read, and no FIN is counted. */
	if (sk->state == TCPDIAG_CLOSE)
		return sk->remote_port && !sk->mptcp ? sk->rqueue : 0;
	if (!has_queues(sk) || sk->state == TCPDIAG_SYN_SENT)
		return 0;
	return sk->rqueue - tcpdiag_fin_unread(sk);
}

/*
 * A child of a fast open is a full socket in SYN_RECV, too, but its SYN,ACK is the request's: nothing of
 * it stands in the send queue. It has received bytes, which a crossed SYN cannot have brought.
 */
static bool fast_open_child(const struct tcpdiag_socket *sk)
{
	return sk->state == TCPDIAG_SYN_RECV && (sk->known & TCPDIAG_KNOWS_BYTES) &&
	       sk->bytes_received > 0;
}

/* The control byte at the end of the send queue: our FIN, or the SYN of a handshake. */
static uint32_t control_byte(const struct tcpdiag_socket *sk)
{
	return (fin_queued(sk->state) || sk->state == TCPDIAG_SYN_SENT ||
		(sk->state == TCPDIAG_SYN_RECV && !fast_open_child(sk))) &&
	       sk->wqueue > 0;
}

uint32_t tcpdiag_unsent_bytes(const struct tcpdiag_socket *sk)
{
	uint32_t data, unsent;

	if (!has_queues(sk) || !(sk->known & TCPDIAG_KNOWS_NOTSENT))
		return 0;
	data = sk->wqueue - control_byte(sk);
	unsent = sk->notsent_bytes;
	/* A FIN is the last byte: if anything is unsent, it is. A SYN is sent first. */
	if (unsent && fin_queued(sk->state))
		unsent--;
	return unsent < data ? unsent : data;
}

uint32_t tcpdiag_unacked_bytes(const struct tcpdiag_socket *sk)
{
	if (!has_queues(sk))
		return 0;
	return sk->wqueue - control_byte(sk) - tcpdiag_unsent_bytes(sk);
}

/* What an MPTCP socket has not sent yet is in no queue of its row: nothing is said of it. */
bool tcpdiag_peer_finished(const struct tcpdiag_socket *sk)
{
	return has_queues(sk) && !sk->mptcp && fin_received(sk->state) &&
	       tcpdiag_unsent_bytes(sk) == 0 && tcpdiag_unacked_bytes(sk) == 0;
}

enum tcpdiag_attachment tcpdiag_attachment_guess(const struct tcpdiag_socket *sk)
{
	if (sk->kind == TCPDIAG_KIND_TIMEWAIT)
		return TCPDIAG_TIMEWAIT;
	if (sk->kind == TCPDIAG_KIND_REQUEST)
		return TCPDIAG_REQUEST;
	if (sk->inode)
		return TCPDIAG_HELD;
	switch (sk->state) {
	case TCPDIAG_FIN_WAIT1:
	case TCPDIAG_FIN_WAIT2:
	case TCPDIAG_CLOSING:
	case TCPDIAG_LAST_ACK:
		return TCPDIAG_ORPHAN;
	case TCPDIAG_ESTABLISHED:
	case TCPDIAG_CLOSE_WAIT:
	case TCPDIAG_SYN_RECV:
		return TCPDIAG_UNACCEPTED;
	default:
		return TCPDIAG_ATTACHMENT_UNKNOWN;
	}
}

const char *tcpdiag_attachment_name(enum tcpdiag_attachment attachment)
{
	static const char *const names[TCPDIAG_ATTACHMENT_MAX] = {
		[TCPDIAG_ATTACHMENT_UNKNOWN] = "unknown",
		[TCPDIAG_HELD] = "held",
		[TCPDIAG_UNACCEPTED] = "unaccepted",
		[TCPDIAG_ORPHAN] = "orphan",
		[TCPDIAG_TIMEWAIT] = "timewait",
		[TCPDIAG_REQUEST] = "request",
		[TCPDIAG_UNHELD] = "unheld",
	};

	return attachment < TCPDIAG_ATTACHMENT_MAX ? names[attachment] : NULL;
}

enum tcpdiag_unheld tcpdiag_unheld_reason(const struct tcpdiag_socket *sk)
{
	if (sk->attachment != TCPDIAG_UNHELD || !(sk->known & TCPDIAG_KNOWS_REFERENCES))
		return TCPDIAG_UNHELD_UNKNOWN;
	return sk->references ? TCPDIAG_UNHELD_PASSED : TCPDIAG_UNHELD_CLOSING;
}

const char *tcpdiag_unheld_name(enum tcpdiag_unheld reason)
{
	static const char *const names[TCPDIAG_UNHELD_MAX] = {
		[TCPDIAG_UNHELD_UNKNOWN] = "unknown",
		[TCPDIAG_UNHELD_CLOSING] = "close-in-progress",
		[TCPDIAG_UNHELD_PASSED] = "passed",
	};

	return (unsigned int)reason < TCPDIAG_UNHELD_MAX ? names[reason] : NULL;
}
