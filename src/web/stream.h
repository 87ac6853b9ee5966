/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stream: a document as the bytes that go over the wire, compressed or not, as many as are asked for.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "web/document.h"

struct stream;

/**
 * stream_new() - a stream from a document, or what a document that fits into one piece says
 * @document: taken over, also on failure
 * @gzip: compress, unless it is too small to gain
 * @ret: NULL where the document was produced whole; then it is freed already
 * @ret_whole: what it said, compressed perhaps, the caller's
 * @ret_gzip: whether what comes out is compressed
 * @bytes: what is produced is added here, before compression; must outlive the stream
 *
 * Return: 0; -ENOMEM; what the document said.
 */
int stream_new(struct document *document, bool gzip, uint64_t *bytes, struct stream **ret,
	       struct buffer *ret_whole, bool *ret_gzip);

/**
 * stream_read() - the next bytes
 *
 * Return: how many, at least one; 0 at the end; -EAGAIN where a live document has nothing yet; another -errno where
 * it broke off.
 */
ssize_t stream_read(struct stream *stream, char *data, size_t size);

/* Has a live document say that it lives. */
void stream_beat(struct stream *stream);

/* The document is still needed: the end has not been produced. */
bool stream_holds(const struct stream *stream);

/* Frees the document now; what has not been read yet is lost, and stream_read() fails with -ETIME. */
void stream_break(struct stream *stream);

/* Accepts NULL; returns NULL. */
struct stream *stream_free(struct stream *stream);
