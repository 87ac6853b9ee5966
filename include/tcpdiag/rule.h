/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The catalogue: every rule that an outcome or a finding can name, one row each.
 *
 * A row says when the rule holds, which kernel function decides it, what stands in the RFCs, which
 * counter moves and what a person does about it. JSON, documents and completeness tests walk it.
 */
#ifndef TCPDIAG_RULE_H
#define TCPDIAG_RULE_H

#include <stdbool.h>
#include <stddef.h>

enum tcpdiag_rule {
	TCPDIAG_RULE_NONE = 0,

	/* What a close(), an exit or a shutdown() does; one row of the kernel's own decisions each. */
	TCPDIAG_RULE_CLOSE_NOTHING, /* closed, bound or unbound: nothing to say to anyone */
	TCPDIAG_RULE_CLOSE_SYN_SENT, /* half a handshake is dropped without a word */
	TCPDIAG_RULE_CLOSE_LISTENER, /* each waiting connection is reset */
	TCPDIAG_RULE_CLOSE_REPAIR, /* TCP_REPAIR: gone without a segment */
	TCPDIAG_RULE_CLOSE_UNREAD, /* unread data: RST */
	TCPDIAG_RULE_CLOSE_LINGER_ZERO, /* SO_LINGER {on, 0}: RST */
	TCPDIAG_RULE_CLOSE_LINGER_ZERO_SILENT, /* the same where the FIN is out already: nothing */
	TCPDIAG_RULE_CLOSE_FIN, /* FIN, to FIN-WAIT-1 or LAST-ACK */
	TCPDIAG_RULE_CLOSE_FIN_SENT, /* the FIN is out already: an orphan goes on */
	TCPDIAG_RULE_CLOSE_FIN_WAIT2, /* to a minisocket, or an orphan with a timer */
	TCPDIAG_RULE_CLOSE_LINGER2_NEGATIVE, /* TCP_LINGER2 < 0 in FIN-WAIT-2: RST */
	TCPDIAG_RULE_CLOSE_ORPHAN_LIMIT, /* tcp_check_oom(): FIN, then RST at once */
	TCPDIAG_RULE_CLOSE_TIME_WAIT_OVERFLOW, /* tcp_max_tw_buckets: vanishes */
	TCPDIAG_RULE_CLOSE_MPTCP_FASTCLOSE, /* unread data in an MPTCP socket */
	TCPDIAG_RULE_CLOSE_MPTCP, /* an MPTCP socket: DATA_FIN */
	TCPDIAG_RULE_CLOSE_MPTCP_FALLBACK, /* unread data in one that speaks plain TCP: a FIN */
	TCPDIAG_RULE_CLOSE_SUBFLOW, /* decided by its MPTCP socket, not here */
	TCPDIAG_RULE_SHUTDOWN_NOT_CONNECTED, /* ENOTCONN */
	TCPDIAG_RULE_SHUTDOWN_READ, /* a mark, no segment */
	TCPDIAG_RULE_SHUTDOWN_LATE_DATA, /* the same where late data then gets a RST */
	TCPDIAG_RULE_SHUTDOWN_WRITE, /* FIN */
	TCPDIAG_RULE_SHUTDOWN_DEFERRED, /* FIN after the handshake */
	TCPDIAG_RULE_SHUTDOWN_SYN_SENT, /* the attempt is given up */
	TCPDIAG_RULE_SHUTDOWN_LISTENER, /* like close: each waiting connection is reset */
	TCPDIAG_RULE_SHUTDOWN_LISTENER_WRITE, /* nothing */
	TCPDIAG_RULE_SHUTDOWN_NOTHING, /* that direction is shut already */

	/* What a listener's close does to one connection in its queue. */
	TCPDIAG_RULE_CHILD_RESET,
	TCPDIAG_RULE_CHILD_MIGRATES, /* tcp_migrate_req: may move to a sibling of SO_REUSEPORT */

