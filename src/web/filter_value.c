/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers, durations and addresses from the text of a query: strictly, whole, and bounded.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "model/macro.h"
#include "web/filter.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits at @text. Return: how many, 0 where there are none or the number does not fit. */
static size_t digits(const char *text, size_t len, uint64_t *ret)
{
	uint64_t number = 0;
	size_t i;

	for (i = 0; i < len && is_digit(text[i]); i++)
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(text[i] - '0'), &number))
			return 0;
	*ret = number;
	return i;
}

int value_number(const char *text, size_t len, uint64_t max, uint64_t *ret)
{
	uint64_t number;

	if (!len || digits(text, len, &number) != len || number > max)
		return -EINVAL;
	*ret = number;
	return 0;
}

/* Units from large to small: each may stand once, in this order. */
static const struct {
	const char *name;
	uint64_t ms;
} units[] = {
	{ "w", 604800000 }, { "d", 86400000 }, { "h", 3600000 },
	{ "m", 60000 },	    { "s", 1000 },     { "ms", 1 },
};

static size_t unit_at(const char *text, size_t len, size_t from)
{
	size_t i, unit_len = 0;

	while (unit_len < len && !is_digit(text[unit_len]))
		unit_len++;
	for (i = from; i < ARRAY_SIZE(units); i++)
		if (strlen(units[i].name) == unit_len && !memcmp(units[i].name, text, unit_len))
			break;
	return i;
}

/* Seconds with a point and up to three decimals. */
static int bare_seconds(const char *text, size_t len, uint64_t *ret_ms)
{
	uint64_t seconds, fraction = 0, scale = 100;
	size_t at = digits(text, len, &seconds);

	if (!at || seconds > INT64_MAX / 1000000)
		return -EINVAL;
	if (at < len) {
		if (text[at++] != '.' || at == len)
			return -EINVAL;
		for (; at < len && is_digit(text[at]) && scale; at++, scale /= 10)
			fraction += (uint64_t)(text[at] - '0') * scale;
	}
	if (at < len)
		return -EINVAL;
	*ret_ms = seconds * 1000 + fraction;
	return 0;
}

int value_duration(const char *text, size_t len, bool bare, uint64_t *ret_ms)
{
	uint64_t total = 0;
	size_t from = 0;

	if (bare && !bare_seconds(text, len, ret_ms))
		return 0;
	if (!len)
		return -EINVAL;
	while (len) {
		uint64_t number;
		size_t count = digits(text, len, &number);

		if (!count)
			return -EINVAL;
		text += count;
		len -= count;
		from = unit_at(text, len, from);
		if (from == ARRAY_SIZE(units) ||
		    __builtin_mul_overflow(number, units[from].ms, &number) ||
		    __builtin_add_overflow(total, number, &total) || total > INT64_MAX / 1000000)
			return -EINVAL;
		text += strlen(units[from].name);
		len -= strlen(units[from].name);
		from++;
	}
	*ret_ms = total;
	return 0;
}

/* An address without port or prefix. */
static int address(const char *text, size_t len, struct filter_value *ret)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char copy[INET6_ADDRSTRLEN];

	if (len >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	ret->bits = 128;
	if (inet_pton(AF_INET, copy, ret->address + sizeof(mapped)) == 1) {
		memcpy(ret->address, mapped, sizeof(mapped));
		ret->family = AF_INET;
		return 0;
	}
	if (inet_pton(AF_INET6, copy, ret->address) != 1)
		return -EINVAL;
	/* A v4-mapped address is IPv4 here, as in `family`. */
	ret->family = memcmp(ret->address, mapped, sizeof(mapped)) ? AF_INET6 : AF_INET;
	return 0;
}

static int prefix(const char *text, size_t len, const char *slash, struct filter_value *ret)
{
	bool dotted = !memchr(text, ':', (size_t)(slash - text));
	uint64_t bits;
	int r;

	r = address(text, (size_t)(slash - text), ret);
	if (r < 0)
		return r;
	r = value_number(slash + 1, len - (size_t)(slash + 1 - text), dotted ? 32 : 128, &bits);
	if (r < 0)
		return r;
	ret->bits = (uint8_t)(dotted ? 96 + bits : bits);
	if (ret->bits < 96)
		ret->family = AF_INET6;
	return 0;
}

static int port(const char *text, size_t len, struct filter_value *ret)
{
	uint64_t number;
	int r;

	r = value_number(text, len, UINT16_MAX, &number);
	if (r < 0)
		return r;
	if (!number)
		return -EINVAL;
	ret->port = (uint16_t)number;
	return 0;
}

/* "[v6]", "[v6]:port", "[v6]/bits" */
static int bracketed(const char *text, size_t len, struct filter_value *ret)
{
	const char *end = memchr(text, ']', len);
	char copy[INET6_ADDRSTRLEN + 8];
	size_t inner, rest;
	int r;

	if (!end)
		return -EINVAL;
	inner = (size_t)(end - text) - 1;
	rest = len - inner - 2;
	if (rest && end[1] == '/') {
		if (inner + rest > sizeof(copy))
			return -EINVAL;
		memcpy(copy, text + 1, inner);
		memcpy(copy + inner, end + 1, rest);
		return prefix(copy, inner + rest, copy + inner, ret);
	}
	if (!memchr(text, ':', inner + 1))
		return -EINVAL;
	r = address(text + 1, inner, ret);
	if (r < 0 || !rest)
		return r;
	return end[1] == ':' ? port(end + 2, rest - 1, ret) : -EINVAL;
}

int value_endpoint(const char *text, size_t len, struct filter_value *ret)
{
	const char *slash = memchr(text, '/', len), *colon = memchr(text, ':', len);
	struct filter_value value = {};
	int r;

	if (len && text[0] == '[') {
		r = bracketed(text, len, &value);
	} else if (slash) {
		r = prefix(text, len, slash, &value);
	} else if (colon && !memchr(colon + 1, ':', len - (size_t)(colon + 1 - text))) {
		/* One colon: a port behind an IPv4 address, or behind nothing or a star: any. */
		size_t before = (size_t)(colon - text);

		r = before && !(before == 1 && *text == '*') ? address(text, before, &value) : 0;
		if (r >= 0)
			r = port(colon + 1, len - before - 1, &value);
	} else {
		r = address(text, len, &value);
	}
	if (r >= 0)
		*ret = value;
	return r;
}
