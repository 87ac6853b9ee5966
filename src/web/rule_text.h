/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The catalogue as Markdown: docs/rules/, and what /rules/{id}?format=text answers.
 */
#pragma once

#include <tcpdiag/rule.h>

#include "web/buffer.h"

/* "outcome", "fate", "finding" */
const char *rule_kind_name(enum tcpdiag_rule_kind kind);
/* "kernel", "source" */
const char *rule_verified_name(enum tcpdiag_verified verified);

/* The document of one rule. */
void rule_text(struct buffer *b, const struct tcpdiag_rule_info *info);

/* The list of them all: docs/rules/README.md. */
void rule_index(struct buffer *b);
