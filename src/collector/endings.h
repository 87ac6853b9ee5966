/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events without BPF: the ends of sockets in each namespace that is read, by sock_diag's destroy multicast
 * (kernel/destroy.h).
 *
 * One netlink socket a namespace, opened when the namespace is visited and closed with all else that is open in it.
 * It sees from then on; what nobody listens to is counted, and said.
 */
#pragma once

#include "collector/spaces.h"
#include "kernel/events.h"

#define ENDINGS_MAX 256U /* namespaces that are listened to */

/* Listens to the own namespace, and to others as they are visited. Return: 0 or -errno. */
int endings_open(struct spaces *spaces);
void endings_close(struct spaces *spaces);

/* A visit: the calling thread is in it. */
void endings_visit(struct spaces *spaces, struct space *space);

/* It is closed. */
void endings_leave(struct spaces *spaces, struct space *space);

/**
 * endings_drain() - what has come since, of all of them
 *
 * A bounded number at a time; the rest waits. @take: must not fail. One that cannot be read is opened again at the next
 * visit. Return: how many were taken; -errno of the own one.
 */
int endings_drain(struct spaces *spaces, int64_t now_ns,
		  int (*take)(const struct socket_event *event, void *context), void *context);

/* That found no room, since the start. */
uint64_t endings_dropped(const struct spaces *spaces);

/* Namespaces that are read and not listened to. */
uint32_t endings_deaf(const struct spaces *spaces);
