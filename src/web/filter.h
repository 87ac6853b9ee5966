/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Filters: which sockets a request is about.
 *
 * One row per parameter: how a value is read and how a record is tested. Parameters of different names
 * must all hold; of several values of one name (repeated, or separated by commas) one must. Compiled
 * once, with everything that is text resolved to rows of the snapshot, so that a test is a comparison of
 * numbers. A value that is not known (null) never matches.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/snapshot.h"
#include "web/route.h"

#define FILTER_VALUES_MAX 256

/* The rows of a route's parameters that are filters: name, schema, sentence. Those that look at the socket alone... */
#define FILTER_ENDS_PARAMETERS \
	{ "state", FILTER_TEXT, "State, in any spelling in use (fin-wait-2, FIN_WAIT2).", true }, \
		{ "direction", FILTER_DIRECTION, "Who began the connection.", true }, \
		{ "netns", FILTER_TEXT, \
		  "Network namespace: its inode number, or its name in /run/netns.", true }, \
		{ "family", FILTER_FAMILY, "Address family; v4-mapped connections are inet.", \
		  true }, \
		{ "local", FILTER_TEXT, \
		  "Local end: an address, a prefix or address:port; IPv6 with a port in " \
		  "brackets.", \
		  true }, \
		{ "remote", FILTER_TEXT, \
		  "Remote end: an address, a prefix or address:port; IPv6 with a port in " \
		  "brackets.", \
		  true }, \
		{ "port", FILTER_PORT, "Port at either end.", true }, \
		{ "local.port", FILTER_PORT, "Local port.", true }, \
		{ "remote.port", FILTER_PORT, "Remote port.", true }, \
	{ \
		"uid", FILTER_NUMBER, "User id of the owner.", true \
	}

/* ...and all that sockets have. */
#define FILTER_PARAMETERS \
	FILTER_ENDS_PARAMETERS, { "attachment", FILTER_ATTACHMENT, "Who has it.", true }, \
		{ "protocol", FILTER_PROTOCOL, "tcp or mptcp; both where it is not given.", \
		  true }, \
		{ "pid", FILTER_NUMBER, "Process that holds it, or that held it last.", true }, \
		{ "comm", FILTER_TEXT, "Command of such a process.", true }, \
		{ "unit", FILTER_TEXT, \
		  "systemd unit of such a process; nginx means nginx.service.", true }, \
		{ "container", FILTER_TEXT, \
		  "Container of such a process: its id or at least 12 digits of it, its name, " \
		  "its " \
		  "pod, NAMESPACE/POD or NAMESPACE/POD/CONTAINER.", \
		  true }, \
		{ "creator.unit", FILTER_TEXT, "Unit of the last holder of what has none.", \
		  true }, \
		{ "close_rule", FILTER_RULE, "Rule that decides what close() does.", true }, \
		{ "linger", FILTER_LINGER, \
		  "SO_LINGER: off, zero (close() resets), positive or forever (it blocks); never " \
		  "matches where it is not known.", \
		  true }, \
		{ "finding", FILTER_TEXT, "Rule of a finding that it belongs to.", true }, \
		{ "closes_with", FILTER_SEGMENT, \
		  "What close() would send; never matches what no process can close.", true }, \
		{ "min_unread", FILTER_NUMBER, "At least so many unread bytes.", false }, \
		{ "min_unread_seconds", FILTER_SECONDS, \
		  "Unread data has not been touched for so long: seconds, or a duration.", \
		  false }, \
		{ "min_state_seconds", FILTER_SECONDS, \
		  "In its state for so long: seconds, or a duration.", false }, \
	{ \
		"min_idle", FILTER_DURATION, \
			"No data either way for so long: a duration such as 30s or 1m30s.", false \
	}

