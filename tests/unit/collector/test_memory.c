/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a record remembers: simulated polls, a second or five apart, over sockets whose numbers change.
 */
#include <string.h>

#include "../harness.h"
#include "collector/memory.h"
#include "model/macro.h"

#define S NSEC_PER_SEC
#define KNOWN (TCPDIAG_KNOWS_INFO | TCPDIAG_KNOWS_BYTES | TCPDIAG_KNOWS_NOTSENT)

static struct memory memory;

static void setup(void)
{
	memory = (struct memory){ .now_ns = 1000 * S,
				  .fast_ns = 999 * S,
				  .sweep_ns = 995 * S,
				  .fast_reach_ns = 2 * S,
				  .sweep_reach_ns = 10 * S,
				  .owner_pass = 3 };
}

static struct record blank(void)
{
	return (struct record){ .holder = RECORD_NONE,
				.creator = RECORD_NONE,
				.listener = RECORD_NONE };
}

/* A socket first seen now. */
static struct record first(const struct tcpdiag_socket *sk)
{
	struct record record = blank();

	record.sk = *sk;
	record.sk.attachment = tcpdiag_attachment_guess(sk);
	memory_first(&memory, &record);
	return record;
}

/* The same a poll later; time goes on by @seconds first. */
static struct record later(const struct record *old, const struct tcpdiag_socket *sk, int seconds)
{
	struct record record = blank();

	memory.now_ns += seconds * S;
	record.sk = *sk;
	record.sk.attachment = tcpdiag_attachment_guess(sk);
	memory_carry(&memory, &record, old);
	memory.fast_ns = memory.now_ns;
	return record;
}

START_TEST(test_first_sight)
{
	struct tcpdiag_socket sk = { .state = TCPDIAG_ESTABLISHED, .inode = 9, .known = KNOWN };
	struct record record = first(&sk);

	ck_assert_int_eq(record.born_ns, 1000 * S);
	ck_assert_int_eq(record.state_since_ns, 1000 * S);
	ck_assert_uint_eq(record.flags, RECORD_BORN_SEEN | RECORD_STATE_EXACT | RECORD_ASK_OWNERS);
	ck_assert_uint_eq(record.owner_pass, 3);

	/* Before the first sweep nobody knows how old it is. */
	memory.sweep_ns = 0;
	record = first(&sk);
	ck_assert_uint_eq(record.flags, RECORD_ASK_OWNERS);
	/* Nor where the last one was too long ago. */
	memory.sweep_ns = 900 * S;
	ck_assert_uint_eq(first(&sk).flags, RECORD_ASK_OWNERS);
}
END_TEST

/* A namespace that is read seldom, since nothing happens in it: when that was last so is a look, too. */
START_TEST(test_quiet_namespace)
{
	struct tcpdiag_socket sk = { .state = TCPDIAG_ESTABLISHED, .inode = 9, .known = KNOWN },
			      half;
	struct record record = first(&sk), now, waiting;

	half = sk;
	half.state = TCPDIAG_FIN_WAIT2;
	half.last_ack_recv_ms = 5000;
	memory.fast_ns = memory.sweep_ns = 1000 * S;
	memory.fast_still_ns = memory.sweep_still_ns = 1099 * S;
	now = later(&record, &half, 100);
	ck_assert_uint_eq(now.flags & RECORD_STATE_EXACT, RECORD_STATE_EXACT);
	ck_assert_int_eq(now.state_since_ns, 1099 * S);
	memory.fast_ns = 1000 * S;
	ck_assert_uint_eq(first(&sk).flags & RECORD_BORN_SEEN, RECORD_BORN_SEEN);
	ck_assert_int_ge(first(&sk).born_ns, 1099 * S);

	/* What had to wait may have been in the new state for long before anything was sent. */
	waiting = record;
	waiting.sk.wqueue = 1;
	memory.now_ns = 1000 * S;
	now = later(&waiting, &half, 100);
	ck_assert_uint_eq(now.flags & RECORD_STATE_EXACT, 0);
	/* A dead socket shows in no dump. */
	half.state = TCPDIAG_CLOSE;
	memory.now_ns = 1000 * S;
	now = later(&record, &half, 100);
	ck_assert_uint_eq(now.flags & RECORD_STATE_EXACT, 0);
	/* Each lane has its own: what only sweeps show may have come since the last one. */
	half.state = TCPDIAG_TIME_WAIT;
	memory.sweep_still_ns = 1000 * S;
	memory.now_ns = 1000 * S;
	now = later(&record, &half, 100);
	ck_assert_uint_eq(now.flags & RECORD_STATE_EXACT, 0);
	memory.now_ns = 1100 * S;
	ck_assert_uint_eq(first(&sk).flags & RECORD_BORN_SEEN, 0);
}
END_TEST

