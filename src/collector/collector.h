/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The collector: polls the kernel, remembers, judges, publishes.
 *
 * Two lanes. The fast lane asks for the teardown states and the listeners every interval; the sweep asks
 * for everything every sweep interval. Both measure their own CPU time and stretch their interval to
 * their share of a core (3 % and 2 % of the default 5 %). What gives way, in this order: the sweep,
 * the teardown rows, the listeners; counters and orphan totals are read every interval for ever.
 * Every pass makes a whole snapshot: the sweep from its dump and the memory, the fast lane from the
 * snapshot before it with its rows replaced.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/pool.h"
#include "model/journal.h"
#include "model/snapshot.h"
#include "rules/thresholds.h"

struct sd_event;
struct collector;

struct collector_settings {
	int64_t interval_ns;
	int64_t sweep_interval_ns;
	double cpu_share; /* percent of one core, for both lanes together */
	uint32_t max_sockets;
	uint32_t max_strings; /* bytes */
	uint32_t max_findings;
	uint32_t max_processes;
	uint32_t
		max_history; /* entries; 0: no history is kept; not changed by collector_configure() */
	uint32_t max_ended; /* sockets; the same */
	uint32_t max_namespaces;
	uint32_t max_events; /* resets that are kept; not changed by collector_configure() */
	bool processes; /* the owners' walk */
	bool namespaces; /* all, not tcpdiagd's own only */
	bool bpf; /* what sock_diag does not tell */
	bool events; /* what happens between two polls */
	bool reset_reasons; /* those that the kernel tells; false: derived from what the socket looked like */
	double events_share; /* percent of one core that the programs in the kernel may take for them */
	const char *replay; /* NULL, or a file of `ss -D` instead of the kernel */
	struct thresholds thresholds;
};

/**
 * collector_new() - opens what it reads
 *
 * A source that cannot be opened is said in the snapshots, it does not fail the call.
 *
 * Return: 0; -ENOMEM; with @replay the -errno of the file.
 */
int collector_new(const struct collector_settings *settings, struct collector **ret);

/**
 * collector_restore() - goes on where a collector before this one has ended
 * @data: its newest snapshot; borrowed until the first snapshot is there, or this call fails
 * @ret_why: why it cannot be used, for a log
 *
 * Before the first poll. Sockets keep their times, their creators and their history, findings their ids; what
 * changed meanwhile is known to have changed, not when. Nothing in @data is trusted.
 *
 * Return: 0; -EBADMSG where it is damaged, of another version or of another boot.
 */
int collector_restore(struct collector *collector, const void *data, size_t size,
		      const char **ret_why);

/* Accepts NULL; returns NULL. */
struct collector *collector_free(struct collector *collector);

/* New settings, in force from the next poll; @replay is not looked at. */
void collector_configure(struct collector *collector, const struct collector_settings *settings);

/* What the last reload did, for /status and the metric. @error: borrowed for the call, or NULL. */
void collector_set_reload(struct collector *collector, bool ok, const char *error, int64_t now_ns);

void collector_set_web_restarts(struct collector *collector, uint32_t restarts);

/**
 * collector_poll() - one pass of a lane now, and a publication
 *
 * Return: 0; 1 where a snapshot was made but not published (no free buffer); -ENOMEM where the poll was
 * lost; another -errno where the sockets could not be read: then a snapshot is published that shows the
 * records before, is as old as they are, and says in its sources what has failed.
 */
int collector_poll(struct collector *collector, enum lane lane);

/*
 * A complete walk over the owners, however long it takes: for --once. Only a poll after it shows what it
 * found; whether nobody holds a socket is known when two walks began after a poll had seen it.
 */
int collector_walk_owners(struct collector *collector);

/**
 * collector_attach() - polls by timers of an event loop from now on
 * @published: called after each poll, also after a lost one (@result as collector_poll())
 *
 * Return: 0 or -errno.
 */
int collector_attach(struct collector *collector, struct sd_event *event,
		     void (*published)(struct collector *collector, int result, void *context),
		     void *context);

/* The newest snapshot, checked; -ENODATA before the first. Valid until the next poll. */
int collector_snapshot(const struct collector *collector, struct snapshot *ret);

/* For lending. Borrowed. */
struct pool *collector_pool(struct collector *collector);

/* What has happened. Borrowed; never NULL. */
struct journal *collector_journal(struct collector *collector);

/* Called with the inputs when the oracle was wrong about what the kernel did, once for each kind. */
void collector_on_disagreement(struct collector *collector,
			       void (*disagreed)(const char *text, void *context), void *context);

/* The memory of the journal, for reading. Borrowed. */
int collector_journal_memory(const struct collector *collector, size_t *ret_size);

/* As journal_restore(), before the first event. @data is not needed any more when it returns. */
int collector_restore_journal(struct collector *collector, const void *data, size_t size,
			      const char **ret_why);
