/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replies that do not end: events as they come.
 *
 * One that has nothing to say is suspended: it costs a descriptor and a place in the journal. It is resumed when there
 * are events, and every LIVE_BEAT_NS to see whether its client is still there. It holds no snapshot.
 *
 * The library asks for bytes when the socket takes more. From a client that does not read there is no such question:
 * after LIVE_STALL_NS it is cut, and counted. It may come back and go on where it was.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "web/route.h"
#include "web/stream.h"

#define LIVE_BEAT_NS (15 * 1000000000LL)
#define LIVE_STALL_NS (10 * 1000000000LL)

struct MHD_Connection;
struct sd_event;
struct sd_event_source;
struct live;

/* All of them. The first four members are the caller's to set. */
struct lives {
	struct web_statistics *statistics; /* borrowed */
	/* Has the library look at connections that were resumed: it does not announce them. */
	void (*run)(void *server);
	void *server;
	/* Says that a client was cut. */
	void (*cut)(void *server);
	struct live *first;
	struct sd_event_source *timer; /* owned */
	bool armed;
};

struct live {
	struct lives *all; /* NULL: not one of them */
	struct live *before, *after;
	struct MHD_Connection *connection;
	struct stream *stream; /* borrowed */
	int fd;
	bool suspended;
	bool over; /* ends when it is asked next */
	bool was_cut;
	int64_t asked_ns; /* when the library last wanted bytes */
	int64_t given_ns; /* when it last got some */
};

/* Return: 0 or -errno of sd-event. */
int lives_init(struct lives *lives, struct sd_event *event);
void lives_done(struct lives *lives);

/* There are new events. */
void lives_wake(struct lives *lives);

/* Each ends cleanly as soon as its client has taken what is on its way; none is suspended any more. */
void lives_end(struct lives *lives);

void live_begin(struct live *live, struct lives *lives, struct MHD_Connection *connection,
		struct stream *stream, int64_t now_ns);

/* The next bytes: as MHD_ContentReaderCallback; 0 where it waits now. */
ssize_t live_read(struct live *live, char *data, size_t size, int64_t now_ns);

/* Its connection is gone. @timed_out: since its client did not read. */
void live_finish(struct live *live, bool timed_out);
