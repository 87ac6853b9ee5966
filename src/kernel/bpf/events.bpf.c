// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How connections end, at the instant they do: changes of state on the way to CLOSE, resets in both directions, and
 * the end of the socket. In all network namespaces.
 *
 * The programs run in whatever context the kernel is in, with the socket locked by it, and only read. Rows go into a
 * ring buffer that wakes nobody up: a reader that comes by ten times a second costs a connection storm nothing, one
 * that is woken for each row halves it.
 *
 * Who is running means something only where the kernel acts for a process: close(), shutdown(), exit. Segments and
 * timers are worked off in the context of whoever was interrupted. That is for the reader to tell apart: by the kind
 * of event, and by the flags. Its number is in each row, since the end of a listener is followed by it; what it is
 * called and where it belongs only in those that can be somebody's doing.
 *
 * What a row costs is mostly memory that another core has touched last: the ring, its two counters and its lock. So
 * what gives no row goes first, and what is in the socket's own lines already is not asked a helper for.
 */
#include "ends.h"
#include "event_rows.h"
#include "settings.h"

#include <bpf/bpf_tracing.h>

#define PF_EXITING 0x4 /* include/linux/sched.h */
#define TH_FIN 0x01
#define TH_SYN 0x02

/* The kernel tells why it resets, Linux 6.10. */
const volatile bool has_reason = true;
const volatile bool has_cookie_helper = true;
/* The reader's PID namespace where it is not the first; 0: it is. */
const volatile __u64 pidns_dev = 0, pidns_ino = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* set before it is made */
} events SEC(".maps");

__u64 dropped; /* the ring was full */
volatile bool ends_only; /* set by the reader: other changes of state cost too much */

static __always_inline int current_process(void)
{
	struct bpf_pidns_info numbers = {};

	if (!pidns_ino)
		return (int)(bpf_get_current_pid_tgid() >> 32);
	if (bpf_get_ns_current_pid_tgid(pidns_dev, pidns_ino, &numbers, sizeof(numbers)))
		return 0;
	return (int)numbers.tgid;
}

static __always_inline struct event_row *begin(__u8 kind)
{
	struct event_row *row = bpf_ringbuf_reserve(&events, sizeof(*row), 0);

	if (!row) {
		__sync_fetch_and_add(&dropped, 1);
		return NULL;
	}
	__builtin_memset(row, 0, sizeof(*row));
	row->kind = kind;
	row->dropped = (__u32)dropped;
	row->when_ns = bpf_ktime_get_ns();
	row->pid = current_process();
	return row;
}

/* Of the current process, where it may be the one who acts. */
static __always_inline void read_process(struct event_row *row)
{
	const struct task_struct *task = (const void *)bpf_get_current_task();

	row->cgroup = bpf_get_current_cgroup_id();
	bpf_get_current_comm(row->comm, sizeof(row->comm));
	if (BPF_CORE_READ(task, flags) & PF_EXITING)
		row->flags |= EVENT_ROW_EXITING;
}

static __always_inline void end(struct event_row *row)
{
	bpf_ringbuf_submit(row, BPF_RB_NO_WAKEUP);
}

static __always_inline bool is_tcp(const struct sock *sk)
{
	const __u16 family = sk->__sk_common.skc_family;
	const __u16 protocol = sk->sk_protocol;

	return (family == AF_INET || family == AF_INET6) &&
	       (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP);
}

/* A minisocket has no more than struct sock_common. */
static __always_inline bool is_mini(const struct sock *sk)
{
	const __u8 state = sk->__sk_common.skc_state;

	return state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV;
}

static __always_inline __u64 cookie_of(const struct sock *sk)
{
	const __u64 cookie = (__u64)sk->__sk_common.skc_cookie.counter;

	/* The helper is for those that have none yet. */
	if (!cookie && has_cookie_helper)
		return bpf_get_socket_cookie((void *)sk);
	return cookie;
}

static __always_inline void read_common(const struct sock *sk, struct event_row *row)
{
	const struct sock_common *common = &sk->__sk_common;

	row->settings.cookie = cookie_of(sk);
	row->settings.flags |= read_ends(common, row->local, row->remote);
	row->local_port = common->skc_num;
	row->remote_port = bpf_ntohs(common->skc_dport);
	row->netns = common->skc_net.net->ns.inum;
	row->ifindex = (__u32)common->skc_bound_dev_if;
	row->family = (__u8)common->skc_family;
	row->state = common->skc_state;
}

