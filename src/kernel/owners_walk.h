/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of owners, shared by its two ways to list descriptors.
 */
#pragma once

#include <dirent.h>

#include "kernel/containers.h"
#include "kernel/owners.h"
#include "kernel/owners_pass.h"

#define OWNERS_SLICE 256

/* Of the process that is being looked at. */
enum { OWNERS_ROW_NONE = -1, OWNERS_ROW_DROPPED = -2 };

struct owners {
	DIR *proc;
	struct bpf_reader *bpf; /* borrowed; NULL: /proc lists the descriptors */
	struct containers *containers; /* owned; NULL: names are not read */
	uint32_t max_processes;
	uint32_t max_holders;
	struct owners_cut cut;
	struct owners_pass result;
	struct owners_pass next;
	bool in_pass;
	bool partial;
	bool may_trace;

	int folder; /* of the process, O_PATH; -1: none */
	int32_t pid; /* of the process */
	int64_t row; /* in next.processes, OWNERS_ROW_* */

	/* For the walk over /proc alone. */
	int32_t *pids; /* ascending */
	uint32_t pid_count, pid_size;
	uint32_t pid_at; /* of the next process */
	DIR *descriptors;
	uint32_t netns;
	uint32_t count; /* descriptors so far */
	bool refused; /* one of them: counted once */
};

/* owners_process.c: what belongs to a process, whoever lists its descriptors. */

/**
 * owners_enter() - opens the folder of a process; a row it has when its first socket is found
 *
 * Return: 0; -errno where there is none to see, which is counted unless it is gone.
 */
int owners_enter(struct owners *owners, int32_t pid);

void owners_leave(struct owners *owners);

/* Counts a process that shows nothing, unless it is gone or a kernel thread. */
void owners_note_unreadable(struct owners *owners, int error);

/**
 * owners_begin_row() - the row of the process whose first socket has been found
 * @netns: its namespace, 0: not known
 *
 * Return: 0 with owners->row set; -ENOMEM.
 */
int owners_begin_row(struct owners *owners, uint32_t netns);

/* Of the process's own namespace, 0: not known. */
uint32_t owners_read_netns(const struct owners *owners);

/* The two ways. Each step is some more of the pass. Return: 0; 1 at the end; -errno. */
int owners_begin_proc(struct owners *owners);
int owners_step_proc(struct owners *owners);
int owners_begin_bpf(struct owners *owners);
int owners_step_bpf(struct owners *owners);
