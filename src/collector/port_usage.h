/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The largest share of the ephemeral ports that one destination uses up.
 *
 * Exact: clients' sockets in all states (TIME-WAIT included) by local address and remote address and port,
 * against the size of ip_local_port_range.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/record.h"

struct destination;

struct port_usage {
	uint16_t range[2]; /* set by the caller; {0, 0}: not known, nothing is counted */
	struct destination *slots;
	uint32_t room, used, most;
	bool lost; /* out of memory: there is no answer */
};

void port_usage_add(struct port_usage *usage, const struct record *record);

/* 0 where the range is not known or memory was out. */
double port_usage_ratio(const struct port_usage *usage);

void port_usage_done(struct port_usage *usage);
