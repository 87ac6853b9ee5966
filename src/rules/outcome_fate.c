/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What becomes of what no process can close: orphans (outcome_orphan.c), minisockets, half-open requests.
 *
 * FIN_WAIT2 has a timer only without a process, see include/net/tcp.h:tcp_fin_time() and
 * net/ipv4/tcp_timer.c:tcp_keepalive_timer(). TIME_WAIT is always 60 s.
 */
#include <errno.h>

#include "rules/outcome.h"

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
	int64_t total = sk->expires_ms, timeout = TCP_TIMEOUT_INIT_MS;
	uint32_t i, retries;

	if (!(env->known & TCPDIAG_ENV_SYNACK_RETRIES))
		return TCPDIAG_NOT_KNOWN;
	retries = env->tcp_synack_retries < 32 ? env->tcp_synack_retries : 32;
	for (i = 1; i <= retries; i++) {
		timeout = outcome_backed_off(timeout, 1, outcome_rto_max_ms(env));
		if (i > sk->retransmits)
			total += timeout;
	}
	return total;
}

/*
 * A full orphan in FIN_WAIT2: its timer fires, and the time above 60 s is served once more, by a minisocket.
 * Where nothing is above 60 s it came here while its owner held the lock: then tcp_keepalive_timer() ends it
 * with a RST.
 */
static void fin_wait2_orphan(const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env,
			     struct tcpdiag_then *then)
{
	bool knows = sk->known & TCPDIAG_KNOWS_LINGER2;
	int64_t time = outcome_fin_time_ms(sk, env,
					   knows ? sk->linger2_ms : TCP_FIN_TIMEOUT_MAX_MS);

	then->unknown = knows ? 0 : TCPDIAG_INPUT_LINGER2;
	then->at_most_ms = TCPDIAG_NOT_KNOWN;
	if (time == TCPDIAG_NOT_KNOWN)
		return;
	then->at_most_ms = sk->expires_ms;
	if (time > TCP_TIMEWAIT_LEN_MS)
		then->at_most_ms += time - TCP_TIMEWAIT_LEN_MS;
	else
		then->ends_with = TCPDIAG_ENDS_RST;
}

/* The inputs that are not known, and would make another end of it. */
static uint8_t what_could_differ(const struct tcpdiag_socket *sk,
				 const struct tcpdiag_environment *env,
				 const struct tcpdiag_then *then)
{
	const struct assumption known = outcome_known(sk, env);
	struct assumption other;
	struct tcpdiag_then differs;
	uint8_t unknown = 0;

	other = known;
	other.user_timeout_ms = TCPDIAG_NOT_KNOWN;
	outcome_orphan(sk, env, &other, &differs);
	if (!(sk->known & TCPDIAG_KNOWS_USER_TIMEOUT) && differs.at_most_ms != then->at_most_ms)
		unknown |= TCPDIAG_INPUT_USER_TIMEOUT;
	other = known;
	other.linger2_ms = -1;
	outcome_orphan(sk, env, &other, &differs);
	if (!(sk->known & TCPDIAG_KNOWS_LINGER2) && differs.ends_with != then->ends_with)
		unknown |= TCPDIAG_INPUT_LINGER2;
	return unknown;
}

static enum tcpdiag_rule orphan(const struct tcpdiag_socket *sk,
				const struct tcpdiag_environment *env, struct tcpdiag_then *then)
{
	const struct assumption known = outcome_known(sk, env);
	enum tcpdiag_rule rule;

	if (sk->state == TCPDIAG_FIN_WAIT2) {
		fin_wait2_orphan(sk, env, then);
		return TCPDIAG_RULE_FATE_FIN_WAIT2;
	}
	rule = outcome_orphan(sk, env, &known, then);
	then->unknown = what_could_differ(sk, env, then);
	/* The lives of an MPTCP socket's subflows are not in its row. */
	if (sk->mptcp)
		then->at_most_ms = TCPDIAG_NOT_KNOWN;
	return rule;
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
	} else {
		rule = orphan(sk, env, &then);
	}
	*ret = then;
	*ret_rule = rule;
	return 0;
}
