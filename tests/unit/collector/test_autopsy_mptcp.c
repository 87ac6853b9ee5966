/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections of MPTCP sockets, by the events that Linux 6.18 gives of them and of the socket above: each has one story,
 * which names who has closed that socket.
 */
#include <errno.h>

#include "../harness.h"
#include "collector/autopsy.h"
#include "model/macro.h"

#define BEGIN (100 * NSEC_PER_SEC)
#define PROCESS 7
#define WORKER 99
#define PIECES 8

enum who { ABOVE = 1, FLOW, SECOND };

enum how {
	R = 1, /* released */
	O = 2, /* orphaned */
	U = 4, /* unaccepted */
	OWNED = 8,
	X = 16, /* exiting */
	W = 32, /* the worker runs */
	LATE = 64, /* the kernel does not call it a subflow any more */
};

struct piece {
	uint8_t who, kind, old, state, how, reason;
	int at_ms;
	uint16_t err;
};

#define STATE(who_, from, to, how_, ...) \
	{ \
		.who = who_, .kind = SOCKET_EVENT_STATE, .old = TCPDIAG_##from, \
		.state = TCPDIAG_##to, .how = how_, __VA_ARGS__ \
	}
#define SENT(who_, in, how_, why, ...) \
	{ \
		.who = who_, .kind = SOCKET_EVENT_RESET_SENT, .state = TCPDIAG_##in, .how = how_, \
		.reason = RESET_REASON_##why, __VA_ARGS__ \
	}
#define RECEIVED(who_, in, ...) \
	{ \
		.who = who_, .kind = SOCKET_EVENT_RESET_RECEIVED, .state = TCPDIAG_##in, \
		__VA_ARGS__ \
	}
#define DESTROYED(who_, ...) \
	{ \
		.who = who_, .kind = SOCKET_EVENT_DESTROYED, .state = TCPDIAG_CLOSE, .how = R | O, \
		__VA_ARGS__ \
	}

