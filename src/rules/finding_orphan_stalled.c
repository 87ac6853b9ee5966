/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orphan-stalled: sockets that their processes have closed, and of which the peer acknowledges nothing more.
 *
 * Such an orphan sends its data or its FIN again until tcp_orphan_retries are spent, for 102 to 205 s by
 * default (net/ipv4/tcp_timer.c:tcp_write_timeout(), retransmits_timed_out()), or probes a closed window for up to
 * 325 s (tcp_probe_timer()); then it ends without a segment. Some are normal: of 10,000 connections a second
 * with one in a thousand whose peer vanishes there are 1,000 at any time, and the 450 oldest have waited for
 * a minute. So the numbers to compare with are shares of tcp_max_orphans, and whether one program makes nearly
 * all of them. When orphans become too many is orphan-accumulation's to say.
 */
#include "rules/family.h"

static int64_t age_of(const struct round *round)
{
	return MAX(round->thresholds->stalled_info_age, round->fast_ns);
}

static bool concerns(struct round *round, const struct record *record, struct mark *ret)
{
	if (record->sk.attachment != TCPDIAG_ORPHAN || record->sk.kind != TCPDIAG_KIND_FULL ||
	    !record->ack_since_ns)
		return false;
	ret->age_ns = round_age(round, record, record->ack_since_ns);
	if (ret->age_ns < age_of(round))
		return false;
	creators_add(round, CREATORS_STALLED, record);
	return true;
}

static void end(struct round *round)
{
	creators_settle(round, CREATORS_STALLED);
}

/* Of tcp_max_orphans, but at least @count: where the limit is not known that alone. */
static double level(const struct round *round, int64_t count, double percent)
{
	const struct tcpdiag_environment *env = round->input->environment;

	if (!env || !(env->known & TCPDIAG_ENV_ORPHANS))
		return (double)count;
	return MAX((double)count, percent / 100 * (double)env->tcp_max_orphans);
}

static enum severity judge(const struct round *round, const struct tally *tally, struct part *part,
			   double scale)
{
	const struct thresholds *t = round->thresholds;
	const double share = creators_share(&round->creators[CREATORS_STALLED]);
	const double count = part_total(part);

	(void)tally;
	if (!part_total(part))
		return SEVERITY_NONE;
	if (count >= scale * level(round, t->stalled_warning_count, t->stalled_warning_ratio) ||
	    (count >= scale * (double)t->stalled_warning_count &&
	     share >= scale * t->stalled_warning_creator / 100))
		return SEVERITY_WARNING;
	return count >= scale * level(round, t->stalled_info_count, t->stalled_info_ratio)
		       ? SEVERITY_INFO
		       : SEVERITY_NONE;
}

static void describe(const struct round *round, const struct tally *tally, struct finding *row,
		     struct sentence *summary, struct sentence *cause, struct sentence *remedy)
{
	const struct creators *creators = &round->creators[CREATORS_STALLED];
	const struct tcpdiag_environment *env = round->input->environment;
	const struct part *part = &tally->parts[0];

	creators_evidence(round, CREATORS_STALLED, row);
	sentence_count(summary, row->count, "orphaned socket waits", "orphaned sockets wait");
	sentence_add(summary, " for a peer that has acknowledged nothing for ");
	sentence_duration(summary, seconds(age_of(round)));
	sentence_add(summary, " and more");
	creators_states(summary, creators->count);
	creators_first(round, CREATORS_STALLED, summary);
	describe_oldest(summary, part);
	if (env && env->known & TCPDIAG_ENV_ORPHANS && env->tcp_max_orphans) {
		evidence(row, EVIDENCE_LIMIT, (double)env->tcp_max_orphans);
		evidence(row, EVIDENCE_RATIO, row->count / (double)env->tcp_max_orphans);
	}
	creators_describe(round, CREATORS_STALLED, cause);
	sentence_add(
		cause,
		"%sTheir processes have closed them; the peers are gone, are cut off, or take no "
		"more data. The kernel sends again until tcp_orphan_retries are spent and then "
		"drops them without a word: what was not delivered is lost.",
		cause->len ? " " : "");
	if (part->example != RECORD_NONE) {
		const struct tcpdiag_socket *sk = &round->records[part->example].sk;

		sentence_add(cause, " The oldest goes to ");
		sentence_address(cause, sk->remote, sk->remote_port);
		sentence_add(cause, ".");
	}
	describe_stretch(cause, round->thresholds->stalled_info_age, round->fast_ns);
	sentence_add(
		remedy,
		"Look at the way to the remote addresses (/sockets?finding=orphan-stalled&"
		"group=remote.address): a firewall or NAT that has forgotten them, clients that "
		"leave without a word. A lower net.ipv4.tcp_orphan_retries frees them sooner.");
}

const struct family finding_orphan_stalled = {
	.rule = TCPDIAG_RULE_ORPHAN_STALLED,
	.scope = SCOPE_HOST,
	.key = FAMILY_BY_HOST,
	.states = TCPDIAG_STATE_BIT(TCPDIAG_FIN_WAIT1) | TCPDIAG_STATE_BIT(TCPDIAG_CLOSING) |
		  TCPDIAG_STATE_BIT(TCPDIAG_LAST_ACK),
	.parts = 1,
	.over = "No orphaned socket waits any more for a peer that has gone silent",
	.concerns = concerns,
	.end = end,
	.judge = judge,
	.describe = describe,
};
