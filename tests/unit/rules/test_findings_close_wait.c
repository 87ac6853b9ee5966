/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * close-wait-leak: each severity, and the healthy that stay silent.
 */
#include "../harness.h"
#include "world.h"

#define RST TCPDIAG_RULE_RST_ON_CLOSE
#define LEAK TCPDIAG_RULE_CLOSE_WAIT_LEAK

static struct world *world;

static void setup(void)
{
	world = world_new(100);
}

static void teardown(void)
{
	world_free(world);
}

START_TEST(leak_inbound_information)
{
	uint32_t process = world_process(world, "postgres", "postgresql@15-main.service", 50, 1024);
	const struct finding *finding;

	/* A long query for a vanished client: end of file not read. */
	world_close_waits(world, process, 1, DIRECTION_INBOUND, 1);
	world_run(world, 299, 1);
	ck_assert_int_eq(world->count, 0);
	world_run(world, 1, 1);
	finding = world_expect(world, LEAK);
	ck_assert_int_eq(finding->severity, SEVERITY_INFO);
	ck_assert_double_eq(finding->evidence[EVIDENCE_EOF_UNREAD], 1);
	ck_assert_double_eq(finding->evidence[EVIDENCE_EOF_READ], 0);
	ck_assert_ptr_nonnull(strstr(world_text(world, finding->cause), "end of file not read"));
	/* Young ones beside it do not belong to it. */
	world_close_waits(world, process, 1, DIRECTION_INBOUND, 1);
	world_run(world, 100, 10);
	ck_assert_uint_eq(world_expect(world, LEAK)->count, 1);
	ck_assert_uint_eq(world_bits(world, LEAK), 1);
	world_run(world, 7200, 10);
	ck_assert_int_eq(world_severity(world, LEAK), SEVERITY_INFO);
	/* All closed: until it clears nothing is told that is not so any more. */
	world->record_count = 0;
	world_run(world, 10, 5);
	finding = world_expect(world, LEAK);
	ck_assert_str_eq(world_text(world, finding->summary),
			 "postgres (pid 1000, postgresql@15-main.service) has no such connection "
			 "in CLOSE-WAIT any "
			 "more");
	world->input.owners_pending = true;
	world_run(world, 5, 5);
	ck_assert_ptr_nonnull(
		strstr(world_text(world, world_expect(world, LEAK)->summary), "0 sockets"));
}
END_TEST

START_TEST(leak_inbound_stable_is_information)
{
	world_close_waits(world, world_process(world, "haproxy", "", 500, 65536), 400,
			  DIRECTION_INBOUND, 1);
	world_run(world, 7200, 10);
	ck_assert_int_eq(world_severity(world, LEAK), SEVERITY_INFO);
	ck_assert_uint_eq(world_expect(world, LEAK)->count, 400);
}
END_TEST

START_TEST(leak_inbound_warning_for_growth)
{
	uint32_t process = world_process(world, "haproxy", "haproxy.service", 900, 131072);
	const struct finding *finding;
	int i;

	world_close_waits(world, process, 20, DIRECTION_INBOUND, 0);
	for (i = 0; i < 30; i++) {
		world_run(world, 60, 10);
		/* It warms up: not before the window of 15 min. */
		if (world->now_ns - START_NS < 900 * NSEC_PER_SEC)
			ck_assert_int_lt(world_severity(world, LEAK), SEVERITY_WARNING);
		world_close_waits(world, process, 1, DIRECTION_INBOUND, 0);
	}
	finding = world_expect(world, LEAK);
	ck_assert_int_eq(finding->severity, SEVERITY_WARNING);
	ck_assert(shown(finding, EVIDENCE_GROWTH_PER_SECOND));
	ck_assert_double_eq_tol(finding->evidence[EVIDENCE_GROWTH_PER_SECOND], 1.0 / 60, 0.002);
	ck_assert_ptr_nonnull(strstr(world_text(world, finding->summary), "; growing 1/min"));
	ck_assert_ptr_nonnull(strstr(world_text(world, finding->cause), "forgotten (Recv-Q 0)"));
}
END_TEST

