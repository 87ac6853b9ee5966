/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All events have the same members, so that a table in a database can have a column for each: those of a socket
 * are null in an event about a finding, and the other way round.
 */
#include <inttypes.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "rules/story.h"
#include "web/envelope.h"
#include "web/event_filter.h"
#include "web/event_print.h"
#include "web/pieces.h"

static void emit_ms_known(struct emitter *j, const char *name, bool known, int64_t ms)
{
	if (!known) {
		emit_null(j, name);
		return;
	}
	emit_raw(j, name, "");
	buffer_ms(j->b, ms);
}

static void emit_time(struct emitter *j, const char *name, int64_t wall_ns)
{
	emit_raw(j, name, "");
	buffer_time(j->b, wall_ns);
}

void emit_socket_id(struct emitter *j, const char *name, uint32_t netns, uint64_t cookie)
{
	const struct tcpdiag_socket sk = { .netns = netns, .cookie = cookie };
	char id[SOCKET_ID_MAX];

	if (cookie)
		socket_id(&sk, id);
	else
		*id = '\0';
	emit_text(j, name, id);
}

void emit_event_name(struct emitter *j, const char *name, const struct journal_view *view,
		     uint32_t number)
{
	struct event_name who;

	if (!number || journal_read_name(view, number, &who) < 0) {
		emit_null(j, name);
		return;
	}
	emit_object(j, name);
	emit_u64_known(j, "pid", who.pid > 0, (uint64_t)who.pid);
	emit_text(j, "comm", who.comm);
	emit_text(j, "unit", who.unit);
	emit_text(j, "container", who.container);
	emit_text(j, "container_name", who.title);
	emit_end(j, '}');
}

static void print_end(struct buffer *b, const uint8_t *address, int family, uint16_t port)
{
	if (family == AF_INET6)
		buffer_char(b, '[');
	buffer_address(b, address, family);
	if (family == AF_INET6)
		buffer_char(b, ']');
	buffer_char(b, ':');
	buffer_u64(b, port);
}

void event_flow(struct buffer *b, const struct event_socket *s)
{
	print_end(b, s->local, s->family, s->local_port);
	if (!s->remote_port)
		return;
	buffer_literal(b, " > ");
	print_end(b, s->remote, s->family, s->remote_port);
}

static void emit_event_socket(struct emitter *j, const struct event_socket *s)
{
	if (!s) {
		emit_null(j, "socket");
		return;
	}
	emit_object(j, "socket");
	emit_socket_id(j, "id", s->netns, s->cookie);
	emit_raw(j, "flow", "\"");
	event_flow(j->b, s);
	buffer_char(j->b, '"');
	emit_endpoint(j, "local", s->local, s->family, s->local_port);
	if (s->remote_port)
		emit_endpoint(j, "remote", s->remote, s->family, s->remote_port);
	else
		emit_null(j, "remote");
	emit_u64_known(j, "netns", s->netns, s->netns);
	emit_text(j, "direction", direction_name((enum direction)s->direction));
	emit_text(j, "protocol", s->flags & EVENT_SUBFLOW ? "mptcp" : "tcp");
	emit_end(j, '}');
}

static void emit_event_linger(struct emitter *j, const struct event_socket *s)
{
	if (!s || !(s->known & EVENT_KNOWS_LINGER)) {
		emit_null(j, "linger");
		return;
	}
	emit_object(j, "linger");
	emit_bool(j, "on", s->flags & EVENT_LINGER);
	if (s->linger_ms == UINT32_MAX)
		emit_string(j, "seconds", "forever");
	else
		emit_ms_known(j, "seconds", true, s->linger_ms);
	emit_end(j, '}');
}

/* The flags of the segment that a RST answers, as tcpdump and Wireshark call them. */
static void emit_segment_flags(struct emitter *j, const struct event_socket *s)
{
	static const char *const names[] = {
		"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"
	};
	size_t i;

	if (!s || !(s->known & EVENT_KNOWS_SEGMENT)) {
		emit_null(j, "segment_flags");
		return;
	}
	emit_array(j, "segment_flags");
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (s->segment_flags >> i & 1)
			emit_string(j, NULL, names[i]);
	emit_end(j, ']');
}

static void emit_predicted(struct emitter *j, const struct event_socket *s)
{
	if (!s || !(s->known & EVENT_KNOWS_PREDICTED)) {
		emit_null(j, "predicted");
		return;
	}
	emit_object(j, "predicted");
	emit_text(j, "operation",
		  tcpdiag_operation_name((enum tcpdiag_operation)s->predicted_operation));
	emit_text(j, "segment", tcpdiag_segment_name((enum tcpdiag_segment)s->predicted_segment));
	emit_text(j, "state", tcpdiag_state_name((enum tcpdiag_state)s->predicted_state));
	emit_text(j, "rule", tcpdiag_rule_id((enum tcpdiag_rule)s->predicted_rule));
	emit_bool(j, "certain", s->predicted_certain);
	emit_end(j, '}');
}

