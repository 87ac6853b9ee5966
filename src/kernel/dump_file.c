/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rtnl_dump_filter() of iproute2 writes each datagram as it came, padded to NLMSG_ALIGNTO.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <sys/stat.h>

#include "kernel/dump_file.h"
#include "kernel/message.h"
#include "model/macro.h"

static bool begins_a_dump(const struct nlmsghdr *message, size_t size)
{
	if (size < sizeof(*message) || message->nlmsg_len < sizeof(*message))
		return false;
	return message->nlmsg_type == SOCK_DIAG_BY_FAMILY ||
	       message->nlmsg_type == TCPDIAG_GETSOCK || message->nlmsg_type == NLMSG_DONE;
}

int dump_file_open(struct dump_file *file, const char *path)
{
	_cleanup_close_ int fd = -1;
	struct nlmsghdr message;
	struct stat st;
	ssize_t n;

	/* A pipe's writer may never come. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	n = pread(fd, &message, sizeof(message), 0);
	if (n < 0)
		return -errno;
	if (!begins_a_dump(&message, n))
		return -EBADMSG;
	*file = (struct dump_file){ .fd = take_fd(&fd) };
	return 0;
}

void dump_file_done(struct dump_file *file)
{
	closep(&file->fd);
	file->fd = -1;
}

void dump_file_rewind(struct dump_file *file)
{
	file->offset = 0;
	file->done = false;
}

int dump_file_read(struct dump_file *file, void *buffer, size_t size)
{
	const struct nlmsghdr *message = buffer;
	size_t filled = 0;
	size_t left, whole;

	while (filled < size) {
		ssize_t n = pread(file->fd, (char *)buffer + filled, size - filled,
				  (off_t)(file->offset + filled));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		filled += n;
	}
	if (filled == 0)
		return file->done ? 0 : -EBADMSG;
	left = filled;
	while (message_ok(message, left)) {
		file->done = message->nlmsg_type == NLMSG_DONE;
		message = message_next(message, &left);
	}
	whole = filled - left;
	if (whole == 0)
		return -EBADMSG;
	file->offset += whole;
	return (int)whole;
}
