/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A body that fits into one piece goes out with its length; a longer one in chunks, so that a client sees
 * when it was broken off.
 *
 * The validator is weak (RFC 9110, 8.8.1): two answers of one snapshot to one question mean the same,
 * though the ages in them move on. It hashes what the answer depends on; the snapshot's number alone
 * starts again with each collector, so the collector's start is hashed too.
 */
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <string.h>

#include "web/negotiate.h"
#include "web/reply.h"

#define ETAG_SIZE 48U

/* FNV-1a; a terminator counts, so that "a","b" is not "ab","". */
static uint64_t hash_bytes(uint64_t hash, const void *data, size_t len)
{
	const unsigned char *bytes = data;
	size_t i;

	for (i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
	return hash;
}

static void make_etag(const struct reply_context *context, bool gzip, char ret[static ETAG_SIZE])
{
	const struct snapshot_header *header = context->snapshot->header;
	uint64_t hash = 0xcbf29ce484222325ULL;

	hash = hash_bytes(hash, &header->started_ns, sizeof(header->started_ns));
	hash = hash_bytes(hash, context->path, strlen(context->path) + 1);
	hash = hash_bytes(hash, context->accept, strlen(context->accept) + 1);
	snprintf(ret, ETAG_SIZE, "W/\"%" PRIx64 "-%016" PRIx64 "%s\"", header->id, hash,
		 gzip ? "-gz" : "");
}

/* The same of what depends on nothing. */
static void make_content_etag(uint64_t content, bool gzip, char ret[static ETAG_SIZE])
{
	snprintf(ret, ETAG_SIZE, "W/\"%016" PRIx64 "%s\"", content, gzip ? "-gz" : "");
}

/* The headers of every answer. Return: 0; -ENOMEM. */
static int add_headers(struct MHD_Response *response, unsigned int status, const char *etag)
{
	static const struct {
		const char *name, *value;
	} always[] = {
		{ "Cache-Control", "no-cache" },
		{ "Vary", "Accept, Accept-Encoding" },
		{ "X-Content-Type-Options", "nosniff" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(always); i++)
		if (MHD_add_response_header(response, always[i].name, always[i].value) != MHD_YES)
			return -ENOMEM;
	if (etag[0] && MHD_add_response_header(response, "ETag", etag) != MHD_YES)
		return -ENOMEM;
	if (status == 405 && MHD_add_response_header(response, "Allow", "GET, HEAD") != MHD_YES)
		return -ENOMEM;
	if (status == 503 && MHD_add_response_header(response, "Retry-After", "1") != MHD_YES)
		return -ENOMEM;
	return 0;
}

/*
 * What the page may do: run its own script, take its own style, ask this server; nothing that is written into it
 * becomes script (names of processes are anybody's to choose), and nobody puts it into a frame.
 */
static int add_page_headers(struct MHD_Response *response)
{
	static const struct {
		const char *name, *value;
	} headers[] = {
		{ "Content-Security-Policy",
		  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
		  "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
		  "require-trusted-types-for 'script'; trusted-types 'none'" },
		{ "Referrer-Policy", "no-referrer" },
		{ "X-Frame-Options", "DENY" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(headers); i++)
		if (MHD_add_response_header(response, headers[i].name, headers[i].value) != MHD_YES)
			return -ENOMEM;
	return 0;
}

static int add_body_headers(struct MHD_Response *response, const char *content_type,
			    const char *link, bool gzip, bool live)
{
	/* nginx would keep events until it has some kilobytes of them. */
	if (live && MHD_add_response_header(response, "X-Accel-Buffering", "no") != MHD_YES)
		return -ENOMEM;
	if (MHD_add_response_header(response, "Content-Type", content_type) != MHD_YES ||
	    (gzip && MHD_add_response_header(response, "Content-Encoding", "gzip") != MHD_YES) ||
	    (link[0] && MHD_add_response_header(response, "Link", link) != MHD_YES))
		return -ENOMEM;
	return 0;
}

static struct MHD_Response *empty_response(void)
{
	static char nothing[1];

	return MHD_create_response_from_buffer(0, nothing, MHD_RESPMEM_PERSISTENT);
}

static int not_modified(const char *etag, struct reply *ret)
{
	struct MHD_Response *response = empty_response();

	if (!response)
		return -ENOMEM;
	if (add_headers(response, 304, etag) < 0) {
		MHD_destroy_response(response);
		return -ENOMEM;
	}
	*ret = (struct reply){ .response = response, .status = 304 };
	return 0;
}

/* Takes the text over where it succeeds. */
static struct MHD_Response *whole_response(struct buffer *whole)
{
	struct MHD_Response *response;

	if (!whole->len) {
		buffer_done(whole);
		return empty_response();
	}
	response = MHD_create_response_from_buffer(whole->len, whole->data, MHD_RESPMEM_MUST_FREE);
	if (response)
		*whole = (struct buffer){};
	return response;
}

int reply_new(const struct reply_context *context, struct document *document, struct reply *ret)
{
	bool live = document->live;
	bool cacheable = document->cacheable && document->status == 200 &&
			 (context->snapshot || document->content);
	bool page = document->page;
	/* A compressor gathers: an event would wait for others. */
	bool gzip = !live && negotiate_gzip(context->accept_encoding);
	struct reply reply = { .status = document->status };
	const char *content_type = document->content_type;
	char etag[ETAG_SIZE] = "", link[sizeof(document->link)];
	struct buffer whole = {};
	int r;

	if (cacheable) {
		if (document->content)
			make_content_etag(document->content, gzip, etag);
		else
			make_etag(context, gzip, etag);
		if (negotiate_etag(context->if_none_match, etag)) {
			document_free(document);
			return not_modified(etag, ret);
		}
	}
	memcpy(link, document->link, sizeof(link));
	r = stream_new(document, gzip, context->bytes, &reply.stream, &whole, &gzip);
	if (r < 0)
		return r;
	r = -ENOMEM;
	reply.response = reply.stream
				 ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN,
								     DOCUMENT_PIECE, context->read,
								     context->context, NULL)
				 : whole_response(&whole);
	if (!reply.response)
		goto fail;
	r = add_headers(reply.response, reply.status, etag);
	if (r >= 0)
		r = add_body_headers(reply.response, content_type, link, gzip, live);
	if (r >= 0 && page)
		r = add_page_headers(reply.response);
	if (r < 0)
		goto fail;
	*ret = reply;
	return 0;
fail:
	buffer_done(&whole);
	stream_free(reply.stream);
	if (reply.response)
		MHD_destroy_response(reply.response);
	return r;
}
