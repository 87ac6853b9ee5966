/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets in TCP_CLOSE, which are in no hash table and so in no dump: only their descriptors show them. Dead
 * connections that a process still holds, and sockets that were never bound.
 *
 * They come from the last pass over the descriptors and are as old as that. One that is bound is in the dump
 * of newer kernels (bound-inactive), and one that has been connected since is in any: the dump is right.
 * A sweep shows those of the last pass; a fast pass puts those of a new one in.
 */
#include <errno.h>

#include "collector/private.h"
#include "model/macro.h"

/* Above the limit; not where the dump has shown it. */
static int cut(struct poll *p, const struct tcpdiag_socket *sk)
{
	uint32_t position;
	int r = join_row(&p->c->join, sk, &position);

	if (r < 0 || r == JOIN_DUPLICATE)
		return MIN(r, 0);
	p->c->limits[LIMIT_SOCKETS]++;
	p->cut++;
	return 0;
}

static int add(struct poll *p, const struct tcpdiag_socket *sk, int64_t read_ns)
{
	struct record *record;
	uint32_t count;

	snapshot_writer_records(&p->w, &count);
	if (count >= p->w.max_records)
		return cut(p, sk);
	record = snapshot_add(&p->w);
	if (!record)
		return -ENOMEM;
	record->sk = *sk;
	record->settings_ns = read_ns;
	return poll_place(p, record);
}

/* Calls @put for each, also of namespaces that nobody can enter. Return: 0 or -errno of @put. */
static int for_each(struct poll *p,
		    int (*put)(struct poll *p, const struct tcpdiag_socket *sk, int64_t read_ns))
{
	const struct owners_lane *walk = &p->c->walk;
	const struct tcpdiag_socket *sockets;
	uint32_t count, i;
	int r = 0;

	if (!walk->bpf)
		return 0;
	count = owners_closed(walk->owners, &sockets);
	for (i = 0; i < count && r == 0; i++)
		if (p->c->settings.namespaces || sockets[i].netns == p->c->self.netns)
			r = put(p, &sockets[i], owners_result_ns(walk->owners));
	p->c->closed_ns = owners_result_ns(walk->owners);
	return r;
}

int poll_add_closed(struct poll *p)
{
	return for_each(p, add);
}

int poll_keep_closed(struct poll *p)
{
	const struct owners_lane *walk = &p->c->walk;
	uint32_t i, count, position;
	struct record *record;
	int r;

	if (!walk->bpf || owners_result_ns(walk->owners))
		return 0;
	for (i = 0; i < p->before.record_count; i++) {
		const struct record *old = &p->before.records[i];

		if (old->sk.state != TCPDIAG_CLOSE || join_seen(&p->c->join, i))
			continue;
		r = join_row(&p->c->join, &old->sk, &position);
		if (r < 0)
			return r;
		snapshot_writer_records(&p->w, &count);
		if (r != JOIN_MATCHED || count >= p->w.max_records)
			continue;
		record = snapshot_add(&p->w);
		if (!record)
			return -ENOMEM;
		*record = *old;
	}
	return 0;
}

bool poll_has_closed(const struct poll *p)
{
	const struct owners_lane *walk = &p->c->walk;

	return p->pass == PASS_FAST && walk->bpf &&
	       owners_result_ns(walk->owners) != p->c->closed_ns;
}

static int put(struct poll *p, const struct tcpdiag_socket *sk, int64_t read_ns)
{
	struct record row = { .sk = *sk,
			      .settings_ns = read_ns,
			      .holder = RECORD_NONE,
			      .creator = RECORD_NONE,
			      .listener = RECORD_NONE,
			      .peer = RECORD_NONE };

	return poll_put(p, &row);
}

int poll_put_closed(struct poll *p)
{
	return for_each(p, put);
}

/*
 * The last sweep has asked for the others, and what it saw after the pass had begun is newer. What is bound
 * it sees each time.
 */
bool closed_supersedes(const struct record *row, const struct record *old, uint32_t covered)
{
	/* Both have one cookie while the minisocket lives: the dump's row is the one that stays. */
	if (old->sk.kind != TCPDIAG_KIND_FULL)
		return false;
	if ((covered | TCPDIAG_STATE_BIT(TCPDIAG_CLOSE)) & TCPDIAG_STATE_BIT(old->sk.state))
		return true;
	return old->sk.state != TCPDIAG_BOUND_INACTIVE && old->seen_ns < row->settings_ns;
}

void closed_seen(struct record *record)
{
	record->seen_ns = record->settings_ns;
	/* Not what this poll has asked for, yet to be judged. */
	if (!(record->flags & RECORD_JUDGED))
		record->flags |= RECORD_UNJUDGED;
}

void poll_settle_closed(struct poll *p, uint32_t first, uint32_t end)
{
	struct record *records;
	uint32_t count, i;

	records = snapshot_writer_records(&p->w, &count);
	for (i = first; i < end; i++)
		if (records[i].sk.state == TCPDIAG_CLOSE)
			closed_seen(&records[i]);
}
