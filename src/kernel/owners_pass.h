/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one walk over the processes has found: filled while it runs, sorted when it ends, then looked up.
 *
 * Holders are sorted by inode and found through a directory of as many buckets, each for an equal range of
 * inodes: the kernel gives them out one after the other, so a bucket has about one, and an uneven
 * one costs a binary search and not more.
 */
#pragma once

#include "kernel/owners.h"

struct socket_settings;
struct tcpdiag_socket;

/* Dead and unbound sockets that are kept; each is as large as a row of a dump. */
#define OWNERS_CLOSED_MAX 65536U

struct owners_pass {
	int64_t start_ns;
	struct owner *holders;
	uint32_t holder_count, holder_size;
	struct owner_process *processes; /* ascending pid once sealed; each owns its text */
	uint32_t process_count, process_size;
	struct socket_settings *settings; /* in the order of finding */
	uint32_t settings_count, settings_size;
	struct tcpdiag_socket *closed; /* sorted by cookie and unique once sealed */
	uint32_t closed_count, closed_size;
	uint32_t *namespaces; /* sorted and unique once the pass is sealed */
	uint32_t namespace_count, namespace_size;
	uint32_t unreadable;

	uint32_t *buckets; /* first holder of each; one more at the end */
	uint32_t bucket_count;
	uint32_t first_inode;
	uint8_t shift; /* (inode - first_inode) >> shift is its bucket */
};

/* Frees everything; the pass is then empty and may be used again. */
void owners_pass_clear(struct owners_pass *pass);

/* Return: 0; -ENOMEM. */
int owners_pass_add_holder(struct owners_pass *pass, const struct owner *holder);
int owners_pass_add_namespace(struct owners_pass *pass, uint32_t inode);

/**
 * owners_pass_add_process() - a process with a socket
 * @process: copied, its texts too
 *
 * Return: its row; -ENOMEM.
 */
int64_t owners_pass_add_process(struct owners_pass *pass, const struct owner_process *process);

/* Return: 0 with its row; -ENOMEM. */
int owners_pass_add_settings(struct owners_pass *pass, const struct socket_settings *settings,
			     uint32_t *ret_row);

/* Return: 0; -ENOMEM. */
int owners_pass_add_closed(struct owners_pass *pass, const struct tcpdiag_socket *closed);

/* The process with this number, or NULL. */
const struct owner_process *owners_pass_process(const struct owners_pass *pass, int32_t pid);

/* Sorts what has been added: afterwards owners_pass_find() works. Return: 0; -ENOMEM. */
int owners_pass_seal(struct owners_pass *pass);

uint32_t owners_pass_find(const struct owners_pass *pass, uint32_t inode, const struct owner **ret);
