/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Three walls, each enough for most of what could go wrong: credentials (capabilities(7), prctl(2)),
 * Landlock with an empty rule set, and a seccomp list of what an event loop with an HTTP server calls.
 *
 * The order matters. Bounding set first, it needs CAP_SETPCAP; then the user, which takes the
 * capabilities along and clears the parent-death signal; then the rest; the filter last.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "model/macro.h"
#include "web/confine.h"

#define NOBODY 65534U

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
/* The leak check at exit stops the process with ptrace: out of reach from then on. */
static int confined;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return confined;
}
#define mark_confined() (confined = 1)
#else
#define mark_confined() ((void)0)
#endif

/* All descriptors above standard error that are not in the list. */
static int close_others(const int *keep, size_t count)
{
	unsigned int from = STDERR_FILENO + 1;
	size_t i;

	for (i = 0; i <= count; i++) {
		unsigned int next = i < count ? (unsigned int)keep[i] : ~0U;

		if (i < count && (keep[i] < 0 || next < from))
			continue;
		if (next > from && close_range(from, i < count ? next - 1 : ~0U, 0) < 0)
			return -errno;
		from = next + 1;
	}
	return 0;
}

static int limit_resources(uint32_t max_fds)
{
	const struct rlimit core = {};
	struct rlimit files;

	if (setrlimit(RLIMIT_CORE, &core) < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	/* The soft limit up to it, the hard one down to it: neither needs a right. */
	files.rlim_max = MIN(files.rlim_max, max_fds);
	files.rlim_cur = files.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &files) < 0 ? -errno : 0;
}

static void drop_bounding(uint32_t *gaps)
{
	cap_value_t cap;

	for (cap = 0; CAP_IS_SUPPORTED(cap); cap++)
		if (cap_get_bound(cap) > 0 && cap_drop_bound(cap) < 0)
			*gaps |= CONFINE_GAP_BOUNDING;
}

static void drop_user(uint32_t *gaps)
{
	if (geteuid() != 0 && getuid() != 0)
		return;
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0)
		*gaps |= CONFINE_GAP_USER;
}

static int drop_capabilities(void)
{
	cap_t none = cap_init();
	int r = 0;

	if (!none)
		return -ENOMEM;
	if (cap_set_proc(none) < 0 || cap_reset_ambient() < 0)
		r = -errno;
	cap_free(none);
	return r;
}

static int set_process_flags(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

/*
 * Landlock by number: neither libc nor older headers know all of it. Each ABI version has its own bits,
 * and a bit that the kernel does not know is an error.
 */
struct landlock_attributes {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* since 4: bind, connect */
	uint64_t scoped; /* since 6: abstract sockets, signals */
};

static const struct {
	int abi;
	unsigned int fs_bits, net_bits, scope_bits;
	size_t size;
} landlock_versions[] = {
	{ 6, 16, 2, 2, 24 }, { 5, 16, 2, 0, 16 }, { 4, 15, 2, 0, 16 },
	{ 3, 15, 0, 0, 8 },  { 2, 14, 0, 0, 8 },  { 1, 13, 0, 0, 8 },
};

static int lock_land(uint32_t *gaps)
{
	struct landlock_attributes attributes;
	_cleanup_close_ int rules = -1;
	size_t i = 0;
	long abi;

	abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 1) {
		*gaps |= CONFINE_GAP_LANDLOCK;
		return 0;
	}
	while (landlock_versions[i].abi > abi)
		i++;
	attributes = (struct landlock_attributes){
		.handled_access_fs = (1ULL << landlock_versions[i].fs_bits) - 1,
		.handled_access_net = (1ULL << landlock_versions[i].net_bits) - 1,
		.scoped = (1ULL << landlock_versions[i].scope_bits) - 1,
	};
	rules = (int)syscall(SYS_landlock_create_ruleset, &attributes, landlock_versions[i].size,
			     0);
	if (rules < 0)
		return -errno;
	/* Not one rule: every access that is handled is refused. */
	if (syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		return -errno;
	return 0;
}

/* Whatever its arguments. None of them reaches a file, another process, or a new address. */
static const int allowed_calls[] = {
	/* descriptors that exist */
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(pread64),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(close),
	SCMP_SYS(lseek),
	SCMP_SYS(fstat),
	SCMP_SYS(shutdown),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(getsockopt),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	/* waiting */
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(timerfd_gettime),
	SCMP_SYS(eventfd2),
	SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(restart_syscall),
	/* time and chance, where the vDSO does not answer */
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getrandom),
	SCMP_SYS(getrusage),
	/* memory; mmap and mprotect have their own rules */
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(mincore),
	/* itself */
	SCMP_SYS(futex),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getppid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* Only with these arguments. */
static int add_conditions(scmp_filter_ctx filter)
{
	static const int protecting[] = { SCMP_SYS(mmap), SCMP_SYS(mprotect) };
	static const int levels[] = { IPPROTO_TCP, SOL_SOCKET };
	static const int commands[] = { F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GET_SEALS };
	size_t i;
	int r;

	/* Memory that can be executed is never made. */
	for (i = 0; i < ARRAY_SIZE(protecting); i++) {
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, protecting[i], 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
		if (r < 0)
			return r;
	}
	/* No F_SETOWN: with F_SETSIG that is kill() by another name. */
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
				     SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)commands[i]));
		if (r < 0)
			return r;
	}
	/* What libmicrohttpd sets on a connection, and SO_LINGER when one is broken off. */
	for (i = 0; i < ARRAY_SIZE(levels); i++) {
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 1,
				     SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)levels[i]));
		if (r < 0)
			return r;
	}
	/* abort() of this process itself. */
	r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
			     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	if (r < 0)
		return r;
	/* Limits may be asked for, of this process, not set. */
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2,
				SCMP_A0(SCMP_CMP_EQ, 0), SCMP_A2(SCMP_CMP_EQ, 0));
}

static int filter_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	size_t i;
	int r = 0;

	if (!filter)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(allowed_calls) && r >= 0; i++) {
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed_calls[i], 0);
		/* A call that this machine's kind does not have is not made either. */
		if (r == -EDOM || r == -EINVAL)
			r = 0;
	}
	if (r >= 0)
		r = add_conditions(filter);
	/* A tree instead of a chain: a few comparisons a call. */
	if (r >= 0)
		(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r >= 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

int confine(const int *keep, size_t count, uint32_t max_fds, uint32_t *ret_gaps)
{
	uint32_t gaps = 0;
	int r;

	r = close_others(keep, count);
	if (r < 0)
		return r;
	r = limit_resources(max_fds);
	if (r < 0)
		return r;
	drop_bounding(&gaps);
	drop_user(&gaps);
	r = drop_capabilities();
	if (r < 0)
		return r;
	r = set_process_flags();
	if (r < 0)
		return r;
	r = lock_land(&gaps);
	if (r < 0)
		return r;
	r = filter_calls();
	if (r < 0)
		return r;
	mark_confined();
	*ret_gaps = gaps;
	return 0;
}
