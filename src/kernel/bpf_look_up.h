/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The second of the BPF reader's two ways: given sockets (kernel/bpf/look_up.bpf.c).
 */
#pragma once

#include "kernel/bpf.h"

struct look_up;

/* Loads the program. Return: 0; -errno. */
int look_up_new(struct look_up **ret);

/* Accepts NULL; returns NULL. */
struct look_up *look_up_free(struct look_up *look_up);

/*
 * @ret: settings; may be NULL where @ret_sockets is not. @ret_sockets: as a dump would show them; may be NULL.
 * Return: how many were found, as settings_look_up(); -ENODEV where a device that one is bound to has gone and
 * @ret_sockets is wanted; -errno.
 */
int look_up_run(struct look_up *look_up, uint32_t hz, const struct tcpdiag_socket *const *sockets,
		uint32_t count, struct socket_settings *ret, struct tcpdiag_socket *ret_sockets);
