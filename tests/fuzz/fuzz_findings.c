/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine of findings with sockets, owners and times that no kernel would show: a few rounds, each
 * with sockets made from the input. Nothing may be read out of bounds, the number of findings and the
 * records that carry their bits stay within their limits, and every sentence is there.
 */
#include <stdlib.h>
#include <string.h>

#include "model/macro.h"
#include "rules/findings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEYS 8
#define SOCKETS 64
#define BYTES 15 /* of the input, a socket */
#define START_NS (1000 * NSEC_PER_SEC)

struct arena {
	struct snapshot_writer w;
	void *block;
};

static void *grow(void *context, size_t size)
{
	struct arena *arena = context;
	size_t wanted = (size + 63) & ~(size_t)63;
	void *block = aligned_alloc(64, wanted);

	if (!block)
		abort();
	if (arena->block)
		memcpy(block, arena->block, MIN(arena->w.used, wanted));
	free(arena->block);
	arena->block = block;
	return block;
}

/* Linger, TCP_LINGER2, references, errors and the other end. */
static void make_settings(struct record *record, const uint8_t *bytes, int64_t now_ns)
{
	static const int64_t linger_ms[] = { 0, 1000, 30000, TCPDIAG_LINGER_FOREVER };

	record->sk.linger = bytes[0] & 1;
	record->sk.sk_lingertime_ms = linger_ms[bytes[0] >> 1 & 3];
	record->sk.inherited = bytes[0] >> 3 & 1;
	record->sk.references = bytes[0] >> 4 & 3;
	record->sk.sk_shutdown = bytes[0] >> 6;
	record->sk.linger2_ms = ((int64_t)bytes[1] - 1) * 1000;
	record->sk.sk_err = bytes[2];
	record->sk.remote_port = bytes[2];
	record->peer = bytes[3];
	record->peer_unknown = bytes[3] >> 3 & 7;
	record->sk.retransmits = bytes[4];
	record->sk.last_ack_recv_ms = bytes[4] * 1000U;
	record->sk.remote[15] = bytes[2];
	record->ack_since_ns = bytes[4] ? now_ns - bytes[4] * NSEC_PER_SEC : 0;
	record->findings = bytes[4];
}

static void make_socket(struct record *record, const uint8_t *bytes, int64_t now_ns)
{
	record->sk.state = bytes[0];
	record->sk.attachment = bytes[1] & 7;
	record->sk.kind = bytes[1] >> 3 & 3;
	record->direction = bytes[1] >> 5;
	record->sk.rqueue = bytes[2];
	record->sk.wqueue = bytes[3];
	record->sk.known = bytes[4] * 0x10101U;
	record->sk.cookie = bytes[5] & 3;
	record->sk.inode = bytes[5] >> 2 & 3;
	record->sk.rcv_wnd = bytes[5] >> 7;
	record->sk.timer = bytes[5] >> 4 & 7;
	record->holder = bytes[6] & 15;
	record->holders = bytes[6] >> 6;
	record->creator = bytes[7];
	record->listener = bytes[7] >> 2;
	record->seen_ns = now_ns;
	record->state_since_ns = now_ns - (bytes[8] - 2) * 4 * NSEC_PER_SEC;
	record->read_since_ns = bytes[9] ? now_ns - bytes[9] * 4 * NSEC_PER_SEC : 0;
	record->data_since_ns = bytes[9] & 1 ? record->state_since_ns : 0;
	make_settings(record, bytes + 10, now_ns);
}

static void check(const struct snapshot *s)
{
	uint32_t bits = 0, i;

	for (i = 0; i < s->finding_count; i++) {
		const struct finding *finding = &s->findings[i];

		bits |= finding_bit((enum tcpdiag_rule)finding->rule);
		if (!finding->id || !severity_name((enum severity)finding->severity) ||
		    !scope_name((enum scope)finding->scope) ||
		    !snapshot_text(s, finding->summary)[0] || finding->since_ns > s->header->now_ns)
			abort();
	}
	for (i = 0; i < s->record_count; i++)
		if (s->records[i].findings & ~bits)
			abort();
}

static void one_round(struct findings *findings, const uint8_t *data, size_t size, int64_t now_ns)
{
	static const struct holder holders[4] = {
		{ 0, 3 }, { 1, 4 }, { 7, 5 }, { RECORD_NONE, 6 }
	};
	struct process processes[2] = {
		{ .pid = 1, .descriptors = 9, .descriptor_limit = 10 },
		{ .pid = 2 },
	};
	uint64_t limits[LIMIT_MAX] = { 0 };
	struct arena arena = { .w = { .max_records = SOCKETS,
				      .grow = grow,
				      .context = &arena,
				      .string_max = 1 << 16,
				      .limits = limits } };
	struct counters rates = { .known = UINT32_MAX };
	struct orphans orphans = { .count_known = true, .count = size, .growth_known = size & 1 };
	struct tcpdiag_environment environment = {
		.known = (size & 2 ? TCPDIAG_ENV_ORPHANS : 0U) |
			 (size & 4 ? TCPDIAG_ENV_FIN_TIMEOUT : 0U),
		.tcp_max_orphans = 4 * size + 1,
		.tcp_fin_timeout = size ? data[0] : 0,
	};
	struct findings_input input = { .now_ns = now_ns,
					.processes = processes,
					.process_count = ARRAY_SIZE(processes),
					.holders = holders,
					.holder_count = ARRAY_SIZE(holders),
					.environment = &environment,
					.rates = &rates,
					.orphans = &orphans,
					.settings_blind = size & 8,
					.closed_blind = size & 16 };
	struct thresholds thresholds;
	struct snapshot snapshot;
	int count;

	thresholds_default(&thresholds);
	if (size)
		rates.value[data[0] % COUNTER_MAX] = data[size - 1];
	if (snapshot_begin(&arena.w) < 0)
		abort();
	for (; size >= BYTES; data += BYTES, size -= BYTES) {
		struct record *record = snapshot_add(&arena.w);

		if (!record)
			break;
		make_socket(record, data, now_ns);
	}
	processes[0].unit = snapshot_string(&arena.w, "a.service", 9);
	arena.w.header->now_ns = now_ns;
	count = findings_evaluate(findings, &thresholds, &input, &arena.w);
	if (count < 0 || count > KEYS || snapshot_seal(&arena.w) < 0 ||
	    snapshot_open(arena.block, arena.w.used, &snapshot) < 0 ||
	    snapshot.finding_count != (uint32_t)count)
		abort();
	check(&snapshot);
	snapshot_writer_done(&arena.w);
	free(arena.block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct findings *findings;
	int64_t now_ns = START_NS;
	int i;

	if (findings_new(KEYS, &findings) < 0)
		abort();
	for (i = 0; i < 6; i++) {
		size_t skip = MIN(size, (size_t)i * 3);

		one_round(findings, data + skip, size - skip, now_ns);
		now_ns += (size ? data[i % size] : 1) * NSEC_PER_SEC;
	}
	findings_free(findings);
	return 0;
}
