/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * late-data-reset and dead-descriptor: ends that come too early, and those that nobody has noticed.
 */
#include <errno.h>

#include "../harness.h"
#include "world.h"

#define LATE TCPDIAG_RULE_LATE_DATA_RESET
#define DEAD TCPDIAG_RULE_DEAD_DESCRIPTOR

static struct world *world;

static void setup(void)
{
	world = world_new(100);
}

static void teardown(void)
{
	world_free(world);
}

/* ---- late-data-reset ---- */

/* @closer receives no more; its peer has @bytes left, which can be 0. */
static struct record *late_pair(uint32_t closer, uint32_t sender, enum tcpdiag_state state,
				uint32_t bytes)
{
	uint32_t row = world->record_count;
	struct record *record = world_socket(world, state, closer);
	struct record *peer = world_socket(world, TCPDIAG_CLOSE_WAIT, sender);

	record->sk.known |= TCPDIAG_KNOWS_SHUTDOWN;
	record->sk.sk_shutdown = TCPDIAG_RCV_SHUTDOWN | TCPDIAG_SEND_SHUTDOWN;
	record->peer = row + 1;
	peer->sk.wqueue = bytes;
	peer->sk.notsent_bytes = bytes / 2;
	peer->peer = row;
	return record;
}

START_TEST(late_information_names_who_closed)
{
	uint32_t client = world_process(world, "curl", "", 4, 1024);
	uint32_t server = world_process(world, "nginx", "nginx.service", 100, 1024);
	const struct finding *finding;

	late_pair(client, server, TCPDIAG_FIN_WAIT2, 5000);
	world_run(world, 1, 1);
	finding = world_expect(world, LATE);
	ck_assert_int_eq(world->count, 1);
	ck_assert_int_eq(finding->severity, SEVERITY_INFO);
	ck_assert_int_eq(finding->scope, SCOPE_PROCESS);
	ck_assert_uint_eq(finding->process, client);
	ck_assert_uint_eq(finding->socket, 0);
	ck_assert_double_eq(finding->evidence[EVIDENCE_PEER_BYTES], 5000);
	ck_assert_double_eq(finding->evidence[EVIDENCE_RECENT], 1);
	ck_assert_str_eq(world_text(world, finding->summary),
			 "curl (pid 1000) receives no more on 1 connection whose peer has 5,000 "
			 "bytes to send: the first of them is answered with a RST");
	ck_assert_uint_eq(world_bits(world, LATE), 1);
	/* One is one, however long it lasts. */
	world_run(world, 600, 1);
	ck_assert_int_eq(world_severity(world, LATE), SEVERITY_INFO);
	ck_assert_double_eq(world_expect(world, LATE)->evidence[EVIDENCE_RECENT], 1);
	world->record_count = 0;
	world_run(world, 60, 5);
	ck_assert_int_eq(world_severity(world, LATE), SEVERITY_INFO);
	world_run(world, 6, 1);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

START_TEST(late_orphans_are_their_creators)
{
	uint32_t creator = world_process(world, "early", "", 4, 1024);
	struct record *record = late_pair(RECORD_NONE, RECORD_NONE, TCPDIAG_FIN_WAIT1, 10);

	record->sk.attachment = TCPDIAG_ORPHAN;
	record->sk.inode = 0;
	record->creator = creator;
	record = late_pair(RECORD_NONE, RECORD_NONE, TCPDIAG_FIN_WAIT2, 10);
	record->sk.attachment = TCPDIAG_TIMEWAIT;
	record->sk.kind = TCPDIAG_KIND_TIMEWAIT;
	record->sk.known = 0;
	record->creator = creator;
	world_run(world, 1, 1);
	ck_assert_int_eq(world->count, 1);
	ck_assert_uint_eq(world_expect(world, LATE)->process, creator);
	ck_assert_uint_eq(world_expect(world, LATE)->count, 2);
}
END_TEST

START_TEST(late_warning_for_ten_in_a_minute)
{
	uint32_t client = world_process(world, "client", "", 4, 1024);
	const struct finding *finding;
	int i;

	/* Each is reset before the next comes; one in 6 s, so that 10 of them are within a minute. */
	for (i = 0; i < 30; i++) {
		world->record_count = 0;
		late_pair(client, RECORD_NONE, TCPDIAG_FIN_WAIT2, 100);
		world_run(world, 2, 2);
		if (i < 8)
			ck_assert_int_eq(world_severity(world, LATE), SEVERITY_INFO);
		world->record_count = 0;
		world_run(world, 4, 2);
	}
	finding = world_expect(world, LATE);
	ck_assert_int_eq(finding->severity, SEVERITY_WARNING);
	ck_assert_double_ge(finding->evidence[EVIDENCE_RECENT], 9);
	ck_assert_ptr_nonnull(strstr(world_text(world, finding->summary), "such connections in"));
	ck_assert_uint_eq(findings_raised(world->findings, LATE), 1);
	/* A minute after the last one was seen. */
	world_run(world, 55, 1);
	ck_assert_int_eq(world_severity(world, LATE), SEVERITY_WARNING);
	world_run(world, 5, 1);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

START_TEST(late_no_warning_for_ten_in_two_minutes)
{
	uint32_t client = world_process(world, "client", "", 4, 1024);
	int i;

	for (i = 0; i < 30; i++) {
		world->record_count = 0;
		late_pair(client, RECORD_NONE, TCPDIAG_FIN_WAIT1, 100);
		world_run(world, 10, 2);
		ck_assert_int_eq(world_severity(world, LATE), SEVERITY_INFO);
	}
}
END_TEST

START_TEST(late_ten_at_once)
{
	uint32_t client = world_process(world, "client", "", 4, 1024), i;

	for (i = 0; i < 9; i++)
		late_pair(client, RECORD_NONE, TCPDIAG_FIN_WAIT2, 100);
	world_run(world, 100, 1);
	ck_assert_int_eq(world_severity(world, LATE), SEVERITY_INFO);
	late_pair(client, RECORD_NONE, TCPDIAG_FIN_WAIT2, 100);
	world_run(world, 1, 1);
	ck_assert_int_eq(world_severity(world, LATE), SEVERITY_WARNING);
}
END_TEST

START_TEST(late_below_the_threshold_none_is_counted_twice)
{
	uint32_t client = world_process(world, "client", "", 4, 1024), i;

	world->thresholds.late_info_count = 4;
	for (i = 0; i < 3; i++)
		late_pair(client, RECORD_NONE, TCPDIAG_FIN_WAIT2, 100);
	world_run(world, 50, 1);
	ck_assert_int_eq(world->count, 0);
	late_pair(client, RECORD_NONE, TCPDIAG_FIN_WAIT2, 100);
	world_run(world, 1, 1);
	ck_assert_int_eq(world_severity(world, LATE), SEVERITY_INFO);
	ck_assert_double_eq(world_expect(world, LATE)->evidence[EVIDENCE_RECENT], 4);
}
END_TEST

START_TEST(late_silent_for_the_healthy)
{
	uint32_t client = world_process(world, "client", "", 4, 1024);
	struct record *record;

	/* The peer has sent everything. */
	late_pair(client, RECORD_NONE, TCPDIAG_FIN_WAIT2, 0);
	/* A half-close: the answer may come. */
	late_pair(client, RECORD_NONE, TCPDIAG_FIN_WAIT2, 9000)->sk.sk_shutdown =
		TCPDIAG_SEND_SHUTDOWN;
	/* Whether it receives is not known. */
	late_pair(client, RECORD_NONE, TCPDIAG_FIN_WAIT2, 9000)->sk.known = 0;
	/* SHUT_RD alone: what comes is taken and thrown away, no RST. */
	late_pair(client, RECORD_NONE, TCPDIAG_ESTABLISHED, 9000);
	/* The peer is somewhere else, or beyond the records. */
	late_pair(client, RECORD_NONE, TCPDIAG_FIN_WAIT2, 9000)->peer = RECORD_NONE;
	late_pair(client, RECORD_NONE, TCPDIAG_FIN_WAIT2, 9000)->peer = WORLD_SOCKETS;
	/* Its FIN of FIN-WAIT-1 counts in the queue, and is no data. */
	record = late_pair(client, RECORD_NONE, TCPDIAG_FIN_WAIT1, 1);
	world->records[record->peer].sk.state = TCPDIAG_FIN_WAIT1;
	world->records[record->peer].sk.notsent_bytes = 0;
	/* A peer that is gone. */
	record = late_pair(client, RECORD_NONE, TCPDIAG_FIN_WAIT2, 9000);
	world->records[record->peer].sk.state = TCPDIAG_CLOSE;
	world_run(world, 30, 5);
	ck_assert_int_eq(world_severity(world, LATE), SEVERITY_NONE);
}
END_TEST

START_TEST(late_what_was_under_way_before_is_not_late)
{
	uint32_t client = world_process(world, "client", "", 4, 1024);
	struct record *record = late_pair(client, RECORD_NONE, TCPDIAG_FIN_WAIT1, 9000);

	/* Seen in the sweep before this one closed. */
	world->swept_ns = world->now_ns - NSEC_PER_SEC;
	world->records[record->peer].sk.state = TCPDIAG_ESTABLISHED;
	world_run(world, 10, 1);
	ck_assert_int_eq(world->count, 0);
	world->swept_ns = world->now_ns;
	world_run(world, 1, 1);
	ck_assert_int_eq(world_severity(world, LATE), SEVERITY_INFO);
}
END_TEST

/* ---- dead-descriptor ---- */

static void add_dead(uint32_t process, int count, uint16_t error, uint32_t rqueue)
{
	while (count--) {
		struct record *record = world_socket(world, TCPDIAG_CLOSE, process);

		record->sk.known = TCPDIAG_KNOWS_SHUTDOWN | TCPDIAG_KNOWS_ERROR;
		record->sk.sk_shutdown = TCPDIAG_RCV_SHUTDOWN | TCPDIAG_SEND_SHUTDOWN;
		record->sk.sk_err = error;
		record->sk.rqueue = rqueue;
	}
}

START_TEST(dead_information_for_20_after_five_minutes)
{
	uint32_t process = world_process(world, "java", "app.service", 60, 65536);
	const struct finding *finding;

	add_dead(process, 12, ECONNRESET, 100);
	add_dead(process, 5, ETIMEDOUT, 0);
	add_dead(process, 3, 0, 0);
	world_run(world, 299, 1);
	ck_assert_int_eq(world->count, 0);
	world_run(world, 1, 1);
	finding = world_expect(world, DEAD);
	ck_assert_int_eq(finding->severity, SEVERITY_INFO);
	ck_assert_int_eq(finding->scope, SCOPE_PROCESS);
	ck_assert_int_eq(finding->pid, 1000);
	ck_assert_uint_eq(finding->count, 20);
	ck_assert_double_eq(finding->evidence[EVIDENCE_UNREAD_BYTES], 1200);
	ck_assert_double_eq(finding->evidence[EVIDENCE_RESET], 12);
	ck_assert_double_eq(finding->evidence[EVIDENCE_TIMED_OUT], 5);
	ck_assert_str_eq(world_text(world, finding->summary),
			 "java (pid 1000, app.service) holds 20 descriptors of connections that "
			 "are gone, oldest 300 s, 1,200 bytes not read");
	ck_assert_ptr_nonnull(
		strstr(world_text(world, finding->cause), "Reset by their peers: 12."));
	ck_assert_ptr_nonnull(strstr(world_text(world, finding->cause), "answered: 5."));
	ck_assert_ptr_nonnull(strstr(world_text(world, finding->cause), "taken by a call: 3."));
	ck_assert_uint_eq(world_bits(world, DEAD), 20);
	world_run(world, 4000, 10);
	ck_assert_int_eq(world_severity(world, DEAD), SEVERITY_INFO);
	world->record_count = 0;
	world_run(world, 60, 5);
	ck_assert_int_eq(world_severity(world, DEAD), SEVERITY_INFO);
	world_run(world, 5, 5);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

START_TEST(dead_by_the_limit_of_descriptors)
{
	static const struct {
		int count;
		int severity;
	} rows[] = {
		{ 9, SEVERITY_NONE },
		{ 10, SEVERITY_WARNING },
		{ 49, SEVERITY_WARNING },
		{ 50, SEVERITY_CRITICAL },
	};

	add_dead(world_process(world, "java", "", 60, 100), rows[_i].count, ECONNRESET, 0);
	world_run(world, 310, 5);
	ck_assert_int_eq(world_severity(world, DEAD), rows[_i].severity);
}
END_TEST

START_TEST(dead_warning_for_growth_in_two_windows)
{
	uint32_t process = world_process(world, "java", "", 100, 65536);
	int i;

	/* One a minute from 40 on: 15 in each window are 37 % and 27 %. */
	add_dead(process, 40, ECONNRESET, 0);
	world_run(world, 400, 10);
	for (i = 0; i < 40; i++) {
		world_run(world, 60, 10);
		if (i < 20)
			ck_assert_int_eq(world_severity(world, DEAD), SEVERITY_INFO);
		add_dead(process, 1, ECONNRESET, 0);
	}
	ck_assert_int_eq(world_severity(world, DEAD), SEVERITY_WARNING);
	/* A step is no growth. */
	world_run(world, 4000, 10);
	ck_assert_int_eq(world_severity(world, DEAD), SEVERITY_INFO);
	add_dead(process, 100, ECONNRESET, 0);
	for (i = 0; i < 40; i++) {
		world_run(world, 60, 10);
		ck_assert_int_eq(world_severity(world, DEAD), SEVERITY_INFO);
	}
}
END_TEST

START_TEST(dead_silent_for_the_healthy)
{
	uint32_t process = world_process(world, "pool", "", 60, 65536), i;

	/* A pool behind a firewall that has forgotten its connections. */
	add_dead(process, 19, ECONNRESET, 25);
	/* Never connected, half shut, not known, not there any more, of somebody unknown. */
	for (i = 0; i < 5; i++) {
		add_dead(process, 5, 0, 0);
		world->records[world->record_count - 1].sk.remote_port = 0;
		world->records[world->record_count - 2].sk.sk_shutdown = TCPDIAG_SEND_SHUTDOWN;
		world->records[world->record_count - 3].sk.known = 0;
		world->records[world->record_count - 4].sk.attachment = TCPDIAG_UNHELD;
		world->records[world->record_count - 5].sk.mptcp_subflow = true;
	}
	world_run(world, 4000, 20);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

START_TEST(dead_ones_that_cannot_be_seen)
{
	world->input.closed_blind = true;
	world_run(world, 10, 5);
	ck_assert_uint_eq(world->snapshot.header->findings_blind, finding_bit(DEAD));
	world->orphans.count_known = false;
	world->environment.known = 0;
	world->rates.known = 0;
	world_run(world, 10, 5);
	ck_assert_uint_eq(world->snapshot.header->findings_blind,
			  finding_bit(DEAD) | finding_bit(TCPDIAG_RULE_ORPHAN_ACCUMULATION) |
				  finding_bit(TCPDIAG_RULE_TCP_MEMORY_PRESSURE) |
				  finding_bit(TCPDIAG_RULE_TIME_WAIT_OVERFLOW) |
				  finding_bit(TCPDIAG_RULE_ABORTS_RISING));
}
END_TEST

static TCase *late_tests(void)
{
	TCase *tests = tcase_create("late-data-reset");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, late_information_names_who_closed);
	tcase_add_test(tests, late_orphans_are_their_creators);
	tcase_add_test(tests, late_warning_for_ten_in_a_minute);
	tcase_add_test(tests, late_no_warning_for_ten_in_two_minutes);
	tcase_add_test(tests, late_ten_at_once);
	tcase_add_test(tests, late_below_the_threshold_none_is_counted_twice);
	tcase_add_test(tests, late_silent_for_the_healthy);
	tcase_add_test(tests, late_what_was_under_way_before_is_not_late);
	return tests;
}

static TCase *dead_tests(void)
{
	TCase *tests = tcase_create("dead-descriptor");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, dead_information_for_20_after_five_minutes);
	tcase_add_loop_test(tests, dead_by_the_limit_of_descriptors, 0, 4);
	tcase_add_test(tests, dead_warning_for_growth_in_two_windows);
	tcase_add_test(tests, dead_silent_for_the_healthy);
	tcase_add_test(tests, dead_ones_that_cannot_be_seen);
	return tests;
}

Suite *suite(void)
{
	Suite *all = suite_create("findings of ends");

	suite_add_tcase(all, late_tests());
	suite_add_tcase(all, dead_tests());
	return all;
}
