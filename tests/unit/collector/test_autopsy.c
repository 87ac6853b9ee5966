/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stories from hand-made sequences of events, as the kernel gives them: each way to die, one story.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

#include "../harness.h"
#include "collector/autopsy.h"
#include "model/macro.h"
#include "model/record.h"

#define MS NSEC_PER_MSEC
#define ACTING 7 /* pid of who closes */
#define INTERRUPTED 99 /* of whoever was running when a segment came */
#define PIECES 8
#define STORIES 3

enum piece_flag {
	R = 1, /* released */
	O = 2, /* released and orphaned */
	X = 4, /* exiting */
	U = 8, /* unaccepted */
	P = 16, /* passive */
	TW = 32, /* a minisocket */
	NS = 64, /* no socket */
	FIN = 128, /* the peer's has come, unread */
	LOST = 256, /* something was dropped before */
	BH = 512, /* of a segment, whatever the file is */
};

struct piece {
	uint8_t kind, old, state;
	uint16_t flags;
	uint8_t reason, segment;
	uint32_t payload, rqueue, wqueue, unsent, err;
	int at_ms;
	uint64_t cookie; /* 0: the usual one */
	bool linger_zero, linger2_negative, no_remote, repair;
};

#define STATE(from, to, ...) \
	{ \
		.kind = SOCKET_EVENT_STATE, .old = TCPDIAG_##from, .state = TCPDIAG_##to, \
		__VA_ARGS__ \
	}
#define SENT(in, why, ...) \
	{ \
		.kind = SOCKET_EVENT_RESET_SENT, .state = TCPDIAG_##in, \
		.reason = RESET_REASON_##why, __VA_ARGS__ \
	}
#define RECEIVED(in, ...) \
	{ \
		.kind = SOCKET_EVENT_RESET_RECEIVED, .state = TCPDIAG_##in, __VA_ARGS__ \
	}
#define DESTROYED(...) \
	{ \
		.kind = SOCKET_EVENT_DESTROYED, .state = TCPDIAG_CLOSE, __VA_ARGS__ \
	}

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

static struct autopsy *autopsy;
static struct event told[64];
static unsigned int told_count, again_count, operated_count, incomplete_count;
static struct autopsy_operation operations[16];
static struct autopsy_memory remembered;

static void tell(void *context, struct event *event)
{
	(void)context;
	ck_assert_uint_lt(told_count, ARRAY_SIZE(told));
	told[told_count++] = *event;
}

static void again(void *context, struct event *event)
{
	(void)context;
	(void)event;
	again_count++;
}

static uint32_t process(void *context, const struct socket_event *event)
{
	(void)context;
	return (uint32_t)event->pid;
}

static bool remember(void *context, const struct tcpdiag_socket *sk, struct autopsy_memory *ret)
{
	(void)context;
	(void)sk;
	*ret = remembered;
	return true;
}

static void operated(void *context, const struct autopsy_operation *operation,
		     struct event_socket *socket)
{
	(void)context;
	ck_assert_uint_lt(operated_count, ARRAY_SIZE(operations));
	operations[operated_count++] = *operation;
	incomplete_count += !operation->complete;
	socket->known = EVENT_KNOWS_PREDICTED;
	socket->predicted_operation = operation->operation;
	socket->predicted_segment = operation->segment;
}

/* What polls have seen; 0: nothing. */
static uint64_t polled_cookie;
static unsigned int related_asked;

static uint32_t relate(void *context, const struct tcpdiag_socket *sk, struct autopsy_relation *ret)
{
	(void)context;
	related_asked++;
	*ret = (struct autopsy_relation){ .netns = sk->netns + 1, .cookie = polled_cookie };
	return !!polled_cookie;
}

