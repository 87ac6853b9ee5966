/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sd_notify(3). RELOADING=1 with MONOTONIC_USEC is what Type=notify-reload (systemd 253) waits for;
 * older ones ignore the time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "daemon/notify.h"
#include "model/macro.h"

#define STATUS_EVERY (5 * NSEC_PER_SEC)
#define START_TIMEOUT_USEC 120000000ULL /* a million sockets on a busy machine, generously */

void notify_open(struct notify *notify)
{
	uint64_t usec = 0;

	*notify = (struct notify){};
	if (sd_watchdog_enabled(0, &usec) > 0)
		notify->watchdog_ns = (int64_t)(usec * NSEC_PER_USEC);
	sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%llu\nSTATUS=Looking for the first time",
		   START_TIMEOUT_USEC);
}

void notify_ready(struct notify *notify)
{
	if (!notify->ready)
		sd_notify(0, "READY=1");
	notify->ready = true;
}

void notify_alive(struct notify *notify, int64_t now_ns)
{
	if (!notify->watchdog_ns || now_ns - notify->fed_ns < notify->watchdog_ns / 8)
		return;
	notify->fed_ns = now_ns;
	sd_notify(0, "WATCHDOG=1");
}

/* "135 ms", "1.25 ms", "0.031 ms"; "not made yet" */
static void print_cost(const struct lane_state *lane, char ret[static 32])
{
	double ms = (double)lane->cost_ns / (double)NSEC_PER_MSEC;

	if (!lane->passes)
		snprintf(ret, 32, "not made yet");
	else
		snprintf(ret, 32, "%.*f ms", ms >= 10 ? 0 : ms >= 0.1 ? 2 : 3, ms);
}

void notify_line(const struct snapshot *snapshot, char ret[static NOTIFY_STATUS])
{
	const struct snapshot_header *header = snapshot->header;
	uint32_t by[SEVERITY_MAX] = {};
	bool looked = header->lanes[LANE_FAST].passes || header->lanes[LANE_SWEEP].passes > 1;
	char sockets[32] = "sockets not counted yet", findings[96], fast[32], sweep[32];
	uint32_t i;

	if (header->lanes[LANE_SWEEP].passes)
		snprintf(sockets, sizeof(sockets), "%" PRIu32 " socket%s", header->totals.sockets,
			 header->totals.sockets == 1 ? "" : "s");
	/* What has been looked at once has no age and no growth. */
	snprintf(findings, sizeof(findings), "no findings%s", looked ? "" : " at first sight");
	for (i = 0; i < snapshot->finding_count; i++)
		if (snapshot->findings[i].severity < SEVERITY_MAX)
			by[snapshot->findings[i].severity]++;
	if (snapshot->finding_count)
		snprintf(findings, sizeof(findings),
			 "%" PRIu32 " finding%s (%" PRIu32 " critical, %" PRIu32 " warning)",
			 snapshot->finding_count, snapshot->finding_count == 1 ? "" : "s",
			 by[SEVERITY_CRITICAL], by[SEVERITY_WARNING]);
	print_cost(&header->lanes[LANE_FAST], fast);
	print_cost(&header->lanes[LANE_SWEEP], sweep);
	snprintf(ret, NOTIFY_STATUS, "%s, %s, fast poll %s, sweep %s%s", sockets, findings, fast,
		 sweep, header->lanes[LANE_SWEEP].passes ? " of CPU" : "");
}

void notify_status(struct notify *notify, const struct snapshot *snapshot, int64_t now_ns)
{
	char line[NOTIFY_STATUS];

	if (notify->status_ns && now_ns - notify->status_ns < STATUS_EVERY)
		return;
	notify_line(snapshot, line);
	if (!strcmp(line, notify->status))
		return;
	memcpy(notify->status, line, sizeof(line));
	notify->status_ns = now_ns;
	sd_notifyf(0, "STATUS=%s", line);
}

void notify_reloading(int64_t now_ns)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", now_ns / NSEC_PER_USEC);
}

void notify_reloaded(void)
{
	sd_notify(0, "READY=1");
}

void notify_stopping(void)
{
	sd_notify(0, "STOPPING=1\nSTATUS=Stopping");
}

void notify_keep(const char *name, int fd)
{
	char text[128];

	/* Nothing is to be polled for on it. */
	snprintf(text, sizeof(text), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	(void)sd_pid_notify_with_fds(0, 0, text, &fd, 1);
}

void notify_drop(const char *name)
{
	sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

void notify_failed(const char *step, int error)
{
	sd_notifyf(0, "STATUS=Cannot start: %s: %s\nERRNO=%d", step, strerror(error), error);
}
