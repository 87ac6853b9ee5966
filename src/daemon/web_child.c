/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One life of the web process after another. Snapshots are lent with each publication, only the
 * newest; a buffer's descriptor goes along the first time that this web process sees its (number,
 * generation). Everything that comes back is checked: what was not lent cannot be returned, what
 * was not asked cannot be answered, so that no flood of packets from there costs more than one.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "daemon/privileges.h"
#include "daemon/web_child.h"
#include "daemon/web_start.h"

#define GRACE_MS 2000 /* for its end when the channel closes */
#define SHORT_LIFE NSEC_PER_SEC
#define BACKOFF_FIRST (100 * NSEC_PER_MSEC)
#define BACKOFF_MAX (5 * NSEC_PER_SEC)
#define PACKETS_AT_ONCE 32

struct web_child {
	struct web_child_config config;
	struct channel_settings settings;

	pid_t pid; /* 0: none runs */
	int channel; /* -1: none */
	sd_event_source *exit_source;
	sd_event_source *channel_source;
	sd_event_source *ping_timer;
	sd_event_source *start_timer;

	bool ready;
	bool condemned; /* killed, its end has not been seen yet */
	int64_t started_ns;
	int64_t answered_ns; /* last sign of life */
	uint64_t ping; /* number of the newest question */
	bool ping_open; /* not answered yet */
	uint32_t seen_generation[CHANNEL_BUFFERS];
	bool seen[CHANNEL_BUFFERS]; /* it has the descriptor of that generation */

	uint32_t restarts;
	uint32_t short_lives; /* in a row */
};

static int start(struct web_child *child);

static int64_t now_monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

static int kill_it(struct web_child *child)
{
	int r = privileges_kill(child->pid, sd_event_source_get_child_pidfd(child->exit_source));

	if (r < 0)
		log_print(child->config.log, LOG_ERR, "cannot kill web process %d: %s",
			  (int)child->pid, strerror(-r));
	return r;
}

static void condemn(struct web_child *child, const char *why)
{
	if (child->condemned || !child->pid)
		return;
	log_print(child->config.log, LOG_WARNING, "web process %d is killed: %s", (int)child->pid,
		  why);
	child->condemned = true;
	/*
	 * Nothing more is taken from it: what lies in the channel must not wake the loop again and
	 * again.
	 */
	if (child->channel_source)
		sd_event_source_set_enabled(child->channel_source, SD_EVENT_OFF);
	kill_it(child);
}

static void close_channel(struct web_child *child)
{
	child->channel_source = sd_event_source_disable_unref(child->channel_source);
	closep(&child->channel);
	child->channel = -1;
}

/* ---- what comes from it ---- */

static void take_packet(struct web_child *child, const union channel_packet *packet)
{
	switch (packet->type) {
	case CHANNEL_READY:
		if (child->ready) {
			condemn(child, "it is ready twice");
			return;
		}
		child->ready = true;
		if (child->config.ready)
			child->config.ready(child->config.context);
		return;
	case CHANNEL_RETURN:
		if (pool_return(child->config.pool, &packet->lend) < 0)
			condemn(child, "it returned a snapshot that it did not have");
		return;
	case CHANNEL_PING:
		if (!child->ping_open || packet->ping.number != child->ping) {
			condemn(child, "it answered what was not asked");
			return;
		}
		child->ping_open = false;
		child->answered_ns = now_monotonic();
		return;
	default:
		condemn(child, "it sent a packet that it has no business to send");
		return;
	}
}

static int on_channel(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct web_child *child = context;

	(void)source;
	(void)events;
	for (int i = 0; i < PACKETS_AT_ONCE && !child->condemned; i++) {
		union channel_packet packet;
		int passed = -1, r;

		r = channel_receive(fd, &packet, &passed);
		if (r == -EAGAIN)
			return 0;
		if (r < 0) {
			/*
			 * Closed: its end is near, or it is confused; either way it cannot go on.
			 */
			if (r == -EBADMSG)
				condemn(child, "it sent what is no packet");
			sd_event_source_set_enabled(child->channel_source, SD_EVENT_OFF);
			return 0;
		}
		if (passed >= 0) {
			close(passed);
			condemn(child, "it passed a descriptor");
			return 0;
		}
		take_packet(child, &packet);
	}
	return 0;
}

/* ---- what goes to it ---- */

