/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is wrong with a configuration: all of it, one line each, up to a limit.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "model/macro.h"

#define FAULTS_MAX 50

struct faults {
	char *text; /* owned; lines, each ended by '\n'; NULL when there are none */
	size_t len;
	unsigned int count;
	bool out_of_memory;
};

/*
 * Adds a line; past FAULTS_MAX only the count goes on. Return: -EINVAL, so that a caller can return
 * it.
 */
int faults_add(struct faults *faults, const char *format, ...) PRINTF(2, 3);

/* No more lines are taken: further looking is idle. */
static inline bool faults_full(const struct faults *faults)
{
	return faults->count >= FAULTS_MAX;
}

/* Frees; no faults then. */
void faults_done(struct faults *faults);