START_TEST(leak_inbound_below_20_or_slow_growth_is_none)
{
	uint32_t process = world_process(world, "a", "", 900, 131072);
	int i;

	/* 100, and 9 more in each 15 min: under the least growth. */
	world_close_waits(world, process, 100, DIRECTION_INBOUND, 0);
	for (i = 0; i < 60; i++) {
		world_run(world, 100, 10);
		world_close_waits(world, process, 1, DIRECTION_INBOUND, 0);
		ck_assert_int_lt(world_severity(world, LEAK), SEVERITY_WARNING);
	}
}
END_TEST

START_TEST(leak_by_share_of_descriptors)
{
	uint32_t process = world_process(world, "a", "", 100, 1000);

	world_close_waits(world, process, 99, _i ? DIRECTION_INBOUND : DIRECTION_OUTBOUND, 1);
	world_run(world, 70, 5);
	ck_assert_int_lt(world_severity(world, LEAK), SEVERITY_WARNING);
	world_close_waits(world, process, 1, _i ? DIRECTION_INBOUND : DIRECTION_OUTBOUND, 1);
	world_run(world, 65, 5);
	ck_assert_int_eq(world_severity(world, LEAK), SEVERITY_WARNING);
	ck_assert_ptr_nonnull(strstr(world_text(world, world_expect(world, LEAK)->summary),
				     "descriptors 10 % of 1,000"));
	world_close_waits(world, process, 400, _i ? DIRECTION_INBOUND : DIRECTION_OUTBOUND, 1);
	world_run(world, 65, 5);
	ck_assert_int_eq(world_severity(world, LEAK), SEVERITY_CRITICAL);
	ck_assert_uint_eq(world_bits(world, LEAK), 500);
}
END_TEST

START_TEST(leak_critical_when_descriptors_run_out)
{
	uint32_t process = world_process(world, "a", "", 400, 2000);
	int i;

	/* 0.5 a second: 900 in half an hour, 400 and more are in use. */
	for (i = 0; i < 42; i++) {
		ck_assert_int_lt(world_severity(world, LEAK), SEVERITY_CRITICAL);
		world->processes[process].descriptors = 400 + world->record_count;
		world_close_waits(world, process, 5, DIRECTION_INBOUND, 1);
		world_run(world, 10, 5);
	}
	world->processes[process].descriptors = 1200;
	for (i = 0; i < 10; i++) {
		world_close_waits(world, process, 5, DIRECTION_INBOUND, 1);
		world_run(world, 10, 5);
	}
	ck_assert_int_eq(world_severity(world, LEAK), SEVERITY_CRITICAL);
	ck_assert_ptr_nonnull(strstr(world_text(world, world_expect(world, LEAK)->summary),
				     "descriptors 60 % of 2,000, full in 27 min"));
}
END_TEST

/* It holds both ends of what it passes on: who does not close the other one is the cause. */
START_TEST(leak_of_a_proxy_that_waits_itself)
{
	uint32_t proxy = world_process(world, "haproxy", "", 100, 65536);
	uint32_t other = world_process(world, "app", "", 100, 65536);
	const struct finding *finding;
	int i;

	world_close_waits(world, proxy, 3, DIRECTION_INBOUND, 0);
	world_close_waits(world, other, 3, DIRECTION_INBOUND, 1);
	for (i = 0; i < 3; i++)
		world_socket(world, TCPDIAG_FIN_WAIT2, proxy);
	world_run(world, 310, 5);
	for (i = 0; i < world->count; i++) {
		bool is_proxy;

		finding = &world->snapshot.findings[i];
		if (finding->rule != LEAK)
			continue;
		is_proxy = finding->process == proxy;
		ck_assert_int_eq(is_proxy, !!strstr(world_text(world, finding->cause),
						    "waits in FIN-WAIT-2 for the end of 3 other "
						    "connections"));
		ck_assert_int_eq(is_proxy, !!strstr(world_text(world, finding->remedy),
						    "Look at fin-wait-2-stuck"));
	}
	ck_assert_int_eq(world->count, 3);
}
END_TEST

