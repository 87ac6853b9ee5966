/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What sock_diag does not tell, where a reader has told it: each value as it is shown, null without it, and
 * the outcomes that follow.
 */
#include "../harness.h"
#include "sockets_fixture.h"
#include "web/field.h"

/* Everything that a reader of settings can know of a connection. */
#define ALL_SETTINGS \
	(TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_LINGER2 | TCPDIAG_KNOWS_REPAIR | \
	 TCPDIAG_KNOWS_REFERENCES | TCPDIAG_KNOWS_OFO | TCPDIAG_KNOWS_USER_TIMEOUT | \
	 TCPDIAG_KNOWS_ERROR | TCPDIAG_KNOWS_SUBFLOW)

enum {
	OFF = 0x20, /* SO_LINGER was on once */
	ZERO,
	POSITIVE,
	ENDLESS,
	CHILD, /* in a queue: settings of its listener */
	NO_WAIT, /* FIN-WAIT-2 with TCP_LINGER2 -1 */
	CLIFF, /* TCP_LINGER2 61 */
	CLOSING_NOW, /* unheld, no reference */
	PASSED, /* unheld, one reference */
	LOST, /* unheld, references not known */
	DEAD, /* closed: its peer has reset it */
	UNBOUND, /* closed: never had an end */
	SHARED, /* two references, one descriptor */
	ANCESTOR, /* a listener with siblings */
	UNTOLD, /* nothing is known */
};

static struct fixture machine;

static struct record *add(uint64_t cookie, enum tcpdiag_state state, unsigned int references)
{
	struct record *r = fixture_add(&machine, cookie, state, "10.0.0.1", 80, "192.0.2.7",
				       (uint16_t)(40000 + cookie));

	fixture_hold(&machine, r, NGINX, (int)cookie);
	r->sk.known |= ALL_SETTINGS;
	r->sk.references = references;
	r->settings_ns = NOW_NS - 3 * NSEC_PER_SEC / 2;
	return r;
}

static void linger(struct record *r, bool on, int64_t ms)
{
	r->sk.linger = on;
	r->sk.sk_lingertime_ms = ms;
}

static void add_lingering(void)
{
	struct record *r;

	linger(add(OFF, TCPDIAG_ESTABLISHED, 1), false, 7000);
	linger(add(ZERO, TCPDIAG_ESTABLISHED, 1), true, 0);
	r = add(POSITIVE, TCPDIAG_ESTABLISHED, 1);
	linger(r, true, 5000);
	r->sk.repair = true;
	r->sk.user_timeout_ms = 1500;
	r->sk.out_of_order = true;
	r->sk.soft_error = true;
	linger(add(ENDLESS, TCPDIAG_ESTABLISHED, 1), true, TCPDIAG_LINGER_FOREVER);
	r = fixture_add(&machine, CHILD, TCPDIAG_ESTABLISHED, "10.0.0.1", 80, "192.0.2.8", 40002);
	r->sk.attachment = TCPDIAG_UNACCEPTED;
	r->sk.known |= TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_LINGER2;
	linger(r, true, 0);
	r->sk.inherited = true;
	r->peer = 0;
	r = add(NO_WAIT, TCPDIAG_FIN_WAIT2, 1);
	r->sk.linger2_ms = -1;
	r->sk.sk_shutdown = TCPDIAG_SEND_SHUTDOWN;
	r = add(CLIFF, TCPDIAG_FIN_WAIT2, 1);
	r->sk.linger2_ms = 61000;
	r->sk.sk_shutdown = TCPDIAG_SEND_SHUTDOWN;
}

static void add_unheld_ones(void)
{
	static const uint64_t cookies[] = { CLOSING_NOW, PASSED, LOST };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cookies); i++) {
		struct record *r = fixture_add(&machine, cookies[i], TCPDIAG_FIN_WAIT1, "10.0.0.1",
					       80, "192.0.2.7", 50000);

		r->sk.attachment = TCPDIAG_UNHELD;
		r->sk.inode = 999;
		r->sk.sk_shutdown = TCPDIAG_RCV_SHUTDOWN | TCPDIAG_SEND_SHUTDOWN;
		r->sk.wqueue = 101;
		if (cookies[i] != LOST)
			r->sk.known |= ALL_SETTINGS;
		r->sk.references = cookies[i] == PASSED;
	}
}

