/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * linger-zero and linger-blocks: each severity, who is named, and the settings that say nothing; and what is said
 * where nobody reads the settings. fin-timeout-cliff is in test_findings_cliff.c.
 */
#include "../harness.h"
#include "world.h"

#define ZERO TCPDIAG_RULE_LINGER_ZERO
#define BLOCKS TCPDIAG_RULE_LINGER_BLOCKS
#define CLIFF TCPDIAG_RULE_FIN_TIMEOUT_CLIFF

static struct world *world;

static void setup(void)
{
	world = world_new(100);
}

static void teardown(void)
{
	world_free(world);
}

static struct record *with_linger(struct record *record, int64_t ms)
{
	record->sk.known |= TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_LINGER2 | TCPDIAG_KNOWS_REFERENCES;
	record->sk.linger = true;
	record->sk.sk_lingertime_ms = ms;
	record->sk.references = record->sk.steady_references = 1;
	return record;
}

/* @bytes are sent and nobody acknowledges them from now on. */
static struct record *stalled(struct record *record, uint32_t bytes)
{
	record->sk.wqueue = bytes;
	record->ack_since_ns = world->now_ns;
	return record;
}

/* A close() that waits from now on: no process has it any more, its last one is remembered. */
static struct record *closing(uint32_t creator, enum tcpdiag_state state, int64_t linger_ms)
{
	struct record *record = with_linger(world_socket(world, state, RECORD_NONE), linger_ms);

	record->sk.attachment = TCPDIAG_UNHELD;
	record->sk.references = record->sk.steady_references = 0;
	record->creator = creator;
	return stalled(record, 5001);
}

/* ---- linger-zero ---- */

START_TEST(zero_is_information_however_many)
{
	uint32_t process = world_process(world, "beam.smp", "rabbitmq-server.service", 700, 1024);
	const struct finding *finding;
	int i;

	for (i = 0; i < 640; i++)
		with_linger(world_socket(world, TCPDIAG_ESTABLISHED, process), 0);
	world_run(world, 1, 1);
	finding = world_expect(world, ZERO);
	ck_assert_int_eq(finding->severity, SEVERITY_INFO);
	ck_assert_int_eq(finding->scope, SCOPE_UNIT);
	ck_assert_uint_eq(finding->count, 640);
	ck_assert_uint_eq(finding->process, process);
	ck_assert_uint_eq(finding->socket, 0);
	ck_assert_str_eq(world_text(world, finding->unit), "rabbitmq-server.service");
	ck_assert_str_eq(world_text(world, finding->summary),
			 "beam.smp (pid 1000, rabbitmq-server.service) has SO_LINGER on with 0 "
			 "seconds on 640 connections: close() and exit send a RST");
	ck_assert_ptr_nonnull(strstr(world_text(world, finding->cause), "sets it on each"));
	ck_assert_ptr_nonnull(strstr(world_text(world, finding->remedy), "SO_LINGER {1, 0}"));
	ck_assert_uint_eq(world_bits(world, ZERO), 640);
	ck_assert_int_eq(world->count, 1);
	world_run(world, 4000, 20);
	ck_assert_int_eq(world_severity(world, ZERO), SEVERITY_INFO);
	ck_assert_int_eq(world->count, 1);
}
END_TEST

