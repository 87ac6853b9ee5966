/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values as text, written into room that the caller has made: what buffer.c and the encoder of sockets
 * are built of. Each writes at @p at most its PUT_..._MAX bytes and returns the end of what it wrote.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PUT_NUMBER_MAX 20U
#define PUT_MS_MAX 24U
#define PUT_HEX_MAX 16U
#define PUT_ADDRESS_MAX 46U
#define PUT_TIME_MAX 26U
/* Each byte of a string may become six, and there are quotes. */
#define PUT_JSON_MAX(len) ((len)*6 + 2)

static inline char *put_bytes(char *p, const char *text, size_t len)
{
	memcpy(p, text, len);
	return p + len;
}

#define put_literal(p, text) put_bytes((p), "" text, sizeof(text) - 1)

char *put_u64(char *p, uint64_t value);
char *put_s64(char *p, int64_t value);
/* Milliseconds as seconds with up to three decimals. */
char *put_ms(char *p, int64_t ms);
/* Lower case, no leading zeros. */
char *put_hex(char *p, uint64_t value);
/* "10.0.0.1", "2001:db8::1" (RFC 5952); @address as in struct tcpdiag_socket. */
char *put_address(char *p, const uint8_t address[static 16], int family);
/* "2026-11-23T03:54:45.123Z" in quotes, RFC 3339; before 1970 is 1970. */
char *put_time(char *p, int64_t wall_ns);
/* A JSON string with its quotes; bytes that are no UTF-8 become U+FFFD.
 * @text[@len] may be read and is no continuation byte.
 */
char *put_json(char *p, const char *text, size_t len);
/* Bytes of the UTF-8 sequence at @s (RFC 3629, 4: no overlong form, no surrogate), 0: none. */
size_t put_utf8_length(const unsigned char *s);
