/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each filter: which of the standard machine's sockets it lets through, and which values it refuses.
 */
#include "../harness.h"
#include "sockets_fixture.h"
#include "web/filter.h"

static struct fixture machine;

static void setup(void)
{
	fixture_standard(&machine);
}

static void teardown(void)
{
	fixture_done(&machine);
}

#define BIT(socket) (1U << ((socket)-LISTENER))
#define ALL ((1U << STANDARD_COUNT) - 1)

static const struct {
	const char *query;
	unsigned int expected; /* bits of the sockets that match */
} matches[] = {
	{ "", ALL },
	{ "state=close-wait", BIT(POOLED) | BIT(QUEUED) },
	{ "state=CLOSE_WAIT", BIT(POOLED) | BIT(QUEUED) },
	{ "state=listening&state=fin-wait-1", BIT(LISTENER) | BIT(ORPHANED) },
	{ "state=LISTEN,FIN_WAIT1", BIT(LISTENER) | BIT(ORPHANED) },
	{ "state=fin-wait-2&attachment=timewait", BIT(MINI) },
	{ "state=last-ack", 0 },
	{ "attachment=orphan,request", BIT(ORPHANED) | BIT(HALF) },
	{ "attachment=unaccepted", BIT(QUEUED) },
	{ "attachment=unheld", BIT(UNHELD) },
	{ "direction=outbound", BIT(POOLED) },
	{ "direction=inbound", BIT(SERVED) },
	{ "netns=4026532000", BIT(FOREIGN) },
	{ "netns=blue", BIT(FOREIGN) },
	{ "netns=1", 0 },
	{ "family=inet6", BIT(V6) },
	{ "family=inet", ALL & ~BIT(V6) },
	{ "protocol=mptcp", BIT(MULTIPATH) },
	{ "protocol=tcp", ALL & ~BIT(MULTIPATH) },
	{ "local=127.0.0.1", BIT(FOREIGN) },
	{ "local=10.0.0.1:40001", BIT(POOLED) },
	{ "local=:443", BIT(V6) | BIT(MAPPED) },
	{ "local=*:443", BIT(V6) | BIT(MAPPED) },
	{ "remote=10.0.0.0/8", BIT(POOLED) | BIT(ORPHANED) | BIT(MINI) },
	{ "remote=10.9.8.0/24&state=close-wait", BIT(POOLED) },
	{ "remote=192.0.2.8/31", BIT(QUEUED) | BIT(MAPPED) },
	{ "remote=192.0.2.7", BIT(SERVED) },
	{ "remote=192.0.2.7,192.0.2.8", BIT(SERVED) | BIT(QUEUED) },
	{ "remote=::ffff:192.0.2.9", BIT(MAPPED) },
	{ "remote=0.0.0.0/0", ALL & ~(BIT(LISTENER) | BIT(V6) | BIT(FOREIGN)) },
	{ "remote=::/0", BIT(V6) },
	{ "remote=2001:db8:1::/48", BIT(V6) },
	{ "remote=[2001:db8:1::]/48", BIT(V6) },
	{ "remote=[2001:db8:1::2]:50000", BIT(V6) },
	{ "remote=[2001:db8:1::2]", BIT(V6) },
	{ "remote=2001:db8:1::2", BIT(V6) },
	{ "remote=[2001:db8:1::2]:50001", 0 },
	{ "remote=10.9.8.7:443", BIT(POOLED) | BIT(ORPHANED) | BIT(MINI) },
	{ "port=443", BIT(POOLED) | BIT(ORPHANED) | BIT(MINI) | BIT(V6) | BIT(MAPPED) },
	{ "local.port=443", BIT(V6) | BIT(MAPPED) },
	{ "remote.port=443", BIT(POOLED) | BIT(ORPHANED) | BIT(MINI) },
	{ "remote.port=443&remote.port=40000",
	  BIT(POOLED) | BIT(ORPHANED) | BIT(MINI) | BIT(SERVED) },
	{ "uid=1000", BIT(FOREIGN) },
	{ "uid=0", 0 }, /* a minisocket's owner is not known, not root */
	{ "pid=200", BIT(SERVED) | BIT(POOLED) | BIT(FOREIGN) },
	{ "pid=300", BIT(ORPHANED) | BIT(MINI) },
	{ "pid=1", 0 },
	{ "comm=java", BIT(SERVED) | BIT(POOLED) | BIT(FOREIGN) },
	{ "comm=jav", 0 },
	{ "unit=nginx", BIT(LISTENER) | BIT(SERVED) | BIT(V6) | BIT(MAPPED) | BIT(MULTIPATH) },
	{ "unit=nginx.service&unit=app", BIT(LISTENER) | BIT(SERVED) | BIT(V6) | BIT(MAPPED) |
						 BIT(MULTIPATH) | BIT(POOLED) | BIT(FOREIGN) },
	{ "unit=ngin", 0 },
	{ "unit=nginx&pid=200", BIT(SERVED) },
	{ "unit=user@1000", BIT(ORPHANED) | BIT(MINI) },
	{ "creator.unit=user@1000.service", BIT(ORPHANED) | BIT(MINI) },
	{ "creator.unit=nginx", 0 },
	{ "container=3f9c0a11dead", BIT(SERVED) | BIT(POOLED) | BIT(FOREIGN) },
	{ "container=3f9c0a11deadbeef", BIT(SERVED) | BIT(POOLED) | BIT(FOREIGN) },
	{ "container=3f9c0a11deadbeef0", 0 },
	{ "container=3f9c0a11dea", 0 },
	{ "container=9c0a11deadbeef", 0 },
	{ "container=envoy", BIT(SERVED) | BIT(POOLED) | BIT(FOREIGN) },
	{ "container=envo", 0 },
	{ "container=api-7d9f-x2", BIT(SERVED) | BIT(POOLED) | BIT(FOREIGN) },
	{ "container=payments/api-7d9f-x2", BIT(SERVED) | BIT(POOLED) | BIT(FOREIGN) },
	{ "container=payments/api-7d9f-x2/envoy", BIT(SERVED) | BIT(POOLED) | BIT(FOREIGN) },
	{ "container=payments", 0 },
	{ "container=payments/", 0 },
	{ "container=payments/api-7d9f", 0 },
	{ "finding=close-wait-leak", BIT(POOLED) },
	{ "finding=rst-on-close", 0 },
	{ "closes_with=rst&port=80&state=close-wait", BIT(QUEUED) },
	{ "closes_with=rst,fin,none&attachment=orphan,timewait,request", 0 },
	{ "min_unread=24", BIT(POOLED) | BIT(QUEUED) },
	{ "min_unread=25", BIT(QUEUED) },
	{ "min_unread=101", 0 },
	{ "min_unread_seconds=400", BIT(POOLED) },
	{ "min_unread_seconds=6m", BIT(POOLED) },
	{ "min_unread_seconds=400.001", 0 },
	{ "min_state_seconds=400", BIT(POOLED) },
	{ "min_state_seconds=10s", ALL },
	{ "min_state_seconds=10.5", BIT(POOLED) },
	{ "min_idle=5s", ALL & ~BIT(MINI) },
	{ "min_idle=5100ms", BIT(POOLED) },
	{ "min_idle=7m", 0 },
};

