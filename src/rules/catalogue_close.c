/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The catalogue: what close(), an exit and the close of a listener do.
 */
#include "rules/catalogue.h"

const struct tcpdiag_rule_info catalogue_close[TCPDIAG_RULE_MAX] = {
	[TCPDIAG_RULE_CLOSE_NOTHING] = {
		.id = "close-nothing",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "Nothing to close",
		.condition = "closed, bound without a connection, or a descriptor whose connection has ended",
		.because = "There is no connection behind this socket: nothing is sent and nobody notices.",
		.function = "__tcp_close()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 9293, 3.10.4",
	},
	[TCPDIAG_RULE_CLOSE_SYN_SENT] = {
		.id = "close-syn-sent",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "A connection attempt is dropped",
		.condition = "syn-sent",
		.because = "The handshake is given up without a segment; an answer that still comes gets a "
			"RST.",
		.function = "tcp_close_state()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 9293, 3.10.4",
	},
	[TCPDIAG_RULE_CLOSE_LISTENER] = {
		.id = "close-listener",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "A listener takes its queue along",
		.condition = "listening",
		.because = "Each connection that waits in the accept queue gets a RST; half-open requests "
			"are left to their timer.",
		.function = "inet_csk_listen_stop()",
		.file = "net/ipv4/inet_connection_sock.c",
		.counter = "EstabResets",
		.reset_reason = "tcp-state",
		.remedy = "Drain the queue before the listener closes: stop new connections at the "
			"balancer, accept what waits, then close. With SO_REUSEPORT and "
			"net.ipv4.tcp_migrate_req=1 a second listener takes the queue over.",
	},
	[TCPDIAG_RULE_CLOSE_REPAIR] = {
		.id = "close-repair",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "TCP_REPAIR closes in silence",
		.condition = "TCP_REPAIR on, any connected state",
		.because = "The socket is in repair mode: it is gone without a segment, and its data with "
			"it; the peer is not told.",
		.function = "__tcp_close()",
		.file = "net/ipv4/tcp.c",
		.remedy = "Only checkpointing tools set TCP_REPAIR. Switch it off before closing if the "
			"peer shall know.",
	},
	[TCPDIAG_RULE_CLOSE_UNREAD] = {
		.id = "close-unread-data",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "Unread data make close() a reset",
		.condition = "receive queue holds data that the application has not read (the FIN alone does "
			"not count)",
		.because = "Data that the application has not read is thrown away, so the kernel tells the "
			"peer with a RST; what was still to be sent is lost too, and SO_LINGER is not "
			"even looked at.",
		.function = "__tcp_close()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 2525, 2.17; RFC 1122, 4.2.2.13",
		.counter = "TCPAbortOnClose",
		.reset_reason = "tcp-abort-on-close",
		.remedy = "Read until end of file (or until the limit that you allow) after "
			"shutdown(SHUT_WR), then close. Servers that answer early must drain the rest "
			"of the request: lingering_close in nginx.",
	},
	[TCPDIAG_RULE_CLOSE_LINGER_ZERO] = {
		.id = "close-linger-zero",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "SO_LINGER 0 resets",
		.condition = "SO_LINGER on with 0 seconds, and the peer would still be owed a FIN",
		.because = "SO_LINGER is on with 0 seconds: the connection is cut with a RST and both "
			"queues are thrown away.",
		.function = "tcp_disconnect()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 9293, 3.10.5 (ABORT)",
		.counter = "TCPAbortOnData",
		.reset_reason = "tcp-state",
		.remedy = "Leave SO_LINGER off unless a reset is meant. Accepted sockets inherit it from "
			"their listener.",
	},
	[TCPDIAG_RULE_CLOSE_LINGER_ZERO_SILENT] = {
		.id = "close-linger-zero-silent",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "SO_LINGER 0 where nothing is left to say",
		.condition = "SO_LINGER on with 0 seconds in syn-sent, or in closing or last-ack with "
			"everything sent",
		.because = "SO_LINGER is on with 0 seconds, but no RST is due in this state: the socket "
			"just disappears.",
		.function = "tcp_disconnect()",
		.file = "net/ipv4/tcp.c",
		.counter = "TCPAbortOnData",
		.remedy = "Leave SO_LINGER off unless a reset is meant.",
	},
	[TCPDIAG_RULE_CLOSE_FIN] = {
		.id = "close-fin",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "An orderly close",
		.condition = "established, syn-recv or close-wait; nothing unread; SO_LINGER off or above 0",
		.because = "Everything was read: a FIN goes out behind what is still to be sent, and the "
			"kernel delivers that without the process.",
		.function = "tcp_close_state(), tcp_send_fin()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 9293, 3.6",
	},
	[TCPDIAG_RULE_CLOSE_FIN_SENT] = {
		.id = "close-fin-already-sent",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "The FIN is out already",
		.condition = "fin-wait-1, closing or last-ack; nothing unread",
		.because = "The FIN was sent before: nothing more is sent now, the kernel goes on as an "
			"orphan until it is acknowledged.",
		.function = "tcp_close_state()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 9293, 3.6",
	},
	[TCPDIAG_RULE_CLOSE_FIN_WAIT2] = {
		.id = "close-fin-wait-2",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "FIN-WAIT-2 gets its timer",
		.condition = "fin-wait-2; nothing unread",
		.because = "Our side is finished; with the process gone the kernel waits for the peer's "
			"FIN only for tcp_fin_timeout (or TCP_LINGER2), then forgets the connection.",
		.function = "__tcp_close(), tcp_time_wait()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 9293, 3.6; RFC 1122, 4.2.2.20",
		.counter = "TW",
	},
	[TCPDIAG_RULE_CLOSE_LINGER2_NEGATIVE] = {
		.id = "close-linger2-negative",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "TCP_LINGER2 below 0: no FIN-WAIT-2",
		.condition = "fin-wait-2 with a negative TCP_LINGER2; nothing unread",
		.because = "TCP_LINGER2 is negative: the kernel does not wait for the peer's FIN and sends "
			"a RST.",
		.function = "__tcp_close()",
		.file = "net/ipv4/tcp.c",
		.counter = "TCPAbortOnLinger",
		.reset_reason = "tcp-abort-on-linger",
		.remedy = "Set TCP_LINGER2 to 0 for the system's time.",
	},
	[TCPDIAG_RULE_CLOSE_ORPHAN_LIMIT] = {
		.id = "close-orphan-limit",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.verified = TCPDIAG_VERIFIED_SOURCE,
		.title = "Too many orphans, or out of TCP memory",
		.condition = "more orphans than net.ipv4.tcp_max_orphans, or a queue to be sent while TCP "
			"memory is above tcp_mem[2]",
		.because = "The host is over its limit of orphans or of TCP memory: the kernel sends a RST "
			"right behind the FIN and keeps nothing.",
		.function = "tcp_check_oom()",
		.file = "net/ipv4/tcp.c",
		.counter = "TCPAbortOnMemory",
		.reset_reason = "tcp-abort-on-memory",
		.log_line = "too many orphaned sockets; out of memory -- consider tuning tcp_mem",
		.remedy = "Find who creates the orphans (/findings, rule orphan-accumulation); a higher "
			"tcp_max_orphans only buys time.",
	},
	[TCPDIAG_RULE_CLOSE_TIME_WAIT_OVERFLOW] = {
		.id = "close-time-wait-overflow",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "No room for a minisocket",
		.condition = "fin-wait-2, and net.ipv4.tcp_max_tw_buckets are in use",
		.because = "There is no room for one more minisocket: the connection vanishes at once, and "
			"the peer's FIN will be answered with a RST.",
		.function = "tcp_time_wait()",
		.file = "net/ipv4/tcp_minisocks.c",
		.counter = "TCPTimeWaitOverflow",
		.log_line = "time wait bucket table overflow",
		.remedy = "Raise net.ipv4.tcp_max_tw_buckets: the kernel's default fits the machine's "
			"memory.",
	},
	[TCPDIAG_RULE_CLOSE_MPTCP_FASTCLOSE] = {
		.id = "close-mptcp-fastclose",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.verified = TCPDIAG_VERIFIED_SOURCE,
		.title = "MPTCP: unread data make a fastclose",
		.condition = "an MPTCP socket with unread data, or SO_LINGER on with 0 seconds",
		.because = "Data of the MPTCP connection was not read: every subflow is reset "
			"(MP_FASTCLOSE).",
		.function = "__mptcp_close(), mptcp_do_fastclose()",
		.file = "net/mptcp/protocol.c",
		.rfc = "RFC 8684, 3.5",
		.counter = "MPFastcloseTx",
		.reset_reason = "tcp-abort-on-close",
		.remedy = "Read until end of file before closing.",
	},
	[TCPDIAG_RULE_CLOSE_MPTCP] = {
		.id = "close-mptcp",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.verified = TCPDIAG_VERIFIED_SOURCE,
		.title = "MPTCP: an orderly close",
		.condition = "an MPTCP socket with nothing unread",
		.because = "A DATA_FIN ends the MPTCP connection; its subflows end after it.",
		.function = "__mptcp_close()",
		.file = "net/mptcp/protocol.c",
		.rfc = "RFC 8684, 3.3.3",
	},
	[TCPDIAG_RULE_CLOSE_SUBFLOW] = {
		.id = "close-subflow",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.verified = TCPDIAG_VERIFIED_SOURCE,
		.title = "A subflow does not decide",
		.condition = "one TCP connection of an MPTCP socket",
		.because = "This row is part of an MPTCP socket: what happens is decided there, look "
			"at its row with protocol mptcp.",
		.function = "__mptcp_close()",
		.file = "net/mptcp/protocol.c",
		.rfc = "RFC 8684, 3.3.3",
	},
	[TCPDIAG_RULE_CHILD_RESET] = {
		.id = "child-reset",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "A waiting connection is reset",
		.condition = "in the accept queue of a listener that is closed or shut",
		.because = "It waits in the accept queue of a listener that closes: it gets a RST, "
			"whatever is queued.",
		.function = "inet_csk_listen_stop(), inet_child_forget()",
		.file = "net/ipv4/inet_connection_sock.c",
		.counter = "EstabResets",
		.reset_reason = "tcp-state",
		.remedy = "Accept what waits before the listener closes.",
	},
	[TCPDIAG_RULE_CHILD_MIGRATES] = {
		.id = "child-migrates",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "A waiting connection moves to another listener",
		.condition = "net.ipv4.tcp_migrate_req=1 and another listener of the port with SO_REUSEPORT",
		.because = "The queue moves to another listener of the same port, and nobody is reset.",
		.function = "inet_csk_listen_stop(), inet_reqsk_clone()",
		.file = "net/ipv4/inet_connection_sock.c",
		.counter = "TCPMigrateReqSuccess",
	},
};
