/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * close-wait-leak: the peer has closed and the process does not. CLOSE-WAIT has no timer: it lasts until
 * close(), for ever if the descriptor was forgotten (RFC 9293, 3.6).
 *
 * Three kinds that are judged apart and make one finding. Inbound: a server that leaks. Outbound: mostly
 * a pool of idle connections that costs a descriptor each, so only growth through two windows, or the
 * limit of descriptors, is a warning; a socket of unknown direction counts here, by the milder rule.
 * Never accepted: peers that have given up in a listener's queue; the process that listens is blamed.
 *
 * Why is told by the queue (net/ipv4/tcp.c:tcp_recvmsg(): reading end of file takes the FIN's sequence
 * number): Recv-Q 0, end of file was read, or was taken along with the last data of its segment; 1, it was
 * not; more, data was not read either. The age counts from the last progress, so that a long answer to a
 * half-closed client is no leak.
 */
#include "rules/family.h"

enum { INBOUND = 0, OUTBOUND, UNACCEPTED };

static int64_t settles(const struct round *round)
{
	const struct thresholds *t = round->thresholds;

	return MAX(MAX(t->cw_in_warning_age, t->cw_out_warning_age), round->fast_ns);
}

static bool concerns_unaccepted(const struct round *round, const struct record *record,
				struct mark *ret)
{
	const struct thresholds *t = round->thresholds;

	ret->part = UNACCEPTED;
	ret->level = SEVERITY_WARNING;
	ret->age_ns = round_age(round, record, record->state_since_ns);
	if (record->listener < round->record_count) {
		const struct tcpdiag_socket *listener = &round->records[record->listener].sk;

		if (listener->state == TCPDIAG_LISTEN && listener->rqueue > listener->wqueue)
			ret->flags = MARK(MARK_QUEUE_FULL);
	}
	return ret->age_ns >= MAX(t->cw_unaccepted_warning_age, round->fast_ns);
}

static bool concerns(struct round *round, const struct record *record, struct mark *ret)
{
	const struct thresholds *t = round->thresholds;
	bool inbound = record->direction == DIRECTION_INBOUND;
	int64_t since = MAX(record->state_since_ns, record->data_since_ns);

	if (record->sk.kind != TCPDIAG_KIND_FULL || record->sk.mptcp_subflow)
		return false;
	if (record->sk.attachment == TCPDIAG_UNACCEPTED)
		return concerns_unaccepted(round, record, ret);
	ret->age_ns = round_age(round, record, MAX(since, record->read_since_ns));
	ret->part = inbound ? INBOUND : OUTBOUND;
	if (record->direction == DIRECTION_UNKNOWN)
		ret->flags = MARK(MARK_DIRECTION_UNKNOWN);
	if (ret->age_ns >= MAX(inbound ? t->cw_in_info_age : t->cw_out_info_age, round->fast_ns))
		return true;
	ret->level = SEVERITY_WARNING;
	return ret->age_ns >=
	       MAX(inbound ? t->cw_in_warning_age : t->cw_out_warning_age, round->fast_ns);
}

/* Descriptors reach the limit within the horizon at this rate. */
static bool runs_out(const struct thresholds *t, const struct tally *tally, const struct part *part,
		     double scale)
{
	double used = MAX(tally->descriptors, part_total(part));

	return tally->descriptor_limit && part->rate_known && part->rate > 0 &&
	       used + part->rate * seconds(t->cw_critical_horizon) / scale >=
		       tally->descriptor_limit;
}

static bool descriptors(const struct tally *tally, const struct part *part, double percent)
{
	return tally->descriptor_limit &&
	       part_total(part) >= percent / 100 * tally->descriptor_limit;
}

static enum severity judge_inbound(const struct round *round, const struct tally *tally,
				   const struct part *part, double scale)
{
	const struct thresholds *t = round->thresholds;
	bool many = part_total(part) >= scale * (double)t->cw_in_warning_count;
	int64_t now = round->now_ns;

	if (descriptors(tally, part, scale * t->cw_critical_descriptors) ||
	    (many && runs_out(t, tally, part, scale)))
		return SEVERITY_CRITICAL;
	if (descriptors(tally, part, scale * t->cw_warning_descriptors) ||
	    (many && part->trend &&
	     trend_grew(part->trend, now - t->cw_in_warning_window, now,
			scale * t->cw_in_warning_growth / 100,
			scale * (double)t->cw_in_warning_growth_min)))
		return SEVERITY_WARNING;
	return part->aged[SEVERITY_INFO] ? SEVERITY_INFO : SEVERITY_NONE;
}

