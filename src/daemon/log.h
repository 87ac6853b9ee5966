/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages for whoever runs the daemon: to the journal, or lines on stderr.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <syslog.h>

#include "daemon/options.h"
#include "model/macro.h"

#define LOG_LINE \
	2048 /* a disagreement of the oracle and the kernel is one line, with a row to paste */

enum log_output {
	LOG_OUTPUT_PLAIN = 0, /* a terminal: the text alone */
	LOG_OUTPUT_PREFIX, /* "<4>text", sd-daemon(3) */
	LOG_OUTPUT_JSON, /* one object a line */
	LOG_OUTPUT_JOURNAL, /* sd_journal_send(), or prefixes where the journal does not answer */
};

struct log {
	enum log_output output;
	int level; /* LOG_ERR..LOG_DEBUG: print up to this */
	int fd; /* lines go here */
	const char *process; /* "tcpdiagd" */
	char last[LOG_LINE]; /* the message before, to say it once */
	int64_t last_ns; /* CLOCK_MONOTONIC: when it was said */
	int last_priority;
	uint64_t repeated; /* how often it came again since */
};

/* The last message about one thing: it is logged again when it changes. */
struct log_topic {
	char last[LOG_LINE];
};

/* Level and output as the options want them. */
void log_open(struct log *log, const struct options *options, const char *process);

/* The same for one that is open: what was said last, and how often, stays. */
void log_configure(struct log *log, const struct options *options);

/* syslog priority of log.level */
int log_level(const struct options *options);

/* One message. The same one again within ten seconds is counted, and the count said with the next. */
void log_print(struct log *log, int priority, const char *format, ...) PRINTF(3, 4);

/* More about a message, for systemd's journal and for JSON. */
struct log_field {
	/* "TCPDIAGD_RULE", as systemd.journal-fields(7) wants it; "rule" in JSON, OBJECT_PID "pid" */
	const char *name;
	const char *value; /* NULL or empty: left out */
	bool number; /* in JSON */
};

#define LOG_FIELDS_MAX 24

/* One message with fields, at most LOG_FIELDS_MAX of them; a line of text has none of them. */
void log_fields(struct log *log, int priority, const struct log_field *fields, size_t count,
		const char *format, ...) PRINTF(5, 6);

/* A message about @topic, only when it is another one than before. */
void log_change(struct log *log, struct log_topic *topic, int priority, const char *format, ...)
	PRINTF(4, 5);

/* The thing is well again: says so if it was not. */
void log_clear(struct log *log, struct log_topic *topic, int priority, const char *format, ...)
	PRINTF(4, 5);

/* What stands in one line. */
struct log_message {
	const char *process;
	int priority;
	const char *text;
	int64_t wall_ns;
	const struct log_field *fields;
	size_t count;
};

/* Longer lines of two processes could mix, PIPE_BUF of pipe(7). */
#define LOG_LINE_MAX 4096

/*
 * One line written out as @output has it, with its newline; pure. What finds no room is cut; of an object fields that
 * find none are left out, so that it stays one. Return: its length.
 */
size_t log_format(enum log_output output, const struct log_message *message, char *ret,
		  size_t size);
