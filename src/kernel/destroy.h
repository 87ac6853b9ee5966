/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of sockets without BPF: the destroy multicast of NETLINK_SOCK_DIAG (SKNLGRP_INET_TCP_DESTROY, Linux 4.5).
 *
 * The kernel sends a message when it frees a full socket of this network namespace: when its last reference has gone,
 * which is not when it was reset or closed (net/core/sock.c:__sk_free()). What comes of it is an event of kind
 * SOCKET_EVENT_DESTROYED with the cookie, both ends (the remote one is gone where tcp_disconnect() ran: SO_LINGER 0, the
 * children of a listener) and tcp_info: bytes both ways and how long nothing had passed. Nothing tells
 * who closed it, in which state, why, what was unread, or whether a RST was sent; minisockets and requests end unseen.
 * Of such an event only TCPDIAG_KNOWS_BYTES is set in @sk.known: TCPDIAG_KNOWS_NOTSENT is clear, its queues say nothing.
 *
 * The time is that of the reading: the kernel sends none.
 */
#pragma once

#include <linux/netlink.h>

#include "kernel/events.h"

struct destroy_watch;

/**
 * destroy_open() - listens in the namespace in which the calling thread is
 * @netns: its inode
 * @bytes: of messages that may wait for the next drain; a message is counted by the kernel as 1280 of them
 *
 * Needs no capability; with CAP_NET_ADMIN the room may exceed net.core.rmem_max. Keeps the namespace alive until
 * destroy_free().
 *
 * Return: 0; -ENOMEM; -errno of the socket.
 */
int destroy_open(uint32_t netns, size_t bytes, struct destroy_watch **ret);

/* Accepts NULL; returns NULL. */
struct destroy_watch *destroy_free(struct destroy_watch *watch);

/**
 * destroy_drain() - what has come since, at most @max of it
 * @now_ns: CLOCK_MONOTONIC; what the events are said to have happened at
 * @take: as of events_drain()
 *
 * Return: how many were taken; the negative of @take; -errno.
 */
int destroy_drain(struct destroy_watch *watch, uint32_t max, int64_t now_ns,
		  int (*take)(const struct socket_event *event, void *context), void *context);

/* Messages that found no room, since the start. */
uint64_t destroy_dropped(const struct destroy_watch *watch);

/**
 * destroy_event() - one message; pure, for the reader, tests and fuzzers
 *
 * Return: 0; -EPROTO where it is about something else; -EBADMSG where it is cut short or nonsense.
 */
int destroy_event(const struct nlmsghdr *message, size_t length, uint32_t netns, int64_t now_ns,
		  struct socket_event *ret);
