/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads the options and does what they say.
 */
#include <errno.h>
#include <stdio.h>

#include "daemon/config.h"

static int fail(const struct faults *faults)
{
	fputs(faults->text ? faults->text : "out of memory\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	_cleanup_(options_done) struct options options = {};
	_cleanup_(faults_done) struct faults faults = {};
	const char *path = NULL;

	if (config_assemble(argc, argv, &options, &path, &faults) < 0)
		return fail(&faults);
	if (options.help)
		options_print_help(stdout);
	else if (options.version)
		puts("tcpdiagd " TCPDIAGD_VERSION);
	else if (options.check_config)
		options_print_yaml(&options, path, stdout);
	return 0;
}
