/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Orphans whose peers are silent, and who has created them: by unit, by container, by process; what nobody
 * is known to have created is laid to nobody.
 */
#include "../harness.h"
#include "world.h"

#define ORPHANS TCPDIAG_RULE_ORPHAN_ACCUMULATION
#define STALLED TCPDIAG_RULE_ORPHAN_STALLED

static struct world *world;

static void setup(void)
{
	world = world_new(100);
	world->orphans.count = 1;
}

static void teardown(void)
{
	world_free(world);
}

static struct record *orphan(enum tcpdiag_state state, uint32_t creator)
{
	struct record *record = world_socket(world, state, RECORD_NONE);

	record->sk.attachment = TCPDIAG_ORPHAN;
	record->sk.inode = 0;
	record->sk.wqueue = 1;
	record->creator = creator;
	record->ack_since_ns = world->now_ns;
	return record;
}

static void orphans(enum tcpdiag_state state, uint32_t creator, int count)
{
	while (count--)
		orphan(state, creator);
}

/* ---- orphan-stalled ---- */

/* Of 131,072: 0.5 % is 655.4, 5 % is 6,553.6. */
static const struct {
	uint64_t limit; /* 0: not known */
	int first, second, unknown; /* by two units, and by nobody known */
	int severity;
} stalled_rows[] = {
	{ 131072, 0, 0, 0, SEVERITY_NONE },
	{ 131072, 655, 0, 0, SEVERITY_NONE },
	{ 131072, 656, 0, 0, SEVERITY_INFO },
	{ 131072, 999, 0, 0, SEVERITY_INFO },
	{ 131072, 1000, 0, 0, SEVERITY_WARNING },
	{ 131072, 0, 0, 1000, SEVERITY_INFO }, /* nobody is not one */
	{ 131072, 800, 200, 0, SEVERITY_WARNING },
	{ 131072, 799, 201, 0, SEVERITY_INFO },
	{ 131072, 800, 0, 201, SEVERITY_INFO },
	{ 32768, 819, 819, 0, SEVERITY_INFO },
	{ 32768, 820, 819, 0, SEVERITY_WARNING }, /* 5 % is 1,638.4 */
	{ 4096, 99, 0, 0, SEVERITY_NONE }, /* a small machine */
	{ 4096, 50, 50, 0, SEVERITY_INFO },
	{ 4096, 500, 499, 0, SEVERITY_INFO },
	{ 4096, 500, 500, 0, SEVERITY_WARNING },
	{ 0, 99, 0, 0, SEVERITY_NONE },
	{ 0, 50, 50, 0, SEVERITY_INFO },
	{ 0, 500, 500, 0, SEVERITY_WARNING },
};

START_TEST(stalled_row)
{
	uint32_t a = world_process(world, "nginx", "nginx.service", 5, 1024);
	uint32_t b = world_process(world, "haproxy", "haproxy.service", 5, 1024);

	world->environment.tcp_max_orphans = stalled_rows[_i].limit;
	world->environment.known = stalled_rows[_i].limit ? TCPDIAG_ENV_ORPHANS : 0;
	orphans(TCPDIAG_FIN_WAIT1, a, stalled_rows[_i].first);
	orphans(TCPDIAG_LAST_ACK, b, stalled_rows[_i].second);
	orphans(TCPDIAG_CLOSING, RECORD_NONE, stalled_rows[_i].unknown);
	world_run(world, 59, 1);
	ck_assert_int_eq(world_severity(world, STALLED), SEVERITY_NONE);
	world_run(world, 1, 1);
	ck_assert_int_eq(world_severity(world, STALLED), stalled_rows[_i].severity);
}
END_TEST

/* 10,000 connections a second, one in a thousand vanishes: 10 new orphans a second that live for 105 s. */
START_TEST(stalled_is_silent_where_some_clients_vanish)
{
	uint32_t nginx = world_process(world, "nginx", "nginx.service", 5, 1024), i;

	for (i = 0; i < 1050; i++)
		orphan(TCPDIAG_FIN_WAIT1, nginx)->ack_since_ns = world->now_ns -
								 i / 10 * NSEC_PER_SEC;
	for (i = 0; i < 300; i++) {
		uint32_t k;

		world_run(world, 1, 1);
		ck_assert_int_eq(world_severity(world, STALLED), SEVERITY_NONE);
		for (k = 0; k < world->record_count; k++)
			if (world->now_ns - world->records[k].ack_since_ns >= 105 * NSEC_PER_SEC)
				world->records[k].ack_since_ns = world->now_ns;
	}
	/* The same on a machine with few orphans allowed is worth a word, and no more. */
	world->environment.tcp_max_orphans = 8192;
	world_run(world, 10, 1);
	ck_assert_int_eq(world_severity(world, STALLED), SEVERITY_INFO);
}
END_TEST

