/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A writer of JSON (RFC 8259) that remembers one thing: whether a comma is due.
 */
#include <errno.h>
#include <stdlib.h>

#include "web/json.h"

static void begin(struct json *j, const char *name)
{
	if (j->more)
		buffer_char(j->b, ',');
	j->more = true;
	if (name) {
		buffer_json(j->b, name);
		buffer_char(j->b, ':');
	}
}

void json_object(struct json *j, const char *name)
{
	begin(j, name);
	buffer_char(j->b, '{');
	j->more = false;
}

void json_array(struct json *j, const char *name)
{
	begin(j, name);
	buffer_char(j->b, '[');
	j->more = false;
}

void json_end(struct json *j, char bracket)
{
	buffer_char(j->b, bracket);
	j->more = true;
}

void json_raw(struct json *j, const char *name, const char *text)
{
	begin(j, name);
	buffer_text(j->b, text);
}

void json_null(struct json *j, const char *name)
{
	json_raw(j, name, "null");
}

void json_bool(struct json *j, const char *name, bool value)
{
	json_raw(j, name, value ? "true" : "false");
}

void json_u64(struct json *j, const char *name, uint64_t value)
{
	begin(j, name);
	buffer_u64(j->b, value);
}

void json_number(struct json *j, const char *name, double value)
{
	begin(j, name);
	buffer_double(j->b, value);
}

void json_ns(struct json *j, const char *name, int64_t ns)
{
	begin(j, name);
	buffer_ms(j->b, ns / NSEC_PER_MSEC);
}

void json_string(struct json *j, const char *name, const char *text)
{
	begin(j, name);
	buffer_json(j->b, text);
}

void json_text(struct json *j, const char *name, const char *text)
{
	if (text && *text)
		json_string(j, name, text);
	else
		json_null(j, name);
}

void json_lines(struct json *j, const char *name, const char *lines)
{
	json_array(j, name);
	while (*lines) {
		size_t len = strcspn(lines, "\n");
		char *line = strndup(lines, len);

		if (!line)
			j->b->error = -ENOMEM;
		else if (len)
			json_string(j, NULL, line);
		free(line);
		lines += len + (lines[len] == '\n');
	}
	json_end(j, ']');
}

void json_u64_known(struct json *j, const char *name, bool known, uint64_t value)
{
	if (known)
		json_u64(j, name, value);
	else
		json_null(j, name);
}

void json_number_known(struct json *j, const char *name, bool known, double value)
{
	if (known)
		json_number(j, name, value);
	else
		json_null(j, name);
}
