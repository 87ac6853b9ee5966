/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal's rings: what stands in them, in which order, what has gone, and a reader beside a writer.
 */
#include <errno.h>
#include <pthread.h>

#include "journal_fixture.h"
#include "model/journal_private.h"

static struct block block;

static void setup(void)
{
	block_open(&block, &small);
}

static void teardown(void)
{
	block_close(&block);
}

START_TEST(test_words)
{
	int i;

	ck_assert_ptr_null(event_kind_name(EVENT_NONE));
	ck_assert_ptr_null(event_kind_name(EVENT_KIND_MAX));
	ck_assert_ptr_null(event_actor_name(ACTOR_UNKNOWN));
	ck_assert_ptr_null(event_actor_name(ACTOR_MAX));
	for (i = EVENT_NONE + 1; i < EVENT_KIND_MAX; i++)
		ck_assert_ptr_nonnull(event_kind_name((enum event_kind)i));
	for (i = ACTOR_UNKNOWN + 1; i < ACTOR_MAX; i++)
		ck_assert_ptr_nonnull(event_actor_name((enum event_actor)i));
	for (i = 0; i < EVENT_RING_MAX; i++)
		ck_assert_ptr_nonnull(event_ring_name((enum event_ring)i));
	ck_assert_ptr_null(event_ring_name(EVENT_RING_MAX));
	ck_assert_str_eq(event_kind_name(EVENT_RESET_SENT), "reset-sent");
	ck_assert_str_eq(event_kind_name(EVENT_FINDING_CLEARED), "finding-cleared");
	ck_assert_str_eq(event_kind_name(EVENT_TIMED_OUT), "timed-out");
	ck_assert_str_eq(event_actor_name(ACTOR_LISTENER_CLOSE), "listener-close");
}
END_TEST

START_TEST(test_rings)
{
	static const struct {
		enum event_kind kind;
		enum event_ring ring;
	} rows[] = {
		{ EVENT_RESET_SENT, EVENT_RING_RESETS },
		{ EVENT_RESET_RECEIVED, EVENT_RING_RESETS },
		{ EVENT_TIMED_OUT, EVENT_RING_ABNORMAL },
		{ EVENT_ORPHANED, EVENT_RING_ABNORMAL },
		{ EVENT_DESTROYED, EVENT_RING_ABNORMAL },
		{ EVENT_FINDING_RAISED, EVENT_RING_FINDINGS },
		{ EVENT_FINDING_CLEARED, EVENT_RING_FINDINGS },
		{ EVENT_CLOSED, EVENT_RING_ORDINARY },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct journal_cursor cursor;
		struct event event;
		uint64_t id = add_kind(&block, rows[i].kind, WALL_NS);

		ck_assert_int_eq(event_ring_of(rows[i].kind), rows[i].ring);
		journal_seek(&block.view, id - 1, &cursor);
		ck_assert_int_eq(journal_next(&block.view, &cursor,
					      JOURNAL_RINGS_ALL & ~JOURNAL_RING(rows[i].ring),
					      &event),
				 0);
		ck_assert_int_eq(
			journal_next(&block.view, &cursor, JOURNAL_RING(rows[i].ring), &event), 1);
		ck_assert_uint_eq(event.id, id);
		ck_assert_uint_eq(event.kind, rows[i].kind);
	}
}
END_TEST

START_TEST(test_empty)
{
	struct journal_cursor cursor;
	struct event event;

	ck_assert_uint_eq(journal_newest(&block.view), 0);
	ck_assert_int_eq(journal_since_ns(&block.view), WALL_NS);
	ck_assert_int_eq(journal_oldest_ns(&block.view, JOURNAL_RINGS_ALL), WALL_NS);
	ck_assert(journal_reaches(&block.view, JOURNAL_RINGS_ALL, 0));
	journal_seek(&block.view, 0, &cursor);
	ck_assert_int_eq(journal_next(&block.view, &cursor, JOURNAL_RINGS_ALL, &event), 0);
	journal_seek(&block.view, 1000, &cursor);
	ck_assert_int_eq(journal_next(&block.view, &cursor, JOURNAL_RINGS_ALL, &event), 0);
	ck_assert_uint_eq(cursor.lost, 0);
}
END_TEST

