/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A real web process: web_main() in a child, with this test as its collector.
 */
#pragma once

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "http.h"
#include "model/channel.h"
#include "model/journal.h"
#include "model/snapshot.h"
#include "web/web.h"

struct web_process {
	pid_t pid;
	int channel;
	uint16_t port; /* of the TCP listener on 127.0.0.1 */
	struct channel_settings settings;
};

static inline int64_t process_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

static inline void process_log(const struct channel_settings *settings, int priority,
			       const char *message)
{
	if (priority <= settings->log_level && write(STDERR_FILENO, message, strlen(message)) >= 0)
		(void)!write(STDERR_FILENO, "\n", 1);
}

static inline struct channel_settings process_settings(void)
{
	return (struct channel_settings){
		.type = CHANNEL_SETTINGS,
		.log_level = 3,
		.max_connections = 300,
		.max_connections_per_address = 100,
		.max_streams = 4,
		.max_uri_bytes = 4096,
		.max_header_bytes = 8192,
		.idle_timeout_ns = 10 * NSEC_PER_SEC,
		.hold_ns = 30 * NSEC_PER_SEC,
		.stale_ns = 60 * NSEC_PER_SEC,
		.allowed_hosts = "diag.example.org [2001:db8::7]",
	};
}

static inline int process_tcp_listener(uint16_t *ret_port)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(address);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 1024), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

