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

struct emitter {
	struct buffer *b;
	bool more; /* a comma comes before the next value */
};

void emit_object(struct emitter *j, const char *name);
void emit_array(struct emitter *j, const char *name);
/* '}' or ']' */
void emit_end(struct emitter *j, char bracket);

void emit_null(struct emitter *j, const char *name);
void emit_bool(struct emitter *j, const char *name, bool value);
void emit_u64(struct emitter *j, const char *name, uint64_t value);
void emit_number(struct emitter *j, const char *name, double value);
/* Nanoseconds as seconds, to the millisecond. */
void emit_ns(struct emitter *j, const char *name, int64_t ns);
void emit_string(struct emitter *j, const char *name, const char *text);
/* null for NULL and the empty string: how a snapshot says "not known". */
void emit_text(struct emitter *j, const char *name, const char *text);
/* Text that is JSON already: one value. */
void emit_raw(struct emitter *j, const char *name, const char *text);
/* Lines as an array of strings. */
void emit_lines(struct emitter *j, const char *name, const char *lines);

/* null unless @known */
void emit_u64_known(struct emitter *j, const char *name, bool known, uint64_t value);
void emit_number_known(struct emitter *j, const char *name, bool known, double value);
