/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tcp-memory-pressure: the memory of all sockets' queues against tcp_mem, which is the machine's.
 *
 * Above tcp_mem[1] the protocol is in pressure until it is below tcp_mem[0] again (net/core/sock.c:
 * __sk_mem_raise_allocated(), net/ipv4/tcp.c:tcp_enter_memory_pressure()): windows stop growing. Above
 * tcp_mem[2] nothing is allocated: what arrives is pruned or dropped, and tcp_check_oom() lets a close()
 * be followed by a RST.
 *
 * PruneCalled also moves where one socket has filled its own SO_RCVBUF, and TCPAbortOnMemory where there
 * are too many orphans: either counts here only in a minute in which the protocol was in pressure.
 */
#include "rules/family.h"

#define NAMED 3U

struct state {
	bool memory_known, known;
	double pages, limit[3];
	uint64_t pressures, pruned, aborted; /* in the last minute */
};

static uint64_t rose(const struct findings_input *input, enum counter which, bool *known)
{
	if (!input->rates || !(input->rates->known & 1U << which))
		return 0;
	*known = true;
	return input->rates->value[which];
}

static struct state state_read(const struct round *round)
{
	const struct tcpdiag_environment *env = round->input->environment;
	struct state s = { 0 };
	bool ignored = false;
	int i;

	s.pressures = rose(round->input, COUNTER_MEMORY_PRESSURES, &s.known);
	s.pruned = rose(round->input, COUNTER_PRUNE_CALLED, &ignored);
	s.aborted = rose(round->input, COUNTER_ABORT_ON_MEMORY, &ignored);
	if (!env || !(env->known & TCPDIAG_ENV_MEMORY) || !env->tcp_mem[2])
		return s;
	s.memory_known = s.known = true;
	s.pages = (double)env->memory_pages;
	for (i = 0; i < 3; i++)
		s.limit[i] = (double)env->tcp_mem[i];
	return s;
}

static bool blind(const struct round *round)
{
	return !state_read(round).known;
}

static bool partly(const struct round *round)
{
	return !state_read(round).memory_known;
}

static bool uneasy(const struct state *s, double scale)
{
	return s->pressures || (s->memory_known && s->pages >= scale * s->limit[0]);
}

static void begin(struct round *round)
{
	const struct tally_key key = { .rule = TCPDIAG_RULE_TCP_MEMORY_PRESSURE,
				       .kind = TALLY_HOST };
	struct tally *tally = tallies_find(round->tallies, &key);
	struct state s = state_read(round);

	if (!tally && !uneasy(&s, 1))
		return;
	tally = round_tally(round, &key);
	if (!tally)
		return;
	tally->seen_ns = round->now_ns;
	tally->frozen = !s.known;
}

/* The protocol is in pressure, or was in the last minute. */
static bool pressed(const struct state *s, double scale)
{
	return s->pressures || (s->memory_known && s->pages >= scale * s->limit[1]);
}

/* Somebody has lost something for want of memory. */
static bool harms(const struct state *s, double scale)
{
	return (s->pruned || s->aborted) && pressed(s, scale);
}

static enum severity judge(const struct round *round, const struct tally *tally, struct part *part,
			   double scale)
{
	const struct thresholds *t = round->thresholds;
	struct state s = state_read(round);
	bool high = s.memory_known && s.pages >= scale * s.limit[1], lasts;

	(void)tally;
	lasts = scale < 1 ? high : part_sustained(part, high, round->now_ns) >= t->mem_warning_age;
	if (harms(&s, scale) ||
	    (s.memory_known && s.pages >= scale * t->mem_critical_ratio / 100 * s.limit[2]))
		return SEVERITY_CRITICAL;
	if (lasts)
		return SEVERITY_WARNING;
	return uneasy(&s, scale) ? SEVERITY_INFO : SEVERITY_NONE;
}

static void sentence_bytes(struct sentence *s, double bytes)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	size_t i = 0;

	while (bytes >= 1024 && i + 1 < ARRAY_SIZE(units)) {
		bytes /= 1024;
		i++;
	}
	sentence_add(s, i && bytes < 9.95 ? "%.1f %s" : "%.0f %s", bytes, units[i]);
}

/* The rows with the most bytes, most first. Return: how many. */
static uint32_t find_most(const struct findings_input *input, uint32_t ret[NAMED])
{
	uint32_t rows = MIN(input->queue_rows, input->process_count), count = 0, i, at;

	for (i = 0; i < rows; i++) {
		if (!input->queue_bytes[i] ||
		    (count == NAMED && input->queue_bytes[i] <= input->queue_bytes[ret[NAMED - 1]]))
			continue;
		at = count < NAMED ? count++ : NAMED - 1;
		for (; at && input->queue_bytes[ret[at - 1]] < input->queue_bytes[i]; at--)
			ret[at] = ret[at - 1];
		ret[at] = i;
	}
	return count;
}

