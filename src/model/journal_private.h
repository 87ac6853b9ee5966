/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How the journal lies in its block, and the few operations by which its places are written and read.
 *
 *	header | ring of resets | abnormal | findings | ordinary | names | minutes | labels
 *
 * Everything follows from the sizes: there is no table of offsets that could be wrong. Rings of sockets' events leave
 * out what only a finding needs.
 */
#pragma once

#include <string.h>

#include "model/journal.h"
#include "model/macro.h"

#define JOURNAL_BOOT_ID 40
#define JOURNAL_ID_MAX ((1ULL << 53) - 1) /* none gets there by counting */

/*
 * What moves is written by the collector while others read: each with __atomic_store_n(), each read with
 * __atomic_load_n().
 */
struct journal_header {
	uint64_t magic; /* written last */
	uint32_t layout;
	uint32_t event_bytes; /* sizeof(struct event), a second guard of the layout */
	uint64_t bytes; /* of the block */
	struct journal_sizes sizes; /* powers of two; rows_per_minute is as it was given */
	char boot_id[JOURNAL_BOOT_ID];
	int64_t since_ns;
	/* These move. */
	uint64_t newest; /* id */
	uint64_t ring_next[EVENT_RING_MAX]; /* how many events it has had */
	uint64_t ring_lost[EVENT_RING_MAX]; /* that a journal before this one had lost */
	uint64_t ring_lost_id
		[EVENT_RING_MAX]; /* newest id that has been overwritten, or was never here */
	uint64_t names_next; /* number of the next name */
	uint64_t minutes_next; /* how many rows there have been */
	uint64_t folded;
	uint64_t noted_ns; /* CLOCK_REALTIME, see journal_noted_to(); 0: never */
};

struct event_place {
	uint64_t number; /* of the event in its ring + 1; 0: is being written */
	struct event event;
};

struct name_place {
	uint64_t number; /* as in @name; 0: free, or being written */
	struct event_name name;
};

struct minute_place {
	uint64_t number; /* of the row + 1; 0: free, or being written */
	struct minute_row row;
};

struct label_place {
	uint64_t number; /* how often it was written; 0: free, or being written */
	char text[JOURNAL_LABEL];
};

_Static_assert(sizeof(struct journal_header) % 8 == 0, "words");
_Static_assert(sizeof(struct event_place) % 8 == 0, "words");
_Static_assert(sizeof(struct name_place) % 8 == 0, "words");
_Static_assert(sizeof(struct minute_place) % 8 == 0, "words");
_Static_assert(sizeof(struct label_place) % 8 == 0, "words");
_Static_assert(sizeof(struct event_socket) % 8 == 0, "words");
_Static_assert(sizeof(struct event_socket) <= sizeof(struct event_finding),
	       "the findings' ring takes both");

/* Finds places by what stands in them: chains of places, a bucket each. For the writer. */
struct place_index {
	uint32_t *buckets, *next; /* place + 1; 0: the end */
	uint32_t mask;
};

#define JOURNAL_RECENT_MINUTES 8U

/* How many rows a minute has. */
struct minute_rows {
	int64_t minute;
	uint32_t rows;
};

struct journal {
	struct journal_header *header;
	unsigned char *data;
	struct journal_view view;
	uint32_t rows_per_minute;
	struct place_index names, minutes;
	struct minute_rows recent[JOURNAL_RECENT_MINUTES]; /* at minute % their number */
	uint64_t label_used[JOURNAL_LABELS]; /* number of its newest row + 1; 0: none */
	uint64_t minutes_cut; /* rows that were overwritten on their day */
	uint64_t minutes_folded; /* ends that were folded into a row of a full minute */
	uint16_t label_hint[JOURNAL_LABELS]; /* by hash of the text: where it was found last */
};

/* ---- the way of a place: see journal.h ---- */

