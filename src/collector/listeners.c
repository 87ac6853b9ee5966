/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ports as a tree of two levels: a page of 256 ports exists where one of them has had a listener.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "collector/listeners.h"
#include "model/macro.h"

#define PAGE 256U
#define PAGES (65536U / PAGE)
#define NETNS_MAX 4096U
#define RECENT_NS (60 * NSEC_PER_SEC) /* and twice that at most */

struct page {
	uint32_t head[PAGE]; /* listener of this poll + 1 */
	uint8_t ever[PAGE / 8], recent[PAGE / 8], before[PAGE / 8];
};

struct ports {
	uint32_t netns;
	struct page *pages[PAGES];
};

struct entry {
	uint32_t position; /* of the record */
	uint32_t next; /* same port, + 1 */
	struct ports *ports;
	uint16_t port;
};

struct listeners {
	struct ports **ports; /* a namespace each */
	uint32_t count, room, last;
	struct entry *entries;
	uint32_t entry_count, entry_room;
	int64_t turned_ns; /* recent became before */
};

int listeners_new(struct listeners **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

static void free_ports(struct ports *ports)
{
	uint32_t i;

	for (i = 0; i < PAGES; i++)
		free(ports->pages[i]);
	free(ports);
}

struct listeners *listeners_free(struct listeners *listeners)
{
	uint32_t i;

	if (!listeners)
		return NULL;
	for (i = 0; i < listeners->count; i++)
		free_ports(listeners->ports[i]);
	free(listeners->ports);
	free(listeners->entries);
	free(listeners);
	return NULL;
}

static void turn(struct listeners *listeners)
{
	uint32_t i, j;

	for (i = 0; i < listeners->count; i++)
		for (j = 0; j < PAGES; j++) {
			struct page *page = listeners->ports[i]->pages[j];

			if (!page)
				continue;
			memcpy(page->before, page->recent, sizeof(page->before));
			memset(page->recent, 0, sizeof(page->recent));
		}
}

static void clear_entries(struct listeners *listeners)
{
	uint32_t i;

	for (i = 0; i < listeners->entry_count; i++) {
		const struct entry *entry = &listeners->entries[i];
		struct page *page = entry->ports->pages[entry->port / PAGE];

		page->head[entry->port % PAGE] = 0;
	}
	listeners->entry_count = 0;
}

void listeners_begin(struct listeners *listeners, int64_t now_ns)
{
	clear_entries(listeners);
	if (now_ns - listeners->turned_ns > RECENT_NS) {
		turn(listeners);
		listeners->turned_ns = now_ns;
	}
}

/* Where the namespace stands or would stand: they ascend. Sockets of one namespace come together. */
static uint32_t place_of(struct listeners *listeners, uint32_t netns)
{
	uint32_t low = 0, high = listeners->count;

	if (listeners->last < listeners->count && listeners->ports[listeners->last]->netns == netns)
		return listeners->last;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (listeners->ports[middle]->netns < netns)
			low = middle + 1;
		else
			high = middle;
	}
	listeners->last = low;
	return low;
}

/* The namespace's number, NETNS_MAX where it has none. */
static uint32_t number_of(struct listeners *listeners, uint32_t netns)
{
	uint32_t at = place_of(listeners, netns);

	return at < listeners->count && listeners->ports[at]->netns == netns ? at : NETNS_MAX;
}

void listeners_forget(struct listeners *listeners, uint32_t netns)
{
	uint32_t number = number_of(listeners, netns);

	if (number == NETNS_MAX)
		return;
	clear_entries(listeners);
	free_ports(listeners->ports[number]);
	listeners->count--;
	memmove(listeners->ports + number, listeners->ports + number + 1,
		(listeners->count - number) * sizeof(*listeners->ports));
}

/* The same, made where it is new. -ENOMEM also where there are too many. */
static int make_number(struct listeners *listeners, uint32_t netns, uint32_t *ret)
{
	struct ports *ports;

	*ret = number_of(listeners, netns);
	if (*ret < NETNS_MAX)
		return 0;
	if (listeners->count == NETNS_MAX)
		return -ENOMEM;
	if (listeners->count == listeners->room) {
		uint32_t room = MAX(listeners->room * 2, 4U);
		struct ports **more = reallocarray(listeners->ports, room, sizeof(struct ports *));

		if (!more)
			return -ENOMEM;
		listeners->ports = more;
		listeners->room = room;
	}
	ports = calloc(1, sizeof(*ports));
	if (!ports)
		return -ENOMEM;
	ports->netns = netns;
	*ret = place_of(listeners, netns);
	memmove(listeners->ports + *ret + 1, listeners->ports + *ret,
		(listeners->count - *ret) * sizeof(*listeners->ports));
	listeners->ports[*ret] = ports;
	listeners->count++;
	return 0;
}

