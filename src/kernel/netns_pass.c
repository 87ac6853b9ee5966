/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A pass over /proc and the folder of names, some of it at a time.
 *
 * It takes one readlink() a process, of 1.4 us, and nothing stays open of those that do not stand
 * for their namespace. What has been found is compared with the kernel once more at the end: the
 * first of it may be gone when the last has been seen.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "kernel/netns_private.h"
#include "kernel/proc.h"
#include "model/macro.h"

#define FIRST_USER_NAMESPACE 0xeffffffd /* PROC_USER_INIT_INO, include/linux/proc_ns.h */

/*
 * Of namespaces that had no room, each is counted once in a pass; above that, each process of
 * theirs.
 */
#define CUT_MAX 1024

/* A plain file is looked at again after as long as it is old, at least and at most after that. */
#define AGAIN_MIN_NS (20 * NSEC_PER_MSEC)
#define AGAIN_MAX_NS (5 * NSEC_PER_SEC)

/* Names that change all the time are not read anew all the time. */
#define NAMES_ROUNDS_MAX 3

int64_t netns_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

static int count_cut(struct netns_watch *watch, uint32_t inode)
{
	for (uint32_t i = 0; i < watch->next_cut_count; i++)
		if (watch->next_cut[i] == inode)
			return 0;
	watch->cut++;
	if (watch->next_cut_count == CUT_MAX)
		return 0;
	if (watch->next_cut_count == watch->next_cut_size) {
		uint32_t size = watch->next_cut_size ? watch->next_cut_size * 2 : 16;
		uint32_t *more = reallocarray(watch->next_cut, size, sizeof(*more));

		if (!more)
			return -ENOMEM;
		watch->next_cut = more;
		watch->next_cut_size = size;
	}
	watch->next_cut[watch->next_cut_count++] = inode;
	return 0;
}

/* Return: 0 with NULL where there is no room; -ENOMEM. */
static int add_entry(struct netns_watch *watch, uint32_t inode, struct netns_entry **ret)
{
	struct netns_entry *entry = netns_list_find(&watch->next, inode);
	const struct netns_entry *before;

	if (!entry && watch->next.count >= watch->max) {
		*ret = NULL;
		return count_cut(watch, inode);
	}
	if (!entry) {
		entry = netns_list_add(&watch->next, inode);
		if (!entry)
			return -ENOMEM;
		before = netns_list_find(&watch->list, inode);
		if (before && before->pidfd >= 0)
			entry->keep = before->pid[0];
	}
	*ret = entry;
	return 0;
}

static int add_process(struct netns_watch *watch, int32_t pid)
{
	int64_t inode = netns_of_process(watch, pid);
	struct netns_entry *entry;
	int r;

	watch->next_process_count++;
	/* There is always a first process: where it is hidden (hidepid), others are too. */
	if (!watch->next_first && pid != 1)
		watch->next_unreadable++;
	watch->next_first = true;
	if (inode < 0 && !(inode == -EACCES && watch->may_trace))
		watch->next_unreadable++;
	if (inode <= 0)
		return 0;
	r = add_entry(watch, (uint32_t)inode, &entry);
	if (r < 0 || !entry)
		return r;
	entry->processes++;
	if (pid == entry->keep)
		entry->kept = true;
	else
		netns_entry_add_process(entry, pid);
	return 0;
}

static int add_name(struct netns_watch *watch, const char *name)
{
	struct netns_entry *entry;
	int64_t age_ns = 0;
	uint32_t inode = 0;
	char *copy;
	int r;

	switch (netns_look_at_name(dirfd(watch->names), name, &inode, &age_ns)) {
	case NETNS_FILE_PLAIN:
		watch->next_young_ns = MIN(watch->next_young_ns, age_ns);
		return 0;
	case NETNS_FILE_NONE:
		return 0;
	case NETNS_FILE_UNKNOWN:
		return -EMFILE;
	case NETNS_FILE_NAME:
		break;
	}
	r = add_entry(watch, inode, &entry);
	if (r < 0 || !entry || (entry->name && strcmp(entry->name, name) <= 0))
		return r;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	free(entry->name);
	entry->name = copy;
	return 0;
}

static int begin_names(struct netns_watch *watch)
{
	int fd;

	netns_watch_names(watch);
	watch->phase = NETNS_NAMES;
	watch->names_again = false;
	watch->next_young_ns = INT64_MAX;
	for (uint32_t i = 0; i < watch->next.count; i++) {
		free(watch->next.entry[i].name);
		watch->next.entry[i].name = NULL;
	}
	if (watch->names) {
		closedir(watch->names);
		watch->names = NULL;
	}
	fd = open(watch->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && netns_is_shortage(errno))
		return -errno;
	/* It need not be there. */
	watch->next_unreadable += fd < 0 && errno != ENOENT && errno != ENOTDIR;
	if (fd < 0)
		return 0;
	watch->names = fdopendir(fd);
	if (!watch->names)
		close(fd);
	return watch->names ? 0 : -ENOMEM;
}

