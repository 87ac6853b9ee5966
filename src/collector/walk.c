/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The walk over the owners, as a lane: slices between polls, one percent of a core, at most a pass each
 * ten seconds. The first pass runs at once, so that a fresh daemon soon knows names.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "collector/private.h"
#include "model/macro.h"

#define FAILURES_MAX 3U

/* Nobody asks who holds a socket. With BPF the same pass reads the settings, so it may run all the same. */
static void say_off(struct collector *c)
{
	sources_set(&c->sources, SOURCE_PROCESSES, SOURCE_OFF,
		    "switched off by --no-collector.processes: holders are not known");
}

static int open_owners(struct collector *c, struct bpf_reader *bpf)
{
	struct owners_lane *walk = &c->walk;
	int r;

	if (!c->settings.processes && !bpf)
		return 0;
	r = owners_new("/proc", c->settings.max_processes, max_holders(&c->settings), bpf,
		       &walk->owners);
	if (r < 0) {
		sources_failed(&c->sources, SOURCE_PROCESSES, -r, "/proc cannot be walked", "");
		return r;
	}
	r = owners_name_containers(walk->owners, "");
	if (r < 0) {
		walk->owners = owners_free(walk->owners);
		return r;
	}
	*walk = (struct owners_lane){
		.owners = walk->owners, .bpf = bpf, .begun = walk->begun, .base = walk->begun
	};
	if (c->settings.processes)
		sources_set(&c->sources, SOURCE_PROCESSES, SOURCE_STARTING,
			    "the first walk over the processes is not complete: holders are not "
			    "known yet");
	return 0;
}

int walk_open(struct collector *c)
{
	if (c->walk.owners || c->replay)
		return 0;
	if (!c->settings.processes)
		say_off(c);
	return open_owners(c, c->bpf && bpf_reader_has_descriptors(c->bpf) ? c->bpf : NULL);
}

void walk_close(struct collector *c)
{
	if (!c->walk.owners)
		return;
	c->walk.owners = owners_free(c->walk.owners);
	c->walk.bpf = NULL;
	c->settings_ns = c->closed_ns = 0;
	attach_clear(c->attach, c->gone);
}

static void say_complete(struct collector *c)
{
	struct owners_lane *walk = &c->walk;
	uint32_t unreadable = owners_unreadable(walk->owners);
	int names = owners_container_error(walk->owners);

	if (unreadable)
		sources_set(&c->sources, SOURCE_PROCESSES, SOURCE_DEGRADED,
			    "the descriptors of %u process%s cannot be read: CAP_SYS_PTRACE and "
			    "CAP_DAC_READ_SEARCH are needed",
			    unreadable, unreadable == 1 ? "" : "es");
	else if (!walk->clean)
		sources_set(&c->sources, SOURCE_PROCESSES, SOURCE_DEGRADED,
			    "more processes or descriptors with sockets than limits.processes and "
			    "limits.sockets allow");
	else if (owners_is_partial(walk->owners))
		sources_set(&c->sources, SOURCE_PROCESSES, SOURCE_DEGRADED,
			    "processes outside of this PID namespace are not seen (a container: "
			    "run it with the PID namespace of the host)");
	else if (names)
		sources_set(&c->sources, SOURCE_PROCESSES, SOURCE_DEGRADED,
			    "names of containers cannot be read below /var/log/containers and "
			    "/var/lib/docker/containers: %s; CAP_DAC_READ_SEARCH is needed",
			    strerror(-names));
	else
		sources_set(&c->sources, SOURCE_PROCESSES, SOURCE_OK, NULL);
	sources_passed(&c->sources, SOURCE_PROCESSES, owners_result_ns(walk->owners),
		       (int64_t)walk->cost_ns);
}

static void complete(struct collector *c)
{
	struct owners_lane *walk = &c->walk;
	struct owners_cut cut = owners_cut(walk->owners);
	struct lane_state *lane = &c->lane_states[LANE_OWNERS];

	walk->running = false;
	walk->failures = 0;
	walk->result = walk->begun;
	walk->clean = !owners_unreadable(walk->owners) && cut.processes == walk->cut.processes &&
		      cut.holders == walk->cut.holders;
	if (c->settings.processes)
		say_complete(c);
	c->reader.pass_error = walk->bpf ? 0 : c->reader.pass_error;
	c->reader.pass_ns = c->settings.processes ? 0 : (int64_t)walk->cost_ns;
	if (walk->bpf)
		reader_answered(c, owners_result_ns(walk->owners));
	lane->passes++;
	lane->last_ns = clock_ns(CLOCK_MONOTONIC);
	lane->cost_ns = (int64_t)walk->cost_ns;
	lane->wall_ns = lane->last_ns - owners_result_ns(walk->owners);
	lane->rows = owners_process_count(walk->owners);
}

/* A pass has broken off. Where BPF does it again and again, /proc still says who holds what. */
static void fail(struct collector *c, int error)
{
	struct owners_lane *walk = &c->walk;

	walk->running = false;
	if (!walk->bpf) {
		sources_failed(&c->sources, SOURCE_PROCESSES, -error, "/proc cannot be walked", "");
		return;
	}
	c->reader.pass_error = error;
	reader_broke_off(c);
	if (c->settings.processes)
		sources_failed(&c->sources, SOURCE_PROCESSES, -error,
			       "the pass over the descriptors broke off", "");
	if (error == -ENOMEM || ++walk->failures < FAILURES_MAX)
		return;
	walk_close(c);
	open_owners(c, NULL);
}

int walk_step(struct collector *c, int64_t budget_ns)
{
	struct owners_lane *walk = &c->walk;
	int64_t began = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	int r;

	if (!walk->owners)
		return -ENODATA;
	if (!walk->running) {
		walk->running = true;
		walk->begun++;
		walk->early = false;
		walk->cost_ns = 0;
		walk->cut = owners_cut(walk->owners);
	}
	r = owners_step(walk->owners, budget_ns, clock_ns(CLOCK_MONOTONIC));
	walk->cost_ns += (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - began);
	if (r < 0)
		fail(c, r);
	if (r == 1)
		complete(c);
	return r;
}

int collector_walk_owners(struct collector *c)
{
	for (;;) {
		bool by_bpf = c->walk.bpf;
		int r = walk_step(c, NSEC_PER_SEC);

		if (r == 1)
			return 0;
		/* Where BPF fails again and again /proc takes its place. */
		if (r == -ENOMEM || (r < 0 && !by_bpf))
			return r;
	}
}
