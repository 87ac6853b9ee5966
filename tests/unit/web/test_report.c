/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The report: what comes first, what a calm host gets, that unknown is said, and that no line is wider than
 * the page whatever stands in a name.
 */
#include "fixture.h"
#include "web/page.h"
#include "web/report.h"

static struct fixture f;

static char *print(unsigned int columns)
{
	struct buffer b = { 0 };

	report_print(&b, &f.snapshot, f.journal, FIXTURE_WALL, columns, NULL);
	ck_assert_int_eq(b.error, 0);
	buffer_char(&b, '\0');
	return b.data;
}

static size_t check_lines(const char *text, unsigned int columns)
{
	size_t lines = 0;

	while (*text) {
		size_t len = strcspn(text, "\n"), i;

		ck_assert_msg(len <= columns, "%zu columns: %.*s", len, (int)len, text);
		for (i = 0; i < len; i++)
			ck_assert_msg(text[i] >= ' ' && text[i] <= '~', "byte %02x",
				      (unsigned char)text[i]);
		ck_assert(!len || text[len - 1] != ' ');
		ck_assert_int_eq(text[len], '\n');
		text += len + 1;
		lines++;
	}
	return lines;
}

/* Each text must stand behind the one before it. */
static void in_order(const char *text, const char *const *parts, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		const char *found = strstr(text, parts[i]);

		ck_assert_msg(found, "\"%s\" is not behind the one before it in:\n%s", parts[i],
			      text);
		text = found + strlen(parts[i]);
	}
}

START_TEST(busy)
{
	static const char *const parts[] = {
		"lb-07",
		"2025-11-23 04:00:00 UTC",
		"6.1.0-18-amd64",
		"CRITICAL 1",
		"WARNING 1",
		"info 1",
		"NOT SEEN",
		"namespaces (off)",
		"CRIT  70,000 orphans of 131,072",
		"do:",
		"WARN  tool (pid 200) holds 1 socket",
		"the end of file was read and forgotten",
		"do: close the descriptor",
		"info  tool",
		"Stop now",
		"web.service                           1          -          -       510 B         "
		"    "
		"3     no",
		"tool (200)",
		"State",
		"established             3          2          1          -",
		"close-wait              1          1          -          -          -          -  "
		"    "
		"     1",
		"orphans 1 of 131,072 (peak 5)",
		"memory",
		"curl",
	};
	char *text;

	fixture_begin(&f);
	((struct process *)((char *)f.w.header +
			    f.w.header->sections[SECTION_PROCESSES].offset))[P_TOOL]
		.comm = fixture_string(&f, "tool");
	fixture_finding(&f, TCPDIAG_RULE_CLOSE_WAIT_LEAK, SEVERITY_WARNING, 0x1f);
	fixture_finding(&f, TCPDIAG_RULE_RST_ON_CLOSE, SEVERITY_INFO, 2);
	*fixture_finding(&f, TCPDIAG_RULE_ORPHAN_ACCUMULATION, SEVERITY_CRITICAL, 3) =
		(struct finding){ .rule = TCPDIAG_RULE_ORPHAN_ACCUMULATION,
				  .severity = SEVERITY_CRITICAL,
				  .process = RECORD_NONE,
				  .socket = RECORD_NONE,
				  .summary = fixture_string(&f, "70,000 orphans of 131,072") };
	fixture_seal(&f);
	text = print(100);
	check_lines(text, 100);
	in_order(text, parts, ARRAY_SIZE(parts));
	/* A remedy is for what must be done now. */
	ck_assert_ptr_null(strstr(strstr(text, "info  tool"), "do:"));
	free(text);
	fixture_done(&f);
}
END_TEST

/* Everything wide in one host. */
static unsigned int times(const char *text, const char *part)
{
	unsigned int count = 0;

	for (; (text = strstr(text, part)); text += strlen(part))
		count++;
	return count;
}

