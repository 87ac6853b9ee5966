/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tells the web process that the journal has grown: at once, and at most ten times a second.
 */
#pragma once

#include <stdint.h>

#include "daemon/web_child.h"
#include "model/journal.h"

struct sd_event;
struct sd_event_source;

struct bell {
	struct web_child *web; /* borrowed, as the journal */
	struct journal_view journal;
	struct sd_event_source *post, *timer;
	uint64_t told; /* newest id that it knows */
	uint64_t rung_usec; /* when it was told */
};

/* Return: 0; -errno of sd-event. */
int bell_open(struct bell *bell, struct sd_event *event, const struct journal *journal,
	      struct web_child *web);

/* Of one that was opened, or is all zero. */
void bell_close(struct bell *bell);
