/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The configuration file: what is taken, and for each mistake its place and what was expected.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "../harness.h"
#include "daemon/config.h"

static int parse(const char *text, struct options *options, struct faults *faults)
{
	ck_assert_int_eq(options_default(options), 0);
	return config_parse(text, strlen(text), "f", options, faults);
}

static const struct mistake {
	const char *text;
	const char
		*faults; /* everything that is said, "..." at the end of a line: the rest of it */
} mistakes[] = {
	{ "intervall: 1s\n", "f:1:1: intervall: unknown key; did you mean interval?\n" },
	{ "interval: 5\n",
	  "f:1:11: interval: \"5\" has no unit: write 5s for seconds or 5ms for milliseconds\n" },
	{ "interval: 1ms\n", "f:1:11: interval: 1ms is out of range: from 100ms to 1m\n" },
	{ "# a comment\n\ninterval:   two\n",
	  "f:3:13: interval: \"two\" is no duration; write for example 500ms or 1m30s\n" },
	{ "interval:\n", "f:1:10: interval: no value; expected a duration such as 500ms or 1m30s, "
			 "from 100ms to 1m\n" },
	{ "interval: [1s]\n", "f:1:11: interval: a list; expected a duration such as 500ms or "
			      "1m30s, from 100ms to 1m\n" },
	{ "interval: {a: b}\n", "f:1:11: interval: a mapping; expected a duration such as 500ms or "
				"1m30s, from 100ms to 1m\n" },
	{ "web:\n  listen-adress: x\n",
	  "f:2:3: web.listen-adress: unknown key; did you mean listen-address?\n" },
	{ "web.expose-api: true\n", "f:1:1: web.expose-api: keys are nested at the dots: write "
				    "web: and expose-api indented on "
				    "the next line\n" },
	{ "web: yes\n", "f:1:6: web: a value; expected keys below it, indented\n" },
	{ "web:\n  expose-api: yes\n",
	  "f:2:15: web.expose-api: \"yes\" is neither true nor false\n" },
	{ "web:\n  expose-api: \"true\"\n",
	  "f:2:15: web.expose-api: a text in quotes; expected true or false\n" },
	{ "web:\n  expose-api: True\n",
	  "f:2:15: web.expose-api: \"True\" is neither true nor false\n" },
	{ "limits:\n  sockets: 010\n",
	  "f:2:12: limits.sockets: \"010\" begins with a zero: write 10\n" },
	{ "limits:\n  sockets: 10\n",
	  "f:2:12: limits.sockets: 10 is out of range: from 1000 to 16000000\n" },
	{ "limits:\n  strings: 1TiB\n", "f:2:12: limits.strings: \"1TiB\" is no size: write a "
					"number of bytes, or with KiB, MiB or "
					"GiB\n" },
	{ "cpu-share: 0\n", "f:1:12: cpu-share: 0 is out of range: from 0.1 to 100\n" },
	{ "log:\n  level: loud\n",
	  "f:2:10: log.level: \"loud\" is none of error, warning, notice, info or debug\n" },
	{ "web:\n  listen-address: [\"127.0.0.1:1\", {a: b}]\n",
	  "f:2:35: web.listen-address: a mapping in the list; expected a text\n" },
	{ "web:\n  listen-address:\n    - 127.0.0.1:1\n    - localhost\n",
	  "f:4:7: web.listen-address: \"localhost\" has no port; ...\n" },
	{ "rules:\n  linger-zero:\n    allow: [a, a]\n",
	  "f:3:16: rules.linger-zero.allow: \"a\" stands twice\n" },
	{ "web:\n  allowed-hosts: [\"a b\"]\n",
	  "f:2:19: web.allowed-hosts: \"a b\" is no host name\n" },
	{ "interval: 1s\ninterval: 2s\n", "f:2:1: interval: stands twice\n" },
	{ "web:\n  expose-api: true\nlog:\n  level: info\nweb:\n  max-uri: 1KiB\n",
	  "f:5:1: web: stands twice\n" },
	{ "once: true\n", "f:1:1: once: belongs on the command line, as --once\n" },
	{ "config: x\n", "f:1:1: config: belongs on the command line, as --config\n" },
	{ "a: &x 1\nb: *x\n",
	  "f:1:4: anchors (&name) are not taken here\nf:2:4: aliases (*name) are not taken here: "
	  "write the value again\n" },
	{ "a: &x [*x]\n",
	  "f:1:4: anchors (&name) are not taken here\nf:1:8: aliases (*name) are not taken here: "
	  "write the value again\n" },
	{ "interval: !!str 1s\n", "f:1:11: tags (!type) are not taken here\n" },
	{ "interval: 1s\n---\ninterval: 2s\n",
	  "f:2:1: a second document begins here: only one is taken\n" },
	{ "- interval\n", "f:1:1: a list; expected keys such as \"interval: 1s\"\n" },
	{ "hello\n", "f:1:1: a value; expected keys such as \"interval: 1s\"\n" },
	{ "[[[[[[[[[[[[1]]]]]]]]]]]]\n", "f:1:9: nested deeper than 8 levels\n" },
	{ "? [a]\n: b\n", "f:1:3: a list where a key should stand\n" },
	{ "\"\": b\n", "f:1:1: an empty text where a key should stand\n" },
	{ "interval: \"1s\\0x\"\n", "f:1:11: interval: a NUL in a text\n" },
	{ "interval: [1s\n", "f:2:1: this is no YAML: ...\n" },
	{ "web:\n\texpose-api: true\n", "f:2:1: this is no YAML: ...\n" },
	{ "interval: 1s\nlog: \"\xff\"\n", "f:2:7: this is no YAML: ...\n" },
	/* all at once */
	{ "interval: 5\nfrobnicate: 1\nweb:\n  max-uri: 1\n",
	  "f:1:11: interval: \"5\" has no unit: write 5s for seconds or 5ms for milliseconds\n"
	  "f:2:1: frobnicate: unknown key\n"
	  "f:4:12: web.max-uri: 1 is out of range: from 256 to 64KiB\n" },
	{ "rules:\n  close-wait-leak:\n    inbound:\n      warning-age: 60\n",
	  "f:4:20: rules.close-wait-leak.inbound.warning-age: \"60\" has no unit: ...\n" },
	{ "rules:\n  close-wait-leak:\n    inbound:\n      warnings-age: 60s\n",
	  "f:4:7: rules.close-wait-leak.inbound.warnings-age: unknown key; did you mean "
	  "warning-age?\n" },
};

