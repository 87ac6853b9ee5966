/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The collector on real sockets, in a network namespace of its own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "../harness.h"
#include "collector/collector.h"
#include "model/macro.h"

#define PORT 20443
#define FIXTURES "tests/fixtures/" /* tests run in the source tree */

static struct collector_settings settings;
static struct collector *collector;

/* Where namespaces cannot be made there is nothing to test: exit like automake's SKIP. */
static void own_namespace(void)
{
	struct ifreq request = { .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		ck_assert_int_eq(unshare(CLONE_NEWUSER | CLONE_NEWNET), 0);
	strcpy(request.ifr_name, "lo");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
}

static void setup(void)
{
	own_namespace();
	settings = (struct collector_settings){ .interval_ns = NSEC_PER_SEC,
						.sweep_interval_ns = 5 * NSEC_PER_SEC,
						.cpu_share = 5,
						.max_sockets = 4000000,
						.max_strings = 1 << 20,
						.max_findings = 1000,
						.max_processes = 100000,
						.processes = true };
	thresholds_default(&settings.thresholds);
	ck_assert_int_eq(collector_new(&settings, &collector), 0);
}

static void teardown(void)
{
	collector = collector_free(collector);
}

static int listener(uint16_t port, int backlog)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	return fd;
}

static int client(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* A connection to @listening: [0] the client's end, [1] the server's. */
static void connection(int listening, int ends[2])
{
	ends[0] = client(PORT);
	ends[1] = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(ends[1], 0);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	return ntohs(address.sin_port);
}

static struct snapshot poll_now(enum lane lane)
{
	struct snapshot s = {};

	ck_assert_int_eq(collector_poll(collector, lane), 0);
	ck_assert_int_eq(collector_snapshot(collector, &s), 0);
	return s;
}

static int32_t pid_of(const struct process *process)
{
	ck_assert_ptr_nonnull(process);
	return process->pid;
}

static const struct record *find(const struct snapshot *s, uint16_t local, uint16_t remote)
{
	const struct record *found = NULL;
	uint32_t i;

	for (i = 0; i < s->record_count; i++)
		if (s->records[i].sk.local_port == local &&
		    s->records[i].sk.remote_port == remote) {
			ck_assert_ptr_null(found);
			found = &s->records[i];
		}
	return found;
}

static const struct record *need(const struct snapshot *s, uint16_t local, uint16_t remote)
{
	const struct record *record = find(s, local, remote);

	ck_assert_ptr_nonnull(record);
	return record;
}

static void wait_ms(long ms)
{
	const struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&pause, NULL);
}

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
	int listening = listener(PORT, 5), ends[2];
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

/* A descriptor that only a message under way holds: two walks that began after it was seen. */
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

START_TEST(test_limit_of_sockets)
{
	int listening = listener(PORT, 50), i;
	struct snapshot s;

	for (i = 0; i < 20; i++)
		client(PORT);
	ck_assert_int_ge(listening, 0);
	s = poll_now(LANE_SWEEP);
	ck_assert_uint_eq(s.record_count, 41);
	ck_assert_uint_eq(s.header->limits[LIMIT_SOCKETS], 0);
	settings.max_sockets = 10;
	collector_configure(collector, &settings);
	s = poll_now(LANE_SWEEP);
	ck_assert_uint_eq(s.record_count, 10);
	ck_assert_uint_eq(s.header->limits[LIMIT_SOCKETS], 31);
	ck_assert_ptr_nonnull(strstr(snapshot_text(&s, s.header->missing), "31 sockets"));
	settings.max_sockets = 41;
	collector_configure(collector, &settings);
	s = poll_now(LANE_SWEEP);
	ck_assert_uint_eq(s.record_count, 41);
	ck_assert_uint_eq(s.header->limits[LIMIT_SOCKETS], 31);
}
END_TEST

START_TEST(test_lent)
{
	struct channel_lend lends[CHANNEL_BUFFERS];
	struct pool *pool = collector_pool(collector);
	struct snapshot s;
	uint64_t id;
	int i;

	for (i = 0; i < (int)CHANNEL_BUFFERS; i++) {
		poll_now(LANE_SWEEP);
		ck_assert_int_eq(pool_lend(pool, &lends[i]), 0);
		ck_assert_uint_eq(lends[i].id, (uint64_t)i + 1);
	}
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(collector_poll(collector, LANE_FAST), 1);
	ck_assert_int_eq(collector_snapshot(collector, &s), 0);
	id = s.header->id;
	ck_assert_uint_eq(id, CHANNEL_BUFFERS + 3);
	/* Its own skip is counted once it is known. */
	ck_assert_uint_eq(s.header->limits[LIMIT_SNAPSHOTS_SKIPPED], 2);
	ck_assert_int_eq(pool_return(pool, &lends[0]), 0);
	s = poll_now(LANE_FAST);
	ck_assert_uint_eq(s.header->limits[LIMIT_SNAPSHOTS_SKIPPED], 3);
}
END_TEST

