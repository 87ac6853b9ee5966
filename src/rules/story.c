/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One function a kind of event, and of resets that were sent one a reason. What is said follows from the event alone;
 * where several causes are possible they are called so.
 *
 * Times of middleboxes are those that their vendors document as default.
 */
#include "rules/story.h"

#include "model/record.h"

#define IDLE_MS (60 * 1000) /* above it, idleness may be the cause */
#define RACE_MS (10 * 1000) /* a request that crosses a close() does not come later */

struct telling {
	const struct event *event;
	const struct event_socket *socket;
	const struct story_person *holder, *creator;
	struct sentence *s;
};

static const struct {
	int32_t seconds;
	const char *what;
} forgetters[] = {
	{ 240, "Azure load balancers (240 s)" },
	{ 350, "AWS NAT gateways and network load balancers (350 s)" },
	{ 600, "Google Cloud's firewall and NAT (600 s)" },
	{ 1200, "Google Cloud NAT for established connections (1200 s)" },
	{ 1800, "many firewalls (1800 s)" },
	{ 3600, "many firewalls (3600 s)" },
	{ 7200, "Linux conntrack behind some routers (7200 s)" },
};

/* The next packet comes some time after the limit: up to a tenth of it. */
const char *story_forgetter(int64_t idle_ms)
{
	for (size_t i = ARRAY_SIZE(forgetters); i-- > 0;)
		if (idle_ms >= forgetters[i].seconds * 1000LL &&
		    idle_ms <= forgetters[i].seconds * 1100LL)
			return forgetters[i].what;
	return NULL;
}

/* ---- parts ---- */

static bool knows(const struct telling *t, uint32_t what)
{
	return t->socket->known & what;
}

static bool is_person(const struct story_person *person)
{
	return person && person->comm && *person->comm;
}

static void say_person(struct sentence *s, const struct story_person *person, const char *nobody)
{
	if (!is_person(person)) {
		sentence_add(s, "%s", nobody);
		return;
	}
	sentence_add(s, "%s", person->comm);
	if (person->pid > 0 && person->unit && *person->unit)
		sentence_add(s, " (pid %d, %s)", person->pid, person->unit);
	else if (person->pid > 0)
		sentence_add(s, " (pid %d)", person->pid);
}

/* Who acted, or has it. */
static void say_holder(const struct telling *t, const char *nobody)
{
	say_person(t->s, is_person(t->holder) ? t->holder : t->creator, nobody);
}

/* Who let go of it. */
static void say_closer(const struct telling *t, const char *nobody)
{
	say_person(t->s, is_person(t->creator) ? t->creator : t->holder, nobody);
}

/* "3 ms", "0.4 s", "52 s" */
static void say_span(struct sentence *s, int64_t ms)
{
	if (ms < 1000) {
		sentence_number(s, (uint64_t)MAX(ms, 0));
		sentence_add(s, " ms");
	} else if (ms < 10000) {
		sentence_add(s, "%.1f s", (double)ms / 1000);
	} else {
		sentence_duration(s, (double)ms / 1000);
	}
}

static void say_bytes(struct sentence *s, uint64_t bytes)
{
	sentence_count(s, bytes, "byte", "bytes");
}

/* What our side wrote and nobody can have. */
static void say_lost(const struct telling *t)
{
	const struct event_socket *e = t->socket;

	if (!knows(t, EVENT_KNOWS_UNSENT) || (!e->unsent_bytes && !e->unacked_bytes))
		return;
	sentence_add(t->s, " Of what it had written ");
	say_bytes(t->s, e->unsent_bytes ? e->unsent_bytes : e->unacked_bytes);
	sentence_add(t->s, e->unsent_bytes ? " were never sent" : " were not acknowledged");
	if (e->unsent_bytes && e->unacked_bytes) {
		sentence_add(t->s, ", ");
		say_bytes(t->s, e->unacked_bytes);
		sentence_add(t->s, " not acknowledged");
	}
	sentence_add(t->s, ".");
}

static void say_harm(const struct telling *t)
{
	if (t->socket->flags & EVENT_PEER_FINISHED)
		sentence_add(t->s, " The peer had finished and has everything: this hardly hurts "
				   "anyone.");
}

