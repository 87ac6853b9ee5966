/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small machine whose time is a number: sockets, processes and counters that a test sets, rounds of
 * the engine one after the other, and the newest snapshot to look at.
 */
#pragma once

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "model/macro.h"
#include "rules/findings.h"

#define WORLD_SOCKETS 4096
#define WORLD_PROCESSES 64
#define START_NS (1000000 * NSEC_PER_SEC)
#define NETNS 4026531840U

struct world {
	struct findings *findings;
	struct thresholds thresholds;
	struct findings_input input;
	struct tcpdiag_environment environment;
	struct counters rates;
	struct orphans orphans;
	struct process processes[WORLD_PROCESSES];
	char comm[WORLD_PROCESSES][16], unit[WORLD_PROCESSES][32];
	char container[WORLD_PROCESSES][80],
		title[WORLD_PROCESSES][80]; /* "" unless a test says so */
	struct holder holders[WORLD_PROCESSES]; /* one each: fd 3 */
	uint32_t process_count;
	struct record records[WORLD_SOCKETS];
	uint32_t record_count;
	int64_t now_ns;
	int64_t swept_ns; /* when ESTABLISHED and LISTEN were last looked at; 0: each round */
	uint64_t limits[LIMIT_MAX];
	struct snapshot_writer w;
	void *block;
	struct snapshot snapshot;
	int count; /* findings that stand */
};

static void *world_grow(void *context, size_t size)
{
	struct world *world = context;
	size_t wanted = (size + 63) & ~(size_t)63;
	void *block = aligned_alloc(64, wanted);

	ck_assert_ptr_nonnull(block);
	if (world->block)
		memcpy(block, world->block, MIN(world->w.used, wanted));
	free(world->block);
	world->block = block;
	return block;
}

static inline struct world *world_new(uint32_t max_findings)
{
	struct world *world = calloc(1, sizeof(*world));

	ck_assert_ptr_nonnull(world);
	ck_assert_int_eq(findings_new(max_findings, &world->findings), 0);
	thresholds_default(&world->thresholds);
	world->now_ns = START_NS;
	world->input.started_ns = START_NS;
	world->input.fast_interval_ns = NSEC_PER_SEC;
	world->input.sweep_interval_ns = 5 * NSEC_PER_SEC;
	world->input.netns = NETNS;
	world->environment.known = TCPDIAG_ENV_ORPHANS;
	world->environment.tcp_max_orphans = 131072;
	world->orphans.count_known = true;
	world->input.ports_known = true;
	world->rates.known = UINT32_MAX >> (32 - COUNTER_MAX);
	return world;
}

static inline void world_free(struct world *world)
{
	findings_free(world->findings);
	free(world->block);
	free(world);
}

static inline uint32_t world_process(struct world *world, const char *comm, const char *unit,
				     uint32_t descriptors, uint32_t limit)
{
	uint32_t row = world->process_count++;

	ck_assert_uint_lt(row, WORLD_PROCESSES);
	world->processes[row] = (struct process){
		.pid = 1000 + (int32_t)row,
		.netns = NETNS,
		.descriptors = descriptors,
		.descriptor_limit = limit,
		.start_time = 77 + row,
	};
	snprintf(world->comm[row], sizeof(world->comm[row]), "%s", comm);
	snprintf(world->unit[row], sizeof(world->unit[row]), "%s", unit);
	world->holders[row] = (struct holder){ .process = row, .fd = 3 };
	return row;
}

/* A connection that came into its state now; @process may be RECORD_NONE. */
static inline struct record *world_socket(struct world *world, enum tcpdiag_state state,
					  uint32_t process)
{
	struct record *record = &world->records[world->record_count++];

	ck_assert_uint_le(world->record_count, WORLD_SOCKETS);
	*record = (struct record){
		.sk = { .cookie = world->record_count,
			.netns = NETNS,
			.state = (uint8_t)state,
			.kind = TCPDIAG_KIND_FULL,
			.attachment = TCPDIAG_HELD,
			.family = AF_INET,
			.inode = 5000 + world->record_count,
			.local_port = 443,
			.remote_port = (uint16_t)(10000 + world->record_count),
			.local = { [10] = 0xff, [11] = 0xff, 10, 0, 0, 1 },
			.remote = { [10] = 0xff, [11] = 0xff, 10, 9, 8, 7 },
			.known = TCPDIAG_KNOWS_INFO | TCPDIAG_KNOWS_NOTSENT | TCPDIAG_KNOWS_SKMEM |
				 TCPDIAG_KNOWS_RCV_WND,
			.rcv_wnd = 65536,
			.rcvbuf = 131072 },
		.born_ns = world->now_ns,
		.state_since_ns = world->now_ns,
		.data_since_ns = world->now_ns,
		.holder = RECORD_NONE,
		.creator = RECORD_NONE,
		.listener = RECORD_NONE,
		.peer = RECORD_NONE,
		.direction = DIRECTION_INBOUND,
	};
	if (process != RECORD_NONE) {
		record->holder = process;
		record->holders = 1;
	}
	return record;
}

