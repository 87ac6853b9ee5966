/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A snapshot is written into a block that moves, read back, cut at each limit, and refused when any
 * number of its header is wrong.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../harness.h"
#include "model/macro.h"
#include "model/snapshot.h"

/* An arena that moves at every growth and refuses to be larger than @max. */
struct arena {
	void *data;
	size_t size, max;
};

static struct arena arena;
static uint64_t limits[LIMIT_MAX];
static struct snapshot_writer w;

static void *grow(void *context, size_t size)
{
	struct arena *a = context;
	void *data;

	if (size > a->max || posix_memalign(&data, 64, size))
		return NULL;
	memset(data, 0xa5, size);
	if (a->data)
		memcpy(data, a->data, MIN(size, a->size));
	free(a->data);
	a->data = data;
	a->size = size;
	return data;
}

static void setup(void)
{
	arena = (struct arena){ .max = SIZE_MAX };
	memset(limits, 0, sizeof(limits));
	w = (struct snapshot_writer){ .max_records = 1000,
				      .grow = grow,
				      .context = &arena,
				      .string_max = 1 << 20,
				      .limits = limits };
	ck_assert_int_eq(snapshot_begin(&w), 0);
}

static void teardown(void)
{
	snapshot_writer_done(&w);
	free(arena.data);
}

static struct record *add(uint64_t cookie)
{
	struct record *record = snapshot_add(&w);

	if (record)
		record->sk.cookie = cookie;
	return record;
}

static struct snapshot seal(void)
{
	struct snapshot s = {};

	ck_assert_int_eq(snapshot_seal(&w), 0);
	ck_assert_int_eq(snapshot_open(w.header, arena.size, &s), 0);
	return s;
}

START_TEST(test_empty)
{
	struct snapshot s = seal();

	ck_assert_uint_eq(s.record_count, 0);
	ck_assert_uint_eq(s.holder_count + s.process_count + s.finding_count, 0);
	ck_assert_str_eq(snapshot_text(&s, 0), "");
	ck_assert_str_eq(snapshot_text(&s, 12345), "");
	ck_assert_ptr_null(snapshot_process(&s, 0));
	ck_assert_ptr_null(snapshot_process(&s, RECORD_NONE));
}
END_TEST

START_TEST(test_records_are_blank)
{
	const struct record *record = snapshot_add(&w);
	struct record blank = { .holder = RECORD_NONE,
				.creator = RECORD_NONE,
				.listener = RECORD_NONE,
				.peer = RECORD_NONE };

	ck_assert_mem_eq(record, &blank, sizeof(blank));
}
END_TEST

START_TEST(test_round_trip)
{
	struct process *process;
	struct holder *holders;
	struct record *records;
	struct snapshot s;
	uint32_t i, count, unit;

	for (i = 0; i < 500; i++)
		add(i + 1);
	ck_assert_ptr_nonnull(add(999));
	snapshot_drop(&w);
	unit = snapshot_string(&w, "nginx.service, more", 13);
	ck_assert_uint_ne(unit, 0);
	ck_assert_uint_eq(snapshot_string(&w, "nginx.service", 13), unit);
	ck_assert_uint_eq(snapshot_string(&w, "", 0), 0);

	records = snapshot_writer_records(&w, &count);
	ck_assert_uint_eq(count, 500);
	records[3].holder = 1;
	records[3].holders = 2;
	records[4].creator = 1;
	records[5].holder = 2; /* one row too far */
	records[5].holders = 2;
	records[6].holder = UINT32_MAX - 1;
	records[6].holders = UINT16_MAX;
	holders = snapshot_section(&w, SECTION_HOLDERS, 3, sizeof(*holders));
	ck_assert_ptr_nonnull(holders);
	holders[1] = (struct holder){ .process = 1, .fd = 7 };
	holders[2] = (struct holder){ .process = 0, .fd = 8 };
	process = snapshot_section(&w, SECTION_PROCESSES, 2, sizeof(*process));
	ck_assert_ptr_nonnull(process);
	process[1].pid = 4711;
	process[1].unit = unit;
	s = seal();

	ck_assert_uint_eq(s.record_count, 500);
	for (i = 0; i < 500; i++)
		ck_assert_uint_eq(s.records[i].sk.cookie, i + 1);
	ck_assert_ptr_eq(snapshot_holders(&s, &s.records[3], &count), &s.holders[1]);
	ck_assert_uint_eq(count, 2);
	ck_assert_int_eq(snapshot_owner(&s, &s.records[3])->pid, 4711);
	ck_assert_int_eq(snapshot_owner(&s, &s.records[4])->pid, 4711);
	ck_assert_str_eq(snapshot_text(&s, s.processes[1].unit), "nginx.service");
	ck_assert_ptr_null(snapshot_holders(&s, &s.records[5], &count));
	ck_assert_uint_eq(count, 0);
	ck_assert_ptr_null(snapshot_holders(&s, &s.records[6], &count));
	ck_assert_ptr_null(snapshot_owner(&s, &s.records[0]));
}
END_TEST

