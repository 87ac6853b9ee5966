/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the look-up program reads of a socket (kernel/bpf/rows.h), into what a dump would have given.
 */
#pragma once

#include <stdint.h>

#include <tcpdiag/socket.h>

#include "kernel/bpf/rows.h"

/**
 * socket_from_row() - as inet_diag_parse() with tcp_info and memory
 * @asked: whose ends it has, netns, family and cookie
 * @hz: jiffies of a second, not 0
 * @ret: overwritten; cookie 0 where the row is none
 */
void socket_from_row(const struct socket_row *row, const struct tcpdiag_socket *asked, uint32_t hz,
		     struct tcpdiag_socket *ret);
