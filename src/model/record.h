/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A record: one socket as the kernel shows it, and what tcpdiagd remembers of it.
 *
 * Flat and free of pointers: it lives in a snapshot that another process maps. Times are nanoseconds
 * of CLOCK_MONOTONIC; 0 says "not known" or "does not apply", as each member tells. Indices point
 * into sections of the same snapshot; RECORD_NONE where there is nothing.
 */
#pragma once

#include <stdint.h>

#include <tcpdiag/outcome.h>
#include <tcpdiag/socket.h>

#define RECORD_NONE UINT32_MAX
#define RECORD_QUIET_MAX 15U

enum direction {
	DIRECTION_UNKNOWN = 0,
	DIRECTION_INBOUND, /* its local port has or had a listener here */
	DIRECTION_OUTBOUND,
	DIRECTION_MAX
};

enum record_flag {
	RECORD_STATE_EXACT = 1U << 0, /* state_since_ns is when it entered, within one interval */
	RECORD_BORN_SEEN = 1U << 1, /* born_ns is its birth, within one interval */
	RECORD_OWNERS_KNOWN = 1U << 2, /* its holders have been looked for, completely */
	RECORD_ORIGIN_GUESSED =
		1U << 3, /* its creator was not seen to hold it: it is its holder's parent */
};

/* Why a record with a remote end shows no peer. */
enum peer_unknown {
	PEER_UNKNOWN_NONE = 0, /* it does, or there is no other end */
	PEER_NOT_LOOKED_FOR, /* neither end is being torn down */
	PEER_NOT_HERE, /* no socket of this machine has the same ends, swapped */
	PEER_NOT_FOUND, /* the same, though its address is one that sockets of this machine use */
	PEER_NOT_SEEN, /* the same, and not all sockets of this machine are seen */
	PEER_SEVERAL, /* more than one fits: which one it is nobody can tell */
	PEER_UNKNOWN_MAX
};

struct record {
	struct tcpdiag_socket sk;

	int64_t seen_ns; /* when the kernel was asked */
	int64_t born_ns; /* at the latest; not before the last look without it */
	int64_t state_since_ns; /* in this state at least since then */
	int64_t read_since_ns; /* unread, and no byte taken by the application, since; 0: nothing unread */
	int64_t ack_since_ns; /* unacknowledged, and no progress, since; 0: nothing outstanding */
	int64_t data_since_ns; /* last payload either way; 0: not known */
	int64_t settings_ns; /* when linger, linger2, references... were read; 0: never */

	uint32_t holder; /* first of its rows in SECTION_HOLDERS */
	/*
	 * Row in SECTION_PROCESSES. Of what has no holder the last known one; of what has: who had it before
	 * them and let go of it, while they have neither read nor written since (collector/inherit.h).
	 */
	uint32_t creator;
	uint32_t
		listener; /* record of the listener in whose queue it waits, or that owns its port */
	uint32_t peer; /* record of the other end, on this machine; RECORD_NONE: see peer_unknown */
	uint32_t
		findings; /* bit (rule - TCPDIAG_RULE_FINDING_FIRST) of each finding it belongs to */
	uint32_t history; /* number of its newest entry in SECTION_HISTORY; 0: none */
	uint16_t holders; /* how many */
	uint8_t direction; /* enum direction */
	uint8_t flags; /* enum record_flag */
	uint8_t close_rule; /* enum tcpdiag_rule of close(): NONE where nobody can close it */
	uint8_t close_segment; /* enum tcpdiag_segment of close() */
	uint16_t owner_pass; /* the walk over the owners that had begun when the inode came */
	uint8_t peer_unknown; /* enum peer_unknown */
	uint8_t quiet; /* of a teardown state: looks in a row that have changed nothing, or the most */
};

/* "inbound", "outbound", "unknown" */
const char *direction_name(enum direction direction);

/* "not-here", "several"...; NULL out of range or NONE. */
const char *peer_unknown_name(enum peer_unknown why);

/*
 * Bytes the application has taken: stands still while a reader sleeps. Needs TCPDIAG_KNOWS_BYTES. The
 * peer's FIN counts in both numbers (net/ipv4/tcp_input.c:tcp_rcv_nxt_update()), so its arrival is no
 * progress of the reader.
 */
static inline uint64_t record_bytes_taken(const struct tcpdiag_socket *sk)
{
	return sk->bytes_received - sk->rqueue;
}
