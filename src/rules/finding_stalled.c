/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fin-wait-1-stalled and last-ack-stalled: a process has sent its FIN, or would, holds the socket, and the
 * peer acknowledges nothing more. Held ones only: orphans are orphan-stalled's, and what waits inside its
 * close() is linger-blocks'.
 *
 * Whose fault it is the acknowledgements tell. A closed window that is confirmed by answers to the kernel's
 * probes (net/ipv4/tcp_timer.c:tcp_probe_timer(); each answer begins their count anew, so a held socket waits
 * for ever): the peer does not read, and if it is on this machine its process is named. No answer to anything
 * (tcp_info's last_ack_recv): the peer or the path is gone, until tcp_retries2 ends it.
 */
#include "rules/family.h"

struct limits {
	const char *state;
	int64_t info_age, warning_count, warning_age;
};

static struct limits limits_of(const struct round *round, bool fin_wait1)
{
	const struct thresholds *t = round->thresholds;

	return fin_wait1 ? (struct limits){ "FIN-WAIT-1", t->fw1_info_age, t->fw1_warning_count,
					    t->fw1_warning_age }
			 : (struct limits){ "LAST-ACK", t->la_info_age, t->la_warning_count,
					    t->la_warning_age };
}

static bool window_closed(const struct tcpdiag_socket *sk)
{
	return sk->timer == TCPDIAG_TIMER_PROBE ||
	       (sk->known & TCPDIAG_KNOWS_SND_WND && !sk->snd_wnd);
}

/* Nothing has come for as long as it takes to be stalled, though the kernel has tried again. */
static bool is_silent(const struct tcpdiag_socket *sk, int64_t age_ns)
{
	return sk->known & TCPDIAG_KNOWS_INFO && (sk->retransmits || sk->probes || sk->backoff) &&
	       sk->last_ack_recv_ms * NSEC_PER_MSEC >= age_ns;
}

static bool in_close(const struct tcpdiag_socket *sk)
{
	return sk->known & TCPDIAG_KNOWS_REFERENCES && !sk->references;
}

static bool concerns(struct round *round, const struct record *record, struct mark *ret)
{
	const struct tcpdiag_socket *sk = &record->sk;
	struct limits limits = limits_of(round, sk->state == TCPDIAG_FIN_WAIT1);

	if (sk->kind != TCPDIAG_KIND_FULL || sk->attachment != TCPDIAG_HELD || sk->mptcp ||
	    sk->mptcp_subflow || !record->ack_since_ns || in_close(sk))
		return false;
	ret->age_ns = round_age(round, record, record->ack_since_ns);
	if (ret->age_ns < MAX(limits.info_age, round->fast_ns))
		return false;
	if (ret->age_ns >= MAX(limits.warning_age, round->fast_ns))
		ret->flags |= MARK(MARK_SLOW);
	if (is_silent(sk, limits.info_age))
		ret->flags |= MARK(MARK_SILENT);
	else if (window_closed(sk))
		ret->flags |= MARK(MARK_WINDOW);
	ret->bytes = tcpdiag_unacked_bytes(sk) + tcpdiag_unsent_bytes(sk);
	return true;
}

static enum severity judge(const struct round *round, const struct tally *tally, struct part *part,
			   double scale)
{
	struct limits limits = limits_of(round, tally->key.rule == TCPDIAG_RULE_FIN_WAIT1_STALLED);
	uint32_t slow = part->flagged[MARK_SLOW];

	if (slow && slow >= scale * (double)limits.warning_count)
		return SEVERITY_WARNING;
	return part_total(part) ? SEVERITY_INFO : SEVERITY_NONE;
}

static void describe_window(const struct part *part, const struct others *others,
			    struct sentence *cause)
{
	uint32_t count = part->flagged[MARK_WINDOW];

	if (!count)
		return;
	if (count < part_total(part)) {
		sentence_add(cause, " On ");
		sentence_number(cause, count);
		sentence_add(cause, " of them the peer's window is closed");
	} else {
		sentence_add(cause, " The peer's window is closed");
	}
	sentence_add(cause, ": it does not read");
	if (others->unread_bytes) {
		sentence_add(cause, "; ");
		sentence_count(cause, others->unread_bytes, "byte waits", "bytes wait");
		sentence_add(cause, " unread at the other ends here");
	}
	sentence_add(cause, ".");
}

static void describe_silence(const struct part *part, const struct others *others,
			     struct sentence *cause)
{
	uint32_t count = part->flagged[MARK_SILENT];

	if (!count)
		return;
	if (count < part_total(part)) {
		sentence_add(cause, " On ");
		sentence_number(cause, count);
		sentence_add(cause, " of them nothing");
	} else {
		sentence_add(cause, " Nothing");
	}
	sentence_add(cause,
		     " comes back at all (up to %u retransmissions or probes): the peer, or the "
		     "path to it, is gone.",
		     others->retransmits);
}

static void describe(const struct round *round, const struct tally *tally, struct finding *row,
		     struct sentence *summary, struct sentence *cause, struct sentence *remedy)
{
	struct limits limits = limits_of(round, tally->key.rule == TCPDIAG_RULE_FIN_WAIT1_STALLED);
	const struct part *part = &tally->parts[0];
	struct others others;

	others_gather(round, tally, &others);
	others_evidence(&others, row);
	evidence(row, EVIDENCE_WINDOW_CLOSED, part->flagged[MARK_WINDOW]);
	evidence(row, EVIDENCE_SILENT, part->flagged[MARK_SILENT]);
	evidence(row, EVIDENCE_UNSENT_BYTES, (double)part->unsent_bytes);
	evidence(row, EVIDENCE_RETRANSMITS, others.retransmits);
	evidence(row, EVIDENCE_PEERS_UNREAD_BYTES, (double)others.unread_bytes);

	sentence_add(summary, "%s holds ", tally->who);
	sentence_count(summary, row->count, "socket", "sockets");
	sentence_add(summary, " in %s whose %s nothing more", limits.state,
		     row->count == 1 ? "peer acknowledges" : "peers acknowledge");
	describe_oldest(summary, part);
	if (part->bytes) {
		sentence_add(summary, "; ");
		sentence_count(summary, part->bytes, "byte", "bytes");
		sentence_add(summary, " not delivered");
	}
	if (part->flagged[MARK_WINDOW] && others.process != RECORD_NONE) {
		sentence_add(summary, "; ");
		others_who(round, &others, summary);
		sentence_add(summary, " does not read");
	}

	sentence_add(cause, "This end has sent its FIN, or will behind its data, and waits for the "
			    "acknowledgement.");
	describe_window(part, &others, cause);
	describe_silence(part, &others, cause);
	others_describe_here(round, &others, cause);
	others_describe_elsewhere(&others, cause);
	describe_stretch(cause, limits.info_age, round->fast_ns);
	if (part->flagged[MARK_WINDOW] >= part->flagged[MARK_SILENT])
		sentence_add(remedy,
			     "Find what keeps the other end from reading. Here, bound the wait "
			     "after shutdown() by a timeout and then close(): the kernel gives an "
			     "orphan up, a held socket never while its probes are answered.");
	else
		sentence_add(remedy,
			     "Look for what lost the peer: a machine gone, a filter, a NAT that "
			     "has forgotten the connection. TCP_USER_TIMEOUT bounds the wait; "
			     "close() leaves it to tcp_orphan_retries.");
}

const struct family finding_fin_wait1_stalled = {
	.rule = TCPDIAG_RULE_FIN_WAIT1_STALLED,
	.scope = SCOPE_PROCESS,
	.states = TCPDIAG_STATE_BIT(TCPDIAG_FIN_WAIT1),
	.parts = 1,
	.others = true,
	.over = "holds no such socket in FIN-WAIT-1 any more",
	.concerns = concerns,
	.judge = judge,
	.describe = describe,
};

const struct family finding_last_ack_stalled = {
	.rule = TCPDIAG_RULE_LAST_ACK_STALLED,
	.scope = SCOPE_PROCESS,
	.states = TCPDIAG_STATE_BIT(TCPDIAG_LAST_ACK) | TCPDIAG_STATE_BIT(TCPDIAG_CLOSING),
	.parts = 1,
	.others = true,
	.over = "holds no such socket in LAST-ACK or CLOSING any more",
	.concerns = concerns,
	.judge = judge,
	.describe = describe,
};
