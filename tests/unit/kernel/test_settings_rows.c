/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows of the BPF programs, made here byte by byte as the programs write them.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "../harness.h"
#include "kernel/settings_rows.h"
#include "model/macro.h"

#define HZ 250U

struct full_row {
	struct descriptor_row row;
	struct closed_row closed;
};

static struct full_row make_row(uint8_t state)
{
	struct full_row full = {
		.row = {
			.settings = { .cookie = 0x1234, .linger = 7 * HZ, .flags = ROW_LINGER | ROW_KNOWS_REFERENCES,
				      .references = 2 },
			.netns = 4026531840, .inode = 77, .pid = 42, .fd = 5, .size = sizeof(full.row),
			.state = state, .family = AF_INET,
		},
	};

	if (state == TCPDIAG_CLOSE)
		full.row.size = sizeof(full);
	return full;
}

static int parse(const void *rows, size_t size, size_t *at, struct descriptor *ret)
{
	return descriptor_from_rows(rows, size, at, HZ, ret, NULL);
}

static const struct {
	uint32_t jiffies;
	uint32_t hz;
	uint32_t ms;
} lingers[] = {
	{ 0, 250, 0 },
	{ 1, 250, 4 },
	{ 1750, 250, 7000 },
	{ 7000, 1000, 7000 },
	{ 700, 100, 7000 },
	{ 2100, 300, 7000 },
	/* More milliseconds than there is room for. */
	{ 4294967U * 250, 250, 4294967000U },
	{ 4294968U * 250, 250, SETTINGS_FOREVER },
	{ UINT32_MAX, 100, SETTINGS_FOREVER },
	{ UINT32_MAX, 1000, SETTINGS_FOREVER },
	/* -1 s as kernels stored it that multiplied in 32 bits. */
	{ UINT32_MAX - 1000 + 1, 1000, SETTINGS_FOREVER },
	{ UINT32_MAX - 250 + 1, 250, SETTINGS_FOREVER },
};

START_TEST(linger_time)
{
	const struct settings_row row = { .linger = lingers[_i].jiffies };

	ck_assert_uint_eq(settings_from_row(&row, lingers[_i].hz).linger_ms, lingers[_i].ms);
}
END_TEST

static const struct {
	int32_t jiffies;
	int32_t ms;
} linger2s[] = {
	{ 0, 0 },	   { -1, -1 },	    { -250, -1 },
	{ INT32_MIN, -1 }, { 5000, 20000 }, { INT32_MAX, INT32_MAX },
};

START_TEST(linger2_time)
{
	const struct settings_row row = { .linger2 = linger2s[_i].jiffies };

	ck_assert_int_eq(settings_from_row(&row, HZ).linger2_ms, linger2s[_i].ms);
}
END_TEST

START_TEST(rows_one_after_the_other)
{
	struct full_row closed = make_row(TCPDIAG_CLOSE), open = make_row(TCPDIAG_ESTABLISHED);
	uint8_t buffer[sizeof(closed) + 2 * sizeof(open.row)];
	struct descriptor row = {};
	size_t at = 0;

	memcpy(buffer, &open.row, sizeof(open.row));
	memcpy(buffer + sizeof(open.row), &closed, sizeof(closed));
	open.row.fd = 6;
	memcpy(buffer + sizeof(open.row) + sizeof(closed), &open.row, sizeof(open.row));
	ck_assert_int_eq(parse(buffer, sizeof(buffer), &at, &row), 1);
	ck_assert_int_eq(row.pid, 42);
	ck_assert_int_eq(row.fd, 5);
	ck_assert_uint_eq(row.inode, 77);
	ck_assert_uint_eq(row.netns, 4026531840U);
	ck_assert_uint_eq(row.state, TCPDIAG_ESTABLISHED);
	ck_assert_uint_eq(row.settings.cookie, 0x1234);
	ck_assert_uint_eq(row.settings.references, 2);
	ck_assert_int_eq(parse(buffer, sizeof(buffer), &at, &row), 1);
	ck_assert_uint_eq(row.state, TCPDIAG_CLOSE);
	ck_assert_int_eq(parse(buffer, sizeof(buffer), &at, &row), 1);
	ck_assert_int_eq(row.fd, 6);
	ck_assert_int_eq(parse(buffer, sizeof(buffer), &at, &row), 0);
}
END_TEST

