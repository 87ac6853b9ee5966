/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ends of sockets in two namespaces, without BPF.
 */
#include "../harness.h"
#include "../kernel/scene.h"
#include "collector/endings.h"

static struct spaces spaces;
static uint32_t inodes[2];
static uint32_t seen[2];

static uint32_t here(void)
{
	struct stat st;

	ck_assert_int_eq(stat("/proc/self/ns/net", &st), 0);
	return (uint32_t)st.st_ino;
}

static int count(const struct socket_event *event, void *context)
{
	(void)context;
	ck_assert_int_eq(event->kind, SOCKET_EVENT_DESTROYED);
	for (int i = 0; i < 2; i++)
		seen[i] += event->sk.netns == inodes[i];
	return 0;
}

static void end_some(int pairs)
{
	for (int i = 0; i < pairs; i++) {
		struct scene_pair p = scene_pair();

		close(p.client);
		close(p.server);
		close(p.listener);
	}
}

static void drain_until(uint32_t first, uint32_t second)
{
	for (int i = 0; i < 1000 && (seen[0] < first || seen[1] < second); i++) {
		ck_assert_int_ge(endings_drain(&spaces, 7, count, NULL), 0);
		scene_nap(10);
	}
	ck_assert_uint_ge(seen[0], first);
	ck_assert_uint_ge(seen[1], second);
}

/* Two namespaces; the thread ends in the second one. */
static struct space *setup(void)
{
	struct netns_place places[2] = {};
	struct space *other;

	scene_begin();
	inodes[0] = here();
	ck_assert_int_eq(spaces_init(&spaces, inodes[0]), 0);
	ck_assert_int_eq(endings_open(&spaces), 0);
	ck_assert_int_eq(endings_open(&spaces), 0);
	ck_assert_uint_eq(spaces.listening, 1);
	end_some(3);
	scene_begin();
	inodes[1] = here();
	places[0].inode = inodes[0];
	places[1].inode = inodes[1];
	if (inodes[1] < inodes[0]) {
		places[0].inode = inodes[1];
		places[1].inode = inodes[0];
	}
	ck_assert_int_eq(spaces_sync(&spaces, places, 2, 1, NULL, NULL), 0);
	other = spaces_find(&spaces, inodes[1]);
	ck_assert_ptr_nonnull(other);
	return other;
}

START_TEST(in_both)
{
	struct space *other = setup();

	ck_assert_uint_eq(endings_deaf(&spaces), 1);
	end_some(1);
	endings_visit(&spaces, other);
	endings_visit(&spaces, other);
	ck_assert_uint_eq(endings_deaf(&spaces), 0);
	end_some(2);
	/* Three sockets of each: the listener has an end, too. */
	drain_until(9, 6);
	ck_assert_uint_eq(endings_dropped(&spaces), 0);
	endings_close(&spaces);
	ck_assert_uint_eq(spaces.listening, 0);
	ck_assert_uint_eq(endings_deaf(&spaces), 0);
	ck_assert_int_eq(endings_drain(&spaces, 7, count, NULL), 0);
	/* Nobody asks for it any more. */
	endings_visit(&spaces, other);
	ck_assert_ptr_null(other->endings);
	spaces_done(&spaces);
}
END_TEST

/* What a namespace has lost is counted past its end, and nothing of it stays open. */
START_TEST(gone)
{
	struct netns_place own = { .inode = 0 };
	uint64_t dropped = 0;

	endings_visit(&spaces, setup());
	/* The kernel's worker sends when it comes to it: nothing is read until there must be too much. */
	for (int i = 0; i < 10 && !dropped; i++) {
		end_some(500);
		for (int j = 0; j <= 5 * i; j++)
			scene_nap(200);
		ck_assert_int_ge(endings_drain(&spaces, 7, count, NULL), 0);
		dropped = endings_dropped(&spaces);
	}
	ck_assert_uint_gt(dropped, 0);
	own.inode = inodes[0];
	ck_assert_int_eq(spaces_sync(&spaces, &own, 1, 2, NULL, NULL), 0);
	ck_assert_uint_eq(spaces.listening, 1);
	ck_assert_uint_ge(endings_dropped(&spaces), dropped);
	spaces_done(&spaces);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("endings");
	TCase *t = tcase_create("live");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, in_both);
	tcase_add_test(t, gone);
	suite_add_tcase(s, t);
	return s;
}
