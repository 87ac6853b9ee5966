/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The watch of namespaces where something is missing: a capability, descriptors, pidfds, room for what is told.
 */
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "../harness.h"
#include "netns_scene.h"

static struct netns_watch *watch;

static void begin(void)
{
	netns_scene_begin();
	watch = netns_scene_watch(NETNS_SCENE_MAX);
}

static void end(void)
{
	watch = netns_watch_free(watch);
}

static void drop(unsigned capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	ck_assert_int_eq((int)syscall(SYS_capget, &header, data), 0);
	data[capability / 32].effective &= ~(1U << (capability % 32));
	ck_assert_int_eq((int)syscall(SYS_capset, &header, data), 0);
}

START_TEST(without_the_capability)
{
	struct netns_child child = netns_scene_start(0, NULL);

	netns_scene_pass(watch);
	drop(CAP_SYS_ADMIN);
	ck_assert_int_eq(netns_enter(watch, child.inode), -EPERM);
	ck_assert_uint_eq(netns_scene_inode(getpid()), netns_own(watch));
	netns_scene_stop(&child);
}
END_TEST

/* A user of its own with two capabilities, as the service has them, is enough. */
START_TEST(as_a_service)
{
	const uint32_t both = 1U << CAP_SYS_ADMIN | 1U << CAP_SYS_PTRACE;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { .effective = both, .permitted = both } };
	struct netns_child living = netns_scene_start(0, NULL);
	struct netns_child named = netns_scene_start(0, NULL);

	netns_scene_name("service", named.pid);
	netns_scene_stop(&named);
	ck_assert_int_eq(prctl(PR_SET_KEEPCAPS, 1), 0);
	ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
	ck_assert_int_eq((int)syscall(SYS_capset, &header, data), 0);
	watch = netns_watch_free(watch);
	watch = netns_scene_watch(NETNS_SCENE_MAX);
	netns_scene_pass(watch);
	ck_assert_int_eq(netns_scene_find(watch, living.inode).pid, living.pid);
	ck_assert_int_eq(netns_enter(watch, living.inode), 0);
	ck_assert_uint_eq(netns_scene_inode(getpid()), living.inode);
	netns_leave(watch);
	ck_assert_str_eq(netns_scene_find(watch, named.inode).name, "service");
	ck_assert_int_eq(netns_enter(watch, named.inode), 0);
	ck_assert_uint_eq(netns_scene_inode(getpid()), named.inode);
	netns_leave(watch);
	/* Its end is told to it as well. */
	close(living.talk);
	ck_assert(netns_scene_gone(watch, living.inode));
}
END_TEST

/* Without CAP_SYS_PTRACE the processes of others show nothing, which is counted. */
START_TEST(of_others)
{
	uint32_t before;
	struct netns_child child = netns_scene_start(0, NULL);

	netns_scene_pass(watch);
	before = netns_unreadable(watch);
	ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
	netns_scene_pass(watch);
	ck_assert_uint_gt(netns_unreadable(watch), before);
	ck_assert(!netns_scene_has(watch, child.inode));
	ck_assert(netns_scene_has(watch, netns_own(watch)));
}
END_TEST

/* A link of a process that ends may be refused twice. Whoever may trace lacks nothing for that. */
START_TEST(ending)
{
	struct netns_watch *refused;
	struct stat user;

	ck_assert_int_eq(stat("/proc/self/ns/user", &user), 0);
	ck_assert_int_eq(mkdir("/run/proc", 0755), 0);
	ck_assert_int_eq(mkdir("/run/proc/1", 0755), 0);
	ck_assert_int_eq(mkdir("/run/proc/1/ns", 0), 0);
	drop(CAP_DAC_OVERRIDE);
	drop(CAP_DAC_READ_SEARCH);
	ck_assert_int_eq(netns_watch_new("/run/proc", NETNS_SCENE_NAMES, 8, &refused), 0);
	/* The first user namespace of the machine, PROC_USER_INIT_INO. */
	if (user.st_ino == 0xeffffffd) {
		netns_scene_pass(refused);
		ck_assert_uint_eq(netns_unreadable(refused), 0);
	}
	drop(CAP_SYS_PTRACE);
	netns_scene_pass(refused);
	ck_assert_uint_eq(netns_unreadable(refused), 1);
	netns_watch_free(refused);
}
END_TEST

