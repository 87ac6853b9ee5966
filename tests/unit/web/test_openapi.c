/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /openapi.json names every route, parameter, field and rule there is; what the handlers answer is what it
 * says, by a small validator of JSON Schema; docs/openapi.yaml says the same.
 *
 * TCPDIAGD_WRITE_DOCS=1 (`make openapi`) writes docs/openapi.yaml anew before comparing it.
 */
#include "journal_fixture.h"
#include "web/field.h"
#include "web/metrics.h"

#define YAML "docs/openapi.yaml"

static struct fixture f;
static struct journal_fixture jf;
static json_t *api;

static void setup(void)
{
	fixture_default(&f);
	journal_default(&jf, &f);
	api = fixture_get_json(&f, openapi_route, "");
}

static void teardown(void)
{
	json_decref(api);
	journal_end(&jf);
	fixture_done(&f);
}

/* ---- JSON Schema, as far as it is used ---- */

struct place {
	char path[256]; /* in the document, for messages */
	bool strict; /* members that the schema does not name are wrong */
};

/* What does not fit, the first of it; empty when all does. */
static char complaint[512];

#define expect(condition, ...) \
	do { \
		if (!(condition) && !*complaint) \
			snprintf(complaint, sizeof(complaint), __VA_ARGS__); \
	} while (0)

static void validate(const json_t *value, json_t *schema, struct place place);

static struct place inside(const struct place *place, const char *name)
{
	struct place ret = { .strict = true };

	snprintf(ret.path, sizeof(ret.path), "%.180s.%.60s", place->path, name);
	return ret;
}

static json_t *resolve(json_t *schema)
{
	const char *ref = json_string_value(json_object_get(schema, "$ref"));
	static const char prefix[] = "#/components/schemas/";
	json_t *schemas = fixture_at(api, "components.schemas"), *found;

	if (!ref)
		return schema;
	ck_assert_int_eq(strncmp(ref, prefix, sizeof(prefix) - 1), 0);
	found = json_object_get(schemas, ref + sizeof(prefix) - 1);
	ck_assert_msg(found, "%s does not exist", ref);
	return found;
}

static bool is_type(const json_t *value, const char *type)
{
	static const struct {
		const char *name;
		json_type type;
	} types[] = { { "object", JSON_OBJECT },
		      { "array", JSON_ARRAY },
		      { "string", JSON_STRING },
		      { "number", JSON_REAL },
		      { "null", JSON_NULL } };
	size_t i;

	if (!strcmp(type, "boolean"))
		return json_is_boolean(value);
	if (json_is_integer(value))
		return !strcmp(type, "integer") || !strcmp(type, "number");
	for (i = 0; i < ARRAY_SIZE(types); i++)
		if (!strcmp(type, types[i].name))
			return json_typeof(value) == types[i].type;
	return false;
}

static void validate_type(const json_t *value, json_t *type, const struct place *place)
{
	bool fits = json_is_string(type) && is_type(value, json_string_value(type));
	json_t *one;
	size_t i;

	json_array_foreach(type, i, one) fits = fits || is_type(value, json_string_value(one));
	expect(!type || fits, "%s has the wrong type", place->path);
}

static void validate_object(json_t *value, json_t *schema, const struct place *place)
{
	json_t *properties = json_object_get(schema, "properties"), *required, *member;
	json_t *additional = json_object_get(schema, "additionalProperties");
	const char *name;
	size_t i;

	json_array_foreach(json_object_get(schema, "required"), i, required)
		expect(json_object_get(value, json_string_value(required)), "%s.%s is missing",
		       place->path, json_string_value(required));
	json_object_foreach(value, name, member)
	{
		json_t *expected = json_object_get(properties, name) ?: additional;

		expect(expected || !properties || !place->strict, "%s.%s is not described",
		       place->path, name);
		if (expected)
			validate(member, expected, inside(place, name));
	}
}

/* One of a set is enough; the first of it says what is wrong. */
static void validate_any(const json_t *value, json_t *any, const struct place *place)
{
	char first[sizeof(complaint)];
	json_t *one;
	size_t i;

	if (*complaint)
		return;
	json_array_foreach(any, i, one)
	{
		*complaint = '\0';
		validate(value, one, *place);
		if (!*complaint)
			return;
		if (!i)
			memcpy(first, complaint, sizeof(first));
	}
	memcpy(complaint, first, sizeof(first));
}

