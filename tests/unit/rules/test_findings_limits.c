/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orphan-accumulation and listener-queue-at-risk: each severity, bursts and small queues that stay silent.
 */
#include "../harness.h"
#include "world.h"

#define ORPHANS TCPDIAG_RULE_ORPHAN_ACCUMULATION
#define QUEUE TCPDIAG_RULE_LISTENER_QUEUE_AT_RISK

static struct world *world;

static void setup(void)
{
	world = world_new(100);
}

static void teardown(void)
{
	world_free(world);
}

static void set_orphans(uint64_t count, double growth)
{
	world->orphans.count = world->environment.orphans = count;
	world->orphans.growth_known = true;
	world->orphans.growth_per_second = growth;
}

/* ---- orphan-accumulation, of 131,072: a quarter is 32,768, a half 65,536 ---- */

static const struct {
	uint64_t count;
	double growth;
	int severity; /* after two minutes */
} orphan_rows[] = {
	{ 0, 0, SEVERITY_NONE },	 { 3000, 0, SEVERITY_NONE }, /* a flat 2 %: lost mobiles */
	{ 999, 100, SEVERITY_NONE }, /* too few */
	{ 1000, 8.8, SEVERITY_NONE }, /* 32,680 in an hour */
	{ 1000, 8.9, SEVERITY_INFO },	 { 1000, 52, SEVERITY_INFO }, /* 32,200 in ten minutes */
	{ 1000, 53, SEVERITY_WARNING },	 { 32767, 0, SEVERITY_NONE },
	{ 32768, 0, SEVERITY_WARNING },	 { 65535, 0, SEVERITY_WARNING },
	{ 65536, 0, SEVERITY_CRITICAL }, { 70112, 160, SEVERITY_CRITICAL },
};

START_TEST(orphan_row)
{
	set_orphans(orphan_rows[_i].count, orphan_rows[_i].growth);
	world_run(world, 120, 1);
	ck_assert_int_eq(world_severity(world, ORPHANS), orphan_rows[_i].severity);
}
END_TEST

START_TEST(orphan_growth_has_to_last)
{
	set_orphans(5000, 500);
	world_run(world, 59, 1);
	ck_assert_int_eq(world->count, 0);
	set_orphans(5000, 0);
	world_run(world, 1, 1);
	set_orphans(5000, 500);
	world_run(world, 59, 1);
	ck_assert_int_eq(world->count, 0);
	world_run(world, 5, 1);
	ck_assert_int_eq(world_severity(world, ORPHANS), SEVERITY_WARNING);
}
END_TEST

