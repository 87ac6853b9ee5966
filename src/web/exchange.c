/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libmicrohttpd calls in this order: exchange_begin() with the request line, exchange_handle() when the
 * headers are there, again for each part of a body, and a last time, then the body's reader as long as the
 * client reads, exchange_end(). An answer queued in the first exchange_handle() would make the
 * library close the connection, so it is queued in the last; only a body that is too large to be
 * drained is answered at once, and its connection closed.
 *
 * The library asks for more only when the socket takes more: for a client that has stopped reading there
 * is no call at all. Hence the timer, and the shutdown() from outside.
 */
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <syslog.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "web/access.h"
#include "web/exchange.h"
#include "web/reply.h"

#define HOLD_ACCURACY_USEC 100000U
#define WAITING_MAX 64U /* requests that wait; each walks all sockets at each snapshot */
#define WAIT_SHARE \
	20 /* asking those that wait again takes at most one part in so many of the time */
#define DRAIN_MAX 65536U /* bytes of a body that are read and thrown away */

struct exchange {
	struct exchanges *all;
	const struct channel_listen *listen;
	struct MHD_Connection *connection;
	struct exchange *before, *after; /* in the list of those that hold a snapshot */
	struct loan *loan;
	int64_t deadline_ns;
	struct stream *stream;
	struct live live;
	uint64_t drained;
	bool begun; /* headers have been seen */
	bool broken;
	bool reusable; /* its route allows that */
	bool waits; /* in the list of those, its connection suspended */
	struct exchange *waits_after;
	int64_t began_ns; /* first asked, 0: not yet */
	int64_t until_ns; /* asked again then at the latest */
	const struct route *route; /* once it was found: the text is decoded in place */
	const char *argument;
	const char *host; /* of an absolute URI, else NULL: the header */
	char *path; /* encoded, then decoded */
	char *query_text; /* as it came */
	char *query_decoded;
	struct query query;
	char text[]; /* URI as it came, then room for the three above */
};

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

/* ---- holding ---- */

static void arm(struct exchanges *all, int64_t deadline_ns)
{
	int r;

	r = sd_event_source_set_time(all->timer, (uint64_t)(deadline_ns / NSEC_PER_USEC) + 1);
	if (r >= 0)
		r = sd_event_source_set_enabled(all->timer, SD_EVENT_ONESHOT);
	all->armed = r >= 0;
}

static void hold(struct exchange *e, int64_t now_ns)
{
	struct exchanges *all = e->all;

	e->loan = lender_acquire(all->lender);
	if (!e->loan)
		return;
	e->deadline_ns = now_ns + all->settings->hold_ns;
	e->before = all->last;
	e->after = NULL;
	if (all->last)
		all->last->after = e;
	else
		all->first = e;
	all->last = e;
	/* Quick replies cost no timer: it is set once, and looks who is left when it fires. */
	if (!all->armed)
		arm(all, e->deadline_ns);
}

static void let_go(struct exchange *e)
{
	struct exchanges *all = e->all;

	if (!e->loan)
		return;
	if (e->before)
		e->before->after = e->after;
	else
		all->first = e->after;
	if (e->after)
		e->after->before = e->before;
	else
		all->last = e->before;
	lender_release(all->lender, e->loan);
	e->loan = NULL;
}

/*
 * The client has had its time. A reset and not a FIN: what it has not read would stay in the kernel for
 * minutes, in a socket that nobody owns.
 */
