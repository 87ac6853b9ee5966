/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One program, three lives: the daemon, one look (--once), and the web process, which the daemon
 * starts with an argument of its own and a channel at descriptor 3.
 */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "daemon/config.h"
#include "daemon/log.h"
#include "daemon/once.h"
#include "daemon/supervise.h"
#include "daemon/web_child.h"
#include "web/web.h"

/* Lines of the web process go where its parent's go; it has no socket of its own to the journal. */
static void log_web(const struct channel_settings *settings, int priority, const char *message)
{
	struct log log = { .output = settings->log_json	     ? LOG_OUTPUT_JSON
				     : settings->log_journal ? LOG_OUTPUT_PREFIX
							     : LOG_OUTPUT_PLAIN,
			   .level = settings->log_level,
			   .fd = 2,
			   .process = WEB_CHILD_NAME };

	/* Before its settings have come it has something to say only when it fails. */
	if (settings->type != CHANNEL_SETTINGS) {
		log.level = LOG_INFO;
		log.output = LOG_OUTPUT_PREFIX;
	}
	log_print(&log, priority, "%s", message);
}

/* By accident nobody gets here: the channel must be there too. */
static bool is_web_process(int argc, char **argv)
{
	socklen_t len = sizeof(int);
	int type = 0;

	return argc == 2 && !strcmp(argv[1], WEB_CHILD_ARGUMENT) &&
	       getsockopt(CHANNEL_FD, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_SEQPACKET;
}

static int fail(const struct faults *faults)
{
	fputs(faults->text ? faults->text : "out of memory\n", stderr);
	if (faults->count > FAULTS_MAX)
		fprintf(stderr, "... and more\n");
	return 2;
}

int main(int argc, char **argv)
{
	_cleanup_(options_done) struct options options = {};
	_cleanup_(faults_done) struct faults faults = {};
	const char *path = NULL;

	if (is_web_process(argc, argv)) {
		/* The kernel names a program that was run from a descriptor after its number. */
		(void)prctl(PR_SET_NAME, WEB_CHILD_NAME, 0, 0, 0);
		return web_main(log_web);
	}
	if (config_assemble(argc, argv, &options, &path, &faults) < 0)
		return fail(&faults);
	if (options.help) {
		options_print_help(stdout);
		return 0;
	}
	if (options.version) {
		puts("tcpdiagd " TCPDIAGD_VERSION);
		return 0;
	}
	if (options.check_config) {
		options_print_yaml(&options, path, stdout);
		return 0;
	}
	return options.once ? once_main(&options) : supervise_main(argc, argv, &options);
}
