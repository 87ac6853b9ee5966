/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GET /summary: the host on one screen, from sums that the collector made. What a failed source would
 * have told is null.
 */
#include <errno.h>
#include <unistd.h>

#include "web/creators.h"
#include "web/envelope.h"
#include "web/metrics.h"
#include "web/recent.h"
#include "web/sysctls.h"

static void by_state(struct emitter *j, const char *name, const uint32_t counts[TCPDIAG_STATE_MAX])
{
	int state;

	emit_object(j, name);
	for (state = 1; state < TCPDIAG_STATE_MAX; state++)
		emit_u64(j, tcpdiag_state_name(state), counts[state]);
	emit_end(j, '}');
}

static void by_attachment(struct emitter *j, const char *name,
			  const uint32_t counts[TCPDIAG_ATTACHMENT_MAX])
{
	int attachment;

	emit_object(j, name);
	for (attachment = 0; attachment < TCPDIAG_ATTACHMENT_MAX; attachment++)
		emit_u64(j, tcpdiag_attachment_name(attachment), counts[attachment]);
	emit_end(j, '}');
}

static void close_totals(struct emitter *j, const struct totals *totals)
{
	int rule, segment;

	emit_object(j, "close");
	emit_u64(j, "rst_peer_open", totals->close_rst_peer_open);
	emit_u64(j, "rst_peer_finished", totals->close_rst_peer_finished);
	emit_u64(j, "fin", totals->close_fin);
	emit_u64(j, "none", totals->close_none);
	emit_object(j, "by_rule");
	for (rule = 1; rule < TCPDIAG_RULE_MAX; rule++) {
		uint64_t count = 0;

		for (segment = 0; segment < TCPDIAG_SEGMENT_MAX; segment++)
			count += totals->close[rule][segment];
		if (count)
			emit_u64(j, tcpdiag_rule_id(rule), count);
	}
	emit_end(j, '}');
	emit_end(j, '}');
}

static void sockets(struct emitter *j, const struct snapshot *snapshot)
{
	const struct totals *totals = &snapshot->header->totals;
	const uint32_t *fin_wait_2 = totals->teardown[TCPDIAG_FIN_WAIT2];
	int state;

	emit_u64(j, "total", totals->sockets);
	by_state(j, "sockets", totals->state);
	by_attachment(j, "attachments", totals->attachment);
	emit_object(j, "teardown");
	for (state = 1; state < TCPDIAG_STATE_MAX; state++)
		if (TCPDIAG_STATES_TEARDOWN & TCPDIAG_STATE_BIT(state))
			by_attachment(j, tcpdiag_state_name(state), totals->teardown[state]);
	emit_end(j, '}');
	emit_object(j, "fin_wait_2");
	emit_u64(j, "held", fin_wait_2[TCPDIAG_HELD]);
	emit_u64(j, "orphan", fin_wait_2[TCPDIAG_ORPHAN]);
	emit_u64(j, "timewait", fin_wait_2[TCPDIAG_TIMEWAIT]);
	emit_end(j, '}');
	emit_object(j, "oldest_seconds");
	for (state = 1; state < TCPDIAG_STATE_MAX; state++)
		emit_number_known(j, tcpdiag_state_name(state), totals->state[state],
				  totals->oldest_seconds[state]);
	emit_end(j, '}');
	close_totals(j, totals);
	emit_object(j, "unread_bytes");
	emit_u64(j, "peer_open", totals->unread_bytes_peer_open);
	emit_u64(j, "peer_finished", totals->unread_bytes_peer_finished);
	emit_end(j, '}');
	emit_u64(j, "unsent_bytes", totals->unsent_bytes);
	emit_object(j, "listeners");
	emit_u64(j, "waiting", totals->listener_waiting);
	emit_number(j, "queue_ratio_max", totals->listener_ratio_max);
	emit_u64(j, "at_risk", totals->listeners_at_risk);
	emit_end(j, '}');
	emit_object(j, "ports");
	emit_number_known(j, "used_ratio_max", snapshot->header->port_range[1],
			  totals->port_range_ratio_max);
	emit_end(j, '}');
}

