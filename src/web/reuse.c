/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ten scrapers at once, or one that is set to a high rate, cost one answer: what is kept comes from the same
 * snapshot, and only what the web process says of itself is older, by a tenth of a second.
 */
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#include "model/macro.h"
#include "web/reuse.h"

#define REUSE_NS (100 * NSEC_PER_MSEC)

/* The rest of @text behind a line, or NULL where it does not begin with it. */
static const char *behind_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	return text && !strncmp(text, line, len) && text[len] == '\n' ? text + len + 1 : NULL;
}

bool reuse_holds(const struct reuse *reuse, const struct snapshot *snapshot, const char *uri,
		 const char *accept, const char *encoding, int64_t now_ns)
{
	const char *rest = reuse->question;

	if (!reuse->response || now_ns >= reuse->until_ns || reuse->id != snapshot->header->id ||
	    reuse->started_ns != (uint64_t)snapshot->header->started_ns)
		return false;
	rest = behind_line(rest, uri);
	rest = behind_line(rest, accept);
	rest = behind_line(rest, encoding ? encoding : "");
	return rest && !*rest;
}

void reuse_store(struct reuse *reuse, struct MHD_Response *response,
		 const struct snapshot *snapshot, const char *uri, const char *accept,
		 const char *encoding, int64_t now_ns, uint64_t bytes)
{
	char *question;

	if (asprintf(&question, "%s\n%s\n%s\n", uri, accept, encoding ? encoding : "") < 0) {
		MHD_destroy_response(response);
		return;
	}
	reuse_done(reuse);
	*reuse = (struct reuse){
		.response = response,
		.question = question,
		.id = snapshot->header->id,
		.started_ns = (uint64_t)snapshot->header->started_ns,
		.bytes = bytes,
		.until_ns = now_ns + REUSE_NS,
	};
}

void reuse_done(struct reuse *reuse)
{
	/* Those who are still being answered with it have their own reference. */
	if (reuse->response)
		MHD_destroy_response(reuse->response);
	free(reuse->question);
	*reuse = (struct reuse){};
}
