/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What all fields have in common: words, values, paths, schemas.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "web/envelope.h"
#include "web/field.h"

static const char *state_word(int number)
{
	return tcpdiag_state_name(number);
}

static const char *attachment_word(int number)
{
	return tcpdiag_attachment_name(number);
}

static const char *direction_word(int number)
{
	return direction_name(number);
}

static const char *family_word(int number)
{
	return number ? "inet6" : "inet";
}

static const char *protocol_word(int number)
{
	return number ? "mptcp" : "tcp";
}

static const char *segment_word(int number)
{
	return tcpdiag_segment_name(number);
}

static const char *end_word(int number)
{
	return tcpdiag_end_name(number);
}

const struct vocabulary state_words = { TCPDIAG_ESTABLISHED, TCPDIAG_STATE_MAX, state_word };
const struct vocabulary attachment_words = { 0, TCPDIAG_ATTACHMENT_MAX, attachment_word };
const struct vocabulary direction_words = { 0, DIRECTION_MAX, direction_word };
const struct vocabulary family_words = { 0, 2, family_word };
const struct vocabulary protocol_words = { 0, 2, protocol_word };
const struct vocabulary segment_words = { 0, TCPDIAG_SEGMENT_MAX, segment_word };
const struct vocabulary end_words = { 0, TCPDIAG_END_MAX, end_word };

int vocabulary_find(const struct vocabulary *words, const char *text, size_t len)
{
	int i;

	for (i = words->first; i < words->end; i++) {
		const char *word = words->name(i);

		if (word && !strncmp(word, text, len) && !word[len])
			return i;
	}
	return -1;
}

void vocabulary_print(const struct vocabulary *words, struct buffer *b, const char *quote)
{
	bool more = false;
	int i;

	for (i = words->first; i < words->end; i++) {
		const char *word = words->name(i);

		if (!word)
			continue;
		if (more)
			buffer_text(b, *quote ? "," : ", ");
		buffer_text(b, quote);
		buffer_text(b, word);
		buffer_text(b, quote);
		more = true;
	}
}

void view_init(struct view *view, const struct snapshot *snapshot)
{
	memset(view, 0, sizeof(*view));
	view->snapshot = snapshot;
}

const struct tcpdiag_environment *view_environment(struct view *view)
{
	uint32_t netns = view->record->sk.netns;

	if (!view->environment || view->environment_netns != netns) {
		view->environment = snapshot_environment(view->snapshot, view->record);
		view->environment_netns = netns;
	}
	return view->environment;
}

static void word_print(const char *text, struct buffer *b)
{
	size_t len = strlen(text);

	if (!buffer_reserve(b, len + 2))
		return;
	b->data[b->len] = '"';
	memcpy(b->data + b->len + 1, text, len);
	b->data[b->len + 1 + len] = '"';
	b->len += len + 2;
}

void field_value_print(const struct field *field, const struct value *value, struct buffer *b)
{
	switch ((enum field_type)field->type) {
	case FIELD_INTEGER:
		buffer_s64(b, value->number);
		break;
	case FIELD_SECONDS:
		if (value->number == TCPDIAG_FOREVER)
			buffer_literal(b, "\"forever\"");
		else
			buffer_ms(b, value->number);
		break;
	case FIELD_BOOL:
		buffer_text(b, value->number ? "true" : "false");
		break;
	case FIELD_WORD:
		word_print(value->text, b);
		break;
	case FIELD_TEXT:
		buffer_json(b, value->text);
		break;
	case FIELD_TIME:
		buffer_time(b, value->number);
		break;
	case FIELD_ADDRESS:
		buffer_char(b, '"');
		buffer_address(b, value->address, (int)value->number);
		buffer_char(b, '"');
		break;
	case FIELD_HEX:
		buffer_char(b, '"');
		buffer_hex(b, (uint64_t)value->number);
		buffer_char(b, '"');
		break;
	case FIELD_OBJECT:
	case FIELD_ARRAY:
	case FIELD_OTHER:
		break;
	}
}

