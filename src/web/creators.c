/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Counted by process while the records pass by, then by name. Strings are stored once in a snapshot, so that
 * equal units have equal offsets. What was gone before a pass over the owners has seen it, or came while nobody
 * looked, has no creator: it is counted beside, and laid to nobody.
 */
#include <errno.h>

#include "web/creators.h"
#include "web/pieces.h"

#define SHOWN_MAX 20U

/* An orphan is in one of these. */
static const uint8_t states[] = { TCPDIAG_FIN_WAIT1, TCPDIAG_FIN_WAIT2, TCPDIAG_LAST_ACK,
				  TCPDIAG_CLOSING };

struct left {
	uint32_t count;
	uint32_t state[ARRAY_SIZE(states)];
	uint64_t bytes; /* that the kernel still has to deliver */
};

struct creator {
	uint32_t unit, container; /* strings; both 0: one process */
	uint32_t process, processes; /* row of the first, how many */
	struct left left;
};

static void count(struct left *left, const struct tcpdiag_socket *sk)
{
	left->count++;
	left->bytes += (uint64_t)tcpdiag_unacked_bytes(sk) + tcpdiag_unsent_bytes(sk);
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		left->state[i] += sk->state == states[i];
}

static void add(struct left *to, const struct left *from)
{
	to->count += from->count;
	to->bytes += from->bytes;
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		to->state[i] += from->state[i];
}

static void print_left(struct emitter *j, const struct left *left)
{
	emit_u64(j, "count", left->count);
	emit_object(j, "states");
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		emit_u64(j, tcpdiag_state_name((enum tcpdiag_state)states[i]), left->state[i]);
	emit_end(j, '}');
	emit_u64(j, "bytes", left->bytes);
}

static int compare_names(const void *a, const void *b)
{
	const struct creator *x = a, *y = b;

	if (x->unit != y->unit)
		return x->unit < y->unit ? -1 : 1;
	if (x->container != y->container)
		return x->container < y->container ? -1 : 1;
	return (x->process > y->process) - (x->process < y->process);
}

static int compare_counts(const void *a, const void *b)
{
	const struct creator *x = a, *y = b;

	if (x->left.count != y->left.count)
		return x->left.count < y->left.count ? 1 : -1;
	return (x->process > y->process) - (x->process < y->process);
}

static bool same(const struct creator *a, const struct creator *b)
{
	return (a->unit || a->container) && a->unit == b->unit && a->container == b->container;
}

/* One row a process. What nobody is known to have left goes to the row behind them. */
static void count_all(const struct snapshot *snapshot, struct creator *rows)
{
	for (uint32_t i = 0; i < snapshot->process_count; i++)
		rows[i] = (struct creator){
			.unit = snapshot->processes[i].unit,
			.container = snapshot->processes[i].container,
			.process = i,
			.processes = 1,
		};
	for (uint32_t i = 0; i < snapshot->record_count; i++) {
		const struct record *record = &snapshot->records[i];

		if (record->sk.attachment == TCPDIAG_ORPHAN)
			count(&rows[MIN(record->creator, snapshot->process_count)].left,
			      &record->sk);
	}
}

/* One row a creator, most first. Return: how many. */
static uint32_t group(struct creator *rows, uint32_t processes)
{
	uint32_t have = 0, kept = 0;

	for (uint32_t i = 0; i < processes; i++)
		if (rows[i].left.count)
			rows[have++] = rows[i];
	qsort(rows, have, sizeof(*rows), compare_names);
	for (uint32_t i = 0; i < have; i++) {
		if (kept && same(&rows[kept - 1], &rows[i])) {
			rows[kept - 1].processes++;
			add(&rows[kept - 1].left, &rows[i].left);
		} else {
			rows[kept++] = rows[i];
		}
	}
	qsort(rows, kept, sizeof(*rows), compare_counts);
	return kept;
}

static void print_creator(struct emitter *j, const struct snapshot *snapshot,
			  const struct creator *creator)
{
	const struct process *process = &snapshot->processes[creator->process];

	emit_object(j, NULL);
	emit_text(j, "unit", snapshot_text(snapshot, creator->unit));
	emit_text(j, "container", snapshot_text(snapshot, creator->container));
	emit_text(j, "container_name", snapshot_text(snapshot, process->container_title));
	emit_u64(j, "processes", creator->processes);
	emit_u64(j, "pid", (uint64_t)MAX(process->pid, 0));
	emit_text(j, "comm", snapshot_text(snapshot, process->comm));
	print_left(j, &creator->left);
	emit_end(j, '}');
}

int creators_print(struct emitter *j, const struct snapshot *snapshot)
{
	_cleanup_free_ struct creator *rows = NULL;
	uint32_t creators, i;
	struct left unknown, seen;

	rows = calloc(snapshot->process_count + 1U, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	count_all(snapshot, rows);
	seen = unknown = rows[snapshot->process_count].left;
	creators = group(rows, snapshot->process_count);
	for (i = 0; i < creators; i++)
		add(&seen, &rows[i].left);
	emit_u64(j, "seen", seen.count);
	emit_array(j, "creators");
	for (i = 0; i < MIN(creators, SHOWN_MAX); i++)
		print_creator(j, snapshot, &rows[i]);
	emit_end(j, ']');
	emit_u64(j, "creators_total", creators);
	emit_object(j, "unknown_creator");
	print_left(j, &unknown);
	emit_end(j, '}');
	return 0;
}

void creators_print_unknown(struct emitter *j)
{
	emit_null(j, "seen");
	emit_null(j, "creators");
	emit_null(j, "creators_total");
	emit_null(j, "unknown_creator");
}