static void break_off(struct exchange *e)
{
	const union MHD_ConnectionInfo *info;
	const struct linger linger = { .l_onoff = 1 };

	e->broken = true;
	if (e->stream)
		stream_break(e->stream);
	let_go(e);
	e->all->statistics->broken_off++;
	info = MHD_get_connection_info(e->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (!info)
		return;
	(void)setsockopt(info->connect_fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	(void)shutdown(info->connect_fd, SHUT_RDWR);
}

static int deadline_passed(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct exchanges *all = userdata;
	int64_t now_ns = clock_ns(CLOCK_MONOTONIC);

	(void)source;
	(void)usec;
	all->armed = false;
	while (all->first && all->first->deadline_ns <= now_ns)
		break_off(all->first);
	if (all->first)
		arm(all, all->first->deadline_ns);
	return 0;
}

/* ---- waiting ---- */

static void stop_waiting(struct exchange *e)
{
	struct exchange **link = &e->all->waiting;

	if (!e->waits)
		return;
	while (*link && *link != e)
		link = &(*link)->waits_after;
	if (*link)
		*link = e->waits_after;
	e->waits = false;
	e->all->statistics->waiting--;
}

void exchanges_wake(struct exchanges *exchanges)
{
	if (exchanges->waiting)
		exchanges->run(exchanges->server);
	while (exchanges->waiting) {
		struct exchange *e = exchanges->waiting;

		stop_waiting(e);
		MHD_resume_connection(e->connection);
	}
}

void exchanges_published(struct exchanges *exchanges)
{
	int64_t now_ns = clock_ns(CLOCK_MONOTONIC);

	/* Each walks all sockets. A snapshot that is left out is followed by others. */
	if (now_ns - exchanges->woken_ns < exchanges->wait_cost_ns * WAIT_SHARE)
		return;
	exchanges->woken_ns = now_ns;
	exchanges->wait_cost_ns = 0;
	exchanges_wake(exchanges);
}

static void arm_wait(struct exchanges *all)
{
	const struct exchange *e;
	int64_t until_ns = INT64_MAX;
	int r;

	for (e = all->waiting; e; e = e->waits_after)
		until_ns = MIN(until_ns, e->until_ns);
	if (!all->waiting)
		return;
	r = sd_event_source_set_time(all->wait_timer, (uint64_t)(until_ns / NSEC_PER_USEC) + 1);
	if (r >= 0)
		(void)sd_event_source_set_enabled(all->wait_timer, SD_EVENT_ONESHOT);
}

static int wait_over(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct exchanges *all = userdata;
	int64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	struct exchange *e, *after;

	(void)source;
	(void)usec;
	all->run(all->server);
	for (e = all->waiting; e; e = after) {
		after = e->waits_after;
		if (e->until_ns > now_ns)
			continue;
		stop_waiting(e);
		MHD_resume_connection(e->connection);
	}
	arm_wait(all);
	return 0;
}

static enum MHD_Result wait_for_snapshot(struct exchange *e)
{
	struct exchanges *all = e->all;

	let_go(e);
	e->waits = true;
	e->waits_after = all->waiting;
	all->waiting = e;
	all->statistics->waiting++;
	MHD_suspend_connection(e->connection);
	arm_wait(all);
	return MHD_YES;
}

/* May this one wait? Where too many do, it gets its answer now. */
static bool may_wait(const struct exchange *e)
{
	return e->all->statistics->waiting < WAITING_MAX;
}

int exchanges_init(struct exchanges *exchanges, struct sd_event *event)
{
	int r;

	exchanges->first = exchanges->last = NULL;
	exchanges->armed = false;
	r = sd_event_add_time(event, &exchanges->timer, CLOCK_MONOTONIC, 0, HOLD_ACCURACY_USEC,
			      deadline_passed, exchanges);
	if (r >= 0)
		r = sd_event_source_set_enabled(exchanges->timer, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_time(event, &exchanges->wait_timer, CLOCK_MONOTONIC, 0,
				      HOLD_ACCURACY_USEC, wait_over, exchanges);
	if (r >= 0)
		r = sd_event_source_set_enabled(exchanges->wait_timer, SD_EVENT_OFF);
	if (r >= 0)
		r = lives_init(&exchanges->lives, event);
	return r < 0 ? r : 0;
}

void exchanges_done(struct exchanges *exchanges)
{
	exchanges->timer = sd_event_source_disable_unref(exchanges->timer);
	exchanges->wait_timer = sd_event_source_disable_unref(exchanges->wait_timer);
	lives_done(&exchanges->lives);
	reuse_done(&exchanges->reuse);
}

/* ---- the request ---- */

void *exchange_begin(void *origin, const char *uri, struct MHD_Connection *connection)
{
	const struct exchange_origin *from = origin;
	size_t len = strlen(uri) + 1;
	struct exchange *e = malloc(sizeof(*e) + 4 * len);
	char *path, *query;

	/* Without a context exchange_handle() refuses. */
	if (!e)
		return NULL;
	memset(e, 0, sizeof(*e));
	e->all = from->exchanges;
	e->listen = from->listen;
	e->connection = connection;
	memcpy(e->text, uri, len);
	e->path = memcpy(e->text + len, uri, len);
	e->query_text = e->path + len;
	e->query_decoded = e->query_text + len;
	path = e->path;
	/* The absolute form, as a proxy is asked (RFC 9112, 3.2.2): its host goes before the header's. */
	if (!strncasecmp(path, "http://", 7)) {
		size_t host_len = strcspn(path + 7, "/?");

		memmove(path, path + 7, host_len);
		path[host_len] = '\0';
		e->host = path;
		e->path = path + 7 + host_len;
		if (*e->path != '/' && e->path--)
			*e->path = '/';
	}
	query = strchr(e->path, '?');
	if (query) {
		*query++ = '\0';
		memcpy(e->query_text, query, strlen(query) + 1);
		memcpy(e->query_decoded, query, strlen(query) + 1);
	} else {
		*e->query_text = *e->query_decoded = '\0';
	}
	return e;
}

static const char *header(const struct exchange *e, const char *name)
{
	return MHD_lookup_connection_value(e->connection, MHD_HEADER_KIND, name);
}

/* Method, sizes, Host: what is wrong with a request whatever it asks for. */
static int check_request(const struct exchange *e, const char *method, const char *version,
			 struct problem *problem)
{
	const struct channel_settings *settings = e->all->settings;
	const union MHD_ConnectionInfo *info;
	const char *host = e->host ? e->host : header(e, "Host");
	size_t uri_len = strlen(e->text);
	unsigned int hosts = access_hosts(e->connection);

	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return problem_set(problem, 405, NULL,
				   "%.32s changes nothing here: GET and HEAD do", method);
	if (uri_len > settings->max_uri_bytes)
		return problem_set(problem, 414, NULL, "the URI has %zu bytes, more than %" PRIu32,
				   uri_len, settings->max_uri_bytes);
	info = MHD_get_connection_info(e->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	if (info && info->header_size > uri_len + settings->max_header_bytes)
		return problem_set(problem, 431, NULL,
				   "the headers have %zu bytes, more than %" PRIu32,
				   info->header_size - uri_len, settings->max_header_bytes);
	/* RFC 9112, 3.2: exactly one, whatever the request line says. */
	if (!hosts && !strcmp(version, MHD_HTTP_VERSION_1_1))
		return problem_set(problem, 400, NULL, "HTTP/1.1 without a Host header");
	if (hosts > 1)
		return problem_set(problem, 400, NULL, "there are %u Host headers", hosts);
	info = MHD_get_connection_info(e->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	return access_host(e->listen, info ? info->connect_fd : -1, settings->allowed_hosts, host,
			   problem);
}

/* The route of the request, and the right to it; NULL with a problem. */
static const struct route *find_route(struct exchange *e, struct request *request,
				      struct problem *problem)
{
	const struct route *route;
	const char *wrong;

	request->path = e->path;
	request->argument = e->argument;
	if (e->route)
		return e->route;
	wrong = query_decode(e->path, false);
	if (wrong) {
		problem_set(problem, 400, NULL, "the path %s", wrong);
		return NULL;
	}
	route = route_find(e->path, &request->argument);
	if (!route) {
		route_not_found(e->path, problem);
		return NULL;
	}
	if (access_route(e->listen, e->all->settings->expose_api, route, problem) < 0 ||
	    query_parse(e->query_decoded, &e->query, problem) < 0 ||
	    query_check(&e->query, route->parameters, problem) < 0)
		return NULL;
	if (route->flags & ROUTE_DATA && !request->snapshot) {
		problem_no_snapshot(problem);
		return NULL;
	}
	e->route = route;
	e->argument = request->argument;
	return route;
}

/*
 * Return: 0; 1 where an answer of before will do; -EINVAL with a problem; -EAGAIN where it waits; another
 * -errno.
 */
static int produce(struct exchange *e, struct request *request, const char *method,
		   const char *version, struct document **ret, struct problem *problem)
{
	struct exchanges *all = e->all;
	const struct route *route;
	int r;

	r = check_request(e, method, version, problem);
	if (r < 0)
		return r;
	request->now_ns = clock_ns(CLOCK_MONOTONIC);
	request->wall_ns = clock_ns(CLOCK_REALTIME);
	if (!e->began_ns)
		e->began_ns = request->now_ns;
	request->began_ns = e->began_ns;
	hold(e, request->now_ns);
	request->snapshot = e->loan ? &e->loan->snapshot : NULL;
	route = find_route(e, request, problem);
	if (!route)
		return -EINVAL;
	e->reusable = route->flags & ROUTE_REUSE && e->loan;
	if (e->reusable && reuse_holds(&all->reuse, request->snapshot, e->text, request->accept,
				       header(e, "Accept-Encoding"), request->now_ns))
		return 1;
	all->refresh(all->context, request->now_ns);
	request->until_ns = &e->until_ns;
	r = route->handler(request, ret, problem);
	if (request->now_ns != e->began_ns)
		all->wait_cost_ns += clock_ns(CLOCK_MONOTONIC) - request->now_ns;
	if (r != -EAGAIN || may_wait(e)) {
		all->statistics->waits += r == -EAGAIN && request->now_ns == e->began_ns;
		return r;
	}
	all->statistics->waits_refused++;
	request->until_ns = NULL;
	return route->handler(request, ret, problem);
}

/* ---- the reply ---- */

static ssize_t read_body(void *context, uint64_t position, char *data, size_t size)
{
	struct exchange *e = context;
	ssize_t len;

	(void)position;
	if (e->live.all)
		return live_read(&e->live, data, size, clock_ns(CLOCK_MONOTONIC));
	len = stream_read(e->stream, data, size);
	if (!stream_holds(e->stream))
		let_go(e);
	if (len > 0)
		return len;
	return len ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
}

static void complain(const struct exchange *e, int error)
{
	char text[256];

	snprintf(text, sizeof(text), "%.160s: %s", e->text, strerror(-error));
	e->all->log(e->all->settings, LOG_WARNING, text);
}

/* The problem of a handler, or of the lack of memory. */
static int problem_of(const struct exchange *e, int error, struct problem *problem,
		      struct document **ret)
{
	if (error != -EINVAL || !problem->status) {
		complain(e, error);
		problem_set(problem, 500, NULL, "%s", strerror(-error));
	}
	return problem_document(problem, ret);
}

static int answer_again(struct exchange *e)
{
	struct reuse *reuse = &e->all->reuse;

	let_go(e);
	e->all->statistics->requests[2]++;
	e->all->statistics->bytes += reuse->bytes;
	return (int)MHD_queue_response(e->connection, MHD_HTTP_OK, reuse->response);
}

static int answer(struct exchange *e, const char *method, const char *version)
{
	struct request request = {
		.query = &e->query,
		.query_text = e->query_text,
		.accept = header(e, "Accept"),
		.last_event_id = header(e, "Last-Event-ID"),
		.statistics = e->all->statistics,
		.settings = e->all->settings,
		.journal = e->all->lender->journal_map ? &e->all->lender->journal : NULL,
	};
	struct reply_context context = {
		.path = e->text,
		.accept_encoding = header(e, "Accept-Encoding"),
		.if_none_match = header(e, "If-None-Match"),
		.bytes = &e->all->statistics->bytes,
		.read = read_body,
		.context = e,
	};
	struct problem problem = {};
	struct document *document;
	uint64_t bytes = e->all->statistics->bytes;
	struct reply reply;
	bool live;
	int r;

	if (!request.accept)
		request.accept = "";
	context.accept = request.accept;
	if (!e->listen->local)
		request.host = e->host ? e->host : header(e, "Host");
	r = produce(e, &request, method, version, &document, &problem);
	if (r == 1)
		return answer_again(e);
	if (r == -EAGAIN)
		return wait_for_snapshot(e);
	if (r < 0)
		r = problem_of(e, r, &problem, &document);
	if (r < 0)
		return MHD_NO;
	context.snapshot = request.snapshot;
	live = document->live && !strcmp(method, "GET");
	r = reply_new(&context, document, &reply);
	if (r < 0) {
		complain(e, r);
		return MHD_NO;
	}
	e->stream = reply.stream;
	if (e->stream && live)
		live_begin(&e->live, &e->all->lives, e->connection, e->stream, request.now_ns);
	/*
	 * The answer to HEAD has no body. In chunks the library would send the last, empty one all the
	 * same, which the client would take for the next answer; so no chunks, and no next answer.
	 */
	if (e->stream && !strcmp(method, "HEAD")) {
		stream_break(e->stream);
		(void)MHD_set_response_options(reply.response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT,
					       MHD_RO_END);
	}
	e->all->statistics->requests[MIN(reply.status / 100, 5)]++;
	r = (int)MHD_queue_response(e->connection, reply.status, reply.response);
	if (e->reusable && !e->stream && reply.status == MHD_HTTP_OK)
		reuse_store(&e->all->reuse, reply.response, context.snapshot, e->text,
			    context.accept, context.accept_encoding, request.now_ns,
			    e->all->statistics->bytes - bytes);
	else
		MHD_destroy_response(reply.response);
	if (!e->stream || e->live.all || !stream_holds(e->stream))
		let_go(e);
	return r;
}

/* Whether the body, if there is one, is small enough to be read and forgotten. */
static bool can_drain(const struct exchange *e)
{
	const char *length = header(e, "Content-Length");

	return !length || strtoull(length, NULL, 10) <= DRAIN_MAX;
}

int exchange_handle(void *origin, struct MHD_Connection *connection, const char *url,
		    const char *method, const char *version, const char *upload,
		    size_t *upload_size, void **context)
{
	struct exchange *e = *context;

	(void)origin;
	(void)connection;
	(void)url;
	(void)upload;
	if (!e)
		return MHD_NO;
	if (!e->begun) {
		e->begun = true;
		return can_drain(e) ? MHD_YES : answer(e, method, version);
	}
	if (*upload_size) {
		e->drained += *upload_size;
		*upload_size = 0;
		return e->drained > DRAIN_MAX ? MHD_NO : MHD_YES;
	}
	return answer(e, method, version);
}

void exchange_end(void *context, bool timed_out)
{
	struct exchange *e = context;

	if (!e)
		return;
	if (timed_out && !e->broken && !e->live.all && e->stream && stream_holds(e->stream))
		e->all->statistics->broken_off++;
	live_finish(&e->live, timed_out);
	stop_waiting(e);
	let_go(e);
	stream_free(e->stream);
	free(e);
}
