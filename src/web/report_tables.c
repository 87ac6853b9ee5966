/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The report's two tables: what ending something now would do, and sockets by state and attachment.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "web/metrics.h"
#include "web/owners.h"
#include "web/report_parts.h"

#define STOP_ROWS 10

void report_count_states(const struct snapshot *snapshot, struct state_table *ret)
{
	uint32_t i;

	*ret = (struct state_table){ 0 };
	for (i = 0; i < snapshot->record_count; i++) {
		const struct tcpdiag_socket *sk = &snapshot->records[i].sk;

		if (sk->state >= TCPDIAG_STATE_MAX || sk->attachment >= TCPDIAG_ATTACHMENT_MAX)
			continue;
		ret->count[sk->state][sk->attachment]++;
		ret->total[sk->state]++;
	}
}

/* A number, or a dash: most cells of a state are empty. */
static const char *cell(uint64_t value, char text[NUMBER_MAX])
{
	return value ? number_text(value, text) : "-";
}

void report_states(struct page *page, const struct snapshot *snapshot,
		   const struct state_table *table)
{
	static const struct page_column columns[] = {
		{ "State", 14 }, { "total", 9 }, { "held", 9 },	   { "accept-q", 9 },
		{ "orphan", 9 }, { "mini", 9 },	 { "unknown", 9 }, { "over 5 min", 10 },
	};
	int state;

	page_heading(page, columns, ARRAY_SIZE(columns));
	for (state = 1; state < TCPDIAG_STATE_MAX; state++) {
		const uint32_t *count = table->count[state];
		const uint64_t values[] = {
			table->total[state],
			count[TCPDIAG_HELD],
			count[TCPDIAG_UNACCEPTED],
			count[TCPDIAG_ORPHAN],
			(uint64_t)count[TCPDIAG_TIMEWAIT] + count[TCPDIAG_REQUEST],
			(uint64_t)count[TCPDIAG_UNHELD] + count[TCPDIAG_ATTACHMENT_UNKNOWN],
			snapshot->header->totals.older[state],
		};
		char text[ARRAY_SIZE(values)][NUMBER_MAX];
		const char *cells[ARRAY_SIZE(columns)];
		size_t i;

		if (!table->total[state])
			continue;
		cells[0] = tcpdiag_state_name(state);
		for (i = 0; i < ARRAY_SIZE(values); i++)
			cells[i + 1] = cell(values[i], text[i]);
		page_row(page, columns, cells, ARRAY_SIZE(columns));
	}
}

void report_states_line(struct page *page, const struct snapshot *snapshot,
			const struct state_table *table)
{
	const struct totals *totals = &snapshot->header->totals;
	bool any = false;
	int state;

	page_begin(page, "States", 10);
	for (state = 1; state < TCPDIAG_STATE_MAX; state++) {
		char number[NUMBER_MAX], age[NUMBER_MAX];

		if (!table->total[state])
			continue;
		page_printf(page, any ? 3 : 0, "%s %s", tcpdiag_state_name(state),
			    number_text(table->total[state], number));
		if (TCPDIAG_STATES_TEARDOWN & TCPDIAG_STATE_BIT(state))
			page_printf(page, 1, "(oldest %s)",
				    seconds_text(totals->oldest_seconds[state], age));
		any = true;
	}
	if (!any)
		page_text(page, "no TCP socket at all", 0);
	page_end(page);
}

static uint64_t trouble(const struct owner *owner)
{
	const int64_t *count = owner->exit.count;

	return (uint64_t)(count[EXIT_RST_PEER_OPEN] + count[EXIT_RST_PEER_FINISHED] +
			  count[EXIT_LISTENER_RESETS]);
}

/* Sockets that nobody else holds. */
static int64_t held_alone(const struct owner *owner)
{
	return owner->held - owner->exit.count[EXIT_SURVIVE];
}

/* The outcome of some is not known, and taken to be the usual one. */
static bool is_uncertain(const struct owner *owner)
{
	return owner->exit.count[EXIT_DOUBT_INPUT] > 0;
}

static int most_trouble(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;
	static const enum exit_count keys[] = { EXIT_RST_PEER_OPEN, EXIT_RST_PEER_FINISHED,
						EXIT_LISTENER_RESETS };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (x->exit.count[keys[i]] != y->exit.count[keys[i]])
			return x->exit.count[keys[i]] < y->exit.count[keys[i]] ? 1 : -1;
	if (held_alone(x) != held_alone(y))
		return held_alone(x) < held_alone(y) ? 1 : -1;
	return (x->process > y->process) - (x->process < y->process);
}

static void stop_row(struct page *page, const struct snapshot *snapshot, const struct owner *owner,
		     const struct page_column *columns, size_t count)
{
	const struct process *process = snapshot_process(snapshot, owner->process);
	const int64_t *sums = owner->exit.count;
	int64_t lost = sums[EXIT_UNREAD_BYTES] + sums[EXIT_UNSENT_BYTES];
	char text[5][NUMBER_MAX], name[320];
	const char *cells[7];

	if (owner->name || !process)
		snprintf(name, sizeof(name), "%s", owner_name(snapshot, owner));
	else
		snprintf(name, sizeof(name), "%s (%" PRId32 ")", owner_name(snapshot, owner),
			 process->pid);
	cells[0] = name;
	cells[1] = cell((uint64_t)sums[EXIT_RST_PEER_OPEN], text[0]);
	cells[2] = cell((uint64_t)sums[EXIT_RST_PEER_FINISHED], text[1]);
	cells[3] = cell((uint64_t)sums[EXIT_FIN], text[2]);
	if (is_uncertain(owner) && sums[EXIT_FIN])
		strncat(text[2], "*", sizeof(text[2]) - strlen(text[2]) - 1);
	cells[4] = lost ? bytes_text((uint64_t)lost, text[3]) : "-";
	cells[5] = cell((uint64_t)sums[EXIT_LISTENER_RESETS], text[4]);
	cells[6] = trouble(owner) ? "no" : is_uncertain(owner) ? "yes*" : "yes";
	page_row(page, columns, cells, count);
}

