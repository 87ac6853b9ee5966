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
		.example = "shutdown(fd, SHUT_WR);  /* -1, errno ENOTCONN */",
		.remedy = "Nothing to do. After a connection was reset, or TIME-WAIT has taken "
			"over, this is what remains.",
	},
	[TCPDIAG_RULE_SHUTDOWN_READ] = {
		.id = "shutdown-read",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "Shutting the receive direction is a mark",
		.condition = "established or syn-recv, SHUT_RD",
		.because = "Nothing is sent: data still arrives, is acknowledged and can be "
			"read; a later close() with some unread resets.",
		.function = "inet_shutdown()",
		.file = "net/ipv4/af_inet.c",
		.rfc = "none: RFC 9293 knows no way to refuse data",
		.example = "shutdown(fd, SHUT_RD);\n"
			"read(fd, buffer, sizeof(buffer));       /* still gets what arrives; "
			"0 when the queue is empty */",
		.remedy = "SHUT_RD does not stop the peer. Read to the end, or close.",
	},
	[TCPDIAG_RULE_SHUTDOWN_LATE_DATA] = {
		.id = "shutdown-late-data",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "Late data will be fatal",
		.condition = "fin-wait-1 or fin-wait-2, SHUT_RD or SHUT_RDWR",
		.because = "Nothing is sent now, but with both directions shut the next data "
			"from the peer is answered with a RST.",
		.function = "tcp_rcv_state_process()",
		.file = "net/ipv4/tcp_input.c",
		.rfc = "RFC 1122, 4.2.2.13",
		.example = "shutdown(fd, SHUT_WR);  /* FIN-WAIT-2 */\n"
			"shutdown(fd, SHUT_RD);\n"
			"/* the peer sends: RST, TCPAbortOnData + 1, read() fails with "
			"ECONNRESET */",
		.older = "The same since 2.2.",
		.remedy = "Keep the receive direction open and read until end of file.",
	},
	[TCPDIAG_RULE_SHUTDOWN_WRITE] = {
		.id = "shutdown-write",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "A half-close",
		.condition = "established or close-wait, SHUT_WR or SHUT_RDWR",
		.because = "A FIN goes out behind what is still to be sent; the socket stays "
			"with its process, and no timer runs in FIN-WAIT-2.",
		.function = "tcp_shutdown()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 9293, 3.6; RFC 1122, 4.2.2.13",
		.example = "shutdown(fd, SHUT_WR);  /* returns at once: SO_LINGER does not "
			"matter */\n"
			"$ ss -tano state fin-wait-2     # no timer while a process holds it",
		.older = "In SYN-RECV it sent the FIN at once before May 2024, see shutdown-"
			"deferred.",
		.remedy = "Read until end of file, then close. While a process holds the socket"
			" tcp_fin_timeout does not run.",
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
		.example = "/* a child of TCP_FASTOPEN that is accepted before its handshake is "
			"done */\n"
			"shutdown(fd, SHUT_WR);\n"
			"$ ss -tan state syn-recv        # stays there until the peer's ACK",
		.older = "Before 6.9 (and 6.8.10, 6.6.31, 6.1.91, 5.15.159, 5.10.217: May "
			"2024) the FIN went out at once and the state became FIN-WAIT-1. "
			"Kernels with the counters MPJoinSynTx (6.12) or TSEcrRejected (6.14)"
			" or the setting tcp_rto_max_ms (6.15) are known to wait; for others "
			"both answers are given.",
		.remedy = "Nothing to do.",
	},
	[TCPDIAG_RULE_SHUTDOWN_SYN_SENT] = {
		.id = "shutdown-syn-sent",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "The attempt to connect is given up",
		.condition = "syn-sent, any direction",
		.because = "The attempt is given up without a segment, and the socket reports "
			"ECONNRESET.",
		.function = "inet_shutdown(), tcp_disconnect()",
		.file = "net/ipv4/af_inet.c",
		.rfc = "RFC 9293, 3.10.4",
		.example = "connect(fd, ...);       /* EINPROGRESS */\n"
			"shutdown(fd, SHUT_WR);  /* 0; getsockopt(SO_ERROR) then says "
			"ECONNRESET */",
		.remedy = "Nothing to do. To give an attempt up, close() does the same.",
	},
	[TCPDIAG_RULE_SHUTDOWN_LISTENER] = {
		.id = "shutdown-listener",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "SHUT_RD closes a listener",
		.condition = "listening, SHUT_RD or SHUT_RDWR",
		.because = "The listener stops like in close(): each waiting connection gets a "
			"RST; the socket stays bound and can listen again.",
		.function = "inet_shutdown(), inet_csk_listen_stop()",
		.file = "net/ipv4/af_inet.c",
		.rfc = "none: RFC 9293 knows no shutdown of a listener",
		.counter = "EstabResets",
		.reset_reason = "tcp-state",
		.example = "shutdown(listener, SHUT_RD);    /* wakes accept() in other threads, "
			"and resets the queue */\n"
			"listen(listener, 128);          /* works again: the port is still "
			"bound */",
		.older = "Kernels without the setting net.ipv4.tcp_migrate_req (before 5.14) "
			"always reset the queue.",
		.remedy = "Accept what waits before shutting the listener.",
	},
	[TCPDIAG_RULE_SHUTDOWN_LISTENER_WRITE] = {
		.id = "shutdown-listener-write",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "SHUT_WR of a listener does nothing",
		.condition = "listening, SHUT_WR",
		.because = "A listener has no send direction: the call succeeds and changes "
			"nothing.",
		.function = "inet_shutdown()",
		.file = "net/ipv4/af_inet.c",
		.rfc = "none: RFC 9293 knows no shutdown of a listener",
		.example = "shutdown(listener, SHUT_WR);    /* 0, and nothing happens */",
		.remedy = "To stop listening use close(), or SHUT_RD.",
	},
	[TCPDIAG_RULE_SHUTDOWN_NOTHING] = {
		.id = "shutdown-nothing",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "That direction is shut already",
		.condition = "the direction was shut before, by us or by the peer's FIN",
		.because = "That direction is shut already: the call changes nothing.",
		.function = "tcp_shutdown()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 9293, 3.10.4",
		.example = "shutdown(fd, SHUT_WR);\n"
			"shutdown(fd, SHUT_WR);  /* 0, nothing is sent again */",
		.remedy = "Nothing to do.",
	},
	[TCPDIAG_RULE_FATE_RETRIES] = {
		.id = "fate-retries",
		.kind = TCPDIAG_RULE_KIND_FATE,
		.title = "An orphan that waits for an acknowledgement",
		.condition = "orphan in fin-wait-1, closing or last-ack",
		.because = "The process is gone; the kernel retransmits until the peer "
			"acknowledges or tcp_orphan_retries are spent, then drops the "
			"connection without a word.",
		.function = "tcp_write_timeout()",
		.file = "net/ipv4/tcp_timer.c",
		.rfc = "RFC 9293, 3.8.3; RFC 1122, 4.2.3.5 (of a connection that still has "
			"its process)",
		.counter = "TCPAbortOnTimeout",
		.example = "$ ss -tano state fin-wait-1     # no process, the timer backs off\n"
			"Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
			"0      18221  10.0.0.1:443        10.0.0.2:40112 timer:(on,12sec,6)",
		.older = "The largest RTO is the setting tcp_rto_max_ms where there is one "
			"(6.15), else 120 s. tcp_max_orphans, tcp_orphan_retries and the "
			"formula are the same in all.",
		.remedy = "net.ipv4.tcp_orphan_retries (0 means 8) shortens it, tcp_retries2 "
			"does not. A program's TCP_USER_TIMEOUT takes their place, be it "
			"shorter or longer.",
	},
	[TCPDIAG_RULE_FATE_ZERO_WINDOW] = {
		.id = "fate-zero-window",
		.kind = TCPDIAG_RULE_KIND_FATE,
		.title = "An orphan before a closed window",
		.condition = "orphan with data to send and a peer window of 0",
		.because = "The process is gone and the peer does not read: the kernel probes "
			"its window until the backed-off timeout reaches its maximum, then "
			"drops the data without a word.",
		.function = "tcp_probe_timer()",
		.file = "net/ipv4/tcp_timer.c",
		.rfc = "RFC 9293, 3.8.6.1 (a window that stays closed is no reason to end)",
		.counter = "TCPAbortOnTimeout",
		.example = "$ ss -tano state last-ack\n"
			"Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
			"0      65601  10.0.0.1:443        10.0.0.2:40112 "
			"timer:(persist,26sec,0)",
		.older = "The largest RTO is the setting tcp_rto_max_ms where there is one "
			"(6.15), else 120 s. Before 5.11 TCP_USER_TIMEOUT was looked at when "
			"a probe was due only; a kernel without the setting tcp_migrate_req "
			"(5.14) is taken for one of those.",
		.remedy = "The peer does not read: look there. TCP_USER_TIMEOUT bounds it.",
	},
	[TCPDIAG_RULE_FATE_ORPHAN_LIMIT] = {
		.id = "fate-orphan-limit",
		.kind = TCPDIAG_RULE_KIND_FATE,
		.verified = TCPDIAG_VERIFIED_SOURCE,
		.title = "An orphan that the next timer resets",
		.condition = "orphan, and more orphans than tcp_max_orphans where each counts "
			"double that has sent nothing for twice the largest RTO, and double "
			"again after an ICMP error; or TCP memory above tcp_mem[2]",
		.because = "The host has too many orphans, or too little TCP memory: when this "
			"one's timer fires next the kernel sends a RST and drops what it "
			"still has.",
		.function = "tcp_out_of_resources(), tcp_check_oom()",
		.file = "net/ipv4/tcp_timer.c",
		.rfc = "none: RFC 9293 knows no limit",
		.counter = "TCPAbortOnMemory",
		.reset_reason = "tcp-abort-on-memory",
		.log_line = "too many orphaned sockets; out of memory -- consider tuning tcp_mem",
		.example = "$ grep TCP: /proc/net/sockstat\n"
			"TCP: inuse 211 orphan 70022 tw 12 alloc 240 mem 96\n"
			"$ sysctl net.ipv4.tcp_max_orphans         # 70022 * 2 is more\n"
			"net.ipv4.tcp_max_orphans = 131072",
		.older = "Since 5.16 the orphans are added up every 100 ms, before that they "
			"were counted exactly.",
		.remedy = "Find who creates the orphans (/findings, rule orphan-accumulation). "
			"The limit is reached at a half for idle orphans, at a quarter for "
			"those with an ICMP error.",
	},
	[TCPDIAG_RULE_FATE_FIN_WAIT2] = {
		.id = "fate-fin-wait-2",
		.kind = TCPDIAG_RULE_KIND_FATE,
		.title = "FIN-WAIT-2 after close()",
		.condition = "fin-wait-2 without a process",
		.because = "The process is gone; the kernel waits for the peer's FIN until the "
			"timer fires and then forgets the connection; data that still comes "
			"is answered with a RST.",
		.function = "tcp_time_wait(), tcp_keepalive_timer()",
		.file = "net/ipv4/tcp_timer.c",
		.rfc = "RFC 1122, 4.2.2.20",
		.example =
			"# sysctl -w net.ipv4.tcp_fin_timeout=61        # 2 s instead of 60 s\n"
			"$ ss -tano state fin-wait-2\n"
			"Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
			"0      0      10.0.0.1:40112     10.0.0.2:443 "
			"timer:(timewait,41sec,0)",
		.older = "TCP_LINGER2 above tcp_fin_timeout was taken as 0 before 5.8.",
		.remedy = "net.ipv4.tcp_fin_timeout sets the time. Do not set 61 to 119: above "
			"60 s the time is cut by 60 s and served twice, so 61 lasts 2 s.",
	},
	[TCPDIAG_RULE_FATE_TIME_WAIT] = {
		.id = "fate-time-wait",
		.kind = TCPDIAG_RULE_KIND_FATE,
		.title = "TIME-WAIT",
		.condition = "time-wait",
		.because = "The connection has ended in good order; its ports are kept for 60 s "
			"so that late segments do no harm.",
		.function = "tcp_time_wait()",
		.file = "net/ipv4/tcp_minisocks.c",
		.rfc = "RFC 9293, 3.6.1",
		.example = "$ ss -tano state time-wait\n"
			"Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
			"0      0      10.0.0.1:443       10.0.0.2:40112 "
			"timer:(timewait,53sec,0)",
		.older = "The same in all: no setting shortens it.",
		.remedy = "Nothing to do: it costs little memory. Where ports run out see "
			"net.ipv4.tcp_tw_reuse and the range of local ports.",
	},
	[TCPDIAG_RULE_FATE_REQUEST] = {
		.id = "fate-request",
		.kind = TCPDIAG_RULE_KIND_FATE,
		.title = "Half a handshake",
		.condition = "new-syn-recv",
		.because = "A SYN was answered and the last part of the handshake is awaited, "
			"for tcp_synack_retries; without its listener it goes with the next "
			"timeout.",
		.function = "reqsk_timer_handler()",
		.file = "net/ipv4/inet_connection_sock.c",
		.rfc = "RFC 9293, 3.5",
		.example = "$ ss -tano state syn-recv\n"
			"Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
			"0      0      10.0.0.1:443       10.9.8.7:40112 timer:(on,840ms,0)",
		.older = "The largest timeout is the setting tcp_rto_max_ms where there is one"
			" (6.15), else 120 s.",
		.remedy = "Many of them from everywhere are a SYN flood: "
			"net.ipv4.tcp_syncookies. A few are clients that vanished.",
	},
};
