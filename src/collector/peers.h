/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The other end of a connection that is being torn down, where it is on this machine, in any namespace: the
 * one whose ends are the same, swapped (model/ends.h), if there is one alone.
 *
 * Networks of containers may use the same addresses beside each other. So a pair is one only where each
 * fits nobody but the other; of those that share the ends, the ones whose state rules it out do not count.
 * With several left nobody is the peer: there is no guess.
 *
 * Only ends of sockets in teardown states are asked for, so that a poll pays for those alone: the records
 * pass by a filter of 32 bits a wish, and hardly one in a dozen is looked for in the table.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/addresses.h"
#include "model/keyed_hash.h"
#include "model/record.h"

#define PEERS_FILTER 65536U /* bits at least; a power of two */

struct peer_wish {
	uint32_t position; /* of the record whose other end is wanted */
	uint32_t tag; /* hash of its ends: records lie in memory that no cache holds */
	uint32_t filter_bit, rival_bit; /* before they are cut to the filter's size */
	uint32_t found; /* RECORD_NONE: nobody yet */
	uint32_t next; /* in its chain, + 1 */
	bool many; /* more than one fits: which one it is nobody can tell */
	bool mutual; /* and whom it found fits nobody else */
};

/* A socket that has the ends of a wish, and is not in a teardown state itself: another namespace's. */
struct peer_rival {
	uint32_t position;
	uint32_t wish;
};

struct peers {
	struct hash_key key; /* random: who connects chooses his ends */
	struct peer_wish *wishes;
	uint32_t count, room;
	uint32_t *heads; /* wish + 1 */
	uint32_t head_count, head_room; /* count: a power of two */
	uint64_t *filter;
	uint32_t filter_bits, filter_room; /* powers of two; 0: nobody is wanted */
	struct peer_rival *rivals;
	uint32_t rival_count, rival_room;
	struct addresses addresses;
	bool complete; /* all sockets of the machine are among the records */
};

/* Before the records of a poll. @complete: whoever is not among them is not on this machine. */
void peers_begin(struct peers *peers, bool complete);

/**
 * peers_want() - one whose other end is wanted; what has none, or is no TCP connection, is passed over
 *
 * Return: 0 or -ENOMEM.
 */
int peers_want(struct peers *peers, const struct record *records, uint32_t position);

/* When all are in. Return: 0 or -ENOMEM. */
int peers_index(struct peers *peers);

/* Where the ports of a connection are looked for in a filter of any size. Odd: both count in each bit. */
static inline uint32_t peers_filter_bit(uint16_t local, uint16_t remote)
{
	return (uint32_t)local * 40503U + (uint32_t)remote * 30011U;
}

/* The same for who has the ends of a wish, unswapped. */
static inline uint32_t peers_rival_bit(uint16_t local, uint16_t remote)
{
	return ~peers_filter_bit(local, remote);
}

static inline bool peers_test(const struct peers *peers, uint32_t bit)
{
	bit &= peers->filter_bits - 1;
	return peers->filter[bit / 64] >> bit % 64 & 1;
}

/* Whether this may be the end that somebody wants, or somebody else with the ends of a wish. */
static inline bool peers_maybe(const struct peers *peers, const struct tcpdiag_socket *sk)
{
	if (!peers->filter_bits)
		return false;
	if (peers_test(peers, peers_filter_bit(sk->local_port, sk->remote_port)))
		return true;
	/* Who is in a teardown state has a wish of its own. */
	return !(TCPDIAG_STATES_TEARDOWN & TCPDIAG_STATE_BIT(sk->state)) &&
	       peers_test(peers, peers_rival_bit(sk->local_port, sk->remote_port));
}

/* Each record for which that is so. */
void peers_meet(struct peers *peers, const struct record *records, uint32_t position);

/* What a record says of its peer before peers_settle(). */
static inline void peers_clear(struct record *record)
{
	bool has_end = record->sk.remote_port && record->sk.state != TCPDIAG_CLOSE;

	record->peer = RECORD_NONE;
	record->peer_unknown = has_end ? PEER_NOT_LOOKED_FOR : PEER_UNKNOWN_NONE;
}

/* After all records, each of them cleared: sets both ends of each pair, and why the others have none. */
void peers_settle(struct peers *peers, struct record *records);

void peers_done(struct peers *peers);
