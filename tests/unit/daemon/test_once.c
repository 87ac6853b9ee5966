/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * --once, from the options to the text: on dumps of incidents, and on a real socket.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../harness.h"
#include "daemon/once.h"

#define FIXTURE "tests/fixtures/close-wait-leak.dump"
#define FIXTURE_SOCKETS 57

static void set(struct options *options, const char *name, const char *value)
{
	static const struct option_origin here = { .source = ORIGIN_COMMAND_LINE };
	struct option_info info;
	char why[QUANTITY_WHY];
	int row = option_find(name, strlen(name), &info);

	ck_assert_msg(row >= 0 && option_set(options, (size_t)row, value, here, why) == 0,
		      "%s=%s: %s", name, value, why);
}

/* What it prints, and its exit status. To be freed. */
static char *run(const struct options *options, int *ret_status)
{
	int out = memfd_create("out", MFD_CLOEXEC), before = dup(STDOUT_FILENO);
	char *text = calloc(1, 1 << 20);

	ck_assert(out >= 0 && before >= 0 && text);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	*ret_status = once_main(options);
	fflush(stdout);
	dup2(before, STDOUT_FILENO);
	ck_assert_int_ge(pread(out, text, (1 << 20) - 1, 0), 0);
	close(out);
	close(before);
	return text;
}

static char *replay(const char *path, const char *format, int *ret_status)
{
	struct options options;
	char *text;

	ck_assert_int_eq(options_default(&options), 0);
	set(&options, "once", "true");
	set(&options, "replay", path);
	set(&options, "format", format);
	text = run(&options, ret_status);
	options_done(&options);
	return text;
}

START_TEST(test_text)
{
	_cleanup_free_ char *text = NULL;
	int status;

	text = replay(FIXTURE, "text", &status);
	ck_assert_int_eq(status, 0);
	ck_assert_msg(strstr(text, "57 sockets"), "%s", text);
	ck_assert_msg(strstr(text, "close-wait 28"), "%s", text);
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
		ck_assert_uint_le(strcspn(line, "\n"), 100);
}
END_TEST

START_TEST(test_json)
{
	_cleanup_free_ char *text = NULL;
	json_t *root, *sockets;
	int status;

	text = replay(FIXTURE, "json", &status);
	ck_assert_int_eq(status, 0);
	root = json_loads(text, 0, NULL);
	ck_assert_ptr_nonnull(root);
	sockets = json_object_get(root, "sockets");
	ck_assert_uint_eq(json_array_size(sockets), FIXTURE_SOCKETS);
	ck_assert_int_eq(json_integer_value(json_object_get(root, "matched")), FIXTURE_SOCKETS);
	/* detail=full: all five operations */
	ck_assert_ptr_nonnull(json_object_get(
		json_object_get(json_array_get(sockets, 1), "outcomes"), "shutdown_write"));
	json_decref(root);
}
END_TEST

START_TEST(test_ndjson)
{
	_cleanup_free_ char *text = NULL;
	int status, rows = 0;

	text = replay(FIXTURE, "ndjson", &status);
	ck_assert_int_eq(status, 0);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), rows++) {
		json_t *row = json_loads(line, 0, NULL);

		ck_assert_ptr_nonnull(json_object_get(row, "id"));
		json_decref(row);
	}
	ck_assert_int_eq(rows, FIXTURE_SOCKETS);
}
END_TEST

START_TEST(test_files_that_are_no_dump)
{
	static const char *const paths[] = { "/nowhere/dump", "/etc/passwd" };

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		_cleanup_free_ char *text = NULL;
		int status;

		text = replay(paths[i], "text", &status);
		ck_assert_int_eq(status, 1);
		ck_assert_str_eq(text, "");
	}
}
END_TEST

/* A network of its own, with a loopback that works. */
static void own_network(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		ck_assert_int_eq(unshare(CLONE_NEWUSER | CLONE_NEWNET), 0);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
}

/* A listener with a connection that its client has closed and nobody accepts. */
static int never_accepted(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	ck_assert_int_eq(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
	close(client);
	return listener;
}

START_TEST(test_fail_on)
{
	static const struct wish {
		const char *fail_on;
		int status;
	} wishes[] = { { "never", 0 }, { "warning", 3 }, { "critical", 0 } };
	int listener;

	own_network();
	listener = never_accepted();
	/* The lowest age that can be configured, and a bit. */
	usleep(1200000);
	for (size_t i = 0; i < ARRAY_SIZE(wishes); i++) {
		_cleanup_free_ char *text = NULL;
		struct options options;
		int status;

		ck_assert_int_eq(options_default(&options), 0);
		set(&options, "once", "true");
		set(&options, "fail-on", wishes[i].fail_on);
		/* No age below two sweeps is believed. */
		set(&options, "interval", "100ms");
		set(&options, "sweep-interval", "500ms");
		set(&options, "rules.close-wait-leak.unaccepted.warning-count", "1");
		set(&options, "rules.close-wait-leak.unaccepted.warning-age", "1s");
		text = run(&options, &status);
		ck_assert_msg(status == wishes[i].status, "--fail-on %s: %d\n%s", wishes[i].fail_on,
			      status, text);
		ck_assert_msg(strstr(text, "close-wait-leak"), "%s", text);
		options_done(&options);
	}
	close(listener);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("once");
	TCase *t = tcase_create("once");

	tcase_set_timeout(t, 20);
	tcase_add_test(t, test_text);
	tcase_add_test(t, test_json);
	tcase_add_test(t, test_ndjson);
	tcase_add_test(t, test_files_that_are_no_dump);
	tcase_add_test(t, test_fail_on);
	suite_add_tcase(s, t);
	return s;
}
