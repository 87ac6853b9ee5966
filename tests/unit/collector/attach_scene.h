/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A /proc made up in a temporary folder, walks over it, and polls that ask who has what.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../harness.h"
#include "collector/attach.h"
#include "model/macro.h"

static char root[64];
static struct owners *owners;
static struct attach *attach;
static struct gone *gone;
static struct attach_limits limits;
static uint16_t pass;
static int64_t now;

/* ---- the made-up /proc ---- */

static inline void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	fclose(file);
}

static inline void add_process(int pid, const char *comm, int start_time)
{
	char path[128], text[256];
	static const char *const folders[] = { "", "/fd", "/ns" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(folders); i++) {
		snprintf(path, sizeof(path), "%s/%d%s", root, pid, folders[i]);
		ck_assert_int_eq(mkdir(path, 0700), 0);
	}
	snprintf(path, sizeof(path), "%s/%d/ns/net", root, pid);
	ck_assert_int_eq(symlink("net:[5]", path), 0);
	snprintf(path, sizeof(path), "%s/%d/stat", root, pid);
	snprintf(text, sizeof(text),
		 "%d (%s) S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 %d 1 2 3 4 5\n", pid, comm,
		 start_time);
	write_file(path, text);
	snprintf(path, sizeof(path), "%s/%d/cgroup", root, pid);
	snprintf(text, sizeof(text), "0::/system.slice/%s.service\n", comm);
	write_file(path, text);
	snprintf(path, sizeof(path), "%s/%d/limits", root, pid);
	write_file(path,
		   "Max open files            1024                 4096                 files\n");
}

static inline void remove_process(int pid)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s/%d", root, pid);
	ck_assert_int_eq(system(command), 0);
}

static inline void add_socket(int pid, int fd, uint32_t inode)
{
	char path[128], to[64];

	snprintf(path, sizeof(path), "%s/%d/fd/%d", root, pid, fd);
	snprintf(to, sizeof(to), "socket:[%u]", inode);
	ck_assert_int_eq(symlink(to, path), 0);
}

static inline void remove_socket(int pid, int fd)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%d/fd/%d", root, pid, fd);
	ck_assert_int_eq(unlink(path), 0);
}

static inline void setup(void)
{
	strcpy(root, "/tmp/tcpdiagd-attach-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	limits = (struct attach_limits){ .max_processes = 100, .max_holders = 1000 };
	pass = 0;
	now = 1000;
	ck_assert_int_eq(owners_new(root, 100, 1000, NULL, &owners), 0);
	ck_assert_int_eq(attach_new(&attach), 0);
	ck_assert_int_eq(gone_new(&(struct hash_key){}, &gone), 0);
}

static inline void teardown(void)
{
	char command[128];

	attach = attach_free(attach);
	gone = gone_free(gone);
	owners = owners_free(owners);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	ck_assert_int_eq(system(command), 0);
}

/* ---- walks and polls ---- */

static inline void walk(void)
{
	int r;

	pass++;
	now += 1000;
	do
		r = owners_step(owners, NSEC_PER_SEC, now);
	while (r == 0);
	ck_assert_int_eq(r, 1);
}

static inline void poll_records(struct record *records, uint32_t count, bool clean)
{
	uint32_t i;

	ck_assert_int_ge(attach_begin(attach, owners, pass, clean, &limits, gone), 0);
	for (i = 0; i < count; i++)
		attach_record(attach, &records[i]);
}

/* As memory_first() leaves it. */
static inline struct record held(uint32_t inode)
{
	return (struct record){
		.sk = { .state = TCPDIAG_ESTABLISHED, .inode = inode, .attachment = TCPDIAG_HELD },
		.holder = RECORD_NONE,
		.creator = RECORD_NONE,
		.owner_pass = pass,
		.flags = RECORD_ASK_OWNERS
	};
}

static inline void close_it(struct record *record)
{
	record->sk.inode = 0;
	record->sk.state = TCPDIAG_FIN_WAIT1;
	record->sk.attachment = TCPDIAG_ORPHAN;
}

static inline void *grow(void *context, size_t size)
{
	void **data = context, *more = aligned_alloc(64, (size + 63) & ~(size_t)63);

	if (!more)
		return NULL;
	free(*data);
	*data = more;
	return more;
}

/* The pid of a row, and what its unit is called. */
static inline int32_t pid_of(uint32_t row, const char *unit)
{
	uint64_t counts[LIMIT_MAX] = {};
	void *data = NULL;
	struct snapshot_writer w = { .max_records = 1,
				     .grow = grow,
				     .context = &data,
				     .string_max = 1 << 16,
				     .limits = counts };
	const struct process *rows;
	uint32_t count;
	int32_t pid;

	ck_assert_int_eq(snapshot_begin(&w), 0);
	rows = attach_processes(attach, &w, &count);
	ck_assert_uint_lt(row, count);
	ck_assert_str_eq(snapshot_writer_text(&w, rows[row].unit), unit);
	pid = rows[row].pid;
	snapshot_writer_done(&w);
	free(data);
	return pid;
}

static inline uint32_t rows(void)
{
	uint64_t counts[LIMIT_MAX] = {};
	struct snapshot_writer w = { .string_max = 0, .limits = counts };
	void *data = NULL;
	uint32_t count;

	w.grow = grow;
	w.context = &data;
	ck_assert_int_eq(snapshot_begin(&w), 0);
	attach_processes(attach, &w, &count);
	snapshot_writer_done(&w);
	free(data);
	return count;
}

static inline int32_t holder_pid(const struct record *record, uint32_t number, const char *unit)
{
	uint32_t count;
	const struct holder *holders = attach_holders(attach, &count);

	ck_assert_uint_lt(number, record->holders);
	ck_assert_uint_le(record->holder + record->holders, count);
	return pid_of(holders[record->holder + number].process, unit);
}
