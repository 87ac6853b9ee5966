/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows of a dump become records of the new snapshot, with the history of the records before.
 *
 * The sweep writes each row straight into the new snapshot. The fast lane copies the records before, puts
 * its rows over them, appends what is new and takes out what is in none of its states any more: that
 * has vanished, or has become what only a sweep shows (TIME-WAIT), so it is remembered for a while.
 */
#include <errno.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

#include "collector/private.h"
#include "collector/subflows.h"
#include "collector/totals.h"
#include "model/macro.h"

#define AHEAD 4U
#define COPIED 64U
#define GONE_SWEEPS 3 /* so many sweeps may miss a socket that moves */

int push_number(uint32_t **list, uint32_t *room, uint32_t *count, uint32_t value)
{
	if (*count == *room) {
		uint32_t more = MAX(*room * 2, 1024U);
		uint32_t *numbers = reallocarray(*list, more, sizeof(*numbers));

		if (!numbers)
			return -ENOMEM;
		*list = numbers;
		*room = more;
	}
	(*list)[(*count)++] = value;
	return 0;
}

/* Listeners and what is in a teardown state are looked for in each poll, whoever has asked for them. */
static int note_besides(struct poll *p, const struct record *record, uint32_t position)
{
	struct collector *c = p->c;

	if (record->sk.state != TCPDIAG_LISTEN && !poll_tears_down(&record->sk))
		return 0;
	return push_number(&c->besides, &c->besides_room, &p->besides_count, position);
}

int poll_place(struct poll *p, struct record *record)
{
	struct collector *c = p->c;
	uint32_t position, count;
	int r;

	p->rows++;
	poll_in(p, record->sk.netns);
	if (c->join.hint + AHEAD < p->before.record_count)
		record_prefetch(&p->before.records[c->join.hint + AHEAD]);
	record->sk.attachment = tcpdiag_attachment_guess(&record->sk);
	r = join_row(&c->join, &record->sk, &position);
	if (r < 0)
		return r;
	if (r == JOIN_DUPLICATE) {
		/* One that a pass over the descriptors has seen, too, is none. */
		c->limits[LIMIT_DUPLICATES] += !record->settings_ns;
		snapshot_drop(&p->w);
		return 0;
	}
	snapshot_writer_records(&p->w, &count);
	if (r == JOIN_MATCHED && record->settings_ns && !poll_reads(p, record) &&
	    !closed_supersedes(record, &p->before.records[position], 0)) {
		*record = p->before.records[position];
		return note_besides(p, record, count - 1);
	}
	if (record->sk.state == TCPDIAG_LISTEN &&
	    push_number(&c->order, &c->order_room, &p->order_count, count - 1) < 0)
		return -ENOMEM;
	if (poll_tears_down(&record->sk) &&
	    push_number(&c->besides, &c->besides_room, &p->besides_count, count - 1) < 0)
		return -ENOMEM;
	follow_saw(p, &record->sk,
		   r == JOIN_MATCHED && poll_tears_down(&p->before.records[position].sk));
	if (r == JOIN_MATCHED) {
		const struct record *old = &p->before.records[position];

		poll_carry(p, record, old);
		return look_up_soon(p, record, count - 1, old->sk.inode != record->sk.inode);
	}
	if (push_number(&c->fresh, &c->fresh_room, &p->fresh_count, count - 1) < 0)
		return -ENOMEM;
	return look_up_note(p, record, count - 1, false);
}

/* What stays unread above the limit is counted. Return: as sock_diag_next(). */
static int skip_row(struct poll *p)
{
	struct tcpdiag_socket sk;
	int r = sock_diag_next(p->space->diag, &sk);

	if (r == 1) {
		p->c->limits[LIMIT_SOCKETS]++;
		p->cut++;
	}
	return r;
}

static int sweep_dump(struct poll *p, const struct space *space, int protocol)
{
	const struct sock_diag_request request = { .states = TCPDIAG_STATES_ALL,
						   .protocol = protocol,
						   .info = true };
	uint32_t count;
	int r;

	poll_in(p, space->inode);
	r = sock_diag_dump(space->diag, &request);
	while (r >= 0) {
		struct record *record;

		snapshot_writer_records(&p->w, &count);
		if (count >= p->w.max_records) {
			r = skip_row(p);
			if (r <= 0)
				break;
			continue;
		}
		record = snapshot_add(&p->w);
		if (!record)
			return -ENOMEM;
		record_prefetch_write(record + AHEAD);
		r = sock_diag_next(space->diag, &record->sk);
		if (r <= 0) {
			snapshot_drop(&p->w);
			break;
		}
		r = poll_place(p, record);
	}
	return r;
}

