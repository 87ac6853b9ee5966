/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The collector and the encoder in one process, one step a line, so that steps can be interleaved with what
 * they are compared with. Each answer is a line of JSON; "cpu" is processor time in nanoseconds.
 *
 *   raw all|fast     a dump of the states that a sweep or the fast lane asks for, with the same attributes,
 *                    received into one buffer and not looked at
 *   full, fast       a poll: dump, join, verdicts, totals, findings, publication
 *   walk             the pass over the descriptors: holders, and with BPF the settings of each socket
 *   descriptors      the same pass as the kernel gives it, with nothing made of it
 *   links            readlink() of every descriptor in /proc, nothing made of it
 *   look-up N        settings of N sockets of the newest snapshot, evenly chosen
 *   encode           what GET /sockets?limit=0 answers, made but not sent
 *   size             bytes of a record and of the newest snapshot
 *
 * With the argument no-bpf the collector goes without, and walks over /proc. "rows" of 0 from descriptors or
 * look-up: this kernel or build has no such way.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "collector/collector.h"
#include "collector/memory.h"
#include "daemon/options.h"
#include "daemon/settings.h"
#include "kernel/bpf.h"
#include "kernel/sock_diag.h"
#include "kernel/uapi.h"
#include "model/macro.h"
#include "web/sockets.h"

struct probe {
	struct collector *collector;
	struct bpf_reader *bpf; /* NULL: none here */
	int netlink;
	bool single_pass; /* as the collector does it here */
};

static long long now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (long long)t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

/* ---- a dump that nobody looks at ---- */

static int send_old_request(int fd, uint32_t states, uint8_t extensions)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req body;
	} m = {
		.header = { .nlmsg_len = sizeof(m),
			    .nlmsg_type = TCPDIAG_GETSOCK,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.body = { .idiag_family = AF_INET,
			  .idiag_ext = extensions,
			  .idiag_states = states },
	};

	return send(fd, &m, sizeof(m), 0) < 0 ? -errno : 0;
}

static int send_request(int fd, int family, uint32_t states, uint8_t extensions)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 body;
	} m = {
		.header = { .nlmsg_len = sizeof(m),
			    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.body = { .sdiag_family = (uint8_t)family,
			  .sdiag_protocol = IPPROTO_TCP,
			  .idiag_ext = extensions,
			  .idiag_states = states },
	};

	return send(fd, &m, sizeof(m), 0) < 0 ? -errno : 0;
}

/* Datagrams until the one that ends the dump, which stands by itself or begins with it. */
static long long drain(int fd)
{
	static _Alignas(struct nlmsghdr) char buffer[32768];
	long long bytes = 0;

	for (;;) {
		const struct nlmsghdr *header = (const struct nlmsghdr *)buffer;
		ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

		if (n < (ssize_t)sizeof(*header))
			return n < 0 ? -errno : -EBADMSG;
		if (header->nlmsg_type == NLMSG_ERROR)
			return -EPROTO;
		if (header->nlmsg_type == NLMSG_DONE)
			return bytes;
		bytes += n;
	}
}

static void raw(const struct probe *probe, uint32_t states)
{
	const uint8_t extensions = 1U << (INET_DIAG_INFO - 1) | 1U << (INET_DIAG_SKMEMINFO - 1);
	long long cpu = now(CLOCK_PROCESS_CPUTIME_ID), bytes, more = 0;

	if (probe->single_pass) {
		bytes = send_old_request(probe->netlink, states, extensions);
		bytes = bytes < 0 ? bytes : drain(probe->netlink);
	} else {
		bytes = send_request(probe->netlink, AF_INET, states, extensions);
		bytes = bytes < 0 ? bytes : drain(probe->netlink);
		more = send_request(probe->netlink, AF_INET6, states, extensions);
		more = more < 0 ? more : drain(probe->netlink);
	}
	if (bytes < 0 || more < 0)
		errx(1, "raw dump: %s", strerror((int)-MIN(bytes, more)));
	printf("{\"cpu\":%lld,\"bytes\":%lld}\n", now(CLOCK_PROCESS_CPUTIME_ID) - cpu,
	       bytes + more);
}

/* ---- polls ---- */

static void snapshot_of(const struct probe *probe, struct snapshot *ret)
{
	int r = collector_snapshot(probe->collector, ret);

	if (r < 0)
		errx(1, "no snapshot: %s", strerror(-r));
}

static void poll_lane(const struct probe *probe, enum lane lane)
{
	long long cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	struct snapshot snapshot;
	int r = collector_poll(probe->collector, lane);

	cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	if (r < 0)
		errx(1, "poll: %s", strerror(-r));
	snapshot_of(probe, &snapshot);
	printf("{\"cpu\":%lld,\"records\":%u,\"rows\":%u}\n", cpu, snapshot.record_count,
	       lane == LANE_OWNERS ? 0 : snapshot.header->lanes[lane].rows);
}

/* ---- what BPF reads, by itself ---- */

static void descriptors(const struct probe *probe)
{
	long long cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	struct tcpdiag_socket closed;
	struct descriptor row;
	unsigned int rows = 0;
	int r;

	r = probe->bpf ? descriptors_begin(probe->bpf) : -EOPNOTSUPP;
	if (r >= 0)
		while ((r = descriptors_next(probe->bpf, &row, &closed)) > 0)
			rows++;
	if (r < 0 && r != -EOPNOTSUPP)
		errx(1, "descriptors: %s", strerror(-r));
	printf("{\"cpu\":%lld,\"rows\":%u}\n", now(CLOCK_PROCESS_CPUTIME_ID) - cpu, rows);
}

