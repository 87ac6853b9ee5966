/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fin-wait-2-stuck: a process has shut its sending side and holds the socket; the peer never closes.
 *
 * tcp_fin_timeout is for orphans (net/ipv4/tcp.c:__tcp_close()): while a descriptor is open there is no
 * FIN-WAIT-2 timer at all. A half-close with data flowing (rsync, nc, a long answer to an upload) looks
 * the same but for the data, hence the age is that of the last byte. SO_KEEPALIVE ends it no sooner as
 * long as the peer's machine answers.
 */
#include "rules/family.h"

static int64_t settles(const struct round *round)
{
	return MAX(round->thresholds->fw2_info_age, round->fast_ns);
}

static bool concerns(struct round *round, const struct record *record, struct mark *ret)
{
	const struct tcpdiag_socket *sk = &record->sk;
	int64_t data_ns = record->data_since_ns;

	if (sk->kind != TCPDIAG_KIND_FULL ||
	    (sk->attachment != TCPDIAG_HELD && sk->attachment != TCPDIAG_UNHELD) ||
	    (sk->timer != TCPDIAG_TIMER_OFF && sk->timer != TCPDIAG_TIMER_KEEPALIVE))
		return false;
	/* Without knowing when the last byte came, a half-close cannot be told from a stuck one. */
	if (!data_ns) {
		if (!(sk->known & TCPDIAG_KNOWS_INFO))
			return false;
		data_ns = record->seen_ns - sk->last_data_recv_ms * NSEC_PER_MSEC;
	}
	ret->age_ns = round_age(round, record, MAX(record->state_since_ns, data_ns));
	return ret->age_ns >= settles(round);
}

/* More at the end than in the middle, and there more than at the start: no single step. */
static bool growing(const struct round *round, const struct part *part, double scale)
{
	const struct thresholds *t = round->thresholds;
	int64_t now = round->now_ns, window = t->fw2_warning_growth_window;
	double ratio = scale * t->fw2_warning_growth / 100;
	double min = scale * (double)t->fw2_warning_growth_min;

	return part->trend && trend_grew(part->trend, now - window, now, ratio, min) &&
	       trend_grew(part->trend, now - window, now - window / 2, 0, 1) &&
	       trend_grew(part->trend, now - window / 2, now, 0, 1);
}

static enum severity judge(const struct round *round, const struct tally *tally, struct part *part,
			   double scale)
{
	const struct thresholds *t = round->thresholds;
	double count = part_total(part);

	if (!part_total(part))
		return SEVERITY_NONE;
	if (tally->descriptor_limit &&
	    count >= scale * t->fw2_critical_descriptors / 100 * tally->descriptor_limit)
		return SEVERITY_CRITICAL;
	if (count >= scale * (double)t->fw2_critical_count && part->trend &&
	    trend_grew(part->trend, round->now_ns - t->fw2_critical_doubling, round->now_ns, scale,
		       1))
		return SEVERITY_CRITICAL;
	if ((count >= scale * (double)t->fw2_warning_count &&
	     part->oldest_ns >= t->fw2_warning_age) ||
	    growing(round, part, scale))
		return SEVERITY_WARNING;
	return SEVERITY_INFO;
}

/* How many of the other ends here have done what, where there is one or more of it. */
static void describe_reading(const struct others *others, struct sentence *s)
{
	const struct {
		uint32_t count;
		const char *one, *many;
	} kinds[] = {
		{ others->eof_unread, "has not read the end of file",
		  "have not read the end of file" },
		{ others->eof_read,
		  "has read everything up to the end of file and forgotten the descriptor",
		  "have read everything up to the end of file and forgotten the descriptor" },
		{ others->data_unread, "has not even read the data before it",
		  "have not even read the data before it" },
		{ others->unaccepted, "was never accepted", "were never accepted" },
		{ others->finishing, "has sent its FIN, which does not arrive",
		  "have sent their FIN, which does not arrive" },
	};
	const char *separator = " ";
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!kinds[i].count)
			continue;
		sentence_add(s, "%s", separator);
		if (others->here == 1) {
			sentence_add(s, "It %s", kinds[i].one);
		} else {
			sentence_number(s, kinds[i].count);
			sentence_add(s, " %s", kinds[i].count == 1 ? kinds[i].one : kinds[i].many);
		}
		separator = ", ";
	}
	sentence_add(s, "%s", *separator == ',' ? "." : "");
}

