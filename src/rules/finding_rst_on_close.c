/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rst-on-close: a process does not read, and its peer is still there: close() sends a RST
 * (net/ipv4/tcp.c:__tcp_close(), data_was_unread; RFC 2525, 2.17).
 *
 * "Does not read" is measured by its progress, bytes received minus bytes waiting, not by a queue that
 * is never empty. Where the peer has sent its FIN and everything of ours is acknowledged the RST hurts
 * hardly anyone: idle TLS connections with an unread close_notify are that, and make no finding. Nor do
 * connections that nobody has accepted yet, whose next request waits for a worker.
 *
 * A prediction is information. It is a warning when many peers are blocked by a closed receive window;
 * that resets of live peers were really sent is known from events only, which nothing reads yet.
 */
#include "rules/family.h"

static bool concerns(struct round *round, const struct record *record, struct mark *ret)
{
	const struct tcpdiag_socket *sk = &record->sk;
	bool fast = TCPDIAG_STATE_BIT(sk->state) & TCPDIAG_STATES_TEARDOWN;
	int64_t wanted = MAX(round->thresholds->rst_info_age,
			     fast ? round->fast_ns : round->sweep_ns);

	if (!record->read_since_ns || sk->kind != TCPDIAG_KIND_FULL || sk->mptcp_subflow ||
	    sk->attachment == TCPDIAG_UNACCEPTED || sk->attachment == TCPDIAG_ORPHAN)
		return false;
	ret->age_ns = round_age(round, record, record->read_since_ns);
	if (ret->age_ns < wanted || !tcpdiag_unread_bytes(sk) || tcpdiag_peer_finished(sk))
		return false;
	if (sk->known & TCPDIAG_KNOWS_RCV_WND) {
		if (!sk->rcv_wnd)
			ret->flags = MARK(MARK_BLOCKS);
	} else if (sk->known & TCPDIAG_KNOWS_SKMEM && sk->rcvbuf && sk->rmem_alloc >= sk->rcvbuf) {
		ret->flags = MARK(MARK_BLOCKS) | MARK(MARK_BLOCKS_GUESSED);
	}
	return true;
}

static enum severity judge(const struct round *round, const struct tally *tally, struct part *part,
			   double scale)
{
	const struct thresholds *t = round->thresholds;
	uint32_t count = part->flagged[MARK_BLOCKS];
	bool blocked = count && count >= scale * (double)t->rst_warning_count;

	(void)tally;
	if (scale < 1 ? blocked
		      : part_sustained(part, blocked, round->now_ns) >=
				MAX(t->rst_warning_age, round->sweep_ns))
		return SEVERITY_WARNING;
	return part_total(part) ? SEVERITY_INFO : SEVERITY_NONE;
}

static void describe(const struct round *round, const struct tally *tally, struct finding *row,
		     struct sentence *summary, struct sentence *cause, struct sentence *remedy)
{
	const struct part *part = &tally->parts[0];

	evidence(row, EVIDENCE_UNREAD_BYTES, (double)part->unread_bytes);
	evidence(row, EVIDENCE_UNSENT_BYTES, (double)part->unsent_bytes);
	sentence_add(summary, "%s has not read from ", tally->who);
	sentence_count(summary, row->count, "connection", "connections");
	sentence_add(summary, " with ");
	sentence_count(summary, part->unread_bytes, "byte", "bytes");
	sentence_add(summary, " waiting");
	describe_oldest(summary, part);
	sentence_add(summary, "; close() would send a RST to peers that have not finished");

	sentence_add(cause, "The reader has paused, waits for something else, or never reads what "
			    "its peer sends");
	if (!part->flagged[MARK_BLOCKS])
		sentence_add(cause, " (a client that only writes keeps the session tickets of TLS "
				    "1.3 unread)");
	sentence_add(cause, ".");
	if (part->flagged[MARK_BLOCKS]) {
		sentence_add(cause, " On ");
		sentence_number(cause, part->flagged[MARK_BLOCKS]);
		sentence_add(cause, " of them the receive window is closed%s: the peer is blocked.",
			     part->flagged[MARK_BLOCKS_GUESSED]
				     ? " (receive memory full; this kernel does not tell rcv_wnd)"
				     : " (rcv_wnd 0)");
	}
	describe_stretch(cause, round->thresholds->rst_info_age, round->sweep_ns);
	if (part->flagged[MARK_BLOCKS])
		sentence_add(remedy,
			     "Look why the process does not read: stopped (state T), or threads "
			     "that wait for something else. Its peers cannot send until it does, "
			     "and get a RST if it ends first.");
	else
		sentence_add(remedy,
			     "Before close(), shut down sending and read until end of file; where "
			     "the process should read and does not, look what its threads wait "
			     "for.");
}

const struct family finding_rst_on_close = {
	.rule = TCPDIAG_RULE_RST_ON_CLOSE,
	.scope = SCOPE_PROCESS,
	.states = TCPDIAG_STATE_BIT(TCPDIAG_ESTABLISHED) | TCPDIAG_STATES_TEARDOWN,
	.parts = 1,
	.over = "has read what was waiting, or those connections are gone",
	.concerns = concerns,
	.judge = judge,
	.describe = describe,
};
