/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Routes: one row each, walked by the server, /openapi.json, the documentation and the tests.
 *
 * A handler looks at the request and the snapshot it came with, and answers with a document or with a
 * problem (RFC 9457). It knows nothing of connections; the server knows nothing of sockets.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/channel.h"
#include "model/journal.h"
#include "model/snapshot.h"
#include "web/document.h"

#define QUERY_MAX 64 /* parameters of one request */

/* One name=value of the query string, decoded and terminated. */
struct parameter {
	const char *name;
	const char *value;
};

struct query {
	struct parameter parameters[QUERY_MAX];
	size_t count;
};

/* What the web process knows of itself, for /status and /metrics. */
struct web_statistics {
	uint64_t requests[6]; /* by first digit of the status */
	uint64_t connections; /* accepted since its start */
	uint32_t connections_now;
	uint64_t bytes; /* of bodies, before compression */
	uint64_t broken_off; /* replies that held their snapshot too long */
	uint64_t snapshots; /* received */
	uint32_t waiting; /* requests that wait for a snapshot */
	uint64_t waits; /* requests that have waited, since its start */
	uint64_t waits_refused; /* since too many waited */
	uint32_t streams; /* clients that events are streamed to */
	uint64_t streams_cut; /* of these, since they did not read */
	double cpu_seconds;
	uint64_t resident_bytes;
	uint32_t open_fds;
	double start_time_seconds; /* since the epoch */
};

struct request {
	const char *path; /* "/sockets/4026531840-1f", without the query */
	const char *argument; /* what stands for {id} or {name}, decoded, or NULL */
	const struct query *query;
	const char *query_text; /* as it came, for `next` links; never NULL */
	const char *accept; /* header, never NULL */
	const char *last_event_id; /* header, or NULL */
	const char *host; /* header, checked; NULL where there is none, or the socket is AF_UNIX */
	const struct snapshot
		*snapshot; /* NULL before the first; then routes with ROUTE_DATA get a 503 */
	const struct journal_view *journal; /* NULL: none has come */
	const struct web_statistics *statistics;
	const struct channel_settings *settings;
	int64_t now_ns; /* CLOCK_MONOTONIC */
	int64_t wall_ns; /* CLOCK_REALTIME */
	int64_t began_ns; /* CLOCK_MONOTONIC when it was first asked; now_ns unless it has waited */
	/*
	 * Where a handler that returns -EAGAIN says until when (CLOCK_MONOTONIC): it is called again at the
	 * next snapshot, or then. NULL: this request cannot wait.
	 */
	int64_t *until_ns;
};

/* Why a request cannot be answered; becomes application/problem+json. */
struct problem {
	unsigned int status;
	const char *title; /* static; NULL: the status's own phrase */
	char detail[512]; /* what is wrong and what would be right */
	char parameter[64]; /* the query parameter at fault, or empty */
};

/* Fills in a problem. Return: -EINVAL, so that a handler can return it. */
int problem_set(struct problem *problem, unsigned int status, const char *parameter,
		const char *format, ...) PRINTF(4, 5);

/* The problem of whoever needs a snapshot before there is one. -EINVAL. */
int problem_no_snapshot(struct problem *problem);

/* The problem as application/problem+json. Return: 0; -ENOMEM. */
int problem_document(const struct problem *problem, struct document **ret);

/**
 * A handler
 * @ret: the document, owned by the caller
 * @problem: filled in when the result is -EINVAL
 *
 * Return: 0; -EINVAL for a problem; -EAGAIN to be called again, see request.until_ns; -ENOMEM.
 */
typedef int route_fn(const struct request *request, struct document **ret, struct problem *problem);

enum route_flag {
	ROUTE_DATA = 1U << 0, /* needs a snapshot */
	ROUTE_OPEN = 1U << 1, /* served on every address: /metrics and /-/... */
	ROUTE_REUSE =
		1U << 2, /* an answer may be given again for a moment: costly, and asked often */
};

/*
 * A query parameter of a route; the table ends with a row without name, whose @more is another table that it
 * goes on with, or NULL.
 */
struct route_parameter {
	const char *name;
	const char *schema; /* JSON schema for OpenAPI: "{\"type\":\"integer\",\"minimum\":0}" */
	const char *text; /* one sentence */
	bool repeatable;
	const struct route_parameter *more;
};

/* The row to look at: for (p = parameter_row(table); p; p = parameter_row(p + 1)). */
static inline const struct route_parameter *parameter_row(const struct route_parameter *p)
{
	while (p && !p->name)
		p = p->more;
	return p;
}

struct route {
	const char *path; /* "/sockets/{id}" */
	const char *summary; /* one line */
	route_fn *handler;
	const struct route_parameter *parameters; /* NULL: none is allowed */
	unsigned int flags; /* enum route_flag */
	const char *schema; /* name in #/components/schemas of what it answers, NULL: not JSON */
};

/* All routes, the order of the documentation. */
const struct route *route_table(size_t *ret_count);

/**
 * route_find() - the route of a path
 * @path: decoded
 * @ret_argument: points into @path behind the route's last fixed slash, or NULL
 *
 * Return: the route, or NULL.
 */
const struct route *route_find(const char *path, const char **ret_argument);

/* The problem of a path without route: 404, naming the routes that look like it. -EINVAL. */
int route_not_found(const char *path, struct problem *problem);

/**
 * query_decode() - takes percent-encoding out of @text, in place
 * @plus: '+' is a blank, as in query strings
 *
 * Return: NULL; else what is wrong with it: a broken escape, a NUL, no UTF-8.
 */
const char *query_decode(char *text, bool plus);

/**
 * query_parse() - splits and decodes a query string
 * @text: without '?'; overwritten, must live as long as @ret
 *
 * Return: 0; -EINVAL with @problem for a broken escape, a NUL, no UTF-8, or too many parameters.
 */
int query_parse(char *text, struct query *ret, struct problem *problem);

/**
 * query_check() - every parameter is one of the route's, and stands once unless it may be repeated
 *
 * Return: 0; -EINVAL with @problem.
 */
int query_check(const struct query *query, const struct route_parameter *allowed,
		struct problem *problem);

/* The handlers, by file. */
route_fn sockets_route, socket_route; /* sockets.c */
route_fn findings_route; /* findings.c */
route_fn events_route; /* events.c */
route_fn resets_route; /* resets.c */
route_fn summary_route; /* summary.c */
route_fn listeners_route; /* listeners.c */
route_fn processes_route, process_route, units_route, unit_route; /* owner_routes.c */
route_fn containers_route, container_route; /* owner_routes.c */
route_fn rules_route, rule_route; /* rules.c */
route_fn status_route; /* status.c */
route_fn metrics_route; /* metrics.c */
route_fn openapi_route; /* openapi.c */
route_fn root_route; /* root.c: the page, or the report as text */
route_fn page_asset_route; /* assets.c */
route_fn healthy_route, ready_route; /* health.c */

extern const struct route_parameter sockets_parameters[], socket_parameters[];
extern const struct route_parameter findings_parameters[], listeners_parameters[];
extern const struct route_parameter events_parameters[], resets_parameters[];
extern const struct route_parameter owner_list_parameters[], owner_item_parameters[];
extern const struct route_parameter rules_parameters[], rule_parameters[], root_parameters[];

/* Tables that several of these go on with: list.c. */
extern const struct route_parameter owner_parameters[]; /* pid, unit, netns, then list_parameters */
extern const struct route_parameter list_parameters[]; /* fields, after, then page_parameters */
extern const struct route_parameter page_parameters[]; /* format, limit */
