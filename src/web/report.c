/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The report: what somebody on call wants to read first, in the order in which it matters.
 *
 * A host with warnings gets the tables; a calm one gets a few lines that say what was checked and since
 * when, since "nothing found" says nothing without that.
 */
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "web/envelope.h"
#include "web/metrics.h"
#include "web/report.h"
#include "web/report_parts.h"

#define FINDINGS_MAX 12 /* warnings and worse, */
#define FULL_MAX 4 /* of these with cause and remedy: the rest would push them off the screen */
#define INFOS_MAX 5
#define COLUMNS_MIN 40U
#define COLUMNS_MAX 400U
#define ONCE_NS (2 * NSEC_PER_SEC) /* younger than that: nothing was seen twice */

struct report {
	struct page page;
	const struct snapshot *snapshot;
	const struct finding **findings; /* owned, worst first */
	uint32_t severity[SEVERITY_MAX];
	struct state_table states;
	bool sockets_known;
	bool calm; /* nothing but information */
};

static int worst_first(const void *a, const void *b)
{
	const struct finding *x = *(const struct finding *const *)a;
	const struct finding *y = *(const struct finding *const *)b;

	if (x->severity != y->severity)
		return y->severity - x->severity;
	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return (x->id > y->id) - (x->id < y->id);
}

static int report_init(struct report *report, struct buffer *b, const struct snapshot *snapshot,
		       unsigned int columns)
{
	uint32_t i;

	*report = (struct report){
		.page = { .b = b, .columns = MIN(MAX(columns, COLUMNS_MIN), COLUMNS_MAX) },
		.snapshot = snapshot,
		.sockets_known = metrics_source_works(snapshot, SOURCE_SOCK_DIAG),
	};
	report->findings = calloc(snapshot->finding_count + 1U, sizeof(struct finding *));
	if (!report->findings)
		return -ENOMEM;
	for (i = 0; i < snapshot->finding_count; i++) {
		report->findings[i] = &snapshot->findings[i];
		if (snapshot->findings[i].severity < SEVERITY_MAX)
			report->severity[snapshot->findings[i].severity]++;
	}
	qsort(report->findings, snapshot->finding_count, sizeof(struct finding *), worst_first);
	report_count_states(snapshot, &report->states);
	report->calm = !report->severity[SEVERITY_WARNING] && !report->severity[SEVERITY_CRITICAL];
	return 0;
}

/* "2026-11-23 04:00:00 UTC" */
static const char *time_text(int64_t wall_ns, char ret[32])
{
	struct buffer b = { 0 };

	*ret = '\0';
	buffer_time(&b, wall_ns);
	if (!b.error && b.len >= 20)
		snprintf(ret, 32, "%.10s %.8s UTC", b.data + 1, b.data + 12);
	buffer_done(&b);
	return ret;
}

static void lane_age(struct page *page, const struct snapshot_header *h, enum lane lane,
		     const char *what, unsigned int gap)
{
	const struct lane_state *state = &h->lanes[lane];
	char age[NUMBER_MAX], interval[NUMBER_MAX];

	/* How old a file is it does not tell. */
	if (!state->last_ns || h->replay)
		return;
	page_printf(page, gap, "%s %s old", what,
		    seconds_text((double)(h->now_ns - state->last_ns) / 1e9, age));
	if (state->wanted_ns > 0 && state->interval_ns > state->wanted_ns)
		page_printf(page, 1, "(polled each %s only, to spare the CPU)",
			    seconds_text((double)state->interval_ns / 1e9, interval));
}

/* What nothing happens to the fast lane has not looked at in its last pass. */
static void rest_age(struct page *page, const struct snapshot_header *h)
{
	char age[NUMBER_MAX];

	if (!h->follow.left_alone_ns || !h->lanes[LANE_FAST].last_ns || h->replay)
		return;
	page_printf(page, 1, "(at rest up to %s)",
		    seconds_text((double)(h->now_ns - h->follow.left_alone_ns) / 1e9, age));
}

static void print_namespaces(struct page *page, const struct snapshot *snapshot)
{
	uint32_t read = 0, i;
	char text[NUMBER_MAX];

	for (i = 0; i < snapshot->namespace_count; i++)
		read += snapshot->namespaces[i].sweep_ns != 0;
	if (read > 1)
		page_printf(page, 1, "in %s namespaces", number_text(read, text));
}

