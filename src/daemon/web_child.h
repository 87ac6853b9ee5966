/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The web process as its parent sees it: started, lent snapshots, watched, started again.
 *
 * It is not trusted. A packet that makes no sense ends it; so does silence for fifteen seconds. Its
 * listening sockets stay open here, so that connections wait while it is being replaced.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/pool.h"
#include "daemon/listen.h"
#include "daemon/log.h"
#include "model/channel.h"

/* argv[1] of the web process: what makes this program one. No option, not in --help. */
#define WEB_CHILD_ARGUMENT "--internal-web-process"
#define WEB_CHILD_NAME "tcpdiagd-web"

struct sd_event;
struct web_child;

struct web_child_config {
	struct sd_event *event; /* SIGCHLD is blocked in this thread */
	struct log *log;
	struct pool *pool;
	const struct listeners *listeners;
	int journal; /* descriptor of the journal's memory; stays the caller's */
	uint64_t journal_size;
	int program; /* descriptor of the executable; stays the caller's */
	int64_t ping_ns; /* how often it is asked whether it lives */
	int64_t silence_ns; /* without an answer for so long it is killed */
	/* It serves. */
	void (*ready)(void *context);
	/* It died and another one is there; @restarts counts. */
	void (*restarted)(uint32_t restarts, void *context);
	void *context;
};

/*
 * Opens the program that this process runs, whatever happens to its path. Return: descriptor,
 * -errno.
 */
int web_child_program(void);

/**
 * web_child_new() - starts it
 * @config: copied, what it points to borrowed
 * @settings: sent to it, now and after each restart
 *
 * Return: 0; -ENOMEM; -errno of socketpair() or fork().
 */
int web_child_new(const struct web_child_config *config, const struct channel_settings *settings,
		  struct web_child **ret);

/*
 * Closes the channel, waits for its end for two seconds, then kills it. Accepts NULL; returns NULL.
 */
struct web_child *web_child_free(struct web_child *child);

/* New settings, for it and for those after it. */
void web_child_configure(struct web_child *child, const struct channel_settings *settings);

/* Lends it the newest snapshot. */
void web_child_lend(struct web_child *child);

/* The journal has grown up to this id: whoever streams looks. Return: 0; -errno where it was not told. */
int web_child_events(struct web_child *child, uint64_t newest);

/* It has said that it serves. */
bool web_child_ready(const struct web_child *child);

/* 0 while there is none. */
int web_child_pid(const struct web_child *child);
