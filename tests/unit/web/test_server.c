/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A real, confined web process, asked over real sockets: what each answer has, whatever route gives it.
 */
#include <sys/un.h>
#include <zlib.h>

#include "../harness.h"
#include "server_fixture.h"

START_TEST(life)
{
	struct web_process p = process_new();
	struct lent lent = process_snapshot(0, 1, 7);
	struct answer answer;

	process_start(&p, true);
	answer = get(&p, "/-/healthy");
	ck_assert_int_eq(answer.status, 200);
	ck_assert_str_eq(answer.body.data, "ok\n");
	answer_done(&answer);
	answer = get(&p, "/-/ready");
	ck_assert_int_eq(answer.status, 503);
	ck_assert_str_eq(answer_header(&answer, "Retry-After"), "1");
	answer_done(&answer);
	answer = get(&p, "/small");
	ck_assert_int_eq(answer.status, 503);
	ck_assert_str_eq(answer_header(&answer, "Retry-After"), "1");
	answer_done(&answer);

	process_lend(&p, &lent, true);
	process_ping(&p, 2);
	process_expect_ping(&p, 2);
	answer = get(&p, "/-/ready");
	ck_assert_int_eq(answer.status, 200);
	answer_done(&answer);
	answer = get(&p, "/items/a%20b");
	ck_assert_int_eq(answer.status, 200);
	ck_assert_str_eq(answer.body.data, "{\"id\":7,\"argument\":\"a b\"}\n");
	answer_done(&answer);
	ck_assert_int_gt(statistic(&p, "resident"), 1 << 20);
	ck_assert_int_gt(statistic(&p, "fds"), 5);
	ck_assert_int_lt(statistic(&p, "fds"), 20);
	ck_assert_int_eq(statistic(&p, "snapshots"), 1);
	process_stop(&p);
	lent_done(&lent);
}
END_TEST

/* Takes a line out of a terminated text. */
static void without(struct buffer *text, const char *line)
{
	char *found = strstr(text->data, line);

	if (found)
		memmove(found, found + strlen(line), strlen(found + strlen(line)) + 1);
}

START_TEST(headers_of_all)
{
	static const char *const targets[] = { "/small", "/lines?count=20000", "/metrics",
					       "/nothing", "/small?x=1" };
	struct scene s = scene_new(NULL);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(targets); i++) {
		struct answer got = ask(&s.p, "GET", targets[i], "Origin: http://evil.example\r\n");
		int fd = process_connect(&s.p);
		struct answer head = ask_on(fd, "HEAD", targets[i], "");
		struct buffer in = {};
		char *date;

		ck_assert(got.whole);
		ck_assert_str_eq(answer_header(&got, "Cache-Control"), "no-cache");
		ck_assert_str_eq(answer_header(&got, "Vary"), "Accept, Accept-Encoding");
		ck_assert_str_eq(answer_header(&got, "X-Content-Type-Options"), "nosniff");
		ck_assert_ptr_null(strcasestr(got.head.data, "access-control"));
		ck_assert_str_eq(answer_header(&got, "Content-Encoding"), "");
		/*
		 * HEAD: the same, without a body; the clock may have moved on, and what would have
		 * come in chunks says neither its length nor that.
		 */
		ck_assert_int_eq(head.status, got.status);
		date = strstr(got.head.data, "Date: ");
		ck_assert_ptr_nonnull(date);
		ck_assert_ptr_nonnull(strstr(head.head.data, "Date: "));
		memcpy(date, strstr(head.head.data, "Date: "), 35);
		without(&got.head, "Transfer-Encoding: chunked\r\n");
		if (i == 1)
			without(&head.head, "Connection: close\r\n");
		ck_assert_str_eq(head.head.data, got.head.data);
		/* Nothing follows. */
		if (i == 1) {
			ck_assert(!http_more(fd, &in));
		} else {
			struct answer next = ask_on(fd, "GET", "/small", "");

			ck_assert_int_eq(next.status, 200);
			answer_done(&next);
		}
		close(fd);
		answer_done(&got);
		answer_done(&head);
	}
	scene_done(&s);
}
END_TEST

