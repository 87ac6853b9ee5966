/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of options: each row works, and every text that names options names all of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../harness.h"
#include "daemon/config.h"

static size_t row_of(const char *name)
{
	struct option_info info;
	int row = option_find(name, strlen(name), &info);

	ck_assert_msg(row >= 0, "no option %s", name);
	return (size_t)row;
}

START_TEST(test_rows_are_complete)
{
	size_t thresholds;

	threshold_table(&thresholds);
	ck_assert_uint_lt(options_count(), OPTIONS_MAX);
	ck_assert_uint_gt(options_count(), thresholds);
	for (size_t row = 0; row < options_count(); row++) {
		struct option_info info, found;

		option_get(row, &info);
		ck_assert_ptr_nonnull(info.name);
		ck_assert_msg(info.text && *info.text, "%s has no text", info.name);
		ck_assert_msg((info.metavar == NULL) == (info.type == OPTION_SWITCH), "%s",
			      info.name);
		ck_assert_msg(option_find(info.name, strlen(info.name), &found) == (int)row,
			      "%s stands twice", info.name);
		ck_assert_msg((info.type == OPTION_CHOICE) == (info.choices != NULL), "%s",
			      info.name);
	}
}
END_TEST

/* One value that each type takes, one that it refuses. */
static const struct sample {
	const char *good, *bad;
} samples[] = {
	[OPTION_SWITCH] = { "true", "yes" },	   [OPTION_DURATION] = { NULL, "5" },
	[OPTION_COUNT] = { NULL, "1.5" },	   [OPTION_BYTES] = { NULL, "64kb" },
	[OPTION_PERCENT] = { NULL, "-1" },	   [OPTION_CHOICE] = { NULL, "nonsense" },
	[OPTION_TEXT] = { "/some/path", "" },	   [OPTION_ADDRESSES] = { "[::1]:1", "localhost" },
	[OPTION_HOSTS] = { "box.example", "a/b" }, [OPTION_NAMES] = { "haproxy@a.service", "a b" },
};

START_TEST(test_each_row_takes_its_values)
{
	static const struct option_origin here = { .source = ORIGIN_COMMAND_LINE };

	for (size_t row = 0; row < options_count(); row++) {
		char why[QUANTITY_WHY] = "", value[QUANTITY_TEXT];
		struct options options, before;
		struct option_info info;
		const char *good;

		option_get(row, &info);
		option_default(&info, value);
		if (!*value)
			snprintf(value, sizeof(value), "%.0f", info.min);
		good = samples[info.type].good ? samples[info.type].good : value;
		ck_assert_int_eq(options_default(&options), 0);
		ck_assert_int_eq(options_default(&before), 0);
		ck_assert_msg(option_set(&options, row, good, here, why) == 0, "%s %s: %s",
			      info.name, good, why);
		ck_assert_int_eq(options.origins[row].source, ORIGIN_COMMAND_LINE);
		/* nothing else has moved */
		for (size_t other = 0; other < options_count(); other++)
			ck_assert(other == row || option_equal(&options, &before, other));
		ck_assert_msg(option_set(&before, row, samples[info.type].bad,
					 (struct option_origin){}, why) == -EINVAL,
			      "%s takes %s", info.name, samples[info.type].bad);
		ck_assert_str_ne(why, "");
		options_done(&options);
		options_done(&before);
	}
}
END_TEST

START_TEST(test_limits_are_kept)
{
	for (size_t row = 0; row < options_count(); row++) {
		char expects[QUANTITY_WHY], why[QUANTITY_WHY], value[QUANTITY_TEXT];
		struct options options;
		struct option_info info;

		option_get(row, &info);
		if (info.max <= 0)
			continue;
		option_default(&info, value);
		option_expects(&info, expects);
		ck_assert_msg(strstr(expects, " to "), "%s", expects);
		ck_assert_int_eq(options_default(&options), 0);
		ck_assert_msg(option_set(&options, row, "0", (struct option_origin){}, why) ==
				      (info.min <= 0 ? 0 : -EINVAL),
			      "%s", info.name);
		if (info.type == OPTION_COUNT || info.type == OPTION_PERCENT) {
			snprintf(value, sizeof(value), "%.0f", info.max + 1);
			ck_assert_int_eq(
				option_set(&options, row, value, (struct option_origin){}, why),
				-EINVAL);
			snprintf(value, sizeof(value), "%.0f", info.max);
			ck_assert_int_eq(
				option_set(&options, row, value, (struct option_origin){}, why), 0);
		}
		options_done(&options);
	}
}
END_TEST

