/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The words for the enums of the model, as users read them in JSON, metrics and reports.
 */
#include "model/macro.h"
#include "model/snapshot.h"

#define NAME(table, index) ((size_t)(index) < ARRAY_SIZE(table) ? (table)[index] : NULL)

const char *direction_name(enum direction direction)
{
	static const char *const names[] = {
		[DIRECTION_UNKNOWN] = "unknown",
		[DIRECTION_INBOUND] = "inbound",
		[DIRECTION_OUTBOUND] = "outbound",
	};

	return NAME(names, direction);
}

const char *peer_unknown_name(enum peer_unknown why)
{
	static const char *const names[] = {
		[PEER_NOT_LOOKED_FOR] = "not-looked-for",
		[PEER_NOT_HERE] = "not-here",
		[PEER_NOT_FOUND] = "not-found",
		[PEER_NOT_SEEN] = "not-seen",
		[PEER_SEVERAL] = "several",
	};

	return NAME(names, why);
}

const char *severity_name(enum severity severity)
{
	static const char *const names[] = {
		[SEVERITY_INFO] = "info",
		[SEVERITY_WARNING] = "warning",
		[SEVERITY_CRITICAL] = "critical",
	};

	return NAME(names, severity);
}

const char *scope_name(enum scope scope)
{
	static const char *const names[] = {
		[SCOPE_SOCKET] = "socket",   [SCOPE_LISTENER] = "listener",
		[SCOPE_PROCESS] = "process", [SCOPE_UNIT] = "unit",
		[SCOPE_NETNS] = "netns",     [SCOPE_HOST] = "host",
	};

	return NAME(names, scope);
}

const char *evidence_name(enum evidence evidence)
{
	static const char *const names[] = {
		[EVIDENCE_COUNT] = "count",
		[EVIDENCE_GROWTH_PER_SECOND] = "growth_per_second",
		[EVIDENCE_OLDEST_SECONDS] = "oldest_seconds",
		[EVIDENCE_UNREAD_BYTES] = "unread_bytes",
		[EVIDENCE_UNSENT_BYTES] = "unsent_bytes",
		[EVIDENCE_LIMIT] = "limit",
		[EVIDENCE_RATIO] = "ratio",
		[EVIDENCE_SECONDS_TO_LIMIT] = "seconds_to_limit",
		[EVIDENCE_DESCRIPTORS] = "descriptors",
		[EVIDENCE_DESCRIPTOR_LIMIT] = "descriptor_limit",
		[EVIDENCE_OVERFLOWS_PER_SECOND] = "overflows_per_second",
		[EVIDENCE_WAITING] = "waiting",
		[EVIDENCE_EOF_READ] = "eof_read",
		[EVIDENCE_EOF_UNREAD] = "eof_unread",
		[EVIDENCE_DATA_UNREAD] = "data_unread",
		[EVIDENCE_UNACCEPTED] = "unaccepted",
		[EVIDENCE_LISTENERS] = "listeners",
		[EVIDENCE_INHERITED] = "inherited",
		[EVIDENCE_BLOCKED] = "blocked",
		[EVIDENCE_FIN_TIMEOUT_SECONDS] = "fin_timeout_seconds",
		[EVIDENCE_LIFETIME_SECONDS] = "lifetime_seconds",
		[EVIDENCE_PEER_BYTES] = "peer_bytes",
		[EVIDENCE_RECENT] = "recent",
		[EVIDENCE_RESET] = "reset",
		[EVIDENCE_TIMED_OUT] = "timed_out",
		[EVIDENCE_CREATOR_UNKNOWN] = "creator_unknown",
		[EVIDENCE_CREATOR_RATIO] = "creator_ratio",
		[EVIDENCE_PEERS_HERE] = "peers_here",
		[EVIDENCE_PEERS_NOT_HERE] = "peers_not_here",
		[EVIDENCE_PEERS_EOF_READ] = "peers_eof_read",
		[EVIDENCE_PEERS_EOF_UNREAD] = "peers_eof_unread",
		[EVIDENCE_PEERS_UNREAD_BYTES] = "peers_unread_bytes",
		[EVIDENCE_WINDOW_CLOSED] = "window_closed",
		[EVIDENCE_SILENT] = "silent",
		[EVIDENCE_RETRANSMITS] = "retransmits",
		[EVIDENCE_RATE_PER_SECOND] = "rate_per_second",
		[EVIDENCE_USUAL_PER_SECOND] = "usual_per_second",
		[EVIDENCE_RESETS_SENT_PER_SECOND] = "resets_sent_per_second",
		[EVIDENCE_CONNECTIONS_RESET_PER_SECOND] = "connections_reset_per_second",
		[EVIDENCE_TIME_WAIT] = "time_wait",
		[EVIDENCE_REUSABLE] = "reusable",
		[EVIDENCE_MEMORY_BYTES] = "memory_bytes",
	};

	return NAME(names, evidence);
}

