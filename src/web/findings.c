/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GET /findings: what is wrong now, worst first, and among equals by id.
 */
#include <errno.h>
#include <inttypes.h>

#include "web/envelope.h"
#include "web/list.h"
#include "web/pieces.h"

const struct route_parameter findings_parameters[] = {
	{ "id", "{\"type\":\"string\"}", "Only the finding of this id.", true },
	{ "rule", "{\"$ref\":\"#/components/schemas/FindingRule\"}", "Only of this rule.", true },
	{ "severity", "{\"$ref\":\"#/components/schemas/Severity\"}",
	  "Only of this severity, or of one of these: info,warning.", true },
	{ "scope",
	  "{\"type\":\"string\",\"enum\":[\"socket\",\"listener\",\"process\",\"unit\","
	  "\"netns\",\"host\"]}",
	  "Only what concerns such a thing.", true },
	{ .more = owner_parameters },
};

static const struct finding *finding_at(const struct snapshot *snapshot, uint32_t row)
{
	return &snapshot->findings[row];
}

/* The process to blame; as it was called, where it holds no socket any more and so has no row. */
static const struct process *finding_process(const struct snapshot *snapshot,
					     const struct finding *finding, struct process *named)
{
	const struct process *process = snapshot_process(snapshot, finding->process);

	if (process || !finding->pid)
		return process;
	*named = (struct process){
		.pid = finding->pid,
		.comm = finding->comm,
		.unit = finding->unit,
	};
	return named;
}

static const char *finding_unit(const struct snapshot *snapshot, const struct finding *finding)
{
	const struct process *process = snapshot_process(snapshot, finding->process);
	const char *unit = snapshot_text(snapshot, finding->unit);

	return *unit || !process ? unit : snapshot_text(snapshot, process->unit);
}

static const char *finding_remedy(const struct snapshot *snapshot, const struct finding *finding)
{
	const struct tcpdiag_rule_info *info = tcpdiag_rule_info(finding->rule);
	const char *remedy = snapshot_text(snapshot, finding->remedy);

	return *remedy || !info ? remedy : info->remedy;
}

static void finding_json(struct emitter *j, const struct snapshot *snapshot, uint32_t row)
{
	const struct finding *finding = finding_at(snapshot, row);
	const char *rule = tcpdiag_rule_id(finding->rule);
	struct process named;
	char text[128];
	int e;

	emit_object(j, NULL);
	snprintf(text, sizeof(text), FINDING_ID, finding->id);
	emit_string(j, "id", text);
	emit_text(j, "rule", rule);
	emit_text(j, "severity", severity_name(finding->severity));
	emit_text(j, "scope", scope_name(finding->scope));
	emit_since(j, "since", snapshot, finding->since_ns);
	emit_ns(j, "seconds", snapshot_age(snapshot, finding->since_ns));
	if (finding->socket < snapshot->record_count)
		socket_id(&snapshot->records[finding->socket].sk, text);
	else
		*text = '\0';
	emit_text(j, "socket", text);
	emit_process(j, "process", snapshot, finding_process(snapshot, finding, &named), -1);
	emit_text(j, "unit", finding_unit(snapshot, finding));
	emit_u64_known(j, "netns", finding->netns, finding->netns);
	emit_u64(j, "count", finding->count);
	emit_text(j, "summary", snapshot_text(snapshot, finding->summary));
	emit_object(j, "evidence");
	for (e = 0; e < EVIDENCE_MAX; e++)
		if (finding->shown & UINT64_C(1) << e)
			emit_number(j, evidence_name(e), finding->evidence[e]);
	emit_end(j, '}');
	emit_text(j, "cause", snapshot_text(snapshot, finding->cause));
	emit_text(j, "remedy", finding_remedy(snapshot, finding));
	snprintf(text, sizeof(text), "/rules/%s", rule ? rule : "");
	emit_text(j, "documentation", rule ? text : NULL);
	emit_end(j, '}');
}

static void finding_text(struct buffer *b, const struct snapshot *snapshot, uint32_t row)
{
	const struct finding *finding = finding_at(snapshot, row);
	struct process named;
	const struct process *process = finding_process(snapshot, finding, &named);
	const char *unit = finding_unit(snapshot, finding);
	char pid[12] = "-";

	if (process)
		snprintf(pid, sizeof(pid), "%" PRId32, process->pid);
	buffer_printf(b, "%-8s  %-24s %8" PRIu32 " %8" PRId64 " %7s  ",
		      severity_name(finding->severity) ?: "-",
		      tcpdiag_rule_id(finding->rule) ?: "-", finding->count,
		      (int64_t)(snapshot_age(snapshot, finding->since_ns) / NSEC_PER_SEC), pid);
	plain_cell(b, *unit ? unit : "-", 24);
	buffer_literal(b, "  ");
	plain_text(b, snapshot_text(snapshot, finding->summary), SIZE_MAX, SIZE_MAX);
}