static void open_with(uint32_t open, bool derive)
{
	const struct autopsy_calls calls = {
		.remember = remember,
		.process = process,
		.operated = operated,
		.tell = tell,
		.again = again,
		.relate = relate,
	};
	const struct autopsy_limits limits = {
		.open = open,
		.closed = 64,
		.orphan_ns = 10 * NSEC_PER_SEC,
		.derive = derive,
		.key = { { 3, 4 } },
	};

	autopsy_free(autopsy);
	polled_cookie = related_asked = 0;
	ck_assert_int_eq(autopsy_new(&calls, &limits, &autopsy), 0);
	told_count = again_count = operated_count = incomplete_count = 0;
	remembered = (struct autopsy_memory){};
	autopsy_settle(autopsy, 0, 0);
}

static void setup(void)
{
	autopsy = NULL;
	open_with(64, false);
}

static void teardown(void)
{
	autopsy = autopsy_free(autopsy);
}

/* Far enough from 0 for what lies back. */
#define BEGIN (100 * NSEC_PER_SEC)

/* Who runs: in a softirq anybody. */
static bool acts(const struct piece *piece)
{
	return piece->kind == SOCKET_EVENT_STATE && !(piece->flags & O) && !piece->err;
}

static struct socket_event event_of(const struct piece *piece)
{
	const bool destroyed = piece->kind == SOCKET_EVENT_DESTROYED;
	struct socket_event event = {
		.kind = piece->kind,
		.when_ns = BEGIN + piece->at_ms * MS,
		.old_state = piece->old,
		.segment_flags = piece->segment,
		.payload = piece->payload,
		.reason = piece->reason,
		.has_socket = !(piece->flags & NS),
		.passive = piece->flags & P,
		.released = piece->flags & (R | O) || destroyed,
		.orphaned = piece->flags & O || destroyed,
		.exiting = piece->flags & X,
		.owned = piece->flags & R && !(piece->flags & BH),
		.unaccepted = piece->flags & U,
		.fin_unread = piece->flags & FIN,
		.pid = acts(piece) ? ACTING : INTERRUPTED,
		.idle_ms = 12,
		.sk = {
			.netns = 5,
			.state = piece->state,
			.cookie = piece->flags & NS ? 0 : piece->cookie ? piece->cookie : 77,
			.kind = piece->flags & TW ? TCPDIAG_KIND_TIMEWAIT : TCPDIAG_KIND_FULL,
			.local_port = 443,
			.remote_port = piece->no_remote ? 0 : 50000,
			.remote = { 10, 11, 12 },
		},
	};

	if (event.has_socket && !(piece->flags & TW)) {
		event.sk.known = TCPDIAG_KNOWS_BYTES | TCPDIAG_KNOWS_NOTSENT |
				 TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_LINGER2 |
				 TCPDIAG_KNOWS_ERROR | TCPDIAG_KNOWS_REPAIR;
		event.sk.rqueue = piece->rqueue;
		event.sk.wqueue = piece->wqueue;
		event.sk.notsent_bytes = piece->unsent;
		event.sk.sk_err = (uint16_t)piece->err;
		event.sk.linger = piece->linger_zero;
		event.sk.linger2_ms = piece->linger2_negative ? -1 : 0;
		event.sk.repair = piece->repair;
	}
	return event;
}

static void take(const struct piece *piece, bool derive)
{
	struct socket_event event = event_of(piece);

	if (derive)
		event.reason = RESET_REASON_NONE;
	autopsy_take(autopsy, &event, piece->flags & LOST);
}

/* At a time of the pieces, in milliseconds. */
static void settle(int64_t at_ms)
{
	autopsy_settle(autopsy, BEGIN + at_ms * MS, BEGIN + at_ms * MS + 1000);
}

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

static const struct piece a_close[] = { STATE(ESTABLISHED, FIN_WAIT1, .flags = R),
					STATE(FIN_WAIT1, CLOSE, .flags = O, .err = ETIMEDOUT,
					      .at_ms = 60000),
					DESTROYED(.at_ms = 60000) };

