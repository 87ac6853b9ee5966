/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Findings of one snapshot after another, and the events that are made of their coming and going.
 */
#include <string.h>

#include "../harness.h"
#include "../model/journal_fixture.h"
#include "collector/raised.h"

static const char strings[] = "\0web.service\0nginx\0it leaks";
#define UNIT 1
#define COMM 13
#define SUMMARY 19

#define RULE_A TCPDIAG_RULE_CLOSE_WAIT_LEAK
#define RULE_B TCPDIAG_RULE_LINGER_ZERO

static struct block block;
static struct journal_cursor cursor;
static struct raised raised;
static struct snapshot_header header;

static void setup(void)
{
	block_open(&block, &small);
	journal_seek(&block.view, 0, &cursor);
	header = (struct snapshot_header){ .now_ns = 5 * NSEC_PER_SEC, .wall_ns = WALL_NS };
}

static void teardown(void)
{
	raised_done(&raised);
	block_close(&block);
}

/* "Aw Bi": a finding for each word; id and rule by the letter, severity i, w or c. */
static struct snapshot snapshot_of(const char *words, struct finding findings[static 8])
{
	struct snapshot s = { .header = &header,
			      .findings = findings,
			      .strings = strings,
			      .strings_size = sizeof(strings) };

	for (; *words; words += words[2] ? 3 : 2) {
		findings[s.finding_count++] = (struct finding){
			.id = (uint64_t)words[0],
			.rule = words[0] == 'A' ? RULE_A : RULE_B,
			.severity = words[1] == 'i'   ? SEVERITY_INFO
				    : words[1] == 'w' ? SEVERITY_WARNING
						      : SEVERITY_CRITICAL,
			.scope = SCOPE_PROCESS,
			.since_ns = 3 * NSEC_PER_SEC,
			.pid = 42,
			.count = 7,
			.unit = UNIT,
			.comm = COMM,
			.summary = SUMMARY,
		};
	}
	return s;
}

/* What came of it, in the same words with + for raised and - for cleared. */
static void expect(const char *words, const char *wanted)
{
	struct finding findings[8];
	struct snapshot s = snapshot_of(words, findings);
	struct event event;
	char told[128] = "";

	raised_look(&raised, &s, block.journal);
	while (journal_next(&block.view, &cursor, JOURNAL_RINGS_ALL, &event) > 0)
		snprintf(told + strlen(told), sizeof(told) - strlen(told), "%s%c%c%c",
			 told[0] ? " " : "", event.kind == EVENT_FINDING_RAISED ? '+' : '-',
			 (char)event.finding.finding, " iwc"[event.finding.severity]);
	ck_assert_str_eq(told, wanted);
}

static const struct {
	const char *first, *told_first, *second, *told_second, *third, *told_third;
} rows[] = {
	{ "", "", "", "", "", "" },
	{ "Ai", "+Ai", "Ai", "", "", "-Ai" },
	{ "Aw Bi", "+Aw +Bi", "Bi Aw", "", "Bi", "-Aw" },
	/* Worse is told, better is not, the end says how bad it was. */
	{ "Ai", "+Ai", "Aw", "+Aw", "Ac", "+Ac" },
	{ "Ac", "+Ac", "Ai", "", "", "-Ac" },
	{ "Aw", "+Aw", "Ac", "+Ac", "Aw", "" },
	{ "Aw", "+Aw", "", "-Aw", "Aw", "+Aw" },
	{ "Aw Bw Cw Dw", "+Aw +Bw +Cw +Dw", "Cw", "-Aw -Bw -Dw", "", "-Cw" },
};

START_TEST(test_comes_and_goes)
{
	expect(rows[_i].first, rows[_i].told_first);
	expect(rows[_i].second, rows[_i].told_second);
	expect(rows[_i].third, rows[_i].told_third);
}
END_TEST

START_TEST(test_what_is_told)
{
	struct finding findings[8];
	struct snapshot s = snapshot_of("Ac", findings);
	struct event event;

	raised_look(&raised, &s, block.journal);
	ck_assert_int_eq(journal_next(&block.view, &cursor, JOURNAL_RINGS_ALL, &event), 1);
	ck_assert_int_eq(event.when_ns, 5 * NSEC_PER_SEC);
	ck_assert_int_eq(event.wall_ns, WALL_NS);
	ck_assert_int_eq(event.finding.since_ns, 3 * NSEC_PER_SEC);
	ck_assert_uint_eq(event.finding.rule, RULE_A);
	ck_assert_uint_eq(event.finding.scope, SCOPE_PROCESS);
	ck_assert_int_eq(event.finding.pid, 42);
	ck_assert_uint_eq(event.finding.count, 7);
	ck_assert_str_eq(event.finding.unit, "web.service");
	ck_assert_str_eq(event.finding.comm, "nginx");
	ck_assert_str_eq(event.finding.summary, "it leaks");
}
END_TEST

/* While a rule cannot be judged what stood is not over. */
START_TEST(test_blind)
{
	expect("Aw Bw", "+Aw +Bw");
	header.findings_blind = finding_bit(RULE_A);
	expect("", "-Bw");
	header.findings_blind = 0;
	expect("Aw", "");
	expect("", "-Aw");
}
END_TEST

START_TEST(test_restored)
{
	struct finding findings[8];
	struct snapshot s = snapshot_of("Aw Bi", findings);

	raised_restore(&raised, &s);
	ck_assert_uint_eq(journal_newest(&block.view), 0);
	expect("Ac", "+Ac -Bi");
}
END_TEST

/* Many of them, in another order. */
START_TEST(test_many)
{
	static struct finding findings[500];
	struct snapshot s = { .header = &header,
			      .findings = findings,
			      .finding_count = 500,
			      .strings = strings,
			      .strings_size = sizeof(strings) };
	uint32_t i;

	for (i = 0; i < 500; i++)
		findings[i] = (struct finding){ .id = i + 1, .rule = RULE_A, .severity = 1 };
	raised_look(&raised, &s, block.journal);
	ck_assert_uint_eq(journal_newest(&block.view), 500);
	for (i = 0; i < 500; i++)
		findings[i].id = 500 - i;
	raised_look(&raised, &s, block.journal);
	ck_assert_uint_eq(journal_newest(&block.view), 500);
	s.finding_count = 100;
	raised_look(&raised, &s, block.journal);
	ck_assert_uint_eq(journal_newest(&block.view), 900);
	ck_assert_uint_eq(raised.count, 100);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("raised");
	TCase *c = tcase_create("raised");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_loop_test(c, test_comes_and_goes, 0, ARRAY_SIZE(rows));
	tcase_add_test(c, test_what_is_told);
	tcase_add_test(c, test_blind);
	tcase_add_test(c, test_restored);
	tcase_add_test(c, test_many);
	suite_add_tcase(s, c);
	return s;
}
