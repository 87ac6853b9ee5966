/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The catalogue's index.
 */
#include <string.h>

#include "rules/catalogue.h"

const struct tcpdiag_rule_info *tcpdiag_rule_info(enum tcpdiag_rule rule)
{
	static const struct tcpdiag_rule_info *const tables[] = {
		catalogue_close,
		catalogue_shutdown,
		catalogue_finding,
		catalogue_rates,
	};
	size_t i;

	if (rule <= TCPDIAG_RULE_NONE || rule >= TCPDIAG_RULE_MAX)
		return NULL;
	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (tables[i][rule].id)
			return &tables[i][rule];
	return NULL;
}

const char *tcpdiag_rule_id(enum tcpdiag_rule rule)
{
	const struct tcpdiag_rule_info *info = tcpdiag_rule_info(rule);

	return info ? info->id : NULL;
}

enum tcpdiag_rule tcpdiag_rule_find(const char *id, size_t len)
{
	int rule;

	for (rule = 1; rule < TCPDIAG_RULE_MAX; rule++) {
		const char *have = tcpdiag_rule_id(rule);

		if (have && strlen(have) == len && !memcmp(have, id, len))
			return rule;
	}
	return TCPDIAG_RULE_NONE;
}
