/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of routes, and how a path finds its row.
 *
 * A path has one or two parts; the second of a row may be a placeholder, {id}, that stands for anything
 * without a slash. No row hides another, so their order is the documentation's alone.
 */
#include <errno.h>
#include <string.h>

#include "web/route.h"

/* One row for each handler. */
static const struct route table[] = {
	{
		.path = "/",
		.summary = "The report for people, as text.",
		.handler = root_route,
		.parameters = root_parameters,
		.flags = ROUTE_DATA,
	},
	{
		.path = "/sockets",
		.summary = "Sockets, filtered, sorted, in pages or in groups.",
		.handler = sockets_route,
		.parameters = sockets_parameters,
		.flags = ROUTE_DATA,
		.schema = "SocketList",
	},
	{
		.path = "/sockets/{id}",
		.summary = "One socket in full: all outcomes, its holders, its findings.",
		.handler = socket_route,
		.parameters = socket_parameters,
		.flags = ROUTE_DATA,
		.schema = "SocketDetail",
	},
	{
		.path = "/findings",
		.summary = "What is wrong now, worst first.",
		.handler = findings_route,
		.parameters = findings_parameters,
		.flags = ROUTE_DATA,
		.schema = "FindingList",
	},
	{
		.path = "/summary",
		.summary = "The host on one screen: sums, limits, counters, settings.",
		.handler = summary_route,
		.flags = ROUTE_DATA,
		.schema = "Summary",
	},
	{
		.path = "/listeners",
		.summary = "Listening sockets and their accept queues.",
		.handler = listeners_route,
		.parameters = listeners_parameters,
		.flags = ROUTE_DATA,
		.schema = "ListenerList",
	},
	{
		.path = "/rules",
		.summary = "The catalogue of rules, searchable by what the kernel logs.",
		.handler = rules_route,
		.parameters = rules_parameters,
		.schema = "RuleList",
	},
	{
		.path = "/rules/{id}",
		.summary = "One rule: condition, kernel function, RFC, counter, remedy.",
		.handler = rule_route,
		.schema = "Rule",
	},
	{
		.path = "/status",
		.summary = "How well tcpdiagd is: sources, periods, costs, limits.",
		.handler = status_route,
		.schema = "Status",
	},
	{
		.path = "/metrics",
		.summary = "Metrics for Prometheus, or OpenMetrics 1.0 where Accept asks for it.",
		.handler = metrics_route,
		.flags = ROUTE_OPEN,
	},
	{
		.path = "/openapi.json",
		.summary = "This description, OpenAPI 3.1.",
		.handler = openapi_route,
		.schema = "OpenApi",
	},
	{
		.path = "/-/healthy",
		.summary = "Whether the web process answers.",
		.handler = healthy_route,
		.flags = ROUTE_OPEN,
	},
	{
		.path = "/-/ready",
		.summary = "Whether there is a fresh snapshot; 503 with the reason otherwise.",
		.handler = ready_route,
		.flags = ROUTE_OPEN,
	},
	{
		.path = "/healthz",
		.summary = "The same as /-/healthy.",
		.handler = healthy_route,
		.flags = ROUTE_OPEN,
	},
	{
		.path = "/readyz",
		.summary = "The same as /-/ready.",
		.handler = ready_route,
		.flags = ROUTE_OPEN,
	},
};

const struct route *route_table(size_t *ret_count)
{
	*ret_count = ARRAY_SIZE(table);
	return table;
}

/* Whether @path is an instance of @pattern; @ret_argument is what stands for the placeholder. */
static bool matches(const char *pattern, const char *path, const char **ret_argument)
{
	const char *hole = strchr(pattern, '{');
	size_t fixed = hole ? (size_t)(hole - pattern) : strlen(pattern);

	if (strncmp(path, pattern, fixed) != 0)
		return false;
	if (!hole) {
		*ret_argument = NULL;
		return !path[fixed];
	}
	if (!path[fixed] || strchr(path + fixed, '/'))
		return false;
	*ret_argument = path + fixed;
	return true;
}

const struct route *route_find(const char *path, const char **ret_argument)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (matches(table[i].path, path, ret_argument))
			return &table[i];
	return NULL;
}

#define COMPARED_MAX 32U /* characters of a path that are compared */

/* Levenshtein's distance between the first characters of two texts. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[COMPARED_MAX + 1], i, k;
	unsigned int a_len = (unsigned int)strnlen(a, COMPARED_MAX);
	unsigned int b_len = (unsigned int)strnlen(b, COMPARED_MAX);

	for (k = 0; k <= b_len; k++)
		row[k] = k;
	for (i = 1; i <= a_len; i++) {
		unsigned int diagonal = row[0];

		row[0] = i;
		for (k = 1; k <= b_len; k++) {
			unsigned int above = row[k];
			unsigned int best = MIN(above, row[k - 1]) + 1;

			row[k] = MIN(best, diagonal + (a[i - 1] != b[k - 1]));
			diagonal = above;
		}
	}
	return row[b_len];
}

/* How far a route is from what was asked; nothing where one begins like the other. */
static unsigned int strangeness(const char *path, const struct route *route)
{
	size_t len = strlen(path), part = 1 + strcspn(path + 1, "/");

	if (len > 1 && !strncmp(path, route->path, len))
		return 0;
	if (part > 1 && !strncmp(path, route->path, part) &&
	    (!route->path[part] || route->path[part] == '/'))
		return 1;
	return distance(path, route->path);
}

/* The routes at that distance, with commas; as many as fit. */
static size_t list_near(const char *path, unsigned int wanted, char *text, size_t size)
{
	size_t i, len = 0;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		int added;

		if (strangeness(path, &table[i]) != wanted)
			continue;
		added = snprintf(text + len, size - len, "%s%s", len ? ", " : "", table[i].path);
		if (added < 0 || (size_t)added >= size - len) {
			text[len] = '\0';
			break;
		}
		len += (size_t)added;
	}
	return len;
}

int route_not_found(const char *path, struct problem *problem)
{
	unsigned int wanted;
	char near[256];

	for (wanted = 0; path[0] == '/' && wanted <= 4; wanted++)
		if (list_near(path, wanted, near, sizeof(near)))
			return problem_set(problem, 404, NULL, "there is no %.128s; near it: %s",
					   path, near);
	return problem_set(problem, 404, NULL,
			   "there is no %.128s; /openapi.json lists what there is", path);
}