static void no_sockets(struct emitter *j)
{
	static const char *const names[] = { "total",	  "sockets",	  "attachments",
					     "teardown",  "fin_wait_2",	  "oldest_seconds",
					     "close",	  "unread_bytes", "unsent_bytes",
					     "listeners", "ports" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		emit_null(j, names[i]);
}

static int orphans(struct emitter *j, const struct snapshot *snapshot)
{
	const struct snapshot_header *h = snapshot->header;
	const struct orphans *o = &h->orphans;
	bool growth = o->count_known && o->growth_known;
	int r = 0;

	emit_object(j, "orphans");
	emit_u64_known(j, "count", o->count_known, o->count);
	emit_u64_known(j, "limit", h->environment.known & TCPDIAG_ENV_ORPHANS,
		       h->environment.tcp_max_orphans);
	emit_u64_known(j, "peak", o->count_known, o->peak);
	emit_number_known(j, "growth_per_second", growth, o->growth_per_second);
	emit_number_known(j, "seconds_to_limit", growth && o->seconds_to_limit >= 0,
			  o->seconds_to_limit);
	if (metrics_source_works(snapshot, SOURCE_SOCK_DIAG))
		r = creators_print(j, snapshot);
	else
		creators_print_unknown(j);
	emit_end(j, '}');
	return r;
}

static void memory(struct emitter *j, const struct tcpdiag_environment *environment)
{
	static const char *const levels[] = { "low", "pressure", "high" };
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	size_t i;

	if (!(environment->known & TCPDIAG_ENV_MEMORY_PAGES)) {
		emit_null(j, "memory");
		return;
	}
	emit_object(j, "memory");
	emit_u64(j, "bytes", environment->memory_pages * page);
	/* tcp_mem stands in the machine's first namespace only. */
	if (environment->known & TCPDIAG_ENV_MEMORY) {
		emit_object(j, "limits");
		for (i = 0; i < ARRAY_SIZE(levels); i++)
			emit_u64(j, levels[i], environment->tcp_mem[i] * page);
		emit_end(j, '}');
	} else {
		emit_null(j, "limits");
	}
	emit_end(j, '}');
}

static void counters(struct emitter *j, const char *name, const struct counters *counters)
{
	int counter;

	emit_object(j, name);
	for (counter = 0; counter < COUNTER_MAX; counter++)
		emit_u64_known(j, counter_name(counter), counters->known & 1U << counter,
			       counters->value[counter]);
	emit_end(j, '}');
}

static void findings(struct emitter *j, const struct snapshot *snapshot)
{
	uint32_t severities[SEVERITY_MAX] = { 0 }, rules[TCPDIAG_RULE_MAX] = { 0 }, i;
	/* That these have found nothing says nothing. */
	uint32_t silent = snapshot->header->findings_blind | snapshot->header->findings_partly;
	int severity, rule;

	for (i = 0; i < snapshot->finding_count; i++) {
		if (snapshot->findings[i].severity < SEVERITY_MAX)
			severities[snapshot->findings[i].severity]++;
		if (snapshot->findings[i].rule < TCPDIAG_RULE_MAX)
			rules[snapshot->findings[i].rule]++;
	}
	emit_object(j, "findings");
	for (severity = SEVERITY_INFO; severity < SEVERITY_MAX; severity++)
		emit_u64(j, severity_name(severity), severities[severity]);
	emit_object(j, "by_rule");
	for (rule = TCPDIAG_RULE_FINDING_FIRST; rule < TCPDIAG_RULE_MAX; rule++)
		emit_u64_known(j, tcpdiag_rule_id(rule),
			       rules[rule] || !(silent & finding_bit((enum tcpdiag_rule)rule)),
			       rules[rule]);
	emit_end(j, '}');
	emit_end(j, '}');
}

int summary_route(const struct request *request, struct document **ret,
		  struct problem *problem __attribute__((unused)))
{
	const struct snapshot *snapshot = request->snapshot;
	const struct snapshot_header *h = snapshot->header;
	struct buffer b = { 0 };
	struct emitter j = { .b = &b };
	int r;

	emit_object(&j, NULL);
	envelope_print(&b, snapshot, request->now_ns);
	j.more = true;
	if (metrics_source_works(snapshot, SOURCE_SOCK_DIAG))
		sockets(&j, snapshot);
	else
		no_sockets(&j);
	r = orphans(&j, snapshot);
	if (r >= 0)
		r = recent_resets_emit(&j, "resets", snapshot, request->journal, request->wall_ns);
	if (r < 0) {
		buffer_done(&b);
		return r;
	}
	memory(&j, &h->environment);
	counters(&j, "counters", &h->counters);
	counters(&j, "counters_last_minute", &h->rates);
	emit_sysctls(&j, "sysctls", &h->environment, h->port_range);
	findings(&j, snapshot);
	emit_end(&j, '}');
	buffer_char(&b, '\n');
	r = document_from_buffer(&b, 200, "application/json", ret);
	if (!r)
		(*ret)->cacheable = true;
	return r;
}
