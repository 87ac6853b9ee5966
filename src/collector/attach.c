/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Holders of each record. A socket is called unheld only when two walks in a row that began after its inode
 * was first seen have found nobody, and could read every process: then its last reference is in a message
 * under way, in a close() that lingers, or in io_uring.
 */
#include <errno.h>
#include <string.h>

#include "collector/attach.h"
#include "collector/inherit.h"
#include "collector/roster.h"
#include "collector/settings.h"
#include "model/macro.h"

#define CLOSER_ASKED_NS (60 * NSEC_PER_SEC) /* as long as a minisocket lives */
#define CLOSERS 64U

#define ROW_CUT (RECORD_NONE - 1) /* asked for once, and refused */

struct attach {
	struct roster roster;
	struct holder *holders, *before; /* of this result, and of the one before */
	uint32_t count, room, before_count;
	uint32_t *renumber; /* row before -> row now; NULL: the same */
	uint32_t renumber_count;
	struct process *rows; /* as published */
	uint32_t rows_room;

	const struct owners *owners; /* borrowed for one poll */
	uint32_t *process_rows; /* the owners' number -> row */
	uint32_t process_rows_count;
	struct attach_limits limits;
	int64_t result_ns; /* of the result in force; 0: none */
	uint16_t pass; /* its number */
	bool clean, renewed;
	bool blank; /* cleared, and no result since */
	uint64_t cut_holders;
	struct history *history; /* borrowed, may be NULL */
	bool (*closer)(void *context, const struct tcpdiag_socket *sk, struct owner_process *ret);
	void *closer_context;
	/* Rows of closers in this poll, plus 1, each place for the newest that falls on it. */
	uint32_t closers[CLOSERS];
	int64_t clock_offset_ns;
};

