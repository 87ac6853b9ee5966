/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whose sockets have the memory of TCP's queues, added up by process while it runs short.
 */
#pragma once

#include <stdbool.h>

#include "model/record.h"

struct queues {
	bool wanted; /* in this poll */
	bool failed; /* out of memory: not known */
	uint64_t *bytes; /* by row of a process; kept between polls */
	uint32_t count, room;
	uint64_t nobody; /* of sockets without a process */
};

/* Nothing counted. It is wanted near the first number of tcp_mem. */
void queues_begin(struct queues *queues, const struct tcpdiag_environment *env);

/* @row: of the process that has it or had it last, RECORD_NONE. */
void queues_add(struct queues *queues, const struct record *record, uint32_t row);

void queues_done(struct queues *queues);
