/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The metric families, and where each gets its value.
 *
 * Sums come from struct totals: nothing here walks the sockets. Every label value of a working source
 * is printed, as 0 too; no label holds an address, a port, a pid, an inode or a cookie.
 */
#include <unistd.h>

#include "web/metrics.h"
#include "web/metrics_events.h"

static double seconds(int64_t ns)
{
	return (double)ns / 1e9;
}

/* A getter: @condition says whether the value is known. @h is the snapshot's header. */
#define VALUE(name, condition, expression) \
	static bool name(const struct scrape *s, double *ret) \
	{ \
		const struct snapshot_header *h = s->snapshot->header; \
\
		if (!(condition)) \
			return false; \
		*ret = (double)(expression); \
		return true; \
	}

/* The same for the web process. */
#define WEB_VALUE(name, condition, expression) \
	static bool name(const struct scrape *s, double *ret) \
	{ \
		const struct web_statistics *w = s->statistics; \
\
		if (!(condition)) \
			return false; \
		*ret = (double)(expression); \
		return true; \
	}

VALUE(snapshot_time, true, seconds(h->wall_ns))
VALUE(snapshot_complete, true, h->missing == 0)
VALUE(unsent, true, h->totals.unsent_bytes)
VALUE(orphan_count, h->orphans.count_known, h->orphans.count)
VALUE(orphan_peak, h->orphans.count_known, h->orphans.peak)
VALUE(orphan_limit, (h->environment.known & TCPDIAG_ENV_ORPHANS) != 0,
      h->environment.tcp_max_orphans)
VALUE(orphan_growth, h->orphans.count_known && h->orphans.growth_known,
      h->orphans.growth_per_second)
VALUE(memory, (h->environment.known & TCPDIAG_ENV_MEMORY_PAGES) != 0,
      (double)h->environment.memory_pages *(double)sysconf(_SC_PAGESIZE))
VALUE(queue_connections, true, h->totals.listener_waiting)
VALUE(queue_ratio, true, h->totals.listener_ratio_max)
VALUE(listeners_at_risk, true, h->totals.listeners_at_risk)
VALUE(port_ratio, h->port_range[1], h->totals.port_range_ratio_max)
VALUE(overflows, h->counters.known & 1U << COUNTER_LISTEN_OVERFLOWS,
      h->counters.value[COUNTER_LISTEN_OVERFLOWS])
VALUE(drops, h->counters.known & 1U << COUNTER_LISTEN_DROPS,
      h->counters.value[COUNTER_LISTEN_DROPS])
VALUE(events_read, true, h->events.events)
VALUE(checks_skipped, h->events.origin == EVENT_ORIGIN_BPF, h->events.checks_skipped)
/* Also while it is pulled so far that the source sees nothing. */
VALUE(brake, h->events.known || h->events.brake, h->events.brake)
VALUE(brake_pulled, h->events.known || h->events.brake, h->events.braked)
VALUE(events_share, h->events.known && h->events.core_share >= 0, h->events.core_share)
VALUE(skipped, true, h->limits[LIMIT_SNAPSHOTS_SKIPPED])
VALUE(web_restarts, true, h->web_restarts)
VALUE(reload_successful, true, !h->reload_ns || h->reload_ok)
VALUE(cpu_seconds, h->start_time_seconds > 0, h->cpu_seconds)
VALUE(resident, h->resident_bytes, h->resident_bytes)
VALUE(virtual, h->virtual_bytes, h->virtual_bytes)
VALUE(open_fds, h->open_fds, h->open_fds)
VALUE(max_fds, h->max_fds, h->max_fds)
VALUE(start_time, h->start_time_seconds > 0, h->start_time_seconds)

WEB_VALUE(web_connections, true, w->connections)
WEB_VALUE(web_connections_now, true, w->connections_now)
WEB_VALUE(web_bytes, true, w->bytes)
WEB_VALUE(web_broken_off, true, w->broken_off)
WEB_VALUE(web_snapshots, true, w->snapshots)
WEB_VALUE(web_streams, true, w->streams)
WEB_VALUE(web_streams_cut, true, w->streams_cut)
WEB_VALUE(web_cpu, w->start_time_seconds > 0, w->cpu_seconds)
WEB_VALUE(web_resident, w->resident_bytes, w->resident_bytes)
WEB_VALUE(web_fds, w->open_fds, w->open_fds)
WEB_VALUE(web_start, w->start_time_seconds > 0, w->start_time_seconds)

