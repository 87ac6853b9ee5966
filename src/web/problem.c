/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Problems (RFC 9457): why a request was not answered, for a person in `detail` and for a program in
 * `status` and `parameter`. The type is always about:blank, so the title is the status's own phrase
 * unless something better is known.
 */
#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <string.h>

#include "web/route.h"

int problem_set(struct problem *problem, unsigned int status, const char *parameter,
		const char *format, ...)
{
	va_list arguments;

	problem->status = status;
	problem->title = NULL;
	snprintf(problem->parameter, sizeof(problem->parameter), "%s", parameter ? parameter : "");
	va_start(arguments, format);
	vsnprintf(problem->detail, sizeof(problem->detail), format, arguments);
	va_end(arguments);
	return -EINVAL;
}

int problem_document(const struct problem *problem, struct document **ret)
{
	struct buffer b = {};

	buffer_literal(&b, "{\"type\":\"about:blank\",\"title\":");
	buffer_json(&b,
		    problem->title ? problem->title : MHD_get_reason_phrase_for(problem->status));
	buffer_literal(&b, ",\"status\":");
	buffer_u64(&b, problem->status);
	buffer_literal(&b, ",\"detail\":");
	buffer_json(&b, problem->detail);
	if (problem->parameter[0]) {
		buffer_literal(&b, ",\"parameter\":");
		buffer_json(&b, problem->parameter);
	}
	buffer_literal(&b, "}\n");
	return document_from_buffer(&b, problem->status, "application/problem+json", ret);
}

int problem_no_snapshot(struct problem *problem)
{
	return problem_set(problem, 503, NULL, "no snapshot yet: the first poll has not ended");
}
