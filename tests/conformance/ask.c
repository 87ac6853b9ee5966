/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The oracle, asked line by line.
 *
 * A co-process of the conformance tests: it lives in a scenario's network namespace, reads one question
 * a line and prints one line of JSON. Sockets come from the kernel through the daemon's own reader of
 * NETLINK_SOCK_DIAG, surroundings through its reader of /proc, answers from the oracle itself: what is
 * compared with the kernel here is what the daemon would have said.
 *
 *   socket PROTOCOL ADDRESS PORT ADDRESS PORT [holders] [INPUT=VALUE...]   local, remote; port 0: any
 *   closed INODE [INPUT=VALUE...]   a socket that only a pass over all descriptors shows
 *   blank [INPUT=VALUE...]          the same where there is no such pass: all that is known is that it is closed
 *   reader                          what there is of BPF here, and what it lacks
 *   catalogue                       all rules
 *
 * PROTOCOL is tcp or mptcp. An answer holds "outcomes", what the oracle says of the row of sock_diag alone; with
 * any further word "read", where BPF has read the rest, as the daemon joins it; and "told", where INPUT words give linger (off,
 * forever, milliseconds), linger2 (milliseconds), repair (0, 1),
 * user_timeout or siblings. With "holders" every descriptor of the machine is looked at, more than once, for
 * references that are steady.
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
#include <unistd.h>

#include <tcpdiag/outcome.h>

#include "kernel/bpf.h"
#include "kernel/counters.h"
#include "kernel/sock_diag.h"
#include "model/macro.h"

#define WORDS_MAX 16
#define STEADY_READINGS 4
#define STEADY_PAUSE_US 3000
#define PROCESSES_MAX 64

struct ask {
	struct sock_diag *diag;
	struct bpf_reader *reader; /* NULL: none */
	int reader_error;
	uint32_t netns;
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
	json_t *array = json_array();

	for (int i = 0; i < TCPDIAG_INPUT_COUNT; i++)
		if (unknown & 1U << i)
			json_array_append_new(array, json_string(tcpdiag_input_name(1U << i)));
	return array;
}

static json_t *holding_json(const struct tcpdiag_outcome *outcome)
{
	json_t *array;

	if (!outcome->holding_known)
		return json_null();
	array = json_array();
	for (int i = 0; i < TCPDIAG_HOLDING_COUNT; i++)
		if (outcome->holding & 1U << i)
			json_array_append_new(array, json_string(tcpdiag_holding_name(1U << i)));
	return array;
}

static json_t *outcome_json(const struct tcpdiag_outcome *outcome)
{
	json_t *otherwise = json_array();

	for (int i = 0; i < outcome->otherwise_count; i++)
		json_array_append_new(
			otherwise, json_pack("{s:s, s:o}", "if", outcome->otherwise[i].condition,
					     "result", result_json(&outcome->otherwise[i].result)));
	return json_pack("{s:o, s:o, s:b, s:b, s:o, s:o}", "result", result_json(&outcome->result),
			 "holding", holding_json(outcome), "peer_finished", outcome->peer_finished,
			 "certain", outcome->certain, "unknown", unknown_json(outcome->unknown),
			 "otherwise", otherwise);
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

/* Null for what was not read. */
static json_t *known_or_null(const struct tcpdiag_socket *sk, uint32_t bit, int64_t value)
{
	return (sk->known & bit) ? json_integer(value) : json_null();
}

static json_t *settings_json(const struct tcpdiag_socket *sk)
{
	json_t *linger = json_null();

	if (sk->known & TCPDIAG_KNOWS_LINGER)
		linger = sk->linger ? milliseconds(sk->sk_lingertime_ms) : json_string("off");
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "linger", linger,
			 "linger2", known_or_null(sk, TCPDIAG_KNOWS_LINGER2, sk->linger2_ms),
			 "repair", known_or_null(sk, TCPDIAG_KNOWS_REPAIR, sk->repair),
			 "user_timeout",
			 known_or_null(sk, TCPDIAG_KNOWS_USER_TIMEOUT, sk->user_timeout_ms),
			 "out_of_order", known_or_null(sk, TCPDIAG_KNOWS_OFO, sk->out_of_order),
			 "error", known_or_null(sk, TCPDIAG_KNOWS_ERROR, sk->sk_err), "references",
			 known_or_null(sk, TCPDIAG_KNOWS_REFERENCES, sk->references), "descriptors",
			 known_or_null(sk, TCPDIAG_KNOWS_DESCRIPTORS, sk->descriptors), "processes",
			 known_or_null(sk, TCPDIAG_KNOWS_DESCRIPTORS, sk->processes), "siblings",
			 known_or_null(sk, TCPDIAG_KNOWS_SIBLINGS, sk->siblings));
}

