/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the path of a process's cgroup says: the unit, the container and the pod that it belongs to.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Each text is terminated, cut at its size, and "" where there is none. */
struct cgroup_identity {
	char path[256];
	char unit[128]; /* the innermost *.service or *.scope that is not a container's */
	char container[80]; /* id, 64 hexadecimal digits; of LXC and systemd-nspawn the name */
	char pod_uid[40]; /* of Kubernetes, with hyphens */
};

/**
 * cgroup_identify() - reads the text of /proc/PID/cgroup, version 2, 1 or both; pure
 *
 * A session's unit is session-N.scope as systemd names it.
 */
void cgroup_identify(const char *text, size_t len, struct cgroup_identity *ret);

/* Whether the engine gave the id, so that a name has to be found elsewhere: 64 hexadecimal digits. */
bool cgroup_is_container_id(const char *container);
