/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /summary and /status: the contract's names with the snapshot's numbers, null for what is not known.
 */
#include "fixture.h"

static struct fixture f;

START_TEST(summary)
{
	json_t *json;

	fixture_default(&f);
	json = fixture_get_json(&f, summary_route, "");
	ck_assert_str_eq(json_object_iter_key(json_object_iter(json)), "snapshot");
	ck_json_int(json, "total", R_MAX);
	ck_json_int(json, "sockets.established", 3);
	ck_json_int(json, "sockets.time-wait", 0);
	ck_assert_uint_eq(json_object_size(fixture_at(json, "sockets")), TCPDIAG_STATE_MAX - 1);
	ck_json_int(json, "attachments.held", 4);
	ck_json_int(json, "teardown.close-wait.held", 1);
	ck_json_int(json, "teardown.fin-wait-1.orphan", 1);
	ck_assert_uint_eq(json_object_size(fixture_at(json, "teardown")), 5);
	ck_json_int(json, "fin_wait_2.held", 0);
	ck_json_int(json, "fin_wait_2.timewait", 0);
	ck_json_null(json, "oldest_seconds.closing");
	ck_assert(json_number_value(fixture_at(json, "oldest_seconds.close-wait")) == 400.5);
	ck_json_int(json, "close.rst_peer_open", 1);
	ck_json_int(json, "close.rst_peer_finished", 1);
	ck_json_int(json, "close.fin", 2);
	ck_json_int(json, "close.none", 0);
	ck_json_int(json, "close.by_rule.close-fin", 2);
	ck_json_int(json, "unread_bytes.peer_open", 510);
	ck_json_int(json, "listeners.waiting", 3);
	ck_json_int(json, "orphans.count", 1);
	ck_json_int(json, "orphans.limit", 131072);
	ck_json_int(json, "orphans.peak", 5);
	ck_json_null(json, "orphans.growth_per_second");
	ck_json_null(json, "orphans.seconds_to_limit");
	ck_json_int(json, "orphans.creators.0.pid", 200);
	ck_json_int(json, "orphans.creators.0.count", 1);
	ck_assert_uint_eq(json_array_size(fixture_at(json, "orphans.creators")), 1);
	ck_json_int(json, "memory.bytes", 10 * sysconf(_SC_PAGESIZE));
	ck_json_int(json, "memory.limits.high", 300 * sysconf(_SC_PAGESIZE));
	ck_json_int(json, "counters.TCPAbortOnClose", 17);
	ck_json_int(json, "counters.ListenOverflows", 0);
	ck_json_null(json, "counters.TCPAbortOnLinger");
	ck_json_int(json, "counters_last_minute.TCPAbortOnClose", 2);
	ck_json_null(json, "counters_last_minute.ListenOverflows");
	ck_json_int(json, "sysctls.tcp_fin_timeout", 60);
	ck_json_int(json, "sysctls.tcp_mem.1", 200);
	ck_json_null(json, "sysctls.tcp_max_tw_buckets");
	ck_json_null(json, "sysctls.ip_local_port_range");
	ck_json_int(json, "findings.critical", 1);
	ck_json_int(json, "findings.by_rule.close-wait-leak", 1);
	ck_json_int(json, "findings.by_rule.fin-wait-2-stuck", 0);
	json_decref(json);
	fixture_done(&f);
}
END_TEST

START_TEST(summary_growing)
{
	json_t *json;

	fixture_begin(&f);
	f.w.header->orphans = (struct orphans){ .count = 70000,
						.peak = 70001,
						.growth_per_second = 160.5,
						.seconds_to_limit = 380,
						.growth_known = true,
						.count_known = true };
	f.w.header->port_range[0] = 32768;
	f.w.header->port_range[1] = 60999;
	f.w.header->totals.port_range_ratio_max = 0.03;
	fixture_seal(&f);
	json = fixture_get_json(&f, summary_route, "");
	ck_assert(json_real_value(fixture_at(json, "orphans.growth_per_second")) == 160.5);
	ck_json_int(json, "orphans.seconds_to_limit", 380);
	ck_json_int(json, "sysctls.ip_local_port_range.1", 60999);
	ck_assert(json_real_value(fixture_at(json, "ports.used_ratio_max")) == 0.03);
	json_decref(json);
	fixture_done(&f);

	/* In a container: how much is known, the limits are not. */
	fixture_begin(&f);
	f.w.header->environment.known &= ~(uint32_t)TCPDIAG_ENV_MEMORY;
	fixture_seal(&f);
	json = fixture_get_json(&f, summary_route, "");
	ck_json_int(json, "memory.bytes", 10 * sysconf(_SC_PAGESIZE));
	ck_json_null(json, "memory.limits");
	json_decref(json);
	fixture_done(&f);
}
END_TEST

