/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /metrics in both spellings, read back by the rules of the formats; what is not known is absent, and no
 * label tells of a single connection.
 */
#include <ctype.h>
#include <math.h>

#include "fixture.h"
#include "web/metrics.h"

#define SERIES_MAX 500

struct scraped {
	char family[128]; /* of the last TYPE */
	char type[16];
	char series[SERIES_MAX][256]; /* name and labels */
	double value[SERIES_MAX];
	size_t count, families;
	bool end;
};

static struct fixture f;
static struct scraped scraped;

static const struct metric *family_named(const char *name, bool openmetrics)
{
	const struct metric *table;
	size_t count, i;

	table = metric_table(&count);
	for (i = 0; i < count; i++) {
		char expected[128];
		char *suffix;

		snprintf(expected, sizeof(expected), "%s", table[i].name);
		suffix = strstr(expected, "_total") ?: strstr(expected, "_info");
		if (openmetrics && suffix && table[i].type != METRIC_GAUGE)
			*suffix = '\0';
		if (!strcmp(expected, name))
			return &table[i];
	}
	return NULL;
}

static void scrape_comment(const char *line, bool openmetrics)
{
	char keyword[8], name[128], rest[256];

	if (!strcmp(line, "# EOF")) {
		scraped.end = true;
		return;
	}
	ck_assert_int_eq(sscanf(line, "# %7s %127s %255[^\n]", keyword, name, rest), 3);
	ck_assert_msg(family_named(name, openmetrics), "%s is not in the table", name);
	if (!strcmp(keyword, "HELP")) {
		/* A family stands once, its HELP first. */
		ck_assert_str_ne(name, scraped.family);
		snprintf(scraped.family, sizeof(scraped.family), "%s", name);
		scraped.type[0] = '\0';
		scraped.families++;
		ck_assert_int_eq(rest[strlen(rest) - 1], '.');
	} else if (!strcmp(keyword, "TYPE")) {
		ck_assert_str_eq(name, scraped.family);
		snprintf(scraped.type, sizeof(scraped.type), "%.15s", rest);
	} else {
		ck_assert(openmetrics);
		ck_assert_str_eq(keyword, "UNIT");
		ck_assert_str_eq(name + strlen(name) - strlen(rest), rest);
	}
}

/* Labels are {name="value",...} with names that Prometheus takes. */
static void scrape_labels(const char *labels)
{
	static const char *const forbidden[] = { "address", "port",    "pid",	       "inode",
						 "cookie",  "local",   "peer_address", "remote",
						 "owner",   "service", "type" };
	size_t i;

	while (*labels != '}') {
		char name[64];
		int len = 0;

		labels++; /* { or , */
		ck_assert_int_eq(sscanf(labels, "%63[a-z_]=\"%n", name, &len), 1);
		ck_assert_int_gt(len, 0);
		for (i = 0; i < ARRAY_SIZE(forbidden); i++)
			ck_assert_str_ne(name, forbidden[i]);
		for (labels += len; *labels != '"'; labels++)
			labels += *labels == '\\';
		labels++;
	}
	ck_assert_str_eq(labels, "}");
}

static void scrape_line(char *line, bool openmetrics)
{
	const char *suffix = strcmp(scraped.type, "counter") ? "" : "_total";
	char *value = strrchr(line, ' '), *labels, *end;
	size_t i;

	ck_assert_ptr_nonnull(value);
	*value++ = '\0';
	if (openmetrics && !strcmp(scraped.type, "info"))
		suffix = "_info";
	for (i = 0; i < scraped.count; i++)
		ck_assert_str_ne(scraped.series[i], line);
	ck_assert_uint_lt(scraped.count, SERIES_MAX);
	snprintf(scraped.series[scraped.count], sizeof(scraped.series[0]), "%s", line);
	scraped.value[scraped.count] = strtod(value, &end);
	ck_assert_msg(!*end && end != value, "%s", value);
	scraped.count++;
	labels = strchr(line, '{');
	if (labels) {
		scrape_labels(labels);
		*labels = '\0';
	}
	ck_assert(!strncmp(line, scraped.family, strlen(scraped.family)));
	ck_assert_str_ne(scraped.type, "");
	if (openmetrics)
		ck_assert_str_eq(line + strlen(scraped.family), suffix);
	else
		ck_assert_str_eq(line, scraped.family);
}

