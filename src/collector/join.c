/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Order hint first, index second. The kernel resumes a dump by bucket and position, so a socket that
 * moves may be shown twice: a bit per record before, and a small set of keys for new ones, find that.
 */
#include <errno.h>
#include <string.h>

#include "collector/join.h"
#include "model/macro.h"

#define LOOK_AHEAD 4U /* a few that vanished since do not need the index */
#define FRESH_MIN 256U

/* sock_diag gives ~0 where there is no cookie; such a row is never the same as another. */
static bool has_cookie(const struct tcpdiag_socket *sk)
{
	return sk->cookie && sk->cookie != UINT64_MAX;
}

static uint64_t key_of(const struct tcpdiag_socket *sk)
{
	uint64_t key = (sk->cookie ^ (uint64_t)sk->netns << 32) * 0x9e3779b97f4a7c15ULL;

	key ^= key >> 32;
	return key ? key : 1;
}

static bool is_same(const struct record *record, const struct tcpdiag_socket *sk)
{
	return record->sk.cookie == sk->cookie && record->sk.netns == sk->netns;
}

static uint32_t power_of_two(uint32_t wanted)
{
	uint32_t power = 64;

	while (power < wanted)
		power *= 2;
	return power;
}

int join_begin(struct join *join, const struct record *before, uint32_t count,
	       const uint32_t *order, uint32_t order_count)
{
	uint32_t words = count / 64 + 1;

	if (words > join->seen_room || words < join->seen_room / 8) {
		uint64_t *seen = realloc(join->seen, words * sizeof(*seen));

		if (!seen)
			return -ENOMEM;
		join->seen = seen;
		join->seen_room = words;
	}
	memset(join->seen, 0, words * sizeof(*join->seen));
	if (join->fresh_count)
		memset(join->fresh, 0, join->fresh_slots * sizeof(*join->fresh));
	join->fresh_count = 0;
	join->before = before;
	join->count = count;
	join->order = order;
	join->order_count = order_count;
	join->hint = 0;
	join->indexed = false;
	return 0;
}

static int build_index(struct join *join)
{
	uint32_t slots = power_of_two(join->count * 2), mask = slots - 1, i;

	if (slots > join->slot_room || slots < join->slot_room / 8) {
		free(join->slots);
		join->slot_room = 0;
		join->slots = calloc(slots, sizeof(*join->slots));
		if (!join->slots)
			return -ENOMEM;
		join->slot_room = slots;
	} else {
		memset(join->slots, 0, slots * sizeof(*join->slots));
	}
	join->slot_count = slots;
	for (i = 0; i < join->count; i++) {
		uint32_t slot = (uint32_t)key_of(&join->before[i].sk) & mask;

		while (join->slots[slot])
			slot = (slot + 1) & mask;
		join->slots[slot] = i + 1;
	}
	join->indexed = true;
	return 0;
}

/* The record one to LOOK_AHEAD places after the last hit; the count of records where it is none. */
static uint32_t find_near(struct join *join, const struct tcpdiag_socket *sk)
{
	uint32_t end = join->order ? join->order_count : join->count, i;

	for (i = join->hint; i < end && i < join->hint + LOOK_AHEAD; i++) {
		uint32_t position = join->order ? join->order[i] : i;

		if (is_same(&join->before[position], sk)) {
			join->hint = i + 1;
			return position;
		}
	}
	return join->count;
}

/* Where the next row is expected after a hit at @position; unchanged where no dump covers that. */
static void move_hint(struct join *join, uint32_t position)
{
	uint32_t low = 0, high = join->order_count;

	if (!join->order) {
		join->hint = position + 1;
		return;
	}
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (join->order[middle] < position)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < join->order_count && join->order[low] == position)
		join->hint = low + 1;
}

static uint32_t find_indexed(struct join *join, const struct tcpdiag_socket *sk)
{
	uint32_t mask = join->slot_count - 1, slot = (uint32_t)key_of(sk) & mask;

	for (; join->slots[slot]; slot = (slot + 1) & mask) {
		uint32_t position = join->slots[slot] - 1;

		if (is_same(&join->before[position], sk)) {
			move_hint(join, position);
			return position;
		}
	}
	return join->count;
}

static bool fresh_insert(uint64_t *keys, uint32_t slots, uint64_t key)
{
	uint32_t slot = (uint32_t)key & (slots - 1);

	for (; keys[slot]; slot = (slot + 1) & (slots - 1))
		if (keys[slot] == key)
			return false;
	keys[slot] = key;
	return true;
}

/* Remembers a row without a record before. JOIN_FRESH, JOIN_DUPLICATE or -ENOMEM. */
static int add_fresh(struct join *join, uint64_t key)
{
	if (join->fresh_count >= join->fresh_slots / 2) {
		uint32_t slots = MAX(FRESH_MIN, join->fresh_slots * 2), i;
		uint64_t *keys = calloc(slots, sizeof(*keys));

		if (!keys)
			return -ENOMEM;
		for (i = 0; i < join->fresh_slots; i++)
			if (join->fresh[i])
				fresh_insert(keys, slots, join->fresh[i]);
		free(join->fresh);
		join->fresh = keys;
		join->fresh_slots = slots;
	}
	if (!fresh_insert(join->fresh, join->fresh_slots, key))
		return JOIN_DUPLICATE;
	join->fresh_count++;
	return JOIN_FRESH;
}

int join_row(struct join *join, const struct tcpdiag_socket *sk, uint32_t *ret_position)
{
	uint32_t position;
	int r;

	if (!has_cookie(sk))
		return JOIN_FRESH;
	position = find_near(join, sk);
	if (position == join->count && join->count) {
		if (!join->indexed) {
			r = build_index(join);
			if (r < 0)
				return r;
		}
		position = find_indexed(join, sk);
	}
	if (position == join->count)
		return add_fresh(join, key_of(sk));
	if (join_seen(join, position))
		return JOIN_DUPLICATE;
	join->seen[position / 64] |= 1ULL << (position % 64);
	*ret_position = position;
	return JOIN_MATCHED;
}

int join_known(struct join *join, uint32_t position, uint32_t number)
{
	if (join_seen(join, position))
		return JOIN_DUPLICATE;
	join_keep(join, position);
	if (number != UINT32_MAX)
		join->hint = number + 1;
	return JOIN_MATCHED;
}

int join_unknown(struct join *join, const struct tcpdiag_socket *sk)
{
	return add_fresh(join, key_of(sk));
}

void join_done(struct join *join)
{
	free(join->slots);
	free(join->seen);
	free(join->fresh);
	*join = (struct join){};
}
