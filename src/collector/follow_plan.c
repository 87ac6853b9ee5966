/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a dump costs is known from the last one, which holds while the number of sockets in teardown states is about the
 * same: once it has doubled or halved the next pass dumps, and knows.
 */
#include "collector/follow_plan.h"

#include "model/macro.h"

#define AUDIT_NS (30 * NSEC_PER_SEC)
#define AUDIT_SHARE 0.005 /* of a core, over time, for those of all namespaces */
#define AUDIT_CREDIT_NS NSEC_PER_SEC /* of time without one */
#define PRICE_NS (600 * NSEC_PER_SEC) /* so long a measured cost holds */
#define PRICE_MARGIN 1000U /* fewer more or less change no price */
#define DOUBT_NS (60 * NSEC_PER_SEC)
#define DOUBTS_MAX 5U /* 16 minutes */
#define FORGIVE_NS (1800 * NSEC_PER_SEC)

/* Reluctance: to begin it must be that much cheaper, to end that much dearer. */
#define BEGIN_BELOW 0.8
#define END_ABOVE 1.1

static bool is_complete(const struct space_follow *space, const struct follow_terms *terms)
{
	return terms->look_up && space->seeded_ns && terms->since_ns != INT64_MAX &&
	       space->seeded_ns >= terms->since_ns && terms->now_ns >= space->distrust_ns;
}

static bool is_priced(const struct space_follow *space)
{
	const uint64_t sockets = (uint64_t)space->known + space->news;

	return space->priced_ns && sockets <= (uint64_t)space->dump_sockets * 2 + PRICE_MARGIN &&
	       sockets * 2 + PRICE_MARGIN >= space->dump_sockets;
}

static bool is_cheaper(const struct space_follow *space, const struct follow_terms *terms)
{
	const double look_ups = (double)space->due + space->news;
	const double settings = (double)space->asks + space->news;
	const double bound = space->by_events ? END_ABOVE : BEGIN_BELOW;

	return look_ups * terms->look_up_ns < (space->dump_ns + settings * terms->ask_ns) * bound;
}

static bool is_audit(const struct space_follow *space, const struct follow_terms *terms)
{
	return terms->now_ns >= terms->audit_ns && (terms->now_ns - space->seeded_ns >= AUDIT_NS ||
						    terms->now_ns - space->priced_ns >= PRICE_NS);
}

int64_t follow_next_audit(const struct follow_terms *terms, double cost_ns)
{
	return MAX(terms->audit_ns, terms->now_ns - AUDIT_CREDIT_NS) +
	       (int64_t)(cost_ns / AUDIT_SHARE);
}

void follow_plan(struct space_follow *space, const struct follow_terms *terms)
{
	const bool complete = is_complete(space, terms);

	space->reads = space->audits = false;
	if (!complete) {
		space->by_events = false;
		return;
	}
	/* A dump that only finds out what one costs decides nothing. */
	if (!is_priced(space))
		return;
	space->by_events = is_cheaper(space, terms);
	space->audits = space->by_events && is_audit(space, terms);
	space->reads = space->by_events && !space->audits;
}

void follow_doubt(struct space_follow *space, int64_t now_ns)
{
	/* One that finds many is one. */
	if (now_ns < space->distrust_ns)
		return;
	space->distrust_ns = now_ns + (DOUBT_NS << MIN(space->faults, DOUBTS_MAX - 1));
	space->faults = MIN(space->faults + 1, DOUBTS_MAX);
	space->by_events = false;
}

void follow_seeded(struct space_follow *space, int64_t began_ns, double cost_ns, uint32_t sockets)
{
	space->seeded_ns = began_ns;
	if (began_ns - space->distrust_ns > FORGIVE_NS)
		space->faults = 0;
	if (cost_ns <= 0)
		return;
	space->priced_ns = began_ns;
	space->dump_ns = cost_ns;
	space->dump_sockets = sockets;
}
