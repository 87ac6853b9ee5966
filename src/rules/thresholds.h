/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When a finding is raised, and how severe: every number of it, one row each, all in the configuration.
 *
 * The defaults stay silent on a healthy host: a prediction alone is information, a warning wants harm
 * now or growth, a critical wants a limit in reach. Ages are durations, never numbers of polls; where a
 * lane is polled so rarely that its interval is above half an age, the age counts as two intervals.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum threshold_type {
	THRESHOLD_DURATION, /* int64_t, nanoseconds */
	THRESHOLD_COUNT, /* int64_t */
	THRESHOLD_PERCENT, /* double, 0..100 (growth may be above) */
	THRESHOLD_NAMES, /* char[THRESHOLD_NAMES_MAX]: units and commands, a blank between them */
};

#define THRESHOLD_NAMES_MAX 1024

struct thresholds {
	/* rst-on-close */
	int64_t rst_info_age, rst_warning_count, rst_warning_age;
	/* fin-wait-2-stuck */
	int64_t fw2_info_age, fw2_warning_count, fw2_warning_age;
	int64_t fw2_warning_growth_window, fw2_warning_growth_min;
	double fw2_warning_growth;
	double fw2_critical_descriptors;
	int64_t fw2_critical_count, fw2_critical_doubling;
	/* close-wait-leak: inbound, outbound, never accepted */
	int64_t cw_in_info_age, cw_in_warning_count, cw_in_warning_age, cw_in_warning_growth_min;
	int64_t cw_in_warning_window;
	double cw_in_warning_growth;
	int64_t cw_out_info_count, cw_out_info_age, cw_out_warning_age;
	int64_t cw_out_warning_growth_min, cw_out_warning_window;
	double cw_out_warning_growth;
	double cw_warning_descriptors, cw_critical_descriptors;
	int64_t cw_critical_horizon;
	int64_t cw_unaccepted_warning_count, cw_unaccepted_warning_age, cw_unaccepted_critical_age;
	/* orphan-accumulation */
	int64_t orphan_info_count, orphan_info_growth_window, orphan_info_horizon;
	double orphan_warning_ratio, orphan_critical_ratio;
	int64_t orphan_warning_horizon;
	/* listener-queue-at-risk */
	double listener_info_ratio, listener_warning_ratio;
	int64_t listener_info_looks, listener_info_waiting, listener_warning_age;
	int64_t listener_overflow_window;
	int64_t listener_critical_age, listener_critical_minutes, listener_small_limit;
	/* linger-zero */
	int64_t lz_info_count;
	char lz_allow[THRESHOLD_NAMES_MAX];
	/* linger-blocks */
	int64_t lb_info_linger, lb_info_age, lb_warning_age, lb_warning_count;
	/* fin-timeout-cliff */
	int64_t cliff_info_count;
	/* late-data-reset */
	int64_t late_info_count, late_warning_count, late_warning_window;
	/* dead-descriptor */
	int64_t dead_info_count, dead_info_age, dead_warning_growth_min, dead_warning_window;
	double dead_warning_growth, dead_warning_descriptors, dead_critical_descriptors;
	/* orphan-stalled */
	int64_t stalled_info_age, stalled_info_count, stalled_warning_count;
	double stalled_info_ratio, stalled_warning_ratio, stalled_warning_creator;
	/* fin-wait-1-stalled, last-ack-stalled */
	int64_t fw1_info_age, fw1_warning_count, fw1_warning_age;
	int64_t la_info_age, la_warning_count, la_warning_age;
	/* time-wait-overflow */
	double tw_info_ratio;
	int64_t tw_warning_rate, tw_warning_age;
	/* tcp-memory-pressure */
	int64_t mem_warning_age;
	double mem_critical_ratio;
	/* aborts-rising */
	int64_t aborts_history, aborts_info_rate, aborts_info_age, aborts_warning_failed;
	int64_t aborts_critical_age;
	double aborts_info_factor, aborts_warning_share;
	/* port-exhaustion */
	double port_info_ratio, port_warning_ratio, port_critical_ratio;
	/* inherited-descriptor */
	int64_t inherited_info_age, inherited_info_count, inherited_warning_count;
	/* of all */
	int64_t rate_window;
	double clear_ratio;
	int64_t clear_hold;
};

struct threshold_info {
	const char *name; /* "rules.close-wait-leak.inbound.warning-age" */
	enum threshold_type type;
	size_t offset; /* in struct thresholds */
	double value; /* default: seconds, a count, or percent */
	double min, max; /* same unit */
	const char *text; /* one sentence */
};

/* All rows, in the order of --help. */
const struct threshold_info *threshold_table(size_t *ret_count);

/* Whether @names has @name, or that without ".service". */
bool threshold_has_name(const char names[static THRESHOLD_NAMES_MAX], const char *name);

/* Every threshold at its default. */
void thresholds_default(struct thresholds *ret);
