/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Header lists: elements with commas between them, blanks around, parameters after ';'. What cannot be
 * read is taken as a no: an answer without encoding, or with its body, is always right.
 */
#include <string.h>
#include <strings.h>

#include "web/negotiate.h"

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " \t");
}

/* Whether a weight ("0.5", "1", "0.000") is above 0; RFC 9110, 12.4.2. */
static bool is_positive(const char *s, size_t len)
{
	size_t i;

	if (!len || len > 5 || (s[0] != '0' && s[0] != '1') || (len > 1 && s[1] != '.'))
		return false;
	for (i = 2; i < len; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	if (s[0] == '1')
		return true;
	for (i = 2; i < len; i++)
		if (s[i] != '0')
			return true;
	return false;
}

/* The parameters of one element: false where its weight is 0 or cannot be read. */
static bool wanted(const char *s, const char *end)
{
	while (s < end && *s == ';') {
		const char *value;

		s = skip_blanks(s + 1);
		value = s + strcspn(s, "=;, \t");
		if (value - s == 1 && (*s == 'q' || *s == 'Q')) {
			size_t len = *value == '=' ? strcspn(value + 1, ";, \t") : 0;

			if (!is_positive(value + 1, len))
				return false;
		}
		s += strcspn(s, ";,");
	}
	return true;
}

bool negotiate_gzip(const char *accept_encoding)
{
	const char *s = accept_encoding;
	bool any = false;

	while (s && *(s += strspn(s, " \t,"))) {
		size_t len = strcspn(s, ";, \t");
		const char *end = s + strcspn(s, ",");
		bool yes = wanted(skip_blanks(s + len), end);

		if ((len == 4 && !strncasecmp(s, "gzip", 4)) ||
		    (len == 6 && !strncasecmp(s, "x-gzip", 6)))
			return yes;
		if (len == 1 && *s == '*')
			any = yes;
		s = end;
	}
	return any;
}

bool negotiate_etag(const char *if_none_match, const char *etag)
{
	const char *s = if_none_match;
	size_t etag_len;

	if (!strncmp(etag, "W/", 2))
		etag += 2;
	etag_len = strlen(etag);
	while (s && *(s += strspn(s, " \t,"))) {
		const char *end;

		if (*s == '*')
			return true;
		if (!strncmp(s, "W/", 2))
			s += 2;
		if (*s != '"')
			return false;
		end = strchr(s + 1, '"');
		if (!end)
			return false;
		end++;
		if ((size_t)(end - s) == etag_len && !memcmp(s, etag, etag_len))
			return true;
		s = end;
	}
	return false;
}
