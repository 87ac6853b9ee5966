/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The oracle against the kernel, at work.
 *
 * Compared is what tracepoints show: the segment, the state right after, and the reason of a RST against the one that
 * stands with the rule in the catalogue; of a listener how many of those in its queue sent a RST. How long the call
 * blocked and what is left is not.
 *
 * What surrounds a socket was read up to an interval ago, and other connections move it: how many orphans and TIME-WAITs
 * there are, which listener takes a queue over. Where the answer would be what the kernel did with only that changed,
 * nobody can say who is right: undecided. The same where an option could not be read.
 *
 * Programs have MPTCP sockets, whose segments are those of their subflows. Of the former the change of state is compared,
 * the latter are not asked about, but for a listener, which is one of them: as long as nothing waits in it, it is like any
 * other.
 */
#include "collector/audit.h"

#include <string.h>

#include "model/macro.h"
#include "model/reset_reason.h"

/* ---- one answer against what happened ---- */

/* One state of struct sock is two words here, and an unbound socket is in it as well. */
static uint8_t kernel_state(uint8_t state)
{
	return state == TCPDIAG_BOUND_INACTIVE ? TCPDIAG_CLOSE : state;
}

/*
 * From FIN_WAIT2 the socket goes to CLOSE and a minisocket takes its place, which no tracepoint tells
 * (net/ipv4/tcp_minisocks.c:tcp_time_wait()).
 */
static bool same_state(const struct autopsy_operation *operation,
		       const struct tcpdiag_result *predicted)
{
	const uint8_t seen = kernel_state(operation->state);

	if (seen == kernel_state(predicted->state))
		return true;
	return operation->sk.state == TCPDIAG_FIN_WAIT2 &&
	       predicted->segment == TCPDIAG_SEGMENT_NONE &&
	       ((predicted->state == TCPDIAG_FIN_WAIT2 && seen == TCPDIAG_CLOSE) ||
		(predicted->state == TCPDIAG_CLOSE && seen == TCPDIAG_FIN_WAIT2));
}

/* Kernels give no reason, or none for what they decide themselves (before 6.12), or one without a word here. */
static bool is_told(uint8_t reason)
{
	return reason != RESET_REASON_NOT_SPECIFIED && reason != RESET_REASON_OTHER &&
	       reset_reason_name(reason);
}

static bool same_reason(const struct autopsy_operation *operation,
			const struct tcpdiag_result *predicted)
{
	const struct tcpdiag_rule_info *rule = tcpdiag_rule_info(predicted->rule);

	if (predicted->segment != TCPDIAG_SEGMENT_RST || !is_told(operation->reason))
		return true;
	/* tcp_disconnect() has two: the second where only what was not sent yet makes it reset. */
	if (operation->reason == RESET_REASON_DISCONNECT_WITH_DATA)
		return predicted->rule == TCPDIAG_RULE_CLOSE_LINGER_ZERO &&
		       (operation->sk.state == TCPDIAG_CLOSING ||
			operation->sk.state == TCPDIAG_LAST_ACK);
	return rule && rule->reset_reason &&
	       !strcmp(rule->reset_reason, reset_reason_name(operation->reason));
}

static bool same_resets(const struct autopsy_operation *operation,
			const struct tcpdiag_result *predicted)
{
	return operation->sk.state != TCPDIAG_LISTEN || predicted->resets == operation->resets;
}

static bool agrees(const struct autopsy_operation *operation,
		   const struct tcpdiag_result *predicted)
{
	return predicted->segment == operation->segment && same_state(operation, predicted) &&
	       same_reason(operation, predicted) && same_resets(operation, predicted);
}

/* ---- what may have changed since the environment was read ---- */

static void orphans_over(struct tcpdiag_socket *sk, struct tcpdiag_environment *env)
{
	(void)sk;
	env->known |= TCPDIAG_ENV_ORPHANS;
	env->tcp_max_orphans = 0;
	env->orphans = 1;
}

