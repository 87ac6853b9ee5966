/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stories from hand-made sequences of events, as the kernel gives them: each way to die, one story.
 */
#include "autopsy_scene.h"

struct told {
	uint8_t kind, actor, state, reason, derived_reason;
	uint32_t unread, unsent, holder, creator, payload;
	bool closed_ago, orphan;
	uint8_t steps;
	int ago_ms;
};

#define RST(why, ...) \
	{ \
		.kind = EVENT_RESET_SENT, .reason = RESET_REASON_##why, __VA_ARGS__ \
	}

static const struct row {
	const char *name;
	struct piece pieces[PIECES];
	struct told stories[STORIES];
} rows[] = {
	{ "unread data",
	  { STATE(ESTABLISHED, CLOSE, .flags = R, .rqueue = 5),
	    SENT(CLOSE, ABORT_ON_CLOSE, .flags = R, .rqueue = 5), DESTROYED(.rqueue = 5) },
	  { RST(ABORT_ON_CLOSE, .actor = ACTOR_CLOSE, .state = TCPDIAG_ESTABLISHED, .unread = 5,
		.holder = ACTING, .steps = 1) } },
	{ "unread data, exit",
	  { STATE(CLOSE_WAIT, CLOSE, .flags = R | X | FIN, .rqueue = 5),
	    SENT(CLOSE, ABORT_ON_CLOSE, .flags = R | X, .rqueue = 5), DESTROYED(.rqueue = 5) },
	  { RST(ABORT_ON_CLOSE, .actor = ACTOR_EXIT, .state = TCPDIAG_CLOSE_WAIT, .unread = 5,
		.holder = ACTING, .steps = 1) } },
	{ "linger 0; the port goes before the end",
	  { STATE(ESTABLISHED, CLOSE, .flags = R, .linger_zero = true),
	    SENT(CLOSE, STATE, .flags = R, .linger_zero = true),
	    DESTROYED(.wqueue = 65485, .no_remote = true) },
	  { RST(STATE, .actor = ACTOR_CLOSE, .state = TCPDIAG_ESTABLISHED, .holder = ACTING,
		.steps = 1) } },
	{ "linger 0 in FIN_WAIT2, after a shutdown()",
	  { STATE(ESTABLISHED, FIN_WAIT1), STATE(FIN_WAIT1, FIN_WAIT2),
	    STATE(FIN_WAIT2, CLOSE, .flags = R, .linger_zero = true, .at_ms = 50),
	    SENT(CLOSE, STATE, .flags = R, .linger_zero = true, .at_ms = 50),
	    DESTROYED(.at_ms = 50) },
	  { RST(STATE, .actor = ACTOR_CLOSE, .state = TCPDIAG_FIN_WAIT2, .holder = ACTING,
		.steps = 3) } },
	{ "linger 0 in LAST_ACK, something unsent",
	  { STATE(ESTABLISHED, CLOSE_WAIT), STATE(CLOSE_WAIT, LAST_ACK),
	    STATE(LAST_ACK, CLOSE, .flags = R, .linger_zero = true, .wqueue = 4, .unsent = 4),
	    SENT(CLOSE, DISCONNECT_WITH_DATA, .flags = R, .linger_zero = true), DESTROYED() },
	  { RST(DISCONNECT_WITH_DATA, .actor = ACTOR_CLOSE, .state = TCPDIAG_LAST_ACK, .unsent = 3,
		.holder = ACTING, .steps = 3) } },
	{ "linger 0 in LAST_ACK, all sent: silence",
	  { STATE(ESTABLISHED, CLOSE_WAIT), STATE(CLOSE_WAIT, LAST_ACK),
	    STATE(LAST_ACK, CLOSE, .flags = R, .linger_zero = true), DESTROYED() },
	  { { .kind = EVENT_CLOSED,
	      .actor = ACTOR_SHUTDOWN,
	      .state = TCPDIAG_LAST_ACK,
	      .holder = ACTING,
	      .steps = 3,
	      .orphan = true } } },
	{ "linger2 below 0, close() in FIN_WAIT2",
	  { STATE(ESTABLISHED, FIN_WAIT1), STATE(FIN_WAIT1, FIN_WAIT2),
	    STATE(FIN_WAIT2, FIN_WAIT2, .flags = R, .linger2_negative = true, .at_ms = 50),
	    STATE(FIN_WAIT2, CLOSE, .flags = O, .linger2_negative = true, .at_ms = 50),
	    SENT(CLOSE, ABORT_ON_LINGER, .flags = O, .linger2_negative = true, .at_ms = 50),
	    DESTROYED(.at_ms = 50) },
	  { RST(ABORT_ON_LINGER, .actor = ACTOR_CLOSE, .state = TCPDIAG_FIN_WAIT2, .holder = ACTING,
		.steps = 4) } },
	{ "linger2 below 0, the FIN is acknowledged later",
	  { STATE(ESTABLISHED, FIN_WAIT1, .flags = R, .linger2_negative = true),
	    STATE(FIN_WAIT1, FIN_WAIT2, .flags = O, .linger2_negative = true, .at_ms = 50),
	    STATE(FIN_WAIT2, CLOSE, .flags = O, .linger2_negative = true, .at_ms = 50),
	    DESTROYED(.linger2_negative = true, .at_ms = 50),
	    SENT(CLOSE, ABORT_ON_DATA, .flags = O | P, .linger2_negative = true, .at_ms = 50) },
	  { RST(ABORT_ON_DATA, .actor = ACTOR_CLOSE, .state = TCPDIAG_FIN_WAIT2, .holder = ACTING,
		.closed_ago = true, .ago_ms = 50, .orphan = true, .steps = 3) } },
	{ "a FIN and then a RST: too many orphans",
	  { STATE(ESTABLISHED, FIN_WAIT1, .flags = R), STATE(FIN_WAIT1, CLOSE, .flags = O),
	    SENT(CLOSE, ABORT_ON_MEMORY, .flags = O), DESTROYED() },
	  { RST(ABORT_ON_MEMORY, .actor = ACTOR_CLOSE, .state = TCPDIAG_FIN_WAIT1, .holder = ACTING,
		.steps = 2) } },
	{ "an orphan that probes when memory is out",
	  { STATE(ESTABLISHED, FIN_WAIT1, .flags = R),
	    SENT(FIN_WAIT1, ABORT_ON_MEMORY, .flags = O, .at_ms = 2000),
	    STATE(FIN_WAIT1, CLOSE, .flags = O, .at_ms = 2000), DESTROYED(.at_ms = 2000) },
	  { RST(ABORT_ON_MEMORY, .actor = ACTOR_KERNEL, .state = TCPDIAG_FIN_WAIT1,
		.creator = ACTING, .closed_ago = true, .ago_ms = 2000, .orphan = true,
		.steps = 2) } },
	{ "FIN_WAIT2's timer",
	  { STATE(ESTABLISHED, FIN_WAIT1, .flags = R), STATE(FIN_WAIT1, FIN_WAIT2, .flags = O),
	    SENT(FIN_WAIT2, STATE, .flags = O, .at_ms = 2000),
	    STATE(FIN_WAIT2, CLOSE, .flags = O, .at_ms = 2000), DESTROYED(.at_ms = 2000) },
	  { RST(STATE, .actor = ACTOR_TIMER, .state = TCPDIAG_FIN_WAIT2, .creator = ACTING,
		.closed_ago = true, .ago_ms = 2000, .orphan = true, .steps = 3) } },
	{ "a listener's end",
	  { STATE(ESTABLISHED, CLOSE, .flags = U, .rqueue = 2),
	    SENT(CLOSE, STATE, .flags = U, .rqueue = 2),
	    DESTROYED(.wqueue = 65538, .no_remote = true) },
	  { RST(STATE, .actor = ACTOR_LISTENER_CLOSE, .state = TCPDIAG_ESTABLISHED, .unread = 2,
		.holder = ACTING, .steps = 1) } },
	{ "a listener's end, exit",
	  { STATE(CLOSE_WAIT, CLOSE, .flags = U | X), SENT(CLOSE, STATE, .flags = U | X),
	    DESTROYED(.no_remote = true) },
	  { RST(STATE, .actor = ACTOR_LISTENER_CLOSE, .state = TCPDIAG_CLOSE_WAIT, .holder = ACTING,
		.steps = 1) } },
	{ "connect() with AF_UNSPEC",
	  { STATE(ESTABLISHED, CLOSE), SENT(CLOSE, STATE),
	    DESTROYED(.at_ms = 5000, .no_remote = true) },
	  { RST(STATE, .actor = ACTOR_SHUTDOWN, .state = TCPDIAG_ESTABLISHED, .holder = ACTING,
		.steps = 1) } },
	{ "late data, an orphan: destroyed before the RST",
	  { STATE(ESTABLISHED, FIN_WAIT1, .flags = R), RECEIVED(FIN_WAIT1, .flags = O, .at_ms = 3),
	    STATE(FIN_WAIT1, CLOSE, .flags = O, .err = EPIPE, .at_ms = 3), DESTROYED(.at_ms = 3),
	    SENT(CLOSE, ABORT_ON_DATA, .flags = O | P, .payload = 9, .segment = TH_ACK,
		 .at_ms = 3) },
	  { RST(ABORT_ON_DATA, .actor = ACTOR_KERNEL, .state = TCPDIAG_FIN_WAIT1, .creator = ACTING,
		.payload = 9, .closed_ago = true, .ago_ms = 3, .orphan = true, .steps = 2) } },
	{ "late data after shutdown(), still held",
	  { STATE(ESTABLISHED, FIN_WAIT1), RECEIVED(FIN_WAIT1, .at_ms = 3),
	    STATE(FIN_WAIT1, CLOSE, .at_ms = 3),
	    SENT(CLOSE, ABORT_ON_DATA, .flags = P, .payload = 9, .at_ms = 3),
	    DESTROYED(.at_ms = 9000) },
	  { RST(ABORT_ON_DATA, .actor = ACTOR_KERNEL, .state = TCPDIAG_FIN_WAIT1, .payload = 9,
		.closed_ago = true, .ago_ms = 3, .steps = 2) } },
	{ "late data for a minisocket",
	  { STATE(ESTABLISHED, FIN_WAIT1, .flags = R), STATE(FIN_WAIT1, FIN_WAIT2, .flags = O),
	    STATE(FIN_WAIT2, CLOSE, .flags = O), DESTROYED(),
	    SENT(TIME_WAIT, TIMEWAIT_SOCKET, .flags = TW | P, .payload = 4, .at_ms = 300) },
	  { { .kind = EVENT_CLOSED,
	      .actor = ACTOR_CLOSE,
	      .state = TCPDIAG_FIN_WAIT2,
	      .holder = ACTING,
	      .orphan = true,
	      .steps = 3 },
	    RST(TIMEWAIT_SOCKET, .actor = ACTOR_KERNEL, .state = TCPDIAG_TIME_WAIT,
		.creator = ACTING, .payload = 4, .closed_ago = true, .ago_ms = 300) } },
	{ "late data for nobody",
	  { STATE(ESTABLISHED, CLOSE, .flags = R, .linger_zero = true),
	    SENT(CLOSE, STATE, .flags = R, .linger_zero = true), DESTROYED(.no_remote = true),
	    SENT(STATE_NONE, NO_SOCKET, .flags = NS | P, .payload = 4, .segment = TH_ACK,
		 .at_ms = 40) },
	  { RST(STATE, .actor = ACTOR_CLOSE, .state = TCPDIAG_ESTABLISHED, .holder = ACTING,
		.steps = 1),
	    RST(NO_SOCKET, .actor = ACTOR_KERNEL, .creator = ACTING, .payload = 4,
		.closed_ago = true, .ago_ms = 40) } },
	{ "a refused SYN",
	  { SENT(STATE_NONE, NO_SOCKET, .flags = NS | P, .segment = TH_SYN) },
	  { RST(NO_SOCKET_SYN, .actor = ACTOR_KERNEL) } },
	{ "a segment for nobody",
	  { SENT(STATE_NONE, NO_SOCKET, .flags = NS | P, .segment = TH_ACK, .payload = 3) },
	  { RST(NO_SOCKET, .actor = ACTOR_KERNEL, .payload = 3) } },
	{ "a SYN,ACK for a number that was not sent; then the program gives up",
	  { SENT(SYN_SENT, INVALID_ACK_SEQUENCE, .flags = P, .segment = TH_SYN | TH_ACK),
	    STATE(SYN_SENT, CLOSE, .flags = R, .at_ms = 50), DESTROYED(.at_ms = 50) },
	  { RST(INVALID_ACK_SEQUENCE, .derived_reason = RESET_REASON_NOT_SPECIFIED,
		.actor = ACTOR_KERNEL, .state = TCPDIAG_SYN_SENT),
	    { .kind = EVENT_CLOSED,
	      .actor = ACTOR_CLOSE,
	      .state = TCPDIAG_SYN_SENT,
	      .holder = ACTING,
	      .steps = 1,
	      .orphan = true } } },
	{ "SOCK_DESTROY",
	  { SENT(ESTABLISHED, STATE, .err = ECONNABORTED),
	    STATE(ESTABLISHED, CLOSE, .err = ECONNABORTED), DESTROYED(.at_ms = 4000) },
	  { RST(STATE, .actor = ACTOR_KERNEL, .state = TCPDIAG_ESTABLISHED, .steps = 1) } },
	{ "keepalive",
	  { SENT(ESTABLISHED, KEEPALIVE_TIMEOUT), STATE(ESTABLISHED, CLOSE, .err = ETIMEDOUT),
	    DESTROYED(.at_ms = 4000) },
	  { RST(KEEPALIVE_TIMEOUT, .derived_reason = RESET_REASON_NOT_SPECIFIED,
		.actor = ACTOR_TIMER, .state = TCPDIAG_ESTABLISHED, .steps = 1) } },
	{ "no answer to what was written",
	  { STATE(ESTABLISHED, CLOSE, .err = ETIMEDOUT, .wqueue = 5), DESTROYED(.at_ms = 4000) },
	  { { .kind = EVENT_TIMED_OUT,
	      .actor = ACTOR_TIMER,
	      .state = TCPDIAG_ESTABLISHED,
	      .steps = 1 } } },
	{ "no answer to a SYN",
	  { STATE(SYN_SENT, CLOSE, .err = ETIMEDOUT), DESTROYED(.at_ms = 4000) },
	  { { .kind = EVENT_TIMED_OUT,
	      .actor = ACTOR_TIMER,
	      .state = TCPDIAG_SYN_SENT,
	      .steps = 1 } } },
	{ "an orphan that nobody answers",
	  { STATE(ESTABLISHED, FIN_WAIT1, .flags = R, .wqueue = 5),
	    STATE(FIN_WAIT1, CLOSE, .flags = O, .err = ETIMEDOUT, .wqueue = 6, .unsent = 6,
		  .at_ms = 900),
	    DESTROYED(.at_ms = 900) },
	  { { .kind = EVENT_TIMED_OUT,
	      .actor = ACTOR_TIMER,
	      .state = TCPDIAG_FIN_WAIT1,
	      .unsent = 5,
	      .creator = ACTING,
	      .closed_ago = true,
	      .ago_ms = 900,
	      .orphan = true,
	      .steps = 2 } } },
	{ "an orphan that a soft error ends",
	  { STATE(CLOSE_WAIT, LAST_ACK, .flags = R),
	    STATE(LAST_ACK, CLOSE, .flags = O, .err = EHOSTUNREACH, .at_ms = 900),
	    DESTROYED(.at_ms = 900) },
	  { { .kind = EVENT_TIMED_OUT,
	      .actor = ACTOR_TIMER,
	      .state = TCPDIAG_LAST_ACK,
	      .creator = ACTING,
	      .closed_ago = true,
	      .ago_ms = 900,
	      .orphan = true,
	      .steps = 2 } } },
	{ "an ICMP message to a SYN",
	  { STATE(SYN_SENT, CLOSE, .err = ECONNREFUSED), DESTROYED(.at_ms = 400) },
	  { { .kind = EVENT_CLOSED,
	      .actor = ACTOR_PEER,
	      .state = TCPDIAG_SYN_SENT,
	      .steps = 1 } } },
	{ "the peer's RST",
	  { RECEIVED(ESTABLISHED, .rqueue = 5), STATE(ESTABLISHED, CLOSE, .rqueue = 5),
	    DESTROYED(.at_ms = 70000) },
	  { { .kind = EVENT_RESET_RECEIVED,
	      .actor = ACTOR_PEER,
	      .state = TCPDIAG_ESTABLISHED,
	      .unread = 5,
	      .steps = 1 } } },
	{ "a refused connection",
	  { RECEIVED(SYN_SENT), STATE(SYN_SENT, CLOSE, .err = ECONNREFUSED), DESTROYED() },
	  { { .kind = EVENT_RESET_RECEIVED,
	      .actor = ACTOR_PEER,
	      .state = TCPDIAG_SYN_SENT,
	      .steps = 1 } } },
	{ "the peer's RST, an orphan",
	  { STATE(ESTABLISHED, FIN_WAIT1, .flags = R), RECEIVED(FIN_WAIT1, .flags = O, .at_ms = 8),
	    STATE(FIN_WAIT1, CLOSE, .flags = O, .at_ms = 8), DESTROYED(.at_ms = 8) },
	  { { .kind = EVENT_RESET_RECEIVED,
	      .actor = ACTOR_PEER,
	      .state = TCPDIAG_FIN_WAIT1,
	      .creator = ACTING,
	      .closed_ago = true,
	      .ago_ms = 8,
	      .orphan = true,
	      .steps = 2 } } },
	{ "the peer's RST while the last process is ending",
	  { RECEIVED(ESTABLISHED, .flags = R | X), STATE(ESTABLISHED, CLOSE, .flags = R | X),
	    DESTROYED() },
	  { { .kind = EVENT_RESET_RECEIVED,
	      .actor = ACTOR_PEER,
	      .state = TCPDIAG_ESTABLISHED,
	      .steps = 1 } } },
	{ "ours first",
	  { STATE(ESTABLISHED, FIN_WAIT1, .flags = R), STATE(FIN_WAIT1, FIN_WAIT2, .flags = O),
	    STATE(FIN_WAIT2, CLOSE, .flags = O), DESTROYED() },
	  { { .kind = EVENT_CLOSED,
	      .actor = ACTOR_CLOSE,
	      .state = TCPDIAG_FIN_WAIT2,
	      .holder = ACTING,
	      .orphan = true,
	      .steps = 3 } } },
	{ "theirs first, exit",
	  { STATE(ESTABLISHED, CLOSE_WAIT), STATE(CLOSE_WAIT, LAST_ACK, .flags = R | X),
	    STATE(LAST_ACK, CLOSE, .flags = O), DESTROYED() },
	  { { .kind = EVENT_CLOSED,
	      .actor = ACTOR_EXIT,
	      .state = TCPDIAG_LAST_ACK,
	      .holder = ACTING,
	      .orphan = true,
	      .steps = 3 } } },
	{ "both at once",
	  { STATE(ESTABLISHED, FIN_WAIT1, .flags = R), STATE(FIN_WAIT1, CLOSING, .flags = O),
	    STATE(CLOSING, CLOSE, .flags = O), DESTROYED() },
	  { { .kind = EVENT_CLOSED,
	      .actor = ACTOR_CLOSE,
	      .state = TCPDIAG_CLOSING,
	      .holder = ACTING,
	      .orphan = true,
	      .steps = 3 } } },
	{ "shutdown(), then the peer, then close()",
	  { STATE(ESTABLISHED, FIN_WAIT1), STATE(FIN_WAIT1, FIN_WAIT2),
	    STATE(FIN_WAIT2, CLOSE, .flags = FIN, .rqueue = 0), DESTROYED(.at_ms = 600) },
	  { { .kind = EVENT_CLOSED,
	      .actor = ACTOR_SHUTDOWN,
	      .state = TCPDIAG_FIN_WAIT2,
	      .holder = ACTING,
	      .steps = 3 } } },
	{ "TIME_WAIT with data that nobody has read",
	  { STATE(ESTABLISHED, FIN_WAIT1), STATE(FIN_WAIT1, FIN_WAIT2),
	    STATE(FIN_WAIT2, CLOSE, .rqueue = 6), DESTROYED(.at_ms = 600, .rqueue = 6) },
	  { { .kind = EVENT_CLOSED,
	      .actor = ACTOR_SHUTDOWN,
	      .state = TCPDIAG_FIN_WAIT2,
	      .holder = ACTING,
	      .unread = 6,
	      .steps = 3 } } },
	{ "a lingering close(), acknowledged while it waits",
	  { STATE(CLOSE_WAIT, LAST_ACK, .flags = R), STATE(LAST_ACK, CLOSE, .flags = R, .at_ms = 9),
	    DESTROYED(.at_ms = 9) },
	  { { .kind = EVENT_CLOSED,
	      .actor = ACTOR_CLOSE,
	      .state = TCPDIAG_LAST_ACK,
	      .holder = ACTING,
	      .orphan = true,
	      .steps = 2 } } },
	{ "TCP_REPAIR: silence",
	  { STATE(ESTABLISHED, CLOSE, .flags = R, .rqueue = 5, .repair = true),
	    DESTROYED(.no_remote = true) },
	  { { .kind = EVENT_CLOSED,
	      .actor = ACTOR_CLOSE,
	      .state = TCPDIAG_ESTABLISHED,
	      .holder = ACTING,
	      .orphan = true,
	      .steps = 1 } } },
	{ "an attempt that is given up",
	  { STATE(SYN_SENT, CLOSE, .flags = R | X), DESTROYED() },
	  { { .kind = EVENT_CLOSED,
	      .actor = ACTOR_EXIT,
	      .state = TCPDIAG_SYN_SENT,
	      .holder = ACTING,
	      .orphan = true,
	      .steps = 1 } } },
	{ "the change to CLOSE was lost",
	  { STATE(ESTABLISHED, CLOSE_WAIT), DESTROYED(.flags = LOST) },
	  { { .kind = EVENT_DESTROYED, .state = TCPDIAG_ESTABLISHED, .steps = 1 } } },
	{ "everything but the end was lost",
	  { DESTROYED(.flags = LOST) },
	  { { .kind = EVENT_DESTROYED, .state = TCPDIAG_CLOSE } } },
	{ "all but the RST was lost",
	  { SENT(CLOSE, ABORT_ON_CLOSE, .flags = R | LOST, .rqueue = 5), DESTROYED() },
	  { RST(ABORT_ON_CLOSE, .actor = ACTOR_CLOSE, .state = TCPDIAG_CLOSE, .unread = 5) } },
	{ "a listener", { STATE(LISTEN, CLOSE, .flags = R), DESTROYED(.no_remote = true) }, {} },
	{ "an unbound one", { DESTROYED(.no_remote = true) }, {} },
	{ "one that was dead before anybody looked", { DESTROYED() }, {} },
	{ "its process is killed with both ends: the other's FIN comes before its own close()",
	  { STATE(ESTABLISHED, FIN_WAIT1), STATE(FIN_WAIT1, FIN_WAIT2),
	    STATE(FIN_WAIT2, CLOSE, .flags = R | X | BH | FIN, .rqueue = 5), DESTROYED() },
	  { { .kind = EVENT_CLOSED,
	      .actor = ACTOR_SHUTDOWN,
	      .state = TCPDIAG_FIN_WAIT2,
	      .holder = ACTING,
	      .steps = 3 } } },
};

