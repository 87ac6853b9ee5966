/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of a listener, from hand-made sequences of events: what came of its queue, one operation each.
 */
#include <string.h>
#include <sys/socket.h>

#include "../harness.h"
#include "collector/autopsy.h"
#include "model/macro.h"

#define MS NSEC_PER_MSEC
#define BEGIN (100 * NSEC_PER_SEC)
#define LISTENER 1000
#define EVENTS 24
#define OPERATIONS 3

enum what {
	END = 0,
	CLOSES, /* the listener, by close() */
	EXITS,
	SHUTS, /* it stops listening, and lives on */
	GONE, /* it is destroyed */
	LIVES, /* a child that lived: change, RST, destroyed */
	REPAIRED, /* the same without a RST */
	DIED, /* a child that its peer had reset: destroyed only */
	ENDS, /* a connection that somebody had accepted */
	LOSES, /* an event is missing */
	WAITS, /* a second goes by */
};

struct happens {
	uint8_t what;
	uint8_t cookie; /* of the listener, or of the child */
	uint8_t queue; /* of the listener */
	uint16_t port; /* 0: 80 */
	int pid; /* 0: 7 */
	bool v6;
};

struct expected {
	uint8_t operation, queue;
	uint8_t resets, children, gone;
	bool torn; /* not of one piece */
};

#define CLOSE(...) \
	{ \
		.operation = TCPDIAG_OP_CLOSE, __VA_ARGS__ \
	}

static const struct {
	const char *name;
	struct happens happens[EVENTS];
	struct expected expected[OPERATIONS];
} rows[] = {
	{ "nobody waits", { { CLOSES }, { GONE } }, { CLOSE() } },
	{ "three wait",
	  { { CLOSES, .queue = 3 }, { LIVES, 1 }, { LIVES, 2 }, { LIVES, 3 }, { GONE } },
	  { CLOSE(.queue = 3, .resets = 3, .children = 3) } },
	{ "one of three was dead",
	  { { CLOSES, .queue = 3 }, { LIVES, 1 }, { DIED, 2 }, { LIVES, 3 }, { GONE } },
	  { CLOSE(.queue = 3, .resets = 2, .children = 2, .gone = 1) } },
	{ "one of two is in repair mode",
	  { { CLOSES, .queue = 2 }, { REPAIRED, 1 }, { LIVES, 2 }, { GONE } },
	  { CLOSE(.queue = 2, .resets = 1, .children = 2) } },
	{ "an exit",
	  { { EXITS, .queue = 1 }, { LIVES, 1 }, { GONE } },
	  { { .operation = TCPDIAG_OP_EXIT, .queue = 1, .resets = 1, .children = 1 } } },
	{ "a shutdown has no end but silence",
	  { { SHUTS, .queue = 1 }, { LIVES, 1 }, { ENDS, 9 }, { WAITS } },
	  { { .operation = TCPDIAG_OP_SHUTDOWN_READ, .queue = 1, .resets = 1, .children = 1 } } },
	{ "the queue moves to another listener",
	  { { CLOSES, .queue = 3 }, { GONE } },
	  { CLOSE(.queue = 3) } },
	{ "what others do",
	  { { CLOSES, .queue = 2 },
	    { LIVES, 1 },
	    { DIED, 5, .pid = 8 },
	    { LIVES, 6, .port = 81 },
	    { LIVES, 7, .v6 = true },
	    { LIVES, 2 },
	    { GONE } },
	  { CLOSE(.queue = 2, .resets = 2, .children = 2) } },
	{ "one after the other",
	  { { CLOSES, .queue = 1 },
	    { LIVES, 1 },
	    { GONE },
	    { CLOSES, 1, .queue = 2 },
	    { LIVES, 2 },
	    { DIED, 3 },
	    { GONE, 1 } },
	  { CLOSE(.queue = 1, .resets = 1, .children = 1),
	    CLOSE(.queue = 2, .resets = 1, .children = 1, .gone = 1) } },
	{ "two families at once",
	  { { CLOSES, .queue = 1 },
	    { CLOSES, 1, .queue = 1, .v6 = true },
	    { LIVES, 1 },
	    { LIVES, 2, .v6 = true },
	    { GONE },
	    { GONE, 1, .v6 = true } },
	  { CLOSE(.queue = 1, .resets = 1, .children = 1),
	    CLOSE(.queue = 1, .resets = 1, .children = 1) } },
	{ "two at once that cannot be told apart",
	  { { CLOSES, .queue = 1 }, { CLOSES, 1, .queue = 1 }, { GONE }, { GONE, 1 } },
	  { CLOSE(.queue = 1, .torn = true), CLOSE(.queue = 1, .torn = true) } },
	{ "more than were counted",
	  { { CLOSES, .queue = 1 }, { LIVES, 1 }, { LIVES, 2 }, { GONE } },
	  { CLOSE(.queue = 1, .resets = 2, .children = 2, .torn = true) } },
	{ "an event is missing",
	  { { CLOSES, .queue = 2 }, { LIVES, 1 }, { LOSES }, { GONE } },
	  { CLOSE(.queue = 2, .resets = 1, .children = 1, .torn = true) } },
	{ "its end does not come",
	  { { CLOSES, .queue = 1 },
	    { LIVES, 1 },
	    { WAITS },
	    { WAITS },
	    { WAITS },
	    { WAITS },
	    { WAITS } },
	  { CLOSE(.queue = 1, .resets = 1, .children = 1, .torn = true) } },
};

