/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The collector's life, and the frame of a poll: take a buffer, read, judge, seal, publish.
 */
#include "collector/collector.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>

#include "collector/private.h"
#include "collector/totals.h"
#include "model/macro.h"

#define STRING_LENGTH_MAX 4096U
#define ROOM_MIN ((size_t)1 << 20)
/* Sockets that may come into a teardown state between two passes before these dump again: 80 bytes each. */
#define FOLLOW_SHARE 16
#define FOLLOW_MIN 4096
/* Nothing in a teardown state is older, where a sweep would not be. */
#define ROTA_NS (8 * NSEC_PER_SEC)
#define ROTA_INTERVALS 3 /* of a lane that is stretched, where a sweep takes no less */
/* Whoever could set an option has a descriptor, which the passes over these read in turn. */
#define ROTA_SETTINGS_NS (30 * NSEC_PER_SEC)

int64_t clock_ns(int clock)
{
	struct timespec now = {};

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

/* Seconds since the epoch at which this process began; of now where /proc does not say. */
static double process_start(void)
{
	_cleanup_fclose_ FILE *stat = fopen("/proc/self/stat", "re");
	double wall = (double)clock_ns(CLOCK_REALTIME), boot = (double)clock_ns(CLOCK_BOOTTIME);
	const char *field = NULL;
	char text[1024];
	int i;

	if (stat && fgets(text, sizeof(text), stat))
		field = strrchr(text, ')');
	/* comm is field 2 and may hold anything, starttime is field 22. */
	for (i = 2; field && i < 22; i++) {
		field = strchr(field, ' ');
		field += field != NULL;
	}
	if (!field)
		return wall / 1e9;
	return (wall - boot) / 1e9 + strtod(field, NULL) / (double)sysconf(_SC_CLK_TCK);
}

/* proc(5): another one after each start of the kernel. */
static void know_boot(struct collector_self *self)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file)
		return;
	if (!fgets(self->boot_id, sizeof(self->boot_id), file))
		self->boot_id[0] = '\0';
	self->boot_id[strcspn(self->boot_id, "\n")] = '\0';
	fclose(file);
}

static void know_self(struct collector_self *self)
{
	struct utsname name;
	struct stat st;

	self->started_ns = clock_ns(CLOCK_MONOTONIC);
	self->start_time_seconds = process_start();
	if (stat("/proc/thread-self/ns/net", &st) == 0)
		self->netns = (uint32_t)st.st_ino;
	if (gethostname(self->hostname, sizeof(self->hostname) - 1) < 0)
		self->hostname[0] = '\0';
	know_boot(self);
	if (uname(&name) == 0)
		snprintf(self->kernel, sizeof(self->kernel), "%s", name.release);
}

/* ---- sources ---- */

static const char *diag_remedy(int error)
{
	switch (error) {
	case EPROTONOSUPPORT:
	case EOPNOTSUPP:
		return "the kernel has no tcp_diag: try modprobe tcp_diag";
	case EAFNOSUPPORT:
		return "a sandbox forbids AF_NETLINK: see RestrictAddressFamilies= or seccomp";
	default:
		return "";
	}
}

static int open_diag(struct collector *c)
{
	int r;

	if (c->spaces.own->diag)
		return 0;
	r = sock_diag_open(c->self.netns, &c->spaces.own->diag);
	if (r < 0)
		sources_failed(&c->sources, SOURCE_SOCK_DIAG, -r,
			       "sockets cannot be asked for (NETLINK_SOCK_DIAG)", diag_remedy(-r));
	return r;
}

static void open_counters(struct collector *c)
{
	int r;

	if (c->counters_reader || c->replay)
		return;
	r = counters_open(&c->counters_reader);
	if (r < 0)
		sources_failed(&c->sources, SOURCE_COUNTERS, -r,
			       "counters and limits cannot be read from /proc/net",
			       "is /proc mounted, and not with ProcSubset=pid?");
}

static int open_replay(struct collector *c, const char *path)
{
	int r;

	c->replay = true;
	r = sock_diag_open_file(path, &c->spaces.own->diag);
	if (r < 0)
		return r;
	c->spaces.only = true;
	sources_set(&c->sources, SOURCE_COUNTERS, SOURCE_OFF,
		    "a dump file has no counters and no limits");
	sources_set(&c->sources, SOURCE_PROCESSES, SOURCE_OFF,
		    "a dump file does not tell who holds a socket");
	sources_set(&c->sources, SOURCE_NAMESPACES, SOURCE_OFF, "a dump file is of one namespace");
	sources_set(&c->sources, SOURCE_MPTCP_DIAG, SOURCE_OFF, "a dump file has no MPTCP sockets");
	sources_set(&c->sources, SOURCE_BPF, SOURCE_OFF,
		    "a dump file tells nothing of SO_LINGER, TCP_LINGER2 and references");
	return 0;
}

