/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rings of history: chains over many polls, ends that come back, bounds, and what a snapshot keeps of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../harness.h"
#include "collector/history.h"
#include "model/macro.h"

#define S NSEC_PER_SEC
#define NETNS 4026531840U

static struct history *history;
static struct snapshot_writer w;
static uint64_t limits[LIMIT_MAX];
static void *block;
static int64_t now;

static void *grow(void *context, size_t size)
{
	(void)context;
	block = realloc(block, size);
	return block;
}

static void make(uint32_t entries, uint32_t ended)
{
	history_free(history);
	history = NULL;
	ck_assert_int_eq(history_new(entries, ended, &history), 0);
}

static void begin(int seconds)
{
	now += seconds * S;
	history_begin(history, now, 10 * S);
}

static void setup(void)
{
	now = 1000 * S;
	make(16, 8);
	begin(0);
}

static void teardown(void)
{
	history = history_free(history);
	snapshot_writer_done(&w);
	free(block);
	block = NULL;
}

/* What a reader sees now. */
static struct snapshot publish(void)
{
	struct snapshot s;

	snapshot_writer_done(&w);
	memset(limits, 0, sizeof(limits));
	w = (struct snapshot_writer){
		.max_records = 10, .grow = grow, .string_max = 65536, .limits = limits
	};
	ck_assert_int_eq(snapshot_begin(&w), 0);
	w.header->now_ns = now;
	ck_assert_int_eq(history_publish(history, &w), 0);
	ck_assert_int_eq(snapshot_seal(&w), 0);
	ck_assert_int_eq(snapshot_open(w.header, w.header->bytes, &s), 0);
	return s;
}

static struct record socket_of(uint64_t cookie, uint8_t state)
{
	return (struct record){ .sk = { .cookie = cookie,
					.netns = NETNS,
					.state = state,
					.attachment = TCPDIAG_HELD },
				.born_ns = now,
				.state_since_ns = now,
				.seen_ns = now,
				.holder = RECORD_NONE,
				.creator = RECORD_NONE,
				.listener = 7,
				.peer = 8,
				.flags = RECORD_STATE_EXACT };
}

/* The next look shows it in another state. */
static void turn(struct record *record, uint8_t state)
{
	struct record next = *record;

	next.history = 0;
	next.sk.state = state;
	next.state_since_ns = next.seen_ns = now;
	history_carry(history, &next, record);
	*record = next;
}

/* How many entries of the record can be followed; the kinds and @a, newest first, in @ret. */
static size_t chain(const struct snapshot *s, const struct record *record,
		    const struct history_entry *ret[static 64])
{
	uint32_t number = record->history;
	size_t count = 0;

	while (count < 64) {
		ret[count] = snapshot_history(s, &record->sk, number);
		if (!ret[count])
			break;
		number = ret[count++]->before;
	}
	return count;
}

START_TEST(test_chain)
{
	struct record a = socket_of(1, TCPDIAG_SYN_SENT), b = socket_of(2, TCPDIAG_ESTABLISHED);
	const struct history_entry *entries[64];
	struct snapshot s;

	begin(5);
	turn(&a, TCPDIAG_ESTABLISHED);
	turn(&b, TCPDIAG_ESTABLISHED); /* nothing new */
	begin(5);
	turn(&b, TCPDIAG_CLOSE_WAIT);
	a.flags = 0;
	turn(&a, TCPDIAG_FIN_WAIT1);
	s = publish();
	ck_assert_uint_eq(chain(&s, &a, entries), 2);
	ck_assert_int_eq(entries[0]->kind, HISTORY_STATE);
	ck_assert_int_eq(entries[0]->a, TCPDIAG_ESTABLISHED);
	ck_assert_int_eq(entries[0]->when_ns, 1005 * S);
	ck_assert_int_eq(entries[0]->flags, 0);
	ck_assert_int_eq(entries[1]->a, TCPDIAG_SYN_SENT);
	ck_assert_int_eq(entries[1]->when_ns, 1000 * S);
	ck_assert_int_eq(entries[1]->flags, HISTORY_EXACT);
	ck_assert_uint_eq(chain(&s, &b, entries), 1);
	ck_assert_int_eq(entries[0]->a, TCPDIAG_ESTABLISHED);
	/* Another socket's number leads nowhere. */
	ck_assert_ptr_null(snapshot_history(&s, &a.sk, b.history));
	ck_assert_ptr_null(snapshot_history(&s, &a.sk, 0));
	ck_assert_ptr_null(snapshot_history(&s, &a.sk, s.header->history.next));
}
END_TEST

