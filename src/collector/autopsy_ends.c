/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the autopsy keeps by four ends: a ring of them, the newest first in the chain of their slot.
 *
 * Ends are named by whoever is at the other side of the network: slots follow from a key that he does not know, and of a
 * chain no more than its newest part is looked at.
 *
 * The other end of a connection, where it is on this machine, has the same ends swapped. Other networks may use the same
 * addresses at the same time (model/ends.h), and a port may be used anew within the minute: of several that fit, the one
 * counts whose last event is nearest, and where that is not one alone nobody knows.
 */
#include <errno.h>
#include <string.h>

#include "collector/autopsy_private.h"
#include "model/ends.h"

#define STRAY_NS (10 * NSEC_PER_SEC)
/* Both ends of one connection hear of each other's end sooner. */
#define NEAR_NS NSEC_PER_SEC
#define CHAIN_MAX 64U

/* @zone: the namespace where ends mean something in that one only, else 0. */
static uint64_t hash_ends(const struct autopsy *a, uint32_t zone, const struct kept_ends *ends)
{
	uint64_t words[5];

	memcpy(words, ends->local, sizeof(ends->local));
	memcpy(words + 2, ends->remote, sizeof(ends->remote));
	words[4] = (uint64_t)zone << 32 | (uint64_t)ends->local_port << 16 | ends->remote_port;
	return keyed_hash(&a->limits.key, words, ARRAY_SIZE(words));
}

static struct kept_ends ends_of(const struct tcpdiag_socket *sk)
{
	struct kept_ends ends = {
		.cookie = sk->cookie,
		.netns = sk->netns,
		.local_port = sk->local_port,
		.remote_port = sk->remote_port,
	};

	memcpy(ends.local, sk->local, sizeof(ends.local));
	memcpy(ends.remote, sk->remote, sizeof(ends.remote));
	return ends;
}

static bool same_ends(const struct kept_ends *a, const struct kept_ends *b)
{
	return a->local_port == b->local_port && a->remote_port == b->remote_port &&
	       !memcmp(a->local, b->local, sizeof(a->local)) &&
	       !memcmp(a->remote, b->remote, sizeof(a->remote));
}

/* ---- the ring ---- */

static void forget(struct ends_table *table, const struct kept_ends *ends)
{
	if (ends->before == STORY_NONE)
		table->slots[ends->slot] = ends->next;
	else
		table->ring[ends->before].next = ends->next;
	if (ends->next != STORY_NONE)
		table->ring[ends->next].before = ends->before;
}

static uint32_t keep(struct ends_table *table, uint64_t hash, const struct kept_ends *ends)
{
	const uint32_t number = table->at, slot = (uint32_t)hash & table->mask;
	struct kept_ends *place = &table->ring[number];

	if (place->in)
		forget(table, place);
	*place = *ends;
	place->in = true;
	place->slot = slot;
	place->before = STORY_NONE;
	place->next = table->slots[slot];
	if (place->next != STORY_NONE)
		table->ring[place->next].before = number;
	table->slots[slot] = number;
	table->at = (table->at + 1) % table->room;
	return number;
}

int ends_table_init(struct ends_table *table, uint32_t room)
{
	int r = story_slots(room, &table->slots, &table->mask);

	if (r < 0)
		return r;
	table->room = room;
	table->ring = calloc(room, sizeof(*table->ring));
	return table->ring ? 0 : -ENOMEM;
}

void ends_table_done(struct ends_table *table)
{
	free(table->ring);
	free(table->slots);
}

/* ---- what we have closed ---- */

void closed_keep(struct autopsy *a, struct story *story)
{
	struct kept_ends ends = ends_of(&story->sk);

	if (story->kept || !ends.remote_port)
		return;
	story->kept = true;
	ends.when_ns = story->closed_ns ? story->closed_ns : story->end_ns;
	ends.creator = story->closer ? story->closer
				     : (story->process ? story->process : story->memory.holder);
	ends.direction = story->memory.direction;
	keep(&a->closed, hash_ends(a, ends.netns, &ends), &ends);
}

/* The newest of the last minute. */
static const struct kept_ends *newest(const struct autopsy *a, const struct ends_table *table,
				      const struct tcpdiag_socket *sk, int64_t now_ns)
{
	const struct kept_ends wanted = ends_of(sk), *found = NULL;
	uint32_t i = table->slots[hash_ends(a, sk->netns, &wanted) & table->mask], tries;

	for (tries = 0; i != STORY_NONE && tries < CHAIN_MAX; tries++) {
		const struct kept_ends *ends = &table->ring[i];

		i = ends->next;
		if (ends->netns != sk->netns || !same_ends(ends, &wanted))
			continue;
		if (now_ns - ends->when_ns <= CLOSED_NS && ends->when_ns <= now_ns &&
		    (!found || ends->when_ns > found->when_ns))
			found = ends;
	}
	return found;
}

