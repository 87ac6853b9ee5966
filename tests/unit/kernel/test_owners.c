/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The walk over a /proc made up in a temporary folder, and over the real one.
 */
#include <string.h>
#include <sys/wait.h>

#include "../harness.h"
#include "kernel/owners.h"
#include "kernel/proc.h"
#include "scene.h"

static char root[64];
static struct owners *owners;

static void make_folder(int pid, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%d%s", root, pid, name);
	ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void write_file(int pid, const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%d/%s", root, pid, name);
	file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	fclose(file);
}

static void add_link(int pid, const char *name, const char *to)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%d/%s", root, pid, name);
	ck_assert_int_eq(symlink(to, path), 0);
}

static void add_socket(int pid, int fd, unsigned long inode)
{
	char name[32], to[64];

	snprintf(name, sizeof(name), "fd/%d", fd);
	snprintf(to, sizeof(to), "socket:[%lu]", inode);
	add_link(pid, name, to);
}

static void write_stat(int pid, const char *comm, unsigned long start_time)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "%d (%s) S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 %lu 1 2 3 4 5\n", pid, comm,
		 start_time);
	write_file(pid, "stat", text);
}

static void add_process(int pid, const char *comm, const char *cgroup, const char *netns)
{
	make_folder(pid, "");
	make_folder(pid, "/fd");
	make_folder(pid, "/ns");
	add_link(pid, "ns/net", netns);
	write_stat(pid, comm, 1000 + pid);
	write_file(pid, "cgroup", cgroup);
	write_file(
		pid, "limits",
		"Limit                     Soft Limit           Hard Limit           Units     \n"
		"Max processes             95868                95868                processes \n"
		"Max open files            1024                 524288               files     \n");
}

static void remove_tree(void)
{
	char command[128];

	owners_free(owners);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	ck_assert_int_eq(system(command), 0);
}

