/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bind(2) and connect(2) choose a local port that is free for the destination (net/ipv4/
 * inet_hashtables.c:__inet_hash_connect()): it runs out by local address and remote address and port.
 *
 * A slot is one word: 44 bits of the destination's hash and a count, so that a hundred thousand
 * destinations fit into the processor's cache. Two destinations that share those bits would be taken for one;
 * that the fullest of a million is one of them happens once in ten million polls.
 */
#include <stdlib.h>
#include <string.h>

#include "collector/port_usage.h"
#include "model/macro.h"

#define COUNT_BITS 20 /* ports have 16 */
#define COUNT_MAX ((1ULL << COUNT_BITS) - 1)
#define ROOM_MIN 1024U
#define FLOOR_PERCENT 33U /* below the least that a finding stays at */
#define TIME_WAIT_MS 60000U /* include/net/tcp.h:TCP_TIMEWAIT_LEN */
#define REUSE_MS 1000U

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 32;
}

/* Never 0, with room for the count. */
static uint64_t key_of(const struct tcpdiag_socket *sk)
{
	uint64_t words[4], hash = sk->netns;
	int i;

	memcpy(words, sk->local, 16);
	memcpy(words + 2, sk->remote, 16);
	for (i = 0; i < 4; i++)
		hash = mix(hash, words[i]);
	hash = mix(hash, sk->remote_port) & ~COUNT_MAX;
	return hash ? hash : COUNT_MAX + 1;
}

static uint64_t *first_slot(const struct port_usage *usage, uint64_t key)
{
	return &usage->slots[key >> COUNT_BITS & (usage->room - 1)];
}

/* The slot of that destination, or a free one. */
static uint64_t *slot_of(const struct port_usage *usage, uint64_t key)
{
	uint64_t *slot = first_slot(usage, key);

	while (*slot && (*slot & ~COUNT_MAX) != key)
		if (++slot == usage->slots + usage->room)
			slot = usage->slots;
	return slot;
}

static bool grow(struct port_usage *usage)
{
	struct port_usage more = { .room = MAX(usage->room * 2, ROOM_MIN) };
	uint32_t i;

	more.slots = calloc(more.room, sizeof(*more.slots));
	if (!more.slots)
		return false;
	for (i = 0; i < usage->room; i++)
		if (usage->slots[i])
			*slot_of(&more, usage->slots[i] & ~COUNT_MAX) = usage->slots[i];
	free(usage->slots);
	usage->slots = more.slots;
	usage->room = more.room;
	return true;
}

/* It is at the floor: one of the namespace's fullest, perhaps. */
static void note_top(struct port_space *space, uint64_t key, uint32_t count)
{
	struct port_top *least = &space->top[0];
	uint32_t i;

	for (i = 0; i < PORT_TOP; i++) {
		if (space->top[i].key == key) {
			space->top[i].count = count;
			return;
		}
		if (space->top[i].count < least->count)
			least = &space->top[i];
	}
	if (count > least->count)
		*least = (struct port_top){ .key = key, .count = count };
}

static void count(struct port_usage *usage, uint64_t key, struct port_space *space)
{
	uint64_t *slot;
	uint32_t now;

	if (usage->used >= usage->room / 2 && (usage->lost || !grow(usage))) {
		usage->lost = true;
		return;
	}
	slot = slot_of(usage, key);
	if (!*slot) {
		*slot = key;
		usage->used++;
	}
	if ((*slot & COUNT_MAX) < COUNT_MAX)
		++*slot;
	now = (uint32_t)(*slot & COUNT_MAX);
	space->most = MAX(space->most, now);
	if (now >= space->floor)
		note_top(space, key, now);
}

void port_usage_begin(struct port_usage *usage)
{
	/* What the last poll needed, give or take, is what this one needs. */
	if (usage->room > ROOM_MIN && usage->used < usage->room / 16) {
		free(usage->slots);
		usage->slots = NULL;
		usage->room = 0;
	} else if (usage->used) {
		memset(usage->slots, 0, usage->room * sizeof(*usage->slots));
	}
	memset(usage->waiting, 0, sizeof(usage->waiting));
	usage->used = usage->space_count = usage->last = 0;
	usage->lost = false;
}

