/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What ending something does: sums over hosts made by hand, pairs inside, doubts, and the routes that show it.
 */
#include "fixture.h"

#include "web/exit.h"
#include "web/owner_routes.h"
#include "web/owners.h"

#define ALL_KNOWN \
	(TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_LINGER2 | TCPDIAG_KNOWS_REPAIR | \
	 TCPDIAG_KNOWS_USER_TIMEOUT | TCPDIAG_KNOWS_INFO | TCPDIAG_KNOWS_BYTES | \
	 TCPDIAG_KNOWS_NOTSENT | TCPDIAG_KNOWS_SND_WND)

/* ---- the sums and the verdict ---- */

/* One end: its state, what is unread (FIN included), what is not sent, linger 0. */
struct end {
	uint8_t state;
	uint32_t unread, unsent;
	bool zero;
};

static struct tcpdiag_socket socket_of(struct end end)
{
	return (struct tcpdiag_socket){
		.state = end.state,
		.attachment = TCPDIAG_HELD,
		.known = ALL_KNOWN,
		.rqueue = end.unread,
		.wqueue = end.unsent,
		.notsent_bytes = end.unsent,
		.snd_wnd = end.unsent ? 0 : 65535,
		.linger = end.zero,
		.rto_us = 204000,
	};
}

static const struct tcpdiag_environment environment = {
	.known = TCPDIAG_ENV_FIN_TIMEOUT | TCPDIAG_ENV_ORPHAN_RETRIES | TCPDIAG_ENV_ORPHANS,
	.tcp_fin_timeout = 60,
	.tcp_max_orphans = 8192,
};

#define EST TCPDIAG_ESTABLISHED

/* The one that is closed first, the other; what both send. Measured on a kernel 6.18. */
static const struct {
	struct end first, second;
	int open, finished, fin, none, unread, unsent, orphans;
} pairs[] = {
	{ { EST }, { EST }, 0, 0, 2, 0, 0, 0, 0 },
	/* A RST leaves nothing to say. */
	{ { EST, 10 }, { EST }, 1, 0, 0, 1, 10, 0, 0 },
	{ { EST, 10 }, { EST, 20 }, 1, 0, 0, 1, 10, 0, 0 },
	{ { EST, .zero = true }, { EST, 20 }, 1, 0, 0, 1, 0, 0, 0 },
	/* The FIN has come before the RST. */
	{ { EST }, { EST, 20 }, 0, 1, 1, 0, 20, 0, 0 },
	{ { EST }, { EST, .zero = true }, 0, 1, 1, 0, 0, 0, 0 },
	/* What the first has not sent stands before its FIN: the second resets it with all that. */
	{ { EST, .unsent = 500 }, { EST, 20 }, 1, 0, 0, 1, 20, 500, 0 },
	/* What the second has not sent goes with the first one's RST. */
	{ { EST, 20 }, { EST, .unsent = 500 }, 1, 0, 0, 1, 20, 500, 0 },
	{ { EST, .unsent = 500 }, { EST }, 0, 0, 2, 0, 0, 0, 2 },
	/* Half closed before. */
	{ { TCPDIAG_FIN_WAIT2 }, { TCPDIAG_CLOSE_WAIT, 1 }, 0, 0, 1, 1, 0, 0, 0 },
	{ { TCPDIAG_CLOSE_WAIT, 1 }, { TCPDIAG_FIN_WAIT2 }, 0, 0, 1, 1, 0, 0, 0 },
	{ { TCPDIAG_CLOSE_WAIT, 1 }, { TCPDIAG_FIN_WAIT2, 7 }, 0, 0, 1, 1, 0, 0, 0 },
	{ { TCPDIAG_FIN_WAIT2, 7 }, { TCPDIAG_CLOSE_WAIT, 1 }, 1, 0, 0, 1, 7, 0, 0 },
	{ { TCPDIAG_FIN_WAIT2 }, { TCPDIAG_CLOSE_WAIT, 8 }, 0, 1, 0, 1, 7, 0, 0 },
};

