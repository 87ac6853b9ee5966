/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Holders come in the order of process and descriptor, so a stable sort by inode (least significant digit
 * first) leaves each socket's run in that order. A comparing sort of a million would stall a poll.
 */
#include <errno.h>
#include <string.h>

#include "kernel/bpf.h"
#include "kernel/owners_pass.h"
#include "model/macro.h"

#define DIGIT_BITS 11
#define DIGITS (1U << DIGIT_BITS)

/* Room for one more in a growing array. Return: the array, maybe moved; NULL out of memory. */
static void *grow(void *array, uint32_t count, uint32_t *size, size_t stride)
{
	uint32_t wanted;
	void *larger;

	if (count < *size)
		return array;
	wanted = *size ? *size * 2 : 64;
	larger = reallocarray(array, wanted, stride);
	if (larger)
		*size = wanted;
	return larger;
}

void owners_pass_clear(struct owners_pass *pass)
{
	for (uint32_t i = 0; i < pass->process_count; i++) {
		/* The first of the texts in one block. */
		char *texts;

		memcpy(&texts, &pass->processes[i].cgroup, sizeof(texts));
		free(texts);
	}
	free(pass->holders);
	free(pass->processes);
	free(pass->settings);
	free(pass->closed);
	free(pass->namespaces);
	free(pass->buckets);
	*pass = (struct owners_pass){};
}

int owners_pass_add_holder(struct owners_pass *pass, const struct owner *holder)
{
	struct owner *array = grow(pass->holders, pass->holder_count, &pass->holder_size,
				   sizeof(*array));

	if (!array)
		return -ENOMEM;
	pass->holders = array;
	array[pass->holder_count++] = *holder;
	return 0;
}

int owners_pass_add_settings(struct owners_pass *pass, const struct socket_settings *settings,
			     uint32_t *ret_row)
{
	struct socket_settings *array = grow(pass->settings, pass->settings_count,
					     &pass->settings_size, sizeof(*array));

	if (!array)
		return -ENOMEM;
	pass->settings = array;
	*ret_row = pass->settings_count;
	array[pass->settings_count++] = *settings;
	return 0;
}

int owners_pass_add_closed(struct owners_pass *pass, const struct tcpdiag_socket *closed)
{
	struct tcpdiag_socket *array = grow(pass->closed, pass->closed_count, &pass->closed_size,
					    sizeof(*array));

	if (!array)
		return -ENOMEM;
	pass->closed = array;
	array[pass->closed_count++] = *closed;
	return 0;
}

static int compare_inodes(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void sort_namespaces(struct owners_pass *pass)
{
	uint32_t kept = 0;

	if (!pass->namespace_count)
		return;
	qsort(pass->namespaces, pass->namespace_count, sizeof(*pass->namespaces), compare_inodes);
	for (uint32_t i = 1; i < pass->namespace_count; i++)
		if (pass->namespaces[i] != pass->namespaces[kept])
			pass->namespaces[++kept] = pass->namespaces[i];
	pass->namespace_count = kept + 1;
}

int owners_pass_add_namespace(struct owners_pass *pass, uint32_t inode)
{
	uint32_t *array;

	/* Most are what the one before them is; those that are not come again and again. */
	if (pass->namespace_count && pass->namespaces[pass->namespace_count - 1] == inode)
		return 0;
	if (pass->namespace_count == pass->namespace_size)
		sort_namespaces(pass);
	array = grow(pass->namespaces, pass->namespace_count, &pass->namespace_size,
		     sizeof(*array));
	if (!array)
		return -ENOMEM;
	pass->namespaces = array;
	array[pass->namespace_count++] = inode;
	return 0;
}

/* One after the other in a block of its own, which the first of them begins. */
static bool own_texts(struct owner_process *process)
{
	const char **const texts[] = {
		&process->cgroup,	 &process->unit,	   &process->container,
		&process->pod_uid,	 &process->container_name, &process->pod,
		&process->pod_namespace,
	};
	size_t size = 0;
	char *at;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		size += strlen(*texts[i]) + 1;
	at = malloc(size);
	if (!at)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const size_t len = strlen(*texts[i]) + 1;

		memcpy(at, *texts[i], len);
		*texts[i] = at;
		at += len;
	}
	return true;
}

int64_t owners_pass_add_process(struct owners_pass *pass, const struct owner_process *process)
{
	struct owner_process *array = grow(pass->processes, pass->process_count,
					   &pass->process_size, sizeof(*array));
	struct owner_process added = *process;

	if (!array)
		return -ENOMEM;
	pass->processes = array;
	if (!own_texts(&added))
		return -ENOMEM;
	array[pass->process_count] = added;
	return pass->process_count++;
}

