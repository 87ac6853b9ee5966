/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal: what has happened, in rings that the web process reads while the collector writes.
 *
 * One block of shared memory, header first, that outlives the web process and is handed on over a restart of the
 * collector. Each ring has places for a power of two of events; the n-th event of a ring (counted from 0) stands at
 * place n & (places - 1). There are no locks: a place begins with the number of what stands in it, which the writer takes
 * away before it writes and sets when it is done, and a reader copies the place and looks at the number before and
 * after. A reader that is too slow finds a newer number: that is a gap, which it counts and says.
 *
 * Beside the rings: names of processes that events refer to, and sums by minute for a day, in the same way.
 *
 * One writer, any number of readers. In words of C11 (model/journal_private.h has the functions):
 *
 *	writer: number = 0, relaxed		reader: number, acquire: it is the one wanted
 *		fence, release				words of the place, relaxed
 *		words of the place, relaxed		fence, acquire
 *		number = n + 1, release			number, relaxed: it is still the same
 *		count of the ring, release
 *		newest id, release
 *
 * A reader that has copied a word of a newer content then also sees the number that went away before it (the two
 * fences synchronise through that word), so what passes both looks is of one piece. The newest id is set last and read
 * first: whoever takes only events up to it gets them in the order of their ids over all rings, none left out.
 *
 * The reader trusts nothing but the sizes that journal_open() has checked: numbers that point out of range are treated
 * as overwritten. The texts of events and names are terminated by the reader, other numbers in them are as they came:
 * the collector is believed, what an earlier collector has left is checked by journal_restore().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/event.h"

#define JOURNAL_MAGIC 0x314a474944504354ULL /* "TCPDIGJ1" */
#define JOURNAL_LAYOUT 3U /* raised by whoever changes what stands in the block */

#define JOURNAL_LABELS 1024U /* names that minutes are added up by; the first is "" = not known */
#define JOURNAL_LABEL 64U
#define JOURNAL_LABEL_OTHER 1U /* "~other": what found no place */

#define JOURNAL_IDLE_NS \
	(60 * 1000000000LL) /* after so long without payload an end counts as of an idle one */

/* What a minute counts: the ends that the kernel or its counterpart told; orphaned and destroyed are not. */
enum minute_kind {
	MINUTE_RESET_SENT = 0,
	MINUTE_RESET_RECEIVED,
	MINUTE_CLOSED, /* ended by FINs, or by nothing: EVENT_CLOSED */
	MINUTE_CLOSED_RESET, /* close(), exit or shutdown() of our side sent a RST; besides RESET_SENT */
	MINUTE_TIMED_OUT,
	MINUTE_UNSEEN, /* milliseconds in which nobody watched: what ended then is not counted */
	MINUTE_LOST, /* events of any kind that found no room: some of them may be ends */
	MINUTE_KIND_MAX
};

/* struct minute_row.flags */
#define MINUTE_PEER_OPEN (1U << 0) /* the peer had not finished */
#define MINUTE_SURPRISE (1U << 1) /* SO_LINGER 0 at the close, off when the last poll looked */
#define MINUTE_IDLE (1U << 2) /* nothing had passed for 60 s and more */
#define MINUTE_DERIVED (1U << 3) /* the reason is */
#define MINUTE_OTHER (1U << 4) /* the minute had too many rows: ports and reasons folded */

/* Ends of one kind in one minute. */
struct minute_row {
	int64_t minute; /* CLOCK_REALTIME in minutes */
	uint64_t count;
	uint64_t unread_bytes; /* lost with a RST that was sent */
	uint32_t netns;
	uint16_t label; /* of the unit, in the table of labels; 0: not known */
	uint16_t port; /* local; 0 where it was not that of a service, and where it was folded */
	uint8_t kind; /* enum minute_kind */
	uint8_t reason; /* enum reset_reason */
	uint8_t state; /* enum tcpdiag_state */
	uint8_t flags; /* MINUTE_* */
	uint32_t reserved;
};

struct journal; /* the writer */

struct journal_sizes {
	uint32_t ring[EVENT_RING_MAX]; /* events; rounded up to powers of two, at least 16 */
	uint32_t names;
	uint32_t minutes; /* rows */
	uint32_t rows_per_minute; /* above that they are folded */
};

/* ---- writing ---- */

#define JOURNAL_EVENTS_MIN 16U
#define JOURNAL_EVENTS_MAX (1U << 20)

/* What follows from how many resets are kept (--limits.events). */
void journal_sizes_of(uint32_t events, struct journal_sizes *ret);

/* Bytes of a block of these sizes; 0 where one of them is too large. */
size_t journal_bytes(const struct journal_sizes *sizes);

/**
 * journal_new() - an empty journal
 * @data: journal_bytes(), zeroed, aligned to 64; borrowed until journal_free()
 * @boot_id: of this boot; what another one has left is not taken over
 * @wall_ns: CLOCK_REALTIME
 *
 * Return: 0; -ENOMEM; -EINVAL.
 */
int journal_new(void *data, size_t size, const struct journal_sizes *sizes, const char *boot_id,
		int64_t wall_ns, struct journal **ret);

/**
 * journal_begin_at() - where the ids of an empty one begin: behind @id
 *
 * So that no id is given twice, also where nothing is left of the journals before: what a client has seen of those is
 * older than all that comes, and what it has missed is a gap. Microseconds since 1970 do: nobody writes a million events
 * a second for long. Kept below 2^53, which is what a number in JSON holds.
 */
void journal_begin_at(struct journal *journal, uint64_t id);

