/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Dumps of sock_diag that do not go their way: refused, given up, broken off, forged, or with fewer rights.
 */
#include <linux/capability.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "../harness.h"
#include "scene.h"

START_TEST(unknown_protocol)
{
	const struct sock_diag_request sctp = { .states = TCPDIAG_STATES_ALL, .protocol = 47 };
	const struct sock_diag_request wide = { .states = TCPDIAG_STATES_ALL, .protocol = 511 };
	struct sock_diag *diag;
	struct tcpdiag_socket sk;

	scene_begin();
	diag = scene_open();
	ck_assert_int_eq(sock_diag_dump(diag, &sctp), -EOPNOTSUPP);
	ck_assert_int_eq(sock_diag_next(diag, &sk), 0);
	ck_assert_int_eq(sock_diag_dump(diag, &wide), -EOPNOTSUPP);
	ck_assert_int_eq(scene_count(diag, TCPDIAG_STATES_ALL, IPPROTO_TCP, 0, 0, NULL), 0);
	sock_diag_free(diag);
}
END_TEST

/* More than one datagram of rows, left after the first: the next dump is whole. */
START_TEST(dump_given_up)
{
	const struct sock_diag_request all = { .states = SCENE_NOT_LISTENING,
					       .protocol = IPPROTO_TCP,
					       .info = true };
	struct sock_diag *diag;
	struct tcpdiag_socket sk;
	int listener;

	scene_begin();
	listener = scene_listen(AF_INET, "127.0.0.1", 0, 200);
	for (int i = 0; i < 150; i++)
		scene_connect(AF_INET, "127.0.0.1", scene_port(listener), 0, 0);
	diag = scene_open();
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(sock_diag_dump(diag, &all), 0);
		ck_assert_int_eq(sock_diag_next(diag, &sk), 1);
		ck_assert_int_eq(scene_count(diag, SCENE_NOT_LISTENING, IPPROTO_TCP, 0, 0, NULL),
				 300);
	}
	ck_assert_uint_eq(sock_diag_stats(diag)->rows, 3 * 301);
	ck_assert_uint_eq(sock_diag_stats(diag)->restarts, 0);
	sock_diag_free(diag);
}
END_TEST

/* Two that share a buffer, as those of two namespaces do: what one writes over, the other does not read. */
START_TEST(shared_buffer)
{
	const struct sock_diag_request all = { .states = SCENE_NOT_LISTENING,
					       .protocol = IPPROTO_TCP,
					       .info = true };
	struct sock_diag *first, *second = NULL;
	struct tcpdiag_socket sk;
	int listener;

	scene_begin();
	listener = scene_listen(AF_INET, "127.0.0.1", 0, 200);
	for (int i = 0; i < 150; i++)
		scene_connect(AF_INET, "127.0.0.1", scene_port(listener), 0, 0);
	first = scene_open();
	ck_assert_int_eq(sock_diag_open_as(first, SCENE_NETNS + 1, &second), 0);
	ck_assert(sock_diag_single_pass(second) == sock_diag_single_pass(first));
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(sock_diag_dump(first, &all), 0);
		ck_assert_int_eq(sock_diag_next(first, &sk), 1);
		ck_assert_uint_eq(sk.netns, SCENE_NETNS);
		ck_assert_int_eq(scene_count(second, SCENE_NOT_LISTENING, IPPROTO_TCP, 0, 0, &sk),
				 300);
		ck_assert_uint_eq(sk.netns, SCENE_NETNS + 1);
		ck_assert_int_eq(sock_diag_next(first, &sk), -EBUSY);
		ck_assert_int_eq(sock_diag_next(first, &sk), 0);
		ck_assert_int_eq(scene_count(first, SCENE_NOT_LISTENING, IPPROTO_TCP, 0, 0, &sk),
				 300);
	}
	/* Whoever brought the buffer may go first. */
	sock_diag_free(first);
	ck_assert_int_eq(scene_count(second, SCENE_NOT_LISTENING, IPPROTO_TCP, 0, 0, NULL), 300);
	sock_diag_free(second);
}
END_TEST

/* The next row of a dump is this end of a connection to @port in that namespace. */
static void shows(struct sock_diag *diag, uint32_t netns, uint16_t port)
{
	struct tcpdiag_socket sk;

	ck_assert_int_eq(sock_diag_next(diag, &sk), 1);
	ck_assert_uint_eq(sk.netns, netns);
	ck_assert(sk.local_port == port || sk.remote_port == port);
}

