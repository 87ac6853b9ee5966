/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The configuration file.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "daemon/faults.h"
#include "daemon/options.h"

#define CONFIG_BYTES_MAX (1U << 20)

/**
 * config_parse() - the text of a file; pure
 * @name: of the file, for messages
 * @options: values that stand in the text are set, the others stay
 *
 * Return: 0; -EINVAL, each mistake added to @faults as "name:line:column: what"; -ENOMEM. On
 * failure the options may be partly set.
 */
int config_parse(const char *text, size_t len, const char *name, struct options *options,
		 struct faults *faults);

/**
 * config_load() - reads a file and parses it
 * @required: a missing file is a mistake
 *
 * Return: 1 when it was read, 0 when there is none; -EINVAL with @faults; -ENOMEM.
 */
int config_load(const char *path, bool required, struct options *options, struct faults *faults);

/**
 * config_assemble() - defaults, then the file, then the command line
 * @ret: to be freed with options_done() also on failure
 * @ret_path: which file was read, borrowed from @ret or static; NULL where there was none
 *
 * Return: 0; -EINVAL with @faults; -ENOMEM.
 */
int config_assemble(int argc, char **argv, struct options *ret, const char **ret_path,
		    struct faults *faults);
