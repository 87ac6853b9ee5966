/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events of connections that a test ends in each way: what came, in which order, and whose doing it was.
 */
#include "events_scene.h"

/* The whole life of two ends that part in peace. */
START_TEST(orderly)
{
	struct scene_pair p = scene_pair();
	uint64_t cookie = scene_cookie(p.client);
	const struct socket_event *event;

	ck_assert_int_eq(write(p.client, "hello", 5), 5);
	scene_nap(20);
	close(p.client);
	drain();
	event = state_change(p.client_port, TCPDIAG_ESTABLISHED, TCPDIAG_FIN_WAIT1);
	ck_assert(event->has_socket && event->released && !event->orphaned && !event->exiting);
	ck_assert(event->owned);
	ck_assert_int_eq(event->pid, getpid());
	ck_assert_uint_ne(event->cgroup, 0);
	if (own_cgroup())
		ck_assert_uint_eq(event->cgroup, own_cgroup());
	ck_assert_uint_eq(event->sk.cookie, cookie);
	ck_assert_uint_eq(event->sk.remote_port, p.server_port);
	ck_assert_uint_eq(event->sk.bytes_sent, 5);
	ck_assert_uint_eq(event->sk.bytes_acked, 6); /* the SYN counts */
	ck_assert(event->sk.known & TCPDIAG_KNOWS_LINGER && !event->sk.linger);
	ck_assert_int_ge(event->idle_ms, 8);
	ck_assert_int_lt(event->idle_ms, 5000);
	ck_assert_uint_eq(
		state_change(p.client_port, TCPDIAG_FIN_WAIT1, TCPDIAG_FIN_WAIT2)->orphaned, 1);
	event = state_change(p.server_port, TCPDIAG_ESTABLISHED, TCPDIAG_CLOSE_WAIT);
	ck_assert(!event->released && !event->orphaned && !event->owned);
	ck_assert_uint_eq(event->sk.bytes_received, 6); /* the FIN counts */
	close(p.server);
	drain();
	/* What nobody has read makes it a reset. */
	state_change(p.server_port, TCPDIAG_CLOSE_WAIT, TCPDIAG_CLOSE);
	ck_assert_ptr_nonnull(find(SOCKET_EVENT_RESET_SENT, p.server_port, -1, -1));
}
END_TEST

START_TEST(read_first)
{
	struct scene_pair p = scene_pair();
	char buffer[8];

	ck_assert_int_eq(write(p.client, "hello", 5), 5);
	ck_assert_int_eq(read(p.server, buffer, sizeof(buffer)), 5);
	close(p.client);
	scene_nap(20);
	ck_assert_int_eq(read(p.server, buffer, sizeof(buffer)), 0);
	close(p.server);
	drain();
	state_change(p.server_port, TCPDIAG_CLOSE_WAIT, TCPDIAG_LAST_ACK);
	state_change(p.server_port, TCPDIAG_LAST_ACK, TCPDIAG_CLOSE);
	ck_assert_ptr_nonnull(find(SOCKET_EVENT_DESTROYED, p.server_port, -1, -1));
	ck_assert_ptr_null(find(SOCKET_EVENT_RESET_SENT, p.server_port, -1, -1));
	ck_assert_ptr_null(find(SOCKET_EVENT_RESET_RECEIVED, p.client_port, -1, -1));
}
END_TEST

/* close() with unread data: what was lost, and who did it. */
START_TEST(unread)
{
	struct scene_pair p = scene_pair();
	const struct socket_event *event;

	ck_assert_int_eq(write(p.client, "hello", 5), 5);
	scene_nap(20);
	close(p.server);
	drain();
	event = find(SOCKET_EVENT_RESET_SENT, p.server_port, -1, -1);
	ck_assert_ptr_nonnull(event);
	ck_assert(!event->passive && event->released);
	ck_reason(event, "tcp-abort-on-close");
	ck_assert_uint_eq(event->sk.rqueue, 5);
	ck_assert_int_eq(event->pid, getpid());
	event = find(SOCKET_EVENT_RESET_RECEIVED, p.client_port, -1, -1);
	ck_assert_ptr_nonnull(event);
	ck_assert_int_eq(event->sk.state, TCPDIAG_ESTABLISHED);
}
END_TEST

