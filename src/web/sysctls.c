/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The settings below net.ipv4 that decide how connections end, as `sysctl` names them.
 */
#include "web/sysctls.h"

void emit_sysctls(struct emitter *j, const char *name, const struct tcpdiag_environment *e,
		  const uint16_t port_range[2])
{
	int i;

	emit_object(j, name);
	emit_u64_known(j, "tcp_fin_timeout", e->known & TCPDIAG_ENV_FIN_TIMEOUT,
		       e->tcp_fin_timeout);
	emit_u64_known(j, "tcp_orphan_retries", e->known & TCPDIAG_ENV_ORPHAN_RETRIES,
		       e->tcp_orphan_retries);
	emit_u64_known(j, "tcp_rto_max_ms", e->known & TCPDIAG_ENV_RTO_MAX, e->tcp_rto_max_ms);
	emit_u64_known(j, "tcp_max_orphans", e->known & TCPDIAG_ENV_ORPHANS, e->tcp_max_orphans);
	emit_u64_known(j, "tcp_max_tw_buckets", e->known & TCPDIAG_ENV_TIMEWAITS,
		       e->tcp_max_tw_buckets);
	emit_u64_known(j, "tcp_migrate_req", e->known & TCPDIAG_ENV_MIGRATE, e->tcp_migrate_req);
	if (e->known & TCPDIAG_ENV_MEMORY) {
		emit_array(j, "tcp_mem");
		for (i = 0; i < 3; i++)
			emit_u64(j, NULL, e->tcp_mem[i]);
		emit_end(j, ']');
	} else {
		emit_null(j, "tcp_mem");
	}
	if (port_range[1]) {
		emit_array(j, "ip_local_port_range");
		emit_u64(j, NULL, port_range[0]);
		emit_u64(j, NULL, port_range[1]);
		emit_end(j, ']');
	} else {
		emit_null(j, "ip_local_port_range");
	}
	emit_end(j, '}');
}
