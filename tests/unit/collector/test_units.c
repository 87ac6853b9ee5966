/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets by unit: nobody is counted twice or lost, and who has a place keeps it.
 */
#include <string.h>

#include "../harness.h"
#include "collector/units.h"
#include "model/macro.h"

#define PROCESSES 200U

static struct units units;
static struct snapshot_writer w;
static struct process processes[PROCESSES];
static char names[PROCESSES][32];
static uint32_t count;
static uint64_t limits[LIMIT_MAX];
static void *block;
static int64_t now;

static void *grow(void *context, size_t size)
{
	void *larger = aligned_alloc(64, (size + 63) & ~(size_t)63);

	(void)context;
	ck_assert_ptr_nonnull(larger);
	if (block)
		memcpy(larger, block, MIN(w.used, size));
	free(block);
	block = larger;
	return larger;
}

static void start(void)
{
	units = (struct units){};
	memset(processes, 0, sizeof(processes));
	count = 0;
	block = NULL;
	now = 1000 * NSEC_PER_SEC;
	w = (struct snapshot_writer){};
}

static void end(void)
{
	units_done(&units);
	snapshot_writer_done(&w);
	free(block);
}

/* The row of a process that is counted under that name. */
static uint32_t process(const char *label)
{
	ck_assert_uint_lt(count, PROCESSES);
	snprintf(names[count], sizeof(names[count]), "%s", label);
	return count++;
}

static void begin(void)
{
	snapshot_writer_done(&w);
	w = (struct snapshot_writer){
		.grow = grow, .max_records = 1, .string_max = 1 << 16, .limits = limits
	};
	ck_assert_int_eq(snapshot_begin(&w), 0);
	for (uint32_t i = 0; i < count; i++)
		processes[i].unit_label = snapshot_string(&w, names[i], strlen(names[i]));
	units_begin(&units);
}

static void add(uint32_t row, uint8_t state, uint32_t times)
{
	const struct record record = { .sk = { .state = state } };

	while (times--)
		units_add(&units, row, &record);
}

static void publish(void)
{
	ck_assert_int_eq(units_publish(&units, processes, count, now, &w), 0);
	ck_assert_uint_ge(w.header->unit_count, 1);
	ck_assert_uint_le(w.header->unit_count, UNIT_PLACES + 1);
	ck_assert_uint_eq(w.header->units[0].name, 0);
}

/* NULL where it has no row of its own; "" is that of all others. */
static const struct unit_totals *totals(const char *name)
{
	const struct unit_totals *found = NULL;

	for (uint32_t i = 0; i < w.header->unit_count; i++) {
		if (strcmp(snapshot_writer_text(&w, w.header->units[i].name), name) != 0)
			continue;
		ck_assert_msg(!found, "%s stands twice", name);
		found = &w.header->units[i];
	}
	return found;
}

START_TEST(what_is_counted)
{
	const uint32_t web = process("web.service"), worker = process("web.service");
	const uint32_t tool = process("-.slice");
	const struct unit_totals *row;
	struct record record = { .sk = { .state = TCPDIAG_LISTEN, .rqueue = 30, .wqueue = 120 } };

	begin();
	add(web, TCPDIAG_ESTABLISHED, 3);
	add(worker, TCPDIAG_ESTABLISHED, 4);
	add(worker, TCPDIAG_CLOSE_WAIT, 2);
	add(web, TCPDIAG_FIN_WAIT1, 1);
	add(tool, TCPDIAG_FIN_WAIT2, 5);
	add(tool, TCPDIAG_LAST_ACK, 6);
	add(tool, TCPDIAG_TIME_WAIT, 7);
	add(RECORD_NONE, TCPDIAG_ESTABLISHED, 9);
	units_add(&units, web, &record);
	record.sk.rqueue = 12;
	units_add(&units, worker, &record);
	record = (struct record){ .sk = { .state = TCPDIAG_ESTABLISHED },
				  .close_rule = TCPDIAG_RULE_CLOSE_UNREAD,
				  .close_segment = TCPDIAG_SEGMENT_RST };
	units_add(&units, worker, &record);
	record.close_segment = TCPDIAG_SEGMENT_FIN;
	units_add(&units, worker, &record);
	/* Nobody can close it. */
	record = (struct record){ .sk = { .state = TCPDIAG_FIN_WAIT1 },
				  .close_rule = TCPDIAG_RULE_NONE,
				  .close_segment = TCPDIAG_SEGMENT_RST };
	units_add(&units, tool, &record);
	record.sk = (struct tcpdiag_socket){ .state = TCPDIAG_CLOSING,
					     .attachment = TCPDIAG_ORPHAN };
	units_add(&units, web, &record);
	units_add(&units, worker, &record);
	units_add(&units, RECORD_NONE, &record);
	publish();
	ck_assert_uint_eq(w.header->unit_count, 3);
	row = totals("web.service");
	ck_assert_ptr_nonnull(row);
	ck_assert_uint_eq(row->sockets[UNIT_ESTABLISHED], 9);
	ck_assert_uint_eq(row->sockets[UNIT_CLOSE_WAIT], 2);
	ck_assert_uint_eq(row->sockets[UNIT_FIN_WAIT1], 1);
	ck_assert_uint_eq(row->sockets[UNIT_FIN_WAIT2], 0);
	ck_assert_uint_eq(row->close_resets, 1);
	ck_assert_uint_eq(row->orphans, 2);
	ck_assert(row->listener_ratio == 0.25);
	row = totals("-.slice");
	ck_assert_ptr_nonnull(row);
	ck_assert_uint_eq(row->sockets[UNIT_ESTABLISHED], 0);
	ck_assert_uint_eq(row->sockets[UNIT_FIN_WAIT1], 1);
	ck_assert_uint_eq(row->sockets[UNIT_FIN_WAIT2], 5);
	ck_assert_uint_eq(row->sockets[UNIT_LAST_ACK], 6);
	ck_assert_uint_eq(row->close_resets, 0);
	ck_assert_uint_eq(row->orphans, 0);
	ck_assert(row->listener_ratio == 0);
	/* And the next poll counts anew. */
	begin();
	add(web, TCPDIAG_ESTABLISHED, 1);
	publish();
	ck_assert_uint_eq(totals("web.service")->sockets[UNIT_ESTABLISHED], 1);
	ck_assert_uint_eq(totals("-.slice")->sockets[UNIT_LAST_ACK], 0);
}
END_TEST

