/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `fields` of a list of small documents: the members of each row that are wanted.
 */
#pragma once

#include <stddef.h>

#include "web/buffer.h"
#include "web/route.h"

/**
 * select_check() - whether each of "a,b.c" is a member of a schema of /openapi.json
 * @schema: "Finding"
 *
 * Return: 0; -EINVAL with @problem.
 */
int select_check(const char *fields, const char *schema, struct problem *problem);

/* Copies of @row, one JSON object as this process prints it, what @fields names, in the row's order. */
void select_print(struct buffer *b, const char *row, size_t len, const char *fields);
