/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Earliest deadline first, with a budget. A dump walks the hash table of the whole machine for every namespace that
 * shares it (net/ipv4/inet_diag.c:inet_diag_dump_icsk()), so one in which nothing has happened is asked seldom: what
 * happens without a segment (a reader that reads, a descriptor that is closed while another stays) is
 * found then.
 */
#include <stdlib.h>

#include "collector/spaces_plan.h"
#include "model/macro.h"

#define RESTLESS_INTERVALS 10
#define QUIET_INTERVALS 12
#define QUIET_NS (60 * NSEC_PER_SEC)
#define EMPTY_NS (600 * NSEC_PER_SEC)
#define QUIET_SHARE 0.25

static bool is_quiet(const struct plan_row *row)
{
	return row->read_ns && !row->changed && !row->restless;
}

static int64_t due(const struct plan_row *row, const struct plan_terms *terms)
{
	int64_t period = terms->interval_ns;

	if (!row->read_ns)
		return 0;
	if (is_quiet(row))
		period = row->empty ? EMPTY_NS : MAX(QUIET_NS, QUIET_INTERVALS * period);
	else if (!row->changed)
		period *= RESTLESS_INTERVALS;
	/* A pass that comes a moment early is not a pass too early. */
	return row->read_ns + period - terms->interval_ns / 2;
}

static int compare(const void *a, const void *b)
{
	const struct plan_row *x = a, *y = b;

	if (x->own != y->own)
		return y->own - x->own;
	if (x->due_ns != y->due_ns)
		return x->due_ns < y->due_ns ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

/* What is left to spend, and whether it was begun. */
struct purse {
	double left_ns;
	bool begun;
};

static bool pay(struct purse *purse, double cost_ns)
{
	if (purse->begun && cost_ns > purse->left_ns && cost_ns >= PLAN_CHEAP_NS)
		return false;
	purse->left_ns -= cost_ns;
	purse->begun = true;
	return true;
}

uint32_t spaces_plan(struct plan_row *rows, uint32_t count, const struct plan_terms *terms)
{
	struct purse purse = { .left_ns = terms->budget_ns };
	struct purse quiet = { .left_ns = QUIET_SHARE * terms->budget_ns };
	uint32_t waiting = 0, i;

	for (i = 0; i < count; i++)
		rows[i].due_ns = due(&rows[i], terms);
	if (count)
		qsort(rows, count, sizeof(*rows), compare);
	for (i = 0; i < count; i++) {
		struct plan_row *row = &rows[i];

		row->chosen = !row->blocked && (row->own || terms->all);
		if (row->chosen || row->blocked || row->due_ns > terms->now_ns ||
		    (is_quiet(row) && !terms->sweep))
			continue;
		row->chosen = pay(is_quiet(row) ? &quiet : &purse, row->cost_ns);
		waiting += !row->chosen;
	}
	return waiting;
}
