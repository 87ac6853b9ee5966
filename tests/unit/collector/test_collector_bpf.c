/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What BPF reads of real sockets, in the poll that first sees them and in those after it. Where this kernel or
 * this user has no BPF, that all of it is unknown, with a reason.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/stat.h>

#include "../harness.h"
#include "collector/private.h"
#include "live.h"

static bool has_bpf(const struct snapshot *s)
{
	const struct source *source = &s->sources[SOURCE_BPF];

	return source->state == SOURCE_OK || source->state == SOURCE_DEGRADED;
}

static void setup_bpf(void)
{
	own_namespace();
	settings = (struct collector_settings){ .interval_ns = NSEC_PER_SEC,
						.sweep_interval_ns = 5 * NSEC_PER_SEC,
						.cpu_share = 5,
						.max_sockets = 100000,
						.max_strings = 1 << 20,
						.max_findings = 1000,
						.max_processes = 100000,
						.processes = true,
						.bpf = true };
	thresholds_default(&settings.thresholds);
	ck_assert_int_eq(collector_new(&settings, &collector), 0);
}

static void set_linger(int fd, int seconds)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = seconds };

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
}

/* Nothing is known, and why is said. */
static void check_unknown(const struct snapshot *s)
{
	uint32_t i;

	for (i = 0; i < s->record_count; i++) {
		ck_assert_int_eq(s->records[i].settings_ns, 0);
		ck_assert_uint_eq(s->records[i].sk.known & TCPDIAG_KNOWS_LINGER, 0);
	}
	ck_assert_ptr_nonnull(strstr(snapshot_text(s, s->header->missing), "bpf: "));
	ck_assert_str_ne(snapshot_text(s, s->sources[SOURCE_BPF].reason), "");
}

START_TEST(test_new_sockets)
{
	int listening = listener(PORT, 5), ends[2], waiting;
	const struct record *record;
	struct snapshot s;

	set_linger(listening, 7);
	connection(listening, ends);
	waiting = client(PORT);
	set_linger(ends[0], 0);
	wait_ms(20);
	s = poll_now(LANE_SWEEP);
	if (!has_bpf(&s)) {
		check_unknown(&s);
		return;
	}
	record = need(&s, port_of(ends[0]), PORT);
	ck_assert_uint_ne(record->sk.known & TCPDIAG_KNOWS_LINGER, 0);
	ck_assert_uint_eq(record->close_rule, TCPDIAG_RULE_CLOSE_LINGER_ZERO);
	ck_assert_uint_eq(record->close_segment, TCPDIAG_SEGMENT_RST);
	ck_assert_uint_eq(s.header->totals.close_rst_peer_open, 1);
	ck_assert_int_eq(record->settings_ns, s.header->now_ns);
	ck_assert_uint_eq(record->sk.references, 1);
	ck_assert_uint_eq(record->sk.steady_references, 0);
	/* Cloned from its listener, and in its queue: no descriptor, and read all the same. */
	record = need(&s, PORT, port_of(waiting));
	ck_assert_uint_eq(record->sk.attachment, TCPDIAG_UNACCEPTED);
	ck_assert(record->sk.linger && !record->sk.inherited);
	ck_assert_int_eq(record->sk.sk_lingertime_ms, 7000);

	/* What is in a teardown state is read in each fast poll. */
	ck_assert_int_eq(shutdown(ends[0], SHUT_WR), 0);
	set_linger(ends[1], 3);
	wait_ms(20);
	s = poll_now(LANE_FAST);
	record = need(&s, PORT, port_of(ends[0]));
	ck_assert_uint_eq(record->sk.state, TCPDIAG_CLOSE_WAIT);
	ck_assert_int_eq(record->sk.sk_lingertime_ms, 3000);
	ck_assert_int_eq(record->settings_ns, s.header->now_ns);
	/* Descriptors are counted by passes only, and so are the references that stay. */
	ck_assert_uint_eq(record->sk.steady_references, 0);
	record = need(&s, port_of(ends[0]), PORT);
	ck_assert_uint_eq(record->close_rule, TCPDIAG_RULE_CLOSE_LINGER_ZERO);
	/* Others are not asked for again. */
	record = need(&s, port_of(waiting), PORT);
	ck_assert_int_lt(record->settings_ns, s.header->now_ns);
	ck_assert_uint_ne(record->sk.known & TCPDIAG_KNOWS_LINGER, 0);
}
END_TEST

static const struct record *find_inode(const struct snapshot *s, ino_t inode)
{
	uint32_t i = 0;

	while (i < s->record_count && s->records[i].sk.inode != inode)
		i++;
	ck_assert_uint_lt(i, s->record_count);
	return &s->records[i];
}

