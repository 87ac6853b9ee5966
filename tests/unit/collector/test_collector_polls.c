/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The collector's polls: at a limit, with every buffer lent, without a source, by timers, of a recorded dump.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <systemd/sd-event.h>

#include "../harness.h"
#include "live.h"

#define FIXTURES "tests/fixtures/" /* tests run in the source tree */

START_TEST(test_limit_of_sockets)
{
	int listening = listener(PORT, 50), i;
	struct snapshot s;

	for (i = 0; i < 20; i++)
		client(PORT);
	ck_assert_int_ge(listening, 0);
	s = poll_now(LANE_SWEEP);
	ck_assert_uint_eq(s.record_count, 41);
	ck_assert_uint_eq(s.header->limits[LIMIT_SOCKETS], 0);
	settings.max_sockets = 10;
	collector_configure(collector, &settings);
	s = poll_now(LANE_SWEEP);
	ck_assert_uint_eq(s.record_count, 10);
	ck_assert_uint_eq(s.header->limits[LIMIT_SOCKETS], 31);
	ck_assert_ptr_nonnull(strstr(snapshot_text(&s, s.header->missing), "31 sockets"));
	settings.max_sockets = 41;
	collector_configure(collector, &settings);
	s = poll_now(LANE_SWEEP);
	ck_assert_uint_eq(s.record_count, 41);
	ck_assert_uint_eq(s.header->limits[LIMIT_SOCKETS], 31);
}
END_TEST

/* What the sums by minute had to leave out. */
START_TEST(test_limit_of_minutes)
{
	struct journal *journal = collector_journal(collector);
	struct event event = { .kind = EVENT_RESET_SENT,
			       .wall_ns = 1700000000LL * NSEC_PER_SEC,
			       .socket = { .state = TCPDIAG_ESTABLISHED,
					   .direction = DIRECTION_INBOUND,
					   .flags = EVENT_HAS_SOCKET } };
	struct event scan = { .kind = EVENT_RESET_SENT,
			      .wall_ns = event.wall_ns - 60 * NSEC_PER_SEC,
			      .socket.reason = RESET_REASON_NO_SOCKET_SYN };
	uint64_t cut;
	struct snapshot s = poll_now(LANE_SWEEP);
	uint32_t i;

	ck_assert_uint_eq(s.header->limits[LIMIT_FOLDED], 0);
	ck_assert_uint_eq(s.header->limits[LIMIT_MINUTES], 0);
	/* A scan hits no limit: of what belongs to no socket a minute never has many rows. */
	for (i = 1; i <= 2000; i++) {
		scan.socket.local_port = (uint16_t)i;
		journal_count(journal, &scan, 1);
	}
	s = poll_now(LANE_SWEEP);
	ck_assert_uint_eq(s.header->limits[LIMIT_FOLDED], 0);
	/* More ports in one minute than it has rows for, then more minutes than a day has room for. */
	for (i = 1; i <= 2000; i++) {
		event.socket.local_port = (uint16_t)i;
		journal_count(journal, &event, 1);
	}
	s = poll_now(LANE_SWEEP);
	ck_assert_uint_eq(s.header->limits[LIMIT_FOLDED], 2000 - 1024);
	for (i = 0; i < 400 * 1000; i++) {
		event.socket.local_port = (uint16_t)(i % 1000 + 1);
		event.wall_ns += i % 1000 ? 0 : 60 * NSEC_PER_SEC;
		journal_count(journal, &event, 1);
	}
	s = poll_now(LANE_SWEEP);
	cut = journal_minutes_cut(journal);
	ck_assert_uint_ge(cut, 400 * 1000 - 262144);
	ck_assert_uint_eq(s.header->limits[LIMIT_MINUTES], cut);
}
END_TEST

START_TEST(test_lent)
{
	struct channel_lend lends[CHANNEL_BUFFERS];
	struct pool *pool = collector_pool(collector);
	struct snapshot s;
	uint64_t id;
	int i;

	for (i = 0; i < (int)CHANNEL_BUFFERS; i++) {
		poll_now(LANE_SWEEP);
		ck_assert_int_eq(pool_lend(pool, &lends[i]), 0);
		ck_assert_uint_eq(lends[i].id, (uint64_t)i + 1);
	}
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(collector_poll(collector, LANE_FAST), 1);
	ck_assert_int_eq(collector_snapshot(collector, &s), 0);
	id = s.header->id;
	ck_assert_uint_eq(id, CHANNEL_BUFFERS + 3);
	/* Its own skip is counted once it is known. */
	ck_assert_uint_eq(s.header->limits[LIMIT_SNAPSHOTS_SKIPPED], 2);
	ck_assert_int_eq(pool_return(pool, &lends[0]), 0);
	s = poll_now(LANE_FAST);
	ck_assert_uint_eq(s.header->limits[LIMIT_SNAPSHOTS_SKIPPED], 3);
}
END_TEST

