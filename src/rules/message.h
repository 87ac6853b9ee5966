/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a finding is known by in systemd's journal: MESSAGE_ID=, 128 bits in hexadecimal (systemd.journal-fields(7)).
 *
 * People have filters and alerts on them, and systemd/tcpdiagd.catalog explains them: an id never changes and is never
 * used again. A new rule gets a new one (`systemd-id128 new`).
 */
#pragma once

#include <tcpdiag/rule.h>

/* A finding of whatever rule has been cleared. */
#define MESSAGE_ID_CLEARED "2f8d428cb9404f79b3dbf90df03ce2a3"

/* NULL where the rule is no finding. */
const char *rule_message_id(enum tcpdiag_rule rule);
