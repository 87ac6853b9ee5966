/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ends added up by minute: what is counted under what, and what is folded when there is too much of it.
 */
#include "journal_fixture.h"
#include "model/journal_private.h"

#define MINUTE (WALL_NS / (60 * NSEC_PER_SEC))

static struct block block;

static void setup(void)
{
	block_open(&block, &small);
}

static void teardown(void)
{
	block_close(&block);
}

static uint32_t name_of(const char *label)
{
	struct event_name name = { .pid = 1 };

	snprintf(name.label, sizeof(name.label), "%s", label);
	return journal_name(block.journal, &name);
}

static struct event reset_of(const char *label, uint16_t port)
{
	return (struct event){
		.kind = EVENT_RESET_SENT,
		.actor = ACTOR_PEER,
		.wall_ns = WALL_NS,
		.socket = { .flags = EVENT_HAS_SOCKET,
			    .known = EVENT_KNOWS_UNREAD,
			    .unread_bytes = 10,
			    .state = TCPDIAG_ESTABLISHED,
			    .direction = DIRECTION_INBOUND,
			    .reason = RESET_REASON_ABORT_ON_CLOSE,
			    .local_port = port,
			    .holder = label ? name_of(label) : 0 },
	};
}

static struct sum all(void)
{
	return sum_of(&block.view, INT64_MIN, INT64_MAX);
}

/* What is missing is one row a minute however full that is, and folds nothing. */
START_TEST(test_gaps)
{
	struct event event = reset_of("web.service", 443);
	struct sum sum;
	int i;

	for (i = 0; i < 200; i++) {
		event.socket.local_port = (uint16_t)i;
		journal_count(block.journal, &event, 1);
	}
	i = (int)all().rows;
	sum = all();
	journal_note(block.journal, WALL_NS, MINUTE_UNSEEN, 1500);
	journal_note(block.journal, WALL_NS + NSEC_PER_SEC, MINUTE_UNSEEN, 500);
	journal_note(block.journal, WALL_NS, MINUTE_LOST, 0);
	ck_assert_uint_eq(all().rows, i + 1);
	ck_assert_uint_eq(all().count, sum.count + 2000);
	ck_assert_uint_eq(all().last.kind, MINUTE_UNSEEN);
	ck_assert_int_eq(all().last.minute, MINUTE);
	ck_assert_uint_eq(all().last.flags, 0);
	journal_note(block.journal, WALL_NS + 60 * NSEC_PER_SEC, MINUTE_LOST, 7);
	ck_assert_uint_eq(all().rows, i + 2);
	ck_assert_uint_eq(all().last.kind, MINUTE_LOST);
	ck_assert_int_eq(all().last.minute, MINUTE + 1);
	ck_assert_uint_eq(all().last.count, 7);
}
END_TEST

static int part_of(const struct minute_row *row, void *context)
{
	uint64_t *parts = context;

	ck_assert_uint_eq(row->kind, MINUTE_UNSEEN);
	ck_assert_int_ge(row->minute, MINUTE);
	ck_assert_int_lt(row->minute, MINUTE + 4);
	parts[row->minute - MINUTE] += row->count;
	return 0;
}

/* A gap over several minutes stands in each of them. */
START_TEST(test_unseen)
{
	const int64_t minute_ns = 60 * NSEC_PER_SEC, first_ns = MINUTE * minute_ns;
	uint64_t parts[4] = {};
	struct journal_view view;

	journal_view(block.journal, &view);
	ck_assert_int_eq(journal_noted_ns(&view), 0);
	journal_unseen(block.journal, first_ns + 45 * NSEC_PER_SEC, first_ns + 2 * minute_ns);
	journal_unseen(block.journal, first_ns + 2 * minute_ns, first_ns + 2 * minute_ns + 500);
	journal_unseen(block.journal, first_ns + 3 * minute_ns,
		       first_ns + 3 * minute_ns + 7 * NSEC_PER_MSEC);
	/* A clock that was set back. */
	journal_unseen(block.journal, first_ns + minute_ns, first_ns);
	journal_minutes(&view, INT64_MIN, INT64_MAX, part_of, parts);
	ck_assert_uint_eq(parts[0], 15000);
	ck_assert_uint_eq(parts[1], 60000);
	ck_assert_uint_eq(parts[2], 0);
	ck_assert_uint_eq(parts[3], 7);
	journal_noted_to(block.journal, first_ns);
	ck_assert_int_eq(journal_noted_ns(&view), first_ns);
	/* No more than a day, however long that was: it takes no time, and the newest part is there. */
	journal_unseen(block.journal, INT64_MIN / 2, first_ns + 4 * minute_ns);
	memset(parts, 0, sizeof(parts));
	journal_minutes(&view, MINUTE, INT64_MAX, part_of, parts);
	ck_assert_uint_eq(parts[2], 60000);
}
END_TEST

