/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GET /: the page for what asks for HTML, which browsers do; the report as text for all else, so that
 * `watch curl -s localhost:19293` is a dashboard. The page needs no snapshot: it waits for the first itself.
 */
#include <errno.h>

#include "web/assets.h"
#include "web/list.h"
#include "web/media.h"
#include "web/report.h"

#define COLUMNS_DEFAULT 100U
#define COLUMNS_LEAST 40U
#define COLUMNS_MOST 400U

const struct route_parameter root_parameters[] = {
	{ "columns", "{\"type\":\"integer\",\"minimum\":40,\"maximum\":400,\"default\":100}",
	  "No line is wider; tables lose columns from the right.", false },
	{ 0 },
};

int root_route(const struct request *request, struct document **ret, struct problem *problem)
{
	uint64_t columns = COLUMNS_DEFAULT;
	struct buffer b = { 0 };
	size_t i;
	int r;

	for (i = 0; i < request->query->count; i++) {
		r = query_number(&request->query->parameters[i], COLUMNS_MOST, &columns, problem);
		if (r < 0)
			return r;
		if (columns < COLUMNS_LEAST)
			return problem_set(problem, 400, "columns",
					   "%.64s: a number from 40 to 400 is wanted",
					   request->query->parameters[i].value);
	}
	if (media_wants(request->accept, "text/html", "text/plain"))
		return assets_page(ret);
	if (!request->snapshot)
		return problem_no_snapshot(problem);
	report_print(&b, request->snapshot, request->journal, request->wall_ns,
		     (unsigned int)columns, request->host);
	return document_from_buffer(&b, 200, "text/plain; charset=utf-8", ret);
}
