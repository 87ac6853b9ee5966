/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The network namespaces that are read: of each a netlink socket, what surrounds its sockets, and how old the
 * part of it is that the snapshot shows.
 *
 * What is open here keeps a namespace alive: spaces_sync() closes it as soon as the namespace has neither
 * a process nor a name.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/follow_plan.h"
#include "kernel/netns.h"
#include "kernel/sock_diag.h"
#include "kernel/traffic.h"
#include "model/snapshot.h"

#define SPACE_SAMPLES 13U /* of counters, 5 s apart */

struct space_sample {
	int64_t when_ns;
	struct counters counters;
};

struct destroy_watch;

/* tcp_max_orphans and tcp_mem are the machine's, and only its first namespace shows them. */
struct space_limits {
	uint32_t known; /* TCPDIAG_ENV_ORPHANS, TCPDIAG_ENV_MEMORY */
	uint64_t tcp_max_orphans;
	uint64_t tcp_mem[3];
};

struct space {
	uint32_t inode;
	int32_t pid; /* of a process in it, 0: none */
	char name[NETNS_NAME_MAX];
	bool own;
	int64_t since_ns; /* in the table; 0: from the start */

	struct sock_diag *diag; /* NULL: not open */
	struct netns_probe *probe; /* NULL: not open, or not to be had */
	struct destroy_watch *endings; /* collector/endings.h; NULL: nobody listens */
	struct netns_traffic traffic; /* as the probe last said */
	bool probed; /* the probe has spoken once */
	bool no_mptcp; /* none was found, and nothing has changed since */

	int error; /* errno of the last attempt to read it, 0 */
	const char *what; /* that it came from, static */
	uint32_t failures; /* in a row */
	int64_t retry_ns; /* not before */

	struct tcpdiag_environment environment; /* with what is the machine's */
	struct space_limits limits; /* of the machine, as it shows them */
	uint32_t environment_class;
	bool turned; /* in this poll: every verdict in it is asked for anew */
	uint16_t port_range[2];
	uint32_t reserved_ports; /* of the range */
	struct counters counters;
	int64_t counters_ns; /* when they are of, 0: never read */
	int64_t counted_ns; /* when they were read, and the environment with them */
	struct space_sample samples[SPACE_SAMPLES];
	uint32_t sample_count, newest;

	int64_t fast_ns, sweep_ns; /* when the last complete pass over it began, 0: none */
	int64_t checked_ns; /* when it was last read, or known to be as it was */
	int64_t fast_still_ns,
		sweep_still_ns; /* last known that nothing had come or gone since a pass */
	int64_t changed_ns; /* when something was last seen to have happened in it */
	int64_t cost_ns; /* CPU time of the last sweep */
	uint64_t reads; /* by passes of any kind */
	double fast_cost_ns, sweep_cost_ns; /* smoothed; 0: never measured */
	double dump_cost_ns; /* of fast passes that walked the table; the same */
	bool own_table; /* as the costs say */
	uint32_t cut; /* sockets above the limit in its last sweep */
	bool listeners_seen;

	struct space_follow follow;

	bool chosen; /* this pass reads it */
	bool full; /* and everything in it */
	uint32_t sockets; /* records of this poll */
	uint32_t restless, restless_fast; /* of these: change without a sign */
};

struct spaces {
	struct space **rows; /* ascending by inode */
	uint32_t count;
	struct space *own;
	bool only; /* every record is the own one's: a dump file */
	bool lost; /* some have gone whose records the newest snapshot has */
	uint32_t kept_cut; /* records above the limit that were not read in the last sweep */
	uint32_t turn; /* whose probe is read next */
	struct counters sum; /* of all, also of those that have gone */
	struct counters moved; /* how much of that has come while tcpdiagd looked */
	uint64_t truncated, foreign; /* of sockets that are closed: struct sock_diag_stats */
	bool listens; /* to the ends of sockets */
	uint32_t listening; /* in so many of them */
	uint32_t endings_turn; /* whose are read first */
	uint64_t endings_dropped; /* of those that are closed */
	struct plan_row *plan; /* kept between passes */
	uint32_t plan_room;
	struct namespace *out; /* rows as published; kept between polls */
	uint32_t out_room;
};

/* With the own one. Return: 0 or -ENOMEM. */
int spaces_init(struct spaces *spaces, uint32_t own);
void spaces_done(struct spaces *spaces);

/* NULL where it is not read. */
struct space *spaces_find(const struct spaces *spaces, uint32_t inode);

/**
 * spaces_sync() - the table becomes what @places say; the own one stays in any case
 * @lost: called for each that has gone, after all that kept it open has been closed
 *
 * Return: 0; -ENOMEM, then those that have gone are out all the same.
 */
int spaces_sync(struct spaces *spaces, const struct netns_place *places, uint32_t count,
		int64_t now_ns, void (*lost)(void *context, uint32_t inode), void *context);

/* Closes what it has open. */
void space_close(struct spaces *spaces, struct space *space);

/* Reading it has failed: what is open is closed, and it is left alone until @retry_ns. */
void space_failed(struct spaces *spaces, struct space *space, int error, const char *what,
		  int64_t retry_ns);

/* Its counters as they are now; sums never go back. */
void spaces_count(struct spaces *spaces, struct space *space, const struct counters *counters,
		  int64_t now_ns);

/* What came in the last 60 s; nothing is known while it has not been counted for so long. */
void space_rates(const struct space *space, struct counters *ret);

/* What it shows of the machine's limits. */
void space_limits(struct space *space, const struct tcpdiag_environment *its);

/*
 * Limits that @machine, which is the own one's, does not know: from another namespace that shows them. What is compared with
 * them is the same in each.
 */
void spaces_fill_limits(const struct spaces *spaces, struct tcpdiag_environment *machine);

/* Its own settings, and what is the machine's from the own one. @ret_port_range may be the space's. */
void space_surround(struct space *space, const struct tcpdiag_environment *its,
		    const struct tcpdiag_environment *machine);

/* How expensive a dump was. */
void space_paid(const struct spaces *spaces, struct space *space, bool full, int64_t cost_ns);

/* What a dump of it will cost. */
double space_price(const struct spaces *spaces, const struct space *space, bool full);

/* As published. Its name and reason are put into @w. */
void space_print(const struct space *space, enum source_state own_state, struct snapshot_writer *w,
		 struct namespace *ret);
