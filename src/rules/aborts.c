/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ring of minutes. The median bears any burst that is shorter than half of what is remembered; what goes
 * on for longer becomes the usual, and is silent again.
 */
#include <stdlib.h>
#include <string.h>

#include "model/macro.h"
#include "rules/aborts.h"

#define GAP_NS (4 * ABORT_SAMPLE_NS) /* a longer silence is no history */

enum counter abort_counter(enum abort_cause cause)
{
	static const enum counter counters[ABORT_MAX] = {
		[ABORT_CLOSE] = COUNTER_ABORT_ON_CLOSE,
		[ABORT_DATA] = COUNTER_ABORT_ON_DATA,
		[ABORT_TIMEOUT] = COUNTER_ABORT_ON_TIMEOUT,
		[ABORT_MEMORY] = COUNTER_ABORT_ON_MEMORY,
		[ABORT_LINGER] = COUNTER_ABORT_ON_LINGER,
	};

	return counters[cause];
}

static uint64_t value_of(const struct counters *rates, enum counter which)
{
	return rates->known & 1U << which ? rates->value[which] : 0;
}

bool aborts_ended(const struct counters *rates, uint64_t *ret)
{
	const uint32_t opens = 1U << COUNTER_ACTIVE_OPENS | 1U << COUNTER_PASSIVE_OPENS;
	uint64_t began = value_of(rates, COUNTER_ACTIVE_OPENS) +
			 value_of(rates, COUNTER_PASSIVE_OPENS);
	uint64_t ended = value_of(rates, COUNTER_ESTAB_RESETS) + value_of(rates, COUNTER_TW) +
			 value_of(rates, COUNTER_TW_KILLED);

	if ((rates->known & opens) != opens)
		return false;
	*ret = MAX(began, ended);
	return true;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Of an even number the lower of the two in the middle: less is usual, more is noticed. */
static uint64_t median(const struct aborts *aborts, enum abort_cause cause)
{
	uint64_t values[ABORT_SAMPLES] = {};
	uint32_t i;

	for (i = 0; i < aborts->count; i++)
		values[i] = aborts->samples[i].aborted[cause];
	qsort(values, aborts->count, sizeof(values[0]), compare);
	return values[(aborts->count - 1) / 2];
}

static void take_sample(struct aborts *aborts, const struct counters *rates)
{
	struct abort_sample *sample;
	int cause;

	aborts->newest = aborts->count ? (aborts->newest + 1) % ABORT_SAMPLES : 0;
	aborts->count = MIN(aborts->count + 1, ABORT_SAMPLES);
	sample = &aborts->samples[aborts->newest];
	*sample = (struct abort_sample){ 0 };
	for (cause = 0; cause < ABORT_MAX; cause++)
		sample->aborted[cause] = value_of(rates, abort_counter(cause));
	sample->ended_known = aborts_ended(rates, &sample->ended);
	for (cause = 0; cause < ABORT_MAX; cause++)
		aborts->usual[cause] = median(aborts, cause);
}

void aborts_add(struct aborts *aborts, const struct counters *rates, int64_t now_ns)
{
	if (!aborts->begin_ns || now_ns - aborts->last_ns > GAP_NS) {
		memset(aborts, 0, sizeof(*aborts));
		aborts->begin_ns = aborts->last_ns = now_ns;
		return;
	}
	if (now_ns - aborts->last_ns < ABORT_SAMPLE_NS)
		return;
	/* Minutes stay a minute apart, whenever the polls come. */
	aborts->last_ns += (now_ns - aborts->last_ns) / ABORT_SAMPLE_NS * ABORT_SAMPLE_NS;
	take_sample(aborts, rates);
}

bool aborts_share(const struct aborts *aborts, enum abort_cause cause, uint32_t minutes,
		  double *ret)
{
	uint64_t aborted = 0, ended = 0;
	uint32_t i;

	if (aborts->count < minutes || !minutes)
		return false;
	for (i = 0; i < minutes; i++) {
		const struct abort_sample *s =
			&aborts->samples[(aborts->newest + ABORT_SAMPLES - i) % ABORT_SAMPLES];

		if (!s->ended_known)
			return false;
		aborted += s->aborted[cause];
		ended += s->ended;
	}
	*ret = aborted ? (double)aborted / (double)MAX(ended, aborted) : 0;
	return true;
}
