/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Samples of what the events told: sums of the collector's, each label value from the first scrape on.
 */
#include "web/metrics_events.h"

#include "model/macro.h"

/* Only BPF sees resets. */
static bool sees_resets(const struct scrape *s)
{
	return s->snapshot->header->events.origin == EVENT_ORIGIN_BPF;
}

void metrics_resets_sent(struct scrape *s)
{
	int reason;

	for (reason = RESET_REASON_NONE + 1; sees_resets(s) && reason < RESET_REASON_MAX; reason++)
		scrape_sample_1(s, "reason", reset_reason_name(reason),
				(double)s->snapshot->header->events.resets_sent[reason]);
}

/* States that a RST meets; the rest, minisockets above all, is one. */
void metrics_resets_received(struct scrape *s)
{
	static const uint8_t states[] = {
		TCPDIAG_SYN_SENT,   TCPDIAG_ESTABLISHED, TCPDIAG_FIN_WAIT1, TCPDIAG_FIN_WAIT2,
		TCPDIAG_CLOSE_WAIT, TCPDIAG_LAST_ACK,	 TCPDIAG_CLOSING,
	};
	const uint64_t *count = s->snapshot->header->events.resets_received;
	uint64_t other = 0;
	size_t i;

	if (!sees_resets(s))
		return;
	for (i = 0; i < TCPDIAG_STATE_MAX; i++)
		other += count[i];
	for (i = 0; i < ARRAY_SIZE(states); i++) {
		other -= count[states[i]];
		scrape_sample_1(s, "state", tcpdiag_state_name(states[i]),
				(double)count[states[i]]);
	}
	scrape_sample_1(s, "state", "other", (double)other);
}

void metrics_events_dropped(struct scrape *s)
{
	const struct event_totals *events = &s->snapshot->header->events;
	int origin;

	for (origin = EVENT_ORIGIN_NONE + 1; origin < EVENT_ORIGIN_MAX; origin++) {
		uint64_t dropped = origin == EVENT_ORIGIN_BPF ? events->dropped
							      : events->dropped_multicast;

		if (origin == events->origin || dropped)
			scrape_sample_1(s, "source", event_origin_name(origin), (double)dropped);
	}
}

void metrics_fast_lane_repairs(struct scrape *s)
{
	const struct follow_totals *follow = &s->snapshot->header->follow;

	if (!sees_resets(s))
		return;
	scrape_sample_1(s, "kind", "lost", (double)follow->lost);
	scrape_sample_1(s, "kind", "extra", (double)follow->extra);
}

void metrics_oracle_checks(struct scrape *s)
{
	size_t i;

	for (i = 0; sees_resets(s) && i < ARRAY_SIZE(s->snapshot->header->events.checks); i++)
		scrape_sample_1(s, "result", check_result_name((unsigned int)i),
				(double)s->snapshot->header->events.checks[i]);
}
