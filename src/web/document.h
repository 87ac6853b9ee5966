/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A document: the body of a reply, produced piece by piece while the client reads.
 *
 * The server asks for more only when the socket takes more, so a list of any length needs one piece
 * of memory. A document may read the snapshot of its request until it is freed, never after.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "web/buffer.h"

#define DOCUMENT_PIECE 65536U

struct document {
	unsigned int status; /* HTTP */
	const char *content_type; /* static */
	char link[512]; /* value of the Link header, or empty */
	bool cacheable; /* an ETag may be made from snapshot and query */
	uint64_t
		content; /* a hash of what it says, where it says the same for ever; 0: it does not */
	bool page; /* a browser shows it, or a page takes it in: it comes with the policy of the page */
	/*
	 * It does not end: more() may append nothing and say that there is more, and is called again when there
	 * are events. It reads no snapshot once it is made, but the journal.
	 */
	bool live;
	bool beat; /* of a live one: set by the server where the client waits for a sign of life */
	/*
	 * Appends about DOCUMENT_PIECE bytes. Return: 1 when there is more, 0 at the end, -errno where
	 * the reply must be broken off.
	 */
	int (*more)(struct document *document, struct buffer *b);
	/* Frees the struct that contains the document. */
	void (*free)(struct document *document);
};

/**
 * document_from_buffer() - a document that is complete already
 * @b: taken over and emptied, also on failure; its error is returned
 *
 * Return: 0; -ENOMEM.
 */
int document_from_buffer(struct buffer *b, unsigned int status, const char *content_type,
			 struct document **ret);

/* Accepts NULL; returns NULL. */
struct document *document_free(struct document *document);