int attach_new(struct attach **ret)
{
	*ret = calloc(1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	(*ret)->blank = true;
	return 0;
}

struct attach *attach_free(struct attach *attach)
{
	if (!attach)
		return NULL;
	roster_done(&attach->roster);
	free(attach->holders);
	free(attach->before);
	free(attach->renumber);
	free(attach->process_rows);
	free(attach->rows);
	free(attach);
	return NULL;
}

void attach_remember(struct attach *attach, struct history *history)
{
	attach->history = history;
}

void attach_ask(struct attach *attach,
		bool (*closer)(void *context, const struct tcpdiag_socket *sk,
			       struct owner_process *ret),
		void *context)
{
	attach->closer = closer;
	attach->closer_context = context;
}

static uint32_t renumbered(const struct attach *attach, uint32_t row)
{
	if (!attach->renumber)
		return row;
	return row < attach->renumber_count ? attach->renumber[row] : RECORD_NONE;
}

static void renumber_gone(const struct attach *attach, struct gone *gone)
{
	struct record *record;
	uint32_t cursor = 0;

	while ((record = gone_next(gone, &cursor)))
		if (record->creator != RECORD_NONE)
			record->creator = renumbered(attach, record->creator);
	cursor = 0;
	while (attach->history && (record = history_next_ended(attach->history, &cursor)))
		if (record->creator != RECORD_NONE)
			record->creator = renumbered(attach, record->creator);
}

static void refer_gone(struct attach *attach, struct gone *gone)
{
	struct record *record;
	uint32_t cursor = 0;

	while ((record = gone_next(gone, &cursor)))
		roster_refer(&attach->roster, record->creator);
	cursor = 0;
	while (attach->history && (record = history_next_ended(attach->history, &cursor)))
		roster_refer(&attach->roster, record->creator);
}

void attach_clear(struct attach *attach, struct gone *gone)
{
	struct record *record;
	uint32_t cursor = 0;

	roster_done(&attach->roster);
	attach->count = attach->before_count = 0;
	attach->result_ns = 0;
	attach->renewed = false;
	attach->blank = true;
	while ((record = gone_next(gone, &cursor)))
		record->creator = RECORD_NONE;
	cursor = 0;
	while (attach->history && (record = history_next_ended(attach->history, &cursor)))
		record->creator = RECORD_NONE;
}

int attach_restore(struct attach *attach, const struct snapshot *snapshot)
{
	size_t bytes = snapshot->holder_count * sizeof(*attach->holders);
	struct holder *holders = malloc(MAX(bytes, 1U));

	if (!holders || roster_restore(&attach->roster, snapshot) < 0) {
		free(holders);
		return -ENOMEM;
	}
	if (bytes)
		memcpy(holders, snapshot->holders, bytes);
	free(attach->holders);
	attach->holders = holders;
	attach->count = attach->room = snapshot->holder_count;
	attach->blank = false;
	return 0;
}

/* A new result: rows are numbered anew, the holders begin from none. */
static int renew(struct attach *attach, struct gone *gone)
{
	uint32_t *renumber = NULL, *rows = NULL, count = 0;
	int r;

	refer_gone(attach, gone);
	r = roster_renew(&attach->roster, attach->owners, &renumber, &count, &rows);
	if (r < 0)
		return r;
	free(attach->renumber);
	free(attach->process_rows);
	attach->renumber = renumber;
	attach->renumber_count = count;
	attach->process_rows = rows;
	attach->process_rows_count = owners_process_count(attach->owners);
	free(attach->before);
	attach->before = take_ptr(attach->holders);
	attach->before_count = attach->count;
	attach->count = attach->room = 0;
	attach->blank = false;
	renumber_gone(attach, gone);
	return 0;
}

int attach_begin(struct attach *attach, const struct owners *owners, uint16_t pass, bool clean,
		 const struct attach_limits *limits, struct gone *gone)
{
	int64_t result_ns = owners ? owners_result_ns(owners) : 0;
	int r;

	memset(attach->closers, 0, sizeof(attach->closers));
	attach->owners = owners;
	attach->limits = *limits;
	attach->renewed = false;
	/* After a restart, until the first walk is complete. */
	if (!result_ns)
		attach->owners = NULL;
	if (!result_ns || result_ns == attach->result_ns) {
		free(attach->renumber);
		attach->renumber = NULL;
		free(attach->before);
		attach->before = NULL;
		attach->before_count = 0;
		roster_begin(&attach->roster);
		return 0;
	}
	r = renew(attach, gone);
	if (r < 0) {
		/* Its numbers of processes are not those of our rows. */
		attach->owners = NULL;
		return r;
	}
	attach->renewed = true;
	attach->clock_offset_ns = inherit_clock_offset();
	attach->result_ns = result_ns;
	attach->pass = pass;
	attach->clean = clean;
	roster_begin(&attach->roster);
	return 1;
}

/* The row of the process that was last known to hold it. */
static uint32_t last_holder(const struct attach *attach, const struct record *record)
{
	const struct holder *holders = attach->renewed ? attach->before : attach->holders;
	uint32_t count = attach->renewed ? attach->before_count : attach->count;
	uint32_t row = record->creator;

	if (record->holders && record->holder < count)
		row = holders[record->holder].process;
	return row == RECORD_NONE ? row : renumbered(attach, row);
}

static bool add_holder(struct attach *attach, uint32_t row, int32_t fd)
{
	if (attach->count >= attach->limits.max_holders) {
		attach->cut_holders++;
		return false;
	}
	if (attach->count == attach->room) {
		uint32_t room = MAX(attach->room * 2, 1024U);
		struct holder *more = reallocarray(attach->holders, room, sizeof(*more));

		if (!more)
			return false;
		attach->holders = more;
		attach->room = room;
	}
	attach->holders[attach->count++] = (struct holder){ .process = row, .fd = fd };
	return true;
}

/* The row of a process of the walk, made when its first TCP socket is found. */
static uint32_t row_of(struct attach *attach, uint32_t process)
{
	uint32_t *row;

	if (process >= attach->process_rows_count)
		return RECORD_NONE;
	row = &attach->process_rows[process];
	if (*row == RECORD_NONE) {
		*row = roster_add(&attach->roster, owners_process(attach->owners, process),
				  attach->limits.max_processes);
		if (*row == RECORD_NONE)
			*row = ROW_CUT;
	}
	return *row == ROW_CUT ? RECORD_NONE : *row;
}

/* Looks the inode up; false where somebody holds it whom the limits cut. */
static bool look_up(struct attach *attach, struct record *record)
{
	const struct owner *run;
	uint32_t n = owners_find(attach->owners, record->sk.inode, &run), i;
	bool complete = true;

	record->holder = attach->count;
	record->holders = 0;
	for (i = 0; i < n; i++) {
		uint32_t row = row_of(attach, run[i].process);

		if (row == RECORD_NONE || record->holders == UINT16_MAX ||
		    !add_holder(attach, row, run[i].fd))
			complete = false;
		else
			record->holders++;
	}
	if (!record->holders)
		record->holder = RECORD_NONE;
	return complete;
}

/* Counts the record at those who hold it, and those at the record, where all are known. */
static void add_to_processes(struct attach *attach, struct record *record)
{
	uint32_t i, last = RECORD_NONE;
	uint16_t processes = 0;

	for (i = 0; i < record->holders; i++) {
		uint32_t row = attach->holders[record->holder + i].process;

		/* A run is sorted by pid: one with two descriptors counts once. */
		if (row != last) {
			roster_count(&attach->roster, row, record->sk.state);
			processes++;
		}
		last = row;
	}
	record->sk.known &= ~(uint32_t)TCPDIAG_KNOWS_DESCRIPTORS;
	record->sk.descriptors = record->sk.processes = 0;
	if (!(record->flags & RECORD_OWNERS_KNOWN))
		return;
	record->sk.known |= TCPDIAG_KNOWS_DESCRIPTORS;
	record->sk.descriptors = record->holders;
	record->sk.processes = processes;
}

/* A walk has ended that could have found the holders of this inode. */
static void judge_walk(const struct attach *attach, struct record *record, bool complete)
{
	bool asked_before = record->flags & RECORD_OWNERS_KNOWN;
	/* Of two walks that found nobody the one before counts only where it looked for this inode too. */
	bool began_after = (int16_t)(attach->pass - record->owner_pass) > 0;
	/* What no dump shows this walk itself has found, descriptor by descriptor. */
	bool found = record->sk.state == TCPDIAG_CLOSE && record->holders;

	record->flags &= (uint8_t)~RECORD_OWNERS_KNOWN;
	if (record->holders && record->sk.attachment == TCPDIAG_UNHELD)
		record->sk.attachment = TCPDIAG_HELD;
	if (!(began_after || found) || !attach->clean || !complete)
		return;
	/* Somebody may hold it whom this PID namespace does not show. */
	if (!record->holders && owners_is_partial(attach->owners))
		return;
	record->flags |= RECORD_OWNERS_KNOWN;
	record->owner_pass = (uint16_t)(attach->pass - 1);
	if (!record->holders && asked_before && record->sk.attachment == TCPDIAG_HELD)
		record->sk.attachment = TCPDIAG_UNHELD;
}

/* Another process has it now. @last: row of the one that had it. */
static void note_holder(const struct attach *attach, struct record *record, uint32_t last)
{
	struct history_name name;

	if (!attach->history || last == RECORD_NONE || !record->holders ||
	    attach->holders[record->holder].process == last)
		return;
	if (roster_name(&attach->roster, last, &name))
		history_holder(attach->history, record, &name);
}

/* Its holders in the result before, as they are numbered now. */
static void holders_before(const struct attach *attach, const struct record *record,
			   struct inherit_rows *ret)
{
	uint32_t i;

	for (i = 0; i < record->holders && record->holder + i < attach->before_count; i++)
		inherit_add(ret, renumbered(attach, attach->before[record->holder + i].process));
}

/* The process that has started the first of its holders; RECORD_NONE where that has no socket. */
static uint32_t parent_of_holder(const struct attach *attach, const struct record *record)
{
	struct roster_kin kin;
	uint32_t process;

	if (!roster_kin(&attach->roster, attach->holders[record->holder].process, &kin))
		return RECORD_NONE;
	process = owners_process_of(attach->owners, kin.parent);
	if (process >= attach->process_rows_count || attach->process_rows[process] == ROW_CUT)
		return RECORD_NONE;
	return attach->process_rows[process];
}

/* Who had it before those who have it now, and let go of it. @origin: the one known so far. */
static uint32_t find_origin(const struct attach *attach, struct record *record, uint32_t origin,
			    const struct inherit_rows *before, bool first)
{
	const int64_t offset = attach->clock_offset_ns;
	struct inherit_rows now = {};
	uint32_t i, parent;

	if (before->count == 1 && record->holders == 1 && origin == RECORD_NONE &&
	    attach->holders[record->holder].process == before->row[0])
		return RECORD_NONE;
	for (i = 0; i < record->holders; i++)
		inherit_add(&now, attach->holders[record->holder + i].process);
	if (origin != RECORD_NONE)
		return inherit_holds(&attach->roster, record, origin, &now, offset) ? origin
										    : RECORD_NONE;
	if (before->count)
		return inherit_origin(&attach->roster, record, before, &now, offset);
	parent = first ? parent_of_holder(attach, record) : RECORD_NONE;
	if (parent == RECORD_NONE ||
	    !inherit_from_parent(&attach->roster, record, parent, &now, offset))
		return RECORD_NONE;
	record->flags |= RECORD_ORIGIN_GUESSED;
	return parent;
}

static void ask(struct attach *attach, struct record *record)
{
	uint32_t last = last_holder(attach, record);
	uint32_t origin = record->holders ? renumbered(attach, record->creator) : RECORD_NONE;
	bool ended = record->holders == 0, complete;
	bool first = last == RECORD_NONE && !(record->flags & RECORD_OWNERS_KNOWN);
	struct inherit_rows before = {};

	record->flags &= (uint8_t)~RECORD_ASK_OWNERS;
	if (!attach->owners) {
		/* Later; this one stays with what it was known to have. */
		record->flags |= RECORD_ASK_OWNERS;
		record->creator = last;
		record->holders = 0;
		record->holder = RECORD_NONE;
		return;
	}
	/* The first walk that misses a socket does not count as the second one. */
	if (!ended)
		record->flags &= (uint8_t)~RECORD_OWNERS_KNOWN;
	if (attach->renewed)
		holders_before(attach, record, &before);
	complete = look_up(attach, record);
	note_holder(attach, record, last);
	if (!record->holders)
		origin = last;
	else if (attach->renewed && attach->clean && complete && !owners_is_partial(attach->owners))
		origin = find_origin(attach, record, origin, &before, first);
	record->creator = origin;
	if (!record->holders || origin == RECORD_NONE)
		record->flags &= (uint8_t)~RECORD_ORIGIN_GUESSED;
	if (attach->renewed)
		judge_walk(attach, record, complete);
}

/* Nothing is known of holders, whatever the records say. */
static void clear_record(struct record *record)
{
	record->holders = 0;
	record->holder = record->creator = RECORD_NONE;
	record->flags &= (uint8_t)~RECORD_OWNERS_KNOWN;
	record->sk.known &= ~(uint32_t)TCPDIAG_KNOWS_DESCRIPTORS;
	record->sk.descriptors = record->sk.processes = 0;
	if (record->sk.attachment == TCPDIAG_UNHELD && !settings_closing(&record->sk))
		record->sk.attachment = TCPDIAG_HELD;
}

static uint32_t row_of_closer(struct attach *attach, const struct owner_process *process)
{
	uint32_t at = (uint32_t)process->pid % CLOSERS, row;

	if (attach->closers[at] && roster_is(&attach->roster, attach->closers[at] - 1, process))
		return attach->closers[at] - 1;
	row = roster_find(&attach->roster, process);
	if (row == RECORD_NONE)
		row = roster_add(&attach->roster, process, attach->limits.max_processes);
	attach->closers[at] = row == RECORD_NONE ? 0 : row + 1;
	return row;
}

/* It lived between two looks: no walk has seen who had it. */
static uint32_t ask_closer(struct attach *attach, const struct record *record)
{
	const uint8_t attachment = record->sk.attachment;
	struct owner_process process;

	if (!attach->closer || (attachment != TCPDIAG_ORPHAN && attachment != TCPDIAG_TIMEWAIT) ||
	    record->seen_ns - record->state_since_ns > CLOSER_ASKED_NS ||
	    !attach->closer(attach->closer_context, &record->sk, &process))
		return RECORD_NONE;
	return row_of_closer(attach, &process);
}

void attach_record(struct attach *attach, struct record *record)
{
	if (attach->blank) {
		clear_record(record);
		return;
	}
	/* In the midst of its last close() it has a file, and nobody who could use it. */
	if (!record->sk.inode || settings_closing(&record->sk)) {
		record->creator = last_holder(attach, record);
		if (record->creator == RECORD_NONE)
			record->creator = ask_closer(attach, record);
		record->holders = 0;
		record->holder = RECORD_NONE;
		record->flags &= (uint8_t) ~(RECORD_ASK_OWNERS | RECORD_OWNERS_KNOWN);
	} else if (attach->renewed || record->flags & RECORD_ASK_OWNERS) {
		ask(attach, record);
	} else if (record->creator != RECORD_NONE) {
		record->creator = renumbered(attach, record->creator);
	}
	if (record->creator != RECORD_NONE)
		roster_refer(&attach->roster, record->creator);
	add_to_processes(attach, record);
}

void attach_forget(const struct attach *attach, struct record *record)
{
	if (record->holders && record->holder < attach->count)
		record->creator = attach->holders[record->holder].process;
	record->holders = 0;
	record->holder = RECORD_NONE;
	/* Should it come back. */
	if (record->sk.inode)
		record->flags |= RECORD_ASK_OWNERS;
}

const struct holder *attach_holders(const struct attach *attach, uint32_t *ret_count)
{
	*ret_count = attach->count;
	return attach->holders;
}

const struct process *attach_processes(struct attach *attach, struct snapshot_writer *w,
				       uint32_t *ret_count)
{
	uint32_t count = roster_size(&attach->roster), i;
	struct roster_strings strings = {};

	*ret_count = 0;
	if (count > attach->rows_room || count < attach->rows_room / 8) {
		struct process *rows = reallocarray(attach->rows, MAX(count, 1U), sizeof(*rows));

		if (!rows)
			return NULL;
		attach->rows = rows;
		attach->rows_room = MAX(count, 1U);
	}
	for (i = 0; i < count; i++)
		roster_print(&attach->roster, i, w, &strings, &attach->rows[i]);
	*ret_count = count;
	return count ? attach->rows : NULL;
}

uint64_t attach_cut_processes(const struct attach *attach)
{
	return attach->roster.cut;
}

uint64_t attach_cut_holders(const struct attach *attach)
{
	return attach->cut_holders;
}
