/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GET /rules and /rules/{id}: the catalogue for people and programs. `search` finds what somebody pastes:
 * a line of the kernel's log, a counter of nstat, a reset reason.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "web/emit.h"
#include "web/list.h"

const struct route_parameter rules_parameters[] = {
	{ "search", "{\"type\":\"string\"}",
	  "Only rules whose id, title, counter, reset reason or kernel log line contains this "
	  "text, "
	  "in any case.",
	  false },
	{ "kind", "{\"type\":\"string\",\"enum\":[\"outcome\",\"fate\",\"finding\"]}",
	  "Only rules of this kind.", true },
	{ 0 },
};

static const char *const kinds[] = {
	[TCPDIAG_RULE_KIND_OUTCOME] = "outcome",
	[TCPDIAG_RULE_KIND_FATE] = "fate",
	[TCPDIAG_RULE_KIND_FINDING] = "finding",
};

static const char *const verified[] = {
	[TCPDIAG_VERIFIED_KERNEL] = "kernel",
	[TCPDIAG_VERIFIED_SOURCE] = "source",
};

static void rule_json(struct emitter *j, const struct tcpdiag_rule_info *info)
{
	emit_object(j, NULL);
	emit_string(j, "id", info->id);
	emit_string(j, "kind", kinds[info->kind]);
	emit_string(j, "verified", verified[info->verified]);
	emit_text(j, "title", info->title);
	emit_text(j, "condition", info->condition);
	emit_text(j, "because", info->because);
	emit_text(j, "function", info->function);
	emit_text(j, "file", info->file);
	emit_text(j, "rfc", info->rfc);
	emit_text(j, "counter", info->counter);
	emit_text(j, "reset_reason", info->reset_reason);
	emit_text(j, "log_line", info->log_line);
	emit_text(j, "remedy", info->remedy);
	emit_end(j, '}');
}

static bool contains(const char *text, const char *part)
{
	return text && strcasestr(text, part);
}

/* A pasted line has a time stamp and numbers of its own: the catalogue's line within it counts, too. */
static bool found(const struct tcpdiag_rule_info *info, const char *search)
{
	return contains(info->id, search) || contains(info->title, search) ||
	       contains(info->counter, search) || contains(info->log_line, search) ||
	       contains(info->reset_reason, search) ||
	       (info->log_line && strcasestr(search, info->log_line));
}

static bool kind_asked(const struct query *query, enum tcpdiag_rule_kind kind)
{
	bool given = false;
	size_t i;

	for (i = 0; i < query->count; i++)
		if (!strcmp(query->parameters[i].name, "kind")) {
			given = true;
			if (!strcmp(query->parameters[i].value, kinds[kind]))
				return true;
		}
	return !given;
}

static int kinds_check(const struct query *query, struct problem *problem)
{
	size_t i, k;

	for (i = 0; i < query->count; i++) {
		if (strcmp(query->parameters[i].name, "kind") != 0)
			continue;
		for (k = 0; k < ARRAY_SIZE(kinds); k++)
			if (!strcmp(query->parameters[i].value, kinds[k]))
				break;
		if (k == ARRAY_SIZE(kinds))
			return problem_set(problem, 400, "kind",
					   "%.64s: outcome, fate or finding is wanted",
					   query->parameters[i].value);
	}
	return 0;
}

int rules_route(const struct request *request, struct document **ret, struct problem *problem)
{
	const char *search = query_get(request->query, "search");
	struct buffer rows = { 0 }, b = { 0 };
	struct emitter j = { .b = &rows };
	uint32_t matched = 0;
	int rule, r;

	r = kinds_check(request->query, problem);
	if (r < 0)
		return r;
	for (rule = TCPDIAG_RULE_NONE + 1; rule < TCPDIAG_RULE_MAX; rule++) {
		const struct tcpdiag_rule_info *info = tcpdiag_rule_info(rule);

		if (!info || (search && !found(info, search)) ||
		    !kind_asked(request->query, info->kind))
			continue;
		rule_json(&j, info);
		matched++;
	}
	buffer_printf(&b, "{\"matched\":%" PRIu32 ",\"returned\":%" PRIu32 ",\"rules\":[", matched,
		      matched);
	if (rows.len)
		buffer_add(&b, rows.data, rows.len);
	buffer_literal(&b, "],\"next\":null}\n");
	if (rows.error)
		b.error = rows.error;
	buffer_done(&rows);
	return document_from_buffer(&b, 200, "application/json", ret);
}

int rule_route(const struct request *request, struct document **ret, struct problem *problem)
{
	const char *id = request->argument ? request->argument : "";
	enum tcpdiag_rule rule = tcpdiag_rule_find(id, strlen(id));
	struct buffer b = { 0 };
	struct emitter j = { .b = &b };

	if (!rule)
		return problem_set(problem, 404, NULL, "%.64s is no rule; /rules lists them all",
				   id);
	rule_json(&j, tcpdiag_rule_info(rule));
	buffer_char(&b, '\n');
	return document_from_buffer(&b, 200, "application/json", ret);
}
