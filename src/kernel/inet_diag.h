/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One NETLINK_SOCK_DIAG row to one struct tcpdiag_socket.
 *
 * The bytes come from the kernel or from a file: every length is checked. A minisocket is known by
 * what is absent: the kernel gives it no INET_DIAG_SHUTDOWN (inet_diag.c:inet_twsk_diag_fill(),
 * inet_req_diag_fill()). struct tcp_info grows with the kernel: what is there is copied, whatever its
 * length, and each group of members sets its own bit in @known.
 */
#pragma once

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

#include <tcpdiag/socket.h>

/**
 * inet_diag_parse() - a message of type SOCK_DIAG_BY_FAMILY or TCPDIAG_GETSOCK
 * @message: with at least @length readable bytes
 * @length: as far as the buffer goes; message->nlmsg_len is checked against it
 * @netns: inode number of the namespace that was asked
 * @protocol: IPPROTO_TCP or IPPROTO_MPTCP: which was asked for
 * @ret: completely overwritten, also on failure
 *
 * Return: 0; -EBADMSG where the message or an attribute is cut short or nonsense; -EPROTO where it
 * is about another family or of another type.
 */
int inet_diag_parse(const struct nlmsghdr *message, size_t length, uint32_t netns, int protocol,
		    struct tcpdiag_socket *ret);
