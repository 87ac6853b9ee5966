/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sums, and the promise behind them: a verdict that is kept is the one that the oracle would give.
 */
#include <string.h>
#include <sys/socket.h>

#include "../harness.h"
#include "collector/port_usage.h"
#include "collector/totals.h"
#include "model/macro.h"

#define S NSEC_PER_SEC

static uint64_t state = 88172645463325252ULL;

static uint32_t draw(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 11) % below;
}

/* Any socket that a dump could show, and some that it could not. */
static struct tcpdiag_socket random_socket(void)
{
	static const uint32_t sizes[] = { 0, 0, 1, 2, 31, 32, 4000, 100000 };
	struct tcpdiag_socket sk = {
		.state = (uint8_t)(1 + draw(TCPDIAG_STATE_MAX - 1)),
		.kind = draw(4) ? TCPDIAG_KIND_FULL : (uint8_t)draw(3),
		.known = (draw(3) ? 0x3f : draw(1 << 16)) | (draw(2) ? draw(1 << 22) : 0),
		.inode = draw(3) ? 77 : 0,
		.rqueue = sizes[draw(ARRAY_SIZE(sizes))],
		.wqueue = sizes[draw(ARRAY_SIZE(sizes))],
		.notsent_bytes = sizes[draw(ARRAY_SIZE(sizes))],
		.wmem_queued = sizes[draw(ARRAY_SIZE(sizes))],
		.linger2_ms = (int64_t)draw(3) - 1,
		.sk_lingertime_ms = draw(2) ? 0 : 5000,
		.sk_shutdown = (uint8_t)draw(4),
		.rto_us = draw(2) ? 204000 : draw(120000000),
		.siblings = (uint16_t)(draw(4) ? 0 : 3),
		.references = draw(3),
		.linger = draw(4) == 0,
		.repair = draw(8) == 0,
		.mptcp = draw(8) == 0,
		.mptcp_subflow = draw(8) == 0,
		.family = draw(2) ? AF_INET : AF_INET6,
	};

	sk.attachment = draw(8) ? (uint8_t)tcpdiag_attachment_guess(&sk) : TCPDIAG_UNHELD;
	return sk;
}

/* Everything that totals_same_verdict() does not look at. */
static void move_on(struct tcpdiag_socket *sk)
{
	sk->cookie = draw(1000);
	sk->local[15] = (uint8_t)draw(256);
	sk->remote[15] = (uint8_t)draw(256);
	sk->local_port = (uint16_t)draw(65536);
	sk->remote_port = (uint16_t)draw(65536);
	sk->uid = draw(1000);
	sk->ifindex = draw(3);
	sk->mark = draw(3);
	sk->expires_ms = draw(200000);
	sk->rmem_alloc = draw(1 << 20);
	sk->rcvbuf = draw(1 << 20);
	sk->sndbuf = draw(1 << 20);
	sk->rto_us = draw(120000000);
	sk->rtt_us = draw(1000000);
	sk->unacked = draw(100);
	sk->last_data_sent_ms = draw(1000000);
	sk->last_data_recv_ms = draw(1000000);
	sk->last_ack_recv_ms = draw(1000000);
	sk->snd_wnd = draw(2) ? 0 : draw(65536);
	sk->rcv_wnd = draw(2) ? 0 : draw(65536);
	sk->bytes_acked = draw(1 << 30);
	sk->bytes_received = draw(1 << 30);
	sk->bytes_sent = draw(1 << 30);
	/* Whether there is one at all is an input. */
	if (sk->references)
		sk->references = 1 + draw(3);
	sk->steady_references = draw(4);
	sk->descriptors = (uint16_t)draw(4);
	sk->processes = (uint16_t)draw(4);
	sk->user_timeout_ms = draw(100000);
	sk->sk_err = (uint16_t)draw(120);
	sk->soft_error = draw(2);
	sk->inherited = draw(2);
	sk->known ^= draw(2) ? TCPDIAG_KNOWS_DESCRIPTORS : 0;
	sk->known ^= draw(2) ? TCPDIAG_KNOWS_OFO : 0;
	sk->known ^= draw(2) ? TCPDIAG_KNOWS_ERROR : 0;
	sk->known ^= draw(2) ? TCPDIAG_KNOWS_USER_TIMEOUT : 0;
	sk->known ^= draw(2) ? TCPDIAG_KNOWS_MARK : 0;
	if (sk->references)
		sk->known ^= draw(2) ? TCPDIAG_KNOWS_REFERENCES : 0;
	/* That of an MPTCP socket says that it has lost all subflows. */
	if (!sk->mptcp)
		sk->timer = (uint8_t)draw(5);
	sk->retransmits = (uint8_t)draw(16);
	sk->backoff = (uint8_t)draw(16);
	sk->probes = (uint8_t)draw(16);
	sk->mapped = draw(2);
	sk->out_of_order = draw(2);
	sk->v6only = draw(2);
}

