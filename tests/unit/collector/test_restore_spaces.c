/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Restarts where the sockets are in another namespace: what was known of them waits until it is found again,
 * and no longer.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>

#include "../harness.h"
#include "collector/private.h"
#include "live.h"

static void *copy;
static pid_t child;
static uint32_t netns;
static int talk[2];

/* A process with a half closed connection, in a namespace of its own. */
static void live_there(void)
{
	struct tcp_info info = {};
	socklen_t size;
	int listening, ends[2], byte = 0;

	own_namespace();
	listening = listener(PORT, 5);
	connection(listening, ends);
	shutdown(ends[0], SHUT_WR);
	/* An acknowledgement may take its time. */
	while (info.tcpi_state != TCP_FIN_WAIT2) {
		wait_ms(5);
		size = sizeof(info);
		ck_assert_int_eq(getsockopt(ends[0], IPPROTO_TCP, TCP_INFO, &info, &size), 0);
	}
	if (write(talk[1], &byte, 1) == 1)
		pause();
	_exit(0);
}

static void begin(void)
{
	char path[64], byte;
	struct stat st;

	setup();
	settings.namespaces = true;
	settings.max_namespaces = 4096;
	settings.max_history = 1024;
	settings.max_ended =
		65536; /* of all namespaces: what other tests end must not push ours out */
	collector = collector_free(collector);
	ck_assert_int_eq(pipe(talk), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0)
		live_there();
	ck_assert_int_eq(read(talk[0], &byte, 1), 1);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", child);
	ck_assert_int_eq(stat(path, &st), 0);
	netns = (uint32_t)st.st_ino;
	ck_assert_int_eq(collector_new(&settings, &collector), 0);
}

static void end_child(void)
{
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	child = 0;
}

static void end(void)
{
	end_child();
	teardown();
	free(copy);
	copy = NULL;
}

static const struct record *of_child(const struct snapshot *s)
{
	const struct record *found = NULL;
	uint32_t i;

	for (i = 0; i < s->record_count; i++)
		if (s->records[i].sk.netns == netns &&
		    s->records[i].sk.state == TCPDIAG_FIN_WAIT2) {
			ck_assert_ptr_null(found);
			found = &s->records[i];
		}
	return found;
}

static void restart(const struct snapshot *s)
{
	size_t size = s->header->bytes;
	const char *why = NULL;

	copy = aligned_alloc(64, (size + 63) & ~(size_t)63);
	ck_assert_ptr_nonnull(copy);
	memcpy(copy, s->header, size);
	collector = collector_free(collector);
	ck_assert_int_eq(collector_new(&settings, &collector), 0);
	ck_assert_int_eq(collector_restore(collector, copy, size, &why), 0);
}

/* Another collector, whose first search takes long. */
static struct sd_event *restart_slowly(const struct snapshot *s)
{
	struct sd_event *event = NULL;

	restart(s);
	ck_assert_int_ge(sd_event_new(&event), 0);
	ck_assert_int_ge(collector_attach(collector, event, NULL, NULL), 0);
	collector->census.last_ns = 1;
	return event;
}

static void same(const struct snapshot *s, const struct record *before)
{
	const struct record *now = of_child(s);
	const struct history_entry *entry;

	ck_assert_ptr_nonnull(now);
	ck_assert_uint_eq(now->sk.cookie, before->sk.cookie);
	ck_assert_int_eq(now->state_since_ns, before->state_since_ns);
	ck_assert_int_eq(now->born_ns, before->born_ns);
	ck_assert_uint_eq(now->flags & RECORD_STATE_EXACT, before->flags & RECORD_STATE_EXACT);
	entry = snapshot_history(s, &now->sk, now->history);
	ck_assert_uint_eq(!entry, !snapshot_history(s, &before->sk, before->history));
}

START_TEST(test_found_at_once)
{
	struct snapshot s = poll_now(LANE_SWEEP);
	struct record before;

	ck_assert_ptr_nonnull(of_child(&s));
	before = *of_child(&s);
	wait_ms(30);
	restart(&s);
	s = poll_now(LANE_FAST);
	same(&s, &before);
	ck_assert_int_eq(of_child(&s)->seen_ns, s.header->now_ns);
}
END_TEST

