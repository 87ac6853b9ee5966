/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Gauges of the whole table. What an outcome depends on besides its socket (the orphan limit, memory, the
 * limit of TIME-WAIT) changes for all at once and seldom, so a verdict stays while neither changes.
 */
#include <string.h>

#include "collector/totals.h"
#include "model/macro.h"

#define OLD_NS (300 * NSEC_PER_SEC)

uint32_t totals_environment_class(const struct tcpdiag_environment *env)
{
	/* net/ipv4/tcp.c:tcp_check_oom(), tcp_too_many_orphans(), tcp_out_of_memory() */
	bool orphans = env->orphans > env->tcp_max_orphans;
	bool memory = env->memory_pages > env->tcp_mem[2];
	bool timewaits = env->timewaits >= env->tcp_max_tw_buckets;
	/* Above 60 s a FIN_WAIT2 stays a full orphan, which no limit of minisockets meets. */
	bool cliff = env->tcp_fin_timeout > 60;

	return env->known << 8 | orphans | memory << 1 | timewaits << 2 |
	       env->tcp_migrate_req << 3 | cliff << 4;
}

void totals_judge(struct record *record, const struct tcpdiag_environment *env)
{
	struct tcpdiag_result result;

	record->close_rule = TCPDIAG_RULE_NONE;
	record->close_segment = TCPDIAG_SEGMENT_NONE;
	if (tcpdiag_result(&record->sk, TCPDIAG_OP_CLOSE, env, &result) < 0)
		return;
	record->close_rule = result.rule;
	record->close_segment = result.segment;
}

/* What a reader may know without a difference to what close() does. */
#define NO_INPUT \
	((uint32_t)(TCPDIAG_KNOWS_MARK | TCPDIAG_KNOWS_INTERFACE | TCPDIAG_KNOWS_UID | \
		    TCPDIAG_KNOWS_OFO | TCPDIAG_KNOWS_ERROR | TCPDIAG_KNOWS_USER_TIMEOUT | \
		    TCPDIAG_KNOWS_REFERENCES | TCPDIAG_KNOWS_DESCRIPTORS))

static bool is_closing(const struct tcpdiag_socket *sk)
{
	return sk->known & TCPDIAG_KNOWS_REFERENCES && !sk->references;
}

bool totals_same_settings(const struct tcpdiag_socket *a, const struct tcpdiag_socket *b)
{
	return !((a->known ^ b->known) & ~NO_INPUT) && a->linger2_ms == b->linger2_ms &&
	       a->sk_lingertime_ms == b->sk_lingertime_ms && a->siblings == b->siblings &&
	       a->mptcp_subflow == b->mptcp_subflow && a->linger == b->linger &&
	       a->repair == b->repair && is_closing(a) == is_closing(b);
}

/*
 * What the kernel's decision hangs on (tests/unit/collector/test_totals.c asks the oracle whether that is
 * all). Times, rates and counts of bytes only change how long an orphan lives; but the retransmission
 * timeout can push a FIN_WAIT2 over the 60 s below which it becomes a minisocket (tcp_fin_time()).
 */
bool totals_same_verdict(const struct tcpdiag_socket *a, const struct tcpdiag_socket *b)
{
	if (a->state == TCPDIAG_FIN_WAIT2 && a->rto_us != b->rto_us)
		return false;
	return a->state == b->state && a->kind == b->kind && a->attachment == b->attachment &&
	       a->rqueue == b->rqueue && a->wqueue == b->wqueue &&
	       a->notsent_bytes == b->notsent_bytes && a->wmem_queued == b->wmem_queued &&
	       a->sk_shutdown == b->sk_shutdown && a->mptcp == b->mptcp &&
	       (!a->mptcp || a->timer == b->timer) && a->children == b->children &&
	       totals_same_settings(a, b);
}

static void add_close(struct totals *totals, const struct record *record)
{
	const struct tcpdiag_socket *sk = &record->sk;
	/* The peer of a dead connection has gone. */
	bool finished = tcpdiag_peer_finished(sk) || sk->state == TCPDIAG_CLOSE;
	/* The queue of an MPTCP socket counts memory, and those of its subflows hold nothing. */
	uint32_t unread = sk->mptcp || sk->mptcp_subflow ? 0 : tcpdiag_unread_bytes(sk);

	totals->close[record->close_rule][record->close_segment]++;
	switch (record->close_segment) {
	case TCPDIAG_SEGMENT_RST:
		if (finished)
			totals->close_rst_peer_finished++;
		else
			totals->close_rst_peer_open++;
		break;
	case TCPDIAG_SEGMENT_FIN:
		totals->close_fin++;
		break;
	default:
		totals->close_none++;
	}
	if (finished)
		totals->unread_bytes_peer_finished += unread;
	else
		totals->unread_bytes_peer_open += unread;
}

static void add_listener(struct totals *totals, const struct tcpdiag_socket *sk,
			 const struct thresholds *thresholds)
{
	/* listen(fd, 0) lets one wait: sk_acceptq_is_full() is "more than". */
	double ratio = (double)sk->rqueue / MAX(sk->wqueue, 1U);

	totals->listener_waiting += sk->rqueue;
	totals->listener_ratio_max = MAX(totals->listener_ratio_max, ratio);
	if (sk->rqueue >= thresholds->listener_info_waiting &&
	    ratio * 100 >= thresholds->listener_info_ratio)
		totals->listeners_at_risk++;
}

void totals_add(struct totals *totals, const struct record *record,
		const struct thresholds *thresholds, int64_t now_ns)
{
	const struct tcpdiag_socket *sk = &record->sk;
	int64_t age = now_ns - record->state_since_ns;
	uint8_t state = sk->state < TCPDIAG_STATE_MAX ? sk->state : TCPDIAG_STATE_NONE;
	uint8_t attachment = sk->attachment < TCPDIAG_ATTACHMENT_MAX ? sk->attachment
								     : TCPDIAG_ATTACHMENT_UNKNOWN;

	totals->sockets++;
	totals->state[state]++;
	totals->attachment[attachment]++;
	if (TCPDIAG_STATE_BIT(state) & TCPDIAG_STATES_TEARDOWN)
		totals->teardown[state][attachment]++;
	if (age > OLD_NS)
		totals->older[state]++;
	totals->oldest_seconds[state] = MAX(totals->oldest_seconds[state],
					    (double)age / (double)NSEC_PER_SEC);
	/* Whoever has it, and whatever becomes of it: an orphan still has to send them. */
	if (sk->kind == TCPDIAG_KIND_FULL)
		totals->unsent_bytes += tcpdiag_unsent_bytes(sk);
	if (record->close_rule != TCPDIAG_RULE_NONE)
		add_close(totals, record);
	/* That of an MPTCP listener is counted with its TCP row, which each pass asks for. */
	if (state == TCPDIAG_LISTEN && !sk->mptcp)
		add_listener(totals, sk, thresholds);
}
