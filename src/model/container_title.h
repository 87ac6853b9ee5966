/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What people call a container: "NAMESPACE/POD/NAME" of Kubernetes, or less of it where that is all there is; else its name.
 */
#pragma once

#include <stdio.h>

/* Texts that are not known are "". */
static inline void container_title(const char *pod_namespace, const char *pod, const char *name,
				   char *ret, size_t size)
{
	if (*pod)
		snprintf(ret, size, "%s/%s%s%s", pod_namespace, pod, *name ? "/" : "", name);
	else
		snprintf(ret, size, "%s", name);
}
