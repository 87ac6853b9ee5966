/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The newest answer of a route that is asked again and again, kept for a moment.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/snapshot.h"

struct MHD_Response;

struct reuse {
	struct MHD_Response *response; /* NULL: none */
	char *question; /* URI, Accept and Accept-Encoding, one a line */
	uint64_t id, started_ns; /* of the snapshot */
	uint64_t bytes; /* of the body, before compression */
	int64_t until_ns;
};

/* Whether the kept answer is one to this question. */
bool reuse_holds(const struct reuse *reuse, const struct snapshot *snapshot, const char *uri,
		 const char *accept, const char *encoding, int64_t now_ns);

/* Keeps an answer instead of the one before. @response: taken over. @encoding: may be NULL. */
void reuse_store(struct reuse *reuse, struct MHD_Response *response,
		 const struct snapshot *snapshot, const char *uri, const char *accept,
		 const char *encoding, int64_t now_ns, uint64_t bytes);

void reuse_done(struct reuse *reuse);
