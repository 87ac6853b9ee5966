/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/resource.h>

#include "../harness.h"
#include "daemon/privileges.h"
#include "model/macro.h"

/* Each test of Check is a process of its own, and so are its limits. */
static const struct {
	rlim_t soft, hard;
	uint32_t connections, namespaces;
	rlim_t least, most; /* of the soft limit that comes of it */
} limits[] = {
	{ 64, 128, 512, 1024, 128, 128 },
	{ 64, 4096, 512, 1024, 4096, 4096 },
	{ 1024, 19000, 0, 4000, 19000, 19000 },
	{ 19000, 19000, 0, 1, 19000, 19000 },
	/* No more than can be used. */
	{ 64, 19000, 512, 0, 513, 1023 },
	{ 64, 19000, 0, 200, 1001, 1500 },
	{ 64, 19000, 512, 1024, 5633, 6000 },
};

START_TEST(descriptors)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit = (struct rlimit){ MIN(limits[_i].soft, limit.rlim_max),
				 MIN(limits[_i].hard, limit.rlim_max) };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	privileges_raise_descriptors(limits[_i].connections, limits[_i].namespaces);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_uint_ge(limit.rlim_cur, MIN(limits[_i].least, limit.rlim_max));
	ck_assert_uint_le(limit.rlim_cur, limits[_i].most);
	ck_assert_uint_le(limit.rlim_max, limits[_i].hard);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("privileges");
	TCase *c = tcase_create("limits");

	tcase_add_loop_test(c, descriptors, 0, ARRAY_SIZE(limits));
	suite_add_tcase(s, c);
	return s;
}