/* Line by line; a line of @wanted that ends with "..." is a beginning. */
static bool matches(const char *wanted, const char *got)
{
	while (*wanted && got && *got) {
		size_t w = strcspn(wanted, "\n"), g = strcspn(got, "\n");
		bool open = w >= 3 && !strncmp(wanted + w - 3, "...", 3);

		if (open ? g < w - 3 || strncmp(wanted, got, w - 3) != 0
			 : g != w || strncmp(wanted, got, w) != 0)
			return false;
		wanted += w + 1;
		got += g + 1;
	}
	return !*wanted && (!got || !*got);
}

START_TEST(test_mistake)
{
	struct faults faults = {};
	struct options options;

	ck_assert_int_eq(parse(mistakes[_i].text, &options, &faults), -EINVAL);
	ck_assert_msg(matches(mistakes[_i].faults, faults.text), "wanted:\n%sgot:\n%s",
		      mistakes[_i].faults, faults.text);
	faults_done(&faults);
	options_done(&options);
}
END_TEST

START_TEST(test_taken)
{
	static const char text[] = "interval: 500ms\n"
				   "cpu-share: 2.5%\n"
				   "collector:\n"
				   "  processes: false\n"
				   "web:\n"
				   "  listen-address: [\":80\", 'unix:/run/x']\n"
				   "  allowed-hosts: box\n"
				   "limits: {sockets: 5000, strings: 1MiB}\n"
				   "log:\n"
				   "rules:\n"
				   "  rst-on-close:\n"
				   "    info-age: 2m\n";
	struct faults faults = {};
	struct option_info info;
	struct options options;
	int row;

	ck_assert_int_eq(parse(text, &options, &faults), 0);
	ck_assert_ptr_null(faults.text);
	ck_assert_int_eq(options.interval_ns, 500 * NSEC_PER_MSEC);
	ck_assert_double_eq(options.cpu_share, 2.5);
	ck_assert(!options.processes);
	ck_assert_uint_eq(options.listen_addresses.count, 2);
	ck_assert_str_eq(options.listen_addresses.items[1], "unix:/run/x");
	ck_assert_uint_eq(options.allowed_hosts.count, 1);
	ck_assert_int_eq(options.max_sockets, 5000);
	ck_assert_int_eq(options.max_strings, 1 << 20);
	ck_assert_int_eq(options.thresholds.rst_info_age, 120 * NSEC_PER_SEC);
	row = option_find("limits.strings", strlen("limits.strings"), &info);
	ck_assert_int_ge(row, 0);
	ck_assert_int_eq(options.origins[row].source, ORIGIN_FILE);
	ck_assert_uint_eq(options.origins[row].line, 8);
	options_done(&options);
}
END_TEST