void collector_tick(struct collector *c, int64_t now_ns)
{
	int64_t began = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	struct counters counters = {};
	int r;

	spaces_tick(c, now_ns);
	open_counters(c);
	if (!c->counters_reader)
		return;
	r = counters_read(c->counters_reader, &counters, &c->environment, c->port_range,
			  &c->reserved_ports);
	if (r < 0) {
		/* Old limits would be taken for those of now. */
		c->environment = (struct tcpdiag_environment){};
		c->counters = (struct counters){};
		c->gauges = (struct gauges){};
		sources_failed(&c->sources, SOURCE_COUNTERS, -r,
			       "counters and limits cannot be read from /proc/net", "");
		return;
	}
	spaces_fill_limits(&c->spaces, &c->environment);
	if (r)
		sources_set(&c->sources, SOURCE_COUNTERS, SOURCE_DEGRADED,
			    "some counters or limits that every kernel has cannot be read: what "
			    "depends on them is not known");
	else
		sources_set(&c->sources, SOURCE_COUNTERS, SOURCE_OK, NULL);
	sources_passed(&c->sources, SOURCE_COUNTERS, now_ns,
		       clock_ns(CLOCK_THREAD_CPUTIME_ID) - began);
	spaces_count(&c->spaces, c->spaces.own, &counters, now_ns);
	c->counters = c->spaces.sum;
	gauges_add(&c->gauges, now_ns, &c->spaces.moved, &c->environment);
}

/* ---- life ---- */

static int open_parts(struct collector *c)
{
	int r;

	r = pool_new(&c->pool);
	if (r < 0)
		return r;
	r = findings_new(c->settings.max_findings, &c->findings);
	if (r < 0)
		return r;
	r = gone_new(&c->key, &c->gone);
	if (r < 0)
		return r;
	r = history_new(c->settings.max_history, c->settings.max_ended, &c->history);
	if (r < 0)
		return r;
	r = chronicle_open(&c->chronicle, c->settings.max_events, c->self.boot_id,
			   clock_ns(CLOCK_REALTIME));
	if (r < 0)
		return r;
	r = listeners_new(&c->listeners);
	if (r < 0)
		return r;
	r = attach_new(&c->attach);
	if (r < 0)
		return r;
	attach_remember(c->attach, c->history);
	return follow_new(MAX(c->settings.max_sockets / FOLLOW_SHARE, FOLLOW_MIN), &c->follow);
}

/* Where the kernel has no random numbers yet, what nobody outside knows has to do. */
static void make_key(const struct collector *c, struct hash_key *ret)
{
	if (getrandom(ret, sizeof(*ret), GRND_NONBLOCK) == (ssize_t)sizeof(*ret))
		return;
	ret->words[0] = (uint64_t)clock_ns(CLOCK_MONOTONIC);
	ret->words[1] = (uint64_t)(uintptr_t)c;
}

int collector_new(const struct collector_settings *settings, struct collector **ret)
{
	struct collector *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->settings = *settings;
	c->settings.replay = NULL;
	sources_init(&c->sources);
	know_self(&c->self);
	make_key(c, &c->key);
	c->peers.key = c->key;
	r = spaces_init(&c->spaces, c->self.netns);
	lanes_configure(&c->lanes, settings->interval_ns, settings->sweep_interval_ns,
			settings->cpu_share, c->self.started_ns, true);
	if (r >= 0)
		r = open_parts(c);
	if (r >= 0 && settings->replay)
		r = open_replay(c, settings->replay);
	if (r < 0) {
		collector_free(c);
		return r;
	}
	if (!c->replay) {
		open_diag(c);
		open_counters(c);
		reader_open(c);
		walk_open(c);
		census_open(c);
	}
	*ret = c;
	return 0;
}

struct collector *collector_free(struct collector *c)
{
	if (!c)
		return NULL;
	collector_detach(c);
	counters_free(c->counters_reader);
	owners_free(c->walk.owners);
	bpf_reader_free(c->bpf);
	pool_free(c->pool);
	findings_free(c->findings);
	gone_free(c->gone);
	history_free(c->history);
	chronicle_close(&c->chronicle);
	raised_done(&c->raised);
	census_close(c);
	spaces_done(&c->spaces);
	listeners_free(c->listeners);
	attach_free(c->attach);
	events_lane_free(c->events);
	follow_free(c->follow);
	follow_lane_done(&c->follow_lane);
	join_done(&c->join);
	port_usage_done(&c->usage);
	queues_done(&c->queues);
	peers_done(&c->peers);
	free(c->order);
	free(c->fresh);
	free(c->besides);
	free(c->concerned);
	free(c->had);
	free(c->queued);
	units_done(&c->units);
	free(c->flagged);
	free(c->asked);
	free(c->reload.error);
	free(c);
	return NULL;
}

