/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which row is whose: by pid and start time, and where nobody has read that by the name as well.
 */
#include <stdio.h>
#include <string.h>

#include "../harness.h"
#include "collector/roster.h"
#include "model/macro.h"

static struct owner_process process_of(int32_t pid, uint64_t start_time, const char *comm)
{
	struct owner_process process = {
		.pid = pid,
		.start_time = start_time,
		.cgroup = "",
		.unit = "",
		.container = "",
		.pod_uid = "",
		.container_name = "",
		.pod = "",
		.pod_namespace = "",
	};

	snprintf(process.comm, sizeof(process.comm), "%s", comm);
	return process;
}

static const struct {
	const char *name;
	struct {
		int32_t pid;
		uint64_t start_time;
		const char *comm;
	} row, asked;
	bool same;
} rows[] = {
	{ "the same", { 7, 100, "nginx" }, { 7, 100, "nginx" }, true },
	{ "it has changed its name", { 7, 100, "sh" }, { 7, 100, "nginx" }, true },
	{ "another number", { 7, 100, "nginx" }, { 8, 100, "nginx" }, false },
	{ "the number was given again", { 7, 100, "nginx" }, { 7, 101, "nginx" }, false },
	{ "nobody has read when", { 7, 0, "nginx" }, { 7, 0, "nginx" }, true },
	{ "nobody has read when, another name", { 7, 0, "nginx" }, { 7, 0, "sh" }, false },
	{ "nobody has read when, a longer name", { 7, 0, "nginx" }, { 7, 0, "nginx-2" }, false },
	{ "it was read since", { 7, 0, "nginx" }, { 7, 100, "nginx" }, false },
	{ "it was read before", { 7, 100, "nginx" }, { 7, 0, "nginx" }, false },
	{ "no names", { 7, 0, "" }, { 7, 0, "" }, true },
	{ "names of full length", { 7, 0, "fifteen-letters" }, { 7, 0, "fifteen-letters" }, true },
};

START_TEST(is)
{
	struct owner_process row = process_of(rows[_i].row.pid, rows[_i].row.start_time,
					      rows[_i].row.comm);
	struct owner_process asked = process_of(rows[_i].asked.pid, rows[_i].asked.start_time,
						rows[_i].asked.comm);
	struct roster roster = {};

	ck_assert(!roster_is(&roster, 0, &asked));
	ck_assert_uint_eq(roster_find(&roster, &asked), RECORD_NONE);
	ck_assert_uint_eq(roster_add(&roster, &row, 10), 0);
	ck_assert_msg(roster_is(&roster, 0, &asked) == rows[_i].same, "%s", rows[_i].name);
	ck_assert_uint_eq(roster_find(&roster, &asked), rows[_i].same ? 0 : RECORD_NONE);
	ck_assert(!roster_is(&roster, 1, &asked));
	ck_assert(!roster_is(&roster, RECORD_NONE, &asked));
	roster_done(&roster);
}
END_TEST

/* Of many the right one; above the limit none, which is counted. */
START_TEST(many)
{
	struct roster roster = {};
	struct owner_process process;
	uint32_t i;

	for (i = 0; i < 100; i++) {
		process = process_of((int32_t)(i / 2) + 1, i % 2 + 1, "worker");
		ck_assert_uint_eq(roster_add(&roster, &process, 100), i);
	}
	ck_assert_uint_eq(roster_add(&roster, &process, 100), RECORD_NONE);
	ck_assert_uint_eq(roster.cut, 1);
	ck_assert_uint_eq(roster_size(&roster), 100);
	for (i = 0; i < 100; i++) {
		process = process_of((int32_t)(i / 2) + 1, i % 2 + 1, "worker");
		ck_assert_uint_eq(roster_find(&roster, &process), i);
		ck_assert(roster_is(&roster, i, &process));
		ck_assert(!roster_is(&roster, i ^ 1, &process));
	}
	roster_done(&roster);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("roster");
	TCase *tests = tcase_create("rows");

	tcase_add_loop_test(tests, is, 0, ARRAY_SIZE(rows));
	tcase_add_test(tests, many);
	suite_add_tcase(s, tests);
	return s;
}
