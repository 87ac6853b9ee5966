/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text for a terminal of known width: sentences that wrap, tables that lose columns from the right.
 *
 * Whatever comes in, what goes out is printable ASCII and never wider than the page.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "web/buffer.h"

struct page {
	struct buffer *b;
	unsigned int columns;
	unsigned int column; /* printed on this line */
	unsigned int indent; /* of the lines that follow a wrap */
};

/* Starts a line with a mark, padded to @indent; lines after it begin there. */
void page_begin(struct page *page, const char *mark, unsigned int indent);
/* The words of a text; @gap blanks before the first of them, if it is not the first of its line. */
void page_text(struct page *page, const char *text, unsigned int gap);
/* The same of the first @len bytes. */
void page_text_n(struct page *page, const char *text, size_t len, unsigned int gap);
/* A text of one line that wraps as a whole: a command that is to be copied. */
void page_phrase(struct page *page, const char *text, unsigned int gap);
void page_printf(struct page *page, unsigned int gap, const char *format, ...) PRINTF(3, 4);
void page_end(struct page *page);
/* An empty line. */
void page_break(struct page *page);

struct page_column {
	const char *heading;
	unsigned int width;
};

/* One row of a table: the first cell at the left, the others at the right; what does not fit is left out. */
void page_row(struct page *page, const struct page_column *columns, const char *const *cells,
	      size_t count);
void page_heading(struct page *page, const struct page_column *columns, size_t count);

#define NUMBER_MAX 32
/* "148,150"; returns @ret */
const char *number_text(uint64_t value, char ret[NUMBER_MAX]);
/* "31 B", "18.4 MB" */
const char *bytes_text(uint64_t value, char ret[NUMBER_MAX]);
/* "0.8 s", "22 s", "13 min", "2.5 h", "3 d" */
const char *seconds_text(double seconds, char ret[NUMBER_MAX]);
