/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of namespaces and the plan of a pass: which are dumped, what is counted, what has gone.
 */
#include <errno.h>
#include <string.h>

#include "../harness.h"
#include "collector/spaces.h"
#include "collector/spaces_plan.h"
#include "model/macro.h"

#define NOW (1000 * NSEC_PER_SEC)
#define AGO(seconds) (NOW - (int64_t)((seconds)*1e9))
#define MS 1e6

/* ---- the plan ---- */

struct row {
	int64_t read_ns;
	double cost_ms;
	bool changed, restless, empty, blocked;
	bool chosen; /* expected */
};

static const struct {
	const char *what;
	double budget_ms;
	bool all, fast;
	uint32_t waiting; /* expected */
	struct row rows[6]; /* the first is the own one */
} plans[] = {
	{ "the own one is read however little may be spent",
	  0,
	  false,
	  false,
	  0,
	  { { AGO(0.1), 50, .chosen = true } } },
	{ "what was never read comes, and at once",
	  10,
	  false,
	  false,
	  0,
	  { { AGO(1), 1, .chosen = true }, { 0, 2, .chosen = true } } },
	{ "what has not changed does not come",
	  10,
	  false,
	  false,
	  0,
	  { { AGO(1), 1, .chosen = true }, { AGO(5), 2, .chosen = false } } },
	{ "what has changed comes after an interval, give or take half of one",
	  100,
	  false,
	  false,
	  0,
	  { { AGO(1), 1, .chosen = true },
	    { AGO(0.4), 2, .changed = true, .chosen = false },
	    { AGO(0.6), 2, .changed = true, .chosen = true } } },
	{ "one whose sockets change without a sign comes each ten intervals",
	  100,
	  false,
	  false,
	  0,
	  { { AGO(1), 1, .chosen = true },
	    { AGO(9), 2, .restless = true, .chosen = false },
	    { AGO(10), 2, .restless = true, .chosen = true } } },
	{ "a quiet one comes each minute",
	  100,
	  false,
	  false,
	  0,
	  { { AGO(1), 1, .chosen = true },
	    { AGO(58), 2, .chosen = false },
	    { AGO(60), 2, .chosen = true } } },
	{ "the longest overdue comes first, and the budget ends it",
	  4,
	  false,
	  false,
	  2,
	  { { AGO(1), 1, .chosen = true },
	    { AGO(3), 2, .changed = true, .chosen = false },
	    { AGO(5), 2, .changed = true, .chosen = true },
	    { AGO(4), 2, .changed = true, .chosen = true },
	    { AGO(2), 2, .changed = true, .chosen = false } } },
	{ "one comes however little is left",
	  0,
	  false,
	  false,
	  1,
	  { { AGO(1), 1, .chosen = true },
	    { AGO(3), 20, .changed = true, .chosen = false },
	    { AGO(5), 20, .changed = true, .chosen = true } } },
	{ .what = "quiet ones are not starved by busy ones, and take no more than a quarter",
	  .budget_ms = 8,
	  .waiting = 2,
	  .rows = { { AGO(1), 1, .chosen = true },
		    { AGO(2), 8, .changed = true, .chosen = true },
		    { AGO(2), 8, .changed = true, .chosen = false },
		    { AGO(80), 1, .chosen = true },
		    { AGO(70), 1, .chosen = true },
		    { AGO(65), 1, .chosen = false } } },
	{ .what = "a pass of the fast lane leaves quiet ones to the sweep",
	  .budget_ms = 100,
	  .fast = true,
	  .rows = { { AGO(1), 1, .chosen = true },
		    { AGO(700), 1, .chosen = false },
		    { AGO(20), 1, .restless = true, .chosen = true },
		    { 0, 1, .chosen = true } } },
	{ .what = "where there is no socket nothing is looked for",
	  .budget_ms = 100,
	  .rows = { { AGO(1), 1, .chosen = true },
		    { AGO(500), 1, .empty = true, .chosen = false },
		    { AGO(600), 1, .empty = true, .chosen = true },
		    { AGO(3), 1, .empty = true, .changed = true, .chosen = true } } },
	{ "those with a table of their own do not wait for a budget",
	  0,
	  false,
	  false,
	  0,
	  { { AGO(1), 1, .chosen = true },
	    { AGO(3), 0.05, .changed = true, .chosen = true },
	    { AGO(5), 20, .changed = true, .chosen = true } } },
	{ "one that cannot be read is left alone",
	  100,
	  false,
	  false,
	  0,
	  { { AGO(1), 1, .chosen = true }, { 0, 2, .blocked = true, .chosen = false } } },
	{ "where nobody waits all of them are read",
	  0,
	  true,
	  false,
	  0,
	  { { AGO(1), 1, .chosen = true },
	    { AGO(0.1), 20, .chosen = true },
	    { 0, 20, .chosen = true },
	    { 0, 20, .blocked = true, .chosen = false } } },
};