START_TEST(test_one_row)
{
	struct event event = reset_of("web.service", 443);
	char label[JOURNAL_LABEL];
	struct sum sum;

	journal_add(block.journal, &event);
	journal_add(block.journal, &event);
	journal_count(block.journal, &event, 40);
	journal_count(block.journal, &event, 0);
	sum = all();
	ck_assert_uint_eq(sum.rows, 1);
	ck_assert_uint_eq(sum.count, 42);
	ck_assert_uint_eq(sum.unread, 420);
	ck_assert_int_eq(sum.last.minute, MINUTE);
	ck_assert_uint_eq(sum.last.kind, MINUTE_RESET_SENT);
	ck_assert_uint_eq(sum.last.reason, RESET_REASON_ABORT_ON_CLOSE);
	ck_assert_uint_eq(sum.last.port, 443);
	ck_assert_uint_eq(sum.last.flags, MINUTE_PEER_OPEN);
	ck_assert_str_eq(journal_label(&block.view, sum.last.label, label), "web.service");
	ck_assert_uint_eq(journal_newest(&block.view), 2);
}
END_TEST

/* What an event is counted as. */
static const struct {
	const char *what;
	enum event_kind kind;
	enum event_actor actor;
	uint32_t known, flags;
	int64_t idle_ms;
	uint8_t direction;
	int rows; /* that it makes */
	uint8_t last_kind, last_flags;
	uint16_t port;
} counted[] = {
	{ "reset received", EVENT_RESET_RECEIVED, ACTOR_PEER, 0, EVENT_HAS_SOCKET, 0,
	  DIRECTION_INBOUND, 1, MINUTE_RESET_RECEIVED, MINUTE_PEER_OPEN, 80 },
	{ "outbound", EVENT_RESET_RECEIVED, ACTOR_PEER, 0, EVENT_HAS_SOCKET, 0, DIRECTION_OUTBOUND,
	  1, MINUTE_RESET_RECEIVED, MINUTE_PEER_OPEN, 0 },
	{ "no socket", EVENT_RESET_SENT, ACTOR_KERNEL, 0, 0, 0, DIRECTION_UNKNOWN, 1,
	  MINUTE_RESET_SENT, 0, 80 },
	{ "close resets", EVENT_RESET_SENT, ACTOR_CLOSE, 0, EVENT_HAS_SOCKET | EVENT_PEER_FINISHED,
	  0, DIRECTION_INBOUND, 2, MINUTE_CLOSED_RESET, 0, 80 },
	{ "exit resets", EVENT_RESET_SENT, ACTOR_EXIT, 0, EVENT_HAS_SOCKET, 0, DIRECTION_INBOUND, 2,
	  MINUTE_CLOSED_RESET, MINUTE_PEER_OPEN, 80 },
	{ "late data", EVENT_RESET_SENT, ACTOR_KERNEL, 0, EVENT_HAS_SOCKET, 0, DIRECTION_INBOUND, 1,
	  MINUTE_RESET_SENT, MINUTE_PEER_OPEN, 80 },
	{ "closed", EVENT_CLOSED, ACTOR_PEER, 0, EVENT_HAS_SOCKET | EVENT_PEER_FINISHED, 0,
	  DIRECTION_INBOUND, 1, MINUTE_CLOSED, 0, 80 },
	{ "timed out, idle", EVENT_TIMED_OUT, ACTOR_TIMER, EVENT_KNOWS_IDLE, EVENT_HAS_SOCKET,
	  60000, DIRECTION_INBOUND, 1, MINUTE_TIMED_OUT, MINUTE_PEER_OPEN | MINUTE_IDLE, 80 },
	{ "idle is not known", EVENT_TIMED_OUT, ACTOR_TIMER, 0, EVENT_HAS_SOCKET, 60000,
	  DIRECTION_INBOUND, 1, MINUTE_TIMED_OUT, MINUTE_PEER_OPEN, 80 },
	{ "linger set just before", EVENT_RESET_SENT, ACTOR_CLOSE,
	  EVENT_KNOWS_LINGER | EVENT_KNOWS_LINGER_BEFORE,
	  EVENT_HAS_SOCKET | EVENT_LINGER | EVENT_PEER_FINISHED, 0, DIRECTION_INBOUND, 2,
	  MINUTE_CLOSED_RESET, MINUTE_SURPRISE, 80 },
	{ "linger was on", EVENT_RESET_SENT, ACTOR_CLOSE,
	  EVENT_KNOWS_LINGER | EVENT_KNOWS_LINGER_BEFORE,
	  EVENT_HAS_SOCKET | EVENT_LINGER | EVENT_LINGER_BEFORE | EVENT_PEER_FINISHED, 0,
	  DIRECTION_INBOUND, 2, MINUTE_CLOSED_RESET, 0, 80 },
	{ "derived", EVENT_RESET_SENT, ACTOR_PEER, 0, EVENT_HAS_SOCKET | EVENT_DERIVED, 0,
	  DIRECTION_INBOUND, 1, MINUTE_RESET_SENT, MINUTE_PEER_OPEN | MINUTE_DERIVED, 80 },
	{ "orphaned", EVENT_ORPHANED, ACTOR_CLOSE, 0, EVENT_HAS_SOCKET, 0, DIRECTION_INBOUND, 0, 0,
	  0, 0 },
	{ "destroyed", EVENT_DESTROYED, ACTOR_UNKNOWN, 0, EVENT_HAS_SOCKET, 0, DIRECTION_INBOUND, 0,
	  0, 0, 0 },
	{ "finding", EVENT_FINDING_RAISED, ACTOR_UNKNOWN, 0, 0, 0, 0, 0, 0, 0, 0 },
};

