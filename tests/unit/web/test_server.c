/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A real, confined web process, asked over real sockets. The table of routes is this test's own: what
 * matters here is what every route gets, not what one of them says.
 */
#include <inttypes.h>
#include <jansson.h>
#include <sys/un.h>
#include <zlib.h>

#include "../harness.h"
#include "http.h"
#include "process.h"
#include "web/route.h"

/* ---- routes: they run in the web process, where Check's assertions have no one to tell ---- */

/* Depends on the snapshot and nothing else. */
static int small_route(const struct request *request, struct document **ret,
		       struct problem *problem)
{
	struct buffer b = {};
	int r;

	(void)problem;
	buffer_printf(&b, "{\"id\":%" PRIu64 ",\"argument\":", request->snapshot->header->id);
	buffer_json(&b, request->argument ? request->argument : "");
	buffer_literal(&b, "}\n");
	r = document_from_buffer(&b, 200, "application/json", ret);
	if (r >= 0)
		(*ret)->cacheable = true;
	return r;
}

/* Lines of the snapshot's number, as many as asked for. */
struct lines {
	struct document document;
	const struct snapshot *snapshot;
	uint64_t left;
	bool fails;
};

static int more_lines(struct document *document, struct buffer *b)
{
	struct lines *lines = (struct lines *)document;

	if (lines->fails && b->len == 0 && lines->left < 100000)
		return -EIO;
	while (lines->left && b->len < DOCUMENT_PIECE) {
		buffer_printf(b, "%" PRIu64 " %010" PRIu64 "\n", lines->snapshot->header->id,
			      --lines->left);
	}
	return lines->left > 0;
}

static void free_lines(struct document *document)
{
	free(document);
}

static int lines_route(const struct request *request, struct document **ret,
		       struct problem *problem)
{
	struct lines *lines = calloc(1, sizeof(*lines));

	(void)problem;
	if (!lines)
		return -ENOMEM;
	lines->document = (struct document){ .status = 200,
					     .content_type = "text/plain",
					     .cacheable = true,
					     .more = more_lines,
					     .free = free_lines };
	snprintf(lines->document.link, sizeof(lines->document.link), "</lines>; rel=\"next\"");
	lines->snapshot = request->snapshot;
	lines->left = request->query->count
			      ? strtoull(request->query->parameters[0].value, NULL, 10)
			      : 10;
	lines->fails = request->path[1] == 'f';
	*ret = &lines->document;
	return 0;
}

static int statistics_route(const struct request *request, struct document **ret,
			    struct problem *problem)
{
	const struct web_statistics *s = request->statistics;
	struct buffer b = {};

	(void)problem;
	buffer_printf(&b,
		      "{\"ok\":%" PRIu64 ",\"wrong\":%" PRIu64 ",\"connections\":%" PRIu64
		      ",\"now\":%" PRIu32 ",\"bytes\":%" PRIu64 ",\"broken_off\":%" PRIu64
		      ",\"snapshots\":%" PRIu64 ",\"resident\":%" PRIu64 ",\"fds\":%" PRIu32 "}\n",
		      s->requests[2], s->requests[4], s->connections, s->connections_now, s->bytes,
		      s->broken_off, s->snapshots, s->resident_bytes, s->open_fds);
	return document_from_buffer(&b, 200, "application/json", ret);
}

static int memory_route(const struct request *request, struct document **ret,
			struct problem *problem)
{
	(void)request;
	(void)ret;
	(void)problem;
	return -ENOMEM;
}

static int large_route(const struct request *request, struct document **ret,
		       struct problem *problem)
{
	struct buffer b = {};
	int i;

	(void)request;
	(void)problem;
	for (i = 0; i < 2000; i++)
		buffer_printf(&b, "metric_%d 1\n", i);
	return document_from_buffer(&b, 200, "text/plain; version=0.0.4; charset=utf-8", ret);
}

static const struct route_parameter lines_parameters[] = {
	{ .name = "count", .schema = "{\"type\":\"integer\"}", .text = "How many lines." },
	{},
};

