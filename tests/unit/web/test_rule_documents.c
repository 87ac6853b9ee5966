/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * docs/rules says what the catalogue says: one document a rule, the list of them, and nothing else.
 *
 * TCPDIAGD_WRITE_DOCS=1 (`make docs`) writes them anew, and takes away what belongs to no rule, before
 * comparing.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../harness.h"
#include "model/macro.h"
#include "web/rule_text.h"

#define FOLDER "docs/rules"
#define INDEX "README.md"

static bool writing(void)
{
	return getenv("TCPDIAGD_WRITE_DOCS");
}

/* "close-fin.md", in the folder. */
static void path_of(const char *name, char ret[320])
{
	snprintf(ret, 320, FOLDER "/%s", name);
}

static void write_file(const char *path, const struct buffer *b)
{
	FILE *file;

	if (mkdir(FOLDER, 0777) < 0)
		ck_assert_int_eq(errno, EEXIST);
	file = fopen(path, "we");
	ck_assert_msg(file, "%s: %s", path, strerror(errno));
	ck_assert_uint_eq(fwrite(b->data, 1, b->len, file), b->len);
	ck_assert_int_eq(fclose(file), 0);
}

static void compare(const char *name, const struct buffer *b)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *text = NULL;
	char path[320];
	size_t size = 0;
	ssize_t len;

	ck_assert_int_eq(b->error, 0);
	path_of(name, path);
	if (writing())
		write_file(path, b);
	file = fopen(path, "re");
	ck_assert_msg(file, "%s: %s: run `make docs` and commit it", path, strerror(errno));
	len = getdelim(&text, &size, '\0', file);
	ck_assert_msg(len == (ssize_t)b->len && !memcmp(text, b->data, b->len),
		      "%s does not say what the catalogue says: run `make docs` and commit it",
		      path);
}

START_TEST(document_of_a_rule)
{
	const struct tcpdiag_rule_info *info = tcpdiag_rule_info(_i);
	struct buffer b = {};
	char name[128];

	ck_assert_ptr_nonnull(info);
	rule_text(&b, info);
	snprintf(name, sizeof(name), "%s.md", info->id);
	compare(name, &b);
	buffer_done(&b);
}
END_TEST

START_TEST(index_of_the_rules)
{
	struct buffer b = {};
	char link[128];
	int rule;

	rule_index(&b);
	compare(INDEX, &b);
	buffer_char(&b, '\0');
	for (rule = 1; rule < TCPDIAG_RULE_MAX; rule++) {
		snprintf(link, sizeof(link), "](%s.md)", tcpdiag_rule_id(rule));
		ck_assert_msg(strstr(b.data, link), "%s", link);
	}
	buffer_done(&b);
}
END_TEST

static bool is_expected(const char *name)
{
	const char *dot = strrchr(name, '.');

	return *name == '.' || !strcmp(name, INDEX) ||
	       (dot && !strcmp(dot, ".md") && tcpdiag_rule_find(name, (size_t)(dot - name)));
}

START_TEST(nothing_else)
{
	struct dirent *entry;
	char path[320];
	DIR *dir;

	dir = opendir(FOLDER);
	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir))) {
		if (is_expected(entry->d_name))
			continue;
		path_of(entry->d_name, path);
		if (writing())
			ck_assert_int_eq(unlink(path), 0);
		else
			ck_abort_msg("%s belongs to no rule: run `make docs`", path);
	}
	closedir(dir);
}
END_TEST

static void has(const struct buffer *b, const char *text)
{
	ck_assert_msg(memmem(b->data, b->len, text, strlen(text)), "no '%s' in\n%.*s", text,
		      (int)b->len, b->data);
}

static void has_not(const struct buffer *b, const char *text)
{
	ck_assert_msg(!memmem(b->data, b->len, text, strlen(text)), "'%s' in\n%.*s", text,
		      (int)b->len, b->data);
}

/* Every member of a row has its place. */
START_TEST(all_of_a_row)
{
	const struct tcpdiag_rule_info full = {
		.id = "close-x",
		.verified = TCPDIAG_VERIFIED_SOURCE,
		.title = "The title",
		.condition = "a < b | c",
		.because = "The reason.",
		.function = "tcp_x()",
		.file = "net/x.c",
		.rfc = "RFC 1, 2",
		.counter = "TCPX",
		.reset_reason = "tcp-x",
		.log_line = "TCP: x",
		.example = "close(fd);\n",
		.older = "Before x.",
		.remedy = "Do it.",
	};
	static const char *const parts[] = {
		"# close-x: The title\n",
		"\nThe reason.\n",
		"| when | a &lt; b \\| c |\n",
		"| decided by | `tcp_x()` |\n",
		"| in | `net/x.c` |\n",
		"| RFC | RFC 1, 2 |\n",
		"| counter | `TCPX` |\n",
		"| reason of the RST | `tcp-x` |\n",
		"| kernel log | `TCP: x` |\n",
		"| verified | in the kernel's source",
		"## Example\n\n```\nclose(fd);\n```\n",
		"## Older kernels\n\nBefore x.\n",
		"## What to do\n\nDo it.\n",
		"close_rule=close-x&format=text",
		"\nnstat -az '*TCPX'\n",
	};
	const struct tcpdiag_rule_info scant = {
		.id = "some-finding",
		.kind = TCPDIAG_RULE_KIND_FINDING,
		.title = "The title",
		.counter = "TCPAbortOnClose",
		.condition = "a",
		.because = "The reason.",
		.example = "no end of line",
	};
	struct buffer b = {};
	size_t i;

	rule_text(&b, &full);
	for (i = 0; i < ARRAY_SIZE(parts); i++)
		has(&b, parts[i]);
	b.len = 0;
	rule_text(&b, &scant);
	has(&b, "findings?rule=some-finding'");
	has(&b, "\nnstat -az TcpExtTCPAbortOnClose\n");
	has(&b, "no end of line\n```\n");
	has(&b, "by the running kernel");
	has_not(&b, "null");
	has_not(&b, "| RFC |");
	has_not(&b, "Older kernels");
	buffer_done(&b);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("rule documents");
	TCase *t = tcase_create("documents");

	tcase_add_loop_test(t, document_of_a_rule, 1, TCPDIAG_RULE_MAX);
	tcase_add_test(t, index_of_the_rules);
	tcase_add_test(t, nothing_else);
	tcase_add_test(t, all_of_a_row);
	suite_add_tcase(s, t);
	return s;
}
