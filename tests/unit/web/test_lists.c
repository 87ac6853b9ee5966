/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /findings and /listeners: filters, order, pages, formats, and what is refused.
 */
#include "fixture.h"

static struct fixture f;

START_TEST(finding_fields)
{
	json_t *json;

	fixture_default(&f);
	json = fixture_get_json(&f, findings_route, "");
	/* The envelope comes first. */
	ck_assert_str_eq(json_object_iter_key(json_object_iter(json)), "snapshot");
	ck_json_int(json, "snapshot.id", 42);
	ck_json_int(json, "matched", 3);
	ck_json_int(json, "returned", 3);
	ck_json_null(json, "next");
	/* Worst first. */
	ck_json_text(json, "findings.0.rule", "orphan-accumulation");
	ck_json_text(json, "findings.0.scope", "host");
	ck_json_null(json, "findings.0.socket");
	ck_json_null(json, "findings.0.process");
	ck_json_null(json, "findings.0.netns");
	ck_json_null(json, "findings.0.cause");
	ck_assert_uint_eq(json_object_size(fixture_at(json, "findings.0.evidence")), 0);
	/* The catalogue's remedy where the finding has none of its own. */
	ck_json_text(json, "findings.0.remedy",
		     tcpdiag_rule_info(TCPDIAG_RULE_ORPHAN_ACCUMULATION)->remedy);
	ck_json_text(json, "findings.1.id", "f-1f");
	ck_json_text(json, "findings.1.severity", "warning");
	ck_json_text(json, "findings.1.since", "2025-11-23T03:58:30.000Z");
	ck_json_int(json, "findings.1.seconds", 90);
	ck_json_text(json, "findings.1.socket", "4026531840-1003");
	ck_json_int(json, "findings.1.process.pid", 200);
	ck_json_null(json, "findings.1.unit");
	ck_json_int(json, "findings.1.netns", FIXTURE_NETNS);
	ck_json_int(json, "findings.1.count", 1);
	ck_json_text(json, "findings.1.summary", "tool (pid 200) holds 1 socket in CLOSE-WAIT");
	ck_assert_uint_eq(json_object_size(fixture_at(json, "findings.1.evidence")), 2);
	ck_assert(json_real_value(fixture_at(json, "findings.1.evidence.growth_per_second")) ==
		  0.25);
	ck_json_text(json, "findings.1.cause", "the end of file was read and forgotten");
	ck_json_text(json, "findings.1.remedy", "close the descriptor at the end of file");
	ck_json_text(json, "findings.1.documentation", "/rules/close-wait-leak");
	json_decref(json);
	fixture_done(&f);
}
END_TEST

START_TEST(finding_filters)
{
	static const struct {
		const char *query;
		int matched;
	} cases[] = {
		{ "id=f-1f", 1 },
		{ "id=f-1", 0 },
		{ "severity=warning", 1 },
		{ "severity=warning&severity=info", 2 },
		{ "severity=info,warning", 2 },
		{ "severity=critical,info", 2 },
		{ "severity=info&rule=close-wait-leak", 0 },
		{ "rule=close-wait-leak&rule=rst-on-close", 2 },
		{ "scope=host", 1 },
		{ "scope=listener", 0 },
		{ "pid=200", 2 },
		{ "pid=100", 0 },
		{ "netns=4026531840", 2 },
		{ "netns=1", 0 },
		{ "unit=web", 0 },
	};
	json_t *json;

	fixture_default(&f);
	json = fixture_get_json(&f, findings_route, cases[_i].query);
	ck_json_int(json, "matched", cases[_i].matched);
	ck_json_int(json, "returned", cases[_i].matched);
	ck_assert_uint_eq(json_array_size(fixture_at(json, "findings")), (size_t)cases[_i].matched);
	json_decref(json);
	fixture_done(&f);
}
END_TEST

