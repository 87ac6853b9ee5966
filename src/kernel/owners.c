/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The walk: all numbers in /proc at its beginning, one process after the other, 256 descriptors at a time.
 *
 * A process may end, exec() or close descriptors while it is looked at: what it had at some moment of the
 * pass is the result, and the pass says when it began. Everything about a process is read below one
 * descriptor of its folder, so that a number that is used again cannot mix two of them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "kernel/owners.h"
#include "kernel/owners_pass.h"
#include "kernel/proc.h"
#include "model/macro.h"

#define SLICE 256

/* Of the process that is being walked. */
enum { ROW_NONE = -1, ROW_DROPPED = -2 };

struct owners {
	DIR *proc;
	uint32_t max_processes;
	uint32_t max_holders;
	struct owners_cut cut;
	struct owners_pass result;

	struct owners_pass next;
	bool in_pass;
	int32_t *pids; /* ascending */
	uint32_t pid_count, pid_size;
	uint32_t pid_at; /* of the next process */

	int folder; /* of the process, -1: none */
	DIR *descriptors;
	int32_t pid;
	int64_t row; /* in next.processes, ROW_NONE, ROW_DROPPED */
	uint32_t netns;
	uint32_t count; /* descriptors so far */
};

static int64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

int owners_new(const char *proc, uint32_t max_processes, uint32_t max_holders,
	       struct bpf_reader *bpf, struct owners **ret)
{
	struct owners *owners = calloc(1, sizeof(*owners));
	int r;

	(void)bpf;
	if (!owners)
		return -ENOMEM;
	owners->folder = -1;
	owners->max_processes = max_processes;
	owners->max_holders = max_holders;
	owners->proc = opendir(proc);
	if (!owners->proc) {
		r = -errno;
		free(owners);
		return r;
	}
	*ret = owners;
	return 0;
}

static void leave_process(struct owners *owners)
{
	if (owners->descriptors)
		closedir(owners->descriptors);
	closep(&owners->folder);
	owners->descriptors = NULL;
	owners->folder = -1;
}

struct owners *owners_free(struct owners *owners)
{
	if (!owners)
		return NULL;
	leave_process(owners);
	owners_pass_clear(&owners->result);
	owners_pass_clear(&owners->next);
	free(owners->pids);
	closedir(owners->proc);
	free(owners);
	return NULL;
}

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

static int begin_pass(struct owners *owners, int64_t now_ns)
{
	struct dirent *entry;
	int r;

	owners_pass_clear(&owners->next);
	owners->next.start_ns = now_ns;
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
	owners->in_pass = true;
	return 0;
}

static bool is_gone(int error)
{
	return error == -ENOENT || error == -ESRCH;
}

/* A process that shows nothing; kernel threads have nothing to show. */
static void note_unreadable(struct owners *owners, int error)
{
	struct proc_stat stat;

	if (is_gone(error))
		return;
	if (owners->folder >= 0 && proc_read_stat(owners->folder, &stat) >= 0 && stat.kernel_thread)
		return;
	owners->next.unreadable++;
}