int listeners_add(struct listeners *listeners, const struct tcpdiag_socket *sk, uint32_t position)
{
	uint32_t number = 0, slot = sk->local_port % PAGE;
	struct ports *ports;
	struct entry *entry;
	struct page **page;

	if (make_number(listeners, sk->netns, &number) < 0)
		return -ENOMEM;
	ports = listeners->ports[number];
	page = &ports->pages[sk->local_port / PAGE];
	if (!*page)
		*page = calloc(1, sizeof(**page));
	if (!*page)
		return -ENOMEM;
	if (listeners->entry_count == listeners->entry_room) {
		uint32_t room = MAX(listeners->entry_room * 2, 64U);
		struct entry *more = reallocarray(listeners->entries, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		listeners->entries = more;
		listeners->entry_room = room;
	}
	entry = &listeners->entries[listeners->entry_count++];
	*entry = (struct entry){ .position = position,
				 .next = (*page)->head[slot],
				 .ports = ports,
				 .port = sk->local_port };
	(*page)->head[slot] = listeners->entry_count;
	(*page)->ever[slot / 8] |= (uint8_t)(1U << slot % 8);
	(*page)->recent[slot / 8] |= (uint8_t)(1U << slot % 8);
	return 0;
}

static const struct page *page_of(struct listeners *listeners, const struct tcpdiag_socket *sk)
{
	uint32_t number = number_of(listeners, sk->netns);

	return number < NETNS_MAX ? listeners->ports[number]->pages[sk->local_port / PAGE] : NULL;
}

static bool is_any(const struct tcpdiag_socket *listener)
{
	static const uint8_t any[16], any4[16] = { [10] = 0xff, [11] = 0xff };

	return !memcmp(listener->local, any, sizeof(any)) ||
	       !memcmp(listener->local, any4, sizeof(any4));
}

/* How well a listener fits; 0: not at all. inet_hashtables.c:compute_score(), without devices. */
static int score(const struct tcpdiag_socket *listener, const struct tcpdiag_socket *sk)
{
	int points = listener->mptcp == sk->mptcp;

	if (!memcmp(listener->local, sk->local, sizeof(sk->local)))
		return points + 7;
	if (!is_any(listener))
		return 0;
	if (listener->family == sk->family)
		return points + 5;
	return listener->family == AF_INET6 && !listener->v6only ? points + 3 : 0;
}

uint32_t listeners_find(struct listeners *listeners, const struct record *records,
			const struct tcpdiag_socket *sk)
{
	const struct page *page = page_of(listeners, sk);
	uint32_t best = RECORD_NONE, at;
	int best_score = 0;

	for (at = page ? page->head[sk->local_port % PAGE] : 0; at;) {
		const struct entry *entry = &listeners->entries[at - 1];
		int fit = score(&records[entry->position].sk, sk);

		/* Of equal ones (SO_REUSEPORT) the first of the dump, so that it stays the same. */
		if (fit >= best_score && fit) {
			best = entry->position;
			best_score = fit;
		}
		at = entry->next;
	}
	return best;
}

static bool in_range(uint16_t port, const uint16_t range[2])
{
	return port >= range[0] && port <= range[1];
}

bool listeners_had(struct listeners *listeners, const struct tcpdiag_socket *sk,
		   const uint16_t range[2])
{
	const struct page *page = page_of(listeners, sk);
	uint32_t slot = sk->local_port % PAGE;
	uint8_t bits;

	if (!page)
		return false;
	bits = page->recent[slot / 8] | page->before[slot / 8];
	if (range[1] && !in_range(sk->local_port, range))
		bits |= page->ever[slot / 8];
	return bits >> slot % 8 & 1;
}

enum direction direction_of(struct listeners *listeners, const struct tcpdiag_socket *sk,
			    uint32_t listener, const uint16_t range[2], bool complete)
{
	/* A dead connection keeps its ends. */
	if (sk->state == TCPDIAG_LISTEN || sk->state == TCPDIAG_BOUND_INACTIVE ||
	    (sk->state == TCPDIAG_CLOSE && !sk->remote_port))
		return DIRECTION_UNKNOWN;
	if (sk->state == TCPDIAG_SYN_SENT)
		return DIRECTION_OUTBOUND;
	if (sk->kind == TCPDIAG_KIND_REQUEST || sk->attachment == TCPDIAG_UNACCEPTED ||
	    listener != RECORD_NONE || listeners_had(listeners, sk, range))
		return DIRECTION_INBOUND;
	/* A port that the kernel gives to clients, and nobody listened there. */
	if (complete && range[1] && in_range(sk->local_port, range))
		return DIRECTION_OUTBOUND;
	return DIRECTION_UNKNOWN;
}
