/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stood before a restart: the same ids and times in another engine, no flapping while it learns, and an
 * end when the cause is gone.
 */
#include "../harness.h"
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

/* Another collector goes on with the newest snapshot after so many seconds. Return: how many it took over. */
static uint32_t restart(int seconds)
{
	uint32_t count;

	world->now_ns += seconds * NSEC_PER_SEC;
	findings_free(world->findings);
	world->findings = NULL;
	ck_assert_int_eq(findings_new(100, &world->findings), 0);
	count = findings_restore(world->findings, &world->snapshot, world->now_ns);
	world->input.started_ns = world->now_ns;
	return count;
}

START_TEST(keeps_its_id)
{
	uint32_t process = world_process(world, "envoy", "envoy.service", 5, 100000);
	struct finding before;
	int i;

	for (i = 0; i < 20; i++)
		world_socket(world, TCPDIAG_FIN_WAIT2, process);
	world_run(world, 300, 5);
	before = *world_expect(world, FW2);
	for (i = 0; i < 3; i++) {
		ck_assert_uint_eq(restart(2), 1);
		world_run(world, 5, 5);
		ck_assert_uint_eq(world_expect(world, FW2)->id, before.id);
		ck_assert_int_eq(world_expect(world, FW2)->since_ns, before.since_ns);
		ck_assert_int_eq(world_expect(world, FW2)->severity, before.severity);
		ck_assert_uint_eq(world_expect(world, FW2)->count, 20);
		ck_assert_uint_eq(world_bits(world, FW2), 20);
		/* It was not raised again. */
		ck_assert_uint_eq(findings_raised(world->findings, FW2), 0);
	}
	/* Its process is gone; who it was is still known. */
	world->record_count = 0;
	world_run(world, 30, 5);
	ck_assert_ptr_nonnull(
		strstr(world_text(world, world_expect(world, FW2)->summary), "envoy"));
	world_run(world, 60, 5);
	ck_assert_ptr_null(world_finding(world, FW2));
	/* The next one is another one. */
	for (i = 0; i < 20; i++)
		world_socket(world, TCPDIAG_FIN_WAIT2, process);
	world_run(world, 300, 5);
	ck_assert_uint_ne(world_expect(world, FW2)->id, before.id);
	ck_assert_uint_eq(findings_raised(world->findings, FW2), 1);
}
END_TEST

/* Sockets gone by the first round: not told, not kept. */
START_TEST(gone_meanwhile)
{
	uint32_t process = world_process(world, "envoy", "", 5, 100000);
	int i;

	for (i = 0; i < 20; i++)
		world_socket(world, TCPDIAG_FIN_WAIT2, process);
	world_run(world, 300, 5);
	world_expect(world, FW2);
	ck_assert_uint_eq(restart(2), 1);
	world->record_count = 0;
	world_run(world, 5, 5);
	ck_assert_ptr_null(world_finding(world, FW2));
	world_run(world, 120, 5);
	ck_assert_ptr_null(world_finding(world, FW2));
}
END_TEST

/* Growth is not known for a while after a restart: what rests on it stays, unless most of it has gone. */
START_TEST(growth_is_learnt_anew)
{
	uint32_t process = world_process(world, "java", "", 5, 100000);
	struct finding before;
	int i;

	for (i = 0; i < 450; i++) {
		world_close_waits(world, process, 1, DIRECTION_OUTBOUND, 0);
		world_run(world, 6, 6);
	}
	before = *world_expect(world, LEAK);
	ck_assert_int_ge(before.severity, SEVERITY_WARNING);
	ck_assert_uint_eq(restart(3), world->snapshot.finding_count);
	for (i = 0; i < 400; i++) {
		world_close_waits(world, process, 1, DIRECTION_OUTBOUND, 0);
		world_run(world, 6, 6);
		ck_assert_uint_eq(world_expect(world, LEAK)->id, before.id);
		ck_assert_int_eq(world_expect(world, LEAK)->severity, before.severity);
	}
	/* A few of them are left: that is another case. */
	ck_assert_uint_eq(restart(3), world->snapshot.finding_count);
	world->record_count = 10;
	world_run(world, 120, 6);
	ck_assert_int_lt(world_severity(world, LEAK), before.severity);
}
END_TEST

/* While a rule cannot judge, what was restored of it has no numbers: it is not told, and not lost. */
START_TEST(blind_at_first)
{
	uint32_t process = world_process(world, "rabbitmq", "", 5, 100000);
	enum tcpdiag_rule rule = TCPDIAG_RULE_DEAD_DESCRIPTOR;
	uint64_t id;
	int i;

	for (i = 0; i < 200; i++) {
		struct record *record = world_socket(world, TCPDIAG_CLOSE, process);

		record->sk.known |= TCPDIAG_KNOWS_SHUTDOWN;
		record->sk.sk_shutdown = TCPDIAG_RCV_SHUTDOWN | TCPDIAG_SEND_SHUTDOWN;
	}
	world_run(world, 1200, 10);
	id = world_expect(world, rule)->id;
	restart(2);
	world->input.closed_blind = world->input.settings_blind = true;
	world_run(world, 30, 5);
	ck_assert_ptr_null(world_finding(world, rule));
	world->input.closed_blind = world->input.settings_blind = false;
	world_run(world, 10, 5);
	ck_assert_uint_eq(world_expect(world, rule)->id, id);
}
END_TEST

/* Rows that a collector would not have written. */
START_TEST(broken_rows)
{
	uint32_t process = world_process(world, "envoy", "", 5, 100000);
	struct finding *row;
	int i;

	for (i = 0; i < 20; i++)
		world_socket(world, TCPDIAG_FIN_WAIT2, process);
	world_run(world, 300, 5);
	row = (struct finding *)(uintptr_t)world_expect(world, FW2);
	row->rule = TCPDIAG_RULE_NONE;
	ck_assert_uint_eq(restart(1), 0);
	row->rule = FW2;
	row->memory.kind = 0;
	ck_assert_uint_eq(restart(1), 0);
	row->memory.kind = UINT8_MAX;
	ck_assert_uint_eq(restart(1), 0);
	row->memory.kind = 1;
	row->memory.severities[0] = SEVERITY_MAX;
	ck_assert_uint_eq(restart(1), 0);
	row->memory.severities[0] = SEVERITY_WARNING;
	row->since_ns = world->now_ns + 100 * NSEC_PER_SEC;
	ck_assert_uint_eq(restart(1), 0);
	row->since_ns = START_NS;
	ck_assert_uint_eq(restart(1), 1);
	/* Text that leads nowhere is none. */
	row->comm = row->unit = UINT32_MAX;
	ck_assert_uint_eq(restart(1), 1);
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("findings: restore");
	TCase *tcase = tcase_create("restore");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, keeps_its_id);
	tcase_add_test(tcase, gone_meanwhile);
	tcase_add_test(tcase, growth_is_learnt_anew);
	tcase_add_test(tcase, blind_at_first);
	tcase_add_test(tcase, broken_rows);
	suite_add_tcase(suite, tcase);
	return suite;
}
