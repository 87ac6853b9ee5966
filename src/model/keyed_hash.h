/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A hash under a key, for tables whose rows are named by what comes from the network: SipHash-1-3 (Aumasson and
 * Bernstein, 2012) over whole words. Who chooses his addresses and ports cannot choose the slot.
 *
 * The key is given by whoever makes the table: nothing here asks for random numbers.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct hash_key {
	uint64_t words[2];
};

struct hash_state {
	uint64_t a, b, c, d;
};

static inline uint64_t hash_turn(uint64_t word, unsigned int bits)
{
	return word << bits | word >> (64 - bits);
}

static inline void hash_round(struct hash_state *s)
{
	s->a += s->b;
	s->b = hash_turn(s->b, 13) ^ s->a;
	s->a = hash_turn(s->a, 32);
	s->c += s->d;
	s->d = hash_turn(s->d, 16) ^ s->c;
	s->a += s->d;
	s->d = hash_turn(s->d, 21) ^ s->a;
	s->c += s->b;
	s->b = hash_turn(s->b, 17) ^ s->c;
	s->c = hash_turn(s->c, 32);
}

/* Of @count words in the machine's order. */
static inline uint64_t keyed_hash(const struct hash_key *key, const uint64_t *words, size_t count)
{
	struct hash_state s = {
		key->words[0] ^ 0x736f6d6570736575ULL,
		key->words[1] ^ 0x646f72616e646f6dULL,
		key->words[0] ^ 0x6c7967656e657261ULL,
		key->words[1] ^ 0x7465646279746573ULL,
	};
	const uint64_t last = (uint64_t)count * sizeof(*words) << 56;

	for (size_t i = 0; i <= count; i++) {
		const uint64_t word = i < count ? words[i] : last;

		s.d ^= word;
		hash_round(&s);
		s.a ^= word;
	}
	s.c ^= 0xff;
	for (int i = 0; i < 3; i++)
		hash_round(&s);
	return s.a ^ s.b ^ s.c ^ s.d;
}
