/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A row of NETLINK_SOCK_DIAG is struct inet_diag_msg and then attributes (net/ipv4/inet_diag.c:
 * inet_sk_diag_fill(), inet_twsk_diag_fill(), inet_req_diag_fill()).
 *
 * This runs for every socket of the machine in every poll, so the attributes are walked in place: a
 * library call for each type and each length would cost more than all the rest.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <string.h>

#include "kernel/inet_diag.h"
#include "kernel/uapi.h"

/* The payloads that are read; NULL where the kernel did not send one. */
struct attributes {
	const uint8_t *info;
	const uint8_t *skmeminfo;
	const uint8_t *shutdown;
	const uint8_t *v6only;
	const uint8_t *mark;
	const uint8_t *ulp;
	uint16_t info_size;
	uint16_t ulp_size;
};

static uint32_t get_u32(const uint8_t *payload)
{
	uint32_t value;

	memcpy(&value, payload, sizeof(value));
	return value;
}

static uint64_t get_u64(const uint8_t *payload)
{
	uint64_t value;

	memcpy(&value, payload, sizeof(value));
	return value;
}

static int take_attribute(struct attributes *a, uint16_t type, const uint8_t *payload,
			  uint16_t size)
{
	switch (type) {
	case INET_DIAG_INFO:
		a->info = payload;
		a->info_size = size;
		return 0;
	case INET_DIAG_SKMEMINFO:
		a->skmeminfo = payload;
		return size >= sizeof(uint32_t) * (SK_MEMINFO_WMEM_QUEUED + 1) ? 0 : -EBADMSG;
	case INET_DIAG_SHUTDOWN:
		a->shutdown = payload;
		return size >= sizeof(uint8_t) ? 0 : -EBADMSG;
	case INET_DIAG_SKV6ONLY:
		a->v6only = payload;
		return size >= sizeof(uint8_t) ? 0 : -EBADMSG;
	case INET_DIAG_MARK:
		a->mark = payload;
		return size >= sizeof(uint32_t) ? 0 : -EBADMSG;
	case INET_DIAG_ULP_INFO:
		a->ulp = payload;
		a->ulp_size = size;
		return 0;
	default:
		return 0;
	}
}

/* Calls take_attribute() for each; the lengths are the kernel's word and not trusted. */
static int walk_attributes(struct attributes *a, const uint8_t *at, size_t left)
{
	while (left > 0) {
		struct nlattr header;
		size_t step;
		int r;

		if (left < sizeof(header))
			return -EBADMSG;
		memcpy(&header, at, sizeof(header));
		if (header.nla_len < sizeof(header) || header.nla_len > left)
			return -EBADMSG;
		r = take_attribute(a, header.nla_type & NLA_TYPE_MASK, at + NLA_HDRLEN,
				   header.nla_len - NLA_HDRLEN);
		if (r < 0)
			return r;
		step = NLA_ALIGN(header.nla_len);
		if (step >= left)
			break;
		at += step;
		left -= step;
	}
	return 0;
}

static bool is_mapped(const uint8_t address[static 16])
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(address, prefix, sizeof(prefix)) == 0;
}

/* 16 bytes ::ffff:a.b.c.d from the first four of @from. */
static void map_address(uint8_t to[static 16], const void *from)
{
	memset(to, 0, 10);
	memset(to + 10, 0xff, 2);
	memcpy(to + 12, from, 4);
}

static void take_addresses(const struct inet_diag_msg *msg, struct tcpdiag_socket *sk)
{
	static const uint32_t none[4];

	sk->local_port = ntohs(msg->id.idiag_sport);
	sk->remote_port = ntohs(msg->id.idiag_dport);
	sk->family = msg->idiag_family;
	if (msg->idiag_family == AF_INET) {
		map_address(sk->local, msg->id.idiag_src);
		map_address(sk->remote, msg->id.idiag_dst);
		return;
	}
	memcpy(sk->local, msg->id.idiag_src, sizeof(sk->local));
	memcpy(sk->remote, msg->id.idiag_dst, sizeof(sk->remote));
	if (!is_mapped(sk->local) && !is_mapped(sk->remote))
		return;
	sk->mapped = true;
	sk->family = AF_INET;
	/* A listener on ::ffff:192.0.2.1 has :: at its other end. */
	if (!memcmp(sk->local, none, sizeof(none)))
		map_address(sk->local, none);
	if (!memcmp(sk->remote, none, sizeof(none)))
		map_address(sk->remote, none);
}

static void take_header(const struct inet_diag_msg *msg, struct tcpdiag_socket *sk)
{
	sk->cookie = msg->id.idiag_cookie[0] | (uint64_t)msg->id.idiag_cookie[1] << 32;
	if (sk->cookie == UINT64_MAX) /* INET_DIAG_NOCOOKIE twice */
		sk->cookie = 0;
	sk->inode = msg->idiag_inode;
	sk->uid = msg->idiag_uid;
	sk->ifindex = msg->id.idiag_if;
	if (sk->ifindex)
		sk->known |= TCPDIAG_KNOWS_INTERFACE;
	sk->rqueue = msg->idiag_rqueue;
	sk->wqueue = msg->idiag_wqueue;
	sk->expires_ms = msg->idiag_expires;
	sk->timer = msg->idiag_timer;
	sk->retransmits = msg->idiag_retrans;
}

