/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How often a socket in a teardown state is looked at that nothing seems to happen to.
 *
 * Most of them wait, for hours: a leak in CLOSE-WAIT is as it was a second ago. So the time between two looks begins at an
 * interval, doubles with each look that has found nothing new, and has a bound; any change begins anew. What an event tells
 * of is looked at at once, whatever stands here (collector/follow.h).
 *
 * The looks of many are spread: each socket has a phase of its own, and is due when its period has turned since the
 * last look. So that is at most a period ago, and of those that rest about the same number is due in each pass.
 *
 * A rule that counts what is as old as some age shall not find one after the other of those that are of one age: who
 * comes to such an age is looked at then.
 *
 * Pure: time comes in.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/record.h"
#include "rules/thresholds.h"

#define ROTA_AGES 32U

struct rota {
	int64_t now_ns;
	int64_t ages_ns[ROTA_AGES]; /* ascending */
	uint32_t age_count;
	struct rota_level {
		int64_t period_ns; /* 0: due in each pass */
		int64_t into_ns; /* how far the period is that has no phase */
	} levels[RECORD_QUIET_MAX + 1]; /* by looks that have changed nothing */
};

/* @interval_ns: between two passes; @cap_ns: nothing is left alone for longer, where an interval is not. */
void rota_begin(struct rota *rota, int64_t now_ns, int64_t interval_ns, int64_t cap_ns);

/* The ages that rules ask for. Above ROTA_AGES different ones are left out. */
void rota_ages(struct rota *rota, const struct thresholds *thresholds);

/* Whether @record, last looked at at @looked_ns, is to be looked at now. */
bool rota_is_due(const struct rota *rota, const struct record *record, int64_t looked_ns);

/* How many looks in a row have changed nothing, this one included. */
uint8_t rota_quiet(const struct record *new, const struct record *old);

/* The settings of @sk have been read, and were @before. */
bool rota_same_settings(const struct tcpdiag_socket *sk, const struct tcpdiag_socket *before);
