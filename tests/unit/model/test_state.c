/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The states: the kernel's numbers, one spelling out, every spelling in.
 */
#include <ctype.h>
#include <string.h>

#include <tcpdiag/state.h>

#include "../harness.h"
#include "model/macro.h"

/* As include/net/tcp_states.h numbers them, as `ss state` takes them, and the contract's list. */
static const struct {
	int number;
	const char *name, *kernel;
} contract[] = {
	{ 1, "established", "ESTABLISHED" },
	{ 2, "syn-sent", "SYN_SENT" },
	{ 3, "syn-recv", "SYN_RECV" },
	{ 4, "fin-wait-1", "FIN_WAIT1" },
	{ 5, "fin-wait-2", "FIN_WAIT2" },
	{ 6, "time-wait", "TIME_WAIT" },
	{ 7, "closed", "CLOSE" },
	{ 8, "close-wait", "CLOSE_WAIT" },
	{ 9, "last-ack", "LAST_ACK" },
	{ 10, "listening", "LISTEN" },
	{ 11, "closing", "CLOSING" },
	{ 12, "new-syn-recv", "NEW_SYN_RECV" },
	{ 13, "bound-inactive", "BOUND_INACTIVE" },
};

START_TEST(test_names)
{
	int number = contract[_i].number;

	ck_assert_str_eq(tcpdiag_state_name(number), contract[_i].name);
	ck_assert_str_eq(tcpdiag_state_kernel_name(number), contract[_i].kernel);
	ck_assert_ptr_nonnull(tcpdiag_state_column(number));
}
END_TEST

START_TEST(test_every_own_spelling)
{
	int number = contract[_i].number;
	const char *names[] = { contract[_i].name, contract[_i].kernel };
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		char upper[32], lower[32], bare[32], *end = bare;

		for (j = 0; names[i][j]; j++) {
			upper[j] = (char)toupper((unsigned char)names[i][j]);
			lower[j] = (char)tolower((unsigned char)names[i][j]);
			if (lower[j] == '-')
				lower[j] = '_';
			if (isalnum((unsigned char)names[i][j]))
				*end++ = names[i][j];
		}
		ck_assert_int_eq(tcpdiag_state_parse(names[i], j), number);
		ck_assert_int_eq(tcpdiag_state_parse(upper, j), number);
		ck_assert_int_eq(tcpdiag_state_parse(lower, j), number);
		ck_assert_int_eq(tcpdiag_state_parse(bare, (size_t)(end - bare)), number);
	}
}
END_TEST

static const struct {
	const char *text;
	enum tcpdiag_state state;
} spellings[] = {
	{ "ESTAB", TCPDIAG_ESTABLISHED }, /* ss, column */
	{ "connected", TCPDIAG_ESTABLISHED },
	{ "FIN-WAIT-2", TCPDIAG_FIN_WAIT2 }, /* ss, column */
	{ "FIN_WAIT2", TCPDIAG_FIN_WAIT2 }, /* netstat, kernel */
	{ "fin_wait2", TCPDIAG_FIN_WAIT2 }, /* node_exporter */
	{ "fin_wait_2", TCPDIAG_FIN_WAIT2 },
	{ "FinWait2", TCPDIAG_FIN_WAIT2 }, /* RFC MIB, Windows */
	{ "TIME_WAIT", TCPDIAG_TIME_WAIT },
	{ "CLOSE", TCPDIAG_CLOSE }, /* kernel */
	{ "close", TCPDIAG_CLOSE }, /* node_exporter */
	{ "unconnected", TCPDIAG_CLOSE }, /* ss */
	{ "CLOSE-WAIT", TCPDIAG_CLOSE_WAIT },
	{ "closewait", TCPDIAG_CLOSE_WAIT },
	{ "listen", TCPDIAG_LISTEN },
	{ "LISTEN", TCPDIAG_LISTEN },
	{ "LISTENING", TCPDIAG_LISTEN }, /* netstat elsewhere */
	{ "syn-received", TCPDIAG_SYN_RECV }, /* RFC 9293 */
	{ "SYN_RECV", TCPDIAG_SYN_RECV },
	{ "bound", TCPDIAG_BOUND_INACTIVE },
	{ "TCP_FIN_WAIT2", TCPDIAG_FIN_WAIT2 }, /* the kernel's enum, bpftrace */
	{ "TCP_CLOSE", TCPDIAG_CLOSE },
	{ "tcp-close-wait", TCPDIAG_CLOSE_WAIT },
	{ "tcp_new_syn_recv", TCPDIAG_NEW_SYN_RECV },
	{ "TCP_", TCPDIAG_STATE_NONE },
	{ "TCP_TCP_LISTEN", TCPDIAG_STATE_NONE },
	{ "UDP_LISTEN", TCPDIAG_STATE_NONE },
	{ "", TCPDIAG_STATE_NONE },
	{ "-", TCPDIAG_STATE_NONE },
	{ "fin", TCPDIAG_STATE_NONE },
	{ "fin-wait-3", TCPDIAG_STATE_NONE },
	{ "fin-wait-22", TCPDIAG_STATE_NONE },
	{ "established ", TCPDIAG_STATE_NONE },
	{ "all", TCPDIAG_STATE_NONE },
};

START_TEST(test_spellings)
{
	const char *text = spellings[_i].text;
	char longer[64];

	ck_assert_int_eq(tcpdiag_state_parse(text, strlen(text)), spellings[_i].state);
	/* What stands behind @len is not looked at. */
	snprintf(longer, sizeof(longer), "%sx", text);
	ck_assert_int_eq(tcpdiag_state_parse(longer, strlen(text)), spellings[_i].state);
}
END_TEST

START_TEST(test_out_of_range)
{
	const int wrong[] = { 0, -1, TCPDIAG_STATE_MAX, 255, 1 << 30 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		ck_assert_ptr_null(tcpdiag_state_name(wrong[i]));
		ck_assert_ptr_null(tcpdiag_state_kernel_name(wrong[i]));
		ck_assert_ptr_null(tcpdiag_state_column(wrong[i]));
	}
}
END_TEST

START_TEST(test_masks)
{
	ck_assert_uint_eq(TCPDIAG_STATES_TEARDOWN, 0xb30);
	ck_assert_uint_eq(TCPDIAG_STATES_ALL, 0x3ffe);
	ck_assert_uint_eq(ARRAY_SIZE(contract), TCPDIAG_STATE_MAX - 1);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("state");
	TCase *tc = tcase_create("state");

	tcase_add_loop_test(tc, test_names, 0, ARRAY_SIZE(contract));
	tcase_add_loop_test(tc, test_every_own_spelling, 0, ARRAY_SIZE(contract));
	tcase_add_loop_test(tc, test_spellings, 0, ARRAY_SIZE(spellings));
	tcase_add_test(tc, test_out_of_range);
	tcase_add_test(tc, test_masks);
	suite_add_tcase(s, tc);
	return s;
}
