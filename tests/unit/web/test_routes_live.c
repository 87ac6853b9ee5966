/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every route of the real table, asked over a real socket of a real, confined web process: what it says is
 * parsed, and what holds for all routes holds for each.
 */
#include "fixture.h"

#include "process.h"

static const char *const accepts[] = {
	"",
	"Accept: */*\r\n",
	"Accept: application/json\r\n",
	"Accept: text/html,application/xhtml+xml\r\n",
	"Accept: text/plain\r\n",
	"Accept: application/openmetrics-text;version=1.0.0\r\nAccept-Encoding: gzip\r\n",
};

/* A path of the route; the placeholder names a thing that there is, or none. */
static void target_of(const struct route *route, bool exists, char *ret, size_t size)
{
	static const struct {
		const char *prefix, *existing;
	} things[] = {
		{ "/sockets/", "4026531840-1002" }, { "/rules/", "close-wait-leak" },
		{ "/processes/", "100" },	    { "/units/", "web.service" },
		{ "/containers/", "3f9c0a11" },	    { "/page/", "page.js" },
	};
	const char *hole = strchr(route->path, '{'), *thing = "no-such-thing";
	size_t i;

	if (!hole) {
		snprintf(ret, size, "%s", route->path);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(things) && exists; i++)
		if (!strncmp(route->path, things[i].prefix, strlen(things[i].prefix)))
			thing = things[i].existing;
	snprintf(ret, size, "%.*s%s", (int)(hole - route->path), route->path, thing);
}

static void expect_json(const struct answer *answer, const char *target)
{
	const char *type = answer_header(answer, "Content-Type");
	json_error_t error;
	json_t *json;

	if (strncmp(type, "application/json", 16) != 0 &&
	    strncmp(type, "application/problem+json", 24) != 0 &&
	    strncmp(type, "application/openapi+json", 24) != 0)
		return;
	json = json_loadb(answer->body.data, answer->body.len, JSON_REJECT_DUPLICATES, &error);
	ck_assert_msg(json != NULL, "%s: %s at %d", target, error.text, error.position);
	json_decref(json);
}

static void expect_problem(struct answer *answer, const char *target, int status,
			   const char *parameter)
{
	json_t *json;

	ck_assert_msg(answer->status == status, "%s: %d, not %d", target, answer->status, status);
	ck_assert_str_eq(answer_header(answer, "Content-Type"), "application/problem+json");
	json = json_loads(answer->body.data, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_int_eq(json_integer_value(json_object_get(json, "status")), status);
	ck_assert_uint_gt(strlen(json_string_value(json_object_get(json, "detail"))), 10);
	if (parameter)
		ck_assert_str_eq(json_string_value(json_object_get(json, "parameter")), parameter);
	json_decref(json);
	answer_done(answer);
}

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

START_TEST(every_route_answers)
{
	struct web_process p = process_new();
	const struct route *table;
	struct kept kept = process_journal(&p, 16);
	struct lent lent;
	size_t count, i, k;

	process_start(&p, true);
	lent = lend_fixture(&p);
	table = route_table(&count);
	for (i = 0; i < count; i++) {
		for (k = 0; k < ARRAY_SIZE(accepts); k++) {
			struct answer answer, head;
			char target[256];

			target_of(&table[i], true, target, sizeof(target));
			answer = ask(&p, "GET", target, accepts[k]);
			ck_assert_msg(answer.status == 200, "%s: %d %s", target, answer.status,
				      answer.body.data);
			ck_assert(answer.whole);
			ck_assert_uint_gt(answer.body.len, 0);
			if (!answer_header(&answer, "Content-Encoding")[0])
				expect_json(&answer, target);
			head = ask(&p, "HEAD", target, accepts[k]);
			ck_assert_int_eq(head.status, answer.status);
			answer_done(&answer);
			answer_done(&head);
		}
	}
	process_stop(&p);
	lent_done(&lent);
	kept_done(&kept);
}
END_TEST

START_TEST(every_route_refuses)
{
	struct web_process p = process_new();
	const struct route *table;
	struct lent lent;
	size_t count, i;

	process_start(&p, true);
	table = route_table(&count);
	for (i = 0; i < count; i++) {
		struct answer answer;
		char target[256];

		target_of(&table[i], true, target, sizeof(target));
		answer = ask(&p, "GET", target, "");
		if (table[i].flags & ROUTE_DATA)
			expect_problem(&answer, target, 503, NULL);
		else
			answer_done(&answer);
		answer = ask(&p, "POST", target, "Content-Length: 0\r\n");
		expect_problem(&answer, target, 405, NULL);
	}
	lent = lend_fixture(&p);
	for (i = 0; i < count; i++) {
		struct answer answer;
		char target[256];

		target_of(&table[i], false, target, sizeof(target));
		if (strchr(table[i].path, '{')) {
			answer = ask(&p, "GET", target, "");
			ck_assert_msg(answer.status == 404 || answer.status == 400, "%s: %d",
				      target, answer.status);
			expect_problem(&answer, target, answer.status, NULL);
		}
		strcat(target, "?no-such-parameter=1");
		answer = ask(&p, "GET", target, "");
		expect_problem(&answer, target, 400, "no-such-parameter");
	}
	process_stop(&p);
	lent_done(&lent);
}
END_TEST

START_TEST(other_machines_see_little)
{
	struct web_process p = process_new();
	const struct route *table;
	struct lent lent;
	size_t count, i;

	process_start(&p, false);
	lent = lend_fixture(&p);
	table = route_table(&count);
	for (i = 0; i < count; i++) {
		struct answer answer;
		char target[256];

		target_of(&table[i], true, target, sizeof(target));
		answer = ask(&p, "GET", target, "");
		if (table[i].flags & ROUTE_OPEN) {
			ck_assert_int_eq(answer.status, 200);
			answer_done(&answer);
		} else {
			expect_problem(&answer, target, 403, NULL);
		}
	}
	process_stop(&p);
	lent_done(&lent);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("routes_live");
	TCase *t = tcase_create("routes");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, every_route_answers);
	tcase_add_test(t, every_route_refuses);
	tcase_add_test(t, other_machines_see_little);
	suite_add_tcase(s, t);
	return s;
}
