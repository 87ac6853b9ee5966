/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A host made up for the documents' tests, and what calls a handler and reads its answer.
 *
 * Unit web.service has two processes (100, 101), `tool` (200) has no unit. There are listeners, a connection
 * that close() resets while its peer is open, one whose peer has finished, one of both processes of the
 * unit, an orphan of the tool's, and three findings. Nothing in it is special: tests change what they need.
 */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "../harness.h"
#include "model/macro.h"
#include "model/snapshot.h"
#include "web/route.h"

#define FIXTURE_NOW (1000 * NSEC_PER_SEC)
#define FIXTURE_WALL (1763870400LL * NSEC_PER_SEC) /* 2025-11-23T04:00:00Z */
#define FIXTURE_NETNS 4026531840U
/* What an outcome may hang on. */
#define FIXTURE_ALL_KNOWN \
	(TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_LINGER2 | TCPDIAG_KNOWS_REPAIR | \
	 TCPDIAG_KNOWS_USER_TIMEOUT | TCPDIAG_KNOWS_INFO | TCPDIAG_KNOWS_BYTES | \
	 TCPDIAG_KNOWS_NOTSENT | TCPDIAG_KNOWS_SND_WND)

enum fixture_record { R_LISTENER, R_LIVE, R_DONE, R_SHARED, R_ORPHAN, R_WAITING, R_MAX };
enum fixture_process { P_WEB, P_WORKER, P_TOOL, P_MAX };

struct fixture {
	struct snapshot_writer w;
	void *block;
	size_t size;
	uint64_t limits[LIMIT_MAX];
	struct finding findings[16];
	uint32_t finding_count;
	struct snapshot snapshot;
	struct web_statistics statistics;
	struct channel_settings settings;
	const struct journal_view *journal; /* NULL: none has come */
};

static inline void *fixture_grow(void *context, size_t size)
{
	struct fixture *f = context;
	void *block;

	ck_assert_int_eq(posix_memalign(&block, 64, size), 0);
	memset(block, 0, size);
	if (f->block)
		memcpy(block, f->block, f->size);
	free(f->block);
	f->block = block;
	f->size = size;
	return block;
}

static inline uint32_t fixture_string(struct fixture *f, const char *text)
{
	return snapshot_string(&f->w, text, strlen(text));
}

static inline struct record *fixture_record(struct fixture *f, uint8_t state, uint8_t attachment)
{
	struct record *record = snapshot_add(&f->w);
	struct tcpdiag_socket *sk = &record->sk;
	uint32_t count;

	snapshot_writer_records(&f->w, &count);
	sk->cookie = 0x1000 + count;
	sk->netns = FIXTURE_NETNS;
	sk->state = state;
	sk->attachment = attachment;
	sk->family = AF_INET;
	sk->local[10] = sk->local[11] = sk->remote[10] = sk->remote[11] = 0xff;
	memcpy(sk->local + 12, (uint8_t[]){ 10, 0, 0, 1 }, 4);
	memcpy(sk->remote + 12, (uint8_t[]){ 192, 0, 2, 7 }, 4);
	sk->local_port = 443;
	sk->remote_port = state == TCPDIAG_LISTEN ? 0 : 50000;
	record->seen_ns = FIXTURE_NOW;
	record->state_since_ns = FIXTURE_NOW - 400 * NSEC_PER_SEC;
	return record;
}

static inline void fixture_held(struct record *record, uint32_t holder, uint16_t count)
{
	record->holder = holder;
	record->holders = count;
	record->flags |= RECORD_OWNERS_KNOWN;
}

static inline void fixture_records(struct fixture *f)
{
	struct record *record;

	record = fixture_record(f, TCPDIAG_LISTEN, TCPDIAG_HELD);
	record->sk.rqueue = 3;
	record->sk.wqueue = 128;
	fixture_held(record, 0, 2);
	record = fixture_record(f, TCPDIAG_ESTABLISHED, TCPDIAG_HELD);
	record->sk.rqueue = 510;
	record->close_segment = TCPDIAG_SEGMENT_RST;
	record->close_rule = TCPDIAG_RULE_CLOSE_UNREAD;
	fixture_held(record, 0, 1);
	record = fixture_record(f, TCPDIAG_CLOSE_WAIT, TCPDIAG_HELD);
	record->sk.rqueue = 32;
	record->close_segment = TCPDIAG_SEGMENT_RST;
	record->close_rule = TCPDIAG_RULE_CLOSE_UNREAD;
	fixture_held(record, 2, 1);
	record = fixture_record(f, TCPDIAG_ESTABLISHED, TCPDIAG_HELD);
	record->close_segment = TCPDIAG_SEGMENT_FIN;
	record->close_rule = TCPDIAG_RULE_CLOSE_FIN;
	fixture_held(record, 1, 2); /* by the worker and the tool: it survives either */
	record = fixture_record(f, TCPDIAG_FIN_WAIT1, TCPDIAG_ORPHAN);
	record->creator = P_TOOL;
	record = fixture_record(f, TCPDIAG_ESTABLISHED, TCPDIAG_UNACCEPTED);
	record->listener = R_LISTENER;
	record->close_segment = TCPDIAG_SEGMENT_FIN;
	record->close_rule = TCPDIAG_RULE_CLOSE_FIN;
}

