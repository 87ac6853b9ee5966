/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A machine of a dozen sockets, one of each kind, and the documents about it parsed by jansson.
 */
#pragma once

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include <tcpdiag/outcome.h>

#include "model/snapshot.h"
#include "web/route.h"
#include "web/sockets.h"

#define NETNS 4026531840U
#define OTHER_NETNS 4026532000U
#define NOW_NS (100000 * NSEC_PER_SEC)
/* 2026-11-23T00:00:00Z */
#define WALL_NS (1795392000 * NSEC_PER_SEC)

enum fixture_process { NGINX, JAVA, GONE, QUOTED, FIXTURE_PROCESSES };

struct fixture {
	struct snapshot_writer w;
	uint64_t limits[LIMIT_MAX];
	void *block;
	struct snapshot snapshot;
	struct holder holders[16];
	uint16_t holder_count;
	const char *missing;
};

static inline void *fixture_grow(void *context, size_t size)
{
	struct fixture *f = context;

	f->block = realloc(f->block, size);
	ck_assert_ptr_nonnull(f->block);
	return f->block;
}

static inline void fixture_begin(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->w.grow = fixture_grow;
	f->w.context = f;
	f->w.max_records = 200000;
	f->w.string_max = 1 << 20;
	f->w.limits = f->limits;
	ck_assert_int_eq(snapshot_begin(&f->w), 0);
}

static inline void fixture_address(const char *text, uint8_t ret[16], uint8_t *ret_family)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (inet_pton(AF_INET, text, ret + 12) == 1) {
		memcpy(ret, mapped, sizeof(mapped));
		*ret_family = AF_INET;
		return;
	}
	ck_assert_int_eq(inet_pton(AF_INET6, text, ret), 1);
	*ret_family = AF_INET6;
}

/* A connection that the kernel has told everything about, and nobody has yet. */
static inline struct record *fixture_add(struct fixture *f, uint64_t cookie,
					 enum tcpdiag_state state, const char *local,
					 uint16_t local_port, const char *remote,
					 uint16_t remote_port)
{
	struct record *record = snapshot_add(&f->w);
	struct tcpdiag_socket *sk;

	ck_assert_ptr_nonnull(record);
	sk = &record->sk;
	record->peer = RECORD_NONE;
	sk->cookie = cookie;
	sk->netns = NETNS;
	sk->state = state;
	sk->local_port = local_port;
	sk->remote_port = remote_port;
	fixture_address(local, sk->local, &sk->family);
	fixture_address(remote, sk->remote, &sk->family);
	sk->known = TCPDIAG_KNOWS_SHUTDOWN | TCPDIAG_KNOWS_SKMEM | TCPDIAG_KNOWS_INFO |
		    TCPDIAG_KNOWS_BYTES | TCPDIAG_KNOWS_NOTSENT | TCPDIAG_KNOWS_UID;
	sk->uid = 33;
	sk->rto_us = 204000;
	record->seen_ns = NOW_NS - NSEC_PER_SEC / 2;
	record->state_since_ns = NOW_NS - 10 * NSEC_PER_SEC;
	record->born_ns = NOW_NS - 20 * NSEC_PER_SEC;
	record->data_since_ns = NOW_NS - 5 * NSEC_PER_SEC;
	record->flags = RECORD_BORN_SEEN | RECORD_STATE_EXACT | RECORD_OWNERS_KNOWN;
	return record;
}

/* The newest record gets one more holder. */
static inline void fixture_hold(struct fixture *f, struct record *record, uint32_t process, int fd)
{
	ck_assert_uint_lt(f->holder_count, ARRAY_SIZE(f->holders));
	if (!record->holders)
		record->holder = f->holder_count;
	record->holders++;
	f->holders[f->holder_count++] = (struct holder){ .process = process, .fd = fd };
	record->sk.attachment = TCPDIAG_HELD;
	record->sk.inode = 1000 + f->holder_count;
}

