/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What BPF has read stays with the record from poll to poll, and no longer than it is true.
 */
#include "../harness.h"
#include "collector/memory.h"
#include "collector/settings.h"
#include "model/macro.h"

#define S NSEC_PER_SEC

static struct memory memory;

static void setup(void)
{
	memory = (struct memory){ .now_ns = 1000 * S,
				  .fast_ns = 999 * S,
				  .sweep_ns = 995 * S,
				  .fast_reach_ns = 2 * S,
				  .sweep_reach_ns = 10 * S };
}

/* A held connection with everything read at 990 s. */
static struct record known(void)
{
	return (struct record){
		.settings_ns = 990 * S,
		.sk = { .cookie = 5,
			.inode = 77,
			.state = TCPDIAG_ESTABLISHED,
			.attachment = TCPDIAG_HELD,
			.known = SETTINGS_CARRIED | TCPDIAG_KNOWS_DESCRIPTORS,
			.linger = true,
			.sk_lingertime_ms = 5000,
			.linger2_ms = -1,
			.user_timeout_ms = 300,
			.references = 2,
			.steady_references = 1,
			.siblings = 4,
			.sk_err = 104,
			.repair = true,
			.out_of_order = true,
			.soft_error = true },
	};
}

static struct record next(const struct record *old, struct tcpdiag_socket sk)
{
	struct record record = { .sk = sk };

	record.sk.cookie = old->sk.cookie;
	record.sk.attachment = (uint8_t)tcpdiag_attachment_guess(&record.sk);
	memory_carry(&memory, &record, old);
	return record;
}

START_TEST(test_carried)
{
	const struct record old = known();
	struct record now =
		next(&old, (struct tcpdiag_socket){ .state = TCPDIAG_CLOSE_WAIT, .inode = 77 });

	ck_assert_int_eq(now.settings_ns, 990 * S);
	ck_assert_uint_eq(now.sk.known, SETTINGS_CARRIED & ~(uint32_t)TCPDIAG_KNOWS_SIBLINGS);
	ck_assert(now.sk.linger && now.sk.repair && now.sk.out_of_order && now.sk.soft_error);
	ck_assert_int_eq(now.sk.sk_lingertime_ms, 5000);
	ck_assert_int_eq(now.sk.linger2_ms, -1);
	ck_assert_uint_eq(now.sk.user_timeout_ms, 300);
	ck_assert_uint_eq(now.sk.references, 2);
	ck_assert_uint_eq(now.sk.steady_references, 1);
	ck_assert_uint_eq(now.sk.sk_err, 104);
	/* Who would take a queue over is a matter of listeners and of who waits there. */
	ck_assert_uint_eq(now.sk.siblings, 0);
}
END_TEST

START_TEST(test_listener_keeps_siblings)
{
	struct record old = known();
	struct record now;

	old.sk.state = TCPDIAG_LISTEN;
	now = next(&old, (struct tcpdiag_socket){ .state = TCPDIAG_LISTEN, .inode = 77 });
	ck_assert_uint_eq(now.sk.siblings, 4);
	ck_assert_uint_eq(now.sk.known, SETTINGS_CARRIED);
}
END_TEST

/* An orphan keeps its options, which nobody can change any more, and has no file. */
START_TEST(test_orphan)
{
	const struct record old = known();
	struct record now = next(&old,
				 (struct tcpdiag_socket){ .state = TCPDIAG_FIN_WAIT1, .inode = 0 });

	ck_assert_uint_eq(now.sk.attachment, TCPDIAG_ORPHAN);
	ck_assert_uint_eq(now.sk.known & TCPDIAG_KNOWS_REFERENCES, 0);
	ck_assert_uint_eq(now.sk.references, 0);
	ck_assert_uint_eq(now.sk.steady_references, 0);
	ck_assert_uint_ne(now.sk.known & TCPDIAG_KNOWS_LINGER2, 0);
	ck_assert_int_eq(now.sk.linger2_ms, -1);
	ck_assert(!settings_closing(&now.sk));
}
END_TEST

