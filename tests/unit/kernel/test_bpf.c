/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the BPF reader says of a socket, against what was set on it: each value by both ways.
 */
#include <limits.h>

#include "../harness.h"
#include "bpf_scene.h"

static struct bpf_reader *reader;
static struct sock_diag *diag;

static void begin(void)
{
	scene_begin();
	reader = bpf_scene_open();
	diag = scene_open();
}

static void end(void)
{
	sock_diag_free(diag);
	bpf_reader_free(reader);
}

/* The client's settings by the pass; by the look-up they must be the same. */
static struct socket_settings both_ways(const struct scene_pair *pair)
{
	const struct tcpdiag_socket sk = scene_find(diag, pair->client_port, pair->server_port);
	const struct socket_settings asked = bpf_scene_ask(reader, &sk);
	const struct descriptor row = bpf_scene_row(reader, pair->client);

	ck_assert_uint_eq(row.state, sk.state);
	ck_assert_uint_eq(asked.cookie, row.settings.cookie);
	ck_assert_uint_eq(asked.linger_ms, row.settings.linger_ms);
	ck_assert_int_eq(asked.linger2_ms, row.settings.linger2_ms);
	ck_assert_uint_eq(asked.user_timeout_ms, row.settings.user_timeout_ms);
	ck_assert_uint_eq(asked.references, row.settings.references);
	ck_assert_uint_eq(asked.flags, row.settings.flags);
	return asked;
}

static const struct {
	int on;
	int seconds;
	uint32_t ms;
} lingers[] = {
	{ 0, 0, 0 },
	{ 1, 0, 0 },
	{ 1, 7, 7000 },
	{ 0, 9, 0 }, /* the time is not taken over */
	{ 1, 86400, 86400000 },
	{ 1, -1, SETTINGS_FOREVER },
	{ 1, INT_MAX, SETTINGS_FOREVER },
};

START_TEST(linger)
{
	const struct linger value = { lingers[_i].on, lingers[_i].seconds };
	struct socket_settings settings;
	struct scene_pair pair;

	begin();
	pair = scene_pair();
	ck_assert_int_eq(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &value, sizeof(value)), 0);
	settings = both_ways(&pair);
	ck_assert_int_eq(!!(settings.flags & SETTINGS_LINGER), lingers[_i].on);
	ck_assert_uint_eq(settings.linger_ms, lingers[_i].ms);
	ck_assert_uint_eq(settings.flags & ~SETTINGS_LINGER,
			  SETTINGS_KNOWS_REFERENCES | SETTINGS_KNOWS_SUBFLOW);
	ck_assert_uint_eq(settings.references, 1);
	end();
}
END_TEST

static const struct {
	int seconds;
	int32_t ms;
} linger2s[] = {
	{ -1, -1 },
	{ 0, 0 },
	{ 20, 20000 },
	{ 90, 90000 },
};

START_TEST(linger2)
{
	struct scene_pair pair;

	begin();
	pair = scene_pair();
	ck_assert_int_eq(setsockopt(pair.client, IPPROTO_TCP, TCP_LINGER2, &linger2s[_i].seconds,
				    sizeof(linger2s[_i].seconds)),
			 0);
	ck_assert_int_eq(both_ways(&pair).linger2_ms, linger2s[_i].ms);
	end();
}
END_TEST

START_TEST(repair_and_user_timeout)
{
	const unsigned int timeout = 12345;
	struct socket_settings settings;
	struct scene_pair pair;
	int one = 1;

	begin();
	pair = scene_pair();
	ck_assert_int_eq(
		setsockopt(pair.client, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout)),
		0);
	settings = both_ways(&pair);
	ck_assert_uint_eq(settings.user_timeout_ms, timeout);
	ck_assert_uint_eq(settings.flags & SETTINGS_REPAIR, 0);
	if (setsockopt(pair.client, IPPROTO_TCP, TCP_REPAIR, &one, sizeof(one)) == 0)
		ck_assert_uint_ne(both_ways(&pair).flags & SETTINGS_REPAIR, 0);
	end();
}
END_TEST

static const struct {
	int listen_family;
	const char *listen_on;
	int family;
	const char *to;
} ends[] = {
	{ AF_INET, "127.0.0.1", AF_INET, "127.0.0.1" },
	{ AF_INET6, "::1", AF_INET6, "::1" },
	{ AF_INET6, "::", AF_INET6, "::ffff:127.0.0.1" },
	{ AF_INET6, "::", AF_INET, "127.0.0.1" },
};

