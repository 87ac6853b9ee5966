/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The report for people: what --once prints and `GET /` answers as text.
 *
 * In this order: what could not be seen, findings worst first (who, how many, how fast, what to do),
 * what stopping a process now would do, sockets by state and attachment, next steps. At most @columns wide.
 */
#pragma once

#include "model/journal.h"
#include "model/snapshot.h"
#include "web/buffer.h"

/*
 * Appends the report; failures (-ENOMEM) stay in the buffer. @journal: what has happened, NULL: nobody has watched;
 * @wall_ns: CLOCK_REALTIME, for that. @where: the host and port that its commands for curl name, NULL: the default
 * address.
 */
void report_print(struct buffer *buffer, const struct snapshot *snapshot,
		  const struct journal_view *journal, int64_t wall_ns, unsigned int columns,
		  const char *where);
