/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A list of rows chosen beforehand, printed piece by piece as JSON, NDJSON or text. Without a snapshot
 * (rows that are none of live data) no envelope is printed.
 *
 * The order of rows must not change between snapshots for the rows that stay, since `after` names the
 * last row of the page before by what it is, not by its place.
 */
#pragma once

#include "web/emit.h"
#include "web/route.h"

#define LIST_CURSOR_MAX 160

/* A page may begin behind a row that is gone meanwhile: cursors are compared, not searched. */
struct list_type {
	const char *word; /* "findings": the route's last word */
	const char *schema; /* of a row, in /openapi.json */
	/* One object. */
	void (*json)(struct emitter *j, const struct snapshot *snapshot, uint32_t row);
	/* The first line of the text format, and one line a row. */
	const char *heading;
	void (*text)(struct buffer *b, const struct snapshot *snapshot, uint32_t row);
	void (*cursor)(const struct snapshot *snapshot, uint32_t row, char ret[LIST_CURSOR_MAX]);
	/* The same three of rows that are not in the snapshot, but in what was counted for this list. */
	void (*counted_json)(struct emitter *j, const void *counted, uint32_t row);
	void (*counted_text)(struct buffer *b, const void *counted, uint32_t row);
	void (*counted_cursor)(const void *counted, uint32_t row, char ret[LIST_CURSOR_MAX]);
	void (*counted_free)(void *counted);
};

enum list_format { LIST_JSON = 0, LIST_NDJSON, LIST_TEXT };

struct list_options {
	enum list_format format;
	uint32_t limit; /* 0: all */
	const char *after; /* borrowed from the query, or NULL */
	const char *fields; /* the same */
	void *counted; /* of a type whose rows are counted; list_new() takes it over, also on failure */
};

/* @type: NULL where the route has its own `fields`. Return: 0; -EINVAL with @problem. */
int list_options_parse(const struct query *query, const struct list_type *type,
		       struct list_options *ret, struct problem *problem);

/* A cursor is numbers with '-' between them. */
struct list_part {
	int base; /* 10 or 16 */
	uint64_t max;
};

/* The numbers of `after`, untouched where it is not given. Return: 0; -EINVAL with @problem. */
int list_cursor_parse(const struct list_options *options, const struct list_part *parts,
		      size_t count, uint64_t *ret, struct problem *problem);

/* The last value of a parameter, or NULL. */
const char *query_get(const struct query *query, const char *name);

/* Digits only, up to @max. Return: 0; -EINVAL with @problem. */
int query_number(const struct parameter *parameter, uint64_t max, uint64_t *ret,
		 struct problem *problem);

/**
 * list_new() - a document over rows
 * @rows: rows of the page and behind, in order; malloc()ed, taken over, also on failure
 * @count: of @rows
 * @matched: rows before `after`
 *
 * Return: 0; -ENOMEM.
 */
int list_new(const struct request *request, const struct list_type *type,
	     const struct list_options *options, uint32_t *rows, uint32_t count, uint32_t matched,
	     struct document **ret);
