/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ring of seconds. The growth is the Theil-Sen estimate, so that a burst between two seconds does not
 * make a forecast; the peak is what shows bursts.
 */
#include <math.h>

#include "collector/gauges.h"
#include "model/macro.h"
#include "rules/trend.h"

#define STEP_NS (950 * NSEC_PER_MSEC)
#define WINDOW_NS (60 * NSEC_PER_SEC)
#define PEAK_NS (120 * NSEC_PER_SEC)
#define POINTS 31U

/* The sample @back places before the newest. */
static const struct gauge_sample *sample(const struct gauges *gauges, uint32_t back)
{
	return &gauges->samples[(gauges->newest + GAUGES_SAMPLES - back) % GAUGES_SAMPLES];
}

/* A sample is taken only when sockstat was read: the number of orphans is in it, also where the limit is not. */
void gauges_add(struct gauges *gauges, int64_t now_ns, const struct counters *counters,
		const struct tcpdiag_environment *env)
{
	bool first = !gauges->count;

	/* The newest moves on until it is a step away from the one before it. */
	if (gauges->count < 2 ||
	    sample(gauges, 0)->when_ns - sample(gauges, 1)->when_ns >= STEP_NS) {
		gauges->newest = first ? 0 : (gauges->newest + 1) % GAUGES_SAMPLES;
		gauges->count = MIN(gauges->count + 1, GAUGES_SAMPLES);
	}
	if (first)
		gauges->first_ns = now_ns;
	gauges->samples[gauges->newest] = (struct gauge_sample){
		.when_ns = now_ns,
		.orphans = env->orphans,
		.counters = *counters,
	};
}

void gauges_rates(const struct gauges *gauges, int64_t now_ns, struct counters *ret)
{
	const struct gauge_sample *then, *now;
	uint32_t back = 0, i;

	*ret = (struct counters){};
	if (!gauges->count)
		return;
	while (back + 1 < gauges->count && now_ns - sample(gauges, back)->when_ns < WINDOW_NS)
		back++;
	then = sample(gauges, back);
	now = sample(gauges, 0);
	ret->known = then->counters.known & now->counters.known;
	for (i = 0; i < COUNTER_MAX; i++)
		if (ret->known & 1U << i && now->counters.value[i] > then->counters.value[i])
			ret->value[i] = now->counters.value[i] - then->counters.value[i];
}

/* Orphans per second over the window; 0 where the change drowns in the noise of counting. */
static double growth(const struct gauges *gauges, int64_t now_ns)
{
	double x[GAUGES_SAMPLES], y[GAUGES_SAMPLES], slope, span;
	uint32_t back, step, in_window = 0, count = 0;

	while (in_window < gauges->count &&
	       now_ns - sample(gauges, in_window)->when_ns <= WINDOW_NS + NSEC_PER_SEC)
		in_window++;
	if (in_window < 2)
		return 0;
	step = (in_window + POINTS - 1) / POINTS;
	for (back = (in_window - 1) / step * step;; back -= step) {
		x[count] = (double)sample(gauges, back)->when_ns / (double)NSEC_PER_SEC;
		y[count++] = (double)sample(gauges, back)->orphans;
		if (!back)
			break;
	}
	slope = trend_median_slope(x, y, count);
	span = x[count - 1] - x[0];
	if (fabs(slope) * span < MAX(3.0, 2 * sqrt(y[count - 1])))
		return 0;
	return slope;
}

void gauges_orphans(const struct gauges *gauges, int64_t now_ns,
		    const struct tcpdiag_environment *env, struct orphans *ret)
{
	uint32_t back;

	*ret = (struct orphans){ .seconds_to_limit = -1 };
	if (!gauges->count)
		return;
	ret->count_known = true;
	ret->count = sample(gauges, 0)->orphans;
	for (back = 0; back < gauges->count; back++) {
		const struct gauge_sample *s = sample(gauges, back);

		if (now_ns - s->when_ns > PEAK_NS)
			break;
		ret->peak = MAX(ret->peak, s->orphans);
	}
	ret->growth_known = now_ns - gauges->first_ns >= WINDOW_NS;
	if (!ret->growth_known)
		return;
	ret->growth_per_second = growth(gauges, now_ns);
	if (!(env->known & TCPDIAG_ENV_ORPHANS) || ret->growth_per_second <= 0)
		return;
	ret->seconds_to_limit = ret->count >= env->tcp_max_orphans
					? 0
					: (double)(env->tcp_max_orphans - ret->count) /
						  ret->growth_per_second;
}
