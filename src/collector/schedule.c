/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Passes by timers of sd-event: one timer for the lanes, one for the slices of the walk over the owners.
 *
 * Both are one-shot and set anew after each pass, so that whatever was missed (a suspend, a stopped
 * process) is not made up for in a burst.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "collector/private.h"
#include "model/macro.h"

#define WALK_SHARE 0.01 /* of a core, over time */
#define WALK_INTERVAL_NS (10 * NSEC_PER_SEC)
#define EARLY_NS (2 * NSEC_PER_SEC) /* after the one before, at least */
#define EARLY_SHARE 0.005 /* of a core, over time */
#define SLICE_NS (4 * NSEC_PER_MSEC)
#define SLICE_PAUSE_NS (60 * NSEC_PER_MSEC)
#define CENSUS_SHARE 0.002 /* of a core, over time */
#define CENSUS_INTERVAL_NS (5 * NSEC_PER_SEC)
#define CENSUS_HURRY_NS (500 * NSEC_PER_MSEC)
#define CENSUS_SLICE_NS (2 * NSEC_PER_MSEC)
#define EVENTS_INTERVAL_NS (100 * NSEC_PER_MSEC)
#define FIRST_PAUSE_NS (4 * NSEC_PER_MSEC) /* names are wanted soon */

static uint64_t usec(int64_t ns)
{
	return ns > 0 ? (uint64_t)ns / 1000 : 0;
}

static uint64_t accuracy_usec(const struct collector *c)
{
	return usec(MAX(c->settings.interval_ns / 20, NSEC_PER_MSEC));
}

