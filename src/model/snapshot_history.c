/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading the history of a snapshot. Every number is checked when it is followed: a chain ends where the ring
 * has been overwritten, and it can only lead to older entries.
 */
#include "model/macro.h"
#include "model/snapshot.h"

/* How many entries ago; 0 is the one that comes next. */
static uint32_t ago(const struct snapshot *snapshot, uint32_t number)
{
	return snapshot->header->history.next - number;
}

const struct history_entry *snapshot_history(const struct snapshot *snapshot,
					     const struct tcpdiag_socket *sk, uint32_t number)
{
	uint32_t size = snapshot->header->history.size, place;
	const struct history_entry *entry;

	if (!number || !size || size & (size - 1) || !ago(snapshot, number) ||
	    ago(snapshot, number) > size)
		return NULL;
	place = number & (size - 1);
	if (place >= snapshot->history_count)
		return NULL;
	entry = &snapshot->history[place];
	if (entry->cookie != sk->cookie || entry->netns != sk->netns)
		return NULL;
	/* One that leads to a newer one, or to itself, would lead in a circle. */
	if (entry->before && ago(snapshot, entry->before) <= ago(snapshot, number))
		return NULL;
	return entry;
}

const struct history_name *snapshot_history_name(const struct snapshot *snapshot, uint32_t number)
{
	uint32_t place = number & (HISTORY_NAMES - 1);

	if (!number || place >= snapshot->name_count || snapshot->names[place].number != number)
		return NULL;
	return &snapshot->names[place];
}

const struct ended *snapshot_ended(const struct snapshot *snapshot, uint32_t netns, uint64_t cookie)
{
	uint32_t i;

	for (i = 0; i < snapshot->ended_count; i++) {
		const struct ended *ended = &snapshot->ended[i];

		if (ended->gone_ns && ended->record.sk.cookie == cookie &&
		    ended->record.sk.netns == netns)
			return ended;
	}
	return NULL;
}
