/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Queue truths, with the numbers that a kernel showed: FIN and SYN are one byte of a queue, a TLS pool's
 * close_notify is not the application's data, and inode 0 alone is no orphan.
 */
#include <tcpdiag/socket.h>

#include "../harness.h"
#include "model/macro.h"

#define NOTSENT TCPDIAG_KNOWS_NOTSENT

static const struct {
	const char *what;
	struct tcpdiag_socket sk;
	bool fin_unread;
	uint32_t unread, unsent, unacked;
	bool peer_finished;
} queues[] = {
	{ "idle", { .state = TCPDIAG_ESTABLISHED, .known = NOTSENT }, false, 0, 0, 0, false },
	{ "data waits",
	  { .state = TCPDIAG_ESTABLISHED, .rqueue = 510, .known = NOTSENT },
	  false,
	  510,
	  0,
	  0,
	  false },
	{ "TLS 1.2 pool: 31 bytes and the FIN",
	  { .state = TCPDIAG_CLOSE_WAIT, .rqueue = 32, .known = NOTSENT },
	  true,
	  31,
	  0,
	  0,
	  true },
	{ "TLS 1.3 pool: 24 bytes and the FIN",
	  { .state = TCPDIAG_CLOSE_WAIT, .rqueue = 25, .known = NOTSENT },
	  true,
	  24,
	  0,
	  0,
	  true },
	{ "only the FIN waits",
	  { .state = TCPDIAG_CLOSE_WAIT, .rqueue = 1, .known = NOTSENT },
	  true,
	  0,
	  0,
	  0,
	  true },
	{ "EOF read and forgotten",
	  { .state = TCPDIAG_CLOSE_WAIT, .known = NOTSENT },
	  false,
	  0,
	  0,
	  0,
	  true },
	{ "peer closed, our answer is under way",
	  { .state = TCPDIAG_CLOSE_WAIT, .wqueue = 100, .notsent_bytes = 30, .known = NOTSENT },
	  false,
	  0,
	  30,
	  70,
	  false },
	{ "peer closed, only unsent data left",
	  { .state = TCPDIAG_CLOSE_WAIT, .wqueue = 30, .notsent_bytes = 30, .known = NOTSENT },
	  false,
	  0,
	  30,
	  0,
	  false },
	{ "FIN sent, not acknowledged",
	  { .state = TCPDIAG_FIN_WAIT1, .wqueue = 1, .known = NOTSENT },
	  false,
	  0,
	  0,
	  0,
	  false },
	{ "FIN behind unsent data",
	  { .state = TCPDIAG_FIN_WAIT1, .wqueue = 1001, .notsent_bytes = 501, .known = NOTSENT },
	  false,
	  0,
	  500,
	  500,
	  false },
	{ "all sent, data and FIN unacknowledged",
	  { .state = TCPDIAG_LAST_ACK, .wqueue = 11, .known = NOTSENT },
	  false,
	  0,
	  0,
	  10,
	  false },
	{ "LAST-ACK with its own FIN only",
	  { .state = TCPDIAG_LAST_ACK, .wqueue = 1, .known = NOTSENT },
	  false,
	  0,
	  0,
	  0,
	  true },
	{ "an orphan's unread FIN stays",
	  { .state = TCPDIAG_LAST_ACK, .wqueue = 1, .rqueue = 1, .known = NOTSENT },
	  true,
	  0,
	  0,
	  0,
	  true },
	{ "SYNs crossed: ours is in the send queue",
	  { .state = TCPDIAG_SYN_RECV, .wqueue = 1, .known = NOTSENT | TCPDIAG_KNOWS_BYTES },
	  false,
	  0,
	  0,
	  0,
	  false },
	{ "a fast open's child has answered: its SYN is not",
	  { .state = TCPDIAG_SYN_RECV,
	    .wqueue = 4,
	    .bytes_received = 5,
	    .known = NOTSENT | TCPDIAG_KNOWS_BYTES },
	  false,
	  0,
	  0,
	  4,
	  false },
	{ "CLOSING, FIN not sent yet",
	  { .state = TCPDIAG_CLOSING, .wqueue = 1, .notsent_bytes = 1, .known = NOTSENT },
	  false,
	  0,
	  0,
	  0,
	  true },
	{ "FIN-WAIT-2 with data",
	  { .state = TCPDIAG_FIN_WAIT2, .rqueue = 9, .known = NOTSENT },
	  false,
	  9,
	  0,
	  0,
	  false },
	{ "SYN in the send queue",
	  { .state = TCPDIAG_SYN_SENT, .wqueue = 1, .known = NOTSENT },
	  false,
	  0,
	  0,
	  0,
	  false },
	{ "fast open: data in SYN-RECV",
	  { .state = TCPDIAG_SYN_RECV, .wqueue = 1, .rqueue = 5, .known = NOTSENT },
	  false,
	  5,
	  0,
	  0,
	  false },
	{ "a listener's queue is connections",
	  { .state = TCPDIAG_LISTEN, .rqueue = 4, .wqueue = 128, .known = NOTSENT },
	  false,
	  0,
	  0,
	  0,
	  false },
	{ "a bound socket's queues are garbage",
	  { .state = TCPDIAG_BOUND_INACTIVE, .rqueue = 3, .wqueue = 3, .known = NOTSENT },
	  false,
	  0,
	  0,
	  0,
	  false },
	{ "a minisocket has none",
	  { .state = TCPDIAG_TIME_WAIT, .kind = TCPDIAG_KIND_TIMEWAIT, .rqueue = 7 },
	  false,
	  0,
	  0,
	  0,
	  false },
	{ "FIN-WAIT-2 minisocket",
	  { .state = TCPDIAG_FIN_WAIT2, .kind = TCPDIAG_KIND_TIMEWAIT },
	  false,
	  0,
	  0,
	  0,
	  false },
	{ "no tcp_info: all of it may be in flight",
	  { .state = TCPDIAG_ESTABLISHED, .wqueue = 100, .notsent_bytes = 60 },
	  false,
	  0,
	  0,
	  100,
	  false },
	{ "two reads that do not fit together",
	  { .state = TCPDIAG_ESTABLISHED, .wqueue = 10, .notsent_bytes = 60, .known = NOTSENT },
	  false,
	  0,
	  10,
	  0,
	  false },
};

