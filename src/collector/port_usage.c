/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bind(2) and connect(2) choose a local port that is free for the destination (net/ipv4/
 * inet_hashtables.c:__inet_hash_connect()): it runs out by local address and remote address and port.
 */
#include <string.h>

#include "collector/port_usage.h"
#include "model/macro.h"

struct destination {
	uint64_t key; /* hash of the three ends; 0: free */
	uint32_t count;
};

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 32;
}

/* 64 bits: two destinations that share them are not to be expected in a lifetime. */
static uint64_t key_of(const struct tcpdiag_socket *sk)
{
	uint64_t words[4], hash = sk->netns;
	int i;

	memcpy(words, sk->local, 16);
	memcpy(words + 2, sk->remote, 16);
	for (i = 0; i < 4; i++)
		hash = mix(hash, words[i]);
	hash = mix(hash, sk->remote_port);
	return hash ? hash : 1;
}

static struct destination *slot_of(const struct port_usage *usage, uint64_t key)
{
	uint32_t slot = (uint32_t)key & (usage->room - 1);

	while (usage->slots[slot].key && usage->slots[slot].key != key)
		slot = (slot + 1) & (usage->room - 1);
	return &usage->slots[slot];
}

static bool grow(struct port_usage *usage)
{
	struct port_usage more = *usage;
	uint32_t i;

	more.room = MAX(usage->room * 2, 1024U);
	more.slots = calloc(more.room, sizeof(*more.slots));
	if (!more.slots)
		return false;
	for (i = 0; i < usage->room; i++)
		if (usage->slots[i].key)
			*slot_of(&more, usage->slots[i].key) = usage->slots[i];
	free(usage->slots);
	*usage = more;
	return true;
}

void port_usage_add(struct port_usage *usage, const struct record *record)
{
	const struct tcpdiag_socket *sk = &record->sk;
	struct destination *at;
	uint64_t key;

	if (!usage->range[1] || !sk->remote_port || record->direction == DIRECTION_INBOUND ||
	    sk->local_port < usage->range[0] || sk->local_port > usage->range[1] || sk->mptcp)
		return;
	if (usage->used >= usage->room / 2 && (usage->lost || !grow(usage))) {
		usage->lost = true;
		return;
	}
	key = key_of(sk);
	at = slot_of(usage, key);
	if (!at->key) {
		at->key = key;
		usage->used++;
	}
	at->count++;
	usage->most = MAX(usage->most, at->count);
}

double port_usage_ratio(const struct port_usage *usage)
{
	if (usage->lost || !usage->range[1] || usage->range[1] < usage->range[0])
		return 0;
	return (double)usage->most / ((uint32_t)usage->range[1] - usage->range[0] + 1);
}

void port_usage_done(struct port_usage *usage)
{
	free(usage->slots);
	*usage = (struct port_usage){};
}
