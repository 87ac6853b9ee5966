/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sk_lingertime is a long of jiffies (net/core/sock.c:sk_setsockopt()): MAX_SCHEDULE_TIMEOUT or a negative
 * number of seconds taken as unsigned is "forever", and so is what does not fit into 32 bits of milliseconds,
 * seven weeks. Older kernels multiplied in 32 bits, so that a negative one ends just below 2^32.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/settings_rows.h"
#include "model/macro.h"

/* A second or a little more below 2^32, whatever a jiffy is. */
#define JIFFIES_FOREVER 0xffffe000U

_Static_assert(ROW_LINGER == SETTINGS_LINGER && ROW_REPAIR == SETTINGS_REPAIR &&
		       ROW_OUT_OF_ORDER == SETTINGS_OUT_OF_ORDER &&
		       ROW_SOFT_ERROR == SETTINGS_SOFT_ERROR && ROW_SUBFLOW == SETTINGS_SUBFLOW &&
		       ROW_MPTCP == SETTINGS_MPTCP &&
		       ROW_KNOWS_REFERENCES == SETTINGS_KNOWS_REFERENCES &&
		       ROW_KNOWS_SUBFLOW == SETTINGS_KNOWS_SUBFLOW &&
		       ROW_KNOWS_SIBLINGS == SETTINGS_KNOWS_SIBLINGS,
	       "both sides must mean the same bits");
_Static_assert(sizeof(struct settings_row) == 32, "a hole would carry what is not written");
_Static_assert(sizeof(struct descriptor_row) == 56, "a hole would carry what is not written");
_Static_assert(sizeof(struct closed_row) == 56, "a hole would carry what is not written");

static uint32_t linger_ms(uint32_t jiffies, uint32_t hz)
{
	if (jiffies >= JIFFIES_FOREVER)
		return SETTINGS_FOREVER;
	return (uint32_t)MIN((uint64_t)jiffies * 1000 / hz, SETTINGS_FOREVER);
}

static int32_t linger2_ms(int32_t jiffies, uint32_t hz)
{
	if (jiffies < 0)
		return -1;
	return (int32_t)MIN((uint64_t)jiffies * 1000 / hz, INT32_MAX);
}

struct socket_settings settings_from_row(const struct settings_row *row, uint32_t hz)
{
	return (struct socket_settings){
		.cookie = row->cookie,
		.linger_ms = linger_ms(row->linger, hz),
		.linger2_ms = linger2_ms(row->linger2, hz),
		.user_timeout_ms = row->user_timeout,
		.references = row->references,
		.siblings = row->siblings,
		.sk_err = row->sk_err,
		.flags = row->flags & ROW_SETTINGS,
	};
}

void settings_apply(const struct socket_settings *settings, struct tcpdiag_socket *sk)
{
	const uint32_t flags = settings->flags;

	sk->known |= TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_ERROR;
	sk->linger = flags & SETTINGS_LINGER;
	sk->sk_lingertime_ms = settings->linger_ms == SETTINGS_FOREVER ? TCPDIAG_LINGER_FOREVER
								       : settings->linger_ms;
	sk->sk_err = settings->sk_err;
	sk->soft_error = flags & SETTINGS_SOFT_ERROR;
	if (!(flags & SETTINGS_MPTCP)) {
		sk->known |= TCPDIAG_KNOWS_LINGER2 | TCPDIAG_KNOWS_REPAIR | TCPDIAG_KNOWS_OFO |
			     TCPDIAG_KNOWS_USER_TIMEOUT;
		sk->linger2_ms = settings->linger2_ms;
		sk->repair = flags & SETTINGS_REPAIR;
		sk->out_of_order = flags & SETTINGS_OUT_OF_ORDER;
		sk->user_timeout_ms = settings->user_timeout_ms;
	}
	if (flags & SETTINGS_KNOWS_SUBFLOW) {
		sk->known |= TCPDIAG_KNOWS_SUBFLOW;
		sk->mptcp_subflow = flags & SETTINGS_SUBFLOW;
	}
	if (flags & SETTINGS_KNOWS_REFERENCES) {
		sk->known |= TCPDIAG_KNOWS_REFERENCES;
		sk->references = settings->references;
	}
	if (flags & SETTINGS_KNOWS_SIBLINGS) {
		sk->known |= TCPDIAG_KNOWS_SIBLINGS;
		sk->siblings = settings->siblings;
	}
}

static void fill_closed(const struct descriptor_row *row, const struct closed_row *closed,
			const struct socket_settings *settings, struct tcpdiag_socket *ret)
{
	const bool mapped = row->settings.flags & ROW_MAPPED;

	*ret = (struct tcpdiag_socket){
		.cookie = row->settings.cookie,
		.netns = row->netns,
		.inode = row->inode,
		.state = TCPDIAG_CLOSE,
		.kind = TCPDIAG_KIND_FULL,
		.attachment = TCPDIAG_HELD,
		.family = mapped ? AF_INET : (uint8_t)row->family,
		.mapped = mapped,
		.v6only = row->settings.flags & ROW_V6ONLY,
		.mptcp = row->settings.flags & ROW_MPTCP,
		.sk_shutdown = row->shutdown & (TCPDIAG_RCV_SHUTDOWN | TCPDIAG_SEND_SHUTDOWN),
		.local_port = closed->local_port,
		.remote_port = closed->remote_port,
		.rqueue = closed->rqueue,
		.wqueue = closed->wqueue,
		.uid = closed->uid,
		.ifindex = closed->ifindex,
		.mark = closed->mark,
		.known = TCPDIAG_KNOWS_SHUTDOWN | TCPDIAG_KNOWS_UID | TCPDIAG_KNOWS_MARK |
			 (closed->ifindex ? TCPDIAG_KNOWS_INTERFACE : 0),
	};
	memcpy(ret->local, closed->local, sizeof(ret->local));
	memcpy(ret->remote, closed->remote, sizeof(ret->remote));
	settings_apply(settings, ret);
}

int descriptor_from_rows(const uint8_t *buffer, size_t size, size_t *at, uint32_t hz,
			 struct descriptor *ret, struct tcpdiag_socket *ret_closed)
{
	struct descriptor_row row;
	struct closed_row closed;
	size_t wanted = sizeof(row);

	if (*at == size)
		return 0;
	if (*at > size || size - *at < sizeof(row))
		return -EBADMSG;
	memcpy(&row, buffer + *at, sizeof(row));
	if (row.state == TCPDIAG_CLOSE)
		wanted += sizeof(closed);
	if (row.size != wanted || size - *at < wanted || row.state <= TCPDIAG_STATE_NONE ||
	    row.state >= TCPDIAG_STATE_MAX || (row.family != AF_INET && row.family != AF_INET6) ||
	    row.pid < 0 || row.fd < 0)
		return -EBADMSG;
	*ret = (struct descriptor){
		.pid = row.pid,
		.fd = row.fd,
		.inode = row.inode,
		.netns = row.netns,
		.state = row.state,
		.settings = settings_from_row(&row.settings, hz),
	};
	if (row.state == TCPDIAG_CLOSE && ret_closed) {
		memcpy(&closed, buffer + *at + sizeof(row), sizeof(closed));
		fill_closed(&row, &closed, &ret->settings, ret_closed);
	}
	*at += wanted;
	return 1;
}
