/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What cannot wait for the next pass over the descriptors, read in the same poll: what is new, what is in a
 * teardown state, what a finding is about, what nobody seems to hold, and what waits in a queue, which has no
 * descriptor. All else changes rarely, and is as old as the last pass.
 *
 * What a socket in a queue was cloned with nobody can change before it is accepted: once is enough until then.
 *
 * A look-up waits for memory and for little else. So a socket that was there before is looked up while its dump is
 * under way, a few hundred rows behind: the kernel has just had it in its hands.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "collector/private.h"
#include "collector/settings.h"
#include "model/macro.h"

#define LOOK_UPS_MAX 131072U /* in one poll: behind the dump, and as many of what it brings */
#define REREAD_NS (30 * NSEC_PER_SEC) /* where there are no passes */

bool look_up_can(const struct tcpdiag_socket *sk)
{
	return sk->kind == TCPDIAG_KIND_FULL && !sk->mptcp && sk->state != TCPDIAG_CLOSE &&
	       sk->state != TCPDIAG_BOUND_INACTIVE;
}

bool look_up_is_due(const struct record *record, int64_t reread_ns)
{
	const struct tcpdiag_socket *sk = &record->sk;

	if (!look_up_can(sk))
		return false;
	if (record->settings_ns <= reread_ns || record->findings || sk->inherited ||
	    TCPDIAG_STATES_TEARDOWN & TCPDIAG_STATE_BIT(sk->state))
		return true;
	return sk->attachment == TCPDIAG_UNHELD ||
	       (record->flags & RECORD_OWNERS_KNOWN && sk->inode && !record->holders);
}

/* What was read before then has to be read again, whatever it is; 0: only what was never read. */
static int64_t reread(const struct poll *p)
{
	return p->c->walk.bpf ? 0 : MAX(p->now_ns - REREAD_NS, (int64_t)0);
}

/* In the namespace where they are. Return: 0 or -errno of the reader. */
static int run_here(struct poll *p, struct record *const *records, uint32_t count)
{
	const struct tcpdiag_socket *sockets[LOOK_UP_MAX] = {};
	struct socket_settings answers[LOOK_UP_MAX];
	uint32_t i;
	int r;

	for (i = 0; i < count; i++)
		sockets[i] = &records[i]->sk;
	r = settings_look_up(p->c->bpf, sockets, count, answers);
	if (r < 0)
		return r;
	for (i = 0; i < count; i++)
		settings_join(records[i], &answers[i], READING_LOOK_UP, p->now_ns);
	return 0;
}

/* One that has gone in the meantime is no failure of the reader: nothing is read then. */
static int run_in(struct poll *p, uint32_t netns, struct record *const *records, uint32_t count)
{
	struct netns_watch *watch = p->c->census.watch;
	int r;

	if (netns == p->c->spaces.own->inode)
		return run_here(p, records, count);
	if (!watch || netns_enter(watch, netns) < 0)
		return 0;
	r = run_here(p, records, count);
	netns_leave(watch);
	return r;
}

/* The program looks where the calling thread is: a namespace after the other. Return: 0 or -errno of the reader. */
static int run(struct poll *p, struct record *records, const uint32_t *positions, uint32_t count)
{
	struct record *waiting[LOOK_UP_MAX], *group[LOOK_UP_MAX];
	uint32_t i;
	int r = 0;

	for (i = 0; i < count; i++)
		waiting[i] = &records[positions[i]];
	while (count && r == 0) {
		uint32_t netns = waiting[0]->sk.netns, left = 0, found = 0;

		for (i = 0; i < count; i++)
			if (waiting[i]->sk.netns == netns)
				group[found++] = waiting[i];
			else
				waiting[left++] = waiting[i];
		r = run_in(p, netns, group, found);
		count = left;
	}
	return r;
}

void look_up_flush(struct poll *p)
{
	int64_t began = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	uint32_t count;

	if (!p->warm_count)
		return;
	p->look_up_error = run(p, snapshot_writer_records(&p->w, &count), p->warm, p->warm_count);
	p->warm_total += p->warm_count;
	p->warm_count = 0;
	p->look_up_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - began;
}

/*
 * One in a teardown state that nothing happens to. What this pass has not looked at stands as it was. Where events are
 * followed a sweep or an audit is but one pass of many, and what a look-up would be due for is due.
 */
