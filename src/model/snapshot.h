/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A snapshot: everything one answer needs, in one position-independent block.
 *
 *   header | records | holders | processes | findings | sources | namespaces | history | ended | names |
 *   strings
 *
 * Records come first since their number is known only when the dump has ended; the other sections
 * follow when the poll is complete. The writer works in an arena that the collector keeps mapped; the
 * web process maps the same pages for reading and checks the section table once (snapshot_open()).
 * A string is an offset into SECTION_STRINGS; offset 0 is the empty string and means "not known".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tcpdiag/outcome.h>

#include "model/finding.h"
#include "model/history.h"
#include "model/record.h"
#include "model/reset_reason.h"

#define SNAPSHOT_MAGIC 0x3144474944504354ULL /* "TCPDIGD1" */
#define SNAPSHOT_LAYOUT 12U

enum section_id {
	SECTION_RECORDS = 0,
	SECTION_HOLDERS,
	SECTION_PROCESSES,
	SECTION_FINDINGS,
	SECTION_SOURCES,
	SECTION_NAMESPACES,
	SECTION_HISTORY,
	SECTION_ENDED,
	SECTION_NAMES,
	SECTION_STRINGS,
	SECTION_MAX
};

struct section {
	uint64_t offset; /* from the header's first byte, a multiple of 64 */
	uint32_t count;
	uint32_t stride; /* bytes of one row */
};

/* One descriptor of one process that refers to a socket. */
struct holder {
	uint32_t process; /* row in SECTION_PROCESSES */
	int32_t fd;
};

struct process {
	int32_t pid;
	uint32_t comm; /* strings */
	uint32_t unit; /* systemd unit, from the cgroup path */
	uint32_t container; /* container id, from the cgroup path; a name where it has no id */
	uint32_t container_name; /* in its pod, or on this machine */
	uint32_t container_title; /* "NAMESPACE/POD/NAME" of Kubernetes, else as container_name */
	uint32_t pod, pod_namespace; /* of Kubernetes */
	uint32_t unit_label; /* what it is counted under: model/unit_label.h */
	uint32_t cgroup;
	uint32_t netns; /* inode number */
	uint32_t descriptors; /* open, 0: not known */
	uint32_t descriptor_limit; /* soft RLIMIT_NOFILE, 0: not known */
	uint64_t start_time; /* clock ticks since boot, /proc/PID/stat 22: tells a reused pid */
	uint32_t sockets[TCPDIAG_STATE_MAX]; /* held, by state; filled at publication */
};

enum source_state {
	SOURCE_OFF = 0, /* switched off, or not built in */
	SOURCE_STARTING, /* has not completed its first pass */
	SOURCE_OK,
	SOURCE_DEGRADED, /* answers, but not all of it */
	SOURCE_FAILED,
	SOURCE_STATE_MAX
};

enum source_id {
	SOURCE_SOCK_DIAG = 0,
	SOURCE_MPTCP_DIAG,
	SOURCE_COUNTERS,
	SOURCE_PROCESSES,
	SOURCE_NAMESPACES,
	SOURCE_BPF, /* what sock_diag does not tell: kernel/bpf.h */
	SOURCE_EVENTS, /* what happens between polls: kernel/events.h */
	SOURCE_MAX
};

struct source {
	uint8_t id; /* enum source_id */
	uint8_t state; /* enum source_state */
	int32_t error; /* errno of the last failure, 0 */
	uint32_t reason; /* strings: what is missing and what to do, empty when OK */
	int64_t last_ns; /* when it last answered in full */
	int64_t cost_ns; /* CPU time of the last pass */
	uint64_t passes;
	uint64_t failures;
};

