/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happens to connections between two polls, from the kernel's own tracepoints: changes of state on the way to
 * CLOSE, resets sent and received, and the end of a socket. In all network namespaces.
 *
 * BPF programs (kernel/bpf/events.bpf.c) put each into a ring buffer that wakes nobody; whoever reads comes by often
 * enough. What finds no room is counted. The kernel's order is kept for one socket, not among sockets: two cores write
 * at once.
 *
 * Traps of the tracepoints, which are left as they are here: tcp_receive_reset is also called where the kernel resets
 * a connection because of late data (net/ipv4/tcp_input.c:tcp_reset()), a change from a state to itself marks a close()
 * whose FIN was out already, and of a socket that was disconnected the remote port is gone.
 *
 * Built with BPF=0 everything here returns -EOPNOTSUPP (bpf_none.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tcpdiag/socket.h>

#include "model/reset_reason.h"

struct event_reader;

/* Events of one drain: in a storm the ring is filled as fast as it is read, and there would be no end to it. */
#define EVENTS_DRAIN_MAX 32768

enum socket_event_kind {
	SOCKET_EVENT_STATE = 0,
	SOCKET_EVENT_RESET_SENT,
	SOCKET_EVENT_RESET_RECEIVED,
	SOCKET_EVENT_DESTROYED,
	SOCKET_EVENT_KIND_MAX
};

struct socket_event {
	int64_t when_ns; /* CLOCK_MONOTONIC */
	/*
	 * As a dump would show it at that instant, with its settings; @state of a change is the new one, and the queues
	 * count what they count in that state. Without a socket (a segment that belongs to none) ends, namespace and
	 * family only, cookie 0.
	 */
	struct tcpdiag_socket sk;
	uint8_t kind; /* enum socket_event_kind */
	uint8_t old_state; /* enum tcpdiag_state; of a change */
	uint8_t segment_flags; /* TH_*: of the segment that a RST answers */
	bool has_socket;
	bool passive; /* the RST answers a segment */
	bool released; /* close() or the end of its last process has let go of it */
	bool orphaned; /* and that is done: SOCK_DEAD */
	bool unaccepted; /* no process has got it yet: it waits in a listener's queue */
	bool exiting; /* @pid is ending */
	/*
	 * A process has locked the socket: what happens is its doing, or came meanwhile and is worked off by it. Clear:
	 * a segment or a timer does it, also of a socket that is released: its close() has not begun yet.
	 */
	bool owned;
	bool fin_unread; /* the peer's FIN has come, and nobody has read it; also where @sk is in CLOSE */
	bool fin_follows; /* our FIN comes of this change: @sk counts it */
	uint8_t reason; /* enum reset_reason, of a RST; NONE: this kernel tells none */
	uint32_t payload; /* bytes of the segment that a RST answers */
	/*
	 * Since the last payload either way; of a RST that meets unacknowledged data since the last payload or ACK
	 * that came before that. -1: not known.
	 */
	int64_t idle_ms;
	/*
	 * Events that had found no room when this one came, since the start (modulo 2^32): where it changes, some are
	 * missing between the two. What is missing behind the last one, events_dropped() tells.
	 */
	uint64_t dropped;
	/*
	 * Who was running: in close(), shutdown() and exit the one who did it; when a segment or a timer was worked off,
	 * whoever was interrupted. 0: not to be had, or not in this PID namespace.
	 */
	int32_t pid;
	char comm[16];
	uint64_t
		cgroup; /* of @pid, in the unified hierarchy: the inode of its folder; 0: not known */
};

/**
 * events_open() - loads the programs; events come from now on
 * @bytes: of the ring, rounded up to a power of two of pages
 * @hz: jiffies a second as the settings' reader found out, 0: not known, then times in jiffies are not known
 *
 * Return: 0; -EOPNOTSUPP where this build or the kernel has no such tracepoints; -EPERM without CAP_BPF and CAP_PERFMON;
 * -ENOMEM; -errno.
 */
int events_open(size_t bytes, uint32_t hz, struct event_reader **ret);

/* Detaches the programs. Accepts NULL; returns NULL. */
struct event_reader *events_free(struct event_reader *reader);

/**
 * events_drain() - what has come since, in their order: all of it, or as much as a storm is given at a time
 * @take: called for each; negative ends the drain, which the next call goes on with
 *
 * Return: how many were taken; the negative of @take, which must not be -EBADMSG; -errno.
 */
int events_drain(struct event_reader *reader,
		 int (*take)(const struct socket_event *event, void *context), void *context);

/* The socket before the change: its old state, and the queues as they count in that one. Others: as it is. */
void event_before(const struct socket_event *event, struct tcpdiag_socket *ret);

/* Events that found no room, or whose rows cannot be right, since the start. */
uint64_t events_dropped(const struct event_reader *reader);

/* What the programs write; as enum event_brake. */
enum events_level {
	EVENTS_ALL = 0,
	EVENTS_ENDS, /* resets, changes to CLOSE and the ends of sockets */
	EVENTS_NONE, /* detached: it costs nothing */
};

/**
 * events_thin() - what the programs write from now on
 *
 * Return: 0; -errno where they cannot be attached again: they are detached then.
 */
int events_thin(struct event_reader *reader, enum events_level level);

/**
 * events_measure() - lets the kernel count what BPF programs take, all of the machine's
 *
 * Return: 0; -EPERM without CAP_SYS_ADMIN; -errno.
 */
int events_measure(struct event_reader *reader, bool on);

/* Time that the programs ran while it was counted, in all. Return: 0; -errno. */
int events_cost(const struct event_reader *reader, uint64_t *ret_run_ns);

/* Whether this kernel tells why it resets (6.10). */
bool events_have_reasons(const struct event_reader *reader);