static struct tcpdiag_socket listener_at(uint16_t port)
{
	struct tcpdiag_socket sk = {};

	ck_assert_int_eq(
		scene_count(diag, TCPDIAG_STATE_BIT(TCPDIAG_LISTEN), IPPROTO_TCP, port, 0, &sk), 1);
	return sk;
}

/* Both ends and the listener, each told apart by its time. */
START_TEST(families)
{
	struct tcpdiag_socket sockets[3];
	const struct tcpdiag_socket *asked[3] = { &sockets[0], &sockets[1], &sockets[2] };
	struct socket_settings settings[3];
	struct scene_pair pair;

	begin();
	pair = scene_connected(ends[_i].listen_family, ends[_i].listen_on, ends[_i].family,
			       ends[_i].to, 0);
	for (int i = 0; i < 3; i++) {
		const int fds[] = { pair.client, pair.server, pair.listener };
		const struct linger value = { 1, 10 + i };

		ck_assert_int_eq(setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &value, sizeof(value)),
				 0);
	}
	sockets[0] = scene_find(diag, pair.client_port, pair.server_port);
	sockets[1] = scene_find(diag, pair.server_port, pair.client_port);
	sockets[2] = listener_at(pair.server_port);
	ck_assert_int_eq(settings_look_up(reader, asked, 3, settings), 3);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(settings[i].cookie, sockets[i].cookie);
		ck_assert_uint_eq(settings[i].linger_ms, 10000 + 1000 * i);
	}
	ck_assert_uint_ne(settings[2].flags & SETTINGS_KNOWS_SIBLINGS, 0);
	ck_assert_uint_eq(settings[2].siblings, 0);
	end();
}
END_TEST

/* A child that waits in a queue has its listener's settings, and no file. */
START_TEST(unaccepted_child)
{
	const struct linger value = { 1, 33 };
	struct socket_settings settings;
	struct tcpdiag_socket sk;
	uint16_t port;
	int listener;

	begin();
	listener = scene_listen(AF_INET, "127.0.0.1", 0, 5);
	port = scene_port(listener);
	ck_assert_int_eq(setsockopt(listener, SOL_SOCKET, SO_LINGER, &value, sizeof(value)), 0);
	sk = scene_find(diag, port, scene_port(scene_connect(AF_INET, "127.0.0.1", port, 0, 0)));
	ck_assert_uint_eq(sk.inode, 0);
	settings = bpf_scene_ask(reader, &sk);
	ck_assert_uint_eq(settings.cookie, sk.cookie);
	ck_assert_uint_eq(settings.linger_ms, 33000);
	ck_assert_uint_eq(settings.flags & SETTINGS_KNOWS_REFERENCES, 0);
	end();
}
END_TEST

START_TEST(another_cookie_is_not_found)
{
	struct scene_pair pair;
	struct tcpdiag_socket sk;

	begin();
	pair = scene_pair();
	sk = scene_find(diag, pair.client_port, pair.server_port);
	sk.cookie++;
	ck_assert_uint_eq(bpf_scene_ask(reader, &sk).cookie, 0);
	end();
}
END_TEST

static int share_port(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	return fd;
}

START_TEST(siblings)
{
	struct sock_filter filter[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	const struct sock_fprog program = { ARRAY_SIZE(filter), filter };
	struct descriptor row;
	int first, second;

	begin();
	first = share_port(0);
	row = bpf_scene_row(reader, first);
	ck_assert_uint_ne(row.settings.flags & SETTINGS_KNOWS_SIBLINGS, 0);
	ck_assert_uint_eq(row.settings.siblings, 0);
	second = share_port(scene_port(first));
	share_port(scene_port(first));
	ck_assert_uint_eq(bpf_scene_row(reader, first).settings.siblings, 2);
	close(second);
	ck_assert_uint_eq(bpf_scene_row(reader, first).settings.siblings, 1);
	/* A program may choose anybody. */
	ck_assert_int_eq(
		setsockopt(first, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)),
		0);
	row = bpf_scene_row(reader, first);
	ck_assert_uint_eq(row.settings.flags & SETTINGS_KNOWS_SIBLINGS, 0);
	ck_assert_uint_eq(row.settings.siblings, 0);
	end();
}
END_TEST

