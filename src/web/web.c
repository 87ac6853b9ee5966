/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of the web process.
 *
 * 1. The channel gives settings and listening sockets, up to the first packet that only a serving process
 *    could answer. Until here nothing comes from the network.
 * 2. The process gives up everything it will not need.
 * 3. One loop: the channel before all else, so that a ping is answered while thousands of replies wait.
 *
 * It ends when the channel does, with its parent, or when the parent breaks the channel's rules.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <syslog.h>
#include <systemd/sd-event.h>

#include "web/confine.h"
#include "web/server.h"
#include "web/statistics.h"
#include "web/web.h"

#define START_TIMEOUT_MS 10000 /* between two packets before the first snapshot */
#define FDS_MAX 110000U /* the highest web.max-connections, and what the process itself has */

struct web {
	web_log_fn *log;
	struct channel_settings settings;
	struct server_address addresses[ADDRESSES_MAX];
	size_t address_count;
	struct statistics statistics;
	struct lender lender;
	struct server *server;
	sd_event *event;
	sd_event_source *channel;
	struct channel_ping ping; /* the newest; type 0: answered */
	bool writing; /* waits until the channel takes more */
};

static PRINTF(3, 4) void say(const struct web *web, int priority, const char *format, ...)
{
	va_list arguments;
	char text[512];

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	web->log(&web->settings, priority, text);
}

/* ---- the channel ---- */

static void take_settings(struct web *web, const struct channel_settings *settings)
{
	web->settings = *settings;
	web->settings.allowed_hosts[CHANNEL_HOSTS_MAX - 1] = '\0';
}

static int take_lend(struct web *web, const struct channel_lend *lend, int memfd)
{
	int r = lender_take(&web->lender, lend, memfd);

	web->statistics.web.snapshots = web->lender.received;
	if (r == -EPROTO)
		return r;
	if (r < 0)
		say(web, LOG_ERR, "a snapshot cannot be read: %s", strerror(-r));
	else
		server_published(web->server);
	return 0;
}

static int take_journal(struct web *web, const struct channel_journal *journal, int memfd)
{
	int r = lender_journal(&web->lender, journal, memfd);

	if (r < 0 && r != -EPROTO) {
		say(web, LOG_ERR, "the journal cannot be read: %s", strerror(-r));
		return 0;
	}
	return r;
}

static int answer_ping(struct web *web)
{
	int r = 0;

	if (web->ping.type)
		r = channel_send(CHANNEL_FD, &web->ping, sizeof(web->ping), -1);
	if (r >= 0)
		web->ping.type = 0;
	return r;
}

/* One packet while serving. Return: 0 or -errno that ends the process. */
static int take_packet(struct web *web, const union channel_packet *packet, int passed)
{
	_cleanup_close_ int fd = passed;
	int r;

	switch (packet->type) {
	case CHANNEL_LEND:
		return take_lend(web, &packet->lend, take_fd(&fd));
	case CHANNEL_EVENTS:
		server_events(web->server);
		return 0;
	case CHANNEL_PING:
		web->ping = packet->ping;
		r = answer_ping(web);
		return r == -EAGAIN ? 0 : r;
	case CHANNEL_SETTINGS:
		take_settings(web, &packet->settings);
		r = server_reload(web->server);
		if (r < 0)
			say(web, LOG_ERR, "the old connection limits stay: %s", strerror(-r));
		return 0;
	default:
		return -EPROTO;
	}
}

