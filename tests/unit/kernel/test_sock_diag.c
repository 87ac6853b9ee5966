/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Real sockets in a namespace of their own, in each situation, and every field that sock_diag gives.
 */
#include <sys/utsname.h>

#include "../harness.h"
#include "kernel/uapi.h"
#include "scene.h"

static const uint8_t loopback4[16] = { [10] = 0xff, 0xff, 127, 0, 0, 1 };
static const uint8_t loopback6[16] = { [15] = 1 };

static bool kernel_at_least(int major, int minor)
{
	struct utsname name;
	int have[2] = {};

	ck_assert_int_eq(uname(&name), 0);
	ck_assert_int_eq(sscanf(name.release, "%d.%d", &have[0], &have[1]), 2);
	return have[0] > major || (have[0] == major && have[1] >= minor);
}

static void send_bytes(int fd, size_t size)
{
	static const char bytes[4096];

	ck_assert_int_eq(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

START_TEST(listener_and_its_queue)
{
	struct sock_diag *diag;
	struct tcpdiag_socket sk;
	uint16_t port;
	int clients[3];
	int listener;

	scene_begin();
	listener = scene_listen(AF_INET, "127.0.0.1", 0, 5);
	port = scene_port(listener);
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		clients[i] = scene_connect(AF_INET, "127.0.0.1", port, 0, 0);
	diag = scene_open();
	ck_assert_int_eq(
		scene_count(diag, TCPDIAG_STATE_BIT(TCPDIAG_LISTEN), IPPROTO_TCP, port, 0, &sk), 1);
	ck_assert_uint_eq(sk.netns, SCENE_NETNS);
	ck_assert_int_eq(sk.state, TCPDIAG_LISTEN);
	ck_assert_int_eq(sk.kind, TCPDIAG_KIND_FULL);
	ck_assert_int_eq(sk.attachment, TCPDIAG_HELD);
	ck_assert_uint_eq(sk.rqueue, ARRAY_SIZE(clients));
	ck_assert_uint_eq(sk.wqueue, 5);
	ck_assert_uint_eq(sk.unacked, ARRAY_SIZE(clients));
	ck_assert_uint_eq(sk.inode, scene_inode(listener));
	ck_assert_uint_eq(sk.cookie, scene_cookie(listener));
	ck_assert_uint_eq(sk.remote_port, 0);
	ck_assert_uint_eq(sk.known & (TCPDIAG_KNOWS_INFO | TCPDIAG_KNOWS_BYTES), 0);
	ck_assert_uint_ne(sk.known & TCPDIAG_KNOWS_SHUTDOWN, 0);

	ck_assert_int_eq(scene_count(diag, SCENE_NOT_LISTENING, IPPROTO_TCP, port, 0, &sk),
			 ARRAY_SIZE(clients));
	ck_assert_int_eq(sk.state, TCPDIAG_ESTABLISHED);
	ck_assert_int_eq(sk.attachment, TCPDIAG_UNACCEPTED);
	ck_assert_uint_eq(sk.inode, 0);
	ck_assert_uint_eq(sock_diag_stats(diag)->truncated, 0);
	ck_assert_uint_eq(sock_diag_stats(diag)->foreign, 0);
	sock_diag_free(diag);
}
END_TEST

START_TEST(established_with_unread_bytes)
{
	static const int mark = 0x77;
	struct uapi_tcp_info info = {};
	socklen_t size = sizeof(info);
	struct sock_diag *diag;
	struct scene_pair pair;
	struct tcpdiag_socket sk;
	int rcvbuf = 0;

	scene_begin();
	pair = scene_pair();
	ck_assert_int_eq(setsockopt(pair.server, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	ck_assert_int_eq(setsockopt(pair.server, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
	send_bytes(pair.client, 1000);
	diag = scene_open();
	sk = scene_find(diag, pair.server_port, pair.client_port);
	ck_assert_int_eq(getsockopt(pair.server, SOL_TCP, TCP_INFO, &info, &size), 0);
	ck_assert_int_eq(sk.state, TCPDIAG_ESTABLISHED);
	ck_assert_int_eq(sk.attachment, TCPDIAG_HELD);
	ck_assert_int_eq(sk.family, AF_INET);
	ck_assert(!sk.mapped && !sk.mptcp && !sk.mptcp_subflow);
	ck_assert_mem_eq(sk.local, loopback4, 16);
	ck_assert_mem_eq(sk.remote, loopback4, 16);
	ck_assert_uint_eq(sk.inode, scene_inode(pair.server));
	ck_assert_uint_eq(sk.cookie, scene_cookie(pair.server));
	ck_assert_uint_eq(sk.uid, getuid());
	ck_assert_uint_eq(sk.mark, mark);
	ck_assert_uint_eq(sk.ifindex, 1);
	ck_assert_uint_eq(sk.rqueue, 1000);
	ck_assert_uint_eq(tcpdiag_unread_bytes(&sk), 1000);
	ck_assert_uint_eq(sk.wqueue, 0);
	ck_assert_uint_eq(sk.sk_shutdown, 0);
	ck_assert_int_eq(sk.timer, TCPDIAG_TIMER_OFF);
	ck_assert_uint_eq(sk.bytes_received, 1000);
	ck_assert_uint_eq(sk.bytes_sent, info.bytes_sent);
	ck_assert_uint_eq(sk.rto_us, info.rto);
	ck_assert_uint_eq(sk.rtt_us, info.rtt);
	ck_assert_uint_eq(sk.notsent_bytes, 0);
	ck_assert_uint_eq(sk.snd_wnd, info.snd_wnd);
	ck_assert_uint_gt(sk.snd_wnd, 0);
	size = sizeof(rcvbuf);
	ck_assert_int_eq(getsockopt(pair.server, SOL_SOCKET, SO_RCVBUF, &rcvbuf, &size), 0);
	ck_assert_uint_eq(sk.rcvbuf, (uint32_t)rcvbuf);
	ck_assert_uint_gt(sk.rmem_alloc, 1000);
	ck_assert_uint_gt(sk.sndbuf, 0);
	if (kernel_at_least(6, 2)) {
		ck_assert_uint_ne(sk.known & TCPDIAG_KNOWS_RCV_WND, 0);
		ck_assert_uint_eq(sk.rcv_wnd, info.rcv_wnd);
		ck_assert_uint_gt(sk.rcv_wnd, 1000);
	}
	ck_assert_uint_eq(sk.known & ~TCPDIAG_KNOWS_RCV_WND,
			  TCPDIAG_KNOWS_SHUTDOWN | TCPDIAG_KNOWS_MARK | TCPDIAG_KNOWS_SKMEM |
				  TCPDIAG_KNOWS_INFO | TCPDIAG_KNOWS_BYTES | TCPDIAG_KNOWS_NOTSENT |
				  TCPDIAG_KNOWS_SND_WND | TCPDIAG_KNOWS_ULP |
				  TCPDIAG_KNOWS_INTERFACE | TCPDIAG_KNOWS_UID);
	sock_diag_free(diag);
}
END_TEST

START_TEST(close_wait_until_eof_is_read)
{
	struct sock_diag *diag;
	struct scene_pair pair;
	struct tcpdiag_socket sk;
	char bytes[100];

	scene_begin();
	pair = scene_pair();
	send_bytes(pair.client, 7);
	close(pair.client);
	diag = scene_open();
	sk = scene_find(diag, pair.server_port, pair.client_port);
	ck_assert_int_eq(sk.state, TCPDIAG_CLOSE_WAIT);
	ck_assert_uint_eq(sk.rqueue, 8);
	ck_assert_uint_eq(tcpdiag_unread_bytes(&sk), 7);
	ck_assert_uint_eq(sk.sk_shutdown, TCPDIAG_RCV_SHUTDOWN);
	/* The FIN has joined the buffer of the data, so the last byte of these takes it along. */
	ck_assert_int_eq(recv(pair.server, bytes, 7, 0), 7);
	sk = scene_find(diag, pair.server_port, pair.client_port);
	ck_assert_uint_eq(sk.rqueue, 0);

	/* One that comes later stays until recv() has said 0. */
	pair = scene_pair();
	close(pair.client);
	sk = scene_find(diag, pair.server_port, pair.client_port);
	ck_assert_uint_eq(sk.rqueue, 1);
	ck_assert(tcpdiag_fin_unread(&sk));
	ck_assert_int_eq(recv(pair.server, bytes, sizeof(bytes), 0), 0);
	sk = scene_find(diag, pair.server_port, pair.client_port);
	ck_assert_uint_eq(sk.rqueue, 0);
	ck_assert_int_eq(sk.attachment, TCPDIAG_HELD);
	sock_diag_free(diag);
}
END_TEST

/* One connection through FIN_WAIT2 with a process, without one, and TIME_WAIT: one cookie. */
START_TEST(fin_wait2_held_then_minisocket_then_time_wait)
{
	struct sock_diag *diag;
	struct scene_pair pair;
	struct tcpdiag_socket sk;
	uint64_t cookie;

	scene_begin();
	pair = scene_pair();
	ck_assert_int_eq(shutdown(pair.client, SHUT_WR), 0);
	diag = scene_open();
	/* The other end may take its time for the acknowledgement. */
	for (int i = 0; i < 100 && scene_find(diag, pair.client_port, pair.server_port).state !=
					   TCPDIAG_FIN_WAIT2;
	     i++)
		scene_nap(10);
	sk = scene_find(diag, pair.client_port, pair.server_port);
	ck_assert_int_eq(sk.state, TCPDIAG_FIN_WAIT2);
	ck_assert_int_eq(sk.kind, TCPDIAG_KIND_FULL);
	ck_assert_int_eq(sk.attachment, TCPDIAG_HELD);
	ck_assert_int_eq(sk.timer, TCPDIAG_TIMER_OFF);
	ck_assert_uint_eq(sk.sk_shutdown, TCPDIAG_SEND_SHUTDOWN);
	cookie = sk.cookie;

	close(pair.client);
	sk = scene_find(diag, pair.client_port, pair.server_port);
	ck_assert_int_eq(sk.state, TCPDIAG_FIN_WAIT2);
	ck_assert_int_eq(sk.kind, TCPDIAG_KIND_TIMEWAIT);
	ck_assert_int_eq(sk.attachment, TCPDIAG_TIMEWAIT);
	ck_assert_int_eq(sk.timer, TCPDIAG_TIMER_TIMEWAIT);
	ck_assert_uint_gt(sk.expires_ms, 50000);
	ck_assert_uint_le(sk.expires_ms, 60000);
	ck_assert_uint_eq(sk.inode, 0);
	ck_assert_uint_eq(sk.cookie, cookie);
	ck_assert_uint_eq(sk.known, TCPDIAG_KNOWS_MARK);
	/* The substate is what the mask selects by. */
	ck_assert_int_eq(scene_count(diag, TCPDIAG_STATE_BIT(TCPDIAG_TIME_WAIT), IPPROTO_TCP,
				     pair.client_port, 0, NULL),
			 0);

	close(pair.server);
	sk = scene_find(diag, pair.client_port, pair.server_port);
	ck_assert_int_eq(sk.state, TCPDIAG_TIME_WAIT);
	ck_assert_int_eq(sk.kind, TCPDIAG_KIND_TIMEWAIT);
	ck_assert_uint_eq(sk.cookie, cookie);
	sock_diag_free(diag);
}
END_TEST

/* A peer that does not read: what close() leaves behind waits for its window. */
START_TEST(orphan_in_fin_wait1)
{
	static const char bytes[65536];
	struct sock_diag *diag;
	struct scene_pair pair;
	struct tcpdiag_socket sk;

	scene_begin();
	pair = scene_pair();
	while (send(pair.client, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		;
	ck_assert_int_eq(errno, EAGAIN);
	diag = scene_open();
	sk = scene_find(diag, pair.client_port, pair.server_port);
	ck_assert_uint_gt(tcpdiag_unsent_bytes(&sk), 0);
	ck_assert_uint_gt(sk.wmem_queued, 0);
	close(pair.client);
	sk = scene_find(diag, pair.client_port, pair.server_port);
	ck_assert_int_eq(sk.state, TCPDIAG_FIN_WAIT1);
	ck_assert_int_eq(sk.kind, TCPDIAG_KIND_FULL);
	ck_assert_int_eq(sk.attachment, TCPDIAG_ORPHAN);
	ck_assert_uint_eq(sk.inode, 0);
	ck_assert_uint_eq(sk.sk_shutdown, TCPDIAG_RCV_SHUTDOWN | TCPDIAG_SEND_SHUTDOWN);
	ck_assert_uint_gt(sk.notsent_bytes, 0);
	sock_diag_free(diag);
}
END_TEST

START_TEST(syn_sent_and_a_request)
{
	static const int seconds = 30;
	struct sock_diag *diag;
	struct tcpdiag_socket sk;
	int listener;
	uint16_t port;
	int client;

	scene_begin();
	/* Nobody answers: the queue of 0 takes one connection. */
	listener = scene_listen(AF_INET, "127.0.0.1", 0, 0);
	port = scene_port(listener);
	scene_connect(AF_INET, "127.0.0.1", port, 0, 0);
	client = scene_connect(AF_INET, "127.0.0.1", port, 0, SOCK_NONBLOCK);
	diag = scene_open();
	sk = scene_find(diag, scene_port(client), port);
	ck_assert_int_eq(sk.state, TCPDIAG_SYN_SENT);
	ck_assert_uint_eq(sk.wqueue, 1);
	ck_assert_int_eq(sk.timer, TCPDIAG_TIMER_RETRANSMIT);
	ck_assert_uint_gt(sk.expires_ms, 0);
	ck_assert_uint_eq(tcpdiag_unacked_bytes(&sk), 0);

	/* The request stays one until data comes. */
	listener = scene_listen(AF_INET, "127.0.0.1", 0, 5);
	port = scene_port(listener);
	ck_assert_int_eq(setsockopt(listener, SOL_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)),
			 0);
	client = scene_connect(AF_INET, "127.0.0.1", port, 0, 0);
	sk = scene_find(diag, port, scene_port(client));
	ck_assert_int_eq(sk.state, TCPDIAG_NEW_SYN_RECV);
	ck_assert_int_eq(sk.kind, TCPDIAG_KIND_REQUEST);
	ck_assert_int_eq(sk.attachment, TCPDIAG_REQUEST);
	ck_assert_uint_eq(sk.inode, 0);
	ck_assert_uint_eq(sk.known, TCPDIAG_KNOWS_MARK);
	ck_assert_int_eq(scene_count(diag, TCPDIAG_STATE_BIT(TCPDIAG_NEW_SYN_RECV), IPPROTO_TCP,
				     port, 0, NULL),
			 1);
	ck_assert_int_eq(
		scene_count(diag, TCPDIAG_STATE_BIT(TCPDIAG_SYN_RECV), IPPROTO_TCP, port, 0, NULL),
		0);
	sock_diag_free(diag);
}
END_TEST

START_TEST(bound_without_connection)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct sock_diag *diag;

	scene_begin();
	diag = scene_open();
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct tcpdiag_socket sk;
		socklen_t size;
		struct sockaddr_in6 address = scene_address(families[i], i ? "::1" : "127.0.0.1", 0,
							    &size);
		int fd = socket(families[i], SOCK_STREAM | SOCK_CLOEXEC, 0);

		ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
		if (!kernel_at_least(6, 8))
			scene_skip("bound sockets are shown since Linux 6.8");
		ck_assert_int_eq(scene_count(diag, TCPDIAG_STATE_BIT(TCPDIAG_BOUND_INACTIVE),
					     IPPROTO_TCP, scene_port(fd), 0, &sk),
				 1);
		ck_assert_int_eq(sk.state, TCPDIAG_BOUND_INACTIVE);
		ck_assert_int_eq(sk.family, families[i]);
		ck_assert_int_eq(sk.attachment, TCPDIAG_HELD);
		ck_assert_uint_eq(sk.inode, scene_inode(fd));
		ck_assert_uint_eq(sk.known & TCPDIAG_KNOWS_INFO, 0);
	}
	sock_diag_free(diag);
}
END_TEST

START_TEST(ipv6_and_v4_mapped)
{
	static const uint8_t none[16];
	struct sock_diag *diag;
	struct scene_pair pair;
	struct tcpdiag_socket sk;

	scene_begin();
	diag = scene_open();
	pair = scene_connected(AF_INET6, "::", AF_INET6, "::1", 0);
	sk = scene_find(diag, pair.server_port, pair.client_port);
	ck_assert_int_eq(sk.family, AF_INET6);
	ck_assert(!sk.mapped);
	ck_assert_mem_eq(sk.local, loopback6, 16);
	ck_assert_mem_eq(sk.remote, loopback6, 16);
	ck_assert_int_eq(scene_count(diag, TCPDIAG_STATE_BIT(TCPDIAG_LISTEN), IPPROTO_TCP,
				     pair.server_port, 0, &sk),
			 1);
	ck_assert_int_eq(sk.family, AF_INET6);
	ck_assert_mem_eq(sk.local, none, 16);
	ck_assert(!sk.v6only);

	/* The server's end is an IPv6 socket, the client's is not. */
	pair = scene_connected(AF_INET6, "::", AF_INET, "127.0.0.1", 0);
	sk = scene_find(diag, pair.server_port, pair.client_port);
	ck_assert_int_eq(sk.family, AF_INET);
	ck_assert(sk.mapped);
	ck_assert_mem_eq(sk.local, loopback4, 16);
	ck_assert_mem_eq(sk.remote, loopback4, 16);
	sk = scene_find(diag, pair.client_port, pair.server_port);
	ck_assert_int_eq(sk.family, AF_INET);
	ck_assert(!sk.mapped);
	sock_diag_free(diag);
}
END_TEST

START_TEST(mptcp_socket_and_subflow)
{
	const struct sock_diag_request probe = { .states = TCPDIAG_STATES_ALL,
						 .protocol = IPPROTO_MPTCP,
						 .info = true };
	struct sock_diag *diag;
	struct scene_pair pair;
	struct tcpdiag_socket sk;
	int fd;

	scene_begin();
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
	if (fd < 0)
		scene_skip("this kernel has no MPTCP");
	close(fd);
	diag = scene_open();
	if (sock_diag_dump(diag, &probe) == -EOPNOTSUPP)
		scene_skip("this kernel has no mptcp_diag");
	pair = scene_connected(AF_INET, "127.0.0.1", AF_INET, "127.0.0.1", IPPROTO_MPTCP);
	send_bytes(pair.client, 5);
	scene_nap(50);
	ck_assert_int_eq(scene_count(diag, SCENE_NOT_LISTENING, IPPROTO_MPTCP, pair.server_port,
				     pair.client_port, &sk),
			 1);
	ck_assert(sk.mptcp && !sk.mptcp_subflow);
	ck_assert_int_eq(sk.state, TCPDIAG_ESTABLISHED);
	ck_assert_uint_gt(sk.rqueue, 0);
	ck_assert_uint_eq(sk.inode, scene_inode(pair.server));
	ck_assert_uint_eq(sk.known & (TCPDIAG_KNOWS_INFO | TCPDIAG_KNOWS_BYTES), 0);
	sk = scene_find(diag, pair.server_port, pair.client_port);
	ck_assert(!sk.mptcp && sk.mptcp_subflow);
	ck_assert_uint_ne(sk.known & TCPDIAG_KNOWS_ULP, 0);
	ck_assert_uint_eq(sk.rqueue, 0);
	ck_assert_int_eq(scene_count(diag, TCPDIAG_STATE_BIT(TCPDIAG_LISTEN), IPPROTO_MPTCP,
				     pair.server_port, 0, &sk),
			 1);
	ck_assert(sk.mptcp);
	sock_diag_free(diag);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("sock_diag");
	TCase *c = tcase_create("kernel");

	tcase_add_test(c, listener_and_its_queue);
	tcase_add_test(c, established_with_unread_bytes);
	tcase_add_test(c, close_wait_until_eof_is_read);
	tcase_add_test(c, fin_wait2_held_then_minisocket_then_time_wait);
	tcase_add_test(c, orphan_in_fin_wait1);
	tcase_add_test(c, syn_sent_and_a_request);
	tcase_add_test(c, bound_without_connection);
	tcase_add_test(c, ipv6_and_v4_mapped);
	tcase_add_test(c, mptcp_socket_and_subflow);
	suite_add_tcase(s, c);
	return s;
}
