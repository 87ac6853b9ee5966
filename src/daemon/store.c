/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sd_notify(3): FDSTORE=1 with a name, handed back at the next start as sd_listen_fds_with_names(3) tells. It
 * survives a restart and any death, not a stop. Each memfd of the pool goes there when it is made; names
 * are new in each start, since a name that is removed takes all descriptors of that name along.
 *
 * What comes back was written by this program, perhaps of another version, perhaps half: it has to be
 * sealed, so that nobody can cut it short under the mapping, and the collector trusts nothing in it. Should it
 * end the program all the same, it does so three times: how often it has been tried stands in its name.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/notify.h"
#include "daemon/store.h"
#include "model/macro.h"

#define TRIES_MAX 3U
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE)

bool store_is_memory(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && fcntl(fd, F_GET_SEALS) >= 0;
}

void store_add(struct store *store, int fd, const char *name)
{
	struct stored *item = &store->items[store->count];

	if (store->count >= STORE_MAX) {
		close(fd);
		return;
	}
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	item->fd = fd;
	snprintf(item->name, sizeof(item->name), "%s", name ? name : "");
	store->count++;
}

void store_drop(struct store *store, size_t i)
{
	struct stored *item = &store->items[i];

	close(item->fd);
	if (item->name[0])
		notify_drop(item->name);
	*item = store->items[--store->count];
}

void *store_map(int fd, size_t least, size_t *ret_size)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	void *data;

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0 ||
	    st.st_size < (off_t)least)
		return NULL;
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED)
		return NULL;
	madvise(data, (size_t)st.st_size, MADV_DONTFORK);
	*ret_size = (size_t)st.st_size;
	return data;
}

static void unmap(struct store *store)
{
	if (store->data)
		munmap(store->data, store->size);
	store->data = NULL;
	store->size = 0;
}

/* The id of a whole snapshot; 0 for one that was being written, or for memory that held none yet. */
static uint64_t id_of(int fd)
{
	const struct snapshot_header *header;
	uint64_t id = 0;
	size_t size;
	void *data = store_map(fd, sizeof(*header), &size);

	if (!data)
		return 0;
	header = data;
	if (header->magic == SNAPSHOT_MAGIC)
		id = MAX(header->id, 1U);
	munmap(data, size);
	return id;
}

/* Its place among the items; -ENODATA where none is whole. */
static ssize_t newest(const struct store *store)
{
	uint64_t best = 0;
	ssize_t ret = -ENODATA;

	for (size_t i = 0; i < store->count; i++) {
		uint64_t id = id_of(store->items[i].fd);

		if (id > best) {
			best = id;
			ret = (ssize_t)i;
		}
	}
	return ret;
}

/* "snapshot-1f2e-0-1~2" */
static unsigned int tries_of(const struct stored *item)
{
	const char *mark = strrchr(item->name, '~');

	return mark ? (unsigned int)strtoul(mark + 1, NULL, 10) : 0;
}

int store_try(struct stored *item)
{
	size_t len = strcspn(item->name, "~");
	unsigned int tries = tries_of(item) + 1;

	if (tries > TRIES_MAX)
		return -ELOOP;
	if (!len)
		return 0;
	notify_drop(item->name);
	snprintf(item->name + MIN(len, sizeof(item->name) - 8), 8, "~%u", tries);
	notify_keep(item->name, item->fd);
	return 0;
}

/* Return: as collector_restore(). */
static int take_over(struct store *store, size_t i, struct collector *collector,
		     const char **ret_why)
{
	struct stored *item = &store->items[i];
	int r;

	*ret_why = STORE_TRIED;
	if (store_try(item) < 0)
		return -EBADMSG;
	*ret_why = strerror(ENOMEM);
	store->data = store_map(item->fd, sizeof(struct snapshot_header), &store->size);
	if (!store->data)
		return -ENOMEM;
	r = collector_restore(collector, store->data, store->size, ret_why);
	if (r < 0)
		unmap(store);
	return r;
}

static void tell(const struct store *store, struct log *log)
{
	const struct snapshot_header *header = store->data;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	log_print(log, LOG_INFO,
		  "going on with snapshot %" PRIu64 " of the collector before: nobody looked for "
		  "%.1f s",
		  header->id,
		  (double)(now.tv_sec * NSEC_PER_SEC + now.tv_nsec - header->now_ns) / 1e9);
}

static void drop_others(struct store *store, size_t i)
{
	struct stored kept = store->items[i];

	store->items[i] = store->items[0];
	store->items[0] = kept;
	while (store->count > 1)
		store_drop(store, store->count - 1);
}

int store_restore(struct store *store, struct collector *collector, struct log *log)
{
	const char *why = NULL, *first = NULL;
	ssize_t i;

	while ((i = newest(store)) >= 0) {
		if (take_over(store, (size_t)i, collector, &why) < 0) {
			first = first ? first : why;
			store_drop(store, (size_t)i);
			continue;
		}
		drop_others(store, (size_t)i);
		tell(store, log);
		return 0;
	}
	while (store->count)
		store_drop(store, store->count - 1);
	if (first)
		log_print(log, LOG_NOTICE,
			  "what the collector before has left is dropped, its history is lost: %s",
			  first);
	return -ENODATA;
}

static void name_of(const struct store *store, const struct pool_buffer *buffer,
		    char ret[static STORE_NAME])
{
	snprintf(ret, STORE_NAME, "snapshot-%" PRIx64 "-%u-%u", store->start, buffer->number,
		 buffer->generation);
}

static void keep(const struct pool_buffer *buffer, void *context)
{
	char name[STORE_NAME];

	name_of(context, buffer, name);
	notify_keep(name, buffer->memfd);
}

static void let_go(const struct pool_buffer *buffer, void *context)
{
	char name[STORE_NAME];

	name_of(context, buffer, name);
	notify_drop(name);
}

void store_watch(struct store *store, struct pool *pool)
{
	const struct pool_watch watch = { .made = keep, .dropped = let_go, .context = store };
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	store->start = (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
	pool_watch(pool, &watch);
}

void store_done(struct store *store)
{
	unmap(store);
	while (store->count)
		store_drop(store, store->count - 1);
}

void store_close(struct store *store, struct pool *pool)
{
	if (pool)
		pool_watch(pool, NULL);
	unmap(store);
	while (store->count)
		close(store->items[--store->count].fd);
}
