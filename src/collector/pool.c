/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Buffers for snapshots: memfds that stay mapped here, and two private ones for when all are lent.
 *
 * A sealed memfd (memfd.h) can neither grow nor give pages back, so another size means another memfd: a new
 * generation of the number.
 *
 * The lowest free number is taken, so that two buffers are enough while replies are quick. Those that
 * only a slow reader needed give their memory back after a while, and so does one that a peak has made
 * far too large.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "collector/memfd.h"
#include "collector/pool.h"
#include "model/macro.h"

#define PRIVATE_BUFFERS 2U
#define BUFFERS (CHANNEL_BUFFERS + PRIVATE_BUFFERS)
#define SIZE_MIN ((size_t)256 * 1024)
#define ROOMY 8U /* times larger than asked for: */
#define PATIENCE 64U /* for so many takes, then it is made anew; or unused for so many */

struct slot {
	struct pool_buffer buffer;
	uint32_t lends; /* not yet returned */
	uint64_t lent_id; /* of the snapshot they were lent with */
	uint32_t roomy; /* takes in a row that would have fitted in an eighth */
	uint64_t used; /* number of the take that last used it */
};

struct pool {
	struct slot slots[BUFFERS];
	struct slot *newest, *taken;
	uint64_t takes;
	struct pool_watch watch; /* all NULL: nobody watches */
};

static bool lendable(const struct slot *slot)
{
	return slot->buffer.number < CHANNEL_BUFFERS;
}

static struct slot *slot_of(struct pool *pool, const struct pool_buffer *buffer)
{
	return &pool->slots[buffer->number];
}

/* Gives the memory back; the number and its generation stay. */
static void slot_clear(const struct pool *pool, struct slot *slot)
{
	struct pool_buffer *buffer = &slot->buffer;

	if (pool->watch.dropped && buffer->memfd >= 0)
		pool->watch.dropped(buffer, pool->watch.context);
	if (buffer->data)
		munmap(buffer->data, buffer->size);
	closep(&buffer->memfd);
	buffer->data = NULL;
	buffer->size = 0;
	buffer->memfd = -1;
	slot->roomy = 0;
}

/* Whole 64 KiB, at least the minimum; 0 where that overflows. */
static size_t rounded(size_t size)
{
	const size_t unit = (size_t)64 * 1024;

	if (size > SIZE_MAX / 2)
		return 0;
	size = MAX(size, SIZE_MIN);
	return (size + unit - 1) & ~(unit - 1);
}

static int map_private(size_t size, void **ret_data)
{
	void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (data == MAP_FAILED)
		return -errno;
	madvise(data, size, MADV_DONTFORK);
	*ret_data = data;
	return 0;
}

/* Memory of at least @size bytes in place of what the slot has; the first @keep bytes stay. */
static int slot_resize(const struct pool *pool, struct slot *slot, size_t size, size_t keep)
{
	struct pool_buffer *buffer = &slot->buffer;
	int memfd = -1, r;
	void *data = NULL;

	size = rounded(size);
	if (!size)
		return -ENOMEM;
	r = lendable(slot) ? memfd_map("tcpdiagd-snapshot", size, &memfd, &data)
			   : map_private(size, &data);
	if (r < 0)
		return r;
	if (!data)
		return -ENOMEM;
	if (keep)
		memcpy(data, buffer->data, keep);
	slot_clear(pool, slot);
	buffer->data = data;
	buffer->size = size;
	buffer->memfd = memfd;
	buffer->generation++;
	if (pool->watch.made && memfd >= 0)
		pool->watch.made(buffer, pool->watch.context);
	return 0;
}

int pool_new(struct pool **ret)
{
	_cleanup_free_ struct pool *pool = calloc(1, sizeof(*pool));
	uint32_t i;
	int r;

	if (!pool)
		return -ENOMEM;
	for (i = 0; i < BUFFERS; i++) {
		pool->slots[i].buffer.number = i;
		pool->slots[i].buffer.memfd = -1;
	}
	/* A kernel without these seals is found out now and not at the first poll. */
	r = slot_resize(pool, &pool->slots[0], SIZE_MIN, 0);
	if (r < 0)
		return r;
	*ret = take_ptr(pool);
	return 0;
}