static struct autopsy *autopsy;
static struct autopsy_operation operations[128];
static unsigned int operated_count;
static int64_t now_ns;

static void operated(void *context, const struct autopsy_operation *operation,
		     struct event_socket *socket)
{
	(void)context;
	(void)socket;
	/* What a child does is its own story. */
	if (operation->operation == TCPDIAG_OP_LISTENER_CLOSE)
		return;
	ck_assert_uint_lt(operated_count, ARRAY_SIZE(operations));
	operations[operated_count++] = *operation;
}

static void setup(void)
{
	const struct autopsy_calls calls = { .operated = operated };
	const struct autopsy_limits limits = { .open = 64,
					       .closed = 64,
					       .orphan_ns = NSEC_PER_SEC };

	ck_assert_int_eq(autopsy_new(&calls, &limits, &autopsy), 0);
	operated_count = 0;
	now_ns = BEGIN;
	autopsy_settle(autopsy, now_ns, now_ns);
}

static void teardown(void)
{
	autopsy = autopsy_free(autopsy);
}

static struct socket_event event_of(const struct happens *happens, uint8_t kind)
{
	struct socket_event event = {
		.when_ns = now_ns,
		.kind = kind,
		.has_socket = true,
		.owned = true,
		.pid = happens->pid ? happens->pid : 7,
		.sk = {
			.cookie = happens->cookie,
			.netns = 5,
			.family = happens->v6 ? AF_INET6 : AF_INET,
			.local_port = happens->port ? happens->port : 80,
			.remote_port = (uint16_t)(40000 + happens->cookie),
			.kind = TCPDIAG_KIND_FULL,
			.state = TCPDIAG_CLOSE,
			.known = TCPDIAG_KNOWS_SHUTDOWN | TCPDIAG_KNOWS_ERROR |
				 TCPDIAG_KNOWS_SIBLINGS,
		},
	};

	return event;
}

static void take(struct socket_event event)
{
	autopsy_take(autopsy, &event, false);
}

static void listener(const struct happens *happens)
{
	struct socket_event event = event_of(happens, SOCKET_EVENT_STATE);

	event.sk.cookie += LISTENER;
	event.sk.remote_port = 0;
	if (happens->what == GONE) {
		event.kind = SOCKET_EVENT_DESTROYED;
		event.orphaned = true;
	} else {
		event.old_state = TCPDIAG_LISTEN;
		event.sk.rqueue = happens->queue;
		event.released = happens->what != SHUTS;
		event.exiting = happens->what == EXITS;
	}
	take(event);
}