/* The FIN behind it is no data, whatever the state is called at that instant. */
START_TEST(unread_and_fin)
{
	struct scene_pair p = scene_pair();
	const struct socket_event *event;
	struct tcpdiag_socket before;

	ck_assert_int_eq(write(p.client, "hello", 5), 5);
	ck_assert_int_eq(shutdown(p.client, SHUT_WR), 0);
	scene_nap(20);
	close(p.server);
	drain();
	event = state_change(p.client_port, TCPDIAG_ESTABLISHED, TCPDIAG_FIN_WAIT1);
	ck_assert(event->fin_follows && !event->fin_unread);
	/* The data is acknowledged at once here; what stays is the FIN. */
	ck_assert_uint_eq(event->sk.wqueue, 1);
	ck_assert_uint_eq(tcpdiag_unacked_bytes(&event->sk) + tcpdiag_unsent_bytes(&event->sk), 0);
	event = state_change(p.server_port, TCPDIAG_ESTABLISHED, TCPDIAG_CLOSE_WAIT);
	ck_assert(event->fin_unread && !event->fin_follows);
	ck_assert_uint_eq(event->sk.rqueue, 6);
	ck_assert_uint_eq(tcpdiag_unread_bytes(&event->sk), 5);
	event_before(event, &before);
	ck_assert_int_eq(before.state, TCPDIAG_ESTABLISHED);
	ck_assert_uint_eq(tcpdiag_unread_bytes(&before), 5);
	event = state_change(p.server_port, TCPDIAG_CLOSE_WAIT, TCPDIAG_CLOSE);
	ck_assert(event->fin_unread);
	ck_assert_uint_eq(tcpdiag_unread_bytes(&event->sk), 5);
	event_before(event, &before);
	ck_assert_uint_eq(tcpdiag_unread_bytes(&before), 5);
	ck_assert(tcpdiag_fin_unread(&before));
	event = find(SOCKET_EVENT_RESET_SENT, p.server_port, -1, -1);
	ck_assert_ptr_nonnull(event);
	ck_reason(event, "tcp-abort-on-close");
	ck_assert_uint_eq(tcpdiag_unread_bytes(&event->sk), 5);
}
END_TEST

