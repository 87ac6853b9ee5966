/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <check.h>
#include <string.h>

#include "../harness.h"
#include "collector/follow.h"
#include "model/macro.h"

#define NETNS 4026531840U
#define ENTRIES 600U

static struct follow *follow;

static void setup(void)
{
	ck_assert_int_eq(follow_new(ENTRIES, &follow), 0);
	follow_gap(follow, 1);
}

static void teardown(void)
{
	follow = follow_free(follow);
}

static struct socket_event event(uint8_t kind, uint64_t cookie, uint8_t old_state, uint8_t state,
				 int64_t when_ns)
{
	return (struct socket_event){
		.when_ns = when_ns,
		.kind = kind,
		.old_state = old_state,
		.has_socket = true,
		.released = true,
		.sk = { .cookie = cookie,
			.netns = NETNS,
			.state = state,
			.family = 2,
			.local = { [15] = 1 },
			.remote = { [15] = 2 },
			.local_port = 80,
			.remote_port = (uint16_t)cookie,
			.ifindex = 7 },
	};
}

static void change(uint64_t cookie, uint8_t old_state, uint8_t state, int64_t when_ns)
{
	struct socket_event e = event(SOCKET_EVENT_STATE, cookie, old_state, state, when_ns);

	follow_take(follow, &e);
}

static void destroyed(uint64_t cookie, int64_t when_ns)
{
	struct socket_event e = event(SOCKET_EVENT_DESTROYED, cookie, 0, TCPDIAG_CLOSE, when_ns);

	follow_take(follow, &e);
}

static struct follow_entry *find(uint64_t cookie)
{
	return follow_find(follow, NETNS, cookie);
}

static void shown(uint64_t cookie)
{
	ck_assert_ptr_nonnull(find(cookie));
	find(cookie)->seen = true;
}