static void scrape(bool openmetrics)
{
	struct request request = { .path = "/metrics",
				   .accept = openmetrics ? "application/openmetrics-text" : "" };
	struct problem problem;
	char *text = fixture_get(&f, metrics_route, "", &request, &problem);
	char *line = text;

	ck_assert_ptr_nonnull(text);
	memset(&scraped, 0, sizeof(scraped));
	while (*line) {
		char *end = strchr(line, '\n');

		ck_assert_ptr_nonnull(end);
		ck_assert(!scraped.end);
		*end = '\0';
		if (*line == '#')
			scrape_comment(line, openmetrics);
		else
			scrape_line(line, openmetrics);
		line = end + 1;
	}
	ck_assert_int_eq(scraped.end, openmetrics);
	free(text);
}

/* NaN where there is no such series. */
static double series(const char *name)
{
	size_t i;

	for (i = 0; i < scraped.count; i++)
		if (!strcmp(scraped.series[i], name))
			return scraped.value[i];
	return (double)NAN;
}

static size_t series_of(const char *family)
{
	size_t i, count = 0, len = strlen(family);

	for (i = 0; i < scraped.count; i++)
		count += !strncmp(scraped.series[i], family, len) &&
			 (!scraped.series[i][len] || scraped.series[i][len] == '{');
	return count;
}

START_TEST(values)
{
	static const struct {
		const char *series;
		double value;
	} cases[] = {
		{ "tcpdiag_sockets{state=\"established\"}", 3 },
		{ "tcpdiag_sockets{state=\"bound-inactive\"}", 0 },
		{ "tcpdiag_sockets_attachment{attachment=\"orphan\"}", 1 },
		{ "tcpdiag_teardown_sockets{state=\"close-wait\",attachment=\"held\"}", 1 },
		{ "tcpdiag_teardown_sockets{state=\"closing\",attachment=\"orphan\"}", 0 },
		{ "tcpdiag_unread_bytes{peer=\"open\"}", 510 },
		{ "tcpdiag_unread_bytes{peer=\"finished\"}", 31 },
		{ "tcpdiag_oldest_seconds{state=\"close-wait\"}", 400.5 },
		{ "tcpdiag_orphans", 1 },
		{ "tcpdiag_orphans_peak", 5 },
		{ "tcpdiag_orphans_limit", 131072 },
		{ "tcpdiag_listener_queue_connections", 3 },
		{ "tcpdiag_listener_queue_ratio_max", 3.0 / 128 },
		{ "tcpdiag_listener_overflows_total", 0 },
		{ "tcpdiag_findings{rule=\"close-wait-leak\",severity=\"warning\"}", 1 },
		{ "tcpdiag_findings{rule=\"close-wait-leak\",severity=\"critical\"}", 0 },
		{ "tcpdiag_findings_raised_total{rule=\"close-wait-leak\"}", 9 },
		{ "tcpdiag_aborts_total{cause=\"close\"}", 17 },
		{ "tcpdiag_snapshot_timestamp_seconds", 1763870400 },
		{ "tcpdiag_collector_duration_seconds{collector=\"sock_diag\"}", 0.0015 },
		{ "tcpdiag_collector_success{collector=\"sock_diag\"}", 1 },
		{ "tcpdiag_collector_success{collector=\"namespaces\"}", 0 },
		{ "tcpdiag_poll_interval_seconds{lane=\"sweep\"}", 1 },
		{ "tcpdiag_config_last_reload_successful", 1 },
		{ "tcpdiag_web_requests_total{code=\"4xx\"}", 5 },
		{ "process_cpu_seconds_total", 1.25 },
	};
	size_t i;

	fixture_default(&f);
	f.statistics.requests[4] = 5;
	scrape(_i);
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_msg(series(cases[i].series) == cases[i].value, "%s: %g", cases[i].series,
			      series(cases[i].series));
	ck_assert_uint_eq(series_of("tcpdiag_sockets"), TCPDIAG_STATE_MAX - 1);
	ck_assert_uint_eq(series_of("tcpdiag_teardown_sockets"), 5 * TCPDIAG_ATTACHMENT_MAX);
	ck_assert_uint_eq(series_of("tcpdiag_build_info"), 1);
	fixture_done(&f);
}
END_TEST

