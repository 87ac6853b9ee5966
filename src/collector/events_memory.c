/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the polls know of a socket that has ended: looked up in the newest snapshot by namespace and cookie.
 *
 * The index is built over a snapshot when somebody asks, and at most for a hundredth of a core. Between, positions in
 * newer snapshots are nearly those of the one that was indexed: a fast pass replaces rows and adds some at the end. So
 * the neighbourhood is looked at, and whatever stands there must have the cookie.
 */
#include <string.h>
#include <time.h>

#include "collector/events_private.h"
#include "model/ends.h"

#define INDEX_SHARE 0.01 /* of a core */
#define NEIGHBOURS 32U
#define RELATE_BUDGET_NS (5 * NSEC_PER_MSEC) /* CPU time, in a second */

static uint32_t hash_of(uint32_t netns, uint64_t cookie)
{
	uint64_t hash = (cookie ^ (uint64_t)netns << 32) * 0x9e3779b97f4a7c15ULL;

	return (uint32_t)(hash >> 32);
}

void record_index_done(struct record_index *index)
{
	free(index->slots);
	*index = (struct record_index){};
}

static bool make_room(struct record_index *index, uint32_t count)
{
	uint32_t slots = 1024;

	while (slots < count + count / 2 && slots < 1U << 31)
		slots *= 2;
	if (slots != index->room) {
		free(index->slots);
		index->slots = malloc(slots * sizeof(*index->slots));
		index->room = index->slots ? slots : 0;
	}
	if (!index->slots)
		return false;
	memset(index->slots, 0, slots * sizeof(*index->slots));
	index->mask = slots - 1;
	return true;
}

static void build(struct record_index *index, const struct snapshot *snapshot, int64_t now_ns)
{
	int64_t began = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	index->snapshot = 0;
	if (!make_room(index, snapshot->record_count))
		return;
	for (uint32_t i = 0; i < snapshot->record_count; i++) {
		const struct tcpdiag_socket *sk = &snapshot->records[i].sk;
		uint32_t at = hash_of(sk->netns, sk->cookie) & index->mask;

		while (index->slots[at])
			at = (at + 1) & index->mask;
		index->slots[at] = i + 1;
	}
	index->snapshot = snapshot->header->id;
	index->built_ns = now_ns;
	index->cost_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - began;
}

static bool is_it(const struct snapshot *snapshot, uint32_t position,
		  const struct tcpdiag_socket *sk)
{
	const struct tcpdiag_socket *other;

	if (position >= snapshot->record_count)
		return false;
	other = &snapshot->records[position].sk;
	return other->cookie == sk->cookie && other->netns == sk->netns;
}

/* At its place, or near it where the snapshot is newer than the index. */
static const struct record *near(const struct snapshot *snapshot, uint32_t position,
				 const struct tcpdiag_socket *sk, bool same)
{
	if (is_it(snapshot, position, sk))
		return &snapshot->records[position];
	for (uint32_t i = 1; i <= NEIGHBOURS && !same; i++) {
		if (position >= i && is_it(snapshot, position - i, sk))
			return &snapshot->records[position - i];
		if (is_it(snapshot, position + i, sk))
			return &snapshot->records[position + i];
	}
	return NULL;
}

/*
 * Of an index that is older than the snapshot a slot is only a hint: where the first few hints lead nowhere the socket
 * is called unknown.
 */
static const struct record *find(const struct record_index *index, const struct snapshot *snapshot,
				 const struct tcpdiag_socket *sk)
{
	const bool same = index->snapshot == snapshot->header->id;
	uint32_t at = hash_of(sk->netns, sk->cookie) & index->mask;

	for (uint32_t tries = 0; index->slots[at] && (same || tries < 4); tries++) {
		const struct record *record = near(snapshot, index->slots[at] - 1, sk, same);

		if (record)
			return record;
		at = (at + 1) & index->mask;
	}
	return NULL;
}

