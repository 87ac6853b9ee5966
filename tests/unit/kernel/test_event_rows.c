/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows of the ring become events, and what cannot be one is refused.
 */
#include "../harness.h"
#include "kernel/event_rows.h"
#include "scene.h"

#define HZ 250

static const uint8_t reasons[EVENT_REASONS_MAX] = { [3] = RESET_REASON_NO_SOCKET };

static struct event_row good(void)
{
	return (struct event_row){
		.settings.cookie = 7,
		.settings.linger = 5 * HZ,
		.settings.flags = ROW_LINGER,
		.when_ns = 1000,
		.local = { [10] = 0xff, [11] = 0xff, [12] = 10 },
		.local_port = 443,
		.remote_port = 50000,
		.netns = 5,
		.rqueue = 9,
		.received_ago = 2 * HZ,
		.sent_ago = 3 * HZ,
		.pid = 77,
		.cgroup = 4242,
		.reason = 3,
		.flags = EVENT_ROW_FULL | EVENT_ROW_DEAD,
		.comm = "0123456789abcdef",
		.family = AF_INET,
		.kind = EVENT_ROW_STATE,
		.old_state = TCPDIAG_ESTABLISHED,
		.state = TCPDIAG_FIN_WAIT1,
	};
}

START_TEST(a_row)
{
	struct event_row row = good();
	struct socket_event event;

	ck_assert_int_eq(event_from_row(&row, sizeof(row), HZ, reasons, &event), 0);
	ck_assert_int_eq(event.kind, SOCKET_EVENT_STATE);
	ck_assert_uint_eq(event.cgroup, 4242);
	ck_assert_str_eq(event.comm, "0123456789abcde");
	ck_assert(event.released && event.orphaned && event.has_socket && !event.passive);
	ck_assert_int_eq(event.reason, RESET_REASON_NONE);
	ck_assert_int_eq(event.idle_ms, 2000);
	ck_assert_int_eq(event.sk.sk_lingertime_ms, 5000);
	ck_assert_uint_eq(event.sk.rqueue, 9);
	/* Nobody knows how long a jiffy is. */
	ck_assert_int_eq(event_from_row(&row, sizeof(row), 0, reasons, &event), 0);
	ck_assert_int_eq(event.idle_ms, -1);
	ck_assert(!(event.sk.known & TCPDIAG_KNOWS_LINGER));
	row.kind = EVENT_ROW_RESET_SENT;
	row.flags = EVENT_ROW_MINI | EVENT_ROW_REASON | EVENT_ROW_PASSIVE;
	row.state = TCPDIAG_NEW_SYN_RECV;
	ck_assert_int_eq(event_from_row(&row, sizeof(row), HZ, reasons, &event), 0);
	ck_assert_int_eq(event.sk.kind, TCPDIAG_KIND_REQUEST);
	ck_assert_int_eq(event.reason, RESET_REASON_NO_SOCKET);
	row.segment_flags = TH_SYN;
	ck_assert_int_eq(event_from_row(&row, sizeof(row), HZ, reasons, &event), 0);
	ck_assert_int_eq(event.reason, RESET_REASON_NO_SOCKET_SYN);
	row.reason = UINT32_MAX;
	ck_assert_int_eq(event_from_row(&row, sizeof(row), HZ, reasons, &event), 0);
	ck_assert_int_eq(event.reason, RESET_REASON_OTHER);
	ck_assert_int_eq(event.idle_ms, -1);
	ck_assert(!(event.sk.known & TCPDIAG_KNOWS_BYTES));
}
END_TEST

START_TEST(wrong_rows)
{
	static const struct {
		size_t offset;
		uint8_t value;
	} wrong[] = {
		{ offsetof(struct event_row, kind), EVENT_ROW_KINDS },
		{ offsetof(struct event_row, state), TCPDIAG_STATE_MAX },
		{ offsetof(struct event_row, state), 0 },
		{ offsetof(struct event_row, old_state), 255 },
		{ offsetof(struct event_row, family), 1 },
		{ offsetof(struct event_row, flags), 0 }, /* a change of no socket */
		{ offsetof(struct event_row, pid) + 3, 0x80 },
	};
	struct event_row row = good();
	struct socket_event event;

	((uint8_t *)&row)[wrong[_i].offset] = wrong[_i].value;
	ck_assert_int_eq(event_from_row(&row, sizeof(row), HZ, reasons, &event), -EBADMSG);
	row = good();
	ck_assert_int_eq(event_from_row(&row, sizeof(row) - 1, HZ, reasons, &event), -EBADMSG);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("event_rows");
	TCase *rows = tcase_create("rows");

	tcase_add_test(rows, a_row);
	tcase_add_loop_test(rows, wrong_rows, 0, 7);
	suite_add_tcase(s, rows);
	return s;
}