START_TEST(finding_units)
{
	static const struct {
		const char *query;
		int matched;
	} cases[] = {
		{ "unit=web", 2 },	   { "unit=web.service", 2 }, { "unit=we", 0 },
		{ "unit=web.socket", 0 },  { "unit=web.", 0 },	      { "unit=web&unit=other", 2 },
		{ "unit=other.slice", 1 }, { "unit=OTHER", 0 },
	};
	json_t *json;

	fixture_begin(&f);
	/* By the process, by the finding itself, and both. */
	fixture_finding(&f, TCPDIAG_RULE_CLOSE_WAIT_LEAK, SEVERITY_INFO, 1)->process = P_WORKER;
	fixture_finding(&f, TCPDIAG_RULE_CLOSE_WAIT_LEAK, SEVERITY_INFO, 2)->unit =
		fixture_string(&f, "web.service");
	fixture_finding(&f, TCPDIAG_RULE_CLOSE_WAIT_LEAK, SEVERITY_INFO, 3)->unit =
		fixture_string(&f, "other.slice");
	f.findings[2].process = P_WEB;
	fixture_seal(&f);
	/* A name without a dot is a service, nothing else. */
	json = fixture_get_json(&f, findings_route, cases[_i].query);
	ck_json_int(json, "matched", cases[_i].matched);
	json_decref(json);
	fixture_done(&f);
}
END_TEST

/* While it clears its process may hold none of its sockets, and so has no row: it is named all the same. */
START_TEST(finding_of_a_process_without_sockets)
{
	struct finding *finding;
	json_t *json;

	fixture_begin(&f);
	finding = fixture_finding(&f, TCPDIAG_RULE_CLOSE_WAIT_LEAK, SEVERITY_INFO, 1);
	finding->process = RECORD_NONE;
	finding->pid = 4711;
	finding->comm = fixture_string(&f, "crawler");
	finding->unit = fixture_string(&f, "crawler.service");
	fixture_seal(&f);
	json = fixture_get_json(&f, findings_route, "pid=4711&unit=crawler");
	ck_json_int(json, "matched", 1);
	ck_json_int(json, "findings.0.process.pid", 4711);
	ck_json_text(json, "findings.0.process.comm", "crawler");
	ck_json_text(json, "findings.0.process.unit", "crawler.service");
	ck_json_null(json, "findings.0.process.container");
	json_decref(json);
	fixture_done(&f);
}
END_TEST

START_TEST(findings_refused)
{
	static const struct {
		const char *query, *parameter;
	} cases[] = {
		{ "id=1f", "id" },
		{ "id=f-", "id" },
		{ "severity=bad", "severity" },
		{ "severity=", "severity" },
		{ "severity=info,", "severity" },
		{ "netns=blue", "netns" },
		{ "rule=close-fin", "rule" },
		{ "rule=nonsense", "rule" },
		{ "scope=world", "scope" },
		{ "pid=-1", "pid" },
		{ "pid=", "pid" },
		{ "pid=99999999999999999999", "pid" },
		{ "netns=4294967296", "netns" },
		{ "unit=", "unit" },
		{ "limit=ten", "limit" },
		{ "format=xml", "format" },
		{ "after=1", "after" },
		{ "after=1-zz", "after" },
		{ "after=1-1-1", "after" },
		{ "fields=", "fields" },
		{ "fields=id,", "fields" },
		{ "fields=nonsense", "fields" },
		{ "fields=evidence.nonsense", "fields" },
		{ "fields=id.id", "fields" },
		{ "fields=id&format=text", "fields" },
	};

	/* Also where there is nothing to filter. */
	fixture_begin(&f);
	fixture_seal(&f);
	fixture_refused(&f, findings_route, cases[_i].query, 400, cases[_i].parameter);
	fixture_done(&f);
}
END_TEST

#define PAGED 2500

/* Pages of a large list: every row once, in order, whatever vanishes in between. */
START_TEST(finding_pages)
{
	static const enum severity severities[] = { SEVERITY_INFO, SEVERITY_CRITICAL,
						    SEVERITY_WARNING };
	struct finding *findings;
	char query[128] = "limit=999";
	int seen = 0, i, pages = 0, last_severity = SEVERITY_MAX;
	long last_id = -1;

	fixture_begin(&f);
	findings = snapshot_section(&f.w, SECTION_FINDINGS, PAGED, sizeof(*findings));
	for (i = 0; i < PAGED; i++)
		findings[i] = (struct finding){ .id = (uint64_t)(PAGED - i),
						.rule = TCPDIAG_RULE_CLOSE_WAIT_LEAK,
						.severity = (uint8_t)severities[i % 3],
						.process = RECORD_NONE,
						.socket = RECORD_NONE };
	ck_assert_int_eq(snapshot_seal(&f.w), 0);
	ck_assert_int_eq(snapshot_open(f.block, f.w.used, &f.snapshot), 0);
	for (;;) {
		json_t *json = fixture_get_json(&f, findings_route, query), *row;
		const char *next = json_string_value(fixture_at(json, "next"));
		size_t index;

		pages++;
		ck_json_int(json, "matched", PAGED);
		json_array_foreach(fixture_at(json, "findings"), index, row)
		{
			const char *name = json_string_value(fixture_at(row, "severity"));
			long id = strtol(json_string_value(fixture_at(row, "id")) + 2, NULL, 16);
			int severity = SEVERITY_MAX;

			while (severity_name(--severity) && strcmp(severity_name(severity), name))
				;
			ck_assert(severity < last_severity ||
				  (severity == last_severity && id > last_id));
			last_severity = severity;
			last_id = id;
			seen++;
		}
		if (!next)
			ck_assert_str_ne(query, "limit=999");
		else
			snprintf(query, sizeof(query), "limit=999&after=%s", next);
		json_decref(json);
		if (!next)
			break;
	}
	ck_assert_int_eq(seen, PAGED);
	ck_assert_int_eq(pages, 3);
	fixture_done(&f);
}
END_TEST

