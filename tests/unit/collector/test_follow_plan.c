/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When the fast lane looks up and when it dumps.
 */
#include <check.h>

#include "../harness.h"
#include "collector/follow_plan.h"
#include "model/macro.h"

#define S NSEC_PER_SEC
#define NOW (1000 * S)
#define DUMP_NS 10e6

/* 1000 sockets at 1 us, and a dump of 10 ms a second ago: looked up. */
static const struct space_follow ready = {
	.seeded_ns = NOW - S,
	.priced_ns = NOW - S,
	.dump_ns = DUMP_NS,
	.dump_sockets = 1000,
	.known = 900,
	.due = 900,
	.news = 100,
};
static const struct follow_terms plain = {
	.now_ns = NOW,
	.since_ns = NOW - 100 * S,
	.look_up_ns = 1000,
	.look_up = true,
};

static struct space_follow planned(struct space_follow space, struct follow_terms terms)
{
	follow_plan(&space, &terms);
	return space;
}

START_TEST(test_looked_up_where_nothing_is_missing)
{
	static const struct {
		int64_t seeded_ns, priced_ns, since_ns, distrust_ns;
		bool look_up, reads;
	} rows[] = {
		{ NOW - S, NOW - S, NOW - 100 * S, 0, true, true },
		{ NOW - S, NOW - S, NOW - S, 0, true, true },
		{ NOW - S, NOW - S, NOW - S + 1, 0, true, false }, /* a gap since the dump */
		{ 0, NOW - S, NOW - 100 * S, 0, true, false }, /* never dumped in full */
		{ NOW - S, 0, NOW - 100 * S, 0, true, false }, /* nobody knows what a dump costs */
		{ NOW - S, NOW - S, INT64_MAX, 0, true, false }, /* no events */
		{ NOW - S, NOW - S, NOW - 100 * S, 0, false, false }, /* no look-ups */
		{ NOW - S, NOW - S, NOW - 100 * S, NOW + 1, true, false }, /* in doubt */
		{ NOW - S, NOW - S, NOW - 100 * S, NOW, true, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct space_follow space = ready;
		struct follow_terms terms = plain;

		space.seeded_ns = rows[i].seeded_ns;
		space.priced_ns = rows[i].priced_ns;
		space.distrust_ns = rows[i].distrust_ns;
		terms.since_ns = rows[i].since_ns;
		terms.look_up = rows[i].look_up;
		space = planned(space, terms);
		ck_assert_msg(space.reads == rows[i].reads, "row %zu", i);
		ck_assert(!space.audits);
	}
}
END_TEST

START_TEST(test_the_cheaper_way_with_reluctance)
{
	static const struct {
		double look_up_ns;
		bool before, by_events;
	} rows[] = {
		{ 7900, false, true },	{ 8100, false, false }, { 10900, true, true },
		{ 11100, true, false }, { 100, true, true },	{ 100000, false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct space_follow space = ready;
		struct follow_terms terms = plain;

		space.by_events = rows[i].before;
		terms.look_up_ns = rows[i].look_up_ns;
		space = planned(space, terms);
		ck_assert_msg(space.by_events == rows[i].by_events, "row %zu", i);
		ck_assert_int_eq(space.reads, space.by_events);
	}
}
END_TEST

/* Only what is due is looked up, and behind a dump settings are read. */
START_TEST(test_the_cheaper_way_for_those_that_are_due)
{
	static const struct {
		uint32_t known, due, asks;
		double look_up_ns, ask_ns, dump_ns;
		bool by_events;
	} rows[] = {
		{ 100000, 20000, 3000, 1500, 500, 100e6, true },
		{ 100000, 0, 0, 100000, 500, 10e6, true }, /* all of them rest */
		{ 100000, 100000, 100000, 1500, 500, 100e6, false }, /* each of them moves */
		{ 100000, 100000, 100000, 1500, 1000, 100e6, true },
		/* A table of a few long chains: a look-up walks one, a dump all of them once. */
		{ 40000, 8000, 1300, 30000, 30000, 120e6, false },
		{ 40000, 8000, 8000, 30000, 30000, 120e6, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct space_follow space = ready;
		struct follow_terms terms = plain;

		space.known = space.dump_sockets = rows[i].known;
		space.news = 0;
		space.due = rows[i].due;
		space.asks = rows[i].asks;
		space.dump_ns = rows[i].dump_ns;
		terms.look_up_ns = rows[i].look_up_ns;
		terms.ask_ns = rows[i].ask_ns;
		space = planned(space, terms);
		ck_assert_msg(space.by_events == rows[i].by_events, "row %zu", i);
	}
}
END_TEST

/* What a dump costs is asked anew where there are many more sockets, or many fewer, than there were. */
START_TEST(test_an_old_price)
{
	static const struct {
		uint32_t known;
		bool reads;
	} rows[] = {
		{ 0, true },
		{ 2900, true },
		{ 2901, false },
		{ 100000, false },
	};
	struct space_follow many = ready;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct space_follow space = ready;

		space.known = rows[i].known;
		space.by_events = true;
		space = planned(space, plain);
		ck_assert_msg(space.reads == rows[i].reads, "row %zu", i);
		/* It only finds out: that is no decision. */
		ck_assert(space.by_events);
	}
	many.dump_sockets = 100000;
	many.known = 40000;
	ck_assert(!planned(many, plain).reads);
	many.known = 60000;
	many.dump_ns = 1e9;
	ck_assert(planned(many, plain).reads);
}
END_TEST

START_TEST(test_audits)
{
	struct space_follow space = ready;
	struct follow_terms terms = plain;

	space.seeded_ns = NOW - 30 * S;
	space = planned(space, terms);
	ck_assert(space.by_events && space.audits && !space.reads);
	/* Not so soon after another namespace's. */
	terms.audit_ns = NOW + 1;
	space = planned(space, terms);
	ck_assert(space.reads && !space.audits);
	/* Sweeps are as good as audits, but do not tell the price. */
	terms.audit_ns = 0;
	space.seeded_ns = NOW - S;
	space.priced_ns = NOW - 600 * S;
	ck_assert(planned(space, terms).audits);
	space.priced_ns++;
	ck_assert(!planned(space, terms).audits);
}
END_TEST

/* Two hundred of 10 ms, all due at once: half a percent of a core, and never more than a second's worth in a pass. */
START_TEST(test_audits_of_many_namespaces_share)
{
	struct follow_terms terms = plain;
	uint32_t audits = 0;

	for (int second = 0; second < 400; second++) {
		uint32_t before = audits;

		for (int i = 0; i < 200; i++) {
			struct space_follow space = ready;

			space.seeded_ns = terms.now_ns - 31 * S;
			follow_plan(&space, &terms);
			if (!space.audits)
				continue;
			audits++;
			terms.audit_ns = follow_next_audit(&terms, space.dump_ns);
		}
		ck_assert_uint_le(audits - before, 1);
		terms.now_ns += S;
		terms.since_ns = NOW - 1000 * S;
	}
	/* 400 s x 0.005 / 10 ms. */
	ck_assert_uint_ge(audits, 190);
	ck_assert_uint_le(audits, 202);
}
END_TEST

START_TEST(test_doubts_grow_and_are_forgiven)
{
	static const int64_t minutes[] = { 1, 2, 4, 8, 16, 16 };
	struct space_follow space = ready;
	int64_t now = NOW;

	for (size_t i = 0; i < ARRAY_SIZE(minutes); i++) {
		follow_doubt(&space, now);
		follow_doubt(&space, now + 1); /* many are one */
		ck_assert_int_eq(space.distrust_ns - now, minutes[i] * 60 * S);
		ck_assert(!space.by_events);
		now = space.distrust_ns;
	}
	now += 1801 * S;
	follow_seeded(&space, now, 0, 0);
	ck_assert_int_eq(space.seeded_ns, now);
	ck_assert_double_eq(space.dump_ns, DUMP_NS);
	follow_doubt(&space, now);
	ck_assert_int_eq(space.distrust_ns - now, 60 * S);
	follow_seeded(&space, now, 5e6, 77);
	ck_assert_double_eq(space.dump_ns, 5e6);
	ck_assert_uint_eq(space.dump_sockets, 77);
	ck_assert_int_eq(space.priced_ns, now);
}
END_TEST

Suite *suite(void)
{
	TCase *tcase = tcase_create("plan");
	Suite *suite = suite_create("follow_plan");

	tcase_add_test(tcase, test_looked_up_where_nothing_is_missing);
	tcase_add_test(tcase, test_the_cheaper_way_with_reluctance);
	tcase_add_test(tcase, test_the_cheaper_way_for_those_that_are_due);
	tcase_add_test(tcase, test_an_old_price);
	tcase_add_test(tcase, test_audits);
	tcase_add_test(tcase, test_audits_of_many_namespaces_share);
	tcase_add_test(tcase, test_doubts_grow_and_are_forgiven);
	suite_add_tcase(suite, tcase);
	return suite;
}