/* What tcp_info tells about a state that was there before us: never more than is sure. */
static const struct {
	const char *what;
	struct tcpdiag_socket sk;
	int64_t age_ms;
} bounds[] = {
	{ "FIN-WAIT-2: our FIN was acknowledged before the last ACK came",
	  { .state = TCPDIAG_FIN_WAIT2, .known = KNOWN, .last_ack_recv_ms = 41000 },
	  41000 },
	{ "CLOSE-WAIT: the peer's FIN carried an ACK",
	  { .state = TCPDIAG_CLOSE_WAIT, .known = KNOWN, .last_ack_recv_ms = 7000 },
	  7000 },
	{ "CLOSE-WAIT without tcp_info",
	  { .state = TCPDIAG_CLOSE_WAIT, .last_ack_recv_ms = 7000 },
	  0 },
	{ "ESTABLISHED: nothing sent since the handshake",
	  { .state = TCPDIAG_ESTABLISHED,
	    .known = KNOWN,
	    .last_ack_recv_ms = 7000,
	    .last_data_sent_ms = 9000 },
	  9000 },
	{ "ESTABLISHED: its last acknowledgement",
	  { .state = TCPDIAG_ESTABLISHED, .known = KNOWN, .last_ack_recv_ms = 7000 },
	  7000 },
	{ "ESTABLISHED without tcp_info",
	  { .state = TCPDIAG_ESTABLISHED, .last_ack_recv_ms = 7000 },
	  0 },
	{ "LAST-ACK: no bound",
	  { .state = TCPDIAG_LAST_ACK, .known = KNOWN, .last_ack_recv_ms = 7000 },
	  0 },
	{ "TIME-WAIT: 60 s less what is left",
	  { .state = TCPDIAG_TIME_WAIT,
	    .kind = TCPDIAG_KIND_TIMEWAIT,
	    .timer = TCPDIAG_TIMER_TIMEWAIT,
	    .expires_ms = 15000 },
	  45000 },
	{ "TIME-WAIT: more left than there can be",
	  { .state = TCPDIAG_TIME_WAIT,
	    .kind = TCPDIAG_KIND_TIMEWAIT,
	    .timer = TCPDIAG_TIMER_TIMEWAIT,
	    .expires_ms = 60004 },
	  0 },
	{ "FIN-WAIT-2 minisocket: its time is not known",
	  { .state = TCPDIAG_FIN_WAIT2,
	    .kind = TCPDIAG_KIND_TIMEWAIT,
	    .timer = TCPDIAG_TIMER_TIMEWAIT,
	    .expires_ms = 15000 },
	  0 },
	{ "longer than the machine runs",
	  { .state = TCPDIAG_CLOSE_WAIT, .known = KNOWN, .last_ack_recv_ms = 4000000 },
	  1000 * 1000 },
};

