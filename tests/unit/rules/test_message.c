/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ids of messages, and systemd/tcpdiagd.catalog, which says what the catalogue of rules says.
 *
 * TCPDIAGD_WRITE_DOCS=1 (`make docs`) writes it anew before comparing.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../harness.h"
#include "model/macro.h"
#include "rules/message.h"

#define CATALOG "systemd/tcpdiagd.catalog"
#define WIDTH 79

static void check_id(const char *id)
{
	ck_assert_ptr_nonnull(id);
	ck_assert_uint_eq(strlen(id), 32);
	ck_assert_uint_eq(strspn(id, "0123456789abcdef"), 32);
}

START_TEST(test_ids)
{
	int rule, other;

	check_id(MESSAGE_ID_CLEARED);
	for (rule = TCPDIAG_RULE_FINDING_FIRST; rule < TCPDIAG_RULE_MAX; rule++) {
		const char *id = rule_message_id((enum tcpdiag_rule)rule);

		check_id(id);
		ck_assert_str_ne(id, MESSAGE_ID_CLEARED);
		for (other = TCPDIAG_RULE_FINDING_FIRST; other < rule; other++)
			ck_assert_str_ne(id, rule_message_id((enum tcpdiag_rule)other));
	}
	for (rule = 0; rule < TCPDIAG_RULE_FINDING_FIRST; rule++)
		ck_assert_ptr_null(rule_message_id((enum tcpdiag_rule)rule));
	ck_assert_ptr_null(rule_message_id(TCPDIAG_RULE_MAX));
}
END_TEST

/* Never changed: three of them stand here a second time. */
START_TEST(test_fixed)
{
	static const struct {
		enum tcpdiag_rule rule;
		const char *id;
	} rows[] = {
		{ TCPDIAG_RULE_RST_ON_CLOSE, "66e5f06c0cfd48e9ad87cc8e804927eb" },
		{ TCPDIAG_RULE_CLOSE_WAIT_LEAK, "27cd56083a804b169812d70082472740" },
		{ TCPDIAG_RULE_ORPHAN_ACCUMULATION, "b0aeb8e0b5894d538100c739bb206175" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_str_eq(rule_message_id(rows[i].rule), rows[i].id);
}
END_TEST

/* ---- the catalogue ---- */

/* Words of a paragraph, broken before the column where they would be cut. */
static void paragraph(FILE *file, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t len = strcspn(text, " \n");

		if (column && column + 1 + len > WIDTH) {
			fputc('\n', file);
			column = 0;
		} else if (column) {
			fputc(' ', file);
			column++;
		}
		fwrite(text, 1, len, file);
		column += len;
		text += len;
		text += strspn(text, " \n");
	}
	fputs("\n\n", file);
}

static void sentence(FILE *file, const char *format, ...) PRINTF(2, 3);

static void sentence(FILE *file, const char *format, ...)
{
	char text[2048];
	va_list args;

	va_start(args, format);
	ck_assert_int_lt(vsnprintf(text, sizeof(text), format, args), (int)sizeof(text));
	va_end(args);
	paragraph(file, text);
}

static void entry(FILE *file, const char *id, const char *title)
{
	fprintf(file,
		"-- %s\nSubject: %s\nDefined-By: tcpdiagd\nDocumentation: man:tcpdiagd(8)\n\n", id,
		title);
}

static void write_catalog(FILE *file)
{
	int rule;

	fputs("# SPDX-License-Identifier: LGPL-2.1-or-later\n#\n"
	      "# What journalctl -x says to the messages of tcpdiagd. Made by `make docs` from the "
	      "catalogue of rules.\n\n",
	      file);
	for (rule = TCPDIAG_RULE_FINDING_FIRST; rule < TCPDIAG_RULE_MAX; rule++) {
		const struct tcpdiag_rule_info *info = tcpdiag_rule_info((enum tcpdiag_rule)rule);

		entry(file, rule_message_id((enum tcpdiag_rule)rule), info->title);
		paragraph(file, info->because);
		sentence(file, "Found when: %s.", info->condition);
		sentence(file, "What to do: %s", info->remedy);
		sentence(file,
			 "This one: @TCPDIAGD_CAUSE@ It stands as finding @TCPDIAGD_FINDING@ in "
			 "/findings, the "
			 "rule in /rules/%s.",
			 info->id);
	}
	entry(file, MESSAGE_ID_CLEARED, "A finding has been cleared");
	sentence(file, "What the finding @TCPDIAGD_FINDING@ of the rule @TCPDIAGD_RULE@ was about "
		       "is over: "
		       "it has been below 70 %% of what raises it for a while, or who was to blame "
		       "has gone.");
}

START_TEST(test_catalog)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *wanted = NULL, *got = NULL;
	size_t wanted_size = 0, size = 0;
	FILE *memory = open_memstream(&wanted, &wanted_size);

	ck_assert_ptr_nonnull(memory);
	write_catalog(memory);
	ck_assert_int_eq(fclose(memory), 0);
	if (getenv("TCPDIAGD_WRITE_DOCS")) {
		file = fopen(CATALOG, "we");
		ck_assert_msg(file, CATALOG ": %s", strerror(errno));
		ck_assert_uint_eq(fwrite(wanted, 1, wanted_size, file), wanted_size);
		ck_assert_int_eq(fclose(file), 0);
	}
	file = fopen(CATALOG, "re");
	ck_assert_msg(file, CATALOG ": %s: run `make docs` and commit it", strerror(errno));
	ck_assert_msg(getdelim(&got, &size, '\0', file) == (ssize_t)wanted_size &&
			      !memcmp(got, wanted, wanted_size),
		      CATALOG " does not say what the rules say: run `make docs` and commit it");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("messages");
	TCase *c = tcase_create("messages");

	tcase_add_test(c, test_ids);
	tcase_add_test(c, test_fixed);
	tcase_add_test(c, test_catalog);
	suite_add_tcase(s, c);
	return s;
}