static void build_info(struct scrape *s)
{
	const struct label labels[] = {
		{ "version", TCPDIAGD_VERSION },
		{ "kernel",
		  s->snapshot ? snapshot_text(s->snapshot, s->snapshot->header->kernel) : "" },
	};

	scrape_sample(s, labels, ARRAY_SIZE(labels), 1);
}

static void collector_duration(struct scrape *s)
{
	uint32_t i;

	for (i = 0; i < s->snapshot->source_count; i++) {
		const struct source *source = &s->snapshot->sources[i];

		if (source->state != SOURCE_OFF && source->passes)
			scrape_sample_1(s, "collector", source_name(source->id),
					seconds(source->cost_ns));
	}
}

static void collector_success(struct scrape *s)
{
	uint32_t i;

	for (i = 0; i < s->snapshot->source_count; i++) {
		const struct source *source = &s->snapshot->sources[i];

		scrape_sample_1(s, "collector", source_name(source->id),
				metrics_source_works(s->snapshot, source->id));
	}
}

static void poll_interval(struct scrape *s)
{
	int lane;

	for (lane = 0; lane < LANE_MAX; lane++)
		if (s->snapshot->header->lanes[lane].interval_ns > 0)
			scrape_sample_1(s, "lane", lane_name(lane),
					seconds(s->snapshot->header->lanes[lane].interval_ns));
}

static void network_namespaces(struct scrape *s)
{
	int64_t others = s->snapshot->header->other_namespaces;
	uint32_t count[SOURCE_STATE_MAX] = { 0 }, listed = 0, i;

	/* Containers that nobody has looked for are not none. */
	if (!s->snapshot->namespace_count || others < 0)
		return;
	for (i = 0; i < s->snapshot->namespace_count; i++) {
		const struct namespace *row = &s->snapshot->namespaces[i];

		if (row->state < SOURCE_STATE_MAX)
			count[row->state]++;
		listed += !row->sweep_ns && !(row->flags & NAMESPACE_OWN);
	}
	/* Known to be there, and that is all. */
	if (others > listed)
		count[SOURCE_OFF] += (uint32_t)others - listed;
	for (i = 0; i < SOURCE_STATE_MAX; i++)
		scrape_sample_1(s, "state", source_state_name(i), count[i]);
}

static void sockets(struct scrape *s)
{
	int state;

	for (state = 1; state < TCPDIAG_STATE_MAX; state++)
		scrape_sample_1(s, "state", tcpdiag_state_name(state),
				s->snapshot->header->totals.state[state]);
}

static void attachments(struct scrape *s)
{
	int attachment;

	for (attachment = 0; attachment < TCPDIAG_ATTACHMENT_MAX; attachment++)
		scrape_sample_1(s, "attachment", tcpdiag_attachment_name(attachment),
				s->snapshot->header->totals.attachment[attachment]);
}

static void teardown(struct scrape *s)
{
	int state, attachment;

	for (state = 1; state < TCPDIAG_STATE_MAX; state++) {
		if (!(TCPDIAG_STATES_TEARDOWN & TCPDIAG_STATE_BIT(state)))
			continue;
		for (attachment = 0; attachment < TCPDIAG_ATTACHMENT_MAX; attachment++)
			scrape_sample(s,
				      (struct label[]){ { "state", tcpdiag_state_name(state) },
							{ "attachment",
							  tcpdiag_attachment_name(attachment) } },
				      2, s->snapshot->header->totals.teardown[state][attachment]);
	}
}