/* Ids behind those of a journal that is gone: what a client has seen of that one is not reached. */
START_TEST(test_begin)
{
	const uint64_t begin = (uint64_t)WALL_NS / NSEC_PER_USEC;
	struct journal_cursor cursor;
	struct event event;

	journal_begin_at(block.journal, begin);
	ck_assert_uint_eq(journal_newest(&block.view), begin);
	ck_assert(journal_reaches(&block.view, JOURNAL_RINGS_ALL, 0));
	ck_assert(!journal_reaches(&block.view, JOURNAL_RINGS_ALL, 1));
	ck_assert(!journal_reaches(&block.view, JOURNAL_RING(EVENT_RING_RESETS), begin - 1));
	ck_assert(journal_reaches(&block.view, JOURNAL_RINGS_ALL, begin));
	ck_assert_uint_eq(add_kind(&block, EVENT_CLOSED, WALL_NS), begin + 1);
	journal_seek(&block.view, 20, &cursor);
	ck_assert_int_eq(journal_next(&block.view, &cursor, JOURNAL_RINGS_ALL, &event), 1);
	ck_assert_uint_eq(event.id, begin + 1);
	ck_assert_uint_eq(cursor.lost, 0);
	ck_assert_uint_eq(journal_overwritten(&block.view, EVENT_RING_ORDINARY), 0);
	/* From the beginning on there is a gap only where something was overwritten. */
	add_many(&block, EVENT_CLOSED, 15);
	ck_assert(journal_reaches(&block.view, JOURNAL_RINGS_ALL, 0));
	add_many(&block, EVENT_CLOSED, 1);
	ck_assert(!journal_reaches(&block.view, JOURNAL_RINGS_ALL, 0));
	ck_assert(journal_reaches(&block.view, JOURNAL_RING(EVENT_RING_RESETS), 0));
}
END_TEST

/* Whatever the clock says, ids are numbers that JSON holds. */
START_TEST(test_begin_late)
{
	journal_begin_at(block.journal, UINT64_MAX);
	ck_assert_uint_lt(add_kind(&block, EVENT_CLOSED, WALL_NS), 1ULL << 53);
}
END_TEST

/* Kinds in turn and in bursts: by id over all rings. */
START_TEST(test_merge)
{
	static const enum event_kind kinds[] = { EVENT_RESET_SENT,     EVENT_CLOSED,
						 EVENT_FINDING_RAISED, EVENT_RESET_RECEIVED,
						 EVENT_TIMED_OUT,      EVENT_CLOSED };
	struct journal_cursor cursor;
	struct event event;
	uint64_t id = 0;
	size_t i;

	for (i = 0; i < 24; i++)
		add_kind(&block, kinds[i % ARRAY_SIZE(kinds)], WALL_NS);
	journal_seek(&block.view, 0, &cursor);
	while (journal_next(&block.view, &cursor, JOURNAL_RINGS_ALL, &event) > 0) {
		ck_assert_uint_eq(event.id, ++id);
		ck_assert_uint_eq(event.kind, kinds[(id - 1) % ARRAY_SIZE(kinds)]);
	}
	ck_assert_uint_eq(id, 24);
	ck_assert_uint_eq(cursor.lost, 0);
	ck_assert_uint_eq(journal_newest(&block.view), 24);
	/* What comes later is found where the reader stands. */
	add_kind(&block, EVENT_ORPHANED, WALL_NS);
	ck_assert_int_eq(journal_next(&block.view, &cursor, JOURNAL_RINGS_ALL, &event), 1);
	ck_assert_uint_eq(event.id, 25);
}
END_TEST

START_TEST(test_wrap)
{
	struct journal_cursor cursor;
	struct event event;
	uint64_t id = 30 - 16;

	add_kind(&block, EVENT_FINDING_RAISED, WALL_NS - 5);
	add_many(&block, EVENT_RESET_SENT, 29);
	/* The busy ring has pushed out its own only. */
	ck_assert_uint_eq(journal_overwritten(&block.view, EVENT_RING_RESETS), 29 - 16);
	ck_assert_uint_eq(journal_overwritten(&block.view, EVENT_RING_FINDINGS), 0);
	ck_assert_uint_eq(journal_overwritten(&block.view, EVENT_RING_MAX), 0);
	journal_seek(&block.view, 0, &cursor);
	ck_assert_int_eq(journal_next(&block.view, &cursor, JOURNAL_RINGS_ALL, &event), 1);
	ck_assert_uint_eq(event.id, 1);
	ck_assert_uint_eq(event.kind, EVENT_FINDING_RAISED);
	ck_assert_str_eq(event.finding.summary, "a summary");
	while (journal_next(&block.view, &cursor, JOURNAL_RINGS_ALL, &event) > 0)
		ck_assert_uint_eq(event.id, ++id);
	ck_assert_uint_eq(id, 30);
	ck_assert_uint_eq(cursor.lost, 0);
}
END_TEST

