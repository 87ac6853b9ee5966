/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What ending something does: sums over hosts made by hand, pairs inside, doubts, and the routes that show it.
 */
#include "fixture.h"

#include "web/exit.h"
#include "web/owner_routes.h"
#include "web/owners.h"

static struct fixture f;

/* Everything is known of every socket, and all look the same from both sides. */
static void begin_known(void)
{
	struct record *records;
	uint32_t count, i;

	fixture_begin(&f);
	records = snapshot_writer_records(&f.w, &count);
	for (i = 0; i < count; i++) {
		records[i].sk.known |= FIXTURE_ALL_KNOWN;
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

	/* What it holds may be what a limit has cut. */
	begin_known();
	f.limits[LIMIT_SOCKETS] = 5;
	fixture_seal(&f);
	get("/units/nginx", 503);
	get("/processes/4711?expect=clean", 503);
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

/* Sockets that no holder is seen of are doubts where they may belong, and take no certainty from a no. */
START_TEST(strangers)
{
	struct process *processes;
	struct record *records;
	uint32_t count;
	json_t *json;

	/* One in the namespace: web has a reset of its own, the tool might. */
	begin_known();
	records = snapshot_writer_records(&f.w, &count);
	records[R_SHARED].holders = 0;
	records[R_SHARED].sk.rqueue = 10;
	fixture_seal(&f);
	json = get("/processes/100?expect=harmless", 409);
	ck_json_text(json, "detail",
		     "ending it now would not be harmless: 1 connection is reset while its peer "
		     "is open");
	ck_assert_uint_eq(json_array_size(fixture_at(json, "reasons")), 1);
	ck_json_false(json, "exit.certain");
	ck_json_null(json, "exit.harmless");
	ck_json_null(json, "exit.clean");
	ck_json_null(json, "exit.idle");
	ck_assert_uint_eq(json_array_size(fixture_at(json, "exit.uncertain_because")), 1);
	json_decref(json);
	json_decref(get("/processes/200?expect=harmless", 503));
	json_decref(get("/processes/200?expect=clean", 409));
	fixture_done(&f);

	/* One in another. */
	begin_known();
	records = snapshot_writer_records(&f.w, &count);
	records[R_SHARED].holders = 0;
	records[R_SHARED].sk.rqueue = 10;
	records[R_SHARED].sk.netns = FIXTURE_NETNS + 1;
	fixture_seal(&f);
	json = get("/processes/200?expect=harmless", 200);
	ck_json_true(json, "exit.certain");
	ck_json_int(json, "exit.unseen", 0);
	json_decref(json);
	/* Who holds something there may hold this, too. */
	records[R_DONE].sk.netns = FIXTURE_NETNS + 1;
	json_decref(get("/processes/200?expect=harmless", 503));
	json_decref(get("/containers/3f9c0a11?expect=harmless", 503));
	records[R_DONE].sk.netns = FIXTURE_NETNS;
	/* Who lives there, too; and one of whom nobody knows where. */
	processes = (struct process *)((char *)f.w.header +
				       f.w.header->sections[SECTION_PROCESSES].offset);
	processes[P_TOOL].netns = FIXTURE_NETNS + 1;
	json_decref(get("/processes/200?expect=harmless", 503));
	processes[P_TOOL].netns = 0;
	json_decref(get("/processes/200?expect=harmless", 503));
	fixture_done(&f);

	/* A holder that is not seen may keep it. */
	begin_known();
	records = snapshot_writer_records(&f.w, &count);
	records[R_LIVE].flags &= (uint8_t)~RECORD_OWNERS_KNOWN;
	fixture_seal(&f);
	json_decref(get("/processes/100?expect=harmless", 503));
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
	TCase *hosts = tcase_create("hosts");

	tcase_add_test(hosts, process);
	tcase_add_test(hosts, unit);
	tcase_add_test(hosts, unit_without_the_dead);
	tcase_add_test(hosts, lists);
	tcase_add_test(hosts, doubts);
	tcase_add_test(hosts, strangers);
	tcase_add_test(hosts, pairs_inside);
	tcase_add_test(hosts, waits);
	tcase_add_test(hosts, text);
	suite_add_tcase(s, hosts);
	return s;
}