/* Copies what is about to leave the table into the memory of the gone. */
static void forget(struct poll *p, uint32_t position)
{
	struct record record = p->before.records[position];

	/* Closed, or dead while its descriptor stays: a pass over these tells. */
	if (record.sk.inode && record.sk.state != TCPDIAG_CLOSE)
		p->c->walk.early = true;
	attach_forget(p->c->attach, &record);
	gone_put(p->c->gone, &record, p->now_ns);
	history_end(p->c->history, &record);
}

/* Records without a row before: back from the gone, or new. @records: of the new snapshot. */
static void settle_fresh(struct poll *p)
{
	struct collector *c = p->c;
	int64_t oldest = p->now_ns - GONE_SWEEPS * c->lanes.passes[PASS_SWEEP].interval_ns;
	struct record *records;
	uint32_t count, i;

	records = snapshot_writer_records(&p->w, &count);
	for (i = 0; i < p->fresh_count; i++) {
		struct record *record = &records[c->fresh[i]];
		const struct record *old = gone_find(c->gone, &record->sk, oldest);

		poll_in(p, record->sk.netns);
		if (old) {
			memory_carry(&p->memory, record, old);
			history_revive(c->history, &old->sk);
			history_carry(c->history, record, old);
		} else {
			memory_first(&p->memory, record);
		}
		/* Whose it is, and what a look-up does not find, a pass tells. */
		if (record->sk.inode && record->sk.state != TCPDIAG_CLOSE)
			c->walk.early = true;
	}
}

static void forget_unseen(struct poll *p)
{
	uint32_t count = p->before.record_count, i;

	for (i = 0; i < count; i++) {
		if (i % 64 == 0 && p->c->join.seen[i / 64] == UINT64_MAX) {
			i += 63;
			continue;
		}
		if (!join_seen(&p->c->join, i))
			forget(p, i);
	}
}

/* MPTCP sockets have a dump of their own, and a kernel may not know it. */
static int sweep_mptcp(struct poll *p, struct space *space,
		       int (*dump)(struct poll *p, const struct space *space, int protocol))
{
	struct collector *c = p->c;
	int64_t began = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	int r;

	if (c->no_mptcp || c->replay)
		return 0;
	r = dump(p, space, IPPROTO_MPTCP);
	if (r == -EOPNOTSUPP || r == -ENOENT || r == -EINVAL || r == -EPROTONOSUPPORT) {
		c->no_mptcp = true;
		if (access("/proc/sys/net/mptcp/enabled", F_OK) == 0)
			sources_set(&c->sources, SOURCE_MPTCP_DIAG, SOURCE_FAILED,
				    "MPTCP sockets are not seen: this kernel has MPTCP but no "
				    "mptcp_diag; try: modprobe mptcp_diag");
		else
			sources_set(&c->sources, SOURCE_MPTCP_DIAG, SOURCE_OFF,
				    "this kernel has no MPTCP");
		return 0;
	}
	if (r == -ENOMEM || (r < 0 && !space->own))
		return r;
	if (r < 0) {
		sources_failed(&c->sources, SOURCE_MPTCP_DIAG, -r,
			       "the dump of MPTCP sockets broke off", "");
		return 0;
	}
	if (!space->own)
		return 0;
	sources_set(&c->sources, SOURCE_MPTCP_DIAG, SOURCE_OK, NULL);
	sources_passed(&c->sources, SOURCE_MPTCP_DIAG, p->now_ns,
		       clock_ns(CLOCK_THREAD_CPUTIME_ID) - began);
	return 0;
}

static int sweep_space(struct poll *p, struct space *space)
{
	int64_t began = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	uint32_t cut = p->cut;
	int r;

	r = sweep_dump(p, space, IPPROTO_TCP);
	look_up_flush(p);
	if (r >= 0)
		r = sweep_mptcp(p, space, sweep_dump);
	look_up_flush(p);
	if (r < 0)
		return poll_failed(p, space, r);
	space->cut = p->cut - cut;
	if (p->cut == cut)
		follow_saw_all(p, space, 0);
	if (space->own)
		space_paid(&p->c->spaces, space, true, clock_ns(CLOCK_THREAD_CPUTIME_ID) - began);
	return 0;
}