START_TEST(long_body)
{
	struct scene s = scene_new(NULL);
	struct answer answer = get(&s.p, "/lines?count=500000");
	const char *line;
	long i;

	ck_assert_int_eq(answer.status, 200);
	ck_assert(answer.whole);
	ck_assert_str_eq(answer_header(&answer, "Transfer-Encoding"), "chunked");
	ck_assert_str_eq(answer_header(&answer, "Link"), "</lines>; rel=\"next\"");
	ck_assert_uint_eq(answer.body.len, 500000 * strlen("7 0000000000\n"));
	for (i = 499999, line = answer.body.data; i >= 0; i--, line += 13) {
		char wanted[16];

		snprintf(wanted, sizeof(wanted), "7 %010ld\n", i);
		ck_assert_mem_eq(line, wanted, 13);
	}
	ck_assert_int_ge(statistic(&s.p, "bytes"), (int64_t)answer.body.len);
	answer_done(&answer);
	scene_done(&s);
}
END_TEST

static struct buffer inflated(const struct buffer *zipped)
{
	struct buffer out = {};
	z_stream zip = {};
	int r;

	ck_assert_int_eq(inflateInit2(&zip, MAX_WBITS + 16), Z_OK);
	zip.next_in = (Bytef *)zipped->data;
	zip.avail_in = (uInt)zipped->len;
	do {
		ck_assert(buffer_reserve(&out, 65536));
		zip.next_out = (Bytef *)out.data + out.len;
		zip.avail_out = 65536;
		r = inflate(&zip, Z_NO_FLUSH);
		out.len += 65536 - zip.avail_out;
	} while (r == Z_OK);
	ck_assert_int_eq(r, Z_STREAM_END);
	inflateEnd(&zip);
	return out;
}

static const struct {
	const char *target;
	bool zipped;
} bodies[] = {
	{ "/small", false },	       { "/metrics", true },
	{ "/lines?count=100", true },  { "/lines?count=5041", true }, /* about one piece */
	{ "/lines?count=5042", true }, { "/lines?count=300000", true },
};

START_TEST(compression)
{
	struct scene s = scene_new(NULL);
	struct answer plain = get(&s.p, bodies[_i].target);
	struct answer zipped = ask(&s.p, "GET", bodies[_i].target, "Accept-Encoding: gzip\r\n");

	ck_assert(plain.whole && zipped.whole);
	if (bodies[_i].zipped) {
		struct buffer out;

		ck_assert_str_eq(answer_header(&zipped, "Content-Encoding"), "gzip");
		ck_assert_uint_lt(zipped.body.len, plain.body.len / 2);
		out = inflated(&zipped.body);
		ck_assert_uint_eq(out.len, plain.body.len);
		ck_assert_mem_eq(out.data, plain.body.data, out.len);
		buffer_done(&out);
	} else {
		ck_assert_str_eq(answer_header(&zipped, "Content-Encoding"), "");
		ck_assert_str_eq(zipped.body.data, plain.body.data);
	}
	answer_done(&plain);
	answer_done(&zipped);
	scene_done(&s);
}
END_TEST