#define FILTER_TEXT "{\"type\":\"string\"}"
#define FILTER_NUMBER "{\"type\":\"integer\",\"minimum\":0}"
#define FILTER_PORT "{\"type\":\"integer\",\"minimum\":1,\"maximum\":65535}"
#define FILTER_SECONDS "{\"type\":\"string\",\"pattern\":\"^[0-9.]+(ms|s|m|h|d|w)?.*$\"}"
#define FILTER_DURATION "{\"type\":\"string\",\"pattern\":\"^([0-9]+(ms|s|m|h|d|w))+$\"}"
#define FILTER_ATTACHMENT \
	"{\"type\":\"string\",\"enum\":[\"unknown\",\"held\",\"unaccepted\",\"orphan\"," \
	"\"timewait\",\"request\",\"unheld\"]}"
#define FILTER_DIRECTION "{\"type\":\"string\",\"enum\":[\"unknown\",\"inbound\",\"outbound\"]}"
#define FILTER_FAMILY "{\"type\":\"string\",\"enum\":[\"inet\",\"inet6\"]}"
#define FILTER_PROTOCOL "{\"type\":\"string\",\"enum\":[\"tcp\",\"mptcp\"]}"
#define FILTER_RULE "{\"$ref\":\"#/components/schemas/RuleId\"}"
#define FILTER_LINGER "{\"type\":\"string\",\"enum\":[\"off\",\"zero\",\"positive\",\"forever\"]}"
#define FILTER_SEGMENT "{\"type\":\"string\",\"enum\":[\"none\",\"fin\",\"rst\"]}"

/* One value of a parameter, compiled. */
struct filter_value {
	uint64_t number; /* a number, a mask, milliseconds */
	uint8_t address[16];
	uint8_t bits; /* of the address that count */
	uint8_t family; /* AF_INET, AF_INET6, 0: any */
	uint16_t port; /* 0: any */
};

struct filter_row;

/* One parameter with all its values. */
struct filter_test {
	const struct filter_row *row;
	struct filter_value *values; /* in the filter */
	size_t count;
	bool *processes; /* of the parameters about processes: which rows match; owned */
};

struct filter {
	const struct snapshot *snapshot;
	struct filter_test tests[QUERY_MAX];
	size_t count;
	struct filter_value values[FILTER_VALUES_MAX];
	size_t value_count;
};

/**
 * filter_compile() - the filters of a query; other parameters are passed over
 * @snapshot: borrowed as long as the filter is used
 * @ret: to be freed with filter_done(), also after a failure
 *
 * Return: 0; -EINVAL with @problem, which names the parameter, the value and what is allowed; -ENOMEM.
 */
int filter_compile(const struct query *query, const struct snapshot *snapshot, struct filter *ret,
		   struct problem *problem);

/**
 * filter_compile_ends() - those that look at the socket alone: FILTER_ENDS_PARAMETERS
 * @snapshot: for the names of namespaces; not used any more afterwards
 *
 * For records that stand in no snapshot. As above.
 */
int filter_compile_ends(const struct query *query, const struct snapshot *snapshot,
			struct filter *ret, struct problem *problem);

/* Whether one of its tests is of that parameter. */
bool filter_asks(const struct filter *filter, const char *name);

/* Frees what it holds. */
void filter_done(struct filter *filter);

bool filter_match(const struct filter *filter, const struct record *record);

/* ---- reading values: filter_value.c ---- */

/* A decimal number up to @max, nothing behind it. Return: 0, -EINVAL. */
int value_number(const char *text, size_t len, uint64_t max, uint64_t *ret);

/**
 * value_duration() - a duration as Prometheus writes it, such as 500ms or 1m30s
 * @bare: a number without unit is taken as seconds, with up to three decimals
 *
 * Return: 0, -EINVAL.
 */
int value_duration(const char *text, size_t len, bool bare, uint64_t *ret_ms);

/* "10.0.0.1", "10.0.0.0/8", "10.0.0.1:80", ":80", "2001:db8::/32", "[::1]:80". Return: 0, -EINVAL. */
int value_endpoint(const char *text, size_t len, struct filter_value *ret);
