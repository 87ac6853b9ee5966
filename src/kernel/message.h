/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Walks over a buffer of netlink messages.
 *
 * mnl_nlmsg_ok() compares lengths as int: one of 2 GiB and more is negative there and passes (libmnl
 * 1.0.4). The kernel never says that, a file may.
 */
#pragma once

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether a whole message stands at @message with @left bytes from there. */
static inline bool message_ok(const struct nlmsghdr *message, size_t left)
{
	return left >= sizeof(*message) && message->nlmsg_len >= sizeof(*message) &&
	       message->nlmsg_len <= left;
}

/* The one behind it; @left is what then remains, 0 where the padding of the last one is missing. */
static inline const struct nlmsghdr *message_next(const struct nlmsghdr *message, size_t *left)
{
	size_t step = ((size_t)message->nlmsg_len + NLMSG_ALIGNTO - 1) &
		      ~(size_t)(NLMSG_ALIGNTO - 1);

	if (step > *left)
		step = *left;
	*left -= step;
	return (const struct nlmsghdr *)((const char *)message + step);
}
