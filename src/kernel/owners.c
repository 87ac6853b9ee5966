/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Passes, one after the other: each is filled in slices by one of two ways (owners_bpf.c, owners_proc.c), and
 * replaces the result when it is complete.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kernel/bpf.h"
#include "kernel/owners_walk.h"
#include "kernel/proc.h"
#include "model/macro.h"

#define FIRST_PID_NAMESPACE 0xeffffffc /* PROC_PID_INIT_INO, include/linux/proc_ns.h */

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
	int64_t pid_namespace;
	int r;

	if (!owners)
		return -ENOMEM;
	owners->folder = -1;
	owners->max_processes = max_processes;
	owners->max_holders = max_holders;
	owners->bpf = bpf_reader_has_descriptors(bpf) ? bpf : NULL;
	owners->proc = opendir(proc);
	if (!owners->proc) {
		r = -errno;
		free(owners);
		return r;
	}
	owners->may_trace = proc_may_trace();
	pid_namespace = proc_read_link(dirfd(owners->proc), "self/ns/pid", "pid");
	owners->partial = pid_namespace > 0 && pid_namespace != FIRST_PID_NAMESPACE;
	*ret = owners;
	return 0;
}

int owners_name_containers(struct owners *owners, const char *root)
{
	return owners->containers ? 0 : containers_new(root, &owners->containers);
}

/* What a pass holds that has not come to its end. */
static void break_off(struct owners *owners)
{
	if (owners->descriptors)
		closedir(owners->descriptors);
	owners->descriptors = NULL;
	owners_leave(owners);
	owners_pass_clear(&owners->next);
	owners->in_pass = false;
}

struct owners *owners_free(struct owners *owners)
{
	if (!owners)
		return NULL;
	break_off(owners);
	owners_pass_clear(&owners->result);
	containers_free(owners->containers);
	free(owners->pids);
	closedir(owners->proc);
	free(owners);
	return NULL;
}

static int begin_pass(struct owners *owners, int64_t now_ns)
{
	owners_pass_clear(&owners->next);
	if (owners->containers)
		containers_begin(owners->containers);
	owners->next.start_ns = now_ns;
	owners->in_pass = true;
	return owners->bpf ? owners_begin_bpf(owners) : owners_begin_proc(owners);
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
	int r = owners->bpf ? owners_step_bpf(owners) : owners_step_proc(owners);

	return r == 1 ? end_pass(owners) : r;
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
	/* The next call begins anew; the result before stays. */
	if (r < 0)
		break_off(owners);
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

bool owners_is_partial(const struct owners *owners)
{
	return owners->partial;
}

uint32_t owners_find(const struct owners *owners, uint32_t inode, const struct owner **ret)
{
	return owners_pass_find(&owners->result, inode, ret);
}

const struct owner_process *owners_process(const struct owners *owners, uint32_t process)
{
	return process < owners->result.process_count ? &owners->result.processes[process] : NULL;
}

uint32_t owners_process_of(const struct owners *owners, int32_t pid)
{
	const struct owner_process *process = owners_pass_process(&owners->result, pid);

	return process ? (uint32_t)(process - owners->result.processes) : UINT32_MAX;
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

uint32_t owners_namespaces(const struct owners *owners, const uint32_t **ret)
{
	*ret = owners->result.namespaces;
	return owners->result.namespace_count;
}

struct owners_cut owners_cut(const struct owners *owners)
{
	struct owners_cut cut = owners->cut;

	if (owners->containers)
		cut.containers = containers_cut(owners->containers);
	return cut;
}

int owners_container_error(const struct owners *owners)
{
	return owners->containers ? containers_error(owners->containers) : 0;
}

const struct socket_settings *owners_settings(const struct owners *owners, uint32_t row)
{
	return row < owners->result.settings_count ? &owners->result.settings[row] : NULL;
}

uint32_t owners_closed(const struct owners *owners, const struct tcpdiag_socket **ret)
{
	*ret = owners->result.closed;
	return owners->result.closed_count;
}