/* TcpExt, Tcp and MPTcpExt counters that are read; their names stand in counter_name(). */
enum counter {
	COUNTER_OUT_RSTS = 0,
	COUNTER_ESTAB_RESETS,
	COUNTER_ATTEMPT_FAILS,
	COUNTER_LISTEN_OVERFLOWS,
	COUNTER_LISTEN_DROPS,
	COUNTER_ABORT_ON_DATA,
	COUNTER_ABORT_ON_CLOSE,
	COUNTER_ABORT_ON_MEMORY,
	COUNTER_ABORT_ON_TIMEOUT,
	COUNTER_ABORT_ON_LINGER,
	COUNTER_ABORT_FAILED,
	COUNTER_TIME_WAIT_OVERFLOW,
	COUNTER_TW,
	COUNTER_TW_KILLED,
	COUNTER_TIMEOUTS,
	COUNTER_MEMORY_PRESSURES,
	COUNTER_PRUNE_CALLED,
	COUNTER_MIGRATE_SUCCESS,
	COUNTER_MP_FASTCLOSE_TX,
	COUNTER_MP_FASTCLOSE_RX,
	COUNTER_ACTIVE_OPENS,
	COUNTER_PASSIVE_OPENS,
	COUNTER_MAX
};

struct counters {
	uint32_t known; /* bit per enum counter that this kernel has */
	uint64_t value[COUNTER_MAX];
};

enum namespace_flag {
	NAMESPACE_OWN = 1U << 0, /* tcpdiagd's own */
	NAMESPACE_IDLE = 1U << 1, /* nothing has changed since its last sweep: not asked again */
	NAMESPACE_OWN_TABLE =
		1U << 2, /* cheap to dump: it has a hash table of its own, as measured */
};

/* A network namespace that has a process or a name. */
struct namespace
{
	uint32_t inode;
	uint32_t name; /* strings: of /run/netns, or empty */
	uint32_t state; /* enum source_state; FAILED: its sockets are not read; OFF: not wanted */
	uint32_t reason; /* strings: what is missing and what to do, empty when OK */
	int32_t pid; /* of a process that lives in it, 0: none */
	uint32_t flags; /* enum namespace_flag */
	uint32_t sockets;
	int64_t sweep_ns; /* when its last complete sweep began, 0: none yet */
	int64_t fast_ns; /* when its teardown states and listeners were last read */
	int64_t checked_ns; /* when it was last read, or known to be as it was */
	int64_t cost_ns; /* CPU time of its last sweep */
	uint64_t reads; /* dumps of it, in part or in full */
	struct tcpdiag_environment environment;
	uint16_t port_range[2]; /* ip_local_port_range; 0: not known */
	struct counters counters; /* of this namespace, when it was last read */
	struct counters rates; /* change in the last 60 s; known: 0 while warming up */
};

enum lane { LANE_FAST = 0, LANE_SWEEP, LANE_OWNERS, LANE_MAX };

struct lane_state {
	int64_t interval_ns; /* in force now, stretched or not */
	int64_t wanted_ns; /* configured */
	int64_t last_ns; /* end of the last pass; 0: none yet */
	int64_t cost_ns; /* CPU time of the last pass */
	int64_t wall_ns; /* of the last pass */
	uint64_t passes;
	uint32_t rows; /* of the last pass */
};

/* Limits that were reached: each counts what was cut, since the start. */
enum limit {
	LIMIT_SOCKETS = 0, /* records above --limits.sockets */
	LIMIT_STRINGS,
	LIMIT_FINDINGS,
	LIMIT_PROCESSES,
	LIMIT_HOLDERS,
	LIMIT_CONTAINERS, /* containers and files about them that no name was read from */
	LIMIT_MESSAGES_TRUNCATED, /* netlink messages cut short */
	LIMIT_MESSAGES_FOREIGN, /* netlink messages that were not asked for */
	LIMIT_DUPLICATES, /* sockets that one dump showed twice */
	LIMIT_OUT_OF_MEMORY, /* polls lost */
	LIMIT_SNAPSHOTS_SKIPPED, /* publications without a free buffer */
	LIMIT_HISTORY, /* entries that found no room in their poll */
	LIMIT_ENDED, /* sockets that have ended and found none */
	LIMIT_NAMESPACES, /* namespaces above --limits.namespaces, once a search */
	LIMIT_STORIES, /* connections whose end was told without what led to it: too many at once */
	LIMIT_FOLDED, /* ends in minutes with too many rows: their ports and reasons are not kept */
	LIMIT_MINUTES, /* rows of minutes that were overwritten before they were a day old */
	LIMIT_MAX
};