/* The socket's record in the newest snapshot; NULL where it never stood in one. */
static const struct record *find_record(struct events_lane *lane, const struct tcpdiag_socket *sk)
{
	const struct snapshot *snapshot = &lane->newest;
	struct record_index *index = &lane->index;

	if (!sk->cookie || !snapshot->header)
		return NULL;
	if (index->snapshot != snapshot->header->id &&
	    (!index->snapshot ||
	     (double)(lane->now_ns - index->built_ns) * INDEX_SHARE >= (double)index->cost_ns))
		build(index, snapshot, lane->now_ns);
	return index->snapshot ? find(index, snapshot, sk) : NULL;
}

/* A port that somebody listens on, or did: nobody else could have begun it. */
static enum direction guess_direction(struct collector *c, const struct tcpdiag_socket *sk)
{
	const struct space *space = spaces_find(&c->spaces, sk->netns);
	static const uint16_t unknown[2];

	if (!sk->remote_port)
		return DIRECTION_UNKNOWN;
	if (listeners_had(c->listeners, sk, space ? space->port_range : unknown))
		return DIRECTION_INBOUND;
	return DIRECTION_UNKNOWN;
}

bool lane_remember(void *context, const struct tcpdiag_socket *sk, struct autopsy_memory *ret)
{
	struct collector *c = context;
	const struct snapshot *snapshot = &c->events->newest;
	const struct record *record = find_record(c->events, sk);
	const struct holder *holders;
	uint32_t count;

	*ret = (struct autopsy_memory){};
	if (!record) {
		ret->direction = (uint8_t)guess_direction(c, sk);
		return false;
	}
	holders = snapshot_holders(snapshot, record, &count);
	if (count)
		ret->holder = lane_name_of(c, snapshot, holders[0].process);
	ret->creator = lane_name_of(c, snapshot, record->creator);
	ret->direction = record->direction;
	ret->unaccepted = record->sk.attachment == TCPDIAG_UNACCEPTED;
	ret->linger_known = record->sk.known & TCPDIAG_KNOWS_LINGER;
	ret->linger = record->sk.linger;
	ret->born_ns = record->born_ns;
	return true;
}

static bool is_peer(const struct tcpdiag_socket *sk, const struct tcpdiag_socket *other)
{
	if (other->cookie == sk->cookie && other->netns == sk->netns)
		return false;
	return ends_swapped(sk, other);
}

/* Of a segment without a socket: the connection it belongs to may be behind an address that was rewritten. */
static bool is_behind(const struct tcpdiag_socket *sk, const struct tcpdiag_socket *other)
{
	return !sk->cookie && other->netns != sk->netns && other->remote_port == sk->remote_port &&
	       other->local_port == sk->local_port &&
	       !memcmp(other->remote, sk->remote, sizeof(sk->remote));
}

uint32_t lane_relate(void *context, const struct tcpdiag_socket *sk, struct autopsy_relation *ret)
{
	struct collector *c = context;
	struct events_lane *lane = c->events;
	const struct snapshot *snapshot = &lane->newest;
	uint32_t count = 0;
	int64_t began;

	/* Asking the clock costs more than the rest of it. */
	if (lane->relate_ns > RELATE_BUDGET_NS || (snapshot->namespace_count < 2 && !ends_stay(sk)))
		return 0;
	began = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	for (uint32_t i = 0; i < snapshot->record_count && count < 2; i++) {
		const struct tcpdiag_socket *other = &snapshot->records[i].sk;
		const bool peer = is_peer(sk, other);

		if (other->kind == TCPDIAG_KIND_REQUEST || other->mptcp ||
		    (!peer && !is_behind(sk, other)))
			continue;
		*ret = (struct autopsy_relation){
			.cookie = other->cookie,
			.netns = other->netns,
			.peer = peer,
		};
		count++;
	}
	lane->relate_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - began;
	return count;
}
