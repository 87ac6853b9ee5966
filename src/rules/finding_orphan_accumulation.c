/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orphan-accumulation: sockets that their processes have closed and that the kernel cannot get rid of.
 *
 * Against tcp_max_orphans the kernel counts more than it has: tcp_check_oom() shifts the number left
 * once for a socket that has sent nothing for long or whose peer has no window, and once more after an
 * ICMP error (net/ipv4/tcp_timer.c:tcp_out_of_resources()). So the limits are a quarter, a half, and the
 * whole, where each close() is followed by a RST. The number is the machine's, from sockstat; who created
 * them is counted from those that the dump shows.
 */
#include "rules/family.h"

struct state {
	double count, limit; /* 0: not known */
	double growth; /* per second */
	bool growth_known;
	bool killing; /* TCPAbortOnMemory moved in the last minute */
	uint64_t killed;
};

static bool state_read(const struct findings_input *input, struct state *ret)
{
	const struct tcpdiag_environment *env = input->environment;
	const uint32_t killed = 1U << COUNTER_ABORT_ON_MEMORY;
	struct state s = { 0 };
	bool known = false;

	if (env && env->known & TCPDIAG_ENV_ORPHANS) {
		s.limit = (double)env->tcp_max_orphans;
		s.count = (double)env->orphans;
		known = true;
	}
	if (input->orphans && input->orphans->count_known) {
		s.count = (double)input->orphans->count;
		s.growth_known = input->orphans->growth_known;
		s.growth = s.growth_known ? input->orphans->growth_per_second : 0;
		known = true;
	}
	if (input->rates && input->rates->known & killed) {
		s.killed = input->rates->value[COUNTER_ABORT_ON_MEMORY];
		s.killing = s.killed > 0;
		known = true;
	}
	*ret = s;
	return known;
}

static bool blind(const struct round *round)
{
	struct state s;

	return !state_read(round->input, &s);
}

static bool partly(const struct round *round)
{
	struct state s;

	return state_read(round->input, &s) && s.limit <= 0;
}

static void begin(struct round *round)
{
	const struct tally_key key = { .rule = TCPDIAG_RULE_ORPHAN_ACCUMULATION,
				       .kind = TALLY_HOST };
	struct tally *tally = round_tally(round, &key);

	if (!tally)
		return;
	tally->seen_ns = round->now_ns;
	tally->frozen = blind(round);
}

static bool concerns(struct round *round, const struct record *record, struct mark *ret)
{
	if (record->sk.attachment != TCPDIAG_ORPHAN || record->sk.kind != TCPDIAG_KIND_FULL)
		return false;
	creators_add(round, CREATORS_ALL, record);
	ret->age_ns = round_age(round, record, record->state_since_ns);
	return true;
}

static void end(struct round *round)
{
	creators_settle(round, CREATORS_ALL);
}

/* A quarter of the limit is reached within @horizon_ns; the ratio of the warning says what a quarter is. */
static bool reaches(const struct thresholds *t, const struct state *s, int64_t horizon_ns,
		    double scale)
{
	double quarter = s->limit * t->orphan_warning_ratio / 100;

	return s->growth_known && s->growth > 0 && s->limit > 0 &&
	       s->count + s->growth * seconds(horizon_ns) / scale >= quarter;
}

static enum severity judge(const struct round *round, const struct tally *tally, struct part *part,
			   double scale)
{
	const struct thresholds *t = round->thresholds;
	bool grows, lasts;
	struct state s;

	(void)tally;
	if (!state_read(round->input, &s))
		return SEVERITY_NONE;
	grows = s.count >= scale * (double)t->orphan_info_count &&
		reaches(t, &s, t->orphan_info_horizon, scale);
	lasts = scale < 1 ? grows
			  : part_sustained(part, grows, round->now_ns) >=
				    MAX(t->orphan_info_growth_window, round->fast_ns);
	if (s.killing ||
	    (s.limit > 0 && s.count >= scale * t->orphan_critical_ratio / 100 * s.limit))
		return SEVERITY_CRITICAL;
	if ((s.limit > 0 && s.count >= scale * t->orphan_warning_ratio / 100 * s.limit) ||
	    (lasts && reaches(t, &s, t->orphan_warning_horizon, scale)))
		return SEVERITY_WARNING;
	return lasts ? SEVERITY_INFO : SEVERITY_NONE;
}

static void describe(const struct round *round, const struct tally *tally, struct finding *row,
		     struct sentence *summary, struct sentence *cause, struct sentence *remedy)
{
	struct state s;

	if (!state_read(round->input, &s)) {
		sentence_add(summary,
			     "Too many sockets were orphaned when they could last be counted");
		return;
	}
	(void)tally;
	row->count = (uint32_t)s.count;
	evidence(row, EVIDENCE_COUNT, s.count);
	sentence_count(summary, (uint64_t)s.count, "orphaned socket", "orphaned sockets");
	if (s.limit > 0) {
		evidence(row, EVIDENCE_LIMIT, s.limit);
		evidence(row, EVIDENCE_RATIO, s.count / s.limit);
		sentence_add(summary, " of ");
		sentence_number(summary, (uint64_t)s.limit);
		sentence_add(summary, " (%.0f %%)", 100 * s.count / s.limit);
	}
	creators_states(summary, round->creators[CREATORS_ALL].count);
	if (s.growth_known)
		evidence(row, EVIDENCE_GROWTH_PER_SECOND, s.growth);
	if (s.growth_known && s.growth > 0) {
		sentence_add(summary, "; growing ");
		sentence_rate(summary, s.growth);
		sentence_add(summary, "/s");
		if (s.limit > s.count) {
			evidence(row, EVIDENCE_SECONDS_TO_LIMIT, (s.limit - s.count) / s.growth);
			sentence_add(summary, ", at the limit in ");
			sentence_duration(summary, (s.limit - s.count) / s.growth);
		}
	}
	creators_describe(round, CREATORS_ALL, cause);
	sentence_add(cause,
		     "%sTheir processes have closed them and the peers do not acknowledge. Past a "
		     "quarter of tcp_max_orphans the kernel kills those whose peer is "
		     "unreachable, past a half the stalled ones, at the limit each close() is "
		     "followed by a RST (kernel log: \"TCP: too many orphaned sockets\").",
		     cause->len ? " " : "");
	creators_evidence(round, CREATORS_ALL, row);
	if (s.killing) {
		sentence_add(cause, " Killed for memory in the last minute: ");
		sentence_number(cause, s.killed);
		sentence_add(cause,
			     " (TCPAbortOnMemory; also at \"TCP: out of memory -- consider tuning "
			     "tcp_mem\").");
	}
	sentence_add(remedy,
		     "Find why the clients do not acknowledge, or who opens so many connections "
		     "only to drop them; a lower tcp_orphan_retries frees them sooner, a higher "
		     "tcp_max_orphans only buys time.");
}

const struct family finding_orphan_accumulation = {
	.rule = TCPDIAG_RULE_ORPHAN_ACCUMULATION,
	.scope = SCOPE_HOST,
	.key = FAMILY_BY_HOST,
	.states = TCPDIAG_STATE_BIT(TCPDIAG_FIN_WAIT1) | TCPDIAG_STATE_BIT(TCPDIAG_FIN_WAIT2) |
		  TCPDIAG_STATE_BIT(TCPDIAG_CLOSING) | TCPDIAG_STATE_BIT(TCPDIAG_LAST_ACK),
	.parts = 1,
	.blind = blind,
	.partly = partly,
	.begin = begin,
	.end = end,
	.concerns = concerns,
	.judge = judge,
	.describe = describe,
};