void port_usage_space(struct port_usage *usage, uint32_t netns, const uint16_t range[2],
		      uint32_t reserved, const struct tcpdiag_environment *env)
{
	struct port_space *space;
	uint32_t size;

	if (!range[1] || range[1] < range[0])
		return;
	size = (uint32_t)range[1] - range[0] + 1;
	if (reserved >= size)
		return;
	size -= reserved;
	if (usage->space_count == usage->space_room) {
		uint32_t room = MAX(usage->space_room * 2, 16U);
		struct port_space *more = reallocarray(usage->spaces, room, sizeof(*more));

		if (!more) {
			usage->lost = true;
			return;
		}
		usage->spaces = more;
		usage->space_room = room;
	}
	space = &usage->spaces[usage->space_count++];
	*space = (struct port_space){
		.netns = netns,
		.range = { range[0], range[1] },
		.reserved = reserved,
		.tw_reuse = env->tcp_tw_reuse,
		.reuse_known = env->known & TCPDIAG_ENV_TW_REUSE,
		.floor = MAX(size * FLOOR_PERCENT / 100, 1U),
	};
}

/* Records of one namespace come in a row. */
static uint32_t find_space(struct port_usage *usage, uint32_t netns)
{
	uint32_t low = 0, high = usage->space_count;

	if (usage->last < high && usage->spaces[usage->last].netns == netns)
		return usage->last;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (usage->spaces[middle].netns < netns)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == usage->space_count || usage->spaces[low].netns != netns)
		return RECORD_NONE;
	usage->last = low;
	return low;
}

/* The space whose ports it takes; RECORD_NONE where it takes none. */
static uint32_t takes(struct port_usage *usage, const struct record *record)
{
	const struct tcpdiag_socket *sk = &record->sk;
	uint32_t space;

	if (!sk->remote_port || record->direction == DIRECTION_INBOUND || sk->mptcp ||
	    sk->state == TCPDIAG_CLOSE)
		return RECORD_NONE;
	space = find_space(usage, sk->netns);
	if (space == RECORD_NONE || sk->local_port < usage->spaces[space].range[0] ||
	    sk->local_port > usage->spaces[space].range[1])
		return RECORD_NONE;
	return space;
}

void port_usage_add(struct port_usage *usage, const struct record *record)
{
	uint32_t space = takes(usage, record), turn;

	if (space == RECORD_NONE)
		return;
	turn = usage->turn++ % ARRAY_SIZE(usage->waiting);
	if (usage->waiting[turn].key)
		count(usage, usage->waiting[turn].key, &usage->spaces[usage->waiting[turn].space]);
	usage->waiting[turn].key = key_of(&record->sk);
	usage->waiting[turn].space = space;
	if (usage->room)
		__builtin_prefetch(first_slot(usage, usage->waiting[turn].key), 1);
}

/* Whoever asks for a reserved port by its number gets it: there may be more than can be given. */
static double share_of(uint32_t used, const uint16_t range[2], uint32_t reserved)
{
	return MIN((double)used / ((uint32_t)range[1] - range[0] + 1 - reserved), 1.0);
}

static double share(const struct port_space *space, uint32_t used)
{
	return share_of(used, space->range, space->reserved);
}

double port_usage_ratio(struct port_usage *usage)
{
	double most = 0;
	uint32_t i;

	for (i = 0; i < ARRAY_SIZE(usage->waiting); i++) {
		if (usage->waiting[i].key)
			count(usage, usage->waiting[i].key,
			      &usage->spaces[usage->waiting[i].space]);
		usage->waiting[i].key = 0;
	}
	if (usage->lost)
		return 0;
	for (i = 0; i < usage->space_count; i++)
		most = MAX(most, share(&usage->spaces[i], usage->spaces[i].most));
	return most;
}

/* ---- those that have much of a range ---- */

static double pair_share(const struct port_pair *pair, uint32_t used)
{
	return share_of(used, pair->range, pair->reserved);
}

/* Sorted in, the fullest first; what finds no place is less full than all of them. @used: as counted. */
static void choose(struct port_usage *usage, const struct port_space *space,
		   const struct port_top *top)
{
	uint32_t at = usage->pair_count;

	while (at && pair_share(&usage->pairs[at - 1], usage->pairs[at - 1].used) <
			     share(space, top->count))
		at--;
	if (at == PORT_PAIRS)
		return;
	if (usage->pair_count < PORT_PAIRS)
		usage->pair_count++;
	memmove(&usage->pairs[at + 1], &usage->pairs[at],
		(usage->pair_count - 1 - at) * sizeof(usage->pairs[0]));
	memmove(&usage->owners[at + 1], &usage->owners[at],
		(usage->pair_count - 1 - at) * sizeof(usage->owners[0]));
	usage->pairs[at] = (struct port_pair){
		.netns = space->netns,
		.range = { space->range[0], space->range[1] },
		.reserved = space->reserved,
		.used = top->count,
		.reuse_known = space->reuse_known,
		.process = RECORD_NONE,
	};
	usage->owners[at].key = top->key;
	usage->owners[at].share_count = 0;
	usage->owners[at].pid = 0;
}

