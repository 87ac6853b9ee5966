/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A journal of which bytes were changed, cut, or that is none at all: whoever reads it comes to an end within the block, and
 * the collector that goes on with it has a sound one.
 *
 * Input: one byte of kind, then for a changed one: pairs of an offset (three bytes, modulo the block) and a length with
 * as many bytes; else the block itself.
 */
#include <stdlib.h>
#include <string.h>

#include "model/journal_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct journal_sizes sizes = {
	.ring = { 16, 16, 16, 16 },
	.names = 16,
	.minutes = 32,
	.rows_per_minute = 8,
};

static void *block_new(size_t size)
{
	void *block = aligned_alloc(64, (size + 63) & ~(size_t)63);

	if (!block)
		abort();
	memset(block, 0, size);
	return block;
}

static struct journal *open_journal(void **ret_block, size_t *ret_size)
{
	struct journal *journal;

	*ret_size = journal_bytes(&sizes);
	*ret_block = block_new(*ret_size);
	if (journal_new(*ret_block, *ret_size, &sizes, "boot", 60 * NSEC_PER_SEC, &journal) < 0)
		abort();
	return journal;
}

static void fill(struct journal *journal)
{
	static const enum event_kind kinds[] = { EVENT_RESET_SENT, EVENT_CLOSED, EVENT_TIMED_OUT,
						 EVENT_FINDING_RAISED };
	uint32_t i;

	for (i = 0; i < 80; i++) {
		struct event event = { .kind = (uint8_t)kinds[i % ARRAY_SIZE(kinds)],
				       .wall_ns = (int64_t)(i / 8) * 60 * NSEC_PER_SEC };
		struct event_name name = { .pid = (int32_t)(i / 4),
					   .comm = "nginx",
					   .label = "web" };

		if (event_is_finding(&event)) {
			event.finding.rule = TCPDIAG_RULE_FINDING_FIRST;
		} else {
			event.socket.holder = journal_name(journal, &name);
			event.socket.local_port = (uint16_t)i;
			event.socket.flags = EVENT_HAS_SOCKET;
		}
		journal_add(journal, &event);
	}
}

static int look_at_row(const struct minute_row *row, void *context)
{
	char label[JOURNAL_LABEL];

	(void)journal_label(context, row->label, label);
	return strlen(label) >= sizeof(label) ? -1 : 0;
}

/* @sound: every event has to be. */
static void read_all(const struct journal_view *view, bool sound)
{
	struct journal_cursor cursor;
	struct event_name name;
	struct event event;
	uint64_t last = 0, count = 0;

	journal_seek(view, 0, &cursor);
	while (journal_next(view, &cursor, JOURNAL_RINGS_ALL, &event) > 0) {
		if (++count > 4 * 16 || (sound && (event.id <= last || !event_is_sound(&event))))
			abort();
		last = event.id;
		if (!event_is_finding(&event) &&
		    journal_read_name(view, event.socket.holder, &name) == 0 &&
		    !event_name_is_sound(&name) && sound)
			abort();
		journal_seek(view, event.id, &(struct journal_cursor){ 0 });
	}
	if (journal_minutes(view, INT64_MIN, INT64_MAX, look_at_row,
			    &(struct journal_view){ .header = view->header,
						    .data = view->data,
						    .labels_offset = view->labels_offset }))
		abort();
	(void)journal_oldest_ns(view, JOURNAL_RINGS_ALL);
	(void)journal_reaches(view, JOURNAL_RINGS_ALL, last);
}

static void go_on(const void *block, size_t size)
{
	struct event event = { .kind = EVENT_CLOSED };
	struct journal_view view;
	const char *why = NULL;
	struct journal *next;
	uint64_t newest;
	void *memory;
	size_t room;
	int r;

	next = open_journal(&memory, &room);
	r = journal_restore(next, block, size, &why);
	if ((r < 0) != (why != NULL))
		abort();
	journal_view(next, &view);
	newest = journal_newest(&view);
	read_all(&view, true);
	if (journal_add(next, &event) != newest + 1)
		abort();
	fill(next);
	read_all(&view, true);
	journal_free(next);
	free(memory);
}

static void change(uint8_t *block, size_t bytes, const uint8_t *data, size_t size)
{
	while (size > 4) {
		size_t offset = data[0] | data[1] << 8 | data[2] << 16;
		size_t count = MIN((size_t)data[3] % 16 + 1, size - 4), i;

		for (i = 0; i < count; i++)
			block[(offset + i) % bytes] = data[4 + i];
		data += 4 + count;
		size -= 4 + count;
	}
}

static void read_it(const void *block, size_t bytes)
{
	struct journal_view view;

	if (journal_open(block, bytes, &view) == 0)
		read_all(&view, false);
	go_on(block, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct journal *journal;
	size_t bytes;
	void *block;

	if (size && data[0] & 1) {
		block = block_new(MAX(size - 1, 64));
		memcpy(block, data + 1, size - 1);
		read_it(block, size - 1);
		free(block);
		return 0;
	}
	journal = open_journal(&block, &bytes);
	fill(journal);
	journal_free(journal);
	if (size)
		change(block, bytes, data + 1, size - 1);
	read_it(block, bytes);
	free(block);
	return 0;
}
