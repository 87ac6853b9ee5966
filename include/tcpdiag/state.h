/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The thirteen states of a TCP socket on Linux, and their one spelling.
 *
 * The numbers are the kernel's (include/net/tcp_states.h), so that a state mask of NETLINK_SOCK_DIAG
 * is a mask of these. Two of them say more than idiag_state does: the kernel prints a request
 * minisocket as SYN_RECV and a bound socket without a connection as CLOSE.
 */
#ifndef TCPDIAG_STATE_H
#define TCPDIAG_STATE_H

#include <stddef.h>

enum tcpdiag_state {
	TCPDIAG_STATE_NONE = 0, /* not a state: "not known" or "not given" */
	TCPDIAG_ESTABLISHED = 1,
	TCPDIAG_SYN_SENT = 2,
	TCPDIAG_SYN_RECV = 3,
	TCPDIAG_FIN_WAIT1 = 4,
	TCPDIAG_FIN_WAIT2 = 5,
	TCPDIAG_TIME_WAIT = 6,
	TCPDIAG_CLOSE = 7, /* dead or unbound: visible through a descriptor only */
	TCPDIAG_CLOSE_WAIT = 8,
	TCPDIAG_LAST_ACK = 9,
	TCPDIAG_LISTEN = 10,
	TCPDIAG_CLOSING = 11,
	TCPDIAG_NEW_SYN_RECV = 12, /* a request minisocket: half a handshake, no socket yet */
	TCPDIAG_BOUND_INACTIVE = 13, /* bound, no connection; sock_diag mask bit 13 */
	TCPDIAG_STATE_MAX
};

/* Bit of a state in a sock_diag mask. */
#define TCPDIAG_STATE_BIT(state) (1U << (state))

/* Every state that sock_diag can be asked for. */
#define TCPDIAG_STATES_ALL (((1U << TCPDIAG_STATE_MAX) - 1) & ~1U)

/* States of a connection that ends: fin-wait-1, fin-wait-2, close-wait, last-ack, closing (0xb30). */
#define TCPDIAG_STATES_TEARDOWN \
	(TCPDIAG_STATE_BIT(TCPDIAG_FIN_WAIT1) | TCPDIAG_STATE_BIT(TCPDIAG_FIN_WAIT2) | \
	 TCPDIAG_STATE_BIT(TCPDIAG_CLOSE_WAIT) | TCPDIAG_STATE_BIT(TCPDIAG_LAST_ACK) | \
	 TCPDIAG_STATE_BIT(TCPDIAG_CLOSING))

/**
 * tcpdiag_state_name() - the spelling of `ss state`, used everywhere outside this program
 * @state: any number
 *
 * Return: a static string such as "fin-wait-2"; NULL where @state is none of the thirteen.
 */
const char *tcpdiag_state_name(enum tcpdiag_state state);

/**
 * tcpdiag_state_kernel_name() - the spelling of the kernel and RFC 9293, "FIN_WAIT2"
 *
 * Return: a static string; NULL where @state is none of the thirteen.
 */
const char *tcpdiag_state_kernel_name(enum tcpdiag_state state);

/**
 * tcpdiag_state_column() - as the State column of ss prints it, "FIN-WAIT-2", "ESTAB"
 *
 * Return: a static string; NULL where @state is none of the thirteen.
 */
const char *tcpdiag_state_column(enum tcpdiag_state state);

/**
 * tcpdiag_state_parse() - a state from any spelling in use
 * @text: not necessarily terminated
 * @len: its length
 *
 * Takes the names above and those of ss, the kernel, netstat and node_exporter, in any case.
 *
 * Return: the state, or TCPDIAG_STATE_NONE.
 */
enum tcpdiag_state tcpdiag_state_parse(const char *text, size_t len);

#endif
