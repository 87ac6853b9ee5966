// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every descriptor of a TCP or MPTCP socket, of every process that the reader's PID namespace shows, in every
 * network namespace.
 *
 * The kernel calls this for each open descriptor (kernel/bpf/task_iter.c), holding a reference to its file,
 * in the context of the process that reads. Threads are visited only where they have a table of their own.
 */
#include "ends.h"
#include "settings.h"

/* The reader is in a PID namespace of its own, where a process has another number. */
const volatile bool nested = false;
/* Tracing programs may call bpf_get_socket_cookie(), Linux 5.12; it creates one where there is none. */
const volatile bool has_cookie_helper = true;

/* bpf_probe_read_kernel() may be called: not where the kernel is locked down for confidentiality. */
const volatile bool reads_ahead = true;

/*
 * The memory of all those sockets is cold, and one pointer leads to the next: table, file, socket, sock. Followed
 * one after the other they are most of what a pass costs. So while one descriptor is read, those behind it
 * are touched, each further along the way the nearer it is: a third less.
 *
 * Nothing that is read here is used for more than a hint. Two passes at once would get in each other's way, and
 * lose no more than time.
 */
#define AHEAD 3 /* descriptors: one for each step */

static const struct file_operations *socket_operations; /* as seen */
static const char *second_socket, *first_sock;

/* A line of memory is fetched whole. */
static __always_inline void touch(const char *at)
{
	long unused;

	bpf_probe_read_kernel(&unused, sizeof(unused), at);
}

static __always_inline const char *follow(const char *at)
{
	const char *pointer = NULL;

	bpf_probe_read_kernel(&pointer, sizeof(pointer), at);
	return pointer;
}

/* The iterator takes a reference. */
static __always_inline __u32 count_offset(void)
{
	const struct file *file = NULL;

	if (bpf_core_field_exists(file->f_ref))
		return bpf_core_field_offset(struct file, f_ref);
	return bpf_core_field_offset(struct file, f_count);
}

static __always_inline void read_ahead(const struct task_struct *task, __u32 fd)
{
	const struct fdtable *table = task->files->fdt;
	const char *array = (const char *)table->fd;
	const char *file;

	if (first_sock) {
		touch(first_sock + bpf_core_field_offset(struct sock, __sk_common.skc_family));
		touch(first_sock + bpf_core_field_offset(struct sock, sk_protocol));
	}
	first_sock = second_socket
			     ? follow(second_socket + bpf_core_field_offset(struct socket, sk))
			     : NULL;
	second_socket = NULL;
	if (fd + AHEAD >= table->max_fds)
		return;
	file = follow(array + (fd + AHEAD) * sizeof(struct file *));
	if (!file)
		return;
	touch(file + count_offset());
	if (follow(file + bpf_core_field_offset(struct file, f_op)) ==
	    (const char *)socket_operations)
		second_socket = follow(file + bpf_core_field_offset(struct file, private_data));
}

static __always_inline int number_of(const struct task_struct *task)
{
	const struct task_struct *reader, *leader;
	const struct pid *pid;
	unsigned int level;
	int number = 0;

	if (!nested)
		return task->tgid;
	/* Only what the reader's /proc shows is visited, so its level is one of the process's. */
	reader = (const void *)bpf_get_current_task();
	pid = BPF_CORE_READ(reader, thread_pid);
	level = BPF_CORE_READ(pid, level);
	leader = task->group_leader;
	pid = BPF_CORE_READ(leader, thread_pid);
	if (!pid || level > 32)
		return 0;
	bpf_probe_read_kernel(&number, sizeof(number),
			      (const char *)pid + bpf_core_field_offset(struct pid, numbers) +
				      level * bpf_core_type_size(struct upid) +
				      bpf_core_field_offset(struct upid, nr));
	return number;
}

static __always_inline __u64 cookie_of(struct sock *sk)
{
	if (has_cookie_helper)
		return bpf_get_socket_cookie(sk);
	return (__u64)sk->__sk_common.skc_cookie.counter;
}

static __always_inline bool is_asked_for(const struct sock *sk)
{
	const __u16 family = sk->__sk_common.skc_family;
	const __u16 protocol = sk->sk_protocol;

	return (family == AF_INET || family == AF_INET6) && sk->sk_type == SOCK_STREAM &&
	       (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP);
}

/* inet_num goes when the connection dies, inet_sport stays: net/ipv4/inet_diag.c shows that one, too. */
static __always_inline void read_closed(const struct sock *sk, const struct tcp_sock *tp,
					struct descriptor_row *row, struct closed_row *closed)
{
	const unsigned long done = 1UL << bpf_core_enum_value(enum sock_flags, SOCK_DONE);
	const struct inet_sock *inet = (const void *)tp;

	row->settings.flags |= read_ends(&sk->__sk_common, closed->local, closed->remote);
	closed->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	closed->uid = sk->sk_uid.val;
	closed->mark = sk->sk_mark;
	closed->ifindex = (__u32)sk->__sk_common.skc_bound_dev_if;
	if (!tp)
		return;
	closed->local_port = bpf_ntohs(inet->inet_sport);
	/* After disconnect() the numbers of the old connection are still there, and mean nothing. */
	if (!closed->remote_port)
		return;
	closed->rqueue = tp->rcv_nxt - tp->copied_seq;
	/* Of these one is the FIN, where one has come (net/ipv4/tcp_input.c:tcp_fin()). */
	if (closed->rqueue && sk->__sk_common.skc_flags & done)
		closed->rqueue--;
	closed->wqueue = tp->write_seq - tp->snd_una;
}

SEC("iter/task_file")
int descriptors(struct bpf_iter__task_file *ctx)
{
	struct {
		struct descriptor_row row;
		struct closed_row closed;
	} out = {};
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *socket;
	struct tcp_sock *tp;
	unsigned long references;
	struct sock *sk;

	if (!task || !file)
		return 0;
	if (reads_ahead)
		read_ahead(task, ctx->fd);
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	socket_operations = file->f_op;
	sk = socket->sk;
	if (!sk || !is_asked_for(sk))
		return 0;
	out.row.size = sizeof(out.row);
	out.row.settings.cookie = cookie_of(sk);
	out.row.netns = sk->__sk_common.skc_net.net->ns.inum;
	out.row.inode = (__u32)file->f_inode->i_ino;
	out.row.pid = number_of(task);
	out.row.fd = (__s32)ctx->fd;
	out.row.state = sk->__sk_common.skc_state;
	out.row.shutdown = sk->sk_shutdown;
	out.row.family = sk->__sk_common.skc_family;
	read_sock(sk, &out.row.settings);
	/* Without the one that holds it open for us. */
	references = count_references(file);
	out.row.settings.references = saturate(references ? references - 1 : 0);
	out.row.settings.flags |= ROW_KNOWS_REFERENCES;
	tp = bpf_skc_to_tcp_sock(sk);
	if (tp)
		read_tcp_sock(tp, &out.row.settings);
	else
		out.row.settings.flags |= ROW_MPTCP;
	if (out.row.state == TCP_CLOSE) {
		out.row.size = sizeof(out);
		read_closed(sk, tp, &out.row, &out.closed);
		bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	} else {
		bpf_seq_write(ctx->meta->seq, &out.row, sizeof(out.row));
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
