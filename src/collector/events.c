/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lane's life, its drain, and what its source says.
 *
 * A busy host resets and closes thousands of connections a second. Each is counted; written singly are those that can
 * be read: refusals, of which a scan makes any number, and ordinary ends are cut to so many a second.
 */
#include "collector/events.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "collector/events_private.h"

/* Some 43,000 events: as many as two cores make in 50 ms when they do nothing but connect and reset. */
#define RING_BYTES ((size_t)8 << 20)
#define OPEN_MAX 8192U
#define CLOSED_MAX 16384U
#define ORPHAN_NS (10 * NSEC_PER_SEC)
#define REFUSALS_PER_SECOND 50U
#define ORDINARY_PER_SECOND 2000U
#define LOSING_NS (60 * NSEC_PER_SEC) /* so long a loss is said */
/* For each percent of a core that events may take; a check takes some microseconds. */
#define CHECKS_PER_PERCENT 1000.0

/* ---- stories ---- */

static bool is_refusal(const struct event *event)
{
	return event->kind == EVENT_RESET_SENT &&
	       event->socket.reason == RESET_REASON_NO_SOCKET_SYN;
}

/* A segment of a connection that was never ours, as far as anybody knows: a scan makes thousands of them. */
static bool is_stray(const struct event *event)
{
	return event->kind == EVENT_RESET_SENT && !(event->socket.flags & EVENT_HAS_SOCKET) &&
	       !(event->socket.known & EVENT_KNOWS_CLOSED_AGO);
}

/* Whether it is written singly. */
static bool is_kept(struct events_lane *lane, const struct event *event)
{
	if (is_refusal(event))
		return lane->refusals++ < REFUSALS_PER_SECOND;
	if (is_stray(event))
		return lane->strays++ < REFUSALS_PER_SECOND;
	if (event_ring_of((enum event_kind)event->kind) == EVENT_RING_ORDINARY)
		return lane->ordinary++ < ORDINARY_PER_SECOND;
	return true;
}

static void count(struct events_lane *lane, const struct event *event)
{
	if (event->kind == EVENT_RESET_SENT && event->socket.reason < RESET_REASON_MAX)
		lane->totals.resets_sent[event->socket.reason]++;
	if (event->kind == EVENT_RESET_RECEIVED && event->socket.state < TCPDIAG_STATE_MAX)
		lane->totals.resets_received[event->socket.state]++;
}

static void tell(void *context, struct event *event)
{
	struct collector *c = context;
	struct journal *journal = collector_journal(c);

	count(c->events, event);
	if (is_kept(c->events, event))
		journal_add(journal, event);
	else
		journal_count(journal, event, 1);
}

static void again(void *context, struct event *event)
{
	struct collector *c = context;

	count(c->events, event);
	journal_count(collector_journal(c), event, 1);
}

/* ---- the audit ---- */

static void operated(void *context, const struct autopsy_operation *operation,
		     struct event_socket *socket)
{
	struct collector *c = context;
	struct events_lane *lane = c->events;
	const struct space *space = spaces_find(&c->spaces, operation->sk.netns);
	static const struct tcpdiag_environment unknown;
	struct audit_verdict verdict;

	if (!audit_admit(&lane->audit, lane->now_ns))
		return;
	audit_check(operation, space ? &space->environment : &unknown, &verdict);
	if (audit_note(&lane->audit, &verdict) && c->disagreed) {
		char text[2048];

		audit_describe(operation, space ? &space->environment : &unknown, &verdict, text,
			       sizeof(text));
		c->disagreed(text, c->disagreed_context);
	}
	if (!verdict.predicted_known)
		return;
	socket->known |= EVENT_KNOWS_PREDICTED;
	socket->predicted_operation = operation->operation;
	socket->predicted_rule = verdict.predicted.rule;
	socket->predicted_segment = verdict.predicted.segment;
	socket->predicted_state = verdict.predicted.state;
	socket->predicted_certain = verdict.certain;
}

/* ---- the drain ---- */

static int take(const struct socket_event *event, void *context)
{
	struct collector *c = context;
	struct events_lane *lane = c->events;

	lane->totals.events++;
	lane->row_ns = event->when_ns;
	/* The programs see all namespaces, whether they are wanted or not. */
	if (!c->settings.namespaces && event->sk.netns != c->self.netns)
		return 0;
	follow_take(c->follow, event);
	autopsy_take(lane->autopsy, event, event->dropped != lane->row_dropped);
	lane->row_dropped = event->dropped;
	return 0;
}

static void begin_drain(struct collector *c)
{
	struct events_lane *lane = c->events;

	lane->now_ns = clock_ns(CLOCK_MONOTONIC);
	lane->wall_ns = clock_ns(CLOCK_REALTIME);
	lane->boot_offset_ns = clock_ns(CLOCK_BOOTTIME) - lane->now_ns;
	lane->reads = 0;
	if (collector_snapshot(c, &lane->newest) < 0)
		lane->newest = (struct snapshot){};
	if (lane->now_ns - lane->second_ns < NSEC_PER_SEC)
		return;
	lane->second_ns = lane->now_ns;
	lane->refusals = lane->strays = lane->ordinary = 0;
	lane->relate_ns = 0;
}