static inline void fixture_process(struct fixture *f, struct process *process, int pid,
				   const char *comm, const char *unit, const char *container)
{
	process->pid = pid;
	process->comm = snapshot_string(&f->w, comm, strlen(comm));
	process->unit = snapshot_string(&f->w, unit, strlen(unit));
	process->container = snapshot_string(&f->w, container, strlen(container));
	process->cgroup = snapshot_string(&f->w, "/system.slice", 13);
	process->netns = NETNS;
}

static inline void fixture_container(struct fixture *f, struct process *process, const char *name,
				     const char *pod, const char *namespace)
{
	char title[256];

	process->container_name = snapshot_string(&f->w, name, strlen(name));
	process->pod = snapshot_string(&f->w, pod, strlen(pod));
	process->pod_namespace = snapshot_string(&f->w, namespace, strlen(namespace));
	snprintf(title, sizeof(title), "%s/%s/%s", namespace, pod, name);
	process->container_title = snapshot_string(&f->w, title, strlen(title));
}

/* What the collector fills in at publication. */
static inline void fixture_judge(struct fixture *f)
{
	uint32_t i, count;
	struct record *records = snapshot_writer_records(&f->w, &count);

	for (i = 0; i < count; i++) {
		struct tcpdiag_result result;

		if (tcpdiag_result(&records[i].sk, TCPDIAG_OP_CLOSE, &f->w.header->environment,
				   &result) < 0)
			continue;
		records[i].close_rule = result.rule;
		records[i].close_segment = result.segment;
	}
}

static inline void fixture_seal(struct fixture *f)
{
	struct process *processes;
	struct holder *holders;
	struct namespace *namespaces;
	struct snapshot_header *header;

	f->w.header->environment = (struct tcpdiag_environment){
		.known = TCPDIAG_ENV_FIN_TIMEOUT | TCPDIAG_ENV_ORPHAN_RETRIES | TCPDIAG_ENV_ORPHANS,
		.tcp_fin_timeout = 60,
		.tcp_max_orphans = 8192,
	};
	fixture_judge(f);
	processes = snapshot_section(&f->w, SECTION_PROCESSES, FIXTURE_PROCESSES,
				     sizeof(*processes));
	ck_assert_ptr_nonnull(processes);
	fixture_process(f, &processes[NGINX], 100, "nginx", "nginx.service", "");
	fixture_process(f, &processes[JAVA], 200, "java", "app.service", "3f9c0a11deadbeef");
	fixture_container(f, &processes[JAVA], "envoy", "api-7d9f-x2", "payments");
	fixture_process(f, &processes[GONE], 300, "curl", "user@1000.service", "");
	fixture_process(f, &processes[QUOTED], 400, "a\"b\\c\n\xff", "", "");
	holders = snapshot_section(&f->w, SECTION_HOLDERS, f->holder_count, sizeof(*holders));
	ck_assert_ptr_nonnull(holders);
	memcpy(holders, f->holders, f->holder_count * sizeof(*holders));
	namespaces = snapshot_section(&f->w, SECTION_NAMESPACES, 1, sizeof(*namespaces));
	ck_assert_ptr_nonnull(namespaces);
	namespaces[0].inode = OTHER_NETNS;
	namespaces[0].name = snapshot_string(&f->w, "blue", 4);
	header = f->w.header;
	header->id = 7;
	header->now_ns = NOW_NS;
	header->wall_ns = WALL_NS;
	header->netns = NETNS;
	header->lanes[LANE_SWEEP].last_ns = NOW_NS - 3 * NSEC_PER_SEC;
	if (f->missing)
		header->missing = snapshot_string(&f->w, f->missing, strlen(f->missing));
	ck_assert_int_eq(snapshot_seal(&f->w), 0);
	ck_assert_int_eq(snapshot_open(f->w.header, f->w.header->bytes, &f->snapshot), 0);
}

static inline void fixture_done(struct fixture *f)
{
	snapshot_writer_done(&f->w);
	free(f->block);
}

/* Cookies of the standard machine. */
enum {
	LISTENER = 0x10,
	SERVED,
	POOLED,
	QUEUED,
	ORPHANED,
	MINI,
	V6,
	MAPPED,
	HALF,
	UNHELD,
	MULTIPATH,
	ODD,
	FOREIGN,
	STANDARD_END
};

