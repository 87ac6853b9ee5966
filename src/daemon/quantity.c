/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Durations follow the Prometheus grammar (model/time.go: ([0-9]+y)?([0-9]+w)?...([0-9]+ms)?).
 * Numbers are decimal and nothing else: no sign, no leading zero, no exponent.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/quantity.h"

/* Largest first: the order in which they may stand. */
static const struct unit {
	const char *name;
	int64_t ns;
} units[] = {
	{ "y", 365 * 86400 * NSEC_PER_SEC },
	{ "w", 7 * 86400 * NSEC_PER_SEC },
	{ "d", 86400 * NSEC_PER_SEC },
	{ "h", 3600 * NSEC_PER_SEC },
	{ "m", 60 * NSEC_PER_SEC },
	{ "s", NSEC_PER_SEC },
	{ "ms", NSEC_PER_MSEC },
};

static const struct size_unit {
	const char *name;
	int64_t bytes;
} size_units[] = {
	{ "GiB", 1LL << 30 },
	{ "MiB", 1LL << 20 },
	{ "KiB", 1LL << 10 },
};

int quantity_wrong(char ret_why[static QUANTITY_WHY], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(ret_why, QUANTITY_WHY, format, args);
	va_end(args);
	return -EINVAL;
}

/* Digits at @text; the rest behind them, or NULL where there are none or too many. */
static const char *digits(const char *text, int64_t *ret)
{
	int64_t value = 0;

	if (!isdigit((unsigned char)*text))
		return NULL;
	for (; isdigit((unsigned char)*text); text++)
		if (__builtin_mul_overflow(value, (int64_t)10, &value) ||
		    __builtin_add_overflow(value, (int64_t)(*text - '0'), &value))
			return NULL;
	*ret = value;
	return text;
}

/* The index of the unit at @text, whose letters end where no letter follows; -1 for none. */
static int find_unit(const char *text, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (strlen(units[i].name) == len && !strncmp(units[i].name, text, len))
			return (int)i;
	return -1;
}

static int bare_number(const char *text, char ret_why[static QUANTITY_WHY])
{
	return quantity_wrong(
		ret_why,
		"\"%.32s\" has no unit: write %.32ss for seconds or %.32sms for milliseconds", text,
		text, text);
}

int quantity_duration(const char *text, int64_t *ret_ns, char ret_why[static QUANTITY_WHY])
{
	const char *p = text;
	int64_t sum = 0;
	int before = -1;

	if (!strcmp(text, "0")) {
		*ret_ns = 0;
		return 0;
	}
	if (!*text)
		return quantity_wrong(ret_why, "empty; write a duration such as 500ms or 1m30s");
	while (*p) {
		int64_t number, ns;
		size_t len = 0;
		int unit;

		p = digits(p, &number);
		if (!p)
			return quantity_wrong(
				ret_why,
				"\"%.64s\" is no duration; write for example 500ms or 1m30s", text);
		if (!*p && before < 0)
			return bare_number(text, ret_why);
		while (isalpha((unsigned char)p[len]))
			len++;
		unit = find_unit(p, len);
		if (unit < 0)
			return quantity_wrong(
				ret_why,
				"\"%.64s\" is no duration: a whole number needs one of the units "
				"y w d h m s ms, for example 1m30s",
				text);
		if (unit <= before)
			return quantity_wrong(
				ret_why,
				"\"%.64s\" is no duration: units stand once, the largest first",
				text);
		if (__builtin_mul_overflow(number, units[unit].ns, &ns) ||
		    __builtin_add_overflow(sum, ns, &sum))
			return quantity_wrong(ret_why, "\"%.64s\" is too long", text);
		before = unit;
		p += len;
	}
	*ret_ns = sum;
	return 0;
}

int quantity_count(const char *text, int64_t *ret, char ret_why[static QUANTITY_WHY])
{
	const char *end;
	int64_t value;

	end = digits(text, &value);
	if (!end || *end)
		return quantity_wrong(ret_why, "\"%.64s\" is no whole number", text);
	if (text[0] == '0' && text[1])
		return quantity_wrong(ret_why, "\"%.64s\" begins with a zero: write %" PRId64, text,
				      value);
	*ret = value;
	return 0;
}

