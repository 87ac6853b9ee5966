/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Dumps of NETLINK_SOCK_DIAG, row by row.
 *
 * One netlink socket per namespace, one 32 KiB buffer (the kernel never fills more), pulled: the
 * caller asks for the next row and says where it shall stand. A dump walks the kernel's hash table
 * once; with the old request TCPDIAG_GETSOCK it gives both families in that one walk, so that is used
 * where it works, tested when the socket is opened. A file written by `ss -D` is read by the same calls.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <tcpdiag/socket.h>

struct sock_diag;

struct sock_diag_request {
	uint32_t states; /* mask of TCPDIAG_STATE_BIT() */
	int protocol; /* IPPROTO_TCP or IPPROTO_MPTCP */
	bool info; /* tcp_info and skmeminfo too */
};

struct sock_diag_stats {
	uint64_t rows;
	uint64_t truncated; /* messages cut short or malformed: skipped */
	uint64_t foreign; /* messages that answer no request of ours: skipped */
	uint64_t interrupted; /* dumps that said NLM_F_DUMP_INTR */
	uint64_t restarts; /* dumps given up for an error */
};

/**
 * sock_diag_open() - a netlink socket in the calling thread's network namespace
 * @netns: its inode number, for the rows
 * @ret: to be freed with sock_diag_free()
 *
 * Return: 0; -EPROTONOSUPPORT where the kernel has no inet_diag or tcp_diag; -EAFNOSUPPORT where
 * a sandbox forbids AF_NETLINK; -errno.
 */
int sock_diag_open(uint32_t netns, struct sock_diag **ret);

/**
 * sock_diag_open_as() - the same without finding out how this kernel is asked: as @model asks, which is open already
 *
 * They share a buffer: a dump of one ends where another one begins.
 *
 * Return: 0; -errno.
 */
int sock_diag_open_as(const struct sock_diag *model, uint32_t netns, struct sock_diag **ret);

/**
 * sock_diag_open_file() - a dump written by `ss -D FILE` instead of the kernel
 *
 * Each sock_diag_dump() starts at the file's beginning and @states is applied here.
 *
 * Return: 0; -errno of open(); -EBADMSG where it is no dump.
 */
int sock_diag_open_file(const char *path, struct sock_diag **ret);

/* Accepts NULL; returns NULL. */
struct sock_diag *sock_diag_free(struct sock_diag *diag);

/**
 * sock_diag_dump() - asks; the rows come from sock_diag_next()
 *
 * A dump that was not read to its end is drained first.
 *
 * Return: 0; -EOPNOTSUPP where the kernel does not know the protocol's diag module; -errno.
 */
int sock_diag_dump(struct sock_diag *diag, const struct sock_diag_request *request);

/**
 * sock_diag_next() - the next row
 * @ret: overwritten; may be half-written when the result is not 1
 *
 * Return: 1 with a row; 0 at the end; -errno where the dump broke off (rows before it are good).
 */
int sock_diag_next(struct sock_diag *diag, struct tcpdiag_socket *ret);

/* Counts since the opening. */
const struct sock_diag_stats *sock_diag_stats(const struct sock_diag *diag);

/* Whether one walk gives both families here. */
bool sock_diag_single_pass(const struct sock_diag *diag);
