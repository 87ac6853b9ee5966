/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where things are in a journal's block. It follows from the sizes in the header alone, which are powers of two within
 * bounds: a block is good to read when it is as large as they say.
 */
#include <errno.h>
#include <stddef.h>

#include "model/journal_private.h"

#define PLACES_MIN 16U
#define ROWS_MAX (1U << 20)
#define EVENTS_DEFAULT_MINUTES 262144U /* a day of 182 in each */
#define EVENTS_DEFAULT_ROWS 1024U
#define FINDINGS 2048U

void journal_sizes_of(uint32_t events, struct journal_sizes *ret)
{
	events = MIN(MAX(events, JOURNAL_EVENTS_MIN), JOURNAL_EVENTS_MAX);
	*ret = (struct journal_sizes){
		.ring = { [EVENT_RING_RESETS] = events,
			  [EVENT_RING_ABNORMAL] = events / 2,
			  [EVENT_RING_FINDINGS] = FINDINGS,
			  [EVENT_RING_ORDINARY] = events },
		.names = events,
		.minutes = EVENTS_DEFAULT_MINUTES,
		.rows_per_minute = EVENTS_DEFAULT_ROWS,
	};
}

/* The next power of two; 0 above the largest that is taken. */
static uint32_t power_of_two(uint32_t wanted, uint32_t max)
{
	uint32_t places = PLACES_MIN;

	if (wanted > max)
		return 0;
	while (places < wanted)
		places *= 2;
	return places;
}

int journal_round(const struct journal_sizes *sizes, struct journal_sizes *ret)
{
	struct journal_sizes rounded = {
		.names = power_of_two(sizes->names, JOURNAL_EVENTS_MAX),
		.minutes = power_of_two(sizes->minutes, ROWS_MAX),
		.rows_per_minute = MIN(MAX(sizes->rows_per_minute, 1), ROWS_MAX),
	};
	uint32_t i;

	for (i = 0; i < EVENT_RING_MAX; i++) {
		rounded.ring[i] = power_of_two(sizes->ring[i], JOURNAL_EVENTS_MAX);
		if (!rounded.ring[i])
			return -EINVAL;
	}
	if (!rounded.names || !rounded.minutes)
		return -EINVAL;
	*ret = rounded;
	return 0;
}

static uint64_t align(uint64_t offset)
{
	return (offset + 63) & ~(uint64_t)63;
}

size_t journal_lay_out(const struct journal_sizes *sizes, struct journal_view *ret)
{
	const size_t socket_stride = sizeof(uint64_t) + offsetof(struct event, socket) +
				     sizeof(struct event_socket);
	uint64_t offset = align(sizeof(struct journal_header));
	uint32_t i;

	for (i = 0; i < EVENT_RING_MAX; i++) {
		ret->ring_offset[i] = offset;
		ret->ring_places[i] = sizes->ring[i];
		ret->ring_stride[i] = (uint32_t)(i == EVENT_RING_FINDINGS
							 ? sizeof(struct event_place)
							 : socket_stride);
		offset = align(offset + (uint64_t)sizes->ring[i] * ret->ring_stride[i]);
	}
	ret->names_offset = offset;
	ret->name_places = sizes->names;
	offset = align(offset + (uint64_t)sizes->names * sizeof(struct name_place));
	ret->minutes_offset = offset;
	ret->minute_places = sizes->minutes;
	offset = align(offset + (uint64_t)sizes->minutes * sizeof(struct minute_place));
	ret->labels_offset = offset;
	return align(offset + JOURNAL_LABELS * sizeof(struct label_place));
}

size_t journal_bytes(const struct journal_sizes *sizes)
{
	struct journal_sizes rounded;
	struct journal_view view;

	return journal_round(sizes, &rounded) < 0 ? 0 : journal_lay_out(&rounded, &view);
}

int journal_open(const void *data, size_t size, struct journal_view *ret)
{
	struct journal_sizes sizes, rounded;
	struct journal_header header;
	struct journal_view view = { .data = data, .size = size };

	if (size < sizeof(header) || (uintptr_t)data % sizeof(uint64_t))
		return -EBADMSG;
	view.header = data;
	if (journal_load(&view.header->magic) != JOURNAL_MAGIC)
		return -EBADMSG;
	/* Looked at once: what is written later cannot change what was checked. */
	memcpy(&header, data, offsetof(struct journal_header, newest));
	if (header.layout != JOURNAL_LAYOUT || header.event_bytes != sizeof(struct event) ||
	    header.bytes > size)
		return -EBADMSG;
	sizes = header.sizes;
	if (journal_round(&sizes, &rounded) < 0 || memcmp(&sizes, &rounded, sizeof(sizes)) != 0)
		return -EBADMSG;
	if (journal_lay_out(&rounded, &view) != header.bytes)
		return -EBADMSG;
	*ret = view;
	return 0;
}