START_TEST(test_bounds)
{
	struct record record;
	int64_t age_ms;

	memory.sweep_ns = 0;
	record = first(&bounds[_i].sk);
	age_ms = (memory.now_ns - record.state_since_ns) / NSEC_PER_MSEC;
	ck_assert_msg(age_ms == MIN(bounds[_i].age_ms, 999999), "%s: %lld ms", bounds[_i].what,
		      (long long)age_ms);
	ck_assert_int_gt(record.state_since_ns, 0);
	ck_assert_uint_eq(record.flags & RECORD_STATE_EXACT, 0);
}
END_TEST

START_TEST(test_state_goes_on)
{
	struct tcpdiag_socket sk = { .state = TCPDIAG_CLOSE_WAIT, .inode = 9 };
	struct record a = first(&sk), b = later(&a, &sk, 1), c = later(&b, &sk, 500);

	ck_assert_int_eq(c.state_since_ns, a.state_since_ns);
	ck_assert_int_eq(c.born_ns, a.born_ns);
	ck_assert_uint_eq(c.flags & (RECORD_STATE_EXACT | RECORD_BORN_SEEN),
			  RECORD_STATE_EXACT | RECORD_BORN_SEEN);
	ck_assert_int_eq(c.seen_ns, 1501 * S);
}
END_TEST

START_TEST(test_change_of_state)
{
	struct tcpdiag_socket sk = { .state = TCPDIAG_ESTABLISHED, .inode = 9 };
	struct record a = first(&sk), b, c;

	/* Seen by a sweep 4 s ago, but the fast lane did not show it a second ago. */
	memory.fast_ns = 1003 * S;
	sk.state = TCPDIAG_CLOSE_WAIT;
	b = later(&a, &sk, 4);
	ck_assert_int_eq(b.state_since_ns, 1004 * S);
	ck_assert_uint_ne(b.flags & RECORD_STATE_EXACT, 0);

	/* The fast lane stood still for a minute: at least since now, and no more. */
	sk.state = TCPDIAG_LAST_ACK;
	sk.inode = 0;
	c = later(&b, &sk, 60);
	ck_assert_int_eq(c.state_since_ns, 1064 * S);
	ck_assert_uint_eq(c.flags & RECORD_STATE_EXACT, 0);
	ck_assert_uint_ne(c.flags & RECORD_BORN_SEEN, 0);
}
END_TEST

/* What the kernel's own clocks tell, but not before the look that did not show it. */
START_TEST(test_change_is_dated)
{
	struct tcpdiag_socket sk = { .state = TCPDIAG_ESTABLISHED, .known = KNOWN, .inode = 9 };
	struct record a = first(&sk), b;

	memory.fast_ns = 1003 * S;
	sk.state = TCPDIAG_CLOSE_WAIT;
	sk.last_ack_recv_ms = 600;
	b = later(&a, &sk, 4);
	ck_assert_int_eq(b.state_since_ns, 1004 * S - 600 * NSEC_PER_MSEC);
	a = b;
	sk = (struct tcpdiag_socket){ .state = TCPDIAG_TIME_WAIT,
				      .kind = TCPDIAG_KIND_TIMEWAIT,
				      .timer = TCPDIAG_TIMER_TIMEWAIT,
				      .expires_ms = 50000 };
	b = later(&a, &sk, 4);
	ck_assert_int_eq(b.state_since_ns, 1004 * S);
}
END_TEST

/* ESTABLISHED to CLOSE-WAIT within a sweep that is long ago: states of the sweep have its reach. */
START_TEST(test_reach_of_the_sweep)
{
	struct tcpdiag_socket sk = { .state = TCPDIAG_SYN_SENT, .inode = 9 };
	struct record a = first(&sk), b;

	sk.state = TCPDIAG_ESTABLISHED;
	b = later(&a, &sk, 9);
	ck_assert_uint_ne(b.flags & RECORD_STATE_EXACT, 0);
	b = later(&a, &sk, 9);
	ck_assert_uint_eq(b.flags & RECORD_STATE_EXACT, 0);
}
END_TEST

