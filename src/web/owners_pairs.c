/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections both ends of which go down together, found by their ends the other way round, in any namespace
 * (model/ends.h). Where several sockets of this machine fit, whoever holds them, none are a pair: they count
 * as connections to somebody else.
 *
 * Most sockets talk to another machine, so a set of bits over the hashes of all candidates rules them out
 * before anything is stored. The order in which a process closes: exit_files() walks the descriptors upwards and
 * leaves each file whose last one it is to the work of the task, which runs from the newest to the oldest
 * (kernel/task_work.c:task_work_run(), Linux 4.3 on): the highest descriptor is closed first, and a file
 * with several counts by its highest. Between processes there is no order: both are tried.
 */
#include <errno.h>
#include <string.h>

#include "model/ends.h"
#include "model/macro.h"

#include "web/owners.h"

#define BITS_MIN 1024U
#define BITS_MAX (1U << 26)
#define GROUP_MAX 64U /* of more sockets with the same ends nobody is the one */

/* Groups are bounded: whoever makes ends meet in one hides no more than his own. */
static const struct hash_key no_key;

struct candidate {
	uint64_t key; /* the same for both ends */
	uint32_t record;
	uint32_t row; /* of the owner that holds it alone, or RECORD_NONE: it only has the ends */
	uint32_t process; /* the only one that holds it, or RECORD_NONE */
	int32_t fd; /* its highest there */
};

struct search {
	struct owners *owners;
	const struct snapshot *snapshot;
	uint64_t *bits;
	uint32_t mask;
	struct candidate *candidates;
	uint32_t count, room;
};

static bool is_queued(const struct tcpdiag_socket *sk)
{
	return sk->attachment == TCPDIAG_UNACCEPTED;
}

/* Has another end. What becomes of an MPTCP connection is decided later, by a worker of the kernel. */
static bool can_pair(const struct tcpdiag_socket *sk)
{
	const uint32_t apart = TCPDIAG_STATE_BIT(TCPDIAG_LISTEN) |
			       TCPDIAG_STATE_BIT(TCPDIAG_CLOSE) |
			       TCPDIAG_STATE_BIT(TCPDIAG_BOUND_INACTIVE) |
			       TCPDIAG_STATE_BIT(TCPDIAG_TIME_WAIT);

	return (sk->attachment == TCPDIAG_HELD || is_queued(sk)) && !sk->mptcp &&
	       !sk->mptcp_subflow && sk->remote_port && sk->state < TCPDIAG_STATE_MAX &&
	       !(apart & TCPDIAG_STATE_BIT(sk->state));
}

/* Who closes it: its own holders, or those of the listener in whose queue it waits. */
static const struct record *closer(const struct search *s, const struct record *record)
{
	if (!is_queued(&record->sk))
		return record;
	return record->listener < s->snapshot->record_count
		       ? &s->snapshot->records[record->listener]
		       : NULL;
}

/* Who would close it, and in which turn. */
static void set_holder(const struct search *s, struct candidate *candidate)
{
	const struct record *record = &s->snapshot->records[candidate->record], *held;
	const struct holder *holders;
	uint32_t count, i;

	held = can_pair(&record->sk) ? closer(s, record) : NULL;
	if (held)
		candidate->row = owners_sole(s->owners, s->snapshot, held);
	if (candidate->row == RECORD_NONE)
		return;
	holders = snapshot_holders(s->snapshot, held, &count);
	candidate->process = holders[0].process;
	for (i = 0; i < count; i++) {
		if (holders[i].process != candidate->process)
			candidate->process = RECORD_NONE;
		candidate->fd = MAX(candidate->fd, holders[i].fd);
	}
}

