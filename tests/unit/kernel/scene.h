/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A network namespace of a test's own, sockets in it, and what the kernel says about them.
 *
 * Each test of Check is a process of its own, so a namespace made here ends with the test.
 */
#pragma once

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kernel/sock_diag.h"
#include "model/macro.h"

#define SCENE_NETNS 4242U
#define SCENE_NOT_LISTENING (TCPDIAG_STATES_ALL & ~TCPDIAG_STATE_BIT(TCPDIAG_LISTEN))

/* Ends the test as done, or as failed where nothing may be left out. */
static inline void scene_skip(const char *why)
{
	if (getenv("TCPDIAG_NO_SKIP"))
		ck_abort_msg("skipped: %s", why);
	fprintf(stderr, "skipped: %s\n", why);
	exit(EXIT_SUCCESS);
}

static inline void scene_begin(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		scene_skip("no network namespace can be made here");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
}

struct scene_pair {
	int listener;
	int client;
	int server;
	uint16_t server_port;
	uint16_t client_port;
};

static inline void scene_nap(long milliseconds)
{
	const struct timespec ts = { .tv_nsec = milliseconds * NSEC_PER_MSEC };

	nanosleep(&ts, NULL);
}

static inline struct sockaddr_in6 scene_address(int family, const char *text, uint16_t port,
						socklen_t *ret_size)
{
	struct sockaddr_in6 address = {};

	if (family == AF_INET) {
		struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };

		ck_assert_int_eq(inet_pton(AF_INET, text, &v4.sin_addr), 1);
		memcpy(&address, &v4, sizeof(v4));
		*ret_size = sizeof(v4);
	} else {
		address.sin6_family = AF_INET6;
		address.sin6_port = htons(port);
		ck_assert_int_eq(inet_pton(AF_INET6, text, &address.sin6_addr), 1);
		*ret_size = sizeof(address);
	}
	return address;
}

/* The port stands at the same place in both families. */
static inline uint16_t scene_port(int fd)
{
	struct sockaddr_in6 address = {};
	socklen_t size = sizeof(address);

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	return ntohs(address.sin6_port);
}

static inline uint32_t scene_inode(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	return st.st_ino;
}

static inline uint64_t scene_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size), 0);
	return cookie;
}

static inline int scene_listen(int family, const char *text, int protocol, int backlog)
{
	socklen_t size;
	struct sockaddr_in6 address = scene_address(family, text, 0, &size);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, protocol);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	return fd;
}

static inline int scene_connect(int family, const char *text, uint16_t port, int protocol,
				int flags)
{
	socklen_t size;
	struct sockaddr_in6 address = scene_address(family, text, port, &size);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | flags, protocol);

	ck_assert_int_ge(fd, 0);
	if (connect(fd, (struct sockaddr *)&address, size) < 0)
		ck_assert_int_eq(errno, EINPROGRESS);
	return fd;
}

static inline struct scene_pair scene_connected(int listen_family, const char *listen_on,
						int family, const char *to, int protocol)
{
	struct scene_pair pair = { .listener = scene_listen(listen_family, listen_on, protocol,
							    5) };

	pair.server_port = scene_port(pair.listener);
	pair.client = scene_connect(family, to, pair.server_port, protocol, 0);
	pair.server = accept4(pair.listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(pair.server, 0);
	pair.client_port = scene_port(pair.client);
	return pair;
}

static inline struct scene_pair scene_pair(void)
{
	return scene_connected(AF_INET, "127.0.0.1", AF_INET, "127.0.0.1", 0);
}

static inline struct sock_diag *scene_open(void)
{
	struct sock_diag *diag = NULL;

	ck_assert_int_eq(sock_diag_open(SCENE_NETNS, &diag), 0);
	ck_assert_ptr_nonnull(diag);
	return diag;
}

/* How many rows have these ports (0: any); the last one in @ret. */
static inline int scene_count(struct sock_diag *diag, uint32_t states, int protocol, uint16_t local,
			      uint16_t remote, struct tcpdiag_socket *ret)
{
	const struct sock_diag_request request = { .states = states,
						   .protocol = protocol,
						   .info = true };
	struct tcpdiag_socket sk;
	int found = 0;
	int r;

	ck_assert_int_eq(sock_diag_dump(diag, &request), 0);
	while ((r = sock_diag_next(diag, &sk)) == 1) {
		ck_assert_uint_ne(states & TCPDIAG_STATE_BIT(sk.state), 0);
		if ((local && sk.local_port != local) || (remote && sk.remote_port != remote))
			continue;
		found++;
		if (ret)
			*ret = sk;
	}
	ck_assert_int_eq(r, 0);
	return found;
}

/* The one row with these ports; fails where there is none or several. */
static inline struct tcpdiag_socket scene_find(struct sock_diag *diag, uint16_t local,
					       uint16_t remote)
{
	struct tcpdiag_socket sk = {};
	int found = scene_count(diag, SCENE_NOT_LISTENING, IPPROTO_TCP, local, remote, &sk);

	ck_assert_int_eq(found, 1);
	return sk;
}
