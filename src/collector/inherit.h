/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a socket is held by processes that have it from another one by accident: a descriptor that was not
 * closed on exec() goes to each program that a process starts. When the process closes it nothing is sent, for
 * the other program still has it, and does not know.
 *
 * A socket that was handed over on purpose looks the same for a while, so this says only what is seen: who had
 * it before, and that nobody has read or written since (memory_carry() forgets it when somebody does). Where that
 * cannot be told nothing is said: programs of one executable share what they like (workers forked ahead,
 * sshd's pairs), and who was there before the socket may have got it in a message.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/roster.h"
#include "model/record.h"

#define INHERIT_MAX 8U /* processes that hold one socket: more are a crowd, and nothing is said */

/* Rows of processes, each once. */
struct inherit_rows {
	uint32_t row[INHERIT_MAX];
	uint32_t count; /* above INHERIT_MAX: a crowd */
};

void inherit_add(struct inherit_rows *rows, uint32_t row);

/* CLOCK_BOOTTIME, in which start times are, against CLOCK_MONOTONIC. */
int64_t inherit_clock_offset(void);

/**
 * inherit_origin() - who had @record before its holders, and has let go of it
 * @before: its holders before; rows as they are numbered now, RECORD_NONE among them is a process forgotten
 * @now: those of today, all of them
 *
 * Return: the row; RECORD_NONE where nobody has, or that is not sure.
 */
uint32_t inherit_origin(const struct roster *roster, const struct record *record,
			const struct inherit_rows *before, const struct inherit_rows *now,
			int64_t clock_offset_ns);

/* Whether all of @now may have it from @origin, who has it no more. */
bool inherit_holds(const struct roster *roster, const struct record *record, uint32_t origin,
		   const struct inherit_rows *now, int64_t clock_offset_ns);

/* The same for one that nobody else was seen to hold: @parent started each of @now after it was born. */
bool inherit_from_parent(const struct roster *roster, const struct record *record, uint32_t parent,
			 const struct inherit_rows *now, int64_t clock_offset_ns);
