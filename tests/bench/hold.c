/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes pairs of connected sockets on loopback and holds them until its standard input ends.
 *
 *   hold INDEX COUNT pairs        COUNT pairs, both ends held, a request and an answer behind them
 *   hold INDEX COUNT close-wait   COUNT sockets in CLOSE-WAIT, their peers closed and gone
 *
 * Says "ok" when they are there. A line "half N" then shuts one end of N pairs for writing, which makes a
 * FIN-WAIT-2 and a CLOSE-WAIT of each, and is answered with "ok" too.
 *
 * INDEX keeps several of these apart: a port and a part of 127.0.0.0/8 of its own. The address of the
 * other end changes with each pair, so that the kernel's hash is as spread as on a busy host.
 */
#include <arpa/inet.h>
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "model/macro.h"

#define PORT 9000 /* below ip_local_port_range: no client may take it */

struct pair {
	int client, server;
};

static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		err(1, "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		err(1, "setrlimit");
}

static struct sockaddr_in address_of(unsigned int index, unsigned int number)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)(PORT + index)),
		.sin_addr.s_addr = htonl(0x7f000000U | (index + 1) << 16 | number / 200 << 8 |
					 (number % 200 + 1)),
	};
}

static int listen_at(unsigned int index)
{
	struct sockaddr_in any = address_of(index, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	any.sin_addr.s_addr = htonl(INADDR_ANY);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 128) < 0)
		err(1, "listen");
	return fd;
}

static void say(int from, int to, size_t bytes)
{
	char text[512] = {};

	if (write(from, text, bytes) != (ssize_t)bytes || read(to, text, bytes) != (ssize_t)bytes)
		err(1, "a byte on loopback");
}

static struct pair connect_pair(int listener, unsigned int index, unsigned int number)
{
	struct sockaddr_in to = address_of(index, number);
	struct pair pair;

	pair.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (pair.client < 0 || connect(pair.client, (struct sockaddr *)&to, sizeof(to)) < 0)
		err(1, "connect");
	pair.server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (pair.server < 0)
		err(1, "accept");
	say(pair.client, pair.server, 100);
	say(pair.server, pair.client, 400);
	return pair;
}

static unsigned int number_of(const char *text, unsigned int max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (end == text || (*end && *end != '\n') || value > max)
		errx(2, "%s: no number up to %u", text, max);
	return (unsigned int)value;
}

int main(int argc, char **argv)
{
	_cleanup_free_ struct pair *pairs = NULL;
	unsigned int index, count, shut = 0, i;
	bool close_wait;
	char line[64] = "";
	int listener;

	if (argc != 4 || (strcmp(argv[3], "pairs") && strcmp(argv[3], "close-wait")))
		errx(2, "usage: hold INDEX COUNT pairs|close-wait");
	index = number_of(argv[1], 200);
	count = number_of(argv[2], 50000);
	close_wait = !strcmp(argv[3], "close-wait");
	pairs = calloc(count + 1, sizeof(*pairs));
	if (!pairs)
		err(1, "memory");
	raise_limit();
	listener = listen_at(index);
	for (i = 0; i < count; i++) {
		pairs[i] = connect_pair(listener, index, i);
		if (close_wait)
			close(pairs[i].client);
	}
	do {
		if (!strncmp(line, "half ", 5)) {
			unsigned int more = number_of(line + 5, count - shut);

			while (more--)
				shutdown(pairs[shut++].client, SHUT_WR);
		}
		if (write(STDOUT_FILENO, "ok\n", 3) != 3)
			return 1;
	} while (fgets(line, sizeof(line), stdin));
	return 0;
}