/* As many units as there can be, within what a scrape may hold; absent without the walk. */
START_TEST(by_unit)
{
	char name[64];

	fixture_begin(&f);
	fixture_source(&f, SOURCE_EVENTS)->state = SOURCE_OK;
	f.w.header->events = (struct event_totals){ .known = true, .origin = EVENT_ORIGIN_BPF };
	f.w.header->unit_count = UNIT_PLACES + 1;
	for (uint32_t i = 0; i <= UNIT_PLACES; i++) {
		struct unit_totals *unit = &f.w.header->units[i];

		snprintf(name, sizeof(name), "unit-%u.service", i);
		unit->name = i ? fixture_string(&f, name) : 0;
		for (unsigned int state = 0; state < UNIT_STATE_MAX; state++)
			unit->sockets[state] = i * 10 + state;
		unit->close_resets = i;
		unit->orphans = 2 * i;
		unit->listener_ratio = i / 8.0;
	}
	/* All of them, and seven of which nobody knows whose they are. */
	f.w.header->totals.attachment[TCPDIAG_ORPHAN] = 2 * 20 * 21 / 2 + 7;
	fixture_seal(&f);
	scrape(_i);
	ck_assert_uint_eq(series_of("tcpdiag_unit_sockets"), 21 * 5);
	ck_assert_uint_eq(series_of("tcpdiag_unit_close_resets"), 21);
	ck_assert_uint_eq(series_of("tcpdiag_unit_listener_queue_ratio"), 21);
	ck_assert_uint_eq(series_of("tcpdiag_unit_orphans"), 22);
#define UNIT(i) "systemd_unit=\"unit-" #i ".service\""
	ck_assert(series("tcpdiag_unit_sockets{systemd_unit=\"~other\",state=\"established\"}") ==
		  0);
	ck_assert(series("tcpdiag_unit_sockets{" UNIT(7) ",state=\"established\"}") == 70);
	ck_assert(series("tcpdiag_unit_sockets{" UNIT(7) ",state=\"close-wait\"}") == 71);
	ck_assert(series("tcpdiag_unit_sockets{" UNIT(7) ",state=\"fin-wait-1\"}") == 72);
	ck_assert(series("tcpdiag_unit_sockets{" UNIT(7) ",state=\"fin-wait-2\"}") == 73);
	ck_assert(series("tcpdiag_unit_sockets{" UNIT(20) ",state=\"last-ack\"}") == 204);
	ck_assert(series("tcpdiag_unit_close_resets{" UNIT(20) "}") == 20);
	ck_assert(series("tcpdiag_unit_listener_queue_ratio{" UNIT(4) "}") == 0.5);
	ck_assert(series("tcpdiag_unit_orphans{" UNIT(20) "}") == 40);
	ck_assert(series("tcpdiag_unit_orphans{systemd_unit=\"~other\"}") == 0);
	ck_assert(series("tcpdiag_unit_orphans{systemd_unit=\"~unknown\"}") == 7);
	fixture_done(&f);
}
END_TEST

