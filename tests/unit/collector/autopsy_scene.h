/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pieces of stories, and an autopsy that is given them; what it tells is kept.
 */
#pragma once

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

static struct autopsy *autopsy;
static struct event told[64];
static unsigned int told_count, again_count, operated_count, incomplete_count;
static struct autopsy_operation operations[16];
static struct autopsy_memory remembered;

static inline void tell(void *context, struct event *event)
{
	(void)context;
	ck_assert_uint_lt(told_count, ARRAY_SIZE(told));
	told[told_count++] = *event;
}

static inline void again(void *context, struct event *event)
{
	(void)context;
	(void)event;
	again_count++;
}

static inline uint32_t process(void *context, const struct socket_event *event)
{
	(void)context;
	return (uint32_t)event->pid;
}

static inline bool remember(void *context, const struct tcpdiag_socket *sk,
			    struct autopsy_memory *ret)
{
	(void)context;
	(void)sk;
	*ret = remembered;
	return true;
}

static inline void operated(void *context, const struct autopsy_operation *operation,
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

static inline uint32_t relate(void *context, const struct tcpdiag_socket *sk,
			      struct autopsy_relation *ret)
{
	(void)context;
	related_asked++;
	*ret = (struct autopsy_relation){ .netns = sk->netns + 1, .cookie = polled_cookie };
	return !!polled_cookie;
}

static inline void open_with(uint32_t open, bool derive)
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

static inline void setup(void)
{
	autopsy = NULL;
	open_with(64, false);
}

static inline void teardown(void)
{
	autopsy = autopsy_free(autopsy);
}

/* Far enough from 0 for what lies back. */
#define BEGIN (100 * NSEC_PER_SEC)

/* Who runs: in a softirq anybody. */
static inline bool acts(const struct piece *piece)
{
	return piece->kind == SOCKET_EVENT_STATE && !(piece->flags & O) && !piece->err;
}

static inline struct socket_event event_of(const struct piece *piece)
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

static inline void take(const struct piece *piece, bool derive)
{
	struct socket_event event = event_of(piece);

	if (derive)
		event.reason = RESET_REASON_NONE;
	autopsy_take(autopsy, &event, piece->flags & LOST);
}

/* At a time of the pieces, in milliseconds. */
static inline void settle(int64_t at_ms)
{
	autopsy_settle(autopsy, BEGIN + at_ms * MS, BEGIN + at_ms * MS + 1000);
}
