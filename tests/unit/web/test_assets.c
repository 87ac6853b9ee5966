/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The page and what it takes in, asked over a real socket: who gets it, what it may do, and that nothing in it could
 * make script of what a process is called.
 */
#include <ctype.h>

#include "fixture.h"

#include "process.h"
#include "web/page/list.h"

#define BROWSER "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
#define ALL_MAX 65536U /* bytes of all together */

#define TYPE_css "text/css; charset=utf-8"
#define TYPE_js "text/javascript; charset=utf-8"
#define ACCEPT_css "Accept: text/css,*/*;q=0.1\r\n"
#define ACCEPT_js "Accept: */*\r\n"
#define ROW(name, kind) { "/page/" #name "." #kind, TYPE_##kind, ACCEPT_##kind },

static const struct {
	const char *path, *type, *headers;
} assets[] = { { "/", "text/html; charset=utf-8", BROWSER }, PAGE_ASSETS(ROW) };

static struct lent lend_fixture(const struct web_process *p)
{
	struct fixture f;
	struct lent lent;

	fixture_default(&f);
	lent = process_snapshot_of(f.snapshot.header);
	((struct snapshot_header *)lent.map)->now_ns = process_now();
	fixture_done(&f);
	process_lend(p, &lent, true);
	process_ping(p, 2);
	process_expect_ping(p, 2);
	return lent;
}

START_TEST(headers)
{
	struct web_process p = process_new();
	char request[512], etag[64];
	struct answer got, head;
	size_t len;

	/* No snapshot is needed. */
	process_start(&p, true);
	got = ask(&p, "GET", assets[_i].path, assets[_i].headers);
	ck_assert_int_eq(got.status, 200);
	ck_assert(got.whole);
	ck_assert_str_eq(answer_header(&got, "Content-Type"), assets[_i].type);
	ck_assert_str_eq(answer_header(&got, "X-Content-Type-Options"), "nosniff");
	ck_assert_str_eq(answer_header(&got, "Referrer-Policy"), "no-referrer");
	ck_assert_str_eq(answer_header(&got, "X-Frame-Options"), "DENY");
	ck_assert_str_eq(answer_header(&got, "Vary"), "Accept, Accept-Encoding");
	ck_assert_ptr_nonnull(
		strstr(answer_header(&got, "Content-Security-Policy"), "default-src 'none'; "));
	ck_assert_ptr_null(strstr(answer_header(&got, "Content-Security-Policy"), "unsafe"));
	head = ask(&p, "HEAD", assets[_i].path, assets[_i].headers);
	ck_assert_int_eq(head.status, 200);
	ck_assert_uint_eq(head.body.len, 0);
	ck_assert_str_eq(answer_header(&head, "Content-Type"), assets[_i].type);
	ck_assert_uint_eq(strtoul(answer_header(&head, "Content-Length"), NULL, 10), got.body.len);
	answer_done(&head);

	snprintf(etag, sizeof(etag), "%s", answer_header(&got, "ETag"));
	ck_assert_uint_gt(strlen(etag), 10);
	len = got.body.len;
	answer_done(&got);
	snprintf(request, sizeof(request), "%sIf-None-Match: %s\r\n", assets[_i].headers, etag);
	got = ask(&p, "GET", assets[_i].path, request);
	ck_assert_int_eq(got.status, 304);
	ck_assert_str_eq(answer_header(&got, "ETag"), etag);
	answer_done(&got);
	snprintf(request, sizeof(request), "%sAccept-Encoding: gzip\r\nIf-None-Match: %s\r\n",
		 assets[_i].headers, etag);
	got = ask(&p, "GET", assets[_i].path, request);
	ck_assert_int_eq(got.status, 200);
	/* What fits into a packet goes as it is. */
	ck_assert_str_eq(answer_header(&got, "Content-Encoding"), len < 1024 ? "" : "gzip");
	ck_assert_str_ne(answer_header(&got, "ETag"), etag);
	answer_done(&got);
	process_stop(&p);
}
END_TEST

START_TEST(text_for_others)
{
	static const char *const others[] = { "", "Accept: */*\r\n", "Accept: text/plain\r\n",
					      "Accept: text/html;q=0.1, */*\r\n" };
	struct web_process p = process_new();
	struct lent lent;
	struct answer answer;
	size_t i;

	process_start(&p, true);
	answer = ask(&p, "GET", "/", "Accept: */*\r\n");
	ck_assert_int_eq(answer.status, 503);
	ck_assert_str_eq(answer_header(&answer, "Content-Type"), "application/problem+json");
	answer_done(&answer);
	lent = lend_fixture(&p);
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		answer = ask(&p, "GET", "/", others[i]);
		ck_assert_int_eq(answer.status, 200);
		ck_assert_str_eq(answer_header(&answer, "Content-Type"),
				 "text/plain; charset=utf-8");
		ck_assert_int_eq(strncmp(answer.body.data, "tcpdiagd ", 9), 0);
		ck_assert_str_eq(answer_header(&answer, "Vary"), "Accept, Accept-Encoding");
		answer_done(&answer);
	}
	/* What the report takes is checked for the page as well. */
	answer = ask(&p, "GET", "/?columns=1", BROWSER);
	ck_assert_int_eq(answer.status, 400);
	answer_done(&answer);
	process_stop(&p);
	lent_done(&lent);
}
END_TEST