static void orphans_below(struct tcpdiag_socket *sk, struct tcpdiag_environment *env)
{
	(void)sk;
	env->known &= ~(uint32_t)(TCPDIAG_ENV_ORPHANS | TCPDIAG_ENV_MEMORY);
}

static void timewaits_over(struct tcpdiag_socket *sk, struct tcpdiag_environment *env)
{
	(void)sk;
	env->known |= TCPDIAG_ENV_TIMEWAITS;
	env->tcp_max_tw_buckets = 0;
	env->timewaits = 1;
}

static void timewaits_below(struct tcpdiag_socket *sk, struct tcpdiag_environment *env)
{
	(void)sk;
	env->known &= ~(uint32_t)TCPDIAG_ENV_TIMEWAITS;
}

static void migrates(struct tcpdiag_socket *sk, struct tcpdiag_environment *env)
{
	env->known |= TCPDIAG_ENV_MIGRATE;
	env->tcp_migrate_req = true;
	sk->known |= TCPDIAG_KNOWS_SIBLINGS;
	sk->siblings = 1;
}

static void stays(struct tcpdiag_socket *sk, struct tcpdiag_environment *env)
{
	(void)sk;
	env->known &= ~(uint32_t)TCPDIAG_ENV_MIGRATE;
}

static void (*const changes[])(struct tcpdiag_socket *sk, struct tcpdiag_environment *env) = {
	orphans_over, orphans_below, timewaits_over, timewaits_below, migrates, stays,
};

static bool would_agree(const struct autopsy_operation *operation, const struct tcpdiag_socket *sk,
			const struct tcpdiag_environment *env)
{
	struct tcpdiag_result result;

	return tcpdiag_result(sk, operation->operation, env, &result) == 0 &&
	       agrees(operation, &result);
}

/* Nobody saw what became of the rest of its queue: dead connections, whose end came before the daemon did. */
static bool agrees_without_rest(const struct autopsy_operation *operation,
				const struct tcpdiag_socket *sk,
				const struct tcpdiag_environment *env)
{
	struct tcpdiag_socket changed = *sk;

	changed.children = operation->children;
	return sk->state == TCPDIAG_LISTEN && would_agree(operation, &changed, env);
}

/* With one thing changed around it, the oracle would have said what the kernel did. */
static bool agrees_elsewhere(const struct autopsy_operation *operation,
			     const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env)
{
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		struct tcpdiag_environment other = *env;
		struct tcpdiag_socket changed = *sk;

		changes[i](&changed, &other);
		if (would_agree(operation, &changed, &other))
			return true;
	}
	return agrees_without_rest(operation, sk, env);
}

/* ---- the verdict ---- */

/* Whether what is not known could change what is compared. */
static bool is_open(const struct tcpdiag_outcome *outcome)
{
	for (uint8_t i = 0; i < outcome->otherwise_count; i++) {
		const struct tcpdiag_result *other = &outcome->otherwise[i].result;

		if (other->segment != outcome->result.segment ||
		    other->state != outcome->result.state ||
		    other->resets != outcome->result.resets)
			return true;
	}
	return false;
}

static uint32_t kind_of(const struct autopsy_operation *operation,
			const struct tcpdiag_result *predicted)
{
	return 1U | (uint32_t)operation->operation << 1 | (uint32_t)operation->sk.state << 4 |
	       (uint32_t)operation->segment << 8 | (uint32_t)predicted->segment << 10 |
	       (uint32_t)operation->state << 12 | (uint32_t)predicted->rule << 16 |
	       (uint32_t)operation->reason << 24;
}

/* Somebody had it who could do that: the tracepoint shows no more than that it was done. */
static void attach(struct tcpdiag_socket *sk, enum tcpdiag_operation operation)
{
	sk->attachment = operation == TCPDIAG_OP_LISTENER_CLOSE ? TCPDIAG_UNACCEPTED : TCPDIAG_HELD;
}

