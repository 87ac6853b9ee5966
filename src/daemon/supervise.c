/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The collector process. Order of the start: sockets are bound while there are all rights, then
 * rights are dropped, then the kernel is asked. The web process is started before the first poll,
 * so that its start does not wait for a dump of a million sockets.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "collector/collector.h"
#include "daemon/announce.h"
#include "daemon/bell.h"
#include "daemon/config.h"
#include "daemon/listen.h"
#include "daemon/log.h"
#include "daemon/notify.h"
#include "daemon/privileges.h"
#include "daemon/settings.h"
#include "daemon/store.h"
#include "daemon/supervise.h"
#include "daemon/terminal.h"
#include "daemon/web_child.h"

#define PING_EVERY (5 * NSEC_PER_SEC)
#define PING_SILENCE (15 * NSEC_PER_SEC)
#define FIRST_REPORT_LINES 40
#define FIRST_REPORT_WAIT (3 * NSEC_PER_SEC) /* for a walk over the owners */
#define INHERITED_MAX (LISTENERS_MAX + 1) /* one too many is a fault */

struct daemon {
	int argc;
	char **argv;
	const struct options *options; /* at the start */
	struct log log;
	struct listeners listeners;
	struct store store;
	int program; /* descriptor of the executable */
	sd_event *event;
	struct collector *collector;
	struct web_child *web;
	struct bell bell;
	struct notify notify;
	struct announce announce;
	struct log_topic poll_topic;
	struct log_topic skip_topic;
	bool terminal; /* a person is there: print what is seen first */
	bool published; /* there is a snapshot */
	int64_t started_ns;
};

static int64_t now_monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

/* ---- after each poll ---- */

static void become_ready(struct daemon *d)
{
	if (d->notify.ready || !d->published || !d->web || !web_child_ready(d->web))
		return;
	notify_ready(&d->notify);
	log_print(&d->log, LOG_INFO, "ready");
}

/* Once: as soon as holders are known, or it takes too long to find them. */
static void print_first_report(struct daemon *d, const struct snapshot *snapshot, int64_t now)
{
	const struct lane_state *lanes = snapshot->header->lanes;

	if (!d->terminal || !lanes[LANE_SWEEP].passes)
		return;
	if (d->options->processes && !lanes[LANE_OWNERS].passes &&
	    now - d->started_ns < FIRST_REPORT_WAIT)
		return;
	d->terminal = false;
	terminal_print_report(snapshot, FIRST_REPORT_LINES, &d->listeners);
}

static void tell_poll(struct daemon *d, int result)
{
	if (result < 0)
		log_change(&d->log, &d->poll_topic, LOG_WARNING, "a poll was lost: %s",
			   strerror(-result));
	else
		log_clear(&d->log, &d->poll_topic, LOG_NOTICE, "polls succeed again");
	if (result == 1)
		log_change(&d->log, &d->skip_topic, LOG_NOTICE,
			   "a snapshot was not published: slow readers hold all buffers");
	else if (result == 0)
		log_clear(&d->log, &d->skip_topic, LOG_NOTICE, "snapshots are published again");
}

static void on_published(struct collector *collector, int result, void *context)
{
	struct daemon *d = context;
	struct snapshot snapshot;
	int64_t now = now_monotonic();

	notify_alive(&d->notify, now);
	tell_poll(d, result);
	/* Where a source has failed there is a snapshot that says so. */
	if (result == -ENOMEM || collector_snapshot(collector, &snapshot) < 0)
		return;
	/* One in private memory is not kept; then the one before is still needed. */
	if (result != 1)
		store_done(&d->store);
	d->published = true;
	if (result != 1 && d->web)
		web_child_lend(d->web);
	announce_snapshot(&d->announce, &snapshot, &d->log);
	notify_status(&d->notify, &snapshot, now);
	become_ready(d);
	print_first_report(d, &snapshot, now);
}

/* ---- web process ---- */

static void on_web_ready(void *context)
{
	become_ready(context);
}

static void on_web_restarted(uint32_t restarts, void *context)
{
	struct daemon *d = context;

	collector_set_web_restarts(d->collector, restarts);
}

/* ---- signals ---- */

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *context)
{
	struct daemon *d = context;

	(void)source;
	log_print(&d->log, LOG_INFO, "stopping: %s", strsignal((int)info->ssi_signo));
	notify_stopping();
	return sd_event_exit(d->event, 0);
}

/* Options that are as they were at the start, whatever the file says now. */
static void tell_restart(struct daemon *d, const struct options *options)
{
	size_t count = options_count();

	for (size_t row = 0; row < count; row++) {
		struct option_info info;

		option_get(row, &info);
		if (info.flags & OPTION_RESTART && !option_equal(options, d->options, row))
			log_print(&d->log, LOG_WARNING, "%s has changed: that needs a restart",
				  info.name);
	}
}