static bool outbound_grows(const struct round *round, const struct part *part, double scale)
{
	const struct thresholds *t = round->thresholds;
	int64_t now = round->now_ns, window = t->cw_out_warning_window;
	double ratio = scale * t->cw_out_warning_growth / 100;
	double min = scale * (double)t->cw_out_warning_growth_min;

	return part->trend && trend_grew(part->trend, now - window, now, ratio, min) &&
	       trend_grew(part->trend, now - 2 * window, now - window, ratio, min);
}

static enum severity judge_outbound(const struct round *round, const struct tally *tally,
				    const struct part *part, double scale)
{
	const struct thresholds *t = round->thresholds;
	double many = scale * (double)t->cw_out_info_count;

	if (descriptors(tally, part, scale * t->cw_critical_descriptors) ||
	    (part_total(part) >= many && runs_out(t, tally, part, scale)))
		return SEVERITY_CRITICAL;
	if (descriptors(tally, part, scale * t->cw_warning_descriptors) ||
	    outbound_grows(round, part, scale))
		return SEVERITY_WARNING;
	return part->aged[SEVERITY_INFO] >= many ? SEVERITY_INFO : SEVERITY_NONE;
}

/* One of them in a full queue is that queue's matter: listener-queue-at-risk. */
static enum severity judge_unaccepted(const struct round *round, struct part *part, double scale)
{
	const struct thresholds *t = round->thresholds;
	bool many = part_total(part) >= scale * (double)t->cw_unaccepted_warning_count;
	bool full = many && part->flagged[MARK_QUEUE_FULL] > 0;

	if (scale < 1 ? full
		      : part_sustained(part, full, round->now_ns) >=
				MAX(t->cw_unaccepted_critical_age, round->fast_ns))
		return SEVERITY_CRITICAL;
	return many ? SEVERITY_WARNING : SEVERITY_NONE;
}

static enum severity judge(const struct round *round, const struct tally *tally, struct part *part,
			   double scale)
{
	if (part == &tally->parts[UNACCEPTED])
		return judge_unaccepted(round, part, scale);
	if (!part_total(part))
		return SEVERITY_NONE;
	return part == &tally->parts[INBOUND] ? judge_inbound(round, tally, part, scale)
					      : judge_outbound(round, tally, part, scale);
}

/* ---- words ---- */

static void describe_part(struct sentence *s, const struct tally *tally, unsigned int which)
{
	const struct part *part = &tally->parts[which];

	if (which == UNACCEPTED) {
		sentence_add(s, "has not accepted ");
		sentence_count(s, part_count(part), "connection", "connections");
		sentence_add(s, " that the peer has closed already");
		describe_oldest(s, part);
		return;
	}
	sentence_add(s, "holds ");
	sentence_count(s, part_count(part), "socket", "sockets");
	sentence_add(s, " in CLOSE-WAIT, %s",
		     which == INBOUND			     ? "inbound"
		     : part->flagged[MARK_DIRECTION_UNKNOWN] ? "outbound or of unknown direction"
							     : "outbound");
	describe_oldest(s, part);
	describe_growth(s, part);
}

static void why_held(struct sentence *s, const struct part *part)
{
	const char *separator = " Of these:";

	sentence_add(s, "The peer has closed; the process has not.");
	if (part->eof_read) {
		sentence_add(s, "%s ", separator);
		sentence_number(s, part->eof_read);
		sentence_add(
			s,
			" with everything read up to the end of file and the descriptor forgotten "
			"(Recv-Q 0)");
		separator = ";";
	}
	if (part->eof_unread) {
		sentence_add(s, "%s ", separator);
		sentence_number(s, part->eof_unread);
		sentence_add(s,
			     " with end of file not read: the process does not watch them, or is "
			     "busy for a peer that has gone");
		separator = ";";
	}
	if (part->data_unread) {
		sentence_add(s, "%s ", separator);
		sentence_number(s, part->data_unread);
		sentence_add(s, " with data not read: close() sends a RST");
	}
	sentence_add(s, ".");
}

static bool idle_pool(const struct tally *tally)
{
	return tally->parts[OUTBOUND].condition.severity == SEVERITY_INFO &&
	       !tally->parts[INBOUND].condition.severity;
}

/*
 * What the same process waits for in FIN-WAIT-2: a proxy that has passed the end of file on to its upstream
 * keeps both connections until that one closes, too. NULL where there is nothing of the kind.
 */
static const struct tally *waits_itself(const struct round *round, const struct tally *tally)
{
	struct tally_key key = tally->key;
	const struct tally *waits;

	if (key.kind != TALLY_PROCESS || !tally->parts[INBOUND].condition.severity)
		return NULL;
	key.rule = TCPDIAG_RULE_FIN_WAIT2_STUCK;
	waits = tallies_find(round->tallies, &key);
	return waits && waits->since_ns && part_total(&waits->parts[0]) ? waits : NULL;
}