START_TEST(test_reaches)
{
	add_many(&block, EVENT_RESET_SENT, 20);
	/* 1 to 4 have gone. */
	ck_assert(!journal_reaches(&block.view, JOURNAL_RINGS_ALL, 0));
	ck_assert(!journal_reaches(&block.view, JOURNAL_RINGS_ALL, 3));
	ck_assert(journal_reaches(&block.view, JOURNAL_RINGS_ALL, 4));
	ck_assert(journal_reaches(&block.view, JOURNAL_RING(EVENT_RING_ORDINARY), 0));
}
END_TEST

START_TEST(test_oldest)
{
	int i;

	for (i = 0; i < 20; i++)
		add_kind(&block, EVENT_TIMED_OUT, WALL_NS + 100 + i);
	ck_assert_int_eq(journal_oldest_ns(&block.view, JOURNAL_RING(EVENT_RING_RESETS)), WALL_NS);
	ck_assert_int_eq(journal_oldest_ns(&block.view, JOURNAL_RINGS_ALL), WALL_NS + 104);
}
END_TEST

START_TEST(test_gap)
{
	struct journal_cursor cursor;
	struct event event;

	add_many(&block, EVENT_CLOSED, 4);
	journal_seek(&block.view, 0, &cursor);
	ck_assert_int_eq(journal_next(&block.view, &cursor, JOURNAL_RINGS_ALL, &event), 1);
	add_many(&block, EVENT_CLOSED, 20);
	/* It stood behind 1; 2 to 8 have gone. */
	ck_assert_int_eq(journal_next(&block.view, &cursor, JOURNAL_RINGS_ALL, &event), 1);
	ck_assert_uint_eq(event.id, 9);
	ck_assert_uint_eq(cursor.lost, 7);
}
END_TEST

START_TEST(test_seek)
{
	const uint64_t oldest = 13;
	uint64_t id;

	/* Ordinary ones have the even ids, resets the odd ones. */
	for (id = 1; id <= 44; id++)
		add_kind(&block, id % 2 ? EVENT_RESET_SENT : EVENT_CLOSED, WALL_NS);
	for (id = 0; id <= 46; id++) {
		uint64_t wanted = MAX(id + 1, oldest);
		struct journal_cursor cursor;
		struct event event;

		journal_seek(&block.view, id, &cursor);
		if (wanted > 44) {
			ck_assert_int_eq(
				journal_next(&block.view, &cursor, JOURNAL_RINGS_ALL, &event), 0);
			continue;
		}
		ck_assert_int_eq(journal_next(&block.view, &cursor, JOURNAL_RINGS_ALL, &event), 1);
		ck_assert_uint_eq(event.id, wanted);
		ck_assert_uint_eq(cursor.lost, 0);
	}
}
END_TEST

/* ---- names ---- */

static uint32_t name_of(int pid, const char *comm)
{
	struct event_name name = { .pid = pid, .start_time = 7, .number = 99 };

	memset(name.unit, 'u', sizeof(name.unit)); /* not terminated */
	snprintf(name.comm, sizeof(name.comm), "%s", comm);
	return journal_name(block.journal, &name);
}

START_TEST(test_names)
{
	uint32_t nginx = name_of(1, "nginx"), other = name_of(2, "nginx");
	struct event_name name;

	ck_assert_uint_ne(nginx, 0);
	ck_assert_uint_ne(nginx, other);
	ck_assert_uint_eq(name_of(1, "nginx"), nginx);
	ck_assert_uint_ne(name_of(1, "haproxy"), nginx);
	ck_assert_int_eq(journal_read_name(&block.view, nginx, &name), 0);
	ck_assert_int_eq(name.pid, 1);
	ck_assert_str_eq(name.comm, "nginx");
	ck_assert_uint_eq(strlen(name.unit), sizeof(name.unit) - 1);
	ck_assert_int_eq(journal_read_name(&block.view, 0, &name), -ENOENT);
	ck_assert_int_eq(journal_read_name(&block.view, 77, &name), -ENOENT);
}
END_TEST