static void validate(const json_t *value, json_t *schema, struct place place)
{
	json_t *words, *one, *constant;
	bool found = false;
	size_t i;

	schema = resolve(schema);
	if (json_object_get(schema, "anyOf")) {
		validate_any(value, json_object_get(schema, "anyOf"), &place);
		return;
	}
	json_array_foreach(json_object_get(schema, "allOf"), i, one)
		validate(value, one, (struct place){ "all of it", false });
	validate_type(value, json_object_get(schema, "type"), &place);
	words = json_object_get(schema, "enum");
	json_array_foreach(words, i, one)
		found = found || json_equal(one, (json_t *)(uintptr_t)value);
	expect(!words || found, "%s: %s is no word of its set", place.path,
	       json_string_value(value));
	constant = json_object_get(schema, "const");
	expect(!constant || json_equal(constant, (json_t *)(uintptr_t)value),
	       "%s is another constant", place.path);
	if (json_is_object(value))
		validate_object((json_t *)(uintptr_t)value, schema, &place);
	json_array_foreach((json_t *)(uintptr_t)value, i, one) if (json_object_get(schema, "items"))
		validate(one, json_object_get(schema, "items"), inside(&place, "[]"));
}

static void validate_answer(const char *path, const char *query, const char *argument)
{
	const char *ignored;
	const struct route *route = route_find(path, &ignored);
	struct request request = { .path = path, .argument = argument };
	struct place place = { .strict = true };
	struct problem problem = { 0 };
	json_t *json, *schema;
	char *text;

	ck_assert_ptr_nonnull(route);
	ck_assert_ptr_nonnull(route->schema);
	text = fixture_get(&f, route->handler, query, &request, &problem);
	ck_assert_msg(text, "%s?%s: %s", path, query, problem.detail);
	json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(json, "%s", text);
	schema = json_object_get(fixture_at(api, "components.schemas"), route->schema);
	ck_assert_msg(schema, "%s is no schema", route->schema);
	snprintf(place.path, sizeof(place.path), "%s", path);
	*complaint = '\0';
	validate(json, schema, place);
	ck_assert_str_eq(complaint, "");
	json_decref(json);
	free(text);
}

/* Each kind of value that a reader of settings may bring. */
static void know_all_settings(void)
{
	static const int64_t times[] = { 0, 2500, TCPDIAG_LINGER_FOREVER };
	struct record *records;
	uint32_t i, count;

	records = snapshot_writer_records(&f.w, &count);
	for (i = 0; i < count; i++) {
		struct tcpdiag_socket *sk = &records[i].sk;

		sk->known |= TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_LINGER2 | TCPDIAG_KNOWS_REPAIR |
			     TCPDIAG_KNOWS_REFERENCES | TCPDIAG_KNOWS_OFO |
			     TCPDIAG_KNOWS_USER_TIMEOUT | TCPDIAG_KNOWS_ERROR |
			     TCPDIAG_KNOWS_SIBLINGS | TCPDIAG_KNOWS_DESCRIPTORS;
		sk->linger = true;
		sk->sk_lingertime_ms = times[i % ARRAY_SIZE(times)];
		sk->linger2_ms = -1;
		sk->references = i;
		sk->sk_err = ECONNRESET;
		if (i == R_DONE)
			sk->attachment = TCPDIAG_UNHELD;
		records[i].settings_ns = FIXTURE_NOW;
		records[i].peer = (i + 1) % count;
	}
}