START_TEST(test_minisocket)
{
	const struct record old = known();
	struct record now = next(&old, (struct tcpdiag_socket){ .state = TCPDIAG_FIN_WAIT2,
								.kind = TCPDIAG_KIND_TIMEWAIT });

	ck_assert_uint_eq(now.sk.known, 0);
	ck_assert_int_eq(now.settings_ns, 0);
	ck_assert(!now.sk.linger);
}
END_TEST

/* A reader that gives the socket and its settings at once: nothing old gets in. */
START_TEST(test_own_reading)
{
	const struct record old = known();
	struct record now = { .sk = old.sk, .settings_ns = 998 * S };

	now.sk.state = TCPDIAG_CLOSE;
	now.sk.linger = false;
	now.sk.references = 3;
	now.sk.steady_references = 0;
	memory_carry(&memory, &now, &old);
	ck_assert(!now.sk.linger);
	ck_assert_uint_eq(now.sk.references, 3);
	ck_assert_uint_eq(now.sk.steady_references, 2);
	ck_assert_int_eq(now.settings_ns, 998 * S);

	/* The same reading once more tells nothing new. */
	now.sk.steady_references = 0;
	now.settings_ns = old.settings_ns;
	memory_carry(&memory, &now, &old);
	ck_assert_uint_eq(now.sk.steady_references, 1);
}
END_TEST

START_TEST(test_forget)
{
	struct record record = known();

	record.sk.known |= TCPDIAG_KNOWS_INFO;
	settings_forget(&record);
	ck_assert_uint_eq(record.sk.known, TCPDIAG_KNOWS_INFO | TCPDIAG_KNOWS_DESCRIPTORS);
	ck_assert_int_eq(record.settings_ns, 0);
	ck_assert_int_eq(record.sk.linger2_ms, 0);
	ck_assert_uint_eq(record.sk.references, 0);
	ck_assert(!record.sk.linger && !record.sk.repair);
	ck_assert_uint_ne(record.flags & RECORD_UNJUDGED, 0);

	/* Nothing to forget, nothing to judge. */
	record.flags = 0;
	settings_forget(&record);
	ck_assert_uint_eq(record.flags, 0);
}
END_TEST

/* ---- readings ---- */

static const struct socket_settings reading = {
	.cookie = 5,
	.linger_ms = 0,
	.linger2_ms = 30000,
	.references = 1,
	.flags = SETTINGS_LINGER | SETTINGS_KNOWS_REFERENCES,
};

static struct record unread(void)
{
	return (struct record){ .sk = { .cookie = 5,
					.inode = 77,
					.state = TCPDIAG_ESTABLISHED,
					.attachment = TCPDIAG_HELD } };
}

START_TEST(test_join)
{
	struct record record = unread();
	struct socket_settings other = reading;

	/* Not this socket, and no socket at all. */
	other.cookie = 6;
	ck_assert(!settings_join(&record, &other, READING_PASS, 1000 * S));
	other.cookie = 0;
	record.sk.cookie = 0;
	ck_assert(!settings_join(&record, &other, READING_PASS, 1000 * S));
	record.sk.cookie = 5;
	ck_assert_uint_eq(record.sk.known, 0);
	ck_assert_uint_eq(record.flags, 0);

	ck_assert(settings_join(&record, &reading, READING_PASS, 1000 * S));
	ck_assert_int_eq(record.settings_ns, 1000 * S);
	ck_assert(record.sk.linger);
	ck_assert_int_eq(record.sk.sk_lingertime_ms, 0);
	ck_assert_int_eq(record.sk.linger2_ms, 30000);
	ck_assert_uint_eq(record.sk.references, 1);
	ck_assert_uint_eq(record.sk.attachment, TCPDIAG_HELD);
	ck_assert_uint_ne(record.flags & RECORD_UNJUDGED, 0);

	/* The same once more: no other verdict. One that is older tells nothing. */
	record.flags = 0;
	ck_assert(settings_join(&record, &reading, READING_PASS, 1001 * S));
	ck_assert_uint_eq(record.flags, 0);
	other = reading;
	other.flags = 0;
	ck_assert(!settings_join(&record, &other, READING_PASS, 1001 * S));
	ck_assert(!settings_join(&record, &other, READING_PASS, 999 * S));
	ck_assert(record.sk.linger);
	ck_assert(settings_join(&record, &other, READING_PASS, 1002 * S));
	ck_assert(!record.sk.linger);
	ck_assert_uint_ne(record.flags & RECORD_UNJUDGED, 0);
}
END_TEST

