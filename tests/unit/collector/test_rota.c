/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When a socket in a teardown state is looked at again.
 */
#include <check.h>

#include "../harness.h"
#include "collector/rota.h"
#include "model/macro.h"

#define S NSEC_PER_SEC
#define NOW (100000 * S)
#define CAP (8 * S)
#define MANY 4000U

static struct rota at(int64_t now_ns)
{
	struct rota rota;

	rota_begin(&rota, now_ns, S, CAP);
	return rota;
}

static struct record waiting(uint64_t cookie, uint8_t quiet, int64_t seen_ns)
{
	return (struct record){
		.seen_ns = seen_ns,
		.quiet = quiet,
		.sk = { .cookie = cookie,
			.state = TCPDIAG_CLOSE_WAIT,
			.attachment = TCPDIAG_HELD,
			.inode = 7,
			.rqueue = 11,
			.bytes_received = 11 },
	};
}

static bool is_due(const struct record *record, int64_t now_ns)
{
	const struct rota rota = at(now_ns);

	return rota_is_due(&rota, record, record->seen_ns);
}

/* After how many passes, one a second, it is due; and not before. */
static uint32_t due_after(uint64_t cookie, uint8_t quiet)
{
	const struct record record = waiting(cookie, quiet, NOW);

	for (uint32_t seconds = 1; seconds < 100; seconds++)
		if (is_due(&record, NOW + seconds * S))
			return seconds;
	return 100;
}

START_TEST(test_the_period_doubles_up_to_its_bound)
{
	static const uint32_t seconds[] = { 1, 2, 4, 8, 8, 8, 8 };

	for (uint32_t quiet = 0; quiet < ARRAY_SIZE(seconds); quiet++) {
		uint32_t most = 0, sum = 0;

		for (uint64_t cookie = 1; cookie <= MANY; cookie++) {
			uint32_t after = due_after(cookie, (uint8_t)quiet);

			ck_assert_uint_le(after, seconds[quiet]);
			most = MAX(most, after);
			sum += after;
		}
		ck_assert_uint_eq(most, seconds[quiet]);
		/* Each number of seconds up to that as often. */
		ck_assert_double_eq_tol((double)sum / MANY, (1 + seconds[quiet]) / 2.0, 0.15);
	}
	ck_assert_uint_le(due_after(1, UINT8_MAX), 8);
}
END_TEST

/* Looked at for the first time all at once, they are due one after the other. */
START_TEST(test_looks_are_spread)
{
	static int64_t seen_ns[MANY];
	uint32_t looks[64] = {};

	for (uint32_t i = 0; i < MANY; i++)
		seen_ns[i] = NOW;
	for (uint32_t second = 1; second < ARRAY_SIZE(looks); second++) {
		for (uint32_t i = 0; i < MANY; i++) {
			const struct record record = waiting(i + 1, 9, seen_ns[i]);

			if (!is_due(&record, NOW + second * S))
				continue;
			ck_assert_int_le(NOW + second * S - seen_ns[i], CAP);
			seen_ns[i] = NOW + second * S;
			looks[second]++;
		}
		ck_assert_uint_gt(looks[second], MANY / 8 * 8 / 10);
		ck_assert_uint_lt(looks[second], MANY / 8 * 12 / 10);
	}
}
END_TEST