/* Once, after ten seconds; its end is another story. */
START_TEST(an_orphan_that_lives_on)
{
	take(&a_close[0], false);
	settle(9900);
	ck_assert_uint_eq(told_count, 0);
	settle(10100);
	settle(10200);
	ck_assert_uint_eq(told_count, 1);
	ck_assert_int_eq(told[0].kind, EVENT_ORPHANED);
	ck_assert_int_eq(told[0].actor, ACTOR_CLOSE);
	ck_assert_int_eq(told[0].socket.state, TCPDIAG_FIN_WAIT1);
	ck_assert_uint_eq(told[0].socket.creator, ACTING);
	ck_assert_int_ge(told[0].socket.orphan_ms, 10000);
	take(&a_close[1], false);
	take(&a_close[2], false);
	settle(70000);
	ck_assert_uint_eq(told_count, 2);
	ck_assert_int_eq(told[1].kind, EVENT_TIMED_OUT);
	ck_assert_int_eq(told[1].socket.orphan_ms, 60000);
	ck_assert_uint_eq(autopsy_open(autopsy), 0);
}
END_TEST

/* Of an orphan whose end may be among what was lost nobody says that it lives. */
START_TEST(an_orphan_and_a_loss)
{
	static const struct {
		int lost_at_ms; /* -1: never */
		unsigned int told;
	} losses[] = { { -1, 1 }, { 500, 1 }, { 1500, 0 }, { 10500, 0 }, { 11500, 1 } };
	const int at_ms = losses[_i].lost_at_ms;
	struct piece piece = a_close[0];

	piece.at_ms = 1000;
	if (at_ms >= 0 && at_ms < 1000)
		autopsy_lose(autopsy, BEGIN + at_ms * MS);
	take(&piece, false);
	settle(1100);
	if (at_ms > 1000 && at_ms < 11000)
		autopsy_lose(autopsy, BEGIN + at_ms * MS);
	settle(11200);
	ck_assert_uint_eq(told_count, losses[_i].told);
	if (at_ms > 11000)
		autopsy_lose(autopsy, BEGIN + at_ms * MS);
	settle(20000);
	ck_assert_uint_eq(told_count, losses[_i].told);
	/* Its end is told in any case. */
	piece = a_close[1];
	take(&piece, false);
	piece = a_close[2];
	take(&piece, false);
	settle(70000);
	ck_assert_uint_eq(told_count, losses[_i].told + 1);
	ck_assert_int_eq(told[told_count - 1].kind, EVENT_TIMED_OUT);
}
END_TEST

/* One that has ended in time was none; nor one that is told of already. */
START_TEST(an_orphan_that_has_ended)
{
	struct piece end = STATE(FIN_WAIT1, CLOSE, .flags = O, .err = ETIMEDOUT, .at_ms = 9000);

	take(&a_close[0], false);
	take(&end, false);
	settle(9990);
	ck_assert_uint_eq(told_count, 1);
	settle(30000);
	ck_assert_uint_eq(told_count, 1);
	ck_assert_int_eq(told[0].kind, EVENT_TIMED_OUT);
	/* Two that are orphans at once: each is told of at its time. */
	open_with(64, false);
	for (int i = 0; i < 2; i++) {
		struct piece piece = a_close[0];

		piece.cookie = 100 + (uint64_t)i;
		piece.at_ms = i * 5000;
		take(&piece, false);
	}
	settle(10500);
	ck_assert_uint_eq(told_count, 1);
	ck_assert_uint_eq(told[0].socket.cookie, 100);
	settle(15500);
	ck_assert_uint_eq(told_count, 2);
	ck_assert_uint_eq(told[1].socket.cookie, 101);
}
END_TEST

/* An end without a story is told where something was lost at any time; and each only once. */
START_TEST(an_end_alone)
{
	take(&(struct piece)DESTROYED(.cookie = 1), false);
	settle(100);
	ck_assert_uint_eq(told_count, 0);
	autopsy_lose(autopsy, BEGIN + 200 * MS);
	take(&(struct piece)DESTROYED(.cookie = 2, .at_ms = 5000), false);
	/* A listener, or one that never was connected. */
	take(&(struct piece)DESTROYED(.cookie = 3, .at_ms = 5000, .no_remote = true), false);
	settle(6000);
	ck_assert_uint_eq(told_count, 1);
	ck_assert_uint_eq(told[0].socket.cookie, 2);
	ck_assert_int_eq(told[0].kind, EVENT_DESTROYED);
	ck_assert_int_eq(told[0].actor, ACTOR_UNKNOWN);
	ck_assert_uint_eq(autopsy_open(autopsy), 0);
}
END_TEST

