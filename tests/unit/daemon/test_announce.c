/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the log and systemd are told of a snapshot.
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../harness.h"
#include "daemon/announce.h"
#include "daemon/notify.h"
#include "daemon/settings.h"
#include "rules/message.h"

struct made {
	struct snapshot_writer w;
	struct snapshot snapshot;
	void *block;
	uint64_t limits[LIMIT_MAX];
};

static void *grow(void *context, size_t size)
{
	struct made *made = context;
	void *block = aligned_alloc(64, (size + 63) / 64 * 64);

	ck_assert_ptr_nonnull(block);
	memset(block, 0, size);
	if (made->block)
		memcpy(block, made->block, made->w.size);
	free(made->block);
	made->block = block;
	made->w.size = size;
	return block;
}

/* A snapshot with one source and findings of the severities given. */
static struct made *make(enum source_state state, const char *reason, const uint8_t *severities)
{
	struct made *made = calloc(1, sizeof(*made));
	struct finding *findings;
	struct source *source;
	uint32_t count = (uint32_t)strlen((const char *)severities);

	ck_assert_ptr_nonnull(made);
	made->w = (struct snapshot_writer){ .max_records = 10,
					    .grow = grow,
					    .context = made,
					    .string_max = 65536,
					    .limits = made->limits };
	ck_assert_int_eq(snapshot_begin(&made->w), 0);
	source = snapshot_section(&made->w, SECTION_SOURCES, 1, sizeof(*source));
	source->id = SOURCE_SOCK_DIAG;
	source->state = (uint8_t)state;
	source->reason = snapshot_string(&made->w, reason, strlen(reason));
	findings = snapshot_section(&made->w, SECTION_FINDINGS, count, sizeof(*findings));
	for (uint32_t i = 0; i < count; i++) {
		char text[32];

		snprintf(text, sizeof(text), "finding %u", i);
		findings[i].id = 100 + i;
		findings[i].severity = severities[i];
		findings[i].since_ns = 60 * NSEC_PER_SEC;
		findings[i].socket = RECORD_NONE;
		findings[i].rule = TCPDIAG_RULE_FINDING_FIRST;
		findings[i].summary = snapshot_string(&made->w, text, strlen(text));
	}
	made->w.header->now_ns = 100 * NSEC_PER_SEC;
	made->w.header->totals.sockets = 1234;
	made->w.header->lanes[LANE_FAST].cost_ns = 1250000;
	made->w.header->lanes[LANE_FAST].passes = made->w.header->lanes[LANE_SWEEP].passes = 2;
	made->w.header->lanes[LANE_SWEEP].cost_ns = 135000000;
	ck_assert_int_eq(snapshot_seal(&made->w), 0);
	ck_assert_int_eq(snapshot_open(made->block, made->w.size, &made->snapshot), 0);
	return made;
}

static void unmake(struct made *made)
{
	snapshot_writer_done(&made->w);
	free(made->block);
	free(made);
}

static struct log test_log(int pipefd[2])
{
	ck_assert_int_eq(pipe2(pipefd, O_NONBLOCK), 0);
	return (struct log){
		.output = LOG_OUTPUT_PREFIX, .level = LOG_INFO, .fd = pipefd[1], .process = "t"
	};
}

static void expect(struct announce *announce, struct log *log, int fd, enum source_state state,
		   const char *reason, const char *severities, const char *wanted)
{
	struct made *made = make(state, reason, (const uint8_t *)severities);
	char got[4096] = "";
	ssize_t len;

	announce_snapshot(announce, &made->snapshot, log);
	len = read(fd, got, sizeof(got) - 1);
	got[len > 0 ? len : 0] = '\0';
	ck_assert_str_eq(got, wanted);
	unmake(made);
}

