/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A build without BPF: what sock_diag does not tell stays unknown.
 */
#include "kernel/bpf.h"

#include <errno.h>
#include <stddef.h>

int bpf_reader_new(struct bpf_reader **ret)
{
	(void)ret;
	return -EOPNOTSUPP;
}

struct bpf_reader *bpf_reader_free(struct bpf_reader *reader)
{
	(void)reader;
	return NULL;
}

bool bpf_reader_has_descriptors(const struct bpf_reader *reader)
{
	(void)reader;
	return false;
}

bool bpf_reader_has_look_up(const struct bpf_reader *reader)
{
	(void)reader;
	return false;
}

const char *bpf_reader_lacks(const struct bpf_reader *reader, int error)
{
	(void)reader;
	(void)error;
	return "this tcpdiagd was built without BPF (BPF=0)";
}

int descriptors_begin(struct bpf_reader *reader)
{
	(void)reader;
	return -EOPNOTSUPP;
}

int descriptors_next(struct bpf_reader *reader, struct descriptor *ret,
		     struct tcpdiag_socket *ret_closed)
{
	(void)reader;
	(void)ret;
	(void)ret_closed;
	return -EOPNOTSUPP;
}

int settings_look_up(struct bpf_reader *reader, const struct tcpdiag_socket *const *sockets,
		     uint32_t count, struct socket_settings *ret)
{
	(void)reader;
	(void)sockets;
	(void)count;
	(void)ret;
	return -EOPNOTSUPP;
}
