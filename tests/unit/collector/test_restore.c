/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One collector after the other: the second goes on with a copy of the first one's newest snapshot, as it would
 * find it after a restart.
 */
#include <errno.h>

#include "../harness.h"
#include "live.h"

static void *copy;
static size_t copy_size;

/* Another collector, which has been left that. Return: as collector_restore(). */
static int restart(const struct snapshot *s, const char **ret_why)
{
	free(copy);
	copy_size = s->header->bytes;
	copy = aligned_alloc(64, (copy_size + 63) & ~(size_t)63);
	ck_assert_ptr_nonnull(copy);
	memcpy(copy, s->header, copy_size);
	collector = collector_free(collector);
	ck_assert_int_eq(collector_new(&settings, &collector), 0);
	return collector_restore(collector, copy, copy_size, ret_why);
}

/* Damages what the first collector has left. */
static struct snapshot_header *begin(void)
{
	struct snapshot s = poll_now(LANE_SWEEP);
	const char *why;

	ck_assert_int_eq(restart(&s, &why), 0);
	collector = collector_free(collector);
	ck_assert_int_eq(collector_new(&settings, &collector), 0);
	return copy;
}

static void with_history(void)
{
	setup();
	settings.max_history = 1024;
	settings.max_ended = 64;
	collector = collector_free(collector);
	ck_assert_int_eq(collector_new(&settings, &collector), 0);
}

static void end(void)
{
	teardown();
	free(copy);
	copy = NULL;
}

static uint8_t newest_kind(const struct snapshot *s, const struct record *record)
{
	const struct history_entry *entry = snapshot_history(s, &record->sk, record->history);

	return entry ? entry->kind : HISTORY_NONE;
}

START_TEST(test_goes_on)
{
	int listening = listener(PORT, 5), held[2] = { -1, -1 }, closed[2] = { -1, -1 };
	uint16_t first, second;
	const struct record *record;
	const struct process *owner;
	const char *why = NULL;
	int64_t since[2];
	struct snapshot s;
	uint64_t id;

	connection(listening, held);
	connection(listening, closed);
	first = port_of(held[0]);
	second = port_of(closed[0]);
	poll_now(LANE_SWEEP);
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	poll_now(LANE_SWEEP);
	ck_assert_int_eq(shutdown(held[0], SHUT_WR), 0);
	close(closed[0]);
	wait_ms(60); /* until both FINs are acknowledged */
	s = poll_now(LANE_SWEEP);
	record = need(&s, first, PORT);
	ck_assert_int_eq(newest_kind(&s, record), HISTORY_STATE);
	since[0] = record->state_since_ns;
	record = need(&s, second, PORT);
	since[1] = record->state_since_ns;
	ck_assert_int_eq(pid_of(snapshot_owner(&s, record)), getpid());
	id = s.header->id;

	ck_assert_int_eq(restart(&s, &why), 0);
	ck_assert_ptr_null(why);
	s = poll_now(LANE_FAST);
	/* The first one asks for everything. */
	ck_assert_uint_eq(s.header->lanes[LANE_SWEEP].passes, 1);
	ck_assert_uint_eq(s.header->id, id + 1);
	record = need(&s, first, PORT);
	ck_assert_int_eq(record->state_since_ns, since[0]);
	ck_assert_int_eq(newest_kind(&s, record), HISTORY_STATE);
	owner = snapshot_owner(&s, record);
	ck_assert_int_eq(pid_of(owner), getpid());
	ck_assert_uint_eq(record->holders, 1);
	record = need(&s, second, PORT);
	ck_assert_int_eq(record->state_since_ns, since[1]);
	ck_assert_int_eq(pid_of(snapshot_process(&s, record->creator)), getpid());
	ck_assert_uint_eq(s.header->history.restart_count, 1);

	/* Its own walks take over, and who left an orphan stays known. */
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	s = poll_now(LANE_SWEEP);
	ck_assert_int_eq(pid_of(snapshot_owner(&s, need(&s, first, PORT))), getpid());
	ck_assert_uint_eq(need(&s, first, PORT)->flags & RECORD_OWNERS_KNOWN, RECORD_OWNERS_KNOWN);
	ck_assert_int_eq(pid_of(snapshot_process(&s, need(&s, second, PORT)->creator)), getpid());
	/* What it went on with is no longer needed. */
	memset(copy, 0xff, copy_size);
	poll_now(LANE_SWEEP);
}
END_TEST