/* The one that has been quiet longest makes room, and is counted. */
START_TEST(a_full_table)
{
	open_with(16, false);
	for (uint64_t i = 1; i <= 20; i++)
		take(&(struct piece)STATE(ESTABLISHED, CLOSE_WAIT, .cookie = i), false);
	ck_assert_uint_eq(autopsy_open(autopsy), 16);
	ck_assert_uint_eq(autopsy_cut(autopsy), 4);
	/* What is told of it all the same: what its last event says. */
	take(&(struct piece)STATE(CLOSE_WAIT, CLOSE, .cookie = 1, .flags = R | FIN, .rqueue = 3),
	     false);
	take(&(struct piece)SENT(CLOSE, ABORT_ON_CLOSE, .cookie = 1, .flags = R), false);
	settle(1000);
	ck_assert_uint_eq(told_count, 1);
	ck_assert_uint_eq(told[0].socket.unread_bytes, 3);
	ck_assert_uint_eq(told[0].socket.step_count, 1);
}
END_TEST

/* What is ready to be told is told when it has to make room. */
START_TEST(a_full_table_tells)
{
	open_with(16, false);
	for (uint64_t i = 1; i <= 20; i++)
		take(&(struct piece)RECEIVED(ESTABLISHED, .cookie = i), false);
	ck_assert_uint_eq(told_count, 4);
	settle(1000);
	ck_assert_uint_eq(told_count, 20);
	ck_assert_uint_eq(autopsy_cut(autopsy), 0);
}
END_TEST

/* Told, and its process still has it when its story makes room: its end is no second one, whatever was lost. */
START_TEST(a_full_table_tells_once)
{
	static const struct piece ways[][2] = {
		{ RECEIVED(ESTABLISHED), STATE(ESTABLISHED, CLOSE) },
		/* FINs on both sides, and nobody has closed it: told of as it makes room. */
		{ STATE(ESTABLISHED, FIN_WAIT1), STATE(FIN_WAIT2, CLOSE) },
	};
	struct piece piece;

	open_with(16, false);
	take(&(struct piece)STATE(ESTABLISHED, CLOSE_WAIT, .flags = LOST, .cookie = 999), false);
	for (uint64_t i = 1; i <= 50; i++) {
		for (int k = 0; k < 2; k++) {
			piece = ways[_i][k];
			piece.cookie = i;
			take(&piece, false);
		}
		settle(_i ? 0 : (int64_t)i * 100);
		told_count = operated_count = 0;
	}
	/* One that was there all the time made room, too, without an end. */
	ck_assert_uint_eq(autopsy_cut(autopsy), 1);
	for (uint64_t i = 1; i <= 34; i++)
		take(&(struct piece)DESTROYED(.cookie = i, .at_ms = 6000), false);
	settle(10000);
	ck_assert_uint_eq(told_count, 0);
	/* Nobody has told of this one; the next that has ended makes room for it. */
	take(&(struct piece)DESTROYED(.cookie = 999, .at_ms = 6000), false);
	settle(10000);
	ck_assert_int_eq(told_count, 1 + _i);
	ck_assert_uint_eq(told[_i].kind, EVENT_DESTROYED);
	ck_assert_uint_eq(told[_i].socket.cookie, 999);
}
END_TEST

/* A burst on the same ends is one story. */
START_TEST(the_same_again)
{
	struct piece stray = SENT(STATE_NONE, NO_SOCKET, .flags = NS | P, .segment = TH_ACK,
				  .payload = 100);

	for (int i = 0; i < 10; i++)
		take(&stray, false);
	settle(1000);
	ck_assert_uint_eq(told_count, 1);
	ck_assert_uint_eq(again_count, 9);
	stray.at_ms = 11000;
	take(&stray, false);
	settle(12000);
	ck_assert_uint_eq(told_count, 2);
}
END_TEST

