/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A finding: something that is wrong now, who is to blame, how bad it is, and the numbers that show it.
 */
#pragma once

#include <inttypes.h>
#include <stdint.h>

#include <tcpdiag/rule.h>

enum severity {
	SEVERITY_NONE = 0,
	SEVERITY_INFO,
	SEVERITY_WARNING,
	SEVERITY_CRITICAL,
	SEVERITY_MAX
};

enum scope {
	SCOPE_SOCKET = 0,
	SCOPE_LISTENER,
	SCOPE_PROCESS,
	SCOPE_UNIT,
	SCOPE_NETNS,
	SCOPE_HOST,
	SCOPE_MAX
};

/* Numbers that a finding can show; the names stand in one table, evidence_name(). */
enum evidence {
	EVIDENCE_COUNT = 0, /* sockets concerned */
	EVIDENCE_GROWTH_PER_SECOND,
	EVIDENCE_OLDEST_SECONDS,
	EVIDENCE_UNREAD_BYTES,
	EVIDENCE_UNSENT_BYTES,
	EVIDENCE_LIMIT, /* of the thing counted */
	EVIDENCE_RATIO, /* of limit */
	EVIDENCE_SECONDS_TO_LIMIT,
	EVIDENCE_DESCRIPTORS,
	EVIDENCE_DESCRIPTOR_LIMIT,
	EVIDENCE_OVERFLOWS_PER_SECOND,
	EVIDENCE_WAITING, /* connections in an accept queue */
	EVIDENCE_EOF_READ, /* sockets whose FIN was read and forgotten */
	EVIDENCE_EOF_UNREAD,
	EVIDENCE_DATA_UNREAD,
	EVIDENCE_UNACCEPTED,
	EVIDENCE_LISTENERS, /* of the count */
	EVIDENCE_INHERITED, /* connections that have the option from their listener */
	EVIDENCE_BLOCKED, /* calls of close() that wait now */
	EVIDENCE_FIN_TIMEOUT_SECONDS, /* as set */
	EVIDENCE_LIFETIME_SECONDS, /* how long FIN-WAIT-2 lasts with that */
	EVIDENCE_PEER_BYTES, /* that the other ends have still to send */
	EVIDENCE_RECENT, /* in the time that the threshold asks for */
	EVIDENCE_RESET, /* ended by a RST of the peer */
	EVIDENCE_TIMED_OUT, /* given up by the kernel */
	EVIDENCE_CREATOR_UNKNOWN, /* orphans that nobody is known to have created */
	EVIDENCE_CREATOR_RATIO, /* the part of the one who has created most */
	EVIDENCE_PEERS_HERE, /* other ends on this machine */
	EVIDENCE_PEERS_NOT_HERE, /* other ends that are not */
	EVIDENCE_PEERS_EOF_READ, /* of those here: in CLOSE-WAIT, the FIN was read and forgotten */
	EVIDENCE_PEERS_EOF_UNREAD, /* the same, not read; data before it may not be, either */
	EVIDENCE_PEERS_UNREAD_BYTES, /* that processes here have not read at the other ends */
	EVIDENCE_WINDOW_CLOSED, /* sockets whose peer lets them send nothing */
	EVIDENCE_SILENT, /* sockets whose peer answers nothing */
	EVIDENCE_RETRANSMITS, /* the most of one socket */
	EVIDENCE_RATE_PER_SECOND, /* of what is counted, in the last minute */
	EVIDENCE_USUAL_PER_SECOND, /* the median of the last hour */
	EVIDENCE_RESETS_SENT_PER_SECOND,
	EVIDENCE_CONNECTIONS_RESET_PER_SECOND, /* ended by a RST, either way */
	EVIDENCE_TIME_WAIT, /* of the count */
	EVIDENCE_REUSABLE, /* of these, ports that a new connection may have */
	EVIDENCE_MEMORY_BYTES,
	EVIDENCE_MAX
};

/* For the next collector, which goes on with it: the key of its tally and its state (rules/family.h). */
struct finding_memory {
	uint64_t b;
	uint32_t a;
	uint8_t kind;
	uint8_t severities[3]; /* of its parts */
};

struct finding {
	uint64_t id; /* stable while it lasts */
	int64_t since_ns; /* raised */
	uint8_t rule; /* enum tcpdiag_rule, a finding */
	uint8_t severity; /* enum severity */
	uint8_t scope; /* enum scope */
	uint32_t socket; /* record of the worst example */
	uint32_t process; /* row in SECTION_PROCESSES; NONE once it holds no socket any more */
	int32_t pid; /* of the process, 0: not known */
	uint32_t comm; /* in SECTION_STRINGS */
	uint32_t netns; /* inode number; 0: the whole machine */
	uint32_t unit; /* in SECTION_STRINGS */
	uint32_t count;
	uint32_t summary; /* in SECTION_STRINGS: one sentence naming who and what */
	uint32_t cause; /* in SECTION_STRINGS */
	uint32_t remedy; /* in SECTION_STRINGS */
	uint64_t shown; /* bit per enum evidence that is set */
	double evidence[EVIDENCE_MAX];
	struct finding_memory memory;
};

#define FINDING_ID "f-%" PRIx64 /* its id for people */

/* "warning"; NULL out of range or NONE. */
const char *severity_name(enum severity severity);
/* "process"; NULL out of range. */
const char *scope_name(enum scope scope);
/* "growth_per_second"; NULL out of range. */
const char *evidence_name(enum evidence evidence);

/* The socket's bit in struct record.findings. */
static inline uint32_t finding_bit(enum tcpdiag_rule rule)
{
	return 1U << (rule - TCPDIAG_RULE_FINDING_FIRST);
}