static void print_header(struct report *report)
{
	const struct snapshot *snapshot = report->snapshot;
	const struct snapshot_header *h = snapshot->header;
	struct page *page = &report->page;
	char text[NUMBER_MAX];

	page_begin(page, "", 0);
	page_printf(page, 0, "tcpdiagd %s", TCPDIAGD_VERSION);
	page_text(page, snapshot_text(snapshot, h->hostname), 2);
	page_text(page, time_text(h->wall_ns, text), 2);
	if (h->kernel)
		page_printf(page, 2, "kernel %s", snapshot_text(snapshot, h->kernel));
	if (h->replay)
		page_text(page, "from a file: ages are at least what is told", 2);
	page_end(page);
	page_begin(page, "", 0);
	if (report->sockets_known) {
		page_printf(page, 0, "%s %s", number_text(snapshot->record_count, text),
			    snapshot->record_count == 1 ? "socket" : "sockets");
		print_namespaces(page, snapshot);
		lane_age(page, h, LANE_SWEEP, "all", 3);
		lane_age(page, h, LANE_FAST, "teardown", 3);
		rest_age(page, h);
	} else {
		page_text(page, "sockets not known", 0);
	}
	page_printf(page, 3, "CRITICAL %" PRIu32, report->severity[SEVERITY_CRITICAL]);
	page_printf(page, 2, "WARNING %" PRIu32, report->severity[SEVERITY_WARNING]);
	page_printf(page, 2, "info %" PRIu32, report->severity[SEVERITY_INFO]);
	page_end(page);
}

/* A line of @missing begins with the source's name. */
static bool is_named(const char *missing, const char *name)
{
	size_t len = strlen(name);

	for (; *missing; missing += strcspn(missing, "\n"), missing += *missing == '\n')
		if (!strncmp(missing, name, len) && missing[len] == ':')
			return true;
	return false;
}

/* What a source lacks, unless a line of @missing says it already. */
static void print_source(struct page *page, const struct snapshot *snapshot,
			 const struct source *source, const char *missing)
{
	const char *reason = snapshot_text(snapshot, source->reason);
	const char *name = source_name(source->id);

	if (!name || source->state == SOURCE_OK ||
	    (*reason ? strstr(missing, reason) != NULL : is_named(missing, name)))
		return;
	if (page->column)
		page_text(page, ";", 0);
	else
		page_begin(page, "NOT SEEN", 10);
	page_printf(page, 1, "%s (%s)%s", name, source_state_name(source->state) ?: "unknown",
		    *reason ? ":" : "");
	page_text(page, reason, 1);
}

static void print_not_seen(struct report *report)
{
	const struct snapshot *snapshot = report->snapshot;
	const char *missing = snapshot_text(snapshot, snapshot->header->missing);
	const char *line = missing;
	uint32_t i;

	while (*line) {
		size_t len = strcspn(line, "\n");

		if (len) {
			page_begin(&report->page, "NOT SEEN", 10);
			page_text_n(&report->page, line, len, 0);
			page_end(&report->page);
		}
		line += len + (line[len] == '\n');
	}
	for (i = 0; i < snapshot->source_count; i++)
		print_source(&report->page, snapshot, &snapshot->sources[i], missing);
	if (report->page.column)
		page_end(&report->page);
}

static void print_finding(struct report *report, const struct finding *finding, bool full)
{
	static const char *const words[SEVERITY_MAX] = { "", "info", "WARN", "CRIT" };
	const struct tcpdiag_rule_info *info = tcpdiag_rule_info(finding->rule);
	const struct snapshot *snapshot = report->snapshot;
	const char *remedy = snapshot_text(snapshot, finding->remedy);
	struct page *page = &report->page;

	page_begin(page, finding->severity < SEVERITY_MAX ? words[finding->severity] : "", 6);
	page_text(page, snapshot_text(snapshot, finding->summary), 0);
	if (info)
		page_printf(page, 2, "[%s]", info->id);
	page_end(page);
	if (!full)
		return;
	if (finding->cause) {
		page_begin(page, "", 6);
		page_text(page, snapshot_text(snapshot, finding->cause), 0);
		page_end(page);
	}
	if (!*remedy && info)
		remedy = info->remedy;
	if (remedy && *remedy) {
		page_begin(page, "      do:", 10);
		page_text(page, remedy, 0);
		page_end(page);
	}
}

