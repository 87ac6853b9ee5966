/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * linger-zero: SO_LINGER on with 0 seconds: close() and exit throw the send queue away and send a RST
 * (net/ipv4/tcp.c:__tcp_close(), "SOCK_LINGER && !sk_lingertime", then tcp_disconnect()).
 *
 * Many do that on purpose (message brokers, proxies, load generators), so it is never more than
 * information, one finding a unit: it explains the resets that their peers report. A connection starts
 * with the options of its listener (sk_clone_lock()), so where both have it the listener is the place to
 * look at. A program that sets it in the moment before close() shows in no poll.
 */
#include "rules/family.h"

#define STATES \
	(TCPDIAG_STATE_BIT(TCPDIAG_LISTEN) | TCPDIAG_STATE_BIT(TCPDIAG_SYN_SENT) | \
	 TCPDIAG_STATE_BIT(TCPDIAG_SYN_RECV) | TCPDIAG_STATE_BIT(TCPDIAG_ESTABLISHED) | \
	 TCPDIAG_STATES_TEARDOWN)

static bool blind(const struct round *round)
{
	return round->input->settings_blind;
}

static bool linger_zero(const struct tcpdiag_socket *sk)
{
	return sk->known & TCPDIAG_KNOWS_LINGER && sk->linger && !sk->sk_lingertime_ms;
}

static bool concerns(struct round *round, const struct record *record, struct mark *ret)
{
	const struct tcpdiag_socket *sk = &record->sk;

	if (!linger_zero(sk) || sk->kind != TCPDIAG_KIND_FULL || sk->mptcp_subflow ||
	    (sk->attachment != TCPDIAG_HELD && sk->attachment != TCPDIAG_UNACCEPTED &&
	     sk->attachment != TCPDIAG_UNHELD))
		return false;
	if (sk->state == TCPDIAG_LISTEN)
		ret->flags = MARK(MARK_LISTENS);
	else if (sk->inherited || (record->listener < round->record_count &&
				   linger_zero(&round->records[record->listener].sk)))
		ret->flags = MARK(MARK_INHERITED);
	return true;
}

/* Listed by its unit or by its command. */
static bool allowed(const struct round *round, const struct tally *tally)
{
	const char *names = round->thresholds->lz_allow;
	const struct process *process;

	if (!*names || tally->process == RECORD_NONE)
		return false;
	process = &round->input->processes[tally->process];
	/* Of a text at a time: the next one may move it. */
	return threshold_has_name(names, snapshot_writer_text(round->w, process->unit)) ||
	       threshold_has_name(names, snapshot_writer_text(round->w, process->comm));
}

static enum severity judge(const struct round *round, const struct tally *tally, struct part *part,
			   double scale)
{
	uint32_t total = part_total(part);

	if (total && allowed(round, tally))
		return SEVERITY_NONE;
	return total && total >= scale * (double)round->thresholds->lz_info_count ? SEVERITY_INFO
										  : SEVERITY_NONE;
}

static void describe_cause(struct sentence *s, const struct part *part, uint32_t connections)
{
	uint32_t inherited = part->flagged[MARK_INHERITED];

	sentence_add(
		s, "The kernel sends a RST instead of a FIN and throws away what is not sent, and "
		   "the peer may lose what it has not read.");
	if (inherited && inherited == connections)
		sentence_add(s,
			     " The connections have it from their listener, which hands it to each "
			     "one that it accepts.");
	else if (inherited) {
		sentence_add(s, " ");
		sentence_count(s, inherited, "connection has", "connections have");
		sentence_add(s, " it from the listener; on the others the program sets it.");
	} else if (connections && part->flagged[MARK_LISTENS])
		sentence_add(
			s, " No connection has it from a listener of the same setting: the program "
			   "sets it on them, too.");
	else if (connections)
		sentence_add(
			s, " The program sets it on each connection: its listener, if it has one, "
			   "is not known to have it.");
	else
		sentence_add(s, " Each connection that the listener accepts starts with it.");
}

static void describe(const struct round *round, const struct tally *tally, struct finding *row,
		     struct sentence *summary, struct sentence *cause, struct sentence *remedy)
{
	const struct part *part = &tally->parts[0];
	uint32_t listeners = part->flagged[MARK_LISTENS];
	uint32_t connections = part_total(part) - listeners;

	(void)round;
	evidence(row, EVIDENCE_LISTENERS, listeners);
	evidence(row, EVIDENCE_INHERITED, part->flagged[MARK_INHERITED]);
	evidence(row, EVIDENCE_UNSENT_BYTES, (double)part->unsent_bytes);
	row->shown &= ~(UINT64_C(1) << EVIDENCE_OLDEST_SECONDS);
	sentence_add(summary, "%s has SO_LINGER on with 0 seconds on ", tally->who);
	if (connections || !listeners)
		sentence_count(summary, connections, "connection", "connections");
	if (listeners) {
		sentence_add(summary, connections ? " and " : "");
		sentence_count(summary, listeners, "listener", "listeners");
	}
	sentence_add(summary, ": close() and exit send a RST");
	describe_cause(cause, part, connections);
	sentence_add(remedy,
		     "Nothing, if the resets are meant. Else remove SO_LINGER {1, 0}%s; against "
		     "TIME-WAIT "
		     "let the other end close first, or use SO_REUSEADDR.",
		     part->flagged[MARK_INHERITED] || listeners ? ", on the listener first" : "");
}

const struct family finding_linger_zero = {
	.rule = TCPDIAG_RULE_LINGER_ZERO,
	.scope = SCOPE_PROCESS,
	.key = FAMILY_BY_UNIT,
	.states = STATES,
	.settings = true,
	.parts = 1,
	.blind = blind,
	.over = "has no socket with SO_LINGER of 0 seconds any more",
	.concerns = concerns,
	.judge = judge,
	.describe = describe,
};
