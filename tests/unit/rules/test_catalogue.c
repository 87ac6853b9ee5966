/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The catalogue is complete: each rule has a row, each row says what a reader needs.
 */
#include <ctype.h>
#include <string.h>

#include <tcpdiag/rule.h>

#include "../harness.h"

START_TEST(test_row)
{
	const struct tcpdiag_rule_info *info = tcpdiag_rule_info(_i);
	const char *c;

	ck_assert_msg(info, "rule %d has no row", _i);
	ck_assert(info->id && info->title && info->condition && info->because);
	ck_assert(info->function && info->file);
	for (c = info->id; *c; c++)
		ck_assert_msg(islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '-',
			      "%s", info->id);
	ck_assert_msg(info->because[strlen(info->because) - 1] == '.', "%s", info->id);
	ck_assert_uint_eq(tcpdiag_rule_find(info->id, strlen(info->id)), _i);
	ck_assert_int_eq(info->kind == TCPDIAG_RULE_KIND_FINDING, _i >= TCPDIAG_RULE_FINDING_FIRST);
	ck_assert_msg(info->remedy && *info->remedy, "%s: says what to do", info->id);
	ck_assert_msg(info->example && *info->example, "%s: shows how it looks", info->id);
	if (info->kind == TCPDIAG_RULE_KIND_FINDING)
		return;
	/* What no RFC says is said so: "none: ..." */
	ck_assert_msg(info->rfc &&
			      (!strncmp(info->rfc, "RFC ", 4) || !strncmp(info->rfc, "none: ", 6)),
		      "%s: stands in an RFC, or in none", info->id);
	ck_assert_msg(!strncmp(info->file, "net/", 4) || !strncmp(info->file, "include/net/", 12),
		      "%s: names a file of the kernel", info->id);
	ck_assert_msg(strstr(info->function, "()"), "%s: names a function", info->id);
}
END_TEST

/*
 * Where kernels have answered differently the catalogue says both answers: each rule that the oracle decides by
 * what a kernel gives away (struct tcpdiag_environment), and those whose limits have moved.
 */
static const enum tcpdiag_rule differs[] = {
	TCPDIAG_RULE_CLOSE_LISTENER,	    TCPDIAG_RULE_CLOSE_UNREAD,
	TCPDIAG_RULE_CLOSE_FIN_WAIT2,	    TCPDIAG_RULE_CLOSE_ORPHAN_LIMIT,
	TCPDIAG_RULE_CLOSE_MPTCP_FASTCLOSE, TCPDIAG_RULE_CLOSE_MPTCP,
	TCPDIAG_RULE_CLOSE_MPTCP_FALLBACK,  TCPDIAG_RULE_SHUTDOWN_WRITE,
	TCPDIAG_RULE_SHUTDOWN_DEFERRED,	    TCPDIAG_RULE_SHUTDOWN_LISTENER,
	TCPDIAG_RULE_CHILD_RESET,	    TCPDIAG_RULE_CHILD_MIGRATES,
	TCPDIAG_RULE_FATE_RETRIES,	    TCPDIAG_RULE_FATE_ZERO_WINDOW,
	TCPDIAG_RULE_FATE_ORPHAN_LIMIT,	    TCPDIAG_RULE_FATE_FIN_WAIT2,
	TCPDIAG_RULE_FATE_REQUEST,
};

START_TEST(test_older)
{
	const struct tcpdiag_rule_info *info = tcpdiag_rule_info(differs[_i]);

	ck_assert_msg(info->older && *info->older, "%s: says what older kernels do", info->id);
}
END_TEST

/* The reason of a reset is spelled as in events. */
START_TEST(test_reset_reason)
{
	const struct tcpdiag_rule_info *info = tcpdiag_rule_info(_i);

	if (info->reset_reason)
		ck_assert_msg(strspn(info->reset_reason, "abcdefghijklmnopqrstuvwxyz-") ==
				      strlen(info->reset_reason),
			      "%s: as events spell it", info->id);
}
END_TEST

START_TEST(test_nothing_else)
{
	ck_assert_ptr_null(tcpdiag_rule_info(TCPDIAG_RULE_NONE));
	ck_assert_ptr_null(tcpdiag_rule_info(TCPDIAG_RULE_MAX));
	ck_assert_ptr_null(tcpdiag_rule_id(TCPDIAG_RULE_MAX));
	ck_assert_uint_eq(tcpdiag_rule_find("close", 5), TCPDIAG_RULE_NONE);
	ck_assert_uint_eq(tcpdiag_rule_find("", 0), TCPDIAG_RULE_NONE);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("catalogue");
	TCase *rows = tcase_create("rows");

	tcase_add_loop_test(rows, test_row, 1, TCPDIAG_RULE_MAX);
	tcase_add_loop_test(rows, test_older, 0, sizeof(differs) / sizeof(differs[0]));
	tcase_add_loop_test(rows, test_reset_reason, 1, TCPDIAG_RULE_MAX);
	tcase_add_test(rows, test_nothing_else);
	suite_add_tcase(s, rows);
	return s;
}
