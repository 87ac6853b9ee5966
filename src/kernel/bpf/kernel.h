/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Of the kernel's structures, the members that are read and no others. Where they are, and whether they are
 * there at all, is found out when a program is loaded (CO-RE), so the order here means nothing.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	long counter;
} atomic_long_t;

typedef struct {
	__s64 counter;
} atomic64_t;

typedef struct {
	int counter;
} atomic_t;

struct hlist_node {
	struct hlist_node **pprev;
};

struct timer_list {
	struct hlist_node entry;
	unsigned long expires;
};

/* include/linux/file_ref.h, Linux 6.13. */
typedef struct {
	atomic_long_t refcnt;
} file_ref_t;

struct inode {
	unsigned long i_ino;
};

struct file_operations;

struct file {
	const struct file_operations *f_op;
	void *private_data;
	file_ref_t f_ref;
	atomic_long_t f_count;
	struct inode *f_inode;
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	union {
		__be32 u6_addr32[4];
	} in6_u;
};

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	unsigned char skc_state;
	unsigned char skc_ipv6only : 1;
	int skc_bound_dev_if;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
	unsigned long skc_flags;
};

struct bpf_prog;

/* net/core/sock_reuseport.c */
struct sock_reuseport {
	__u16 num_socks;
	struct bpf_prog *prog;
};

struct socket;

typedef struct {
	__u32 val;
} kuid_t;

typedef struct {
	int owned;
} socket_lock_t;

struct sock {
	struct sock_common __sk_common;
	socket_lock_t sk_lock;
	__u16 sk_protocol;
	__u16 sk_type;
	int sk_err;
	int sk_err_soft;
	__u8 sk_shutdown;
	unsigned long sk_lingertime;
	__u32 sk_mark;
	kuid_t sk_uid;
	struct socket *sk_socket;
	struct sock_reuseport *sk_reuseport_cb;
	struct {
		atomic_t rmem_alloc;
	} sk_backlog;
	int sk_rcvbuf;
	int sk_sndbuf;
	int sk_wmem_queued;
	__u32 sk_ack_backlog; /* of a listener */
	__u32 sk_max_ack_backlog;
	struct timer_list sk_timer;
	struct timer_list tcp_retransmit_timer; /* instead of icsk_retransmit_timer, Linux 6.19 */
	unsigned long sk_ino; /* Linux 6.18 */
};

struct socket {
	struct file *file;
	struct sock *sk;
};

/* include/net/sock.h: the inode stands behind its socket. */
struct socket_alloc {
	struct socket socket;
	struct inode vfs_inode;
};

struct inet_timewait_sock {
	struct sock_common __tw_common;
	__u32 tw_mark;
	unsigned char tw_substate;
	struct timer_list tw_timer;
};

struct tcp_timewait_sock {
	struct inet_timewait_sock tw_sk;
};

struct tcp_ulp_ops {
	char name[16];
};

struct inet_sock {
	__be16 inet_sport;
};

struct inet_connection_sock {
	__u32 icsk_user_timeout;
	struct timer_list icsk_retransmit_timer;
	struct timer_list icsk_keepalive_timer; /* instead of sk_timer, Linux 6.19 */
	unsigned long icsk_timeout; /* its time, before Linux 6.14 */
	__u32 icsk_rto;
	const struct tcp_ulp_ops *icsk_ulp_ops;
	__u8 icsk_retransmits;
	__u8 icsk_pending;
	__u8 icsk_backoff;
	__u8 icsk_probes_out;
	struct {
		__u32 lrcvtime;
	} icsk_ack;
};

struct rb_root {
	struct rb_node *rb_node;
};

struct tcp_sock {
	__u8 repair : 1;
	__u32 copied_seq;
	__u32 rcv_nxt;
	__u32 write_seq;
	__u32 snd_una;
	__u32 snd_nxt;
	__u32 lsndtime;
	__u32 rcv_tstamp;
	__u32 srtt_us;
	__u32 packets_out;
	__u32 snd_wnd;
	__u32 rcv_wnd;
	__u64 bytes_received;
	__u64 bytes_acked;
	__u64 bytes_sent;
	int linger2;
	bool is_mptcp;
	struct rb_root out_of_order_queue;
};

/* The ABI's; what it has tells what a dump tells. */
struct tcp_info {
	__u32 tcpi_rcv_wnd;
};

struct mptcp_sock {
	int token;
};

struct upid {
	int nr;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct net_device {
	int ifindex;
	possible_net_t nd_net;
};

struct sk_buff {
	struct net_device *dev;
	char cb[48];
	__u16 transport_header;
	__u16 network_header;
	unsigned char *head;
};

/* include/net/tcp.h; in sk_buff.cb. */
struct tcp_skb_cb {
	__u32 seq;
	__u32 end_seq;
};

struct task_struct {
	unsigned int flags;
	struct files_struct *files;
	int tgid;
	struct task_struct *group_leader;
	struct pid *thread_pid;
};

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

/* Only their names count; the numbers come from the kernel. */
enum sock_flags {
	SOCK_DEAD = 0,
	SOCK_DONE = 1,
	SOCK_LINGER = 4,
};

/* include/net/rstreason.h, Linux 6.10. */
enum sk_rst_reason {
	SK_RST_REASON_NOT_SPECIFIED = 0,
};

#pragma clang attribute pop

/* Part of the ABI. */
#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define IPPROTO_TCP 6
#define IPPROTO_MPTCP 262
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_SYN_RECV 3
#define TCP_TIME_WAIT 6
#define TCP_CLOSE 7
#define TCP_LISTEN 10
#define TCP_NEW_SYN_RECV 12