static inline void fixture_processes(struct fixture *f)
{
	static const struct {
		int32_t pid;
		const char *comm, *unit, *container;
	} rows[P_MAX] = { { 100, "web", "web.service", "" },
			  { 101, "worker", "web.service", "" },
			  { 200, "to\x1b[31mol", "", "3f9c0a11" } };
	struct process *processes = snapshot_section(&f->w, SECTION_PROCESSES, P_MAX,
						     sizeof(*processes));
	struct holder *holders;
	size_t i;

	for (i = 0; i < P_MAX; i++)
		processes[i] = (struct process){ .pid = rows[i].pid,
						 .comm = fixture_string(f, rows[i].comm),
						 .unit = fixture_string(f, rows[i].unit),
						 .container = fixture_string(f, rows[i].container),
						 .start_time = 4200 + i,
						 .netns = FIXTURE_NETNS,
						 .sockets = { [TCPDIAG_ESTABLISHED] = 1 },
						 .descriptors = 12,
						 .descriptor_limit = 1024 };
	processes[P_TOOL].container_name = fixture_string(f, "envoy");
	processes[P_TOOL].container_title = fixture_string(f, "payments/api-7d9f-x2/envoy");
	processes[P_TOOL].pod = fixture_string(f, "api-7d9f-x2");
	processes[P_TOOL].pod_namespace = fixture_string(f, "payments");
	holders = snapshot_section(&f->w, SECTION_HOLDERS, 3, sizeof(*holders));
	holders[0] = (struct holder){ P_WEB, 6 };
	holders[1] = (struct holder){ P_WORKER, 6 };
	holders[2] = (struct holder){ P_TOOL, 9 };
}

static inline struct finding *fixture_finding(struct fixture *f, enum tcpdiag_rule rule,
					      enum severity severity, uint64_t id)
{
	struct finding *finding = &f->findings[f->finding_count++];

	*finding = (struct finding){
		.id = id,
		.since_ns = FIXTURE_NOW - 90 * NSEC_PER_SEC,
		.rule = rule,
		.severity = severity,
		.scope = SCOPE_PROCESS,
		.socket = R_DONE,
		.process = P_TOOL,
		.netns = FIXTURE_NETNS,
		.count = 1,
		.summary = fixture_string(f, "tool (pid 200) holds 1 socket in CLOSE-WAIT"),
		.cause = fixture_string(f, "the end of file was read and forgotten"),
		.remedy = fixture_string(f, "close the descriptor at the end of file"),
		.shown = 1U << EVIDENCE_COUNT | 1U << EVIDENCE_GROWTH_PER_SECOND,
		.evidence = { [EVIDENCE_COUNT] = 1, [EVIDENCE_GROWTH_PER_SECOND] = 0.25 },
	};
	return finding;
}

