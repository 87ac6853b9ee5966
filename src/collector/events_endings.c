/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Without BPF: that sockets have ended, and nothing else.
 *
 * Each message costs the kernel and this process about as much as ten rows of the programs do, and nothing thins them: a
 * host that ends too many sockets is not listened to for a while.
 */
#include <string.h>

#include "collector/endings.h"
#include "collector/events_private.h"

#define MESSAGE_NS 3000.0 /* of both, measured with a storm of connections */

static bool listens(const struct collector *c)
{
	return c->events->brake.brake.level == EVENT_BRAKE_OFF;
}

static void say(struct collector *c)
{
	const struct events_lane *lane = c->events;
	const uint32_t deaf = endings_deaf(&c->spaces);
	char others[96] = "";

	if (!listens(c)) {
		sources_set(
			&c->sources, SOURCE_EVENTS, SOURCE_FAILED,
			"%s, and so many sockets end here that sock_diag's messages about it "
			"cost more than collector.events-share: nothing is known for a while of "
			"what happens between two polls",
			lane->why);
		return;
	}
	if (deaf)
		snprintf(others, sizeof(others), "; in %u namespaces not even that", deaf);
	sources_set(&c->sources, SOURCE_EVENTS, SOURCE_DEGRADED,
		    "%s: only that a socket has ended is seen, by sock_diag's messages; who closed "
		    "it, in which state, what was unread, and every reset stay unknown%s",
		    lane->why, others);
}

static void count(struct collector *c)
{
	c->events->totals.dropped_multicast = endings_dropped(&c->spaces);
}

int lane_listen(struct collector *c, const char *why)
{
	struct events_lane *lane = c->events;
	int r = endings_open(&c->spaces);

	if (r < 0)
		return r;
	snprintf(lane->why, sizeof(lane->why), "%s", why);
	lane->listens = true;
	lane->totals.known = true;
	lane->totals.reasons = false;
	lane->totals.origin = EVENT_ORIGIN_MULTICAST;
	brake_init(&lane->brake.brake, c->settings.events_share, lane->now_ns);
	lane->brake.brake.row_ns = MESSAGE_NS;
	/* Each is a story of its own: nothing led to it. */
	autopsy_lose(lane->autopsy, lane->now_ns);
	say(c);
	return 0;
}

void lane_listen_no_more(struct collector *c)
{
	if (!c->events->listens)
		return;
	endings_close(&c->spaces);
	count(c);
	c->events->listens = false;
}

/* There is one level only: what is over it is not listened to. */
static int brake(struct collector *c)
{
	struct events_lane *lane = c->events;

	if (!brake_step(&lane->brake.brake, lane->now_ns,
			lane->totals.events + lane->totals.dropped_multicast))
		return 0;
	lane->totals.known = listens(c);
	if (listens(c))
		return endings_open(&c->spaces);
	endings_close(&c->spaces);
	return 0;
}

int lane_hear(struct collector *c, int (*take)(const struct socket_event *event, void *context))
{
	int r = 0;

	if (listens(c))
		r = endings_drain(&c->spaces, c->events->now_ns, take, c);
	count(c);
	if (r >= 0)
		r = brake(c);
	if (r >= 0)
		say(c);
	return r;
}
