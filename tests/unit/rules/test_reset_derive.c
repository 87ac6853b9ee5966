/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reason of a RST from what the socket looks like: one row for each caller of the kernel.
 */
#include <errno.h>
#include <netinet/tcp.h>

#include "../harness.h"
#include "model/macro.h"
#include "rules/reset_derive.h"

#define KNOWN \
	(TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_LINGER2 | TCPDIAG_KNOWS_ERROR | TCPDIAG_KNOWS_BYTES)

#define DEAD .state = TCPDIAG_CLOSE, .known = KNOWN
#define LIVE(name) .state = TCPDIAG_##name, .known = KNOWN

static const struct row {
	const char *name;
	struct tcpdiag_socket sk;
	struct reset_facts facts;
	enum reset_reason reason;
	bool no_socket;
} rows[] = {
	{ "unread data", { DEAD, .rqueue = 5 }, { .released = true }, RESET_REASON_ABORT_ON_CLOSE },
	{ "unread data goes before linger",
	  { DEAD, .rqueue = 5, .linger = true },
	  { .released = true },
	  RESET_REASON_ABORT_ON_CLOSE },
	{ "linger 0", { DEAD, .linger = true }, { .released = true }, RESET_REASON_STATE },
	{ "linger 0 in LAST_ACK",
	  { DEAD, .linger = true },
	  { .released = true, .before = TCPDIAG_LAST_ACK },
	  RESET_REASON_DISCONNECT_WITH_DATA },
	{ "linger 0 in CLOSING",
	  { DEAD, .linger = true },
	  { .released = true, .before = TCPDIAG_CLOSING },
	  RESET_REASON_DISCONNECT_WITH_DATA },
	{ "a linger of 5 s does not reset",
	  { DEAD, .linger = true, .sk_lingertime_ms = 5000 },
	  { .released = true },
	  RESET_REASON_NOT_SPECIFIED },
	{ "settings could not be read",
	  { .state = TCPDIAG_CLOSE },
	  { .released = true },
	  RESET_REASON_STATE },
	{ "a child of a listener", { DEAD, .rqueue = 5 }, {}, RESET_REASON_STATE },
	{ "linger2 below 0 in FIN_WAIT2",
	  { DEAD, .linger2_ms = -1 },
	  { .released = true, .orphaned = true, .before = TCPDIAG_FIN_WAIT2 },
	  RESET_REASON_ABORT_ON_LINGER },
	{ "the same, state not known",
	  { DEAD, .linger2_ms = -1 },
	  { .released = true, .orphaned = true },
	  RESET_REASON_ABORT_ON_LINGER },
	{ "too many orphans, though linger2 is below 0",
	  { DEAD, .linger2_ms = -1 },
	  { .released = true, .orphaned = true, .before = TCPDIAG_FIN_WAIT1 },
	  RESET_REASON_ABORT_ON_MEMORY },
	{ "too many orphans",
	  { DEAD },
	  { .released = true, .orphaned = true },
	  RESET_REASON_ABORT_ON_MEMORY },
	{ "an orphan that probes, and no memory",
	  { LIVE(FIN_WAIT1) },
	  { .released = true, .orphaned = true },
	  RESET_REASON_ABORT_ON_MEMORY },
	{ "FIN_WAIT2's timer",
	  { LIVE(FIN_WAIT2) },
	  { .released = true, .orphaned = true },
	  RESET_REASON_STATE },
	{ "SOCK_DESTROY", { LIVE(ESTABLISHED), .sk_err = ECONNABORTED }, {}, RESET_REASON_STATE },
	{ "keepalive, or what else", { LIVE(ESTABLISHED) }, {}, RESET_REASON_NOT_SPECIFIED },
	{ "a SYN to a closed port",
	  {},
	  { .passive = true, .segment_flags = TH_SYN },
	  RESET_REASON_NO_SOCKET_SYN,
	  true },
	{ "a SYN,ACK is no SYN",
	  {},
	  { .passive = true, .segment_flags = TH_SYN | TH_ACK },
	  RESET_REASON_NO_SOCKET,
	  true },
	{ "data for nobody",
	  {},
	  { .passive = true, .segment_flags = TH_ACK, .payload = 9 },
	  RESET_REASON_NO_SOCKET,
	  true },
	{ "a minisocket",
	  { .state = TCPDIAG_FIN_WAIT2, .kind = TCPDIAG_KIND_TIMEWAIT },
	  { .passive = true, .segment_flags = TH_ACK, .payload = 9 },
	  RESET_REASON_TIMEWAIT_SOCKET },
	{ "late data",
	  { DEAD },
	  { .passive = true, .orphaned = true, .payload = 9 },
	  RESET_REASON_ABORT_ON_DATA },
	{ "the FIN's ACK, linger2 below 0",
	  { DEAD, .linger2_ms = -1 },
	  { .passive = true, .orphaned = true },
	  RESET_REASON_ABORT_ON_DATA },
	{ "a segment of another kind for a dead one",
	  { DEAD },
	  { .passive = true, .orphaned = true },
	  RESET_REASON_NOT_SPECIFIED },
	{ "a wrong answer in SYN_SENT",
	  { LIVE(SYN_SENT) },
	  { .passive = true, .payload = 9 },
	  RESET_REASON_NOT_SPECIFIED },
	{ "a request",
	  { .state = TCPDIAG_NEW_SYN_RECV, .kind = TCPDIAG_KIND_REQUEST },
	  { .passive = true, .segment_flags = TH_SYN },
	  RESET_REASON_NOT_SPECIFIED },
};

START_TEST(derived)
{
	const struct row *row = &rows[_i];
	struct reset_facts facts = row->facts;
	enum reset_reason reason;

	facts.sk = row->no_socket ? NULL : &row->sk;
	reason = reset_derive(&facts);
	ck_assert_msg(reason == row->reason, "%s: %s, not %s", row->name, reset_reason_name(reason),
		      reset_reason_name(row->reason));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("derived reasons");
	TCase *tests = tcase_create("rows");

	tcase_add_loop_test(tests, derived, 0, ARRAY_SIZE(rows));
	suite_add_tcase(s, tests);
	return s;
}
