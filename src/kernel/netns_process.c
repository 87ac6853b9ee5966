/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process stands for the namespace in which it is: /proc/PID/ns/net says which
 * (fs/proc/namespaces.c), and a pidfd becomes readable when the process has ended
 * (kernel/fork.c:pidfd_poll()).
 *
 * A number may be in use again at any time. So the pidfd is opened first and the namespace read
 * then: if the number went to another process in between, the pidfd tells it at once.
 *
 * A process is in the namespace of its first thread. One whose other threads have gone elsewhere
 * for good, or whose first thread has ended before them, is not seen in those.
 */
#include <errno.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "kernel/netns_private.h"
#include "kernel/proc.h"
#include "model/macro.h"

int32_t netns_parse_pid(const char *name)
{
	int64_t value = 0;

	if (*name < '1' || *name > '9')
		return 0;
	for (; *name >= '0' && *name <= '9'; name++) {
		value = value * 10 + (*name - '0');
		if (value > INT32_MAX)
			return 0;
	}
	return *name ? 0 : (int32_t)value;
}

int64_t netns_of_process(const struct netns_watch *watch, int32_t pid)
{
	char path[32];
	int64_t inode;

	snprintf(path, sizeof(path), "%d/ns/net", pid);
	inode = proc_read_link(watch->proc, path, "net");
	/* That, too, comes of a process that ends just now; a moment later it is not found. */
	if (inode == -EACCES)
		inode = proc_read_link(watch->proc, path, "net");
	if (inode == -ENOENT || inode == -ESRCH || inode > UINT32_MAX)
		return 0;
	return inode;
}

uint32_t netns_of_file(int fd)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC)
		return 0;
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return 0;
	return fstat(fd, &st) < 0 || st.st_ino > UINT32_MAX ? 0 : (uint32_t)st.st_ino;
}

static int watch_process(struct netns_watch *watch, struct netns_entry *entry, int32_t pid)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0 && (errno == ESRCH || errno == EINVAL))
		return -ESRCH;
	/* Where it cannot be watched, it is found by passes. */
	if (netns_of_process(watch, pid) != entry->inode) {
		closep(&fd);
		return -ESRCH;
	}
	event.data.u64 = (uint64_t)(uint32_t)fd << 32 | entry->inode;
	if (fd >= 0 && epoll_ctl(watch->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		close(fd);
		fd = -1;
	}
	entry->pidfd = fd;
	return 0;
}

bool netns_attach(struct netns_watch *watch, struct netns_entry *entry)
{
	while (entry->pid[0]) {
		if (!watch_process(watch, entry, entry->pid[0]))
			return true;
		netns_detach(entry);
	}
	return false;
}

void netns_detach(struct netns_entry *entry)
{
	closep(&entry->pidfd);
	entry->pidfd = -1;
	memmove(entry->pid, entry->pid + 1, sizeof(entry->pid) - sizeof(entry->pid[0]));
	entry->pid[NETNS_CANDIDATES - 1] = 0;
}