static void tell_events(uint8_t state, uint8_t origin, uint8_t brake)
{
	struct event_totals *events;

	fixture_begin(&f);
	events = &f.w.header->events;
	fixture_source(&f, SOURCE_EVENTS)->state = state;
	*events = (struct event_totals){
		.known = state == SOURCE_OK || state == SOURCE_DEGRADED,
		.origin = origin,
		.brake = brake,
		.events = 1000,
		.dropped = origin == EVENT_ORIGIN_BPF ? 3 : 0,
		.dropped_multicast = origin == EVENT_ORIGIN_MULTICAST ? 4 : 0,
		.braked = brake,
		.checks = { 90, 1, 9 },
		.checks_skipped = 11,
		.core_share = origin == EVENT_ORIGIN_BPF ? 0.004 : -1,
	};
	events->resets_sent[RESET_REASON_ABORT_ON_CLOSE] = 7;
	events->resets_received[TCPDIAG_ESTABLISHED] = 5;
	events->resets_received[TCPDIAG_TIME_WAIT] = 1;
	events->resets_received[TCPDIAG_NEW_SYN_RECV] = 1;
	fixture_seal(&f);
}

/* What each origin can tell is there from the first scrape on; what it cannot is absent. */
START_TEST(of_events)
{
	tell_events(SOURCE_OK, EVENT_ORIGIN_BPF, EVENT_BRAKE_OFF);
	scrape(_i);
	ck_assert_uint_eq(series_of("tcpdiag_resets_sent_total"), RESET_REASON_MAX - 1);
	ck_assert(series("tcpdiag_resets_sent_total{reason=\"tcp-abort-on-close\"}") == 7);
	ck_assert(series("tcpdiag_resets_sent_total{reason=\"no-socket-syn\"}") == 0);
	ck_assert_uint_eq(series_of("tcpdiag_resets_received_total"), 8);
	ck_assert(series("tcpdiag_resets_received_total{state=\"established\"}") == 5);
	ck_assert(series("tcpdiag_resets_received_total{state=\"close-wait\"}") == 0);
	ck_assert(series("tcpdiag_resets_received_total{state=\"other\"}") == 2);
	ck_assert(series("tcpdiag_events_dropped_total{source=\"bpf\"}") == 3);
	ck_assert_uint_eq(series_of("tcpdiag_events_dropped_total"), 1);
	ck_assert(series("tcpdiag_oracle_checks_total{result=\"agreed\"}") == 90);
	ck_assert(series("tcpdiag_oracle_checks_total{result=\"disagreed\"}") == 1);
	ck_assert(series("tcpdiag_oracle_checks_total{result=\"undecided\"}") == 9);
	ck_assert(series("tcpdiag_oracle_checks_skipped_total") == 11);
	ck_assert(series("tcpdiag_events_brake") == 0);
	ck_assert(series("tcpdiag_events_core_ratio") == 0.004);
	fixture_done(&f);

	tell_events(SOURCE_DEGRADED, EVENT_ORIGIN_MULTICAST, EVENT_BRAKE_OFF);
	scrape(_i);
	ck_assert_uint_eq(series_of("tcpdiag_resets_sent_total"), 0);
	ck_assert_uint_eq(series_of("tcpdiag_resets_received_total"), 0);
	ck_assert_uint_eq(series_of("tcpdiag_oracle_checks_total"), 0);
	ck_assert_uint_eq(series_of("tcpdiag_oracle_checks_skipped_total"), 0);
	ck_assert_uint_eq(series_of("tcpdiag_events_core_ratio"), 0);
	ck_assert(series("tcpdiag_events_read_total") == 1000);
	ck_assert(series("tcpdiag_events_dropped_total{source=\"multicast\"}") == 4);
	fixture_done(&f);

	/* Detached, since it cost too much: nothing is known but that. */
	tell_events(SOURCE_FAILED, EVENT_ORIGIN_BPF, EVENT_BRAKE_DETACHED);
	scrape(_i);
	ck_assert_uint_eq(series_of("tcpdiag_resets_sent_total"), 0);
	ck_assert_uint_eq(series_of("tcpdiag_events_read_total"), 0);
	ck_assert(series("tcpdiag_events_brake") == 2);
	ck_assert(series("tcpdiag_events_brake_pulled_total") == 2);
	fixture_done(&f);

	tell_events(SOURCE_OFF, EVENT_ORIGIN_NONE, EVENT_BRAKE_OFF);
	scrape(_i);
	ck_assert_uint_eq(series_of("tcpdiag_resets_sent_total"), 0);
	ck_assert_uint_eq(series_of("tcpdiag_events_dropped_total"), 0);
	ck_assert_uint_eq(series_of("tcpdiag_events_brake"), 0);
	fixture_done(&f);
}
END_TEST

