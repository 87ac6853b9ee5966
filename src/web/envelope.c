/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which snapshot an answer comes from, for people and for programs that compare two answers.
 *
 * Dates come from the day number alone (proleptic Gregorian calendar, RFC 3339): no time zone, no locale.
 */
#include <errno.h>

#include "web/envelope.h"

int64_t snapshot_wall(const struct snapshot *snapshot, int64_t monotonic_ns)
{
	int64_t ret;

	/* Both times come from outside: they may be as far apart as they like. */
	if (__builtin_sub_overflow(monotonic_ns, snapshot->header->now_ns, &ret) ||
	    __builtin_add_overflow(ret, snapshot->header->wall_ns, &ret))
		return 0;
	return ret;
}

int64_t snapshot_age(const struct snapshot *snapshot, int64_t monotonic_ns)
{
	int64_t age;

	if (__builtin_sub_overflow(snapshot->header->now_ns, monotonic_ns, &age))
		return 0;
	return MAX(age, (int64_t)0);
}

/* The last @count digits of @value. Return: behind them. */
static char *digits(char *p, uint32_t value, int count)
{
	int i;

	for (i = count; i-- > 0; value /= 10)
		p[i] = (char)('0' + value % 10);
	return p + count;
}

/* Years begin in March here, so that the leap day is the last of its year. */
static char *date(char *p, int64_t days_since_1970)
{
	int64_t days = days_since_1970 + 719468; /* since 0000-03-01 */
	int64_t era = days / 146097; /* of 400 years */
	uint32_t day = (uint32_t)(days - era * 146097);
	uint32_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	uint32_t month;

	day -= 365 * year + year / 4 - year / 100;
	month = (5 * day + 2) / 153;
	day -= (153 * month + 2) / 5;
	month = month < 10 ? month + 3 : month - 9;
	p = digits(p, year + (uint32_t)era * 400 + (month <= 2), 4);
	*p++ = '-';
	p = digits(p, month, 2);
	*p++ = '-';
	return digits(p, day + 1, 2);
}

void buffer_time(struct buffer *b, int64_t wall_ns)
{
	int64_t ms = MAX(wall_ns, (int64_t)0) / NSEC_PER_MSEC;
	uint32_t of_day = (uint32_t)(ms / 1000 % 86400);
	char text[sizeof("\"2026-11-23T03:54:45.123Z\"")];
	char *p = text;

	*p++ = '"';
	p = date(p, ms / 86400000);
	*p++ = 'T';
	p = digits(p, of_day / 3600, 2);
	*p++ = ':';
	p = digits(p, of_day / 60 % 60, 2);
	*p++ = ':';
	p = digits(p, of_day % 60, 2);
	*p++ = '.';
	p = digits(p, (uint32_t)(ms % 1000), 3);
	*p++ = 'Z';
	*p++ = '"';
	buffer_add(b, text, (size_t)(p - text));
}

void buffer_seconds(struct buffer *b, int64_t ns)
{
	buffer_ms(b, ns / NSEC_PER_MSEC);
}

/* The lines of @text as an array of strings. */
static void print_lines(struct buffer *b, const char *text)
{
	bool more = false;

	buffer_char(b, '[');
	while (*text) {
		size_t len = strcspn(text, "\n");
		_cleanup_free_ char *line = strndup(text, len);

		if (more)
			buffer_char(b, ',');
		if (line)
			buffer_json(b, line);
		else
			b->error = -ENOMEM;
		more = true;
		text += len;
		text += *text == '\n';
	}
	buffer_char(b, ']');
}

/* How long before the answer something was; no clock runs in a replay. */
static int64_t age_at(const struct snapshot *snapshot, int64_t then_ns, int64_t now_ns)
{
	int64_t age;

	if (snapshot->header->replay)
		return snapshot_age(snapshot, then_ns);
	if (__builtin_sub_overflow(now_ns, then_ns, &age))
		return 0;
	return MAX(age, (int64_t)0);
}

void envelope_print(struct buffer *b, const struct snapshot *snapshot, int64_t now_ns)
{
	const struct snapshot_header *header = snapshot->header;
	const char *missing = snapshot_text(snapshot, header->missing);
	int64_t sweep_ns = header->lanes[LANE_SWEEP].last_ns;

	buffer_literal(b, "\"snapshot\":{\"id\":");
	buffer_u64(b, header->id);
	buffer_literal(b, ",\"time\":");
	buffer_time(b, header->wall_ns);
	buffer_literal(b, ",\"age_seconds\":");
	buffer_seconds(b, age_at(snapshot, header->now_ns, now_ns));
	buffer_literal(b, ",\"sweep_age_seconds\":");
	if (sweep_ns)
		buffer_seconds(b, age_at(snapshot, sweep_ns, now_ns));
	else
		buffer_literal(b, "null");
	buffer_text(b, *missing ? ",\"complete\":false,\"missing\":" : ",\"complete\":true");
	if (*missing)
		print_lines(b, missing);
	buffer_char(b, '}');
}