static const char *verb(const struct telling *t)
{
	return t->event->actor == ACTOR_EXIT ? "ended" : "closed the connection";
}

static bool closed_ago(const struct telling *t)
{
	return knows(t, EVENT_KNOWS_CLOSED_AGO);
}

/* ---- resets that were sent ---- */

/* net/mptcp/protocol.c:mptcp_do_fastclose(): why, its connections do not tell. */
static void fastclose(const struct telling *t)
{
	if (t->event->actor == ACTOR_LISTENER_CLOSE) {
		say_holder(t, "Its process");
		sentence_add(t->s, " closed the listener in whose queue this MPTCP connection "
				   "waited: the kernel resets it.");
		return;
	}
	if (t->event->actor == ACTOR_CLOSE || t->event->actor == ACTOR_EXIT) {
		say_holder(t, "Its process");
		sentence_add(t->s,
			     " %s, an MPTCP one, with data unread or with SO_LINGER on and 0 "
			     "seconds: the kernel then resets all of its TCP connections.",
			     t->event->actor == ACTOR_EXIT ? "ended and left the connection"
							   : verb(t));
		return;
	}
	sentence_add(t->s, "The MPTCP connection was given up, and all of its TCP connections "
			   "with it.");
}

static void unread_data(const struct telling *t)
{
	if (t->socket->flags & EVENT_SUBFLOW) {
		fastclose(t);
		return;
	}
	say_holder(t, "Its process");
	sentence_add(t->s, " %s", verb(t));
	if (knows(t, EVENT_KNOWS_UNREAD) && t->socket->unread_bytes) {
		sentence_add(t->s, " with ");
		say_bytes(t->s, t->socket->unread_bytes);
		sentence_add(t->s, " unread");
	} else {
		sentence_add(t->s, " with data unread");
	}
	sentence_add(t->s, ": the kernel then sends a RST instead of a FIN, and the peer may lose "
			   "what it has not read of the answer.");
	say_lost(t);
	say_harm(t);
}

static void linger_zero(const struct telling *t)
{
	const struct event_socket *e = t->socket;

	say_holder(t, "Its process");
	sentence_add(t->s, " %s with SO_LINGER on and 0 seconds: that means a RST instead of a FIN",
		     verb(t));
	if (knows(t, EVENT_KNOWS_LINGER_BEFORE) && !(e->flags & EVENT_LINGER_BEFORE))
		sentence_add(t->s, "; it was off when last looked at, so the program set it just "
				   "before the close: it resets on purpose");
	sentence_add(t->s, ".");
	if (knows(t, EVENT_KNOWS_UNREAD) && e->unread_bytes) {
		sentence_add(t->s, " It left ");
		say_bytes(t->s, e->unread_bytes);
		sentence_add(t->s, " unread.");
	}
	say_lost(t);
	say_harm(t);
}

static void listener_closed(const struct telling *t)
{
	say_holder(t, "The listener's process");
	sentence_add(t->s,
		     " gave up listening on port %u while this client waited to be accepted: all "
		     "who wait in the queue get a RST.",
		     t->socket->local_port);
	if (knows(t, EVENT_KNOWS_UNREAD) && t->socket->unread_bytes) {
		sentence_add(t->s, " It had sent ");
		say_bytes(t->s, t->socket->unread_bytes);
		sentence_add(t->s, " already.");
	}
}

static void by_state(const struct telling *t)
{
	switch (t->event->actor) {
	case ACTOR_LISTENER_CLOSE:
		listener_closed(t);
		return;
	case ACTOR_KERNEL:
		sentence_add(
			t->s,
			"Somebody with CAP_NET_ADMIN had the kernel end it (SOCK_DESTROY): ss "
			"-K, or a program that cleans up after an address or policy has gone.");
		return;
	case ACTOR_TIMER:
		say_closer(t, "Its process");
		sentence_add(t->s, " had closed it, and the peer's FIN did not come in time.");
		return;
	case ACTOR_SHUTDOWN:
		say_holder(t, "Its process");
		sentence_add(t->s, " took the socket off its connection (connect() with "
				   "AF_UNSPEC).");
		return;
	default:
		linger_zero(t);
	}
}

