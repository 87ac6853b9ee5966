/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What systemd is told: ready, alive, one line of status. Without systemd nothing happens.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/snapshot.h"

#define NOTIFY_STATUS 256

struct notify {
	int64_t watchdog_ns; /* how often it wants to hear; 0: never */
	int64_t fed_ns;
	int64_t status_ns; /* when the line went out */
	char status[NOTIFY_STATUS];
	bool ready;
};

/* Reads what systemd wants (WATCHDOG_USEC), asks for time for the first dump. */
void notify_open(struct notify *notify);

/* Once, when the first snapshot is there and the web process serves. */
void notify_ready(struct notify *notify);

/* The collector has looked. Not called when it hangs: then the watchdog bites. */
void notify_alive(struct notify *notify, int64_t now_ns);

/* The line, when it changed, at most every five seconds. */
void notify_status(struct notify *notify, const struct snapshot *snapshot, int64_t now_ns);

/* Around a reload: RELOADING=1 with MONOTONIC_USEC, then READY=1. */
void notify_reloading(int64_t now_ns);
void notify_reloaded(void);

void notify_stopping(void);

/* systemd keeps a descriptor for the next start, and lets go of it (FDSTORE=1, FDSTOREREMOVE=1). */
void notify_keep(const char *name, int fd);
void notify_drop(const char *name);

/* It cannot start: @error is a positive errno. */
void notify_failed(const char *step, int error);

/*
 * "148150 sockets, 2 findings (1 critical, 1 warning), fast poll 1.2 ms, sweep 135 ms of CPU";
 * what was not looked at yet is said to be so; pure.
 */
void notify_line(const struct snapshot *snapshot, char ret[static NOTIFY_STATUS]);
