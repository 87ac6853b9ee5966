/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Options: one row each, whatever it is that reads or prints them.
 *
 * The command line, the configuration file, --help, --check-config, the manuals' tests: all walk
 * the same rows. The thresholds of the rules are rows too, after the program's own. A value is
 * taken from the command line before the file before the default, and remembers which it was.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/faults.h"
#include "daemon/quantity.h"
#include "rules/thresholds.h"

#define TCPDIAGD_CONFIG "/etc/tcpdiagd/tcpdiagd.yaml" /* the file that may be absent */

#define OPTIONS_MAX 160
#define OPTION_LIST_MAX 16

enum option_type {
	OPTION_SWITCH = 0, /* bool; --name and --no-name */
	OPTION_DURATION, /* int64_t, nanoseconds; limits in seconds */
	OPTION_COUNT, /* int64_t */
	OPTION_BYTES, /* int64_t */
	OPTION_PERCENT, /* double */
	OPTION_CHOICE, /* int, index into @choices */
	OPTION_TEXT, /* char *, owned */
	OPTION_ADDRESSES, /* struct option_list of what listen_parse() takes */
	OPTION_HOSTS, /* struct option_list of host names */
	OPTION_NAMES, /* struct option_list of units and commands */
};

enum option_flag {
	OPTION_RESTART = 1U << 0, /* a reload does not change it */
	OPTION_COMMAND_LINE = 1U << 1, /* no key of the file */
	OPTION_WITH_ONCE = 1U << 2, /* says something with --once only */
	OPTION_ACTION = 1U << 3, /* a switch without --no- */
};

enum option_source { ORIGIN_DEFAULT = 0, ORIGIN_FILE, ORIGIN_COMMAND_LINE };

/* Where a value came from. */
struct option_origin {
	enum option_source source;
	unsigned int line; /* ORIGIN_FILE: from 1 */
	unsigned int column;
};

struct option_list {
	char *items[OPTION_LIST_MAX]; /* owned */
	size_t count;
};

enum option_format { FORMAT_TEXT = 0, FORMAT_JSON, FORMAT_NDJSON };
enum option_fail_on { FAIL_ON_NEVER = 0, FAIL_ON_WARNING, FAIL_ON_CRITICAL };
enum option_log_format {
	LOG_FORMAT_AUTO = 0,
	LOG_FORMAT_TEXT,
	LOG_FORMAT_JSON,
	LOG_FORMAT_JOURNAL,
};

struct options {
	bool help, version, check_config, once;
	char *config; /* path */
	char *replay; /* path */
	char *unit; /* with --once: its end */
	int64_t pid; /* with --once: its end; 0: none */
	int format; /* enum option_format */
	int fail_on; /* enum option_fail_on */

	int64_t interval_ns, sweep_interval_ns;
	double cpu_share; /* percent of a core */
	bool processes, namespaces, bpf, events, reset_reasons;
	double events_share; /* percent of a core */

	struct option_list listen_addresses;
	struct option_list allowed_hosts;
	bool expose_api;
	int64_t max_connections, max_connections_per_address;
	int64_t max_streams;
	int64_t max_uri_bytes, max_header_bytes;
	int64_t idle_timeout_ns, hold_ns, stale_ns;

	int64_t max_sockets, max_strings, max_findings, max_processes, max_history, max_ended;
	int64_t max_events;
	int64_t max_namespaces;

	int log_level; /* index into the choices of log.level */
	int log_format; /* enum option_log_format */

	struct thresholds thresholds; /* but for its names, which are: */
	struct option_list linger_zero_allow;

	struct option_origin origins[OPTIONS_MAX]; /* by row */
};

struct option_info {
	const char *name; /* "web.listen-address" */
	const char *metavar; /* "ADDR"; NULL for switches */
	enum option_type type;
	size_t offset; /* in struct options */
	const char *fallback; /* the default, as it would be written; NULL: none */
	double min, max; /* of numbers; seconds for durations */
	const char *const *choices; /* OPTION_CHOICE: ends with NULL */
	unsigned int flags; /* enum option_flag */
	const char *text; /* one or two sentences for --help */
	double value; /* default of a row without @fallback: a threshold's */
};

/* Whether it is a struct option_list. */
static inline bool option_is_list(enum option_type type)
{
	return type == OPTION_ADDRESSES || type == OPTION_HOSTS || type == OPTION_NAMES;
}

/* How many rows. */
size_t options_count(void);

/* One row; @row below options_count(). */
void option_get(size_t row, struct option_info *ret);

/* The row of a name, not necessarily terminated; -ENOENT where there is none. */
int option_find(const char *name, size_t len, struct option_info *ret);

/* The default as it would be written; "" where there is none. */
void option_default(const struct option_info *info, char ret[static QUANTITY_TEXT]);

/* "a duration such as 500ms or 1m30s, from 100ms to 1h" */
void option_expects(const struct option_info *info, char ret[static QUANTITY_WHY]);

/* Every option at its default. Free with options_done(). Return: 0, -ENOMEM. */
int options_default(struct options *ret);

/* Frees what the options own; they may be half-built. */
void options_done(struct options *options);

/**
 * option_set() - a value from its text
 * @row: below options_count()
 * @origin: who says so; the first value of a list from a new source replaces what was there
 *
 * Return: 0; -EINVAL with @ret_why, the option unchanged; -ENOMEM.
 */
int option_set(struct options *options, size_t row, const char *text, struct option_origin origin,
	       char ret_why[static QUANTITY_WHY]);

/* Empties a list before its values come. */
void option_clear(struct options *options, size_t row, struct option_origin origin);

/* The values in force as YAML, and where each came from. @path: of the file. */
void options_print_yaml(const struct options *options, const char *path, FILE *out);

/* --help */
void options_print_help(FILE *out);

/**
 * options_check() - what no row can see alone: options that contradict each other
 *
 * Return: 0; -EINVAL, each contradiction added to @faults.
 */
int options_check(const struct options *options, struct faults *faults);

/* The same value in both? */
bool option_equal(const struct options *a, const struct options *b, size_t row);

/**
 * arguments_apply() - the command line
 * @argv: argv[0] is skipped
 *
 * Every argument is looked at, so that all faults are reported at once.
 *
 * Return: 0; -EINVAL, each fault added to @faults; -ENOMEM.
 */
int arguments_apply(struct options *options, int argc, char **argv, struct faults *faults);
