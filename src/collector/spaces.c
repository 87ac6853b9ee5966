/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of namespaces, without a look into any of them: who is there, what was read and when.
 *
 * Counters of a namespace begin at 0 with it and die with it. The sums here go on: what a namespace that has gone had
 * counted stays in. What it had counted before tcpdiagd found it is in the sum, but is not called a change: nothing
 * happened at the moment it was found.
 */
#include <errno.h>
#include <string.h>

#include "collector/endings.h"
#include "collector/spaces.h"
#include "collector/spaces_plan.h"
#include "model/macro.h"

#define SAMPLE_NS (5 * NSEC_PER_SEC)
#define WINDOW_NS (60 * NSEC_PER_SEC)
#define SMOOTHING 0.5
#define OWN_TABLE_SHARE 0.25 /* of what the same dump costs where the table is the machine's */
#define PRICE_NS 2e6 /* of what was never measured anywhere */

/* The machine's, and the same whoever asks; a child namespace does not show the limits. */
#define MACHINE_KNOWN \
	((uint32_t)(TCPDIAG_ENV_ORPHANS | TCPDIAG_ENV_MEMORY | TCPDIAG_ENV_MEMORY_PAGES))

static struct space *new_space(uint32_t inode, int64_t now_ns)
{
	struct space *space = calloc(1, sizeof(*space));

	if (space) {
		space->inode = inode;
		space->since_ns = now_ns;
	}
	return space;
}

int spaces_init(struct spaces *spaces, uint32_t own)
{
	*spaces = (struct spaces){ .rows = calloc(1, sizeof(struct space *)) };
	if (spaces->rows)
		spaces->own = new_space(own, 0);
	if (!spaces->own)
		return -ENOMEM;
	spaces->own->own = true;
	spaces->rows[spaces->count++] = spaces->own;
	return 0;
}

void space_close(struct spaces *spaces, struct space *space)
{
	if (space->diag) {
		spaces->truncated += sock_diag_stats(space->diag)->truncated;
		spaces->foreign += sock_diag_stats(space->diag)->foreign;
	}
	space->diag = sock_diag_free(space->diag);
	space->probe = netns_traffic_free(space->probe);
	endings_leave(spaces, space);
	space->probed = false;
}

static void free_space(struct spaces *spaces, struct space *space)
{
	space_close(spaces, space);
	free(space);
}

void spaces_done(struct spaces *spaces)
{
	uint32_t i;

	for (i = 0; i < spaces->count; i++)
		free_space(spaces, spaces->rows[i]);
	free(spaces->rows);
	free(spaces->plan);
	free(spaces->out);
	*spaces = (struct spaces){};
}

struct space *spaces_find(const struct spaces *spaces, uint32_t inode)
{
	uint32_t low = 0, high = spaces->count;

	if (spaces->only)
		return spaces->own;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (spaces->rows[middle]->inode < inode)
			low = middle + 1;
		else
			high = middle;
	}
	return low < spaces->count && spaces->rows[low]->inode == inode ? spaces->rows[low] : NULL;
}

static const struct netns_place *find_place(const struct netns_place *places, uint32_t count,
					    uint32_t inode)
{
	uint32_t low = 0, high = count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (places[middle].inode < inode)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && places[low].inode == inode ? &places[low] : NULL;
}

static void drop_lost(struct spaces *spaces, const struct netns_place *places, uint32_t count,
		      void (*lost)(void *context, uint32_t inode), void *context)
{
	uint32_t kept = 0, i;

	for (i = 0; i < spaces->count; i++) {
		struct space *space = spaces->rows[i];
		uint32_t inode = space->inode;

		if (space->own || find_place(places, count, inode)) {
			spaces->rows[kept++] = space;
			continue;
		}
		free_space(spaces, space);
		spaces->lost = true;
		if (lost)
			lost(context, inode);
	}
	spaces->count = kept;
}

