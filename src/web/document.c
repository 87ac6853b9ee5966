/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The simplest document: one that is finished before the first byte is asked for.
 */
#include <errno.h>

#include "web/document.h"

struct whole {
	struct document document; /* first: they share their address */
	struct buffer buffer;
};

static int whole_more(struct document *document, struct buffer *b)
{
	struct whole *whole = (struct whole *)document;

	if (b->len) {
		buffer_add(b, whole->buffer.data, whole->buffer.len);
		buffer_done(&whole->buffer);
	} else {
		/* Nothing before it: no copy, the memory changes hands. */
		buffer_done(b);
		*b = whole->buffer;
		whole->buffer = (struct buffer){};
	}
	return b->error;
}

static void whole_free(struct document *document)
{
	struct whole *whole = (struct whole *)document;

	buffer_done(&whole->buffer);
	free(whole);
}

int document_from_buffer(struct buffer *b, unsigned int status, const char *content_type,
			 struct document **ret)
{
	struct whole *whole;
	int r = b->error;

	whole = r < 0 ? NULL : calloc(1, sizeof(*whole));
	if (!whole) {
		buffer_done(b);
		return r < 0 ? r : -ENOMEM;
	}
	whole->document.status = status;
	whole->document.content_type = content_type;
	whole->document.more = whole_more;
	whole->document.free = whole_free;
	whole->buffer = *b;
	*b = (struct buffer){};
	*ret = &whole->document;
	return 0;
}

struct document *document_free(struct document *document)
{
	if (document)
		document->free(document);
	return NULL;
}
