/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fin-wait-1-stalled and last-ack-stalled, and what findings say of the other ends.
 */
#include "../harness.h"
#include "model/keyed_hash.h"
#include "rules/others.h"
#include "world.h"

#define FW1 TCPDIAG_RULE_FIN_WAIT1_STALLED
#define LA TCPDIAG_RULE_LAST_ACK_STALLED
#define FW2 TCPDIAG_RULE_FIN_WAIT2_STUCK
#define CW TCPDIAG_RULE_CLOSE_WAIT_LEAK
#define OTHERS_MANY (OTHERS_ADDRESSES + 40)

static struct world *world;

static void setup(void)
{
	world = world_new(100);
}

static void teardown(void)
{
	world_free(world);
}

/* Both ends, newest two records; @peer: the process there. */
static void add_pair(enum tcpdiag_state state, uint32_t process, enum tcpdiag_state peer_state,
		     uint32_t peer, uint32_t rqueue)
{
	struct record *a = world_socket(world, state, process), *b;
	uint32_t row = world->record_count - 1;

	b = world_socket(world, peer_state, peer);
	a->peer = row + 1;
	b->peer = row;
	b->sk.rqueue = rqueue;
	b->direction = DIRECTION_OUTBOUND;
	a->sk.sk_shutdown = TCPDIAG_SEND_SHUTDOWN;
}

static void add_abroad(enum tcpdiag_state state, uint32_t process, int count, uint8_t host,
		       enum peer_unknown why)
{
	while (count--) {
		struct record *record = world_socket(world, state, process);

		record->peer_unknown = (uint8_t)why;
		record->sk.remote[15] = host;
	}
}

static const char *cause(enum tcpdiag_rule rule)
{
	return world_text(world, world_expect(world, rule)->cause);
}

static const char *summary(enum tcpdiag_rule rule)
{
	return world_text(world, world_expect(world, rule)->summary);
}

#define has(text, part) ck_assert_msg(strstr(text, part), "%s\nhas not: %s", text, part)
#define has_not(text, part) ck_assert_msg(!strstr(text, part), "%s\nhas: %s", text, part)

static double number(enum tcpdiag_rule rule, enum evidence which)
{
	const struct finding *finding = world_expect(world, rule);

	ck_assert(shown(finding, which));
	return finding->evidence[which];
}

/* ---- fin-wait-2-stuck and the other ends ---- */

/* What the other end is like, and what is said of it. */
static const struct {
	uint8_t state, attachment;
	uint32_t rqueue;
	const char *text;
	int read, unread;
} readings[] = {
	{ TCPDIAG_CLOSE_WAIT, TCPDIAG_HELD, 1, "It has not read the end of file.", 0, 1 },
	{ TCPDIAG_CLOSE_WAIT, TCPDIAG_HELD, 0,
	  "It has read everything up to the end of file and forgotten the descriptor.", 1, 0 },
	{ TCPDIAG_CLOSE_WAIT, TCPDIAG_HELD, 20, "It has not even read the data before it.", 0, 1 },
	{ TCPDIAG_LAST_ACK, TCPDIAG_HELD, 0, "It has sent its FIN, which does not arrive.", 0, 0 },
};

START_TEST(fw2_one_other_end)
{
	uint32_t holder = world_process(world, "proxy", "", 10, 0);
	uint32_t other = world_process(world, "upstream", "up.service", 10, 0);

	add_pair(TCPDIAG_FIN_WAIT2, holder, readings[_i].state, other, readings[_i].rqueue);
	world->records[1].sk.attachment = readings[_i].attachment;
	world_run(world, 130, 5);
	has(summary(FW2), "; upstream (pid 1001, up.service) has not closed the other end");
	has(cause(FW2), "The other end is on this machine, with upstream (pid 1001, up.service).");
	has(cause(FW2), "as descriptor 3.");
	has(cause(FW2), "for 130 s");
	has(cause(FW2), readings[_i].text);
	ck_assert_double_eq(number(FW2, EVIDENCE_PEERS_HERE), 1);
	ck_assert_double_eq(number(FW2, EVIDENCE_PEERS_NOT_HERE), 0);
	ck_assert_double_eq(number(FW2, EVIDENCE_PEERS_EOF_READ), readings[_i].read);
	ck_assert_double_eq(number(FW2, EVIDENCE_PEERS_EOF_UNREAD), readings[_i].unread);
}
END_TEST

