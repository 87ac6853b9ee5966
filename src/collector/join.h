/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which record of the snapshot before is this row of the new dump?
 *
 * A dump walks the kernel's hash table bucket by bucket, so sockets come in the same order each time: the
 * record after the last hit is nearly always the right one. Only when it is not, an index by
 * (namespace, cookie) is built over the records before, once a poll, four to eight bytes a socket.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/record.h"

struct join {
	const struct record *before; /* borrowed for one poll */
	uint32_t count;
	const uint32_t *order; /* positions in @before that the dump covers, rising; NULL: all */
	uint32_t order_count;
	uint32_t hint; /* in @order, or in @before: expected next */
	bool indexed;
	uint32_t *slots; /* position + 1, 0: free */
	uint32_t slot_count; /* in use, a power of two */
	uint32_t slot_room; /* allocated */
	uint64_t *seen; /* a bit per record before: has been matched */
	uint32_t seen_room; /* words allocated */
	uint64_t *fresh; /* keys of rows without a record before; 0: free */
	uint32_t fresh_count, fresh_slots; /* slots: a power of two */
};

enum join_result {
	JOIN_FRESH = 0, /* not in the snapshot before */
	JOIN_MATCHED,
	JOIN_DUPLICATE, /* the same dump has shown it already */
};

/**
 * join_begin() - before the first row of a dump
 * @before: records of the snapshot before
 * @order: the positions that this dump covers, rising; NULL: all of them
 *
 * Return: 0 or -ENOMEM.
 */
int join_begin(struct join *join, const struct record *before, uint32_t count,
	       const uint32_t *order, uint32_t order_count);

/**
 * join_row() - looks a row up
 * @ret_position: in @before, when matched
 *
 * Return: enum join_result, or -ENOMEM.
 */
int join_row(struct join *join, const struct tcpdiag_socket *sk, uint32_t *ret_position);

/**
 * join_known() - a row whose record before is known
 * @position: in @before
 * @number: in the order, where that is; UINT32_MAX: not there
 *
 * Return: JOIN_MATCHED, or JOIN_DUPLICATE where it had a row already.
 */
int join_known(struct join *join, uint32_t position, uint32_t number);

/* One that is known to have no record before. Return: JOIN_FRESH, JOIN_DUPLICATE, or -ENOMEM. */
int join_unknown(struct join *join, const struct tcpdiag_socket *sk);

/* That record stands in the new snapshot as it is. */
static inline void join_keep(struct join *join, uint32_t position)
{
	join->seen[position / 64] |= 1ULL << (position % 64);
}

/* Whether a row of this poll has been matched with that record. */
static inline bool join_seen(const struct join *join, uint32_t position)
{
	return join->seen[position / 64] >> (position % 64) & 1;
}

/* Frees what is kept between polls. */
void join_done(struct join *join);
