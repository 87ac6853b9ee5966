/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The collector's inside, for its own files: what it keeps, and one poll.
 */
#pragma once

#include <limits.h>

#include "collector/attach.h"
#include "collector/chronicle.h"
#include "collector/collector.h"
#include "collector/events.h"
#include "collector/follow.h"
#include "collector/gauges.h"
#include "collector/history.h"
#include "collector/join.h"
#include "collector/lanes.h"
#include "collector/listeners.h"
#include "collector/memory.h"
#include "collector/peers.h"
#include "collector/pool.h"
#include "collector/port_usage.h"
#include "collector/queues.h"
#include "collector/raised.h"
#include "collector/rota.h"
#include "collector/sources.h"
#include "collector/spaces.h"
#include "collector/units.h"
#include "kernel/bpf.h"
#include "kernel/counters.h"
#include "kernel/owners.h"
#include "kernel/sock_diag.h"
#include "model/keyed_hash.h"
#include "rules/findings.h"

struct sd_event_source;

/* What does not change while the process lives. */
struct collector_self {
	uint32_t netns;
	int64_t started_ns;
	double start_time_seconds;
	char hostname[HOST_NAME_MAX + 1];
	char kernel[128];
	char boot_id[40]; /* empty: not known */
};

struct collector_reload {
	int64_t when_ns; /* 0: none */
	bool ok;
	char *error;
};

/* The walk over the owners: in slices, with a budget of its own. */
struct owners_lane {
	struct owners *owners; /* NULL: switched off or not to be had */
	struct bpf_reader *bpf; /* lists the descriptors; borrowed; NULL: /proc does */
	uint32_t failures; /* in a row */
	bool running; /* a pass has begun */
	uint16_t begun; /* how many passes have, modulo 2^16 */
	uint16_t base; /* that number when the owners were opened */
	uint16_t result; /* number of the one in force */
	bool early; /* something that is new or has vanished waits for the next one */
	bool clean; /* that one could read every process and was not cut */
	int64_t next_ns; /* slice, or pass */
	double cost_ns; /* CPU time of this pass so far */
	struct owners_cut cut; /* when it began */
};

/* The search for namespaces: in slices, too. */
struct census_lane {
	struct netns_watch *watch; /* NULL: switched off or not to be had */
	int error; /* errno of the last attempt to search, 0 */
	bool running; /* a pass has begun */
	bool hurry; /* somebody has come or gone */
	bool found; /* one pass has been complete */
	int64_t next_ns; /* slice, or pass */
	int64_t last_ns; /* end of the last pass, 0: none */
	double cost_ns; /* CPU time of this pass so far, or of the last one */
	uint64_t cut_before; /* namespaces above the limit, when it began */
	uint32_t cut; /* in the last one */
	int64_t judged_ns; /* the walk over the owners whose namespaces were compared with those found */
	uint32_t *
		strays; /* that have sockets and neither a process nor a name, in that walk; ascending */
	uint32_t stray_count;
	uint32_t confirmed; /* of these: already in the walk before */
};

/* What the two ways of the BPF reader did last. */
struct reader_state {
	int64_t pass_ns; /* CPU time of the pass, where it is nobody else's cost */
	int64_t look_up_ns; /* CPU time of the look-ups of a poll */
	int pass_error, look_up_error; /* -errno where it failed, 0 */
};

/* The fast lane's other way: looking up what events have told of. */
struct follow_lane {
	double look_up_ns; /* what one costs, smoothed; 0: never measured */
	double ask_ns; /* and one of the settings alone, right behind a dump */
	struct follow_batch *batch; /* buffers, made when they are first needed */
	uint32_t *
		chain; /* kept between polls: for each number in the order the next one of its namespace */
	uint32_t chain_room;
	uint32_t spaces,
		by_events; /* that the last fast pass has read, and that it need not have dumped */
	uint32_t looked_up; /* sockets, in the last fast pass */
	uint32_t left_alone; /* those that it found no need to look up */
	int64_t left_alone_ns; /* of these the look that is longest ago, 0: none */
	uint64_t reads, dumps; /* of namespaces, since the start */
	int64_t audit_ns; /* the next audit is not before */
};

/* coverage.c: when nobody has watched how connections end. */
struct coverage {
	int64_t noted_ns; /* until then that is noted; 0: nothing yet */
	bool sees; /* from then on somebody watches */
};

struct collector {
	struct collector_settings settings;
	struct collector_self self;
	struct hash_key key; /* of the tables whose rows the network names */
	struct collector_reload reload;
	uint32_t web_restarts;
	bool replay;

