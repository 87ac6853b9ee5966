/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who ends the TCP connections of an MPTCP socket (subflows).
 *
 * A process closes the MPTCP socket, which has the ends of its first connection; that socket's own change of state passes
 * in the context of the process. Its FIN is part of the data (net/mptcp/protocol.c:__mptcp_close()); the connections are
 * closed later, by a worker of the kernel (mptcp_worker()), whose process says nothing, and without a file that could
 * be released. Where there is unread data, or SO_LINGER is 0, they are reset at once (mptcp_do_fastclose()), and of a
 * listener's end those in its queue; then the process still runs.
 *
 * So what an MPTCP socket goes through has no story: each of its connections has one, and it names who has closed the
 * socket above where their ends tell which that was. Of further connections, which have other ends, nobody knows.
 */
#include "collector/autopsy_private.h"

static bool is_alive(uint8_t state)
{
	return state == TCPDIAG_ESTABLISHED || state == TCPDIAG_CLOSE_WAIT ||
	       state == TCPDIAG_SYN_RECV || state == TCPDIAG_SYN_SENT;
}

static enum event_actor releaser(const struct socket_event *event)
{
	return event->released ? steps_releaser(event) : ACTOR_SHUTDOWN;
}

/* Of the socket above; UNKNOWN: the peer, or the worker. */
static enum event_actor acts_above(const struct socket_event *event)
{
	const struct tcpdiag_socket *sk = &event->sk;

	if (!event->owned || (sk->known & TCPDIAG_KNOWS_ERROR && sk->sk_err))
		return ACTOR_UNKNOWN;
	/* Nobody has accepted it. */
	if (event->orphaned)
		return sk->state == TCPDIAG_CLOSE && is_alive(event->old_state)
			       ? ACTOR_LISTENER_CLOSE
			       : ACTOR_UNKNOWN;
	if (steps_sends_fin(event) || (sk->state == TCPDIAG_CLOSE && is_alive(event->old_state)))
		return releaser(event);
	return ACTOR_UNKNOWN;
}

void mptcp_above(struct autopsy *a, const struct socket_event *event)
{
	const enum event_actor actor = acts_above(event);

	if (actor && event->sk.remote_port)
		above_keep(a, event, actor, steps_process(a, event));
}

static void acted(struct autopsy *a, struct story *story, enum event_actor actor, uint32_t process,
		  int64_t when_ns)
{
	const bool closes = actor == ACTOR_CLOSE || actor == ACTOR_EXIT;

	if (!story->actor) {
		story->actor = (uint8_t)actor;
		story->process = process;
	}
	if (!story->closed_ns)
		story->closed_ns = when_ns;
	if (!closes || story->orphaned_ns)
		return;
	story->closer = process;
	story->orphaned_ns = when_ns;
	story_enlist(a, STORY_LIST_ORPHANS, story);
}

enum event_actor mptcp_acts(struct autopsy *a, struct story *story,
			    const struct socket_event *event)
{
	const struct kept_ends *above;

	if (!steps_sends_fin(event))
		return ACTOR_UNKNOWN;
	above = above_find(a, &event->sk, event->when_ns);
	if (!above)
		return ACTOR_UNKNOWN;
	acted(a, story, (enum event_actor)above->actor, above->creator, above->when_ns);
	return (enum event_actor)above->actor;
}

void mptcp_resets(struct autopsy *a, struct story *story, const struct socket_event *event)
{
	const struct kept_ends *above = above_find(a, &event->sk, event->when_ns);
	const bool now = event->owned && !event->orphaned;

	if (now && (event->released || event->unaccepted)) {
		story->ender = event->unaccepted ? ACTOR_LISTENER_CLOSE
						 : (uint8_t)steps_releaser(event);
		story->closer = steps_process(a, event);
		story->closed_ns = story->closed_ns ? story->closed_ns : event->when_ns;
		story->operated_end = true;
	} else if (above) {
		acted(a, story, (enum event_actor)above->actor, above->creator, above->when_ns);
		story->ender = ACTOR_KERNEL;
	} else {
		story->ender = ACTOR_KERNEL;
	}
}
