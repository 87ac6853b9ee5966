/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A writer of JSON (RFC 8259) that remembers one thing: whether a comma is due.
 */
#include <errno.h>
#include <stdlib.h>

#include "web/emit.h"

static void begin(struct emitter *j, const char *name)
{
	if (j->more)
		buffer_char(j->b, ',');
	j->more = true;
	if (name) {
		buffer_json(j->b, name);
		buffer_char(j->b, ':');
	}
}

void emit_object(struct emitter *j, const char *name)
{
	begin(j, name);
	buffer_char(j->b, '{');
	j->more = false;
}

void emit_array(struct emitter *j, const char *name)
{
	begin(j, name);
	buffer_char(j->b, '[');
	j->more = false;
}

void emit_end(struct emitter *j, char bracket)
{
	buffer_char(j->b, bracket);
	j->more = true;
}

void emit_raw(struct emitter *j, const char *name, const char *text)
{
	begin(j, name);
	buffer_text(j->b, text);
}

void emit_null(struct emitter *j, const char *name)
{
	emit_raw(j, name, "null");
}

void emit_bool(struct emitter *j, const char *name, bool value)
{
	emit_raw(j, name, value ? "true" : "false");
}

void emit_u64(struct emitter *j, const char *name, uint64_t value)
{
	begin(j, name);
	buffer_u64(j->b, value);
}

void emit_number(struct emitter *j, const char *name, double value)
{
	begin(j, name);
	buffer_double(j->b, value);
}

void emit_ns(struct emitter *j, const char *name, int64_t ns)
{
	begin(j, name);
	buffer_ms(j->b, ns / NSEC_PER_MSEC);
}

void emit_string(struct emitter *j, const char *name, const char *text)
{
	begin(j, name);
	buffer_json(j->b, text);
}

void emit_text(struct emitter *j, const char *name, const char *text)
{
	if (text && *text)
		emit_string(j, name, text);
	else
		emit_null(j, name);
}

void emit_lines(struct emitter *j, const char *name, const char *lines)
{
	emit_array(j, name);
	while (*lines) {
		size_t len = strcspn(lines, "\n");
		char *line = strndup(lines, len);

		if (!line)
			j->b->error = -ENOMEM;
		else if (len)
			emit_string(j, NULL, line);
		free(line);
		lines += len + (lines[len] == '\n');
	}
	emit_end(j, ']');
}

void emit_u64_known(struct emitter *j, const char *name, bool known, uint64_t value)
{
	if (known)
		emit_u64(j, name, value);
	else
		emit_null(j, name);
}

void emit_number_known(struct emitter *j, const char *name, bool known, double value)
{
	if (known)
		emit_number(j, name, value);
	else
		emit_null(j, name);
}
