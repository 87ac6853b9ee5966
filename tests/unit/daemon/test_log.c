/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages: how a line looks, and that a storm of the same one is one line.
 */
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "../harness.h"
#include "daemon/log.h"

static char line[LOG_LINE_MAX];

static size_t format(enum log_output output, int priority, const char *text)
{
	const struct log_message message = { "tcpdiagd", priority, text, 0, NULL, 0 };

	return log_format(output, &message, line, sizeof(line));
}

START_TEST(test_lines)
{
	ck_assert_uint_eq(format(LOG_OUTPUT_PLAIN, LOG_WARNING, "it rains"), strlen(line));
	ck_assert_str_eq(line, "tcpdiagd: warning: it rains\n");
	format(LOG_OUTPUT_PLAIN, LOG_INFO, "it rains");
	ck_assert_str_eq(line, "tcpdiagd: it rains\n");
	format(LOG_OUTPUT_PREFIX, LOG_ERR, "it rains");
	ck_assert_str_eq(line, "<3>tcpdiagd: it rains\n");
}
END_TEST

static json_t *parse(const struct log_message *message, size_t size)
{
	size_t len = log_format(LOG_OUTPUT_JSON, message, line, size);
	json_t *root = json_loadb(line, len, 0, NULL);

	ck_assert_msg(root != NULL, "%s", line);
	ck_assert_uint_lt(len, size);
	ck_assert_int_eq(line[len - 1], '\n');
	return root;
}

static const char *text_of(const json_t *root, const char *name)
{
	return json_string_value(json_object_get(root, name));
}

START_TEST(test_json_line)
{
	const struct log_message message = {
		"tcpdiagd", LOG_INFO, "a \"quoted\" \\ \t text", 1700000000123456789, NULL, 0
	};
	json_t *root = parse(&message, sizeof(line));

	ck_assert_str_eq(text_of(root, "message"), "a \"quoted\" \\ \t text");
	ck_assert_str_eq(text_of(root, "level"), "info");
	ck_assert_str_eq(text_of(root, "time"), "2023-11-14T22:13:20.123Z");
	ck_assert_uint_eq(json_object_size(root), 4);
	json_decref(root);
}
END_TEST

/* As systemd's journal has them, by shorter names. */
START_TEST(test_json_fields)
{
	static const struct log_field fields[] = {
		{ "MESSAGE_ID", "0123", false },     { "TCPDIAGD_RULE", "linger-zero", false },
		{ "TCPDIAGD_UNIT", NULL, false },    { "TCPDIAGD_COMM", "", false },
		{ "TCPDIAGD_COUNT", "17", true },    { "OBJECT_PID", "4711", true },
		{ "TCPDIAGD_CAUSE", "\"\1", false },
	};
	const struct log_message message = { "tcpdiagd", LOG_CRIT, "it pours",
					     0,		 fields,   ARRAY_SIZE(fields) };
	json_t *root = parse(&message, sizeof(line));

	ck_assert_str_eq(text_of(root, "message"), "it pours");
	ck_assert_str_eq(text_of(root, "message_id"), "0123");
	ck_assert_str_eq(text_of(root, "rule"), "linger-zero");
	ck_assert_str_eq(text_of(root, "cause"), "\"\1");
	ck_assert_int_eq(json_integer_value(json_object_get(root, "count")), 17);
	ck_assert_int_eq(json_integer_value(json_object_get(root, "pid")), 4711);
	ck_assert_uint_eq(json_object_size(root), 9);
	json_decref(root);
}
END_TEST