START_TEST(test_counted_as)
{
	struct event event = { .kind = (uint8_t)counted[_i].kind,
			       .actor = (uint8_t)counted[_i].actor,
			       .wall_ns = WALL_NS };
	struct sum sum;

	if (!event_is_finding(&event)) {
		event.socket.known = counted[_i].known;
		event.socket.flags = (uint16_t)counted[_i].flags;
		event.socket.idle_ms = counted[_i].idle_ms;
		event.socket.direction = counted[_i].direction;
		event.socket.local_port = 80;
		event.socket.state = TCPDIAG_CLOSE_WAIT;
	}
	journal_add(block.journal, &event);
	sum = all();
	ck_assert_msg((int)sum.rows == counted[_i].rows, "%s: %d rows", counted[_i].what,
		      (int)sum.rows);
	if (!sum.rows)
		return;
	ck_assert_msg(sum.last.kind == counted[_i].last_kind, "%s", counted[_i].what);
	ck_assert_msg(sum.last.flags == counted[_i].last_flags, "%s: %x", counted[_i].what,
		      sum.last.flags);
	ck_assert_msg(sum.last.port == counted[_i].port, "%s", counted[_i].what);
}
END_TEST

START_TEST(test_minutes)
{
	struct event event = reset_of(NULL, 80);
	int i;

	for (i = 0; i < 10; i++) {
		event.wall_ns = (MINUTE + i) * 60 * NSEC_PER_SEC + 59 * NSEC_PER_SEC;
		journal_count(block.journal, &event, (uint64_t)i + 1);
	}
	ck_assert_uint_eq(all().count, 55);
	ck_assert_uint_eq(sum_of(&block.view, MINUTE + 3, MINUTE + 5).count, 4 + 5);
	ck_assert_uint_eq(sum_of(&block.view, MINUTE + 9, INT64_MAX).count, 10);
	ck_assert_uint_eq(sum_of(&block.view, MINUTE + 10, INT64_MAX).rows, 0);
	/* The clock was set back: nothing is lost, the minute's row is found again. */
	event.wall_ns = MINUTE * 60 * NSEC_PER_SEC;
	journal_count(block.journal, &event, 5);
	ck_assert_uint_eq(sum_of(&block.view, MINUTE, MINUTE + 1).count, 6);
	ck_assert_uint_eq(all().rows, 10);
}
END_TEST

