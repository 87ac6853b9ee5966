/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One owner without a server: what --once --unit and --once --pid print.
 */
#pragma once

#include "web/document.h"
#include "web/owners.h"
#include "web/route.h"

/**
 * owner_document() - the document of a process or unit
 * @text: for people, else JSON
 * @ret_sums: what ending it does
 *
 * Return: 0; -EINVAL with @problem: there is no such owner, or holders are not known; -ENOMEM.
 */
int owner_document(const struct snapshot *snapshot, const struct owner_query *query, bool text,
		   unsigned int columns, int64_t now_ns, int64_t wall_ns, struct document **ret,
		   struct exit_sums *ret_sums, struct problem *problem);