static void child(const struct happens *happens)
{
	struct socket_event event = event_of(happens, SOCKET_EVENT_STATE);

	event.owned = false;
	event.unaccepted = true;
	event.old_state = TCPDIAG_ESTABLISHED;
	if (happens->what == LIVES || happens->what == REPAIRED)
		take(event);
	event.kind = SOCKET_EVENT_RESET_SENT;
	if (happens->what == LIVES)
		take(event);
	event.kind = SOCKET_EVENT_DESTROYED;
	event.unaccepted = false;
	event.released = event.orphaned = true;
	take(event);
}

static void happen(const struct happens *happens)
{
	switch (happens->what) {
	case LOSES:
		autopsy_lose(autopsy, now_ns);
		break;
	case WAITS:
		now_ns += NSEC_PER_SEC;
		autopsy_settle(autopsy, now_ns, now_ns);
		break;
	case LIVES:
	case REPAIRED:
	case DIED:
	case ENDS:
		child(happens);
		break;
	default:
		listener(happens);
		break;
	}
	now_ns += MS;
}

START_TEST(one_operation)
{
	const struct expected *expected = rows[_i].expected;
	unsigned int count = 0;

	for (int i = 0; rows[_i].happens[i].what; i++)
		happen(&rows[_i].happens[i]);
	for (; count < operated_count; count++) {
		ck_assert_uint_lt(count, OPERATIONS);
		ck_assert_int_eq(operations[count].sk.state, TCPDIAG_LISTEN);
		ck_assert_int_eq(operations[count].state, TCPDIAG_CLOSE);
		ck_assert_int_eq(operations[count].segment, TCPDIAG_SEGMENT_NONE);
		ck_assert(!(operations[count].sk.known & TCPDIAG_KNOWS_SIBLINGS));
		ck_assert_int_eq(operations[count].operation, expected[count].operation);
		ck_assert_uint_eq(operations[count].sk.rqueue, expected[count].queue);
		ck_assert_uint_eq(operations[count].resets, expected[count].resets);
		ck_assert_uint_eq(operations[count].children, expected[count].children);
		ck_assert_uint_eq(operations[count].gone, expected[count].gone);
		ck_assert_int_eq(operations[count].complete, !expected[count].torn);
	}
	ck_assert_uint_gt(count, 0);
	ck_assert(count == OPERATIONS ||
		  (!expected[count].queue && !expected[count].torn && !expected[count].operation));
}
END_TEST

/* Nothing is decided twice, and nothing waits for ever. */
START_TEST(over)
{
	for (int i = 0; rows[_i].happens[i].what; i++)
		happen(&rows[_i].happens[i]);
	operated_count = 0;
	now_ns += 60 * NSEC_PER_SEC;
	autopsy_settle(autopsy, now_ns, now_ns);
	ck_assert_uint_eq(operated_count, 0);
}
END_TEST

/* More than there is room for: the oldest is given up, and not decided. */
START_TEST(too_many)
{
	for (unsigned int i = 0; i < 100; i++)
		happen(&(struct happens){ CLOSES, .port = (uint16_t)(100 + i) });
	ck_assert_uint_eq(operated_count, 100 - 64);
	for (unsigned int i = 0; i < operated_count; i++) {
		ck_assert_uint_eq(operations[i].sk.local_port, 100 + i);
		ck_assert(!operations[i].complete);
	}
	now_ns += 60 * NSEC_PER_SEC;
	autopsy_settle(autopsy, now_ns, now_ns);
	ck_assert_uint_eq(operated_count, 100);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("autopsy of listeners");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, one_operation, 0, ARRAY_SIZE(rows));
	tcase_add_loop_test(t, over, 0, ARRAY_SIZE(rows));
	tcase_add_test(t, too_many);
	suite_add_tcase(s, t);
	return s;
}