void pool_watch(struct pool *pool, const struct pool_watch *watch)
{
	uint32_t i;

	pool->watch = watch ? *watch : (struct pool_watch){};
	if (!pool->watch.made)
		return;
	for (i = 0; i < BUFFERS; i++)
		if (pool->slots[i].buffer.memfd >= 0)
			pool->watch.made(&pool->slots[i].buffer, pool->watch.context);
}

struct pool *pool_free(struct pool *pool)
{
	uint32_t i;

	if (!pool)
		return NULL;
	for (i = 0; i < BUFFERS; i++)
		slot_clear(pool, &pool->slots[i]);
	free(pool);
	return NULL;
}

static bool is_free(const struct pool *pool, const struct slot *slot)
{
	return slot != pool->newest && slot != pool->taken && !slot->lends;
}

/* What nobody has needed for a while. */
static void clear_idle(struct pool *pool)
{
	uint32_t i;

	for (i = 0; i < BUFFERS; i++) {
		struct slot *slot = &pool->slots[i];

		if (slot->buffer.data && is_free(pool, slot) && pool->takes - slot->used > PATIENCE)
			slot_clear(pool, slot);
	}
}

static int slot_prepare(const struct pool *pool, struct slot *slot, size_t size)
{
	if (slot->buffer.size / ROOMY <= MAX(size, SIZE_MIN))
		slot->roomy = 0;
	else
		slot->roomy++;
	if (slot->buffer.size >= size && slot->buffer.data && slot->roomy <= PATIENCE)
		return 0;
	return slot_resize(pool, slot, size, 0);
}

int pool_take(struct pool *pool, size_t size, struct pool_buffer **ret)
{
	uint32_t i;

	pool->takes++;
	clear_idle(pool);
	/* The private ones stand last: also where there is no memfd to be had. */
	for (i = 0; i < BUFFERS; i++) {
		struct slot *slot = &pool->slots[i];

		if (!is_free(pool, slot) || slot_prepare(pool, slot, size) < 0)
			continue;
		slot->used = pool->takes;
		pool->taken = slot;
		*ret = &slot->buffer;
		return lendable(slot) ? 0 : 1;
	}
	return -ENOMEM;
}

int pool_grow(struct pool *pool, struct pool_buffer *buffer, size_t size)
{
	struct slot *slot = slot_of(pool, buffer);

	if (size <= buffer->size)
		return 0;
	return slot_resize(pool, slot, size, buffer->size) < 0 ? -ENOMEM : 0;
}

void pool_publish(struct pool *pool, struct pool_buffer *buffer)
{
	struct slot *before = pool->newest;

	pool->newest = slot_of(pool, buffer);
	pool->taken = NULL;
	/* Private memory is for the time of need only. */
	if (before && !lendable(before) && lendable(pool->newest))
		slot_clear(pool, before);
}

void pool_drop(struct pool *pool, struct pool_buffer *buffer)
{
	if (pool->taken == slot_of(pool, buffer))
		pool->taken = NULL;
}

const struct pool_buffer *pool_newest(const struct pool *pool)
{
	return pool->newest ? &pool->newest->buffer : NULL;
}

int pool_lend(struct pool *pool, struct channel_lend *ret)
{
	struct slot *slot = pool->newest;
	const struct snapshot_header *header;

	if (!slot || !lendable(slot))
		return -EAGAIN;
	header = slot->buffer.data;
	slot->lends++;
	slot->lent_id = header->id;
	*ret = (struct channel_lend){
		.type = CHANNEL_LEND,
		.buffer = slot->buffer.number,
		.generation = slot->buffer.generation,
		.id = header->id,
		.bytes = header->bytes,
		.size = slot->buffer.size,
	};
	return 0;
}

int pool_return(struct pool *pool, const struct channel_lend *lend)
{
	struct slot *slot;

	if (lend->buffer >= CHANNEL_BUFFERS)
		return -EINVAL;
	slot = &pool->slots[lend->buffer];
	if (!slot->lends || slot->buffer.generation != lend->generation ||
	    slot->lent_id != lend->id)
		return -EINVAL;
	slot->lends--;
	return 0;
}

void pool_return_all(struct pool *pool)
{
	uint32_t i;

	for (i = 0; i < CHANNEL_BUFFERS; i++)
		pool->slots[i].lends = 0;
}
