/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory that is written here alone, and that others can map for reading.
 */
#pragma once

#include <stddef.h>

/**
 * memfd_map() - a memfd, mapped for writing and then sealed against shrinking, growing and future writing
 * @name: shows in /proc/PID/maps
 *
 * It is zeroed, sparse, and not there in a child.
 *
 * Return: 0 with what the caller unmaps and closes; -errno.
 */
int memfd_map(const char *name, size_t size, int *ret_memfd, void **ret_data);