START_TEST(filter_matches)
{
	char query[256];
	json_t *list, *socket;
	unsigned int found = 0;
	size_t i;

	snprintf(query, sizeof(query), "%s&fields=cookie", matches[_i].query);
	list = fixture_get(&machine, query);
	json_array_foreach(at(list, "sockets"), i, socket)
		found |= BIT(strtoul(text_at(socket, "cookie"), NULL, 16));
	ck_assert_msg(found == matches[_i].expected, "%s: 0x%x, expected 0x%x", matches[_i].query,
		      found, matches[_i].expected);
	ck_assert_int_eq(json_integer_value(at(list, "matched")),
			 __builtin_popcount(matches[_i].expected));
	json_decref(list);
}
END_TEST

static const struct {
	const char *query, *parameter;
	const char *allowed; /* part of the detail */
} refused[] = {
	{ "state=closewai", "state", "fin-wait-2" },
	{ "state=", "state", "value" },
	{ "state=established,,listening", "state", "value" },
	{ "attachment=owned", "attachment", "unaccepted" },
	{ "direction=in", "direction", "inbound" },
	{ "netns=green", "netns", "inode" },
	{ "netns=99999999999", "netns", "inode" },
	{ "family=ipx", "family", "inet6" },
	{ "protocol=udp", "protocol", "mptcp" },
	{ "local=10.0.0", "local", "10.0.0.0/8" },
	{ "local=10.0.0.1/33", "local", "10.0.0.0/8" },
	{ "remote=10.0.0.1:0", "remote", "10.0.0.0/8" },
	{ "remote=10.0.0.1:65536", "remote", "10.0.0.0/8" },
	{ "remote=10.0.0.1:", "remote", "10.0.0.0/8" },
	{ "remote=[::1", "remote", "[::1]:80" },
	{ "remote=[::1]x", "remote", "[::1]:80" },
	{ "remote=[::1]:", "remote", "[::1]:80" },
	{ "remote=[::1]/129", "remote", "[::1]:80" },
	{ "remote=[10.0.0.1]:80", "remote", "[::1]:80" },
	{ "remote=::1/", "remote", "[::1]:80" },
	{ "remote=example.org", "remote", "10.0.0.1" },
	{ "port=http", "port", "65535" },
	{ "port=0", "port", "65535" },
	{ "local.port=65536", "local.port", "65535" },
	{ "remote.port=-1", "remote.port", "65535" },
	{ "uid=root", "uid", "number" },
	{ "pid=", "pid", "value" },
	{ "pid=1x", "pid", "number" },
	{ "finding=close-unread", "finding", "close-wait-leak" },
	{ "closes_with=reset", "closes_with", "rst" },
	{ "min_unread=1k", "min_unread", "bytes" },
	{ "min_unread_seconds=soon", "min_unread_seconds", "1m30s" },
	{ "min_state_seconds=1.", "min_state_seconds", "1m30s" },
	{ "min_state_seconds=30s1m", "min_state_seconds", "1m30s" },
	{ "min_idle=30", "min_idle", "unit" },
	{ "min_idle=99999999999999999999s", "min_idle", "unit" },
	{ "min_idle=1s1s", "min_idle", "unit" },
	{ "limit=-1", "limit", "" },
	{ "limit=all", "limit", "" },
	{ "format=xml", "format", "ndjson" },
	{ "detail=most", "detail", "full" },
	{ "fields=colour", "fields", "attachment" },
	{ "fields=local.name", "fields", "attachment" },
	{ "fields=local.port.x", "fields", "attachment" },
	{ "fields=", "fields", "" },
	{ "fields=id&format=text", "fields", "text" },
	{ "sort=holders", "sort", "unread_bytes" },
	{ "sort=", "sort", "unread_bytes" },
	{ "sort=local", "sort", "unread_bytes" },
	{ "after=x", "after", "next" },
	{ "after=4026531840-10_n5", "after", "next" },
	{ "after=4026531840-10&sort=unread_bytes", "after", "next" },
	{ "after=4026531840-10_s61&sort=unread_bytes", "after", "next" },
	{ "after=4026531840-10_s6&sort=comm", "after", "next" },
	{ "after=4026531840-10_s61&sort=local.address", "after", "next" },
	{ "group=colour", "group", "unit" },
	{ "group=", "group", "unit" },
	{ "group=unit,", "group", "unit" },
	{ "group=unit,comm,pid", "group", "2" },
	{ "group=unit,unit", "group", "twice" },
	{ "group=unit&sort=comm", "sort", "group" },
	{ "group=unit&fields=comm", "fields", "group" },
	{ "group=unit&after=4026531840-10", "after", "group" },
	{ "colour=red", "colour", "" },
	{ "limit=1&limit=2", "limit", "" },
};