/* A day of one row a minute in a ring that holds 64. */
START_TEST(test_oldest_go)
{
	struct event event = reset_of(NULL, 80);
	int i;

	for (i = 0; i < 1440; i++) {
		event.wall_ns = (MINUTE + i) * 60 * NSEC_PER_SEC;
		journal_count(block.journal, &event, 1);
	}
	ck_assert_uint_eq(all().rows, 64);
	ck_assert_uint_eq(sum_of(&block.view, MINUTE + 1440 - 64, INT64_MAX).count, 64);
	ck_assert_uint_eq(journal_minutes_cut(block.journal), 1440 - 64);
}
END_TEST

/* What makes room after its day is not cut. */
START_TEST(test_old_ones_go)
{
	struct event event = reset_of(NULL, 80);
	int i;

	for (i = 0; i < 200; i++) {
		event.wall_ns = (MINUTE + i * 23) * 60 * NSEC_PER_SEC;
		journal_count(block.journal, &event, 1);
	}
	ck_assert_uint_eq(all().rows, 64);
	ck_assert_uint_eq(journal_minutes_cut(block.journal), 0);
}
END_TEST

/* By default a day of 182 rows in each minute is kept whole, and none of its places is touched before it is used. */
START_TEST(test_default_room)
{
	struct journal_sizes sizes;

	journal_sizes_of(16384, &sizes);
	ck_assert_uint_ge(sizes.minutes, 24 * 60 * 182);
	ck_assert_uint_le(journal_bytes(&sizes), 32000000);
}
END_TEST

START_TEST(test_folding)
{
	struct sum sum;
	int i;

	for (i = 0; i < 16; i++) {
		struct event event = reset_of("web.service", (uint16_t)(1000 + i));

		journal_count(block.journal, &event, 1);
	}
	ck_assert_uint_eq(journal_folded(&block.view), 0);
	ck_assert_uint_eq(all().rows, 16);
	for (; i < 500; i++) {
		struct event event = reset_of("web.service", (uint16_t)(1000 + i));

		journal_count(block.journal, &event, 1);
	}
	sum = all();
	ck_assert_uint_eq(sum.count, 500);
	ck_assert_uint_eq(sum.unread, 5000);
	ck_assert_uint_eq(sum.rows, 17);
	ck_assert_uint_eq(sum.last.port, 0);
	ck_assert_uint_eq(sum.last.flags, MINUTE_OTHER | MINUTE_PEER_OPEN);
	ck_assert_uint_eq(journal_folded(&block.view), 500 - 16);
	ck_assert_uint_eq(journal_minutes_folded(block.journal), 500 - 16);
	/* What has a row of its own goes on with it. */
	{
		struct event event = reset_of("web.service", 1000);

		journal_count(block.journal, &event, 1);
	}
	ck_assert_uint_eq(journal_folded(&block.view), 500 - 16);
}
END_TEST

START_TEST(test_units_folded)
{
	char label[JOURNAL_LABEL];
	struct sum sum;
	int i;

	for (i = 0; i < 100; i++) {
		struct event event;

		snprintf(label, sizeof(label), "unit-%d.service", i);
		event = reset_of(label, 80);
		journal_count(block.journal, &event, 1);
	}
	sum = all();
	ck_assert_uint_eq(sum.count, 100);
	ck_assert_uint_eq(sum.rows, 16 + 4 + 1);
	ck_assert_str_eq(journal_label(&block.view, sum.last.label, label), "~other");
}
END_TEST

/* A scan of all ports leaves room for what happens to connections. */
START_TEST(test_scan)
{
	struct event probe = { .kind = EVENT_RESET_SENT,
			       .actor = ACTOR_KERNEL,
			       .wall_ns = WALL_NS,
			       .socket.reason = RESET_REASON_NO_SOCKET_SYN };
	struct event event = reset_of("web.service", 443);
	struct sum sum;
	uint32_t port;

	for (port = 1; port < 65536; port++) {
		probe.socket.local_port = (uint16_t)port;
		journal_count(block.journal, &probe, 1);
	}
	journal_count(block.journal, &event, 1);
	sum = all();
	ck_assert_uint_eq(sum.count, 65536);
	ck_assert_uint_le(sum.rows, 4);
	ck_assert_uint_eq(sum.last.port, 443);
	ck_assert_uint_eq(sum.last.reason, RESET_REASON_ABORT_ON_CLOSE);
}
END_TEST

struct reasons {
	uint64_t count[RESET_REASON_MAX];
};

