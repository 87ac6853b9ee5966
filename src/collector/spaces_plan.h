/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which network namespaces are dumped in this pass. Pure: time and costs come in.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Below this a namespace has few sockets and a hash table of its own: asking costs as little as not asking. */
#define PLAN_CHEAP_NS 200000.0

struct plan_row {
	uint32_t number; /* the caller's */
	bool own; /* tcpdiagd's own */
	bool blocked; /* cannot be read now */
	bool changed; /* something happened in it since it was last read, or nobody can tell */
	bool restless; /* it has sockets that change without a sign */
	bool empty; /* it had none at all */
	int64_t read_ns; /* when it was last read by this lane or a larger one, 0: never */
	double cost_ns; /* of a dump, estimated */
	int64_t due_ns; /* set by the plan */
	bool chosen; /* set by the plan */
};

struct plan_terms {
	int64_t now_ns;
	int64_t interval_ns; /* of the lane, as configured */
	double budget_ns; /* CPU time for all but the own one */
	bool sweep; /* everything is read: what is quiet is looked after here alone */
	bool all; /* nobody waits: each one that is not blocked */
};

/**
 * spaces_plan() - marks the rows that this pass dumps
 *
 * The own one always. Of the others those that are due, the one that is longest overdue first, as long as the
 * budget lasts, but one at least. Those in which nothing has happened get a quarter of it, so that many of them
 * are asked less often. The rows are sorted on the way.
 *
 * Return: how many are due and have to wait.
 */
uint32_t spaces_plan(struct plan_row *rows, uint32_t count, const struct plan_terms *terms);
