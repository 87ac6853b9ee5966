/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small hash over the ends that are wanted. Addresses are 16 bytes whatever the family, so the IPv4 end
 * and the v4-mapped end of one connection are swapped images of each other.
 *
 * An MPTCP socket shows the ends of its first subflow: it is no end of a TCP connection. Two sockets with
 * the same ends (one in a queue that another took over, a new connection while the old one is in
 * TIME-WAIT) cannot both be the peer, so none is.
 */
#include <errno.h>
#include <string.h>

#include "collector/peers.h"
#include "model/macro.h"

#define HEADS_MIN 64U
#define AMBIGUOUS (RECORD_NONE - 1)

/* An end of a TCP connection that both ends may know of. */
static bool is_end(const struct tcpdiag_socket *sk)
{
	return !sk->mptcp && sk->remote_port && sk->local_port && sk->state != TCPDIAG_CLOSE &&
	       sk->state != TCPDIAG_LISTEN && sk->kind != TCPDIAG_KIND_REQUEST;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 29;
}

/* Of the connection that goes from one end to the other. */
static uint32_t hash(uint32_t netns, const uint8_t from[static 16], uint16_t from_port,
		     const uint8_t to[static 16], uint16_t to_port)
{
	uint64_t words[4], h = netns;

	memcpy(words, from, 16);
	memcpy(words + 2, to, 16);
	h = mix(mix(mix(mix(h, words[0]), words[1]), words[2]), words[3]);
	return (uint32_t)(mix(h, (uint64_t)from_port << 16 | to_port) >> 16);
}

static bool is_swapped(const struct tcpdiag_socket *a, const struct tcpdiag_socket *b)
{
	return a->netns == b->netns && a->local_port == b->remote_port &&
	       a->remote_port == b->local_port && !memcmp(a->local, b->remote, 16) &&
	       !memcmp(a->remote, b->local, 16);
}

static bool is_same(const struct tcpdiag_socket *a, const struct tcpdiag_socket *b)
{
	return a->netns == b->netns && a->local_port == b->local_port &&
	       a->remote_port == b->remote_port && !memcmp(a->local, b->local, 16) &&
	       !memcmp(a->remote, b->remote, 16);
}

void peers_begin(struct peers *peers)
{
	peers->count = 0;
	peers->filter_bits = 0;
}

int peers_want(struct peers *peers, const struct record *records, uint32_t position)
{
	const struct tcpdiag_socket *sk = &records[position].sk;

	if (!is_end(sk))
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
		.tag = hash(sk->netns, sk->remote, sk->remote_port, sk->local, sk->local_port),
		.filter_bit = peers_filter_bit(sk->remote_port, sk->local_port),
		.found = RECORD_NONE,
	};
	return 0;
}

static void insert(struct peers *peers, const struct record *records, uint32_t number)
{
	struct peer_wish *wish = &peers->wishes[number];
	const struct tcpdiag_socket *sk = &records[wish->position].sk;
	uint32_t *head = &peers->heads[wish->tag & (peers->head_count - 1)];
	uint32_t at;

	for (at = *head; at; at = peers->wishes[at - 1].next) {
		struct peer_wish *other = &peers->wishes[at - 1];

		if (other->tag == wish->tag && is_same(&records[other->position].sk, sk))
			wish->many = other->many = true;
	}
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

	while (bits / 16 < peers->count && bits < 1U << 31)
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

		peers->filter[bit / 64] |= 1ULL << bit % 64;
	}
	peers->filter_bits = bits;
	return 0;
}

int peers_index(struct peers *peers, const struct record *records)
{
	uint32_t i;

	if (!peers->count)
		return 0;
	if (make_table(peers) < 0 || make_filter(peers) < 0)
		return -ENOMEM;
	for (i = 0; i < peers->count; i++)
		insert(peers, records, i);
	return 0;
}

void peers_meet(struct peers *peers, const struct record *records, uint32_t position)
{
	const struct tcpdiag_socket *sk = &records[position].sk;
	uint32_t at, tag;

	if (!peers->count || !is_end(sk))
		return;
	tag = hash(sk->netns, sk->local, sk->local_port, sk->remote, sk->remote_port);
	for (at = peers->heads[tag & (peers->head_count - 1)]; at;
	     at = peers->wishes[at - 1].next) {
		struct peer_wish *wish = &peers->wishes[at - 1];

		/* One that is connected to itself has no other end. */
		if (wish->tag != tag || wish->position == position ||
		    !is_swapped(&records[wish->position].sk, sk))
			continue;
		if (wish->found != RECORD_NONE)
			wish->many = true;
		wish->found = position;
	}
}

void peers_settle(const struct peers *peers, struct record *records)
{
	uint32_t i;

	for (i = 0; i < peers->count; i++)
		if (peers->wishes[i].many)
			records[peers->wishes[i].position].peer = AMBIGUOUS;
	for (i = 0; i < peers->count; i++) {
		const struct peer_wish *wish = &peers->wishes[i];

		if (wish->many || wish->found == RECORD_NONE ||
		    records[wish->found].peer == AMBIGUOUS)
			continue;
		records[wish->position].peer = wish->found;
		records[wish->found].peer = wish->position;
	}
	for (i = 0; i < peers->count; i++)
		if (peers->wishes[i].many)
			records[peers->wishes[i].position].peer = RECORD_NONE;
}

void peers_done(struct peers *peers)
{
	free(peers->wishes);
	free(peers->heads);
	free(peers->filter);
	*peers = (struct peers){};
}