/* What each rule of close() sends: the cells of the catalogue that can hold a socket. */
static const struct {
	uint8_t rule, segment;
} close_cells[] = {
	{ TCPDIAG_RULE_CLOSE_NOTHING, TCPDIAG_SEGMENT_NONE },
	{ TCPDIAG_RULE_CLOSE_SYN_SENT, TCPDIAG_SEGMENT_NONE },
	{ TCPDIAG_RULE_CLOSE_LISTENER, TCPDIAG_SEGMENT_NONE },
	{ TCPDIAG_RULE_CLOSE_REPAIR, TCPDIAG_SEGMENT_NONE },
	{ TCPDIAG_RULE_CLOSE_UNREAD, TCPDIAG_SEGMENT_RST },
	{ TCPDIAG_RULE_CLOSE_LINGER_ZERO, TCPDIAG_SEGMENT_RST },
	{ TCPDIAG_RULE_CLOSE_LINGER_ZERO_SILENT, TCPDIAG_SEGMENT_NONE },
	{ TCPDIAG_RULE_CLOSE_FIN, TCPDIAG_SEGMENT_FIN },
	{ TCPDIAG_RULE_CLOSE_FIN_SENT, TCPDIAG_SEGMENT_NONE },
	{ TCPDIAG_RULE_CLOSE_FIN_WAIT2, TCPDIAG_SEGMENT_NONE },
	{ TCPDIAG_RULE_CLOSE_LINGER2_NEGATIVE, TCPDIAG_SEGMENT_RST },
	{ TCPDIAG_RULE_CLOSE_ORPHAN_LIMIT, TCPDIAG_SEGMENT_RST },
	{ TCPDIAG_RULE_CLOSE_TIME_WAIT_OVERFLOW, TCPDIAG_SEGMENT_NONE },
	{ TCPDIAG_RULE_CLOSE_MPTCP_FASTCLOSE, TCPDIAG_SEGMENT_RST },
	{ TCPDIAG_RULE_CLOSE_MPTCP, TCPDIAG_SEGMENT_NONE },
	{ TCPDIAG_RULE_CLOSE_MPTCP, TCPDIAG_SEGMENT_FIN },
	{ TCPDIAG_RULE_CLOSE_MPTCP_FALLBACK, TCPDIAG_SEGMENT_NONE },
	{ TCPDIAG_RULE_CLOSE_MPTCP_FALLBACK, TCPDIAG_SEGMENT_FIN },
	{ TCPDIAG_RULE_CLOSE_SUBFLOW, TCPDIAG_SEGMENT_NONE },
	{ TCPDIAG_RULE_CHILD_MIGRATES, TCPDIAG_SEGMENT_NONE },
};

static bool close_cell(int rule, int segment)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(close_cells); i++)
		if (close_cells[i].rule == rule && close_cells[i].segment == segment)
			return true;
	return false;
}

/* A cell outside of the table that holds a socket after all is shown, too: better odd than silent. */
static void close_outcomes(struct scrape *s)
{
	int rule, segment;

	for (rule = 1; rule < TCPDIAG_RULE_MAX; rule++)
		for (segment = 0; segment < TCPDIAG_SEGMENT_MAX; segment++) {
			uint32_t count = s->snapshot->header->totals.close[rule][segment];

			if (count || close_cell(rule, segment))
				scrape_sample(s,
					      (struct label[]){
						      { "segment", tcpdiag_segment_name(segment) },
						      { "rule", tcpdiag_rule_id(rule) } },
					      2, count);
		}
}

static void unread(struct scrape *s)
{
	const struct totals *totals = &s->snapshot->header->totals;

	scrape_sample_1(s, "peer", "open", (double)totals->unread_bytes_peer_open);
	scrape_sample_1(s, "peer", "finished", (double)totals->unread_bytes_peer_finished);
}

static void oldest(struct scrape *s)
{
	int state;

	for (state = 1; state < TCPDIAG_STATE_MAX; state++)
		scrape_sample_1(s, "state", tcpdiag_state_name(state),
				s->snapshot->header->totals.oldest_seconds[state]);
}

