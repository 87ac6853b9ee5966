/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The oracle, asked line by line.
 *
 * A co-process of the conformance tests: it lives in a scenario's network namespace, reads one question
 * a line and prints one line of JSON. Sockets come from the kernel through the daemon's own reader of
 * NETLINK_SOCK_DIAG, surroundings through its reader of /proc, answers from the oracle itself: what is
 * compared with the kernel here is what the daemon would have said.
 *
 *   socket PROTOCOL ADDRESS PORT ADDRESS PORT [INPUT=VALUE...]   local, remote; port 0: any
 *   blank [INPUT=VALUE...]      a closed socket, which only a look at descriptors shows
 *   catalogue                   all rules
 *
 * PROTOCOL is tcp or mptcp. INPUT is linger (off, forever, milliseconds), linger2 (milliseconds) or
 * repair (0, 1): what sock_diag does not tell. With any, the answer holds "told" beside "outcomes".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <tcpdiag/outcome.h>

#include "kernel/counters.h"
#include "kernel/sock_diag.h"
#include "model/macro.h"

#define WORDS_MAX 16

struct ask {
	struct sock_diag *diag;
	struct counters_reader *counters;
	struct tcpdiag_environment environment;
};

/* ---- printing ---- */

static json_t *milliseconds(int64_t ms)
{
	if (ms == TCPDIAG_FOREVER)
		return json_string("forever");
	return ms == TCPDIAG_NOT_KNOWN ? json_null() : json_integer(ms);
}

static json_t *name_or_null(const char *name)
{
	return name ? json_string(name) : json_null();
}

static json_t *then_json(const struct tcpdiag_then *then)
{
	if (then->attachment == TCPDIAG_ATTACHMENT_UNKNOWN)
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "attachment",
			 name_or_null(tcpdiag_attachment_name(then->attachment)), "at_most_ms",
			 milliseconds(then->at_most_ms), "ends_with",
			 name_or_null(tcpdiag_end_name(then->ends_with)));
}

static json_t *result_json(const struct tcpdiag_result *result)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:I, s:o, s:I, s:I, s:I, s:o, s:o}", "rule",
			 name_or_null(tcpdiag_rule_id(result->rule)), "segment",
			 name_or_null(tcpdiag_segment_name(result->segment)), "state",
			 name_or_null(tcpdiag_state_name(result->state)), "error",
			 name_or_null(result->error ? strerrorname_np(result->error) : NULL),
			 "resets", (json_int_t)result->resets, "blocks_ms",
			 milliseconds(result->blocks_ms), "discards_receive",
			 (json_int_t)result->discards_receive, "discards_send",
			 (json_int_t)result->discards_send, "discards_unsent",
			 (json_int_t)result->discards_unsent, "counter",
			 name_or_null(result->counter), "then", then_json(&result->then));
}

static json_t *unknown_json(uint8_t unknown)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} inputs[] = {
		{ TCPDIAG_INPUT_LINGER, "linger" },   { TCPDIAG_INPUT_LINGER2, "linger2" },
		{ TCPDIAG_INPUT_REPAIR, "repair" },   { TCPDIAG_INPUT_MPTCP, "mptcp" },
		{ TCPDIAG_INPUT_SIBLING, "sibling" },
	};
	json_t *array = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(inputs); i++)
		if (unknown & inputs[i].bit)
			json_array_append_new(array, json_string(inputs[i].name));
	return array;
}

static json_t *outcome_json(const struct tcpdiag_outcome *outcome)
{
	json_t *otherwise = json_array();

	for (int i = 0; i < outcome->otherwise_count; i++)
		json_array_append_new(
			otherwise, json_pack("{s:s, s:o}", "if", outcome->otherwise[i].condition,
					     "result", result_json(&outcome->otherwise[i].result)));
	return json_pack("{s:o, s:b, s:b, s:o, s:o}", "result", result_json(&outcome->result),
			 "peer_finished", outcome->peer_finished, "certain", outcome->certain,
			 "unknown", unknown_json(outcome->unknown), "otherwise", otherwise);
}

