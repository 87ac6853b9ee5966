/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets added up by unit, for metrics: the twenty with most trouble by name, all others together.
 *
 * A name that has a place keeps it until one with clearly more trouble comes, or until nobody has had the name
 * for a while: series that come and go are worth less than none.
 */
#pragma once

#include "model/snapshot.h"
#include "model/unit_label.h"

struct unit_counts {
	uint32_t sockets[UNIT_STATE_MAX];
	uint32_t close_resets;
	uint32_t orphans;
	double listener_ratio;
};

/* All processes of one name. */
struct unit_group {
	uint32_t name; /* strings of the snapshot in the making */
	struct unit_counts counts;
};

struct unit_place {
	char name[UNIT_LABEL_MAX];
	double score; /* trouble; what there was fades */
	int64_t seen_ns;
};

struct units {
	struct unit_counts *rows; /* by row of the roster */
	uint32_t count, room;
	bool failed; /* out of memory in this poll */
	struct unit_group *groups; /* kept between polls */
	uint32_t group_room;
	struct unit_place places[UNIT_PLACES];
	uint32_t place_count;
	int64_t faded_ns;
};

/* Nothing counted. */
void units_begin(struct units *units);

/* One more socket of a process; @row may be RECORD_NONE. */
void units_add(struct units *units, uint32_t row, const struct record *record);

/**
 * units_publish() - adds up by struct process's unit_label, and writes the totals of a snapshot
 * @w: takes the names
 *
 * Return: 0; -ENOMEM.
 */
int units_publish(struct units *units, const struct process *processes, uint32_t process_count,
		  int64_t now_ns, struct snapshot_writer *w);

void units_done(struct units *units);
