/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What became of sockets, kept in two rings that each snapshot shows: entries for changes, and sockets that
 * have ended (model/history.h).
 *
 * A socket that does not change costs nothing. In one poll at most a quarter of a ring is overwritten, so that a
 * machine that turns over at once does not lose everything before; what finds no room is counted. Of the
 * ended, those that have lived for a minute or that a finding was about have a half of their own: a crowd
 * of short ones does not push them out.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/snapshot.h"

struct history;

/**
 * history_new()
 * @entries: rounded up to a power of two; 0: nothing is kept
 * @ended: sockets
 *
 * Return: 0 or -ENOMEM.
 */
int history_new(uint32_t entries, uint32_t ended, struct history **ret);
/* Accepts NULL; returns NULL. */
struct history *history_free(struct history *history);

/* Before the records of a poll. @reach_ns: two looks that are not farther apart tell exactly. */
void history_begin(struct history *history, int64_t now_ns, int64_t reach_ns);

/* It is in another state now, or somebody else has it. */
void history_change(struct history *history, struct record *new, const struct record *old);

/* @new follows @old: takes its chain over, notes what has changed. */
static inline void history_carry(struct history *history, struct record *new,
				 const struct record *old)
{
	new->history = old->history;
	if (new->sk.state != old->sk.state || new->sk.kind != old->sk.kind ||
	    new->sk.attachment != old->sk.attachment)
		history_change(history, new, old);
}

/* The attachment was @before until this poll has looked who holds it. */
void history_attachment(struct history *history, struct record *record, uint8_t before);

/* Its first holder was @name until now. */
void history_holder(struct history *history, struct record *record,
		    const struct history_name *name);

/* Bits of findings, another before than now. */
void history_findings(struct history *history, struct record *record, uint32_t before);

/* It is in no look any more. @record: without holders, its last one is its creator. */
void history_end(struct history *history, const struct record *record);

/* It is back, or has become a minisocket. @old: what history_end() got. */
void history_revive(struct history *history, const struct tcpdiag_socket *old);

/* Walks over the ended, whose creators have to be renumbered. @cursor begins at 0. NULL: end. */
struct record *history_next_ended(struct history *history, uint32_t *cursor);

/* Writes the sections and the header's part. Return: 0 or -ENOMEM. */
int history_publish(const struct history *history, struct snapshot_writer *w);

/**
 * history_restore() - goes on with what a snapshot of the collector before shows
 * @now_ns: nobody looked from the snapshot's time until then
 *
 * Only for one that has entered nothing yet. What has more places than there are now keeps its newest part.
 */
void history_restore(struct history *history, const struct snapshot *snapshot, int64_t now_ns);