/* The same of two namespaces: a dump that has been broken off leaves nothing in those that follow. */
START_TEST(shared_buffer_of_two_namespaces)
{
	const struct sock_diag_request all = { .states = SCENE_NOT_LISTENING,
					       .protocol = IPPROTO_TCP,
					       .info = true };
	struct sock_diag *diag[2] = {};
	struct tcpdiag_socket sk;
	uint16_t port[2];

	for (int i = 0; i < 2; i++) {
		int listener;

		scene_begin();
		do {
			listener = scene_listen(AF_INET, "127.0.0.1", 0, 200);
			port[i] = scene_port(listener);
		} while (i && port[1] == port[0]);
		for (int n = 0; n < 150; n++)
			scene_connect(AF_INET, "127.0.0.1", port[i], 0, 0);
		if (i == 0)
			diag[0] = scene_open();
		else
			ck_assert_int_eq(sock_diag_open_as(diag[0], SCENE_NETNS + 1, &diag[1]), 0);
	}
	for (int i = 0; i < 4; i++) {
		struct sock_diag *one = diag[i % 2], *other = diag[!(i % 2)];
		const uint32_t netns = SCENE_NETNS + i % 2, others = SCENE_NETNS + !(i % 2);

		/* Both are left in their midst, @one where another datagram would be read next. */
		ck_assert_int_eq(sock_diag_dump(one, &all), 0);
		for (int n = 0; n < (i < 2 ? 1 : 100); n++)
			shows(one, netns, port[i % 2]);
		ck_assert_int_eq(sock_diag_dump(other, &all), 0);
		shows(other, others, port[!(i % 2)]);
		ck_assert_int_eq(sock_diag_next(one, &sk), -EBUSY);
		/* That has not touched the one that took its place. */
		shows(other, others, port[!(i % 2)]);
		ck_assert_int_eq(scene_count(one, SCENE_NOT_LISTENING, IPPROTO_TCP, 0, 0, &sk),
				 300);
		ck_assert_uint_eq(sk.netns, netns);
		ck_assert_int_eq(
			scene_count(one, SCENE_NOT_LISTENING, IPPROTO_TCP, 0, port[!(i % 2)], NULL),
			0);
		ck_assert_int_eq(sock_diag_next(other, &sk), -EBUSY);
		ck_assert_int_eq(scene_count(other, SCENE_NOT_LISTENING, IPPROTO_TCP, 0, 0, &sk),
				 300);
		ck_assert_uint_eq(sk.netns, others);
	}
	ck_assert_uint_eq(sock_diag_stats(diag[0])->foreign, 0);
	ck_assert_uint_eq(sock_diag_stats(diag[1])->truncated, 0);
	sock_diag_free(diag[1]);
	sock_diag_free(diag[0]);
}
END_TEST

/* Without descriptors for the two witnesses both families are asked one after the other. */
START_TEST(two_passes_see_the_same)
{
	struct sock_diag *single, *twice;
	struct rlimit limit, less;
	struct scene_pair pair;
	int top;

	scene_begin();
	pair = scene_connected(AF_INET6, "::", AF_INET6, "::1", 0);
	scene_connect(AF_INET, "127.0.0.1", pair.server_port, 0, 0);
	single = scene_open();
	ck_assert(sock_diag_single_pass(single));
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	top = dup(0);
	close(top);
	less = (struct rlimit){ .rlim_cur = top + 1, .rlim_max = limit.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &less), 0);
	twice = scene_open();
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert(!sock_diag_single_pass(twice));
	ck_assert_int_eq(scene_count(single, TCPDIAG_STATES_ALL, IPPROTO_TCP, 0, 0, NULL), 5);
	ck_assert_int_eq(scene_count(twice, TCPDIAG_STATES_ALL, IPPROTO_TCP, 0, 0, NULL), 5);
	ck_assert_int_eq(
		scene_count(twice, TCPDIAG_STATES_ALL, IPPROTO_TCP, pair.client_port, 0, NULL), 1);
	sock_diag_free(single);
	sock_diag_free(twice);
}
END_TEST

/* Whoever may send to our port cannot put a row into a dump. */
START_TEST(messages_of_others)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	struct {
		struct nlmsghdr header;
		struct inet_diag_msg msg;
	} forged = { .header = { .nlmsg_len = sizeof(forged), .nlmsg_type = TCPDIAG_GETSOCK },
		     .msg = { .idiag_family = AF_INET, .idiag_state = TCPDIAG_ESTABLISHED } };
	struct sock_diag *diag;
	int fd;

	scene_begin();
	diag = scene_open();
	/* The first netlink socket of a process has its pid as port. */
	to.nl_pid = getpid();
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	ck_assert_int_eq(sendto(fd, &forged, sizeof(forged), 0, (struct sockaddr *)&to, sizeof(to)),
			 sizeof(forged));
	ck_assert_int_eq(scene_count(diag, TCPDIAG_STATES_ALL, IPPROTO_TCP, 0, 0, NULL), 0);
	ck_assert_uint_eq(sock_diag_stats(diag)->foreign, 1);
	sock_diag_free(diag);
}
END_TEST