START_TEST(test_many_strings)
{
	uint32_t offsets[3000], i;
	char text[32];
	struct snapshot s;

	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		snprintf(text, sizeof(text), "unit-%u.service", i);
		offsets[i] = snapshot_string(&w, text, strlen(text));
		ck_assert_uint_ne(offsets[i], 0);
	}
	s = seal();
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		snprintf(text, sizeof(text), "unit-%u.service", i);
		ck_assert_str_eq(snapshot_text(&s, offsets[i]), text);
	}
}
END_TEST

START_TEST(test_limits)
{
	struct record copies[3] = {};
	char text[600];
	uint32_t i, offset;
	struct snapshot s;

	w.max_records = 4;
	for (i = 0; i < 3; i++)
		ck_assert_ptr_nonnull(add(i));
	ck_assert_int_eq(snapshot_copy_records(&w, copies, 3), 0);
	ck_assert_uint_eq(limits[LIMIT_SOCKETS], 2);
	ck_assert_ptr_null(add(9));
	ck_assert_uint_eq(limits[LIMIT_SOCKETS], 3);

	memset(text, 'x', sizeof(text));
	offset = snapshot_string(&w, text, sizeof(text));
	w.string_max = 300;
	ck_assert_uint_eq(snapshot_string(&w, "a string that does not fit any more into it", 44),
			  0);
	ck_assert_uint_eq(limits[LIMIT_STRINGS], 1);
	s = seal();
	ck_assert_uint_eq(s.record_count, 4);
	ck_assert_uint_eq(strlen(snapshot_text(&s, offset)), 255);
}
END_TEST

START_TEST(test_out_of_memory)
{
	uint32_t count;

	arena.max = w.size + 100 * sizeof(struct record);
	while (add(1))
		;
	snapshot_writer_records(&w, &count);
	ck_assert_uint_gt(count, 0);
	ck_assert_uint_lt(count, 1000);
	ck_assert_uint_eq(limits[LIMIT_OUT_OF_MEMORY], 1);
	ck_assert_ptr_null(snapshot_section(&w, SECTION_HOLDERS, 100000, sizeof(struct holder)));
	/* What stands is still whole. */
	arena.max = SIZE_MAX;
	ck_assert_uint_eq(seal().record_count, count);
}
END_TEST

/* ---- corruption ---- */

static void corrupt(size_t offset, const void *value, size_t size)
{
	struct snapshot_header *header = w.header;
	char saved[sizeof(uint64_t)];
	struct snapshot untouched = { .record_count = 77 };

	memcpy(saved, (char *)header + offset, size);
	memcpy((char *)header + offset, value, size);
	ck_assert_int_eq(snapshot_open(header, arena.size, &untouched), -EBADMSG);
	ck_assert_uint_eq(untouched.record_count, 77);
	memcpy((char *)header + offset, saved, size);
}

#define CORRUPT(member, ...) \
	do { \
		__typeof__(w.header->member) bad_[] = { __VA_ARGS__ }; \
		size_t i_; \
\
		for (i_ = 0; i_ < ARRAY_SIZE(bad_); i_++) \
			corrupt((size_t)((char *)&w.header->member - (char *)w.header), &bad_[i_], \
				sizeof(bad_[i_])); \
	} while (0)

START_TEST(test_corrupt)
{
	struct snapshot s;
	uint64_t bytes;
	uint32_t i;

	for (i = 0; i < 10; i++)
		add(i);
	ck_assert_ptr_nonnull(snapshot_section(&w, SECTION_HOLDERS, 2, sizeof(struct holder)));
	ck_assert_uint_ne(snapshot_string(&w, "x", 1), 0);
	seal();
	bytes = w.header->bytes;

	CORRUPT(magic, 0, SNAPSHOT_MAGIC + 1);
	CORRUPT(layout, 0, SNAPSHOT_LAYOUT + 1);
	CORRUPT(record_size, 0, sizeof(struct record) - 8, sizeof(struct record) + 8);
	CORRUPT(bytes, 0, sizeof(struct snapshot_header), bytes - 64, arena.size + 1, UINT64_MAX);
	for (i = 0; i < SECTION_MAX; i++) {
		if (!w.header->sections[i].count)
			w.header->sections[i] = (struct section){ .count = 1, .stride = 8 };
		CORRUPT(sections[i].offset, 0, 8, 1, bytes, bytes + 64, UINT64_MAX, UINT64_MAX - 7,
			1ULL << 63);
		CORRUPT(sections[i].count, UINT32_MAX, (uint32_t)bytes);
		CORRUPT(sections[i].stride, 0, 3, 1U << 31, UINT32_MAX);
		if (w.header->sections[i].offset == 0)
			w.header->sections[i] = (struct section){};
	}
	for (i = 0; i < sizeof(struct snapshot_header); i += 64)
		ck_assert_int_eq(snapshot_open(w.header, i, &s), -EBADMSG);
	ck_assert_int_eq(snapshot_open(w.header, bytes - 1, &s), -EBADMSG);
	ck_assert_int_eq(snapshot_open(w.header, bytes, &s), 0);
}
END_TEST

