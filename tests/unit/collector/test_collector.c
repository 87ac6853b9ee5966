/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The collector on real sockets, in a network namespace of its own: what becomes of each, and whose it is.
 */
#include <fcntl.h>
#include <sys/wait.h>

#include "../harness.h"
#include "collector/private.h"
#include "live.h"

START_TEST(test_sweep)
{
	int listening = listener(PORT, 5), ends[2], waiting;
	const struct record *record, *owner;
	struct snapshot s;
	uint16_t port;

	connection(listening, ends);
	waiting = client(PORT);
	ck_assert_int_eq((int)write(ends[0], "hello", 5), 5);
	wait_ms(20);
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	s = poll_now(LANE_SWEEP);
	ck_assert_uint_eq(s.record_count, 5);
	port = port_of(ends[0]);

	owner = need(&s, PORT, 0);
	ck_assert_uint_eq(owner->sk.state, TCPDIAG_LISTEN);
	ck_assert_uint_eq(owner->sk.rqueue, 1);
	ck_assert_uint_eq(owner->direction, DIRECTION_UNKNOWN);
	ck_assert_uint_eq(owner->listener, RECORD_NONE);

	record = need(&s, PORT, port);
	ck_assert_uint_eq(record->sk.state, TCPDIAG_ESTABLISHED);
	ck_assert_uint_eq(record->sk.attachment, TCPDIAG_HELD);
	ck_assert_uint_eq(record->direction, DIRECTION_INBOUND);
	ck_assert_ptr_eq(&s.records[record->listener], owner);
	ck_assert_uint_eq(tcpdiag_unread_bytes(&record->sk), 5);
	ck_assert_uint_eq(record->close_rule, TCPDIAG_RULE_CLOSE_UNREAD);
	ck_assert_uint_eq(record->close_segment, TCPDIAG_SEGMENT_RST);
	ck_assert_int_gt(record->read_since_ns, 0);
	ck_assert_uint_eq(record->holders, 1);
	ck_assert_int_eq(pid_of(snapshot_owner(&s, record)), getpid());
	ck_assert_ptr_nonnull(snapshot_holders(&s, record, &(uint32_t){ 0 }));
	ck_assert_int_eq(snapshot_holders(&s, record, &(uint32_t){ 0 })->fd, ends[1]);

	record = need(&s, port, PORT);
	ck_assert_uint_eq(record->direction, DIRECTION_OUTBOUND);
	ck_assert_uint_eq(record->close_segment, TCPDIAG_SEGMENT_FIN);

	record = need(&s, PORT, port_of(waiting));
	ck_assert_uint_eq(record->sk.attachment, TCPDIAG_UNACCEPTED);
	ck_assert_uint_eq(record->direction, DIRECTION_INBOUND);
	ck_assert_ptr_eq(&s.records[record->listener], owner);
	ck_assert_uint_eq(record->holders, 0);
	ck_assert_uint_eq(record->creator, RECORD_NONE);

	ck_assert_uint_eq(s.header->totals.sockets, 5);
	ck_assert_uint_eq(s.header->totals.state[TCPDIAG_ESTABLISHED], 4);
	ck_assert_uint_eq(s.header->totals.attachment[TCPDIAG_UNACCEPTED], 1);
	ck_assert_uint_eq(s.header->totals.listener_waiting, 1);
	ck_assert_uint_eq(s.header->totals.close_rst_peer_open, 1);
	ck_assert_uint_eq(s.header->totals.unread_bytes_peer_open, 5);
	ck_assert_double_gt(s.header->totals.port_range_ratio_max, 0);
	ck_assert_uint_eq(s.process_count, 1);
	ck_assert_uint_eq(s.processes[0].sockets[TCPDIAG_ESTABLISHED], 3);
	ck_assert_uint_eq(s.processes[0].sockets[TCPDIAG_LISTEN], 1);
	ck_assert_uint_eq(s.sources[SOURCE_SOCK_DIAG].state, SOURCE_OK);
	ck_assert_uint_eq(s.sources[SOURCE_COUNTERS].state, SOURCE_OK);
	ck_assert_uint_eq(s.namespaces[0].inode, s.header->netns);
	ck_assert_uint_eq(s.namespaces[0].sockets, 5);
	ck_assert_uint_eq(s.header->id, 1);
	ck_assert_int_gt(s.header->lanes[LANE_SWEEP].cost_ns, 0);
}
END_TEST

