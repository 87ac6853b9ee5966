/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Namespaces that come and go, and the way in and back: setns(2) moves the calling thread alone.
 *
 * The kind is always named to it: a sandbox that allows network namespaces and no others
 * (RestrictNamespaces=net of systemd) looks at that argument and refuses 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include "kernel/netns_private.h"
#include "model/macro.h"

static int add_to_epoll(struct netns_watch *watch, int fd, uint64_t tag)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = tag };

	return epoll_ctl(watch->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_proc(struct netns_watch *watch, const char *proc)
{
	int fd;

	watch->proc = open(proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (watch->proc < 0)
		return -errno;
	fd = open(proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	watch->processes = fdopendir(fd);
	if (!watch->processes) {
		close(fd);
		return -ENOMEM;
	}
	watch->home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (watch->home < 0)
		return -errno;
	watch->own = netns_of_file(watch->home);
	return watch->own ? 0 : -ENOTTY;
}

static int copy_names(struct netns_watch *watch, const char *names)
{
	size_t len = strlen(names);
	char *slash;

	while (len > 1 && names[len - 1] == '/')
		len--;
	watch->folder = strndup(names, len);
	watch->parent = strndup(names, len);
	if (!watch->folder || !watch->parent)
		return -ENOMEM;
	slash = strrchr(watch->folder, '/');
	watch->base = slash ? slash + 1 : watch->folder;
	if (!slash)
		memcpy(watch->parent, ".", MIN(len + 1, sizeof(".")));
	else
		watch->parent[slash == watch->folder ? 1 : slash - watch->folder] = '\0';
	return 0;
}

static int open_events(struct netns_watch *watch)
{
	watch->epoll = epoll_create1(EPOLL_CLOEXEC);
	watch->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (watch->epoll < 0 || watch->timer < 0)
		return -errno;
	/* There may be too many of them on the machine. */
	watch->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch->inotify >= 0 && add_to_epoll(watch, watch->inotify, NETNS_TAG_INOTIFY) < 0) {
		close(watch->inotify);
		watch->inotify = -1;
	}
	return add_to_epoll(watch, watch->timer, NETNS_TAG_TIMER);
}

int netns_watch_new(const char *proc, const char *names, uint32_t max, struct netns_watch **ret)
{
	struct netns_watch *watch = malloc(sizeof(*watch));
	struct netns_entry *entry;
	int r;

	if (!watch)
		return -ENOMEM;
	*watch = (struct netns_watch){
		.proc = -1,
		.home = -1,
		.max = max,
		.epoll = -1,
		.timer = -1,
		.inotify = -1,
		.folder_wd = -1,
		.parent_wd = -1,
	};
	r = open_proc(watch, proc);
	if (r >= 0)
		r = copy_names(watch, names);
	if (r >= 0)
		r = open_events(watch);
	if (r >= 0)
		r = netns_reserve_places(watch, 1);
	entry = r < 0 ? NULL : netns_list_add(&watch->list, watch->own);
	if (!entry) {
		netns_watch_free(watch);
		return r < 0 ? r : -ENOMEM;
	}
	netns_entry_add_process(entry, getpid());
	netns_publish(watch);
	netns_watch_names(watch);
	*ret = watch;
	return 0;
}

struct netns_watch *netns_watch_free(struct netns_watch *watch)
{
	if (!watch)
		return NULL;
	netns_list_clear(&watch->list);
	netns_list_clear(&watch->next);
	if (watch->processes)
		closedir(watch->processes);
	if (watch->names)
		closedir(watch->names);
	closep(&watch->proc);
	closep(&watch->home);
	closep(&watch->inotify);
	closep(&watch->timer);
	closep(&watch->epoll);
	free(watch->next_cut);
	free(watch->places);
	free(watch->folder);
	free(watch->parent);
	free(watch);
	return NULL;
}

uint32_t netns_own(const struct netns_watch *watch)
{
	return watch->own;
}

int64_t netns_result_ns(const struct netns_watch *watch)
{
	return watch->result_ns;
}

uint32_t netns_unreadable(const struct netns_watch *watch)
{
	return watch->unreadable;
}

uint64_t netns_cut(const struct netns_watch *watch)
{
	return watch->cut;
}

const struct netns_place *netns_places(const struct netns_watch *watch, uint32_t *ret_count)
{
	*ret_count = watch->list.count;
	return watch->places;
}

int netns_fd(const struct netns_watch *watch)
{
	return watch->epoll;
}

/* Return: 0; -ENOENT where another namespace is there, or none; -errno. */
static int enter_by(int folder, const char *path, uint32_t inode)
{
	_cleanup_close_ int fd = openat(folder, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return errno == ESRCH ? -ENOENT : -errno;
	if (netns_of_file(fd) != inode)
		return -ENOENT;
	return setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;
}

static int enter_process(const struct netns_watch *watch, int32_t pid, uint32_t inode)
{
	char path[32];
	int r;

	snprintf(path, sizeof(path), "%d/ns/net", pid);
	r = enter_by(watch->proc, path, inode);
	/* As in netns_of_process(). */
	return r == -EACCES ? enter_by(watch->proc, path, inode) : r;
}

int netns_enter(struct netns_watch *watch, uint32_t inode)
{
	const struct netns_entry *entry = netns_list_find(&watch->list, inode);
	_cleanup_close_ int folder = -1;
	int r = -ENOENT;

	if (inode == watch->own)
		return setns(watch->home, CLONE_NEWNET) < 0 ? -errno : 0;
	if (!entry)
		return -ENOENT;
	for (size_t i = 0; i < NETNS_CANDIDATES && entry->pid[i]; i++) {
		r = enter_process(watch, entry->pid[i], inode);
		if (r != -ENOENT)
			return r;
	}
	if (!entry->name)
		return r;
	/* What is no namespace is not opened, either. */
	folder = open(watch->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return -errno;
	if (!netns_name_leads_to(watch, entry->name, inode))
		return -ENOENT;
	return enter_by(folder, entry->name, inode);
}

void netns_leave(struct netns_watch *watch)
{
	if (setns(watch->home, CLONE_NEWNET) == 0)
		return;
	fprintf(stderr, "the way back from a network namespace is closed: %s\n", strerror(errno));
	abort();
}