/* @bytes wait that nobody takes from now on. */
static inline void world_unread(const struct world *world, struct record *record, uint32_t bytes)
{
	record->sk.rqueue = bytes + (record->sk.state == TCPDIAG_CLOSE_WAIT);
	record->read_since_ns = world->now_ns;
}

/* Connections whose peers have finished; more than 1 in @rqueue is data that nobody reads. */
static inline void world_close_waits(struct world *world, uint32_t process, int count,
				     enum direction direction, uint32_t rqueue)
{
	while (count--) {
		struct record *record = world_socket(world, TCPDIAG_CLOSE_WAIT, process);

		record->direction = (uint8_t)direction;
		record->sk.rqueue = rqueue;
		record->sk.sk_shutdown = TCPDIAG_RCV_SHUTDOWN;
		if (rqueue > 1)
			record->read_since_ns = world->now_ns;
	}
}

static inline struct record *world_listener(struct world *world, uint32_t process, uint32_t limit)
{
	struct record *record = world_socket(world, TCPDIAG_LISTEN, process);

	record->sk.remote_port = 0;
	memset(record->sk.remote, 0, sizeof(record->sk.remote));
	record->sk.wqueue = limit;
	return record;
}

static inline int64_t world_seen(const struct world *world, uint8_t state)
{
	bool swept = state == TCPDIAG_ESTABLISHED || state == TCPDIAG_LISTEN;

	return swept && world->swept_ns ? world->swept_ns : world->now_ns;
}

static inline void world_round(struct world *world)
{
	uint32_t i;

	free(world->block);
	world->block = NULL;
	world->w = (struct snapshot_writer){ .max_records = WORLD_SOCKETS,
					     .grow = world_grow,
					     .context = world,
					     .string_max = 1 << 20,
					     .limits = world->limits };
	ck_assert_int_eq(snapshot_begin(&world->w), 0);
	for (i = 0; i < world->record_count; i++)
		world->records[i].seen_ns = world_seen(world, world->records[i].sk.state);
	ck_assert_int_eq(snapshot_copy_records(&world->w, world->records, world->record_count), 0);
	for (i = 0; i < world->process_count; i++) {
		world->processes[i].container = snapshot_string(&world->w, world->container[i],
								strlen(world->container[i]));
		world->processes[i].container_title = snapshot_string(&world->w, world->title[i],
								      strlen(world->title[i]));
		world->processes[i].comm = snapshot_string(&world->w, world->comm[i],
							   strlen(world->comm[i]));
		world->processes[i].unit = snapshot_string(&world->w, world->unit[i],
							   strlen(world->unit[i]));
	}
	world->input.now_ns = world->now_ns;
	world->input.processes = world->processes;
	world->input.process_count = world->process_count;
	world->input.holders = world->holders;
	world->input.holder_count = world->process_count;
	world->input.environment = &world->environment;
	world->input.rates = &world->rates;
	world->input.orphans = &world->orphans;
	world->count = findings_evaluate(world->findings, &world->thresholds, &world->input,
					 &world->w);
	ck_assert_int_ge(world->count, 0);
	ck_assert_int_eq(snapshot_seal(&world->w), 0);
	snapshot_writer_done(&world->w);
	ck_assert_int_eq(snapshot_open(world->block, world->w.used, &world->snapshot), 0);
	ck_assert_uint_eq(world->snapshot.finding_count, (uint32_t)world->count);
	/* The next round begins with the bits of this one, as a collector's does. */
	for (i = 0; i < world->record_count; i++)
		world->records[i].findings = world->snapshot.records[i].findings;
}

/* Rounds for so long, one each @step seconds; the last one is at the end. */
static inline void world_run(struct world *world, int seconds, int step)
{
	int64_t end = world->now_ns + seconds * NSEC_PER_SEC;

	while (world->now_ns < end) {
		world->now_ns = MIN(end, world->now_ns + step * NSEC_PER_SEC);
		world_round(world);
	}
}

/* The first finding of a rule, or NULL. */
static inline const struct finding *world_finding(const struct world *world, enum tcpdiag_rule rule)
{
	uint32_t i;

	for (i = 0; i < world->snapshot.finding_count; i++)
		if (world->snapshot.findings[i].rule == rule)
			return &world->snapshot.findings[i];
	return NULL;
}

/* The same where there has to be one. */
static inline const struct finding *world_expect(const struct world *world, enum tcpdiag_rule rule)
{
	const struct finding *finding = world_finding(world, rule);

	ck_assert_ptr_nonnull(finding);
	return finding;
}

static inline int world_severity(const struct world *world, enum tcpdiag_rule rule)
{
	const struct finding *finding = world_finding(world, rule);

	return finding ? finding->severity : SEVERITY_NONE;
}

static inline const char *world_text(const struct world *world, uint32_t offset)
{
	return snapshot_text(&world->snapshot, offset);
}

/* How many records have the rule's bit. */
static inline uint32_t world_bits(const struct world *world, enum tcpdiag_rule rule)
{
	uint32_t count = 0, i;

	for (i = 0; i < world->snapshot.record_count; i++)
		count += !!(world->snapshot.records[i].findings & finding_bit(rule));
	return count;
}

static inline bool shown(const struct finding *finding, enum evidence which)
{
	return finding->shown & (UINT64_C(1) << which);
}