/* The answers and returns that could not be sent: tried again when the channel takes more. */
static int settle(struct web *web)
{
	bool writing;
	int r;

	r = answer_ping(web);
	if (r >= 0)
		r = lender_settle(&web->lender);
	writing = r == -EAGAIN;

	if (r < 0 && r != -EAGAIN)
		return r;
	if (writing == web->writing)
		return 0;
	web->writing = writing;
	return sd_event_source_set_io_events(web->channel, writing ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static int channel_ready(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	union channel_packet packet;
	struct web *web = userdata;
	int passed, r;

	(void)source;
	(void)events;
	do {
		r = channel_receive(fd, &packet, &passed);
		if (r >= 0)
			r = take_packet(web, &packet, passed);
	} while (r >= 0);
	if (r != -EAGAIN)
		return sd_event_exit(web->event, r);
	return 0;
}

/* ---- the start ---- */

static int add_address(struct web *web, const struct channel_listen *listen, int passed)
{
	_cleanup_close_ int fd = passed;

	if (fd < 0 || web->address_count == ADDRESSES_MAX)
		return -EPROTO;
	web->addresses[web->address_count] = (struct server_address){ .info = *listen,
								      .fd = take_fd(&fd) };
	web->addresses[web->address_count].info.address[CHANNEL_ADDRESS_MAX - 1] = '\0';
	web->address_count++;
	return 0;
}

static int wait_for_packet(void)
{
	struct pollfd poll_fd = { .fd = CHANNEL_FD, .events = POLLIN };
	int r;

	do
		r = poll(&poll_fd, 1, START_TIMEOUT_MS);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r ? 0 : -ETIMEDOUT;
}

/* Everything before the first packet that asks for service, which is returned with its descriptor. */
static int receive_start(struct web *web, union channel_packet *ret, int *ret_passed)
{
	bool has_settings = false;

	for (;;) {
		union channel_packet packet;
		int passed, r;

		r = wait_for_packet();
		if (r >= 0)
			r = channel_receive(CHANNEL_FD, &packet, &passed);
		if (r == -EAGAIN)
			continue;
		if (r < 0)
			return r;
		if (packet.type == CHANNEL_LISTEN) {
			r = add_address(web, &packet.listen, passed);
			if (r < 0)
				return r;
		} else if (packet.type == CHANNEL_JOURNAL) {
			r = take_journal(web, &packet.journal, passed);
			if (r < 0)
				return r;
		} else if (packet.type == CHANNEL_SETTINGS && passed < 0) {
			take_settings(web, &packet.settings);
			has_settings = true;
		} else {
			*ret = packet;
			*ret_passed = passed;
			return has_settings ? 0 : -EPROTO;
		}
	}
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static int give_up_everything(struct web *web, int passed)
{
	int keep[ADDRESSES_MAX + 3];
	size_t count = 0, i;
	uint32_t gaps;
	int r;

	keep[count++] = CHANNEL_FD;
	keep[count++] = web->statistics.statm;
	keep[count++] = passed;
	for (i = 0; i < web->address_count; i++)
		keep[count++] = web->addresses[i].fd;
	qsort(keep, count, sizeof(keep[0]), compare);
	r = confine(keep, count, FDS_MAX, &gaps);
	if (r < 0)
		return r;
	if (gaps & CONFINE_GAP_USER)
		say(web, LOG_NOTICE,
		    "web process: no right to become another user; "
		    "it has no capability and no file all the same");
	say(web, LOG_DEBUG, "web process confined%s",
	    gaps & CONFINE_GAP_LANDLOCK ? ", without Landlock: this kernel has none" : "");
	return 0;
}

static void refresh(void *context, int64_t now_ns)
{
	statistics_refresh(context, now_ns);
}

static int open_loop(struct web *web)
{
	int r;

	r = sd_event_new(&web->event);
	if (r >= 0)
		r = sd_event_add_io(web->event, &web->channel, CHANNEL_FD, EPOLLIN, channel_ready,
				    web);
	if (r >= 0)
		r = sd_event_source_set_priority(web->channel, SD_EVENT_PRIORITY_IMPORTANT);
	if (r < 0)
		return r;
	r = server_new(web->event, web->addresses, web->address_count, &web->lender, &web->settings,
		       &web->statistics.web, refresh, &web->statistics, web->log, &web->server);
	web->address_count = 0; /* the server's now */
	return r;
}

static int start(struct web *web)
{
	const uint32_t ready = CHANNEL_READY;
	union channel_packet packet;
	int passed = -1, r;

	r = receive_start(web, &packet, &passed);
	if (r < 0)
		return r;
	r = give_up_everything(web, passed);
	if (r >= 0)
		r = open_loop(web);
	if (r < 0) {
		closep(&passed);
		return r;
	}
	r = take_packet(web, &packet, passed);
	if (r < 0)
		return r;
	return channel_send(CHANNEL_FD, &ready, sizeof(ready), -1);
}

/* What was set for the parent holds no longer. */
static void reset_signals(void)
{
	static const int ignored[] = { SIGPIPE, SIGHUP, SIGINT };
	sigset_t none;
	size_t i;

	/* A terminal's ^C is for the parent, which closes the channel in its own time. */
	for (i = 0; i < ARRAY_SIZE(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)signal(SIGTERM, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Turns the loop until it is told to end. Return: why. */
static int serve(struct web *web)
{
	int r, code = 0;

	do {
		r = sd_event_run(web->event, UINT64_MAX);
		if (r >= 0 && sd_event_get_state(web->event) != SD_EVENT_FINISHED)
			r = settle(web);
	} while (r >= 0 && sd_event_get_state(web->event) != SD_EVENT_FINISHED);
	if (r >= 0)
		(void)sd_event_get_exit_code(web->event, &code);
	return r < 0 ? r : code;
}

int web_main(web_log_fn *log)
{
	struct web web = { .log = log, .lender.fd = CHANNEL_FD };
	size_t i;
	int r;

	reset_signals();
	statistics_init(&web.statistics);
	r = start(&web);
	if (r >= 0)
		r = serve(&web);
	if (r < 0 && r != -ECONNRESET)
		say(&web, LOG_ERR, "web process ends: %s", strerror(-r));
	server_free(web.server);
	for (i = 0; i < web.address_count; i++)
		close(web.addresses[i].fd);
	sd_event_source_disable_unref(web.channel);
	sd_event_unref(web.event);
	lender_done(&web.lender);
	statistics_done(&web.statistics);
	return r < 0 && r != -ECONNRESET ? EXIT_FAILURE : EXIT_SUCCESS;
}