START_TEST(bound_to_a_device)
{
	struct tcpdiag_socket sockets[2];
	const struct tcpdiag_socket *asked[] = { &sockets[0], &sockets[1] };
	struct socket_settings settings[2];
	struct scene_pair bound, other;

	begin();
	other = scene_pair();
	bound = scene_pair();
	ck_assert_int_eq(setsockopt(bound.client, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
	sockets[0] = scene_find(diag, bound.client_port, bound.server_port);
	sockets[1] = scene_find(diag, other.client_port, other.server_port);
	ck_assert_uint_ne(sockets[0].ifindex, 0);
	ck_assert_int_eq(settings_look_up(reader, asked, 2, settings), 2);
	ck_assert_uint_eq(settings[0].cookie, sockets[0].cookie);
	ck_assert_uint_eq(settings[1].cookie, sockets[1].cookie);
	/* Nothing can be found through a device that is not there. */
	sockets[0].ifindex = 12345;
	ck_assert_int_eq(settings_look_up(reader, asked, 2, settings), 1);
	ck_assert_uint_eq(settings[0].cookie, 0);
	end();
}
END_TEST

START_TEST(more_than_one_run)
{
	static const struct tcpdiag_socket *asked[LOOK_UP_MAX + 1];
	static struct socket_settings settings[LOOK_UP_MAX];
	struct scene_pair pair;
	struct tcpdiag_socket sk;

	begin();
	pair = scene_pair();
	sk = scene_find(diag, pair.client_port, pair.server_port);
	for (uint32_t i = 0; i <= LOOK_UP_MAX; i++)
		asked[i] = &sk;
	for (int round = 0; round < 3; round++)
		ck_assert_int_eq(settings_look_up(reader, asked, LOOK_UP_MAX, settings),
				 LOOK_UP_MAX);
	ck_assert_uint_eq(settings[LOOK_UP_MAX - 1].cookie, sk.cookie);
	ck_assert_int_eq(settings_look_up(reader, asked, LOOK_UP_MAX + 1, settings), -EINVAL);
	ck_assert_int_eq(settings_look_up(reader, asked, 0, settings), 0);
	end();
}
END_TEST

/* The pass sees all namespaces, the look-up the caller's only. */
START_TEST(another_namespace)
{
	struct scene_pair pair;
	struct tcpdiag_socket sk;
	struct descriptor row;
	struct stat ours, theirs;

	begin();
	pair = scene_pair();
	sk = scene_find(diag, pair.client_port, pair.server_port);
	ck_assert_int_eq(stat("/proc/self/ns/net", &theirs), 0);
	ck_assert_uint_eq(bpf_scene_ask(reader, &sk).cookie, sk.cookie);
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ck_assert_int_eq(stat("/proc/self/ns/net", &ours), 0);
	ck_assert_uint_eq(bpf_scene_ask(reader, &sk).cookie, 0);
	row = bpf_scene_row(reader, pair.client);
	ck_assert_uint_eq(row.netns, theirs.st_ino);
	ck_assert_uint_ne(row.netns, ours.st_ino);
	end();
}
END_TEST

START_TEST(mptcp)
{
	struct scene_pair pair;
	struct tcpdiag_socket sk, subflow;
	struct descriptor row;
	const struct linger value = { 1, 4 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);

	if (fd < 0)
		scene_skip("this kernel has no MPTCP");
	close(fd);
	begin();
	pair = scene_connected(AF_INET, "127.0.0.1", AF_INET, "127.0.0.1", IPPROTO_MPTCP);
	ck_assert_int_eq(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &value, sizeof(value)), 0);
	row = bpf_scene_row(reader, pair.client);
	ck_assert_uint_ne(row.settings.flags & SETTINGS_MPTCP, 0);
	ck_assert_uint_eq(row.settings.linger_ms, 4000);
	ck_assert_uint_eq(row.settings.references, 1);
	ck_assert_int_eq(scene_count(diag, SCENE_NOT_LISTENING, IPPROTO_MPTCP, pair.client_port,
				     pair.server_port, &sk),
			 1);
	ck_assert_uint_eq(bpf_scene_ask(reader, &sk).cookie, 0);
	subflow = scene_find(diag, pair.client_port, pair.server_port);
	ck_assert_uint_eq(bpf_scene_ask(reader, &subflow).cookie, subflow.cookie);
	ck_assert_uint_ne(bpf_scene_ask(reader, &subflow).flags & SETTINGS_SUBFLOW, 0);
	end();
}
END_TEST

/* One way is missing: the other works by itself, knows how long a jiffy is, and the reader says what it lacks. */
static const struct {
	uint32_t refused;
	bool descriptors, look_up;
	const char *lacks;
} missing[] = {
	{ BPF_LINK_CREATE, false, true, "descriptors are not listed by the kernel: " },
	{ BPF_PROG_TEST_RUN, true, false, "sockets without a descriptor are not read: " },
	{ BPF_PROG_LOAD, false, false, "bpf() is refused in spite of the capabilities" },
};

START_TEST(one_way_is_missing)
{
	const struct linger value = { 1, 7 };
	struct socket_settings settings;
	struct descriptor row;
	struct scene_pair pair;
	struct tcpdiag_socket sk;
	int r;

	begin();
	bpf_reader_free(reader);
	pair = scene_pair();
	ck_assert_int_eq(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &value, sizeof(value)), 0);
	sk = scene_find(diag, pair.client_port, pair.server_port);
	bpf_scene_refuse(missing[_i].refused);
	reader = NULL;
	r = bpf_reader_new(&reader);
	ck_assert_int_eq(r, missing[_i].descriptors || missing[_i].look_up ? 0 : -EPERM);
	ck_assert_ptr_nonnull(strstr(bpf_reader_lacks(reader, r), missing[_i].lacks));
	ck_assert_int_eq(bpf_reader_has_descriptors(reader), missing[_i].descriptors);
	ck_assert_int_eq(bpf_reader_has_look_up(reader), missing[_i].look_up);
	if (missing[_i].look_up)
		settings = bpf_scene_ask(reader, &sk);
	else if (missing[_i].descriptors)
		settings = bpf_scene_row(reader, pair.client).settings;
	if (reader)
		ck_assert_uint_eq(settings.linger_ms, 7000);
	if (reader && !missing[_i].look_up)
		ck_assert_int_eq(settings_look_up(reader, NULL, 0, &settings), -EOPNOTSUPP);
	if (reader && !missing[_i].descriptors) {
		ck_assert_int_eq(descriptors_begin(reader), -EOPNOTSUPP);
		ck_assert_int_eq(descriptors_next(reader, &row, NULL), -EOPNOTSUPP);
	}
	end();
}
END_TEST

