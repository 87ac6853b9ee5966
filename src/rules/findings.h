/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Findings: what is wrong now, from the records of one poll and a memory of the ones before.
 *
 * One walk over the records asks every family which sockets concern it and adds them to a tally per
 * (rule, process, listener or namespace); then each tally is judged once, with its own short history
 * for growth and its own hysteresis. Pure: time comes in, text goes into the snapshot's strings.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/snapshot.h"
#include "rules/thresholds.h"

struct findings;

/* connect()s from one local address to one remote end, against the ports that they can have. */
struct port_pair {
	uint32_t netns;
	uint8_t local[16], remote[16];
	uint16_t remote_port;
	uint16_t range[2]; /* ip_local_port_range of the namespace */
	uint32_t reserved; /* ports of it that ip_local_reserved_ports keeps back */
	uint32_t used; /* ports in the range: sockets in all states */
	uint32_t time_wait; /* of these */
	uint32_t reusable; /* of these: tcp_tw_reuse lets a new connection have the port */
	bool reuse_known; /* tcp_tw_reuse could be read */
	uint32_t process; /* row of the one that has most of them; RECORD_NONE */
	uint32_t process_used;
	uint32_t unit_used; /* of all processes of its unit; 0: it has none */
};

/* What the records alone do not say. Borrowed for one call. */
struct findings_input {
	int64_t now_ns;
	int64_t started_ns; /* the collector's start: rules of growth warm up from the first round on */
	int64_t listeners_interval_ns; /* in force, of listeners; 0: that of the fast lane */
	int64_t fast_interval_ns; /* in force, of teardown states; 0: not known */
	int64_t sweep_interval_ns; /* in force, of the rest: ages below two of it cannot be told */
	const struct process *processes; /* rows that holders and creators point to */
	uint32_t process_count;
	const struct holder *holders; /* rows that records point to */
	uint32_t holder_count;
	const struct tcpdiag_environment *environment; /* of @netns, with what is the machine's */
	const struct counters *rates; /* change in 60 s, of all namespaces together */
	const struct namespace
		*namespaces; /* ascending by inode; what a rule asks of each one by itself */
	uint32_t namespace_count;
	const struct orphans *orphans;
	uint32_t page_bytes; /* of the unit of tcp_mem; 0: 4096 */
	/* Memory of queues, by row of a process; summed when it runs short only. */
	bool queues_known;
	const uint64_t *queue_bytes;
	uint32_t queue_rows;
	uint64_t queue_nobody; /* of sockets without a process */
	/* Destinations that use up the ports of a namespace, by the newest sweep, the fullest first. */
	bool ports_known; /* they were counted */
	const struct port_pair *ports;
	uint32_t port_count;
	uint32_t netns;
	/*
	 * Who holds what is still being found out for the first time: what has no process yet is left
	 * alone, so that it is not laid to its namespace now and to its process a moment later.
	 */
	bool owners_pending;
	/*
	 * The same for what is new: what was first seen after this has not been looked for yet, and
	 * will be; 0: everything has been, or nothing will be.
	 */
	int64_t owners_asked_ns;
	bool replay; /* no clock runs: ages are lower bounds only */
	/* Nobody reads linger, TCP_LINGER2 and references: what rests on them is not judged, and said so. */
	bool settings_blind;
	bool holders_blind; /* who holds what is not looked for */
	bool closed_blind; /* nor the sockets in CLOSE that only a descriptor shows */
	/* All records for which findings_concern() holds, so that nobody walks twice; else all are walked. */
	bool selected;
	const uint32_t *rows;
	uint32_t row_count;
};

/* TCP_LINGER2 above TCP_TIMEWAIT_LEN and below twice that: FIN-WAIT-2 lasts 2 * (t - 60 s), not t. */
static inline bool findings_cliff_ms(int64_t ms)
{
	return ms > 60000 && ms < 120000;
}

/*
 * A socket whose settings alone can make a finding. SO_LINGER with a time blocks only while something is
 * left to be acknowledged; not known is off.
 */
static inline bool findings_settings(const struct tcpdiag_socket *sk)
{
	return (sk->linger && (!sk->sk_lingertime_ms || sk->wqueue)) ||
	       findings_cliff_ms(sk->linger2_ms);
}

/*
 * Most sockets of most machines are ESTABLISHED with nothing unread and no settings of note: no rule
 * asks for those. A record that had a finding must lose its bit.
 */
static inline bool findings_concern(const struct record *record)
{
	return record->sk.state != TCPDIAG_ESTABLISHED || record->read_since_ns ||
	       record->findings || findings_settings(&record->sk);
}

/**
 * findings_new()
 * @max_findings: how many processes, listeners and namespaces are remembered at most, a rule each; what
 * finds no room is counted in LIMIT_FINDINGS
 *
 * Return: 0, -ENOMEM. Free with findings_free().
 */
int findings_new(uint32_t max_findings, struct findings **ret);

/* Accepts NULL; returns NULL. */
struct findings *findings_free(struct findings *findings);

/**
 * findings_restore() - goes on with what stood in the newest snapshot of a collector before this one
 *
 * Before the first round. Each keeps its id and since when it stands; it is told from the round on in which
 * its rule could be judged. What a rule judges by its history stays for a while, as long as its sockets are there.
 *
 * Return: how many.
 */
uint32_t findings_restore(struct findings *findings, const struct snapshot *snapshot,
			  int64_t now_ns);

/**
 * findings_evaluate() - raises, keeps and clears
 * @w: its records get their bits, SECTION_FINDINGS and strings are added
 *
 * Call it after SECTION_PROCESSES and SECTION_HOLDERS have been written or with their rows apart; it
 * may move the block. Its sentences are up to 1023 bytes each, whatever the writer's own limit is.
 *
 * Return: how many findings stand; -ENOMEM, then no section was written.
 */
int findings_evaluate(struct findings *findings, const struct thresholds *thresholds,
		      const struct findings_input *input, struct snapshot_writer *w);

/* How often each rule has been raised since the start. */
uint64_t findings_raised(const struct findings *findings, enum tcpdiag_rule rule);
