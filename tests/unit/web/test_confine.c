/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From inside the confinement: what must be out of reach is tried and refused, what serving needs works.
 *
 * Each attempt runs in a child of its own that has confined itself with the real function; its exit
 * status is the errno of the attempt, or 0 where it succeeded.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "../harness.h"
#include "model/channel.h"
#include "model/macro.h"
#include "web/confine.h"

#define SIZE 65536U
#define STATUS_BROKEN 255 /* the surroundings could not be set up */

/* What an attempt finds. */
struct inside {
	int channel; /* one end of a pair; the other end has sent a memfd */
	int parent; /* the other end */
	int listener; /* a connection waits in its queue */
	int memfd; /* sealed */
	void *mapped; /* of memfd, for reading */
	uint32_t gaps;
};

static int result(long r)
{
	return r < 0 ? errno : 0;
}

static int try_kill(const struct inside *in)
{
	(void)in;
	return result(kill(getppid(), 0));
}

static int try_tgkill(const struct inside *in)
{
	(void)in;
	return result(syscall(SYS_tgkill, getppid(), getppid(), SIGKILL));
}

static int try_setown(const struct inside *in)
{
	return result(fcntl(in->channel, F_SETOWN, getppid()));
}

static int try_ptrace(const struct inside *in)
{
	(void)in;
	return result(ptrace(PTRACE_ATTACH, getppid(), 0, 0));
}

static int try_open_write(const struct inside *in)
{
	(void)in;
	return result(open("/tmp/tcpdiagd-confine-test", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int try_open_null(const struct inside *in)
{
	(void)in;
	return result(open("/dev/null", O_WRONLY | O_CLOEXEC));
}

static int try_open_read(const struct inside *in)
{
	(void)in;
	return result(open("/etc/hostname", O_RDONLY | O_CLOEXEC));
}

static int try_socket(const struct inside *in)
{
	(void)in;
	return result(socket(AF_INET, SOCK_STREAM, 0));
}

static int try_socketpair(const struct inside *in)
{
	int pair[2];

	(void)in;
	return result(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
}

static int try_connect(const struct inside *in)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(1) };

	return result(connect(in->listener, (struct sockaddr *)&address, sizeof(address)));
}

static int try_bind(const struct inside *in)
{
	struct sockaddr_in address = { .sin_family = AF_INET };

	return result(bind(in->listener, (struct sockaddr *)&address, sizeof(address)));
}

static int try_exec(const struct inside *in)
{
	char *const arguments[] = { NULL };

	(void)in;
	return result(execve("/bin/true", arguments, arguments));
}

static int try_fork(const struct inside *in)
{
	long pid;

	(void)in;
	pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int try_mount(const struct inside *in)
{
	(void)in;
	return result(mount("none", "/mnt", "tmpfs", 0, NULL));
}

static int try_map_writable(const struct inside *in)
{
	void *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, in->memfd, 0);

	return p == MAP_FAILED ? errno : 0;
}

static int try_write_memfd(const struct inside *in)
{
	return result(pwrite(in->memfd, "x", 1, 0));
}

static int try_protect_writable(const struct inside *in)
{
	return result(mprotect(in->mapped, SIZE, PROT_READ | PROT_WRITE));
}

static int try_map_executable(const struct inside *in)
{
	void *p = mmap(NULL, SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)in;
	return p == MAP_FAILED ? errno : 0;
}

static int try_protect_executable(const struct inside *in)
{
	void *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)in;
	return p == MAP_FAILED ? 0 : result(mprotect(p, SIZE, PROT_READ | PROT_EXEC));
}

static int try_setuid(const struct inside *in)
{
	(void)in;
	return result(setresuid(0, 0, 0));
}

static int try_dumpable(const struct inside *in)
{
	(void)in;
	return result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int try_raise_limit(const struct inside *in)
{
	const struct rlimit limit = { 4096, 4096 };

	(void)in;
	return result(setrlimit(RLIMIT_NOFILE, &limit));
}

static const struct {
	const char *what;
	int (*attempt)(const struct inside *in);
	int error;
} refused[] = {
	{ "kill of the parent", try_kill, EPERM },
	{ "tgkill of the parent", try_tgkill, EPERM },
	{ "F_SETOWN to the parent", try_setown, EPERM },
	{ "ptrace", try_ptrace, EPERM },
	{ "open a new file for writing", try_open_write, EPERM },
	{ "open /dev/null for writing", try_open_null, EPERM },
	{ "open for reading", try_open_read, EPERM },
	{ "socket", try_socket, EPERM },
	{ "socketpair", try_socketpair, EPERM },
	{ "connect", try_connect, EPERM },
	{ "bind", try_bind, EPERM },
	{ "execve", try_exec, EPERM },
	{ "fork", try_fork, EPERM },
	{ "mount", try_mount, EPERM },
	{ "map lent memory writable", try_map_writable, EPERM },
	{ "write to lent memory", try_write_memfd, EPERM },
	{ "make lent memory writable", try_protect_writable, EACCES },
	{ "map executable memory", try_map_executable, EPERM },
	{ "make memory executable", try_protect_executable, EPERM },
	{ "become root", try_setuid, EPERM },
	{ "become dumpable", try_dumpable, EPERM },
	{ "raise a limit", try_raise_limit, EPERM },
};

static int memory(const struct inside *in)
{
	size_t i, size = 64 << 20;
	char *p = malloc(size);

	(void)in;
	if (!p)
		return ENOMEM;
	for (i = 0; i < size; i += 4096)
		p[i] = 1;
	p = realloc(p, 2 * size);
	free(p);
	return p ? 0 : ENOMEM;
}

static int accepting(const struct inside *in)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd, epoll = epoll_create1(EPOLL_CLOEXEC);
	const int on = 1;
	char byte;

	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, in->listener, &event) < 0 ||
	    epoll_wait(epoll, &event, 1, 1000) != 1)
		return errno ? errno : ETIMEDOUT;
	fd = accept4(in->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		return errno;
	if (recv(fd, &byte, 1, 0) != 1 || byte != '?')
		return errno ? errno : EIO;
	return send(fd, "!", 1, MSG_NOSIGNAL) == 1 ? 0 : errno;
}

