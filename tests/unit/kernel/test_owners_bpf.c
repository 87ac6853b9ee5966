/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Both ways to find holders, over the same processes in the same moment; and what only BPF finds.
 */
#include <sys/mount.h>
#include <sys/wait.h>

#include "../harness.h"
#include "bpf_scene.h"
#include "kernel/owners.h"

#define LIMIT 4000000 /* whatever else this machine holds while the tests run */

static struct bpf_reader *reader;
static struct owners *by_bpf, *by_proc;

static void begin(void)
{
	scene_begin();
	reader = bpf_scene_open();
	ck_assert_int_eq(owners_new("/proc", LIMIT, LIMIT, reader, &by_bpf), 0);
	ck_assert_int_eq(owners_new("/proc", LIMIT, LIMIT, NULL, &by_proc), 0);
}

static void end(void)
{
	owners_free(by_bpf);
	owners_free(by_proc);
	bpf_reader_free(reader);
}

static int run_pass(struct owners *owners, int64_t budget_ns)
{
	int steps = 1;
	int r;

	while ((r = owners_step(owners, budget_ns, 7)) == 0)
		steps++;
	ck_assert_int_eq(r, 1);
	ck_assert_int_eq(owners_result_ns(owners), 7);
	return steps;
}

/* What one way says of a socket, the other says, too. */
static uint32_t compare(int fd)
{
	const struct owner *a, *b;
	const uint32_t inode = scene_inode(fd);
	const uint32_t count = owners_find(by_bpf, inode, &a);

	ck_assert_uint_eq(count, owners_find(by_proc, inode, &b));
	for (uint32_t i = 0; i < count; i++) {
		const struct owner_process *p = owners_process(by_bpf, a[i].process);
		const struct owner_process *q = owners_process(by_proc, b[i].process);

		ck_assert_int_eq(a[i].fd, b[i].fd);
		ck_assert_int_eq(p->pid, q->pid);
		ck_assert_str_eq(p->comm, q->comm);
		ck_assert_str_eq(p->cgroup, q->cgroup);
		ck_assert_uint_eq(p->start_time, q->start_time);
		ck_assert_uint_eq(p->netns, q->netns);
		ck_assert_uint_eq(p->descriptor_limit, q->descriptor_limit);
		/* The walk counts the one that it reads with. */
		if (p->descriptors)
			ck_assert_int_le(abs((int)p->descriptors - (int)q->descriptors), 4);
		ck_assert_ptr_null(owners_settings(by_proc, b[i].settings));
		ck_assert_uint_eq(owners_settings(by_bpf, a[i].settings)->cookie, scene_cookie(fd));
	}
	return count;
}

/* A child that has copies of all our descriptors, until the pipe is closed. */
static pid_t fork_holder(int *ret_end)
{
	int ends[2];
	pid_t pid;

	ck_assert_int_eq(pipe(ends), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		char byte;

		close(ends[1]);
		while (read(ends[0], &byte, 1) < 0)
			;
		_exit(0);
	}
	close(ends[0]);
	*ret_end = ends[1];
	return pid;
}

START_TEST(same_holders)
{
	struct scene_pair pairs[20];
	pid_t pids[3];
	int pipes[3];
	int copy;

	begin();
	for (int i = 0; i < 20; i++) {
		pairs[i] = scene_pair();
		close(pairs[i].listener);
	}
	copy = fcntl(pairs[3].client, F_DUPFD_CLOEXEC, 300);
	for (int i = 0; i < 3; i++)
		pids[i] = fork_holder(&pipes[i]);
	ck_assert_int_ge(run_pass(by_bpf, 0), 3);
	run_pass(by_proc, NSEC_PER_SEC);
	for (int i = 0; i < 20; i++) {
		ck_assert_uint_eq(compare(pairs[i].client), i == 3 ? 8 : 4);
		ck_assert_uint_eq(compare(pairs[i].server), 4);
	}
	ck_assert_uint_eq(owners_unreadable(by_bpf), owners_unreadable(by_proc));
	ck_assert_uint_eq(owners_cut(by_bpf).holders, 0);
	close(copy);
	/* Later children have the pipes of earlier ones. */
	for (int i = 2; i >= 0; i--) {
		close(pipes[i]);
		ck_assert_int_eq(waitpid(pids[i], NULL, 0), pids[i]);
	}
	/* The result stays until the next pass is complete. */
	ck_assert_uint_eq(compare(pairs[5].client), 4);
	run_pass(by_bpf, NSEC_PER_SEC);
	run_pass(by_proc, NSEC_PER_SEC);
	ck_assert_uint_eq(compare(pairs[5].client), 1);
	end();
}
END_TEST

START_TEST(settings_and_references)
{
	const struct linger linger = { 1, 3 };
	const struct socket_settings *settings;
	const struct owner *found;
	struct scene_pair pair;
	int copy;

	begin();
	pair = scene_pair();
	ck_assert_int_eq(setsockopt(pair.server, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)),
			 0);
	copy = dup(pair.server);
	run_pass(by_bpf, NSEC_PER_SEC);
	ck_assert_uint_eq(owners_find(by_bpf, scene_inode(pair.server), &found), 2);
	ck_assert_int_eq(found[0].fd, pair.server);
	ck_assert_int_eq(found[1].fd, copy);
	for (int i = 0; i < 2; i++) {
		settings = owners_settings(by_bpf, found[i].settings);
		ck_assert_uint_eq(settings->linger_ms, 3000);
		ck_assert_uint_eq(settings->references, 2);
	}
	ck_assert_ptr_null(owners_settings(by_bpf, UINT32_MAX));
	end();
}
END_TEST