START_TEST(test_plan)
{
	const struct plan_terms terms = { .now_ns = NOW,
					  .interval_ns = NSEC_PER_SEC,
					  .budget_ns = plans[_i].budget_ms * MS,
					  .sweep = !plans[_i].fast,
					  .all = plans[_i].all };
	struct plan_row rows[ARRAY_SIZE(plans[0].rows)] = {};
	uint32_t count = 0, i;

	for (; count < ARRAY_SIZE(rows) && plans[_i].rows[count].cost_ms > 0; count++)
		rows[count] = (struct plan_row){ .number = count,
						 .own = !count,
						 .blocked = plans[_i].rows[count].blocked,
						 .changed = plans[_i].rows[count].changed,
						 .restless = plans[_i].rows[count].restless,
						 .empty = plans[_i].rows[count].empty,
						 .read_ns = plans[_i].rows[count].read_ns,
						 .cost_ns = plans[_i].rows[count].cost_ms * MS };
	ck_assert_uint_eq(spaces_plan(rows, count, &terms), plans[_i].waiting);
	for (i = 0; i < count; i++)
		ck_assert_msg(rows[i].chosen == plans[_i].rows[rows[i].number].chosen, "%s: row %u",
			      plans[_i].what, rows[i].number);
}
END_TEST

/* However many there are and however little may be spent: each one has its turn. */
START_TEST(test_everybody_has_a_turn)
{
	enum { COUNT = 40 };
	int64_t read_ns[COUNT] = { 0 };
	uint32_t times[COUNT] = { 0 };

	for (int64_t pass = 1; pass <= 200; pass++) {
		const struct plan_terms terms = { .now_ns = pass * NSEC_PER_SEC,
						  .interval_ns = NSEC_PER_SEC,
						  .budget_ns = 5 * MS };
		struct plan_row rows[COUNT];
		uint32_t taken = 0, i;

		for (i = 0; i < COUNT; i++)
			rows[i] = (struct plan_row){ .number = i,
						     .own = i == 7,
						     .changed = true,
						     .read_ns = read_ns[i],
						     .cost_ns = 2 * MS };
		spaces_plan(rows, COUNT, &terms);
		for (i = 0; i < COUNT; i++) {
			if (!rows[i].chosen)
				continue;
			times[rows[i].number]++;
			read_ns[rows[i].number] = terms.now_ns;
			taken += !rows[i].own;
		}
		ck_assert_uint_eq(taken, 2);
	}
	for (uint32_t i = 0; i < COUNT; i++)
		ck_assert_uint_ge(times[i], 400 / COUNT - 1);
	ck_assert_uint_eq(times[7], 200);
}
END_TEST

/* ---- the table ---- */

static struct spaces spaces;
static uint32_t lost[8], lost_count;

static void note_lost(void *context, uint32_t inode)
{
	ck_assert_ptr_eq(context, &spaces);
	lost[lost_count++] = inode;
}

static void sync_with(const uint32_t *inodes, uint32_t count, int64_t now_ns)
{
	struct netns_place places[8] = {};

	for (uint32_t i = 0; i < count; i++) {
		places[i].inode = inodes[i];
		places[i].pid = (int32_t)inodes[i] * 10;
		snprintf(places[i].name, sizeof(places[i].name), "n%u", inodes[i]);
	}
	lost_count = 0;
	ck_assert_int_eq(spaces_sync(&spaces, places, count, now_ns, note_lost, &spaces), 0);
}

static void open_table(void)
{
	ck_assert_int_eq(spaces_init(&spaces, 50), 0);
}

static void close_table(void)
{
	spaces_done(&spaces);
}