START_TEST(test_attachment)
{
	struct record a = socket_of(1, TCPDIAG_FIN_WAIT2), next = a;
	const struct history_entry *entries[64];
	struct snapshot s;

	begin(3);
	next.sk.attachment = TCPDIAG_ORPHAN;
	history_carry(history, &next, &a);
	s = publish();
	ck_assert_uint_eq(chain(&s, &next, entries), 1);
	ck_assert_int_eq(entries[0]->kind, HISTORY_ATTACHMENT);
	ck_assert_int_eq(entries[0]->a, TCPDIAG_HELD);
	ck_assert_int_eq(entries[0]->b, TCPDIAG_ORPHAN);
	ck_assert_int_eq(entries[0]->when_ns, now);
	ck_assert_int_eq(entries[0]->flags, HISTORY_EXACT);

	/* Only a minisocket now, in the same state. */
	a = next;
	next.sk.kind = TCPDIAG_KIND_TIMEWAIT;
	next.sk.attachment = TCPDIAG_TIMEWAIT;
	begin(30);
	history_carry(history, &next, &a);
	s = publish();
	ck_assert_uint_eq(chain(&s, &next, entries), 3);
	ck_assert_int_eq(entries[0]->kind, HISTORY_ATTACHMENT);
	ck_assert_int_eq(entries[0]->flags, 0);
	ck_assert_int_eq(entries[1]->kind, HISTORY_STATE);

	/* Into TIME-WAIT: that nobody has it any more need not be said. */
	a = socket_of(3, TCPDIAG_FIN_WAIT2);
	next = a;
	next.sk.state = TCPDIAG_TIME_WAIT;
	next.sk.kind = TCPDIAG_KIND_TIMEWAIT;
	next.sk.attachment = TCPDIAG_TIMEWAIT;
	history_carry(history, &next, &a);
	s = publish();
	ck_assert_uint_eq(chain(&s, &next, entries), 1);
	ck_assert_int_eq(entries[0]->kind, HISTORY_STATE);

	/* Walks over the processes tell when they looked, not when it happened. */
	a = socket_of(4, TCPDIAG_ESTABLISHED);
	history_attachment(history, &a, TCPDIAG_UNHELD);
	s = publish();
	ck_assert_uint_eq(chain(&s, &a, entries), 1);
	ck_assert_int_eq(entries[0]->a, TCPDIAG_UNHELD);
	ck_assert_int_eq(entries[0]->flags, 0);
}
END_TEST

START_TEST(test_findings)
{
	struct record a = socket_of(1, TCPDIAG_CLOSE_WAIT);
	const struct history_entry *entries[64];
	struct snapshot s;

	a.findings = 1U << 2 | 1U << 5;
	history_findings(history, &a, 1U << 5 | 1U << 9);
	s = publish();
	ck_assert_uint_eq(chain(&s, &a, entries), 1); /* a sixteenth of 16 is one in a poll */
	ck_assert_int_eq(entries[0]->kind, HISTORY_RAISED);
	ck_assert_int_eq(entries[0]->a, 2);
	ck_assert_uint_eq(s.header->limits[LIMIT_HISTORY], 1);
	begin(1);
	a.findings = 1U << 5;
	history_findings(history, &a, 1U << 2 | 1U << 5);
	s = publish();
	ck_assert_uint_eq(chain(&s, &a, entries), 2);
	ck_assert_int_eq(entries[0]->kind, HISTORY_CLEARED);
	ck_assert_int_eq(entries[0]->a, 2);
}
END_TEST