START_TEST(stalled_counts_no_others)
{
	uint32_t nginx = world_process(world, "nginx", "nginx.service", 5, 1024), i;

	orphans(TCPDIAG_FIN_WAIT2, nginx, 700); /* waits for the peer's FIN, not for an ACK */
	for (i = 0; i < 700; i++)
		world_socket(world, TCPDIAG_FIN_WAIT1, nginx)->ack_since_ns = world->now_ns;
	for (i = 0; i < 700; i++)
		orphan(TCPDIAG_FIN_WAIT1, nginx)->ack_since_ns = 0; /* nothing outstanding */
	world_run(world, 200, 10);
	ck_assert_int_eq(world_severity(world, STALLED), SEVERITY_NONE);
}
END_TEST

START_TEST(stalled_progress_begins_anew)
{
	uint32_t nginx = world_process(world, "nginx", "nginx.service", 5, 1024), i;

	orphans(TCPDIAG_FIN_WAIT1, nginx, 700);
	for (int step = 0; step < 10; step++) {
		world_run(world, 30, 5);
		for (i = 0; i < world->record_count; i++)
			world->records[i].ack_since_ns = world->now_ns;
	}
	ck_assert_int_eq(world_severity(world, STALLED), SEVERITY_NONE);
}
END_TEST

START_TEST(stalled_clears_with_hysteresis)
{
	uint32_t nginx = world_process(world, "nginx", "nginx.service", 5, 1024);

	orphans(TCPDIAG_FIN_WAIT1, nginx, 1200);
	world_run(world, 61, 1);
	ck_assert_int_eq(world_severity(world, STALLED), SEVERITY_WARNING);
	world->record_count = 700; /* above 70 % of 1,000 */
	world_run(world, 300, 1);
	ck_assert_int_eq(world_severity(world, STALLED), SEVERITY_WARNING);
	world->record_count = 699;
	world_run(world, 59, 1);
	ck_assert_int_eq(world_severity(world, STALLED), SEVERITY_WARNING);
	world_run(world, 2, 1);
	ck_assert_int_eq(world_severity(world, STALLED), SEVERITY_INFO);
	world->record_count = 458; /* 70 % of 655.4 is 458.8 */
	world_run(world, 62, 1);
	ck_assert_int_eq(world_severity(world, STALLED), SEVERITY_NONE);
}
END_TEST

START_TEST(stalled_sentences)
{
	uint32_t nginx = world_process(world, "nginx", "nginx.service", 5, 1024);
	uint32_t own = world_process(world, "leaky", "", 5, 1024);
	const struct finding *finding;

	orphans(TCPDIAG_FIN_WAIT1, nginx, 1100);
	orphans(TCPDIAG_LAST_ACK, nginx, 90);
	orphans(TCPDIAG_CLOSING, own, 7);
	orphans(TCPDIAG_FIN_WAIT1, RECORD_NONE, 3);
	world_run(world, 95, 1);
	finding = world_expect(world, STALLED);
	ck_assert_int_eq(finding->severity, SEVERITY_WARNING);
	ck_assert_int_eq(finding->scope, SCOPE_HOST);
	ck_assert_uint_eq(finding->count, 1200);
	ck_assert_str_eq(world_text(world, finding->unit), "nginx.service");
	ck_assert_uint_eq(finding->process, nginx);
	ck_assert_str_eq(
		world_text(world, finding->summary),
		"1,200 orphaned sockets wait for a peer that has acknowledged nothing for 60 s and "
		"more (FIN-WAIT-1 1,103, LAST-ACK 90, CLOSING 7), 99 % by nginx.service, "
		"oldest 95 s");
	ck_assert_ptr_nonnull(
		strstr(world_text(world, finding->cause),
		       "Created by nginx.service 99 % (FIN-WAIT-1 1,100, LAST-ACK 90), "
		       "leaky (pid 1001) <1 % (CLOSING 7). Of 3 nobody knows who created "
		       "them."));
	ck_assert_double_eq(finding->evidence[EVIDENCE_CREATOR_UNKNOWN], 3);
	ck_assert_double_eq(finding->evidence[EVIDENCE_LIMIT], 131072);
	ck_assert_uint_eq(world_bits(world, STALLED), 1200);
}
END_TEST

/* ---- creators ---- */

