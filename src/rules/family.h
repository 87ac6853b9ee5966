/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the engine of findings and its families share: a tally, a round, and a family's row.
 *
 * A family says which sockets concern it and what a tally of them means; the engine finds the tally,
 * adds up, remembers, and steps each condition through its hysteresis. A tally has up to three parts,
 * which are judged apart (inbound, outbound and never accepted connections of one process) and make
 * one finding together.
 */
#pragma once

#include "rules/creators.h"
#include "rules/findings.h"
#include "rules/others.h"
#include "rules/sentence.h"
#include "rules/trend.h"

#define TALLY_PARTS 3
#define TALLIES_MAX (1U << 24)

enum tally_kind {
	TALLY_FREE = 0,
	TALLY_PROCESS, /* a: pid, b: start time */
	TALLY_LISTENER, /* a: namespace, b: cookie; its process is not known */
	TALLY_UNIT, /* b: hash of its name */
	TALLY_NETNS, /* a: namespace; b: 1 for a setting of it, of which no process is the owner */
	TALLY_HOST,
	TALLY_WATCH, /* a: namespace, b: cookie: memory of one listener, never a finding itself */
};

struct tally_key {
	uint8_t rule; /* enum tcpdiag_rule */
	uint8_t kind; /* enum tally_kind */
	uint32_t a;
	uint64_t b;
};

/* A severity that rises at once and falls after it was below for a while. */
struct condition {
	uint8_t severity; /* enum severity: in force */
	uint8_t below; /* the most that was seen while below */
	int64_t below_since_ns; /* 0: not below */
};

/* What a mark says besides, counted one by one in its part. */
enum mark_flag {
	MARK_BLOCKS = 0, /* its receive window is closed */
	MARK_BLOCKS_GUESSED, /* told by the receive memory */
	MARK_QUEUE_FULL, /* waits in a listener's queue that is full */
	MARK_DIRECTION_UNKNOWN,
	MARK_LISTENS, /* a listener, which hands its options on */
	MARK_INHERITED, /* has the option from its listener, or has the same as it */
	MARK_SLOW, /* for as long as makes it a warning by itself */
	MARK_NEW, /* had not this finding in the round before */
	MARK_RESET, /* its connection was reset by the peer */
	MARK_TIMED_OUT, /* the kernel has given its connection up */
	MARK_WINDOW, /* the peer lets it send nothing, and says so */
	MARK_SILENT, /* the peer answers nothing */
	MARK_GUESSED, /* who had it before was not seen to hold it */
	MARK_FLAG_MAX
};

#define MARK(flag) (1U << (flag))

/* How one socket concerns a family. */
struct mark {
	uint8_t part;
	uint8_t level; /* belongs to a finding of this severity or a higher one */
	uint8_t raise, keep; /* enum severity: judged by itself already (listeners) */
	uint32_t flags; /* MARK() of enum mark_flag */
	uint32_t bytes; /* as the family counts them */
	int64_t age_ns; /* since the last progress */
};

struct part {
	/* Of this round. */
	uint32_t aged[SEVERITY_MAX]; /* marks by level */
	uint32_t flagged[MARK_FLAG_MAX];
	uint32_t eof_read, eof_unread, data_unread;
	uint32_t example; /* record of the oldest, RECORD_NONE */
	uint8_t raise, keep; /* the worst of the marks */
	int64_t oldest_ns;
	uint64_t unread_bytes, unsent_bytes, bytes;

	/* Memory. */
	struct condition condition;
	int64_t sustained_since_ns; /* for the family's own "for so long"; 0: not now */
	struct trend *trend; /* of all marks; NULL where the family has none */
	int64_t rate_slot; /* of the trend, when @rate was computed */
	double rate; /* per second */
	bool rate_known;
};

/* What a listener's accept queue was like. */
struct watch {
	int64_t look_ns; /* the newest look */
	int64_t risk_ns; /* newest look at the ratio of information; of a small one, when full */
	int64_t busy_since_ns, full_since_ns; /* 0: not now */
	uint32_t looks; /* in a row at the ratio of information */
	bool raised; /* was something by itself, and has not become nothing since */
};

/* Connections that the accept queues of a namespace have dropped. */
struct drops {
	uint64_t count; /* in the last minute, of this round */
	int64_t for_ns; /* each last minute had some for so long; -1: not now */
	bool blamed; /* on a listener, in this round */
};

