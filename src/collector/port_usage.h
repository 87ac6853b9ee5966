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

struct port_usage {
	uint16_t range[2]; /* {0, 0}: not known, nothing is counted */
	uint64_t *slots; /* kept between polls */
	uint32_t room, used, most;
	uint64_t waiting[8]; /* to be counted when their slots have come into the cache; 0: none */
	uint32_t turn;
	bool lost; /* out of memory: there is no answer */
};

/* Begins from none. @range: ip_local_port_range. @usage is all zeros the first time. */
void port_usage_begin(struct port_usage *usage, const uint16_t range[2]);

void port_usage_add(struct port_usage *usage, const struct record *record);

/* 0 where the range is not known or memory was out. */
double port_usage_ratio(struct port_usage *usage);

/* Frees what is kept between polls. */
void port_usage_done(struct port_usage *usage);
