/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The path of a control group by its number: of folders that the test makes, and when they are gone.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../harness.h"
#include "kernel/cgroup_id.h"

static struct cgroup_ids *ids;
static const char *mount;
static char folder[128];

static void setup(void)
{
	struct stat st;

	ids = NULL;
	if (cgroup_ids_new(NULL, &ids) < 0)
		ids = NULL;
	mount = stat("/sys/fs/cgroup/cgroup.procs", &st) == 0 ? "/sys/fs/cgroup"
							      : "/sys/fs/cgroup/unified";
	snprintf(folder, sizeof(folder), "%s/tcpdiag-test-%d", mount, getpid());
}

static void teardown(void)
{
	ids = cgroup_ids_free(ids);
	rmdir(folder);
}

/* Here or not at all: without the hierarchy, or the right to write there, nothing can be shown. */
static uint64_t make(void)
{
	struct stat st;

	if (!ids || mkdir(folder, 0755) < 0 || stat(folder, &st) < 0) {
		fprintf(stderr, "skipped: no unified hierarchy that may be written to\n");
		return 0;
	}
	return st.st_ino;
}

START_TEST(found_and_remembered)
{
	char text[256], expected[256];
	uint64_t id = make();
	int r;

	if (!id)
		return;
	r = cgroup_ids_find(ids, id, text, sizeof(text));
	if (r == -EPERM) {
		fprintf(stderr, "skipped: no CAP_DAC_READ_SEARCH\n");
		return;
	}
	ck_assert_int_eq(r, 0);
	snprintf(expected, sizeof(expected), "0::%s\n", folder + strlen(mount));
	ck_assert_str_eq(text, expected);
	/* It has gone, and is still known. */
	ck_assert_int_eq(rmdir(folder), 0);
	ck_assert_int_eq(cgroup_ids_find(ids, id, text, sizeof(text)), 0);
	ck_assert_str_eq(text, expected);
	ck_assert_int_eq(cgroup_ids_find(ids, id, text, 8), -ENAMETOOLONG);
}
END_TEST

START_TEST(never_asked_for)
{
	uint64_t id = make();
	char text[256] = "as before";

	if (!id)
		return;
	ck_assert_int_eq(rmdir(folder), 0);
	ck_assert_int_lt(cgroup_ids_find(ids, id, text, sizeof(text)), 0);
	ck_assert_int_lt(cgroup_ids_find(ids, 0, text, sizeof(text)), 0);
	ck_assert_str_eq(text, "as before");
}
END_TEST

START_TEST(no_hierarchy)
{
	struct cgroup_ids *none = NULL;

	ck_assert_int_eq(cgroup_ids_new("/tmp", &none), -ENOENT);
	ck_assert_int_eq(cgroup_ids_new("/nowhere", &none), -ENOENT);
	ck_assert_ptr_null(none);
	ck_assert_ptr_null(cgroup_ids_free(NULL));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("control groups by number");
	TCase *tests = tcase_create("kernfs");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, found_and_remembered);
	tcase_add_test(tests, never_asked_for);
	tcase_add_test(tests, no_hierarchy);
	suite_add_tcase(s, tests);
	return s;
}