/* What came before may have had a part that is lost: nothing is of one piece any more. */
static void lose(struct collector *c)
{
	/* Also what comes while the ring is being drained. */
	autopsy_lose(c->events->autopsy, clock_ns(CLOCK_MONOTONIC));
	follow_gap(c->follow, c->events->now_ns);
}

static void look_for_losses(struct collector *c)
{
	struct events_lane *lane = c->events;
	uint64_t dropped = events_dropped(lane->reader);

	if (dropped == lane->dropped)
		return;
	journal_note(collector_journal(c), lane->wall_ns, MINUTE_LOST, dropped - lane->dropped);
	lane->dropped = dropped;
	lane->totals.dropped = lane->dropped_before + dropped;
	lane->loss_ns = lane->now_ns;
	lose(c);
}

static bool is_losing(const struct events_lane *lane)
{
	return lane->loss_ns && lane->now_ns - lane->loss_ns < LOSING_NS;
}

static void say(struct collector *c)
{
	struct events_lane *lane = c->events;
	const char *braked = brake_says((enum event_brake)lane->brake.brake.level);

	lane->losing = is_losing(lane);
	if (braked)
		sources_set(&c->sources, SOURCE_EVENTS,
			    lane->brake.brake.level == EVENT_BRAKE_DETACHED ? SOURCE_FAILED
									    : SOURCE_DEGRADED,
			    "%s", braked);
	else if (is_losing(lane))
		sources_set(&c->sources, SOURCE_EVENTS, SOURCE_DEGRADED,
			    "the ring was full within the last minute: %llu events are lost since "
			    "the start, and how some connections have ended is not known",
			    (unsigned long long)lane->totals.dropped);
	else if (!lane->totals.reasons)
		sources_set(
			&c->sources, SOURCE_EVENTS, SOURCE_OK,
			c->settings.reset_reasons
				? "this kernel does not tell why it resets (Linux 6.10 and "
				  "newer do): reasons are derived from state, queues and linger"
				: "reasons of resets are derived: --no-collector.reset-reasons");
	else
		sources_set(&c->sources, SOURCE_EVENTS, SOURCE_OK, NULL);
}

/* The brake has been pulled or released. */
static void follow_brake(struct collector *c)
{
	struct events_lane *lane = c->events;

	autopsy_lose(lane->autopsy, lane->now_ns);
	if (lane->brake.brake.level == EVENT_BRAKE_OFF)
		follow_gap(c->follow, lane->now_ns);
	else
		follow_off(c->follow);
	say(c);
}

static void brake(struct collector *c)
{
	struct events_lane *lane = c->events;
	int r = brake_lane_step(&lane->brake, lane->reader, lane->now_ns,
				lane->totals.events + lane->totals.dropped);

	if (r > 0) {
		follow_brake(c);
	} else if (r < 0) {
		sources_failed(&c->sources, SOURCE_EVENTS, -r,
			       "the programs that follow events cannot be attached again",
			       "a reload tries once more");
		events_lane_close(c);
	}
}

static void drain(struct collector *c)
{
	struct events_lane *lane = c->events;
	int64_t began = clock_ns(CLOCK_THREAD_CPUTIME_ID), behind = 0;
	int r;

	r = lane->reader ? events_drain(lane->reader, take, c) : lane_hear(c, take);
	if (lane->reader)
		look_for_losses(c);
	if (r < 0) {
		sources_failed(&c->sources, SOURCE_EVENTS, -r, "the ring of events cannot be read",
			       "a reload tries once more");
		events_lane_close(c);
		return;
	}
	/* What belongs to the last rows may still be in the ring. */
	if (lane->reader && r >= EVENTS_DRAIN_MAX)
		behind = MAX(lane->now_ns - lane->row_ns, (int64_t)0);
	autopsy_settle(lane->autopsy, lane->now_ns - behind, lane->wall_ns - behind);
	sources_passed(&c->sources, SOURCE_EVENTS, lane->now_ns,
		       clock_ns(CLOCK_THREAD_CPUTIME_ID) - began);
	if (!lane->reader)
		return;
	brake(c);
	if (lane->reader && lane->losing != is_losing(lane))
		say(c);
}

void events_lane_drain(struct collector *c)
{
	struct events_lane *lane = c->events;

	if (lane) {
		begin_drain(c);
		if (lane->reader || lane->listens)
			drain(c);
	}
	coverage_note(c);
}

/* ---- life ---- */

