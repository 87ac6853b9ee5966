/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A snapshot that a collector before this one has left, with bytes of it changed: it is refused, or everything
 * that goes on with it does so within bounds. The input is a list of changes to a sound snapshot: where,
 * at which offset, how many bytes, the bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "collector/attach.h"
#include "collector/history.h"
#include "collector/totals.h"
#include "model/macro.h"
#include "rules/findings.h"
#include "web/sockets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_NS (1000 * NSEC_PER_SEC)
#define ENTRIES 8U
#define ROOM ((size_t)1 << 20)

struct arena {
	struct snapshot_writer w;
	uint64_t limits[LIMIT_MAX];
	void *block;
};

/* It never moves. */
static void *grow(void *context, size_t size)
{
	struct arena *arena = context;

	if (!arena->block)
		arena->block = aligned_alloc(64, ROOM);
	if (!arena->block || size > ROOM)
		abort();
	return arena->block;
}

/* The sealed block, with nothing behind it. */
static void *exact(const struct arena *arena)
{
	size_t size = (arena->w.header->bytes + 63) & ~(size_t)63;
	void *block = aligned_alloc(64, size);

	if (!block)
		abort();
	memcpy(block, arena->block, size);
	return block;
}

static void begin(struct arena *arena)
{
	*arena = (struct arena){
		.w = { .max_records = 16, .grow = grow, .context = arena, .string_max = 1 << 16 }
	};
	arena->w.limits = arena->limits;
	if (snapshot_begin(&arena->w) < 0)
		abort();
}

static void done(struct arena *arena)
{
	snapshot_writer_done(&arena->w);
	free(arena->block);
}

static void *section(struct arena *arena, enum section_id id, uint32_t count, size_t stride)
{
	void *rows = snapshot_section(&arena->w, id, count, stride);

	if (!rows)
		abort();
	return rows;
}

static void add_records(struct arena *arena)
{
	static const uint8_t states[] = { TCPDIAG_LISTEN, TCPDIAG_ESTABLISHED, TCPDIAG_CLOSE_WAIT,
					  TCPDIAG_FIN_WAIT2 };
	uint32_t i;

	for (i = 0; i < ARRAY_SIZE(states); i++) {
		struct record *record = snapshot_add(&arena->w);

		if (!record)
			abort();
		record->sk.cookie = i + 1;
		record->sk.netns = 9;
		record->sk.state = states[i];
		record->sk.attachment = i == 3 ? TCPDIAG_ORPHAN : TCPDIAG_HELD;
		record->sk.inode = i == 3 ? 0 : 70 + i;
		record->sk.known = TCPDIAG_KNOWS_BYTES | TCPDIAG_KNOWS_INFO;
		record->seen_ns = record->state_since_ns = record->born_ns = NOW_NS - NSEC_PER_SEC;
		record->holder = i < 2 ? i : RECORD_NONE;
		record->holders = i < 2;
		record->creator = i == 3 ? 1 : RECORD_NONE;
		record->listener = i ? 0 : RECORD_NONE;
		record->findings = i == 2 ? finding_bit(TCPDIAG_RULE_CLOSE_WAIT_LEAK) : 0;
		record->history = i + 3;
	}
}

static void add_owners(struct arena *arena)
{
	struct process *processes = section(arena, SECTION_PROCESSES, 2, sizeof(*processes));
	struct holder *holders;
	struct finding *finding;

	processes[0].pid = 10;
	processes[0].comm = snapshot_string(&arena->w, "nginx", 5);
	processes[0].unit = snapshot_string(&arena->w, "nginx.service", 13);
	processes[1].pid = 11;
	holders = section(arena, SECTION_HOLDERS, 2, sizeof(*holders));
	holders[0] = (struct holder){ .process = 0, .fd = 3 };
	holders[1] = (struct holder){ .process = 1, .fd = 4 };
	finding = section(arena, SECTION_FINDINGS, 1, sizeof(*finding));
	finding->id = 77;
	finding->since_ns = NOW_NS - 60 * NSEC_PER_SEC;
	finding->rule = TCPDIAG_RULE_CLOSE_WAIT_LEAK;
	finding->severity = SEVERITY_WARNING;
	finding->scope = SCOPE_PROCESS;
	finding->pid = 10;
	finding->comm = processes[0].comm;
	finding->count = 1;
	finding->memory.kind = 1;
	finding->memory.a = 10;
	finding->memory.severities[0] = SEVERITY_WARNING;
}

static void add_history(struct arena *arena)
{
	struct history_entry *entries = section(arena, SECTION_HISTORY, ENTRIES, sizeof(*entries));
	struct ended *ended;
	struct history_name *names;
	uint32_t i;

	for (i = 1; i < ENTRIES; i++) {
		entries[i].cookie = (i - 1) % 4 + 1;
		entries[i].netns = 9;
		entries[i].when_ns = (int64_t)i * NSEC_PER_SEC;
		entries[i].before = i > 4 ? i - 4 : 0;
		entries[i].kind = (uint8_t)(1 + i % (HISTORY_KIND_MAX - 1));
		entries[i].name = 1;
	}
	ended = section(arena, SECTION_ENDED, 2, sizeof(*ended));
	ended[1].record.sk.cookie = 50;
	ended[1].record.sk.netns = 9;
	ended[1].record.creator = 1;
	ended[1].record.holder = ended[1].record.listener = ended[1].record.peer = RECORD_NONE;
	ended[1].gone_ns = NOW_NS;
	names = section(arena, SECTION_NAMES, 2, sizeof(*names));
	names[1].number = 1;
	names[1].pid = 12;
	memcpy(names[1].comm, "before", 6);
	arena->w.header->history = (struct history_header){
		.size = ENTRIES, .next = ENTRIES, .names_next = 2, .restart_count = 1
	};
}