static int compare_unsigned(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

int field_value_compare(const struct field *field, const struct value *a, const struct value *b)
{
	switch ((enum field_type)field->type) {
	case FIELD_WORD:
	case FIELD_TEXT:
		return strcmp(a->text, b->text);
	case FIELD_ADDRESS:
		return memcmp(a->address, b->address, 16);
	case FIELD_HEX:
		return compare_unsigned((uint64_t)a->number, (uint64_t)b->number);
	default:
		return (a->number > b->number) - (a->number < b->number);
	}
}

/* The row whose name is the first component of @path. */
static const struct field *field_find(const struct field *fields, const char *path, size_t len)
{
	for (; fields->name; fields++)
		if (!strncmp(fields->name, path, len) && !fields->name[len])
			return fields;
	return NULL;
}

int field_path_find(const char *path, size_t len, struct field_path *ret)
{
	const struct field *fields = socket_fields;
	struct field_path found = {};

	while (fields && found.depth < FIELD_DEPTH) {
		const char *dot = memchr(path, '.', len);
		size_t name_len = dot ? (size_t)(dot - path) : len;
		const struct field *field = field_find(fields, path, name_len);

		if (!field)
			return -ENOENT;
		found.steps[found.depth++] = field;
		if (!dot) {
			if (field->type >= FIELD_OBJECT)
				return -ENOENT;
			*ret = found;
			return 0;
		}
		fields = field->type == FIELD_OBJECT ? field->children : NULL;
		path += name_len + 1;
		len -= name_len + 1;
	}
	return -ENOENT;
}

bool field_path_get(const struct field_path *path, struct view *view, struct value *ret)
{
	const struct record *record = view->record;
	bool found = true;
	size_t i;

	for (i = 0; i < path->depth && found; i++)
		found = path->steps[i]->get(view, path->steps[i], ret);
	view_set(view, record);
	return found;
}

static const char *schema_type(const struct field *field)
{
	switch ((enum field_type)field->type) {
	case FIELD_INTEGER:
		return "integer";
	case FIELD_SECONDS:
		return "number";
	case FIELD_BOOL:
		return "boolean";
	case FIELD_OBJECT:
		return "object";
	case FIELD_ARRAY:
		return "array";
	default:
		return "string";
	}
}

static void schema_print(const struct field *field, struct buffer *b)
{
	bool nullable = field->flags & FIELD_NULLABLE;

	if (field->type == FIELD_SECONDS)
		buffer_printf(b, "{\"anyOf\":[{\"type\":[\"number\"%s]},{\"const\":\"forever\"}]",
			      nullable ? ",\"null\"" : "");
	else if (field->type == FIELD_OTHER)
		buffer_printf(b, "{%s", field->schema);
	else if (field->children == outcome_fields)
		buffer_literal(b, "{\"anyOf\":[{\"$ref\":\"#/components/schemas/Outcome\"},"
				  "{\"type\":\"null\"}]");
	else if (nullable)
		buffer_printf(b, "{\"type\":[\"%s\",\"null\"]", schema_type(field));
	else
		buffer_printf(b, "{\"type\":\"%s\"", schema_type(field));
	if (field->words) {
		buffer_literal(b, ",\"enum\":[");
		vocabulary_print(field->words, b, "\"");
		buffer_text(b, nullable ? ",null]" : "]");
	}
	if (field->type == FIELD_TIME)
		buffer_literal(b, ",\"format\":\"date-time\"");
	if (field->children && field->children != outcome_fields) {
		if (field->type == FIELD_ARRAY)
			buffer_literal(b, ",\"items\":{\"type\":\"object\"");
		buffer_literal(b, ",\"properties\":{");
		field_schema_print(field->children, b);
		buffer_text(b, field->type == FIELD_ARRAY ? "}}" : "}");
	}
	buffer_literal(b, ",\"description\":");
	buffer_json(b, field->text);
	buffer_char(b, '}');
}

void field_schema_print(const struct field *fields, struct buffer *b)
{
	const struct field *field;

	for (field = fields; field->name; field++) {
		if (field != fields)
			buffer_char(b, ',');
		buffer_json(b, field->name);
		buffer_char(b, ':');
		schema_print(field, b);
	}
}
