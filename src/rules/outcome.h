/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Inside the oracle: what its files share.
 *
 * The decision itself knows no "unknown": it is made for one assumption about the inputs that a reader may
 * lack. The outcome tries the assumptions that are possible and compares.
 */
#pragma once

#include <tcpdiag/outcome.h>

#define TCP_TIMEWAIT_LEN_MS 60000 /* include/net/tcp.h */
#define TCP_FIN_TIMEOUT_MAX_MS 120000
#define TCP_RTO_MAX_DEFAULT_MS 120000
#define TCP_RTO_MIN_MS 200
#define TCP_TIMEOUT_INIT_MS 1000

/* The inputs that a reader may lack, each with a value. */
struct assumption {
	bool linger;
	bool repair;
	bool sibling; /* a listener with SO_REUSEPORT takes the queue over */
	bool fallback; /* the MPTCP socket speaks plain TCP */
	bool drained; /* the memory of an MPTCP receive queue holds nothing unread */
	bool older; /* the kernel does as before the last change of the rule */
	int64_t lingertime_ms;
	int64_t linger2_ms;
	int64_t user_timeout_ms; /* TCPDIAG_NOT_KNOWN: set, to what nobody knows */
};

/* What the socket and its surroundings tell; the rest at its default. */
struct assumption outcome_known(const struct tcpdiag_socket *sk,
				const struct tcpdiag_environment *env);

/* The result of one operation under one assumption. */
struct tcpdiag_result outcome_decide(const struct tcpdiag_socket *sk, enum tcpdiag_operation op,
				     const struct tcpdiag_environment *env,
				     const struct assumption *assume);

/* Tries what is not known with its other values; fills certain, unknown and otherwise of @outcome. */
void outcome_try_variants(struct tcpdiag_outcome *outcome, const struct tcpdiag_socket *sk,
			  enum tcpdiag_operation op, const struct tcpdiag_environment *env);

/* Fills holding and holding_known. */
void outcome_hold(struct tcpdiag_outcome *outcome, const struct tcpdiag_socket *sk);

/* A result that does nothing: no segment, the state as it is, nothing lost, nothing left. */
struct tcpdiag_result outcome_nothing(const struct tcpdiag_socket *sk, enum tcpdiag_rule rule);

/* The connection is gone with everything in its queues. */
void outcome_discard_all(struct tcpdiag_result *result, const struct tcpdiag_socket *sk);

/* outcome_nothing() and outcome_discard_all() of a socket that is gone. */
struct tcpdiag_result outcome_gone(const struct tcpdiag_socket *sk, enum tcpdiag_rule rule,
				   enum tcpdiag_segment segment, const char *counter);

/* SO_LINGER with 0 seconds: tcp_disconnect(), which tells the peer in some states only. */
struct tcpdiag_result outcome_linger_zero(const struct tcpdiag_socket *sk);

/* __tcp_close() of the last reference; @exiting: PF_EXITING, never lingers. */
struct tcpdiag_result outcome_close(const struct tcpdiag_socket *sk, bool exiting,
				    const struct tcpdiag_environment *env,
				    const struct assumption *assume);

/* Its second half, where neither repair nor unread data nor linger 0 have decided: a FIN, or what is left. */
struct tcpdiag_result outcome_orderly(const struct tcpdiag_socket *sk, bool exiting,
				      const struct tcpdiag_environment *env,
				      const struct assumption *assume);

/* close() of an MPTCP socket sends MP_FASTCLOSE where something is unread: since 6.1. */
bool outcome_fastcloses(const struct tcpdiag_environment *env, const struct assumption *assume);

/* An MPTCP socket that has no subflow any more: nothing it does is sent. */
bool outcome_mptcp_severed(const struct tcpdiag_socket *sk);

/* __mptcp_close(). */
struct tcpdiag_result outcome_mptcp_close(const struct tcpdiag_socket *sk, bool exiting,
					  const struct tcpdiag_environment *env,
					  const struct assumption *assume);

/* inet_shutdown(); @how as sk_shutdown: TCPDIAG_RCV_SHUTDOWN | TCPDIAG_SEND_SHUTDOWN. */
struct tcpdiag_result outcome_shutdown(const struct tcpdiag_socket *sk, unsigned int how,
				       const struct assumption *assume);

/* inet_csk_listen_stop(), seen by one connection of the queue. */
struct tcpdiag_result outcome_listener_close(const struct tcpdiag_socket *sk,
					     const struct tcpdiag_environment *env,
					     const struct assumption *assume);

/* A listener that stops listening: its queue is reset. */
struct tcpdiag_result outcome_listen_stop(const struct tcpdiag_socket *sk, enum tcpdiag_rule rule,
					  const struct assumption *assume);

/* net/ipv4/tcp.c:tcp_check_oom(): orphans times 2^@shift, or TCP memory, over the limit. */
bool outcome_over_limit(const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env,
			unsigned int shift);

/*
 * How an orphan ends that gets no answer: fills at_most_ms and ends_with. Without tcp_info or the sysctl
 * TCPDIAG_NOT_KNOWN. Return: FATE_RETRIES, FATE_ZERO_WINDOW or FATE_ORPHAN_LIMIT.
 */
enum tcpdiag_rule outcome_orphan(const struct tcpdiag_socket *sk,
				 const struct tcpdiag_environment *env,
				 const struct assumption *assume, struct tcpdiag_then *then);

/* tcp_rto_max(), or the constant of kernels without the setting. */
int64_t outcome_rto_max_ms(const struct tcpdiag_environment *env);

/* tcp_fin_time(): the FIN_WAIT2 timeout before the cliff; TCPDIAG_NOT_KNOWN, or 0 for linger2 < 0. */
int64_t outcome_fin_time_ms(const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env,
			    int64_t linger2_ms);

/* The life of a FIN_WAIT2 orphan with this timeout: above 60 s it is cut by 60 s and served twice. */
int64_t outcome_fin_wait2_life_ms(int64_t fin_time_ms);

/* @value doubled @shift times, at most @max. */
int64_t outcome_backed_off(int64_t value, unsigned int shift, int64_t max);
