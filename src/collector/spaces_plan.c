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

static int64_t due(const struct plan_row *row, const struct plan_terms *terms)
{
	int64_t period = terms->interval_ns;

	if (!row->read_ns)
		return 0;
	if (!row->changed)
		period = row->restless ? RESTLESS_INTERVALS * period
				       : MAX(QUIET_NS, QUIET_INTERVALS * period);
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

uint32_t spaces_plan(struct plan_row *rows, uint32_t count, const struct plan_terms *terms)
{
	double left = terms->budget_ns;
	uint32_t waiting = 0, taken = 0, i;

	for (i = 0; i < count; i++)
		rows[i].due_ns = due(&rows[i], terms);
	if (count)
		qsort(rows, count, sizeof(*rows), compare);
	for (i = 0; i < count; i++) {
		struct plan_row *row = &rows[i];

		row->chosen = !row->blocked && (row->own || terms->all);
		if (row->chosen || row->blocked || row->due_ns > terms->now_ns)
			continue;
		if (taken && row->cost_ns > left && row->cost_ns >= PLAN_CHEAP_NS) {
			waiting++;
			continue;
		}
		row->chosen = true;
		left -= row->cost_ns;
		taken++;
	}
	return waiting;
}