/* Null where no process can do that operation. */
static json_t *outcomes_json(const struct ask *ask, const struct tcpdiag_socket *sk)
{
	json_t *object = json_object();

	for (int op = 0; op < TCPDIAG_OP_MAX; op++) {
		struct tcpdiag_outcome outcome;
		struct tcpdiag_result result;
		const char *name = tcpdiag_operation_name(op);
		int r = tcpdiag_outcome(sk, op, &ask->environment, &outcome);

		/* The short way for counting must say the same. */
		if (r != tcpdiag_result(sk, op, &ask->environment, &result) ||
		    (r == 0 && (result.rule != outcome.result.rule ||
				result.segment != outcome.result.segment ||
				result.state != outcome.result.state)))
			json_object_set_new(object, name, json_string("tcpdiag_result() differs"));
		else if (r == 0)
			json_object_set_new(object, name, outcome_json(&outcome));
		else if (r == -EOPNOTSUPP)
			json_object_set_new(object, name, json_null());
		else
			json_object_set_new(object, name, json_string(strerrorname_np(-r)));
	}
	return object;
}

static json_t *fate_json(const struct ask *ask, const struct tcpdiag_socket *sk)
{
	struct tcpdiag_then then;
	enum tcpdiag_rule rule;
	json_t *fate;

	if (tcpdiag_fate(sk, &ask->environment, &then, &rule) < 0)
		return json_null();
	fate = then_json(&then);
	if (json_is_object(fate))
		json_object_set_new(fate, "rule", name_or_null(tcpdiag_rule_id(rule)));
	return fate;
}

static json_t *socket_json(const struct tcpdiag_socket *sk)
{
	static const char *const kinds[] = { "full", "timewait", "request" };
	json_t *object = json_pack(
		"{s:o, s:s, s:o, s:I, s:I, s:I, s:b, s:I, s:I, s:b, s:b, s:b, s:b}", "state",
		name_or_null(tcpdiag_state_name(sk->state)), "kind", kinds[sk->kind], "attachment",
		name_or_null(tcpdiag_attachment_name(sk->attachment)), "rqueue",
		(json_int_t)sk->rqueue, "wqueue", (json_int_t)sk->wqueue, "unread",
		(json_int_t)tcpdiag_unread_bytes(sk), "fin_unread", tcpdiag_fin_unread(sk),
		"unsent", (json_int_t)tcpdiag_unsent_bytes(sk), "unacked",
		(json_int_t)tcpdiag_unacked_bytes(sk), "peer_finished", tcpdiag_peer_finished(sk),
		"mptcp", sk->mptcp, "mptcp_subflow", sk->mptcp_subflow, "mapped", sk->mapped);
	char cookie[20];

	snprintf(cookie, sizeof(cookie), "%" PRIx64, sk->cookie);
	json_object_set_new(object, "cookie", json_string(cookie));
	json_object_set_new(object, "family", json_integer(sk->family == AF_INET6 ? 6 : 4));
	json_object_set_new(object, "shutdown",
			    sk->known & TCPDIAG_KNOWS_SHUTDOWN ? json_integer(sk->sk_shutdown)
							       : json_null());
	json_object_set_new(object, "timer", json_integer(sk->timer));
	json_object_set_new(object, "expires_ms", json_integer(sk->expires_ms));
	json_object_set_new(object, "retransmits", json_integer(sk->retransmits));
	json_object_set_new(object, "rto_ms", json_integer(sk->rto_us / 1000));
	json_object_set_new(object, "inode", json_integer(sk->inode));
	json_object_set_new(object, "local_port", json_integer(sk->local_port));
	json_object_set_new(object, "remote_port", json_integer(sk->remote_port));
	return object;
}

/* ---- questions ---- */

