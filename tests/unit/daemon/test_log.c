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

START_TEST(test_lines)
{
	char line[LOG_LINE];
	size_t len;

	len = log_format(LOG_OUTPUT_PLAIN, "tcpdiagd", LOG_WARNING, "it rains", 0, line,
			 sizeof(line));
	ck_assert_str_eq(line, "tcpdiagd: warning: it rains\n");
	ck_assert_uint_eq(len, strlen(line));
	log_format(LOG_OUTPUT_PLAIN, "tcpdiagd", LOG_INFO, "it rains", 0, line, sizeof(line));
	ck_assert_str_eq(line, "tcpdiagd: it rains\n");
	log_format(LOG_OUTPUT_PREFIX, "tcpdiagd-web", LOG_ERR, "it rains", 0, line, sizeof(line));
	ck_assert_str_eq(line, "<3>tcpdiagd-web: it rains\n");
}
END_TEST

START_TEST(test_json_line)
{
	char line[LOG_LINE];
	json_t *root;
	size_t len;

	len = log_format(LOG_OUTPUT_JSON, "tcpdiagd", LOG_INFO, "a \"quoted\" \\ \t text",
			 1700000000123456789, line, sizeof(line));
	root = json_loadb(line, len, 0, NULL);
	ck_assert_ptr_nonnull(root);
	ck_assert_str_eq(json_string_value(json_object_get(root, "message")),
			 "a \"quoted\" \\ \t text");
	ck_assert_str_eq(json_string_value(json_object_get(root, "level")), "info");
	ck_assert_str_eq(json_string_value(json_object_get(root, "time")),
			 "2023-11-14T22:13:20.123Z");
	json_decref(root);
}
END_TEST

START_TEST(test_line_that_is_too_long_ends_with_a_newline)
{
	char message[LOG_LINE * 2], line[64];
	size_t len;

	memset(message, 'x', sizeof(message) - 1);
	message[sizeof(message) - 1] = '\0';
	len = log_format(LOG_OUTPUT_PREFIX, "t", LOG_INFO, message, 0, line, sizeof(line));
	ck_assert_uint_eq(len, sizeof(line) - 1);
	ck_assert_int_eq(line[len - 1], '\n');
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
	ck_assert_str_eq(captured(&c), "<6>t: (the same 999 times more)\n<6>t: something else\n");
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
	options_done(&options);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("log");
	TCase *t = tcase_create("log");

	tcase_add_test(t, test_lines);
	tcase_add_test(t, test_json_line);
	tcase_add_test(t, test_line_that_is_too_long_ends_with_a_newline);
	tcase_add_test(t, test_same_message_again);
	tcase_add_test(t, test_topic);
	tcase_add_test(t, test_level_and_output);
	suite_add_tcase(s, t);
	return s;
}
