/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One row a capability. As root, a few more stay permitted, though not effective, for the web
 * process: it begins with them to become another user, and gives up everything then
 * (web/confine.h); and to end one that hangs takes CAP_KILL after that, which is raised for that
 * call alone.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/privileges.h"

#define SPARE_DESCRIPTORS 256U

/* The collector's: a netlink socket, a process and its counters in each network namespace. */
#define NAMESPACE_DESCRIPTORS 5U

static const struct privilege {
	cap_value_t capability;
	bool for_web; /* only as root, only permitted */
	const char *name;
	const char *without; /* what is lost; NULL: nothing of what is shown */
} privileges[] = {
	{ CAP_NET_ADMIN, false, "CAP_NET_ADMIN",
	  "marks of sockets and membership in MPTCP are not known" },
	{ CAP_SYS_PTRACE, false, "CAP_SYS_PTRACE",
	  "holders of sockets are known for processes of this user only" },
	{ CAP_DAC_READ_SEARCH, false, "CAP_DAC_READ_SEARCH",
	  "holders of sockets are known for processes of this user only" },
	{ CAP_SYS_ADMIN, false, "CAP_SYS_ADMIN",
	  "sockets of other network namespaces are not read" },
	{ CAP_BPF, false, "CAP_BPF", "SO_LINGER, TCP_LINGER2 and references are not known" },
	{ CAP_PERFMON, false, "CAP_PERFMON",
	  "SO_LINGER, TCP_LINGER2 and references are not known" },
	{ CAP_SETUID, true, NULL, NULL },
	{ CAP_SETGID, true, NULL, NULL },
	{ CAP_SETPCAP, true, NULL, NULL },
	{ CAP_KILL, true, NULL, NULL },
};

static const struct privilege *find(cap_value_t capability)
{
	for (size_t i = 0; i < ARRAY_SIZE(privileges); i++)
		if (privileges[i].capability == capability)
			return &privileges[i];
	return NULL;
}

static void freecapp(cap_t *caps)
{
	if (*caps)
		cap_free(*caps);
}

static int copy_flag(cap_t from, cap_t to, cap_flag_t flag, cap_value_t capability)
{
	cap_flag_value_t value;

	if (cap_get_flag(from, capability, flag, &value) < 0 ||
	    cap_set_flag(to, flag, 1, &capability, value) < 0)
		return -errno;
	return 0;
}

/* Permitted and effective: what the table keeps of what there is. Inheritable: nothing. */
static int reduce(cap_t now)
{
	_cleanup_(freecapp) cap_t kept = cap_init();
	bool root = geteuid() == 0;
	int r = 0;

	if (!kept)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(privileges) && r == 0; i++) {
		const struct privilege *p = &privileges[i];

		if (p->for_web && !root)
			continue;
		r = copy_flag(now, kept, CAP_PERMITTED, p->capability);
		if (r == 0 && !p->for_web)
			r = copy_flag(now, kept, CAP_EFFECTIVE, p->capability);
	}
	if (r == 0 && cap_set_proc(kept) < 0)
		r = -errno;
	return r;
}

/*
 * The bounding set first: that itself needs a capability. Without it there is nothing to gain
 * anyway.
 */
static void reduce_bounding(void)
{
	for (cap_value_t c = 0; c < cap_max_bits(); c++)
		if (!find(c) && cap_get_bound(c) > 0)
			(void)cap_drop_bound(c);
}

/* Each loss once, with the capabilities whose lack causes it. */
static void tell_missing(struct log *log, cap_t now)
{
	char names[128] = "";
	const char *loss = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(privileges); i++) {
		const struct privilege *p = &privileges[i];
		cap_flag_value_t has = CAP_CLEAR;

		if (!p->without ||
		    (cap_get_flag(now, p->capability, CAP_EFFECTIVE, &has) == 0 && has == CAP_SET))
			continue;
		if (loss && strcmp(loss, p->without) != 0) {
			log_print(log, LOG_NOTICE, "without %s: %s", names, loss);
			names[0] = '\0';
		}
		loss = p->without;
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s",
			 *names ? " and " : "", p->name);
	}
	if (loss)
		log_print(log, LOG_NOTICE, "without %s: %s", names, loss);
}

int privileges_drop(struct log *log)
{
	_cleanup_(freecapp) cap_t now = cap_get_proc();
	int r;

	if (!now)
		return -errno;
	tell_missing(log, now);
	reduce_bounding();
	(void)cap_reset_ambient();
	r = reduce(now);
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

void privileges_raise_descriptors(uint32_t connections, uint32_t namespaces)
{
	const rlim_t wanted = connections + (rlim_t)namespaces * NAMESPACE_DESCRIPTORS +
			      SPARE_DESCRIPTORS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = MIN(wanted, limit.rlim_max);
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void set_kill(cap_flag_value_t value)
{
	_cleanup_(freecapp) cap_t caps = cap_get_proc();
	cap_value_t capability = CAP_KILL;

	if (caps && cap_set_flag(caps, CAP_EFFECTIVE, 1, &capability, value) == 0)
		(void)cap_set_proc(caps);
}

int privileges_kill(pid_t pid, int pidfd)
{
	int r;

	/* Not permitted where it was not root; then it is the same user and needs none. */
	set_kill(CAP_SET);
	r = pidfd >= 0 ? pidfd_send_signal(pidfd, SIGKILL, NULL, 0) : kill(pid, SIGKILL);
	r = r < 0 ? -errno : 0;
	set_kill(CAP_CLEAR);
	return r;
}