START_TEST(pair)
{
	struct record a = { .sk = socket_of(pairs[_i].first) };
	struct record b = { .sk = socket_of(pairs[_i].second) };
	const struct exit_end first = { .record = &a }, second = { .record = &b };
	struct exit_sums sums;

	exit_pair(&first, &second, &environment, &sums);
	ck_assert_int_eq(sums.count[EXIT_RST_PEER_OPEN], pairs[_i].open);
	ck_assert_int_eq(sums.count[EXIT_RST_PEER_FINISHED], pairs[_i].finished);
	ck_assert_int_eq(sums.count[EXIT_FIN], pairs[_i].fin);
	ck_assert_int_eq(sums.count[EXIT_NONE], pairs[_i].none);
	ck_assert_int_eq(sums.count[EXIT_UNREAD_BYTES], pairs[_i].unread);
	ck_assert_int_eq(sums.count[EXIT_UNSENT_BYTES], pairs[_i].unsent);
	ck_assert_int_eq(sums.count[EXIT_ORPHANS], pairs[_i].orphans);
	ck_assert_int_eq(sums.count[EXIT_PAIRS], 1);
}
END_TEST

/* A client of its own queue: whoever goes first, one RST or none. */
START_TEST(queued)
{
	struct record a = { .sk = socket_of((struct end){ EST }) }, b = a;
	const struct exit_end client = { .record = &a };
	const struct exit_end child = { .record = &b, .queued = true };
	struct exit_sums sums;

	b.sk.attachment = TCPDIAG_UNACCEPTED;
	exit_pair(&child, &client, &environment, &sums);
	ck_assert_int_eq(sums.count[EXIT_NONE], 1);
	ck_assert_int_eq(sums.count[EXIT_LISTENER_RESETS], 0);
	exit_pair(&client, &child, &environment, &sums);
	ck_assert_int_eq(sums.count[EXIT_FIN], 1);
	ck_assert_int_eq(sums.count[EXIT_LISTENER_RESETS], 0);
	/* The listener counts a child that the client has reset: that one gets nothing. */
	a.sk.linger = true;
	exit_pair(&client, &child, &environment, &sums);
	ck_assert_int_eq(sums.count[EXIT_RST_PEER_OPEN], 1);
	ck_assert_int_eq(sums.count[EXIT_LISTENER_RESETS], -1);
}
END_TEST

/* What is counted, and what becomes of clean, harmless and idle: yes 0, no 1, not known 2. */
static const struct {
	enum exit_count count;
	int clean, harmless, idle;
} verdicts[] = {
	{ EXIT_FIN, 0, 0, 0 },
	{ EXIT_NONE, 0, 0, 0 },
	{ EXIT_SURVIVE, 0, 0, 0 },
	{ EXIT_UNSEEN, 0, 0, 0 },
	{ EXIT_ORPHANS, 0, 0, 0 },
	{ EXIT_RST_PEER_OPEN, 1, 1, 1 },
	{ EXIT_RST_PEER_FINISHED, 1, 0, 0 },
	{ EXIT_LISTENER_RESETS, 1, 1, 1 },
	{ EXIT_UNREAD_BYTES, 1, 0, 0 },
	{ EXIT_UNSENT_BYTES, 1, 1, 1 },
	{ EXIT_UNANSWERED, 0, 0, 1 },
	{ EXIT_DOUBT_INPUT, 2, 2, 2 },
	{ EXIT_DOUBT_HOLDERS, 2, 2, 2 },
	{ EXIT_DOUBT_ORDER, 2, 2, 2 },
	{ EXIT_DOUBT_NAMESPACE, 2, 2, 2 },
	{ EXIT_DOUBT_SOURCE, 2, 2, 2 },
	{ EXIT_DOUBT_ANSWERS, 0, 0, 2 },
};

START_TEST(verdict)
{
	struct exit_sums sums = {};

	sums.count[verdicts[_i].count] = 3;
	ck_assert_int_eq(exit_expected(&sums, EXPECT_NOTHING), EXIT_ANSWER_YES);
	ck_assert_int_eq(exit_expected(&sums, EXPECT_CLEAN), verdicts[_i].clean);
	ck_assert_int_eq(exit_expected(&sums, EXPECT_HARMLESS), verdicts[_i].harmless);
	ck_assert_int_eq(exit_expected(&sums, EXPECT_IDLE), verdicts[_i].idle);
	/* That it is not idle is known, whatever else is not. */
	sums.count[EXIT_UNANSWERED] = 1;
	ck_assert_int_eq(exit_expected(&sums, EXPECT_IDLE), verdicts[_i].clean == 2 ? 2 : 1);
}
END_TEST

