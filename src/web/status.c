/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GET /status: how well tcpdiagd itself is. What each source lacks and why, the periods in force, what
 * the polls cost, which limits were hit. Answers before the first snapshot, too.
 */
#include <errno.h>
#include <string.h>

#include "web/emit.h"
#include "web/envelope.h"
#include "web/pieces.h"
#include "web/route.h"
#include "web/sysctls.h"

#define API_VERSION "1"
/* Seconds from then until now; null where it never was. */
static void emit_age(struct emitter *j, const char *name, int64_t then_ns, int64_t now_ns)
{
	if (then_ns)
		emit_ns(j, name, MAX(now_ns - then_ns, 0));
	else
		emit_null(j, name);
}

/* Rules that ask for history which is not there yet: what of it grows they cannot see until then. */
static void warming(struct emitter *j, const struct snapshot *snapshot, int64_t now_ns)
{
	const struct snapshot_header *h = snapshot->header;
	bool any = false;
	int rule;

	for (rule = TCPDIAG_RULE_FINDING_FIRST; rule < TCPDIAG_RULE_MAX; rule++)
		any |= snapshot_warms(h, (enum tcpdiag_rule)rule, now_ns);
	emit_bool(j, "warming_up", any);
	emit_array(j, "warming_rules");
	for (rule = TCPDIAG_RULE_FINDING_FIRST; rule < TCPDIAG_RULE_MAX; rule++) {
		if (!snapshot_warms(h, (enum tcpdiag_rule)rule, now_ns))
			continue;
		emit_object(j, NULL);
		emit_text(j, "rule", tcpdiag_rule_id(rule));
		emit_ns(j, "seconds_left", h->findings_warm_ns[rule] - now_ns);
		emit_since(j, "until", snapshot, h->findings_warm_ns[rule]);
		emit_end(j, '}');
	}
	emit_end(j, ']');
}

static void sources(struct emitter *j, const struct snapshot *snapshot, int64_t now_ns)
{
	uint32_t i;

	emit_array(j, "sources");
	for (i = 0; i < snapshot->source_count; i++) {
		const struct source *source = &snapshot->sources[i];

		emit_object(j, NULL);
		emit_text(j, "name", source_name(source->id));
		emit_text(j, "state", source_state_name(source->state));
		emit_text(j, "reason", snapshot_text(snapshot, source->reason));
		emit_text(j, "error", source->error ? strerrorname_np(abs(source->error)) : NULL);
		emit_age(j, "age_seconds", source->last_ns, now_ns);
		emit_number_known(j, "cost_seconds", source->passes, (double)source->cost_ns / 1e9);
		emit_u64(j, "passes", source->passes);
		emit_u64(j, "failures", source->failures);
		emit_end(j, '}');
	}
	emit_end(j, ']');
}

/* How a lane finds its sockets. */
static const char *lane_by(const struct snapshot_header *h, enum lane lane)
{
	if (!h->lanes[lane].last_ns || lane == LANE_OWNERS)
		return NULL;
	return lane == LANE_FAST && h->follow.by_events ? "events" : "dump";
}

static void follow(struct emitter *j, const struct follow_totals *follow, int64_t now_ns)
{
	emit_object(j, "fast_lane");
	emit_text(j, "by", follow->by_events ? "events" : "dump");
	emit_bool(j, "followed", follow->known);
	emit_u64(j, "namespaces", follow->namespaces);
	emit_u64(j, "namespaces_by_events", follow->namespaces_by_events);
	emit_u64(j, "looked_up", follow->looked_up);
	emit_u64(j, "left_alone", follow->left_alone);
	emit_age(j, "left_alone_seconds", follow->left_alone_ns, now_ns);
	emit_number_known(j, "look_up_seconds", follow->look_up_ns > 0, follow->look_up_ns / 1e9);
	emit_number_known(j, "dump_seconds", follow->dump_ns > 0, follow->dump_ns / 1e9);
	emit_u64(j, "entered", follow->entered);
	emit_u64(j, "gaps", follow->gaps);
	emit_object(j, "repairs");
	emit_u64(j, "lost", follow->lost);
	emit_u64(j, "extra", follow->extra);
	emit_end(j, '}');
	emit_u64(j, "reads", follow->reads);
	emit_u64(j, "dumps", follow->dumps);
	emit_end(j, '}');
}