void web_child_lend(struct web_child *child)
{
	struct channel_lend lend;
	int memfd = -1, r;

	if (child->channel < 0 || child->condemned || pool_lend(child->config.pool, &lend) < 0)
		return;
	if (!child->seen[lend.buffer] || child->seen_generation[lend.buffer] != lend.generation)
		memfd = pool_newest(child->config.pool)->memfd;
	r = channel_send(child->channel, &lend, sizeof(lend), memfd);
	if (r < 0) {
		/*
		 * It does not read: it goes on with what it has, and the ping finds out if it is
		 * dead.
		 */
		pool_return(child->config.pool, &lend);
		return;
	}
	child->seen[lend.buffer] = true;
	child->seen_generation[lend.buffer] = lend.generation;
}

int web_child_events(struct web_child *child, uint64_t newest)
{
	struct channel_events packet;

	if (child->channel < 0 || child->condemned)
		return -ENOTCONN;
	memset(&packet, 0, sizeof(packet));
	packet.type = CHANNEL_EVENTS;
	packet.newest = newest;
	return channel_send(child->channel, &packet, sizeof(packet), -1);
}

static int send_journal(struct web_child *child)
{
	struct channel_journal packet;

	memset(&packet, 0, sizeof(packet));
	packet.type = CHANNEL_JOURNAL;
	packet.size = child->config.journal_size;
	return channel_send(child->channel, &packet, sizeof(packet), child->config.journal);
}

static int send_listeners(struct web_child *child)
{
	const struct listeners *listeners = child->config.listeners;

	for (size_t i = 0; i < listeners->count; i++) {
		const struct listener *listener = &listeners->items[i];
		struct channel_listen packet;
		int r;

		memset(&packet, 0, sizeof(packet));
		packet.type = CHANNEL_LISTEN;
		packet.loopback = listener->loopback;
		packet.local = listener->local;
		memcpy(packet.address, listener->address, sizeof(packet.address));
		r = channel_send(child->channel, &packet, sizeof(packet), listener->fd);
		if (r < 0)
			return r;
	}
	return 0;
}

void web_child_configure(struct web_child *child, const struct channel_settings *settings)
{
	child->settings = *settings;
	if (child->channel >= 0 && !child->condemned &&
	    channel_send(child->channel, &child->settings, sizeof(child->settings), -1) < 0)
		condemn(child, "it does not take its settings");
}

/* ---- watching ---- */

static int on_ping_timer(sd_event_source *timer, uint64_t usec, void *context)
{
	struct web_child *child = context;
	int64_t now = now_monotonic();

	sd_event_source_set_time(timer, usec + (uint64_t)(child->config.ping_ns / NSEC_PER_USEC));
	if (child->channel < 0 || child->condemned)
		return 0;
	if (now - child->answered_ns > child->config.silence_ns) {
		condemn(child, "it does not answer");
		return 0;
	}
	if (!child->ping_open) {
		struct channel_ping packet;

		memset(&packet, 0, sizeof(packet));
		packet.type = CHANNEL_PING;
		packet.number = child->ping + 1;
		if (channel_send(child->channel, &packet, sizeof(packet), -1) == 0) {
			child->ping++;
			child->ping_open = true;
		}
	}
	return 0;
}

static void say_how_it_ended(struct web_child *child, const siginfo_t *info)
{
	if (info->si_code == CLD_EXITED)
		log_print(child->config.log, LOG_WARNING,
			  "web process %d ended with status %d; starting another", (int)child->pid,
			  info->si_status);
	else
		log_print(child->config.log, LOG_WARNING,
			  "web process %d ended by signal %d (%s); starting another",
			  (int)child->pid, info->si_status, strsignal(info->si_status));
}

/* At once; more slowly where it never lives for a second. */
static int64_t backoff(struct web_child *child, int64_t now_ns)
{
	if (now_ns - child->started_ns >= SHORT_LIFE) {
		child->short_lives = 0;
		return 0;
	}
	child->short_lives = MIN(child->short_lives + 1, 8U);
	return child->short_lives == 1
		       ? 0
		       : MIN(BACKOFF_FIRST << (child->short_lives - 2), BACKOFF_MAX);
}

static int on_start_timer(sd_event_source *timer, uint64_t usec, void *context)
{
	struct web_child *child = context;
	int r;

	(void)usec;
	r = start(child);
	if (r < 0) {
		log_print(child->config.log, LOG_ERR, "cannot start the web process: %s",
			  strerror(-r));
		sd_event_source_set_time_relative(timer, (uint64_t)(BACKOFF_MAX / NSEC_PER_USEC));
		sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
		return 0;
	}
	child->restarts++;
	if (child->config.restarted)
		child->config.restarted(child->restarts, child->config.context);
	return 0;
}

