/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * RFC 3339, 5.6: full-date "T" full-time, with a fraction of any length and an offset. A leap second is the second
 * behind it, as the kernel's clock has it. Days are counted from the date alone, so no time zone plays into it.
 */
#include <errno.h>
#include <stdbool.h>

#include "model/macro.h"
#include "web/filter.h"
#include "web/when.h"

/* What is left of the text. */
struct text {
	const char *at;
	size_t len;
};

/* Exactly @count digits. Return: their number, -1 where they are not there. */
static int64_t digits(struct text *text, size_t count)
{
	int64_t number = 0;

	if (text->len < count)
		return -1;
	for (; count; count--, text->at++, text->len--) {
		if (*text->at < '0' || *text->at > '9')
			return -1;
		number = number * 10 + (*text->at - '0');
	}
	return number;
}

static bool one_of(struct text *text, char a, char b)
{
	if (!text->len || (*text->at != a && *text->at != b))
		return false;
	text->at++;
	text->len--;
	return true;
}

static bool is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int64_t days_of(int64_t year, int64_t month)
{
	static const int8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days since 1970-01-01. Return: false where there is no such date. */
static bool date(struct text *text, int64_t *ret)
{
	int64_t year = digits(text, 4), month, day, before;

	if (year < 0 || !one_of(text, '-', '-'))
		return false;
	month = digits(text, 2);
	if (month < 1 || month > 12 || !one_of(text, '-', '-'))
		return false;
	day = digits(text, 2);
	if (day < 1 || day > days_of(year, month))
		return false;
	before = MAX(year - 1, (int64_t)0);
	*ret = year * 365 + before / 4 - before / 100 + before / 400 - 719527 + day - 1;
	while (--month)
		*ret += days_of(year, month);
	return true;
}

/* Nanoseconds since midnight. */
static bool clock_time(struct text *text, int64_t *ret)
{
	int64_t hour = digits(text, 2), minute, second, scale = NSEC_PER_SEC / 10;

	if (hour < 0 || hour > 23 || !one_of(text, ':', ':'))
		return false;
	minute = digits(text, 2);
	if (minute < 0 || minute > 59 || !one_of(text, ':', ':'))
		return false;
	second = digits(text, 2);
	if (second < 0 || second > 60)
		return false;
	*ret = ((hour * 60 + minute) * 60 + second) * NSEC_PER_SEC;
	if (!one_of(text, '.', '.'))
		return true;
	if (!text->len || *text->at < '0' || *text->at > '9')
		return false;
	for (; text->len && *text->at >= '0' && *text->at <= '9'; text->at++, text->len--) {
		*ret += (*text->at - '0') * scale;
		scale /= 10;
	}
	return true;
}

/* East of Greenwich, in nanoseconds; nothing stands behind it. */
static bool offset(struct text *text, int64_t *ret)
{
	int64_t sign = text->len && *text->at == '-' ? -1 : 1, hours, minutes;

	*ret = 0;
	if (one_of(text, 'Z', 'z'))
		return !text->len;
	if (!one_of(text, '+', '-') && !one_of(text, ' ', ' '))
		return false;
	hours = digits(text, 2);
	if (hours < 0 || hours > 23 || !one_of(text, ':', ':'))
		return false;
	minutes = digits(text, 2);
	if (minutes < 0 || minutes > 59)
		return false;
	*ret = sign * (hours * 60 + minutes) * 60 * NSEC_PER_SEC;
	return !text->len;
}

static int absolute(struct text text, int64_t *ret_ns)
{
	int64_t days, of_day, east, ns;

	if (!date(&text, &days) || !one_of(&text, 'T', 't') || !clock_time(&text, &of_day) ||
	    !offset(&text, &east))
		return -EINVAL;
	/* What 64 bits of nanoseconds do not reach ends in 2262. */
	if (__builtin_mul_overflow(days, 86400 * NSEC_PER_SEC, &ns) ||
	    __builtin_add_overflow(ns, of_day - east, &ns))
		ns = days < 0 ? 0 : INT64_MAX;
	*ret_ns = MAX(ns, (int64_t)0);
	return 0;
}

int when_parse(const char *text, size_t len, int64_t now_ns, int64_t *ret_ns)
{
	uint64_t ms;

	if (!len || *text != '-')
		return absolute((struct text){ text, len }, ret_ns);
	/* At most INT64_MAX nanoseconds: value_duration() sees to that. */
	if (value_duration(text + 1, len - 1, false, &ms) < 0)
		return -EINVAL;
	*ret_ns = MAX(now_ns - (int64_t)ms * NSEC_PER_MSEC, (int64_t)0);
	return 0;
}
