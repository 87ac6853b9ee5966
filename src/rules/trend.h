/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A short history of one number: half an hour of samples, one each 30 s, whatever the polls do.
 *
 * What was before the first sample is not known, and a question about it gets no answer: that is how
 * rules of growth warm up. Where it is known that the number was 0 before (nothing was counted while
 * somebody was looking), the history begins earlier than the first sample.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/macro.h"

#define TREND_STEP_NS (30 * NSEC_PER_SEC)
#define TREND_SLOTS 64
#define TREND_SPAN_NS ((TREND_SLOTS - 2) * TREND_STEP_NS)
#define TREND_GAP_SLOTS 8 /* a longer silence is no history */

struct trend {
	int64_t begin_ns; /* known from here */
	int64_t slot; /* newest: time / TREND_STEP_NS */
	uint32_t value[TREND_SLOTS]; /* the last one seen in each slot, at slot % TREND_SLOTS */
};

/* An empty history that is known to be 0 from @begin_ns to @now_ns. */
void trend_init(struct trend *trend, int64_t begin_ns, int64_t now_ns);

void trend_add(struct trend *trend, int64_t now_ns, uint32_t value);

/* The number at @when_ns, up to one step later; false where that is not known. */
bool trend_at(const struct trend *trend, int64_t when_ns, uint32_t *ret);

/**
 * trend_grew() - by at least so much from @from_ns to @to_ns
 * @ratio: of the number at @from_ns
 * @min: but at least this
 *
 * Return: false also where the history does not reach back.
 */
bool trend_grew(const struct trend *trend, int64_t from_ns, int64_t to_ns, double ratio,
		double min);

/**
 * trend_rate() - growth per second over the last @window_ns: the median slope of all pairs of samples
 *
 * Return: false while the history is shorter than that.
 */
bool trend_rate(const struct trend *trend, int64_t now_ns, int64_t window_ns, double *ret);

/**
 * trend_median_slope() - Theil-Sen estimator: a burst or a step does not move it
 * @x, @y: points, x rising; at most TREND_SLOTS of them are looked at, the newest
 *
 * Return: 0 for fewer than two points.
 */
double trend_median_slope(const double *x, const double *y, unsigned int count);
