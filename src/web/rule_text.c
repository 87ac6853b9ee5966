/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One document a rule, wholly from its row: what is not known of a rule has no line in it. Prose is wrapped,
 * examples stand as they are.
 */
#include <string.h>

#include "model/macro.h"
#include "model/snapshot.h"
#include "web/page.h"
#include "web/rule_text.h"

#define WIDTH 100U

#define HEAD \
	"<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->\n" \
	"<!-- Made from the catalogue, src/rules/catalogue_*.c. After a change there: make docs " \
	"-->\n"

static const struct {
	const char *name;
	const char *heading; /* of the index */
	const char *text;
} kinds[] = {
	[TCPDIAG_RULE_KIND_OUTCOME] = { "outcome", "What an operation does",
					"what a close(), an exit, a shutdown() or a listener's "
					"close "
					"does" },
	[TCPDIAG_RULE_KIND_FATE] = { "fate", "What becomes of a socket that no process can close",
				     "what becomes of a socket that no process can close" },
	[TCPDIAG_RULE_KIND_FINDING] = { "finding", "What can be wrong", "what can be wrong" },
};

static const struct {
	const char *name, *text;
} verifieds[] = {
	[TCPDIAG_VERIFIED_KERNEL] = { "kernel",
				      "by the running kernel: `make conformance`, or a test of the "
				      "daemon" },
	[TCPDIAG_VERIFIED_SOURCE] = { "source",
				      "in the kernel's source: it hangs on a limit of the whole "
				      "machine, or a test cannot bring it about" },
};

const char *rule_kind_name(enum tcpdiag_rule_kind kind)
{
	return kind < ARRAY_SIZE(kinds) ? kinds[kind].name : NULL;
}

const char *rule_verified_name(enum tcpdiag_verified verified)
{
	return verified < ARRAY_SIZE(verifieds) ? verifieds[verified].name : NULL;
}

static void paragraph(struct buffer *b, const char *text)
{
	struct page page = { .b = b, .columns = WIDTH };

	page_begin(&page, "", 0);
	page_text(&page, text, 0);
	page_end(&page);
}

/* What would end a cell of a table, or begin a tag. */
static void cell(struct buffer *b, const char *text)
{
	for (; *text; text++) {
		if (*text == '|')
			buffer_char(b, '\\');
		if (*text == '<')
			buffer_literal(b, "&lt;");
		else
			buffer_char(b, *text);
	}
}

static void row(struct buffer *b, const char *name, const char *text, const char *quote)
{
	if (!text)
		return;
	buffer_printf(b, "| %s | %s", name, quote);
	cell(b, text);
	buffer_printf(b, "%s |\n", quote);
}

static void section(struct buffer *b, const char *heading, const char *text)
{
	if (!text)
		return;
	buffer_printf(b, "\n## %s\n\n", heading);
	paragraph(b, text);
}

static void example(struct buffer *b, const char *text)
{
	if (!text)
		return;
	buffer_literal(b, "\n## Example\n\n```\n");
	buffer_text(b, text);
	if (*text && text[strlen(text) - 1] != '\n')
		buffer_char(b, '\n');
	buffer_literal(b, "```\n");
}

/* As nstat calls it: "TcpExtTCPAbortOnClose". */
static void print_nstat(struct buffer *b, const char *counter)
{
	int i;

	for (i = 0; i < COUNTER_MAX; i++)
		if (!strcmp(counter_name((enum counter)i), counter)) {
			buffer_printf(b, "nstat -az %s%s\n", counter_group((enum counter)i),
				      counter);
			return;
		}
	buffer_printf(b, "nstat -az '*%s'\n", counter);
}

/* Where it shows on this machine. */
static void ask(struct buffer *b, const struct tcpdiag_rule_info *info)
{
	buffer_literal(b, "\n## On this machine\n\n```\n");
	if (info->kind == TCPDIAG_RULE_KIND_FINDING)
		buffer_printf(b,
			      "curl 'localhost:19293/findings?rule=%s'\n"
			      "curl 'localhost:19293/sockets?finding=%s&format=text'\n",
			      info->id, info->id);
	else if (info->kind == TCPDIAG_RULE_KIND_FATE)
		buffer_literal(b, "curl 'localhost:19293/sockets?group=fate.rule'\n");
	else if (!strncmp(info->id, "close-", 6))
		buffer_printf(b, "curl 'localhost:19293/sockets?close_rule=%s&format=text'\n",
			      info->id);
	else if (!strncmp(info->id, "child-", 6))
		buffer_literal(
			b, "curl 'localhost:19293/sockets?group=outcomes.listener_close.rule'\n");
	else
		buffer_literal(b, "curl 'localhost:19293/sockets?group=outcomes.shutdown_read.rule,"
				  "outcomes.shutdown_write.rule'\n");
	if (info->counter)
		print_nstat(b, info->counter);
	buffer_literal(b, "```\n");
}

void rule_text(struct buffer *b, const struct tcpdiag_rule_info *info)
{
	buffer_literal(b, HEAD);
	buffer_printf(b, "# %s: %s\n\n", info->id, info->title);
	paragraph(b, info->because);
	buffer_literal(b, "\n| | |\n| --- | --- |\n");
	row(b, "kind", info->kind < ARRAY_SIZE(kinds) ? kinds[info->kind].text : NULL, "");
	row(b, "when", info->condition, "");
	row(b, "decided by", info->function, "`");
	row(b, "in", info->file, "`");
	row(b, "RFC", info->rfc, "");
	row(b, "counter", info->counter, "`");
	row(b, "reason of the RST", info->reset_reason, "`");
	row(b, "kernel log", info->log_line, "`");
	row(b, "verified",
	    info->verified < ARRAY_SIZE(verifieds) ? verifieds[info->verified].text : NULL, "");
	example(b, info->example);
	section(b, "Older kernels", info->older);
	section(b, "What to do", info->remedy);
	ask(b, info);
}

static void index_of(struct buffer *b, enum tcpdiag_rule_kind kind)
{
	int rule;

	buffer_printf(b,
		      "\n## %s\n\n| rule | | counter | verified by |\n| --- | --- | --- | --- |\n",
		      kinds[kind].heading);
	for (rule = TCPDIAG_RULE_NONE + 1; rule < TCPDIAG_RULE_MAX; rule++) {
		const struct tcpdiag_rule_info *info = tcpdiag_rule_info(rule);

		if (!info || info->kind != kind)
			continue;
		buffer_printf(b, "| [%s](%s.md) | ", info->id, info->id);
		cell(b, info->title);
		buffer_printf(b, " | %s | %s |\n", info->counter ?: "",
			      rule_verified_name(info->verified));
	}
}

void rule_index(struct buffer *b)
{
	size_t kind;

	buffer_literal(b, HEAD "# The rules\n\n");
	paragraph(b,
		  "Every rule that an outcome (`/sockets`), a fate or a finding (`/findings`) can "
		  "name: one document each. `/rules` says the same as JSON, "
		  "`/rules/ID?format=text` is the document; `/rules?search=` finds them by a "
		  "counter of nstat, by a kernel function or by a line of the kernel's log.");
	for (kind = 0; kind < ARRAY_SIZE(kinds); kind++)
		index_of(b, (enum tcpdiag_rule_kind)kind);
}
