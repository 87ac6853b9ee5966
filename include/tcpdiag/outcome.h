/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The oracle: outcome = f(socket, operation, environment).
 *
 * What the kernel will do when a process closes this socket, exits, or shuts a direction down, decided
 * by the order of tests in net/ipv4/tcp.c:__tcp_close() and its neighbours. Pure: no I/O, no clock,
 * no allocation. An input that is not known is tried with each of its values; where they differ, the
 * outcome says so and lists what else could happen.
 */
#ifndef TCPDIAG_OUTCOME_H
#define TCPDIAG_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include <tcpdiag/rule.h>
#include <tcpdiag/socket.h>

enum tcpdiag_operation {
	TCPDIAG_OP_CLOSE = 0, /* of the last reference */
	TCPDIAG_OP_EXIT, /* SIGKILL of all holders: never lingers */
	TCPDIAG_OP_SHUTDOWN_READ,
	TCPDIAG_OP_SHUTDOWN_WRITE,
	TCPDIAG_OP_SHUTDOWN_BOTH,
	TCPDIAG_OP_LISTENER_CLOSE, /* of the listener in whose queue it waits */
	TCPDIAG_OP_MAX
};

enum tcpdiag_segment {
	TCPDIAG_SEGMENT_NONE = 0,
	TCPDIAG_SEGMENT_FIN,
	TCPDIAG_SEGMENT_RST,
	TCPDIAG_SEGMENT_MAX
};

enum tcpdiag_end { TCPDIAG_ENDS_SILENT = 0, TCPDIAG_ENDS_FIN, TCPDIAG_ENDS_RST, TCPDIAG_END_MAX };

/* Inputs that a reader may not know and that can change an outcome; bits. */
enum tcpdiag_input {
	TCPDIAG_INPUT_LINGER = 1U << 0,
	TCPDIAG_INPUT_LINGER2 = 1U << 1,
	TCPDIAG_INPUT_REPAIR = 1U << 2,
	TCPDIAG_INPUT_MPTCP = 1U << 3, /* the MPTCP socket above this subflow */
	TCPDIAG_INPUT_SIBLING = 1U << 4, /* another listener of the port (SO_REUSEPORT) */
	TCPDIAG_INPUT_USER_TIMEOUT = 1U << 5, /* TCP_USER_TIMEOUT: the life of an orphan */
	TCPDIAG_INPUT_KERNEL =
		1U << 6, /* the rule changed, and nothing tells which one this kernel has */
};

#define TCPDIAG_INPUT_COUNT 7

#define TCPDIAG_FOREVER INT64_MAX /* of a duration in milliseconds */
#define TCPDIAG_NOT_KNOWN (-1) /* of a duration in milliseconds */

/* Bits of struct tcpdiag_environment.known. */
enum tcpdiag_environment_known {
	TCPDIAG_ENV_FIN_TIMEOUT = 1U << 0,
	TCPDIAG_ENV_ORPHAN_RETRIES = 1U << 1,
	TCPDIAG_ENV_RTO_MAX = 1U << 2, /* clear: the kernel's constant TCP_RTO_MAX, 120 s */
	TCPDIAG_ENV_ORPHANS = 1U << 3, /* orphans and tcp_max_orphans */
	TCPDIAG_ENV_TIMEWAITS = 1U << 4, /* timewaits and tcp_max_tw_buckets */
	TCPDIAG_ENV_MEMORY = 1U << 5, /* memory_pages and tcp_mem */
	TCPDIAG_ENV_MIGRATE = 1U << 6, /* tcp_migrate_req */
	TCPDIAG_ENV_SYNACK_RETRIES = 1U << 7, /* tcp_synack_retries */
	TCPDIAG_ENV_MEMORY_PAGES = 1U << 8, /* memory_pages, whether tcp_mem is known or not */
	TCPDIAG_ENV_FASTCLOSE = 1U << 9, /* mptcp_fastclose */
	TCPDIAG_ENV_DEFERRED_FIN = 1U << 10, /* deferred_fin */
	TCPDIAG_ENV_TW_REUSE = 1U << 11, /* tcp_tw_reuse */
};