/* A source that cannot be opened is said; when it can be, polls go on. */
START_TEST(test_source_fails)
{
	struct rlimit limit, old;
	struct collector *poor = NULL;
	struct snapshot s;
	int64_t first_ns;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	limit = old;
	limit.rlim_cur = (rlim_t)fd + 1; /* one: the pool's memfd */
	close(fd);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	settings.processes = false;
	ck_assert_int_eq(collector_new(&settings, &poor), 0);
	ck_assert_int_eq(collector_poll(poor, LANE_FAST), -EMFILE);
	ck_assert_int_eq(collector_snapshot(poor, &s), 0);
	ck_assert_uint_eq(s.sources[SOURCE_SOCK_DIAG].state, SOURCE_FAILED);
	ck_assert_int_eq(s.sources[SOURCE_SOCK_DIAG].error, EMFILE);
	ck_assert_uint_ge(s.sources[SOURCE_SOCK_DIAG].failures, 1);
	ck_assert_uint_eq(s.sources[SOURCE_COUNTERS].state, SOURCE_FAILED);
	ck_assert_ptr_nonnull(strstr(snapshot_text(&s, s.header->missing), "sock_diag"));
	ck_assert_int_eq(s.header->lanes[LANE_SWEEP].last_ns, 0);
	ck_assert_uint_eq(s.header->id, 1);
	first_ns = s.header->now_ns;
	/* It gets older, and is published all the same. */
	wait_ms(5);
	ck_assert_int_eq(collector_poll(poor, LANE_SWEEP), -EMFILE);
	ck_assert_int_eq(collector_snapshot(poor, &s), 0);
	ck_assert_uint_eq(s.header->id, 2);
	ck_assert_int_eq(s.header->now_ns, first_ns);
	ck_assert(!s.header->orphans.count_known);

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	ck_assert_int_eq(listener(PORT, 1) >= 0, 1);
	ck_assert_int_eq(collector_poll(poor, LANE_FAST), 0);
	ck_assert_int_eq(collector_snapshot(poor, &s), 0);
	ck_assert_uint_eq(s.sources[SOURCE_SOCK_DIAG].state, SOURCE_OK);
	ck_assert_uint_eq(s.sources[SOURCE_COUNTERS].state, SOURCE_OK);
	ck_assert_uint_eq(s.record_count, 1);
	collector_free(poor);
}
END_TEST

struct seen {
	sd_event *event;
	int count, enough;
	uint64_t last_id;
};

static void on_published(struct collector *c, int result, void *context)
{
	struct seen *seen = context;
	struct snapshot s;

	ck_assert_int_eq(result, 0);
	ck_assert_int_eq(collector_snapshot(c, &s), 0);
	ck_assert_uint_eq(s.header->id, seen->last_id + 1);
	seen->last_id = s.header->id;
	/* The walk sees all processes of the machine: that takes as long as it takes. */
	if (++seen->count >= seen->enough && s.header->lanes[LANE_OWNERS].passes &&
	    s.sources[SOURCE_PROCESSES].state != SOURCE_STARTING)
		sd_event_exit(seen->event, 0);
}

START_TEST(test_event_loop)
{
	struct seen seen = { .enough = 12 };
	int listening = listener(PORT, 5), ends[2];
	struct timespec t0, t1;
	struct snapshot s;
	double seconds;

	connection(listening, ends);
	settings.interval_ns = 50 * NSEC_PER_MSEC;
	settings.sweep_interval_ns = 200 * NSEC_PER_MSEC;
	settings.cpu_share = 100;
	collector_configure(collector, &settings);
	ck_assert_int_ge(sd_event_new(&seen.event), 0);
	ck_assert_int_eq(collector_attach(collector, seen.event, on_published, &seen), 0);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	ck_assert_int_eq(sd_event_loop(seen.event), 0);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	seconds = (double)(t1.tv_sec - t0.tv_sec) + (double)(t1.tv_nsec - t0.tv_nsec) / 1e9;
	ck_assert_double_ge(seconds, 0.5);
	ck_assert_int_eq(collector_snapshot(collector, &s), 0);
	ck_assert_uint_ge(s.header->lanes[LANE_SWEEP].passes, 3);
	ck_assert_uint_ge(s.header->lanes[LANE_FAST].passes, 5);
	ck_assert_int_eq(s.header->lanes[LANE_FAST].wanted_ns, 50 * NSEC_PER_MSEC);
	ck_assert_uint_eq(s.record_count, 3);
	/* The names came by themselves. */
	ck_assert_uint_ge(s.header->lanes[LANE_OWNERS].passes, 1);
	ck_assert_int_eq(pid_of(snapshot_owner(&s, need(&s, PORT, port_of(ends[0])))), getpid());
	collector = collector_free(collector);
	sd_event_unref(seen.event);
}
END_TEST