START_TEST(test_nothing_is_everything_at_its_default)
{
	static const char *const texts[] = {
		"", "\n", "# comment\n", "---\n", "---\n...\n", "{}\n"
	};
	struct options defaults, options;
	struct faults faults = {};

	ck_assert_int_eq(options_default(&defaults), 0);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		ck_assert_int_eq(parse(texts[i], &options, &faults), 0);
		for (size_t row = 0; row < options_count(); row++)
			ck_assert(option_equal(&options, &defaults, row));
		options_done(&options);
	}
	options_done(&defaults);
}
END_TEST

START_TEST(test_too_large)
{
	_cleanup_free_ char *text = malloc(CONFIG_BYTES_MAX + 1);
	struct faults faults = {};
	struct options options;

	ck_assert_ptr_nonnull(text);
	memset(text, '\n', CONFIG_BYTES_MAX + 1);
	ck_assert_int_eq(options_default(&options), 0);
	ck_assert_int_eq(config_parse(text, CONFIG_BYTES_MAX + 1, "f", &options, &faults), -EINVAL);
	ck_assert_str_eq(faults.text, "f: larger than 1048576 bytes: this is no configuration\n");
	ck_assert_int_eq(config_parse(text, CONFIG_BYTES_MAX, "f", &options, &faults), 0);
	faults_done(&faults);
	options_done(&options);
}
END_TEST

START_TEST(test_mistakes_are_bounded)
{
	char text[FAULTS_MAX * 32 * 2];
	struct faults faults = {};
	struct options options;
	size_t len = 0, lines = 0;

	for (int i = 0; i < FAULTS_MAX * 2; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "frobnicate%d: 1\n", i);
	ck_assert_int_eq(parse(text, &options, &faults), -EINVAL);
	for (const char *p = faults.text; *p; p++)
		lines += *p == '\n';
	ck_assert_uint_eq(lines, FAULTS_MAX);
	faults_done(&faults);
	options_done(&options);
}
END_TEST

static struct options *assemble(char **argv, struct options *options, struct faults *faults,
				int want)
{
	const char *path = NULL;
	int argc = 0;

	while (argv[argc])
		argc++;
	ck_assert_int_eq(config_assemble(argc, argv, options, &path, faults), want);
	return options;
}

START_TEST(test_flag_before_file_before_default)
{
	char path[] = "/tmp/tcpdiagd-test-config-XXXXXX", config[64];
	char *argv[] = { (char[]){ "tcpdiagd" },
			 config,
			 (char[]){ "--interval" },
			 (char[]){ "2s" },
			 (char[]){ "--web.listen-address=:1" },
			 NULL };
	static const char text[] = "interval: 3s\nsweep-interval: 7s\n"
				   "web:\n  listen-address: [\":2\", \":3\"]\n";
	struct faults faults = {};
	struct options options;
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	snprintf(config, sizeof(config), "--config=%s", path);
	assemble(argv, &options, &faults, 0);
	unlink(path);
	ck_assert_int_eq(options.interval_ns, 2 * NSEC_PER_SEC);
	ck_assert_int_eq(options.sweep_interval_ns, 7 * NSEC_PER_SEC);
	ck_assert_double_eq(options.cpu_share, 5);
	ck_assert_uint_eq(options.listen_addresses.count, 1);
	ck_assert_str_eq(options.listen_addresses.items[0], ":1");
	options_done(&options);
}
END_TEST

