/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether one close() is the last: fs/file_table.c:fput() releases the socket with the last reference to
 * its file. Each descriptor is one; a call that sleeps in recv(), poll() or select() holds one more, and so
 * do a message under way (SCM_RIGHTS) and a table of registered files (io_uring). Those come and go: what
 * is no descriptor counts only where two readings agree.
 */
#include "rules/outcome.h"

void outcome_hold(struct tcpdiag_outcome *outcome, const struct tcpdiag_socket *sk)
{
	bool counted = sk->known & TCPDIAG_KNOWS_REFERENCES;

	if (sk->attachment != TCPDIAG_HELD || !(sk->known & TCPDIAG_KNOWS_DESCRIPTORS) ||
	    !sk->descriptors || sk->descriptors == UINT16_MAX)
		return;
	/* Each descriptor is a reference: fewer of these were read at another time than those. */
	if (counted && sk->references < sk->descriptors)
		return;
	if (sk->processes > 1)
		outcome->holding |= TCPDIAG_HOLDING_PROCESS;
	if (sk->descriptors > sk->processes)
		outcome->holding |= TCPDIAG_HOLDING_DUPLICATE;
	if (counted && sk->steady_references > sk->descriptors)
		outcome->holding |= TCPDIAG_HOLDING_CALL;
	outcome->holding_known = outcome->holding || (counted && sk->references == sk->descriptors);
}