/* Which one to look at: a state, since when, and the descriptor. */
static void describe_other(const struct round *round, const struct others *others,
			   struct sentence *s)
{
	const struct findings_input *input = round->input;
	const struct record *peer;
	const char *state;

	if (others->example == RECORD_NONE)
		return;
	peer = &round->records[others->example];
	state = tcpdiag_state_column(peer->sk.state);
	sentence_add(s, " %s in %s for ", others->here == 1 ? "It is" : "The oldest there is",
		     state ? state : "an unknown state");
	sentence_duration(s, seconds(round_age(round, peer, peer->state_since_ns)));
	if (peer->holders && peer->holder < input->holder_count &&
	    peer->sk.attachment != TCPDIAG_UNACCEPTED)
		sentence_add(s, " as descriptor %d", input->holders[peer->holder].fd);
	sentence_add(s, ".");
}

static void describe_summary(const struct round *round, const struct tally *tally,
			     const struct finding *row, const struct others *others,
			     struct sentence *s)
{
	const struct part *part = &tally->parts[0];

	sentence_add(s, "%s holds ", tally->who);
	sentence_count(s, row->count, "socket", "sockets");
	sentence_add(s, " in FIN-WAIT-2 that no timer ends and no data comes to");
	describe_oldest(s, part);
	describe_growth(s, part);
	describe_descriptors(s, tally);
	if (others->process == RECORD_NONE)
		return;
	sentence_add(s, "; ");
	others_who(round, others, s);
	sentence_add(s, " has not closed the other end");
	if (row->count > 1) {
		sentence_add(s, " of ");
		sentence_number(s, others->process_count);
	}
}

static void describe(const struct round *round, const struct tally *tally, struct finding *row,
		     struct sentence *summary, struct sentence *cause, struct sentence *remedy)
{
	const struct part *part = &tally->parts[0];
	struct others others;

	others_gather(round, tally, &others);
	others_evidence(&others, row);
	evidence(row, EVIDENCE_PEERS_EOF_READ, others.eof_read);
	evidence(row, EVIDENCE_PEERS_EOF_UNREAD, others.eof_unread + others.data_unread);
	describe_summary(round, tally, row, &others, summary);

	sentence_add(cause,
		     "This end has sent its FIN and waits for the peer's. While the process "
		     "holds the descriptor the kernel starts no timer: tcp_fin_timeout is for "
		     "closed sockets.");
	if (part->example != RECORD_NONE) {
		const struct tcpdiag_socket *sk = &round->records[part->example].sk;

		sentence_add(cause, " The other end owes the FIN; of the oldest it is ");
		sentence_address(cause, sk->remote, sk->remote_port);
		sentence_add(cause, ".");
	}
	others_describe_here(round, &others, cause);
	describe_other(round, &others, cause);
	describe_reading(&others, cause);
	others_describe_elsewhere(&others, cause);
	describe_stretch(cause, round->thresholds->fw2_info_age, round->fast_ns);
	sentence_add(remedy,
		     "Find what keeps the other end from close(): there the connection stands "
		     "in CLOSE-WAIT. Here, bound the wait after shutdown() by a timeout and "
		     "then close(): the kernel's own timer takes over.");
}

const struct family finding_fin_wait2_stuck = {
	.rule = TCPDIAG_RULE_FIN_WAIT2_STUCK,
	.scope = SCOPE_PROCESS,
	.states = TCPDIAG_STATE_BIT(TCPDIAG_FIN_WAIT2),
	.parts = 1,
	.trends = 1,
	.others = true,
	.settles = settles,
	.over = "holds no such socket in FIN-WAIT-2 any more",
	.concerns = concerns,
	.judge = judge,
	.describe = describe,
};