START_TEST(leak_outbound_pool)
{
	uint32_t process = world_process(world, "java", "app.service", 300, 65536);
	const struct finding *finding;

	/* Unread close_notify, stable: below 50 nothing, from 50 on information. */
	world_close_waits(world, process, 49, DIRECTION_OUTBOUND, 25);
	world_run(world, 7200, 10);
	ck_assert_int_eq(world->count, 0);
	world_close_waits(world, process, 1, DIRECTION_OUTBOUND, 32);
	world_run(world, 299, 10);
	ck_assert_int_eq(world->count, 0);
	world_run(world, 1, 1);
	finding = world_expect(world, LEAK);
	ck_assert_int_eq(finding->severity, SEVERITY_INFO);
	ck_assert_ptr_nonnull(strstr(world_text(world, finding->cause), "pool of connections"));
	ck_assert_int_eq(world_severity(world, RST), SEVERITY_NONE);
	world_run(world, 7200, 10);
	ck_assert_int_eq(world_severity(world, LEAK), SEVERITY_INFO);
}
END_TEST

START_TEST(leak_outbound_warning_needs_two_windows)
{
	uint32_t process = world_process(world, "java", "", 300, 1000000);
	int i, warned = 0;

	world_close_waits(world, process, 100, DIRECTION_OUTBOUND, 1);
	world_run(world, 2000, 10);
	for (i = 0; i < 32; i++) {
		/* 4 a minute: 60 in 15 min. */
		world_close_waits(world, process, 4, DIRECTION_OUTBOUND, 1);
		world_run(world, 60, 10);
		if (world_severity(world, LEAK) == SEVERITY_WARNING && !warned)
			warned = i + 1;
	}
	ck_assert_int_ge(warned, 20);
	ck_assert_int_le(warned, 23);
}
END_TEST

START_TEST(leak_outbound_one_step_is_no_growth)
{
	uint32_t process = world_process(world, "java", "", 300, 1000000);

	world_close_waits(world, process, 100, DIRECTION_OUTBOUND, 1);
	world_run(world, 2000, 10);
	world_close_waits(world, process, 300, DIRECTION_OUTBOUND, 1);
	world_run(world, 4000, 10);
	ck_assert_int_eq(world_severity(world, LEAK), SEVERITY_INFO);
}
END_TEST

START_TEST(leak_half_close_with_data_flowing_is_none)
{
	uint32_t process = world_process(world, "nginx", "", 300, 1000), i;

	/* A long answer, slowly, to clients that have shut their side. */
	world_close_waits(world, process, 200, DIRECTION_INBOUND, 0);
	for (i = 0; i < 100; i++) {
		for (uint32_t s = 0; s < world->record_count; s++)
			world->records[s].data_since_ns = world->now_ns;
		world_run(world, 50, 10);
		ck_assert_int_eq(world->count, 0);
	}
}
END_TEST

START_TEST(leak_unaccepted)
{
	uint32_t process = world_process(world, "uwsgi", "uwsgi.service", 10, 1024), i;
	struct record *listener = world_listener(world, process, 100);
	const struct finding *finding;

	for (i = 0; i < 10; i++) {
		struct record *record = world_socket(world, TCPDIAG_CLOSE_WAIT, RECORD_NONE);

		record->sk.attachment = TCPDIAG_UNACCEPTED;
		record->sk.inode = 0;
		record->sk.rqueue = 80;
		record->listener = 0;
	}
	world_run(world, 9, 1);
	ck_assert_int_eq(world->count, 0);
	world_run(world, 1, 1);
	finding = world_expect(world, LEAK);
	ck_assert_int_eq(finding->severity, SEVERITY_WARNING);
	ck_assert_int_eq(finding->scope, SCOPE_PROCESS);
	ck_assert_uint_eq(finding->process, process);
	ck_assert_double_eq(finding->evidence[EVIDENCE_UNACCEPTED], 10);
	ck_assert_double_eq(finding->evidence[EVIDENCE_EOF_UNREAD], 0);
	ck_assert_ptr_nonnull(strstr(world_text(world, finding->cause), "Never accepted"));
	listener->sk.rqueue = 101;
	world_run(world, 9, 1);
	ck_assert_int_eq(world_severity(world, LEAK), SEVERITY_WARNING);
	world_run(world, 2, 1);
	ck_assert_int_eq(world_severity(world, LEAK), SEVERITY_CRITICAL);
}
END_TEST