/* Nothing found where nothing was judged is no 0; what stands is told all the same. */
START_TEST(summary_not_judged)
{
	json_t *json;

	fixture_begin(&f);
	fixture_finding(&f, TCPDIAG_RULE_LINGER_BLOCKS, SEVERITY_WARNING, 1);
	f.w.header->findings_blind = finding_bit(TCPDIAG_RULE_LINGER_ZERO) |
				     finding_bit(TCPDIAG_RULE_LINGER_BLOCKS);
	f.w.header->findings_partly = finding_bit(TCPDIAG_RULE_TCP_MEMORY_PRESSURE);
	fixture_seal(&f);
	json = fixture_get_json(&f, summary_route, "");
	ck_json_null(json, "findings.by_rule.tcp-memory-pressure");
	ck_json_null(json, "findings.by_rule.linger-zero");
	ck_json_int(json, "findings.by_rule.linger-blocks", 1);
	ck_json_int(json, "findings.by_rule.late-data-reset", 0);
	json_decref(json);
	fixture_done(&f);
}
END_TEST

START_TEST(summary_unknown)
{
	static const char *const names[] = { "total",
					     "sockets",
					     "attachments",
					     "teardown",
					     "fin_wait_2",
					     "close",
					     "unread_bytes",
					     "unsent_bytes",
					     "orphans.count",
					     "orphans.peak",
					     "orphans.limit",
					     "orphans.creators",
					     "orphans.seen",
					     "orphans.creators_total",
					     "orphans.unknown_creator",
					     "memory",
					     "sysctls.tcp_mem" };
	json_t *json;
	size_t i;

	fixture_begin(&f);
	fixture_source(&f, SOURCE_SOCK_DIAG)->state = SOURCE_FAILED;
	f.w.header->orphans.count_known = false;
	f.w.header->environment.known = 0;
	f.w.header->missing = fixture_string(&f, "sockets: EPERM\nlimits");
	fixture_seal(&f);
	json = fixture_get_json(&f, summary_route, "");
	ck_assert(json_is_false(fixture_at(json, "snapshot.complete")));
	for (i = 0; i < ARRAY_SIZE(names); i++)
		ck_json_null(json, names[i]);
	json_decref(json);
	fixture_done(&f);
}
END_TEST

static struct record *orphan(struct record *records, uint32_t at, uint8_t state, uint32_t creator)
{
	records[at].sk.attachment = TCPDIAG_ORPHAN;
	records[at].sk.state = state;
	records[at].sk.rqueue = 0;
	records[at].creator = creator;
	return &records[at];
}

