/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Open addressing, half full at most. Words come from the machine that is watched; the number of steps that a clever
 * choice of them could cost is bounded by the number of words.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "web/lexicon.h"

#define SLOTS_MIN 64U

/* FNV-1a */
static uint64_t hash_of(const char *text, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325ULL;
	size_t i;

	for (i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3ULL;
	return hash ^ hash >> 32;
}

static void put_slot(uint32_t *slots, uint32_t size, uint64_t hash, uint32_t number)
{
	uint64_t at = hash & (size - 1);

	while (slots[at])
		at = (at + 1) & (size - 1);
	slots[at] = number + 1;
}

/* Room for one more word. Return: 0; -ENOMEM. */
static int grow(struct lexicon *l)
{
	uint32_t size = l->slots_size ? l->slots_size * 2 : SLOTS_MIN, i;
	struct lexicon_word *words;
	uint32_t *slots;

	if (l->count * 2 < l->slots_size)
		return 0;
	slots = calloc(size, sizeof(*slots));
	words = slots ? reallocarray(l->words, size, sizeof(*words)) : NULL;
	if (!words) {
		free(slots);
		return -ENOMEM;
	}
	l->words = words;
	for (i = 0; i < l->count; i++)
		put_slot(slots, size, l->words[i].hash, i);
	free(l->slots);
	l->slots = slots;
	l->slots_size = size;
	return 0;
}

static bool is_word(const struct lexicon *l, uint32_t number, const char *text, size_t len,
		    uint64_t hash)
{
	const struct lexicon_word *word = &l->words[number];

	return word->hash == hash && word->len == len &&
	       !memcmp(l->pool.data + word->at, text, len);
}

int lexicon_add(struct lexicon *l, const char *text, size_t len, uint32_t *ret)
{
	uint64_t hash = hash_of(text, len), at;
	int r;

	for (at = hash; l->slots_size && l->slots[at & (l->slots_size - 1)]; at++) {
		uint32_t number = l->slots[at & (l->slots_size - 1)] - 1;

		if (is_word(l, number, text, len, hash)) {
			*ret = number;
			return 0;
		}
	}
	if (l->count >= l->max)
		return -ENOSPC;
	r = grow(l);
	if (r < 0)
		return r;
	l->words[l->count] = (struct lexicon_word){ .at = l->pool.len, .len = len, .hash = hash };
	buffer_add(&l->pool, text, len);
	/* An empty pool has no memory yet, and an empty text needs some to point at. */
	if (!buffer_reserve(&l->pool, 1))
		return -ENOMEM;
	put_slot(l->slots, l->slots_size, hash, l->count);
	*ret = l->count++;
	return 0;
}

int lexicon_compare(const struct lexicon *l, uint32_t a, uint32_t b)
{
	const struct lexicon_word *x = &l->words[a], *y = &l->words[b];
	int order = memcmp(l->pool.data + x->at, l->pool.data + y->at, MIN(x->len, y->len));

	return order ? order : (x->len > y->len) - (x->len < y->len);
}

void lexicon_done(struct lexicon *l)
{
	buffer_done(&l->pool);
	free(l->words);
	free(l->slots);
	*l = (struct lexicon){ 0 };
}
