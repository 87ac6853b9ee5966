/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The brake of the events: what the BPF programs may cost.
 *
 * They run whenever a connection changes its state, so what they take grows with what the host does, not with what
 * anybody asks. Above a share of one core for some seconds changes of state that are no end are not written any more;
 * where that does not help, the programs are detached. After a calm time, which doubles with every relapse, the brake is
 * released by one step.
 *
 * A flood is not waited for. It is ten times the share, or half a million rows a second for each per cent that the
 * programs may take, from one drain to the next; and it is more than a burst: since it began more rows have come than
 * the ring alone could hold, so that a reader who had slept through it would have missed some. What a deploy or the
 * start of a pod makes (some thousand connections in a tenth of a second) is held by the ring, and is none. The drain
 * that sees a flood pulls the first step; where it still is one a fifth of a second later, and again no burst, the second
 * follows.
 *
 * What they take is measured for a second out of every ten, since measuring costs every BPF program of the machine
 * something; between, it is rows times what a row has cost. Where it cannot be measured, a cost is assumed.
 *
 * Pure: times, rows and costs come in. The second half of this header is what does the measuring.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/events.h"
#include "model/snapshot.h"

struct brake {
	double share_max; /* of one core; 0: never brakes */

	uint8_t level; /* enum event_brake */
	uint64_t pulled; /* times that it was pulled, by a step each */
	double share; /* of one core that the programs take, smoothed; < 0: not known yet */
	bool measured; /* by the kernel's own count; false: assumed */
	double row_ns; /* what a row costs */

	int64_t level_ns; /* since when at this level */
	int64_t second_ns; /* the last look of each second; 0: none yet */
	uint64_t rows; /* at that time */
	int64_t look_ns; /* the last look for a flood */
	uint64_t look_rows;
	int64_t flood_ns; /* the look before the first one that saw the flood under way; 0: there is none */
	uint64_t flood_rows;
	uint32_t over, calm; /* seconds in a row */
	uint32_t relapses; /* each doubles the calm that a release needs */
	int64_t released_ns; /* the last release, 0: none */
};

/* @share_percent: of one core. */
void brake_init(struct brake *brake, double share_percent, int64_t now_ns);

/**
 * brake_step() - after each drain: looks for a flood each time, for the share once a second
 * @rows: written and dropped since the start of the programs
 *
 * Return: the level changed.
 */
bool brake_step(struct brake *brake, int64_t now_ns, uint64_t rows);

/* @run_ns of the programs in @wall_ns in which @rows came. */
void brake_measured(struct brake *brake, int64_t wall_ns, uint64_t run_ns, uint64_t rows);

/* ---- with a reader ---- */

/* When what is measured. */
struct brake_lane {
	struct brake brake;
	bool measuring;
	bool refused; /* may not be measured here */
	int64_t next_ns; /* begin or end of the next measurement */
	int64_t begin_ns;
	uint64_t run_ns, rows; /* at its begin */
};

void brake_lane_init(struct brake_lane *lane, double share_percent, int64_t now_ns);

/**
 * brake_lane_step() - after each drain: measures, decides, and tells the programs
 * @rows: as brake_step()
 *
 * Return: 1: the level changed (what was seen before and after is not of one piece); 0; -errno of the programs, which
 * are then detached.
 */
int brake_lane_step(struct brake_lane *lane, struct event_reader *reader, int64_t now_ns,
		    uint64_t rows);

/* A sentence for /status, NULL where it is off. Static. */
const char *brake_says(enum event_brake level);