/* A busy host; fixture_seal() follows. */
static inline void fixture_begin(struct fixture *f)
{
	static const int running[] = { SOURCE_SOCK_DIAG, SOURCE_COUNTERS, SOURCE_PROCESSES };
	struct snapshot_header *h;
	struct source *sources;
	size_t i;

	*f = (struct fixture){
		.w = { .max_records = 1000000, .grow = fixture_grow, .string_max = 1 << 20 }
	};
	f->w.context = f;
	f->w.limits = f->limits;
	ck_assert_int_eq(snapshot_begin(&f->w), 0);
	fixture_records(f);
	fixture_processes(f);
	sources = snapshot_section(&f->w, SECTION_SOURCES, SOURCE_MAX, sizeof(*sources));
	for (i = 0; i < SOURCE_MAX; i++)
		sources[i].id = (uint8_t)i;
	for (i = 0; i < ARRAY_SIZE(running); i++)
		sources[running[i]] = (struct source){ .id = (uint8_t)running[i],
						       .state = SOURCE_OK,
						       .last_ns = FIXTURE_NOW,
						       .cost_ns = 1500000,
						       .passes = 7 };
	h = f->w.header;
	h->id = 42;
	h->now_ns = FIXTURE_NOW;
	h->wall_ns = FIXTURE_WALL;
	h->started_ns = 100 * NSEC_PER_SEC;
	h->hostname = fixture_string(f, "lb-07");
	h->kernel = fixture_string(f, "6.1.0-18-amd64");
	h->netns = FIXTURE_NETNS;
	for (i = 0; i < LANE_MAX; i++)
		h->lanes[i] = (struct lane_state){ .interval_ns = NSEC_PER_SEC,
						   .wanted_ns = NSEC_PER_SEC,
						   .last_ns = FIXTURE_NOW,
						   .passes = 7 };
	h->environment = (struct tcpdiag_environment){
		.known = TCPDIAG_ENV_FIN_TIMEOUT | TCPDIAG_ENV_ORPHAN_RETRIES |
			 TCPDIAG_ENV_ORPHANS | TCPDIAG_ENV_MEMORY | TCPDIAG_ENV_MEMORY_PAGES,
		.tcp_fin_timeout = 60,
		.tcp_max_orphans = 131072,
		.memory_pages = 10,
		.tcp_mem = { 100, 200, 300 },
	};
	h->orphans = (struct orphans){
		.count = 1, .peak = 5, .count_known = true, .seconds_to_limit = -1
	};
	h->counters.known = 1U << COUNTER_ABORT_ON_CLOSE | 1U << COUNTER_LISTEN_OVERFLOWS;
	h->counters.value[COUNTER_ABORT_ON_CLOSE] = 17;
	h->rates.known = 1U << COUNTER_ABORT_ON_CLOSE;
	h->rates.value[COUNTER_ABORT_ON_CLOSE] = 2;
	h->totals = (struct totals){
		.sockets = R_MAX,
		.state = { [TCPDIAG_ESTABLISHED] = 3,
			   [TCPDIAG_CLOSE_WAIT] = 1,
			   [TCPDIAG_LISTEN] = 1,
			   [TCPDIAG_FIN_WAIT1] = 1 },
		.attachment = { [TCPDIAG_HELD] = 4,
				[TCPDIAG_ORPHAN] = 1,
				[TCPDIAG_UNACCEPTED] = 1 },
		.older = { [TCPDIAG_CLOSE_WAIT] = 1 },
		.oldest_seconds = { [TCPDIAG_CLOSE_WAIT] = 400.5 },
		.close_rst_peer_open = 1,
		.close_rst_peer_finished = 1,
		.close_fin = 2,
		.unread_bytes_peer_open = 510,
		.unread_bytes_peer_finished = 31,
		.listener_waiting = 3,
		.listener_ratio_max = 3.0 / 128,
	};
	h->totals.teardown[TCPDIAG_CLOSE_WAIT][TCPDIAG_HELD] = 1;
	h->totals.teardown[TCPDIAG_FIN_WAIT1][TCPDIAG_ORPHAN] = 1;
	h->totals.close[TCPDIAG_RULE_CLOSE_UNREAD][TCPDIAG_SEGMENT_RST] = 2;
	h->totals.close[TCPDIAG_RULE_CLOSE_FIN][TCPDIAG_SEGMENT_FIN] = 2;
	h->findings_raised[TCPDIAG_RULE_CLOSE_WAIT_LEAK] = 9;
	h->cpu_seconds = 1.25;
	h->resident_bytes = 1 << 20;
	h->start_time_seconds = 1763870000;
}

static inline struct source *fixture_source(struct fixture *f, enum source_id id)
{
	char *base = (char *)f->w.header;

	return (struct source *)(base + f->w.header->sections[SECTION_SOURCES].offset) + id;
}

static inline void fixture_seal(struct fixture *f)
{
	struct finding *findings;

	findings = snapshot_section(&f->w, SECTION_FINDINGS, f->finding_count, sizeof(*findings));
	memcpy(findings, f->findings, f->finding_count * sizeof(*findings));
	ck_assert_int_eq(snapshot_seal(&f->w), 0);
	memcpy(f->w.header->limits, f->limits, sizeof(f->limits));
	ck_assert_int_eq(snapshot_open(f->block, f->w.used, &f->snapshot), 0);
}