#define STANDARD_COUNT (STANDARD_END - LISTENER)

static inline void add_held(struct fixture *f)
{
	struct record *r;

	r = fixture_add(f, LISTENER, TCPDIAG_LISTEN, "0.0.0.0", 80, "0.0.0.0", 0);
	r->sk.rqueue = 3;
	r->sk.wqueue = 511;
	fixture_hold(f, r, NGINX, 6);

	r = fixture_add(f, SERVED, TCPDIAG_ESTABLISHED, "10.0.0.1", 80, "192.0.2.7", 40000);
	r->direction = DIRECTION_INBOUND;
	r->sk.timer = TCPDIAG_TIMER_KEEPALIVE;
	r->sk.expires_ms = 87500;
	fixture_hold(f, r, NGINX, 7);
	fixture_hold(f, r, JAVA, 8);

	r = fixture_add(f, POOLED, TCPDIAG_CLOSE_WAIT, "10.0.0.1", 40001, "10.9.8.7", 443);
	r->direction = DIRECTION_OUTBOUND;
	r->sk.rqueue = 25;
	r->sk.bytes_received = 1025;
	r->sk.sk_shutdown = TCPDIAG_RCV_SHUTDOWN;
	r->read_since_ns = NOW_NS - 400 * NSEC_PER_SEC;
	r->state_since_ns = NOW_NS - 400 * NSEC_PER_SEC;
	r->data_since_ns = NOW_NS - 412 * NSEC_PER_SEC;
	r->findings = finding_bit(TCPDIAG_RULE_CLOSE_WAIT_LEAK);
	fixture_hold(f, r, JAVA, 9);
}

static inline void add_unheld(struct fixture *f)
{
	struct record *r;

	r = fixture_add(f, QUEUED, TCPDIAG_CLOSE_WAIT, "10.0.0.1", 80, "192.0.2.8", 40002);
	r->sk.attachment = TCPDIAG_UNACCEPTED;
	r->sk.rqueue = 101;
	r->listener = 0;

	r = fixture_add(f, ORPHANED, TCPDIAG_FIN_WAIT1, "10.0.0.1", 40003, "10.9.8.7", 443);
	r->sk.attachment = TCPDIAG_ORPHAN;
	r->sk.wqueue = 501;
	r->sk.notsent_bytes = 101;
	r->sk.sk_shutdown = TCPDIAG_RCV_SHUTDOWN | TCPDIAG_SEND_SHUTDOWN;
	r->creator = GONE;

	r = fixture_add(f, MINI, TCPDIAG_FIN_WAIT2, "10.0.0.1", 40004, "10.9.8.7", 443);
	r->sk.kind = TCPDIAG_KIND_TIMEWAIT;
	r->sk.attachment = TCPDIAG_TIMEWAIT;
	r->sk.known = 0;
	r->sk.timer = TCPDIAG_TIMER_TIMEWAIT;
	r->sk.expires_ms = 30000;
	r->creator = GONE;
	r->born_ns = 0;
	r->data_since_ns = 0;
	r->flags = 0;
}

