/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Holders over several walks, in a /proc made up in a temporary folder: who has a socket, who had it, when
 * nobody has it, and a pid that comes again.
 */
#include "attach_scene.h"

START_TEST(test_holders)
{
	struct record records[3] = { held(50), held(51), held(52) };

	add_process(7, "nginx", 1);
	add_process(9, "php", 1);
	add_process(11, "idle", 1);
	add_socket(7, 3, 50);
	add_socket(7, 4, 51);
	add_socket(9, 5, 51);
	add_socket(9, 6, 51);
	add_socket(11, 6, 99); /* no TCP socket of ours */
	walk();
	poll_records(records, 3, true);
	ck_assert_uint_eq(records[0].holders, 1);
	ck_assert_int_eq(holder_pid(&records[0], 0, "nginx.service"), 7);
	ck_assert_uint_eq(records[1].holders, 3);
	ck_assert_int_eq(holder_pid(&records[1], 0, "nginx.service"), 7);
	ck_assert_int_eq(holder_pid(&records[1], 2, "php.service"), 9);
	ck_assert_uint_eq(records[2].holders, 0);
	ck_assert_uint_eq(records[2].creator, RECORD_NONE);
	/* Only whoever has a TCP socket has a row. */
	ck_assert_uint_eq(rows(), 2);
	ck_assert_uint_eq(records[0].flags & RECORD_ASK_OWNERS, 0);
	ck_assert_uint_ne(records[0].flags & RECORD_OWNERS_KNOWN, 0);
}
END_TEST

/* Between two walks a new socket is looked up in the result in force. */
START_TEST(test_new_between_walks)
{
	struct record records[2] = { held(50), held(60) };

	add_process(7, "nginx", 1);
	add_socket(7, 3, 50);
	add_socket(7, 4, 60);
	walk();
	poll_records(records, 1, true);
	records[1].owner_pass = pass; /* seen after the walk had begun */
	poll_records(records, 2, true);
	ck_assert_int_eq(holder_pid(&records[0], 0, "nginx.service"), 7);
	ck_assert_int_eq(holder_pid(&records[1], 0, "nginx.service"), 7);
	ck_assert_uint_eq(records[1].flags & RECORD_OWNERS_KNOWN, 0);
}
END_TEST

/* A dead connection comes from the walk itself, which has seen each of its descriptors. */
START_TEST(test_found_by_the_walk)
{
	struct record record = held(50);

	add_process(7, "nginx", 1);
	add_socket(7, 3, 50);
	add_socket(7, 4, 50);
	walk();
	record.sk.state = TCPDIAG_CLOSE;
	record.owner_pass = pass;
	poll_records(&record, 1, true);
	ck_assert_uint_ne(record.flags & RECORD_OWNERS_KNOWN, 0);
	ck_assert_uint_ne(record.sk.known & TCPDIAG_KNOWS_DESCRIPTORS, 0);
	ck_assert_uint_eq(record.sk.descriptors, 2);
}
END_TEST

START_TEST(test_unheld_takes_two_walks)
{
	struct record record;
	int i;

	add_process(7, "nginx", 1);
	walk();
	record = held(50);
	poll_records(&record, 1, true);
	/* This result is older than the socket. */
	ck_assert_uint_eq(record.flags & RECORD_OWNERS_KNOWN, 0);
	ck_assert_uint_eq(record.sk.attachment, TCPDIAG_HELD);
	walk();
	poll_records(&record, 1, true);
	ck_assert_uint_ne(record.flags & RECORD_OWNERS_KNOWN, 0);
	ck_assert_uint_eq(record.sk.attachment, TCPDIAG_HELD);
	/* Polls are no walks. */
	for (i = 0; i < 5; i++)
		poll_records(&record, 1, true);
	ck_assert_uint_eq(record.sk.attachment, TCPDIAG_HELD);
	walk();
	poll_records(&record, 1, true);
	ck_assert_uint_eq(record.sk.attachment, TCPDIAG_UNHELD);
	/* Somebody takes it. */
	add_socket(7, 3, 50);
	walk();
	poll_records(&record, 1, true);
	ck_assert_uint_eq(record.sk.attachment, TCPDIAG_HELD);
	ck_assert_uint_eq(record.holders, 1);
	/* And lets go: again two walks. */
	remove_socket(7, 3);
	walk();
	poll_records(&record, 1, true);
	ck_assert_uint_eq(record.sk.attachment, TCPDIAG_HELD);
	ck_assert_int_eq(pid_of(record.creator, "nginx.service"), 7);
	walk();
	poll_records(&record, 1, true);
	ck_assert_uint_eq(record.sk.attachment, TCPDIAG_UNHELD);
	ck_assert_int_eq(pid_of(record.creator, "nginx.service"), 7);
}
END_TEST

