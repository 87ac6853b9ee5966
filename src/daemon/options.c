/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table, and how to find one's way in it. The order is that of --help, of the example file and
 * of --check-config: a name's sections stand together.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/options.h"

static const char *const formats[] = { "text", "json", "ndjson", NULL };
static const char *const severities[] = { "never", "warning", "critical", NULL };
static const char *const levels[] = { "error", "warning", "notice", "info", "debug", NULL };
static const char *const log_formats[] = { "auto", "text", "json", "journal", NULL };

#define AT(member) offsetof(struct options, member)

static const struct option_info table[] = {
	{ "help", NULL, OPTION_SWITCH, AT(help), "false",
	  .flags = OPTION_COMMAND_LINE | OPTION_ACTION, .text = "Print this and exit." },
	{ "version", NULL, OPTION_SWITCH, AT(version), "false",
	  .flags = OPTION_COMMAND_LINE | OPTION_ACTION, .text = "Print the version and exit." },
	{ "config", "FILE", OPTION_TEXT, AT(config), NULL, .flags = OPTION_COMMAND_LINE,
	  .text = "Configuration in YAML: the options below as keys, nested at the dots. "
		  "Without this option " TCPDIAGD_CONFIG " is read if it is there." },
	{ "check-config", NULL, OPTION_SWITCH, AT(check_config), "false",
	  .flags = OPTION_COMMAND_LINE | OPTION_ACTION,
	  .text = "Read the configuration, print what is in force and where each value came from, "
		  "exit 0, or 2 if there is a mistake." },
	{ "once", NULL, OPTION_SWITCH, AT(once), "false",
	  .flags = OPTION_COMMAND_LINE | OPTION_ACTION,
	  .text = "Look once, print, exit. Needs no free port and no running daemon." },
	{ "format", "FORMAT", OPTION_CHOICE, AT(format), "text", .choices = formats,
	  .flags = OPTION_COMMAND_LINE | OPTION_WITH_ONCE,
	  .text = "What --once prints: a report for people, or every socket in full." },
	{ "fail-on", "SEVERITY", OPTION_CHOICE, AT(fail_on), "never", .choices = severities,
	  .flags = OPTION_COMMAND_LINE | OPTION_WITH_ONCE,
	  .text = "With --once: exit 3 if a finding is at least so severe." },
	{ "replay", "FILE", OPTION_TEXT, AT(replay), NULL,
	  .flags = OPTION_COMMAND_LINE | OPTION_WITH_ONCE,
	  .text = "With --once: look at a dump that `ss -D FILE` wrote instead of at the kernel." },
	{ "unit", "NAME", OPTION_TEXT, AT(unit), NULL,
	  .flags = OPTION_COMMAND_LINE | OPTION_WITH_ONCE,
	  .text = "With --once: say what ending this systemd unit now would do; nginx means "
		  "nginx.service. Exit 0 if that is clean, 4 harmless, 5 neither, 6 not known." },
	{ "pid", "PID", OPTION_COUNT, AT(pid), NULL, 1, 4194304,
	  .flags = OPTION_COMMAND_LINE | OPTION_WITH_ONCE,
	  .text = "With --once: the same of one process." },

	{ "interval", "DURATION", OPTION_DURATION, AT(interval_ns), "1s", 0.1, 60,
	  .text = "How often listeners and the sockets in teardown states are looked at." },
	{ "sweep-interval", "DURATION", OPTION_DURATION, AT(sweep_interval_ns), "5s", 0.1, 600,
	  .text = "How often every socket is looked at." },
	{ "cpu-share", "PERCENT", OPTION_PERCENT, AT(cpu_share), "5", 0.1, 100,
	  .text = "What looking may take of one core; both intervals stretch to keep it." },

	{ "collector.processes", NULL, OPTION_SWITCH, AT(processes), "true",
	  .text = "Find out which process, unit and container holds each socket." },
	{ "collector.namespaces", NULL, OPTION_SWITCH, AT(namespaces), "true",
	  .text = "Look into every network namespace that has a process or a name, not into "
		  "tcpdiagd's own only." },
	{ "collector.bpf", NULL, OPTION_SWITCH, AT(bpf), "true",
	  .text = "Read with BPF what sock_diag does not tell: SO_LINGER, TCP_LINGER2, references, "
		  "descriptors of dead connections." },
	{ "collector.events", NULL, OPTION_SWITCH, AT(events), "true",
	  .text = "Follow what happens between two looks: resets, and how connections end. Without "
		  "collector.bpf only that they have ended." },
	{ "collector.reset-reasons", NULL, OPTION_SWITCH, AT(reset_reasons), "true",
	  .text = "Take the reason of a reset from the kernel where it tells one, Linux 6.10 and "
		  "newer. Else it is derived from the socket." },
	{ "collector.events-share", "PERCENT", OPTION_PERCENT, AT(events_share), "1", 0.01, 100,
	  .text = "What the programs in the kernel that follow events may take of one core. Above "
		  "it they see resets and ends alone, then nothing for a while." },

	{ "web.listen-address", "ADDR", OPTION_ADDRESSES, AT(listen_addresses), "127.0.0.1:19293",
	  .flags = OPTION_RESTART,
	  .text = "Where HTTP is served: 127.0.0.1:19293, [::1]:19293, :19293, unix:/path. "
		  "Sockets passed by systemd replace the default." },
	{ "web.allowed-hosts", "HOST", OPTION_HOSTS, AT(allowed_hosts), NULL,
	  .text = "Host headers accepted on loopback besides localhost, 127.0.0.1, [::1] and the "
		  "bound address. Anything else is answered 421." },
	{ "web.expose-api", NULL, OPTION_SWITCH, AT(expose_api), "false",
	  .text = "Serve everything on addresses that other machines can reach, without asking who "
		  "they are. Otherwise only /metrics and /-/... are served there." },
	{ "web.max-connections", "N", OPTION_COUNT, AT(max_connections), "512", 1, 100000,
	  .text = "Connections at the same time, all addresses together." },
	{ "web.max-connections-per-address", "N", OPTION_COUNT, AT(max_connections_per_address),
	  "128", 1, 100000, .text = "Connections at the same time from one client address." },
	{ "web.max-streams", "N", OPTION_COUNT, AT(max_streams), "32", 0, 10000,
	  .text = "Clients that events are streamed to at the same time, all addresses together. "
		  "More are answered 503." },
	{ "web.max-uri", "SIZE", OPTION_BYTES, AT(max_uri_bytes), "8KiB", 256, 65536,
	  .text = "Longest request target." },
	{ "web.max-header", "SIZE", OPTION_BYTES, AT(max_header_bytes), "16KiB", 1024, 262144,
	  .text = "Largest request head." },
	{ "web.idle-timeout", "DURATION", OPTION_DURATION, AT(idle_timeout_ns), "30s", 1, 3600,
	  .text = "A connection on which nothing moves is closed after so long." },
	{ "web.hold-timeout", "DURATION", OPTION_DURATION, AT(hold_ns), "30s", 1, 600,
	  .text = "A reply that is read more slowly than this is broken off, since it holds its "
		  "snapshot." },
	{ "web.stale-timeout", "DURATION", OPTION_DURATION, AT(stale_ns), "60s", 1, 3600,
	  .text = "/-/ready answers 503 when the newest snapshot is older than this." },

	{ "limits.sockets", "N", OPTION_COUNT, AT(max_sockets), "1000000", 1000, 16000000,
	  .text = "Sockets in a snapshot. What is above is counted, not shown." },
	{ "limits.strings", "SIZE", OPTION_BYTES, AT(max_strings), "64MiB", 65536, 1 << 30,
	  .text = "Memory for names in a snapshot." },
	{ "limits.findings", "N", OPTION_COUNT, AT(max_findings), "1000", 10, 100000,
	  .text = "Findings at the same time." },
	{ "limits.processes", "N", OPTION_COUNT, AT(max_processes), "50000", 100, 1000000,
	  .text = "Processes with sockets that are told apart." },
	{ "limits.history", "N", OPTION_COUNT, AT(max_history), "32768", 256, 1 << 20,
	  .flags = OPTION_RESTART,
	  .text = "Changes of sockets that are remembered, rounded up to a power of two: 32 bytes "
		  "each. The oldest make room." },
	{ "limits.ended", "N", OPTION_COUNT, AT(max_ended), "4096", 16, 1 << 16,
	  .flags = OPTION_RESTART,
	  .text = "Sockets that are remembered after their end. The oldest make room; half of the "
		  "places are for those that lived for a minute or that a finding was about." },
	{ "limits.events", "N", OPTION_COUNT, AT(max_events), "16384", 256, 1 << 20,
	  .flags = OPTION_RESTART,
	  .text = "Resets that are kept as events, rounded up to a power of two. As many ordinary "
		  "ends, "
		  "half as many abnormal ones. The oldest make room." },
	{ "limits.namespaces", "N", OPTION_COUNT, AT(max_namespaces), "1024", 1, 4000,
	  .text = "Network namespaces that are looked into. What is above is counted." },

	{ "log.level", "LEVEL", OPTION_CHOICE, AT(log_level), "info", .choices = levels,
	  .text = "The least important messages to log." },
	{ "log.format", "FORMAT", OPTION_CHOICE, AT(log_format), "auto", .choices = log_formats,
	  .text = "auto is journal when started by systemd, otherwise text: plain on a terminal, "
		  "else with <N> for the priority before each line." },
};

