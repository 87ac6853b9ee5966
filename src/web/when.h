/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Points in time from a query: RFC 3339 or so long ago.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define WHEN_ALLOWED "a time as in RFC 3339 (2026-11-23T03:00:00Z) or how long ago (-15m, -1h30m)"
#define WHEN_SCHEMA \
	"{\"type\":\"string\",\"pattern\":\"^(-([0-9]+(ms|s|m|h|d|w))+|[0-9]{4}-[0-9]{2}-" \
	"[0-9]{2}[Tt][0-9:.]+([Zz]|[-+ ][0-9]{2}:[0-9]{2}))$\"}"

/**
 * when_parse() - "2026-11-23T03:00:00.5+01:00", "-15m"
 * @now_ns: CLOCK_REALTIME
 * @ret_ns: the same clock
 *
 * A blank in place of the '+' of an offset is taken as that: what a query string makes of it. What lies before 1970
 * is 1970.
 *
 * Return: 0; -EINVAL.
 */
int when_parse(const char *text, size_t len, int64_t now_ns, int64_t *ret_ns);
