/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names of namespaces: files in /run/netns on which a file of nsfs is mounted (ip-netns(8)), or
 * symbolic links to such.
 *
 * ip(8) makes a plain file first and mounts afterwards, and inotify(7) tells the first alone. So a
 * plain file that is young is looked at again, after as long a time as it is old. Without the
 * folder, its parent is watched until it comes.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include <linux/magic.h>

#include "kernel/netns_private.h"
#include "model/macro.h"

#define FOLDER_EVENTS \
	(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | \
	 IN_ONLYDIR)
#define PARENT_EVENTS (IN_CREATE | IN_MOVED_TO | IN_ONLYDIR)

/* A plain file that is older is left over. */
#define YOUNG_NS (10 * NSEC_PER_SEC)

static int64_t age_of(const struct timespec *when)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (now.tv_sec - when->tv_sec) * NSEC_PER_SEC + now.tv_nsec - when->tv_nsec;
}

enum netns_file netns_look_at_name(int folder, const char *name, uint32_t *ret_inode,
				   int64_t *ret_age_ns)
{
	/* Opening it so does nothing, whatever it is. */
	_cleanup_close_ int path = openat(folder, name, O_PATH | O_CLOEXEC);
	_cleanup_close_ int fd = -1;
	struct statfs fs;
	struct stat st;
	uint32_t inode;

	if (path < 0)
		return netns_is_shortage(errno) ? NETNS_FILE_UNKNOWN : NETNS_FILE_NONE;
	if (fstatfs(path, &fs) < 0 || fstat(path, &st) < 0)
		return NETNS_FILE_NONE;
	if (fs.f_type != NSFS_MAGIC) {
		int64_t age = age_of(&st.st_ctim);

		if (!S_ISREG(st.st_mode) || age < 0 || age > YOUNG_NS)
			return NETNS_FILE_NONE;
		*ret_age_ns = age;
		return NETNS_FILE_PLAIN;
	}
	fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && netns_is_shortage(errno))
		return NETNS_FILE_UNKNOWN;
	inode = fd < 0 ? 0 : netns_of_file(fd);
	if (!inode)
		return NETNS_FILE_NONE;
	*ret_inode = inode;
	return NETNS_FILE_NAME;
}

bool netns_name_leads_to(const struct netns_watch *watch, const char *name, uint32_t inode)
{
	_cleanup_close_ int folder = open(watch->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	uint32_t there = 0;
	int64_t age;

	if (folder < 0)
		return netns_is_shortage(errno);
	switch (netns_look_at_name(folder, name, &there, &age)) {
	case NETNS_FILE_NAME:
		return there == inode;
	case NETNS_FILE_UNKNOWN:
		return true;
	case NETNS_FILE_NONE:
	case NETNS_FILE_PLAIN:
		break;
	}
	return false;
}

static int add_watch(struct netns_watch *watch, const char *path, uint32_t events, int old)
{
	int wd = inotify_add_watch(watch->inotify, path, events);

	/* Another folder has been put in its place, or mounted there. */
	if (old >= 0 && old != wd)
		inotify_rm_watch(watch->inotify, old);
	return wd;
}

void netns_watch_names(struct netns_watch *watch)
{
	if (watch->inotify < 0)
		return;
	watch->folder_wd = add_watch(watch, watch->folder, FOLDER_EVENTS, watch->folder_wd);
	if (watch->folder_wd < 0) {
		watch->parent_wd = add_watch(watch, watch->parent, PARENT_EVENTS, watch->parent_wd);
		/* It may have come in between. */
		watch->folder_wd = add_watch(watch, watch->folder, FOLDER_EVENTS, -1);
	}
	if (watch->folder_wd >= 0 && watch->parent_wd >= 0) {
		inotify_rm_watch(watch->inotify, watch->parent_wd);
		watch->parent_wd = -1;
	}
}

/* Of a name that is no longer there, or of all of them: whose it was is looked at again. */
static void doubt_names(struct netns_watch *watch, const char *name)
{
	for (uint32_t i = 0; i < watch->list.count; i++) {
		struct netns_entry *entry = &watch->list.entry[i];

		if (!entry->name || (name && strcmp(entry->name, name) != 0))
			continue;
		if (netns_name_leads_to(watch, entry->name, entry->inode))
			continue;
		free(entry->name);
		entry->name = NULL;
		entry->lost |= !entry->pid[0];
	}
}

static bool take_event(struct netns_watch *watch, const struct inotify_event *event)
{
	if (event->mask & IN_Q_OVERFLOW) {
		doubt_names(watch, NULL);
		return true;
	}
	if (event->wd == watch->parent_wd) {
		if (event->mask & IN_IGNORED)
			watch->parent_wd = -1;
		if (!event->len || strcmp(event->name, watch->base) != 0)
			return false;
		netns_watch_names(watch);
		return true;
	}
	if (event->wd != watch->folder_wd)
		return false;
	if (event->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)) {
		inotify_rm_watch(watch->inotify, watch->folder_wd);
		watch->folder_wd = -1;
		netns_watch_names(watch);
		doubt_names(watch, NULL);
	} else if (event->len && event->mask & (IN_DELETE | IN_MOVED_FROM)) {
		doubt_names(watch, event->name);
	}
	return true;
}

bool netns_read_names(struct netns_watch *watch)
{
	char buffer[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool changed = false;

	/* What is too much for one time leaves the descriptor readable. */
	for (int i = 0; i < 16; i++) {
		ssize_t n = read(watch->inotify, buffer, sizeof(buffer));
		const char *at = buffer;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		while ((size_t)(buffer + n - at) >= sizeof(struct inotify_event)) {
			const struct inotify_event *event = (const void *)at;

			if ((size_t)(buffer + n - at) - sizeof(*event) < event->len)
				break;
			changed |= take_event(watch, event);
			at += sizeof(*event) + event->len;
		}
	}
	watch->names_again |= changed;
	return changed;
}
