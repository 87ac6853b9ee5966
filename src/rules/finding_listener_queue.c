/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * listener-queue-at-risk: an accept queue that nobody empties. A listener's Recv-Q is the number of
 * connections waiting and its Send-Q the limit; it is full when Recv-Q is above the limit
 * (include/net/sock.h:sk_acceptq_is_full()), and then drops what comes.
 *
 * Each listener is watched by itself, since one look shows a burst as well as a standstill: half full
 * in two looks, nearly full or full for a while. Counters of overflows belong to a namespace, not to a
 * listener: they are laid to those there that were half full within the last minute, else to nobody.
 */
#include "rules/realms.h"

/* Connections dropped in the last minute. */
static uint64_t dropped(const struct realm *realm)
{
	uint64_t overflows = 0, drops = 0;

	realm_rose(realm, COUNTER_LISTEN_OVERFLOWS, &overflows);
	realm_rose(realm, COUNTER_LISTEN_DROPS, &drops);
	return MAX(overflows, drops);
}

/* The namespace's own tally; NULL where it has dropped nothing of late. */
static struct tally *drops_in(const struct round *round, uint32_t netns)
{
	const struct tally_key key = { .rule = TCPDIAG_RULE_LISTENER_QUEUE_AT_RISK,
				       .kind = TALLY_NETNS,
				       .a = netns };

	return tallies_find(round->tallies, &key);
}

static bool is_drops(const struct tally *tally)
{
	return tally->key.rule == TCPDIAG_RULE_LISTENER_QUEUE_AT_RISK &&
	       tally->key.kind == TALLY_NETNS;
}

/*
 * The namespace's tally remembers since when each last minute had drops, and is a finding by itself
 * where no listener is to blame. One that is not listed any more has none.
 */
static void begin(struct round *round)
{
	struct tally_key key = { .rule = TCPDIAG_RULE_LISTENER_QUEUE_AT_RISK, .kind = TALLY_NETNS };
	uint32_t i;

	for (i = 0; i < round->tallies->used; i++)
		if (is_drops(&round->tallies->rows[i]))
			round->tallies->rows[i].drops = (struct drops){ .for_ns = -1 };
	for (i = 0; i < realm_count(round); i++) {
		struct tally *tally;
		struct realm realm;
		uint64_t count;

		realm_at(round, i, &realm);
		count = dropped(&realm);
		tally = drops_in(round, realm.inode);
		key.a = realm.inode;
		if (!tally && count)
			tally = round_tally(round, &key);
		if (!tally)
			continue;
		if (count)
			tally->seen_ns = round->now_ns;
		tally->netns = realm.inode;
		tally->drops.count = count;
		tally->drops.for_ns = part_sustained(&tally->parts[0], count > 0, round->now_ns);
	}
}

/* What drops alone say: a warning, and critical when they went on for minutes. */
static uint8_t drops_severity(const struct round *round, const struct drops *drops)
{
	if (!drops->count)
		return SEVERITY_NONE;
	return drops->for_ns >= round->thresholds->listener_critical_minutes * 60 * NSEC_PER_SEC
		       ? SEVERITY_CRITICAL
		       : SEVERITY_WARNING;
}

static void end(struct round *round)
{
	uint32_t i;

	for (i = 0; i < round->tallies->used; i++) {
		struct tally *tally = &round->tallies->rows[i];
		struct part *part = &tally->parts[0];

		if (!is_drops(tally) || tally->drops.blamed || !tally->drops.count)
			continue;
		part->raise = part->keep = MAX(part->keep, drops_severity(round, &tally->drops));
	}
}

static bool full(const struct tcpdiag_socket *sk)
{
	return sk->rqueue > sk->wqueue;
}

static bool filled(const struct tcpdiag_socket *sk, double percent)
{
	return full(sk) || (sk->wqueue && sk->rqueue >= percent / 100 * sk->wqueue);
}

