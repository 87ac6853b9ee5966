/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The audit: each operation that the kernel's tracepoints show is given to the oracle, with the inputs of that
 * instant, and its answer is compared with what the kernel did.
 *
 * Agreed, disagreed, or undecided: an input was not known that could change the answer, or an event may be missing.
 * Pure: the caller logs the first disagreement of a kind with what audit_describe() says: all inputs, and the words of a
 * row of the conformance table that makes such a socket.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tcpdiag/outcome.h>

#include "collector/autopsy.h"

enum audit_result {
	AUDIT_AGREED = 0,
	AUDIT_DISAGREED,
	AUDIT_UNDECIDED,
	AUDIT_RESULT_MAX,
	AUDIT_NOT_COUNTED =
		AUDIT_RESULT_MAX, /* no program has done it: what a subflow does for its MPTCP socket */
};

/* What one operation came to. */
struct audit_verdict {
	enum audit_result result;
	struct tcpdiag_result predicted;
	bool certain;
	bool predicted_known; /* the oracle has an answer */
	uint32_t kind; /* the same for disagreements of one kind: operation, state, rule, segment */
};

/* @env: of the socket's namespace. */
void audit_check(const struct autopsy_operation *operation, const struct tcpdiag_environment *env,
		 struct audit_verdict *ret);

/* Whose it was, all inputs, the prediction, what happened, and a row for the suite, in one line. Return: as snprintf(). */
int audit_describe(const struct autopsy_operation *operation, const struct tcpdiag_environment *env,
		   const struct audit_verdict *verdict, char *buffer, size_t size);

#define AUDIT_KINDS 64 /* disagreements that are told once each */

/* What has been checked. All 0 is a good beginning, but for @per_second. */
struct audit {
	uint32_t per_second; /* checks; above that an operation is skipped, 0: no limit */
	uint64_t checks[AUDIT_RESULT_MAX];
	uint64_t skipped;
	int64_t second_ns; /* when the second at hand began */
	uint32_t seen, left; /* in it: operations, checks that may still be made */
	uint32_t every, pick; /* one out of so many is checked, and which one of them */
	uint32_t blocks; /* of so many, since the start */
	uint32_t kinds[AUDIT_KINDS];
	uint32_t kind_count;
};

/*
 * Whether this operation is checked; it counts as skipped where it is not. Above the budget those that are stand all over
 * the second, by the rate of the second before; where that was lower, the first ones of a second fill the budget.
 */
bool audit_admit(struct audit *audit, int64_t now_ns);

/* Counts it. Return: it is the first disagreement of its kind, to be logged. */
bool audit_note(struct audit *audit, const struct audit_verdict *verdict);
