/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tables of the report; report.c puts them in order.
 */
#pragma once

#include "model/journal.h"
#include "model/snapshot.h"
#include "web/page.h"

/* Sockets by state and attachment, counted from the records. */
struct state_table {
	uint32_t count[TCPDIAG_STATE_MAX][TCPDIAG_ATTACHMENT_MAX];
	uint32_t total[TCPDIAG_STATE_MAX];
};

void report_count_states(const struct snapshot *snapshot, struct state_table *ret);
/* One row a state that has sockets. */
void report_states(struct page *page, const struct snapshot *snapshot,
		   const struct state_table *table);
/* The same in one line, for a host where nothing is wrong. */
void report_states_line(struct page *page, const struct snapshot *snapshot,
			const struct state_table *table);
/* Resets of the last quarter of an hour. On a @calm host nothing where there were none. */
void report_resets(struct page *page, const struct snapshot *snapshot,
		   const struct journal_view *journal, int64_t wall_ns, bool calm);
/* What ending a process or unit now would do. One line where all is clean. */
void report_stop_now(struct page *page, const struct snapshot *snapshot);
