/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which sockets have come into a teardown state since the last pass, as the kernel's events tell (kernel/events.h), so
 * that the fast lane need not walk the kernel's table for them.
 *
 * What is in a teardown state already stands in the records of the snapshot before; here stands what has happened since,
 * by namespace and cookie, until a pass has read its namespace: that looks at it, and leaves the others alone for a while
 * (collector/rota.h). What has come since leaves with the event that takes it out of these states; what was there before
 * stays, as gone, so that its record is looked at, too. A close() in FIN-WAIT-2 tells CLOSE, while a minisocket stays in
 * FIN-WAIT-2 or is in TIME-WAIT: only a look tells which (net/ipv4/tcp_minisocks.c:tcp_time_wait()).
 *
 * A dump is the audit: what it shows and no event told of is *lost*, what stands here and is in no dump is *extra*.
 * An event that is under way when the dump is made comes a moment later, so both are suspects until then.
 *
 * Bounded; what finds no room, or was dropped on the way, is a gap: nothing that is not dumped after it is complete.
 * No clock, no I/O.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/events.h"

struct follow;

enum follow_suspect {
	FOLLOW_TOLD = 0, /* by an event */
	FOLLOW_LOST, /* a dump shows it, no event has told of it */
	FOLLOW_EXTRA, /* an event has told of it, no dump shows it */
};

struct follow_entry {
	uint64_t cookie;
	int64_t when_ns; /* of the newest event, or of the dump that made it a suspect */
	uint8_t local[16];
	uint8_t remote[16];
	uint16_t local_port, remote_port;
	uint32_t netns;
	uint32_t ifindex;
	uint32_t position; /* for whoever reads: its record before, UINT32_MAX: none */
	uint32_t chain; /* for whoever reads: number of another one */
	uint32_t next; /* private */
	uint8_t state; /* enum tcpdiag_state, the last one told */
	uint8_t family;
	uint8_t suspect; /* enum follow_suspect */
	uint8_t tries; /* looks that found it and did not find it there yet */
	bool mapped;
	bool mini; /* let go of in FIN-WAIT-2: perhaps a minisocket */
	bool was; /* in a teardown state before its first event: perhaps a record is, too */
	bool gone; /* it has left them all */
	bool known; /* for whoever reads: its record before is in a teardown state */
	bool seen; /* this pass has shown it */
	bool again; /* this pass has missed it: the next one looks */
	bool odd; /* of a suspect: there was no gap that explains it */
};

struct follow_stats {
	uint64_t entered; /* changes into a teardown state */
	uint64_t gaps; /* times that nothing was complete any more */
	uint64_t cut; /* found no room */
	uint64_t lost, extra; /* what dumps have repaired */
};

/* @max: entries, at most. Return: 0 or -ENOMEM. */
int follow_new(uint32_t max, struct follow **ret);
/* Accepts NULL; returns NULL. */
struct follow *follow_free(struct follow *follow);

/* ---- for the lane that drains the events ---- */

/* One event, in the kernel's order of its socket. */
void follow_take(struct follow *follow, const struct socket_event *event);

/*
 * Events before @now_ns may be missing, all after it come: the programs are attached, the ring has dropped some, the
 * brake is off again.
 */
void follow_gap(struct follow *follow, int64_t now_ns);

/* No events come any more, or not all: nothing is followed until the next gap. */
void follow_off(struct follow *follow);

/* ---- for the passes ---- */

/* Since when every event has come; INT64_MAX where none do. Only what was dumped after it is complete. */
int64_t follow_since(const struct follow *follow);

uint32_t follow_count(const struct follow *follow);

const struct follow_stats *follow_stats(const struct follow *follow);

/* NULL where it does not stand here. */
struct follow_entry *follow_find(struct follow *follow, uint32_t netns, uint64_t cookie);

/* All of them; @cursor begins at 0. Stable while nothing is added. NULL: end. */
struct follow_entry *follow_next(struct follow *follow, uint32_t *cursor);

/* An entry by its number, which it keeps while it stands here. */
uint32_t follow_number(const struct follow *follow, const struct follow_entry *entry);
struct follow_entry *follow_at(struct follow *follow, uint32_t number);

/* Takes it out. A walk can go on. */
void follow_drop(struct follow *follow, struct follow_entry *entry);

/*
 * A look has not found @sk, that was in FIN-WAIT-1 or FIN-WAIT-2: perhaps it was just becoming a minisocket, which nobody
 * can take hold of for an instant (inet_twsk_hashdance_schedule()). The next pass looks once more.
 */
void follow_missed(struct follow *follow, const struct tcpdiag_socket *sk, int64_t now_ns);

/* A dump made at @now_ns shows a socket in a teardown state that no event has told of. @odd: and there was no gap. */
void follow_suspect(struct follow *follow, const struct tcpdiag_socket *sk, int64_t now_ns,
		    bool odd);

/**
 * follow_dumped() - a dump of @netns, made at @now_ns, is over: what it has not shown is suspect
 *
 * What it has shown, and what minisockets are gone, leaves.
 */
void follow_dumped(struct follow *follow, uint32_t netns, int64_t now_ns);

/**
 * follow_settle() - suspects of before @before_ns have had their time: counted, and out
 * @found: called for each; may be NULL
 */
void follow_settle(struct follow *follow, int64_t before_ns,
		   void (*found)(void *context, const struct follow_entry *entry), void *context);
