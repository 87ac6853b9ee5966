/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows are printed in full and then thinned out: they are few and small. What is read here was printed by
 * this process a moment ago, so it is known to be JSON without blanks; its bounds are checked all the same.
 */
#include <stdbool.h>
#include <string.h>

#include "web/openapi.h"
#include "web/select.h"

#define PATH_LENGTH_MAX 128

struct reader {
	const char *at, *end;
	const char *fields;
	char path[PATH_LENGTH_MAX]; /* of the value that comes next */
	size_t len;
};

enum wanted { WANTED_NOT, WANTED_INSIDE, WANTED_WHOLE };

/* Whether the path, or something below it, is in the list. */
static enum wanted wanted(const struct reader *r)
{
	const char *field = r->fields;
	enum wanted best = WANTED_NOT;

	while (*field) {
		size_t len = strcspn(field, ",");

		if (len == r->len && !memcmp(field, r->path, len))
			return WANTED_WHOLE;
		if (len > r->len && field[r->len] == '.' && !memcmp(field, r->path, r->len))
			best = WANTED_INSIDE;
		field += len + (field[len] == ',');
	}
	return best;
}

static void skip_string(struct reader *r)
{
	for (r->at++; r->at < r->end && *r->at != '"'; r->at++)
		r->at += *r->at == '\\';
	r->at++;
}

static void skip_value(struct reader *r)
{
	size_t depth = 0;

	while (r->at < r->end) {
		char c = *r->at;

		if (!depth && (c == ',' || c == '}' || c == ']'))
			return;
		if (c == '"') {
			skip_string(r);
			continue;
		}
		depth += c == '{' || c == '[';
		depth -= c == '}' || c == ']';
		r->at++;
	}
}

static void value(struct reader *r, struct buffer *b);

static void object(struct reader *r, struct buffer *b)
{
	size_t len = r->len;
	bool more = false;

	buffer_char(b, '{');
	r->at++;
	while (r->at < r->end && *r->at == '"') {
		const char *name = r->at;
		size_t name_len;

		skip_string(r);
		name_len = (size_t)(r->at - name);
		r->at++; /* the colon */
		if (r->at >= r->end)
			break;
		/* None of the members that are checked for is that long. */
		if (len + name_len < sizeof(r->path)) {
			if (len)
				r->path[r->len++] = '.';
			memcpy(r->path + r->len, name + 1, name_len - 2);
			r->len += name_len - 2;
		}
		if (len + name_len >= sizeof(r->path) || wanted(r) == WANTED_NOT) {
			skip_value(r);
		} else {
			if (more)
				buffer_char(b, ',');
			more = true;
			buffer_add(b, name, name_len + 1);
			value(r, b);
		}
		r->len = len;
		r->at += r->at < r->end && *r->at == ',';
	}
	r->at++;
	buffer_char(b, '}');
}

static void array(struct reader *r, struct buffer *b)
{
	buffer_char(b, '[');
	r->at++;
	while (r->at < r->end && *r->at != ']') {
		const char *from = r->at;

		value(r, b);
		if (r->at == from)
			break;
		if (r->at < r->end && *r->at == ',') {
			buffer_char(b, ',');
			r->at++;
		}
	}
	r->at++;
	buffer_char(b, ']');
}

/* What is a part of something wanted, or has a part that is. No deeper than the rows are. */
static void value(struct reader *r, struct buffer *b)
{
	const char *from = r->at;

	if (r->at < r->end && r->len && wanted(r) == WANTED_INSIDE && *r->at == '{') {
		object(r, b);
	} else if (r->at < r->end && wanted(r) == WANTED_INSIDE && *r->at == '[') {
		array(r, b);
	} else {
		skip_value(r);
		if (r->at > r->end)
			r->at = r->end;
		buffer_add(b, from, (size_t)(r->at - from));
	}
}

void select_print(struct buffer *b, const char *row, size_t len, const char *fields)
{
	struct reader r = { .at = row, .end = row + len, .fields = fields };

	if (len && *row == '{')
		object(&r, b);
}

int select_check(const char *fields, const char *schema, struct problem *problem)
{
	const char *field = fields;

	do {
		size_t len = strcspn(field, ",");

		if (!openapi_has_member(schema, field, len))
			return problem_set(problem, 400, "fields",
					   "a row has no member '%.*s'; see %s in /openapi.json",
					   (int)(len < 64 ? len : 64), field, schema);
		field += len;
	} while (*field++ == ',');
	return 0;
}