START_TEST(test_holders)
{
	struct history_name one = {
		.pid = 10, .start_time = 5, .comm = "one", .unit = "a.service"
	};
	struct history_name two = { .pid = 10, .start_time = 6, .comm = "two" };
	struct record a = socket_of(1, TCPDIAG_ESTABLISHED);
	const struct history_entry *entries[64];
	struct snapshot s;
	int i;

	make(4096, 0);
	begin(1);
	for (i = 0; i < 4; i++)
		history_holder(history, &a, i % 2 ? &two : &one);
	s = publish();
	ck_assert_uint_eq(chain(&s, &a, entries), 4);
	/* A reused pid is another process. */
	ck_assert_str_eq(snapshot_history_name(&s, entries[0]->name)->comm, "two");
	ck_assert_str_eq(snapshot_history_name(&s, entries[1]->name)->comm, "one");
	ck_assert_str_eq(snapshot_history_name(&s, entries[1]->name)->unit, "a.service");
	/* Each is kept once. */
	ck_assert_uint_eq(s.header->history.names_next, 3);
	ck_assert_uint_eq(entries[0]->name, entries[2]->name);
	/* Overwritten, it is nobody's. */
	for (i = 0; i < (int)HISTORY_NAMES; i++) {
		one.start_time = 100 + (uint64_t)i;
		if (i % 512 == 0)
			begin(1);
		history_holder(history, &a, &one);
	}
	s = publish();
	ck_assert_uint_eq(s.name_count, HISTORY_NAMES);
	ck_assert_ptr_null(snapshot_history_name(&s, 1));
	ck_assert_ptr_null(snapshot_history_name(&s, 0));
	ck_assert_ptr_null(snapshot_history_name(&s, s.header->history.names_next));
	ck_assert_int_eq((int)snapshot_history_name(&s, 2 + HISTORY_NAMES)->start_time,
			 99 + (int)HISTORY_NAMES);
}
END_TEST

/* What is free is used, then a quarter is overwritten in a poll; what was overwritten ends the chain. */
START_TEST(test_bounds)
{
	struct record a = socket_of(1, TCPDIAG_ESTABLISHED), b[40];
	const struct history_entry *entries[64];
	struct snapshot s;
	int i, poll;

	begin(1);
	turn(&a, TCPDIAG_CLOSE_WAIT);
	for (i = 0; i < 40; i++) {
		b[i] = socket_of(100 + (uint64_t)i, TCPDIAG_ESTABLISHED);
		turn(&b[i], TCPDIAG_CLOSE_WAIT);
	}
	s = publish();
	/* Place 0 is used when the numbers have come round. */
	ck_assert_uint_eq(s.history_count, 16);
	ck_assert_uint_eq(s.header->history.next, 21);
	ck_assert_uint_eq(s.header->history.overwritten, 4);
	ck_assert_uint_eq(s.header->limits[LIMIT_HISTORY], 21);
	/* The oldest four are gone, and the last ones have found no room. */
	ck_assert_uint_eq(chain(&s, &a, entries), 0);
	ck_assert_uint_eq(chain(&s, &b[2], entries), 0);
	ck_assert_uint_eq(chain(&s, &b[3], entries), 1);
	ck_assert_uint_eq(chain(&s, &b[18], entries), 1);
	ck_assert_uint_eq(chain(&s, &b[19], entries), 0);

	for (poll = 0; poll < 4; poll++) {
		begin(1);
		turn(&a, poll % 2 ? TCPDIAG_CLOSE_WAIT : TCPDIAG_LAST_ACK);
		for (i = 0; i < 3; i++)
			turn(&b[i], poll % 2 ? TCPDIAG_CLOSE_WAIT : TCPDIAG_LAST_ACK);
	}
	s = publish();
	ck_assert_uint_eq(chain(&s, &a, entries), 4);
	begin(1);
	for (i = 0; i < 3; i++)
		turn(&b[i], TCPDIAG_LISTEN);
	s = publish();
	ck_assert_uint_eq(chain(&s, &a, entries), 3);
	ck_assert_uint_eq(s.header->history.overwritten, 23);
	ck_assert_uint_eq(s.header->limits[LIMIT_HISTORY], 21);
}
END_TEST

