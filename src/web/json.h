/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON appended to a buffer, with its commas: for documents that are too small to be tuned.
 *
 * Each function adds one value: a member where @name is given, an element where it is NULL. Errors
 * stay in the buffer, like those of every append.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "web/buffer.h"

struct json {
	struct buffer *b;
	bool more; /* a comma comes before the next value */
};

void json_object(struct json *j, const char *name);
void json_array(struct json *j, const char *name);
/* '}' or ']' */
void json_end(struct json *j, char bracket);

void json_null(struct json *j, const char *name);
void json_bool(struct json *j, const char *name, bool value);
void json_u64(struct json *j, const char *name, uint64_t value);
void json_number(struct json *j, const char *name, double value);
/* Nanoseconds as seconds, to the millisecond. */
void json_ns(struct json *j, const char *name, int64_t ns);
void json_string(struct json *j, const char *name, const char *text);
/* null for NULL and the empty string: how a snapshot says "not known". */
void json_text(struct json *j, const char *name, const char *text);
/* Text that is JSON already: one value. */
void json_raw(struct json *j, const char *name, const char *text);
/* Lines as an array of strings. */
void json_lines(struct json *j, const char *name, const char *lines);

/* null unless @known */
void json_u64_known(struct json *j, const char *name, bool known, uint64_t value);
void json_number_known(struct json *j, const char *name, bool known, double value);
