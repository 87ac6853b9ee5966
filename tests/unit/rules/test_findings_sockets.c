/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rst-on-close and fin-wait-2-stuck: each severity, and the healthy that stay silent.
 */
#include "../harness.h"
#include "world.h"

#define RST TCPDIAG_RULE_RST_ON_CLOSE
#define FW2 TCPDIAG_RULE_FIN_WAIT2_STUCK

static struct world *world;

static void setup(void)
{
	world = world_new(100);
}

static void teardown(void)
{
	world_free(world);
}

static void add_unread(uint32_t process, int count, uint32_t bytes, uint32_t rcv_wnd)
{
	while (count--) {
		struct record *record = world_socket(world, TCPDIAG_ESTABLISHED, process);

		record->sk.rcv_wnd = rcv_wnd;
		world_unread(world, record, bytes);
	}
}

static void add_fin_wait2(uint32_t process, int count)
{
	while (count--)
		world_socket(world, TCPDIAG_FIN_WAIT2, process)->sk.sk_shutdown =
			TCPDIAG_SEND_SHUTDOWN;
}

/* ---- rst-on-close ---- */

START_TEST(rst_information_after_a_minute)
{
	uint32_t process = world_process(world, "shipper", "shipper.service", 10, 1024);
	const struct finding *finding;

	add_unread(process, 1, 510, 65536);
	world_run(world, 59, 1);
	ck_assert_int_eq(world->count, 0);
	world_run(world, 1, 1);
	finding = world_expect(world, RST);
	ck_assert_int_eq(finding->severity, SEVERITY_INFO);
	ck_assert_int_eq(finding->scope, SCOPE_PROCESS);
	ck_assert_uint_eq(finding->count, 1);
	ck_assert_uint_eq(finding->process, process);
	ck_assert_uint_eq(finding->netns, NETNS);
	ck_assert_uint_eq(finding->socket, 0);
	ck_assert_int_eq(finding->since_ns, world->now_ns);
	ck_assert_str_eq(world_text(world, finding->unit), "shipper.service");
	ck_assert(shown(finding, EVIDENCE_UNREAD_BYTES));
	ck_assert_double_eq(finding->evidence[EVIDENCE_UNREAD_BYTES], 510);
	ck_assert_double_eq(finding->evidence[EVIDENCE_OLDEST_SECONDS], 60);
	ck_assert_double_eq(finding->evidence[EVIDENCE_DESCRIPTOR_LIMIT], 1024);
	ck_assert_ptr_nonnull(strstr(world_text(world, finding->summary),
				     "shipper (pid 1000, shipper.service) has not read from 1 "
				     "connection with 510 bytes waiting, oldest 60 s"));
	ck_assert_str_ne(world_text(world, finding->cause), "");
	ck_assert_str_ne(world_text(world, finding->remedy), "");
	ck_assert_uint_eq(world_bits(world, RST), 1);
	/* However long it lasts, it stays information. */
	world_run(world, 4000, 20);
	ck_assert_int_eq(world_severity(world, RST), SEVERITY_INFO);
}
END_TEST

START_TEST(rst_warning_when_many_peers_are_blocked)
{
	uint32_t process = world_process(world, "stuck", "", 10, 0);

	add_unread(process, 50, 60000, 0);
	world_run(world, 179, 1);
	ck_assert_int_eq(world_severity(world, RST), SEVERITY_INFO);
	world_run(world, 1, 1);
	ck_assert_int_eq(world_severity(world, RST), SEVERITY_WARNING);
	ck_assert_ptr_nonnull(strstr(world_text(world, world_expect(world, RST)->cause),
				     "On 50 of them the receive window is closed (rcv_wnd 0)"));
}
END_TEST

START_TEST(rst_no_warning_for_49_or_an_open_window)
{
	uint32_t process = world_process(world, "stuck", "", 10, 0);

	add_unread(process, 49, 60000, 0);
	add_unread(process, 49, 60000, 1000);
	world_run(world, 600, 5);
	ck_assert_int_eq(world_severity(world, RST), SEVERITY_INFO);
	ck_assert_uint_eq(world_expect(world, RST)->count, 98);
}
END_TEST

