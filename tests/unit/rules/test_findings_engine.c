/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine of findings: hysteresis, grouping, identity, bounded memory, broken input.
 */
#include <math.h>

#include "../harness.h"
#include "rules/family.h"
#include "rules/sentence.h"
#include "rules/trend.h"
#include "world.h"

#define FW2 TCPDIAG_RULE_FIN_WAIT2_STUCK
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

static void add(enum tcpdiag_state state, uint32_t process, int count)
{
	while (count--)
		world_socket(world, state, process);
}

/* ---- hysteresis ---- */

START_TEST(cleared_below_70_percent_for_a_minute)
{
	const struct finding *finding;
	int64_t raised;
	uint64_t id;

	add(TCPDIAG_FIN_WAIT2, world_process(world, "envoy", "", 5, 100000), 20);
	world_run(world, 300, 5);
	finding = world_expect(world, FW2);
	ck_assert_int_eq(finding->severity, SEVERITY_WARNING);
	id = finding->id;
	raised = finding->since_ns;
	ck_assert_uint_ne(id, 0);
	ck_assert_int_eq(raised, START_NS + 120 * NSEC_PER_SEC);
	/* 14 of 20: as it was. */
	world->record_count = 14;
	world_run(world, 600, 5);
	ck_assert_int_eq(world_severity(world, FW2), SEVERITY_WARNING);
	ck_assert_uint_eq(world_expect(world, FW2)->count, 14);
	/* 13: a warning for a minute more, then information. */
	world->record_count = 13;
	world_run(world, 60, 5);
	ck_assert_int_eq(world_severity(world, FW2), SEVERITY_WARNING);
	world_run(world, 5, 5);
	ck_assert_int_eq(world_severity(world, FW2), SEVERITY_INFO);
	ck_assert_uint_eq(world_expect(world, FW2)->id, id);
	ck_assert_int_eq(world_expect(world, FW2)->since_ns, raised);
	/* None left: shown for a minute, and said so. */
	world->record_count = 0;
	world_run(world, 60, 5);
	finding = world_expect(world, FW2);
	ck_assert_uint_eq(finding->count, 0);
	ck_assert_uint_eq(finding->socket, RECORD_NONE);
	ck_assert_ptr_nonnull(strstr(world_text(world, finding->summary), "envoy (pid 1000)"));
	ck_assert_ptr_nonnull(strstr(world_text(world, finding->cause), "clears after 60 s"));
	world_run(world, 5, 5);
	ck_assert_int_eq(world->count, 0);
	ck_assert_uint_eq(findings_raised(world->findings, FW2), 1);
}
END_TEST

START_TEST(coming_back_within_the_hold_is_the_same_finding)
{
	uint64_t id;
	int i;

	add(TCPDIAG_FIN_WAIT2, world_process(world, "envoy", "", 5, 100000), 1);
	world_run(world, 130, 5);
	id = world_expect(world, FW2)->id;
	for (i = 0; i < 20; i++) {
		world->record_count = 0;
		world_run(world, 55, 5);
		world->record_count = 1;
		world_run(world, 5, 5);
		ck_assert_uint_eq(world_expect(world, FW2)->id, id);
	}
	ck_assert_uint_eq(findings_raised(world->findings, FW2), 1);
	/* After it has been cleared it is another one. */
	world->record_count = 0;
	world_run(world, 70, 5);
	ck_assert_int_eq(world->count, 0);
	world->record_count = 1;
	world_run(world, 5, 5);
	ck_assert_uint_ne(world_expect(world, FW2)->id, id);
	ck_assert_uint_eq(findings_raised(world->findings, FW2), 2);
	ck_assert_uint_eq(findings_raised(world->findings, LEAK), 0);
	ck_assert_uint_eq(findings_raised(world->findings, TCPDIAG_RULE_CLOSE_FIN), 0);
}
END_TEST