static int enter_process(struct owners *owners, int32_t pid)
{
	char name[16];
	int64_t netns;
	int fd;

	snprintf(name, sizeof(name), "%d", pid);
	owners->folder = openat(dirfd(owners->proc), name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (owners->folder < 0) {
		note_unreadable(owners, -errno);
		return 0;
	}
	owners->pid = pid;
	owners->row = ROW_NONE;
	owners->count = 0;
	netns = proc_read_link(owners->folder, "ns/net", "net");
	owners->netns = netns > 0 ? (uint32_t)netns : 0;
	fd = openat(owners->folder, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	owners->descriptors = fd < 0 ? NULL : fdopendir(fd);
	if (!owners->descriptors) {
		note_unreadable(owners, -errno);
		closep(&fd);
		leave_process(owners);
	}
	return owners->netns ? owners_pass_add_namespace(&owners->next, owners->netns) : 0;
}

/*
 * The row of the process whose first socket has been found. What exec() does not change either is
 * taken from the pass before. Return: 0 with owners->row set; -ENOMEM.
 */
static int begin_row(struct owners *owners)
{
	char text[4096], cgroup[256], unit[128], container[80];
	struct owner_process process = { .pid = owners->pid, .netns = owners->netns };
	const struct owner_process *before;
	struct proc_stat stat;
	int r;

	owners->row = ROW_DROPPED;
	r = proc_read_stat(owners->folder, &stat);
	if (r < 0) {
		note_unreadable(owners, r);
		return 0;
	}
	if (owners->next.process_count >= owners->max_processes) {
		owners->cut.processes++;
		return 0;
	}
	before = owners_pass_process(&owners->result, owners->pid);
	if (before && before->start_time == stat.start_time && !strcmp(before->comm, stat.comm)) {
		process = *before;
		process.netns = owners->netns;
	} else {
		process.start_time = stat.start_time;
		memcpy(process.comm, stat.comm, sizeof(process.comm));
		process.descriptor_limit = proc_read_descriptor_limit(owners->folder);
		r = proc_read_text(owners->folder, "cgroup", text, sizeof(text));
		cgroup_identify(text, MAX(r, 0), cgroup, unit, container);
		process.cgroup = cgroup;
		process.unit = unit;
		process.container = container;
	}
	owners->row = owners_pass_add_process(&owners->next, &process);
	return owners->row < 0 ? (int)owners->row : 0;
}

static int add_descriptor(struct owners *owners, const char *name, int32_t fd)
{
	int64_t inode = proc_read_link(dirfd(owners->descriptors), name, "socket");
	struct owner holder = { .inode = (uint32_t)inode, .fd = fd };
	int r;

	if (inode <= 0 || inode > UINT32_MAX)
		return 0;
	if (owners->row == ROW_NONE) {
		r = begin_row(owners);
		if (r < 0)
			return r;
	}
	if (owners->row == ROW_DROPPED)
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
	for (int i = 0; i < SLICE; i++) {
		struct dirent *entry = readdir(owners->descriptors);
		int32_t fd;
		int r;

		if (!entry) {
			if (owners->row >= 0)
				owners->next.processes[owners->row].descriptors = owners->count;
			leave_process(owners);
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

static int end_pass(struct owners *owners)
{
	int r = owners_pass_seal(&owners->next);

	if (r < 0)
		return r;
	owners->in_pass = false;
	owners_pass_clear(&owners->result);
	owners->result = owners->next;
	owners->next = (struct owners_pass){};
	return 1;
}

static int step(struct owners *owners)
{
	if (owners->descriptors)
		return walk_descriptors(owners);
	if (owners->pid_at < owners->pid_count)
		return enter_process(owners, owners->pids[owners->pid_at++]);
	return end_pass(owners);
}

int owners_step(struct owners *owners, int64_t budget_ns, int64_t now_ns)
{
	const int64_t end = clock_ns() + budget_ns;
	int r = 0;

	if (!owners->in_pass)
		r = begin_pass(owners, now_ns);
	if (r >= 0)
		do
			r = step(owners);
		while (r == 0 && clock_ns() < end);
	if (r < 0) {
		/* The next call begins anew; the result before stays. */
		leave_process(owners);
		owners_pass_clear(&owners->next);
		owners->in_pass = false;
	}
	return r;
}

int64_t owners_result_ns(const struct owners *owners)
{
	return owners->result.start_ns;
}

uint32_t owners_unreadable(const struct owners *owners)
{
	return owners->result.unreadable;
}

uint32_t owners_find(const struct owners *owners, uint32_t inode, const struct owner **ret)
{
	return owners_pass_find(&owners->result, inode, ret);
}

const struct owner_process *owners_process(const struct owners *owners, uint32_t process)
{
	return process < owners->result.process_count ? &owners->result.processes[process] : NULL;
}

uint32_t owners_process_count(const struct owners *owners)
{
	return owners->result.process_count;
}

uint32_t owners_other_namespaces(const struct owners *owners, uint32_t own)
{
	uint32_t others = owners->result.namespace_count;

	for (uint32_t i = 0; i < owners->result.namespace_count; i++)
		if (owners->result.namespaces[i] == own)
			others--;
	return others;
}

struct owners_cut owners_cut(const struct owners *owners)
{
	return owners->cut;
}

const struct socket_settings *owners_settings(const struct owners *owners, uint32_t row)
{
	(void)owners;
	(void)row;
	return NULL;
}

uint32_t owners_closed(const struct owners *owners, const struct tcpdiag_socket **ret)
{
	(void)owners;
	*ret = NULL;
	return 0;
}