/* Processes of one unit are one; of one container; those of neither are each by itself. */
START_TEST(creators_by_unit)
{
	const struct finding *finding;
	int i;

	for (i = 0; i < 10; i++)
		orphans(TCPDIAG_FIN_WAIT1, world_process(world, "worker", "app.service", 5, 1024),
			6);
	for (i = 0; i < 5; i++) {
		uint32_t row = world_process(world, "pause", "", 5, 1024);

		snprintf(world->container[row], sizeof(world->container[row]),
			 "0123456789abcdef0123456789abcdef");
		if (i == 0)
			orphans(TCPDIAG_FIN_WAIT2, row, 20);
	}
	orphans(TCPDIAG_LAST_ACK, world_process(world, "python3", "", 5, 1024), 9);
	orphans(TCPDIAG_LAST_ACK, world_process(world, "python3", "", 5, 1024), 8);
	orphans(TCPDIAG_LAST_ACK, world_process(world, "python3", "", 5, 1024), 2);
	orphan(TCPDIAG_CLOSING, RECORD_NONE);
	world->rates.value[COUNTER_ABORT_ON_MEMORY] = 1;
	world_round(world);
	finding = world_expect(world, ORPHANS);
	ck_assert_str_eq(world_text(world, finding->unit), "app.service");
	ck_assert_uint_eq(finding->process, RECORD_NONE); /* ten of them */
	ck_assert_ptr_nonnull(
		strstr(world_text(world, finding->cause),
		       "Created by app.service 60 % (FIN-WAIT-1 60), container "
		       "0123456789ab 20 % (FIN-WAIT-2 20), python3 (pid 1015) 9 % (LAST-ACK 9), "
		       "2 others 10 %. Of 1 nobody knows who created it."));
	ck_assert_double_eq_tol(finding->evidence[EVIDENCE_CREATOR_RATIO], 0.6, 0.0001);
	ck_assert_double_eq(finding->evidence[EVIDENCE_CREATOR_UNKNOWN], 1);
}
END_TEST

/* The same unit in two containers is two. */
START_TEST(creators_by_container)
{
	uint32_t a = world_process(world, "postfix", "postfix.service", 5, 1024);
	uint32_t b = world_process(world, "postfix", "postfix.service", 5, 1024);
	const struct finding *finding;

	snprintf(world->container[a], sizeof(world->container[a]), "mail-1");
	snprintf(world->title[a], sizeof(world->title[a]), "mail-1");
	snprintf(world->container[b], sizeof(world->container[b]), "mail-2");
	orphans(TCPDIAG_FIN_WAIT1, a, 3);
	orphans(TCPDIAG_FIN_WAIT1, b, 2);
	world->rates.value[COUNTER_ABORT_ON_MEMORY] = 1;
	world_round(world);
	finding = world_expect(world, ORPHANS);
	ck_assert_ptr_nonnull(strstr(world_text(world, finding->cause),
				     "Created by postfix.service in mail-1 60 % (FIN-WAIT-1 3), "
				     "postfix.service in container mail-2 40 % (FIN-WAIT-1 2)."));
}
END_TEST

START_TEST(creators_unknown)
{
	const struct finding *finding;

	orphans(TCPDIAG_FIN_WAIT1, RECORD_NONE, 30);
	orphans(TCPDIAG_FIN_WAIT1, 4711, 3); /* a row that is none */
	world->rates.value[COUNTER_ABORT_ON_MEMORY] = 1;
	world_round(world);
	finding = world_expect(world, ORPHANS);
	ck_assert_ptr_null(strstr(world_text(world, finding->cause), "Created by"));
	ck_assert_ptr_nonnull(
		strstr(world_text(world, finding->cause), "Of 33 nobody knows who created them."));
	ck_assert_str_eq(world_text(world, finding->unit), "");
	ck_assert_uint_eq(finding->process, RECORD_NONE);
}
END_TEST

/* ---- inherited-descriptor ---- */

#define INHERITED TCPDIAG_RULE_INHERITED_DESCRIPTOR

static void inherit(enum tcpdiag_state state, uint32_t holder, uint32_t origin, int count,
		    uint8_t flags)
{
	while (count--) {
		struct record *record = world_socket(world, state, holder);

		record->creator = origin;
		record->flags |= flags;
	}
}

