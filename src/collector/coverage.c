/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When nobody has watched how connections end: what the minutes of the journal add up is not all there was then.
 *
 * That is so while the events are switched off or cannot be had, while the brake has the programs detached, and between
 * a collector and the next one that takes its journal over. Whoever only hears of ends (the multicast of sock_diag)
 * learns nothing of resets and does not watch either. Without a journal before it, a collector counts from its own start.
 */
#include <time.h>

#include "collector/events_private.h"

static bool sees_now(const struct collector *c)
{
	const struct events_lane *lane = c->events;

	return lane && lane->reader && lane->brake.brake.level != EVENT_BRAKE_DETACHED;
}

void coverage_note(struct collector *c)
{
	const int64_t now_ns = clock_ns(CLOCK_MONOTONIC), wall_ns = clock_ns(CLOCK_REALTIME);
	struct journal *journal = collector_journal(c);
	struct coverage *coverage = &c->coverage;
	const bool sees = sees_now(c);
	struct journal_view view;

	if (!coverage->noted_ns) {
		journal_view(journal, &view);
		if (journal_noted_ns(&view))
			journal_unseen(journal, journal_noted_ns(&view), wall_ns);
	} else if (!coverage->sees) {
		/* A second at once will do. */
		if (!sees && now_ns - coverage->noted_ns < NSEC_PER_SEC)
			return;
		journal_unseen(journal, wall_ns - (now_ns - coverage->noted_ns), wall_ns);
	}
	journal_noted_to(journal, wall_ns);
	coverage->noted_ns = now_ns;
	coverage->sees = sees;
}
