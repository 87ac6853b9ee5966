/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values are ranked by a number where that decides, so that a comparison rarely has to fetch them again.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "web/filter.h"
#include "web/sort.h"

/* Signed numbers in the order of unsigned ones. */
#define RANK_SIGN (1ULL << 63)

static bool is_text(const struct field *field)
{
	return field->type == FIELD_WORD || field->type == FIELD_TEXT;
}

/* Whether two values of equal rank may still differ. */
static bool rank_is_prefix(const struct field *field)
{
	return is_text(field) || field->type == FIELD_ADDRESS;
}

static uint64_t rank(const struct field *field, const struct value *value)
{
	uint64_t word = 0;
	size_t i;

	if (field->type == FIELD_HEX)
		return (uint64_t)value->number;
	if (field->type == FIELD_ADDRESS)
		return 0;
	if (!is_text(field))
		return (uint64_t)value->number ^ RANK_SIGN;
	for (i = 0; i < sizeof(word); i++) {
		word = word << 8 | (uint8_t)value->text[i];
		if (!value->text[i])
			return word << 8 * (sizeof(word) - 1 - i);
	}
	return word;
}

static struct sort_item value_item(const struct sort *sort, bool known, const struct value *value)
{
	const struct field *field = field_path_leaf(&sort->path);
	struct sort_item item = { .null = !known };

	if (known)
		item.rank = rank(field, value);
	if (known && sort->descending)
		item.rank = ~item.rank;
	return item;
}

struct sort_item sort_item(const struct sort *sort, struct view *view, uint32_t record)
{
	struct sort_item item = { .rank = view->record->sk.cookie };
	struct value value;

	if (sort->path.depth)
		item = value_item(sort, field_path_get(&sort->path, view, &value), &value);
	item.record = record;
	return item;
}

static int compare_ids(uint64_t a_cookie, uint32_t a_netns, uint64_t b_cookie, uint32_t b_netns)
{
	if (a_cookie != b_cookie)
		return a_cookie < b_cookie ? -1 : 1;
	return (a_netns > b_netns) - (a_netns < b_netns);
}

/* By rank alone; 0 where that does not decide. */
static int compare_ranks(const struct sort_item *a, const struct sort_item *b)
{
	if (a->null != b->null)
		return a->null ? 1 : -1;
	return (a->rank > b->rank) - (a->rank < b->rank);
}

static bool value_of(const struct page *page, uint32_t record, struct value *ret)
{
	view_set(page->view, &page->view->snapshot->records[record]);
	return field_path_get(&page->sort->path, page->view, ret);
}

static int compare_items(const void *a, const void *b, void *context)
{
	const struct sort_item *x = a, *y = b;
	const struct page *page = context;
	const struct record *records = page->view->snapshot->records;
	const struct record *rx = &records[x->record], *ry = &records[y->record];
	struct value vx, vy;
	int r = compare_ranks(x, y);

	if (!r && page->sort->path.depth && !x->null &&
	    rank_is_prefix(field_path_leaf(&page->sort->path)) && value_of(page, x->record, &vx) &&
	    value_of(page, y->record, &vy)) {
		r = field_value_compare(field_path_leaf(&page->sort->path), &vx, &vy);
		if (page->sort->descending)
			r = -r;
	}
	if (!r)
		r = compare_ids(rx->sk.cookie, rx->sk.netns, ry->sk.cookie, ry->sk.netns);
	return r ? r : (x->record > y->record) - (x->record < y->record);
}

bool cursor_before(const struct cursor *cursor, const struct sort *sort, struct view *view,
		   const struct sort_item *item)
{
	const struct record *record = view->record;
	struct value value;
	int r;

	if (!cursor->set)
		return true;
	r = compare_ranks(&cursor->item, item);
	if (!r && sort->path.depth && !item->null && rank_is_prefix(field_path_leaf(&sort->path)) &&
	    field_path_get(&sort->path, view, &value)) {
		r = field_value_compare(field_path_leaf(&sort->path), &cursor->value, &value);
		if (sort->descending)
			r = -r;
	}
	if (!r)
		r = compare_ids(cursor->cookie, cursor->netns, record->sk.cookie, record->sk.netns);
	return r < 0;
}

/* ---- the page ---- */

static void swap(struct sort_item *a, struct sort_item *b)
{
	struct sort_item item = *a;

	*a = *b;
	*b = item;
}

static void sift_up(struct page *page, size_t i)
{
	while (i) {
		size_t parent = (i - 1) / 2;

		if (compare_items(&page->items[i], &page->items[parent], page) <= 0)
			return;
		swap(&page->items[i], &page->items[parent]);
		i = parent;
	}
}

static void sift_down(struct page *page)
{
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= page->count)
			return;
		if (child + 1 < page->count &&
		    compare_items(&page->items[child + 1], &page->items[child], page) > 0)
			child++;
		if (compare_items(&page->items[child], &page->items[i], page) <= 0)
			return;
		swap(&page->items[i], &page->items[child]);
		i = child;
	}
}

int page_offer(struct page *page, const struct sort_item *item)
{
	page->offered++;
	if (page->count == page->max) {
		if (page->max && compare_items(item, &page->items[0], page) < 0) {
			page->items[0] = *item;
			sift_down(page);
		}
		return 0;
	}
	if (page->count == page->size) {
		size_t size = MIN(page->size ? page->size * 2 : 256, page->max);
		struct sort_item *items = reallocarray(page->items, size, sizeof(*items));

		if (!items)
			return -ENOMEM;
		page->items = items;
		page->size = size;
	}
	page->items[page->count++] = *item;
	/* Only where something may have to give way is the worst one of interest. */
	if (page->max != SIZE_MAX)
		sift_up(page, page->count - 1);
	return 0;
}

