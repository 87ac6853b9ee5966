/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small hash over the ends that are wanted.
 *
 * Of a group of sockets that share their ends, from either side, each one that fits is counted: a wish
 * counts whom it finds; who has the ends of a wish himself and none of his own (a rival) is asked
 * afterwards whether he fits as well. Two wishes that find the same socket are known by that.
 */
#include <errno.h>
#include <string.h>

#include "collector/peers.h"
#include "model/ends.h"
#include "model/macro.h"

#define HEADS_MIN 64U
#define AHEAD 8U
#define AMBIGUOUS (RECORD_NONE - 1)

/* Of the connection, as its other end names the ends. */
static uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)(hash >> 16);
}

void peers_begin(struct peers *peers, bool complete)
{
	peers->count = 0;
	peers->filter_bits = 0;
	peers->rival_count = 0;
	peers->complete = complete;
}

int peers_want(struct peers *peers, const struct record *records, uint32_t position)
{
	const struct tcpdiag_socket *sk = &records[position].sk;

	if (!ends_known(sk))
		return 0;
	if (peers->count == peers->room) {
		uint32_t room = MAX(peers->room * 2, 64U);
		struct peer_wish *wishes = reallocarray(peers->wishes, room, sizeof(*wishes));

		if (!wishes)
			return -ENOMEM;
		peers->wishes = wishes;
		peers->room = room;
	}
	/* Found by whoever is at the other end, in whose words the ends are swapped. */
	peers->wishes[peers->count++] = (struct peer_wish){
		.position = position,
		.tag = tag_of(ends_hash_swapped(&peers->key, sk)),
		.filter_bit = peers_filter_bit(sk->remote_port, sk->local_port),
		.rival_bit = peers_rival_bit(sk->local_port, sk->remote_port),
		.found = RECORD_NONE,
	};
	return 0;
}

static void insert(struct peers *peers, uint32_t number)
{
	struct peer_wish *wish = &peers->wishes[number];
	uint32_t *head = &peers->heads[wish->tag & (peers->head_count - 1)];

	wish->next = *head;
	*head = number + 1;
}

static int make_table(struct peers *peers)
{
	uint32_t count = HEADS_MIN;

	while (count < peers->count)
		count *= 2;
	if (count > peers->head_room || count < peers->head_room / 8) {
		uint32_t *heads = reallocarray(peers->heads, count, sizeof(*heads));

		if (!heads)
			return -ENOMEM;
		peers->heads = heads;
		peers->head_room = count;
	}
	peers->head_count = count;
	memset(peers->heads, 0, count * sizeof(*peers->heads));
	return 0;
}

static int make_filter(struct peers *peers)
{
	uint32_t bits = PEERS_FILTER, i;

	while (bits / 32 < peers->count && bits < 1U << 31)
		bits *= 2;
	if (bits > peers->filter_room || bits < peers->filter_room / 8) {
		uint64_t *filter = reallocarray(peers->filter, bits / 64, sizeof(*filter));

		if (!filter)
			return -ENOMEM;
		peers->filter = filter;
		peers->filter_room = bits;
	}
	memset(peers->filter, 0, bits / 8);
	for (i = 0; i < peers->count; i++) {
		uint32_t bit = peers->wishes[i].filter_bit & (bits - 1);
		uint32_t rival = peers->wishes[i].rival_bit & (bits - 1);

		peers->filter[bit / 64] |= 1ULL << bit % 64;
		peers->filter[rival / 64] |= 1ULL << rival % 64;
	}
	peers->filter_bits = bits;
	return 0;
}

int peers_index(struct peers *peers)
{
	uint32_t i;

	if (!peers->count)
		return 0;
	if (make_table(peers) < 0 || make_filter(peers) < 0)
		return -ENOMEM;
	for (i = 0; i < peers->count; i++)
		insert(peers, i);
	return 0;
}

/* Without memory to remember it by, nobody can tell who fits. */
static void add_rival(struct peers *peers, uint32_t position, uint32_t number)
{
	if (peers->rival_count == peers->rival_room) {
		uint32_t room = MAX(peers->rival_room * 2, 64U);
		struct peer_rival *rivals = reallocarray(peers->rivals, room, sizeof(*rivals));

		if (!rivals) {
			peers->wishes[number].many = true;
			return;
		}
		peers->rivals = rivals;
		peers->rival_room = room;
	}
	peers->rivals[peers->rival_count++] = (struct peer_rival){ .position = position,
								   .wish = number };
}

static void find_rivals(struct peers *peers, const struct record *records, uint32_t position)
{
	const struct tcpdiag_socket *sk = &records[position].sk;
	uint32_t tag = tag_of(ends_hash_swapped(&peers->key, sk)), at;

	for (at = peers->heads[tag & (peers->head_count - 1)]; at;
	     at = peers->wishes[at - 1].next) {
		const struct peer_wish *wish = &peers->wishes[at - 1];

		if (wish->tag == tag && ends_same(&records[wish->position].sk, sk))
			add_rival(peers, position, at - 1);
	}
}