static int compare_inodes(const void *a, const void *b)
{
	const struct space *x = *(struct space *const *)a, *y = *(struct space *const *)b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

static int add_found(struct spaces *spaces, const struct netns_place *places, uint32_t count,
		     int64_t now_ns)
{
	struct space **rows = reallocarray(spaces->rows, count + 1, sizeof(struct space *));
	uint32_t known = spaces->count, i;
	int r = 0;

	if (!rows)
		return -ENOMEM;
	spaces->rows = rows;
	for (i = 0; i < count; i++) {
		struct space *space = spaces_find(spaces, places[i].inode);

		if (space) {
			space->pid = places[i].pid;
			memcpy(space->name, places[i].name, sizeof(space->name));
		}
	}
	for (i = 0; i < count && r == 0; i++) {
		struct spaces before = { .rows = rows, .count = known };
		struct space *space;

		if (spaces_find(&before, places[i].inode))
			continue;
		space = new_space(places[i].inode, now_ns);
		if (!space) {
			r = -ENOMEM;
			break;
		}
		space->pid = places[i].pid;
		memcpy(space->name, places[i].name, sizeof(space->name));
		rows[spaces->count++] = space;
	}
	if (spaces->count > known)
		qsort(rows, spaces->count, sizeof(struct space *), compare_inodes);
	return r;
}

int spaces_sync(struct spaces *spaces, const struct netns_place *places, uint32_t count,
		int64_t now_ns, void (*lost)(void *context, uint32_t inode), void *context)
{
	drop_lost(spaces, places, count, lost, context);
	return add_found(spaces, places, count, now_ns);
}

void space_failed(struct spaces *spaces, struct space *space, int error, const char *what,
		  int64_t retry_ns)
{
	space->error = error;
	space->what = what;
	space->failures++;
	space->retry_ns = retry_ns;
	space->limits = (struct space_limits){};
	space_close(spaces, space);
}

/* ---- counters ---- */

static void add_sample(struct space *space, const struct counters *counters, int64_t now_ns)
{
	const struct space_sample *last = &space->samples[space->newest];

	if (space->sample_count && now_ns - last->when_ns < SAMPLE_NS)
		return;
	space->newest = space->sample_count ? (space->newest + 1) % SPACE_SAMPLES : 0;
	space->sample_count = MIN(space->sample_count + 1, SPACE_SAMPLES);
	space->samples[space->newest] = (struct space_sample){ now_ns, *counters };
}

void spaces_count(struct spaces *spaces, struct space *space, const struct counters *counters,
		  int64_t now_ns)
{
	uint32_t i;

	for (i = 0; i < COUNTER_MAX; i++) {
		uint64_t before = space->counters_ns ? space->counters.value[i] : 0;
		uint64_t more = counters->value[i] > before ? counters->value[i] - before : 0;

		spaces->sum.value[i] += more;
		if (space->counters_ns)
			spaces->moved.value[i] += more;
	}
	spaces->sum.known |= counters->known;
	spaces->moved.known |= counters->known;
	space->counters = *counters;
	space->counters_ns = now_ns;
	add_sample(space, counters, now_ns);
}

void space_rates(const struct space *space, struct counters *ret)
{
	const struct space_sample *then = NULL;
	uint32_t back, i;

	*ret = (struct counters){};
	for (back = 0; back < space->sample_count; back++) {
		then = &space->samples[(space->newest + SPACE_SAMPLES - back) % SPACE_SAMPLES];
		if (space->counters_ns - then->when_ns >= WINDOW_NS - SAMPLE_NS)
			break;
	}
	/* In the first minute, what there was since it is looked at: as of the machine (collector/gauges.c). */
	if (!then)
		return;
	ret->known = then->counters.known & space->counters.known;
	for (i = 0; i < COUNTER_MAX; i++)
		if (ret->known & 1U << i && space->counters.value[i] > then->counters.value[i])
			ret->value[i] = space->counters.value[i] - then->counters.value[i];
}

void space_limits(struct space *space, const struct tcpdiag_environment *its)
{
	space->limits = (struct space_limits){
		.known = its->known & (TCPDIAG_ENV_ORPHANS | TCPDIAG_ENV_MEMORY),
		.tcp_max_orphans = its->tcp_max_orphans,
	};
	memcpy(space->limits.tcp_mem, its->tcp_mem, sizeof(space->limits.tcp_mem));
}

void spaces_fill_limits(const struct spaces *spaces, struct tcpdiag_environment *machine)
{
	uint32_t i;

	/* The line of sockstat that tells the pages tells the orphans, too. */
	if (!(machine->known & TCPDIAG_ENV_MEMORY_PAGES))
		return;
	for (i = 0; i < spaces->count; i++) {
		const struct space_limits *limits = &spaces->rows[i]->limits;
		uint32_t more = limits->known & ~machine->known;

		if (more & TCPDIAG_ENV_ORPHANS)
			machine->tcp_max_orphans = limits->tcp_max_orphans;
		if (more & TCPDIAG_ENV_MEMORY)
			memcpy(machine->tcp_mem, limits->tcp_mem, sizeof(machine->tcp_mem));
		machine->known |= more;
	}
}

void space_surround(struct space *space, const struct tcpdiag_environment *its,
		    const struct tcpdiag_environment *machine)
{
	struct tcpdiag_environment env = *its;

	env.known = (its->known & ~MACHINE_KNOWN) | (machine->known & MACHINE_KNOWN);
	env.orphans = machine->orphans;
	env.tcp_max_orphans = machine->tcp_max_orphans;
	env.memory_pages = machine->memory_pages;
	memcpy(env.tcp_mem, machine->tcp_mem, sizeof(env.tcp_mem));
	space->environment = env;
}

/* ---- costs ---- */

static void smooth(double *cost_ns, int64_t measured_ns)
{
	*cost_ns = *cost_ns > 0 ? SMOOTHING * (double)measured_ns + (1 - SMOOTHING) * *cost_ns
				: (double)measured_ns;
}

/*
 * The own one may have a table of its own as well: then nobody knows what the machine's costs. What is looked up by its
 * ends walks no table, and says nothing.
 */
static void judge_table(const struct spaces *spaces, struct space *space, int64_t cost_ns)
{
	smooth(&space->dump_cost_ns, cost_ns);
	if (!space->own && spaces->own->dump_cost_ns > 0)
		space->own_table = space->dump_cost_ns < PLAN_CHEAP_NS &&
				   space->dump_cost_ns <
					   OWN_TABLE_SHARE * spaces->own->dump_cost_ns;
}

void space_paid(const struct spaces *spaces, struct space *space, bool full, int64_t cost_ns)
{
	smooth(full ? &space->sweep_cost_ns : &space->fast_cost_ns, cost_ns);
	if (full)
		space->cost_ns = cost_ns;
	else if (!space->follow.reads)
		judge_table(spaces, space, cost_ns);
}

double space_price(const struct spaces *spaces, const struct space *space, bool full)
{
	double cost = full ? space->sweep_cost_ns : space->fast_cost_ns;

	/* The walk is the same for all that share the table, and most of it for those with few sockets. */
	if (cost <= 0)
		cost = MAX(space->fast_cost_ns, spaces->own->fast_cost_ns);
	return cost > 0 ? cost : PRICE_NS;
}

/* ---- publishing ---- */

static uint32_t state_of(const struct space *space, enum source_state own_state)
{
	if (space->own)
		return own_state;
	if (space->error)
		return SOURCE_FAILED;
	if (space->cut)
		return SOURCE_DEGRADED;
	return space->sweep_ns ? SOURCE_OK : SOURCE_STARTING;
}

static uint32_t put_reason(const struct space *space, struct snapshot_writer *w)
{
	char text[256] = "";

	if (space->error)
		snprintf(text, sizeof(text), "%s: %s%s", space->what, strerror(space->error),
			 space->error == EPERM ? "; CAP_SYS_ADMIN is needed" : "");
	else if (space->cut)
		snprintf(text, sizeof(text), "%u of its sockets are above limits.sockets",
			 space->cut);
	else if (!space->own && !space->sweep_ns)
		snprintf(text, sizeof(text), "has not been read yet");
	return snapshot_string(w, text, strlen(text));
}

void space_print(const struct space *space, enum source_state own_state, struct snapshot_writer *w,
		 struct namespace *ret)
{
	*ret = (struct namespace){
		.inode = space->inode,
		.name = snapshot_string(w, space->name, strlen(space->name)),
		.state = state_of(space, own_state),
		.reason = put_reason(space, w),
		.pid = space->pid,
		.sockets = space->sockets,
		.sweep_ns = space->sweep_ns,
		.fast_ns = space->fast_ns,
		.checked_ns = space->checked_ns,
		.cost_ns = space->cost_ns,
		.reads = space->reads,
		.environment = space->environment,
		.port_range = { space->port_range[0], space->port_range[1] },
		.counters = space->counters,
	};
	if (space->own)
		ret->flags |= NAMESPACE_OWN;
	else if (space->sweep_ns && space->probed && space->changed_ns <= space->sweep_ns)
		ret->flags |= NAMESPACE_IDLE;
	if (space->own_table)
		ret->flags |= NAMESPACE_OWN_TABLE;
	space_rates(space, &ret->rates);
}
