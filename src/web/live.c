/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Suspending and resuming. libmicrohttpd does not look at a suspended connection at all, so that its client has gone is
 * only seen here, by looking at the socket now and then.
 */
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "web/live.h"

#define LOOK_NS NSEC_PER_SEC /* how often clients are looked at */
#define LOOK_ACCURACY_USEC 250000U
/* What the kernel keeps for a client that does not read: the sooner this is full, the sooner it is seen. */
#define SEND_BUFFER 65536

static int64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

static void arm(struct lives *lives, int64_t now_ns)
{
	int r;

	r = sd_event_source_set_time(lives->timer, (uint64_t)((now_ns + LOOK_NS) / NSEC_PER_USEC));
	if (r >= 0)
		r = sd_event_source_set_enabled(lives->timer, SD_EVENT_ONESHOT);
	lives->armed = r >= 0;
}

static void resume(struct live *live)
{
	if (!live->suspended)
		return;
	live->suspended = false;
	/* The library may ask from now on, and not before. */
	live->asked_ns = monotonic_ns();
	MHD_resume_connection(live->connection);
}

/* A reset: what it has not read would stay in the kernel, in a socket that nobody owns. */
static void cut(struct live *live)
{
	const struct linger linger = { .l_onoff = 1 };

	live->was_cut = true;
	live->over = true;
	live->all->statistics->streams_cut++;
	live->all->cut(live->all->server);
	(void)setsockopt(live->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	(void)shutdown(live->fd, SHUT_RDWR);
}

static bool is_gone(const struct live *live)
{
	/* Whatever it has sent before and nobody reads. */
	struct pollfd end = { .fd = live->fd, .events = POLLRDHUP };

	return poll(&end, 1, 0) > 0 && end.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

static void look(struct live *live, int64_t now_ns)
{
	if (live->was_cut)
		return;
	if (!live->suspended) {
		if (now_ns - live->asked_ns > LIVE_STALL_NS)
			cut(live);
		return;
	}
	if (is_gone(live)) {
		live->over = true;
		resume(live);
	} else if (now_ns - live->given_ns >= LIVE_BEAT_NS) {
		live->given_ns = now_ns;
		stream_beat(live->stream);
		resume(live);
	}
}

static int look_at_all(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct lives *lives = userdata;
	int64_t now_ns = monotonic_ns();
	struct live *live;

	(void)source;
	(void)usec;
	lives->armed = false;
	if (!lives->first)
		return 0;
	lives->run(lives->server);
	for (live = lives->first; live; live = live->after)
		look(live, now_ns);
	arm(lives, now_ns);
	return 0;
}

int lives_init(struct lives *lives, struct sd_event *event)
{
	int r;

	r = sd_event_add_time(event, &lives->timer, CLOCK_MONOTONIC, 0, LOOK_ACCURACY_USEC,
			      look_at_all, lives);
	if (r >= 0)
		r = sd_event_source_set_enabled(lives->timer, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

void lives_done(struct lives *lives)
{
	lives->timer = sd_event_source_disable_unref(lives->timer);
}

void lives_wake(struct lives *lives)
{
	struct live *live;

	if (!lives->first)
		return;
	lives->run(lives->server);
	for (live = lives->first; live; live = live->after)
		resume(live);
}

void lives_end(struct lives *lives)
{
	struct live *live;

	for (live = lives->first; live; live = live->after)
		live->over = true;
	lives_wake(lives);
}

void live_begin(struct live *live, struct lives *lives, struct MHD_Connection *connection,
		struct stream *stream, int64_t now_ns)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	const int size = SEND_BUFFER, on = 1;

	*live = (struct live){ .all = lives,
			       .after = lives->first,
			       .connection = connection,
			       .stream = stream,
			       .fd = info ? info->connect_fd : -1,
			       .asked_ns = now_ns,
			       .given_ns = now_ns };
	if (lives->first)
		lives->first->before = live;
	lives->first = live;
	lives->statistics->streams++;
	(void)setsockopt(live->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	(void)setsockopt(live->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (!lives->armed)
		arm(lives, now_ns);
}

ssize_t live_read(struct live *live, char *data, size_t size, int64_t now_ns)
{
	ssize_t len;

	live->asked_ns = now_ns;
	if (live->over)
		return MHD_CONTENT_READER_END_OF_STREAM;
	len = stream_read(live->stream, data, size);
	if (len == -EAGAIN) {
		live->suspended = true;
		MHD_suspend_connection(live->connection);
		return 0;
	}
	if (len > 0)
		live->given_ns = now_ns;
	return len > 0	 ? len
	       : len < 0 ? MHD_CONTENT_READER_END_WITH_ERROR
			 : MHD_CONTENT_READER_END_OF_STREAM;
}

void live_finish(struct live *live, bool timed_out)
{
	struct lives *lives = live->all;

	if (!lives)
		return;
	if (live->before)
		live->before->after = live->after;
	else
		lives->first = live->after;
	if (live->after)
		live->after->before = live->before;
	lives->statistics->streams--;
	if (timed_out && !live->was_cut)
		lives->statistics->streams_cut++;
	live->all = NULL;
}
