/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What events.bpf.c hands to user space: one layout for each kind, no padding, the numbers as the kernel has them.
 */
#pragma once

#include "rows.h"

enum event_row_kind {
	EVENT_ROW_STATE = 0, /* inet_sock_set_state */
	EVENT_ROW_RESET_SENT, /* tcp_send_reset */
	EVENT_ROW_RESET_RECEIVED, /* tcp_receive_reset */
	EVENT_ROW_DESTROYED, /* tcp_destroy_sock */
	EVENT_ROW_KINDS
};

/* Flags of struct event_row. */
#define EVENT_ROW_FULL (1U << 0) /* a full socket: what is only in struct tcp_sock was read */
#define EVENT_ROW_MINI (1U << 1) /* a minisocket: ends and state only */
#define EVENT_ROW_PASSIVE \
	(1U << 2) /* a RST that answers a segment: segment_flags and payload are its own */
#define EVENT_ROW_RELEASED (1U << 3) /* close() or the end of a process has let go of it */
#define EVENT_ROW_DEAD (1U << 4) /* SOCK_DEAD: an orphan */
#define EVENT_ROW_EXITING (1U << 5) /* the current process is ending */
#define EVENT_ROW_REASON (1U << 6) /* the kernel told one */
#define EVENT_ROW_FIN (1U << 7) /* the peer's FIN has come: rqueue counts it until it is read */
#define EVENT_ROW_UNACCEPTED (1U << 8) /* it waits in a listener's queue */
#define EVENT_ROW_OWNED (1U << 9) /* a process holds its lock: no segment or timer does this */

/* With the ring's own eight bytes three cache lines, each row at the begin of one. */
struct event_row {
	struct settings_row settings; /* cookie 0: no socket */
	__u64 when_ns; /* CLOCK_MONOTONIC */
	__u64 bytes_received;
	__u64 bytes_acked;
	__u64 bytes_sent;
	__u64 cgroup; /* of the current process; 0: it does not act here */
	__u8 local[16]; /* IPv4 as ::ffff:a.b.c.d */
	__u8 remote[16];
	__u16 local_port; /* host order */
	__u16 remote_port; /* host order */
	__u32 netns;
	__u32 ifindex;
	__u32 uid;
	__u32 mark;
	__u32 rqueue; /* of a listener: connections that wait; of an MPTCP socket: memory of what came */
	__u32 wqueue; /* of a listener: as many may */
	__u32 unsent;
	__u32 received_ago; /* jiffies since the last payload */
	__u32 sent_ago; /* of a RST that meets unacknowledged data: since the last ACK came */
	__u32 dropped; /* rows that had found no room when this one was begun, modulo 2^32 */
	__u32 reason; /* enum sk_rst_reason of this kernel */
	__u32 payload; /* of the segment that a RST answers */
	__s32 pid; /* the current process: whose doing it is, the kind of event tells; 0: not to be had */
	__u16 flags;
	__u8 kind;
	__u8 old_state;
	__u8 comm[16]; /* as cgroup */
	__u8 state; /* the new one; of a reset the one it met */
	__u8 shutdown;
	__u8 segment_flags;
	__u8 family;
};
