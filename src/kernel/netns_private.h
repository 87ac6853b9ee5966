/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of the watch over namespaces, shared by its files.
 */
#pragma once

#include <dirent.h>

#include "kernel/netns.h"

/*
 * Processes of a namespace that are remembered; the first is that by which it is watched and
 * entered.
 */
#define NETNS_CANDIDATES 4

struct netns_entry {
	uint32_t inode;
	uint32_t processes;
	int32_t pid[NETNS_CANDIDATES]; /* 0: none; without gaps */
	char *name; /* owned; NULL: none */
	int pidfd; /* of pid[0]; -1: none */
	int32_t keep; /* by which it was watched before, so that it stays so; 0: none */
	bool kept; /* that one is still there */
	bool lost; /* has neither process nor name: they are looked for, if not at once */
};

/* Ascending by inode. */
struct netns_list {
	struct netns_entry *entry;
	uint32_t count, size;
};

enum netns_phase { NETNS_IDLE = 0, NETNS_PROCESSES, NETNS_NAMES };

/* How a file in the folder of names is. */
enum netns_file {
	NETNS_FILE_NONE = 0, /* no namespace: left over, or of another kind */
	NETNS_FILE_PLAIN, /* plain: one that is being made is, too */
	NETNS_FILE_NAME,
	NETNS_FILE_UNKNOWN, /* there was no descriptor to look at it with */
};

struct netns_watch {
	int proc; /* folder */
	int home; /* the own namespace */
	uint32_t own;
	uint32_t max;

	struct netns_list list; /* in force */
	struct netns_place *places; /* the same, for others */
	uint32_t place_size;
	int64_t result_ns;
	uint32_t unreadable;
	uint32_t process_count;
	uint64_t cut;

	/* The pass that is going on. */
	enum netns_phase phase;
	DIR *processes, *names;
	struct netns_list next;
	uint32_t *next_cut; /* inodes that had no room */
	uint32_t next_cut_count, next_cut_size;
	uint32_t next_unreadable, next_process_count;
	int64_t next_ns;
	int64_t next_young_ns; /* age of the youngest plain file; INT64_MAX: none */
	bool next_first; /* the lowest pid has been seen */
	bool may_trace; /* EACCES comes of a process that ends, not of a capability that is missing */
	bool names_again; /* they have changed meanwhile */
	uint8_t names_rounds; /* how often that was so */

	int epoll;
	int timer;
	int64_t timer_ns; /* when it goes off; 0: it does not */
	bool timer_names; /* a plain file may have become a name */
	int inotify; /* -1: none, passes alone */
	int folder_wd, parent_wd; /* -1: none */
	char *folder; /* of the names */
	char *parent; /* its own */
	const char *base; /* its name in there */

	int64_t look_end_ns; /* of the last second look, */
	int64_t look_cost_ns; /* and how long it took */
};

/* What netns_fd() tells; a pidfd's events bear its number and the inode. */
#define NETNS_TAG_INOTIFY (1ULL << 63 | 1)
#define NETNS_TAG_TIMER (1ULL << 63 | 2)

int64_t netns_now(void);

/* An error that says nothing about what was looked at. */
bool netns_is_shortage(int error);

/* netns_list.c */

struct netns_entry *netns_list_find(const struct netns_list *list, uint32_t inode);

/* The one of @inode, made where there is none. NULL: no memory. */
struct netns_entry *netns_list_add(struct netns_list *list, uint32_t inode);

/* Closes and frees what belongs to the entry, and takes it out. */
void netns_list_remove(struct netns_list *list, uint32_t index);

void netns_list_clear(struct netns_list *list);

/* Remembers a process; where there is no room, not. */
void netns_entry_add_process(struct netns_entry *entry, int32_t pid);

/* Room for @count places, so that netns_publish() cannot fail. Return: 0; -ENOMEM. */
int netns_reserve_places(struct netns_watch *watch, uint32_t count);

/* Makes the places anew from the list in force. */
void netns_publish(struct netns_watch *watch);

/* netns_process.c */

/* Whether a name in /proc is a process. Return: its number; 0: none. */
int32_t netns_parse_pid(const char *name);

/* The inode of a process's namespace. Return: 0 where it is gone; -EACCES; -errno. */
int64_t netns_of_process(const struct netns_watch *watch, int32_t pid);

/* Of what stands open. Return: 0 where it is no network namespace. */
uint32_t netns_of_file(int fd);

/**
 * netns_attach() - the first of the remembered processes that is still in the namespace is watched
 *
 * Those before it are forgotten. Without pidfd_open() it is only checked.
 *
 * Return: whether there is one.
 */
bool netns_attach(struct netns_watch *watch, struct netns_entry *entry);

/* No longer by a process. */
void netns_detach(struct netns_entry *entry);

/* netns_names.c */

/* The folder of names or, where there is none, its parent is watched; again in each pass. */
void netns_watch_names(struct netns_watch *watch);

/**
 * netns_look_at_name() - what a file in the folder of names is
 * @folder: descriptor of the folder
 * @ret_inode: where it is a name
 * @ret_age_ns: where it is plain
 */
enum netns_file netns_look_at_name(int folder, const char *name, uint32_t *ret_inode,
				   int64_t *ret_age_ns);

/* Whether it still leads to @inode, as far as that can be known. */
bool netns_name_leads_to(const struct netns_watch *watch, const char *name, uint32_t inode);

/* Takes the events of inotify. Return: whether names may have come or gone. */
bool netns_read_names(struct netns_watch *watch);

/*
 * That time later netns_fd() is readable, or earlier. @names: and netns_changed() says that a pass is
 * worth its while.
 */
void netns_arm_timer(struct netns_watch *watch, int64_t after_ns, bool names);
