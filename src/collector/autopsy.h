/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The autopsy: events of one socket joined into the story of its end (model/event.h).
 *
 * The kernel tells what happened in pieces: changes of state, a RST sent or received, the end of the socket. One
 * story is made of those of one socket (namespace and cookie): who acted first, what the kernel sent, what was lost.
 * It is told once: with a RST when that has passed, else when the kernel lets go of the socket; not before a moment has
 * gone by, since the piece that changes its meaning may come last (a reset that was received turns out to be one that
 * late data made the kernel send). An orphan that lives on is told of besides. Sockets that never had a connection, and
 * listeners, have no story; but what a listener's end does to its queue is an operation like others.
 *
 * What is under way is kept in a bounded table, from which the one goes that nothing has happened to for longest: its
 * end is then told with what its last event says by itself.
 *
 * Ends of what we have closed are kept for another minute by their four ends: a segment that comes for them meets a
 * minisocket or nothing at all, and the RST it gets is explained by that close. A RST that belongs to no full socket has
 * a story of its own; of those that follow on the same four ends within seconds only the first.
 *
 * Ends of who has a story are kept, too, so that the other end of a connection is found where that is on this machine, in
 * whatever namespace, though no poll may have seen either.
 *
 * No clock, no I/O: times come with the events, names and memories by callbacks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <tcpdiag/outcome.h>

#include "kernel/events.h"
#include "model/event.h"
#include "model/keyed_hash.h"

struct autopsy;

/* What the collector remembers of a socket from its polls. */
struct autopsy_memory {
	uint32_t holder, creator; /* struct event_name, 0: none */
	uint8_t direction; /* enum direction */
	bool unaccepted; /* it waited in a listener's queue when last seen */
	bool linger_known, linger; /* at the last poll */
	int64_t born_ns; /* at the latest; 0: not known */
};

/* What one operation of our side did, for the audit: inputs of that instant and what came of it. */
struct autopsy_operation {
	struct tcpdiag_socket sk; /* as it was before: state is the old one */
	uint8_t operation; /* enum tcpdiag_operation */
	uint8_t segment; /* enum tcpdiag_segment that the kernel sent because of it */
	uint8_t state; /* enum tcpdiag_state right after */
	uint8_t reason; /* enum reset_reason of a RST */
	bool complete; /* no event of it can have been lost */
	/* Of a listener, which sends nothing itself: what came of the connections that waited in its queue. */
	uint32_t resets; /* RSTs that they sent */
	uint32_t children; /* that were alive */
	uint32_t gone; /* whose connection had ended before */
};

struct autopsy_relation {
	uint64_t cookie;
	uint32_t netns;
	bool peer; /* the other end; else this side of it behind an address that is rewritten */
};

struct autopsy_calls {
	/* Each may be NULL. */
	/* Return: false where it never stood in a poll; what can be said all the same is filled in. */
	bool (*remember)(void *context, const struct tcpdiag_socket *sk,
			 struct autopsy_memory *ret);
	/* Number of the process that ran; 0: not known. Asked only where it is the one who acted. */
	uint32_t (*process)(void *context, const struct socket_event *event);
	/* An operation is over. Fills in the predicted_* members of @socket where the oracle can say it. */
	void (*operated)(void *context, const struct autopsy_operation *operation,
			 struct event_socket *socket);
	/* A story is complete; @event->id is not set yet. */
	void (*tell)(void *context, struct event *event);
	/* One more RST like one that was told within the last seconds: to be counted only. */
	void (*again)(void *context, struct event *event);
	/*
	 * Another socket of this flow that polls have seen. Asked only where no story has it, and never about ordinary
	 * ends.
	 * Return: how many; with 1 @ret is set.
	 */
	uint32_t (*relate)(void *context, const struct tcpdiag_socket *sk,
			   struct autopsy_relation *ret);
	void *context;
};

struct autopsy_limits {
	uint32_t open; /* stories under way */
	uint32_t closed; /* four ends that are kept for a minute */
	struct hash_key key; /* random: who sends segments chooses their ends */
	int64_t orphan_ns; /* an orphan that lives so long is told of before its end */
	bool derive; /* reasons that the kernel tells are not looked at */
};

/* @calls: copied. Return: 0; -ENOMEM. */
int autopsy_new(const struct autopsy_calls *calls, const struct autopsy_limits *limits,
		struct autopsy **ret);
/* Accepts NULL; returns NULL. */
struct autopsy *autopsy_free(struct autopsy *autopsy);

/* Events of before @when_ns are missing: what is under way, or begins soon after, may not be of one piece. */
void autopsy_lose(struct autopsy *autopsy, int64_t when_ns);

/* One event; of one socket in the kernel's order. @lost: events were dropped before it since the last one. */
void autopsy_take(struct autopsy *autopsy, const struct socket_event *event, bool lost);

/* What does not wait for another event any more: after each drain. @wall_ns: CLOCK_REALTIME at @now_ns. */
void autopsy_settle(struct autopsy *autopsy, int64_t now_ns, int64_t wall_ns);

/* As in the limits, from now on. */
void autopsy_derive(struct autopsy *autopsy, bool derive);

/* Stories under way. */
uint32_t autopsy_open(const struct autopsy *autopsy);

/* Since the start: stories that had to make room before their end. */
uint64_t autopsy_cut(const struct autopsy *autopsy);