START_TEST(link_header)
{
	struct query query = {
		.parameters = { { "limit", "1" }, { "unit", "a b&c" }, { "after", "3-0" } },
		.count = 3
	};
	struct request request = { .path = "/findings", .query = &query, .accept = "" };
	struct document *document;
	struct problem problem;

	fixture_begin(&f);
	fixture_finding(&f, TCPDIAG_RULE_RST_ON_CLOSE, SEVERITY_INFO, 7)->unit =
		fixture_string(&f, "a b&c");
	fixture_finding(&f, TCPDIAG_RULE_RST_ON_CLOSE, SEVERITY_INFO, 8)->unit =
		fixture_string(&f, "a b&c");
	fixture_seal(&f);
	request.snapshot = &f.snapshot;
	ck_assert_int_eq(findings_route(&request, &document, &problem), 0);
	ck_assert_str_eq(document->link,
			 "</findings?limit=1&unit=a%20b%26c&after=1-7>; rel=\"next\"");
	document_free(document);
	fixture_done(&f);
}
END_TEST

START_TEST(formats)
{
	struct problem problem = { 0 };
	char *text, *line;
	int lines = 0;

	fixture_default(&f);
	text = fixture_get(&f, findings_route, "format=ndjson&limit=2", NULL, &problem);
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		json_t *row = json_loads(line, 0, NULL);

		ck_assert_ptr_nonnull(fixture_at(row, "rule"));
		json_decref(row);
		lines++;
	}
	ck_assert_int_eq(lines, 2);
	free(text);

	text = fixture_get(&f, listeners_route, "format=text", NULL, &problem);
	ck_assert_ptr_nonnull(strstr(text, "10.0.0.1:443"));
	ck_assert_ptr_nonnull(strstr(text, "web(100) web.service"));
	free(text);
	fixture_done(&f);
}
END_TEST

/* Whatever a process calls itself, a terminal gets printable characters. */
START_TEST(text_is_plain)
{
	struct problem problem = { 0 };
	const char *c;
	char *text;

	fixture_begin(&f);
	fixture_finding(&f, TCPDIAG_RULE_RST_ON_CLOSE, SEVERITY_INFO, 1)->summary =
		fixture_string(&f, "\x1b]0;owned\x07 \xc2\x9b\xff\x7f gr\xc3\xbc\xc3\x9f");
	f.findings[0].unit = fixture_string(&f, "evil\r\n.service");
	fixture_seal(&f);
	text = fixture_get(&f, findings_route, "format=text", NULL, &problem);
	for (c = text; *c; c++)
		ck_assert_msg(*c == '\n' || (*c >= ' ' && *c <= '~'), "byte %02x in %s", *c, text);
	ck_assert_ptr_nonnull(strstr(text, "?]0;owned? ??? gr??"));
	ck_assert_ptr_nonnull(strstr(text, "evil??.service"));
	free(text);
	fixture_done(&f);
}
END_TEST