bool port_usage_choose(struct port_usage *usage)
{
	uint32_t i, t;

	usage->pair_count = 0;
	usage->counted = !usage->lost && usage->space_count;
	for (i = 0; i < usage->space_count && usage->counted; i++)
		for (t = 0; t < PORT_TOP; t++)
			if (usage->spaces[i].top[t].key)
				choose(usage, &usage->spaces[i], &usage->spaces[i].top[t]);
	return usage->pair_count;
}

/* include/net/ipv6.h, net/ipv4/tcp_ipv4.c:tcp_twsk_unique(): one of the ends has a loopback address. */
static bool is_loopback(const uint8_t address[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }, one[16] = { [15] = 1 };

	return !memcmp(address, one, 16) || (!memcmp(address, mapped, 12) && address[12] == 127);
}

/* tcp_tw_reuse gives its port to a new connection between the same ends. */
static bool reusable(const struct port_space *space, const struct tcpdiag_socket *sk)
{
	return space->reuse_known && sk->expires_ms <= TIME_WAIT_MS - REUSE_MS &&
	       (space->tw_reuse == 1 ||
		(space->tw_reuse == 2 && (is_loopback(sk->local) || is_loopback(sk->remote))));
}

static void look(struct port_pair *pair, struct port_owner *owner, const struct port_space *space,
		 const struct tcpdiag_socket *sk, uint32_t row)
{
	uint32_t i;

	memcpy(pair->local, sk->local, sizeof(pair->local));
	memcpy(pair->remote, sk->remote, sizeof(pair->remote));
	pair->remote_port = sk->remote_port;
	if (sk->state == TCPDIAG_TIME_WAIT) {
		pair->time_wait++;
		pair->reusable += reusable(space, sk);
	}
	for (i = 0; i < owner->share_count && owner->shares[i].row != row; i++)
		;
	if (row == RECORD_NONE || i == PORT_SHARES)
		return;
	if (i == owner->share_count)
		owner->shares[owner->share_count++] = (struct port_share){ .row = row };
	owner->shares[i].count++;
}

void port_usage_look(struct port_usage *usage, const struct record *record, uint32_t row)
{
	uint32_t space = takes(usage, record), i;
	uint64_t key;

	if (space == RECORD_NONE || !usage->spaces[space].top[0].key)
		return;
	key = key_of(&record->sk);
	for (i = 0; i < usage->pair_count; i++)
		if (usage->owners[i].key == key)
			look(&usage->pairs[i], &usage->owners[i], &usage->spaces[space],
			     &record->sk, row);
}

/* The process with most of them, and what its unit has. */
static void resolve(struct port_pair *pair, struct port_owner *owner,
		    const struct process *processes, uint32_t count)
{
	const struct port_share *most = NULL;
	uint32_t i;

	for (i = 0; i < owner->share_count; i++)
		if (owner->shares[i].row < count && (!most || owner->shares[i].count > most->count))
			most = &owner->shares[i];
	if (!most)
		return;
	pair->process = most->row;
	pair->process_used = most->count;
	pair->unit_used = 0;
	owner->pid = processes[most->row].pid;
	owner->start_time = processes[most->row].start_time;
	for (i = 0; i < owner->share_count && processes[most->row].unit; i++)
		if (owner->shares[i].row < count &&
		    processes[owner->shares[i].row].unit == processes[most->row].unit)
			pair->unit_used += owner->shares[i].count;
}

void port_usage_resolve(struct port_usage *usage, const struct process *processes, uint32_t count,
			bool looked)
{
	uint32_t i, row;

	for (i = 0; i < usage->pair_count; i++) {
		const struct port_owner *owner = &usage->owners[i];

		usage->pairs[i].process = RECORD_NONE;
		if (looked)
			resolve(&usage->pairs[i], &usage->owners[i], processes, count);
		for (row = 0; row < count && !looked && owner->pid; row++)
			if (processes[row].pid == owner->pid &&
			    processes[row].start_time == owner->start_time)
				usage->pairs[i].process = row;
	}
}

void port_usage_done(struct port_usage *usage)
{
	free(usage->slots);
	free(usage->spaces);
	*usage = (struct port_usage){};
}
