/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Findings that come and go, as events: one when it is raised, one more when it gets worse than it ever was, one when it
 * is cleared. No clock.
 */
#pragma once

#include <stdint.h>

#include "model/journal.h"
#include "model/snapshot.h"

/* One that stands. */
struct raised_finding {
	struct event_finding told; /* as last seen; the severity is its highest */
	bool seen; /* in the snapshot at hand */
};

struct raised {
	struct raised_finding *items;
	uint32_t count, room;
};

/* The collector goes on with this snapshot: what stands in it has been told. */
void raised_restore(struct raised *raised, const struct snapshot *snapshot);

/**
 * raised_look() - tells what is new in a snapshot
 *
 * What nothing was judged by (findings_blind) is not cleared. A finding for which there is no memory is not told of.
 */
void raised_look(struct raised *raised, const struct snapshot *snapshot, struct journal *journal);

void raised_done(struct raised *raised);
