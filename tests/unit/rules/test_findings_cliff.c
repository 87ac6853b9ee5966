/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fin-timeout-cliff: a FIN-WAIT-2 timeout just above a minute, by TCP_LINGER2 or by the sysctl.
 */
#include "../harness.h"
#include "world.h"

#define CLIFF TCPDIAG_RULE_FIN_TIMEOUT_CLIFF

static struct world *world;

static void setup(void)
{
	world = world_new(100);
}

static void teardown(void)
{
	world_free(world);
}

static struct record *with_linger2(struct record *record, int64_t ms)
{
	record->sk.known |= TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_LINGER2;
	record->sk.linger2_ms = ms;
	return record;
}

START_TEST(cliff_of_sockets_is_information)
{
	uint32_t process = world_process(world, "app", "app.service", 10, 1024);
	const struct finding *finding;

	with_linger2(world_socket(world, TCPDIAG_ESTABLISHED, process), 61000);
	with_linger2(world_listener(world, process, 128), 119000);
	world_run(world, 1, 1);
	finding = world_expect(world, CLIFF);
	ck_assert_int_eq(finding->severity, SEVERITY_INFO);
	ck_assert_int_eq(finding->scope, SCOPE_UNIT);
	ck_assert_uint_eq(finding->count, 2);
	ck_assert_double_eq(finding->evidence[EVIDENCE_FIN_TIMEOUT_SECONDS], 61);
	ck_assert_double_eq(finding->evidence[EVIDENCE_LIFETIME_SECONDS], 2);
	ck_assert_double_eq(finding->evidence[EVIDENCE_LISTENERS], 1);
	ck_assert_ptr_nonnull(
		strstr(world_text(world, finding->summary),
		       "app (pid 1000, app.service) has TCP_LINGER2 between 61 and 119 "
		       "s on 2 sockets: 61 s, and FIN-WAIT-2 after close() lasts 2 s "
		       "with it"));
	ck_assert_uint_eq(world_bits(world, CLIFF), 2);
	world_run(world, 4000, 20);
	ck_assert_int_eq(world_severity(world, CLIFF), SEVERITY_INFO);
	world->record_count = 0;
	world_run(world, 66, 5);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

START_TEST(cliff_of_the_sysctl_is_a_warning)
{
	const struct finding *finding;

	world->environment.known |= TCPDIAG_ENV_FIN_TIMEOUT;
	world->environment.tcp_fin_timeout = 90;
	world_run(world, 1, 1);
	finding = world_expect(world, CLIFF);
	ck_assert_int_eq(world->count, 1);
	ck_assert_int_eq(finding->severity, SEVERITY_WARNING);
	ck_assert_int_eq(finding->scope, SCOPE_NETNS);
	ck_assert_uint_eq(finding->netns, NETNS);
	ck_assert_uint_eq(finding->process, RECORD_NONE);
	ck_assert_double_eq(finding->evidence[EVIDENCE_FIN_TIMEOUT_SECONDS], 90);
	ck_assert_double_eq(finding->evidence[EVIDENCE_LIFETIME_SECONDS], 60);
	ck_assert(!shown(finding, EVIDENCE_COUNT));
	ck_assert_str_eq(world_text(world, finding->summary),
			 "net.ipv4.tcp_fin_timeout in tcpdiagd's own network namespace "
			 "(4026531840) is 90 s, and "
			 "FIN-WAIT-2 after close() lasts 60 s with it");
	world_run(world, 4000, 20);
	ck_assert_int_eq(world_severity(world, CLIFF), SEVERITY_WARNING);
	/* Not readable for a while: as it was. */
	world->environment.known &= ~(uint32_t)TCPDIAG_ENV_FIN_TIMEOUT;
	world_run(world, 200, 5);
	ck_assert_int_eq(world_severity(world, CLIFF), SEVERITY_WARNING);
	world->environment.known |= TCPDIAG_ENV_FIN_TIMEOUT;
	world->environment.tcp_fin_timeout = 60;
	world_run(world, 60, 5);
	ck_assert_int_eq(world_severity(world, CLIFF), SEVERITY_WARNING);
	ck_assert_ptr_nonnull(
		strstr(world_text(world, world_expect(world, CLIFF)->summary), "is 60 s now"));
	world_run(world, 5, 5);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

/* Each namespace has its own, and loses its finding when it goes, whether settings of sockets are read or not. */
START_TEST(cliff_by_namespace)
{
	struct namespace rows[2] = {
		{ .inode = NETNS,
		  .environment = { .known = TCPDIAG_ENV_FIN_TIMEOUT, .tcp_fin_timeout = 60 } },
		{ .inode = NETNS + 1,
		  .environment = { .known = TCPDIAG_ENV_FIN_TIMEOUT, .tcp_fin_timeout = 61 } },
	};
	const struct finding *finding;

	world->input.settings_blind = true;
	world->input.namespaces = rows;
	world->input.namespace_count = 2;
	world_run(world, 10, 1);
	ck_assert_int_eq(world->count, 1);
	finding = world_expect(world, CLIFF);
	ck_assert_uint_eq(finding->netns, NETNS + 1);
	ck_assert_str_eq(world_text(world, finding->summary),
			 "net.ipv4.tcp_fin_timeout in network namespace 4026531841 is 61 s, and "
			 "FIN-WAIT-2 after close() lasts 2 s with it");
	world->input.namespace_count = 1;
	world_run(world, 66, 5);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

START_TEST(cliff_of_both_is_two_findings)
{
	world->environment.known |= TCPDIAG_ENV_FIN_TIMEOUT;
	world->environment.tcp_fin_timeout = 119;
	/* Nobody is known to hold it, so it is its namespace's, as the sysctl is. */
	with_linger2(world_socket(world, TCPDIAG_ESTABLISHED, RECORD_NONE), 119000);
	world_run(world, 1, 1);
	ck_assert_int_eq(world->count, 2);
	ck_assert_int_eq(world->snapshot.findings[0].severity, SEVERITY_WARNING);
	ck_assert_int_eq(world->snapshot.findings[1].severity, SEVERITY_INFO);
	ck_assert_uint_ne(world->snapshot.findings[0].id, world->snapshot.findings[1].id);
}
END_TEST

START_TEST(cliff_silent_for_the_healthy)
{
	static const int64_t times[] = { -1, 0, 20000, 60000, 120000 };
	static const uint32_t sysctls[] = { 1, 30, 60, 120, 300 };
	uint32_t process = world_process(world, "app", "", 10, 1024);
	struct record *record;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(times); i++)
		with_linger2(world_socket(world, TCPDIAG_ESTABLISHED, process), times[i]);
	/* Not known, and nobody's any more. */
	with_linger2(world_socket(world, TCPDIAG_ESTABLISHED, process), 90000)->sk.known = 0;
	record = with_linger2(world_socket(world, TCPDIAG_FIN_WAIT2, RECORD_NONE), 90000);
	record->sk.attachment = TCPDIAG_ORPHAN;
	world_run(world, 10, 5);
	for (i = 0; i < ARRAY_SIZE(sysctls); i++) {
		world->environment.known |= TCPDIAG_ENV_FIN_TIMEOUT;
		world->environment.tcp_fin_timeout = sysctls[i];
		world_run(world, 10, 5);
		ck_assert_int_eq(world->count, 0);
	}
}
END_TEST

Suite *suite(void)
{
	Suite *all = suite_create("fin-timeout-cliff");
	TCase *tests = tcase_create("fin-timeout-cliff");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, cliff_of_sockets_is_information);
	tcase_add_test(tests, cliff_of_the_sysctl_is_a_warning);
	tcase_add_test(tests, cliff_by_namespace);
	tcase_add_test(tests, cliff_of_both_is_two_findings);
	tcase_add_test(tests, cliff_silent_for_the_healthy);
	suite_add_tcase(all, tests);
	return all;
}