static void emit_steps(struct emitter *j, const struct event_socket *s)
{
	size_t i;

	emit_array(j, "steps");
	for (i = 0; s && i < MIN(s->step_count, EVENT_STEPS); i++) {
		const struct event_step *step = &s->steps[i];

		emit_object(j, NULL);
		emit_ms_known(j, "seconds_before", true, step->before_ms);
		emit_text(j, "from", tcpdiag_state_name((enum tcpdiag_state)step->from));
		emit_text(j, "to", tcpdiag_state_name((enum tcpdiag_state)step->to));
		emit_text(j, "actor", event_actor_name((enum event_actor)step->actor));
		emit_end(j, '}');
	}
	emit_end(j, ']');
}

/* Numbers that may not be known: one row each. */
static void emit_numbers(struct emitter *j, const struct event_socket *s)
{
	uint32_t known = s ? s->known : 0;

	emit_u64_known(j, "unread_bytes", known & EVENT_KNOWS_UNREAD, s ? s->unread_bytes : 0);
	emit_u64_known(j, "unsent_bytes", known & EVENT_KNOWS_UNSENT, s ? s->unsent_bytes : 0);
	emit_u64_known(j, "unacked_bytes", known & EVENT_KNOWS_UNSENT, s ? s->unacked_bytes : 0);
	emit_u64_known(j, "bytes_received", known & EVENT_KNOWS_BYTES, s ? s->bytes_received : 0);
	emit_u64_known(j, "bytes_sent", known & EVENT_KNOWS_BYTES, s ? s->bytes_sent : 0);
	emit_ms_known(j, "idle_seconds", known & EVENT_KNOWS_IDLE, s ? s->idle_ms : 0);
	emit_ms_known(j, "age_seconds", known & EVENT_KNOWS_AGE, s ? s->age_ms : 0);
	emit_event_linger(j, s);
	if (known & EVENT_KNOWS_LINGER_BEFORE)
		emit_bool(j, "linger_before", s->flags & EVENT_LINGER_BEFORE);
	else
		emit_null(j, "linger_before");
	emit_ms_known(j, "closed_seconds_ago", known & EVENT_KNOWS_CLOSED_AGO,
		      s ? s->closed_ago_ms : 0);
	emit_ms_known(j, "orphan_seconds", known & EVENT_KNOWS_ORPHAN_LIFE, s ? s->orphan_ms : 0);
	emit_segment_flags(j, s);
	emit_u64_known(j, "payload_bytes", known & EVENT_KNOWS_SEGMENT, s ? s->payload : 0);
	if (s && s->flags & EVENT_HAS_SOCKET)
		emit_bool(j, "peer_finished", s->flags & EVENT_PEER_FINISHED);
	else
		emit_null(j, "peer_finished");
}

static void emit_owners(struct emitter *j, const struct journal_view *view,
			const struct event *event)
{
	const struct event_socket *s = event_is_finding(event) ? NULL : &event->socket;
	struct event_name who = { .number = 0 };

	emit_event_name(j, "holder", view, s ? s->holder : 0);
	emit_event_name(j, "creator", view, s ? s->creator : 0);
	if (s) {
		(void)event_who(view, event, &who);
		emit_text(j, "comm", who.comm);
		emit_text(j, "unit", who.unit);
	} else {
		emit_text(j, "comm", event->finding.comm);
		emit_text(j, "unit", event->finding.unit);
	}
}

static void emit_finding(struct emitter *j, const struct event *event)
{
	const struct event_finding *f = event_is_finding(event) ? &event->finding : NULL;
	char id[24];

	if (!f) {
		emit_null(j, "finding");
		return;
	}
	snprintf(id, sizeof(id), "f-%" PRIx64, f->finding);
	emit_object(j, "finding");
	emit_string(j, "id", id);
	emit_text(j, "rule", tcpdiag_rule_id((enum tcpdiag_rule)f->rule));
	emit_text(j, "severity", severity_name((enum severity)f->severity));
	emit_text(j, "scope", scope_name((enum scope)f->scope));
	emit_u64_known(j, "pid", f->pid > 0, (uint64_t)f->pid);
	emit_u64_known(j, "netns", f->netns, f->netns);
	emit_u64(j, "count", f->count);
	emit_text(j, "summary", f->summary);
	emit_end(j, '}');
}

/* @name: where the texts stand that the answer points to. */
static struct story_person person(const struct journal_view *view, uint32_t number,
				  struct event_name *name)
{
	if (!number || journal_read_name(view, number, name) < 0)
		*name = (struct event_name){ .number = 0 };
	return (struct story_person){ .comm = name->comm, .unit = name->unit, .pid = name->pid };
}

