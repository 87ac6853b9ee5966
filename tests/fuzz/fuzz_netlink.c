/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A datagram of netlink messages, each parsed as a row of a dump.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/inet_diag.h"
#include "kernel/message.h"
#include "kernel/uapi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct tcpdiag_socket *sk)
{
	if (!tcpdiag_state_name(sk->state) || !tcpdiag_attachment_name(sk->attachment))
		abort();
	if (sk->family != AF_INET && sk->family != AF_INET6)
		abort();
	if (sk->mapped && sk->family != AF_INET)
		abort();
	if (tcpdiag_unread_bytes(sk) > sk->rqueue)
		abort();
	if (sk->mptcp_subflow && !(sk->known & TCPDIAG_KNOWS_ULP))
		abort();
	if (sk->kind != TCPDIAG_KIND_FULL && (sk->known & TCPDIAG_KNOWS_SHUTDOWN))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int protocols[] = { IPPROTO_TCP, IPPROTO_MPTCP };
	const struct nlmsghdr *message;
	struct nlmsghdr *copy;
	size_t left = size;

	if (size > 1 << 20)
		return 0;
	copy = malloc(size ? size : 1);
	if (!copy)
		return 0;
	memcpy(copy, data, size);
	message = copy;
	/* A whole one is not needed for the parser to be asked. */
	for (size_t length = 0; length <= sizeof(*copy) && length <= size; length++) {
		struct tcpdiag_socket sk;

		if (inet_diag_parse(copy, length, 1, IPPROTO_TCP, &sk) == 0)
			abort();
	}
	while (message_ok(message, left)) {
		for (int i = 0; i < 2; i++) {
			struct tcpdiag_socket sk;

			if (inet_diag_parse(message, message->nlmsg_len, 1, protocols[i], &sk) == 0)
				check(&sk);
		}
		message = message_next(message, &left);
	}
	free(copy);
	return 0;
}
