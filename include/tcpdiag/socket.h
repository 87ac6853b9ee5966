/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel says about one TCP socket, as far as it matters for how the connection ends.
 *
 * One struct is filled by every reader (NETLINK_SOCK_DIAG, a dump file, BPF) and read by the oracle.
 * Names are the kernel's: rqueue and wqueue are idiag_rqueue and idiag_wqueue, the members of
 * struct tcp_info lose their tcpi_ prefix. A value that the kernel did not give is 0 and its bit in
 * @known is clear: 0 never means "not known".
 */
#ifndef TCPDIAG_SOCKET_H
#define TCPDIAG_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include <tcpdiag/state.h>

/* Which of the kernel's three structs answers for the connection. */
enum tcpdiag_kind {
	TCPDIAG_KIND_FULL = 0, /* struct sock */
	TCPDIAG_KIND_TIMEWAIT, /* struct inet_timewait_sock: in TIME_WAIT, or FIN_WAIT2 after close() */
	TCPDIAG_KIND_REQUEST, /* struct request_sock */
};

/* Who has it. */
enum tcpdiag_attachment {
	TCPDIAG_ATTACHMENT_UNKNOWN = 0,
	TCPDIAG_HELD, /* a descriptor of a process */
	TCPDIAG_UNACCEPTED, /* in a listener's accept queue */
	TCPDIAG_ORPHAN, /* closed by its process, still in the kernel */
	TCPDIAG_TIMEWAIT, /* minisocket */
	TCPDIAG_REQUEST, /* minisocket */
	TCPDIAG_UNHELD, /* has an inode, yet no process holds it */
	TCPDIAG_ATTACHMENT_MAX
};

/* Bits of sk_shutdown (include/net/sock.h). */
#define TCPDIAG_RCV_SHUTDOWN 1U
#define TCPDIAG_SEND_SHUTDOWN 2U

/* idiag_timer (net/ipv4/inet_diag.c:inet_sk_diag_fill()). */
enum tcpdiag_timer {
	TCPDIAG_TIMER_OFF = 0,
	TCPDIAG_TIMER_RETRANSMIT = 1,
	TCPDIAG_TIMER_KEEPALIVE = 2, /* sk_timer: keepalive, or the FIN_WAIT2 timer of an orphan */
	TCPDIAG_TIMER_TIMEWAIT = 3,
	TCPDIAG_TIMER_PROBE = 4, /* zero window */
};

/* What a reader found out; bits of struct tcpdiag_socket.known. */
enum tcpdiag_known {
	TCPDIAG_KNOWS_SHUTDOWN = 1U << 0, /* sk_shutdown */
	TCPDIAG_KNOWS_MARK = 1U << 1, /* mark */
	TCPDIAG_KNOWS_SKMEM = 1U << 2, /* rmem_alloc, rcvbuf, wmem_queued, sndbuf */
	TCPDIAG_KNOWS_INFO =
		1U << 3, /* rto_us .. last_ack_recv_ms: members of the first struct tcp_info */
	TCPDIAG_KNOWS_BYTES = 1U << 4, /* bytes_acked, bytes_received (4.1), bytes_sent (4.19) */
	TCPDIAG_KNOWS_NOTSENT = 1U << 5, /* notsent_bytes (4.6) */
	TCPDIAG_KNOWS_SND_WND = 1U << 6, /* snd_wnd (5.4) */
	TCPDIAG_KNOWS_RCV_WND = 1U << 7, /* rcv_wnd (6.2) */
	TCPDIAG_KNOWS_LINGER = 1U << 8, /* linger, sk_lingertime_ms */
	TCPDIAG_KNOWS_LINGER2 = 1U << 9, /* linger2_ms */
	TCPDIAG_KNOWS_REPAIR = 1U << 10, /* repair */
	TCPDIAG_KNOWS_REFERENCES = 1U << 11, /* references */
	TCPDIAG_KNOWS_OFO = 1U << 12, /* out_of_order */
	TCPDIAG_KNOWS_ULP = 1U << 13, /* mptcp_subflow: asked with CAP_NET_ADMIN */
	TCPDIAG_KNOWS_INTERFACE = 1U << 14, /* ifindex != 0 */
	TCPDIAG_KNOWS_UID = 1U << 15, /* uid: not for minisockets */
	TCPDIAG_KNOWS_CHILDREN = 1U << 16, /* children */
	TCPDIAG_KNOWS_USER_TIMEOUT = 1U << 17, /* user_timeout_ms */
	TCPDIAG_KNOWS_ERROR = 1U << 18, /* sk_err, soft_error */
	TCPDIAG_KNOWS_DESCRIPTORS = 1U << 19, /* descriptors, processes: every process was read */
	TCPDIAG_KNOWS_SIBLINGS = 1U << 20, /* siblings: of a listener, or of a child's listener */
	TCPDIAG_KNOWS_SUBFLOW = 1U << 21, /* mptcp_subflow, whether or not KNOWS_ULP */
	TCPDIAG_KNOWS_FALLBACK = 1U << 22, /* mptcp_fallback, mptcp_subflows */
};

