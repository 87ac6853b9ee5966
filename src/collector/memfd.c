/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memfd_create(2), ftruncate, a shared writable mapping, and only then the seals: F_SEAL_FUTURE_WRITE (Linux 5.1)
 * leaves this one mapping writable and refuses every later one. A sealed memfd can neither grow nor give pages
 * back. The file is sparse: what was never written costs nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "collector/memfd.h"
#include "model/macro.h"

int memfd_map(const char *name, size_t size, int *ret_memfd, void **ret_data)
{
	_cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *data;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) < 0)
		return -errno;
	data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED)
		return -errno;
	if (fcntl(fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0) {
		int r = -errno;

		munmap(data, size);
		return r;
	}
	/* A child is never to write here between fork() and exec(). */
	madvise(data, size, MADV_DONTFORK);
	*ret_memfd = take_fd(&fd);
	*ret_data = data;
	return 0;
}
