/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A snapshot that somebody else has left: sound as it was written, refused when one number of it is wrong.
 */
#include <stdlib.h>
#include <string.h>

#include "../harness.h"
#include "model/macro.h"
#include "model/snapshot.h"

#define NOW (1000 * NSEC_PER_SEC)

static uint64_t limits[LIMIT_MAX];
static struct snapshot_writer w;
static void *block;
static struct snapshot s;

static void *grow(void *context, size_t size)
{
	(void)context;
	block = realloc(block, size);
	return block;
}

static void add_records(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		struct record *record = snapshot_add(&w);

		record->sk.cookie = (uint64_t)i + 1;
		record->sk.state = TCPDIAG_ESTABLISHED;
		record->seen_ns = record->born_ns = record->state_since_ns = NOW;
		record->holder = 0;
		record->holders = 2;
		record->creator = 0;
		record->history = 2;
	}
}

static void add_history(void)
{
	struct history_entry *entries = snapshot_section(&w, SECTION_HISTORY, 4, sizeof(*entries));
	struct ended *ended;
	struct history_name *names;

	entries[1] = (struct history_entry){ .cookie = 1, .when_ns = 5, .kind = HISTORY_HOLDER };
	entries[2] = (struct history_entry){
		.cookie = 1, .when_ns = 6, .kind = HISTORY_STATE, .before = 1
	};
	ended = snapshot_section(&w, SECTION_ENDED, 1, sizeof(*ended));
	ended->gone_ns = NOW;
	ended->record.creator = ended->record.listener = ended->record.peer = RECORD_NONE;
	names = snapshot_section(&w, SECTION_NAMES, 2, sizeof(*names));
	names[1].number = 1;
	w.header->history = (struct history_header){ .size = 4, .next = 3, .names_next = 2 };
}

static void setup(void)
{
	struct holder *holders;
	struct finding *finding;

	memset(limits, 0, sizeof(limits));
	w = (struct snapshot_writer){
		.max_records = 10, .grow = grow, .string_max = 65536, .limits = limits
	};
	ck_assert_int_eq(snapshot_begin(&w), 0);
	add_records();
	ck_assert_ptr_nonnull(snapshot_section(&w, SECTION_PROCESSES, 1, sizeof(struct process)));
	holders = snapshot_section(&w, SECTION_HOLDERS, 2, sizeof(*holders));
	holders[0] = holders[1] = (struct holder){ .fd = 3 };
	finding = snapshot_section(&w, SECTION_FINDINGS, 1, sizeof(*finding));
	finding->rule = TCPDIAG_RULE_FINDING_FIRST;
	finding->severity = SEVERITY_WARNING;
	finding->since_ns = NOW;
	add_history();
	w.header->now_ns = NOW;
	ck_assert_int_eq(snapshot_seal(&w), 0);
	ck_assert_int_eq(snapshot_open(block, w.header->bytes, &s), 0);
}

static void teardown(void)
{
	snapshot_writer_done(&w);
	free(block);
	block = NULL;
}

START_TEST(test_sound)
{
	ck_assert_ptr_null(snapshot_check(&s, NOW));
	ck_assert_ptr_null(snapshot_check(&s, NOW + 1));
	/* CLOCK_MONOTONIC does not go back: another boot. */
	ck_assert_str_eq(snapshot_check(&s, NOW - 1), "it is from the future");
}
END_TEST

enum place { HEADER, RECORD, HOLDER, FINDING, ENTRY, ENDED, NAME };

#define IN(place_, type, member, value_, why_) \
	{ \
		.place = place_, .offset = offsetof(type, member), \
		.size = sizeof(((type *)NULL)->member), .value = value_, .why = why_ \
	}

