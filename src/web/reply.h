/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a document to a response of libmicrohttpd: headers, encoding, validators.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "model/snapshot.h"
#include "web/document.h"
#include "web/stream.h"

struct MHD_Response;

/* What a reply depends on besides its document. */
struct reply_context {
	const struct snapshot *snapshot; /* NULL: none */
	const char *path; /* with its query, as the client wrote it */
	const char *accept; /* never NULL */
	const char *accept_encoding; /* NULL: no header */
	const char *if_none_match; /* NULL: no header */
	uint64_t *bytes; /* what bodies measure before compression is added here */
	/* Gives the bytes of a body that is not whole; see MHD_ContentReaderCallback. */
	ssize_t (*read)(void *context, uint64_t position, char *data, size_t size);
	void *context;
};

struct reply {
	struct MHD_Response *response; /* the caller's */
	unsigned int status;
	struct stream *stream; /* the caller's; NULL where the body is whole */
};

/**
 * reply_new() - the response of a document
 * @document: taken over, also on failure
 *
 * Return: 0; -errno, then nothing was made.
 */
int reply_new(const struct reply_context *context, struct document *document, struct reply *ret);