/* Sums over all records, so that no consumer has to walk them for a gauge. */
struct totals {
	uint32_t sockets;
	uint32_t state[TCPDIAG_STATE_MAX];
	uint32_t attachment[TCPDIAG_ATTACHMENT_MAX];
	uint32_t teardown[TCPDIAG_STATE_MAX][TCPDIAG_ATTACHMENT_MAX]; /* teardown states only */
	uint32_t older[TCPDIAG_STATE_MAX]; /* in that state for more than 5 minutes */
	double oldest_seconds[TCPDIAG_STATE_MAX]; /* 0 where there is none */
	uint32_t close[TCPDIAG_RULE_MAX][TCPDIAG_SEGMENT_MAX]; /* what close() would do, by rule */
	uint32_t close_rst_peer_open;
	uint32_t close_rst_peer_finished;
	uint32_t close_fin;
	uint32_t close_none;
	uint64_t unread_bytes_peer_open; /* lost if all were closed now */
	uint64_t unread_bytes_peer_finished;
	uint64_t unsent_bytes;
	uint32_t listener_waiting; /* connections in accept queues */
	double listener_ratio_max;
	uint32_t listeners_at_risk;
	double port_range_ratio_max;
};

/* The states of a unit's sockets that are counted. */
enum unit_state {
	UNIT_ESTABLISHED,
	UNIT_CLOSE_WAIT,
	UNIT_FIN_WAIT1,
	UNIT_FIN_WAIT2,
	UNIT_LAST_ACK,
	UNIT_STATE_MAX
};

#define UNIT_PLACES 20

/* By what stays of a unit, a container, a session (model/unit_label.h). */
struct unit_totals {
	uint32_t name; /* strings; 0: all that have no row of their own */
	uint32_t sockets[UNIT_STATE_MAX];
	uint32_t close_resets; /* close() would send RST */
	uint32_t orphans; /* that it has created */
	double listener_ratio; /* of its fullest accept queue */
};

struct orphans {
	uint64_t count; /* sockstat, whole machine */
	uint64_t peak; /* maximum of the last 120 s */
	double growth_per_second; /* robust, 0 when flat */
	double seconds_to_limit; /* < 0: not growing */
	bool growth_known; /* false while warming up */
	bool count_known; /* sockstat could be read; false: count and peak say nothing */
};

/* How much the events' programs are allowed to see: a brake takes the next step where they cost too much. */
enum event_brake {
	EVENT_BRAKE_OFF = 0, /* everything */
	EVENT_BRAKE_ENDS, /* resets and the ends of sockets, no other change of state */
	EVENT_BRAKE_DETACHED, /* nothing */
	EVENT_BRAKE_MAX
};

/* What tells of events. */
enum event_origin {
	EVENT_ORIGIN_NONE = 0,
	EVENT_ORIGIN_BPF, /* the kernel's tracepoints */
	EVENT_ORIGIN_MULTICAST, /* sock_diag's: that sockets have ended, and no more */
	EVENT_ORIGIN_MAX
};

/* What the events told, since the collector's start. */
struct event_totals {
	bool known; /* the source works; false: all of this says nothing */
	bool reasons; /* the kernel tells why it resets; false: reasons are derived */
	uint8_t brake; /* enum event_brake */
	uint8_t origin; /* enum event_origin, at this time */
	uint64_t events; /* read */
	uint64_t dropped; /* found no room in the ring */
	uint64_t dropped_multicast; /* found no room in a socket of the multicast */
	uint64_t braked; /* times that the brake was pulled */
	int64_t brake_ns; /* CLOCK_MONOTONIC since when it is as it is; says nothing while it is off */
	uint64_t resets_sent[RESET_REASON_MAX];
	uint64_t resets_received[TCPDIAG_STATE_MAX]; /* by the state that it met */
	uint64_t checks[3]; /* enum audit_result: the oracle against the kernel */
	uint64_t checks_skipped; /* above the audit's budget */
	double core_share; /* of one core that the programs take, smoothed; < 0: not measured */
};

