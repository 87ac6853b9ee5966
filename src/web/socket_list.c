/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One pass over the records counts what matches and keeps the page; then the page is printed in pieces.
 *
 * With limit=0 and no `sort` nothing is kept: the records are filtered again while they are printed, in
 * the order of the snapshot, and a list of any length takes one piece of memory.
 */
#include <errno.h>
#include <string.h>

#include "web/envelope.h"
#include "web/socket_list.h"

enum stage { STAGE_HEAD, STAGE_ROWS, STAGE_TAIL, STAGE_DONE };

struct list {
	struct document document; /* first */
	struct snapshot snapshot;
	struct filter filter;
	struct plan plan;
	struct view view;
	struct sort sort;
	struct cursor cursor;
	struct page page; /* not used while streaming */
	bool streaming;
	enum list_format format;
	enum stage stage;
	uint32_t position; /* of the records, or of the page */
	uint64_t matched, returned, printed;
	int64_t now_ns;
	struct buffer next; /* the cursor behind the page, empty: there is no more */
};

/* ---- options ---- */

int socket_options_parse(const struct query *query, struct socket_options *ret,
			 struct problem *problem)
{
	struct socket_options options = { .level = FIELD_LIST };
	size_t i;
	int r;

	r = list_options_parse(query, NULL, &options.list, problem);
	if (r < 0)
		return r;
	options.group = query_get(query, "group");
	options.sort = query_get(query, "sort");
	for (i = 0; i < query->count; i++) {
		const char *name = query->parameters[i].name, *value = query->parameters[i].value;

		if (!strcmp(name, "fields"))
			options.fields[options.field_count++] = value;
		if (strcmp(name, "detail") != 0)
			continue;
		if (strcmp(value, "full") != 0)
			return problem_set(problem, 400, name,
					   "detail cannot be '%.64s'; it is full, or left out",
					   value);
		options.level = FIELD_DETAIL;
	}
	if (options.field_count && options.list.format == LIST_TEXT)
		return problem_set(problem, 400, "fields",
				   "fields goes with json and ndjson; the columns of text are "
				   "those of ss");
	*ret = options;
	return 0;
}

const char *list_content_type(enum list_format format)
{
	static const char *const types[] = {
		[LIST_JSON] = "application/json",
		[LIST_NDJSON] = "application/x-ndjson",
		[LIST_TEXT] = "text/plain; charset=utf-8",
	};

	return types[format];
}

/* ---- printing ---- */

static void print_head(struct list *list, struct buffer *b)
{
	if (list->format == LIST_TEXT)
		text_header(b);
	if (list->format != LIST_JSON)
		return;
	buffer_char(b, '{');
	envelope_print(b, &list->snapshot, list->now_ns);
	buffer_literal(b, ",\"matched\":");
	buffer_u64(b, list->matched);
	buffer_literal(b, ",\"returned\":");
	buffer_u64(b, list->returned);
	buffer_literal(b, ",\"sockets\":[");
}

static void print_row(struct list *list, struct buffer *b, const struct record *record)
{
	view_set(&list->view, record);
	if (list->format == LIST_TEXT) {
		text_row(&list->view, b);
		return;
	}
	if (list->format == LIST_JSON && list->printed)
		buffer_literal(b, ",\n");
	list->printed++;
	buffer_char(b, '{');
	plan_print(&list->plan, &list->view, b);
	buffer_char(b, '}');
	if (list->format == LIST_NDJSON)
		buffer_char(b, '\n');
}

static void print_tail(const struct list *list, struct buffer *b)
{
	if (list->format == LIST_TEXT)
		text_footer(b, &list->snapshot, list->matched, list->returned);
	if (list->format != LIST_JSON)
		return;
	buffer_literal(b, "],\"next\":");
	if (list->next.len) {
		buffer_char(b, '"');
		buffer_add(b, list->next.data, list->next.len);
		buffer_char(b, '"');
	} else {
		buffer_literal(b, "null");
	}
	buffer_literal(b, "}\n");
}

/* The filter, and while streaming also the cursor. */
static bool wanted(struct list *list, const struct record *record, uint32_t row,
		   struct sort_item *ret_item)
{
	view_set(&list->view, record);
	*ret_item = sort_item(&list->sort, &list->view, row);
	view_set(&list->view, record);
	return cursor_before(&list->cursor, &list->sort, &list->view, ret_item);
}

/* Up to one piece of rows. Return: whether that was the last of them. */
static bool print_rows(struct list *list, struct buffer *b, size_t enough)
{
	const struct snapshot *s = &list->snapshot;
	struct sort_item item;

	while (!b->error && b->len < enough) {
		if (!list->streaming) {
			if (list->position >= list->page.count)
				return true;
			print_row(list, b, &s->records[list->page.items[list->position++].record]);
			continue;
		}
		if (list->position >= s->record_count)
			return true;
		if (filter_match(&list->filter, &s->records[list->position]) &&
		    (!list->cursor.set ||
		     wanted(list, &s->records[list->position], list->position, &item)))
			print_row(list, b, &s->records[list->position]);
		list->position++;
	}
	return false;
}

