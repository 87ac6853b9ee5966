/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Words and numbers in the text of /proc/net.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_span {
	const char *at;
	size_t len;
};

/* The text up to the next newline, which is taken off; a last line without one has been cut. */
bool text_next_line(struct text_span *text, struct text_span *ret);

/* Likewise the next word of a line. */
bool text_next_word(struct text_span *line, struct text_span *ret);

bool text_is_word(struct text_span word, const char *text);

/* "TcpExt:" is the group "TcpExt". */
bool text_is_group(struct text_span word, const char *group);

/* A whole word of digits. */
bool text_parse_number(struct text_span word, uint64_t *ret);