/* A poll would have told which ones of its queue are alive. */
static void look_at_queue(struct tcpdiag_socket *sk, const struct autopsy_operation *operation)
{
	if (sk->state != TCPDIAG_LISTEN)
		return;
	sk->known |= TCPDIAG_KNOWS_CHILDREN;
	sk->children = sk->rqueue - MIN(operation->gone, sk->rqueue);
}

/* A subflow's are its MPTCP socket's, which are another operation; but that has no queue. */
static bool is_asked_about(const struct tcpdiag_socket *sk)
{
	return !sk->mptcp_subflow || sk->state == TCPDIAG_LISTEN;
}

void audit_check(const struct autopsy_operation *operation, const struct tcpdiag_environment *env,
		 struct audit_verdict *ret)
{
	struct tcpdiag_socket sk = operation->sk;
	struct tcpdiag_outcome outcome;

	*ret = (struct audit_verdict){
		.result = is_asked_about(&sk) ? AUDIT_UNDECIDED : AUDIT_NOT_COUNTED,
	};
	if (sk.state == TCPDIAG_LISTEN && !sk.rqueue)
		sk.mptcp_subflow = false;
	attach(&sk, operation->operation);
	look_at_queue(&sk, operation);
	if (tcpdiag_outcome(&sk, operation->operation, env, &outcome) < 0)
		return;
	ret->predicted_known = true;
	ret->predicted = outcome.result;
	ret->certain = outcome.certain;
	if (!operation->complete || sk.mptcp_subflow || is_open(&outcome))
		return;
	if (agrees(operation, &outcome.result)) {
		ret->result = AUDIT_AGREED;
		return;
	}
	if (agrees_elsewhere(operation, &sk, env))
		return;
	ret->result = AUDIT_DISAGREED;
	ret->kind = kind_of(operation, &outcome.result);
}

/* ---- counting ---- */

/* One that two sides do in turn must not always be the same side's: which one of so many is not regular. */
static uint32_t stir(uint32_t value)
{
	value = (value ^ value >> 16) * 0x45d9f3bU;
	value = (value ^ value >> 16) * 0x45d9f3bU;
	return value ^ value >> 16;
}

/* As many as there were in the last second there will be in this one. */
static void begin_second(struct audit *audit, int64_t now_ns)
{
	const int64_t passed_ns = now_ns - audit->second_ns;
	uint64_t rate = 0;

	if (audit->second_ns && passed_ns > 0)
		rate = (uint64_t)((double)audit->seen * NSEC_PER_SEC / (double)passed_ns);
	audit->second_ns = now_ns;
	audit->left = audit->per_second;
	audit->every = (uint32_t)MAX((rate + audit->per_second - 1) / audit->per_second, 1ULL);
	audit->seen = 0;
}

bool audit_admit(struct audit *audit, int64_t now_ns)
{
	uint32_t place;

	if (!audit->per_second)
		return true;
	if (!audit->second_ns || now_ns - audit->second_ns >= NSEC_PER_SEC ||
	    now_ns < audit->second_ns)
		begin_second(audit, now_ns);
	place = audit->seen++ % audit->every;
	if (place == 0)
		audit->pick = stir(audit->blocks++) % audit->every;
	if (place != audit->pick || !audit->left) {
		audit->skipped++;
		return false;
	}
	audit->left--;
	return true;
}

bool audit_note(struct audit *audit, const struct audit_verdict *verdict)
{
	if (verdict->result >= AUDIT_RESULT_MAX)
		return false;
	audit->checks[verdict->result]++;
	if (verdict->result != AUDIT_DISAGREED || audit->kind_count == AUDIT_KINDS)
		return false;
	for (uint32_t i = 0; i < audit->kind_count; i++)
		if (audit->kinds[i] == verdict->kind)
			return false;
	audit->kinds[audit->kind_count++] = verdict->kind;
	return true;
}
