/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A journal for the documents' tests: small rings, and events by a few words.
 *
 * After journal_default(): 1 reset-sent of web.service with unread data, 15 minutes ago; 2 reset-sent for a segment
 * without a socket; 3 reset-received after long idleness; 4 closed, an ordinary end; 5 timed-out; 6 finding-raised.
 */
#pragma once

#include "fixture.h"
#include "model/journal.h"

struct journal_fixture {
	struct journal *journal;
	void *block;
	struct journal_view view;
	uint32_t web, tool; /* names */
};

static inline void journal_begin(struct journal_fixture *jf, struct fixture *f, uint32_t places)
{
	struct journal_sizes sizes = { .names = 64, .minutes = 256, .rows_per_minute = 64 };
	const struct event_name web = { .pid = 100,
					.start_time = 4200,
					.comm = "web",
					.unit = "web.service",
					.label = "web.service" };
	const struct event_name tool = {
		.pid = 200,
		.start_time = 4202,
		.comm = "to\x1b[31mol",
		.container = "3f9c0a112233",
		.title = "payments/api-7d9f-x2/envoy",
	};
	size_t size, i;

	for (i = 0; i < EVENT_RING_MAX; i++)
		sizes.ring[i] = places;
	size = journal_bytes(&sizes);
	ck_assert_uint_gt(size, 0);
	ck_assert_int_eq(posix_memalign(&jf->block, 64, size), 0);
	memset(jf->block, 0, size);
	ck_assert_int_eq(journal_new(jf->block, size, &sizes, "boot",
				     FIXTURE_WALL - 3600 * NSEC_PER_SEC, &jf->journal),
			 0);
	journal_view(jf->journal, &jf->view);
	jf->web = journal_name(jf->journal, &web);
	jf->tool = journal_name(jf->journal, &tool);
	f->journal = &jf->view;
}

static inline void journal_end(struct journal_fixture *jf)
{
	journal_free(jf->journal);
	free(jf->block);
	*jf = (struct journal_fixture){ 0 };
}

/* An event of a connection from 192.0.2.7:50000 to port 443. */
static inline struct event journal_event(enum event_kind kind, int64_t seconds_ago)
{
	struct event event = {
		.when_ns = FIXTURE_NOW - seconds_ago * NSEC_PER_SEC,
		.wall_ns = FIXTURE_WALL - seconds_ago * NSEC_PER_SEC,
		.kind = kind,
		.socket = { .cookie = 0x1f,
			    .netns = FIXTURE_NETNS,
			    .local_port = 443,
			    .remote_port = 50000,
			    .flags = EVENT_HAS_SOCKET,
			    .family = AF_INET,
			    .state = TCPDIAG_ESTABLISHED,
			    .direction = DIRECTION_INBOUND },
	};

	event.socket.local[10] = event.socket.local[11] = 0xff;
	event.socket.remote[10] = event.socket.remote[11] = 0xff;
	memcpy(event.socket.local + 12, (uint8_t[]){ 10, 0, 0, 1 }, 4);
	memcpy(event.socket.remote + 12, (uint8_t[]){ 192, 0, 2, 7 }, 4);
	return event;
}

static inline uint64_t journal_put(struct journal_fixture *jf, struct event event)
{
	return journal_add(jf->journal, &event);
}

/* web.service closes with 31 bytes unread. */
static inline struct event journal_reset(const struct journal_fixture *jf, int64_t seconds_ago)
{
	struct event event = journal_event(EVENT_RESET_SENT, seconds_ago);
	struct event_socket *s = &event.socket;

	event.actor = ACTOR_CLOSE;
	s->reason = RESET_REASON_ABORT_ON_CLOSE;
	s->holder = jf->web;
	s->known = EVENT_KNOWS_UNREAD | EVENT_KNOWS_UNSENT | EVENT_KNOWS_BYTES | EVENT_KNOWS_IDLE |
		   EVENT_KNOWS_AGE | EVENT_KNOWS_LINGER | EVENT_KNOWS_PREDICTED;
	s->unread_bytes = 31;
	s->bytes_received = 1031;
	s->bytes_sent = 5;
	s->idle_ms = 1500;
	s->age_ms = 60000;
	s->predicted_operation = TCPDIAG_OP_CLOSE;
	s->predicted_segment = TCPDIAG_SEGMENT_RST;
	s->predicted_state = TCPDIAG_CLOSE;
	s->predicted_rule = TCPDIAG_RULE_CLOSE_UNREAD;
	s->predicted_certain = true;
	s->step_count = 1;
	s->steps[0] = (struct event_step){ .before_ms = 250,
					   .from = TCPDIAG_ESTABLISHED,
					   .to = TCPDIAG_CLOSE,
					   .actor = ACTOR_CLOSE };
	return event;
}

static inline struct event journal_finding(int64_t seconds_ago)
{
	struct event event = journal_event(EVENT_FINDING_RAISED, seconds_ago);

	event.finding = (struct event_finding){ .finding = 0x1f,
						.pid = 200,
						.netns = FIXTURE_NETNS,
						.count = 7,
						.rule = TCPDIAG_RULE_CLOSE_WAIT_LEAK,
						.severity = SEVERITY_WARNING,
						.scope = SCOPE_PROCESS,
						.unit = "tool.service",
						.comm = "tool",
						.summary = "tool leaks" };
	return event;
}

static inline void journal_default(struct journal_fixture *jf, struct fixture *f)
{
	struct event event;

	journal_begin(jf, f, 16);
	journal_put(jf, journal_reset(jf, 960));
	event = journal_event(EVENT_RESET_SENT, 600);
	event.actor = ACTOR_KERNEL;
	event.socket.cookie = 0;
	event.socket.flags = EVENT_PASSIVE | EVENT_DERIVED;
	event.socket.state = TCPDIAG_STATE_NONE;
	event.socket.reason = RESET_REASON_NO_SOCKET;
	event.socket.known = EVENT_KNOWS_SEGMENT;
	event.socket.segment_flags = 0x18;
	event.socket.payload = 512;
	journal_put(jf, event);
	event = journal_event(EVENT_RESET_RECEIVED, 300);
	event.actor = ACTOR_PEER;
	event.socket.creator = jf->tool;
	event.socket.direction = DIRECTION_OUTBOUND;
	event.socket.remote_port = 5432;
	event.socket.local_port = 40000;
	event.socket.known = EVENT_KNOWS_IDLE;
	event.socket.idle_ms = 350000;
	event.socket.related = 0x2a;
	event.socket.related_netns = 7;
	journal_put(jf, event);
	event = journal_event(EVENT_CLOSED, 200);
	event.socket.holder = jf->web;
	journal_put(jf, event);
	event = journal_event(EVENT_TIMED_OUT, 100);
	event.actor = ACTOR_TIMER;
	event.socket.state = TCPDIAG_FIN_WAIT1;
	event.socket.holder = jf->web;
	event.socket.known = EVENT_KNOWS_LINGER | EVENT_KNOWS_ORPHAN_LIFE |
			     EVENT_KNOWS_LINGER_BEFORE | EVENT_KNOWS_CLOSED_AGO;
	event.socket.flags |= EVENT_LINGER;
	event.socket.linger_ms = UINT32_MAX;
	event.socket.orphan_ms = 12000;
	event.socket.closed_ago_ms = 12000;
	journal_put(jf, event);
	journal_put(jf, journal_finding(10));
}