/* A source that cannot be opened is said; when it can be, polls go on. */
START_TEST(test_source_fails)
{
	struct rlimit limit, old;
	struct collector *poor = NULL;
	struct snapshot s;
	int64_t first_ns;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	limit = old;
	limit.rlim_cur = (rlim_t)fd + 2; /* two: the memfds of the pool and of the journal */
	close(fd);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	settings.processes = false;
	ck_assert_int_eq(collector_new(&settings, &poor), 0);
	ck_assert_int_eq(collector_poll(poor, LANE_FAST), -EMFILE);
	ck_assert_int_eq(collector_snapshot(poor, &s), 0);
	ck_assert_uint_eq(s.sources[SOURCE_SOCK_DIAG].state, SOURCE_FAILED);
	ck_assert_int_eq(s.sources[SOURCE_SOCK_DIAG].error, EMFILE);
	ck_assert_uint_ge(s.sources[SOURCE_SOCK_DIAG].failures, 1);
	ck_assert_uint_eq(s.sources[SOURCE_COUNTERS].state, SOURCE_FAILED);
	ck_assert_ptr_nonnull(strstr(snapshot_text(&s, s.header->missing), "sock_diag"));
	ck_assert_int_eq(s.header->lanes[LANE_SWEEP].last_ns, 0);
	ck_assert_uint_eq(s.header->id, 1);
	first_ns = s.header->now_ns;
	/* It gets older, and is published all the same. */
	wait_ms(5);
	ck_assert_int_eq(collector_poll(poor, LANE_SWEEP), -EMFILE);
	ck_assert_int_eq(collector_snapshot(poor, &s), 0);
	ck_assert_uint_eq(s.header->id, 2);
	ck_assert_int_eq(s.header->now_ns, first_ns);
	ck_assert(!s.header->orphans.count_known);

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	ck_assert_int_eq(listener(PORT, 1) >= 0, 1);
	ck_assert_int_eq(collector_poll(poor, LANE_FAST), 0);
	ck_assert_int_eq(collector_snapshot(poor, &s), 0);
	ck_assert_uint_eq(s.sources[SOURCE_SOCK_DIAG].state, SOURCE_OK);
	ck_assert_uint_eq(s.sources[SOURCE_COUNTERS].state, SOURCE_OK);
	ck_assert_uint_eq(s.record_count, 1);
	collector_free(poor);
}
END_TEST

struct seen {
	sd_event *event;
	int count, enough;
	uint64_t last_id;
};

static void on_published(struct collector *c, int result, void *context)
{
	struct seen *seen = context;
	struct snapshot s;

	ck_assert_int_eq(result, 0);
	ck_assert_int_eq(collector_snapshot(c, &s), 0);
	ck_assert_uint_eq(s.header->id, seen->last_id + 1);
	seen->last_id = s.header->id;
	/* The walk sees all processes of the machine: that takes as long as it takes. */
	if (++seen->count >= seen->enough && s.header->lanes[LANE_OWNERS].passes &&
	    s.sources[SOURCE_PROCESSES].state != SOURCE_STARTING)
		sd_event_exit(seen->event, 0);
}

START_TEST(test_event_loop)
{
	struct seen seen = { .enough = 12 };
	int listening = listener(PORT, 5), ends[2];
	struct timespec t0, t1;
	struct snapshot s;
	double seconds;

	connection(listening, ends);
	settings.interval_ns = 50 * NSEC_PER_MSEC;
	settings.sweep_interval_ns = 200 * NSEC_PER_MSEC;
	settings.cpu_share = 100;
	collector_configure(collector, &settings);
	ck_assert_int_ge(sd_event_new(&seen.event), 0);
	ck_assert_int_eq(collector_attach(collector, seen.event, on_published, &seen), 0);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	ck_assert_int_eq(sd_event_loop(seen.event), 0);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	seconds = (double)(t1.tv_sec - t0.tv_sec) + (double)(t1.tv_nsec - t0.tv_nsec) / 1e9;
	ck_assert_double_ge(seconds, 0.5);
	ck_assert_int_eq(collector_snapshot(collector, &s), 0);
	ck_assert_uint_ge(s.header->lanes[LANE_SWEEP].passes, 3);
	ck_assert_uint_ge(s.header->lanes[LANE_FAST].passes, 5);
	ck_assert_int_eq(s.header->lanes[LANE_FAST].wanted_ns, 50 * NSEC_PER_MSEC);
	ck_assert_uint_eq(s.record_count, 3);
	/* The names came by themselves. */
	ck_assert_uint_ge(s.header->lanes[LANE_OWNERS].passes, 1);
	ck_assert_int_eq(pid_of(snapshot_owner(&s, need(&s, PORT, port_of(ends[0])))), getpid());
	collector = collector_free(collector);
	sd_event_unref(seen.event);
}
END_TEST