START_TEST(leak_unaccepted_of_unknown_process)
{
	uint32_t i;

	world_listener(world, RECORD_NONE, 100);
	for (i = 0; i < 10; i++) {
		struct record *record = world_socket(world, TCPDIAG_CLOSE_WAIT, RECORD_NONE);

		record->sk.attachment = TCPDIAG_UNACCEPTED;
		record->listener = 0;
	}
	world_run(world, 12, 1);
	ck_assert_int_eq(world->count, 1);
	ck_assert_int_eq(world->snapshot.findings[0].scope, SCOPE_LISTENER);
	ck_assert_uint_eq(world->snapshot.findings[0].process, RECORD_NONE);
	ck_assert_ptr_nonnull(strstr(world_text(world, world->snapshot.findings[0].summary),
				     "listens on 10.0.0.1:443"));
}
END_TEST

START_TEST(leak_nine_unaccepted_are_none)
{
	uint32_t i;

	world_listener(world, world_process(world, "a", "", 1, 1024), 100);
	for (i = 0; i < 9; i++) {
		struct record *record = world_socket(world, TCPDIAG_CLOSE_WAIT, RECORD_NONE);

		record->sk.attachment = TCPDIAG_UNACCEPTED;
		record->listener = 0;
	}
	world_run(world, 600, 5);
	ck_assert_int_eq(world->count, 0);
	/* That the queue is full besides is another finding. */
	world->records[0].sk.rqueue = 101;
	world_run(world, 60, 5);
	ck_assert_int_eq(world_severity(world, LEAK), SEVERITY_NONE);
	ck_assert_int_eq(world_severity(world, TCPDIAG_RULE_LISTENER_QUEUE_AT_RISK),
			 SEVERITY_CRITICAL);
}
END_TEST

START_TEST(leak_parts_make_one_finding)
{
	uint32_t process = world_process(world, "haproxy", "", 500, 65536), i;

	world_listener(world, process, 100);
	world_close_waits(world, process, 3, DIRECTION_INBOUND, 0);
	world_close_waits(world, process, 60, DIRECTION_OUTBOUND, 1);
	for (i = 0; i < 10; i++) {
		struct record *record = world_socket(world, TCPDIAG_CLOSE_WAIT, RECORD_NONE);

		record->sk.attachment = TCPDIAG_UNACCEPTED;
		record->listener = 0;
	}
	world_run(world, 310, 5);
	ck_assert_int_eq(world->count, 1);
	ck_assert_uint_eq(world->snapshot.findings[0].count, 73);
	ck_assert_int_eq(world->snapshot.findings[0].severity, SEVERITY_WARNING);
	ck_assert_uint_eq(world_bits(world, LEAK), 73);
}
END_TEST

static TCase *leak_tests(void)
{
	TCase *tests = tcase_create("close-wait-leak");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, leak_inbound_information);
	tcase_add_test(tests, leak_inbound_stable_is_information);
	tcase_add_test(tests, leak_inbound_warning_for_growth);
	tcase_add_test(tests, leak_inbound_below_20_or_slow_growth_is_none);
	tcase_add_loop_test(tests, leak_by_share_of_descriptors, 0, 2);
	tcase_add_test(tests, leak_critical_when_descriptors_run_out);
	tcase_add_test(tests, leak_of_a_proxy_that_waits_itself);
	tcase_add_test(tests, leak_outbound_pool);
	tcase_add_test(tests, leak_outbound_warning_needs_two_windows);
	tcase_add_test(tests, leak_outbound_one_step_is_no_growth);
	tcase_add_test(tests, leak_half_close_with_data_flowing_is_none);
	tcase_add_test(tests, leak_unaccepted);
	tcase_add_test(tests, leak_unaccepted_of_unknown_process);
	tcase_add_test(tests, leak_nine_unaccepted_are_none);
	tcase_add_test(tests, leak_parts_make_one_finding);
	return tests;
}

Suite *suite(void)
{
	Suite *all = suite_create("findings of CLOSE-WAIT");

	suite_add_tcase(all, leak_tests());
	return all;
}