static struct tcpdiag_environment random_environment(void)
{
	return (struct tcpdiag_environment){
		.known = draw(4) ? 0x7f : draw(1 << 7),
		.tcp_fin_timeout = draw(2) ? 60 : 61,
		.tcp_orphan_retries = draw(3),
		.tcp_rto_max_ms = 120000,
		.orphans = draw(3) * 100,
		.tcp_max_orphans = 100,
		.timewaits = draw(3) * 100,
		.tcp_max_tw_buckets = 100,
		.memory_pages = draw(3) * 100,
		.tcp_mem = { 50, 80, 100 },
		.tcp_migrate_req = draw(2),
	};
}

START_TEST(test_same_verdict)
{
	uint32_t judged = 0, rules = 0, i;

	for (i = 0; i < 300000; i++) {
		const struct tcpdiag_environment env = random_environment();
		struct record a = { .sk = random_socket() }, b = a;

		move_on(&b.sk);
		if (a.sk.state == TCPDIAG_FIN_WAIT2) {
			ck_assert(a.sk.rto_us == b.sk.rto_us || !totals_same_verdict(&a.sk, &b.sk));
			b.sk.rto_us = a.sk.rto_us;
		}
		ck_assert(totals_same_verdict(&a.sk, &b.sk));
		totals_judge(&a, &env);
		totals_judge(&b, &env);
		ck_assert_msg(a.close_rule == b.close_rule && a.close_segment == b.close_segment,
			      "state %u: rule %u or %u", a.sk.state, a.close_rule, b.close_rule);
		judged += a.close_rule != TCPDIAG_RULE_NONE;
		rules |= 1U << a.close_rule;
	}
	/* That was about something. */
	ck_assert_uint_gt(judged, 100000);
	ck_assert_int_ge(__builtin_popcount(rules), 10);
}
END_TEST

/* Two environments of one class give one verdict. */
START_TEST(test_same_class)
{
	uint32_t same = 0, i;

	for (i = 0; i < 300000; i++) {
		struct tcpdiag_environment x = random_environment(), y = random_environment();
		struct record a = { .sk = random_socket() }, b = a;

		y.tcp_orphan_retries = x.tcp_orphan_retries;
		if (totals_environment_class(&x) != totals_environment_class(&y))
			continue;
		same++;
		totals_judge(&a, &x);
		totals_judge(&b, &y);
		ck_assert_uint_eq(a.close_rule, b.close_rule);
		ck_assert_uint_eq(a.close_segment, b.close_segment);
	}
	ck_assert_uint_gt(same, 1000);
}
END_TEST

/* Each of these can turn a verdict, so none may be taken for the same. */
START_TEST(test_other_settings)
{
	const struct tcpdiag_socket sk = { .state = TCPDIAG_ESTABLISHED,
					   .inode = 7,
					   .attachment = TCPDIAG_HELD,
					   .references = 1,
					   .known = TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_LINGER2 |
						    TCPDIAG_KNOWS_REPAIR |
						    TCPDIAG_KNOWS_REFERENCES };
	struct tcpdiag_socket others[] = { sk, sk, sk, sk, sk, sk, sk, sk, sk };
	size_t i;

	others[0].linger = true;
	others[1].sk_lingertime_ms = 1;
	others[2].linger2_ms = -1;
	others[3].repair = true;
	others[4].references = 0;
	others[5].siblings = 1;
	others[6].known &= ~(uint32_t)TCPDIAG_KNOWS_LINGER;
	others[7].known |= TCPDIAG_KNOWS_SIBLINGS;
	others[8].mptcp_subflow = true;
	ck_assert(totals_same_verdict(&sk, &sk));
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		ck_assert_msg(!totals_same_settings(&sk, &others[i]), "%zu", i);
		ck_assert_msg(!totals_same_verdict(&sk, &others[i]), "%zu", i);
	}
}
END_TEST

static struct thresholds thresholds;