/*
 * Minisockets come without INET_DIAG_SHUTDOWN; a full socket in SYN_RECV (TCP fast open, crossed SYNs)
 * or FIN_WAIT2 has it. A closed socket is in a TCP dump only when it was found by its bound port.
 */
static void take_state(uint8_t state, bool full, struct tcpdiag_socket *sk)
{
	sk->state = state;
	if (full) {
		if (state == TCPDIAG_CLOSE && !sk->mptcp)
			sk->state = TCPDIAG_BOUND_INACTIVE;
		return;
	}
	switch (state) {
	case TCPDIAG_SYN_RECV:
	case TCPDIAG_NEW_SYN_RECV:
		sk->state = TCPDIAG_NEW_SYN_RECV;
		sk->kind = TCPDIAG_KIND_REQUEST;
		break;
	case TCPDIAG_FIN_WAIT2:
	case TCPDIAG_TIME_WAIT:
		sk->kind = TCPDIAG_KIND_TIMEWAIT;
		break;
	default: /* a full one, and its shutdown mask is not known */
		break;
	}
}

/* Each group of members that the kernel's struct reaches beyond has its bit. */
static uint32_t info_groups(size_t size)
{
	uint32_t known = 0;

#define REACHES(member) (size >= offsetof(struct uapi_tcp_info, member) + sizeof(uint32_t))
	if (REACHES(total_retrans))
		known |= TCPDIAG_KNOWS_INFO;
	if (REACHES(notsent_bytes))
		known |= TCPDIAG_KNOWS_NOTSENT;
	if (size >= offsetof(struct uapi_tcp_info, bytes_sent) + sizeof(uint64_t))
		known |= TCPDIAG_KNOWS_BYTES;
	if (REACHES(snd_wnd))
		known |= TCPDIAG_KNOWS_SND_WND;
	if (REACHES(rcv_wnd))
		known |= TCPDIAG_KNOWS_RCV_WND;
#undef REACHES
	return known;
}

static void take_info(const uint8_t *payload, size_t size, struct tcpdiag_socket *sk)
{
	const uint32_t known = info_groups(size);
	uint8_t filled[sizeof(struct uapi_tcp_info)];

	/* An old kernel's is short; read in place is what is long enough. */
	if (size < sizeof(filled)) {
		memset(filled, 0, sizeof(filled));
		memcpy(filled, payload, size);
		payload = filled;
	}
#define U32(member) get_u32(payload + offsetof(struct uapi_tcp_info, member))
#define U64(member) get_u64(payload + offsetof(struct uapi_tcp_info, member))
	/* tcp_get_info() leaves all but the queue's length zero, which is not their value. */
	if (sk->state == TCPDIAG_LISTEN) {
		sk->unacked = U32(unacked);
		return;
	}
	sk->known |= known;
	if (known & TCPDIAG_KNOWS_INFO) {
		sk->rto_us = U32(rto);
		sk->rtt_us = U32(rtt);
		sk->unacked = U32(unacked);
		sk->last_data_sent_ms = U32(last_data_sent);
		sk->last_data_recv_ms = U32(last_data_recv);
		sk->last_ack_recv_ms = U32(last_ack_recv);
		sk->backoff = payload[offsetof(struct uapi_tcp_info, backoff)];
		sk->probes = payload[offsetof(struct uapi_tcp_info, probes)];
	}
	if (known & TCPDIAG_KNOWS_NOTSENT)
		sk->notsent_bytes = U32(notsent_bytes);
	if (known & TCPDIAG_KNOWS_BYTES) {
		sk->bytes_acked = U64(bytes_acked);
		sk->bytes_received = U64(bytes_received);
		sk->bytes_sent = U64(bytes_sent);
	}
	if (known & TCPDIAG_KNOWS_SND_WND)
		sk->snd_wnd = U32(snd_wnd);
	if (known & TCPDIAG_KNOWS_RCV_WND)
		sk->rcv_wnd = U32(rcv_wnd);
#undef U32
#undef U64
}

/* struct mptcp_info (include/uapi/linux/mptcp.h): five more bytes between the count and the flags. */
static void take_mptcp_info(const uint8_t *payload, size_t size, struct tcpdiag_socket *sk)
{
	enum { SUBFLOWS = 0, FLAGS = 8, FLAG_FALLBACK = 1 };

	if (size < FLAGS + sizeof(uint32_t))
		return;
	sk->mptcp_subflows = payload[SUBFLOWS];
	sk->mptcp_fallback = get_u32(payload + FLAGS) & FLAG_FALLBACK;
	sk->known |= TCPDIAG_KNOWS_FALLBACK;
}