static const struct {
	const char *name;
	struct piece pieces[PIECES];
	uint8_t kind, actor, state;
	uint32_t holder, creator;
	bool orphan, closed_ago;
} rows[] = {
	{ .name = "closed first",
	  .pieces = { STATE(ABOVE, ESTABLISHED, FIN_WAIT1, R | OWNED),
		      STATE(ABOVE, FIN_WAIT1, FIN_WAIT2, R | O | OWNED | W),
		      STATE(FLOW, ESTABLISHED, FIN_WAIT1, U | W, .at_ms = 300),
		      STATE(ABOVE, FIN_WAIT2, CLOSE, R | O | OWNED | W, .at_ms = 300),
		      STATE(FLOW, FIN_WAIT1, FIN_WAIT1, U | OWNED | W, .at_ms = 300),
		      STATE(FLOW, FIN_WAIT1, FIN_WAIT2, R | O | W, .at_ms = 300),
		      STATE(FLOW, FIN_WAIT2, CLOSE, R | O | W, .at_ms = 300),
		      DESTROYED(FLOW, .at_ms = 300) },
	  .kind = EVENT_CLOSED,
	  .actor = ACTOR_CLOSE,
	  .state = TCPDIAG_FIN_WAIT2,
	  .holder = PROCESS,
	  .orphan = true },
	{ .name = "closed second; the last ACK is nobody's doing",
	  .pieces = { STATE(ABOVE, ESTABLISHED, CLOSE_WAIT, OWNED | W),
		      STATE(ABOVE, CLOSE_WAIT, LAST_ACK, R | OWNED, .at_ms = 300),
		      STATE(FLOW, ESTABLISHED, CLOSE_WAIT, U | W, .at_ms = 300),
		      STATE(FLOW, CLOSE_WAIT, LAST_ACK, U | W, .at_ms = 300),
		      STATE(FLOW, LAST_ACK, CLOSE, U | W, .at_ms = 300),
		      DESTROYED(FLOW, .at_ms = 300) },
	  .kind = EVENT_CLOSED,
	  .actor = ACTOR_CLOSE,
	  .state = TCPDIAG_LAST_ACK,
	  .holder = PROCESS,
	  .orphan = true },
	{ .name = "shut down",
	  .pieces = { STATE(ABOVE, ESTABLISHED, FIN_WAIT1, OWNED),
		      STATE(ABOVE, FIN_WAIT1, FIN_WAIT2, OWNED | W),
		      STATE(FLOW, ESTABLISHED, FIN_WAIT1, W, .at_ms = 200),
		      STATE(FLOW, FIN_WAIT1, FIN_WAIT2, W, .at_ms = 200),
		      STATE(FLOW, FIN_WAIT2, CLOSE, W, .at_ms = 200),
		      DESTROYED(FLOW, .at_ms = 400) },
	  .kind = EVENT_CLOSED,
	  .actor = ACTOR_SHUTDOWN,
	  .state = TCPDIAG_FIN_WAIT2,
	  .holder = PROCESS },
	{ .name = "unread data",
	  .pieces = { STATE(ABOVE, ESTABLISHED, CLOSE, R | OWNED),
		      SENT(FLOW, ESTABLISHED, R | OWNED, ABORT_ON_CLOSE),
		      STATE(FLOW, ESTABLISHED, CLOSE, U | OWNED), DESTROYED(FLOW) },
	  .kind = EVENT_RESET_SENT,
	  .actor = ACTOR_CLOSE,
	  .state = TCPDIAG_ESTABLISHED,
	  .holder = PROCESS },
	{ .name = "unread data, exit",
	  .pieces = { STATE(ABOVE, ESTABLISHED, CLOSE, R | OWNED | X),
		      SENT(FLOW, ESTABLISHED, R | OWNED | X, ABORT_ON_CLOSE),
		      STATE(FLOW, ESTABLISHED, CLOSE, U | OWNED | X), DESTROYED(FLOW) },
	  .kind = EVENT_RESET_SENT,
	  .actor = ACTOR_EXIT,
	  .state = TCPDIAG_ESTABLISHED,
	  .holder = PROCESS },
	{ .name = "a listener's end: the second RST is none",
	  .pieces = { STATE(ABOVE, ESTABLISHED, CLOSE, R | O | OWNED),
		      SENT(FLOW, ESTABLISHED, U | OWNED, ABORT_ON_CLOSE),
		      STATE(FLOW, ESTABLISHED, CLOSE, U | LATE),
		      SENT(FLOW, CLOSE, U | LATE, DISCONNECT_WITH_DATA),
		      { .who = FLOW,
			.kind = SOCKET_EVENT_DESTROYED,
			.state = TCPDIAG_CLOSE,
			.how = R | O | LATE } },
	  .kind = EVENT_RESET_SENT,
	  .actor = ACTOR_LISTENER_CLOSE,
	  .state = TCPDIAG_ESTABLISHED,
	  .holder = PROCESS },
	{ .name = "the peer's RST; the socket above follows",
	  .pieces = { RECEIVED(FLOW, ESTABLISHED),
		      STATE(FLOW, ESTABLISHED, CLOSE, 0, .err = ECONNRESET),
		      STATE(ABOVE, ESTABLISHED, CLOSE, OWNED | W, .err = ECONNRESET),
		      DESTROYED(FLOW, .at_ms = 50) },
	  .kind = EVENT_RESET_RECEIVED,
	  .actor = ACTOR_PEER,
	  .state = TCPDIAG_ESTABLISHED },
	{ .name = "given up by the worker, a while after the close",
	  .pieces = { STATE(ABOVE, ESTABLISHED, FIN_WAIT1, R | OWNED),
		      SENT(FLOW, ESTABLISHED, R | O | OWNED | W, ABORT_ON_CLOSE, .at_ms = 30000),
		      STATE(FLOW, ESTABLISHED, CLOSE, R | O | OWNED | W, .at_ms = 30000),
		      DESTROYED(FLOW, .at_ms = 30000) },
	  .kind = EVENT_RESET_SENT,
	  .actor = ACTOR_KERNEL,
	  .state = TCPDIAG_ESTABLISHED,
	  .creator = PROCESS,
	  .orphan = true,
	  .closed_ago = true },
	{ .name = "another connection of it: nobody knows whose",
	  .pieces = { STATE(ABOVE, ESTABLISHED, FIN_WAIT1, R | OWNED),
		      STATE(SECOND, ESTABLISHED, FIN_WAIT1, U | W, .at_ms = 300),
		      STATE(SECOND, FIN_WAIT1, FIN_WAIT2, R | O | W, .at_ms = 300),
		      STATE(SECOND, FIN_WAIT2, CLOSE, R | O | W, .at_ms = 300),
		      DESTROYED(SECOND, .at_ms = 300) },
	  .kind = EVENT_CLOSED,
	  .state = TCPDIAG_FIN_WAIT2 },
	{ .name = "closed too long ago to be the cause",
	  .pieces = { STATE(ABOVE, ESTABLISHED, FIN_WAIT1, R | OWNED),
		      STATE(FLOW, ESTABLISHED, FIN_WAIT1, U | W, .at_ms = 61000),
		      STATE(FLOW, FIN_WAIT1, FIN_WAIT2, R | O | W, .at_ms = 61000),
		      STATE(FLOW, FIN_WAIT2, CLOSE, R | O | W, .at_ms = 61000),
		      DESTROYED(FLOW, .at_ms = 61000) },
	  .kind = EVENT_CLOSED,
	  .state = TCPDIAG_FIN_WAIT2 },
};

