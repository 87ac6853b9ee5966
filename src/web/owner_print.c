/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is said of an owner. A process is told from others by pid and start; its arguments are nobody's business.
 *
 * A start is counted in clock ticks since boot (proc(5), stat, field 22), sleep of the machine included, so it
 * is put on the calendar by CLOCK_BOOTTIME.
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "web/envelope.h"
#include "web/expect.h"
#include "web/owner_print.h"
#include "web/page.h"
#include "web/pieces.h"

/* ---- JSON ---- */

static void emit_started(struct emitter *j, const struct owner_table *table, uint64_t ticks)
{
	int64_t hz = sysconf(_SC_CLK_TCK), since_boot;

	if (!ticks || hz <= 0 || ticks > (uint64_t)(INT64_MAX / NSEC_PER_SEC)) {
		emit_null(j, "started");
		return;
	}
	since_boot = (int64_t)ticks / hz * NSEC_PER_SEC + (int64_t)ticks % hz * (NSEC_PER_SEC / hz);
	emit_raw(j, "started", "");
	buffer_time(j->b, table->wall_ns - table->boot_ns + since_boot);
}

static void emit_container(struct emitter *j, const struct snapshot *snapshot,
			   const struct process *process)
{
	if (!process || !process->container) {
		emit_null(j, "container");
		return;
	}
	emit_object(j, "container");
	emit_string(j, "id", snapshot_text(snapshot, process->container));
	emit_text(j, "name", snapshot_text(snapshot, process->container_name));
	emit_text(j, "pod", snapshot_text(snapshot, process->pod));
	emit_text(j, "namespace", snapshot_text(snapshot, process->pod_namespace));
	emit_end(j, '}');
}

static bool holds_any(const struct process *process)
{
	for (int state = 0; state < TCPDIAG_STATE_MAX; state++)
		if (process->sockets[state])
			return true;
	return false;
}

/* Those that hold something: who has ended, and is remembered for what he has left, is none of them. */
static void emit_pids(struct emitter *j, const struct owner_table *table, uint32_t row)
{
	const struct snapshot *snapshot = table->snapshot;
	uint32_t i;

	emit_array(j, "pids");
	for (i = 0; i < snapshot->process_count; i++)
		if (table->owners.row_of[i] == row && holds_any(&snapshot->processes[i]))
			emit_u64(j, NULL, (uint64_t)MAX(snapshot->processes[i].pid, 0));
	emit_end(j, ']');
}

/* The start of the process, or of the oldest. */
static uint64_t first_start(const struct owner_table *table, uint32_t row)
{
	const struct snapshot *snapshot = table->snapshot;
	uint64_t first = 0;
	uint32_t i;

	for (i = 0; i < snapshot->process_count; i++) {
		uint64_t start = snapshot->processes[i].start_time;

		if (table->owners.row_of[i] == row && start && (!first || start < first))
			first = start;
	}
	return first;
}

static void emit_states(struct emitter *j, const struct owner *owner)
{
	int state;

	emit_object(j, "sockets");
	for (state = 1; state < TCPDIAG_STATE_MAX; state++)
		emit_u64(j, tcpdiag_state_name((enum tcpdiag_state)state), owner->sockets[state]);
	emit_end(j, '}');
}

static void emit_duration(struct emitter *j, const char *name, int64_t ms)
{
	if (ms == TCPDIAG_NOT_KNOWN) {
		emit_null(j, name);
	} else if (ms == TCPDIAG_FOREVER) {
		emit_string(j, name, "forever");
	} else {
		emit_raw(j, name, "");
		buffer_ms(j->b, ms);
	}
}

static void emit_answer(struct emitter *j, const char *name, const struct exit_sums *sums,
			enum exit_expect expect)
{
	const struct exit_verdict verdict = exit_judge(sums);
	enum exit_answer answer = exit_expected(sums, expect);

	/* A promise of the document: all three are null unless everything is known. */
	if (!verdict.certain || answer == EXIT_ANSWER_UNKNOWN)
		emit_null(j, name);
	else
		emit_bool(j, name, answer == EXIT_ANSWER_YES);
}

static void say_reason(void *context, const char *text)
{
	emit_string(context, NULL, text);
}

