/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers two digits at a time from a table, JSON strings eight bytes at a time where nothing in them wants
 * an escape (RFC 8259, 7), addresses as RFC 5952 shortens them, dates from the day number alone: no time
 * zone, no locale.
 */
#include <stdbool.h>
#include <sys/socket.h>

#include "web/put.h"

static const char digit_pairs[] = "00010203040506070809"
				  "10111213141516171819"
				  "20212223242526272829"
				  "30313233343536373839"
				  "40414243444546474849"
				  "50515253545556575859"
				  "60616263646566676869"
				  "70717273747576777879"
				  "80818283848586878889"
				  "90919293949596979899";

/* Writes @value so that it ends before @end. Return: its first digit. */
static char *digits_backwards(char *end, uint64_t value)
{
	while (value >= 100) {
		end -= 2;
		memcpy(end, digit_pairs + value % 100 * 2, 2);
		value /= 100;
	}
	if (value >= 10) {
		end -= 2;
		memcpy(end, digit_pairs + value * 2, 2);
	} else {
		*--end = (char)('0' + value);
	}
	return end;
}

char *put_u64(char *p, uint64_t value)
{
	char text[PUT_NUMBER_MAX], *end = text + sizeof(text), *first;

	if (value < 10) {
		*p = (char)('0' + value);
		return p + 1;
	}
	first = digits_backwards(end, value);
	return put_bytes(p, first, (size_t)(end - first));
}

char *put_s64(char *p, int64_t value)
{
	if (value >= 0)
		return put_u64(p, (uint64_t)value);
	*p++ = '-';
	return put_u64(p, 0 - (uint64_t)value);
}

char *put_ms(char *p, int64_t ms)
{
	uint64_t value = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
	unsigned int rest = (unsigned int)(value % 1000);

	if (ms < 0)
		*p++ = '-';
	p = put_u64(p, value / 1000);
	if (!rest)
		return p;
	*p++ = '.';
	*p++ = (char)('0' + rest / 100);
	memcpy(p, digit_pairs + (size_t)(rest % 100) * 2, 2);
	if (!(rest % 100))
		return p;
	return rest % 10 ? p + 2 : p + 1;
}

static const char hex_digits[] = "0123456789abcdef";

char *put_hex(char *p, uint64_t value)
{
	int shift = value ? (63 - __builtin_clzll(value)) & ~3 : 0;

	for (; shift >= 0; shift -= 4)
		*p++ = hex_digits[value >> shift & 15];
	return p;
}

/* The last @count digits of @value. Return: behind them. */
static char *put_digits(char *p, uint32_t value, int count)
{
	int i;

	for (i = count; i-- > 0; value /= 10)
		p[i] = (char)('0' + value % 10);
	return p + count;
}

/* Years begin in March here, so that the leap day is the last of its year. */
static char *put_date(char *p, int64_t days_since_1970)
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
	p = put_digits(p, year + (uint32_t)era * 400 + (month <= 2), 4);
	*p++ = '-';
	p = put_digits(p, month, 2);
	*p++ = '-';
	return put_digits(p, day + 1, 2);
}

char *put_time(char *p, int64_t wall_ns)
{
	int64_t ms = wall_ns > 0 ? wall_ns / 1000000 : 0;
	uint32_t of_day = (uint32_t)(ms / 1000 % 86400);

	*p++ = '"';
	p = put_date(p, ms / 86400000);
	*p++ = 'T';
	p = put_digits(p, of_day / 3600, 2);
	*p++ = ':';
	p = put_digits(p, of_day / 60 % 60, 2);
	*p++ = ':';
	p = put_digits(p, of_day % 60, 2);
	*p++ = '.';
	p = put_digits(p, (uint32_t)(ms % 1000), 3);
	*p++ = 'Z';
	*p++ = '"';
	return p;
}

size_t put_utf8_length(const unsigned char *s)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t i, len;

	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	/* The terminator is no continuation, so this never reads past it. */
	for (i = 1; i < len; i++, low = 0x80, high = 0xbf)
		if (s[i] < low || s[i] > high)
			return 0;
	return len;
}

/* Whether eight bytes stand for themselves: no control, no quote, no backslash, nothing above 0x7e. */
static bool plain(const char *text)
{
	const uint64_t ones = 0x0101010101010101ULL, highs = 0x8080808080808080ULL;
	uint64_t word, quote, backslash, delete;

	memcpy(&word, text, sizeof(word));
	quote = word ^ ones * '"';
	backslash = word ^ ones * '\\';
	delete = word ^ ones * 0x7f;
	return !((word | (word - ones * 0x20) | (quote - ones) | (backslash - ones) |
		  (delete - ones)) &
		 highs);
}

static char *put_escape(char *p, unsigned char c)
{
	static const char short_forms[] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
					    ['\r'] = 'r', ['"'] = '"',	['\\'] = '\\' };

	*p++ = '\\';
	if (c < sizeof(short_forms) && short_forms[c]) {
		*p++ = short_forms[c];
		return p;
	}
	p = put_literal(p, "u00");
	*p++ = hex_digits[c >> 4];
	*p++ = hex_digits[c & 15];
	return p;
}

char *put_json(char *p, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text, *end = s + len;

	*p++ = '"';
	while (s < end) {
		size_t count;

		if (end - s >= 8 && plain((const char *)s)) {
			memcpy(p, s, 8);
			p += 8;
			s += 8;
		} else if (*s >= 0x20 && *s < 0x7f && *s != '"' && *s != '\\') {
			*p++ = (char)*s++;
		} else if (*s < 0x80) {
			p = put_escape(p, *s++);
		} else if ((count = put_utf8_length(s))) {
			p = put_bytes(p, (const char *)s, count);
			s += count;
		} else {
			p = put_literal(p, "\xef\xbf\xbd");
			s++;
		}
	}
	*p++ = '"';
	return p;
}

static char *put_ipv4(char *p, const uint8_t bytes[static 4])
{
	int i;

	for (i = 0; i < 4; i++) {
		if (i)
			*p++ = '.';
		p = put_u64(p, bytes[i]);
	}
	return p;
}

/* The longest run of two or more zero groups, the first of equals; @ret_len 0 where there is none. */
static unsigned int longest_zeros(const uint16_t group[static 8], unsigned int *ret_len)
{
	unsigned int i, run = 0, best = 0, first = 0;

	for (i = 0; i < 8; i++) {
		run = group[i] ? 0 : run + 1;
		if (run > best) {
			best = run;
			first = i + 1 - run;
		}
	}
	*ret_len = best >= 2 ? best : 0;
	return first;
}

char *put_address(char *p, const uint8_t address[static 16], int family)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	unsigned int i, zeros, zeros_len;
	uint16_t group[8];

	if (family == AF_INET)
		return put_ipv4(p, address + 12);
	if (!memcmp(address, mapped, sizeof(mapped)))
		return put_ipv4(put_literal(p, "::ffff:"), address + 12);
	for (i = 0; i < 8; i++)
		group[i] = (uint16_t)(address[2 * i] << 8 | address[2 * i + 1]);
	zeros = longest_zeros(group, &zeros_len);
	for (i = 0; i < 8; i++) {
		if (zeros_len && i == zeros) {
			p = put_literal(p, "::");
			i += zeros_len - 1;
			continue;
		}
		if (i && !(zeros_len && i == zeros + zeros_len))
			*p++ = ':';
		p = put_hex(p, group[i]);
	}
	return p;
}
