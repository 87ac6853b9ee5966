/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether the fast lane asks a namespace for its teardown states by a dump or by looking up what events have told of.
 *
 * A dump walks the kernel's table, whatever it finds; a look-up costs for each socket that is due (collector/rota.h), and
 * tells its settings, too, which behind a dump are read for a part of them. So it is the cost that decides, as
 * measured last, with some reluctance to change. Where events may be missing there is no choice, and from time to time a
 * dump is the audit.
 *
 * Pure: times and costs come in.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* What a namespace is remembered by. */
struct space_follow {
	int64_t seeded_ns; /* when the last dump of the teardown states began that was complete, 0: none */
	int64_t priced_ns; /* when the last masked dump was measured, 0: never */
	double dump_ns; /* CPU time of it, without reading settings */
	uint32_t dump_sockets; /* in teardown states then */
	int64_t distrust_ns; /* dumps until then: an audit has found what no gap explains */
	uint32_t faults; /* how often, in a row */
	bool by_events; /* as decided last; an audit in between is a dump all the same */

	/* Of the pass under way. */
	bool reads; /* by looking up */
	bool audits; /* by a dump, though looking up would do */
	uint32_t known; /* records in teardown states */
	uint32_t news; /* told of since, and none of these */
	uint32_t due; /* of the known: to be looked up in this pass */
	uint32_t asks; /* of the known: their settings would be read behind a dump */
	struct follow_chain {
		uint32_t first, last; /* of the order's numbers */
	} looks, rests; /* of the known: those that are due, and the others */
	int64_t rests_ns; /* of the others the look that is longest ago, 0: none */
	uint32_t first_new; /* of the news: number of its entry */
};

struct follow_terms {
	int64_t now_ns;
	int64_t since_ns; /* every event has come since then; INT64_MAX: none come */
	double look_up_ns; /* what one costs */
	double ask_ns; /* what one of the settings costs that comes right behind a dump */
	bool look_up; /* sockets can be looked up */
	int64_t audit_ns; /* the next audit is not before: all namespaces together have one share for them */
};

/* Audits of all namespaces: when the next one may be made after one that costs @cost_ns. */
int64_t follow_next_audit(const struct follow_terms *terms, double cost_ns);

/* Sets @space->reads, @audits and @by_events. */
void follow_plan(struct space_follow *space, const struct follow_terms *terms);

/* An audit has found something odd: dumps for a while, longer each time. */
void follow_doubt(struct space_follow *space, int64_t now_ns);

/* A dump of the teardown states is through: @began_ns; @cost_ns without settings, 0: it was of everything. */
void follow_seeded(struct space_follow *space, int64_t began_ns, double cost_ns, uint32_t sockets);