const struct owner_process *owners_pass_process(const struct owners_pass *pass, int32_t pid)
{
	uint32_t low = 0, high = pass->process_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (pass->processes[middle].pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < pass->process_count && pass->processes[low].pid == pid ? &pass->processes[low]
									    : NULL;
}

static void sort_by_digit(const struct owner *from, struct owner *to, uint32_t count, uint8_t shift)
{
	uint32_t at[DIGITS] = {};
	uint32_t sum = 0;

	for (uint32_t i = 0; i < count; i++)
		at[from[i].inode >> shift & (DIGITS - 1)]++;
	for (uint32_t i = 0; i < DIGITS; i++) {
		uint32_t n = at[i];

		at[i] = sum;
		sum += n;
	}
	for (uint32_t i = 0; i < count; i++)
		to[at[from[i].inode >> shift & (DIGITS - 1)]++] = from[i];
}

static bool comes_after(const struct owner *a, const struct owner *b)
{
	return a->inode == b->inode &&
	       (a->process > b->process || (a->process == b->process && a->fd > b->fd));
}

/* A folder is not obliged to give its descriptors in order, so each run is put in order: it mostly is. */
static void sort_runs(struct owner *holders, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		const struct owner holder = holders[i];
		uint32_t at = i;

		while (at > 0 && comes_after(&holders[at - 1], &holder)) {
			holders[at] = holders[at - 1];
			at--;
		}
		holders[at] = holder;
	}
}

static bool is_ascending(const struct owners_pass *pass)
{
	for (uint32_t i = 1; i < pass->process_count; i++)
		if (pass->processes[i].pid < pass->processes[i - 1].pid)
			return false;
	return true;
}

static int compare_processes(const void *a, const void *b)
{
	int32_t x = ((const struct owner_process *)a)->pid;
	int32_t y = ((const struct owner_process *)b)->pid;

	return (x > y) - (x < y);
}

/* Where the kernel gave a thread's descriptors, its process may be out of order. */
static int sort_processes(struct owners_pass *pass)
{
	_cleanup_free_ int32_t *pids = NULL;

	if (is_ascending(pass))
		return 0;
	pids = reallocarray(NULL, pass->process_count, sizeof(*pids));
	if (!pids)
		return -ENOMEM;
	for (uint32_t i = 0; i < pass->process_count; i++)
		pids[i] = pass->processes[i].pid;
	qsort(pass->processes, pass->process_count, sizeof(*pass->processes), compare_processes);
	for (uint32_t i = 0; i < pass->holder_count; i++) {
		const int32_t pid = pids[pass->holders[i].process];

		pass->holders[i].process =
			(uint32_t)(owners_pass_process(pass, pid) - pass->processes);
	}
	return 0;
}

static int sort_holders(struct owners_pass *pass)
{
	struct owner *other = reallocarray(NULL, MAX(pass->holder_count, 1U), sizeof(*other));

	if (!other)
		return -ENOMEM;
	for (uint8_t shift = 0; shift < 32; shift += DIGIT_BITS) {
		struct owner *sorted = other;

		sort_by_digit(pass->holders, sorted, pass->holder_count, shift);
		other = pass->holders;
		pass->holders = sorted;
	}
	free(other);
	pass->holder_size = MAX(pass->holder_count, 1U);
	sort_runs(pass->holders, pass->holder_count);
	return 0;
}

static int make_buckets(struct owners_pass *pass)
{
	uint32_t count = pass->holder_count;
	uint32_t range = count ? pass->holders[count - 1].inode - pass->holders[0].inode : 0;
	uint32_t bucket = 0;

	pass->first_inode = count ? pass->holders[0].inode : 0;
	pass->shift = 0;
	while (range >> pass->shift > count)
		pass->shift++;
	pass->bucket_count = (range >> pass->shift) + 1;
	pass->buckets = reallocarray(NULL, (size_t)pass->bucket_count + 1, sizeof(uint32_t));
	if (!pass->buckets)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		while (bucket <= (pass->holders[i].inode - pass->first_inode) >> pass->shift)
			pass->buckets[bucket++] = i;
	while (bucket <= pass->bucket_count)
		pass->buckets[bucket++] = count;
	return 0;
}

static int compare_cookies(const void *a, const void *b)
{
	uint64_t x = ((const struct tcpdiag_socket *)a)->cookie;
	uint64_t y = ((const struct tcpdiag_socket *)b)->cookie;

	return (x > y) - (x < y);
}

static void sort_closed(struct owners_pass *pass)
{
	uint32_t kept = 0;

	if (!pass->closed_count)
		return;
	qsort(pass->closed, pass->closed_count, sizeof(*pass->closed), compare_cookies);
	for (uint32_t i = 1; i < pass->closed_count; i++)
		if (pass->closed[i].cookie != pass->closed[kept].cookie)
			pass->closed[++kept] = pass->closed[i];
	pass->closed_count = kept + 1;
}

int owners_pass_seal(struct owners_pass *pass)
{
	int r = sort_processes(pass);

	if (r >= 0)
		r = sort_holders(pass);
	if (r < 0)
		return r;
	sort_namespaces(pass);
	sort_closed(pass);
	return make_buckets(pass);
}

uint32_t owners_pass_find(const struct owners_pass *pass, uint32_t inode, const struct owner **ret)
{
	uint32_t bucket, low, high, count;

	if (!pass->holder_count || inode < pass->first_inode)
		return 0;
	bucket = (inode - pass->first_inode) >> pass->shift;
	if (bucket >= pass->bucket_count)
		return 0;
	low = pass->buckets[bucket];
	high = pass->buckets[bucket + 1];
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (pass->holders[middle].inode < inode)
			low = middle + 1;
		else
			high = middle;
	}
	count = 0;
	while (low + count < pass->holder_count && pass->holders[low + count].inode == inode)
		count++;
	if (count)
		*ret = &pass->holders[low];
	return count;
}
