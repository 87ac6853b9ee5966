/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is counted by one word or two, `group=unit,reason`: rows by the values of their keys.
 *
 * Values are JSON already, so that they are told apart and printed in the same way whatever they are. Bounded: what
 * would open one row too many is the caller's to count.
 */
#pragma once

#include "web/lexicon.h"
#include "web/route.h"

#define BREAKDOWN_KEYS_MAX 2
#define BREAKDOWN_ROWS_MAX (1U << 14)

/* A word that can be counted by; a table of them ends with a row without name. */
struct breakdown_key {
	const char *name;
	/* Appends the value of @item as JSON without line breaks. */
	void (*value)(struct buffer *b, const void *context, const void *item);
};

struct breakdown {
	const struct breakdown_key *keys[BREAKDOWN_KEYS_MAX];
	size_t count;
	struct lexicon rows; /* numbers of rows are those of its words */
	struct buffer text; /* of the row at hand */
};

/* For values: null where it is empty or NULL, or 0, which then is not known. */
void breakdown_text(struct buffer *b, const char *text);
void breakdown_number(struct buffer *b, uint64_t number);

/* @text: "unit,reason". Return: 0; -EINVAL with @problem. To be freed with breakdown_done(). */
int breakdown_init(struct breakdown *breakdown, const struct breakdown_key *table, const char *text,
		   struct problem *problem);
void breakdown_done(struct breakdown *breakdown);

/* The row of an item. Return: 0; -ENOSPC where it is new and there are too many; -ENOMEM. */
int breakdown_row(struct breakdown *breakdown, const void *context, const void *item,
		  uint32_t *ret);

/* Appends "key":{"unit":"nginx.service","reason":null}. */
void breakdown_print(struct buffer *b, const struct breakdown *breakdown, uint32_t row);
/* The same for people: values with two blanks before each, a dash for null. */
void breakdown_print_text(struct buffer *b, const struct breakdown *breakdown, uint32_t row);
void breakdown_print_names(struct buffer *b, const struct breakdown *breakdown);
