/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who else holds a socket's file: copies, children, messages, calls that sleep, a close() under way. And the
 * sockets that no dump shows.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>

#include "../harness.h"
#include "bpf_scene.h"

static struct bpf_reader *reader;
static struct sock_diag *diag;
static struct scene_pair pair;

static void begin(void)
{
	scene_begin();
	reader = bpf_scene_open();
	diag = scene_open();
	pair = scene_pair();
}

static void end(void)
{
	sock_diag_free(diag);
	bpf_reader_free(reader);
}

static struct socket_settings ask_client(void)
{
	const struct tcpdiag_socket sk = scene_find(diag, pair.client_port, pair.server_port);

	return bpf_scene_ask(reader, &sk);
}

/* By both ways. */
static void expect_references(uint32_t count)
{
	const struct socket_settings asked = ask_client();

	ck_assert_uint_eq(asked.cookie, scene_cookie(pair.client));
	ck_assert_uint_ne(asked.flags & SETTINGS_KNOWS_REFERENCES, 0);
	ck_assert_uint_eq(asked.references, count);
	ck_assert_uint_eq(bpf_scene_row(reader, pair.client).settings.references, count);
}

START_TEST(copies)
{
	int copy;

	begin();
	expect_references(1);
	copy = dup(pair.client);
	expect_references(2);
	close(copy);
	expect_references(1);
	end();
}
END_TEST

START_TEST(forked_child)
{
	int ends[2];
	pid_t pid;

	begin();
	ck_assert_int_eq(pipe(ends), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		char byte;

		close(ends[1]);
		_exit(read(ends[0], &byte, 1) < 0);
	}
	expect_references(2);
	ck_assert_uint_eq(bpf_scene_find(reader, pid, pair.client, NULL).settings.cookie,
			  scene_cookie(pair.client));
	close(ends[1]);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	expect_references(1);
	end();
}
END_TEST

static void send_descriptor(int over, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct iovec byte = { .iov_base = (char[1]){}, .iov_len = 1 };
	const struct msghdr message = { .msg_iov = &byte,
					.msg_iovlen = 1,
					.msg_control = &control,
					.msg_controllen = sizeof(control) };

	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	ck_assert_int_eq(sendmsg(over, &message, 0), 1);
}

/* In a message that nobody has received: a reference without a descriptor. */
START_TEST(message_in_flight)
{
	struct socket_settings settings;
	int ends[2];

	begin();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	send_descriptor(ends[0], pair.client);
	expect_references(2);
	close(pair.client);
	/* Now no pass finds it. */
	settings = ask_client();
	ck_assert_uint_ne(settings.cookie, 0);
	ck_assert_uint_eq(settings.references, 1);
	ck_assert_uint_eq(bpf_scene_find(reader, getpid(), pair.client, NULL).settings.cookie, 0);
	close(ends[0]);
	close(ends[1]);
	end();
}
END_TEST

static void *in_recv(void *unused)
{
	char byte;

	(void)unused;
	return recv(pair.client, &byte, 1, 0) < 0 ? &pair : NULL;
}

static void *in_poll(void *unused)
{
	struct pollfd fd = { .fd = pair.client, .events = POLLIN };

	(void)unused;
	return poll(&fd, 1, -1) < 0 ? &pair : NULL;
}

static void *(*const sleepers[])(void *) = { in_recv, in_poll };

/* A sleeping call holds a reference: until it does, a while may pass. */
START_TEST(sleeping_call)
{
	pthread_t thread;
	void *result;

	begin();
	ck_assert_int_eq(pthread_create(&thread, NULL, sleepers[_i], NULL), 0);
	for (int i = 0; i < 500 && ask_client().references != 2; i++)
		scene_nap(10);
	expect_references(2);
	ck_assert_int_eq(send(pair.server, "x", 1, 0), 1);
	ck_assert_int_eq(pthread_join(thread, &result), 0);
	ck_assert_ptr_null(result);
	expect_references(1);
	end();
}
END_TEST

static void fill_the_way(void)
{
	static const char data[65536];
	size_t total = 0;

	ck_assert_int_eq(fcntl(pair.client, F_SETFL, O_NONBLOCK), 0);
	while (send(pair.client, data, sizeof(data), MSG_NOSIGNAL) > 0)
		total++;
	ck_assert_uint_gt(total, 0);
}

/* close() that lingers: the descriptor is gone and the file is dead, yet socket and file are still there. */
START_TEST(close_under_way)
{
	const struct linger linger = { 1, 60 };
	struct socket_settings settings = {};
	struct tcpdiag_socket sk;
	pid_t pid;

	begin();
	ck_assert_int_eq(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)),
			 0);
	fill_the_way();
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		scene_nap(100);
		close(pair.client);
		_exit(0);
	}
	close(pair.client);
	for (int i = 0; i < 500; i++) {
		settings = ask_client();
		if (!settings.references)
			break;
		scene_nap(10);
	}
	ck_assert_uint_ne(settings.cookie, 0);
	ck_assert_uint_ne(settings.flags & SETTINGS_KNOWS_REFERENCES, 0);
	ck_assert_uint_eq(settings.references, 0);
	ck_assert_uint_eq(settings.linger_ms, 60000);
	sk = scene_find(diag, pair.client_port, pair.server_port);
	ck_assert_uint_eq(sk.state, TCPDIAG_FIN_WAIT1);
	ck_assert_uint_ne(sk.inode, 0);
	settings_apply(&settings, &sk);
	sk.attachment = TCPDIAG_UNHELD;
	ck_assert_int_eq(tcpdiag_unheld_reason(&sk), TCPDIAG_UNHELD_CLOSING);
	ck_assert_uint_eq(bpf_scene_find(reader, pid, pair.client, NULL).settings.cookie, 0);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	/* An orphan has no file. */
	settings = ask_client();
	ck_assert_uint_eq(settings.flags & SETTINGS_KNOWS_REFERENCES, 0);
	end();
}
END_TEST

