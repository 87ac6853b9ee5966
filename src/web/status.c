/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GET /status: how well tcpdiagd itself is. What each source lacks and why, the periods in force, what
 * the polls cost, which limits were hit. Answers before the first snapshot, too.
 */
#include <errno.h>
#include <string.h>

#include "web/envelope.h"
#include "web/json.h"
#include "web/pieces.h"
#include "web/route.h"

#define API_VERSION "1"
/* Rules about growth need so much history before their silence means anything. */
#define WARM_UP_NS (15 * 60 * NSEC_PER_SEC)

/* Seconds from then until now; null where it never was. */
static void json_age(struct json *j, const char *name, int64_t then_ns, int64_t now_ns)
{
	if (then_ns)
		json_ns(j, name, MAX(now_ns - then_ns, 0));
	else
		json_null(j, name);
}

static void sources(struct json *j, const struct snapshot *snapshot, int64_t now_ns)
{
	uint32_t i;

	json_array(j, "sources");
	for (i = 0; i < snapshot->source_count; i++) {
		const struct source *source = &snapshot->sources[i];

		json_object(j, NULL);
		json_text(j, "name", source_name(source->id));
		json_text(j, "state", source_state_name(source->state));
		json_text(j, "reason", snapshot_text(snapshot, source->reason));
		json_text(j, "error", source->error ? strerrorname_np(abs(source->error)) : NULL);
		json_age(j, "age_seconds", source->last_ns, now_ns);
		json_number_known(j, "cost_seconds", source->passes, (double)source->cost_ns / 1e9);
		json_u64(j, "passes", source->passes);
		json_u64(j, "failures", source->failures);
		json_end(j, '}');
	}
	json_end(j, ']');
}

static void lanes(struct json *j, const struct snapshot_header *h, int64_t now_ns)
{
	int i;

	json_array(j, "lanes");
	for (i = 0; i < LANE_MAX; i++) {
		const struct lane_state *lane = &h->lanes[i];
		bool passed = lane->last_ns;

		json_object(j, NULL);
		json_string(j, "name", lane_name(i));
		json_number_known(j, "interval_seconds", lane->interval_ns > 0,
				  (double)lane->interval_ns / 1e9);
		json_number_known(j, "wanted_seconds", lane->wanted_ns > 0,
				  (double)lane->wanted_ns / 1e9);
		json_bool(j, "stretched", lane->interval_ns > lane->wanted_ns);
		json_age(j, "age_seconds", lane->last_ns, now_ns);
		json_number_known(j, "cost_seconds", passed, (double)lane->cost_ns / 1e9);
		json_number_known(j, "wall_seconds", passed, (double)lane->wall_ns / 1e9);
		json_u64_known(j, "rows", passed, lane->rows);
		json_u64(j, "passes", lane->passes);
		json_end(j, '}');
	}
	json_end(j, ']');
}

static void limits(struct json *j, const struct snapshot_header *h)
{
	int limit;

	json_object(j, "limits");
	for (limit = 0; limit < LIMIT_MAX; limit++)
		json_u64(j, limit_name(limit), h->limits[limit]);
	json_end(j, '}');
}

static void namespaces(struct json *j, const struct snapshot *snapshot)
{
	uint32_t i;

	json_array(j, "namespaces");
	for (i = 0; i < snapshot->namespace_count; i++) {
		json_object(j, NULL);
		json_u64(j, "inode", snapshot->namespaces[i].inode);
		json_text(j, "name", snapshot_text(snapshot, snapshot->namespaces[i].name));
		json_text(j, "state", source_state_name(snapshot->namespaces[i].state));
		json_u64(j, "sockets", snapshot->namespaces[i].sockets);
		json_end(j, '}');
	}
	json_end(j, ']');
}

static void reload(struct json *j, const struct snapshot *snapshot)
{
	const struct snapshot_header *h = snapshot->header;

	json_object(j, "reload");
	json_since(j, "time", snapshot, h->reload_ns);
	if (h->reload_ns)
		json_bool(j, "ok", h->reload_ok);
	else
		json_null(j, "ok");
	json_text(j, "error", snapshot_text(snapshot, h->reload_error));
	json_end(j, '}');
}

static void collector(struct json *j, const struct snapshot *snapshot, int64_t now_ns)
{
	const struct snapshot_header *h = snapshot->header;
	bool known = h->start_time_seconds > 0;

	json_text(j, "host", snapshot_text(snapshot, h->hostname));
	json_text(j, "kernel", snapshot_text(snapshot, h->kernel));
	json_u64_known(j, "netns", h->netns, h->netns);
	json_since(j, "started", snapshot, h->started_ns);
	json_age(j, "uptime_seconds", h->started_ns, now_ns);
	json_bool(j, "replay", h->replay);
	json_bool(j, "warming_up", !h->replay && h->now_ns - h->started_ns < WARM_UP_NS);
	json_lines(j, "missing", snapshot_text(snapshot, h->missing));
	sources(j, snapshot, now_ns);
	lanes(j, h, now_ns);
	limits(j, h);
	namespaces(j, snapshot);
	reload(j, snapshot);
	json_u64(j, "web_restarts", h->web_restarts);
	json_object(j, "collector");
	json_number_known(j, "cpu_seconds", known, h->cpu_seconds);
	json_u64_known(j, "resident_bytes", h->resident_bytes, h->resident_bytes);
	json_u64_known(j, "virtual_bytes", h->virtual_bytes, h->virtual_bytes);
	json_u64_known(j, "open_fds", h->open_fds, h->open_fds);
	json_u64_known(j, "max_fds", h->max_fds, h->max_fds);
	json_end(j, '}');
}

static void web(struct json *j, const struct web_statistics *w)
{
	static const char *const classes[] = { NULL, NULL, "2xx", "3xx", "4xx", "5xx" };
	size_t i;

	json_object(j, "web");
	json_object(j, "requests");
	for (i = 2; i < ARRAY_SIZE(classes); i++)
		json_u64(j, classes[i], w->requests[i]);
	json_end(j, '}');
	json_u64(j, "connections", w->connections_now);
	json_u64(j, "connections_accepted", w->connections);
	json_u64(j, "response_bytes", w->bytes);
	json_u64(j, "replies_broken_off", w->broken_off);
	json_u64(j, "snapshots_received", w->snapshots);
	json_number_known(j, "cpu_seconds", w->start_time_seconds > 0, w->cpu_seconds);
	json_u64_known(j, "resident_bytes", w->resident_bytes, w->resident_bytes);
	json_u64_known(j, "open_fds", w->open_fds, w->open_fds);
	json_end(j, '}');
}

int status_route(const struct request *request, struct document **ret,
		 struct problem *problem __attribute__((unused)))
{
	struct buffer b = { 0 };
	struct json j = { .b = &b };

	json_object(&j, NULL);
	if (request->snapshot) {
		/* No clock runs in a replay. */
		int64_t now_ns = request->snapshot->header->replay
					 ? request->snapshot->header->now_ns
					 : request->now_ns;

		envelope_print(&b, request->snapshot, request->now_ns);
		j.more = true;
		json_string(&j, "api", API_VERSION);
		json_string(&j, "version", TCPDIAGD_VERSION);
		collector(&j, request->snapshot, now_ns);
	} else {
		json_null(&j, "snapshot");
		json_string(&j, "api", API_VERSION);
		json_string(&j, "version", TCPDIAGD_VERSION);
	}
	if (request->statistics)
		web(&j, request->statistics);
	json_end(&j, '}');
	buffer_char(&b, '\n');
	return document_from_buffer(&b, 200, "application/json", ret);
}