START_TEST(test_kind_counts)
{
	struct tcpdiag_socket sk = { .state = TCPDIAG_FIN_WAIT2, .inode = 9 };
	struct record a = first(&sk), b;

	a.direction = DIRECTION_OUTBOUND;
	a.data_since_ns = 77;
	a.creator = 4;
	sk.kind = TCPDIAG_KIND_TIMEWAIT;
	sk.inode = 0;
	b = later(&a, &sk, 1);
	ck_assert_int_eq(b.state_since_ns, 1001 * S);
	ck_assert_int_eq(b.born_ns, a.born_ns);
	ck_assert_uint_eq(b.direction, DIRECTION_OUTBOUND);
	ck_assert_int_eq(b.data_since_ns, 77);
	ck_assert_uint_eq(b.creator, 4);
}
END_TEST

/* A reader that takes 600 a step while 1000 come in is behind, not stuck. */
START_TEST(test_reader_moves)
{
	struct tcpdiag_socket sk = {
		.state = TCPDIAG_ESTABLISHED, .known = KNOWN, .rqueue = 400, .bytes_received = 1000
	};
	struct record record = first(&sk);
	int i;

	for (i = 0; i < 10; i++) {
		sk.rqueue += 400;
		sk.bytes_received += 1000;
		record = later(&record, &sk, 1);
		ck_assert_int_eq(record.read_since_ns, memory.now_ns);
	}
}
END_TEST

START_TEST(test_reader_stops)
{
	struct tcpdiag_socket sk = { .state = TCPDIAG_ESTABLISHED,
				     .known = KNOWN,
				     .rqueue = 0,
				     .bytes_received = 5000,
				     .last_data_recv_ms = 90000 };
	struct record record = first(&sk);
	int64_t stopped;

	ck_assert_int_eq(record.read_since_ns, 0);
	/* Bytes came 400 ms before the look. */
	sk.rqueue = 100;
	sk.bytes_received = 5100;
	sk.last_data_recv_ms = 400;
	record = later(&record, &sk, 1);
	stopped = memory.now_ns - 400 * NSEC_PER_MSEC;
	ck_assert_int_eq(record.read_since_ns, stopped);
	/* More come, none is taken. */
	sk.rqueue = 300;
	sk.bytes_received = 5300;
	sk.last_data_recv_ms = 10;
	record = later(&record, &sk, 5);
	ck_assert_int_eq(record.read_since_ns, stopped);
	/* The FIN is no progress of the reader (3001 received, 1201 waiting on a real kernel). */
	sk.state = TCPDIAG_CLOSE_WAIT;
	sk.rqueue = 301;
	sk.bytes_received = 5301;
	record = later(&record, &sk, 5);
	ck_assert_int_eq(record.read_since_ns, stopped);
	/* It wakes up, and reads all. */
	sk.rqueue = 201;
	record = later(&record, &sk, 5);
	ck_assert_int_eq(record.read_since_ns, memory.now_ns);
	sk.rqueue = 1;
	record = later(&record, &sk, 1);
	ck_assert_int_eq(record.read_since_ns, 0);
}
END_TEST

START_TEST(test_reader_at_first_sight)
{
	struct tcpdiag_socket sk = { .state = TCPDIAG_ESTABLISHED,
				     .known = KNOWN,
				     .rqueue = 510,
				     .bytes_received = 510,
				     .last_data_recv_ms = 70000 };

	/* Nothing was ever taken: it has waited at least since the last of it came. */
	ck_assert_int_eq(first(&sk).read_since_ns, 930 * S);
	/* Something was, nobody knows when. */
	sk.bytes_received = 511;
	ck_assert_int_eq(first(&sk).read_since_ns, 1000 * S);
	/* Without the numbers there is no progress to see. */
	sk.known = 0;
	ck_assert_int_eq(first(&sk).read_since_ns, 1000 * S);
}
END_TEST