START_TEST(creators_by_unit)
{
	struct record *records;
	uint32_t count;
	json_t *json;

	/* Two processes of one unit are one creator; the unknown are nobody's. */
	fixture_begin(&f);
	records = snapshot_writer_records(&f.w, &count);
	/* 700 bytes and the FIN; the last 100 of them have not been sent, like the FIN. */
	orphan(records, R_LIVE, TCPDIAG_FIN_WAIT1, P_WEB)->sk.wqueue = 701;
	records[R_LIVE].sk.known |= TCPDIAG_KNOWS_NOTSENT;
	records[R_LIVE].sk.notsent_bytes = 101;
	orphan(records, R_SHARED, TCPDIAG_LAST_ACK, P_WORKER)->sk.wqueue = 1;
	orphan(records, R_DONE, TCPDIAG_FIN_WAIT1, RECORD_NONE)->sk.wqueue = 31;
	fixture_seal(&f);
	json = fixture_get_json(&f, summary_route, "");
	ck_json_int(json, "orphans.seen", 4);
	ck_json_int(json, "orphans.creators_total", 2);
	ck_assert_uint_eq(json_array_size(fixture_at(json, "orphans.creators")), 2);
	ck_json_text(json, "orphans.creators.0.unit", "web.service");
	ck_json_int(json, "orphans.creators.0.count", 2);
	ck_json_int(json, "orphans.creators.0.processes", 2);
	ck_json_int(json, "orphans.creators.0.states.fin-wait-1", 1);
	ck_json_int(json, "orphans.creators.0.states.last-ack", 1);
	ck_json_int(json, "orphans.creators.0.states.closing", 0);
	ck_json_int(json, "orphans.creators.0.bytes", 700);
	ck_json_null(json, "orphans.creators.0.container");
	ck_json_int(json, "orphans.creators.1.pid", 200);
	ck_json_int(json, "orphans.creators.1.processes", 1);
	ck_json_null(json, "orphans.creators.1.unit");
	ck_json_text(json, "orphans.creators.1.container", "3f9c0a11");
	ck_json_int(json, "orphans.unknown_creator.count", 1);
	ck_json_int(json, "orphans.unknown_creator.states.fin-wait-1", 1);
	ck_json_int(json, "orphans.unknown_creator.states.last-ack", 0);
	ck_json_int(json, "orphans.unknown_creator.bytes", 30);
	json_decref(json);
	fixture_done(&f);
}
END_TEST

/* The longest lists are of processes without a unit: cut, and how many there are is said. */
START_TEST(creators_cut)
{
	static struct process processes[30];
	static struct record records[50];
	json_t *json;

	fixture_begin(&f);
	fixture_seal(&f);
	for (uint32_t i = 0; i < ARRAY_SIZE(processes); i++)
		processes[i].pid = (int32_t)(1000 + i);
	for (uint32_t i = 0; i < ARRAY_SIZE(records); i++) {
		orphan(records, i, TCPDIAG_FIN_WAIT2, MIN(i, 29));
		records[i].sk.netns = FIXTURE_NETNS;
	}
	f.snapshot.processes = processes;
	f.snapshot.process_count = ARRAY_SIZE(processes);
	f.snapshot.records = records;
	f.snapshot.record_count = ARRAY_SIZE(records);
	json = fixture_get_json(&f, summary_route, "");
	ck_json_int(json, "orphans.seen", 50);
	ck_json_int(json, "orphans.creators_total", 30);
	ck_assert_uint_eq(json_array_size(fixture_at(json, "orphans.creators")), 20);
	ck_json_int(json, "orphans.creators.0.pid", 1029);
	ck_json_int(json, "orphans.creators.0.count", 21);
	ck_json_int(json, "orphans.creators.0.states.fin-wait-2", 21);
	ck_json_int(json, "orphans.creators.1.count", 1);
	ck_json_int(json, "orphans.unknown_creator.count", 0);
	json_decref(json);
	fixture_done(&f);
}
END_TEST

