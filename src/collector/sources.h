/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What each source answers, what it lacks, why, and what to do about it.
 */
#pragma once

#include "model/macro.h"
#include "model/snapshot.h"

struct source_text {
	struct source row; /* its reason is filled in at publication */
	char reason[480];
};

struct sources {
	struct source_text text[SOURCE_MAX];
};

void sources_init(struct sources *sources);

/* Another state, and a sentence where it is not OK. */
PRINTF(4, 5)
void sources_set(struct sources *sources, enum source_id id, enum source_state state,
		 const char *format, ...);

/* It answered: in full (OK), or not (DEGRADED, set before or after). */
void sources_passed(struct sources *sources, enum source_id id, int64_t now_ns, int64_t cost_ns);

/* It failed with -@error. */
void sources_failed(struct sources *sources, enum source_id id, int error, const char *what,
		    const char *remedy);

/* The section's rows. Return: 0 or -ENOMEM. */
int sources_publish(const struct sources *sources, struct snapshot_writer *w);
