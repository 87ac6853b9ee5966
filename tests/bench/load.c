/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asks one HTTP server for one path, again and again on kept connections, and counts.
 *
 *   load ADDRESS PORT PATH CONNECTIONS SECONDS REQUESTS
 *
 * Ends after SECONDS or REQUESTS, whichever comes first, with a line of JSON. Bytes are those of bodies,
 * without the frames of chunks (RFC 9112, section 7.1). Any answer but 200 ends it with an error.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "model/macro.h"

#define HEAD_MAX 4096U
#define BODY_BUFFER (256U * 1024)

enum part {
	PART_HEAD, /* status line and header fields */
	PART_BODY, /* of known length */
	PART_SIZE, /* line with the size of a chunk */
	PART_CHUNK,
	PART_CHUNK_END, /* line end behind a chunk */
	PART_TRAILER, /* lines behind the last chunk */
};

struct connection {
	int fd;
	enum part part;
	char head[HEAD_MAX + 1];
	size_t head_len;
	unsigned long long left; /* of the body or the chunk */
	size_t line_len; /* of the line at hand, without its end */
};

struct load {
	char request[1024];
	size_t request_len;
	unsigned long long requests, started, bytes, max;
};

static char scratch[BODY_BUFFER];

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void rest(struct connection *c)
{
	c->part = PART_HEAD;
	c->head_len = 0;
}

static void ask(struct load *load, struct connection *c)
{
	/* A request always fits: nothing else is under way on this connection. */
	if (write(c->fd, load->request, load->request_len) != (ssize_t)load->request_len)
		err(1, "write");
	load->started++;
	rest(c);
}

static const char *field(const char *head, const char *name)
{
	const char *at = strcasestr(head, name);

	return at ? at + strlen(name) : NULL;
}

/* The head is complete. */
static void begin_body(struct connection *c)
{
	const char *length = field(c->head, "\r\ncontent-length:");

	if (strncmp(c->head, "HTTP/1.1 200", 12))
		errx(1, "answer: %.*s", (int)strcspn(c->head, "\r\n"), c->head);
	if (length) {
		c->part = PART_BODY;
		c->left = strtoull(length, NULL, 10);
	} else if (field(c->head, "\r\ntransfer-encoding: chunked")) {
		c->part = PART_SIZE;
		c->left = 0;
		c->line_len = 0;
	} else {
		errx(1, "the answer has no length");
	}
}

static int hex_of(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c | 0x20) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* One character of a line around a chunk. Return: whether the answer ends with it. */
static bool take_line(struct connection *c, char byte)
{
	if (byte != '\n') {
		if (byte != '\r')
			c->line_len++;
		if (c->part == PART_SIZE && hex_of(byte) >= 0)
			c->left = c->left * 16 + (unsigned int)hex_of(byte);
		return false;
	}
	if (c->part == PART_TRAILER && !c->line_len)
		return true;
	if (c->part == PART_SIZE)
		c->part = c->left ? PART_CHUNK : PART_TRAILER;
	else if (c->part == PART_CHUNK_END)
		c->part = PART_SIZE;
	c->line_len = 0;
	return false;
}

/* Return: whether the answer ends with these bytes. */
static bool take(struct load *load, struct connection *c, const char *data, size_t len)
{
	while (len) {
		size_t n = MIN(len, c->left);

		if (c->part == PART_BODY || c->part == PART_CHUNK) {
			load->bytes += n;
			c->left -= n;
			data += n;
			len -= n;
			if (c->left)
				continue;
			if (c->part == PART_BODY)
				return true;
			c->part = PART_CHUNK_END;
			continue;
		}
		len--;
		if (take_line(c, *data++))
			return true;
	}
	return c->part == PART_BODY && !c->left;
}

/* Reads up to the end of the head; what stands behind it is body. */
static bool read_head(struct load *load, struct connection *c)
{
	ssize_t n = read(c->fd, c->head + c->head_len, HEAD_MAX - c->head_len);
	const char *end;

	if (n <= 0)
		errx(1, "the server has closed: %s", n < 0 ? strerror(errno) : "end");
	c->head_len += (size_t)n;
	c->head[c->head_len] = '\0';
	end = memmem(c->head, c->head_len, "\r\n\r\n", 4);
	if (!end) {
		if (c->head_len == HEAD_MAX)
			errx(1, "head too long");
		return false;
	}
	begin_body(c);
	return take(load, c, end + 4, c->head_len - (size_t)(end + 4 - c->head));
}

static bool read_more(struct load *load, struct connection *c)
{
	ssize_t n;

	if (c->part == PART_HEAD)
		return read_head(load, c);
	n = read(c->fd, scratch, sizeof(scratch));
	if (n <= 0)
		errx(1, "the server has closed: %s", n < 0 ? strerror(errno) : "end");
	return take(load, c, scratch, (size_t)n);
}

static void open_connections(struct load *load, struct connection *connections, int count,
			     const struct sockaddr_in *to, int epoll)
{
	int i;

	for (i = 0; i < count; i++) {
		struct connection *c = &connections[i];
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

		c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)to, sizeof(*to)) < 0 ||
		    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
			err(1, "connect");
		if (load->started < load->max)
			ask(load, c);
	}
}

static void run(struct load *load, int epoll, double until)
{
	struct epoll_event events[64];

	while (load->requests < load->max && now(CLOCK_MONOTONIC) < until) {
		int n = epoll_wait(epoll, events, ARRAY_SIZE(events), 100), i;

		for (i = 0; i < n; i++) {
			struct connection *c = events[i].data.ptr;

			if (!read_more(load, c))
				continue;
			load->requests++;
			if (load->started < load->max)
				ask(load, c);
			else
				rest(c);
		}
	}
}

int main(int argc, char **argv)
{
	_cleanup_free_ struct connection *connections = NULL;
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct load load = {};
	int count, epoll = epoll_create1(EPOLL_CLOEXEC);
	double began, cpu;

	if (argc != 7)
		errx(2, "usage: load ADDRESS PORT PATH CONNECTIONS SECONDS REQUESTS");
	count = (int)strtol(argv[4], NULL, 10);
	load.max = strtoull(argv[6], NULL, 10);
	to.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	if (count < 1 || count > 1000 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 ||
	    epoll < 0)
		errx(2, "1 to 1000 connections to an IPv4 address");
	load.request_len = (size_t)snprintf(load.request, sizeof(load.request),
					    "GET %.500s HTTP/1.1\r\nHost: localhost\r\n\r\n",
					    argv[3]);
	connections = calloc((size_t)count, sizeof(*connections));
	if (!connections)
		err(1, "memory");
	began = now(CLOCK_MONOTONIC);
	cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	open_connections(&load, connections, count, &to, epoll);
	run(&load, epoll, began + strtod(argv[5], NULL));
	printf("{\"requests\":%llu,\"bytes\":%llu,\"seconds\":%.6f,\"cpu\":%.6f}\n", load.requests,
	       load.bytes, now(CLOCK_MONOTONIC) - began, now(CLOCK_PROCESS_CPUTIME_ID) - cpu);
	return 0;
}
