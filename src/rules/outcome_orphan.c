/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long an orphan lives that gets no answer, and how it ends. Upper bounds; the kernel's timer wheel may
 * add up to an eighth.
 *
 * One that retransmits (net/ipv4/tcp_timer.c:tcp_write_timeout()) is given up when a retransmission timer
 * fires and the time since the first retransmission has reached tcp_model_timeout() of its retries. These
 * are tcp_orphan_retries, not tcp_retries2; 0 means 8 while the RTO is below its maximum, and none at it or
 * after an ICMP error. TCP_USER_TIMEOUT takes the place of the retries, be it shorter or longer, and the timer
 * is cut to what is left of it (tcp_clamp_rto_to_user_timeout()).
 *
 * One that probes a closed window (tcp_probe_timer()) lives on answered probes until the backed-off RTO
 * reaches its maximum; TCP_USER_TIMEOUT ends it earlier, never later.
 *
 * Both ask tcp_out_of_resources() each time: more orphans than tcp_max_orphans, where those count double
 * that have sent nothing for twice the largest RTO or have spent their retries, and double again those
 * with an ICMP error: then it ends with a RST at once. Else nothing is sent: the peer hears no more.
 */
#include "rules/outcome.h"

/* 2 * TCP_SKB_MIN_TRUESIZE (include/net/sock.h), as it is on 64-bit kernels. */
#define SOCK_MIN_SNDBUF 4608

/* tcp_orphan_retries has 8 bits, on kernels before 5.13 more: then the rest is added as one. */
#define FIRINGS_MAX 320U

/* What the timers look at while time passes. */
struct orphan {
	const struct tcpdiag_socket *sk;
	const struct tcpdiag_environment *env;
	int64_t user_timeout_ms; /* 0: none */
	int64_t max_ms; /* tcp_rto_max() */
	int64_t total_ms; /* from now */
	int64_t idle_ms; /* since data was sent: tcp_jiffies32 - lsndtime */
};

int64_t outcome_rto_max_ms(const struct tcpdiag_environment *env)
{
	return env->known & TCPDIAG_ENV_RTO_MAX && env->tcp_rto_max_ms ? env->tcp_rto_max_ms
								       : TCP_RTO_MAX_DEFAULT_MS;
}

int64_t outcome_backed_off(int64_t value, unsigned int shift, int64_t max)
{
	while (shift-- > 0 && value < max)
		value *= 2;
	return value < max ? value : max;
}

bool outcome_over_limit(const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env,
			unsigned int shift)
{
	if (env->known & TCPDIAG_ENV_ORPHANS &&
	    (env->orphans > UINT64_MAX >> shift || env->orphans << shift > env->tcp_max_orphans))
		return true;
	return env->known & TCPDIAG_ENV_MEMORY && sk->known & TCPDIAG_KNOWS_SKMEM &&
	       sk->wmem_queued > SOCK_MIN_SNDBUF && env->memory_pages > env->tcp_mem[2];
}

static bool had_icmp_error(const struct tcpdiag_socket *sk)
{
	return sk->known & TCPDIAG_KNOWS_ERROR && sk->soft_error;
}