static void many_units(void)
{
	char name[32];

	for (uint32_t i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "unit-%02u.service", i);
		process(name);
	}
}

/* The most of it by name, and nothing lost. */
START_TEST(those_with_most_trouble)
{
	char name[32];
	uint32_t sum = 0;

	many_units();
	begin();
	for (uint32_t i = 0; i < 100; i++) {
		add(i, TCPDIAG_CLOSE_WAIT, i * 7 % 100);
		add(i, TCPDIAG_ESTABLISHED, 1000);
	}
	publish();
	ck_assert_uint_eq(w.header->unit_count, UNIT_PLACES + 1);
	for (uint32_t i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "unit-%02u.service", i);
		ck_assert_msg(!totals(name) == (i * 7 % 100 < 80), "%s", name);
	}
	for (uint32_t i = 0; i < w.header->unit_count; i++)
		sum += w.header->units[i].sockets[UNIT_CLOSE_WAIT];
	ck_assert_uint_eq(sum, 99 * 100 / 2);
	ck_assert_uint_eq(totals("")->sockets[UNIT_ESTABLISHED], 80000);
	ck_assert_uint_eq(totals("")->sockets[UNIT_CLOSE_WAIT], 79 * 80 / 2);
}
END_TEST

static void poll(const uint32_t trouble[static 100], int64_t seconds)
{
	now += seconds * NSEC_PER_SEC;
	begin();
	for (uint32_t i = 0; i < 100; i++)
		add(i, TCPDIAG_CLOSE_WAIT, trouble[i]);
	publish();
}

START_TEST(places_are_kept)
{
	uint32_t trouble[100] = {};

	many_units();
	for (uint32_t i = 0; i < 20; i++)
		trouble[i] = 100;
	poll(trouble, 1);
	ck_assert_ptr_nonnull(totals("unit-19.service"));
	ck_assert_ptr_null(totals("unit-20.service"));
	/* Somewhat more is no reason to change. */
	trouble[20] = 190;
	poll(trouble, 1);
	ck_assert_ptr_null(totals("unit-20.service"));
	/* An incident that is over is still shown, as 0. */
	trouble[7] = 0;
	poll(trouble, 1);
	ck_assert_ptr_nonnull(totals("unit-07.service"));
	ck_assert_uint_eq(totals("unit-07.service")->sockets[UNIT_CLOSE_WAIT], 0);
	/* Clearly more is, at the cost of the least. */
	poll(trouble, 60);
	trouble[20] = 1000;
	poll(trouble, 1);
	ck_assert_ptr_nonnull(totals("unit-20.service"));
	ck_assert_ptr_null(totals("unit-07.service"));
	ck_assert_uint_eq(w.header->unit_count, UNIT_PLACES + 1);
}
END_TEST

/* What there was fades: after a long time a little is enough. */
START_TEST(trouble_fades)
{
	uint32_t trouble[100] = {};

	many_units();
	for (uint32_t i = 0; i < 20; i++)
		trouble[i] = 1000;
	poll(trouble, 1);
	memset(trouble, 0, sizeof(trouble));
	trouble[50] = 60;
	poll(trouble, 600);
	ck_assert_ptr_null(totals("unit-50.service"));
	for (int i = 0; i < 10; i++)
		poll(trouble, 600);
	ck_assert_ptr_nonnull(totals("unit-50.service"));
}
END_TEST

/* A unit that has stopped is shown for a while, as 0, and then no longer. */
START_TEST(who_is_gone_is_forgotten)
{
	const uint32_t row = process("web.service");

	process("other.service");
	begin();
	add(row, TCPDIAG_ESTABLISHED, 5);
	publish();
	strcpy(names[row], "other.service");
	for (int i = 0; i < 15; i++) {
		now += 60 * NSEC_PER_SEC;
		begin();
		publish();
		ck_assert_ptr_nonnull(totals("web.service"));
		ck_assert_uint_eq(totals("web.service")->sockets[UNIT_ESTABLISHED], 0);
	}
	now += NSEC_PER_SEC;
	begin();
	publish();
	ck_assert_ptr_null(totals("web.service"));
	ck_assert_ptr_nonnull(totals("other.service"));
}
END_TEST

START_TEST(nobody)
{
	begin();
	publish();
	ck_assert_uint_eq(w.header->unit_count, 1);
	ck_assert_uint_eq(w.header->units[0].sockets[UNIT_ESTABLISHED], 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("units");
	TCase *c = tcase_create("units");

	tcase_add_checked_fixture(c, start, end);
	tcase_add_test(c, what_is_counted);
	tcase_add_test(c, those_with_most_trouble);
	tcase_add_test(c, places_are_kept);
	tcase_add_test(c, trouble_fades);
	tcase_add_test(c, who_is_gone_is_forgotten);
	tcase_add_test(c, nobody);
	suite_add_tcase(s, c);
	return s;
}