START_TEST(zero_that_comes_from_the_listener)
{
	uint32_t process = world_process(world, "beam.smp", "", 10, 1024);
	const struct finding *finding;
	struct record *record;

	with_linger(world_listener(world, process, 128), 0);
	with_linger(world_socket(world, TCPDIAG_ESTABLISHED, process), 0)->listener = 0;
	record = with_linger(world_socket(world, TCPDIAG_CLOSE_WAIT, process), 0);
	record->listener = 0;
	/* One that waits, as nobody has read it itself. */
	record = with_linger(world_socket(world, TCPDIAG_ESTABLISHED, RECORD_NONE), 0);
	record->sk.attachment = TCPDIAG_UNACCEPTED;
	record->sk.inherited = true;
	record->listener = 0;
	world_run(world, 1, 1);
	finding = world_expect(world, ZERO);
	ck_assert_int_eq(finding->scope, SCOPE_PROCESS);
	ck_assert_int_eq(finding->pid, 1000);
	ck_assert_uint_eq(finding->count, 4);
	ck_assert_double_eq(finding->evidence[EVIDENCE_LISTENERS], 1);
	ck_assert_double_eq(finding->evidence[EVIDENCE_INHERITED], 3);
	ck_assert_ptr_nonnull(strstr(world_text(world, finding->summary),
				     "on 3 connections and 1 listener: close()"));
	ck_assert_ptr_nonnull(strstr(world_text(world, finding->cause),
				     "The connections have it from their listener"));
	ck_assert_ptr_nonnull(strstr(world_text(world, finding->remedy), "on the listener first"));
	ck_assert(!shown(finding, EVIDENCE_OLDEST_SECONDS));
	/* One more that is nobody's child. */
	with_linger(world_socket(world, TCPDIAG_ESTABLISHED, process), 0);
	world_run(world, 1, 1);
	ck_assert_ptr_nonnull(strstr(world_text(world, world_expect(world, ZERO)->cause),
				     "3 connections have it from the listener; on the others the "
				     "program sets it"));
}
END_TEST

START_TEST(zero_of_a_listener_alone)
{
	with_linger(world_listener(world, world_process(world, "a", "", 1, 9), 128), 0);
	world_run(world, 1, 1);
	ck_assert_ptr_nonnull(strstr(world_text(world, world_expect(world, ZERO)->summary),
				     "0 seconds on 1 listener"));
	ck_assert_ptr_nonnull(strstr(world_text(world, world_expect(world, ZERO)->cause),
				     "that the listener accepts starts with it"));
}
END_TEST

START_TEST(zero_is_one_finding_a_unit)
{
	uint32_t first = world_process(world, "haproxy", "haproxy.service", 10, 1024);
	uint32_t second = world_process(world, "haproxy", "haproxy.service", 10, 1024);
	uint32_t other = world_process(world, "haproxy", "haproxy@b.service", 10, 1024);
	const struct finding *finding;

	with_linger(world_socket(world, TCPDIAG_ESTABLISHED, first), 0);
	with_linger(world_socket(world, TCPDIAG_ESTABLISHED, second), 0);
	with_linger(world_socket(world, TCPDIAG_ESTABLISHED, second), 0);
	with_linger(world_socket(world, TCPDIAG_ESTABLISHED, other), 0);
	world_run(world, 1, 1);
	ck_assert_int_eq(world->count, 2);
	finding = world_expect(world, ZERO);
	ck_assert_uint_eq(finding->count, 3);
	ck_assert_uint_eq(finding->process, RECORD_NONE);
	ck_assert_int_eq(finding->pid, 0);
	ck_assert_str_eq(world_text(world, finding->unit), "haproxy.service");
	ck_assert_ptr_nonnull(
		strstr(world_text(world, finding->summary), "haproxy.service has SO_LINGER on"));
	ck_assert_ptr_null(strstr(world_text(world, finding->summary), "pid"));
}
END_TEST

