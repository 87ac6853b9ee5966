/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any sequence of events: the tables stay bounded, each connection has one story of its end (and at most one of a life as an
 * orphan before), and what is told is in its ranges. A socket that is seen alive a while after its end has another
 * connection.
 *
 * Each event is six bytes of the input: kind and flags, socket, states, reason, numbers, time.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "collector/autopsy.h"
#include "model/macro.h"

#define OPEN 16U
#define SOCKETS 64U
#define BEGIN NSEC_PER_SEC
#define GRACE_NS (20 * NSEC_PER_MSEC)

struct watch {
	unsigned int ends[SOCKETS], orphans[SOCKETS];
	unsigned int again[SOCKETS]; /* connections after the first */
	int64_t ended_ns[SOCKETS]; /* 0: not */
	bool destroyed[SOCKETS];
	bool used[SOCKETS];
	unsigned int places; /* that may have been taken: none had to make room below OPEN */
};

static void tell(void *context, struct event *event)
{
	const struct event_socket *s = &event->socket;
	struct watch *watch = context;

	event->id = 1;
	event->wall_ns = MAX(event->wall_ns, 0);
	if (!event_is_sound(event) || s->step_count > EVENT_STEPS || event->when_ns < 0)
		abort();
	if (event->kind == EVENT_RESET_SENT && !reset_reason_name((enum reset_reason)s->reason))
		abort();
	if ((s->known & EVENT_KNOWS_CLOSED_AGO && s->closed_ago_ms < 0) ||
	    (s->known & EVENT_KNOWS_AGE && s->age_ms < 0) ||
	    (s->known & EVENT_KNOWS_ORPHAN_LIFE && s->orphan_ms < 0))
		abort();
	/* Segments of no full socket, and those beside one that lives on, have stories of their own. */
	if (!s->cookie || s->flags & EVENT_PASSIVE)
		return;
	if (event->kind == EVENT_ORPHANED)
		watch->orphans[s->cookie % SOCKETS]++;
	else
		watch->ends[s->cookie % SOCKETS]++;
}

static uint32_t process(void *context, const struct socket_event *event)
{
	(void)context;
	return (uint32_t)event->pid;
}

static struct socket_event event_of(const uint8_t *bytes, int64_t when_ns)
{
	static const uint8_t reasons[] = { RESET_REASON_NONE, RESET_REASON_NOT_SPECIFIED,
					   RESET_REASON_NO_SOCKET, RESET_REASON_STATE };
	struct socket_event event = {
		.kind = bytes[0] % SOCKET_EVENT_KIND_MAX,
		.passive = bytes[0] & 4 &&
			   bytes[0] % SOCKET_EVENT_KIND_MAX == SOCKET_EVENT_RESET_SENT,
		.released = bytes[0] & 8,
		.orphaned = bytes[0] & 16,
		.exiting = bytes[0] & 32,
		.unaccepted = bytes[0] & 64,
		.fin_unread = bytes[0] & 128,
		.when_ns = when_ns,
		.has_socket = true,
		.old_state = (uint8_t)(bytes[2] % (TCPDIAG_STATE_MAX - 1) + 1),
		.reason = reasons[bytes[3] % 4],
		.segment_flags = bytes[3],
		.payload = bytes[4],
		.idle_ms = (int64_t)bytes[4] - 1,
		.pid = bytes[1],
	};

	event.sk = (struct tcpdiag_socket){
		.cookie = bytes[1] % SOCKETS + 1,
		.netns = 1,
		.state = (uint8_t)(bytes[2] / 16 % (TCPDIAG_STATE_MAX - 1) + 1),
		.kind = bytes[3] & 64 ? TCPDIAG_KIND_TIMEWAIT : TCPDIAG_KIND_FULL,
		.family = AF_INET,
		.local_port = 80,
		.remote_port = bytes[4] & 1 ? bytes[1] % SOCKETS + 1 : 0,
		.known = (uint32_t)bytes[3] << 8 | bytes[4],
		.rqueue = bytes[4],
		.wqueue = bytes[3],
		.notsent_bytes = bytes[4],
		.sk_err = bytes[3] & 32 ? 110 : 0,
		.mptcp = bytes[3] == 255,
		.mptcp_subflow = bytes[3] % 8 == 6,
		.linger = bytes[4] & 2,
		.linger2_ms = bytes[4] & 4 ? -1 : 0,
	};
	/* It can be at the other end of another. */
	if (bytes[4] & 8) {
		event.sk.local_port = event.sk.remote_port;
		event.sk.remote_port = 80;
	}
	/* A minisocket sends none by itself. */
	if (event.kind == SOCKET_EVENT_RESET_SENT)
		event.passive |= event.sk.kind != TCPDIAG_KIND_FULL;
	if (event.kind == SOCKET_EVENT_RESET_SENT && bytes[3] & 128) {
		event.has_socket = false;
		event.passive = true;
		event.sk.cookie = event.sk.state = 0;
	}
	return event;
}

/* Whatever can end a story; and what then begins another. */
static void follow(struct watch *watch, unsigned int at, const struct socket_event *event)
{
	const bool changes = event->kind == SOCKET_EVENT_STATE;
	const uint8_t was = changes ? event->old_state : event->sk.state;

	if (event->kind == SOCKET_EVENT_DESTROYED || !event->has_socket)
		return;
	if (watch->ended_ns[at] && was != TCPDIAG_CLOSE &&
	    event->when_ns - watch->ended_ns[at] >= GRACE_NS) {
		watch->again[at]++;
		watch->ended_ns[at] = 0;
	}
	if (!watch->ended_ns[at] && (!changes || event->sk.state == TCPDIAG_CLOSE))
		watch->ended_ns[at] = event->when_ns;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct watch watch = {};
	const struct autopsy_calls calls = { .process = process, .tell = tell, .context = &watch };
	const struct autopsy_limits limits = {
		.open = OPEN,
		.closed = 16,
		.orphan_ns = NSEC_PER_SEC,
		.derive = size & 1,
	};
	struct autopsy *autopsy;
	int64_t now_ns = BEGIN;

	if (autopsy_new(&calls, &limits, &autopsy) < 0)
		return 0;
	for (; size >= 6; data += 6, size -= 6) {
		struct socket_event event = event_of(data, now_ns);
		unsigned int at = (unsigned int)(event.sk.cookie % SOCKETS);

		/* The kernel gives a cookie once: what comes behind the end is no more than its RST. */
		if (event.sk.cookie && watch.destroyed[at] && !event.passive)
			continue;
		if (event.passive || !watch.used[at])
			watch.places++;
		watch.used[at] = true;
		follow(&watch, at, &event);
		autopsy_take(autopsy, &event, data[5] == 255);
		if (autopsy_open(autopsy) > OPEN)
			abort();
		if (event.kind == SOCKET_EVENT_DESTROYED)
			watch.destroyed[at] = true;
		now_ns += (int64_t)(data[5] % 128) * NSEC_PER_MSEC;
		if (data[5] & 128)
			autopsy_settle(autopsy, now_ns, now_ns);
	}
	autopsy_settle(autopsy, now_ns + NSEC_PER_SEC, now_ns);
	/* A story that had to make room may be begun again by what comes later. */
	for (unsigned int i = 0; i < SOCKETS && watch.places <= OPEN; i++)
		if (watch.ends[i] > 1 + watch.again[i] || watch.orphans[i] > 1 + watch.again[i])
			abort();
	autopsy_free(autopsy);
	return 0;
}
