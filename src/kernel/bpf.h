/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What sock_diag does not tell, read with BPF: SO_LINGER, TCP_LINGER2, TCP_REPAIR, TCP_USER_TIMEOUT, the
 * references to a socket's file, who holds it, and the sockets that no dump shows.
 *
 * Two ways in, each of which may be missing. The *descriptors*: one pass over every descriptor of every
 * process in all namespaces (iter/task_file with bpf_sock_from_file()), no socket lock, some 0.6 us a
 * socket, pulled in pieces. The *look-up*: given sockets of the calling thread's namespace, by their four
 * ends (bpf_skc_lookup_tcp() in a tc program that BPF_PROG_TEST_RUN runs), some 0.3 us each, for those that
 * cannot wait for the next pass or have no descriptor. Neither writes to a socket or takes a reference
 * beyond the program's run.
 *
 * Built with BPF=0 everything here returns -EOPNOTSUPP (bpf_none.c).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <tcpdiag/socket.h>

struct bpf_reader;

#define SETTINGS_FOREVER UINT32_MAX /* of linger_ms */

/* struct socket_settings.flags */
enum socket_settings_flag {
	SETTINGS_LINGER = 1U << 0, /* SOCK_LINGER */
	SETTINGS_REPAIR = 1U << 1, /* tcp_sk(sk)->repair */
	SETTINGS_OUT_OF_ORDER = 1U << 2, /* out_of_order_queue is not empty */
	SETTINGS_SOFT_ERROR = 1U << 3, /* sk_err_soft */
	SETTINGS_SUBFLOW = 1U << 4, /* tcp_sk(sk)->is_mptcp */
	SETTINGS_MPTCP =
		1U << 5, /* the MPTCP socket itself: members of struct tcp_sock are not there */
	SETTINGS_KNOWS_REFERENCES = 1U << 6, /* the file could be reached */
	SETTINGS_KNOWS_SUBFLOW = 1U << 7, /* this kernel has is_mptcp, or no MPTCP */
	SETTINGS_KNOWS_SIBLINGS =
		1U << 8, /* sk_reuseport_cb could be read, no program chooses in it */
};

/* The settings of one socket at one instant. */
struct socket_settings {
	uint64_t cookie; /* 0: no socket was found */
	uint32_t linger_ms; /* sk_lingertime; SETTINGS_FOREVER */
	int32_t linger2_ms; /* TCP_LINGER2: -1 negative, 0 not set */
	uint32_t user_timeout_ms;
	uint32_t references; /* 0: its last close() is under way */
	uint16_t siblings; /* other listening sockets of its SO_REUSEPORT group */
	uint16_t sk_err;
	uint32_t flags; /* enum socket_settings_flag */
};

/* Fills in what the settings tell, and its bits in known; @sk->cookie is not compared. */
void settings_apply(const struct socket_settings *settings, struct tcpdiag_socket *sk);

/**
 * bpf_reader_new() - loads the programs, finds out how long a jiffy is
 *
 * Return: 0 with at least one of the two ways; -EOPNOTSUPP where this build or the kernel has none (no
 * BTF, no iterators); -EPERM without CAP_BPF and CAP_PERFMON; -errno.
 */
int bpf_reader_new(struct bpf_reader **ret);

/* Accepts NULL; returns NULL. */
struct bpf_reader *bpf_reader_free(struct bpf_reader *reader);

bool bpf_reader_has_descriptors(const struct bpf_reader *reader);
bool bpf_reader_has_look_up(const struct bpf_reader *reader);

/* Jiffies a second, as found out; 0: not known, or without a reader (NULL). */
uint32_t bpf_reader_hz(const struct bpf_reader *reader);

/*
 * One sentence on what a reader lacks and why, "" where nothing; with NULL and the error of
 * bpf_reader_new() why there is none and what to do.
 */
const char *bpf_reader_lacks(const struct bpf_reader *reader, int error);

/* One descriptor of a TCP or MPTCP socket. */
struct descriptor {
	int32_t pid; /* as in the /proc of this process's PID namespace */
	int32_t fd;
	uint32_t inode; /* of the socket's file */
	uint32_t netns;
	uint8_t state; /* enum tcpdiag_state; CLOSE: no dump shows it, unless it is bound */
	struct socket_settings settings;
};

/**
 * descriptors_begin() - a new pass; one that is under way ends
 *
 * Return: 0; -EOPNOTSUPP without this way; -errno.
 */
int descriptors_begin(struct bpf_reader *reader);

/**
 * descriptors_next() - the next descriptor
 * @ret: overwritten
 * @ret_closed: overwritten where @ret->state is CLOSE: the socket in full with its settings, attachment HELD;
 *	may be NULL
 *
 * Some 400 rows come with one read(): a pass can stop after any row and go on later.
 *
 * Return: 1 with a row; 0 at the end; -errno where the pass broke off.
 */
int descriptors_next(struct bpf_reader *reader, struct descriptor *ret,
		     struct tcpdiag_socket *ret_closed);

#define LOOK_UP_MAX 1024U

/**
 * settings_look_up() - reads sockets of this thread's network namespace by their four ends
 * @sockets: at most LOOK_UP_MAX; those that cannot be looked up (minisockets, MPTCP, unbound) are passed over
 * @ret: one for each; cookie 0 where none with the cookie asked for was found
 *
 * Return: how many were found; -EOPNOTSUPP without this way; -errno.
 */
int settings_look_up(struct bpf_reader *reader, const struct tcpdiag_socket *const *sockets,
		     uint32_t count, struct socket_settings *ret);

/**
 * sockets_look_up() - the same way, as a dump would show them now (kernel/inet_diag.h), and their settings
 * @sockets: at most LOOK_UP_MAX connections; timewait minisockets and sockets that have become one too
 * @ret: one for each; cookie 0 where none with the cookie asked for was found; ends, family and netns are those
 *	asked for
 * @ret_settings: one for each; cookie 0 also of a minisocket, which has none
 *
 * Return: how many were found; -EOPNOTSUPP without this way; -ENODEV where one is bound to a device that has gone; -errno.
 */
int sockets_look_up(struct bpf_reader *reader, const struct tcpdiag_socket *const *sockets,
		    uint32_t count, struct tcpdiag_socket *ret,
		    struct socket_settings *ret_settings);
