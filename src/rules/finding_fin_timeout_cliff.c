/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fin-timeout-cliff: a time for FIN-WAIT-2 of 61 to 119 s, which lasts 2 * (t - 60 s) instead of t.
 *
 * A time above TCP_TIMEWAIT_LEN (60 s) is first served without those 60 s by the full orphan
 * (net/ipv4/tcp.c:__tcp_close(), tcp_input.c:tcp_rcv_state_process()); when that timer fires, the rest is
 * reckoned once more as t - 60 s, and a minisocket serves it (net/ipv4/tcp_timer.c:
 * tcp_keepalive_timer()). 61 s live for 2 s, thirty times less than 60 s; from 120 s on it is right again.
 *
 * TCP_LINGER2 is a socket's own, one finding a unit. net.ipv4.tcp_fin_timeout holds for every socket of
 * its namespace without one (struct netns_ipv4): a warning that needs no socket, one a namespace.
 */
#include "rules/realms.h"

#define STATES \
	(TCPDIAG_STATE_BIT(TCPDIAG_LISTEN) | TCPDIAG_STATE_BIT(TCPDIAG_SYN_SENT) | \
	 TCPDIAG_STATE_BIT(TCPDIAG_SYN_RECV) | TCPDIAG_STATE_BIT(TCPDIAG_ESTABLISHED) | \
	 TCPDIAG_STATES_TEARDOWN)
#define SETTING 1U /* of struct tally_key.b: the sysctl */

static bool is_setting(const struct tally *tally)
{
	return tally->key.kind == TALLY_NETNS && tally->key.b == SETTING;
}

/* Of sockets; the sysctl is read in another way. */
static bool blind(const struct round *round)
{
	return round->input->settings_blind;
}

/* The namespace's tcp_fin_timeout in seconds; 0: not known, as where there is no such namespace any more. */
static uint32_t timeout_of(const struct realm *realm)
{
	return realm->environment->known & TCPDIAG_ENV_FIN_TIMEOUT
		       ? realm->environment->tcp_fin_timeout
		       : 0;
}

static uint32_t timeout_in(const struct round *round, uint32_t netns)
{
	struct realm realm;

	return realm_find(round, netns, &realm) ? timeout_of(&realm) : 0;
}

static void begin(struct round *round)
{
	struct tally_key key = { .rule = TCPDIAG_RULE_FIN_TIMEOUT_CLIFF,
				 .kind = TALLY_NETNS,
				 .b = SETTING };
	uint32_t i, timeout;

	/* A sysctl is not hidden by what hides settings of sockets. */
	for (i = 0; i < round->tallies->used; i++) {
		struct tally *tally = &round->tallies->rows[i];

		if (tally->key.rule == key.rule && is_setting(tally))
			tally->frozen = false;
	}
	for (i = 0; i < realm_count(round); i++) {
		struct tally *tally;
		struct realm realm;

		realm_at(round, i, &realm);
		timeout = timeout_of(&realm);
		key.a = realm.inode;
		tally = tallies_find(round->tallies, &key);
		if (!tally && !findings_cliff_ms(timeout * 1000LL))
			continue;
		tally = round_tally(round, &key);
		if (!tally)
			continue;
		tally->seen_ns = round->now_ns;
		tally->netns = key.a;
		tally->frozen = !timeout;
	}
}

static bool concerns(struct round *round, const struct record *record, struct mark *ret)
{
	const struct tcpdiag_socket *sk = &record->sk;

	(void)round;
	if (!(sk->known & TCPDIAG_KNOWS_LINGER2) || !findings_cliff_ms(sk->linger2_ms) ||
	    sk->kind != TCPDIAG_KIND_FULL || sk->mptcp_subflow ||
	    (sk->attachment != TCPDIAG_HELD && sk->attachment != TCPDIAG_UNACCEPTED &&
	     sk->attachment != TCPDIAG_UNHELD))
		return false;
	if (sk->state == TCPDIAG_LISTEN)
		ret->flags = MARK(MARK_LISTENS);
	return true;
}