static void add_dead(void)
{
	struct record *r;

	r = add(DEAD, TCPDIAG_CLOSE, 1);
	r->sk.sk_err = ECONNRESET;
	r->sk.rqueue = 12;
	r = fixture_add(&machine, UNBOUND, TCPDIAG_CLOSE, "0.0.0.0", 0, "0.0.0.0", 0);
	fixture_hold(&machine, r, JAVA, 99);
	r->sk.known |= ALL_SETTINGS;
	r->sk.references = 1;
	linger(add(SHARED, TCPDIAG_ESTABLISHED, 2), false, 0);
	r = fixture_add(&machine, ANCESTOR, TCPDIAG_LISTEN, "0.0.0.0", 80, "0.0.0.0", 0);
	fixture_hold(&machine, r, NGINX, 6);
	r->sk.known |= ALL_SETTINGS | TCPDIAG_KNOWS_SIBLINGS;
	r->sk.references = 1;
	r->sk.siblings = 2;
	linger(r, true, 0);
	r = add(UNTOLD, TCPDIAG_ESTABLISHED, 1);
	r->sk.known &= ~(uint32_t)ALL_SETTINGS;
	r->settings_ns = 0;
}

static void setup(void)
{
	fixture_begin(&machine);
	add_lingering();
	add_unheld_ones();
	add_dead();
	fixture_seal(&machine);
}

static void teardown(void)
{
	fixture_done(&machine);
}

static const struct {
	uint64_t cookie;
	const char *path, *value;
} values[] = {
	{ OFF, "linger", "{\"on\":false,\"seconds\":7,\"inherited\":false}" },
	{ OFF, "references", "1" },
	{ OFF, "settings_seconds", "1.5" },
	{ OFF, "repair", "false" },
	{ OFF, "user_timeout_seconds", "0" },
	{ OFF, "out_of_order", "false" },
	{ OFF, "soft_error", "false" },
	{ OFF, "error", "null" },
	{ OFF, "siblings", "null" },
	{ OFF, "peer", "null" },
	{ OFF, "unheld_because", "null" },
	{ OFF, "fin_timeout", "{\"linger2_seconds\":0,\"lifetime_seconds\":60}" },
	{ OFF, "outcomes.close.certain", "true" },
	{ OFF, "outcomes.close.unknown", "[]" },
	{ OFF, "outcomes.close.otherwise", "[]" },
	{ OFF, "outcomes.close.rule", "\"close-fin\"" },
	{ OFF, "outcomes.close.blocks_seconds", "0" },
	{ ZERO, "linger", "{\"on\":true,\"seconds\":0,\"inherited\":false}" },
	{ ZERO, "outcomes.close.segment", "\"rst\"" },
	{ ZERO, "outcomes.close.rule", "\"close-linger-zero\"" },
	{ ZERO, "outcomes.exit.segment", "\"rst\"" },
	{ POSITIVE, "linger", "{\"on\":true,\"seconds\":5,\"inherited\":false}" },
	{ POSITIVE, "repair", "true" },
	{ POSITIVE, "user_timeout_seconds", "1.5" },
	{ POSITIVE, "out_of_order", "true" },
	{ POSITIVE, "soft_error", "true" },
	{ POSITIVE, "outcomes.close.rule", "\"close-repair\"" },
	{ ENDLESS, "linger", "{\"on\":true,\"seconds\":\"forever\",\"inherited\":false}" },
	{ ENDLESS, "outcomes.close.segment", "\"fin\"" },
	{ ENDLESS, "outcomes.close.blocks_seconds", "\"forever\"" },
	{ ENDLESS, "outcomes.exit.blocks_seconds", "0" },
	{ CHILD, "linger", "{\"on\":true,\"seconds\":0,\"inherited\":true}" },
	{ CHILD, "peer", "\"4026531840-20\"" },
	{ CHILD, "references", "null" },
	{ CHILD, "settings_seconds", "null" },
	{ CHILD, "repair", "null" },
	{ NO_WAIT, "fin_timeout", "{\"linger2_seconds\":-1,\"lifetime_seconds\":0}" },
	{ NO_WAIT, "outcomes.close.segment", "\"rst\"" },
	{ NO_WAIT, "outcomes.close.counter", "\"TCPAbortOnLinger\"" },
	{ CLIFF, "fin_timeout", "{\"linger2_seconds\":61,\"lifetime_seconds\":2}" },
	{ CLIFF, "outcomes.close.then.at_most_seconds", "2" },
	{ CLOSING_NOW, "unheld_because", "\"close-in-progress\"" },
	{ CLOSING_NOW, "references", "0" },
	{ PASSED, "unheld_because", "\"passed\"" },
	{ PASSED, "references", "1" },
	{ LOST, "unheld_because", "\"unknown\"" },
	{ LOST, "references", "null" },
	{ DEAD, "state", "\"closed\"" },
	{ DEAD, "error", "\"ECONNRESET\"" },
	{ DEAD, "attachment", "\"held\"" },
	{ DEAD, "unread_bytes", "12" },
	{ DEAD, "fin_unread", "null" },
	{ UNBOUND, "unread_bytes", "0" },
	{ UNBOUND, "fin_unread", "false" },
	{ DEAD, "outcomes.close.segment", "\"none\"" },
	{ DEAD, "outcomes.close.rule", "\"close-nothing\"" },
	{ UNBOUND, "flow", "\"0.0.0.0:*\"" },
	{ UNBOUND, "local", "{\"address\":\"0.0.0.0\",\"port\":0}" },
	{ UNBOUND, "remote", "null" },
	{ UNBOUND, "error", "null" },
	{ ANCESTOR, "siblings", "2" },
	{ ANCESTOR, "linger.seconds", "0" },
	{ UNTOLD, "linger", "null" },
	{ UNTOLD, "fin_timeout", "{\"linger2_seconds\":null,\"lifetime_seconds\":null}" },
	{ UNTOLD, "references", "null" },
	{ UNTOLD, "settings_seconds", "null" },
	{ UNTOLD, "repair", "null" },
	{ UNTOLD, "user_timeout_seconds", "null" },
	{ UNTOLD, "out_of_order", "null" },
	{ UNTOLD, "soft_error", "null" },
	{ UNTOLD, "error", "null" },
	{ UNTOLD, "outcomes.close.certain", "false" },
	{ UNTOLD, "outcomes.close.unknown",
	  "[\"linger\",\"linger2\",\"repair\",\"user_timeout\"]" },
};

