/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A datagram of the destroy multicast.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/destroy.h"
#include "kernel/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct socket_event *event)
{
	if (event->kind != SOCKET_EVENT_DESTROYED || event->sk.state != TCPDIAG_CLOSE ||
	    event->idle_ms < -1 || event->sk.netns != 1)
		abort();
	/* Nothing that cannot be known. */
	if (event->sk.rqueue || event->sk.wqueue || event->pid || event->reason ||
	    event->sk.known & (TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_NOTSENT))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct nlmsghdr *message;
	struct socket_event event;
	struct nlmsghdr *copy;
	size_t left = size;

	if (size > 1 << 20)
		return 0;
	copy = malloc(size ? size : 1);
	if (!copy)
		return 0;
	memcpy(copy, data, size);
	message = copy;
	for (size_t length = 0; length < sizeof(*copy) && length <= size; length++)
		if (destroy_event(copy, length, 1, 5, &event) == 0)
			abort();
	for (; message_ok(message, left); message = message_next(message, &left))
		if (destroy_event(message, message->nlmsg_len, 1, 5, &event) == 0)
			check(&event);
	free(copy);
	return 0;
}