static const struct {
	const char *group, *name;
} counter_names[COUNTER_MAX] = {
	[COUNTER_OUT_RSTS] = { "Tcp", "OutRsts" },
	[COUNTER_ESTAB_RESETS] = { "Tcp", "EstabResets" },
	[COUNTER_ATTEMPT_FAILS] = { "Tcp", "AttemptFails" },
	[COUNTER_LISTEN_OVERFLOWS] = { "TcpExt", "ListenOverflows" },
	[COUNTER_LISTEN_DROPS] = { "TcpExt", "ListenDrops" },
	[COUNTER_ABORT_ON_DATA] = { "TcpExt", "TCPAbortOnData" },
	[COUNTER_ABORT_ON_CLOSE] = { "TcpExt", "TCPAbortOnClose" },
	[COUNTER_ABORT_ON_MEMORY] = { "TcpExt", "TCPAbortOnMemory" },
	[COUNTER_ABORT_ON_TIMEOUT] = { "TcpExt", "TCPAbortOnTimeout" },
	[COUNTER_ABORT_ON_LINGER] = { "TcpExt", "TCPAbortOnLinger" },
	[COUNTER_ABORT_FAILED] = { "TcpExt", "TCPAbortFailed" },
	[COUNTER_TIME_WAIT_OVERFLOW] = { "TcpExt", "TCPTimeWaitOverflow" },
	[COUNTER_TW] = { "TcpExt", "TW" },
	[COUNTER_TW_KILLED] = { "TcpExt", "TWKilled" },
	[COUNTER_TIMEOUTS] = { "TcpExt", "TCPTimeouts" },
	[COUNTER_MEMORY_PRESSURES] = { "TcpExt", "TCPMemoryPressures" },
	[COUNTER_PRUNE_CALLED] = { "TcpExt", "PruneCalled" },
	[COUNTER_MIGRATE_SUCCESS] = { "TcpExt", "TCPMigrateReqSuccess" },
	[COUNTER_MP_FASTCLOSE_TX] = { "MPTcpExt", "MPFastcloseTx" },
	[COUNTER_MP_FASTCLOSE_RX] = { "MPTcpExt", "MPFastcloseRx" },
	[COUNTER_ACTIVE_OPENS] = { "Tcp", "ActiveOpens" },
	[COUNTER_PASSIVE_OPENS] = { "Tcp", "PassiveOpens" },
};

const char *counter_name(enum counter counter)
{
	return counter < COUNTER_MAX ? counter_names[counter].name : NULL;
}

const char *counter_group(enum counter counter)
{
	return counter < COUNTER_MAX ? counter_names[counter].group : NULL;
}

const char *source_name(enum source_id id)
{
	static const char *const names[] = {
		[SOURCE_SOCK_DIAG] = "sock_diag",   [SOURCE_MPTCP_DIAG] = "mptcp_diag",
		[SOURCE_COUNTERS] = "counters",	    [SOURCE_PROCESSES] = "processes",
		[SOURCE_NAMESPACES] = "namespaces", [SOURCE_BPF] = "bpf",
		[SOURCE_EVENTS] = "events",
	};

	return NAME(names, id);
}

const char *source_state_name(enum source_state state)
{
	static const char *const names[] = {
		[SOURCE_OFF] = "off",		[SOURCE_STARTING] = "starting", [SOURCE_OK] = "ok",
		[SOURCE_DEGRADED] = "degraded", [SOURCE_FAILED] = "failed",
	};

	return NAME(names, state);
}

const char *lane_name(enum lane lane)
{
	static const char *const names[] = {
		[LANE_FAST] = "fast",
		[LANE_SWEEP] = "sweep",
		[LANE_OWNERS] = "owners",
	};

	return NAME(names, lane);
}

const char *limit_name(enum limit limit)
{
	static const char *const names[] = {
		[LIMIT_SOCKETS] = "sockets",
		[LIMIT_STRINGS] = "strings",
		[LIMIT_FINDINGS] = "findings",
		[LIMIT_PROCESSES] = "processes",
		[LIMIT_HOLDERS] = "holders",
		[LIMIT_CONTAINERS] = "containers",
		[LIMIT_MESSAGES_TRUNCATED] = "messages_truncated",
		[LIMIT_MESSAGES_FOREIGN] = "messages_foreign",
		[LIMIT_DUPLICATES] = "duplicates",
		[LIMIT_OUT_OF_MEMORY] = "out_of_memory",
		[LIMIT_SNAPSHOTS_SKIPPED] = "snapshots_skipped",
		[LIMIT_HISTORY] = "history",
		[LIMIT_ENDED] = "ended",
		[LIMIT_NAMESPACES] = "namespaces",
		[LIMIT_STORIES] = "stories",
		[LIMIT_FOLDED] = "folded",
		[LIMIT_MINUTES] = "minutes",
	};

	return NAME(names, limit);
}

const char *event_brake_name(enum event_brake brake)
{
	static const char *const names[EVENT_BRAKE_MAX] = {
		[EVENT_BRAKE_OFF] = "off",
		[EVENT_BRAKE_ENDS] = "ends",
		[EVENT_BRAKE_DETACHED] = "detached",
	};

	return NAME(names, brake);
}

const char *event_origin_name(enum event_origin origin)
{
	static const char *const names[EVENT_ORIGIN_MAX] = {
		[EVENT_ORIGIN_BPF] = "bpf",
		[EVENT_ORIGIN_MULTICAST] = "multicast",
	};

	return NAME(names, origin);
}

const char *check_result_name(unsigned int result)
{
	static const char *const names[] = { "agreed", "disagreed", "undecided" };

	return NAME(names, result);
}