static __always_inline void read_progress(const struct tcp_sock *tp, struct event_row *row)
{
	const struct inet_connection_sock *icsk = (const void *)tp;
	const struct inet_sock *inet = (const void *)tp;
	const __u32 now = (__u32)bpf_jiffies64();

	/* inet_num goes when the port is given back, inet_sport stays. */
	if (!row->local_port)
		row->local_port = bpf_ntohs(inet->inet_sport);
	row->bytes_received = tp->bytes_received;
	row->bytes_acked = tp->bytes_acked;
	row->bytes_sent = tp->bytes_sent;
	row->rqueue = tp->rcv_nxt - tp->copied_seq;
	row->wqueue = tp->write_seq - tp->snd_una;
	row->unsent = tp->write_seq - tp->snd_nxt;
	row->received_ago = now - icsk->icsk_ack.lrcvtime;
	/* Most likely it answers them. */
	if (row->kind == EVENT_ROW_RESET_RECEIVED && row->wqueue)
		row->sent_ago = now - tp->rcv_tstamp;
	else
		row->sent_ago = now - tp->lsndtime;
}

/* Connections that wait for accept(), the ones that their peer has reset among them. */
static __always_inline void read_queue(const struct tcp_sock *tp, struct event_row *row)
{
	const struct inet_sock *inet = (const void *)tp;
	const struct sock *sk = (const void *)tp;

	if (!row->local_port)
		row->local_port = bpf_ntohs(inet->inet_sport);
	row->rqueue = sk->sk_ack_backlog;
	row->wqueue = sk->sk_max_ack_backlog;
}

static __always_inline void read_full(const struct sock *sk, struct event_row *row)
{
	const unsigned long dead = 1UL << bpf_core_enum_value(enum sock_flags, SOCK_DEAD);
	const unsigned long done = 1UL << bpf_core_enum_value(enum sock_flags, SOCK_DONE);
	const struct socket *socket = sk->sk_socket;
	const struct tcp_sock *tp;
	const struct file *file;

	row->flags |= EVENT_ROW_FULL;
	row->shutdown = sk->sk_shutdown;
	row->mark = sk->sk_mark;
	row->uid = sk->sk_uid.val;
	if (sk->__sk_common.skc_flags & dead)
		row->flags |= EVENT_ROW_DEAD;
	else if (!socket)
		row->flags |= EVENT_ROW_UNACCEPTED;
	if (sk->sk_lock.owned)
		row->flags |= EVENT_ROW_OWNED;
	/* net/ipv4/tcp_input.c:tcp_fin() marks it before the state changes; no state tells it once that is CLOSE. */
	if (sk->__sk_common.skc_flags & done)
		row->flags |= EVENT_ROW_FIN;
	/* The last reference to its file has gone: fs/file_table.c:__fput() is under way. */
	file = socket ? socket->file : NULL;
	if (file && !count_references(file))
		row->flags |= EVENT_ROW_RELEASED;
	read_sock(sk, &row->settings);
	if (sk->sk_protocol != IPPROTO_TCP) {
		row->settings.flags |= ROW_MPTCP;
		row->rqueue = (__u32)sk->sk_backlog.rmem_alloc.counter;
		return;
	}
	tp = bpf_skc_to_tcp_sock((void *)sk);
	if (!tp)
		return;
	read_tcp_sock(tp, &row->settings);
	if (row->state == TCP_LISTEN)
		read_queue(tp, row);
	else
		read_progress(tp, row);
}

static __always_inline void read_socket(const struct sock *sk, struct event_row *row)
{
	read_common(sk, row);
	if (is_mini(sk))
		row->flags |= EVENT_ROW_MINI;
	else
		read_full(sk, row);
}

/* The birth of connections tells nothing about their end. */
static __always_inline bool is_towards_close(int old, int new)
{
	if (new == TCP_CLOSE)
		return old != TCP_CLOSE;
	if (ends_only)
		return false;
	return new != TCP_ESTABLISHED &&new != TCP_SYN_SENT &&new != TCP_SYN_RECV &&new !=
	       TCP_LISTEN &&new != TCP_NEW_SYN_RECV;
}

