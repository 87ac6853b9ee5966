/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A journal that goes on with the block of one before it: whole, damaged, foreign, of another size.
 */
#include <errno.h>
#include <stddef.h>

#include "journal_fixture.h"
#include "model/journal_private.h"

static struct block before, after;
static const char *why;

static void setup(void)
{
	block_open(&before, &small);
	block_open(&after, &small);
	why = "not set";
}

static void teardown(void)
{
	block_close(&before);
	block_close(&after);
}

static int restore(void)
{
	return journal_restore(after.journal, before.data, before.size, &why);
}

static struct journal_header *header(void)
{
	return before.data;
}

/* Counts the events of the new one, which must ascend. */
static uint64_t count_events(uint64_t *ret_first)
{
	struct journal_cursor cursor;
	struct event event;
	uint64_t count = 0, last = 0;

	journal_seek(&after.view, 0, &cursor);
	while (journal_next(&after.view, &cursor, JOURNAL_RINGS_ALL, &event) > 0) {
		ck_assert_uint_gt(event.id, last);
		if (!count++)
			*ret_first = event.id;
		last = event.id;
	}
	return count;
}

START_TEST(test_goes_on)
{
	struct event_name name = { .pid = 12, .comm = "nginx", .label = "nginx.service" };
	struct event event = { .kind = EVENT_RESET_SENT, .wall_ns = WALL_NS };
	char label[JOURNAL_LABEL];
	struct sum sum;
	uint64_t first;

	event.socket.holder = journal_name(before.journal, &name);
	journal_add(before.journal, &event);
	add_kind(&before, EVENT_FINDING_RAISED, WALL_NS);
	ck_assert_int_eq(restore(), 0);
	ck_assert_ptr_null(why);
	ck_assert_uint_eq(count_events(&first), 2);
	ck_assert_uint_eq(first, 1);
	ck_assert_int_eq(journal_read_name(&after.view, event.socket.holder, &name), 0);
	ck_assert_str_eq(name.comm, "nginx");
	/* The same process has the same name, the next event the next id, the same minute the same row. */
	ck_assert_uint_eq(journal_name(after.journal, &name), event.socket.holder);
	ck_assert_uint_eq(journal_add(after.journal, &event), 3);
	sum = sum_of(&after.view, INT64_MIN, INT64_MAX);
	ck_assert_uint_eq(sum.rows, 1);
	ck_assert_uint_eq(sum.count, 2);
	ck_assert_str_eq(journal_label(&after.view, sum.last.label, label), "nginx.service");
}
END_TEST

/* The ids of the new one would begin later: those of the old one go on all the same, without a gap. */
START_TEST(test_ids_go_on)
{
	const uint64_t begin = 1000;

	journal_begin_at(before.journal, begin);
	journal_begin_at(after.journal, begin + 5000);
	add_many(&before, EVENT_CLOSED, 20);
	ck_assert_int_eq(restore(), 0);
	ck_assert_uint_eq(journal_newest(&after.view), begin + 20);
	ck_assert(journal_reaches(&after.view, JOURNAL_RINGS_ALL, begin + 4));
	ck_assert(!journal_reaches(&after.view, JOURNAL_RINGS_ALL, begin + 3));
	ck_assert(journal_reaches(&after.view, JOURNAL_RING(EVENT_RING_RESETS), begin));
	ck_assert(!journal_reaches(&after.view, JOURNAL_RING(EVENT_RING_RESETS), begin - 1));
	ck_assert_uint_eq(add_many(&after, EVENT_CLOSED, 1), begin + 21);
}
END_TEST

START_TEST(test_losses_go_on)
{
	uint64_t first;

	add_many(&before, EVENT_CLOSED, 20);
	ck_assert_int_eq(restore(), 0);
	ck_assert_uint_eq(count_events(&first), 16);
	ck_assert_uint_eq(first, 5);
	ck_assert_uint_eq(journal_overwritten(&after.view, EVENT_RING_ORDINARY), 4);
	ck_assert(!journal_reaches(&after.view, JOURNAL_RINGS_ALL, 3));
	ck_assert(journal_reaches(&after.view, JOURNAL_RINGS_ALL, 4));
	add_many(&after, EVENT_CLOSED, 2);
	ck_assert_uint_eq(journal_overwritten(&after.view, EVENT_RING_ORDINARY), 6);
	ck_assert_uint_eq(journal_newest(&after.view), 22);
}
END_TEST