static int receiving(const struct inside *in)
{
	union channel_packet packet;
	const char *p;
	int passed, r;

	r = channel_receive(in->channel, &packet, &passed);
	if (r < 0)
		return -r;
	if (passed < 0 || packet.type != CHANNEL_LEND)
		return EBADMSG;
	p = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, passed, 0);
	if (p == MAP_FAILED)
		return errno;
	close(passed);
	if (strcmp(p, "snapshot") != 0)
		return EIO;
	return -channel_send(in->channel, &packet.lend, sizeof(packet.lend), -1);
}

static int clocks(const struct inside *in)
{
	struct timespec time;
	char random[16];

	(void)in;
	if (clock_gettime(CLOCK_MONOTONIC, &time) < 0 || clock_gettime(CLOCK_REALTIME, &time) < 0 ||
	    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) < 0 ||
	    getrandom(random, sizeof(random), 0) != sizeof(random))
		return errno;
	return 0;
}

static int another_user(const struct inside *in)
{
	return !(in->gaps & CONFINE_GAP_USER) && (getuid() == 0 || geteuid() == 0) ? EUCLEAN : 0;
}

static const struct {
	const char *what;
	int (*attempt)(const struct inside *in);
} works[] = {
	{ "64 MiB of memory", memory },
	{ "accept, epoll, recv, send", accepting },
	{ "a passed memfd, mapped for reading", receiving },
	{ "clocks and random numbers", clocks },
	{ "not root", another_user },
};

