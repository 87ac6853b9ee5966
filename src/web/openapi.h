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

/* Members of #/components/schemas: every document except those of sockets. */
void openapi_schemas(struct emitter *j);
