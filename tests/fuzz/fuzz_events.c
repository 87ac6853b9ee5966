/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows of the events' ring.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/event_rows.h"
#include "model/reset_reason.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t hz[] = { 0, 100, 250, 1000, 10000 };
	static const uint8_t reasons[EVENT_REASONS_MAX] = { 0, RESET_REASON_NO_SOCKET,
							    RESET_REASON_STATE };
	struct tcpdiag_socket before;
	struct socket_event event;

	if (event_from_row(data, size, hz[size % 5], reasons, &event) < 0)
		return 0;
	if (event.kind >= SOCKET_EVENT_KIND_MAX || event.reason >= RESET_REASON_MAX ||
	    event.pid < 0 || event.when_ns < 0 || event.idle_ms < -1 ||
	    !memchr(event.comm, '\0', sizeof(event.comm)))
		abort();
	if (event.has_socket && !tcpdiag_state_name(event.sk.state))
		abort();
	/* Whatever stands there, the oracle's helpers take it. */
	(void)tcpdiag_unread_bytes(&event.sk);
	(void)tcpdiag_unacked_bytes(&event.sk);
	event_before(&event, &before);
	if (event.kind == SOCKET_EVENT_STATE && before.state != event.old_state)
		abort();
	return 0;
}