/* Unknown is absent, never 0. */
START_TEST(unknown)
{
	fixture_default(&f);
	scrape(false);
	/* counters that this kernel does not have, growth while warming up, no port range */
	ck_assert_uint_eq(series_of("tcpdiag_listener_drops_total"), 0);
	ck_assert_uint_eq(series_of("tcpdiag_aborts_total"), 1);
	ck_assert_uint_eq(series_of("tcpdiag_orphans_growth_per_second"), 0);
	ck_assert_uint_eq(series_of("tcpdiag_port_range_used_ratio_max"), 0);
	ck_assert_uint_eq(series_of("process_open_fds"), 0);
	ck_assert_uint_eq(series_of("tcpdiag_collector_duration_seconds"), 3);
	fixture_done(&f);
}
END_TEST

/* A source that is off, failed or not through yet takes its families with it. */
START_TEST(failed_source)
{
	static const uint8_t silent[] = { SOURCE_OFF, SOURCE_STARTING, SOURCE_FAILED };
	static const char *const gone[] = { "tcpdiag_sockets",
					    "tcpdiag_sockets_attachment",
					    "tcpdiag_teardown_sockets",
					    "tcpdiag_close_outcomes",
					    "tcpdiag_findings",
					    "tcpdiag_unread_bytes",
					    "tcpdiag_findings_raised_total" };
	struct namespace *rows;
	size_t i;

	fixture_begin(&f);
	fixture_source(&f, SOURCE_SOCK_DIAG)->state = silent[_i];
	fixture_seal(&f);
	scrape(false);
	for (i = 0; i < ARRAY_SIZE(gone); i++)
		ck_assert_msg(!series_of(gone[i]), "%s", gone[i]);
	ck_assert(series("tcpdiag_collector_success{collector=\"sock_diag\"}") == 0);
	ck_assert_uint_eq(series_of("tcpdiag_orphans"), 1);
	fixture_done(&f);

	fixture_begin(&f);
	fixture_source(&f, SOURCE_COUNTERS)->state = silent[_i];
	fixture_seal(&f);
	scrape(true);
	ck_assert_uint_eq(series_of("tcpdiag_orphans"), 0);
	ck_assert_uint_eq(series_of("tcpdiag_memory_bytes"), 0);
	ck_assert_uint_eq(series_of("tcpdiag_listener_overflows_total"), 0);
	ck_assert_uint_gt(series_of("tcpdiag_sockets"), 0);
	fixture_done(&f);

	/* Containers are counted as what they are, and not as none while nobody has looked for them. */
	fixture_begin(&f);
	rows = snapshot_section(&f.w, SECTION_NAMESPACES, 3, sizeof(*rows));
	ck_assert_ptr_nonnull(rows);
	rows[0] = (struct namespace){ .inode = 1, .state = SOURCE_OK, .sweep_ns = 1 };
	rows[1] = (struct namespace){ .inode = 2, .state = SOURCE_FAILED };
	rows[2] = (struct namespace){ .inode = 3, .state = SOURCE_OK, .flags = NAMESPACE_OWN };
	f.w.header->other_namespaces = 7; /* the second row among them */
	fixture_seal(&f);
	scrape(true);
	ck_assert(series("tcpdiag_network_namespaces{state=\"ok\"}") == 2);
	ck_assert(series("tcpdiag_network_namespaces{state=\"failed\"}") == 1);
	ck_assert(series("tcpdiag_network_namespaces{state=\"off\"}") == 6);
	fixture_done(&f);
	fixture_begin(&f);
	ck_assert_ptr_nonnull(
		snapshot_section(&f.w, SECTION_NAMESPACES, 1, sizeof(struct namespace)));
	f.w.header->other_namespaces = -1;
	fixture_seal(&f);
	scrape(true);
	ck_assert_uint_eq(series_of("tcpdiag_network_namespaces"), 0);
	fixture_done(&f);
}
END_TEST

