/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What both programs read of a socket. Nothing is locked: each member is one load, which the verifier turns
 * into one that yields 0 where a pointer has gone bad.
 */
#pragma once

#include "kernel.h"
#include "rows.h"

static __always_inline __u32 saturate(unsigned long value)
{
	return value > 0xffffffffUL ? 0xffffffffU : (__u32)value;
}

/*
 * References to a file: since 6.13 a count that begins at 0 and is negative once the last one is gone
 * (include/linux/file_ref.h); before, a plain count.
 */
static __always_inline unsigned long count_references(const struct file *file)
{
	long raw;

	if (bpf_core_field_exists(file->f_ref)) {
		raw = file->f_ref.refcnt.counter;
		return raw < 0 ? 0 : (unsigned long)raw + 1;
	}
	raw = file->f_count.counter;
	return raw < 0 ? 0 : (unsigned long)raw;
}

/* Listeners that share a port; where a program chooses among them, nobody can say which ones it would. */
static __always_inline void read_siblings(const struct sock *sk, struct settings_row *row)
{
	const struct sock_reuseport *group = sk->sk_reuseport_cb;
	__u16 count;

	if (group && group->prog)
		return;
	row->flags |= ROW_KNOWS_SIBLINGS;
	if (!group)
		return;
	count = group->num_socks;
	row->siblings = count ? count - 1 : 0;
}

static __always_inline void read_sock(const struct sock *sk, struct settings_row *row)
{
	const unsigned long linger = 1UL << bpf_core_enum_value(enum sock_flags, SOCK_LINGER);

	if (sk->__sk_common.skc_flags & linger)
		row->flags |= ROW_LINGER;
	row->linger = saturate(sk->sk_lingertime);
	row->sk_err = (__u16)sk->sk_err;
	if (sk->sk_err_soft)
		row->flags |= ROW_SOFT_ERROR;
	if (sk->__sk_common.skc_state == TCP_LISTEN)
		read_siblings(sk, row);
}

static __always_inline void read_tcp_sock(const struct tcp_sock *tp, struct settings_row *row)
{
	const struct inet_connection_sock *icsk = (const void *)tp;

	row->linger2 = tp->linger2;
	row->user_timeout = icsk->icsk_user_timeout;
	if (BPF_CORE_READ_BITFIELD(tp, repair))
		row->flags |= ROW_REPAIR;
	if (tp->out_of_order_queue.rb_node)
		row->flags |= ROW_OUT_OF_ORDER;
	if (bpf_core_field_exists(tp->is_mptcp)) {
		row->flags |= ROW_KNOWS_SUBFLOW;
		if (tp->is_mptcp)
			row->flags |= ROW_SUBFLOW;
	} else if (!bpf_core_type_exists(struct mptcp_sock)) {
		row->flags |= ROW_KNOWS_SUBFLOW;
	}
}