static inline uint64_t journal_load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void journal_store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* @place: begins with its number. @bytes: without it, a multiple of 8. */
static inline void journal_write_place(void *place, uint64_t number, const void *content,
				       size_t bytes)
{
	const unsigned char *from = content;
	uint64_t *words = place, word;
	size_t i;

	__atomic_store_n(words, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	for (i = 0; i < bytes / sizeof(word); i++) {
		memcpy(&word, from + i * sizeof(word), sizeof(word));
		__atomic_store_n(words + 1 + i, word, __ATOMIC_RELAXED);
	}
	__atomic_store_n(words, number, __ATOMIC_RELEASE);
}

/* Return: the number with which @ret is of one piece; 0 where the place is being written. */
static inline uint64_t journal_read_place(const void *place, void *ret, size_t bytes)
{
	const uint64_t *words = place;
	uint64_t number = __atomic_load_n(words, __ATOMIC_ACQUIRE), word;
	unsigned char *to = ret;
	size_t i;

	for (i = 0; i < bytes / sizeof(word); i++) {
		word = __atomic_load_n(words + 1 + i, __ATOMIC_RELAXED);
		memcpy(to + i * sizeof(word), &word, sizeof(word));
	}
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(words, __ATOMIC_RELAXED) == number ? number : 0;
}

static inline size_t journal_event_bytes(const struct journal_view *view, uint32_t ring)
{
	return view->ring_stride[ring] - sizeof(uint64_t);
}

static inline uint64_t journal_event_offset(const struct journal_view *view, uint32_t ring,
					    uint64_t number)
{
	return view->ring_offset[ring] +
	       (number & (view->ring_places[ring] - 1)) * view->ring_stride[ring];
}

static inline uint64_t journal_name_offset(const struct journal_view *view, uint64_t number)
{
	return view->names_offset + (number & (view->name_places - 1)) * sizeof(struct name_place);
}

static inline uint64_t journal_minute_offset(const struct journal_view *view, uint64_t number)
{
	return view->minutes_offset +
	       (number & (view->minute_places - 1)) * sizeof(struct minute_place);
}

static inline uint64_t journal_label_offset(const struct journal_view *view, uint32_t label)
{
	return view->labels_offset + label * sizeof(struct label_place);
}

/* The first number of a ring that can still be there. */
static inline uint64_t journal_first(uint64_t next, uint32_t places)
{
	return next > places ? next - places : 0;
}

/* journal_layout.c: rounds the sizes; -EINVAL where one is too large. */
int journal_round(const struct journal_sizes *sizes, struct journal_sizes *ret);
/* Where everything is; rounded sizes. Return: bytes of the block. */
size_t journal_lay_out(const struct journal_sizes *sizes, struct journal_view *ret);

/* journal_read.c: an event of a ring by its number. Return: 0; -ENOENT where it is not there any more. */
int journal_read_event(const struct journal_view *view, uint32_t ring, uint64_t number,
		       struct event *ret);

/* journal_index.c */
int place_index_init(struct place_index *index, uint32_t places);
void place_index_done(struct place_index *index);
void place_index_put(struct place_index *index, uint64_t hash, uint32_t place);
void place_index_remove(struct place_index *index, uint64_t hash, uint32_t place);
/* The first place of a bucket, and the one after it; + 1, 0: no more. */
static inline uint32_t place_index_first(const struct place_index *index, uint64_t hash)
{
	return index->buckets[hash & index->mask];
}
static inline uint32_t place_index_next(const struct place_index *index, uint32_t found)
{
	return index->next[found - 1];
}
uint64_t journal_hash(uint64_t seed, const void *data, size_t size);

/* journal_names.c: one that has its number. */
void journal_put_name(struct journal *journal, const struct event_name *name);

/* journal_minutes.c */
void journal_count_event(struct journal *journal, const struct event *event, uint64_t n);
/* A row of another journal; @label: its text. */
void journal_put_row(struct journal *journal, const struct minute_row *row, const char *label);

/* journal.c: one that has its id, not counted. */
void journal_put_event(struct journal *journal, const struct event *event);
