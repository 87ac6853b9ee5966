/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Streams of events over a real, confined web process: as they come, resumed, overrun, bounded, ended, cut.
 */
#include "journal_fixture.h"
#include "process.h"

static struct web_process p;
static struct kept kept;
static struct lent lent;

static void start(uint32_t events, const struct channel_settings *settings)
{
	struct fixture f;

	p = process_new();
	if (settings)
		p.settings = *settings;
	kept = process_journal(&p, events);
	process_start(&p, true);
	fixture_default(&f);
	lent = process_snapshot_of(f.snapshot.header);
	((struct snapshot_header *)lent.map)->now_ns = process_now();
	fixture_done(&f);
	process_lend(&p, &lent, true);
	process_ping(&p, 2);
	process_expect_ping(&p, 2);
}

static void setup(void)
{
	start(1024, NULL);
}

static void teardown(void)
{
	if (p.pid)
		process_stop(&p);
	kept_done(&kept);
	lent_done(&lent);
}

static uint64_t put(enum event_kind kind)
{
	struct event event = journal_event(kind, 0);

	return journal_add(kept.journal, &event);
}

#define SSE "Accept: text/event-stream\r\n"

struct client {
	int fd;
	struct buffer in;
	int status;
	char head[2048];
};

static struct client ask_stream(const char *target, const char *headers)
{
	struct client c = { .fd = process_connect(&p) };
	struct buffer request = {};
	size_t len;