/* ESTABLISHED, CLOSE-WAIT and FIN-WAIT-2 by the fast lane, then TIME-WAIT by the sweep. */
START_TEST(test_a_life)
{
	int listening = listener(PORT, 5), ends[2], other;
	const struct record *server, *one;
	struct snapshot s;
	int64_t born;
	uint16_t port;

	connection(listening, ends);
	port = port_of(ends[0]);
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	s = poll_now(LANE_SWEEP);
	born = need(&s, port, PORT)->born_ns;

	close(ends[0]); /* an orphan FIN-WAIT-2 minisocket and a CLOSE-WAIT */
	wait_ms(30);
	s = poll_now(LANE_FAST);
	one = need(&s, port, PORT);
	server = need(&s, PORT, port);
	ck_assert_uint_eq(one->sk.state, TCPDIAG_FIN_WAIT2);
	ck_assert_uint_eq(one->sk.kind, TCPDIAG_KIND_TIMEWAIT);
	ck_assert_uint_eq(one->sk.attachment, TCPDIAG_TIMEWAIT);
	ck_assert_int_eq(one->born_ns, born);
	ck_assert_uint_eq(one->direction, DIRECTION_OUTBOUND);
	ck_assert_uint_ne(one->flags & RECORD_STATE_EXACT, 0);
	ck_assert_uint_eq(one->holders, 0);
	ck_assert_int_eq(pid_of(snapshot_process(&s, one->creator)), getpid());
	ck_assert_uint_eq(server->sk.state, TCPDIAG_CLOSE_WAIT);
	ck_assert_uint_eq(server->direction, DIRECTION_INBOUND);
	ck_assert_uint_eq(server->holders, 1);
	ck_assert_int_ge(server->state_since_ns, born);
	ck_assert_int_le(server->state_since_ns, s.header->now_ns);
	ck_assert_uint_eq(s.header->totals.teardown[TCPDIAG_CLOSE_WAIT][TCPDIAG_HELD], 1);
	ck_assert_uint_eq(s.record_count, 3);
	ck_assert_ptr_eq(&s.records[one->peer], server);
	ck_assert_ptr_eq(&s.records[server->peer], one);
	/* Also where only the listeners were asked for, and the last record comes into the place of one. */
	other = listener(PORT + 1, 1);
	s = poll_now(LANE_SWEEP);
	ck_assert_ptr_ne(need(&s, PORT + 1, 0), &s.records[s.record_count - 1]);
	close(other);
	ck_assert_int_eq(collector_pass(collector, PASS_LISTENERS), 0);
	ck_assert_int_eq(collector_snapshot(collector, &s), 0);
	ck_assert_uint_eq(s.record_count, 3);
	one = need(&s, port, PORT);
	ck_assert_ptr_eq(&s.records[one->peer], need(&s, PORT, port));

	close(ends[1]); /* and now a TIME-WAIT, which the fast lane does not ask for */
	wait_ms(30);
	s = poll_now(LANE_FAST);
	ck_assert_uint_eq(s.record_count, 1);
	s = poll_now(LANE_SWEEP);
	ck_assert_uint_eq(s.record_count, 2);
	one = need(&s, port, PORT);
	ck_assert_uint_eq(one->sk.state, TCPDIAG_TIME_WAIT);
	ck_assert_int_eq(one->born_ns, born);
	ck_assert_uint_eq(one->direction, DIRECTION_OUTBOUND);
	ck_assert_int_eq(pid_of(snapshot_process(&s, one->creator)), getpid());
	ck_assert_uint_eq(one->close_rule, TCPDIAG_RULE_NONE);
}
END_TEST

/* The creator of an orphan is named after its process has died, and another walk has missed it. */
START_TEST(test_creator_outlives)
{
	int listening = listener(PORT, 5), go[2], done[2], server;
	const struct process *creator;
	const struct record *record;
	struct snapshot s;
	uint16_t port = 0;
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe2(go, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(done, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		int fd = client(PORT);

		port = port_of(fd);
		if (write(done[1], &port, sizeof(port)) != sizeof(port) ||
		    read(go[0], &byte, 1) != 1)
			_exit(1);
		_exit(0);
	}
	ck_assert_int_eq((int)read(done[0], &port, sizeof(port)), sizeof(port));
	server = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(server, 0);
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	s = poll_now(LANE_SWEEP);
	ck_assert_int_eq(pid_of(snapshot_owner(&s, need(&s, port, PORT))), pid);

	ck_assert_int_eq((int)write(go[1], "x", 1), 1);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	wait_ms(30);
	s = poll_now(LANE_FAST);
	record = need(&s, port, PORT);
	ck_assert_uint_eq(record->sk.attachment, TCPDIAG_TIMEWAIT);
	ck_assert_int_eq(pid_of(snapshot_process(&s, record->creator)), pid);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(collector_walk_owners(collector), 0);
		s = poll_now(i % 2 ? LANE_FAST : LANE_SWEEP);
		record = need(&s, port, PORT);
		creator = snapshot_process(&s, record->creator);
		ck_assert_ptr_nonnull(creator);
		ck_assert_int_eq(creator->pid, pid);
		ck_assert_uint_eq(creator->sockets[TCPDIAG_FIN_WAIT2], 0);
		ck_assert_int_eq(pid_of(snapshot_owner(&s, need(&s, PORT, port))), getpid());
	}
}
END_TEST

