/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Appending by hand: a reply of a million sockets is a hundred million of these calls.
 *
 * Numbers are written two digits at a time from a table, text is copied up to the first byte that JSON
 * (RFC 8259, 7) wants escaped, addresses follow RFC 5952. An error sticks: size becomes len, so that
 * the fast path never fits again and the slow one refuses.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <sys/socket.h>

#include "web/buffer.h"

#define BUFFER_MIN 1024U

bool buffer_grow(struct buffer *b, size_t extra)
{
	size_t wanted, size = b->size ? b->size : BUFFER_MIN;
	char *data;

	if (b->error)
		return false;
	if (__builtin_add_overflow(b->len, extra, &wanted) || wanted >= SIZE_MAX / 2)
		goto fail;
	while (size <= wanted)
		size *= 2;
	data = realloc(b->data, size);
	if (!data)
		goto fail;
	b->data = data;
	b->size = size;
	return true;
fail:
	b->error = -ENOMEM;
	b->size = b->len;
	return false;
}

void buffer_done(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){};
}

void buffer_text(struct buffer *b, const char *text)
{
	buffer_add(b, text, strlen(text));
}

void buffer_printf(struct buffer *b, const char *format, ...)
{
	va_list arguments;
	int len;

	va_start(arguments, format);
	len = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (len < 0 || !buffer_reserve(b, (size_t)len + 1))
		return;
	va_start(arguments, format);
	vsnprintf(b->data + b->len, (size_t)len + 1, format, arguments);
	va_end(arguments);
	b->len += (size_t)len;
}

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

void buffer_u64(struct buffer *b, uint64_t value)
{
	char text[20], *end = text + sizeof(text), *first;

	if (value < 10) {
		buffer_char(b, (char)('0' + value));
		return;
	}
	first = digits_backwards(end, value);
	buffer_add(b, first, (size_t)(end - first));
}

static uint64_t magnitude(int64_t value)
{
	return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

void buffer_s64(struct buffer *b, int64_t value)
{
	if (value < 0)
		buffer_char(b, '-');
	buffer_u64(b, magnitude(value));
}

/* A fraction of @places digits behind a point, without its trailing zeros; nothing where it is 0. */
static void fraction(struct buffer *b, uint32_t value, unsigned int places)
{
	char text[1 + 9];
	unsigned int i;

	if (!value)
		return;
	text[0] = '.';
	for (i = places; i; i--) {
		text[i] = (char)('0' + value % 10);
		value /= 10;
	}
	while (text[places] == '0')
		places--;
	buffer_add(b, text, 1 + places);
}

void buffer_ms(struct buffer *b, int64_t ms)
{
	uint64_t value = magnitude(ms);

	if (ms < 0)
		buffer_char(b, '-');
	buffer_u64(b, value / 1000);
	fraction(b, (uint32_t)(value % 1000), 3);
}

/* Beyond what a double times a million holds exactly. */
static void large_double(struct buffer *b, double value)
{
	char text[64];
	int len;

	if (fabs(value) >= 1e15) {
		buffer_printf(b, "%.17g", value);
		return;
	}
	len = snprintf(text, sizeof(text), "%.6f", value);
	while (text[len - 1] == '0')
		len--;
	if (text[len - 1] == '.')
		len--;
	buffer_add(b, text, (size_t)len);
}

void buffer_double(struct buffer *b, double value)
{
	int64_t scaled;

	if (!isfinite(value)) {
		buffer_literal(b, "null");
		return;
	}
	if (fabs(value) >= 1e9) {
		large_double(b, value);
		return;
	}
	scaled = llround(value * 1e6);
	if (scaled < 0)
		buffer_char(b, '-');
	buffer_u64(b, magnitude(scaled) / 1000000);
	fraction(b, (uint32_t)(magnitude(scaled) % 1000000), 6);
}

static const char hex_digits[] = "0123456789abcdef";

void buffer_hex(struct buffer *b, uint64_t value)
{
	char text[16], *end = text + sizeof(text), *first = end;

	do {
		*--first = hex_digits[value & 15];
		value >>= 4;
	} while (value);
	buffer_add(b, first, (size_t)(end - first));
}

/* Bytes of the UTF-8 sequence at @s (RFC 3629, 4: no overlong form, no surrogate), 0: none. */
static size_t utf8_length(const unsigned char *s)
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

bool buffer_is_utf8(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	while (*s) {
		size_t len = *s < 0x80 ? 1 : utf8_length(s);

		if (!len)
			return false;
		s += len;
	}
	return true;
}

static void json_escape(struct buffer *b, unsigned char c)
{
	static const char short_forms[] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
					    ['\r'] = 'r', ['"'] = '"',	['\\'] = '\\' };

	if (c < sizeof(short_forms) && short_forms[c]) {
		const char text[2] = { '\\', short_forms[c] };

		buffer_add(b, text, 2);
	} else {
		const char text[6] = {
			'\\', 'u', '0', '0', hex_digits[c >> 4], hex_digits[c & 15]
		};

		buffer_add(b, text, 6);
	}
}

void buffer_json(struct buffer *b, const char *text)
{
	const unsigned char *s = (const unsigned char *)text, *plain = s;

	buffer_char(b, '"');
	for (;;) {
		size_t len;

		while (*s >= 0x20 && *s < 0x7f && *s != '"' && *s != '\\')
			s++;
		len = *s >= 0x80 ? utf8_length(s) : 0;
		if (len) {
			s += len;
			continue;
		}
		buffer_add(b, (const char *)plain, (size_t)(s - plain));
		if (!*s)
			break;
		if (*s >= 0x80)
			buffer_literal(b, "\xef\xbf\xbd");
		else
			json_escape(b, *s);
		plain = ++s;
	}
	buffer_char(b, '"');
}

static void ipv4(struct buffer *b, const uint8_t bytes[static 4])
{
	char text[15], *end = text + sizeof(text), *first = end;
	int i;

	for (i = 3; i >= 0; i--) {
		first = digits_backwards(first, bytes[i]);
		if (i)
			*--first = '.';
	}
	buffer_add(b, first, (size_t)(end - first));
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

void buffer_address(struct buffer *b, const uint8_t address[static 16], int family)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	unsigned int i, zeros, zeros_len;
	uint16_t group[8];

	if (family == AF_INET) {
		ipv4(b, address + 12);
		return;
	}
	if (!memcmp(address, mapped, sizeof(mapped))) {
		buffer_literal(b, "::ffff:");
		ipv4(b, address + 12);
		return;
	}
	for (i = 0; i < 8; i++)
		group[i] = (uint16_t)(address[2 * i] << 8 | address[2 * i + 1]);
	zeros = longest_zeros(group, &zeros_len);
	for (i = 0; i < 8; i++) {
		if (zeros_len && i == zeros) {
			buffer_literal(b, "::");
			i += zeros_len - 1;
			continue;
		}
		if (i && !(zeros_len && i == zeros + zeros_len))
			buffer_char(b, ':');
		buffer_hex(b, group[i]);
	}
}
