/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * With BPF: the kernel lists every descriptor of a TCP socket with the settings of the socket, process by
 * process. Of /proc only the folders of those processes are needed.
 *
 * Processes come in the order of their numbers; a thread with a descriptor table of its own comes where its
 * number stands, under the number of its process.
 */
#include <errno.h>
#include <sys/stat.h>

#include "kernel/bpf.h"
#include "kernel/owners_walk.h"
#include "model/macro.h"

int owners_begin_bpf(struct owners *owners)
{
	owners->pid = 0;
	owners->row = OWNERS_ROW_NONE;
	return descriptors_begin(owners->bpf);
}

/* Since Linux 6.2 the size of the folder says how many there are (fs/proc/fd.c). */
static void count_descriptors(struct owners *owners)
{
	struct owner_process *process = &owners->next.processes[owners->row];
	struct stat st;

	process->descriptors = fstatat(owners->folder, "fd", &st, 0) == 0 && st.st_size > 0
				       ? (uint32_t)MIN(st.st_size, UINT32_MAX)
				       : 0;
}

/* A lower number: a thread of a process that may have been seen before, or not. */
static bool is_back(struct owners *owners, int32_t pid)
{
	const struct owners_pass *next = &owners->next;

	if (!next->process_count || pid > next->processes[next->process_count - 1].pid)
		return false;
	for (uint32_t i = 0; i < next->process_count; i++)
		if (next->processes[i].pid == pid) {
			owners->pid = pid;
			owners->row = i;
			return true;
		}
	return false;
}

static int change_process(struct owners *owners, int32_t pid)
{
	int r;

	if (is_back(owners, pid))
		return 0;
	if (owners_enter(owners, pid) < 0) {
		owners->row = OWNERS_ROW_DROPPED;
		return 0;
	}
	r = owners_begin_row(owners, owners_read_netns(owners));
	if (r >= 0 && owners->row >= 0)
		count_descriptors(owners);
	owners_leave(owners);
	return r;
}

static int add_closed(struct owners *owners, const struct tcpdiag_socket *closed)
{
	if (owners->next.closed_count >= OWNERS_CLOSED_MAX) {
		owners->cut.closed++;
		return 0;
	}
	return owners_pass_add_closed(&owners->next, closed);
}

static int add_descriptor(struct owners *owners, const struct descriptor *row,
			  const struct tcpdiag_socket *closed)
{
	struct owner holder = { .inode = row->inode, .fd = row->fd };
	int r = owners_pass_add_namespace(&owners->next, row->netns);

	if (r >= 0 && row->pid != owners->pid)
		r = change_process(owners, row->pid);
	if (r < 0 || owners->row < 0)
		return r;
	if (owners->next.holder_count >= owners->max_holders) {
		owners->cut.holders++;
		return 0;
	}
	holder.process = (uint32_t)owners->row;
	r = owners_pass_add_settings(&owners->next, &row->settings, &holder.settings);
	if (r >= 0)
		r = owners_pass_add_holder(&owners->next, &holder);
	if (r >= 0 && row->state == TCPDIAG_CLOSE)
		r = add_closed(owners, closed);
	return r;
}

int owners_step_bpf(struct owners *owners)
{
	struct tcpdiag_socket closed;
	struct descriptor row;
	int r;

	for (int i = 0; i < OWNERS_SLICE; i++) {
		const int32_t before = owners->pid;

		r = descriptors_next(owners->bpf, &row, &closed);
		if (r <= 0)
			return r < 0 ? r : 1;
		r = add_descriptor(owners, &row, &closed);
		/* A process costs as much as some thirty descriptors. */
		if (r < 0 || owners->pid != before)
			return r;
	}
	return 0;
}
