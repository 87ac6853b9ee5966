/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every field that is promised stands in every answer, with the right value, and null where nothing is known.
 */
#include "../harness.h"
#include "sockets_fixture.h"
#include "web/field.h"

/* The promise to users: these names, in lists. */
static const char *const promised[] = {
	"id",
	"cookie",
	"flow",
	"netns",
	"family",
	"mapped",
	"protocol",
	"state",
	"attachment",
	"direction",
	"local.address",
	"local.port",
	"remote",
	"interface",
	"uid",
	"inode",
	"mark",
	"receive_queue",
	"send_queue",
	"unread_bytes",
	"fin_unread",
	"unread_seconds",
	"unsent_bytes",
	"unacked_bytes",
	"bytes_received",
	"bytes_sent",
	"idle_seconds",
	"age_seconds",
	"shutdown",
	"linger",
	"fin_timeout",
	"timer.kind",
	"timer.expires_seconds",
	"timer.retransmits",
	"references",
	"unheld_because",
	"error",
	"settings_seconds",
	"holders",
	"unit",
	"comm",
	"creator",
	"state_since",
	"state_seconds",
	"state_exact",
	"seen_seconds",
	"peer",
	"peer_unknown",
	"outcomes",
	"fate",
	"findings",
};

static const char *const promised_outcome[] = {
	"segment",
	"state",
	"error",
	"blocks_seconds",
	"discards.receive_bytes",
	"discards.send_bytes",
	"discards.unsent_bytes",
	"resets",
	"peer_finished",
	"counter",
	"rule",
	"because",
	"then",
	"certain",
	"unknown",
	"otherwise",
};

static struct fixture machine;

static void setup(void)
{
	fixture_standard(&machine);
}

static void teardown(void)
{
	fixture_done(&machine);
}

START_TEST(every_promised_field)
{
	json_t *list = fixture_get(&machine, _i ? "detail=full" : ""), *socket;
	size_t i, k;

	ck_assert_uint_eq(json_array_size(at(list, "sockets")), STANDARD_COUNT);
	json_array_foreach(at(list, "sockets"), i, socket) for (k = 0; k < ARRAY_SIZE(promised);
								k++) at(socket, promised[k]);
	json_decref(list);
}
END_TEST

START_TEST(every_promised_outcome)
{
	static const char *const operations[] = { "close", "exit", "shutdown_read",
						  "shutdown_write", "shutdown_both" };
	json_t *list = fixture_get(&machine, "detail=full");
	json_t *socket = socket_of(list, POOLED);
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(operations); i++)
		for (k = 0; k < ARRAY_SIZE(promised_outcome); k++)
			at(at(at(socket, "outcomes"), operations[i]), promised_outcome[k]);
	ck_assert_ptr_null(json_object_get(at(socket, "outcomes"), "listener_close"));
	at(socket_of(list, QUEUED), "outcomes.listener_close.rule");
	at(socket_of(list, QUEUED), "outcomes.exit");
	json_decref(list);
}
END_TEST

/* What the table says and what is printed are the same, in both directions. */
static void compare_with_table(json_t *object, const struct field *fields, unsigned int level)
{
	const struct field *field;
	size_t count = 0;

	if (!json_is_object(object))
		return;
	for (field = fields; field->name; field++) {
		json_t *value = json_object_get(object, field->name);

		ck_assert_uint_gt(strlen(field->text), 3);
		if (!(field->flags & level)) {
			ck_assert_msg(!value, "%s is not of this level", field->name);
			continue;
		}
		if (!value) {
			ck_assert_msg(field->flags & FIELD_OMITTED, "no %s", field->name);
			continue;
		}
		count++;
		/* What is printed by a function of its own is null as its schema says. */
		if (json_is_null(value) && field->type != FIELD_OTHER)
			ck_assert_msg(field->flags & FIELD_NULLABLE, "%s is null", field->name);
		if (field->type == FIELD_OBJECT)
			compare_with_table(value, field->children, level);
		if (field->type == FIELD_ARRAY && json_array_size(value))
			compare_with_table(json_array_get(value, 0), field->children, level);
	}
	ck_assert_uint_eq(count, json_object_size(object));
}

