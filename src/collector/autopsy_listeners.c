/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the end of a listener does to those that wait in its queue.
 *
 * net/ipv4/inet_connection_sock.c:inet_csk_listen_stop() follows the change from LISTEN to CLOSE and takes one after the
 * other, in the context of whoever closes: a connection that lives changes its state and sends a RST; of one that its
 * peer has reset only the end of the socket passes, since it is in CLOSE already; each is destroyed. After a close()
 * the listener itself is destroyed last, which is how one knows that it is over; after a shutdown() it lives on, and
 * what nothing more comes of is over.
 *
 * A child does not tell whose it was: it has the port of its listener and is of the same family, and the same process
 * ends both. Two such listeners at once cannot be told apart, and are not decided.
 */
#include <sys/socket.h>

#include "collector/autopsy_private.h"

/* One that has been shut: a process that is working off its queue may wait for the processor. */
#define QUIET_NS (500 * NSEC_PER_MSEC)
/* One that is closed, whose end should come. */
#define PATIENCE_NS (5 * NSEC_PER_SEC)

/* As the kernel has it: a v4-mapped connection is one of an IPv6 socket. */
static bool is_v4(const struct tcpdiag_socket *sk)
{
	return sk->family == AF_INET && !sk->mapped;
}

static bool could_be_of(const struct listener_end *end, const struct socket_event *event)
{
	return end->in && end->pid == event->pid && end->sk.netns == event->sk.netns &&
	       end->sk.local_port == event->sk.local_port && is_v4(&end->sk) == is_v4(&event->sk);
}

static struct listener_end *find(struct autopsy *a, const struct socket_event *event)
{
	if (!a->listeners_in)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(a->listeners); i++)
		if (could_be_of(&a->listeners[i], event))
			return &a->listeners[i];
	return NULL;
}

static void finish(struct autopsy *a, struct listener_end *end)
{
	struct event_socket none = {};
	const struct autopsy_operation operation = {
		.sk = end->sk,
		.operation = end->operation,
		.segment = TCPDIAG_SEGMENT_NONE,
		.state = TCPDIAG_CLOSE,
		.complete = !end->mixed && end->children <= end->sk.rqueue &&
			    steps_complete(a, end->when_ns, end->losses),
		.resets = end->resets,
		.children = end->children,
		.gone = end->gone,
	};

	end->in = false;
	a->listeners_in--;
	if (a->calls.operated)
		a->calls.operated(a->calls.context, &operation, &none);
}

/* The one that nothing has come of for longest makes room. */
static struct listener_end *room_for_one(struct autopsy *a)
{
	struct listener_end *oldest = &a->listeners[0];

	for (size_t i = 0; i < ARRAY_SIZE(a->listeners); i++) {
		if (!a->listeners[i].in)
			return &a->listeners[i];
		if (a->listeners[i].last_ns < oldest->last_ns)
			oldest = &a->listeners[i];
	}
	oldest->mixed = true;
	finish(a, oldest);
	return oldest;
}

/*
 * By the time the tracepoint passes it has left the group that shares its port: how many others there are is not known
 * any more. shutdown() and whatever else only stops it do the same.
 */
void listeners_take(struct autopsy *a, const struct socket_event *event)
{
	struct listener_end *other = find(a, event), *end = room_for_one(a);

	*end = (struct listener_end){
		.in = true,
		.closes = event->released,
		.mixed = other,
		.pid = event->pid,
		.when_ns = event->when_ns,
		.last_ns = event->when_ns,
		.losses = a->losses,
		.operation = TCPDIAG_OP_SHUTDOWN_READ,
	};
	if (other)
		other->mixed = true;
	if (event->released)
		end->operation = event->exiting ? TCPDIAG_OP_EXIT : TCPDIAG_OP_CLOSE;
	event_before(event, &end->sk);
	end->sk.known &= ~(uint32_t)TCPDIAG_KNOWS_SIBLINGS;
	a->listeners_in++;
}

void listeners_child(struct autopsy *a, const struct socket_event *event)
{
	struct listener_end *end = find(a, event);

	if (!end)
		return;
	end->children++;
	end->last_ns = event->when_ns;
}

void listeners_reset(struct autopsy *a, const struct socket_event *event)
{
	struct listener_end *end = find(a, event);

	if (!end)
		return;
	end->resets++;
	end->last_ns = event->when_ns;
}

static bool is_itself(const struct listener_end *end, const struct socket_event *event)
{
	return end->in && end->sk.cookie == event->sk.cookie && end->sk.netns == event->sk.netns;
}

void listeners_destroyed(struct autopsy *a, const struct socket_event *event,
			 const struct story *story)
{
	struct listener_end *end;

	if (!a->listeners_in)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(a->listeners); i++) {
		if (!is_itself(&a->listeners[i], event))
			continue;
		finish(a, &a->listeners[i]);
		return;
	}
	end = find(a, event);
	if (!end || !event->orphaned)
		return;
	end->last_ns = event->when_ns;
	/* The others were counted when they changed their state. */
	if (story && story->actor == ACTOR_LISTENER_CLOSE)
		return;
	if (end->children + end->gone < end->sk.rqueue)
		end->gone++;
}

void listeners_settle(struct autopsy *a, int64_t now_ns)
{
	for (size_t i = 0; i < ARRAY_SIZE(a->listeners) && a->listeners_in; i++) {
		struct listener_end *end = &a->listeners[i];
		const int64_t quiet_ns = now_ns - end->last_ns;

		if (!end->in ||
		    (quiet_ns < (end->closes ? PATIENCE_NS : QUIET_NS) && quiet_ns > -NSEC_PER_SEC))
			continue;
		end->mixed |= end->closes;
		finish(a, end);
	}
}