START_TEST(answers_are_as_described)
{
	static const struct {
		const char *path, *query, *argument;
	} cases[] = {
		{ "/findings", "", NULL },
		{ "/listeners", "", NULL },
		{ "/events", "", NULL },
		{ "/events", "kind=closed&after=3", NULL },
		{ "/events", "after=1000", NULL },
		{ "/events", "group=unit,reason", NULL },
		{ "/resets", "since=-1h", NULL },
		{ "/resets", "since=-1h&group=minute,state", NULL },
		{ "/summary", "", NULL },
		{ "/status", "", NULL },
		{ "/rules", "", NULL },
		{ "/rules/close-fin", "", "close-fin" },
		{ "/openapi.json", "", NULL },
		{ "/sockets", "", NULL },
		{ "/sockets", "detail=full", NULL },
		{ "/sockets", "group=unit", NULL },
		{ "/sockets/4026531840-1002", "", "4026531840-1002" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		validate_answer(cases[i].path, cases[i].query, cases[i].argument);
	know_all_settings();
	validate_answer("/listeners", "", NULL);
	validate_answer("/sockets", "detail=full", NULL);
	/* The same with nothing known. */
	for (i = 0; i < SOURCE_MAX; i++)
		fixture_source(&f, i)->state = SOURCE_FAILED;
	f.w.header->environment.known = 0;
	f.w.header->orphans = (struct orphans){ 0 };
	validate_answer("/summary", "", NULL);
	validate_answer("/status", "", NULL);
	f.w.header = NULL; /* no snapshot yet */
	validate_answer("/status", "", NULL);
}
END_TEST

/* The validator finds what it is for. */
START_TEST(wrong_answers)
{
	static const struct {
		const char *schema, *json, *complaint;
	} wrong[] = {
		{ "Endpoint", "{\"address\":\"::\",\"port\":80}", "" },
		{ "Endpoint", "{\"address\":\"::\"}", "x.port is missing" },
		{ "Endpoint", "{\"address\":\"::\",\"port\":\"80\"}", "x.port has the wrong type" },
		{ "Endpoint", "{\"address\":\"::\",\"port\":null}", "x.port has the wrong type" },
		{ "Endpoint", "{\"address\":\"::\",\"port\":1,\"more\":1}",
		  "x.more is not described" },
		{ "Endpoint", "[]", "x has the wrong type" },
		{ "Severity", "\"bad\"", "x: bad is no word of its set" },
		{ "CountByState", "{\"close-wait\":1.5}", "x.close-wait has the wrong type" },
		{ "Orphans", "{\"creators\":[{\"unit\":1}]}", "x.count is missing" },
		{ "OpenApi", "{\"openapi\":\"3.0\",\"info\":{},\"paths\":{},\"components\":{}}",
		  "x.openapi is another constant" },
	};
	json_t *json;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		json = json_loads(wrong[i].json, JSON_DECODE_ANY, NULL);
		*complaint = '\0';
		validate(json,
			 json_object_get(fixture_at(api, "components.schemas"), wrong[i].schema),
			 (struct place){ .path = "x", .strict = true });
		ck_assert_str_eq(complaint, wrong[i].complaint);
		json_decref(json);
	}
}
END_TEST

/* ---- completeness ---- */

START_TEST(every_route_and_parameter)
{
	const struct route *table;
	size_t count, i, k;

	ck_json_text(api, "openapi", "3.1.0");
	table = route_table(&count);
	ck_assert_uint_eq(json_object_size(fixture_at(api, "paths")), count);
	for (i = 0; i < count; i++) {
		json_t *get = fixture_at(json_object_get(fixture_at(api, "paths"), table[i].path),
					 "get");
		const struct route_parameter *p = parameter_row(table[i].parameters);
		json_t *parameters = fixture_at(get, "parameters"), *one;
		size_t documented = 0;

		ck_assert_msg(get, "%s is missing", table[i].path);
		ck_json_text(get, "summary", table[i].summary);
		ck_assert_uint_gt(json_object_size(fixture_at(get, "responses.200.content")), 0);
		for (; p; p = parameter_row(p + 1), documented++) {
			bool found = false;

			json_array_foreach(parameters, k, one)
				found = found || !strcmp(json_string_value(fixture_at(one, "name")),
							 p->name);
			ck_assert_msg(found, "%s: %s is missing", table[i].path, p->name);
		}
		documented += strchr(table[i].path, '{') != NULL;
		ck_assert_uint_eq(json_array_size(parameters), documented);
	}
}
END_TEST

START_TEST(every_socket_field)
{
	json_t *properties = fixture_at(api, "components.schemas.Socket.properties");
	const struct field *field;

	for (field = socket_fields; field->name; field++)
		ck_assert_msg(json_object_get(properties, field->name), "%s is missing",
			      field->name);
	ck_assert_uint_eq(json_object_size(properties), (size_t)(field - socket_fields));
}
END_TEST

START_TEST(every_rule)
{
	json_t *all = fixture_at(api, "components.schemas.RuleId.enum"), *word;
	json_t *findings = fixture_at(api, "components.schemas.FindingRule.enum");
	size_t i;

	ck_assert_uint_eq(json_array_size(all), TCPDIAG_RULE_MAX - 1);
	json_array_foreach(all, i, word)
		ck_assert_str_eq(json_string_value(word), tcpdiag_rule_id(i + 1));
	ck_assert_uint_eq(json_array_size(findings), TCPDIAG_RULE_MAX - TCPDIAG_RULE_FINDING_FIRST);
}
END_TEST

/* No $ref leads nowhere, and operations have different names. */
static void check_references(json_t *json, json_t *seen)
{
	const char *name;
	json_t *value;
	size_t i;

	if (json_is_object(json)) {
		const char *id = json_string_value(json_object_get(json, "operationId"));

		resolve(json);
		if (id) {
			ck_assert_msg(!json_object_get(seen, id), "%s stands twice", id);
			json_object_set_new(seen, id, json_true());
		}
	}
	json_object_foreach(json, name, value) check_references(value, seen);
	json_array_foreach(json, i, value) check_references(value, seen);
}

START_TEST(references)
{
	json_t *seen = json_object();

	check_references(api, seen);
	json_decref(seen);
}
END_TEST

/* ---- docs/openapi.yaml ---- */

static bool plain_key(const char *key)
{
	return *key && !key[strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")] &&
	       strcmp(key, "null") && strcmp(key, "true") && strcmp(key, "false");
}

static void yaml(struct buffer *b, json_t *json, int indent)
{
	const char *name;
	json_t *value;
	char *text;
	size_t i;

	if ((json_is_object(json) && json_object_size(json)) ||
	    (json_is_array(json) && json_array_size(json))) {
		json_object_foreach(json, name, value)
		{
			buffer_printf(b, "\n%*s", indent, "");
			if (plain_key(name))
				buffer_text(b, name);
			else
				buffer_json(b, name);
			buffer_char(b, ':');
			yaml(b, value, indent + 2);
		}
		json_array_foreach(json, i, value)
		{
			buffer_printf(b, "\n%*s-", indent, "");
			yaml(b, value, indent + 2);
		}
		return;
	}
	/* A scalar or something empty: JSON is YAML. */
	text = json_dumps(json, JSON_ENCODE_ANY);
	buffer_char(b, ' ');
	buffer_text(b, text);
	free(text);
}

static char *read_file(const char *path)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	ck_assert_msg(file, "%s: %s", path, strerror(errno));
	ck_assert_int_gt(getdelim(&text, &size, '\0', file), 0);
	return text;
}

START_TEST(document_in_the_tree)
{
	struct buffer b = { 0 };
	char *have;

	buffer_literal(&b,
		       "# SPDX-License-Identifier: LGPL-2.1-or-later\n"
		       "# Made from the program's tables, which also make /openapi.json. After a "
		       "change of them: make openapi");
	yaml(&b, api, 0);
	buffer_literal(&b, "\n");
	buffer_char(&b, '\0');
	ck_assert_int_eq(b.error, 0);
	if (getenv("TCPDIAGD_WRITE_DOCS")) {
		FILE *file = fopen(YAML, "we");

		ck_assert_ptr_nonnull(file);
		ck_assert_int_ge(fputs(b.data, file), 0);
		ck_assert_int_eq(fclose(file), 0);
	}
	have = read_file(YAML);
	ck_assert_msg(!strcmp(have, b.data), YAML
		      " does not say what /openapi.json says: run `make openapi` and commit it");
	free(have);
	buffer_done(&b);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("openapi");
	TCase *t = tcase_create("openapi");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, answers_are_as_described);
	tcase_add_test(t, wrong_answers);
	tcase_add_test(t, every_route_and_parameter);
	tcase_add_test(t, every_socket_field);
	tcase_add_test(t, every_rule);
	tcase_add_test(t, references);
	tcase_add_test(t, document_in_the_tree);
	suite_add_tcase(s, t);
	return s;
}
