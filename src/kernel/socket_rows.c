/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In the units of net/ipv4/inet_diag.c and of struct tcp_info: jiffies become milliseconds or microseconds as
 * jiffies_to_msecs() and jiffies_to_usecs() make them, what is overdue has 0 left (jiffies_delta_to_msecs()).
 */
#include "kernel/socket_rows.h"

#include <string.h>

#include "model/macro.h"

_Static_assert(sizeof(struct socket_row) == 120, "a hole would carry what is not written");

static uint32_t milliseconds(uint32_t jiffies, uint32_t hz)
{
	return (uint32_t)((uint64_t)jiffies * 1000 / hz);
}

static void take_ends(const struct tcpdiag_socket *asked, struct tcpdiag_socket *sk)
{
	sk->cookie = asked->cookie;
	memcpy(sk->local, asked->local, sizeof(sk->local));
	memcpy(sk->remote, asked->remote, sizeof(sk->remote));
	sk->local_port = asked->local_port;
	sk->remote_port = asked->remote_port;
	sk->netns = asked->netns;
	sk->family = asked->family;
	sk->mapped = asked->mapped;
}

static void take_info(const struct socket_row *row, uint32_t hz, struct tcpdiag_socket *sk)
{
	sk->known |= TCPDIAG_KNOWS_INFO | TCPDIAG_KNOWS_BYTES | TCPDIAG_KNOWS_NOTSENT |
		     TCPDIAG_KNOWS_SND_WND;
	sk->rto_us = (uint32_t)((uint64_t)row->rto * 1000000 / hz);
	sk->rtt_us = row->srtt >> 3;
	sk->unacked = row->packets_out;
	sk->last_data_sent_ms = milliseconds(row->sent_ago, hz);
	sk->last_data_recv_ms = milliseconds(row->received_ago, hz);
	sk->last_ack_recv_ms = milliseconds(row->acked_ago, hz);
	sk->backoff = row->backoff;
	sk->probes = row->probes;
	sk->notsent_bytes = row->unsent;
	sk->bytes_acked = row->bytes_acked;
	sk->bytes_received = row->bytes_received;
	sk->bytes_sent = row->bytes_sent;
	sk->snd_wnd = row->snd_wnd;
	if (!(row->flags & SOCKET_ROW_RCV_WND))
		return;
	sk->rcv_wnd = row->rcv_wnd;
	sk->known |= TCPDIAG_KNOWS_RCV_WND;
}

static void take_full(const struct socket_row *row, uint32_t hz, struct tcpdiag_socket *sk)
{
	sk->kind = TCPDIAG_KIND_FULL;
	sk->sk_shutdown = row->shutdown & (TCPDIAG_RCV_SHUTDOWN | TCPDIAG_SEND_SHUTDOWN);
	sk->inode = row->inode;
	sk->uid = row->uid;
	if (sk->inode || sk->uid)
		sk->known |= TCPDIAG_KNOWS_UID;
	sk->rqueue = row->rqueue;
	sk->wqueue = row->wqueue;
	sk->rmem_alloc = row->rmem_alloc;
	sk->rcvbuf = row->rcvbuf;
	sk->wmem_queued = row->wmem_queued;
	sk->sndbuf = row->sndbuf;
	sk->mptcp_subflow = row->flags & SOCKET_ROW_ULP_MPTCP;
	sk->known |= TCPDIAG_KNOWS_SHUTDOWN | TCPDIAG_KNOWS_SKMEM | TCPDIAG_KNOWS_ULP;
	take_info(row, hz, sk);
}

void socket_from_row(const struct socket_row *row, const struct tcpdiag_socket *asked, uint32_t hz,
		     struct tcpdiag_socket *ret)
{
	struct tcpdiag_socket *sk = ret;

	*sk = (struct tcpdiag_socket){};
	if (!(row->flags & (SOCKET_ROW_FULL | SOCKET_ROW_MINI)) ||
	    row->state <= TCPDIAG_STATE_NONE || row->state >= TCPDIAG_STATE_MAX)
		return;
	take_ends(asked, sk);
	sk->state = row->state;
	sk->kind = TCPDIAG_KIND_TIMEWAIT;
	sk->ifindex = row->ifindex;
	if (sk->ifindex)
		sk->known |= TCPDIAG_KNOWS_INTERFACE;
	sk->timer = row->timer;
	sk->retransmits = row->retransmits;
	sk->expires_ms = row->expires > 0 ? milliseconds((uint32_t)row->expires, hz) : 0;
	if (row->flags & SOCKET_ROW_MARK) {
		sk->mark = row->mark;
		sk->known |= TCPDIAG_KNOWS_MARK;
	}
	if (row->flags & SOCKET_ROW_FULL)
		take_full(row, hz, sk);
	sk->attachment = (uint8_t)tcpdiag_attachment_guess(sk);
}
