/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * struct tcp_info of any length: what the kernel did not send must not be known, and what it sent must be
 * what is found.
 */
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/inet_diag.h"
#include "kernel/uapi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define END(member) \
	(offsetof(struct uapi_tcp_info, member) + sizeof(((struct uapi_tcp_info *)0)->member))

static const struct {
	uint32_t known;
	size_t end;
	size_t from, to; /* of one 32-bit member of the group */
} groups[] = {
	{ TCPDIAG_KNOWS_INFO, END(total_retrans), offsetof(struct uapi_tcp_info, rtt),
	  offsetof(struct tcpdiag_socket, rtt_us) },
	{ TCPDIAG_KNOWS_NOTSENT, END(notsent_bytes), offsetof(struct uapi_tcp_info, notsent_bytes),
	  offsetof(struct tcpdiag_socket, notsent_bytes) },
	{ TCPDIAG_KNOWS_BYTES, END(bytes_sent), offsetof(struct uapi_tcp_info, bytes_sent),
	  offsetof(struct tcpdiag_socket, bytes_sent) },
	{ TCPDIAG_KNOWS_SND_WND, END(snd_wnd), offsetof(struct uapi_tcp_info, snd_wnd),
	  offsetof(struct tcpdiag_socket, snd_wnd) },
	{ TCPDIAG_KNOWS_RCV_WND, END(rcv_wnd), offsetof(struct uapi_tcp_info, rcv_wnd),
	  offsetof(struct tcpdiag_socket, rcv_wnd) },
};

static void check(const struct tcpdiag_socket *sk, const uint8_t *info, size_t size)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		bool known = sk->known & groups[i].known;
		const uint8_t *value = (const uint8_t *)sk + groups[i].to;

		if (sk->state == TCPDIAG_LISTEN ? known : known != (size >= groups[i].end))
			abort();
		if (known ? memcmp(value, info + groups[i].from, sizeof(uint32_t))
			  : memcmp(value, "\0\0\0", sizeof(uint32_t)))
			abort();
	}
}

/* The first byte is the state, the rest what the kernel calls struct tcp_info. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct row {
		struct nlmsghdr header;
		struct inet_diag_msg msg;
		struct nlattr attribute;
	} * row;
	struct tcpdiag_socket sk;
	size_t length;

	if (size < 1 || size > 1024)
		return 0;
	size--;
	length = sizeof(*row) + size;
	row = calloc(1, length);
	if (!row)
		return 0;
	row->header = (struct nlmsghdr){ .nlmsg_len = (uint32_t)length,
					 .nlmsg_type = SOCK_DIAG_BY_FAMILY };
	row->msg = (struct inet_diag_msg){ .idiag_family = AF_INET, .idiag_state = data[0] };
	row->attribute = (struct nlattr){ .nla_len = (uint16_t)(sizeof(struct nlattr) + size),
					  .nla_type = INET_DIAG_INFO };
	memcpy(row + 1, data + 1, size);
	if (inet_diag_parse(&row->header, length, 1, IPPROTO_TCP, &sk) == 0)
		check(&sk, data + 1, size);
	free(row);
	return 0;
}
