/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows of the BPF programs (kernel/bpf/rows.h) as they come from the kernel, into what the rest works with.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernel/bpf.h"
#include "kernel/bpf/rows.h"

/**
 * settings_from_row() - milliseconds instead of jiffies
 * @hz: jiffies of a second, not 0
 */
struct socket_settings settings_from_row(const struct settings_row *row, uint32_t hz);

/**
 * descriptor_from_rows() - the next row of a buffer
 * @at: moves on by one row
 * @hz: jiffies of a second, not 0
 * @ret: overwritten
 * @ret_closed: overwritten where @ret->state is CLOSE; may be NULL
 *
 * Return: 1 with a row; 0 at the end; -EBADMSG where the buffer is cut or a row contradicts itself.
 */
int descriptor_from_rows(const uint8_t *buffer, size_t size, size_t *at, uint32_t hz,
			 struct descriptor *ret, struct tcpdiag_socket *ret_closed);
