/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The executable is run from its descriptor (execveat(2)): after an upgrade the web process is
 * still the one that matches this collector, and a path that nobody may traverse any more does not
 * matter.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "daemon/web_child.h"
#include "daemon/web_start.h"
#include "model/macro.h"

int web_child_program(void)
{
	_cleanup_close_ int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	int high;

	if (fd < 0)
		return -errno;
	/* Out of the way of CHANNEL_FD. */
	high = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	return high < 0 ? -errno : high;
}

static void default_signals(void)
{
	sigset_t none;

	for (int signal_number = 1; signal_number < NSIG; signal_number++)
		(void)signal(signal_number, SIG_DFL);
	/* Ctrl-C reaches the whole group; it is the parent that ends the web process then. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child, until it is the other program. */
static void become_web(int program, int channel, pid_t parent)
{
	char name[] = WEB_CHILD_NAME, argument[] = WEB_CHILD_ARGUMENT;
	char *argv[] = { name, argument, NULL }, *environment[] = { NULL };
	int null;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		return;
	default_signals();
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	if (channel == CHANNEL_FD ? fcntl(channel, F_SETFD, 0) < 0 : dup2(channel, CHANNEL_FD) < 0)
		return;
	/* All others are close-on-exec already; this is for one that was forgotten. */
	(void)close_range(CHANNEL_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	fexecve(program, argv, environment);
}

pid_t web_start(int program, int channel)
{
	pid_t parent = getpid(), pid;

	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		become_web(program, channel, parent);
		_exit(127);
	}
	return pid;
}
