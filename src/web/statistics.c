/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A confined process cannot open /proc. statm is opened before and read again from its start (proc(5):
 * pages); descriptors are counted by asking for each number, up to the limit on open files.
 */
#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "web/statistics.h"

static double seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void statistics_init(struct statistics *statistics)
{
	*statistics = (struct statistics){
		.web.start_time_seconds = seconds(CLOCK_REALTIME),
		.statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC),
	};
}

void statistics_done(struct statistics *statistics)
{
	if (statistics->statm >= 0)
		close(statistics->statm);
	statistics->statm = -1;
}

static uint64_t resident_bytes(int statm)
{
	char text[128], *second;
	ssize_t len;

	len = statm < 0 ? -1 : pread(statm, text, sizeof(text) - 1, 0);
	if (len <= 0)
		return 0;
	text[len] = '\0';
	second = strchr(text, ' ');
	return second ? strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

/*
 * The kernel hands out the lowest free number, so the open ones lie close together: the search ends
 * after a long run of closed ones.
 */
static uint32_t open_descriptors(uint32_t at_least)
{
	uint32_t fd, count = 0, gap = 0;

	for (fd = 0; gap < 64 || count < at_least; fd++) {
		if (fcntl((int)fd, F_GETFD) >= 0) {
			count++;
			gap = 0;
		} else if (++gap > 65536) {
			break;
		}
	}
	return count;
}

void statistics_refresh(struct statistics *statistics, int64_t now_ns)
{
	struct web_statistics *web = &statistics->web;

	if (statistics->measured_ns && now_ns - statistics->measured_ns < NSEC_PER_SEC)
		return;
	statistics->measured_ns = now_ns;
	web->cpu_seconds = seconds(CLOCK_PROCESS_CPUTIME_ID);
	web->resident_bytes = resident_bytes(statistics->statm);
	web->open_fds = open_descriptors(web->connections_now);
}