START_TEST(status)
{
	json_t *json;

	fixture_begin(&f);
	f.limits[LIMIT_DUPLICATES] = 4;
	f.w.header->lanes[LANE_SWEEP].interval_ns = 20 * NSEC_PER_SEC;
	f.w.header->lanes[LANE_OWNERS] = (struct lane_state){ 0 };
	f.w.header->missing = fixture_string(&f, "one\ntwo");
	f.w.header->follow.left_alone_ns = FIXTURE_NOW - 7 * NSEC_PER_SEC;
	*fixture_source(&f, SOURCE_PROCESSES) =
		(struct source){ .id = SOURCE_PROCESSES,
				 .state = SOURCE_DEGRADED,
				 .error = -EACCES,
				 .reason = fixture_string(&f, "needs CAP_SYS_PTRACE"),
				 .failures = 3 };
	fixture_seal(&f);
	f.statistics.requests[2] = 6;
	json = fixture_get_json(&f, status_route, "");
	ck_json_text(json, "api", "1");
	ck_json_text(json, "version", TCPDIAGD_VERSION);
	ck_json_text(json, "host", "lb-07");
	ck_json_int(json, "snapshot.id", 42);
	ck_json_text(json, "started", "2025-11-23T03:45:00.000Z");
	ck_assert(json_number_value(fixture_at(json, "uptime_seconds")) == 900.5);
	ck_assert(json_is_false(fixture_at(json, "warming_up")));
	ck_json_text(json, "missing.1", "two");
	ck_json_text(json, "sources.0.name", "sock_diag");
	ck_json_text(json, "sources.0.state", "ok");
	ck_json_null(json, "sources.0.reason");
	ck_assert(json_number_value(fixture_at(json, "sources.0.age_seconds")) == 0.5);
	ck_assert(json_number_value(fixture_at(json, "sources.0.cost_seconds")) == 0.0015);
	ck_json_text(json, "sources.3.state", "degraded");
	ck_json_text(json, "sources.3.reason", "needs CAP_SYS_PTRACE");
	ck_json_text(json, "sources.3.error", "EACCES");
	ck_json_null(json, "sources.3.age_seconds");
	ck_json_int(json, "sources.3.failures", 3);
	ck_assert_uint_eq(json_array_size(fixture_at(json, "sources")), SOURCE_MAX);
	ck_json_text(json, "lanes.1.name", "sweep");
	ck_json_int(json, "lanes.1.interval_seconds", 20);
	ck_json_int(json, "lanes.1.wanted_seconds", 1);
	ck_assert(json_is_true(fixture_at(json, "lanes.1.stretched")));
	ck_assert(json_is_false(fixture_at(json, "lanes.0.stretched")));
	ck_json_null(json, "lanes.2.interval_seconds");
	ck_json_null(json, "lanes.2.age_seconds");
	ck_assert(json_number_value(fixture_at(json, "fast_lane.left_alone_seconds")) == 7.5);
	ck_json_int(json, "limits.duplicates", 4);
	ck_assert_uint_eq(json_object_size(fixture_at(json, "limits")), LIMIT_MAX);
	ck_json_null(json, "reload.time");
	ck_json_null(json, "reload.ok");
	ck_json_null(json, "collector.open_fds");
	ck_json_int(json, "collector.resident_bytes", 1 << 20);
	ck_json_int(json, "web.requests.2xx", 6);
	json_decref(json);
	fixture_done(&f);
}
END_TEST

/* Each namespace by itself, and what the answer covers at its head. */
START_TEST(status_of_namespaces)
{
	struct namespace *rows;
	json_t *json;

	fixture_begin(&f);
	rows = snapshot_section(&f.w, SECTION_NAMESPACES, 3, sizeof(*rows));
	ck_assert_ptr_nonnull(rows);
	rows[0] = (struct namespace){ .inode = FIXTURE_NETNS,
				      .state = SOURCE_OK,
				      .flags = NAMESPACE_OWN,
				      .sockets = 6,
				      .sweep_ns = FIXTURE_NOW,
				      .fast_ns = FIXTURE_NOW,
				      .checked_ns = FIXTURE_NOW };
	rows[1] = (struct namespace){ .inode = FIXTURE_NETNS + 1,
				      .state = SOURCE_OK,
				      .flags = NAMESPACE_IDLE | NAMESPACE_OWN_TABLE,
				      .pid = 77,
				      .sweep_ns = FIXTURE_NOW - 50 * NSEC_PER_SEC,
				      .checked_ns = FIXTURE_NOW - 3 * NSEC_PER_SEC,
				      .cost_ns = 2 * NSEC_PER_MSEC,
				      .environment = { .known = TCPDIAG_ENV_FIN_TIMEOUT,
						       .tcp_fin_timeout = 30 } };
	rows[2] = (struct namespace){ .inode = FIXTURE_NETNS + 2, .state = SOURCE_FAILED };
	rows[1].name = fixture_string(&f, "blue");
	rows[2].reason = fixture_string(&f, "CAP_SYS_ADMIN is needed");
	f.w.header->other_namespaces = 1;
	fixture_seal(&f);
	json = fixture_get_json(&f, status_route, "");
	ck_json_int(json, "snapshot.namespaces.read", 2);
	ck_json_int(json, "snapshot.namespaces.not_read", 1);
	ck_assert(json_number_value(fixture_at(json, "snapshot.namespaces.oldest_seconds")) == 3.5);
	ck_assert(json_is_true(fixture_at(json, "namespaces.0.own")));
	ck_json_int(json, "namespaces.0.sockets", 6);
	ck_json_text(json, "namespaces.0.container", "payments/api-7d9f-x2/envoy");
	ck_json_text(json, "namespaces.1.name", "blue");
	ck_json_int(json, "namespaces.1.pid", 77);
	ck_assert(json_is_true(fixture_at(json, "namespaces.1.idle")));
	ck_assert(json_is_true(fixture_at(json, "namespaces.1.own_table")));
	ck_assert(json_number_value(fixture_at(json, "namespaces.1.sweep_age_seconds")) == 50.5);
	ck_json_null(json, "namespaces.1.fast_age_seconds");
	ck_json_int(json, "namespaces.1.sysctls.tcp_fin_timeout", 30);
	ck_json_text(json, "namespaces.2.state", "failed");
	ck_json_text(json, "namespaces.2.reason", "CAP_SYS_ADMIN is needed");
	ck_json_null(json, "namespaces.2.sockets");
	ck_json_null(json, "namespaces.2.checked_age_seconds");
	json_decref(json);
	fixture_done(&f);
}
END_TEST

