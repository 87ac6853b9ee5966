/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Around a pass: which namespaces it reads, what is opened for that, and what they are remembered by.
 *
 * Whether anything happened in a namespace its own counters say (kernel/traffic.h), which cost some twenty microseconds a
 * look instead of the milliseconds of a dump. They are read each second, in turns where there are too many.
 */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "collector/endings.h"
#include "collector/private.h"
#include "collector/spaces_plan.h"
#include "collector/totals.h"
#include "kernel/counters.h"
#include "model/macro.h"

#define PROBES_NS (2 * NSEC_PER_MSEC) /* a second */
#define COUNT_NS \
	(4 * NSEC_PER_SEC) /* counters that are older are read where somebody is there anyway */
#define FIRST_NS (500 * NSEC_PER_MSEC) /* for the first look at all of them */
#define OVERDRAFT 1.5 /* what a pass may take more than it was planned to */
#define RETRY_NS (10 * NSEC_PER_SEC)
#define RETRY_REFUSED_NS (60 * NSEC_PER_SEC)

/* ---- in turns ---- */

static bool same_traffic(const struct netns_traffic *a, const struct netns_traffic *b)
{
	return a->segments == b->segments && a->opens == b->opens &&
	       a->established == b->established && a->in_use == b->in_use &&
	       a->timewaits == b->timewaits;
}

static void probe(struct collector *c, struct space *space, int64_t now_ns)
{
	struct netns_traffic traffic;

	if (netns_traffic_read(space->probe, &traffic) < 0) {
		space->changed_ns = now_ns;
		space->probed = false;
		return;
	}
	if (space->probed && same_traffic(&traffic, &space->traffic)) {
		/* What it has counted has not moved either, since they were read after the last change. */
		if (space->counted_ns && space->counted_ns >= space->changed_ns)
			spaces_count(&c->spaces, space, &space->counters, now_ns);
		else if (!space->error)
			spaces_visit(c, space, now_ns);
		if (space->changed_ns <= space->sweep_ns)
			space->sweep_still_ns = now_ns;
		if (space->changed_ns <= MAX(space->fast_ns, space->sweep_ns)) {
			space->fast_still_ns = now_ns;
			if (!space->restless)
				space->checked_ns = now_ns;
		}
		return;
	}
	space->traffic = traffic;
	space->probed = true;
	space->changed_ns = now_ns;
}

void spaces_tick(struct collector *c, int64_t now_ns)
{
	struct spaces *spaces = &c->spaces;
	int64_t began = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	uint32_t i;

	for (i = 0; i < spaces->count; i++) {
		struct space *space = spaces->rows[spaces->turn++ % spaces->count];

		if (space->own || !space->probe)
			continue;
		probe(c, space, now_ns);
		if (clock_ns(CLOCK_THREAD_CPUTIME_ID) - began > PROBES_NS)
			break;
	}
}

/* ---- what a pass reads ---- */

static bool is_new(const struct space *space)
{
	return !space->sweep_ns && !space->cut;
}

static double price(const struct poll *p, const struct space *space)
{
	return space_price(&p->c->spaces, space, p->pass == PASS_SWEEP || is_new(space));
}

static struct plan_row plan_row(const struct poll *p, uint32_t number)
{
	const struct space *space = p->c->spaces.rows[number];
	bool sweep = p->pass == PASS_SWEEP;
	int64_t read_ns = sweep ? space->sweep_ns : MAX(space->fast_ns, space->sweep_ns);

	return (struct plan_row){
		.number = number,
		.own = space->own,
		.blocked = !space->own &&
			   ((space->error && p->now_ns < space->retry_ns) || p->pass < PASS_FAST),
		.changed = !space->probed || space->changed_ns > read_ns,
		.empty = !space->sockets && !space->traffic.in_use && !space->traffic.timewaits,
		.restless = sweep ? space->restless : space->restless_fast,
		.read_ns = is_new(space) ? 0 : read_ns,
		.cost_ns = price(p, space),
	};
}

