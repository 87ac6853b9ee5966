/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table for people: --help, and --check-config as YAML that can be read back.
 */
#include <inttypes.h>
#include <string.h>

#include "daemon/options.h"

#define HELP_COLUMNS 80
#define HELP_INDENT 6

/* Headings stand before the first option whose name begins so; the first row's matches all. */
static const struct heading {
	const char *prefix;
	const char *text;
} headings[] = {
	{ "help", "General:" },	 { "interval", "Looking at sockets:" },
	{ "web.", "HTTP:" },	 { "limits.", "Limits:" },
	{ "log.", "Messages:" }, { "rules.", "Thresholds of the findings (docs: /rules):" },
};

/* Words of @text, broken at HELP_COLUMNS. */
static void print_wrapped(FILE *out, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t len = strcspn(text, " ");

		if (column && column + 1 + len > HELP_COLUMNS) {
			fputc('\n', out);
			column = 0;
		}
		fprintf(out, "%*s%.*s", column ? 1 : HELP_INDENT, "", (int)len, text);
		column += (column ? 1 : HELP_INDENT) + len;
		text += len;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

static void print_heading(FILE *out, const char *name, size_t *next)
{
	if (*next >= ARRAY_SIZE(headings) ||
	    strncmp(name, headings[*next].prefix, strlen(headings[*next].prefix)) != 0)
		return;
	fprintf(out, "\n%s\n", headings[*next].text);
	(*next)++;
}

static void print_names(FILE *out, const struct option_info *info)
{
	if (info->type != OPTION_SWITCH)
		fprintf(out, "  --%s %s", info->name, info->metavar);
	else if (info->flags & OPTION_ACTION)
		fprintf(out, "  --%s", info->name);
	else
		fprintf(out, "  --%s, --no-%s", info->name, info->name);
	if (option_is_list(info->type))
		fputs("   (repeatable)", out);
	fputc('\n', out);
}

void options_print_help(FILE *out)
{
	size_t count = options_count(), heading = 0;

	fputs("usage: tcpdiagd [OPTION...]\n\n"
	      "Tells for every TCP socket how it will end before it does, serves that by HTTP,\n"
	      "and finds what leaks. Stays in the foreground.\n",
	      out);
	for (size_t row = 0; row < count; row++) {
		char value[QUANTITY_TEXT], choices[QUANTITY_WHY], text[1024];
		struct option_info info;
		size_t used;

		option_get(row, &info);
		print_heading(out, info.name, &heading);
		print_names(out, &info);
		option_default(&info, value);
		used = (size_t)snprintf(text, sizeof(text), "%s", info.text);
		if (info.type == OPTION_CHOICE) {
			option_expects(&info, choices);
			used += (size_t)snprintf(text + used, sizeof(text) - used, " One of: %s.",
						 choices);
		}
		if (*value && !(info.flags & OPTION_ACTION))
			snprintf(text + used, sizeof(text) - used, " Default: %s.", value);
		print_wrapped(out, text);
	}
	fputs("\nDurations are written as 500ms or 1m30s.\n"
	      "Exit status: 0 done, 1 failed while running, 2 wrong usage or configuration,\n"
	      "3 --fail-on found something, 4 to 6 --unit or --pid is not clean.\n"
	      "See tcpdiagd(8), tcpdiagd.yaml(5).\n",
	      out);
}

/* A double-quoted YAML scalar. */
static void print_quoted(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			fprintf(out, "\\x%02x", (unsigned char)*text);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

static void print_origin(FILE *out, const struct option_origin *origin, const char *path)
{
	switch (origin->source) {
	case ORIGIN_DEFAULT:
		fputs("  # default\n", out);
		break;
	case ORIGIN_FILE:
		fprintf(out, "  # %s:%u\n", path ? path : "file", origin->line);
		break;
	case ORIGIN_COMMAND_LINE:
		fputs("  # command line\n", out);
		break;
	}
}

static void print_list(FILE *out, const struct option_list *list)
{
	fputs(" [", out);
	for (size_t i = 0; i < list->count; i++) {
		fputs(i ? ", " : "", out);
		print_quoted(out, list->items[i]);
	}
	fputc(']', out);
}

static void print_value(FILE *out, const struct options *options, const struct option_info *info)
{
	const void *value = (const char *)options + info->offset;
	char text[QUANTITY_TEXT];

	switch (info->type) {
	case OPTION_SWITCH:
		snprintf(text, sizeof(text), "%s", *(const bool *)value ? "true" : "false");
		break;
	case OPTION_DURATION:
		quantity_print_duration(*(const int64_t *)value, text);
		break;
	case OPTION_COUNT:
		snprintf(text, sizeof(text), "%" PRId64, *(const int64_t *)value);
		break;
	case OPTION_BYTES:
		quantity_print_bytes(*(const int64_t *)value, text);
		break;
	case OPTION_PERCENT:
		quantity_print_percent(*(const double *)value, text);
		break;
	case OPTION_CHOICE:
		snprintf(text, sizeof(text), "%s", info->choices[*(const int *)value]);
		break;
	case OPTION_TEXT:
		fputc(' ', out);
		print_quoted(out, *(char *const *)value ? *(char *const *)value : "");
		return;
	case OPTION_ADDRESSES:
	case OPTION_HOSTS:
	case OPTION_NAMES:
		print_list(out, value);
		return;
	}
	fprintf(out, " %s", text);
}

/* The sections of @name that @before did not open, and the key itself. */
static void print_key(FILE *out, const char *before, const char *name)
{
	size_t start = 0, depth = 0;
	bool same = true;

	for (size_t i = 0; name[i]; i++) {
		if (name[i] != '.')
			continue;
		same = same && !strncmp(before, name, i + 1);
		if (!same)
			fprintf(out, "%*s%.*s:\n", (int)depth * 2, "", (int)(i - start),
				name + start);
		start = i + 1;
		depth++;
	}
	fprintf(out, "%*s%s:", (int)depth * 2, "", name + start);
}

void options_print_yaml(const struct options *options, const char *path, FILE *out)
{
	size_t count = options_count();
	const char *before = "";

	fputs("# tcpdiagd " TCPDIAGD_VERSION ": what is in force\n", out);
	for (size_t row = 0; row < count; row++) {
		struct option_info info;

		option_get(row, &info);
		if (info.flags & OPTION_COMMAND_LINE)
			continue;
		print_key(out, before, info.name);
		print_value(out, options, &info);
		print_origin(out, &options->origins[row], path);
		before = info.name;
	}
}
