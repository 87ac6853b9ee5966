/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sums over all records, and what close() would do to each: one pass, so that nobody else has to walk.
 */
#pragma once

#include "model/snapshot.h"
#include "rules/thresholds.h"

/* The inputs of the oracle that hold for all sockets at once: when one turns, every verdict is asked anew. */
uint32_t totals_environment_class(const struct tcpdiag_environment *env);

/* Asks the oracle: @record's close_rule and close_segment. */
void totals_judge(struct record *record, const struct tcpdiag_environment *env);

/* Adds one judged record. */
void totals_add(struct totals *totals, const struct record *record,
		const struct thresholds *thresholds, int64_t now_ns);

/**
 * totals_port_range() - the largest share of the ephemeral ports that one destination uses up
 *
 * Exact: clients' sockets in all states (TIME-WAIT included) by local address and remote address and
 * port, against the size of ip_local_port_range. A walk of its own, for the sweep.
 *
 * Return: 0 where the range is not known or out of memory.
 */
double totals_port_range(const struct record *records, uint32_t count, const uint16_t range[2]);
