/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Addresses that are listened on: parsed, bound, or inherited from systemd.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "daemon/faults.h"
#include "daemon/options.h"
#include "model/channel.h"

struct listen_address {
	struct sockaddr_storage address;
	socklen_t length;
	bool any; /* ":19293": every address of both families */
};

struct listener {
	int fd; /* owned */
	bool loopback; /* cannot be reached from another machine */
	bool local; /* AF_UNIX */
	bool inherited;
	char path
		[CHANNEL_ADDRESS_MAX]; /* of a unix socket that was made here: removed at the end */
	char address[CHANNEL_ADDRESS_MAX]; /* as bound: "127.0.0.1:19293", "unix:/run/..." */
};

#define LISTENERS_MAX (OPTION_LIST_MAX * 2)

struct listeners {
	struct listener items[LISTENERS_MAX];
	size_t count;
};

/**
 * listen_parse() - "127.0.0.1:19293", "[::1]:19293", ":19293", "unix:/path"; pure
 *
 * Names are not looked up: what is bound shall not depend on a resolver.
 *
 * Return: 0; -EINVAL with @ret_why.
 */
int listen_parse(const char *text, struct listen_address *ret, char ret_why[static QUANTITY_WHY]);

/**
 * listeners_open() - what systemd passed, and the addresses of the options
 * @inherited: descriptors that systemd passed
 *
 * Inherited sockets replace the default address; an address that was configured is served as well.
 * On failure what was opened stays in @ret for listeners_close().
 *
 * Return: 0; -EINVAL with a line in @faults for each that failed.
 */
int listeners_open(const struct options *options, const int *inherited, size_t inherited_count,
		   struct listeners *ret, struct faults *faults);

/* Closes them and removes the unix sockets that were made here. */
void listeners_close(struct listeners *listeners);