void collector_configure(struct collector *c, const struct collector_settings *settings)
{
	bool processes = c->settings.processes, bpf = c->settings.bpf;
	uint32_t max_findings = c->settings.max_findings;
	uint32_t max_namespaces = c->settings.max_namespaces;
	bool namespaces = c->settings.namespaces;
	bool events = c->settings.events, reset_reasons = c->settings.reset_reasons;
	double share = c->settings.events_share;
	struct findings *findings = NULL;

	c->settings = *settings;
	c->settings.replay = NULL;
	lanes_configure(&c->lanes, settings->interval_ns, settings->sweep_interval_ns,
			settings->cpu_share, clock_ns(CLOCK_MONOTONIC), false);
	/* Another limit of findings begins their history anew. */
	if (settings->max_findings != max_findings &&
	    findings_new(settings->max_findings, &findings) == 0) {
		findings_free(c->findings);
		c->findings = findings;
	}
	if (namespaces != settings->namespaces || max_namespaces != settings->max_namespaces) {
		census_close(c);
		census_open(c);
	}
	if (processes != settings->processes || bpf != settings->bpf) {
		walk_close(c);
		reader_close(c);
		reader_open(c);
		walk_open(c);
	}
	if (c->events_timer &&
	    (bpf != settings->bpf || events != settings->events ||
	     reset_reasons != settings->reset_reasons || share != settings->events_share ||
	     c->sources.text[SOURCE_EVENTS].row.state == SOURCE_FAILED))
		(void)events_lane_open(c);
	collector_rearm(c);
}

void collector_on_disagreement(struct collector *c,
			       void (*disagreed)(const char *text, void *context), void *context)
{
	c->disagreed = disagreed;
	c->disagreed_context = context;
}

void collector_set_reload(struct collector *c, bool ok, const char *error, int64_t now_ns)
{
	free(c->reload.error);
	c->reload = (struct collector_reload){
		.when_ns = now_ns,
		.ok = ok,
		.error = error ? strdup(error) : NULL,
	};
}

void collector_set_web_restarts(struct collector *c, uint32_t restarts)
{
	c->web_restarts = restarts;
}

int collector_snapshot(const struct collector *c, struct snapshot *ret)
{
	const struct pool_buffer *newest = pool_newest(c->pool);

	return newest ? snapshot_open(newest->data, newest->size, ret) : -ENODATA;
}

struct pool *collector_pool(struct collector *c)
{
	return c->pool;
}

struct journal *collector_journal(struct collector *c)
{
	return c->chronicle.journal;
}

int collector_journal_memory(const struct collector *c, size_t *ret_size)
{
	*ret_size = c->chronicle.size;
	return c->chronicle.memfd;
}

/* ---- one poll ---- */

static void *grow(void *context, size_t size)
{
	struct poll *p = context;

	return pool_grow(p->c->pool, p->buffer, size) < 0 ? NULL : p->buffer->data;
}

/* Where the lane is stretched it must not look at all of them in each pass, or it would stay so. */
static void begin_rota(struct poll *p)
{
	const struct pass_state *fast = &p->c->lanes.passes[PASS_FAST];
	const struct pass_state *sweep = &p->c->lanes.passes[PASS_SWEEP];
	const int64_t stretched_ns = MIN(ROTA_INTERVALS * fast->interval_ns, sweep->interval_ns);

	rota_begin(&p->rota, p->now_ns, fast->interval_ns,
		   MAX(MIN(ROTA_NS, sweep->wanted_ns), stretched_ns));
	rota_ages(&p->rota, &p->c->settings.thresholds);
	rota_begin(&p->settings_rota, p->now_ns, fast->interval_ns,
		   MAX(ROTA_SETTINGS_NS, ROTA_INTERVALS * fast->interval_ns));
}

static int begin(struct poll *p)
{
	struct collector *c = p->c;
	size_t room = ROOM_MIN;
	int r;

	p->out_of_memory = c->limits[LIMIT_OUT_OF_MEMORY];
	p->before = c->restored;
	if (collector_snapshot(c, &p->before) == 0 || p->before.header)
		room = MAX(room, p->before.header->bytes + p->before.header->bytes / 8);
	r = pool_take(c->pool, room, &p->buffer);
	if (r < 0)
		return r;
	p->lendable = r == 0;
	p->w = (struct snapshot_writer){
		.max_records = c->settings.max_sockets,
		.grow = grow,
		.context = p,
		.string_max = c->settings.max_strings,
		.string_length_max = STRING_LENGTH_MAX,
		.limits = c->limits,
	};
	r = snapshot_begin(&p->w);
	/* All of the buffer may be written: it need not grow step by step. */
	if (r == 0)
		p->w.size = p->buffer->size;
	p->memory = (struct memory){
		.now_ns = p->now_ns,
		.fast_reach_ns = 2 * c->lanes.passes[PASS_FAST].interval_ns,
		.sweep_reach_ns = 2 * c->lanes.passes[PASS_SWEEP].interval_ns,
		.owner_pass = c->walk.begun,
	};
	begin_rota(p);
	history_begin(c->history, p->now_ns, p->memory.sweep_reach_ns);
	return r;
}

