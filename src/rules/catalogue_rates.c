/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The catalogue: what is told by counters, limits and ports rather than by single sockets.
 */
#include "rules/catalogue.h"

const struct tcpdiag_rule_info catalogue_rates[TCPDIAG_RULE_MAX] = {
	[TCPDIAG_RULE_TCP_MEMORY_PRESSURE] = {
		.id = "tcp-memory-pressure",
		.kind = TCPDIAG_RULE_KIND_FINDING,
		.verified = TCPDIAG_VERIFIED_SOURCE,
		.title = "TCP runs short of memory",
		.condition = "pages in the queues of all sockets against the three numbers of tcp_mem; "
			"TCPMemoryPressures, or in such a minute PruneCalled or TCPAbortOnMemory, "
			"has moved",
		.because = "Above the second number of tcp_mem windows stop growing until less than the "
			"first is used; above the third what arrives is dropped and a close() is followed "
			"by a RST.",
		.function = "__sk_mem_raise_allocated(), tcp_enter_memory_pressure(), tcp_check_oom()",
		.file = "net/core/sock.c",
		.rfc = "none: how much memory TCP may take is the system's own matter",
		.counter = "TCPMemoryPressures",
		.reset_reason = "tcp-abort-on-memory",
		.log_line = "TCP: out of memory -- consider tuning tcp_mem",
		.example = "$ grep TCP: /proc/net/sockstat         # mem: pages\n"
			"TCP: inuse 35301 orphan 1 tw 1180 alloc 36502 mem 484211\n"
			"$ sysctl net.ipv4.tcp_mem\n"
			"net.ipv4.tcp_mem = 186000 248000 372000\n"
			"$ ss -tm                               # whose: r and w of skmem\n",
		.older = "PruneCalled alone says nothing: it also moves where one socket has filled its own "
			"SO_RCVBUF. tcp_mem is the machine's and no other network namespace shows it.",
		.remedy = "Look at who has the memory: data that nobody reads (Recv-Q) or that peers do not "
			"take (Send-Q). Only when that is in order raise net.ipv4.tcp_mem, or lower the last "
			"numbers of net.ipv4.tcp_rmem and tcp_wmem.",
	},
	[TCPDIAG_RULE_TIME_WAIT_OVERFLOW] = {
		.id = "time-wait-overflow",
		.kind = TCPDIAG_RULE_KIND_FINDING,
		.title = "More TIME-WAIT than tcp_max_tw_buckets",
		.condition = "TCPTimeWaitOverflow has moved in a network namespace, or its minisockets are near "
			"tcp_max_tw_buckets",
		.because = "At the limit a connection ends without TIME-WAIT or FIN-WAIT-2: it is gone at "
			"once and silently, and what its peer still sends, its FIN too, gets a RST.",
		.function = "tcp_time_wait(), inet_twsk_alloc()",
		.file = "net/ipv4/tcp_minisocks.c",
		.rfc = "RFC 9293, 3.6.1",
		.counter = "TCPTimeWaitOverflow",
		.log_line = "TCP: time wait bucket table overflow",
		.example = "$ nstat -az TcpExtTCPTimeWaitOverflow\n"
			"$ grep -o 'tw [0-9]*' /proc/net/sockstat; sysctl net.ipv4.tcp_max_tw_buckets\n"
			"tw 5000\n"
			"net.ipv4.tcp_max_tw_buckets = 5000\n",
		.older = "Old kernels had one limit for the whole machine; since 4.11 or so each network namespace "
			"has its own.",
		.remedy = "Raise net.ipv4.tcp_max_tw_buckets in that namespace: a minisocket costs some 250 "
			"bytes. Fewer short connections (keep-alive, pools) need fewer of them.",
	},
	[TCPDIAG_RULE_ABORTS_RISING] = {
		.id = "aborts-rising",
		.kind = TCPDIAG_RULE_KIND_FINDING,
		.title = "The kernel aborts more connections than it usually does",
		.condition = "TCPAbortOnClose, OnData, OnTimeout, OnMemory or OnLinger far above its own median of "
			"an hour for minutes; or TCPAbortFailed",
		.because = "Each cause of an abort has its own counter, and one that rises far above what is "
			"usual on this machine is a change that somebody will ask about.",
		.function = "__tcp_close(), tcp_reset(), tcp_write_err(), tcp_out_of_resources()",
		.file = "net/ipv4/tcp.c",
		.rfc = "RFC 9293, 3.5.2",
		.counter = "TCPAbortOnTimeout",
		.example = "$ nstat -az 'TcpExtTCPAbort*'; sleep 60; nstat -z 'TcpExtTCPAbort*'\n"
			"TcpExtTCPAbortOnData            107                0.0\n"
			"TcpExtTCPAbortOnClose           8101               0.0\n"
			"TcpExtTCPAbortOnTimeout         12                 0.0\n",
		.older = "The counters are sums over all programs of a network namespace. They do not tell an "
			"idle TLS pool, which resets peers that have finished, from a reset that hurts, nor "
			"SO_LINGER with 0 seconds from late data.",
		.remedy = "By cause: OnClose, who closes without reading (rst-on-close); OnData, SO_LINGER or "
			"late data (linger-zero, late-data-reset); OnTimeout, peers or paths that vanish; "
			"OnMemory, orphan-accumulation and tcp-memory-pressure; Failed, a RST that found no "
			"memory or no route.",
	},
	[TCPDIAG_RULE_PORT_EXHAUSTION] = {
		.id = "port-exhaustion",
		.kind = TCPDIAG_RULE_KIND_FINDING,
		.title = "Local ports run out: Cannot assign requested address",
		.condition = "outbound sockets in all states, TIME-WAIT included, from one local address to one "
			"remote address and port, against ip_local_port_range of the network namespace",
		.because = "connect() needs a local port of the range that is free for this pair of ends: none "
			"left means EADDRNOTAVAIL, and from half on each call first walks in vain through "
			"the half of the range that it prefers.",
		.function = "__inet_hash_connect(), __inet_check_established(), tcp_twsk_unique()",
		.file = "net/ipv4/inet_hashtables.c",
		.rfc = "RFC 6056, 3.2",
		.example = "$ sysctl net.ipv4.ip_local_port_range\n"
			"net.ipv4.ip_local_port_range = 32768	60999\n"
			"$ ss -Htan dst 10.0.1.9:8080 | awk '{ print $4, $1 }' | sed 's/:[0-9]* / /' | sort | "
			"uniq -c\n"
			"  26402 10.0.0.4 TIME-WAIT\n"
			"    611 10.0.0.4 ESTAB\n",
		.older = "tcp_tw_reuse: 2, on loopback addresses only, is the default since 4.19. Ports of "
			"ip_local_reserved_ports are never given, and are no part of the range here. After bind() "
			"to an address with port 0 the port has to be free for all remote ends, unless "
			"IP_BIND_ADDRESS_NO_PORT (4.2) is set: no kernel tells who did so.",
		.remedy = "Keep connections open and use them again (keep-alive, pools); else more remote ends "
			"or local addresses, a wider net.ipv4.ip_local_port_range, net.ipv4.tcp_tw_reuse = 1 "
			"(a port in TIME-WAIT may be had again after a second by a new connection of its own), "
			"IP_BIND_ADDRESS_NO_PORT before bind().",
	},
};
