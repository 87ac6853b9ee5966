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

/* The inputs that sock_diag does not tell, each with a value. */
struct assumption {
	bool linger;
	bool repair;
	bool sibling; /* a listener with SO_REUSEPORT takes the queue over */
	int64_t lingertime_ms;
	int64_t linger2_ms;
};

/* A result that does nothing: no segment, the state as it is, nothing lost, nothing left. */
struct tcpdiag_result outcome_nothing(const struct tcpdiag_socket *sk, enum tcpdiag_rule rule);

/* The connection is gone with everything in its queues. */
void outcome_discard_all(struct tcpdiag_result *result, const struct tcpdiag_socket *sk);

/* __tcp_close() of the last reference; @exiting: PF_EXITING, never lingers. */
struct tcpdiag_result outcome_close(const struct tcpdiag_socket *sk, bool exiting,
				    const struct tcpdiag_environment *env,
				    const struct assumption *assume);

/* inet_shutdown(); @how as sk_shutdown: TCPDIAG_RCV_SHUTDOWN | TCPDIAG_SEND_SHUTDOWN. */
struct tcpdiag_result outcome_shutdown(const struct tcpdiag_socket *sk, unsigned int how,
				       const struct assumption *assume);

/* inet_csk_listen_stop(), seen by one connection of the queue. */
struct tcpdiag_result outcome_listener_close(const struct tcpdiag_socket *sk,
					     const struct assumption *assume);

/* A listener that stops listening: its queue is reset. */
struct tcpdiag_result outcome_listen_stop(const struct tcpdiag_socket *sk, enum tcpdiag_rule rule,
					  const struct assumption *assume);

/* How long an orphan lives that gets no answer at all; TCPDIAG_NOT_KNOWN without tcp_info. */
int64_t outcome_orphan_ms(const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env);

/* tcp_fin_time(): the FIN_WAIT2 timeout before the cliff; TCPDIAG_NOT_KNOWN, or 0 for linger2 < 0. */
int64_t outcome_fin_time_ms(const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env,
			    int64_t linger2_ms);

/* The life of a FIN_WAIT2 orphan with this timeout: above 60 s it is cut by 60 s and served twice. */
int64_t outcome_fin_wait2_life_ms(int64_t fin_time_ms);

/* The peer's window is closed: what waits, or a FIN still to come, waits behind it. */
bool outcome_zero_window(const struct tcpdiag_socket *sk);
