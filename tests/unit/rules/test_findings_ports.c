/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * port-exhaustion: by local address and remote end, TIME-WAIT that can be had again apart from the rest.
 */
#include "../harness.h"
#include "world.h"

#define PORTS TCPDIAG_RULE_PORT_EXHAUSTION

static struct world *world;
static struct port_pair pairs[2];

static void setup(void)
{
	world = world_new(100);
	pairs[0] = pairs[1] = (struct port_pair){
		.netns = NETNS + 1,
		.local = { [10] = 0xff, [11] = 0xff, 10, 0, 0, 4 },
		.remote = { [10] = 0xff, [11] = 0xff, 10, 0, 1, 9 },
		.remote_port = 8080,
		.range = { 40000, 40199 },
		.reuse_known = true,
		.process = RECORD_NONE,
	};
	world->input.ports = pairs;
	world->input.port_count = 1;
}

static void teardown(void)
{
	world_free(world);
}

static const struct {
	uint32_t used, time_wait, reusable;
	int severity;
} rows[] = {
	{ 99, 0, 0, SEVERITY_NONE },	    { 100, 0, 0, SEVERITY_INFO },
	{ 159, 0, 0, SEVERITY_INFO },	    { 160, 0, 0, SEVERITY_WARNING },
	{ 189, 100, 0, SEVERITY_WARNING },  { 190, 190, 0, SEVERITY_CRITICAL },
	{ 200, 200, 190, SEVERITY_INFO }, /* nearly all can be had again */
	{ 200, 100, 40, SEVERITY_WARNING }, { 200, 100, 41, SEVERITY_INFO },
};

START_TEST(row)
{
	pairs[0].used = rows[_i].used;
	pairs[0].time_wait = rows[_i].time_wait;
	pairs[0].reusable = rows[_i].reusable;
	world_run(world, 2, 1);
	ck_assert_int_eq(world_severity(world, PORTS), rows[_i].severity);
}
END_TEST

START_TEST(told)
{
	const struct finding *finding;
	const char *cause;

	pairs[0].used = 195;
	pairs[0].time_wait = 120;
	pairs[0].process = world_process(world, "envoy", "envoy.service", 5, 1024);
	pairs[0].process_used = 90;
	pairs[0].unit_used = 180;
	world_run(world, 1, 1);
	finding = world_expect(world, PORTS);
	ck_assert_int_eq(finding->scope, SCOPE_NETNS);
	ck_assert_uint_eq(finding->netns, NETNS + 1);
	ck_assert_uint_eq(finding->count, 195);
	ck_assert_double_eq(finding->evidence[EVIDENCE_LIMIT], 200);
	ck_assert_double_eq(finding->evidence[EVIDENCE_TIME_WAIT], 120);
	ck_assert_str_eq(
		world_text(world, finding->summary),
		"195 of 200 local ports (98 %) are used from 10.0.0.4 to 10.0.1.9:8080, 90 of "
		"them by envoy (pid 1000, envoy.service), 120 in TIME-WAIT, in network namespace "
		"4026531841");
	cause = world_text(world, finding->cause);
	ck_assert_ptr_nonnull(strstr(cause, "other processes of its unit it is 180."));
	ck_assert_ptr_nonnull(strstr(cause, "tcp_tw_reuse would free it"));
	pairs[0].reuse_known = false;
	world_run(world, 1, 1);
	cause = world_text(world, world_expect(world, PORTS)->cause);
	ck_assert_ptr_nonnull(strstr(cause, "is not known: all are taken for used"));
}
END_TEST

/* What is reserved is not there to be used up. */
START_TEST(reserved)
{
	const struct finding *finding;

	pairs[0].used = 96;
	pairs[0].reserved = 100;
	world_run(world, 1, 1);
	ck_assert_int_eq(world_severity(world, PORTS), SEVERITY_CRITICAL);
	finding = world_expect(world, PORTS);
	ck_assert_double_eq(finding->evidence[EVIDENCE_LIMIT], 100);
	ck_assert_double_eq(finding->evidence[EVIDENCE_RATIO], 0.96);
	ck_assert_ptr_nonnull(strstr(world_text(world, finding->summary), "96 of 100 local ports"));
	ck_assert_ptr_nonnull(
		strstr(world_text(world, finding->cause), "100 ports of the range are reserved"));
	/* Somebody has bound reserved ones. */
	pairs[0].used = 110;
	world_run(world, 1, 1);
	ck_assert_double_eq(world_expect(world, PORTS)->evidence[EVIDENCE_RATIO], 1);
}
END_TEST

START_TEST(clears)
{
	pairs[0].used = 190;
	world_run(world, 1, 1);
	pairs[0].used = 134; /* above 70 % of 95 % */
	world_run(world, 300, 1);
	ck_assert_int_eq(world_severity(world, PORTS), SEVERITY_CRITICAL);
	world->input.port_count = 0;
	world_run(world, 62, 1);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

/* The fullest is not the worst where most of it can be had again. */
START_TEST(the_worst_of_two)
{
	pairs[0].used = 200;
	pairs[0].reusable = pairs[0].time_wait = 200;
	pairs[1].used = 165;
	pairs[1].remote_port = 9090;
	world->input.port_count = 2;
	world_run(world, 1, 1);
	ck_assert_int_eq(world_severity(world, PORTS), SEVERITY_WARNING);
	ck_assert_ptr_nonnull(
		strstr(world_text(world, world_expect(world, PORTS)->summary), "10.0.1.9:9090"));
}
END_TEST

START_TEST(not_counted)
{
	pairs[0].used = 190;
	world_run(world, 1, 1);
	world->input.ports_known = false;
	world->input.port_count = 0;
	world_run(world, 300, 1);
	ck_assert_int_eq(world_severity(world, PORTS), SEVERITY_CRITICAL);
	ck_assert(world->snapshot.header->findings_blind & finding_bit(PORTS));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("ports");
	TCase *tc = tcase_create("port-exhaustion");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, row, 0, ARRAY_SIZE(rows));
	tcase_add_test(tc, told);
	tcase_add_test(tc, reserved);
	tcase_add_test(tc, clears);
	tcase_add_test(tc, the_worst_of_two);
	tcase_add_test(tc, not_counted);
	suite_add_tcase(s, tc);
	return s;
}
