/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A story becomes an event.
 *
 * What is told of a socket is what the last look at it before its end has shown. What nobody knows stays unknown: bytes
 * of minisockets, the idle time of a connection that never was one, processes that a segment or a timer interrupted.
 */
#include <string.h>

#include "collector/autopsy_private.h"

static uint32_t milliseconds(int64_t ns)
{
	return (uint32_t)MIN(MAX(ns, 0) / NSEC_PER_MSEC, (int64_t)UINT32_MAX);
}

/* Both sides had their FIN, or somebody is known who wanted it to end. */
static bool is_explained(const struct story *story)
{
	if (!story->seen_steps)
		return false;
	return story->actor || story->ender ||
	       !(TCPDIAG_STATE_BIT(story->sk.state) &
		 (TCPDIAG_STATE_BIT(TCPDIAG_ESTABLISHED) | TCPDIAG_STATE_BIT(TCPDIAG_SYN_RECV) |
		  TCPDIAG_STATE_BIT(TCPDIAG_CLOSE_WAIT) | TCPDIAG_STATE_BIT(TCPDIAG_FIN_WAIT1)));
}

static enum event_kind kind_of(const struct story *story)
{
	if (story->reset_sent)
		return EVENT_RESET_SENT;
	if (story->reset_received)
		return EVENT_RESET_RECEIVED;
	if (story->timed_out)
		return EVENT_TIMED_OUT;
	return is_explained(story) ? EVENT_CLOSED : EVENT_DESTROYED;
}

static enum event_actor actor_of(const struct story *story, enum event_kind kind)
{
	switch (kind) {
	case EVENT_RESET_SENT:
		return (enum event_actor)story->ender;
	case EVENT_RESET_RECEIVED:
		return ACTOR_PEER;
	case EVENT_TIMED_OUT:
		return ACTOR_TIMER;
	default:
		return (enum event_actor)(story->actor ? story->actor : story->ender);
	}
}

static bool is_own(enum event_actor actor)
{
	return actor == ACTOR_CLOSE || actor == ACTOR_EXIT || actor == ACTOR_SHUTDOWN ||
	       actor == ACTOR_LISTENER_CLOSE;
}

/* ---- the parts ---- */

static void tell_ends(const struct story *story, struct event_socket *ret)
{
	const struct tcpdiag_socket *sk = &story->sk;

	ret->cookie = sk->cookie;
	ret->netns = sk->netns;
	memcpy(ret->local, sk->local, sizeof(ret->local));
	memcpy(ret->remote, sk->remote, sizeof(ret->remote));
	ret->local_port = sk->local_port;
	ret->remote_port = sk->remote_port;
	ret->family = sk->family;
	ret->ifindex = sk->ifindex;
	ret->uid = sk->known & TCPDIAG_KNOWS_UID ? sk->uid : 0;
	ret->state = sk->state;
	ret->sk_shutdown = sk->sk_shutdown;
	ret->direction = story->memory.direction;
	ret->flags = (uint16_t)((sk->state ? EVENT_HAS_SOCKET : 0) |
				(sk->mapped ? EVENT_MAPPED : 0) |
				(story->subflow ? EVENT_SUBFLOW : 0) |
				(tcpdiag_peer_finished(sk) ? EVENT_PEER_FINISHED : 0));
}

static void tell_bytes(const struct story *story, enum event_kind kind, struct event_socket *ret)
{
	const struct tcpdiag_socket *sk = &story->sk;

	/* Of a subflow the queues say nothing: what it brings lies with the MPTCP socket. */
	if (sk->kind != TCPDIAG_KIND_FULL || !(sk->known & TCPDIAG_KNOWS_BYTES))
		return;
	ret->known |= EVENT_KNOWS_BYTES;
	ret->bytes_received = sk->bytes_received;
	ret->bytes_sent = sk->bytes_sent;
	/* The peer's FIN is counted as a byte. */
	if (ret->bytes_received && (story->fin_unread || sk->state == TCPDIAG_CLOSE_WAIT ||
				    sk->state == TCPDIAG_LAST_ACK || sk->state == TCPDIAG_CLOSING))
		ret->bytes_received--;
	if (sk->mptcp_subflow || sk->state == TCPDIAG_LISTEN)
		return;
	/* The destroy multicast tells nothing of the queues (kernel/destroy.h). */
	if (!(sk->known & TCPDIAG_KNOWS_NOTSENT))
		return;
	ret->known |= EVENT_KNOWS_UNREAD | EVENT_KNOWS_UNSENT;
	ret->unread_bytes = kind == EVENT_CLOSED && story->destroyed ? story->unread_left
								     : tcpdiag_unread_bytes(sk);
	ret->unsent_bytes = tcpdiag_unsent_bytes(sk);
	ret->unacked_bytes = tcpdiag_unacked_bytes(sk);
}

