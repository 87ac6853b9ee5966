/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A socket in the two groups, and the rows that come.
 *
 * A message is what net/ipv4/inet_diag.c:inet_diag_handler_get_info() makes: struct inet_diag_msg with the ends and the
 * state, which is always CLOSE by then, INET_DIAG_PROTOCOL and INET_DIAG_INFO. The receive queue there counts a FIN or
 * does not, and nothing tells which: what cannot be right in every case is not passed on.
 */
#include "kernel/destroy.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "kernel/inet_diag.h"
#include "kernel/message.h"
#include "kernel/uapi.h"
#include "model/macro.h"

#define BUFFER_SIZE 8192 /* one message is some 400 bytes */
#define GROUPS (1U << (SKNLGRP_INET_TCP_DESTROY - 1) | 1U << (SKNLGRP_INET6_TCP_DESTROY - 1))

struct destroy_watch {
	struct mnl_socket *netlink;
	uint32_t netns;
	uint32_t lost; /* the kernel's own count, when last read */
	uint64_t dropped;
	_Alignas(struct nlmsghdr) char buffer[BUFFER_SIZE];
};

/* The smaller of the two: payload either way. */
static int64_t idle_ms(const struct tcpdiag_socket *sk)
{
	if (!(sk->known & TCPDIAG_KNOWS_INFO))
		return -1;
	return MIN(sk->last_data_sent_ms, sk->last_data_recv_ms);
}

/* What a row of a dump would say of it, and this one cannot. */
static void forget(struct tcpdiag_socket *sk)
{
	sk->known &= TCPDIAG_KNOWS_BYTES | TCPDIAG_KNOWS_INFO | TCPDIAG_KNOWS_INTERFACE;
	sk->state = TCPDIAG_CLOSE;
	sk->kind = TCPDIAG_KIND_FULL;
	sk->attachment = TCPDIAG_ATTACHMENT_UNKNOWN;
	sk->rqueue = 0;
	sk->wqueue = 0;
	sk->notsent_bytes = 0;
	sk->inode = 0;
	sk->uid = 0;
	sk->timer = TCPDIAG_TIMER_OFF;
}

int destroy_event(const struct nlmsghdr *message, size_t length, uint32_t netns, int64_t now_ns,
		  struct socket_event *ret)
{
	struct tcpdiag_socket sk;
	int r;

	if (length < sizeof(*message))
		return -EBADMSG;
	if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return -EPROTO;
	r = inet_diag_parse(message, length, netns, IPPROTO_TCP, &sk);
	if (r < 0)
		return r;
	*ret = (struct socket_event){
		.when_ns = now_ns,
		.kind = SOCKET_EVENT_DESTROYED,
		.has_socket = true,
		.idle_ms = idle_ms(&sk),
		.sk = sk,
	};
	forget(&ret->sk);
	return 0;
}

static int set_room(const struct mnl_socket *netlink, size_t bytes)
{
	const int fd = mnl_socket_get_fd(netlink);
	const int room = (int)MIN(bytes, (size_t)1 << 30);

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) == 0)
		return 0;
	return setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)) < 0 ? -errno : 0;
}

int destroy_open(uint32_t netns, size_t bytes, struct destroy_watch **ret)
{
	struct destroy_watch *watch = calloc(1, sizeof(*watch));
	int r = 0;

	if (!watch)
		return -ENOMEM;
	watch->netns = netns;
	watch->netlink = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!watch->netlink)
		r = -errno;
	if (r == 0)
		r = set_room(watch->netlink, bytes);
	if (r == 0 && mnl_socket_bind(watch->netlink, GROUPS, MNL_SOCKET_AUTOPID) < 0)
		r = -errno;
	if (r < 0) {
		destroy_free(watch);
		return r;
	}
	*ret = watch;
	return 0;
}

struct destroy_watch *destroy_free(struct destroy_watch *watch)
{
	if (!watch)
		return NULL;
	if (watch->netlink)
		mnl_socket_close(watch->netlink);
	free(watch);
	return NULL;
}

/* How many there were the kernel counts as drops of the socket; at least one, where it does not say. */
static void count_lost(struct destroy_watch *watch)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t size = sizeof(info);
	uint32_t lost = 0;

	if (getsockopt(mnl_socket_get_fd(watch->netlink), SOL_SOCKET, SO_MEMINFO, info, &size) ==
		    0 &&
	    size > SK_MEMINFO_DROPS * sizeof(*info)) {
		lost = info[SK_MEMINFO_DROPS] - watch->lost;
		watch->lost = info[SK_MEMINFO_DROPS];
	}
	watch->dropped += MAX(lost, 1U);
}

/* One datagram. Return: its events; the negative of @take. */
static int take_all(const struct destroy_watch *watch, size_t size, int64_t now_ns,
		    int (*take)(const struct socket_event *event, void *context), void *context)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)watch->buffer;
	struct socket_event event;
	int taken = 0, r;

	for (; message_ok(message, size); message = message_next(message, &size)) {
		if (destroy_event(message, message->nlmsg_len, watch->netns, now_ns, &event) < 0)
			continue;
		r = take(&event, context);
		if (r < 0)
			return r;
		taken++;
	}
	return taken;
}

int destroy_drain(struct destroy_watch *watch, uint32_t max, int64_t now_ns,
		  int (*take)(const struct socket_event *event, void *context), void *context)
{
	uint32_t taken = 0;
	int r;

	for (uint32_t reads = 0; reads < max && taken < max; reads++) {
		struct sockaddr_nl from = {};
		socklen_t length = sizeof(from);
		ssize_t n = recvfrom(mnl_socket_get_fd(watch->netlink), watch->buffer, BUFFER_SIZE,
				     MSG_DONTWAIT, (struct sockaddr *)&from, &length);

		if (n < 0 && errno == ENOBUFS) {
			count_lost(watch);
			continue;
		}
		if (n < 0 && errno != EINTR)
			return errno == EAGAIN ? (int)taken : -errno;
		/* Anybody may write to our port; only the kernel is believed. */
		if (n < 0 || length != sizeof(from) || from.nl_pid)
			continue;
		r = take_all(watch, (size_t)n, now_ns, take, context);
		if (r < 0)
			return r;
		taken += (uint32_t)r;
	}
	return (int)taken;
}

uint64_t destroy_dropped(const struct destroy_watch *watch)
{
	return watch->dropped;
}