/* Accepts NULL; returns NULL. The block stays as it is. */
struct journal *journal_free(struct journal *journal);

/**
 * journal_restore() - takes over what a journal before this one holds
 * @data: of another collector; nothing in it is trusted
 *
 * Into an empty one. Ids go on, wherever its own were to begin. What does not fit any more loses its oldest part. Events of another boot are dropped.
 *
 * Return: 0; -EBADMSG with @ret_why where it is damaged or of another version.
 */
int journal_restore(struct journal *journal, const void *data, size_t size, const char **ret_why);

/**
 * journal_add() - one more event
 * @event: @id is overwritten; its names are numbers that journal_name() gave
 *
 * Also counts it in its minute.
 *
 * Return: its id.
 */
uint64_t journal_add(struct journal *journal, struct event *event);

/*
 * The number of a name for an event: the same for the same pid, start time and names, until it has grown old: then it
 * gets a new number, so that those who are there all the time are not overwritten. @name->number is not looked at.
 */
uint32_t journal_name(struct journal *journal, const struct event_name *name);

/* Counts it in its minute, @n times, without keeping it: ordinary ends of which there are too many. */
void journal_count(struct journal *journal, const struct event *event, uint64_t n);

/* What is missing in the sums of that minute: @kind is UNSEEN or LOST. */
void journal_note(struct journal *journal, int64_t wall_ns, enum minute_kind kind, uint64_t n);

/* Nobody watched between these two (CLOCK_REALTIME): each minute has its part, at most a day back. */
void journal_unseen(struct journal *journal, int64_t from_ns, int64_t to_ns);

/* Up to this time (CLOCK_REALTIME) it is noted when nobody watched. */
void journal_noted_to(struct journal *journal, int64_t wall_ns);

/* Rows of minutes that made room for newer ones before they were a day old, since journal_new(). */
uint64_t journal_minutes_cut(const struct journal *journal);

/*
 * Ends that were folded because their minute had too many rows, since journal_new(). Without those that belong to no
 * socket: of these a minute never has room for many.
 */
uint64_t journal_minutes_folded(const struct journal *journal);

/* ---- reading: of the writer's own block, or of a mapping for reading ---- */

struct journal_view {
	const struct journal_header *header;
	const unsigned char *data;
	size_t size;
	/* Copied at journal_open(): what another process writes there later is not looked at. */
	uint64_t ring_offset[EVENT_RING_MAX], names_offset, minutes_offset, labels_offset;
	uint32_t ring_places[EVENT_RING_MAX], name_places, minute_places;
	uint32_t ring_stride[EVENT_RING_MAX]; /* bytes of a place */
};

/* Checks sizes and bounds. Return: 0; -EBADMSG. */
int journal_open(const void *data, size_t size, struct journal_view *ret);

/* The view of a writer's own block. */
void journal_view(const struct journal *journal, struct journal_view *ret);

/* Where a reader stands: numbers of the next event of each ring. */
struct journal_cursor {
	uint64_t next[EVENT_RING_MAX];
	/* Events that were overwritten before they were read, since journal_seek(). */
	uint64_t lost;
};

/* Bits of rings. */
#define JOURNAL_RING(ring) (1U << (ring))
#define JOURNAL_RINGS_ALL ((1U << EVENT_RING_MAX) - 1)

/* At the first event with an id above @id that is still there; 0: at the oldest. */
void journal_seek(const struct journal_view *view, uint64_t id, struct journal_cursor *ret);

/*
 * Whether every event after @id is still in these rings, 0: every one since events are kept; what was only counted is not
 * missed.
 */
bool journal_reaches(const struct journal_view *view, uint32_t rings, uint64_t id);

/**
 * journal_next() - the next event by id
 * @rings: bits; others are not read and their cursors stay
 *
 * Ids ascend, over all rings and calls.
 *
 * Return: 1 with an event; 0 at the end. @cursor->lost grows where something was missed on the way.
 */
int journal_next(const struct journal_view *view, struct journal_cursor *cursor, uint32_t rings,
		 struct event *ret);

/* The newest id; where there is none, the one behind which they begin. */
uint64_t journal_newest(const struct journal_view *view);

/*
 * CLOCK_REALTIME since when these rings hold all that happened: of the oldest event where one has lost any, else since
 * when events are kept; the latest of all @rings.
 */
int64_t journal_oldest_ns(const struct journal_view *view, uint32_t rings);

/* CLOCK_REALTIME since when events are kept. */
int64_t journal_since_ns(const struct journal_view *view);

/* Until when it is noted that nobody watched (CLOCK_REALTIME), also by a journal before this one; 0: not at all. */
int64_t journal_noted_ns(const struct journal_view *view);

/* Return: 0; -ENOENT where it was overwritten. */
int journal_read_name(const struct journal_view *view, uint32_t number, struct event_name *ret);

/*
 * Calls @take for each row of @from <= minute < @to until it returns non-zero, which is returned. In the order in which
 * rows began, so minutes nearly ascend; the same row may be there twice where the clock was set back or places were
 * few: they add up.
 */
int journal_minutes(const struct journal_view *view, int64_t from, int64_t to,
		    int (*take)(const struct minute_row *row, void *context), void *context);

/* A label by its number; "" where there is none. @buffer is of JOURNAL_LABEL bytes. */
const char *journal_label(const struct journal_view *view, uint16_t label, char *buffer);

/* Events that were overwritten, by ring, since the journal began; events that were counted in folded rows. */
uint64_t journal_overwritten(const struct journal_view *view, enum event_ring ring);
uint64_t journal_folded(const struct journal_view *view);
