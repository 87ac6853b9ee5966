/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ring of records with two chained indices, by cookie and by the four ends. Its memory is touched as far
 * as it is filled; nothing is allocated after gone_new().
 *
 * Who connects chooses his ends, and may use the same again and again: slots follow from a key that he does not know, and
 * of a chain no more than its newest part is looked at.
 */
#include <errno.h>
#include <string.h>

#include "collector/memory.h"
#include "model/macro.h"

#define HEADS 8192U /* a power of two */
#define CHAIN_MAX 64U

enum { BY_COOKIE = 0, BY_ENDS, INDICES };

struct entry {
	struct record record;
	int64_t when_ns; /* 0: free */
	uint32_t next[INDICES], before[INDICES]; /* position + 1, 0: none */
};

struct gone {
	struct hash_key key;
	uint32_t head[INDICES][HEADS]; /* position + 1, 0: empty */
	uint32_t newest; /* written next */
	struct entry entries[GONE_MAX];
};

int gone_new(const struct hash_key *key, struct gone **ret)
{
	struct gone *gone = calloc(1, sizeof(*gone));

	if (!gone)
		return -ENOMEM;
	gone->key = *key;
	*ret = gone;
	return 0;
}

struct gone *gone_free(struct gone *gone)
{
	free(gone);
	return NULL;
}

static uint32_t *head_of(struct gone *gone, const struct tcpdiag_socket *sk, int index)
{
	uint64_t words[5] = { sk->cookie, sk->netns };
	size_t count = 2;

	if (index == BY_ENDS) {
		memcpy(words, sk->local, 16);
		memcpy(words + 2, sk->remote, 16);
		words[4] = (uint64_t)sk->netns << 32 | (uint64_t)sk->local_port << 16 |
			   sk->remote_port;
		count = 5;
	}
	return &gone->head[index][keyed_hash(&gone->key, words, count) % HEADS];
}

static bool same_ends(const struct tcpdiag_socket *a, const struct tcpdiag_socket *b)
{
	return a->netns == b->netns && a->local_port == b->local_port &&
	       a->remote_port == b->remote_port && a->mptcp == b->mptcp &&
	       !memcmp(a->local, b->local, sizeof(a->local)) &&
	       !memcmp(a->remote, b->remote, sizeof(a->remote));
}

static void unlink_entry(struct gone *gone, uint32_t position)
{
	struct entry *entry = &gone->entries[position];
	int i;

	if (!entry->when_ns)
		return;
	for (i = 0; i < INDICES; i++) {
		if (entry->next[i])
			gone->entries[entry->next[i] - 1].before[i] = entry->before[i];
		if (entry->before[i])
			gone->entries[entry->before[i] - 1].next[i] = entry->next[i];
		else
			*head_of(gone, &entry->record.sk, i) = entry->next[i];
	}
	entry->when_ns = 0;
}

void gone_put(struct gone *gone, const struct record *record, int64_t now_ns)
{
	uint32_t position = gone->newest;
	struct entry *entry = &gone->entries[position];
	int i;

	if (record->sk.kind == TCPDIAG_KIND_REQUEST || record->sk.state == TCPDIAG_TIME_WAIT)
		return;
	gone->newest = (position + 1) % GONE_MAX;
	unlink_entry(gone, position);
	entry->record = *record;
	entry->when_ns = now_ns;
	for (i = 0; i < INDICES; i++) {
		uint32_t *head = head_of(gone, &record->sk, i);

		entry->before[i] = 0;
		entry->next[i] = *head;
		if (*head)
			gone->entries[*head - 1].before[i] = position + 1;
		*head = position + 1;
	}
}

/* States from which a socket becomes a timewait minisocket. */
static bool may_have_become_timewait(const struct tcpdiag_socket *sk)
{
	return sk->kind == TCPDIAG_KIND_FULL &&
	       (TCPDIAG_STATE_BIT(sk->state) &
		(TCPDIAG_STATE_BIT(TCPDIAG_ESTABLISHED) | TCPDIAG_STATE_BIT(TCPDIAG_FIN_WAIT1) |
		 TCPDIAG_STATE_BIT(TCPDIAG_FIN_WAIT2) | TCPDIAG_STATE_BIT(TCPDIAG_CLOSING)));
}

struct record *gone_find(struct gone *gone, const struct tcpdiag_socket *sk, int64_t oldest_ns)
{
	int indices = sk->kind == TCPDIAG_KIND_TIMEWAIT ? INDICES : 1, i;

	for (i = 0; i < indices; i++) {
		uint32_t at = *head_of(gone, sk, i), tries;

		for (tries = 0; at && tries < CHAIN_MAX;
		     tries++, at = gone->entries[at - 1].next[i]) {
			struct entry *entry = &gone->entries[at - 1];
			const struct tcpdiag_socket *was = &entry->record.sk;

			/* A cookie is never given twice; ports are. */
			if (i == BY_ENDS && entry->when_ns < oldest_ns)
				continue;
			if (i == BY_COOKIE ? was->cookie != sk->cookie || was->netns != sk->netns
					   : !same_ends(was, sk) || !may_have_become_timewait(was))
				continue;
			unlink_entry(gone, at - 1);
			return &entry->record;
		}
	}
	return NULL;
}

struct record *gone_next(struct gone *gone, uint32_t *cursor)
{
	while (*cursor < GONE_MAX) {
		struct entry *entry = &gone->entries[(*cursor)++];

		if (entry->when_ns)
			return &entry->record;
	}
	return NULL;
}
