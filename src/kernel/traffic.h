/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Has anything happened in this network namespace? The cheapest answer, for those that stand idle.
 *
 * A dump walks the hash table of the whole machine, for an empty namespace too; this reads its own
 * counters. Two equal answers mean: no segment came or went, no connection was begun or reset, no
 * socket entered or left the hash table (listen(), close() of a listener, an orphan that ran out of
 * time), no minisocket more or less.
 *
 * They do NOT notice:
 * - a program that reads or does not (receive queue), or writes against a closed window (send
 * queue);
 * - setsockopt(), shutdown(SHUT_RD), a descriptor that was passed on or closed while another is
 * left;
 * - a timer that has come nearer, or gone off without a segment and without an end (delayed
 * probes);
 * - bind() without listen(): such a socket is in no table of a dump either;
 * - a socket that came while another of its kind went, where neither sent anything. What has
 * sockets is therefore asked again after a time, however quiet it is; what has none, and stays
 * equal, need not be.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netns_probe;

/*
 * Compare all members for equality; none of them means anything against another time but that it
 * changed.
 */
struct netns_traffic {
	uint64_t segments; /* in, out, again, damaged, resets sent */
	uint64_t opens; /* active, passive, failed attempts, resets of established ones */
	uint32_t established; /* established and close-wait, now */
	uint32_t in_use; /* sockets in the hash tables, listeners among them, now; both families */
	uint32_t timewaits; /* minisockets, now */
};

/**
 * netns_traffic_open() - for the network namespace of the calling thread
 *
 * The descriptors it keeps hold the namespace as a socket does: free it when netns_changed() says
 * so. Reading needs no entering.
 *
 * Return: 0; -ENOMEM; -errno of opening /proc/thread-self/net.
 */
int netns_traffic_open(struct netns_probe **ret);

/**
 * netns_traffic_read() - from whatever namespace the caller is in
 *
 * Return: 0; -errno, -EBADMSG where the kernel's text is not understood.
 */
int netns_traffic_read(struct netns_probe *probe, struct netns_traffic *ret);

/**
 * netns_traffic_read_here() - of the calling thread's namespace, which is entered
 *
 * Nothing stays open. With the way in and back it takes twice as long as with descriptors that are
 * kept: 17 instead of 8 us for a namespace, on a machine with two processors. What the kernel adds up
 * over all of them, both ways, is more with many.
 *
 * Return: as netns_traffic_open() and netns_traffic_read().
 */
int netns_traffic_read_here(struct netns_traffic *ret);

/* Accepts NULL; returns NULL. */
struct netns_probe *netns_traffic_free(struct netns_probe *probe);

/*
 * Pure parsers of the files' text, for tests and fuzzers: they add to @traffic. A line that was cut
 * counts for nothing.
 * Return: whether what belongs there was.
 */
bool netns_traffic_parse_snmp(const char *text, size_t len, struct netns_traffic *traffic);
/* /proc/net/sockstat, and sockstat6, which has a group of its own. */
bool netns_traffic_parse_sockstat(const char *text, size_t len, const char *group,
				  struct netns_traffic *traffic);
