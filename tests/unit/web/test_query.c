/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Query strings: what is decoded, and what is refused with which parameter.
 */
#include <errno.h>
#include <string.h>

#include "../harness.h"
#include "web/route.h"

static const struct {
	const char *text;
	const char *expected; /* name=value| for each; NULL: refused */
	const char *parameter; /* at fault */
} rows[] = {
	{ "", "" },
	{ "&&", "" },
	{ "state=close-wait", "state=close-wait|" },
	{ "state=a&state=b", "state=a|state=b|" },
	{ "limit", "limit=|" },
	{ "limit=", "limit=|" },
	{ "a=b=c", "a=b=c|" },
	{ "comm=my+server", "comm=my server|" },
	{ "comm=a%2Bb%26c%3dd", "comm=a+b&c=d|" },
	{ "remote=%5B2001%3adb8::1%5D%3A443", "remote=[2001:db8::1]:443|" },
	{ "unit=caf%C3%A9.service", "unit=caf\xc3\xa9.service|" },
	{ "%73tate=x", "state=x|" },
	{ "a=1&", "a=1|" },
	{ "=x", NULL, "" },
	{ "a=1&=", NULL, "" },
	{ "state=%", NULL, "state" },
	{ "state=%4", NULL, "state" },
	{ "state=%4g", NULL, "state" },
	{ "state=%zz", NULL, "state" },
	{ "a=1&comm=x%00y", NULL, "comm" },
	{ "comm=%c3", NULL, "comm" },
	{ "comm=%c0%80", NULL, "comm" },
	{ "comm=\xff", NULL, "comm" },
	{ "%ff=1", NULL, "" },
	{ "%=1", NULL, "" },
};

START_TEST(parse)
{
	struct problem problem = {};
	char text[256], got[256] = "";
	struct query query;
	size_t i;
	int r;

	snprintf(text, sizeof(text), "%s", rows[_i].text);
	r = query_parse(text, &query, &problem);
	if (!rows[_i].expected) {
		ck_assert_int_eq(r, -EINVAL);
		ck_assert_uint_eq(problem.status, 400);
		ck_assert_str_eq(problem.parameter, rows[_i].parameter);
		ck_assert_uint_gt(strlen(problem.detail), 10);
		return;
	}
	ck_assert_int_eq(r, 0);
	for (i = 0; i < query.count; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s=%s|",
			 query.parameters[i].name, query.parameters[i].value);
	ck_assert_str_eq(got, rows[_i].expected);
}
END_TEST

START_TEST(too_many)
{
	struct problem problem = {};
	char text[QUERY_MAX * 4 + 8] = "";
	struct query query;
	int i;

	for (i = 0; i < QUERY_MAX; i++)
		strcat(text, "a=1&");
	ck_assert_int_eq(query_parse(text, &query, &problem), 0);
	ck_assert_uint_eq(query.count, QUERY_MAX);
	for (text[0] = '\0', i = 0; i < QUERY_MAX; i++)
		strcat(text, "a=1&");
	strcat(text, "b=2");
	ck_assert_int_eq(query_parse(text, &query, &problem), -EINVAL);
	ck_assert_uint_eq(problem.status, 400);
	ck_assert_str_eq(problem.parameter, "b");
}
END_TEST

static const struct route_parameter allowed[] = {
	{ .name = "state", .repeatable = true },
	{ .name = "limit" },
	{},
};

static const struct {
	const char *text;
	const struct route_parameter *allowed;
	const char *parameter; /* at fault, NULL: none */
	const char *detail; /* stands in it */
} checks[] = {
	{ "", allowed, NULL },
	{ "", NULL, NULL },
	{ "state=a&limit=1&state=b", allowed, NULL },
	{ "limit=1&limit=1", allowed, "limit", "more than once" },
	{ "stat=a", allowed, "stat", "state, limit" },
	{ "State=a", allowed, "State", "state, limit" },
	{ "limit=1", NULL, "limit", "no parameters" },
};

START_TEST(check)
{
	struct problem problem = {};
	struct query query;
	char text[256];
	int r;

	snprintf(text, sizeof(text), "%s", checks[_i].text);
	ck_assert_int_eq(query_parse(text, &query, &problem), 0);
	r = query_check(&query, checks[_i].allowed, &problem);
	if (!checks[_i].parameter) {
		ck_assert_int_eq(r, 0);
		return;
	}
	ck_assert_int_eq(r, -EINVAL);
	ck_assert_uint_eq(problem.status, 400);
	ck_assert_str_eq(problem.parameter, checks[_i].parameter);
	ck_assert_ptr_nonnull(strstr(problem.detail, checks[_i].detail));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("query");
	TCase *t = tcase_create("query");

	tcase_add_loop_test(t, parse, 0, ARRAY_SIZE(rows));
	tcase_add_test(t, too_many);
	tcase_add_loop_test(t, check, 0, ARRAY_SIZE(checks));
	suite_add_tcase(s, t);
	return s;
}