/* By a name that people know, where there is one; a container's id as they write it. */
START_TEST(a_container_is_named)
{
	static const struct {
		const char *unit, *container, *title, *who;
	} names[] = {
		{ "", "", "", "envoy (pid 1000) " },
		{ "", "3f9c0a11deadbeef", "", "envoy (pid 1000, container 3f9c0a11dead) " },
		{ "", "3f9c0a11deadbeef", "payments/api-7d9f-x2/envoy",
		  "envoy (pid 1000, payments/api-7d9f-x2/envoy) " },
		{ "web.service", "3f9c0a11deadbeef", "web-1",
		  "envoy (pid 1000, web.service, web-1) " },
	};
	const char *summary;

	strcpy(world->container[0], names[_i].container);
	strcpy(world->title[0], names[_i].title);
	add(TCPDIAG_FIN_WAIT2, world_process(world, "envoy", names[_i].unit, 5, 100000), 1);
	world_run(world, 130, 5);
	summary = world_text(world, world_expect(world, FW2)->summary);
	ck_assert_msg(strstr(summary, names[_i].who), "%s", summary);
}
END_TEST

START_TEST(a_vanished_process_is_named_to_the_end)
{
	add(TCPDIAG_FIN_WAIT2, world_process(world, "envoy", "envoy.service", 5, 100000), 1);
	world_run(world, 130, 5);
	world->record_count = world->process_count = 0;
	world_run(world, 30, 5);
	ck_assert_ptr_nonnull(strstr(world_text(world, world_expect(world, FW2)->summary),
				     "envoy (pid 1000, envoy.service)"));
	ck_assert_uint_eq(world_expect(world, FW2)->process, RECORD_NONE);
	ck_assert_str_eq(world_text(world, world_expect(world, FW2)->unit), "envoy.service");
}
END_TEST

