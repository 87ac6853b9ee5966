/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading the journal while somebody writes it: copies that are of one piece, or were overwritten (journal.h).
 *
 * The counts of the rings are the writer's word. Where they are wrong a reader finds less than there is, but ends: it
 * looks at no more places than a ring has.
 */
#include <errno.h>

#include "model/journal_private.h"

void journal_view(const struct journal *journal, struct journal_view *ret)
{
	*ret = journal->view;
}

int journal_read_event(const struct journal_view *view, uint32_t ring, uint64_t number,
		       struct event *ret)
{
	const unsigned char *place = view->data + journal_event_offset(view, ring, number);
	struct event event;
	size_t bytes = journal_event_bytes(view, ring);

	if (journal_read_place(place, &event, bytes) != number + 1)
		return -ENOENT;
	memset((unsigned char *)&event + bytes, 0, sizeof(event) - bytes);
	if (event_is_finding(&event)) {
		event.finding.unit[sizeof(event.finding.unit) - 1] = '\0';
		event.finding.comm[sizeof(event.finding.comm) - 1] = '\0';
		event.finding.summary[sizeof(event.finding.summary) - 1] = '\0';
	} else if (event.socket.step_count > EVENT_STEPS) {
		event.socket.step_count = EVENT_STEPS;
	}
	*ret = event;
	return 0;
}

/* The id alone. Return: 0 where it is not there any more. */
static uint64_t read_id(const struct journal_view *view, uint32_t ring, uint64_t number)
{
	uint64_t id;

	if (journal_read_place(view->data + journal_event_offset(view, ring, number), &id,
			       sizeof(id)) != number + 1)
		return 0;
	return id;
}

