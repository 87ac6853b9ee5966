/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Counting is exact for processes, by row, and for remote addresses as long as these are not too many.
 *
 * Who has read the end of file is told by the queue of an end in CLOSE-WAIT (net/ipv4/tcp.c:
 * tcp_recvmsg()): as in close-wait-leak.
 */
#include "rules/others.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/keyed_hash.h"
#include "rules/family.h"

#define SLOTS (2 * OTHERS_ADDRESSES)
#define TRIES_MAX 64U /* who has many addresses can choose them */

static int grow(uint32_t **array, uint32_t *room, uint32_t wanted)
{
	uint32_t *more;

	if (wanted <= *room)
		return 0;
	more = reallocarray(*array, wanted, sizeof(*more));
	if (!more)
		return -ENOMEM;
	*array = more;
	*room = wanted;
	return 0;
}

static int make_room(struct others_index *index, uint32_t marks, uint32_t tallies,
		     uint32_t processes)
{
	uint32_t counted = index->counted_room;

	if (!index->slots)
		index->slots = calloc(SLOTS, sizeof(*index->slots));
	if (!index->touched)
		index->touched = calloc(OTHERS_ADDRESSES, sizeof(*index->touched));
	if (!index->slots || !index->touched ||
	    grow(&index->starts, &index->start_room, tallies + 2) < 0 ||
	    grow(&index->order, &index->order_room, MAX(marks, 1U)) < 0 ||
	    grow(&index->counted, &index->counted_room, MAX(processes, 1U)) < 0)
		return -ENOMEM;
	memset(index->counted + counted, 0,
	       (index->counted_room - counted) * sizeof(*index->counted));
	return 0;
}

/* A counting sort; the starts stand one place ahead until all have been put down. */
int others_prepare(struct others_index *index, const struct marked *marks, uint32_t mark_count,
		   uint32_t tallies, uint32_t processes)
{
	uint32_t i;

	index->tallies = 0;
	if (make_room(index, mark_count, tallies, processes) < 0)
		return -ENOMEM;
	memset(index->starts, 0, (tallies + 2) * sizeof(*index->starts));
	for (i = 0; i < mark_count; i++)
		index->starts[marks[i].tally + 2]++;
	for (i = 2; i < tallies + 2; i++)
		index->starts[i] += index->starts[i - 1];
	for (i = 0; i < mark_count; i++)
		index->order[index->starts[marks[i].tally + 1]++] = i;
	index->tallies = tallies;
	return 0;
}

void others_done(struct others_index *index)
{
	free(index->starts);
	free(index->order);
	free(index->counted);
	free(index->slots);
	free(index->touched);
	*index = (struct others_index){};
}

/* ---- one tally ---- */

struct walk {
	const struct round *round;
	struct others_index *index;
	struct others *others;
	const struct tally *tally;
	const uint32_t *marks;
	uint32_t count;
};

/* The record of a mark that the finding counts; NULL for one that it does not. */
static const struct record *counted_record(const struct walk *walk, uint32_t i)
{
	const struct marked *mark = &walk->round->marks[walk->marks[i]];

	if (mark->level > walk->tally->parts[mark->part].condition.severity)
		return NULL;
	return &walk->round->records[mark->record];
}

static const struct record *peer_of(const struct round *round, const struct record *record)
{
	return record->peer < round->record_count ? &round->records[record->peer] : NULL;
}

static void add_close_wait(struct others *others, const struct tcpdiag_socket *sk)
{
	uint32_t unread = tcpdiag_unread_bytes(sk);

	if (sk->attachment == TCPDIAG_UNACCEPTED)
		others->unaccepted++;
	else if (sk->mptcp_subflow)
		return; /* its queues say nothing */
	else if (unread)
		others->data_unread++;
	else if (sk->rqueue)
		others->eof_unread++;
	else
		others->eof_read++;
}

static void add_here(struct walk *walk, const struct record *peer)
{
	struct others *others = walk->others;
	uint32_t row = round_process(walk->round, peer);

	others->here++;
	others->unread_bytes += peer->sk.mptcp_subflow ? 0 : tcpdiag_unread_bytes(&peer->sk);
	if (peer->sk.state == TCPDIAG_CLOSE_WAIT)
		add_close_wait(others, &peer->sk);
	else if (peer->sk.state == TCPDIAG_LAST_ACK || peer->sk.state == TCPDIAG_CLOSING)
		others->finishing++;
	if (row == RECORD_NONE)
		return;
	others->processes += !walk->index->counted[row];
	walk->index->counted[row]++;
	if (walk->index->counted[row] > others->process_count) {
		others->process_count = walk->index->counted[row];
		others->process = row;
	}
}

static void add_remote(struct walk *walk, const uint8_t address[static 16])
{
	struct others *others = walk->others;
	struct remote_count *slots = walk->index->slots;
	static const struct hash_key no_key;
	uint64_t words[2];
	uint32_t slot, tries;

	memcpy(words, address, 16);
	slot = (uint32_t)keyed_hash(&no_key, words, ARRAY_SIZE(words)) % SLOTS;
	for (tries = 0; slots[slot].count && memcmp(slots[slot].address, address, 16) != 0;
	     tries++) {
		if (tries == TRIES_MAX) {
			others->more_addresses = true;
			return;
		}
		slot = (slot + 1) % SLOTS;
	}
	if (!slots[slot].count) {
		if (others->addresses == OTHERS_ADDRESSES) {
			others->more_addresses = true;
			return;
		}
		memcpy(slots[slot].address, address, 16);
		walk->index->touched[others->addresses++] = (uint16_t)slot;
	}
	slots[slot].count++;
}