START_TEST(zero_clears_a_minute_after_it_has_gone)
{
	uint32_t process = world_process(world, "a", "a.service", 1, 9);

	with_linger(world_socket(world, TCPDIAG_ESTABLISHED, process), 0);
	world_run(world, 5, 1);
	world->records[0].sk.linger = false;
	world_run(world, 60, 5);
	ck_assert_int_eq(world_severity(world, ZERO), SEVERITY_INFO);
	ck_assert_uint_eq(world_bits(world, ZERO), 0);
	world_run(world, 5, 5);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

START_TEST(zero_silent_for_the_healthy)
{
	uint32_t process = world_process(world, "app", "app.service", 10, 1024);
	struct record *record;

	/* Off with a time of 0, as every socket is at first. */
	record = world_socket(world, TCPDIAG_ESTABLISHED, process);
	record->sk.known |= TCPDIAG_KNOWS_LINGER;
	/* The time counts only where it is on; a second is no zero. */
	with_linger(world_socket(world, TCPDIAG_ESTABLISHED, process), 1000);
	/* Not known is not zero. */
	record = with_linger(world_socket(world, TCPDIAG_ESTABLISHED, process), 0);
	record->sk.known &= ~(uint32_t)TCPDIAG_KNOWS_LINGER;
	/* Nobody closes these any more. */
	record = with_linger(world_socket(world, TCPDIAG_FIN_WAIT1, RECORD_NONE), 0);
	record->sk.attachment = TCPDIAG_ORPHAN;
	with_linger(world_socket(world, TCPDIAG_CLOSE, process), 0)->sk.sk_shutdown = 3;
	with_linger(world_socket(world, TCPDIAG_BOUND_INACTIVE, process), 0);
	/* Its MPTCP socket decides. */
	with_linger(world_socket(world, TCPDIAG_ESTABLISHED, process), 0)->sk.mptcp_subflow = true;
	world_run(world, 100, 5);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

START_TEST(zero_of_those_who_are_meant_to)
{
	uint32_t rabbit = world_process(world, "beam.smp", "rabbitmq-server.service", 7, 1024);
	uint32_t proxy = world_process(world, "haproxy", "", 7, 1024);
	uint32_t other = world_process(world, "haproxy2", "haproxy2.service", 7, 1024);

	with_linger(world_socket(world, TCPDIAG_ESTABLISHED, rabbit), 0);
	with_linger(world_socket(world, TCPDIAG_ESTABLISHED, proxy), 0);
	with_linger(world_socket(world, TCPDIAG_ESTABLISHED, other), 0);
	world_round(world);
	ck_assert_int_eq(world->count, 3);
	snprintf(world->thresholds.lz_allow, THRESHOLD_NAMES_MAX,
		 "keepalived rabbitmq-server haproxy");
	world_run(world, 66, 5);
	ck_assert_int_eq(world->count, 1);
	ck_assert_str_eq(world_text(world, world_expect(world, ZERO)->unit), "haproxy2.service");
	ck_assert_uint_eq(world_bits(world, ZERO), 1);
}
END_TEST

START_TEST(names_of_a_threshold)
{
	static const struct {
		const char *names, *name;
		bool has;
	} rows[] = {
		{ "", "a", false },
		{ "a", "", false },
		{ "", "", false },
		{ "a", "a", true },
		{ "a", "a.service", true },
		{ "a.service", "a.service", true },
		{ "a.service", "a", false },
		{ "b  a", "a", true },
		{ "ab", "a", false },
		{ "a", "ab", false },
		{ "a", "a.socket", false },
		{ "a b.service c", "b.service", true },
		{ "x .service", ".service", true },
	};
	char names[THRESHOLD_NAMES_MAX] = "";

	snprintf(names, sizeof(names), "%s", rows[_i].names);
	ck_assert_msg(threshold_has_name(names, rows[_i].name) == rows[_i].has, "\"%s\" in \"%s\"",
		      rows[_i].name, names);
}
END_TEST

START_TEST(zero_is_no_rst_on_close)
{
	uint32_t process = world_process(world, "a", "", 1, 9);

	/* close() would reset, too, but its reader does read. */
	with_linger(world_socket(world, TCPDIAG_ESTABLISHED, process), 0)->close_segment =
		TCPDIAG_SEGMENT_RST;
	world_run(world, 4000, 20);
	ck_assert_int_eq(world_severity(world, TCPDIAG_RULE_RST_ON_CLOSE), SEVERITY_NONE);
	ck_assert_int_eq(world_severity(world, ZERO), SEVERITY_INFO);
}
END_TEST

/* ---- linger-blocks ---- */

START_TEST(blocks_information_while_nothing_is_acknowledged)
{
	uint32_t process = world_process(world, "app", "app.service", 10, 1024);
	const struct finding *finding;
	struct record *record;

	record = with_linger(world_socket(world, TCPDIAG_ESTABLISHED, process), 5000);
	stalled(record, 3000);
	record->sk.notsent_bytes = 1000;
	world_round(world);
	ck_assert_int_eq(world->count, 0);
	world_run(world, 1, 1);
	finding = world_expect(world, BLOCKS);
	ck_assert_int_eq(finding->severity, SEVERITY_INFO);
	ck_assert_int_eq(finding->scope, SCOPE_PROCESS);
	ck_assert_int_eq(finding->pid, 1000);
	ck_assert_uint_eq(finding->count, 1);
	ck_assert_double_eq(finding->evidence[EVIDENCE_BLOCKED], 0);
	ck_assert_double_eq(finding->evidence[EVIDENCE_UNSENT_BYTES], 1000);
	ck_assert_ptr_nonnull(strstr(world_text(world, finding->summary),
				     "app (pid 1000, app.service) would wait in close() of 1 "
				     "connection"));
	ck_assert_ptr_nonnull(
		strstr(world_text(world, finding->cause), "10.9.8.7:10001, for up to 5 s."));
	world_run(world, 4000, 20);
	ck_assert_int_eq(world_severity(world, BLOCKS), SEVERITY_INFO);
	/* Without an end. */
	record->sk.sk_lingertime_ms = TCPDIAG_LINGER_FOREVER;
	world_run(world, 1, 1);
	ck_assert_ptr_nonnull(strstr(world_text(world, world_expect(world, BLOCKS)->cause),
				     "10.9.8.7:10001, without an end."));
}
END_TEST

START_TEST(blocks_silent_for_the_healthy)
{
	uint32_t process = world_process(world, "kubelet", "kubelet.service", 10, 1024), i;
	struct record *record;

	/* Idle with a long time. */
	with_linger(world_socket(world, TCPDIAG_ESTABLISHED, process), 5000);
	/* kubelet's probes: a second. */
	stalled(with_linger(world_socket(world, TCPDIAG_ESTABLISHED, process), 1000), 100);
	stalled(with_linger(world_socket(world, TCPDIAG_ESTABLISHED, process), 4999), 100);
	/* Off, though the time stands there. */
	record = with_linger(world_socket(world, TCPDIAG_ESTABLISHED, process), 5000);
	stalled(record, 100)->sk.linger = false;
	/* Not known. */
	record = with_linger(world_socket(world, TCPDIAG_ESTABLISHED, process), 5000);
	stalled(record, 100)->sk.known &= ~(uint32_t)TCPDIAG_KNOWS_LINGER;
	/* Unread data: close() resets, and waits for nobody. */
	record = stalled(with_linger(world_socket(world, TCPDIAG_CLOSE_WAIT, process), 5000), 100);
	record->sk.rqueue = 11;
	record->read_since_ns = world->now_ns;
	/* Only the FIN is not acknowledged yet, and an orphan waits for nobody. */
	stalled(with_linger(world_socket(world, TCPDIAG_FIN_WAIT1, process), 5000), 1);
	record = stalled(with_linger(world_socket(world, TCPDIAG_FIN_WAIT1, RECORD_NONE), 5000),
			 100);
	record->sk.attachment = TCPDIAG_ORPHAN;
	record->creator = process;
	/* Data that flows: at each look some has been acknowledged since the one before. */
	record = with_linger(world_socket(world, TCPDIAG_ESTABLISHED, process), 60000);
	for (i = 0; i < 50; i++) {
		world->now_ns += 5 * NSEC_PER_SEC;
		stalled(record, 100000);
		world_round(world);
		ck_assert_int_eq(world_severity(world, BLOCKS), SEVERITY_NONE);
	}
}
END_TEST

START_TEST(blocks_warning_for_a_close_that_waits)
{
	uint32_t process = world_process(world, "kubelet", "kubelet.service", 10, 1024);
	const struct finding *finding;

	closing(process, TCPDIAG_FIN_WAIT1, 30000);
	world_run(world, 1, 1);
	ck_assert_int_eq(world->count, 0);
	world_run(world, 1, 1);
	finding = world_expect(world, BLOCKS);
	ck_assert_int_eq(finding->severity, SEVERITY_WARNING);
	ck_assert_int_eq(finding->pid, 1000);
	ck_assert_uint_eq(finding->process, process);
	ck_assert_double_eq(finding->evidence[EVIDENCE_BLOCKED], 1);
	ck_assert_double_eq(finding->evidence[EVIDENCE_OLDEST_SECONDS], 2);
	ck_assert_ptr_nonnull(
		strstr(world_text(world, finding->summary),
		       "kubelet (pid 1000, kubelet.service) waits in 1 call of "
		       "close() for peers that do not acknowledge (SO_LINGER), oldest "
		       "2 s"));
	ck_assert_uint_eq(world_bits(world, BLOCKS), 1);
	world_run(world, 4000, 20);
	ck_assert_int_eq(world_severity(world, BLOCKS), SEVERITY_WARNING);
	/* The call has returned: an orphan, that nobody waits for. */
	world->records[0].sk.attachment = TCPDIAG_ORPHAN;
	world_run(world, 60, 5);
	ck_assert_int_eq(world_severity(world, BLOCKS), SEVERITY_WARNING);
	world_run(world, 5, 5);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

START_TEST(blocks_warning_for_five_at_once)
{
	uint32_t process = world_process(world, "app", "", 10, 1024), i;

	for (i = 0; i < 4; i++)
		closing(process, i % 2 ? TCPDIAG_CLOSING : TCPDIAG_LAST_ACK, 30000);
	world_round(world);
	ck_assert_int_eq(world->count, 0);
	closing(process, TCPDIAG_FIN_WAIT1, 1000);
	world_round(world);
	ck_assert_int_eq(world_severity(world, BLOCKS), SEVERITY_WARNING);
	ck_assert_uint_eq(world_expect(world, BLOCKS)->count, 5);
}
END_TEST

START_TEST(blocks_not_what_is_merely_unheld)
{
	uint32_t process = world_process(world, "app", "", 10, 1024), i;
	struct record *record;

	for (i = 0; i < 6; i++) {
		/* Passed in a message: a reference without a descriptor. */
		closing(process, TCPDIAG_FIN_WAIT1, 30000)->sk.references = 1;
		/* Linger off, 0, or not known. */
		closing(process, TCPDIAG_FIN_WAIT1, 30000)->sk.linger = false;
		record = closing(process, TCPDIAG_LAST_ACK, 30000);
		record->sk.known &= ~(uint32_t)TCPDIAG_KNOWS_LINGER;
		/* close() waits in no other state. */
		closing(process, TCPDIAG_FIN_WAIT2, 30000);
		closing(process, TCPDIAG_ESTABLISHED, 30000);
	}
	world_run(world, 100, 5);
	ck_assert_int_eq(world_severity(world, BLOCKS), SEVERITY_NONE);
}
END_TEST

/* The walk over the owners has not come round since it was closed: its holder is the one that waits. */
START_TEST(blocks_before_the_walk_sees_it_unheld)
{
	uint32_t process = world_process(world, "app", "", 10, 1024);
	struct record *record = closing(process, TCPDIAG_FIN_WAIT1, 30000);

	record->sk.attachment = TCPDIAG_HELD;
	record->holder = process;
	record->holders = 1;
	record->creator = RECORD_NONE;
	world_run(world, 2, 1);
	ck_assert_int_eq(world_severity(world, BLOCKS), SEVERITY_WARNING);
	ck_assert_uint_eq(world_expect(world, BLOCKS)->process, process);
	ck_assert_double_eq(world_expect(world, BLOCKS)->evidence[EVIDENCE_BLOCKED], 1);
}
END_TEST

START_TEST(blocks_where_references_are_not_known)
{
	closing(world_process(world, "app", "", 10, 1024), TCPDIAG_LAST_ACK, 30000)->sk.known &=
		~(uint32_t)TCPDIAG_KNOWS_REFERENCES;
	world_run(world, 5, 1);
	ck_assert_int_eq(world_severity(world, BLOCKS), SEVERITY_WARNING);
}
END_TEST

/* ---- without the source ---- */

START_TEST(blind_is_not_silence)
{
	const uint32_t bits = finding_bit(ZERO) | finding_bit(BLOCKS) | finding_bit(CLIFF);
	uint32_t process = world_process(world, "a", "a.service", 1, 9);

	with_linger(world_socket(world, TCPDIAG_ESTABLISHED, process), 0);
	world->input.settings_blind = true;
	world_run(world, 100, 5);
	ck_assert_uint_eq(world->snapshot.header->findings_blind, bits);
	ck_assert_int_eq(world->count, 0);
	world->input.settings_blind = false;
	world_run(world, 5, 5);
	ck_assert_uint_eq(world->snapshot.header->findings_blind, 0);
	ck_assert_int_eq(world_severity(world, ZERO), SEVERITY_INFO);
	/* What is not read any more has not gone: the finding stays, with its numbers. */
	world->input.settings_blind = true;
	world->record_count = 0;
	world_run(world, 1000, 5);
	ck_assert_uint_eq(world_expect(world, ZERO)->count, 1);
	ck_assert_uint_eq(world_expect(world, ZERO)->socket, RECORD_NONE);
	ck_assert_ptr_nonnull(strstr(world_text(world, world_expect(world, ZERO)->summary),
				     "a (pid 1000, a.service) has SO_LINGER on"));
	world->input.settings_blind = false;
	world_run(world, 66, 5);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

START_TEST(blind_to_sockets_sees_the_sysctl)
{
	world->input.settings_blind = true;
	world->environment.known |= TCPDIAG_ENV_FIN_TIMEOUT;
	world->environment.tcp_fin_timeout = 61;
	world_run(world, 10, 5);
	ck_assert_int_eq(world_severity(world, CLIFF), SEVERITY_WARNING);
	world->environment.tcp_fin_timeout = 60;
	world_run(world, 66, 5);
	ck_assert_int_eq(world->count, 0);
}
END_TEST

START_TEST(concern)
{
	struct record *record = world_socket(world, TCPDIAG_ESTABLISHED, RECORD_NONE);

	/* Most sockets of a machine are not even looked at. */
	ck_assert(!findings_concern(record));
	with_linger(record, 30000);
	ck_assert(!findings_concern(record));
	record->sk.wqueue = 1;
	ck_assert(findings_concern(record));
	record->sk.wqueue = 0;
	record->sk.sk_lingertime_ms = 0;
	ck_assert(findings_concern(record));
	record->sk.linger = false;
	ck_assert(!findings_concern(record));
	record->sk.linger2_ms = 60000;
	ck_assert(!findings_concern(record));
	record->sk.linger2_ms = 60001;
	ck_assert(findings_concern(record));
	record->sk.linger2_ms = 120000;
	ck_assert(!findings_concern(record));
	record->findings = finding_bit(ZERO);
	ck_assert(findings_concern(record));
}
END_TEST

static TCase *zero_tests(void)
{
	TCase *tests = tcase_create("linger-zero");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, zero_is_information_however_many);
	tcase_add_test(tests, zero_that_comes_from_the_listener);
	tcase_add_test(tests, zero_of_a_listener_alone);
	tcase_add_test(tests, zero_is_one_finding_a_unit);
	tcase_add_test(tests, zero_clears_a_minute_after_it_has_gone);
	tcase_add_test(tests, zero_silent_for_the_healthy);
	tcase_add_test(tests, zero_of_those_who_are_meant_to);
	tcase_add_loop_test(tests, names_of_a_threshold, 0, 13);
	tcase_add_test(tests, zero_is_no_rst_on_close);
	return tests;
}

static TCase *blocks_tests(void)
{
	TCase *tests = tcase_create("linger-blocks");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, blocks_information_while_nothing_is_acknowledged);
	tcase_add_test(tests, blocks_silent_for_the_healthy);
	tcase_add_test(tests, blocks_warning_for_a_close_that_waits);
	tcase_add_test(tests, blocks_warning_for_five_at_once);
	tcase_add_test(tests, blocks_not_what_is_merely_unheld);
	tcase_add_test(tests, blocks_before_the_walk_sees_it_unheld);
	tcase_add_test(tests, blocks_where_references_are_not_known);
	return tests;
}

static TCase *source_tests(void)
{
	TCase *tests = tcase_create("without the source");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, blind_is_not_silence);
	tcase_add_test(tests, blind_to_sockets_sees_the_sysctl);
	tcase_add_test(tests, concern);
	return tests;
}

Suite *suite(void)
{
	Suite *all = suite_create("findings of settings");

	suite_add_tcase(all, zero_tests());
	suite_add_tcase(all, blocks_tests());
	suite_add_tcase(all, source_tests());
	return all;
}
