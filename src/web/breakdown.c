/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The values of a row, one a line, are its word in the lexicon.
 */
#include <errno.h>
#include <string.h>

#include "web/breakdown.h"
#include "web/pieces.h"

static int unknown_key(const struct breakdown_key *table, const char *text, size_t len,
		       struct problem *problem)
{
	struct buffer names = {};
	int r;

	for (; table->name; table++)
		buffer_printf(&names, "%s%s", names.len ? ", " : "", table->name);
	r = problem_set(problem, 400, "group",
			"nothing can be counted by '%.*s' here; it is one or two of %.*s",
			(int)MIN(len, (size_t)48), text, (int)names.len,
			names.data ? names.data : "");
	buffer_done(&names);
	return r;
}

static int add_key(struct breakdown *breakdown, const struct breakdown_key *table, const char *text,
		   size_t len, struct problem *problem)
{
	const struct breakdown_key *key = table;

	while (key->name && (strlen(key->name) != len || memcmp(key->name, text, len) != 0))
		key++;
	if (!key->name)
		return unknown_key(table, text, len, problem);
	if (breakdown->count && breakdown->keys[0] == key)
		return problem_set(problem, 400, "group", "group names %s twice", key->name);
	if (breakdown->count == BREAKDOWN_KEYS_MAX)
		return problem_set(problem, 400, "group", "at most %d words can be counted by",
				   BREAKDOWN_KEYS_MAX);
	breakdown->keys[breakdown->count++] = key;
	return 0;
}

void breakdown_text(struct buffer *b, const char *text)
{
	if (text && *text)
		buffer_json(b, text);
	else
		buffer_literal(b, "null");
}

void breakdown_number(struct buffer *b, uint64_t number)
{
	if (number)
		buffer_u64(b, number);
	else
		buffer_literal(b, "null");
}

int breakdown_init(struct breakdown *breakdown, const struct breakdown_key *table, const char *text,
		   struct problem *problem)
{
	*breakdown = (struct breakdown){ .rows.max = BREAKDOWN_ROWS_MAX };
	for (;;) {
		size_t len = strcspn(text, ",");
		int r = add_key(breakdown, table, text, len, problem);

		if (r < 0 || !text[len])
			return r;
		text += len + 1;
	}
}

void breakdown_done(struct breakdown *breakdown)
{
	lexicon_done(&breakdown->rows);
	buffer_done(&breakdown->text);
}

int breakdown_row(struct breakdown *breakdown, const void *context, const void *item, uint32_t *ret)
{
	struct buffer *b = &breakdown->text;
	size_t i;

	b->len = 0;
	for (i = 0; i < breakdown->count; i++) {
		if (i)
			buffer_char(b, '\n');
		breakdown->keys[i]->value(b, context, item);
	}
	if (b->error)
		return b->error;
	return lexicon_add(&breakdown->rows, b->data, b->len, ret);
}

/* The value of the i-th key. */
static const char *value_at(const struct breakdown *breakdown, uint32_t row, size_t i,
			    size_t *ret_len)
{
	const char *text, *end;
	size_t len;

	text = lexicon_text(&breakdown->rows, row, &len);
	for (; i; i--) {
		end = memchr(text, '\n', len);
		if (!end)
			break;
		len -= (size_t)(end + 1 - text);
		text = end + 1;
	}
	end = memchr(text, '\n', len);
	*ret_len = end ? (size_t)(end - text) : len;
	return text;
}

void breakdown_print(struct buffer *b, const struct breakdown *breakdown, uint32_t row)
{
	size_t i, len;

	buffer_literal(b, "\"key\":{");
	for (i = 0; i < breakdown->count; i++) {
		const char *value = value_at(breakdown, row, i, &len);

		if (i)
			buffer_char(b, ',');
		buffer_json(b, breakdown->keys[i]->name);
		buffer_char(b, ':');
		buffer_add(b, value, len);
	}
	buffer_char(b, '}');
}

void breakdown_print_text(struct buffer *b, const struct breakdown *breakdown, uint32_t row)
{
	size_t i, len;

	for (i = 0; i < breakdown->count; i++) {
		const char *value = value_at(breakdown, row, i, &len);

		buffer_literal(b, "  ");
		if (len == 4 && !memcmp(value, "null", 4))
			buffer_char(b, '-');
		else if (len >= 2 && *value == '"' && !memchr(value, '\\', len))
			(void)plain_text(b, value + 1, len - 2, SIZE_MAX);
		else
			(void)plain_text(b, value, len, SIZE_MAX);
	}
}

void breakdown_print_names(struct buffer *b, const struct breakdown *breakdown)
{
	size_t i;

	for (i = 0; i < breakdown->count; i++) {
		buffer_literal(b, "  ");
		buffer_text(b, breakdown->keys[i]->name);
	}
}
