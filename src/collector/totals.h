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

/* The part of it that no dump tells: what the options and references say. */
bool totals_same_settings(const struct tcpdiag_socket *a, const struct tcpdiag_socket *b);

/* Whether close() does the same to both, in one environment: the verdict need not be asked for again. */
bool totals_same_verdict(const struct tcpdiag_socket *a, const struct tcpdiag_socket *b);
