/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine's memory: rows in one array, found through a table of open addressing.
 *
 * Keys come from the machine's own processes and sockets; still, the table is never more than half
 * full and its hash mixes all bits, so that no choice of pids or cookies makes long runs likely.
 */
#include <errno.h>
#include <string.h>

#include "rules/family.h"

#define ROWS_MIN 64U

static uint64_t key_hash(const struct tally_key *key)
{
	uint64_t h = key->b + ((uint64_t)key->a << 32 | (uint32_t)key->rule << 8 | key->kind) *
				      0x9e3779b97f4a7c15ULL;

	h = (h ^ h >> 31) * 0xbf58476d1ce4e5b9ULL; /* splitmix64 */
	h = (h ^ h >> 27) * 0x94d049bb133111ebULL;
	return h ^ h >> 31;
}

bool tally_key_equal(const struct tally_key *a, const struct tally_key *b)
{
	return a->rule == b->rule && a->kind == b->kind && a->a == b->a && a->b == b->b;
}

static uint32_t *slot_of(const struct tallies *tallies, const struct tally_key *key)
{
	uint32_t mask = tallies->slot_count - 1, i = (uint32_t)key_hash(key) & mask;

	while (tallies->slots[i] &&
	       !tally_key_equal(&tallies->rows[tallies->slots[i] - 1].key, key))
		i = (i + 1) & mask;
	return &tallies->slots[i];
}

static void reindex(struct tallies *tallies)
{
	uint32_t i;

	memset(tallies->slots, 0, tallies->slot_count * sizeof(*tallies->slots));
	for (i = 0; i < tallies->used; i++)
		*slot_of(tallies, &tallies->rows[i].key) = i + 1;
}

static int resize(struct tallies *tallies, uint32_t size)
{
	uint32_t slot_count = 1, *slots;
	struct tally *rows;

	while (slot_count < 2 * size)
		slot_count *= 2;
	slots = calloc(slot_count, sizeof(*slots));
	rows = slots ? realloc(tallies->rows, size * sizeof(*rows)) : NULL;
	if (!rows) {
		free(slots);
		return -ENOMEM;
	}
	free(tallies->slots);
	tallies->slots = slots;
	tallies->slot_count = slot_count;
	tallies->rows = rows;
	tallies->size = size;
	reindex(tallies);
	return 0;
}

int tallies_init(struct tallies *tallies, uint32_t max)
{
	memset(tallies, 0, sizeof(*tallies));
	tallies->max = MIN(MAX(max, 1U), TALLIES_MAX);
	return resize(tallies, MIN(ROWS_MIN, tallies->max));
}

static void row_done(struct tally *row)
{
	size_t i;

	for (i = 0; i < TALLY_PARTS; i++)
		free(row->parts[i].trend);
}

void tallies_done(struct tallies *tallies)
{
	uint32_t i;

	for (i = 0; i < tallies->used; i++)
		row_done(&tallies->rows[i]);
	free(tallies->rows);
	free(tallies->slots);
	memset(tallies, 0, sizeof(*tallies));
}

struct tally *tallies_find(const struct tallies *tallies, const struct tally_key *key)
{
	uint32_t slot = *slot_of(tallies, key);

	return slot ? &tallies->rows[slot - 1] : NULL;
}

struct tally *tallies_add(struct tallies *tallies, const struct tally_key *key)
{
	struct tally *row;

	if (tallies->used == tallies->max)
		return NULL;
	if (tallies->used == tallies->size &&
	    resize(tallies, MIN(tallies->size * 2, tallies->max)) < 0)
		return NULL;
	row = &tallies->rows[tallies->used];
	memset(row, 0, sizeof(*row));
	row->key = *key;
	*slot_of(tallies, key) = ++tallies->used;
	return row;
}

static int compare_times(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The time before which idle rows have to go so that @room are free. */
static int64_t pressure(const struct tallies *tallies, int64_t idle_ns, uint32_t wanted)
{
	_cleanup_free_ int64_t *times = NULL;
	uint32_t count = 0, i;

	times = wanted ? malloc(tallies->used * sizeof(*times)) : NULL;
	if (!times)
		return INT64_MIN;
	for (i = 0; i < tallies->used; i++)
		if (!tallies->rows[i].since_ns && tallies->rows[i].seen_ns < idle_ns)
			times[count++] = tallies->rows[i].seen_ns;
	if (!count)
		return INT64_MIN; /* NOLINT(clang-analyzer-unix.Malloc): freed by the scope */
	qsort(times, count, sizeof(*times), compare_times);
	return times[MIN(wanted, count) - 1] + 1;
}

uint32_t tallies_expire(struct tallies *tallies, int64_t before_ns, int64_t idle_ns, uint32_t room)
{
	uint32_t wanted = room - MIN(room, tallies->max - tallies->used);
	int64_t limit = pressure(tallies, idle_ns, wanted);
	uint32_t kept = 0, dropped = 0, i;

	for (i = 0; i < tallies->used; i++) {
		struct tally *row = &tallies->rows[i];
		bool old = row->seen_ns < before_ns;
		bool crowded = row->seen_ns < limit && dropped < wanted;

		if (row->since_ns || (!old && !crowded)) {
			if (kept != i)
				tallies->rows[kept] = *row;
			kept++;
			continue;
		}
		dropped += !old;
		row_done(row);
	}
	if (kept != tallies->used) {
		tallies->used = kept;
		reindex(tallies);
	}
	return dropped;
}
