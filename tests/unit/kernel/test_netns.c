/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../harness.h"
#include <time.h>

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

/* When all that has been told is taken, and what was lost is found; fails where it is not. */
static struct netns_place settled(uint32_t inode)
{
	struct netns_place place = {};

	const time_t end = time(NULL) + 10;

	for (int i = 0; time(NULL) < end && (netns_scene_wait(watch, i ? 10 : 100) || !place.pid);
	     i++) {
		netns_changed(watch);
		place = netns_scene_find(watch, inode);
	}
	return place;
}

START_TEST(before_the_first_pass)
{
	const struct netns_place place = netns_scene_find(watch, netns_own(watch));
	uint32_t count;

	ck_assert_uint_eq(netns_own(watch), netns_scene_inode(getpid()));
	ck_assert_int_eq(place.pid, getpid());
	netns_places(watch, &count);
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(netns_result_ns(watch), 0);
}
END_TEST

START_TEST(by_process)
{
	struct netns_child child = netns_scene_start(0, NULL);
	struct netns_child other = netns_scene_start(child.pid, NULL);
	struct netns_place place;

	ck_assert_uint_eq(child.inode, other.inode);
	netns_scene_pass(watch);
	ck_assert_int_eq(netns_result_ns(watch), 1);
	place = netns_scene_find(watch, child.inode);
	ck_assert(place.pid == child.pid || place.pid == other.pid);
	ck_assert_uint_eq(place.processes, 2);
	ck_assert_str_eq(place.name, "");
	place = netns_scene_find(watch, netns_own(watch));
	ck_assert_int_eq(place.pid, getpid());
	ck_assert_uint_ge(place.processes, 1);
	netns_scene_stop(&child);
	netns_scene_stop(&other);
}
END_TEST

/* The smallest budget: one process a time, and the old result is in force until the new one is complete. */
START_TEST(in_slices)
{
	struct netns_child child = netns_scene_start(0, NULL);
	unsigned slices = 1;

	while (netns_step(watch, 0, 7) == 0) {
		slices++;
		ck_assert_int_eq(netns_result_ns(watch), 0);
		ck_assert(!netns_scene_has(watch, child.inode));
	}
	ck_assert_uint_gt(slices, 5);
	ck_assert_int_eq(netns_result_ns(watch), 7);
	ck_assert(netns_scene_has(watch, child.inode));
	netns_scene_stop(&child);
}
END_TEST

START_TEST(by_name)
{
	struct netns_child child = netns_scene_start(0, NULL);
	struct netns_place place;

	netns_scene_name("blue", child.pid);
	netns_scene_stop(&child);
	netns_scene_pass(watch);
	place = netns_scene_find(watch, child.inode);
	ck_assert_int_eq(place.pid, 0);
	ck_assert_uint_eq(place.processes, 0);
	ck_assert_str_eq(place.name, "blue");
	ck_assert_int_eq(netns_enter(watch, child.inode), 0);
	ck_assert_uint_eq(netns_scene_inode(getpid()), child.inode);
	netns_leave(watch);

	netns_scene_unname("blue");
	ck_assert(netns_scene_wait(watch, 1000));
	ck_assert(netns_scene_gone(watch, child.inode));
	ck_assert_int_eq(netns_enter(watch, child.inode), -ENOENT);
}
END_TEST

START_TEST(by_both)
{
	struct netns_child child = netns_scene_start(0, NULL);
	struct netns_place place;

	netns_scene_name("green", child.pid);
	netns_scene_pass(watch);
	place = netns_scene_find(watch, child.inode);
	ck_assert_int_eq(place.pid, child.pid);
	ck_assert_str_eq(place.name, "green");

	netns_scene_stop(&child);
	ck_assert(netns_scene_wait(watch, 1000));
	netns_changed(watch);
	place = netns_scene_find(watch, child.inode);
	ck_assert_int_eq(place.pid, 0);
	netns_scene_unname("green");
	ck_assert(netns_scene_gone(watch, child.inode));
}
END_TEST

