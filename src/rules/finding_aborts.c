/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * aborts-rising: the kernel gives connections up much more often than it usually does on this machine.
 *
 * Each cause has its counter (net/ipv4/tcp.c:__tcp_close(), tcp_timer.c:tcp_write_err(), ...), and is held
 * against its own median of the last hour, so that what is always so raises nothing. Sums over all
 * namespaces; whose they were the counters do not tell.
 *
 * Nor do they tell the harmless ones apart. close() with unread data of a connection whose peer has
 * finished hurts hardly anyone (idle TLS pools); programs that reset on purpose count as well. The polls see
 * which of these kinds of sockets there are: where only harmless ones were seen, the counter is laid to
 * them and says nothing, and without any that could be hurt it is never more than information.
 */
#include "rules/aborts.h"
#include "rules/realms.h"

#define STATES (TCPDIAG_STATE_BIT(TCPDIAG_ESTABLISHED) | TCPDIAG_STATE_BIT(TCPDIAG_CLOSE_WAIT))
#define SHARE_MINUTES 5U
#define SEEN_NS (300 * NSEC_PER_SEC) /* for so long what a poll saw explains a counter */

static bool counters_known(const struct round *round)
{
	const struct counters *rates = round->input->rates;
	uint32_t any = 0;
	int cause;

	for (cause = 0; cause < ABORT_MAX; cause++)
		any |= 1U << abort_counter(cause);
	return rates && rates->known & any;
}

static bool blind(const struct round *round)
{
	return !counters_known(round);
}

static uint64_t rose(const struct round *round, enum counter which)
{
	const struct counters *rates = round->input->rates;

	return rates && rates->known & 1U << which ? rates->value[which] : 0;
}

/* In a second, much more than usual. */
static bool hot(const struct round *round, enum abort_cause cause, double scale)
{
	const struct thresholds *t = round->thresholds;
	double rate = (double)rose(round, abort_counter(cause)) / 60;
	double usual = (double)round->aborts->usual[cause] / 60;

	return rate > 0 && rate >= scale * (double)t->aborts_info_rate &&
	       rate > scale * t->aborts_info_factor / 100 * usual;
}

static bool warm(const struct round *round)
{
	const struct aborts *aborts = round->aborts;

	return aborts->begin_ns &&
	       round->now_ns - aborts->begin_ns >= round->thresholds->aborts_history;
}

static int64_t warms(const struct round *round)
{
	const struct aborts *aborts = round->aborts;

	return (aborts->begin_ns ? aborts->begin_ns : round->now_ns) +
	       round->thresholds->aborts_history;
}

static void follow(int64_t *since_ns, bool holds, int64_t now_ns)
{
	if (!holds)
		*since_ns = 0;
	else if (!*since_ns)
		*since_ns = now_ns;
}

/* Something that may come to be a finding. */
static bool anything(const struct round *round)
{
	int cause;

	for (cause = 0; cause < ABORT_MAX; cause++)
		if (hot(round, cause, 1))
			return true;
	return rose(round, COUNTER_ABORT_FAILED) || rose(round, COUNTER_ABORT_ON_MEMORY);
}

static void begin(struct round *round)
{
	const struct tally_key key = { .rule = TCPDIAG_RULE_ABORTS_RISING, .kind = TALLY_HOST };
	struct aborts *aborts = round->aborts;
	struct tally *tally = tallies_find(round->tallies, &key);
	int cause;

	if (tally || anything(round))
		tally = round_tally(round, &key);
	if (tally) {
		tally->seen_ns = round->now_ns;
		tally->frozen = blind(round);
	}
	if (blind(round))
		return;
	aborts_add(aborts, round->input->rates, round->now_ns);
	for (cause = 0; cause < ABORT_MAX; cause++)
		follow(&aborts->hot_since_ns[cause], hot(round, cause, 1), round->now_ns);
	follow(&aborts->memory_since_ns, rose(round, COUNTER_ABORT_ON_MEMORY) > 0, round->now_ns);
}

static bool allowed(const struct round *round, const struct record *record)
{
	const char *names = round->thresholds->lz_allow;
	const struct findings_input *input = round->input;
	const struct process *process;

	if (!*names || !record->holders || record->holder >= input->holder_count ||
	    input->holders[record->holder].process >= input->process_count)
		return false;
	process = &input->processes[input->holders[record->holder].process];
	return threshold_has_name(names, snapshot_writer_text(round->w, process->unit)) ||
	       threshold_has_name(names, snapshot_writer_text(round->w, process->comm));
}