/* What is unsent at the close stays what it was, with our FIN behind it. */
START_TEST(unsent)
{
	static char bytes[1 << 20];
	struct scene_pair p = scene_pair();
	const struct socket_event *event;
	struct tcpdiag_socket before;
	uint64_t sum;
	ssize_t n = send(p.client, bytes, sizeof(bytes), MSG_DONTWAIT);

	ck_assert_int_gt(n, 0);
	while (send(p.client, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	scene_nap(50);
	close(p.client);
	drain();
	event = state_change(p.client_port, TCPDIAG_ESTABLISHED, TCPDIAG_FIN_WAIT1);
	event_before(event, &before);
	ck_assert_int_eq(before.state, TCPDIAG_ESTABLISHED);
	ck_assert_uint_gt(tcpdiag_unsent_bytes(&before), 0);
	ck_assert_uint_eq(tcpdiag_unsent_bytes(&before), tcpdiag_unsent_bytes(&event->sk));
	ck_assert_uint_eq(tcpdiag_unacked_bytes(&before), tcpdiag_unacked_bytes(&event->sk));
	sum = tcpdiag_unsent_bytes(&before) + tcpdiag_unacked_bytes(&before);
	ck_assert_uint_eq(sum, before.wqueue);
}
END_TEST

START_TEST(linger_zero)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = 0 };
	struct scene_pair p = scene_pair();
	const struct socket_event *event;

	ck_assert_int_eq(setsockopt(p.client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	close(p.client);
	drain();
	event = find(SOCKET_EVENT_RESET_SENT, p.client_port, -1, -1);
	ck_assert_ptr_nonnull(event);
	ck_reason(event, "tcp-state");
	ck_assert(event->sk.linger && event->sk.sk_lingertime_ms == 0 && !event->passive);
}
END_TEST

/* The end of a process: its own doing, too. */
START_TEST(killed)
{
	struct scene_pair p = scene_pair();
	const struct socket_event *event;
	pid_t pid = fork();

	if (!pid) {
		for (;;)
			pause();
	}
	close(p.client);
	drain();
	ck_assert_ptr_null(find(SOCKET_EVENT_STATE, p.client_port, -1, -1));
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	drain();
	event = state_change(p.client_port, TCPDIAG_ESTABLISHED, TCPDIAG_FIN_WAIT1);
	ck_assert(event->exiting && event->released);
	ck_assert_int_eq(event->pid, pid);
}
END_TEST

/*
 * Both ends of a connection in one process that ends: both files are let go of before the first close() begins, and its
 * FIN ends the other one.
 */
START_TEST(killed_with_both_ends)
{
	struct scene_pair p;
	const struct socket_event *event;
	pid_t pid;

	p = scene_pair();
	pid = fork();
	if (!pid) {
		ck_assert_int_eq(shutdown(p.client, SHUT_WR), 0);
		for (;;)
			pause();
	}
	/* The child's are the only ones. */
	scene_nap(50);
	close(p.client);
	close(p.server);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	drain();
	event = state_change(p.server_port, TCPDIAG_CLOSE_WAIT, TCPDIAG_LAST_ACK);
	ck_assert(event->released && event->exiting && event->owned);
	event = find(SOCKET_EVENT_STATE, p.client_port, TCPDIAG_FIN_WAIT2, TCPDIAG_CLOSE);
	ck_assert_ptr_nonnull(event);
	/* Closed first, or ended by the other's FIN. */
	if (find(SOCKET_EVENT_STATE, p.client_port, TCPDIAG_FIN_WAIT2, TCPDIAG_FIN_WAIT2))
		ck_assert(event->orphaned || event->owned);
	else
		ck_assert(event->released && !event->owned);
}
END_TEST

/* shutdown() lets go of nothing. */
START_TEST(shut_down)
{
	struct scene_pair p = scene_pair();
	const struct socket_event *event;

	ck_assert_int_eq(shutdown(p.client, SHUT_WR), 0);
	drain();
	event = state_change(p.client_port, TCPDIAG_ESTABLISHED, TCPDIAG_FIN_WAIT1);
	ck_assert(!event->released && !event->orphaned);
	ck_assert_uint_eq(event->sk.sk_shutdown, TCPDIAG_SEND_SHUTDOWN);
	close(p.client);
	drain();
	/* Only a change to itself marks the close(). */
	event = state_change(p.client_port, TCPDIAG_FIN_WAIT2, TCPDIAG_FIN_WAIT2);
	ck_assert(event->released && !event->orphaned);
}
END_TEST

/* What waits is counted as long as it listens; then each child goes, and last the listener. */
START_TEST(listening)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };
	int listener = scene_listen(AF_INET, "127.0.0.1", IPPROTO_TCP, 7), clients[3];
	const uint16_t port = scene_port(listener);
	int resets = 0, ends = 0, waits = 0, last = -1, closed = -1;

	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		clients[i] = scene_connect(AF_INET, "127.0.0.1", port, IPPROTO_TCP, 0);
	ck_assert_int_eq(setsockopt(clients[0], SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	close(clients[0]);
	drain();
	seen_count = 0;
	close(listener);
	drain();
	for (int i = 0; i < seen_count; i++) {
		if (seen[i].sk.local_port != port)
			continue;
		if (seen[i].old_state == TCPDIAG_LISTEN) {
			closed = i;
			continue;
		}
		ck_assert_int_ge(closed, 0);
		last = i;
		resets += seen[i].kind == SOCKET_EVENT_RESET_SENT && seen[i].unaccepted;
		waits += seen[i].kind == SOCKET_EVENT_STATE && seen[i].unaccepted;
		ends += seen[i].kind == SOCKET_EVENT_DESTROYED;
	}
	ck_assert_int_ge(closed, 0);
	ck_assert_uint_eq(seen[closed].sk.rqueue, 3);
	ck_assert_uint_eq(seen[closed].sk.wqueue, 7);
	ck_assert(seen[closed].released);
	/* The one that its peer has reset is counted, and only its end passes. */
	ck_assert_int_eq(waits, 2);
	ck_assert_int_eq(resets, 2);
	ck_assert_int_eq(ends, 4);
	ck_assert_int_eq(seen[last].kind, SOCKET_EVENT_DESTROYED);
	ck_assert_uint_eq(seen[last].sk.cookie, seen[closed].sk.cookie);
	close(clients[1]);
	close(clients[2]);
}
END_TEST

/* A SYN that nobody listens for. */
START_TEST(refused)
{
	static const struct {
		int family;
		const char *address;
	} cases[] = { { AF_INET, "127.0.0.1" }, { AF_INET6, "::1" } };
	socklen_t size;
	struct sockaddr_in6 to = scene_address(cases[_i].family, cases[_i].address, 9, &size);
	int fd = socket(cases[_i].family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct socket_event *event;

	ck_assert_int_lt(connect(fd, (struct sockaddr *)&to, size), 0);
	drain();
	event = find(SOCKET_EVENT_RESET_SENT, 9, -1, -1);
	ck_assert_ptr_nonnull(event);
	ck_assert(!event->has_socket && event->passive && event->segment_flags & TH_SYN);
	ck_assert_uint_eq(event->sk.cookie, 0);
	ck_assert_uint_eq(event->payload, 0);
	ck_assert_uint_eq(event->sk.family, cases[_i].family);
	ck_assert_mem_eq(event->sk.local, event->sk.remote, 16);
	ck_reason(event, "no-socket-syn");
	close(fd);
}
END_TEST

/* What comes too late meets a minisocket. */
START_TEST(late_data)
{
	struct scene_pair p = scene_pair();
	const struct socket_event *event;

	close(p.client);
	scene_nap(200);
	ck_assert_int_eq(write(p.server, "late", 4), 4);
	drain();
	event = find(SOCKET_EVENT_RESET_SENT, p.client_port, -1, -1);
	ck_assert_ptr_nonnull(event);
	ck_assert(event->has_socket && event->passive);
	ck_assert_uint_eq(event->payload, 4);
	ck_assert_int_eq(event->sk.kind, TCPDIAG_KIND_TIMEWAIT);
	ck_reason(event, "tcp-timewait-socket");
	event = find(SOCKET_EVENT_RESET_RECEIVED, p.server_port, -1, -1);
	ck_assert_ptr_nonnull(event);
	/* What it answers does not count. */
	ck_assert_int_ge(event->idle_ms, 150);
}
END_TEST

/* An MPTCP socket and its connection are two sockets of the kernel, each with rows of its own. */
START_TEST(mptcp)
{
	const struct socket_event *event;
	int msk = 0, subflow = 0;
	struct scene_pair p;
	char buffer[8];

	if (access("/proc/sys/net/mptcp/enabled", F_OK))
		scene_skip("no MPTCP");
	p = scene_connected(AF_INET, "127.0.0.1", AF_INET, "127.0.0.1", IPPROTO_MPTCP);
	ck_assert_int_eq(write(p.client, "hello", 5), 5);
	ck_assert_int_eq(read(p.server, buffer, sizeof(buffer)), 5);
	close(p.client);
	scene_nap(50);
	close(p.server);
	drain();
	for (int i = 0; i < seen_count; i++) {
		event = &seen[i];
		if (event->kind != SOCKET_EVENT_STATE || event->sk.local_port != p.client_port)
			continue;
		ck_assert(!event->sk.mptcp || !event->sk.mptcp_subflow);
		ck_assert(event->sk.mptcp || event->sk.known & TCPDIAG_KNOWS_SUBFLOW);
		msk += event->sk.mptcp;
		subflow += event->sk.mptcp_subflow;
		if (event->sk.mptcp)
			ck_assert(!(event->sk.known & TCPDIAG_KNOWS_BYTES));
	}
	ck_assert_int_gt(msk, 0);
	ck_assert_int_gt(subflow, 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("events");
	TCase *live = tcase_create("live");

	tcase_add_checked_fixture(live, setup, teardown);
	tcase_set_timeout(live, 30);
	tcase_add_test(live, orderly);
	tcase_add_test(live, read_first);
	tcase_add_test(live, unread);
	tcase_add_test(live, unread_and_fin);
	tcase_add_test(live, unsent);
	tcase_add_test(live, linger_zero);
	tcase_add_test(live, killed);
	tcase_add_test(live, killed_with_both_ends);
	tcase_add_test(live, shut_down);
	tcase_add_test(live, listening);
	tcase_add_loop_test(live, refused, 0, 2);
	tcase_add_test(live, late_data);
	tcase_add_test(live, mptcp);
	suite_add_tcase(s, live);
	return s;
}