START_TEST(thresholds_come_from_the_caller)
{
	world->thresholds.fw2_info_age = 7 * NSEC_PER_SEC;
	world->thresholds.clear_hold = 2 * NSEC_PER_SEC;
	add(TCPDIAG_FIN_WAIT2, RECORD_NONE, 1);
	world_run(world, 7, 1);
	ck_assert_int_eq(world->count, 1);
	world->record_count = 0;
	world_run(world, 3, 1);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

/* ---- grouping ---- */

START_TEST(one_finding_per_process_and_rule)
{
	uint32_t a = world_process(world, "a", "", 5, 100000);
	uint32_t b = world_process(world, "b", "", 5, 100000), i;

	add(TCPDIAG_FIN_WAIT2, a, 3);
	add(TCPDIAG_FIN_WAIT2, b, 5);
	add(TCPDIAG_CLOSE_WAIT, b, 2);
	world_run(world, 400, 5);
	ck_assert_int_eq(world->count, 3);
	/* The worst first, then the most. */
	ck_assert_uint_eq(world->snapshot.findings[0].count, 5);
	ck_assert_uint_eq(world->snapshot.findings[1].count, 3);
	ck_assert_uint_eq(world->snapshot.findings[2].count, 2);
	for (i = 0; i < 3; i++)
		ck_assert_uint_eq(world->snapshot.findings[i].process, i == 1 ? a : b);
	ck_assert_uint_ne(world->snapshot.findings[0].id, world->snapshot.findings[2].id);
}
END_TEST

START_TEST(a_reused_pid_is_another_process)
{
	uint32_t process = world_process(world, "a", "", 5, 100000);
	uint64_t id;

	add(TCPDIAG_FIN_WAIT2, process, 1);
	world_run(world, 130, 5);
	id = world_expect(world, FW2)->id;
	world->processes[process].start_time++;
	world_run(world, 5, 5);
	ck_assert_int_eq(world->count, 2);
	world_run(world, 70, 5);
	ck_assert_int_eq(world->count, 1);
	ck_assert_uint_ne(world->snapshot.findings[0].id, id);
}
END_TEST

START_TEST(without_a_process_by_listener_or_namespace)
{
	uint32_t i;

	world_listener(world, RECORD_NONE, 100);
	add(TCPDIAG_FIN_WAIT2, RECORD_NONE, 4);
	for (i = 1; i < 3; i++)
		world->records[i].listener = 0;
	world->records[4].sk.netns = 42;
	world_run(world, 130, 5);
	ck_assert_int_eq(world->count, 3);
	ck_assert_uint_eq(world->snapshot.findings[0].count, 2);
	ck_assert_int_eq(world->snapshot.findings[0].scope, SCOPE_LISTENER);
	ck_assert_int_eq(world->snapshot.findings[1].scope, SCOPE_NETNS);
	ck_assert_int_eq(world->snapshot.findings[2].scope, SCOPE_NETNS);
	for (i = 0; i < 3; i++)
		ck_assert_uint_eq(world->snapshot.findings[i].process, RECORD_NONE);
}
END_TEST

START_TEST(owners_found_late_are_no_growth)
{
	uint32_t process = world_process(world, "a", "", 60, 100000), i;

	/* Unknown for three minutes, then known: 30 sockets that were there all along. */
	add(TCPDIAG_CLOSE_WAIT, RECORD_NONE, 30);
	world_run(world, 180, 5);
	for (i = 0; i < 30; i++) {
		world->records[i].holder = process;
		world->records[i].holders = 1;
		world->records[i].flags |= RECORD_OWNERS_KNOWN;
	}
	for (i = 0; i < 30; i++) {
		world_run(world, 100, 5);
		ck_assert_int_lt(world_severity(world, LEAK), SEVERITY_WARNING);
	}
	ck_assert_int_eq(world->count, 1);
	ck_assert_uint_eq(findings_raised(world->findings, LEAK), 1);
}
END_TEST

START_TEST(sockets_of_a_sharer_that_ended_are_no_growth)
{
	uint32_t a = world_process(world, "a", "", 60, 100000);
	uint32_t b = world_process(world, "b", "", 60, 100000), i;

	world_run(world, 1800, 10);
	add(TCPDIAG_CLOSE_WAIT, a, 30);
	world_run(world, 3000, 10);
	for (i = 0; i < 30; i++)
		world->records[i].holder = b;
	for (i = 0; i < 30; i++) {
		world_run(world, 100, 10);
		ck_assert_int_eq(world_severity(world, LEAK), SEVERITY_INFO);
	}
	ck_assert_int_eq(world->count, 1);
	ck_assert_uint_eq(world->snapshot.findings[0].process, b);
}
END_TEST

START_TEST(growth_from_nothing_is_growth)
{
	uint32_t process = world_process(world, "a", "", 60, 100000);

	/* The engine has looked for half an hour and there was nothing. */
	world_run(world, 1800, 10);
	add(TCPDIAG_CLOSE_WAIT, process, 25);
	world_run(world, 70, 10);
	ck_assert_int_eq(world_severity(world, LEAK), SEVERITY_WARNING);
}
END_TEST

/* ---- broken and bounded ---- */

START_TEST(rows_out_of_bounds_are_nobody)
{
	add(TCPDIAG_FIN_WAIT2, RECORD_NONE, 3);
	world->records[0].holder = 12345;
	world->records[0].holders = 3;
	world->records[1].listener = 54321;
	world->records[2].creator = 999;
	world->records[2].sk.state = 200;
	world_run(world, 200, 10);
	ck_assert_int_eq(world->count, 1);
	ck_assert_uint_eq(world->snapshot.findings[0].count, 2);
}
END_TEST

START_TEST(missing_sources_are_no_crash)
{
	add(TCPDIAG_FIN_WAIT1, RECORD_NONE, 3);
	world_round(world);
	world->input.environment = NULL;
	world->input.rates = NULL;
	world->input.orphans = NULL;
	free(world->block);
	world->block = NULL;
	world->w = (struct snapshot_writer){ .max_records = 1,
					     .grow = world_grow,
					     .context = world,
					     .string_max = 4096,
					     .limits = world->limits };
	ck_assert_int_eq(snapshot_begin(&world->w), 0);
	ck_assert_int_eq(
		findings_evaluate(world->findings, &world->thresholds, &world->input, &world->w),
		0);
	snapshot_writer_done(&world->w);
}
END_TEST

START_TEST(memory_is_bounded)
{
	struct world *small = world_new(8);
	uint32_t i;

	for (i = 0; i < 40; i++)
		world_socket(small, TCPDIAG_FIN_WAIT2, world_process(small, "p", "", 1, 100));
	world_run(small, 130, 10);
	ck_assert_int_gt(small->count, 0);
	ck_assert_int_le(small->count, 8);
	ck_assert_uint_gt(small->limits[LIMIT_FINDINGS], 0);
	/* Those that stand stay; when they have cleared there is room for others. */
	small->record_count = 0;
	world_run(small, 100, 10);
	ck_assert_int_eq(small->count, 0);
	small->limits[LIMIT_FINDINGS] = 0;
	world_socket(small, TCPDIAG_FIN_WAIT2, 39);
	world_run(small, 130, 10);
	ck_assert_int_eq(small->count, 1);
	ck_assert_uint_eq(small->snapshot.findings[0].process, 39);
	world_free(small);
}
END_TEST

START_TEST(idle_keys_make_room_oldest_first)
{
	struct world *small = world_new(16);
	int i;

	/* Many processes, one after the other, each with a few young ones in CLOSE-WAIT: none is raised. */
	for (i = 0; i < 60; i++) {
		small->record_count = small->process_count = 0;
		world_process(small, "p", "", 1, 1000000);
		small->processes[0].pid = 5000 + i;
		world_socket(small, TCPDIAG_CLOSE_WAIT, 0);
		world_run(small, 70, 10);
		ck_assert_int_eq(small->count, 0);
	}
	/* All of them would be 60 keys; the newest still finds room. */
	world_run(small, 240, 10);
	ck_assert_int_eq(small->count, 1);
	world_free(small);
}
END_TEST

START_TEST(room_is_made_by_the_oldest_idle)
{
	struct tallies tallies;
	struct tally_key key = { .rule = FW2, .kind = TALLY_PROCESS };

	ck_assert_int_eq(tallies_init(&tallies, 16), 0);
	for (key.a = 0; key.a < 16; key.a++)
		tallies_add(&tallies, &key)->seen_ns = 1000 - key.a % 8;
	ck_assert_ptr_null(tallies_add(&tallies, &key));
	/* 993: two, one of which stands; 994: two, of which one is enough. */
	key.a = 15;
	tallies_find(&tallies, &key)->since_ns = 1;
	ck_assert_uint_eq(tallies_expire(&tallies, 500, 1000, 2), 2);
	ck_assert_uint_eq(tallies.used, 14);
	for (key.a = 0; key.a < 16; key.a++)
		ck_assert_int_eq(tallies_find(&tallies, &key) != NULL, key.a != 7 && key.a != 6);
	/* Room enough; then all that is old, but not one that was seen just now. */
	ck_assert_uint_eq(tallies_expire(&tallies, 500, 1000, 2), 0);
	ck_assert_uint_eq(tallies_expire(&tallies, 1000, 1000, 2), 0);
	ck_assert_uint_eq(tallies.used, 3);
	ck_assert_uint_eq(tallies_expire(&tallies, 0, 1000, 16), 0);
	ck_assert_uint_eq(tallies.used, 3);
	tallies_done(&tallies);
}
END_TEST

START_TEST(dropped_history_is_not_known_to_be_zero)
{
	struct world *small = world_new(2);
	uint32_t a = world_process(small, "a", "", 60, 100000);

	world_process(small, "b", "", 60, 100000);
	/* No room for a while, since others stand: what comes in then has no history. */
	world_run(small, 1800, 10);
	world_socket(small, TCPDIAG_FIN_WAIT2, 1);
	world_run(small, 200, 10);
	ck_assert_int_eq(small->count, 1);
	for (int i = 0; i < 25; i++)
		world_socket(small, TCPDIAG_CLOSE_WAIT, a);
	world_run(small, 70, 10);
	ck_assert_uint_gt(small->limits[LIMIT_FINDINGS], 0);
	memmove(small->records, small->records + 1, 25 * sizeof(small->records[0]));
	small->record_count = 25;
	world_run(small, 200, 10);
	ck_assert_int_eq(small->count, 0);
	world_run(small, 100, 10);
	ck_assert_int_eq(world_severity(small, LEAK), SEVERITY_INFO);
	world_free(small);
}
END_TEST

START_TEST(nothing_is_laid_to_a_namespace_while_owners_are_sought)
{
	uint32_t process = world_process(world, "a", "", 60, 100000);

	world->input.owners_pending = true;
	add(TCPDIAG_FIN_WAIT2, RECORD_NONE, 3);
	world->records[0].holder = process;
	world->records[0].holders = 1;
	world_run(world, 200, 10);
	ck_assert_int_eq(world->count, 1);
	ck_assert_uint_eq(world->snapshot.findings[0].count, 1);
	world->input.owners_pending = false;
	world_run(world, 10, 10);
	ck_assert_int_eq(world->count, 2);
}
END_TEST

START_TEST(what_is_new_waits_for_its_owner)
{
	world->input.owners_asked_ns = world->now_ns - NSEC_PER_SEC;
	add(TCPDIAG_FIN_WAIT2, RECORD_NONE, 3);
	world_run(world, 200, 10);
	ck_assert_int_eq(world->count, 0);
	/* A walk that began after it was seen has not found its process either. */
	world->input.owners_asked_ns = world->now_ns;
	world_run(world, 10, 10);
	ck_assert_int_eq(world->count, 1);
}
END_TEST

START_TEST(old_bits_do_not_stay)
{
	add(TCPDIAG_ESTABLISHED, RECORD_NONE, 1);
	world->records[0].findings = UINT32_MAX;
	world_round(world);
	ck_assert_uint_eq(world->snapshot.records[0].findings, 0);
}
END_TEST

static TCase *engine_tests(void)
{
	TCase *tests = tcase_create("engine");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, cleared_below_70_percent_for_a_minute);
	tcase_add_test(tests, coming_back_within_the_hold_is_the_same_finding);
	tcase_add_test(tests, a_vanished_process_is_named_to_the_end);
	tcase_add_loop_test(tests, a_container_is_named, 0, 4);
	tcase_add_test(tests, thresholds_come_from_the_caller);
	tcase_add_test(tests, one_finding_per_process_and_rule);
	tcase_add_test(tests, a_reused_pid_is_another_process);
	tcase_add_test(tests, without_a_process_by_listener_or_namespace);
	tcase_add_test(tests, owners_found_late_are_no_growth);
	tcase_add_test(tests, sockets_of_a_sharer_that_ended_are_no_growth);
	tcase_add_test(tests, growth_from_nothing_is_growth);
	tcase_add_test(tests, rows_out_of_bounds_are_nobody);
	tcase_add_test(tests, missing_sources_are_no_crash);
	tcase_add_test(tests, memory_is_bounded);
	tcase_add_test(tests, idle_keys_make_room_oldest_first);
	tcase_add_test(tests, room_is_made_by_the_oldest_idle);
	tcase_add_test(tests, dropped_history_is_not_known_to_be_zero);
	tcase_add_test(tests, nothing_is_laid_to_a_namespace_while_owners_are_sought);
	tcase_add_test(tests, what_is_new_waits_for_its_owner);
	tcase_add_test(tests, old_bits_do_not_stay);
	return tests;
}

Suite *suite(void)
{
	Suite *all = suite_create("the engine of findings");

	suite_add_tcase(all, engine_tests());
	return all;
}