static const struct {
	enum place place;
	size_t offset, size;
	int64_t value;
	const char *why;
} damages[] = {
	IN(HEADER, struct snapshot_header, now_ns, 0, "future"),
	IN(HEADER, struct snapshot_header, now_ns, -1, "future"),
	IN(HEADER, struct snapshot_header, now_ns, INT64_MAX, "future"),
	IN(HEADER, struct snapshot_header, history.size, 3, "history"),
	IN(HEADER, struct snapshot_header, history.size, 2, "history"),
	IN(HEADER, struct snapshot_header, history.next, 0, "history"),
	IN(HEADER, struct snapshot_header, history.names_next, 0, "history"),
	IN(HEADER, struct snapshot_header, history.since_ns, NOW + 1, "history"),
	IN(HEADER, struct snapshot_header, history.restarts[3].from_ns, INT64_MIN, "history"),
	IN(RECORD, struct record, sk.state, TCPDIAG_STATE_MAX, "socket"),
	IN(RECORD, struct record, sk.kind, 3, "socket"),
	IN(RECORD, struct record, sk.attachment, TCPDIAG_ATTACHMENT_MAX, "socket"),
	IN(RECORD, struct record, sk.sk_lingertime_ms, -1, "socket"),
	IN(RECORD, struct record, sk.linger2_ms, INT64_MAX, "socket"),
	IN(RECORD, struct record, direction, DIRECTION_MAX, "socket"),
	IN(RECORD, struct record, close_rule, TCPDIAG_RULE_MAX, "socket"),
	IN(RECORD, struct record, close_segment, TCPDIAG_SEGMENT_MAX, "socket"),
	IN(RECORD, struct record, seen_ns, NOW + 1, "socket"),
	IN(RECORD, struct record, born_ns, INT64_MIN, "socket"),
	IN(RECORD, struct record, settings_ns, -1, "socket"),
	IN(RECORD, struct record, holder, 1, "socket"),
	IN(RECORD, struct record, holder, RECORD_NONE, "socket"),
	IN(RECORD, struct record, holders, 3, "socket"),
	IN(RECORD, struct record, creator, 1, "socket"),
	IN(RECORD, struct record, listener, 2, "socket"),
	IN(RECORD, struct record, peer, 2, "socket"),
	IN(HOLDER, struct holder, process, 1, "holder"),
	IN(FINDING, struct finding, rule, TCPDIAG_RULE_MAX, "finding"),
	IN(FINDING, struct finding, rule, TCPDIAG_RULE_FINDING_FIRST - 1, "finding"),
	IN(FINDING, struct finding, severity, SEVERITY_MAX, "finding"),
	IN(FINDING, struct finding, scope, SCOPE_MAX, "finding"),
	IN(FINDING, struct finding, memory.severities[2], SEVERITY_MAX, "finding"),
	IN(FINDING, struct finding, since_ns, NOW + 1, "finding"),
	IN(FINDING, struct finding, process, 1, "finding"),
	IN(ENTRY, struct history_entry, kind, HISTORY_KIND_MAX, "history"),
	IN(ENTRY, struct history_entry, when_ns, NOW + 1, "history"),
	IN(ENDED, struct ended, gone_ns, NOW + 1, "socket"),
	IN(ENDED, struct ended, record.creator, 1, "socket"),
	IN(ENDED, struct ended, record.holders, 1, "socket"),
	IN(ENDED, struct ended, record.sk.state, UINT8_MAX, "socket"),
};

START_TEST(test_damaged)
{
	char *const places[] = {
		[HEADER] = block,
		[RECORD] = (char *)block + w.header->sections[SECTION_RECORDS].offset +
			   sizeof(struct record),
		[HOLDER] = (char *)block + w.header->sections[SECTION_HOLDERS].offset +
			   sizeof(struct holder),
		[FINDING] = (char *)block + w.header->sections[SECTION_FINDINGS].offset,
		[ENTRY] = (char *)block + w.header->sections[SECTION_HISTORY].offset +
			  3 * sizeof(struct history_entry),
		[ENDED] = (char *)block + w.header->sections[SECTION_ENDED].offset,
	};
	const char *why;

	memcpy(places[damages[_i].place] + damages[_i].offset, &damages[_i].value,
	       damages[_i].size);
	why = snapshot_check(&s, NOW);
	ck_assert_ptr_nonnull(why);
	ck_assert_msg(strstr(why, damages[_i].why), "%s", why);
}
END_TEST

