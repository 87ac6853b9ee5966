/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The buffers that snapshots are written into and lent from.
 *
 * CHANNEL_BUFFERS memfds, mapped here for writing and then sealed against shrinking, growing and future
 * writing: whoever gets the descriptor can map it only for reading. Two are enough while replies are
 * quick: the newest snapshot, which the next poll also reads, and the one being written. The others
 * serve slow readers. When all are lent the next snapshot is written into private memory, so that
 * the memory between polls goes on; only its publication is skipped, and counted by the caller.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/channel.h"
#include "model/snapshot.h"

struct pool;

struct pool_buffer {
	void *data;
	size_t size; /* mapped */
	int memfd; /* -1: private memory, cannot be lent */
	uint32_t number; /* on the channel; CHANNEL_BUFFERS and above: private */
	uint32_t generation; /* moves when the memfd is another one */
};

/* Return: 0, -ENOMEM, -errno of memfd_create(). Free with pool_free(). */
int pool_new(struct pool **ret);
/* Accepts NULL; returns NULL. */
struct pool *pool_free(struct pool *pool);

/* Whom the memfds are shown to: somebody who keeps them beyond this process. */
struct pool_watch {
	void (*made)(const struct pool_buffer *buffer, void *context); /* it will hold snapshots */
	void (*dropped)(const struct pool_buffer *buffer, void *context); /* it is about to go */
	void *context;
};

/* From now on, and at once for those that are there. NULL: no longer; nothing is dropped then. Copied. */
void pool_watch(struct pool *pool, const struct pool_watch *watch);

/**
 * pool_take() - a buffer to write the next snapshot into: never the newest, never a lent one
 * @size: bytes it should have at least; it can grow later
 * @ret: valid until pool_publish() or pool_drop()
 *
 * Return: 0; 1 where it is private memory since all others are lent; -ENOMEM.
 */
int pool_take(struct pool *pool, size_t size, struct pool_buffer **ret);

/* Makes a taken buffer larger, content kept; it may move and change its generation. 0 or -ENOMEM. */
int pool_grow(struct pool *pool, struct pool_buffer *buffer, size_t size);

/* The taken buffer is now the newest snapshot; the newest before it becomes free unless lent. */
void pool_publish(struct pool *pool, struct pool_buffer *buffer);

/* The taken buffer is not needed after all. */
void pool_drop(struct pool *pool, struct pool_buffer *buffer);

/* The newest snapshot's buffer, or NULL. */
const struct pool_buffer *pool_newest(const struct pool *pool);

/* Marks the newest as lent (once more), fills in a packet. -EAGAIN where it cannot be lent. */
int pool_lend(struct pool *pool, struct channel_lend *ret);

/* A packet came back. -EINVAL where nothing like it is lent: the web process is not to be trusted. */
int pool_return(struct pool *pool, const struct channel_lend *lend);

/* The web process is gone: nothing is lent any more. */
void pool_return_all(struct pool *pool);
