/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The oracle's words, as JSON, metrics and documents spell them.
 */
#include <tcpdiag/outcome.h>

const char *tcpdiag_operation_name(enum tcpdiag_operation op)
{
	static const char *const names[TCPDIAG_OP_MAX] = {
		[TCPDIAG_OP_CLOSE] = "close",
		[TCPDIAG_OP_EXIT] = "exit",
		[TCPDIAG_OP_SHUTDOWN_READ] = "shutdown_read",
		[TCPDIAG_OP_SHUTDOWN_WRITE] = "shutdown_write",
		[TCPDIAG_OP_SHUTDOWN_BOTH] = "shutdown_both",
		[TCPDIAG_OP_LISTENER_CLOSE] = "listener_close",
	};

	return (unsigned int)op < TCPDIAG_OP_MAX ? names[op] : NULL;
}

const char *tcpdiag_segment_name(enum tcpdiag_segment segment)
{
	static const char *const names[TCPDIAG_SEGMENT_MAX] = {
		[TCPDIAG_SEGMENT_NONE] = "none",
		[TCPDIAG_SEGMENT_FIN] = "fin",
		[TCPDIAG_SEGMENT_RST] = "rst",
	};

	return (unsigned int)segment < TCPDIAG_SEGMENT_MAX ? names[segment] : NULL;
}

const char *tcpdiag_end_name(enum tcpdiag_end end)
{
	static const char *const names[TCPDIAG_END_MAX] = {
		[TCPDIAG_ENDS_SILENT] = "silent",
		[TCPDIAG_ENDS_FIN] = "fin",
		[TCPDIAG_ENDS_RST] = "rst",
	};

	return (unsigned int)end < TCPDIAG_END_MAX ? names[end] : NULL;
}

/* The name of the one bit that is set in @bits. */
static const char *bit_name(const char *const *names, size_t count, unsigned int bits)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (bits == 1U << i)
			return names[i];
	return NULL;
}

const char *tcpdiag_input_name(enum tcpdiag_input input)
{
	static const char *const names[TCPDIAG_INPUT_COUNT] = {
		"linger", "linger2", "repair", "mptcp", "sibling", "user_timeout", "kernel",
	};

	return bit_name(names, TCPDIAG_INPUT_COUNT, (unsigned int)input);
}

const char *tcpdiag_holding_name(enum tcpdiag_holding holding)
{
	static const char *const names[TCPDIAG_HOLDING_COUNT] = { "process", "duplicate", "call" };

	return bit_name(names, TCPDIAG_HOLDING_COUNT, (unsigned int)holding);
}