#define TCPDIAG_LINGER_FOREVER INT64_MAX

/**
 * struct tcpdiag_socket - one socket, as the kernel shows it at one instant
 *
 * Addresses are 16 bytes in network order; IPv4 stands as ::ffff:a.b.c.d with @family AF_INET,
 * whether the socket itself is IPv4 or a v4-mapped IPv6 one (@mapped).
 */
struct tcpdiag_socket {
	uint64_t
		cookie; /* sk_cookie: stays from socket to minisocket, if it was generated before */
	uint8_t local[16];
	uint8_t remote[16];
	uint16_t local_port; /* host order */
	uint16_t remote_port; /* host order; 0 where there is no other end */
	uint32_t netns; /* inode number of the namespace */
	uint32_t known; /* enum tcpdiag_known */
	uint32_t inode; /* of the file in sockfs; 0: no file */
	uint32_t uid;
	uint32_t ifindex; /* bound to, 0: any */
	uint32_t mark; /* SO_MARK */

	/* Listeners: connections waiting and their limit. Others: bytes, FIN and SYN included. */
	uint32_t rqueue;
	uint32_t wqueue;

	uint32_t expires_ms; /* of the timer */
	uint32_t rmem_alloc; /* bytes, from INET_DIAG_SKMEMINFO */
	uint32_t rcvbuf; /* bytes */
	uint32_t wmem_queued; /* bytes */
	uint32_t sndbuf; /* bytes */

	/* From INET_DIAG_INFO. */
	uint32_t rto_us;
	uint32_t rtt_us;
	uint32_t unacked; /* segments in flight; a listener's queue again */
	uint32_t last_data_sent_ms;
	uint32_t last_data_recv_ms; /* not moved by a bare FIN */
	uint32_t last_ack_recv_ms;
	uint32_t notsent_bytes; /* write_seq - snd_nxt */
	uint32_t snd_wnd; /* what the peer lets us send, bytes */
	uint32_t rcv_wnd; /* what we let the peer send, bytes */
	uint64_t bytes_acked;
	uint64_t bytes_received;
	uint64_t bytes_sent; /* retransmissions included */

	/* What sock_diag does not tell and another reader may. */
	int64_t sk_lingertime_ms; /* TCPDIAG_LINGER_FOREVER, or milliseconds; counts when @linger */
	int64_t linger2_ms; /* TCP_LINGER2: -1 no FIN_WAIT2 at all, 0 the sysctl, else milliseconds */
	uint32_t user_timeout_ms; /* TCP_USER_TIMEOUT, 0: none */
	uint32_t
		references; /* references to its file; 0: its last close() is under way right now */
	uint32_t
		steady_references; /* the smaller of the last two readings; 0: there was one only */
	uint16_t descriptors; /* that refer to its file, in all processes; saturates */
	uint16_t processes; /* that these belong to; saturates */
	uint16_t siblings; /* other listeners that would take the queue over (SO_REUSEPORT) */
	uint16_t
		sk_err; /* errno that the next call gets: ECONNRESET of a dead connection; 0: none */
	uint32_t children; /* of a listener: waiting connections that still live */