START_TEST(rst_window_told_by_memory_where_rcv_wnd_is_not_known)
{
	uint32_t process = world_process(world, "stuck", "", 10, 0), i;

	add_unread(process, 50, 60000, 0);
	for (i = 0; i < world->record_count; i++) {
		world->records[i].sk.known &= ~(uint32_t)TCPDIAG_KNOWS_RCV_WND;
		world->records[i].sk.rmem_alloc = 1000;
	}
	world_run(world, 300, 5);
	ck_assert_int_eq(world_severity(world, RST), SEVERITY_INFO);
	for (i = 0; i < world->record_count; i++)
		world->records[i].sk.rmem_alloc = world->records[i].sk.rcvbuf;
	world_run(world, 125, 5);
	ck_assert_int_eq(world_severity(world, RST), SEVERITY_WARNING);
	ck_assert_ptr_nonnull(strstr(world_text(world, world_expect(world, RST)->cause),
				     "does not tell rcv_wnd"));
}
END_TEST

START_TEST(rst_silent_for_the_healthy)
{
	uint32_t process = world_process(world, "app", "", 10, 1024), i;
	struct record *record;

	/* TLS pools: the peer has finished. */
	world_close_waits(world, process, 1, DIRECTION_OUTBOUND, 25);
	world_close_waits(world, process, 1, DIRECTION_OUTBOUND, 32);
	/* gunicorn: the next request waits in the accept queue. */
	record = world_socket(world, TCPDIAG_ESTABLISHED, RECORD_NONE);
	record->sk.attachment = TCPDIAG_UNACCEPTED;
	record->sk.inode = 0;
	world_unread(world, record, 300);
	/* A busy upload: something is always waiting, and taken. */
	record = world_socket(world, TCPDIAG_ESTABLISHED, process);
	for (i = 0; i < 300; i++) {
		world_unread(world, record, 200000);
		world_run(world, 20, 5);
		ck_assert_int_eq(world_severity(world, RST), SEVERITY_NONE);
	}
	/* A reader behind for a moment. */
	world_run(world, 55, 5);
	record->sk.rqueue = 0;
	record->read_since_ns = 0;
	world_run(world, 100, 5);
	ck_assert_int_eq(world_severity(world, RST), SEVERITY_NONE);
}
END_TEST

START_TEST(rst_in_close_wait_while_ours_is_not_acknowledged)
{
	struct record *record;

	record = world_socket(world, TCPDIAG_CLOSE_WAIT, world_process(world, "a", "", 1, 9));
	world_unread(world, record, 100);
	record->sk.wqueue = 5000;
	world_run(world, 70, 1);
	ck_assert_int_eq(world_severity(world, RST), SEVERITY_INFO);
}
END_TEST