static void check(const char *name, const struct event *event, const struct told *expected,
		  bool derive)
{
	const struct event_socket *s = &event->socket;
	uint8_t reason = derive && expected->derived_reason ? expected->derived_reason
							    : expected->reason;

	ck_assert_msg(event->kind == expected->kind, "%s: %s, not %s", name,
		      event_kind_name(event->kind), event_kind_name(expected->kind));
	ck_assert_msg(event->actor == expected->actor, "%s: by %s, not %s", name,
		      event_actor_name(event->actor), event_actor_name(expected->actor));
	ck_assert_msg(s->reason == reason, "%s: %s, not %s", name, reset_reason_name(s->reason),
		      reset_reason_name(reason));
	ck_assert_msg(s->state == expected->state, "%s: in %s", name, tcpdiag_state_name(s->state));
	ck_assert_msg(s->unread_bytes == expected->unread, "%s: %u unread", name, s->unread_bytes);
	ck_assert_msg(s->unsent_bytes == expected->unsent, "%s: %u unsent", name, s->unsent_bytes);
	ck_assert_msg(s->holder == expected->holder, "%s: held by %u", name, s->holder);
	ck_assert_msg(s->creator == expected->creator, "%s: left by %u", name, s->creator);
	ck_assert_msg(s->payload == expected->payload, "%s: payload %u", name, s->payload);
	ck_assert_msg(s->step_count == expected->steps, "%s: %u steps", name, s->step_count);
	ck_assert_msg(!!(s->known & EVENT_KNOWS_CLOSED_AGO) == expected->closed_ago,
		      "%s: closed ago", name);
	ck_assert_msg(s->closed_ago_ms == expected->ago_ms, "%s: closed %lld ms ago", name,
		      (long long)s->closed_ago_ms);
	ck_assert_msg(!!(s->known & EVENT_KNOWS_ORPHAN_LIFE) == expected->orphan, "%s: orphan",
		      name);
	if (event->kind == EVENT_RESET_SENT)
		ck_assert_msg(!!(s->flags & EVENT_DERIVED) == derive, "%s: derived", name);
	ck_assert_int_eq(event->wall_ns - event->when_ns, 1000);
	ck_assert_uint_eq(s->remote_port, 50000);
}