START_TEST(test_acknowledgements)
{
	struct tcpdiag_socket sk = { .state = TCPDIAG_ESTABLISHED,
				     .known = KNOWN,
				     .bytes_acked = 1 };
	struct record record = first(&sk);
	int64_t since;

	ck_assert_int_eq(record.ack_since_ns, 0);
	sk.wqueue = 1000;
	sk.last_data_sent_ms = 300;
	record = later(&record, &sk, 1);
	since = memory.now_ns - 300 * NSEC_PER_MSEC;
	ck_assert_int_eq(record.ack_since_ns, since);
	record = later(&record, &sk, 10);
	ck_assert_int_eq(record.ack_since_ns, since);
	/* An orphan, and still nobody answers. */
	sk.state = TCPDIAG_FIN_WAIT1;
	sk.wqueue = 1001;
	record = later(&record, &sk, 10);
	ck_assert_int_eq(record.ack_since_ns, since);
	sk.bytes_acked = 501;
	sk.wqueue = 501;
	record = later(&record, &sk, 10);
	ck_assert_int_eq(record.ack_since_ns, memory.now_ns);
	sk.state = TCPDIAG_FIN_WAIT2;
	sk.wqueue = 0;
	record = later(&record, &sk, 1);
	ck_assert_int_eq(record.ack_since_ns, 0);
}
END_TEST

START_TEST(test_idle)
{
	struct tcpdiag_socket sk = { .state = TCPDIAG_ESTABLISHED,
				     .known = KNOWN,
				     .last_data_recv_ms = 5000,
				     .last_data_sent_ms = 3000 };

	/* Neither way: the kernel's numbers count from somewhere else. */
	ck_assert_int_eq(first(&sk).data_since_ns, 0);
	sk.bytes_received = 10;
	ck_assert_int_eq(first(&sk).data_since_ns, 995 * S);
	sk.bytes_acked = 2; /* the SYN and the FIN */
	ck_assert_int_eq(first(&sk).data_since_ns, 995 * S);
	sk.bytes_sent = 1;
	ck_assert_int_eq(first(&sk).data_since_ns, 997 * S);
	/* A FIN is no data. */
	sk.bytes_sent = 0;
	sk.bytes_received = 1;
	sk.state = TCPDIAG_CLOSE_WAIT;
	ck_assert_int_eq(first(&sk).data_since_ns, 0);
	sk.known = TCPDIAG_KNOWS_INFO;
	sk.bytes_received = 10;
	ck_assert_int_eq(first(&sk).data_since_ns, 0);
}
END_TEST

START_TEST(test_new_inode_is_asked)
{
	struct tcpdiag_socket sk = { .state = TCPDIAG_ESTABLISHED };
	struct record a = first(&sk), b;

	ck_assert_uint_eq(a.sk.attachment, TCPDIAG_UNACCEPTED);
	ck_assert_uint_eq(a.flags & RECORD_ASK_OWNERS, 0);
	a.flags |= RECORD_OWNERS_KNOWN;
	memory.owner_pass = 8;
	sk.inode = 5; /* accept() */
	b = later(&a, &sk, 1);
	ck_assert_uint_eq(b.sk.attachment, TCPDIAG_HELD);
	ck_assert_uint_eq(b.flags & (RECORD_ASK_OWNERS | RECORD_OWNERS_KNOWN), RECORD_ASK_OWNERS);
	ck_assert_uint_eq(b.owner_pass, 8);

	/* Known to be nobody's: it stays so while it is the same inode. */
	b.sk.attachment = TCPDIAG_UNHELD;
	a = later(&b, &sk, 1);
	ck_assert_uint_eq(a.sk.attachment, TCPDIAG_UNHELD);
	sk.inode = 6;
	a = later(&b, &sk, 1);
	ck_assert_uint_eq(a.sk.attachment, TCPDIAG_HELD);
}
END_TEST

/* ---- the gone ---- */

static struct record connection(uint64_t cookie, uint8_t state, uint16_t port)
{
	struct record record = blank();