static void raise_descriptors(const struct options *options)
{
	privileges_raise_descriptors((uint32_t)options->max_connections,
				     options->namespaces ? (uint32_t)options->max_namespaces : 0);
}

static void apply(struct daemon *d, const struct options *options)
{
	struct collector_settings collector;
	struct channel_settings web;

	log_configure(&d->log, options);
	settings_collector(options, &collector);
	settings_web(options, d->log.output, &web);
	raise_descriptors(options);
	collector_configure(d->collector, &collector);
	web_child_configure(d->web, &web);
	tell_restart(d, options);
}

static void log_faults(struct daemon *d, const struct faults *faults)
{
	const char *line = faults->text;

	while (line && *line) {
		size_t len = strcspn(line, "\n");

		log_print(&d->log, LOG_ERR, "%.*s", (int)len, line);
		line += len + (line[len] == '\n');
	}
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *context)
{
	_cleanup_(options_done) struct options options = {};
	_cleanup_(faults_done) struct faults faults = {};
	struct daemon *d = context;
	const char *path = NULL;
	int64_t now = now_monotonic();
	int r;

	(void)source;
	(void)info;
	notify_reloading(now);
	r = config_assemble(d->argc, d->argv, &options, &path, &faults);
	if (r < 0) {
		log_faults(d, &faults);
		log_print(&d->log, LOG_ERR,
			  "configuration not reloaded: the one before stays in force");
		if (faults.text)
			faults.text[strcspn(faults.text, "\n")] = '\0';
		collector_set_reload(d->collector, false, faults.text ? faults.text : strerror(-r),
				     now);
	} else {
		apply(d, &options);
		log_print(&d->log, LOG_INFO, "configuration reloaded%s%s", path ? ": " : "",
			  path ? path : "");
		collector_set_reload(d->collector, true, NULL, now);
	}
	/*
	 * A snapshot that says so, at once: /status and the metric shall not lag behind the reload.
	 */
	on_published(d->collector, collector_poll(d->collector, LANE_FAST), d);
	notify_reloaded();
	return 0;
}

static int watch_signals(struct daemon *d)
{
	static const struct handled {
		int number;
		sd_event_signal_handler_t handler;
	} handled[] = { { SIGTERM, on_stop }, { SIGINT, on_stop }, { SIGHUP, on_reload } };
	sigset_t blocked;
	int r;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	for (size_t i = 0; i < ARRAY_SIZE(handled); i++)
		sigaddset(&blocked, handled[i].number);
	if (sigprocmask(SIG_BLOCK, &blocked, NULL) < 0)
		return -errno;
	/* A terminal that goes away must not take the daemon along by a write to it. */
	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < ARRAY_SIZE(handled); i++) {
		sd_event_source *source = NULL;

		r = sd_event_add_signal(d->event, &source, handled[i].number, handled[i].handler,
					d);
		if (r < 0)
			return r;
		/* Before the web process's end, which the same Ctrl-C may have caused. */
		sd_event_source_set_priority(source, SD_EVENT_PRIORITY_IMPORTANT);
		sd_event_source_set_floating(source, true);
		sd_event_source_unref(source);
	}
	return 0;
}

/* ---- start ---- */

/* What systemd has passed: sockets, and what it has kept of the collector before. */
static int take_inherited(struct daemon *d, int sockets[static INHERITED_MAX], size_t *ret_count)
{
	char **names = NULL;
	int count = sd_listen_fds_with_names(1, &names);

	if (count < 0)
		return count;
	*ret_count = 0;
	for (int i = 0; i < count; i++) {
		int fd = SD_LISTEN_FDS_START + i;

		if (store_is_memory(fd))
			store_add(&d->store, fd, names ? names[i] : NULL);
		else if (*ret_count < INHERITED_MAX)
			sockets[(*ret_count)++] = fd;
		else
			close(fd);
		free(names ? names[i] : NULL);
	}
	free(names);
	return 0;
}

