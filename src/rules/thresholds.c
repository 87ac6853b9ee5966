/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of thresholds: where each stands in the struct, its default and range, and what it means.
 *
 * A window of growth is at most half an hour in all, which is what the history of a tally spans
 * (rules/trend.h); hence the upper ends of the windows.
 */
#include "rules/thresholds.h"

#include <string.h>

#include "model/macro.h"

#define AGE_MAX 604800.0 /* a week */
#define COUNT_MAX 1e9

#define DURATION(name_, member, seconds, low, high, text_) \
	{ \
		.name = "rules." name_, .type = THRESHOLD_DURATION, \
		.offset = offsetof(struct thresholds, member), .value = (seconds), .min = (low), \
		.max = (high), .text = (text_) \
	}
#define AGE(name_, member, seconds, text_) DURATION(name_, member, seconds, 1, AGE_MAX, text_)
#define COUNT(name_, member, count, text_) \
	{ \
		.name = "rules." name_, .type = THRESHOLD_COUNT, \
		.offset = offsetof(struct thresholds, member), .value = (count), .min = 1, \
		.max = COUNT_MAX, .text = (text_) \
	}
#define PERCENT(name_, member, percent, high, text_) \
	{ \
		.name = "rules." name_, .type = THRESHOLD_PERCENT, \
		.offset = offsetof(struct thresholds, member), .value = (percent), .min = 1, \
		.max = (high), .text = (text_) \
	}

/* A part of something so large that less than 1 % of it counts. */
#define SHARE(name_, member, percent, text_) \
	{ \
		.name = "rules." name_, .type = THRESHOLD_PERCENT, \
		.offset = offsetof(struct thresholds, member), .value = (percent), .min = 0.1, \
		.max = 100, .text = (text_) \
	}

#define NAMES(name_, member, text_) \
	{ \
		.name = "rules." name_, .type = THRESHOLD_NAMES, \
		.offset = offsetof(struct thresholds, member), .text = (text_) \
	}

