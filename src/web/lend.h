/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Snapshots on loan: what the collector lends is mapped once for each (buffer, generation), counted by
 * the requests that read it, and given back when the last one has let go.
 *
 * The newest snapshot holds one reference itself, so there is always something to answer from.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/channel.h"
#include "model/journal.h"
#include "model/snapshot.h"

/* One buffer of the collector's pool. */
struct loan {
	struct channel_lend packet; /* as it came; type 0: not lent now */
	void *map; /* stays when it is given back */
	uint64_t size; /* mapped */
	uint32_t generation; /* of the mapping */
	uint32_t references;
	uint32_t times; /* lent: as often it is given back */
	struct snapshot snapshot; /* checked view; valid while there are references */
};

struct lender {
	int fd; /* channel, borrowed */
	struct loan loans[CHANNEL_BUFFERS];
	struct loan *newest; /* NULL before the first */
	uint64_t received;
	bool owing; /* a return waits until the channel takes it */
	void *journal_map; /* for the whole life of the process; NULL: none has come */
	uint64_t journal_size;
	struct journal_view journal; /* checked view of it */
};

/**
 * lender_take() - a CHANNEL_LEND packet
 * @memfd: what came along, or -1; taken over, also on failure
 *
 * The snapshot becomes the newest and the one before it is given back unless a request reads it. A
 * block that fails its checks is given back at once and the newest stays.
 *
 * Return: 0; -EBADMSG for a block that is no snapshot; -EPROTO where the packet contradicts what is
 * lent; another -errno of mapping.
 */
int lender_take(struct lender *lender, const struct channel_lend *packet, int memfd);

/**
 * lender_journal() - a CHANNEL_JOURNAL packet
 * @memfd: what came along; taken over, also on failure
 *
 * Return: 0; -EBADMSG for a block that is no journal; -EPROTO where one is there already, or without a descriptor;
 * another -errno of mapping.
 */
int lender_journal(struct lender *lender, const struct channel_journal *packet, int memfd);

/* The newest with one more reference, or NULL. */
struct loan *lender_acquire(struct lender *lender);

/* Lets go; NULL is accepted. What nobody reads goes back. */
void lender_release(struct lender *lender, struct loan *loan);

/* Sends the returns that wait. Return: 0; -EAGAIN while some still wait; another -errno. */
int lender_settle(struct lender *lender);

/* Unmaps everything. */
void lender_done(struct lender *lender);
