/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One row over the record before, with its history, or behind the records where there is none.
 */
#include <errno.h>

#include "collector/private.h"
#include "collector/settings.h"
#include "collector/totals.h"
#include "model/macro.h"

/* What is remembered of @old, and its verdict where that still holds. */
void poll_carry(const struct poll *p, struct record *record, const struct record *old)
{
	memory_carry(&p->memory, record, old);
	history_carry(p->c->history, record, old);
	/* What is known from the MPTCP socket above it: the TCP row does not tell. */
	if (!(record->sk.known & TCPDIAG_KNOWS_ULP) && record->sk.kind == old->sk.kind &&
	    record->sk.state != TCPDIAG_CLOSE)
		record->sk.mptcp_subflow = old->sk.mptcp_subflow;
	record->quiet = rota_quiet(record, old);
	if (!totals_same_verdict(&record->sk, &old->sk))
		return;
	record->close_rule = old->close_rule;
	record->close_segment = old->close_segment;
	record->flags |= RECORD_JUDGED;
}

uint32_t poll_covers(const struct poll *p)
{
	return p->pass == PASS_FAST ? MEMORY_FAST_STATES : TCPDIAG_STATE_BIT(TCPDIAG_LISTEN);
}

/* States that this pass has asked for, where the record stands. */
static uint32_t covered_here(struct poll *p, const struct record *record)
{
	return poll_reads(p, record) ? poll_covers(p) : 0;
}

/* Who waits is counted by sweeps; it holds as long as the queue is as long as it was. */
static void keep_children(struct tcpdiag_socket *sk, const struct tcpdiag_socket *before)
{
	if (sk->state != TCPDIAG_LISTEN || !(before->known & TCPDIAG_KNOWS_CHILDREN) ||
	    sk->rqueue != before->rqueue)
		return;
	sk->children = before->children;
	sk->known |= TCPDIAG_KNOWS_CHILDREN;
}

/* @settings: read with it; NULL: not read. Return: 0 or -ENOMEM. */
static int put_over(struct poll *p, struct record *row, const struct socket_settings *settings,
		    uint32_t position)
{
	const struct record *old = &p->before.records[position];
	bool of_pass = row->settings_ns;
	struct collector *c = p->c;
	struct record *records;
	uint32_t count;

	if (of_pass && !closed_supersedes(row, old, covered_here(p, row)))
		return 0;
	follow_saw(p, &row->sk, poll_tears_down(&old->sk));
	poll_carry(p, row, old);
	keep_children(&row->sk, &old->sk);
	row->peer = old->peer; /* where it is likely to be found again */
	if (of_pass)
		closed_seen(row);
	if (settings)
		settings_join(row, settings, READING_LOOK_UP, p->now_ns);
	records = snapshot_writer_records(&p->w, &count);
	if (position < count) {
		records[position] = *row;
		if (!of_pass && look_up_soon(p, row, position, false) < 0)
			return -ENOMEM;
	}
	/* It has just come into a state that this pass covers. */
	if (!(covered_here(p, row) & TCPDIAG_STATE_BIT(old->sk.state)))
		return push_number(&c->besides, &c->besides_room, &p->besides_count, position);
	return 0;
}

/* Return: 0 or -ENOMEM. */
static int put_fresh(struct poll *p, const struct record *row)
{
	struct collector *c = p->c;
	struct record *record;
	uint32_t count;

	snapshot_writer_records(&p->w, &count);
	if (count >= p->w.max_records) {
		c->limits[LIMIT_SOCKETS]++;
		p->cut++;
		return 0;
	}
	follow_saw(p, &row->sk, false);
	record = snapshot_add(&p->w);
	if (!record)
		return -ENOMEM;
	*record = *row;
	return push_number(&c->fresh, &c->fresh_room, &p->fresh_count, count);
}

/* One row of the fast lane. Return: 0 or -ENOMEM. */
int poll_put(struct poll *p, struct record *row)
{
	uint32_t position;
	int r;

	p->rows++;
	poll_in(p, row->sk.netns);
	row->sk.attachment = tcpdiag_attachment_guess(&row->sk);
	r = join_row(&p->c->join, &row->sk, &position);
	if (r < 0)
		return r;
	if (r == JOIN_MATCHED)
		return put_over(p, row, NULL, position);
	if (r == JOIN_FRESH)
		return put_fresh(p, row);
	p->c->limits[LIMIT_DUPLICATES] += !row->settings_ns;
	return 0;
}

int poll_put_at(struct poll *p, struct record *row, const struct socket_settings *settings,
		uint32_t position, uint32_t number)
{
	int r;

	p->rows++;
	poll_in(p, row->sk.netns);
	if (position == RECORD_NONE)
		r = join_unknown(&p->c->join, &row->sk);
	else
		r = join_known(&p->c->join, position, number);
	if (r == JOIN_MATCHED)
		return put_over(p, row, settings, position);
	return r == JOIN_FRESH ? put_fresh(p, row) : MIN(r, 0);
}
