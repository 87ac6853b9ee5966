/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The server: libmicrohttpd's daemons, one for each listening socket, driven by one event loop.
 */
#pragma once

#include <stdint.h>

#include "model/channel.h"
#include "web/exchange.h"
#include "web/lend.h"
#include "web/route.h"
#include "web/web.h"

#define ADDRESSES_MAX 64

struct sd_event;
struct server;

/* Where to listen. */
struct server_address {
	struct channel_listen info;
	int fd; /* the server's from server_new() on, also on failure */
};

/**
 * server_new() - serves from the next turn of the event loop on
 * @lender, @settings, @statistics: borrowed, must outlive the server
 * @refresh: brings what is measured in the statistics up to date before an answer
 *
 * Return: 0; -ENOMEM; -EOPNOTSUPP where libmicrohttpd has no epoll; another -errno.
 */
int server_new(struct sd_event *event, struct server_address *addresses, size_t count,
	       struct lender *lender, const struct channel_settings *settings,
	       struct web_statistics *statistics, void (*refresh)(void *context, int64_t now_ns),
	       void *context, web_log_fn *log, struct server **ret);

/**
 * server_reload() - takes the settings as they are now
 *
 * libmicrohttpd takes its limits at start only: where they have changed new connections come to a new
 * daemon on the same socket, and the old one goes when its last connection has.
 *
 * Return: 0; -errno, then the old limits go on.
 */
int server_reload(struct server *server);

/* There is a new snapshot: requests that wait for one are asked again. */
void server_published(struct server *server);

/* There are new events in the journal: whoever streams gets them. */
void server_events(struct server *server);

/* Closes every connection. Accepts NULL; returns NULL. */
struct server *server_free(struct server *server);