/* What the others may cost: the lane's share less the own one's part. */
static double budget(const struct poll *p)
{
	const struct pass_state *state = &p->c->lanes.passes[p->pass];

	if (is_new(p->c->spaces.own))
		return (double)FIRST_NS;
	return MAX(state->share * (double)state->wanted_ns - price(p, p->c->spaces.own), 0.0);
}

int spaces_choose(struct poll *p)
{
	struct spaces *spaces = &p->c->spaces;
	const struct plan_terms terms = {
		.now_ns = p->now_ns,
		.interval_ns = p->c->lanes.passes[p->pass].wanted_ns,
		.budget_ns = budget(p),
		.sweep = p->pass == PASS_SWEEP,
		.all = !p->c->timer,
	};
	uint32_t i;

	if (spaces->count > spaces->plan_room) {
		struct plan_row *rows = reallocarray(spaces->plan, spaces->count, sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		spaces->plan = rows;
		spaces->plan_room = spaces->count;
	}
	for (i = 0; i < spaces->count; i++)
		spaces->plan[i] = plan_row(p, i);
	spaces_plan(spaces->plan, spaces->count, &terms);
	p->first = is_new(spaces->own);
	p->others_budget_ns = terms.all ? (double)INFINITY : OVERDRAFT * terms.budget_ns;
	for (i = 0; i < spaces->count; i++) {
		struct space *space = spaces->rows[spaces->plan[i].number];

		space->chosen = spaces->plan[i].chosen;
		space->full = p->pass == PASS_SWEEP || (!space->own && is_new(space));
	}
	return 0;
}

/* ---- in one of them ---- */

static void say_failed(struct collector *c, struct space *space, int error, const char *what,
		       int64_t now_ns)
{
	/* Gone half-way, or not to be found: whether it still has a process or a name is soon known. */
	if (error == ENOENT)
		c->census.hurry = true;
	space->chosen = false;
	space_failed(&c->spaces, space, error, what,
		     now_ns + (error == EPERM ? RETRY_REFUSED_NS : RETRY_NS));
}

/* In it. */
static int open_parts(struct collector *c, struct space *space)
{
	int r = sock_diag_open_as(c->spaces.own->diag, space->inode, &space->diag);

	if (r < 0)
		return r;
	if (netns_traffic_open(&space->probe) < 0)
		return 0;
	/* What happens from here on is a change; a dump comes after it. */
	space->probed = netns_traffic_read(space->probe, &space->traffic) == 0;
	return 0;
}

/* In it. */
static void count(struct collector *c, struct space *space, int64_t now_ns)
{
	struct tcpdiag_environment environment = {};
	struct counters counters = {};

	if (counters_read_here(&counters, &environment, space->port_range, &space->reserved_ports) <
	    0) {
		space->environment = (struct tcpdiag_environment){};
		space->limits = (struct space_limits){};
		return;
	}
	space_limits(space, &environment);
	space_surround(space, &environment, &c->environment);
	spaces_count(&c->spaces, space, &counters, now_ns);
	space->counted_ns = now_ns;
}

int spaces_visit(struct collector *c, struct space *space, int64_t now_ns)
{
	bool open = !space->diag, due = now_ns - space->counted_ns >= COUNT_NS;
	int r;

	if (space->own || (!open && space->counters_ns && !due))
		return 0;
	r = netns_enter(c->census.watch, space->inode);
	if (r < 0) {
		say_failed(c, space, -r, "it cannot be entered", now_ns);
		return r;
	}
	if (open) {
		r = open_parts(c, space);
		/* Nobody has looked while it was closed. */
		space->changed_ns = now_ns;
	}
	if (r >= 0) {
		count(c, space, now_ns);
		endings_visit(&c->spaces, space);
	}
	netns_leave(c->census.watch);
	if (r < 0)
		say_failed(c, space, -r, "its sockets cannot be asked for", now_ns);
	return r;
}

/* ---- one after the other ---- */

int poll_failed(struct poll *p, struct space *space, int error)
{
	if (space->own || error == -ENOMEM)
		return error;
	p->left_out = true;
	say_failed(p->c, space, -error, "the dump of its sockets broke off", p->now_ns);
	return 0;
}

/*
 * What a dump costs is guessed where none was made: two hundred, guessed at two milliseconds and not at the twelve that
 * they take, would stall the first pass. At least one is read; those that are left come in the next pass.
 */
static bool may_read(const struct poll *p, const struct space *space)
{
	return !p->others_ns || (double)p->others_ns < p->others_budget_ns ||
	       price(p, space) < PLAN_CHEAP_NS;
}

int poll_each_space(struct poll *p, int (*read)(struct poll *p, struct space *space))
{
	const struct spaces *spaces = &p->c->spaces;
	uint32_t i;
	int r;

	r = read(p, spaces->own);
	for (i = 0; i < spaces->count && r == 0; i++) {
		struct space *space = spaces->rows[i];
		int64_t began, cost_ns;

		if (space->own || !space->chosen)
			continue;
		if (!may_read(p, space)) {
			space->chosen = false;
			p->left_out = true;
			continue;
		}
		if (spaces_visit(p->c, space, p->now_ns) < 0) {
			p->left_out = true;
			continue;
		}
		began = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		r = read(p, space);
		look_up_flush(p);
		cost_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - began;
		p->others_ns += cost_ns;
		if (space->chosen)
			space_paid(spaces, space, space->full, cost_ns);
	}
	return r;
}

/* ---- around the records ---- */

struct space *poll_enter(struct poll *p, uint32_t netns)
{
	p->space = spaces_find(&p->c->spaces, netns);
	p->netns = netns;
	p->in_space = true;
	p->memory.fast_ns = p->space ? p->space->fast_ns : 0;
	p->memory.sweep_ns = p->space ? p->space->sweep_ns : 0;
	p->memory.fast_still_ns = p->space ? p->space->fast_still_ns : 0;
	p->memory.sweep_still_ns = p->space ? p->space->sweep_still_ns : 0;
	return p->space;
}

bool poll_has_lost(struct poll *p, const struct record *record)
{
	const struct space *space = poll_in(p, record->sk.netns);

	if (space)
		return record->seen_ns < space->since_ns;
	/* Those of a collector before this one. */
	if (census_waits(p->c))
		return false;
	/* A pass over the descriptors shows those of every namespace. */
	return record->sk.state != TCPDIAG_CLOSE || !p->c->settings.namespaces;
}

void spaces_turn(struct collector *c)
{
	uint32_t i;

	/* What this pass has only just read counts, too. */
	spaces_fill_limits(&c->spaces, &c->environment);
	for (i = 0; i < c->spaces.count; i++) {
		struct space *space = c->spaces.rows[i];
		uint32_t class;

		if (space->own)
			space->environment = c->environment;
		else
			space_surround(space, &space->environment, &c->environment);
		if (space->own) {
			memcpy(space->port_range, c->port_range, sizeof(space->port_range));
			space->reserved_ports = c->reserved_ports;
		}
		class = totals_environment_class(&space->environment);
		space->turned = class != space->environment_class;
		space->environment_class = class;
		space->sockets = space->restless = space->restless_fast = 0;
	}
}

void spaces_passed(struct poll *p)
{
	uint32_t i;

	for (i = 0; i < p->c->spaces.count; i++) {
		struct space *space = p->c->spaces.rows[i];

		if (!space->chosen)
			continue;
		space->error = 0;
		space->what = NULL;
		space->failures = 0;
		space->listeners_seen = true;
		space->reads++;
		if (space->full)
			space->sweep_ns = space->cut ? 0 : p->now_ns;
		if (p->pass >= PASS_FAST)
			space->fast_ns = space->checked_ns = p->now_ns;
	}
}
