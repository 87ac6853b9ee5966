/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libmicrohttpd without threads: it keeps an epoll descriptor of its own, which is readable when one of
 * its sockets is; then MHD_run() does what can be done without waiting.
 *
 * Its epoll is edge-triggered inside, so what it could not finish is not announced again: MHD_get_timeout()
 * says when to come back, in milliseconds from now, 0 for at once, that is when the other events have
 * had their turn. The timer is only ever moved to an earlier time; one that fires too early asks again,
 * which is cheaper than setting it after each request.
 */
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <syslog.h>
#include <systemd/sd-event.h>

#include "web/server.h"

#define RUNS_MAX 16 /* of one daemon before other events have their turn */
#define POOL_MIN 32768U
#define ARGUMENT_BYTES 64U /* of the library for each argument of a query */
#define POOL_SLACK 8192U /* response headers, and what the library keeps */

struct listener;

/* One daemon of the library. A listener has one that accepts, and after reloads some that wait to end. */
struct service {
	struct listener *listener;
	struct service *next;
	struct MHD_Daemon *daemon;
	sd_event_source *io, *timer, *again;
	uint64_t wakeup_usec; /* of the timer, UINT64_MAX: off */
	uint32_t connections;
	bool retired; /* accepts no more */
};

struct listener {
	struct server *server;
	struct exchange_origin origin;
	struct channel_listen info;
	struct service *services; /* the first accepts */
	int fd;
};

/* What libmicrohttpd takes at start only. */
struct limits {
	uint32_t connections, per_address;
	size_t pool;
};

struct server {
	sd_event *event;
	struct exchanges exchanges;
	struct limits limits;
	size_t count;
	struct listener listeners[ADDRESSES_MAX];
};

static struct limits limits_of(const struct channel_settings *settings)
{
	size_t pool = (size_t)settings->max_uri_bytes + settings->max_header_bytes + POOL_SLACK;

	/* It keeps what it finds in the query, though nobody asks for that: "&a" for each at the least. */
	pool += (size_t)settings->max_uri_bytes / 2 * ARGUMENT_BYTES;

	return (struct limits){
		.connections = MAX(settings->max_connections, 1),
		.per_address = settings->max_connections_per_address,
		.pool = MAX(pool, POOL_MIN),
	};
}

static unsigned int idle_seconds(const struct channel_settings *settings)
{
	return (unsigned int)((settings->idle_timeout_ns + NSEC_PER_SEC - 1) / NSEC_PER_SEC);
}

/* ---- what the library calls ---- */

static void *begin(void *service, const char *uri, struct MHD_Connection *connection)
{
	return exchange_begin(&((struct service *)service)->listener->origin, uri, connection);
}

static enum MHD_Result handle(void *service, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **context)
{
	struct listener *listener = ((struct service *)service)->listener;

	return (enum MHD_Result)exchange_handle(&listener->origin, connection, url, method, version,
						upload, upload_size, context);
}

static void completed(void *service, struct MHD_Connection *connection, void **context,
		      enum MHD_RequestTerminationCode code)
{
	(void)service;
	(void)connection;
	exchange_end(*context, code == MHD_REQUEST_TERMINATED_TIMEOUT_REACHED);
	*context = NULL;
}

static void connected(void *cls, struct MHD_Connection *connection, void **socket_context,
		      enum MHD_ConnectionNotificationCode code)
{
	struct service *service = cls;
	struct exchanges *exchanges = &service->listener->server->exchanges;

	(void)socket_context;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		service->connections++;
		exchanges->statistics->connections++;
		exchanges->statistics->connections_now++;
		/* The daemon's own is as old as the daemon. */
		(void)MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT,
						idle_seconds(exchanges->settings));
	} else {
		service->connections--;
		exchanges->statistics->connections_now--;
	}
}

/* Paths and queries are decoded later, with their own rules. */
static size_t leave_escaped(void *service, struct MHD_Connection *connection, char *text)
{
	(void)service;
	(void)connection;
	return strlen(text);
}

static PRINTF(2, 0) void library_says(void *service, const char *format, va_list arguments)
{
	struct exchanges *exchanges = &((struct service *)service)->listener->server->exchanges;
	char text[256];

	vsnprintf(text, sizeof(text), format, arguments);
	text[strcspn(text, "\r\n")] = '\0';
	exchanges->log(exchanges->settings, LOG_DEBUG, text);
}

/* ---- driving it ---- */

static struct service *service_free(struct service *service)
{
	if (!service)
		return NULL;
	service->io = sd_event_source_disable_unref(service->io);
	service->timer = sd_event_source_disable_unref(service->timer);
	service->again = sd_event_source_disable_unref(service->again);
	if (service->daemon) {
		/* Else the library would close the socket, and another daemon may be using it. */
		if (!service->retired)
			(void)MHD_quiesce_daemon(service->daemon);
		MHD_stop_daemon(service->daemon);
	}
	free(service);
	return NULL;
}

