/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /rules and /rules/{id}: what is found, pages, formats, and what is refused.
 */
#include "fixture.h"

static struct fixture f;

START_TEST(all_rules)
{
	json_t *json, *row;
	size_t index;

	f = (struct fixture){ 0 };
	json = fixture_get_json(&f, rules_route, "");
	ck_json_int(json, "matched", TCPDIAG_RULE_MAX - 1);
	json_array_foreach(fixture_at(json, "rules"), index, row)
	{
		const char *id = json_string_value(fixture_at(row, "id"));
		struct request request = { .path = "/rules/x", .argument = id };
		struct problem problem = { 0 };
		char *text = fixture_get(&f, rule_route, "", &request, &problem);
		json_t *one = json_loads(text, 0, NULL);

		ck_assert(json_equal(one, row));
		json_decref(one);
		free(text);
	}
	json_decref(json);
}
END_TEST

START_TEST(rules_search)
{
	const struct tcpdiag_rule_info *unread = tcpdiag_rule_info(TCPDIAG_RULE_CLOSE_UNREAD);
	char query[256];
	json_t *json;

	f = (struct fixture){ 0 };
	ck_assert_ptr_nonnull(unread->counter);
	snprintf(query, sizeof(query), "search=%s", unread->counter);
	json = fixture_get_json(&f, rules_route, query);
	ck_assert_int_ge(json_integer_value(fixture_at(json, "matched")), 1);
	json_decref(json);
	json = fixture_get_json(&f, rules_route, "search=TOO%20MANY%20ORPHANED");
	ck_assert_int_ge(json_integer_value(fixture_at(json, "matched")), 1);
	ck_assert_int_lt(json_integer_value(fixture_at(json, "matched")), TCPDIAG_RULE_MAX - 1);
	json_decref(json);
	/* As it stands in a log, with what surrounds it. */
	json = fixture_get_json(&f, rules_route,
				"search=%5B12.5%5D%20TCP:%20too%20many%20orphaned%20sockets");
	ck_assert_int_ge(json_integer_value(fixture_at(json, "matched")), 1);
	json_decref(json);
	json = fixture_get_json(&f, rules_route, "search=no-such-thing");
	ck_json_int(json, "matched", 0);
	json_decref(json);
	json = fixture_get_json(&f, rules_route, "kind=finding");
	ck_json_int(json, "matched", TCPDIAG_RULE_MAX - TCPDIAG_RULE_FINDING_FIRST);
	json_decref(json);
	fixture_refused(&f, rules_route, "kind=x", 400, "kind");
}
END_TEST

/* Page by page each rule once, in the order of the catalogue. */
START_TEST(rules_in_pages)
{
	char query[128] = "limit=5";
	int next = TCPDIAG_RULE_NONE + 1;

	f = (struct fixture){ 0 };
	while (*query) {
		json_t *json = fixture_get_json(&f, rules_route, query), *row;
		const char *after = json_string_value(fixture_at(json, "next"));
		size_t index;

		ck_json_int(json, "matched", TCPDIAG_RULE_MAX - 1);
		ck_assert_ptr_null(fixture_at(json, "snapshot"));
		ck_json_int(json, "returned", (int)json_array_size(fixture_at(json, "rules")));
		json_array_foreach(fixture_at(json, "rules"), index, row)
			ck_json_text(row, "id", tcpdiag_rule_id(next++));
		*query = '\0';
		if (after)
			snprintf(query, sizeof(query), "limit=5&after=%s", after);
		json_decref(json);
	}
	ck_assert_int_eq(next, TCPDIAG_RULE_MAX);
	fixture_refused(&f, rules_route, "after=no-rule", 400, "after");
	fixture_refused(&f, rules_route, "limit=x", 400, "limit");
	fixture_refused(&f, rules_route, "fields=evidence", 400, "fields");
	fixture_refused(&f, rules_route, "format=xml", 400, "format");
	fixture_refused(&f, rules_route, "fields=id&format=text", 400, "fields");
}
END_TEST

START_TEST(rules_in_other_forms)
{
	struct request request = { .path = "/rules/x", .argument = "close-unread-data" };
	struct problem problem = { 0 };
	size_t lines = 0;
	json_t *json;
	char *text, *c;

	f = (struct fixture){ 0 };
	json = fixture_get_json(&f, rules_route, "fields=id,counter&search=close-unread-data");
	ck_assert_uint_eq(json_object_size(fixture_at(json, "rules.0")), 2);
	ck_json_text(json, "rules.0.counter", "TCPAbortOnClose");
	json_decref(json);
	text = fixture_get(&f, rules_route, "format=ndjson", NULL, &problem);
	for (c = text; (c = strchr(c, '\n')); c++)
		lines++;
	ck_assert_uint_eq(lines, TCPDIAG_RULE_MAX - 1);
	free(text);
	text = fixture_get(&f, rules_route, "format=text&limit=1", NULL, &problem);
	ck_assert_ptr_nonnull(strstr(text, "\nclose-nothing "));
	ck_assert_ptr_null(strstr(text, "close-syn-sent"));
	free(text);
	text = fixture_get(&f, rule_route, "format=text", &request, &problem);
	ck_assert_ptr_nonnull(strstr(text, "# close-unread-data: "));
	free(text);
	ck_assert_ptr_null(fixture_get(&f, rule_route, "format=ndjson", &request, &problem));
	ck_assert_str_eq(problem.parameter, "format");
}
END_TEST

START_TEST(no_such_rule)
{
	static const char *const ids[] = { "", "none", "CLOSE-FIN", "close-fin ", "../etc" };
	struct request request = { .path = "/rules/x", .argument = ids[_i] };
	struct problem problem = { 0 };

	f = (struct fixture){ 0 };
	ck_assert_ptr_null(fixture_get(&f, rule_route, "", &request, &problem));
	ck_assert_uint_eq(problem.status, 404);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("rules");
	TCase *t = tcase_create("rules");

	tcase_add_test(t, all_rules);
	tcase_add_test(t, rules_search);
	tcase_add_test(t, rules_in_pages);
	tcase_add_test(t, rules_in_other_forms);
	tcase_add_loop_test(t, no_such_rule, 0, 5);
	suite_add_tcase(s, t);
	return s;
}