START_TEST(value_of_a_setting)
{
	json_t *list = fixture_get(&machine, "detail=full");
	_cleanup_free_ char *text =
		json_dumps(at(socket_of(list, values[_i].cookie), values[_i].path),
			   JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));

	ck_assert_msg(!strcmp(text, values[_i].value), "%llx %s: %s, expected %s",
		      (unsigned long long)values[_i].cookie, values[_i].path, text,
		      values[_i].value);
	json_decref(list);
}
END_TEST

static const struct field *outcome_row(const char *name)
{
	const struct field *field;

	for (field = outcome_fields; strcmp(field->name, name) != 0; field++)
		ck_assert_ptr_nonnull(field->name);
	return field;
}

/* One member of an outcome, "" where it is left out. */
static void outcome_member(const char *name, struct view *view, struct buffer *b)
{
	const struct field *field = outcome_row(name);
	struct value value;

	b->len = 0;
	if (field->get(view, field, &value))
		field->print(view, b);
	buffer_char(b, '\0');
}

START_TEST(what_holds_on)
{
	static const struct {
		bool known;
		uint8_t holding;
		const char *last, *held_by;
	} cases[] = {
		{ true, 0, "true", "[]" },
		{ false, 0, "null", "null" },
		{ true, TCPDIAG_HOLDING_PROCESS, "false", "[\"process\"]" },
		{ true, TCPDIAG_HOLDING_DUPLICATE | TCPDIAG_HOLDING_CALL, "false",
		  "[\"duplicate\",\"call\"]" },
		{ false, TCPDIAG_HOLDING_CALL, "false", "[\"call\"]" },
	};
	struct view view;
	struct buffer b = {};
	size_t i;

	view_init(&view, &machine.snapshot);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		view.operation = TCPDIAG_OP_CLOSE;
		view.outcome.holding_known = cases[i].known;
		view.outcome.holding = cases[i].holding;
		outcome_member("last", &view, &b);
		ck_assert_str_eq(b.data, cases[i].last);
		outcome_member("held_by", &view, &b);
		ck_assert_str_eq(b.data, cases[i].held_by);
		view.operation = TCPDIAG_OP_EXIT;
		outcome_member("last", &view, &b);
		ck_assert_str_eq(b.data, "");
	}
	buffer_done(&b);
}
END_TEST

