/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two sockets of our own, one of each family, to see whether a dump shows both.
 *
 * They listen on a port that the kernel chooses, on loopback, for the time of one dump of listeners. A
 * listening socket is all that a dump shows on every kernel and that costs no walk of the big hash table.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct witness {
	int fd[2]; /* IPv4, IPv6; -1: the machine has no IPv6 */
	uint32_t inode[2]; /* 0: nothing to be seen */
};

#define WITNESS_INIT \
	{ \
		.fd = { -1, -1 } \
	}

/**
 * witness_open()
 * @ret: to be closed with witness_done(), also on failure
 *
 * Return: 0; -errno where a socket could not be made although its family exists.
 */
int witness_open(struct witness *ret);

void witness_done(struct witness *witness);

/* Takes the inode off the list. Return: whether none is left. */
bool witness_saw(struct witness *witness, uint32_t inode);