static ino_t inode_of(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	return st.st_ino;
}

/* A pass between two sweeps: the fast lane puts in what is new and takes out what is gone. */
static void check_moved_on(int dead, int unbound)
{
	int more = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), other = dup(dead);
	const struct record *record;
	struct snapshot s;
	ino_t inode = inode_of(more);

	ck_assert_int_eq(collector_walk_owners(collector), 0);
	s = poll_now(LANE_FAST);
	ck_assert_uint_eq(s.record_count, 4);
	ck_assert_uint_eq(s.header->totals.state[TCPDIAG_CLOSE], 3);
	record = find_inode(&s, inode);
	ck_assert_uint_eq(record->sk.family, AF_INET6);
	ck_assert_uint_eq(record->holders, 1);
	ck_assert_int_eq(record->seen_ns, record->settings_ns);
	ck_assert_uint_eq(record->close_rule, TCPDIAG_RULE_CLOSE_NOTHING);
	record = find_inode(&s, inode_of(dead));
	ck_assert_uint_eq(record->sk.references, 2);
	ck_assert_uint_eq(record->sk.steady_references, 1);
	ck_assert_uint_eq(record->holders, 2);
	ck_assert_uint_eq(find_inode(&s, inode_of(unbound))->sk.state, TCPDIAG_CLOSE);
	close(more);
	close(other);
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	s = poll_now(LANE_FAST);
	ck_assert_uint_eq(s.record_count, 3);
	ck_assert_uint_eq(find_inode(&s, inode_of(dead))->sk.references, 1);
}

/* Dead between a sweep and a pass: the fast lane tells, with what was known of the connection. */
START_TEST(test_death)
{
	int listening = listener(PORT, 5), ends[2], late[2];
	const struct record *record;
	struct snapshot s;
	int64_t born;

	connection(listening, ends);
	connection(listening, late);
	s = poll_now(LANE_SWEEP);
	born = find_inode(&s, inode_of(ends[1]))->born_ns;
	set_linger(ends[0], 0);
	close(ends[0]);
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	/* What dies after the pass, nobody has seen dead. */
	set_linger(late[0], 0);
	close(late[0]);
	s = poll_now(LANE_FAST);
	if (s.sources[SOURCE_BPF].state != SOURCE_OK)
		return;
	record = find_inode(&s, inode_of(ends[1]));
	ck_assert_uint_eq(record->sk.state, TCPDIAG_CLOSE);
	ck_assert_int_eq(record->born_ns, born);
	ck_assert_uint_eq(record->direction, DIRECTION_INBOUND);
	ck_assert_uint_eq(record->close_rule, TCPDIAG_RULE_CLOSE_NOTHING);
	ck_assert_uint_eq(find_inode(&s, inode_of(late[1]))->sk.state, TCPDIAG_ESTABLISHED);
}
END_TEST

/* What asks for a pass before its time: what is new, and what has vanished. */
START_TEST(test_early_pass)
{
	int listening = listener(PORT, 5), ends[2], turn;

	poll_now(LANE_SWEEP);
	ck_assert(collector->walk.early);
	for (turn = 0; turn < 2; turn++) {
		ck_assert_int_eq(collector_walk_owners(collector), 0);
		ck_assert(!collector->walk.early);
		poll_now(LANE_SWEEP);
		poll_now(LANE_FAST);
		ck_assert(!collector->walk.early);
	}
	connection(listening, ends);
	poll_now(LANE_FAST);
	ck_assert(!collector->walk.early);
	poll_now(LANE_SWEEP);
	ck_assert(collector->walk.early);
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	poll_now(LANE_SWEEP);
	ck_assert(!collector->walk.early);
	set_linger(ends[0], 0);
	close(ends[0]);
	poll_now(LANE_SWEEP);
	ck_assert(collector->walk.early);
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	ck_assert(!collector->walk.early);
}
END_TEST

/* A row of a pass, and what a sweep has seen. */
START_TEST(test_supersedes)
{
	static const struct {
		uint8_t state;
		int64_t seen_ns;
		bool newer;
	} rows[] = {
		{ TCPDIAG_ESTABLISHED, 99, true },     { TCPDIAG_ESTABLISHED, 100, false },
		{ TCPDIAG_BOUND_INACTIVE, 99, false }, { TCPDIAG_CLOSE, 200, true },
		{ TCPDIAG_CLOSE_WAIT, 200, true },
	};
	const struct record row = { .settings_ns = 100 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct record old = { .sk.state = rows[i].state, .seen_ns = rows[i].seen_ns };

		ck_assert_msg(closed_supersedes(&row, &old, MEMORY_FAST_STATES) == rows[i].newer,
			      "%zu", i);
	}
	/* One socket, and its minisocket: only one of them can have the id. */
	ck_assert(!closed_supersedes(
		&row,
		&(const struct record){
			.sk = { .state = TCPDIAG_TIME_WAIT, .kind = TCPDIAG_KIND_TIMEWAIT },
		},
		MEMORY_FAST_STATES));
}
END_TEST

