/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an event means for the story of its socket.
 *
 * Our side acts in four ways that the tracepoints tell apart: a change of state while the last reference to the file is
 * gone and the socket is no orphan yet is its close(), by exit where the process is ending; the same change without that
 * is a shutdown(), or a disconnect; a change to CLOSE of a child that nobody has accepted is its listener's end; and a
 * change from a state to itself is the close() of what had sent its FIN before (net/ipv4/tcp.c:tcp_close_state()).
 *
 * What the peer, a timer or the kernel did follows from what came before the change to CLOSE: a RST, received or sent,
 * or the error that the socket has got (net/ipv4/tcp_timer.c:tcp_write_err()). Traps that are put right here:
 *
 *	late data	tcp_reset() is called for it, too: received becomes sent when the RST passes that answers it
 *	an orphan	is destroyed before that RST passes
 *	a lingering	close() is over only when the peer has acknowledged: meanwhile it is released and no orphan
 *	disconnect	takes the remote port away: ends are those of the first look
 */
#include <errno.h>

#include "collector/autopsy_private.h"

#define BIT(state) TCPDIAG_STATE_BIT(TCPDIAG_##state)

/* A change to CLOSE from these needs somebody's doing; from the others the peer's FIN or ACK is enough. */
#define STATES_ALIVE \
	(BIT(ESTABLISHED) | BIT(SYN_SENT) | BIT(SYN_RECV) | BIT(CLOSE_WAIT) | BIT(FIN_WAIT1))

static bool is_in(uint8_t state, uint32_t states)
{
	return TCPDIAG_STATE_BIT(state) & states;
}

void story_look(struct story *story, const struct tcpdiag_socket *sk,
		const struct socket_event *event)
{
	const struct tcpdiag_socket first = story->sk;

	story->sk = *sk;
	story->idle_ms = event->idle_ms;
	story->fin_unread = event->fin_unread;
	if (sk->remote_port || !first.remote_port)
		return;
	story->sk.remote_port = first.remote_port;
	story->sk.local_port = first.local_port;
	for (size_t i = 0; i < sizeof(first.local); i++) {
		story->sk.local[i] = first.local[i];
		story->sk.remote[i] = first.remote[i];
	}
}

/* ---- what our side does ---- */

uint32_t steps_process(struct autopsy *a, const struct socket_event *event)
{
	return a->calls.process ? a->calls.process(a->calls.context, event) : 0;
}

static bool lingers_zero(const struct tcpdiag_socket *sk)
{
	return sk->known & TCPDIAG_KNOWS_LINGER && sk->linger && sk->sk_lingertime_ms == 0;
}

enum event_actor steps_releaser(const struct socket_event *event)
{
	return event->exiting ? ACTOR_EXIT : ACTOR_CLOSE;
}

/* The FIN goes out, or would have to wait: only a close() or a shutdown() gets there. */
bool steps_sends_fin(const struct socket_event *event)
{
	const uint8_t old = event->old_state, now = event->sk.state;

	return (now == TCPDIAG_FIN_WAIT1 &&
		(old == TCPDIAG_ESTABLISHED || old == TCPDIAG_SYN_RECV)) ||
	       (now == TCPDIAG_LAST_ACK && old == TCPDIAG_CLOSE_WAIT);
}

/* A connection attempt that a process gives up: close(), shutdown(), or connect() with AF_UNSPEC. */
static enum event_actor gives_up(const struct socket_event *event)
{
	return event->released ? steps_releaser(event) : ACTOR_SHUTDOWN;
}

static bool has_error(const struct tcpdiag_socket *sk, int error)
{
	return sk->known & TCPDIAG_KNOWS_ERROR && sk->sk_err == error;
}

/* Set before the change to CLOSE where the kernel gives up; what our side does sets it behind that. */
static bool is_given_up(const struct socket_event *event)
{
	return !event->released && event->sk.known & TCPDIAG_KNOWS_ERROR && event->sk.sk_err;
}

/* Whose doing a change to CLOSE is, where it is our side's; UNKNOWN: somebody else's. */
static enum event_actor ends_by(const struct story *story, const struct socket_event *event)
{
	const struct tcpdiag_socket *sk = &event->sk;

	if (story->reset_received || story->reset_sent || event->orphaned ||
	    has_error(sk, ETIMEDOUT) || is_given_up(event))
		return ACTOR_UNKNOWN;
	if (event->old_state == TCPDIAG_SYN_SENT)
		return has_error(sk, ECONNREFUSED) ? ACTOR_UNKNOWN : gives_up(event);
	if (event->unaccepted)
		return ACTOR_LISTENER_CLOSE;
	/* Let go of, but its close() has not begun: whatever ends it now comes from the peer or from a timer. */
	if (event->released && !event->owned)
		return ACTOR_UNKNOWN;
	/* It has been closed already, and lingers. */
	if (story->orphaned_ns)
		return ACTOR_UNKNOWN;
	if (event->released &&
	    (is_in(event->old_state, STATES_ALIVE) || lingers_zero(sk) || sk->rqueue))
		return steps_releaser(event);
	if (!event->released && is_in(event->old_state, STATES_ALIVE) && !sk->mptcp_subflow)
		return ACTOR_SHUTDOWN;
	return ACTOR_UNKNOWN;
}