/* After a minute nobody asks who closed it. */
START_TEST(closed_long_ago)
{
	static const int when_ms[] = { 59000, 61000 };
	struct piece stray = SENT(STATE_NONE, NO_SOCKET, .flags = NS | P, .segment = TH_ACK,
				  .at_ms = when_ms[_i]);

	for (int i = 0; i < 3; i++)
		take(&rows[2].pieces[i], false);
	take(&stray, false);
	settle(70000);
	ck_assert_uint_eq(told_count, 2);
	ck_assert_int_eq(!!(told[1].socket.known & EVENT_KNOWS_CLOSED_AGO), _i == 0);
}
END_TEST

/* What polls knew of it. */
START_TEST(memory)
{
	remembered = (struct autopsy_memory){
		.holder = 3,
		.creator = 4,
		.direction = DIRECTION_INBOUND,
		.linger_known = true,
		.born_ns = BEGIN - 5 * NSEC_PER_SEC,
	};
	polled_cookie = 78;
	take(&(struct piece)RECEIVED(ESTABLISHED), false);
	take(&(struct piece)STATE(ESTABLISHED, CLOSE), false);
	settle(1000);
	ck_assert_uint_eq(told_count, 1);
	ck_assert_uint_eq(told[0].socket.holder, 3);
	ck_assert_uint_eq(told[0].socket.creator, 4);
	ck_assert_int_eq(told[0].socket.direction, DIRECTION_INBOUND);
	ck_assert_int_eq(told[0].socket.age_ms, 5000);
	ck_assert_int_eq(told[0].socket.idle_ms, 12);
	ck_assert(told[0].socket.known & EVENT_KNOWS_LINGER_BEFORE);
	ck_assert(!(told[0].socket.flags & EVENT_LINGER_BEFORE));
	ck_assert_uint_eq(told[0].socket.related, 78);
	ck_assert_uint_eq(told[0].socket.related_netns, 6);
	ck_assert(!(told[0].socket.flags & EVENT_RELATED_PEER));
}
END_TEST

/* ---- the other end ---- */

enum side { ONE = 1, OTHER };

/* An event of a socket that is no piece of the usual one: number, namespace and side are its own. */
struct end {
	uint64_t cookie; /* 0: no more */
	uint32_t netns;
	enum side side;
	int at_ms;
	uint16_t port; /* 0: the usual one */
	bool closed; /* an ordinary end; else the RST is sent by ONE and received by OTHER */
};

static void end_takes(const struct end *end, bool loopback, const struct piece *piece)
{
	static const uint8_t addresses[2][2][16] = {
		{ { 10, 1 }, { 10, 2 } },
		{ { [10] = 0xff, 0xff, 127, 0, 0, 1 }, { [10] = 0xff, 0xff, 127, 0, 0, 1 } },
	};
	const uint16_t port = end->port ? end->port : 50000;
	const bool one = end->side == ONE;
	struct socket_event event = event_of(piece);

	event.when_ns += end->at_ms * MS;
	event.sk.cookie = end->cookie;
	event.sk.netns = end->netns;
	event.sk.local_port = one ? 443 : port;
	event.sk.remote_port = one ? port : 443;
	memcpy(event.sk.local, addresses[loopback][!one], 16);
	memcpy(event.sk.remote, addresses[loopback][one], 16);
	autopsy_take(autopsy, &event, false);
}

