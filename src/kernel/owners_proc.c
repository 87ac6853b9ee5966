/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Without BPF: all numbers in /proc at the beginning, one process after the other, 256 descriptors at a time.
 *
 * A process may end, exec() or close descriptors while it is looked at: what it had at some moment of the
 * pass is the result, and the pass says when it began.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "kernel/linger_guard.h"
#include "kernel/owners_walk.h"
#include "kernel/proc.h"
#include "model/macro.h"

/* A whole name that is a number; -1: another. */
static int32_t number_of(const char *name)
{
	unsigned long value;
	char *end;

	if (*name < '0' || *name > '9')
		return -1;
	errno = 0;
	value = strtoul(name, &end, 10);
	return *end || errno || value > INT32_MAX ? -1 : (int32_t)value;
}

static int compare_pids(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

static int add_pid(struct owners *owners, int32_t pid)
{
	if (owners->pid_count == owners->pid_size) {
		uint32_t size = owners->pid_size ? owners->pid_size * 2 : 256;
		int32_t *pids = reallocarray(owners->pids, size, sizeof(*pids));

		if (!pids)
			return -ENOMEM;
		owners->pids = pids;
		owners->pid_size = size;
	}
	owners->pids[owners->pid_count++] = pid;
	return 0;
}

int owners_begin_proc(struct owners *owners)
{
	struct dirent *entry;
	int r;

	owners->pid_count = 0;
	owners->pid_at = 0;
	rewinddir(owners->proc);
	while (errno = 0, (entry = readdir(owners->proc))) {
		int32_t pid = number_of(entry->d_name);

		if (pid <= 0)
			continue;
		r = add_pid(owners, pid);
		if (r < 0)
			return r;
	}
	if (errno)
		return -errno;
	if (owners->pid_count)
		qsort(owners->pids, owners->pid_count, sizeof(*owners->pids), compare_pids);
	/* There is always a first process: where it is hidden (hidepid), others are too. */
	if (!owners->pid_count || owners->pids[0] != 1)
		owners->next.unreadable++;
	return 0;
}

static int enter_process(struct owners *owners, int32_t pid)
{
	int fd;

	if (owners_enter(owners, pid) < 0)
		return 0;
	owners->count = 0;
	owners->refused = false;
	owners->netns = owners_read_netns(owners);
	fd = openat(owners->folder, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	owners->descriptors = fd < 0 ? NULL : fdopendir(fd);
	if (!owners->descriptors) {
		owners_note_unreadable(owners, -errno);
		closep(&fd);
		owners_leave(owners);
	}
	return owners->netns ? owners_pass_add_namespace(&owners->next, owners->netns) : 0;
}

/*
 * A folder that can be listed, and its links not be read: root without CAP_SYS_PTRACE. The same error comes of
 * a process that has just been reaped. Who has the capability is refused by a security module only.
 */
static void note_refused(struct owners *owners)
{
	struct proc_stat stat;
	int r = proc_read_stat(owners->folder, &stat);

	owners->refused = true;
	owners_note_unreadable(owners, r < 0 ? r : -EACCES);
}

static int add_descriptor(struct owners *owners, const char *name, int32_t fd)
{
	int64_t inode = proc_read_link(dirfd(owners->descriptors), name, "socket");
	struct owner holder = { .inode = (uint32_t)inode, .fd = fd, .settings = UINT32_MAX };
	int r;

	if (inode == -EACCES && !owners->may_trace && !owners->refused)
		note_refused(owners);
	if (inode <= 0 || inode > UINT32_MAX)
		return 0;
	if (owners->row == OWNERS_ROW_NONE) {
		r = owners_begin_row(owners, owners->netns);
		if (r < 0)
			return r;
	}
	if (owners->row == OWNERS_ROW_DROPPED)
		return 0;
	if (owners->next.holder_count >= owners->max_holders) {
		owners->cut.holders++;
		return 0;
	}
	holder.process = (uint32_t)owners->row;
	return owners_pass_add_holder(&owners->next, &holder);
}

/* Some more descriptors of the process; leaves it after the last one. */
static int walk_descriptors(struct owners *owners)
{
	for (int i = 0; i < OWNERS_SLICE; i++) {
		struct dirent *entry = readdir(owners->descriptors);
		int32_t fd;
		int r;

		if (!entry) {
			if (owners->row >= 0)
				owners->next.processes[owners->row].descriptors = owners->count;
			closedir(owners->descriptors);
			owners->descriptors = NULL;
			owners_leave(owners);
			return 0;
		}
		fd = number_of(entry->d_name);
		if (fd < 0)
			continue;
		owners->count++;
		r = add_descriptor(owners, entry->d_name, fd);
		if (r < 0)
			return r;
	}
	return 0;
}

int owners_step_proc(struct owners *owners)
{
	if (owners->descriptors) {
		struct linger_guard guard;
		int r;

		linger_guard_begin(&guard);
		r = walk_descriptors(owners);
		linger_guard_end(&guard);
		return r;
	}
	if (owners->pid_at == owners->pid_count)
		return 1;
	return enter_process(owners, owners->pids[owners->pid_at++]);
}
