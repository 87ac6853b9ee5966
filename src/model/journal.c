/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The writer of the journal (journal.h): one thread, no waiting for readers.
 */
#include <errno.h>
#include <stdlib.h>

#include "model/journal_private.h"

static int check_block(const void *data, size_t size, const struct journal_sizes *sizes,
		       struct journal_sizes *ret_rounded, struct journal_view *ret_view)
{
	int r = journal_round(sizes, ret_rounded);

	if (r < 0)
		return r;
	if ((uintptr_t)data % 64 || journal_lay_out(ret_rounded, ret_view) > size)
		return -EINVAL;
	return 0;
}

static void write_header(struct journal_header *header, const struct journal_sizes *rounded,
			 size_t bytes, const char *boot_id, int64_t wall_ns)
{
	header->layout = JOURNAL_LAYOUT;
	header->event_bytes = sizeof(struct event);
	header->bytes = bytes;
	header->sizes = *rounded;
	header->since_ns = wall_ns;
	header->names_next = 1;
	snprintf(header->boot_id, sizeof(header->boot_id), "%s", boot_id);
	journal_store(&header->magic, JOURNAL_MAGIC);
}

int journal_new(void *data, size_t size, const struct journal_sizes *sizes, const char *boot_id,
		int64_t wall_ns, struct journal **ret)
{
	struct journal_view view = { .data = data, .size = size, .header = data };
	struct journal_sizes rounded;
	struct journal *journal;
	int r = check_block(data, size, sizes, &rounded, &view);

	if (r < 0)
		return r;
	journal = calloc(1, sizeof(*journal));
	if (!journal)
		return -ENOMEM;
	journal->data = data;
	journal->header = data;
	journal->view = view;
	journal->rows_per_minute = rounded.rows_per_minute;
	if (place_index_init(&journal->names, rounded.names) < 0 ||
	    place_index_init(&journal->minutes, rounded.minutes) < 0) {
		journal_free(journal);
		return -ENOMEM;
	}
	write_header(data, &rounded, journal_lay_out(&rounded, &view), boot_id, wall_ns);
	*ret = journal;
	return 0;
}

void journal_begin_at(struct journal *journal, uint64_t id)
{
	const uint64_t begin = MIN(id, JOURNAL_ID_MAX / 2);

	for (uint32_t i = 0; i < EVENT_RING_MAX; i++)
		journal_store(&journal->header->ring_lost_id[i], begin);
	journal_store(&journal->header->newest, begin);
}

struct journal *journal_free(struct journal *journal)
{
	if (!journal)
		return NULL;
	place_index_done(&journal->names);
	place_index_done(&journal->minutes);
	free(journal);
	return NULL;
}

/* What stands at the place goes: whoever wants to know whether he has missed something is told first. */
static void lose(struct journal *journal, uint32_t ring, uint64_t number)
{
	const struct event_place *old =
		(const void *)(journal->data + journal_event_offset(&journal->view, ring, number));

	if (number >= journal->view.ring_places[ring])
		journal_store(&journal->header->ring_lost_id[ring], old->event.id);
}

void journal_put_event(struct journal *journal, const struct event *event)
{
	uint32_t ring = event_ring_of((enum event_kind)event->kind);
	uint64_t *next = &journal->header->ring_next[ring], number = *next;

	lose(journal, ring, number);
	journal_write_place(journal->data + journal_event_offset(&journal->view, ring, number),
			    number + 1, event, journal_event_bytes(&journal->view, ring));
	journal_store(next, number + 1);
	journal_store(&journal->header->newest, event->id);
}

uint64_t journal_add(struct journal *journal, struct event *event)
{
	event->id = journal->header->newest + 1;
	journal_put_event(journal, event);
	journal_count_event(journal, event, 1);
	return event->id;
}

void journal_count(struct journal *journal, const struct event *event, uint64_t n)
{
	if (n)
		journal_count_event(journal, event, n);
}

/* ---- names ---- */

static uint64_t name_hash(const struct event_name *name)
{
	uint64_t hash = journal_hash((uint32_t)name->pid, name->comm, strlen(name->comm));

	hash = journal_hash(hash ^ name->start_time, name->unit, strlen(name->unit));
	hash = journal_hash(hash, name->container, strlen(name->container));
	hash = journal_hash(hash, name->title, strlen(name->title));
	return journal_hash(hash, name->label, strlen(name->label));
}

static struct name_place *name_place(const struct journal *journal, uint64_t number)
{
	return (void *)(journal->data + journal_name_offset(&journal->view, number));
}

static uint32_t place_of_name(const struct journal *journal, uint64_t number)
{
	return (uint32_t)(number & (journal->view.name_places - 1));
}

static bool same_name(const struct event_name *a, const struct event_name *b)
{
	return a->pid == b->pid && a->start_time == b->start_time && !strcmp(a->comm, b->comm) &&
	       !strcmp(a->unit, b->unit) && !strcmp(a->label, b->label) &&
	       !strcmp(a->container, b->container) && !strcmp(a->title, b->title);
}

void journal_put_name(struct journal *journal, const struct event_name *name)
{
	struct name_place *place = name_place(journal, name->number);

	if (place->number)
		place_index_remove(&journal->names, name_hash(&place->name),
				   place_of_name(journal, name->number));
	journal_write_place(place, name->number, name, sizeof(*name));
	place_index_put(&journal->names, name_hash(name), place_of_name(journal, name->number));
}

/* Into zeroes. */
static void copy_text(char *to, const char *from, size_t size)
{
	memcpy(to, from, strnlen(from, size - 1));
}

/* Copied up to the terminator, so that what lies behind it does not tell two equal names apart. */
static void clean_name(const struct event_name *name, uint32_t number, struct event_name *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->number = number;
	ret->pid = name->pid;
	ret->start_time = name->start_time;
	copy_text(ret->comm, name->comm, sizeof(ret->comm));
	copy_text(ret->unit, name->unit, sizeof(ret->unit));
	copy_text(ret->label, name->label, sizeof(ret->label));
	copy_text(ret->container, name->container, sizeof(ret->container));
	copy_text(ret->title, name->title, sizeof(ret->title));
}

uint32_t journal_name(struct journal *journal, const struct event_name *name)
{
	uint64_t next = journal->header->names_next;
	struct event_name clean;
	uint32_t found;

	clean_name(name, (uint32_t)next, &clean);
	for (found = place_index_first(&journal->names, name_hash(&clean)); found;
	     found = place_index_next(&journal->names, found)) {
		const struct name_place *place = name_place(journal, found - 1);

		/* One in the older half is written anew: events that come now shall outlive it. */
		if (same_name(&place->name, &clean) &&
		    (uint32_t)next - place->name.number <= journal->view.name_places / 2)
			return place->name.number;
	}
	journal_put_name(journal, &clean);
	journal_store(&journal->header->names_next, (uint32_t)next == UINT32_MAX ? 1 : next + 1);
	return clean.number;
}