void peers_meet(struct peers *peers, const struct record *records, uint32_t position)
{
	const struct tcpdiag_socket *sk = &records[position].sk;
	uint32_t at, tag;

	if (!peers->count || !ends_known(sk))
		return;
	tag = tag_of(ends_hash(&peers->key, sk));
	for (at = peers->heads[tag & (peers->head_count - 1)]; at;
	     at = peers->wishes[at - 1].next) {
		struct peer_wish *wish = &peers->wishes[at - 1];

		/* One that is connected to itself has no other end. */
		if (wish->tag != tag || wish->position == position ||
		    !ends_swapped(&records[wish->position].sk, sk) ||
		    !ends_possible(&records[wish->position], &records[position]))
			continue;
		if (wish->found != RECORD_NONE)
			wish->many = true;
		wish->found = position;
	}
	if (!(TCPDIAG_STATES_TEARDOWN & TCPDIAG_STATE_BIT(sk->state)))
		find_rivals(peers, records, position);
}

static void ask_rivals(struct peers *peers, const struct record *records)
{
	uint32_t i;

	for (i = 0; i < peers->rival_count; i++) {
		const struct peer_rival *rival = &peers->rivals[i];
		struct peer_wish *wish = &peers->wishes[rival->wish];

		if (wish->found != RECORD_NONE &&
		    ends_possible(&records[rival->position], &records[wish->found]))
			wish->many = true;
	}
}

/* Wishes stand in the order of their records; whom they have found lies anywhere. */
static void fetch(const struct peers *peers, const struct record *records, uint32_t number)
{
	if (number < peers->count && peers->wishes[number].found != RECORD_NONE)
		__builtin_prefetch(&records[peers->wishes[number].found].peer);
}

/* Who is found says by whom, in the place of its peer; two of them leave it ambiguous. */
static void claim(const struct peers *peers, struct record *records)
{
	uint32_t i;

	for (i = 0; i < peers->count; i++)
		if (peers->wishes[i].many)
			records[peers->wishes[i].position].peer = AMBIGUOUS;
	for (i = 0; i < peers->count; i++) {
		const struct peer_wish *wish = &peers->wishes[i];
		struct record *found;

		fetch(peers, records, i + AHEAD);
		if (wish->many || wish->found == RECORD_NONE)
			continue;
		found = &records[wish->found];
		found->peer = found->peer == RECORD_NONE ? wish->position : AMBIGUOUS;
	}
}

static enum peer_unknown why_not(const struct peers *peers, const struct peer_wish *wish,
				 const struct tcpdiag_socket *sk)
{
	if (wish->many || wish->found != RECORD_NONE)
		return PEER_SEVERAL;
	if (ends_stay(sk) || addresses_has(&peers->addresses, sk->remote))
		return PEER_NOT_FOUND;
	return peers->complete ? PEER_NOT_HERE : PEER_NOT_SEEN;
}

void peers_settle(struct peers *peers, struct record *records)
{
	uint32_t i;

	ask_rivals(peers, records);
	claim(peers, records);
	for (i = 0; i < peers->count; i++) {
		struct peer_wish *wish = &peers->wishes[i];
		uint32_t own = records[wish->position].peer;

		fetch(peers, records, i + AHEAD);
		wish->mutual = !wish->many && wish->found != RECORD_NONE &&
			       records[wish->found].peer == wish->position &&
			       (own == RECORD_NONE || own == wish->found);
	}
	for (i = 0; i < peers->count; i++) {
		const struct peer_wish *wish = &peers->wishes[i];

		fetch(peers, records, i + AHEAD);
		records[wish->position].peer = RECORD_NONE;
		if (wish->found != RECORD_NONE)
			records[wish->found].peer = RECORD_NONE;
	}
	for (i = 0; i < peers->count; i++) {
		const struct peer_wish *wish = &peers->wishes[i];
		struct record *record = &records[wish->position];

		fetch(peers, records, i + AHEAD);
		if (!wish->mutual) {
			record->peer_unknown = (uint8_t)why_not(peers, wish, &record->sk);
			continue;
		}
		record->peer = wish->found;
		record->peer_unknown = PEER_UNKNOWN_NONE;
		records[wish->found].peer = wish->position;
		records[wish->found].peer_unknown = PEER_UNKNOWN_NONE;
	}
}

void peers_done(struct peers *peers)
{
	free(peers->wishes);
	free(peers->heads);
	free(peers->filter);
	free(peers->rivals);
	addresses_done(&peers->addresses);
	*peers = (struct peers){};
}
