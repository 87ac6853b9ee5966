/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ring of the events: full, thinned, broken off, and filled as fast as it is read.
 */
#include "events_scene.h"

/* A full ring loses events, and says how many. */
START_TEST(full_ring)
{
	struct event_reader *small = NULL;
	uint64_t lost;
	int taken;

	ck_assert_int_eq(events_open(1, HZ, &small), 0);
	for (int i = 0; i < 300; i++) {
		struct scene_pair p = scene_pair();

		close(p.client);
		close(p.server);
		close(p.listener);
	}
	lost = events_dropped(small);
	ck_assert_uint_gt(lost, 0);
	seen_count = 0;
	taken = events_drain(small, keep, NULL);
	ck_assert_int_gt(taken, 200);
	ck_assert_int_gt(seen_count, 1);
	/* What stands in the ring came before the loss. */
	ck_assert_uint_eq(seen[0].dropped, 0);
	/* Room again: the next one tells how many are missing before it. */
	seen_count = 0;
	scene_pair();
	close(scene_pair().client);
	scene_nap(20);
	ck_assert_int_ge(events_drain(small, keep, NULL), 0);
	ck_assert_int_gt(seen_count, 0);
	ck_assert_uint_ge(seen[0].dropped, lost);
	ck_assert_uint_le(seen[seen_count - 1].dropped, events_dropped(small));
	events_free(small);
	ck_assert_int_ge(events_drain(reader, keep, NULL), 0);
}
END_TEST

/* Thinned, detached and back. */
START_TEST(thinned)
{
	struct scene_pair p = scene_pair();
	uint64_t before, after;

	ck_assert_int_eq(events_cost(reader, &before), 0);
	ck_assert_int_eq(events_measure(reader, true), 0);
	ck_assert_int_eq(events_measure(reader, true), 0);
	ck_assert_int_eq(events_thin(reader, EVENTS_ENDS), 0);
	close(p.client);
	scene_nap(20);
	close(p.server);
	drain();
	ck_assert_ptr_null(find(SOCKET_EVENT_STATE, p.server_port, TCPDIAG_ESTABLISHED, -1));
	ck_assert_ptr_nonnull(
		find(SOCKET_EVENT_STATE, p.server_port, TCPDIAG_LAST_ACK, TCPDIAG_CLOSE));
	ck_assert_ptr_nonnull(find(SOCKET_EVENT_DESTROYED, p.server_port, -1, -1));
	ck_assert_int_eq(events_cost(reader, &after), 0);
	ck_assert_uint_gt(after, before);
	ck_assert_int_eq(events_measure(reader, false), 0);
	ck_assert_int_eq(events_measure(reader, false), 0);
	seen_count = 0;
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(events_thin(reader, EVENTS_NONE), 0);
		p = scene_pair();
		close(p.client);
		close(p.server);
		drain();
		ck_assert_int_eq(seen_count, 0);
		ck_assert_int_eq(events_thin(reader, i == 1 ? EVENTS_ENDS : EVENTS_ALL), 0);
		p = scene_pair();
		close(p.client);
		close(p.server);
		drain();
		ck_assert_int_gt(seen_count, 0);
		if (i != 1)
			state_change(p.client_port, TCPDIAG_ESTABLISHED, TCPDIAG_FIN_WAIT1);
		seen_count = 0;
	}
}
END_TEST

static int stop_early(const struct socket_event *event, void *context)
{
	int *left = context;

	(void)event;
	return (*left)-- ? 0 : -EINTR;
}

START_TEST(broken_off)
{
	int left = 1, taken = 0;

	for (int i = 0; i < 3; i++) {
		struct scene_pair p = scene_pair();

		close(p.client);
	}
	scene_nap(20);
	ck_assert_int_eq(events_drain(reader, stop_early, &left), -EINTR);
	taken = events_drain(reader, keep, NULL);
	ck_assert_int_gt(taken, 3);
}
END_TEST

/* A refused connection for each four rows that are taken, which are four more. */
static int make_more(const struct socket_event *event, void *context)
{
	socklen_t size;
	struct sockaddr_in6 to = scene_address(AF_INET, "127.0.0.1", 9, &size);
	uint32_t *taken = context;
	int fd;

	if (event->sk.netns != own_netns || (*taken)++ % 4)
		return 0;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_lt(connect(fd, (struct sockaddr *)&to, size), 0);
	close(fd);
	return 0;
}

/* Who makes events as fast as they are read does not keep the reader: the next drain goes on where this one ends. */
START_TEST(storm)
{
	uint32_t taken = 0;

	close(scene_pair().client);
	ck_assert_int_eq(events_drain(reader, make_more, &taken), EVENTS_DRAIN_MAX);
	ck_assert_uint_gt(taken, EVENTS_DRAIN_MAX / 2);
	/* What was made last is still there. */
	ck_assert_int_gt(events_drain(reader, keep, NULL), 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("events_ring");
	TCase *live = tcase_create("live");

	tcase_add_checked_fixture(live, setup, teardown);
	tcase_set_timeout(live, 30);
	tcase_add_test(live, full_ring);
	tcase_add_test(live, thinned);
	tcase_add_test(live, broken_off);
	tcase_add_test(live, storm);
	suite_add_tcase(s, live);
	return s;
}
