/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One row a state, one column a spelling. Input takes any of them: letters are folded, and '-', '_' and
 * nothing at all between the words are the same. TCP_ may stand before it.
 */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include <tcpdiag/state.h>

struct state_row {
	const char *name; /* `ss state NAME`; ours */
	const char *kernel; /* include/net/tcp_states.h, RFC 9293 */
	const char *column; /* the State column of ss */
	const char *also; /* other spellings, separated by blanks: netstat, /proc, node_exporter */
};

static const struct state_row states[TCPDIAG_STATE_MAX] = {
	[TCPDIAG_ESTABLISHED] = { "established", "ESTABLISHED", "ESTAB", "connected" },
	[TCPDIAG_SYN_SENT] = { "syn-sent", "SYN_SENT", "SYN-SENT", "" },
	[TCPDIAG_SYN_RECV] = { "syn-recv", "SYN_RECV", "SYN-RECV", "syn-received" },
	[TCPDIAG_FIN_WAIT1] = { "fin-wait-1", "FIN_WAIT1", "FIN-WAIT-1", "" },
	[TCPDIAG_FIN_WAIT2] = { "fin-wait-2", "FIN_WAIT2", "FIN-WAIT-2", "" },
	[TCPDIAG_TIME_WAIT] = { "time-wait", "TIME_WAIT", "TIME-WAIT", "" },
	[TCPDIAG_CLOSE] = { "closed", "CLOSE", "UNCONN", "unconnected" },
	[TCPDIAG_CLOSE_WAIT] = { "close-wait", "CLOSE_WAIT", "CLOSE-WAIT", "" },
	[TCPDIAG_LAST_ACK] = { "last-ack", "LAST_ACK", "LAST-ACK", "" },
	[TCPDIAG_LISTEN] = { "listening", "LISTEN", "LISTEN", "listener" },
	[TCPDIAG_CLOSING] = { "closing", "CLOSING", "CLOSING", "" },
	[TCPDIAG_NEW_SYN_RECV] = { "new-syn-recv", "NEW_SYN_RECV", "SYN-RECV", "request" },
	[TCPDIAG_BOUND_INACTIVE] = { "bound-inactive", "BOUND_INACTIVE", "UNCONN", "bound" },
};

static const struct state_row *state_row(enum tcpdiag_state state)
{
	static const struct state_row none;

	if (state <= TCPDIAG_STATE_NONE || state >= TCPDIAG_STATE_MAX)
		return &none;
	return &states[state];
}

const char *tcpdiag_state_name(enum tcpdiag_state state)
{
	return state_row(state)->name;
}

const char *tcpdiag_state_kernel_name(enum tcpdiag_state state)
{
	return state_row(state)->kernel;
}

const char *tcpdiag_state_column(enum tcpdiag_state state)
{
	return state_row(state)->column;
}

/* The same letters and digits, whatever stands between them. */
static int spelled_alike(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t i = 0, j = 0;

	for (;;) {
		while (i < a_len && (a[i] == '-' || a[i] == '_'))
			i++;
		while (j < b_len && (b[j] == '-' || b[j] == '_'))
			j++;
		if (i == a_len || j == b_len)
			return i == a_len && j == b_len;
		if (tolower((unsigned char)a[i++]) != tolower((unsigned char)b[j++]))
			return 0;
	}
}

/* As in the kernel's enum, and where programs for tracing print that. */
static size_t prefix_len(const char *text, size_t len)
{
	bool has = len > 4 && spelled_alike(text, 3, "tcp", 3) &&
		   (text[3] == '_' || text[3] == '-');

	return has ? 4 : 0;
}

enum tcpdiag_state tcpdiag_state_parse(const char *text, size_t len)
{
	size_t prefix = prefix_len(text, len);
	int state;

	text += prefix;
	len -= prefix;
	if (!len)
		return TCPDIAG_STATE_NONE;
	for (state = 1; state < TCPDIAG_STATE_MAX; state++) {
		const struct state_row *row = &states[state];
		const char *word = row->also;

		if (spelled_alike(text, len, row->name, strlen(row->name)) ||
		    spelled_alike(text, len, row->kernel, strlen(row->kernel)) ||
		    spelled_alike(text, len, row->column, strlen(row->column)))
			return state;
		while (*word) {
			size_t word_len = strcspn(word, " ");

			if (spelled_alike(text, len, word, word_len))
				return state;
			word += word_len;
			word += strspn(word, " ");
		}
	}
	return TCPDIAG_STATE_NONE;
}
