/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Metric families: one row each, walked by /metrics, the documentation and the tests.
 *
 * A row gives either one value or prints its samples itself. A family prints its HELP and TYPE with its
 * first sample, so that one without samples is absent: what is not known is never 0.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "model/snapshot.h"
#include "web/buffer.h"
#include "web/route.h"

enum metric_type {
	METRIC_GAUGE,
	METRIC_COUNTER, /* its name ends in _total */
	METRIC_INFO, /* its name ends in _info; a gauge of 1 in the text format */
};

struct metric;

/* One scrape. @metric is the family at hand. */
struct scrape {
	struct buffer *b;
	const struct snapshot *snapshot; /* NULL: none yet */
	const struct web_statistics *statistics;
	const struct metric *metric;
	bool openmetrics;
	bool begun; /* HELP and TYPE of the family are out */
};

/* Whose numbers a family shows. */
enum metric_origin {
	METRIC_OF_SNAPSHOT, /* absent before the first snapshot */
	METRIC_OF_WEB, /* of the web process itself */
	METRIC_OF_BUILD,
};

struct metric {
	const char *name; /* as in the text format, with _total or _info */
	enum metric_type type;
	enum metric_origin origin;
	enum source_id source; /* absent unless this one works; SOURCE_MAX: needs none */
	const char *unit; /* the end of the name without _total, or NULL */
	const char *labels; /* label names, commas between them, or NULL */
	const char *help;
	/* One of the two. False where the value is not known. */
	bool (*value)(const struct scrape *scrape, double *ret);
	void (*samples)(struct scrape *scrape);
};

/* All families, the order of the output. */
const struct metric *metric_table(size_t *ret_count);

struct label {
	const char *name;
	const char *value;
};

/* One sample of the family at hand; a label without value leaves the sample out. */
void scrape_sample(struct scrape *scrape, const struct label *labels, size_t count, double value);
void scrape_sample_1(struct scrape *scrape, const char *name, const char *label, double value);

/* Whether a source answers, in full or in part. */
bool metrics_source_works(const struct snapshot *snapshot, enum source_id id);

/* Every family that has a sample; OpenMetrics 1.0 with its end mark, or text 0.0.4. */
void metrics_print(struct buffer *b, const struct snapshot *snapshot,
		   const struct web_statistics *statistics, bool openmetrics);

/* Whether an Accept header prefers OpenMetrics 1.0 to the text format. */
bool metrics_wants_openmetrics(const char *accept);
