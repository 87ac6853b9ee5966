/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file that somebody says was written by `ss -D`.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/sock_diag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t count(struct sock_diag *diag)
{
	const struct sock_diag_request request = { .states = TCPDIAG_STATES_ALL,
						   .protocol = IPPROTO_TCP,
						   .info = true };
	struct tcpdiag_socket sk;
	uint64_t rows = 0;

	if (sock_diag_dump(diag, &request) < 0)
		abort();
	while (sock_diag_next(diag, &sk) == 1)
		rows++;
	/* The end stays the end. */
	if (sock_diag_next(diag, &sk) != 0)
		abort();
	return rows;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("replay", MFD_CLOEXEC);
	struct sock_diag *diag;
	char path[64];

	if (fd < 0)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write(fd, data, size) == (ssize_t)size && sock_diag_open_file(path, &diag) == 0) {
		uint64_t rows = count(diag);

		/* Fewer bytes than a row has cannot be one; a second reading sees the same. */
		if (rows > size / 88 || count(diag) != rows)
			abort();
		sock_diag_free(diag);
	}
	close(fd);
	return 0;
}