START_TEST(test_since)
{
	struct block later = { 0 };

	later.size = journal_bytes(&small);
	later.data = aligned_alloc(64, later.size);
	memset(later.data, 0, later.size);
	ck_assert_int_eq(
		journal_new(later.data, later.size, &small, BOOT, WALL_NS + 77, &later.journal), 0);
	ck_assert_int_eq(journal_restore(later.journal, before.data, before.size, &why), 0);
	journal_view(later.journal, &later.view);
	ck_assert_int_eq(journal_since_ns(&later.view), WALL_NS);
	block_close(&later);
}
END_TEST

/* Into a smaller one: the newest stay. */
START_TEST(test_smaller)
{
	struct journal_sizes sizes = small;
	struct event_name name;
	uint64_t first;
	uint32_t i;

	block_close(&before);
	sizes.ring[EVENT_RING_RESETS] = 64;
	sizes.names = 64;
	sizes.minutes = 256;
	block_open(&before, &sizes);
	for (i = 1; i <= 64; i++) {
		name = (struct event_name){ .pid = (int)i };
		ck_assert_uint_eq(journal_name(before.journal, &name), i);
		add_kind(&before, EVENT_RESET_SENT, WALL_NS + i * 60 * NSEC_PER_SEC);
	}
	ck_assert_int_eq(restore(), 0);
	ck_assert_uint_eq(count_events(&first), 16);
	ck_assert_uint_eq(first, 64 - 15);
	ck_assert_int_eq(journal_read_name(&after.view, 64 - 15, &name), 0);
	ck_assert_int_eq(journal_read_name(&after.view, 64 - 16, &name), -ENOENT);
	ck_assert(!journal_reaches(&after.view, JOURNAL_RINGS_ALL, 10));
}
END_TEST

/* Rows that were folded before stay folded; this run has cut none. */
START_TEST(test_folded)
{
	struct event event = { .kind = EVENT_TIMED_OUT,
			       .wall_ns = WALL_NS,
			       .socket = { .state = TCPDIAG_ESTABLISHED,
					   .direction = DIRECTION_INBOUND,
					   .flags = EVENT_HAS_SOCKET } };

	for (event.socket.local_port = 1; event.socket.local_port <= 20; event.socket.local_port++)
		journal_count(before.journal, &event, 1);
	ck_assert_uint_eq(journal_minutes_folded(before.journal), 20 - 16);
	ck_assert_int_eq(restore(), 0);
	ck_assert_uint_eq(journal_folded(&after.view), 20 - 16);
	ck_assert_uint_eq(journal_minutes_folded(after.journal), 0);
}
END_TEST

START_TEST(test_another_boot)
{
	strcpy(header()->boot_id, "ffffffff");
	ck_assert_int_eq(restore(), -EBADMSG);
	ck_assert_str_eq(why, "it is of another boot");
}
END_TEST

START_TEST(test_another_version)
{
	header()->layout++;
	ck_assert_int_eq(restore(), -EBADMSG);
	ck_assert_str_eq(why, "it is of another version");
}
END_TEST

static const struct {
	const char *what;
	size_t offset;
	uint64_t value;
	size_t bytes;
} damages[] = {
	{ "no magic", offsetof(struct journal_header, magic), 0, 8 },
	{ "events of another size", offsetof(struct journal_header, event_bytes), 1, 4 },
	{ "no sizes", offsetof(struct journal_header, sizes), 0, 4 },
	{ "no power of two", offsetof(struct journal_header, sizes), 17, 4 },
	{ "too large", offsetof(struct journal_header, sizes), 1U << 20, 4 },
	{ "far too large", offsetof(struct journal_header, sizes), UINT32_MAX, 4 },
	{ "no names", offsetof(struct journal_header, sizes.names), 0, 4 },
	{ "another length", offsetof(struct journal_header, bytes), 4096, 8 },
	{ "an endless number", offsetof(struct journal_header, newest), UINT64_MAX, 8 },
	{ "a number that JSON cannot hold", offsetof(struct journal_header, newest), 1ULL << 53,
	  8 },
};