static int push(struct search *s, uint32_t index)
{
	const struct tcpdiag_socket *sk = &s->snapshot->records[index].sk;
	struct candidate candidate = { .key = MIN(ends_hash(&no_key, sk),
						  ends_hash_swapped(&no_key, sk)),
				       .record = index,
				       .row = RECORD_NONE,
				       .process = RECORD_NONE,
				       .fd = -1 };

	set_holder(s, &candidate);
	if (s->count == s->room) {
		uint32_t room = MAX(s->room * 2, 64U);
		struct candidate *more = reallocarray(s->candidates, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->candidates = more;
		s->room = room;
	}
	s->candidates[s->count++] = candidate;
	return 0;
}

static bool test(const struct search *s, uint64_t hash)
{
	return s->bits[(hash & s->mask) / 64] >> (hash % 64) & 1;
}

static int gather(struct search *s)
{
	const struct snapshot *snapshot = s->snapshot;
	uint32_t bits = BITS_MIN, i;
	int r = 0;

	while (bits < BITS_MAX && bits / 8 < snapshot->record_count)
		bits *= 2;
	s->mask = bits - 1;
	s->bits = calloc(bits / 64, sizeof(*s->bits));
	if (!s->bits)
		return -ENOMEM;
	for (i = 0; i < snapshot->record_count; i++)
		if (ends_known(&snapshot->records[i].sk)) {
			uint64_t hash = ends_hash(&no_key, &snapshot->records[i].sk);

			s->bits[(hash & s->mask) / 64] |= 1ULL << (hash % 64);
		}
	for (i = 0; i < snapshot->record_count && r == 0; i++)
		if (ends_known(&snapshot->records[i].sk) &&
		    test(s, ends_hash_swapped(&no_key, &snapshot->records[i].sk)))
			r = push(s, i);
	return r;
}

static int compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->record > y->record) - (x->record < y->record);
}

static struct exit_end end_of(const struct search *s, const struct candidate *candidate)
{
	const struct record *record = &s->snapshot->records[candidate->record];

	return (struct exit_end){ .record = record, .queued = is_queued(&record->sk) };
}

static void count_pair(struct search *s, const struct candidate *a, const struct candidate *b)
{
	struct owner *owner = &s->owners->rows[a->row];
	const struct exit_end one = end_of(s, a), two = end_of(s, b);
	const struct tcpdiag_environment *env = snapshot_environment(s->snapshot, one.record);
	struct exit_sums alone = {}, pair, reverse;

	/* In a queue both of them: their listeners' closes count them. */
	if (one.queued && two.queued)
		return;
	if (!one.queued)
		owners_add_record(&alone, s->snapshot, one.record);
	if (!two.queued)
		owners_add_record(&alone, s->snapshot, two.record);
	if (a->process != RECORD_NONE && a->process == b->process) {
		exit_pair(a->fd > b->fd ? &one : &two, a->fd > b->fd ? &two : &one, env, &pair);
	} else {
		exit_pair(&one, &two, env, &pair);
		exit_pair(&two, &one, env, &reverse);
		if (memcmp(pair.count, reverse.count, sizeof(pair.count)) != 0)
			pair.count[EXIT_DOUBT_ORDER]++;
	}
	if (pair.count[EXIT_DOUBT_ORDER] || pair.count[EXIT_DOUBT_INPUT] ||
	    !(one.record->flags & two.record->flags & RECORD_OWNERS_KNOWN))
		exit_unsure(&pair);
	exit_merge(&owner->exit, &alone, -1);
	exit_merge(&owner->exit, &pair, 1);
}

/* The only one of a group that can be the other end of one of it; NULL where there is none, or several. */
static const struct candidate *partner(const struct search *s, const struct candidate *group,
				       uint32_t count, const struct candidate *of)
{
	const struct record *records = s->snapshot->records;
	const struct candidate *found = NULL;
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (&group[i] == of ||
		    !ends_swapped(&records[of->record].sk, &records[group[i].record].sk) ||
		    !ends_possible(&records[of->record], &records[group[i].record]))
			continue;
		if (found)
			return NULL;
		found = &group[i];
	}
	return found;
}

static void count_group(struct search *s, const struct candidate *group, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		const struct candidate *one = &group[i], *other;

		other = one->row != RECORD_NONE ? partner(s, group, count, one) : NULL;
		/* Once, by the one that stands before. */
		if (other > one && other->row == one->row && partner(s, group, count, other) == one)
			count_pair(s, one, other);
	}
}

int owners_pairs(struct owners *owners, const struct snapshot *snapshot)
{
	struct search s = { .owners = owners, .snapshot = snapshot };
	uint32_t first, end;
	int r;

	r = gather(&s);
	if (r == 0 && s.count)
		qsort(s.candidates, s.count, sizeof(*s.candidates), compare_candidates);
	for (first = 0; r == 0 && first < s.count; first = end) {
		for (end = first + 1; end < s.count; end++)
			if (s.candidates[end].key != s.candidates[first].key)
				break;
		if (end - first <= GROUP_MAX)
			count_group(&s, &s.candidates[first], end - first);
	}
	free(s.candidates);
	free(s.bits);
	return r;
}
