/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every way into and out of the teardown states goes through tcp_set_state() (net/ipv4/tcp.c), whose tracepoint speaks
 * before the new state stands in the socket; the kernel keeps the order for one socket.
 *
 * A table of chains: entries come and go as fast as connections end.
 */
#include "collector/follow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/macro.h"
#include "model/record.h"

#define NOTHING UINT32_MAX
#define ROOM_MIN 256U

struct follow {
	struct follow_entry *entries;
	uint32_t *heads; /* as many as there is room; NOTHING: empty */
	uint32_t room; /* power of two, or 0 */
	uint32_t used; /* entries that have ever been in use, from the first */
	uint32_t free; /* chain of those that are not any more */
	uint32_t count, max;
	uint32_t suspects;
	int64_t since_ns;
	struct follow_stats stats;
};

int follow_new(uint32_t max, struct follow **ret)
{
	struct follow *follow = calloc(1, sizeof(*follow));

	if (!follow)
		return -ENOMEM;
	follow->max = max;
	follow->free = NOTHING;
	follow->since_ns = INT64_MAX;
	*ret = follow;
	return 0;
}

struct follow *follow_free(struct follow *follow)
{
	if (!follow)
		return NULL;
	free(follow->entries);
	free(follow->heads);
	free(follow);
	return NULL;
}

/* ---- the table ---- */

static uint32_t bucket_of(const struct follow *follow, uint32_t netns, uint64_t cookie)
{
	uint64_t key = (cookie ^ (uint64_t)netns << 32) * 0x9e3779b97f4a7c15ULL;

	return (uint32_t)(key >> 32) & (follow->room - 1);
}

static void forget_all(struct follow *follow)
{
	if (follow->room)
		memset(follow->heads, 0xff, follow->room * sizeof(*follow->heads));
	follow->used = follow->count = follow->suspects = 0;
	follow->free = NOTHING;
}

static void chain(struct follow *follow, uint32_t number)
{
	struct follow_entry *entry = &follow->entries[number];
	uint32_t *head = &follow->heads[bucket_of(follow, entry->netns, entry->cookie)];

	entry->next = *head;
	*head = number;
}

static int grow(struct follow *follow)
{
	uint32_t room = MAX(ROOM_MIN, follow->room * 2);
	struct follow_entry *entries = reallocarray(follow->entries, room, sizeof(*entries));
	uint32_t *heads;

	if (!entries)
		return -ENOMEM;
	follow->entries = entries;
	heads = reallocarray(follow->heads, room, sizeof(*heads));
	if (!heads)
		return -ENOMEM;
	follow->heads = heads;
	follow->room = room;
	memset(heads, 0xff, room * sizeof(*heads));
	/* It grows when all are in use: none of them is in the chain of the free. */
	for (uint32_t i = 0; i < follow->used; i++)
		chain(follow, i);
	return 0;
}

struct follow_entry *follow_find(struct follow *follow, uint32_t netns, uint64_t cookie)
{
	uint32_t number;

	if (!follow->count)
		return NULL;
	for (number = follow->heads[bucket_of(follow, netns, cookie)]; number != NOTHING;
	     number = follow->entries[number].next) {
		struct follow_entry *entry = &follow->entries[number];

		if (entry->cookie == cookie && entry->netns == netns)
			return entry;
	}
	return NULL;
}

/* NULL where there is no room. */
static struct follow_entry *add_socket(struct follow *follow, const struct tcpdiag_socket *sk)
{
	uint32_t number = follow->free;
	struct follow_entry *entry;

	if (number == NOTHING && follow->count >= follow->max)
		return NULL;
	if (number == NOTHING && follow->used == follow->room && grow(follow) < 0)
		return NULL;
	if (number == NOTHING)
		number = follow->used++;
	else
		follow->free = follow->entries[number].next;
	entry = &follow->entries[number];
	*entry = (struct follow_entry){
		.cookie = sk->cookie,
		.local_port = sk->local_port,
		.remote_port = sk->remote_port,
		.netns = sk->netns,
		.ifindex = sk->ifindex,
		.position = RECORD_NONE,
		.family = sk->family,
		.mapped = sk->mapped,
	};
	memcpy(entry->local, sk->local, sizeof(entry->local));
	memcpy(entry->remote, sk->remote, sizeof(entry->remote));
	chain(follow, number);
	follow->count++;
	return entry;
}