static inline int process_connect(const struct web_process *p)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(p->port) };
	const struct timeval patience = { .tv_sec = 20 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static inline void process_send_listener(const struct web_process *p, int fd, bool loopback,
					 bool local, const char *address)
{
	struct channel_listen listen = { .type = CHANNEL_LISTEN,
					 .loopback = loopback,
					 .local = local };

	snprintf(listen.address, sizeof(listen.address), "%s", address);
	ck_assert_int_eq(channel_send(p->channel, &listen, sizeof(listen), fd), 0);
	close(fd);
}

/* A child in web_main() that has been told nothing yet. */
static inline struct web_process process_new(void)
{
	struct web_process p = { .settings = process_settings() };
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	p.pid = fork();
	ck_assert_int_ge(p.pid, 0);
	if (p.pid == 0) {
		if (pair[1] != CHANNEL_FD)
			dup2(pair[1], CHANNEL_FD);
		_exit(web_main(process_log));
	}
	close(pair[1]);
	p.channel = pair[0];
	return p;
}

static inline void process_send_settings(const struct web_process *p)
{
	ck_assert_int_eq(channel_send(p->channel, &p->settings, sizeof(p->settings), -1), 0);
}

/* The next packet from the process; its type, 0 when none came in time, -errno. */
static inline int process_receive(const struct web_process *p, union channel_packet *ret,
				  int timeout_ms)
{
	struct pollfd poll_fd = { .fd = p->channel, .events = POLLIN };
	int passed = -1, r;

	if (poll(&poll_fd, 1, timeout_ms) != 1)
		return 0;
	r = channel_receive(p->channel, ret, &passed);
	ck_assert_int_eq(passed, -1);
	return r < 0 ? r : (int)ret->type;
}

static inline void process_ping(const struct web_process *p, uint64_t number)
{
	const struct channel_ping ping = { .type = CHANNEL_PING, .number = number };

	ck_assert_int_eq(channel_send(p->channel, &ping, sizeof(ping), -1), 0);
}

static inline void process_expect_ping(const struct web_process *p, uint64_t number)
{
	union channel_packet packet;

	ck_assert_int_eq(process_receive(p, &packet, 5000), CHANNEL_PING);
	ck_assert_uint_eq(packet.ping.number, number);
}

/* Begun with a ping: it serves without a snapshot. */
static inline void process_start(struct web_process *p, bool loopback)
{
	union channel_packet packet;
	char address[64];
	int fd = process_tcp_listener(&p->port);

	snprintf(address, sizeof(address), "127.0.0.1:%u", p->port);
	process_send_settings(p);
	process_send_listener(p, fd, loopback, false, address);
	process_ping(p, 1);
	process_expect_ping(p, 1);
	ck_assert_int_eq(process_receive(p, &packet, 5000), CHANNEL_READY);
}

/* The process's exit status, or minus the signal. */
static inline int process_wait(struct web_process *p)
{
	int status;

	ck_assert_int_eq(waitpid(p->pid, &status, 0), p->pid);
	p->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Closes the channel, which must end it well. */
static inline void process_stop(struct web_process *p)
{
	close(p->channel);
	ck_assert_int_eq(process_wait(p), 0);
}

/* ---- lending ---- */

struct lent {
	struct channel_lend packet;
	int memfd;
	void *map;
};

static inline void *process_grow(void *context, size_t size)
{
	(void)context;
	return size <= 1 << 20 ? context : NULL;
}

/* A sealed memfd with a small snapshot of that number. */
static inline struct lent process_snapshot(uint32_t buffer, uint32_t generation, uint64_t id)
{
	struct lent lent = { .packet = { .type = CHANNEL_LEND,
					 .buffer = buffer,
					 .generation = generation,
					 .id = id,
					 .size = 1 << 20 } };
	uint64_t limits[LIMIT_MAX] = {};
	struct snapshot_writer w = {
		.max_records = 100, .grow = process_grow, .string_max = 65536, .limits = limits
	};

	lent.memfd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ck_assert_int_ge(lent.memfd, 0);
	ck_assert_int_eq(ftruncate(lent.memfd, 1 << 20), 0);
	lent.map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, lent.memfd, 0);
	ck_assert_ptr_ne(lent.map, MAP_FAILED);
	ck_assert_int_eq(
		fcntl(lent.memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE),
		0);
	w.context = lent.map;
	ck_assert_int_eq(snapshot_begin(&w), 0);
	w.header->hostname = snapshot_string(&w, "test", 4);
	w.header->id = id;
	w.header->started_ns = 1;
	w.header->now_ns = process_now();
	ck_assert_int_eq(snapshot_seal(&w), 0);
	lent.packet.bytes = w.header->bytes;
	snapshot_writer_done(&w);
	return lent;
}

/* The same with a snapshot that was written elsewhere. */
static inline struct lent process_snapshot_of(const struct snapshot_header *header)
{
	struct lent lent = process_snapshot(0, 1, header->id);

	ck_assert_uint_le(header->bytes, 1 << 20);
	memcpy(lent.map, header, header->bytes);
	lent.packet.bytes = header->bytes;
	return lent;
}

/* @fd: with the descriptor, or without it the second time. */
static inline void process_lend(const struct web_process *p, const struct lent *lent, bool fd)
{
	ck_assert_int_eq(channel_send(p->channel, &lent->packet, sizeof(lent->packet),
				      fd ? lent->memfd : -1),
			 0);
}

static inline void process_expect_return(const struct web_process *p, const struct lent *lent,
					 int timeout_ms)
{
	union channel_packet packet;

	ck_assert_int_eq(process_receive(p, &packet, timeout_ms), CHANNEL_RETURN);
	ck_assert_uint_eq(packet.lend.buffer, lent->packet.buffer);
	ck_assert_uint_eq(packet.lend.generation, lent->packet.generation);
	ck_assert_uint_eq(packet.lend.id, lent->packet.id);
}

static inline void process_expect_nothing(const struct web_process *p, int timeout_ms)
{
	union channel_packet packet;

	ck_assert_int_eq(process_receive(p, &packet, timeout_ms), 0);
}

static inline void lent_done(struct lent *lent)
{
	munmap(lent->map, 1 << 20);
	close(lent->memfd);
}

/* A journal that is written here and read there. */
struct kept {
	struct journal *journal;
	void *map;
	size_t size;
};

/* Rings of so many events; before process_start(). */
static inline struct kept process_journal(const struct web_process *p, uint32_t events)
{
	struct channel_journal packet = { .type = CHANNEL_JOURNAL };
	struct journal_sizes sizes;
	struct kept kept = {};
	int memfd;

	journal_sizes_of(events, &sizes);
	packet.size = kept.size = journal_bytes(&sizes);
	memfd = memfd_create("journal", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ck_assert_int_ge(memfd, 0);
	ck_assert_int_eq(ftruncate(memfd, (off_t)kept.size), 0);
	kept.map = mmap(NULL, kept.size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	ck_assert_ptr_ne(kept.map, MAP_FAILED);
	ck_assert_int_eq(
		fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE), 0);
	ck_assert_int_eq(journal_new(kept.map, kept.size, &sizes, "boot", 1, &kept.journal), 0);
	ck_assert_int_eq(channel_send(p->channel, &packet, sizeof(packet), memfd), 0);
	close(memfd);
	return kept;
}

/* Tells the process that there is more in it. */
static inline void process_events(const struct web_process *p)
{
	const struct channel_events events = { .type = CHANNEL_EVENTS };

	ck_assert_int_eq(channel_send(p->channel, &events, sizeof(events), -1), 0);
}

static inline void kept_done(struct kept *kept)
{
	journal_free(kept->journal);
	munmap(kept->map, kept->size);
}

/* ---- asking ---- */

static inline struct answer ask_on(int fd, const char *method, const char *target,
				   const char *headers)
{
	struct buffer request = {}, in = {};
	struct answer answer;

	buffer_printf(&request, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", method, target,
		      headers);
	ck_assert(http_send(fd, request.data, request.len));
	http_read(fd, &in, !strcmp(method, "HEAD"), &answer);
	ck_assert_uint_eq(in.len, 0);
	buffer_done(&request);
	buffer_done(&in);
	return answer;
}

static inline struct answer ask(const struct web_process *p, const char *method, const char *target,
				const char *headers)
{
	int fd = process_connect(p);
	struct answer answer = ask_on(fd, method, target, headers);

	close(fd);
	return answer;
}