static struct tcpdiag_socket closed_of(int fd)
{
	struct tcpdiag_socket sk = {};
	const struct descriptor row = bpf_scene_find(reader, getpid(), fd, &sk);

	ck_assert_uint_eq(row.state, TCPDIAG_CLOSE);
	ck_assert_uint_eq(sk.cookie, scene_cookie(fd));
	ck_assert_uint_eq(sk.inode, scene_inode(fd));
	ck_assert_uint_eq(sk.attachment, TCPDIAG_HELD);
	ck_assert_uint_eq(sk.uid, getuid());
	return sk;
}

/* A connection that a RST has ended, with data that nobody has read. */
START_TEST(dead_with_unread_data)
{
	const struct linger reset = { 1, 0 };
	struct tcpdiag_socket sk;

	begin();
	ck_assert_int_eq(send(pair.server, "0123456789", 10, 0), 10);
	scene_nap(20);
	ck_assert_int_eq(setsockopt(pair.server, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	close(pair.server);
	scene_nap(20);
	sk = closed_of(pair.client);
	ck_assert_uint_eq(sk.rqueue, 10);
	ck_assert_uint_eq(sk.sk_err, ECONNRESET);
	ck_assert_uint_eq(sk.local_port, pair.client_port);
	ck_assert_uint_eq(sk.remote_port, pair.server_port);
	ck_assert_uint_eq(sk.local[10], 0xff);
	ck_assert_uint_eq(sk.remote[15], 1);
	ck_assert_uint_eq(sk.family, AF_INET);
	ck_assert_uint_eq(sk.sk_shutdown, TCPDIAG_RCV_SHUTDOWN | TCPDIAG_SEND_SHUTDOWN);
	ck_assert_uint_eq(sk.references, 1);
	end();
}
END_TEST

static const struct {
	int family;
	const char *bind_to;
	bool mapped;
} idle[] = {
	{ AF_INET, NULL, false },
	{ AF_INET6, NULL, false },
	{ AF_INET, "127.0.0.1", false },
	{ AF_INET6, "::1", false },
	{ AF_INET6, "::ffff:127.0.0.1", true },
};

/* A FIN stands in the queue as one byte until it is read, and is none. */
static const struct {
	const char *sent;
	bool read_all;
	uint32_t unread;
} finished[] = {
	{ "", false, 0 },
	{ "", true, 0 },
	{ "0123456789", false, 10 },
	{ "0123456789", true, 0 },
};

START_TEST(dead_with_a_fin)
{
	const struct linger reset = { 1, 0 };
	struct tcpdiag_socket sk;
	char buffer[16];

	begin();
	send(pair.server, finished[_i].sent, strlen(finished[_i].sent), 0);
	shutdown(pair.server, SHUT_WR);
	scene_nap(20);
	while (finished[_i].read_all && recv(pair.client, buffer, sizeof(buffer), 0) > 0)
		;
	ck_assert_int_eq(setsockopt(pair.server, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	close(pair.server);
	scene_nap(20);
	sk = closed_of(pair.client);
	ck_assert_uint_eq(sk.rqueue, finished[_i].unread);
	ck_assert_uint_eq(sk.sk_err, EPIPE);
	end();
}
END_TEST

START_TEST(never_connected)
{
	struct sockaddr_in6 address;
	struct tcpdiag_socket sk;
	socklen_t size;
	int fd;

	begin();
	fd = socket(idle[_i].family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (idle[_i].bind_to) {
		address = scene_address(idle[_i].family, idle[_i].bind_to, 0, &size);
		ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
	}
	sk = closed_of(fd);
	ck_assert_uint_eq(sk.family, idle[_i].mapped ? AF_INET : idle[_i].family);
	ck_assert_int_eq(sk.mapped, idle[_i].mapped);
	ck_assert_uint_eq(sk.local_port, idle[_i].bind_to ? scene_port(fd) : 0);
	ck_assert_uint_eq(sk.remote_port, 0);
	ck_assert_uint_eq(sk.rqueue, 0);
	ck_assert_uint_eq(sk.wqueue, 0);
	end();
}
END_TEST

/* The old connection's numbers are still in the socket. */
START_TEST(disconnected)
{
	const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
	struct tcpdiag_socket sk;

	begin();
	ck_assert_int_eq(send(pair.client, "x", 1, 0), 1);
	ck_assert_int_eq(connect(pair.client, &nowhere, sizeof(nowhere)), 0);
	sk = closed_of(pair.client);
	ck_assert_uint_eq(sk.remote_port, 0);
	ck_assert_uint_eq(sk.rqueue, 0);
	ck_assert_uint_eq(sk.wqueue, 0);
	end();
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("bpf_references");
	TCase *c = tcase_create("references");

	tcase_set_timeout(c, 20);
	tcase_add_test(c, copies);
	tcase_add_test(c, forked_child);
	tcase_add_test(c, message_in_flight);
	tcase_add_loop_test(c, sleeping_call, 0, ARRAY_SIZE(sleepers));
	tcase_add_test(c, close_under_way);
	suite_add_tcase(s, c);
	c = tcase_create("closed");
	tcase_set_timeout(c, 20);
	tcase_add_test(c, dead_with_unread_data);
	tcase_add_loop_test(c, dead_with_a_fin, 0, ARRAY_SIZE(finished));
	tcase_add_loop_test(c, never_connected, 0, ARRAY_SIZE(idle));
	tcase_add_test(c, disconnected);
	suite_add_tcase(s, c);
	return s;
}
