/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One piece of text at a time: it is copied out, or deflated (RFC 1952) straight into the reader's memory.
 *
 * gzip at level 1: six times smaller at 235 MB/s; higher levels cost three times as much for a quarter
 * less.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "web/stream.h"

#define GZIP_MIN 1024U /* smaller bodies fit into a packet anyway */
#define GZIP_LEVEL 1

struct stream {
	struct document *document; /* NULL once its end has been produced */
	struct buffer piece;
	size_t taken; /* bytes of the piece that are gone */
	uint64_t *bytes;
	z_stream zip;
	bool gzip;
	bool ended; /* nothing more comes */
	int error;
};

static int zip_start(z_stream *zip)
{
	*zip = (z_stream){};
	/* 16 asks for gzip's header and trailer instead of zlib's. */
	return deflateInit2(zip, GZIP_LEVEL, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) ==
			       Z_OK
		       ? 0
		       : -ENOMEM;
}

/* The whole buffer, compressed, in its place. */
static int zip_buffer(struct buffer *b)
{
	struct buffer out = {};
	z_stream zip;
	int r;

	if (b->len > UINT32_MAX / 2)
		return -EFBIG;
	r = zip_start(&zip);
	if (r < 0)
		return r;
	r = -ENOMEM;
	if (buffer_reserve(&out, deflateBound(&zip, b->len))) {
		zip.next_in = (Bytef *)b->data;
		zip.avail_in = (uInt)b->len;
		zip.next_out = (Bytef *)out.data;
		zip.avail_out = (uInt)(out.size - 1);
		if (deflate(&zip, Z_FINISH) == Z_STREAM_END)
			r = 0;
		out.len = zip.total_out;
	}
	deflateEnd(&zip);
	if (r < 0) {
		buffer_done(&out);
		return r;
	}
	buffer_done(b);
	*b = out;
	return 0;
}

/* The next piece of the document; at its end it goes. Return: 0 or -errno. */
static int next_piece(struct stream *s)
{
	int r;

	s->piece.len = 0;
	s->taken = 0;
	r = s->document->more(s->document, &s->piece);
	if (r >= 0 && s->piece.error < 0)
		r = s->piece.error;
	*s->bytes += s->piece.len;
	if (r <= 0)
		s->document = document_free(s->document);
	return r < 0 ? r : 0;
}

int stream_new(struct document *document, bool gzip, uint64_t *bytes, struct stream **ret,
	       struct buffer *ret_whole, bool *ret_gzip)
{
	struct stream *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (!s) {
		document_free(document);
		return r;
	}
	s->document = document;
	s->bytes = bytes;
	r = next_piece(s);
	if (r < 0)
		goto fail;
	if (!s->document) {
		/* Smaller, or as it is: a lack of memory for compression is no reason to fail. */
		*ret_gzip = gzip && s->piece.len >= GZIP_MIN && zip_buffer(&s->piece) >= 0;
		*ret_whole = s->piece;
		s->piece = (struct buffer){};
		stream_free(s);
		*ret = NULL;
		return 0;
	}
	s->gzip = gzip && zip_start(&s->zip) >= 0;
	*ret_gzip = s->gzip;
	*ret = s;
	return 0;
fail:
	stream_free(s);
	return r;
}

static ssize_t read_plain(struct stream *s, char *data, size_t size)
{
	size_t len = MIN(size, s->piece.len - s->taken);

	memcpy(data, s->piece.data + s->taken, len);
	s->taken += len;
	return (ssize_t)len;
}

/* May give nothing: deflate gathers. */
static ssize_t read_zipped(struct stream *s, char *data, size_t size)
{
	uInt room = (uInt)MIN(size, UINT32_MAX);
	int r;

	s->zip.next_in = (Bytef *)(s->piece.data ? s->piece.data + s->taken : NULL);
	s->zip.avail_in = (uInt)MIN(s->piece.len - s->taken, UINT32_MAX);
	s->taken += s->zip.avail_in;
	s->zip.next_out = (Bytef *)data;
	s->zip.avail_out = room;
	r = deflate(&s->zip, s->document ? Z_NO_FLUSH : Z_FINISH);
	s->taken -= s->zip.avail_in;
	if (r == Z_STREAM_END)
		s->ended = true;
	else if (r != Z_OK && r != Z_BUF_ERROR)
		return -EIO;
	return (ssize_t)(room - s->zip.avail_out);
}

ssize_t stream_read(struct stream *s, char *data, size_t size)
{
	while (!s->error && !s->ended) {
		ssize_t len;

		if (s->taken == s->piece.len && s->document) {
			s->error = next_piece(s);
			if (!s->error && !s->piece.len && s->document && s->document->live)
				return -EAGAIN;
			continue;
		}
		len = s->gzip ? read_zipped(s, data, size) : read_plain(s, data, size);
		if (len < 0)
			s->error = (int)len;
		if (len > 0)
			return len;
		if (!s->gzip && !s->document)
			s->ended = true;
	}
	return s->error;
}

void stream_beat(struct stream *stream)
{
	if (stream->document)
		stream->document->beat = true;
}

bool stream_holds(const struct stream *stream)
{
	return stream->document;
}

void stream_break(struct stream *stream)
{
	stream->document = document_free(stream->document);
	buffer_done(&stream->piece);
	stream->taken = 0;
	if (!stream->error)
		stream->error = -ETIME;
}

struct stream *stream_free(struct stream *stream)
{
	if (!stream)
		return NULL;
	document_free(stream->document);
	buffer_done(&stream->piece);
	if (stream->gzip)
		deflateEnd(&stream->zip);
	free(stream);
	return NULL;
}
