/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The order of a list, and the place in it where a page ends.
 *
 * Without `sort` sockets stand in the order of their ids (cookie, then namespace), with it in the order of
 * that field and then of their ids; what is not known (null) stands last in either direction. A cursor names
 * the last socket of a page by what it was ordered by, not by its position: the next page begins
 * behind that place in whatever snapshot is then in force. So a socket that lives from the first page to the
 * last stands on exactly one of them, however many others come and go; with `sort` that holds as long as
 * the value it is sorted by stays the same.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "web/field.h"
#include "web/route.h"

#define CURSOR_MAX 640

struct sort {
	struct field_path path; /* depth 0: by id alone */
	bool descending;
};

/* A record, or a cursor, ready to be compared. */
struct sort_item {
	uint64_t rank; /* of the value, or the beginning of it; of the cookie without `sort` */
	uint32_t record;
	bool null;
};

/* `after`: where the page before ended. */
struct cursor {
	bool set;
	uint64_t cookie;
	uint32_t netns;
	struct sort_item item;
	struct value value; /* of text and addresses: points into @text */
	char text[256];
};

/* The best so many of what is offered: a heap, worst on top. */
struct page {
	const struct sort *sort;
	struct view *view; /* borrowed; turned to other records while comparing */
	struct sort_item *items; /* owned */
	size_t count, size, max;
	uint64_t offered; /* how many there would have been */
};

/* "unread_bytes", "-unread_bytes". Return: 0, -EINVAL with @problem. */
int sort_parse(const char *text, struct sort *ret, struct problem *problem);

/* The value of `after`. Return: 0, -EINVAL with @problem. */
int cursor_parse(const char *text, const struct sort *sort, struct cursor *ret,
		 struct problem *problem);

/* Appends the cursor behind a record. */
void cursor_print(const struct sort *sort, struct view *view, const struct record *record,
		  struct buffer *b);

/* The item of the view's record. */
struct sort_item sort_item(const struct sort *sort, struct view *view, uint32_t record);

/* Whether the view's record stands behind the cursor. */
bool cursor_before(const struct cursor *cursor, const struct sort *sort, struct view *view,
		   const struct sort_item *item);

/* Return: 0, -ENOMEM. */
int page_offer(struct page *page, const struct sort_item *item);

/* Brings what was kept into order. */
void page_finish(struct page *page);

void page_done(struct page *page);

/* "4026531840-1f". Return: 0, -EINVAL. */
int socket_id_parse(const char *text, size_t len, uint32_t *ret_netns, uint64_t *ret_cookie);
