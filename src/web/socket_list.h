/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lists of sockets as documents: filtered, ordered, cut into pages, printed piece by piece.
 */
#pragma once

#include "web/filter.h"
#include "web/list.h"
#include "web/plan.h"
#include "web/route.h"
#include "web/sort.h"

/* What the query says besides its filters. */
struct socket_options {
	struct list_options list;
	unsigned int level; /* FIELD_LIST or FIELD_DETAIL */
	const char *group; /* NULL: none */
	const char *sort; /* NULL: by id */
	const char *fields[QUERY_MAX];
	size_t field_count;
};

/* Reads the options. Return: 0, -EINVAL with @problem. */
int socket_options_parse(const struct query *query, struct socket_options *ret,
			 struct problem *problem);

/* The Content-Type of a format; static. */
const char *list_content_type(enum list_format format);

/* The sockets of a request. Return: 0; -EINVAL with @problem; -ENOMEM. */
int socket_list_document(const struct request *request, const struct socket_options *options,
			 struct document **ret, struct problem *problem);

/* The same sockets counted by one or two fields (group.c). */
int group_document(const struct request *request, const struct socket_options *options,
		   struct document **ret, struct problem *problem);

/* Fills in the Link header of a page that ends before @cursor; leaves it empty where it does not fit. */
void socket_list_link(struct document *document, const struct request *request, const char *cursor);

/* ---- text.c: columns as ss prints them ---- */

void text_header(struct buffer *b);
void text_row(struct view *view, struct buffer *b);
/* What a text cannot show in columns: that it was cut, that something is missing. */
void text_footer(struct buffer *b, const struct snapshot *snapshot, uint64_t matched,
		 uint64_t returned);