static int on_child_exit(sd_event_source *source, const siginfo_t *info, void *context)
{
	struct web_child *child = context;
	int64_t wait;

	(void)source;
	say_how_it_ended(child, info);
	wait = backoff(child, now_monotonic());
	child->exit_source = sd_event_source_unref(child->exit_source);
	close_channel(child);
	child->pid = 0;
	pool_return_all(child->config.pool);
	sd_event_source_set_time_relative(child->start_timer, (uint64_t)(wait / NSEC_PER_USEC));
	sd_event_source_set_enabled(child->start_timer, SD_EVENT_ONESHOT);
	return 0;
}

/* ---- its life ---- */

static int introduce(struct web_child *child)
{
	int r;

	r = channel_send(child->channel, &child->settings, sizeof(child->settings), -1);
	if (r == 0)
		r = send_listeners(child);
	if (r == 0 && child->config.journal >= 0)
		r = send_journal(child);
	if (r == 0)
		web_child_lend(child);
	return r;
}

static int start(struct web_child *child)
{
	int pair[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	pid = web_start(child->config.program, pair[1]);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return pid;
	}
	child->pid = pid;
	child->channel = pair[0];
	child->ready = child->condemned = child->ping_open = false;
	memset(child->seen, 0, sizeof(child->seen));
	child->started_ns = child->answered_ns = now_monotonic();
	r = sd_event_add_child(child->config.event, &child->exit_source, pid, WEXITED,
			       on_child_exit, child);
	if (r >= 0)
		r = sd_event_add_io(child->config.event, &child->channel_source, child->channel,
				    EPOLLIN, on_channel, child);
	if (r >= 0)
		r = introduce(child);
	if (child->exit_source) {
		/* From here on its end is an event, whatever it is that it died of. */
		if (r < 0)
			condemn(child, "it does not take its settings");
		return 0;
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	child->pid = 0;
	close_channel(child);
	return r;
}

int web_child_new(const struct web_child_config *config, const struct channel_settings *settings,
		  struct web_child **ret)
{
	struct web_child *child = calloc(1, sizeof(*child));
	int r;

	if (!child)
		return -ENOMEM;
	child->config = *config;
	child->settings = *settings;
	child->channel = -1;
	r = sd_event_add_time_relative(config->event, &child->ping_timer, CLOCK_MONOTONIC,
				       (uint64_t)(config->ping_ns / NSEC_PER_USEC), 0,
				       on_ping_timer, child);
	if (r >= 0)
		r = sd_event_source_set_enabled(child->ping_timer, SD_EVENT_ON);
	if (r >= 0)
		r = sd_event_add_time_relative(config->event, &child->start_timer, CLOCK_MONOTONIC,
					       0, 0, on_start_timer, child);
	if (r >= 0)
		r = sd_event_source_set_enabled(child->start_timer, SD_EVENT_OFF);
	if (r >= 0)
		r = start(child);
	if (r < 0) {
		web_child_free(child);
		return r;
	}
	*ret = child;
	return 0;
}

/* It ends by itself when the channel closes; one that does not is not waited for for ever. */
static void end(struct web_child *child)
{
	int pidfd = sd_event_source_get_child_pidfd(child->exit_source);
	struct pollfd wait = { .fd = pidfd, .events = POLLIN };

	if ((pidfd < 0 || poll(&wait, 1, GRACE_MS) <= 0) && kill_it(child) < 0)
		return;
	waitpid(child->pid, NULL, 0);
}

struct web_child *web_child_free(struct web_child *child)
{
	if (!child)
		return NULL;
	close_channel(child);
	if (child->exit_source) {
		sd_event_source_set_enabled(child->exit_source, SD_EVENT_OFF);
		end(child);
	}
	sd_event_source_unref(child->exit_source);
	sd_event_source_disable_unref(child->ping_timer);
	sd_event_source_disable_unref(child->start_timer);
	pool_return_all(child->config.pool);
	free(child);
	return NULL;
}

bool web_child_ready(const struct web_child *child)
{
	return child->ready;
}

int web_child_pid(const struct web_child *child)
{
	return (int)child->pid;
}
