/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A real web process and clients that ask for too much: sizes, times, connections, and no HTTP at all.
 */
#include "../harness.h"
#include "server_fixture.h"

START_TEST(sizes)
{
	struct scene s = scene_new(NULL);
	struct buffer text = {}, in = {};
	struct answer answer;
	int fd, i;

	buffer_text(&text, "/items/");
	for (i = 0; i < 4100; i++)
		buffer_char(&text, 'x');
	buffer_char(&text, '\0');
	answer = get(&s.p, text.data);
	expect_problem(&answer, 414, "more than 4096", NULL);
	text.len = 0;
	for (i = 0; i < 90; i++)
		buffer_printf(&text, "X-Header-%02d: %0100d\r\n", i, i);
	buffer_char(&text, '\0');
	answer = ask(&s.p, "GET", "/small", text.data);
	expect_problem(&answer, 431, "more than 8192", NULL);
	/* As many parameters as there is room for. */
	text.len = 0;
	buffer_text(&text, "/small?a");
	for (i = 0; i < 2040; i++)
		buffer_text(&text, "&a");
	buffer_char(&text, '\0');
	answer = get(&s.p, text.data);
	expect_problem(&answer, 400, "more than 64 parameters", "a");
	/* Larger than all memory of a connection: the library itself says no. */
	text.len = 0;
	buffer_text(&text, "GET /");
	for (i = 0; i < 200000; i++)
		buffer_char(&text, 'x');
	fd = process_connect(&s.p);
	(void)http_send(fd, text.data, text.len);
	if (http_read(fd, &in, false, &answer))
		ck_assert_int_eq(answer.status, 414);
	answer_done(&answer);
	buffer_done(&in);
	close(fd);
	buffer_done(&text);
	answer = get(&s.p, "/small");
	ck_assert_int_eq(answer.status, 200);
	answer_done(&answer);
	scene_done(&s);
}
END_TEST

START_TEST(bodies_are_drained)
{
	struct scene s = scene_new(NULL);
	struct buffer text = {}, in = {};
	struct answer answer;
	int fd = process_connect(&s.p), i;

	buffer_text(&text,
		    "POST /small HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n");
	for (i = 0; i < 60000; i++)
		buffer_char(&text, 'x');
	for (i = 0; i < 2; i++) {
		ck_assert(http_send(fd, text.data, text.len));
		ck_assert(http_read(fd, &in, false, &answer));
		expect_problem(&answer, 405, "POST", NULL);
	}
	text.len = 0;
	buffer_text(&text,
		    "GET /small HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "5\r\nhello\r\n0\r\n\r\n");
	ck_assert(http_send(fd, text.data, text.len));
	ck_assert(http_read(fd, &in, false, &answer));
	ck_assert_int_eq(answer.status, 200);
	answer_done(&answer);
	/* Too large: refused before it is sent. */
	text.len = 0;
	buffer_text(&text, "POST /small HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
			   "Content-Length: 100000000\r\n\r\n");
	ck_assert(http_send(fd, text.data, text.len));
	ck_assert(http_read(fd, &in, false, &answer));
	expect_problem(&answer, 405, "POST", NULL);
	ck_assert(!http_more(fd, &in)); /* closed: the body would have to be read else */
	close(fd);
	buffer_done(&text);
	buffer_done(&in);
	scene_done(&s);
}
END_TEST

/* Half a request is no reason to keep anything. */
START_TEST(idle_client)
{
	struct channel_settings settings = process_settings();
	struct scene s;
	char byte;
	int fd;

	settings.idle_timeout_ns = NSEC_PER_SEC;
	s = scene_new(&settings);
	fd = process_connect(&s.p);
	ck_assert(http_send(fd, "GET /small HT", 13));
	ck_assert_int_le(recv(fd, &byte, 1, 0), 0);
	close(fd);
	ck_assert_int_eq(statistic(&s.p, "now"), 1);
	scene_done(&s);
}
END_TEST

/* More clients than connections: all are served, one after the other. */
START_TEST(many_clients)
{
	static const char request[] =
		"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
	struct channel_settings settings = process_settings();
	int fds[200];
	struct scene s;
	size_t i;

	settings.max_connections = 50;
	s = scene_new(&settings);
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = process_connect(&s.p);
		ck_assert(http_send(fds[i], request, strlen(request)));
	}
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		struct buffer in = {};
		struct answer answer;

		ck_assert(http_read(fds[i], &in, false, &answer));
		ck_assert_int_eq(answer.status, 200);
		ck_assert(answer.whole);
		answer_done(&answer);
		buffer_done(&in);
		close(fds[i]);
	}
	scene_done(&s);
}
END_TEST

