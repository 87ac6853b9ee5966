/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the findings are made with: the table of thresholds, trends, sentences.
 */
#include <string.h>

#include "../harness.h"
#include "rules/sentence.h"
#include "rules/thresholds.h"
#include "rules/trend.h"
#include "world.h"

START_TEST(table_is_whole)
{
	struct thresholds defaults;
	size_t count, i, j, bytes = 0;
	const struct threshold_info *table = threshold_table(&count);

	memset(&defaults, 0xff, sizeof(defaults));
	thresholds_default(&defaults);
	for (i = 0; i < count; i++) {
		const char *member = (const char *)&defaults + table[i].offset;
		double unit = table[i].type == THRESHOLD_DURATION ? 1e9 : 1;

		ck_assert_msg(!strncmp(table[i].name, "rules.", 6), "%s", table[i].name);
		ck_assert_msg(table[i].text[strlen(table[i].text) - 1] == '.', "%s", table[i].name);
		ck_assert_msg(table[i].min <= table[i].value && table[i].value <= table[i].max,
			      "%s", table[i].name);
		if (table[i].type == THRESHOLD_NAMES)
			ck_assert_str_eq(member, "");
		else if (table[i].type == THRESHOLD_PERCENT)
			ck_assert_double_eq(*(const double *)member, table[i].value);
		else
			ck_assert_int_eq(*(const int64_t *)member,
					 (int64_t)(table[i].value * unit));
		for (j = 0; j < i; j++) {
			ck_assert_str_ne(table[i].name, table[j].name);
			ck_assert_uint_ne(table[i].offset, table[j].offset);
		}
		bytes += table[i].type == THRESHOLD_NAMES ? THRESHOLD_NAMES_MAX : 8;
	}
	/* No member without a row. */
	ck_assert_uint_eq(bytes, sizeof(struct thresholds));
}
END_TEST

START_TEST(trend_warms_up)
{
	struct trend trend;
	uint32_t value;
	double rate;
	int i;

	trend_init(&trend, START_NS, START_NS);
	for (i = 0; i <= 600; i += 10)
		trend_add(&trend, START_NS + i * NSEC_PER_SEC, (uint32_t)i * 2);
	ck_assert(!trend_at(&trend, START_NS - 1, &value));
	ck_assert(trend_at(&trend, START_NS + 300 * NSEC_PER_SEC, &value));
	ck_assert_uint_ge(value, 600);
	ck_assert_uint_le(value, 660);
	ck_assert(trend_grew(&trend, START_NS, START_NS + 600 * NSEC_PER_SEC, 0.2, 10));
	ck_assert(!trend_grew(&trend, START_NS - NSEC_PER_SEC, START_NS + 600 * NSEC_PER_SEC, 0.2,
			      10));
	ck_assert(!trend_rate(&trend, START_NS + 600 * NSEC_PER_SEC, 601 * NSEC_PER_SEC, &rate));
	ck_assert(trend_rate(&trend, START_NS + 600 * NSEC_PER_SEC, 300 * NSEC_PER_SEC, &rate));
	ck_assert_double_eq_tol(rate, 2, 0.1);
	/* A silence of more than four minutes is no history. */
	trend_add(&trend, START_NS + 1200 * NSEC_PER_SEC, 5);
	ck_assert(!trend_at(&trend, START_NS + 600 * NSEC_PER_SEC, &value));
	/* The ring keeps half an hour. */
	for (i = 1200; i <= 10000; i += 60)
		trend_add(&trend, START_NS + i * NSEC_PER_SEC, (uint32_t)i);
	ck_assert(trend_at(&trend, START_NS + (9960 - 1800) * NSEC_PER_SEC, &value));
	ck_assert(!trend_at(&trend, START_NS + (9960 - 2000) * NSEC_PER_SEC, &value));
}
END_TEST

START_TEST(a_burst_does_not_bend_a_slope)
{
	double x[20], y[20];
	int i;

	for (i = 0; i < 20; i++) {
		x[i] = i;
		y[i] = 3 * i + (i == 10 ? 10000 : 0);
	}
	ck_assert_double_eq(trend_median_slope(x, y, 20), 3);
	ck_assert_double_eq(trend_median_slope(x, y, 1), 0);
	ck_assert_double_eq(trend_median_slope(x, y, 0), 0);
}
END_TEST

START_TEST(sentences)
{
	static const uint8_t any[16], v4[16] = { [10] = 0xff, [11] = 0xff, 127, 0, 0, 1 };
	static const uint8_t any4[16] = { [10] = 0xff, [11] = 0xff }, v6[16] = { [15] = 1 };
	struct sentence s = { 0 };
	int i;

	sentence_number(&s, 0);
	sentence_add(&s, " ");
	sentence_number(&s, 1002003);
	sentence_add(&s, " ");
	sentence_count(&s, 1, "socket", "sockets");
	sentence_add(&s, " ");
	sentence_rate(&s, 0.42);
	sentence_add(&s, " ");
	sentence_rate(&s, 1203.7);
	sentence_add(&s, " ");
	sentence_duration(&s, 780);
	sentence_add(&s, " ");
	sentence_duration(&s, 7200);
	sentence_add(&s, " ");
	sentence_address(&s, any, 80);
	sentence_add(&s, " ");
	sentence_address(&s, any4, 80);
	sentence_add(&s, " ");
	sentence_address(&s, v4, 80);
	sentence_add(&s, " ");
	sentence_address(&s, v6, 80);
	ck_assert_str_eq(s.text, "0 1,002,003 1 socket 0.42 1,204 780 s 120 min *:80 *:80 "
				 "127.0.0.1:80 [::1]:80");
	for (i = 0; i < 300; i++)
		sentence_add(&s, "%s", "0123456789");
	ck_assert_uint_eq(s.len, SENTENCE_MAX);
	ck_assert_uint_eq(strlen(s.text), SENTENCE_MAX);
}
END_TEST

Suite *suite(void)
{
	Suite *all = suite_create("tools of findings");
	TCase *tests = tcase_create("tables and tools");

	tcase_add_test(tests, table_is_whole);
	tcase_add_test(tests, trend_warms_up);
	tcase_add_test(tests, a_burst_does_not_bend_a_slope);
	tcase_add_test(tests, sentences);
	suite_add_tcase(all, tests);
	return all;
}