/* Whatever finds room, it is an object; what comes behind a field that finds none is tried all the same. */
START_TEST(test_json_line_that_is_too_long)
{
	char text[600];
	const struct log_field fields[] = { { "TCPDIAGD_CAUSE", text, false },
					    { "TCPDIAGD_RULE", "linger-zero", false } };
	const struct log_message message = { "tcpdiagd", LOG_CRIT, "it pours",
					     0,		 fields,   ARRAY_SIZE(fields) };
	struct log_message longer = message;
	json_t *root;
	size_t i;

	memset(text, '"', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	root = parse(&message, 300);
	ck_assert_ptr_null(json_object_get(root, "cause"));
	ck_assert_str_eq(text_of(root, "rule"), "linger-zero");
	json_decref(root);
	longer.text = text;
	for (i = 120; i < 1600; i++) {
		root = parse(&longer, i);
		ck_assert_uint_ge(json_object_size(root), 4);
		json_decref(root);
	}
	for (i = 0; i + 3 < sizeof(text); i += 3)
		memcpy(text + i, "\u20ac", 3);
	for (i = 120; i < 400; i++)
		json_decref(parse(&longer, i));
	root = parse(&longer, sizeof(line));
	ck_assert_str_eq(text_of(root, "message"), text);
	ck_assert_str_eq(text_of(root, "cause"), text);
	json_decref(root);
}
END_TEST

START_TEST(test_line_that_is_too_long_ends_with_a_newline)
{
	char text[LOG_LINE * 2], cut[64];
	const struct log_message message = { "t", LOG_INFO, text, 0, NULL, 0 };
	size_t len;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	len = log_format(LOG_OUTPUT_PREFIX, &message, cut, sizeof(cut));
	ck_assert_uint_eq(len, sizeof(cut) - 1);
	ck_assert_int_eq(cut[len - 1], '\n');
}
END_TEST

struct captured {
	struct log log;
	int pipe[2];
	char text[8192];
};

static void capture(struct captured *c)
{
	*c = (struct captured){
		.log = { .output = LOG_OUTPUT_PREFIX, .level = LOG_INFO, .process = "t" }
	};
	ck_assert_int_eq(pipe2(c->pipe, O_NONBLOCK), 0);
	c->log.fd = c->pipe[1];
}

static const char *captured(struct captured *c)
{
	ssize_t len = read(c->pipe[0], c->text, sizeof(c->text) - 1);

	c->text[len > 0 ? len : 0] = '\0';
	return c->text;
}

START_TEST(test_same_message_again)
{
	struct captured c;

	capture(&c);
	for (int i = 0; i < 1000; i++)
		log_print(&c.log, LOG_WARNING, "again");
	ck_assert_str_eq(captured(&c), "<4>t: again\n");
	log_print(&c.log, LOG_INFO, "something else");
	ck_assert_str_eq(captured(&c), "<4>t: (the same 999 times more)\n<6>t: something else\n");
	log_print(&c.log, LOG_INFO, "something else");
	log_print(&c.log, LOG_ERR, "worse");
	ck_assert_str_eq(captured(&c), "<6>t: (the same once more)\n<3>t: worse\n");
	log_print(&c.log, LOG_INFO, "something else");
	ck_assert_str_eq(captured(&c), "<6>t: something else\n");
	/* After a while it is news again. */
	c.log.last_ns -= 11 * NSEC_PER_SEC;
	log_print(&c.log, LOG_INFO, "something else");
	ck_assert_str_eq(captured(&c), "<6>t: something else\n");
	log_print(&c.log, LOG_DEBUG, "not of interest");
	log_print(&c.log, LOG_INFO, "two\nlines");
	ck_assert_str_eq(captured(&c), "<6>t: two lines\n");
}
END_TEST

START_TEST(test_topic)
{
	struct log_topic topic = {};
	struct captured c;

	capture(&c);
	log_clear(&c.log, &topic, LOG_INFO, "well again");
	ck_assert_str_eq(captured(&c), "");
	for (int i = 0; i < 10; i++) {
		log_change(&c.log, &topic, LOG_WARNING, "poll fails: %s", "EPERM");
		log_print(&c.log, LOG_INFO, "other %d", i);
	}
	ck_assert_ptr_eq(strstr(captured(&c) + 1, "poll fails"), c.text + 6);
	ck_assert_ptr_null(strstr(c.text + 16, "poll fails"));
	log_change(&c.log, &topic, LOG_WARNING, "poll fails: %s", "ENOMEM");
	ck_assert_str_eq(captured(&c), "<4>t: poll fails: ENOMEM\n");
	log_clear(&c.log, &topic, LOG_INFO, "well again");
	log_clear(&c.log, &topic, LOG_INFO, "well again");
	ck_assert_str_eq(captured(&c), "<6>t: well again\n");
}
END_TEST

START_TEST(test_level_and_output)
{
	struct options options;
	struct log log;

	ck_assert_int_eq(options_default(&options), 0);
	ck_assert_int_eq(log_level(&options), LOG_INFO);
	unsetenv("JOURNAL_STREAM");
	log_open(&log, &options, "t");
	ck_assert_int_ne(log.output, LOG_OUTPUT_JOURNAL);
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_open(&log, &options, "t");
	ck_assert_int_ne(log.output, LOG_OUTPUT_JOURNAL);
	options.log_format = LOG_FORMAT_JSON;
	log_open(&log, &options, "t");
	ck_assert_int_eq(log.output, LOG_OUTPUT_JSON);
	/* As at a reload: where it goes, and what was said, stays. */
	log.fd = 77;
	log.repeated = 3;
	options.log_format = LOG_FORMAT_TEXT;
	options.log_level = 0;
	log_configure(&log, &options);
	ck_assert(log.output == LOG_OUTPUT_PLAIN || log.output == LOG_OUTPUT_PREFIX);
	ck_assert_int_eq(log.level, LOG_ERR);
	ck_assert_int_eq(log.fd, 77);
	ck_assert_uint_eq(log.repeated, 3);
	options_done(&options);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("log");
	TCase *t = tcase_create("log");

	tcase_add_test(t, test_lines);
	tcase_add_test(t, test_json_line);
	tcase_add_test(t, test_json_fields);
	tcase_add_test(t, test_json_line_that_is_too_long);
	tcase_add_test(t, test_line_that_is_too_long_ends_with_a_newline);
	tcase_add_test(t, test_same_message_again);
	tcase_add_test(t, test_topic);
	tcase_add_test(t, test_level_and_output);
	suite_add_tcase(s, t);
	return s;
}
