/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Accept (RFC 9110, 12.5.1): which of the forms that an answer has is wanted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* One element: "type/subtype; version=1.0.0; q=0.5". */
struct media_range {
	const char *type;
	size_t type_len;
	const char *version;
	size_t version_len; /* 0: none given */
	double q;
};

/* The next element; moves @accept behind it. False at the end. */
bool media_next(const char **accept, struct media_range *ret);

/* Whether a text of that length is the word, in any case. */
bool media_is(const char *text, size_t len, const char *word);

/*
 * @type rather than @otherwise, which is the answer to everybody else: it is named, and the other is not wanted more.
 * What takes anything (curl, a script) gets the other.
 */
bool media_wants(const char *accept, const char *type, const char *otherwise);
