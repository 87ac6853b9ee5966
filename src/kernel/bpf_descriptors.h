/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The first of the BPF reader's two ways: every descriptor (kernel/bpf/descriptors.bpf.c).
 */
#pragma once

#include "kernel/bpf.h"

struct descriptor_pass;

/* Loads the program. Return: 0; -errno. */
int descriptor_pass_new(struct descriptor_pass **ret);

/* Accepts NULL; returns NULL. */
struct descriptor_pass *descriptor_pass_free(struct descriptor_pass *pass);

/**
 * descriptor_pass_begin() - anew
 * @pid: this process only where the kernel can do that (6.1), 0: all
 *
 * Return: 0; -errno.
 */
int descriptor_pass_begin(struct descriptor_pass *pass, int32_t pid);

/* Return: 1 with a row, as descriptors_next(); 0 at the end; -errno. */
int descriptor_pass_next(struct descriptor_pass *pass, uint32_t hz, struct descriptor *ret,
			 struct tcpdiag_socket *ret_closed);
