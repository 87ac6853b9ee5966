/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of metrics against the rules of promlint, how a sample is written, and which format is asked for.
 */
#include <ctype.h>
#include <math.h>

#include "fixture.h"
#include "web/metrics.h"

/* Names by the rules of promlint, and the table against itself. */
START_TEST(names)
{
	const struct metric *table;
	size_t count, i, k;

	table = metric_table(&count);
	for (i = 0; i < count; i++) {
		const struct metric *m = &table[i];
		const char *total = strstr(m->name, "_total");
		size_t len = strlen(m->name) - (total ? strlen("_total") : 0);
		size_t unit = m->unit ? strlen(m->unit) : 0;

		ck_assert(!strncmp(m->name, "tcpdiag_", 8) || !strncmp(m->name, "process_", 8));
		for (k = 0; m->name[k]; k++)
			ck_assert(islower((unsigned char)m->name[k]) || m->name[k] == '_');
		ck_assert_int_eq(total != NULL, m->type == METRIC_COUNTER);
		ck_assert(!total || !total[6]);
		ck_assert(!strstr(m->name, "_count") && !strstr(m->name, "_sum") &&
			  !strstr(m->name, "_bucket"));
		ck_assert_int_ne(!m->value, !m->samples);
		ck_assert(!m->labels || m->samples);
		if (unit) {
			ck_assert_msg(!strncmp(m->name + len - unit, m->unit, unit), "%s", m->name);
			ck_assert_int_eq(m->name[len - unit - 1], '_');
		} else {
			ck_assert_msg(!strstr(m->name, "_bytes") && !strstr(m->name, "_seconds"),
				      "%s has no unit", m->name);
		}
		for (k = 0; k < i; k++)
			ck_assert_str_ne(table[k].name, m->name);
	}
}
END_TEST

START_TEST(labels_are_escaped)
{
	static const struct metric metric = { .name = "tcpdiag_x",
					      .type = METRIC_GAUGE,
					      .help = "X." };
	struct buffer b = { 0 };
	struct scrape s = { .b = &b, .metric = &metric };
	static const double numbers[] = { 0.1, 1e300, -3, (double)INFINITY, 9007199254740993.0 };
	size_t i;

	scrape_sample_1(&s, "a", "q\"b\\n\nz\xff", 1);
	buffer_char(&b, '\0');
	ck_assert_str_eq(b.data, "# HELP tcpdiag_x X.\n# TYPE tcpdiag_x gauge\n"
				 "tcpdiag_x{a=\"q\\\"b\\\\n?z?\"} 1\n");
	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		b.len = 0;
		scrape_sample(&s, NULL, 0, numbers[i]);
		buffer_char(&b, '\0');
		ck_assert(strtod(b.data + strlen("tcpdiag_x "), NULL) == numbers[i]);
	}
	b.len = 0;
	scrape_sample_1(&s, "a", NULL, 1);
	ck_assert_uint_eq(b.len, 0);
	buffer_done(&b);
}
END_TEST

START_TEST(negotiation)
{
	static const struct {
		const char *accept;
		bool openmetrics;
	} cases[] = {
		{ "", false },
		{ "*/*", false },
		{ "text/plain", false },
		{ "text/html,application/xhtml+xml,*/*;q=0.8", false },
		{ "application/openmetrics-text", true },
		{ "application/openmetrics-text; version=1.0.0", true },
		{ "APPLICATION/openmetrics-text;Version=\"1.0.0\"", true },
		{ "application/openmetrics-text;version=0.0.1", false },
		{ "application/openmetrics-text;version=1.0.0;q=0", false },
		{ "application/openmetrics-text;version=1.0.0,"
		  "application/openmetrics-text;version=0.0.1;q=0.75,"
		  "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		  true },
		{ "application/openmetrics-text;version=0.0.1;q=1,text/plain;version=0.0.4;q=0.5",
		  false },
		{ "application/openmetrics-text;q=0.4, text/plain;q=0.5", false },
		{ "text/plain;q=0.5 , application/openmetrics-text ; q=0.6", true },
		{ "application/openmetrics-text;q=0.4, */*", false },
		{ "text/plain;q=0, application/openmetrics-text;q=0.1, */*", true },
		{ "application/openmetrics-text;q=nonsense", false },
		{ "application/openmetrics-text;q=1e9", false },
		{ ";;;=,,;q", false },
		{ "application/openmetrics-textual", false },
	};

	ck_assert_msg(metrics_wants_openmetrics(cases[_i].accept) == cases[_i].openmetrics, "%s",
		      cases[_i].accept);
}
END_TEST
Suite *suite(void)
{
	Suite *s = suite_create("metrics_table");
	TCase *t = tcase_create("metrics_table");

	tcase_add_test(t, names);
	tcase_add_test(t, labels_are_escaped);
	tcase_add_loop_test(t, negotiation, 0, 19);
	suite_add_tcase(s, t);
	return s;
}