START_TEST(unanswered)
{
	static const struct {
		uint8_t direction, state;
		uint64_t received, sent;
		uint32_t recv_ms, send_ms;
		int count;
	} rows[] = {
		{ DIRECTION_INBOUND, EST, 10, 10, 5, 100, 1 },
		{ DIRECTION_INBOUND, EST, 10, 10, 100, 5, 0 },
		{ DIRECTION_INBOUND, EST, 10, 0, 100, 100, 1 },
		{ DIRECTION_INBOUND, EST, 0, 10, 5, 100, 0 },
		{ DIRECTION_OUTBOUND, EST, 10, 10, 5, 100, 0 },
		{ DIRECTION_INBOUND, TCPDIAG_CLOSE_WAIT, 1, 0, 5, 5, 0 },
		{ DIRECTION_INBOUND, TCPDIAG_CLOSE_WAIT, 11, 0, 5, 5, 1 },
		{ DIRECTION_INBOUND, TCPDIAG_FIN_WAIT2, 10, 10, 5, 100, 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tcpdiag_socket sk = socket_of((struct end){ rows[i].state });
		struct exit_sums sums = {};

		sk.bytes_received = rows[i].received;
		sk.bytes_sent = rows[i].sent;
		sk.last_data_recv_ms = rows[i].recv_ms;
		sk.last_data_sent_ms = rows[i].send_ms;
		exit_add(&sums, &sk, rows[i].direction, &environment);
		ck_assert_msg(sums.count[EXIT_UNANSWERED] == rows[i].count, "row %zu", i);
		ck_assert_int_eq(sums.count[EXIT_DOUBT_ANSWERS], 0);
		sk.known &= ~(uint32_t)TCPDIAG_KNOWS_INFO;
		exit_add(&sums, &sk, rows[i].direction, &environment);
		ck_assert_int_eq(sums.count[EXIT_DOUBT_ANSWERS],
				 rows[i].direction == DIRECTION_INBOUND &&
					 rows[i].state != TCPDIAG_FIN_WAIT2);
	}
}
END_TEST

/* ---- hosts ---- */

static struct fixture f;

/* Everything is known of every socket, and all look the same from both sides. */
static void begin_known(void)
{
	struct record *records;
	uint32_t count, i;

	fixture_begin(&f);
	records = snapshot_writer_records(&f.w, &count);
	for (i = 0; i < count; i++) {
		records[i].sk.known |= ALL_KNOWN;
		records[i].sk.snd_wnd = 65535;
		records[i].direction = DIRECTION_OUTBOUND;
	}
}

static json_t *get(const char *path, int status)
{
	const char *argument;
	const struct route *route;
	struct problem problem = {};
	struct request request = {};
	char plain[128], *text;
	const char *query = strchr(path, '?');
	json_t *json;

	snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(path, "?"), path);
	route = route_find(plain, &argument);
	ck_assert_ptr_nonnull(route);
	request.path = plain;
	request.argument = argument;
	text = fixture_get(&f, route->handler, query ? query + 1 : "", &request, &problem);
	if (!text) {
		ck_assert_msg((int)problem.status == status, "%s: %u %s", path, problem.status,
			      problem.detail);
		return NULL;
	}
	json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(json, "%s", text);
	free(text);
	ck_assert_int_eq(json_is_integer(json_object_get(json, "status"))
				 ? json_integer_value(json_object_get(json, "status"))
				 : 200,
			 status);
	return json;
}

#define ck_json_true(json, path) ck_assert_msg(json_is_true(fixture_at(json, path)), "%s", path)
#define ck_json_false(json, path) ck_assert_msg(json_is_false(fixture_at(json, path)), "%s", path)

START_TEST(process)
{
	json_t *json;

	begin_known();
	fixture_seal(&f);
	/* Alone the web process has one connection; its listener is the worker's, too. */
	json = get("/processes/100", 200);
	ck_json_int(json, "pid", 100);
	ck_json_text(json, "comm", "web");
	ck_json_text(json, "unit", "web.service");
	ck_json_null(json, "container");
	ck_json_null(json, "closed");
	ck_json_int(json, "sockets.established", 1);
	ck_json_int(json, "sockets.listening", 1);
	ck_json_int(json, "sockets.close-wait", 0);
	ck_json_int(json, "exit.rst", 1);
	ck_json_int(json, "exit.rst_peer_open", 1);
	ck_json_int(json, "exit.rst_peer_finished", 0);
	ck_json_int(json, "exit.unread_bytes", 510);
	ck_json_int(json, "exit.survive", 1);
	ck_json_int(json, "exit.listener_resets", 0);
	ck_json_true(json, "exit.certain");
	ck_json_false(json, "exit.clean");
	ck_json_false(json, "exit.harmless");
	ck_assert_ptr_nonnull(json_string_value(fixture_at(json, "started")));
	json_decref(json);
	json = get("/processes/200", 200);
	ck_json_int(json, "exit.rst_peer_finished", 1);
	ck_json_int(json, "exit.unread_bytes", 31);
	ck_json_int(json, "exit.survive", 1);
	ck_json_false(json, "exit.clean");
	ck_json_true(json, "exit.harmless");
	ck_json_true(json, "exit.idle");
	ck_json_text(json, "container.id", "3f9c0a11");
	json_decref(json);
	json_decref(get("/processes/200?expect=harmless", 200));
	json = get("/processes/200?expect=clean", 409);
	ck_json_text(json, "detail",
		     "ending it now would not be clean: 1 connection is reset whose peer has "
		     "finished; 31 unread bytes are lost");
	ck_assert_uint_eq(json_array_size(fixture_at(json, "reasons")), 2);
	ck_json_int(json, "exit.rst", 1);
	ck_json_int(json, "snapshot.id", 42);
	json_decref(json);
	fixture_done(&f);
}
END_TEST

