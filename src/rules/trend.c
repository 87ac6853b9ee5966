/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ring of samples by time, and slopes that one odd sample cannot bend: the median of the slopes
 * between all pairs (Theil 1950, Sen 1968), which bears 29 % of wrong points.
 */
#include "rules/trend.h"

#include <string.h>

void trend_init(struct trend *trend, int64_t begin_ns, int64_t now_ns)
{
	memset(trend, 0, sizeof(*trend));
	trend->begin_ns = begin_ns;
	trend->slot = now_ns / TREND_STEP_NS;
}

void trend_add(struct trend *trend, int64_t now_ns, uint32_t value)
{
	int64_t slot = now_ns / TREND_STEP_NS;
	uint32_t before = trend->value[trend->slot % TREND_SLOTS];

	if (slot < trend->slot)
		return;
	if (slot - trend->slot > TREND_GAP_SLOTS) {
		trend->begin_ns = now_ns;
		trend->slot = slot;
	}
	while (trend->slot < slot)
		trend->value[++trend->slot % TREND_SLOTS] = before;
	trend->value[slot % TREND_SLOTS] = value;
}

bool trend_at(const struct trend *trend, int64_t when_ns, uint32_t *ret)
{
	int64_t slot = when_ns / TREND_STEP_NS;

	if (when_ns < trend->begin_ns || slot <= trend->slot - TREND_SLOTS)
		return false;
	*ret = trend->value[MIN(slot, trend->slot) % TREND_SLOTS];
	return true;
}

bool trend_grew(const struct trend *trend, int64_t from_ns, int64_t to_ns, double ratio, double min)
{
	uint32_t from, to;

	if (!trend_at(trend, from_ns, &from) || !trend_at(trend, to_ns, &to))
		return false;
	return (double)to - from >= MAX(ratio * from, min);
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

double trend_median_slope(const double *x, const double *y, unsigned int count)
{
	double slopes[TREND_SLOTS * (TREND_SLOTS - 1) / 2];
	unsigned int first = count > TREND_SLOTS ? count - TREND_SLOTS : 0, n = 0, i, j;

	for (i = first; i < count; i++)
		for (j = i + 1; j < count; j++)
			if (x[j] > x[i])
				slopes[n++] = (y[j] - y[i]) / (x[j] - x[i]);
	if (!n)
		return 0;
	qsort(slopes, n, sizeof(slopes[0]), compare);
	return n % 2 ? slopes[n / 2] : (slopes[n / 2 - 1] + slopes[n / 2]) / 2;
}

bool trend_rate(const struct trend *trend, int64_t now_ns, int64_t window_ns, double *ret)
{
	int64_t from = now_ns - MIN(window_ns, TREND_SPAN_NS), slot;
	double x[TREND_SLOTS], y[TREND_SLOTS];
	unsigned int count = 0;

	if (from < trend->begin_ns)
		return false;
	/* The newest slot is still filling: its value is of now, as that of the others of their end. */
	for (slot = from / TREND_STEP_NS; slot <= trend->slot && count < TREND_SLOTS; slot++) {
		x[count] = (double)(slot < trend->slot ? (slot + 1) * TREND_STEP_NS : now_ns) /
			   (double)NSEC_PER_SEC;
		y[count++] = trend->value[slot % TREND_SLOTS];
	}
	if (count < 2)
		return false;
	*ret = trend_median_slope(x, y, count);
	return true;
}
