/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One walk over the records of a poll: listener and direction, holders, what close() would do, sums.
 *
 * A record that this poll has not asked for keeps its verdict, unless what holds for all sockets at once
 * has turned (the orphan limit, memory). Positions of listeners move, so those are looked up again.
 */
#include <errno.h>

#include "collector/private.h"
#include "collector/settings.h"
#include "collector/totals.h"
#include "model/macro.h"

#define AHEAD 6U

static int add_listener(const struct poll *p, const struct record *records, uint32_t position)
{
	if (records[position].sk.state != TCPDIAG_LISTEN)
		return 0;
	return listeners_add(p->c->listeners, &records[position].sk, position);
}

/*
 * Listeners stand at the positions that the pass has listed (what takes the place of one that left, too)
 * or were appended by it.
 */
static int gather_listeners(struct poll *p, const struct record *records, uint32_t count)
{
	uint32_t i;
	int r = 0;

	listeners_begin(p->c->listeners, p->now_ns);
	for (i = 0; i < p->order_count && r == 0; i++)
		if (p->c->order[i] < MIN(count, p->appended))
			r = add_listener(p, records, p->c->order[i]);
	for (i = p->appended; i < count && r == 0; i++)
		r = add_listener(p, records, i);
	if (r == 0 && !p->stale)
		p->c->listeners_seen = true;
	return r;
}

static void direct(struct poll *p, const struct record *records, struct record *record)
{
	struct collector *c = p->c;
	const struct tcpdiag_socket *sk = &record->sk;

	record->listener = RECORD_NONE;
	if (record->direction == DIRECTION_OUTBOUND || sk->state == TCPDIAG_LISTEN)
		return;
	record->listener = listeners_find(c->listeners, records, sk);
	if (record->direction == DIRECTION_UNKNOWN)
		record->direction = (uint8_t)direction_of(c->listeners, sk, record->listener,
							  c->port_range, c->listeners_seen);
	if (record->direction != DIRECTION_INBOUND)
		record->listener = RECORD_NONE;
}

/* A connection that waits, counted at its listener. Only a sweep sees all of them. */
static void count_child(const struct poll *p, struct record *records, const struct record *record)
{
	if (p->pass == PASS_SWEEP && record->sk.attachment == TCPDIAG_UNACCEPTED &&
	    record->listener != RECORD_NONE)
		records[record->listener].sk.children++;
}

/*
 * A child that its peer has reset still counts in the listener's queue, but is in no dump and gets no
 * RST: what lives is known by counting. Not where several listeners share the port (SO_REUSEPORT): whose
 * child it is, sock_diag does not tell.
 */
static void know_children(struct poll *p, struct record *records, uint32_t count)
{
	const struct collector *c = p->c;
	uint32_t i;

	for (i = 0; i < p->order_count; i++) {
		uint32_t position = c->order[i], first;

		first = position < count
				? listeners_find(c->listeners, records, &records[position].sk)
				: position;
		if (first != position && first != RECORD_NONE)
			records[position].sk.children = records[first].sk.children = UINT32_MAX;
	}
	for (i = 0; i < p->order_count; i++)
		if (c->order[i] < count) {
			struct tcpdiag_socket *sk = &records[c->order[i]].sk;

			if (sk->children <= sk->rqueue)
				sk->known |= TCPDIAG_KNOWS_CHILDREN;
		}
}

static int begin_attach(struct poll *p)
{
	struct collector *c = p->c;
	const struct attach_limits limits = {
		.max_processes = c->settings.max_processes,
		.max_holders = max_holders(&c->settings),
	};

	return attach_begin(c->attach, c->settings.processes ? c->walk.owners : NULL,
			    c->walk.result, c->walk.clean, &limits, c->gone);
}

static int judge(struct poll *p, struct record *records, uint32_t position, uint32_t count,
		 bool turned)
{
	struct collector *c = p->c;
	struct record *record = &records[position];

	if (position + AHEAD < count)
		record_prefetch(&records[position + AHEAD]);
	direct(p, records, record);
	count_child(p, records, record);
	if (!c->bpf)
		settings_forget(record);
	attach_record(c->attach, record);
	if (turned || record->flags & RECORD_UNJUDGED ||
	    (record->seen_ns == p->now_ns && !(record->flags & RECORD_JUDGED)))
		totals_judge(record, &c->environment);
	record->flags &= (uint8_t) ~(RECORD_JUDGED | RECORD_UNJUDGED);
	totals_add(&p->totals, record, &c->settings.thresholds, p->now_ns);
	if (p->pass == PASS_SWEEP)
		port_usage_add(&c->usage, record);
	if (!findings_concern(record))
		return 0;
	return push_number(&c->concerned, &c->concerned_room, &p->concerned_count, position);
}

int poll_judge(struct poll *p)
{
	struct collector *c = p->c;
	uint32_t class = totals_environment_class(&c->environment), count, i;
	bool turned = class != c->environment_class;
	struct record *records = snapshot_writer_records(&p->w, &count);

	if (gather_listeners(p, records, count) < 0 || begin_attach(p) == -ENOMEM)
		return -ENOMEM;
	c->environment_class = class;
	if (p->pass == PASS_SWEEP)
		port_usage_begin(&c->usage, c->port_range);
	for (i = 0; i < count; i++)
		if (judge(p, records, i, count, turned) < 0)
			return -ENOMEM;
	if (p->pass == PASS_SWEEP) {
		know_children(p, records, count);
		p->totals.port_range_ratio_max = port_usage_ratio(&c->usage);
	} else if (p->before.header) {
		p->totals.port_range_ratio_max = p->before.header->totals.port_range_ratio_max;
	}
	return 0;
}
