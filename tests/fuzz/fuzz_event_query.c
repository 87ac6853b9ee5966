/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any query of GET /events and GET /resets over any events is refused with a reason or answered with a whole document
 * that jansson can parse.
 *
 * The first line is the query; what follows is laid over the events of a small journal.
 */
#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "model/journal.h"
#include "model/snapshot.h"
#include "web/route.h"
#include "web/when.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EVENTS 6U
#define NOW_NS (1000000 * NSEC_PER_SEC)

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void *grow(void *context, size_t size)
{
	void **block = context;

	*block = realloc(*block, size);
	return *block;
}

static const struct journal_sizes sizes = {
	.ring = { 16, 16, 16, 16 }, .names = 16, .minutes = 64, .rows_per_minute = 16
};

/* What is laid over is what a collector may tell: numbers of words that there are. */
static void put_event(struct journal *journal, uint32_t i, const uint8_t *data, size_t size)
{
	const struct event_name name = { .pid = 7, .comm = "a", .unit = "a.service" };
	struct event event = { .wall_ns = NOW_NS - i * NSEC_PER_SEC,
			       .kind = (uint8_t)(1 + i),
			       .socket = { .cookie = i, .netns = 4026531840, .family = AF_INET } };
	uint8_t *bytes = event_is_finding(&event) ? (uint8_t *)&event.finding
						  : (uint8_t *)&event.socket;
	size_t room = event_is_finding(&event) ? sizeof(event.finding) : sizeof(event.socket), k;

	for (k = 0; k < room && i * 64 + k < size; k++)
		bytes[k] ^= data[i * 64 + k];
	if (!event_is_finding(&event)) {
		event.socket.holder = journal_name(journal, &name);
		event.socket.creator = 0;
		/* What jansson takes for a number ends at 63 bits. */
		event.socket.bytes_received &= INT64_MAX;
		event.socket.bytes_sent &= INT64_MAX;
	}
	if (event_is_sound(&event))
		(void)journal_add(journal, &event);
}

static void ask(const struct request *like, route_fn *handler, const char *text)
{
	struct problem problem = {};
	struct query query;
	struct request request = *like;
	struct document *document;
	struct buffer b = {};
	char *copy = strdup(text);
	json_t *json;
	int r;

	require(copy);
	r = query_parse(copy, &query, &problem);
	request.query = &query;
	if (r >= 0)
		r = handler(&request, &document, &problem);
	if (r < 0) {
		require(r == -EINVAL && problem.status && problem.detail[0]);
		free(copy);
		return;
	}
	do
		r = document->more(document, &b);
	while (r > 0 && !document->live);
	require(r >= 0 && !b.error);
	if (!strcmp(document->content_type, "application/json")) {
		json = json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES, NULL);
		require(json);
		json_decref(json);
	}
	document_free(document);
	buffer_done(&b);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	size_t len = end ? (size_t)(end - data) : size, i;
	char *text = strndup((const char *)data, len);
	uint64_t limits[LIMIT_MAX] = {};
	const struct channel_settings settings = { .max_streams = 1 };
	const struct web_statistics statistics = {};
	struct journal_view view;
	struct journal *journal;
	struct snapshot snapshot;
	void *block = NULL, *rings = aligned_alloc(64, (journal_bytes(&sizes) + 63) & ~63UL);
	struct snapshot_writer w = { .grow = grow,
				     .context = &block,
				     .max_records = 1,
				     .string_max = 4096,
				     .limits = limits };
	struct request request = { .path = "/events",
				   .query_text = text,
				   .accept = "",
				   .snapshot = &snapshot,
				   .journal = &view,
				   .statistics = &statistics,
				   .settings = &settings,
				   .now_ns = NOW_NS,
				   .wall_ns = NOW_NS };
	int64_t ns;

	require(text && rings);
	memset(rings, 0, journal_bytes(&sizes));
	require(!journal_new(rings, journal_bytes(&sizes), &sizes, "", NOW_NS, &journal));
	journal_view(journal, &view);
	for (i = 0; i < EVENTS; i++)
		put_event(journal, (uint32_t)i, end ? end + 1 : data, end ? size - len - 1 : 0);
	require(!snapshot_begin(&w));
	w.header->now_ns = w.header->wall_ns = NOW_NS;
	require(!snapshot_seal(&w));
	require(!snapshot_open(w.header, w.header->bytes, &snapshot));
	require(when_parse(text, strlen(text), NOW_NS, &ns) < 0 || ns >= 0);
	ask(&request, events_route, text);
	ask(&request, resets_route, text);
	request.accept = "text/event-stream";
	ask(&request, events_route, text);
	snapshot_writer_done(&w);
	journal_free(journal);
	free(rings);
	free(block);
	free(text);
	return 0;
}
