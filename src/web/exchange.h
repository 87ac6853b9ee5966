/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Exchanges: one request and its reply, from the first line to the last byte.
 *
 * An exchange holds the newest snapshot from its start until its document has been produced. One that
 * still holds it when settings.hold_ns is over is broken off: the document goes, the snapshot goes back,
 * and the connection is reset, which is what its client sees.
 *
 * One whose handler wants to be asked again (-EAGAIN) waits without a snapshot, its connection suspended: what
 * many clients wait for costs one question each at each snapshot.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/channel.h"
#include "web/lend.h"
#include "web/live.h"
#include "web/reuse.h"
#include "web/route.h"
#include "web/web.h"

struct MHD_Connection;
struct exchange;
struct sd_event;
struct sd_event_source;

/* All exchanges under way, and what they share. Embedded in the server. */
struct exchanges {
	struct lender *lender; /* borrowed, as all below */
	const struct channel_settings *settings;
	struct web_statistics *statistics;
	/* Brings what is measured in the statistics up to date. */
	void (*refresh)(void *context, int64_t now_ns);
	void *context;
	/* Has the library look at connections that were resumed: it does not announce them. */
	void (*run)(void *server);
	void *server;
	web_log_fn *log;
	/* Those that hold a snapshot, oldest first. */
	struct exchange *first, *last;
	/* Those that wait for another snapshot and hold none; suspended. */
	struct exchange *waiting;
	struct sd_event_source *wait_timer; /* owned */
	int64_t woken_ns; /* when all of them were asked again */
	int64_t wait_cost_ns; /* what that took */
	struct lives lives; /* replies that do not end */
	struct reuse reuse;
	struct sd_event_source *timer; /* owned */
	bool armed;
};

/* Where a connection came in. */
struct exchange_origin {
	struct exchanges *exchanges;
	const struct channel_listen *listen;
};

/* Return: 0 or -errno of sd-event. The members above @first are the caller's to set. */
int exchanges_init(struct exchanges *exchanges, struct sd_event *event);
void exchanges_done(struct exchanges *exchanges);

/* A new snapshot is there: whoever waits is asked again, unless the last time took too long for that. */
void exchanges_published(struct exchanges *exchanges);

/* No snapshot will come: whoever waits is let go. */
void exchanges_wake(struct exchanges *exchanges);

/*
 * The callbacks of libmicrohttpd, with a struct exchange_origin as their closure: the URI as it came
 * (gives the request's context), headers and body, the end.
 */
void *exchange_begin(void *origin, const char *uri, struct MHD_Connection *connection);
int exchange_handle(void *origin, struct MHD_Connection *connection, const char *url,
		    const char *method, const char *version, const char *upload,
		    size_t *upload_size, void **context);
/* @timed_out: the client did not read or write for too long. */
void exchange_end(void *context, bool timed_out);