/* "linger=1000" and its like. Returns whether it was one. */
static bool tell(struct tcpdiag_socket *sk, const char *word)
{
	const char *value = strchr(word, '=');

	if (!value)
		return false;
	value++;
	if (strncmp(word, "linger=", 7) == 0) {
		sk->known |= TCPDIAG_KNOWS_LINGER;
		sk->linger = strcmp(value, "off") != 0;
		sk->sk_lingertime_ms = strcmp(value, "forever") == 0 ? TCPDIAG_LINGER_FOREVER
								     : strtoll(value, NULL, 10);
	} else if (strncmp(word, "linger2=", 8) == 0) {
		sk->known |= TCPDIAG_KNOWS_LINGER2;
		sk->linger2_ms = strtoll(value, NULL, 10);
	} else if (strncmp(word, "repair=", 7) == 0) {
		sk->known |= TCPDIAG_KNOWS_REPAIR;
		sk->repair = *value == '1';
	} else {
		return false;
	}
	return true;
}

static json_t *answer(const struct ask *ask, const struct tcpdiag_socket *sk, char **inputs,
		      int count)
{
	struct tcpdiag_socket told = *sk;
	json_t *object = socket_json(sk);

	json_object_set_new(object, "outcomes", outcomes_json(ask, sk));
	json_object_set_new(object, "fate", fate_json(ask, sk));
	for (int i = 0; i < count; i++)
		if (!tell(&told, inputs[i]))
			json_object_set_new(object, "error", json_string(inputs[i]));
	if (count > 0) {
		json_object_set_new(object, "told", outcomes_json(ask, &told));
		json_object_set_new(object, "told_fate", fate_json(ask, &told));
	}
	return object;
}