/* ---- what BPF reads ---- */

struct holders {
	int32_t pids[PROCESSES_MAX];
	uint16_t processes;
	uint16_t descriptors;
	struct socket_settings settings;
	struct tcpdiag_socket closed; /* where sock_diag has no row */
};

static void count_holder(struct holders *holders, const struct descriptor *row)
{
	holders->descriptors++;
	holders->settings = row->settings;
	for (int i = 0; i < holders->processes; i++)
		if (holders->pids[i] == row->pid)
			return;
	if (holders->processes < PROCESSES_MAX)
		holders->pids[holders->processes++] = row->pid;
}

/* One pass over all descriptors. Return: how many refer to @inode; -errno. */
static int find_holders(struct ask *ask, uint32_t inode, struct holders *ret)
{
	struct tcpdiag_socket closed;
	struct descriptor row;
	int r;

	*ret = (struct holders){ 0 };
	r = descriptors_begin(ask->reader);
	while (r == 0 && (r = descriptors_next(ask->reader, &row, &closed)) == 1) {
		r = 0;
		if (row.inode != inode || row.netns != ask->netns)
			continue;
		count_holder(ret, &row);
		if (row.state == TCPDIAG_CLOSE)
			ret->closed = closed;
	}
	return r < 0 ? r : ret->descriptors;
}

static void apply_holders(const struct holders *holders, struct tcpdiag_socket *sk)
{
	settings_apply(&holders->settings, sk);
	sk->known |= TCPDIAG_KNOWS_DESCRIPTORS;
	sk->descriptors = holders->descriptors;
	sk->processes = holders->processes;
}

/*
 * As the daemon joins them: who holds it in this pass; with @steady references that several passes have
 * seen. Return: 1; 0 where nobody has it; -errno.
 */
static int read_holders(struct ask *ask, struct tcpdiag_socket *sk, bool steady)
{
	struct holders holders;
	uint32_t references;
	int r;

	r = find_holders(ask, sk->inode, &holders);
	if (r <= 0)
		return r;
	references = holders.settings.references;
	for (int i = 0; steady && i < STEADY_READINGS; i++) {
		r = find_holders(ask, sk->inode, &holders);
		if (r <= 0)
			return r;
		/* A pass holds what it looks at for a moment, and other scenarios have theirs. */
		references = MIN(references, holders.settings.references);
		if (references <= holders.descriptors)
			break;
		usleep(STEADY_PAUSE_US);
	}
	apply_holders(&holders, sk);
	if (steady && sk->known & TCPDIAG_KNOWS_REFERENCES)
		sk->steady_references = references;
	return 1;
}

/* Return: 1 where something was read; 0; -errno. */
static int read_settings(struct ask *ask, struct tcpdiag_socket *sk, bool holders)
{
	const struct tcpdiag_socket *asked = sk;
	struct socket_settings settings;
	int found = 0;

	if (!ask->reader)
		return 0;
	if (bpf_reader_has_look_up(ask->reader)) {
		found = settings_look_up(ask->reader, &asked, 1, &settings);
		if (found == 1)
			settings_apply(&settings, sk);
	}
	/* What cannot be looked up by its ends, a pass over the descriptors shows. */
	if ((holders || found == 0) && sk->inode && bpf_reader_has_descriptors(ask->reader)) {
		int r = read_holders(ask, sk, holders);

		return r < 0 ? r : found || r;
	}
	return found;
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
	} else if (strncmp(word, "user_timeout=", 13) == 0) {
		sk->known |= TCPDIAG_KNOWS_USER_TIMEOUT;
		sk->user_timeout_ms = (uint32_t)strtoul(value, NULL, 10);
	} else if (strncmp(word, "siblings=", 9) == 0) {
		sk->known |= TCPDIAG_KNOWS_SIBLINGS;
		sk->siblings = (uint16_t)strtoul(value, NULL, 10);
	} else {
		return false;
	}
	return true;
}