/* What no row sees alone has a place, too, where the file says it. */
static const struct {
	const char *text, *argument;
	int names; /* @text ends with a list of so many */
	const char *fault; /* behind the path */
} contradictions[] = {
	{ "web: {listen-address: []}\n", NULL, 0,
	  ":1:23: web.listen-address: at least one address is needed\n" },
	{ "interval: 3s\nsweep-interval: 2s\n", NULL, 0,
	  ":2:17: sweep-interval (2s) is shorter than interval (3s)\n" },
	{ "\ninterval: 10s\n", NULL, 0,
	  ":2:11: sweep-interval (5s) is shorter than interval (10s)\n" },
	{ "interval: 3s\n", "--sweep-interval=2s", 0,
	  ":1:11: sweep-interval (2s) is shorter than interval (3s)\n" },
	{ "", "--interval=10s", 0, "sweep-interval (5s) is shorter than interval (10s)\n" },
	{ "web:\n  allowed-hosts: ", NULL, 16,
	  ":2:18: web.allowed-hosts: all names together have " },
	{ "rules:\n  linger-zero:\n    allow: ", NULL, 16,
	  ":3:12: rules.linger-zero.allow: all names together have " },
};

START_TEST(test_contradictions_have_a_place)
{
	char path[] = "/tmp/tcpdiagd-test-config-XXXXXX", config[64], argument[64] = "";
	char text[8192], wanted[256];
	const char *fault = contradictions[_i].fault;
	char *argv[] = { (char[]){ "tcpdiagd" }, config, NULL, NULL };
	struct faults faults = {};
	struct options options;
	int fd = mkstemp(path), len;

	len = snprintf(text, sizeof(text), "%s", contradictions[_i].text);
	for (int i = 0; i < contradictions[_i].names; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, "%s%c%0200d%s",
				i ? ", " : "[", 'a' + i, 0,
				i + 1 < contradictions[_i].names ? "" : "]\n");
	ck_assert_int_eq(write(fd, text, (size_t)len), len);
	close(fd);
	snprintf(config, sizeof(config), "--config=%s", path);
	if (contradictions[_i].argument) {
		snprintf(argument, sizeof(argument), "%s", contradictions[_i].argument);
		argv[2] = argument;
	}
	assemble(argv, &options, &faults, -EINVAL);
	unlink(path);
	snprintf(wanted, sizeof(wanted), "%s%s", *fault == ':' ? path : "", fault);
	ck_assert_msg(!strncmp(faults.text, wanted, strlen(wanted)), "%s", faults.text);
	faults_done(&faults);
	options_done(&options);
}
END_TEST

START_TEST(test_file_that_was_named_must_be_there)
{
	char *argv[] = { (char[]){ "tcpdiagd" }, (char[]){ "--config" },
			 (char[]){ "/nowhere/x.yaml" }, NULL };
	struct faults faults = {};
	struct options options;

	assemble(argv, &options, &faults, -EINVAL);
	ck_assert_str_eq(faults.text, "/nowhere/x.yaml: No such file or directory\n");
	faults_done(&faults);
	options_done(&options);
}
END_TEST

/* The example is the documentation of the file: every key, every default. */
START_TEST(test_example)
{
	struct options defaults, options;
	struct faults faults = {};

	ck_assert_int_eq(options_default(&defaults), 0);
	ck_assert_int_eq(options_default(&options), 0);
	ck_assert_msg(config_load("config/tcpdiagd.yaml", true, &options, &faults) == 1, "%s",
		      faults.text);
	for (size_t row = 0; row < options_count(); row++) {
		struct option_info info;

		option_get(row, &info);
		if (info.flags & OPTION_COMMAND_LINE)
			continue;
		ck_assert_msg(option_equal(&options, &defaults, row), "%s is not the default",
			      info.name);
		ck_assert_msg(options.origins[row].source == ORIGIN_FILE,
			      "%s is not in the example", info.name);
	}
	options_done(&options);
	options_done(&defaults);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("config");
	TCase *t = tcase_create("config");

	tcase_add_loop_test(t, test_mistake, 0, ARRAY_SIZE(mistakes));
	tcase_add_test(t, test_taken);
	tcase_add_test(t, test_nothing_is_everything_at_its_default);
	tcase_add_test(t, test_too_large);
	tcase_add_test(t, test_mistakes_are_bounded);
	tcase_add_test(t, test_flag_before_file_before_default);
	tcase_add_loop_test(t, test_contradictions_have_a_place, 0, ARRAY_SIZE(contradictions));
	tcase_add_test(t, test_file_that_was_named_must_be_there);
	tcase_add_test(t, test_example);
	suite_add_tcase(s, t);
	return s;
}