static void lanes(struct emitter *j, const struct snapshot_header *h, int64_t now_ns)
{
	int i;

	emit_array(j, "lanes");
	for (i = 0; i < LANE_MAX; i++) {
		const struct lane_state *lane = &h->lanes[i];
		bool passed = lane->last_ns;

		emit_object(j, NULL);
		emit_string(j, "name", lane_name(i));
		emit_number_known(j, "interval_seconds", lane->interval_ns > 0,
				  (double)lane->interval_ns / 1e9);
		emit_number_known(j, "wanted_seconds", lane->wanted_ns > 0,
				  (double)lane->wanted_ns / 1e9);
		emit_bool(j, "stretched", lane->interval_ns > lane->wanted_ns);
		emit_age(j, "age_seconds", lane->last_ns, now_ns);
		emit_number_known(j, "cost_seconds", passed, (double)lane->cost_ns / 1e9);
		emit_number_known(j, "wall_seconds", passed, (double)lane->wall_ns / 1e9);
		emit_u64_known(j, "rows", passed, lane->rows);
		emit_u64(j, "passes", lane->passes);
		emit_text(j, "by", lane_by(h, (enum lane)i));
		emit_end(j, '}');
	}
	emit_end(j, ']');
}

static void limits(struct emitter *j, const struct snapshot_header *h)
{
	int limit;

	emit_object(j, "limits");
	for (limit = 0; limit < LIMIT_MAX; limit++)
		emit_u64(j, limit_name(limit), h->limits[limit]);
	emit_end(j, '}');
}

/* Whoever lives there, by name: an inode says nothing to a person. */
static const struct process *inhabitant(const struct snapshot *snapshot,
					const struct namespace *row)
{
	const struct process *found = NULL;
	uint32_t i;

	for (i = 0; i < snapshot->process_count; i++) {
		const struct process *process = &snapshot->processes[i];

		if (process->netns != row->inode)
			continue;
		if (process->container)
			return process;
		if (!found || process->pid == row->pid)
			found = process;
	}
	return found;
}

static void one_namespace(struct emitter *j, const struct snapshot *snapshot,
			  const struct namespace *row, int64_t now_ns)
{
	const struct process *process = inhabitant(snapshot, row);
	bool read = row->sweep_ns;

	emit_object(j, NULL);
	emit_u64(j, "inode", row->inode);
	emit_text(j, "name", snapshot_text(snapshot, row->name));
	emit_text(j, "state", source_state_name(row->state));
	emit_text(j, "reason", snapshot_text(snapshot, row->reason));
	emit_bool(j, "own", row->flags & NAMESPACE_OWN);
	emit_u64_known(j, "pid", row->pid > 0, (uint64_t)row->pid);
	emit_text(j, "comm", process ? snapshot_text(snapshot, process->comm) : NULL);
	emit_text(j, "container",
		  process ? snapshot_text(snapshot, process->container_title) : NULL);
	emit_u64_known(j, "sockets", read, row->sockets);
	emit_bool(j, "idle", row->flags & NAMESPACE_IDLE);
	emit_bool(j, "own_table", row->flags & NAMESPACE_OWN_TABLE);
	emit_age(j, "sweep_age_seconds", row->sweep_ns, now_ns);
	emit_age(j, "fast_age_seconds", row->fast_ns, now_ns);
	emit_age(j, "checked_age_seconds", row->checked_ns, now_ns);
	emit_number_known(j, "cost_seconds", read, (double)row->cost_ns / 1e9);
	emit_u64(j, "reads", row->reads);
	emit_sysctls(j, "sysctls", &row->environment, row->port_range);
	emit_end(j, '}');
}