static const struct tcpdiag_socket *find_closed(uint64_t cookie)
{
	const struct tcpdiag_socket *closed, *found = NULL;
	uint32_t count = owners_closed(by_bpf, &closed);

	for (uint32_t i = 0; i < count; i++) {
		ck_assert_uint_eq(closed[i].state, TCPDIAG_CLOSE);
		if (i)
			ck_assert_uint_gt(closed[i].cookie, closed[i - 1].cookie);
		if (closed[i].cookie == cookie)
			found = &closed[i];
	}
	return found;
}

START_TEST(closed_sockets)
{
	const struct tcpdiag_socket *none;
	const struct tcpdiag_socket *closed;
	struct scene_pair pair;
	int unbound, copy;

	begin();
	unbound = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	copy = dup(unbound);
	pair = scene_pair();
	run_pass(by_bpf, NSEC_PER_SEC);
	closed = find_closed(scene_cookie(unbound));
	ck_assert_ptr_nonnull(closed);
	ck_assert_uint_eq(closed->inode, scene_inode(unbound));
	ck_assert_uint_eq(closed->references, 2);
	ck_assert_ptr_null(find_closed(scene_cookie(pair.client)));
	close(copy);
	run_pass(by_proc, NSEC_PER_SEC);
	ck_assert_uint_eq(owners_closed(by_proc, &none), 0);
	end();
}
END_TEST

/* The first process of a PID namespace, with a /proc that shows it; nobody else is seen there. */
static void see_other_namespaces(void)
{
	const struct owner *found;
	struct stat ours;
	int here, there;

	ck_assert_int_eq(getpid(), 1);
	ck_assert_int_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	ck_assert_int_eq(mount("proc", "/proc", "proc", 0, NULL), 0);
	begin();
	ck_assert_int_eq(stat("/proc/self/ns/net", &ours), 0);
	here = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	run_pass(by_bpf, NSEC_PER_SEC);
	run_pass(by_proc, NSEC_PER_SEC);
	ck_assert_uint_eq(compare(here), 1);
	ck_assert_uint_eq(owners_find(by_bpf, scene_inode(here), &found), 1);
	ck_assert_int_eq(owners_process(by_bpf, found->process)->pid, 1);
	ck_assert_uint_eq(owners_other_namespaces(by_bpf, ours.st_ino), 0);
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	there = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	run_pass(by_bpf, NSEC_PER_SEC);
	ck_assert_uint_eq(owners_other_namespaces(by_bpf, ours.st_ino), 1);
	close(there);
	run_pass(by_bpf, NSEC_PER_SEC);
	ck_assert_uint_eq(owners_other_namespaces(by_bpf, ours.st_ino), 0);
	end();
}

/* Who has made a PID namespace can fork no more once its first process has ended: another one makes it. */
static int wait_for(void (*function)(void))
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		function();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void make_namespace(void)
{
	if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0)
		scene_skip("no PID namespace can be made here");
	ck_assert_int_eq(wait_for(see_other_namespaces), 0);
}

START_TEST(inside_a_pid_namespace)
{
	ck_assert_int_eq(wait_for(make_namespace), 0);
}
END_TEST

/* A thread may have descriptors of its own: they are its process's. */
static int separate(void *end)
{
	char byte;

	/* CLONE_THREAD without CLONE_FILES. */
	while (read(*(int *)end, &byte, 1) < 0)
		;
	return 0;
}

START_TEST(a_thread_with_its_own_descriptors)
{
	static char stack[65536] __attribute__((aligned(16)));
	const struct owner *found;
	int ends[2];
	int fd;

	begin();
	ck_assert_int_eq(pipe(ends), 0);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_gt(clone(separate, stack + sizeof(stack),
			       CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, &ends[0]),
			 0);
	run_pass(by_bpf, NSEC_PER_SEC);
	ck_assert_uint_eq(owners_find(by_bpf, scene_inode(fd), &found), 2);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(owners_process(by_bpf, found[i].process)->pid, getpid());
		ck_assert_int_eq(found[i].fd, fd);
		ck_assert_uint_eq(owners_settings(by_bpf, found[i].settings)->references, 2);
	}
	ck_assert_int_eq(write(ends[1], "", 1), 1);
	end();
}
END_TEST

/* A pass that breaks off leaves the result before. */
START_TEST(broken_passes)
{
	const struct owner *found;
	int fd;

	begin();
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	run_pass(by_bpf, NSEC_PER_SEC);
	bpf_scene_refuse(BPF_ITER_CREATE);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(owners_step(by_bpf, NSEC_PER_SEC, 8), -EPERM);
		ck_assert_int_eq(owners_result_ns(by_bpf), 7);
		ck_assert_uint_eq(owners_find(by_bpf, scene_inode(fd), &found), 1);
		ck_assert_ptr_nonnull(owners_settings(by_bpf, found->settings));
	}
	end();
}
END_TEST

START_TEST(limits_are_counted)
{
	struct owners *small = NULL;

	begin();
	scene_pair();
	ck_assert_int_eq(owners_new("/proc", 1, 1, reader, &small), 0);
	run_pass(small, NSEC_PER_SEC);
	ck_assert_uint_le(owners_process_count(small), 1);
	ck_assert_uint_ge(owners_cut(small).holders + owners_cut(small).processes, 1);
	owners_free(small);
	end();
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("owners_bpf");
	TCase *c = tcase_create("both ways");

	tcase_set_timeout(c, 30);
	tcase_add_test(c, same_holders);
	tcase_add_test(c, settings_and_references);
	tcase_add_test(c, closed_sockets);
	tcase_add_test(c, inside_a_pid_namespace);
	tcase_add_test(c, a_thread_with_its_own_descriptors);
	tcase_add_test(c, broken_passes);
	tcase_add_test(c, limits_are_counted);
	suite_add_tcase(s, c);
	return s;
}
