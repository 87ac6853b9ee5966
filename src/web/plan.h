/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A plan: the fields that one request asks for, as a flat list of steps.
 *
 * Made once from the table of fields, walked once for each socket. Keys stand ready with their comma and
 * colon, a null object jumps over its members, so that a step is a copy, a call and a number.
 */
#pragma once

#include "web/buffer.h"
#include "web/field.h"
#include "web/route.h"

#define PLAN_STEPS_MAX 384
#define PLAN_KEY_MAX 40
#define PLAN_FIELDS_MAX 64

enum plan_op {
	PLAN_VALUE,
	PLAN_OTHER,
	PLAN_OBJECT,
	PLAN_ARRAY, /* of holders */
	PLAN_END,
};

struct plan_step {
	const struct field *field;
	uint16_t jump; /* of PLAN_OBJECT and PLAN_ARRAY: the step behind its PLAN_END */
	uint8_t op; /* enum plan_op */
	uint8_t key_len;
	char key[PLAN_KEY_MAX]; /* ,"name": */
};

struct plan {
	size_t count;
	struct plan_step steps[PLAN_STEPS_MAX];
};

/**
 * plan_make() - the steps for a request
 * @level: FIELD_LIST or FIELD_DETAIL: what stands without @fields, and below an object that it names
 * @fields: every value of the parameter `fields`, paths separated by commas; @count 0 for all of @level
 *
 * Return: 0; -EINVAL with @problem.
 */
int plan_make(unsigned int level, const char *const *fields, size_t count, struct plan *ret,
	      struct problem *problem);

/* Appends the members of the view's record, without braces around them. */
void plan_print(const struct plan *plan, struct view *view, struct buffer *b);