static void describe_holders(const struct round *round, struct finding *row, struct sentence *s)
{
	const struct findings_input *input = round->input;
	uint32_t most[NAMED], count, i;

	if (!input->queues_known) {
		sentence_add(s, " Whose queues it is in is not known.");
		return;
	}
	count = find_most(input, most);
	for (i = 0; i < count; i++) {
		sentence_add(s, i ? ", " : " Most of it stands in the queues of ");
		sentence_process(round, s, &input->processes[most[i]]);
		sentence_add(s, " ");
		sentence_bytes(s, (double)input->queue_bytes[most[i]]);
	}
	if (count) {
		row->process = most[0];
		row->unit = input->processes[most[0]].unit;
	}
	if (input->queue_nobody) {
		sentence_add(s, count ? ", and of sockets without a process "
				      : " It stands in the queues of sockets without a process: ");
		sentence_bytes(s, (double)input->queue_nobody);
	}
	if (count || input->queue_nobody)
		sentence_add(s, ".");
}

static void describe_harm(struct sentence *s, const struct state *state)
{
	if (!harms(state, 1))
		return;
	sentence_add(s, " In the last minute");
	if (state->pruned) {
		sentence_add(s, " receive queues were pruned ");
		sentence_count(s, state->pruned, "time", "times");
		sentence_add(s, " (PruneCalled)");
	}
	if (state->aborted) {
		sentence_add(s, "%s ", state->pruned ? " and" : "");
		sentence_count(s, state->aborted, "connection was", "connections were");
		sentence_add(s, " killed for memory (TCPAbortOnMemory)");
	}
	sentence_add(s, ".");
}

static void describe_use(struct sentence *s, struct finding *row, const struct state *state,
			 double page)
{
	evidence(row, EVIDENCE_MEMORY_BYTES, state->pages * page);
	evidence(row, EVIDENCE_LIMIT, state->limit[2] * page);
	evidence(row, EVIDENCE_RATIO, state->pages / state->limit[2]);
	sentence_add(s, "The queues of all TCP sockets take ");
	sentence_bytes(s, state->pages * page);
	sentence_add(s, " of ");
	sentence_bytes(s, state->limit[2] * page);
	sentence_add(s, " (%.0f %%; tcp_mem: at ease below ", 100 * state->pages / state->limit[2]);
	sentence_bytes(s, state->limit[0] * page);
	sentence_add(s, ", pressure above ");
	sentence_bytes(s, state->limit[1] * page);
	sentence_add(s, ")");
}

static void describe(const struct round *round, const struct tally *tally, struct finding *row,
		     struct sentence *summary, struct sentence *cause, struct sentence *remedy)
{
	struct state s = state_read(round);

	(void)tally;
	row->shown &= ~(1ULL << EVIDENCE_COUNT);
	if (s.memory_known)
		describe_use(summary, row, &s,
			     round->input->page_bytes ? round->input->page_bytes : 4096);
	else
		sentence_add(summary, "The memory of TCP's queues is short; tcp_mem cannot be read "
				      "from here");
	if (s.pressures) {
		sentence_add(summary, "; under pressure ");
		sentence_count(summary, s.pressures, "time", "times");
		sentence_add(summary, " in the last minute");
	}
	sentence_add(cause,
		     "From pressure on windows and buffers stop growing; above the last number of "
		     "tcp_mem what arrives is dropped and a close() is followed by a RST (kernel "
		     "log: \"TCP: out of memory -- consider tuning tcp_mem\").");
	describe_harm(cause, &s);
	describe_holders(round, row, cause);
	sentence_add(remedy,
		     "Look at who has the memory: data that nobody reads (Recv-Q) or that peers do "
		     "not take (Send-Q). Only when that is in order raise net.ipv4.tcp_mem, or "
		     "lower the last numbers of tcp_rmem and tcp_wmem.");
}

const struct family finding_tcp_memory = {
	.rule = TCPDIAG_RULE_TCP_MEMORY_PRESSURE,
	.scope = SCOPE_HOST,
	.key = FAMILY_BY_HOST,
	.parts = 1,
	.blind = blind,
	.partly = partly,
	.begin = begin,
	.judge = judge,
	.describe = describe,
};
