/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GET /events: what has happened, as a list, counted, or as a stream that does not end.
 */
#pragma once

#include "web/event_filter.h"
#include "web/list.h"

/* The journal of a request. Return: 0; -EINVAL with @problem where there is none. */
int events_journal(const struct request *request, struct problem *problem);

/* "source":{"state","reason"}: how well the kernel's events are seen; without them findings alone are in the journal. */
void events_emit_source(struct emitter *j, const struct snapshot *snapshot);

/* Whether the kernel's events are seen, in full or in part. */
bool events_are_seen(const struct snapshot *snapshot);

/* The same, and they tell how: by the kernel's tracepoints, not only that sockets have ended. */
bool events_tell_ends(const struct snapshot *snapshot);

/* What is behind `after` of these rings has been overwritten: somebody who went on from there has missed something. */
bool events_gap(const struct journal_view *view, uint32_t rings, uint64_t after);

/* The events of a query by up to two words: event_group.c. */
int event_groups_document(const struct request *request, const struct list_options *options,
			  const char *words, struct document **ret, struct problem *problem);

/* The events of a query as they come: event_stream.c. @sse: server-sent events, else one object a line. */
int event_stream_document(const struct request *request, bool sse, struct document **ret,
			  struct problem *problem);
