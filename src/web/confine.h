/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Confinement: what a process that parses bytes from the network gives up before it reads the first.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* What could not be given up; bits. The rest holds without it. */
enum confine_gap {
	CONFINE_GAP_USER = 1U << 0, /* still uid 0: no right to change it, or no such id here */
	CONFINE_GAP_BOUNDING =
		1U << 1, /* bounding set kept: no CAP_SETPCAP; no_new_privs covers it */
	CONFINE_GAP_LANDLOCK = 1U << 2, /* this kernel has none; seccomp covers it */
};

/**
 * confine() - from here on: the descriptors it has, memory, time, and nothing else
 * @keep: descriptors that stay open besides standard input, output and error; ascending
 * @max_fds: how many descriptors it may ever have
 * @ret_gaps: enum confine_gap
 *
 * No other user, no capability, no way to new ones, no file, no new socket, no other process, no
 * executable memory. Cannot be undone; call it before the first thread and before untrusted input.
 *
 * Return: 0; -errno where something that is always possible failed: the process must end then.
 */
int confine(const int *keep, size_t count, uint32_t max_fds, uint32_t *ret_gaps);