START_TEST(test_changes_are_said)
{
	struct announce *a = calloc(1, sizeof(*a));
	int fds[2];
	struct log log = test_log(fds);

	ck_assert_ptr_nonnull(a);
	/* SEVERITY_INFO is 1, WARNING 2, CRITICAL 3 */
	expect(a, &log, fds[0], SOURCE_OK, "", "\1", "");
	expect(a, &log, fds[0], SOURCE_FAILED, "no netlink", "\1\2",
	       "<4>t: sock_diag failed: no netlink\n<4>t: warning: finding 1 (rst-on-close)\n");
	expect(a, &log, fds[0], SOURCE_FAILED, "no netlink", "\1\2", "");
	expect(a, &log, fds[0], SOURCE_DEGRADED, "3 are missing", "\1\2",
	       "<5>t: sock_diag degraded: 3 are missing\n");
	expect(a, &log, fds[0], SOURCE_DEGRADED, "14 are missing", "\1\2", "");
	expect(a, &log, fds[0], SOURCE_OK, "", "\1\3",
	       "<5>t: sock_diag works again\n<2>t: critical: finding 1 (rst-on-close)\n");
	expect(a, &log, fds[0], SOURCE_OK, "", "\1", "<6>t: cleared after 40 s: finding 1\n");
	expect(a, &log, fds[0], SOURCE_OK, "", "", "");
	/* Each severity once, however often it comes and goes; over when the finding is. */
	expect(a, &log, fds[0], SOURCE_OK, "", "\3", "<2>t: critical: finding 0 (rst-on-close)\n");
	expect(a, &log, fds[0], SOURCE_OK, "", "\2", "<4>t: warning: finding 0 (rst-on-close)\n");
	expect(a, &log, fds[0], SOURCE_OK, "", "\3", "");
	expect(a, &log, fds[0], SOURCE_OK, "", "\1", "");
	expect(a, &log, fds[0], SOURCE_OK, "", "\2", "");
	expect(a, &log, fds[0], SOURCE_OK, "", "", "<6>t: cleared after 40 s: finding 0\n");
	expect(a, &log, fds[0], SOURCE_OK, "", "\2", "<4>t: warning: finding 0 (rst-on-close)\n");
	free(a);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

static size_t lines_of(int fd)
{
	static char text[1 << 16];
	ssize_t len = read(fd, text, sizeof(text));
	size_t lines = 0;

	while (len-- > 0)
		lines += text[len] == '\n';
	return lines;
}

/* Above the limit one line says so. */
START_TEST(test_too_many)
{
	struct announce *a = calloc(1, sizeof(*a));
	uint8_t severities[ANNOUNCED_MAX + 4] = "";
	struct made *made;
	int fds[2];
	struct log log = test_log(fds);

	ck_assert_ptr_nonnull(a);
	memset(severities, SEVERITY_WARNING, ANNOUNCED_MAX + 3);
	made = make(SOURCE_OK, "", severities);
	announce_snapshot(a, &made->snapshot, &log);
	ck_assert_uint_eq(lines_of(fds[0]), ANNOUNCED_MAX + 1);
	announce_snapshot(a, &made->snapshot, &log);
	ck_assert_uint_eq(lines_of(fds[0]), 0);
	unmake(made);
	made = make(SOURCE_OK, "", (const uint8_t *)"");
	announce_snapshot(a, &made->snapshot, &log);
	ck_assert_uint_eq(lines_of(fds[0]), ANNOUNCED_MAX);
	ck_assert(!a->full);
	unmake(made);
	free(a);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(test_address)
{
	static struct listeners listeners = {
		.items = { { .local = true, .loopback = true, .address = "unix:/run/x" },
			   { .address = "0.0.0.0:19293" },
			   { .loopback = true, .address = "[::1]:19293" },
			   { .loopback = true, .address = "127.0.0.1:19293" } },
		.count = 2,
	};
	struct announce *a = calloc(1, sizeof(*a));

	ck_assert_ptr_nonnull(a);
	announce_address(a, &listeners);
	ck_assert_str_eq(a->documentation, "");
	listeners.count = 4;
	announce_address(a, &listeners);
	ck_assert_str_eq(a->documentation, "http://[::1]:19293/rules/");
	free(a);
}
END_TEST

static json_t *said(struct announce *announce, struct log *log, int fd, const char *severities)
{
	struct made *made = make(SOURCE_OK, "", (const uint8_t *)severities);
	char got[LOG_LINE_MAX];
	json_t *root;
	ssize_t len;

	announce_snapshot(announce, &made->snapshot, log);
	len = read(fd, got, sizeof(got));
	ck_assert_int_gt(len, 0);
	root = json_loadb(got, (size_t)len, 0, NULL);
	ck_assert_ptr_nonnull(root);
	unmake(made);
	return root;
}

static void check_field(const json_t *root, const char *name, const char *wanted)
{
	const char *text = json_string_value(json_object_get(root, name));

	ck_assert_msg(text && !strcmp(text, wanted), "%s: %s", name, text ? text : "none");
}

/* A line of JSON has the fields that the journal's entry has. */
START_TEST(test_json)
{
	struct announce *a = calloc(1, sizeof(*a));
	int fds[2];
	struct log log = test_log(fds);
	json_t *root;

	ck_assert_ptr_nonnull(a);
	log.output = LOG_OUTPUT_JSON;
	root = said(a, &log, fds[0], "\3");
	check_field(root, "level", "critical");
	check_field(root, "message", "critical: finding 0 (rst-on-close)");
	check_field(root, "message_id", rule_message_id(TCPDIAG_RULE_FINDING_FIRST));
	check_field(root, "rule", "rst-on-close");
	check_field(root, "severity", "critical");
	check_field(root, "finding", "f-64");
	ck_assert_ptr_nonnull(json_object_get(root, "scope"));
	ck_assert(json_is_integer(json_object_get(root, "count")));
	json_decref(root);
	root = said(a, &log, fds[0], "");
	check_field(root, "message_id", MESSAGE_ID_CLEARED);
	check_field(root, "rule", "rst-on-close");
	ck_assert_double_eq(json_number_value(json_object_get(root, "seconds")), 40);
	json_decref(root);
	close(fds[0]);
	close(fds[1]);
	free(a);
}
END_TEST

/* What stood before a restart is known, also while nothing can be judged yet. */
START_TEST(test_restart)
{
	struct announce *a = calloc(1, sizeof(*a));
	struct made *made = make(SOURCE_OK, "", (const uint8_t *)"\1\2\2");
	struct made *blind = make(SOURCE_OK, "", (const uint8_t *)"\1\2");
	int fds[2];
	struct log log = test_log(fds);
	char nothing[8];

	ck_assert_ptr_nonnull(a);
	announce_restored(a, &made->snapshot);
	blind->w.header->findings_blind = finding_bit(TCPDIAG_RULE_FINDING_FIRST);
	announce_snapshot(a, &blind->snapshot, &log);
	ck_assert_int_lt((int)read(fds[0], nothing, sizeof(nothing)), 0);
	expect(a, &log, fds[0], SOURCE_OK, "", "\1\2\2", "");
	expect(a, &log, fds[0], SOURCE_OK, "", "\1\3",
	       "<2>t: critical: finding 1 (rst-on-close)\n<6>t: cleared after 40 s: finding 2\n");
	unmake(made);
	unmake(blind);
	free(a);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(test_status_line)
{
	struct made *made = make(SOURCE_OK, "", (const uint8_t *)"\1\2\3");
	char line[NOTIFY_STATUS];

	notify_line(&made->snapshot, line);
	ck_assert_str_eq(line,
			 "1234 sockets, 3 findings (1 critical, 1 warning), fast poll 1.25 ms, "
			 "sweep 135 ms of CPU");
	unmake(made);
	made = make(SOURCE_OK, "", (const uint8_t *)"");
	notify_line(&made->snapshot, line);
	ck_assert_ptr_nonnull(strstr(line, "1234 sockets, no findings, "));
	/* After the first sweep, and before it. */
	made->w.header->lanes[LANE_FAST] = (struct lane_state){};
	made->w.header->lanes[LANE_SWEEP].passes = 1;
	notify_line(&made->snapshot, line);
	ck_assert_str_eq(line, "1234 sockets, no findings at first sight, fast poll not made yet, "
			       "sweep 135 ms of CPU");
	made->w.header->lanes[LANE_SWEEP] = (struct lane_state){};
	notify_line(&made->snapshot, line);
	ck_assert_str_eq(line, "sockets not counted yet, no findings at first sight, "
			       "fast poll not made yet, sweep not made yet");
	unmake(made);
}
END_TEST

START_TEST(test_settings_hold_the_options)
{
	struct collector_settings collector;
	struct channel_settings web;
	struct options options;
	char why[QUANTITY_WHY];
	struct option_info info;
	int row = option_find("web.allowed-hosts", strlen("web.allowed-hosts"), &info);

	ck_assert_int_eq(options_default(&options), 0);
	ck_assert_int_eq(option_set(&options, (size_t)row, "a", (struct option_origin){}, why), 0);
	ck_assert_int_eq(option_set(&options, (size_t)row, "b.c", (struct option_origin){}, why),
			 0);
	row = option_find("rules.linger-zero.allow", strlen("rules.linger-zero.allow"), &info);
	ck_assert_int_eq(option_set(&options, (size_t)row, "x", (struct option_origin){}, why), 0);
	ck_assert_int_eq(
		option_set(&options, (size_t)row, "y@1.service", (struct option_origin){}, why), 0);
	settings_collector(&options, &collector);
	ck_assert_str_eq(collector.thresholds.lz_allow, "x y@1.service");
	ck_assert_str_eq(options.thresholds.lz_allow, "");
	ck_assert_int_eq(collector.interval_ns, NSEC_PER_SEC);
	ck_assert_int_eq(collector.sweep_interval_ns, 5 * NSEC_PER_SEC);
	ck_assert_double_eq(collector.cpu_share, 5);
	ck_assert_uint_eq(collector.max_sockets, 1000000);
	ck_assert(collector.processes);
	ck_assert_int_eq(collector.thresholds.rst_info_age, options.thresholds.rst_info_age);
	settings_web(&options, LOG_OUTPUT_JSON, &web);
	ck_assert_str_eq(web.allowed_hosts, "a b.c");
	ck_assert(web.log_json && !web.log_journal && !web.expose_api);
	ck_assert_int_eq(web.hold_ns, 30 * NSEC_PER_SEC);
	ck_assert_uint_eq(web.max_uri_bytes, 8192);
	options_done(&options);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("announce");
	TCase *t = tcase_create("announce");

	tcase_add_test(t, test_changes_are_said);
	tcase_add_test(t, test_json);
	tcase_add_test(t, test_restart);
	tcase_add_test(t, test_too_many);
	tcase_add_test(t, test_address);
	tcase_add_test(t, test_status_line);
	tcase_add_test(t, test_settings_hold_the_options);
	suite_add_tcase(s, t);
	return s;
}