/* No socket belongs to the finding: those that would explain a counter are noted. */
static bool concerns(struct round *round, const struct record *record, struct mark *ret)
{
	const struct tcpdiag_socket *sk = &record->sk;
	struct aborts *aborts = round->aborts;

	(void)ret;
	if (sk->kind != TCPDIAG_KIND_FULL || sk->mptcp || sk->mptcp_subflow)
		return false;
	if (tcpdiag_unread_bytes(sk) && tcpdiag_peer_finished(sk))
		aborts->seen_finished_ns = round->now_ns;
	else if (tcpdiag_unread_bytes(sk))
		aborts->seen_open_ns = round->now_ns;
	if (sk->known & TCPDIAG_KNOWS_LINGER && sk->linger && !sk->sk_lingertime_ms) {
		if (allowed(round, record))
			aborts->allowed_ns = round->now_ns;
		else
			aborts->resetting_ns = round->now_ns;
	}
	return false;
}

static bool of_late(const struct round *round, int64_t then_ns)
{
	return then_ns && round->now_ns - then_ns <= SEEN_NS;
}

/* Only such sockets were seen as are meant to end so, or hurt nobody. */
static bool explained(const struct round *round, enum abort_cause cause)
{
	const struct aborts *a = round->aborts;

	if (cause == ABORT_CLOSE)
		return of_late(round, a->seen_finished_ns) && !of_late(round, a->seen_open_ns);
	if (cause == ABORT_DATA)
		return of_late(round, a->allowed_ns) && !of_late(round, a->resetting_ns);
	return false;
}

/* A peer that had not finished may have been hurt. */
static bool hurts(const struct round *round, enum abort_cause cause)
{
	return cause != ABORT_CLOSE || of_late(round, round->aborts->seen_open_ns);
}

static bool lasting(const struct round *round, enum abort_cause cause, double scale)
{
	int64_t since = round->aborts->hot_since_ns[cause];

	if (!warm(round) || explained(round, cause) || !hot(round, cause, scale))
		return false;
	return scale < 1 || (since && round->now_ns - since >= round->thresholds->aborts_info_age);
}

/*
 * Each last minute had some for so long that the first and the newest are at least that far apart: a single
 * one stays in the last minute for a minute.
 */
static bool short_of_memory(const struct round *round)
{
	int64_t since = round->aborts->memory_since_ns;

	return since &&
	       round->now_ns - since >= round->thresholds->aborts_critical_age + ABORT_SAMPLE_NS;
}

static enum severity judge(const struct round *round, const struct tally *tally, struct part *part,
			   double scale)
{
	const struct thresholds *t = round->thresholds;
	enum severity severity = SEVERITY_NONE;
	int cause;

	(void)tally;
	(void)part;
	if (short_of_memory(round) || (scale < 1 && rose(round, COUNTER_ABORT_ON_MEMORY)))
		severity = SEVERITY_CRITICAL;
	else if (rose(round, COUNTER_ABORT_FAILED) >=
		 MAX(1.0, scale * (double)t->aborts_warning_failed))
		severity = SEVERITY_WARNING;
	for (cause = 0; cause < ABORT_MAX; cause++) {
		double share;

		if (!lasting(round, cause, scale))
			continue;
		severity = MAX(severity, SEVERITY_INFO);
		if (hurts(round, cause) &&
		    aborts_share(round->aborts, cause, SHARE_MINUTES, &share) &&
		    share >= scale * t->aborts_warning_share / 100)
			severity = MAX(severity, SEVERITY_WARNING);
	}
	return severity;
}

/* The cause that stands out most, of those that last; ABORT_MAX: none. */
static enum abort_cause worst(const struct round *round)
{
	enum abort_cause best = ABORT_MAX;
	int cause;

	for (cause = 0; cause < ABORT_MAX; cause++)
		if (lasting(round, cause, round->thresholds->clear_ratio / 100) &&
		    (best == ABORT_MAX ||
		     rose(round, abort_counter(cause)) > rose(round, abort_counter(best))))
			best = cause;
	return best;
}

/* "TCPAbortOnTimeout 12/s, usually 0.2/s, 4 % of the connections that ended" */
static void describe_rate(const struct round *round, struct sentence *s, enum abort_cause cause)
{
	double share;

	sentence_add(s, "%s ", counter_name(abort_counter(cause)));
	sentence_rate(s, (double)rose(round, abort_counter(cause)) / 60);
	sentence_add(s, "/s, usually ");
	sentence_rate(s, (double)round->aborts->usual[cause] / 60);
	sentence_add(s, "/s");
	if (aborts_share(round->aborts, cause, SHARE_MINUTES, &share))
		sentence_add(s, ", %.2g %% of the connections that ended", 100 * share);
}

static void describe_realm(const struct round *round, struct sentence *s, enum counter which)
{
	uint64_t most = 0, all = 0, value;
	struct realm realm;
	uint32_t i, inode = 0;

	for (i = 0; i < realm_count(round); i++) {
		realm_at(round, i, &realm);
		if (!realm_rose(&realm, which, &value))
			continue;
		all += value;
		if (value > most) {
			most = value;
			inode = realm.inode;
		}
	}
	if (!most || realm_count(round) < 2)
		return;
	sentence_add(s, " %.0f %% of them in ", 100.0 * (double)most / (double)all);
	sentence_realm(round, s, inode);
	sentence_add(s, ".");
}