START_TEST(test_table)
{
	struct space *kept;

	ck_assert_ptr_eq(spaces_find(&spaces, 50), spaces.own);
	ck_assert_ptr_null(spaces_find(&spaces, 49));
	sync_with((uint32_t[]){ 20, 50, 70 }, 3, 5);
	ck_assert_uint_eq(spaces.count, 3);
	ck_assert(!spaces.lost);
	kept = spaces_find(&spaces, 70);
	ck_assert_int_eq(kept->pid, 700);
	ck_assert_str_eq(kept->name, "n70");
	ck_assert_int_eq(kept->since_ns, 5);
	kept->sweep_ns = 9;

	/* One goes, one comes, and who stays stays who it was. */
	sync_with((uint32_t[]){ 10, 50, 60, 70 }, 4, 6);
	ck_assert_uint_eq(lost_count, 1);
	ck_assert_uint_eq(lost[0], 20);
	ck_assert(spaces.lost);
	ck_assert_uint_eq(spaces.count, 4);
	for (uint32_t i = 1; i < spaces.count; i++)
		ck_assert_uint_lt(spaces.rows[i - 1]->inode, spaces.rows[i]->inode);
	ck_assert_ptr_eq(spaces_find(&spaces, 70), kept);
	ck_assert_int_eq(kept->sweep_ns, 9);
	ck_assert_int_eq(kept->since_ns, 5);
	ck_assert_ptr_null(spaces_find(&spaces, 20));

	/* The own one stays, whatever is found. */
	sync_with(NULL, 0, 7);
	ck_assert_uint_eq(lost_count, 3);
	ck_assert_uint_eq(spaces.count, 1);
	ck_assert_ptr_eq(spaces.rows[0], spaces.own);
	ck_assert_ptr_eq(spaces_find(&spaces, 50), spaces.own);

	/* A dump file has no numbers. */
	spaces.only = true;
	ck_assert_ptr_eq(spaces_find(&spaces, 0), spaces.own);
}
END_TEST

static void count_to(uint32_t inode, uint64_t value, int64_t seconds)
{
	struct counters counters = { .known = 1U << COUNTER_OUT_RSTS };

	counters.value[COUNTER_OUT_RSTS] = value;
	spaces_count(&spaces, spaces_find(&spaces, inode), &counters, seconds * NSEC_PER_SEC);
}

START_TEST(test_counters)
{
	struct counters rates;
	int64_t i;

	sync_with((uint32_t[]){ 20, 50 }, 2, 5);
	count_to(50, 100, 1);
	count_to(20, 1000, 1);
	/* What was counted before is in the sum; nothing of it has happened now. */
	ck_assert_uint_eq(spaces.sum.value[COUNTER_OUT_RSTS], 1100);
	ck_assert_uint_eq(spaces.moved.value[COUNTER_OUT_RSTS], 0);
	count_to(50, 103, 2);
	count_to(20, 1007, 2);
	ck_assert_uint_eq(spaces.sum.value[COUNTER_OUT_RSTS], 1110);
	ck_assert_uint_eq(spaces.moved.value[COUNTER_OUT_RSTS], 10);
	/* It dies, and takes nothing away; one under its number begins from 0. */
	sync_with((uint32_t[]){ 50 }, 1, 6);
	ck_assert_uint_eq(spaces.sum.value[COUNTER_OUT_RSTS], 1110);
	sync_with((uint32_t[]){ 20, 50 }, 2, 7);
	count_to(20, 4, 3);
	ck_assert_uint_eq(spaces.sum.value[COUNTER_OUT_RSTS], 1114);
	ck_assert_uint_eq(spaces.moved.value[COUNTER_OUT_RSTS], 10);

	/* Before a minute has passed it is what came since the first look, which saw what was there already. */
	for (i = 4; i < 55; i++)
		count_to(20, i < 10 ? 4 : 6, i);
	space_rates(spaces_find(&spaces, 20), &rates);
	ck_assert_uint_eq(rates.known, 1U << COUNTER_OUT_RSTS);
	ck_assert_uint_eq(rates.value[COUNTER_OUT_RSTS], 2);
	for (; i < 100; i++)
		count_to(20, (uint64_t)i, i);
	space_rates(spaces_find(&spaces, 20), &rates);
	ck_assert_uint_eq(rates.known, 1U << COUNTER_OUT_RSTS);
	ck_assert_uint_ge(rates.value[COUNTER_OUT_RSTS], 55);
	ck_assert_uint_le(rates.value[COUNTER_OUT_RSTS], 96);
}
END_TEST