START_TEST(limit)
{
	struct netns_child children[3];
	struct netns_watch *small;
	uint32_t count;
	uint64_t cut;

	netns_scene_pass(watch);
	netns_places(watch, &count);
	small = netns_scene_watch(2);
	for (size_t i = 0; i < ARRAY_SIZE(children); i++)
		children[i] = netns_scene_start(0, NULL);
	/* One with several processes counts once. */
	struct netns_child other = netns_scene_start(children[2].pid, NULL);

	netns_scene_pass(small);
	cut = netns_cut(small);
	ck_assert_uint_ge(cut, 2);
	ck_assert(netns_scene_has(small, netns_own(small)));
	netns_places(small, &count);
	ck_assert_uint_eq(count, 2);
	netns_scene_pass(small);
	ck_assert_uint_ge(netns_cut(small), cut + 2);
	for (size_t i = 0; i < ARRAY_SIZE(children); i++)
		netns_scene_stop(&children[i]);
	netns_scene_stop(&other);
	netns_watch_free(small);
}
END_TEST

static void no_pidfd(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { .len = ARRAY_SIZE(code), .filter = code };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* Where no process can be watched, what ends is found by the next pass. */
START_TEST(passes_alone)
{
	struct netns_child child = netns_scene_start(0, NULL);

	no_pidfd();
	netns_scene_pass(watch);
	ck_assert_int_eq(netns_scene_find(watch, child.inode).pid, child.pid);
	netns_scene_stop(&child);
	ck_assert(!netns_scene_wait(watch, 50));
	ck_assert(!netns_changed(watch));
	ck_assert(netns_scene_has(watch, child.inode));
	ck_assert_int_lt(netns_enter(watch, child.inode), 0);
	netns_scene_pass(watch);
	ck_assert(!netns_scene_has(watch, child.inode));
}
END_TEST

static int complete_pass(void)
{
	int r;

	do
		r = netns_step(watch, NSEC_PER_SEC, 9);
	while (r == 0);
	return r;
}

/* The table of descriptors is full: what was known stays so, and nothing is said to be gone. */
START_TEST(no_descriptor_left)
{
	struct netns_child living = netns_scene_start(0, NULL);
	struct netns_child named = netns_scene_start(0, NULL);
	struct rlimit full, before;
	int next;

	netns_scene_name("here", named.pid);
	netns_scene_name("there", living.pid);
	netns_scene_stop(&named);
	netns_scene_pass(watch);
	next = dup(STDERR_FILENO);
	ck_assert_int_ge(next, 0);
	close(next);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	full = (struct rlimit){ .rlim_cur = next, .rlim_max = before.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &full), 0);

	ck_assert_int_eq(complete_pass(), -EMFILE);
	ck_assert_int_eq(netns_result_ns(watch), 1);
	ck_assert_int_eq(netns_enter(watch, named.inode), -EMFILE);
	netns_scene_stop(&living);
	/* An event for the folder, so that the names are looked at, or would be. */
	netns_scene_unname("there");
	ck_assert(netns_scene_wait(watch, 1000));
	netns_changed(watch);
	ck_assert(netns_scene_has(watch, named.inode));

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert(netns_scene_gone(watch, living.inode));
	ck_assert_int_eq(netns_enter(watch, named.inode), 0);
	netns_leave(watch);
	netns_scene_pass(watch);
	ck_assert_str_eq(netns_scene_find(watch, named.inode).name, "here");
}
END_TEST

/* More events than inotify keeps: that a name has gone is seen nevertheless. */
START_TEST(too_many_events)
{
	struct netns_child child = netns_scene_start(0, NULL);

	netns_scene_name("first", child.pid);
	netns_scene_stop(&child);
	netns_scene_pass(watch);
	ck_assert(netns_scene_has(watch, child.inode));
	for (int i = 0; i < 10000; i++) {
		netns_scene_plain(i % 2 ? "even" : "odd");
		ck_assert_int_eq(unlink(netns_scene_path(i % 2 ? "even" : "odd")), 0);
	}
	netns_scene_unname("first");
	ck_assert(netns_scene_gone(watch, child.inode));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("netns_limits");
	TCase *c = tcase_create("kernel");

	tcase_add_checked_fixture(c, begin, end);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, without_the_capability);
	tcase_add_test(c, as_a_service);
	tcase_add_test(c, of_others);
	tcase_add_test(c, ending);
	tcase_add_test(c, limit);
	tcase_add_test(c, passes_alone);
	tcase_add_test(c, no_descriptor_left);
	tcase_add_test(c, too_many_events);
	suite_add_tcase(s, c);
	return s;
}