/* What ended, and what was born, while nobody looked. */
START_TEST(test_meanwhile)
{
	int listening = listener(PORT, 5), gone[2] = { -1, -1 }, born[2] = { -1, -1 };
	const struct record *record;
	struct snapshot s;
	const struct ended *ended;
	uint16_t port;
	const char *why;
	uint64_t cookie;
	uint32_t netns;
	struct linger reset = { .l_onoff = 1 };

	connection(listening, gone);
	s = poll_now(LANE_SWEEP);
	record = need(&s, port_of(gone[0]), PORT);
	cookie = record->sk.cookie;
	netns = record->sk.netns;
	setsockopt(gone[0], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(gone[0]);
	connection(listening, born);
	port = port_of(born[0]);
	ck_assert_int_eq(restart(&s, &why), 0);
	s = poll_now(LANE_SWEEP);
	ended = snapshot_ended(&s, netns, cookie);
	ck_assert_ptr_nonnull(ended);
	ck_assert_int_eq(ended->gone_ns, s.header->now_ns);
	/* It was born between two collectors: nobody knows when. */
	record = need(&s, port, PORT);
	ck_assert_uint_eq(record->flags & (RECORD_BORN_SEEN | RECORD_STATE_EXACT), 0);
	close(born[0]);
	close(born[1]);

	/* The end is remembered over the next restart, too. */
	ck_assert_int_eq(restart(&s, &why), 0);
	s = poll_now(LANE_SWEEP);
	ck_assert_ptr_nonnull(snapshot_ended(&s, netns, cookie));
	ck_assert_uint_eq(s.header->history.restart_count, 2);
}
END_TEST

/* A change while nobody looked for longer than between two looks has no exact time; one that is older keeps it. */
START_TEST(test_gap)
{
	int listening, ends[2] = { -1, -1 }, other[2] = { -1, -1 };
	const struct history_entry *entry;
	const struct record *record;
	struct snapshot s;
	const char *why;
	int64_t looked;

	settings.interval_ns = settings.sweep_interval_ns = 100 * NSEC_PER_MSEC;
	collector = collector_free(collector);
	ck_assert_int_eq(collector_new(&settings, &collector), 0);
	listening = listener(PORT, 5);
	poll_now(LANE_SWEEP);
	connection(listening, ends);
	connection(listening, other);
	ck_assert_int_eq(shutdown(other[0], SHUT_WR), 0);
	wait_ms(60);
	s = poll_now(LANE_SWEEP);
	record = need(&s, port_of(other[0]), PORT);
	ck_assert_uint_eq(record->flags & RECORD_STATE_EXACT, RECORD_STATE_EXACT);
	looked = s.header->now_ns;
	ck_assert_int_eq(shutdown(ends[0], SHUT_WR), 0);
	wait_ms(400);
	ck_assert_int_eq(restart(&s, &why), 0);
	s = poll_now(LANE_SWEEP);
	record = need(&s, port_of(ends[0]), PORT);
	ck_assert_int_eq(record->sk.state, TCPDIAG_FIN_WAIT2);
	ck_assert_uint_eq(record->flags & RECORD_STATE_EXACT, 0);
	ck_assert_int_ge(record->state_since_ns, looked);
	entry = snapshot_history(&s, &record->sk, record->history);
	ck_assert_ptr_nonnull(entry);
	ck_assert_int_eq(entry->a, TCPDIAG_ESTABLISHED);
	ck_assert_uint_eq(entry->flags, HISTORY_EXACT);
	record = need(&s, port_of(other[0]), PORT);
	ck_assert_uint_eq(record->flags & RECORD_STATE_EXACT, RECORD_STATE_EXACT);
	ck_assert_int_le(s.header->history.restarts[0].from_ns, looked);
	ck_assert_int_ge(s.header->history.restarts[0].to_ns,
			 s.header->history.restarts[0].from_ns + 400 * NSEC_PER_MSEC);
}
END_TEST

/* The fast lane no longer shows it, the collector ends, the next one's sweep finds it in TIME-WAIT. */
START_TEST(test_back_as_a_minisocket)
{
	int listening = listener(PORT, 5), ends[2] = { -1, -1 };
	const struct record *record;
	struct snapshot s;
	const char *why;
	uint16_t port;
	int64_t born;
	uint64_t cookie;

	connection(listening, ends);
	port = port_of(ends[0]);
	ck_assert_int_eq(shutdown(ends[0], SHUT_WR), 0);
	wait_ms(60);
	s = poll_now(LANE_SWEEP);
	record = need(&s, port, PORT);
	born = record->born_ns;
	cookie = record->sk.cookie;
	ck_assert_int_eq(record->sk.state, TCPDIAG_FIN_WAIT2);
	close(ends[1]);
	wait_ms(20);
	s = poll_now(LANE_FAST);
	ck_assert_ptr_null(find(&s, port, PORT));
	ck_assert_ptr_nonnull(snapshot_ended(&s, s.header->netns, cookie));
	ck_assert_int_eq(restart(&s, &why), 0);
	s = poll_now(LANE_SWEEP);
	record = need(&s, port, PORT);
	ck_assert_int_eq(record->sk.state, TCPDIAG_TIME_WAIT);
	ck_assert_int_eq(record->born_ns, born);
	ck_assert_ptr_null(snapshot_ended(&s, s.header->netns, cookie));
	ck_assert_int_eq(newest_kind(&s, record), HISTORY_STATE);
	close(ends[0]);
}
END_TEST

/* Switched off meanwhile, nothing is known of holders. */
START_TEST(test_without_processes)
{
	int listening = listener(PORT, 5), ends[2] = { -1, -1 };
	struct snapshot s;
	const char *why;

	connection(listening, ends);
	poll_now(LANE_SWEEP);
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	s = poll_now(LANE_SWEEP);
	ck_assert_ptr_nonnull(snapshot_owner(&s, need(&s, port_of(ends[0]), PORT)));
	settings.processes = false;
	ck_assert_int_eq(restart(&s, &why), 0);
	s = poll_now(LANE_SWEEP);
	ck_assert_ptr_null(snapshot_owner(&s, need(&s, port_of(ends[0]), PORT)));
	ck_assert_uint_eq(s.process_count, 0);
}
END_TEST

static int refused(const char *expected)
{
	const char *why = "";

	ck_assert_int_eq(collector_restore(collector, copy, copy_size, &why), -EBADMSG);
	ck_assert_msg(strstr(why, expected) != NULL, "%s", why);
	return 0;
}

START_TEST(test_refused)
{
	struct snapshot_header *header = begin();
	struct snapshot s;

	header->layout++;
	refused("another version");
	header->layout--;
	header->magic++;
	refused("not complete");
	header->magic--;
	header->boot_id[3] ^= 1;
	refused("another boot");
	header->boot_id[3] ^= 1;
	header->netns++;
	refused("another network namespace");
	header->netns--;
	header->replay = true;
	refused("replay");
	header->replay = false;
	header->now_ns += 3600 * NSEC_PER_SEC;
	refused("future");
	header->now_ns -= 3600 * NSEC_PER_SEC;
	header->sections[SECTION_RECORDS].count = UINT32_MAX;
	refused("damaged");
	/* Refused, it begins from nothing. */
	s = poll_now(LANE_FAST);
	ck_assert_uint_eq(s.header->id, 1);
	ck_assert_uint_eq(s.header->history.restart_count, 0);
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("restore");
	TCase *tc = tcase_create("restore");

	tcase_add_checked_fixture(tc, with_history, end);
	tcase_add_test(tc, test_goes_on);
	tcase_add_test(tc, test_meanwhile);
	tcase_add_test(tc, test_gap);
	tcase_add_test(tc, test_back_as_a_minisocket);
	tcase_add_test(tc, test_without_processes);
	tcase_add_test(tc, test_refused);
	suite_add_tcase(suite, tc);
	return suite;
}