static void linger2(const struct telling *t)
{
	say_holder(t, "Its process");
	sentence_add(t->s,
		     " %s with TCP_LINGER2 below 0, which asks for a RST instead of waiting "
		     "for the peer's FIN.",
		     verb(t));
}

static void memory(const struct telling *t)
{
	say_closer(t, "Its process");
	sentence_add(t->s, " had closed it, and the kernel could not keep it any longer: too many "
			   "orphaned sockets (net.ipv4.tcp_max_orphans) or too much TCP memory "
			   "(net.ipv4.tcp_mem). The kernel's log says which.");
	say_lost(t);
}

/* A request on a connection that this end has just closed: the commonest reset behind load balancers. */
static bool is_race(const struct telling *t)
{
	return closed_ago(t) && t->socket->closed_ago_ms <= RACE_MS && t->socket->payload &&
	       t->socket->direction != DIRECTION_OUTBOUND;
}

static void race(const struct telling *t)
{
	sentence_add(t->s, "The peer used a connection that ");
	say_closer(t, "this side");
	sentence_add(t->s, " had closed ");
	say_span(t->s, t->socket->closed_ago_ms);
	sentence_add(t->s, " before: a keep-alive race. Its keep-alive time is shorter than the "
			   "peer's; let the peer (the proxy or load balancer) give up idle "
			   "connections first.");
}

static void say_payload(const struct telling *t)
{
	if (t->socket->payload) {
		sentence_add(t->s, "The peer sent ");
		say_bytes(t->s, t->socket->payload);
	} else {
		sentence_add(t->s, "A segment of the peer's came");
	}
}

static void late_data(const struct telling *t)
{
	if (is_race(t)) {
		race(t);
		return;
	}
	if (!t->socket->payload && is_person(t->holder) && !closed_ago(t)) {
		linger2(t);
		return;
	}
	say_payload(t);
	if (!closed_ago(t)) {
		sentence_add(t->s, " after this side had said that it reads no more.");
		return;
	}
	sentence_add(t->s, " ");
	say_span(t->s, t->socket->closed_ago_ms);
	sentence_add(t->s, " after ");
	say_closer(t, "this side");
	sentence_add(t->s, knows(t, EVENT_KNOWS_ORPHAN_LIFE)
				   ? " had closed the connection: nobody could read it any more."
				   : " had shut it down in both directions: it reads no more.");
}

static void of_minisocket(const struct telling *t)
{
	if (is_race(t)) {
		race(t);
		return;
	}
	say_payload(t);
	sentence_add(t->s, " for a connection that ");
	say_closer(t, "this side");
	sentence_add(t->s, " had closed");
	if (closed_ago(t)) {
		sentence_add(t->s, " ");
		say_span(t->s, t->socket->closed_ago_ms);
		sentence_add(t->s, " before");
	}
	sentence_add(t->s, ".");
}

static void refused(const struct telling *t)
{
	sentence_add(t->s, "Nobody listens on port %u here: the connection was refused.",
		     t->socket->local_port);
}

static void no_socket(const struct telling *t)
{
	if (is_race(t)) {
		race(t);
		return;
	}
	say_payload(t);
	if (closed_ago(t)) {
		sentence_add(t->s, " for a connection that ");
		say_closer(t, "this side");
		sentence_add(t->s, " had given up ");
		say_span(t->s, t->socket->closed_ago_ms);
		sentence_add(t->s, " before.");
		return;
	}
	sentence_add(t->s, " in the midst of a connection that no socket here belongs to");
	if (t->socket->related && t->socket->flags & EVENT_RELATED_PEER) {
		sentence_add(t->s,
			     ", though it comes from one on this machine: that end goes on with a "
			     "connection that this side has ended or never had.");
		return;
	}
	if (t->socket->related) {
		sentence_add(
			t->s,
			"; another namespace has one with that peer, so the packet was not "
			"translated back: conntrack takes it for invalid. Look at "
			"net.netfilter.nf_conntrack_tcp_be_liberal and at rules that drop what is "
			"INVALID.");
		return;
	}
	sentence_add(
		t->s,
		". Possible causes: the program was restarted and the peer goes on with an old "
		"connection; conntrack passed a packet on that it did not translate "
		"(nf_conntrack_tcp_be_liberal); packets of one connection take different ways.");
}