/* A process that has ended is remembered for what it has left, and is none of the unit's any more. */
START_TEST(unit_without_the_dead)
{
	struct process *processes;
	json_t *json;

	begin_known();
	processes = (struct process *)((char *)f.w.header +
				       f.w.header->sections[SECTION_PROCESSES].offset);
	memset(processes[P_WEB].sockets, 0, sizeof(processes[P_WEB].sockets));
	fixture_seal(&f);
	json = get("/units/web", 200);
	ck_json_int(json, "pids.0", 101);
	ck_assert_uint_eq(json_array_size(fixture_at(json, "pids")), 1);
	json_decref(json);
	fixture_done(&f);
}
END_TEST

START_TEST(unit)
{
	struct record *records;
	uint32_t count;
	json_t *json;

	begin_known();
	records = snapshot_writer_records(&f.w, &count);
	records[R_LISTENER].sk.known |= TCPDIAG_KNOWS_CHILDREN;
	records[R_LISTENER].sk.children = 2;
	fixture_seal(&f);
	json = get("/units/web", 200);
	ck_json_text(json, "name", "web.service");
	ck_json_int(json, "pids.0", 100);
	ck_json_int(json, "pids.1", 101);
	ck_assert_uint_eq(json_array_size(fixture_at(json, "pids")), 2);
	/* Both its processes hold the listener: it ends. One of the three in its queue is dead. */
	ck_json_int(json, "exit.listener_resets", 2);
	ck_json_int(json, "exit.survive", 1);
	ck_json_int(json, "exit.rst", 1);
	json_decref(json);
	json_decref(get("/units/web.service?expect=idle", 409));
	get("/units/we", 404);
	get("/units/nginx?expect=clean", 404);
	get("/processes/0", 400);
	get("/processes/web", 400);
	get("/processes/300", 404);
	get("/units/web?expect=tidy", 400);
	get("/units/web?within=3s", 400);
	get("/units/web?expect=clean&within=3", 400);
	get("/units/web?expect=clean&within=301s", 400);
	json_decref(get("/units/web?expect=clean&within=300s", 409));
	json = get("/containers/3f9c0a11", 200);
	ck_json_text(json, "name", "3f9c0a11");
	ck_json_text(json, "container.id", "3f9c0a11");
	ck_json_text(json, "container.name", "envoy");
	ck_json_text(json, "container.pod", "api-7d9f-x2");
	ck_json_text(json, "container.namespace", "payments");
	ck_json_int(json, "pids.0", 200);
	json_decref(json);
	json_decref(get("/containers/envoy", 200));
	json_decref(get("/containers/api-7d9f-x2", 200));
	get("/containers/3f9c", 404);
	get("/containers/env", 404);
	fixture_done(&f);
}
END_TEST

START_TEST(lists)
{
	json_t *json;

	fixture_default(&f);
	json = get("/processes", 200);
	ck_json_int(json, "matched", 3);
	ck_json_int(json, "processes.0.pid", 100);
	ck_json_int(json, "processes.2.pid", 200);
	json_decref(json);
	json = get("/processes?limit=1&after=100&fields=pid,exit.rst", 200);
	ck_json_int(json, "processes.0.pid", 101);
	ck_json_text(json, "next", "101");
	ck_assert_uint_eq(json_object_size(fixture_at(json, "processes.0")), 2);
	json_decref(json);
	json = get("/units", 200);
	ck_json_int(json, "returned", 1);
	ck_json_text(json, "units.0.name", "web.service");
	json_decref(json);
	json = get("/units?after=web.service", 200);
	ck_json_int(json, "matched", 1);
	ck_json_int(json, "returned", 0);
	json_decref(json);
	json = get("/containers", 200);
	ck_json_text(json, "containers.0.name", "3f9c0a11");
	json_decref(json);
	get("/processes?after=x", 400);
	fixture_done(&f);
}
END_TEST