static int arm(sd_event_source *timer, int64_t when_ns)
{
	int r;

	r = sd_event_source_set_time(timer, usec(when_ns));
	return r < 0 ? r : sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

/* Something waits for a pass: where one is cheap the next one comes before its time. */
static void hurry(struct collector *c)
{
	const struct lane_state *lane = &c->lane_states[LANE_OWNERS];
	int64_t pause = MAX(EARLY_NS, (int64_t)((double)lane->cost_ns / EARLY_SHARE));
	int64_t when = MAX(lane->last_ns + pause, clock_ns(CLOCK_MONOTONIC));

	if (!c->walk.early || !c->walk.bpf || c->walk.running || !lane->passes ||
	    when >= c->walk.next_ns)
		return;
	c->walk.next_ns = when;
	arm(c->walk_timer, when);
}

static int on_timer(sd_event_source *timer, uint64_t due, void *userdata)
{
	struct collector *c = userdata;
	enum pass pass = lanes_due(&c->lanes, clock_ns(CLOCK_MONOTONIC));
	int r;

	(void)due;
	if (pass < PASS_MAX) {
		r = collector_pass(c, pass);
		if (pass != PASS_TICK && c->published)
			c->published(c, r, c->published_context);
		hurry(c);
	}
	return arm(timer, lanes_next(&c->lanes));
}

static int on_walk(sd_event_source *timer, uint64_t due, void *userdata)
{
	struct collector *c = userdata;
	struct lane_state *lane = &c->lane_states[LANE_OWNERS];
	int64_t now = clock_ns(CLOCK_MONOTONIC);
	int r;

	(void)due;
	lane->wanted_ns = WALK_INTERVAL_NS;
	lane->interval_ns = MAX(WALK_INTERVAL_NS, (int64_t)((double)lane->cost_ns / WALK_SHARE));
	if (!c->walk.owners)
		return arm(timer, now + WALK_INTERVAL_NS);
	r = walk_step(c, SLICE_NS);
	if (r != 0) /* complete, or failed: after an interval */
		c->walk.next_ns = now + lane->interval_ns;
	else
		c->walk.next_ns = now + (lane->passes ? SLICE_PAUSE_NS : FIRST_PAUSE_NS);
	return arm(timer, c->walk.next_ns);
}

/* The search: each five seconds, or soon where somebody has come or gone. */
static int on_census(sd_event_source *timer, uint64_t due, void *userdata)
{
	struct collector *c = userdata;
	struct census_lane *census = &c->census;
	int64_t now = clock_ns(CLOCK_MONOTONIC);
	int64_t pause = (int64_t)(census->cost_ns / CENSUS_SHARE);

	(void)due;
	if (!census->watch)
		return arm(timer, now + CENSUS_INTERVAL_NS);
	if (census_step(c, CENSUS_SLICE_NS) == 0)
		return arm(timer, now + SLICE_PAUSE_NS);
	pause = MAX(pause, census->hurry ? CENSUS_HURRY_NS : CENSUS_INTERVAL_NS);
	return arm(timer, now + pause);
}

static int on_census_event(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct collector *c = userdata;
	int64_t pause = MAX(CENSUS_HURRY_NS, (int64_t)(c->census.cost_ns / CENSUS_SHARE));
	int64_t soon = MAX(c->census.last_ns + pause, clock_ns(CLOCK_MONOTONIC));

	(void)source;
	(void)fd;
	(void)revents;
	census_changed(c);
	return c->census.hurry && !c->census.running ? arm(c->census_timer, soon) : 0;
}

/* The watch may be another one since a reload. */
static int listen_to_census(struct collector *c, struct sd_event *event)
{
	int r;

	c->census_io = sd_event_source_disable_unref(c->census_io);
	if (!c->census.watch)
		return 0;
	r = sd_event_add_io(event, &c->census_io, netns_fd(c->census.watch), EPOLLIN,
			    on_census_event, c);
	if (r < 0)
		return r;
	sd_event_source_set_description(c->census_io, "namespaces");
	/* What waits for the end of a namespace waits for us: before all else. */
	return sd_event_source_set_priority(c->census_io, SD_EVENT_PRIORITY_IMPORTANT);
}

static int attach_census(struct collector *c, struct sd_event *event)
{
	int r;

	r = sd_event_add_time(event, &c->census_timer, CLOCK_MONOTONIC,
			      usec(clock_ns(CLOCK_MONOTONIC)), 10000, on_census, c);
	if (r < 0)
		return r;
	sd_event_source_set_description(c->census_timer, "census");
	sd_event_source_set_priority(c->census_timer, SD_EVENT_PRIORITY_IDLE);
	return listen_to_census(c, event);
}

static int on_events(sd_event_source *timer, uint64_t due, void *userdata)
{
	struct collector *c = userdata;

	(void)due;
	events_lane_drain(c);
	return arm(timer, clock_ns(CLOCK_MONOTONIC) + EVENTS_INTERVAL_NS);
}

static int attach_events(struct collector *c, struct sd_event *event)
{
	int r;

	r = sd_event_add_time(event, &c->events_timer, CLOCK_MONOTONIC,
			      usec(clock_ns(CLOCK_MONOTONIC)), usec(EVENTS_INTERVAL_NS / 10),
			      on_events, c);
	if (r < 0)
		return r;
	sd_event_source_set_description(c->events_timer, "events");
	/* Without room nothing is known of events, and all else goes on. */
	(void)events_lane_open(c);
	return 0;
}

int collector_attach(struct collector *c, struct sd_event *event,
		     void (*published)(struct collector *c, int result, void *context),
		     void *context)
{
	int64_t now = clock_ns(CLOCK_MONOTONIC);
	int r;

	c->published = published;
	c->published_context = context;
	r = sd_event_add_time(event, &c->timer, CLOCK_MONOTONIC, usec(lanes_next(&c->lanes)),
			      accuracy_usec(c), on_timer, c);
	if (r < 0)
		return r;
	sd_event_source_set_description(c->timer, "poll");
	r = sd_event_add_time(event, &c->walk_timer, CLOCK_MONOTONIC, usec(now), 1000, on_walk, c);
	if (r < 0) {
		collector_detach(c);
		return r;
	}
	sd_event_source_set_description(c->walk_timer, "owners");
	r = attach_census(c, event);
	if (r >= 0)
		r = attach_events(c, event);
	if (r < 0) {
		collector_detach(c);
		return r;
	}
	/* Polls and replies come before the names. */
	sd_event_source_set_priority(c->walk_timer, SD_EVENT_PRIORITY_IDLE);
	return 0;
}

void collector_detach(struct collector *c)
{
	c->timer = sd_event_source_unref(c->timer);
	c->walk_timer = sd_event_source_unref(c->walk_timer);
	c->census_timer = sd_event_source_unref(c->census_timer);
	c->events_timer = sd_event_source_disable_unref(c->events_timer);
	c->census_io = sd_event_source_disable_unref(c->census_io);
}

void collector_rearm(struct collector *c)
{
	if (c->timer) {
		sd_event_source_set_time_accuracy(c->timer, accuracy_usec(c));
		arm(c->timer, lanes_next(&c->lanes));
	}
	if (c->walk_timer)
		arm(c->walk_timer, clock_ns(CLOCK_MONOTONIC));
	if (c->census_timer) {
		(void)listen_to_census(c, sd_event_source_get_event(c->census_timer));
		arm(c->census_timer, clock_ns(CLOCK_MONOTONIC));
	}
}