static void run(const struct row *row, bool derive)
{
	unsigned int expected = 0, i;

	open_with(64, derive);
	for (i = 0; i < PIECES && (row->pieces[i].state || row->pieces[i].flags); i++)
		take(&row->pieces[i], derive);
	settle(100000);
	while (expected < STORIES && row->stories[expected].kind)
		expected++;
	ck_assert_msg(told_count == expected, "%s: %u stories, not %u", row->name, told_count,
		      expected);
	for (i = 0; i < expected; i++)
		check(row->name, &told[i], &row->stories[i], derive);
	ck_assert_uint_eq(again_count, 0);
	ck_assert_uint_eq(autopsy_cut(autopsy), 0);
}

START_TEST(one_story)
{
	run(&rows[_i], false);
	run(&rows[_i], true);
}
END_TEST

/* The same with a drain after each piece: nothing is told before its time, and nothing twice. */
START_TEST(drained_in_between)
{
	const struct row *row = &rows[_i];
	unsigned int whole, i;

	run(row, false);
	whole = told_count;
	open_with(64, false);
	for (i = 0; i < PIECES && (row->pieces[i].state || row->pieces[i].flags); i++) {
		take(&row->pieces[i], false);
		settle(row->pieces[i].at_ms + 1);
	}
	settle(100000);
	ck_assert_msg(told_count == whole, "%s: %u stories, not %u", row->name, told_count, whole);
	ck_assert_uint_eq(autopsy_open(autopsy), 0);
}
END_TEST

