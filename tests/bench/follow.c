/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fast lane by events beside the same lane by dumps: two collectors in one process, one step a line, each
 * answered with a line of JSON; times are processor time in nanoseconds.
 *
 *   seed        a sweep and a fast pass of each, then one that finds out what a dump costs
 *   events      a fast pass of the one that events are given to; "drain" is for these, "ask" for finding the sockets
 *   dump        a fast pass of the other one
 *   drain       takes the events that have come; the ring holds some 90,000
 *   audit       a sweep of the first: what it finds that no event told of
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "collector/private.h"
#include "daemon/options.h"
#include "daemon/settings.h"
#include "kernel/events.h"
#include "model/macro.h"

#define RING_BYTES ((size_t)16 << 20)
#define HZ_ANY 250
#define SOCKETS_MAX 2000000U

struct bench {
	struct collector *by_events, *by_dump;
	struct event_reader *events;
	uint64_t dropped;
};

static long long cpu(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static int take(const struct socket_event *event, void *context)
{
	const struct bench *bench = context;

	follow_take(bench->by_events->follow, event);
	return 0;
}

static void drain(struct bench *bench)
{
	int r = events_drain(bench->events, take, bench);

	if (r < 0)
		errx(1, "events: %s", strerror(-r));
	if (events_dropped(bench->events) != bench->dropped)
		follow_gap(bench->by_events->follow, clock_ns(CLOCK_MONOTONIC));
	bench->dropped = events_dropped(bench->events);
}

static void poll_lane(struct collector *c, enum lane lane)
{
	int r = collector_poll(c, lane);

	if (r < 0)
		errx(1, "poll: %s", strerror(-r));
}

/* What finding the sockets has cost in the last pass, smoothed as it is in the table of namespaces. */
static double asked(const struct collector *c)
{
	return c->spaces.own->fast_cost_ns;
}

static void pass(struct bench *bench, struct collector *c)
{
	long long began = cpu(), drained;
	struct snapshot s;
	uint32_t teardown = 0;

	if (c == bench->by_events)
		drain(bench);
	drained = cpu();
	c->spaces.own->fast_cost_ns = 0;
	poll_lane(c, LANE_FAST);
	if (collector_snapshot(c, &s) < 0)
		errx(1, "no snapshot");
	printf("{\"cpu\":%lld,\"drain\":%lld,\"ask\":%.0f,", cpu() - began, drained - began,
	       asked(c));
	for (uint32_t state = 0; state < TCPDIAG_STATE_MAX; state++)
		if (TCPDIAG_STATES_TEARDOWN >> state & 1)
			teardown += s.header->totals.state[state];
	printf("\"by_events\":%s,\"looked_up\":%u,\"left_alone\":%u,\"teardown\":%u,\"records\":%u}"
	       "\n",
	       c->spaces.own->follow.reads ? "true" : "false", c->follow_lane.looked_up,
	       c->follow_lane.left_alone, teardown, s.record_count);
}

static void seed(struct bench *bench)
{
	for (int i = 0; i < 2; i++) {
		drain(bench);
		poll_lane(bench->by_events, i ? LANE_FAST : LANE_SWEEP);
		poll_lane(bench->by_dump, i ? LANE_FAST : LANE_SWEEP);
	}
	/* What the first one costs is not the rule. */
	bench->by_events->spaces.own->follow.priced_ns = 0;
	poll_lane(bench->by_events, LANE_FAST);
	printf("{\"dump\":%.0f}\n", bench->by_events->spaces.own->follow.dump_ns);
}

static void audit(struct bench *bench)
{
	const struct timespec grace = { .tv_sec = 1, .tv_nsec = 100000000 };
	const struct follow_stats *stats = follow_stats(bench->by_events->follow);
	long long began = cpu(), spent;

	drain(bench);
	poll_lane(bench->by_events, LANE_SWEEP);
	spent = cpu() - began;
	nanosleep(&grace, NULL);
	drain(bench);
	poll_lane(bench->by_events, LANE_FAST);
	printf("{\"cpu\":%lld,\"lost\":%llu,\"extra\":%llu,\"entered\":%llu,\"dropped\":%llu,"
	       "\"look_up\":%.0f,\"dump\":%.0f}\n",
	       spent, (unsigned long long)stats->lost, (unsigned long long)stats->extra,
	       (unsigned long long)stats->entered, (unsigned long long)bench->dropped,
	       bench->by_events->follow_lane.look_up_ns,
	       bench->by_events->spaces.own->follow.dump_ns);
}

static void step(struct bench *bench, const char *line)
{
	if (!strcmp(line, "seed\n"))
		seed(bench);
	else if (!strcmp(line, "events\n"))
		pass(bench, bench->by_events);
	else if (!strcmp(line, "dump\n"))
		pass(bench, bench->by_dump);
	else if (!strcmp(line, "drain\n")) {
		drain(bench);
		puts("ok");
	} else if (!strcmp(line, "audit\n"))
		audit(bench);
	else
		errx(2, "what is %s", line);
	fflush(stdout);
}

int main(void)
{
	struct collector_settings settings;
	struct bench bench = {};
	struct options options;
	char line[64];
	int r;

	if (options_default(&options) < 0)
		errx(1, "options");
	settings_collector(&options, &settings);
	/* One namespace is looked at; what others cost, tests/bench/crowd.py measures. */
	settings.namespaces = false;
	/* Neither lane is stretched: a pass a second is what the bench makes. */
	settings.cpu_share = 100;
	/* Where that cuts, nothing is complete, and the lane dumps. */
	settings.max_sockets = SOCKETS_MAX;
	r = collector_new(&settings, &bench.by_events);
	if (r >= 0)
		r = collector_new(&settings, &bench.by_dump);
	if (r < 0)
		errx(1, "collector: %s", strerror(-r));
	r = events_open(RING_BYTES, HZ_ANY, &bench.events);
	if (r < 0)
		errx(1, "events: %s", strerror(-r));
	follow_gap(bench.by_events->follow, clock_ns(CLOCK_MONOTONIC));
	while (fgets(line, sizeof(line), stdin))
		step(&bench, line);
	events_free(bench.events);
	collector_free(bench.by_events);
	collector_free(bench.by_dump);
	options_done(&options);
	return 0;
}
