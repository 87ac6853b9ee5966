/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What belongs to a process. Everything is read below one descriptor of its folder, so that a number that is
 * used again cannot mix two of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "kernel/cgroup.h"
#include "kernel/owners_walk.h"
#include "kernel/proc.h"
#include "model/macro.h"

static bool is_gone(int error)
{
	return error == -ENOENT || error == -ESRCH;
}

void owners_note_unreadable(struct owners *owners, int error)
{
	struct proc_stat stat;

	if (is_gone(error))
		return;
	if (owners->folder >= 0 && proc_read_stat(owners->folder, &stat) >= 0 && stat.kernel_thread)
		return;
	owners->next.unreadable++;
}

int owners_enter(struct owners *owners, int32_t pid)
{
	char name[16];
	int r;

	snprintf(name, sizeof(name), "%d", pid);
	owners->pid = pid;
	owners->row = OWNERS_ROW_NONE;
	owners->folder = openat(dirfd(owners->proc), name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (owners->folder >= 0)
		return 0;
	r = -errno;
	owners_note_unreadable(owners, r);
	return r;
}

void owners_leave(struct owners *owners)
{
	closep(&owners->folder);
	owners->folder = -1;
}

uint32_t owners_read_netns(const struct owners *owners)
{
	int64_t netns = proc_read_link(owners->folder, "ns/net", "net");

	return netns > 0 ? (uint32_t)netns : 0;
}

static void name_container(struct owners *owners, struct owner_process *process)
{
	struct container_names names = { "", "", "" };

	if (owners->containers && *process->container)
		containers_find(owners->containers, process->container, process->pod_uid, &names);
	process->container_name = names.name;
	process->pod = names.pod;
	process->pod_namespace = names.namespace;
}

/* What exec() does not change either is taken from the pass before. */
int owners_begin_row(struct owners *owners, uint32_t netns)
{
	char text[4096];
	struct cgroup_identity identity;
	struct owner_process process = { .pid = owners->pid };
	const struct owner_process *before;
	struct proc_stat stat;
	int r;

	owners->row = OWNERS_ROW_DROPPED;
	r = proc_read_stat(owners->folder, &stat);
	if (r < 0) {
		owners_note_unreadable(owners, r);
		return 0;
	}
	if (owners->next.process_count >= owners->max_processes) {
		owners->cut.processes++;
		return 0;
	}
	before = owners_pass_process(&owners->result, owners->pid);
	if (before && before->start_time == stat.start_time && !strcmp(before->comm, stat.comm)) {
		process = *before;
	} else {
		process.start_time = stat.start_time;
		/* As long as it lives: later it is somebody who has taken it in. */
		process.parent = before && before->start_time == stat.start_time ? before->parent
										 : stat.parent;
		process.executable = proc_read_executable(owners->folder);
		memcpy(process.comm, stat.comm, sizeof(process.comm));
		process.descriptor_limit = proc_read_descriptor_limit(owners->folder);
		r = proc_read_text(owners->folder, "cgroup", text, sizeof(text));
		cgroup_identify(text, (size_t)MAX(r, 0), &identity);
		process.cgroup = identity.path;
		process.unit = identity.unit;
		process.container = identity.container;
		process.pod_uid = identity.pod_uid;
	}
	name_container(owners, &process);
	process.netns = netns;
	owners->row = owners_pass_add_process(&owners->next, &process);
	return owners->row < 0 ? (int)owners->row : 0;
}