/* A connection that is dead, one socket that never was one, and what becomes of them. */
START_TEST(test_closed)
{
	int listening = listener(PORT, 5), ends[2], unbound;
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(PORT),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct record *record;
	struct snapshot s;
	int64_t born;

	connection(listening, ends);
	unbound = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq((int)write(ends[0], "unread", 6), 6);
	wait_ms(10);
	s = poll_now(LANE_SWEEP);
	ck_assert_uint_eq(s.record_count, 3);
	born = find_inode(&s, inode_of(ends[1]))->born_ns;
	/* A RST that meets unread data: the server's end is dead, its descriptor stays. */
	set_linger(ends[0], 0);
	close(ends[0]);
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	s = poll_now(LANE_SWEEP);
	if (!s.sources[SOURCE_BPF].passes || s.sources[SOURCE_BPF].state != SOURCE_OK) {
		ck_assert_uint_eq(s.header->totals.state[TCPDIAG_CLOSE], 0);
		return;
	}
	ck_assert_uint_eq(s.record_count, 3);
	ck_assert_uint_eq(s.header->totals.state[TCPDIAG_CLOSE], 2);
	ck_assert_uint_eq(s.header->totals.attachment[TCPDIAG_HELD], 3);
	record = find_inode(&s, inode_of(ends[1]));
	ck_assert_uint_eq(record->sk.state, TCPDIAG_CLOSE);
	ck_assert_int_eq(record->born_ns, born);
	ck_assert_int_lt(record->seen_ns, s.header->now_ns);
	ck_assert_int_eq(record->seen_ns, record->settings_ns);
	ck_assert_uint_eq(record->sk.rqueue, 6);
	ck_assert_uint_eq(record->sk.sk_err, ECONNRESET);
	ck_assert_uint_eq(record->holders, 1);
	ck_assert_uint_eq(record->close_rule, TCPDIAG_RULE_CLOSE_NOTHING);
	ck_assert_int_eq(pid_of(snapshot_owner(&s, record)), getpid());
	record = find_inode(&s, inode_of(unbound));
	ck_assert_uint_eq(record->sk.state, TCPDIAG_CLOSE);
	ck_assert_uint_eq(record->holders, 1);
	ck_assert_uint_eq(record->flags & (RECORD_BORN_SEEN | RECORD_STATE_EXACT), 0);
	ck_assert_uint_eq(record->sk.attachment, TCPDIAG_HELD);

	/* The fast lane keeps them. */
	s = poll_now(LANE_FAST);
	ck_assert_uint_eq(s.header->totals.state[TCPDIAG_CLOSE], 2);
	check_moved_on(ends[1], unbound);
	/* And so it does after a pass that has found the same. */
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	s = poll_now(LANE_FAST);
	ck_assert_uint_eq(s.record_count, 3);
	ck_assert_uint_eq(s.header->totals.state[TCPDIAG_CLOSE], 2);
	ck_assert_uint_eq(s.header->limits[LIMIT_DUPLICATES], 0);
	/* What a dump shows is what it is, whatever an older pass has seen. */
	ck_assert_int_eq(connect(unbound, (struct sockaddr *)&address, sizeof(address)), 0);
	s = poll_now(LANE_SWEEP);
	ck_assert_uint_eq(s.record_count, 4);
	ck_assert_uint_eq(s.header->limits[LIMIT_DUPLICATES], 0);
	record = find_inode(&s, inode_of(unbound));
	ck_assert_uint_eq(record->sk.state, TCPDIAG_ESTABLISHED);
	/* The limit holds for them too. */
	settings.max_sockets = 3;
	collector_configure(collector, &settings);
	s = poll_now(LANE_SWEEP);
	ck_assert_uint_eq(s.record_count, 3);
	ck_assert_uint_eq(s.header->limits[LIMIT_SOCKETS], 1);
	ck_assert_uint_eq(s.header->totals.state[TCPDIAG_CLOSE], 0);
	settings.max_sockets = 1000;
	collector_configure(collector, &settings);
	s = poll_now(LANE_SWEEP);
	ck_assert_uint_eq(s.header->totals.state[TCPDIAG_CLOSE], 1);
	/* Closed: the next pass no longer has it. */
	close(ends[1]);
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	s = poll_now(LANE_SWEEP);
	ck_assert_uint_eq(s.header->totals.state[TCPDIAG_CLOSE], 0);
}
END_TEST