/* How the fast lane finds the sockets in teardown states; sums since the start. */
struct follow_totals {
	bool known; /* events tell of them; false: it dumps */
	bool by_events; /* the own namespace: looked up, not dumped */
	uint32_t namespaces, namespaces_by_events; /* of the last fast pass */
	uint32_t looked_up; /* sockets, in the last fast pass */
	uint32_t left_alone; /* that it did not look at: nothing told of them, not due */
	int64_t left_alone_ns; /* CLOCK_MONOTONIC: of these the look that is longest ago; 0: none */
	double look_up_ns; /* what one costs; 0: never measured */
	double dump_ns; /* what the last masked dump of the own namespace cost; 0: never measured */
	uint64_t entered; /* changes into a teardown state */
	uint64_t gaps; /* times that events were missing */
	uint64_t lost; /* sockets that a dump has shown and no event */
	uint64_t extra; /* the other way round */
	uint64_t reads, dumps; /* of namespaces, by look-ups and by dumps of either lane */
};

struct snapshot_header {
	uint64_t magic;
	uint32_t layout; /* SNAPSHOT_LAYOUT */
	uint32_t record_size; /* sizeof(struct record) */
	uint32_t header_size; /* sizeof(struct snapshot_header) */
	uint32_t rule_count; /* TCPDIAG_RULE_MAX: what numbers of rules mean */
	uint64_t id; /* counts publications from 1 */
	uint64_t bytes; /* of the whole block */
	struct section sections[SECTION_MAX];

	int64_t now_ns; /* CLOCK_MONOTONIC at publication */
	int64_t wall_ns; /* CLOCK_REALTIME at the same instant */
	int64_t started_ns; /* CLOCK_MONOTONIC: the collector's start */
	int64_t reload_ns; /* last reload that was tried, 0: none */
	bool reload_ok;
	bool replay; /* from a file: ages do not count on from here */
	char boot_id[40]; /* of the kernel; CLOCK_MONOTONIC begins with it. Empty: not known */
	uint16_t owner_pass; /* number of the newest walk over the owners that has begun */
	uint32_t reload_error; /* strings: why the last reload failed */
	uint32_t hostname; /* strings */
	uint32_t kernel; /* strings: uname release */
	uint32_t
		missing; /* strings: lines of what is not complete, '\n' between them; empty: complete */

	uint32_t netns; /* the collector's own */
	int64_t other_namespaces; /* that processes live in and nobody reads; -1: not known */
	uint32_t web_restarts;
	struct lane_state lanes[LANE_MAX];
	uint64_t limits[LIMIT_MAX];
	struct counters counters; /* summed over namespaces; since boot */
	struct counters rates; /* change in the last 60 s */
	struct tcpdiag_environment environment; /* of the collector's own namespace */
	uint16_t port_range[2]; /* ip_local_port_range; 0: not known */
	struct orphans orphans;
	struct totals totals;
	uint32_t unit_count; /* rows of units; 0: not known */
	struct unit_totals units[UNIT_PLACES + 1]; /* the first without a name */
	uint32_t findings_blind; /* finding_bit() of each that nothing was judged by */
	uint32_t findings_partly; /* of each that was judged by without a limit that is not known */
	/* When it has history enough to be judged in full; 0: it needs none. Findings only. */
	int64_t findings_warm_ns[TCPDIAG_RULE_MAX];
	/* How often each was raised since the start; findings only. */
	uint64_t findings_raised[TCPDIAG_RULE_MAX];
	struct history_header history;
	struct event_totals events;
	struct follow_totals follow;