const struct route *route_table(size_t *ret_count)
{
	static const struct route table[] = {
		{ .path = "/-/healthy", .handler = healthy_route, .flags = ROUTE_OPEN },
		{ .path = "/-/ready", .handler = ready_route, .flags = ROUTE_OPEN },
		{ .path = "/metrics", .handler = large_route, .flags = ROUTE_DATA | ROUTE_OPEN },
		{ .path = "/often",
		  .handler = small_route,
		  .flags = ROUTE_DATA | ROUTE_REUSE,
		  .parameters = lines_parameters },
		{ .path = "/small", .handler = small_route, .flags = ROUTE_DATA },
		{ .path = "/items/{id}", .handler = small_route, .flags = ROUTE_DATA },
		{ .path = "/lines",
		  .handler = lines_route,
		  .flags = ROUTE_DATA,
		  .parameters = lines_parameters },
		{ .path = "/fails",
		  .handler = lines_route,
		  .flags = ROUTE_DATA,
		  .parameters = lines_parameters },
		{ .path = "/memory", .handler = memory_route },
		{ .path = "/statistics", .handler = statistics_route },
	};

	*ret_count = ARRAY_SIZE(table);
	return table;
}

/* ---- asking ---- */

static struct answer get(const struct web_process *p, const char *target)
{
	return ask(p, "GET", target, "");
}

static int64_t statistic(const struct web_process *p, const char *name)
{
	struct answer answer = get(p, "/statistics");
	json_t *json = json_loads(answer.body.data, 0, NULL);
	int64_t value;

	ck_assert_int_eq(answer.status, 200);
	ck_assert_ptr_nonnull(json_object_get(json, name));
	value = json_integer_value(json_object_get(json, name));
	json_decref(json);
	answer_done(&answer);
	return value;
}

/* A process with a snapshot of number 7 in buffer 0. */
struct scene {
	struct web_process p;
	struct lent first;
};

static struct scene scene_new(const struct channel_settings *settings)
{
	struct scene s = { .p = process_new(), .first = process_snapshot(0, 1, 7) };

	if (settings)
		s.p.settings = *settings;
	process_start(&s.p, true);
	process_lend(&s.p, &s.first, true);
	process_ping(&s.p, 2);
	process_expect_ping(&s.p, 2);
	return s;
}

static void scene_done(struct scene *s)
{
	process_stop(&s->p);
	lent_done(&s->first);
}

/* ---- tests ---- */

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

static void expect_problem(struct answer *answer, int status, const char *detail,
			   const char *parameter)
{
	json_t *json = json_loads(answer->body.data, JSON_REJECT_DUPLICATES, NULL);
	const char *text = json_string_value(json_object_get(json, "detail"));

	ck_assert_int_eq(answer->status, status);
	ck_assert_str_eq(answer_header(answer, "Content-Type"), "application/problem+json");
	ck_assert_int_eq(json_integer_value(json_object_get(json, "status")), status);
	ck_assert_str_eq(json_string_value(json_object_get(json, "type")), "about:blank");
	ck_assert_ptr_nonnull(json_string_value(json_object_get(json, "title")));
	ck_assert_ptr_nonnull(text);
	ck_assert_msg(strstr(text, detail) != NULL, "%s", text);
	if (parameter)
		ck_assert_str_eq(json_string_value(json_object_get(json, "parameter")), parameter);
	else
		ck_assert_ptr_null(json_object_get(json, "parameter"));
	if (status == 405)
		ck_assert_str_eq(answer_header(answer, "Allow"), "GET, HEAD");
	json_decref(json);
	answer_done(answer);
}

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

START_TEST(breaks_visibly)
{
	struct channel_settings settings = process_settings();
	struct scene s;
	struct answer answer;

	settings.log_level = 2;
	s = scene_new(&settings);
	answer = get(&s.p, "/fails?count=300000");
	ck_assert_int_eq(answer.status, 200);
	ck_assert(!answer.whole);
	answer_done(&answer);
	answer = get(&s.p, "/fails?count=1000"); /* before the first byte */
	ck_assert(answer.status == 0 || answer.status == 500);
	answer_done(&answer);
	answer = get(&s.p, "/small");
	ck_assert_int_eq(answer.status, 200);
	answer_done(&answer);
	scene_done(&s);
}
END_TEST

/* Sends a request for more than the kernel's buffers hold and reads nothing. */
static int begin_large(const struct web_process *p)
{
	static const char request[] =
		"GET /lines?count=20000000 HTTP/1.1\r\nHost: localhost\r\n\r\n";
	struct pollfd poll_fd = { .events = POLLIN };

	poll_fd.fd = process_connect(p);
	ck_assert(http_send(poll_fd.fd, request, strlen(request)));
	ck_assert_int_eq(poll(&poll_fd, 1, 5000), 1);
	return poll_fd.fd;
}