/* How many were new of late, in slots of a twelfth of the time that is asked for. */
#define RECENT_SLOTS 12

struct recent {
	int64_t slot; /* newest: time / length of a slot */
	uint32_t before; /* all, in the round before */
	uint32_t count[RECENT_SLOTS];
};

struct tally {
	struct tally_key key;
	uint32_t process; /* row, RECORD_NONE; of this round: the first where there are more */
	uint32_t
		processes; /* other rows followed it in this round: at least two processes; 0: one */
	uint32_t listener; /* record, RECORD_NONE; of this round */
	bool frozen; /* its source failed: as it was */
	int64_t made_ns; /* in the round of that time */
	int64_t seen_ns; /* a socket was added; 0: never */
	int64_t restored_ns; /* it stood before that time, in a collector before this one; 0: no */
	uint32_t restored_count; /* sockets that it was about then */
	int64_t since_ns; /* raised; 0: does not stand */
	uint64_t id;
	uint32_t netns;
	uint32_t descriptors, descriptor_limit; /* 0: not known */
	char comm[32], unit[96], who[256];
	struct watch watch;
	struct drops drops;
	struct recent recent;
	struct part parts[TALLY_PARTS];
};

/* All tallies, found by key, bounded. */
struct tallies {
	struct tally *rows;
	uint32_t *slots; /* row + 1, 0: free */
	uint32_t used, size, max, slot_count;
};

bool tally_key_equal(const struct tally_key *a, const struct tally_key *b);
int tallies_init(struct tallies *tallies, uint32_t max);
void tallies_done(struct tallies *tallies);
/* The row, or NULL. */
struct tally *tallies_find(const struct tallies *tallies, const struct tally_key *key);
/* A new, empty row; NULL at the limit or out of memory. Moves rows. */
struct tally *tallies_add(struct tallies *tallies, const struct tally_key *key);
/**
 * tallies_expire() - forgets what does not stand and was not seen since @before_ns
 * @idle_ns: what was seen since then stays in any case
 * @room: forgets more, those unseen for longest first, until so many rows are free
 *
 * Return: how many it forgot only to make room.
 */
uint32_t tallies_expire(struct tallies *tallies, int64_t before_ns, int64_t idle_ns, uint32_t room);

/* Tallies of what stands in @snapshot, before the first round. Return: how many. */
uint32_t tallies_restore(struct tallies *tallies, const struct snapshot *snapshot, int64_t now_ns);
/* It stays as it is until enough is known again to judge it. */
bool tally_is_kept(const struct round *round, const struct tally *tally, const struct part *part);

/* A mark that was made: bits are set once it is known which tallies stand. */
struct marked {
	uint32_t record;
	uint32_t tally : 24; /* row: TALLIES_MAX */
	uint32_t part : 4;
	uint32_t level : 4;
};

struct aborts;

/* One call of findings_evaluate(). */
struct round {
	struct findings *findings;
	struct tallies *tallies;
	struct aborts *aborts; /* rules/aborts.h */
	const struct thresholds *thresholds;
	const struct findings_input *input;
	struct snapshot_writer *w;
	struct record *records;
	uint32_t record_count;
	int64_t now_ns;
	int64_t listeners_ns, fast_ns,
		sweep_ns; /* two intervals of each lane: no younger age can be told */
	struct created *created; /* orphans by row of their creator; one more for those without */
	struct creator_group *groups; /* as many rows, for creators_settle() */
	struct creators creators[CREATORS_MAX];
	uint64_t *unit_hashes; /* by row of a process; 0: not asked for yet */
	const struct marked *marks; /* of the whole walk, once that is over */
	struct others_index *others;
	uint32_t had; /* bits of the findings that the record being looked at had before */
};

enum family_key {
	FAMILY_BY_OWNER = 0, /* process, else listener, else namespace */
	FAMILY_BY_UNIT, /* unit, else as by owner */
	FAMILY_BY_HOST,
};

/* One row of the table of families. */
struct family {
	enum tcpdiag_rule rule;
	enum scope scope; /* where the process is known */
	enum family_key key;
	uint32_t states; /* TCPDIAG_STATE_BIT: others never concern it */
	uint8_t parts;
	uint8_t trends; /* how many of the first parts have one */
	bool settings; /* asks only for sockets for which findings_settings() holds */
	bool others; /* describe() asks for the other ends of its sockets */
	/* Said of who had it in the time between the last of its sockets and the end of the finding. */
	const char *over;