static void emit_exit(struct emitter *j, const struct exit_sums *sums)
{
	static const struct {
		const char *name;
		enum exit_count count;
	} members[] = {
		{ "rst_peer_open", EXIT_RST_PEER_OPEN },
		{ "rst_peer_finished", EXIT_RST_PEER_FINISHED },
		{ "fin", EXIT_FIN },
		{ "none", EXIT_NONE },
		{ "survive", EXIT_SURVIVE },
		{ "listener_resets", EXIT_LISTENER_RESETS },
		{ "unread_bytes", EXIT_UNREAD_BYTES },
		{ "unsent_bytes", EXIT_UNSENT_BYTES },
		{ "orphans", EXIT_ORPHANS },
		{ "orphan_bytes", EXIT_ORPHAN_BYTES },
		{ "pairs", EXIT_PAIRS },
		{ "unseen", EXIT_UNSEEN },
	};
	const int64_t *count = sums->count;
	size_t i;

	emit_object(j, "exit");
	emit_u64(j, "rst", (uint64_t)(count[EXIT_RST_PEER_OPEN] + count[EXIT_RST_PEER_FINISHED]));
	for (i = 0; i < ARRAY_SIZE(members); i++)
		emit_u64(j, members[i].name, (uint64_t)MAX(count[members[i].count], 0));
	emit_duration(j, "orphan_seconds", count[EXIT_ORPHANS] ? sums->orphan_ms : 0);
	emit_u64_known(j, "unanswered", !count[EXIT_DOUBT_ANSWERS],
		       (uint64_t)count[EXIT_UNANSWERED]);
	emit_answer(j, "clean", sums, EXPECT_CLEAN);
	emit_answer(j, "harmless", sums, EXPECT_HARMLESS);
	emit_answer(j, "idle", sums, EXPECT_IDLE);
	emit_bool(j, "certain", exit_judge(sums).certain);
	emit_array(j, "uncertain_because");
	if (!exit_judge(sums).certain)
		expectation_doubts(sums, EXPECT_CLEAN, say_reason, j);
	emit_end(j, ']');
	emit_end(j, '}');
}

void owner_json(struct emitter *j, const struct owner_table *table, uint32_t row)
{
	const struct snapshot *snapshot = table->snapshot;
	const struct owner *owner = &table->owners.rows[row];
	const struct process *process = snapshot_process(snapshot, owner->process);
	const struct exit_sums sums = owner_exit(&table->owners, owner);

	if (table->kind == OWNER_PROCESS) {
		emit_u64(j, "pid", process ? (uint64_t)MAX(process->pid, 0) : 0);
	} else {
		emit_string(j, "name", owner_name(snapshot, owner));
		emit_pids(j, table, row);
	}
	emit_text(j, "comm", process ? snapshot_text(snapshot, process->comm) : NULL);
	emit_text(j, "unit", process ? snapshot_text(snapshot, process->unit) : NULL);
	emit_container(j, snapshot, process);
	emit_text(j, "cgroup", process ? snapshot_text(snapshot, process->cgroup) : NULL);
	emit_started(j, table, first_start(table, row));
	emit_states(j, owner);
	recent_ends_emit(j, &table->ends, snapshot, process);
	emit_exit(j, &sums);
}

/* ---- text ---- */

static const char *answer_text(const struct exit_sums *sums, enum exit_expect expect)
{
	static const char *const words[] = {
		[EXIT_ANSWER_YES] = "yes",
		[EXIT_ANSWER_NO] = "no",
		[EXIT_ANSWER_UNKNOWN] = "not known",
	};

	return words[exit_expected(sums, expect)];
}

static void say_sentence(void *context, const char *text)
{
	struct page *page = context;

	page_begin(page, "", 10);
	page_text(page, text, 0);
	page_end(page);
}

static void text_head(struct page *page, const struct owner_table *table, const struct owner *owner)
{
	const struct process *process = snapshot_process(table->snapshot, owner->process);
	char number[NUMBER_MAX];
	int state;

	page_begin(page, "", 0);
	page_text(page, owner_name(table->snapshot, owner), 0);
	if (table->kind != OWNER_UNIT && process && process->container_title)
		page_text(page, snapshot_text(table->snapshot, process->container_title), 1);
	if (table->kind == OWNER_PROCESS && process)
		page_printf(page, 1, "(pid %" PRId32 ")", process->pid);
	else
		page_printf(page, 1, "(%s %s)", number_text(owner->processes, number),
			    owner->processes == 1 ? "process" : "processes");
	page_end(page);
	page_begin(page, "Sockets", 10);
	page_printf(page, 0, "%s:", number_text(owner->held, number));
	for (state = 1; state < TCPDIAG_STATE_MAX; state++)
		if (owner->sockets[state])
			page_printf(page, 1, "%s %s", tcpdiag_state_name((enum tcpdiag_state)state),
				    number_text(owner->sockets[state], number));
	page_end(page);
}