	struct spaces spaces;
	struct census_lane census;
	struct counters_reader *counters_reader;
	struct reader_state reader;
	struct bpf_reader *bpf; /* NULL: switched off or not to be had */
	struct pool *pool;
	struct findings *findings;
	struct gone *gone;
	struct history *history;
	struct chronicle chronicle;
	struct raised raised;
	struct listeners *listeners;
	struct attach *attach;
	struct follow *follow; /* what events say of teardown states */
	struct events_lane *events; /* NULL: nobody tells of events */
	struct coverage coverage;
	void (*disagreed)(const char *text, void *context);
	void *disagreed_context;
	struct follow_lane follow_lane;
	struct join join;
	struct port_usage usage;
	struct queues queues;
	struct peers peers;
	struct owners_lane walk;
	struct gauges gauges;
	struct lanes lanes;
	struct lane_state lane_states[LANE_MAX];
	struct sources sources;
	uint64_t limits[LIMIT_MAX];

	struct counters counters; /* of all namespaces together */
	/* Of the own one. */
	struct tcpdiag_environment environment;
	uint16_t port_range[2];
	uint32_t reserved_ports; /* of the range */

	struct snapshot
		restored; /* of a collector before this one, until the first poll; all empty: none */
	uint64_t id; /* of the newest snapshot */
	int64_t settings_ns; /* the walk whose settings the records have, 0: none */
	int64_t closed_ns; /* the walk whose sockets in CLOSE are among them, 0: none */
	bool no_mptcp; /* the kernel does not answer for it */
	uint32_t *order; /* kept between polls; fast lane: records it covers; sweep: listeners */
	uint32_t *fresh; /* records without a record before */
	uint32_t *besides; /* listeners and records in teardown states that are not in @order */
	uint32_t *concerned; /* records that findings may be about */
	uint32_t *had; /* bits of findings that each of these had before */
	uint32_t *queued; /* unaccepted ones */
	struct units units;
	uint32_t *flagged; /* records of the newest snapshot that findings are about */
	uint32_t *asked; /* records whose settings are looked up in this poll */
	uint32_t order_room, fresh_room, besides_room, concerned_room, had_room, queued_room,
		flagged_room, asked_room;
	uint32_t flagged_count;
	uint32_t blind; /* finding_bit() of what the newest snapshot could not judge */
	uint32_t look_up_turn; /* where the next poll goes on that cannot look all up */

	struct sd_event_source *timer, *walk_timer, *census_timer, *census_io, *events_timer;
	void (*published)(struct collector *collector, int result, void *context);
	void *published_context;
};

#define LOOK_UP_WARM 256U

/* One poll. */
struct poll {
	struct collector *c;
	enum pass pass;
	int64_t now_ns, wall_ns;
	int64_t cpu_ns; /* CPU time of this thread when it began */
	struct memory memory; /* of @space */
	struct rota rota; /* of sockets in teardown states */
	struct rota settings_rota; /* of the settings of those that a dump shows */
	struct space *space; /* the namespace at hand; NULL: it is not read */
	uint32_t netns; /* its number */
	bool in_space; /* the two are set */
	double others_budget_ns; /* CPU time that the namespaces besides the own one may take */
	int64_t others_ns; /* that they have taken */
	bool first; /* nothing has been read before */
	bool left_out; /* some that were chosen have not been read */
	struct pool_buffer *buffer;
	bool lendable;
	struct snapshot_writer w;
	struct snapshot before; /* all empty: there was none */
	uint32_t order_count, fresh_count, besides_count, concerned_count, had_count, queued_count,
		asked_count;
	bool look_up; /* sockets can be looked up */
	int look_up_error; /* -errno where that has failed in this poll */
	int64_t look_up_ns; /* CPU time that it took */
	uint32_t warm[LOOK_UP_WARM]; /* records whose sockets the kernel has just dumped */
	uint32_t warm_count, warm_total;
	int64_t settings_ns; /* when the walk began whose settings are new; 0: they are in the records */
	uint32_t appended; /* records from here on are new to the fast lane */
	uint32_t rows; /* that the kernel gave */
	uint32_t cut;
	uint64_t out_of_memory; /* that counter before */
	int64_t follow_ns; /* when the events were drained; 0: they are not followed */
	bool ports_looked; /* rows of processes in @c->usage are those of this poll */
	bool stale; /* no dump: the records before, as they were */
	struct totals totals;
};

/* spaces_pass.c: looks the namespace up whose turn it is. */
struct space *poll_enter(struct poll *p, uint32_t netns);