static void keepalive(const struct telling *t)
{
	sentence_add(t->s, "The peer did not answer keepalive probes: it is gone, or the way to it "
			   "is.");
	say_lost(t);
}

static void unspecified(const struct telling *t)
{
	if (t->event->actor == ACTOR_TIMER) {
		keepalive(t);
	} else if (t->socket->flags & EVENT_PASSIVE) {
		sentence_add(t->s,
			     "A segment that does not fit the state of this socket was answered.");
	} else {
		sentence_add(t->s, "The kernel does not say why.");
	}
}

static void protocol(const struct telling *t)
{
	sentence_add(t->s,
		     "A segment that does not fit this connection was answered (%s): a leftover "
		     "of an older one, a peer that has forgotten it, or something between that "
		     "rewrites packets.",
		     reset_reason_name((enum reset_reason)t->socket->reason));
}

static void mptcp(const struct telling *t)
{
	sentence_add(t->s, "One path of an MPTCP connection was given up (%s).",
		     reset_reason_name((enum reset_reason)t->socket->reason));
}

static void (*const sent[RESET_REASON_MAX])(const struct telling *t) = {
	[RESET_REASON_NOT_SPECIFIED] = unspecified,
	[RESET_REASON_NO_SOCKET] = no_socket,
	[RESET_REASON_NO_SOCKET_SYN] = refused,
	[RESET_REASON_INVALID_ACK_SEQUENCE] = protocol,
	[RESET_REASON_PAWS] = protocol,
	[RESET_REASON_TOO_OLD_ACK] = protocol,
	[RESET_REASON_ACK_UNSENT_DATA] = protocol,
	[RESET_REASON_FLAGS] = protocol,
	[RESET_REASON_OLD_ACK] = protocol,
	[RESET_REASON_ABORT_ON_DATA] = late_data,
	[RESET_REASON_TIMEWAIT_SOCKET] = of_minisocket,
	[RESET_REASON_INVALID_SYN] = protocol,
	[RESET_REASON_ABORT_ON_CLOSE] = unread_data,
	[RESET_REASON_ABORT_ON_LINGER] = linger2,
	[RESET_REASON_ABORT_ON_MEMORY] = memory,
	[RESET_REASON_STATE] = by_state,
	[RESET_REASON_KEEPALIVE_TIMEOUT] = keepalive,
	[RESET_REASON_DISCONNECT_WITH_DATA] = linger_zero,
	[RESET_REASON_MPTCP_EUNSPEC] = mptcp,
	[RESET_REASON_MPTCP_EMPTCP] = mptcp,
	[RESET_REASON_MPTCP_ERESOURCE] = mptcp,
	[RESET_REASON_MPTCP_EPROHIBIT] = mptcp,
	[RESET_REASON_MPTCP_EWQ2BIG] = mptcp,
	[RESET_REASON_MPTCP_EBADPERF] = mptcp,
	[RESET_REASON_MPTCP_EMIDDLEBOX] = mptcp,
	[RESET_REASON_ERROR] = unspecified,
	[RESET_REASON_OTHER] = unspecified,
};

static void reset_sent(const struct telling *t)
{
	uint8_t reason = t->socket->reason;

	if (reason < RESET_REASON_MAX && sent[reason])
		sent[reason](t);
}

/* ---- the other kinds ---- */

static void say_idle(const struct telling *t)
{
	const char *who = story_forgetter(t->socket->idle_ms);

	sentence_add(t->s, "Nothing had passed for ");
	say_span(t->s, t->socket->idle_ms);
	sentence_add(t->s, " when the RST came: something on the way (a NAT, a firewall, a load "
			   "balancer) or the peer has most likely forgotten the idle connection");
	if (who)
		sentence_add(t->s, "; that time is typical of %s", who);
	sentence_add(t->s, ". Send keepalives more often, or close earlier.");
}

