/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What counters and limits tell: TIME-WAIT that overflows, TCP's memory, aborts far above what is usual.
 */
#include "../harness.h"
#include "rules/aborts.h"
#include "world.h"

#define TW TCPDIAG_RULE_TIME_WAIT_OVERFLOW
#define MEMORY TCPDIAG_RULE_TCP_MEMORY_PRESSURE
#define ABORTS TCPDIAG_RULE_ABORTS_RISING
#define OTHER (NETNS + 5)

static struct world *world;

static void setup(void)
{
	world = world_new(100);
}

static void teardown(void)
{
	world_free(world);
}

static const char *text_of(enum tcpdiag_rule rule, size_t member)
{
	const struct finding *finding = world_expect(world, rule);
	uint32_t offset;

	memcpy(&offset, (const char *)finding + member, sizeof(offset));
	return world_text(world, offset);
}

#define SUMMARY(rule) text_of(rule, offsetof(struct finding, summary))
#define CAUSE(rule) text_of(rule, offsetof(struct finding, cause))

static void ck_has(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part), "\"%s\" is not in: %s", part, text);
}

/* ---- time-wait-overflow ---- */

static void set_timewaits(uint64_t used, uint64_t limit)
{
	world->environment.known |= TCPDIAG_ENV_TIMEWAITS;
	world->environment.timewaits = used;
	world->environment.tcp_max_tw_buckets = limit;
}

static const struct {
	uint64_t used, limit, overflows; /* in the last minute */
	int after_10_s, after_6_min;
} tw_rows[] = {
	{ 0, 0, 0, SEVERITY_NONE, SEVERITY_NONE }, /* no limit: nobody makes minisockets */
	{ 44, 50, 0, SEVERITY_NONE, SEVERITY_NONE },
	{ 45, 50, 0, SEVERITY_INFO, SEVERITY_INFO },
	{ 50, 50, 0, SEVERITY_INFO, SEVERITY_INFO },
	{ 0, 50, 1, SEVERITY_INFO, SEVERITY_INFO },
	{ 50, 50, 599, SEVERITY_INFO, SEVERITY_INFO }, /* just below 10/s */
	{ 50, 50, 600, SEVERITY_INFO, SEVERITY_WARNING },
	{ 50, 50, 600000, SEVERITY_INFO, SEVERITY_WARNING }, /* never critical */
};

START_TEST(tw_row)
{
	set_timewaits(tw_rows[_i].used, tw_rows[_i].limit);
	world->rates.value[COUNTER_TIME_WAIT_OVERFLOW] = tw_rows[_i].overflows;
	world_run(world, 10, 1);
	ck_assert_int_eq(world_severity(world, TW), tw_rows[_i].after_10_s);
	world_run(world, 350, 1);
	ck_assert_int_eq(world_severity(world, TW), tw_rows[_i].after_6_min);
}
END_TEST

START_TEST(tw_rate_has_to_last)
{
	world->rates.value[COUNTER_TIME_WAIT_OVERFLOW] = 1200;
	world_run(world, 290, 1);
	world->rates.value[COUNTER_TIME_WAIT_OVERFLOW] = 300;
	world_run(world, 2, 1);
	world->rates.value[COUNTER_TIME_WAIT_OVERFLOW] = 1200;
	world_run(world, 290, 1);
	ck_assert_int_eq(world_severity(world, TW), SEVERITY_INFO);
}
END_TEST

