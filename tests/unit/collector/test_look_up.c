/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which sockets cannot wait for the next pass over the descriptors.
 */
#include "../harness.h"
#include "collector/private.h"
#include "model/macro.h"

#define KNOWN (TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_LINGER2)
#define READ_NS 500

#define SOCKET(a_state, an_attachment, ...) \
	{ \
		.state = TCPDIAG_##a_state, .attachment = TCPDIAG_##an_attachment, ##__VA_ARGS__ \
	}

static const struct {
	const char *what;
	struct record record;
	bool due;
} rows[] = {
	{ "new", { .sk = SOCKET(ESTABLISHED, HELD) }, true },
	{ "read before",
	  { .sk = SOCKET(ESTABLISHED, HELD, .known = KNOWN), .settings_ns = READ_NS },
	  false },
	{ "a listener",
	  { .sk = SOCKET(LISTEN, HELD, .known = KNOWN), .settings_ns = READ_NS },
	  false },
	{ "FIN-WAIT-2",
	  { .sk = SOCKET(FIN_WAIT2, HELD, .known = KNOWN), .settings_ns = READ_NS },
	  true },
	{ "an orphan: an ICMP error changes its fate",
	  { .sk = SOCKET(LAST_ACK, ORPHAN, .known = KNOWN), .settings_ns = READ_NS },
	  true },
	{ "part of a finding",
	  { .sk = SOCKET(ESTABLISHED, HELD, .known = KNOWN),
	    .settings_ns = READ_NS,
	    .findings = 4 },
	  true },
	{ "waits in a queue, read itself",
	  { .sk = SOCKET(ESTABLISHED, UNACCEPTED, .known = KNOWN), .settings_ns = READ_NS },
	  false },
	{ "waits in a queue, known from its listener",
	  { .sk = SOCKET(ESTABLISHED, UNACCEPTED, .known = KNOWN, .inherited = true),
	    .settings_ns = READ_NS },
	  true },
	{ "accepted before it was read itself",
	  { .sk = SOCKET(ESTABLISHED, HELD, .known = KNOWN, .inherited = true),
	    .settings_ns = READ_NS },
	  true },
	{ "nobody holds it",
	  { .sk = SOCKET(ESTABLISHED, UNHELD, .known = KNOWN, .inode = 7), .settings_ns = READ_NS },
	  true },
	{ "nobody seems to hold it",
	  { .sk = SOCKET(ESTABLISHED, HELD, .known = KNOWN, .inode = 7),
	    .settings_ns = READ_NS,
	    .flags = RECORD_OWNERS_KNOWN },
	  true },
	{ "it is not known who holds it",
	  { .sk = SOCKET(ESTABLISHED, HELD, .known = KNOWN, .inode = 7), .settings_ns = READ_NS },
	  false },
	{ "somebody holds it",
	  { .sk = SOCKET(ESTABLISHED, HELD, .known = KNOWN, .inode = 7),
	    .settings_ns = READ_NS,
	    .holders = 1,
	    .flags = RECORD_OWNERS_KNOWN },
	  false },
	{ "a minisocket",
	  { .sk = SOCKET(FIN_WAIT2, TIMEWAIT, .kind = TCPDIAG_KIND_TIMEWAIT) },
	  false },
	{ "a request",
	  { .sk = SOCKET(NEW_SYN_RECV, REQUEST, .kind = TCPDIAG_KIND_REQUEST) },
	  false },
	{ "an MPTCP socket", { .sk = SOCKET(ESTABLISHED, HELD, .mptcp = true) }, false },
	{ "bound only", { .sk = SOCKET(BOUND_INACTIVE, HELD) }, false },
	{ "dead", { .sk = SOCKET(CLOSE, HELD), .findings = 1 }, false },
};

START_TEST(test_due)
{
	ck_assert_msg(look_up_is_due(&rows[_i].record, 0) == rows[_i].due, "%s", rows[_i].what);
}
END_TEST

/* Without passes everything that can be looked up is read again after a while. */
START_TEST(test_reread)
{
	const struct record record = { .sk = SOCKET(ESTABLISHED, HELD, .known = KNOWN),
				       .settings_ns = READ_NS };
	const struct record bound = { .sk = SOCKET(BOUND_INACTIVE, HELD) };

	ck_assert(!look_up_is_due(&record, READ_NS - 1));
	ck_assert(look_up_is_due(&record, READ_NS));
	ck_assert(!look_up_is_due(&bound, READ_NS));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("look_up");
	TCase *tc = tcase_create("look_up");

	tcase_add_loop_test(tc, test_due, 0, ARRAY_SIZE(rows));
	tcase_add_test(tc, test_reread);
	suite_add_tcase(s, tc);
	return s;
}
