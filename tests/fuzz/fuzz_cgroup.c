/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text of /proc/PID/cgroup: anybody may create cgroups with names of their own.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/owners.h"
#include "kernel/proc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char cgroup[256], unit[128], container[80];
	struct proc_stat stat;

	cgroup_identify((const char *)data, size, cgroup, unit, container);
	if (strnlen(cgroup, sizeof(cgroup)) == sizeof(cgroup) ||
	    strnlen(unit, sizeof(unit)) == sizeof(unit) ||
	    strnlen(container, sizeof(container)) == sizeof(container))
		abort();
	/* The other text of a process: its name is its own choice. */
	if (proc_parse_stat((const char *)data, size, &stat) == 0 &&
	    strnlen(stat.comm, sizeof(stat.comm)) == sizeof(stat.comm))
		abort();
	return 0;
}