	/* For how long after the first look sockets are too young to be counted; NULL without trends. */
	int64_t (*settles)(const struct round *round);
	/*
	 * What it needs is not read: it judges nothing, what stands stays as it was, and the header says so.
	 * May be NULL.
	 */
	bool (*blind)(const struct round *round);
	/*
	 * A limit that it judges by is not read: what it finds by the rest is told and cleared, yet that it finds nothing
	 * says nothing. May be NULL.
	 */
	bool (*partly)(const struct round *round);
	/* When it has history enough to judge by, where that is not its trend's (rules/warming.c); may be NULL. */
	int64_t (*warms)(const struct round *round);
	/* Before and after the walk; may be NULL. */
	void (*begin)(struct round *round);
	void (*end)(struct round *round);
	/* Whether a socket concerns the family, and how. Called for each socket in its states. */
	bool (*concerns)(struct round *round, const struct record *record, struct mark *ret);
	/* Severity with every number times @scale; @scale below 1 asks whether it may stay. */
	enum severity (*judge)(const struct round *round, const struct tally *tally,
			       struct part *part, double scale);
	/* Fills the sentences and evidence; common evidence is there already. */
	void (*describe)(const struct round *round, const struct tally *tally, struct finding *row,
			 struct sentence *summary, struct sentence *cause, struct sentence *remedy);
};

extern const struct family finding_rst_on_close, finding_fin_wait2_stuck, finding_close_wait_leak,
	finding_orphan_accumulation, finding_listener_queue, finding_linger_zero,
	finding_linger_blocks, finding_fin_timeout_cliff, finding_late_data,
	finding_dead_descriptor, finding_orphan_stalled, finding_fin_wait1_stalled,
	finding_last_ack_stalled, finding_tcp_memory, finding_time_wait, finding_aborts,
	finding_ports, finding_inherited;

/* The row of a rule; NULL where it is none of a finding's. */
const struct family *family_of(enum tcpdiag_rule rule);

/* The worst of its parts. */
uint8_t tally_severity(const struct tally *tally);

/* Judges it and steps its conditions. Return: whether it was raised just now. */
bool round_judge(struct round *round, struct tally *tally);

/* Describes what stands and writes the section. Return: how many; -ENOMEM. */
int round_tell(const struct round *round);

/* Writes down when each family has history enough. @known_since_ns: of the trends. */
void warming_tell(const struct round *round, int64_t known_since_ns);

/* ---- for families ---- */

/* The tally of that key, made where there is none; NULL at the limit (counted). */
struct tally *round_tally(struct round *round, const struct tally_key *key);

/*
 * Row of the process that answers for a socket: its first holder, or who listens where nobody has accepted it,
 * else its creator; RECORD_NONE.
 */
uint32_t round_process(const struct round *round, const struct record *record);

/* The time since the newest of the record's own look and @since_ns; 0 where that is not past. */
static inline int64_t round_age(const struct round *round, const struct record *record,
				int64_t since_ns)
{
	int64_t seen = record->seen_ns ? record->seen_ns : round->now_ns;

	return seen > since_ns ? seen - since_ns : 0;
}

/* For how long @holds has been so, in nanoseconds; -1 where it is not so now. */
int64_t part_sustained(struct part *part, bool holds, int64_t now_ns);

/* Sockets that belong to the part at its severity. */
uint32_t part_count(const struct part *part);

/* All marks of the part. */
uint32_t part_total(const struct part *part);

static inline void evidence(struct finding *row, enum evidence which, double value)
{
	row->evidence[which] = value;
	row->shown |= UINT64_C(1) << which;
}

static inline double seconds(int64_t ns)
{
	return (double)ns / (double)NSEC_PER_SEC;
}

/* ", oldest 780 s", or nothing where nothing is left. */
void describe_oldest(struct sentence *s, const struct part *part);
/* "; growing 52/s", or nothing. */
void describe_growth(struct sentence *s, const struct part *part);
/* "; descriptors 58 % of 131,072, full in 18 min", or nothing. */
void describe_descriptors(struct sentence *s, const struct tally *tally);
/* " Looked at each 40 s only, so ..." where an age was stretched to two looks. */
void describe_stretch(struct sentence *s, int64_t threshold_ns, int64_t lane_ns);

/* "nginx (pid 12, nginx.service)", "envoy (pid 12, payments/api-7d9f-x2/envoy)" */
void sentence_process(const struct round *round, struct sentence *s, const struct process *process);