/* What a finding is about is read in each fast poll, whatever its state. */
START_TEST(test_flagged)
{
	int listening = listener(PORT, 5), ends[2];
	const struct record *record;
	struct snapshot s;

	connection(listening, ends);
	set_linger(ends[0], 0);
	s = poll_now(LANE_SWEEP);
	if (!has_bpf(&s))
		return;
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	s = poll_now(LANE_SWEEP);
	record = need(&s, port_of(ends[0]), PORT);
	ck_assert_uint_eq(record->sk.state, TCPDIAG_ESTABLISHED);
	ck_assert_uint_ne(record->findings, 0);
	set_linger(ends[0], 5);
	set_linger(ends[1], 5);
	s = poll_now(LANE_FAST);
	record = need(&s, port_of(ends[0]), PORT);
	ck_assert_int_eq(record->settings_ns, s.header->now_ns);
	ck_assert_int_eq(record->sk.sk_lingertime_ms, 5000);
	ck_assert_uint_eq(record->close_rule, TCPDIAG_RULE_CLOSE_FIN);
	record = need(&s, PORT, port_of(ends[0]));
	ck_assert_int_lt(record->settings_ns, s.header->now_ns);
	ck_assert(!record->sk.linger);
}
END_TEST

/* What was read in a queue is read again once it is accepted: its program may have set it. */
START_TEST(test_accepted)
{
	int listening = listener(PORT, 5), end = client(PORT), accepted;
	const struct record *record;
	struct snapshot s;

	wait_ms(10);
	s = poll_now(LANE_SWEEP);
	if (!has_bpf(&s))
		return;
	record = need(&s, PORT, port_of(end));
	ck_assert_uint_eq(record->sk.attachment, TCPDIAG_UNACCEPTED);
	ck_assert(!record->sk.linger && record->sk.known & TCPDIAG_KNOWS_LINGER);
	s = poll_now(LANE_SWEEP);
	ck_assert_int_lt(need(&s, PORT, port_of(end))->settings_ns, s.header->now_ns);
	accepted = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	set_linger(accepted, 4);
	s = poll_now(LANE_SWEEP);
	record = need(&s, PORT, port_of(end));
	ck_assert_uint_eq(record->sk.attachment, TCPDIAG_HELD);
	ck_assert_int_eq(record->sk.sk_lingertime_ms, 4000);
	ck_assert_int_eq(record->settings_ns, s.header->now_ns);
}
END_TEST

/* What a look-up does not find comes with the pass; what changed since the look-up does, too. */
START_TEST(test_pass)
{
	int first = listener(PORT, 5), ends[2];
	const struct record *record;
	struct snapshot s;

	connection(first, ends);
	s = poll_now(LANE_SWEEP);
	set_linger(ends[0], 0);
	set_linger(first, 9);
	s = poll_now(LANE_SWEEP);
	ck_assert(!need(&s, port_of(ends[0]), PORT)->sk.linger);
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	s = poll_now(LANE_FAST);
	if (s.sources[SOURCE_BPF].state != SOURCE_OK)
		return;
	record = need(&s, port_of(ends[0]), PORT);
	ck_assert(record->sk.linger);
	ck_assert_uint_eq(record->close_rule, TCPDIAG_RULE_CLOSE_LINGER_ZERO);
	ck_assert_uint_eq(record->sk.steady_references, 1);
	ck_assert_int_lt(record->settings_ns, s.header->now_ns);
	ck_assert_int_eq(need(&s, PORT, 0)->sk.sk_lingertime_ms, 9000);
	if (s.sources[SOURCE_PROCESSES].state == SOURCE_OK) {
		ck_assert_uint_ne(record->sk.known & TCPDIAG_KNOWS_DESCRIPTORS, 0);
		ck_assert_uint_eq(record->sk.descriptors, 1);
		ck_assert_uint_eq(record->sk.processes, 1);
	}
	/* A second descriptor, in the next pass. */
	ck_assert_int_ge(dup(ends[0]), 0);
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	s = poll_now(LANE_FAST);
	record = need(&s, port_of(ends[0]), PORT);
	ck_assert_uint_eq(record->sk.references, 2);
	ck_assert_uint_eq(record->sk.steady_references, 1);
	ck_assert_uint_eq(record->holders, 2);
}
END_TEST