static void memory_limit(struct scrape *s)
{
	static const char *const levels[] = { "low", "pressure", "high" };
	const struct tcpdiag_environment *environment = &s->snapshot->header->environment;
	size_t i;

	if (environment->known & TCPDIAG_ENV_MEMORY)
		for (i = 0; i < ARRAY_SIZE(levels); i++)
			scrape_sample_1(s, "level", levels[i],
					(double)environment->tcp_mem[i] *
						(double)sysconf(_SC_PAGESIZE));
}

/* Not judged is no 0, except for the moment until the first answer: a series that is awaited is there. */
static bool judged(const struct snapshot *snapshot, enum tcpdiag_rule rule)
{
	bool partly = snapshot->header->findings_partly & finding_bit(rule);
	/* Limits that are not known may be those of a namespace that is read later. */
	uint32_t awaited = partly ? SOURCE_NAMESPACES : SOURCE_BPF, i;

	if (!partly && !(snapshot->header->findings_blind & finding_bit(rule)))
		return true;
	for (i = 0; i < snapshot->source_count; i++)
		if (snapshot->sources[i].id == awaited)
			return snapshot->sources[i].state == SOURCE_STARTING;
	return false;
}

static void findings(struct scrape *s)
{
	uint32_t count[TCPDIAG_RULE_MAX][SEVERITY_MAX] = { 0 }, i;
	int rule, severity;

	for (i = 0; i < s->snapshot->finding_count; i++) {
		const struct finding *finding = &s->snapshot->findings[i];

		if (finding->rule < TCPDIAG_RULE_MAX && finding->severity < SEVERITY_MAX)
			count[finding->rule][finding->severity]++;
	}
	for (rule = TCPDIAG_RULE_FINDING_FIRST; rule < TCPDIAG_RULE_MAX; rule++)
		for (severity = SEVERITY_INFO; severity < SEVERITY_MAX; severity++)
			if (count[rule][severity] || judged(s->snapshot, (enum tcpdiag_rule)rule))
				scrape_sample(
					s,
					(struct label[]){ { "rule", tcpdiag_rule_id(rule) },
							  { "severity", severity_name(severity) } },
					2, count[rule][severity]);
}

static void findings_raised_total(struct scrape *s)
{
	int rule;

	for (rule = TCPDIAG_RULE_FINDING_FIRST; rule < TCPDIAG_RULE_MAX; rule++)
		scrape_sample_1(s, "rule", tcpdiag_rule_id(rule),
				(double)s->snapshot->header->findings_raised[rule]);
}

static void aborts(struct scrape *s)
{
	static const struct {
		const char *cause;
		enum counter counter;
	} causes[] = {
		{ "data", COUNTER_ABORT_ON_DATA },     { "close", COUNTER_ABORT_ON_CLOSE },
		{ "memory", COUNTER_ABORT_ON_MEMORY }, { "timeout", COUNTER_ABORT_ON_TIMEOUT },
		{ "linger", COUNTER_ABORT_ON_LINGER }, { "failed", COUNTER_ABORT_FAILED },
	};
	const struct counters *counters = &s->snapshot->header->counters;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(causes); i++)
		if (counters->known & 1U << causes[i].counter)
			scrape_sample_1(s, "cause", causes[i].cause,
					(double)counters->value[causes[i].counter]);
}

static void limits(struct scrape *s)
{
	int limit;

	for (limit = 0; limit < LIMIT_MAX; limit++)
		scrape_sample_1(s, "limit", limit_name(limit),
				(double)s->snapshot->header->limits[limit]);
}

/* The unit's name, of the first row what stands for all others; NULL where there was no room for it. */
static const char *unit_name(const struct scrape *s, uint32_t row)
{
	const char *name = snapshot_text(s->snapshot, s->snapshot->header->units[row].name);

	if (!row)
		return "~other";
	return *name ? name : NULL;
}

static uint32_t unit_count(const struct scrape *s)
{
	return MIN(s->snapshot->header->unit_count, UNIT_PLACES + 1U);
}

