/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process has ended or a name has gone: another one is looked for, among the remembered ones
 * first and then among all. A namespace that has none is no longer in the list, so that nothing of
 * ours keeps it alive.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "kernel/netns_private.h"
#include "model/macro.h"

/*
 * A second look over all processes takes as long as a pass. It is worth it for a namespace whose
 * processes have been replaced by others, and takes no more than this share of the time, however fast
 * they come and go: those that are lost meanwhile wait for it together. Where there are so many
 * processes that this would be a delay, the next pass finds what was wrongly given up.
 */
#define LOOK_SHARE 50
#define LOOK_PROCESSES_MAX 8192

/* After one that was not possible, for want of a descriptor. */
#define LOOK_AGAIN_NS (500 * NSEC_PER_MSEC)

void netns_arm_timer(struct netns_watch *watch, int64_t after_ns, bool names)
{
	int64_t at = netns_now() + after_ns;
	const struct itimerspec when = {
		.it_value = { .tv_sec = at / NSEC_PER_SEC, .tv_nsec = at % NSEC_PER_SEC },
	};

	watch->timer_names |= names;
	if (watch->timer_ns && watch->timer_ns <= at)
		return;
	if (timerfd_settime(watch->timer, TFD_TIMER_ABSTIME, &when, NULL) == 0)
		watch->timer_ns = at;
}

static bool take_timer(struct netns_watch *watch)
{
	bool names = watch->timer_names;
	uint64_t expirations;

	if (read(watch->timer, &expirations, sizeof(expirations)) < 0)
		return false;
	watch->timer_ns = 0;
	watch->timer_names = false;
	return names;
}

static bool take_event(struct netns_watch *watch, uint64_t tag)
{
	struct netns_entry *entry;

	if (tag == NETNS_TAG_INOTIFY)
		return netns_read_names(watch);
	if (tag == NETNS_TAG_TIMER)
		return take_timer(watch);
	entry = netns_list_find(&watch->list, (uint32_t)tag);
	if (entry && entry->pidfd >= 0 && (uint32_t)entry->pidfd == tag >> 32) {
		netns_detach(entry);
		entry->lost = true;
	}
	return false;
}

/* Return: whether some have been lost and are not found yet. */
static bool find_again(struct netns_watch *watch)
{
	bool missing = false;

	for (uint32_t i = 0; i < watch->list.count; i++) {
		struct netns_entry *entry = &watch->list.entry[i];

		if (!entry->lost)
			continue;
		entry->lost = !netns_attach(watch, entry) &&
			      !(entry->name &&
				netns_name_leads_to(watch, entry->name, entry->inode));
		missing |= entry->lost;
	}
	return missing;
}

/* Of those that are missing, a process: remembered, since others may follow. */
static void look_at_process(struct netns_watch *watch, int32_t pid)
{
	int64_t inode = netns_of_process(watch, pid);
	struct netns_entry *entry;

	entry = inode > 0 ? netns_list_find(&watch->list, (uint32_t)inode) : NULL;
	if (entry && entry->lost)
		netns_entry_add_process(entry, pid);
}

static void look_at_name(struct netns_watch *watch, int folder, const char *name)
{
	struct netns_entry *entry;
	uint32_t inode = 0;
	int64_t age;

	if (netns_look_at_name(folder, name, &inode, &age) != NETNS_FILE_NAME)
		return;
	entry = netns_list_find(&watch->list, inode);
	if (entry && entry->lost && !entry->name)
		entry->name = strdup(name);
}

/* All processes or all names of that folder, which is closed. Return: whether that was possible. */
static bool look_through(struct netns_watch *watch, int fd, bool names)
{
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!folder && fd < 0)
		return names && !netns_is_shortage(errno);
	if (!folder) {
		close(fd);
		return false;
	}
	while ((entry = readdir(folder))) {
		int32_t pid = names ? 0 : netns_parse_pid(entry->d_name);

		if (pid)
			look_at_process(watch, pid);
		else if (names && *entry->d_name != '.')
			look_at_name(watch, dirfd(folder), entry->d_name);
	}
	closedir(folder);
	return true;
}

/* Return: whether what is still lost is gone; otherwise it is not yet known. */
static bool look_twice(struct netns_watch *watch)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	int64_t start = netns_now();
	bool complete;
	int64_t wait_ns = watch->look_end_ns + watch->look_cost_ns * LOOK_SHARE - start;

	if (watch->process_count > LOOK_PROCESSES_MAX)
		return true;
	if (wait_ns > 0) {
		netns_arm_timer(watch, wait_ns, false);
		return !watch->timer_ns;
	}
	complete = look_through(watch, openat(watch->proc, ".", flags), false) &&
		   look_through(watch, open(watch->folder, flags), true);
	find_again(watch);
	watch->look_end_ns = netns_now();
	watch->look_cost_ns = watch->look_end_ns - start;
	if (!complete)
		netns_arm_timer(watch, LOOK_AGAIN_NS, false);
	return complete;
}

bool netns_changed(struct netns_watch *watch)
{
	struct epoll_event events[64];
	bool changed = false;
	int n;

	/*
	 * A pidfd is closed when it has told, the others are read to their end: it comes to an end.
	 */
	for (uint32_t i = 0; i <= watch->max; i += ARRAY_SIZE(events)) {
		n = epoll_wait(watch->epoll, events, ARRAY_SIZE(events), 0);
		for (int k = 0; k < n; k++)
			changed |= take_event(watch, events[k].data.u64);
		if (n < (int)ARRAY_SIZE(events))
			break;
	}
	if (find_again(watch) && look_twice(watch))
		for (uint32_t i = watch->list.count; i-- > 0;)
			if (watch->list.entry[i].lost) {
				netns_list_remove(&watch->list, i);
				changed = true;
			}
	netns_publish(watch);
	return changed;
}