START_TEST(orphan_kills_are_critical)
{
	set_orphans(10, 0);
	world->rates.value[COUNTER_ABORT_ON_MEMORY] = 1;
	world_run(world, 1, 1);
	ck_assert_int_eq(world_severity(world, ORPHANS), SEVERITY_CRITICAL);
	ck_assert_ptr_nonnull(
		strstr(world_text(world, world_expect(world, ORPHANS)->cause), "TCPAbortOnMemory"));
	world->rates.value[COUNTER_ABORT_ON_MEMORY] = 0;
	world_run(world, 59, 1);
	ck_assert_int_eq(world->count, 1);
	world_run(world, 2, 1);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

START_TEST(orphan_sentences)
{
	const struct finding *finding;
	uint32_t nginx = world_process(world, "nginx", "nginx.service", 5, 1024);
	uint32_t haproxy = world_process(world, "haproxy", "haproxy.service", 5, 1024), i;

	for (i = 0; i < 100; i++) {
		struct record *record = world_socket(
			world, i < 90 ? TCPDIAG_FIN_WAIT1 : TCPDIAG_LAST_ACK, RECORD_NONE);

		record->sk.attachment = TCPDIAG_ORPHAN;
		record->sk.inode = 0;
		record->creator = i < 95 ? haproxy : nginx;
	}
	set_orphans(70112, 160);
	world_run(world, 1, 1);
	finding = world_expect(world, ORPHANS);
	ck_assert_int_eq(finding->scope, SCOPE_HOST);
	ck_assert_uint_eq(finding->netns, 0);
	ck_assert_uint_eq(finding->count, 70112);
	ck_assert_uint_eq(finding->process, haproxy);
	ck_assert_str_eq(world_text(world, finding->unit), "haproxy.service");
	ck_assert_str_eq(world_text(world, finding->summary),
			 "70,112 orphaned sockets of 131,072 (53 %) (FIN-WAIT-1 90, LAST-ACK 10); "
			 "growing 160/s, at the limit in 381 s");
	ck_assert_ptr_nonnull(strstr(world_text(world, finding->cause),
				     "Created by haproxy.service 95 % (FIN-WAIT-1 90, LAST-ACK 5), "
				     "nginx.service 5 % (LAST-ACK 5)."));
	ck_assert_ptr_nonnull(
		strstr(world_text(world, finding->cause), "TCP: too many orphaned sockets"));
	ck_assert_double_eq_tol(finding->evidence[EVIDENCE_SECONDS_TO_LIMIT], 381, 0.01);
	ck_assert_double_eq(finding->evidence[EVIDENCE_LIMIT], 131072);
	ck_assert_double_eq_tol(finding->evidence[EVIDENCE_RATIO], 0.5349, 0.0001);
	ck_assert_double_eq_tol(finding->evidence[EVIDENCE_CREATOR_RATIO], 0.95, 0.0001);
	ck_assert_double_eq(finding->evidence[EVIDENCE_CREATOR_UNKNOWN], 0);
	ck_assert_uint_eq(world_bits(world, ORPHANS), 100);
}
END_TEST

START_TEST(orphan_unknown_keeps_what_was)
{
	set_orphans(70112, 160);
	world_run(world, 5, 1);
	ck_assert_int_eq(world_severity(world, ORPHANS), SEVERITY_CRITICAL);
	world->orphans.count_known = false;
	world->environment.known = 0;
	world->rates.known = 0;
	world_run(world, 500, 1);
	ck_assert_int_eq(world_severity(world, ORPHANS), SEVERITY_CRITICAL);
	world->orphans.count_known = true;
	world->environment.known = TCPDIAG_ENV_ORPHANS;
	set_orphans(0, 0);
	world_run(world, 62, 1);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

START_TEST(orphan_limit_of_a_child_namespace_is_not_known)
{
	world->environment.known = 0;
	set_orphans(1000000, 10000);
	world_run(world, 600, 1);
	ck_assert_int_eq(world->count, 0);
	ck_assert(world->snapshot.header->findings_partly & finding_bit(ORPHANS));
	ck_assert(!(world->snapshot.header->findings_blind & finding_bit(ORPHANS)));
	/* What does not need it is found, and goes. */
	world->rates.value[COUNTER_ABORT_ON_MEMORY] = 1;
	world_run(world, 1, 1);
	ck_assert_int_eq(world_severity(world, ORPHANS), SEVERITY_CRITICAL);
	world->rates.value[COUNTER_ABORT_ON_MEMORY] = 0;
	world_run(world, 62, 1);
	ck_assert_int_eq(world_severity(world, ORPHANS), SEVERITY_NONE);
	world->environment.known = TCPDIAG_ENV_ORPHANS;
	world_run(world, 1, 1);
	ck_assert(!(world->snapshot.header->findings_partly & finding_bit(ORPHANS)));
}
END_TEST

/* ---- listener-queue-at-risk ---- */

START_TEST(queue_information_in_two_looks)
{
	uint32_t process = world_process(world, "uwsgi", "uwsgi.service", 5, 1024);
	struct record *listener = world_listener(world, process, 100);
	const struct finding *finding;

	listener->sk.rqueue = 50;
	world_run(world, 1, 1);
	ck_assert_int_eq(world->count, 0);
	world_run(world, 1, 1);
	finding = world_expect(world, QUEUE);
	ck_assert_int_eq(finding->severity, SEVERITY_INFO);
	ck_assert_int_eq(finding->scope, SCOPE_LISTENER);
	ck_assert_uint_eq(finding->process, process);
	ck_assert_uint_eq(finding->socket, 0);
	ck_assert_double_eq(finding->evidence[EVIDENCE_WAITING], 50);
	ck_assert_double_eq(finding->evidence[EVIDENCE_LIMIT], 100);
	ck_assert_double_eq(finding->evidence[EVIDENCE_RATIO], 0.5);
	ck_assert_ptr_nonnull(strstr(world_text(world, finding->summary),
				     "uwsgi (pid 1000, uwsgi.service): accept queue of "
				     "10.0.0.1:443 at 50/100 (50 %)"));
	ck_assert_uint_eq(world_bits(world, QUEUE), 1);
	world_run(world, 600, 1);
	ck_assert_int_eq(world_severity(world, QUEUE), SEVERITY_INFO);
}
END_TEST

/* What a queue of that limit and filling is after so many seconds. */
static const struct {
	uint32_t limit, waiting;
	int seconds;
	int severity;
} queue_rows[] = {
	{ 100, 49, 100, SEVERITY_NONE },
	{ 100, 100, 1, SEVERITY_NONE }, /* one look is never enough */
	{ 100, 101, 1, SEVERITY_NONE },
	{ 100, 79, 100, SEVERITY_INFO },
	{ 100, 80, 5, SEVERITY_INFO },
	{ 100, 80, 6, SEVERITY_WARNING },
	{ 100, 100, 100, SEVERITY_WARNING }, /* at its limit it is not full yet */
	{ 100, 101, 10, SEVERITY_WARNING },
	{ 100, 101, 11, SEVERITY_CRITICAL },
	{ 4096, 4097, 11, SEVERITY_CRITICAL },
	{ 10, 7, 100, SEVERITY_NONE }, /* fewer than 8 waiting */
	{ 5, 5, 100, SEVERITY_NONE }, /* a small one: only when it stays full */
	{ 5, 6, 10, SEVERITY_NONE },
	{ 5, 6, 11, SEVERITY_CRITICAL },
	{ 0, 0, 100, SEVERITY_NONE },
	{ 0, 1, 11, SEVERITY_CRITICAL },
};

START_TEST(queue_row)
{
	uint32_t process = world_process(world, "a", "", 5, 1024);

	world_listener(world, process, queue_rows[_i].limit)->sk.rqueue = queue_rows[_i].waiting;
	world_run(world, queue_rows[_i].seconds, 1);
	ck_assert_int_eq(world_severity(world, QUEUE), queue_rows[_i].severity);
}
END_TEST

START_TEST(queue_full_is_said)
{
	world_listener(world, RECORD_NONE, 100)->sk.rqueue = 101;
	world_run(world, 23, 1);
	ck_assert_ptr_nonnull(strstr(world_text(world, world_expect(world, QUEUE)->summary),
				     "at 101/100 FULL for 22 s"));
	ck_assert_int_eq(world_expect(world, QUEUE)->scope, SCOPE_LISTENER);
	ck_assert_uint_eq(world_expect(world, QUEUE)->process, RECORD_NONE);
}
END_TEST

START_TEST(queue_bursts_of_one_look_are_none)
{
	struct record *listener = world_listener(world, world_process(world, "wrk", "", 5, 1024),
						 100);
	int i;

	for (i = 0; i < 500; i++) {
		listener->sk.rqueue = i % 2 ? 0 : 101;
		world_run(world, 1, 1);
		ck_assert_int_eq(world->count, 0);
	}
}
END_TEST

START_TEST(queue_drops_are_laid_to_who_was_half_full)
{
	struct record *idle = world_listener(world, world_process(world, "idle", "", 5, 9), 100);
	struct record *busy = world_listener(world, world_process(world, "busy", "", 5, 9), 100);

	idle->sk.rqueue = 3;
	busy->sk.rqueue = 60;
	world_run(world, 1, 1);
	busy->sk.rqueue = 0;
	world_run(world, 30, 1);
	ck_assert_int_eq(world->count, 0);
	world->rates.value[COUNTER_LISTEN_OVERFLOWS] = 120;
	world_run(world, 1, 1);
	ck_assert_int_eq(world->count, 1);
	ck_assert_int_eq(world_severity(world, QUEUE), SEVERITY_WARNING);
	ck_assert_uint_eq(world_expect(world, QUEUE)->process, 1);
	ck_assert_double_eq(world_expect(world, QUEUE)->evidence[EVIDENCE_OVERFLOWS_PER_SECOND], 2);
	ck_assert_ptr_nonnull(strstr(world_text(world, world_expect(world, QUEUE)->summary),
				     "120 connections dropped by all listeners here in the "
				     "last minute"));
}
END_TEST

START_TEST(queue_drops_of_nobody_are_the_namespaces)
{
	world_listener(world, world_process(world, "idle", "", 5, 9), 100);
	world->rates.value[COUNTER_LISTEN_DROPS] = 5;
	world_run(world, 60, 1);
	ck_assert_int_eq(world->count, 1);
	ck_assert_int_eq(world_severity(world, QUEUE), SEVERITY_WARNING);
	ck_assert_int_eq(world_expect(world, QUEUE)->scope, SCOPE_NETNS);
	ck_assert_uint_eq(world_expect(world, QUEUE)->netns, NETNS);
	ck_assert_uint_eq(world_expect(world, QUEUE)->process, RECORD_NONE);
	world->rates.value[COUNTER_LISTEN_DROPS] = 0;
	world_run(world, 61, 1);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

START_TEST(queue_drops_in_three_minutes_are_critical)
{
	struct record *listener = world_listener(world, world_process(world, "busy", "", 5, 9),
						 100);
	int i;

	world->rates.value[COUNTER_LISTEN_OVERFLOWS] = 3;
	for (i = 0; i < 180; i++) {
		listener->sk.rqueue = i % 2 ? 60 : 0;
		world_run(world, 1, 1);
		ck_assert_int_lt(world_severity(world, QUEUE), SEVERITY_CRITICAL);
	}
	world_run(world, 2, 1);
	ck_assert_int_eq(world_severity(world, QUEUE), SEVERITY_CRITICAL);
	ck_assert_uint_eq(world_expect(world, QUEUE)->process, 0);
}
END_TEST

START_TEST(queue_of_a_small_full_listener_explains_its_drops)
{
	struct record *listener = world_listener(world, world_process(world, "gdb", "", 5, 9), 1);

	listener->sk.rqueue = 2;
	world->rates.value[COUNTER_LISTEN_OVERFLOWS] = 1;
	world_run(world, 5, 1);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

START_TEST(queue_one_finding_a_process)
{
	uint32_t process = world_process(world, "nginx", "nginx.service", 5, 1024);

	world_listener(world, process, 100)->sk.rqueue = 60;
	world_listener(world, process, 100)->sk.rqueue = 101;
	world_listener(world, process, 100)->sk.rqueue = 1;
	world_run(world, 15, 1);
	ck_assert_int_eq(world->count, 1);
	ck_assert_int_eq(world->snapshot.findings[0].severity, SEVERITY_CRITICAL);
	ck_assert_uint_eq(world->snapshot.findings[0].count, 2);
	ck_assert_uint_eq(world->snapshot.findings[0].socket, 1);
	ck_assert_uint_eq(world_bits(world, QUEUE), 2);
}
END_TEST

START_TEST(queue_clears_step_by_step)
{
	struct record *listener = world_listener(world, world_process(world, "a", "", 5, 1024),
						 100);

	listener->sk.rqueue = 101;
	world_run(world, 20, 1);
	ck_assert_int_eq(world_severity(world, QUEUE), SEVERITY_CRITICAL);
	/* Above 70 % of full it stays as it is. */
	listener->sk.rqueue = 71;
	world_run(world, 300, 1);
	ck_assert_int_eq(world_severity(world, QUEUE), SEVERITY_CRITICAL);
	/* Above 56 it is a warning, after the hold; above 35 information. */
	listener->sk.rqueue = 60;
	world_run(world, 60, 1);
	ck_assert_int_eq(world_severity(world, QUEUE), SEVERITY_CRITICAL);
	world_run(world, 1, 1);
	ck_assert_int_eq(world_severity(world, QUEUE), SEVERITY_WARNING);
	listener->sk.rqueue = 36;
	world_run(world, 61, 1);
	ck_assert_int_eq(world_severity(world, QUEUE), SEVERITY_INFO);
	listener->sk.rqueue = 0;
	world_run(world, 60, 1);
	ck_assert_int_eq(world_severity(world, QUEUE), SEVERITY_INFO);
	world_run(world, 1, 1);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

START_TEST(queue_steps_down_to_the_most_of_the_hold)
{
	struct record *listener = world_listener(world, world_process(world, "a", "", 5, 1024),
						 100);

	listener->sk.rqueue = 101;
	world_run(world, 20, 1);
	listener->sk.rqueue = 0;
	world_run(world, 30, 1);
	listener->sk.rqueue = 60;
	world_run(world, 2, 1);
	listener->sk.rqueue = 0;
	world_run(world, 28, 1);
	ck_assert_int_eq(world_severity(world, QUEUE), SEVERITY_CRITICAL);
	world_run(world, 1, 1);
	ck_assert_int_eq(world_severity(world, QUEUE), SEVERITY_WARNING);
	world_run(world, 60, 1);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

START_TEST(queue_one_look_is_taken_once)
{
	world_listener(world, world_process(world, "a", "", 5, 1024), 100)->sk.rqueue = 60;
	world_run(world, 1, 1);
	world->swept_ns = world->now_ns;
	world_run(world, 30, 1);
	ck_assert_int_eq(world->count, 0);
	world->swept_ns = 0;
	world_run(world, 1, 1);
	ck_assert_int_eq(world->count, 1);
}
END_TEST

START_TEST(queue_that_was_never_at_risk_does_not_belong)
{
	uint32_t process = world_process(world, "a", "", 5, 1024);
	struct record *passing = world_listener(world, process, 100);

	world_listener(world, process, 100)->sk.rqueue = 60;
	passing->sk.rqueue = 60;
	world_run(world, 1, 1);
	passing->sk.rqueue = 45;
	world_run(world, 100, 1);
	ck_assert_uint_eq(world_expect(world, QUEUE)->count, 1);
	ck_assert_uint_eq(world_bits(world, QUEUE), 1);
}
END_TEST

/* Each namespace has its own counters: what one drops is laid to listeners there, or to nobody. */
START_TEST(queue_drops_by_namespace)
{
	uint32_t process = world_process(world, "a", "", 5, 1024);
	struct namespace rows[3] = { { .inode = 42 }, { .inode = 43 }, { .inode = NETNS } };
	struct record *listener = world_listener(world, process, 100);
	const struct finding *finding;
	int i;

	listener->sk.netns = 42;
	for (i = 0; i < 3; i++)
		rows[i].rates.known = 1U << COUNTER_LISTEN_OVERFLOWS;
	world->input.namespaces = rows;
	world->input.namespace_count = 3;
	rows[1].rates.value[COUNTER_LISTEN_OVERFLOWS] = 3;
	for (i = 0; i < 10; i++) {
		listener->sk.rqueue = i % 2 ? 60 : 0;
		world_run(world, 1, 1);
	}
	ck_assert_int_eq(world->count, 1);
	finding = world_expect(world, QUEUE);
	ck_assert_int_eq(finding->scope, SCOPE_NETNS);
	ck_assert_uint_eq(finding->netns, 43);
	ck_assert_ptr_nonnull(strstr(world_text(world, finding->summary),
				     "Listeners in network namespace 43 dropped connections"));

	/* Now it is that of the listener, and the other one is gone. */
	rows[1] = rows[2];
	rows[0].rates.value[COUNTER_LISTEN_OVERFLOWS] = 6;
	world->input.namespace_count = 2;
	for (i = 0; i < 70; i++) {
		listener->sk.rqueue = i % 2 ? 60 : 0;
		world_run(world, 1, 1);
	}
	ck_assert_int_eq(world->count, 1);
	finding = world_expect(world, QUEUE);
	ck_assert_uint_eq(finding->process, process);
	ck_assert_int_eq(finding->severity, SEVERITY_WARNING);
	ck_assert_double_eq(finding->evidence[EVIDENCE_OVERFLOWS_PER_SECOND], 0.1);
}
END_TEST

static TCase *orphan_tests(void)
{
	TCase *tests = tcase_create("orphan-accumulation");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, orphan_row, 0, ARRAY_SIZE(orphan_rows));
	tcase_add_test(tests, orphan_growth_has_to_last);
	tcase_add_test(tests, orphan_kills_are_critical);
	tcase_add_test(tests, orphan_sentences);
	tcase_add_test(tests, orphan_unknown_keeps_what_was);
	tcase_add_test(tests, orphan_limit_of_a_child_namespace_is_not_known);
	return tests;
}

static TCase *queue_tests(void)
{
	TCase *tests = tcase_create("listener-queue-at-risk");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, queue_information_in_two_looks);
	tcase_add_loop_test(tests, queue_row, 0, ARRAY_SIZE(queue_rows));
	tcase_add_test(tests, queue_full_is_said);
	tcase_add_test(tests, queue_bursts_of_one_look_are_none);
	tcase_add_test(tests, queue_drops_are_laid_to_who_was_half_full);
	tcase_add_test(tests, queue_drops_of_nobody_are_the_namespaces);
	tcase_add_test(tests, queue_drops_in_three_minutes_are_critical);
	tcase_add_test(tests, queue_of_a_small_full_listener_explains_its_drops);
	tcase_add_test(tests, queue_one_finding_a_process);
	tcase_add_test(tests, queue_clears_step_by_step);
	tcase_add_test(tests, queue_steps_down_to_the_most_of_the_hold);
	tcase_add_test(tests, queue_one_look_is_taken_once);
	tcase_add_test(tests, queue_that_was_never_at_risk_does_not_belong);
	tcase_add_test(tests, queue_drops_by_namespace);
	return tests;
}

Suite *suite(void)
{
	Suite *all = suite_create("findings of limits");

	suite_add_tcase(all, orphan_tests());
	suite_add_tcase(all, queue_tests());
	return all;
}