static void tell_linger(const struct story *story, struct event_socket *ret)
{
	const struct tcpdiag_socket *sk = &story->sk;

	if (sk->known & TCPDIAG_KNOWS_LINGER) {
		ret->known |= EVENT_KNOWS_LINGER;
		if (sk->linger) {
			ret->flags |= EVENT_LINGER;
			ret->linger_ms = (uint32_t)MIN(MAX(sk->sk_lingertime_ms, 0),
						       (int64_t)UINT32_MAX);
		}
	}
	if (story->memory.linger_known) {
		ret->known |= EVENT_KNOWS_LINGER_BEFORE;
		if (story->memory.linger)
			ret->flags |= EVENT_LINGER_BEFORE;
	}
}

/* A connection that is not one yet has sent and received nothing since the machine's start. */
static bool has_idle(const struct story *story)
{
	const uint8_t state = story->sk.state;

	return story->idle_ms >= 0 && state != TCPDIAG_SYN_SENT && state != TCPDIAG_LISTEN &&
	       story->sk.kind == TCPDIAG_KIND_FULL;
}

static void tell_times(const struct story *story, const struct event *event,
		       struct event_socket *ret)
{
	const bool later = !story->operated_end;

	if (has_idle(story)) {
		ret->known |= EVENT_KNOWS_IDLE;
		ret->idle_ms = story->idle_ms;
	}
	if (story->memory.born_ns > 0 && story->memory.born_ns <= event->when_ns) {
		ret->known |= EVENT_KNOWS_AGE;
		ret->age_ms = (event->when_ns - story->memory.born_ns) / NSEC_PER_MSEC;
	}
	if (story->closed_ns && later && event->kind != EVENT_CLOSED &&
	    event->when_ns >= story->closed_ns) {
		ret->known |= EVENT_KNOWS_CLOSED_AGO;
		ret->closed_ago_ms = (event->when_ns - story->closed_ns) / NSEC_PER_MSEC;
	}
	if (story->orphaned_ns && later && event->when_ns >= story->orphaned_ns) {
		ret->known |= EVENT_KNOWS_ORPHAN_LIFE;
		ret->orphan_ms = (event->when_ns - story->orphaned_ns) / NSEC_PER_MSEC;
	}
}

static void tell_segment(const struct story *story, struct event_socket *ret)
{
	ret->reason = story->reason;
	if (story->derived)
		ret->flags |= EVENT_DERIVED;
	if (!story->passive)
		return;
	ret->flags |= EVENT_PASSIVE;
	ret->known |= EVENT_KNOWS_SEGMENT;
	ret->segment_flags = story->segment_flags;
	ret->payload = story->payload;
}

static void tell_steps(const struct story *story, const struct event *event,
		       struct event_socket *ret)
{
	ret->step_count = story->step_count;
	for (uint8_t i = 0; i < story->step_count; i++) {
		ret->steps[i] = story->steps[i];
		ret->steps[i].before_ms = milliseconds(event->when_ns - story->step_ns[i]);
	}
}

static void tell_prediction(const struct story *story, struct event_socket *ret)
{
	if (!story->predicted)
		return;
	ret->known |= EVENT_KNOWS_PREDICTED;
	ret->predicted_operation = story->predicted_operation;
	ret->predicted_rule = story->predicted_rule;
	ret->predicted_segment = story->predicted_segment;
	ret->predicted_state = story->predicted_state;
	ret->predicted_certain = story->predicted_certain;
}

