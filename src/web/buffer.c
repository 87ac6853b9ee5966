/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Appending by hand: a reply of a million sockets is a hundred million of these calls. An error sticks:
 * size becomes len, so that the fast path never fits again and the slow one refuses.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>

#include "web/buffer.h"
#include "web/put.h"

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

/* What one put_...() makes, into room for @max bytes. */
#define APPEND(b, max, call) \
	do { \
		if (buffer_reserve(b, max)) { \
			char *p = (b)->data + (b)->len; \
\
			(b)->len = (size_t)((call) - (b)->data); \
		} \
	} while (0)

void buffer_u64(struct buffer *b, uint64_t value)
{
	APPEND(b, PUT_NUMBER_MAX, put_u64(p, value));
}

void buffer_s64(struct buffer *b, int64_t value)
{
	APPEND(b, PUT_NUMBER_MAX, put_s64(p, value));
}

void buffer_ms(struct buffer *b, int64_t ms)
{
	APPEND(b, PUT_MS_MAX, put_ms(p, ms));
}

void buffer_hex(struct buffer *b, uint64_t value)
{
	APPEND(b, PUT_HEX_MAX, put_hex(p, value));
}

void buffer_json(struct buffer *b, const char *text)
{
	size_t len = strlen(text);

	APPEND(b, PUT_JSON_MAX(len), put_json(p, text, len));
}

void buffer_address(struct buffer *b, const uint8_t address[static 16], int family)
{
	APPEND(b, PUT_ADDRESS_MAX, put_address(p, address, family));
}

static uint64_t magnitude(int64_t value)
{
	return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
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

bool buffer_is_utf8(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	while (*s) {
		size_t len = *s < 0x80 ? 1 : put_utf8_length(s);

		if (!len)
			return false;
		s += len;
	}
	return true;
}
