/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What Accept asks for.
 */
#include "../harness.h"
#include "model/macro.h"
#include "web/media.h"

static const struct {
	const char *accept;
	bool html;
} cases[] = {
	/* Firefox, Chromium, Safari. */
	{ "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true },
	{ "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/"
	  "apng,*/*;q=0.8,"
	  "application/signed-exchange;v=b3;q=0.7",
	  true },
	{ "text/html", true },
	{ "TEXT/HTML", true },
	{ "text/html;q=0.1", true },
	{ "text/html ; charset=utf-8 ; q=0.5", true },
	{ " application/json , text/html", true },
	{ "text/html, text/plain", true },
	{ "text/plain;q=0.5, text/html", true },
	{ "text/html;q=0.5, text/plain;q=0.4, */*", true },
	{ ",,text/html", true },
	/* curl, wget, a library, Prometheus. */
	{ "*/*", false },
	{ "", false },
	{ "application/json", false },
	{ "text/plain", false },
	{ "text/*", false },
	{ "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	  false },
	{ "text/html;q=0", false },
	{ "text/html;q=0.0, */*", false },
	{ "text/html;q=x", false },
	{ "text/html;q=0.5, text/plain", false },
	{ "text/plain, text/html;q=0.9", false },
	{ "text/html;q=0.5, */*", false },
	{ "text/html;q=0.5, text/*;q=0.6", false },
	{ "text/htmlx", false },
	{ "text/htm", false },
	{ "xtext/html", false },
	{ ";q=1", false },
	{ "application/xhtml+xml", false },
};

START_TEST(html)
{
	ck_assert_msg(media_wants(cases[_i].accept, "text/html", "text/plain") == cases[_i].html,
		      "%s", cases[_i].accept);
}
END_TEST

static const struct {
	const char *accept;
	bool stream;
} streams[] = {
	{ "text/event-stream", true },
	{ "Text/Event-Stream", true },
	{ "application/json;q=0.5, text/event-stream", true },
	{ "text/event-stream, */*", true },
	{ "text/event-stream;q=0.9, text/*", true },
	{ "text/event-stream;q=0", false },
	{ "application/json, text/event-stream;q=0.5", false },
	{ "application/*, text/event-stream;q=0.5", false },
	{ "text/event-streams", false },
	{ "application/x; of=\"text/event-stream\"", false },
	{ "*/*", false },
	{ "", false },
};

START_TEST(stream)
{
	ck_assert_msg(media_wants(streams[_i].accept, "text/event-stream", "application/json") ==
			      streams[_i].stream,
		      "%s", streams[_i].accept);
}
END_TEST

START_TEST(ranges)
{
	const char *accept = "text/plain; version=\"0.0.4\" ;q=0.25,\ta/b , ";
	struct media_range r;

	ck_assert(media_next(&accept, &r));
	ck_assert(media_is(r.type, r.type_len, "Text/Plain"));
	ck_assert(media_is(r.version, r.version_len, "0.0.4"));
	ck_assert_double_eq(r.q, 0.25);
	ck_assert(media_next(&accept, &r));
	ck_assert(media_is(r.type, r.type_len, "a/b"));
	ck_assert(!media_is(r.type, r.type_len, "a/bc"));
	ck_assert_uint_eq(r.version_len, 0);
	ck_assert_double_eq(r.q, 1);
	ck_assert(media_next(&accept, &r));
	ck_assert_uint_eq(r.type_len, 0);
	ck_assert(!media_next(&accept, &r));
	ck_assert(!media_next(&accept, &r));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("media");
	TCase *t = tcase_create("media");

	tcase_add_loop_test(t, html, 0, ARRAY_SIZE(cases));
	tcase_add_loop_test(t, stream, 0, ARRAY_SIZE(streams));
	tcase_add_test(t, ranges);
	suite_add_tcase(s, t);
	return s;
}
