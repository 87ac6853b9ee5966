/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A page of fixed width. The unit of wrapping is the word; one that is wider than the page is broken.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>

#include "web/page.h"
#include "web/pieces.h"

static void blanks(struct page *page, unsigned int count)
{
	page->column += count;
	while (count--)
		buffer_char(page->b, ' ');
}

/* Characters that plain_text() prints for so many bytes. */
static unsigned int plain_width(const char *text, size_t len)
{
	unsigned int width = 0;

	while (len--)
		width += ((unsigned char)*text++ & 0xc0) != 0x80;
	return width;
}

static void page_wrap(struct page *page)
{
	page_end(page);
	blanks(page, page->indent);
}

static void word(struct page *page, const char *text, size_t len, unsigned int gap)
{
	unsigned int room = page->columns > page->indent ? page->columns - page->indent : 1;
	unsigned int width = plain_width(text, len);
	const char *end = text + len;

	if (page->column > page->indent && page->column + gap + width > page->columns)
		page_wrap(page);
	else if (page->column > page->indent)
		blanks(page, gap);
	for (; width > room; width -= room) {
		text = plain_text(page->b, text, (size_t)(end - text), room);
		page_wrap(page);
	}
	plain_text(page->b, text, (size_t)(end - text), width);
	page->column += width;
}

void page_text_n(struct page *page, const char *text, size_t len, unsigned int gap)
{
	const char *end = text + strnlen(text, len), *start;

	for (;;) {
		while (text < end && strchr(" \t\r\n", *text))
			text++;
		start = text;
		while (text < end && !strchr(" \t\r\n", *text))
			text++;
		if (text == start)
			return;
		word(page, start, (size_t)(text - start), gap);
		gap = 1;
	}
}

void page_text(struct page *page, const char *text, unsigned int gap)
{
	page_text_n(page, text, strlen(text), gap);
}

void page_phrase(struct page *page, const char *text, unsigned int gap)
{
	word(page, text, strlen(text), gap);
}

void page_printf(struct page *page, unsigned int gap, const char *format, ...)
{
	va_list arguments;
	char text[512];

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	page_text(page, text, gap);
}

void page_begin(struct page *page, const char *mark, unsigned int indent)
{
	unsigned int width = MIN(plain_width(mark, strlen(mark)), page->columns);

	page->indent = indent < page->columns ? indent : 0;
	plain_text(page->b, mark, SIZE_MAX, width);
	page->column = width;
	if (page->column < page->indent)
		blanks(page, page->indent - page->column);
}

void page_end(struct page *page)
{
	while (page->b->len && page->b->data[page->b->len - 1] == ' ')
		page->b->len--;
	buffer_char(page->b, '\n');
	page->column = 0;
}

void page_break(struct page *page)
{
	page_end(page);
}

void page_row(struct page *page, const struct page_column *columns, const char *const *cells,
	      size_t count)
{
	unsigned int used = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		unsigned int room = columns[i].width + (i ? 2 : 0), width;

		if (i && used + room > page->columns)
			break;
		width = plain_width(cells[i], strlen(cells[i]));
		if (!i) {
			room = MIN(room, page->columns);
			plain_cell(page->b, cells[i], room);
		} else {
			width = MIN(width, columns[i].width);
			blanks(page, room - width);
			plain_text(page->b, cells[i], SIZE_MAX, width);
		}
		used += room;
	}
	page_end(page);
}

void page_heading(struct page *page, const struct page_column *columns, size_t count)
{
	const char *cells[16];
	size_t i;

	count = MIN(count, ARRAY_SIZE(cells));
	for (i = 0; i < count; i++)
		cells[i] = columns[i].heading;
	page_row(page, columns, cells, count);
}

const char *number_text(uint64_t value, char ret[NUMBER_MAX])
{
	char digits[NUMBER_MAX];
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, value), i, n = 0;

	for (i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			ret[n++] = ',';
		ret[n++] = digits[i];
	}
	ret[n] = '\0';
	return ret;
}

const char *bytes_text(uint64_t value, char ret[NUMBER_MAX])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double scaled = (double)value;
	size_t unit = 0;

	while (scaled >= 999.95 && unit + 1 < ARRAY_SIZE(units)) {
		scaled /= 1000;
		unit++;
	}
	snprintf(ret, NUMBER_MAX, unit ? "%.1f %s" : "%.0f %s", scaled, units[unit]);
	return ret;
}

const char *seconds_text(double seconds, char ret[NUMBER_MAX])
{
	static const struct {
		double below, divisor;
		int decimals;
		const char *unit;
	} rows[] = {
		{ 9.95, 1, 1, "s" },	  { 600, 1, 0, "s" },	     { 7200, 60, 0, "min" },
		{ 172800, 3600, 1, "h" }, { 8.64e9, 86400, 0, "d" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (seconds < rows[i].below) {
			snprintf(ret, NUMBER_MAX, "%.*f %s", rows[i].decimals,
				 MAX(seconds, 0.0) / rows[i].divisor, rows[i].unit);
			return ret;
		}
	snprintf(ret, NUMBER_MAX, "for ever");
	return ret;
}
