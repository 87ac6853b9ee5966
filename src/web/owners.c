/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One walk over the records, one row an owner; then the pairs inside of an owner (owners_pairs.c).
 *
 * Processes are mapped to their owner first: those of one unit share a row. Strings are stored once in
 * a snapshot, so that equal units have equal offsets.
 *
 * A socket that no holder is seen of may be anybody's in its network namespace, and a new one has none until
 * descriptors are looked at again (owners_strangers.c). One that came in through a listener belongs to who holds
 * that, and leaves the others' sums alone.
 */
#include <errno.h>
#include <string.h>

#include "model/macro.h"

#include "web/owners.h"
#include "web/pieces.h"

struct walk {
	const struct snapshot *snapshot;
	struct owners owners;
	uint32_t stamp;
	bool homeless; /* there are strangers that no listener's holders answer for */
};

struct key {
	uint32_t name, process;
};

/* ---- processes ---- */

static uint32_t name_of(const struct process *process, enum owner_kind kind)
{
	switch (kind) {
	case OWNER_PROGRAM:
	case OWNER_UNIT:
		return process->unit;
	case OWNER_CONTAINER:
		return process->container;
	default:
		return 0;
	}
}

static bool wanted(const struct snapshot *snapshot, const struct process *process,
		   const struct owner_query *query)
{
	const char *name = snapshot_text(snapshot, name_of(process, query->kind));

	if (query->pid && process->pid != query->pid)
		return false;
	if (!*name)
		return query->kind == OWNER_PROGRAM || query->kind == OWNER_PROCESS;
	if (!query->name)
		return true;
	if (query->kind == OWNER_CONTAINER)
		return container_matches(snapshot, process, query->name, strlen(query->name));
	return unit_matches(name, query->name);
}

static int compare_keys(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	if (x->name != y->name)
		return x->name < y->name ? -1 : 1;
	return (x->process > y->process) - (x->process < y->process);
}

/* A namespace whose sockets are not in the snapshot. */
static bool unread(const struct snapshot *snapshot, uint32_t netns)
{
	const struct namespace *row = snapshot_namespace(snapshot, netns);

	if (!netns || netns == snapshot->header->netns)
		return false;
	return !row || !row->sweep_ns || row->state == SOURCE_FAILED;
}