/* Where one process has all of them nothing is counted twice. */
START_TEST(fw2_all_with_one)
{
	uint32_t holder = world_process(world, "proxy", "", 10, 0);
	uint32_t other = world_process(world, "upstream", "", 10, 0);
	int i;

	for (i = 0; i < 3; i++)
		add_pair(TCPDIAG_FIN_WAIT2, holder, TCPDIAG_CLOSE_WAIT, other, 1);
	world_run(world, 130, 5);
	has(cause(FW2), "All other ends are on this machine, with upstream (pid 1001).");
	has_not(cause(FW2), "of them with");
}
END_TEST

/* Nobody has accepted it: whoever listens has it. */
START_TEST(fw2_never_accepted)
{
	uint32_t holder = world_process(world, "proxy", "", 10, 0);
	uint32_t other = world_process(world, "upstream", "", 10, 0);

	add_pair(TCPDIAG_FIN_WAIT2, holder, TCPDIAG_CLOSE_WAIT, RECORD_NONE, 1);
	world->records[1].sk.attachment = TCPDIAG_UNACCEPTED;
	world->records[1].listener = 2;
	world_listener(world, other, 10);
	world_run(world, 130, 5);
	has(cause(FW2), "with upstream (pid 1001).");
	has(cause(FW2), "It was never accepted.");
	has_not(cause(FW2), "as descriptor");
}
END_TEST

START_TEST(fw2_many_other_ends)
{
	uint32_t holder = world_process(world, "proxy", "", 10, 0);
	uint32_t most = world_process(world, "most", "", 10, 0);
	uint32_t few = world_process(world, "few", "", 10, 0);
	int i;

	for (i = 0; i < 2; i++)
		add_pair(TCPDIAG_FIN_WAIT2, holder, TCPDIAG_CLOSE_WAIT, few, 1);
	for (i = 0; i < 5; i++)
		add_pair(TCPDIAG_FIN_WAIT2, holder, TCPDIAG_CLOSE_WAIT, most, i < 2);
	add_abroad(TCPDIAG_FIN_WAIT2, holder, 1, 50, PEER_NOT_HERE);
	add_abroad(TCPDIAG_FIN_WAIT2, holder, 3, 51, PEER_NOT_HERE);
	add_abroad(TCPDIAG_FIN_WAIT2, holder, 2, 52, PEER_NOT_HERE);
	add_abroad(TCPDIAG_FIN_WAIT2, holder, 1, 53, PEER_NOT_HERE);
	add_abroad(TCPDIAG_FIN_WAIT2, holder, 4, 54, PEER_SEVERAL);
	world_run(world, 130, 5);
	ck_assert_uint_eq(world_expect(world, FW2)->count, 18);
	has(summary(FW2), "; most (pid 1001) has not closed the other end of 5");
	has(cause(FW2), "Of the other ends 7 are on this machine, 5 of them with most (pid 1001).");
	has(cause(FW2), "4 have not read the end of file, 3 have read everything up to the end of "
			"file and forgotten the descriptor.");
	has(cause(FW2), " 7 are not on this machine: 10.9.8.51 (3), 10.9.8.52 (2), 10.9.8.50 (1) "
			"and 1 more.");
	has_not(cause(FW2), "10.9.8.54");
	for (i = 14; i < 21; i++)
		world->records[i].peer_unknown = PEER_NOT_SEEN;
	world_run(world, 5, 5);
	has(cause(FW2),
	    " 7 are not on this machine, as far as its sockets are seen: 10.9.8.51 (3)");
	ck_assert_double_eq(number(FW2, EVIDENCE_PEERS_HERE), 7);
	ck_assert_double_eq(number(FW2, EVIDENCE_PEERS_NOT_HERE), 7);
}
END_TEST