static int add_reason(const struct minute_row *row, void *context)
{
	struct reasons *reasons = context;

	reasons->count[row->reason] += row->count;
	return 0;
}

/* What a scan asks for stays known, and no limit was hit: its ports are folded in every minute. */
START_TEST(test_scan_keeps_reasons)
{
	const enum reset_reason kept[] = { RESET_REASON_NO_SOCKET_SYN, RESET_REASON_NO_SOCKET };
	struct event probe = { .kind = EVENT_RESET_SENT,
			       .actor = ACTOR_KERNEL,
			       .wall_ns = WALL_NS };
	struct reasons reasons = {};
	uint32_t i, port;

	for (i = 0; i < ARRAY_SIZE(kept); i++)
		for (port = 1; port <= 2000; port++) {
			probe.socket.reason = kept[i];
			probe.socket.local_port = (uint16_t)port;
			journal_count(block.journal, &probe, 1);
		}
	(void)journal_minutes(&block.view, INT64_MIN, INT64_MAX, add_reason, &reasons);
	ck_assert_uint_eq(reasons.count[RESET_REASON_NO_SOCKET_SYN], 2000);
	ck_assert_uint_eq(reasons.count[RESET_REASON_NO_SOCKET], 2000);
	ck_assert_uint_eq(reasons.count[RESET_REASON_NONE], 0);
	ck_assert_uint_gt(journal_folded(&block.view), 3900);
	ck_assert_uint_eq(journal_minutes_folded(block.journal), 0);
}
END_TEST

/* Many names over a long time: those whose rows have gone make room. */
START_TEST(test_labels_reused)
{
	char label[JOURNAL_LABEL];
	int i;

	for (i = 0; i < 5000; i++) {
		struct event event;
		struct sum sum;

		snprintf(label, sizeof(label), "job-%d.service", i);
		event = reset_of(label, 80);
		event.wall_ns += i * 60 * NSEC_PER_SEC;
		journal_count(block.journal, &event, 1);
		sum = all();
		ck_assert_str_eq(journal_label(&block.view, sum.last.label, label), label);
	}
}
END_TEST

START_TEST(test_labels_full)
{
	struct journal_sizes sizes = small;
	char text[JOURNAL_LABEL], label[JOURNAL_LABEL];
	int i;

	teardown();
	sizes.minutes = 4096;
	block_open(&block, &sizes);
	for (i = 0; i < 1100; i++) {
		struct event event;
		struct sum sum;

		snprintf(text, sizeof(text), "job-%d.service", i);
		event = reset_of(text, 80);
		event.wall_ns += i * 60 * NSEC_PER_SEC;
		journal_count(block.journal, &event, 1);
		sum = all();
		ck_assert_str_eq(journal_label(&block.view, sum.last.label, label),
				 i < (int)JOURNAL_LABELS - 2 ? text : "~other");
	}
	ck_assert_str_eq(journal_label(&block.view, 0, label), "");
	ck_assert_str_eq(journal_label(&block.view, UINT16_MAX, label), "");
}
END_TEST

static int stop(const struct minute_row *row, void *context)
{
	(void)row;
	return ++*(int *)context == 3 ? 42 : 0;
}

START_TEST(test_stop)
{
	int seen = 0;
	uint16_t port;

	for (port = 1; port < 10; port++) {
		struct event event = reset_of(NULL, port);

		journal_count(block.journal, &event, 1);
	}
	ck_assert_int_eq(journal_minutes(&block.view, 0, INT64_MAX, stop, &seen), 42);
	ck_assert_int_eq(seen, 3);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("journal, by minute");
	TCase *c = tcase_create("minutes");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, test_unseen);
	tcase_add_test(c, test_one_row);
	tcase_add_test(c, test_gaps);
	tcase_add_loop_test(c, test_counted_as, 0, ARRAY_SIZE(counted));
	tcase_add_test(c, test_minutes);
	tcase_add_test(c, test_oldest_go);
	tcase_add_test(c, test_old_ones_go);
	tcase_add_test(c, test_default_room);
	tcase_add_test(c, test_folding);
	tcase_add_test(c, test_units_folded);
	tcase_add_test(c, test_scan);
	tcase_add_test(c, test_scan_keeps_reasons);
	tcase_add_test(c, test_labels_reused);
	tcase_add_test(c, test_labels_full);
	tcase_add_test(c, test_stop);
	suite_add_tcase(s, c);
	return s;
}