static void finding_cursor(const struct snapshot *snapshot, uint32_t row, char ret[LIST_CURSOR_MAX])
{
	const struct finding *finding = finding_at(snapshot, row);

	snprintf(ret, LIST_CURSOR_MAX, "%u-%" PRIx64, finding->severity, finding->id);
}

static const struct list_type findings_type = {
	.word = "findings",
	.schema = "Finding",
	.json = finding_json,
	.heading = "Severity  Rule                        Count  Seconds     PID  "
		   "Unit                      Summary",
	.text = finding_text,
	.cursor = finding_cursor,
};

/* Worst first, then by id: negative where @a comes before @b. */
static int compare(uint8_t a_severity, uint64_t a_id, uint8_t b_severity, uint64_t b_id)
{
	if (a_severity != b_severity)
		return b_severity - a_severity;
	return (a_id > b_id) - (a_id < b_id);
}

static int compare_rows(const void *a, const void *b, void *context)
{
	const struct finding *x = finding_at(context, *(const uint32_t *)a);
	const struct finding *y = finding_at(context, *(const uint32_t *)b);

	return compare(x->severity, x->id, y->severity, y->id);
}

static int check_rule(const struct parameter *p, struct problem *problem)
{
	if (tcpdiag_rule_find(p->value, strlen(p->value)) >= TCPDIAG_RULE_FINDING_FIRST)
		return 0;
	return problem_set(problem, 400, p->name, "%.64s is no rule of a finding, see /rules",
			   p->value);
}

static bool is_word(const char *known, const char *text, size_t len)
{
	return strlen(known) == len && !memcmp(known, text, len);
}

static int check_severity(const struct parameter *p, struct problem *problem)
{
	const char *word = p->value;

	for (;;) {
		size_t len = strcspn(word, ",");
		int severity = SEVERITY_INFO;

		while (severity < SEVERITY_MAX && !is_word(severity_name(severity), word, len))
			severity++;
		if (severity == SEVERITY_MAX)
			return problem_set(problem, 400, p->name,
					   "%.64s: info, warning or critical is wanted, or "
					   "several with commas between them",
					   p->value);
		if (!word[len])
			return 0;
		word += len + 1;
	}
}

static int check_scope(const struct parameter *p, struct problem *problem)
{
	int scope;

	for (scope = 0; scope < SCOPE_MAX; scope++)
		if (!strcmp(scope_name(scope), p->value))
			return 0;
	return problem_set(problem, 400, p->name,
			   "%.64s: socket, listener, process, unit, netns or host is wanted",
			   p->value);
}

static int check_number(const struct parameter *p, struct problem *problem)
{
	uint64_t number;

	return query_number(p, UINT32_MAX, &number, problem);
}

static int check_unit(const struct parameter *p, struct problem *problem)
{
	return *p->value ? 0 : problem_set(problem, 400, p->name, "the name of a unit is wanted");
}

static int check_id(const struct parameter *p, struct problem *problem)
{
	size_t len = strlen(p->value);

	if (len > 2 && !strncmp(p->value, "f-", 2) &&
	    strspn(p->value + 2, "0123456789abcdef") == len - 2)
		return 0;
	return problem_set(problem, 400, p->name, "%.64s is no id of a finding, as f-1f is",
			   p->value);
}

static bool match_id(const struct snapshot *snapshot __attribute__((unused)),
		     const struct finding *finding, const char *value)
{
	char id[32];

	snprintf(id, sizeof(id), FINDING_ID, finding->id);
	return !strcmp(id, value);
}

static bool match_rule(const struct snapshot *snapshot __attribute__((unused)),
		       const struct finding *finding, const char *value)
{
	return tcpdiag_rule_find(value, strlen(value)) == finding->rule;
}

static bool match_severity(const struct snapshot *snapshot __attribute__((unused)),
			   const struct finding *finding, const char *value)
{
	const char *known = severity_name(finding->severity) ?: "", *word = value;

	for (;;) {
		size_t len = strcspn(word, ",");

		if (is_word(known, word, len))
			return true;
		if (!word[len])
			return false;
		word += len + 1;
	}
}

