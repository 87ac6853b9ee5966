/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * BPF_PROG_TEST_RUN of a tc program runs it on a packet of ours, which never goes anywhere, as often as it is
 * told, in the network namespace of the calling thread (net/bpf/test_run.c). Each run answers one query.
 *
 * A socket that is bound to a device is found through that device only (inet_sk_bound_dev_eq()), and the
 * packet has one: the queries are run in groups, one a device.
 */
#include "kernel/bpf_look_up.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "kernel/settings_rows.h"
#include "kernel/socket_rows.h"
#include "model/macro.h"

/* Needs the rows' layout before it. */
#include <look_up.skel.h>

_Static_assert(LOOK_UP_MAX <= QUERIES_MAX, "the program has room for this many");

struct look_up {
	struct look_up_bpf *program;
	int fd;
	uint16_t asked[LOOK_UP_MAX]; /* query -> socket */
	uint32_t query_count;
};

struct question {
	uint32_t hz;
	const struct tcpdiag_socket *const *sockets;
	uint32_t count;
	struct socket_settings *ret; /* NULL: not wanted */
	struct tcpdiag_socket *ret_sockets; /* NULL: not wanted */
};

int look_up_new(struct look_up **ret)
{
	struct look_up *look_up = calloc(1, sizeof(*look_up));
	int r;

	if (!look_up)
		return -ENOMEM;
	look_up->program = look_up_bpf__open();
	r = look_up->program ? look_up_bpf__load(look_up->program) : -errno;
	if (r < 0) {
		look_up_free(look_up);
		return r;
	}
	look_up->fd = bpf_program__fd(look_up->program->progs.look_up);
	*ret = look_up;
	return 0;
}

struct look_up *look_up_free(struct look_up *look_up)
{
	if (!look_up)
		return NULL;
	look_up_bpf__destroy(look_up->program);
	free(look_up);
	return NULL;
}

/* A listener's queue is nothing that the program tells. */
static bool can_be_looked_up(const struct tcpdiag_socket *sk, bool rows)
{
	if (sk->mptcp || !sk->cookie || !sk->local_port)
		return false;
	if (rows)
		return sk->kind != TCPDIAG_KIND_REQUEST && sk->state != TCPDIAG_LISTEN;
	return sk->kind == TCPDIAG_KIND_FULL && sk->state != TCPDIAG_CLOSE &&
	       sk->state != TCPDIAG_BOUND_INACTIVE;
}

/* A v4-mapped connection is in the table as the IPv4 one that it is. */
static void ask(struct look_up *look_up, const struct tcpdiag_socket *sk, uint32_t number)
{
	struct look_up_query *query = &look_up->program->bss->queries[look_up->query_count];
	const size_t skipped = sk->family == AF_INET6 ? 0 : 12;

	*query = (struct look_up_query){
		.cookie = sk->cookie,
		.remote_port = htons(sk->remote_port),
		.local_port = htons(sk->local_port),
		.v6 = sk->family == AF_INET6,
	};
	memcpy(query->remote, sk->remote + skipped, sizeof(sk->remote) - skipped);
	memcpy(query->local, sk->local + skipped, sizeof(sk->local) - skipped);
	look_up->asked[look_up->query_count++] = (uint16_t)number;
}

/* Runs what has been asked. A signal ends a run early. Return: 0; -errno. */
static int run(struct look_up *look_up, uint32_t ifindex, bool rows)
{
	struct look_up_bpf__bss *shared = look_up->program->bss;
	uint8_t packet[64] = {};
	struct __sk_buff context = { .ifindex = ifindex };
	int r = 0;

	memset(shared->answers, 0, look_up->query_count * sizeof(shared->answers[0]));
	shared->want_rows = rows;
	if (rows)
		memset(shared->rows, 0, look_up->query_count * sizeof(shared->rows[0]));
	shared->next_query = 0;
	while (r >= 0 && shared->next_query < look_up->query_count) {
		const uint32_t before = shared->next_query;
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet,
			    .data_size_in = sizeof(packet), .ctx_in = &context,
			    .ctx_size_in = sizeof(context),
			    .repeat = (int)(look_up->query_count - before));

		r = bpf_prog_test_run_opts(look_up->fd, &opts);
		if (r == -EINTR || r == -EAGAIN)
			r = 0;
		else if (r >= 0 && shared->next_query == before)
			r = -EIO;
	}
	return r;
}

/* Return: how many were found. */
static int collect(const struct look_up *look_up, const struct question *question)
{
	const struct look_up_bpf__bss *shared = look_up->program->bss;
	int found = 0;

	for (uint32_t i = 0; i < look_up->query_count; i++) {
		const struct settings_row *answer = &shared->answers[i];
		const uint32_t number = look_up->asked[i];
		struct tcpdiag_socket *sk = question->ret_sockets;

		if (answer->cookie && question->ret)
			question->ret[number] = settings_from_row(answer, question->hz);
		if (!sk) {
			found += answer->cookie != 0;
			continue;
		}
		sk += number;
		socket_from_row(&shared->rows[i], question->sockets[number], question->hz, sk);
		found += sk->cookie != 0;
	}
	return found;
}

/* All those of one device. Return: how many were found; -errno. */
static int run_group(struct look_up *look_up, const struct question *question, uint32_t ifindex)
{
	const bool rows = question->ret_sockets;
	int r;

	look_up->query_count = 0;
	for (uint32_t i = 0; i < question->count; i++) {
		const struct tcpdiag_socket *sk = question->sockets[i];

		if (sk->ifindex == ifindex && can_be_looked_up(sk, rows))
			ask(look_up, sk, i);
	}
	if (!look_up->query_count)
		return 0;
	r = run(look_up, ifindex, rows);
	/* The device has gone, and its sockets are out of reach. */
	if (r == -ENODEV && !rows)
		return 0;
	return r < 0 ? r : collect(look_up, question);
}

/* The smallest index above this one; 0: none. */
static uint32_t next_device(const struct tcpdiag_socket *const *sockets, uint32_t count,
			    uint32_t above)
{
	uint32_t next = 0;

	for (uint32_t i = 0; i < count; i++)
		if (sockets[i]->ifindex > above && (!next || sockets[i]->ifindex < next))
			next = sockets[i]->ifindex;
	return next;
}

int look_up_run(struct look_up *look_up, uint32_t hz, const struct tcpdiag_socket *const *sockets,
		uint32_t count, struct socket_settings *ret, struct tcpdiag_socket *ret_sockets)
{
	const struct question question = { hz, sockets, count, ret, ret_sockets };
	uint32_t device = 0;
	int found = 0;

	if (count > LOOK_UP_MAX)
		return -EINVAL;
	if (ret)
		memset(ret, 0, count * sizeof(*ret));
	for (uint32_t i = 0; ret_sockets && i < count; i++)
		ret_sockets[i].cookie = 0;
	do {
		int r = run_group(look_up, &question, device);

		if (r < 0)
			return r;
		found += r;
		device = next_device(sockets, count, device);
	} while (device);
	return found;
}