static int set_wakeup(struct service *service, uint64_t milliseconds)
{
	uint64_t now, wanted;
	int r;

	r = sd_event_now(service->listener->server->event, CLOCK_MONOTONIC, &now);
	if (r < 0)
		return r;
	wanted = now + milliseconds * 1000;
	if (service->wakeup_usec <= wanted)
		return 0;
	r = sd_event_source_set_time(service->timer, wanted);
	if (r >= 0)
		r = sd_event_source_set_enabled(service->timer, SD_EVENT_ONESHOT);
	if (r >= 0)
		service->wakeup_usec = wanted;
	return r;
}

static void reap(struct listener *listener);

static int run(struct service *service)
{
	unsigned int runs = 0;
	MHD_UNSIGNED_LONG_LONG timeout;
	bool timed;

	do {
		if (MHD_run(service->daemon) != MHD_YES)
			return -EIO;
		timed = MHD_get_timeout(service->daemon, &timeout) == MHD_YES;
	} while (timed && !timeout && ++runs < RUNS_MAX);
	if (service->retired && !service->connections) {
		reap(service->listener);
		return 0;
	}
	if (!timed)
		return 0;
	/* Not by the timer: it fires up to a millisecond late, and half a megabyte could have gone. */
	if (!timeout)
		return sd_event_source_set_enabled(service->again, SD_EVENT_ONESHOT);
	return set_wakeup(service, timeout);
}

static int is_readable(sd_event_source *source, int fd, uint32_t events, void *service)
{
	(void)source;
	(void)fd;
	(void)events;
	return run(service);
}

/* Everybody else has had a turn. */
static int goes_on(sd_event_source *source, void *service)
{
	(void)source;
	return run(service);
}

static int is_due(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct service *service = userdata;

	(void)source;
	(void)usec;
	service->wakeup_usec = UINT64_MAX;
	return run(service);
}

/* ---- daemons ---- */

static struct MHD_Daemon *start_daemon(struct service *service, const struct limits *limits)
{
	const struct listener *listener = service->listener;
	/* Behind a loopback address all clients have one address: tunnels, proxies, this machine. */
	bool per_address = !listener->info.local && !listener->info.loopback;
	struct MHD_OptionItem options[] = {
		{ MHD_OPTION_LISTEN_SOCKET, listener->fd, NULL },
		{ MHD_OPTION_CONNECTION_LIMIT, (intptr_t)limits->connections, NULL },
		{ MHD_OPTION_PER_IP_CONNECTION_LIMIT,
		  per_address ? (intptr_t)limits->per_address : 0, NULL },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)limits->pool, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT,
		  (intptr_t)idle_seconds(listener->server->exchanges.settings), NULL },
		/* Else it answers a request without a Host itself, and that twice. */
		{ MHD_OPTION_STRICT_FOR_CLIENT, 0, NULL },
		{ MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};

	return MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle,
		service, MHD_OPTION_EXTERNAL_LOGGER, library_says, service, MHD_OPTION_ARRAY,
		options, MHD_OPTION_URI_LOG_CALLBACK, begin, service, MHD_OPTION_UNESCAPE_CALLBACK,
		leave_escaped, service, MHD_OPTION_NOTIFY_COMPLETED, completed, service,
		MHD_OPTION_NOTIFY_CONNECTION, connected, service, MHD_OPTION_END);
}

/* The descriptor to wait for. -EOPNOTSUPP where the library fell back to select(). */
static int epoll_of(struct MHD_Daemon *daemon)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_FLAGS);

	if (!info || !(info->flags & MHD_USE_EPOLL))
		return -EOPNOTSUPP;
	info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
	return info && info->epoll_fd >= 0 ? info->epoll_fd : -EOPNOTSUPP;
}

static int service_new(struct listener *listener, const struct limits *limits, struct service **ret)
{
	sd_event *event = listener->server->event;
	struct service *service = calloc(1, sizeof(*service));
	int r, fd;

	if (!service)
		return -ENOMEM;
	service->listener = listener;
	service->wakeup_usec = UINT64_MAX;
	service->daemon = start_daemon(service, limits);
	r = service->daemon ? epoll_of(service->daemon) : -EIO;
	if (r < 0)
		goto fail;
	fd = r;
	r = sd_event_add_io(event, &service->io, fd, EPOLLIN, is_readable, service);
	if (r < 0)
		goto fail;
	r = sd_event_add_time(event, &service->timer, CLOCK_MONOTONIC, 0, 1000, is_due, service);
	if (r < 0)
		goto fail;
	r = sd_event_source_set_enabled(service->timer, SD_EVENT_OFF);
	if (r < 0)
		goto fail;
	r = sd_event_add_defer(event, &service->again, goes_on, service);
	if (r < 0)
		goto fail;
	r = sd_event_source_set_enabled(service->again, SD_EVENT_OFF);
	if (r < 0)
		goto fail;
	*ret = service;
	return 0;
fail:
	service_free(service);
	return r;
}

/* The daemons that have neither a socket to accept from nor a connection left. */
static void reap(struct listener *listener)
{
	struct service **link = &listener->services;

	while (*link) {
		struct service *service = *link;

		if (service->retired && !service->connections) {
			*link = service->next;
			service_free(service);
		} else {
			link = &service->next;
		}
	}
}

/* ---- the server ---- */

