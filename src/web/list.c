/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lists of findings, listeners and rules: few enough that their rows can be sorted, too many for one buffer.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>

#include "web/envelope.h"
#include "web/list.h"
#include "web/select.h"

const struct route_parameter page_parameters[] = {
	{ "format", "{\"type\":\"string\",\"enum\":[\"json\",\"ndjson\",\"text\"]}",
	  "One JSON document (default), one object a line and nothing else, or columns for people.",
	  false },
	{ "limit", "{\"type\":\"integer\",\"minimum\":0,\"default\":1000}",
	  "At most so many rows; 0 for all.", false },
	{ 0 },
};

const struct route_parameter list_parameters[] = {
	{ "fields", "{\"type\":\"string\"}",
	  "Members of each row that are wanted, as in a,b.c; not for text.", false },
	{ "after", "{\"type\":\"string\"}", "The `next` of the page before.", false },
	{ .more = page_parameters },
};

const struct route_parameter owner_parameters[] = {
	{ "pid", "{\"type\":\"integer\",\"minimum\":0}", "Only of this process.", true },
	{ "unit", "{\"type\":\"string\"}",
	  "Only of this systemd unit; `nginx` means `nginx.service`.", true },
	{ "netns", "{\"type\":[\"integer\",\"string\"]}",
	  "Only in this network namespace, by inode number, or by its name in /run/netns.", true },
	{ .more = list_parameters },
};

struct list {
	struct document document;
	const struct list_type *type;
	const struct snapshot *snapshot;
	struct list_options options;
	uint32_t *rows; /* owned */
	char *fields; /* owned, or NULL */
	struct buffer whole; /* a row before its members are selected */
	uint32_t count; /* of this page */
	uint32_t matched;
	uint32_t next; /* to be printed */
	bool begun;
	char cursor[LIST_CURSOR_MAX]; /* of the page behind, or empty */
	int64_t now_ns;
};

static struct list *list_of(struct document *document)
{
	return (struct list *)((char *)document - offsetof(struct list, document));
}

static void list_free(struct document *document)
{
	struct list *list = list_of(document);

	if (list->type->counted_free)
		list->type->counted_free(list->options.counted);
	free(list->rows);
	free(list->fields);
	buffer_done(&list->whole);
	free(list);
}

static void print_json(struct list *list, struct emitter *j, uint32_t index)
{
	if (list->type->counted_json)
		list->type->counted_json(j, list->options.counted, index);
	else
		list->type->json(j, list->snapshot, index);
}

static void print_text(struct list *list, struct buffer *b, uint32_t index)
{
	if (list->type->counted_text)
		list->type->counted_text(b, list->options.counted, index);
	else
		list->type->text(b, list->snapshot, index);
}

static void print_cursor(struct list *list, uint32_t index)
{
	if (list->type->counted_cursor)
		list->type->counted_cursor(list->options.counted, index, list->cursor);
	else
		list->type->cursor(list->snapshot, index, list->cursor);
}

const char *query_get(const struct query *query, const char *name)
{
	const char *value = NULL;
	size_t i;

	for (i = 0; i < query->count; i++)
		if (!strcmp(query->parameters[i].name, name))
			value = query->parameters[i].value;
	return value;
}

int query_number(const struct parameter *parameter, uint64_t max, uint64_t *ret,
		 struct problem *problem)
{
	const char *text = parameter->value;
	uint64_t value = 0;
	bool fits = *text;

	for (; fits && *text; text++) {
		fits = *text >= '0' && *text <= '9' &&
		       value <= (max - (uint64_t)(*text - '0')) / 10;
		value = value * 10 + (uint64_t)(*text - '0');
	}
	if (!fits)
		return problem_set(problem, 400, parameter->name,
				   "%.64s: a whole number from 0 to %" PRIu64 " is wanted",
				   parameter->value, max);
	*ret = value;
	return 0;
}

static int check_fields(const struct list_options *options, const struct list_type *type,
			struct problem *problem)
{
	if (!type || !options->fields)
		return 0;
	if (options->format == LIST_TEXT)
		return problem_set(problem, 400, "fields", "fields goes with json and ndjson");
	return select_check(options->fields, type->schema, problem);
}

int list_options_parse(const struct query *query, const struct list_type *type,
		       struct list_options *ret, struct problem *problem)
{
	static const char *const formats[] = {
		[LIST_JSON] = "json", [LIST_NDJSON] = "ndjson", [LIST_TEXT] = "text"
	};
	struct list_options options = { .limit = 1000 };
	size_t i, f;
	int r;

	for (i = 0; i < query->count; i++) {
		const struct parameter *p = &query->parameters[i];

		if (!strcmp(p->name, "limit")) {
			uint64_t limit = 0;

			r = query_number(p, UINT32_MAX, &limit, problem);
			if (r < 0)
				return r;
			options.limit = (uint32_t)limit;
		} else if (!strcmp(p->name, "after")) {
			options.after = p->value;
		} else if (!strcmp(p->name, "fields")) {
			options.fields = p->value;
		} else if (!strcmp(p->name, "format")) {
			for (f = 0; f < ARRAY_SIZE(formats); f++)
				if (!strcmp(p->value, formats[f]))
					break;
			if (f == ARRAY_SIZE(formats))
				return problem_set(problem, 400, "format",
						   "%.64s: json, ndjson or text is wanted",
						   p->value);
			options.format = f;
		}
	}
	r = check_fields(&options, type, problem);
	if (r < 0)
		return r;
	*ret = options;
	return 0;
}

