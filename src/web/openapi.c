/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GET /openapi.json: OpenAPI 3.1 of every route, made from the tables that serve them, so that it cannot
 * say anything else than what is done.
 */
#include <ctype.h>
#include <errno.h>

#include "web/emit.h"
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
static void operation_id(struct emitter *j, const char *path)
{
	const char *c;

	emit_raw(j, "operationId", "\"get");
	for (c = path; *c; c++)
		if (isalnum((unsigned char)*c))
			buffer_char(j->b, *c);
		else if (isalnum((unsigned char)c[1]))
			buffer_char(j->b, '_');
	if (!path[1])
		buffer_literal(j->b, "_root");
	buffer_char(j->b, '"');
}

static void path_parameter(struct emitter *j, const char *path)
{
	const char *start = strchr(path, '{');

	if (!start)
		return;
	emit_object(j, NULL);
	emit_raw(j, "name", "\"");
	buffer_add(j->b, start + 1, strcspn(start + 1, "}"));
	buffer_char(j->b, '"');
	emit_string(j, "in", "path");
	emit_bool(j, "required", true);
	emit_raw(j, "schema", "{\"type\":\"string\"}");
	emit_end(j, '}');
}

static void query_parameter(struct emitter *j, const struct route_parameter *p)
{
	emit_object(j, NULL);
	emit_string(j, "name", p->name);
	emit_string(j, "in", "query");
	emit_string(j, "description", p->text);
	if (p->repeatable) {
		/* ?state=a&state=b */
		emit_bool(j, "explode", true);
		emit_object(j, "schema");
		emit_string(j, "type", "array");
		emit_raw(j, "items", p->schema);
		emit_end(j, '}');
	} else {
		emit_raw(j, "schema", p->schema);
	}
	emit_end(j, '}');
}

/* Whether `format` of a route takes a word. */
static bool has_format(const struct route *route, const char *quoted)
{
	const struct route_parameter *p;

	for (p = parameter_row(route->parameters); p; p = parameter_row(p + 1))
		if (!strcmp(p->name, "format"))
			return strstr(p->schema, quoted);
	return false;
}

static void content(struct emitter *j, const char *type, const char *schema)
{
	emit_object(j, type);
	emit_object(j, "schema");
	if (schema) {
		emit_raw(j, "$ref", "\"#/components/schemas/");
		buffer_text(j->b, schema);
		buffer_char(j->b, '"');
	} else {
		emit_string(j, "type", "string");
	}
	emit_end(j, '}');
	emit_end(j, '}');
}

/* What a route answers that is neither JSON nor lines of text, or besides these. */
static const struct {
	route_fn *handler;
	const char *type;
} other_types[] = {
	{ root_route, "text/html" },
	{ metrics_route, "application/openmetrics-text" },
	{ page_asset_route, "text/css" },
	{ page_asset_route, "text/javascript" },
};

static void answer(struct emitter *j, const struct route *route)
{
	size_t i;

	emit_object(j, "200");
	emit_string(j, "description", "The answer.");
	emit_object(j, "content");
	if (route->schema)
		content(j, "application/json", route->schema);
	if (has_format(route, "\"ndjson\""))
		content(j, "application/x-ndjson", NULL);
	if ((!route->schema && route->handler != page_asset_route) || has_format(route, "\"text\""))
		content(j, "text/plain", NULL);
	for (i = 0; i < ARRAY_SIZE(other_types); i++)
		if (route->handler == other_types[i].handler)
			content(j, other_types[i].type, NULL);
	emit_end(j, '}');
	emit_end(j, '}');
}

static void failure(struct emitter *j, const char *status, const char *text)
{
	emit_object(j, status);
	emit_string(j, "description", text);
	emit_object(j, "content");
	content(j, "application/problem+json", "Problem");
	emit_end(j, '}');
	emit_end(j, '}');
}

static void operation(struct emitter *j, const struct route *route)
{
	const struct route_parameter *p;

	emit_object(j, route->path);
	emit_object(j, "get");
	operation_id(j, route->path);
	emit_string(j, "summary", route->summary);
	emit_array(j, "parameters");
	path_parameter(j, route->path);
	for (p = parameter_row(route->parameters); p; p = parameter_row(p + 1))
		query_parameter(j, p);
	emit_end(j, ']');
	emit_object(j, "responses");
	answer(j, route);
	failure(j, "400", "The query is wrong; `parameter` names what.");
	if (strchr(route->path, '{'))
		failure(j, "404", "There is nothing by that name.");
	if (route->parameters == owner_item_parameters)
		failure(j, "409", "What is expected does not hold; `reasons` says why.");
	if (route->flags & ROUTE_DATA || route->handler == root_route ||
	    route->handler == healthy_route || route->handler == ready_route)
		failure(j, "503",
			"There is no snapshot yet, none that is fresh enough, or what is asked for "
			"is "
			"not known.");
	failure(j, "default", "Any other reason for which a request is refused.");
	emit_end(j, '}');
	emit_end(j, '}');
	emit_end(j, '}');
}

int openapi_route(const struct request *request __attribute__((unused)), struct document **ret,
		  struct problem *problem __attribute__((unused)))
{
	const struct route *table;
	struct buffer b = { 0 };
	struct emitter j = { .b = &b };
	size_t count, i;
	int r;

	emit_object(&j, NULL);
	emit_string(&j, "openapi", "3.1.0");
	emit_object(&j, "info");
	emit_string(&j, "title", "tcpdiagd");
	emit_string(&j, "version", "1");
	emit_string(&j, "description", DESCRIPTION);
	emit_raw(&j, "license",
		 "{\"name\":\"LGPL-2.1-or-later\",\"identifier\":\"LGPL-2.1-or-later\"}");
	emit_end(&j, '}');
	emit_object(&j, "paths");
	table = route_table(&count);
	for (i = 0; i < count; i++)
		operation(&j, &table[i]);
	emit_end(&j, '}');
	emit_object(&j, "components");
	emit_object(&j, "schemas");
	openapi_schemas(&j);
	emit_raw(&j, NULL, "");
	sockets_schemas(&b);
	emit_end(&j, '}');
	emit_end(&j, '}');
	emit_end(&j, '}');
	buffer_char(&b, '\n');
	r = document_from_buffer(&b, 200, "application/json", ret);
	if (!r)
		(*ret)->cacheable = true;
	return r;
}