static enum event_actor acts(const struct story *story, const struct socket_event *event)
{
	if (event->sk.state == TCPDIAG_CLOSE)
		return ends_by(story, event);
	if (event->orphaned)
		return ACTOR_UNKNOWN;
	if (event->old_state == event->sk.state)
		return event->released ? steps_releaser(event) : ACTOR_UNKNOWN;
	if (!steps_sends_fin(event))
		return ACTOR_UNKNOWN;
	return event->released ? steps_releaser(event) : ACTOR_SHUTDOWN;
}

bool steps_complete(const struct autopsy *a, int64_t when_ns, uint64_t losses)
{
	return losses == a->losses && (!a->lost_ns || when_ns - a->lost_ns >= LOSS_NS);
}

void steps_operated(struct autopsy *a, struct story *story)
{
	const struct story_operation *waits = &story->operation;
	const struct autopsy_operation operation = {
		.sk = waits->sk,
		.operation = waits->operation,
		.segment = waits->segment,
		.state = waits->state,
		.reason = waits->reason,
		.complete = steps_complete(a, waits->when_ns, waits->losses),
	};
	struct event_socket told = {};

	if (!story->links[STORY_LIST_OPERATED].in)
		return;
	story_delist(a, STORY_LIST_OPERATED, story);
	if (!a->calls.operated)
		return;
	a->calls.operated(a->calls.context, &operation, &told);
	if (!(told.known & EVENT_KNOWS_PREDICTED))
		return;
	story->predicted = true;
	story->predicted_operation = told.predicted_operation;
	story->predicted_rule = told.predicted_rule;
	story->predicted_segment = told.predicted_segment;
	story->predicted_state = told.predicted_state;
	story->predicted_certain = told.predicted_certain;
}

static enum tcpdiag_operation operation_of(enum event_actor actor, const struct tcpdiag_socket *sk)
{
	switch (actor) {
	case ACTOR_EXIT:
		return TCPDIAG_OP_EXIT;
	case ACTOR_LISTENER_CLOSE:
		return TCPDIAG_OP_LISTENER_CLOSE;
	case ACTOR_SHUTDOWN:
		return sk->sk_shutdown & TCPDIAG_RCV_SHUTDOWN ? TCPDIAG_OP_SHUTDOWN_BOTH
							      : TCPDIAG_OP_SHUTDOWN_WRITE;
	default:
		return TCPDIAG_OP_CLOSE;
	}
}

/* Neither shutdown() nor the end of a listener: connect() with AF_UNSPEC, on which nobody asks the oracle. */
static bool is_disconnect(enum event_actor actor, const struct socket_event *event)
{
	return actor == ACTOR_SHUTDOWN && event->sk.state == TCPDIAG_CLOSE;
}

static void operate(struct autopsy *a, struct story *story, enum event_actor actor,
		    const struct socket_event *event)
{
	steps_operated(a, story);
	if (is_disconnect(actor, event))
		return;
	story->operation = (struct story_operation){
		.when_ns = event->when_ns,
		.losses = a->losses,
		.operation = (uint8_t)operation_of(actor, &event->sk),
		.segment = steps_sends_fin(event) ? TCPDIAG_SEGMENT_FIN : TCPDIAG_SEGMENT_NONE,
		.state = event->sk.state,
	};
	event_before(event, &story->operation.sk);
	story_enlist(a, STORY_LIST_OPERATED, story);
}

static void act(struct autopsy *a, struct story *story, enum event_actor actor,
		const struct socket_event *event)
{
	const bool closes = actor == ACTOR_CLOSE || actor == ACTOR_EXIT;
	uint32_t process = steps_process(a, event);

	if (!story->actor) {
		story->actor = (uint8_t)actor;
		story->process = process;
	}
	if (!story->closed_ns)
		story->closed_ns = event->when_ns;
	if (closes && !story->orphaned_ns) {
		story->closer = process;
		story->orphaned_ns = event->when_ns;
		if (event->sk.state != TCPDIAG_CLOSE)
			story_enlist(a, STORY_LIST_ORPHANS, story);
	}
	/* The RST is the doing of who has made it, whoever came first. */
	if (event->sk.state == TCPDIAG_CLOSE) {
		story->ender = (uint8_t)actor;
		story->closer = process;
	}
	if (actor == ACTOR_LISTENER_CLOSE)
		listeners_child(a, event);
	operate(a, story, actor, event);
}

/*
 * Of an MPTCP socket, whose segments are those of its subflows: nothing to wait for. What it sends itself stands in
 * its state; where it is cut off, only they could tell.
 */
