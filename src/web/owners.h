/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets added up by whom they belong to: a systemd unit, or a process outside of one.
 *
 * A socket whose holders belong to different owners survives the end of each of them and is counted
 * for none.
 */
#pragma once

#include "model/snapshot.h"

struct owner {
	uint32_t unit; /* strings: of the snapshot; 0: a process */
	uint32_t process; /* the process, or the first of the unit */
	uint32_t processes; /* of the snapshot that belong to it */
	uint32_t sockets; /* held alone */
	uint32_t rst_live; /* close() resets a peer that has not finished */
	uint32_t rst_done; /* ... that has finished */
	uint32_t fin;
	uint32_t waiting; /* connections in the queues of its listeners */
	uint32_t unaccepted; /* of these the ones seen as sockets */
	uint32_t orphans; /* created by it */
	uint32_t close_wait; /* held */
	uint32_t fin_wait_2; /* held */
	uint64_t lost_bytes; /* unread and unsent, of what is reset */
	uint32_t uncertain; /* of fin: a setting that is not known could change it */
	uint32_t linger_zero; /* reset by SO_LINGER 0 alone */
	uint32_t linger_inherited; /* of these the ones whose listener has that, too */
};

struct owners {
	struct owner *rows; /* owned */
	uint32_t count;
	uint32_t strangers; /* sockets whose holders could not be seen */
	uint32_t strangers_rst; /* of these, close() resets */
};

/* Walks all records. Return: 0, -ENOMEM. */
int owners_count(const struct snapshot *snapshot, struct owners *ret);
void owners_done(struct owners *owners);

/* "nginx.service", else the command; NULL for none. */
const char *owner_name(const struct snapshot *snapshot, const struct owner *owner);
