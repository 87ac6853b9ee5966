/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text of /proc/net/netstat, snmp and sockstat, and of ip_local_reserved_ports.
 */
#include <stdlib.h>

#include "kernel/counters.h"
#include "kernel/traffic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t range[2] = { 1000, 1999 };
	struct tcpdiag_environment environment = {};
	struct netns_traffic traffic = {};
	struct counters counters = {};

	counters_parse_netstat((const char *)data, size, &counters);
	for (int i = 0; i < COUNTER_MAX; i++)
		if (counters.value[i] && !(counters.known & 1U << i))
			abort();
	counters_parse_features((const char *)data, size, &environment);
	if (environment.mptcp_fastclose && !(environment.known & TCPDIAG_ENV_FASTCLOSE))
		abort();
	counters_parse_sockstat((const char *)data, size, &environment);
	if (environment.orphans && !(environment.known & TCPDIAG_ENV_ORPHANS))
		abort();
	if (counters_parse_ports((const char *)data, size, range) > 1000)
		abort();
	if (!netns_traffic_parse_snmp((const char *)data, size, &traffic) &&
	    (traffic.segments || traffic.opens || traffic.established))
		abort();
	if (!netns_traffic_parse_sockstat((const char *)data, size, "TCP", &traffic) &&
	    traffic.timewaits)
		abort();
	return 0;
}
