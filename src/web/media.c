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

bool media_wants_html(const char *accept)
{
	double html = 0, text = 0, any = 0;
	bool text_named = false;
	struct media_range r;

	while (media_next(&accept, &r)) {
		if (media_is(r.type, r.type_len, "text/html")) {
			html = MAX(html, r.q);
		} else if (media_is(r.type, r.type_len, "text/plain")) {
			text = MAX(text, r.q);
			text_named = true;
		} else if (media_is(r.type, r.type_len, "text/*") ||
			   media_is(r.type, r.type_len, "*/*")) {
			any = MAX(any, r.q);
		}
	}
	return html > 0 && html >= (text_named ? text : any);
}
