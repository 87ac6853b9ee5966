/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The name under which a process is counted where a new name costs something for ever: a label of a metric.
 *
 * Sessions, containers, pods and transient units come and go with names of their own. Each is counted with what
 * stays: its service, the owner of its pod, or its slice. A process of no unit is in systemd's root, "-.slice".
 */
#pragma once

#include <stddef.h>

#define UNIT_LABEL_MAX 320

/* Of a process; each "" where it is not known or there is none. */
struct unit_label_input {
	const char *cgroup, *unit, *container, *pod, *pod_namespace;
};

/* Pure. @ret is never empty. */
void unit_label(const struct unit_label_input *process, char ret[static UNIT_LABEL_MAX]);