static const struct threshold_info table[] = {
	AGE("rst-on-close.info-age", rst_info_age, 60,
	    "Data unread for so long, without progress, on a connection whose peer has not "
	    "finished."),
	COUNT("rst-on-close.warning-count", rst_warning_count, 50,
	      "So many of them in one process whose receive window is closed: their peers are "
	      "blocked."),
	AGE("rst-on-close.warning-age", rst_warning_age, 120,
	    "For so long there have been that many."),

	AGE("fin-wait-2-stuck.info-age", fw2_info_age, 120,
	    "Held in FIN-WAIT-2 for so long without a byte received."),
	COUNT("fin-wait-2-stuck.warning-count", fw2_warning_count, 20,
	      "So many of them in one process."),
	AGE("fin-wait-2-stuck.warning-age", fw2_warning_age, 300,
	    "The oldest of that many is at least as old as this."),
	DURATION("fin-wait-2-stuck.warning-growth-window", fw2_warning_growth_window, 600, 60, 1800,
		 "Growth over this window, and over its second half, is a warning."),
	COUNT("fin-wait-2-stuck.warning-growth-min", fw2_warning_growth_min, 10,
	      "Growth by fewer sockets than this is none."),
	PERCENT("fin-wait-2-stuck.warning-growth", fw2_warning_growth, 20, 1000,
		"Growth by less of the number at the window's start than this is none."),
	PERCENT("fin-wait-2-stuck.critical-descriptors", fw2_critical_descriptors, 50, 100,
		"So much of the process's limit of descriptors."),
	COUNT("fin-wait-2-stuck.critical-count", fw2_critical_count, 1000,
	      "So many, and doubled within the time of critical-doubling."),
	DURATION("fin-wait-2-stuck.critical-doubling", fw2_critical_doubling, 900, 60, 1800,
		 "Doubled within this time, and at least critical-count."),

	AGE("close-wait-leak.inbound.info-age", cw_in_info_age, 300,
	    "An inbound connection in CLOSE-WAIT for so long without progress."),
	COUNT("close-wait-leak.inbound.warning-count", cw_in_warning_count, 20,
	      "So many as old as warning-age, and growing."),
	AGE("close-wait-leak.inbound.warning-age", cw_in_warning_age, 60,
	    "Younger ones are not counted for a warning."),
	COUNT("close-wait-leak.inbound.warning-growth-min", cw_in_warning_growth_min, 10,
	      "Growth by fewer sockets than this in the window is none."),
	DURATION("close-wait-leak.inbound.warning-window", cw_in_warning_window, 900, 60, 1800,
		 "The window that growth is looked at in."),
	PERCENT("close-wait-leak.inbound.warning-growth", cw_in_warning_growth, 20, 1000,
		"Growth by less of the number at the window's start than this is none."),
	COUNT("close-wait-leak.outbound.info-count", cw_out_info_count, 50,
	      "So many outbound connections in CLOSE-WAIT as old as info-age: perhaps an idle "
	      "pool."),
	AGE("close-wait-leak.outbound.info-age", cw_out_info_age, 300,
	    "Younger ones are not counted for information."),
	AGE("close-wait-leak.outbound.warning-age", cw_out_warning_age, 60,
	    "Younger ones are not counted for growth and the limit of descriptors."),
	COUNT("close-wait-leak.outbound.warning-growth-min", cw_out_warning_growth_min, 20,
	      "Growth by fewer sockets than this in a window is none."),
	DURATION("close-wait-leak.outbound.warning-window", cw_out_warning_window, 900, 60, 900,
		 "Growth in two windows of this length, one after the other, is a warning."),
	PERCENT("close-wait-leak.outbound.warning-growth", cw_out_warning_growth, 20, 1000,
		"Growth by less of the number at a window's start than this is none."),
	PERCENT("close-wait-leak.warning-descriptors", cw_warning_descriptors, 10, 100,
		"So much of the process's limit of descriptors."),
	PERCENT("close-wait-leak.critical-descriptors", cw_critical_descriptors, 50, 100,
		"So much of the process's limit of descriptors."),
	AGE("close-wait-leak.critical-horizon", cw_critical_horizon, 1800,
	    "At the present rate the descriptors run out within this time."),
	COUNT("close-wait-leak.unaccepted.warning-count", cw_unaccepted_warning_count, 10,
	      "So many connections in CLOSE-WAIT that were never accepted, as old as warning-age."),
	AGE("close-wait-leak.unaccepted.warning-age", cw_unaccepted_warning_age, 10,
	    "Younger ones are not counted."),
	AGE("close-wait-leak.unaccepted.critical-age", cw_unaccepted_critical_age, 10,
	    "That many, and their listener's queue has been full for so long."),

	COUNT("orphan-accumulation.info-count", orphan_info_count, 1000,
	      "Growth of fewer orphans than this is not looked at."),
	AGE("orphan-accumulation.info-growth-window", orphan_info_growth_window, 60,
	    "Growth has to last for so long."),
	AGE("orphan-accumulation.info-horizon", orphan_info_horizon, 3600,
	    "A quarter of tcp_max_orphans is reached within this time."),
	PERCENT("orphan-accumulation.warning-ratio", orphan_warning_ratio, 25, 100,
		"So much of tcp_max_orphans: the kernel starts to kill idle orphans."),
	AGE("orphan-accumulation.warning-horizon", orphan_warning_horizon, 600,
	    "A quarter of tcp_max_orphans is reached within this time."),
	PERCENT("orphan-accumulation.critical-ratio", orphan_critical_ratio, 50, 100,
		"So much of tcp_max_orphans: the kernel kills stalled orphans early."),

	PERCENT("listener-queue-at-risk.info-ratio", listener_info_ratio, 50, 100,
		"An accept queue so full of its limit, seen info-looks times in a row."),
	COUNT("listener-queue-at-risk.info-looks", listener_info_looks, 2,
	      "So many looks in a row; one look is never enough."),
	COUNT("listener-queue-at-risk.info-waiting", listener_info_waiting, 8,
	      "Fewer waiting connections than this are not looked at."),
	PERCENT("listener-queue-at-risk.warning-ratio", listener_warning_ratio, 80, 100,
		"An accept queue so full of its limit for as long as warning-age."),
	AGE("listener-queue-at-risk.warning-age", listener_warning_age, 5,
	    "At warning-ratio for so long."),
	AGE("listener-queue-at-risk.overflow-window", listener_overflow_window, 60,
	    "A queue that was at info-ratio within this time is blamed when connections are "
	    "dropped."),
	AGE("listener-queue-at-risk.critical-age", listener_critical_age, 10, "Full for so long."),
	COUNT("listener-queue-at-risk.critical-minutes", listener_critical_minutes, 3,
	      "Connections dropped in so many minutes in a row."),
	COUNT("listener-queue-at-risk.small-limit", listener_small_limit, 8,
	      "A listener with a lower limit than this is looked at only when it stays full."),

	COUNT("linger-zero.info-count", lz_info_count, 1,
	      "So many sockets of one unit with SO_LINGER on and 0 seconds."),
	NAMES("linger-zero.allow", lz_allow,
	      "Systemd units and commands that are meant to do so: nothing is said of them."),

	AGE("linger-blocks.info-linger", lb_info_linger, 5,
	    "SO_LINGER on with at least this time, and data that the peer has not acknowledged."),
	AGE("linger-blocks.info-age", lb_info_age, 1,
	    "For so long nothing of it has been acknowledged; what flows blocks nobody."),
	AGE("linger-blocks.warning-age", lb_warning_age, 2,
	    "A close() that has blocked for so long is a warning by itself."),
	COUNT("linger-blocks.warning-count", lb_warning_count, 5,
	      "So many calls of close() in one process that block at once, however young."),

	COUNT("fin-timeout-cliff.info-count", cliff_info_count, 1,
	      "So many sockets of one unit with a TCP_LINGER2 of 61 to 119 seconds."),

	COUNT("late-data-reset.info-count", late_info_count, 1,
	      "So many sockets of one process that receive no more and whose peers have data to "
	      "send."),
	COUNT("late-data-reset.warning-count", late_warning_count, 10,
	      "So many of them within warning-window."),
	DURATION("late-data-reset.warning-window", late_warning_window, 60, 12, 3600,
		 "The time in which they are counted."),

	COUNT("dead-descriptor.info-count", dead_info_count, 20,
	      "So many descriptors of one process whose connections are gone for as long as "
	      "info-age."),
	AGE("dead-descriptor.info-age", dead_info_age, 300, "Younger ones are not counted."),
	COUNT("dead-descriptor.warning-growth-min", dead_warning_growth_min, 10,
	      "Growth by fewer of them than this in a window is none."),
	DURATION("dead-descriptor.warning-window", dead_warning_window, 900, 60, 900,
		 "Growth in two windows of this length, one after the other, is a warning."),
	PERCENT("dead-descriptor.warning-growth", dead_warning_growth, 20, 1000,
		"Growth by less of the number at a window's start than this is none."),
	PERCENT("dead-descriptor.warning-descriptors", dead_warning_descriptors, 10, 100,
		"So much of the process's limit of descriptors."),
	PERCENT("dead-descriptor.critical-descriptors", dead_critical_descriptors, 50, 100,
		"So much of the process's limit of descriptors."),

	AGE("orphan-stalled.info-age", stalled_info_age, 60,
	    "An orphan in FIN-WAIT-1, CLOSING or LAST-ACK whose peer has acknowledged nothing for "
	    "so "
	    "long."),
	COUNT("orphan-stalled.info-count", stalled_info_count, 100,
	      "So many of them, and as much as info-ratio."),
	SHARE("orphan-stalled.info-ratio", stalled_info_ratio, 0.5,
	      "So much of tcp_max_orphans, where that is known."),
	COUNT("orphan-stalled.warning-count", stalled_warning_count, 1000,
	      "So many of them, and as much as warning-ratio or warning-creator."),
	SHARE("orphan-stalled.warning-ratio", stalled_warning_ratio, 5,
	      "So much of tcp_max_orphans, where that is known."),
	PERCENT("orphan-stalled.warning-creator", stalled_warning_creator, 80, 100,
		"One unit, container or process has created so much of them."),

	AGE("fin-wait-1-stalled.info-age", fw1_info_age, 60,
	    "Held in FIN-WAIT-1 for so long without a byte acknowledged."),
	COUNT("fin-wait-1-stalled.warning-count", fw1_warning_count, 20,
	      "So many of them in one process, as old as warning-age."),
	AGE("fin-wait-1-stalled.warning-age", fw1_warning_age, 120,
	    "Younger ones are not counted for a warning."),

	AGE("last-ack-stalled.info-age", la_info_age, 60,
	    "Held in LAST-ACK or CLOSING for so long without a byte acknowledged."),
	COUNT("last-ack-stalled.warning-count", la_warning_count, 20,
	      "So many of them in one process, as old as warning-age."),
	AGE("last-ack-stalled.warning-age", la_warning_age, 120,
	    "Younger ones are not counted for a warning."),
	AGE("tcp-memory-pressure.warning-age", mem_warning_age, 30,
	    "Above the second number of tcp_mem for so long."),
	PERCENT("tcp-memory-pressure.critical-ratio", mem_critical_ratio, 95, 100,
		"So much of the third number of tcp_mem."),

	PERCENT("time-wait-overflow.info-ratio", tw_info_ratio, 90, 100,
		"So many minisockets of tcp_max_tw_buckets."),
	COUNT("time-wait-overflow.warning-rate", tw_warning_rate, 10,
	      "So many connections a second end without TIME-WAIT for as long as warning-age."),
	AGE("time-wait-overflow.warning-age", tw_warning_age, 300, "For so long at warning-rate."),

	DURATION("aborts-rising.history", aborts_history, 900, 60, 3600,
		 "For so long the counters were followed before what is usual is known."),
	COUNT("aborts-rising.info-rate", aborts_info_rate, 1,
	      "Fewer aborts a second than this, by one cause, are not looked at."),
	PERCENT("aborts-rising.info-factor", aborts_info_factor, 500, 100000,
		"More than so much of the cause's own median of the last hour."),
	AGE("aborts-rising.info-age", aborts_info_age, 300, "For so long without a break."),
	PERCENT("aborts-rising.warning-share", aborts_warning_share, 1, 100,
		"The same, and so much of the connections that ended were aborted."),
	COUNT("aborts-rising.warning-failed", aborts_warning_failed, 1,
	      "So many RSTs that could not be sent in a minute (TCPAbortFailed)."),
	AGE("aborts-rising.critical-age", aborts_critical_age, 60,
	    "Connections killed for memory (TCPAbortOnMemory) again and again for so long."),

	PERCENT("port-exhaustion.info-ratio", port_info_ratio, 50, 100,
		"So much of ip_local_port_range is used from one address to one remote end."),
	PERCENT("port-exhaustion.warning-ratio", port_warning_ratio, 80, 100,
		"The same, without ports that tcp_tw_reuse gives to new connections."),
	PERCENT("port-exhaustion.critical-ratio", port_critical_ratio, 95, 100,
		"The same, without ports that tcp_tw_reuse gives to new connections."),

	AGE("inherited-descriptor.info-age", inherited_info_age, 60,
	    "Held in FIN-WAIT-2 or CLOSE-WAIT for so long by a program that has only inherited "
	    "it."),
	COUNT("inherited-descriptor.info-count", inherited_info_count, 1,
	      "So many of them in one process."),
	COUNT("inherited-descriptor.warning-count", inherited_warning_count, 20,
	      "So many of them in one process."),

	DURATION("rate-window", rate_window, 300, 60, 1800,
		 "The window of growth per second, the median slope of what was seen in it."),
	PERCENT("clear-ratio", clear_ratio, 70, 100,
		"A finding clears below so much of the value that raised it."),
	AGE("clear-hold", clear_hold, 60, "A finding clears after it was below for so long."),
};

const struct threshold_info *threshold_table(size_t *ret_count)
{
	*ret_count = ARRAY_SIZE(table);
	return table;
}

void thresholds_default(struct thresholds *ret)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		void *member = (char *)ret + table[i].offset;
		double unit = table[i].type == THRESHOLD_DURATION ? (double)NSEC_PER_SEC : 1;
		int64_t whole = (int64_t)(table[i].value * unit);

		if (table[i].type == THRESHOLD_NAMES)
			memset(member, 0, THRESHOLD_NAMES_MAX);
		else if (table[i].type == THRESHOLD_PERCENT)
			memcpy(member, &table[i].value, sizeof(double));
		else
			memcpy(member, &whole, sizeof(whole));
	}
}

bool threshold_has_name(const char names[static THRESHOLD_NAMES_MAX], const char *name)
{
	static const char service[] = ".service";
	size_t len = strlen(name), stem = len, end = sizeof(service) - 1;

	if (len > end && !strcmp(name + len - end, service))
		stem = len - end;
	while (*names) {
		size_t have = strcspn(names, " ");

		if (have && (have == len || have == stem) && !strncmp(names, name, have))
			return true;
		names += have;
		names += *names == ' ';
	}
	return false;
}
