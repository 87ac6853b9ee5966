/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lines of words between blanks, as net/ipv4/proc.c prints them. What stands in a file of /proc is
 * not trusted: nothing is read behind the end, and a line or a number that was cut counts for
 * nothing.
 */
#include <string.h>

#include "kernel/text.h"

bool text_next_line(struct text_span *text, struct text_span *ret)
{
	const char *end = text->len ? memchr(text->at, '\n', text->len) : NULL;

	if (!end)
		return false;
	*ret = (struct text_span){ text->at, end - text->at };
	text->len -= ret->len + 1;
	text->at = end + 1;
	return true;
}

bool text_next_word(struct text_span *line, struct text_span *ret)
{
	const char *end;

	while (line->len && *line->at == ' ') {
		line->at++;
		line->len--;
	}
	if (!line->len)
		return false;
	end = memchr(line->at, ' ', line->len);
	*ret = (struct text_span){ line->at, end ? (size_t)(end - line->at) : line->len };
	line->at += ret->len;
	line->len -= ret->len;
	return true;
}

bool text_is_word(struct text_span word, const char *text)
{
	return word.len == strlen(text) && !memcmp(word.at, text, word.len);
}

bool text_parse_number(struct text_span word, uint64_t *ret)
{
	uint64_t value = 0;

	if (!word.len)
		return false;
	for (size_t i = 0; i < word.len; i++) {
		uint8_t digit = word.at[i] - '0';

		if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return false;
	}
	*ret = value;
	return true;
}

bool text_is_group(struct text_span word, const char *group)
{
	size_t len = strlen(group);

	return word.len == len + 1 && !memcmp(word.at, group, len) && word.at[len] == ':';
}