/* Cause and remedy of the worst few; of the rest the sentence, so that all fit on a screen. */
START_TEST(many)
{
	static const char *const rest[] = { "CRIT",    "do: close",
					    "WARN",    "do: close",
					    "WARN",    "cause and remedy of each: /findings",
					    "Stop now" };
	char *text;
	int i;

	fixture_begin(&f);
	for (i = 0; i < 6; i++)
		fixture_finding(&f, TCPDIAG_RULE_CLOSE_WAIT_LEAK,
				i ? SEVERITY_WARNING : SEVERITY_CRITICAL, (uint64_t)i + 1);
	fixture_seal(&f);
	text = print(100);
	in_order(text, rest, ARRAY_SIZE(rest));
	ck_assert_uint_eq(times(text, "WARN  "), 5);
	ck_assert_uint_eq(times(text, "do: close the descriptor"), 4);
	ck_assert_uint_eq(times(text, "the end of file was read and forgotten"), 4);
	free(text);
	fixture_done(&f);
}
END_TEST

START_TEST(never_wider)
{
	static const unsigned int widths[] = { 40, 41, 57, 80, 100, 132, 400 };
	char wide[201], *text;
	uint32_t i;

	memset(wide, 'w', sizeof(wide) - 1);
	wide[sizeof(wide) - 1] = '\0';
	wide[50] = ' ';
	memcpy(wide, "\xf0\x9f\x90\x9f\x1b[2J\x80\xff\xc3", 11);
	fixture_begin(&f);
	f.w.header->hostname = f.w.header->kernel = fixture_string(&f, wide);
	f.w.header->missing = fixture_string(&f, wide);
	fixture_source(&f, SOURCE_NAMESPACES)->reason = fixture_string(&f, wide + 12);
	fixture_source(&f, SOURCE_NAMESPACES)->state = 77;
	for (i = 0; i < 3; i++) {
		struct finding *finding = fixture_finding(&f, TCPDIAG_RULE_CLOSE_WAIT_LEAK, i + 1,
							  i);

		finding->summary = finding->cause = finding->remedy = fixture_string(&f, wide);
	}
	((struct process *)((char *)f.w.header + f.w.header->sections[SECTION_PROCESSES].offset))
		->unit = fixture_string(&f, wide);
	f.w.header->orphans.count = f.w.header->environment.tcp_max_orphans = UINT64_MAX;
	f.w.header->environment.memory_pages = UINT64_MAX >> 13;
	fixture_seal(&f);
	text = print(widths[_i]);
	check_lines(text, widths[_i]);
	/* Narrow pages lose columns from the right, never the first. */
	ck_assert_ptr_nonnull(strstr(text, "RST live"));
	ck_assert_int_eq(strstr(text, "  clean\n") != NULL, widths[_i] >= 100);
	free(text);
	fixture_done(&f);
}
END_TEST

static void calm_host(void)
{
	struct record *records;
	uint32_t i, count;

	fixture_begin(&f);
	records = snapshot_writer_records(&f.w, &count);
	for (i = 0; i < count; i++) {
		records[i].sk.rqueue = 0;
		if (records[i].close_segment == TCPDIAG_SEGMENT_RST)
			records[i].close_segment = TCPDIAG_SEGMENT_FIN;
	}
}

