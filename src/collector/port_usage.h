/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which destinations use up the ephemeral ports, in each network namespace.
 *
 * Exact: clients' sockets in all states (TIME-WAIT included) by local address and remote address and port,
 * against the size of the namespace's ip_local_port_range. One walk counts all of them; where a destination has
 * a good part of the range a second one looks at its sockets more closely.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/record.h"
#include "rules/findings.h"

#define PORT_PAIRS 32U /* of all namespaces */
#define PORT_TOP 4U /* of one */
#define PORT_SHARES 64U /* processes that are told apart by one */

struct port_top {
	uint64_t key;
	uint32_t count;
};

/* A namespace whose range is known. */
struct port_space {
	uint32_t netns;
	uint16_t range[2];
	uint32_t reserved; /* ports of it that nobody is given */
	uint32_t tw_reuse;
	bool reuse_known;
	uint32_t floor; /* what is below is not looked at more closely */
	uint32_t most;
	struct port_top top[PORT_TOP]; /* at the floor or above, in no order */
};

struct port_share {
	uint32_t row; /* of a process */
	uint32_t count;
};

/* Who has the sockets of a pair: by pid, since rows are numbered anew. */
struct port_owner {
	uint64_t key;
	uint32_t share_count;
	struct port_share shares[PORT_SHARES];
	int32_t pid; /* 0: not known */
	uint64_t start_time;
};

struct port_usage {
	struct port_space *spaces; /* ascending by number; kept between polls, as all here */
	uint32_t space_count, space_room, last;
	uint64_t *slots;
	uint32_t room, used;
	struct {
		uint64_t key;
		uint32_t space;
	} waiting[8]; /* to be counted when their slots have come into the cache; key 0: none */
	uint32_t turn;
	bool lost; /* out of memory: there is no answer */
	bool counted; /* @pairs are those of a whole walk */
	struct port_pair pairs[PORT_PAIRS]; /* the fullest first */
	struct port_owner owners[PORT_PAIRS];
	uint32_t pair_count;
};

/* Begins from none, @pairs stay until port_usage_choose(). @usage is all zeros the first time. */
void port_usage_begin(struct port_usage *usage);

/*
 * A namespace, in ascending order. @range: {0, 0} is not known: its sockets are not counted then. @reserved:
 * ports of it that nobody is given.
 */
void port_usage_space(struct port_usage *usage, uint32_t netns, const uint16_t range[2],
		      uint32_t reserved, const struct tcpdiag_environment *env);

void port_usage_add(struct port_usage *usage, const struct record *record);

/* The largest share of a range; 0 where no range is known or memory was out. */
double port_usage_ratio(struct port_usage *usage);

/**
 * port_usage_choose() - after the walk: the destinations that have a third of a range and more
 *
 * Return: whether there are any, which want a second walk of port_usage_look().
 */
bool port_usage_choose(struct port_usage *usage);

/* @row: of the process that has it or had it last, RECORD_NONE. */
void port_usage_look(struct port_usage *usage, const struct record *record, uint32_t row);

/* After the second walk, with what the rows are now. @looked: that walk was just now. */
void port_usage_resolve(struct port_usage *usage, const struct process *processes, uint32_t count,
			bool looked);

/* Frees what is kept between polls. */
void port_usage_done(struct port_usage *usage);
