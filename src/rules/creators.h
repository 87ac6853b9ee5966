/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who leaves orphans behind: counted by process while the walk passes by, added up by what people restart, that
 * is the systemd unit, else the container, else the process by itself.
 */
#pragma once

#include <stdint.h>

#include "rules/sentence.h"

struct finding;
struct record;
struct round;

/* Of which orphans. */
enum creators_of {
	CREATORS_ALL = 0,
	CREATORS_STALLED, /* nothing acknowledged for long */
	CREATORS_MAX
};

/* The states of an orphan. */
enum created_state {
	CREATED_FIN_WAIT1,
	CREATED_FIN_WAIT2,
	CREATED_LAST_ACK,
	CREATED_CLOSING,
	CREATED_STATE_MAX
};

/* By the row of a process. */
struct created {
	uint32_t count[CREATORS_MAX][CREATED_STATE_MAX];
};

struct creator_group {
	uint32_t unit, container; /* strings; both 0: one process */
	uint32_t process; /* row, of the first */
	uint32_t processes;
	uint32_t total;
	uint32_t count[CREATED_STATE_MAX];
};

#define CREATORS_TOP 3

struct creators {
	uint32_t seen; /* all */
	uint32_t unknown; /* of these without a known creator */
	uint32_t count[CREATED_STATE_MAX]; /* of all */
	uint32_t groups; /* who is known: units, containers, processes */
	struct creator_group top[CREATORS_TOP]; /* most first; as many as there are */
};

void creators_add(struct round *round, enum creators_of which, const struct record *record);

/* After the walk: fills round->creators[@which]. */
void creators_settle(struct round *round, enum creators_of which);

/* The part of all that the first of them has created; 0 where nobody is known. */
double creators_share(const struct creators *creators);

/* " (FIN-WAIT-1 66,010, LAST-ACK 4,102)", or nothing. */
void creators_states(struct sentence *s, const uint32_t count[CREATED_STATE_MAX]);

/* ", 99 % by haproxy.service", where one has created most of them. */
void creators_first(const struct round *round, enum creators_of which, struct sentence *s);

/* "Created by haproxy.service 99 % (FIN-WAIT-1 66,010, LAST-ACK 4,102), ...", or nothing. */
void creators_describe(const struct round *round, enum creators_of which, struct sentence *s);

/* How many have no known creator, and the part of the first; who that is where it has created most of them. */
void creators_evidence(const struct round *round, enum creators_of which, struct finding *row);
