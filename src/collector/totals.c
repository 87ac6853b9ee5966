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

	return env->known << 8 | orphans | memory << 1 | timewaits << 2 | env->tcp_migrate_req << 3;
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

static void add_close(struct totals *totals, const struct record *record)
{
	const struct tcpdiag_socket *sk = &record->sk;
	bool finished = tcpdiag_peer_finished(sk);

	totals->close[record->close_rule][record->close_segment]++;
	switch (record->close_segment) {
	case TCPDIAG_SEGMENT_RST:
		if (finished)
			totals->close_rst_peer_finished++;
		else
			totals->close_rst_peer_open++;
		totals->unsent_bytes += tcpdiag_unsent_bytes(sk);
		break;
	case TCPDIAG_SEGMENT_FIN:
		totals->close_fin++;
		break;
	default:
		totals->close_none++;
	}
	if (finished)
		totals->unread_bytes_peer_finished += tcpdiag_unread_bytes(sk);
	else
		totals->unread_bytes_peer_open += tcpdiag_unread_bytes(sk);
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
	if (record->close_rule != TCPDIAG_RULE_NONE)
		add_close(totals, record);
	if (state == TCPDIAG_LISTEN)
		add_listener(totals, sk, thresholds);
}

/* ---- ports of one destination ---- */

struct destination {
	uint64_t key; /* hash of the three ends; 0: free */
	uint32_t count;
};

struct destinations {
	struct destination *slots;
	uint32_t room, used, most;
};

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 32;
}

/* 64 bits: two destinations that share them are not to be expected in a lifetime. */
static uint64_t destination_key(const struct tcpdiag_socket *sk)
{
	uint64_t words[4], hash = sk->netns;
	int i;

	memcpy(words, sk->local, 16);
	memcpy(words + 2, sk->remote, 16);
	for (i = 0; i < 4; i++)
		hash = mix(hash, words[i]);
	hash = mix(hash, sk->remote_port);
	return hash ? hash : 1;
}

static struct destination *destination_slot(const struct destinations *d, uint64_t key)
{
	uint32_t slot = (uint32_t)key & (d->room - 1);

	while (d->slots[slot].key && d->slots[slot].key != key)
		slot = (slot + 1) & (d->room - 1);
	return &d->slots[slot];
}

static bool destinations_grow(struct destinations *d)
{
	struct destinations more = { .room = MAX(d->room * 2, 1024U), .used = d->used };
	uint32_t i;

	more.slots = calloc(more.room, sizeof(*more.slots));
	if (!more.slots)
		return false;
	for (i = 0; i < d->room; i++)
		if (d->slots[i].key)
			*destination_slot(&more, d->slots[i].key) = d->slots[i];
	free(d->slots);
	more.most = d->most;
	*d = more;
	return true;
}

double totals_port_range(const struct record *records, uint32_t count, const uint16_t range[2])
{
	struct destinations d = {};
	uint32_t size = (uint32_t)range[1] - range[0] + 1, i;

	if (!range[1] || range[1] < range[0])
		return 0;
	for (i = 0; i < count; i++) {
		const struct tcpdiag_socket *sk = &records[i].sk;
		struct destination *at;

		if (!sk->remote_port || records[i].direction == DIRECTION_INBOUND ||
		    sk->local_port < range[0] || sk->local_port > range[1] || sk->mptcp)
			continue;
		if (d.used >= d.room / 2 && !destinations_grow(&d)) {
			d.most = 0;
			break;
		}
		at = destination_slot(&d, destination_key(sk));
		if (!at->key) {
			at->key = destination_key(sk);
			d.used++;
		}
		at->count++;
		d.most = MAX(d.most, at->count);
	}
	free(d.slots);
	return (double)d.most / size;
}