START_TEST(validators)
{
	struct scene s = scene_new(NULL);
	struct lent second = process_snapshot(1, 1, 8);
	struct answer answer;
	char etag[128], condition[256];

	answer = ask(&s.p, "GET", "/metrics", "");
	ck_assert_str_eq(answer_header(&answer, "ETag"), ""); /* not cacheable */
	answer_done(&answer);
	answer = get(&s.p, "/small");
	snprintf(etag, sizeof(etag), "%s", answer_header(&answer, "ETag"));
	ck_assert_int_eq(strncmp(etag, "W/\"", 3), 0);
	answer_done(&answer);

	snprintf(condition, sizeof(condition), "If-None-Match: \"x\", %s\r\n", etag);
	answer = ask(&s.p, "GET", "/small", condition);
	ck_assert_int_eq(answer.status, 304);
	ck_assert_str_eq(answer_header(&answer, "ETag"), etag);
	ck_assert_str_eq(answer_header(&answer, "Vary"), "Accept, Accept-Encoding");
	answer_done(&answer);
	/* Another question, encoding, or snapshot: another validator. */
	answer = ask(&s.p, "GET", "/items/x", condition);
	ck_assert_int_eq(answer.status, 200);
	answer_done(&answer);
	snprintf(condition, sizeof(condition), "Accept-Encoding: gzip\r\nIf-None-Match: %s\r\n",
		 etag);
	answer = ask(&s.p, "GET", "/small", condition);
	ck_assert_int_eq(answer.status, 200);
	answer_done(&answer);
	snprintf(condition, sizeof(condition), "Accept: text/html\r\nIf-None-Match: %s\r\n", etag);
	answer = ask(&s.p, "GET", "/small", condition);
	ck_assert_int_eq(answer.status, 200);
	answer_done(&answer);

	process_lend(&s.p, &second, true);
	process_expect_return(&s.p, &s.first, 5000);
	snprintf(condition, sizeof(condition), "If-None-Match: %s\r\n", etag);
	answer = ask(&s.p, "GET", "/small", condition);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_ptr_nonnull(strstr(answer.body.data, "\"id\":8"));
	ck_assert_str_ne(answer_header(&answer, "ETag"), etag);
	answer_done(&answer);
	answer = ask(&s.p, "GET", "/small", "If-None-Match: *\r\n");
	ck_assert_int_eq(answer.status, 304);
	answer_done(&answer);
	scene_done(&s);
	lent_done(&second);
}
END_TEST

/* The same question of the same snapshot, within a moment, is not worked out again. */
START_TEST(answers_again)
{
	struct lent second = process_snapshot(1, 1, 8);
	struct scene s = scene_new(NULL);
	int fd = process_connect(&s.p), i;
	struct answer answer;
	int64_t bytes;

	for (i = 0; i < 200; i++) {
		answer = ask_on(fd, i % 7 ? "GET" : "HEAD", "/often", "");
		ck_assert_int_eq(answer.status, 200);
		ck_assert_str_eq(answer_header(&answer, "Content-Type"), "application/json");
		ck_assert_str_eq(answer.body.data, i % 7 ? "{\"id\":7,\"argument\":\"\"}\n" : "");
		answer_done(&answer);
	}
	bytes = statistic(&s.p, "bytes");
	ck_assert_int_ge(bytes, 200 * 23);
	/* Another question, and another snapshot at once. */
	answer = ask_on(fd, "GET", "/often?count=1", "");
	ck_assert_int_eq(answer.status, 200);
	answer_done(&answer);
	answer = ask_on(fd, "GET", "/often?cuont=1", "");
	ck_assert_int_eq(answer.status, 400);
	answer_done(&answer);
	answer = ask_on(fd, "GET", "/often", "");
	answer_done(&answer);
	process_lend(&s.p, &second, true);
	process_expect_return(&s.p, &s.first, 5000);
	answer = ask_on(fd, "GET", "/often", "");
	ck_assert_str_eq(answer.body.data, "{\"id\":8,\"argument\":\"\"}\n");
	answer_done(&answer);
	close(fd);
	scene_done(&s);
	lent_done(&second);
}
END_TEST

static const struct {
	const char *method, *target, *headers;
	int status;
	const char *detail, *parameter;
} wrong[] = {
	{ "GET", "/smal", "", 404, "/small", NULL },
	{ "GET", "/small/", "", 404, "/small", NULL },
	{ "GET", "/items/", "", 404, "/items/{id}", NULL },
	{ "GET", "/items/a%2fb", "", 404, "/items/{id}", NULL },
	{ "GET", "/lines?cuont=1", "", 400, "count", "cuont" },
	{ "GET", "/lines?count=1&count=2", "", 400, "more than once", "count" },
	{ "GET", "/lines?count=%zz", "", 400, "hexadecimal", "count" },
	{ "GET", "/small?x", "", 400, "no parameters", "x" },
	{ "GET", "/items/%00", "", 400, "NUL", NULL },
	{ "GET", "/items/%ff", "", 400, "UTF-8", NULL },
	{ "POST", "/small", "Content-Length: 0\r\n", 405, "POST", NULL },
	{ "DELETE", "/small", "", 405, "GET and HEAD", NULL },
	{ "OPTIONS", "*", "", 405, "GET and HEAD", NULL },
	{ "BREW", "/small", "", 405, "BREW", NULL },
	{ "GET", "/memory", "", 500, "memory", NULL },
};