static void keep_remotes(struct others *others, const struct remote_count *remote)
{
	unsigned int i, k;

	for (i = 0; i < OTHERS_REMOTES; i++)
		if (remote->count > others->remotes[i].count)
			break;
	if (i == OTHERS_REMOTES)
		return;
	for (k = OTHERS_REMOTES - 1; k > i; k--)
		others->remotes[k] = others->remotes[k - 1];
	others->remotes[i] = *remote;
}

/* Of those that the first process has, the one that is longest in its state. */
static void find_example(const struct walk *walk)
{
	struct others *others = walk->others;
	int64_t since = INT64_MAX;
	uint32_t i;

	for (i = 0; others->process != RECORD_NONE && i < walk->count; i++) {
		const struct record *record = counted_record(walk, i), *peer;

		peer = record ? peer_of(walk->round, record) : NULL;
		if (!peer || peer->state_since_ns >= since ||
		    round_process(walk->round, peer) != others->process)
			continue;
		since = peer->state_since_ns;
		others->example = record->peer;
	}
}

static void clean_up(const struct walk *walk)
{
	struct others_index *index = walk->index;
	uint32_t i;

	for (i = 0; i < walk->count; i++) {
		const struct record *record = counted_record(walk, i), *peer;
		uint32_t row;

		peer = record ? peer_of(walk->round, record) : NULL;
		row = peer ? round_process(walk->round, peer) : RECORD_NONE;
		if (row != RECORD_NONE)
			index->counted[row] = 0;
	}
	for (i = 0; i < walk->others->addresses; i++) {
		keep_remotes(walk->others, &index->slots[index->touched[i]]);
		index->slots[index->touched[i]].count = 0;
	}
}

void others_gather(const struct round *round, const struct tally *tally, struct others *ret)
{
	struct walk walk = {
		.round = round, .index = round->others, .others = ret, .tally = tally
	};
	uint32_t number = (uint32_t)(tally - round->tallies->rows), i;

	*ret = (struct others){ .process = RECORD_NONE, .example = RECORD_NONE };
	if (number >= walk.index->tallies)
		return;
	walk.marks = walk.index->order + walk.index->starts[number];
	walk.count = walk.index->starts[number + 1] - walk.index->starts[number];
	for (i = 0; i < walk.count; i++) {
		const struct record *record = counted_record(&walk, i), *peer;

		if (!record)
			continue;
		ret->retransmits = MAX(ret->retransmits, (uint32_t)record->sk.retransmits);
		peer = peer_of(round, record);
		if (peer) {
			add_here(&walk, peer);
		} else if (record->peer_unknown == PEER_NOT_HERE ||
			   record->peer_unknown == PEER_NOT_SEEN) {
			ret->unseen |= record->peer_unknown == PEER_NOT_SEEN;
			ret->not_here++;
			add_remote(&walk, record->sk.remote);
		} else {
			ret->unknown++;
		}
	}
	find_example(&walk);
	clean_up(&walk);
}

/* ---- words ---- */

void others_who(const struct round *round, const struct others *others, struct sentence *s)
{
	if (others->process != RECORD_NONE)
		sentence_process(round, s, &round->input->processes[others->process]);
}

void others_describe_here(const struct round *round, const struct others *others,
			  struct sentence *s)
{
	uint32_t all = others->here + others->not_here + others->unknown;

	if (!others->here)
		return;
	if (all == 1) {
		sentence_add(s, " The other end is on this machine");
	} else if (others->here == all && others->process_count == all &&
		   others->process != RECORD_NONE) {
		sentence_add(s, " All other ends are on this machine");
	} else {
		sentence_add(s, " Of the other ends ");
		sentence_number(s, others->here);
		sentence_add(s, others->here == 1 ? " is on this machine" : " are on this machine");
	}
	if (others->process != RECORD_NONE) {
		sentence_add(s, ", ");
		if (others->process_count < all) {
			sentence_number(s, others->process_count);
			sentence_add(s, " of them ");
		}
		sentence_add(s, "with ");
		others_who(round, others, s);
	}
	sentence_add(s, ".");
}

/* Without a port: those of clients say nothing. */
static void describe_address(struct sentence *s, const uint8_t address[static 16])
{
	size_t before = s->len;
	char *colon;

	sentence_address(s, address, 0);
	colon = strrchr(s->text + before, ':');
	if (!colon || colon[1] != '0' || colon[2])
		return;
	*colon = '\0';
	s->len = (size_t)(colon - s->text);
}

void others_describe_elsewhere(const struct others *others, struct sentence *s)
{
	unsigned int i;

	if (!others->not_here)
		return;
	sentence_add(s, " ");
	sentence_number(s, others->not_here);
	sentence_add(s, "%s not on this machine%s: ", others->not_here == 1 ? " is" : " are",
		     others->unseen ? ", as far as its sockets are seen" : "");
	for (i = 0; i < OTHERS_REMOTES && others->remotes[i].count; i++) {
		sentence_add(s, "%s", i ? ", " : "");
		describe_address(s, others->remotes[i].address);
		if (others->not_here == 1)
			continue;
		sentence_add(s, " (");
		sentence_number(s, others->remotes[i].count);
		sentence_add(s, ")");
	}
	if (others->addresses > OTHERS_REMOTES) {
		sentence_add(s, " and ");
		sentence_number(s, others->addresses - OTHERS_REMOTES);
		sentence_add(s, others->more_addresses ? " more or still more" : " more");
	}
	sentence_add(s, ".");
}

void others_evidence(const struct others *others, struct finding *row)
{
	evidence(row, EVIDENCE_PEERS_HERE, others->here);
	evidence(row, EVIDENCE_PEERS_NOT_HERE, others->not_here);
}