static void print_findings(struct report *report)
{
	uint32_t bad = report->severity[SEVERITY_CRITICAL] + report->severity[SEVERITY_WARNING];
	uint32_t left = 0, i;
	char number[NUMBER_MAX];

	for (i = 0; i < report->snapshot->finding_count; i++) {
		if (i < bad ? i < FINDINGS_MAX : i - bad < INFOS_MAX)
			print_finding(report, report->findings[i], i < MIN(bad, FULL_MAX));
		else
			left++;
	}
	if (!left && bad <= FULL_MAX)
		return;
	page_begin(&report->page, "", 6);
	if (left)
		page_printf(&report->page, 0,
			    "%s more findings; cause and remedy of each: /findings",
			    number_text(left, number));
	else
		page_text(&report->page, "cause and remedy of each: /findings", 0);
	page_end(&report->page);
}

/* The rules that were judged by in full; of the others a line of what is missing speaks. */
static void print_checked(struct page *page, uint32_t blind)
{
	const char *before = NULL;
	int rule;

	for (rule = TCPDIAG_RULE_FINDING_FIRST; rule < TCPDIAG_RULE_MAX; rule++) {
		if (blind & finding_bit(rule))
			continue;
		if (before)
			page_printf(page, 1, "%s,", before);
		before = tcpdiag_rule_id(rule);
	}
	page_printf(page, 1, "%s.", before ?: "nothing");
}

/* Who does not see yet what grows, and until when at most. */
static void print_warming(struct page *page, const struct snapshot_header *h)
{
	const char *before = NULL;
	char text[NUMBER_MAX];
	int64_t left_ns = 0;
	int rule;

	for (rule = TCPDIAG_RULE_FINDING_FIRST; rule < TCPDIAG_RULE_MAX; rule++)
		if (snapshot_warms(h, (enum tcpdiag_rule)rule, h->now_ns))
			left_ns = MAX(left_ns, h->findings_warm_ns[rule] - h->now_ns);
	if (!left_ns)
		return;
	page_printf(page, 1, "What grows slowly shows in %s at the latest; still warming up:",
		    seconds_text((double)left_ns / 1e9, text));
	for (rule = TCPDIAG_RULE_FINDING_FIRST; rule < TCPDIAG_RULE_MAX; rule++) {
		if (!snapshot_warms(h, (enum tcpdiag_rule)rule, h->now_ns))
			continue;
		if (before)
			page_printf(page, 1, "%s,", before);
		before = tcpdiag_rule_id(rule);
	}
	page_printf(page, 1, "%s.", before);
}

/* Nothing found: what was looked for, and since when. */
static void print_calm(struct report *report)
{
	const struct snapshot_header *h = report->snapshot->header;
	struct page *page = &report->page;
	int64_t since_ns = h->history.restart_count ? h->history.since_ns : h->started_ns;
	bool once = h->replay || h->now_ns - since_ns < ONCE_NS;
	char text[32], age[NUMBER_MAX];

	page_begin(page, "", 0);
	if (!report->sockets_known) {
		page_text(page, "Nothing can be said: the sockets could not be read.", 0);
		page_end(page);
		return;
	}
	page_printf(page, 0, "%s%s%s.",
		    report->severity[SEVERITY_INFO] ? "No warning" : "Nothing is wrong",
		    once ? " at first sight" : "",
		    *snapshot_text(report->snapshot, h->missing) ? " in what could be seen" : "");
	if (once)
		page_text(page, "Checked once:", 1);
	else
		page_printf(page, 1, "Checked since %s (%s):",
			    time_text(snapshot_wall(report->snapshot, since_ns), text),
			    seconds_text((double)(h->now_ns - since_ns) / 1e9, age));
	print_checked(page, h->findings_blind | h->findings_partly);
	if (once)
		page_text(page, "What ages or grows shows only to a daemon that goes on watching.",
			  1);
	else
		print_warming(page, h);
	page_end(page);
}

