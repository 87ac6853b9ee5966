/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names of files below /var/log, and Docker's document of a container: much of it comes from who made the image.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/containers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct container_label *label)
{
	if (strnlen(label->key, sizeof(label->key)) == sizeof(label->key) ||
	    strnlen(label->name, sizeof(label->name)) == sizeof(label->name) ||
	    strnlen(label->pod, sizeof(label->pod)) == sizeof(label->pod) ||
	    strnlen(label->namespace, sizeof(label->namespace)) == sizeof(label->namespace))
		abort();
	/* What separates them in what people see. */
	if (strpbrk(label->name, "/\n\x1b") || strpbrk(label->pod, "/\n\x1b_") ||
	    strpbrk(label->namespace, "/\n\x1b_"))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct container_label label;
	char *name = malloc(size + 1);

	if (!name)
		return 0;
	if (size)
		memcpy(name, data, size);
	name[size] = '\0';
	memset(&label, 0xa5, sizeof(label));
	if (container_parse_log(name, &label) == 0)
		check(&label);
	memset(&label, 0xa5, sizeof(label));
	if (container_parse_pod(name, &label) == 0)
		check(&label);
	memset(&label, 0xa5, sizeof(label));
	if (container_parse_config(name, size, &label) == 0)
		check(&label);
	free(name);
	return 0;
}
