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
		.condition =
			"closed, bound without a connection, or a descriptor whose connection"
			" has ended",
		.because = "There is no connection behind this socket: nothing is sent and "
			"nobody notices.",
		.function = "__tcp_close()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 9293, 3.10.4",
		.example = "fd = socket(AF_INET, SOCK_STREAM, 0);\n"
			"bind(fd, ...);\n"
			"close(fd);      /* no packet */",
		.older = "Before 4.13 or so a socket that its peer had reset was not known as "
			"closed: with unread data its close() counted TCPAbortOnClose and "
			"tried a RST.",
		.remedy = "Nothing to do. A descriptor whose connection is long gone should "
			"still be closed: it holds memory, and data that nobody will read.",
	},
	[TCPDIAG_RULE_CLOSE_SYN_SENT] = {
		.id = "close-syn-sent",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "A connection attempt is dropped",
		.condition = "syn-sent",
		.because = "The handshake is given up without a segment; an answer that still "
			"comes gets a RST.",
		.function = "tcp_close_state()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 9293, 3.10.4",
		.example = "$ ss -tan state syn-sent\n"
			"Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
			"0      1      10.0.0.1:40112    10.0.9.9:443\n"
			"close(fd);      /* no packet; a SYN,ACK that comes later gets a RST "
			"*/",
		.remedy = "Nothing to do: nobody has a connection yet.",
	},
	[TCPDIAG_RULE_CLOSE_LISTENER] = {
		.id = "close-listener",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "A listener takes its queue along",
		.condition = "listening",
		.because = "Each connection that waits in the accept queue gets a RST; half-open"
			" requests are left to their timer.",
		.function = "inet_csk_listen_stop()",
		.file = "net/ipv4/inet_connection_sock.c",
		.rfc = "RFC 9293, 3.10.4 (of each waiting connection: ABORT, 3.10.5)",
		.counter = "EstabResets",
		.reset_reason = "tcp-state",
		.example = "$ ss -tln sport = :443\n"
			"State  Recv-Q Send-Q Local Address:Port\n"
			"LISTEN 3      4096         0.0.0.0:443\n"
			"close(listener);        /* 3 RSTs: clients that believe themselves "
			"connected */",
		.older = "Kernels without the setting net.ipv4.tcp_migrate_req (before 5.14) "
			"always reset the queue. Which connections of the queue still live is"
			" the same in all.",
		.remedy = "Drain the queue before the listener closes: stop new connections at "
			"the balancer, accept what waits, then close. With SO_REUSEPORT and "
			"net.ipv4.tcp_migrate_req=1 a second listener takes the queue over.",
	},
	[TCPDIAG_RULE_CLOSE_REPAIR] = {
		.id = "close-repair",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "TCP_REPAIR closes in silence",
		.condition = "TCP_REPAIR on, any connected state",
		.because = "The socket is in repair mode: it is gone without a segment, and its "
			"data with it; the peer is not told.",
		.function = "__tcp_close()",
		.file = "net/ipv4/tcp.c",
		.rfc = "none: TCP_REPAIR is Linux's own",
		.example = "setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &(int){ 1 }, sizeof(int));\n"
			"close(fd);      /* no packet, whatever is queued */",
		.older = "The same since TCP_REPAIR exists (3.5).",
		.remedy = "Only checkpointing tools set TCP_REPAIR. Switch it off before "
			"closing if the peer shall know.",
	},
	[TCPDIAG_RULE_CLOSE_UNREAD] = {
		.id = "close-unread-data",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "Unread data make close() a reset",
		.condition =
			"receive queue holds data that the application has not read (the FIN "
			"alone does not count)",
		.because = "Data that the application has not read is thrown away, so the kernel"
			" tells the peer with a RST; what was still to be sent is lost too, "
			"and SO_LINGER is not even looked at.",
		.function = "__tcp_close()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 2525, 2.17; RFC 1122, 4.2.2.13",
		.counter = "TCPAbortOnClose",
		.reset_reason = "tcp-abort-on-close",
		.example = "read(fd, request, 4096);        /* the peer has sent 4100 bytes */\n"
			"close(fd);      /* RST: 4 bytes are unread; the answer in the send "
			"queue is lost with them */\n"
			"\n"
			"$ ss -tn state established\n"
			"Recv-Q Send-Q\n"
			"4      18220",
		.older = "Kernels of about 5.18 and before added up what the queue holds, not "
			"what was not read: segments that were read but not freed yet (zero-"
			"copy receive) then made a RST, too. No feature tells; the receive "
			"queue of ss is 0 in both.",
		.remedy = "Read until end of file (or until the limit that you allow) after "
			"shutdown(SHUT_WR), then close. Servers that answer early must drain "
			"the rest of the request: lingering_close in nginx.",
	},
	[TCPDIAG_RULE_CLOSE_LINGER_ZERO] = {
		.id = "close-linger-zero",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "SO_LINGER 0 resets",
		.condition = "SO_LINGER on with 0 seconds, and the peer would still be owed a FIN",
		.because = "SO_LINGER is on with 0 seconds: the connection is cut with a RST and"
			" both queues are thrown away.",
		.function = "tcp_disconnect()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 9293, 3.10.5 (ABORT)",
		.counter = "TCPAbortOnData",
		.reset_reason = "tcp-state",
		.example = "struct linger l = { .l_onoff = 1, .l_linger = 0 };\n"
			"setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));\n"
			"close(fd);      /* RST; so does the end of the process */",
		.older = "The same in all. MPTCP: only since April 2026 (7.1 and stable "
			"trees), see close-mptcp-fastclose.",
		.remedy = "Leave SO_LINGER off unless a reset is meant. Accepted sockets "
			"inherit it from their listener.",
	},
	[TCPDIAG_RULE_CLOSE_LINGER_ZERO_SILENT] = {
		.id = "close-linger-zero-silent",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "SO_LINGER 0 where nothing is left to say",
		.condition = "SO_LINGER on with 0 seconds in syn-sent, or in closing or last-ack "
			"with everything sent",
		.because = "SO_LINGER is on with 0 seconds, but no RST is due in this state: the"
			" socket just disappears.",
		.function = "tcp_disconnect()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 9293, 3.10.5 (ABORT): no reset is due in these states",
		.counter = "TCPAbortOnData",
		.example = "struct linger l = { .l_onoff = 1, .l_linger = 0 };\n"
			"setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));\n"
			"close(fd);      /* in LAST-ACK with an empty queue: no packet, "
			"TCPAbortOnData + 1 */",
		.remedy = "Leave SO_LINGER off unless a reset is meant.",
	},
	[TCPDIAG_RULE_CLOSE_FIN] = {
		.id = "close-fin",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "An orderly close",
		.condition = "established, syn-recv or close-wait; nothing unread; SO_LINGER off "
			"or above 0",
		.because = "Everything was read: a FIN goes out behind what is still to be sent,"
			" and the kernel delivers that without the process.",
		.function = "tcp_close_state(), tcp_send_fin()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 9293, 3.6",
		.example = "while (read(fd, buffer, sizeof(buffer)) > 0)\n"
			"        ;\n"
			"close(fd);      /* FIN; with SO_LINGER of 5 s it blocks until the "
			"FIN is acknowledged or 5 s have\n"
			"                 * passed, also with O_NONBLOCK, and returns 0 in "
			"both cases */",
		.remedy = "Nothing to do. SO_LINGER with a time makes close() block in the "
			"thread that calls it, whatever O_NONBLOCK says, and tells nobody "
			"whether the data arrived: wait for the peer's end of file after "
			"shutdown(SHUT_WR) instead.",
	},
	[TCPDIAG_RULE_CLOSE_FIN_SENT] = {
		.id = "close-fin-already-sent",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "The FIN is out already",
		.condition = "fin-wait-1, closing or last-ack; nothing unread",
		.because = "The FIN was sent before: nothing more is sent now, the kernel goes "
			"on as an orphan until it is acknowledged.",
		.function = "tcp_close_state()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 9293, 3.6",
		.example = "shutdown(fd, SHUT_WR);  /* FIN-WAIT-1 */\n"
			"close(fd);      /* no packet: an orphan is left */",
		.remedy = "Nothing to do. With SO_LINGER it blocks like any other close() until"
			" the FIN is acknowledged.",
	},
	[TCPDIAG_RULE_CLOSE_FIN_WAIT2] = {
		.id = "close-fin-wait-2",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "FIN-WAIT-2 gets its timer",
		.condition = "fin-wait-2; nothing unread",
		.because = "Our side is finished; with the process gone the kernel waits for the"
			" peer's FIN only for tcp_fin_timeout (or TCP_LINGER2), then forgets "
			"the connection.",
		.function = "__tcp_close(), tcp_time_wait()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 9293, 3.6; RFC 1122, 4.2.2.20",
		.counter = "TW",
		.example = "$ ss -tan state fin-wait-2      # after close(): the timer counts "
			"down, no process\n"
			"Recv-Q Send-Q Local Address:Port  Peer Address:Port\n"
			"0      0      10.0.0.1:40112      10.0.0.2:443\n"
			"$ ss -tano state fin-wait-2 | grep -o 'timer:.*'\n"
			"timer:(timewait,41sec,0)",
		.older = "TCP_LINGER2 above tcp_fin_timeout was taken as 0 (the setting's "
			"time) before 5.8; since then it is kept, up to 120 s.",
		.remedy = "Nothing to do. The peer has not closed its side: data that it still "
			"sends is answered with a RST.",
	},
	[TCPDIAG_RULE_CLOSE_LINGER2_NEGATIVE] = {
		.id = "close-linger2-negative",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "TCP_LINGER2 below 0: no FIN-WAIT-2",
		.condition = "fin-wait-2 with a negative TCP_LINGER2; nothing unread",
		.because = "TCP_LINGER2 is negative: the kernel does not wait for the peer's FIN"
			" and sends a RST.",
		.function = "__tcp_close()",
		.file = "net/ipv4/tcp.c",
		.rfc = "none: TCP_LINGER2 is Linux's own",
		.counter = "TCPAbortOnLinger",
		.reset_reason = "tcp-abort-on-linger",
		.example =
			"setsockopt(fd, IPPROTO_TCP, TCP_LINGER2, &(int){ -1 }, sizeof(int));\n"
			"shutdown(fd, SHUT_WR);  /* and the peer acknowledges: FIN-WAIT-2 */\n"
			"close(fd);      /* RST */",
		.remedy = "Set TCP_LINGER2 to 0 for the system's time.",
	},
	[TCPDIAG_RULE_CLOSE_ORPHAN_LIMIT] = {
		.id = "close-orphan-limit",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.verified = TCPDIAG_VERIFIED_SOURCE,
		.title = "Too many orphans, or out of TCP memory",
		.condition = "more orphans than net.ipv4.tcp_max_orphans, or a queue to be sent "
			"while TCP memory is above tcp_mem[2]",
		.because = "The host is over its limit of orphans or of TCP memory: the kernel "
			"sends a RST right behind the FIN and keeps nothing.",
		.function = "tcp_check_oom()",
		.file = "net/ipv4/tcp.c",
		.rfc = "none: RFC 9293 knows no limit",
		.counter = "TCPAbortOnMemory",
		.reset_reason = "tcp-abort-on-memory",
		.log_line = "too many orphaned sockets; out of memory -- consider tuning tcp_mem",
		.example = "$ cat /proc/net/sockstat | grep TCP:\n"
			"TCP: inuse 211 orphan 131073 tw 12 alloc 240 mem 96\n"
			"$ sysctl net.ipv4.tcp_max_orphans\n"
			"net.ipv4.tcp_max_orphans = 131072",
		.older = "Since 5.16 the orphans are added up every 100 ms, before that they "
			"were counted exactly: near the limit the answer lags by as much.",
		.remedy = "Find who creates the orphans (/findings, rule orphan-accumulation); "
			"a higher tcp_max_orphans only buys time.",
	},
	[TCPDIAG_RULE_CLOSE_TIME_WAIT_OVERFLOW] = {
		.id = "close-time-wait-overflow",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "No room for a minisocket",
		.condition = "fin-wait-2, and net.ipv4.tcp_max_tw_buckets are in use",
		.because = "There is no room for one more minisocket: the connection vanishes at"
			" once, and the peer's FIN will be answered with a RST.",
		.function = "tcp_time_wait()",
		.file = "net/ipv4/tcp_minisocks.c",
		.rfc = "RFC 9293, 3.6.1 asks for TIME-WAIT, and gets none",
		.counter = "TCPTimeWaitOverflow",
		.log_line = "time wait bucket table overflow",
		.example = "$ sysctl net.ipv4.tcp_max_tw_buckets\n"
			"net.ipv4.tcp_max_tw_buckets = 1000\n"
			"$ ss -s | grep -o 'timewait [0-9]*'\n"
			"timewait 1000\n"
			"$ nstat -az TcpExtTCPTimeWaitOverflow",
		.older = "The limit counted the whole machine before 4.1 or so; now each "
			"network namespace by itself.",
		.remedy = "Raise net.ipv4.tcp_max_tw_buckets: the kernel's default fits the "
			"machine's memory.",
	},
	[TCPDIAG_RULE_CLOSE_MPTCP_FASTCLOSE] = {
		.id = "close-mptcp-fastclose",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.verified = TCPDIAG_VERIFIED_KERNEL,
		.title = "MPTCP: unread data or linger 0 make a fastclose",
		.condition = "an MPTCP socket with unread data, or SO_LINGER on with 0 seconds; in "
"syn-sent also shutdown()",
		.because = "Data of the MPTCP connection was not read, or SO_LINGER is on with 0"
			" seconds: every subflow is reset (MP_FASTCLOSE).",
		.function = "__mptcp_close(), mptcp_do_fastclose()",
		.file = "net/mptcp/protocol.c",
		.rfc = "RFC 8684, 3.5",
		.counter = "MPFastcloseTx",
		.reset_reason = "tcp-abort-on-close",
		.example = "$ ss -Mn        # Recv-Q counts memory, not bytes: 837 may be 5 "
			"bytes\n"
			"State Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
			"ESTAB 837    0          10.0.0.1:40112     10.0.0.2:443\n"
			"close(fd);      /* RST on each subflow, with the option MP_FASTCLOSE"
			" */",
		.older = "Before 6.1 unread data made no difference: an orderly close. A "
			"kernel without the counter MPFastcloseTx (before 5.18) is one of "
			"those, one with AddAddrTx (6.5) is none; between them both answers "
			"are given. SO_LINGER with 0 seconds does this since April 2026 only "
			"(7.1, stable trees); before, it was an orderly close that does not "
			"wait, and nothing tells which a kernel has. In syn-sent nothing was "
"sent before November 2025. With a peer that speaks TCP only see "
"close-mptcp-fallback.",
		.remedy = "Read until end of file before closing, and leave SO_LINGER off "
			"unless a reset is meant.",
	},
	[TCPDIAG_RULE_CLOSE_MPTCP] = {
		.id = "close-mptcp",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.verified = TCPDIAG_VERIFIED_KERNEL,
		.title = "MPTCP: an orderly close",
		.condition = "an MPTCP socket with nothing unread",
		.because = "A DATA_FIN ends the MPTCP connection; its subflows end after it.",
		.function = "__mptcp_close()",
		.file = "net/mptcp/protocol.c",
		.rfc = "RFC 8684, 3.3.3",
		.example = "$ ss -Mn\n"
			"State Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
			"ESTAB 0      0          10.0.0.1:40112     10.0.0.2:443\n"
			"close(fd);      /* DATA_FIN; the subflows close after it */",
		.older = "Before 6.1 also with unread data.",
		.remedy = "Nothing to do.",
	},
	[TCPDIAG_RULE_CLOSE_MPTCP_FALLBACK] = {
		.id = "close-mptcp-fallback",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.verified = TCPDIAG_VERIFIED_KERNEL,
		.title = "MPTCP without MPTCP: unread data and yet no reset",
		.condition =
			"an MPTCP socket whose peer speaks TCP only (ss -Mi: fallback), with "
			"unread data",
		.because = "The peer speaks TCP only, so the MPTCP connection has one subflow "
			"and its data is read from above it: the subflow is closed with a "
			"FIN, and the unread data is thrown away without a word.",
		.function = "__mptcp_close(), mptcp_do_fastclose()",
		.file = "net/mptcp/protocol.c",
		.rfc = "RFC 8684, 3.7",
		.example = "$ ss -Mni | grep -o fallback\n"
			"fallback\n"
			"close(fd);      /* 5 bytes unread: FIN, where a TCP socket would "
			"send a RST */",
		.older = "Before November 2025 (6.18, stable trees) the subflow was "
			"disconnected with a RST; nothing tells which a kernel has, so both "
			"answers are given.",
		.remedy = "Read until end of file before closing: the peer is not told that its"
			" data was lost.",
	},
	[TCPDIAG_RULE_CLOSE_SUBFLOW] = {
		.id = "close-subflow",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.verified = TCPDIAG_VERIFIED_SOURCE,
		.title = "A subflow does not decide",
		.condition = "one TCP connection of an MPTCP socket",
		.because = "This row is part of an MPTCP socket: what happens is decided there, "
			"look at its row with protocol mptcp.",
		.function = "__mptcp_close()",
		.file = "net/mptcp/protocol.c",
		.rfc = "RFC 8684, 3.3.3",
		.example = "$ ss -tnei | grep -o 'tcp-ulp-mptcp.*'\n"
			"$ ss -Mn        # the row that decides",
		.remedy = "Ask for the socket with protocol mptcp and the same ends. Without "
			"CAP_NET_ADMIN the kernel does not tell which rows are subflows.",
	},
	[TCPDIAG_RULE_CHILD_RESET] = {
		.id = "child-reset",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "A waiting connection is reset",
		.condition = "in the accept queue of a listener that is closed or shut",
		.because = "It waits in the accept queue of a listener that closes: it gets a "
			"RST, whatever is queued.",
		.function = "inet_csk_listen_stop(), inet_child_forget()",
		.file = "net/ipv4/inet_connection_sock.c",
		.rfc = "RFC 9293, 3.10.5 (ABORT)",
		.counter = "EstabResets",
		.reset_reason = "tcp-state",
		.example = "$ ss -tln sport = :443\n"
			"State  Recv-Q Send-Q Local Address:Port\n"
			"LISTEN 1      4096         0.0.0.0:443\n"
			"close(listener);        /* RST, although it was never accepted; its "
			"own SO_LINGER does not matter */",
		.older = "Kernels without the setting net.ipv4.tcp_migrate_req (before 5.14) "
			"know nothing else.",
		.remedy = "Accept what waits before the listener closes.",
	},
	[TCPDIAG_RULE_CHILD_MIGRATES] = {
		.id = "child-migrates",
		.kind = TCPDIAG_RULE_KIND_OUTCOME,
		.title = "A waiting connection moves to another listener",
		.condition = "net.ipv4.tcp_migrate_req=1 and another listener of the port with "
			"SO_REUSEPORT",
		.because = "The queue moves to another listener of the same port, and nobody is "
			"reset.",
		.function = "inet_csk_listen_stop(), inet_reqsk_clone()",
		.file = "net/ipv4/inet_connection_sock.c",
		.rfc = "none: SO_REUSEPORT is Linux's own",
		.counter = "TCPMigrateReqSuccess",
		.example = "# sysctl -w net.ipv4.tcp_migrate_req=1\n"
			"$ ss -tlnp sport = :443         # two listeners with SO_REUSEPORT\n"
			"$ nstat -az TcpExtTCPMigrateReqSuccess",
		.older = "Only kernels with the setting net.ipv4.tcp_migrate_req (5.14). A BPF"
			" program of the type SK_REUSEPORT_SELECT_OR_MIGRATE does it without "
			"the setting; what it chooses cannot be told beforehand.",
		.remedy = "Nothing to do: this is what the setting is for. Start the new "
			"process before the old one closes.",
	},
};
