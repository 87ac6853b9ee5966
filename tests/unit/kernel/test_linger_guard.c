/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A close() of ours that would linger: that of a process in whose place the walk over the descriptors may
 * come to close is the same one.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../harness.h"
#include "kernel/linger_guard.h"
#include "model/macro.h"

#define LINGER_SECONDS 600

static int listening, receiver;

/* Sends until the receiver, who never reads, has closed its window. Return: the sender. */
static int make_stuck(void)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = LINGER_SECONDS };
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), tries;
	static const char bytes[65536];

	listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listening, (struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(listen(listening, 1), 0);
	ck_assert_int_eq(getsockname(listening, (struct sockaddr *)&address, &size), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, size), 0);
	receiver = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(receiver, 0);
	for (tries = 0; tries < 1000; tries++)
		if (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) < 0)
			break;
	ck_assert_int_lt(tries, 1000);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	return fd;
}

/* A child closes it, or tries to for two seconds. Return: whether it came through. */
static bool closes(int fd, bool guarded)
{
	const struct timespec moment = { .tv_nsec = 20 * NSEC_PER_MSEC };
	struct linger_guard guard;
	int go[2], waits;
	pid_t child;

	ck_assert_int_eq(pipe2(go, O_CLOEXEC), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (!child) {
		char byte;

		/* Its reference must be the last one. */
		if (read(go[0], &byte, 1) != 1)
			_exit(1);
		close(receiver);
		close(listening);
		if (guarded)
			linger_guard_begin(&guard);
		close(fd);
		if (guarded)
			linger_guard_end(&guard);
		_exit(0);
	}
	close(fd);
	ck_assert_int_eq(write(go[1], "", 1), 1);
	close(go[0]);
	close(go[1]);
	for (waits = 0; waits < 100; waits++) {
		if (waitpid(child, NULL, WNOHANG) == child)
			return true;
		/* Long enough to know that it waits. */
		if (!guarded && waits == 15)
			break;
		nanosleep(&moment, NULL);
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return false;
}

START_TEST(test_ends_the_wait)
{
	ck_assert(closes(make_stuck(), true));
}
END_TEST

/* What it is for: without it the same close() waits. */
START_TEST(test_waits_without)
{
	ck_assert(!closes(make_stuck(), false));
}
END_TEST

static void before(int number)
{
	(void)number;
}

START_TEST(test_leaves_nothing)
{
	const struct sigaction mine = { .sa_handler = before };
	const struct timespec moment = { .tv_nsec = 50 * NSEC_PER_MSEC };
	struct linger_guard guard;
	struct sigaction now;

	sigaction(SIGALRM, &mine, NULL);
	linger_guard_begin(&guard);
	ck_assert_int_ne(nanosleep(&moment, NULL), 0); /* there are signals */
	linger_guard_end(&guard);
	sigaction(SIGALRM, NULL, &now);
	ck_assert(now.sa_handler == before);
	ck_assert_int_eq(nanosleep(&moment, NULL), 0); /* and then none */
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("linger_guard");
	TCase *tc = tcase_create("linger_guard");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, test_ends_the_wait);
	tcase_add_test(tc, test_waits_without);
	tcase_add_test(tc, test_leaves_nothing);
	suite_add_tcase(s, tc);
	return s;
}
