/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When which pass is due. Pure: time and costs come in.
 *
 * Each lane may use its share of a core: where a pass costs more, its interval stretches. What gives way,
 * in this order: the sweep, the teardown rows, the listeners. Counters and orphans are read every interval.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/snapshot.h"

enum pass {
	PASS_TICK = 0, /* counters and orphans only, nothing is published */
	PASS_LISTENERS, /* and the listeners */
	PASS_FAST, /* and the teardown states */
	PASS_SWEEP, /* everything */
	PASS_MAX
};

struct pass_state {
	int64_t wanted_ns; /* as configured */
	int64_t interval_ns; /* in force */
	double share; /* of a core */
	double cost_ns; /* smoothed; 0: never measured */
	int64_t next_ns;
};

struct lanes {
	struct pass_state passes[PASS_MAX];
};

/* Intervals and shares as configured; all passes due at @now_ns where @restart, else as they were. */
void lanes_configure(struct lanes *lanes, int64_t interval_ns, int64_t sweep_interval_ns,
		     double cpu_share, int64_t now_ns, bool restart);

/* A pass is over that was due or not: what it covers is done, its cost stretches its interval. */
void lanes_passed(struct lanes *lanes, enum pass pass, int64_t began_ns, int64_t cost_ns);

/* The pass to make at @now_ns; PASS_MAX where none is due. */
enum pass lanes_due(const struct lanes *lanes, int64_t now_ns);

/* When the next one is due. */
int64_t lanes_next(const struct lanes *lanes);
