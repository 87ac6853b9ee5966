/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An event as JSON and as a line for people.
 */
#pragma once

#include "model/journal.h"
#include "web/emit.h"

/* One object. @name: NULL for an element. Every member is there in each; what is not known is null. */
void event_json(struct emitter *j, const char *name, const struct journal_view *view,
		const struct event *event);

/* What a reader that was too slow has missed: {"id","time","kind":"gap","lost"}. @lost 0: not known how many. */
void event_gap_json(struct emitter *j, uint64_t after, int64_t wall_ns, uint64_t lost);

extern const char event_text_heading[];
void event_text(struct buffer *b, const struct journal_view *view, const struct event *event);

/* "<netns inode>-<cookie hex>"; null without a cookie. */
void emit_socket_id(struct emitter *j, const char *name, uint32_t netns, uint64_t cookie);

/* {"pid","comm","unit","container", "container_name"}; null where it is not known any more. */
void emit_event_name(struct emitter *j, const char *name, const struct journal_view *view,
		     uint32_t number);

/* "10.0.0.1:443 > 10.9.8.7:51234" */
void event_flow(struct buffer *b, const struct event_socket *socket);