static void add(struct totals *totals, struct record record, int age)
{
	const struct tcpdiag_environment env = { .known = TCPDIAG_ENV_FIN_TIMEOUT,
						 .tcp_fin_timeout = 60 };

	record.state_since_ns = (10000 - age) * S;
	record.sk.known = TCPDIAG_KNOWS_INFO | TCPDIAG_KNOWS_BYTES | TCPDIAG_KNOWS_NOTSENT |
			  TCPDIAG_KNOWS_SHUTDOWN;
	record.sk.attachment = (uint8_t)tcpdiag_attachment_guess(&record.sk);
	totals_judge(&record, &env);
	totals_add(totals, &record, &thresholds, 10000 * S);
}

START_TEST(test_sums)
{
	struct totals t = {};

	thresholds_default(&thresholds);
	add(&t, (struct record){ .sk = { .state = TCPDIAG_ESTABLISHED, .inode = 1 } }, 1);
	add(&t,
	    (struct record){ .sk = { .state = TCPDIAG_ESTABLISHED,
				     .inode = 1,
				     .rqueue = 510,
				     .wqueue = 90,
				     .notsent_bytes = 40 } },
	    400);
	add(&t, (struct record){ .sk = { .state = TCPDIAG_CLOSE_WAIT, .inode = 1, .rqueue = 32 } },
	    301);
	add(&t, (struct record){ .sk = { .state = TCPDIAG_CLOSE_WAIT, .rqueue = 1 } }, 300);
	add(&t, (struct record){ .sk = { .state = TCPDIAG_FIN_WAIT1, .wqueue = 1 } }, 7);
	add(&t,
	    (struct record){ .sk = { .state = TCPDIAG_FIN_WAIT2, .kind = TCPDIAG_KIND_TIMEWAIT } },
	    8);
	add(&t,
	    (struct record){
		    .sk = { .state = TCPDIAG_LISTEN, .inode = 1, .rqueue = 101, .wqueue = 100 } },
	    9);
	add(&t, (struct record){ .sk = { .state = TCPDIAG_LISTEN, .inode = 1, .rqueue = 1 } }, 9);
	/* Bytes of memory, and a queue that its TCP row has shown already. */
	add(&t,
	    (struct record){
		    .sk = { .state = TCPDIAG_SYN_RECV, .inode = 1, .mptcp = true, .rqueue = 837 } },
	    1);
	add(&t,
	    (struct record){ .sk = { .state = TCPDIAG_LISTEN,
				     .inode = 1,
				     .mptcp = true,
				     .rqueue = 101,
				     .wqueue = 50 } },
	    9);

	ck_assert_uint_eq(t.sockets, 10);
	ck_assert_uint_eq(t.state[TCPDIAG_ESTABLISHED], 2);
	ck_assert_uint_eq(t.state[TCPDIAG_CLOSE_WAIT], 2);
	ck_assert_uint_eq(t.attachment[TCPDIAG_HELD], 7);
	ck_assert_uint_eq(t.attachment[TCPDIAG_UNACCEPTED], 1);
	ck_assert_uint_eq(t.attachment[TCPDIAG_ORPHAN], 1);
	ck_assert_uint_eq(t.teardown[TCPDIAG_CLOSE_WAIT][TCPDIAG_HELD], 1);
	ck_assert_uint_eq(t.teardown[TCPDIAG_CLOSE_WAIT][TCPDIAG_UNACCEPTED], 1);
	ck_assert_uint_eq(t.teardown[TCPDIAG_FIN_WAIT2][TCPDIAG_TIMEWAIT], 1);
	ck_assert_uint_eq(t.teardown[TCPDIAG_ESTABLISHED][TCPDIAG_HELD], 0);
	ck_assert_uint_eq(t.older[TCPDIAG_ESTABLISHED], 1);
	ck_assert_uint_eq(t.older[TCPDIAG_CLOSE_WAIT], 1);
	ck_assert_double_eq(t.oldest_seconds[TCPDIAG_ESTABLISHED], 400);
	ck_assert_double_eq(t.oldest_seconds[TCPDIAG_SYN_SENT], 0);
	ck_assert_uint_eq(t.close_rst_peer_open, 2);
	ck_assert_uint_eq(t.close_rst_peer_finished, 1);
	ck_assert_uint_eq(t.close[TCPDIAG_RULE_CLOSE_UNREAD][TCPDIAG_SEGMENT_RST], 2);
	ck_assert_uint_eq(t.unread_bytes_peer_open, 510);
	ck_assert_uint_eq(t.unread_bytes_peer_finished, 31);
	ck_assert_uint_eq(t.unsent_bytes, 40);
	ck_assert_uint_eq(t.listener_waiting, 102);
	ck_assert_double_eq(t.listener_ratio_max, 1.01);
	/* One that waits on listen(fd, 0) is no risk. */
	ck_assert_uint_eq(t.listeners_at_risk, 1);
}
END_TEST

