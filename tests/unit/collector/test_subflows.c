/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Subflows found by their MPTCP socket, for whom the kernel does not name the protocol.
 */
#include "../harness.h"
#include "collector/memory.h"
#include "collector/subflows.h"
#include "model/macro.h"

static struct record row(bool mptcp, uint32_t inode, uint16_t local, uint16_t remote)
{
	return (struct record){ .sk = { .mptcp = mptcp,
					.inode = inode,
					.local_port = local,
					.remote_port = remote,
					.local = { [15] = 1 },
					.remote = { [15] = 2 },
					.state = TCPDIAG_ESTABLISHED },
				.flags = RECORD_JUDGED };
}

START_TEST(test_by_inode_or_ends)
{
	struct record records[] = {
		row(false, 7, 1000, 443), /* the first subflow */
		row(false, 7, 1001, 443), /* one that joined: other ends, the same inode */
		row(false, 8, 1000, 443), /* the same ends do not count where there is an inode */
		row(false, 0, 443, 1002), /* waits to be accepted */
		row(false, 0, 443, 1003), /* plain TCP, in the same queue */
		row(false, 9, 2000, 443), /* the kernel has told: none */
		row(false, 0, 443, 1002), /* a minisocket */
		row(true, 9, 2000, 443),  row(true, 0, 443, 1002), row(true, 7, 1000, 443),
	};
	static const bool want[ARRAY_SIZE(records)] = { true, true, false, true };
	size_t i;

	records[5].sk.known = TCPDIAG_KNOWS_ULP;
	records[6].sk.kind = TCPDIAG_KIND_TIMEWAIT;
	ck_assert_int_eq(subflows_mark(records, ARRAY_SIZE(records)), 0);
	for (i = 0; i < ARRAY_SIZE(records); i++) {
		ck_assert_msg(records[i].sk.mptcp_subflow == want[i], "row %zu", i);
		ck_assert_msg(!(records[i].flags & RECORD_JUDGED) == want[i], "row %zu", i);
	}
}
END_TEST

START_TEST(test_nothing_to_do)
{
	struct record records[] = { row(false, 7, 1, 2), row(false, 0, 3, 4) };

	ck_assert_int_eq(subflows_mark(NULL, 0), 0);
	ck_assert_int_eq(subflows_mark(records, ARRAY_SIZE(records)), 0);
	ck_assert(!records[0].sk.mptcp_subflow && !records[1].sk.mptcp_subflow);
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("subflows");
	TCase *tests = tcase_create("subflows");

	tcase_add_test(tests, test_by_inode_or_ends);
	tcase_add_test(tests, test_nothing_to_do);
	suite_add_tcase(suite, tests);
	return suite;
}