START_TEST(test_due_whatever_its_period_is)
{
	static const struct {
		const char *what;
		uint8_t attachment, timer, known;
		uint32_t expires_ms;
		bool inherited, due;
	} rows[] = {
		{ "nothing happens", TCPDIAG_HELD, TCPDIAG_TIMER_OFF, 0, 0, false, false },
		{ "a timer that has time", TCPDIAG_ORPHAN, TCPDIAG_TIMER_RETRANSMIT, 0, 1001, false,
		  false },
		{ "a timer that has run out", TCPDIAG_ORPHAN, TCPDIAG_TIMER_RETRANSMIT, 0, 1000,
		  false, true },
		{ "a minisocket at its end", TCPDIAG_TIMEWAIT, TCPDIAG_TIMER_TIMEWAIT, 0, 700,
		  false, true },
		{ "nobody holds it", TCPDIAG_UNHELD, TCPDIAG_TIMER_OFF, 0, 0, false, true },
		{ "known from its listener", TCPDIAG_UNACCEPTED, TCPDIAG_TIMER_OFF, 0, 0, true,
		  true },
		{ "waits to be accepted", TCPDIAG_UNACCEPTED, TCPDIAG_TIMER_OFF, 0, 0, false,
		  true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct record record = waiting(1, 9, NOW);

		while (due_after(record.sk.cookie, 9) < 3)
			record.sk.cookie++;
		record.sk.attachment = rows[i].attachment;
		record.sk.timer = rows[i].timer;
		record.sk.expires_ms = rows[i].expires_ms;
		record.sk.inherited = rows[i].inherited;
		ck_assert_msg(is_due(&record, NOW + S) == rows[i].due, "%s", rows[i].what);
	}
}
END_TEST

/* Its last close() is under way. */
/* Those of one age are looked at together when a rule begins to count them, whatever their phase. */
START_TEST(test_due_when_it_comes_of_age)
{
	struct thresholds thresholds;
	uint32_t due[4] = {};
	struct rota rota;

	thresholds_default(&thresholds);
	thresholds.cw_in_info_age = 77 * S;
	for (uint64_t cookie = 1; cookie <= MANY; cookie++) {
		struct record record = waiting(cookie, 9, NOW);
		int64_t *const since_ns[] = { &record.state_since_ns, &record.data_since_ns,
					      &record.read_since_ns, &record.ack_since_ns };

		*since_ns[cookie % ARRAY_SIZE(since_ns)] = NOW - 76 * S;
		rota_begin(&rota, NOW + S - 1, S, CAP);
		rota_ages(&rota, &thresholds);
		due[0] += rota_is_due(&rota, &record, NOW);
		rota_begin(&rota, NOW + S, S, CAP);
		due[1] += rota_is_due(&rota, &record, NOW);
		rota_ages(&rota, &thresholds);
		due[2] += rota_is_due(&rota, &record, NOW);
		/* And then as before. */
		record.seen_ns = NOW + S;
		rota_begin(&rota, NOW + 2 * S, S, CAP);
		rota_ages(&rota, &thresholds);
		due[3] += rota_is_due(&rota, &record, NOW + S);
	}
	ck_assert_uint_lt(due[0], MANY / 2);
	ck_assert_uint_lt(due[1], MANY / 2);
	ck_assert_uint_eq(due[2], MANY);
	ck_assert_uint_lt(due[3], MANY / 2);
	for (uint32_t i = 1; i < rota.age_count; i++)
		ck_assert_int_lt(rota.ages_ns[i - 1], rota.ages_ns[i]);
	ck_assert_uint_gt(rota.age_count, 5);
}
END_TEST

START_TEST(test_a_close_that_waits_is_due)
{
	struct record record = waiting(1, 9, NOW);

	while (due_after(record.sk.cookie, 9) < 3)
		record.sk.cookie++;
	record.sk.known = TCPDIAG_KNOWS_REFERENCES;
	record.sk.references = 1;
	ck_assert(!is_due(&record, NOW + S));
	record.sk.references = 0;
	ck_assert(is_due(&record, NOW + S));
}
END_TEST

/* Passes are further apart than anything rests, or there is a bound below the interval: always. */
START_TEST(test_a_lane_that_is_slow)
{
	struct rota rota;

	for (uint64_t cookie = 1; cookie <= 100; cookie++) {
		struct record record = waiting(cookie, 9, NOW - 9 * S);

		ck_assert(is_due(&record, NOW));
		record.seen_ns = NOW - 1;
		rota_begin(&rota, NOW, 10 * S, CAP);
		ck_assert(rota_is_due(&rota, &record, record.seen_ns));
		rota_begin(&rota, NOW, S, S);
		ck_assert(rota_is_due(&rota, &record, record.seen_ns));
	}
}
END_TEST

#define CHANGE(member, value) \
	do { \
		struct record changed = old; \
		changed.sk.member = (value); \
		ck_assert_msg(!rota_quiet(&changed, &old), #member); \
	} while (0)

START_TEST(test_a_change_begins_anew)
{
	const struct record old = waiting(1, 3, NOW);
	struct record new = old;

	ck_assert_uint_eq(rota_quiet(&new, &old), 4);
	/* Time goes on. */
	new.sk.last_data_recv_ms = 5000;
	new.sk.expires_ms = 3;
	ck_assert_uint_eq(rota_quiet(&new, &old), 4);
	CHANGE(state, TCPDIAG_LAST_ACK);
	CHANGE(kind, TCPDIAG_KIND_TIMEWAIT);
	CHANGE(attachment, TCPDIAG_ORPHAN);
	CHANGE(inode, 0);
	CHANGE(rqueue, 10);
	CHANGE(wqueue, 1);
	CHANGE(bytes_received, 12);
	CHANGE(bytes_acked, 1);
	CHANGE(bytes_sent, 1);
	CHANGE(sk_shutdown, 1);
	CHANGE(timer, TCPDIAG_TIMER_PROBE);
	CHANGE(retransmits, 1);
	CHANGE(backoff, 1);
	CHANGE(probes, 1);
	CHANGE(linger, true);
	CHANGE(linger2_ms, 5);
}
END_TEST

START_TEST(test_looks_are_counted_in_teardown_states_and_up_to_a_number)
{
	struct record old = waiting(1, RECORD_QUIET_MAX, NOW), new = old;

	ck_assert_uint_eq(rota_quiet(&new, &old), RECORD_QUIET_MAX);
	old.sk.state = new.sk.state = TCPDIAG_ESTABLISHED;
	ck_assert_uint_eq(rota_quiet(&new, &old), 0);
}
END_TEST

START_TEST(test_settings_that_change_begin_anew)
{
	const struct tcpdiag_socket before = { .linger2_ms = 7 };
	struct tcpdiag_socket sk = before;

	ck_assert(rota_same_settings(&sk, &before));
	/* A thread that sleeps in poll() is no change. */
	sk.references = 2;
	ck_assert(rota_same_settings(&sk, &before));
	sk.sk_err = 104;
	ck_assert(!rota_same_settings(&sk, &before));
	sk = before;
	sk.soft_error = true;
	ck_assert(!rota_same_settings(&sk, &before));
	sk = before;
	sk.linger2_ms = 8;
	ck_assert(!rota_same_settings(&sk, &before));
}
END_TEST

Suite *suite(void)
{
	TCase *tcase = tcase_create("rota");
	Suite *suite = suite_create("rota");

	tcase_add_test(tcase, test_the_period_doubles_up_to_its_bound);
	tcase_add_test(tcase, test_looks_are_spread);
	tcase_add_test(tcase, test_due_whatever_its_period_is);
	tcase_add_test(tcase, test_due_when_it_comes_of_age);
	tcase_add_test(tcase, test_a_close_that_waits_is_due);
	tcase_add_test(tcase, test_a_lane_that_is_slow);
	tcase_add_test(tcase, test_a_change_begins_anew);
	tcase_add_test(tcase, test_looks_are_counted_in_teardown_states_and_up_to_a_number);
	tcase_add_test(tcase, test_settings_that_change_begin_anew);
	suite_add_tcase(suite, tcase);
	return suite;
}