/* Each finding counts its own sockets only, whatever order the tallies have. */
START_TEST(fw2_two_processes)
{
	uint32_t a = world_process(world, "a", "", 10, 0), b = world_process(world, "b", "", 10, 0);
	uint32_t other = world_process(world, "other", "", 10, 0), i, here = 0;
	const struct finding *finding;

	add_abroad(TCPDIAG_FIN_WAIT2, a, 1, 50, PEER_NOT_HERE);
	add_pair(TCPDIAG_FIN_WAIT2, b, TCPDIAG_CLOSE_WAIT, other, 1);
	add_abroad(TCPDIAG_FIN_WAIT2, a, 1, 50, PEER_NOT_HERE);
	world_run(world, 130, 5);
	for (i = 0; i < world->snapshot.finding_count; i++) {
		finding = &world->snapshot.findings[i];
		if (finding->rule != FW2)
			continue;
		here += finding->pid == 1001;
		ck_assert_double_eq(finding->evidence[EVIDENCE_PEERS_HERE], finding->pid == 1001);
		ck_assert_double_eq(finding->evidence[EVIDENCE_PEERS_NOT_HERE],
				    finding->pid == 1001 ? 0 : 2);
	}
	ck_assert_uint_eq(here, 1);
	/* When all are gone it still stands for a while, and speaks of none. */
	world->record_count = 0;
	world_run(world, 5, 5);
	ck_assert_double_eq(number(FW2, EVIDENCE_PEERS_HERE), 0);
	has_not(cause(FW2), "other ends");
}
END_TEST

/* More addresses than are told apart: counted, and said so. */
START_TEST(fw2_many_addresses)
{
	uint32_t process = world_process(world, "proxy", "", 10, 0), i;

	for (i = 0; i < OTHERS_MANY; i++) {
		add_abroad(TCPDIAG_FIN_WAIT2, process, 1, (uint8_t)i, PEER_NOT_HERE);
		world->records[i].sk.remote[14] = (uint8_t)(i >> 8);
	}
	world_run(world, 130, 10);
	ck_assert_double_eq(number(FW2, EVIDENCE_PEERS_NOT_HERE), OTHERS_MANY);
	has(cause(FW2), "and 2,045 more or still more.");
	/* The next round begins with nothing counted. */
	world->record_count = 1;
	world_run(world, 10, 10);
	has(cause(FW2), " 1 is not on this machine: 10.9.0.0.");
}
END_TEST

/* Addresses that somebody has chosen so that they meet in one place of the table: not all are told apart. */
START_TEST(fw2_chosen_addresses)
{
	uint32_t process = world_process(world, "proxy", "", 10, 0);
	uint64_t words[2] = { 7, 0 };
	uint32_t i;

	for (i = 0; i < 200; words[1]++) {
		if (keyed_hash(&(struct hash_key){}, words, 2) % (2 * OTHERS_ADDRESSES))
			continue;
		add_abroad(TCPDIAG_FIN_WAIT2, process, 1, (uint8_t)i, PEER_NOT_HERE);
		memcpy(world->records[i++].sk.remote, words, sizeof(words));
	}
	world_run(world, 130, 10);
	ck_assert_double_eq(number(FW2, EVIDENCE_PEERS_NOT_HERE), 200);
	has(cause(FW2), "and 62 more or still more.");
}
END_TEST

START_TEST(cw_names_the_other_end)
{
	uint32_t leaky = world_process(world, "leaky", "", 10, 0);
	uint32_t other = world_process(world, "client", "", 10, 0);

	add_pair(TCPDIAG_CLOSE_WAIT, leaky, TCPDIAG_FIN_WAIT2, other, 0);
	world_run(world, 310, 5);
	has(cause(CW), "The other end is on this machine, with client (pid 1001).");
	ck_assert_double_eq(number(CW, EVIDENCE_PEERS_HERE), 1);
}
END_TEST

/* ---- what is not acknowledged ---- */

static const struct {
	enum tcpdiag_rule rule;
	uint8_t state;
	const char *name;
} stalled[] = {
	{ FW1, TCPDIAG_FIN_WAIT1, "FIN-WAIT-1" },
	{ LA, TCPDIAG_LAST_ACK, "LAST-ACK" },
	{ LA, TCPDIAG_CLOSING, "LAST-ACK" },
};

