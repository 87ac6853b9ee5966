/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * linger-blocks: SO_LINGER on with a time: close() waits until the peer has acknowledged everything, the
 * FIN included, or the time is over (net/ipv4/tcp.c:__tcp_close(), sk_stream_wait_close()). O_NONBLOCK
 * does not matter to it; only the exit of a process does not linger (net/ipv4/af_inet.c:inet_release()).
 *
 * Two parts. *Might*: a time of some seconds on a connection whose peer acknowledges nothing. A setting on
 * an idle connection is nothing, and so is one on data that flows; where data is unread close() resets and
 * waits for nobody. *Does*: a socket that has an inode and no reference to its file any more, in a state
 * that close() waits in. An orphan has no inode, and what was passed in a message has references, so neither
 * is taken for it. The last process that held it is the one that waits.
 */
#include "rules/family.h"

enum { MIGHT = 0, DOES };

#define WAITS \
	(TCPDIAG_STATE_BIT(TCPDIAG_FIN_WAIT1) | TCPDIAG_STATE_BIT(TCPDIAG_CLOSING) | \
	 TCPDIAG_STATE_BIT(TCPDIAG_LAST_ACK))

static bool blind(const struct round *round)
{
	return round->input->settings_blind;
}

/*
 * Without a reference the last close() is under way, whoever held it at the last walk over the owners.
 * Where references are not known, that nobody holds it has to do.
 */
static bool in_close(const struct tcpdiag_socket *sk)
{
	if (!sk->inode || sk->attachment == TCPDIAG_ORPHAN || sk->attachment == TCPDIAG_UNACCEPTED)
		return false;
	if (sk->known & TCPDIAG_KNOWS_REFERENCES)
		return !sk->references;
	return sk->attachment == TCPDIAG_UNHELD;
}

static bool concerns(struct round *round, const struct record *record, struct mark *ret)
{
	const struct tcpdiag_socket *sk = &record->sk;
	const struct thresholds *t = round->thresholds;

	if (!(sk->known & TCPDIAG_KNOWS_LINGER) || !sk->linger || sk->sk_lingertime_ms <= 0 ||
	    sk->kind != TCPDIAG_KIND_FULL || sk->mptcp_subflow)
		return false;
	if (TCPDIAG_STATE_BIT(sk->state) & WAITS && in_close(sk)) {
		ret->part = DOES;
		ret->level = SEVERITY_WARNING;
		ret->age_ns = round_age(round, record, record->state_since_ns);
		if (ret->age_ns >= MAX(t->lb_warning_age, round->fast_ns))
			ret->flags = MARK(MARK_SLOW);
		return true;
	}
	if (sk->attachment != TCPDIAG_HELD || !record->ack_since_ns ||
	    sk->sk_lingertime_ms < t->lb_info_linger / NSEC_PER_MSEC ||
	    !(tcpdiag_unacked_bytes(sk) || tcpdiag_unsent_bytes(sk)) || tcpdiag_unread_bytes(sk))
		return false;
	ret->part = MIGHT;
	ret->age_ns = round_age(round, record, record->ack_since_ns);
	return ret->age_ns >= t->lb_info_age;
}

static enum severity judge(const struct round *round, const struct tally *tally, struct part *part,
			   double scale)
{
	uint32_t total = part_total(part);

	if (part == &tally->parts[MIGHT])
		return total ? SEVERITY_INFO : SEVERITY_NONE;
	if (part->flagged[MARK_SLOW] ||
	    (total && total >= scale * (double)round->thresholds->lb_warning_count))
		return SEVERITY_WARNING;
	return SEVERITY_NONE;
}

static void describe_example(const struct round *round, const struct part *part, struct sentence *s)
{
	const struct tcpdiag_socket *sk;

	if (part->example == RECORD_NONE)
		return;
	sk = &round->records[part->example].sk;
	sentence_add(s, " The oldest waits for ");
	sentence_address(s, sk->remote, sk->remote_port);
	if (sk->sk_lingertime_ms == TCPDIAG_LINGER_FOREVER) {
		sentence_add(s, ", without an end.");
		return;
	}
	sentence_add(s, ", for up to ");
	sentence_duration(s, (double)sk->sk_lingertime_ms / 1000);
	sentence_add(s, ".");
}

static void describe(const struct round *round, const struct tally *tally, struct finding *row,
		     struct sentence *summary, struct sentence *cause, struct sentence *remedy)
{
	const struct part *might = &tally->parts[MIGHT], *does = &tally->parts[DOES];
	bool now = does->condition.severity;

	evidence(row, EVIDENCE_BLOCKED, part_total(does));
	evidence(row, EVIDENCE_UNSENT_BYTES, (double)(might->unsent_bytes + does->unsent_bytes));
	sentence_add(summary, "%s ", tally->who);
	if (now && !part_total(does)) {
		sentence_add(summary, "waited in close() until a moment ago (SO_LINGER)");
	} else if (now) {
		sentence_add(summary, "waits in ");
		sentence_count(summary, part_total(does), "call of close()", "calls of close()");
		sentence_add(summary, " for peers that do not acknowledge (SO_LINGER)");
		describe_oldest(summary, does);
	}
	if (might->condition.severity && (part_total(might) || !now)) {
		sentence_add(summary, "%swould wait in close() of ", now ? "; " : "");
		sentence_count(summary, part_total(might), "connection", "connections");
		sentence_add(summary, ": SO_LINGER has a time, and the peer does not acknowledge");
		describe_oldest(summary, might);
	}
	sentence_add(cause,
		     "SO_LINGER is on with a time: close() returns when everything and the FIN are "
		     "acknowledged, or the time is over. The thread stands still for as long, with "
		     "O_NONBLOCK as well; a signal ends the wait, not the connection.");
	describe_example(round, now ? does : might, cause);
	sentence_add(remedy,
		     "Leave SO_LINGER off: the kernel delivers what was sent without it. To learn "
		     "that the peer has everything, shutdown() sending and read until end of file, "
		     "with a time limit of the program's own.");
}

const struct family finding_linger_blocks = {
	.rule = TCPDIAG_RULE_LINGER_BLOCKS,
	.scope = SCOPE_PROCESS,
	.states = TCPDIAG_STATE_BIT(TCPDIAG_ESTABLISHED) | TCPDIAG_STATE_BIT(TCPDIAG_CLOSE_WAIT) |
		  WAITS,
	.settings = true,
	.parts = 2,
	.blind = blind,
	.concerns = concerns,
	.judge = judge,
	.describe = describe,
};
