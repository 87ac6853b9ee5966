/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The last quarter of an hour from the journal: resets of the whole machine for the report and /summary, and how the
 * sockets of each unit, process or container have ended.
 */
#pragma once

#include <tcpdiag/state.h>

#include "model/journal.h"
#include "model/snapshot.h"
#include "web/emit.h"
#include "web/lexicon.h"
#include "web/owners.h"

#define RECENT_NS (15 * 60 * 1000000000LL)

/* ---- what is missing in what minutes count ---- */

struct recent_gaps {
	int64_t unseen_ns; /* nobody watched */
	uint64_t lost; /* events of the machine that found no room */
};

/* Whether it is a row of that kind; adds it up. */
bool recent_gap(struct recent_gaps *gaps, const struct minute_row *row);

/* "unseen_seconds", "lost_events": of the minutes that a span touches. */
void recent_gaps_emit(struct emitter *j, const struct journal_view *view, int64_t since_ns,
		      int64_t until_ns);

/* What is left of @span_ns. */
int64_t recent_covered(const struct recent_gaps *gaps, int64_t span_ns);

/* ---- resets ---- */

struct recent_resets {
	uint64_t sent, received;
	uint64_t refused; /* of those sent: a SYN that nobody listened for */
	uint64_t unread_bytes; /* lost with those sent */
	uint64_t peer_open; /* of both */
	uint64_t idle; /* of those received: nothing had passed for a minute and more */
	uint64_t reasons[RESET_REASON_MAX]; /* of those sent */
	uint64_t reason_top[RESET_REASON_MAX]; /* of the unit that sent most of them */
	char reason_unit[RESET_REASON_MAX][JOURNAL_LABEL]; /* which unit that is; "": not known */
	uint64_t states[TCPDIAG_STATE_MAX]; /* of those received */
	struct recent_gaps gaps;
	int64_t covered_ns;
};

/* Return: 0; -ENOMEM. */
int recent_resets(const struct journal_view *view, int64_t wall_ns, struct recent_resets *ret);

/* {"seconds","sent",...}; null where events are not seen, or were not in all that time. Return: 0; -ENOMEM. */
int recent_resets_emit(struct emitter *j, const char *name, const struct snapshot *snapshot,
		       const struct journal_view *view, int64_t wall_ns);

/* ---- ends ---- */

struct recent_sums {
	uint64_t fin, none, timed_out;
	uint64_t rst; /* our side reset, by reason: */
	uint64_t reasons[RESET_REASON_MAX];
	uint64_t surprise; /* of @rst: SO_LINGER 0, which was off when the last poll looked */
};

struct recent_ends {
	const char *why; /* not known, and why; NULL: known */
	struct recent_gaps gaps;
	int64_t covered_ns;
	struct lexicon keys;
	struct recent_sums *sums; /* owned, by number of the key */
	uint32_t size;
	enum owner_kind kind;
};

/*
 * By what an owner is counted under: units by model/unit_label.h from the journal's minutes, processes and containers
 * from single events, as far as those are kept. @view may be NULL. What finds no memory is not counted.
 */
void recent_ends(const struct snapshot *snapshot, const struct journal_view *view, int64_t wall_ns,
		 enum owner_kind kind, struct recent_ends *ret);
void recent_ends_done(struct recent_ends *ends);

/* "closed" and "closed_note" of an owner, whose first process is @process (perhaps NULL). */
void recent_ends_emit(struct emitter *j, const struct recent_ends *ends,
		      const struct snapshot *snapshot, const struct process *process);

/* The same as a line of text; empty where there is nothing to say. */
void recent_ends_text(char *ret, size_t size, const struct recent_ends *ends,
		      const struct snapshot *snapshot, const struct process *process);