START_TEST(test_found_late)
{
	struct snapshot s = poll_now(LANE_SWEEP);
	struct sd_event *event;
	struct record before;
	int pass;

	ck_assert_ptr_nonnull(of_child(&s));
	before = *of_child(&s);
	event = restart_slowly(&s);
	/* Sweeps and fast passes, and somebody has gone somewhere. */
	for (pass = 0; pass < 4; pass++) {
		census_changed(collector);
		collector->spaces.lost = true;
		s = poll_now(pass % 2 ? LANE_FAST : LANE_SWEEP);
		same(&s, &before);
		ck_assert_int_eq(of_child(&s)->seen_ns, before.seen_ns);
		ck_assert_ptr_null(snapshot_namespace(&s, netns));
	}
	while (census_step(collector, NSEC_PER_SEC) == 0)
		;
	/* Where there are many, its turn comes some sweeps later, and the later the more they cost. */
	for (pass = 0; pass < 1000; pass++) {
		s = poll_now(LANE_SWEEP);
		same(&s, &before);
		if (of_child(&s)->seen_ns > before.seen_ns)
			break;
		usleep(20000);
	}
	ck_assert_ptr_nonnull(snapshot_namespace(&s, netns));
	ck_assert_int_gt(of_child(&s)->seen_ns, before.seen_ns);
	collector_detach(collector);
	sd_event_unref(event);
}
END_TEST

/* The namespace has ended meanwhile: its sockets have, too. */
START_TEST(test_not_found)
{
	struct snapshot s = poll_now(LANE_SWEEP);
	struct sd_event *event;
	uint64_t cookie;

	ck_assert_ptr_nonnull(of_child(&s));
	cookie = of_child(&s)->sk.cookie;
	event = restart_slowly(&s);
	end_child();
	s = poll_now(LANE_SWEEP);
	ck_assert_ptr_nonnull(of_child(&s));
	while (census_step(collector, NSEC_PER_SEC) == 0)
		;
	for (int pass = 0; pass < 1000; pass++) {
		s = poll_now(pass % 8 == 7 ? LANE_SWEEP : LANE_FAST);
		if (snapshot_ended(&s, netns, cookie))
			break;
		usleep(20000);
	}
	ck_assert_ptr_null(of_child(&s));
	ck_assert_ptr_nonnull(snapshot_ended(&s, netns, cookie));
	collector_detach(collector);
	sd_event_unref(event);
}
END_TEST

/* Nobody searches: nothing is waited for. */
START_TEST(test_switched_off)
{
	struct snapshot s = poll_now(LANE_SWEEP);

	ck_assert_ptr_nonnull(of_child(&s));
	settings.namespaces = false;
	restart(&s);
	s = poll_now(LANE_SWEEP);
	ck_assert_ptr_null(of_child(&s));
}
END_TEST

/* One that ends just before it is read is no failure yet; the search that follows does not know it any more. */
START_TEST(test_gone_half_way)
{
	struct snapshot s = poll_now(LANE_SWEEP);
	struct sd_event *event = restart_slowly(&s);
	struct space *space;
	char number[32];

	while (census_step(collector, NSEC_PER_SEC) == 0)
		;
	end_child();
	snprintf(number, sizeof(number), "(%u:", netns);
	s = poll_now(LANE_SWEEP);
	space = spaces_find(&collector->spaces, netns);
	ck_assert_ptr_nonnull(space);
	ck_assert_int_eq(space->error, ENOENT);
	ck_assert_ptr_null(strstr(snapshot_text(&s, s.sources[SOURCE_NAMESPACES].reason), number));
	ck_assert_uint_eq(snapshot_namespace(&s, netns)->state, SOURCE_FAILED);
	ck_assert(collector->census.hurry);
	/* Again and again: something is wrong. */
	space->retry_ns = 0;
	s = poll_now(LANE_SWEEP);
	ck_assert_uint_eq(s.sources[SOURCE_NAMESPACES].state, SOURCE_DEGRADED);
	ck_assert_ptr_nonnull(strstr(snapshot_text(&s, s.sources[SOURCE_NAMESPACES].reason),
				     "cannot be entered"));
	while (census_step(collector, NSEC_PER_SEC) == 0)
		;
	s = poll_now(LANE_SWEEP);
	ck_assert_ptr_null(snapshot_namespace(&s, netns));
	collector_detach(collector);
	sd_event_unref(event);
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("restore-spaces");
	TCase *tc = tcase_create("restore-spaces");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, begin, end);
	tcase_add_test(tc, test_found_at_once);
	tcase_add_test(tc, test_found_late);
	tcase_add_test(tc, test_not_found);
	tcase_add_test(tc, test_switched_off);
	tcase_add_test(tc, test_gone_half_way);
	suite_add_tcase(suite, tc);
	return suite;
}
