/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values as people write them, right and wrong.
 */
#include <inttypes.h>
#include <string.h>

#include "../harness.h"
#include "daemon/quantity.h"

static const struct duration_case {
	const char *text;
	int64_t ns; /* -1: refused */
	const char *why; /* stands in the sentence */
} durations[] = {
	{ "0", 0, NULL },
	{ "500ms", 500 * NSEC_PER_MSEC, NULL },
	{ "1s", NSEC_PER_SEC, NULL },
	{ "1m30s", 90 * NSEC_PER_SEC, NULL },
	{ "1h1m1s1ms", 3661 * NSEC_PER_SEC + NSEC_PER_MSEC, NULL },
	{ "2d", 172800 * NSEC_PER_SEC, NULL },
	{ "1w", 604800 * NSEC_PER_SEC, NULL },
	{ "1y", 365LL * 86400 * NSEC_PER_SEC, NULL },
	{ "90s", 90 * NSEC_PER_SEC, NULL },
	{ "", -1, "empty" },
	{ "5", -1, "write 5s for seconds" },
	{ "1.5s", -1, "whole number" },
	{ "s", -1, "no duration" },
	{ "-1s", -1, "no duration" },
	{ "1s ", -1, "no duration" },
	{ " 1s", -1, "no duration" },
	{ "1s1m", -1, "largest first" },
	{ "1s1s", -1, "units stand once" },
	{ "1m30", -1, "whole number needs" },
	{ "1S", -1, "whole number needs" },
	{ "1sec", -1, "whole number needs" },
	{ "1us", -1, "whole number needs" },
	{ "300y", -1, "too long" },
	{ "99999999999999999999s", -1, "no duration" },
	{ "9223372036854775807ms", -1, "too long" },
};

START_TEST(test_duration)
{
	const struct duration_case *c = &durations[_i];
	char why[QUANTITY_WHY] = "";
	int64_t ns = -7;

	if (c->ns < 0) {
		ck_assert_int_lt(quantity_duration(c->text, &ns, why), 0);
		ck_assert_int_eq(ns, -7);
		ck_assert_msg(strstr(why, c->why), "%s: %s", c->text, why);
		return;
	}
	ck_assert_int_eq(quantity_duration(c->text, &ns, why), 0);
	ck_assert_int_eq(ns, c->ns);
}
END_TEST

START_TEST(test_duration_printed_reads_back)
{
	static const int64_t values[] = { 1,	 5,	  999,	   1000,     1500,	  60000,
					  90000, 3600000, 3661001, 86400000, 864000000000 };

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		char text[QUANTITY_TEXT], why[QUANTITY_WHY];
		int64_t ns;

		quantity_print_duration(values[i] * NSEC_PER_MSEC, text);
		ck_assert_int_eq(quantity_duration(text, &ns, why), 0);
		ck_assert_int_eq(ns, values[i] * NSEC_PER_MSEC);
	}
}
END_TEST

static const struct number_case {
	const char *text;
	int64_t value; /* -1: refused */
} counts[] = {
	{ "0", 0 },   { "1", 1 },     { "1000000", 1000000 }, { "", -1 },    { "010", -1 },
	{ "-1", -1 }, { "1e6", -1 },  { "1_000", -1 },	      { "0x10", -1 }, { "1 ", -1 },
	{ "+1", -1 }, { "9223372036854775808", -1 },
}, sizes[] = {
	{ "0", 0 },	 { "65536", 65536 }, { "64KiB", 65536 }, { "64MiB", 64 << 20 },
	{ "1GiB", 1 << 30 }, { "64K", -1 },  { "64kB", -1 },	 { "MiB", -1 },
	{ "010", -1 },	 { "9999999999999GiB", -1 },
};

START_TEST(test_count)
{
	char why[QUANTITY_WHY] = "";
	int64_t value = -7;
	int r = quantity_count(counts[_i].text, &value, why);

	ck_assert_int_eq(r < 0, counts[_i].value < 0);
	ck_assert_int_eq(value, counts[_i].value < 0 ? -7 : counts[_i].value);
	ck_assert_int_eq(r < 0, why[0] != '\0');
}
END_TEST

START_TEST(test_bytes)
{
	char why[QUANTITY_WHY] = "", text[QUANTITY_TEXT];
	int64_t value = -7;
	int r = quantity_bytes(sizes[_i].text, &value, why);

	ck_assert_int_eq(r < 0, sizes[_i].value < 0);
	if (r < 0)
		return;
	ck_assert_int_eq(value, sizes[_i].value);
	quantity_print_bytes(value, text);
	ck_assert_int_eq(quantity_bytes(text, &value, why), 0);
	ck_assert_int_eq(value, sizes[_i].value);
}
END_TEST

static const struct percent_case {
	const char *text;
	double value; /* < 0: refused */
	const char *printed;
} percents[] = {
	{ "5", 5, "5" },       { "2.5", 2.5, "2.5" }, { "50%", 50, "50" }, { "0.7", 0.7, "0.7" },
	{ "100", 100, "100" }, { "", -1, NULL },      { "%", -1, NULL },   { ".5", -1, NULL },
	{ "5.", -1, NULL },    { "-5", -1, NULL },    { "5%%", -1, NULL }, { "1e2", -1, NULL },
	{ "nan", -1, NULL },   { "inf", -1, NULL },   { "5 %", -1, NULL },
};

START_TEST(test_percent)
{
	const struct percent_case *c = &percents[_i];
	char why[QUANTITY_WHY] = "", text[QUANTITY_TEXT];
	double value = -7;
	int r = quantity_percent(c->text, &value, why);

	ck_assert_int_eq(r < 0, c->value < 0);
	if (r < 0) {
		ck_assert_msg(strstr(why, "percent"), "%s", why);
		return;
	}
	ck_assert_double_eq(value, c->value);
	quantity_print_percent(value, text);
	ck_assert_str_eq(text, c->printed);
}
END_TEST

static bool next_word(void *context, size_t i, char ret[static QUANTITY_WORD])
{
	static const char *const words[] = { "interval", "sweep-interval", "web.listen-address",
					     "log.level" };

	(void)context;
	if (i >= ARRAY_SIZE(words))
		return false;
	snprintf(ret, QUANTITY_WORD, "%s", words[i]);
	return true;
}

START_TEST(test_nearest)
{
	char found[QUANTITY_WORD] = "";

	ck_assert(nearest_word("intervall", next_word, NULL, found));
	ck_assert_str_eq(found, "interval");
	ck_assert(nearest_word("web.listen-adress", next_word, NULL, found));
	ck_assert_str_eq(found, "web.listen-address");
	ck_assert(nearest_word("level", next_word, NULL, found));
	ck_assert_str_eq(found, "log.level");
	ck_assert(!nearest_word("frobnicate", next_word, NULL, found));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("quantity");
	TCase *t = tcase_create("quantity");

	tcase_add_loop_test(t, test_duration, 0, ARRAY_SIZE(durations));
	tcase_add_test(t, test_duration_printed_reads_back);
	tcase_add_loop_test(t, test_count, 0, ARRAY_SIZE(counts));
	tcase_add_loop_test(t, test_bytes, 0, ARRAY_SIZE(sizes));
	tcase_add_loop_test(t, test_percent, 0, ARRAY_SIZE(percents));
	tcase_add_test(t, test_nearest);
	suite_add_tcase(s, t);
	return s;
}