	/* What becomes of a socket that no process can close. */
	TCPDIAG_RULE_FATE_RETRIES, /* orphan: until acknowledged, or the orphan's retries are spent */
	TCPDIAG_RULE_FATE_ZERO_WINDOW, /* orphan that probes a closed window */
	TCPDIAG_RULE_FATE_ORPHAN_LIMIT, /* orphan: the next timer finds too many, RST */
	TCPDIAG_RULE_FATE_FIN_WAIT2, /* minisocket or orphan: until the timer fires */
	TCPDIAG_RULE_FATE_TIME_WAIT,
	TCPDIAG_RULE_FATE_REQUEST,

	/* Findings. */
	TCPDIAG_RULE_RST_ON_CLOSE,
	TCPDIAG_RULE_FIN_WAIT2_STUCK,
	TCPDIAG_RULE_CLOSE_WAIT_LEAK,
	TCPDIAG_RULE_ORPHAN_ACCUMULATION,
	TCPDIAG_RULE_LISTENER_QUEUE_AT_RISK,
	TCPDIAG_RULE_LINGER_ZERO,
	TCPDIAG_RULE_LINGER_BLOCKS,
	TCPDIAG_RULE_FIN_TIMEOUT_CLIFF,
	TCPDIAG_RULE_LATE_DATA_RESET,
	TCPDIAG_RULE_DEAD_DESCRIPTOR,
	TCPDIAG_RULE_ORPHAN_STALLED,
	TCPDIAG_RULE_FIN_WAIT1_STALLED,
	TCPDIAG_RULE_LAST_ACK_STALLED,
	TCPDIAG_RULE_TCP_MEMORY_PRESSURE,
	TCPDIAG_RULE_TIME_WAIT_OVERFLOW,
	TCPDIAG_RULE_ABORTS_RISING,
	TCPDIAG_RULE_PORT_EXHAUSTION,
	TCPDIAG_RULE_INHERITED_DESCRIPTOR,

	TCPDIAG_RULE_MAX
};

#define TCPDIAG_RULE_FINDING_FIRST TCPDIAG_RULE_RST_ON_CLOSE

enum tcpdiag_rule_kind {
	TCPDIAG_RULE_KIND_OUTCOME, /* of close(), exit, shutdown(), or a listener's close */
	TCPDIAG_RULE_KIND_FATE,
	TCPDIAG_RULE_KIND_FINDING,
};

/* How far a rule has been proven. */
enum tcpdiag_verified {
	TCPDIAG_VERIFIED_KERNEL, /* by a conformance test on real sockets */
	TCPDIAG_VERIFIED_SOURCE, /* read in the kernel's source: its branch is global to the machine */
};

/**
 * struct tcpdiag_rule_info - one row of the catalogue; all strings static, NULL where none applies
 */
struct tcpdiag_rule_info {
	const char *id; /* "close-unread-data", stable */
	enum tcpdiag_rule_kind kind;
	enum tcpdiag_verified verified;
	const char *title; /* a few words */
	const char *condition; /* when it holds, in the names of `ss` and the kernel */
	const char *because; /* one sentence for a person: what happens and why */
	const char *function; /* the kernel function that decides: "__tcp_close()" */
	const char *file; /* its file: "net/ipv4/tcp.c" */
	const char *rfc; /* "RFC 9293, 3.10.4" */
	const char *counter; /* in /proc/net/netstat or snmp: "TCPAbortOnClose" */
	const char *reset_reason; /* enum sk_rst_reason, as in events: "tcp-abort-on-close" */
	const char *log_line; /* what the kernel prints */
	const char *example; /* how to see it: a few lines of a program, or of ss */
	const char *older; /* what kernels did that have not some feature, and which feature */
	const char *remedy; /* what to do */
};

/* A row; never NULL for a rule of the enum, NULL otherwise. */
const struct tcpdiag_rule_info *tcpdiag_rule_info(enum tcpdiag_rule rule);

/* "close-unread-data"; NULL where @rule is out of range or NONE. */
const char *tcpdiag_rule_id(enum tcpdiag_rule rule);

/* A rule by its id; TCPDIAG_RULE_NONE where there is none such. */
enum tcpdiag_rule tcpdiag_rule_find(const char *id, size_t len);

#endif
