/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is not known, tried: no reader tells every option of every socket, nor which of two rules a kernel has.
 * Each such input is given the values that the kernel treats differently from the default, one at a time;
 * a result that differs makes the outcome uncertain and is listed with its condition.
 */
#include "rules/outcome.h"

/* One value of an unknown input that the kernel treats differently from the default. */
struct variant {
	enum tcpdiag_input input;
	const char *condition;
	bool (*possible)(const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env);
	void (*assume)(struct assumption *assume);
};

/* ---- what the socket's options may be ---- */

static bool no_linger(const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env)
{
	(void)env;
	return !(sk->known & TCPDIAG_KNOWS_LINGER);
}

static void linger_zero(struct assumption *assume)
{
	assume->linger = true;
	assume->lingertime_ms = 0;
}

static void linger_long(struct assumption *assume)
{
	assume->linger = true;
	assume->lingertime_ms = TCPDIAG_FOREVER;
}

/* A negative one of an MPTCP socket is not handed to its subflows. */
static bool no_linger2(const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env)
{
	(void)env;
	return !(sk->known & TCPDIAG_KNOWS_LINGER2) && !sk->mptcp;
}

static void linger2_negative(struct assumption *assume)
{
	assume->linger2_ms = -1;
}

static void linger2_short(struct assumption *assume)
{
	assume->linger2_ms = TCP_TIMEWAIT_LEN_MS;
}

static void linger2_long(struct assumption *assume)
{
	assume->linger2_ms = TCP_FIN_TIMEOUT_MAX_MS;
}

static bool no_repair(const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env)
{
	(void)env;
	return !(sk->known & TCPDIAG_KNOWS_REPAIR) && !sk->mptcp;
}

static void repair(struct assumption *assume)
{
	assume->repair = true;
}

static bool no_user_timeout(const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env)
{
	(void)env;
	return !(sk->known & TCPDIAG_KNOWS_USER_TIMEOUT) && !sk->mptcp;
}

static void user_timeout(struct assumption *assume)
{
	assume->user_timeout_ms = TCPDIAG_NOT_KNOWN;
}

/* ---- what surrounds it ---- */

static bool no_siblings(const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env)
{
	return env->known & TCPDIAG_ENV_MIGRATE && env->tcp_migrate_req &&
	       !(sk->known & TCPDIAG_KNOWS_SIBLINGS);
}

static void sibling(struct assumption *assume)
{
	assume->sibling = true;
}

static bool no_fallback(const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env)
{
	(void)env;
	return sk->mptcp && !(sk->known & TCPDIAG_KNOWS_FALLBACK);
}

static void fallback(struct assumption *assume)
{
	assume->fallback = true;
}

/*
 * What waits behind a gap counts as memory, too, and gaps between subflows are all that an MPTCP socket
 * knows. Before 6.14 the memory of what was read is given back later (msk->rmem_released); the setting that
 * came with 6.15 tells a younger kernel.
 */
static bool memory_only(const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env)
{
	bool single = sk->known & TCPDIAG_KNOWS_FALLBACK && !sk->mptcp_subflows;

	return sk->mptcp && !(single && env->known & TCPDIAG_ENV_RTO_MAX);
}

static void drained(struct assumption *assume)
{
	assume->drained = true;
}

static bool rule_changed(const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env)
{
	if (sk->mptcp)
		return true;
	return sk->state == TCPDIAG_SYN_RECV &&
	       !(env->known & TCPDIAG_ENV_DEFERRED_FIN && env->deferred_fin);
}

static void older(struct assumption *assume)
{
	assume->older = true;
}

static const struct variant variants[] = {
	{ TCPDIAG_INPUT_LINGER, "SO_LINGER is on with 0 seconds", no_linger, linger_zero },
	{ TCPDIAG_INPUT_LINGER, "SO_LINGER is on with more than 0 seconds: at most those",
	  no_linger, linger_long },
	{ TCPDIAG_INPUT_LINGER2, "TCP_LINGER2 is negative", no_linger2, linger2_negative },
	{ TCPDIAG_INPUT_LINGER2, "TCP_LINGER2 is set, up to 60 seconds", no_linger2,
	  linger2_short },
	{ TCPDIAG_INPUT_LINGER2, "TCP_LINGER2 is above 60 seconds", no_linger2, linger2_long },
	{ TCPDIAG_INPUT_REPAIR, "TCP_REPAIR is on", no_repair, repair },
	{ TCPDIAG_INPUT_USER_TIMEOUT, "TCP_USER_TIMEOUT is set: it takes the place of the retries",
	  no_user_timeout, user_timeout },
	{ TCPDIAG_INPUT_SIBLING, "another listener of the port (SO_REUSEPORT) takes the queue over",
	  no_siblings, sibling },
	{ TCPDIAG_INPUT_MPTCP, "the MPTCP connection has fallen back to TCP", no_fallback,
	  fallback },
	{ TCPDIAG_INPUT_MPTCP, "everything was read: the queue of an MPTCP socket counts memory",
	  memory_only, drained },
	{ TCPDIAG_INPUT_KERNEL, "the kernel is older than the last change of this rule",
	  rule_changed, older },
};

_Static_assert(sizeof(variants) / sizeof(variants[0]) <= TCPDIAG_OTHERWISE_MAX,
	       "every variant has a place in the outcome");

static bool same_result(const struct tcpdiag_result *a, const struct tcpdiag_result *b)
{
	return a->rule == b->rule && a->segment == b->segment && a->state == b->state &&
	       a->error == b->error && a->resets == b->resets && a->blocks_ms == b->blocks_ms &&
	       a->discards_receive == b->discards_receive && a->discards_send == b->discards_send &&
	       a->discards_unsent == b->discards_unsent && a->counter == b->counter &&
	       a->then.attachment == b->then.attachment && a->then.ends_with == b->then.ends_with &&
	       a->then.at_most_ms == b->then.at_most_ms;
}

static void add_otherwise(struct tcpdiag_outcome *outcome, const struct variant *variant,
			  const struct tcpdiag_result *result)
{
	uint8_t i;

	if (same_result(result, &outcome->result))
		return;
	outcome->certain = false;
	outcome->unknown |= (uint8_t)variant->input;
	if (result->then.at_most_ms != outcome->result.then.at_most_ms ||
	    result->then.ends_with != outcome->result.then.ends_with)
		outcome->result.then.unknown |= (uint8_t)variant->input;
	for (i = 0; i < outcome->otherwise_count; i++)
		if (same_result(result, &outcome->otherwise[i].result))
			return;
	if (outcome->otherwise_count < TCPDIAG_OTHERWISE_MAX)
		outcome->otherwise[outcome->otherwise_count++] = (struct tcpdiag_otherwise){
			.condition = variant->condition,
			.result = *result,
		};
}

void outcome_try_variants(struct tcpdiag_outcome *outcome, const struct tcpdiag_socket *sk,
			  enum tcpdiag_operation op, const struct tcpdiag_environment *env)
{
	const struct assumption base = outcome_known(sk, env);
	size_t i;

	for (i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
		const struct variant *variant = &variants[i];
		struct assumption assume = base;
		struct tcpdiag_result result;

		if (!variant->possible(sk, env))
			continue;
		variant->assume(&assume);
		result = outcome_decide(sk, op, env, &assume);
		add_otherwise(outcome, variant, &result);
	}
}