static void end_ends(const struct end *end, bool loopback)
{
	static const struct piece closes[] = { STATE(ESTABLISHED, FIN_WAIT1, .flags = R),
					       STATE(FIN_WAIT1, FIN_WAIT2, .flags = O),
					       STATE(FIN_WAIT2, CLOSE, .flags = O), DESTROYED() };
	static const struct piece sends[] = { STATE(ESTABLISHED, CLOSE, .flags = R, .rqueue = 5),
					      SENT(CLOSE, ABORT_ON_CLOSE, .flags = R, .rqueue = 5),
					      DESTROYED() };
	static const struct piece receives[] = { RECEIVED(ESTABLISHED), STATE(ESTABLISHED, CLOSE),
						 DESTROYED(.at_ms = 40000) };
	const struct piece *pieces = end->closed ? closes : end->side == ONE ? sends : receives;
	const int count = end->closed ? 4 : 3;

	for (int i = 0; i < count; i++)
		end_takes(end, loopback, &pieces[i]);
}

static const struct {
	const char *name;
	bool loopback;
	struct end ends[4];
	/* The other end of each, by its cookie; 0: none, SEVERAL: more than one. */
	uint64_t related[4];
#define SEVERAL UINT64_MAX
	uint64_t polled;
} pairs[] = {
	{ .name = "two namespaces",
	  .ends = { { 1, 5, ONE }, { 2, 6, OTHER } },
	  .related = { 2, 1 } },
	{ .name = "two sockets of the same number",
	  .ends = { { 1, 5, ONE }, { 1, 6, OTHER } },
	  .related = { 1, 1 } },
	{ .name = "one namespace",
	  .ends = { { 1, 5, ONE }, { 2, 5, OTHER } },
	  .related = { 2, 1 } },
	{ .name = "loopback",
	  .loopback = true,
	  .ends = { { 1, 5, ONE }, { 2, 5, OTHER } },
	  .related = { 2, 1 } },
	{ .name = "loopback of another namespace",
	  .loopback = true,
	  .ends = { { 1, 5, ONE }, { 2, 6, OTHER } } },
	{ .name = "loopback twice",
	  .loopback = true,
	  .ends = { { 1, 5, ONE }, { 2, 5, OTHER }, { 3, 6, ONE }, { 4, 6, OTHER } },
	  .related = { 2, 1, 4, 3 } },
	{ .name = "another port", .ends = { { 1, 5, ONE }, { 2, 6, OTHER, .port = 50001 } } },
	{ .name = "both from the same side", .ends = { { 1, 5, ONE }, { 2, 6, ONE } } },
	{ .name = "the same addresses in two networks",
	  .ends = { { 1, 5, ONE }, { 2, 6, OTHER }, { 3, 7, ONE }, { 4, 8, OTHER } },
	  .related = { SEVERAL, SEVERAL, SEVERAL, SEVERAL } },
	{ .name = "the same port again, seconds later",
	  .ends = { { 1, 5, ONE },
		    { 2, 6, OTHER },
		    { 3, 5, ONE, .at_ms = 3000 },
		    { 4, 6, OTHER, .at_ms = 3000 } },
	  .related = { 2, 1, 4, 3 } },
	{ .name = "the same port again, seconds later, to somebody else",
	  .ends = { { 1, 5, ONE }, { 2, 6, OTHER }, { 3, 5, ONE, .at_ms = 3000 } },
	  .related = { 2, 1, 0 } },
	{ .name = "the same addresses in another network, seconds later",
	  .ends = { { 1, 5, ONE }, { 2, 6, OTHER }, { 3, 8, OTHER, .at_ms = 3000 } },
	  .related = { 2, 1, 0 } },
	{ .name = "ended half a minute before",
	  .ends = { { 1, 5, ONE }, { 2, 6, OTHER, .at_ms = 30000 } },
	  .related = { 0, 1 } },
	{ .name = "ended half a minute before, and another that polls have seen",
	  .ends = { { 1, 5, ONE }, { 2, 6, OTHER, .at_ms = 30000 } },
	  .related = { 99, SEVERAL },
	  .polled = 99 },
	{ .name = "ended long before", .ends = { { 1, 5, ONE }, { 2, 6, OTHER, .at_ms = 61000 } } },
	{ .name = "an ordinary end",
	  .ends = { { 1, 5, ONE, .closed = true }, { 2, 6, OTHER, .closed = true } },
	  .related = { 2, 1 } },
};

