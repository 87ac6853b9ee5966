/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Points in time: each form of RFC 3339 and of "so long ago", against timegm(), and what is none.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "../harness.h"
#include "model/macro.h"
#include "web/when.h"

#define NOW (1763870400LL * NSEC_PER_SEC) /* 2025-11-23T04:00:00Z */

static const struct {
	const char *text;
	int64_t seconds, ns;
} good[] = {
	{ "2025-11-23T04:00:00Z", 1763870400, 0 },
	{ "2025-11-23t04:00:00z", 1763870400, 0 },
	{ "2025-11-23T04:00:00.5Z", 1763870400, 500000000 },
	{ "2025-11-23T04:00:00.123456789Z", 1763870400, 123456789 },
	{ "2025-11-23T04:00:00.12345678987654321Z", 1763870400, 123456789 },
	{ "2025-11-23T05:30:00+01:30", 1763870400, 0 },
	{ "2025-11-23T05:30:00 01:30", 1763870400, 0 }, /* '+' of a query string */
	{ "2025-11-22T23:00:00-05:00", 1763870400, 0 },
	{ "2024-02-29T00:00:00Z", 1709164800, 0 },
	{ "2000-02-29T23:59:60Z", 951868800, 0 },
	{ "1970-01-01T00:00:00Z", 0, 0 },
	{ "1969-12-31T23:59:59Z", 0, 0 },
	{ "0000-01-01T00:00:00Z", 0, 0 },
	{ "9999-12-31T23:59:59Z", INT64_MAX / NSEC_PER_SEC, INT64_MAX % NSEC_PER_SEC },
	{ "-0s", 1763870400, 0 },
	{ "-15m", 1763870400 - 900, 0 },
	{ "-1h30m", 1763870400 - 5400, 0 },
	{ "-500ms", 1763870399, 500000000 },
	{ "-5000w", 0, 0 },
};

START_TEST(times)
{
	int64_t ns = -1;

	ck_assert_int_eq(when_parse(good[_i].text, strlen(good[_i].text), NOW, &ns), 0);
	ck_assert_int_eq(ns, good[_i].seconds * NSEC_PER_SEC + good[_i].ns);
}
END_TEST

/* Every day of four centuries, as the C library counts them. */
START_TEST(calendar)
{
	struct tm tm = { .tm_year = 70, .tm_mday = 1 };
	int64_t day, ns = 0;
	char text[32];

	for (day = 0; day < 80000; day++) {
		time_t seconds = (time_t)day * 86400;

		gmtime_r(&seconds, &tm);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
		ck_assert_int_eq(when_parse(text, strlen(text), NOW, &ns), 0);
		ck_assert_int_eq(ns, day * 86400 * NSEC_PER_SEC);
	}
}
END_TEST

START_TEST(wrong)
{
	static const char *const texts[] = {
		"",
		"-",
		"15m",
		"-15",
		"--15m",
		"-15m ",
		"now",
		"2025",
		"2025-11-23",
		"2025-11-23T04:00Z",
		"2025-11-23T04:00:00",
		"2025-11-23 04:00:00Z",
		"2025-13-23T04:00:00Z",
		"2025-00-23T04:00:00Z",
		"2025-11-31T04:00:00Z",
		"2025-11-00T04:00:00Z",
		"2025-02-29T04:00:00Z",
		"1900-02-29T04:00:00Z",
		"2025-11-23T24:00:00Z",
		"2025-11-23T04:60:00Z",
		"2025-11-23T04:00:61Z",
		"2025-11-23T04:00:00.Z",
		"2025-11-23T04:00:00+1:00",
		"2025-11-23T04:00:00+01",
		"2025-11-23T04:00:00+24:00",
		"2025-11-23T04:00:00+01:60",
		"2025-11-23T04:00:00ZZ",
		"2025-11-23T04:00:00+01:00Z",
		"+2025-11-23T04:00:00Z",
		"2025-1-23T04:00:00Z",
	};
	int64_t ns = -7;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(texts); i++)
		ck_assert_msg(when_parse(texts[i], strlen(texts[i]), NOW, &ns) == -EINVAL, "%s",
			      texts[i]);
	ck_assert_int_eq(ns, -7);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("when");
	TCase *t = tcase_create("when");

	tcase_add_loop_test(t, times, 0, ARRAY_SIZE(good));
	tcase_add_test(t, calendar);
	tcase_add_test(t, wrong);
	suite_add_tcase(s, t);
	return s;
}