static void namespaces(struct emitter *j, const struct snapshot *snapshot, int64_t now_ns)
{
	uint32_t i;

	emit_array(j, "namespaces");
	for (i = 0; i < snapshot->namespace_count; i++)
		one_namespace(j, snapshot, &snapshot->namespaces[i], now_ns);
	emit_end(j, ']');
}

static void reload(struct emitter *j, const struct snapshot *snapshot)
{
	const struct snapshot_header *h = snapshot->header;

	emit_object(j, "reload");
	emit_since(j, "time", snapshot, h->reload_ns);
	if (h->reload_ns)
		emit_bool(j, "ok", h->reload_ok);
	else
		emit_null(j, "ok");
	emit_text(j, "error", snapshot_text(snapshot, h->reload_error));
	emit_end(j, '}');
}

static void history(struct emitter *j, const struct snapshot *snapshot)
{
	const struct history_header *h = &snapshot->header->history;
	uint32_t entries = 0, ended = 0, i;

	for (i = 0; i < snapshot->history_count; i++)
		entries += snapshot->history[i].kind != HISTORY_NONE;
	for (i = 0; i < snapshot->ended_count; i++)
		ended += snapshot->ended[i].gone_ns != 0;
	emit_object(j, "history");
	emit_since(j, "since", snapshot, h->since_ns);
	emit_u64(j, "restarts", h->restart_count);
	emit_u64(j, "entries", entries);
	emit_u64(j, "overwritten", h->overwritten);
	emit_u64(j, "ended", ended);
	emit_u64(j, "ended_overwritten", h->ended_overwritten);
	emit_end(j, '}');
}

/* null where the source does not work; the brake stays visible while it is what keeps it from working. */
static void events(struct emitter *j, const struct snapshot *snapshot)
{
	const struct event_totals *events = &snapshot->header->events;
	const bool bpf = events->known && events->origin == EVENT_ORIGIN_BPF;
	size_t i;

	emit_object(j, "events");
	emit_text(j, "from", events->known ? event_origin_name(events->origin) : NULL);
	if (bpf)
		emit_bool(j, "reasons", events->reasons);
	else
		emit_null(j, "reasons");
	emit_text(j, "brake",
		  events->known || events->brake ? event_brake_name(events->brake) : NULL);
	if (events->brake)
		emit_since(j, "brake_since", snapshot, events->brake_ns);
	else
		emit_null(j, "brake_since");
	emit_u64_known(j, "brake_pulled", events->known || events->brake, events->braked);
	emit_number_known(j, "core_share", bpf && events->core_share >= 0, events->core_share);
	emit_u64_known(j, "read", events->known, events->events);
	emit_u64_known(j, "dropped", events->known, events->dropped + events->dropped_multicast);
	emit_object(j, "oracle_checks");
	for (i = 0; i < ARRAY_SIZE(events->checks); i++)
		emit_u64_known(j, check_result_name((unsigned int)i), bpf, events->checks[i]);
	emit_u64_known(j, "skipped", bpf, events->checks_skipped);
	emit_end(j, '}');
	emit_end(j, '}');
}

/* What is remembered of events, and what made room for newer ones. */
static void journal(struct emitter *j, const struct journal_view *view)
{
	int i;

	if (!view) {
		emit_null(j, "journal");
		return;
	}
	emit_object(j, "journal");
	emit_raw(j, "since", "");
	buffer_time(j->b, journal_since_ns(view));
	emit_u64(j, "newest", journal_newest(view));
	emit_object(j, "overwritten");
	for (i = 0; i < EVENT_RING_MAX; i++)
		emit_u64(j, event_ring_name(i), journal_overwritten(view, i));
	emit_end(j, '}');
	emit_u64(j, "folded", journal_folded(view));
	emit_end(j, '}');
}

