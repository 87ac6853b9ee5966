/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The channel between collector and web process: one SOCK_SEQPACKET pair, one struct a packet.
 *
 * The collector lends buffers: CHANNEL_LEND names a buffer by number and generation; the descriptor
 * travels with it only the first time a (buffer, generation) is lent to this web process. The web
 * process maps it once for reading, keeps it mapped, and answers CHANNEL_RETURN when the last reply
 * that reads it has let go. A new generation of a number means a new memfd: the old mapping goes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CHANNEL_BUFFERS 4 /* numbers 0..3 */
#define CHANNEL_FD 3 /* the web process finds its end here */
#define CHANNEL_HOSTS_MAX 1024
#define CHANNEL_ADDRESS_MAX 128

enum channel_type {
	CHANNEL_SETTINGS = 1, /* to web: struct channel_settings; first packet, and at reload */
	CHANNEL_LISTEN, /* to web: struct channel_listen with its descriptor */
	CHANNEL_LEND, /* to web: struct channel_lend, perhaps with a descriptor */
	CHANNEL_PING, /* to web: struct channel_ping; answered with the same packet */
	CHANNEL_READY, /* from web: every listener serves */
	CHANNEL_RETURN, /* from web: struct channel_lend as it came */
	CHANNEL_JOURNAL, /* to web: struct channel_journal with its descriptor, once */
	CHANNEL_EVENTS, /* to web: struct channel_events, at most ten times a second */
};

struct channel_settings {
	uint32_t type;
	int32_t log_level; /* syslog priority: print up to this */
	bool expose_api;
	bool log_json;
	bool log_journal;
	uint32_t max_connections;
	uint32_t max_connections_per_address;
	uint32_t max_uri_bytes;
	uint32_t max_header_bytes;
	uint32_t max_streams; /* of events at the same time */
	int64_t idle_timeout_ns;
	int64_t hold_ns; /* how long a reply may hold its snapshot */
	int64_t stale_ns; /* /-/ready fails when no snapshot came for so long */
	char allowed_hosts[CHANNEL_HOSTS_MAX]; /* separated by blanks */
};

struct channel_listen {
	uint32_t type;
	bool loopback; /* only reachable from this machine */
	bool local; /* AF_UNIX */
	char address[CHANNEL_ADDRESS_MAX]; /* as bound, "127.0.0.1:19293", "unix:/run/..." */
};

struct channel_lend {
	uint32_t type;
	uint32_t buffer; /* number */
	uint32_t generation;
	uint64_t id; /* of the snapshot */
	uint64_t bytes; /* of the snapshot */
	uint64_t size; /* of the memfd: what to map */
};

struct channel_ping {
	uint32_t type;
	uint64_t number;
};

/* The journal (model/journal.h), to be mapped for reading. */
struct channel_journal {
	uint32_t type;
	uint64_t size;
};

/* There are new events: whoever streams looks. */
struct channel_events {
	uint32_t type;
	uint64_t newest; /* id */
};

union channel_packet {
	uint32_t type;
	struct channel_settings settings;
	struct channel_listen listen;
	struct channel_lend lend;
	struct channel_ping ping;
	struct channel_journal journal;
	struct channel_events events;
};

/**
 * channel_send() - one packet, and perhaps a descriptor, without blocking
 * @fd: the socket
 * @packet: begins with its type
 * @passed: a descriptor to pass, or -1; stays the caller's
 *
 * Return: 0; -EAGAIN when the other end does not read; another -errno.
 */
int channel_send(int fd, const void *packet, uint32_t size, int passed);

/**
 * channel_receive() - one packet, its size checked against its type
 * @ret_passed: the descriptor that came along (the caller's now, close-on-exec), or -1
 *
 * Return: 0; -EAGAIN; -EBADMSG for an unknown type or a wrong size; -ECONNRESET when the other end is gone.
 */
int channel_receive(int fd, union channel_packet *ret, int *ret_passed);