static int map_processes(struct walk *walk, const struct owner_query *query)
{
	const struct snapshot *snapshot = walk->snapshot;
	struct owners *owners = &walk->owners;
	_cleanup_free_ struct key *keys = NULL;
	uint32_t count = 0, i;

	keys = calloc(snapshot->process_count + 1U, sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	for (i = 0; i < snapshot->process_count; i++) {
		owners->row_of[i] = RECORD_NONE;
		if (wanted(snapshot, &snapshot->processes[i], query))
			keys[count++] = (struct key){ name_of(&snapshot->processes[i], query->kind),
						      i };
	}
	qsort(keys, count, sizeof(*keys), compare_keys);
	for (i = 0; i < count; i++) {
		struct owner *owner;

		if (!i || !keys[i].name || keys[i].name != keys[i - 1].name)
			owners->rows[owners->count++] =
				(struct owner){ .name = keys[i].name, .process = keys[i].process };
		owner = &owners->rows[owners->count - 1];
		owner->processes++;
		owner->exit.count[EXIT_DOUBT_NAMESPACE] +=
			unread(snapshot, snapshot->processes[keys[i].process].netns);
		owners->row_of[keys[i].process] = owners->count - 1;
	}
	return 0;
}

/* ---- records ---- */

static uint32_t row_of(const struct owners *owners, const struct snapshot *snapshot,
		       uint32_t process)
{
	return process < snapshot->process_count ? owners->row_of[process] : RECORD_NONE;
}

uint32_t owners_sole(const struct owners *owners, const struct snapshot *snapshot,
		     const struct record *record)
{
	const struct holder *holders;
	uint32_t count, i, row;

	holders = snapshot_holders(snapshot, record, &count);
	if (!count)
		return RECORD_NONE;
	row = row_of(owners, snapshot, holders[0].process);
	for (i = 1; i < count && row != RECORD_NONE; i++)
		if (row_of(owners, snapshot, holders[i].process) != row)
			return RECORD_NONE;
	return row;
}

/* A connection begins with the settings of its listener. */
static bool listener_resets(const struct snapshot *snapshot, const struct record *record)
{
	const struct tcpdiag_socket *listener;

	if (record->listener >= snapshot->record_count)
		return false;
	listener = &snapshot->records[record->listener].sk;
	return listener->known & TCPDIAG_KNOWS_LINGER && listener->linger &&
	       !listener->sk_lingertime_ms;
}

void owners_add_record(struct exit_sums *sums, const struct snapshot *snapshot,
		       const struct record *record)
{
	struct exit_sums one = {};

	exit_add(&one, &record->sk, record->direction, snapshot_environment(snapshot, record));
	if (!(record->flags & RECORD_OWNERS_KNOWN))
		exit_unsure(&one);
	exit_merge(sums, &one, 1);
}

static void count_alone(const struct snapshot *snapshot, struct owner *owner,
			const struct record *record)
{
	const struct tcpdiag_environment *env = snapshot_environment(snapshot, record);
	const struct tcpdiag_socket *sk = &record->sk;

	owners_add_record(&owner->exit, snapshot, record);
	/* One without a connection ends without a word, whoever has it. */
	if (!(record->flags & RECORD_OWNERS_KNOWN) && sk->state != TCPDIAG_CLOSE &&
	    sk->state != TCPDIAG_BOUND_INACTIVE)
		exit_add_unseen(&owner->exit, sk, env);
	if (record->close_segment == TCPDIAG_SEGMENT_RST &&
	    record->close_rule == TCPDIAG_RULE_CLOSE_LINGER_ZERO) {
		owner->linger_zero++;
		owner->linger_inherited += listener_resets(snapshot, record);
	}
}

static void count_held(struct walk *walk, const struct record *record)
{
	struct owners *owners = &walk->owners;
	const struct holder *holders;
	uint32_t sole = owners_sole(owners, walk->snapshot, record), count, i;

	holders = snapshot_holders(walk->snapshot, record, &count);
	walk->stamp++;
	for (i = 0; i < count; i++) {
		uint32_t row = row_of(owners, walk->snapshot, holders[i].process);
		struct owner *owner;

		if (row == RECORD_NONE || owners->rows[row].stamp == walk->stamp)
			continue;
		owner = &owners->rows[row];
		owner->stamp = walk->stamp;
		owner->held++;
		if (record->sk.state < TCPDIAG_STATE_MAX)
			owner->sockets[record->sk.state]++;
		if (row == sole)
			count_alone(walk->snapshot, owner, record);
		else
			owner->exit.count[EXIT_SURVIVE]++;
	}
}

static void count_stranger(struct walk *walk, const struct record *record)
{
	const struct snapshot *snapshot = walk->snapshot;
	const struct tcpdiag_environment *env = snapshot_environment(snapshot, record);
	struct owners *owners = &walk->owners;
	const struct holder *holders = NULL;
	uint32_t count = 0, i;

	owners->strangers++;
	owners->strangers_rst += record->close_segment == TCPDIAG_SEGMENT_RST;
	if (record->direction == DIRECTION_INBOUND && record->listener < snapshot->record_count)
		holders = snapshot_holders(snapshot, &snapshot->records[record->listener], &count);
	if (!count) {
		walk->homeless = true;
		return;
	}
	walk->stamp++;
	for (i = 0; i < count; i++) {
		uint32_t row = row_of(owners, snapshot, holders[i].process);

		if (row == RECORD_NONE || owners->rows[row].stamp == walk->stamp)
			continue;
		owners->rows[row].stamp = walk->stamp;
		exit_add_unseen(&owners->rows[row].exit, &record->sk, env);
	}
}

static void count_record(struct walk *walk, const struct record *record)
{
	const struct snapshot *snapshot = walk->snapshot;
	struct owners *owners = &walk->owners;
	uint32_t row = RECORD_NONE;

	if (exit_counts(&record->sk)) {
		if (record->holders)
			count_held(walk, record);
		else
			count_stranger(walk, record);
	} else if (record->sk.attachment == TCPDIAG_ORPHAN) {
		row = row_of(owners, snapshot, record->creator);
		if (row != RECORD_NONE)
			owners->rows[row].orphans++;
	} else if (record->sk.attachment == TCPDIAG_UNACCEPTED &&
		   record->listener < snapshot->record_count) {
		row = owners_sole(owners, snapshot, &snapshot->records[record->listener]);
		if (row != RECORD_NONE)
			owners->rows[row].unaccepted++;
	}
}

/* Sockets that are in no record. */
static void doubt_sources(struct walk *walk)
{
	const struct snapshot *snapshot = walk->snapshot;
	bool complete = false;
	uint32_t i;

	for (i = 0; i < snapshot->source_count; i++) {
		const struct source *source = &snapshot->sources[i];

		if (source->id == SOURCE_SOCK_DIAG)
			complete = source->state == SOURCE_OK;
	}
	if (!complete || snapshot->header->limits[LIMIT_SOCKETS])
		walk->owners.anyone.count[EXIT_DOUBT_SOURCE]++;
}

int owners_count(const struct snapshot *snapshot, const struct owner_query *query,
		 struct owners *ret)
{
	struct walk walk = { .snapshot = snapshot };
	uint32_t i;
	int r = -ENOMEM;

	walk.owners.rows = calloc(snapshot->process_count + 1U, sizeof(*walk.owners.rows));
	walk.owners.row_of = calloc(snapshot->process_count + 1U, sizeof(*walk.owners.row_of));
	if (walk.owners.rows && walk.owners.row_of)
		r = map_processes(&walk, query);
	for (i = 0; r >= 0 && i < snapshot->record_count; i++)
		count_record(&walk, &snapshot->records[i]);
	if (r >= 0) {
		doubt_sources(&walk);
		r = owners_pairs(&walk.owners, snapshot);
	}
	if (r >= 0 && walk.homeless)
		r = owners_strangers(&walk.owners, snapshot);
	if (r < 0) {
		owners_done(&walk.owners);
		return r;
	}
	*ret = walk.owners;
	return 0;
}

void owners_done(struct owners *owners)
{
	free(owners->rows);
	free(owners->row_of);
	*owners = (struct owners){ 0 };
}

const char *owner_name(const struct snapshot *snapshot, const struct owner *owner)
{
	const struct process *process = snapshot_process(snapshot, owner->process);
	const char *name = snapshot_text(snapshot, owner->name);

	return *name ? name : process ? snapshot_text(snapshot, process->comm) : "";
}

struct exit_sums owner_exit(const struct owners *owners, const struct owner *owner)
{
	struct exit_sums sums = owner->exit;

	exit_merge(&sums, &owners->anyone, 1);
	return sums;
}
