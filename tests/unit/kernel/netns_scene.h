/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Real namespaces of a test: processes in them that wait, and a folder of names of its own.
 */
#pragma once

#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>

#include "kernel/netns.h"
#include "scene.h"

#define NETNS_SCENE_MAX 64

struct netns_child {
	pid_t pid;
	uint32_t inode;
	int talk; /* closed: it ends; a byte: it does what it has to */
};

#define NETNS_SCENE_PARENT "/run"
#define NETNS_SCENE_NAMES NETNS_SCENE_PARENT "/netns"

static inline uint32_t netns_scene_inode(pid_t pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	return stat(path, &st) < 0 ? 0 : (uint32_t)st.st_ino;
}

/* The folder of names is the test's own, as all its mounts are, and ends with it. */
static inline void netns_scene_begin(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("test", NETNS_SCENE_PARENT, "tmpfs", 0, NULL) < 0)
		scene_skip("namespaces and mounts need root");
	ck_assert_int_eq(mkdir(NETNS_SCENE_NAMES, 0755), 0);
}

/*
 * A process in a namespace: in that of @with, in one of its own where that is 0. @act is what it does at a
 * byte, before it waits on.
 */
static inline struct netns_child netns_scene_start(pid_t with, void (*act)(void))
{
	struct netns_child child;
	char path[64], byte = 0;
	int talk[2], answer[2], fd;

	ck_assert_int_eq(pipe2(talk, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(answer, O_CLOEXEC), 0);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", with);
	child.pid = fork();
	ck_assert_int_ge(child.pid, 0);
	if (child.pid == 0) {
		close(talk[1]);
		fd = with ? open(path, O_RDONLY | O_CLOEXEC) : -1;
		if ((with ? setns(fd, CLONE_NEWNET) : unshare(CLONE_NEWNET)) < 0)
			_exit(1);
		close(fd);
		/* Nobody waits for a child of this one. */
		signal(SIGCHLD, SIG_IGN);
		if (write(answer[1], &byte, 1) != 1)
			_exit(1);
		while (read(talk[0], &byte, 1) == 1) {
			if (act)
				act();
			if (write(answer[1], &byte, 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	close(talk[0]);
	close(answer[1]);
	if (read(answer[0], &byte, 1) != 1)
		scene_skip("no network namespace can be made here");
	close(answer[0]);
	child.talk = talk[1];
	child.inode = netns_scene_inode(child.pid);
	ck_assert_uint_ne(child.inode, 0);
	return child;
}

static inline void netns_scene_stop(struct netns_child *child)
{
	close(child->talk);
	ck_assert_int_eq(kill(child->pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child->pid, NULL, 0), child->pid);
}

static inline const char *netns_scene_path(const char *name)
{
	static char path[320];

	snprintf(path, sizeof(path), NETNS_SCENE_NAMES "/%s", name);
	return path;
}

static inline void netns_scene_plain(const char *name)
{
	int fd = open(netns_scene_path(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

/* As ip-netns(8): a plain file, and then a mount over it. */
static inline void netns_scene_mount(const char *name, pid_t pid, const char *kind)
{
	char source[64];

	snprintf(source, sizeof(source), "/proc/%d/ns/%s", pid, kind);
	ck_assert_int_eq(mount(source, netns_scene_path(name), NULL, MS_BIND, NULL), 0);
}

static inline void netns_scene_name(const char *name, pid_t pid)
{
	netns_scene_plain(name);
	netns_scene_mount(name, pid, "net");
}

static inline void netns_scene_unname(const char *name)
{
	ck_assert_int_eq(umount2(netns_scene_path(name), MNT_DETACH), 0);
	ck_assert_int_eq(unlink(netns_scene_path(name)), 0);
}

static inline struct netns_watch *netns_scene_watch(uint32_t max)
{
	struct netns_watch *watch = NULL;

	ck_assert_int_eq(netns_watch_new("/proc", NETNS_SCENE_NAMES, max, &watch), 0);
	ck_assert_ptr_nonnull(watch);
	return watch;
}

static inline void netns_scene_pass(struct netns_watch *watch)
{
	int r;

	do
		r = netns_step(watch, 10 * NSEC_PER_MSEC, 1);
	while (r == 0);
	ck_assert_int_eq(r, 1);
}

/* NULL: it is not in the list. */
static inline const struct netns_place *netns_scene_place(const struct netns_watch *watch,
							  uint32_t inode)
{
	const struct netns_place *found = NULL;
	const struct netns_place *place;
	uint32_t count;

	place = netns_places(watch, &count);
	for (uint32_t i = 0; i < count; i++) {
		ck_assert_msg(i == 0 || place[i - 1].inode < place[i].inode, "not ascending");
		if (place[i].inode == inode)
			found = &place[i];
	}
	return found;
}

static inline bool netns_scene_has(const struct netns_watch *watch, uint32_t inode)
{
	return netns_scene_place(watch, inode) != NULL;
}

/* Fails where it is not in the list. */
static inline struct netns_place netns_scene_find(const struct netns_watch *watch, uint32_t inode)
{
	const struct netns_place *place = netns_scene_place(watch, inode);

	if (!place)
		ck_abort_msg("namespace %u is not in the list", inode);
	return *place;
}

/* Whether netns_fd() becomes readable within that time. */
static inline bool netns_scene_wait(const struct netns_watch *watch, int ms)
{
	struct pollfd wait = { .fd = netns_fd(watch), .events = POLLIN };

	return poll(&wait, 1, ms) == 1;
}

static inline unsigned netns_scene_descriptors(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/*
 * The machine has other processes, which end when they will: what they do says nothing here. Some look around in all
 * namespaces, as we do: who was seen on such a visit, and is elsewhere now, only a pass tells from one that lives there.
 */
static inline bool netns_scene_gone(struct netns_watch *watch, uint32_t inode)
{
	const time_t end = time(NULL) + 20;

	while (time(NULL) < end) {
		const struct netns_place *place = netns_scene_place(watch, inode);

		if (!place)
			return true;
		if (netns_scene_wait(watch, 10))
			netns_changed(watch);
		else if (place->pid && netns_scene_inode(place->pid) != inode &&
			 kill(place->pid, 0) == 0)
			netns_scene_pass(watch);
	}
	return false;
}