/* The namespace of the records that come; NULL where it is not read. p->memory is then its. */
static inline struct space *poll_in(struct poll *p, uint32_t netns)
{
	return p->in_space && p->netns == netns ? p->space : poll_enter(p, netns);
}

/* Records lie in memory that no cache holds: those that come next are fetched ahead. */
static inline void record_prefetch(const struct record *record)
{
	const char *bytes = (const char *)record;
	size_t i;

	for (i = 0; i < sizeof(*record); i += 64)
		__builtin_prefetch(bytes + i);
}

/* The same for one that is about to be written. It may lie behind the buffer: nothing is read. */
static inline void record_prefetch_write(const struct record *record)
{
	const char *bytes = (const char *)record;
	size_t i;

	for (i = 0; i < sizeof(*record); i += 64)
		__builtin_prefetch(bytes + i, 1);
}

/* The walk meets sockets of all kinds and namespaces, and some of them several times. */
static inline uint32_t max_holders(const struct collector_settings *settings)
{
	return settings->max_sockets < UINT32_MAX / 4 ? settings->max_sockets * 2 + 65536
						      : UINT32_MAX;
}

/* Whether this pass reads the namespace of the record. */
static inline bool poll_reads(struct poll *p, const struct record *record)
{
	const struct space *space = poll_in(p, record->sk.netns);

	return space && space->chosen;
}

/* Room for one more number in a list that is kept between polls. Return: 0 or -ENOMEM. */
int push_number(uint32_t **list, uint32_t *room, uint32_t *count, uint32_t value);

int64_t clock_ns(int clock);

/* Counters and orphans. */
void collector_tick(struct collector *c, int64_t now_ns);

/* One pass, published where it is more than a tick. As collector_poll(). */
int collector_pass(struct collector *c, enum pass pass);

/* rows.c: the dump into the writer, joined with the records before. 0 or -errno. */
int poll_read_rows(struct poll *p);
/* The records before, as they were. 0 or -ENOMEM. */
int poll_copy_rows(struct poll *p);

static inline bool poll_tears_down(const struct tcpdiag_socket *sk)
{
	return TCPDIAG_STATES_TEARDOWN & TCPDIAG_STATE_BIT(sk->state);
}

/* One of a sweep, that stands in the new snapshot's last record. 0 or -ENOMEM. */
int poll_place(struct poll *p, struct record *record);
/* One of a fast pass. 0 or -ENOMEM. */
int poll_put(struct poll *p, struct record *row);

/* put.c: what is remembered of @old, and its verdict where that still holds. */
void poll_carry(const struct poll *p, struct record *record, const struct record *old);
/* States that a pass of the fast lane asks for. */
uint32_t poll_covers(const struct poll *p);
/* One of a fast pass whose record is known to stand at @position (RECORD_NONE: nowhere), @number in the order. */
int poll_put_at(struct poll *p, struct record *row, const struct socket_settings *settings,
		uint32_t position, uint32_t number);

/* follow_pass.c: the sockets that events have told of. Before a pass, when it is not chosen yet what it reads. */
void follow_begin(struct poll *p);
/* A record of the snapshot before; @number in the order of this pass, UINT32_MAX: not in it. 0 or -ENOMEM. */
int follow_meet(struct poll *p, const struct record *old, uint32_t position, uint32_t number);
/* Which namespaces are looked up. */
void follow_choose(struct poll *p);
/* Of this namespace. 0, -ENOMEM, or -errno of the reader: then nothing has been put. */
int follow_read(struct poll *p, struct space *space);
/* A dump has brought this row; @was: its record was in a teardown state. */
void follow_saw(struct poll *p, const struct tcpdiag_socket *sk, bool was);
/* A dump of the namespace is through. @cost_ns: of one of the fast lane's states, 0: of everything. */
void follow_saw_all(struct poll *p, struct space *space, int64_t cost_ns);
/* Settings of @count have been read behind a dump. */
void follow_asked(struct poll *p, uint32_t count, int64_t cost_ns);
/* This pass has left it alone: its record stands as it was. Of one that the pass reads. */
bool follow_rests(const struct poll *p, const struct record *record);
/* The header's part. */
void follow_publish(const struct collector *c, struct follow_totals *ret);
void follow_lane_done(struct follow_lane *lane);

