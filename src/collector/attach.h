/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who has a socket, from the walks over the owners, and who had it before.
 *
 * The rows of processes keep their number from poll to poll until a walk brings a new result; then they are
 * numbered anew, and what is remembered of dead ones stays as long as something refers to them. The rows of
 * holders belong to a walk: they are copied from poll to poll and only new sockets are looked up.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/history.h"
#include "collector/memory.h"
#include "kernel/owners.h"
#include "model/snapshot.h"

struct attach;

struct attach_limits {
	uint32_t max_processes;
	uint32_t max_holders;
};

/* Return: 0 or -ENOMEM. */
int attach_new(struct attach **ret);
/* Accepts NULL; returns NULL. */
struct attach *attach_free(struct attach *attach);

/* Changes of the first holder are noted there, and creators of the ended renumbered. Borrowed; may be NULL. */
void attach_remember(struct attach *attach, struct history *history);

/**
 * attach_restore() - processes and holders of a checked snapshot, before the first poll
 *
 * They hold until the first walk has a result; what is new until then waits for it.
 *
 * Return: 0; -ENOMEM, then nothing is known of holders.
 */
int attach_restore(struct attach *attach, const struct snapshot *snapshot);

/* The owners' walk is switched off: nothing is known of holders any more. */
void attach_clear(struct attach *attach, struct gone *gone);

/**
 * attach_begin() - before the records of a poll are attached
 * @owners: NULL where there is no walk
 * @pass: number of the walk whose result is in force
 * @clean: that walk could read every process and was not cut
 * @gone: its creators are renumbered
 *
 * Return: 0; 1 where a new result has come into force; -ENOMEM, then the rows before stay.
 */
int attach_begin(struct attach *attach, const struct owners *owners, uint16_t pass, bool clean,
		 const struct attach_limits *limits, struct gone *gone);

/*
 * Who has closed a socket, by the event of its close: asked for orphans and minisockets that have just appeared and that
 * nobody was seen to hold. What @closer sets is borrowed until it is called again. NULL: nobody knows.
 */
void attach_ask(struct attach *attach,
		bool (*closer)(void *context, const struct tcpdiag_socket *sk,
			       struct owner_process *ret),
		void *context);

/* Holders, creator and attachment of one record; @record's come from memory_carry(). */
void attach_record(struct attach *attach, struct record *record);

/* Before a record goes into struct gone: its holder becomes its creator. */
void attach_forget(const struct attach *attach, struct record *record);

/* What this poll found: valid until the next attach_begin(). */
const struct holder *attach_holders(const struct attach *attach, uint32_t *ret_count);

/* The rows, their strings put into @w; valid until the next call. NULL where there are none. */
const struct process *attach_processes(struct attach *attach, struct snapshot_writer *w,
				       uint32_t *ret_count);

/* What the limits cut since the start. */
uint64_t attach_cut_processes(const struct attach *attach);
uint64_t attach_cut_holders(const struct attach *attach);
