/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Healthy: this process answers. Ready: what it would answer is there and fresh. A source that fails
 * makes neither of them false; /status tells that.
 */
#include "web/route.h"

static int answer(struct buffer *b, unsigned int status, struct document **ret)
{
	return document_from_buffer(b, status, "text/plain; charset=utf-8", ret);
}

int healthy_route(const struct request *request, struct document **ret, struct problem *problem)
{
	struct buffer b = {};

	(void)request;
	(void)problem;
	buffer_literal(&b, "ok\n");
	return answer(&b, 200, ret);
}

int ready_route(const struct request *request, struct document **ret, struct problem *problem)
{
	struct buffer b = {};
	int64_t age;

	(void)problem;
	if (!request->snapshot) {
		buffer_literal(&b, "no snapshot yet: the first poll has not ended\n");
		return answer(&b, 503, ret);
	}
	age = request->now_ns - request->snapshot->header->now_ns;
	/* A dump file has one snapshot, and no other will come. */
	if (!request->snapshot->header->replay && age > request->settings->stale_ns) {
		buffer_literal(&b, "the newest snapshot is ");
		buffer_ms(&b, age / NSEC_PER_MSEC);
		buffer_literal(&b, " s old: polling has stopped or cannot publish\n");
		return answer(&b, 503, ret);
	}
	buffer_literal(&b, "ok\n");
	return answer(&b, 200, ret);
}