static json_t *answer(struct ask *ask, const struct tcpdiag_socket *sk, char **inputs, int count)
{
	struct tcpdiag_socket told = *sk, read = *sk;
	bool holders = count > 0 && strcmp(inputs[0], "holders") == 0;
	json_t *object = socket_json(sk);
	int r = count > 0 ? read_settings(ask, &read, holders) : 0;

	inputs += holders;
	count -= holders;
	if (r < 0)
		json_object_set_new(object, "error", json_string(strerrorname_np(-r)));
	if (r > 0) {
		json_object_set_new(object, "read", outcomes_json(ask, &read));
		json_object_set_new(object, "read_fate", fate_json(ask, &read));
		json_object_set_new(object, "settings", settings_json(&read));
	}
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

/* The same, found through its descriptor: as much as the kernel has of it. */
static json_t *ask_closed(struct ask *ask, char **words, int count)
{
	struct tcpdiag_socket sk;
	struct holders holders;
	int r;

	if (count < 1 || !ask->reader || !bpf_reader_has_descriptors(ask->reader))
		return json_pack("{s:s}", "error", "no pass over the descriptors");
	r = find_holders(ask, (uint32_t)strtoul(words[0], NULL, 10), &holders);
	if (r < 0)
		return json_pack("{s:s}", "error", strerrorname_np(-r));
	if (r == 0 || holders.closed.state != TCPDIAG_CLOSE)
		return json_pack("{s:[]}", "rows");
	sk = holders.closed;
	/* "blind" is what is known without the settings. */
	sk.known &= ~(TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_LINGER2 | TCPDIAG_KNOWS_REPAIR);
	return json_pack("{s:[o]}", "rows", answer(ask, &sk, words + 1, count - 1));
}

static json_t *ask_reader(const struct ask *ask)
{
	return json_pack("{s:b, s:b, s:s}", "look_up",
			 ask->reader && bpf_reader_has_look_up(ask->reader), "descriptors",
			 ask->reader && bpf_reader_has_descriptors(ask->reader), "lacks",
			 bpf_reader_lacks(ask->reader, ask->reader_error));
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
	uint32_t reserved;
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
	if (counters_read(ask->counters, &counters, &ask->environment, ports, &reserved) < 0)
		return json_pack("{s:s}", "error", "no counters");
	if (strcmp(words[0], "socket") == 0)
		return ask_socket(ask, words + 1, count - 1);
	if (strcmp(words[0], "closed") == 0)
		return ask_closed(ask, words + 1, count - 1);
	if (strcmp(words[0], "reader") == 0)
		return ask_reader(ask);
	if (strcmp(words[0], "blank") == 0)
		return ask_blank(ask, words + 1, count - 1);
	return json_pack("{s:s}", "error", "unknown question");
}

int main(int argc, char **argv)
{
	struct ask ask = { 0 };
	struct stat netns;
	char *line = NULL;
	size_t size = 0;
	int r;

	if (stat("/proc/self/ns/net", &netns) < 0)
		return EXIT_FAILURE;
	ask.netns = (uint32_t)netns.st_ino;
	ask.reader_error = argc > 1 && strcmp(argv[1], "--no-bpf") == 0
				   ? -EOPNOTSUPP
				   : bpf_reader_new(&ask.reader);
	r = sock_diag_open(ask.netns, &ask.diag);
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
	ask.reader = bpf_reader_free(ask.reader);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