static void text_exit(struct page *page, const struct exit_sums *sums)
{
	const int64_t *count = sums->count;
	char a[NUMBER_MAX], b[NUMBER_MAX], c[NUMBER_MAX];

	page_begin(page, "Exit now", 10);
	page_printf(
		page, 0, "RST %s (peer open %s, finished %s),",
		number_text((uint64_t)(count[EXIT_RST_PEER_OPEN] + count[EXIT_RST_PEER_FINISHED]),
			    a),
		number_text((uint64_t)count[EXIT_RST_PEER_OPEN], b),
		number_text((uint64_t)count[EXIT_RST_PEER_FINISHED], c));
	page_printf(page, 1, "FIN %s, nothing %s,", number_text((uint64_t)count[EXIT_FIN], a),
		    number_text((uint64_t)count[EXIT_NONE], b));
	page_printf(page, 1, "held by others too %s,",
		    number_text((uint64_t)count[EXIT_SURVIVE], a));
	page_printf(page, 1, "waiting to be accepted and reset %s.",
		    number_text((uint64_t)count[EXIT_LISTENER_RESETS], a));
	page_end(page);
	page_begin(page, "Lost", 10);
	page_printf(page, 0, "%s unread, %s unsent;",
		    bytes_text((uint64_t)count[EXIT_UNREAD_BYTES], a),
		    bytes_text((uint64_t)count[EXIT_UNSENT_BYTES], b));
	page_printf(page, 1, "the kernel goes on delivering %s to %s peers.",
		    bytes_text((uint64_t)count[EXIT_ORPHAN_BYTES], a),
		    number_text((uint64_t)count[EXIT_ORPHANS], b));
	page_end(page);
	if (!count[EXIT_UNSEEN])
		return;
	page_begin(page, "Unseen", 10);
	page_printf(page, 0, "%s more may be its own or not its alone; they would end cleanly.",
		    number_text((uint64_t)count[EXIT_UNSEEN], a));
	page_end(page);
}

void owner_text(struct buffer *b, const struct owner_table *table, uint32_t row,
		unsigned int columns)
{
	const struct owner *owner = &table->owners.rows[row];
	const struct exit_sums sums = owner_exit(&table->owners, owner);
	struct page page = { .b = b, .columns = columns };
	char ended[256];

	text_head(&page, table, owner);
	text_exit(&page, &sums);
	recent_ends_text(ended, sizeof(ended), &table->ends, table->snapshot,
			 snapshot_process(table->snapshot, owner->process));
	if (*ended) {
		page_begin(&page, "Ended", 10);
		page_text(&page, ended, 0);
		page_end(&page);
	}
	page_begin(&page, "Verdict", 10);
	page_printf(&page, 0, "clean: %s; harmless: %s; idle: %s", answer_text(&sums, EXPECT_CLEAN),
		    answer_text(&sums, EXPECT_HARMLESS), answer_text(&sums, EXPECT_IDLE));
	page_end(&page);
	expectation_reasons(&sums, EXPECT_CLEAN, say_sentence, &page);
	if (exit_expected(&sums, EXPECT_CLEAN) != EXIT_ANSWER_UNKNOWN)
		expectation_doubts(&sums, EXPECT_CLEAN, say_sentence, &page);
}

const char owner_row_heading[] =
	"RST open  RST done       FIN   Survive  Accept-q  Clean      Harmless   Name";

void owner_row(struct buffer *b, const struct owner_table *table, uint32_t row)
{
	const struct snapshot *snapshot = table->snapshot;
	const struct owner *owner = &table->owners.rows[row];
	const struct process *process = snapshot_process(snapshot, owner->process);
	const struct exit_sums sums = owner_exit(&table->owners, owner);

	buffer_printf(b,
		      "%8" PRId64 "  %8" PRId64 "  %8" PRId64 "  %8" PRId64 "  %8" PRId64
		      "  %-9s  %-9s  ",
		      sums.count[EXIT_RST_PEER_OPEN], sums.count[EXIT_RST_PEER_FINISHED],
		      sums.count[EXIT_FIN], sums.count[EXIT_SURVIVE],
		      sums.count[EXIT_LISTENER_RESETS], answer_text(&sums, EXPECT_CLEAN),
		      answer_text(&sums, EXPECT_HARMLESS));
	plain_text(b, owner_name(snapshot, owner), SIZE_MAX, SIZE_MAX);
	if (table->kind == OWNER_PROCESS && process) {
		buffer_printf(b, "(%" PRId32 ")", process->pid);
		if (process->unit) {
			buffer_char(b, ' ');
			plain_text(b, snapshot_text(snapshot, process->unit), SIZE_MAX, SIZE_MAX);
		}
	}
	if (table->kind != OWNER_UNIT && process && process->container_title) {
		buffer_char(b, ' ');
		plain_text(b, snapshot_text(snapshot, process->container_title), SIZE_MAX,
			   SIZE_MAX);
	}
}