static void unit_sockets(struct scrape *s)
{
	static const uint8_t states[UNIT_STATE_MAX] = {
		[UNIT_ESTABLISHED] = TCPDIAG_ESTABLISHED, [UNIT_CLOSE_WAIT] = TCPDIAG_CLOSE_WAIT,
		[UNIT_FIN_WAIT1] = TCPDIAG_FIN_WAIT1,	  [UNIT_FIN_WAIT2] = TCPDIAG_FIN_WAIT2,
		[UNIT_LAST_ACK] = TCPDIAG_LAST_ACK,
	};

	for (uint32_t row = 0; row < unit_count(s); row++)
		for (unsigned int i = 0; i < UNIT_STATE_MAX; i++) {
			const struct label labels[] = {
				{ "systemd_unit", unit_name(s, row) },
				{ "state", tcpdiag_state_name((enum tcpdiag_state)states[i]) },
			};

			scrape_sample(s, labels, ARRAY_SIZE(labels),
				      s->snapshot->header->units[row].sockets[i]);
		}
}

static void unit_close_resets(struct scrape *s)
{
	for (uint32_t row = 0; row < unit_count(s); row++)
		scrape_sample_1(s, "systemd_unit", unit_name(s, row),
				s->snapshot->header->units[row].close_resets);
}

/* Whose creator nobody knows stand by themselves: all of them together are every orphan that is seen. */
static void unit_orphans(struct scrape *s)
{
	const struct totals *totals = &s->snapshot->header->totals;
	uint64_t known = 0;

	for (uint32_t row = 0; row < unit_count(s); row++) {
		const uint32_t orphans = s->snapshot->header->units[row].orphans;

		scrape_sample_1(s, "systemd_unit", unit_name(s, row), orphans);
		known += orphans;
	}
	if (!unit_count(s) || !metrics_source_works(s->snapshot, SOURCE_SOCK_DIAG))
		return;
	scrape_sample_1(s, "systemd_unit", "~unknown",
			(double)(totals->attachment[TCPDIAG_ORPHAN] -
				 MIN(known, totals->attachment[TCPDIAG_ORPHAN])));
}

static void unit_queue_ratio(struct scrape *s)
{
	for (uint32_t row = 0; row < unit_count(s); row++)
		scrape_sample_1(s, "systemd_unit", unit_name(s, row),
				s->snapshot->header->units[row].listener_ratio);
}

static void web_requests(struct scrape *s)
{
	static const char *const classes[] = { NULL, NULL, "2xx", "3xx", "4xx", "5xx" };
	size_t i;

	for (i = 2; i < ARRAY_SIZE(classes); i++)
		scrape_sample_1(s, "code", classes[i], (double)s->statistics->requests[i]);
}

#define GAUGE METRIC_GAUGE, METRIC_OF_SNAPSHOT
#define COUNTER METRIC_COUNTER, METRIC_OF_SNAPSHOT
#define WEB_GAUGE METRIC_GAUGE, METRIC_OF_WEB, SOURCE_MAX
#define WEB_COUNTER METRIC_COUNTER, METRIC_OF_WEB, SOURCE_MAX

