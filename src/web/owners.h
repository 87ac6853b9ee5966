/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets added up by whom they belong to: a process, a systemd unit, a container; and what ending one would
 * do. The report's table, /processes, /units, /containers and --once are all counted here.
 *
 * A socket that is held by several owners survives the end of each of them.
 */
#pragma once

#include "model/snapshot.h"
#include "web/exit.h"

enum owner_kind {
	OWNER_PROGRAM = 0, /* a unit, or a process outside of one */
	OWNER_PROCESS,
	OWNER_UNIT,
	OWNER_CONTAINER,
	OWNER_KIND_MAX
};

struct owner {
	uint32_t name; /* strings: of the unit or container; 0: a process */
	uint32_t process; /* the process, or the first of them */
	uint32_t processes; /* of the snapshot that belong to it */
	uint32_t sockets[TCPDIAG_STATE_MAX]; /* held, alone or not */
	uint32_t held; /* all of these */
	uint32_t stamp; /* of the record that was last counted */
	struct exit_sums exit;
	uint32_t unaccepted; /* connections in its listeners' queues that are seen as sockets */
	uint32_t orphans; /* created by it */
	uint32_t linger_zero; /* reset by SO_LINGER 0 alone */
	uint32_t linger_inherited; /* of these the ones whose listener has that, too */
};

struct owners {
	struct owner *rows; /* owned */
	uint32_t *row_of; /* by process, RECORD_NONE: left out; owned */
	uint32_t count;
	/* Doubts that concern whoever holds something: sockets that are in no record. */
	struct exit_sums anyone;
	uint32_t strangers; /* sockets whose holders could not be seen */
	uint32_t strangers_rst; /* of these, close() resets */
};

/* Which owners; all of that kind where neither is given. */
struct owner_query {
	enum owner_kind kind;
	const char *
		name; /* of a unit ("nginx" is "nginx.service"), or the beginning of a container's id */
	int32_t pid; /* 0: any */
};

/* Walks all records. Return: 0, -ENOMEM. */
int owners_count(const struct snapshot *snapshot, const struct owner_query *query,
		 struct owners *ret);
void owners_done(struct owners *owners);

/* "nginx.service", else the command; "" for none. */
const char *owner_name(const struct snapshot *snapshot, const struct owner *owner);

/* What its end would do, with the doubts that concern everyone. */
struct exit_sums owner_exit(const struct owners *owners, const struct owner *owner);

/* ---- inside ---- */

/* The row that all holders of a record belong to, or RECORD_NONE. */
uint32_t owners_sole(const struct owners *owners, const struct snapshot *snapshot,
		     const struct record *record);

/* Adds what the end of all who are seen to hold a record does; sure only where all are seen. */
void owners_add_record(struct exit_sums *sums, const struct snapshot *snapshot,
		       const struct record *record);

/**
 * owners_strangers() - hands sockets that no holder is seen of to those that they may belong to
 *
 * Those are the owners that have a process in its network namespace, or hold another socket of it.
 *
 * Return: 0, -ENOMEM.
 */
int owners_strangers(struct owners *owners, const struct snapshot *snapshot);

/* Counts connections whose ends belong to one row again, as pairs. Return: 0, -ENOMEM. */
int owners_pairs(struct owners *owners, const struct snapshot *snapshot);
