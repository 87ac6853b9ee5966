/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A socket as net/ipv4/inet_diag.c:inet_sk_diag_fill() and net/ipv4/tcp.c:tcp_get_info() show it, member by member, for
 * those of a connection. Nothing is locked: a queue may be read between two of its numbers, as the dump's is, too.
 */
#pragma once

#include "kernel.h"
#include "rows.h"

/* icsk_pending (include/net/inet_connection_sock.h) */
#define ICSK_TIME_RETRANS 1
#define ICSK_TIME_PROBE0 3
#define ICSK_TIME_LOSS_PROBE 5
#define ICSK_TIME_REO_TIMEOUT 6

/* idiag_timer */
#define TIMER_RETRANSMIT 1
#define TIMER_KEEPALIVE 2
#define TIMER_TIMEWAIT 3
#define TIMER_PROBE 4

static __always_inline __u32 not_negative(__u32 difference)
{
	return (__s32)difference < 0 ? 0 : difference;
}

static __always_inline unsigned long retransmit_time(const struct sock *sk)
{
	const struct inet_connection_sock *icsk = (const void *)sk;

	if (bpf_core_field_exists(icsk->icsk_timeout))
		return icsk->icsk_timeout;
	if (bpf_core_field_exists(icsk->icsk_retransmit_timer))
		return icsk->icsk_retransmit_timer.expires;
	return sk->tcp_retransmit_timer.expires;
}

/* inet_sk_diag_fill() */
static __always_inline void
read_timer(const struct sock *sk, const struct inet_connection_sock *icsk, struct socket_row *row)
{
	const unsigned long now = (unsigned long)bpf_jiffies64();
	const __u8 pending = icsk->icsk_pending;

	if (pending == ICSK_TIME_RETRANS || pending == ICSK_TIME_REO_TIMEOUT ||
	    pending == ICSK_TIME_LOSS_PROBE) {
		row->timer = TIMER_RETRANSMIT;
		row->retransmits = icsk->icsk_retransmits;
		row->expires = (__s32)(retransmit_time(sk) - now);
	} else if (pending == ICSK_TIME_PROBE0) {
		row->timer = TIMER_PROBE;
		row->retransmits = icsk->icsk_probes_out;
		row->expires = (__s32)(retransmit_time(sk) - now);
	} else if (bpf_core_field_exists(icsk->icsk_keepalive_timer)) {
		if (!icsk->icsk_keepalive_timer.entry.pprev)
			return;
		row->timer = TIMER_KEEPALIVE;
		row->retransmits = icsk->icsk_probes_out;
		row->expires = (__s32)(icsk->icsk_keepalive_timer.expires - now);
	} else if (sk->sk_timer.entry.pprev) {
		row->timer = TIMER_KEEPALIVE;
		row->retransmits = icsk->icsk_probes_out;
		row->expires = (__s32)(sk->sk_timer.expires - now);
	}
}

/* sock_i_ino() */
static __always_inline __u32 read_inode(const struct sock *sk)
{
	const struct socket *socket = sk->sk_socket;
	const struct socket_alloc *alloc = (const void *)socket;

	if (bpf_core_field_exists(sk->sk_ino))
		return (__u32)sk->sk_ino;
	return socket ? (__u32)BPF_CORE_READ(alloc, vfs_inode.i_ino) : 0;
}

static __always_inline bool is_mptcp(const struct inet_connection_sock *icsk)
{
	const struct tcp_ulp_ops *ops = icsk->icsk_ulp_ops;

	return ops && ops->name[0] == 'm' && ops->name[1] == 'p' && ops->name[2] == 't' &&
	       ops->name[3] == 'c' && ops->name[4] == 'p' && !ops->name[5];
}

/* tcp_get_info(), tcp_diag_get_info() */
static __always_inline void read_info(const struct tcp_sock *tp,
				      const struct inet_connection_sock *icsk,
				      struct socket_row *row)
{
	const __u32 now = (__u32)bpf_jiffies64();

	row->rqueue = not_negative(tp->rcv_nxt - tp->copied_seq);
	row->wqueue = tp->write_seq - tp->snd_una;
	row->unsent = not_negative(tp->write_seq - tp->snd_nxt);
	row->bytes_received = tp->bytes_received;
	row->bytes_acked = tp->bytes_acked;
	row->bytes_sent = tp->bytes_sent;
	row->rto = icsk->icsk_rto;
	row->srtt = tp->srtt_us;
	row->packets_out = tp->packets_out;
	row->sent_ago = now - tp->lsndtime;
	row->received_ago = now - icsk->icsk_ack.lrcvtime;
	row->acked_ago = now - tp->rcv_tstamp;
	row->backoff = icsk->icsk_backoff;
	row->probes = icsk->icsk_probes_out;
	row->snd_wnd = tp->snd_wnd;
	if (!bpf_core_field_exists(((struct tcp_info *)NULL)->tcpi_rcv_wnd))
		return;
	row->rcv_wnd = tp->rcv_wnd;
	row->flags |= SOCKET_ROW_RCV_WND;
}

static __always_inline void read_full_row(const struct tcp_sock *tp, struct socket_row *row)
{
	const struct inet_connection_sock *icsk = (const void *)tp;
	const struct sock *sk = (const void *)tp;

	row->flags = SOCKET_ROW_FULL | SOCKET_ROW_MARK;
	row->state = sk->__sk_common.skc_state;
	row->inode = read_inode(sk);
	row->uid = sk->sk_uid.val;
	row->ifindex = (__u32)sk->__sk_common.skc_bound_dev_if;
	row->mark = sk->sk_mark;
	row->shutdown = sk->sk_shutdown;
	row->rmem_alloc = (__u32)sk->sk_backlog.rmem_alloc.counter;
	row->rcvbuf = (__u32)sk->sk_rcvbuf;
	row->wmem_queued = (__u32)sk->sk_wmem_queued;
	row->sndbuf = (__u32)sk->sk_sndbuf;
	if (is_mptcp(icsk))
		row->flags |= SOCKET_ROW_ULP_MPTCP;
	read_timer(sk, icsk, row);
	read_info(tp, icsk, row);
}

/* inet_twsk_diag_fill() */
static __always_inline void read_mini_row(const struct inet_timewait_sock *tw,
					  struct socket_row *row)
{
	row->flags = SOCKET_ROW_MINI;
	row->state = tw->tw_substate;
	row->ifindex = (__u32)tw->__tw_common.skc_bound_dev_if;
	row->timer = TIMER_TIMEWAIT;
	row->expires = (__s32)(tw->tw_timer.expires - (unsigned long)bpf_jiffies64());
	if (!bpf_core_field_exists(tw->tw_mark))
		return;
	row->mark = tw->tw_mark;
	row->flags |= SOCKET_ROW_MARK;
}
