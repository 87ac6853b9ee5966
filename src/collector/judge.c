/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One walk over the records of a poll: listener and direction, holders, what close() would do, sums.
 *
 * A record that this poll has not asked for keeps its verdict, unless what holds for all sockets at once
 * has turned (the orphan limit, memory). Positions of listeners move, so those are looked up again.
 */
#include <errno.h>

#include "collector/private.h"
#include "collector/totals.h"
#include "model/macro.h"

static int gather_listeners(struct poll *p, const struct record *records, uint32_t count)
{
	uint32_t i;

	listeners_begin(p->c->listeners, p->now_ns);
	for (i = 0; i < count; i++)
		if (records[i].sk.state == TCPDIAG_LISTEN &&
		    listeners_add(p->c->listeners, &records[i].sk, i) < 0)
			return -ENOMEM;
	if (!p->stale)
		p->c->listeners_seen = true;
	return 0;
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

static int begin_attach(struct poll *p)
{
	struct collector *c = p->c;
	const struct attach_limits limits = {
		.max_processes = c->settings.max_processes,
		.max_holders = c->settings.max_sockets,
	};

	return attach_begin(c->attach, c->walk.owners, c->walk.result, c->walk.clean, &limits,
			    c->gone);
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
	for (i = 0; i < count; i++) {
		struct record *record = &records[i];

		direct(p, records, record);
		attach_record(c->attach, record);
		if (turned || record->seen_ns == p->now_ns)
			totals_judge(record, &c->environment);
		totals_add(&p->totals, record, &c->settings.thresholds, p->now_ns);
	}
	if (p->pass == PASS_SWEEP)
		p->totals.port_range_ratio_max = totals_port_range(records, count, c->port_range);
	else if (p->before.header)
		p->totals.port_range_ratio_max = p->before.header->totals.port_range_ratio_max;
	return 0;
}