/* What stands around: a listener with a connection that has sent '?', a pair with a lent memfd. */
static int surround(struct inside *in)
{
	struct channel_lend lend = { .type = CHANNEL_LEND };
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int pair[2], client;
	void *p;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in->memfd = memfd_create("test", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	if (in->memfd < 0 || ftruncate(in->memfd, SIZE) < 0)
		return -1;
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, in->memfd, 0);
	if (p == MAP_FAILED)
		return -1;
	memcpy(p, "snapshot", 9);
	if (fcntl(in->memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE) < 0)
		return -1;
	in->mapped = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, in->memfd, 0);
	in->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (in->mapped == MAP_FAILED || in->listener < 0 || client < 0 ||
	    bind(in->listener, (struct sockaddr *)&address, len) < 0 ||
	    listen(in->listener, 1) < 0 ||
	    getsockname(in->listener, (struct sockaddr *)&address, &len) < 0 ||
	    connect(client, (struct sockaddr *)&address, len) < 0 || send(client, "?", 1, 0) != 1 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	in->channel = pair[0];
	in->parent = pair[1];
	return channel_send(pair[1], &lend, sizeof(lend), in->memfd);
}

static int compare_ints(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* In a child: surroundings, confinement, attempt. Return: its exit status. */
static int attempt_inside(int (*attempt)(const struct inside *in))
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct inside in = {};
		int keep[4];

		if (surround(&in) < 0)
			_exit(STATUS_BROKEN);
		keep[0] = in.channel;
		keep[1] = in.listener;
		keep[2] = in.memfd;
		keep[3] = in.parent;
		qsort(keep, 4, sizeof(keep[0]), compare_ints);
		if (confine(keep, 4, 64, &in.gaps) < 0)
			_exit(STATUS_BROKEN);
		_exit(attempt(&in));
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "ended by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

START_TEST(is_refused)
{
	int status = attempt_inside(refused[_i].attempt);

	ck_assert_msg(status == refused[_i].error, "%s: %s", refused[_i].what,
		      status ? strerror(status) : "succeeded");
}
END_TEST

START_TEST(does_work)
{
	int status = attempt_inside(works[_i].attempt);

	ck_assert_msg(status == 0, "%s: %s", works[_i].what, strerror(status));
}
END_TEST

/* The kernel's own account of a confined process. */
START_TEST(as_the_kernel_sees_it)
{
	char path[64], line[256];
	unsigned int seen = 0;
	int ready[2], hold[2];
	uint32_t gaps = 0;
	FILE *file;
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	ck_assert_int_eq(pipe(hold), 0);
	pid = fork();
	if (pid == 0) {
		const int keep[] = { MIN(ready[1], hold[0]), MAX(ready[1], hold[0]) };

		/* The parent's end of hold must go, or its end is never seen: close_range() does. */
		if (confine(keep, 2, 64, &gaps) < 0 || write(ready[1], &gaps, sizeof(gaps)) < 0)
			_exit(STATUS_BROKEN);
		_exit(read(hold[0], line, 1) == 0 ? 0 : STATUS_BROKEN);
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &gaps, sizeof(gaps)), sizeof(gaps));
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file)) {
		unsigned long long caps;

		if (sscanf(line, "CapInh: %llx", &caps) == 1 ||
		    sscanf(line, "CapPrm: %llx", &caps) == 1 ||
		    sscanf(line, "CapEff: %llx", &caps) == 1 ||
		    sscanf(line, "CapAmb: %llx", &caps) == 1 ||
		    (!(gaps & CONFINE_GAP_BOUNDING) && sscanf(line, "CapBnd: %llx", &caps) == 1)) {
			ck_assert_msg(caps == 0, "%s", line);
			seen++;
		}
		if (!strncmp(line, "NoNewPrivs:", 11)) {
			ck_assert_msg(strchr(line, '1') != NULL, "%s", line);
			seen++;
		}
		if (!strncmp(line, "Seccomp:", 8)) {
			ck_assert_msg(strchr(line, '2') != NULL, "%s", line);
			seen++;
		}
		if (!strncmp(line, "Uid:", 4) && !(gaps & CONFINE_GAP_USER))
			ck_assert_msg(!strstr(line, "\t0\t"), "%s", line);
	}
	fclose(file);
	ck_assert_uint_ge(seen, 6);
	close(hold[1]);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("confine");
	TCase *t = tcase_create("inside");

	tcase_add_loop_test(t, is_refused, 0, ARRAY_SIZE(refused));
	tcase_add_loop_test(t, does_work, 0, ARRAY_SIZE(works));
	tcase_add_test(t, as_the_kernel_sees_it);
	suite_add_tcase(s, t);
	return s;
}
