/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A collector in a network namespace of a test's own, sockets in it, and its records of them.
 *
 * Each test of Check is a process of its own, so a namespace made here ends with the test.
 */
#pragma once

#include <arpa/inet.h>
#include <check.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "collector/collector.h"
#include "model/macro.h"

#define PORT 20443

static struct collector_settings settings;
static struct collector *collector;

/* Where no namespace can be made the test fails: there is nothing it could say. */
static inline void own_namespace(void)
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

static inline void setup(void)
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

static inline void teardown(void)
{
	collector = collector_free(collector);
}

static inline int listener(uint16_t port, int backlog)
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

static inline int client(uint16_t port)
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
static inline void connection(int listening, int ends[2])
{
	ends[0] = client(PORT);
	ends[1] = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(ends[1], 0);
}

static inline uint16_t port_of(int fd)
{
	struct sockaddr_in address = {};
	socklen_t length = sizeof(address);

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	return ntohs(address.sin_port);
}

static inline struct snapshot poll_now(enum lane lane)
{
	struct snapshot s = {};

	ck_assert_int_eq(collector_poll(collector, lane), 0);
	ck_assert_int_eq(collector_snapshot(collector, &s), 0);
	return s;
}

static inline int32_t pid_of(const struct process *process)
{
	ck_assert_ptr_nonnull(process);
	return process->pid;
}

static inline const struct record *find(const struct snapshot *s, uint16_t local, uint16_t remote)
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

static inline const struct record *need(const struct snapshot *s, uint16_t local, uint16_t remote)
{
	const struct record *record = find(s, local, remote);

	ck_assert_ptr_nonnull(record);
	return record;
}

static inline void wait_ms(long ms)
{
	const struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&pause, NULL);
}
