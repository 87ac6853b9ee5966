/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The network namespaces of a round, for families that judge each one by itself.
 */
#pragma once

#include "rules/family.h"

struct realm {
	uint32_t inode;
	const struct tcpdiag_environment *environment; /* never NULL */
	const struct counters *rates; /* never NULL */
	const char *name; /* of /run/netns, or empty; holds until the next string is made */
};

/* How many; where nobody has listed them there is tcpdiagd's own. */
uint32_t realm_count(const struct round *round);

/* The one at @index, which is below realm_count(). */
void realm_at(const struct round *round, uint32_t index, struct realm *ret);

/* That of an inode; false where it is not listed (any more). */
bool realm_find(const struct round *round, uint32_t inode, struct realm *ret);

/* Whether the counter is known of the realm; @ret: how much it rose in the last 60 s. */
bool realm_rose(const struct realm *realm, enum counter which, uint64_t *ret);

/* "network namespace blue (4026532177)", "this network namespace (4026531840)" */
void sentence_realm(const struct round *round, struct sentence *s, uint32_t inode);
