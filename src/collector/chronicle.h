/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal of this collector (model/journal.h) in memory that others read: a sealed memfd.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "model/journal.h"

struct chronicle {
	struct journal *journal;
	void *data;
	size_t size;
	int memfd;
};

/**
 * chronicle_open() - an empty journal
 * @events: resets that are kept; the rest follows from it (journal_sizes_of())
 *
 * Return: 0; -ENOMEM; -errno of the memfd.
 */
int chronicle_open(struct chronicle *chronicle, uint32_t events, const char *boot_id,
		   int64_t wall_ns);

/* Of one that was opened, or is all zero. */
void chronicle_close(struct chronicle *chronicle);
