/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A line is written with one write(), so that lines of two processes do not mix. Started by systemd
 * (JOURNAL_STREAM names the device and inode of stderr, systemd.exec(5)) messages go to the journal
 * with their priority.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#define SD_JOURNAL_SUPPRESS_LOCATION /* it would always be this file */
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

#include "daemon/log.h"

#define REPEAT_WINDOW (10 * NSEC_PER_SEC)

static const char *const names[] = {
	[LOG_EMERG] = "emergency", [LOG_ALERT] = "alert",     [LOG_CRIT] = "critical",
	[LOG_ERR] = "error",	   [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
	[LOG_INFO] = "info",	   [LOG_DEBUG] = "debug",
};

/* Is stderr the stream that systemd made for the journal? */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char wanted[64];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(wanted, sizeof(wanted), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return !strcmp(stream, wanted);
}

int log_level(const struct options *options)
{
	/* log.level's choices, in the table's order */
	static const int levels[] = { LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG };

	return levels[options->log_level];
}

void log_open(struct log *log, const struct options *options, const char *process)
{
	*log = (struct log){ .fd = STDERR_FILENO, .process = process };
	log_configure(log, options);
}

void log_configure(struct log *log, const struct options *options)
{
	enum log_output line = isatty(STDERR_FILENO) ? LOG_OUTPUT_PLAIN : LOG_OUTPUT_PREFIX;

	log->level = log_level(options);
	switch (options->log_format) {
	case LOG_FORMAT_JSON:
		log->output = LOG_OUTPUT_JSON;
		break;
	case LOG_FORMAT_JOURNAL:
		log->output = LOG_OUTPUT_JOURNAL;
		break;
	case LOG_FORMAT_TEXT:
		log->output = line;
		break;
	default:
		log->output = stderr_is_journal() ? LOG_OUTPUT_JOURNAL : line;
		break;
	}
}

/* ---- a line ---- */

struct line {
	char *text;
	size_t len, size;
	bool full;
};

static void add(struct line *line, const char *text, size_t len)
{
	if (line->full || line->len + len >= line->size) {
		line->full = true;
		return;
	}
	memcpy(line->text + line->len, text, len);
	line->len += len;
}

static void add_text(struct line *line, const char *text)
{
	add(line, text, strlen(text));
}

/* A JSON string's inside. Bytes that are no ASCII pass as they are: messages are UTF-8. */
static void add_escaped(struct line *line, const char *text)
{
	char code[8];

	for (; *text; text++) {
		const unsigned char c = (unsigned char)*text;

		if (c >= 0x20 && c != '"' && c != '\\') {
			add(line, text, 1);
			continue;
		}
		snprintf(code, sizeof(code), c < 0x20 ? "\\u%04x" : "\\%c", c);
		add_text(line, code);
	}
}

/* "TCPDIAGD_RULE" is "rule". */
static void add_name(struct line *line, const char *name)
{
	static const char *const fronts[] = { "TCPDIAGD_", "OBJECT_" };

	for (size_t i = 0; i < ARRAY_SIZE(fronts); i++)
		if (!strncmp(name, fronts[i], strlen(fronts[i])))
			name += strlen(fronts[i]);
	for (; *name; name++) {
		const char lower = (char)(*name >= 'A' && *name <= 'Z' ? *name + 'a' - 'A' : *name);

		add(line, &lower, 1);
	}
}

/* All of it or nothing, with room for what has to follow. */
static void add_field(struct line *line, const struct log_field *field)
{
	const size_t before = line->len;

	if (!field->value || !field->value[0])
		return;
	add_text(line, ",\"");
	add_name(line, field->name);
	add_text(line, field->number ? "\":" : "\":\"");
	add_escaped(line, field->value);
	add_text(line, field->number ? "" : "\"");
	if (line->full)
		line->len = before;
	line->full = false;
}

static unsigned char last_byte(const struct line *line)
{
	return (unsigned char)line->text[line->len - 1];
}

static void add_object(struct line *line, const struct log_message *message)
{
	const time_t seconds = (time_t)(message->wall_ns / NSEC_PER_SEC);
	const size_t end = strlen("\"}\n");
	size_t count = MIN(message->count, (size_t)LOG_FIELDS_MAX);
	char when[32], head[128];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(head, sizeof(head),
		 "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"process\":\"%s\",\"message\":\"", when,
		 (int)(message->wall_ns % NSEC_PER_SEC / NSEC_PER_MSEC),
		 names[message->priority & 7], message->process);
	add_text(line, head);
	line->size -= MIN(end, line->size);
	add_escaped(line, message->text);
	/* It alone fills the line; no character is cut in half. */
	if (line->full) {
		count = 0;
		while (line->len && (last_byte(line) & 0xc0) == 0x80)
			line->len--;
		line->len -= line->len && last_byte(line) >= 0xc0;
	}
	line->full = false;
	line->size += 1;
	add_text(line, "\"");
	for (size_t i = 0; i < count; i++)
		add_field(line, &message->fields[i]);
	line->size += end - 1;
	add_text(line, "}\n");
}

size_t log_format(enum log_output output, const struct log_message *message, char *ret, size_t size)
{
	const int priority = message->priority;
	struct line line = { .text = ret, .size = size };
	int len;

	switch (output) {
	case LOG_OUTPUT_PLAIN:
		len = snprintf(ret, size, "%s: %s%s\n", message->process,
			       priority <= LOG_ERR	 ? "error: "
			       : priority == LOG_WARNING ? "warning: "
							 : "",
			       message->text);
		break;
	case LOG_OUTPUT_JSON:
		add_object(&line, message);
		ret[line.len] = '\0';
		return line.len;
	default:
		len = snprintf(ret, size, "<%d>%s: %s\n", priority & 7, message->process,
			       message->text);
		break;
	}
	if (len < 0)
		return 0;
	if ((size_t)len >= size) {
		ret[size - 2] = '\n';
		return size - 1;
	}
	return (size_t)len;
}

/* ---- an entry of the journal ---- */

#define ENTRY_MAX 16384 /* bytes of a journal entry's fields */

/* One entry, put together in a buffer of its own. */
struct entry {
	struct iovec items[LOG_FIELDS_MAX + 3];
	int count;
	size_t used;
	char text[ENTRY_MAX];
};

/* What does not fit any more is cut. */
static void add_item(struct entry *entry, const char *name, const char *value)
{
	size_t room = sizeof(entry->text) - entry->used;
	char *at = entry->text + entry->used;
	int len = snprintf(at, room, "%s=%s", name, value);

	if (len < 0 || room < 2 || (size_t)entry->count >= ARRAY_SIZE(entry->items))
		return;
	len = MIN(len, (int)room - 1);
	entry->items[entry->count++] = (struct iovec){ .iov_base = at, .iov_len = (size_t)len };
	entry->used += (size_t)len + 1;
}

/* Return: as sd_journal_sendv(). */
static int send_entry(const struct log *log, int priority, const char *message,
		      const struct log_field *fields, size_t count)
{
	char number[2] = { (char)('0' + (priority & 7)), '\0' };
	struct entry entry;

	entry.count = 0;
	entry.used = 0;
	add_item(&entry, "MESSAGE", message);
	add_item(&entry, "PRIORITY", number);
	add_item(&entry, "SYSLOG_IDENTIFIER", log->process);
	for (size_t i = 0; i < MIN(count, (size_t)LOG_FIELDS_MAX); i++)
		if (fields[i].value && fields[i].value[0])
			add_item(&entry, fields[i].name, fields[i].value);
	return sd_journal_sendv(entry.items, entry.count);
}

static void write_line(const struct log *log, int priority, const char *message,
		       const struct log_field *fields, size_t count)
{
	struct log_message whole = {
		.process = log->process,
		.priority = priority,
		.text = message,
		.fields = fields,
		.count = count,
	};
	char line[LOG_LINE_MAX];
	struct timespec now;
	size_t len;

	if (log->output == LOG_OUTPUT_JOURNAL &&
	    send_entry(log, priority, message, fields, count) == 0)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	whole.wall_ns = now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
	len = log_format(log->output, &whole, line, sizeof(line));
	/* Nobody to tell where this fails. */
	if (write(log->fd, line, len) < 0)
		return;
}

static void print(struct log *log, int priority, const struct log_field *fields, size_t count,
		  const char *format, va_list args) PRINTF(5, 0);

static void print(struct log *log, int priority, const struct log_field *fields, size_t count,
		  const char *format, va_list args)
{
	char message[LOG_LINE], again[64];
	struct timespec now;
	int64_t now_ns;

	if (priority > log->level)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	now_ns = now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
	vsnprintf(message, sizeof(message), format, args);
	for (char *p = message; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	if (!strcmp(message, log->last) && now_ns - log->last_ns < REPEAT_WINDOW) {
		log->repeated++;
		return;
	}
	if (log->repeated) {
		snprintf(again, sizeof(again), "(the same %" PRIu64 " times more)", log->repeated);
		write_line(log, log->last_priority,
			   log->repeated == 1 ? "(the same once more)" : again, NULL, 0);
	}
	log->repeated = 0;
	log->last_priority = priority;
	log->last_ns = now_ns;
	memcpy(log->last, message, sizeof(message));
	write_line(log, priority, message, fields, count);
}

void log_print(struct log *log, int priority, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print(log, priority, NULL, 0, format, args);
	va_end(args);
}

void log_fields(struct log *log, int priority, const struct log_field *fields, size_t count,
		const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print(log, priority, fields, count, format, args);
	va_end(args);
}

void log_change(struct log *log, struct log_topic *topic, int priority, const char *format, ...)
{
	char message[LOG_LINE];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (!strcmp(message, topic->last))
		return;
	memcpy(topic->last, message, sizeof(message));
	log_print(log, priority, "%s", message);
}

void log_clear(struct log *log, struct log_topic *topic, int priority, const char *format, ...)
{
	va_list args;

	if (!topic->last[0])
		return;
	topic->last[0] = '\0';
	va_start(args, format);
	print(log, priority, NULL, 0, format, args);
	va_end(args);
}