START_TEST(table_is_what_is_printed)
{
	json_t *list = fixture_get(&machine, _i ? "detail=full" : ""), *socket;
	size_t i;

	json_array_foreach(at(list, "sockets"), i, socket)
		compare_with_table(socket, socket_fields, _i ? FIELD_DETAIL : FIELD_LIST);
	json_decref(list);
}
END_TEST

START_TEST(envelope)
{
	json_t *list = fixture_get(&machine, "");

	ck_assert_str_eq(json_object_iter_key(json_object_iter(list)), "snapshot");
	ck_assert_int_eq(json_integer_value(at(list, "snapshot.id")), 7);
	ck_assert_str_eq(text_at(list, "snapshot.time"), "2026-11-23T00:00:00.000Z");
	ck_assert_double_eq_tol(json_number_value(at(list, "snapshot.age_seconds")), 1, 1e-9);
	ck_assert_double_eq_tol(json_number_value(at(list, "snapshot.sweep_age_seconds")), 4, 1e-9);
	ck_assert(json_is_true(at(list, "snapshot.complete")));
	ck_assert_ptr_null(json_object_get(at(list, "snapshot"), "missing"));
	json_decref(list);
}
END_TEST

START_TEST(envelope_that_lacks_something)
{
	struct fixture f;
	json_t *list;

	fixture_begin(&f);
	f.missing = "processes: no permission\nnamespaces: \"blue\" is unreadable";
	fixture_seal(&f);
	list = fixture_get(&f, "");
	ck_assert(json_is_false(at(list, "snapshot.complete")));
	ck_assert_uint_eq(json_array_size(at(list, "snapshot.missing")), 2);
	ck_assert_str_eq(text_at(list, "snapshot.missing.1"), "namespaces: \"blue\" is unreadable");
	ck_assert_uint_eq(json_array_size(at(list, "sockets")), 0);
	json_decref(list);
	fixture_done(&f);
}
END_TEST

