/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The network namespaces of this machine: which there are, when one goes, and a way in.
 *
 * A namespace lives as long as something refers to it: a process in it, a mount of it
 * (/run/netns/NAME), a socket, an open file of nsfs. It is found through the first two,
 * /proc/PID/ns/net and /run/netns, in slices between polls. A netlink socket that tcpdiagd keeps
 * open in it would keep it alive as well, and what waits for its end (the veth of a container that
 * is gone) would wait for us. So nothing of it may stay open when its last process and its last
 * name have gone: a pidfd of a process in each of them and inotify on /run/netns tell at once.
 *
 * Not found: where only threads are, not their process's first one; and what only a socket or an
 * open file keeps.
 *
 * Only the thread that calls is moved, by netns_enter(), and it must not do anything else before
 * netns_leave().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct netns_watch;

#define NETNS_NAME_MAX 64

struct netns_place {
	uint32_t inode;
	int32_t pid; /* of a process in it, that by which it is entered; 0: none, see the name */
	/* In /run/netns, cut; "": none; of several the first by strcmp(). */
	char name[NETNS_NAME_MAX];
	uint32_t processes; /* in it, as the last complete pass found them */
};

/**
 * netns_watch_new() - nothing is found yet
 * @proc: normally "/proc"
 * @names: normally "/run/netns"; need not exist, and may come later
 * @max: namespaces that are kept; what is above is counted in netns_cut()
 *
 * Return: 0; -ENOMEM; -errno of opening @proc or of opening the caller's own namespace.
 */
int netns_watch_new(const char *proc, const char *names, uint32_t max, struct netns_watch **ret);

/* Accepts NULL; returns NULL. */
struct netns_watch *netns_watch_free(struct netns_watch *watch);

/* Of the caller when the watch was made. */
uint32_t netns_own(const struct netns_watch *watch);

/**
 * netns_step() - goes on with a pass over processes and names
 * @budget_ns: wall time after which it stops at the next process
 * @now_ns: CLOCK_MONOTONIC; kept as the start of a pass that begins here
 *
 * Return: 1 when a pass has become complete: netns_places() is the new result; 0 where there is
 * more to do; -ENOMEM; -EMFILE, -ENFILE; -errno where /proc cannot be read at all: the result before
 * stays in force, and the next call begins a new pass.
 */
int netns_step(struct netns_watch *watch, int64_t budget_ns, int64_t now_ns);

/* When the pass began whose result is in force; 0: there is none yet. */
int64_t netns_result_ns(const struct netns_watch *watch);

/*
 * Processes of the last complete pass whose namespace could not be read (no CAP_SYS_PTRACE). Of who has it, a link that is
 * refused is that of a process which has just ended.
 */
uint32_t netns_unreadable(const struct netns_watch *watch);

/*
 * Namespaces that the limit cut, since the start; one that is cut again in each pass counts each
 * time.
 */
uint64_t netns_cut(const struct netns_watch *watch);

/*
 * Those that are there, ascending by inode, the own one among them, which alone is there before the
 * first pass. Borrowed until netns_step(), netns_changed() or netns_enter().
 */
const struct netns_place *netns_places(const struct netns_watch *watch, uint32_t *ret_count);

/* Becomes readable when a process or a name has gone that kept a namespace; for the event loop. */
int netns_fd(const struct netns_watch *watch);

/**
 * netns_changed() - after netns_fd() has become readable: finds another process or name for what
 * has lost its own
 *
 * What has none is no longer in netns_places(): let go of it at once. Where many have lost theirs
 * one after the other they are looked for together, some milliseconds later; until then such a one
 * has neither pid nor name, and netns_enter() does not find it. On a machine with very many processes
 * one whose processes have all been replaced since the last pass is gone until the next one.
 *
 * Return: whether namespaces have gone; also true where names have come or gone, so that a new pass
 * is worth its while.
 */
bool netns_changed(struct netns_watch *watch);

/**
 * netns_enter() - moves the calling thread into a namespace; the own one, too
 *
 * What stands at the pid or the name is compared by inode: a pid that was reused, or a process that
 * has gone elsewhere, leads nowhere. It remains in the list until the next pass.
 *
 * Return: 0; -ENOENT where it is gone; -EPERM without CAP_SYS_ADMIN, in it or here; -EACCES where
 * its processes are not to be looked at (CAP_SYS_PTRACE); -errno.
 */
int netns_enter(struct netns_watch *watch, uint32_t inode);

/* Back home. Nothing good can come of a process that cannot go back: it aborts. */
void netns_leave(struct netns_watch *watch);