SEC("tp_btf/inet_sock_set_state")
int state_changes(__u64 *ctx)
{
	const struct sock *sk = (const void *)ctx[0];
	const int old = (int)ctx[1], new = (int)ctx[2];
	struct event_row *row;

	if (!is_towards_close(old, new) || !sk || !is_tcp(sk))
		return 0;
	row = begin(EVENT_ROW_STATE);
	if (!row)
		return 0;
	read_socket(sk, row);
	/* Whatever our side does locks the socket; of those in a listener's queue nobody does. */
	if (row->flags & (EVENT_ROW_OWNED | EVENT_ROW_UNACCEPTED))
		read_process(row);
	row->old_state = (__u8)old;
	row->state = (__u8) new;
	end(row);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int reset_received(__u64 *ctx)
{
	const struct sock *sk = (const void *)ctx[0];
	struct event_row *row;

	if (!sk)
		return 0;
	row = begin(EVENT_ROW_RESET_RECEIVED);
	if (!row)
		return 0;
	read_socket(sk, row);
	end(row);
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int destroyed(__u64 *ctx)
{
	const struct sock *sk = (const void *)ctx[0];
	struct event_row *row;

	if (!sk)
		return 0;
	row = begin(EVENT_ROW_DESTROYED);
	if (!row)
		return 0;
	read_socket(sk, row);
	end(row);
	return 0;
}

/* Without a socket, or with a listener's, the ends are those of the segment. */
static __always_inline bool is_segments_own(const struct event_row *row)
{
	return !row->family || row->state == TCP_LISTEN;
}

/* Of the segment that is answered: flags, payload, and where there is no socket its ends, seen from here. */
static __always_inline void read_segment(const struct sk_buff *skb, struct event_row *row)
{
	const struct tcp_skb_cb *block = (const void *)&skb->cb;
	const char *head = (const char *)skb->head;
	struct {
		__be16 source, dest;
		__be32 seq, ack;
		__u8 offset, flags;
	} tcp = {};

	bpf_probe_read_kernel(&tcp, sizeof(tcp), head + skb->transport_header);
	row->segment_flags = tcp.flags;
	row->payload = block->end_seq - block->seq - !!(tcp.flags & TH_SYN) -
		       !!(tcp.flags & TH_FIN);
	if (!is_segments_own(row))
		return;
	row->local_port = bpf_ntohs(tcp.dest);
	row->remote_port = bpf_ntohs(tcp.source);
}

static __always_inline void read_packet_ends(const struct sk_buff *skb, struct event_row *row)
{
	const char *ip = (const char *)skb->head + skb->network_header;
	const struct net_device *dev = skb->dev;
	__be32 address = 0;
	__u8 version = 0;

	bpf_probe_read_kernel(&version, sizeof(version), ip);
	if (version >> 4 == 6) {
		row->family = AF_INET6;
		bpf_probe_read_kernel(row->remote, sizeof(row->remote), ip + 8);
		bpf_probe_read_kernel(row->local, sizeof(row->local), ip + 24);
	} else {
		row->family = AF_INET;
		bpf_probe_read_kernel(&address, sizeof(address), ip + 12);
		copy_v4(row->remote, address);
		bpf_probe_read_kernel(&address, sizeof(address), ip + 16);
		copy_v4(row->local, address);
	}
	/* A listener's is known, and the segment's device perhaps not any more. */
	if (row->netns)
		return;
	row->netns = BPF_CORE_READ(dev, nd_net.net, ns.inum);
	row->ifindex = (__u32)BPF_CORE_READ(dev, ifindex);
}

SEC("tp_btf/tcp_send_reset")
int reset_sent(__u64 *ctx)
{
	const struct sock *sk = (const void *)ctx[0];
	const struct sk_buff *skb = (const void *)ctx[1];
	struct event_row *row = begin(EVENT_ROW_RESET_SENT);

	if (!row)
		return 0;
	if (has_reason) {
		row->reason = (__u32)ctx[2];
		row->flags |= EVENT_ROW_REASON;
	}
	if (sk)
		read_socket(sk, row);
	if (skb) {
		row->flags |= EVENT_ROW_PASSIVE;
		read_segment(skb, row);
		if (is_segments_own(row))
			read_packet_ends(skb, row);
	} else {
		read_process(row);
	}
	end(row);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
