/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stands behind the records: holders, processes, findings, sources, namespaces, and the header.
 */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "collector/private.h"
#include "model/macro.h"

#define MISSING_MAX 4096U

/* ---- what is not complete ---- */

struct lines {
	char text[MISSING_MAX];
	size_t used;
};

PRINTF(2, 3) static void line(struct lines *lines, const char *format, ...)
{
	size_t left = sizeof(lines->text) - lines->used;
	va_list arguments;
	int n;

	if (left < 2)
		return;
	if (lines->used) {
		lines->text[lines->used++] = '\n';
		left--;
	}
	va_start(arguments, format);
	n = vsnprintf(lines->text + lines->used, left, format, arguments);
	va_end(arguments);
	if (n > 0)
		lines->used += MIN((size_t)n, left - 1);
}

static void missing_sources(struct lines *lines, const struct sources *sources, bool others)
{
	int i;

	for (i = 0; i < SOURCE_MAX; i++) {
		const struct source_text *text = &sources->text[i];

		/* A kernel without MPTCP has no MPTCP sockets: nothing is missing. */
		if (text->row.state == SOURCE_OK ||
		    (i == SOURCE_MPTCP_DIAG && text->row.state == SOURCE_OFF))
			continue;
		/* What it shows is not of this instant. */
		if (i == SOURCE_EVENTS &&
		    (text->row.state == SOURCE_OFF || text->row.state == SOURCE_STARTING))
			continue;
		/* What no other namespace is there for is not missed either. */
		if (i == SOURCE_NAMESPACES && text->row.state == SOURCE_OFF && !others)
			continue;
		line(lines, "%s: %s", source_name((enum source_id)i),
		     text->reason[0] ? text->reason : "has not answered yet");
	}
}

#define MACHINE_LIMITS \
	"tcp_max_orphans and tcp_mem are not known, which only the machine's first network " \
	"namespace " \
	"shows; judged in part without them"

/* Rules that nothing was judged by, or not all: that they are silent says nothing. */
static void missing_rules(struct lines *lines, const char *what, uint32_t rules)
{
	const char *separator = "";
	char text[512] = "";
	size_t used = 0;
	int rule;

	for (rule = TCPDIAG_RULE_FINDING_FIRST; rule < TCPDIAG_RULE_MAX; rule++) {
		int n;

		if (!(rules & finding_bit((enum tcpdiag_rule)rule)))
			continue;
		n = snprintf(text + used, sizeof(text) - used, "%s%s", separator,
			     tcpdiag_rule_id((enum tcpdiag_rule)rule));
		if (n < 0 || (size_t)n >= sizeof(text) - used)
			break;
		used += (size_t)n;
		separator = ", ";
	}
	if (used)
		line(lines, "%s: %s", what, text);
}

static uint32_t missing(struct poll *p)
{
	struct collector *c = p->c;
	const struct space *own = c->spaces.own;
	const struct sock_diag_stats *stats = own->diag ? sock_diag_stats(own->diag) : NULL;
	struct lines lines = {};
	uint32_t cut = c->spaces.kept_cut, i;

	for (i = 0; i < c->spaces.count; i++)
		cut += c->spaces.rows[i]->cut;
	missing_sources(&lines, &c->sources, !c->replay && census_others(c) != 0);
	if (cut)
		line(&lines, "%u sockets above limits.sockets (%u) are not shown", cut,
		     c->settings.max_sockets);
	if (!own->sweep_ns && !own->cut && !p->stale)
		line(&lines, "no full sweep is complete yet");
	missing_rules(&lines, "not judged without what is missing", p->w.header->findings_blind);
	missing_rules(&lines, MACHINE_LIMITS, p->w.header->findings_partly);
	if (stats && c->replay && stats->truncated)
		line(&lines, "%llu messages of the dump are cut short or malformed",
		     (unsigned long long)stats->truncated);
	return snapshot_string(&p->w, lines.text, lines.used);
}

/* ---- the collector's own cost ---- */

static uint32_t count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	uint32_t count = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count ? count - 1 : 0; /* its own */
}

