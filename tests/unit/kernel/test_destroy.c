/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The destroy multicast: ends of real sockets, what is lost, and what is no such message.
 */
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <stdlib.h>

#include "../harness.h"
#include "kernel/destroy.h"
#include "scene.h"

#define EVENTS_MAX 64

static struct destroy_watch *watch;
static struct socket_event seen[EVENTS_MAX];
static int seen_count;

static int keep(const struct socket_event *event, void *context)
{
	(void)context;
	if (seen_count < EVENTS_MAX)
		seen[seen_count++] = *event;
	return 0;
}

static void setup(void)
{
	scene_begin();
	ck_assert_int_eq(destroy_open(SCENE_NETNS, 1U << 20, &watch), 0);
}

static void teardown(void)
{
	watch = destroy_free(watch);
}

/* Until the socket with that cookie has come; the kernel sends from a worker of its own. */
static const struct socket_event *wait_for(uint64_t cookie)
{
	for (int i = 0; i < 1000; i++) {
		int r = destroy_drain(watch, 1000, 77, keep, NULL);

		ck_assert_int_ge(r, 0);
		for (int j = 0; j < seen_count; j++)
			if (seen[j].sk.cookie == cookie)
				return &seen[j];
		scene_nap(10);
	}
	ck_abort_msg("no message");
	return NULL;
}

START_TEST(ends)
{
	static const struct {
		int family;
		const char *address;
	} cases[] = { { AF_INET, "127.0.0.1" }, { AF_INET6, "::1" } };
	struct scene_pair p = scene_connected(cases[_i].family, cases[_i].address, cases[_i].family,
					      cases[_i].address, 0);
	uint64_t client = scene_cookie(p.client), server = scene_cookie(p.server);
	const struct socket_event *event;
	char buffer[8];

	ck_assert_int_eq(write(p.client, "hello", 5), 5);
	ck_assert_int_eq(read(p.server, buffer, sizeof(buffer)), 5);
	scene_nap(60);
	close(p.server);
	close(p.client);
	event = wait_for(server);
	ck_assert_int_eq(event->kind, SOCKET_EVENT_DESTROYED);
	ck_assert_int_eq(event->when_ns, 77);
	ck_assert(event->has_socket && !event->pid && !event->released && !event->exiting);
	ck_assert_int_eq(event->sk.state, TCPDIAG_CLOSE);
	ck_assert_int_eq(event->sk.kind, TCPDIAG_KIND_FULL);
	ck_assert_uint_eq(event->sk.netns, SCENE_NETNS);
	ck_assert_uint_eq(event->sk.local_port, p.server_port);
	ck_assert_uint_eq(event->sk.remote_port, p.client_port);
	ck_assert_int_eq(event->sk.family, cases[_i].family);
	ck_assert(event->sk.known & TCPDIAG_KNOWS_BYTES);
	ck_assert_uint_ge(event->sk.bytes_received, 5);
	ck_assert_uint_le(event->sk.bytes_received, 6);
	ck_assert_int_ge(event->idle_ms, 40);
	ck_assert_int_lt(event->idle_ms, 10000);
	/* What it cannot tell it does not say. */
	ck_assert(!(event->sk.known & (TCPDIAG_KNOWS_NOTSENT | TCPDIAG_KNOWS_LINGER |
				       TCPDIAG_KNOWS_SHUTDOWN | TCPDIAG_KNOWS_UID)));
	ck_assert_uint_eq(tcpdiag_unread_bytes(&event->sk), 0);
	event = wait_for(client);
	ck_assert_uint_eq(event->sk.local_port, p.client_port);
	ck_assert_uint_eq(event->sk.bytes_sent, 5);
	ck_assert_uint_eq(destroy_dropped(watch), 0);
}
END_TEST

/* tcp_disconnect() has taken the other end away. */
START_TEST(linger_zero)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = 0 };
	struct scene_pair p = scene_pair();
	uint64_t cookie = scene_cookie(p.client);
	const struct socket_event *event;

	ck_assert_int_eq(setsockopt(p.client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	close(p.client);
	event = wait_for(cookie);
	ck_assert_uint_eq(event->sk.remote_port, 0);
	ck_assert_uint_eq(event->sk.local_port, p.client_port);
}
END_TEST

START_TEST(full)
{
	struct destroy_watch *small = NULL;
	int taken;

	ck_assert_int_eq(destroy_open(SCENE_NETNS, 1, &small), 0);
	for (int i = 0; i < 100; i++) {
		struct scene_pair p = scene_pair();

		close(p.client);
		close(p.server);
		close(p.listener);
	}
	for (int i = 0; i < 1000 && !destroy_dropped(small); i++) {
		scene_nap(10);
		taken = destroy_drain(small, 1000, 1, keep, NULL);
		ck_assert_int_ge(taken, 0);
	}
	ck_assert_uint_gt(destroy_dropped(small), 100);
	destroy_free(small);
}
END_TEST

static int refuse(const struct socket_event *event, void *context)
{
	(void)event;
	(void)context;
	return -EINTR;
}

START_TEST(bounded)
{
	int total = 0, r;

	for (int i = 0; i < 10; i++) {
		struct scene_pair p = scene_pair();

		close(p.client);
		close(p.server);
		close(p.listener);
	}
	scene_nap(200);
	r = destroy_drain(watch, 3, 1, keep, NULL);
	ck_assert_int_eq(r, 3);
	ck_assert_int_eq(destroy_drain(watch, 3, 1, refuse, NULL), -EINTR);
	for (int i = 0; i < 1000 && total < 20; i++) {
		r = destroy_drain(watch, 7, 1, keep, NULL);
		ck_assert(r >= 0 && r <= 7);
		total += r;
		scene_nap(10);
	}
	ck_assert_int_ge(total, 20);
}
END_TEST

START_TEST(wrong_messages)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_msg msg;
	} message = {
		.header = { .nlmsg_len = sizeof(message), .nlmsg_type = SOCK_DIAG_BY_FAMILY },
		.msg = { .idiag_family = AF_INET, .idiag_state = TCPDIAG_CLOSE, .idiag_rqueue = 9 },
	};
	struct socket_event event;

	ck_assert_int_eq(destroy_event(&message.header, sizeof(message), 5, 9, &event), 0);
	ck_assert_int_eq(event.idle_ms, -1);
	ck_assert_uint_eq(event.sk.known, 0);
	ck_assert_uint_eq(event.sk.rqueue, 0);
	ck_assert_int_eq(destroy_event(&message.header, 3, 5, 9, &event), -EBADMSG);
	ck_assert_int_eq(destroy_event(&message.header, sizeof(message) - 1, 5, 9, &event),
			 -EBADMSG);
	message.header.nlmsg_type = NLMSG_DONE;
	ck_assert_int_eq(destroy_event(&message.header, sizeof(message), 5, 9, &event), -EPROTO);
	message.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	message.msg.idiag_family = AF_UNIX;
	ck_assert_int_eq(destroy_event(&message.header, sizeof(message), 5, 9, &event), -EPROTO);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("destroy");
	TCase *live = tcase_create("live"), *pure = tcase_create("pure");

	tcase_add_checked_fixture(live, setup, teardown);
	tcase_set_timeout(live, 30);
	tcase_add_loop_test(live, ends, 0, 2);
	tcase_add_test(live, linger_zero);
	tcase_add_test(live, full);
	tcase_add_test(live, bounded);
	suite_add_tcase(s, live);
	tcase_add_test(pure, wrong_messages);
	suite_add_tcase(s, pure);
	return s;
}