START_TEST(calm)
{
	const enum tcpdiag_rule last = TCPDIAG_RULE_MAX - 1;
	char end[64];
	const char *const parts[] = {
		"lb-07",
		"Nothing is wrong. Checked since 2025-11-23 03:45:00 UTC (15 min)",
		"rst-on-close,",
		end,
		"ending any of 2 units and programs resets nothing (*)",
		"SO_LINGER of 2 sockets is not seen",
		"established 3",
		"close-wait 1 (oldest 400 s)",
		"orphans 1 of 131,072",
	};
	char *text;

	snprintf(end, sizeof(end), "%s.", tcpdiag_rule_id(last));
	calm_host();
	fixture_seal(&f);
	text = print(100);
	in_order(text, parts, ARRAY_SIZE(parts));
	ck_assert_uint_le(check_lines(text, 100), 14); /* the names of the rules take four */
	ck_assert_ptr_null(strstr(text, "15 minutes"));
	free(text);
	fixture_done(&f);

	/* What was judged in part neither. */
	calm_host();
	f.w.header->environment.known &= ~(uint32_t)TCPDIAG_ENV_ORPHANS;
	f.w.header->findings_partly = finding_bit(TCPDIAG_RULE_ORPHAN_ACCUMULATION);
	fixture_seal(&f);
	text = print(400);
	ck_assert_ptr_null(strstr(text, "orphan-accumulation"));
	ck_assert_ptr_nonnull(strstr(text, "(limit not known)"));
	free(text);
	fixture_done(&f);

	/* What was not judged was not checked. */
	calm_host();
	f.w.header->findings_blind = finding_bit(TCPDIAG_RULE_LINGER_ZERO) | finding_bit(last);
	fixture_seal(&f);
	text = print(400);
	ck_assert_ptr_nonnull(strstr(text, "listener-queue-at-risk, linger-blocks,"));
	snprintf(end, sizeof(end), "%s.", tcpdiag_rule_id(last - 1));
	ck_assert_ptr_nonnull(strstr(text, end));
	ck_assert_ptr_null(strstr(text, "linger-zero"));
	ck_assert_ptr_null(strstr(text, tcpdiag_rule_id(last)));
	free(text);
	fixture_done(&f);

	/* Info alone stays calm, and is told. */
	calm_host();
	fixture_finding(&f, TCPDIAG_RULE_RST_ON_CLOSE, SEVERITY_INFO, 2);
	f.w.header->started_ns = FIXTURE_NOW - 60 * NSEC_PER_SEC;
	f.w.header->findings_warm_ns[TCPDIAG_RULE_CLOSE_WAIT_LEAK] = FIXTURE_NOW +
								     840 * NSEC_PER_SEC;
	f.w.header->findings_warm_ns[TCPDIAG_RULE_ABORTS_RISING] = FIXTURE_NOW + 600 * NSEC_PER_SEC;
	f.w.header->findings_warm_ns[TCPDIAG_RULE_FIN_WAIT2_STUCK] = FIXTURE_NOW - 1;
	fixture_seal(&f);
	text = print(400);
	ck_assert_ptr_nonnull(strstr(text, "info  tool"));
	ck_assert_ptr_nonnull(strstr(text, "No warning."));
	ck_assert_ptr_nonnull(strstr(text, "What grows slowly"));
	ck_assert_ptr_nonnull(strstr(text, "shows in 14 min at the latest; still warming up: "
					   "close-wait-leak, aborts-rising.\n"));
	free(text);
	fixture_done(&f);
}
END_TEST

/* A single look does not pretend to have watched. */
START_TEST(calm_at_once)
{
	char *text;

	calm_host();
	f.w.header->replay = _i;
	if (!_i)
		f.w.header->started_ns = FIXTURE_NOW - NSEC_PER_SEC;
	fixture_seal(&f);
	text = print(400);
	ck_assert_ptr_nonnull(strstr(text, "Nothing is wrong at first sight. Checked once:"));
	ck_assert_ptr_nonnull(strstr(text, "watching"));
	ck_assert_ptr_null(strstr(text, "Checked since"));
	free(text);
	fixture_done(&f);
}
END_TEST

/* A restart that has kept what was known does not begin anew, only what grows is learnt again. */
START_TEST(calm_after_a_restart)
{
	char *text;

	calm_host();
	f.w.header->started_ns = FIXTURE_NOW - NSEC_PER_SEC;
	f.w.header->history.restart_count = 1;
	f.w.header->history.since_ns = FIXTURE_NOW - 7200 * NSEC_PER_SEC;
	fixture_seal(&f);
	text = print(400);
	ck_assert_msg(strstr(text, "Checked since 2025-11-23 02:00:00 UTC (2.0 h)") != NULL, "%s",
		      text);
	ck_assert_ptr_null(strstr(text, "warming up"));
	free(text);
	fixture_done(&f);
}
END_TEST