static void operate_mptcp(struct autopsy *a, const struct socket_event *event)
{
	const bool stays = event->old_state == event->sk.state;
	struct autopsy_operation operation = {
		.segment = steps_sends_fin(event) ? TCPDIAG_SEGMENT_FIN : TCPDIAG_SEGMENT_NONE,
		.state = event->sk.state,
		.complete = event->sk.state != TCPDIAG_CLOSE &&
			    steps_complete(a, event->when_ns, a->losses),
	};
	struct event_socket none = {};
	enum event_actor actor = event->released ? steps_releaser(event) : ACTOR_SHUTDOWN;

	/* Its listener is a subflow, too. */
	if (!event->owned || event->orphaned || event->old_state == TCPDIAG_LISTEN ||
	    !a->calls.operated)
		return;
	if (!steps_sends_fin(event) &&
	    !(event->released && (stays || event->sk.state == TCPDIAG_CLOSE)))
		return;
	operation.operation = (uint8_t)operation_of(actor, &event->sk);
	event_before(event, &operation.sk);
	a->calls.operated(a->calls.context, &operation, &none);
}

/* ---- changes of state ---- */

static void note_step(struct story *story, const struct socket_event *event, enum event_actor actor)
{
	if (story->step_count == EVENT_STEPS) {
		for (uint8_t i = 1; i < EVENT_STEPS; i++) {
			story->steps[i - 1] = story->steps[i];
			story->step_ns[i - 1] = story->step_ns[i];
		}
		story->step_count--;
	}
	story->step_ns[story->step_count] = event->when_ns;
	story->steps[story->step_count++] = (struct event_step){
		.from = event->old_state,
		.to = event->sk.state,
		.actor = (uint8_t)actor,
	};
}

/* The kernel has given up, or was told to. */
static void name_ender(struct story *story, const struct socket_event *event)
{
	const struct tcpdiag_socket *sk = &event->sk;
	const bool known = sk->known & TCPDIAG_KNOWS_ERROR;

	if (story->reset_received)
		return;
	if (has_error(sk, ETIMEDOUT) ||
	    (known && sk->sk_err && event->orphaned && !story->reset_sent)) {
		story->ender = ACTOR_TIMER;
		story->timed_out = !story->reset_sent;
	} else if (event->old_state == TCPDIAG_SYN_SENT && has_error(sk, ECONNREFUSED)) {
		story->ender = ACTOR_PEER;
	} else if (event->old_state == TCPDIAG_SYN_SENT && is_given_up(event)) {
		story->ender = ACTOR_KERNEL;
	} else if (is_given_up(event) && is_in(event->old_state, STATES_ALIVE) &&
		   !story->reset_sent) {
		/* tcp_write_err(): the ICMP error that came last. */
		story->ender = ACTOR_TIMER;
		story->timed_out = true;
	} else if (!known && event->orphaned && event->old_state == TCPDIAG_FIN_WAIT1 &&
		   !story->reset_sent) {
		/* Nothing else makes it skip FIN_WAIT2, but for what sends a RST. */
		story->ender = ACTOR_TIMER;
		story->timed_out = true;
	}
}

void story_end(struct autopsy *a, struct story *story, const struct socket_event *event)
{
	story_remember(a, story);
	if (!story->end_ns)
		story->end_ns = event->when_ns;
	if (story->closed_ns || story->reset_sent)
		closed_keep(a, story);
	if (story->reset_sent || story->reset_received || story->timed_out)
		story_enlist(a, STORY_LIST_READY, story);
}

static void take_state(struct autopsy *a, const struct socket_event *event)
{
	struct tcpdiag_socket before;
	enum event_actor actor;
	struct story *story;

	if (event->sk.kind != TCPDIAG_KIND_FULL)
		return;
	if (event->sk.mptcp) {
		mptcp_above(a, event);
		operate_mptcp(a, event);
		return;
	}
	if (event->old_state == TCPDIAG_LISTEN) {
		listeners_take(a, event);
		return;
	}
	story = story_of(a, event);
	if (story->told)
		return;
	event_before(event, &before);
	actor = story->subflow ? mptcp_acts(a, story, event) : acts(story, event);
	story_look(story, &before, event);
	story->seen_steps = true;
	if (actor && !story->subflow)
		act(a, story, actor, event);
	note_step(story, event, actor);
	if (event->sk.state != TCPDIAG_CLOSE)
		return;
	if (!actor)
		name_ender(story, event);
	story_end(a, story, event);
}

/* ---- all ---- */

void steps_take(struct autopsy *a, const struct socket_event *event)
{
	switch (event->kind) {
	case SOCKET_EVENT_STATE:
		take_state(a, event);
		break;
	case SOCKET_EVENT_RESET_SENT:
		resets_sent(a, event);
		break;
	case SOCKET_EVENT_RESET_RECEIVED:
		resets_received(a, event);
		break;
	case SOCKET_EVENT_DESTROYED:
		resets_destroyed(a, event);
		break;
	default:
		break;
	}
}