static struct event told[4];
static unsigned int told_count;

static void tell(void *context, struct event *event)
{
	(void)context;
	ck_assert_uint_lt(told_count, ARRAY_SIZE(told));
	told[told_count++] = *event;
}

static uint32_t process(void *context, const struct socket_event *event)
{
	(void)context;
	return (uint32_t)event->pid;
}

static void operated(void *context, const struct autopsy_operation *operation,
		     struct event_socket *socket)
{
	(void)context;
	(void)socket;
	/* What is done is done to the socket above: of its connections there is nothing to ask the oracle about. */
	ck_assert(operation->sk.mptcp);
	ck_assert(!operation->sk.mptcp_subflow);
}

static struct socket_event event_of(const struct piece *piece)
{
	const bool above = piece->who == ABOVE;

	return (struct socket_event){
		.kind = piece->kind,
		.when_ns = BEGIN + piece->at_ms * NSEC_PER_MSEC,
		.old_state = piece->old,
		.reason = piece->reason,
		.has_socket = true,
		.released = piece->how & R,
		.orphaned = piece->how & O,
		.unaccepted = piece->how & U,
		.owned = piece->how & OWNED,
		.exiting = piece->how & X,
		.pid = piece->how & W ? WORKER : PROCESS,
		.idle_ms = 12,
		.sk = {
			.netns = 5,
			.cookie = 70U + piece->who,
			.state = piece->state,
			.kind = TCPDIAG_KIND_FULL,
			.mptcp = above,
			.mptcp_subflow = !above && !(piece->how & LATE),
			.known = TCPDIAG_KNOWS_ERROR | TCPDIAG_KNOWS_BYTES | TCPDIAG_KNOWS_NOTSENT,
			.sk_err = piece->err,
			.local_port = piece->who == SECOND ? 444 : 443,
			.remote_port = 50000,
			.remote = { 10, 11, 12 },
		},
	};
}

START_TEST(one_story)
{
	const struct autopsy_calls calls = { .process = process,
					     .tell = tell,
					     .operated = operated };
	const struct autopsy_limits limits = { .open = 16,
					       .closed = 128,
					       .orphan_ns = 100 * NSEC_PER_SEC };
	struct autopsy *autopsy = NULL;
	const struct event_socket *s;

	told_count = 0;
	ck_assert_int_eq(autopsy_new(&calls, &limits, &autopsy), 0);
	for (int i = 0; i < PIECES && rows[_i].pieces[i].who; i++) {
		struct socket_event event = event_of(&rows[_i].pieces[i]);

		autopsy_take(autopsy, &event, false);
	}
	autopsy_settle(autopsy, BEGIN + 90 * NSEC_PER_SEC, BEGIN + 90 * NSEC_PER_SEC);
	ck_assert_msg(told_count == 1, "%s: %u stories", rows[_i].name, told_count);
	s = &told[0].socket;
	ck_assert_msg(told[0].kind == rows[_i].kind, "%s: %s", rows[_i].name,
		      event_kind_name(told[0].kind));
	ck_assert_msg(told[0].actor == rows[_i].actor, "%s: by %s", rows[_i].name,
		      event_actor_name(told[0].actor));
	ck_assert_msg(s->state == rows[_i].state, "%s: in %s", rows[_i].name,
		      tcpdiag_state_name(s->state));
	ck_assert_msg(s->holder == rows[_i].holder, "%s: held by %u", rows[_i].name, s->holder);
	ck_assert_msg(s->creator == rows[_i].creator, "%s: left by %u", rows[_i].name, s->creator);
	ck_assert_int_eq(!!(s->known & EVENT_KNOWS_ORPHAN_LIFE), rows[_i].orphan);
	ck_assert_int_eq(!!(s->known & EVENT_KNOWS_CLOSED_AGO), rows[_i].closed_ago);
	ck_assert(s->flags & EVENT_SUBFLOW);
	if (told[0].kind == EVENT_RESET_SENT)
		ck_assert_int_eq(s->reason, RESET_REASON_ABORT_ON_CLOSE);
	ck_assert_uint_eq(autopsy_open(autopsy), 0);
	autopsy_free(autopsy);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("autopsy, MPTCP");
	TCase *tests = tcase_create("stories");

	tcase_add_loop_test(tests, one_story, 0, ARRAY_SIZE(rows));
	suite_add_tcase(s, tests);
	return s;
}
