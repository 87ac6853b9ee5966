/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets that no holder is seen of, and whose they may be.
 *
 * A process gets a socket by opening one in the namespace that it is in, by accept() from a listener that it
 * holds, or by inheriting and being handed one. So a stranger may belong to whoever has a process in its network
 * namespace, or holds another socket of it, and is none of the other owners' doubts: what is busy in one container
 * says nothing against a service in another. A process whose namespace is not known may be in any.
 *
 * Sums stand by namespace; then a list of (owner, namespace), of which there are few, is made from processes and
 * from holders.
 */
#include <errno.h>
#include <stdlib.h>

#include "model/macro.h"

#include "web/owners.h"

#define ANYWHERE (RECORD_NONE - 1)

/* An owner has something in a namespace. */
struct presence {
	uint32_t row, place;
};

struct stay {
	const struct snapshot *snapshot;
	struct owners *owners;
	struct exit_sums
		*places; /* one a namespace; the own without a row; all others without one */
	uint32_t *last; /* by owner: the place of its newest presence, or ANYWHERE */
	struct presence *presences;
	size_t count, room;
};

static uint32_t place_count(const struct snapshot *snapshot)
{
	return snapshot->namespace_count + 2U;
}

static uint32_t place_of(const struct snapshot *snapshot, uint32_t netns)
{
	const struct namespace *row = snapshot_namespace(snapshot, netns);

	if (row)
		return (uint32_t)(row - snapshot->namespaces);
	return snapshot->namespace_count + (netns != snapshot->header->netns);
}

static bool is_homeless(const struct snapshot *snapshot, const struct record *record)
{
	uint32_t count = 0;

	if (!exit_counts(&record->sk) || record->holders)
		return false;
	if (record->direction == DIRECTION_INBOUND && record->listener < snapshot->record_count)
		snapshot_holders(snapshot, &snapshot->records[record->listener], &count);
	return !count;
}

static void sum_places(struct stay *stay)
{
	const struct snapshot *snapshot = stay->snapshot;
	uint32_t i;

	for (i = 0; i < snapshot->record_count; i++) {
		const struct record *record = &snapshot->records[i];

		if (is_homeless(snapshot, record))
			exit_add_unseen(&stay->places[place_of(snapshot, record->sk.netns)],
					&record->sk, snapshot_environment(snapshot, record));
	}
}

static bool has_strangers(const struct exit_sums *sums)
{
	return sums->count[EXIT_UNSEEN] || sums->count[EXIT_DOUBT_HOLDERS];
}

static int push(struct stay *stay, uint32_t row, uint32_t place)
{
	if (row == RECORD_NONE || !has_strangers(&stay->places[place]) ||
	    stay->last[row] == place || stay->last[row] == ANYWHERE)
		return 0;
	if (stay->count == stay->room) {
		size_t room = MAX(stay->room * 2, (size_t)64);
		struct presence *more = reallocarray(stay->presences, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		stay->presences = more;
		stay->room = room;
	}
	stay->presences[stay->count++] = (struct presence){ row, place };
	stay->last[row] = place;
	return 0;
}

static int by_processes(struct stay *stay)
{
	const struct snapshot *snapshot = stay->snapshot;
	const uint32_t *row_of = stay->owners->row_of;
	uint32_t i;
	int r = 0;

	for (i = 0; i < snapshot->process_count; i++)
		if (row_of[i] != RECORD_NONE && !snapshot->processes[i].netns)
			stay->last[row_of[i]] = ANYWHERE;
	for (i = 0; i < snapshot->process_count && r == 0; i++)
		r = push(stay, row_of[i], place_of(snapshot, snapshot->processes[i].netns));
	return r;
}

static int by_holders(struct stay *stay)
{
	const struct snapshot *snapshot = stay->snapshot;
	const struct holder *holders;
	uint32_t i, k, count, place;
	int r = 0;

	for (i = 0; i < snapshot->record_count; i++) {
		holders = snapshot_holders(snapshot, &snapshot->records[i], &count);
		if (!count)
			continue;
		place = place_of(snapshot, snapshot->records[i].sk.netns);
		for (k = 0; k < count && r == 0; k++)
			if (holders[k].process < snapshot->process_count)
				r = push(stay, stay->owners->row_of[holders[k].process], place);
	}
	return r;
}

static int compare_presences(const void *a, const void *b)
{
	const struct presence *x = a, *y = b;

	if (x->row != y->row)
		return x->row < y->row ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

static void hand_out(struct stay *stay)
{
	struct exit_sums all = {};
	size_t i;

	for (i = 0; i < place_count(stay->snapshot); i++)
		exit_merge(&all, &stay->places[i], 1);
	for (i = 0; i < stay->owners->count; i++)
		if (stay->last[i] == ANYWHERE)
			exit_merge(&stay->owners->rows[i].exit, &all, 1);

	if (stay->count)
		qsort(stay->presences, stay->count, sizeof(*stay->presences), compare_presences);
	for (i = 0; i < stay->count; i++) {
		const struct presence *one = &stay->presences[i];

		if (!i || compare_presences(one, one - 1) != 0)
			exit_merge(&stay->owners->rows[one->row].exit, &stay->places[one->place],
				   1);
	}
}

int owners_strangers(struct owners *owners, const struct snapshot *snapshot)
{
	struct stay stay = { .snapshot = snapshot, .owners = owners };
	uint32_t i;
	int r = -ENOMEM;

	stay.places = calloc(place_count(snapshot), sizeof(*stay.places));
	stay.last = calloc(owners->count + 1U, sizeof(*stay.last));
	if (stay.places && stay.last) {
		for (i = 0; i < owners->count; i++)
			stay.last[i] = RECORD_NONE;
		sum_places(&stay);
		r = by_processes(&stay);
		if (r == 0)
			r = by_holders(&stay);
		if (r == 0)
			hand_out(&stay);
	}
	free(stay.presences);
	free(stay.places);
	free(stay.last);
	return r;
}
