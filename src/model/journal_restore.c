/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Taking over what a collector before this one has written.
 *
 * The block may be from anybody: it is read as every reader reads it, and what is not sound, or not in its order, is
 * left out. Ids go on behind the highest. Names keep their numbers, since events refer to them; labels of minutes get new
 * ones, so that those nobody refers to any more make room.
 */
#include <errno.h>
#include <stddef.h>

#include "model/journal_private.h"

static const char *foreign(const struct journal *journal, const void *data, size_t size,
			   struct journal_view *ret)
{
	const struct journal_header *header = data;

	if (size >= offsetof(struct journal_header, layout) + sizeof(header->layout) &&
	    (uintptr_t)data % sizeof(uint64_t) == 0 && header->magic == JOURNAL_MAGIC &&
	    header->layout != JOURNAL_LAYOUT)
		return "it is of another version";
	if (journal_open(data, size, ret) < 0)
		return "it is damaged";
	if (!journal->header->boot_id[0] ||
	    memcmp(header->boot_id, journal->header->boot_id, sizeof(header->boot_id)) != 0)
		return "it is of another boot";
	if (header->newest > JOURNAL_ID_MAX)
		return "its numbers are damaged";
	return NULL;
}

static void restore_names(struct journal *journal, const struct journal_view *old)
{
	uint64_t next = journal_load(&old->header->names_next);
	uint32_t places = MIN(old->name_places, journal->view.name_places), back;

	if (!next || next > UINT32_MAX)
		return;
	for (back = places; back; back--) {
		uint32_t number = (uint32_t)next - back;
		struct event_name name;

		if (journal_read_name(old, number, &name) == 0 && name.number == number &&
		    event_name_is_sound(&name))
			journal_put_name(journal, &name);
	}
	journal->header->names_next = next;
}

/* What the rings hold, oldest first. Return: the highest id. */
static uint64_t restore_events(struct journal *journal, const struct journal_view *old)
{
	struct journal_cursor cursor;
	struct event event;
	uint64_t last = 0;

	journal_seek(old, 0, &cursor);
	while (journal_next(old, &cursor, JOURNAL_RINGS_ALL, &event) > 0) {
		if (event.id <= last || !event_is_sound(&event))
			continue;
		last = event.id;
		journal_put_event(journal, &event);
	}
	return last;
}

/* What had been overwritten before stays so. */
static void restore_losses(struct journal *journal, const struct journal_view *old)
{
	uint32_t i;

	for (i = 0; i < EVENT_RING_MAX; i++) {
		uint64_t lost_id = journal_load(&old->header->ring_lost_id[i]);

		journal->header->ring_lost[i] = journal_overwritten(old, (enum event_ring)i);
		if (lost_id <= journal->header->newest)
			journal->header->ring_lost_id[i] = MAX(journal->header->ring_lost_id[i],
							       lost_id);
	}
}

struct taking {
	struct journal *journal;
	const struct journal_view *old;
};

static int restore_row(const struct minute_row *row, void *context)
{
	const struct taking *taking = context;
	char label[JOURNAL_LABEL];

	if (row->kind < MINUTE_KIND_MAX && row->reason < RESET_REASON_MAX &&
	    row->state < TCPDIAG_STATE_MAX)
		journal_put_row(taking->journal, row,
				journal_label(taking->old, row->label, label));
	return 0;
}

int journal_restore(struct journal *journal, const void *data, size_t size, const char **ret_why)
{
	struct journal_view old;
	struct taking taking = { journal, &old };
	uint64_t last;

	*ret_why = foreign(journal, data, size, &old);
	if (*ret_why)
		return -EBADMSG;
	journal_begin_at(journal, 0);
	restore_names(journal, &old);
	last = restore_events(journal, &old);
	journal_store(&journal->header->newest, MAX(last, journal_newest(&old)));
	restore_losses(journal, &old);
	(void)journal_minutes(&old, INT64_MIN, INT64_MAX, restore_row, &taking);
	journal->header->folded = journal_folded(&old);
	journal_noted_to(journal, journal_noted_ns(&old));
	journal->header->since_ns = MIN(journal->header->since_ns, old.header->since_ns);
	return 0;
}