START_TEST(test_damaged)
{
	uint64_t first = 0;

	add_many(&before, EVENT_CLOSED, 3);
	memcpy((char *)before.data + damages[_i].offset, &damages[_i].value, damages[_i].bytes);
	ck_assert_msg(restore() == -EBADMSG, "%s", damages[_i].what);
	ck_assert_ptr_nonnull(why);
	ck_assert_uint_eq(count_events(&first), 0);
	ck_assert_uint_eq(add_many(&after, EVENT_CLOSED, 1), 1);
}
END_TEST

START_TEST(test_cut)
{
	const size_t sizes[] = { 0, 8, 12, 64, before.size / 2, before.size - 1 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		ck_assert_int_eq(journal_restore(after.journal, before.data, sizes[i], &why),
				 -EBADMSG);
}
END_TEST

static struct event_place *place_of(enum event_ring ring, uint64_t number)
{
	return (void *)((char *)before.data + journal_event_offset(&before.view, ring, number));
}

/* Single events that make no sense are left out. */
START_TEST(test_unsound)
{
	uint64_t first;

	add_many(&before, EVENT_RESET_SENT, 8);
	add_kind(&before, EVENT_FINDING_RAISED, WALL_NS);
	place_of(EVENT_RING_RESETS, 0)->event.kind = EVENT_GAP;
	place_of(EVENT_RING_RESETS, 1)->event.kind = 200;
	place_of(EVENT_RING_RESETS, 2)->event.socket.state = 99;
	place_of(EVENT_RING_RESETS, 3)->event.socket.predicted_rule = 255;
	place_of(EVENT_RING_RESETS, 4)->event.socket.steps[0].actor = 77;
	place_of(EVENT_RING_RESETS, 4)->event.socket.step_count = 1;
	place_of(EVENT_RING_RESETS, 5)->event.id = 1;
	place_of(EVENT_RING_RESETS, 6)->number = 0;
	place_of(EVENT_RING_FINDINGS, 0)->event.finding.rule = TCPDIAG_RULE_CLOSE_FIN;
	ck_assert_int_eq(restore(), 0);
	ck_assert_uint_eq(count_events(&first),
			  2); /* the sixth with its new number, and the eighth */
	ck_assert_uint_eq(first, 1);
	ck_assert_uint_eq(journal_newest(&after.view), 9);
}
END_TEST

START_TEST(test_unsound_rows)
{
	struct minute_place *row;
	int i;

	for (i = 0; i < 3; i++)
		add_kind(&before, EVENT_CLOSED, WALL_NS + i * 60 * NSEC_PER_SEC);
	row = (void *)((char *)before.data + before.view.minutes_offset);
	row[0].row.kind = 99;
	row[1].row.label = 60000;
	ck_assert_int_eq(restore(), 0);
	ck_assert_uint_eq(sum_of(&after.view, INT64_MIN, INT64_MAX).rows, 2);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("journal, restored");
	TCase *c = tcase_create("restore");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, test_goes_on);
	tcase_add_test(c, test_ids_go_on);
	tcase_add_test(c, test_losses_go_on);
	tcase_add_test(c, test_since);
	tcase_add_test(c, test_smaller);
	tcase_add_test(c, test_folded);
	tcase_add_test(c, test_another_boot);
	tcase_add_test(c, test_another_version);
	tcase_add_loop_test(c, test_damaged, 0, ARRAY_SIZE(damages));
	tcase_add_test(c, test_cut);
	tcase_add_test(c, test_unsound);
	tcase_add_test(c, test_unsound_rows);
	suite_add_tcase(s, c);
	return s;
}