START_TEST(test_end_and_revival)
{
	struct record a = socket_of(1, TCPDIAG_FIN_WAIT2), b = socket_of(2, TCPDIAG_FIN_WAIT2);
	struct record none = socket_of(UINT64_MAX, TCPDIAG_ESTABLISHED);
	struct record request = socket_of(3, TCPDIAG_NEW_SYN_RECV);
	const struct ended *ended;
	struct snapshot s;
	uint32_t cursor = 0;

	request.sk.kind = TCPDIAG_KIND_REQUEST;
	begin(2);
	a.creator = 5;
	history_end(history, &a);
	history_end(history, &b);
	history_end(history, &none);
	history_end(history, &request);
	s = publish();
	ended = snapshot_ended(&s, NETNS, 1);
	ck_assert_ptr_nonnull(ended);
	ck_assert_int_eq(ended->gone_ns, now);
	ck_assert_int_eq(ended->record.seen_ns, now - 2 * S);
	ck_assert_uint_eq(ended->record.creator, 5);
	ck_assert_uint_eq(ended->record.listener, RECORD_NONE);
	ck_assert_uint_eq(ended->record.peer, RECORD_NONE);
	ck_assert_ptr_nonnull(snapshot_ended(&s, NETNS, 2));
	ck_assert_ptr_null(snapshot_ended(&s, NETNS + 1, 1));
	ck_assert_ptr_null(snapshot_ended(&s, NETNS, UINT64_MAX));
	ck_assert_ptr_null(snapshot_ended(&s, NETNS, 3));

	history_revive(history, &a.sk);
	history_revive(history, &request.sk);
	s = publish();
	ck_assert_ptr_null(snapshot_ended(&s, NETNS, 1));
	ck_assert_ptr_nonnull(snapshot_ended(&s, NETNS, 2));
	/* Twice, and there is one. */
	begin(1);
	history_end(history, &b);
	ck_assert_uint_eq(history_next_ended(history, &cursor)->sk.cookie, 2);
	ck_assert_ptr_null(history_next_ended(history, &cursor));
}
END_TEST

static unsigned int remembered(const struct snapshot *s, uint64_t first, uint64_t end)
{
	unsigned int count = 0;

	for (; first < end; first++)
		count += snapshot_ended(s, NETNS, first) != NULL;
	return count;
}

/* A crowd of short lives pushes out no long one, and one poll not everything. */
START_TEST(test_classes)
{
	struct record record;
	struct snapshot s;
	uint64_t i;

	for (i = 0; i < 4; i++) {
		record = socket_of(10 + i, TCPDIAG_ESTABLISHED);
		record.born_ns = now - 60 * S;
		if (i == 3) {
			record.born_ns = now;
			record.findings = 1;
		}
		history_end(history, &record);
	}
	for (i = 0; i < 100; i++) {
		record = socket_of(100 + i, TCPDIAG_ESTABLISHED);
		history_end(history, &record);
	}
	/* A minute in TIME-WAIT makes no long life. */
	record = socket_of(300, TCPDIAG_TIME_WAIT);
	record.sk.kind = TCPDIAG_KIND_TIMEWAIT;
	record.born_ns = record.state_since_ns = now - 61 * S;
	history_end(history, &record);
	s = publish();
	ck_assert_uint_eq(remembered(&s, 10, 14), 4);
	ck_assert_uint_eq(remembered(&s, 100, 200), 4);
	ck_assert_uint_eq(remembered(&s, 300, 301), 0);
	ck_assert_uint_eq(s.header->limits[LIMIT_ENDED], 97);
	ck_assert_uint_eq(s.header->history.ended_overwritten, 0);
	begin(1);
	history_end(history, &record);
	s = publish();
	ck_assert_uint_eq(remembered(&s, 300, 301), 1);
	ck_assert_uint_eq(remembered(&s, 100, 200), 3);
	ck_assert_uint_eq(s.header->history.ended_overwritten, 1);
}
END_TEST

