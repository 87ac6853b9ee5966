/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GET /openapi.json: OpenAPI 3.1 of every route, made from the tables that serve them, so that it cannot
 * say anything else than what is done.
 */
#include <ctype.h>
#include <errno.h>

#include "web/json.h"
#include "web/openapi.h"
#include "web/route.h"
#include "web/sockets.h"

#define DESCRIPTION \
	"For every TCP socket of this machine: how it will end, before it does. All answers to " \
	"one " \
	"request come from one snapshot. Fields and words of enums are only added: ignore what " \
	"you do " \
	"not know. A value that is not known is null or absent, never 0."

/* "/sockets/{id}" is "get_sockets_id". */
static void operation_id(struct json *j, const char *path)
{
	const char *c;

	json_raw(j, "operationId", "\"get");
	for (c = path; *c; c++)
		if (isalnum((unsigned char)*c))
			buffer_char(j->b, *c);
		else if (isalnum((unsigned char)c[1]))
			buffer_char(j->b, '_');
	if (!path[1])
		buffer_literal(j->b, "_root");
	buffer_char(j->b, '"');
}

static void path_parameter(struct json *j, const char *path)
{
	const char *start = strchr(path, '{');

	if (!start)
		return;
	json_object(j, NULL);
	json_raw(j, "name", "\"");
	buffer_add(j->b, start + 1, strcspn(start + 1, "}"));
	buffer_char(j->b, '"');
	json_string(j, "in", "path");
	json_bool(j, "required", true);
	json_raw(j, "schema", "{\"type\":\"string\"}");
	json_end(j, '}');
}

static void query_parameter(struct json *j, const struct route_parameter *p)
{
	json_object(j, NULL);
	json_string(j, "name", p->name);
	json_string(j, "in", "query");
	json_string(j, "description", p->text);
	if (p->repeatable) {
		/* ?state=a&state=b */
		json_bool(j, "explode", true);
		json_object(j, "schema");
		json_string(j, "type", "array");
		json_raw(j, "items", p->schema);
		json_end(j, '}');
	} else {
		json_raw(j, "schema", p->schema);
	}
	json_end(j, '}');
}

static bool has_parameter(const struct route *route, const char *name)
{
	const struct route_parameter *p;

	for (p = route->parameters; p && p->name; p++)
		if (!strcmp(p->name, name))
			return true;
	return false;
}

static void content(struct json *j, const char *type, const char *schema)
{
	json_object(j, type);
	json_object(j, "schema");
	if (schema) {
		json_raw(j, "$ref", "\"#/components/schemas/");
		buffer_text(j->b, schema);
		buffer_char(j->b, '"');
	} else {
		json_string(j, "type", "string");
	}
	json_end(j, '}');
	json_end(j, '}');
}

static void answer(struct json *j, const struct route *route)
{
	json_object(j, "200");
	json_string(j, "description", "The answer.");
	json_object(j, "content");
	if (route->schema)
		content(j, "application/json", route->schema);
	if (has_parameter(route, "format"))
		content(j, "application/x-ndjson", NULL);
	if (!route->schema || has_parameter(route, "format"))
		content(j, "text/plain", NULL);
	if (route->handler == metrics_route)
		content(j, "application/openmetrics-text", NULL);
	json_end(j, '}');
	json_end(j, '}');
}

static void failure(struct json *j, const char *status, const char *text)
{
	json_object(j, status);
	json_string(j, "description", text);
	json_object(j, "content");
	content(j, "application/problem+json", "Problem");
	json_end(j, '}');
	json_end(j, '}');
}

static void operation(struct json *j, const struct route *route)
{
	const struct route_parameter *p;

	json_object(j, route->path);
	json_object(j, "get");
	operation_id(j, route->path);
	json_string(j, "summary", route->summary);
	json_array(j, "parameters");
	path_parameter(j, route->path);
	for (p = route->parameters; p && p->name; p++)
		query_parameter(j, p);
	json_end(j, ']');
	json_object(j, "responses");
	answer(j, route);
	failure(j, "400", "The query is wrong; `parameter` names what.");
	if (strchr(route->path, '{'))
		failure(j, "404", "There is nothing by that name.");
	if (route->flags & ROUTE_DATA || route->handler == healthy_route ||
	    route->handler == ready_route)
		failure(j, "503", "There is no snapshot yet, or none that is fresh enough.");
	failure(j, "default", "Any other reason for which a request is refused.");
	json_end(j, '}');
	json_end(j, '}');
	json_end(j, '}');
}

int openapi_route(const struct request *request __attribute__((unused)), struct document **ret,
		  struct problem *problem __attribute__((unused)))
{
	const struct route *table;
	struct buffer b = { 0 };
	struct json j = { .b = &b };
	size_t count, i;
	int r;

	json_object(&j, NULL);
	json_string(&j, "openapi", "3.1.0");
	json_object(&j, "info");
	json_string(&j, "title", "tcpdiagd");
	json_string(&j, "version", "1");
	json_string(&j, "description", DESCRIPTION);
	json_raw(&j, "license",
		 "{\"name\":\"LGPL-2.1-or-later\",\"identifier\":\"LGPL-2.1-or-later\"}");
	json_end(&j, '}');
	json_object(&j, "paths");
	table = route_table(&count);
	for (i = 0; i < count; i++)
		operation(&j, &table[i]);
	json_end(&j, '}');
	json_object(&j, "components");
	json_object(&j, "schemas");
	openapi_schemas(&j);
	json_raw(&j, NULL, "");
	sockets_schemas(&b);
	json_end(&j, '}');
	json_end(&j, '}');
	json_end(&j, '}');
	buffer_char(&b, '\n');
	r = document_from_buffer(&b, 200, "application/json", ret);
	if (!r)
		(*ret)->cacheable = true;
	return r;
}