/* CAP_NET_ADMIN is what shows a mark: without it the protocol above is not known. */
START_TEST(without_capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[2] = {};
	static const int mark = 1;
	struct sock_diag *diag;
	struct scene_pair pair;
	struct tcpdiag_socket sk;

	scene_begin();
	pair = scene_pair();
	ck_assert_int_eq(setsockopt(pair.server, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	ck_assert_int_eq(syscall(SYS_capset, &header, none), 0);
	diag = scene_open();
	sk = scene_find(diag, pair.server_port, pair.client_port);
	ck_assert_uint_eq(sk.known & (TCPDIAG_KNOWS_ULP | TCPDIAG_KNOWS_MARK), 0);
	ck_assert_uint_eq(sk.mark, 0);
	ck_assert_uint_ne(sk.known & TCPDIAG_KNOWS_BYTES, 0);
	ck_assert_uint_eq(sk.inode, scene_inode(pair.server));
	sock_diag_free(diag);
}
END_TEST

/* Somebody takes the rest of a dump away: it breaks off, and the next one has a socket of its own. */
START_TEST(dump_that_dies)
{
	const struct sock_diag_request all = { .states = SCENE_NOT_LISTENING,
					       .protocol = IPPROTO_TCP,
					       .info = true };
	static char bytes[65536];
	struct sock_diag *diag;
	struct tcpdiag_socket sk;
	int listener, other;
	int rows = 0;
	int r;

	scene_begin();
	listener = scene_listen(AF_INET, "127.0.0.1", 0, 200);
	for (int i = 0; i < 150; i++)
		scene_connect(AF_INET, "127.0.0.1", scene_port(listener), 0, 0);
	other = dup(listener);
	close(other);
	/* The lowest free number is the one that it gets. */
	diag = scene_open();
	ck_assert_int_eq(sock_diag_dump(diag, &all), 0);
	while (recv(other, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	while ((r = sock_diag_next(diag, &sk)) == 1)
		rows++;
	ck_assert_int_eq(r, -EPIPE);
	ck_assert_int_gt(rows, 0);
	ck_assert_int_lt(rows, 300);
	ck_assert_int_eq(sock_diag_next(diag, &sk), 0);
	ck_assert_uint_eq(sock_diag_stats(diag)->restarts, 1);
	ck_assert_int_eq(scene_count(diag, SCENE_NOT_LISTENING, IPPROTO_TCP, 0, 0, NULL), 300);

	/* In another namespace it must not become that one's. */
	ck_assert_int_eq(sock_diag_dump(diag, &all), 0);
	while (recv(other + 1, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ck_assert_int_eq(sock_diag_dump(diag, &all), -ESTALE);
	sock_diag_free(diag);
}
END_TEST

START_TEST(without_info)
{
	const struct sock_diag_request bare = { .states = SCENE_NOT_LISTENING,
						.protocol = IPPROTO_TCP };
	struct sock_diag *diag;
	struct tcpdiag_socket sk;

	scene_begin();
	scene_pair();
	diag = scene_open();
	ck_assert_int_eq(sock_diag_dump(diag, &bare), 0);
	ck_assert_int_eq(sock_diag_next(diag, &sk), 1);
	ck_assert_uint_eq(sk.known & (TCPDIAG_KNOWS_INFO | TCPDIAG_KNOWS_SKMEM | TCPDIAG_KNOWS_ULP),
			  0);
	sock_diag_free(diag);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("sock_diag dumps");
	TCase *c = tcase_create("kernel");

	tcase_add_test(c, unknown_protocol);
	tcase_add_test(c, dump_given_up);
	tcase_add_test(c, shared_buffer);
	tcase_add_test(c, shared_buffer_of_two_namespaces);
	tcase_add_test(c, two_passes_see_the_same);
	tcase_add_test(c, messages_of_others);
	tcase_add_test(c, without_capability);
	tcase_add_test(c, dump_that_dies);
	tcase_add_test(c, without_info);
	suite_add_tcase(s, c);
	return s;
}