/* Members, members of members and of what stands in arrays, in the row's own order. */
START_TEST(selected)
{
	static const struct {
		route_fn *handler;
		const char *query, *want;
	} cases[] = {
		{ findings_route, "fields=rule&limit=1&format=ndjson",
		  "{\"rule\":\"orphan-accumulation\"}\n" },
		{ findings_route,
		  "fields=count,evidence.growth_per_second,process.pid,id&pid=200&severity=warning&"
		  "format=ndjson",
		  "{\"id\":\"f-1f\",\"process\":{\"pid\":200},\"count\":1,"
		  "\"evidence\":{\"growth_per_second\":0.25}}\n" },
		{ findings_route, "fields=process.pid,rule&limit=1&format=ndjson",
		  "{\"rule\":\"orphan-accumulation\",\"process\":null}\n" },
		{ listeners_route, "fields=local.port,holders.fd&limit=1&format=ndjson",
		  "{\"local\":{\"port\":443},\"holders\":[{\"fd\":6},{\"fd\":6}]}\n" },
	};
	json_t *json;
	char *text;

	fixture_default(&f);
	text = fixture_get(&f, cases[_i].handler, cases[_i].query, NULL, NULL);
	ck_assert_str_eq(text, cases[_i].want);
	free(text);
	json = fixture_get_json(&f, findings_route, "fields=summary,evidence");
	ck_json_int(json, "returned", 3);
	ck_assert_uint_eq(json_object_size(fixture_at(json, "findings.1")), 2);
	ck_assert_uint_eq(json_object_size(fixture_at(json, "findings.1.evidence")), 2);
	json_decref(json);
	fixture_done(&f);
}
END_TEST

START_TEST(listener_fields)
{
	json_t *json;

	fixture_default(&f);
	json = fixture_get_json(&f, listeners_route, "");
	ck_json_int(json, "matched", 1);
	ck_json_text(json, "listeners.0.id", "4026531840-1001");
	ck_json_text(json, "listeners.0.local.address", "10.0.0.1");
	ck_json_int(json, "listeners.0.local.port", 443);
	ck_json_int(json, "listeners.0.queue", 3);
	ck_json_int(json, "listeners.0.limit", 128);
	ck_assert(json_is_integer(fixture_at(json, "listeners.0.resets")));
	ck_json_null(json, "listeners.0.overflows");
	ck_json_null(json, "listeners.0.linger");
	ck_json_null(json, "listeners.0.siblings");
	ck_json_int(json, "listeners.0.holders.1.pid", 101);
	ck_json_int(json, "listeners.0.holders.1.fd", 6);
	ck_assert_uint_eq(json_array_size(fixture_at(json, "listeners.0.holders")), 2);
	json_decref(json);
	fixture_done(&f);
}
END_TEST

/* What its connections begin with. */
START_TEST(listener_settings)
{
	static const struct {
		int64_t ms;
		const char *linger;
	} cases[] = {
		{ 0, "{\"on\":true,\"seconds\":0,\"inherited\":false}" },
		{ 2500, "{\"on\":true,\"seconds\":2.5,\"inherited\":false}" },
		{ TCPDIAG_LINGER_FOREVER,
		  "{\"on\":true,\"seconds\":\"forever\",\"inherited\":false}" },
	};
	struct tcpdiag_socket *sk;
	uint32_t count;
	json_t *json;
	char *text;

	fixture_begin(&f);
	sk = &snapshot_writer_records(&f.w, &count)[R_LISTENER].sk;
	sk->known |= TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_SIBLINGS;
	sk->linger = true;
	sk->sk_lingertime_ms = cases[_i].ms;
	sk->siblings = 3;
	fixture_seal(&f);
	json = fixture_get_json(&f, listeners_route, "");
	ck_json_int(json, "listeners.0.siblings", 3);
	text = json_dumps(fixture_at(json, "listeners.0.linger"), JSON_COMPACT);
	ck_assert_str_eq(text, cases[_i].linger);
	free(text);
	json_decref(json);
	fixture_done(&f);
}
END_TEST

START_TEST(listener_filters)
{
	static const struct {
		const char *query;
		int matched;
	} cases[] = {
		{ "port=443", 1 },
		{ "port=80", 0 },
		{ "port=80&port=443", 1 },
		{ "pid=101", 1 },
		{ "pid=200", 0 },
		{ "unit=web", 1 },
		{ "unit=tool", 0 },
		{ "netns=4026531840", 1 },
		{ "netns=5", 0 },
		{ "port=443&pid=200", 0 },
		{ "after=443-4026531840-1000", 1 },
	};
	json_t *json;

	fixture_default(&f);
	json = fixture_get_json(&f, listeners_route, cases[_i].query);
	ck_json_int(json, "matched", cases[_i].matched);
	json_decref(json);
	fixture_done(&f);
}
END_TEST