START_TEST(rst_orphans_and_subflows_are_nobodys)
{
	struct record *record = world_socket(world, TCPDIAG_FIN_WAIT2, RECORD_NONE);

	record->sk.attachment = TCPDIAG_ORPHAN;
	world_unread(world, record, 100);
	record = world_socket(world, TCPDIAG_ESTABLISHED, RECORD_NONE);
	record->sk.mptcp_subflow = true;
	world_unread(world, record, 100);
	world_run(world, 200, 5);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

START_TEST(rst_age_is_two_sweeps_where_they_are_rare)
{
	uint32_t process = world_process(world, "a", "", 1, 9);

	world->input.sweep_interval_ns = 40 * NSEC_PER_SEC;
	add_unread(process, 1, 100, 65536);
	world_run(world, 79, 1);
	ck_assert_int_eq(world->count, 0);
	world_run(world, 1, 1);
	ck_assert_int_eq(world_severity(world, RST), SEVERITY_INFO);
	ck_assert_ptr_nonnull(strstr(world_text(world, world_expect(world, RST)->cause),
				     "looked at each 40 s now, so the age asked for is 80 s "
				     "instead of 60 s"));
}
END_TEST

START_TEST(age_ends_when_the_socket_was_last_seen)
{
	uint32_t process = world_process(world, "a", "", 1, 9);

	add_unread(process, 1, 100, 65536);
	world_run(world, 50, 1);
	/* The sweep does not come round: nobody knows whether it has been read since. */
	world->swept_ns = world->now_ns;
	world_run(world, 30, 1);
	ck_assert_int_eq(world->count, 0);
	world->swept_ns = world->now_ns;
	world_run(world, 1, 1);
	ck_assert_int_eq(world_severity(world, RST), SEVERITY_INFO);
	ck_assert_double_eq(world_expect(world, RST)->evidence[EVIDENCE_OLDEST_SECONDS], 80);
}
END_TEST

/* ---- fin-wait-2-stuck ---- */

START_TEST(fw2_information_after_two_minutes)
{
	uint32_t process = world_process(world, "envoy", "envoy.service", 100, 65536);
	const struct finding *finding;

	add_fin_wait2(process, 3);
	world_run(world, 119, 1);
	ck_assert_int_eq(world->count, 0);
	world_run(world, 1, 1);
	finding = world_expect(world, FW2);
	ck_assert_int_eq(finding->severity, SEVERITY_INFO);
	ck_assert_uint_eq(finding->count, 3);
	ck_assert_ptr_nonnull(strstr(world_text(world, finding->cause), "10.9.8.7:"));
	ck_assert_uint_eq(world_bits(world, FW2), 3);
}
END_TEST

START_TEST(fw2_warning_for_20_that_are_old)
{
	uint32_t process = world_process(world, "envoy", "", 100, 65536);

	add_fin_wait2(process, 20);
	world_run(world, 299, 1);
	ck_assert_int_eq(world_severity(world, FW2), SEVERITY_INFO);
	world_run(world, 1, 1);
	ck_assert_int_eq(world_severity(world, FW2), SEVERITY_WARNING);
}
END_TEST

START_TEST(fw2_19_stay_information)
{
	add_fin_wait2(world_process(world, "envoy", "", 100, 65536), 19);
	world_run(world, 4000, 10);
	ck_assert_int_eq(world_severity(world, FW2), SEVERITY_INFO);
}
END_TEST

START_TEST(fw2_warning_for_growth_of_ten_minutes)
{
	uint32_t process = world_process(world, "envoy", "", 100, 65536);
	int i;

	/* 3 at the start, then one a minute: never 20. */
	add_fin_wait2(process, 3);
	for (i = 0; i < 16; i++) {
		world_run(world, 60, 10);
		ck_assert_int_le(world_severity(world, FW2), SEVERITY_WARNING);
		if (i < 9)
			ck_assert_int_le(world_severity(world, FW2), SEVERITY_INFO);
		add_fin_wait2(process, 1);
	}
	ck_assert_int_eq(world_severity(world, FW2), SEVERITY_WARNING);
	ck_assert_uint_lt(world_expect(world, FW2)->count, 20);
}
END_TEST

START_TEST(fw2_one_step_is_no_growth)
{
	uint32_t process = world_process(world, "envoy", "", 100, 65536), i;

	add_fin_wait2(process, 3);
	world_run(world, 1200, 10);
	add_fin_wait2(process, 12);
	for (i = 0; i < 20; i++) {
		world_run(world, 100, 10);
		ck_assert_int_eq(world_severity(world, FW2), SEVERITY_INFO);
	}
	ck_assert_uint_eq(world_expect(world, FW2)->count, 15);
}
END_TEST

START_TEST(fw2_critical_at_half_the_descriptors)
{
	uint32_t process = world_process(world, "envoy", "", 100, 100);

	add_fin_wait2(process, 49);
	world_run(world, 130, 1);
	ck_assert_int_lt(world_severity(world, FW2), SEVERITY_CRITICAL);
	add_fin_wait2(process, 1);
	world_run(world, 120, 1);
	ck_assert_int_eq(world_severity(world, FW2), SEVERITY_CRITICAL);
}
END_TEST

START_TEST(fw2_critical_when_1000_have_doubled)
{
	uint32_t process = world_process(world, "envoy", "", 100, 1000000);

	add_fin_wait2(process, 500);
	world_run(world, 1200, 10);
	ck_assert_int_eq(world_severity(world, FW2), SEVERITY_WARNING);
	add_fin_wait2(process, 500);
	world_run(world, 130, 10);
	ck_assert_int_eq(world_severity(world, FW2), SEVERITY_CRITICAL);
	/* Growth that has stopped is none after its window and the hold. */
	world_run(world, 1000, 10);
	ck_assert_int_eq(world_severity(world, FW2), SEVERITY_WARNING);
}
END_TEST

START_TEST(fw2_silent_for_the_healthy)
{
	uint32_t process = world_process(world, "rsync", "", 100, 1024), i;
	struct record *record;

	add_fin_wait2(process, 30);
	for (i = 0; i < 100; i++) {
		/* Half-closes with data flowing. */
		for (uint32_t s = 0; s < world->record_count; s++)
			world->records[s].data_since_ns = world->now_ns;
		world_run(world, 100, 10);
		ck_assert_int_eq(world->count, 0);
	}
	world->record_count = 0;
	/* Closed ones: a minisocket, and an orphan with its timer. */
	record = world_socket(world, TCPDIAG_FIN_WAIT2, RECORD_NONE);
	record->sk.kind = TCPDIAG_KIND_TIMEWAIT;
	record->sk.attachment = TCPDIAG_TIMEWAIT;
	record->sk.inode = 0;
	record->sk.timer = TCPDIAG_TIMER_TIMEWAIT;
	record = world_socket(world, TCPDIAG_FIN_WAIT2, RECORD_NONE);
	record->sk.attachment = TCPDIAG_ORPHAN;
	record->sk.timer = TCPDIAG_TIMER_KEEPALIVE;
	world_run(world, 1000, 10);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

START_TEST(fw2_unknown_data_is_no_finding)
{
	struct record *record;

	add_fin_wait2(world_process(world, "nc", "", 4, 1024), 1);
	record = &world->records[0];
	record->data_since_ns = 0;
	record->sk.known = 0;
	world_run(world, 500, 10);
	ck_assert_int_eq(world->count, 0);
	record->sk.known = TCPDIAG_KNOWS_INFO;
	record->sk.last_data_recv_ms = 119000;
	world_run(world, 10, 10);
	ck_assert_int_eq(world->count, 0);
	record->sk.last_data_recv_ms = 120000;
	world_run(world, 10, 10);
	ck_assert_int_eq(world_severity(world, FW2), SEVERITY_INFO);
}
END_TEST

static TCase *rst_tests(void)
{
	TCase *tests = tcase_create("rst-on-close");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, rst_information_after_a_minute);
	tcase_add_test(tests, rst_warning_when_many_peers_are_blocked);
	tcase_add_test(tests, rst_no_warning_for_49_or_an_open_window);
	tcase_add_test(tests, rst_window_told_by_memory_where_rcv_wnd_is_not_known);
	tcase_add_test(tests, rst_silent_for_the_healthy);
	tcase_add_test(tests, rst_in_close_wait_while_ours_is_not_acknowledged);
	tcase_add_test(tests, rst_orphans_and_subflows_are_nobodys);
	tcase_add_test(tests, rst_age_is_two_sweeps_where_they_are_rare);
	tcase_add_test(tests, age_ends_when_the_socket_was_last_seen);
	return tests;
}

static TCase *fw2_tests(void)
{
	TCase *tests = tcase_create("fin-wait-2-stuck");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, fw2_information_after_two_minutes);
	tcase_add_test(tests, fw2_warning_for_20_that_are_old);
	tcase_add_test(tests, fw2_19_stay_information);
	tcase_add_test(tests, fw2_warning_for_growth_of_ten_minutes);
	tcase_add_test(tests, fw2_one_step_is_no_growth);
	tcase_add_test(tests, fw2_critical_at_half_the_descriptors);
	tcase_add_test(tests, fw2_critical_when_1000_have_doubled);
	tcase_add_test(tests, fw2_silent_for_the_healthy);
	tcase_add_test(tests, fw2_unknown_data_is_no_finding);
	return tests;
}

Suite *suite(void)
{
	Suite *all = suite_create("findings of sockets");

	suite_add_tcase(all, rst_tests());
	suite_add_tcase(all, fw2_tests());
	return all;
}
