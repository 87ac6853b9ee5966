/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may ask what, by the address that was connected to.
 */
#pragma once

#include <stdbool.h>

#include "web/route.h"

/**
 * access_host() - the Host header names this server
 * @hosts: further names, separated by blanks
 * @host: the header, or NULL where there is none, which only HTTP/1.0 may do
 *
 * Asked on loopback addresses, where a page of a foreign site could otherwise read everything through
 * the browser of somebody on this machine (DNS rebinding). Any port is right: tunnels change it.
 *
 * Return: 0; -EINVAL with a problem: 400 for what is no host, 421 for a foreign one.
 */
int access_host(const struct channel_listen *listen, const char *hosts, const char *host,
		struct problem *problem);

/* The route is served on this address. Return: 0; -EINVAL with a problem (403). */
int access_route(const struct channel_listen *listen, bool expose_api, const struct route *route,
		 struct problem *problem);