START_TEST(test_nothing_is_kept)
{
	struct record a = socket_of(1, TCPDIAG_ESTABLISHED);
	struct history_name name = { .pid = 1 };
	struct snapshot s;
	uint32_t cursor = 0;

	make(0, 0);
	begin(1);
	turn(&a, TCPDIAG_CLOSE_WAIT);
	history_holder(history, &a, &name);
	history_end(history, &a);
	history_revive(history, &a.sk);
	ck_assert_uint_eq(a.history, 0);
	ck_assert_ptr_null(history_next_ended(history, &cursor));
	s = publish();
	ck_assert_uint_eq(s.history_count + s.ended_count + s.name_count, 0);
}
END_TEST

/* The next collector goes on, whatever its sizes. @size: of its ring. */
START_TEST(test_restore)
{
	static const struct {
		uint32_t size, expected;
	} sizes[] = { { 16, 4 }, { 64, 4 }, { 4, 4 }, { 2, 2 }, { 0, 0 } };
	struct record a = socket_of(1, TCPDIAG_ESTABLISHED), b = socket_of(2, TCPDIAG_ESTABLISHED);
	const struct history_entry *entries[64];
	struct snapshot s;
	void *before;
	int i;

	for (i = 0; i < 4; i++) {
		begin(1);
		turn(&a, i % 2 ? TCPDIAG_CLOSE_WAIT : TCPDIAG_LAST_ACK);
	}
	b.findings = 1;
	history_end(history, &b);
	s = publish();
	before = take_ptr(block);
	ck_assert_int_eq(snapshot_open(before, s.header->bytes, &s), 0);
	make(sizes[_i].size, 8);
	history_restore(history, &s, now + 3 * S);
	begin(4);
	s = publish();
	ck_assert_uint_eq(chain(&s, &a, entries), sizes[_i].expected);
	ck_assert_ptr_nonnull(snapshot_ended(&s, NETNS, 2));
	ck_assert_int_eq(s.header->history.since_ns, 1000 * S);
	ck_assert_uint_eq(s.header->history.restart_count, 1);
	ck_assert_int_eq(s.header->history.restarts[0].from_ns, 1004 * S);
	ck_assert_int_eq(s.header->history.restarts[0].to_ns, 1007 * S);
	history_revive(history, &b.sk);
	turn(&a, TCPDIAG_TIME_WAIT);
	s = publish();
	ck_assert_ptr_null(snapshot_ended(&s, NETNS, 2));
	ck_assert_uint_eq(chain(&s, &a, entries), MIN(sizes[_i].expected + 1, sizes[_i].size));
	free(before);
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("history");
	TCase *tcase = tcase_create("history");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_chain);
	tcase_add_test(tcase, test_attachment);
	tcase_add_test(tcase, test_findings);
	tcase_add_test(tcase, test_holders);
	tcase_add_test(tcase, test_bounds);
	tcase_add_test(tcase, test_end_and_revival);
	tcase_add_test(tcase, test_classes);
	tcase_add_test(tcase, test_nothing_is_kept);
	tcase_add_loop_test(tcase, test_restore, 0, 5);
	suite_add_tcase(suite, tcase);
	return suite;
}
