/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may ask what, by the address that was connected to.
 */
#pragma once

#include <stdbool.h>

#include "web/route.h"

struct MHD_Connection;

/* How many Host headers there are. */
unsigned int access_hosts(struct MHD_Connection *connection);

/**
 * access_host() - the Host header names this server
 * @fd: of the connection
 * @hosts: further names, separated by blanks
 * @host: the header, or NULL where there is none, which only HTTP/1.0 may do
 *
 * Asked of who has connected to a loopback address, be it of a socket that listens on all, where a page of a foreign site could otherwise read everything through
 * the browser of somebody on this machine (DNS rebinding). Any port is right: tunnels change it.
 *
 * Return: 0; -EINVAL with a problem: 400 for what is no host, 421 for a foreign one.
 */
int access_host(const struct channel_listen *listen, int fd, const char *hosts, const char *host,
		struct problem *problem);

/* The route is served on this address. Return: 0; -EINVAL with a problem (403). */
int access_route(const struct channel_listen *listen, bool expose_api, const struct route *route,
		 struct problem *problem);