static void tell(const struct journal_view *view, const struct event *event, struct sentence *s)
{
	struct story_person holder, creator;
	struct event_name names[2];

	*s = (struct sentence){ .len = 0 };
	if (event_is_finding(event))
		return;
	holder = person(view, event->socket.holder, &names[0]);
	creator = person(view, event->socket.creator, &names[1]);
	story_cause(event, names[0].number ? &holder : NULL, names[1].number ? &creator : NULL, s);
}

static void emit_cause(struct emitter *j, const struct journal_view *view,
		       const struct event *event)
{
	struct sentence s;

	tell(view, event, &s);
	emit_text(j, "cause", s.text);
}

void event_json(struct emitter *j, const char *name, const struct journal_view *view,
		const struct event *event)
{
	const struct event_socket *s = event_is_finding(event) ? NULL : &event->socket;

	emit_object(j, name);
	emit_u64(j, "id", event->id);
	emit_time(j, "time", event->wall_ns);
	emit_text(j, "kind", event_kind_name((enum event_kind)event->kind));
	emit_event_socket(j, s);
	emit_text(j, "state", s ? tcpdiag_state_name((enum tcpdiag_state)s->state) : NULL);
	emit_text(j, "reason", s ? reset_reason_name((enum reset_reason)s->reason) : NULL);
	if (s && s->reason)
		emit_bool(j, "derived", s->flags & EVENT_DERIVED);
	else
		emit_null(j, "derived");
	emit_text(j, "actor", event_actor_name((enum event_actor)event->actor));
	emit_owners(j, view, event);
	emit_numbers(j, s);
	emit_socket_id(j, "related", s ? s->related_netns : 0, s ? s->related : 0);
	emit_predicted(j, s);
	emit_steps(j, s);
	emit_finding(j, event);
	emit_cause(j, view, event);
	emit_end(j, '}');
}

void event_gap_json(struct emitter *j, uint64_t after, int64_t wall_ns, uint64_t lost)
{
	emit_object(j, NULL);
	emit_u64(j, "id", after);
	emit_time(j, "time", wall_ns);
	emit_string(j, "kind", event_kind_name(EVENT_GAP));
	emit_u64_known(j, "lost", lost, lost);
	emit_end(j, '}');
}

/* ---- text ---- */

const char event_text_heading[] =
	"Time                     Kind             Reason                  Unread  Process";

static void text_of_finding(struct buffer *b, const struct event_finding *f)
{
	plain_cell(b, severity_name((enum severity)f->severity) ?: "-", 22);
	buffer_literal(b, "        -  ");
	plain_text(b, f->comm, SIZE_MAX, SIZE_MAX);
	if (f->pid > 0)
		buffer_printf(b, "(%" PRId32 ")", f->pid);
	buffer_literal(b, "  ");
	plain_text(b, f->summary, SIZE_MAX, SIZE_MAX);
	buffer_printf(b, "  [%s]", tcpdiag_rule_id((enum tcpdiag_rule)f->rule) ?: "-");
}

static void text_of_socket(struct buffer *b, const struct journal_view *view,
			   const struct event *event)
{
	const struct event_socket *s = &event->socket;
	struct event_name who;
	struct sentence cause;

	plain_cell(b, reset_reason_name((enum reset_reason)s->reason) ?: "-", 22);
	if (s->known & EVENT_KNOWS_UNREAD)
		buffer_printf(b, " %8" PRIu32 "  ", s->unread_bytes);
	else
		buffer_literal(b, "        -  ");
	if (event_who(view, event, &who)) {
		plain_text(b, who.comm, SIZE_MAX, SIZE_MAX);
		buffer_printf(b, "(%" PRId32 ")", who.pid);
		if (*who.unit) {
			buffer_char(b, ' ');
			plain_text(b, who.unit, SIZE_MAX, SIZE_MAX);
		}
	} else {
		buffer_char(b, '-');
	}
	buffer_literal(b, "  ");
	event_flow(b, s);
	buffer_printf(b, "  %s", tcpdiag_state_name((enum tcpdiag_state)s->state) ?: "-");
	tell(view, event, &cause);
	if (cause.len) {
		buffer_literal(b, "  ");
		plain_text(b, cause.text, SIZE_MAX, SIZE_MAX);
	}
}

void event_text(struct buffer *b, const struct journal_view *view, const struct event *event)
{
	struct buffer time = { 0 };

	buffer_time(&time, event->wall_ns);
	if (!time.error)
		buffer_add(b, time.data + 1, time.len - 2);
	else
		b->error = time.error;
	buffer_done(&time);
	buffer_literal(b, " ");
	plain_cell(b, event_kind_name((enum event_kind)event->kind) ?: "-", 17);
	if (event_is_finding(event))
		text_of_finding(b, &event->finding);
	else
		text_of_socket(b, view, event);
}