/* The first number whose id is above @id. What has gone meanwhile was older than what is left. */
static uint64_t seek_ring(const struct journal_view *view, uint32_t ring, uint64_t id)
{
	uint64_t high = journal_load(&view->header->ring_next[ring]);
	uint64_t low = journal_first(high, view->ring_places[ring]);

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (read_id(view, ring, middle) > id)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

void journal_seek(const struct journal_view *view, uint64_t id, struct journal_cursor *ret)
{
	uint32_t i;

	*ret = (struct journal_cursor){ .lost = 0 };
	for (i = 0; i < EVENT_RING_MAX; i++) {
		uint64_t next = journal_load(&view->header->ring_next[i]);

		ret->next[i] = id ? seek_ring(view, i, id)
				  : journal_first(next, view->ring_places[i]);
	}
}

bool journal_reaches(const struct journal_view *view, uint32_t rings, uint64_t id)
{
	uint32_t i;

	for (i = 0; i < EVENT_RING_MAX; i++) {
		if (!(rings & JOURNAL_RING(i)))
			continue;
		if (id ? journal_load(&view->header->ring_lost_id[i]) > id
		       : journal_overwritten(view, (enum event_ring)i) > 0)
			return false;
	}
	return true;
}

/*
 * The id at which the cursor stands, moved on to what is still there; 0: the end of what is known up to @newest.
 */
static uint64_t head(const struct journal_view *view, struct journal_cursor *cursor, uint32_t ring,
		     uint64_t newest)
{
	uint32_t places = view->ring_places[ring], tries;

	for (tries = 0; tries <= places; tries++) {
		uint64_t next = journal_load(&view->header->ring_next[ring]);
		uint64_t first = journal_first(next, places), id;

		if (cursor->next[ring] < first) {
			cursor->lost += first - cursor->next[ring];
			cursor->next[ring] = first;
		}
		if (cursor->next[ring] >= next)
			return 0;
		id = read_id(view, ring, cursor->next[ring]);
		if (id)
			return id <= newest ? id : 0;
		cursor->next[ring]++;
		cursor->lost++;
	}
	return 0;
}

int journal_next(const struct journal_view *view, struct journal_cursor *cursor, uint32_t rings,
		 struct event *ret)
{
	/* First of all: whatever is in a ring up to this id is seen below. */
	uint64_t newest = journal_newest(view);

	for (;;) {
		uint64_t best_id = 0;
		uint32_t i, best = 0;

		for (i = 0; i < EVENT_RING_MAX; i++) {
			uint64_t id = rings & JOURNAL_RING(i) ? head(view, cursor, i, newest) : 0;

			if (id && (!best_id || id < best_id)) {
				best_id = id;
				best = i;
			}
		}
		if (!best_id)
			return 0;
		if (journal_read_event(view, best, cursor->next[best]++, ret) == 0)
			return 1;
		cursor->lost++;
	}
}

uint64_t journal_newest(const struct journal_view *view)
{
	return journal_load(&view->header->newest);
}

int64_t journal_noted_ns(const struct journal_view *view)
{
	return (int64_t)MIN(journal_load(&view->header->noted_ns), (uint64_t)INT64_MAX);
}

int64_t journal_since_ns(const struct journal_view *view)
{
	return view->header->since_ns;
}

/* The oldest event of a ring that is still there; 0: none is. */
static int64_t oldest_of(const struct journal_view *view, uint32_t ring)
{
	uint64_t next = journal_load(&view->header->ring_next[ring]);
	uint64_t number = journal_first(next, view->ring_places[ring]);
	struct event event;

	for (; number < next; number++)
		if (journal_read_event(view, ring, number, &event) == 0)
			return event.wall_ns;
	return 0;
}

int64_t journal_oldest_ns(const struct journal_view *view, uint32_t rings)
{
	int64_t oldest_ns = journal_since_ns(view);
	uint32_t i;

	for (i = 0; i < EVENT_RING_MAX; i++)
		if (rings & JOURNAL_RING(i) && journal_overwritten(view, (enum event_ring)i))
			oldest_ns = MAX(oldest_ns, oldest_of(view, i));
	return oldest_ns;
}

uint64_t journal_overwritten(const struct journal_view *view, enum event_ring ring)
{
	if (ring >= EVENT_RING_MAX)
		return 0;
	return journal_load(&view->header->ring_lost[ring]) +
	       journal_first(journal_load(&view->header->ring_next[ring]), view->ring_places[ring]);
}

uint64_t journal_folded(const struct journal_view *view)
{
	return journal_load(&view->header->folded);
}

int journal_read_name(const struct journal_view *view, uint32_t number, struct event_name *ret)
{
	struct event_name name;

	if (!number || journal_read_place(view->data + journal_name_offset(view, number), &name,
					  sizeof(name)) != number)
		return -ENOENT;
	name.comm[sizeof(name.comm) - 1] = '\0';
	name.unit[sizeof(name.unit) - 1] = '\0';
	name.label[sizeof(name.label) - 1] = '\0';
	name.container[sizeof(name.container) - 1] = '\0';
	name.title[sizeof(name.title) - 1] = '\0';
	*ret = name;
	return 0;
}

const char *journal_label(const struct journal_view *view, uint16_t label, char *buffer)
{
	buffer[0] = '\0';
	if (!label || label >= JOURNAL_LABELS)
		return buffer;
	if (!journal_read_place(view->data + journal_label_offset(view, label), buffer,
				JOURNAL_LABEL))
		buffer[0] = '\0';
	buffer[JOURNAL_LABEL - 1] = '\0';
	return buffer;
}

int journal_minutes(const struct journal_view *view, int64_t from, int64_t to,
		    int (*take)(const struct minute_row *row, void *context), void *context)
{
	uint64_t next = journal_load(&view->header->minutes_next);
	uint64_t number = journal_first(next, view->minute_places);
	int r = 0;

	for (; number < next && !r; number++) {
		const unsigned char *place = view->data + journal_minute_offset(view, number);
		struct minute_row row;

		if (journal_read_place(place, &row, sizeof(row)) != number + 1 ||
		    row.minute < from || row.minute >= to)
			continue;
		r = take(&row, context);
	}
	return r;
}
