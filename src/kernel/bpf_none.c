/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A build without BPF: what sock_diag does not tell stays unknown.
 */
#include "kernel/bpf.h"
#include "kernel/events.h"

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

uint32_t bpf_reader_hz(const struct bpf_reader *reader)
{
	(void)reader;
	return 0;
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

int sockets_look_up(struct bpf_reader *reader, const struct tcpdiag_socket *const *sockets,
		    uint32_t count, struct tcpdiag_socket *ret,
		    struct socket_settings *ret_settings)
{
	(void)reader;
	(void)sockets;
	(void)count;
	(void)ret;
	(void)ret_settings;
	return -EOPNOTSUPP;
}

int events_open(size_t bytes, uint32_t hz, struct event_reader **ret)
{
	(void)bytes;
	(void)hz;
	(void)ret;
	return -EOPNOTSUPP;
}

struct event_reader *events_free(struct event_reader *reader)
{
	(void)reader;
	return NULL;
}

int events_drain(struct event_reader *reader,
		 int (*take)(const struct socket_event *event, void *context), void *context)
{
	(void)reader;
	(void)take;
	(void)context;
	return -EOPNOTSUPP;
}

uint64_t events_dropped(const struct event_reader *reader)
{
	(void)reader;
	return 0;
}

int events_thin(struct event_reader *reader, enum events_level level)
{
	(void)reader;
	(void)level;
	return -EOPNOTSUPP;
}

int events_measure(struct event_reader *reader, bool on)
{
	(void)reader;
	(void)on;
	return -EOPNOTSUPP;
}

int events_cost(const struct event_reader *reader, uint64_t *ret_run_ns)
{
	(void)reader;
	(void)ret_run_ns;
	return -EOPNOTSUPP;
}

bool events_have_reasons(const struct event_reader *reader)
{
	(void)reader;
	return false;
}
