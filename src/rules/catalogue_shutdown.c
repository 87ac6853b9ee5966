/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The catalogue: what shutdown() does, and what becomes of sockets without a process.
 */
#include "rules/catalogue.h"

const struct tcpdiag_rule_info catalogue_shutdown[TCPDIAG_RULE_MAX] = {
	[TCPDIAG_RULE_SHUTDOWN_NOT_CONNECTED] = {
		.id = "shutdown-not-connected",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "shutdown() without a connection",
		.condition = "closed or bound without a connection",
		.because = "There is no connection: the call fails with ENOTCONN.",
		.function = "inet_shutdown()",
		.file = "net/ipv4/af_inet.c",
		.rfc = "RFC 9293, 3.10.4",
	},
	[TCPDIAG_RULE_SHUTDOWN_READ] = {
		.id = "shutdown-read",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "Shutting the receive direction is a mark",
		.condition = "established or syn-recv, SHUT_RD",
		.because = "Nothing is sent: data still arrives, is acknowledged and can be read; a later "
			"close() with some unread resets.",
		.function = "inet_shutdown()",
		.file = "net/ipv4/af_inet.c",
		.remedy = "SHUT_RD does not stop the peer. Read to the end, or close.",
	},
	[TCPDIAG_RULE_SHUTDOWN_LATE_DATA] = {
		.id = "shutdown-late-data",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "Late data will be fatal",
		.condition = "fin-wait-1 or fin-wait-2, SHUT_RD or SHUT_RDWR",
		.because = "Nothing is sent now, but with both directions shut the next data from the peer "
			"is answered with a RST.",
		.function = "tcp_rcv_state_process()",
		.file = "net/ipv4/tcp_input.c",
		.rfc = "RFC 1122, 4.2.2.13",
		.remedy = "Keep the receive direction open and read until end of file.",
	},
	[TCPDIAG_RULE_SHUTDOWN_WRITE] = {
		.id = "shutdown-write",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "A half-close",
		.condition = "established or close-wait, SHUT_WR or SHUT_RDWR",
		.because = "A FIN goes out behind what is still to be sent; the socket stays with its "
			"process, and no timer runs in FIN-WAIT-2.",
		.function = "tcp_shutdown()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 9293, 3.6; RFC 1122, 4.2.2.13",
	},
	[TCPDIAG_RULE_SHUTDOWN_DEFERRED] = {
		.id = "shutdown-deferred",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "The FIN waits for the handshake",
		.condition = "syn-recv, SHUT_WR or SHUT_RDWR",
		.because = "The handshake is not finished: the FIN goes out when it is.",
		.function = "tcp_shutdown(), tcp_rcv_state_process()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 9293, 3.10.4",
	},
	[TCPDIAG_RULE_SHUTDOWN_SYN_SENT] = {
		.id = "shutdown-syn-sent",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "The attempt to connect is given up",
		.condition = "syn-sent, any direction",
		.because = "The attempt is given up without a segment, and the socket reports ECONNRESET.",
		.function = "inet_shutdown(), tcp_disconnect()",
		.file = "net/ipv4/af_inet.c",
	},
	[TCPDIAG_RULE_SHUTDOWN_LISTENER] = {
		.id = "shutdown-listener",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "SHUT_RD closes a listener",
		.condition = "listening, SHUT_RD or SHUT_RDWR",
		.because = "The listener stops like in close(): each waiting connection gets a RST; the "
			"socket stays bound and can listen again.",
		.function = "inet_shutdown(), inet_csk_listen_stop()",
		.file = "net/ipv4/af_inet.c",
		.counter = "EstabResets",
		.reset_reason = "tcp-state",
		.remedy = "Accept what waits before shutting the listener.",
	},
	[TCPDIAG_RULE_SHUTDOWN_LISTENER_WRITE] = {
		.id = "shutdown-listener-write",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "SHUT_WR of a listener does nothing",
		.condition = "listening, SHUT_WR",
		.because = "A listener has no send direction: the call succeeds and changes nothing.",
		.function = "inet_shutdown()",
		.file = "net/ipv4/af_inet.c",
	},
	[TCPDIAG_RULE_SHUTDOWN_NOTHING] = {
		.id = "shutdown-nothing",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "That direction is shut already",
		.condition = "the direction was shut before, by us or by the peer's FIN",
		.because = "That direction is shut already: the call changes nothing.",
		.function = "tcp_shutdown()",
		.file = "net/ipv4/tcp.c",
	},
	[TCPDIAG_RULE_FATE_RETRIES] = {
		.id = "fate-retries",
		.kind = TCPDIAG_RULE_KIND_FATE,
		.title = "An orphan that waits for an acknowledgement",
		.condition = "orphan in fin-wait-1, closing or last-ack",
		.because = "The process is gone; the kernel retransmits until the peer acknowledges or "
			"tcp_orphan_retries are spent, then drops the connection without a word.",
		.function = "tcp_write_timeout()",
		.file = "net/ipv4/tcp_timer.c",
		.counter = "TCPAbortOnTimeout",
		.remedy = "net.ipv4.tcp_orphan_retries (0 means 8) shortens it, tcp_retries2 does not. "
			"A program's TCP_USER_TIMEOUT takes their place, be it shorter or longer.",
	},
	[TCPDIAG_RULE_FATE_ZERO_WINDOW] = {
		.id = "fate-zero-window",
		.kind = TCPDIAG_RULE_KIND_FATE,
		.title = "An orphan before a closed window",
		.condition = "orphan with data to send and a peer window of 0",
		.because = "The process is gone and the peer does not read: the kernel probes its window "
			"until the backed-off timeout reaches its maximum, then drops the data without "
			"a word.",
		.function = "tcp_probe_timer()",
		.file = "net/ipv4/tcp_timer.c",
		.counter = "TCPAbortOnTimeout",
		.remedy = "The peer does not read: look there. TCP_USER_TIMEOUT bounds it.",
	},
	[TCPDIAG_RULE_FATE_FIN_WAIT2] = {
		.id = "fate-fin-wait-2",
		.kind = TCPDIAG_RULE_KIND_FATE,
		.title = "FIN-WAIT-2 after close()",
		.condition = "fin-wait-2 without a process",
		.because = "The process is gone; the kernel waits for the peer's FIN until the timer fires "
			"and then forgets the connection; data that still comes is answered with a RST.",
		.function = "tcp_time_wait(), tcp_keepalive_timer()",
		.file = "net/ipv4/tcp_timer.c",
		.rfc = "RFC 1122, 4.2.2.20",
		.remedy = "net.ipv4.tcp_fin_timeout sets the time. Do not set 61 to 119: above 60 s the "
			"time is cut by 60 s and served twice, so 61 lasts 2 s.",
	},
	[TCPDIAG_RULE_FATE_TIME_WAIT] = {
		.id = "fate-time-wait",
		.kind = TCPDIAG_RULE_KIND_FATE,
		.title = "TIME-WAIT",
		.condition = "time-wait",
		.because = "The connection has ended in good order; its ports are kept for 60 s so that "
			"late segments do no harm.",
		.function = "tcp_time_wait()",
		.file = "net/ipv4/tcp_minisocks.c",
		.rfc = "RFC 9293, 3.6.1",
	},
	[TCPDIAG_RULE_FATE_REQUEST] = {
		.id = "fate-request",
		.kind = TCPDIAG_RULE_KIND_FATE,
		.title = "Half a handshake",
		.condition = "new-syn-recv",
		.because = "A SYN was answered and the last part of the handshake is awaited, for "
			"tcp_synack_retries; without its listener it goes with the next timeout.",
		.function = "reqsk_timer_handler()",
		.file = "net/ipv4/inet_connection_sock.c",
		.rfc = "RFC 9293, 3.5",
	},
};