static int list_more(struct document *document, struct buffer *b)
{
	struct list *list = (struct list *)document;
	size_t enough = b->len + DOCUMENT_PIECE;

	if (list->stage == STAGE_HEAD) {
		print_head(list, b);
		list->stage = STAGE_ROWS;
	}
	if (list->stage == STAGE_ROWS && print_rows(list, b, enough))
		list->stage = STAGE_TAIL;
	if (list->stage == STAGE_TAIL) {
		print_tail(list, b);
		list->stage = STAGE_DONE;
	}
	if (b->error)
		return b->error;
	return list->stage != STAGE_DONE;
}

static void list_free(struct document *document)
{
	struct list *list = (struct list *)document;

	if (!list)
		return;
	filter_done(&list->filter);
	page_done(&list->page);
	buffer_done(&list->next);
	free(list);
}

static void list_freep(struct list **list)
{
	if (*list)
		list_free(&(*list)->document);
}

/* ---- selecting ---- */

static int select_rows(struct list *list)
{
	const struct snapshot *s = &list->snapshot;
	uint32_t i;
	int r;

	for (i = 0; i < s->record_count; i++) {
		struct sort_item item;

		if (!filter_match(&list->filter, &s->records[i]))
			continue;
		list->matched++;
		if (list->streaming && !list->cursor.set) {
			list->returned++;
			continue;
		}
		if (!wanted(list, &s->records[i], i, &item))
			continue;
		if (list->streaming) {
			list->returned++;
			continue;
		}
		r = page_offer(&list->page, &item);
		if (r < 0)
			return r;
	}
	if (list->streaming)
		return 0;
	page_finish(&list->page);
	list->returned = list->page.count;
	if (list->page.offered > list->page.count && list->page.count)
		cursor_print(&list->sort, &list->view,
			     &s->records[list->page.items[list->page.count - 1].record],
			     &list->next);
	return list->next.error;
}

static int list_prepare(struct list *list, const struct request *request,
			const struct socket_options *options, struct problem *problem)
{
	int r;

	list->snapshot = *request->snapshot;
	list->format = options->list.format;
	list->now_ns = request->now_ns;
	view_init(&list->view, &list->snapshot);
	r = plan_make(options->level, options->fields, options->field_count, &list->plan, problem);
	if (r < 0)
		return r;
	r = options->sort ? sort_parse(options->sort, &list->sort, problem) : 0;
	if (r < 0)
		return r;
	if (options->list.after)
		r = cursor_parse(options->list.after, &list->sort, &list->cursor, problem);
	if (r < 0)
		return r;
	r = filter_compile(request->query, &list->snapshot, &list->filter, problem);
	if (r < 0)
		return r;
	list->streaming = !options->list.limit && !list->sort.path.depth;
	list->page.sort = &list->sort;
	list->page.view = &list->view;
	list->page.max = options->list.limit ? options->list.limit : SIZE_MAX;
	return select_rows(list);
}

/* What may stand in a query without being escaped, and is no end of a Link. */
static bool link_safe(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("-._~:/?@!$&()*+,;=%[]", c));
}

static bool is_after(const char *text, size_t len)
{
	return len >= 5 && !memcmp(text, "after", 5) && (len == 5 || text[5] == '=');
}

void socket_list_link(struct document *document, const struct request *request, const char *cursor)
{
	const char *text = request->query_text;
	struct buffer b = {};

	buffer_printf(&b, "<%s?", request->path);
	while (*text) {
		size_t i, len = strcspn(text, "&");

		for (i = 0; !is_after(text, len) && i < len; i++) {
			if (link_safe(text[i]))
				buffer_char(&b, text[i]);
			else
				buffer_printf(&b, "%%%02X", (unsigned char)text[i]);
		}
		if (len && !is_after(text, len))
			buffer_char(&b, '&');
		text += len;
		text += *text == '&';
	}
	buffer_printf(&b, "after=%s>; rel=\"next\"", cursor);
	if (!b.error && b.len < sizeof(document->link)) {
		memcpy(document->link, b.data, b.len);
		document->link[b.len] = '\0';
	}
	buffer_done(&b);
}

int socket_list_document(const struct request *request, const struct socket_options *options,
			 struct document **ret, struct problem *problem)
{
	_cleanup_(list_freep) struct list *list = calloc(1, sizeof(*list));
	int r;

	if (!list)
		return -ENOMEM;
	list->document.free = list_free;
	r = list_prepare(list, request, options, problem);
	if (r < 0)
		return r;
	list->document.status = 200;
	list->document.content_type = list_content_type(options->list.format);
	list->document.cacheable = true;
	list->document.more = list_more;
	if (list->next.len) {
		buffer_char(&list->next, '\0');
		if (list->next.error)
			return -ENOMEM;
		list->next.len--;
		socket_list_link(&list->document, request, list->next.data);
	}
	*ret = &take_ptr(list)->document;
	return 0;
}
