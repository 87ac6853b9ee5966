/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Texts and their numbers: each different text gets the next number, from 0. For what is counted by words that are not
 * known beforehand; bounded, since anybody may make up words.
 */
#pragma once

#include "web/buffer.h"

struct lexicon_word {
	size_t at, len; /* in the pool */
	uint64_t hash;
};

struct lexicon {
	uint32_t max; /* words; the caller's to set */
	uint32_t count;
	struct buffer pool;
	struct lexicon_word *words; /* owned */
	uint32_t *slots; /* owned; number + 1, 0: free */
	uint32_t slots_size; /* a power of two; there is room for as many words */
};

/* The number of a text. Return: 0; -ENOSPC where it is new and there are @max; -ENOMEM. */
int lexicon_add(struct lexicon *lexicon, const char *text, size_t len, uint32_t *ret);

/* Not terminated. */
static inline const char *lexicon_text(const struct lexicon *lexicon, uint32_t number,
				       size_t *ret_len)
{
	*ret_len = lexicon->words[number].len;
	return lexicon->pool.data + lexicon->words[number].at;
}

/* The order of two texts, as of strcmp(). */
int lexicon_compare(const struct lexicon *lexicon, uint32_t a, uint32_t b);

void lexicon_done(struct lexicon *lexicon);