/* The host as it is described above. */
static inline void fixture_default(struct fixture *f)
{
	fixture_begin(f);
	fixture_finding(f, TCPDIAG_RULE_CLOSE_WAIT_LEAK, SEVERITY_WARNING, 0x1f);
	fixture_finding(f, TCPDIAG_RULE_RST_ON_CLOSE, SEVERITY_INFO, 2);
	*fixture_finding(f, TCPDIAG_RULE_ORPHAN_ACCUMULATION, SEVERITY_CRITICAL, 3) =
		(struct finding){ .id = 3,
				  .since_ns = FIXTURE_NOW,
				  .rule = TCPDIAG_RULE_ORPHAN_ACCUMULATION,
				  .severity = SEVERITY_CRITICAL,
				  .scope = SCOPE_HOST,
				  .socket = RECORD_NONE,
				  .process = RECORD_NONE,
				  .count = 70000,
				  .summary = fixture_string(f, "70,000 orphans of 131,072") };
	fixture_seal(f);
}

static inline void fixture_done(struct fixture *f)
{
	snapshot_writer_done(&f->w);
	free(f->block);
}

/* Calls a handler; the answer is terminated and freed by the caller, NULL where there is a problem. */
static inline char *fixture_get(const struct fixture *f, route_fn *handler, const char *query_text,
				const struct request *like, struct problem *problem)
{
	_cleanup_free_ char *text = strdup(query_text);
	struct query query = { 0 };
	struct request request = like ? *like : (struct request){ .path = "/test" };
	struct document *document;
	struct buffer b = { 0 };
	int r;

	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(query_parse(text, &query, problem), 0);
	request.query = &query;
	request.query_text = query_text;
	if (!request.accept)
		request.accept = "";
	request.snapshot = f->w.header ? &f->snapshot : NULL;
	request.journal = f->journal;
	request.statistics = &f->statistics;
	request.settings = &f->settings;
	request.now_ns = FIXTURE_NOW + NSEC_PER_SEC / 2;
	request.wall_ns = FIXTURE_WALL + NSEC_PER_SEC / 2;
	r = handler(&request, &document, problem);
	if (r < 0) {
		ck_assert_int_eq(r, -EINVAL);
		return NULL;
	}
	do
		r = document->more(document, &b);
	while (r == 1);
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(b.error, 0);
	buffer_char(&b, '\0');
	document_free(document);
	return b.data;
}

/* The same, parsed; free with json_decref(). */
static inline json_t *fixture_get_json(const struct fixture *f, route_fn *handler,
				       const char *query_text)
{
	struct problem problem = { 0 };
	char *text = fixture_get(f, handler, query_text, NULL, &problem);
	json_error_t error;
	json_t *json;

	ck_assert_msg(text, "%s", problem.detail);
	json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	ck_assert_msg(json, "%s at %d: %.200s", error.text, error.position, text);
	free(text);
	return json;
}

/* A member by its path, "a.b.0.c"; NULL where there is none. Borrowed. */
static inline json_t *fixture_at(json_t *json, const char *path)
{
	while (json && *path) {
		char name[64];
		size_t len = strcspn(path, ".");

		ck_assert_uint_lt(len, sizeof(name));
		memcpy(name, path, len);
		name[len] = '\0';
		json = json_is_array(json) ? json_array_get(json, strtoul(name, NULL, 10))
					   : json_object_get(json, name);
		path += len + (path[len] == '.');
	}
	return json;
}

/* A query that a route refuses, and the parameter that it names. */
static inline void fixture_refused(const struct fixture *f, route_fn *handler, const char *query,
				   unsigned int status, const char *parameter)
{
	struct problem problem = { 0 };
	char *text = fixture_get(f, handler, query, NULL, &problem);

	ck_assert_msg(!text, "%s was answered: %.100s", query, text);
	ck_assert_uint_eq(problem.status, status);
	ck_assert_str_eq(problem.parameter, parameter);
	ck_assert_uint_gt(strlen(problem.detail), 5);
}

#define ck_json_int(json, path, expected) \
	ck_assert_int_eq(json_integer_value(fixture_at(json, path)), expected)
#define ck_json_text(json, path, expected) \
	ck_assert_str_eq(json_string_value(fixture_at(json, path)) ?: "(none)", expected)
#define ck_json_null(json, path) ck_assert_msg(json_is_null(fixture_at(json, path)), "%s", path)