/* Takes one look into the memory of a listener; the same look is taken once. */
static void look(const struct round *round, struct watch *watch, const struct record *record)
{
	const struct thresholds *t = round->thresholds;
	const struct tcpdiag_socket *sk = &record->sk;
	int64_t at = record->seen_ns ? record->seen_ns : round->now_ns;

	if (at <= watch->look_ns)
		return;
	watch->look_ns = at;
	watch->looks = filled(sk, t->listener_info_ratio) ? watch->looks + 1 : 0;
	if (sk->wqueue < t->listener_small_limit ? full(sk) : watch->looks > 0)
		watch->risk_ns = at;
	if (!filled(sk, t->listener_warning_ratio))
		watch->busy_since_ns = 0;
	else if (!watch->busy_since_ns)
		watch->busy_since_ns = at;
	if (!full(sk))
		watch->full_since_ns = 0;
	else if (!watch->full_since_ns)
		watch->full_since_ns = at;
}

/* The memory of a listener: made when its queue first comes near to something. */
static struct watch *watch_of(struct round *round, const struct record *record)
{
	const struct tally_key key = { .rule = TCPDIAG_RULE_LISTENER_QUEUE_AT_RISK,
				       .kind = TALLY_WATCH,
				       .a = record->sk.netns,
				       .b = record->sk.cookie };
	struct tally *tally = tallies_find(round->tallies, &key);

	if (!tally && filled(&record->sk, round->thresholds->listener_info_ratio))
		tally = round_tally(round, &key);
	if (!tally)
		return NULL;
	/* Kept for as long as it may still be blamed. */
	if (filled(&record->sk, round->thresholds->listener_info_ratio))
		tally->seen_ns = round->now_ns;
	look(round, &tally->watch, record);
	return &tally->watch;
}

static bool lasted(const struct watch *watch, int64_t since_ns, int64_t wanted_ns)
{
	return since_ns && watch->look_ns - since_ns >= wanted_ns;
}

/* @drops: those that are laid to it; NULL: none */
static uint8_t raise(const struct round *round, const struct watch *watch,
		     const struct tcpdiag_socket *sk, const struct drops *drops)
{
	const struct thresholds *t = round->thresholds;
	uint8_t severity = SEVERITY_NONE;

	if (lasted(watch, watch->full_since_ns, MAX(t->listener_critical_age, round->listeners_ns)))
		return SEVERITY_CRITICAL;
	if (sk->wqueue < t->listener_small_limit)
		return SEVERITY_NONE;
	if (watch->looks >= t->listener_info_looks && sk->rqueue >= t->listener_info_waiting)
		severity = SEVERITY_INFO;
	if (lasted(watch, watch->busy_since_ns, MAX(t->listener_warning_age, round->listeners_ns)))
		severity = SEVERITY_WARNING;
	return drops ? MAX(severity, drops_severity(round, drops)) : severity;
}

/* How severe what it has may stay; what is nothing by itself raises nothing (see condition_step()). */
static uint8_t keep(const struct round *round, const struct tcpdiag_socket *sk)
{
	const struct thresholds *t = round->thresholds;
	double scale = t->clear_ratio / 100;

	if (full(sk) || sk->rqueue > scale * sk->wqueue)
		return SEVERITY_CRITICAL;
	if (sk->wqueue < t->listener_small_limit)
		return SEVERITY_NONE;
	if (filled(sk, scale * t->listener_warning_ratio))
		return SEVERITY_WARNING;
	return filled(sk, scale * t->listener_info_ratio) &&
			       sk->rqueue >= scale * (double)t->listener_info_waiting
		       ? SEVERITY_INFO
		       : SEVERITY_NONE;
}

static bool concerns(struct round *round, const struct record *record, struct mark *ret)
{
	const struct thresholds *t = round->thresholds;
	struct tally *netns = NULL;
	struct watch *watch;

	/* The queue of an MPTCP listener is shown twice; its TCP row is the one that the fast lane sees. */
	watch = record->sk.mptcp ? NULL : watch_of(round, record);
	if (!watch)
		return false;
	if (watch->risk_ns && watch->look_ns - watch->risk_ns <= t->listener_overflow_window)
		netns = drops_in(round, record->sk.netns);
	/* A small one that was full is why, but by itself it is not worth a word. */
	if (netns && netns->drops.count)
		netns->drops.blamed = true;
	ret->raise = raise(round, watch, &record->sk, netns ? &netns->drops : NULL);
	ret->keep = MAX(ret->raise, keep(round, &record->sk));
	if (watch->full_since_ns)
		ret->age_ns = watch->look_ns - watch->full_since_ns;
	else if (watch->busy_since_ns)
		ret->age_ns = watch->look_ns - watch->busy_since_ns;
	watch->raised = ret->raise || (watch->raised && ret->keep);
	return watch->raised;
}

