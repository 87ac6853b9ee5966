/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From `fields=a,b.c` to steps, and from steps to text.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "web/plan.h"
#include "web/put.h"

/* Of a key and of any value that is no text. */
#define STEP_ROOM (PLAN_KEY_MAX + PUT_ADDRESS_MAX + 2)

/* The longest path of the table fits with room to spare. */
#define PATH_SIZE 128

struct selection {
	struct {
		const char *text;
		size_t len;
		bool used;
	} paths[PLAN_FIELDS_MAX];
	size_t count;
	unsigned int level;
};

enum selected { SELECTED_NO, SELECTED_INSIDE, SELECTED_WHOLE };

/* Whether a path of the table is asked for, or only something below it. */
static enum selected selected(struct selection *selection, const char *path, size_t len)
{
	enum selected ret = SELECTED_NO;
	size_t i;

	for (i = 0; i < selection->count; i++) {
		const char *text = selection->paths[i].text;
		size_t text_len = selection->paths[i].len;

		if (text_len == len && !memcmp(text, path, len)) {
			/* Go on: it may be asked for twice. */
			selection->paths[i].used = true;
			ret = SELECTED_WHOLE;
		} else if (ret == SELECTED_NO && text_len > len && text[len] == '.' &&
			   !memcmp(text, path, len)) {
			ret = SELECTED_INSIDE;
		}
	}
	return ret;
}

static struct plan_step *add_step(struct plan *plan, const struct field *field, enum plan_op op)
{
	struct plan_step *step = &plan->steps[plan->count];

	assert(plan->count < PLAN_STEPS_MAX);
	plan->count++;
	*step = (struct plan_step){ .field = field, .op = op };
	return step;
}

static void set_key(struct plan_step *step, const char *name, bool first)
{
	size_t len = strlen(name);
	char *p = step->key;

	assert(len + 4 <= sizeof(step->key));
	if (!first)
		*p++ = ',';
	*p++ = '"';
	p = put_bytes(p, name, len);
	p = put_literal(p, "\":");
	step->key_len = (uint8_t)(p - step->key);
}

static enum plan_op field_op(const struct field *field)
{
	switch ((enum field_type)field->type) {
	case FIELD_OBJECT:
		return PLAN_OBJECT;
	case FIELD_ARRAY:
		return PLAN_ARRAY;
	case FIELD_OTHER:
		return PLAN_OTHER;
	default:
		return PLAN_VALUE;
	}
}

/*
 * The steps of @fields. @path is that of their parent with a dot behind it; @whole: the parent is
 * asked for as a whole, so that the level decides.
 */
static void add_fields(struct plan *plan, struct selection *selection, const struct field *fields,
		       char *path, size_t path_len, bool whole)
{
	const struct field *field;
	bool first = true;

	for (field = fields; field->name; field++) {
		size_t name_len = strlen(field->name);
		enum selected how = SELECTED_NO;
		size_t at = plan->count;
		enum plan_op op = field_op(field);

		assert(path_len + name_len + 1 < PATH_SIZE);
		memcpy(path + path_len, field->name, name_len);
		if (selection->count)
			how = selected(selection, path, path_len + name_len);
		if (how != SELECTED_WHOLE && whole && field->flags & selection->level)
			how = SELECTED_WHOLE;
		if (how == SELECTED_NO || (how == SELECTED_INSIDE && !field->children))
			continue;
		set_key(add_step(plan, field, op), field->name, first);
		if (field->children) {
			path[path_len + name_len] = '.';
			add_fields(plan, selection, field->children, path, path_len + name_len + 1,
				   how == SELECTED_WHOLE);
			if (plan->count == at + 1 && how == SELECTED_INSIDE) {
				plan->count = at; /* none of what was asked for is in here */
				continue;
			}
			add_step(plan, field, PLAN_END);
			plan->steps[at].jump = (uint16_t)plan->count;
		}
		first = false;
	}
}

static int add_paths(struct selection *selection, const char *text, struct problem *problem)
{
	while (*text) {
		size_t len = strcspn(text, ",");

		if (selection->count == PLAN_FIELDS_MAX)
			return problem_set(problem, 400, "fields", "at most %d fields can be named",
					   PLAN_FIELDS_MAX);
		if (len) {
			selection->paths[selection->count].text = text;
			selection->paths[selection->count].len = len;
			selection->count++;
		}
		text += len;
		text += *text == ',';
	}
	return 0;
}

static void print_names(struct buffer *b)
{
	const struct field *field;

	for (field = socket_fields; field->name; field++)
		buffer_printf(b, "%s%s", field == socket_fields ? "" : ", ", field->name);
}

static int unknown_field(const char *text, size_t len, struct problem *problem)
{
	struct buffer names = {};
	int r;

	print_names(&names);
	r = problem_set(problem, 400, "fields", "a socket has no field '%.*s'; it has %.*s",
			(int)MIN(len, (size_t)48), text, (int)names.len,
			names.error ? "" : names.data);
	buffer_done(&names);
	return r;
}

int plan_make(unsigned int level, const char *const *fields, size_t count, struct plan *ret,
	      struct problem *problem)
{
	struct selection selection = { .level = level };
	char path[PATH_SIZE];
	size_t i;
	int r;