/* In a user namespace of one's own the capability says nothing of the processes outside. */
static bool may_trace_all(void)
{
	struct stat st;

	return proc_may_trace() && stat("/proc/thread-self/ns/user", &st) == 0 &&
	       st.st_ino == FIRST_USER_NAMESPACE;
}

static int begin(struct netns_watch *watch, int64_t now_ns)
{
	struct netns_entry *entry;

	netns_list_clear(&watch->next);
	watch->next_cut_count = 0;
	watch->next_unreadable = 0;
	watch->next_process_count = 0;
	watch->next_first = false;
	watch->may_trace = may_trace_all();
	watch->names_rounds = 0;
	watch->next_ns = now_ns;
	rewinddir(watch->processes);
	watch->phase = NETNS_PROCESSES;
	/* It is there whatever the limit is. */
	entry = netns_list_add(&watch->next, watch->own);
	if (!entry)
		return -ENOMEM;
	netns_entry_add_process(entry, getpid());
	return 0;
}

/* Whether what was found is there still; its process is watched. */
static bool settle(struct netns_watch *watch, struct netns_entry *entry)
{
	struct netns_entry *before = netns_list_find(&watch->list, entry->inode);

	if (entry->inode == watch->own)
		return true;
	if (entry->kept && before && before->pidfd >= 0 && before->pid[0] == entry->keep) {
		memmove(entry->pid + 1, entry->pid, sizeof(entry->pid) - sizeof(entry->pid[0]));
		entry->pid[0] = entry->keep;
		entry->pidfd = take_fd(&before->pidfd);
		return true;
	}
	if (netns_attach(watch, entry))
		return true;
	return entry->name && netns_name_leads_to(watch, entry->name, entry->inode);
}

static int finish(struct netns_watch *watch)
{
	/* What is left of them keeps its room for the next one. */
	int r = netns_reserve_places(watch, watch->next.count);

	if (r < 0)
		return r;
	for (uint32_t i = watch->next.count; i-- > 0;)
		if (!settle(watch, &watch->next.entry[i]))
			netns_list_remove(&watch->next, i);
	netns_list_clear(&watch->list);
	watch->list = watch->next;
	watch->next = (struct netns_list){};
	watch->result_ns = watch->next_ns;
	watch->unreadable = watch->next_unreadable;
	watch->process_count = watch->next_process_count;
	if (watch->next_young_ns != INT64_MAX)
		netns_arm_timer(watch, MIN(MAX(watch->next_young_ns, AGAIN_MIN_NS), AGAIN_MAX_NS),
				true);
	netns_publish(watch);
	return 1;
}

/* One process or one name. Return: 1 when all have been seen; 0; -errno. */
static int step(struct netns_watch *watch)
{
	DIR *folder = watch->phase == NETNS_PROCESSES ? watch->processes : watch->names;
	struct dirent *entry = NULL;
	int32_t pid;

	errno = 0;
	if (folder)
		entry = readdir(folder);
	if (entry && watch->phase == NETNS_NAMES)
		return *entry->d_name == '.' ? 0 : add_name(watch, entry->d_name);
	if (entry) {
		pid = netns_parse_pid(entry->d_name);
		return pid ? add_process(watch, pid) : 0;
	}
	if (watch->phase == NETNS_PROCESSES && errno)
		return -errno;
	if (watch->phase == NETNS_PROCESSES ||
	    (watch->names_again && watch->names_rounds++ < NAMES_ROUNDS_MAX))
		return begin_names(watch);
	return 1;
}

static int fail(struct netns_watch *watch, int r)
{
	netns_list_clear(&watch->next);
	if (watch->names)
		closedir(watch->names);
	watch->names = NULL;
	watch->phase = NETNS_IDLE;
	return r;
}

int netns_step(struct netns_watch *watch, int64_t budget_ns, int64_t now_ns)
{
	int64_t end = netns_now() + budget_ns;
	int r = 0;

	if (watch->phase == NETNS_IDLE) {
		r = begin(watch, now_ns);
		if (r < 0)
			return fail(watch, r);
	}
	do {
		r = step(watch);
	} while (r == 0 && netns_now() < end);
	if (r < 0)
		return fail(watch, r);
	if (r == 0)
		return 0;
	if (watch->names) {
		closedir(watch->names);
		watch->names = NULL;
	}
	r = finish(watch);
	if (r < 0)
		return fail(watch, r);
	watch->phase = NETNS_IDLE;
	return 1;
}