/* tcp_orphan_retries() */
static int64_t orphan_retries(const struct orphan *o, bool alive)
{
	int64_t retries = o->env->tcp_orphan_retries;

	if (had_icmp_error(o->sk) && !alive)
		retries = 0;
	return !retries && alive ? 8 : retries;
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

/* tcp_out_of_resources(); @alive: its do_reset, false where the retries are spent. */
static bool out_of_resources(const struct orphan *o, bool alive)
{
	unsigned int shift = (o->idle_ms > 2 * o->max_ms || !alive) + had_icmp_error(o->sk);

	return outcome_over_limit(o->sk, o->env, shift);
}

static void advance(struct orphan *o, int64_t ms)
{
	o->total_ms += ms;
	o->idle_ms += ms;
}

/* A FIN needs room as data does: behind a closed window with nothing in flight it becomes a probe. */
static bool zero_window(const struct tcpdiag_socket *sk)
{
	if (sk->timer == TCPDIAG_TIMER_PROBE)
		return true;
	return sk->known & TCPDIAG_KNOWS_SND_WND && sk->snd_wnd == 0 && sk->unacked == 0;
}

static int64_t at_least_minimum(int64_t rto_ms)
{
	return rto_ms > TCP_RTO_MIN_MS ? rto_ms : TCP_RTO_MIN_MS;
}

/* What is left of TCP_USER_TIMEOUT, if that is less. */
static int64_t clamped(const struct orphan *o, int64_t interval, int64_t elapsed)
{
	int64_t left = o->user_timeout_ms - elapsed;

	if (!o->user_timeout_ms || left >= interval)
		return interval;
	return left > 1 ? left : 1;
}

/* One firing of the retransmission timer, @elapsed after the first retransmission; 0 at the first itself. */
static bool retransmission_ends(const struct orphan *o, int64_t rto, int64_t elapsed,
				enum tcpdiag_rule *ret_rule)
{
	bool alive = rto < o->max_ms;
	int64_t timeout = model_timeout_ms(orphan_retries(o, alive), o->max_ms);

	if (out_of_resources(o, alive || elapsed < timeout)) {
		*ret_rule = TCPDIAG_RULE_FATE_ORPHAN_LIMIT;
		return true;
	}
	*ret_rule = TCPDIAG_RULE_FATE_RETRIES;
	return elapsed > 0 && elapsed >= (o->user_timeout_ms ? o->user_timeout_ms : timeout);
}

/*
 * icsk_rto is doubled each time. Of a row with n retransmissions these took R + 2R + ... : the time since the
 * first one is at least (2^n - 2) R.
 */
static enum tcpdiag_rule retransmit(struct orphan *o)
{
	const struct tcpdiag_socket *sk = o->sk;
	unsigned int done = sk->retransmits < sk->backoff ? sk->retransmits : sk->backoff;
	int64_t rto = at_least_minimum(sk->rto_us / 1000), elapsed = 0, timeout;
	bool carries_data = tcpdiag_unacked_bytes(sk) > 0;
	enum tcpdiag_rule rule;
	unsigned int fired;

	if (rto > o->max_ms)
		rto = o->max_ms;
	if (sk->timer == TCPDIAG_TIMER_PROBE || !done) {
		/* A tail loss probe may come before the first timeout and start it anew. */
		advance(o, 2 * rto);
		if (retransmission_ends(o, rto, 0, &rule))
			return rule;
		rto = outcome_backed_off(rto, 1, o->max_ms);
	} else {
		int64_t first = rto >> (done < 16 ? done : 16);

		elapsed = outcome_backed_off(first, done, INT32_MAX) - 2 * first;
		if (elapsed < 0)
			elapsed = 0;
	}
	for (fired = 0; fired < FIRINGS_MAX; fired++) {
		int64_t interval = clamped(o, rto, elapsed);

		advance(o, interval);
		elapsed += interval;
		if (carries_data)
			o->idle_ms = interval;
		if (retransmission_ends(o, rto, elapsed, &rule))
			return rule;
		rto = outcome_backed_off(rto, 1, o->max_ms);
	}
	timeout = o->user_timeout_ms ? o->user_timeout_ms
				     : model_timeout_ms(orphan_retries(o, false), o->max_ms);
	if (timeout > elapsed)
		advance(o, timeout - elapsed + o->max_ms);
	return TCPDIAG_RULE_FATE_RETRIES;
}

/* icsk_backoff grows, icsk_rto does not. An answered probe starts nothing anew but the count of probes. */
static enum tcpdiag_rule probe(struct orphan *o)
{
	const struct tcpdiag_socket *sk = o->sk;
	bool probing = sk->timer == TCPDIAG_TIMER_PROBE;
	unsigned int backoff = probing ? sk->backoff : 0;
	int64_t rto = at_least_minimum(sk->rto_us / 1000);
	/* Kernels that have this setting cut the timer to what is left (tcp_clamp_probe0_to_user_timeout()). */
	bool cut = o->env->known & TCPDIAG_ENV_MIGRATE;
	int64_t elapsed = probing && backoff ? 0 : -1; /* since the first probe; -1: none yet */
	unsigned int fired;

	for (fired = 0; fired < FIRINGS_MAX; fired++, backoff++) {
		int64_t interval = outcome_backed_off(rto, backoff, o->max_ms);
		bool alive = interval < o->max_ms;

		if (!fired && probing)
			interval = sk->expires_ms;
		if (cut && elapsed >= 0)
			interval = clamped(o, interval, elapsed);
		advance(o, interval);
		if (elapsed >= 0)
			elapsed += interval;
		if (o->user_timeout_ms && elapsed >= o->user_timeout_ms)
			break;
		if (elapsed < 0)
			elapsed = 0;
		if (!alive && backoff >= orphan_retries(o, alive))
			break;
		if (out_of_resources(o, true))
			return TCPDIAG_RULE_FATE_ORPHAN_LIMIT;
	}
	return TCPDIAG_RULE_FATE_ZERO_WINDOW;
}

/* A child of a fast open repeats its SYN,ACK first: tcp_fastopen_synack_timer(). */
static int64_t handshake_ms(const struct orphan *o)
{
	uint32_t retries = o->env->tcp_synack_retries < 32 ? o->env->tcp_synack_retries : 32, i;
	int64_t total = 0;

	if (!(o->env->known & TCPDIAG_ENV_SYNACK_RETRIES))
		return TCPDIAG_NOT_KNOWN;
	for (i = 0; i <= retries + 1; i++)
		total += outcome_backed_off(TCP_TIMEOUT_INIT_MS, i, o->max_ms);
	return total;
}

enum tcpdiag_rule outcome_orphan(const struct tcpdiag_socket *sk,
				 const struct tcpdiag_environment *env,
				 const struct assumption *assume, struct tcpdiag_then *then)
{
	struct orphan o = {
		.sk = sk,
		.env = env,
		.user_timeout_ms = assume->user_timeout_ms,
		.max_ms = outcome_rto_max_ms(env),
		.idle_ms = sk->last_data_sent_ms,
	};
	bool probes = zero_window(sk);
	enum tcpdiag_rule rule = probes ? TCPDIAG_RULE_FATE_ZERO_WINDOW : TCPDIAG_RULE_FATE_RETRIES;
	/* FIN_WAIT2 lies ahead, and the kernel does not wait there. */
	bool refuses = assume->linger2_ms < 0 && sk->state != TCPDIAG_CLOSE_WAIT &&
		       sk->state != TCPDIAG_LAST_ACK && sk->state != TCPDIAG_CLOSING;

	then->ends_with = refuses ? TCPDIAG_ENDS_RST : TCPDIAG_ENDS_SILENT;
	then->at_most_ms = TCPDIAG_NOT_KNOWN;
	if (!(sk->known & TCPDIAG_KNOWS_INFO) || !(env->known & TCPDIAG_ENV_ORPHAN_RETRIES))
		return rule;
	/* A time that is not known bounds a prober no less than none at all, but not who retransmits. */
	if (o.user_timeout_ms == TCPDIAG_NOT_KNOWN) {
		o.user_timeout_ms = 0;
		if (!probes)
			return rule;
	}
	rule = probes ? probe(&o) : retransmit(&o);
	then->at_most_ms = o.total_ms;
	if (rule == TCPDIAG_RULE_FATE_ORPHAN_LIMIT)
		then->ends_with = TCPDIAG_ENDS_RST;
	if (sk->state == TCPDIAG_SYN_RECV && rule != TCPDIAG_RULE_FATE_ORPHAN_LIMIT) {
		int64_t handshake = handshake_ms(&o);

		if (handshake == TCPDIAG_NOT_KNOWN || handshake > then->at_most_ms)
			then->at_most_ms = handshake;
	}
	return rule;
}
