/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a record remembers of the polls before: since when, and how exactly that is known.
 *
 * Pure: time comes in. Every "since" is a lower bound, "at least since then"; a flag says when it is exact,
 * that is within one interval.
 */
#pragma once

#include <stdint.h>

#include "model/keyed_hash.h"
#include "model/record.h"

/* States that the fast lane looks at. */
#define MEMORY_FAST_STATES (TCPDIAG_STATES_TEARDOWN | TCPDIAG_STATE_BIT(TCPDIAG_LISTEN))

/* Private to the collector: the inode is new, its holders have to be looked for. */
#define RECORD_ASK_OWNERS (1U << 7)
/* Private to the collector, within a poll: what close() does has not changed since the last one. */
#define RECORD_JUDGED (1U << 6)
/* Private to the collector, within a poll: what close() does may have changed, whoever asked. */
#define RECORD_UNJUDGED (1U << 5)

struct memory {
	int64_t now_ns; /* when this poll asked the kernel */
	int64_t fast_ns; /* when one that shows MEMORY_FAST_STATES last did, in full; 0: never */
	int64_t sweep_ns; /* when one that shows everything last did, in full; 0: never */
	/* Later than that: when nothing had come or gone since, as the counters of its namespace say. */
	int64_t fast_still_ns, sweep_still_ns;
	int64_t fast_reach_ns; /* no more between two looks, or it is not exact */
	int64_t sweep_reach_ns;
	uint16_t owner_pass; /* newest walk over the owners that has begun */
};

/* A socket that was there before, perhaps as another kind: @new->sk is filled in, the rest is set. */
void memory_carry(const struct memory *memory, struct record *new, const struct record *old);

/* A socket that nothing is remembered of. */
void memory_first(const struct memory *memory, struct record *new);

/* ---- what vanished ---- */

/*
 * Sockets that are in no dump any more, for a while: a FIN-WAIT-1 that the fast lane no longer shows may
 * be found again as TIME-WAIT by the next sweep, and one that a dump missed while it moved comes back. A
 * ring of fixed size: what is overwritten is forgotten.
 */
struct gone;

#define GONE_MAX 8192U

/* Return: 0 or -ENOMEM. */
int gone_new(const struct hash_key *key, struct gone **ret);
/* Accepts NULL; returns NULL. */
struct gone *gone_free(struct gone *gone);

/* Remembers a copy; minisockets that nothing follows are not kept. */
void gone_put(struct gone *gone, const struct record *record, int64_t now_ns);

/**
 * gone_find() - what @sk was before it vanished
 * @oldest_ns: what vanished earlier is not looked for by its ends
 *
 * By cookie; a timewait minisocket also by its four ends, since it has another cookie where the socket's
 * was never asked for (net/ipv4/inet_timewait_sock.c:inet_twsk_alloc()).
 *
 * Return: borrowed until the next gone_put(), taken out of the memory; NULL where there is none.
 */
struct record *gone_find(struct gone *gone, const struct tcpdiag_socket *sk, int64_t oldest_ns);

/* Walks over all that is remembered, for what has to be renumbered. @cursor begins at 0. NULL: end. */
struct record *gone_next(struct gone *gone, uint32_t *cursor);
