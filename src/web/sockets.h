/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets: GET /sockets and GET /sockets/{id}, and the same documents without a server.
 */
#pragma once

#include <stdint.h>

#include "model/snapshot.h"
#include "web/buffer.h"
#include "web/document.h"
#include "web/route.h"

/**
 * sockets_document() - what GET /sockets?QUERY would answer
 * @query: "detail=full&limit=0"
 * @now_ns: CLOCK_MONOTONIC
 * @wall_ns: CLOCK_REALTIME
 * @ret: reads @snapshot until it is freed; call its more() until that returns 0
 *
 * Return: 0; -EINVAL with @problem; -ENOMEM.
 */
int sockets_document(const struct snapshot *snapshot, const char *query, int64_t now_ns,
		     int64_t wall_ns, struct document **ret, struct problem *problem);

/**
 * sockets_schemas() - the JSON schemas of these documents, for #/components/schemas of /openapi.json
 *
 * Appends members without braces around them: "Snapshot":{...},"Socket":{...},"Outcome":{...},
 * "SocketDetail":{...},"SocketList":{...},"SocketGroup":{...}.
 */
void sockets_schemas(struct buffer *b);

/* Appends the id of a socket in quotes: "4026531840-1f". */
void sockets_print_id(struct buffer *b, const struct record *record);

/* The same of a row of the snapshot; null where there is none such. */
void sockets_print_row_id(struct buffer *b, const struct snapshot *snapshot, uint32_t row);