static inline void add_other(struct fixture *f)
{
	struct record *r;

	r = fixture_add(f, V6, TCPDIAG_ESTABLISHED, "2001:db8::1", 443, "2001:db8:1::2", 50000);
	fixture_hold(f, r, NGINX, 10);

	r = fixture_add(f, MAPPED, TCPDIAG_ESTABLISHED, "10.0.0.1", 443, "192.0.2.9", 50001);
	r->sk.mapped = true;
	fixture_hold(f, r, NGINX, 11);

	r = fixture_add(f, HALF, TCPDIAG_NEW_SYN_RECV, "10.0.0.1", 80, "192.0.2.10", 50002);
	r->sk.kind = TCPDIAG_KIND_REQUEST;
	r->sk.attachment = TCPDIAG_REQUEST;
	r->sk.known = 0;

	r = fixture_add(f, UNHELD, TCPDIAG_ESTABLISHED, "10.0.0.1", 80, "192.0.2.11", 50003);
	r->sk.attachment = TCPDIAG_UNHELD;
	r->sk.inode = 999;

	r = fixture_add(f, MULTIPATH, TCPDIAG_ESTABLISHED, "10.0.0.1", 80, "192.0.2.12", 50004);
	r->sk.mptcp = true;
	r->sk.rqueue = 837;
	fixture_hold(f, r, NGINX, 12);

	r = fixture_add(f, ODD, TCPDIAG_FIN_WAIT2, "10.0.0.1", 80, "192.0.2.13", 50005);
	r->sk.sk_shutdown = TCPDIAG_SEND_SHUTDOWN;
	fixture_hold(f, r, QUOTED, 13);

	r = fixture_add(f, FOREIGN, TCPDIAG_BOUND_INACTIVE, "127.0.0.1", 9000, "0.0.0.0", 0);
	r->sk.netns = OTHER_NETNS;
	r->sk.uid = 1000;
	fixture_hold(f, r, JAVA, 14);
}

static inline void fixture_standard(struct fixture *f)
{
	fixture_begin(f);
	add_held(f);
	add_unheld(f);
	add_other(f);
	fixture_seal(f);
}

/* The whole body of GET /sockets?@query, terminated. */
static inline char *fixture_body(const struct fixture *f, const char *query)
{
	struct problem problem = {};
	struct document *document;
	struct buffer b = {};
	int r;

	r = sockets_document(&f->snapshot, query, NOW_NS + NSEC_PER_SEC, WALL_NS, &document,
			     &problem);
	ck_assert_msg(r == 0, "%s: %d, %s", query, r, problem.detail);
	ck_assert_uint_eq(document->status, 200);
	do
		r = document->more(document, &b);
	while (r > 0);
	ck_assert_int_eq(r, 0);
	document_free(document);
	buffer_char(&b, '\0');
	ck_assert_int_eq(b.error, 0);
	return b.data;
}

static inline json_t *fixture_get(const struct fixture *f, const char *query)
{
	_cleanup_free_ char *body = fixture_body(f, query);
	json_error_t error;
	json_t *json = json_loads(body, JSON_REJECT_DUPLICATES, &error);

	ck_assert_msg(json != NULL, "%s: %s at %d\n%s", query, error.text, error.position, body);
	return json;
}

/* The problem that a query is answered with. */
static inline struct problem fixture_problem(const struct fixture *f, const char *query)
{
	struct problem problem = {};
	struct document *document = NULL;
	int r = sockets_document(&f->snapshot, query, NOW_NS, WALL_NS, &document, &problem);

	ck_assert_msg(r == -EINVAL, "%s: %d", query, r);
	ck_assert_uint_eq(problem.status, 400);
	return problem;
}

/* A member by a path of names and numbers, never NULL: "outcomes.close.rule". */
static inline json_t *at(json_t *json, const char *path)
{
	char name[64];

	while (*path) {
		size_t len = strcspn(path, ".");

		ck_assert_uint_lt(len, sizeof(name));
		memcpy(name, path, len);
		name[len] = '\0';
		json = json_is_array(json) ? json_array_get(json, (size_t)atoi(name))
					   : json_object_get(json, name);
		ck_assert_msg(json != NULL, "no %s", name);
		path += len;
		path += *path == '.';
	}
	return json;
}

static inline const char *text_at(json_t *json, const char *path)
{
	const char *text = json_string_value(at(json, path));

	ck_assert_msg(text != NULL, "%s is no string", path);
	return text;
}

/* The socket of a cookie in a list; fails where it is not there. */
static inline json_t *socket_of(json_t *list, uint64_t cookie)
{
	json_t *sockets = at(list, "sockets"), *socket;
	char text[32];
	size_t i;

	snprintf(text, sizeof(text), "%llx", (unsigned long long)cookie);
	json_array_foreach(sockets, i,
			   socket) if (!strcmp(text_at(socket, "cookie"), text)) return socket;
	ck_abort_msg("no socket %s", text);
	return NULL;
}
