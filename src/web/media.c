/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Accept is a list: elements with commas between them, parameters after ';'. A weight that cannot be read is 0.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/macro.h"
#include "web/media.h"

static const char *skip_blanks(const char *text, const char *end)
{
	while (text < end && (*text == ' ' || *text == '\t'))
		text++;
	return text;
}

static size_t trimmed(const char *text, const char *end)
{
	while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return (size_t)(end - text);
}

static void media_parameter(const char *text, const char *end, struct media_range *range)
{
	const char *equals;

	text = skip_blanks(text, end);
	equals = memchr(text, '=', (size_t)(end - text));
	if (!equals)
		return;
	if (equals - text == 1 && (*text == 'q' || *text == 'Q')) {
		char number_text[8] = "";

		memcpy(number_text, equals + 1,
		       MIN(trimmed(equals + 1, end), sizeof(number_text) - 1));
		range->q = strtod(number_text, NULL);
		if (!(range->q >= 0 && range->q <= 1))
			range->q = 0;
	} else if (equals - text == 7 && !strncasecmp(text, "version", 7)) {
		range->version = equals + 1;
		range->version_len = trimmed(equals + 1, end);
		if (range->version_len > 1 && *range->version == '"') {
			range->version++;
			range->version_len -= 2;
		}
	}
}

static struct media_range media_range(const char *text, const char *end)
{
	struct media_range range = { .q = 1 };
	const char *part = memchr(text, ';', (size_t)(end - text));

	text = skip_blanks(text, end);
	range.type = text;
	range.type_len = trimmed(text, part ? part : end);
	while (part) {
		const char *next = memchr(part + 1, ';', (size_t)(end - part - 1));

		media_parameter(part + 1, next ? next : end, &range);
		part = next;
	}
	return range;
}

bool media_is(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && !strncasecmp(text, word, len);
}

bool media_next(const char **accept, struct media_range *ret)
{
	const char *end;

	if (!**accept)
		return false;
	end = *accept + strcspn(*accept, ",");
	*ret = media_range(*accept, end);
	*accept = *end ? end + 1 : end;
	return true;
}

/* @range stands for a type: the type itself, all of its sort, or all. */
static bool covers(const struct media_range *range, const char *type)
{
	size_t sort_len = strcspn(type, "/") + 1;

	return media_is(range->type, range->type_len, type) ||
	       media_is(range->type, range->type_len, "*/*") ||
	       (range->type_len == sort_len + 1 && range->type[sort_len] == '*' &&
		!strncasecmp(range->type, type, sort_len));
}

bool media_wants(const char *accept, const char *type, const char *otherwise)
{
	double wanted = 0, named = 0, any = 0;
	bool is_named = false;
	struct media_range r;

	while (media_next(&accept, &r)) {
		if (media_is(r.type, r.type_len, type)) {
			wanted = MAX(wanted, r.q);
		} else if (media_is(r.type, r.type_len, otherwise)) {
			named = MAX(named, r.q);
			is_named = true;
		} else if (covers(&r, otherwise)) {
			any = MAX(any, r.q);
		}
	}
	return wanted > 0 && wanted >= (is_named ? named : any);
}
