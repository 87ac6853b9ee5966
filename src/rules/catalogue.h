/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rows of the catalogue, by file: each table is as long as the enum, with the rows of its kind set.
 */
#pragma once

#include <tcpdiag/rule.h>

extern const struct tcpdiag_rule_info
	catalogue_close[TCPDIAG_RULE_MAX]; /* close, exit, a listener's */
extern const struct tcpdiag_rule_info catalogue_shutdown[TCPDIAG_RULE_MAX]; /* shutdown and fates */
extern const struct tcpdiag_rule_info catalogue_finding[TCPDIAG_RULE_MAX];
extern const struct tcpdiag_rule_info catalogue_rates[TCPDIAG_RULE_MAX]; /* findings, too */