START_TEST(test_names_overwritten)
{
	uint32_t first = name_of(1, "once"), steady = name_of(2, "steady"), i;
	struct event_name name;

	for (i = 0; i < 200; i++) {
		name_of(100 + (int)i, "passing");
		steady = name_of(2, "steady");
		ck_assert_int_eq(journal_read_name(&block.view, steady, &name), 0);
		ck_assert_str_eq(name.comm, "steady");
		/* Events that come now keep it for a while. */
		ck_assert_uint_lt(block.view.header->names_next - steady, 16 / 2 + 2);
	}
	ck_assert_int_eq(journal_read_name(&block.view, first, &name), -ENOENT);
}
END_TEST

/* ---- blocks ---- */

START_TEST(test_sizes)
{
	struct journal_sizes sizes = small;
	struct journal_view view;
	size_t i;

	sizes.ring[1] = 17;
	ck_assert_uint_gt(journal_bytes(&sizes), journal_bytes(&small));
	sizes.ring[1] = UINT32_MAX;
	ck_assert_uint_eq(journal_bytes(&sizes), 0);
	journal_sizes_of(UINT32_MAX, &sizes);
	ck_assert_uint_ne(journal_bytes(&sizes), 0);
	journal_sizes_of(16384, &sizes);
	ck_assert_uint_eq(sizes.ring[EVENT_RING_ABNORMAL], 8192);
	ck_assert_uint_lt(journal_bytes(&sizes), 32U << 20);
	for (i = 0; i < block.size; i += 24)
		ck_assert_int_eq(journal_open(block.data, i, &view), -EBADMSG);
	ck_assert_int_eq(journal_open((char *)block.data + 4, block.size - 4, &view), -EBADMSG);
}
END_TEST

/* ---- a reader beside the writer ---- */

#define STORM 400000U

/* Every word of the event is made of its id. */
static void fill(struct event *event, uint64_t n)
{
	struct event_socket *sk = &event->socket;
	uint32_t i;

	memset(sk, (int)(n & 0x7f), sizeof(*sk));
	sk->cookie = sk->bytes_received = sk->related = n;
	sk->unacked_bytes = (uint32_t)n;
	sk->step_count = EVENT_STEPS;
	for (i = 0; i < EVENT_STEPS; i++)
		sk->steps[i].before_ms = (uint32_t)n;
}

static bool is_whole(const struct event *event)
{
	struct event wanted = *event;

	fill(&wanted, event->id);
	return !memcmp(&wanted.socket, &event->socket, sizeof(wanted.socket));
}

struct reading {
	struct journal_cursor cursor;
	uint64_t read, last, torn, disordered;
};

static void *read_storm(void *context)
{
	struct reading *reading = context;
	struct event event;

	while (reading->last < STORM) {
		if (journal_next(&block.view, &reading->cursor, JOURNAL_RINGS_ALL, &event) <= 0)
			continue;
		reading->read++;
		reading->torn += !is_whole(&event);
		reading->disordered += event.id <= reading->last;
		reading->last = event.id;
	}
	return NULL;
}

START_TEST(test_storm)
{
	static const enum event_kind kinds[] = { EVENT_CLOSED, EVENT_RESET_SENT, EVENT_TIMED_OUT };
	struct reading reading = { 0 };
	pthread_t thread;
	uint64_t n;

	journal_seek(&block.view, 0, &reading.cursor);
	ck_assert_int_eq(pthread_create(&thread, NULL, read_storm, &reading), 0);
	for (n = 1; n <= STORM; n++) {
		struct event event = { .kind = (uint8_t)kinds[n % ARRAY_SIZE(kinds)] };

		fill(&event, n);
		event.id = n;
		journal_put_event(block.journal, &event);
	}
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_uint_eq(reading.torn, 0);
	ck_assert_uint_eq(reading.disordered, 0);
	/* What was not read is counted, to the last one. */
	ck_assert_uint_eq(reading.read + reading.cursor.lost, STORM);
	ck_assert_uint_gt(reading.read, 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("journal");
	TCase *c = tcase_create("rings");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, test_words);
	tcase_add_test(c, test_rings);
	tcase_add_test(c, test_empty);
	tcase_add_test(c, test_merge);
	tcase_add_test(c, test_begin);
	tcase_add_test(c, test_begin_late);
	tcase_add_test(c, test_wrap);
	tcase_add_test(c, test_reaches);
	tcase_add_test(c, test_oldest);
	tcase_add_test(c, test_gap);
	tcase_add_test(c, test_seek);
	tcase_add_test(c, test_names);
	tcase_add_test(c, test_names_overwritten);
	tcase_add_test(c, test_sizes);
	tcase_add_test(c, test_storm);
	suite_add_tcase(s, c);
	return s;
}