/* A name that goes leaves the process, and that is not the end. */
START_TEST(name_goes_first)
{
	struct netns_child child = netns_scene_start(0, NULL);
	struct netns_place place;

	netns_scene_name("red", child.pid);
	netns_scene_pass(watch);
	netns_scene_unname("red");
	ck_assert(netns_scene_wait(watch, 1000));
	ck_assert(netns_changed(watch));
	place = netns_scene_find(watch, child.inode);
	ck_assert_int_eq(place.pid, child.pid);
	ck_assert_str_eq(place.name, "");
	netns_scene_stop(&child);
	ck_assert(netns_scene_gone(watch, child.inode));
}
END_TEST

START_TEST(two_names)
{
	struct netns_child child = netns_scene_start(0, NULL);
	char longest[200];

	memset(longest, 'n', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	/* It is cut where it is shown, and leads there nevertheless. */
	netns_scene_name(longest, child.pid);
	netns_scene_name("beta", child.pid);
	netns_scene_stop(&child);
	netns_scene_pass(watch);
	ck_assert_str_eq(netns_scene_find(watch, child.inode).name, "beta");
	netns_scene_unname("beta");
	for (int i = 0; i < 100 && *netns_scene_find(watch, child.inode).name != 'n'; i++)
		if (netns_scene_wait(watch, 10))
			netns_changed(watch);
	ck_assert_uint_eq(strlen(netns_scene_find(watch, child.inode).name), NETNS_NAME_MAX - 1);
	ck_assert_int_eq(netns_enter(watch, child.inode), 0);
	netns_leave(watch);
	netns_scene_unname(longest);
	ck_assert(netns_scene_gone(watch, child.inode));
}
END_TEST

/* Left over, a symbolic link to a name, a mount of another kind, a pipe that nobody writes to. */
START_TEST(what_is_no_name)
{
	struct netns_child child = netns_scene_start(0, NULL);
	uint32_t count, names = 0;
	const struct netns_place *place;

	netns_scene_plain("plain");
	netns_scene_plain("mounts");
	netns_scene_mount("mounts", getpid(), "uts");
	ck_assert_int_eq(mkfifo(netns_scene_path("fifo"), 0600), 0);
	ck_assert_int_eq(mkdir(netns_scene_path("folder"), 0700), 0);
	ck_assert_int_eq(symlink("nowhere", netns_scene_path("dangling")), 0);
	ck_assert_int_eq(symlink("link-2", netns_scene_path("link-1")), 0);
	ck_assert_int_eq(symlink("link-1", netns_scene_path("link-2")), 0);
	netns_scene_name("name", child.pid);
	ck_assert_int_eq(symlink("name", netns_scene_path("a-link")), 0);
	netns_scene_pass(watch);
	place = netns_places(watch, &count);
	for (uint32_t i = 0; i < count; i++)
		names += *place[i].name != '\0';
	ck_assert_uint_eq(names, 1);
	ck_assert_str_eq(netns_scene_find(watch, child.inode).name, "a-link");
	netns_scene_stop(&child);
}
END_TEST

START_TEST(last_process_ends)
{
	struct netns_child child = netns_scene_start(0, NULL);

	netns_scene_pass(watch);
	while (netns_scene_wait(watch, 0))
		netns_changed(watch);
	ck_assert(netns_scene_has(watch, child.inode));
	netns_scene_stop(&child);
	ck_assert(netns_scene_wait(watch, 1000));
	ck_assert(netns_scene_gone(watch, child.inode));
	ck_assert_int_eq(netns_enter(watch, child.inode), -ENOENT);
	ck_assert_uint_eq(netns_scene_inode(getpid()), netns_own(watch));
	netns_scene_pass(watch);
	ck_assert(!netns_scene_has(watch, child.inode));
}
END_TEST

/* More of them than are remembered; the last is the one that is left. */
START_TEST(another_process_is_there)
{
	struct netns_child children[7];
	struct netns_place place;

	for (size_t i = 0; i < ARRAY_SIZE(children); i++)
		children[i] = netns_scene_start(i ? children[0].pid : 0, NULL);
	netns_scene_pass(watch);
	place = netns_scene_find(watch, children[0].inode);
	ck_assert_uint_eq(place.processes, ARRAY_SIZE(children));
	for (size_t i = 0; i + 1 < ARRAY_SIZE(children); i++) {
		netns_scene_stop(&children[i]);
		place = settled(children[0].inode);
		ck_assert_int_gt(place.pid, 0);
		ck_assert_uint_eq(netns_scene_inode(place.pid), children[0].inode);
	}
	ck_assert_int_eq(place.pid, children[6].pid);
	/* Who stands for it stays, so that a pass opens nothing anew. */
	netns_scene_pass(watch);
	ck_assert_int_eq(netns_scene_find(watch, children[0].inode).pid, children[6].pid);
	netns_scene_stop(&children[6]);
	ck_assert(netns_scene_gone(watch, children[0].inode));
}
END_TEST

static void fork_another(void)
{
	pid_t parent = getpid();

	if (fork() == 0) {
		/* Not longer than the test. */
		for (int i = 0; i < 500 && kill(parent, 0) == 0; i++)
			usleep(10000);
		usleep(500000);
		_exit(0);
	}
}

/* A daemon: the child that has come since the pass goes on, the process that was known ends. */
START_TEST(successor)
{
	struct netns_child child = netns_scene_start(0, fork_another);
	struct netns_place place;

	netns_scene_pass(watch);
	while (netns_scene_wait(watch, 0))
		netns_changed(watch);
	ck_assert_int_eq(write(child.talk, "", 1), 1);
	usleep(50000);
	netns_scene_stop(&child);
	ck_assert(netns_scene_wait(watch, 1000));
	place = settled(child.inode);
	ck_assert_int_gt(place.pid, 0);
	ck_assert_int_ne(place.pid, child.pid);
	ck_assert_int_eq(netns_enter(watch, child.inode), 0);
	netns_leave(watch);
	ck_assert(netns_scene_gone(watch, child.inode));
}
END_TEST

START_TEST(there_and_back)
{
	struct netns_child child = netns_scene_start(0, NULL);

	netns_scene_pass(watch);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(netns_enter(watch, child.inode), 0);
		ck_assert_uint_eq(netns_scene_inode(getpid()), child.inode);
		ck_assert_int_eq(netns_enter(watch, netns_own(watch)), 0);
		ck_assert_uint_eq(netns_scene_inode(getpid()), netns_own(watch));
		netns_leave(watch);
		ck_assert_uint_eq(netns_scene_inode(getpid()), netns_own(watch));
	}
	ck_assert_int_eq(netns_enter(watch, 1), -ENOENT);
	netns_scene_stop(&child);
}
END_TEST

