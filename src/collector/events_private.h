/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of the events' lane: what its files share.
 */
#pragma once

#include "collector/audit.h"
#include "collector/autopsy.h"
#include "collector/brake.h"
#include "collector/events.h"
#include "collector/private.h"
#include "kernel/cgroup_id.h"
#include "model/journal.h"

#define CLOSERS 32768U
#define PEOPLE 2048U /* processes that have acted, each place for the newest that falls on it */

/* A process that has ended a connection. */
struct person {
	int32_t pid; /* 0: free */
	char comm[16]; /* of the thread that acted */
	uint64_t cgroup;
	int64_t seen_ns;
	struct event_name name;
	uint16_t serial; /* of whom has this place */
	char cgroup_path[256];
	char pod[128], pod_namespace[64];
};

/* A socket that a process has closed, each place for the newest that falls on it. */
struct closer {
	uint64_t cookie; /* 0: free */
	uint32_t netns;
	uint16_t person, serial;
};

/* Where a socket stands in the newest snapshot: positions by namespace and cookie. */
struct record_index {
	uint32_t *slots; /* position + 1; 0: free */
	uint32_t room, mask;
	uint64_t snapshot; /* id of the one that was indexed; 0: none */
	int64_t built_ns, cost_ns;
};

/* coverage.c: after each drain, and each poll where nothing is drained. */
void coverage_note(struct collector *c);

struct events_lane {
	struct event_reader *reader; /* NULL: no programs */
	struct autopsy *autopsy;
	struct brake_lane brake;
	struct audit audit;
	struct event_totals totals;
	uint64_t dropped; /* of this reader, at the last look */
	uint64_t dropped_before; /* of readers before it */
	uint64_t row_dropped; /* as the last row said */
	bool listens; /* without programs: collector/endings.h */
	char why[160]; /* there are none */
	int64_t loss_ns; /* when the ring was last found to have dropped some, 0: never */
	bool losing; /* as last said */
	int64_t now_ns, wall_ns, boot_offset_ns; /* of this drain */

	/* Stories that are written singly, by kind; the rest of that second is counted only. */
	int64_t second_ns;
	uint32_t refusals, strays, ordinary;
	int64_t row_ns; /* of the newest event that was read */

	struct snapshot newest; /* of this drain; no header: there is none */
	struct record_index index;
	int64_t relate_ns; /* CPU time of the searches of this second */
	struct cgroup_ids *cgroups; /* NULL: none */
	uint32_t reads; /* of /proc, in this drain */
	struct person people[PEOPLE];
	struct closer closers[CLOSERS];
};

/* ---- events_endings.c: without BPF ---- */

/* @why: there is no BPF. Return: 0 or -errno. */
int lane_listen(struct collector *c, const char *why);
void lane_listen_no_more(struct collector *c);
/* All that has come since; says in the source how well it hears. Return: 0 and more, or -errno. */
int lane_hear(struct collector *c, int (*take)(const struct socket_event *event, void *context));

/* ---- events_memory.c ---- */

bool lane_remember(void *context, const struct tcpdiag_socket *sk, struct autopsy_memory *ret);
uint32_t lane_relate(void *context, const struct tcpdiag_socket *sk, struct autopsy_relation *ret);
void record_index_done(struct record_index *index);

/* ---- events_people.c ---- */

uint32_t lane_process(void *context, const struct socket_event *event);
/* Who has closed it; for attach_ask(). */
bool lane_closer(void *context, const struct tcpdiag_socket *sk, struct owner_process *ret);
/* The number of a row of processes; 0 where there is none. */
uint32_t lane_name_of(struct collector *c, const struct snapshot *snapshot, uint32_t row);