	uint8_t state; /* enum tcpdiag_state */
	uint8_t kind; /* enum tcpdiag_kind */
	uint8_t attachment; /* enum tcpdiag_attachment */
	uint8_t family; /* AF_INET or AF_INET6 */
	uint8_t sk_shutdown; /* TCPDIAG_RCV_SHUTDOWN | TCPDIAG_SEND_SHUTDOWN */
	uint8_t timer; /* enum tcpdiag_timer */
	uint8_t retransmits; /* idiag_retrans: icsk_retransmits, or probes sent */
	uint8_t backoff;
	uint8_t probes;
	uint8_t mptcp_subflows; /* of an MPTCP socket: besides the first */
	bool mapped : 1; /* a v4-mapped connection of an IPv6 socket */
	bool mptcp : 1; /* the MPTCP socket itself (IPPROTO_MPTCP) */
	bool mptcp_subflow : 1; /* one TCP connection of an MPTCP socket: its queues say nothing */
	bool mptcp_fallback : 1; /* an MPTCP socket whose peer speaks TCP only */
	bool linger : 1; /* SO_LINGER on */
	bool repair : 1; /* TCP_REPAIR on */
	bool out_of_order : 1; /* data waits behind a gap */
	bool v6only : 1;
	bool soft_error : 1; /* sk_err_soft: an ICMP error since the last progress */
	bool inherited : 1; /* linger and linger2 are those of its listener: it had no reader of its own */
};

/*
 * The application has not read the peer's FIN: it counts as one byte of rqueue until then. Read means that
 * its sequence number was consumed: by a recv() that returned 0, or by the one that took the last data of
 * the segment that carried the FIN.
 */
bool tcpdiag_fin_unread(const struct tcpdiag_socket *sk);

/*
 * Bytes that the application has not read, without the FIN; 0 for listeners and minisockets. Of a dead
 * connection (CLOSE) those that can still be read.
 */
uint32_t tcpdiag_unread_bytes(const struct tcpdiag_socket *sk);

/* Bytes written but not sent yet, without a SYN or FIN; 0 where notsent_bytes is not known. */
uint32_t tcpdiag_unsent_bytes(const struct tcpdiag_socket *sk);

/* Bytes sent but not acknowledged, without a SYN or FIN. */
uint32_t tcpdiag_unacked_bytes(const struct tcpdiag_socket *sk);

/*
 * The peer has sent its FIN and everything of ours is acknowledged. False of MPTCP sockets: what they have
 * not sent yet stands in no row.
 */
bool tcpdiag_peer_finished(const struct tcpdiag_socket *sk);

/**
 * tcpdiag_attachment_guess() - who has it, by what sock_diag alone decides
 *
 * A socket with an inode is called held; only a look at all descriptors can tell held from unheld.
 * inode 0 is an orphan only in a state that close() leads to; else it waits in an accept queue.
 *
 * Return: the attachment.
 */
enum tcpdiag_attachment tcpdiag_attachment_guess(const struct tcpdiag_socket *sk);

/* Why a socket has an inode and no process that holds it. */
enum tcpdiag_unheld {
	TCPDIAG_UNHELD_UNKNOWN = 0,
	TCPDIAG_UNHELD_CLOSING, /* its last close() is under way: it lingers */
	TCPDIAG_UNHELD_PASSED, /* a reference without descriptor: a message under way (SCM_RIGHTS), io_uring, a thread still inside recv() */
	TCPDIAG_UNHELD_MAX
};

/* By @references; UNKNOWN where those are not known, or it is not TCPDIAG_UNHELD. */
enum tcpdiag_unheld tcpdiag_unheld_reason(const struct tcpdiag_socket *sk);

/* "close-in-progress", "passed", "unknown"; NULL out of range. */
const char *tcpdiag_unheld_name(enum tcpdiag_unheld reason);

/* "held", "unaccepted"...; NULL where @attachment is out of range. */
const char *tcpdiag_attachment_name(enum tcpdiag_attachment attachment);

#endif
