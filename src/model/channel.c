/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Packets with at most one descriptor; what comes in is checked before anybody looks at it.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "model/channel.h"
#include "model/macro.h"

static const uint32_t sizes[] = {
	[CHANNEL_SETTINGS] = sizeof(struct channel_settings),
	[CHANNEL_LISTEN] = sizeof(struct channel_listen),
	[CHANNEL_LEND] = sizeof(struct channel_lend),
	[CHANNEL_PING] = sizeof(struct channel_ping),
	[CHANNEL_READY] = sizeof(uint32_t),
	[CHANNEL_RETURN] = sizeof(struct channel_lend),
	[CHANNEL_JOURNAL] = sizeof(struct channel_journal),
	[CHANNEL_EVENTS] = sizeof(struct channel_events),
};

int channel_send(int fd, const void *packet, uint32_t size, int passed)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {};
	struct iovec iov = { .iov_len = size };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	/* sendmsg() only reads; its struct has no const. */
	memcpy(&iov.iov_base, &packet, sizeof(packet));
	if (passed >= 0) {
		struct cmsghdr *header;

		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &passed, sizeof(int));
	}
	while (sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* The first descriptor that came along; further ones are closed. */
static int passed_descriptor(struct msghdr *message)
{
	struct cmsghdr *header;
	int found = -1;

	for (header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
		size_t i, count;

		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
			if (found < 0)
				found = fd;
			else
				close(fd);
		}
	}
	return found;
}

int channel_receive(int fd, union channel_packet *ret, int *ret_passed)
{
	union {
		char bytes[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control;
	union channel_packet packet = {};
	struct iovec iov = { .iov_base = &packet, .iov_len = sizeof(packet) };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	_cleanup_close_ int passed = -1;
	ssize_t len;

	do
		len = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (len < 0 && errno == EINTR);
	if (len < 0)
		return -errno;
	if (len == 0)
		return -ECONNRESET;
	passed = passed_descriptor(&message);
	if ((size_t)len < sizeof(packet.type) || packet.type >= ARRAY_SIZE(sizes) ||
	    !sizes[packet.type] || (size_t)len != sizes[packet.type] ||
	    message.msg_flags & MSG_TRUNC)
		return -EBADMSG;
	*ret = packet;
	*ret_passed = take_fd(&passed);
	return 0;
}
