/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Facts about one process, read below a descriptor of its folder in /proc.
 *
 * Such a descriptor belongs to the process and not to its number: when the process is gone, every read
 * fails (ESRCH), even if the number is in use again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct proc_stat {
	char comm[16];
	int32_t parent; /* pid, as this PID namespace sees it; 0: none, or not in it */
	uint64_t start_time; /* clock ticks since boot */
	bool kernel_thread;
};

/**
 * proc_read_stat() - command and start time
 * @folder: descriptor of /proc/PID
 *
 * Return: 0; -EBADMSG; -errno.
 */
int proc_read_stat(int folder, struct proc_stat *ret);

/* Pure; for tests. The command may hold blanks, newlines and parentheses. Return: 0; -EBADMSG. */
int proc_parse_stat(const char *text, size_t len, struct proc_stat *ret);

/* Soft RLIMIT_NOFILE, 0 where it is not known; UINT32_MAX: unlimited. */
uint32_t proc_read_descriptor_limit(int folder);

/*
 * What program it runs: equal for processes of one executable file (device and inode), 0 where it is not known.
 * Needs CAP_SYS_PTRACE for processes of others.
 */
uint64_t proc_read_executable(int folder);

/* Text of @folder/@name up to @size bytes. Return: its length; -errno. */
int proc_read_text(int folder, const char *name, char *buffer, size_t size);

/**
 * proc_read_link() - the number in a link such as "socket:[12345]"
 * @type: "socket"
 *
 * Return: the number; 0 where it is another kind of link; -errno.
 */
int64_t proc_read_link(int folder, const char *name, const char *type);

/* Whether the calling thread has CAP_SYS_PTRACE, in its user namespace: links of others can be read. */
bool proc_may_trace(void);
