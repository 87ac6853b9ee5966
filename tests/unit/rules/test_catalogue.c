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
	if (info->kind == TCPDIAG_RULE_KIND_FINDING)
		ck_assert_msg(info->remedy, "%s: a finding says what to do", info->id);
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
	tcase_add_test(rows, test_nothing_else);
	suite_add_tcase(s, rows);
	return s;
}