static void print_orphans(struct page *page, const struct snapshot_header *h)
{
	const struct orphans *o = &h->orphans;
	char count[NUMBER_MAX], limit[NUMBER_MAX], peak[NUMBER_MAX];

	if (!o->count_known) {
		page_text(page, "orphans not known", 0);
		return;
	}
	page_printf(page, 0, "orphans %s", number_text(o->count, count));
	if (h->environment.known & TCPDIAG_ENV_ORPHANS)
		page_printf(page, 1, "of %s", number_text(h->environment.tcp_max_orphans, limit));
	else
		page_text(page, "(limit not known)", 1);
	if (o->peak > o->count)
		page_printf(page, 1, "(peak %s)", number_text(o->peak, peak));
	if (o->growth_known && o->growth_per_second > 0)
		page_printf(page, 1, "(+%.1f/s)", o->growth_per_second);
}

static void print_limits(struct report *report)
{
	const struct snapshot_header *h = report->snapshot->header;
	const struct tcpdiag_environment *e = &h->environment;
	uint64_t unit = (uint64_t)sysconf(_SC_PAGESIZE);
	struct page *page = &report->page;
	char used[NUMBER_MAX], max[NUMBER_MAX], pressure[NUMBER_MAX];

	page_begin(page, "Limits", 10);
	print_orphans(page, h);
	if (e->known & TCPDIAG_ENV_MEMORY)
		page_printf(page, 3, "memory %s of %s (pressure at %s)",
			    bytes_text(e->memory_pages * unit, used),
			    bytes_text(e->tcp_mem[2] * unit, max),
			    bytes_text(e->tcp_mem[1] * unit, pressure));
	else if (e->known & TCPDIAG_ENV_MEMORY_PAGES)
		page_printf(page, 3, "memory %s (limit not known)",
			    bytes_text(e->memory_pages * unit, used));
	else
		page_text(page, "memory not known", 3);
	if (h->port_range[1] && report->sockets_known)
		page_printf(page, 3, "ports %.0f %%", h->totals.port_range_ratio_max * 100);
	if (report->sockets_known)
		page_printf(page, 3, "accept queues %s waiting",
			    number_text(h->totals.listener_waiting, used));
	page_end(page);
}

/* A command that is to be copied: it wraps as a whole. */
static void print_curl(struct page *page, const char *where, const char *rest, unsigned int gap)
{
	const char *quote = strpbrk(rest, "?&") ? "'" : "";
	char text[512];

	snprintf(text, sizeof(text), "curl %s%s%s%s", quote, where, rest, quote);
	page_phrase(page, text, gap);
}

static void print_next(struct report *report, const char *where)
{
	struct page *page = &report->page;

	page_begin(page, "Next", 10);
	if (report->snapshot->finding_count)
		print_curl(page, where, "/findings", 0);
	if (report->states.total[TCPDIAG_CLOSE_WAIT] && !report->calm)
		print_curl(page, where, "/sockets?state=close-wait&group=unit", 4);
	else
		print_curl(page, where, "/sockets?closes_with=rst&format=text", 4);
	print_curl(page, where, "/summary", 4);
	page_end(page);
}

void report_print(struct buffer *buffer, const struct snapshot *snapshot,
		  const struct journal_view *journal, int64_t wall_ns, unsigned int columns,
		  const char *where)
{
	struct report report;
	struct page *page = &report.page;

	if (report_init(&report, buffer, snapshot, columns) < 0) {
		buffer->error = -ENOMEM;
		return;
	}
	print_header(&report);
	print_not_seen(&report);
	if (!report.calm)
		page_break(page);
	print_findings(&report);
	if (report.calm)
		print_calm(&report);
	else
		page_break(page);
	if (report.sockets_known) {
		report_stop_now(page, snapshot);
		if (report.calm) {
			report_states_line(page, snapshot, &report.states);
		} else {
			page_break(page);
			report_states(page, snapshot, &report.states);
			page_break(page);
		}
	}
	report_resets(page, snapshot, journal, wall_ns, report.calm);
	print_limits(&report);
	print_next(&report, where ? where : "localhost:19293");
	free(report.findings);
}