/* One value of one socket, as JSON text. */
static const struct {
	uint64_t cookie;
	const char *path, *value;
} values[] = {
	{ LISTENER, "id", "\"4026531840-10\"" },
	{ LISTENER, "flow", "\"0.0.0.0:80\"" },
	{ LISTENER, "state", "\"listening\"" },
	{ LISTENER, "remote", "null" },
	{ LISTENER, "receive_queue", "3" },
	{ LISTENER, "send_queue", "511" },
	{ LISTENER, "unread_bytes", "null" },
	{ LISTENER, "unsent_bytes", "null" },
	{ LISTENER, "bytes_received", "null" },
	{ LISTENER, "unit", "\"nginx.service\"" },
	{ SERVED, "flow", "\"10.0.0.1:80 > 192.0.2.7:40000\"" },
	{ SERVED, "direction", "\"inbound\"" },
	{ SERVED, "remote.address", "\"192.0.2.7\"" },
	{ SERVED, "remote.port", "40000" },
	{ SERVED, "timer.kind", "\"keepalive\"" },
	{ SERVED, "timer.expires_seconds", "87.5" },
	{ SERVED, "holders.1.pid", "200" },
	{ SERVED, "holders.1.fd", "8" },
	{ SERVED, "holders.1.container", "\"3f9c0a11deadbeef\"" },
	{ SERVED, "holders.0.container", "null" },
	{ SERVED, "holders.1.container_name", "\"payments/api-7d9f-x2/envoy\"" },
	{ SERVED, "holders.0.container_name", "null" },
	{ SERVED, "creator", "null" },
	{ SERVED, "unread_seconds", "null" },
	{ SERVED, "linger", "null" },
	{ SERVED, "fin_timeout.linger2_seconds", "null" },
	{ SERVED, "references", "null" },
	{ SERVED, "mark", "null" },
	{ SERVED, "interface", "null" },
	{ SERVED, "fate", "null" },
	{ SERVED, "state_since", "\"2026-11-22T23:59:50.000Z\"" },
	{ SERVED, "state_seconds", "10" },
	{ SERVED, "state_exact", "true" },
	{ SERVED, "seen_seconds", "0.5" },
	{ SERVED, "age_seconds", "20" },
	{ SERVED, "idle_seconds", "5" },
	{ SERVED, "findings", "[]" },
	{ POOLED, "unread_bytes", "24" },
	{ POOLED, "receive_queue", "25" },
	{ POOLED, "fin_unread", "true" },
	{ POOLED, "unread_seconds", "400" },
	{ POOLED, "shutdown.receive", "true" },
	{ POOLED, "shutdown.send", "false" },
	{ POOLED, "findings.0", "\"close-wait-leak\"" },
	{ POOLED, "outcomes.close.segment", "\"rst\"" },
	{ POOLED, "outcomes.close.discards.receive_bytes", "24" },
	{ POOLED, "outcomes.close.counter", "\"TCPAbortOnClose\"" },
	{ POOLED, "outcomes.close.peer_finished", "true" },
	{ QUEUED, "attachment", "\"unaccepted\"" },
	{ QUEUED, "holders", "[]" },
	{ QUEUED, "unit", "null" },
	{ QUEUED, "outcomes.listener_close.segment", "\"rst\"" },
	{ ORPHANED, "outcomes", "null" },
	{ ORPHANED, "fate.ends_with", "\"silent\"" },
	{ ORPHANED, "fate.unknown", "[\"linger2\",\"user_timeout\"]" },
	{ ORPHANED, "creator.pid", "300" },
	{ ORPHANED, "creator.fd", "null" },
	{ ORPHANED, "creator.comm", "\"curl\"" },
	{ ORPHANED, "comm", "\"curl\"" },
	{ ORPHANED, "unsent_bytes", "100" },
	{ ORPHANED, "unacked_bytes", "400" },
	{ MINI, "state", "\"fin-wait-2\"" },
	{ MINI, "attachment", "\"timewait\"" },
	{ MINI, "shutdown", "null" },
	{ MINI, "uid", "null" },
	{ MINI, "inode", "null" },
	{ MINI, "fin_timeout", "null" },
	{ MINI, "bytes_received", "null" },
	{ MINI, "age_seconds", "null" },
	{ MINI, "idle_seconds", "null" },
	{ MINI, "state_exact", "false" },
	{ MINI, "timer.kind", "\"timewait\"" },
	{ MINI, "fate.at_most_seconds", "30" },
	{ MINI, "fate.unknown", "[]" },
	{ V6, "flow", "\"[2001:db8::1]:443 > [2001:db8:1::2]:50000\"" },
	{ V6, "family", "\"inet6\"" },
	{ V6, "local.address", "\"2001:db8::1\"" },
	{ MAPPED, "family", "\"inet\"" },
	{ MAPPED, "mapped", "true" },
	{ MAPPED, "local.address", "\"10.0.0.1\"" },
	{ HALF, "state", "\"new-syn-recv\"" },
	{ HALF, "outcomes", "null" },
	{ UNHELD, "attachment", "\"unheld\"" },
	{ MULTIPATH, "protocol", "\"mptcp\"" },
	{ MULTIPATH, "unread_bytes", "null" },
	{ ODD, "unit", "null" },
	{ FOREIGN, "netns", "4026532000" },
	{ FOREIGN, "state", "\"bound-inactive\"" },
	{ FOREIGN, "remote", "null" },
};

