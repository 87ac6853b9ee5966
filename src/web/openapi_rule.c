/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The schemas of the catalogue of rules.
 */
#include "web/openapi.h"
#include "web/openapi_types.h"

const struct schema_member schema_rule[] = {
	{ "id", REF("RuleId"), "Stable.", false },
	{ "kind", "{\"enum\":[\"outcome\",\"fate\",\"finding\"]}",
	  "Of an operation, of a socket nobody can close, or of something wrong.", false },
	{ "verified", "{\"enum\":[\"kernel\",\"source\"]}",
	  "By tests against a running kernel, or by reading its source.", false },
	{ "title", STRING_OR_NULL, "A few words.", false },
	{ "condition", STRING_OR_NULL, "When it holds.", false },
	{ "because", STRING_OR_NULL, "What happens and why.", false },
	{ "function", STRING_OR_NULL, "The kernel function that decides.", false },
	{ "file", STRING_OR_NULL, "Its file in the kernel's source.", false },
	{ "rfc", STRING_OR_NULL, "Where the RFCs speak of it.", false },
	{ "counter", STRING_OR_NULL, "The counter that moves.", false },
	{ "reset_reason", STRING_OR_NULL, "The kernel's reason of the reset.", false },
	{ "log_line", STRING_OR_NULL, "What the kernel logs.", false },
	{ "example", STRING_OR_NULL, "How to see it: a few lines.", false },
	{ "older", STRING_OR_NULL, "What kernels without some feature do instead.", false },
	{ "remedy", STRING_OR_NULL, "What to do.", false },
	{ "documentation", STRING, "Path of the document for people.", false },
	{ 0 },
};

const struct schema_member schema_rule_list[] = {
	PAGE_MEMBERS,
	{ "rules", ARRAY(REF("Rule")), "The order of the catalogue.", false },
	{ 0 },
};
