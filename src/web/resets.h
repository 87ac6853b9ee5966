/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Resets of a span of time, added up from the journal's minutes: /resets, the report and /summary.
 */
#pragma once

#include "model/journal.h"
#include "web/breakdown.h"
#include "web/recent.h"

/* Resets of one row. */
struct reset_sums {
	uint64_t sent, received;
	uint64_t unread_bytes; /* lost with those that were sent */
	uint64_t peer_open; /* of both: the peer had not finished */
	uint64_t idle; /* of both: nothing had passed for a minute and more */
	uint64_t derived; /* of both: the reason is */
};

struct resets {
	struct breakdown breakdown;
	struct reset_sums *rows; /* owned, by number of the breakdown's rows */
	uint32_t *order; /* owned: most first; of minutes the earliest */
	uint32_t size;
	struct reset_sums total;
	struct reset_sums ungrouped; /* in rows that found no place */
	uint64_t refused; /* of the total: a SYN that nobody listened for */
	uint64_t folded; /* of the total: ports and reasons are not kept */
	struct recent_gaps gaps; /* of the minutes that were asked for */
	int64_t oldest_ns; /* CLOCK_REALTIME since when all are counted */
	int64_t since_ns; /* what was asked for */
	const struct journal_view *view;
};

/* Which resets. */
struct reset_query {
	const char *group; /* "unit,reason" */
	int64_t since_ns, until_ns; /* CLOCK_REALTIME; whole minutes are counted */
	const struct query *filters; /* unit, reason, netns, local.port, kind; or NULL */
};

/* Return: 0; -EINVAL with @problem; -ENOMEM. @ret: to be freed with resets_done(), also after a failure. */
int resets_count(const struct journal_view *view, const struct reset_query *query,
		 struct resets *ret, struct problem *problem);
void resets_done(struct resets *resets);
