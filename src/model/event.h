/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An event: how one connection ended, in one story, or that a finding came or went.
 *
 * A socket that ends gives one event, whatever number of tracepoints it took (collector/autopsy.h): a RST is told
 * when it passes, an ordinary end when the kernel lets go of the socket. What was not seen is said by its bit in @known
 * being clear; 0 never means "not known".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <tcpdiag/outcome.h>
#include <tcpdiag/rule.h>

#include "model/reset_reason.h"

enum event_kind {
	EVENT_NONE = 0,
	EVENT_RESET_SENT,
	EVENT_RESET_RECEIVED,
	EVENT_CLOSED, /* an ordinary end, by FIN on both sides, or of a socket that had no connection */
	EVENT_ORPHANED, /* closed a while ago, and the kernel cannot get rid of it */
	EVENT_TIMED_OUT, /* the kernel has given up on the peer */
	EVENT_DESTROYED, /* it has ended, and how was not seen */
	EVENT_FINDING_RAISED,
	EVENT_FINDING_CLEARED,
	EVENT_GAP, /* made by the reader: what stood here was overwritten before it was read */
	EVENT_KIND_MAX
};

/* Who ended it. */
enum event_actor {
	ACTOR_UNKNOWN = 0,
	ACTOR_CLOSE, /* close() of the last reference */
	ACTOR_EXIT, /* the end of its last process */
	ACTOR_SHUTDOWN,
	ACTOR_LISTENER_CLOSE, /* of the listener in whose queue it waited */
	ACTOR_TIMER, /* the kernel gave up: retransmissions, keepalive, FIN_WAIT2 */
	ACTOR_PEER,
	ACTOR_KERNEL, /* a rule of the kernel: late data, no memory, SOCK_DESTROY, no such socket */
	ACTOR_MAX
};

/* Each has its ring, so that many of one kind never push the others out. */
enum event_ring {
	EVENT_RING_RESETS = 0,
	EVENT_RING_ABNORMAL, /* timed out, orphaned, destroyed unseen */
	EVENT_RING_FINDINGS,
	EVENT_RING_ORDINARY,
	EVENT_RING_MAX
};

/* Bits of struct event_socket.known. */
enum event_known {
	EVENT_KNOWS_UNREAD = 1U << 0,
	EVENT_KNOWS_UNSENT = 1U << 1,
	EVENT_KNOWS_BYTES = 1U << 2, /* bytes_received, bytes_sent */
	EVENT_KNOWS_IDLE = 1U << 3,
	EVENT_KNOWS_AGE = 1U << 4,
	EVENT_KNOWS_LINGER = 1U << 5,
	EVENT_KNOWS_CLOSED_AGO = 1U << 6, /* our own close came first */
	EVENT_KNOWS_ORPHAN_LIFE = 1U << 7,
	EVENT_KNOWS_PREDICTED = 1U << 8,
	EVENT_KNOWS_SEGMENT = 1U << 9, /* segment_flags, payload: what a RST answers */
	EVENT_KNOWS_LINGER_BEFORE = 1U << 10, /* linger_before: as the last poll saw it */
};

/* struct event_socket.flags */
enum event_flag {
	EVENT_DERIVED =
		1U << 0, /* the kernel told no reason: it follows from state, queue and linger */
	EVENT_PASSIVE = 1U << 1, /* the RST answers a segment */
	EVENT_HAS_SOCKET = 1U << 2, /* cookie and state are those of a socket */
	EVENT_LINGER = 1U << 3, /* SO_LINGER on */
	EVENT_LINGER_BEFORE = 1U << 4, /* it was on when the last poll looked */
	EVENT_PEER_FINISHED =
		1U << 5, /* the peer's FIN was there, and everything of ours acknowledged */
	EVENT_RELATED_SEVERAL = 1U << 6, /* more than one socket has the same ends */
	EVENT_MAPPED = 1U << 7, /* v4 in an IPv6 socket */
	EVENT_SUBFLOW = 1U << 9, /* one of the TCP connections of an MPTCP socket */
	EVENT_RELATED_PEER = 1U << 8, /* it is the other end of this connection */
};

#define EVENT_STEPS 8U