START_TEST(status_of_a_failed_reload)
{
	json_t *json;

	fixture_begin(&f);
	f.w.header->started_ns = FIXTURE_NOW - 60 * NSEC_PER_SEC;
	f.w.header->reload_ns = FIXTURE_NOW - 10 * NSEC_PER_SEC;
	f.w.header->reload_error = fixture_string(&f, "tcpdiagd.yaml:3:1: unknown key");
	f.w.header->findings_warm_ns[TCPDIAG_RULE_CLOSE_WAIT_LEAK] = FIXTURE_NOW +
								     60 * NSEC_PER_SEC;
	f.w.header->findings_warm_ns[TCPDIAG_RULE_ABORTS_RISING] = FIXTURE_NOW - NSEC_PER_SEC;
	f.w.header->findings_warm_ns[TCPDIAG_RULE_DEAD_DESCRIPTOR] = FIXTURE_NOW +
								     60 * NSEC_PER_SEC;
	f.w.header->findings_blind = finding_bit(TCPDIAG_RULE_DEAD_DESCRIPTOR);
	fixture_seal(&f);
	json = fixture_get_json(&f, status_route, "");
	ck_assert(json_is_true(fixture_at(json, "warming_up")));
	ck_assert_uint_eq(json_array_size(fixture_at(json, "warming_rules")), 1);
	ck_json_text(json, "warming_rules.0.rule", "close-wait-leak");
	ck_assert_double_eq(json_number_value(fixture_at(json, "warming_rules.0.seconds_left")),
			    59.5);
	ck_json_text(json, "warming_rules.0.until", "2025-11-23T04:01:00.000Z");
	ck_assert(json_is_false(fixture_at(json, "reload.ok")));
	ck_json_text(json, "reload.time", "2025-11-23T03:59:50.000Z");
	ck_json_text(json, "reload.error", "tcpdiagd.yaml:3:1: unknown key");
	json_decref(json);
	fixture_done(&f);
}
END_TEST

START_TEST(status_before_the_first_snapshot)
{
	json_t *json;

	f = (struct fixture){ 0 };
	json = fixture_get_json(&f, status_route, "");
	ck_json_null(json, "snapshot");
	ck_json_text(json, "api", "1");
	ck_json_int(json, "web.connections", 0);
	json_decref(json);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("documents");
	TCase *t = tcase_create("documents");

	tcase_add_test(t, summary);
	tcase_add_test(t, summary_growing);
	tcase_add_test(t, summary_not_judged);
	tcase_add_test(t, summary_unknown);
	tcase_add_test(t, creators_by_unit);
	tcase_add_test(t, creators_cut);
	tcase_add_test(t, status);
	tcase_add_test(t, status_of_namespaces);
	tcase_add_test(t, status_of_a_failed_reload);
	tcase_add_test(t, status_before_the_first_snapshot);
	suite_add_tcase(s, t);
	return s;
}