static void make_tree(void)
{
	strcpy(root, "/tmp/tcpdiagd-owners-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	owners = NULL;
	add_process(1, "systemd", "0::/init.scope\n", "net:[11]");
}

/* Runs a pass to its end. Return: how many steps it took. */
static int run_pass(int64_t budget_ns, int64_t now_ns)
{
	int steps = 1;
	int r;

	while ((r = owners_step(owners, budget_ns, now_ns)) == 0)
		steps++;
	ck_assert_int_eq(r, 1);
	return steps;
}

static void begin(uint32_t max_processes, uint32_t max_holders)
{
	ck_assert_int_eq(owners_new(root, max_processes, max_holders, NULL, &owners), 0);
}

START_TEST(facts_of_a_process)
{
	const struct owner_process *process;
	const struct owner *found;

	add_process(77, "a) (b c", "0::/system.slice/nginx.service\n", "net:[12]");
	add_link(77, "fd/0", "/dev/null");
	add_link(77, "fd/1", "pipe:[5000]");
	add_link(77, "fd/2", "socket:[notanumber]");
	add_socket(77, 3, 5000);
	add_socket(77, 4, 4294967296UL);
	begin(10, 10);
	ck_assert_int_eq(owners_result_ns(owners), 0);
	ck_assert_uint_eq(owners_find(owners, 5000, &found), 0);
	run_pass(NSEC_PER_SEC, 42);
	ck_assert_int_eq(owners_result_ns(owners), 42);
	ck_assert_uint_eq(owners_find(owners, 5000, &found), 1);
	ck_assert_int_eq(found->fd, 3);
	process = owners_process(owners, found->process);
	ck_assert_int_eq(process->pid, 77);
	ck_assert_uint_eq(process->start_time, 1077);
	ck_assert_uint_eq(process->netns, 12);
	ck_assert_uint_eq(process->descriptors, 5);
	ck_assert_uint_eq(process->descriptor_limit, 1024);
	ck_assert_str_eq(process->comm, "a) (b c");
	ck_assert_str_eq(process->cgroup, "/system.slice/nginx.service");
	ck_assert_str_eq(process->unit, "nginx.service");
	ck_assert_str_eq(process->container, "");
	/* Only processes with sockets have a row, but all have a namespace. */
	ck_assert_uint_eq(owners_process_count(owners), 1);
	ck_assert_uint_eq(owners_other_namespaces(owners, 11), 1);
	ck_assert_uint_eq(owners_other_namespaces(owners, 99), 2);
	ck_assert_uint_eq(owners_unreadable(owners), 0);
	ck_assert_ptr_null(owners_process(owners, 1));
}
END_TEST

#define CONTAINER "3f9c0a11deadbeef3f9c0a11deadbeef3f9c0a11deadbeef3f9c0a11deadbeef"

/* The names of a container, in each pass: they may come later than its first process. */
START_TEST(names_of_containers)
{
	const struct owner_process *process;
	const struct owner *found;
	char command[512];

	add_process(77, "envoy",
		    "0::/kubepods/burstable/pod7b1e0a4c-91d2-4f6e-a1b3-0123456789ab/" CONTAINER
		    "\n",
		    "net:[12]");
	add_socket(77, 3, 5000);
	add_process(78, "bash", "0::/user.slice/user-0.slice/session-1.scope\n", "net:[12]");
	add_socket(78, 3, 5001);
	begin(10, 10);
	ck_assert_int_eq(owners_name_containers(owners, root), 0);
	run_pass(NSEC_PER_SEC, 1);
	ck_assert_uint_eq(owners_find(owners, 5000, &found), 1);
	process = owners_process(owners, found->process);
	ck_assert_str_eq(process->container, CONTAINER);
	ck_assert_str_eq(process->pod_uid, "7b1e0a4c-91d2-4f6e-a1b3-0123456789ab");
	ck_assert_str_eq(process->container_name, "");
	ck_assert_str_eq(process->pod, "");
	ck_assert_int_eq(owners_container_error(owners), 0);

	snprintf(command, sizeof(command),
		 "mkdir -p %s/var/log/containers && "
		 ">%s/var/log/containers/api-7d9f-x2_payments_envoy-" CONTAINER ".log",
		 root, root);
	ck_assert_int_eq(system(command), 0);
	run_pass(NSEC_PER_SEC, 2);
	ck_assert_uint_eq(owners_find(owners, 5000, &found), 1);
	process = owners_process(owners, found->process);
	ck_assert_str_eq(process->container_name, "envoy");
	ck_assert_str_eq(process->pod, "api-7d9f-x2");
	ck_assert_str_eq(process->pod_namespace, "payments");
	ck_assert_uint_eq(owners_find(owners, 5001, &found), 1);
	process = owners_process(owners, found->process);
	ck_assert_str_eq(process->unit, "session-1.scope");
	ck_assert_str_eq(process->container, "");
	ck_assert_str_eq(process->container_name, "");
	ck_assert_str_eq(process->pod_namespace, "");
	ck_assert_uint_eq(owners_cut(owners).containers, 0);
}
END_TEST

/* Every holder of every socket, whatever the inodes' spread. */
START_TEST(many_holders_in_order)
{
	static const unsigned long inodes[] = { 1,	 2,	     3,		 70000,	    70001,
						4000000, 4294967295, 1000000000, 1000000001 };
	const struct owner *found;
	uint32_t count;

	for (int pid = 900; pid > 890; pid--) {
		add_process(pid, "worker", "0::/\n", "net:[11]");
		for (int fd = 40; fd >= 0; fd--)
			add_socket(pid, fd, inodes[fd % ARRAY_SIZE(inodes)]);
	}
	begin(100, 1000);
	ck_assert_int_gt(run_pass(0, 1), 11);
	for (size_t i = 0; i < ARRAY_SIZE(inodes); i++) {
		count = owners_find(owners, inodes[i], &found);
		ck_assert_uint_eq(count, i < 41 % ARRAY_SIZE(inodes) ? 50 : 40);
		for (uint32_t j = 0; j < count; j++) {
			const struct owner *before = j ? &found[j - 1] : NULL;

			ck_assert_uint_eq(found[j].inode, inodes[i]);
			if (before)
				ck_assert(before->process < found[j].process ||
					  (before->process == found[j].process &&
					   before->fd < found[j].fd));
			ck_assert_uint_eq(found[j].fd % ARRAY_SIZE(inodes), i);
		}
	}
	ck_assert_uint_eq(owners_find(owners, 0, &found), 0);
	ck_assert_uint_eq(owners_find(owners, 4, &found), 0);
	ck_assert_uint_eq(owners_find(owners, 4294967294, &found), 0);
	ck_assert_int_eq(owners_process(owners, 0)->pid, 891);
	ck_assert_int_eq(owners_process(owners, 9)->pid, 900);
}
END_TEST

START_TEST(limits_are_counted)
{
	const struct owner *found;

	for (int pid = 10; pid < 15; pid++) {
		add_process(pid, "p", "0::/\n", "net:[11]");
		add_socket(pid, 3, pid);
		add_socket(pid, 4, pid + 100);
	}
	begin(3, 5);
	run_pass(NSEC_PER_SEC, 1);
	ck_assert_uint_eq(owners_process_count(owners), 3);
	ck_assert_uint_eq(owners_cut(owners).processes, 2);
	ck_assert_uint_eq(owners_cut(owners).holders, 1);
	ck_assert_uint_eq(owners_find(owners, 14, &found), 0);
	run_pass(NSEC_PER_SEC, 2);
	ck_assert_uint_eq(owners_cut(owners).processes, 4);
}
END_TEST

/* Same number, another process: nothing of the first one stays. exec(): the name does not stay either. */
START_TEST(reused_number)
{
	const struct owner_process *process;
	const struct owner *found;

	add_process(50, "old", "0::/system.slice/old.service\n", "net:[11]");
	add_socket(50, 3, 7);
	begin(10, 10);
	run_pass(NSEC_PER_SEC, 1);
	/* Kept by number and start: what is in the file now is not looked at. */
	write_file(50, "cgroup", "0::/system.slice/new.service\n");
	run_pass(NSEC_PER_SEC, 2);
	ck_assert_uint_eq(owners_find(owners, 7, &found), 1);
	ck_assert_str_eq(owners_process(owners, found->process)->unit, "old.service");
	write_stat(50, "old", 99999);
	run_pass(NSEC_PER_SEC, 3);
	ck_assert_uint_eq(owners_find(owners, 7, &found), 1);
	process = owners_process(owners, found->process);
	ck_assert_str_eq(process->unit, "new.service");
	ck_assert_uint_eq(process->start_time, 99999);
	write_stat(50, "execed", 99999);
	run_pass(NSEC_PER_SEC, 4);
	ck_assert_uint_eq(owners_find(owners, 7, &found), 1);
	ck_assert_str_eq(owners_process(owners, found->process)->comm, "execed");
}
END_TEST

/* Processes that end in the middle of a pass are nothing special. */
START_TEST(vanishing_processes)
{
	const struct owner *found;
	char command[256];

	for (int pid = 20; pid < 26; pid++) {
		add_process(pid, "p", "0::/\n", "net:[11]");
		add_socket(pid, 3, pid);
	}
	begin(10, 10);
	ck_assert_int_eq(owners_step(owners, 0, 1), 0);
	snprintf(command, sizeof(command), "rm -rf %s/22 %s/23/stat %s/24/fd", root, root, root);
	ck_assert_int_eq(system(command), 0);
	run_pass(NSEC_PER_SEC, 2);
	ck_assert_int_eq(owners_result_ns(owners), 1);
	ck_assert_uint_eq(owners_find(owners, 20, &found), 1);
	ck_assert_uint_eq(owners_find(owners, 22, &found), 0);
	ck_assert_uint_eq(owners_find(owners, 23, &found), 0);
	ck_assert_uint_eq(owners_find(owners, 24, &found), 0);
	ck_assert_uint_eq(owners_find(owners, 25, &found), 1);
	ck_assert_uint_eq(owners_unreadable(owners), 0);
}
END_TEST

START_TEST(hidden_processes)
{
	char from[96], to[96];

	snprintf(from, sizeof(from), "%s/1", root);
	snprintf(to, sizeof(to), "%s/2", root);
	ck_assert_int_eq(rename(from, to), 0);
	begin(10, 10);
	run_pass(NSEC_PER_SEC, 1);
	ck_assert_uint_eq(owners_unreadable(owners), 1);
}
END_TEST

/* A container's /proc does not show who else shares its sockets. */
START_TEST(below_the_first_pid_namespace)
{
	static const struct {
		const char *name;
		bool partial;
	} cases[] = { { "pid:[4026531836]", false }, { "pid:[4026532771]", true } };
	char folder[96], link[96];

	begin(10, 10);
	ck_assert(!owners_is_partial(owners)); /* not told */
	snprintf(folder, sizeof(folder), "mkdir -p %s/self/ns", root);
	ck_assert_int_eq(system(folder), 0);
	snprintf(link, sizeof(link), "%s/self/ns/pid", root);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unlink(link);
		ck_assert_int_eq(symlink(cases[i].name, link), 0);
		owners = owners_free(owners);
		begin(10, 10);
		ck_assert_int_eq(owners_is_partial(owners), cases[i].partial);
	}
}
END_TEST

