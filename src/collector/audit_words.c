/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A disagreement in words: whose it was, all inputs, what the oracle said and what the kernel did; and a row for
 * tests/conformance/rows.py that makes such a socket. What the words of the scenarios cannot make (limits of the machine)
 * stands among the inputs alone. Amounts are cut to what fits into a scripted peer's window: none of the rules asks for
 * more than whether there is something.
 */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "collector/audit.h"
#include "model/macro.h"
#include "model/reset_reason.h"

static const char *or_none(const char *name)
{
	return name ? name : "none";
}

/* "N", or a question mark where it is not known. */
struct number {
	char text[24];
};

static struct number number(bool known, int64_t value)
{
	struct number ret = { "?" };

	if (known && value == INT64_MAX)
		return (struct number){ "forever" };
	if (known)
		snprintf(ret.text, sizeof(ret.text), "%lld", (long long)value);
	return ret;
}

static int describe_socket(const struct tcpdiag_socket *sk, char *buffer, size_t size)
{
	const bool linger = sk->known & TCPDIAG_KNOWS_LINGER;

	return snprintf(buffer, size,
			"%s%s unread %u fin-unread %d unsent %s unacked %u shutdown %u linger %s "
			"linger2-ms %s repair %s out-of-order %s",
			or_none(tcpdiag_state_name(sk->state)), sk->mptcp ? " mptcp" : "",
			tcpdiag_unread_bytes(sk), tcpdiag_fin_unread(sk),
			number(sk->known & TCPDIAG_KNOWS_NOTSENT, tcpdiag_unsent_bytes(sk)).text,
			tcpdiag_unacked_bytes(sk), sk->sk_shutdown,
			linger && !sk->linger ? "off" : number(linger, sk->sk_lingertime_ms).text,
			number(sk->known & TCPDIAG_KNOWS_LINGER2, sk->linger2_ms).text,
			number(sk->known & TCPDIAG_KNOWS_REPAIR, sk->repair).text,
			number(sk->known & TCPDIAG_KNOWS_OFO, sk->out_of_order).text);
}

static int describe_environment(const struct tcpdiag_environment *env, char *buffer, size_t size)
{
	const bool orphans = env->known & TCPDIAG_ENV_ORPHANS;
	const bool timewaits = env->known & TCPDIAG_ENV_TIMEWAITS;

	return snprintf(buffer, size,
			"fin_timeout %s orphans %s of %s timewaits %s of %s migrate_req %s",
			number(env->known & TCPDIAG_ENV_FIN_TIMEOUT, env->tcp_fin_timeout).text,
			number(orphans, (int64_t)env->orphans).text,
			number(orphans, (int64_t)env->tcp_max_orphans).text,
			number(timewaits, (int64_t)env->timewaits).text,
			number(timewaits, (int64_t)env->tcp_max_tw_buckets).text,
			number(env->known & TCPDIAG_ENV_MIGRATE, env->tcp_migrate_req).text);
}

/* ---- the row ---- */

#define PAYLOAD_MAX 1000U

struct words {
	char text[256];
	size_t length;
};

__attribute__((format(printf, 2, 3))) static void say(struct words *words, const char *format, ...)
{
	const size_t room = sizeof(words->text) - words->length;
	va_list arguments;
	int r;

	va_start(arguments, format);
	r = vsnprintf(words->text + words->length, room, format, arguments);
	va_end(arguments);
	words->length += r > 0 ? MIN((size_t)r, room - 1) : 0;
}

static void say_amount(struct words *words, const char *word, uint32_t bytes)
{
	if (bytes)
		say(words, "; %s %u", word, MIN(bytes, PAYLOAD_MAX));
}

static void say_settings(struct words *words, const struct tcpdiag_socket *sk)
{
	const bool forever = sk->sk_lingertime_ms == TCPDIAG_LINGER_FOREVER;

	if (sk->known & TCPDIAG_KNOWS_LINGER && sk->linger)
		say(words, "; linger %s",
		    number(true, forever ? INT64_MAX : sk->sk_lingertime_ms / 1000).text);
	if (sk->known & TCPDIAG_KNOWS_LINGER2 && sk->linger2_ms)
		say(words, "; linger2 %lld",
		    sk->linger2_ms < 0 ? -1LL : (long long)sk->linger2_ms / 1000);
}

