/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dead-descriptor: a connection is long gone, and a process still holds its descriptor.
 *
 * After a RST, a timeout or an orderly end that was complete the socket is in CLOSE, both directions shut,
 * with the ends it had (net/ipv4/tcp.c:tcp_done(); only tcp_disconnect() clears the remote port). It stands
 * in no hash table then, so that ss and /proc/net/tcp do not show it: only its descriptor does. It may
 * still hold data that was not read. Pools that find a dead connection when they next use it are healthy:
 * a few of those say nothing.
 */
#include <errno.h>

#include "rules/family.h"

#define SHUT (TCPDIAG_RCV_SHUTDOWN | TCPDIAG_SEND_SHUTDOWN)

static bool blind(const struct round *round)
{
	return round->input->closed_blind;
}

static int64_t settles(const struct round *round)
{
	return MAX(round->thresholds->dead_info_age, round->sweep_ns);
}

static bool concerns(struct round *round, const struct record *record, struct mark *ret)
{
	const struct tcpdiag_socket *sk = &record->sk;

	if (sk->kind != TCPDIAG_KIND_FULL || sk->attachment != TCPDIAG_HELD || !sk->remote_port ||
	    !(sk->known & TCPDIAG_KNOWS_SHUTDOWN) || (sk->sk_shutdown & SHUT) != SHUT ||
	    sk->mptcp_subflow)
		return false;
	ret->age_ns = round_age(round, record, record->state_since_ns);
	ret->bytes = tcpdiag_unread_bytes(sk);
	/* In CLOSE-WAIT a RST is told as a broken pipe (net/ipv4/tcp_input.c:tcp_reset()). */
	if (sk->known & TCPDIAG_KNOWS_ERROR) {
		if (sk->sk_err == ECONNRESET || sk->sk_err == EPIPE)
			ret->flags = MARK(MARK_RESET);
		else if (sk->sk_err == ETIMEDOUT)
			ret->flags = MARK(MARK_TIMED_OUT);
	}
	return ret->age_ns >= settles(round);
}

static bool grows(const struct round *round, const struct part *part, double scale)
{
	const struct thresholds *t = round->thresholds;
	int64_t now = round->now_ns, window = t->dead_warning_window;
	double ratio = scale * t->dead_warning_growth / 100;
	double min = scale * (double)t->dead_warning_growth_min;

	return part->trend && trend_grew(part->trend, now - window, now, ratio, min) &&
	       trend_grew(part->trend, now - 2 * window, now - window, ratio, min);
}

static bool descriptors(const struct tally *tally, double count, double percent)
{
	return tally->descriptor_limit && count >= percent / 100 * tally->descriptor_limit;
}

static enum severity judge(const struct round *round, const struct tally *tally, struct part *part,
			   double scale)
{
	const struct thresholds *t = round->thresholds;
	double count = part_total(part);

	if (!part_total(part))
		return SEVERITY_NONE;
	if (descriptors(tally, count, scale * t->dead_critical_descriptors))
		return SEVERITY_CRITICAL;
	if (descriptors(tally, count, scale * t->dead_warning_descriptors) ||
	    grows(round, part, scale))
		return SEVERITY_WARNING;
	return count >= scale * (double)t->dead_info_count ? SEVERITY_INFO : SEVERITY_NONE;
}

static void describe_ends(struct sentence *s, const struct part *part)
{
	uint32_t reset = part->flagged[MARK_RESET], timed_out = part->flagged[MARK_TIMED_OUT];
	uint32_t other = part_total(part) - reset - timed_out;

	sentence_add(s, "The connections are gone and the process has not noticed, or not closed.");
	if (reset) {
		sentence_add(s, " Reset by their peers: ");
		sentence_number(s, reset);
		sentence_add(s, ".");
	}
	if (timed_out) {
		sentence_add(s, " Given up by the kernel since nobody answered: ");
		sentence_number(s, timed_out);
		sentence_add(s, ".");
	}
	if (other) {
		sentence_add(s, " Ended in order, or the error was taken by a call: ");
		sentence_number(s, other);
		sentence_add(s, ".");
	}
	sentence_add(s, " No dump of the kernel shows them (ss has nothing to say): each costs a "
			"descriptor and its memory.");
}

static void describe(const struct round *round, const struct tally *tally, struct finding *row,
		     struct sentence *summary, struct sentence *cause, struct sentence *remedy)
{
	const struct part *part = &tally->parts[0];

	evidence(row, EVIDENCE_UNREAD_BYTES, (double)part->bytes);
	evidence(row, EVIDENCE_RESET, part->flagged[MARK_RESET]);
	evidence(row, EVIDENCE_TIMED_OUT, part->flagged[MARK_TIMED_OUT]);
	sentence_add(summary, "%s holds ", tally->who);
	sentence_count(summary, row->count, "descriptor", "descriptors");
	sentence_add(summary, " of connections that are gone");
	describe_oldest(summary, part);
	if (part->bytes) {
		sentence_add(summary, ", ");
		sentence_count(summary, part->bytes, "byte", "bytes");
		sentence_add(summary, " not read");
	}
	describe_growth(summary, part);
	describe_descriptors(summary, tally);
	describe_ends(cause, part);
	describe_stretch(cause, round->thresholds->dead_info_age, round->sweep_ns);
	sentence_add(
		remedy,
		"The process has to close() what poll() reports as hung up or recv() ends with "
		"0 or an error. In pools, test or evict connections that are idle for longer "
		"than a firewall or the peer keeps them; SO_KEEPALIVE finds those that are "
		"gone.");
}

const struct family finding_dead_descriptor = {
	.rule = TCPDIAG_RULE_DEAD_DESCRIPTOR,
	.scope = SCOPE_PROCESS,
	.states = TCPDIAG_STATE_BIT(TCPDIAG_CLOSE),
	.parts = 1,
	.trends = 1,
	.settles = settles,
	.blind = blind,
	.over = "holds no descriptor of a connection that is gone any more",
	.concerns = concerns,
	.judge = judge,
	.describe = describe,
};