static int open_listeners(struct daemon *d)
{
	_cleanup_(faults_done) struct faults faults = {};
	int inherited[INHERITED_MAX];
	size_t count = 0;
	int r;

	r = take_inherited(d, inherited, &count);
	if (r < 0)
		return r;
	if (listeners_open(d->options, inherited, count, &d->listeners, &faults) < 0) {
		log_faults(d, &faults);
		return -ECANCELED; /* each address has its own reason, and it is said */
	}
	for (size_t i = 0; i < d->listeners.count; i++) {
		const struct listener *listener = &d->listeners.items[i];

		log_print(&d->log, LOG_INFO, "listening on %s%s", listener->address,
			  listener->inherited ? ", from systemd" : "");
		if (!listener->loopback && !listener->local && d->options->expose_api)
			log_print(&d->log, LOG_WARNING,
				  "web.expose-api: whoever reaches %s sees all connections of this "
				  "machine",
				  listener->address);
	}
	if (d->terminal)
		terminal_print_addresses(&d->listeners, d->options->expose_api);
	return 0;
}

/* The verdicts of a rule are wrong, or its inputs were: whoever reads this has a row for the conformance table. */
static void on_disagreement(const char *text, void *context)
{
	struct daemon *d = context;

	log_print(&d->log, LOG_WARNING, "the oracle disagrees with the kernel: %s", text);
}

static int start_collector(struct daemon *d)
{
	struct collector_settings settings;
	struct snapshot before;
	int r;

	settings_collector(d->options, &settings);
	r = collector_new(&settings, &d->collector);
	if (r < 0)
		return r;
	(void)store_journal(&d->store, d->collector, &d->log);
	if (store_restore(&d->store, d->collector, &d->log) == 0 &&
	    snapshot_open(d->store.data, d->store.size, &before) == 0)
		announce_restored(&d->announce, &before);
	collector_on_disagreement(d->collector, on_disagreement, d);
	store_watch(&d->store, collector_pool(d->collector));
	return 0;
}

static int start_web(struct daemon *d)
{
	struct web_child_config config = {
		.event = d->event,
		.log = &d->log,
		.pool = collector_pool(d->collector),
		.listeners = &d->listeners,
		.program = d->program,
		.ping_ns = PING_EVERY,
		.silence_ns = PING_SILENCE,
		.ready = on_web_ready,
		.restarted = on_web_restarted,
		.context = d,
	};
	struct channel_settings settings;
	size_t size;
	int r;

	config.journal = collector_journal_memory(d->collector, &size);
	config.journal_size = size;
	settings_web(d->options, d->log.output, &settings);
	r = web_child_new(&config, &settings, &d->web);
	if (r < 0)
		return r;
	return bell_open(&d->bell, d->event, collector_journal(d->collector), d->web);
}

/* Return: 0; -errno with the step that failed. */
static int start(struct daemon *d, const char **ret_step)
{
	int r;

	*ret_step = "event loop";
	r = sd_event_new(&d->event);
	if (r >= 0)
		r = watch_signals(d);
	if (r < 0)
		return r;
	*ret_step = "listening";
	raise_descriptors(d->options);
	r = open_listeners(d);
	if (r < 0)
		return r;
	announce_address(&d->announce, &d->listeners);
	*ret_step = "privileges";
	r = privileges_drop(&d->log);
	if (r < 0)
		return r;
	*ret_step = "opening the own executable";
	d->program = web_child_program();
	if (d->program < 0)
		return d->program;
	*ret_step = "collector";
	r = start_collector(d);
	if (r < 0)
		return r;
	*ret_step = "web process";
	r = start_web(d);
	if (r < 0)
		return r;
	*ret_step = "timers";
	return collector_attach(d->collector, d->event, on_published, d);
}

static void stop(struct daemon *d)
{
	bell_close(&d->bell);
	d->web = web_child_free(d->web);
	store_close(&d->store, d->collector ? collector_pool(d->collector) : NULL);
	d->collector = collector_free(d->collector);
	listeners_close(&d->listeners);
	closep(&d->program);
	d->event = sd_event_unref(d->event);
}

int supervise_main(int argc, char **argv, const struct options *options)
{
	struct daemon *d = calloc(1, sizeof(*d));
	const char *step = "memory";
	int r = -ENOMEM;

	if (!d)
		return 1;
	d->argc = argc;
	d->argv = argv;
	d->options = options;
	d->program = -1;
	d->started_ns = now_monotonic();
	log_open(&d->log, options, "tcpdiagd");
	d->terminal = d->log.output != LOG_OUTPUT_JOURNAL;
	notify_open(&d->notify);
	r = start(d, &step);
	if (r < 0) {
		log_print(&d->log, LOG_ERR, "cannot start: %s%s%s", step,
			  r == -ECANCELED ? "" : ": ", r == -ECANCELED ? " failed" : strerror(-r));
		notify_failed(step, -r);
	} else {
		r = sd_event_loop(d->event);
		if (r < 0)
			log_print(&d->log, LOG_ERR, "event loop: %s", strerror(-r));
	}
	stop(d);
	free(d);
	return r == 0 ? 0 : 1;
}
