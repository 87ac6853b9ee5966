/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fast lane by events on real sockets, beside what a dump shows.
 */
#pragma once

#include <netinet/tcp.h>
#include <stdlib.h>

#include "../harness.h"
#include "collector/private.h"
#include "kernel/events.h"
#include "live.h"

#define RING (16U << 20) /* what else the machine does comes as well */
#define CAP_MS 200

static struct event_reader *events;
static uint64_t dropped;
static int listening;

static inline int on_event(const struct socket_event *event, void *context)
{
	(void)context;
	follow_take(collector->follow, event);
	return 0;
}

static inline void open_events(size_t bytes)
{
	int r = events_open(bytes, 250, &events);

	if (r < 0 && !getenv("TCPDIAG_NO_SKIP"))
		exit(EXIT_SUCCESS);
	ck_assert_int_eq(r, 0);
	dropped = 0;
	follow_gap(collector->follow, clock_ns(CLOCK_MONOTONIC));
}

/* As the lane of the events does. */
static inline void drain(void)
{
	ck_assert_int_ge(events_drain(events, on_event, NULL), 0);
	if (events_dropped(events) != dropped)
		follow_gap(collector->follow, clock_ns(CLOCK_MONOTONIC));
	dropped = events_dropped(events);
}

/* Others have filled the ring: then there are dumps, and what they find is counted. */
static inline bool is_disturbed(void)
{
	return events_dropped(events) || follow_stats(collector->follow)->cut;
}

static inline struct snapshot fast(void)
{
	drain();
	return poll_now(LANE_FAST);
}

/* From here on the fast lane looks up. */
static inline void begin(void)
{
	listening = listener(PORT, 100);
	settings.bpf = true;
	/* What nothing tells of is looked at again soon enough for a test. */
	settings.interval_ns = 20 * NSEC_PER_MSEC;
	settings.sweep_interval_ns = CAP_MS * NSEC_PER_MSEC;
	collector_configure(collector, &settings);
	open_events(RING);
	if (!collector->bpf || !bpf_reader_has_look_up(collector->bpf))
		exit(EXIT_SUCCESS);
	drain();
	poll_now(LANE_SWEEP);
	fast(); /* finds out what a dump costs */
	fast();
	if (!is_disturbed())
		ck_assert_uint_eq(collector->follow_lane.by_events, 1);
}

static inline void end(void)
{
	events_free(events);
	close(listening);
}

/* ---- what the kernel says ---- */

static inline uint32_t dump(struct tcpdiag_socket *ret, uint32_t max)
{
	const struct sock_diag_request request = { .states = TCPDIAG_STATES_TEARDOWN,
						   .protocol = IPPROTO_TCP,
						   .info = true };
	struct sock_diag *diag;
	uint32_t count = 0;

	ck_assert_int_eq(sock_diag_open(collector->self.netns, &diag), 0);
	ck_assert_int_eq(sock_diag_dump(diag, &request), 0);
	while (count < max && sock_diag_next(diag, &ret[count]) == 1)
		count++;
	sock_diag_free(diag);
	return count;
}

static inline const struct record *by_cookie(const struct snapshot *s, uint64_t cookie)
{
	const struct record *found = NULL;

	for (uint32_t i = 0; i < s->record_count; i++)
		if (s->records[i].sk.cookie == cookie && s->records[i].sk.state != TCPDIAG_CLOSE) {
			ck_assert_ptr_null(found);
			found = &s->records[i];
		}
	return found;
}

static inline uint32_t count_teardown(const struct snapshot *s)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < s->record_count; i++)
		count += TCPDIAG_STATES_TEARDOWN >> s->records[i].sk.state & 1;
	return count;
}

static inline bool is_same(const struct record *record, const struct tcpdiag_socket *row)
{
	const struct tcpdiag_socket *sk = &record->sk;

	return sk->state == row->state && sk->kind == row->kind && sk->rqueue == row->rqueue &&
	       sk->wqueue == row->wqueue && sk->inode == row->inode &&
	       sk->sk_shutdown == row->sk_shutdown && sk->timer == row->timer &&
	       (sk->attachment == TCPDIAG_ORPHAN) == (row->attachment == TCPDIAG_ORPHAN) &&
	       (row->kind != TCPDIAG_KIND_FULL || sk->known & TCPDIAG_KNOWS_LINGER);
}

static inline const char *difference(const struct snapshot *s, const struct tcpdiag_socket *rows,
				     uint32_t count)
{
	static char text[160];

	for (uint32_t i = 0; i < count; i++) {
		const struct record *record = by_cookie(s, rows[i].cookie);

		if (record && is_same(record, &rows[i]))
			continue;
		snprintf(text, sizeof(text), "one in %s (kind %u, inode %u, port %u > %u) is %s",
			 tcpdiag_state_name((enum tcpdiag_state)rows[i].state), rows[i].kind,
			 rows[i].inode, rows[i].local_port, rows[i].remote_port,
			 record ? "not the same" : "missing");
		return text;
	}
	return count_teardown(s) == count ? NULL : "there are too many";
}

/*
 * A fast pass, then a dump: both show the same, once the kernel has done what it does by timers (an ACK that is delayed
 * moves a socket on 40 ms later). Return: how many sockets.
 */
static inline const char *differs_after(uint32_t tries, uint32_t *ret_count)
{
	static struct tcpdiag_socket rows[4096];
	const char *what = NULL;

	for (uint32_t i = 0; i < tries; i++) {
		const struct snapshot s = fast();

		*ret_count = dump(rows, ARRAY_SIZE(rows));
		what = difference(&s, rows, *ret_count);
		if (!what)
			break;
		wait_ms(40);
	}
	return what;
}

static inline uint32_t compared_within(uint32_t tries)
{
	uint32_t count;
	const char *what = differs_after(tries, &count);

	if (what)
		ck_abort_msg("%s", what);
	return count;
}

/*
 * Once in some ten thousand ends a minisocket is missed (why is not known): what the audit is for. One in a test at most,
 * and the audit has to find it.
 */
static unsigned int repaired;

static inline uint32_t compared(void)
{
	uint32_t count;
	const char *what = differs_after(100, &count);

	if (!what)
		return count;
	ck_assert_msg(strstr(what, "is missing") && !repaired, "%s", what);
	repaired++;
	drain();
	poll_now(LANE_SWEEP);
	return compared_within(100);
}

/* From here on nothing that rests is looked at within a test. */
static inline void long_turns(void)
{
	settings.interval_ns = NSEC_PER_SEC;
	settings.sweep_interval_ns = 60 * NSEC_PER_SEC;
	collector_configure(collector, &settings);
}