START_TEST(listeners_refused)
{
	static const struct {
		const char *query, *parameter;
	} cases[] = {
		{ "port=65536", "port" },  { "port=http", "port" }, { "pid=x", "pid" },
		{ "netns=", "netns" },	   { "after=x", "after" },  { "limit=-1", "limit" },
		{ "netns=blue", "netns" },
	};

	fixture_default(&f);
	fixture_refused(&f, listeners_route, cases[_i].query, 400, cases[_i].parameter);
	fixture_done(&f);
}
END_TEST

START_TEST(listener_pages)
{
	json_t *json;

	fixture_default(&f);
	json = fixture_get_json(&f, listeners_route, "after=443-4026531840-1001");
	ck_json_int(json, "matched", 1);
	ck_json_int(json, "returned", 0);
	json_decref(json);
	fixture_done(&f);
}
END_TEST

/* A network namespace by its name. */
START_TEST(namespace_names)
{
	struct namespace *row;
	json_t *json;

	fixture_begin(&f);
	fixture_finding(&f, TCPDIAG_RULE_CLOSE_WAIT_LEAK, SEVERITY_WARNING, 0x1f);
	row = snapshot_section(&f.w, SECTION_NAMESPACES, 1, sizeof(*row));
	*row = (struct namespace){ .inode = FIXTURE_NETNS, .name = fixture_string(&f, "blue") };
	fixture_seal(&f);
	json = fixture_get_json(&f, listeners_route, "netns=blue");
	ck_json_int(json, "matched", 1);
	json_decref(json);
	json = fixture_get_json(&f, findings_route, "netns=blue");
	ck_json_int(json, "matched", 1);
	json_decref(json);
	fixture_done(&f);
}
END_TEST

/* The fullest first, page by page: 3 of 128, a full one with the highest port, an empty one with the lowest. */
START_TEST(listeners_by_fill)
{
	static const int ports[] = { 9000, 443, 80 };
	struct tcpdiag_socket *full, *empty;
	struct record *records;
	char query[256] = "sort=-fill&limit=1";
	uint32_t count;
	json_t *json;
	size_t i;

	fixture_begin(&f);
	records = snapshot_writer_records(&f.w, &count);
	full = &records[R_LIVE].sk;
	empty = &records[R_DONE].sk;
	full->state = empty->state = TCPDIAG_LISTEN;
	full->local_port = 9000;
	full->rqueue = 5;
	full->wqueue = 4;
	empty->local_port = 80;
	empty->rqueue = 0;
	empty->wqueue = 0;
	fixture_seal(&f);
	for (i = 0; i < ARRAY_SIZE(ports); i++) {
		json = fixture_get_json(&f, listeners_route, query);
		ck_json_int(json, "matched", 3);
		ck_json_int(json, "returned", 1);
		ck_json_int(json, "listeners.0.local.port", ports[i]);
		if (i + 1 < ARRAY_SIZE(ports))
			snprintf(query, sizeof(query), "sort=-fill&limit=1&after=%s",
				 json_string_value(fixture_at(json, "next")));
		else
			ck_json_null(json, "next");
		json_decref(json);
	}
	/* A place in the one order is none in the other. */
	fixture_refused(&f, listeners_route, "after=1-443-4026531840-1001", 400, "after");
	fixture_refused(&f, listeners_route, "sort=-fill&after=443-4026531840-1001", 400, "after");
	fixture_refused(&f, listeners_route, "sort=fill", 400, "sort");
	fixture_done(&f);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("lists");
	TCase *t = tcase_create("lists");

	tcase_add_test(t, finding_fields);
	tcase_add_loop_test(t, finding_filters, 0, 15);
	tcase_add_loop_test(t, finding_units, 0, 8);
	tcase_add_test(t, finding_of_a_process_without_sockets);
	tcase_add_loop_test(t, findings_refused, 0, 25);
	tcase_add_test(t, finding_pages);
	tcase_add_test(t, link_header);
	tcase_add_test(t, formats);
	tcase_add_test(t, text_is_plain);
	tcase_add_loop_test(t, selected, 0, 4);
	tcase_add_test(t, listener_fields);
	tcase_add_loop_test(t, listener_settings, 0, 3);
	tcase_add_loop_test(t, listener_filters, 0, 11);
	tcase_add_loop_test(t, listeners_refused, 0, 7);
	tcase_add_test(t, listener_pages);
	tcase_add_test(t, namespace_names);
	tcase_add_test(t, listeners_by_fill);
	suite_add_tcase(s, t);
	return s;
}
