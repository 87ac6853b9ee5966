/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The BPF reader on sockets that a test made a moment ago.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "kernel/bpf.h"
#include "scene.h"

static inline struct bpf_reader *bpf_scene_open(void)
{
	struct bpf_reader *reader = NULL;
	int r = bpf_reader_new(&reader);

	if (r == -EPERM || r == -EOPNOTSUPP)
		scene_skip(bpf_reader_lacks(NULL, r));
	ck_assert_int_eq(r, 0);
	if (!bpf_reader_has_descriptors(reader) || !bpf_reader_has_look_up(reader))
		scene_skip(bpf_reader_lacks(reader, 0));
	ck_assert_str_eq(bpf_reader_lacks(reader, 0), "");
	return reader;
}

/* A whole pass; the row of this descriptor of a process, cookie 0 where there is none. */
static inline struct descriptor bpf_scene_find(struct bpf_reader *reader, pid_t pid, int fd,
					       struct tcpdiag_socket *ret_closed)
{
	struct descriptor row, found = {};
	struct tcpdiag_socket closed;
	int count = 0;
	int r;

	ck_assert_int_eq(descriptors_begin(reader), 0);
	while ((r = descriptors_next(reader, &row, &closed)) == 1) {
		if (row.pid != pid || row.fd != fd)
			continue;
		found = row;
		if (row.state == TCPDIAG_CLOSE && ret_closed)
			*ret_closed = closed;
		count++;
	}
	ck_assert_int_eq(r, 0);
	ck_assert_int_le(count, 1);
	return found;
}

/* The row of a descriptor of this process, which must be there. */
static inline struct descriptor bpf_scene_row(struct bpf_reader *reader, int fd)
{
	struct descriptor row = bpf_scene_find(reader, getpid(), fd, NULL);

	ck_assert_uint_eq(row.inode, scene_inode(fd));
	ck_assert_uint_eq(row.settings.cookie, scene_cookie(fd));
	ck_assert(row.settings.flags & SETTINGS_KNOWS_REFERENCES);
	return row;
}

/* The look-up of one socket; cookie 0: not found. */
static inline struct socket_settings bpf_scene_ask(struct bpf_reader *reader,
						   const struct tcpdiag_socket *sk)
{
	struct socket_settings settings = { .cookie = 1 };
	int r = settings_look_up(reader, &sk, 1, &settings);

	ck_assert_int_ge(r, 0);
	ck_assert_int_eq(r, settings.cookie != 0);
	return settings;
}

/* From now on bpf(2) refuses this command. */
static inline void bpf_scene_refuse(uint32_t command)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, command, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { ARRAY_SIZE(filter), filter };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}
