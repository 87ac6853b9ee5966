/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The other ends of the sockets that a finding is about: who on this machine has them, and which other
 * machines.
 *
 * Marks are put in order of their tallies once a round, where a family that asks for it has a finding; then
 * each tally's own are walked, so that all findings together cost as much as there are marks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "rules/sentence.h"

struct finding;
struct marked;
struct record;
struct round;
struct tally;

#define OTHERS_REMOTES 3 /* addresses that are named */
#define OTHERS_ADDRESSES 2048U /* that are told apart; the rest is counted only */

struct remote_count {
	uint8_t address[16];
	uint32_t count; /* 0: a free slot */
};

/* Memory, kept between rounds. */
struct others_index {
	uint32_t *starts; /* by tally, in @order; one more at the end */
	uint32_t *order; /* marks */
	uint32_t *counted; /* by row of a process; all 0 between two uses */
	struct remote_count *slots; /* all free between two uses */
	uint16_t *touched;
	uint32_t start_room, order_room, counted_room;
	uint32_t tallies; /* that @starts covers; 0: nobody asked in this round */
};

struct others {
	uint32_t here, not_here, unknown; /* other ends; they add up to the sockets */
	bool unseen; /* some of those not here may be where nobody looks */
	/* Of those here: */
	uint32_t eof_unread, eof_read, data_unread, unaccepted; /* in CLOSE-WAIT */
	uint32_t finishing; /* their FIN is under way */
	uint64_t unread_bytes;
	uint32_t processes; /* that have them */
	uint32_t process; /* row of the one that has most; RECORD_NONE: nobody is known */
	uint32_t process_count; /* how many it has */
	uint32_t example; /* the one of these that is longest in its state */
	uint32_t retransmits; /* of the sockets themselves: the most */
	struct remote_count remotes[OTHERS_REMOTES]; /* of those not here, most first */
	uint32_t addresses; /* different ones */
	bool more_addresses; /* than are told apart */
};

/**
 * others_prepare() - once a round, after the tallies were judged
 *
 * Return: 0, -ENOMEM.
 */
int others_prepare(struct others_index *index, const struct marked *marks, uint32_t mark_count,
		   uint32_t tallies, uint32_t processes);
void others_done(struct others_index *index);

/* The other ends of what the tally's finding counts. */
void others_gather(const struct round *round, const struct tally *tally, struct others *ret);

/* "upstream (pid 12, up.service)" of the process that has most; nothing where nobody is known. */
void others_who(const struct round *round, const struct others *others, struct sentence *s);

/* " Of the other ends 38 are on this machine, 36 of them of upstream (pid 12).", or nothing. */
void others_describe_here(const struct round *round, const struct others *others,
			  struct sentence *s);

/* " 3 are not on this machine: 10.1.2.3 (2), 10.1.2.4 (1).", or nothing. */
void others_describe_elsewhere(const struct others *others, struct sentence *s);

/* How many are here, and how many are not. */
void others_evidence(const struct others *others, struct finding *row);
