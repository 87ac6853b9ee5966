/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The namespaces take turns: each drain begins where the one before has stopped, so that a busy one does not make the
 * others lose what they have.
 */
#include "collector/endings.h"

#include <errno.h>

#include "kernel/destroy.h"
#include "model/macro.h"

/* A message takes 1280 bytes of it: some 6,500 and 400. */
#define ROOM_OWN (4U << 20)
#define ROOM_OTHER (256U << 10)

#define DRAIN_MAX 8192U /* in one go, of all of them */

int endings_open(struct spaces *spaces)
{
	int r;

	spaces->listens = true;
	if (spaces->own->endings)
		return 0;
	r = destroy_open(spaces->own->inode, ROOM_OWN, &spaces->own->endings);
	if (r < 0) {
		endings_close(spaces);
		return r;
	}
	spaces->listening++;
	return 0;
}

void endings_leave(struct spaces *spaces, struct space *space)
{
	if (!space->endings)
		return;
	spaces->endings_dropped += destroy_dropped(space->endings);
	space->endings = destroy_free(space->endings);
	spaces->listening--;
}

void endings_close(struct spaces *spaces)
{
	spaces->listens = false;
	for (uint32_t i = 0; i < spaces->count; i++)
		endings_leave(spaces, spaces->rows[i]);
}

void endings_visit(struct spaces *spaces, struct space *space)
{
	if (!spaces->listens || space->endings || space->own || spaces->listening >= ENDINGS_MAX)
		return;
	if (destroy_open(space->inode, ROOM_OTHER, &space->endings) == 0)
		spaces->listening++;
}

int endings_drain(struct spaces *spaces, int64_t now_ns,
		  int (*take)(const struct socket_event *event, void *context), void *context)
{
	uint32_t taken = 0;

	for (uint32_t i = 0; i < spaces->count && taken < DRAIN_MAX; i++) {
		struct space *space = spaces->rows[(spaces->endings_turn + i) % spaces->count];
		int r;

		if (!space->endings)
			continue;
		r = destroy_drain(space->endings, DRAIN_MAX - taken, now_ns, take, context);
		if (r >= 0) {
			taken += (uint32_t)r;
			continue;
		}
		if (space->own)
			return r;
		endings_leave(spaces, space);
	}
	spaces->endings_turn = spaces->count ? (spaces->endings_turn + 1) % spaces->count : 0;
	return (int)taken;
}

uint64_t endings_dropped(const struct spaces *spaces)
{
	uint64_t sum = spaces->endings_dropped;

	for (uint32_t i = 0; i < spaces->count; i++)
		if (spaces->rows[i]->endings)
			sum += destroy_dropped(spaces->rows[i]->endings);
	return sum;
}

uint32_t endings_deaf(const struct spaces *spaces)
{
	return spaces->listens ? spaces->count - spaces->listening : 0;
}