/* Nothing is guessed. */
START_TEST(doubts)
{
	struct record *records;
	uint32_t count;
	json_t *json;

	/* No reader of settings. */
	fixture_default(&f);
	json = get("/processes/100", 200);
	ck_json_false(json, "exit.certain");
	ck_json_null(json, "exit.clean");
	ck_json_null(json, "exit.harmless");
	ck_json_null(json, "exit.idle");
	ck_assert_uint_eq(json_array_size(fixture_at(json, "exit.uncertain_because")), 1);
	json_decref(json);
	json_decref(get("/processes/100?expect=harmless", 503));
	fixture_done(&f);

	/* A stranger that would be reset may be anybody's. */
	begin_known();
	records = snapshot_writer_records(&f.w, &count);
	records[R_LIVE].holders = 0;
	fixture_seal(&f);
	json = get("/processes/200", 200);
	ck_json_false(json, "exit.certain");
	json_decref(json);
	fixture_done(&f);

	/* One that came in through a listener is not the tool's. */
	begin_known();
	records = snapshot_writer_records(&f.w, &count);
	records[R_LIVE].holders = 0;
	records[R_LIVE].direction = DIRECTION_INBOUND;
	records[R_LIVE].listener = R_LISTENER;
	fixture_seal(&f);
	json = get("/processes/200", 200);
	ck_json_true(json, "exit.certain");
	json_decref(json);
	json = get("/units/web", 200);
	ck_json_false(json, "exit.certain");
	json_decref(json);
	fixture_done(&f);

	/* One that would end cleanly is counted. */
	begin_known();
	records = snapshot_writer_records(&f.w, &count);
	records[R_LIVE].holders = 0;
	records[R_LIVE].sk.rqueue = 0;
	fixture_seal(&f);
	json = get("/processes/200", 200);
	ck_json_true(json, "exit.certain");
	ck_json_int(json, "exit.unseen", 1);
	json_decref(json);
	fixture_done(&f);

	/* Nobody knows who holds what; sockets are missing. */
	begin_known();
	fixture_source(&f, SOURCE_PROCESSES)->state = SOURCE_FAILED;
	fixture_seal(&f);
	get("/processes/200", 503);
	get("/units", 503);
	fixture_done(&f);
	begin_known();
	fixture_source(&f, SOURCE_SOCK_DIAG)->state = SOURCE_DEGRADED;
	fixture_seal(&f);
	json_decref(get("/processes/200?expect=harmless", 503));
	fixture_done(&f);
}
END_TEST

/* Two ends of one connection, held by the given rows of holders. */
static void add_pair(uint32_t one, uint32_t two, uint32_t unread)
{
	struct record *records;
	uint32_t count;

	begin_known();
	records = snapshot_writer_records(&f.w, &count);
	records[R_LIVE].sk.rqueue = unread;
	records[R_DONE].sk = records[R_LIVE].sk;
	records[R_DONE].sk.cookie = 0x9999;
	records[R_DONE].sk.rqueue = 0;
	memcpy(records[R_DONE].sk.local, records[R_LIVE].sk.remote, 16);
	memcpy(records[R_DONE].sk.remote, records[R_LIVE].sk.local, 16);
	records[R_DONE].sk.local_port = records[R_LIVE].sk.remote_port;
	records[R_DONE].sk.remote_port = records[R_LIVE].sk.local_port;
	fixture_held(&records[R_LIVE], one, 1);
	fixture_held(&records[R_DONE], two, 1);
	records[R_LISTENER].sk.rqueue = 0;
	records[R_WAITING].sk.remote_port = records[R_SHARED].sk.remote_port = 50001;
	records[R_ORPHAN].sk.remote_port = 50001;
	fixture_seal(&f);
}