START_TEST(value_of_a_field)
{
	json_t *list = fixture_get(&machine, "");
	_cleanup_free_ char *text =
		json_dumps(at(socket_of(list, values[_i].cookie), values[_i].path),
			   JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));

	ck_assert_msg(!strcmp(text, values[_i].value), "%llx %s: %s, expected %s",
		      (unsigned long long)values[_i].cookie, values[_i].path, text,
		      values[_i].value);
	json_decref(list);
}
END_TEST

START_TEST(strange_names_are_escaped)
{
	json_t *list = fixture_get(&machine, "");

	ck_assert_str_eq(text_at(socket_of(list, ODD), "comm"), "a\"b\\c\n\xef\xbf\xbd");
	json_decref(list);
}
END_TEST

START_TEST(exit_of_unheld_is_null)
{
	json_t *list = fixture_get(&machine, "detail=full");

	ck_assert(json_is_null(at(socket_of(list, UNHELD), "outcomes.exit")));
	ck_assert(json_is_object(at(socket_of(list, UNHELD), "outcomes.close")));
	json_decref(list);
}
END_TEST

START_TEST(unknown_linger_shows)
{
	json_t *list = fixture_get(&machine, "");
	json_t *close = at(socket_of(list, SERVED), "outcomes.close"), *other;
	bool resets = false;
	size_t i;

	ck_assert(json_is_false(at(close, "certain")));
	ck_assert_str_eq(text_at(close, "unknown.0"), "linger");
	json_array_foreach(at(close, "otherwise"), i, other)
	{
		ck_assert_uint_gt(strlen(text_at(other, "if")), 3);
		ck_assert_ptr_nonnull(json_object_get(other, "rule"));
		resets = resets || !strcmp(text_at(other, "segment"), "rst");
	}
	ck_assert(resets);
	json_decref(list);
}
END_TEST

START_TEST(chosen_fields)
{
	json_t *list = fixture_get(
		&machine, "fields=cookie,remote.port&fields=outcomes.close.rule,holders.pid,pid");
	json_t *socket = socket_of(list, SERVED);

	ck_assert_uint_eq(json_object_size(socket), 5);
	ck_assert_uint_eq(json_object_size(at(socket, "remote")), 1);
	ck_assert_uint_eq(json_object_size(at(socket, "outcomes")), 1);
	ck_assert_uint_eq(json_object_size(at(socket, "outcomes.close")), 1);
	ck_assert_uint_eq(json_object_size(at(socket, "holders.0")), 1);
	ck_assert_int_eq(json_integer_value(at(socket, "holders.1.pid")), 200);
	ck_assert_int_eq(json_integer_value(at(socket, "pid")), 100);
	ck_assert(json_is_null(at(socket_of(list, LISTENER), "remote")));
	ck_assert(json_is_null(at(socket_of(list, MINI), "outcomes")));
	json_decref(list);
}
END_TEST

START_TEST(fields_of_detail_on_request)
{
	json_t *list = fixture_get(&machine,
				   "fields=cookie,outcomes.exit,outcomes.listener_close,tcp");
	json_t *socket = socket_of(list, QUEUED);

	ck_assert_uint_eq(json_object_size(at(socket, "outcomes")), 2);
	ck_assert_double_eq_tol(json_number_value(at(socket, "tcp.retransmission_timeout_seconds")),
				0.204, 1e-9);
	ck_assert_uint_eq(json_object_size(at(socket_of(list, SERVED), "outcomes")), 1);
	json_decref(list);
}
END_TEST

static struct request socket_request(const char *argument, struct query *query)
{
	return (struct request){
		.path = "/sockets/x",
		.argument = argument,
		.query = query,
		.query_text = "",
		.accept = "",
		.snapshot = &machine.snapshot,
		.now_ns = NOW_NS + NSEC_PER_SEC,
		.wall_ns = WALL_NS,
	};
}

