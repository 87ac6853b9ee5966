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
	struct port_usage more = *usage;
	uint32_t i;

	more.room = MAX(usage->room * 2, ROOM_MIN);
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

static void count(struct port_usage *usage, uint64_t key)
{
	uint64_t *slot;

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
	usage->most = MAX(usage->most, (uint32_t)(*slot & COUNT_MAX));
}

void port_usage_begin(struct port_usage *usage, const uint16_t range[2])
{
	/* What the last poll needed, give or take, is what this one needs. */
	if (usage->room > ROOM_MIN && usage->used < usage->room / 16)
		port_usage_done(usage);
	else if (usage->used)
		memset(usage->slots, 0, usage->room * sizeof(*usage->slots));
	memset(usage->waiting, 0, sizeof(usage->waiting));
	memcpy(usage->range, range, sizeof(usage->range));
	usage->used = usage->most = 0;
	usage->lost = false;
}

void port_usage_add(struct port_usage *usage, const struct record *record)
{
	const struct tcpdiag_socket *sk = &record->sk;
	uint64_t *waiting;

	if (!usage->range[1] || !sk->remote_port || record->direction == DIRECTION_INBOUND ||
	    sk->local_port < usage->range[0] || sk->local_port > usage->range[1] || sk->mptcp ||
	    sk->state == TCPDIAG_CLOSE)
		return;
	waiting = &usage->waiting[usage->turn++ % ARRAY_SIZE(usage->waiting)];
	if (*waiting)
		count(usage, *waiting);
	*waiting = key_of(sk);
	if (usage->room)
		__builtin_prefetch(first_slot(usage, *waiting), 1);
}

double port_usage_ratio(struct port_usage *usage)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(usage->waiting); i++) {
		if (usage->waiting[i])
			count(usage, usage->waiting[i]);
		usage->waiting[i] = 0;
	}
	if (usage->lost || !usage->range[1] || usage->range[1] < usage->range[0])
		return 0;
	return (double)usage->most / ((uint32_t)usage->range[1] - usage->range[0] + 1);
}

void port_usage_done(struct port_usage *usage)
{
	uint64_t *slots = usage->slots;

	*usage = (struct port_usage){};
	free(slots);
}