const struct kept_ends *closed_find(const struct autopsy *a, const struct tcpdiag_socket *sk,
				    int64_t now_ns)
{
	return newest(a, &a->closed, sk, now_ns);
}

/* ---- MPTCP sockets that were closed ---- */

void above_keep(struct autopsy *a, const struct socket_event *event, enum event_actor actor,
		uint32_t process)
{
	struct kept_ends ends = ends_of(&event->sk);

	ends.when_ns = event->when_ns;
	ends.creator = process;
	ends.actor = (uint8_t)actor;
	keep(&a->above, hash_ends(a, ends.netns, &ends), &ends);
}

const struct kept_ends *above_find(const struct autopsy *a, const struct tcpdiag_socket *sk,
				   int64_t now_ns)
{
	return newest(a, &a->above, sk, now_ns);
}

/* ---- who has a story ---- */

static uint32_t zone_of(const struct tcpdiag_socket *sk)
{
	return ends_stay(sk) ? sk->netns : 0;
}

void flow_keep(struct autopsy *a, struct story *story)
{
	struct kept_ends ends = ends_of(&story->sk);

	if (!ends.cookie || !ends.local_port || !ends.remote_port)
		return;
	ends.when_ns = story->last_ns;
	story->flow = keep(&a->flows, hash_ends(a, zone_of(&story->sk), &ends), &ends);
}

void flow_touch(struct autopsy *a, const struct story *story)
{
	struct kept_ends *ends;

	if (story->flow == STORY_NONE || story->end_ns)
		return;
	ends = &a->flows.ring[story->flow];
	if (ends->cookie == story->sk.cookie && ends->netns == story->sk.netns)
		ends->when_ns = story->last_ns;
}

struct candidates {
	const struct kept_ends *found;
	uint32_t count;
};

static void nominate(struct candidates *candidates, const struct kept_ends *ends)
{
	const struct kept_ends *found = candidates->found;

	/* A socket that was connected again has two stories. */
	if (found && found->cookie == ends->cookie && found->netns == ends->netns)
		return;
	candidates->found = ends;
	candidates->count++;
}

/* Another socket with the same ends that went when that one did: they belong together. */
static bool is_taken(const struct autopsy *a, const struct tcpdiag_socket *sk,
		     const struct kept_ends *by)
{
	const struct kept_ends own = ends_of(sk);
	uint32_t i = a->flows.slots[hash_ends(a, zone_of(sk), &own) & a->flows.mask], tries;

	for (tries = 0; i != STORY_NONE && tries < CHAIN_MAX; tries++) {
		const struct kept_ends *ends = &a->flows.ring[i];

		i = ends->next;
		if (same_ends(ends, &own) &&
		    (ends->cookie != own.cookie || ends->netns != own.netns) &&
		    llabs(ends->when_ns - by->when_ns) <= NEAR_NS)
			return true;
	}
	return false;
}

uint32_t flow_relate(const struct autopsy *a, const struct story *story, bool *ret_near,
		     const struct kept_ends **ret)
{
	const struct tcpdiag_socket *sk = &story->sk;
	const struct kept_ends own = ends_of(sk);
	struct candidates near = {}, all = {};
	struct kept_ends wanted = own;
	uint32_t i, tries;

	wanted.local_port = own.remote_port;
	wanted.remote_port = own.local_port;
	memcpy(wanted.local, own.remote, sizeof(wanted.local));
	memcpy(wanted.remote, own.local, sizeof(wanted.remote));
	i = a->flows.slots[hash_ends(a, zone_of(sk), &wanted) & a->flows.mask];
	for (tries = 0; i != STORY_NONE && tries < CHAIN_MAX; tries++) {
		const struct kept_ends *ends = &a->flows.ring[i];
		const int64_t apart_ns = llabs(ends->when_ns - story->end_ns);

		i = ends->next;
		if (!same_ends(ends, &wanted) || (zone_of(sk) && ends->netns != sk->netns) ||
		    (ends->cookie == own.cookie && ends->netns == own.netns))
			continue;
		if (apart_ns <= CLOSED_NS)
			nominate(&all, ends);
		if (apart_ns <= NEAR_NS)
			nominate(&near, ends);
	}
	if (!near.count && all.count == 1 && is_taken(a, sk, all.found))
		all.count = 0;
	*ret_near = near.count;
	*ret = near.count ? near.found : all.found;
	return near.count ? near.count : all.count;
}

/* ---- segments that belong to nobody ---- */

bool stray_again(struct autopsy *a, const struct tcpdiag_socket *sk, int64_t now_ns)
{
	const struct kept_ends ends = ends_of(sk);
	uint64_t hash = hash_ends(a, sk->netns, &ends);
	bool again = a->strays[hash % STRAYS].hash == hash &&
		     now_ns - a->strays[hash % STRAYS].when_ns < STRAY_NS &&
		     now_ns >= a->strays[hash % STRAYS].when_ns;

	if (!again) {
		a->strays[hash % STRAYS].hash = hash;
		a->strays[hash % STRAYS].when_ns = now_ns;
	}
	return again;
}