/* The daemon runs elsewhere than in the first namespace, which alone shows the limits, and reads that one, too. */
START_TEST(test_limits_of_another)
{
	const struct tcpdiag_environment first = {
		.known = TCPDIAG_ENV_FIN_TIMEOUT | TCPDIAG_ENV_ORPHANS | TCPDIAG_ENV_MEMORY,
		.tcp_fin_timeout = 30,
		.tcp_max_orphans = 4096,
		.tcp_mem = { 1, 2, 3 },
	};
	const struct tcpdiag_environment child = {
		.known = TCPDIAG_ENV_TIMEWAITS | TCPDIAG_ENV_MEMORY_PAGES,
		.orphans = 7,
		.memory_pages = 2,
	};
	struct tcpdiag_environment env = child;
	struct space *space;

	sync_with((uint32_t[]){ 5, 20 }, 2, 1);
	space = spaces_find(&spaces, 20);
	space_limits(spaces_find(&spaces, 5), &child);
	spaces_fill_limits(&spaces, &env);
	ck_assert_uint_eq(env.known, child.known);
	space_limits(space, &first);
	spaces_fill_limits(&spaces, &env);
	ck_assert_uint_eq(env.known, child.known | TCPDIAG_ENV_ORPHANS | TCPDIAG_ENV_MEMORY);
	ck_assert_uint_eq(env.tcp_max_orphans, 4096);
	ck_assert_uint_eq(env.orphans, 7);
	ck_assert_uint_eq(env.tcp_mem[2], 3);

	/* What the own one shows stands. */
	env = child;
	env.known |= TCPDIAG_ENV_ORPHANS;
	env.tcp_max_orphans = 5;
	spaces_fill_limits(&spaces, &env);
	ck_assert_uint_eq(env.tcp_max_orphans, 5);
	ck_assert_uint_eq(env.tcp_mem[0], 1);

	/* Nothing to compare with them; and nobody to read them any more. */
	env = (struct tcpdiag_environment){};
	spaces_fill_limits(&spaces, &env);
	ck_assert_uint_eq(env.known, 0);
	space_failed(&spaces, space, EPERM, "it cannot be entered", 0);
	env = child;
	spaces_fill_limits(&spaces, &env);
	ck_assert_uint_eq(env.known, child.known);
}
END_TEST

START_TEST(test_surroundings)
{
	const struct tcpdiag_environment its = {
		.known = TCPDIAG_ENV_FIN_TIMEOUT | TCPDIAG_ENV_TIMEWAITS | TCPDIAG_ENV_ORPHANS,
		.tcp_fin_timeout = 30,
		.orphans = 1,
		.tcp_max_orphans = 2,
		.timewaits = 3,
	};
	const struct tcpdiag_environment machine = {
		.known = TCPDIAG_ENV_FIN_TIMEOUT | TCPDIAG_ENV_MEMORY,
		.tcp_fin_timeout = 60,
		.orphans = 7,
		.timewaits = 8,
		.tcp_mem = { 1, 2, 3 },
	};
	const struct tcpdiag_environment *env = &spaces.own->environment;

	space_surround(spaces.own, &its, &machine);
	ck_assert_uint_eq(env->known,
			  TCPDIAG_ENV_FIN_TIMEOUT | TCPDIAG_ENV_TIMEWAITS | TCPDIAG_ENV_MEMORY);
	ck_assert_uint_eq(env->tcp_fin_timeout, 30);
	ck_assert_uint_eq(env->timewaits, 3);
	ck_assert_uint_eq(env->orphans, 7);
	ck_assert_uint_eq(env->tcp_mem[2], 3);
}
END_TEST

/* By what a dump costs, where the machine's table is clearly dearer. */
START_TEST(test_own_table)
{
	struct space *space;

	sync_with((uint32_t[]){ 20, 50 }, 2, 5);
	space = spaces_find(&spaces, 20);
	ck_assert_double_gt(space_price(&spaces, space, false), 0);
	space_paid(&spaces, spaces.own, false, 1000000);
	/* Never measured: it may share the table. */
	ck_assert_double_eq(space_price(&spaces, space, false), 1000000);
	space_paid(&spaces, space, false, 20000);
	ck_assert(space->own_table);
	ck_assert_double_eq(space_price(&spaces, space, false), 20000);
	space_paid(&spaces, space, false, 900000);
	ck_assert(!space->own_table);
	/* Nothing is expensive on a machine with a small table. */
	space_paid(&spaces, spaces.own, false, 1000);
	for (int i = 0; i < 20; i++) {
		space_paid(&spaces, spaces.own, false, 30000);
		space_paid(&spaces, space, false, 25000);
	}
	ck_assert(!space->own_table);
}
END_TEST

START_TEST(test_failure)
{
	struct space *space;

	sync_with((uint32_t[]){ 20, 50 }, 2, 5);
	space = spaces_find(&spaces, 20);
	space_failed(&spaces, space, EPERM, "it cannot be entered", 77);
	ck_assert_int_eq(space->error, EPERM);
	ck_assert_int_eq(space->retry_ns, 77);
	ck_assert_ptr_null(space->diag);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("spaces");
	TCase *plan = tcase_create("plan"), *table = tcase_create("table");

	tcase_add_loop_test(plan, test_plan, 0, ARRAY_SIZE(plans));
	tcase_add_test(plan, test_everybody_has_a_turn);
	suite_add_tcase(s, plan);
	tcase_add_checked_fixture(table, open_table, close_table);
	tcase_add_test(table, test_table);
	tcase_add_test(table, test_counters);
	tcase_add_test(table, test_limits_of_another);
	tcase_add_test(table, test_surroundings);
	tcase_add_test(table, test_own_table);
	tcase_add_test(table, test_failure);
	suite_add_tcase(s, table);
	return s;
}