static void collector(struct emitter *j, const struct snapshot *snapshot, int64_t now_ns)
{
	const struct snapshot_header *h = snapshot->header;
	bool known = h->start_time_seconds > 0;

	emit_text(j, "host", snapshot_text(snapshot, h->hostname));
	emit_text(j, "kernel", snapshot_text(snapshot, h->kernel));
	emit_u64_known(j, "netns", h->netns, h->netns);
	emit_since(j, "started", snapshot, h->started_ns);
	emit_age(j, "uptime_seconds", h->started_ns, now_ns);
	emit_bool(j, "replay", h->replay);
	warming(j, snapshot, now_ns);
	emit_lines(j, "missing", snapshot_text(snapshot, h->missing));
	sources(j, snapshot, now_ns);
	lanes(j, h, now_ns);
	follow(j, &h->follow, now_ns);
	limits(j, h);
	namespaces(j, snapshot, now_ns);
	reload(j, snapshot);
	history(j, snapshot);
	events(j, snapshot);
	emit_u64(j, "web_restarts", h->web_restarts);
	emit_object(j, "collector");
	emit_number_known(j, "cpu_seconds", known, h->cpu_seconds);
	emit_u64_known(j, "resident_bytes", h->resident_bytes, h->resident_bytes);
	emit_u64_known(j, "virtual_bytes", h->virtual_bytes, h->virtual_bytes);
	emit_u64_known(j, "open_fds", h->open_fds, h->open_fds);
	emit_u64_known(j, "max_fds", h->max_fds, h->max_fds);
	emit_end(j, '}');
}

static void web(struct emitter *j, const struct web_statistics *w)
{
	static const char *const classes[] = { NULL, NULL, "2xx", "3xx", "4xx", "5xx" };
	size_t i;

	emit_object(j, "web");
	emit_object(j, "requests");
	for (i = 2; i < ARRAY_SIZE(classes); i++)
		emit_u64(j, classes[i], w->requests[i]);
	emit_end(j, '}');
	emit_u64(j, "connections", w->connections_now);
	emit_u64(j, "connections_accepted", w->connections);
	emit_u64(j, "response_bytes", w->bytes);
	emit_u64(j, "replies_broken_off", w->broken_off);
	emit_u64(j, "snapshots_received", w->snapshots);
	emit_u64(j, "requests_waiting", w->waiting);
	emit_u64(j, "requests_waited", w->waits);
	emit_u64(j, "waits_refused", w->waits_refused);
	emit_u64(j, "streams", w->streams);
	emit_u64(j, "streams_cut", w->streams_cut);
	emit_number_known(j, "cpu_seconds", w->start_time_seconds > 0, w->cpu_seconds);
	emit_u64_known(j, "resident_bytes", w->resident_bytes, w->resident_bytes);
	emit_u64_known(j, "open_fds", w->open_fds, w->open_fds);
	emit_end(j, '}');
}

int status_route(const struct request *request, struct document **ret,
		 struct problem *problem __attribute__((unused)))
{
	struct buffer b = { 0 };
	struct emitter j = { .b = &b };

	emit_object(&j, NULL);
	if (request->snapshot) {
		/* No clock runs in a replay. */
		int64_t now_ns = request->snapshot->header->replay
					 ? request->snapshot->header->now_ns
					 : request->now_ns;

		envelope_print(&b, request->snapshot, request->now_ns);
		j.more = true;
		emit_string(&j, "api", API_VERSION);
		emit_string(&j, "version", TCPDIAGD_VERSION);
		collector(&j, request->snapshot, now_ns);
		journal(&j, request->journal);
	} else {
		emit_null(&j, "snapshot");
		emit_string(&j, "api", API_VERSION);
		emit_string(&j, "version", TCPDIAGD_VERSION);
	}
	if (request->statistics)
		web(&j, request->statistics);
	emit_end(&j, '}');
	buffer_char(&b, '\n');
	return document_from_buffer(&b, 200, "application/json", ret);
}