/* A descriptor that is new since the last pass must not pass for a thread inside recv(). */
START_TEST(test_look_up_is_not_steady)
{
	static const struct {
		enum reading reading;
		uint32_t references, steady;
	} readings[] = {
		{ READING_PASS, 1, 0 },	   { READING_PASS, 1, 1 },    { READING_LOOK_UP, 2, 1 },
		{ READING_LOOK_UP, 2, 1 }, { READING_PASS, 2, 2 },    { READING_LOOK_UP, 1, 1 },
		{ READING_LOOK_UP, 2, 1 }, { READING_LOOK_UP, 0, 0 }, { READING_LOOK_UP, 2, 0 },
		{ READING_PASS, 3, 2 },
	};
	struct record record = { .sk = { .cookie = 5, .inode = 7 } };
	size_t i;

	for (i = 0; i < sizeof(readings) / sizeof(readings[0]); i++) {
		struct socket_settings now = { .cookie = 5,
					       .references = readings[i].references,
					       .flags = SETTINGS_KNOWS_REFERENCES };

		ck_assert(settings_join(&record, &now, readings[i].reading, (int64_t)(i + 1) * S));
		ck_assert_uint_eq(record.sk.references, readings[i].references);
		ck_assert_uint_eq(record.sk.steady_references, readings[i].steady);
	}
}
END_TEST

START_TEST(test_steady_references)
{
	static const struct {
		int64_t when;
		uint32_t references, steady;
	} readings[] = { { 1, 3, 0 }, { 2, 2, 2 }, { 3, 2, 2 }, { 4, 5, 2 }, { 5, 4, 4 } };
	struct record record = unread();
	struct socket_settings now = reading;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(readings); i++) {
		now.references = readings[i].references;
		ck_assert(settings_join(&record, &now, READING_PASS, readings[i].when * S));
		ck_assert_uint_eq(record.sk.steady_references, readings[i].steady);
		/* A second look in the same poll does not count. */
		now.references = 1;
		ck_assert(!settings_join(&record, &now, READING_PASS, readings[i].when * S));
		ck_assert_uint_eq(record.sk.steady_references, readings[i].steady);
	}
}
END_TEST

/* The last close() is under way: nobody has it, from one reading on. */
START_TEST(test_closing)
{
	struct record record = unread(), later;
	struct socket_settings now = reading;

	now.references = 0;
	ck_assert(settings_join(&record, &now, READING_PASS, 1000 * S));
	ck_assert(settings_closing(&record.sk));
	ck_assert_uint_eq(record.sk.attachment, TCPDIAG_UNHELD);
	ck_assert_int_eq(tcpdiag_unheld_reason(&record.sk), TCPDIAG_UNHELD_CLOSING);
	later = next(&record, (struct tcpdiag_socket){ .state = TCPDIAG_FIN_WAIT1, .inode = 77 });
	ck_assert_uint_eq(later.sk.attachment, TCPDIAG_UNHELD);
	ck_assert(settings_closing(&later.sk));
	later = next(&record, (struct tcpdiag_socket){ .state = TCPDIAG_FIN_WAIT1 });
	ck_assert_uint_eq(later.sk.attachment, TCPDIAG_ORPHAN);

	/* Where the file could not be reached 0 says nothing. */
	record = unread();
	now.flags = 0;
	ck_assert(settings_join(&record, &now, READING_PASS, 1000 * S));
	ck_assert_uint_eq(record.sk.attachment, TCPDIAG_HELD);
	ck_assert(!settings_closing(&record.sk));
}
END_TEST