/* IPv4 as ::ffff:a.b.c.d, as the rows have it. */
static bool parse_address(const char *text, uint8_t ret[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (inet_pton(AF_INET6, text, ret) == 1)
		return true;
	memcpy(ret, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, ret + 12) == 1;
}

struct flow {
	uint8_t local[16];
	uint8_t remote[16];
	uint16_t local_port;
	uint16_t remote_port;
};

static bool flow_matches(const struct flow *flow, const struct tcpdiag_socket *sk)
{
	static const uint8_t any[16];

	/* A listener has no other end, and a wildcard address is the question's own business. */
	return flow->local_port == sk->local_port && flow->remote_port == sk->remote_port &&
	       memcmp(flow->local, sk->local, 16) == 0 &&
	       (memcmp(flow->remote, sk->remote, 16) == 0 || memcmp(flow->remote, any, 16) == 0);
}

/* Of one port's listeners together: which of them a connection waits for, its row does not say. */
static int count_children(struct ask *ask, const struct flow *flow, uint32_t *ret)
{
	struct sock_diag_request request = {
		.states = TCPDIAG_STATES_ALL,
		.protocol = IPPROTO_TCP,
	};
	struct tcpdiag_socket sk;
	uint32_t count = 0;
	int r;

	r = sock_diag_dump(ask->diag, &request);
	while (r == 0 && (r = sock_diag_next(ask->diag, &sk)) == 1) {
		r = 0;
		count += sk.kind == TCPDIAG_KIND_FULL && sk.local_port == flow->local_port &&
			 tcpdiag_attachment_guess(&sk) == TCPDIAG_UNACCEPTED;
	}
	if (r == 0)
		*ret = count;
	return r;
}

static json_t *ask_socket(struct ask *ask, char **words, int count)
{
	struct sock_diag_request request = { .states = TCPDIAG_STATES_ALL, .info = true };
	struct tcpdiag_socket sk;
	uint32_t children = 0;
	struct flow flow;
	json_t *rows;
	int r;

	if (count < 5 || !parse_address(words[1], flow.local) ||
	    !parse_address(words[3], flow.remote))
		return json_pack("{s:s}", "error", "usage");
	request.protocol = strcmp(words[0], "mptcp") == 0 ? IPPROTO_MPTCP : IPPROTO_TCP;
	flow.local_port = (uint16_t)atoi(words[2]);
	flow.remote_port = (uint16_t)atoi(words[4]);
	r = flow.remote_port ? 0 : count_children(ask, &flow, &children);
	if (r == 0)
		r = sock_diag_dump(ask->diag, &request);
	if (r < 0)
		return json_pack("{s:s}", "error", strerrorname_np(-r));
	rows = json_array();
	while ((r = sock_diag_next(ask->diag, &sk)) == 1) {
		if (!flow_matches(&flow, &sk))
			continue;
		sk.attachment = tcpdiag_attachment_guess(&sk);
		if (sk.state == TCPDIAG_LISTEN && sk.rqueue >= children) {
			sk.known |= TCPDIAG_KNOWS_CHILDREN;
			sk.children = children;
		}
		json_array_append_new(rows, answer(ask, &sk, words + 5, count - 5));
	}
	if (r < 0)
		return json_pack("{s:s, s:o}", "error", strerrorname_np(-r), "rows", rows);
	return json_pack("{s:o}", "rows", rows);
}

/* What a look at descriptors says of a socket that sock_diag does not list. */
static json_t *ask_blank(struct ask *ask, char **words, int count)
{
	struct tcpdiag_socket sk = {
		.state = TCPDIAG_CLOSE,
		.kind = TCPDIAG_KIND_FULL,
		.attachment = TCPDIAG_HELD,
		.family = AF_INET,
		.inode = 1,
	};

	return json_pack("{s:[o]}", "rows", answer(ask, &sk, words, count));
}

static json_t *ask_catalogue(void)
{
	static const char *const kinds[] = { "outcome", "fate", "finding" };
	json_t *rows = json_array();

	for (int rule = TCPDIAG_RULE_NONE + 1; rule < TCPDIAG_RULE_MAX; rule++) {
		const struct tcpdiag_rule_info *info = tcpdiag_rule_info(rule);

		json_array_append_new(rows, json_pack("{s:s, s:s, s:b, s:o}", "id", info->id,
						      "kind", kinds[info->kind], "kernel",
						      info->verified == TCPDIAG_VERIFIED_KERNEL,
						      "counter", name_or_null(info->counter)));
	}
	return json_pack("{s:o}", "rules", rows);
}

static json_t *ask_line(struct ask *ask, char *line)
{
	struct counters counters;
	uint16_t ports[2];
	char *words[WORDS_MAX];
	char *save = NULL;
	int count = 0;

	for (char *word = strtok_r(line, " \n", &save); word && count < WORDS_MAX;
	     word = strtok_r(NULL, " \n", &save))
		words[count++] = word;
	if (count == 0)
		return json_pack("{s:s}", "error", "nothing asked");
	if (strcmp(words[0], "catalogue") == 0)
		return ask_catalogue();
	if (counters_read(ask->counters, &counters, &ask->environment, ports) < 0)
		return json_pack("{s:s}", "error", "no counters");
	if (strcmp(words[0], "socket") == 0)
		return ask_socket(ask, words + 1, count - 1);
	if (strcmp(words[0], "blank") == 0)
		return ask_blank(ask, words + 1, count - 1);
	return json_pack("{s:s}", "error", "unknown question");
}

int main(void)
{
	struct ask ask = { 0 };
	struct stat netns;
	char *line = NULL;
	size_t size = 0;
	int r;

	if (stat("/proc/self/ns/net", &netns) < 0)
		return EXIT_FAILURE;
	r = sock_diag_open((uint32_t)netns.st_ino, &ask.diag);
	if (r == 0)
		r = counters_open(&ask.counters);
	if (r < 0)
		fprintf(stderr, "ask: %s\n", strerror(-r));
	while (r == 0 && getline(&line, &size, stdin) > 0) {
		json_t *reply = ask_line(&ask, line);

		json_dumpf(reply, stdout, JSON_COMPACT | JSON_SORT_KEYS);
		json_decref(reply);
		putchar('\n');
		fflush(stdout);
	}
	free(line);
	ask.counters = counters_free(ask.counters);
	ask.diag = sock_diag_free(ask.diag);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