static const struct {
	const char *cause, *remedy;
} words[ABORT_MAX] = {
	[ABORT_CLOSE] = {
		"Connections are closed, or their processes end, with data that nobody has read: the "
		"kernel sends a RST. Without events it is not known whether the peers had finished "
		"already (idle TLS pools: harmless) or lost something.",
		"Look which program closes early: /sockets?closes_with=rst&group=unit.",
	},
	[ABORT_DATA] = {
		"Connections are closed with SO_LINGER at 0 seconds, or data comes in for some that are "
		"closed: the kernel sends a RST. Without events the two cannot be told apart, nor "
		"which program does it; health checks and load balancers do so on purpose.",
		"Look at linger-zero and late-data-reset; read until end of file before close().",
	},
	[ABORT_TIMEOUT] = {
		"Peers stop answering and the kernel gives up, silently: a path that is broken, a "
		"firewall that forgot its connections, machines that vanished.",
		"Look where to: /sockets?state=fin-wait-1&group=remote.address, and whether the network "
		"between loses segments.",
	},
	[ABORT_MEMORY] = {
		"There are more orphans than tcp_max_orphans allows, or TCP's memory is above tcp_mem: "
		"the kernel resets what its process has closed (kernel log: \"TCP: too many orphaned "
		"sockets\", \"TCP: out of memory -- consider tuning tcp_mem\").",
		"Look at orphan-accumulation and tcp-memory-pressure.",
	},
	[ABORT_LINGER] = {
		"A program has set TCP_LINGER2 below 0: close() of what is in FIN-WAIT-2 resets instead "
		"of waiting for the peer.",
		"Leave TCP_LINGER2 at its default where the peer has still something to say.",
	},
};

static void describe_failed(const struct round *round, struct sentence *summary,
			    struct sentence *cause)
{
	uint64_t failed = rose(round, COUNTER_ABORT_FAILED);

	if (!failed)
		return;
	sentence_add(summary, "%s", summary->len ? "; " : "");
	sentence_count(summary, failed, "RST", "RSTs");
	sentence_add(summary, " could not be sent in the last minute");
	sentence_add(cause,
		     "%sTCPAbortFailed: no memory for the segment, no route, or a filter that "
		     "drops it; the peer does not learn that its connection is gone.",
		     cause->len ? " " : "");
	describe_realm(round, cause, COUNTER_ABORT_FAILED);
}

static void describe_evidence(const struct round *round, struct finding *row,
			      enum abort_cause cause)
{
	double share;

	evidence(row, EVIDENCE_RATE_PER_SECOND, (double)rose(round, abort_counter(cause)) / 60);
	evidence(row, EVIDENCE_USUAL_PER_SECOND, (double)round->aborts->usual[cause] / 60);
	if (aborts_share(round->aborts, cause, SHARE_MINUTES, &share))
		evidence(row, EVIDENCE_RATIO, share);
}

static void describe(const struct round *round, const struct tally *tally, struct finding *row,
		     struct sentence *summary, struct sentence *cause, struct sentence *remedy)
{
	const uint32_t known = round->input->rates ? round->input->rates->known : 0;
	enum abort_cause best = worst(round);
	int other;

	(void)tally;
	row->shown &= ~(1ULL << EVIDENCE_COUNT);
	if (best == ABORT_MAX && rose(round, COUNTER_ABORT_ON_MEMORY))
		best = ABORT_MEMORY;
	if (best != ABORT_MAX) {
		describe_evidence(round, row, best);
		sentence_add(summary, "The kernel aborts connections: ");
		describe_rate(round, summary, best);
		sentence_add(cause, "%s", words[best].cause);
		describe_realm(round, cause, abort_counter(best));
		sentence_add(remedy, "%s", words[best].remedy);
	}
	for (other = 0; other < ABORT_MAX; other++)
		if (other != (int)best &&
		    lasting(round, other, round->thresholds->clear_ratio / 100)) {
			sentence_add(summary, "; ");
			describe_rate(round, summary, other);
		}
	if (known & 1U << COUNTER_OUT_RSTS)
		evidence(row, EVIDENCE_RESETS_SENT_PER_SECOND,
			 (double)rose(round, COUNTER_OUT_RSTS) / 60);
	if (known & 1U << COUNTER_ESTAB_RESETS)
		evidence(row, EVIDENCE_CONNECTIONS_RESET_PER_SECOND,
			 (double)rose(round, COUNTER_ESTAB_RESETS) / 60);
	describe_failed(round, summary, cause);
	if (!summary->len)
		sentence_add(summary, "The kernel aborted more connections than is usual here");
}

const struct family finding_aborts = {
	.rule = TCPDIAG_RULE_ABORTS_RISING,
	.scope = SCOPE_HOST,
	.key = FAMILY_BY_HOST,
	.states = STATES,
	.parts = 1,
	.warms = warms,
	.blind = blind,
	.begin = begin,
	.concerns = concerns,
	.judge = judge,
	.describe = describe,
};
