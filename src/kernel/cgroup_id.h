/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The path of a control group by the number that BPF tells (bpf_get_current_cgroup_id()), for processes that are gone
 * and leave no /proc to look in. Of the unified hierarchy.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct cgroup_ids;

/**
 * cgroup_ids_new()
 * @mount: NULL: /sys/fs/cgroup, or where systemd has the unified hierarchy beside the others
 *
 * Return: 0; -ENOENT where there is no unified hierarchy; -ENOMEM; -errno.
 */
int cgroup_ids_new(const char *mount, struct cgroup_ids **ret);
/* Accepts NULL; returns NULL. */
struct cgroup_ids *cgroup_ids_free(struct cgroup_ids *ids);

/**
 * cgroup_ids_find() - "0::/system.slice/nginx.service", as /proc/PID/cgroup has it
 *
 * Remembered, so that a group that has gone meanwhile is still known. Needs CAP_DAC_READ_SEARCH.
 *
 * Return: 0 with a terminated text; -ESTALE where it has gone and was never asked for; -ENAMETOOLONG; -errno.
 */
int cgroup_ids_find(struct cgroup_ids *ids, uint64_t id, char *buffer, size_t size);