/* A rule that could not be judged by has no 0; what stands from before is told, and so is what was. */
START_TEST(rules_not_judged)
{
	static const uint8_t states[] = { SOURCE_OFF, SOURCE_FAILED, SOURCE_STARTING };
	const uint32_t blind = finding_bit(TCPDIAG_RULE_LINGER_ZERO) |
			       finding_bit(TCPDIAG_RULE_LINGER_BLOCKS);
	double none = states[_i] == SOURCE_STARTING ? 0 : (double)NAN;
	double value;

	fixture_begin(&f);
	fixture_finding(&f, TCPDIAG_RULE_LINGER_BLOCKS, SEVERITY_WARNING, 1);
	f.w.header->findings_blind = blind;
	fixture_source(&f, SOURCE_BPF)->state = states[_i];
	fixture_seal(&f);
	scrape(false);
	value = series("tcpdiag_findings{rule=\"linger-zero\",severity=\"info\"}");
	ck_assert(isnan(none) ? isnan(value) : value == 0);
	value = series("tcpdiag_findings{rule=\"linger-blocks\",severity=\"warning\"}");
	ck_assert(value == 1);
	value = series("tcpdiag_findings{rule=\"dead-descriptor\",severity=\"info\"}");
	ck_assert(value == 0);
	value = series("tcpdiag_findings_raised_total{rule=\"linger-zero\"}");
	ck_assert(value == 0);
	fixture_done(&f);
}
END_TEST

/* The same where a limit is not known, unless a namespace that has it is still to be read. */
START_TEST(rules_judged_in_part)
{
	static const uint8_t states[] = { SOURCE_OFF, SOURCE_STARTING };
	double value;

	fixture_begin(&f);
	f.w.header->findings_partly = finding_bit(TCPDIAG_RULE_ORPHAN_ACCUMULATION);
	fixture_source(&f, SOURCE_NAMESPACES)->state = states[_i];
	fixture_seal(&f);
	scrape(false);
	value = series("tcpdiag_findings{rule=\"orphan-accumulation\",severity=\"critical\"}");
	ck_assert(states[_i] == SOURCE_STARTING ? value == 0 : isnan(value));
	value = series("tcpdiag_findings{rule=\"tcp-memory-pressure\",severity=\"critical\"}");
	ck_assert(value == 0);
	fixture_done(&f);
}
END_TEST

START_TEST(before_the_first_snapshot)
{
	f = (struct fixture){ .statistics = { .snapshots = 0, .resident_bytes = 1 } };
	scrape(_i);
	ck_assert_uint_eq(series_of("tcpdiag_build_info"), 1);
	ck_assert_uint_eq(series_of("tcpdiag_web_resident_memory_bytes"), 1);
	ck_assert_uint_eq(series_of("tcpdiag_sockets"), 0);
	ck_assert_uint_eq(series_of("tcpdiag_snapshots_skipped_total"), 0);
}
END_TEST

START_TEST(every_close_rule_has_a_cell)
{
	int rule;

	fixture_begin(&f);
	memset(&f.w.header->totals, 0, sizeof(f.w.header->totals));
	/* One that the table does not foresee is not lost. */
	f.w.header->totals.close[TCPDIAG_RULE_CLOSE_FIN][TCPDIAG_SEGMENT_RST] = 4;
	fixture_seal(&f);
	scrape(false);
	ck_assert(series("tcpdiag_close_outcomes{segment=\"rst\",rule=\"close-fin\"}") == 4);
	for (rule = TCPDIAG_RULE_NONE + 1; rule < TCPDIAG_RULE_SHUTDOWN_NOT_CONNECTED; rule++) {
		size_t i, cells = 0;
		char text[128];

		snprintf(text, sizeof(text), "rule=\"%s\"}", tcpdiag_rule_id(rule));
		for (i = 0; i < scraped.count; i++)
			cells += !strncmp(scraped.series[i], "tcpdiag_close_outcomes{", 23) &&
				 strstr(scraped.series[i], text);
		ck_assert_msg(cells, "%s has no series", text);
	}
	fixture_done(&f);
}
END_TEST

