/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the BPF programs hand to user space: fixed layouts, no padding, the numbers as the kernel has them.
 *
 * Both sides include this file, so it needs <linux/types.h> and nothing else. Times are jiffies: how long
 * one is, user space finds out.
 */
#pragma once

#include <linux/types.h>

/* Flags of struct settings_row: those of enum socket_settings_flag, and two of its own. */
#define ROW_LINGER (1U << 0)
#define ROW_REPAIR (1U << 1)
#define ROW_OUT_OF_ORDER (1U << 2)
#define ROW_SOFT_ERROR (1U << 3)
#define ROW_SUBFLOW (1U << 4)
#define ROW_MPTCP (1U << 5)
#define ROW_KNOWS_REFERENCES (1U << 6)
#define ROW_KNOWS_SUBFLOW (1U << 7)
#define ROW_KNOWS_SIBLINGS (1U << 8)
#define ROW_SETTINGS 0x1ffU
#define ROW_MAPPED (1U << 16)
#define ROW_V6ONLY (1U << 17)

struct settings_row {
	__u64 cookie; /* 0: no such socket */
	__u32 linger; /* sk_lingertime, jiffies, saturates */
	__s32 linger2; /* jiffies */
	__u32 user_timeout; /* ms */
	__u32 references; /* saturates */
	__u32 flags;
	__u16 siblings;
	__u16 sk_err;
};

/* One descriptor; behind it a struct closed_row where the socket is in TCP_CLOSE. */
struct descriptor_row {
	struct settings_row settings;
	__u32 netns;
	__u32 inode;
	__s32 pid;
	__s32 fd;
	__u16 size; /* of this row with what is behind it */
	__u8 state;
	__u8 shutdown;
	__u16 family;
	__u16 reserved;
};

/* What a dump would have told. */
struct closed_row {
	__u8 local[16]; /* IPv4 as ::ffff:a.b.c.d */
	__u8 remote[16];
	__u16 local_port; /* host order */
	__u16 remote_port; /* host order */
	__u32 rqueue; /* without the FIN */
	__u32 wqueue;
	__u32 uid;
	__u32 ifindex;
	__u32 mark;
};

/* Flags of struct socket_row. */
#define SOCKET_ROW_FULL (1U << 0)
#define SOCKET_ROW_MINI (1U << 1) /* a timewait minisocket: state, timer, mark */
#define SOCKET_ROW_MARK (1U << 2) /* the mark could be read */
#define SOCKET_ROW_RCV_WND (1U << 3) /* this kernel has rcv_wnd in its struct tcp_info */
#define SOCKET_ROW_ULP_MPTCP (1U << 4) /* the protocol above is MPTCP */

/* One socket as a dump would show it, which has its ends already. */
struct socket_row {
	__u64 bytes_received;
	__u64 bytes_acked;
	__u64 bytes_sent;
	__u32 inode;
	__u32 uid;
	__u32 ifindex;
	__u32 mark;
	__u32 rqueue;
	__u32 wqueue;
	__u32 unsent;
	__s32 expires; /* jiffies from now; negative: overdue */
	__u32 rmem_alloc;
	__u32 rcvbuf;
	__u32 wmem_queued;
	__u32 sndbuf;
	__u32 rto; /* jiffies */
	__u32 srtt; /* eighths of a microsecond */
	__u32 packets_out;
	__u32 sent_ago; /* jiffies */
	__u32 received_ago;
	__u32 acked_ago;
	__u32 snd_wnd;
	__u32 rcv_wnd;
	__u32 flags; /* 0: no such socket */
	__u8 state;
	__u8 shutdown;
	__u8 timer; /* idiag_timer */
	__u8 retransmits; /* idiag_retrans */
	__u8 backoff;
	__u8 probes;
	__u16 reserved;
	__u32 reserved2;
};

/* Room for what is asked in one go. */
#define QUERIES_MAX 1024

struct look_up_query {
	__u64 cookie;
	__u8 remote[16]; /* four bytes of IPv4 */
	__u8 local[16];
	__u16 remote_port; /* network order */
	__u16 local_port; /* network order */
	__u32 v6;
};