START_TEST(a_closed_socket_in_full)
{
	struct full_row full = make_row(TCPDIAG_CLOSE);
	struct tcpdiag_socket sk;
	struct descriptor row;
	size_t at = 0;

	full.row.settings.flags |= ROW_MAPPED | ROW_V6ONLY | ROW_REPAIR | ROW_SOFT_ERROR;
	full.row.settings.sk_err = ECONNRESET;
	full.row.settings.linger = UINT32_MAX;
	full.row.family = AF_INET6;
	full.row.shutdown = 3;
	full.closed.local[15] = 1;
	full.closed.remote[15] = 2;
	full.closed.local_port = 80;
	full.closed.remote_port = 4000;
	full.closed.rqueue = 17;
	full.closed.uid = 33;
	full.closed.ifindex = 2;
	ck_assert_int_eq(
		descriptor_from_rows((const uint8_t *)&full, sizeof(full), &at, HZ, &row, &sk), 1);
	ck_assert_uint_eq(at, sizeof(full));
	ck_assert_uint_eq(sk.cookie, 0x1234);
	ck_assert_uint_eq(sk.netns, 4026531840U);
	ck_assert_uint_eq(sk.inode, 77);
	ck_assert_uint_eq(sk.state, TCPDIAG_CLOSE);
	ck_assert_uint_eq(sk.attachment, TCPDIAG_HELD);
	ck_assert_uint_eq(sk.family, AF_INET);
	ck_assert(sk.mapped && sk.v6only && sk.repair && sk.soft_error && sk.linger);
	ck_assert_int_eq(sk.sk_lingertime_ms, TCPDIAG_LINGER_FOREVER);
	ck_assert_uint_eq(sk.sk_shutdown, 3);
	ck_assert_uint_eq(sk.local[15], 1);
	ck_assert_uint_eq(sk.remote[15], 2);
	ck_assert_uint_eq(sk.local_port, 80);
	ck_assert_uint_eq(sk.remote_port, 4000);
	ck_assert_uint_eq(sk.rqueue, 17);
	ck_assert_uint_eq(sk.uid, 33);
	ck_assert_uint_eq(sk.ifindex, 2);
	ck_assert_uint_eq(sk.sk_err, ECONNRESET);
	ck_assert_uint_eq(sk.references, 2);
}
END_TEST

/* What is wrong with a row: a change to a good one, or fewer bytes of it. */
static void wrong_size(struct full_row *full)
{
	full->row.size++;
}

static void wrong_state(struct full_row *full)
{
	full->row.state = TCPDIAG_STATE_MAX;
}

static void no_state(struct full_row *full)
{
	full->row.state = 0;
}

static void closed_without_the_rest(struct full_row *full)
{
	full->row.state = TCPDIAG_CLOSE;
}

static void wrong_family(struct full_row *full)
{
	full->row.family = AF_UNIX;
}

static void wrong_pid(struct full_row *full)
{
	full->row.pid = -1;
}

static void wrong_fd(struct full_row *full)
{
	full->row.fd = -1;
}

static void (*const breakages[])(struct full_row *full) = {
	wrong_size,   wrong_state, no_state, closed_without_the_rest,
	wrong_family, wrong_pid,   wrong_fd,
};

START_TEST(broken_rows)
{
	struct full_row full = make_row(TCPDIAG_ESTABLISHED);
	struct descriptor row = { .fd = 99 };
	size_t at = 0;

	breakages[_i](&full);
	ck_assert_int_eq(parse(&full, sizeof(full), &at, &row), -EBADMSG);
	ck_assert_int_eq(row.fd, 99);
	ck_assert_uint_eq(at, 0);
}
END_TEST

START_TEST(rows_cut_anywhere)
{
	const struct full_row full = make_row(TCPDIAG_CLOSE);
	struct descriptor row;

	for (size_t size = 1; size < sizeof(full); size++) {
		size_t at = 0;

		ck_assert_int_eq(parse(&full, size, &at, &row), -EBADMSG);
	}
}
END_TEST

static const struct {
	uint32_t flags;
	uint32_t known;
} applied[] = {
	{ 0, TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_ERROR | TCPDIAG_KNOWS_LINGER2 |
		     TCPDIAG_KNOWS_REPAIR | TCPDIAG_KNOWS_OFO | TCPDIAG_KNOWS_USER_TIMEOUT },
	{ SETTINGS_MPTCP, TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_ERROR },
	{ SETTINGS_MPTCP | SETTINGS_KNOWS_REFERENCES | SETTINGS_KNOWS_SUBFLOW |
		  SETTINGS_KNOWS_SIBLINGS,
	  TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_ERROR | TCPDIAG_KNOWS_REFERENCES |
		  TCPDIAG_KNOWS_SUBFLOW | TCPDIAG_KNOWS_SIBLINGS },
};

START_TEST(only_what_is_known_is_applied)
{
	const struct socket_settings settings = { .flags = applied[_i].flags,
						  .linger2_ms = 5,
						  .user_timeout_ms = 6,
						  .references = 7,
						  .siblings = 8 };
	struct tcpdiag_socket sk = {};

	settings_apply(&settings, &sk);
	ck_assert_uint_eq(sk.known, applied[_i].known);
	ck_assert_int_eq(sk.linger2_ms, sk.known & TCPDIAG_KNOWS_LINGER2 ? 5 : 0);
	ck_assert_uint_eq(sk.user_timeout_ms, sk.known & TCPDIAG_KNOWS_USER_TIMEOUT ? 6 : 0);
	ck_assert_uint_eq(sk.references, sk.known & TCPDIAG_KNOWS_REFERENCES ? 7 : 0);
	ck_assert_uint_eq(sk.siblings, sk.known & TCPDIAG_KNOWS_SIBLINGS ? 8 : 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("settings_rows");
	TCase *c = tcase_create("rows");

	tcase_add_loop_test(c, linger_time, 0, ARRAY_SIZE(lingers));
	tcase_add_loop_test(c, linger2_time, 0, ARRAY_SIZE(linger2s));
	tcase_add_test(c, rows_one_after_the_other);
	tcase_add_test(c, a_closed_socket_in_full);
	tcase_add_loop_test(c, broken_rows, 0, ARRAY_SIZE(breakages));
	tcase_add_test(c, rows_cut_anywhere);
	tcase_add_loop_test(c, only_what_is_known_is_applied, 0, ARRAY_SIZE(applied));
	suite_add_tcase(s, c);
	return s;
}
