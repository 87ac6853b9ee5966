/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The addresses that sockets of this machine use as their own, in any namespace.
 *
 * A remote address that is among them and has no socket behind it was translated on its way, belongs to a
 * namespace that nobody reads, or its socket is gone. A machine has few addresses and many sockets:
 * ADDRESSES_MAX are remembered; what is above is not known to be its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ADDRESSES_MAX 4096U
#define ADDRESSES_SLOTS 8192U /* a power of two */

struct own_address {
	uint8_t address[16];
	int64_t seen_ns; /* 0: a free slot */
};

struct addresses {
	struct own_address *slots; /* NULL: nothing is known yet */
	uint32_t count;
	uint32_t last; /* slot of the newest: sockets often come in a row */
	bool full; /* there was no room since the last addresses_expire() */
};

/* Remembers it; the unspecified address is nobody's. Without memory nothing is remembered. */
void addresses_add(struct addresses *addresses, const uint8_t address[static 16], int64_t now_ns);

bool addresses_has(const struct addresses *addresses, const uint8_t address[static 16]);

/* Forgets what was not seen since @before_ns. */
void addresses_expire(struct addresses *addresses, int64_t before_ns);

void addresses_done(struct addresses *addresses);