	record.sk.cookie = cookie;
	record.sk.netns = 1;
	record.sk.state = state;
	record.sk.local[15] = 1;
	record.sk.remote[15] = 2;
	record.sk.local_port = 443;
	record.sk.remote_port = port;
	record.born_ns = 55;
	return record;
}

START_TEST(test_gone)
{
	struct record record = connection(10, TCPDIAG_FIN_WAIT1, 5000), mini;
	struct gone *gone = NULL;
	const struct record *old;

	ck_assert_int_eq(gone_new(&(struct hash_key){}, &gone), 0);
	gone_put(gone, &record, 100);

	/* The same cookie, as a minisocket. */
	mini = connection(10, TCPDIAG_TIME_WAIT, 5000);
	mini.sk.kind = TCPDIAG_KIND_TIMEWAIT;
	/* However long ago: nobody else ever has it. */
	old = gone_find(gone, &mini.sk, 101);
	ck_assert_ptr_nonnull(old);
	ck_assert_int_eq(old->born_ns, 55);
	/* Once only. */
	ck_assert_ptr_null(gone_find(gone, &mini.sk, 0));

	/* Another cookie, born with the minisocket: by its four ends. */
	gone_put(gone, &record, 100);
	mini.sk.cookie = 11;
	ck_assert_ptr_null(gone_find(gone, &mini.sk, 101)); /* too long ago */
	ck_assert_ptr_nonnull(gone_find(gone, &mini.sk, 100));
	gone_put(gone, &record, 100);
	mini.sk.remote_port = 5001;
	ck_assert_ptr_null(gone_find(gone, &mini.sk, 0));
	mini.sk.remote_port = 5000;
	mini.sk.netns = 2;
	ck_assert_ptr_null(gone_find(gone, &mini.sk, 0));

	/* A new connection between the same ends is not the old one. */
	mini = connection(12, TCPDIAG_ESTABLISHED, 5000);
	ck_assert_ptr_null(gone_find(gone, &mini.sk, 0));
	gone_free(gone);
}
END_TEST

/* A listener, or a socket whose peer closed first, never becomes a TIME-WAIT. */
START_TEST(test_gone_states)
{
	static const uint8_t no[] = { TCPDIAG_CLOSE_WAIT, TCPDIAG_LAST_ACK, TCPDIAG_LISTEN,
				      TCPDIAG_SYN_SENT };
	static const uint8_t yes[] = { TCPDIAG_ESTABLISHED, TCPDIAG_FIN_WAIT1, TCPDIAG_FIN_WAIT2,
				       TCPDIAG_CLOSING };
	struct record mini = connection(99, TCPDIAG_TIME_WAIT, 5000), record;
	struct gone *gone = NULL;
	size_t i;

	mini.sk.kind = TCPDIAG_KIND_TIMEWAIT;
	ck_assert_int_eq(gone_new(&(struct hash_key){}, &gone), 0);
	for (i = 0; i < ARRAY_SIZE(no); i++) {
		record = connection(10 + i, no[i], 5000);
		gone_put(gone, &record, 1);
		ck_assert_ptr_null(gone_find(gone, &mini.sk, 0));
		ck_assert_ptr_nonnull(gone_find(gone, &record.sk, 0));
	}
	for (i = 0; i < ARRAY_SIZE(yes); i++) {
		record = connection(10 + i, yes[i], 5000);
		gone_put(gone, &record, 1);
		ck_assert_ptr_nonnull(gone_find(gone, &mini.sk, 0));
	}
	gone_put(gone, &mini, 1);
	ck_assert_ptr_null(gone_find(gone, &mini.sk, 0));
	gone_free(gone);
}
END_TEST