/* In whatever order the two are seen within a moment; of what is told sooner the one that comes later only knows. */
START_TEST(the_other_end)
{
	unsigned int count = 0, i;

	polled_cookie = pairs[_i].polled;
	for (i = 0; i < 4 && pairs[_i].ends[i].cookie; i++, count++) {
		if (i && pairs[_i].ends[i].at_ms != pairs[_i].ends[i - 1].at_ms)
			settle(pairs[_i].ends[i].at_ms - 10);
		end_ends(&pairs[_i].ends[i], pairs[_i].loopback);
	}
	settle(200000);
	ck_assert_uint_eq(told_count, count);
	for (i = 0; i < count; i++) {
		const struct event_socket *s = &told[i].socket;
		const uint64_t expected = pairs[_i].related[i];
		const bool several = s->flags & EVENT_RELATED_SEVERAL;

		ck_assert_uint_eq(s->cookie, pairs[_i].ends[i].cookie);
		ck_assert_msg(s->related == (expected == SEVERAL ? 0 : expected), "%s: %u has %llx",
			      pairs[_i].name, i, (unsigned long long)s->related);
		ck_assert_msg(several == (expected == SEVERAL), "%s: %u", pairs[_i].name, i);
		if (s->related && s->related != pairs[_i].polled)
			ck_assert(s->flags & EVENT_RELATED_PEER);
	}
	/* Of ordinary ends, and where stories tell, polls are not asked. */
	if (!_i || pairs[_i].ends[0].closed)
		ck_assert_uint_eq(related_asked, 0);
}
END_TEST

