/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GET /rules and /rules/{id}: the catalogue for people and programs. `search` finds what somebody pastes:
 * a line of the kernel's log, a counter of nstat, a reset reason.
 */
#include <errno.h>
#include <string.h>

#include "web/emit.h"
#include "web/list.h"
#include "web/rule_text.h"

const struct route_parameter rules_parameters[] = {
	{ "search", "{\"type\":\"string\"}",
	  "Only rules whose id, title, counter, reset reason, kernel function or kernel log line "
	  "contains this text, in any case.",
	  false },
	{ "kind", "{\"type\":\"string\",\"enum\":[\"outcome\",\"fate\",\"finding\"]}",
	  "Only rules of this kind.", true },
	{ .more = list_parameters },
};

const struct route_parameter rule_parameters[] = {
	{ "format", "{\"type\":\"string\",\"enum\":[\"json\",\"text\"]}",
	  "text: the document for people, Markdown as in docs/rules/.", false },
	{ 0 },
};

static void rule_json(struct emitter *j, const struct tcpdiag_rule_info *info)
{
	char documentation[96];

	snprintf(documentation, sizeof(documentation), "/rules/%s?format=text", info->id);
	emit_object(j, NULL);
	emit_string(j, "id", info->id);
	emit_string(j, "kind", rule_kind_name(info->kind));
	emit_string(j, "verified", rule_verified_name(info->verified));
	emit_text(j, "title", info->title);
	emit_text(j, "condition", info->condition);
	emit_text(j, "because", info->because);
	emit_text(j, "function", info->function);
	emit_text(j, "file", info->file);
	emit_text(j, "rfc", info->rfc);
	emit_text(j, "counter", info->counter);
	emit_text(j, "reset_reason", info->reset_reason);
	emit_text(j, "log_line", info->log_line);
	emit_text(j, "example", info->example);
	emit_text(j, "older", info->older);
	emit_text(j, "remedy", info->remedy);
	emit_string(j, "documentation", documentation);
	emit_end(j, '}');
}

/* Rows of the list are numbers of enum tcpdiag_rule. */
static void list_json(struct emitter *j, const struct snapshot *snapshot __attribute__((unused)),
		      uint32_t row)
{
	rule_json(j, tcpdiag_rule_info((enum tcpdiag_rule)row));
}

static void list_text(struct buffer *b, const struct snapshot *snapshot __attribute__((unused)),
		      uint32_t row)
{
	const struct tcpdiag_rule_info *info = tcpdiag_rule_info((enum tcpdiag_rule)row);

	buffer_printf(b, "%-26s %-8s %-8s %-22s %s", info->id, rule_kind_name(info->kind),
		      rule_verified_name(info->verified), info->counter ?: "-", info->title);
}

static void list_cursor(const struct snapshot *snapshot __attribute__((unused)), uint32_t row,
			char ret[LIST_CURSOR_MAX])
{
	snprintf(ret, LIST_CURSOR_MAX, "%s", tcpdiag_rule_id((enum tcpdiag_rule)row));
}

static const struct list_type rules_type = {
	.word = "rules",
	.schema = "Rule",
	.json = list_json,
	.heading = "Rule                       Kind     Verified Counter                Title",
	.text = list_text,
	.cursor = list_cursor,
};

static bool contains(const char *text, const char *part)
{
	return text && strcasestr(text, part);
}

/* A pasted line has a time stamp and numbers of its own: the catalogue's line within it counts, too. */
static bool found(const struct tcpdiag_rule_info *info, const char *search)
{
	return contains(info->id, search) || contains(info->title, search) ||
	       contains(info->counter, search) || contains(info->log_line, search) ||
	       contains(info->reset_reason, search) || contains(info->function, search) ||
	       (info->log_line && strcasestr(search, info->log_line));
}

static bool kind_asked(const struct query *query, enum tcpdiag_rule_kind kind)
{
	bool given = false;
	size_t i;

	for (i = 0; i < query->count; i++)
		if (!strcmp(query->parameters[i].name, "kind")) {
			given = true;
			if (!strcmp(query->parameters[i].value, rule_kind_name(kind)))
				return true;
		}
	return !given;
}

static int kinds_check(const struct query *query, struct problem *problem)
{
	size_t i;

	for (i = 0; i < query->count; i++) {
		const char *value = query->parameters[i].value, *name;
		int kind = 0;

		if (strcmp(query->parameters[i].name, "kind") != 0)
			continue;
		while ((name = rule_kind_name((enum tcpdiag_rule_kind)kind)) &&
		       strcmp(name, value) != 0)
			kind++;
		if (!name)
			return problem_set(problem, 400, "kind",
					   "%.64s: outcome, fate or finding is wanted", value);
	}
	return 0;
}

/* The rules that match, in the order of the catalogue; @ret_first: those up to `after`. */
static uint32_t select_rules(const struct query *query, enum tcpdiag_rule after, uint32_t *rows,
			     uint32_t *ret_first)
{
	const char *search = query_get(query, "search");
	uint32_t count = 0;
	int rule;

	*ret_first = 0;
	for (rule = TCPDIAG_RULE_NONE + 1; rule < TCPDIAG_RULE_MAX; rule++) {
		const struct tcpdiag_rule_info *info = tcpdiag_rule_info((enum tcpdiag_rule)rule);

		if (!info || (search && !found(info, search)) || !kind_asked(query, info->kind))
			continue;
		*ret_first += rule <= (int)after;
		rows[count++] = (uint32_t)rule;
	}
	return count;
}

int rules_route(const struct request *request, struct document **ret, struct problem *problem)
{
	/* The catalogue hangs on no snapshot. */
	struct request timeless = *request;
	enum tcpdiag_rule after = TCPDIAG_RULE_NONE;
	struct list_options options;
	uint32_t *rows, count, first;
	int r;

	r = list_options_parse(request->query, &rules_type, &options, problem);
	if (r < 0)
		return r;
	r = kinds_check(request->query, problem);
	if (r < 0)
		return r;
	if (options.after)
		after = tcpdiag_rule_find(options.after, strlen(options.after));
	if (options.after && !after)
		return problem_set(problem, 400, "after",
				   "the `next` of an earlier page is wanted");
	rows = calloc(TCPDIAG_RULE_MAX, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	count = select_rules(request->query, after, rows, &first);
	memmove(rows, rows + first, (count - first) * sizeof(*rows));
	timeless.snapshot = NULL;
	return list_new(&timeless, &rules_type, &options, rows, count - first, count, ret);
}

int rule_route(const struct request *request, struct document **ret, struct problem *problem)
{
	const char *id = request->argument ? request->argument : "";
	enum tcpdiag_rule rule = tcpdiag_rule_find(id, strlen(id));
	const char *format = query_get(request->query, "format");
	struct buffer b = { 0 };
	struct emitter j = { .b = &b };
	int r;

	if (!rule)
		return problem_set(problem, 404, NULL, "%.64s is no rule; /rules lists them all",
				   id);
	if (format && strcmp(format, "json") != 0 && strcmp(format, "text") != 0)
		return problem_set(problem, 400, "format", "%.64s: json or text is wanted", format);
	if (format && *format == 't') {
		rule_text(&b, tcpdiag_rule_info(rule));
		r = document_from_buffer(&b, 200, "text/plain; charset=utf-8", ret);
	} else {
		rule_json(&j, tcpdiag_rule_info(rule));
		buffer_char(&b, '\n');
		r = document_from_buffer(&b, 200, "application/json", ret);
	}
	if (r >= 0)
		(*ret)->cacheable = true;
	return r;
}