/* One client from one port, again and again: what stands in front is looked at, and each still has its cookie. */
START_TEST(test_gone_same_ends)
{
	struct record mini = connection(1, TCPDIAG_TIME_WAIT, 5000), record;
	struct gone *gone = NULL;
	uint32_t i, cursor = 0;

	mini.sk.kind = TCPDIAG_KIND_TIMEWAIT;
	ck_assert_int_eq(gone_new(&(struct hash_key){ { 7, 8 } }, &gone), 0);
	record = connection(9, TCPDIAG_FIN_WAIT1, 5000);
	gone_put(gone, &record, 1);
	for (i = 0; i < GONE_MAX - 2; i++) {
		record = connection(10 + i, TCPDIAG_CLOSE_WAIT, 5000);
		gone_put(gone, &record, 1);
	}
	/* The one that it could be lies behind too many. */
	ck_assert_ptr_null(gone_find(gone, &mini.sk, 0));
	record = connection(8, TCPDIAG_FIN_WAIT1, 5000);
	gone_put(gone, &record, 1);
	ck_assert_ptr_nonnull(gone_find(gone, &mini.sk, 0));
	/* Out of the middle of the chain, in any order. */
	for (i = 0; i < GONE_MAX - 2; i += 3) {
		record = connection(10 + i, TCPDIAG_CLOSE_WAIT, 5000);
		ck_assert_ptr_nonnull(gone_find(gone, &record.sk, 0));
		ck_assert_ptr_null(gone_find(gone, &record.sk, 0));
	}
	for (i = 0; i < GONE_MAX - 2; i++) {
		record = connection(10 + i, TCPDIAG_CLOSE_WAIT, 5000);
		ck_assert_int_eq(gone_find(gone, &record.sk, 0) != NULL, i % 3 != 0);
	}
	ck_assert_ptr_nonnull(gone_next(gone, &cursor));
	ck_assert_ptr_null(gone_next(gone, &cursor));
	gone_free(gone);
}
END_TEST

START_TEST(test_gone_is_bounded)
{
	struct gone *gone = NULL;
	struct record record;
	uint32_t i, cursor = 0, count = 0, found = 0;

	ck_assert_int_eq(gone_new(&(struct hash_key){}, &gone), 0);
	for (i = 0; i < 3 * GONE_MAX; i++) {
		record = connection(i + 1, TCPDIAG_FIN_WAIT1, (uint16_t)i);
		gone_put(gone, &record, i + 1);
	}
	while (gone_next(gone, &cursor))
		count++;
	ck_assert_uint_eq(count, GONE_MAX);
	for (i = 0; i < 3 * GONE_MAX; i++) {
		record = connection(i + 1, TCPDIAG_FIN_WAIT1, (uint16_t)i);
		found += gone_find(gone, &record.sk, 0) != NULL;
	}
	ck_assert_uint_eq(found, GONE_MAX);
	cursor = 0;
	ck_assert_ptr_null(gone_next(gone, &cursor));
	gone_free(gone);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("memory");
	TCase *tc = tcase_create("memory");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_first_sight);
	tcase_add_test(tc, test_quiet_namespace);
	tcase_add_test(tc, test_change_is_dated);
	tcase_add_loop_test(tc, test_bounds, 0, ARRAY_SIZE(bounds));
	tcase_add_test(tc, test_state_goes_on);
	tcase_add_test(tc, test_change_of_state);
	tcase_add_test(tc, test_reach_of_the_sweep);
	tcase_add_test(tc, test_kind_counts);
	tcase_add_test(tc, test_reader_moves);
	tcase_add_test(tc, test_reader_stops);
	tcase_add_test(tc, test_reader_at_first_sight);
	tcase_add_test(tc, test_acknowledgements);
	tcase_add_test(tc, test_idle);
	tcase_add_test(tc, test_new_inode_is_asked);
	tcase_add_test(tc, test_gone);
	tcase_add_test(tc, test_gone_states);
	tcase_add_test(tc, test_gone_is_bounded);
	tcase_add_test(tc, test_gone_same_ends);
	suite_add_tcase(s, tc);
	return s;
}