static bool is_one_of(const struct tcpdiag_socket *sk, uint32_t states)
{
	return TCPDIAG_STATE_BIT(sk->state) & states;
}

#define BIT(state) TCPDIAG_STATE_BIT(TCPDIAG_##state)

/* Up to where the peer has its say. */
static void say_ours(struct words *words, const struct tcpdiag_socket *sk)
{
	const uint32_t unacked = MIN(tcpdiag_unacked_bytes(sk), PAYLOAD_MAX);
	const uint32_t unsent = tcpdiag_unsent_bytes(sk);

	if (unsent)
		say(words, "window %u; ", unacked);
	say(words, "connect");
	say_settings(words, sk);
	say_amount(words, "write", unacked);
	say_amount(words, "write", unsent);
	if (is_one_of(sk, BIT(FIN_WAIT1) | BIT(FIN_WAIT2) | BIT(CLOSING)))
		say(words, "; shut wr");
	if (sk->state == TCPDIAG_FIN_WAIT2)
		say(words, "; ack");
}

static void say_peers(struct words *words, const struct tcpdiag_socket *sk)
{
	const bool finished = is_one_of(sk, BIT(CLOSE_WAIT) | BIT(LAST_ACK) | BIT(CLOSING));

	say_amount(words, "data", tcpdiag_unread_bytes(sk));
	if (sk->known & TCPDIAG_KNOWS_OFO && sk->out_of_order && !finished)
		say(words, "; ahead 4");
	if (finished)
		say(words, "; fin");
	if (finished && !tcpdiag_fin_unread(sk) && !tcpdiag_unread_bytes(sk))
		say(words, "; eof");
	if (sk->state == TCPDIAG_LAST_ACK)
		say(words, "; shut wr");
	if (sk->known & TCPDIAG_KNOWS_REPAIR && sk->repair)
		say(words, "; repair");
}

static void say_queue(struct words *words, const struct autopsy_operation *operation)
{
	const uint32_t gone = MIN(operation->gone, 4U);

	say(words, "listen");
	say_amount(words, "arrive", MIN(operation->children, 8U));
	for (uint32_t i = 0; i < gone; i++)
		say(words, "; arrive; rst");
}

/* Between two kernels, the other one acknowledges everything. */
static void say_mptcp(struct words *words, const struct tcpdiag_socket *sk)
{
	say(words, "pair mptcp");
	say_settings(words, sk);
	if (sk->state == TCPDIAG_FIN_WAIT1)
		say(words, "; shut wr");
	if (sk->state == TCPDIAG_FIN_WAIT2)
		say(words, "; shut-acked");
	if (sk->state == TCPDIAG_CLOSE_WAIT)
		say(words, "; fin; eof");
}

static void say_steps(struct words *words, const struct autopsy_operation *operation)
{
	const struct tcpdiag_socket *sk = &operation->sk;

	if (sk->mptcp) {
		say_mptcp(words, sk);
	} else if (sk->state == TCPDIAG_LISTEN) {
		say_queue(words, operation);
	} else if (operation->operation == TCPDIAG_OP_LISTENER_CLOSE) {
		say(words, "listen; %s", sk->state == TCPDIAG_SYN_RECV ? "fastopen 5" : "arrive");
		say_settings(words, sk);
		say_peers(words, sk);
	} else if (is_one_of(sk, BIT(SYN_SENT) | BIT(SYN_RECV))) {
		say(words, "%s", sk->state == TCPDIAG_SYN_SENT ? "connecting" : "crossed");
		say_settings(words, sk);
		say_peers(words, sk);
	} else {
		say_ours(words, sk);
		say_peers(words, sk);
	}
}