static const struct line {
	const char *argv[5];
	const char *faults; /* NULL: taken */
} lines[] = {
	{ { "--interval", "2s" }, NULL },
	{ { "--interval=2s", "--no-collector.processes" }, NULL },
	{ { "--web.expose-api", "--log.level", "debug" }, NULL },
	{ { "--once", "--format", "json", "--fail-on=warning" }, NULL },
	{ { "--web.allowed-hosts=a,b", "--web.allowed-hosts", "c" }, NULL },
	{ { "--rules.linger-zero.allow=a.service,b" }, NULL },
	{ { "--intervall", "2s" },
	  "--intervall: no such option; did you mean --interval?\n"
	  "\"2s\" is no option: every option begins with --\n" },
	{ { "--web.listen-adress=:1" },
	  "--web.listen-adress: no such option; did you mean --web.listen-address?\n" },
	{ { "--frobnicate" }, "--frobnicate: no such option; --help lists them\n" },
	{ { "--interval" },
	  "--interval needs a value: a duration such as 500ms or 1m30s, from 100ms to 1m\n" },
	{ { "--interval", "5" },
	  "--interval: \"5\" has no unit: write 5s for seconds or 5ms for milliseconds\n" },
	{ { "--interval=", "--once=true" },
	  "--interval: empty; write a duration such as 500ms or 1m30s\n"
	  "--once takes no value: write --once\n" },
	{ { "--no-interval" }, "--no-interval: no such option; did you mean --interval?\n" },
	{ { "--no-once" }, "--no-once: no such option; did you mean --once?\n" },
	{ { "--no-collector.processes=1" },
	  "--collector.processes takes no value: write --collector.processes or --no-...\n" },
	{ { "once" }, "\"once\" is no option: every option begins with --\n" },
	{ { "--" }, "\"--\" is no option: every option begins with --\n" },
	{ { "-x" }, "\"-x\" is no option: every option begins with --\n" },
	{ { "--unitt", "x" }, "--unitt: no such option; ...\n" },
	{ { "--once", "--pid", "0" }, "--pid: ...\n" },
	{ { "--web.listen-address", "nonsense:1" }, "--web.listen-address: \"nonsense:1\": ...\n" },
};

START_TEST(test_command_line)
{
	char *argv[8] = { (char[]){ "tcpdiagd" } };
	struct faults faults = {};
	struct options options;
	int argc = 1, r;

	for (; argc < 6 && lines[_i].argv[argc - 1]; argc++)
		argv[argc] = strdup(lines[_i].argv[argc - 1]);
	ck_assert_int_eq(options_default(&options), 0);
	r = arguments_apply(&options, argc, argv, &faults);
	if (!lines[_i].faults) {
		ck_assert_msg(r == 0 && !faults.text, "%s", faults.text);
	} else {
		size_t len = strcspn(lines[_i].faults, "."), whole = strlen(lines[_i].faults);
		bool open = whole > 4 && !strcmp(lines[_i].faults + whole - 4, "...\n") &&
			    !strstr(lines[_i].faults, "--no-...");

		len = open ? whole - 4 : whole + 1;
		ck_assert_int_eq(r, -EINVAL);
		ck_assert_msg(!strncmp(faults.text, lines[_i].faults, len), "wanted %sgot %s",
			      lines[_i].faults, faults.text);
	}
	for (int i = 1; i < argc; i++)
		free(argv[i]);
	faults_done(&faults);
	options_done(&options);
}
END_TEST

START_TEST(test_values_of_the_command_line)
{
	char *argv[] = { (char[]){ "tcpdiagd" },
			 (char[]){ "--web.listen-address=:1" },
			 (char[]){ "--web.listen-address" },
			 (char[]){ "unix:/run/x" },
			 (char[]){ "--no-collector.processes" },
			 (char[]){ "--web.allowed-hosts=a,b" },
			 (char[]){ "--rules.rst-on-close.info-age=5m" },
			 NULL };
	struct faults faults = {};
	struct options options;

	ck_assert_int_eq(options_default(&options), 0);
	ck_assert_int_eq(arguments_apply(&options, 7, argv, &faults), 0);
	ck_assert_uint_eq(options.listen_addresses.count, 2);
	ck_assert_str_eq(options.listen_addresses.items[0], ":1");
	ck_assert(!options.processes);
	ck_assert_uint_eq(options.allowed_hosts.count, 2);
	ck_assert_int_eq(options.thresholds.rst_info_age, 300 * NSEC_PER_SEC);
	options_done(&options);
}
END_TEST

START_TEST(test_contradictions)
{
	static const char *const names[] = { "interval", "format", "replay", "fail-on" };
	static const char *const values[] = { "10s", "json", "/x", "warning" };
	static const struct option_origin here = { .source = ORIGIN_COMMAND_LINE };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct faults faults = {};
		struct options options;
		char why[QUANTITY_WHY];

		ck_assert_int_eq(options_default(&options), 0);
		ck_assert_int_eq(options_check(&options, &faults), 0);
		ck_assert_int_eq(option_set(&options, row_of(names[i]), values[i], here, why), 0);
		ck_assert_int_eq(options_check(&options, &faults), -EINVAL);
		ck_assert_msg(strstr(faults.text, names[i]), "%s", faults.text);
		faults_done(&faults);
		options.once = true;
		ck_assert_int_eq(options_check(&options, &faults), i == 0 ? -EINVAL : 0);
		faults_done(&faults);
		options_done(&options);
	}
}
END_TEST

