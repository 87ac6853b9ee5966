/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The catalogue: what can be wrong.
 */
#include "rules/catalogue.h"

const struct tcpdiag_rule_info catalogue_finding[TCPDIAG_RULE_MAX] = {
	[TCPDIAG_RULE_RST_ON_CLOSE] = {
		.id = "rst-on-close",
		.kind = TCPDIAG_RULE_KIND_FINDING,
		.title = "Readers stand still: closing now resets live peers",
		.condition = "unread data, no byte taken by the application for a while, and the peer has "
			"not finished",
		.because = "The application has stopped reading while the peer is still there: if it "
			"closes or is restarted now, the peer gets a RST and the unread data is lost.",
		.function = "__tcp_close()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 2525, 2.17",
		.counter = "TCPAbortOnClose",
		.reset_reason = "tcp-abort-on-close",
		.remedy = "Find out why the process does not read: a blocked thread, a paused consumer, a "
			"full downstream. Idle TLS 1.3 clients that only write keep their session "
			"tickets unread: harmless.",
	},
	[TCPDIAG_RULE_FIN_WAIT2_STUCK] = {
		.id = "fin-wait-2-stuck",
		.kind = TCPDIAG_RULE_KIND_FINDING,
		.title = "FIN-WAIT-2 without a timer",
		.condition = "fin-wait-2 held by a process, no data received for a while",
		.because = "The process has sent its FIN and keeps the socket open; the peer owes its FIN, "
			"and while a descriptor is open no timer ends the wait: tcp_fin_timeout does "
			"not apply.",
		.function = "tcp_rcv_state_process()",
		.file = "net/ipv4/tcp_input.c",
		.rfc = "RFC 1122, 4.2.2.20",
		.remedy = "Make the program close() after a time of its own, or SO_KEEPALIVE for peers "
			"that are gone; look at the other end, which has not closed.",
	},
	[TCPDIAG_RULE_CLOSE_WAIT_LEAK] = {
		.id = "close-wait-leak",
		.kind = TCPDIAG_RULE_KIND_FINDING,
		.title = "CLOSE-WAIT that nobody closes",
		.condition = "close-wait for a long time, growing or near the limit of descriptors",
		.because = "The peer has closed, and the process has not: it has not read the end of file, "
			"or has read it and forgotten the socket, or never accepted it.",
		.function = "tcp_fin()",
		.file = "net/ipv4/tcp_input.c",
		.rfc = "RFC 9293, 3.6",
		.remedy = "Only the process can end CLOSE-WAIT: no sysctl does. Read until 0 and close(); "
			"in pools, validate or evict idle connections.",
	},
	[TCPDIAG_RULE_ORPHAN_ACCUMULATION] = {
		.id = "orphan-accumulation",
		.kind = TCPDIAG_RULE_KIND_FINDING,
		.verified = TCPDIAG_VERIFIED_SOURCE,
		.title = "Orphans pile up",
		.condition = "orphans against tcp_max_orphans, its half and its quarter, or growing towards "
			"them",
		.because = "Connections closed by their processes wait for peers that do not acknowledge; "
			"past a quarter and a half of tcp_max_orphans the kernel kills stalled ones "
			"early, at the limit each close() resets.",
		.function = "tcp_check_oom(), tcp_out_of_resources()",
		.file = "net/ipv4/tcp_timer.c",
		.counter = "TCPAbortOnMemory",
		.reset_reason = "tcp-abort-on-memory",
		.log_line = "TCP: too many orphaned sockets",
		.remedy = "Find out why the clients do not acknowledge, and who closes so many at once; a "
			"higher net.ipv4.tcp_max_orphans only buys time.",
	},
	[TCPDIAG_RULE_LISTENER_QUEUE_AT_RISK] = {
		.id = "listener-queue-at-risk",
		.kind = TCPDIAG_RULE_KIND_FINDING,
		.title = "An accept queue fills up",
		.condition = "connections waiting against the listener's limit, or overflows and drops",
		.because = "The process does not accept as fast as clients connect: at the limit new "
			"handshakes are dropped, and if the listener closes now each waiting client "
			"gets a RST.",
		.function = "inet_csk_listen_stop(), tcp_conn_request()",
		.file = "net/ipv4/inet_connection_sock.c",
		.counter = "ListenOverflows",
		.reset_reason = "tcp-state",
		.remedy = "Find out why the process does not call accept(): blocked event loop, too few "
			"workers. The limit is the smaller of listen()'s backlog and "
			"net.core.somaxconn.",
	},
};