START_TEST(tw_clears)
{
	set_timewaits(50, 50);
	world_run(world, 5, 1);
	ck_assert_int_eq(world_severity(world, TW), SEVERITY_INFO);
	/* 70 % of 90 % is 31.5. */
	set_timewaits(32, 50);
	world_run(world, 300, 1);
	ck_assert_int_eq(world_severity(world, TW), SEVERITY_INFO);
	set_timewaits(31, 50);
	world_run(world, 59, 1);
	ck_assert_int_eq(world_severity(world, TW), SEVERITY_INFO);
	world_run(world, 3, 1);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

/* Each namespace has its own limit, and one finding; what is not known of one says nothing. */
START_TEST(tw_by_namespace)
{
	struct namespace rows[3] = {
		{ .inode = NETNS,
		  .environment = { .known = TCPDIAG_ENV_TIMEWAITS,
				   .timewaits = 1,
				   .tcp_max_tw_buckets = 262144 } },
		{ .inode = OTHER,
		  .environment = { .known = TCPDIAG_ENV_TIMEWAITS,
				   .timewaits = 50,
				   .tcp_max_tw_buckets = 50 } },
		{ .inode = OTHER + 1 },
	};

	rows[1].rates.known = 1U << COUNTER_TIME_WAIT_OVERFLOW;
	rows[1].rates.value[COUNTER_TIME_WAIT_OVERFLOW] = 1200;
	world->input.namespaces = rows;
	world->input.namespace_count = 3;
	world_run(world, 400, 1);
	ck_assert_int_eq(world->count, 1);
	ck_assert_int_eq(world_expect(world, TW)->severity, SEVERITY_WARNING);
	ck_assert_int_eq(world_expect(world, TW)->scope, SCOPE_NETNS);
	ck_assert_uint_eq(world_expect(world, TW)->netns, OTHER);
	ck_assert_uint_eq(world_expect(world, TW)->count, 50);
	ck_assert_double_eq(world_expect(world, TW)->evidence[EVIDENCE_LIMIT], 50);
	ck_assert_double_eq(world_expect(world, TW)->evidence[EVIDENCE_OVERFLOWS_PER_SECOND], 20);
	ck_has(SUMMARY(TW), "50 of 50 minisockets (tcp_max_tw_buckets) in network namespace "
			    "4026531845; 1,200 connections ended without one in the last minute");
	ck_has(CAUSE(TW), "TCP: time wait bucket table overflow");
	/* Its counters cannot be read any more: as it was. */
	rows[1].rates.known = rows[1].environment.known = 0;
	world_run(world, 400, 1);
	ck_assert_int_eq(world_severity(world, TW), SEVERITY_WARNING);
	/* It has gone, and with it what was wrong. */
	world->input.namespace_count = 1;
	world_run(world, 130, 1);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

START_TEST(tw_not_known)
{
	world->rates.known = 0;
	world_run(world, 5, 1);
	ck_assert(world->snapshot.header->findings_blind & finding_bit(TW));
	set_timewaits(1, 50);
	world_run(world, 5, 1);
	ck_assert(!(world->snapshot.header->findings_blind & finding_bit(TW)));
}
END_TEST

/* ---- tcp-memory-pressure, of 1,000, 2,000 and 3,000 pages ---- */

static void set_memory(uint64_t pages)
{
	world->environment.known |= TCPDIAG_ENV_MEMORY;
	world->environment.memory_pages = pages;
	memcpy(world->environment.tcp_mem, (uint64_t[]){ 1000, 2000, 3000 },
	       sizeof(world->environment.tcp_mem));
}

static const struct {
	uint64_t pages, pressures, pruned, aborted;
	int at_once, after_40_s;
} memory_rows[] = {
	{ 0, 0, 0, 0, SEVERITY_NONE, SEVERITY_NONE },
	{ 999, 0, 0, 0, SEVERITY_NONE, SEVERITY_NONE },
	{ 999, 0, 5000, 3, SEVERITY_NONE, SEVERITY_NONE }, /* small SO_RCVBUF, or orphans */
	{ 1000, 0, 0, 0, SEVERITY_INFO, SEVERITY_INFO },
	{ 10, 1, 0, 0, SEVERITY_INFO, SEVERITY_INFO },
	{ 1999, 0, 5000, 0, SEVERITY_INFO, SEVERITY_INFO },
	{ 2000, 0, 0, 0, SEVERITY_INFO, SEVERITY_WARNING },
	{ 2849, 0, 0, 0, SEVERITY_INFO, SEVERITY_WARNING },
	{ 2850, 0, 0, 0, SEVERITY_CRITICAL, SEVERITY_CRITICAL },
	{ 2000, 0, 1, 0, SEVERITY_CRITICAL, SEVERITY_CRITICAL },
	{ 1000, 1, 0, 1, SEVERITY_CRITICAL, SEVERITY_CRITICAL },
};

START_TEST(memory_row)
{
	set_memory(memory_rows[_i].pages);
	world->rates.value[COUNTER_MEMORY_PRESSURES] = memory_rows[_i].pressures;
	world->rates.value[COUNTER_PRUNE_CALLED] = memory_rows[_i].pruned;
	world->rates.value[COUNTER_ABORT_ON_MEMORY] = memory_rows[_i].aborted;
	world_run(world, 1, 1);
	ck_assert_int_eq(world_severity(world, MEMORY), memory_rows[_i].at_once);
	world_run(world, 39, 1);
	ck_assert_int_eq(world_severity(world, MEMORY), memory_rows[_i].after_40_s);
}
END_TEST

START_TEST(memory_clears_step_by_step)
{
	set_memory(2900);
	world_run(world, 40, 1);
	ck_assert_int_eq(world_severity(world, MEMORY), SEVERITY_CRITICAL);
	set_memory(1500); /* above 70 % of 2,000 */
	world_run(world, 62, 1);
	ck_assert_int_eq(world_severity(world, MEMORY), SEVERITY_WARNING);
	set_memory(800); /* above 70 % of 1,000 */
	world_run(world, 62, 1);
	ck_assert_int_eq(world_severity(world, MEMORY), SEVERITY_INFO);
	set_memory(600);
	world_run(world, 62, 1);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

START_TEST(memory_names_who_has_it)
{
	const uint64_t bytes[4] = { 4096, 6 << 20, 0, 5 << 20 };
	const char *cause;

	world_process(world, "a", "", 5, 1024);
	world_process(world, "slow", "slow.service", 5, 1024);
	world_process(world, "c", "", 5, 1024);
	world_process(world, "d", "", 5, 1024);
	set_memory(2500);
	world->input.page_bytes = 4096;
	world_run(world, 1, 1);
	ck_has(CAUSE(MEMORY), "Whose queues it is in is not known.");
	world->input.queues_known = true;
	world->input.queue_bytes = bytes;
	world->input.queue_rows = 4;
	world->input.queue_nobody = 1 << 20;
	world_run(world, 1, 1);
	cause = CAUSE(MEMORY);
	ck_has(cause,
	       "Most of it stands in the queues of slow (pid 1001, slow.service) 6.0 MiB, d (pid "
	       "1003) 5.0 MiB, a (pid 1000) 4.0 KiB, and of sockets without a process 1.0 MiB.");
	ck_has(cause, "TCP: out of memory -- consider tuning tcp_mem");
	ck_has(SUMMARY(MEMORY),
	       "take 9.8 MiB of 12 MiB (83 %; tcp_mem: at ease below 3.9 MiB, pressure "
	       "above 7.8 MiB)");
	ck_assert_uint_eq(world_expect(world, MEMORY)->process, 1);
	ck_assert_int_eq(world_expect(world, MEMORY)->scope, SCOPE_HOST);
	ck_assert_double_eq(world_expect(world, MEMORY)->evidence[EVIDENCE_MEMORY_BYTES],
			    2500 * 4096);
}
END_TEST

/* tcp_mem is not shown in a container; the counter of pressure is. */
START_TEST(memory_partly_known)
{
	world->rates.value[COUNTER_MEMORY_PRESSURES] = 1;
	world_run(world, 1, 1);
	ck_assert_int_eq(world_severity(world, MEMORY), SEVERITY_INFO);
	ck_has(SUMMARY(MEMORY), "cannot be read");
	ck_assert(world->snapshot.header->findings_partly & finding_bit(MEMORY));
	world->rates.known = 0;
	world_run(world, 300, 1);
	ck_assert(!(world->snapshot.header->findings_partly & finding_bit(MEMORY)));
	ck_assert(world->snapshot.header->findings_blind & finding_bit(MEMORY));
	ck_assert_int_eq(world_severity(world, MEMORY), SEVERITY_INFO);
}
END_TEST

/* ---- aborts-rising ---- */

static void set_aborts(enum counter counter, uint64_t in_a_minute, uint64_t ended)
{
	world->rates.value[counter] = in_a_minute;
	world->rates.value[COUNTER_ACTIVE_OPENS] = ended / 2;
	world->rates.value[COUNTER_PASSIVE_OPENS] = ended - ended / 2;
}

static const struct {
	uint64_t usual, then, ended; /* a minute */
	int severity;
} abort_rows[] = {
	{ 0, 0, 10000, SEVERITY_NONE },	       { 0, 59, 100, SEVERITY_NONE }, /* below 1/s */
	{ 0, 60, 1000000, SEVERITY_INFO }, /* 0.006 % of what ended */
	{ 0, 60, 6001, SEVERITY_INFO },	       { 0, 60, 6000, SEVERITY_WARNING }, /* 1 % */
	{ 600, 3000, 6000, SEVERITY_NONE }, /* five times, not more */
	{ 600, 3001, 1000000, SEVERITY_INFO }, { 600, 3001, 6000, SEVERITY_WARNING },
	{ 5000, 5000, 5000, SEVERITY_NONE }, /* as always */
};

START_TEST(abort_row)
{
	set_aborts(COUNTER_ABORT_ON_TIMEOUT, abort_rows[_i].usual, abort_rows[_i].ended);
	world_run(world, 1200, 5);
	ck_assert_int_eq(world->count, 0);
	set_aborts(COUNTER_ABORT_ON_TIMEOUT, abort_rows[_i].then, abort_rows[_i].ended);
	world_run(world, 295, 5);
	ck_assert_int_eq(world->count, 0);
	world_run(world, 65, 5);
	ck_assert_int_eq(world_severity(world, ABORTS), abort_rows[_i].severity);
}
END_TEST

START_TEST(aborts_warm_up)
{
	const struct snapshot_header *h;

	set_aborts(COUNTER_ABORT_ON_TIMEOUT, 6000, 6000);
	world_run(world, 5, 5);
	h = world->snapshot.header;
	ck_assert_int_eq(h->findings_warm_ns[ABORTS], world->now_ns + 900 * NSEC_PER_SEC);
	world_run(world, 895, 5);
	ck_assert_int_eq(world->count, 0);
	/* What goes on from the beginning is the usual. */
	world_run(world, 3600, 5);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

/* A silence of the source is no history: what is usual has to be learned anew. */
START_TEST(aborts_after_a_gap)
{
	world_run(world, 1800, 5);
	world->rates.known = 0;
	world_run(world, 300, 5);
	ck_assert(world->snapshot.header->findings_blind & finding_bit(ABORTS));
	world->rates.known = UINT32_MAX >> (32 - COUNTER_MAX);
	set_aborts(COUNTER_ABORT_ON_TIMEOUT, 6000, 6000);
	world_run(world, 600, 5);
	ck_assert_int_eq(world->count, 0);
	ck_assert_int_gt(world->snapshot.header->findings_warm_ns[ABORTS], world->now_ns);
}
END_TEST

START_TEST(aborts_end)
{
	world_run(world, 1200, 5);
	set_aborts(COUNTER_ABORT_ON_TIMEOUT, 600, 6000);
	world_run(world, 400, 5);
	ck_assert_int_eq(world_severity(world, ABORTS), SEVERITY_WARNING);
	/* Above 70 % of 1 %: it stays. */
	set_aborts(COUNTER_ABORT_ON_TIMEOUT, 600, 80000);
	world_run(world, 400, 5);
	ck_assert_int_eq(world_severity(world, ABORTS), SEVERITY_WARNING);
	set_aborts(COUNTER_ABORT_ON_TIMEOUT, 30, 80000);
	world_run(world, 65, 5);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

/* What goes on for half an hour becomes the usual. */
START_TEST(aborts_become_usual)
{
	world_run(world, 1200, 5);
	set_aborts(COUNTER_ABORT_ON_TIMEOUT, 600, 6000);
	world_run(world, 400, 5);
	ck_assert_int_eq(world_severity(world, ABORTS), SEVERITY_WARNING);
	world_run(world, 1800, 5);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

static void unread_socket(enum tcpdiag_state state)
{
	struct record *record = world_socket(world, state, RECORD_NONE);

	world_unread(world, record, 24);
	record->sk.attachment = TCPDIAG_HELD;
	if (state == TCPDIAG_CLOSE_WAIT)
		record->sk.sk_shutdown = TCPDIAG_RCV_SHUTDOWN;
}

/* Whose peers have finished: an idle TLS pool is harmless and explains them; alone they are information. */
START_TEST(aborts_of_pools)
{
	world_run(world, 1200, 5);
	unread_socket(TCPDIAG_CLOSE_WAIT);
	set_aborts(COUNTER_ABORT_ON_CLOSE, 600, 6000);
	world_run(world, 400, 5);
	ck_assert_int_eq(world_severity(world, ABORTS), SEVERITY_NONE);
	/* Nobody knows: they were not seen. */
	world->record_count = 0;
	world_run(world, 400, 5);
	ck_assert_int_eq(world_severity(world, ABORTS), SEVERITY_INFO);
	unread_socket(TCPDIAG_ESTABLISHED);
	world_run(world, 10, 5);
	ck_assert_int_eq(world_severity(world, ABORTS), SEVERITY_WARNING);
	ck_has(CAUSE(ABORTS), "Without events it is not known whether the peers had finished");
}
END_TEST

START_TEST(aborts_that_are_allowed)
{
	uint32_t broker = world_process(world, "beam.smp", "rabbitmq.service", 5, 1024);
	struct record *record = world_socket(world, TCPDIAG_ESTABLISHED, broker);

	record->sk.known |= TCPDIAG_KNOWS_LINGER;
	record->sk.linger = true;
	strcpy(world->thresholds.lz_allow, "rabbitmq");
	world_run(world, 1200, 5);
	set_aborts(COUNTER_ABORT_ON_DATA, 600, 6000);
	world_run(world, 400, 5);
	ck_assert_int_eq(world_severity(world, ABORTS), SEVERITY_NONE);
	strcpy(world->thresholds.lz_allow, "");
	world_run(world, 400, 5);
	ck_assert_int_eq(world_severity(world, ABORTS), SEVERITY_WARNING);
}
END_TEST

START_TEST(aborts_that_failed)
{
	world->rates.value[COUNTER_ABORT_FAILED] = 2;
	world_run(world, 1, 1);
	ck_assert_int_eq(world_severity(world, ABORTS), SEVERITY_WARNING);
	ck_has(SUMMARY(ABORTS), "2 RSTs could not be sent in the last minute");
	world->rates.value[COUNTER_ABORT_FAILED] = 0;
	world_run(world, 62, 1);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

/* A single one stays in the last minute for a minute, and is not critical. */
START_TEST(aborts_for_memory)
{
	world->rates.value[COUNTER_ABORT_ON_MEMORY] = 1;
	world_run(world, 60, 1);
	world->rates.value[COUNTER_ABORT_ON_MEMORY] = 0;
	world_run(world, 1, 1);
	ck_assert_int_eq(world_severity(world, ABORTS), SEVERITY_NONE);
	world->rates.value[COUNTER_ABORT_ON_MEMORY] = 5;
	world_run(world, 110, 1);
	ck_assert_int_eq(world_severity(world, ABORTS), SEVERITY_NONE);
	world_run(world, 15, 1);
	ck_assert_int_eq(world_severity(world, ABORTS), SEVERITY_CRITICAL);
	ck_has(SUMMARY(ABORTS), "TCPAbortOnMemory 0.083/s");
}
END_TEST

START_TEST(aborts_say_where)
{
	struct namespace rows[2] = { { .inode = NETNS }, { .inode = OTHER } };
	const struct finding *finding;

	world_run(world, 1200, 5);
	set_aborts(COUNTER_ABORT_ON_TIMEOUT, 600, 6000);
	world->rates.value[COUNTER_OUT_RSTS] = 120;
	rows[0].rates.known = rows[1].rates.known = world->rates.known;
	rows[0].rates.value[COUNTER_ABORT_ON_TIMEOUT] = 60;
	rows[1].rates.value[COUNTER_ABORT_ON_TIMEOUT] = 540;
	world->input.namespaces = rows;
	world->input.namespace_count = 2;
	world_run(world, 400, 5);
	finding = world_expect(world, ABORTS);
	ck_assert_int_eq(finding->scope, SCOPE_HOST);
	ck_assert_str_eq(
		world_text(world, finding->summary),
		"The kernel aborts connections: TCPAbortOnTimeout 10/s, usually 0/s, 10 % of "
		"the connections that ended");
	ck_has(CAUSE(ABORTS), "90 % of them in network namespace 4026531845.");
	ck_assert_double_eq(finding->evidence[EVIDENCE_RATE_PER_SECOND], 10);
	ck_assert_double_eq(finding->evidence[EVIDENCE_USUAL_PER_SECOND], 0);
	ck_assert_double_eq(finding->evidence[EVIDENCE_RESETS_SENT_PER_SECOND], 2);
	ck_assert_double_eq_tol(finding->evidence[EVIDENCE_RATIO], 0.1, 1e-9);
	ck_assert(!shown(finding, EVIDENCE_COUNT));
}
END_TEST

/* Which part it was is not known without the number of those that ended: never a warning then. */
START_TEST(aborts_of_nobody_knows_how_many)
{
	uint64_t ended;

	world->rates.known &= ~(1U << COUNTER_PASSIVE_OPENS);
	ck_assert(!aborts_ended(&world->rates, &ended));
	world_run(world, 1200, 5);
	set_aborts(COUNTER_ABORT_ON_TIMEOUT, 6000, 6000);
	world_run(world, 400, 5);
	ck_assert_int_eq(world_severity(world, ABORTS), SEVERITY_INFO);
	ck_assert(!shown(world_expect(world, ABORTS), EVIDENCE_RATIO));
}
END_TEST

START_TEST(ended_connections)
{
	struct counters rates = { .known = UINT32_MAX >> (32 - COUNTER_MAX) };
	uint64_t ended = 0;

	rates.value[COUNTER_ACTIVE_OPENS] = 3;
	rates.value[COUNTER_PASSIVE_OPENS] = 4;
	ck_assert(aborts_ended(&rates, &ended));
	ck_assert_uint_eq(ended, 7);
	rates.value[COUNTER_ESTAB_RESETS] = 5;
	rates.value[COUNTER_TW] = 2;
	rates.value[COUNTER_TW_KILLED] = 1;
	ck_assert(aborts_ended(&rates, &ended));
	ck_assert_uint_eq(ended, 8);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("rates");
	TCase *tw = tcase_create("time-wait-overflow");
	TCase *memory = tcase_create("tcp-memory-pressure");
	TCase *aborts = tcase_create("aborts-rising");

	tcase_add_checked_fixture(tw, setup, teardown);
	tcase_add_loop_test(tw, tw_row, 0, ARRAY_SIZE(tw_rows));
	tcase_add_test(tw, tw_rate_has_to_last);
	tcase_add_test(tw, tw_clears);
	tcase_add_test(tw, tw_by_namespace);
	tcase_add_test(tw, tw_not_known);
	suite_add_tcase(s, tw);
	tcase_add_checked_fixture(memory, setup, teardown);
	tcase_add_loop_test(memory, memory_row, 0, ARRAY_SIZE(memory_rows));
	tcase_add_test(memory, memory_clears_step_by_step);
	tcase_add_test(memory, memory_names_who_has_it);
	tcase_add_test(memory, memory_partly_known);
	suite_add_tcase(s, memory);
	tcase_add_checked_fixture(aborts, setup, teardown);
	tcase_set_timeout(aborts, 60);
	tcase_add_loop_test(aborts, abort_row, 0, ARRAY_SIZE(abort_rows));
	tcase_add_test(aborts, aborts_warm_up);
	tcase_add_test(aborts, aborts_after_a_gap);
	tcase_add_test(aborts, aborts_end);
	tcase_add_test(aborts, aborts_become_usual);
	tcase_add_test(aborts, aborts_of_pools);
	tcase_add_test(aborts, aborts_that_are_allowed);
	tcase_add_test(aborts, aborts_that_failed);
	tcase_add_test(aborts, aborts_for_memory);
	tcase_add_test(aborts, aborts_say_where);
	tcase_add_test(aborts, aborts_of_nobody_knows_how_many);
	tcase_add_test(aborts, ended_connections);
	suite_add_tcase(s, aborts);
	return s;
}