/* A pass that has read everything it covers. */
static void remember_pass(struct poll *p)
{
	struct collector *c = p->c;

	spaces_passed(p);
	sources_set(&c->sources, SOURCE_SOCK_DIAG, SOURCE_OK, NULL);
	sources_passed(&c->sources, SOURCE_SOCK_DIAG, p->now_ns,
		       clock_ns(CLOCK_THREAD_CPUTIME_ID) - p->cpu_ns);
}

/* What is new in the snapshot that is there now. */
static void tell_findings(struct collector *c)
{
	struct snapshot newest;

	if (collector_snapshot(c, &newest) == 0)
		raised_look(&c->raised, &newest, c->chronicle.journal);
}

/* Judges and publishes what the writer holds. Return: as collector_poll(). */
static int finish(struct poll *p)
{
	struct collector *c = p->c;

	census_say(c);
	if (poll_look_up(p) < 0 || poll_judge(p) < 0 || poll_seal(p) < 0) {
		/* Rows of processes may be numbered anew, and the newest snapshot does not know. */
		attach_clear(c->attach, c->gone);
		c->settings_ns = c->closed_ns = 0;
		return -ENOMEM;
	}
	pool_publish(c->pool, p->buffer);
	c->restored = (struct snapshot){};
	p->buffer = NULL;
	tell_findings(c);
	if (!p->stale)
		c->spaces.lost = false;
	if (p->lendable)
		return 0;
	c->limits[LIMIT_SNAPSHOTS_SKIPPED]++;
	return 1;
}

static void end(struct poll *p, int r)
{
	/* Once a poll, however often memory was out in it. */
	if (r == -ENOMEM)
		p->c->limits[LIMIT_OUT_OF_MEMORY] = p->out_of_memory + 1;
	if (p->buffer)
		pool_drop(p->c->pool, p->buffer);
	snapshot_writer_done(&p->w);
}

/* The source has failed: its state is said in a snapshot that shows the records before. */
static void publish_stale(struct collector *c, const struct poll *failed)
{
	struct poll p = { .c = c,
			  .pass = PASS_TICK,
			  .stale = true,
			  .now_ns = failed->now_ns,
			  .wall_ns = failed->wall_ns,
			  .cpu_ns = failed->cpu_ns };
	int r;

	r = begin(&p);
	if (r == 0)
		r = poll_copy_rows(&p);
	if (r == 0)
		r = finish(&p);
	end(&p, r);
}

static int read_poll(struct poll *p)
{
	int r;

	r = open_diag(p->c);
	if (r >= 0) {
		follow_begin(p);
		r = spaces_choose(p);
	}
	if (r < 0)
		return r;
	r = poll_read_rows(p);
	if (r < 0 && r != -ENOMEM)
		sources_failed(&p->c->sources, SOURCE_SOCK_DIAG, -r,
			       "the dump of sockets broke off", diag_remedy(-r));
	if (r >= 0)
		remember_pass(p);
	return r;
}

int collector_pass(struct collector *c, enum pass pass)
{
	struct poll p = { .c = c,
			  .pass = pass,
			  .now_ns = clock_ns(CLOCK_MONOTONIC),
			  .wall_ns = clock_ns(CLOCK_REALTIME),
			  .cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) };
	int r;

	if (!c->timer || !c->census.last_ns)
		census_all(c);
	events_lane_drain(c);
	collector_tick(c, p.now_ns);
	if (pass != PASS_TICK) {
		/* A part of nothing is nothing: the first pass reads everything. */
		if (!c->spaces.own->sweep_ns && !c->spaces.own->cut)
			p.pass = PASS_SWEEP;
		r = begin(&p);
		look_up_begin(&p);
		if (r == 0)
			r = read_poll(&p);
		if (r >= 0)
			r = finish(&p);
		end(&p, r);
		if (r < 0 && r != -ENOMEM)
			publish_stale(c, &p);
	} else {
		r = 0;
	}
	/* That all namespaces are read for the first time is no measure of what the next pass costs. */
	lanes_passed(&c->lanes, p.pass, p.now_ns,
		     clock_ns(CLOCK_THREAD_CPUTIME_ID) - p.cpu_ns - (p.first ? p.others_ns : 0));
	return r;
}

int collector_poll(struct collector *c, enum lane lane)
{
	if (lane == LANE_OWNERS)
		return collector_walk_owners(c);
	return collector_pass(c, lane == LANE_SWEEP ? PASS_SWEEP : PASS_FAST);
}
