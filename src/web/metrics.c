/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GET /metrics: the table of families in one of two spellings.
 *
 * Prometheus text format 0.0.4 and OpenMetrics 1.0 differ here in little: OpenMetrics names a counter's
 * family without _total and an info's without _info, tells units, and ends with "# EOF". The newer one is
 * sent when Accept names it with at least the weight of plain text (RFC 9110, 12.5.1).
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <strings.h>

#include "web/media.h"
#include "web/metrics.h"

#define TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

static const struct {
	const char *text, *openmetrics; /* the word of TYPE */
	const char *suffix; /* of the name, not part of an OpenMetrics family */
} types[] = {
	[METRIC_GAUGE] = { "gauge", "gauge", "" },
	[METRIC_COUNTER] = { "counter", "counter", "_total" },
	[METRIC_INFO] = { "gauge", "info", "_info" },
};

bool metrics_source_works(const struct snapshot *snapshot, enum source_id id)
{
	uint32_t i;

	for (i = 0; i < snapshot->source_count; i++)
		if (snapshot->sources[i].id == id)
			return snapshot->sources[i].state == SOURCE_OK ||
			       snapshot->sources[i].state == SOURCE_DEGRADED;
	return false;
}

static void comment(const struct scrape *s, const char *keyword, const char *text)
{
	const struct metric *metric = s->metric;
	size_t len = strlen(metric->name);

	if (s->openmetrics)
		len -= strlen(types[metric->type].suffix);
	buffer_literal(s->b, "# ");
	buffer_text(s->b, keyword);
	buffer_char(s->b, ' ');
	buffer_add(s->b, metric->name, len);
	buffer_char(s->b, ' ');
	buffer_text(s->b, text);
	buffer_char(s->b, '\n');
}

static void begin(struct scrape *s)
{
	const struct metric *metric = s->metric;

	if (s->begun)
		return;
	s->begun = true;
	comment(s, "HELP", metric->help);
	comment(s, "TYPE",
		s->openmetrics ? types[metric->type].openmetrics : types[metric->type].text);
	if (s->openmetrics && metric->unit)
		comment(s, "UNIT", metric->unit);
}

static void label_value(struct buffer *b, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '\\' || c == '"') {
			buffer_char(b, '\\');
			buffer_char(b, *text);
		} else {
			buffer_char(b, c < ' ' || c > '~' ? '?' : *text);
		}
	}
}

/* Whole numbers as such, others as short as they read back the same. */
static void number(struct buffer *b, double value)
{
	char text[40];

	if (isnan(value)) {
		buffer_literal(b, "NaN");
	} else if (isinf(value)) {
		buffer_text(b, value < 0 ? "-Inf" : "+Inf");
	} else if (value == trunc(value) && fabs(value) < 9007199254740992.0) {
		buffer_printf(b, "%.0f", value);
	} else {
		snprintf(text, sizeof(text), "%.15g", value);
		if (strtod(text, NULL) != value)
			snprintf(text, sizeof(text), "%.17g", value);
		buffer_text(b, text);
	}
}

void scrape_sample(struct scrape *scrape, const struct label *labels, size_t count, double value)
{
	struct buffer *b = scrape->b;
	size_t i;

	for (i = 0; i < count; i++)
		if (!labels[i].value)
			return;
	begin(scrape);
	buffer_text(b, scrape->metric->name);
	for (i = 0; i < count; i++) {
		buffer_char(b, i ? ',' : '{');
		buffer_text(b, labels[i].name);
		buffer_literal(b, "=\"");
		label_value(b, labels[i].value);
		buffer_char(b, '"');
	}
	if (count)
		buffer_char(b, '}');
	buffer_char(b, ' ');
	number(b, value);
	buffer_char(b, '\n');
}

void scrape_sample_1(struct scrape *scrape, const char *name, const char *label, double value)
{
	scrape_sample(scrape, &(struct label){ name, label }, 1, value);
}

static bool present(const struct scrape *s)
{
	const struct metric *metric = s->metric;

	switch (metric->origin) {
	case METRIC_OF_SNAPSHOT:
		return s->snapshot && (metric->source == SOURCE_MAX ||
				       metrics_source_works(s->snapshot, metric->source));
	case METRIC_OF_WEB:
		return s->statistics;
	case METRIC_OF_BUILD:
		break;
	}
	return true;
}

void metrics_print(struct buffer *b, const struct snapshot *snapshot,
		   const struct web_statistics *statistics, bool openmetrics)
{
	struct scrape scrape = {
		.b = b, .snapshot = snapshot, .statistics = statistics, .openmetrics = openmetrics
	};
	const struct metric *table;
	size_t count, i;

	table = metric_table(&count);
	for (i = 0; i < count; i++) {
		double value;

		scrape.metric = &table[i];
		scrape.begun = false;
		if (!present(&scrape))
			continue;
		if (table[i].samples)
			table[i].samples(&scrape);
		else if (table[i].value(&scrape, &value))
			scrape_sample(&scrape, NULL, 0, value);
	}
	if (openmetrics)
		buffer_literal(b, "# EOF\n");
}

bool metrics_wants_openmetrics(const char *accept)
{
	double openmetrics = 0, text = 0, any = 0;
	bool text_named = false;
	struct media_range r;

	while (media_next(&accept, &r)) {
		if (media_is(r.type, r.type_len, "application/openmetrics-text")) {
			if (!r.version_len || media_is(r.version, r.version_len, "1.0.0"))
				openmetrics = MAX(openmetrics, r.q);
		} else if (media_is(r.type, r.type_len, "text/plain")) {
			if (!r.version_len || media_is(r.version, r.version_len, "0.0.4")) {
				text = MAX(text, r.q);
				text_named = true;
			}
		} else if (media_is(r.type, r.type_len, "text/*") ||
			   media_is(r.type, r.type_len, "*/*")) {
			any = MAX(any, r.q);
		}
	}
	return openmetrics > 0 && openmetrics >= (text_named ? text : any);
}

int metrics_route(const struct request *request, struct document **ret,
		  struct problem *problem __attribute__((unused)))
{
	bool openmetrics = metrics_wants_openmetrics(request->accept);
	struct buffer b = { 0 };

	metrics_print(&b, request->snapshot, request->statistics, openmetrics);
	return document_from_buffer(&b, 200, openmetrics ? OPENMETRICS_TYPE : TEXT_TYPE, ret);
}