	/* The collector's own cost, for process_* metrics. */
	double cpu_seconds;
	uint64_t resident_bytes;
	uint64_t virtual_bytes;
	uint32_t open_fds;
	uint32_t max_fds;
	double start_time_seconds; /* since the epoch */
};

/* ---- writing ---- */

/**
 * struct snapshot_writer - a snapshot in the making
 *
 * Owned by the caller; the memory belongs to the arena behind @grow. Records first, then the other
 * sections in any order, then snapshot_seal().
 */
struct snapshot_writer {
	struct snapshot_header *header; /* start of the block */
	size_t size; /* bytes that may be written */
	size_t used;
	uint32_t max_records;
	/* Gives at least @size bytes with the old content kept, or NULL; moves the block. */
	void *(*grow)(void *context, size_t size);
	void *context;
	struct snapshot_strings *strings; /* gathered until snapshot_seal(); owned */
	uint32_t string_max; /* bytes of all strings together */
	uint32_t string_length_max; /* of one string; 0: 255 */
	uint64_t *limits; /* LIMIT_*: what was cut is added here */
};

/**
 * snapshot_begin() - an empty snapshot
 * @w: to be filled in; @max_records, @grow, @context, @string_max and @limits set by the caller
 *
 * What was in the memory before is no snapshot any more from here on, and the new one is one only after
 * snapshot_seal(): whoever finds it after a crash can tell.
 *
 * Return: 0, or -ENOMEM.
 */
int snapshot_begin(struct snapshot_writer *w);

/**
 * snapshot_add() - room for one more record, zeroed
 *
 * The pointer holds until the next call of this function.
 *
 * Return: the record; NULL at the limit (counted) or out of memory.
 */
struct record *snapshot_add(struct snapshot_writer *w);

/* Appends records as they are, cut at the limit (counted). Return: 0, or -ENOMEM. */
int snapshot_copy_records(struct snapshot_writer *w, const struct record *records, uint32_t count);

/* Takes the newest record back. */
void snapshot_drop(struct snapshot_writer *w);

/* The records so far; hold until the next snapshot_add() or snapshot_section(). */
struct record *snapshot_writer_records(const struct snapshot_writer *w, uint32_t *ret_count);

/**
 * snapshot_string() - the offset of a string, stored once
 * @len: not counting a terminator; cut at @string_length_max
 *
 * May be called at any time: strings are kept aside until snapshot_seal().
 *
 * Return: its offset; 0 for the empty string, at the limit (counted) and out of memory.
 */
uint32_t snapshot_string(struct snapshot_writer *w, const char *text, size_t len);

/* A string that was stored before; "" where the offset is 0 or out of bounds. Holds until the next one. */
const char *snapshot_writer_text(const struct snapshot_writer *w, uint32_t offset);

/**
 * snapshot_section() - room for a section after the records
 *
 * Return: zeroed rows; NULL when out of memory. Holds until the next call.
 */
void *snapshot_section(struct snapshot_writer *w, enum section_id id, uint32_t count,
		       size_t stride);

/* The same, not zeroed: the caller writes every byte. */
void *snapshot_section_raw(struct snapshot_writer *w, enum section_id id, uint32_t count,
			   size_t stride);

/**
 * snapshot_seal() - writes the strings and the header's table: the block is complete
 *
 * Return: 0, or -ENOMEM.
 */
int snapshot_seal(struct snapshot_writer *w);

/* Frees what the writer holds besides the arena; @w may be half-built. */
void snapshot_writer_done(struct snapshot_writer *w);

/* ---- reading ---- */

/**
 * struct snapshot - a checked view of a block that somebody else owns
 */
struct snapshot {
	const struct snapshot_header *header;
	const struct record *records;
	uint32_t record_count;
	const struct holder *holders;
	uint32_t holder_count;
	const struct process *processes;
	uint32_t process_count;
	const struct finding *findings;
	uint32_t finding_count;
	const struct source *sources;
	uint32_t source_count;
	const struct namespace *namespaces;
	uint32_t namespace_count;
	const struct history_entry *history;
	uint32_t history_count;
	const struct ended *ended;
	uint32_t ended_count;
	const struct history_name *names;
	uint32_t name_count;
	const char *strings;
	uint32_t strings_size;
};

