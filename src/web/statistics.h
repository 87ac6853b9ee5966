/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the web process measures of itself.
 */
#pragma once

#include <stdint.h>

#include "web/route.h"

struct statistics {
	struct web_statistics web;
	int statm; /* /proc/self/statm, opened before no file can be; -1: none */
	int64_t measured_ns;
};

/* Opens what it reads. */
void statistics_init(struct statistics *statistics);
void statistics_done(struct statistics *statistics);

/* Brings processor time, memory and descriptors up to date, at most once a second. */
void statistics_refresh(struct statistics *statistics, int64_t now_ns);