int list_cursor_parse(const struct list_options *options, const struct list_part *parts,
		      size_t count, uint64_t *ret, struct problem *problem)
{
	const char *text = options->after;
	size_t i;

	for (i = 0; text && i < count; i++) {
		char *end;

		/* No blanks and no signs, which strtoull() takes. */
		errno = isxdigit((unsigned char)*text) ? 0 : EINVAL;
		ret[i] = strtoull(text, &end, parts[i].base);
		if (errno || end == text || ret[i] > parts[i].max ||
		    *end != (i + 1 < count ? '-' : '\0'))
			return problem_set(problem, 400, "after",
					   "the `next` of an earlier page is wanted");
		text = end + 1;
	}
	return 0;
}

static void begin(struct list *list, struct buffer *b)
{
	list->begun = true;
	if (list->options.format == LIST_TEXT) {
		buffer_text(b, list->type->heading);
		buffer_char(b, '\n');
	} else if (list->options.format == LIST_JSON) {
		buffer_char(b, '{');
		if (list->snapshot) {
			envelope_print(b, list->snapshot, list->now_ns);
			buffer_char(b, ',');
		}
		buffer_printf(b, "\"matched\":%" PRIu32 ",\"returned\":%" PRIu32 ",\"%s\":[",
			      list->matched, list->count, list->type->word);
	}
}

static void selected_row(struct list *list, struct buffer *b, uint32_t index)
{
	struct emitter j = { .b = &list->whole };

	list->whole.len = 0;
	print_json(list, &j, index);
	if (list->options.format == LIST_JSON && list->next > 0)
		buffer_char(b, ',');
	select_print(b, list->whole.data, list->whole.len, list->fields);
	if (list->whole.error)
		b->error = list->whole.error;
}

static void row(struct list *list, struct buffer *b)
{
	struct emitter j = { .b = b, .more = list->options.format == LIST_JSON && list->next > 0 };
	uint32_t index = list->rows[list->next];

	if (list->options.format == LIST_TEXT) {
		print_text(list, b, index);
		buffer_char(b, '\n');
	} else {
		if (list->fields)
			selected_row(list, b, index);
		else
			print_json(list, &j, index);
		if (list->options.format == LIST_NDJSON)
			buffer_char(b, '\n');
	}
	list->next++;
}

static int list_more(struct document *document, struct buffer *b)
{
	struct list *list = list_of(document);
	size_t start = b->len;

	if (!list->begun)
		begin(list, b);
	while (list->next < list->count && b->len - start < DOCUMENT_PIECE && !b->error)
		row(list, b);
	if (b->error)
		return b->error;
	if (list->next < list->count)
		return 1;
	if (list->options.format == LIST_JSON) {
		struct emitter j = { .b = b, .more = true };

		buffer_char(b, ']');
		emit_text(&j, "next", list->cursor);
		buffer_literal(b, "}\n");
	}
	return b->error;
}

static void escaped(struct buffer *b, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		    strchr("-._~", c))
			buffer_char(b, *text);
		else
			buffer_printf(b, "%%%02X", c);
	}
}

/* RFC 8288. A link that is too long is left out: `next` stands in the body. */
static void link_header(const struct request *request, struct list *list)
{
	struct buffer b = { 0 };
	size_t i;

	buffer_char(&b, '<');
	buffer_text(&b, request->path);
	buffer_char(&b, '?');
	for (i = 0; i < request->query->count; i++) {
		const struct parameter *p = &request->query->parameters[i];

		if (!strcmp(p->name, "after"))
			continue;
		escaped(&b, p->name);
		buffer_char(&b, '=');
		escaped(&b, p->value);
		buffer_char(&b, '&');
	}
	buffer_literal(&b, "after=");
	escaped(&b, list->cursor);
	buffer_literal(&b, ">; rel=\"next\"");
	if (!b.error && b.len < sizeof(list->document.link)) {
		memcpy(list->document.link, b.data, b.len);
		list->document.link[b.len] = '\0';
	}
	buffer_done(&b);
}

int list_new(const struct request *request, const struct list_type *type,
	     const struct list_options *options, uint32_t *rows, uint32_t count, uint32_t matched,
	     struct document **ret)
{
	static const char *const content_types[] = {
		[LIST_JSON] = "application/json",
		[LIST_NDJSON] = "application/x-ndjson",
		[LIST_TEXT] = "text/plain; charset=utf-8",
	};
	struct list *list = calloc(1, sizeof(*list));

	if (!list) {
		if (type->counted_free)
			type->counted_free(options->counted);
		free(rows);
		return -ENOMEM;
	}
	list->document.status = 200;
	list->document.content_type = content_types[options->format];
	list->document.cacheable = true;
	list->document.more = list_more;
	list->document.free = list_free;
	list->type = type;
	list->snapshot = request->snapshot;
	list->now_ns = request->now_ns;
	list->options = *options;
	if (options->fields) {
		list->fields = strdup(options->fields);
		if (!list->fields) {
			list_free(&list->document);
			free(rows);
			return -ENOMEM;
		}
	}
	list->rows = rows;
	list->count = options->limit && options->limit < count ? options->limit : count;
	list->matched = matched;
	if (list->count && list->count < count) {
		print_cursor(list, rows[list->count - 1]);
		link_header(request, list);
	}
	*ret = &list->document;
	return 0;
}