START_TEST(wrong_value_is_named)
{
	struct problem problem = fixture_problem(&machine, refused[_i].query);

	ck_assert_str_eq(problem.parameter, refused[_i].parameter);
	ck_assert_msg(strstr(problem.detail, refused[_i].allowed) != NULL, "%s: %s",
		      refused[_i].query, problem.detail);
}
END_TEST

START_TEST(too_many_values)
{
	char query[8192] = "port=1";
	size_t i;

	for (i = 0; i < FILTER_VALUES_MAX; i++)
		strcat(query, ",2");
	ck_assert_str_eq(fixture_problem(&machine, query).parameter, "port");
}
END_TEST

/* An empty value is none of a filter's; other parameters are not looked at. */
static bool is_filter(const char *name)
{
	struct query query = { .count = 1, .parameters = { { name, "" } } };
	struct problem problem = {};
	struct filter filter;
	int r = filter_compile(&query, &machine.snapshot, &filter, &problem);

	filter_done(&filter);
	return r == -EINVAL && !strcmp(problem.parameter, name);
}

/* Each filter is a parameter of the route, and the route's list of parameters has no other filter. */
START_TEST(parameters_are_the_filters)
{
	static const struct route_parameter filters[] = { FILTER_PARAMETERS };
	const struct route_parameter *p;
	json_error_t error;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(filters); i++)
		ck_assert_str_eq(sockets_parameters[i].name, filters[i].name);
	for (p = sockets_parameters; p; p = parameter_row(p + 1)) {
		json_t *schema = json_loads(p->schema, 0, &error);

		ck_assert_msg(schema != NULL, "%s: %s", p->name, error.text);
		json_decref(schema);
		ck_assert_uint_gt(strlen(p->text), 8);
		ck_assert_msg(is_filter(p->name) ==
				      (p >= sockets_parameters && p < sockets_parameters + i),
			      "%s", p->name);
	}
}
END_TEST

/* The words of a schema are those that the filter takes. */
START_TEST(schemas_say_what_is_taken)
{
	const struct route_parameter *p;
	json_error_t error;
	size_t i, checked = 0;

	for (p = sockets_parameters; p; p = parameter_row(p + 1)) {
		json_t *schema = json_loads(p->schema, 0, &error), *word;

		json_array_foreach(json_object_get(schema, "enum"), i, word)
		{
			char query[128];

			snprintf(query, sizeof(query), "%s=%s", p->name, json_string_value(word));
			free(fixture_body(&machine, query));
			checked++;
		}
		json_decref(schema);
	}
	ck_assert_uint_gt(checked, 15);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("sockets: filter");
	TCase *t = tcase_create("filter");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, filter_matches, 0, ARRAY_SIZE(matches));
	tcase_add_loop_test(t, wrong_value_is_named, 0, ARRAY_SIZE(refused));
	tcase_add_test(t, too_many_values);
	tcase_add_test(t, parameters_are_the_filters);
	tcase_add_test(t, schemas_say_what_is_taken);
	suite_add_tcase(s, t);
	return s;
}
