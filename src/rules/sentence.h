/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sentences for people, put together in a buffer of fixed size; what does not fit is cut.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "model/macro.h"

#define SENTENCE_MAX 1023

struct sentence {
	size_t len;
	char text[SENTENCE_MAX + 1];
};

void sentence_add(struct sentence *s, const char *format, ...) PRINTF(2, 3);

/* "40,923" */
void sentence_number(struct sentence *s, uint64_t number);

/* "40,923 sockets", "1 socket" */
void sentence_count(struct sentence *s, uint64_t number, const char *singular, const char *plural);

/* "0.4", "52", "1,204": two significant digits below 10 */
void sentence_rate(struct sentence *s, double rate);

/* "780 s", "13 min", "5 h", "9 days" */
void sentence_duration(struct sentence *s, double seconds);

/* "10.0.0.1:443", "[fe80::1]:80", "*:443"; IPv4 stands as ::ffff:a.b.c.d in the 16 bytes */
void sentence_address(struct sentence *s, const uint8_t address[16], uint16_t port);
