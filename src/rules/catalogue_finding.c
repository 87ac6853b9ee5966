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
		.example = "$ ss -tn state established      # again a minute later: Recv-Q stands still\n"
			"Recv-Q Send-Q Local Address:Port  Peer Address:Port\n"
			"510    0      10.0.0.1:8080       10.0.0.2:40112\n",
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
		.example = "$ ss -tanpo state fin-wait-2    # a process, and no timer:() behind it\n"
			"Recv-Q Send-Q Local Address:Port  Peer Address:Port Process\n"
			"0      0      10.0.0.1:40112      10.0.0.2:443      users:((\"envoy\",pid=731,fd=61))\n",
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
		.example = "$ ss -Htanp state close-wait | grep -c pid=731,     # again a minute later: more\n"
			"$ ls /proc/731/fd | wc -l       # against: grep 'open files' /proc/731/limits\n",
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
		.example = "$ grep TCP: /proc/net/sockstat\n"
			"TCP: inuse 35301 orphan 70112 tw 1180 alloc 106502 mem 484211\n"
			"$ sysctl net.ipv4.tcp_max_orphans\n"
			"net.ipv4.tcp_max_orphans = 131072\n",
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
		.example = "$ ss -ltn                       # Recv-Q waits to be accepted, Send-Q is the limit\n"
			"State  Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
			"LISTEN 129    128    0.0.0.0:8080       0.0.0.0:*\n"
			"$ nstat -az TcpExtListenOverflows TcpExtListenDrops\n",
		.remedy = "Find out why the process does not call accept(): blocked event loop, too few "
			"workers. The limit is the smaller of listen()'s backlog and "
			"net.core.somaxconn.",
	},
	[TCPDIAG_RULE_LINGER_ZERO] = {
		.id = "linger-zero",
		.kind = TCPDIAG_RULE_KIND_FINDING,
		.title = "SO_LINGER with 0 seconds: each close() resets",
		.condition = "SO_LINGER on with l_linger 0 on a connection or a listener; accepted "
			"connections inherit it",
		.because = "The kernel ends such a connection with a RST instead of a FIN, at close() and at "
			"exit: what is not sent is thrown away, and the peer may lose what it has not "
			"read.",
		.function = "__tcp_close(), tcp_disconnect()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 9293, 3.10.5",
		.counter = "TCPAbortOnData",
		.reset_reason = "tcp-state",
		.example = "struct linger l = { .l_onoff = 1, .l_linger = 0 };\n"
			"setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));\n",
		.older = "No kernel tells it in sock_diag: it is read with BPF (iterators over tasks' "
			"files, Linux 5.8; bpf_sock_from_file(), 5.11). Without, this rule is not judged.",
		.remedy = "Nothing, if the resets are meant: message brokers, proxies and load generators do "
			"it. Else remove the option, on the listener first; against TIME-WAIT let the "
			"other end close first.",
	},
	[TCPDIAG_RULE_LINGER_BLOCKS] = {
		.id = "linger-blocks",
		.kind = TCPDIAG_RULE_KIND_FINDING,
		.title = "SO_LINGER with a time: close() stands still",
		.condition = "a close() that waits in FIN-WAIT-1, CLOSING or LAST-ACK: an inode, no "
			"descriptor, SO_LINGER on; or a long time on data that nobody acknowledges",
		.because = "close() returns when everything and the FIN are acknowledged or the time of "
			"SO_LINGER is over; until then the thread stands still, with O_NONBLOCK as well.",
		.function = "__tcp_close(), sk_stream_wait_close()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 9293, 3.9.1",
		.example = "struct linger l = { .l_onoff = 1, .l_linger = 30 };\n"
			"setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));\n"
			"write(fd, data, much);          /* and the peer reads nothing */\n"
			"close(fd);                      /* up to 30 s */\n",
		.older = "No kernel tells it in sock_diag: it is read with BPF (Linux 5.11). Without, this "
			"rule is not judged.",
		.remedy = "Leave SO_LINGER off: the kernel delivers without it. To know that the peer has "
			"everything, shutdown() sending, then read until end of file with a time limit.",
	},
	[TCPDIAG_RULE_FIN_TIMEOUT_CLIFF] = {
		.id = "fin-timeout-cliff",
		.kind = TCPDIAG_RULE_KIND_FINDING,
		.title = "FIN-WAIT-2 timeout of 61 to 119 s: lasts 2 * (t - 60) s",
		.condition = "TCP_LINGER2 of a socket, or net.ipv4.tcp_fin_timeout, above 60 and below 120 s",
		.because = "The kernel takes 60 s off such a time and then waits for the rest twice: 61 s "
			"last 2 s, 90 s last 60 s, and a peer that takes longer to finish is reset.",
		.function = "tcp_keepalive_timer(), __tcp_close()",
		.file = "net/ipv4/tcp_timer.c",
		.rfc = "RFC 1122, 4.2.2.20",
		.example = "$ sysctl net.ipv4.tcp_fin_timeout\n"
			"net.ipv4.tcp_fin_timeout = 61\n"
			"$ ss -tano state fin-wait-2     # after a close() whose peer does not: 2 s at most\n",
		.older = "Kernels before 4.13 or so take a TCP_LINGER2 above tcp_fin_timeout for 0, that is, "
			"for the sysctl. TCP_LINGER2 is read with BPF (Linux 5.11); without, only the sysctl "
			"is judged.",
		.remedy = "Use 60 s or less, or 120 s.",
	},
	[TCPDIAG_RULE_LATE_DATA_RESET] = {
		.id = "late-data-reset",
		.kind = TCPDIAG_RULE_KIND_FINDING,
		.title = "Closed too early: the peer still sends",
		.condition = "fin-wait-1 or fin-wait-2 with the receiving side shut, and a peer on this "
			"machine that has data to send",
		.because = "Nobody can read what the peer has still to send, so the kernel answers the first "
			"byte of it with a RST: the peer sees a reset or a broken pipe.",
		.function = "tcp_rcv_state_process()",
		.file = "net/ipv4/tcp_input.c",
		.rfc = "RFC 1122, 4.2.2.13",
		.counter = "TCPAbortOnData",
		.reset_reason = "tcp-abort-on-data",
		.example = "read(fd, header, sizeof(header)); /* a client, of a long answer */\n"
			"shutdown(fd, SHUT_RDWR);          /* the server still writes: its next segment gets "
			"a RST */\n",
		.remedy = "Read until end of file before close(), or have the other end stop first. A client "
			"that wants no more may leave it so.",
	},
	[TCPDIAG_RULE_DEAD_DESCRIPTOR] = {
		.id = "dead-descriptor",
		.kind = TCPDIAG_RULE_KIND_FINDING,
		.title = "Descriptors of connections that are gone",
		.condition = "closed, both directions shut, with a remote port: seen through a descriptor only",
		.because = "The connection was reset, timed out or has ended, and the process holds its "
			"descriptor and perhaps data that it never read.",
		.function = "tcp_done(), tcp_reset()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 9293, 3.3.2",
		.example = "$ ls -l /proc/731/fd/61\n"
			"... 61 -> socket:[18372199]\n"
			"$ ss -tane | grep ino:18372199  # nothing: it never was connected, or it is dead\n",
		.older = "Found with BPF (iterators over tasks' files, Linux 5.8; bpf_sock_from_file(), 5.11). "
			"Without, this rule is not judged.",
		.remedy = "close() when poll() reports POLLHUP or recv() returns 0 or an error; let pools test "
			"or evict idle connections.",
	},
	[TCPDIAG_RULE_ORPHAN_STALLED] = {
		.id = "orphan-stalled",
		.kind = TCPDIAG_RULE_KIND_FINDING,
		.title = "Orphans that nobody answers",
		.condition = "fin-wait-1, closing or last-ack without a process, and nothing acknowledged for a "
			"while; many of tcp_max_orphans, or most from one creator",
		.because = "The process has closed and the peer does not acknowledge: the kernel sends again "
			"until tcp_orphan_retries are spent, then drops the socket without a word.",
		.function = "tcp_write_timeout(), tcp_probe_timer()",
		.file = "net/ipv4/tcp_timer.c",
		.rfc = "RFC 1122, 4.2.3.5",
		.counter = "TCPAbortOnTimeout",
		.example = "$ ss -tano state fin-wait-1 state closing state last-ack   # no process, timer:(on,...,6)\n"
			"Recv-Q Send-Q Local Address:Port  Peer Address:Port\n"
			"0      14481  10.0.0.1:443        198.51.100.7:50112  timer:(on,21sec,8)\n"
			"$ curl -s 'localhost:19293/sockets?finding=orphan-stalled&group=creator.unit'\n",
		.older = "tcp_rto_max_ms (newer than Linux 6.12) shortens the last retries, TCP_USER_TIMEOUT bounds an orphan "
			"on all kernels; tcp_retries2 does not apply to orphans.",
		.remedy = "Look at the way to the remote addresses: firewalls and NATs that have forgotten the "
			"connection, clients that vanish. A lower net.ipv4.tcp_orphan_retries frees them sooner.",
	},
	[TCPDIAG_RULE_FIN_WAIT1_STALLED] = {
		.id = "fin-wait-1-stalled",
		.kind = TCPDIAG_RULE_KIND_FINDING,
		.title = "FIN-WAIT-1 held, and the peer acknowledges nothing",
		.condition = "fin-wait-1 held by a process, no byte acknowledged for a while",
		.because = "The process has shut its sending side, and what it had written, or the FIN "
			"behind it, is not acknowledged: the peer does not read and its window is "
			"closed, or it cannot be reached.",
		.function = "tcp_send_fin(), tcp_probe_timer(), tcp_retransmit_timer()",
		.file = "net/ipv4/tcp_timer.c",
		.rfc = "RFC 1122, 4.2.2.17",
		.counter = "TCPAbortOnTimeout",
		.example = "$ ss -tanpoi state fin-wait-1   # timer:(persist,...): its window is closed;\n"
			"                                # timer:(on,...,9): 9 retransmissions, no answer\n",
		.remedy = "Closed window: find why the peer does not read; while it answers the probes the "
			"kernel of a held socket waits for ever. No answer: the peer or the path is "
			"gone, and net.ipv4.tcp_retries2 or TCP_USER_TIMEOUT ends it. In the program, "
			"bound the wait after shutdown().",
	},
	[TCPDIAG_RULE_LAST_ACK_STALLED] = {
		.id = "last-ack-stalled",
		.kind = TCPDIAG_RULE_KIND_FINDING,
		.title = "LAST-ACK or CLOSING held, and the peer acknowledges nothing",
		.condition = "last-ack or closing held by a process, no byte acknowledged for a while",
		.because = "Both ends have sent their FIN, and the process still holds the socket: its last "
			"data, or its FIN, is not acknowledged, since the peer does not read, has gone "
			"without a word, or cannot be reached.",
		.function = "tcp_send_fin(), tcp_probe_timer(), tcp_retransmit_timer()",
		.file = "net/ipv4/tcp_timer.c",
		.rfc = "RFC 9293, 3.6",
		.counter = "TCPAbortOnTimeout",
		.example = "$ ss -tanpoi state last-ack     # a process, and a timer that doubles its time\n",
		.remedy = "Find why the peer does not read, or where its acknowledgements stay (a filter, "
			"a machine that was switched off). close() instead of holding on: an orphan is "
			"given up after net.ipv4.tcp_orphan_retries, sooner than a held one.",
	},
	[TCPDIAG_RULE_INHERITED_DESCRIPTOR] = {
		.id = "inherited-descriptor",
		.kind = TCPDIAG_RULE_KIND_FINDING,
		.title = "A program holds connections that it does not know of",
		.condition = "fin-wait-2 or close-wait held by another program than the one that had it and let "
			"go of it; not read, written or shut down since",
		.because = "A descriptor without FD_CLOEXEC goes to each program that a process starts: when "
			"the process closes it nothing is sent, since the other one still has it, and that never "
			"closes it.",
		.function = "filp_close(), begin_new_exec()",
		.file = "fs/exec.c",
		.rfc = "RFC 9293, 3.6",
		.example = "fd = accept(listener, NULL, NULL);       /* no SOCK_CLOEXEC */\n"
			"if (fork() == 0)\n"
			"        execlp(\"sleep\", \"sleep\", \"3600\", NULL);\n"
			"close(fd);                               /* no FIN: sleep has it, too */\n"
			"$ ls -l /proc/$(pgrep -n sleep)/fd       # what a program has that it never opened\n",
		.older = "Not judged without the walk over the processes, nor where some of them cannot be read.",
		.remedy = "Open descriptors with O_CLOEXEC, SOCK_CLOEXEC and accept4(), or close them between "
			"fork() and exec() (close_range(), close_fds=True in Python). Ending the program that holds "
			"them lets go of them now.",
	},
};