/* One socket of each kind that close() can tell apart, @i of them. */
static bool socket_of_kind(unsigned int i, struct tcpdiag_socket *sk,
			   struct tcpdiag_environment *environment)
{
	unsigned int linger, setting;

	*sk = (struct tcpdiag_socket){ .known = TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_LINGER2 |
						TCPDIAG_KNOWS_REPAIR | TCPDIAG_KNOWS_NOTSENT |
						TCPDIAG_KNOWS_INFO | TCPDIAG_KNOWS_SHUTDOWN,
				       .inode = 1,
				       .attachment = TCPDIAG_HELD };
	*environment = (struct tcpdiag_environment){
		.known = ~0U, .tcp_fin_timeout = 60, .tcp_max_orphans = 10, .tcp_max_tw_buckets = 10
	};
	sk->state = (uint8_t)(1 + i % (TCPDIAG_STATE_MAX - 1));
	i /= TCPDIAG_STATE_MAX - 1;
	sk->rqueue = i % 2 ? 100 : 0;
	i /= 2;
	linger = i % 3;
	sk->linger = linger > 0;
	sk->sk_lingertime_ms = linger > 1 ? 5000 : 0;
	i /= 3;
	setting = i % 7;
	sk->repair = setting == 1;
	sk->linger2_ms = setting == 2 ? -1 : 0;
	environment->orphans = setting == 3 ? 100 : 0;
	environment->timewaits = setting == 4 ? 100 : 0;
	sk->mptcp = setting == 5;
	sk->mptcp_subflow = setting == 6;
	sk->known |= setting == 6 ? TCPDIAG_KNOWS_ULP : 0U;
	return i < 7;
}

/* Every pair of rule and segment that the oracle can give has its series from the first scrape. */
START_TEST(close_cells_are_the_oracles)
{
	bool reached[TCPDIAG_RULE_MAX] = { false };
	struct tcpdiag_environment environment;
	struct tcpdiag_result result;
	struct tcpdiag_socket sk;
	unsigned int i, rules = 0;
	char name[160];

	fixture_begin(&f);
	memset(&f.w.header->totals, 0, sizeof(f.w.header->totals));
	fixture_seal(&f);
	scrape(false);
	for (i = 0; socket_of_kind(i, &sk, &environment); i++) {
		if (tcpdiag_result(&sk, TCPDIAG_OP_CLOSE, &environment, &result) < 0)
			continue;
		snprintf(name, sizeof(name), "tcpdiag_close_outcomes{segment=\"%s\",rule=\"%s\"}",
			 tcpdiag_segment_name(result.segment), tcpdiag_rule_id(result.rule));
		ck_assert_msg(series(name) == 0, "%s is absent", name);
		reached[result.rule] = true;
	}
	for (i = 0; i < TCPDIAG_RULE_MAX; i++)
		rules += reached[i];
	ck_assert_uint_ge(rules, 14);
	fixture_done(&f);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("metrics");
	TCase *t = tcase_create("metrics");

	tcase_add_loop_test(t, values, 0, 2);
	tcase_add_loop_test(t, by_unit, 0, 2);
	tcase_add_loop_test(t, of_events, 0, 2);
	tcase_add_test(t, unknown);
	tcase_add_loop_test(t, failed_source, 0, 3);
	tcase_add_loop_test(t, rules_not_judged, 0, 3);
	tcase_add_loop_test(t, rules_judged_in_part, 0, 2);
	tcase_add_loop_test(t, before_the_first_snapshot, 0, 2);
	tcase_add_test(t, every_close_rule_has_a_cell);
	tcase_add_test(t, close_cells_are_the_oracles);
	suite_add_tcase(s, t);
	return s;
}