START_TEST(test_port_usage)
{
	static const uint16_t range[2] = { 1000, 1999 };
	struct port_usage usage = {};
	const struct tcpdiag_environment env = {};
	struct record record = { .direction = DIRECTION_OUTBOUND,
				 .sk = { .remote_port = 443, .netns = 1 } };
	int i;

	port_usage_begin(&usage);
	port_usage_space(&usage, 1, range, 0, &env);
	for (i = 0; i < 500; i++) {
		record.sk.local_port = (uint16_t)(1000 + i);
		port_usage_add(&usage, &record);
	}
	ck_assert_double_eq(port_usage_ratio(&usage), 0.5);
	/* Other destinations, also thousands of them, have ports of their own. */
	for (i = 0; i < 20000; i++) {
		record.sk.remote[14] = (uint8_t)(i >> 8);
		record.sk.remote[13] = 1;
		record.sk.remote[15] = (uint8_t)i;
		port_usage_add(&usage, &record);
	}
	ck_assert_double_eq(port_usage_ratio(&usage), 0.5);
	/* Servers' ports are not used up; nor are those outside the range. */
	memset(record.sk.remote, 0, sizeof(record.sk.remote));
	record.direction = DIRECTION_INBOUND;
	port_usage_add(&usage, &record);
	record.direction = DIRECTION_OUTBOUND;
	record.sk.local_port = 2000;
	port_usage_add(&usage, &record);
	ck_assert_double_eq(port_usage_ratio(&usage), 0.5);
	record.sk.local_port = 1999;
	port_usage_add(&usage, &record);
	ck_assert_double_eq(port_usage_ratio(&usage), 0.501);
	/* The next poll begins from none, whatever it keeps. */
	for (i = 0; i < 3; i++) {
		port_usage_begin(&usage);
		port_usage_space(&usage, 1, range, 0, &env);
		ck_assert_double_eq(port_usage_ratio(&usage), 0);
		port_usage_add(&usage, &record);
		ck_assert_double_eq(port_usage_ratio(&usage), 0.001);
	}
	port_usage_done(&usage);
	/* The range is not known: no ratio. */
	port_usage_add(&usage, &record);
	ck_assert_double_eq(port_usage_ratio(&usage), 0);
	port_usage_done(&usage);
}
END_TEST

/* Also where close() would send them first, and what nobody can close any more. */
START_TEST(test_unsent)
{
	struct totals t = {};

	thresholds_default(&thresholds);
	add(&t,
	    (struct record){ .sk = { .state = TCPDIAG_ESTABLISHED,
				     .inode = 1,
				     .wqueue = 9000,
				     .notsent_bytes = 5000 } },
	    1);
	ck_assert_uint_eq(t.close_fin, 1);
	ck_assert_uint_eq(t.unsent_bytes, 5000);
	/* Of an orphan the FIN is the last that is not sent. */
	add(&t,
	    (struct record){
		    .sk = { .state = TCPDIAG_FIN_WAIT1, .wqueue = 901, .notsent_bytes = 301 } },
	    1);
	ck_assert_uint_eq(t.attachment[TCPDIAG_ORPHAN], 1);
	ck_assert_uint_eq(t.unsent_bytes, 5300);
	/* These have none. */
	add(&t,
	    (struct record){ .sk = { .state = TCPDIAG_FIN_WAIT2,
				     .kind = TCPDIAG_KIND_TIMEWAIT,
				     .wqueue = 7,
				     .notsent_bytes = 7 } },
	    1);
	add(&t,
	    (struct record){ .sk = { .state = TCPDIAG_LISTEN,
				     .inode = 1,
				     .wqueue = 7,
				     .notsent_bytes = 7 } },
	    1);
	ck_assert_uint_eq(t.unsent_bytes, 5300);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("totals");
	TCase *tc = tcase_create("totals");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_same_verdict);
	tcase_add_test(tc, test_same_class);
	tcase_add_test(tc, test_other_settings);
	tcase_add_test(tc, test_sums);
	tcase_add_test(tc, test_unsent);
	tcase_add_test(tc, test_port_usage);
	suite_add_tcase(s, tc);
	return s;
}
