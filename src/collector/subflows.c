/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A subflow has no data of its own in its queues, so its TCP row must not be judged alone. The kernel names
 * the protocol above a TCP socket only to CAP_NET_ADMIN (net/ipv4/inet_diag.c:inet_diag_msg_attrs_fill()),
 * and BPF reads it from the socket; without either, the dump of the MPTCP sockets tells: a subflow shares the inode of its MPTCP socket
 * (net/mptcp/subflow.c:mptcp_subflow_create_socket(), net/mptcp/protocol.c:mptcp_sock_graft()), and where
 * neither has one (in an accept queue, closed) the first subflow has the same four ends.
 */
#include <errno.h>
#include <string.h>

#include "collector/memory.h"
#include "collector/subflows.h"
#include "model/macro.h"

static int compare(const void *a, const void *b)
{
	const struct tcpdiag_socket *x = *(const struct tcpdiag_socket *const *)a;
	const struct tcpdiag_socket *y = *(const struct tcpdiag_socket *const *)b;
	int r;

	if (x->netns != y->netns)
		return x->netns < y->netns ? -1 : 1;
	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	if (x->inode)
		return 0;
	if (x->local_port != y->local_port)
		return x->local_port < y->local_port ? -1 : 1;
	if (x->remote_port != y->remote_port)
		return x->remote_port < y->remote_port ? -1 : 1;
	r = memcmp(x->local, y->local, sizeof(x->local));
	return r ? r : memcmp(x->remote, y->remote, sizeof(x->remote));
}

static bool is_asked_for(const struct tcpdiag_socket *sk)
{
	return !sk->mptcp && !(sk->known & (TCPDIAG_KNOWS_ULP | TCPDIAG_KNOWS_SUBFLOW)) &&
	       sk->kind == TCPDIAG_KIND_FULL && !sk->mptcp_subflow;
}

int subflows_mark(struct record *records, uint32_t count)
{
	/* Of a pointer: the array is sorted and searched, not the records. */
	const size_t size = sizeof(const struct tcpdiag_socket *);
	_cleanup_free_ const struct tcpdiag_socket **masters = NULL;
	uint32_t master_count = 0, asked = 0, i;

	for (i = 0; i < count; i++) {
		master_count += records[i].sk.mptcp;
		asked += is_asked_for(&records[i].sk);
	}
	if (!master_count || !asked)
		return 0;
	masters = calloc(master_count, size);
	if (!masters)
		return -ENOMEM;
	for (i = 0, master_count = 0; i < count; i++)
		if (records[i].sk.mptcp)
			masters[master_count++] = &records[i].sk;
	qsort(masters, master_count, size, compare);
	for (i = 0; i < count; i++) {
		const struct tcpdiag_socket *sk = &records[i].sk;

		if (!is_asked_for(sk) || !bsearch(&sk, masters, master_count, size, compare))
			continue;
		records[i].sk.mptcp_subflow = true;
		records[i].flags &= (uint8_t)~RECORD_JUDGED;
	}
	return 0;
}
