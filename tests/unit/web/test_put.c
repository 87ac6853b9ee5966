/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Dates against gmtime(), strings against what jansson reads back: each byte at each place of the eight that
 * are looked at together.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../harness.h"
#include "model/macro.h"
#include "web/put.h"

START_TEST(dates)
{
	int64_t second;

	/* Every 13 hours and a bit, from 1970 to 2106: each day, month and leap year. */
	for (second = 0; second < UINT32_MAX; second += 47123) {
		char text[PUT_TIME_MAX + 1], expected[64];
		time_t time = second;
		struct tm tm;

		gmtime_r(&time, &tm);
		strftime(expected, sizeof(expected), "\"%Y-%m-%dT%H:%M:%S.007Z\"", &tm);
		*put_time(text, second * NSEC_PER_SEC + 7999999) = '\0';
		ck_assert_str_eq(text, expected);
	}
}
END_TEST

START_TEST(dates_at_the_edges)
{
	char text[PUT_TIME_MAX + 1];

	*put_time(text, -1) = '\0';
	ck_assert_str_eq(text, "\"1970-01-01T00:00:00.000Z\"");
	*put_time(text, INT64_MAX) = '\0';
	ck_assert_str_eq(text, "\"2262-04-11T23:47:16.854Z\"");
	*put_time(text, INT64_MIN) = '\0';
	ck_assert_str_eq(text, "\"1970-01-01T00:00:00.000Z\"");
}
END_TEST

/* @_i is the byte; it stands at each place of a long string. */
START_TEST(a_byte_anywhere)
{
	size_t place;

	for (place = 0; place < 24; place++) {
		char text[25], json[PUT_JSON_MAX(24)], *end;
		json_error_t error;
		json_t *value;

		memset(text, 'a', 24);
		text[24] = '\0';
		text[place] = (char)_i;
		end = put_json(json, text, 24);
		value = json_loadb(json, (size_t)(end - json), JSON_DECODE_ANY, &error);
		ck_assert_msg(value != NULL, "%d at %zu: %s", _i, place, error.text);
		if (_i < 0x80)
			ck_assert_str_eq(json_string_value(value), text);
		else
			ck_assert_int_eq(
				memcmp(json_string_value(value) + place, "\xef\xbf\xbd", 3), 0);
		json_decref(value);
	}
}
END_TEST

START_TEST(seconds)
{
	int64_t ms;

	for (ms = -2500; ms < 12000; ms++) {
		char text[PUT_MS_MAX + 1];

		*put_ms(text, ms) = '\0';
		ck_assert_int_eq((int64_t)(strtod(text, NULL) * 1000 + (ms < 0 ? -0.5 : 0.5)), ms);
		ck_assert_msg(!strchr(text, '.') || text[strlen(text) - 1] != '0', "%s", text);
	}
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("put");
	TCase *t = tcase_create("put");

	tcase_add_test(t, dates);
	tcase_add_test(t, dates_at_the_edges);
	tcase_add_loop_test(t, a_byte_anywhere, 1, 256);
	tcase_add_test(t, seconds);
	suite_add_tcase(s, t);
	return s;
}
