/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who has ended a connection: this process, one that is gone, one whose number somebody else has by now.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../harness.h"
#include "collector/events_private.h"

#define NOBODY 5000000 /* above what the kernel gives */

static struct collector *collector;
static struct events_lane *lane;

static int64_t now_of(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

static void setup(void)
{
	collector = calloc(1, sizeof(*collector));
	lane = calloc(1, sizeof(*lane));
	ck_assert(collector && lane);
	collector->events = lane;
	ck_assert_int_eq(chronicle_open(&collector->chronicle, 16384, "boot", 1), 0);
	lane->now_ns = now_of(CLOCK_MONOTONIC);
	lane->boot_offset_ns = now_of(CLOCK_BOOTTIME) - lane->now_ns;
}

static void teardown(void)
{
	chronicle_close(&collector->chronicle);
	free(lane);
	free(collector);
}

static struct socket_event event_of(int32_t pid, const char *comm)
{
	struct socket_event event = {
		.when_ns = lane->now_ns,
		.pid = pid,
		.cgroup = 7,
		.sk = { .cookie = 5, .netns = 6 },
	};

	snprintf(event.comm, sizeof(event.comm), "%s", comm);
	return event;
}

static struct event_name named(uint32_t number)
{
	struct journal_view view;
	struct event_name name;

	journal_view(collector_journal(collector), &view);
	ck_assert_int_eq(journal_read_name(&view, number, &name), 0);
	return name;
}

/* A process that has ended and been waited for. */
static int32_t gone(void)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid)
		_exit(0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	return pid;
}

START_TEST(one_that_lives)
{
	struct socket_event event = event_of(getpid(), "a thread");
	uint32_t number = lane_process(collector, &event);
	struct event_name name = named(number);

	ck_assert_int_eq(name.pid, getpid());
	ck_assert_uint_gt(name.start_time, 0);
	/* That of the process, not of the thread that was seen. */
	ck_assert_str_ne(name.comm, "a thread");
	ck_assert_str_ne(name.comm, "");
	/* Read once a minute. */
	ck_assert_uint_eq(lane->reads, 1);
	ck_assert_uint_eq(lane_process(collector, &event), number);
	ck_assert_uint_eq(lane->reads, 1);
	lane->now_ns += 61 * NSEC_PER_SEC;
	ck_assert_uint_eq(lane_process(collector, &event), number);
	ck_assert_uint_eq(lane->reads, 2);
}
END_TEST

static void check_unread(const struct socket_event *event, const char *comm)
{
	struct event_name name = named(lane_process(collector, event));

	ck_assert_int_eq(name.pid, event->pid);
	ck_assert_str_eq(name.comm, comm);
	ck_assert_uint_eq(name.start_time, 0);
	ck_assert_str_eq(name.unit, "");
}

/* What came with the event is what is known. */
START_TEST(one_that_is_gone)
{
	struct socket_event event = event_of(gone(), "short-lived");

	check_unread(&event, "short-lived");
	event = event_of(0, "nobody");
	ck_assert_uint_eq(lane_process(collector, &event), 0);
	event.pid = -1;
	ck_assert_uint_eq(lane_process(collector, &event), 0);
}
END_TEST

/* Whoever has the number now began after the event: he does not name it. */
START_TEST(a_number_given_again)
{
	struct socket_event event = event_of(getpid(), "before");

	event.when_ns = -lane->boot_offset_ns;
	check_unread(&event, "before");
}
END_TEST

/* A storm of processes does not make one drain read all of /proc. */
START_TEST(too_many)
{
	struct socket_event event;

	lane->reads = 1000;
	event = event_of(getpid(), "one of many");
	check_unread(&event, "one of many");
	ck_assert_uint_eq(lane->reads, 1000);
}
END_TEST

static bool closer_of(uint64_t cookie, uint32_t netns, struct owner_process *ret)
{
	return lane_closer(collector, &(struct tcpdiag_socket){ .cookie = cookie, .netns = netns },
			   ret);
}

START_TEST(closers)
{
	struct socket_event event = event_of(getpid(), "closer");
	struct owner_process process = {};

	/* Only whoever has let go of it. */
	lane_process(collector, &event);
	ck_assert(!closer_of(5, 6, &process));
	event.released = true;
	lane_process(collector, &event);
	ck_assert(closer_of(5, 6, &process));
	ck_assert_int_eq(process.pid, getpid());
	ck_assert_uint_gt(process.start_time, 0);
	ck_assert_ptr_nonnull(process.cgroup);
	ck_assert_ptr_nonnull(process.container_name);
	ck_assert(!closer_of(5, 7, &process));
	ck_assert(!closer_of(6, 6, &process));
	ck_assert(!closer_of(0, 6, &process));
}
END_TEST

/* His place has been given to others: nobody is named in his stead. */
START_TEST(closers_make_room)
{
	struct socket_event event = event_of(getpid(), "closer");
	struct owner_process process;

	event.released = true;
	lane_process(collector, &event);
	lane->reads = 1000;
	for (int32_t i = 0; i < 20000; i++) {
		struct socket_event other = event_of(NOBODY + i, "other");

		lane_process(collector, &other);
	}
	ck_assert(!closer_of(5, 6, &process));
	/* He comes again, and is another row of the same. */
	lane->reads = 0;
	lane_process(collector, &event);
	ck_assert(closer_of(5, 6, &process));
	ck_assert_int_eq(process.pid, getpid());
}
END_TEST

START_TEST(no_lane)
{
	struct owner_process process;

	collector->events = NULL;
	ck_assert(!closer_of(5, 6, &process));
	collector->events = lane;
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("people of events");
	TCase *tests = tcase_create("people");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, one_that_lives);
	tcase_add_test(tests, one_that_is_gone);
	tcase_add_test(tests, a_number_given_again);
	tcase_add_test(tests, too_many);
	tcase_add_test(tests, closers);
	tcase_add_test(tests, closers_make_room);
	tcase_add_test(tests, no_lane);
	suite_add_tcase(s, tests);
	return s;
}
