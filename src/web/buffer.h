/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text in the making: append by hand, look at the error once at the end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "model/macro.h"

struct buffer {
	char *data; /* owned, not terminated */
	size_t len;
	size_t size;
	int error; /* -ENOMEM once an append failed; everything after it is dropped */
};

/* The slow half of buffer_reserve(). */
bool buffer_grow(struct buffer *b, size_t extra);

/* Room for @extra more bytes at data + len. False, with @error set, when out of memory. */
static inline bool buffer_reserve(struct buffer *b, size_t extra)
{
	/* One byte is always left over, so that data is never NULL here; after an error size is len. */
	return extra < b->size - b->len || buffer_grow(b, extra);
}

/* Frees; the struct is empty then. */
void buffer_done(struct buffer *b);

static inline void buffer_add(struct buffer *b, const char *text, size_t len)
{
	if (buffer_reserve(b, len)) {
		memcpy(b->data + b->len, text, len);
		b->len += len;
	}
}

static inline void buffer_char(struct buffer *b, char c)
{
	buffer_add(b, &c, 1);
}

/* A literal, its length known to the compiler. */
#define buffer_literal(b, text) buffer_add((b), "" text, sizeof(text) - 1)

void buffer_text(struct buffer *b, const char *text);
void buffer_printf(struct buffer *b, const char *format, ...) PRINTF(2, 3);
/* Decimal numbers, by hand: the encoders live in these. */
void buffer_u64(struct buffer *b, uint64_t value);
void buffer_s64(struct buffer *b, int64_t value);
/* Milliseconds as seconds with up to three decimals: 1500 is 1.5. */
void buffer_ms(struct buffer *b, int64_t ms);
/* Finite, up to six decimals, trailing zeros cut; "null" otherwise. */
void buffer_double(struct buffer *b, double value);
void buffer_hex(struct buffer *b, uint64_t value);
/* A JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. */
void buffer_json(struct buffer *b, const char *text);
/* "10.0.0.1", "2001:db8::1": no brackets. @address as in struct tcpdiag_socket. */
void buffer_address(struct buffer *b, const uint8_t address[static 16], int family);
/* Whether it is UTF-8 throughout (RFC 3629). */
bool buffer_is_utf8(const char *text);