/* A failed source is never good news. */
START_TEST(unknown)
{
	char *text;

	calm_host();
	fixture_source(&f, SOURCE_SOCK_DIAG)->state = SOURCE_FAILED;
	fixture_source(&f, SOURCE_SOCK_DIAG)->reason = fixture_string(&f, "EPERM on the socket");
	f.w.header->orphans.count_known = false;
	f.w.header->environment.known = 0;
	fixture_seal(&f);
	text = print(100);
	ck_assert_ptr_nonnull(strstr(text, "sock_diag (failed): EPERM on the socket"));
	ck_assert_ptr_nonnull(strstr(text, "Nothing can be said"));
	ck_assert_ptr_nonnull(strstr(text, "sockets not known"));
	ck_assert_ptr_nonnull(strstr(text, "orphans not known"));
	ck_assert_ptr_nonnull(strstr(text, "memory not known"));
	ck_assert_ptr_null(strstr(text, "Nothing is wrong"));
	ck_assert_ptr_null(strstr(text, "resets nothing"));
	ck_assert_ptr_null(strstr(text, "established"));
	free(text);
	fixture_done(&f);

	calm_host();
	fixture_source(&f, SOURCE_PROCESSES)->state = SOURCE_OFF;
	fixture_source(&f, SOURCE_NAMESPACES)->state = SOURCE_STARTING;
	f.w.header->missing = fixture_string(&f, "half of it\nthe other half\n"
						 "namespaces: has not answered yet");
	fixture_seal(&f);
	text = print(100);
	ck_assert_ptr_nonnull(strstr(text, "NOT SEEN  half of it\nNOT SEEN  the other half\n"));
	ck_assert_ptr_nonnull(strstr(text, "Stop now  not known"));
	ck_assert_ptr_nonnull(strstr(text, "Nothing is wrong in what could be seen."));
	ck_assert_ptr_null(strstr(text, "resets nothing"));
	/* Said once. */
	ck_assert_ptr_null(strstr(text, "namespaces (starting)"));
	free(text);
	fixture_done(&f);
}
END_TEST

/* What nobody is seen to hold is in no row, and that is said. */
START_TEST(strangers)
{
	struct record *records;
	uint32_t count;
	char *text;

	fixture_begin(&f);
	records = snapshot_writer_records(&f.w, &count);
	records[R_DONE].holders = 0;
	f.w.header->environment.known &= ~(uint32_t)TCPDIAG_ENV_MEMORY;
	fixture_seal(&f);
	text = print(100);
	ck_assert_ptr_nonnull(
		strstr(text, "Not in this: 1 socket whose holder is not seen; 1 would be reset."));
	ck_assert_ptr_nonnull(strstr(text, " (limit not known)"));
	free(text);
	fixture_done(&f);

	calm_host();
	records = snapshot_writer_records(&f.w, &count);
	records[R_LIVE].holders = records[R_LISTENER].holders = 0;
	records[R_SHARED].sk.mptcp_subflow = true;
	records[R_SHARED].holders = 0;
	fixture_seal(&f);
	text = print(100);
	ck_assert_ptr_nonnull(
		strstr(text, "the only holder of sockets that is seen, resets nothing"));
	ck_assert_ptr_nonnull(strstr(
		text, "Not in this: 2 sockets whose holder is not seen; none would be reset."));
	free(text);
	fixture_done(&f);
}
END_TEST

/* A command is copied in one piece: it wraps as a whole. */
START_TEST(commands_stay_whole)
{
	unsigned int columns;

	for (columns = 75; columns <= 200; columns++) {
		char *text;

		fixture_begin(&f);
		fixture_finding(&f, TCPDIAG_RULE_CLOSE_WAIT_LEAK, SEVERITY_WARNING, 2);
		fixture_seal(&f);
		text = print(columns);
		ck_assert_ptr_nonnull(
			strstr(text, "curl 'localhost:19293/sockets?state=close-wait&group=unit'"));
		free(text);
		fixture_done(&f);
	}
}
END_TEST

/* What several owners share survives the end of each; what is known is not in doubt. */
START_TEST(stop_now)
{
	struct record *records;
	uint32_t i, count;
	char *text;

	fixture_begin(&f);
	records = snapshot_writer_records(&f.w, &count);
	for (i = 0; i < count; i++)
		records[i].sk.known |= TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_LINGER2 |
				       TCPDIAG_KNOWS_REPAIR;
	records[R_SHARED].close_segment = TCPDIAG_SEGMENT_RST;
	fixture_seal(&f);
	text = print(100);
	ck_assert_ptr_nonnull(strstr(text, "web.service                           1 "));
	ck_assert_ptr_null(strstr(text, "SO_LINGER"));
	free(text);
	fixture_done(&f);
}
END_TEST

/* A reset that no unread byte explains is explained. */
START_TEST(stop_now_by_linger)
{
	static const char *const lines[] = {
		"\n  1 by SO_LINGER 0\n",
		"\n  1 by SO_LINGER 0, which its listener has, too\n",
	};
	struct record *records;
	uint32_t i, count;
	char *text;

	fixture_begin(&f);
	records = snapshot_writer_records(&f.w, &count);
	for (i = 0; i < count; i++)
		records[i].sk.known |= TCPDIAG_KNOWS_LINGER;
	records[R_LIVE].close_rule = TCPDIAG_RULE_CLOSE_LINGER_ZERO;
	records[R_LIVE].listener = _i ? R_LISTENER : RECORD_NONE;
	records[R_LISTENER].sk.linger = true;
	fixture_seal(&f);
	text = print(100);
	ck_assert_msg(strstr(text, lines[_i]), "%s", text);
	free(text);
	fixture_done(&f);
}
END_TEST