START_TEST(problems)
{
	struct channel_settings settings = process_settings();
	struct scene s;
	size_t i;
	int fd;

	settings.log_level = 2;
	s = scene_new(&settings);
	fd = process_connect(&s.p);
	/* All on one connection: an error is no reason to close it. */
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct answer answer = ask_on(fd, wrong[i].method, wrong[i].target,
					      wrong[i].headers);

		expect_problem(&answer, wrong[i].status, wrong[i].detail, wrong[i].parameter);
	}
	close(fd);
	scene_done(&s);
}
END_TEST

/* The whole request line and headers. */
static const struct {
	const char *request;
	int status;
} hosts[] = {
	{ "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n", 200 },
	{ "GET /small HTTP/1.1\r\nHost: LocalHost:19293\r\n\r\n", 200 },
	{ "GET /small HTTP/1.1\r\nHost: localhost.:80\r\n\r\n", 200 },
	{ "GET /small HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n", 200 },
	{ "GET /small HTTP/1.1\r\nHost: [::1]\r\n\r\n", 200 },
	{ "GET /small HTTP/1.1\r\nHost: [0:0:0:0:0:0:0:1]:8080\r\n\r\n", 200 },
	{ "GET /small HTTP/1.1\r\nHost: diag.example.org\r\n\r\n", 200 },
	{ "GET /small HTTP/1.1\r\nHost: diag.example.org:443\r\n\r\n", 200 },
	{ "GET /small HTTP/1.1\r\nHost: [2001:db8::7]\r\n\r\n", 200 },
	{ "GET http://localhost/small HTTP/1.1\r\nHost: localhost\r\n\r\n", 200 },
	{ "GET /small HTTP/1.0\r\n\r\n", 200 },
	{ "GET http://evil.example/small HTTP/1.1\r\nHost: localhost\r\n\r\n", 421 },
	{ "GET /small HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421 },
	{ "GET /small HTTP/1.0\r\nHost: evil.example\r\n\r\n", 421 },
	{ "GET /metrics HTTP/1.1\r\nHost: evil.example:19293\r\n\r\n", 421 },
	{ "GET /-/healthy HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421 },
	{ "GET /small HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n", 421 },
	{ "GET /small HTTP/1.1\r\nHost: evillocalhost\r\n\r\n", 421 },
	{ "GET /small HTTP/1.1\r\nHost: 127.0.0.2\r\n\r\n", 421 },
	{ "GET /small HTTP/1.1\r\nHost: [2001:db8::8]\r\n\r\n", 421 },
	{ "GET /small HTTP/1.1\r\nHost: \r\n\r\n", 400 },
	{ "GET /small HTTP/1.1\r\nHost: [::1\r\n\r\n", 400 },
	{ "GET /small HTTP/1.1\r\nHost: localhost:x\r\n\r\n", 400 },
	{ "GET /small HTTP/1.1\r\n\r\n", 400 },
	{ "GET http://localhost/small HTTP/1.1\r\n\r\n", 400 },
	{ "GET /small HTTP/1.1\r\nHost: localhost\r\nhost: localhost\r\n\r\n", 400 },
	{ "GET /small HTTP/1.0\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400 },
};

START_TEST(host)
{
	struct scene s = scene_new(NULL);
	struct buffer in = {};
	struct answer answer;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hosts); i++) {
		int fd = process_connect(&s.p);

		ck_assert(http_send(fd, hosts[i].request, strlen(hosts[i].request)));
		ck_assert_msg(http_read(fd, &in, false, &answer), "%s", hosts[i].request);
		ck_assert_msg(answer.status == hosts[i].status, "%d for %s", answer.status,
			      hosts[i].request);
		/* One answer, and it is ours. */
		if (answer.status >= 400)
			ck_assert_str_eq(answer_header(&answer, "Content-Type"),
					 "application/problem+json");
		ck_assert_uint_eq(in.len, 0);
		answer_done(&answer);
		buffer_done(&in);
		close(fd);
	}
	scene_done(&s);
}
END_TEST

START_TEST(other_addresses)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct web_process p = process_new();
	struct lent lent = process_snapshot(0, 1, 7);
	static const char foreign[] = "GET /small HTTP/1.1\r\nHost: any.example\r\n\r\n";
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct buffer in = {};
	struct answer answer;

	/* An abstract one: no file is left behind. */
	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "tcpdiagd-test-%d",
		 (int)getpid());
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	process_send_listener(&p, fd, false, true, "unix:@test");
	process_start(&p, false); /* TCP, as if reachable from outside */
	process_lend(&p, &lent, true);

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert(http_send(fd, foreign, strlen(foreign)));
	ck_assert(http_read(fd, &in, false, &answer));
	ck_assert_int_eq(answer.status, 200);
	answer_done(&answer);
	close(fd);
	buffer_done(&in);

	answer = get(&p, "/small");
	expect_problem(&answer, 403, "--web.expose-api", NULL);
	answer = get(&p, "/metrics");
	ck_assert_int_eq(answer.status, 200);
	answer_done(&answer);
	answer = get(&p, "/-/ready");
	ck_assert_int_eq(answer.status, 200);
	answer_done(&answer);

	p.settings.expose_api = true;
	process_send_settings(&p);
	process_ping(&p, 3);
	process_expect_ping(&p, 3);
	answer = get(&p, "/small");
	ck_assert_int_eq(answer.status, 200);
	answer_done(&answer);
	process_stop(&p);
	lent_done(&lent);
}
END_TEST