START_TEST(other_machines)
{
	struct web_process p = process_new();
	struct answer answer;
	size_t i;

	process_start(&p, false);
	for (i = 0; i < ARRAY_SIZE(assets); i++) {
		answer = ask(&p, "GET", assets[i].path, assets[i].headers);
		ck_assert_int_eq(answer.status, 403);
		ck_assert_ptr_nonnull(strstr(answer.body.data, "--web.expose-api"));
		answer_done(&answer);
	}
	process_stop(&p);
}
END_TEST

/* Whether an attribute of the page's own tags begins with "on", which would be script. */
static bool has_handler(const char *html)
{
	bool tag = false;

	for (; *html; html++) {
		if (*html == '<' || *html == '>')
			tag = *html == '<';
		if (tag && isspace((unsigned char)html[0]) && !strncasecmp(html + 1, "on", 2) &&
		    html[3 + strspn(html + 3, "abcdefghijklmnopqrstuvwxyz")] == '=')
			return true;
	}
	return false;
}

/* A module is asked for with the page, not when the one that needs it has come. */
static void expect_modules(const char *html)
{
	size_t i, modules = 0, preloads = 0;
	char link[128];

	ck_assert_ptr_nonnull(
		strstr(html, "<script type=\"module\" src=\"/page/page.js\"></script>"));
	ck_assert_ptr_null(strstr(strstr(html, "<script") + 1, "<script"));
	ck_assert_ptr_nonnull(strstr(html, "<link rel=\"stylesheet\" href=\"/page/page.css\">"));
	for (i = 1; i < ARRAY_SIZE(assets); i++) {
		if (strcmp(assets[i].type, TYPE_js) != 0 ||
		    !strcmp(assets[i].path, "/page/page.js"))
			continue;
		modules++;
		snprintf(link, sizeof(link), "<link rel=\"modulepreload\" href=\"%s\">",
			 assets[i].path);
		ck_assert_msg(strstr(html, link) != NULL, "the page lacks %s", link);
	}
	while ((html = strstr(html, "modulepreload"))) {
		preloads++;
		html++;
	}
	ck_assert_uint_eq(preloads, modules);
}

/* What a module takes from others is served. */
static void expect_imports(const char *script, const char *path)
{
	while ((script = strstr(script, "} from \""))) {
		char wanted[64];
		bool found = false;
		size_t i;

		script += strlen("} from \"");
		ck_assert_msg(!strncmp(script, "./", 2), "%s: %.40s", path, script);
		snprintf(wanted, sizeof(wanted), "/page/%.*s", (int)strcspn(script + 2, "\""),
			 script + 2);
		for (i = 1; i < ARRAY_SIZE(assets); i++)
			found = found || !strcmp(assets[i].path, wanted);
		ck_assert_msg(found, "%s takes %s, which is not served", path, wanted);
	}
}

START_TEST(what_it_says)
{
	static const char *const never[] = {
		"innerHTML",	  "outerHTML", "insertAdjacentHTML",
		"document.write", "eval(",     "new Function",
		"DOMParser",	  "srcdoc",    "createContextualFragment",
		"javascript:",	  "http://",   "https://",
		"localStorage"
	};
	struct web_process p = process_new();
	struct answer answer;
	size_t i, k, all = 0;

	process_start(&p, true);
	for (i = 0; i < ARRAY_SIZE(assets); i++) {
		answer = ask(&p, "GET", assets[i].path, assets[i].headers);
		ck_assert_int_eq(answer.status, 200);
		ck_assert_uint_gt(answer.body.len, 500);
		ck_assert_uint_eq(strlen(answer.body.data), answer.body.len);
		all += answer.body.len;
		for (k = 0; k < ARRAY_SIZE(never); k++) {
			const char *found = strstr(answer.body.data, never[k]);

			/* The page tells those without script how else to ask. */
			if (found && !strncmp(found, "http://localhost:19293/", 23))
				found = strstr(found + 1, never[k]);
			ck_assert_msg(!found, "%s has %.60s", assets[i].path, found);
		}
		if (!i) {
			ck_assert(!has_handler(answer.body.data));
			ck_assert_ptr_null(strstr(answer.body.data, "style="));
			ck_assert_ptr_null(strstr(answer.body.data, "<style"));
			expect_modules(answer.body.data);
		}
		expect_imports(answer.body.data, assets[i].path);
		answer_done(&answer);
	}
	ck_assert_uint_lt(all, ALL_MAX);
	process_stop(&p);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("assets");
	TCase *t = tcase_create("assets");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, headers, 0, ARRAY_SIZE(assets));
	tcase_add_test(t, text_for_others);
	tcase_add_test(t, other_machines);
	tcase_add_test(t, what_it_says);
	suite_add_tcase(s, t);
	return s;
}