START_TEST(test_reload_is_told)
{
	struct snapshot s;

	collector_set_reload(collector, false, "line 3: no such key", 77);
	collector_set_web_restarts(collector, 4);
	s = poll_now(LANE_SWEEP);
	ck_assert(!s.header->reload_ok);
	ck_assert_int_eq(s.header->reload_ns, 77);
	ck_assert_str_eq(snapshot_text(&s, s.header->reload_error), "line 3: no such key");
	ck_assert_uint_eq(s.header->web_restarts, 4);
	collector_set_reload(collector, true, NULL, 78);
	s = poll_now(LANE_FAST);
	ck_assert(s.header->reload_ok);
	ck_assert_str_eq(snapshot_text(&s, s.header->reload_error), "");
}
END_TEST

START_TEST(test_replay_of_nothing)
{
	struct collector *none = NULL;

	settings.replay = "/nonexistent/dump";
	ck_assert_int_eq(collector_new(&settings, &none), -ENOENT);
	ck_assert_ptr_null(none);
}
END_TEST

/* As `ss -D` has written it: no clock runs, nothing else is known, nothing is made up. */
START_TEST(test_replay)
{
	struct collector *replay = NULL;
	struct snapshot s;
	uint32_t i, waiting = 0;

	settings.replay = FIXTURES "listener-queue-full.dump";
	ck_assert_int_eq(collector_new(&settings, &replay), 0);
	ck_assert_int_eq(collector_poll(replay, LANE_SWEEP), 0);
	ck_assert_int_eq(collector_snapshot(replay, &s), 0);
	ck_assert(s.header->replay);
	ck_assert_uint_gt(s.record_count, 5);
	ck_assert_uint_eq(s.header->counters.known, 0);
	ck_assert_uint_eq(s.header->environment.known, 0);
	ck_assert(!s.header->orphans.count_known);
	ck_assert_uint_eq(s.process_count, 0);
	ck_assert_uint_eq(s.sources[SOURCE_SOCK_DIAG].state, SOURCE_OK);
	for (i = SOURCE_MPTCP_DIAG; i < SOURCE_MAX; i++)
		ck_assert_uint_eq(s.sources[i].state, SOURCE_OFF);
	for (i = 0; i < s.record_count; i++) {
		const struct record *record = &s.records[i];

		ck_assert_uint_eq(record->flags & (RECORD_BORN_SEEN | RECORD_OWNERS_KNOWN), 0);
		if (record->sk.attachment != TCPDIAG_UNACCEPTED)
			continue;
		waiting++;
		ck_assert_uint_eq(record->direction, DIRECTION_INBOUND);
		ck_assert_uint_eq(s.records[record->listener].sk.state, TCPDIAG_LISTEN);
	}
	ck_assert_uint_gt(waiting, 0);
	ck_assert_uint_eq(s.header->totals.attachment[TCPDIAG_UNACCEPTED], waiting);
	/* The same again is the same again. */
	i = s.record_count;
	ck_assert_int_eq(collector_poll(replay, LANE_SWEEP), 0);
	ck_assert_int_eq(collector_poll(replay, LANE_FAST), 0);
	ck_assert_int_eq(collector_snapshot(replay, &s), 0);
	ck_assert_uint_eq(s.record_count, i);
	collector_free(replay);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("collector polls");
	TCase *tc = tcase_create("collector");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_limit_of_sockets);
	tcase_add_test(tc, test_limit_of_minutes);
	tcase_add_test(tc, test_lent);
	tcase_add_test(tc, test_source_fails);
	tcase_add_test(tc, test_event_loop);
	tcase_add_test(tc, test_reload_is_told);
	tcase_add_test(tc, test_replay_of_nothing);
	tcase_add_test(tc, test_replay);
	suite_add_tcase(s, tc);
	return s;
}