/* Without the processes the settings are read all the same, and holders are not said. */
START_TEST(test_without_processes)
{
	int listening = listener(PORT, 5), ends[2];
	const struct record *record;
	struct snapshot s;

	connection(listening, ends);
	settings.processes = false;
	collector_configure(collector, &settings);
	s = poll_now(LANE_SWEEP);
	set_linger(ends[0], 0);
	if (s.sources[SOURCE_BPF].state != SOURCE_OK)
		return;
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	s = poll_now(LANE_SWEEP);
	record = need(&s, port_of(ends[0]), PORT);
	ck_assert(record->sk.linger);
	ck_assert_uint_eq(record->holders, 0);
	ck_assert_uint_eq(record->sk.known & TCPDIAG_KNOWS_DESCRIPTORS, 0);
	ck_assert_uint_eq(s.process_count, 0);
	ck_assert_uint_eq(s.sources[SOURCE_PROCESSES].state, SOURCE_OFF);
	ck_assert_int_gt(s.sources[SOURCE_BPF].cost_ns, 0);
}
END_TEST

static void *close_it(void *fd)
{
	close(*(int *)fd);
	return NULL;
}

/* close() lingers: nobody has the socket any more, and one look tells. */
START_TEST(test_close_in_progress)
{
	int listening = listener(PORT, 5), ends[2], one = 1;
	const struct record *record;
	static char data[1 << 16];
	struct snapshot s;
	pthread_t thread;
	uint16_t port;

	ck_assert_int_eq(setsockopt(listening, SOL_SOCKET, SO_RCVBUF, &one, sizeof(one)), 0);
	connection(listening, ends);
	port = port_of(ends[0]);
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	s = poll_now(LANE_SWEEP);
	ck_assert_uint_eq(need(&s, port, PORT)->holders, 1);
	while (send(ends[0], data, sizeof(data), MSG_DONTWAIT) > 0)
		;
	set_linger(ends[0], 20);
	ck_assert_int_eq(pthread_create(&thread, NULL, close_it, &ends[0]), 0);
	wait_ms(100);
	s = poll_now(LANE_FAST);
	record = need(&s, port, PORT);
	ck_assert_uint_eq(record->sk.state, TCPDIAG_FIN_WAIT1);
	if (!has_bpf(&s)) {
		ck_assert_uint_eq(record->sk.attachment, TCPDIAG_HELD);
	} else {
		ck_assert_uint_eq(record->sk.attachment, TCPDIAG_UNHELD);
		ck_assert_int_eq(tcpdiag_unheld_reason(&record->sk), TCPDIAG_UNHELD_CLOSING);
		ck_assert_uint_eq(record->holders, 0);
		ck_assert_int_eq(pid_of(snapshot_process(&s, record->creator)), getpid());
	}
	/* The peer goes, and so does the wait. */
	close(ends[1]);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

START_TEST(test_off_and_on)
{
	int listening = listener(PORT, 5), ends[2];
	const struct record *record;
	struct snapshot s;
	bool has;

	connection(listening, ends);
	set_linger(ends[0], 0);
	s = poll_now(LANE_SWEEP);
	has = has_bpf(&s);

	settings.bpf = false;
	collector_configure(collector, &settings);
	s = poll_now(LANE_FAST);
	check_unknown(&s);
	ck_assert_uint_eq(s.sources[SOURCE_BPF].state, SOURCE_OFF);
	ck_assert_uint_eq(need(&s, port_of(ends[0]), PORT)->close_rule, TCPDIAG_RULE_CLOSE_FIN);

	settings.bpf = true;
	collector_configure(collector, &settings);
	s = poll_now(LANE_SWEEP);
	record = need(&s, port_of(ends[0]), PORT);
	ck_assert_int_eq(!!(record->sk.known & TCPDIAG_KNOWS_LINGER), has);
	if (has)
		ck_assert_uint_eq(record->close_rule, TCPDIAG_RULE_CLOSE_LINGER_ZERO);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("collector: BPF");
	TCase *tc = tcase_create("collector: BPF");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup_bpf, teardown);
	tcase_add_test(tc, test_new_sockets);
	tcase_add_test(tc, test_flagged);
	tcase_add_test(tc, test_accepted);
	tcase_add_test(tc, test_pass);
	tcase_add_test(tc, test_closed);
	tcase_add_test(tc, test_death);
	tcase_add_test(tc, test_early_pass);
	tcase_add_test(tc, test_supersedes);
	tcase_add_test(tc, test_without_processes);
	tcase_add_test(tc, test_close_in_progress);
	tcase_add_test(tc, test_off_and_on);
	suite_add_tcase(s, tc);
	return s;
}