START_TEST(pairs_inside)
{
	json_t *json;

	/* Both are the web process's; which descriptor is higher is the same for both. */
	add_pair(0, 0, 0);
	json = get("/processes/100", 200);
	ck_json_int(json, "exit.pairs", 1);
	ck_json_int(json, "exit.fin", 2);
	ck_json_int(json, "exit.orphans", 0);
	json_decref(json);
	fixture_done(&f);

	/* In two processes with equal ends the order does not matter. */
	add_pair(0, 1, 0);
	json = get("/units/web", 200);
	ck_json_int(json, "exit.pairs", 1);
	ck_json_true(json, "exit.certain");
	json_decref(json);
	/* For one of them it is a connection as any other. */
	json = get("/processes/100", 200);
	ck_json_int(json, "exit.pairs", 0);
	ck_json_int(json, "exit.fin", 1);
	json_decref(json);
	fixture_done(&f);

	/* With unread data it does. */
	add_pair(0, 1, 10);
	json = get("/units/web", 200);
	ck_json_int(json, "exit.pairs", 1);
	ck_json_int(json, "exit.rst", 1);
	ck_json_false(json, "exit.certain");
	ck_json_null(json, "exit.harmless");
	json_decref(json);
	json_decref(get("/units/web?expect=harmless", 503));
	fixture_done(&f);
}
END_TEST

/* A handler that may wait says until when, and only where waiting could help. */
START_TEST(waits)
{
	struct parameter parameters[] = { { "expect", "clean" }, { "within", "30s" } };
	struct query query = { .count = 2 };
	struct problem problem = {};
	struct document *document;
	int64_t until_ns = 0;
	struct request request = {
		.path = "/processes/200",
		.argument = "200",
		.query = &query,
		.query_text = "",
		.accept = "",
		.snapshot = &f.snapshot,
		.now_ns = FIXTURE_NOW,
		.began_ns = FIXTURE_NOW,
		.until_ns = &until_ns,
	};

	memcpy(query.parameters, parameters, sizeof(parameters));
	begin_known();
	fixture_seal(&f);
	ck_assert_int_eq(process_route(&request, &document, &problem), -EAGAIN);
	ck_assert_int_eq(until_ns, FIXTURE_NOW + 30 * NSEC_PER_SEC);
	request.now_ns = until_ns;
	ck_assert_int_eq(process_route(&request, &document, &problem), 0);
	ck_assert_uint_eq(document->status, 409);
	document_free(document);
	request.now_ns = FIXTURE_NOW;
	query.parameters[0].value = "harmless";
	ck_assert_int_eq(process_route(&request, &document, &problem), 0);
	ck_assert_uint_eq(document->status, 200);
	document_free(document);
	query.parameters[0].value = "clean";
	request.until_ns = NULL;
	ck_assert_int_eq(process_route(&request, &document, &problem), 0);
	document_free(document);
	fixture_done(&f);
}
END_TEST

START_TEST(text)
{
	const struct owner_query query = { .kind = OWNER_UNIT, .name = "web" };
	struct problem problem = {};
	struct document *document;
	struct exit_sums sums;
	struct buffer b = {};

	begin_known();
	fixture_seal(&f);
	ck_assert_int_eq(owner_document(&f.snapshot, &query, true, 80, FIXTURE_NOW, FIXTURE_WALL,
					&document, &sums, &problem),
			 0);
	ck_assert_int_eq(sums.count[EXIT_RST_PEER_OPEN], 1);
	ck_assert_int_eq(document->more(document, &b), 0);
	buffer_char(&b, '\0');
	ck_assert_msg(strstr(b.data, "web.service (2 processes)"), "%s", b.data);
	ck_assert_msg(strstr(b.data, "RST 1 (peer open 1, finished 0), FIN 0"), "%s", b.data);
	ck_assert_msg(strstr(b.data, "clean: no; harmless: no; idle: no"), "%s", b.data);
	ck_assert_ptr_nonnull(strstr(b.data, "1 connection is reset while its peer is open"));
	buffer_done(&b);
	document_free(document);
	fixture_done(&f);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("exit");
	TCase *sums = tcase_create("sums"), *hosts = tcase_create("hosts");

	tcase_add_loop_test(sums, pair, 0, ARRAY_SIZE(pairs));
	tcase_add_test(sums, queued);
	tcase_add_loop_test(sums, verdict, 0, ARRAY_SIZE(verdicts));
	tcase_add_test(sums, unanswered);
	tcase_add_test(hosts, process);
	tcase_add_test(hosts, unit);
	tcase_add_test(hosts, unit_without_the_dead);
	tcase_add_test(hosts, lists);
	tcase_add_test(hosts, doubts);
	tcase_add_test(hosts, pairs_inside);
	tcase_add_test(hosts, waits);
	tcase_add_test(hosts, text);
	suite_add_tcase(s, sums);
	suite_add_tcase(s, hosts);
	return s;
}
