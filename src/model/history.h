/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What became of sockets: a ring of small entries, chained by socket, and the sockets that have ended.
 *
 * Only changes make entries, and what is so now stands in the record: an entry tells what was before. Each has
 * a number that counts on for ever (modulo 2^32, without 0) and the number of the entry before of the same
 * socket; number & (size - 1) is its place. What was overwritten ends the chain.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/record.h"

enum history_kind {
	HISTORY_NONE = 0,
	HISTORY_STATE, /* it came into state @a then */
	HISTORY_ATTACHMENT, /* from attachment @a to @b */
	HISTORY_HOLDER, /* until then @name was its first holder */
	HISTORY_RAISED, /* a finding came to be about it; @a: rule - TCPDIAG_RULE_FINDING_FIRST */
	HISTORY_CLEARED, /* and left it */
	HISTORY_KIND_MAX
};

#define HISTORY_EXACT (1U << 0) /* between two looks that were near enough to each other */

struct history_entry {
	uint64_t cookie;
	int64_t when_ns; /* CLOCK_MONOTONIC */
	uint32_t netns;
	uint32_t before; /* number of the entry before of the same socket; 0: none */
	uint32_t name; /* number in SECTION_NAMES; 0: none */
	uint8_t kind; /* enum history_kind */
	uint8_t a, b;
	uint8_t flags; /* HISTORY_EXACT */
};

_Static_assert(sizeof(struct history_entry) == 32, "it is copied each second");

/* A process that held a socket, for when its row is gone. Cut where it is longer; always terminated. */
struct history_name {
	uint64_t start_time; /* clock ticks since boot */
	uint32_t number; /* its place is number & (HISTORY_NAMES - 1) */
	int32_t pid;
	char comm[16];
	char unit[64];
	char container[72];
};

#define HISTORY_NAMES 1024U /* a power of two */

/* A socket that is in no look any more. */
struct ended {
	struct record record; /* as last seen; it has no holders: @creator was its last */
	int64_t gone_ns; /* the first look without it; 0: a free row */
};

/* Times at which nobody looked for a while: the collector was started anew. */
struct restart {
	int64_t from_ns, to_ns;
};

#define RESTARTS_MAX 8U

/* What stands in the header. */
struct history_header {
	uint32_t size; /* places of SECTION_HISTORY, a power of two; 0: no history is kept */
	uint32_t next; /* number of the entry that comes next */
	uint32_t names_next;
	uint32_t
		restart_count; /* all of them; the newest RESTARTS_MAX are kept, at count % RESTARTS_MAX */
	struct restart restarts[RESTARTS_MAX];
	int64_t since_ns; /* CLOCK_MONOTONIC: watched since then, over restarts */
	/* That made room for newer ones, since the collector's start. */
	uint64_t overwritten, ended_overwritten;
};

static inline uint32_t history_number_after(uint32_t number)
{
	return number + 1 ? number + 1 : 1;
}
