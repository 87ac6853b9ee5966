/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file descriptor store of systemd: the memory of the snapshots and of the journal outlives the collector, so that
 * a restart, a crash or the watchdog loses nothing. Without systemd nothing happens.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/collector.h"
#include "daemon/log.h"

#define STORE_MAX 64 /* FileDescriptorStoreMax= of the unit */
#define STORE_NAME 64

struct stored {
	int fd; /* owned */
	char name[STORE_NAME];
};

struct store {
	/* Of the collector before; until its newest snapshot has been taken over. */
	struct stored items[STORE_MAX];
	size_t count;
	void *data; /* the one that is being gone on with, mapped; NULL: none */
	size_t size;
	uint64_t start; /* names of this collector's own are made of it */
};

/* Whether a descriptor that systemd has passed is memory from the store, and no socket. */
bool store_is_memory(int fd);

/* One of these; owned from now on, whatever it is. */
void store_add(struct store *store, int fd, const char *name);

/**
 * store_restore() - the collector goes on with the newest one that is whole
 *
 * The others are let go of. What is of another version or damaged is said in one line.
 *
 * Return: 0 where it goes on with one; -ENODATA where there is none.
 */
int store_restore(struct store *store, struct collector *collector, struct log *log);

/**
 * store_journal() - the collector takes over the journal before its own, and its own is kept
 *
 * Before store_restore(). What is damaged or of another version is dropped, and said in one line.
 *
 * Return: 0 where there was one to go on with; -ENODATA.
 */
int store_journal(struct store *store, struct collector *collector, struct log *log);

/* From now on the snapshots of this collector are kept. @store is used until store_close(). */
void store_watch(struct store *store, struct pool *pool);

/* A snapshot of this collector is there: what it went on with is let go of. */
void store_done(struct store *store);

/* The process ends: what systemd keeps stays kept. @pool may be NULL. */
void store_close(struct store *store, struct pool *pool);

/* ---- parts ---- */

#define STORE_TRIED "it has been tried three times, and nobody has got beyond it"

/* Read-only; NULL where it is shorter than @least, may shrink, or there is no memory for it. */
void *store_map(int fd, size_t least, size_t *ret_size);

/* One more start that goes on with it, in its name. Return: 0; -ELOOP where too many did not get beyond it. */
int store_try(struct stored *item);

/* Lets go of it; the last one takes its place. */
void store_drop(struct store *store, size_t i);
