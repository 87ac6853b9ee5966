/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A BPF iterator is a seq_file (kernel/bpf/bpf_iter.c): each descriptor made from the link is a pass of its
 * own, which visits as much as fills 32 KiB at each read(). A row is never cut.
 *
 * A read that has visited a million descriptors without a socket gives EAGAIN, and the next one goes on.
 */
#include "kernel/bpf_descriptors.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sys/stat.h>

#include "kernel/linger_guard.h"
#include "kernel/settings_rows.h"
#include "model/macro.h"

#include <descriptors.skel.h>

#define READ_SIZE 32768U

/* PROC_PID_INIT_INO (include/linux/proc_ns.h): the number of the first PID namespace, on every machine. */
#define FIRST_PID_NAMESPACE 0xEFFFFFFCU

struct descriptor_pass {
	struct descriptors_bpf *program;
	struct bpf_link *all;
	int fd; /* of the pass, -1: none */
	size_t size, at;
	uint8_t buffer[READ_SIZE] __attribute__((aligned(8)));
};

static bool is_nested(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) < 0 || st.st_ino != FIRST_PID_NAMESPACE;
}

/* What kernels do not all have; the best first. */
static const struct features {
	bool has_cookie_helper;
	bool reads_ahead;
} features[] = {
	{ true, true },
	{ true, false },
	{ false, false },
};

static int load(const struct features *with, struct descriptors_bpf **ret)
{
	struct descriptors_bpf *program = descriptors_bpf__open();
	int r;

	if (!program)
		return -errno;
	program->rodata->nested = is_nested();
	program->rodata->has_cookie_helper = with->has_cookie_helper;
	program->rodata->reads_ahead = with->reads_ahead;
	r = descriptors_bpf__load(program);
	if (r < 0) {
		descriptors_bpf__destroy(program);
		return r;
	}
	*ret = program;
	return 0;
}

static int load_best(struct descriptors_bpf **ret)
{
	int r = -EOPNOTSUPP;

	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		r = load(&features[i], ret);
		if (r >= 0 || r == -EPERM || r == -ENOMEM)
			break;
	}
	return r;
}

int descriptor_pass_new(struct descriptor_pass **ret)
{
	struct descriptor_pass *pass = calloc(1, sizeof(*pass));
	int r;

	if (!pass)
		return -ENOMEM;
	pass->fd = -1;
	r = load_best(&pass->program);
	if (r < 0)
		goto fail;
	pass->all = bpf_program__attach_iter(pass->program->progs.descriptors, NULL);
	if (!pass->all) {
		r = -errno;
		goto fail;
	}
	*ret = pass;
	return 0;
fail:
	descriptor_pass_free(pass);
	return r;
}

static void end_pass(struct descriptor_pass *pass)
{
	closep(&pass->fd);
	pass->fd = -1;
	pass->size = pass->at = 0;
}

struct descriptor_pass *descriptor_pass_free(struct descriptor_pass *pass)
{
	if (!pass)
		return NULL;
	end_pass(pass);
	bpf_link__destroy(pass->all);
	descriptors_bpf__destroy(pass->program);
	free(pass);
	return NULL;
}

/* The iterator keeps its link alive. Return: its descriptor; -errno. */
static int begin_one(const struct descriptor_pass *pass, int32_t pid)
{
	union bpf_iter_link_info info = { .task.pid = (uint32_t)pid };
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));
	struct bpf_link *link = bpf_program__attach_iter(pass->program->progs.descriptors, &opts);
	int fd;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	bpf_link__destroy(link);
	return fd;
}

int descriptor_pass_begin(struct descriptor_pass *pass, int32_t pid)
{
	end_pass(pass);
	if (pid)
		pass->fd = begin_one(pass, pid);
	if (pass->fd < 0)
		pass->fd = bpf_iter_create(bpf_link__fd(pass->all));
	return MIN(pass->fd, 0);
}

/* Return: 1; 0 at the end; -errno. */
static int fill(struct descriptor_pass *pass)
{
	struct linger_guard guard;
	ssize_t n;
	int error;

	if (pass->fd < 0)
		return 0;
	linger_guard_begin(&guard);
	do
		n = read(pass->fd, pass->buffer, sizeof(pass->buffer));
	while (n < 0 && (errno == EINTR || errno == EAGAIN));
	error = errno;
	linger_guard_end(&guard);
	if (n < 0)
		return -error;
	pass->size = n;
	pass->at = 0;
	return n > 0;
}

int descriptor_pass_next(struct descriptor_pass *pass, uint32_t hz, struct descriptor *ret,
			 struct tcpdiag_socket *ret_closed)
{
	int r = 1;

	if (pass->at == pass->size)
		r = fill(pass);
	if (r == 1)
		r = descriptor_from_rows(pass->buffer, pass->size, &pass->at, hz, ret, ret_closed);
	if (r <= 0)
		end_pass(pass);
	return r;
}
