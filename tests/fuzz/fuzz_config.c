/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any bytes as configuration: read or refused, never more than that. What was taken can be printed and
 * read again with the same result.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_back(const struct options *options)
{
	_cleanup_(options_done) struct options again = {};
	struct faults faults = {};
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	out = open_memstream(&text, &len);
	if (!out || options_default(&again) < 0)
		abort();
	options_print_yaml(options, "fuzz", out);
	fclose(out);
	if (config_parse(text, len, "again", &again, &faults) < 0)
		abort();
	for (size_t row = 0; row < options_count(); row++)
		if (!option_equal(options, &again, row))
			abort();
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(options_done) struct options options = {};
	struct faults faults = {};
	int r;

	if (options_default(&options) < 0)
		return 0;
	r = config_parse((const char *)data, size, "fuzz", &options, &faults);
	/* A refusal says why, an acceptance has nothing to say. */
	if (r != -ENOMEM && (r < 0) != (faults.text != NULL))
		abort();
	if (r == 0)
		read_back(&options);
	faults_done(&faults);
	return 0;
}