uint32_t follow_number(const struct follow *follow, const struct follow_entry *entry)
{
	return (uint32_t)(entry - follow->entries);
}

struct follow_entry *follow_at(struct follow *follow, uint32_t number)
{
	return &follow->entries[number];
}

void follow_drop(struct follow *follow, struct follow_entry *entry)
{
	uint32_t number = follow_number(follow, entry);
	uint32_t *at = &follow->heads[bucket_of(follow, entry->netns, entry->cookie)];

	while (*at != number)
		at = &follow->entries[*at].next;
	*at = entry->next;
	follow->suspects -= entry->suspect != FOLLOW_TOLD;
	entry->cookie = 0; /* what a walk passes over */
	entry->next = follow->free;
	follow->free = number;
	if (!--follow->count)
		forget_all(follow);
}

struct follow_entry *follow_next(struct follow *follow, uint32_t *cursor)
{
	while (*cursor < follow->used) {
		struct follow_entry *entry = &follow->entries[(*cursor)++];

		if (entry->cookie)
			return entry;
	}
	return NULL;
}

/* ---- events ---- */

static bool is_teardown(uint8_t state)
{
	return state < TCPDIAG_STATE_MAX && TCPDIAG_STATES_TEARDOWN & TCPDIAG_STATE_BIT(state);
}

static void make(struct follow *follow, struct follow_entry *entry, enum follow_suspect suspect)
{
	follow->suspects += suspect != FOLLOW_TOLD;
	follow->suspects -= entry->suspect != FOLLOW_TOLD;
	entry->suspect = (uint8_t)suspect;
}

/* No room: what comes from here on must be dumped. */
static void cut(struct follow *follow, int64_t when_ns)
{
	follow->stats.cut++;
	follow_gap(follow, when_ns);
}

/* The first event of a socket. NULL where there is no room. */
static struct follow_entry *add(struct follow *follow, const struct socket_event *event)
{
	struct follow_entry *entry = add_socket(follow, &event->sk);

	if (!entry)
		return NULL;
	entry->state = event->old_state;
	entry->was = is_teardown(event->old_state);
	return entry;
}

static void enter(struct follow *follow, const struct socket_event *event)
{
	struct follow_entry *entry = follow_find(follow, event->sk.netns, event->sk.cookie);

	follow->stats.entered++;
	if (!entry)
		entry = add(follow, event);
	if (!entry) {
		cut(follow, event->when_ns);
		return;
	}
	make(follow, entry, FOLLOW_TOLD);
	entry->when_ns = event->when_ns;
	entry->state = event->sk.state;
	entry->mini = entry->gone = false;
	entry->tries = 0;
}

/* The end of a socket comes after the change to CLOSE, and tells nothing more. */
static bool has_left(const struct socket_event *event)
{
	return event->kind == SOCKET_EVENT_STATE && is_teardown(event->old_state);
}

static void leave(struct follow *follow, const struct socket_event *event)
{
	struct follow_entry *entry = follow_find(follow, event->sk.netns, event->sk.cookie);

	if (!entry && has_left(event)) {
		entry = add(follow, event);
		if (!entry)
			cut(follow, event->when_ns);
	}
	if (!entry)
		return;
	/* Where its process still has it the peer's FIN has come: TIME-WAIT. */
	if (event->kind == SOCKET_EVENT_STATE && event->old_state == TCPDIAG_FIN_WAIT2 &&
	    event->released && entry->suspect != FOLLOW_LOST) {
		make(follow, entry, FOLLOW_TOLD);
		entry->mini = true;
		entry->when_ns = event->when_ns;
		return;
	}
	if (entry->mini)
		return;
	/* What let it in would have come before. */
	follow->stats.lost += entry->suspect == FOLLOW_LOST;
	if (!entry->was) {
		follow_drop(follow, entry);
		return;
	}
	make(follow, entry, FOLLOW_TOLD);
	entry->gone = true;
	entry->when_ns = event->when_ns;
}