static void why_waits(struct sentence *s, const struct tally *waits)
{
	sentence_add(s, " The process itself waits in FIN-WAIT-2 for the end of ");
	sentence_count(s, part_total(&waits->parts[0]), "other connection", "other connections");
	sentence_add(s, ": if it is a proxy that passes the end of file on, who does not close "
			"those is the cause (fin-wait-2-stuck).");
}

static void why(const struct round *round, const struct tally *tally, struct sentence *s)
{
	const struct part *in = &tally->parts[INBOUND], *out = &tally->parts[OUTBOUND];
	const struct thresholds *t = round->thresholds;
	const struct part *worst = in->condition.severity >= out->condition.severity &&
						   in->condition.severity
					   ? in
					   : out;

	if (tally->parts[UNACCEPTED].condition.severity)
		sentence_add(s,
			     "Never accepted: peers have given up in the listener's queue, since "
			     "the process does not call accept()%s.",
			     tally->parts[UNACCEPTED].flagged[MARK_QUEUE_FULL]
				     ? " and the queue is full"
				     : "");
	if (!worst->condition.severity)
		return;
	if (tally->parts[UNACCEPTED].condition.severity)
		sentence_add(s, " ");
	why_held(s, worst);
	if (idle_pool(tally)) {
		sentence_add(s, " Outbound, idle for up to ");
		sentence_duration(s, seconds(out->oldest_ns));
		sentence_add(s,
			     "%s: typical of a pool of connections between requests; costs one "
			     "descriptor each.",
			     out->rate_known && out->rate < 0.001 ? ", not growing" : "");
	}
	if (waits_itself(round, tally))
		why_waits(s, waits_itself(round, tally));
	if (!worst->rate_known)
		sentence_add(s, " Whether they grow is not known yet.");
	describe_stretch(s, worst == in ? t->cw_in_warning_age : t->cw_out_warning_age,
			 round->fast_ns);
}

static void describe(const struct round *round, const struct tally *tally, struct finding *row,
		     struct sentence *summary, struct sentence *cause, struct sentence *remedy)
{
	const struct part *unaccepted = &tally->parts[UNACCEPTED];
	struct others others;
	uint32_t eof_read = 0, eof_unread = 0, data_unread = 0;
	uint64_t unread = 0;
	const char *separator = "";
	unsigned int i;

	sentence_add(summary, "%s ", tally->who);
	for (i = 0; i < TALLY_PARTS; i++) {
		const struct part *part = &tally->parts[i];

		if (!part->condition.severity)
			continue;
		sentence_add(summary, "%s", separator);
		describe_part(summary, tally, i);
		separator = "; ";
		unread += part->unread_bytes;
		if (i == UNACCEPTED)
			continue;
		eof_read += part->eof_read;
		eof_unread += part->eof_unread;
		data_unread += part->data_unread;
	}
	describe_descriptors(summary, tally);
	evidence(row, EVIDENCE_UNREAD_BYTES, (double)unread);
	evidence(row, EVIDENCE_EOF_READ, eof_read);
	evidence(row, EVIDENCE_EOF_UNREAD, eof_unread);
	evidence(row, EVIDENCE_DATA_UNREAD, data_unread);
	evidence(row, EVIDENCE_UNACCEPTED,
		 unaccepted->condition.severity ? part_count(unaccepted) : 0);
	others_gather(round, tally, &others);
	others_evidence(&others, row);
	why(round, tally, cause);
	others_describe_here(round, &others, cause);
	if (idle_pool(tally))
		sentence_add(remedy,
			     "Nothing, while their number stands still; else let the pool drop "
			     "connections that are idle for longer than the peer keeps them.");
	else if (unaccepted->condition.severity > tally->parts[INBOUND].condition.severity)
		sentence_add(remedy,
			     "Find what keeps the process from accept(): blocked threads, too "
			     "few workers. Restarting it resets what waits in the queue.");
	else if (waits_itself(round, tally))
		sentence_add(remedy,
			     "Look at fin-wait-2-stuck of the same process first. Else it has to "
			     "close(): look for a path that ends without it. No sysctl ends "
			     "CLOSE-WAIT; a restart does.");
	else
		sentence_add(remedy,
			     "The process has to close(): look for a path that ends without "
			     "it, or for connections that it no longer polls. No sysctl ends "
			     "CLOSE-WAIT; a restart does.");
}

const struct family finding_close_wait_leak = {
	.rule = TCPDIAG_RULE_CLOSE_WAIT_LEAK,
	.scope = SCOPE_PROCESS,
	.states = TCPDIAG_STATE_BIT(TCPDIAG_CLOSE_WAIT),
	.parts = 3,
	.trends = 2,
	.others = true,
	.settles = settles,
	.over = "has no such connection in CLOSE-WAIT any more",
	.concerns = concerns,
	.judge = judge,
	.describe = describe,
};
