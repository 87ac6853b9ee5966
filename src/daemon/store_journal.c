/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal in systemd's file descriptor store (store.h).
 *
 * Its seals refuse another mapping for writing, so the next collector has one of its own from the start: it takes over
 * what it finds, has its own kept, and lets go of the other, in this order. Two of them are there only where a collector
 * ended between these steps; then the one that goes further is taken.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "daemon/notify.h"
#include "daemon/store.h"
#include "model/macro.h"

#define PREFIX "journal-"

static bool is_journal(const struct stored *item)
{
	return !strncmp(item->name, PREFIX, strlen(PREFIX));
}

/* Its newest event; 0 for what is no journal. */
static uint64_t newest_in(int fd)
{
	struct journal_view view;
	uint64_t newest = 0;
	size_t size;
	void *data = store_map(fd, 1, &size);

	if (!data)
		return 0;
	if (journal_open(data, size, &view) == 0)
		newest = journal_newest(&view);
	munmap(data, size);
	return newest;
}

/* The place of the one that goes furthest; -ENODATA where there is none. */
static ssize_t find(const struct store *store)
{
	ssize_t found = -ENODATA;
	uint64_t best = 0;

	for (size_t i = 0; i < store->count; i++) {
		uint64_t newest;

		if (!is_journal(&store->items[i]))
			continue;
		newest = newest_in(store->items[i].fd);
		if (found < 0 || newest > best) {
			found = (ssize_t)i;
			best = newest;
		}
	}
	return found;
}

static int take_over(struct stored *item, struct collector *collector, const char **ret_why)
{
	size_t size;
	void *data;
	int r;

	*ret_why = STORE_TRIED;
	if (store_try(item) < 0)
		return -EBADMSG;
	*ret_why = "it cannot be read";
	data = store_map(item->fd, 1, &size);
	if (!data)
		return -EBADMSG;
	r = collector_restore_journal(collector, data, size, ret_why);
	munmap(data, size);
	return r;
}

static void keep_own(const struct collector *collector)
{
	char name[STORE_NAME];
	struct timespec now;
	uint64_t start;
	size_t size;

	clock_gettime(CLOCK_MONOTONIC, &now);
	start = (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
	snprintf(name, sizeof(name), PREFIX "%" PRIx64, start);
	notify_keep(name, collector_journal_memory(collector, &size));
}

static void drop_old(struct store *store)
{
	for (size_t i = store->count; i > 0; i--)
		if (is_journal(&store->items[i - 1]))
			store_drop(store, i - 1);
}

int store_journal(struct store *store, struct collector *collector, struct log *log)
{
	ssize_t i = find(store);
	const char *why = NULL;
	int r = -ENODATA;

	if (i >= 0)
		r = take_over(&store->items[i], collector, &why);
	if (i >= 0 && r < 0)
		log_print(log, LOG_NOTICE,
			  "the journal of the collector before is dropped, its events are lost: %s",
			  why);
	keep_own(collector);
	drop_old(store);
	return r < 0 ? -ENODATA : 0;
}