/* What our side did, for the audit. */
START_TEST(operations_of_ours)
{
	static const struct {
		int row;
		struct {
			uint8_t operation, segment, state;
		} seen[2];
	} expected[] = {
		{ 0, { { TCPDIAG_OP_CLOSE, TCPDIAG_SEGMENT_RST, TCPDIAG_CLOSE } } },
		{ 1, { { TCPDIAG_OP_EXIT, TCPDIAG_SEGMENT_RST, TCPDIAG_CLOSE } } },
		{ 3,
		  { { TCPDIAG_OP_SHUTDOWN_WRITE, TCPDIAG_SEGMENT_FIN, TCPDIAG_FIN_WAIT1 },
		    { TCPDIAG_OP_CLOSE, TCPDIAG_SEGMENT_RST, TCPDIAG_CLOSE } } },
		{ 6,
		  { { TCPDIAG_OP_SHUTDOWN_WRITE, TCPDIAG_SEGMENT_FIN, TCPDIAG_FIN_WAIT1 },
		    { TCPDIAG_OP_CLOSE, TCPDIAG_SEGMENT_RST, TCPDIAG_CLOSE } } },
		{ 8, { { TCPDIAG_OP_CLOSE, TCPDIAG_SEGMENT_RST, TCPDIAG_CLOSE } } },
		{ 11, { { TCPDIAG_OP_LISTENER_CLOSE, TCPDIAG_SEGMENT_RST, TCPDIAG_CLOSE } } },
	};
	unsigned int i;

	run(&rows[expected[_i].row], false);
	for (i = 0; i < 2 && expected[_i].seen[i].state; i++) {
		ck_assert_uint_lt(i, operated_count);
		ck_assert_int_eq(operations[i].operation, expected[_i].seen[i].operation);
		ck_assert_int_eq(operations[i].segment, expected[_i].seen[i].segment);
		ck_assert_int_eq(operations[i].state, expected[_i].seen[i].state);
		ck_assert(operations[i].complete);
	}
	ck_assert_uint_eq(operated_count, i);
	ck_assert(told[0].socket.known & EVENT_KNOWS_PREDICTED);
	ck_assert_int_eq(told[0].socket.predicted_operation, operations[i - 1].operation);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("autopsy");
	TCase *tests = tcase_create("stories");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, one_story, 0, ARRAY_SIZE(rows));
	tcase_add_loop_test(tests, drained_in_between, 0, ARRAY_SIZE(rows));
	tcase_add_loop_test(tests, operations_of_ours, 0, 6);
	suite_add_tcase(s, tests);
	return s;
}
