/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connects, sends, accepts and closes as fast as one core can.
 *
 *   storm ADDRESS PORT reset|fin SECONDS
 *
 * reset: the accepting end closes with unread data, so that each connection ends with a RST. fin: the connecting end
 * closes first, the other one reads the end of file; with tcp_max_tw_buckets = 0 in the namespace nothing stays behind.
 * Ends with a line of JSON.
 */
#include <arpa/inet.h>
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "model/macro.h"

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int listen_at(const struct sockaddr_in *address)
{
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 || listen(fd, 64) < 0)
		err(1, "listen");
	return fd;
}

static void one(int listener, const struct sockaddr_in *address, bool reset)
{
	static const char request[100];
	char buffer[sizeof(request)];
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int server;

	if (client < 0 || connect(client, (const struct sockaddr *)address, sizeof(*address)) < 0)
		err(1, "connect");
	if (send(client, request, sizeof(request), 0) < 0)
		err(1, "send");
	server = accept(listener, NULL, NULL);
	if (server < 0)
		err(1, "accept");
	if (reset) {
		close(server);
		close(client);
		return;
	}
	close(client);
	while (recv(server, buffer, sizeof(buffer), 0) > 0)
		;
	close(server);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	unsigned long long connections = 0;
	double began, cpu, end;
	bool reset;
	int listener, i;

	if (argc != 5 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1 ||
	    (strcmp(argv[3], "reset") != 0 && strcmp(argv[3], "fin") != 0))
		errx(2, "usage: %s ADDRESS PORT reset|fin SECONDS", argv[0]);
	address.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	reset = strcmp(argv[3], "reset") == 0;
	listener = listen_at(&address);
	began = now(CLOCK_MONOTONIC);
	cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	end = began + strtod(argv[4], NULL);
	while (now(CLOCK_MONOTONIC) < end)
		for (i = 0; i < 64; i++, connections++)
			one(listener, &address, reset);
	printf("{\"connections\":%llu,\"seconds\":%.6f,\"cpu\":%.6f}\n", connections,
	       now(CLOCK_MONOTONIC) - began, now(CLOCK_PROCESS_CPUTIME_ID) - cpu);
	close(listener);
	return 0;
}