/* Changes a sealed block. Sections are where its header says before the first change. */
static void change(void *block, const uint8_t *data, size_t size)
{
	struct section sections[SECTION_MAX];

	memcpy(sections, ((const struct snapshot_header *)block)->sections, sizeof(sections));
	while (size >= 4) {
		uint32_t where = data[0] % (SECTION_MAX + 1), offset = data[1] | data[2] << 8;
		size_t count = MIN((size_t)data[3] % 8 + 1, size - 4), room, i;
		uint8_t *bytes = block;

		room = sizeof(struct snapshot_header);
		if (where < SECTION_MAX) {
			room = (size_t)sections[where].count * sections[where].stride;
			bytes += sections[where].offset;
		}
		for (i = 0; room && i < count; i++)
			bytes[(offset + i) % room] = data[4 + i];
		data += 4 + count;
		size -= 4 + count;
	}
}

/* What everybody who prints a socket asks for. */
static void print(const struct snapshot *s)
{
	struct problem problem = { 0 };
	struct document *document = NULL;
	struct buffer b = { 0 };
	int r;

	if (sockets_document(s, "detail=full&limit=0", NOW_NS, NOW_NS, &document, &problem) < 0)
		abort();
	do
		r = document->more(document, &b);
	while (r > 0);
	document_free(document);
	buffer_done(&b);
}

static void follow(const struct snapshot *s)
{
	uint32_t i;

	for (i = 0; i < s->record_count; i++) {
		const struct tcpdiag_socket *sk = &s->records[i].sk;
		uint32_t number = s->records[i].history, steps = 0;
		const struct history_entry *entry;

		while ((entry = snapshot_history(s, sk, number))) {
			if (++steps > s->history_count)
				abort(); /* a circle */
			snapshot_history_name(s, entry->name);
			number = entry->before;
		}
		snapshot_ended(s, sk->netns, sk->cookie);
	}
}

static int judge(struct arena *next, struct findings *findings, struct attach *attach)
{
	static const struct tcpdiag_environment environment;
	static const struct counters rates;
	static const struct orphans orphans;
	struct findings_input input = {
		.now_ns = NOW_NS,
		.started_ns = NOW_NS,
		.environment = &environment,
		.rates = &rates,
		.orphans = &orphans,
	};
	struct thresholds thresholds;

	thresholds_default(&thresholds);
	input.processes = attach_processes(attach, &next->w, &input.process_count);
	input.holders = attach_holders(attach, &input.holder_count);
	return findings_evaluate(findings, &thresholds, &input, &next->w);
}

/* The first poll, in which every socket is as it was. */
static void poll_once(struct arena *next, const struct snapshot *s, struct history *history,
		      struct attach *attach)
{
	static const struct tcpdiag_environment environment;
	const struct memory memory = { .now_ns = NOW_NS, .sweep_reach_ns = NSEC_PER_SEC };
	struct thresholds thresholds;
	struct totals totals = { 0 };
	uint32_t i;

	thresholds_default(&thresholds);
	history_begin(history, NOW_NS, NSEC_PER_SEC);
	for (i = 0; i < s->record_count; i++) {
		struct record *record = snapshot_add(&next->w);

		if (!record)
			break;
		record->sk = s->records[i].sk;
		memory_carry(&memory, record, &s->records[i]);
		history_carry(history, record, &s->records[i]);
		attach_record(attach, record);
		totals_judge(record, &environment);
		totals_add(&totals, record, &thresholds, NOW_NS);
	}
}

static void go_on(const struct snapshot *s)
{
	const struct attach_limits limits = { .max_processes = 10, .max_holders = 10 };
	struct findings *findings = NULL;
	struct history *history = NULL;
	struct attach *attach = NULL;
	struct gone *gone = NULL;
	struct snapshot after;
	struct arena next;

	if (findings_new(4, &findings) < 0 || history_new(ENTRIES, 4, &history) < 0 ||
	    attach_new(&attach) < 0 || gone_new(&(struct hash_key){}, &gone) < 0 ||
	    attach_restore(attach, s) < 0)
		abort();
	begin(&next);
	attach_remember(attach, history);
	history_restore(history, s, NOW_NS);
	findings_restore(findings, s, NOW_NS);
	attach_begin(attach, NULL, 1, true, &limits, gone);
	poll_once(&next, s, history, attach);
	if (judge(&next, findings, attach) < 0 || history_publish(history, &next.w) < 0)
		abort();
	next.w.header->now_ns = NOW_NS;
	if (snapshot_seal(&next.w) < 0 ||
	    snapshot_open(next.block, next.w.header->bytes, &after) < 0)
		abort();
	follow(&after);
	print(&after);
	done(&next);
	findings_free(findings);
	history_free(history);
	attach_free(attach);
	gone_free(gone);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	struct snapshot s;
	size_t bytes;
	void *block;

	begin(&arena);
	add_records(&arena);
	add_owners(&arena);
	add_history(&arena);
	arena.w.header->now_ns = NOW_NS;
	if (snapshot_seal(&arena.w) < 0)
		abort();
	bytes = arena.w.header->bytes;
	block = exact(&arena);
	done(&arena);
	change(block, data, size);
	if (snapshot_open(block, bytes, &s) < 0) {
		if (!snapshot_explain(block, bytes))
			abort();
	} else if (!snapshot_check(&s, NOW_NS)) {
		go_on(&s);
	} else if (!size) {
		abort(); /* it is sound as it stands */
	}
	free(block);
	return 0;
}