static void reset_received(const struct telling *t)
{
	const struct event_socket *e = t->socket;

	if (e->state == TCPDIAG_SYN_SENT) {
		sentence_add(t->s, "The connection was refused: nobody listens at ");
		sentence_address(t->s, e->remote, e->remote_port);
		sentence_add(t->s, ", or a firewall rejects it.");
		return;
	}
	if (knows(t, EVENT_KNOWS_IDLE) && e->idle_ms >= IDLE_MS) {
		say_idle(t);
	} else if (closed_ago(t)) {
		sentence_add(t->s, "The peer answered with a RST ");
		say_span(t->s, e->closed_ago_ms);
		sentence_add(t->s, " after ");
		say_closer(t, "this side");
		sentence_add(t->s, " had closed its end.");
	} else if (e->state == TCPDIAG_CLOSE_WAIT || e->state == TCPDIAG_LAST_ACK) {
		sentence_add(t->s,
			     "The peer had closed the connection and then got data that nobody "
			     "there reads any more.");
	} else {
		sentence_add(t->s, "The peer, or something between, has reset it.");
	}
	say_lost(t);
	if (knows(t, EVENT_KNOWS_UNREAD) && e->unread_bytes) {
		sentence_add(t->s, " ");
		say_bytes(t->s, e->unread_bytes);
		sentence_add(t->s, " had come that the program has not read.");
	}
}

static void timed_out(const struct telling *t)
{
	const struct event_socket *e = t->socket;

	if (e->state == TCPDIAG_SYN_SENT) {
		sentence_add(t->s, "Nobody answered at ");
		sentence_address(t->s, e->remote, e->remote_port);
		sentence_add(t->s, ": the address is down, or a firewall drops.");
		return;
	}
	if (knows(t, EVENT_KNOWS_ORPHAN_LIFE)) {
		say_closer(t, "Its process");
		sentence_add(t->s, " had closed it, and the kernel went on trying for ");
		say_span(t->s, e->orphan_ms);
		sentence_add(t->s, ": the peer did not acknowledge. It was not told.");
	} else {
		sentence_add(t->s,
			     "The peer did not acknowledge what was sent: it is gone, or the way "
			     "to it is.");
	}
	say_lost(t);
}

static void orphaned(const struct telling *t)
{
	const struct event_socket *e = t->socket;

	say_closer(t, "Its process");
	sentence_add(t->s, " closed it ");
	if (knows(t, EVENT_KNOWS_ORPHAN_LIFE)) {
		say_span(t->s, e->orphan_ms);
		sentence_add(t->s, " ago");
	} else {
		sentence_add(t->s, "a while ago");
	}
	sentence_add(t->s, e->state == TCPDIAG_FIN_WAIT2
				   ? ", and the peer owes its FIN."
				   : ", and the kernel still tries to deliver the rest.");
	say_lost(t);
}

static void closed(const struct telling *t)
{
	const struct event_socket *e = t->socket;

	if (knows(t, EVENT_KNOWS_UNREAD) && e->unread_bytes) {
		say_bytes(t->s, e->unread_bytes);
		sentence_add(t->s, " had come that nobody has read, and nobody was told so.");
	}
	if (e->state == TCPDIAG_SYN_SENT && t->event->actor != ACTOR_PEER) {
		say_holder(t, "Its process");
		sentence_add(t->s, " gave up before the peer had answered.");
	} else if (e->state == TCPDIAG_SYN_SENT) {
		sentence_add(t->s, "The connection was refused by an ICMP message.");
	}
}

static void destroyed(const struct telling *t)
{
	sentence_add(t->s, "It has ended; how was not seen.");
}

void story_cause(const struct event *event, const struct story_person *holder,
		 const struct story_person *creator, struct sentence *s)
{
	static void (*const kinds[EVENT_KIND_MAX])(const struct telling *t) = {
		[EVENT_RESET_SENT] = reset_sent, [EVENT_RESET_RECEIVED] = reset_received,
		[EVENT_CLOSED] = closed,	 [EVENT_ORPHANED] = orphaned,
		[EVENT_TIMED_OUT] = timed_out,	 [EVENT_DESTROYED] = destroyed,
	};
	const struct telling telling = {
		.event = event,
		.socket = &event->socket,
		.holder = holder,
		.creator = creator,
		.s = s,
	};

	if (event->kind < EVENT_KIND_MAX && kinds[event->kind])
		kinds[event->kind](&telling);
}
