/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a path finds its row in the table of routes, and what is said when there is none.
 */
#include <errno.h>
#include <string.h>

#include "web/route.h"

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
	const struct route *table;
	size_t count, i;

	table = route_table(&count);
	for (i = 0; i < count; i++)
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
	const struct route *table;
	size_t count, i, len = 0;

	table = route_table(&count);
	for (i = 0; i < count; i++) {
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