/* Why, where the table's other columns do not say it: nothing is unread, and yet it resets. */
static void stop_reason(struct page *page, const struct owner *owner)
{
	char number[NUMBER_MAX], inherited[NUMBER_MAX];

	if (!owner->linger_zero)
		return;
	page_begin(page, "", 2);
	page_printf(page, 0, "%s by SO_LINGER 0%s", number_text(owner->linger_zero, number),
		    owner->linger_inherited ? "," : "");
	if (owner->linger_inherited == owner->linger_zero)
		page_text(page,
			  owner->linger_zero == 1 ? "which its listener has, too"
						  : "which their listener has, too",
			  1);
	else if (owner->linger_inherited)
		page_printf(page, 1, "of %s the listener has it, too",
			    number_text(owner->linger_inherited, inherited));
	page_end(page);
}

static void stop_table(struct page *page, const struct snapshot *snapshot,
		       const struct owners *owners, uint32_t troubled, uint32_t holding,
		       bool uncertain)
{
	static const struct page_column columns[] = {
		{ "Stop now", 28 },   { "RST live", 9 },      { "RST done", 9 }, { "FIN", 9 },
		{ "lost bytes", 10 }, { "accept queue", 12 }, { "clean", 5 },
	};
	uint32_t shown = MIN(troubled, STOP_ROWS), i;
	char number[NUMBER_MAX];

	page_heading(page, columns, ARRAY_SIZE(columns));
	for (i = 0; i < shown; i++) {
		stop_row(page, snapshot, &owners->rows[i], columns, ARRAY_SIZE(columns));
		stop_reason(page, &owners->rows[i]);
	}
	page_begin(page, "", 0);
	if (troubled > shown)
		page_printf(page, 0, "%s more would reset something.",
			    number_text(troubled - shown, number));
	if (holding > troubled)
		page_printf(page, 1, "%s more would reset nothing%s.",
			    number_text(holding - troubled, number), uncertain ? "*" : "");
	page_text(page,
		  "RST live: the peer is still open; RST done: it has finished, and has all of "
		  "ours.",
		  1);
	page_end(page);
}

static void stop_nothing(struct page *page, const struct snapshot *snapshot,
			 const struct owners *owners, uint32_t holding, bool uncertain)
{
	const char *mark = uncertain ? " (*)" : "";
	char number[NUMBER_MAX];

	page_begin(page, "Stop now", 10);
	/* The one that holds something is sorted to the front. */
	if (holding > 1)
		page_printf(page, 0, "ending any of %s units and programs resets nothing%s.",
			    number_text(holding, number), mark);
	else if (holding)
		page_printf(page, 0, "ending %s, the only holder of sockets %s, resets nothing%s.",
			    owner_name(snapshot, &owners->rows[0]),
			    owners->strangers ? "that is seen" : "of its own", mark);
	else
		page_text(page, "no unit or program is seen to hold a socket of its own.", 0);
	page_end(page);
}

/* Sockets in nobody's row: whoever holds them is not told that all is well. */
static void stop_strangers(struct page *page, const struct owners *owners)
{
	char number[NUMBER_MAX], rst[NUMBER_MAX];

	if (!owners->strangers)
		return;
	page_begin(page, "", 10);
	page_printf(page, 0, "Not in this: %s %s whose holder is not seen; %s would be reset.",
		    number_text(owners->strangers, number),
		    owners->strangers == 1 ? "socket" : "sockets",
		    owners->strangers_rst ? number_text(owners->strangers_rst, rst) : "none");
	page_end(page);
}

void report_stop_now(struct page *page, const struct snapshot *snapshot)
{
	const struct owner_query all = { .kind = OWNER_PROGRAM };
	uint32_t troubled = 0, holding = 0, uncertain = 0, i;
	char number[NUMBER_MAX];
	struct owners owners;

	if (!metrics_source_works(snapshot, SOURCE_PROCESSES)) {
		page_begin(page, "Stop now", 10);
		page_text(page, "not known: it is not seen which process holds which socket.", 0);
		page_end(page);
		return;
	}
	if (owners_count(snapshot, &all, &owners) < 0) {
		page->b->error = -ENOMEM;
		return;
	}
	for (i = 0; i < owners.count; i++) {
		troubled += trouble(&owners.rows[i]) > 0;
		holding += held_alone(&owners.rows[i]) > 0;
		uncertain += (uint32_t)owners.rows[i].exit.count[EXIT_DOUBT_INPUT];
	}
	qsort(owners.rows, owners.count, sizeof(*owners.rows), most_trouble);
	if (troubled)
		stop_table(page, snapshot, &owners, troubled, holding, uncertain);
	else
		stop_nothing(page, snapshot, &owners, holding, uncertain);
	stop_strangers(page, &owners);
	if (uncertain) {
		page_begin(page, "", 10);
		page_printf(
			page, 0,
			"* as far as known: SO_LINGER of %s %s is not seen, and taken to be off.",
			number_text(uncertain, number), uncertain == 1 ? "socket" : "sockets");
		page_end(page);
	}
	owners_done(&owners);
}