/* A change on the way to the end. */
struct event_step {
	uint32_t before_ms; /* the event; saturates */
	uint8_t from, to; /* enum tcpdiag_state; the same: close() of what had sent its FIN */
	uint8_t actor; /* enum event_actor */
	uint8_t reserved;
};

struct event_socket {
	uint64_t cookie; /* 0: no socket */
	uint64_t bytes_received, bytes_sent;
	uint64_t related; /* cookie of another socket of this connection; 0: none */
	int64_t idle_ms; /* since the last payload either way */
	int64_t age_ms; /* of the connection, at least */
	int64_t closed_ago_ms; /* since our own close() or shutdown() */
	int64_t orphan_ms; /* it lived on after its close() */
	uint8_t local[16], remote[16]; /* as in struct tcpdiag_socket */
	uint32_t netns;
	uint32_t related_netns;
	uint32_t known; /* enum event_known */
	uint32_t unread_bytes, unsent_bytes, unacked_bytes;
	uint32_t linger_ms; /* where EVENT_LINGER; UINT32_MAX: forever */
	uint32_t holder, creator; /* numbers of struct event_name, 0: none */
	uint32_t ifindex; /* bound to, or of a segment without a socket where it came in; 0: any */
	uint32_t payload; /* of the segment that the RST answers */
	uint32_t uid;
	uint16_t local_port, remote_port; /* host order */
	uint16_t flags; /* enum event_flag */
	uint8_t family;
	uint8_t state; /* enum tcpdiag_state, that it was in */
	uint8_t direction; /* enum direction */
	uint8_t reason; /* enum reset_reason */
	uint8_t sk_shutdown;
	uint8_t segment_flags; /* TH_* of the segment that the RST answers */
	/* What the oracle said about the operation that ended it. */
	uint8_t predicted_operation; /* enum tcpdiag_operation */
	uint8_t predicted_rule; /* enum tcpdiag_rule */
	uint8_t predicted_segment; /* enum tcpdiag_segment */
	uint8_t predicted_state; /* enum tcpdiag_state */
	bool predicted_certain;
	uint8_t step_count;
	struct event_step steps[EVENT_STEPS]; /* oldest first */
};

#define EVENT_TEXT 320

struct event_finding {
	uint64_t finding; /* its id */
	int64_t since_ns;
	int32_t pid;
	uint32_t netns;
	uint32_t count;
	uint8_t rule; /* enum tcpdiag_rule */
	uint8_t severity; /* enum severity; of a cleared one its highest */
	uint8_t scope;
	char unit[64];
	char comm[16];
	char summary[EVENT_TEXT]; /* cut where it is longer; terminated */
};

struct event {
	uint64_t id; /* counts from 1 over all rings and restarts; 0: none */
	int64_t when_ns; /* CLOCK_MONOTONIC */
	int64_t wall_ns; /* CLOCK_REALTIME at that instant */
	uint8_t kind; /* enum event_kind */
	uint8_t actor; /* enum event_actor */
	union {
		struct event_socket socket;
		struct event_finding finding;
	};
};

/* Somebody who held a socket, kept past his end. Cut where it is longer; always terminated. */
struct event_name {
	uint64_t start_time; /* clock ticks since boot, 0: not known */
	uint32_t number; /* counts from 1: which one it is; 0: free */
	int32_t pid; /* 0: not known */
	char comm[16];
	char unit[64];
	char label[64]; /* what the unit is counted under: model/unit_label.h */
	char container[72];
	char title[160]; /* model/container_title.h; "" where it is not known */
};

/* "reset-sent"; NULL out of range or NONE. */
const char *event_kind_name(enum event_kind kind);
/* "listener-close"; NULL out of range or UNKNOWN. */
const char *event_actor_name(enum event_actor actor);

/* "resets"; NULL out of range. */
const char *event_ring_name(enum event_ring ring);

/* Where events of a kind are kept. */
enum event_ring event_ring_of(enum event_kind kind);

/*
 * Whether what another process has left can be worked with: kinds, states and other numbers in their ranges, texts
 * terminated. EVENT_GAP is never kept, so it is not sound.
 */
bool event_is_sound(const struct event *event);
bool event_name_is_sound(const struct event_name *name);

static inline bool event_is_finding(const struct event *event)
{
	return event->kind == EVENT_FINDING_RAISED || event->kind == EVENT_FINDING_CLEARED;
}