static int make(struct collector *c)
{
	const struct autopsy_calls calls = {
		.remember = lane_remember,
		.process = lane_process,
		.operated = operated,
		.tell = tell,
		.again = again,
		.relate = lane_relate,
		.context = c,
	};
	const struct autopsy_limits limits = {
		.open = OPEN_MAX,
		.closed = CLOSED_MAX,
		.orphan_ns = ORPHAN_NS,
		.key = c->key,
	};
	struct events_lane *lane;

	if (c->events)
		return 0;
	lane = calloc(1, sizeof(*lane));
	if (!lane)
		return -ENOMEM;
	if (autopsy_new(&calls, &limits, &lane->autopsy) < 0) {
		free(lane);
		return -ENOMEM;
	}
	/* Names of who is gone are missed without it, and no more. */
	if (cgroup_ids_new(NULL, &lane->cgroups) < 0)
		lane->cgroups = NULL;
	c->events = lane;
	attach_ask(c->attach, lane_closer, c);
	return 0;
}

struct events_lane *events_lane_free(struct events_lane *lane)
{
	if (!lane)
		return NULL;
	events_free(lane->reader);
	autopsy_free(lane->autopsy);
	cgroup_ids_free(lane->cgroups);
	record_index_done(&lane->index);
	free(lane);
	return NULL;
}

void events_lane_close(struct collector *c)
{
	struct events_lane *lane = c->events;

	if (!lane || (!lane->reader && !lane->listens))
		return;
	c->coverage.sees = false;
	lane_listen_no_more(c);
	lane->reader = events_free(lane->reader);
	lane->row_dropped = 0;
	lane->dropped_before += lane->dropped;
	lane->dropped = 0;
	lane->totals.known = false;
	lane->totals.origin = EVENT_ORIGIN_NONE;
	follow_off(c->follow);
}

static const char *remedy(int error)
{
	switch (error) {
	case -EPERM:
		return "CAP_BPF and CAP_PERFMON are needed";
	case -EOPNOTSUPP:
		return "the kernel lacks BTF or its tracepoints, or this build has no BPF";
	default:
		return "";
	}
}

/* No programs: what is left to be had. */
static void begin_without(struct collector *c, int error)
{
	char why[sizeof(c->events->why)] = "BPF is switched off by --no-collector.bpf";

	begin_drain(c);
	if (error)
		snprintf(why, sizeof(why), "%s (%s)", strerror(-error), remedy(error));
	if (lane_listen(c, why) < 0)
		sources_failed(&c->sources, SOURCE_EVENTS, error ? -error : EOPNOTSUPP,
			       "nothing is known of what happens between two polls: who resets "
			       "and who closes",
			       remedy(error));
}

static int begin(struct collector *c)
{
	struct events_lane *lane = c->events;
	int r = events_open(RING_BYTES, bpf_reader_hz(c->bpf), &lane->reader);

	if (r < 0) {
		lane->reader = NULL;
		begin_without(c, r);
		return r;
	}
	begin_drain(c);
	lane->totals.known = true;
	lane->totals.origin = EVENT_ORIGIN_BPF;
	lane->totals.reasons = events_have_reasons(lane->reader) && c->settings.reset_reasons;
	autopsy_derive(lane->autopsy, !c->settings.reset_reasons);
	lane->audit.per_second = (uint32_t)MAX(c->settings.events_share * CHECKS_PER_PERCENT, 1.0);
	lose(c);
	autopsy_settle(lane->autopsy, lane->now_ns, lane->wall_ns);
	brake_lane_init(&lane->brake, c->settings.events_share, lane->now_ns);
	say(c);
	return 0;
}

int events_lane_open(struct collector *c)
{
	int r;

	if (c->replay)
		return 0;
	/* What has happened so far is told. */
	events_lane_drain(c);
	if (!c->settings.events) {
		events_lane_close(c);
		sources_set(&c->sources, SOURCE_EVENTS, SOURCE_OFF,
			    "switched off by --no-collector.events: who resets and who closes is "
			    "not known");
		return 0;
	}
	r = make(c);
	if (r < 0) {
		sources_failed(&c->sources, SOURCE_EVENTS, ENOMEM, "events cannot be put together",
			       "");
		return r;
	}
	events_lane_close(c);
	if (c->settings.bpf)
		(void)begin(c);
	else
		begin_without(c, 0);
	return 0;
}

uint64_t events_lane_cut(const struct collector *c)
{
	return c->events && c->events->autopsy ? autopsy_cut(c->events->autopsy) : 0;
}

void events_lane_publish(const struct collector *c, struct event_totals *ret)
{
	const struct events_lane *lane = c->events;

	if (!lane)
		return;
	*ret = lane->totals;
	ret->brake = lane->reader || lane->listens ? lane->brake.brake.level : EVENT_BRAKE_OFF;
	ret->braked = lane->brake.brake.pulled;
	ret->brake_ns = lane->brake.brake.level_ns;
	/* Of the multicast the kernel's part is only guessed. */
	ret->core_share = lane->reader ? lane->brake.brake.share : -1;
	if (lane->listens && ret->brake)
		ret->brake = EVENT_BRAKE_DETACHED;
	memcpy(ret->checks, lane->audit.checks, sizeof(ret->checks));
	ret->checks_skipped = lane->audit.skipped;
}