size_t options_count(void)
{
	size_t thresholds;

	threshold_table(&thresholds);
	return MIN(ARRAY_SIZE(table) + thresholds, OPTIONS_MAX);
}

void option_get(size_t row, struct option_info *ret)
{
	static const enum option_type types[] = {
		[THRESHOLD_DURATION] = OPTION_DURATION,
		[THRESHOLD_COUNT] = OPTION_COUNT,
		[THRESHOLD_PERCENT] = OPTION_PERCENT,
		[THRESHOLD_NAMES] = OPTION_NAMES,
	};
	static const char *const metavars[] = {
		[THRESHOLD_DURATION] = "DURATION",
		[THRESHOLD_COUNT] = "N",
		[THRESHOLD_PERCENT] = "PERCENT",
		[THRESHOLD_NAMES] = "NAME",
	};
	const struct threshold_info *threshold;
	size_t count;

	if (row < ARRAY_SIZE(table)) {
		*ret = table[row];
		return;
	}
	threshold = &threshold_table(&count)[row - ARRAY_SIZE(table)];
	*ret = (struct option_info){
		.name = threshold->name,
		.metavar = metavars[threshold->type],
		.type = types[threshold->type],
		.offset = threshold->type == THRESHOLD_NAMES ? AT(linger_zero_allow)
							     : AT(thresholds) + threshold->offset,
		.min = threshold->min,
		.max = threshold->max,
		.text = threshold->text,
		.value = threshold->value,
	};
}

int option_find(const char *name, size_t len, struct option_info *ret)
{
	size_t count = options_count();

	for (size_t row = 0; row < count; row++) {
		struct option_info info;

		option_get(row, &info);
		if (strlen(info.name) == len && !memcmp(info.name, name, len)) {
			*ret = info;
			return (int)row;
		}
	}
	return -ENOENT;
}

void option_default(const struct option_info *info, char ret[static QUANTITY_TEXT])
{
	ret[0] = '\0';
	if (info->fallback) {
		snprintf(ret, QUANTITY_TEXT, "%s", info->fallback);
		return;
	}
	switch (info->type) {
	case OPTION_DURATION:
		quantity_print_duration((int64_t)(info->value * (double)NSEC_PER_SEC + 0.5), ret);
		break;
	case OPTION_COUNT:
		/* One that may be 0 says so. */
		if (info->value >= info->min)
			snprintf(ret, QUANTITY_TEXT, "%.0f", info->value);
		break;
	case OPTION_PERCENT:
		quantity_print_percent(info->value, ret);
		break;
	default:
		break;
	}
}