/* The sentence says so, of close() alone. */
START_TEST(because_of_holders)
{
	static const struct {
		uint8_t holding, operation;
		const char *text;
	} cases[] = {
		{ TCPDIAG_HOLDING_PROCESS | TCPDIAG_HOLDING_CALL, TCPDIAG_OP_CLOSE,
		  "alone does nothing yet: another process " },
		{ TCPDIAG_HOLDING_DUPLICATE, TCPDIAG_OP_CLOSE, "another descriptor " },
		{ TCPDIAG_HOLDING_CALL, TCPDIAG_OP_CLOSE, "a call that sleeps" },
		{ 0, TCPDIAG_OP_CLOSE, NULL },
		{ TCPDIAG_HOLDING_PROCESS, TCPDIAG_OP_SHUTDOWN_WRITE, NULL },
	};
	const struct field *field = outcome_row("because");
	struct value value;
	struct view view;
	size_t i;
	int rule;

	view_init(&view, &machine.snapshot);
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		for (rule = 1; rule < TCPDIAG_RULE_FINDING_FIRST; rule++) {
			const char *because = tcpdiag_rule_info(rule)->because;

			view.outcome.result.rule = (uint8_t)rule;
			view.outcome.holding = cases[i].holding;
			view.operation = cases[i].operation;
			ck_assert(field->get(&view, field, &value));
			ck_assert_int_eq(strncmp(value.text, because, strlen(because)), 0);
			if (!cases[i].text)
				ck_assert_str_eq(value.text, because);
			else
				ck_assert_msg(strstr(value.text, cases[i].text), "%s", value.text);
			ck_assert_int_eq(value.text[strlen(value.text) - 1], '.');
		}
}
END_TEST

/* Only close() has them. */
START_TEST(whose_members_they_are)
{
	json_t *list = fixture_get(&machine, "detail=full"), *outcomes, *outcome;
	const char *name;

	outcomes = at(socket_of(list, OFF), "outcomes");
	json_object_foreach(outcomes, name, outcome)
	{
		ck_assert_int_eq(json_object_get(outcome, "last") != NULL, !strcmp(name, "close"));
		ck_assert_int_eq(json_object_get(outcome, "held_by") != NULL,
				 !strcmp(name, "close"));
	}
	json_decref(list);
	/* What is left out leaves no comma behind, whatever is asked for besides. */
	list = fixture_get(&machine, "fields=cookie,outcomes.exit.last,outcomes.exit.held_by");
	ck_assert_uint_eq(json_object_size(at(socket_of(list, OFF), "outcomes.exit")), 0);
	json_decref(list);
	list = fixture_get(
		&machine,
		"fields=cookie,outcomes.exit.last,outcomes.exit.otherwise,"
		"outcomes.close.held_by,outcomes.close.rule,outcomes.listener_close.last");
	ck_assert_uint_eq(json_object_size(at(socket_of(list, OFF), "outcomes.exit")), 1);
	ck_assert_uint_eq(json_object_size(at(socket_of(list, OFF), "outcomes.close")), 2);
	json_decref(list);
}
END_TEST

/* Every field, and every two of one object, by themselves: what is asked for is JSON, and there. */
static void ask_for_pairs(const struct field *fields, const char *parent)
{
	const struct field *a, *b;

	for (a = fields; a->name; a++) {
		char path[128];

		for (b = a; b->name; b++) {
			char query[256];

			snprintf(query, sizeof(query), "fields=%s%s,%s%s", parent, a->name, parent,
				 b->name);
			json_decref(fixture_get(&machine, query));
		}
		snprintf(path, sizeof(path), "%s%s.", parent, a->name);
		if (a->children)
			ask_for_pairs(a->children, path);
	}
}

START_TEST(every_selection)
{
	ask_for_pairs(socket_fields, "");
}
END_TEST