static enum severity judge(const struct round *round, const struct tally *tally, struct part *part,
			   double scale)
{
	uint32_t total = part_total(part);

	if (is_setting(tally))
		return findings_cliff_ms(timeout_in(round, tally->key.a) * 1000LL)
			       ? SEVERITY_WARNING
			       : SEVERITY_NONE;
	return total && total >= scale * (double)round->thresholds->cliff_info_count
		       ? SEVERITY_INFO
		       : SEVERITY_NONE;
}

/* "61 s, of which FIN-WAIT-2 lasts 2 s" */
static void describe_time(struct sentence *s, struct finding *row, double timeout)
{
	double lifetime = 2 * (timeout - 60);

	evidence(row, EVIDENCE_FIN_TIMEOUT_SECONDS, timeout);
	evidence(row, EVIDENCE_LIFETIME_SECONDS, lifetime);
	sentence_add(s, "%.3g s, and FIN-WAIT-2 after close() lasts %.3g s with it", timeout,
		     lifetime);
}

static void describe_setting(const struct round *round, struct finding *row,
			     struct sentence *summary)
{
	double timeout = timeout_in(round, row->netns);

	row->shown &= ~(UINT64_C(1) << EVIDENCE_COUNT);
	sentence_add(summary, "net.ipv4.tcp_fin_timeout in ");
	sentence_realm(round, summary, row->netns);
	sentence_add(summary, " ");
	if (timeout > 60 && timeout < 120) {
		sentence_add(summary, "is ");
		describe_time(summary, row, timeout);
	} else if (timeout > 0) {
		sentence_add(summary, "is %.0f s now", timeout);
	} else {
		sentence_add(summary, "was between 61 and 119 s when it could last be read");
	}
}

static void describe_sockets(const struct round *round, const struct tally *tally,
			     struct finding *row, struct sentence *summary)
{
	const struct part *part = &tally->parts[0];

	row->shown &= ~(UINT64_C(1) << EVIDENCE_OLDEST_SECONDS);
	evidence(row, EVIDENCE_LISTENERS, part->flagged[MARK_LISTENS]);
	sentence_add(summary, "%s has TCP_LINGER2 between 61 and 119 s on ", tally->who);
	sentence_count(summary, row->count, "socket", "sockets");
	if (part->example == RECORD_NONE)
		return;
	sentence_add(summary, ": ");
	describe_time(summary, row, (double)round->records[part->example].sk.linger2_ms / 1000);
}

static void describe(const struct round *round, const struct tally *tally, struct finding *row,
		     struct sentence *summary, struct sentence *cause, struct sentence *remedy)
{
	bool setting = is_setting(tally);

	if (setting)
		describe_setting(round, row, summary);
	else
		describe_sockets(round, tally, row, summary);
	sentence_add(
		cause,
		"The kernel takes 60 s off a time above that for its minisocket, and waits for "
		"the rest twice: 61 s last for 2 s, 90 s for 60 s. A peer that takes longer to "
		"finish gets a RST.");
	if (!setting && tally->parts[0].flagged[MARK_LISTENS])
		sentence_add(cause,
			     " A listener hands TCP_LINGER2 to each connection that it accepts.");
	sentence_add(remedy, "Set %s to 60 s or less, or to 120 s.",
		     setting ? "net.ipv4.tcp_fin_timeout" : "TCP_LINGER2");
}

const struct family finding_fin_timeout_cliff = {
	.rule = TCPDIAG_RULE_FIN_TIMEOUT_CLIFF,
	.scope = SCOPE_PROCESS,
	.key = FAMILY_BY_UNIT,
	.states = STATES,
	.settings = true,
	.parts = 1,
	.blind = blind,
	.begin = begin,
	.over = "has no socket with TCP_LINGER2 between 61 and 119 s any more",
	.concerns = concerns,
	.judge = judge,
	.describe = describe,
};