/* What everybody does who asks /proc for the holder of a socket. */
static unsigned int links_of(const char *pid)
{
	char path[300], link[256];
	const struct dirent *entry;
	unsigned int rows = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	folder = opendir(path);
	while (folder && (entry = readdir(folder)))
		if (readlinkat(dirfd(folder), entry->d_name, link, sizeof(link)) > 0)
			rows++;
	if (folder)
		closedir(folder);
	return rows;
}

static void links(void)
{
	long long cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	const struct dirent *entry;
	unsigned int rows = 0;
	DIR *proc = opendir("/proc");

	while (proc && (entry = readdir(proc)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			rows += links_of(entry->d_name);
	if (proc)
		closedir(proc);
	printf("{\"cpu\":%lld,\"rows\":%u}\n", now(CLOCK_PROCESS_CPUTIME_ID) - cpu, rows);
}

static void look_up(const struct probe *probe, uint32_t count)
{
	static const struct tcpdiag_socket *asked[LOOK_UP_MAX];
	static struct socket_settings settings[LOOK_UP_MAX];
	struct snapshot snapshot;
	long long cpu;
	uint32_t i;
	int r = 0;

	snapshot_of(probe, &snapshot);
	count = MIN(count, MIN(snapshot.record_count, LOOK_UP_MAX));
	for (i = 0; i < count; i++)
		asked[i] = &snapshot.records[(uint64_t)i * snapshot.record_count / count].sk;
	cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	if (probe->bpf && bpf_reader_has_look_up(probe->bpf))
		r = settings_look_up(probe->bpf, asked, count, settings);
	if (r < 0)
		errx(1, "look-up: %s", strerror(-r));
	printf("{\"cpu\":%lld,\"asked\":%u,\"rows\":%d}\n", now(CLOCK_PROCESS_CPUTIME_ID) - cpu,
	       count, r);
}

static void encode(const struct probe *probe)
{
	long long cpu = now(CLOCK_PROCESS_CPUTIME_ID), bytes = 0;
	struct document *document;
	struct problem problem = {};
	struct snapshot snapshot;
	struct buffer b = {};
	int r;

	snapshot_of(probe, &snapshot);
	r = sockets_document(&snapshot, "limit=0", now(CLOCK_MONOTONIC), now(CLOCK_REALTIME),
			     &document, &problem);
	if (r < 0)
		errx(1, "encode: %s", strerror(-r));
	do {
		b.len = 0;
		r = document->more(document, &b);
		bytes += (long long)b.len;
	} while (r > 0);
	document_free(document);
	buffer_done(&b);
	if (r < 0)
		errx(1, "encode: %s", strerror(-r));
	printf("{\"cpu\":%lld,\"bytes\":%lld,\"records\":%u}\n",
	       now(CLOCK_PROCESS_CPUTIME_ID) - cpu, bytes, snapshot.record_count);
}

static void size(const struct probe *probe)
{
	struct snapshot snapshot;

	snapshot_of(probe, &snapshot);
	printf("{\"record\":%zu,\"snapshot\":%llu,\"records\":%u,\"single_pass\":%s}\n",
	       sizeof(struct record), (unsigned long long)snapshot.header->bytes,
	       snapshot.record_count, probe->single_pass ? "true" : "false");
}

static void step(const struct probe *probe, const char *line)
{
	if (!strcmp(line, "raw all\n"))
		raw(probe, TCPDIAG_STATES_ALL);
	else if (!strcmp(line, "raw fast\n"))
		raw(probe, MEMORY_FAST_STATES);
	else if (!strcmp(line, "full\n"))
		poll_lane(probe, LANE_SWEEP);
	else if (!strcmp(line, "fast\n"))
		poll_lane(probe, LANE_FAST);
	else if (!strcmp(line, "walk\n"))
		poll_lane(probe, LANE_OWNERS);
	else if (!strcmp(line, "descriptors\n"))
		descriptors(probe);
	else if (!strcmp(line, "links\n"))
		links();
	else if (!strncmp(line, "look-up ", 8))
		look_up(probe, (uint32_t)strtoul(line + 8, NULL, 10));
	else if (!strcmp(line, "encode\n"))
		encode(probe);
	else if (!strcmp(line, "size\n"))
		size(probe);
	else
		errx(2, "what is %s", line);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	bool no_bpf = argc == 2 && !strcmp(argv[1], "no-bpf");
	struct collector_settings settings;
	struct sock_diag *diag;
	struct options options;
	struct probe probe = {};
	char line[64];
	int r;

	if (argc > 1 && !no_bpf)
		errx(2, "usage: probe [no-bpf]");
	if (options_default(&options) < 0)
		errx(1, "options");
	options.bpf = !no_bpf;
	settings_collector(&options, &settings);
	r = collector_new(&settings, &probe.collector);
	if (r >= 0)
		r = sock_diag_open(0, &diag);
	if (r < 0)
		errx(1, "collector: %s", strerror(-r));
	probe.single_pass = sock_diag_single_pass(diag);
	sock_diag_free(diag);
	probe.netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (probe.netlink < 0)
		err(1, "netlink");
	if (!no_bpf)
		(void)bpf_reader_new(&probe.bpf);
	while (fgets(line, sizeof(line), stdin))
		step(&probe, line);
	close(probe.netlink);
	bpf_reader_free(probe.bpf);
	collector_free(probe.collector);
	options_done(&options);
	return 0;
}