static void add_stalled(enum tcpdiag_state state, uint32_t process, int count)
{
	while (count--) {
		struct record *record = world_socket(world, state, process);

		record->sk.wqueue = 1001;
		record->sk.known |= TCPDIAG_KNOWS_SND_WND;
		record->sk.snd_wnd = 1000;
		record->ack_since_ns = world->now_ns;
		record->peer_unknown = PEER_NOT_HERE;
	}
}

START_TEST(stalled_information_after_a_minute)
{
	uint32_t process = world_process(world, "haproxy", "haproxy.service", 10, 1024);
	char text[160];

	add_stalled(stalled[_i].state, process, 1);
	world_run(world, 59, 1);
	ck_assert_int_eq(world->count, 0);
	world_run(world, 1, 1);
	ck_assert_int_eq(world_severity(world, stalled[_i].rule), SEVERITY_INFO);
	snprintf(text, sizeof(text),
		 "haproxy (pid 1000, haproxy.service) holds 1 socket in %s whose peer acknowledges "
		 "nothing more, oldest 60 s; 1,000 bytes not delivered",
		 stalled[_i].name);
	ck_assert_str_eq(summary(stalled[_i].rule), text);
	has(cause(stalled[_i].rule), " 1 is not on this machine: 10.9.8.7.");
	ck_assert_uint_eq(world_bits(world, stalled[_i].rule), 1);
	/* However long: one is information. */
	world_run(world, 3000, 30);
	ck_assert_int_eq(world_severity(world, stalled[_i].rule), SEVERITY_INFO);
	/* An acknowledgement, and a minute to be sure. */
	world->records[0].ack_since_ns = world->now_ns;
	world_run(world, 55, 5);
	ck_assert_int_eq(world_severity(world, stalled[_i].rule), SEVERITY_INFO);
	world->records[0].ack_since_ns = world->now_ns;
	world_run(world, 10, 5);
	ck_assert_int_eq(world_severity(world, stalled[_i].rule), SEVERITY_NONE);
}
END_TEST

START_TEST(stalled_warning_for_many)
{
	uint32_t process = world_process(world, "haproxy", "", 10, 1024), i;

	add_stalled(stalled[_i].state, process, 20);
	world_run(world, 119, 1);
	ck_assert_int_eq(world_severity(world, stalled[_i].rule), SEVERITY_INFO);
	world_run(world, 1, 1);
	ck_assert_int_eq(world_severity(world, stalled[_i].rule), SEVERITY_WARNING);
	/* 14 of 20 keep it, one less lets it go after a minute. */
	for (i = 14; i < 20; i++)
		world->records[i].ack_since_ns = 0;
	world_run(world, 120, 5);
	ck_assert_int_eq(world_severity(world, stalled[_i].rule), SEVERITY_WARNING);
	world->records[13].ack_since_ns = 0;
	world_run(world, 55, 5);
	ck_assert_int_eq(world_severity(world, stalled[_i].rule), SEVERITY_WARNING);
	world_run(world, 15, 5);
	ck_assert_int_eq(world_severity(world, stalled[_i].rule), SEVERITY_INFO);
}
END_TEST

START_TEST(stalled_no_warning_for_19)
{
	uint32_t process = world_process(world, "haproxy", "", 10, 0);
	uint32_t another = world_process(world, "haproxy", "", 10, 0);

	add_stalled(stalled[_i].state, process, 19);
	add_stalled(stalled[_i].state, another, 19);
	world_run(world, 600, 10);
	ck_assert_int_eq(world_severity(world, stalled[_i].rule), SEVERITY_INFO);
}
END_TEST

/* Whom other rules speak of, or nobody. */
START_TEST(stalled_silent)
{
	uint32_t process = world_process(world, "app", "", 10, 0), i;

	add_stalled(TCPDIAG_FIN_WAIT1, process, 7);
	world->records[0].sk.attachment = TCPDIAG_ORPHAN;
	world->records[1].sk.attachment = TCPDIAG_UNHELD;
	world->records[2].sk.mptcp_subflow = true;
	world->records[3].sk.mptcp = true;
	world->records[4].sk.known |= TCPDIAG_KNOWS_REFERENCES; /* its close() is under way */
	world->records[5].sk.kind = TCPDIAG_KIND_TIMEWAIT;
	world->records[6].ack_since_ns = 0; /* all acknowledged */
	add_stalled(TCPDIAG_ESTABLISHED, process, 1);
	for (i = 0; i < 60; i++) {
		world_run(world, 10, 10);
		ck_assert_int_eq(world_severity(world, FW1), SEVERITY_NONE);
		ck_assert_int_eq(world_severity(world, LA), SEVERITY_NONE);
	}
}
END_TEST

