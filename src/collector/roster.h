/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The processes that hold or held a socket, by pid and start time, with their names.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/owners.h"
#include "model/snapshot.h"

struct roster_entry;

struct roster {
	struct roster_entry *entries;
	uint32_t count, room;
	uint64_t cut; /* processes above the limit, since the start */
};

/**
 * roster_renew() - a walk has brought another result
 * @ret_renumber: row before -> row now, or RECORD_NONE; the caller's
 * @ret_count: rows before
 * @ret_rows: number in @owners -> row now, RECORD_NONE where it has none yet; the caller's
 *
 * A process that holds nothing stays while something refers to it, and for one more result.
 *
 * Return: 0; -ENOMEM, then nothing has changed.
 */
int roster_renew(struct roster *roster, const struct owners *owners, uint32_t **ret_renumber,
		 uint32_t *ret_count, uint32_t **ret_rows);

/* A row for a process that has none yet; RECORD_NONE above @max rows (counted) or out of memory. */
uint32_t roster_add(struct roster *roster, const struct owner_process *process, uint32_t max);

/*
 * The row of a process; RECORD_NONE where there is none. Where nobody has read when it began it is told by its name as
 * well: many may have had the number.
 */
uint32_t roster_find(const struct roster *roster, const struct owner_process *process);

/* Whether the row is that process's, in the same way. */
bool roster_is(const struct roster *roster, uint32_t row, const struct owner_process *process);

/**
 * roster_restore() - the processes of a checked snapshot, row by row; into an empty roster
 *
 * Return: 0; -ENOMEM, then the roster is empty.
 */
int roster_restore(struct roster *roster, const struct snapshot *snapshot);

/* Before the records of a poll: nothing counted, nothing referred to. */
void roster_begin(struct roster *roster);

/* One more socket in that state. */
void roster_count(struct roster *roster, uint32_t row, uint8_t state);

/* Something refers to the row, which may be RECORD_NONE. */
void roster_refer(struct roster *roster, uint32_t row);

/* What tells whether one process has its descriptors from another. */
struct roster_kin {
	int32_t pid, parent;
	uint64_t start_time, executable;
	const char *comm; /* borrowed until rows are added */
};

/* Return: false where there is no such row. */
bool roster_kin(const struct roster *roster, uint32_t row, struct roster_kin *ret);

uint32_t roster_size(const struct roster *roster);

#define ROSTER_TEXTS 8

/* What rows that are printed one after the other share; all 0 at the first. */
struct roster_strings {
	uint32_t texts[ROSTER_TEXTS]; /* of @row, stored */
	uint32_t row;
};

/* One row as published. */
void roster_print(const struct roster *roster, uint32_t row, struct snapshot_writer *w,
		  struct roster_strings *memory, struct process *ret);

/* The process of a row, for what outlives the row; false where there is none. */
bool roster_name(const struct roster *roster, uint32_t row, struct history_name *ret);

void roster_done(struct roster *roster);
