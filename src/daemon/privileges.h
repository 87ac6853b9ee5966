/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Capabilities: those that the collector needs are kept, all others are given up.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "daemon/log.h"

/**
 * privileges_drop() - after the sockets are bound, before anything is read
 *
 * Gives up what is not in the table, in every set, and forbids to gain any; what is in the table
 * and not there is logged with what it costs. Where it was not root before, little happens.
 *
 * Return: 0 or -errno where something could not be given up.
 */
int privileges_drop(struct log *log);

/**
 * privileges_raise_descriptors() - lifts the soft limit of descriptors, as far as the hard one allows
 * @connections: of the web process, which inherits it
 * @namespaces: that the collector may have open
 *
 * The usual soft limit of 1,024 is a relic of select(), which nothing here calls.
 */
void privileges_raise_descriptors(uint32_t connections, uint32_t namespaces);

/**
 * privileges_kill() - ends the web process, which may be another user's by then
 * @pidfd: of @pid, so that it cannot be another process; -1 where the kernel has none
 *
 * Return: 0 or -errno.
 */
int privileges_kill(pid_t pid, int pidfd);
