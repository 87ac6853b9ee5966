/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The writer's index of places by their content: chains through an array as long as the ring, so that what is
 * overwritten is taken out in the time of its chain.
 */
#include <errno.h>
#include <stdlib.h>

#include "model/journal_private.h"

int place_index_init(struct place_index *index, uint32_t places)
{
	index->mask = places - 1;
	index->buckets = calloc(places, sizeof(*index->buckets));
	index->next = calloc(places, sizeof(*index->next));
	return index->buckets && index->next ? 0 : -ENOMEM;
}

void place_index_done(struct place_index *index)
{
	free(index->buckets);
	free(index->next);
}

void place_index_put(struct place_index *index, uint64_t hash, uint32_t place)
{
	uint32_t *bucket = &index->buckets[hash & index->mask];

	index->next[place] = *bucket;
	*bucket = place + 1;
}

void place_index_remove(struct place_index *index, uint64_t hash, uint32_t place)
{
	uint32_t *link = &index->buckets[hash & index->mask];

	while (*link && *link != place + 1)
		link = &index->next[*link - 1];
	if (*link)
		*link = index->next[place];
}

/* FNV-1a by words, stirred at the end (splitmix64's last step): buckets are the low bits. */
uint64_t journal_hash(uint64_t seed, const void *data, size_t size)
{
	const unsigned char *bytes = data;
	uint64_t hash = seed ^ 0xcbf29ce484222325ULL, word;
	size_t i;

	for (i = 0; i + sizeof(word) <= size; i += sizeof(word)) {
		memcpy(&word, bytes + i, sizeof(word));
		hash = (hash ^ word) * 0x100000001b3ULL;
		hash ^= hash >> 29;
	}
	for (; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
	hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9ULL;
	return hash ^ (hash >> 31);
}
