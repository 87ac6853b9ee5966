/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When a rule can judge: one that asks for growth needs history as long as its longest window, and until
 * then its silence says nothing.
 */
#include <string.h>

#include "rules/family.h"

/* Windows of growth: how many, one after the other, and the threshold that says how long each is. */
static const struct {
	enum tcpdiag_rule rule;
	int64_t windows;
	size_t window; /* offset in struct thresholds */
} table[] = {
#define WINDOW(member) offsetof(struct thresholds, member)
	{ TCPDIAG_RULE_FIN_WAIT2_STUCK, 1, WINDOW(fw2_warning_growth_window) },
	{ TCPDIAG_RULE_FIN_WAIT2_STUCK, 1, WINDOW(fw2_critical_doubling) },
	{ TCPDIAG_RULE_CLOSE_WAIT_LEAK, 1, WINDOW(cw_in_warning_window) },
	{ TCPDIAG_RULE_CLOSE_WAIT_LEAK, 2, WINDOW(cw_out_warning_window) },
	{ TCPDIAG_RULE_ORPHAN_ACCUMULATION, 1, WINDOW(orphan_info_growth_window) },
	{ TCPDIAG_RULE_DEAD_DESCRIPTOR, 2, WINDOW(dead_warning_window) },
#undef WINDOW
};

static int64_t longest(const struct thresholds *thresholds, enum tcpdiag_rule rule)
{
	int64_t most = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		int64_t window;

		if (table[i].rule != rule)
			continue;
		memcpy(&window, (const char *)thresholds + table[i].window, sizeof(window));
		most = MAX(most, table[i].windows * window);
	}
	return most;
}

void warming_tell(const struct round *round, int64_t known_since_ns)
{
	int rule;

	for (rule = TCPDIAG_RULE_FINDING_FIRST; rule < TCPDIAG_RULE_MAX; rule++) {
		const struct family *family = family_of((enum tcpdiag_rule)rule);
		int64_t window, warm = 0;

		window = longest(round->thresholds, (enum tcpdiag_rule)rule);
		if (family && family->warms)
			warm = family->warms(round);
		else if (family && window)
			warm = known_since_ns + window +
			       (family->settles ? family->settles(round) : 0);
		round->w->header->findings_warm_ns[rule] = warm;
	}
}