/* The ring of ends, of 64 places, goes round: what has left it is not found, and all else still is. */
START_TEST(ends_make_room)
{
	static const uint16_t found[] = { 99, 50, 40 }, lost[] = { 10, 35 };
	struct end end = { .netns = 6, .side = OTHER };
	unsigned int i;

	for (i = 0; i < 100; i++) {
		end.cookie = 2000 + i;
		end.port = (uint16_t)(40000 + i);
		end_ends(&end, false);
		settle(50000);
		told_count = 0;
	}
	end = (struct end){ .netns = 5, .side = ONE, .at_ms = 100 };
	for (i = 0; i < ARRAY_SIZE(found) + ARRAY_SIZE(lost); i++) {
		const uint16_t number = i < 3 ? found[i] : lost[i - 3];

		end.cookie = 4000 + number;
		end.port = (uint16_t)(40000 + number);
		end_ends(&end, false);
		settle(50000);
		ck_assert_uint_eq(told_count, i + 1);
		ck_assert_uint_eq(told[i].socket.related, i < 3 ? 2000U + number : 0);
	}
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

/* What a program does with an MPTCP socket is over at once, and no story. */
START_TEST(of_mptcp)
{
	static const struct {
		uint8_t old, state;
		bool released, owned, orphaned;
		int operation; /* -1: none */
		uint8_t segment;
		bool torn;
	} cases[] = {
		{ TCPDIAG_ESTABLISHED, TCPDIAG_FIN_WAIT1, true, true, false, TCPDIAG_OP_CLOSE,
		  TCPDIAG_SEGMENT_FIN, false },
		{ TCPDIAG_CLOSE_WAIT, TCPDIAG_LAST_ACK, false, true, false,
		  TCPDIAG_OP_SHUTDOWN_WRITE, TCPDIAG_SEGMENT_FIN, false },
		{ TCPDIAG_FIN_WAIT2, TCPDIAG_FIN_WAIT2, true, true, false, TCPDIAG_OP_CLOSE,
		  TCPDIAG_SEGMENT_NONE, false },
		/* What its subflows have sent stands in rows of theirs. */
		{ TCPDIAG_ESTABLISHED, TCPDIAG_CLOSE, true, true, false, TCPDIAG_OP_CLOSE,
		  TCPDIAG_SEGMENT_NONE, true },
		/* The peer's doing, the kernel's, and the listener, which is a subflow. */
		{ TCPDIAG_FIN_WAIT1, TCPDIAG_FIN_WAIT2, false, true, false, -1, 0, false },
		{ TCPDIAG_ESTABLISHED, TCPDIAG_FIN_WAIT1, true, false, false, -1, 0, false },
		{ TCPDIAG_FIN_WAIT2, TCPDIAG_CLOSE, true, true, true, -1, 0, false },
		{ TCPDIAG_LISTEN, TCPDIAG_CLOSE, true, true, false, -1, 0, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct socket_event event = {
			.when_ns = BEGIN,
			.kind = SOCKET_EVENT_STATE,
			.old_state = cases[i].old,
			.has_socket = true,
			.released = cases[i].released,
			.owned = cases[i].owned,
			.orphaned = cases[i].orphaned,
			.sk = { .cookie = 7,
				.netns = 5,
				.mptcp = true,
				.state = cases[i].state,
				.sk_shutdown = TCPDIAG_SEND_SHUTDOWN,
				.known = TCPDIAG_KNOWS_SHUTDOWN,
				.rqueue = 3 },
		};

		operated_count = incomplete_count = 0;
		autopsy_take(autopsy, &event, false);
		ck_assert_uint_eq(operated_count, cases[i].operation >= 0);
		if (!operated_count)
			continue;
		ck_assert_int_eq(operations[0].operation, cases[i].operation);
		ck_assert_int_eq(operations[0].sk.state, cases[i].old);
		ck_assert_uint_eq(operations[0].sk.rqueue, 3);
		ck_assert_int_eq(operations[0].state, cases[i].state);
		ck_assert_int_eq(operations[0].segment, cases[i].segment);
		ck_assert_uint_eq(incomplete_count, cases[i].torn);
	}
	settle(1000);
	ck_assert_uint_eq(told_count, 0);
	ck_assert_uint_eq(autopsy_open(autopsy), 0);
}
END_TEST

/* Of what was dropped in between nobody can say what it was. */
START_TEST(not_of_one_piece)
{
	take(&(struct piece)STATE(ESTABLISHED, FIN_WAIT1, .flags = R), false);
	take(&(struct piece)STATE(FIN_WAIT1, FIN_WAIT2, .flags = O | LOST), false);
	settle(100);
	ck_assert_uint_eq(operated_count, 1);
	ck_assert_uint_eq(incomplete_count, 1);
}
END_TEST

/* A clock that cannot be right holds nobody up. */
START_TEST(from_the_future)
{
	take(&(struct piece)RECEIVED(ESTABLISHED, .at_ms = 1000000), false);
	settle(0);
	ck_assert_uint_eq(told_count, 1);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("autopsy");
	TCase *tests = tcase_create("stories");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, one_story, 0, ARRAY_SIZE(rows));
	tcase_add_loop_test(tests, drained_in_between, 0, ARRAY_SIZE(rows));
	tcase_add_test(tests, an_orphan_that_lives_on);
	tcase_add_loop_test(tests, an_orphan_and_a_loss, 0, 5);
	tcase_add_test(tests, an_orphan_that_has_ended);
	tcase_add_test(tests, an_end_alone);
	tcase_add_test(tests, a_full_table);
	tcase_add_test(tests, a_full_table_tells);
	tcase_add_loop_test(tests, a_full_table_tells_once, 0, 2);
	tcase_add_test(tests, the_same_again);
	tcase_add_loop_test(tests, closed_long_ago, 0, 2);
	tcase_add_test(tests, memory);
	tcase_add_loop_test(tests, the_other_end, 0, ARRAY_SIZE(pairs));
	tcase_add_test(tests, ends_make_room);
	tcase_add_loop_test(tests, operations_of_ours, 0, 6);
	tcase_add_test(tests, of_mptcp);
	tcase_add_test(tests, not_of_one_piece);
	tcase_add_test(tests, from_the_future);
	suite_add_tcase(s, tests);
	return s;
}