static const char *family_of(const struct tcpdiag_socket *sk)
{
	if (sk->mptcp)
		return ", protocol='mptcp'";
	if (sk->mapped)
		return ", family='mapped'";
	return sk->family == AF_INET6 ? ", family='6'" : "";
}

static int describe_row(const struct autopsy_operation *operation,
			const struct audit_verdict *verdict, char *buffer, size_t size)
{
	const struct tcpdiag_socket *sk = &operation->sk;
	const char *op =
		or_none(tcpdiag_operation_name((enum tcpdiag_operation)operation->operation));
	struct words words = {}, queue = {};

	say_steps(&words, operation);
	if (sk->state == TCPDIAG_LISTEN)
		say(&queue, ", about='listener', dead=%u", MIN(operation->gone, 4U));
	return snprintf(buffer, size, "add(\"found/%s/%s/%x\", \"%s\", \"%s\"%s%s)",
			or_none(tcpdiag_state_name((enum tcpdiag_state)sk->state)), op,
			verdict->kind, words.text, op, queue.text, family_of(sk));
}

/* ---- whose ---- */

static int describe_flow(const struct tcpdiag_socket *sk, char *buffer, size_t size)
{
	const int family = sk->family == AF_INET6 ? AF_INET6 : AF_INET;
	const size_t from = family == AF_INET ? 12 : 0;
	char local[INET6_ADDRSTRLEN] = "?", remote[INET6_ADDRSTRLEN] = "?";

	inet_ntop(family, sk->local + from, local, sizeof(local));
	inet_ntop(family, sk->remote + from, remote, sizeof(remote));
	return snprintf(buffer, size, "[%s]:%u [%s]:%u in network namespace %u, cookie %llx", local,
			sk->local_port, remote, sk->remote_port, sk->netns,
			(unsigned long long)sk->cookie);
}

/* ---- all ---- */

static int describe_queue(const struct autopsy_operation *operation, char *buffer, size_t size)
{
	return snprintf(buffer, size, "listening queue %u of %u, %u alive, %u gone",
			operation->sk.rqueue, operation->sk.wqueue, operation->children,
			operation->gone);
}

static int describe_result(const char *who, uint8_t segment, uint8_t state, uint32_t resets,
			   bool listened, char *buffer, size_t size)
{
	char queue[32] = "";

	if (listened)
		snprintf(queue, sizeof(queue), " resets %u", resets);
	return snprintf(buffer, size, "%s %s %s%s", who,
			or_none(tcpdiag_segment_name((enum tcpdiag_segment)segment)),
			or_none(tcpdiag_state_name((enum tcpdiag_state)state)), queue);
}

int audit_describe(const struct autopsy_operation *operation, const struct tcpdiag_environment *env,
		   const struct audit_verdict *verdict, char *buffer, size_t size)
{
	const bool listened = operation->sk.state == TCPDIAG_LISTEN;
	const struct tcpdiag_result *predicted = &verdict->predicted;
	const char *reason = reset_reason_name(operation->reason);
	char flow[192], socket[384], around[256], said[128], did[128], row[640];
	const char *rule = verdict->predicted_known
				   ? or_none(tcpdiag_rule_id((enum tcpdiag_rule)predicted->rule))
				   : "no answer";

	describe_flow(&operation->sk, flow, sizeof(flow));
	if (listened)
		describe_queue(operation, socket, sizeof(socket));
	else
		describe_socket(&operation->sk, socket, sizeof(socket));
	describe_environment(env, around, sizeof(around));
	describe_result(rule, predicted->segment, predicted->state, predicted->resets, listened,
			said, sizeof(said));
	describe_result("kernel:", operation->segment, operation->state, operation->resets,
			listened, did, sizeof(did));
	describe_row(operation, verdict, row, sizeof(row));
	return snprintf(
		buffer, size, "%s | %s | %s | %s | oracle: %s%s | %s%s%s | row: %s",
		or_none(tcpdiag_operation_name((enum tcpdiag_operation)operation->operation)), flow,
		socket, around, said, verdict->certain ? "" : " (not certain)", did,
		reason ? " " : "", reason ? reason : "", row);
}
