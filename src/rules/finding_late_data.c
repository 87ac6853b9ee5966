/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * late-data-reset: a socket that receives no more in FIN-WAIT-1 or FIN-WAIT-2, and a peer that has data to
 * send: the first byte of it is answered with a RST (net/ipv4/tcp_input.c:tcp_rcv_state_process(),
 * RCV_SHUTDOWN and data after rcv_nxt; a minisocket: tcp_minisocks.c:tcp_timewait_state_process();
 * RFC 1122, 4.2.2.13).
 *
 * Only a peer on this machine shows what it has to send. It has to have been seen since this socket is in
 * its state: what was under way before the FIN is no late data. Whoever closed too early is to blame: the
 * holder, or the creator of an orphan. Such pairs do not live long, so for a warning they are counted over
 * some time, each once: a record that had the finding in the round before is not new.
 */
#include "rules/family.h"

#define PEER_STATES \
	(TCPDIAG_STATE_BIT(TCPDIAG_ESTABLISHED) | TCPDIAG_STATE_BIT(TCPDIAG_CLOSE_WAIT) | \
	 TCPDIAG_STATE_BIT(TCPDIAG_FIN_WAIT1) | TCPDIAG_STATE_BIT(TCPDIAG_CLOSING) | \
	 TCPDIAG_STATE_BIT(TCPDIAG_LAST_ACK))

/* A minisocket in FIN-WAIT-2 was closed, so it receives nothing. */
static bool receives_no_more(const struct tcpdiag_socket *sk)
{
	if (sk->kind == TCPDIAG_KIND_TIMEWAIT)
		return true;
	return sk->kind == TCPDIAG_KIND_FULL && sk->known & TCPDIAG_KNOWS_SHUTDOWN &&
	       sk->sk_shutdown & TCPDIAG_RCV_SHUTDOWN;
}

static bool concerns(struct round *round, const struct record *record, struct mark *ret)
{
	const struct tcpdiag_socket *sk = &record->sk;
	const struct record *peer;

	if (record->peer >= round->record_count || !receives_no_more(sk) || sk->mptcp_subflow)
		return false;
	peer = &round->records[record->peer];
	if (peer->sk.kind != TCPDIAG_KIND_FULL || peer->sk.state >= TCPDIAG_STATE_MAX ||
	    !(TCPDIAG_STATE_BIT(peer->sk.state) & PEER_STATES) ||
	    peer->seen_ns < record->state_since_ns)
		return false;
	ret->bytes = tcpdiag_unacked_bytes(&peer->sk) + tcpdiag_unsent_bytes(&peer->sk);
	ret->age_ns = round_age(round, record, record->state_since_ns);
	if (!(round->had & finding_bit(TCPDIAG_RULE_LATE_DATA_RESET)))
		ret->flags = MARK(MARK_NEW);
	return ret->bytes > 0;
}

/* How many there were in the window, those of this round included. */
static uint32_t recent_sum(const struct recent *recent)
{
	uint32_t sum = 0, i;

	for (i = 0; i < RECENT_SLOTS; i++)
		sum += recent->count[i];
	return sum;
}

static void recent_add(struct recent *recent, int64_t now_ns, int64_t window_ns, uint32_t count)
{
	int64_t slot = now_ns / (window_ns / RECENT_SLOTS), empty;

	/* A new window has slots of another length: what was counted by the old is not comparable. */
	if (slot < recent->slot || slot - recent->slot >= RECENT_SLOTS) {
		*recent = (struct recent){ .slot = slot, .before = recent->before };
	} else {
		for (empty = recent->slot + 1; empty <= slot; empty++)
			recent->count[empty % RECENT_SLOTS] = 0;
		recent->slot = slot;
	}
	recent->count[slot % RECENT_SLOTS] += count;
}

/* Below what raises it no record has the finding: then only that there are more of them says new ones. */
static uint32_t fresh(const struct tally *tally)
{
	uint32_t total = part_total(&tally->parts[0]);

	if (tally->since_ns)
		return tally->parts[0].flagged[MARK_NEW];
	return total - MIN(total, tally->recent.before);
}

static void end(struct round *round)
{
	int64_t window_ns = round->thresholds->late_warning_window;
	uint32_t i;

	for (i = 0; i < round->tallies->used; i++) {
		struct tally *tally = &round->tallies->rows[i];

		if (tally->key.rule != TCPDIAG_RULE_LATE_DATA_RESET)
			continue;
		recent_add(&tally->recent, round->now_ns, window_ns, fresh(tally));
		tally->recent.before = part_total(&tally->parts[0]);
	}
}

static enum severity judge(const struct round *round, const struct tally *tally, struct part *part,
			   double scale)
{
	const struct thresholds *t = round->thresholds;
	uint32_t total = part_total(part);
	uint32_t recent = MAX(recent_sum(&tally->recent), total);

	/* Between two of them the hold keeps it, so that it need not outlast the window as well. */
	if (!total)
		return SEVERITY_NONE;
	if (recent >= scale * (double)t->late_warning_count)
		return SEVERITY_WARNING;
	return total >= scale * (double)t->late_info_count ? SEVERITY_INFO : SEVERITY_NONE;
}

static void describe_now(const struct round *round, const struct tally *tally,
			 const struct finding *row, uint32_t recent, struct sentence *s)
{
	sentence_add(s, "%s ", tally->who);
	if (row->count) {
		sentence_add(s, "receives no more on ");
		sentence_count(s, row->count, "connection whose peer has",
			       "connections whose peers have");
		sentence_add(s, " ");
		sentence_count(s, tally->parts[0].bytes, "byte", "bytes");
		sentence_add(s, " to send: the first of them is answered with a RST");
	} else {
		sentence_add(s, "received no more on connections whose peers had data to send");
	}
	if (recent <= row->count)
		return;
	sentence_add(s, "; ");
	sentence_count(s, recent, "such connection", "such connections");
	sentence_add(s, " in ");
	sentence_duration(s, seconds(round->thresholds->late_warning_window));
}

static void describe(const struct round *round, const struct tally *tally, struct finding *row,
		     struct sentence *summary, struct sentence *cause, struct sentence *remedy)
{
	const struct part *part = &tally->parts[0];
	uint32_t recent = MAX(recent_sum(&tally->recent), row->count);

	evidence(row, EVIDENCE_PEER_BYTES, (double)part->bytes);
	evidence(row, EVIDENCE_RECENT, recent);
	describe_now(round, tally, row, recent, summary);
	sentence_add(
		cause,
		"This end has shut its receiving side or has closed, before the other had sent "
		"everything (TCPAbortOnData). The other end sees \"connection reset by peer\" or "
		"\"broken pipe\" and does not learn what has arrived.");
	if (part->example != RECORD_NONE) {
		const struct tcpdiag_socket *sk = &round->records[part->example].sk;

		sentence_add(cause, " One of them is ");
		sentence_address(cause, sk->remote, sk->remote_port);
		sentence_add(cause, ".");
	}
	sentence_add(
		remedy,
		"Read until end of file before close(), after a shutdown() of the sending side "
		"only; or have the other end stop first. Who does not want the data may well "
		"leave it so.");
}

const struct family finding_late_data = {
	.rule = TCPDIAG_RULE_LATE_DATA_RESET,
	.scope = SCOPE_PROCESS,
	.states = TCPDIAG_STATE_BIT(TCPDIAG_FIN_WAIT1) | TCPDIAG_STATE_BIT(TCPDIAG_FIN_WAIT2),
	.parts = 1,
	.concerns = concerns,
	.end = end,
	.judge = judge,
	.describe = describe,
};