/* Who had it: whoever ended it; of what was let go of before, who did that. */
static void tell_people(const struct story *story, const struct event *event,
			struct event_socket *ret)
{
	const uint32_t before = story->memory.holder ? story->memory.holder : story->memory.creator;
	const bool acted = is_own((enum event_actor)event->actor) && event->kind != EVENT_ORPHANED;

	const bool left = story->orphaned_ns || story->closed_before ||
			  story->sk.kind != TCPDIAG_KIND_FULL;

	ret->creator = story->memory.creator;
	if (acted && (story->closer || story->process))
		ret->holder = story->closer ? story->closer : story->process;
	else if (left)
		ret->creator = story->closer ? story->closer : before;
	else if (story->sk.state)
		ret->holder = story->memory.holder;
	/* In a listener's queue nobody has it but the listener's process. */
	if (event->actor == ACTOR_LISTENER_CLOSE && !ret->holder)
		ret->holder = before;
}

/* The other end as its story knows it; of those that end without a story as the polls do. */
static uint32_t relate(struct autopsy *a, const struct story *story, enum event_kind kind,
		       struct autopsy_relation *ret)
{
	struct autopsy_relation polled = {};
	const struct kept_ends *ends;
	bool near;
	uint32_t count = flow_relate(a, story, &near, &ends), others = 0;

	*ret = (struct autopsy_relation){ .peer = true };
	if (count) {
		ret->cookie = ends->cookie;
		ret->netns = ends->netns;
	}
	if (near || count > 1 || kind == EVENT_CLOSED || !a->calls.relate)
		return count;
	others = a->calls.relate(a->calls.context, &story->sk, &polled);
	if (!count)
		*ret = polled;
	if (count && others == 1 && polled.cookie == ret->cookie && polled.netns == ret->netns)
		return 1;
	return count + others;
}

static void tell_related(struct autopsy *a, const struct story *story, enum event_kind kind,
			 struct event_socket *ret)
{
	struct autopsy_relation relation;
	uint32_t count;

	if (!story->sk.remote_port)
		return;
	count = relate(a, story, kind, &relation);
	if (count > 1)
		ret->flags |= EVENT_RELATED_SEVERAL;
	if (count != 1)
		return;
	ret->related = relation.cookie;
	ret->related_netns = relation.netns;
	if (relation.peer)
		ret->flags |= EVENT_RELATED_PEER;
}

/* ---- the whole ---- */

static void fill(struct autopsy *a, const struct story *story, struct event *event)
{
	struct event_socket *socket = &event->socket;

	event->wall_ns = event->when_ns + a->wall_offset_ns;
	tell_ends(story, socket);
	tell_bytes(story, (enum event_kind)event->kind, socket);
	tell_linger(story, socket);
	tell_times(story, event, socket);
	tell_steps(story, event, socket);
	tell_prediction(story, socket);
	tell_people(story, event, socket);
	if (event->kind == EVENT_RESET_SENT)
		tell_segment(story, socket);
}

void story_tell(struct autopsy *a, struct story *story)
{
	struct event event = { .when_ns = story->end_ns };

	if (story->told)
		return;
	story->told = true;
	steps_operated(a, story);
	event.kind = (uint8_t)kind_of(story);
	event.actor = (uint8_t)actor_of(story, (enum event_kind)event.kind);
	fill(a, story, &event);
	if (story->again) {
		if (a->calls.again)
			a->calls.again(a->calls.context, &event);
		return;
	}
	tell_related(a, story, (enum event_kind)event.kind, &event.socket);
	if (a->calls.tell)
		a->calls.tell(a->calls.context, &event);
}

void story_tell_orphan(struct autopsy *a, struct story *story, int64_t now_ns)
{
	struct event event = {
		.when_ns = now_ns,
		.kind = EVENT_ORPHANED,
		.actor = story->actor,
	};

	if (story->told || story->told_orphan)
		return;
	story->told_orphan = true;
	fill(a, story, &event);
	/* As it is now, not before its last change. */
	if (story->step_count)
		event.socket.state = story->steps[story->step_count - 1].to;
	if (a->calls.tell)
		a->calls.tell(a->calls.context, &event);
}
