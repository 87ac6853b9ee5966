/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets in TCP_CLOSE, which are in no hash table and so in no dump: only their descriptors show them. Dead
 * connections that a process still holds, and sockets that were never bound.
 *
 * They come from the last pass over the descriptors and are as old as that. One that is bound is in the dump
 * of newer kernels (bound-inactive), and one that has been connected since is in any: the dump is right.
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

int poll_add_closed(struct poll *p)
{
	const struct owners_lane *walk = &p->c->walk;
	const struct tcpdiag_socket *sockets;
	uint32_t count, i;
	int r = 0;

	if (!walk->bpf)
		return 0;
	count = owners_closed(walk->owners, &sockets);
	for (i = 0; i < count && r == 0; i++)
		if (sockets[i].netns == p->c->self.netns)
			r = add(p, &sockets[i], owners_result_ns(walk->owners));
	return r;
}

void poll_settle_closed(struct poll *p, uint32_t first)
{
	const struct owners_lane *walk = &p->c->walk;
	struct record *records;
	uint32_t count, i;

	records = snapshot_writer_records(&p->w, &count);
	for (i = first; i < count; i++) {
		records[i].seen_ns = owners_result_ns(walk->owners);
		if (!(records[i].flags & RECORD_JUDGED))
			records[i].flags |= RECORD_UNJUDGED;
	}
}
