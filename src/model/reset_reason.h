/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why the kernel resets: enum sk_rst_reason (include/net/rstreason.h, Linux 6.10), whose numbers are no ABI, in words.
 *
 * Its no-socket is two things to a person, which the flags of the segment tell apart: a SYN to a closed port, a refusal
 * as there are thousands of on any public host; and a segment in the midst of a connection that this end has never heard
 * of or forgotten, which costs days.
 */
#pragma once

#include <stddef.h>

enum reset_reason {
	RESET_REASON_NONE = 0, /* not told */
	RESET_REASON_NOT_SPECIFIED,
	RESET_REASON_NO_SOCKET, /* a segment that belongs to no connection */
	RESET_REASON_NO_SOCKET_SYN, /* a SYN that nobody listens for */
	RESET_REASON_INVALID_ACK_SEQUENCE,
	RESET_REASON_PAWS,
	RESET_REASON_TOO_OLD_ACK,
	RESET_REASON_ACK_UNSENT_DATA,
	RESET_REASON_FLAGS,
	RESET_REASON_OLD_ACK,
	RESET_REASON_ABORT_ON_DATA, /* late data */
	RESET_REASON_TIMEWAIT_SOCKET, /* a minisocket met a segment of the old connection */
	RESET_REASON_INVALID_SYN,
	RESET_REASON_ABORT_ON_CLOSE, /* unread data */
	RESET_REASON_ABORT_ON_LINGER, /* TCP_LINGER2 below 0 */
	RESET_REASON_ABORT_ON_MEMORY,
	RESET_REASON_STATE, /* SO_LINGER 0, waiting children of a listener, SOCK_DESTROY */
	RESET_REASON_KEEPALIVE_TIMEOUT,
	RESET_REASON_DISCONNECT_WITH_DATA,
	RESET_REASON_MPTCP_EUNSPEC,
	RESET_REASON_MPTCP_EMPTCP,
	RESET_REASON_MPTCP_ERESOURCE,
	RESET_REASON_MPTCP_EPROHIBIT,
	RESET_REASON_MPTCP_EWQ2BIG,
	RESET_REASON_MPTCP_EBADPERF,
	RESET_REASON_MPTCP_EMIDDLEBOX,
	RESET_REASON_ERROR,
	RESET_REASON_OTHER, /* one that this version has no word for */
	RESET_REASON_MAX
};

/* "tcp-abort-on-close": as the kernel calls it; NULL for NONE and out of range. */
const char *reset_reason_name(enum reset_reason reason);

/* "SK_RST_REASON_TCP_ABORT_ON_CLOSE": OTHER for a reason without a word, NONE for what is none. */
enum reset_reason reset_reason_of_kernel(const char *name);