START_TEST(stands_from_its_first_teardown_state_to_its_end)
{
	static const struct {
		uint8_t from, to;
		bool stands, mini;
	} steps[] = {
		{ TCPDIAG_ESTABLISHED, TCPDIAG_CLOSE_WAIT, true, false },
		{ TCPDIAG_CLOSE_WAIT, TCPDIAG_LAST_ACK, true, false },
		{ TCPDIAG_LAST_ACK, TCPDIAG_CLOSE, false, false },
		{ TCPDIAG_ESTABLISHED, TCPDIAG_FIN_WAIT1, true, false },
		{ TCPDIAG_FIN_WAIT1, TCPDIAG_CLOSING, true, false },
		{ TCPDIAG_CLOSING, TCPDIAG_CLOSE, false, false },
		{ TCPDIAG_ESTABLISHED, TCPDIAG_FIN_WAIT1, true, false },
		{ TCPDIAG_FIN_WAIT1, TCPDIAG_FIN_WAIT2, true, false },
		{ TCPDIAG_FIN_WAIT2, TCPDIAG_CLOSE, true, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		change(9, steps[i].from, steps[i].to, 10 + (int64_t)i);
		ck_assert_msg((find(9) != NULL) == steps[i].stands, "step %zu", i);
		if (!find(9))
			continue;
		ck_assert_int_eq(find(9)->mini, steps[i].mini);
		ck_assert_int_eq(find(9)->when_ns, 10 + (int64_t)i);
		if (!steps[i].mini)
			ck_assert_int_eq(find(9)->state, steps[i].to);
	}
	/* The end of the full socket is not that of its minisocket. */
	destroyed(9, 100);
	ck_assert_ptr_nonnull(find(9));
	ck_assert_uint_eq(find(9)->ifindex, 7);
	ck_assert_uint_eq(find(9)->remote_port, 9);
	ck_assert_uint_eq(follow_stats(follow)->entered, 6);
}
END_TEST

/* The peer's FIN makes a TIME-WAIT of it, which is none of the states. */
START_TEST(held_to_its_end_it_leaves_no_minisocket)
{
	struct socket_event e = event(SOCKET_EVENT_STATE, 9, TCPDIAG_FIN_WAIT2, TCPDIAG_CLOSE, 12);

	change(9, TCPDIAG_ESTABLISHED, TCPDIAG_FIN_WAIT1, 10);
	change(9, TCPDIAG_FIN_WAIT1, TCPDIAG_FIN_WAIT2, 11);
	e.released = false;
	follow_take(follow, &e);
	ck_assert_ptr_null(find(9));
}
END_TEST

/* A record may stand in the snapshot before: whoever reads is told, whatever has happened to it. */
START_TEST(what_was_there_before_its_first_event_is_told_of)
{
	static const struct {
		uint8_t from, to;
		bool gone;
	} steps[] = {
		{ TCPDIAG_CLOSE_WAIT, TCPDIAG_LAST_ACK, false },
		{ TCPDIAG_LAST_ACK, TCPDIAG_CLOSE, true },
		{ TCPDIAG_FIN_WAIT2, TCPDIAG_FIN_WAIT2, false }, /* a close() */
		{ TCPDIAG_FIN_WAIT1, TCPDIAG_CLOSE, true }, /* a RST */
		{ TCPDIAG_CLOSING, TCPDIAG_CLOSE, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		uint64_t cookie = 100 + i;

		change(cookie, steps[i].from, steps[i].to, 10);
		ck_assert_msg(find(cookie) && find(cookie)->was, "step %zu", i);
		ck_assert_msg(find(cookie)->gone == steps[i].gone, "step %zu", i);
		ck_assert_int_eq(find(cookie)->when_ns, 10);
		destroyed(cookie, 11);
		ck_assert_msg(find(cookie) && find(cookie)->gone, "step %zu", i);
	}
	/* Its last event, and a dump that does not show it: neither lost nor one too many. */
	ck_assert_uint_eq(follow_count(follow), ARRAY_SIZE(steps));
	follow_dumped(follow, NETNS, 20);
	ck_assert_uint_eq(follow_count(follow), 0);
	ck_assert_uint_eq(follow_stats(follow)->lost + follow_stats(follow)->extra, 0);
}
END_TEST

START_TEST(let_go_of_in_fin_wait_2_it_may_be_a_minisocket)
{
	change(9, TCPDIAG_FIN_WAIT2, TCPDIAG_CLOSE, 10);
	ck_assert(find(9) && find(9)->mini && find(9)->was && !find(9)->gone);
	destroyed(9, 11);
	ck_assert(find(9) && find(9)->mini);
	/* Connected again, it ends like any other. */
	change(9, TCPDIAG_ESTABLISHED, TCPDIAG_CLOSE_WAIT, 12);
	ck_assert(!find(9)->mini && !find(9)->gone);
	change(9, TCPDIAG_CLOSE_WAIT, TCPDIAG_CLOSE, 13);
	ck_assert(find(9)->gone);
}
END_TEST

START_TEST(what_leaves_finds_no_room)
{
	uint64_t i;

	for (i = 1; i <= ENTRIES; i++)
		change(i, TCPDIAG_CLOSE_WAIT, TCPDIAG_CLOSE, 10);
	ck_assert_int_eq(follow_since(follow), 1);
	change(i, TCPDIAG_CLOSE_WAIT, TCPDIAG_CLOSE, 50);
	ck_assert_int_eq(follow_since(follow), 50);
	ck_assert_uint_eq(follow_stats(follow)->cut, 1);
}
END_TEST

START_TEST(what_is_not_its_business)
{
	struct socket_event e = event(SOCKET_EVENT_RESET_SENT, 3, 0, TCPDIAG_FIN_WAIT1, 5);

	follow_take(follow, &e);
	e.kind = SOCKET_EVENT_STATE;
	e.sk.mptcp = true;
	follow_take(follow, &e);
	e.sk.mptcp = false;
	e.has_socket = false;
	follow_take(follow, &e);
	change(4, TCPDIAG_ESTABLISHED, TCPDIAG_CLOSE, 6);
	destroyed(5, 7);
	ck_assert_uint_eq(follow_count(follow), 0);
	ck_assert_int_eq(follow_since(follow), 1);
}
END_TEST

START_TEST(a_socket_without_a_cookie_is_a_gap)
{
	change(0, TCPDIAG_ESTABLISHED, TCPDIAG_FIN_WAIT1, 50);
	ck_assert_int_eq(follow_since(follow), 50);
	ck_assert_uint_eq(follow_stats(follow)->gaps, 1);
	/* What goes is no matter. */
	change(0, TCPDIAG_FIN_WAIT1, TCPDIAG_CLOSE, 60);
	ck_assert_int_eq(follow_since(follow), 50);
}
END_TEST

START_TEST(gaps_only_go_forward_and_off_is_off)
{
	follow_gap(follow, 40);
	follow_gap(follow, 30);
	ck_assert_int_eq(follow_since(follow), 40);
	change(1, TCPDIAG_ESTABLISHED, TCPDIAG_FIN_WAIT1, 50);
	follow_off(follow);
	ck_assert_int_eq(follow_since(follow), INT64_MAX);
	ck_assert_uint_eq(follow_count(follow), 0);
	change(2, TCPDIAG_ESTABLISHED, TCPDIAG_FIN_WAIT1, 51);
	ck_assert_uint_eq(follow_count(follow), 0);
	follow_gap(follow, 60);
	ck_assert_int_eq(follow_since(follow), 60);
}
END_TEST

START_TEST(full_is_a_gap_and_room_comes_back)
{
	uint64_t i;

	for (i = 1; i <= ENTRIES; i++)
		change(i, TCPDIAG_ESTABLISHED, TCPDIAG_CLOSE_WAIT, (int64_t)i + 10);
	ck_assert_int_eq(follow_since(follow), 1);
	for (i = 1; i <= ENTRIES; i++)
		ck_assert_uint_eq(find(i)->remote_port, i);
	change(ENTRIES + 1, TCPDIAG_ESTABLISHED, TCPDIAG_CLOSE_WAIT, 5000);
	ck_assert_int_eq(follow_since(follow), 5000);
	ck_assert_uint_eq(follow_stats(follow)->cut, 1);
	ck_assert_ptr_null(find(ENTRIES + 1));
	change(3, TCPDIAG_CLOSE_WAIT, TCPDIAG_LAST_ACK, 5001);
	change(3, TCPDIAG_LAST_ACK, TCPDIAG_CLOSE, 5002);
	change(ENTRIES + 2, TCPDIAG_ESTABLISHED, TCPDIAG_CLOSE_WAIT, 5003);
	ck_assert_ptr_nonnull(find(ENTRIES + 2));
	ck_assert_ptr_nonnull(find(ENTRIES));
	ck_assert_uint_eq(follow_count(follow), ENTRIES);
}
END_TEST

START_TEST(a_walk_shows_each_once_while_they_are_dropped)
{
	struct follow_entry *entry;
	uint32_t cursor = 0, seen = 0;

	for (uint64_t i = 1; i <= 300; i++)
		change(i, TCPDIAG_ESTABLISHED, TCPDIAG_CLOSE_WAIT, 10);
	while ((entry = follow_next(follow, &cursor))) {
		seen++;
		if (seen % 2)
			follow_drop(follow, entry);
	}
	ck_assert_uint_eq(seen, 300);
	ck_assert_uint_eq(follow_count(follow), 150);
	for (cursor = seen = 0; follow_next(follow, &cursor); seen++)
		;
	ck_assert_uint_eq(seen, 150);
}
END_TEST

START_TEST(a_dump_that_agrees_empties_the_table)
{
	change(1, TCPDIAG_ESTABLISHED, TCPDIAG_CLOSE_WAIT, 10);
	change(2, TCPDIAG_ESTABLISHED, TCPDIAG_FIN_WAIT1, 10);
	change(2, TCPDIAG_FIN_WAIT1, TCPDIAG_FIN_WAIT2, 11);
	change(2, TCPDIAG_FIN_WAIT2, TCPDIAG_CLOSE, 12);
	change(3, TCPDIAG_ESTABLISHED, TCPDIAG_CLOSE_WAIT, 25); /* while the dump was made */
	shown(1);
	follow_dumped(follow, NETNS, 20);
	ck_assert_ptr_null(find(1));
	ck_assert_ptr_null(find(2));
	ck_assert_ptr_nonnull(find(3));
	follow_settle(follow, 1000, NULL, NULL);
	ck_assert_ptr_nonnull(find(3));
	ck_assert_uint_eq(follow_stats(follow)->lost + follow_stats(follow)->extra, 0);
}
END_TEST

static void count_kinds(void *context, const struct follow_entry *entry)
{
	uint32_t *kinds = context;

	ck_assert_uint_eq(entry->netns, NETNS);
	kinds[entry->suspect]++;
}

START_TEST(suspects_are_counted_when_no_event_explains_them)
{
	uint32_t kinds[3] = {};
	struct tcpdiag_socket sk = event(0, 0, 0, TCPDIAG_CLOSE_WAIT, 0).sk;

	/* 1: lost. 2: its event was under way. 3: lost, and gone before it was settled. */
	for (sk.cookie = 1; sk.cookie <= 3; sk.cookie++)
		follow_suspect(follow, &sk, 20, true);
	/* 11: extra. 12: the event of its end was under way. 13: a minisocket in the end. */
	for (uint64_t i = 11; i <= 13; i++)
		change(i, TCPDIAG_FIN_WAIT1, TCPDIAG_FIN_WAIT2, 10);
	follow_dumped(follow, NETNS, 20);
	ck_assert_uint_eq(follow_count(follow), 6);

	change(2, TCPDIAG_ESTABLISHED, TCPDIAG_CLOSE_WAIT, 19);
	destroyed(3, 21);
	destroyed(12, 21);
	change(13, TCPDIAG_FIN_WAIT2, TCPDIAG_CLOSE, 22);
	follow_settle(follow, 20, count_kinds, kinds);
	ck_assert_uint_eq(kinds[FOLLOW_LOST] + kinds[FOLLOW_EXTRA], 0);
	follow_settle(follow, 21, count_kinds, kinds);
	ck_assert_uint_eq(kinds[FOLLOW_LOST], 1);
	ck_assert_uint_eq(kinds[FOLLOW_EXTRA], 1);
	ck_assert_uint_eq(follow_stats(follow)->lost, 2);
	ck_assert_uint_eq(follow_stats(follow)->extra, 1);
	ck_assert_ptr_null(find(1));
	ck_assert_ptr_nonnull(find(2));
	ck_assert_ptr_null(find(11));
	ck_assert(find(13) && find(13)->mini && find(13)->suspect == FOLLOW_TOLD);
}
END_TEST

START_TEST(dumps_of_other_namespaces_say_nothing)
{
	change(1, TCPDIAG_ESTABLISHED, TCPDIAG_CLOSE_WAIT, 10);
	follow_dumped(follow, NETNS + 1, 20);
	ck_assert_ptr_nonnull(find(1));
	ck_assert_int_eq(find(1)->suspect, FOLLOW_TOLD);
	ck_assert_ptr_null(follow_find(follow, NETNS + 1, 1));
}
END_TEST

/* One that a look has missed while it became a minisocket, perhaps: once more. */
START_TEST(missed)
{
	const struct tcpdiag_socket sk = { .cookie = 7, .netns = 5, .state = TCPDIAG_FIN_WAIT2 };
	struct follow_entry *entry;

	follow_missed(follow, &sk, 100);
	entry = follow_find(follow, 5, 7);
	ck_assert_ptr_nonnull(entry);
	ck_assert(entry->mini && entry->again && !entry->known);
	ck_assert_int_eq(entry->suspect, FOLLOW_TOLD);
	ck_assert_uint_eq(follow_stats(follow)->entered, 0);
	/* What is known to have gone is not missed. */
	follow_drop(follow, entry);
	ck_assert_uint_eq(follow_count(follow), 0);
}
END_TEST

Suite *suite(void)
{
	TCase *tcase = tcase_create("follow");
	Suite *suite = suite_create("follow");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, stands_from_its_first_teardown_state_to_its_end);
	tcase_add_test(tcase, held_to_its_end_it_leaves_no_minisocket);
	tcase_add_test(tcase, what_was_there_before_its_first_event_is_told_of);
	tcase_add_test(tcase, let_go_of_in_fin_wait_2_it_may_be_a_minisocket);
	tcase_add_test(tcase, what_leaves_finds_no_room);
	tcase_add_test(tcase, what_is_not_its_business);
	tcase_add_test(tcase, a_socket_without_a_cookie_is_a_gap);
	tcase_add_test(tcase, gaps_only_go_forward_and_off_is_off);
	tcase_add_test(tcase, full_is_a_gap_and_room_comes_back);
	tcase_add_test(tcase, a_walk_shows_each_once_while_they_are_dropped);
	tcase_add_test(tcase, a_dump_that_agrees_empties_the_table);
	tcase_add_test(tcase, suspects_are_counted_when_no_event_explains_them);
	tcase_add_test(tcase, dumps_of_other_namespaces_say_nothing);
	tcase_add_test(tcase, missed);
	suite_add_tcase(suite, tcase);
	return suite;
}
