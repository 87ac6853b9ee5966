/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What changes a socket in a teardown state without an event (net/ipv4/tcp.c): a program accepts it, reads, sets an
 * option, or its close() stops waiting; data, an ACK or an ICMP message comes; a timer runs out. The timers are known,
 * what waits for accept() or in close() is never left alone, and the rest is what the bound is for. A minisocket tells of
 * nothing (net/ipv4/tcp_minisocks.c): it, too, is looked at when its time is over.
 */
#include "collector/rota.h"

#include <string.h>

#include "collector/settings.h"
#include "collector/totals.h"
#include "model/macro.h"

#define PHASE_BITS 24

void rota_begin(struct rota *rota, int64_t now_ns, int64_t interval_ns, int64_t cap_ns)
{
	int64_t period_ns = interval_ns;

	*rota = (struct rota){ .now_ns = now_ns };
	for (uint32_t i = 1; i <= RECORD_QUIET_MAX; i++) {
		period_ns = period_ns < cap_ns / 2 ? period_ns * 2 : cap_ns;
		if (period_ns <= interval_ns)
			break;
		rota->levels[i].period_ns = period_ns;
		rota->levels[i].into_ns = now_ns % period_ns;
	}
}

static void add_age(struct rota *rota, int64_t age_ns)
{
	uint32_t at = 0;

	while (at < rota->age_count && rota->ages_ns[at] < age_ns)
		at++;
	if ((at < rota->age_count && rota->ages_ns[at] == age_ns) || rota->age_count == ROTA_AGES)
		return;
	memmove(&rota->ages_ns[at + 1], &rota->ages_ns[at],
		(rota->age_count - at) * sizeof(*rota->ages_ns));
	rota->ages_ns[at] = age_ns;
	rota->age_count++;
}

void rota_ages(struct rota *rota, const struct thresholds *thresholds)
{
	const struct threshold_info *table;
	size_t count, i;

	table = threshold_table(&count);
	for (i = 0; i < count; i++) {
		const char *suffix = strrchr(table[i].name, '-');
		int64_t age_ns;

		if (table[i].type != THRESHOLD_DURATION || !suffix || strcmp(suffix, "-age") != 0)
			continue;
		memcpy(&age_ns, (const char *)thresholds + table[i].offset, sizeof(age_ns));
		add_age(rota, age_ns);
	}
}

/* Whether what has been so @since_ns has come to one of the ages since it was seen. */
static bool comes_of_age(const struct rota *rota, int64_t since_ns, int64_t seen_ns)
{
	const int64_t age_ns = rota->now_ns - since_ns, before_ns = seen_ns - since_ns;

	for (uint32_t i = 0; since_ns && i < rota->age_count && rota->ages_ns[i] <= age_ns; i++)
		if (rota->ages_ns[i] > before_ns)
			return true;
	return false;
}

/* What rules count from: the state, the last data, the last byte taken, the last one acknowledged. */
static bool has_come_of_age(const struct rota *rota, const struct record *record)
{
	const int64_t seen_ns = record->seen_ns;

	return comes_of_age(rota, record->state_since_ns, seen_ns) ||
	       comes_of_age(rota, record->data_since_ns, seen_ns) ||
	       comes_of_age(rota, record->read_since_ns, seen_ns) ||
	       comes_of_age(rota, record->ack_since_ns, seen_ns);
}

/* Its last close() waits, or it is on the way to a process: no event tells of accept(). */
static bool is_under_way(const struct tcpdiag_socket *sk)
{
	return sk->attachment == TCPDIAG_UNHELD || sk->attachment == TCPDIAG_UNACCEPTED ||
	       settings_closing(sk) || sk->inherited;
}

static bool has_run_out(const struct rota *rota, const struct record *record)
{
	return record->sk.timer != TCPDIAG_TIMER_OFF &&
	       rota->now_ns - record->seen_ns >= record->sk.expires_ms * NSEC_PER_MSEC;
}

static int64_t phase(uint64_t cookie, int64_t period_ns)
{
	const uint64_t part = cookie * 0x9e3779b97f4a7c15ULL >> (64 - PHASE_BITS);

	return (int64_t)(part * (uint64_t)period_ns >> PHASE_BITS);
}

bool rota_is_due(const struct rota *rota, const struct record *record, int64_t looked_ns)
{
	const struct rota_level *level = &rota->levels[MIN(record->quiet, RECORD_QUIET_MAX)];
	int64_t turned_ns;

	if (!level->period_ns || has_run_out(rota, record) || is_under_way(&record->sk))
		return true;
	turned_ns = level->into_ns + phase(record->sk.cookie, level->period_ns);
	if (turned_ns >= level->period_ns)
		turned_ns -= level->period_ns;
	return looked_ns <= rota->now_ns - turned_ns || has_come_of_age(rota, record);
}

/* What moves, and what is decided by it. */
static bool is_same(const struct tcpdiag_socket *a, const struct tcpdiag_socket *b)
{
	return totals_same_verdict(a, b) && a->inode == b->inode &&
	       a->bytes_received == b->bytes_received && a->bytes_acked == b->bytes_acked &&
	       a->bytes_sent == b->bytes_sent && a->timer == b->timer &&
	       a->retransmits == b->retransmits && a->backoff == b->backoff &&
	       a->probes == b->probes;
}

uint8_t rota_quiet(const struct record *new, const struct record *old)
{
	if (!(TCPDIAG_STATES_TEARDOWN & TCPDIAG_STATE_BIT(new->sk.state)) ||
	    !is_same(&new->sk, &old->sk))
		return 0;
	return (uint8_t)MIN(old->quiet + 1U, RECORD_QUIET_MAX);
}

bool rota_same_settings(const struct tcpdiag_socket *sk, const struct tcpdiag_socket *before)
{
	return totals_same_settings(sk, before) && sk->sk_err == before->sk_err &&
	       sk->soft_error == before->soft_error && sk->out_of_order == before->out_of_order &&
	       sk->user_timeout_ms == before->user_timeout_ms;
}