/* What --check-config prints can be read back, and says the same. */
START_TEST(test_printed_configuration_reads_back)
{
	static const struct option_origin here = { .source = ORIGIN_COMMAND_LINE };
	_cleanup_free_ char *text = NULL;
	struct options options, again;
	struct faults faults = {};
	char why[QUANTITY_WHY];
	size_t len;
	FILE *out;

	ck_assert_int_eq(options_default(&options), 0);
	ck_assert_int_eq(option_set(&options, row_of("web.listen-address"), "[::1]:80", here, why),
			 0);
	ck_assert_int_eq(
		option_set(&options, row_of("web.listen-address"), "unix:/a \"b\\", here, why), 0);
	ck_assert_int_eq(option_set(&options, row_of("cpu-share"), "2.25", here, why), 0);
	ck_assert_int_eq(option_set(&options, row_of("limits.strings"), "100000", here, why), 0);
	out = open_memstream(&text, &len);
	ck_assert_ptr_nonnull(out);
	options_print_yaml(&options, "f", out);
	fclose(out);
	ck_assert_int_eq(options_default(&again), 0);
	ck_assert_msg(config_parse(text, len, "printed", &again, &faults) == 0, "%s\n%s",
		      faults.text, text);
	for (size_t row = 0; row < options_count(); row++)
		ck_assert(option_equal(&options, &again, row));
	ck_assert_ptr_nonnull(strstr(text, "cpu-share: 2.25  # command line\n"));
	ck_assert_ptr_nonnull(strstr(text, "interval: 1s  # default\n"));
	options_done(&options);
	options_done(&again);
}
END_TEST

static char *read_file(const char *path)
{
	char *text = calloc(1, 1 << 20);
	FILE *file = fopen(path, "re");

	ck_assert_msg(file != NULL, "%s: %s", path, strerror(errno));
	ck_assert_ptr_nonnull(text);
	ck_assert_uint_gt(fread(text, 1, (1 << 20) - 1, file), 0);
	fclose(file);
	return text;
}

/* "\n  --name" in --help, with nothing behind that would be another name. */
static bool names(const char *text, const char *before, const char *name)
{
	char wanted[256];
	const char *found = text;

	snprintf(wanted, sizeof(wanted), "%s%s", before, name);
	while ((found = strstr(found, wanted))) {
		found += strlen(wanted);
		if (!strchr("abcdefghijklmnopqrstuvwxyz-.", *found) || !*found)
			return true;
	}
	return false;
}

START_TEST(test_help_names_all)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(out);
	options_print_help(out);
	fclose(out);
	for (size_t row = 0; row < options_count(); row++) {
		struct option_info info;

		option_get(row, &info);
		ck_assert_msg(names(text, "\n  --", info.name), "--%s is not in --help", info.name);
	}
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
		ck_assert_msg(strcspn(line, "\n") <= 80, "too wide: %.100s", line);
}
END_TEST

/*
 * tcpdiagd(8) has each option as `.It Fl -name`; thresholds stand in tcpdiagd.yaml(5) as `.It Cm
 * name`.
 */
START_TEST(test_manuals_name_all)
{
	_cleanup_free_ char *program = read_file("docs/tcpdiagd.8");
	_cleanup_free_ char *file = read_file("docs/tcpdiagd.yaml.5");

	for (size_t row = 0; row < options_count(); row++) {
		struct option_info info;

		option_get(row, &info);
		if (strncmp(info.name, "rules.", 6) != 0)
			ck_assert_msg(names(program, ".It Fl -", info.name),
				      "--%s is not in tcpdiagd(8)", info.name);
		if (!(info.flags & OPTION_COMMAND_LINE))
			ck_assert_msg(names(file, ".It Cm ", info.name),
				      "%s is not in tcpdiagd.yaml(5)", info.name);
	}
	/* and nothing that does not exist */
	for (const char *p = program; (p = strstr(p, ".It Fl -")); p++) {
		const char *name = p + strlen(".It Fl -");
		struct option_info info;

		ck_assert_msg(option_find(name, strcspn(name, " \n"), &info) >= 0,
			      "tcpdiagd(8) has --%.30s", name);
	}
	for (const char *p = file; (p = strstr(p, ".It Cm ")); p++) {
		const char *name = p + strlen(".It Cm ");
		struct option_info info;

		ck_assert_msg(option_find(name, strcspn(name, " \n"), &info) >= 0,
			      "tcpdiagd.yaml(5) has %.30s", name);
	}
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("options");
	TCase *t = tcase_create("options");

	tcase_add_test(t, test_rows_are_complete);
	tcase_add_test(t, test_each_row_takes_its_values);
	tcase_add_test(t, test_limits_are_kept);
	tcase_add_loop_test(t, test_command_line, 0, ARRAY_SIZE(lines));
	tcase_add_test(t, test_values_of_the_command_line);
	tcase_add_test(t, test_contradictions);
	tcase_add_test(t, test_printed_configuration_reads_back);
	tcase_add_test(t, test_help_names_all);
	tcase_add_test(t, test_manuals_name_all);
	suite_add_tcase(s, t);
	return s;
}