/* What this pass has not asked for stands as it was. Sockets in CLOSE have been brought already. */
static int keep_others(struct poll *p)
{
	uint32_t i, count;
	int r = 0;

	p->c->spaces.kept_cut = 0;
	for (i = 0; i < p->before.record_count && r == 0; i++) {
		const struct record *old = &p->before.records[i];
		const struct space *space;
		struct record *record;

		if (i % 64 == 0 && p->c->join.seen[i / 64] == UINT64_MAX) {
			i += 63;
			continue;
		}
		space = poll_in(p, old->sk.netns);
		if (join_seen(&p->c->join, i) || (space && space->chosen) ||
		    old->sk.state == TCPDIAG_CLOSE || poll_has_lost(p, old))
			continue;
		snapshot_writer_records(&p->w, &count);
		if (count >= p->w.max_records) {
			p->c->limits[LIMIT_SOCKETS]++;
			p->c->spaces.kept_cut++;
			continue;
		}
		record = snapshot_add(&p->w);
		if (!record)
			return -ENOMEM;
		*record = *old;
		join_keep(&p->c->join, i);
		r = note_besides(p, record, count);
	}
	return r;
}

static int sweep(struct poll *p)
{
	uint32_t dumped, closed;
	struct record *records;
	int r;

	r = join_begin(&p->c->join, p->before.records, p->before.record_count, NULL, 0);
	if (r < 0)
		return r;
	r = poll_each_space(p, sweep_space);
	if (r < 0)
		return r;
	snapshot_writer_records(&p->w, &dumped);
	r = poll_add_closed(p);
	if (r >= 0)
		r = poll_keep_closed(p);
	if (r < 0)
		return r;
	snapshot_writer_records(&p->w, &closed);
	r = keep_others(p);
	if (r < 0)
		return r;
	forget_unseen(p);
	settle_fresh(p);
	poll_settle_closed(p, dumped, closed);
	records = snapshot_writer_records(&p->w, &p->appended);
	return subflows_mark(records, dumped);
}

/* ---- the fast lane ---- */

int poll_copy_rows(struct poll *p)
{
	return snapshot_copy_records(&p->w, p->before.records, p->before.record_count);
}

/* What this pass covers, and what else is in a teardown state. */
static int list_order(struct poll *p, uint32_t states, uint32_t first, uint32_t end)
{
	struct collector *c = p->c;
	uint32_t i;
	int r = 0;

	for (i = first; i < end && r >= 0; i++) {
		const struct record *old = &p->before.records[i];
		const struct tcpdiag_socket *sk = &old->sk;
		bool asked = states & TCPDIAG_STATE_BIT(sk->state) &&
			     (sk->state == TCPDIAG_CLOSE || (!sk->mptcp && poll_reads(p, old)));

		if (asked || (c->spaces.lost && poll_has_lost(p, old)))
			r = push_number(&c->order, &c->order_room, &p->order_count, i);
		else
			r = note_besides(p, old, i);
		if (r == 0)
			r = follow_meet(p, old, i, asked ? p->order_count - 1 : UINT32_MAX);
	}
	return r;
}

static int fast_dump(struct poll *p, const struct space *space, uint32_t states, int protocol)
{
	const struct sock_diag_request request = { .states = states,
						   .protocol = protocol,
						   .info = true };
	int r = sock_diag_dump(space->diag, &request);

	while (r >= 0) {
		struct record row = { .holder = RECORD_NONE,
				      .creator = RECORD_NONE,
				      .listener = RECORD_NONE,
				      .peer = RECORD_NONE };

		r = sock_diag_next(space->diag, &row.sk);
		if (r <= 0)
			break;
		r = poll_put(p, &row);
	}
	return r;
}

/* Everything in a namespace that has not been read before. */
static int fast_dump_all(struct poll *p, const struct space *space, int protocol)
{
	return fast_dump(p, space, TCPDIAG_STATES_ALL, protocol);
}

/* What was to be read and has not been, records of that stay as they were. */
static void keep_order(struct poll *p)
{
	uint32_t i;

	for (i = 0; i < p->order_count; i++) {
		const struct record *old = &p->before.records[p->c->order[i]];
		const struct space *space = poll_in(p, old->sk.netns);

		if (space && !space->chosen && old->sk.state != TCPDIAG_CLOSE &&
		    !poll_has_lost(p, old))
			join_keep(&p->c->join, p->c->order[i]);
	}
}