/* closed.c: behind the dumps of a sweep. 0 or -ENOMEM. */
int poll_add_closed(struct poll *p);
/* After a restart: those of before stay until the first pass can tell. 0 or -errno. */
int poll_keep_closed(struct poll *p);
/* A fast pass: those of a new pass replace the records in CLOSE. */
bool poll_has_closed(const struct poll *p);
int poll_put_closed(struct poll *p);
/* Whether a row of the pass is newer than the record. @covered: states that this poll has asked for. */
bool closed_supersedes(const struct record *row, const struct record *old, uint32_t covered);
/* A row of the pass, joined with its record. */
void closed_seen(struct record *record);
/* When all are joined. @first, @end: of them. */
void poll_settle_closed(struct poll *p, uint32_t first, uint32_t end);

/* judge.c: direction, listener, holders, verdict and totals of every record. 0 or -ENOMEM. */
int poll_judge(struct poll *p);
/* The process that a record is counted for: its first holder, else its creator. */
uint32_t poll_owner_row(const struct collector *c, const struct record *record);

/* ports.c: before the records, and behind them. */
void ports_begin(struct poll *p);
void ports_end(struct poll *p, const struct record *records, uint32_t count);

/* publish.c: everything behind the records, and the header. 0 or -ENOMEM. */
int poll_seal(struct poll *p);

/* reader.c: what BPF reads. */
int reader_open(struct collector *c);
void reader_close(struct collector *c);
/* One way has answered, or failed as reader_state says. */
void reader_answered(struct collector *c, int64_t now_ns);
void reader_broke_off(struct collector *c);
/* What was read before holds: it is read again some time. */
bool reader_reads(const struct collector *c);
/* It has answered, in full or in part. */
bool reader_works(const struct collector *c);

/* look_up.c: single sockets. */
void look_up_begin(struct poll *p);
/* Whether a look-up can find it. */
bool look_up_can(const struct tcpdiag_socket *sk);
/* Whether it cannot wait. @reread_ns: what was read then or before is read again; 0: what never was. */
bool look_up_is_due(const struct record *record, int64_t reread_ns);
/* A record, at its place; @anew: somebody else has it since the last poll. 0 or -ENOMEM. */
int look_up_note(struct poll *p, const struct record *record, uint32_t position, bool anew);
/* The same for one that the dump has just brought, and that has its history: with the next few. */
int look_up_soon(struct poll *p, const struct record *record, uint32_t position, bool anew);
/* The few that are left, before records move. */
void look_up_flush(struct poll *p);
/* Before the records are judged. 0 or -ENOMEM; what the reader fails with is said in its source. */
int poll_look_up(struct poll *p);

/* walk.c: the owners. */
int walk_open(struct collector *c);
void walk_close(struct collector *c);
/* Goes on for @budget_ns. 1 when a pass is complete, 0, or -errno. */
int walk_step(struct collector *c, int64_t budget_ns);

/* spaces_pass.c: which namespaces this pass reads. 0 or -ENOMEM. */
int spaces_choose(struct poll *p);
/* Opens what a dump of it needs, and counts what was counted long ago. 0 or -errno, which is said. */
int spaces_visit(struct collector *c, struct space *space, int64_t now_ns);
/* Calls @read for each that this pass reads, the own one first. 0 or -errno of @read. */
int poll_each_space(struct poll *p, int (*read)(struct poll *p, struct space *space));
/* One whose dump broke off stays as it was. 0; -ENOMEM; of the own one -errno. */
int poll_failed(struct poll *p, struct space *space, int error);
/* It stands in a namespace that has gone, perhaps with another one under its number. */
bool poll_has_lost(struct poll *p, const struct record *record);
/* Each second: in which of them has anything happened? */
void spaces_tick(struct collector *c, int64_t now_ns);
/* What surrounds the sockets of each, before they are judged. */
void spaces_turn(struct collector *c);
/* This pass has read what it has chosen. */
void spaces_passed(struct poll *p);

/* census.c: which namespaces there are. */
int census_open(struct collector *c);
void census_close(struct collector *c);
/* Goes on for @budget_ns. 1 when a pass is complete, 0, or -errno. */
int census_step(struct collector *c, int64_t budget_ns);
/* A complete search; with a daemon that has others to serve, as far as it comes in a moment. */
void census_all(struct collector *c);
/* A process or a name has gone that kept one. */
void census_changed(struct collector *c);
/* The first search goes on: a namespace that the table does not have may only not be found yet. */
bool census_waits(const struct collector *c);
/* How well the others are read: the source's state. */
void census_say(struct collector *c);
/* Whether every namespace that there is is read, in full. */
bool census_is_complete(const struct collector *c);
/* Namespaces that nobody reads; -1: not known. */
int64_t census_others(const struct collector *c);

/* schedule.c: takes the timers away; sets them anew after a change of settings. */
void collector_detach(struct collector *c);
void collector_rearm(struct collector *c);