/* clang-format off: one row a family */
static const struct metric metrics[] = {
	{ "tcpdiag_build_info", METRIC_INFO, METRIC_OF_BUILD, SOURCE_MAX, NULL, "version,kernel",
	  "The version of tcpdiagd and of the kernel it watches.", NULL, build_info },
	{ "tcpdiag_snapshot_timestamp_seconds", GAUGE, SOURCE_MAX, "seconds", NULL,
	  "When the snapshot was taken from which all samples of this scrape come.", snapshot_time,
	  NULL },
	{ "tcpdiag_snapshot_complete", GAUGE, SOURCE_MAX, NULL, NULL,
	  "Whether every source answered in full and no limit cut anything.", snapshot_complete,
	  NULL },
	{ "tcpdiag_collector_duration_seconds", GAUGE, SOURCE_MAX, "seconds", "collector",
	  "CPU time of the last pass of a source.", NULL, collector_duration },
	{ "tcpdiag_collector_success", GAUGE, SOURCE_MAX, NULL, "collector",
	  "Whether a source answers; where it is 0 the families that depend on it are absent.",
	  NULL, collector_success },
	{ "tcpdiag_poll_interval_seconds", GAUGE, SOURCE_MAX, "seconds", "lane",
	  "The interval in force, which stretches when polls would cost too much.", NULL,
	  poll_interval },
	{ "tcpdiag_network_namespaces", GAUGE, SOURCE_MAX, NULL, "state",
	  "Network namespaces by how well they are read; off: not at all.", NULL,
	  network_namespaces },
	{ "tcpdiag_sockets", GAUGE, SOURCE_SOCK_DIAG, NULL, "state", "TCP sockets by state.", NULL,
	  sockets },
	{ "tcpdiag_sockets_attachment", GAUGE, SOURCE_SOCK_DIAG, NULL, "attachment",
	  "TCP sockets by who has them: a process, a listener's queue, nobody.", NULL,
	  attachments },
	{ "tcpdiag_teardown_sockets", GAUGE, SOURCE_SOCK_DIAG, NULL, "state,attachment",
	  "TCP sockets that are being closed, by state and by who has them.", NULL, teardown },
	{ "tcpdiag_close_outcomes", GAUGE, SOURCE_SOCK_DIAG, NULL, "segment,rule",
	  "TCP sockets by what close() would send now and by the rule that decides it.", NULL,
	  close_outcomes },
	{ "tcpdiag_unread_bytes", GAUGE, SOURCE_SOCK_DIAG, "bytes", "peer",
	  "Received bytes that no process has read, by whether the peer has finished.", NULL,
	  unread },
	{ "tcpdiag_unsent_bytes", GAUGE, SOURCE_SOCK_DIAG, "bytes", NULL,
	  "Written bytes that have not been sent once.", unsent, NULL },
	{ "tcpdiag_oldest_seconds", GAUGE, SOURCE_SOCK_DIAG, "seconds", "state",
	  "How long the oldest socket has at least been in its state; 0 where there is none.", NULL,
	  oldest },
	{ "tcpdiag_orphans", GAUGE, SOURCE_COUNTERS, NULL, NULL,
	  "Orphaned sockets of the whole machine, as the kernel counts them against its limit.",
	  orphan_count, NULL },
	{ "tcpdiag_orphans_peak", GAUGE, SOURCE_COUNTERS, NULL, NULL,
	  "Most orphaned sockets seen in the last 120 seconds.", orphan_peak, NULL },
	{ "tcpdiag_orphans_limit", GAUGE, SOURCE_COUNTERS, NULL, NULL,
	  "The limit net.ipv4.tcp_max_orphans.", orphan_limit, NULL },
	{ "tcpdiag_orphans_growth_per_second", GAUGE, SOURCE_COUNTERS, NULL, NULL,
	  "Robust growth of orphaned sockets; absent while history is too short.", orphan_growth,
	  NULL },
	{ "tcpdiag_memory_bytes", GAUGE, SOURCE_COUNTERS, "bytes", NULL,
	  "Memory of all TCP buffers.", memory, NULL },
	{ "tcpdiag_memory_limit_bytes", GAUGE, SOURCE_COUNTERS, "bytes", "level",
	  "The three levels of net.ipv4.tcp_mem.", NULL, memory_limit },
	{ "tcpdiag_listener_queue_connections", GAUGE, SOURCE_SOCK_DIAG, NULL, NULL,
	  "Connections that wait in accept queues.", queue_connections, NULL },
	{ "tcpdiag_listener_queue_ratio_max", GAUGE, SOURCE_SOCK_DIAG, NULL, NULL,
	  "The fullest accept queue against its limit; above 1 it is full.", queue_ratio, NULL },
	{ "tcpdiag_listeners_at_risk", GAUGE, SOURCE_SOCK_DIAG, NULL, NULL,
	  "Listeners whose accept queue is half full or worse.", listeners_at_risk, NULL },
	{ "tcpdiag_listener_overflows_total", COUNTER, SOURCE_COUNTERS, NULL, NULL,
	  "Connections refused since an accept queue was full (ListenOverflows).", overflows,
	  NULL },
	{ "tcpdiag_listener_drops_total", COUNTER, SOURCE_COUNTERS, NULL, NULL,
	  "Connections dropped at a listener for any reason (ListenDrops).", drops, NULL },
	{ "tcpdiag_port_range_used_ratio_max", GAUGE, SOURCE_SOCK_DIAG, NULL, NULL,
	  "The most used share of ip_local_port_range towards one remote address and port.",
	  port_ratio, NULL },
	{ "tcpdiag_findings", GAUGE, SOURCE_SOCK_DIAG, NULL, "rule,severity",
	  "Findings that stand now.", NULL, findings },
	{ "tcpdiag_findings_raised_total", COUNTER, SOURCE_SOCK_DIAG, NULL, "rule",
	  "Findings raised since the start.", NULL, findings_raised_total },
	{ "tcpdiag_unit_sockets", GAUGE, SOURCE_PROCESSES, NULL, "systemd_unit,state",
	  "TCP sockets that processes of a unit hold or have left, and those in its queues; "
	  "~other: all units "
	  "without a series of their own.",
	  NULL, unit_sockets },
	{ "tcpdiag_unit_close_resets", GAUGE, SOURCE_PROCESSES, NULL, "systemd_unit",
	  "TCP sockets of a unit whose close() would send a RST now.", NULL, unit_close_resets },
	{ "tcpdiag_unit_orphans", GAUGE, SOURCE_PROCESSES, NULL, "systemd_unit",
	  "Orphaned sockets that processes of a unit have left; ~unknown: nobody saw who.", NULL,
	  unit_orphans },
	{ "tcpdiag_unit_listener_queue_ratio", GAUGE, SOURCE_PROCESSES, NULL, "systemd_unit",
	  "The fullest accept queue of a unit against its limit; 0 where it does not listen.", NULL,
	  unit_queue_ratio },
	{ "tcpdiag_aborts_total", COUNTER, SOURCE_COUNTERS, NULL, "cause",
	  "Connections that the kernel gave up, by cause (TCPAbortOn..., TCPAbortFailed).", NULL,
	  aborts },
	{ "tcpdiag_resets_sent_total", COUNTER, SOURCE_EVENTS, NULL, "reason",
	  "RSTs that this machine sent, by the kernel's reason, or the one that follows from what "
	  "was seen.",
	  NULL, metrics_resets_sent },
	{ "tcpdiag_resets_received_total", COUNTER, SOURCE_EVENTS, NULL, "state",
	  "RSTs that sockets of this machine took, by the state they met.", NULL,
	  metrics_resets_received },
	{ "tcpdiag_events_read_total", COUNTER, SOURCE_EVENTS, NULL, NULL,
	  "What the kernel told of connections between polls: rows, of which several make one "
	  "event.",
	  events_read, NULL },
	{ "tcpdiag_events_dropped_total", COUNTER, SOURCE_EVENTS, NULL, "source",
	  "Rows that found no room before they were read.", NULL, metrics_events_dropped },
	{ "tcpdiag_events_brake", GAUGE, SOURCE_MAX, NULL, NULL,
	  "What the events may see since they cost too much: 0 everything, 1 resets and ends, 2 "
	  "nothing.",
	  brake, NULL },
	{ "tcpdiag_events_brake_pulled_total", COUNTER, SOURCE_MAX, NULL, NULL,
	  "How often the events were braked, since they cost too much.", brake_pulled, NULL },
	{ "tcpdiag_events_core_ratio", GAUGE, SOURCE_EVENTS, NULL, NULL,
	  "Share of one core that the programs for events take.", events_share, NULL },
	{ "tcpdiag_fast_lane_repairs_total", COUNTER, SOURCE_EVENTS, NULL, "kind",
	  "Sockets in teardown states that a dump has shown and no event has told of (lost), or "
	  "the "
	  "other way round (extra).",
	  NULL, metrics_fast_lane_repairs },
	{ "tcpdiag_oracle_checks_total", COUNTER, SOURCE_EVENTS, NULL, "result",
	  "Closes, shutdowns and exits that were compared with what the oracle says of them.", NULL,
	  metrics_oracle_checks },
	{ "tcpdiag_oracle_checks_skipped_total", COUNTER, SOURCE_EVENTS, NULL, NULL,
	  "Those that were not compared, since there were too many.", checks_skipped, NULL },
	{ "tcpdiag_limit_reached_total", COUNTER, SOURCE_MAX, NULL, "limit",
	  "What was cut or skipped at a limit of tcpdiagd.", NULL, limits },
	{ "tcpdiag_snapshots_skipped_total", COUNTER, SOURCE_MAX, NULL, NULL,
	  "Snapshots that were not published since every buffer was lent.", skipped, NULL },
	{ "tcpdiag_web_restarts_total", COUNTER, SOURCE_MAX, NULL, NULL,
	  "How often the web process had to be started again.", web_restarts, NULL },
	{ "tcpdiag_config_last_reload_successful", GAUGE, SOURCE_MAX, NULL, NULL,
	  "Whether the last reload of the configuration was taken.", reload_successful, NULL },
	{ "tcpdiag_web_requests_total", WEB_COUNTER, NULL, "code",
	  "Requests answered by the web process, by class of status.", NULL, web_requests },
	{ "tcpdiag_web_connections", WEB_GAUGE, NULL, NULL,
	  "Connections that clients have open to the web process.", web_connections_now, NULL },
	{ "tcpdiag_web_connections_accepted_total", WEB_COUNTER, NULL, NULL,
	  "Connections that the web process has accepted.", web_connections, NULL },
	{ "tcpdiag_web_response_bytes_total", WEB_COUNTER, "bytes", NULL,
	  "Bytes of bodies that the web process has made, before compression.", web_bytes, NULL },
	{ "tcpdiag_web_replies_broken_off_total", WEB_COUNTER, NULL, NULL,
	  "Replies that held their snapshot for too long.", web_broken_off, NULL },
	{ "tcpdiag_web_snapshots_received_total", WEB_COUNTER, NULL, NULL,
	  "Snapshots that the web process was lent.", web_snapshots, NULL },
	{ "tcpdiag_web_streams", WEB_GAUGE, NULL, NULL, "Clients that events are streamed to.",
	  web_streams, NULL },
	{ "tcpdiag_web_streams_cut_total", WEB_COUNTER, NULL, NULL,
	  "Streams of events that were cut since their client did not read.", web_streams_cut,
	  NULL },
	{ "tcpdiag_web_cpu_seconds_total", WEB_COUNTER, "seconds", NULL,
	  "CPU time of the web process.", web_cpu, NULL },
	{ "tcpdiag_web_resident_memory_bytes", WEB_GAUGE, "bytes", NULL,
	  "Resident memory of the web process, mapped snapshots included.", web_resident, NULL },
	{ "tcpdiag_web_open_fds", WEB_GAUGE, NULL, NULL,
	  "Open file descriptors of the web process.", web_fds, NULL },
	{ "tcpdiag_web_start_time_seconds", WEB_GAUGE, "seconds", NULL,
	  "Start of the web process since the epoch.", web_start, NULL },
	{ "process_cpu_seconds_total", COUNTER, SOURCE_MAX, "seconds", NULL,
	  "CPU time of the collector.", cpu_seconds, NULL },
	{ "process_resident_memory_bytes", GAUGE, SOURCE_MAX, "bytes", NULL,
	  "Resident memory of the collector.", resident, NULL },
	{ "process_virtual_memory_bytes", GAUGE, SOURCE_MAX, "bytes", NULL,
	  "Virtual memory of the collector.", virtual, NULL },
	{ "process_open_fds", GAUGE, SOURCE_MAX, NULL, NULL,
	  "Open file descriptors of the collector.", open_fds, NULL },
	{ "process_max_fds", GAUGE, SOURCE_MAX, NULL, NULL,
	  "File descriptors that the collector may open.", max_fds, NULL },
	{ "process_start_time_seconds", GAUGE, SOURCE_MAX, "seconds", NULL,
	  "Start of the collector since the epoch.", start_time, NULL },
};
/* clang-format on */

const struct metric *metric_table(size_t *ret_count)
{
	*ret_count = ARRAY_SIZE(metrics);
	return metrics;
}