void follow_take(struct follow *follow, const struct socket_event *event)
{
	if (!event->has_socket || event->sk.mptcp || follow->since_ns == INT64_MAX ||
	    (event->kind != SOCKET_EVENT_STATE && event->kind != SOCKET_EVENT_DESTROYED))
		return;
	if (!event->sk.cookie) {
		/* Nobody could tell it from another one. */
		if (is_teardown(event->sk.state))
			cut(follow, event->when_ns);
		return;
	}
	if (event->kind == SOCKET_EVENT_STATE && is_teardown(event->sk.state))
		enter(follow, event);
	else
		leave(follow, event);
}

void follow_gap(struct follow *follow, int64_t now_ns)
{
	follow->stats.gaps += follow->since_ns != INT64_MAX;
	if (follow->since_ns == INT64_MAX || now_ns > follow->since_ns)
		follow->since_ns = now_ns;
}

void follow_off(struct follow *follow)
{
	follow->since_ns = INT64_MAX;
	forget_all(follow);
}

int64_t follow_since(const struct follow *follow)
{
	return follow->since_ns;
}

uint32_t follow_count(const struct follow *follow)
{
	return follow->count;
}

const struct follow_stats *follow_stats(const struct follow *follow)
{
	return &follow->stats;
}

/* ---- the audit ---- */

void follow_missed(struct follow *follow, const struct tcpdiag_socket *sk, int64_t now_ns)
{
	struct follow_entry *entry = follow_find(follow, sk->netns, sk->cookie);

	if (entry && (entry->gone || entry->suspect != FOLLOW_TOLD))
		return;
	if (!entry)
		entry = add_socket(follow, sk);
	if (!entry) {
		cut(follow, now_ns);
		return;
	}
	entry->when_ns = now_ns;
	entry->state = TCPDIAG_FIN_WAIT2;
	entry->mini = true;
	entry->known = false;
	entry->again = true;
}

void follow_suspect(struct follow *follow, const struct tcpdiag_socket *sk, int64_t now_ns,
		    bool odd)
{
	struct follow_entry *entry;

	if (follow->since_ns == INT64_MAX || !sk->cookie)
		return;
	entry = add_socket(follow, sk);
	if (!entry) {
		follow->stats.cut++;
		follow->stats.lost++;
		return;
	}
	entry->when_ns = now_ns;
	entry->state = sk->state;
	entry->odd = odd;
	make(follow, entry, FOLLOW_LOST);
}

void follow_dumped(struct follow *follow, uint32_t netns, int64_t now_ns)
{
	struct follow_entry *entry;
	uint32_t cursor = 0;

	while ((entry = follow_next(follow, &cursor))) {
		if (entry->netns != netns)
			continue;
		if (entry->suspect == FOLLOW_LOST || entry->when_ns >= now_ns) {
			entry->seen = false;
		} else if (entry->seen || entry->mini || entry->gone) {
			follow_drop(follow, entry);
		} else if (entry->suspect == FOLLOW_TOLD) {
			make(follow, entry, FOLLOW_EXTRA);
			entry->when_ns = now_ns;
		}
	}
}

void follow_settle(struct follow *follow, int64_t before_ns,
		   void (*found)(void *context, const struct follow_entry *entry), void *context)
{
	struct follow_entry *entry;
	uint32_t cursor = 0;

	while (follow->suspects && (entry = follow_next(follow, &cursor))) {
		if (entry->suspect == FOLLOW_TOLD || entry->when_ns >= before_ns)
			continue;
		follow->stats.lost += entry->suspect == FOLLOW_LOST;
		follow->stats.extra += entry->suspect == FOLLOW_EXTRA;
		if (found)
			found(context, entry);
		follow_drop(follow, entry);
	}
}