START_TEST(slow_reader)
{
	struct channel_settings settings = process_settings();
	struct lent second = process_snapshot(1, 1, 8), third = process_snapshot(2, 1, 9);
	struct buffer in = {};
	struct answer answer;
	struct scene s;
	int64_t began;
	int fd;

	settings.hold_ns = NSEC_PER_SEC;
	s = scene_new(&settings);
	began = process_now();
	fd = begin_large(&s.p);
	/* The reader keeps the first; the second goes as soon as the third is there. */
	process_lend(&s.p, &second, true);
	process_expect_nothing(&s.p, 100);
	process_lend(&s.p, &third, true);
	process_expect_return(&s.p, &second, 5000);
	process_expect_nothing(&s.p, 100);
	answer = get(&s.p, "/small");
	ck_assert_ptr_nonnull(strstr(answer.body.data, "\"id\":9"));
	answer_done(&answer);
	process_expect_return(&s.p, &s.first, 5000);
	ck_assert_int_ge(process_now() - began, NSEC_PER_SEC);
	ck_assert_int_lt(process_now() - began, 3 * NSEC_PER_SEC);
	/* Its pages may change now; nothing may look at them. */
	memset(s.first.map, 0xff, 1 << 20);
	http_read(fd, &in, false, &answer);
	ck_assert_int_eq(answer.status, 200);
	ck_assert(!answer.whole);
	answer_done(&answer);
	buffer_done(&in);
	close(fd);
	ck_assert_int_eq(statistic(&s.p, "broken_off"), 1);
	ck_assert_int_eq(statistic(&s.p, "now"), 1);
	scene_done(&s);
	lent_done(&second);
	lent_done(&third);
}
END_TEST