static void go_elsewhere(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		_exit(1);
}

/* As a number that is in use again: there is a process, and it is not in the namespace. */
START_TEST(process_elsewhere)
{
	struct netns_child child = netns_scene_start(0, go_elsewhere);

	netns_scene_pass(watch);
	ck_assert_int_eq(netns_enter(watch, child.inode), 0);
	netns_leave(watch);
	ck_assert_int_eq(write(child.talk, "", 1), 1);
	for (int i = 0; i < 100 && netns_scene_inode(child.pid) == child.inode; i++)
		usleep(10000);
	ck_assert_int_eq(netns_enter(watch, child.inode), -ENOENT);
	ck_assert_uint_eq(netns_scene_inode(getpid()), netns_own(watch));
	netns_scene_pass(watch);
	ck_assert(!netns_scene_has(watch, child.inode));
	ck_assert(netns_scene_has(watch, netns_scene_inode(child.pid)));
	netns_scene_stop(&child);
}
END_TEST

/* Made and ended, with and without a pass in between: nothing stays open. */
START_TEST(coming_and_going)
{
	unsigned before = netns_scene_descriptors();

	for (int i = 0; i < 300; i++) {
		struct netns_child child = netns_scene_start(0, NULL);
		bool named = i % 3 == 0;

		if (named)
			netns_scene_name("churn", child.pid);
		if (i % 5 != 4)
			netns_scene_pass(watch);
		netns_scene_stop(&child);
		/* A name keeps it; without one it goes at once, or never came into the list. */
		if (i % 2 && !named)
			ck_assert(netns_scene_gone(watch, child.inode));
		if (named)
			netns_scene_unname("churn");
	}
	netns_scene_pass(watch);
	netns_changed(watch);
	/* Namespaces of others may have come meanwhile. */
	uint32_t count;

	netns_places(watch, &count);
	ck_assert_uint_le(netns_scene_descriptors(), before + count - 1);
}
END_TEST

