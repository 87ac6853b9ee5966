/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a client's headers ask for: encodings and validators.
 */
#pragma once

#include <stdbool.h>

/* Accept-Encoding allows gzip (RFC 9110, 12.5.3). NULL: no header, then no encoding is wanted. */
bool negotiate_gzip(const char *accept_encoding);

/* If-None-Match names @etag, compared weakly (RFC 9110, 13.1.2). NULL: no header. */
bool negotiate_etag(const char *if_none_match, const char *etag);