static void take_skmeminfo(const uint8_t *payload, struct tcpdiag_socket *sk)
{
	uint32_t value[SK_MEMINFO_WMEM_QUEUED + 1];

	memcpy(value, payload, sizeof(value));
	sk->rmem_alloc = value[SK_MEMINFO_RMEM_ALLOC];
	sk->rcvbuf = value[SK_MEMINFO_RCVBUF];
	sk->wmem_queued = value[SK_MEMINFO_WMEM_QUEUED];
	sk->sndbuf = value[SK_MEMINFO_SNDBUF];
	sk->known |= TCPDIAG_KNOWS_SKMEM;
}

/* INET_DIAG_ULP_INFO is nested: INET_ULP_INFO_NAME, and what the protocol adds. */
static bool ulp_is_mptcp(const uint8_t *at, size_t left)
{
	static const char name[] = "mptcp";

	while (left >= sizeof(struct nlattr)) {
		struct nlattr header;
		size_t step;

		memcpy(&header, at, sizeof(header));
		if (header.nla_len < sizeof(header) || header.nla_len > left)
			return false;
		if ((header.nla_type & NLA_TYPE_MASK) == INET_ULP_INFO_NAME)
			return header.nla_len - NLA_HDRLEN >= (int)sizeof(name) - 1 &&
			       !strncmp((const char *)at + NLA_HDRLEN, name,
					header.nla_len - NLA_HDRLEN);
		step = NLA_ALIGN(header.nla_len);
		if (step >= left)
			return false;
		at += step;
		left -= step;
	}
	return false;
}

static void take_attributes(const struct attributes *a, struct tcpdiag_socket *sk)
{
	if (a->shutdown) {
		sk->sk_shutdown = a->shutdown[0] & (TCPDIAG_RCV_SHUTDOWN | TCPDIAG_SEND_SHUTDOWN);
		sk->known |= TCPDIAG_KNOWS_SHUTDOWN;
	}
	if (a->mark) {
		sk->mark = get_u32(a->mark);
		sk->known |= TCPDIAG_KNOWS_MARK;
	}
	if (a->v6only)
		sk->v6only = a->v6only[0] != 0;
	if (a->skmeminfo)
		take_skmeminfo(a->skmeminfo, sk);
	if (a->info && sk->mptcp)
		take_mptcp_info(a->info, a->info_size, sk);
	else if (a->info)
		take_info(a->info, a->info_size, sk);
	/* Both come with CAP_NET_ADMIN only: without a mark nothing can be said about the protocol above. */
	if (a->info && a->mark && !sk->mptcp) {
		sk->known |= TCPDIAG_KNOWS_ULP;
		sk->mptcp_subflow = a->ulp && ulp_is_mptcp(a->ulp, a->ulp_size);
	}
	/* Kernels before 6.18 print uid 0 for whatever has no file. */
	if (sk->kind == TCPDIAG_KIND_FULL && (sk->inode || sk->uid))
		sk->known |= TCPDIAG_KNOWS_UID;
}

/* The header of a message is as long as its alignment asks for: what it carries stands right behind. */
_Static_assert(sizeof(struct nlmsghdr) == NLMSG_HDRLEN, "no padding behind the header");

/* In pieces that the compiler turns into plain stores: for the whole it takes a string instruction, 15 ns. */
static void clear(struct tcpdiag_socket *sk)
{
	char *at = (char *)sk;

	_Static_assert(sizeof(*sk) > 192 && sizeof(*sk) <= 256, "four pieces");
	memset(at, 0, 64);
	memset(at + 64, 0, 64);
	memset(at + 128, 0, 64);
	memset(at + 192, 0, sizeof(*sk) - 192);
}

int inet_diag_parse(const struct nlmsghdr *message, size_t length, uint32_t netns, int protocol,
		    struct tcpdiag_socket *ret)
{
	struct attributes attributes = {};
	const struct inet_diag_msg *msg;
	int r;

	clear(ret);
	if (length < sizeof(*message) || message->nlmsg_len > length)
		return -EBADMSG;
	if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY && message->nlmsg_type != TCPDIAG_GETSOCK)
		return -EPROTO;
	if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*msg)))
		return -EBADMSG;
	msg = (const struct inet_diag_msg *)(message + 1);
	if (msg->idiag_family != AF_INET && msg->idiag_family != AF_INET6)
		return -EPROTO;
	if (msg->idiag_state == TCPDIAG_STATE_NONE || msg->idiag_state > TCPDIAG_NEW_SYN_RECV)
		return -EBADMSG;
	r = walk_attributes(&attributes, (const uint8_t *)(msg + 1),
			    message->nlmsg_len - NLMSG_LENGTH(sizeof(*msg)));
	if (r < 0)
		return r;

	ret->netns = netns;
	ret->mptcp = protocol == IPPROTO_MPTCP;
	take_header(msg, ret);
	take_addresses(msg, ret);
	take_state(msg->idiag_state, attributes.shutdown != NULL, ret);
	take_attributes(&attributes, ret);
	ret->attachment = tcpdiag_attachment_guess(ret);
	return 0;
}