START_TEST(test_name_without_end)
{
	struct history_name *names =
		(void *)((char *)block + w.header->sections[SECTION_NAMES].offset);

	memset(names[1].unit, 'x', sizeof(names[1].unit));
	ck_assert_str_eq(snapshot_check(&s, NOW), "its history is damaged");
}
END_TEST

/* A free row of the ended may hold anything. */
START_TEST(test_free_row)
{
	struct ended *ended = (void *)((char *)block + w.header->sections[SECTION_ENDED].offset);

	memset(ended, 0xff, sizeof(*ended));
	ended->gone_ns = 0;
	ck_assert_ptr_null(snapshot_check(&s, NOW));
}
END_TEST

START_TEST(test_explained)
{
	struct snapshot_header *header = block;
	uint64_t magic = header->magic;

	header->magic = 0;
	ck_assert_str_eq(snapshot_explain(block, header->bytes), "it is not complete");
	header->magic = magic;
	ck_assert_str_eq(snapshot_explain(block, 8), "it is not complete");
	header->layout--;
	ck_assert_str_eq(snapshot_explain(block, header->bytes),
			 "it has the layout of another version");
	header->layout++;
	header->rule_count++;
	ck_assert_int_lt(snapshot_open(block, header->bytes, &s), 0);
	ck_assert_str_eq(snapshot_explain(block, header->bytes), "it is of another build");
	header->rule_count--;
	header->header_size--;
	ck_assert_int_lt(snapshot_open(block, header->bytes, &s), 0);
	ck_assert_str_eq(snapshot_explain(block, header->bytes), "it is of another build");
	header->header_size++;
	header->sections[SECTION_ENDED].count = 1 << 20;
	ck_assert_int_lt(snapshot_open(block, header->bytes, &s), 0);
	ck_assert_str_eq(snapshot_explain(block, header->bytes), "it is damaged");
}
END_TEST

/* A writer that is killed leaves no snapshot, from its first step on. */
START_TEST(test_torn)
{
	struct snapshot other;
	uint64_t bytes = w.header->bytes;

	snapshot_writer_done(&w);
	ck_assert_int_eq(snapshot_begin(&w), 0);
	ck_assert_int_lt(snapshot_open(block, bytes, &other), 0);
	add_records();
	w.header->bytes = bytes;
	ck_assert_int_lt(snapshot_open(block, bytes, &other), 0);
	ck_assert_str_eq(snapshot_explain(block, bytes), "it is not complete");
}
END_TEST

/* What leads to itself, to a newer one, or to another socket leads nowhere. */
START_TEST(test_chains)
{
	struct history_entry *entries =
		(void *)((char *)block + w.header->sections[SECTION_HISTORY].offset);
	const struct tcpdiag_socket *sk = &s.records[0].sk;

	ck_assert_ptr_eq(snapshot_history(&s, sk, 2), &entries[2]);
	ck_assert_ptr_eq(snapshot_history(&s, sk, 1), &entries[1]);
	ck_assert_ptr_null(snapshot_history(&s, &s.records[1].sk, 2));
	entries[2].before = 2;
	ck_assert_ptr_null(snapshot_history(&s, sk, 2));
	entries[1].before = 2;
	ck_assert_ptr_null(snapshot_history(&s, sk, 1));
	ck_assert_ptr_null(snapshot_history(&s, sk, 3));
	ck_assert_ptr_null(snapshot_history(&s, sk, 1000));
	w.header->history.size = 3;
	ck_assert_ptr_null(snapshot_history(&s, sk, 2));
	w.header->history.size = 1U << 31;
	w.header->history.next = 1U << 31;
	ck_assert_ptr_null(snapshot_history(&s, sk, 77));
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("snapshot check");
	TCase *tc = tcase_create("snapshot check");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_sound);
	tcase_add_loop_test(tc, test_damaged, 0, ARRAY_SIZE(damages));
	tcase_add_test(tc, test_name_without_end);
	tcase_add_test(tc, test_free_row);
	tcase_add_test(tc, test_explained);
	tcase_add_test(tc, test_torn);
	tcase_add_test(tc, test_chains);
	suite_add_tcase(suite, tc);
	return suite;
}