START_TEST(limits_are_reloaded)
{
	struct channel_settings settings = process_settings();
	int fds[10], i, more;
	struct pollfd poll_fd = { .events = POLLIN };
	struct answer answer;
	struct scene s;

	settings.max_connections = 10;
	s = scene_new(&settings);
	for (i = 0; i < 10; i++) {
		fds[i] = process_connect(&s.p);
		answer = ask_on(fds[i], "GET", "/small", "");
		ck_assert_int_eq(answer.status, 200);
		answer_done(&answer);
	}
	/* The eleventh waits. */
	more = process_connect(&s.p);
	ck_assert(http_send(more, "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n", 41));
	poll_fd.fd = more;
	ck_assert_int_eq(poll(&poll_fd, 1, 200), 0);
	s.p.settings.max_connections = 20;
	process_send_settings(&s.p);
	ck_assert_int_eq(poll(&poll_fd, 1, 5000), 1);
	close(more);
	/* The old ones go on as they were. */
	for (i = 0; i < 10; i++) {
		answer = ask_on(fds[i], "GET", "/small", "");
		ck_assert_int_eq(answer.status, 200);
		answer_done(&answer);
		close(fds[i]);
	}
	s.p.settings.max_connections = 30;
	process_send_settings(&s.p);
	ck_assert_int_eq(statistic(&s.p, "now"), 1);
	scene_done(&s);
}
END_TEST

START_TEST(per_address)
{
	struct web_process p = process_new();
	int fds[3], i;
	char byte;

	p.settings.max_connections_per_address = 2;
	process_start(&p, false);
	for (i = 0; i < 3; i++) {
		struct answer answer;

		fds[i] = process_connect(&p);
		if (i == 2)
			break;
		answer = ask_on(fds[i], "GET", "/-/healthy", "");
		ck_assert_int_eq(answer.status, 200);
		answer_done(&answer);
	}
	ck_assert_int_le(recv(fds[2], &byte, 1, 0), 0);
	for (i = 0; i < 3; i++)
		close(fds[i]);
	process_stop(&p);
}
END_TEST

/* Bytes that are no HTTP, and HTTP with a byte changed, whatever they are answered. */
START_TEST(garbage)
{
	static const char request[] = "GET /items/a?x=%41 HTTP/1.1\r\nHost: localhost:80\r\n"
				      "Accept-Encoding: gzip;q=0.5\r\nIf-None-Match: \"a\"\r\n"
				      "Content-Length: 3\r\n\r\nabc";
	struct channel_settings settings = process_settings();
	struct answer answer;
	const struct linger linger = { .l_onoff = 1 };
	struct pollfd poll_fd = { .events = POLLIN };
	unsigned int seed = 1;
	struct scene s;
	int i, k;

	settings.log_level = 2;
	s = scene_new(&settings);
	for (i = 0; i < 1000; i++) {
		int fd = process_connect(&s.p);
		char text[sizeof(request)], piece[512];

		memcpy(text, request, sizeof(text));
		for (k = 0; k < (i % 4 ? 1 : 100); k++)
			text[rand_r(&seed) % (sizeof(text) - 1)] = (char)rand_r(&seed);
		(void)http_send(fd, text, sizeof(text) - 1);
		poll_fd.fd = fd;
		if (poll(&poll_fd, 1, 2) == 1)
			(void)!recv(fd, piece, sizeof(piece), 0);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		close(fd);
	}
	answer = get(&s.p, "/small");
	ck_assert_int_eq(answer.status, 200);
	answer_done(&answer);
	ck_assert_int_eq(statistic(&s.p, "now"), 1);
	scene_done(&s);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("server limits");
	TCase *t = tcase_create("process");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, sizes);
	tcase_add_test(t, bodies_are_drained);
	tcase_add_test(t, idle_client);
	tcase_add_test(t, many_clients);
	tcase_add_test(t, limits_are_reloaded);
	tcase_add_test(t, per_address);
	tcase_add_test(t, garbage);
	suite_add_tcase(s, t);
	return s;
}
