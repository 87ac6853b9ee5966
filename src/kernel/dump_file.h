/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file of netlink messages, as `ss -D FILE` writes it, in blocks of whole messages.
 *
 * It is the replies of the kernel one after the other, with an NLMSG_DONE behind each family's. One that
 * does not end with an NLMSG_DONE has been cut.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dump_file {
	int fd;
	uint64_t offset; /* of the next block */
	bool done; /* the last message so far was NLMSG_DONE */
};

#define DUMP_FILE_INIT \
	{ \
		.fd = -1 \
	}

/**
 * dump_file_open() - opens a regular file and looks at its first message
 * @file: filled in; to be closed with dump_file_done()
 *
 * Return: 0; -errno of open(); -EISDIR; -EBADMSG where it is no dump.
 */
int dump_file_open(struct dump_file *file, const char *path);

/* Closes it; accepts one that is not open. */
void dump_file_done(struct dump_file *file);

void dump_file_rewind(struct dump_file *file);

/**
 * dump_file_read() - the next block
 * @buffer: aligned as struct nlmsghdr; no message may be larger
 *
 * Return: bytes of whole messages; 0 at the end; -EBADMSG where the file is cut or turns into something
 * else (messages before it have been returned); -errno of pread().
 */
int dump_file_read(struct dump_file *file, void *buffer, size_t size);