START_TEST(test_reload_is_told)
{
	struct snapshot s;

	collector_set_reload(collector, false, "line 3: no such key", 77);
	collector_set_web_restarts(collector, 4);
	s = poll_now(LANE_SWEEP);
	ck_assert(!s.header->reload_ok);
	ck_assert_int_eq(s.header->reload_ns, 77);
	ck_assert_str_eq(snapshot_text(&s, s.header->reload_error), "line 3: no such key");
	ck_assert_uint_eq(s.header->web_restarts, 4);
	collector_set_reload(collector, true, NULL, 78);
	s = poll_now(LANE_FAST);
	ck_assert(s.header->reload_ok);
	ck_assert_str_eq(snapshot_text(&s, s.header->reload_error), "");
}
END_TEST

START_TEST(test_replay_of_nothing)
{
	struct collector *none = NULL;

	settings.replay = "/nonexistent/dump";
	ck_assert_int_eq(collector_new(&settings, &none), -ENOENT);
	ck_assert_ptr_null(none);
}
END_TEST

/* As `ss -D` has written it: no clock runs, nothing else is known, nothing is made up. */
START_TEST(test_replay)
{
	struct collector *replay = NULL;
	struct snapshot s;
	uint32_t i, waiting = 0;

	settings.replay = FIXTURES "listener-queue-full.dump";
	ck_assert_int_eq(collector_new(&settings, &replay), 0);
	ck_assert_int_eq(collector_poll(replay, LANE_SWEEP), 0);
	ck_assert_int_eq(collector_snapshot(replay, &s), 0);
	ck_assert(s.header->replay);
	ck_assert_uint_gt(s.record_count, 5);
	ck_assert_uint_eq(s.header->counters.known, 0);
	ck_assert_uint_eq(s.header->environment.known, 0);
	ck_assert(!s.header->orphans.count_known);
	ck_assert_uint_eq(s.process_count, 0);
	ck_assert_uint_eq(s.sources[SOURCE_SOCK_DIAG].state, SOURCE_OK);
	for (i = SOURCE_MPTCP_DIAG; i < SOURCE_MAX; i++)
		ck_assert_uint_eq(s.sources[i].state, SOURCE_OFF);
	for (i = 0; i < s.record_count; i++) {
		const struct record *record = &s.records[i];

		ck_assert_uint_eq(record->flags & (RECORD_BORN_SEEN | RECORD_OWNERS_KNOWN), 0);
		if (record->sk.attachment != TCPDIAG_UNACCEPTED)
			continue;
		waiting++;
		ck_assert_uint_eq(record->direction, DIRECTION_INBOUND);
		ck_assert_uint_eq(s.records[record->listener].sk.state, TCPDIAG_LISTEN);
	}
	ck_assert_uint_gt(waiting, 0);
	ck_assert_uint_eq(s.header->totals.attachment[TCPDIAG_UNACCEPTED], waiting);
	/* The same again is the same again. */
	i = s.record_count;
	ck_assert_int_eq(collector_poll(replay, LANE_SWEEP), 0);
	ck_assert_int_eq(collector_poll(replay, LANE_FAST), 0);
	ck_assert_int_eq(collector_snapshot(replay, &s), 0);
	ck_assert_uint_eq(s.record_count, i);
	collector_free(replay);
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
	tcase_add_test(tc, test_unheld);
	tcase_add_test(tc, test_processes_off_and_on);
	tcase_add_test(tc, test_limit_of_sockets);
	tcase_add_test(tc, test_lent);
	tcase_add_test(tc, test_source_fails);
	tcase_add_test(tc, test_event_loop);
	tcase_add_test(tc, test_reload_is_told);
	tcase_add_test(tc, test_replay_of_nothing);
	tcase_add_test(tc, test_replay);
	suite_add_tcase(s, tc);
	return s;
}
