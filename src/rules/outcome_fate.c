/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long what is left lives: orphans, minisockets, half-open requests. Upper bounds, while nothing comes
 * from the peer; the kernel's timer wheel may add up to an eighth.
 *
 * An orphan that retransmits (tcp_timer.c:tcp_write_timeout()) is given up when a retransmission timer
 * fires and the time since the first retransmission has reached tcp_model_timeout() of its retries. These are
 * tcp_orphan_retries, not tcp_retries2; 0 means 8 while the RTO is below its maximum, and none at it.
 * One that probes a closed window (tcp_probe_timer()) lives on answered probes until the backed-off
 * RTO reaches its maximum. FIN_WAIT2 has a timer only without a process, see tcp_fin_time() and
 * tcp_keepalive_timer(). TIME_WAIT is always 60 s.
 */
#include <errno.h>

#include "rules/outcome.h"

static int64_t rto_max_ms(const struct tcpdiag_environment *env)
{
	return env->known & TCPDIAG_ENV_RTO_MAX && env->tcp_rto_max_ms ? env->tcp_rto_max_ms
								       : TCP_RTO_MAX_DEFAULT_MS;
}

/* tcp_orphan_retries() without a soft error. */
static int64_t orphan_retries(const struct tcpdiag_environment *env, bool alive)
{
	int64_t retries = env->tcp_orphan_retries;

	return !retries && alive ? 8 : retries;
}

static int64_t shifted(int64_t value, int64_t shift, int64_t max)
{
	while (shift-- > 0 && value < max)
		value *= 2;
	return value < max ? value : max;
}

/* tcp_model_timeout() with rto_base TCP_RTO_MIN. */
static int64_t model_timeout_ms(int64_t boundary, int64_t rto_max)
{
	/* How often the minimum doubles before it passes the maximum. */
	int64_t threshold = rto_max < TCP_RTO_MIN_MS
				    ? 0
				    : 63 - __builtin_clzll((uint64_t)(rto_max / TCP_RTO_MIN_MS));

	if (boundary <= threshold)
		return ((2LL << boundary) - 1) * TCP_RTO_MIN_MS;
	return ((2LL << threshold) - 1) * TCP_RTO_MIN_MS + (boundary - threshold) * rto_max;
}

/* The RTO before any backing off, in milliseconds. */
static int64_t base_rto_ms(const struct tcpdiag_socket *sk)
{
	int64_t rto = sk->rto_us / 1000;

	/* tcp_retransmit_timer() doubles icsk_rto itself, tcp_probe_timer() only the interval. */
	if (sk->timer != TCPDIAG_TIMER_PROBE)
		rto >>= sk->backoff < 16 ? sk->backoff : 16;
	return rto > TCP_RTO_MIN_MS ? rto : TCP_RTO_MIN_MS;
}

static int64_t retransmits_ms(int64_t rto, const struct tcpdiag_environment *env)
{
	int64_t max = rto_max_ms(env), elapsed = 0, total;
	int64_t alive_ms = model_timeout_ms(orphan_retries(env, true), max);
	int64_t spent_ms = model_timeout_ms(orphan_retries(env, false), max);
	int64_t current = shifted(rto, 0, max);
	unsigned int fired;

	/* A tail loss probe may come before the first timeout and start it anew. */
	total = 2 * current;
	for (fired = 1; fired < 64; fired++) {
		current = shifted(current, 1, max);
		elapsed += current;
		total += current;
		if (elapsed >= (current < max ? alive_ms : spent_ms))
			break;
	}
	return total;
}

static int64_t probes_ms(int64_t rto, const struct tcpdiag_environment *env)
{
	int64_t max = rto_max_ms(env), total = 0;
	unsigned int fired;

	for (fired = 0; fired < 64; fired++) {
		int64_t current = shifted(rto, fired, max);
		bool alive = current < max;

		total += current;
		if (!alive && fired >= orphan_retries(env, alive))
			break;
	}
	return total;
}

/* A FIN needs room as data does: behind a closed window with nothing in flight it becomes a probe. */
bool outcome_zero_window(const struct tcpdiag_socket *sk)
{
	if (sk->timer == TCPDIAG_TIMER_PROBE)
		return true;
	return sk->known & TCPDIAG_KNOWS_SND_WND && sk->snd_wnd == 0 && sk->unacked == 0;
}

int64_t outcome_orphan_ms(const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env)
{
	if (!(sk->known & TCPDIAG_KNOWS_INFO) || !(env->known & TCPDIAG_ENV_ORPHAN_RETRIES))
		return TCPDIAG_NOT_KNOWN;
	if (outcome_zero_window(sk))
		return probes_ms(base_rto_ms(sk), env);
	return retransmits_ms(base_rto_ms(sk), env);
}

