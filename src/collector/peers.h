/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The other end of a connection that is being torn down, where it is on this machine: the one whose ends are
 * the same, swapped.
 *
 * Only ends of sockets in teardown states are asked for, so that a poll pays for those alone: the records
 * pass by a filter of 16 bits a wish, and hardly one in a dozen is looked for in the table.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/record.h"

#define PEERS_FILTER 65536U /* bits at least; a power of two */

struct peer_wish {
	uint32_t position; /* of the record whose other end is wanted */
	uint32_t tag; /* hash of its ends: records lie in memory that no cache holds */
	uint32_t filter_bit; /* before it is cut to the filter's size */
	uint32_t found; /* RECORD_NONE: nobody yet */
	uint32_t next; /* in its chain, + 1 */
	bool many; /* more than one fits: which one it is nobody can tell */
};

struct peers {
	struct peer_wish *wishes;
	uint32_t count, room;
	uint32_t *heads; /* wish + 1 */
	uint32_t head_count, head_room; /* count: a power of two */
	uint64_t *filter;
	uint32_t filter_bits, filter_room; /* powers of two; 0: nobody is wanted */
};

/* Before the records of a poll. */
void peers_begin(struct peers *peers);

/**
 * peers_want() - one whose other end is wanted; what has none, or is no TCP connection, is passed over
 *
 * Return: 0 or -ENOMEM.
 */
int peers_want(struct peers *peers, const struct record *records, uint32_t position);

/* When all are in. Return: 0 or -ENOMEM. */
int peers_index(struct peers *peers, const struct record *records);

/* Where the ports of a connection are looked for in a filter of any size. Odd: both count in each bit. */
static inline uint32_t peers_filter_bit(uint16_t local, uint16_t remote)
{
	return (uint32_t)local * 40503U + (uint32_t)remote * 30011U;
}

/* Whether this may be the end that somebody wants. */
static inline bool peers_maybe(const struct peers *peers, const struct tcpdiag_socket *sk)
{
	uint32_t bit;

	if (!peers->filter_bits)
		return false;
	bit = peers_filter_bit(sk->local_port, sk->remote_port) & (peers->filter_bits - 1);
	return peers->filter[bit / 64] >> bit % 64 & 1;
}

/* Each record for which that is so. */
void peers_meet(struct peers *peers, const struct record *records, uint32_t position);

/* After all records, whose peer is RECORD_NONE: sets both ends of each pair. */
void peers_settle(const struct peers *peers, struct record *records);

void peers_done(struct peers *peers);