/**
 * snapshot_open() - checks the header and every section's bounds
 * @data: the block, aligned to 64
 * @size: of the mapping
 * @ret: untouched on failure
 *
 * Return: 0; -EBADMSG where magic, layout, sizes or bounds are wrong.
 */
int snapshot_open(const void *data, size_t size, struct snapshot *ret);

/**
 * snapshot_check() - whether a collector can go on with what another one has written
 * @now_ns: CLOCK_MONOTONIC
 *
 * snapshot_open() makes it safe to read; this makes it safe to work with as with one's own.
 *
 * Return: NULL; else what is wrong, for a log.
 */
const char *snapshot_check(const struct snapshot *snapshot, int64_t now_ns);

/* Why snapshot_open() has refused it, for a log. */
const char *snapshot_explain(const void *data, size_t size);

/* A string, never NULL: "" where the offset is 0 or out of bounds. Terminated. */
const char *snapshot_text(const struct snapshot *snapshot, uint32_t offset);

/* A process, or NULL where the row is RECORD_NONE or out of bounds. */
const struct process *snapshot_process(const struct snapshot *snapshot, uint32_t row);

/* The record's rows in SECTION_HOLDERS; NULL with 0 where there are none. */
const struct holder *snapshot_holders(const struct snapshot *snapshot, const struct record *record,
				      uint32_t *ret_count);

/* The first process that holds the record, else its creator, else NULL. */
const struct process *snapshot_owner(const struct snapshot *snapshot, const struct record *record);

/* A namespace by its inode, by which the rows ascend; NULL where it is not listed. */
const struct namespace *snapshot_namespace(const struct snapshot *snapshot, uint32_t inode);

/* The environment of the record's namespace; one in which nothing is known where it is not listed. */
const struct tcpdiag_environment *snapshot_environment(const struct snapshot *snapshot,
						       const struct record *record);

/**
 * snapshot_history() - an entry of a socket
 * @number: that of the record for the newest one, then that of the entry before
 *
 * Return: NULL where there is none, where it was overwritten, or where it is not of this socket.
 */
const struct history_entry *snapshot_history(const struct snapshot *snapshot,
					     const struct tcpdiag_socket *sk, uint32_t number);

/* Whose name an entry keeps; NULL where it was overwritten. */
const struct history_name *snapshot_history_name(const struct snapshot *snapshot, uint32_t number);

/* A socket that has ended and is still remembered, or NULL. */
const struct ended *snapshot_ended(const struct snapshot *snapshot, uint32_t netns,
				   uint64_t cookie);

/* Whether a rule still gathers the history without which it does not see what grows. */
bool snapshot_warms(const struct snapshot_header *header, enum tcpdiag_rule rule, int64_t now_ns);

/* "TCPAbortOnClose" as in /proc/net/netstat; NULL out of range. */
const char *counter_name(enum counter counter);
/* "off", "ends", "detached"; NULL out of range. */
const char *event_brake_name(enum event_brake brake);

/* "bpf", "multicast"; NULL out of range and for NONE. */
const char *event_origin_name(enum event_origin origin);

/* Of event_totals.checks: "agreed", "disagreed", "undecided"; NULL out of range. */
const char *check_result_name(unsigned int result);

/* "TcpExt", "Tcp", "MPTcpExt": the group in which the counter stands. */
const char *counter_group(enum counter counter);
/* "sock_diag", "processes"... */
const char *source_name(enum source_id id);
/* "ok", "degraded"... */
const char *source_state_name(enum source_state state);
/* "fast", "sweep", "owners" */
const char *lane_name(enum lane lane);
/* "sockets", "strings"... */
const char *limit_name(enum limit limit);