/**
 * struct tcpdiag_environment - the limits and settings around a socket, per namespace or machine
 */
struct tcpdiag_environment {
	uint32_t known; /* enum tcpdiag_environment_known */
	uint32_t tcp_fin_timeout; /* seconds */
	uint32_t tcp_orphan_retries; /* 0 means 8 for a live connection */
	uint32_t tcp_rto_max_ms;
	uint32_t tcp_synack_retries;
	uint32_t
		tcp_tw_reuse; /* 0: never, 1: for each connect(), 2: on loopback; 0 without tcp_timestamps */
	uint64_t orphans; /* /proc/net/sockstat, the whole machine */
	uint64_t tcp_max_orphans;
	uint64_t timewaits; /* of the namespace */
	uint64_t tcp_max_tw_buckets;
	uint64_t memory_pages; /* sockstat, "mem" */
	uint64_t tcp_mem[3]; /* pages */
	bool tcp_migrate_req;
	/*
	 * What this kernel does where a rule has changed, as far as its counters and settings give it away:
	 * close() of an MPTCP socket with unread data sends MP_FASTCLOSE (6.1); shutdown() in SYN_RECV
	 * keeps the FIN until the handshake is done (6.9, and the stable trees of May 2024).
	 */
	bool mptcp_fastclose;
	bool deferred_fin;
};

/**
 * struct tcpdiag_then - what is left behind, or what becomes of a socket without a process
 */
struct tcpdiag_then {
	uint8_t attachment; /* enum tcpdiag_attachment; UNKNOWN: nothing is left */
	/*
	 * enum tcpdiag_end. RST also where it is the answer to the peer's next segment: with a negative
	 * TCP_LINGER2 the acknowledgement of the FIN ends the connection with one.
	 */
	uint8_t ends_with;
	uint8_t unknown; /* enum tcpdiag_input: not known, and could change the two others */
	int64_t at_most_ms; /* TCPDIAG_FOREVER, TCPDIAG_NOT_KNOWN; while nothing comes from the peer */
};

/**
 * struct tcpdiag_result - what happens when every input has the value assumed
 */
struct tcpdiag_result {
	uint8_t rule; /* enum tcpdiag_rule */
	uint8_t segment; /* enum tcpdiag_segment */
	uint8_t state; /* enum tcpdiag_state right after */
	int16_t error; /* errno that the call returns, 0 for none */
	uint32_t resets; /* other connections that get a RST: a listener's queue */
	int64_t blocks_ms; /* how long the call may block at most; TCPDIAG_FOREVER */
	uint32_t discards_receive; /* bytes unread, thrown away */
	uint32_t discards_send; /* bytes of the send queue thrown away */
	uint32_t discards_unsent; /* of these the ones never sent: certainly lost */
	const char *counter; /* the TcpExt or MPTcpExt counter that moves, static, or NULL */
	struct tcpdiag_then then;
};

/**
 * struct tcpdiag_otherwise - a different result, and the input that would bring it
 */
struct tcpdiag_otherwise {
	const char *condition; /* static: "linger is on with 0 seconds" */
	struct tcpdiag_result result;
};

#define TCPDIAG_OTHERWISE_MAX 12

/* What still refers to the file when one descriptor of it is closed; bits. */
enum tcpdiag_holding {
	TCPDIAG_HOLDING_PROCESS = 1U << 0, /* another process: a forked child, or it was passed */
	TCPDIAG_HOLDING_DUPLICATE = 1U << 1, /* another descriptor of the same process */
	/*
	 * A reference that is no descriptor: a thread inside recv(), poll() or select(), a message under
	 * way (SCM_RIGHTS), io_uring. Normal for blocking clients, so said after two readings that agree.
	 */
	TCPDIAG_HOLDING_CALL = 1U << 2,
};

#define TCPDIAG_HOLDING_COUNT 3

/**
 * struct tcpdiag_outcome - the oracle's answer
 */
