/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An hour of the kernel's abort counters, a sample a minute, and what is usual on this machine.
 */
#pragma once

#include "model/snapshot.h"

#define ABORT_SAMPLES 60U
#define ABORT_SAMPLE_NS (60 * NSEC_PER_SEC)

enum abort_cause {
	ABORT_CLOSE = 0, /* close() with unread data */
	ABORT_DATA, /* SO_LINGER with 0 seconds, or data for what is closed */
	ABORT_TIMEOUT,
	ABORT_MEMORY,
	ABORT_LINGER, /* TCP_LINGER2 below 0 */
	ABORT_MAX
};

struct abort_sample {
	uint64_t aborted[ABORT_MAX]; /* in that minute */
	uint64_t ended; /* connections, see aborts_ended() */
	bool ended_known;
};

struct aborts {
	int64_t begin_ns; /* of the first minute; 0: none yet */
	int64_t last_ns; /* newest sample */
	uint32_t count, newest;
	struct abort_sample samples[ABORT_SAMPLES];
	uint64_t usual[ABORT_MAX]; /* median of the samples */
	int64_t hot_since_ns[ABORT_MAX]; /* far above that without a break; 0: not now */
	int64_t memory_since_ns, seen_open_ns, seen_finished_ns, allowed_ns, resetting_ns;
};

/* The counter of a cause. */
enum counter abort_counter(enum abort_cause cause);

/**
 * aborts_ended() - connections that ended in the last minute, as well as counters tell
 *
 * No counter says it. In the long run as many end as begin (ActiveOpens, PassiveOpens); where many end at
 * once, those that were reset (EstabResets) or went through a minisocket (TW, TWKilled) are more.
 *
 * Return: false where the kernel does not tell.
 */
bool aborts_ended(const struct counters *rates, uint64_t *ret);

/* @rates: change in the last 60 s. Takes a sample when a minute has passed since the newest. */
void aborts_add(struct aborts *aborts, const struct counters *rates, int64_t now_ns);

/**
 * aborts_share() - which part of the connections that ended in the last @minutes was aborted
 *
 * Return: false where it is not known, or there are not so many samples.
 */
bool aborts_share(const struct aborts *aborts, enum abort_cause cause, uint32_t minutes,
		  double *ret);