static bool match_scope(const struct snapshot *snapshot __attribute__((unused)),
			const struct finding *finding, const char *value)
{
	return !strcmp(scope_name(finding->scope) ?: "", value);
}

static bool match_pid(const struct snapshot *snapshot, const struct finding *finding,
		      const char *value)
{
	struct process named;
	const struct process *process = finding_process(snapshot, finding, &named);

	return process && (unsigned long)process->pid == strtoul(value, NULL, 10);
}

static bool match_unit(const struct snapshot *snapshot, const struct finding *finding,
		       const char *value)
{
	return unit_matches(finding_unit(snapshot, finding), value);
}

static bool match_netns(const struct snapshot *snapshot, const struct finding *finding,
			const char *value)
{
	uint64_t netns;

	return !netns_parse(snapshot, value, strlen(value), &netns) && finding->netns == netns;
}

static const struct {
	const char *name;
	int (*check)(const struct parameter *parameter, struct problem *problem);
	bool (*match)(const struct snapshot *snapshot, const struct finding *finding,
		      const char *value);
} filters[] = {
	{ "id", check_id, match_id },
	{ "rule", check_rule, match_rule },
	{ "severity", check_severity, match_severity },
	{ "scope", check_scope, match_scope },
	{ "pid", check_number, match_pid },
	{ "unit", check_unit, match_unit },
	{ "netns", NULL, match_netns },
};

static int check_netns(const struct snapshot *snapshot, const struct parameter *p,
		       struct problem *problem)
{
	uint64_t netns;

	if (!netns_parse(snapshot, p->value, strlen(p->value), &netns))
		return 0;
	return problem_set(problem, 400, p->name,
			   "%.64s is no network namespace: the number of one is wanted, or its "
			   "name in /run/netns",
			   p->value);
}

static int filters_check(const struct query *query, const struct snapshot *snapshot,
			 struct problem *problem)
{
	size_t i, f;
	int r;

	for (i = 0; i < query->count; i++)
		for (f = 0; f < ARRAY_SIZE(filters); f++) {
			if (strcmp(query->parameters[i].name, filters[f].name) != 0)
				continue;
			r = filters[f].check
				    ? filters[f].check(&query->parameters[i], problem)
				    : check_netns(snapshot, &query->parameters[i], problem);
			if (r < 0)
				return r;
		}
	return 0;
}

/* Every filter that is given must match with one of its values. */
static bool filters_match(const struct query *query, const struct snapshot *snapshot,
			  const struct finding *finding)
{
	size_t i, f;

	for (f = 0; f < ARRAY_SIZE(filters); f++) {
		bool given = false, matches = false;

		for (i = 0; i < query->count && !matches; i++) {
			const struct parameter *p = &query->parameters[i];

			if (strcmp(p->name, filters[f].name) != 0)
				continue;
			given = true;
			matches = filters[f].match(snapshot, finding, p->value);
		}
		if (given && !matches)
			return false;
	}
	return true;
}

/* "2-1f": severity and id */
static const struct list_part cursor_parts[] = { { 10, SEVERITY_MAX - 1 }, { 16, UINT64_MAX } };

int findings_route(const struct request *request, struct document **ret, struct problem *problem)
{
	const struct snapshot *snapshot = request->snapshot;
	uint32_t count = 0, matched = 0, i;
	_cleanup_free_ uint32_t *rows = NULL;
	struct list_options options;
	uint64_t after[ARRAY_SIZE(cursor_parts)] = { 0 };
	int r;

	r = list_options_parse(request->query, &findings_type, &options, problem);
	if (r < 0)
		return r;
	r = filters_check(request->query, snapshot, problem);
	if (r < 0)
		return r;
	r = list_cursor_parse(&options, cursor_parts, ARRAY_SIZE(cursor_parts), after, problem);
	if (r < 0)
		return r;
	rows = calloc(snapshot->finding_count + 1U, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	for (i = 0; i < snapshot->finding_count; i++)
		if (filters_match(request->query, snapshot, finding_at(snapshot, i)))
			rows[matched++] = i;
	qsort_r(rows, matched, sizeof(*rows), compare_rows, (void *)(uintptr_t)snapshot);
	for (i = 0; i < matched; i++) {
		const struct finding *finding = finding_at(snapshot, rows[i]);

		if (!options.after ||
		    compare(finding->severity, finding->id, (uint8_t)after[0], after[1]) > 0)
			rows[count++] = rows[i];
	}
	return list_new(request, &findings_type, &options, take_ptr(rows), count, matched, ret);
}