struct tcpdiag_outcome {
	struct tcpdiag_result
		result; /* unknown inputs at their defaults: linger off, linger2 0, no repair */
	bool peer_finished; /* a RST then hurts hardly anyone */
	/*
	 * Of close() by a process that has a descriptor: whether it is the last one. Known where every
	 * descriptor was read and the references too, and a reference beyond the descriptors was seen
	 * twice; a reference that is neither (one reading) leaves it open.
	 */
	bool holding_known;
	uint8_t holding; /* enum tcpdiag_holding: one close() is not the last; 0: it is */
	bool certain; /* no unknown input could change the result */
	uint8_t unknown; /* enum tcpdiag_input: those that could */
	uint8_t otherwise_count;
	struct tcpdiag_otherwise otherwise[TCPDIAG_OTHERWISE_MAX];
};

/**
 * tcpdiag_result() - the outcome's first part alone, at the defaults of what is not known
 * @sk: the socket
 * @op: the operation
 * @env: what surrounds it
 * @ret: the result; untouched on failure
 *
 * For counting: a fraction of the cost of tcpdiag_outcome().
 *
 * Return: 0; -EOPNOTSUPP where no process can do @op to this socket (orphans, minisockets, and
 * TCPDIAG_OP_LISTENER_CLOSE of anything that does not wait in a queue, TCPDIAG_OP_EXIT of an
 * unheld one; TCPDIAG_OP_SHUTDOWN_* where its last close() is under way, see
 * TCPDIAG_UNHELD_CLOSING); -EINVAL where an argument is no value of its enum.
 *
 * Of a socket whose last close() is under way TCPDIAG_OP_CLOSE says what that close() has still to do:
 * how long it may block, and what is left then.
 */
int tcpdiag_result(const struct tcpdiag_socket *sk, enum tcpdiag_operation op,
		   const struct tcpdiag_environment *env, struct tcpdiag_result *ret);

/**
 * tcpdiag_outcome() - everything that can happen
 *
 * Arguments and return value as tcpdiag_result().
 */
int tcpdiag_outcome(const struct tcpdiag_socket *sk, enum tcpdiag_operation op,
		    const struct tcpdiag_environment *env, struct tcpdiag_outcome *ret);

/**
 * tcpdiag_fate() - what becomes of a socket that no process can close
 * @ret: untouched on failure
 * @ret_rule: the rule that says so
 *
 * Return: 0; -EOPNOTSUPP where a process can still close it; -EINVAL.
 */
int tcpdiag_fate(const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env,
		 struct tcpdiag_then *ret, enum tcpdiag_rule *ret_rule);

/**
 * tcpdiag_fin_wait2_ms() - how long a FIN_WAIT2 orphan of this socket lives
 *
 * net/ipv4/tcp.c:tcp_fin_time() and tcp_timer.c:tcp_keepalive_timer(): a time above TCP_TIMEWAIT_LEN
 * (60 s) is first cut by 60 s and then served twice, so 61 s live 2 s.
 *
 * Return: milliseconds; 0 where TCP_LINGER2 is negative (no FIN_WAIT2 at all); TCPDIAG_NOT_KNOWN
 * where the environment or the option is not known.
 */
int64_t tcpdiag_fin_wait2_ms(const struct tcpdiag_socket *sk,
			     const struct tcpdiag_environment *env);

/* "close", "exit", "shutdown_read"...; NULL out of range. */
const char *tcpdiag_operation_name(enum tcpdiag_operation op);
/* "none", "fin", "rst" */
const char *tcpdiag_segment_name(enum tcpdiag_segment segment);
/* "silent", "fin", "rst" */
const char *tcpdiag_end_name(enum tcpdiag_end end);
/* Of one bit: "linger", "linger2", "repair", "mptcp", "sibling", "user_timeout", "kernel"; else NULL. */
const char *tcpdiag_input_name(enum tcpdiag_input input);
/* Of one bit: "process", "duplicate", "call"; else NULL. */
const char *tcpdiag_holding_name(enum tcpdiag_holding holding);

#endif
