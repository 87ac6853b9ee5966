/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The words are the kernel's without their prefix, in lower case, with hyphens.
 */
#include "model/reset_reason.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define PREFIX "SK_RST_REASON_"

static const char *const names[RESET_REASON_MAX] = {
	[RESET_REASON_NOT_SPECIFIED] = "not-specified",
	[RESET_REASON_NO_SOCKET] = "no-socket",
	[RESET_REASON_NO_SOCKET_SYN] = "no-socket-syn",
	[RESET_REASON_INVALID_ACK_SEQUENCE] = "tcp-invalid-ack-sequence",
	[RESET_REASON_PAWS] = "tcp-rfc7323-paws",
	[RESET_REASON_TOO_OLD_ACK] = "tcp-too-old-ack",
	[RESET_REASON_ACK_UNSENT_DATA] = "tcp-ack-unsent-data",
	[RESET_REASON_FLAGS] = "tcp-flags",
	[RESET_REASON_OLD_ACK] = "tcp-old-ack",
	[RESET_REASON_ABORT_ON_DATA] = "tcp-abort-on-data",
	[RESET_REASON_TIMEWAIT_SOCKET] = "tcp-timewait-socket",
	[RESET_REASON_INVALID_SYN] = "invalid-syn",
	[RESET_REASON_ABORT_ON_CLOSE] = "tcp-abort-on-close",
	[RESET_REASON_ABORT_ON_LINGER] = "tcp-abort-on-linger",
	[RESET_REASON_ABORT_ON_MEMORY] = "tcp-abort-on-memory",
	[RESET_REASON_STATE] = "tcp-state",
	[RESET_REASON_KEEPALIVE_TIMEOUT] = "tcp-keepalive-timeout",
	[RESET_REASON_DISCONNECT_WITH_DATA] = "tcp-disconnect-with-data",
	[RESET_REASON_MPTCP_EUNSPEC] = "mptcp-rst-eunspec",
	[RESET_REASON_MPTCP_EMPTCP] = "mptcp-rst-emptcp",
	[RESET_REASON_MPTCP_ERESOURCE] = "mptcp-rst-eresource",
	[RESET_REASON_MPTCP_EPROHIBIT] = "mptcp-rst-eprohibit",
	[RESET_REASON_MPTCP_EWQ2BIG] = "mptcp-rst-ewq2big",
	[RESET_REASON_MPTCP_EBADPERF] = "mptcp-rst-ebadperf",
	[RESET_REASON_MPTCP_EMIDDLEBOX] = "mptcp-rst-emiddlebox",
	[RESET_REASON_ERROR] = "error",
	[RESET_REASON_OTHER] = "other",
};

const char *reset_reason_name(enum reset_reason reason)
{
	return reason > RESET_REASON_NONE && reason < RESET_REASON_MAX ? names[reason] : NULL;
}

/* "TCP_ABORT_ON_CLOSE" is "tcp-abort-on-close". */
static bool is_word(const char *kernel, const char *word)
{
	for (; *kernel && *word; kernel++, word++) {
		int c = *kernel == '_' ? '-' : tolower((unsigned char)*kernel);

		if (c != *word)
			return false;
	}
	return !*kernel && !*word;
}

enum reset_reason reset_reason_of_kernel(const char *name)
{
	enum reset_reason reason;

	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 || !strcmp(name, PREFIX "MAX"))
		return RESET_REASON_NONE;
	name += strlen(PREFIX);
	/* The split one and the rest have no such name. */
	for (reason = RESET_REASON_NOT_SPECIFIED; reason < RESET_REASON_OTHER; reason++)
		if (reason != RESET_REASON_NO_SOCKET_SYN && is_word(name, names[reason]))
			return reason;
	return RESET_REASON_OTHER;
}
