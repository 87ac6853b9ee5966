/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The web process: HTTP from lent snapshots, and nothing else.
 *
 * It begins with the channel to its parent at CHANNEL_FD, takes its settings and its listening sockets
 * from there, gives up what it could do (web/confine.h) and serves until the channel closes.
 */
#pragma once

#include "model/channel.h"

/* @settings: level and format in force; zeroed before they have come. */
typedef void web_log_fn(const struct channel_settings *settings, int priority, const char *message);

/**
 * web_main() - the whole life of the web process
 * @log: takes one line, syslog priority; leaves out what is above the settings' level
 *
 * Return: an exit status: 0 where the parent closed the channel.
 */
int web_main(web_log_fn *log);