/* The strings begin with the empty one and end with a terminator, or no text may be read. */
START_TEST(test_corrupt_strings)
{
	struct snapshot s;
	char *strings;

	ck_assert_uint_ne(snapshot_string(&w, "abc", 3), 0);
	s = seal();
	strings = (char *)w.header + w.header->sections[SECTION_STRINGS].offset;
	strings[s.strings_size - 1] = 'x';
	ck_assert_int_eq(snapshot_open(w.header, arena.size, &s), -EBADMSG);
	strings[s.strings_size - 1] = '\0';
	strings[0] = 'x';
	ck_assert_int_eq(snapshot_open(w.header, arena.size, &s), -EBADMSG);
	strings[0] = '\0';
	ck_assert_int_eq(snapshot_open(w.header, arena.size, &s), 0);
}
END_TEST

START_TEST(test_environment)
{
	struct namespace *namespaces = snapshot_section(&w, SECTION_NAMESPACES, 1,
							sizeof(*namespaces));
	struct record record = { .sk.netns = 5 };
	struct snapshot s;

	ck_assert_ptr_nonnull(namespaces);
	namespaces[0].inode = 5;
	s = seal();
	ck_assert_ptr_eq(snapshot_environment(&s, &record), &s.namespaces[0].environment);
	/* One that is not read has an environment that nobody knows; the own one stands in the header as well. */
	record.sk.netns = 6;
	ck_assert_uint_eq(snapshot_environment(&s, &record)->known, 0);
	ck_assert_ptr_ne(snapshot_environment(&s, &record), &s.header->environment);
	w.header->netns = 6;
	ck_assert_ptr_eq(snapshot_environment(&s, &record), &s.header->environment);
}
END_TEST

/* Every word of every enum is there, once, and nothing behind the end. */
#define COMPLETE(function, first, max) \
	do { \
		int i_, j_; \
\
		for (i_ = (first); i_ < (max); i_++) { \
			ck_assert_ptr_nonnull(function(i_)); \
			for (j_ = (first); j_ < i_; j_++) \
				ck_assert_str_ne(function(i_), function(j_)); \
		} \
		ck_assert_ptr_null(function(max)); \
	} while (0)

START_TEST(test_words)
{
	COMPLETE(direction_name, 0, DIRECTION_MAX);
	COMPLETE(peer_unknown_name, 1, PEER_UNKNOWN_MAX);
	COMPLETE(severity_name, SEVERITY_INFO, SEVERITY_MAX);
	COMPLETE(scope_name, 0, SCOPE_MAX);
	COMPLETE(evidence_name, 0, EVIDENCE_MAX);
	COMPLETE(counter_name, 0, COUNTER_MAX);
	COMPLETE(source_name, 0, SOURCE_MAX);
	COMPLETE(source_state_name, 0, SOURCE_STATE_MAX);
	COMPLETE(lane_name, 0, LANE_MAX);
	COMPLETE(limit_name, 0, LIMIT_MAX);
	ck_assert_ptr_null(severity_name(SEVERITY_NONE));
	ck_assert_str_eq(counter_group(COUNTER_OUT_RSTS), "Tcp");
	ck_assert_str_eq(counter_group(COUNTER_MP_FASTCLOSE_TX), "MPTcpExt");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("snapshot");
	TCase *tc = tcase_create("snapshot");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_empty);
	tcase_add_test(tc, test_records_are_blank);
	tcase_add_test(tc, test_round_trip);
	tcase_add_test(tc, test_many_strings);
	tcase_add_test(tc, test_limits);
	tcase_add_test(tc, test_out_of_memory);
	tcase_add_test(tc, test_corrupt);
	tcase_add_test(tc, test_corrupt_strings);
	tcase_add_test(tc, test_environment);
	tcase_add_test(tc, test_words);
	suite_add_tcase(s, tc);
	return s;
}