static void own_cost(struct snapshot_header *header)
{
	FILE *statm = fopen("/proc/self/statm", "re");
	unsigned long long pages_virtual = 0, pages_resident = 0;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct rlimit limit;
	char text[128];

	header->cpu_seconds = (double)clock_ns(CLOCK_PROCESS_CPUTIME_ID) / (double)NSEC_PER_SEC;
	header->open_fds = count_descriptors();
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		header->max_fds = (uint32_t)MIN(limit.rlim_cur, (rlim_t)UINT32_MAX);
	if (statm && fgets(text, sizeof(text), statm)) {
		char *end;

		pages_virtual = strtoull(text, &end, 10);
		pages_resident = strtoull(end, NULL, 10);
	}
	if (statm)
		fclose(statm);
	header->virtual_bytes = pages_virtual * page;
	header->resident_bytes = pages_resident * page;
}

/* ---- sections ---- */

static int put_holders(struct poll *p)
{
	uint32_t count;
	const struct holder *holders = attach_holders(p->c->attach, &count);
	struct holder *rows;

	if (!count)
		return 0;
	rows = snapshot_section(&p->w, SECTION_HOLDERS, count, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	memcpy(rows, holders, count * sizeof(*rows));
	return 0;
}

static int put_processes(struct poll *p, const struct process *processes, uint32_t count)
{
	struct process *rows;

	if (!count)
		return 0;
	rows = snapshot_section(&p->w, SECTION_PROCESSES, count, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	memcpy(rows, processes, count * sizeof(*rows));
	return 0;
}

/* In memory of our own: sections move. Return: 0 or -ENOMEM. */
static int print_namespaces(struct poll *p)
{
	struct collector *c = p->c;
	struct spaces *spaces = &c->spaces;
	uint32_t i;

	if (spaces->count > spaces->out_room) {
		struct namespace *rows = reallocarray(spaces->out, spaces->count, sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		spaces->out = rows;
		spaces->out_room = spaces->count;
	}
	for (i = 0; i < spaces->count; i++)
		space_print(spaces->rows[i], c->sources.text[SOURCE_SOCK_DIAG].row.state, &p->w,
			    &spaces->out[i]);
	return 0;
}

static int put_namespaces(struct poll *p)
{
	const struct spaces *spaces = &p->c->spaces;
	struct namespace *rows = snapshot_section(&p->w, SECTION_NAMESPACES, spaces->count,
						  sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	memcpy(rows, spaces->out, spaces->count * sizeof(*rows));
	return 0;
}

/* The first walk is under way, or about to begin; one that failed is not waited for. */
static bool owners_pending(const struct collector *c)
{
	const struct owners_lane *walk = &c->walk;

	return c->settings.processes && walk->owners && !owners_result_ns(walk->owners) &&
	       (walk->running || walk->begun == walk->base);
}

/* When the newest complete walk began; 0 where the next one is overdue, so that nothing waits for ever. */
static int64_t owners_asked(const struct poll *p)
{
	const struct lane_state *lane = &p->c->lane_states[LANE_OWNERS];
	const struct owners_lane *walk = &p->c->walk;
	int64_t patience = 2 * (lane->interval_ns + lane->wall_ns);

	if (!p->c->settings.processes || !walk->owners || !lane->passes ||
	    p->now_ns - lane->last_ns > patience)
		return 0;
	return owners_result_ns(walk->owners);
}

/* Records that a finding is about: the next poll looks at them more closely. */
static int list_flagged(struct poll *p)
{
	struct collector *c = p->c;
	/* What could not be judged, now or the last time, has not changed. */
	uint32_t blind = p->w.header->findings_blind | c->blind;
	struct record *records;
	uint32_t count, i;
	int r = 0;

	c->blind = p->w.header->findings_blind;
	c->flagged_count = 0;
	records = snapshot_writer_records(&p->w, &count);
	for (i = 0; i < p->concerned_count && r == 0; i++) {
		struct record *record = &records[c->concerned[i]];

		if ((record->findings ^ c->had[i]) & ~blind)
			history_findings(c->history, record,
					 (c->had[i] & ~blind) | (record->findings & blind));
		if (record->findings)
			r = push_number(&c->flagged, &c->flagged_room, &c->flagged_count,
					c->concerned[i]);
	}
	return r;
}

static int put_findings(struct poll *p, const struct orphans *orphans, const struct counters *rates,
			const struct process *processes, uint32_t process_count)
{
	struct collector *c = p->c;
	bool known_queues = c->queues.wanted && !c->queues.failed;
	struct findings_input input = {
		.now_ns = p->now_ns,
		.started_ns = c->self.started_ns,
		.listeners_interval_ns = c->lanes.passes[PASS_LISTENERS].interval_ns,
		.fast_interval_ns = c->lanes.passes[PASS_FAST].interval_ns,
		.sweep_interval_ns = c->lanes.passes[PASS_SWEEP].interval_ns,
		.owners_pending = owners_pending(c),
		.owners_asked_ns = owners_asked(p),
		.processes = processes,
		.process_count = process_count,
		.environment = &c->environment,
		.rates = rates,
		.namespaces = c->spaces.out,
		.namespace_count = c->spaces.count,
		.orphans = orphans,
		.page_bytes = (uint32_t)sysconf(_SC_PAGESIZE),
		.queues_known = known_queues,
		.queue_bytes = c->queues.bytes,
		.queue_rows = c->queues.count,
		.queue_nobody = c->queues.nobody,
		.ports_known = c->usage.counted,
		.ports = c->usage.pairs,
		.port_count = c->usage.pair_count,
		.settings_blind = !reader_works(c),
		.holders_blind = !c->settings.processes || !c->walk.owners,
		.closed_blind = !reader_works(c) || !c->walk.bpf,
		.netns = c->self.netns,
		.replay = c->replay,
		.selected = true,
		.rows = c->concerned,
		.row_count = p->concerned_count,
	};
	int r;

	port_usage_resolve(&c->usage, processes, process_count, p->ports_looked);
	input.holders = attach_holders(c->attach, &input.holder_count);
	r = findings_evaluate(c->findings, &c->settings.thresholds, &input, &p->w);
	return r < 0 ? r : list_flagged(p);
}

/* ---- the header ---- */

/* This pass is nearly over: what it has cost so far is what it costs. */
static void own_lane(const struct poll *p, struct lane_state *lane)
{
	lane->cost_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - p->cpu_ns;
	lane->wall_ns = clock_ns(CLOCK_MONOTONIC) - p->now_ns;
	lane->last_ns = p->now_ns;
	lane->rows = p->rows;
	lane->passes++;
}

static void lanes_state(struct poll *p)
{
	struct collector *c = p->c;
	static const enum pass passes[] = { [LANE_FAST] = PASS_FAST, [LANE_SWEEP] = PASS_SWEEP };
	uint32_t i;

	for (i = 0; i < ARRAY_SIZE(passes); i++) {
		c->lane_states[i].wanted_ns = c->lanes.passes[passes[i]].wanted_ns;
		c->lane_states[i].interval_ns = c->lanes.passes[passes[i]].interval_ns;
	}
	if (p->stale)
		return;
	if (p->pass == PASS_FAST)
		own_lane(p, &c->lane_states[LANE_FAST]);
	if (p->pass == PASS_SWEEP)
		own_lane(p, &c->lane_states[LANE_SWEEP]);
	/* A sweep shows what the fast lane shows, too. */
	if (p->pass == PASS_SWEEP)
		c->lane_states[LANE_FAST].last_ns = p->now_ns;
}

static void put_limits(struct collector *c, uint64_t limits[LIMIT_MAX])
{
	struct owners_cut cut = {};
	uint32_t i;

	if (c->walk.owners)
		cut = owners_cut(c->walk.owners);
	memcpy(limits, c->limits, sizeof(c->limits));
	limits[LIMIT_PROCESSES] += cut.processes + attach_cut_processes(c->attach);
	limits[LIMIT_CONTAINERS] += cut.containers;
	limits[LIMIT_STORIES] += events_lane_cut(c);
	limits[LIMIT_FOLDED] += journal_minutes_folded(collector_journal(c));
	limits[LIMIT_MINUTES] += journal_minutes_cut(collector_journal(c));
	limits[LIMIT_HOLDERS] += cut.holders + attach_cut_holders(c->attach);
	if (c->census.watch)
		limits[LIMIT_NAMESPACES] += netns_cut(c->census.watch);
	limits[LIMIT_MESSAGES_TRUNCATED] += c->spaces.truncated;
	limits[LIMIT_MESSAGES_FOREIGN] += c->spaces.foreign;
	for (i = 0; i < c->spaces.count; i++) {
		const struct sock_diag *diag = c->spaces.rows[i]->diag;

		if (!diag)
			continue;
		limits[LIMIT_MESSAGES_TRUNCATED] += sock_diag_stats(diag)->truncated;
		limits[LIMIT_MESSAGES_FOREIGN] += sock_diag_stats(diag)->foreign;
	}
}

static uint32_t put_text(struct poll *p, const char *text)
{
	return text ? snapshot_string(&p->w, text, strlen(text)) : 0;
}

static void put_header(struct poll *p, const struct orphans *orphans, const struct counters *rates)
{
	struct collector *c = p->c;
	struct snapshot_header *header = p->w.header;
	bool old = p->stale && p->before.header;
	int rule;

	lanes_state(p);
	header->id = ++c->id;
	/* Without a dump the snapshot is as old as the one before. */
	header->now_ns = old ? p->before.header->now_ns : p->now_ns;
	header->wall_ns = old ? p->before.header->wall_ns : p->wall_ns;
	header->started_ns = c->self.started_ns;
	header->reload_ns = c->reload.when_ns;
	header->reload_ok = c->reload.ok;
	header->replay = c->replay;
	memcpy(header->boot_id, c->self.boot_id, sizeof(header->boot_id));
	header->owner_pass = c->walk.begun;
	header->reload_error = put_text(p, c->reload.error);
	header->hostname = put_text(p, c->self.hostname);
	header->kernel = put_text(p, c->self.kernel);
	header->missing = missing(p);
	header->netns = c->self.netns;
	header->other_namespaces = census_others(c);
	header->web_restarts = c->web_restarts;
	memcpy(header->lanes, c->lane_states, sizeof(header->lanes));
	follow_publish(c, &header->follow);
	put_limits(c, header->limits);
	header->counters = c->counters;
	header->rates = *rates;
	header->environment = c->environment;
	memcpy(header->port_range, c->port_range, sizeof(header->port_range));
	header->orphans = *orphans;
	header->totals = p->totals;
	events_lane_publish(c, &header->events);
	for (rule = TCPDIAG_RULE_FINDING_FIRST; rule < TCPDIAG_RULE_MAX; rule++)
		header->findings_raised[rule] = findings_raised(c->findings,
								(enum tcpdiag_rule)rule);
	own_cost(header);
	header->start_time_seconds = c->self.start_time_seconds;
}

int poll_seal(struct poll *p)
{
	struct collector *c = p->c;
	const struct process *processes;
	struct orphans orphans;
	struct counters rates;
	uint32_t count;

	gauges_orphans(&c->gauges, p->now_ns, &c->environment, &orphans);
	gauges_rates(&c->gauges, p->now_ns, &rates);
	processes = attach_processes(c->attach, &p->w, &count);
	if (print_namespaces(p) < 0)
		return -ENOMEM;
	if (put_findings(p, &orphans, &rates, processes, count) < 0 || put_holders(p) < 0 ||
	    put_processes(p, processes, count) < 0 ||
	    units_publish(&c->units, processes, count, p->now_ns, &p->w) < 0 ||
	    put_namespaces(p) < 0 || sources_publish(&c->sources, &p->w) < 0)
		return -ENOMEM;
	put_header(p, &orphans, &rates);
	if (history_publish(c->history, &p->w) < 0)
		return -ENOMEM;
	return snapshot_seal(&p->w);
}
