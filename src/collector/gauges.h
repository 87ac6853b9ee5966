/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is read each second for ever: counters and orphans, and how they moved in the last two minutes.
 */
#pragma once

#include "model/snapshot.h"

#define GAUGES_SAMPLES 128U

struct gauge_sample {
	int64_t when_ns;
	uint64_t orphans;
	struct counters counters;
};

/* A ring of one sample a second. */
struct gauges {
	struct gauge_sample samples[GAUGES_SAMPLES];
	uint32_t count, newest;
	int64_t first_ns; /* of the first sample: growth warms up from there */
};

/* Adds one; where they come faster than one a second the newest is overwritten. */
void gauges_add(struct gauges *gauges, int64_t now_ns, const struct counters *counters,
		const struct tcpdiag_environment *env);

/* How much each counter rose in the last 60 s, or since the first sample. */
void gauges_rates(const struct gauges *gauges, int64_t now_ns, struct counters *ret);

/**
 * gauges_orphans() - how many, the most of 120 s, and the growth of 60 s as the median slope of all pairs
 *
 * Growth that is no more than the noise of the count itself is 0. Nobody guesses before 60 s have passed.
 */
void gauges_orphans(const struct gauges *gauges, int64_t now_ns,
		    const struct tcpdiag_environment *env, struct orphans *ret);