static bool is_left_alone(const struct poll *p, const struct record *record)
{
	const struct rota *rota = p->space && p->space->follow.by_events ? &p->rota
									 : &p->settings_rota;

	if (!poll_tears_down(&record->sk) || record->settings_ns <= reread(p))
		return false;
	return follow_rests(p, record) || !rota_is_due(rota, record, record->settings_ns);
}

/* What stands as it was is not looked up either. */
static bool is_due(struct poll *p, const struct record *record, bool anew)
{
	if (!p->look_up || p->look_up_error || record->settings_ns >= p->now_ns ||
	    !poll_reads(p, record))
		return false;
	if (anew && look_up_can(&record->sk))
		return true;
	return look_up_is_due(record, reread(p)) && !is_left_alone(p, record);
}

int look_up_note(struct poll *p, const struct record *record, uint32_t position, bool anew)
{
	struct collector *c = p->c;

	if (!is_due(p, record, anew))
		return 0;
	return push_number(&c->asked, &c->asked_room, &p->asked_count, position);
}

int look_up_soon(struct poll *p, const struct record *record, uint32_t position, bool anew)
{
	if (p->warm_total >= LOOK_UPS_MAX)
		return look_up_note(p, record, position, anew);
	if (!is_due(p, record, anew))
		return 0;
	p->warm[p->warm_count++] = position;
	if (p->warm_count == LOOK_UP_WARM)
		look_up_flush(p);
	return 0;
}

void look_up_begin(struct poll *p)
{
	p->look_up = p->c->bpf && bpf_reader_has_look_up(p->c->bpf);
}

static int note_all(struct poll *p, const struct record *records, uint32_t count,
		    const uint32_t *positions, uint32_t position_count)
{
	uint32_t i;
	int r = 0;

	for (i = 0; i < position_count && r == 0; i++)
		if (positions[i] < MIN(count, p->appended))
			r = look_up_note(p, &records[positions[i]], positions[i], false);
	return r;
}

/* Findings are about what they were about in the snapshot before, and the fast lane moves little. */
static int note_flagged(struct poll *p, const struct record *records, uint32_t count)
{
	const struct collector *c = p->c;
	uint32_t i;
	int r = 0;

	for (i = 0; i < c->flagged_count && r == 0; i++) {
		uint32_t position = c->flagged[i];

		if (position < MIN(count, p->appended) && records[position].findings &&
		    !(MEMORY_FAST_STATES & TCPDIAG_STATE_BIT(records[position].sk.state)))
			r = look_up_note(p, &records[position], position, false);
	}
	return r;
}

/* What a fast pass covers, and what is new to it. */
static int gather(struct poll *p, const struct record *records, uint32_t count)
{
	const struct collector *c = p->c;
	uint32_t i;
	int r;

	r = note_all(p, records, count, c->order, p->order_count);
	if (r == 0 && p->pass == PASS_FAST)
		r = note_all(p, records, count, c->besides, p->besides_count);
	if (r == 0 && p->pass == PASS_FAST)
		r = note_flagged(p, records, count);
	for (i = p->appended; i < count && r == 0; i++)
		r = look_up_note(p, &records[i], i, false);
	return r;
}

/* All that was asked for, or so many of them in turns that a poll stays a poll. */
static int run_all(struct poll *p, struct record *records)
{
	struct collector *c = p->c;
	uint32_t wanted = MIN(p->asked_count, LOOK_UPS_MAX);
	uint32_t at = p->asked_count > LOOK_UPS_MAX ? c->look_up_turn % p->asked_count : 0;
	int r = 0;

	c->look_up_turn += wanted;
	while (wanted && r == 0) {
		uint32_t count = MIN(MIN(wanted, LOOK_UP_MAX), p->asked_count - at);

		r = run(p, records, c->asked + at, count);
		wanted -= count;
		at = (at + count) % p->asked_count;
	}
	return r;
}

int poll_look_up(struct poll *p)
{
	struct collector *c = p->c;
	int64_t began = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	struct record *records;
	uint32_t count;
	int r = 0;

	if (!p->look_up)
		return 0;
	records = snapshot_writer_records(&p->w, &count);
	if (p->pass != PASS_SWEEP)
		r = gather(p, records, count);
	if (r < 0)
		return r;
	if (!p->look_up_error)
		p->look_up_error = run_all(p, records);
	c->reader.look_up_ns = p->look_up_ns + clock_ns(CLOCK_THREAD_CPUTIME_ID) - began;
	c->reader.look_up_error = p->look_up_error;
	if (p->look_up_error)
		reader_broke_off(c);
	else if (p->asked_count || p->warm_total)
		reader_answered(c, p->now_ns);
	return 0;
}
