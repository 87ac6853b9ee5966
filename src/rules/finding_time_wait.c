/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * time-wait-overflow: a namespace has as many minisockets as tcp_max_tw_buckets allows.
 *
 * net/ipv4/inet_timewait_sock.c:inet_twsk_alloc() then gives none, and tcp_minisocks.c:tcp_time_wait()
 * ends the connection without TIME-WAIT or FIN-WAIT-2: it is gone at once and silently, and what its peer
 * still sends gets a RST. Harmless to most, so never critical: what is meant are limits of a few thousand
 * that old guides recommend. The counter and the number are the namespace's.
 */
#include "rules/realms.h"

struct state {
	bool known;
	uint64_t overflows; /* of the last minute */
	double used, limit; /* limit 0: not known */
};

static struct state state_read(const struct realm *realm)
{
	const struct tcpdiag_environment *env = realm->environment;
	struct state s = { 0 };

	s.known = realm_rose(realm, COUNTER_TIME_WAIT_OVERFLOW, &s.overflows);
	if (env->known & TCPDIAG_ENV_TIMEWAITS) {
		s.known = true;
		s.used = (double)env->timewaits;
		s.limit = (double)env->tcp_max_tw_buckets;
	}
	return s;
}

static bool filled(const struct round *round, const struct state *s, double scale)
{
	return s->limit > 0 && s->used >= scale * round->thresholds->tw_info_ratio / 100 * s->limit;
}

static bool blind(const struct round *round)
{
	struct realm realm;
	uint32_t i;

	for (i = 0; i < realm_count(round); i++) {
		realm_at(round, i, &realm);
		if (state_read(&realm).known)
			return false;
	}
	return true;
}

static void begin(struct round *round)
{
	struct tally_key key = { .rule = TCPDIAG_RULE_TIME_WAIT_OVERFLOW, .kind = TALLY_NETNS };
	uint32_t i;

	for (i = 0; i < realm_count(round); i++) {
		struct tally *tally;
		struct realm realm;
		struct state s;

		realm_at(round, i, &realm);
		s = state_read(&realm);
		key.a = realm.inode;
		tally = tallies_find(round->tallies, &key);
		if (!tally && !s.overflows && !filled(round, &s, 1))
			continue;
		tally = round_tally(round, &key);
		if (!tally)
			continue;
		tally->netns = realm.inode;
		tally->frozen = !s.known;
		if (tally->since_ns || s.overflows || filled(round, &s, 1))
			tally->seen_ns = round->now_ns;
	}
}

static enum severity judge(const struct round *round, const struct tally *tally, struct part *part,
			   double scale)
{
	const struct thresholds *t = round->thresholds;
	struct state s = { 0 };
	struct realm realm;
	bool fast, lasts;

	if (realm_find(round, tally->key.a, &realm))
		s = state_read(&realm);
	fast = s.overflows && (double)s.overflows / 60 >= scale * (double)t->tw_warning_rate;
	lasts = scale < 1 ? fast : part_sustained(part, fast, round->now_ns) >= t->tw_warning_age;
	if (lasts)
		return SEVERITY_WARNING;
	return s.overflows || filled(round, &s, scale) ? SEVERITY_INFO : SEVERITY_NONE;
}

static void describe_use(struct sentence *s, struct finding *row, const struct state *state)
{
	if (state->limit <= 0)
		return;
	row->count = (uint32_t)MIN(state->used, UINT32_MAX);
	evidence(row, EVIDENCE_COUNT, state->used);
	evidence(row, EVIDENCE_LIMIT, state->limit);
	evidence(row, EVIDENCE_RATIO, state->used / state->limit);
	sentence_number(s, (uint64_t)state->used);
	sentence_add(s, " of ");
	sentence_number(s, (uint64_t)state->limit);
	sentence_add(s, " minisockets (tcp_max_tw_buckets) in ");
}

static void describe(const struct round *round, const struct tally *tally, struct finding *row,
		     struct sentence *summary, struct sentence *cause, struct sentence *remedy)
{
	struct state s = { 0 };
	struct realm realm;
	bool there = realm_find(round, tally->key.a, &realm);

	if (there)
		s = state_read(&realm);
	row->shown &= ~(1ULL << EVIDENCE_COUNT);
	describe_use(summary, row, &s);
	if (!there)
		sentence_add(summary, "TIME-WAIT overflowed in ");
	else if (s.limit <= 0)
		sentence_add(summary, "TIME-WAIT overflows in ");
	sentence_realm(round, summary, tally->key.a);
	if (s.overflows) {
		evidence(row, EVIDENCE_OVERFLOWS_PER_SECOND, (double)s.overflows / 60);
		sentence_add(summary, "; ");
		sentence_count(summary, s.overflows, "connection", "connections");
		sentence_add(summary, " ended without one in the last minute");
	}
	sentence_add(
		cause,
		"At the limit the kernel keeps no TIME-WAIT and no FIN-WAIT-2 minisocket: the "
		"connection is gone at once, without a segment, and what its peer still sends, "
		"its FIN too, gets a RST (TCPTimeWaitOverflow; kernel log: \"TCP: time wait "
		"bucket table overflow\").");
	sentence_add(
		remedy,
		"Raise net.ipv4.tcp_max_tw_buckets in this namespace: old guides set 5000, and "
		"a minisocket costs some 250 bytes only. Fewer short connections (keep-alive, "
		"pools) need fewer of them.");
}

const struct family finding_time_wait = {
	.rule = TCPDIAG_RULE_TIME_WAIT_OVERFLOW,
	.scope = SCOPE_NETNS,
	.parts = 1,
	.blind = blind,
	.begin = begin,
	.judge = judge,
	.describe = describe,
};