START_TEST(folder_comes_later)
{
	struct netns_child child = netns_scene_start(0, NULL);

	for (int round = 0; round < 2; round++) {
		ck_assert_int_eq(rmdir(NETNS_SCENE_NAMES), 0);
		ck_assert(netns_scene_wait(watch, 1000));
		netns_changed(watch);
		netns_scene_pass(watch);
		while (netns_scene_wait(watch, 0))
			netns_changed(watch);
		/* What comes beside it is none of ours. */
		ck_assert_int_eq(mkdir(NETNS_SCENE_PARENT "/beside", 0755), 0);
		ck_assert_int_eq(rmdir(NETNS_SCENE_PARENT "/beside"), 0);
		ck_assert(netns_scene_wait(watch, 1000));
		ck_assert(!netns_changed(watch));
		ck_assert_int_eq(mkdir(NETNS_SCENE_NAMES, 0755), 0);
		ck_assert(netns_scene_wait(watch, 1000));
		ck_assert(netns_changed(watch));
		netns_scene_name("late", child.pid);
		ck_assert(netns_scene_wait(watch, 1000));
		ck_assert(netns_changed(watch));
		netns_scene_pass(watch);
		ck_assert_str_eq(netns_scene_find(watch, child.inode).name, "late");
		netns_scene_unname("late");
	}
	netns_scene_stop(&child);
}
END_TEST

/* Whoever looks between the file and the mount is told to look again. */
START_TEST(name_being_made)
{
	struct netns_child child = netns_scene_start(0, NULL);
	bool again = false;

	netns_scene_plain("slow");
	netns_scene_pass(watch);
	ck_assert_str_eq(netns_scene_find(watch, child.inode).name, "");
	netns_changed(watch);
	netns_scene_mount("slow", child.pid, "net");
	for (int i = 0; i < 200 && !again; i++)
		again = netns_scene_wait(watch, 10) && netns_changed(watch);
	ck_assert(again);
	netns_scene_pass(watch);
	ck_assert_str_eq(netns_scene_find(watch, child.inode).name, "slow");
	netns_scene_stop(&child);
}
END_TEST

START_TEST(what_is_not_there)
{
	struct netns_watch *none = NULL;

	ck_assert_int_eq(netns_watch_new("/nonexistent", "/run/netns", 8, &none), -ENOENT);
	ck_assert_ptr_null(none);
	ck_assert_int_eq(netns_watch_new("/proc", "/nonexistent/a/b/", 8, &none), 0);
	netns_scene_pass(none);
	ck_assert(netns_scene_has(none, netns_own(none)));
	ck_assert_ptr_null(netns_watch_free(none));
	ck_assert_ptr_null(netns_watch_free(NULL));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("netns");
	TCase *c = tcase_create("kernel");

	tcase_add_checked_fixture(c, begin, end);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, before_the_first_pass);
	tcase_add_test(c, by_process);
	tcase_add_test(c, in_slices);
	tcase_add_test(c, by_name);
	tcase_add_test(c, by_both);
	tcase_add_test(c, name_goes_first);
	tcase_add_test(c, two_names);
	tcase_add_test(c, what_is_no_name);
	tcase_add_test(c, last_process_ends);
	tcase_add_test(c, another_process_is_there);
	tcase_add_test(c, successor);
	tcase_add_test(c, there_and_back);
	tcase_add_test(c, process_elsewhere);
	tcase_add_test(c, coming_and_going);
	tcase_add_test(c, folder_comes_later);
	tcase_add_test(c, name_being_made);
	tcase_add_test(c, what_is_not_there);
	suite_add_tcase(s, c);
	return s;
}