/* What the pass covers: by one dump, or the listeners by one and the others by looking each up. */
static int fast_states(struct poll *p, struct space *space)
{
	int r;

	if (!space->follow.reads)
		return fast_dump(p, space, poll_covers(p), IPPROTO_TCP);
	r = fast_dump(p, space, TCPDIAG_STATE_BIT(TCPDIAG_LISTEN), IPPROTO_TCP);
	if (r < 0)
		return r;
	r = follow_read(p, space);
	if (r < 0 && r != -ENOMEM)
		r = fast_dump(p, space, TCPDIAG_STATES_TEARDOWN, IPPROTO_TCP);
	return r;
}

/* A dump of the fast lane's states and settings behind it are through: what each has cost. */
static void follow_dump(struct poll *p, struct space *space, int64_t began, uint32_t asked,
			int64_t asked_ns)
{
	const int64_t settings = p->look_up_ns - asked_ns;
	const int64_t cost = clock_ns(CLOCK_THREAD_CPUTIME_ID) - began;

	follow_asked(p, p->warm_total - asked, settings);
	follow_saw_all(p, space, space->full ? 0 : MAX(cost - settings, (int64_t)1));
}

static int fast_space(struct poll *p, struct space *space)
{
	int64_t began = clock_ns(CLOCK_THREAD_CPUTIME_ID), asked_ns = p->look_up_ns;
	uint32_t cut = p->cut, rows = p->rows, asked = p->warm_total;
	int r;

	if (space->full)
		r = fast_dump_all(p, space, IPPROTO_TCP);
	else
		r = fast_states(p, space);
	look_up_flush(p);
	if (r >= 0 && space->full)
		r = sweep_mptcp(p, space, fast_dump_all);
	if (r < 0)
		return poll_failed(p, space, r);
	if (!space->follow.reads && p->pass == PASS_FAST && p->cut == cut)
		follow_dump(p, space, began, asked, asked_ns);
	if (space->full)
		space->cut = p->cut - cut;
	/* Who waits in a queue, and what belongs to MPTCP, a sweep finds out. */
	if (space->full && p->rows > rows)
		space->changed_ns = p->now_ns + 1;
	if (space->own && p->pass == PASS_FAST)
		space_paid(&p->c->spaces, space, false, clock_ns(CLOCK_THREAD_CPUTIME_ID) - began);
	return 0;
}

/* The last record comes into the place of one that has left. */
static void take_out(struct poll *p)
{
	uint32_t i = p->order_count, count;
	struct record *records;

	while (i-- > 0) {
		uint32_t position = p->c->order[i];

		records = snapshot_writer_records(&p->w, &count);
		if (join_seen(&p->c->join, position) || position >= count)
			continue;
		records[position] = records[count - 1];
		snapshot_drop(&p->w);
	}
}

/* A few records at once, as the cache holds them: they are copied and then looked at. */
static int copy_and_list(struct poll *p, uint32_t states)
{
	uint32_t count = p->before.record_count, i, end;
	int r = 0;

	for (i = 0; i < count && r == 0; i = end) {
		end = MIN(count, i + COPIED);
		r = snapshot_copy_records(&p->w, &p->before.records[i], end - i);
		if (r == 0)
			r = list_order(p, states, i, end);
	}
	snapshot_writer_records(&p->w, &p->appended);
	return r;
}

static int fast(struct poll *p)
{
	uint32_t states = poll_covers(p);
	bool closed = poll_has_closed(p);
	uint32_t count, i;
	int r;

	r = copy_and_list(p, closed ? states | TCPDIAG_STATE_BIT(TCPDIAG_CLOSE) : states);
	if (r < 0)
		return r;
	r = join_begin(&p->c->join, p->before.records, p->before.record_count, p->c->order,
		       p->order_count);
	if (r < 0)
		return r;
	follow_choose(p);
	r = poll_each_space(p, fast_space);
	look_up_flush(p);
	if (p->left_out)
		keep_order(p);
	if (r >= 0 && closed)
		r = poll_put_closed(p);
	if (r < 0)
		return r;
	for (i = 0; i < p->order_count; i++)
		if (!join_seen(&p->c->join, p->c->order[i]))
			forget(p, p->c->order[i]);
	settle_fresh(p);
	snapshot_writer_records(&p->w, &count);
	poll_settle_closed(p, p->appended, count);
	take_out(p);
	return 0;
}

int poll_read_rows(struct poll *p)
{
	return p->pass == PASS_SWEEP ? sweep(p) : fast(p);
}
