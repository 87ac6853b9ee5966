/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From options, which people write, to settings, which the floors below take. Every number is in
 * range: its row said so.
 */
#include <string.h>

#include "daemon/settings.h"

/* With blanks between them; that they fit, options_check() has seen to. */
static void join_names(const struct option_list *list, char *ret, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; i < list->count && len < size; i++)
		len += (size_t)snprintf(ret + len, size - len, "%s%s", i ? " " : "",
					list->items[i]);
}

void settings_collector(const struct options *options, struct collector_settings *ret)
{
	*ret = (struct collector_settings){
		.interval_ns = options->interval_ns,
		.sweep_interval_ns = options->sweep_interval_ns,
		.cpu_share = options->cpu_share,
		.max_sockets = (uint32_t)options->max_sockets,
		.max_strings = (uint32_t)options->max_strings,
		.max_findings = (uint32_t)options->max_findings,
		.max_processes = (uint32_t)options->max_processes,
		.max_history = (uint32_t)options->max_history,
		.max_events = (uint32_t)options->max_events,
		.max_ended = (uint32_t)options->max_ended,
		.max_namespaces = (uint32_t)options->max_namespaces,
		.processes = options->processes,
		.namespaces = options->namespaces,
		.bpf = options->bpf,
		.events = options->events,
		.reset_reasons = options->reset_reasons,
		.events_share = options->events_share,
		.replay = options->replay,
		.thresholds = options->thresholds,
	};
	join_names(&options->linger_zero_allow, ret->thresholds.lz_allow, THRESHOLD_NAMES_MAX);
}

void settings_web(const struct options *options, enum log_output output,
		  struct channel_settings *ret)
{
	/* It goes over a socket whole: no padding may carry what was on the stack. */
	memset(ret, 0, sizeof(*ret));
	ret->type = CHANNEL_SETTINGS;
	ret->log_level = log_level(options);
	ret->expose_api = options->expose_api;
	ret->log_json = output == LOG_OUTPUT_JSON;
	/* Lines with a priority before them: what the journal reads from stderr, and a file too. */
	ret->log_journal = output == LOG_OUTPUT_JOURNAL || output == LOG_OUTPUT_PREFIX;
	ret->max_connections = (uint32_t)options->max_connections;
	ret->max_connections_per_address = (uint32_t)options->max_connections_per_address;
	ret->max_streams = (uint32_t)options->max_streams;
	ret->max_uri_bytes = (uint32_t)options->max_uri_bytes;
	ret->max_header_bytes = (uint32_t)options->max_header_bytes;
	ret->idle_timeout_ns = options->idle_timeout_ns;
	ret->hold_ns = options->hold_ns;
	ret->stale_ns = options->stale_ns;
	join_names(&options->allowed_hosts, ret->allowed_hosts, sizeof(ret->allowed_hosts));
}
