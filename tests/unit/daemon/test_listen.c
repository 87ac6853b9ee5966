/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Addresses to listen on: their spelling, and real sockets from them.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../harness.h"
#include "daemon/listen.h"

static const struct spelling {
	const char *text;
	int family; /* 0: refused */
	unsigned int port;
	const char *why;
} spellings[] = {
	{ "127.0.0.1:19293", AF_INET, 19293, NULL },
	{ "0.0.0.0:0", AF_INET, 0, NULL },
	{ "[::1]:80", AF_INET6, 80, NULL },
	{ "[2001:db8::1]:65535", AF_INET6, 65535, NULL },
	{ ":19293", AF_INET6, 19293, NULL },
	{ "unix:/run/x.sock", AF_UNIX, 0, NULL },
	{ "", 0, 0, "has no port" },
	{ "127.0.0.1", 0, 0, "has no port" },
	{ "127.0.0.1:", 0, 0, "has no port" },
	{ "[::1]", 0, 0, "has no port" },
	{ "127.0.0.1:65536", 0, 0, "no port from 0 to 65535" },
	{ "127.0.0.1:http", 0, 0, "no port from 0 to 65535" },
	{ "127.0.0.1:-1", 0, 0, "no port from 0 to 65535" },
	{ "127.0.0.1:080", 0, 0, "no port from 0 to 65535" },
	{ "127.0.0.256:1", 0, 0, "no IPv4 address" },
	{ "localhost:19293", 0, 0, "names are not looked up" },
	{ "::1:80", 0, 0, "in brackets" },
	{ "[::1%lo]:80", 0, 0, "zones" },
	{ "[::g]:80", 0, 0, "no IPv6 address" },
	{ "[1.2.3.4]:80", 0, 0, "no IPv6 address" },
	{ "[:80", 0, 0, "is no IPv4 address" },
	{ "[]:80", 0, 0, "no IPv6 address" },
	{ "unix:relative", 0, 0, "begins with /" },
	{ "unix:", 0, 0, "begins with /" },
	{ "unix:/"
	  "a-path-that-is-longer-than-any-unix-socket-may-have-on-linux-where-a-hundred-and-eight-"
	  "bytes-are-all-there-are",
	  0, 0, "at most 107" },
};

START_TEST(test_spelling)
{
	const struct spelling *s = &spellings[_i];
	struct listen_address address = {};
	char why[QUANTITY_WHY] = "";
	int r = listen_parse(s->text, &address, why);

	if (!s->family) {
		ck_assert_int_eq(r, -EINVAL);
		ck_assert_int_eq(address.length, 0);
		ck_assert_msg(strstr(why, s->why), "%s: %s", s->text, why);
		return;
	}
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(address.address.ss_family, s->family);
	ck_assert_int_eq(address.any, s->text[0] == ':');
	if (s->family != AF_UNIX)
		ck_assert_uint_eq(ntohs(((struct sockaddr_in *)&address.address)->sin_port),
				  s->port);
}
END_TEST

static void with_address(struct options *options, const char *text)
{
	static const struct option_origin here = { .source = ORIGIN_COMMAND_LINE };
	struct option_info info;
	char why[QUANTITY_WHY];
	int row = option_find("web.listen-address", strlen("web.listen-address"), &info);

	ck_assert_msg(option_set(options, (size_t)row, text, here, why) == 0, "%s", why);
}

START_TEST(test_loopback)
{
	struct listeners listeners, again;
	struct faults faults = {};
	struct options options;
	char text[CHANNEL_ADDRESS_MAX];

	ck_assert_int_eq(options_default(&options), 0);
	with_address(&options, "127.0.0.1:0");
	ck_assert_int_eq(listeners_open(&options, NULL, 0, &listeners, &faults), 0);
	ck_assert_uint_eq(listeners.count, 1);
	ck_assert(listeners.items[0].loopback && !listeners.items[0].local);
	ck_assert_ptr_null(strstr(listeners.items[0].address, ":0"));
	memcpy(text, listeners.items[0].address, sizeof(text));
	options_done(&options);

	/* The same again, while it is in use. */
	ck_assert_int_eq(options_default(&options), 0);
	with_address(&options, text);
	ck_assert_int_eq(listeners_open(&options, NULL, 0, &again, &faults), -EINVAL);
	ck_assert_msg(strstr(faults.text, "Address already in use: another tcpdiagd?"), "%s",
		      faults.text);
	ck_assert_int_eq(strncmp(faults.text, text, strlen(text)), 0);
	faults_done(&faults);
	listeners_close(&again);
	listeners_close(&listeners);
	options_done(&options);
}
END_TEST

START_TEST(test_any_is_not_loopback)
{
	struct listeners listeners;
	struct faults faults = {};
	struct options options;

	ck_assert_int_eq(options_default(&options), 0);
	with_address(&options, ":0");
	with_address(&options, "0.0.0.0:0");
	ck_assert_int_eq(listeners_open(&options, NULL, 0, &listeners, &faults), 0);
	ck_assert_uint_eq(listeners.count, 2);
	ck_assert(!listeners.items[0].loopback && !listeners.items[1].loopback);
	listeners_close(&listeners);
	options_done(&options);
}
END_TEST

START_TEST(test_unix_socket)
{
	char folder[] = "/tmp/tcpdiagd-test-listen-XXXXXX", path[64], text[72];
	struct listeners listeners, other;
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct faults faults = {};
	struct options options;
	struct stat st;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s", folder);
	snprintf(text, sizeof(text), "unix:%s", path);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	ck_assert_int_eq(options_default(&options), 0);
	with_address(&options, text);

	/* One that nobody answers at any more is replaced. */
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	close(fd);
	ck_assert_msg(listeners_open(&options, NULL, 0, &listeners, &faults) == 0, "%s",
		      faults.text);
	ck_assert(listeners.items[0].local);
	ck_assert_str_eq(listeners.items[0].address, text);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0660);

	/* One that is in use is not. */
	ck_assert_int_eq(listeners_open(&options, NULL, 0, &other, &faults), -EINVAL);
	listeners_close(&other);
	faults_done(&faults);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	close(fd);

	listeners_close(&listeners);
	ck_assert_int_lt(stat(path, &st), 0);

	/* A file that is no socket stays. */
	fclose(fopen(path, "we"));
	ck_assert_int_eq(listeners_open(&options, NULL, 0, &other, &faults), -EINVAL);
	listeners_close(&other);
	ck_assert_int_eq(stat(path, &st), 0);
	faults_done(&faults);
	unlink(path);
	rmdir(folder);
	options_done(&options);
}
END_TEST

START_TEST(test_folder_that_is_missing)
{
	struct listeners listeners;
	struct faults faults = {};
	struct options options;

	ck_assert_int_eq(options_default(&options), 0);
	with_address(&options, "unix:/nowhere/at/all");
	ck_assert_int_eq(listeners_open(&options, NULL, 0, &listeners, &faults), -EINVAL);
	ck_assert_str_eq(faults.text,
			 "unix:/nowhere/at/all: No such file or directory: the folder does "
			 "not exist\n");
	faults_done(&faults);
	options_done(&options);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("listen");
	TCase *t = tcase_create("listen");

	tcase_add_loop_test(t, test_spelling, 0, ARRAY_SIZE(spellings));
	tcase_add_test(t, test_loopback);
	tcase_add_test(t, test_any_is_not_loopback);
	tcase_add_test(t, test_unix_socket);
	tcase_add_test(t, test_folder_that_is_missing);
	suite_add_tcase(s, t);
	return s;
}
