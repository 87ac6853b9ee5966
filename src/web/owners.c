/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One walk over the records, one row an owner.
 *
 * Processes are mapped to their owner first: those of one unit share a row. Strings are stored once in
 * a snapshot, so that equal units have equal offsets.
 */
#include <errno.h>

#include "model/macro.h"

#include "web/owners.h"

struct walk {
	const struct snapshot *snapshot;
	struct owner *rows;
	uint32_t *row_of; /* by process */
	uint32_t count, strangers, strangers_rst;
};

struct unit_key {
	uint32_t unit, process;
};

static int compare_keys(const void *a, const void *b)
{
	const struct unit_key *x = a, *y = b;

	if (x->unit != y->unit)
		return x->unit < y->unit ? -1 : 1;
	return (x->process > y->process) - (x->process < y->process);
}

static int map_processes(struct walk *walk)
{
	const struct snapshot *snapshot = walk->snapshot;
	_cleanup_free_ struct unit_key *keys = NULL;
	uint32_t i;

	keys = calloc(snapshot->process_count + 1U, sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	for (i = 0; i < snapshot->process_count; i++)
		keys[i] = (struct unit_key){ snapshot->processes[i].unit, i };
	qsort(keys, snapshot->process_count, sizeof(*keys), compare_keys);
	for (i = 0; i < snapshot->process_count; i++) {
		if (!i || !keys[i].unit || keys[i].unit != keys[i - 1].unit)
			walk->rows[walk->count++] = (struct owner){ .unit = keys[i].unit,
								    .process = keys[i].process };
		walk->rows[walk->count - 1].processes++;
		walk->row_of[keys[i].process] = walk->count - 1;
	}
	return 0;
}

static struct owner *owner_of(struct walk *walk, uint32_t process)
{
	return process < walk->snapshot->process_count ? &walk->rows[walk->row_of[process]] : NULL;
}

/* The one owner of all its descriptors, or NULL. */
static struct owner *sole_owner(struct walk *walk, const struct record *record)
{
	const struct holder *holders;
	struct owner *owner;
	uint32_t count, i;

	holders = snapshot_holders(walk->snapshot, record, &count);
	if (!count)
		return NULL;
	owner = owner_of(walk, holders[0].process);
	for (i = 1; i < count && owner; i++)
		if (owner_of(walk, holders[i].process) != owner)
			return NULL;
	return owner;
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

static void count_reset(const struct snapshot *snapshot, struct owner *owner,
			const struct record *record)
{
	const struct tcpdiag_socket *sk = &record->sk;

	if (tcpdiag_peer_finished(sk))
		owner->rst_done++;
	else
		owner->rst_live++;
	/* The queue of an MPTCP socket counts memory: how many bytes those are is not known. */
	if (!sk->mptcp)
		owner->lost_bytes += (uint64_t)tcpdiag_unread_bytes(sk) + tcpdiag_unsent_bytes(sk);
	if (record->close_rule == TCPDIAG_RULE_CLOSE_LINGER_ZERO) {
		owner->linger_zero++;
		owner->linger_inherited += listener_resets(snapshot, record);
	}
}

static void count_held(const struct snapshot *snapshot, struct owner *owner,
		       const struct record *record)
{
	const struct tcpdiag_socket *sk = &record->sk;

	/* An MPTCP socket is the one to count, not its connections; a listener's queue stands in its TCP row. */
	if (sk->state == TCPDIAG_LISTEN ? sk->mptcp : sk->mptcp_subflow)
		return;
	owner->sockets++;
	owner->close_wait += sk->state == TCPDIAG_CLOSE_WAIT;
	owner->fin_wait_2 += sk->state == TCPDIAG_FIN_WAIT2;
	if (sk->state == TCPDIAG_LISTEN) {
		owner->waiting += sk->rqueue;
		return;
	}
	if (record->close_segment == TCPDIAG_SEGMENT_FIN) {
		owner->fin++;
		owner->uncertain += !(sk->known & TCPDIAG_KNOWS_LINGER);
	} else if (record->close_segment == TCPDIAG_SEGMENT_RST) {
		count_reset(snapshot, owner, record);
	}
}

static void count_record(struct walk *walk, const struct record *record)
{
	const struct snapshot *snapshot = walk->snapshot;
	struct owner *owner;

	if (record->sk.attachment == TCPDIAG_HELD && !record->holders) {
		walk->strangers += !record->sk.mptcp_subflow;
		walk->strangers_rst += record->close_segment == TCPDIAG_SEGMENT_RST;
	} else if (record->sk.attachment == TCPDIAG_HELD) {
		owner = sole_owner(walk, record);
		if (owner)
			count_held(snapshot, owner, record);
	} else if (record->sk.attachment == TCPDIAG_ORPHAN) {
		owner = owner_of(walk, record->creator);
		if (owner)
			owner->orphans++;
	} else if (record->sk.attachment == TCPDIAG_UNACCEPTED &&
		   record->listener < snapshot->record_count) {
		owner = sole_owner(walk, &snapshot->records[record->listener]);
		if (owner)
			owner->unaccepted++;
	}
}

int owners_count(const struct snapshot *snapshot, struct owners *ret)
{
	struct walk walk = { .snapshot = snapshot };
	uint32_t i;
	int r = -ENOMEM;

	walk.rows = calloc(snapshot->process_count + 1U, sizeof(*walk.rows));
	walk.row_of = calloc(snapshot->process_count + 1U, sizeof(*walk.row_of));
	if (walk.rows && walk.row_of)
		r = map_processes(&walk);
	for (i = 0; r >= 0 && i < snapshot->record_count; i++)
		count_record(&walk, &snapshot->records[i]);
	free(walk.row_of);
	if (r < 0) {
		free(walk.rows);
		return r;
	}
	*ret = (struct owners){ walk.rows, walk.count, walk.strangers, walk.strangers_rst };
	return 0;
}

void owners_done(struct owners *owners)
{
	free(owners->rows);
	*owners = (struct owners){ 0 };
}

const char *owner_name(const struct snapshot *snapshot, const struct owner *owner)
{
	const struct process *process = snapshot_process(snapshot, owner->process);
	const char *unit = snapshot_text(snapshot, owner->unit);

	return *unit ? unit : process ? snapshot_text(snapshot, process->comm) : "";
}
