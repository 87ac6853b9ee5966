/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a RST and the end of a socket mean for its story.
 *
 * A RST that was sent either comes of an operation of ours, which waits for it; or answers a segment, then what looked
 * like a RST of the peer's a moment before was its late data; or is the kernel's own way to end a connection that is
 * alive. One that belongs to no full socket, or stands beside one that lives on, has a story of its own.
 */
#include "collector/autopsy_private.h"
#include "rules/reset_derive.h"

/* ---- resets ---- */

static void name_reason(const struct autopsy *a, struct story *story,
			const struct socket_event *event)
{
	const struct reset_facts facts = {
		.sk = event->has_socket ? &event->sk : NULL,
		.before = story->end_ns ? story->sk.state : TCPDIAG_STATE_NONE,
		.passive = event->passive,
		.released = event->released,
		.orphaned = event->orphaned,
		.segment_flags = event->segment_flags,
		.payload = event->payload,
	};
	const bool told = event->reason != RESET_REASON_NONE && !a->limits.derive;

	story->derived = !told;
	story->reason = told ? event->reason : (uint8_t)reset_derive(&facts);
	/* Which of the two no-sockets it is the kernel does not say, whoever has told it. */
	if (told && story->reason == RESET_REASON_NO_SOCKET)
		story->reason = (uint8_t)reset_derive(&facts);
}

static void note_segment(struct story *story, const struct socket_event *event)
{
	story->reset_sent = true;
	story->passive = event->passive;
	story->segment_flags = event->segment_flags;
	story->payload = event->payload;
}

/* What was sent without a full socket that it ends: a story of its own. */
static void take_stray(struct autopsy *a, const struct socket_event *event)
{
	const struct kept_ends *closed = closed_find(a, &event->sk, event->when_ns);
	struct story *story = story_stray(a, event);

	note_segment(story, event);
	name_reason(a, story, event);
	story->ender = ACTOR_KERNEL;
	story->end_ns = event->when_ns;
	story->again = stray_again(a, &event->sk, event->when_ns);
	if (closed && event->sk.state != TCPDIAG_SYN_SENT && event->sk.state != TCPDIAG_SYN_RECV &&
	    story->reason != RESET_REASON_NO_SOCKET_SYN) {
		story->closed_ns = closed->when_ns;
		story->closed_before = true;
		story->closer = closed->creator;
		if (closed->direction)
			story->memory.direction = closed->direction;
	}
	story_enlist(a, STORY_LIST_READY, story);
}

/* The operation that waits has sent it: a close() may do so after its FIN. */
static void operation_resets(struct autopsy *a, struct story *story,
			     const struct socket_event *event)
{
	static const uint8_t actors[TCPDIAG_OP_MAX] = {
		[TCPDIAG_OP_CLOSE] = ACTOR_CLOSE,
		[TCPDIAG_OP_EXIT] = ACTOR_EXIT,
		[TCPDIAG_OP_SHUTDOWN_READ] = ACTOR_SHUTDOWN,
		[TCPDIAG_OP_SHUTDOWN_WRITE] = ACTOR_SHUTDOWN,
		[TCPDIAG_OP_SHUTDOWN_BOTH] = ACTOR_SHUTDOWN,
		[TCPDIAG_OP_LISTENER_CLOSE] = ACTOR_LISTENER_CLOSE,
	};

	if (story->operation.operation == TCPDIAG_OP_LISTENER_CLOSE)
		listeners_reset(a, event);
	story->ender = actors[story->operation.operation];
	story->operation.segment = TCPDIAG_SEGMENT_RST;
	story->operation.state = TCPDIAG_CLOSE;
	story->operation.reason = event->reason;
	story->operated_end = true;
	steps_operated(a, story);
}

/* Who ends a connection that is alive by a RST: no operation of ours. */
static enum event_actor resetter(const struct story *story, const struct socket_event *event)
{
	if (event->orphaned)
		return event->sk.state == TCPDIAG_FIN_WAIT2 ? ACTOR_TIMER : ACTOR_KERNEL;
	return story->reason == RESET_REASON_KEEPALIVE_TIMEOUT ? ACTOR_TIMER : ACTOR_KERNEL;
}

/* A segment for a full socket that lives on: half a handshake, a listener. */
static bool is_aside(const struct socket_event *event)
{
	return event->passive && event->sk.state != TCPDIAG_CLOSE;
}

void resets_sent(struct autopsy *a, const struct socket_event *event)
{
	struct story *story;

	if (event->sk.mptcp)
		return;
	if (!event->has_socket || event->sk.kind != TCPDIAG_KIND_FULL || is_aside(event)) {
		take_stray(a, event);
		return;
	}
	story = story_of(a, event);
	/* Of a connection that was in an MPTCP listener's queue a second one is announced (tcp_disconnect()). */
	if (story->told || (story->subflow && story->reset_sent))
		return;
	name_reason(a, story, event);
	note_segment(story, event);
	if (event->passive) {
		/* What looked like a RST of the peer's was its late data. */
		story->reset_received = false;
		story->ender = story->actor && !event->payload ? story->actor : ACTOR_KERNEL;
		if (!story->end_ns)
			story_look(story, &event->sk, event);
	} else if (story->subflow) {
		if (!story->end_ns)
			story_look(story, &event->sk, event);
		mptcp_resets(a, story, event);
	} else if (event->sk.state != TCPDIAG_CLOSE) {
		story_look(story, &event->sk, event);
		story->ender = (uint8_t)resetter(story, event);
	} else if (story->links[STORY_LIST_OPERATED].in) {
		operation_resets(a, story, event);
	} else if (story->ender) {
		story->operated_end = true;
	} else {
		story->ender = event->orphaned ? ACTOR_KERNEL
					       : (uint8_t)(event->released ? steps_releaser(event)
									   : ACTOR_UNKNOWN);
		if (!story->end_ns)
			story_look(story, &event->sk, event);
	}
	story_end(a, story, event);
}

void resets_received(struct autopsy *a, const struct socket_event *event)
{
	struct story *story;

	if (event->sk.mptcp || event->sk.kind != TCPDIAG_KIND_FULL)
		return;
	story = story_of(a, event);
	if (story->told || story->end_ns)
		return;
	story_look(story, &event->sk, event);
	story->reset_received = true;
	story_end(a, story, event);
}

/* ---- the end of the socket ---- */

void resets_destroyed(struct autopsy *a, const struct socket_event *event)
{
	struct story *story;

	/* A listener, or one that never had a connection, has no other end. */
	if (event->sk.mptcp || event->sk.kind != TCPDIAG_KIND_FULL)
		return;
	story = story_find(a, event);
	listeners_destroyed(a, event, story);
	/* What led to its end may be lost; what has been told is not told again. */
	if (!story && a->losses && event->sk.remote_port && !story_was_told(a, event))
		story = story_of(a, event);
	if (!story)
		return;
	if (story->told) {
		story_drop(a, story);
		return;
	}
	story->destroyed = true;
	story_remember(a, story);
	if (!story->end_ns)
		story->end_ns = event->when_ns;
	if (event->sk.remote_port)
		story->unread_left = tcpdiag_unread_bytes(&event->sk);
	if (!story->reset_received && !story->reset_sent) {
		story->sk.bytes_received = MAX(story->sk.bytes_received, event->sk.bytes_received);
		story->sk.bytes_sent = MAX(story->sk.bytes_sent, event->sk.bytes_sent);
	}
	story_enlist(a, STORY_LIST_READY, story);
}
