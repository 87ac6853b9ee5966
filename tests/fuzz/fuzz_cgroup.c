/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text of /proc/PID/cgroup: anybody may create cgroups with names of their own.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/cgroup.h"
#include "kernel/proc.h"
#include "model/unit_label.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cgroup_identity found;
	struct proc_stat stat;
	char label[UNIT_LABEL_MAX];

	cgroup_identify((const char *)data, size, &found);
	if (strnlen(found.path, sizeof(found.path)) == sizeof(found.path) ||
	    strnlen(found.unit, sizeof(found.unit)) == sizeof(found.unit) ||
	    strnlen(found.container, sizeof(found.container)) == sizeof(found.container) ||
	    strnlen(found.pod_uid, sizeof(found.pod_uid)) == sizeof(found.pod_uid))
		abort();
	/* No pod without a container, and no half of its uid. */
	if (*found.pod_uid &&
	    (!*found.container || (strlen(found.pod_uid) != 36 && strlen(found.pod_uid) != 32)))
		abort();
	unit_label(&(struct unit_label_input){ found.path, found.unit, found.container, "", "" },
		   label);
	if (!*label || strnlen(label, sizeof(label)) == sizeof(label))
		abort();
	/* The other text of a process: its name is its own choice. */
	if (proc_parse_stat((const char *)data, size, &stat) == 0 &&
	    strnlen(stat.comm, sizeof(stat.comm)) == sizeof(stat.comm))
		abort();
	return 0;
}