/* While one process cannot be read, nobody is said to hold nothing. */
START_TEST(test_unreadable)
{
	struct record record = held(50);
	int i;

	add_process(7, "nginx", 1);
	for (i = 0; i < 6; i++) {
		walk();
		poll_records(&record, 1, false);
		ck_assert_uint_eq(record.sk.attachment, TCPDIAG_HELD);
		ck_assert_uint_eq(record.flags & RECORD_OWNERS_KNOWN, 0);
	}
}
END_TEST

START_TEST(test_limits)
{
	struct record records[4] = { held(50), held(51), held(52), held(53) };

	add_process(7, "a", 1);
	add_process(8, "b", 1);
	add_process(9, "c", 1);
	add_socket(7, 3, 50);
	add_socket(8, 3, 51);
	add_socket(9, 3, 52);
	add_socket(9, 4, 53);
	limits.max_processes = 2;
	walk();
	poll_records(records, 4, true);
	ck_assert_uint_eq(records[0].holders + records[1].holders, 2);
	ck_assert_uint_eq(records[2].holders + records[3].holders, 0);
	/* Once a process, not once a socket. */
	ck_assert_uint_eq(attach_cut_processes(attach), 1);
	/* Somebody has it whom we could not keep: that is not nobody. */
	ck_assert_uint_eq(records[2].flags & RECORD_OWNERS_KNOWN, 0);
	limits.max_processes = 100;
	limits.max_holders = 1;
	walk();
	poll_records(records, 4, true);
	ck_assert_uint_eq(attach_cut_holders(attach), 3);
	ck_assert_uint_eq(records[0].holders, 1);
	ck_assert_uint_eq(records[1].flags & RECORD_OWNERS_KNOWN, 0);
}
END_TEST

START_TEST(test_cleared)
{
	struct record records[2] = { held(50), held(51) };

	add_process(7, "nginx", 1);
	add_socket(7, 3, 50);
	add_socket(7, 4, 51);
	walk();
	poll_records(records, 2, true);
	close_it(&records[0]);
	poll_records(records, 2, true);
	attach_clear(attach, gone);
	ck_assert_int_eq(attach_begin(attach, NULL, pass, true, &limits, gone), 0);
	attach_record(attach, &records[0]);
	attach_record(attach, &records[1]);
	ck_assert_uint_eq(records[0].creator, RECORD_NONE);
	ck_assert_uint_eq(records[1].holders, 0);
	ck_assert_uint_eq(records[1].flags & RECORD_OWNERS_KNOWN, 0);
	ck_assert_uint_eq(rows(), 0);
	/* Switched on again: the walk's result is taken anew, as if it were another. */
	poll_records(records, 2, true);
	ck_assert_int_eq(holder_pid(&records[1], 0, "nginx.service"), 7);
	ck_assert_uint_eq(records[0].creator, RECORD_NONE);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("attach");
	TCase *tc = tcase_create("attach");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_holders);
	tcase_add_test(tc, test_new_between_walks);
	tcase_add_test(tc, test_found_by_the_walk);
	tcase_add_test(tc, test_unheld_takes_two_walks);
	tcase_add_test(tc, test_unreadable);
	tcase_add_test(tc, test_limits);
	tcase_add_test(tc, test_cleared);
	suite_add_tcase(s, tc);
	return s;
}
