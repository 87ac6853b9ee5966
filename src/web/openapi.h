/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The schemas of what the documents of this folder answer; /openapi.json puts them beside the routes.
 */
#pragma once

#include "web/emit.h"

/* A member of an object: always there, unless @optional. */
struct schema_member {
	const char *name;
	const char *schema; /* JSON schema without description */
	const char *text;
	bool optional;
};

/* Whether "evidence.count" is a member of a schema below: one that is described elsewhere has them all. */
bool openapi_has_member(const char *schema, const char *path, size_t len);

/* Members of #/components/schemas: every document except those of sockets. */
void openapi_schemas(struct emitter *j);