START_TEST(vanished_reader)
{
	const struct linger linger = { .l_onoff = 1 };
	struct lent second = process_snapshot(1, 1, 8);
	struct scene s = scene_new(NULL);
	int fd = begin_large(&s.p);

	process_lend(&s.p, &second, true);
	process_expect_nothing(&s.p, 100);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
	process_expect_return(&s.p, &s.first, 5000);
	ck_assert_int_eq(statistic(&s.p, "broken_off"), 0);
	ck_assert_int_eq(statistic(&s.p, "now"), 1);
	scene_done(&s);
	lent_done(&second);
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

START_TEST(buffers_come_and_go)
{
	struct web_process p = process_new();
	struct lent lents[4];
	struct answer answer;
	union channel_packet packet;
	uint64_t id = 10;
	uint32_t i;

	process_start(&p, true);
	for (i = 0; i < 4; i++) {
		lents[i] = process_snapshot(i % 2, 1 + i / 2, 10 + i);
		process_lend(&p, &lents[i], true);
		if (i)
			process_expect_return(&p, &lents[i - 1], 5000);
	}
	/* The mappings stay: from now on without descriptors. */
	for (i = 0; i < 200; i++) {
		struct lent *lent = &lents[2 + i % 2];
		struct snapshot_header *header = lent->map;

		id = lent->packet.id = header->id = 100 + i;
		process_lend(&p, lent, false);
		ck_assert_int_eq(process_receive(&p, &packet, 5000), CHANNEL_RETURN);
	}
	/* Lent twice, returned twice. */
	process_lend(&p, &lents[3], false);
	answer = get(&p, "/small");
	ck_assert_int_eq(answer.status, 200);
	ck_assert_int_eq(strncmp(answer.body.data, "{\"id\":299", 9), 0);
	answer_done(&answer);
	lents[2].packet.id = ((struct snapshot_header *)lents[2].map)->id = ++id;
	process_lend(&p, &lents[2], false);
	process_expect_return(&p, &lents[3], 5000);
	process_expect_return(&p, &lents[3], 5000);
	process_expect_nothing(&p, 50);
	process_stop(&p);
	for (i = 0; i < 4; i++)
		lent_done(&lents[i]);
}
END_TEST

/* A channel that is full loses nothing: neither what goes back nor the answer to a ping. */
START_TEST(full_channel)
{
	struct scene s = scene_new(NULL);
	struct lent second = process_snapshot(1, 1, 8);
	union channel_packet packet;
	struct channel_ping ping = { .type = CHANNEL_PING };
	bool returned = false, answered = false;

	process_lend(&s.p, &second, true);
	process_expect_return(&s.p, &s.first, 5000);
	/* Questions, and nobody reads the answers: of those that find no room the newest is kept. */
	while (ping.number < 2000) {
		struct pollfd poll_fd = { .fd = s.p.channel, .events = POLLOUT };

		ping.number++;
		ck_assert_int_eq(poll(&poll_fd, 1, 5000), 1);
		ck_assert_int_eq(channel_send(s.p.channel, &ping, sizeof(ping), -1), 0);
	}
	s.first.packet.id = ((struct snapshot_header *)s.first.map)->id = 9;
	ck_assert_int_eq(channel_send(s.p.channel, &s.first.packet, sizeof(s.first.packet), -1), 0);
	while (!returned || !answered) {
		ck_assert_int_gt(process_receive(&s.p, &packet, 5000), 0);
		if (packet.type == CHANNEL_RETURN)
			returned = true;
		else
			answered = packet.ping.number == ping.number;
	}
	scene_done(&s);
	lent_done(&second);
}
END_TEST

START_TEST(broken_snapshot)
{
	struct channel_settings settings = process_settings();
	struct lent broken = process_snapshot(1, 1, 8);
	struct answer answer;
	struct scene s;

	settings.log_level = 2;
	s = scene_new(&settings);
	((struct snapshot_header *)broken.map)->magic = 0;
	process_lend(&s.p, &broken, true);
	process_expect_return(&s.p, &broken, 5000);
	answer = get(&s.p, "/small");
	ck_assert_ptr_nonnull(strstr(answer.body.data, "\"id\":7"));
	answer_done(&answer);
	scene_done(&s);
	lent_done(&broken);
}
END_TEST

/* What the channel must not do: overwrite what is lent, name what was never given, talk out of turn. */
START_TEST(broken_channel)
{
	struct channel_settings settings = process_settings();
	struct scene s;

	settings.log_level = 2;
	s = scene_new(&settings);
	switch (_i) {
	case 0:
		s.first.packet.id++;
		process_lend(&s.p, &s.first, false);
		break;
	case 1:
		s.first.packet.buffer = 2;
		process_lend(&s.p, &s.first, false);
		break;
	case 2:
		s.first.packet.buffer = CHANNEL_BUFFERS;
		process_lend(&s.p, &s.first, true);
		break;
	case 3:
		ck_assert_int_eq(send(s.p.channel, "?", 1, 0), 1);
		break;
	default:
		process_send_listener(&s.p, dup(s.first.memfd), true, false, "late");
		break;
	}
	ck_assert_int_eq(process_wait(&s.p), EXIT_FAILURE);
	close(s.p.channel);
	lent_done(&s.first);
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

/* A ping is answered while replies of any length are under way. */
START_TEST(lives_under_load)
{
	struct scene s = scene_new(NULL);
	int64_t worst = 0;
	pid_t readers[4];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(readers); i++) {
		readers[i] = fork();
		if (readers[i] == 0) {
			char piece[65536];
			int fd = begin_large(&s.p);

			while (recv(fd, piece, sizeof(piece), 0) > 0)
				continue;
			_exit(0);
		}
	}
	for (i = 0; i < 20; i++) {
		int64_t began = process_now();

		process_ping(&s.p, 100 + i);
		process_expect_ping(&s.p, 100 + i);
		worst = MAX(worst, process_now() - began);
	}
	for (i = 0; i < ARRAY_SIZE(readers); i++) {
		kill(readers[i], SIGKILL);
		waitpid(readers[i], NULL, 0);
	}
	ck_assert_int_lt(worst, NSEC_PER_SEC);
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
	tcase_add_test(t, sizes);
	tcase_add_test(t, host);
	tcase_add_test(t, other_addresses);
	tcase_add_test(t, keep_alive);
	tcase_add_test(t, pipelined);
	tcase_add_test(t, bodies_are_drained);
	tcase_add_test(t, breaks_visibly);
	tcase_add_test(t, slow_reader);
	tcase_add_test(t, vanished_reader);
	tcase_add_test(t, idle_client);
	tcase_add_test(t, buffers_come_and_go);
	tcase_add_test(t, full_channel);
	tcase_add_test(t, broken_snapshot);
	tcase_add_loop_test(t, broken_channel, 0, 5);
	tcase_add_test(t, many_clients);
	tcase_add_test(t, limits_are_reloaded);
	tcase_add_test(t, per_address);
	tcase_add_test(t, garbage);
	tcase_add_test(t, lives_under_load);
	suite_add_tcase(s, t);
	return s;
}
