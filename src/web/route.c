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

/*
 * One row for each handler that exists: a file that brings a new one (sockets.c, findings.c, ...) adds its
 * row here. Keep the order: /, sockets, findings, summary, listeners, rules, status, metrics, openapi, health.
 */
static const struct route table[] = {
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
