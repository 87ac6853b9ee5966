/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What ending a process, a unit or a container now would do: the outcomes of its sockets, added up.
 *
 * The end is a SIGKILL of all its processes: none of its own code runs. Everything here is counted from one
 * snapshot by the oracle (TCPDIAG_OP_EXIT); the report's table, the routes and --once show these sums.
 */
#pragma once

#include "model/snapshot.h"

/* What is counted. All of it can be taken back, so that the ends of a pair can be counted together. */
enum exit_count {
	EXIT_RST_PEER_OPEN = 0,
	EXIT_RST_PEER_FINISHED, /* the peer has sent its FIN and has all of ours */
	EXIT_FIN,
	EXIT_NONE,
	EXIT_SURVIVE, /* held by others, too */
	EXIT_LISTENER_RESETS, /* connections that wait in its listeners' queues */
	EXIT_UNREAD_BYTES, /* lost with resets */
	EXIT_UNSENT_BYTES, /* the same */
	EXIT_ORPHANS, /* what the kernel goes on delivering */
	EXIT_ORPHAN_BYTES,
	EXIT_UNANSWERED, /* inbound, the last data came in after the last went out */
	EXIT_PAIRS, /* connections both ends of which are inside */
	/*
	 * Sockets whose holders are not all seen, so that they may be its own or not its own alone; none of
	 * them would change what is clean or harmless, those stand in EXIT_DOUBT_HOLDERS.
	 */
	EXIT_UNSEEN,
	/* Why something is not certain: sockets concerned. */
	EXIT_DOUBT_INPUT, /* an option is not known, and could change the outcome */
	EXIT_DOUBT_HOLDERS,
	EXIT_DOUBT_ORDER, /* pairs inside whose order of closing is nobody's to know */
	EXIT_DOUBT_NAMESPACE, /* processes in a network namespace that is not read */
	EXIT_DOUBT_SOURCE, /* the sockets themselves are not all seen */
	EXIT_DOUBT_ANSWERS, /* whether a request is open: concerns @idle only */
	EXIT_COUNT_MAX
};

/* Those of what breaks an expectation stand before. */
#define EXIT_SPOILS_MAX (EXIT_UNANSWERED + 1)

struct exit_sums {
	int64_t count[EXIT_COUNT_MAX];
	/* How much of it hangs on what is not known: an option, a holder, an order. */
	int64_t unsure[EXIT_SPOILS_MAX];
	/* The longest that an orphan lives while its peer is silent; TCPDIAG_FOREVER; NOT_KNOWN. */
	int64_t orphan_ms;
};

/* The answers that people ask for; the first two say nothing unless @certain. */
struct exit_verdict {
	bool certain;
	bool clean; /* no reset, nothing lost */
	bool harmless; /* no reset of an open peer or of a waiting client, nothing unsent lost */
	bool idle_known;
	bool idle; /* harmless, and no request is open */
};

enum exit_expect { EXPECT_NOTHING = 0, EXPECT_CLEAN, EXPECT_HARMLESS, EXPECT_IDLE, EXPECT_MAX };

/* NO: it would do what is not wanted, for sure. UNKNOWN: it cannot be told. */
enum exit_answer { EXIT_ANSWER_YES = 0, EXIT_ANSWER_NO, EXIT_ANSWER_UNKNOWN };

/* "clean", "harmless", "idle"; NULL out of range. */
const char *exit_expect_name(enum exit_expect expect);

/* Whether a socket counts at all: one connection of an MPTCP socket is counted with that. */
static inline bool exit_counts(const struct tcpdiag_socket *sk)
{
	return sk->attachment == TCPDIAG_HELD && !sk->mptcp_subflow;
}

/* Adds what the end of all holders of @sk does. @direction: of its record. */
void exit_add(struct exit_sums *sums, const struct tcpdiag_socket *sk, uint8_t direction,
	      const struct tcpdiag_environment *env);

/* What was counted hangs on something that is not known. */
void exit_unsure(struct exit_sums *sums);

/* What is sure of a count, whatever else there may be. */
int64_t exit_sure(const struct exit_sums *sums, enum exit_count count);

/* Adds (@sign 1) or takes away (-1); the longest life of an orphan is kept. */
void exit_merge(struct exit_sums *sums, const struct exit_sums *other, int sign);

/* A socket that may be held by somebody more than is seen, or by nobody that is seen. */
void exit_add_unseen(struct exit_sums *sums, const struct tcpdiag_socket *sk,
		     const struct tcpdiag_environment *env);

/* An end of a connection inside. */
struct exit_end {
	const struct record *record;
	bool queued; /* in the queue of a listener inside: it ends with that */
};

/**
 * exit_pair() - what the ends of one connection do when they are closed one after the other
 * @first: closed first
 * @ret: what exit_add() of both counts instead; for an end in a queue what changes at its listener
 *
 * The first end's segment reaches the second before that is closed, as on loopback.
 */
void exit_pair(const struct exit_end *first, const struct exit_end *second,
	       const struct tcpdiag_environment *env, struct exit_sums *ret);

struct exit_verdict exit_judge(const struct exit_sums *sums);

/*
 * Whether what is expected holds. EXPECT_NOTHING: YES. What surely spoils it is a NO, whatever is not known
 * besides: a socket that turns out to be its own, too, takes nothing away from that.
 */
enum exit_answer exit_expected(const struct exit_sums *sums, enum exit_expect expect);