/* Everyone has their turn, after the other events. */
static void run_all(void *userdata)
{
	struct server *server = userdata;
	struct service *service;
	size_t i;

	for (i = 0; i < server->count; i++)
		for (service = server->listeners[i].services; service; service = service->next)
			(void)sd_event_source_set_enabled(service->again, SD_EVENT_ONESHOT);
}

static void says_cut(void *userdata)
{
	struct exchanges *exchanges = &((struct server *)userdata)->exchanges;

	exchanges->log(exchanges->settings, LOG_INFO,
		       "a stream of events was cut: its client does not read");
}

/* Return: 0; -errno. */
static int listener_init(struct listener *listener, const struct limits *limits)
{
	const struct channel_settings *settings = listener->server->exchanges.settings;
	int64_t stall_ns = MAX(settings->hold_ns, settings->idle_timeout_ns);
	const unsigned int stall_ms = (unsigned int)(stall_ns / NSEC_PER_MSEC);
	int flags = fcntl(listener->fd, F_GETFL);

	if (flags < 0 || fcntl(listener->fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(listener->fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	/*
	 * Inherited by every connection: data that a vanished client never takes does not stay in the
	 * kernel for minutes after we have closed.
	 */
	if (!listener->info.local)
		(void)setsockopt(listener->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &stall_ms,
				 sizeof(stall_ms));
	return service_new(listener, limits, &listener->services);
}

int server_new(struct sd_event *event, struct server_address *addresses, size_t count,
	       struct lender *lender, const struct channel_settings *settings,
	       struct web_statistics *statistics, void (*refresh)(void *context, int64_t now_ns),
	       void *context, web_log_fn *log, struct server **ret)
{
	struct server *server = count <= ADDRESSES_MAX ? calloc(1, sizeof(*server)) : NULL;
	size_t i;
	int r;

	if (!server) {
		for (i = 0; i < count; i++)
			close(addresses[i].fd);
		return -ENOMEM;
	}
	server->event = event;
	server->count = count;
	server->limits = limits_of(settings);
	server->exchanges = (struct exchanges){
		.lender = lender,
		.settings = settings,
		.statistics = statistics,
		.refresh = refresh,
		.context = context,
		.run = run_all,
		.server = server,
		.log = log,
		.lives = { .statistics = statistics,
			   .run = run_all,
			   .cut = says_cut,
			   .server = server },
	};
	for (i = 0; i < count; i++) {
		struct listener *listener = &server->listeners[i];

		listener->server = server;
		listener->info = addresses[i].info;
		listener->fd = addresses[i].fd;
		listener->origin = (struct exchange_origin){
			.exchanges = &server->exchanges,
			.listen = &listener->info,
		};
	}
	r = exchanges_init(&server->exchanges, event);
	for (i = 0; i < count && r >= 0; i++)
		r = listener_init(&server->listeners[i], &server->limits);
	if (r < 0) {
		server_free(server);
		return r;
	}
	*ret = server;
	return 0;
}

int server_reload(struct server *server)
{
	struct limits limits = limits_of(server->exchanges.settings);
	size_t i;
	int r;

	/* Whether they may go on the new settings say: whoever may comes back, and misses nothing. */
	lives_end(&server->exchanges.lives);
	if (limits.connections == server->limits.connections &&
	    limits.per_address == server->limits.per_address && limits.pool == server->limits.pool)
		return 0;
	for (i = 0; i < server->count; i++) {
		struct listener *listener = &server->listeners[i];
		struct service *next;

		r = service_new(listener, &limits, &next);
		if (r < 0)
			return r;
		listener->services->retired = true;
		(void)MHD_quiesce_daemon(listener->services->daemon);
		next->next = listener->services;
		listener->services = next;
		reap(listener);
	}
	server->limits = limits;
	return 0;
}

void server_events(struct server *server)
{
	lives_wake(&server->exchanges.lives);
}

void server_published(struct server *server)
{
	exchanges_published(&server->exchanges);
}

/* Streams get their last chunk, as far as their clients take it without waiting. */
static void say_goodbye(struct server *server)
{
	struct service *service;
	unsigned int runs;
	size_t i;

	if (!server->exchanges.lives.first)
		return;
	for (i = 0; i < server->count; i++)
		for (service = server->listeners[i].services; service; service = service->next)
			for (runs = 0; runs < RUNS_MAX && service->daemon; runs++)
				(void)MHD_run(service->daemon);
}

struct server *server_free(struct server *server)
{
	size_t i;

	if (!server)
		return NULL;
	/* The library does not stop while a connection is suspended. */
	exchanges_wake(&server->exchanges);
	lives_end(&server->exchanges.lives);
	say_goodbye(server);
	/* Who was asked there may wait again, and a stream may have begun. */
	exchanges_wake(&server->exchanges);
	lives_end(&server->exchanges.lives);
	for (i = 0; i < server->count; i++) {
		struct listener *listener = &server->listeners[i];

		while (listener->services) {
			struct service *service = listener->services;

			listener->services = service->next;
			service_free(service);
		}
		close(listener->fd);
	}
	exchanges_done(&server->exchanges);
	free(server);
	return NULL;
}