/* The window is closed, the probes are answered: whoever is there does not read. */
START_TEST(stalled_window)
{
	uint32_t process = world_process(world, "sender", "", 10, 0);
	uint32_t reader = world_process(world, "reader", "reader.service", 10, 0);

	add_pair(TCPDIAG_FIN_WAIT1, process, TCPDIAG_ESTABLISHED, reader, 65536);
	world->records[0].sk.timer = TCPDIAG_TIMER_PROBE;
	world->records[0].sk.last_ack_recv_ms = 20000;
	world->records[0].sk.backoff = 7;
	world->records[0].ack_since_ns = world->now_ns;
	add_stalled(TCPDIAG_FIN_WAIT1, process, 1);
	world->records[2].sk.snd_wnd = 0;
	add_stalled(TCPDIAG_FIN_WAIT1, process, 1);
	world_run(world, 60, 5);
	ck_assert_double_eq(number(FW1, EVIDENCE_WINDOW_CLOSED), 2);
	ck_assert_double_eq(number(FW1, EVIDENCE_SILENT), 0);
	ck_assert_double_eq(number(FW1, EVIDENCE_PEERS_UNREAD_BYTES), 65536);
	has(summary(FW1), "; reader (pid 1001, reader.service) does not read");
	has(cause(FW1), " On 2 of them the peer's window is closed: it does not read; 65,536 bytes "
			"wait unread at the other ends here.");
	has(cause(FW1), "1 of them with reader (pid 1001, reader.service).");
	has(cause(FW1), " 2 are not on this machine: 10.9.8.7 (2).");
}
END_TEST

START_TEST(stalled_silence)
{
	uint32_t process = world_process(world, "sender", "", 10, 0);

	add_stalled(TCPDIAG_LAST_ACK, process, 2);
	world->records[0].sk.last_ack_recv_ms = 61000;
	world->records[0].sk.retransmits = 9;
	world->records[1].sk.last_ack_recv_ms =
		61000; /* the window was closed before the silence */
	world->records[1].sk.timer = TCPDIAG_TIMER_PROBE;
	world->records[1].sk.probes = 4;
	world_run(world, 60, 5);
	ck_assert_double_eq(number(LA, EVIDENCE_SILENT), 2);
	ck_assert_double_eq(number(LA, EVIDENCE_WINDOW_CLOSED), 0);
	ck_assert_double_eq(number(LA, EVIDENCE_RETRANSMITS), 9);
	has(cause(LA), " Nothing comes back at all (up to 9 retransmissions or probes)");
	has(world_text(world, world_expect(world, LA)->remedy), "what lost the peer");
	/* Answered a moment ago: not silent. */
	world->records[0].sk.last_ack_recv_ms = 100;
	world_run(world, 5, 5);
	ck_assert_double_eq(number(LA, EVIDENCE_SILENT), 1);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("findings: the other ends");
	TCase *tc = tcase_create("others");
	int kinds = ARRAY_SIZE(stalled);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, fw2_one_other_end, 0, ARRAY_SIZE(readings));
	tcase_add_test(tc, fw2_never_accepted);
	tcase_add_test(tc, fw2_all_with_one);
	tcase_add_test(tc, fw2_many_other_ends);
	tcase_add_test(tc, fw2_two_processes);
	tcase_add_test(tc, fw2_many_addresses);
	tcase_add_test(tc, fw2_chosen_addresses);
	tcase_add_test(tc, cw_names_the_other_end);
	tcase_add_loop_test(tc, stalled_information_after_a_minute, 0, kinds);
	tcase_add_loop_test(tc, stalled_warning_for_many, 0, kinds);
	tcase_add_loop_test(tc, stalled_no_warning_for_19, 0, kinds);
	tcase_add_test(tc, stalled_silent);
	tcase_add_test(tc, stalled_window);
	tcase_add_test(tc, stalled_silence);
	suite_add_tcase(s, tc);
	return s;
}
