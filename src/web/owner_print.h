/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process, a unit or a container as JSON, as a few lines of text, as one row of a list.
 */
#pragma once

#include "web/emit.h"
#include "web/owners.h"
#include "web/recent.h"

/* Owners that were counted, and what their printing needs besides. */
struct owner_table {
	const struct snapshot *snapshot;
	enum owner_kind kind;
	struct owners owners; /* owned */
	struct recent_ends ends; /* owned */
	int64_t wall_ns; /* CLOCK_REALTIME of the request */
	int64_t boot_ns; /* CLOCK_BOOTTIME at the same instant */
};

/* The members of an object, without its braces. */
void owner_json(struct emitter *j, const struct owner_table *table, uint32_t row);

/* What ending it does, as sentences. */
void owner_text(struct buffer *b, const struct owner_table *table, uint32_t row,
		unsigned int columns);

/* One line under owner_row_heading. */
extern const char owner_row_heading[];
void owner_row(struct buffer *b, const struct owner_table *table, uint32_t row);