static enum severity judge(const struct round *round, const struct tally *tally, struct part *part,
			   double scale)
{
	(void)round;
	(void)tally;
	return (enum severity)(scale < 1 ? part->keep : part->raise);
}

static void describe_drops(const struct round *round, const struct tally *tally,
			   struct finding *row, struct sentence *s)
{
	const struct tally *netns = drops_in(round, tally->netns);
	uint64_t count = netns ? netns->drops.count : 0;

	evidence(row, EVIDENCE_OVERFLOWS_PER_SECOND, (double)count / 60);
	if (!count)
		return;
	sentence_add(s, "; ");
	/* The counters are the namespace's: which listener it was they do not tell. */
	sentence_count(s, count, "connection", "connections");
	sentence_add(s, " dropped by all listeners here in the last minute");
}

static void describe_queue(const struct round *round, const struct tally *tally,
			   struct finding *row, struct sentence *s)
{
	const struct part *part = &tally->parts[0];
	const struct tcpdiag_socket *sk = &round->records[part->example].sk;

	evidence(row, EVIDENCE_WAITING, sk->rqueue);
	evidence(row, EVIDENCE_LIMIT, sk->wqueue);
	if (sk->wqueue)
		evidence(row, EVIDENCE_RATIO, (double)sk->rqueue / sk->wqueue);
	sentence_add(s, "%s: accept queue of ", tally->who);
	sentence_address(s, sk->local, sk->local_port);
	sentence_add(s, " at ");
	sentence_number(s, sk->rqueue);
	sentence_add(s, "/");
	sentence_number(s, sk->wqueue);
	if (full(sk))
		sentence_add(s, " FULL");
	else if (sk->wqueue)
		sentence_add(s, " (%.0f %%)", 100.0 * sk->rqueue / sk->wqueue);
	if (part->oldest_ns) {
		sentence_add(s, " for ");
		sentence_duration(s, seconds(part->oldest_ns));
	}
	if (part_total(part) > 1)
		sentence_add(s, ", the worst of %u", part_total(part));
}

static void describe_bursts(const struct round *round, const struct tally *tally,
			    struct sentence *s)
{
	sentence_add(s, "Listeners in ");
	sentence_realm(round, s, tally->netns);
	sentence_add(s, " dropped connections, in bursts too short to be seen");
}

static void describe(const struct round *round, const struct tally *tally, struct finding *row,
		     struct sentence *summary, struct sentence *cause, struct sentence *remedy)
{
	bool here = tally->parts[0].example != RECORD_NONE;

	if (here)
		describe_queue(round, tally, row, summary);
	else if (is_drops(tally))
		describe_bursts(round, tally, summary);
	else
		sentence_add(summary, "%s: its accept queues have been emptied", tally->who);
	if (here || is_drops(tally))
		describe_drops(round, tally, row, summary);
	sentence_add(cause,
		     "The process accepts more slowly than clients connect, or not at all. When "
		     "the queue is full the kernel drops what completes a handshake "
		     "(ListenOverflows, ListenDrops) and clients wait for retransmissions; if "
		     "the listener closes, each waiting connection gets a RST.");
	describe_stretch(cause, round->thresholds->listener_warning_age, round->listeners_ns);
	sentence_add(remedy,
		     "Look what keeps the process from accept(): stopped, blocked threads, too few "
		     "workers, a full table of descriptors. For bursts only, raise the backlog "
		     "of listen() together with net.core.somaxconn.");
}

const struct family finding_listener_queue = {
	.rule = TCPDIAG_RULE_LISTENER_QUEUE_AT_RISK,
	.scope = SCOPE_LISTENER,
	.states = TCPDIAG_STATE_BIT(TCPDIAG_LISTEN),
	.parts = 1,
	.begin = begin,
	.end = end,
	.concerns = concerns,
	.judge = judge,
	.describe = describe,
};