START_TEST(keep_alive)
{
	struct scene s = scene_new(NULL);
	int fd = process_connect(&s.p), i;

	for (i = 0; i < 3000; i++) {
		struct answer answer = ask_on(fd, "GET", i % 3 ? "/small" : "/metrics", "");

		ck_assert_int_eq(answer.status, 200);
		ck_assert(answer.whole);
		ck_assert_str_ne(answer_header(&answer, "Connection"), "close");
		answer_done(&answer);
	}
	close(fd);
	ck_assert_int_eq(statistic(&s.p, "connections"), 2);
	ck_assert_int_ge(statistic(&s.p, "ok"), 3000);
	scene_done(&s);
}
END_TEST

START_TEST(pipelined)
{
	static const char two[] = "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n"
				  "GET /items/x HTTP/1.1\r\nHost: localhost\r\n\r\n";
	struct scene s = scene_new(NULL);
	struct buffer in = {};
	struct answer answer;
	int fd = process_connect(&s.p), i;

	ck_assert(http_send(fd, two, strlen(two)));
	for (i = 0; i < 2; i++) {
		ck_assert(http_read(fd, &in, false, &answer));
		ck_assert_int_eq(answer.status, 200);
		ck_assert_ptr_nonnull(strstr(answer.body.data, i ? "\"x\"" : "\"\""));
		answer_done(&answer);
	}
	buffer_done(&in);
	close(fd);
	scene_done(&s);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("server");
	TCase *t = tcase_create("process");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, life);
	tcase_add_test(t, headers_of_all);
	tcase_add_test(t, long_body);
	tcase_add_loop_test(t, compression, 0, ARRAY_SIZE(bodies));
	tcase_add_test(t, validators);
	tcase_add_test(t, answers_again);
	tcase_add_test(t, problems);
	tcase_add_test(t, host);
	tcase_add_test(t, other_addresses);
	tcase_add_test(t, keep_alive);
	tcase_add_test(t, pipelined);
	suite_add_tcase(s, t);
	return s;
}