int quantity_bytes(const char *text, int64_t *ret, char ret_why[static QUANTITY_WHY])
{
	const char *end;
	int64_t value;

	end = digits(text, &value);
	if (!end || !*end)
		return quantity_count(text, ret, ret_why);
	for (size_t i = 0; i < ARRAY_SIZE(size_units); i++) {
		if (strcmp(end, size_units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(value, size_units[i].bytes, ret))
			return quantity_wrong(ret_why, "\"%.64s\" is too large", text);
		return 0;
	}
	return quantity_wrong(
		ret_why, "\"%.64s\" is no size: write a number of bytes, or with KiB, MiB or GiB",
		text);
}

int quantity_percent(const char *text, double *ret, char ret_why[static QUANTITY_WHY])
{
	const char *end = text;

	while (isdigit((unsigned char)*end))
		end++;
	if (end > text && *end == '.' && isdigit((unsigned char)end[1]))
		for (end++; isdigit((unsigned char)*end);)
			end++;
	if (end == text || (*end == '%' ? end[1] : *end))
		return quantity_wrong(
			ret_why, "\"%.64s\" is no number of percent; write for example 5 or 2.5",
			text);
	/* The shape is checked and the locale is never set: this cannot go wrong. */
	*ret = strtod(text, NULL);
	return 0;
}

void quantity_print_duration(int64_t ns, char ret[static QUANTITY_TEXT])
{
	size_t used = 0;

	if (ns < NSEC_PER_MSEC) {
		snprintf(ret, QUANTITY_TEXT, "0");
		return;
	}
	/* Years and weeks are read, but days are clearer to read back. */
	for (size_t i = 2; i < ARRAY_SIZE(units) && used < QUANTITY_TEXT; i++) {
		int64_t number = ns / units[i].ns;

		if (!number)
			continue;
		used += (size_t)snprintf(ret + used, QUANTITY_TEXT - used, "%" PRId64 "%s", number,
					 units[i].name);
		ns %= units[i].ns;
	}
}

void quantity_print_bytes(int64_t bytes, char ret[static QUANTITY_TEXT])
{
	for (size_t i = 0; i < ARRAY_SIZE(size_units); i++) {
		if (bytes == 0 || bytes % size_units[i].bytes)
			continue;
		snprintf(ret, QUANTITY_TEXT, "%" PRId64 "%s", bytes / size_units[i].bytes,
			 size_units[i].name);
		return;
	}
	snprintf(ret, QUANTITY_TEXT, "%" PRId64, bytes);
}

void quantity_print_percent(double percent, char ret[static QUANTITY_TEXT])
{
	size_t len;

	snprintf(ret, QUANTITY_TEXT, "%.6f", percent);
	len = strlen(ret);
	while (len > 1 && ret[len - 1] == '0')
		ret[--len] = '\0';
	if (ret[len - 1] == '.')
		ret[len - 1] = '\0';
}

#define WORD_MAX 64

/* Levenshtein, one row; words are cut at WORD_MAX. */
static size_t distance(const char *a, const char *b)
{
	size_t la = strnlen(a, WORD_MAX), lb = strnlen(b, WORD_MAX);
	size_t row[WORD_MAX + 1];

	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t above = row[j];
			size_t change = diagonal + (a[i - 1] != b[j - 1]);

			row[j] = MIN(change, MIN(above, row[j - 1]) + 1);
			diagonal = above;
		}
	}
	return row[lb];
}

bool nearest_word(const char *word,
		  bool (*next)(void *context, size_t i, char ret[static QUANTITY_WORD]),
		  void *context, char ret[static QUANTITY_WORD])
{
	size_t least = strnlen(word, WORD_MAX) / 3 + 2;
	char candidate[QUANTITY_WORD];
	bool found = false;

	for (size_t i = 0; next(context, i, candidate); i++) {
		size_t d = *candidate ? distance(word, candidate) : least;

		/* "listen" for "web.listen-address" is near in another way. */
		if (d >= least && !found && strlen(word) > 3 && strstr(candidate, word))
			d = least - 1;
		if (d >= least)
			continue;
		least = d;
		found = true;
		snprintf(ret, QUANTITY_WORD, "%s", candidate);
	}
	return found;
}