START_TEST(test_inherit)
{
	const struct record listener = known();
	struct record child = unread(), stranger = {};
	const uint32_t taken = TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_LINGER2 | TCPDIAG_KNOWS_REPAIR |
			       TCPDIAG_KNOWS_USER_TIMEOUT | TCPDIAG_KNOWS_SIBLINGS;

	/* Somebody's own settings are its own. */
	settings_inherit(&child, &listener);
	ck_assert_uint_eq(child.sk.known, 0);

	child.sk.inode = 0;
	child.sk.attachment = TCPDIAG_UNACCEPTED;
	/* A listener that has not been read has nothing to give. */
	settings_inherit(&child, &stranger);
	ck_assert_uint_eq(child.sk.known, 0);
	ck_assert(!child.sk.inherited);

	settings_inherit(&child, &listener);
	ck_assert(child.sk.inherited && child.sk.linger);
	ck_assert_uint_eq(child.sk.known, taken);
	ck_assert_int_eq(child.sk.sk_lingertime_ms, 5000);
	ck_assert_int_eq(child.sk.linger2_ms, -1);
	ck_assert_uint_eq(child.sk.user_timeout_ms, 300);
	ck_assert_uint_eq(child.sk.siblings, 4);
	ck_assert_uint_eq(child.sk.references, 0);
	ck_assert_int_eq(child.settings_ns, listener.settings_ns);
	ck_assert_uint_ne(child.flags & RECORD_UNJUDGED, 0);

	/* Carried, and the same again: nothing to judge. */
	child = next(&child, (struct tcpdiag_socket){ .state = TCPDIAG_ESTABLISHED });
	ck_assert(child.sk.inherited && child.sk.linger);
	child.flags = 0;
	settings_inherit(&child, &listener);
	ck_assert_uint_eq(child.flags, 0);

	/* Its own reading wins, and stays; who takes it over is still the listener's to say. */
	ck_assert(settings_join(&child, &(struct socket_settings){ .cookie = 5, .linger2_ms = 9 },
				READING_PASS, 1000 * S));
	settings_inherit(&child, &listener);
	ck_assert(!child.sk.inherited && !child.sk.linger);
	ck_assert_int_eq(child.sk.linger2_ms, 9);
	ck_assert_uint_eq(child.sk.siblings, 4);
	/* Accepted: its own reading stays, the listener's group does not matter any more. */
	child = next(&child, (struct tcpdiag_socket){ .state = TCPDIAG_ESTABLISHED, .inode = 9 });
	ck_assert_int_eq(child.sk.linger2_ms, 9);
	ck_assert_uint_eq(child.sk.known & TCPDIAG_KNOWS_SIBLINGS, 0);
}
END_TEST

/* MPTCP is learnt from the socket itself. */
START_TEST(test_subflow)
{
	struct record record = unread();
	struct socket_settings now = reading;

	now.flags |= SETTINGS_KNOWS_SUBFLOW | SETTINGS_SUBFLOW;
	ck_assert(settings_join(&record, &now, READING_PASS, 1000 * S));
	ck_assert(record.sk.mptcp_subflow);
	ck_assert_uint_ne(record.flags & RECORD_UNJUDGED, 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("settings");
	TCase *tc = tcase_create("settings");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_carried);
	tcase_add_test(tc, test_listener_keeps_siblings);
	tcase_add_test(tc, test_orphan);
	tcase_add_test(tc, test_minisocket);
	tcase_add_test(tc, test_own_reading);
	tcase_add_test(tc, test_forget);
	tcase_add_test(tc, test_join);
	tcase_add_test(tc, test_steady_references);
	tcase_add_test(tc, test_look_up_is_not_steady);
	tcase_add_test(tc, test_closing);
	tcase_add_test(tc, test_inherit);
	tcase_add_test(tc, test_subflow);
	suite_add_tcase(s, tc);
	return s;
}