START_TEST(one_socket_in_full)
{
	struct query query = {};
	struct request request = socket_request("4026531840-13", &query);
	struct problem problem;
	struct document *document;
	struct buffer b = {};
	json_error_t error;
	json_t *json;

	ck_assert_int_eq(socket_route(&request, &document, &problem), 0);
	while (document->more(document, &b) > 0)
		;
	json = json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES, &error);
	ck_assert_ptr_nonnull(json);
	ck_assert_str_eq(json_object_iter_key(json_object_iter(json)), "snapshot");
	ck_assert_str_eq(text_at(json, "id"), "4026531840-13");
	ck_assert_str_eq(text_at(json, "listener"), "4026531840-10");
	at(json, "outcomes.shutdown_both.rule");
	at(json, "outcomes.listener_close.rule");
	json_decref(json);
	buffer_done(&b);
	document_free(document);
}
END_TEST

static const struct {
	const char *argument;
	unsigned int status;
} wrong_ids[] = {
	{ "4026531840-ffff", 404 },
	{ "4026532000-10", 404 },
	{ "4026531840", 400 },
	{ "4026531840-", 400 },
	{ "-10", 400 },
	{ "x-10", 400 },
	{ "4026531840-xyz", 400 },
	{ "99999999999-10", 400 },
	{ "4026531840-11112222333344445", 400 },
	{ "4026531840-10-10", 400 },
	{ "", 400 },
};

START_TEST(wrong_id)
{
	struct query query = {};
	struct request request = socket_request(wrong_ids[_i].argument, &query);
	struct problem problem;
	struct document *document;

	ck_assert_int_eq(socket_route(&request, &document, &problem), -EINVAL);
	ck_assert_uint_eq(problem.status, wrong_ids[_i].status);
	if (problem.status == 404)
		ck_assert_ptr_nonnull(strstr(problem.detail, "1.0 s ago"));
}
END_TEST

/* The schemas are JSON, name every field, and every answer's enum words stand in them. */
START_TEST(schemas)
{
	const struct field *field;
	struct buffer b = {};
	json_error_t error;
	json_t *json;
	size_t i;

	buffer_char(&b, '{');
	sockets_schemas(&b);
	buffer_char(&b, '}');
	json = json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES, &error);
	ck_assert_msg(json != NULL, "%s: %.60s", error.text,
		      b.data + (error.position > 30 ? error.position - 30 : 0));
	for (field = socket_fields; field->name; field++)
		at(at(at(json, "Socket.properties"), field->name), "description");
	for (field = outcome_fields; field->name; field++)
		at(at(at(json, "Outcome.properties"), field->name), "description");
	ck_assert_uint_eq(json_array_size(at(json, "Socket.properties.state.enum")), 14);
	ck_assert_uint_eq(json_array_size(at(json, "Socket.properties.attachment.enum")),
			  TCPDIAG_ATTACHMENT_MAX + 1);
	for (i = 0; i < 5; i++)
		at(json, ((const char *[]){ "Snapshot", "SocketList", "SocketDetail", "SocketGroup",
					    "SocketList.properties.groups_total" })[i]);
	json_decref(json);
	buffer_done(&b);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("sockets: fields");
	TCase *t = tcase_create("fields");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, every_promised_field, 0, 2);
	tcase_add_test(t, every_promised_outcome);
	tcase_add_loop_test(t, table_is_what_is_printed, 0, 2);
	tcase_add_test(t, envelope);
	tcase_add_test(t, envelope_that_lacks_something);
	tcase_add_loop_test(t, value_of_a_field, 0, ARRAY_SIZE(values));
	tcase_add_test(t, strange_names_are_escaped);
	tcase_add_test(t, exit_of_unheld_is_null);
	tcase_add_test(t, unknown_linger_shows);
	tcase_add_test(t, chosen_fields);
	tcase_add_test(t, fields_of_detail_on_request);
	tcase_add_test(t, one_socket_in_full);
	tcase_add_loop_test(t, wrong_id, 0, ARRAY_SIZE(wrong_ids));
	tcase_add_test(t, schemas);
	suite_add_tcase(s, t);
	return s;
}