START_TEST(stretched)
{
	char *text;

	calm_host();
	f.w.header->lanes[LANE_SWEEP].interval_ns = 40 * NSEC_PER_SEC;
	f.w.header->lanes[LANE_SWEEP].last_ns = FIXTURE_NOW - 31 * NSEC_PER_SEC;
	fixture_seal(&f);
	text = print(132);
	ck_assert_ptr_nonnull(strstr(text, "all 31 s old (polled each 40 s only"));
	free(text);
	fixture_done(&f);
}
END_TEST

START_TEST(at_rest)
{
	char *text;

	calm_host();
	f.w.header->follow.left_alone_ns = FIXTURE_NOW - 7 * NSEC_PER_SEC;
	fixture_seal(&f);
	text = print(132);
	ck_assert_ptr_nonnull(strstr(text, "teardown 0.0 s old (at rest up to 7.0 s)"));
	free(text);
	fixture_done(&f);
}
END_TEST

START_TEST(columns_parameter)
{
	static const struct {
		const char *query;
		unsigned int columns; /* 0: refused */
	} cases[] = { { "", 100 },	   { "columns=40", 40 }, { "columns=80", 80 },
		      { "columns=39", 0 }, { "columns=401", 0 }, { "columns=wide", 0 } };
	struct problem problem = { 0 };
	char *text;

	fixture_default(&f);
	text = fixture_get(&f, root_route, cases[_i].query, NULL, &problem);
	if (cases[_i].columns) {
		ck_assert_ptr_nonnull(text);
		check_lines(text, cases[_i].columns);
	} else {
		ck_assert_ptr_null(text);
		ck_assert_uint_eq(problem.status, 400);
		ck_assert_str_eq(problem.parameter, "columns");
	}
	free(text);
	fixture_done(&f);
}
END_TEST

START_TEST(numbers)
{
	static const struct {
		uint64_t value;
		const char *number, *bytes;
	} cases[] = {
		{ 0, "0", "0 B" },
		{ 999, "999", "999 B" },
		{ 1000, "1,000", "1.0 kB" },
		{ 148150, "148,150", "148.2 kB" },
		{ 999999, "999,999", "1.0 MB" },
		{ UINT64_MAX, "18,446,744,073,709,551,615", "18.4 EB" },
	};
	static const struct {
		double seconds;
		const char *text;
	} durations[] = {
		{ 0, "0.0 s" },	   { -5, "0.0 s" },	 { 0.84, "0.8 s" }, { 9.97, "10 s" },
		{ 22, "22 s" },	   { 599, "599 s" },	 { 600, "10 min" }, { 7300, "2.0 h" },
		{ 200000, "2 d" }, { 1e12, "for ever" },
	};
	char text[NUMBER_MAX];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ck_assert_str_eq(number_text(cases[i].value, text), cases[i].number);
		ck_assert_str_eq(bytes_text(cases[i].value, text), cases[i].bytes);
	}
	for (i = 0; i < ARRAY_SIZE(durations); i++)
		ck_assert_str_eq(seconds_text(durations[i].seconds, text), durations[i].text);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("report");
	TCase *t = tcase_create("report");

	tcase_add_test(t, busy);
	tcase_add_test(t, many);
	tcase_add_loop_test(t, never_wider, 0, 7);
	tcase_add_test(t, calm);
	tcase_add_loop_test(t, calm_at_once, 0, 2);
	tcase_add_test(t, calm_after_a_restart);
	tcase_add_test(t, unknown);
	tcase_add_test(t, stop_now);
	tcase_add_loop_test(t, stop_now_by_linger, 0, 2);
	tcase_add_test(t, strangers);
	tcase_add_test(t, commands_stay_whole);
	tcase_add_test(t, stretched);
	tcase_add_test(t, at_rest);
	tcase_add_loop_test(t, columns_parameter, 0, 6);
	tcase_add_test(t, numbers);
	suite_add_tcase(s, t);
	return s;
}