static const struct {
	enum tcpdiag_state state;
	int seen, guessed, fd;
	int severity;
} inherited_rows[] = {
	{ TCPDIAG_CLOSE_WAIT, 0, 0, 5, SEVERITY_NONE },
	{ TCPDIAG_CLOSE_WAIT, 1, 0, 5, SEVERITY_INFO },
	{ TCPDIAG_FIN_WAIT2, 1, 0, 5, SEVERITY_INFO },
	{ TCPDIAG_CLOSE_WAIT, 19, 0, 5, SEVERITY_INFO },
	{ TCPDIAG_CLOSE_WAIT, 20, 0, 5, SEVERITY_WARNING },
	{ TCPDIAG_CLOSE_WAIT, 500, 0, 5, SEVERITY_WARNING }, /* never critical */
	{ TCPDIAG_CLOSE_WAIT, 0, 1, 5, SEVERITY_NONE }, /* started for this one, perhaps */
	{ TCPDIAG_CLOSE_WAIT, 0, 2, 5, SEVERITY_INFO },
	{ TCPDIAG_CLOSE_WAIT, 1, 1, 5, SEVERITY_INFO },
	{ TCPDIAG_CLOSE_WAIT, 500, 0, 0, SEVERITY_NONE }, /* standard input: handed over */
	{ TCPDIAG_CLOSE_WAIT, 500, 0, 2, SEVERITY_NONE },
	{ TCPDIAG_CLOSE_WAIT, 500, 0, 3, SEVERITY_WARNING },
	{ TCPDIAG_ESTABLISHED, 500, 0, 5, SEVERITY_NONE },
	{ TCPDIAG_LISTEN, 500, 0, 5, SEVERITY_NONE },
};

START_TEST(inherited_row)
{
	uint32_t server = world_process(world, "server", "server.service", 5, 0);
	uint32_t child = world_process(world, "sleep", "server.service", 5, 0);

	world->holders[child].fd = inherited_rows[_i].fd;
	inherit(inherited_rows[_i].state, child, server, inherited_rows[_i].seen, 0);
	inherit(inherited_rows[_i].state, child, server, inherited_rows[_i].guessed,
		RECORD_ORIGIN_GUESSED);
	/* What nobody had before is its holder's own. */
	inherit(TCPDIAG_CLOSE_WAIT, server, RECORD_NONE, 30, 0);
	world_run(world, 59, 1);
	ck_assert_int_eq(world_severity(world, INHERITED), SEVERITY_NONE);
	world_run(world, 1, 1);
	ck_assert_int_eq(world_severity(world, INHERITED), inherited_rows[_i].severity);
}
END_TEST

START_TEST(inherited_clears)
{
	uint32_t server = world_process(world, "server", "server.service", 5, 1024);
	uint32_t child = world_process(world, "sleep", "server.service", 5, 1024);
	const struct finding *finding;

	inherit(TCPDIAG_CLOSE_WAIT, child, server, 20, 0);
	inherit(TCPDIAG_FIN_WAIT2, child, server, 1, 0);
	world_run(world, 60, 1);
	finding = world_expect(world, INHERITED);
	ck_assert_int_eq(finding->severity, SEVERITY_WARNING);
	ck_assert_int_eq(finding->pid, 1001);
	ck_assert_ptr_nonnull(
		strstr(world_text(world, finding->summary),
		       "sleep (pid 1001, server.service) holds 21 connections that it has "
		       "inherited and does not use (CLOSE-WAIT 20, FIN-WAIT-2 1) from server "
		       "(pid 1000, server.service)"));
	world->record_count = 14; /* 70 % of 20 */
	world_run(world, 100, 1);
	ck_assert_int_eq(world_severity(world, INHERITED), SEVERITY_WARNING);
	world->record_count = 0;
	world_run(world, 59, 1);
	ck_assert_int_eq(world_severity(world, INHERITED), SEVERITY_WARNING);
	world_run(world, 2, 1);
	ck_assert_int_eq(world_severity(world, INHERITED), SEVERITY_NONE);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("findings: orphans");
	TCase *tests = tcase_create("orphan-stalled");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, stalled_row, 0, ARRAY_SIZE(stalled_rows));
	tcase_add_test(tests, stalled_is_silent_where_some_clients_vanish);
	tcase_add_test(tests, stalled_counts_no_others);
	tcase_add_test(tests, stalled_progress_begins_anew);
	tcase_add_test(tests, stalled_clears_with_hysteresis);
	tcase_add_test(tests, stalled_sentences);
	suite_add_tcase(s, tests);
	tests = tcase_create("creators");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, creators_by_unit);
	tcase_add_test(tests, creators_by_container);
	tcase_add_test(tests, creators_unknown);
	suite_add_tcase(s, tests);
	tests = tcase_create("inherited-descriptor");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, inherited_row, 0, ARRAY_SIZE(inherited_rows));
	tcase_add_test(tests, inherited_clears);
	suite_add_tcase(s, tests);
	return s;
}