/* Each may be left out, so that none may stand before one that is not. */
START_TEST(omitted_ones_are_last)
{
	const struct field *field;
	bool omitted = false;

	for (field = outcome_fields; field->name; field++) {
		ck_assert_msg(!omitted || field->flags & FIELD_OMITTED, "%s", field->name);
		omitted = omitted || field->flags & FIELD_OMITTED;
	}
	ck_assert(omitted);
}
END_TEST

#define BIT(socket) (1U << ((socket)-OFF))

static const struct {
	const char *query;
	unsigned int expected;
} matches[] = {
	{ "linger=zero", BIT(ZERO) | BIT(CHILD) | BIT(ANCESTOR) },
	{ "linger=zero&state=established&attachment=held", BIT(ZERO) },
	{ "linger=positive", BIT(POSITIVE) },
	{ "linger=forever", BIT(ENDLESS) },
	{ "linger=positive,forever", BIT(POSITIVE) | BIT(ENDLESS) },
	{ "linger=off&state=established", BIT(OFF) | BIT(SHARED) },
	{ "linger=off,zero,positive,forever&local.port=80&state=established&attachment=held",
	  BIT(OFF) | BIT(ZERO) | BIT(POSITIVE) | BIT(ENDLESS) | BIT(SHARED) },
	{ "min_unread=12", BIT(DEAD) },
	{ "min_unread=13", 0 },
	{ "state=closed", BIT(DEAD) | BIT(UNBOUND) },
};

START_TEST(filter_by_linger)
{
	char query[256];
	json_t *list, *socket;
	unsigned int found = 0;
	size_t i;

	snprintf(query, sizeof(query), "fields=cookie&%s", matches[_i].query);
	list = fixture_get(&machine, query);
	json_array_foreach(at(list, "sockets"), i, socket)
		found |= BIT(strtoul(text_at(socket, "cookie"), NULL, 16));
	ck_assert_msg(found == matches[_i].expected, "%s: %x, expected %x", query, found,
		      matches[_i].expected);
	json_decref(list);
}
END_TEST

static const struct {
	uint64_t cookie;
	const char *text, *without;
} lines[] = {
	{ OFF, " close:(fin,close-fin)", "linger" },
	{ OFF, "", "refs:" },
	{ ZERO, " linger:(0) close:(rst,close-linger-zero)", "?" },
	{ POSITIVE, " linger:(5sec)", "inherited" },
	{ ENDLESS, " linger:(forever)", "?" },
	{ CHILD, " linger:(0,inherited)", "?" },
	{ CLOSING_NOW, " unheld:(close-in-progress)", "?" },
	{ PASSED, " refs:1", "unheld:(close" },
	{ PASSED, " unheld:(passed)", "?" },
	{ LOST, " unheld:(unknown)", "refs:" },
	{ DEAD, " error:ECONNRESET", "?" },
	{ UNBOUND, "0.0.0.0:*", "error" },
	{ SHARED, " refs:2", "linger" },
	{ UNTOLD, " linger:?", "refs:" },
};

START_TEST(line_of_text)
{
	_cleanup_free_ char *text = fixture_body(&machine, "format=text");
	char *line, *save, sk[32];

	snprintf(sk, sizeof(sk), " sk:%llx", (unsigned long long)lines[_i].cookie);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *found = strstr(line, sk);

		if (!found || (found[strlen(sk)] && found[strlen(sk)] != ' '))
			continue;
		ck_assert_msg(strstr(line, lines[_i].text), "%s", line);
		ck_assert_msg(!strstr(line, lines[_i].without), "%s", line);
		return;
	}
	ck_abort_msg("no line with%s", sk);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("sockets: settings");
	TCase *t = tcase_create("settings");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, value_of_a_setting, 0, ARRAY_SIZE(values));
	tcase_add_test(t, what_holds_on);
	tcase_add_test(t, because_of_holders);
	tcase_add_test(t, whose_members_they_are);
	tcase_add_test(t, omitted_ones_are_last);
	tcase_add_test(t, every_selection);
	tcase_add_loop_test(t, filter_by_linger, 0, ARRAY_SIZE(matches));
	tcase_add_loop_test(t, line_of_text, 0, ARRAY_SIZE(lines));
	suite_add_tcase(s, t);
	return s;
}
