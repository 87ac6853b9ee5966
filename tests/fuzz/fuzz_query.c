/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any query string is either decoded into bounded UTF-8, or refused with a reason.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "web/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct route_parameter allowed[] = {
	{ .name = "state", .repeatable = true },
	{ .name = "limit" },
	{},
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct problem problem = {};
	const char *argument;
	struct query query;
	char *text, *path;
	size_t i;

	text = malloc(size + 1);
	path = malloc(size + 2);
	if (!text || !path)
		goto out;
	memcpy(text, data, size);
	text[size] = '\0';
	path[0] = '/';
	memcpy(path + 1, text, size + 1);
	if (!query_decode(path, false) && !route_find(path, &argument))
		require(route_not_found(path, &problem) < 0 && problem.status == 404);

	if (query_parse(text, &query, &problem) < 0) {
		require(problem.status == 400 && problem.detail[0]);
		goto out;
	}
	require(query.count <= QUERY_MAX);
	for (i = 0; i < query.count; i++)
		require(query.parameters[i].name[0] && buffer_is_utf8(query.parameters[i].name) &&
			buffer_is_utf8(query.parameters[i].value));
	if (query_check(&query, allowed, &problem) < 0)
		require(problem.status == 400 && problem.parameter[0] && problem.detail[0]);
out:
	free(text);
	free(path);
	return 0;
}
