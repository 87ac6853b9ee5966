/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The words of an event (model/event.h), in which ring it stands, and what can be believed of one that another process
 * has left.
 */
#include <string.h>

#include <tcpdiag/state.h>

#include "model/event.h"
#include "model/finding.h"
#include "model/macro.h"
#include "model/record.h"

static const struct {
	const char *name;
	enum event_ring ring;
} kinds[EVENT_KIND_MAX] = {
	[EVENT_NONE] = { NULL, EVENT_RING_ORDINARY },
	[EVENT_RESET_SENT] = { "reset-sent", EVENT_RING_RESETS },
	[EVENT_RESET_RECEIVED] = { "reset-received", EVENT_RING_RESETS },
	[EVENT_CLOSED] = { "closed", EVENT_RING_ORDINARY },
	[EVENT_ORPHANED] = { "orphaned", EVENT_RING_ABNORMAL },
	[EVENT_TIMED_OUT] = { "timed-out", EVENT_RING_ABNORMAL },
	[EVENT_DESTROYED] = { "destroyed", EVENT_RING_ABNORMAL },
	[EVENT_FINDING_RAISED] = { "finding-raised", EVENT_RING_FINDINGS },
	[EVENT_FINDING_CLEARED] = { "finding-cleared", EVENT_RING_FINDINGS },
	[EVENT_GAP] = { "gap", EVENT_RING_ORDINARY },
};

static const char *const actors[ACTOR_MAX] = {
	[ACTOR_CLOSE] = "close",       [ACTOR_EXIT] = "exit",
	[ACTOR_SHUTDOWN] = "shutdown", [ACTOR_LISTENER_CLOSE] = "listener-close",
	[ACTOR_TIMER] = "timer",       [ACTOR_PEER] = "peer",
	[ACTOR_KERNEL] = "kernel",
};

const char *event_kind_name(enum event_kind kind)
{
	return kind < EVENT_KIND_MAX ? kinds[kind].name : NULL;
}

const char *event_actor_name(enum event_actor actor)
{
	return actor < ACTOR_MAX ? actors[actor] : NULL;
}

const char *event_ring_name(enum event_ring ring)
{
	static const char *const names[EVENT_RING_MAX] = {
		[EVENT_RING_RESETS] = "resets",
		[EVENT_RING_ABNORMAL] = "abnormal",
		[EVENT_RING_FINDINGS] = "findings",
		[EVENT_RING_ORDINARY] = "ordinary",
	};

	return ring < EVENT_RING_MAX ? names[ring] : NULL;
}

enum event_ring event_ring_of(enum event_kind kind)
{
	return kind < EVENT_KIND_MAX ? kinds[kind].ring : EVENT_RING_ORDINARY;
}

/* A bool is a byte to whoever wrote it: any other value than the two must not be read as one. */
static bool is_bool(const bool *value)
{
	unsigned char byte;

	memcpy(&byte, value, sizeof(byte));
	return byte <= 1;
}

static bool socket_is_sound(const struct event_socket *sk)
{
	size_t i;

	if (sk->state >= TCPDIAG_STATE_MAX || sk->direction > DIRECTION_OUTBOUND ||
	    sk->reason >= RESET_REASON_MAX || sk->step_count > EVENT_STEPS ||
	    sk->predicted_operation >= TCPDIAG_OP_MAX || sk->predicted_rule >= TCPDIAG_RULE_MAX ||
	    sk->predicted_segment >= TCPDIAG_SEGMENT_MAX ||
	    sk->predicted_state >= TCPDIAG_STATE_MAX || !is_bool(&sk->predicted_certain))
		return false;
	for (i = 0; i < sk->step_count; i++)
		if (sk->steps[i].from >= TCPDIAG_STATE_MAX ||
		    sk->steps[i].to >= TCPDIAG_STATE_MAX || sk->steps[i].actor >= ACTOR_MAX)
			return false;
	return true;
}

static bool finding_is_sound(const struct event_finding *finding)
{
	return finding->rule >= TCPDIAG_RULE_FINDING_FIRST && finding->rule < TCPDIAG_RULE_MAX &&
	       finding->severity < SEVERITY_MAX && finding->scope < SCOPE_MAX &&
	       memchr(finding->unit, '\0', sizeof(finding->unit)) &&
	       memchr(finding->comm, '\0', sizeof(finding->comm)) &&
	       memchr(finding->summary, '\0', sizeof(finding->summary));
}

bool event_is_sound(const struct event *event)
{
	if (event->kind == EVENT_NONE || event->kind >= EVENT_GAP || event->actor >= ACTOR_MAX)
		return false;
	return event_is_finding(event) ? finding_is_sound(&event->finding)
				       : socket_is_sound(&event->socket);
}

bool event_name_is_sound(const struct event_name *name)
{
	return name->number && memchr(name->comm, '\0', sizeof(name->comm)) &&
	       memchr(name->unit, '\0', sizeof(name->unit)) &&
	       memchr(name->label, '\0', sizeof(name->label)) &&
	       memchr(name->container, '\0', sizeof(name->container)) &&
	       memchr(name->title, '\0', sizeof(name->title));
}
