/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two addresses of a socket, each in 16 bytes whatever the family.
 */
#pragma once

#include "kernel.h"
#include "rows.h"

static __always_inline void copy_v4(__u8 *to, __be32 address)
{
	to[10] = 0xff;
	to[11] = 0xff;
	__builtin_memcpy(to + 12, &address, sizeof(address));
}

static __always_inline void copy_v6(__u8 *to, const struct in6_addr *address)
{
	for (int i = 0; i < 4; i++) {
		const __be32 word = address->in6_u.u6_addr32[i];

		__builtin_memcpy(to + 4 * i, &word, sizeof(word));
	}
}

/* The upper 96 bits of ::ffff:a.b.c.d. */
static __always_inline bool is_mapped(const struct in6_addr *address)
{
	return !address->in6_u.u6_addr32[0] && !address->in6_u.u6_addr32[1] &&
	       address->in6_u.u6_addr32[2] == bpf_htonl(0xffff);
}

/* Return: ROW_MAPPED and ROW_V6ONLY where they hold. */
static __always_inline __u32 read_ends(const struct sock_common *common, __u8 *local, __u8 *remote)
{
	__u32 flags = 0;

	if (common->skc_family != AF_INET6) {
		copy_v4(local, common->skc_rcv_saddr);
		copy_v4(remote, common->skc_daddr);
		return 0;
	}
	copy_v6(local, &common->skc_v6_rcv_saddr);
	copy_v6(remote, &common->skc_v6_daddr);
	if (is_mapped(&common->skc_v6_rcv_saddr))
		flags |= ROW_MAPPED;
	if (BPF_CORE_READ_BITFIELD(common, skc_ipv6only))
		flags |= ROW_V6ONLY;
	return flags;
}