/* Loading must leave nothing open that a program run later would inherit. */
START_TEST(nothing_is_inherited)
{
	bool there[64];
	int opened = 0;

	for (int fd = 0; fd < 64; fd++)
		there[fd] = fcntl(fd, F_GETFD) >= 0;
	reader = bpf_scene_open();
	ck_assert_int_eq(descriptors_begin(reader), 0);
	for (int fd = 0; fd < 64; fd++) {
		const int flags = fcntl(fd, F_GETFD);

		if (there[fd] || flags < 0)
			continue;
		ck_assert_int_eq(flags & FD_CLOEXEC, FD_CLOEXEC);
		opened++;
	}
	ck_assert_int_ge(opened, 3);
	bpf_reader_free(reader);
	for (int fd = 0; fd < 64; fd++)
		ck_assert_int_eq(fcntl(fd, F_GETFD) >= 0, there[fd]);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("bpf");
	TCase *c = tcase_create("settings");

	tcase_set_timeout(c, 20);
	tcase_add_loop_test(c, linger, 0, ARRAY_SIZE(lingers));
	tcase_add_loop_test(c, linger2, 0, ARRAY_SIZE(linger2s));
	tcase_add_test(c, repair_and_user_timeout);
	tcase_add_loop_test(c, families, 0, ARRAY_SIZE(ends));
	tcase_add_test(c, unaccepted_child);
	tcase_add_test(c, another_cookie_is_not_found);
	tcase_add_test(c, siblings);
	tcase_add_test(c, bound_to_a_device);
	tcase_add_test(c, more_than_one_run);
	tcase_add_test(c, another_namespace);
	tcase_add_test(c, mptcp);
	tcase_add_loop_test(c, one_way_is_missing, 0, ARRAY_SIZE(missing));
	tcase_add_test(c, nothing_is_inherited);
	suite_add_tcase(s, c);
	return s;
}