/*
 * A descriptor that only a message under way holds: two walks that began after it was seen, by /proc or by
 * BPF, which also knows why.
 */
START_TEST(test_unheld)
{
	int listening = listener(PORT, 5), ends[2], pair[2];
	struct cmsghdr *header;
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {};
	char byte = 'x';
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	const struct record *record;
	struct snapshot s;
	uint16_t port;
	bool clean;

	settings.bpf = _i;
	collector_configure(collector, &settings);
	connection(listening, ends);
	port = port_of(ends[1]) ? port_of(ends[0]) : 0;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	header = CMSG_FIRSTHDR(&message);
	ck_assert_ptr_nonnull(header);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &ends[1], sizeof(int));

	poll_now(LANE_SWEEP);
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	s = poll_now(LANE_FAST);
	/* Whoever cannot read every process must not say "nobody". */
	clean = s.sources[SOURCE_PROCESSES].state == SOURCE_OK;
	record = need(&s, PORT, port);
	ck_assert_uint_eq(record->holders, 1);
	ck_assert_int_eq(!!(record->flags & RECORD_OWNERS_KNOWN), clean);

	ck_assert_int_eq((int)sendmsg(pair[0], &message, 0), 1);
	close(ends[1]);
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	s = poll_now(LANE_FAST);
	record = need(&s, PORT, port);
	ck_assert_uint_eq(record->sk.attachment, TCPDIAG_HELD);
	ck_assert_uint_eq(record->holders, 0);
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	s = poll_now(LANE_SWEEP);
	record = need(&s, PORT, port);
	ck_assert_uint_eq(record->sk.attachment, clean ? TCPDIAG_UNHELD : TCPDIAG_HELD);
	ck_assert_int_eq(pid_of(snapshot_process(&s, record->creator)), getpid());
	s = poll_now(LANE_SWEEP);
	record = need(&s, PORT, port);
	ck_assert_uint_eq(record->sk.attachment, clean ? TCPDIAG_UNHELD : TCPDIAG_HELD);
	if (clean && s.sources[SOURCE_BPF].state == SOURCE_OK) {
		ck_assert_uint_ne(record->sk.known & TCPDIAG_KNOWS_REFERENCES, 0);
		ck_assert_uint_eq(record->sk.references, 1);
		ck_assert_int_eq(tcpdiag_unheld_reason(&record->sk), TCPDIAG_UNHELD_PASSED);
		ck_assert_uint_ne(record->sk.known & TCPDIAG_KNOWS_DESCRIPTORS, 0);
		ck_assert_uint_eq(record->sk.descriptors, 0);
	}

	/* It arrives. */
	ck_assert_int_eq((int)recvmsg(pair[1], &message, 0), 1);
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	s = poll_now(LANE_FAST);
	record = need(&s, PORT, port);
	ck_assert_uint_eq(record->sk.attachment, TCPDIAG_HELD);
	ck_assert_uint_eq(record->holders, 1);
}
END_TEST

START_TEST(test_processes_off_and_on)
{
	int listening = listener(PORT, 5), ends[2];
	const struct record *record;
	struct snapshot s;

	connection(listening, ends);
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	s = poll_now(LANE_SWEEP);
	ck_assert_uint_eq(need(&s, PORT, port_of(ends[0]))->holders, 1);

	settings.processes = false;
	collector_configure(collector, &settings);
	s = poll_now(LANE_FAST);
	record = need(&s, PORT, port_of(ends[0]));
	ck_assert_uint_eq(record->holders, 0);
	ck_assert_uint_eq(record->flags & RECORD_OWNERS_KNOWN, 0);
	ck_assert_uint_eq(s.process_count, 0);
	ck_assert_uint_eq(s.sources[SOURCE_PROCESSES].state, SOURCE_OFF);
	ck_assert_ptr_nonnull(strstr(snapshot_text(&s, s.header->missing), "processes"));

	settings.processes = true;
	collector_configure(collector, &settings);
	s = poll_now(LANE_FAST);
	ck_assert_uint_eq(s.sources[SOURCE_PROCESSES].state, SOURCE_STARTING);
	ck_assert_int_eq(collector_walk_owners(collector), 0);
	s = poll_now(LANE_FAST);
	record = need(&s, PORT, port_of(ends[0]));
	ck_assert_uint_eq(record->holders, 1);
	ck_assert_int_eq(pid_of(snapshot_owner(&s, record)), getpid());
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("collector");
	TCase *tc = tcase_create("collector");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_sweep);
	tcase_add_test(tc, test_a_life);
	tcase_add_test(tc, test_creator_outlives);
	tcase_add_loop_test(tc, test_unheld, 0, 2);
	tcase_add_test(tc, test_processes_off_and_on);
	suite_add_tcase(s, tc);
	return s;
}
