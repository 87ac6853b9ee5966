/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A journal in memory of its own, and events to put into it.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "../harness.h"
#include "model/journal.h"
#include "model/macro.h"
#include "model/record.h"

#define WALL_NS (1700000000LL * NSEC_PER_SEC)
#define BOOT "01234567-89ab-cdef-0123-456789abcdef"

struct block {
	void *data;
	size_t size;
	struct journal *journal;
	struct journal_view view;
};

static const struct journal_sizes small = {
	.ring = { 16, 16, 16, 16 },
	.names = 16,
	.minutes = 64,
	.rows_per_minute = 16,
};

static inline void block_open(struct block *block, const struct journal_sizes *sizes)
{
	block->size = journal_bytes(sizes);
	ck_assert_uint_ne(block->size, 0);
	block->data = aligned_alloc(64, block->size);
	ck_assert_ptr_nonnull(block->data);
	memset(block->data, 0, block->size);
	ck_assert_int_eq(
		journal_new(block->data, block->size, sizes, BOOT, WALL_NS, &block->journal), 0);
	ck_assert_int_eq(journal_open(block->data, block->size, &block->view), 0);
}

static inline void block_close(struct block *block)
{
	journal_free(block->journal);
	free(block->data);
}

static inline uint64_t add_kind(struct block *block, enum event_kind kind, int64_t wall_ns)
{
	struct event event = { .kind = (uint8_t)kind, .wall_ns = wall_ns };

	if (event_is_finding(&event)) {
		event.finding.rule = TCPDIAG_RULE_FINDING_FIRST;
		strcpy(event.finding.summary, "a summary");
	}
	return journal_add(block->journal, &event);
}

static inline uint64_t add_many(struct block *block, enum event_kind kind, uint32_t count)
{
	uint64_t id = 0;

	while (count--)
		id = add_kind(block, kind, WALL_NS);
	return id;
}

struct sum {
	uint64_t rows, count, unread;
	struct minute_row last;
};

static inline int sum_rows(const struct minute_row *row, void *context)
{
	struct sum *sum = context;

	sum->rows++;
	sum->count += row->count;
	sum->unread += row->unread_bytes;
	sum->last = *row;
	return 0;
}

static inline struct sum sum_of(const struct journal_view *view, int64_t from, int64_t to)
{
	struct sum sum = { 0 };

	ck_assert_int_eq(journal_minutes(view, from, to, sum_rows, &sum), 0);
	return sum;
}