	buffer_printf(&request, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", target, headers);
	ck_assert(http_send(c.fd, request.data, request.len));
	buffer_done(&request);
	len = http_find(c.fd, &c.in, "\r\n\r\n");
	ck_assert_uint_gt(len, 0);
	ck_assert_uint_lt(len, sizeof(c.head));
	memcpy(c.head, c.in.data, len);
	http_drop(&c.in, len);
	c.status = atoi(c.head + strlen("HTTP/1.1 "));
	return c;
}

static void client_done(struct client *c)
{
	close(c->fd);
	buffer_done(&c->in);
}

/* Reads up to and with @mark, which is dropped with all before it. */
static void expect_text(struct client *c, const char *mark)
{
	size_t len = http_find(c->fd, &c->in, mark);

	ck_assert_msg(len, "no %s, but %.*s", mark, (int)MIN(c->in.len, 400UL),
		      c->in.data ? c->in.data : "");
	http_drop(&c->in, len);
}

/* The JSON in the rest of the line. */
static json_t *expect_json(struct client *c)
{
	size_t len = http_find(c->fd, &c->in, "\n");
	json_t *json;

	ck_assert_uint_gt(len, 0);
	json = json_loadb(c->in.data, len, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(json, "%.*s", (int)len, c->in.data);
	http_drop(&c->in, len);
	return json;
}

/* Whether nothing more comes within a moment. */
static bool silent(struct client *c)
{
	struct pollfd poll_fd = { .fd = c->fd, .events = POLLIN };

	return !memmem(c->in.data, c->in.len, "data:", 5) && !poll(&poll_fd, 1, 300);
}

static int64_t metric(const char *name)
{
	struct answer answer = ask(&p, "GET", "/metrics", "");
	char wanted[128];
	const char *at;
	int64_t value;

	snprintf(wanted, sizeof(wanted), "\n%s ", name);
	at = strstr(answer.body.data, wanted);
	ck_assert_msg(at, "%s", name);
	value = strtoll(at + strlen(wanted), NULL, 10);
	answer_done(&answer);
	return value;
}

static void wait_for_metric(const char *name, int64_t value)
{
	int i;

	for (i = 0; i < 400 && metric(name) != value; i++)
		usleep(50000);
	ck_assert_int_eq(metric(name), value);
}

START_TEST(as_they_come)
{
	struct client c;
	json_t *json;

	put(EVENT_RESET_SENT); /* before: not wanted */
	c = ask_stream("/events", SSE "Accept-Encoding: gzip\r\n");
	ck_assert_int_eq(c.status, 200);
	ck_assert_ptr_nonnull(strstr(c.head, "Content-Type: text/event-stream\r\n"));
	ck_assert_ptr_nonnull(strstr(c.head, "Cache-Control: no-cache"));
	ck_assert_ptr_nonnull(strstr(c.head, "X-Accel-Buffering: no\r\n"));
	ck_assert_ptr_null(strstr(c.head, "Content-Encoding"));
	ck_assert_ptr_null(strstr(c.head, "ETag"));
	expect_text(&c, "retry: ");
	expect_text(&c, "\n\n");
	ck_assert(silent(&c));
	ck_assert_int_eq(metric("tcpdiag_web_streams"), 1);
	put(EVENT_CLOSED); /* an ordinary end: not asked for */
	put(EVENT_RESET_RECEIVED);
	process_events(&p);
	expect_text(&c, "id: 3\nevent: reset-received\ndata: ");
	json = expect_json(&c);
	ck_json_int(json, "id", 3);
	ck_json_text(json, "kind", "reset-received");
	json_decref(json);
	put(EVENT_TIMED_OUT);
	process_events(&p);
	expect_text(&c, "id: 4\nevent: timed-out\ndata: ");
	ck_assert(silent(&c));
	client_done(&c);
	/* That it has gone is seen without an event. */
	wait_for_metric("tcpdiag_web_streams", 0);
	ck_assert_int_eq(metric("tcpdiag_web_streams_cut_total"), 0);
}
END_TEST

START_TEST(filtered)
{
	struct client c = ask_stream("/events?kind=closed&local.port=443&fields=id,kind", SSE);

	put(EVENT_RESET_SENT);
	put(EVENT_CLOSED);
	process_events(&p);
	expect_text(&c, "id: 2\nevent: closed\ndata: {\"id\":2,\"kind\":\"closed\"}\n\n");
	client_done(&c);
}
END_TEST

/* By the header of a browser, and by the parameters of others. */
START_TEST(resumed)
{
	static const char *const ways[][2] = {
		{ "/events", SSE "Last-Event-ID: 2\r\n" },
		{ "/events?last_event_id=1", SSE "Last-Event-ID: 2\r\n" },
		{ "/events?last_event_id=2", SSE },
		{ "/events?after=2", SSE },
	};
	struct client c;
	int i;

	for (i = 0; i < 5; i++)
		put(EVENT_RESET_SENT);
	c = ask_stream(ways[_i][0], ways[_i][1]);
	expect_text(&c, "\n\n");
	expect_text(&c, "id: 3\n");
	expect_text(&c, "id: 4\n");
	expect_text(&c, "id: 5\n");
	client_done(&c);
	c = ask_stream("/events?since=2025-01-01T00:00:00Z", SSE);
	expect_text(&c, "id: 1\n");
	client_done(&c);
}
END_TEST

/* What was overwritten before it came back, and while it stood there. */
START_TEST(overrun)
{
	struct client c;
	uint64_t last = 0, seen = 0;
	json_t *json;
	int i;

	teardown();
	start(16, NULL);
	for (i = 0; i < 100; i++)
		put(EVENT_RESET_SENT);
	c = ask_stream("/events", SSE "Last-Event-ID: 3\r\n");
	expect_text(&c, "event: gap\ndata: ");
	json = expect_json(&c);
	ck_json_int(json, "id", 3);
	ck_json_text(json, "kind", "gap");
	ck_json_null(json, "lost");
	json_decref(json);
	expect_text(&c, "id: 100\n");
	/* Told too late: how many are lost is known now. */
	for (i = 0; i < 100; i++)
		last = put(EVENT_RESET_SENT);
	process_events(&p);
	expect_text(&c, "event: gap\ndata: ");
	json = expect_json(&c);
	ck_json_int(json, "id", 100);
	seen += (uint64_t)json_integer_value(json_object_get(json, "lost"));
	json_decref(json);
	while (seen < 100) {
		expect_text(&c, "data: ");
		json = expect_json(&c);
		seen++;
		if (seen == 100)
			ck_assert_int_eq(json_integer_value(json_object_get(json, "id")),
					 (long)last);
		json_decref(json);
	}
	client_done(&c);
}
END_TEST

/* Nobody watched while the client was away: before its last event that is none of its losses. */
START_TEST(blind)
{
	struct client c;
	json_t *json;

	journal_note(kept.journal, FIXTURE_WALL - 120 * NSEC_PER_SEC, MINUTE_UNSEEN, 2000);
	put(EVENT_RESET_SENT);
	put(EVENT_RESET_SENT);
	c = ask_stream("/events", SSE "Last-Event-ID: 1\r\n");
	expect_text(&c, "id: 1\n\nid: 2\nevent: reset-sent\ndata: ");
	client_done(&c);
	journal_note(kept.journal, FIXTURE_WALL + 120 * NSEC_PER_SEC, MINUTE_UNSEEN, 2000);
	c = ask_stream("/events", SSE "Last-Event-ID: 1\r\n");
	expect_text(&c, "event: gap\ndata: ");
	json = expect_json(&c);
	ck_json_int(json, "id", 1);
	ck_json_null(json, "lost");
	json_decref(json);
	expect_text(&c, "id: 2\nevent: reset-sent\ndata: ");
	client_done(&c);
}
END_TEST

START_TEST(lines)
{
	struct answer answer;
	struct client c;
	json_t *json;

	put(EVENT_RESET_SENT);
	put(EVENT_RESET_SENT);
	c = ask_stream("/events?format=ndjson&follow=true&after=1", "");
	ck_assert_ptr_nonnull(strstr(c.head, "Content-Type: application/x-ndjson\r\n"));
	expect_text(&c, "\r\n"); /* the size of the chunk */
	json = expect_json(&c);
	ck_json_int(json, "id", 2);
	json_decref(json);
	put(EVENT_TIMED_OUT);
	process_events(&p);
	expect_text(&c, "{\"id\":3,");
	client_done(&c);
	/* A limit ends it, and the connection can be used again. */
	answer = ask(&p, "GET", "/events?format=ndjson&follow=true&after=0&limit=2", "");
	ck_assert(answer.whole);
	ck_assert_ptr_nonnull(strstr(answer.body.data, "{\"id\":2,"));
	ck_assert_ptr_null(strstr(answer.body.data, "{\"id\":3,"));
	answer_done(&answer);
}
END_TEST

START_TEST(refused)
{
	struct client c[5];
	struct answer answer;
	int i;

	for (i = 0; i < 4; i++) {
		c[i] = ask_stream("/events", SSE);
		ck_assert_int_eq(c[i].status, 200);
	}
	answer = ask(&p, "GET", "/events", SSE);
	ck_assert_int_eq(answer.status, 503);
	ck_assert_str_ne(answer_header(&answer, "Retry-After"), "");
	ck_assert_ptr_nonnull(strstr(answer.body.data, "web.max-streams"));
	answer_done(&answer);
	/* A list is no stream. */
	answer = ask(&p, "GET", "/events", "");
	ck_assert_int_eq(answer.status, 200);
	answer_done(&answer);
	client_done(&c[0]);
	wait_for_metric("tcpdiag_web_streams", 3);
	c[4] = ask_stream("/events", SSE);
	ck_assert_int_eq(c[4].status, 200);
	for (i = 1; i < 5; i++)
		client_done(&c[i]);
	wait_for_metric("tcpdiag_web_streams", 0);
	answer = ask(&p, "GET", "/events", SSE "Last-Event-ID: x\r\n");
	ck_assert_int_eq(answer.status, 400);
	answer_done(&answer);
	answer = ask(&p, "GET", "/events?until=-1m", SSE);
	ck_assert_int_eq(answer.status, 400);
	answer_done(&answer);
	answer = ask(&p, "HEAD", "/events", SSE);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_str_eq(answer_header(&answer, "Content-Type"), "text/event-stream");
	answer_done(&answer);
	ck_assert_int_eq(metric("tcpdiag_web_streams"), 0);
}
END_TEST

/* New settings, the end of the process: the last chunk comes, so nobody takes it for a broken line. */
START_TEST(ends)
{
	struct client c = ask_stream("/events", SSE);

	expect_text(&c, "\n\n");
	if (_i) {
		process_stop(&p);
		p.pid = 0;
	} else {
		process_send_settings(&p);
	}
	expect_text(&c, "0\r\n\r\n");
	client_done(&c);
}
END_TEST

/* One that does not read: what is on its way stays there, and after a while it is cut. */
START_TEST(slow)
{
	struct channel_settings settings = process_settings();
	const int small = 4096;
	struct client c;
	int i;

	teardown();
	settings.idle_timeout_ns = NSEC_PER_SEC;
	start(65536, &settings);
	c = ask_stream("/events", SSE);
	setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (i = 0; i < 20000; i++)
		put(EVENT_RESET_SENT);
	process_events(&p);
	wait_for_metric("tcpdiag_web_streams_cut_total", 1);
	wait_for_metric("tcpdiag_web_streams", 0);
	client_done(&c);
	/* It comes back and goes on where it was. */
	c = ask_stream("/events", SSE "Last-Event-ID: 7\r\n");
	expect_text(&c, "id: 8\n");
	client_done(&c);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("event streams");
	TCase *t = tcase_create("event streams");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, as_they_come);
	tcase_add_test(t, filtered);
	tcase_add_loop_test(t, resumed, 0, 4);
	tcase_add_test(t, overrun);
	tcase_add_test(t, blind);
	tcase_add_test(t, lines);
	tcase_add_test(t, refused);
	tcase_add_loop_test(t, ends, 0, 2);
	tcase_add_test(t, slow);
	suite_add_tcase(s, t);
	return s;
}