	for (i = 0; i < count; i++) {
		r = add_paths(&selection, fields[i], problem);
		if (r < 0)
			return r;
	}
	if (count && !selection.count)
		return problem_set(problem, 400, "fields", "no field is named");
	ret->count = 0;
	add_fields(ret, &selection, socket_fields, path, 0, !selection.count);
	for (i = 0; i < selection.count; i++)
		if (!selection.paths[i].used)
			return unknown_field(selection.paths[i].text, selection.paths[i].len,
					     problem);
	return 0;
}

/* Each holder of the record through the steps [@first, @end). */
static void print_holders(const struct plan *plan, size_t first, size_t end, struct view *view,
			  struct buffer *b);

static inline char *put_word(char *p, const char *text, size_t len)
{
	*p++ = '"';
	p = put_bytes(p, text, len);
	*p++ = '"';
	return p;
}

/* What field_value_print() prints, into room for STEP_ROOM and six times the text. */
static inline char *put_value(char *p, const struct field *field, const struct value *value,
			      size_t text_len)
{
	switch ((enum field_type)field->type) {
	case FIELD_INTEGER:
		return put_s64(p, value->number);
	case FIELD_SECONDS:
		return value->number == TCPDIAG_FOREVER ? put_literal(p, "\"forever\"")
							: put_ms(p, value->number);
	case FIELD_BOOL:
		return value->number ? put_literal(p, "true") : put_literal(p, "false");
	case FIELD_WORD:
		return put_word(p, value->text, text_len);
	case FIELD_TEXT:
		return put_json(p, value->text, text_len);
	case FIELD_TIME:
		return put_time(p, value->number);
	case FIELD_ADDRESS:
		*p++ = '"';
		p = put_address(p, value->address, (int)value->number);
		*p++ = '"';
		return p;
	case FIELD_HEX:
		*p++ = '"';
		p = put_hex(p, (uint64_t)value->number);
		*p++ = '"';
		return p;
	default:
		return p;
	}
}

/* The key and the value of one step. */
static inline void print_value(const struct plan_step *step, struct view *view, struct buffer *b)
{
	const struct field *field = step->field;
	struct value value;
	bool known = field->get(view, field, &value);
	size_t text_len = 0;
	char *p;

	if (known && (field->type == FIELD_WORD || field->type == FIELD_TEXT))
		text_len = strlen(value.text);
	if (!buffer_reserve(b, STEP_ROOM + PUT_JSON_MAX(text_len)))
		return;
	p = b->data + b->len;
	/* All of the key's room: a copy of a constant size is a few moves. */
	memcpy(p, step->key, PLAN_KEY_MAX);
	p += step->key_len;
	p = known ? put_value(p, field, &value, text_len) : put_literal(p, "null");
	b->len = (size_t)(p - b->data);
}

/*
 * The key of a step, with room for what opens or replaces its value. All of the key's room is copied: for a
 * length that it does not know the compiler takes a string instruction, which costs more than all the rest.
 */
static inline void print_key(const struct plan_step *step, struct buffer *b)
{
	if (!buffer_reserve(b, PLAN_KEY_MAX + sizeof("null")))
		return;
	memcpy(b->data + b->len, step->key, PLAN_KEY_MAX);
	b->len += step->key_len;
}

static void print_steps(const struct plan *plan, size_t i, size_t end, struct view *view,
			struct buffer *b)
{
	while (i < end) {
		const struct plan_step *step = &plan->steps[i++];
		const struct field *field = step->field;
		struct value value;

		switch ((enum plan_op)step->op) {
		case PLAN_VALUE:
			print_value(step, view, b);
			break;
		case PLAN_OTHER:
			if (field->flags & FIELD_OMITTED && !field->get(view, field, &value))
				break;
			print_key(step, b);
			field->print(view, b);
			break;
		case PLAN_OBJECT:
			if (field->get(view, field, &value)) {
				print_key(step, b);
				buffer_char(b, '{');
				break;
			}
			if (!(field->flags & FIELD_OMITTED)) {
				print_key(step, b);
				buffer_literal(b, "null");
			}
			i = step->jump;
			break;
		case PLAN_ARRAY:
			print_key(step, b);
			print_holders(plan, i, step->jump - 1U, view, b);
			i = step->jump;
			break;
		case PLAN_END:
			if (field->flags & FIELD_TURNS)
				view_turn_back(view);
			buffer_char(b, '}');
			break;
		}
	}
}

static void print_holders(const struct plan *plan, size_t first, size_t end, struct view *view,
			  struct buffer *b)
{
	uint32_t i, count;
	const struct holder *holders = snapshot_holders(view->snapshot, view->record, &count);

	buffer_char(b, '[');
	for (i = 0; i < count; i++) {
		if (i)
			buffer_char(b, ',');
		view->process = snapshot_process(view->snapshot, holders[i].process);
		view->fd = holders[i].fd;
		buffer_char(b, '{');
		print_steps(plan, first, end, view, b);
		buffer_char(b, '}');
	}
	buffer_char(b, ']');
}

void plan_print(const struct plan *plan, struct view *view, struct buffer *b)
{
	print_steps(plan, 0, plan->count, view, b);
}