START_TEST(no_such_proc)
{
	ck_assert_int_eq(owners_new("/nonexistent", 1, 1, NULL, &owners), -ENOENT);
	ck_assert_ptr_null(owners);
}
END_TEST

static const struct {
	const char *text;
	int result;
} stats[] = {
	{ "1 (a) S 1 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 555 1\n", 0 },
	{ "1 () S 1 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 555\n", 0 },
	{ "1 (a) S 1 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 555", -EBADMSG }, /* cut */
	{ "1 (a) S 1 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0", -EBADMSG },
	{ "1 (a) S 1 1 1 0 -1 x 1 2 3 4 5 6 7 8 20 0 1 0 555 1\n", -EBADMSG },
	{ "1 )a( S 1 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 555 1\n", -EBADMSG },
	{ "1 (a)", -EBADMSG },
	{ "", -EBADMSG },
};

START_TEST(stat_text)
{
	struct proc_stat stat;

	ck_assert_int_eq(proc_parse_stat(stats[_i].text, strlen(stats[_i].text), &stat),
			 stats[_i].result);
	if (!stats[_i].result)
		ck_assert_uint_eq(stat.start_time, 555);
}
END_TEST

/* A child with a socket, found in the real /proc, with what is known about it elsewhere. */
START_TEST(the_real_proc)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct owner_process *process;
	const struct owner *found;
	struct stat netns;
	int64_t start;
	int copy;

	ck_assert_int_ge(fd, 0);
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 500);
	ck_assert_int_ge(copy, 500);
	ck_assert_int_eq(owners_new("/proc", 100000, 1000000, NULL, &owners), 0);
	start = run_pass(NSEC_PER_MSEC, 1);
	ck_assert_int_ge(start, 1);
	ck_assert_uint_eq(owners_find(owners, scene_inode(fd), &found), 2);
	ck_assert_int_eq(found[0].fd, fd);
	ck_assert_int_eq(found[1].fd, copy);
	process = owners_process(owners, found->process);
	ck_assert_int_eq(process->pid, getpid());
	ck_assert_str_eq(process->comm, "test_owners");
	ck_assert_uint_eq(process->descriptor_limit, (uint32_t)sysconf(_SC_OPEN_MAX));
	ck_assert_int_eq(stat("/proc/self/ns/net", &netns), 0);
	ck_assert_uint_eq(process->netns, netns.st_ino);
	close(fd);
	close(copy);
	owners_free(owners);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("owners");
	TCase *c = tcase_create("made up");

	tcase_add_checked_fixture(c, make_tree, remove_tree);
	tcase_add_test(c, facts_of_a_process);
	tcase_add_test(c, names_of_containers);
	tcase_add_test(c, many_holders_in_order);
	tcase_add_test(c, limits_are_counted);
	tcase_add_test(c, reused_number);
	tcase_add_test(c, vanishing_processes);
	tcase_add_test(c, hidden_processes);
	tcase_add_test(c, below_the_first_pid_namespace);
	tcase_add_test(c, no_such_proc);
	suite_add_tcase(s, c);
	c = tcase_create("real");
	tcase_add_loop_test(c, stat_text, 0, ARRAY_SIZE(stats));
	tcase_add_test(c, the_real_proc);
	suite_add_tcase(s, c);
	return s;
}
