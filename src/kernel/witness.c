/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * IP_FREEBIND lets them bind to loopback addresses where the interface is down, as in a new namespace.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "kernel/witness.h"
#include "model/macro.h"

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static int open_one(const union address *address, socklen_t size, int *ret_fd, uint32_t *ret_inode)
{
	static const int on = 1;
	bool v4 = address->any.sa_family == AF_INET;
	_cleanup_close_ int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	if (fd < 0 && errno == EAFNOSUPPORT && !v4)
		return 0;
	if (fd < 0)
		return -errno;
	/* May fail on an old kernel: bind() then says whether it was needed. */
	(void)setsockopt(fd, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_FREEBIND : IPV6_FREEBIND, &on,
			 sizeof(on));
	if (bind(fd, &address->any, size) < 0 || listen(fd, 0) < 0 || fstat(fd, &st) < 0)
		return -errno;
	*ret_inode = st.st_ino;
	*ret_fd = take_fd(&fd);
	return 0;
}

int witness_open(struct witness *ret)
{
	const union address v4 = { .v4 = { .sin_family = AF_INET,
					   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };
	const union address v6 = { .v6 = { .sin6_family = AF_INET6,
					   .sin6_addr = IN6ADDR_LOOPBACK_INIT } };
	int r;

	*ret = (struct witness)WITNESS_INIT;
	r = open_one(&v4, sizeof(v4.v4), &ret->fd[0], &ret->inode[0]);
	return r < 0 ? r : open_one(&v6, sizeof(v6.v6), &ret->fd[1], &ret->inode[1]);
}

void witness_done(struct witness *witness)
{
	closep(&witness->fd[0]);
	closep(&witness->fd[1]);
	*witness = (struct witness)WITNESS_INIT;
}

bool witness_saw(struct witness *witness, uint32_t inode)
{
	for (size_t i = 0; i < ARRAY_SIZE(witness->inode); i++)
		if (witness->inode[i] == inode)
			witness->inode[i] = 0;
	return !witness->inode[0] && !witness->inode[1];
}
