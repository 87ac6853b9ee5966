/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The events of a namespace of the test's own.
 */
#pragma once

#include <stdlib.h>
#include <sys/wait.h>

#include "../harness.h"
#include "kernel/event_rows.h"
#include "scene.h"

#define EVENTS_MAX 256
#define HZ 250

static struct event_reader *reader;
static uint32_t own_netns;
static struct socket_event seen[EVENTS_MAX];
static int seen_count;

/* Other tests run on this machine at the same time. */
static inline int keep(const struct socket_event *event, void *context)
{
	(void)context;
	if (event->sk.netns == own_netns && seen_count < EVENTS_MAX)
		seen[seen_count++] = *event;
	return 0;
}

static inline void setup(void)
{
	struct stat st;
	int r;

	scene_begin();
	ck_assert_int_eq(stat("/proc/self/ns/net", &st), 0);
	own_netns = (uint32_t)st.st_ino;
	r = events_open(4U << 20, HZ, &reader);
	if (r == -EPERM || r == -EOPNOTSUPP)
		scene_skip("no events: BPF or its tracepoints are missing");
	ck_assert_int_eq(r, 0);
	seen_count = 0;
}

static inline void teardown(void)
{
	ck_assert_uint_eq(events_dropped(reader), 0);
	reader = events_free(reader);
}

static inline void drain(void)
{
	scene_nap(50);
	ck_assert_int_ge(events_drain(reader, keep, NULL), 0);
}

static inline bool matches(const struct socket_event *event, int kind, uint16_t local,
			   int old_state, int state)
{
	return event->kind == kind && event->sk.local_port == local &&
	       (old_state < 0 || event->old_state == old_state) &&
	       (state < 0 || event->sk.state == state);
}

/* The only one of that kind at that local port; NULL where there is none. */
static inline const struct socket_event *find(int kind, uint16_t local, int old_state, int state)
{
	const struct socket_event *found = NULL;

	for (int i = 0; i < seen_count; i++) {
		if (!matches(&seen[i], kind, local, old_state, state))
			continue;
		ck_assert_msg(!found, "twice: kind %d, port %u", kind, local);
		found = &seen[i];
	}
	return found;
}

static inline const struct socket_event *state_change(uint16_t local, int old_state, int state)
{
	const struct socket_event *event = find(SOCKET_EVENT_STATE, local, old_state, state);

	ck_assert_msg(event, "no change from %s to %s",
		      tcpdiag_state_name((enum tcpdiag_state)old_state),
		      tcpdiag_state_name((enum tcpdiag_state)state));
	return event;
}

static inline void ck_reason(const struct socket_event *event, const char *reason)
{
	if (events_have_reasons(reader))
		ck_assert_str_eq(reset_reason_name(event->reason), reason);
	else
		ck_assert_int_eq(event->reason, RESET_REASON_NONE);
}

/* The number of our own folder in the unified hierarchy; 0 where that is mounted nowhere. */
static inline uint64_t own_cgroup(void)
{
	static const char *const mounts[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };
	char line[512], path[640] = "";
	FILE *f = fopen("/proc/self/cgroup", "re");
	struct stat st;

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		for (size_t i = 0; i < ARRAY_SIZE(mounts) && !strncmp(line, "0::", 3); i++) {
			snprintf(path, sizeof(path), "%s/cgroup.controllers", mounts[i]);
			if (access(path, F_OK))
				continue;
			snprintf(path, sizeof(path), "%s%s", mounts[i], line + 3);
			fclose(f);
			return stat(path, &st) ? 0 : st.st_ino;
		}
	}
	fclose(f);
	return 0;
}