START_TEST(test_queues)
{
	const struct tcpdiag_socket *sk = &queues[_i].sk;
	const char *what = queues[_i].what;

	ck_assert_msg(tcpdiag_fin_unread(sk) == queues[_i].fin_unread, "%s: fin_unread", what);
	ck_assert_msg(tcpdiag_unread_bytes(sk) == queues[_i].unread, "%s: unread %u", what,
		      tcpdiag_unread_bytes(sk));
	ck_assert_msg(tcpdiag_unsent_bytes(sk) == queues[_i].unsent, "%s: unsent %u", what,
		      tcpdiag_unsent_bytes(sk));
	ck_assert_msg(tcpdiag_unacked_bytes(sk) == queues[_i].unacked, "%s: unacked %u", what,
		      tcpdiag_unacked_bytes(sk));
	ck_assert_msg(tcpdiag_peer_finished(sk) == queues[_i].peer_finished, "%s: peer_finished",
		      what);
}
END_TEST

#define FULL TCPDIAG_KIND_FULL

static const struct {
	uint8_t state, kind;
	uint32_t inode;
	enum tcpdiag_attachment attachment;
} attachments[] = {
	{ TCPDIAG_ESTABLISHED, FULL, 4711, TCPDIAG_HELD },
	{ TCPDIAG_LISTEN, FULL, 4711, TCPDIAG_HELD },
	{ TCPDIAG_FIN_WAIT2, FULL, 4711, TCPDIAG_HELD },
	{ TCPDIAG_ESTABLISHED, FULL, 0, TCPDIAG_UNACCEPTED },
	{ TCPDIAG_CLOSE_WAIT, FULL, 0, TCPDIAG_UNACCEPTED },
	{ TCPDIAG_SYN_RECV, FULL, 0, TCPDIAG_UNACCEPTED },
	{ TCPDIAG_FIN_WAIT1, FULL, 0, TCPDIAG_ORPHAN },
	{ TCPDIAG_FIN_WAIT2, FULL, 0, TCPDIAG_ORPHAN },
	{ TCPDIAG_CLOSING, FULL, 0, TCPDIAG_ORPHAN },
	{ TCPDIAG_LAST_ACK, FULL, 0, TCPDIAG_ORPHAN },
	{ TCPDIAG_FIN_WAIT2, TCPDIAG_KIND_TIMEWAIT, 0, TCPDIAG_TIMEWAIT },
	{ TCPDIAG_TIME_WAIT, TCPDIAG_KIND_TIMEWAIT, 0, TCPDIAG_TIMEWAIT },
	{ TCPDIAG_NEW_SYN_RECV, TCPDIAG_KIND_REQUEST, 0, TCPDIAG_REQUEST },
	{ TCPDIAG_LISTEN, FULL, 0, TCPDIAG_ATTACHMENT_UNKNOWN }, /* a kernel's own listener */
	{ TCPDIAG_SYN_SENT, FULL, 0, TCPDIAG_ATTACHMENT_UNKNOWN },
	{ TCPDIAG_BOUND_INACTIVE, FULL, 0, TCPDIAG_ATTACHMENT_UNKNOWN },
};

START_TEST(test_attachment)
{
	const struct tcpdiag_socket sk = {
		.state = attachments[_i].state,
		.kind = attachments[_i].kind,
		.inode = attachments[_i].inode,
	};

	ck_assert_int_eq(tcpdiag_attachment_guess(&sk), attachments[_i].attachment);
}
END_TEST

START_TEST(test_attachment_names)
{
	int i;

	for (i = 0; i < TCPDIAG_ATTACHMENT_MAX; i++)
		ck_assert_ptr_nonnull(tcpdiag_attachment_name(i));
	ck_assert_ptr_null(tcpdiag_attachment_name(TCPDIAG_ATTACHMENT_MAX));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("socket");
	TCase *tc = tcase_create("socket");

	tcase_add_loop_test(tc, test_queues, 0, ARRAY_SIZE(queues));
	tcase_add_loop_test(tc, test_attachment, 0, ARRAY_SIZE(attachments));
	tcase_add_test(tc, test_attachment_names);
	suite_add_tcase(s, tc);
	return s;
}
