/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The query string, as HTML forms and URLSearchParams write it: name=value pairs with '&' between them,
 * percent-encoded, '+' for a blank (RFC 3986, 2.1; WHATWG URL, 5.1). Strict: what cannot be decoded is
 * refused with the parameter's name, never guessed.
 */
#include <errno.h>
#include <string.h>

#include "web/route.h"

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

const char *query_decode(char *text, bool plus)
{
	const char *from = text;
	char *to = text;

	while (*from) {
		int high, low;

		if (*from != '%') {
			*to++ = plus && *from == '+' ? ' ' : *from;
			from++;
			continue;
		}
		high = hex_value(from[1]);
		low = high < 0 ? -1 : hex_value(from[2]);
		if (low < 0)
			return "has a '%' that is not followed by two hexadecimal digits";
		if (!high && !low)
			return "has a NUL in it";
		*to++ = (char)(high << 4 | low);
		from += 3;
	}
	*to = '\0';
	return buffer_is_utf8(text) ? NULL : "is not UTF-8";
}

static int add_parameter(char *pair, struct query *query, struct problem *problem)
{
	char *value = strchr(pair, '=');
	const char *wrong;

	if (value)
		*value++ = '\0';
	else
		value = pair + strlen(pair);
	wrong = query_decode(pair, true);
	if (wrong)
		return problem_set(problem, 400, NULL, "a parameter's name %s", wrong);
	if (!*pair)
		return problem_set(problem, 400, NULL, "a parameter without a name: =%s", value);
	wrong = query_decode(value, true);
	if (wrong)
		return problem_set(problem, 400, pair, "the value of %s %s", pair, wrong);
	if (query->count == QUERY_MAX)
		return problem_set(problem, 400, pair, "more than %d parameters", QUERY_MAX);
	query->parameters[query->count++] = (struct parameter){ .name = pair, .value = value };
	return 0;
}

int query_parse(char *text, struct query *ret, struct problem *problem)
{
	int r;

	ret->count = 0;
	while (*text) {
		char *end = strchrnul(text, '&');
		char *next = *end ? end + 1 : end;

		*end = '\0';
		if (end != text) {
			r = add_parameter(text, ret, problem);
			if (r < 0)
				return r;
		}
		text = next;
	}
	return 0;
}

/* The names of a table, with commas; cut where the room ends. */
static void list_names(const struct route_parameter *allowed, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (allowed = parameter_row(allowed); allowed; allowed = parameter_row(allowed + 1)) {
		int added = snprintf(text + len, size - len, "%s%s", len ? ", " : "",
				     allowed->name);

		if (added < 0 || (size_t)added >= size - len) {
			text[len] = '\0';
			return;
		}
		len += (size_t)added;
	}
}

static int unknown_parameter(const char *name, const struct route_parameter *allowed,
			     struct problem *problem)
{
	char names[sizeof(problem->detail)];

	list_names(allowed, names, sizeof(names));
	if (!names[0])
		return problem_set(problem, 400, name, "this route takes no parameters");
	return problem_set(problem, 400, name, "not a parameter of this route, which takes %s",
			   names);
}

int query_check(const struct query *query, const struct route_parameter *allowed,
		struct problem *problem)
{
	size_t i, k;

	for (i = 0; i < query->count; i++) {
		const char *name = query->parameters[i].name;
		const struct route_parameter *row = parameter_row(allowed);

		while (row && strcmp(row->name, name) != 0)
			row = parameter_row(row + 1);
		if (!row)
			return unknown_parameter(name, allowed, problem);
		for (k = 0; !row->repeatable && k < i; k++)
			if (!strcmp(query->parameters[k].name, name))
				return problem_set(problem, 400, name,
						   "stands more than once; give it one value");
	}
	return 0;
}