int64_t outcome_fin_time_ms(const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env,
			    int64_t linger2_ms)
{
	int64_t time, floor;

	if (linger2_ms < 0)
		return 0;
	if (!linger2_ms && !(env->known & TCPDIAG_ENV_FIN_TIMEOUT))
		return TCPDIAG_NOT_KNOWN;
	time = linger2_ms ? linger2_ms : env->tcp_fin_timeout * 1000LL;
	/* 3.5 RTO, so that a FIN can be retransmitted by the peer. */
	floor = sk->known & TCPDIAG_KNOWS_INFO ? sk->rto_us / 1000 * 7LL / 2 : 0;
	return time > floor ? time : floor;
}

int64_t outcome_fin_wait2_life_ms(int64_t fin_time_ms)
{
	if (fin_time_ms > TCP_TIMEWAIT_LEN_MS)
		return 2 * (fin_time_ms - TCP_TIMEWAIT_LEN_MS);
	return fin_time_ms;
}

int64_t tcpdiag_fin_wait2_ms(const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env)
{
	if (!(sk->known & TCPDIAG_KNOWS_LINGER2))
		return TCPDIAG_NOT_KNOWN;
	return outcome_fin_wait2_life_ms(outcome_fin_time_ms(sk, env, sk->linger2_ms));
}

/* reqsk_timer_handler(): a SYN-ACK timeout doubles each time, tcp_synack_retries times. */
static int64_t request_ms(const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env)
{
	int64_t total = sk->expires_ms, timeout = 1000;
	uint32_t i, retries;

	if (!(env->known & TCPDIAG_ENV_SYNACK_RETRIES))
		return TCPDIAG_NOT_KNOWN;
	retries = env->tcp_synack_retries < 32 ? env->tcp_synack_retries : 32;
	for (i = 1; i <= retries; i++) {
		timeout = shifted(timeout, 1, rto_max_ms(env));
		if (i > sk->retransmits)
			total += timeout;
	}
	return total;
}

/* A full orphan in FIN_WAIT2: its timer fires, and the time above 60 s is served once more. */
static int64_t fin_wait2_orphan_ms(const struct tcpdiag_socket *sk,
				   const struct tcpdiag_environment *env)
{
	int64_t linger2 = sk->known & TCPDIAG_KNOWS_LINGER2 ? sk->linger2_ms
							    : TCP_FIN_TIMEOUT_MAX_MS;
	int64_t time = outcome_fin_time_ms(sk, env, linger2);

	if (time == TCPDIAG_NOT_KNOWN)
		return TCPDIAG_NOT_KNOWN;
	return sk->expires_ms + (time > TCP_TIMEWAIT_LEN_MS ? time - TCP_TIMEWAIT_LEN_MS : 0);
}

int tcpdiag_fate(const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env,
		 struct tcpdiag_then *ret, enum tcpdiag_rule *ret_rule)
{
	struct tcpdiag_then then = {
		.attachment = sk->attachment,
		.ends_with = TCPDIAG_ENDS_SILENT,
	};
	enum tcpdiag_rule rule;

	if (sk->state <= TCPDIAG_STATE_NONE || sk->state >= TCPDIAG_STATE_MAX ||
	    sk->kind > TCPDIAG_KIND_REQUEST || sk->attachment >= TCPDIAG_ATTACHMENT_MAX)
		return -EINVAL;
	if (sk->kind == TCPDIAG_KIND_REQUEST) {
		rule = TCPDIAG_RULE_FATE_REQUEST;
		then.at_most_ms = request_ms(sk, env);
	} else if (sk->kind == TCPDIAG_KIND_TIMEWAIT) {
		rule = sk->state == TCPDIAG_FIN_WAIT2 ? TCPDIAG_RULE_FATE_FIN_WAIT2
						      : TCPDIAG_RULE_FATE_TIME_WAIT;
		then.at_most_ms = sk->expires_ms;
	} else if (sk->attachment != TCPDIAG_ORPHAN) {
		return -EOPNOTSUPP;
	} else if (sk->state == TCPDIAG_FIN_WAIT2) {
		rule = TCPDIAG_RULE_FATE_FIN_WAIT2;
		then.at_most_ms = fin_wait2_orphan_ms(sk, env);
	} else {
		rule = outcome_zero_window(sk) ? TCPDIAG_RULE_FATE_ZERO_WINDOW
					       : TCPDIAG_RULE_FATE_RETRIES;
		then.at_most_ms = sk->mptcp ? TCPDIAG_NOT_KNOWN : outcome_orphan_ms(sk, env);
	}
	*ret = then;
	*ret_rule = rule;
	return 0;
}