void page_finish(struct page *page)
{
	if (page->count)
		qsort_r(page->items, page->count, sizeof(*page->items), compare_items, page);
}

void page_done(struct page *page)
{
	free(page->items);
	page->items = NULL;
	page->count = page->size = 0;
}

/* ---- text ---- */

int sort_parse(const char *text, struct sort *ret, struct problem *problem)
{
	struct sort sort = { .descending = *text == '-' };
	const char *path = text + sort.descending;

	if (!field_path_find(path, strlen(path), &sort.path)) {
		*ret = sort;
		return 0;
	}
	if (!strcmp(path, "id") && !sort.descending) {
		*ret = (struct sort){};
		return 0;
	}
	return problem_set(problem, 400, "sort",
			   "sockets cannot be sorted by '%.48s'; " FIELD_PATH_ALLOWED
			   "; - in front: the largest first",
			   path);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int socket_id_parse(const char *text, size_t len, uint32_t *ret_netns, uint64_t *ret_cookie)
{
	const char *dash = memchr(text, '-', len);
	uint64_t netns, cookie = 0;
	size_t i, at;

	if (!dash || value_number(text, (size_t)(dash - text), UINT32_MAX, &netns) < 0)
		return -EINVAL;
	at = (size_t)(dash + 1 - text);
	if (at == len || len - at > 16)
		return -EINVAL;
	for (i = at; i < len; i++) {
		int digit = hex_value(text[i]);

		if (digit < 0)
			return -EINVAL;
		cookie = cookie << 4 | (uint64_t)digit;
	}
	*ret_netns = (uint32_t)netns;
	*ret_cookie = cookie;
	return 0;
}

/* Pairs of hexadecimal digits. Return: bytes written, or -EINVAL. */
static int unhex(const char *text, char *ret, size_t size)
{
	size_t len = 0;

	for (; text[0]; text += 2) {
		int high = hex_value(text[0]), low = high < 0 ? -1 : hex_value(text[1]);

		if (low < 0 || len == size)
			return -EINVAL;
		ret[len++] = (char)(high << 4 | low);
	}
	return (int)len;
}

/* What stands behind the id of a cursor: _z null, _n-5 a number, _s6162 text or an address. */
static int cursor_value(const char *text, const struct sort *sort, struct cursor *ret)
{
	const struct field *field = field_path_leaf(&sort->path);
	uint64_t number = 0;
	bool negative;
	int len;

	if (text[0] != '_' || !text[1])
		return -EINVAL;
	negative = text[2] == '-';
	switch (text[1]) {
	case 'z':
		ret->item = value_item(sort, false, NULL);
		return text[2] ? -EINVAL : 0;
	case 'n':
		if (rank_is_prefix(field) ||
		    value_number(text + 2 + negative, strlen(text + 2 + negative),
				 negative ? RANK_SIGN : UINT64_MAX, &number) < 0)
			return -EINVAL;
		ret->value.number = (int64_t)(negative ? 0 - number : number);
		break;
	case 's':
		len = rank_is_prefix(field) ? unhex(text + 2, ret->text, sizeof(ret->text) - 1)
					    : -EINVAL;
		if (len < 0 || (field->type == FIELD_ADDRESS && len != 16))
			return -EINVAL;
		ret->text[len] = '\0';
		ret->value.text = ret->text;
		ret->value.address = (const uint8_t *)ret->text;
		break;
	default:
		return -EINVAL;
	}
	ret->item = value_item(sort, true, &ret->value);
	return 0;
}

int cursor_parse(const char *text, const struct sort *sort, struct cursor *ret,
		 struct problem *problem)
{
	size_t len = strcspn(text, "_");
	int r;

	memset(ret, 0, sizeof(*ret));
	r = socket_id_parse(text, len, &ret->netns, &ret->cookie);
	if (r >= 0 && sort->path.depth)
		r = cursor_value(text + len, sort, ret);
	else if (r >= 0)
		r = text[len] ? -EINVAL : 0;
	if (r < 0)
		return problem_set(problem, 400, "after",
				   "after cannot be '%.64s'; it is `next` of a reply to the same "
				   "query with the same sort",
				   text);
	if (!sort->path.depth)
		ret->item.rank = ret->cookie;
	ret->set = true;
	return 0;
}

static void print_bytes(struct buffer *b, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	size_t i;

	for (i = 0; i < len; i++) {
		buffer_char(b, "0123456789abcdef"[p[i] >> 4]);
		buffer_char(b, "0123456789abcdef"[p[i] & 15]);
	}
}

void cursor_print(const struct sort *sort, struct view *view, const struct record *record,
		  struct buffer *b)
{
	struct value value;

	buffer_u64(b, record->sk.netns);
	buffer_char(b, '-');
	buffer_hex(b, record->sk.cookie);
	if (!sort->path.depth)
		return;
	view_set(view, record);
	if (!field_path_get(&sort->path, view, &value)) {
		buffer_literal(b, "_z");
	} else if (field_path_leaf(&sort->path)->type == FIELD_ADDRESS) {
		buffer_literal(b, "_s");
		print_bytes(b, value.address, 16);
	} else if (is_text(field_path_leaf(&sort->path))) {
		buffer_literal(b, "_s");
		print_bytes(b, value.text, strnlen(value.text, 255));
	} else if (field_path_leaf(&sort->path)->type == FIELD_HEX) {
		buffer_literal(b, "_n");
		buffer_u64(b, (uint64_t)value.number);
	} else {
		buffer_literal(b, "_n");
		buffer_s64(b, value.number);
	}
}
